//! From the outboxes to the book: scans, claims side by side, the municipalities by turns, and what they come to, one
//! after the other. A file that cannot be taken is remembered by where it is, shown, and tried again; what is in a spool and in no
//! book is adopted.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::halts::{NoRoom, no_room};
use super::takes::is_large;
use super::{Done, HINT_PAUSE, House, Key, ToTake};
use crate::domain::identity::{ExchangeName, Route};
use crate::domain::moment::Moment;
use crate::engine::carry_out::{Setback, on_disk};
use crate::engine::intake::{self, NotTaken, Spools, Taken};
use crate::engine::places::short_id;
use crate::engine::site::Kind;
use crate::outbox::claim::Spooled;
use crate::outbox::{Outbox, Scan, Waiting, printable};
use crate::transport::Connect;

/// The outbox is looked at this often, whatever the notifications say, and so are the spools.
pub(super) const SCAN_EVERY: Duration = Duration::from_secs(30);

/// While files that were found stand in line, there is no hurry to find more: each that is claimed gives a notification.
const SCAN_BESIDE_A_LINE_EVERY: Duration = Duration::from_millis(500);

/// A folder that could not be read is looked at again after so long.
const READ_AGAIN_IN: Duration = Duration::from_secs(5);

/// A file that could not be taken is tried again after this, and then after twice as long each time.
const TAKE_AGAIN_IN: Duration = Duration::from_secs(1);

/// And never later than this.
const TAKE_AGAIN_IN_MAX: Duration = Duration::from_secs(30);

/// A file that could not be taken yet.
pub(super) struct Stuck {
    pub(super) route: Route,
    name: String,
    /// None: it is still in the outbox, where the scans find it.
    pub(super) spooled: Option<Spooled>,
    pub(super) why: String,
    pub(super) no_room: NoRoom,
    failures: u32,
    again_at: Instant,
}

impl Stuck {
    /// A file that is still in the outbox, after one failure more.
    fn after(former: Option<&Stuck>, now: Moment, route: Route, name: String, setback: &Setback) -> Stuck {
        let no_room = no_room(former.and_then(|former| former.no_room), setback, now);
        let failures = former.map_or(0, |former| former.failures);
        let wait = TAKE_AGAIN_IN.saturating_mul(2_u32.saturating_pow(failures)).min(TAKE_AGAIN_IN_MAX);
        let (why, again_at) = (setback.to_string(), Instant::now() + wait);
        Stuck { route, name, spooled: None, why, no_room, failures: failures.saturating_add(1), again_at }
    }

    fn is_news(&self, former: Option<&Stuck>) -> bool {
        former.is_none_or(|former| former.why != self.why || former.spooled.is_some() != self.spooled.is_some())
    }

    fn waiting(&self) -> Waiting {
        let why = match self.spooled {
            None => format!("it cannot be claimed, trying again: {}", self.why),
            Some(_) => format!("claimed into the spool, cannot be copied, trying again: {}", self.why),
        };
        Waiting { municipality: Some(self.route.municipality), name: self.name.clone(), why }
    }
}

impl<C: Connect> House<C> {
    /// What lies in the outboxes and is not taken, or was claimed and is in no book, for people to see.
    pub(super) fn waiting(&self) -> Vec<Waiting> {
        let unreadable = self.unreadable.iter().map(|(folder, why)| {
            let why = format!("the folder cannot be read, nothing is taken from it: {why}");
            Waiting { municipality: None, name: folder.display().to_string(), why }
        });
        let stuck = self.stuck.values().map(Stuck::waiting);
        self.in_outbox.values().flatten().cloned().chain(stuck).chain(unreadable).collect()
    }

    /// When the outboxes are looked into next.
    pub(super) fn scan_due(&self) -> Instant {
        let rests_until = match self.to_take.is_empty() {
            true => self.scan_rests_until,
            false => self.scan_rests_until.max(self.scanned_at + SCAN_BESIDE_A_LINE_EVERY),
        };
        self.next_scan.max(rests_until)
    }

    /// Looks into the outboxes beside the loop: folders may be large, and disks slow.
    pub(super) fn start_scan(&mut self) {
        if self.busy.contains(&Key::Scan) {
            return;
        }
        let now = Instant::now();
        let stuck_until = self.stuck.values().map(|stuck| stuck.again_at).filter(|again_at| *again_at > now);
        self.next_scan = stuck_until.min().unwrap_or(now + SCAN_EVERY).min(now + SCAN_EVERY);
        let (disk, outboxes, since_start) = (self.site.disk.clone(), self.outboxes.clone(), now - self.started);
        self.spawn(Key::Scan, async move {
            let scans = on_disk(disk, move |disk| {
                // A scan that broke off leaves sights that the next one makes anew.
                let mut outboxes = outboxes.lock().unwrap_or_else(PoisonError::into_inner);
                let scan = |(kind, outbox): &mut (Arc<Kind<C>>, Outbox)| {
                    (kind.name.clone(), outbox.scan(disk, &kind.query, since_start))
                };
                Ok(outboxes.iter_mut().map(scan).collect())
            });
            Done::Scanned { began: now, scans: scans.await }
        });
    }

