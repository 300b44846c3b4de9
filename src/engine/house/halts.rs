//! Where a disk has no room, or fails: which claims are held back until a retry of the stuck one works, and what people
//! are shown of it. A failure that is one file's own holds nothing else up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tracing::{error, info};

use super::takes::is_large;
use super::{House, ToTake};
use crate::domain::identity::{ExchangeName, Route};
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;
use crate::engine::carry_out::Setback;
use crate::engine::snapshot::Halt;
use crate::transport::Connect;

/// A disk that kept some work from being done, since then; None: it was something else.
pub(super) type NoRoom = Option<Moment>;

/// The same work failed again, or for the first time: since when the disk keeps it.
pub(super) fn no_room(former: NoRoom, setback: &Setback, now: Moment) -> NoRoom {
    setback.is_disks_own().then(|| former.unwrap_or(now))
}

/// Whom it holds up: with None everybody, as a stuck copy does, since all copies go into one archive.
type Reach = Option<ExchangeName>;

impl<C: Connect> House<C> {
    /// The next file that may be claimed, or copied. Where a claim is stuck for want of room, that is the stuck one alone.
    pub(super) fn next_to_take(&mut self) -> Option<ToTake> {
        let held_back: BTreeSet<Reach> = self.stuck_for_room().map(|(reach, ..)| reach).collect();
        let stuck = &self.stuck;
        let is_stuck_for_room = |path: &Path| stuck.get(path).is_some_and(|stuck| stuck.no_room.is_some());
        let is_held_back =
            |of: &ExchangeName| held_back.iter().any(|reach| reach.as_ref().is_none_or(|held| held == of));
        let waits_for_memory = |next: &ToTake| self.takes.has_large() && is_large(next.size());
        self.to_take.pop(|next| {
            (!is_held_back(&next.route().exchange) || is_stuck_for_room(&next.path())) && !waits_for_memory(next)
        })
    }

    /// Whom it holds up, since when and why.
    fn stuck_for_room(&self) -> impl Iterator<Item = (Reach, Moment, &str)> {
        self.stuck.values().filter_map(|stuck| {
            let reach = stuck.spooled.is_none().then(|| stuck.route.exchange.clone());
            Some((reach, stuck.no_room?, stuck.why.as_str()))
        })
    }

    /// Says once that no more files are claimed, and once that they are again.
    pub(super) fn tell_of_room(&mut self) {
        let now: BTreeMap<Reach, String> =
            self.stuck_for_room().map(|(reach, _, why)| (reach, why.to_owned())).collect();
        for (reach, why) in &now {
            if self.told_no_room.get(reach) != Some(why) {
                error!(
                    kind = reach.as_ref().map(ToString::to_string), %why,
                    "no more files are claimed, they stay in the outbox; tried again and again: make room or mend the disk"
                );
            }
        }
        for reach in self.told_no_room.keys().filter(|reach| !now.contains_key(reach)) {
            info!(kind = reach.as_ref().map(ToString::to_string), "files are claimed again");
        }
        self.told_no_room = now;
    }

    /// What keeps files in the outboxes; the whole house first.
    pub(super) fn keeping_claims(&self) -> Vec<Halt> {
        let mut halts: Vec<Halt> = self.standstill.iter().map(|standstill| standstill.halt()).collect();
        let claims: BTreeMap<Reach, (Moment, &str)> =
            self.stuck_for_room().map(|(reach, since, why)| (reach, (since, why))).collect();
        halts.extend(claims.into_iter().map(|(exchange, (since, why))| {
            let what = format!("no more files are claimed, they stay in the outbox: {why}");
            Halt { since, exchange, municipalities: None, what }
        }));
        halts
    }

    /// What keeps more than one file, for people to see; the whole house first.
    pub(super) fn halts(&self) -> Vec<Halt> {
        let mut halts = self.keeping_claims();
        let duties = self.rests.iter().filter_map(|(id, rest)| {
            let route = &self.book.get(*id)?.route;
            Some((Some(route), rest.no_room?, rest.said.as_str()))
        });
        halts.extend(summed(duties, |count| match count {
            1 => "1 exchange cannot go on".to_owned(),
            more => format!("{more} exchanges cannot go on"),
        }));
        let fetches = self.fetch_troubles.values();
        let fetches =
            fetches.filter_map(|trouble| Some((trouble.route.as_ref(), trouble.no_room?, trouble.said.as_str())));
        halts.extend(summed(fetches, |count| match count {
            1 => "1 file in IN cannot be fetched and stays there".to_owned(),
            more => format!("{more} files in IN cannot be fetched and stay there"),
        }));
        halts
    }
}

/// What one reason keeps of one exchange.
struct Sum {
    since: Moment,
    count: usize,
    municipalities: BTreeSet<MunicipalityCode>,
}

/// One halt for each exchange and reason, the oldest first. A receipt is nobody's before it is read.
fn summed<'a>(
    kept: impl Iterator<Item = (Option<&'a Route>, Moment, &'a str)>,
    what: impl Fn(usize) -> String,
) -> Vec<Halt> {
    let mut sums: BTreeMap<(Reach, &str), Sum> = BTreeMap::new();
    for (route, since, why) in kept {
        let at_first = || Sum { since, count: 0, municipalities: BTreeSet::new() };
        let sum = sums.entry((route.map(|route| route.exchange.clone()), why)).or_insert_with(at_first);
        sum.since = sum.since.min(since);
        sum.count += 1;
        sum.municipalities.extend(route.map(|route| route.municipality));
    }
    let halt = |((exchange, why), sum): ((Reach, &str), Sum)| Halt {
        since: sum.since,
        municipalities: exchange.is_some().then_some(sum.municipalities),
        exchange,
        what: format!("{}: {why}", what(sum.count)),
    };
    let mut halts: Vec<Halt> = sums.into_iter().map(halt).collect();
    halts.sort_by_key(|halt| halt.since);
    halts
}
