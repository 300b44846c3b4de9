//! Once a night, or when a person says so: what is older than is kept goes, step by step, so that nobody waits. Files that a
//! step has given up are unlinked after it, also those of a run that a former daemon could not finish.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{info, warn};

use super::{Done, House, Key};
use crate::domain::identity::Route;
use crate::domain::moment::Moment;
use crate::domain::retention::is_time;
use crate::engine::carry_out::{Setback, on_disk};
use crate::engine::control::Answer;
use crate::engine::retention::{self, FILES_AT_ONCE, HoldAsk, Step, unlink};
use crate::store::removal::Removed;
use crate::store::{Body, StoreTrouble};
use crate::transport::Connect;

/// Everybody else gets their turn between two steps.
const STEP_EVERY: Duration = Duration::from_millis(20);

/// Files that could not be unlinked are tried again after so long.
const UNLINK_AGAIN_IN: Duration = Duration::from_secs(60);

/// What this loop knows of it.
pub(super) struct Tended {
    /// When it was looked last what may go, or the daemon began.
    last: Moment,
    run: Option<Run>,
    next_step: Instant,
    /// Files may wait to be unlinked, from a step or from before the start.
    files_wait: bool,
    /// Unlinked, and the store has not heard of it yet.
    unlinked: Vec<String>,
    told: Option<String>,
}

#[derive(Default)]
struct Run {
    removed: Removed,
    /// None: the stories come first.
    registers: Option<VecDeque<(Route, Moment)>>,
    answers: Vec<oneshot::Sender<Answer>>,
}

impl Tended {
    pub fn new(now: Moment) -> Tended {
        Tended { last: now, run: None, next_step: Instant::now(), files_wait: true, unlinked: Vec::new(), told: None }
    }

    /// When there is something to do next, if there is.
    pub fn wakes_at(&self) -> Option<Instant> {
        (self.run.is_some() || self.files_wait).then_some(self.next_step)
    }

    /// What goes is told by other settings from the next step on.
    pub fn plan_anew(&mut self) {
        if let Some(run) = &mut self.run {
            run.registers = None;
        }
    }
}

impl<C: Connect> House<C> {
    /// Does the next step, if it is time for one. What is pending was recorded just before, so the book is the journal's.
    pub(super) async fn tend_retention(&mut self) -> Result<(), StoreTrouble> {
        let is_rest = self.tended.next_step > Instant::now() || self.busy.contains(&Key::Unlink);
        if is_rest || self.standstill.is_some() || !self.pending.is_empty() {
            return Ok(());
        }
        let now = self.site.surroundings.now();
        if self.tended.run.is_none() && is_time(now, self.tended.last) {
            self.tended.last = now;
            if !self.site.keeps_for_ever() {
                self.tended.run = Some(Run::default());
            }
        }
        match self.next_step(now) {
            Some(step) => {
                self.tended.next_step = Instant::now() + STEP_EVERY;
                self.carry_out_step(step).await
            }
            None if self.tended.files_wait => self.unlink_next().await,
            None => {
                self.end_run(None);
                Ok(())
            }
        }
    }

    fn next_step(&mut self, now: Moment) -> Option<Step> {
        let run = self.tended.run.as_mut()?;
        if run.registers.is_none() {
            if let Some(step) = self.site.step_of_stories(&self.book) {
                return Some(step);
            }
            run.registers = Some(self.site.registers(&self.book, now).into());
        }
        let (route, before) = run.registers.as_ref()?.front()?.clone();
        Some(self.site.step_of_register(&self.book, route, before))
    }

    async fn carry_out_step(&mut self, step: Step) -> Result<(), StoreTrouble> {
        match self.site.ledger.with(move |store| step.carry_out(store)).await {
            Ok(done) => {
                self.tended.files_wait |= done.is_some();
                let removed = retention::taken(&mut self.book, done);
                if let Some(run) = &mut self.tended.run {
                    run.removed += removed;
                    if let (true, Some(registers)) = (removed.is_nothing(), &mut run.registers) {
                        registers.pop_front();
                    }
                }
                Ok(())
            }
            Err(trouble @ StoreTrouble::Unusable { .. }) => {
                self.stand_still(&trouble, Vec::new());
                self.interrupt_run(&trouble.to_string());
                Ok(())
            }
            Err(trouble) => Err(trouble),
        }
    }

    async fn unlink_next(&mut self) -> Result<(), StoreTrouble> {
        self.tended.next_step = Instant::now() + STEP_EVERY;
        let gone = std::mem::take(&mut self.tended.unlinked);
        let next = self.site.ledger.with(move |store| {
            if !gone.is_empty() {
                store.unlinked(&gone)?;
            }
            store.to_unlink(FILES_AT_ONCE)
        });
        let files = match next.await {
            Ok(files) => files,
            Err(trouble @ StoreTrouble::Unusable { .. }) => {
                // What is gone is found to be gone when it is tried again.
                self.stand_still(&trouble, Vec::new());
                return Ok(());
            }
            Err(trouble) => return Err(trouble),
        };
        if files.is_empty() {
            self.tended.files_wait = false;
            return Ok(());
        }
        let (disk, state) = (self.site.disk.clone(), self.site.settings.folders.state.clone());
        self.spawn(Key::Unlink, async move {
            let (unlinking, there) = (files.clone(), state);
            let done = on_disk(disk, move |disk| unlink(disk, &there, &unlinking)).await;
            Done::Unlinked(files, done)
        });
        Ok(())
    }