    pub(super) fn note_scans(&mut self, began: Instant, scans: Result<Vec<(ExchangeName, Scan)>, Setback>) {
        // A flooded folder makes scans long, and asks for another with every file that is taken: half of the time at most.
        let now = Instant::now();
        self.scanned_at = now;
        self.scan_rests_until = now + (now - began).clamp(HINT_PAUSE, SCAN_EVERY);
        if began < self.renewed {
            // Of outboxes that the settings no longer name so.
            self.next_scan = now;
            return;
        }
        match scans {
            Ok(scans) => scans.into_iter().for_each(|(exchange, scan)| self.note_scan(exchange, scan)),
            Err(setback) => error!(trouble = %setback, "outboxes cannot be looked into, tried again"),
        }
    }

    fn note_scan(&mut self, exchange: ExchangeName, scan: Scan) {
        let now = Instant::now();
        let ripe: HashSet<_> = scan.ripe.iter().map(|ripe| ripe.path.clone()).collect();
        self.stuck
            .retain(|path, stuck| stuck.spooled.is_some() || stuck.route.exchange != exchange || ripe.contains(path));
        self.tell_of_room();
        for ripe in scan.ripe {
            let rests = self.stuck.get(&ripe.path).is_some_and(|stuck| stuck.again_at > now);
            if !rests && !self.takes.contains(&ripe.path) {
                self.to_take.push_back(ToTake::Ripe(ripe));
            }
        }
        if let Some(wait) = scan.look_again_in {
            self.next_scan = self.next_scan.min(now + wait);
        }
        self.note_folders(&scan.read, scan.unreadable);
        let former = self.in_outbox.insert(exchange.clone(), scan.waiting);
        let former: HashSet<&Waiting> = former.iter().flatten().collect();
        for waiting in &self.in_outbox[&exchange] {
            if !former.contains(waiting) {
                let municipality = waiting.municipality.map(tracing::field::display);
                info!(kind = %exchange, municipality, name = %waiting.name, why = %waiting.why, "file waits in the outbox");
            }
        }
    }

    /// Says once of each folder that it cannot be read, and that it can again.
    fn note_folders(&mut self, read: &[PathBuf], unreadable: Vec<(PathBuf, String)>) {
        for folder in read {
            if self.unreadable.remove(folder).is_some() {
                info!(folder = %folder.display(), "folder can be read again");
            }
        }
        if !unreadable.is_empty() {
            self.next_scan = self.next_scan.min(Instant::now() + READ_AGAIN_IN);
        }
        for (folder, why) in unreadable {
            if self.unreadable.insert(folder.clone(), why.clone()).as_ref() != Some(&why) {
                error!(folder = %folder.display(), %why, "folder cannot be read, nothing is taken from it");
            }
        }
    }

    /// Files are claimed and copied side by side, and decided upon one after the other: a second query for a payment
    /// date is known by the first one's fact. The spools are looked into, and retries begun, while no claim is under way.
    pub(super) fn start_intake(&mut self) {
        if self.busy.contains(&Key::Intake) {
            return;
        }
        let now = Instant::now();
        let is_to_come_to_rest = self.next_look_at_spools <= now || !self.retries.is_empty();
        if is_to_come_to_rest && !self.takes.is_empty() {
            return;
        }
        if self.next_look_at_spools <= now {
            self.next_look_at_spools = now + SCAN_EVERY;
            let site = self.site.clone();
            self.spawn(Key::Intake, async move {
                let looking = site.clone();
                Done::Spools { found: on_disk(site.disk.clone(), move |_| Ok(looking.spooled())).await }
            });
            return;
        }
        self.queue_what_was_stuck(now);
        while !self.takes.is_full()
            && let Some(next) = self.next_to_take()
        {
            let (from, exchange) = (next.path(), next.route().exchange.clone());
            let (Some(kind), site) = (self.site.kinds.get(&exchange).cloned(), self.site.clone()) else {
                if let ToTake::Spooled(spooled) = next {
                    let why = Setback::Other(format!("exchange `{exchange}` is no longer in the settings"));
                    self.note_taken(&from, Err(NotTaken::NotCopied(Box::new(spooled), why)));
                }
                continue;
            };
            self.takes.begin(from.clone(), next.route().clone(), is_large(next.size()));
            self.spawn(Key::Take(from.clone()), async move {
                let taken = match next {
                    ToTake::Ripe(ripe) => intake::take(&site, &kind, ripe).await,
                    ToTake::Spooled(spooled) => intake::adopt(&site, &kind, spooled).await,
                };
                Done::Taken { from, taken }
            });
        }
    }

