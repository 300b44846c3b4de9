//! Standing still: while the store cannot be written, nothing new is begun. What was at work comes to its end, and what
//! it came to is kept in its order and recorded when the store can be written again; then all goes on by itself. What is
//! true only by being recorded is dropped: an intent is made anew, a person is told to decide again.

use std::collections::HashSet;

use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::House;
use crate::domain::exchange::Fact;
use crate::domain::identity::FileId;
use crate::domain::moment::Moment;
use crate::domain::patience::backoff;
use crate::engine::control::Answer;
use crate::engine::snapshot::Halt;
use crate::store::{HouseFact, StoreTrouble};
use crate::transport::Connect;

/// Since when, why, and when the store is tried again.
pub(super) struct Standstill {
    since: Moment,
    why: String,
    failures: u32,
    pub(super) again_at: Instant,
}

impl Standstill {
    pub(super) fn is_over_due(&self) -> bool {
        self.again_at <= Instant::now()
    }

    /// Does not wait any longer.
    pub(super) fn try_now(&mut self) {
        self.again_at = Instant::now();
    }

    /// What the journal will say of it, written with the first entries after it: so there is always something to try
    /// with.
    pub(super) fn fact(&self) -> HouseFact {
        HouseFact::StoodStill { since: self.since, why: self.why.clone() }
    }

    pub(super) fn halt(&self) -> Halt {
        let what = format!("nothing can be recorded, so nothing new is begun: {}", self.why);
        Halt { since: self.since, exchange: None, municipalities: None, what }
    }

    /// What a command is told that would record something.
    pub(super) fn refusal(&self) -> String {
        format!(
            "nothing can be recorded now: {}; nothing has happened, and Sluse goes on by itself when there is room",
            self.why
        )
    }
}

impl<C: Connect> House<C> {
    /// The store did not take these facts.
    pub(super) fn stand_still(&mut self, trouble: &StoreTrouble, facts: Vec<(FileId, Fact)>) {
        let why = trouble.to_string();
        let former = self.standstill.take();
        let (since, failures) = former.as_ref().map_or((self.site.surroundings.now(), 0), |f| (f.since, f.failures));
        let failures = failures.saturating_add(1);
        let again_at = Instant::now() + backoff(failures, self.site.surroundings.share());
        let standstill = Standstill { since, why, failures, again_at };
        let (dropped, kept): (Vec<_>, Vec<_>) = facts.into_iter().partition(|(_, fact)| fact.is_true_once_recorded());
        self.pending.splice(0..0, kept);
        if former.is_some_and(|former| former.why == standstill.why) {
            debug!(failures, "store tried in vain");
        } else {
            error!(
                why = %standstill.why, waiting = self.pending.len(), at_work = self.tasks.len(),
                "store cannot be written: nothing new is begun, what has happened is kept, tried again and again; make room \
                 or mend the disk"
            );
        }
        // What was to be compared has not been begun.
        let busy = &self.busy;
        self.comparing.retain(|_, id| busy.contains(&super::Key::Duty(*id)));
        let undecided: HashSet<FileId> =
            dropped.iter().filter(|(_, fact)| is_decision(fact)).map(|(id, _)| *id).collect();
        for outcome in std::mem::take(&mut self.outcomes) {
            match undecided.contains(&outcome.id) {
                // Nobody waits any more if the person has gone.
                true => drop(outcome.answer.send(Answer::Refused { why: standstill.refusal() })),
                false => self.outcomes.push(outcome),
            }
        }
        self.refuse_retries(&standstill.refusal());
        self.standstill = Some(standstill);
    }

    /// The store was written.
    pub(super) fn go_on(&mut self) {
        if let Some(standstill) = self.standstill.take() {
            info!(stood_still_since = %standstill.since, after_failures = standstill.failures, "store can be written again, everything goes on");
        }
    }

    /// Told at the end of a daemon that could not write down all that it knows.
    pub(super) fn tell_of_unrecorded(&self) {
        if !self.pending.is_empty() {
            let facts = self.pending.len();
            warn!(
                facts,
                "stopped while the store cannot be written: what is not recorded is found out again at the next start"
            );
        }
    }
}

fn is_decision(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Approved { .. }
            | Fact::Declined { .. }
            | Fact::Settled { .. }
            | Fact::Withdrawn { .. }
            | Fact::Retried { .. }
    )
}