    pub(super) fn note_unlinked(&mut self, files: Vec<String>, done: Result<(), Setback>) {
        match done {
            Ok(()) => {
                if self.tended.told.take().is_some() {
                    info!("files that retention has given up can be unlinked again");
                }
                self.tended.unlinked = files;
            }
            Err(setback) => {
                let why = setback.to_string();
                if self.tended.told.as_ref() != Some(&why) {
                    warn!(%why, "files that retention has given up cannot be unlinked, tried again and again");
                }
                self.tended.told = Some(why.clone());
                self.tended.next_step = Instant::now() + UNLINK_AGAIN_IN;
                self.end_run(Some(why));
            }
        }
    }

    /// The store has come to a standstill in the middle: whoever waits is told so, and the run goes on when that is over.
    fn interrupt_run(&mut self, why: &str) {
        let Some(run) = &mut self.tended.run else { return };
        run.registers = None;
        let Removed { erased, files, bytes, stories, entries, agreements, rows } = run.removed;
        warn!(
            erased, files, bytes, stories, entries, agreements, rows, %why,
            "retention: interrupted, so much was removed; the rest goes when the store can be written again"
        );
        for answer in run.answers.drain(..) {
            let why = format!(
                "it is interrupted: {why}; until then {erased} stories lost their files, {stories} went as a whole and \
                 {agreements} ended agreements went; the rest goes by itself when the store can be written again"
            );
            // Nobody waits any more if the person has gone.
            let _ = answer.send(Answer::Refused { why });
        }
    }

    /// Tells what came of it. `files_stay`: why files whose removal is recorded are still there.
    fn end_run(&mut self, files_stay: Option<String>) {
        let Some(Run { removed, answers, .. }) = self.tended.run.take() else { return };
        let Removed { erased, files, bytes, stories, entries, agreements, rows } = removed;
        match &files_stay {
            Some(why) => warn!(
                erased, files, bytes, stories, entries, agreements, rows, %why,
                "retention: what was older than is kept is removed from the store, but not all of its files, which is tried again and again"
            ),
            None if removed.is_nothing() => info!("retention: nothing is older than is kept"),
            None => info!(
                erased,
                files, bytes, stories, entries, agreements, rows, "retention: what was older than is kept was removed"
            ),
        }
        for answer in answers {
            let said = match &files_stay {
                Some(why) => Answer::Refused {
                    why: format!(
                        "what was to go is recorded, but its files cannot be unlinked yet: {why}; it is tried again and again"
                    ),
                },
                None => Answer::Removed { removed },
            };
            // Nobody waits any more if the person has gone.
            let _ = answer.send(said);
        }
    }

    /// A person wants it now.
    pub(super) fn begin_retention(&mut self, who: &str, answer: oneshot::Sender<Answer>) {
        if let Some(standstill) = &self.standstill {
            // Nobody waits any more if the person has gone.
            let _ = answer.send(Answer::Refused { why: standstill.refusal() });
            return;
        }
        info!(%who, "retention is to run now");
        self.tended.last = self.site.surroundings.now();
        self.tended.next_step = self.tended.next_step.min(Instant::now() + STEP_EVERY);
        self.tended.run.get_or_insert_default().answers.push(answer);
    }

    /// A person puts a legal hold on something, or lifts one.
    pub(super) async fn hold_by_law(&mut self, ask: HoldAsk, who: String) -> Result<Answer, StoreTrouble> {
        if let Some(standstill) = &self.standstill {
            return Ok(Answer::Refused { why: standstill.refusal() });
        }
        let fact = match ask.fact(&self.book, who) {
            Ok(fact) => fact,
            Err(why) => return Ok(Answer::Refused { why }),
        };
        match self.site.ledger.append(self.site.surroundings.now(), vec![Body::House(fact)]).await {
            Ok(entries) => {
                for entry in entries {
                    if let Body::House(fact) = &entry.body {
                        retention::take_in(&mut self.book, entry.at, fact);
                        info!(fact = fact.name(), "legal hold changed by a person, see `sluse legal-hold list`");
                    }
                }
                Ok(Answer::Holds { holds: self.book.legal_holds().cloned().collect() })
            }
            Err(trouble @ StoreTrouble::Unusable { .. }) => {
                self.stand_still(&trouble, Vec::new());
                Ok(Answer::Refused { why: trouble.to_string() })
            }
            Err(trouble) => Err(trouble),
        }
    }
}