    fn queue_what_was_stuck(&mut self, now: Instant) {
        while self.stuck_again_at.first().is_some_and(|(again_at, _)| *again_at <= now) {
            let Some((_, path)) = self.stuck_again_at.pop_first() else { return };
            if let Some(Stuck { spooled: Some(spooled), .. }) = self.stuck.get(&path) {
                self.to_take.push_back(ToTake::Spooled(spooled.clone()));
            }
        }
    }

    /// Whatever is in a spool and in no book was claimed before a crash, or its claim came to an abnormal end.
    pub(super) fn note_spools(&mut self, found: Result<Spools, Setback>) {
        let found = match found {
            Ok(found) => found,
            Err(setback) => return error!(trouble = %setback, "spools cannot be read, what was claimed waits there"),
        };
        if !found.unreadable.is_empty() {
            self.next_look_at_spools = Instant::now() + READ_AGAIN_IN;
        }
        self.note_folders(&found.read, found.unreadable);
        for spooled in found.files {
            let path = spooled.path();
            if !self.book.knows(spooled.id) && !self.stuck.contains_key(&path) && !self.to_take.contains(&path) {
                info!(exchange = %short_id(spooled.id), municipality = %spooled.route.municipality, "adopted from the spool");
                // It was claimed before anything that is ripe now.
                self.to_take.push_front(ToTake::Spooled(spooled));
            }
        }
    }

    pub(super) fn note_settled_takes(&mut self) {
        while let Some((from, taken)) = self.takes.next_settled() {
            self.note_taken(&from, taken);
        }
    }

    /// `from`: where the file was before.
    fn note_taken(&mut self, from: &Path, taken: Result<Taken, NotTaken>) {
        let (former, now) = (self.stuck.remove(from), self.site.surroundings.now());
        match taken {
            Ok(taken) => {
                let Some(kind) = self.site.kinds.get(&taken.spooled.route.exchange) else { return };
                let today = now.date_in_copenhagen();
                let facts = intake::facts(&self.book, &self.pending, today, &kind.query, &taken);
                self.pending.extend(facts.into_iter().map(|fact| (taken.spooled.id, fact)));
            }
            Err(NotTaken::Changed) => self.next_scan = self.next_scan.min(Instant::now() + TAKE_AGAIN_IN),
            Err(NotTaken::Gone(spooled)) => warn!(
                name = %spooled.original_name, municipality = %spooled.route.municipality,
                "claimed file is gone from the spool, it was not sent"
            ),
            Err(NotTaken::NotClaimed(ripe, setback)) => {
                let stuck = Stuck::after(former.as_ref(), now, ripe.route, printable(&ripe.name), &setback);
                if stuck.is_news(former.as_ref()) {
                    error!(
                        name = %stuck.name, municipality = %stuck.route.municipality, why = %stuck.why,
                        "file cannot be claimed, it stays in the outbox and is tried again"
                    );
                }
                self.keep_stuck(ripe.path, stuck);
            }
            Err(NotTaken::NotCopied(spooled, setback)) => {
                let (path, name) = (spooled.path(), spooled.original_name.clone());
                let mut stuck = Stuck::after(former.as_ref(), now, spooled.route.clone(), name, &setback);
                stuck.spooled = Some(*spooled);
                if stuck.is_news(former.as_ref()) {
                    error!(
                        name = %stuck.name, municipality = %stuck.route.municipality, lies_at = %path.display(),
                        why = %stuck.why, "file is claimed and cannot be copied, it stays in the spool and is tried again"
                    );
                }
                self.keep_stuck(path, stuck);
            }
        }
        self.tell_of_room();
    }

    fn keep_stuck(&mut self, path: PathBuf, stuck: Stuck) {
        debug!(failures = stuck.failures, "file tried in vain");
        self.next_scan = self.next_scan.min(stuck.again_at);
        if stuck.spooled.is_some() {
            self.stuck_again_at.insert((stuck.again_at, path.clone()));
        }
        self.stuck.insert(path, stuck);
    }
}
