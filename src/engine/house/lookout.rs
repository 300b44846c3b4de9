//! The look for what a person should know or see to: at fixed times, whatever else happens, so that a deadline is told
//! within a minute. Says each change once in the log, and rings for those who listen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::field::display;
use tracing::{error, info, warn};

use super::House;
use super::duties::SETBACKS_TILL_ALARM;
use crate::domain::moment::Moment;
use crate::engine::alarm::{Bell, Look};
use crate::engine::concern::{Concern, ConcernKind, Severity};
use crate::engine::desk::{Seen, SeenEndpoint, Times};
use crate::engine::places::short_id;
use crate::transport::Connect;

/// An alarm is raised so soon after its deadline at the latest, and told in what is left of a minute.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// What was found at the last look, and when the next is.
pub(super) struct Lookout {
    pub(super) next: Instant,
    pub(super) concerns: Arc<[Concern]>,
    times: Option<Times>,
    /// The daemon's start, from which an endpoint that was never listed is waited for.
    began: Instant,
    bell: Bell,
}

impl Lookout {
    pub(super) fn new(bell: Bell) -> Lookout {
        Lookout { next: Instant::now(), concerns: Arc::default(), times: None, began: Instant::now(), bell }
    }

    pub(super) fn is_due(&self) -> bool {
        self.next <= Instant::now()
    }
}

impl<C: Connect> House<C> {
    pub(super) fn look_out(&mut self) {
        let (now, steady) = (self.site.surroundings.now(), Instant::now());
        let seen = self.seen(now, steady);
        let mut times = self.lookout.times.take().unwrap_or_else(|| Times::at(now, steady));
        times.look(now, steady);
        let found: Arc<[Concern]> = self.site.concerns(&self.book, &seen, &mut times).into();
        self.lookout.times = Some(times);
        self.lookout.next = steady + LOOK_EVERY;
        tell(&self.lookout.concerns, &found);
        self.lookout.concerns = found.clone();
        let is_at_work = self.standstill.is_none();
        self.lookout.bell.ring(Look { at: steady, is_at_work, concerns: found, open: self.not_known_yet() });
    }

    /// What is known of no endpoint that was not listed since the start: whether these are over.
    fn not_known_yet(&self) -> BTreeSet<String> {
        let not_listed =
            self.polls.iter().filter(|(_, poll)| poll.line.as_ref().is_none_or(|line| line.listed_at.is_none()));
        let kinds = [ConcernKind::Poll, ConcernKind::HostKey, ConcernKind::Login];
        not_listed.flat_map(|(name, _)| kinds.map(|kind| format!("{}:{name}", kind.name()))).collect()
    }

    /// What only this loop has seen.
    fn seen(&self, now: Moment, steady: Instant) -> Seen {
        let endpoints = self.site.endpoints.iter().map(|(name, (_, link))| {
            let line = self.polls.get(name).and_then(|poll| poll.line.as_ref());
            let listed = self.polls.get(name).and_then(|poll| poll.listed).unwrap_or(self.lookout.began);
            SeenEndpoint {
                name: name.clone(),
                listed_at: before(now, steady - listed),
                trouble: link.last_trouble(),
                said: line.and_then(|line| line.trouble.clone()),
                untakable: line.map(|line| line.waiting.clone()).unwrap_or_default(),
            }
        });
        let stuck =
            self.rests.iter().filter(|(_, rest)| rest.setbacks >= SETBACKS_TILL_ALARM && rest.no_room.is_none());
        Seen {
            endpoints: endpoints.collect(),
            halts: self.halts(),
            unreadable: self
                .unreadable
                .iter()
                .map(|(folder, why)| (folder.display().to_string(), why.clone()))
                .collect(),
            stuck: stuck.map(|(id, rest)| (*id, rest.said.clone())).collect(),
            anchor_trouble: self.site.ledger.slack().trouble(),
            silent: self.lookout.bell.silent(),
        }
    }
}

/// The moment that lies so long before another one, to the second: a wall clock that was set since changes nothing.
fn before(now: Moment, passed: Duration) -> Moment {
    let seconds = now.as_micros() / 1_000_000 - i64::try_from(passed.as_secs()).unwrap_or(i64::MAX);
    Moment::from_micros(seconds.saturating_mul(1_000_000))
}

/// Says once of each that it has begun, has become urgent, or is over.
fn tell(former: &[Concern], found: &[Concern]) {
    let before: BTreeMap<&str, &Concern> = former.iter().map(|concern| (concern.id.as_str(), concern)).collect();
    let now: BTreeSet<&str> = found.iter().map(|concern| concern.id.as_str()).collect();
    for concern in found {
        if before.get(concern.id.as_str()).is_some_and(|before| before.severity >= concern.severity) {
            continue;
        }
        let kind = concern.kind.name();
        let (municipality, exchange) = (concern.municipality.map(display), concern.story.map(short_id).map(display));
        let (endpoint, deadline) = (concern.endpoint.as_ref().map(display), concern.deadline.map(display));
        let (what, advice, next) = (&concern.what, &concern.advice, format!("sluse {}", concern.command));
        match concern.severity {
            Severity::Alarm => error!(
                kind, municipality, exchange, endpoint, since = %concern.since, deadline, %what, %advice, next,
                "alarm: a person is needed"
            ),
            Severity::Warning => warn!(
                kind, municipality, exchange, endpoint, since = %concern.since, deadline, %what, %advice, next,
                "warning: a person may be needed"
            ),
        }
    }
    for concern in former.iter().filter(|concern| !now.contains(concern.id.as_str())) {
        let (municipality, exchange) = (concern.municipality.map(display), concern.story.map(short_id).map(display));
        info!(kind = concern.kind.name(), municipality, exchange, what = %concern.what, "alarm or warning is over");
    }
}

#[cfg(test)]
mod tests;
