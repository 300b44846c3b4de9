//! The whole loop with a stopped clock: what is raised when, to the second, and what is not.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::domain::envelope::ReceiptOutcome;
use crate::domain::exchange::Fact;
use crate::engine::desk::Office;
use crate::engine::ledger::Ledger;
use crate::engine::link::Link;
use crate::engine::offline::fold;
use crate::engine::recover::tests::{Ground, id, rejected};
use crate::engine::site::{Kind, Site, Surroundings};
use crate::store::{Body, SqliteStore, Store};
use crate::transport::{Abilities, FarSide, Folder, Listing, RemotePath, Trouble};

/// A far side with nothing in it, or one that cannot be reached.
#[derive(Clone, Default)]
struct Far(Arc<Mutex<Option<Trouble>>>);

impl Far {
    fn trouble(&self) -> Result<(), Trouble> {
        self.0.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn becomes(&self, trouble: Option<Trouble>) {
        *self.0.lock().unwrap() = trouble;
    }
}

impl Connect for Far {
    type Session = Far;

    async fn connect(&self) -> Result<Far, Trouble> {
        self.trouble().map(|()| self.clone())
    }
}

impl FarSide for Far {
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    async fn list(&self, _: Folder, _: usize) -> Result<Listing, Trouble> {
        self.trouble().map(|()| Listing::default())
    }

    async fn size(&self, _: &RemotePath) -> Result<u64, Trouble> {
        Err(Trouble::Missing)
    }

    async fn read<W: AsyncWrite + Unpin + Send>(&self, _: &RemotePath, _: u64, _: &mut W) -> Result<u64, Trouble> {
        Err(Trouble::Missing)
    }

    async fn write<R: AsyncRead + Unpin + Send>(&self, _: &RemotePath, _: &mut R) -> Result<u64, Trouble> {
        Err(Trouble::Refused("read only".into()))
    }

    async fn rename(&self, _: &RemotePath, _: &RemotePath) -> Result<(), Trouble> {
        Err(Trouble::Missing)
    }

    async fn remove(&self, _: &RemotePath) -> Result<(), Trouble> {
        Err(Trouble::Missing)
    }

    async fn close(&self) {}
}

/// An engine at work, and what it says.
struct Engine {
    far: Far,
    began: Instant,
    /// What somebody sets the wall clock forward by, in seconds.
    stepped: Arc<AtomicU64>,
    looks: watch::Receiver<Look>,
    stop: CancellationToken,
    _ground: Ground,
}

/// The story of a query up to its trigger.
fn submitted() -> Vec<Fact> {
    rejected(1).into_iter().take_while(|fact| !matches!(fact, Fact::ReceiptRead { .. })).collect()
}

fn receipt() -> Fact {
    let receipt = rejected(1).into_iter().find(|fact| matches!(fact, Fact::ReceiptRead { .. })).unwrap();
    let Fact::ReceiptRead { transfer, name, hash, .. } = receipt else { unreachable!("it is a receipt") };
    Fact::ReceiptRead { transfer, name, hash, outcome: ReceiptOutcome::Success }
}

impl Engine {
    /// At a moment in Danish local time, with a story that ended just then and is 0751's.
    fn start(now: &str, facts: Vec<Fact>, trouble: Option<Trouble>) -> Engine {
        let mut ground = Ground::new();
        let (wall, began): (Moment, _) = (now.parse().unwrap(), Instant::now());
        let stepped = Arc::new(AtomicU64::new(0));
        let step = stepped.clone();
        let clock = move || wall.plus(began.elapsed()).plus(Duration::from_secs(step.load(Ordering::Relaxed)));
        let surroundings = Surroundings::new(clock, || u64::MAX / 2);
        let mut settings = ground.office.settings.clone();
        settings.endpoints.values_mut().for_each(|endpoint| endpoint.poll = Duration::from_secs(60));
        let office = Office::open(settings, ground.office.disk.clone(), surroundings.clone());
        let office = office.map_err(|_| "layouts").unwrap();
        let make = |folder: &Path| std::fs::create_dir_all(folder).unwrap();
        [office.places.spool(), office.places.archive()].iter().for_each(|folder| make(folder));
        office.settings.exchanges.values().for_each(|exchange| make(&exchange.outbox.join("0751")));

        let mut store = SqliteStore::open(&ground.folder.path().join("sluse.db")).unwrap();
        let bodies: Vec<Body> = facts.into_iter().map(|fact| Body::Exchange { id: id(1), fact }).collect();
        if !bodies.is_empty() {
            store.append(store.head(), wall, &bodies).unwrap();
        }
        let book = fold(&store).unwrap();
        let (ledger, clerk) = Ledger::new(Box::new(store));
        tokio::spawn(clerk.run());
        let far = Far::default();
        far.becomes(trouble);
        let stop = CancellationToken::new();
        let (name, endpoint) = office.settings.endpoints.iter().next().unwrap();
        let (link, keep) = Link::new(name.clone(), far.clone(), surroundings, stop.clone());
        tokio::spawn(keep);
        let endpoints = BTreeMap::from([(name.clone(), (endpoint.clone(), link.clone()))]);
        let (name, settings) = office.settings.exchanges.iter().next().unwrap();
        let (query, reply) = office.layouts[name].clone();
        let (settings, endpoint) = (settings.clone(), endpoint.clone());
        let kind = Arc::new(Kind { name: name.clone(), settings, endpoint, query, reply, link });
        let outboxes = vec![(kind.clone(), kind.outbox())];
        let kinds = BTreeMap::from([(name.clone(), kind)]);
        let stopping = Arc::new(AtomicBool::new(false));
        ground.office = Office::open(office.settings.clone(), office.disk.clone(), office.surroundings.clone())
            .map_err(|_| "layouts")
            .unwrap();
        let site = Arc::new(Site { office, ledger, stopping, kinds, endpoints });
        let bell = Bell::default();
        let looks = bell.listen();
        let house = House::new(site, book, outboxes, Arc::new(Notify::new()), stop.clone()).with_bell(bell);
        let (commands, requests) = mpsc::channel(1);
        tokio::spawn(async move {
            house.run(requests).await.unwrap();
            drop(commands);
        });
        Engine { far, began, stepped, looks, stop, _ground: ground }
    }

    /// Every change of what it finds in so many minutes, each with the second of its first look.
    async fn changes(&mut self, minutes: u64) -> Vec<(u64, String)> {
        let mut changes: Vec<(u64, String)> = Vec::new();
        while self.began.elapsed() < Duration::from_secs(60 * minutes) {
            self.looks.changed().await.unwrap();
            let look = self.looks.borrow_and_update().clone();
            let found =
                look.concerns.iter().map(|concern| format!("{} {}", concern.severity.name(), concern.kind.name()));
            let found = found.collect::<Vec<_>>().join(", ");
            if changes.last().map_or("", |(_, last)| last) != found {
                changes.push((look.at.duration_since(self.began).as_secs(), found));
            }
        }
        changes
    }

    fn what(&self) -> String {
        self.looks.borrow().concerns.iter().map(|concern| concern.what.clone()).collect::<Vec<_>>().join("; ")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// That the changes are these, each within a minute of when it was due, in seconds from the start.
fn assert_changes(found: &[(u64, String)], expected: &[(u64, &str)]) {
    let names = |changes: &[(u64, String)]| changes.iter().map(|(_, what)| what.clone()).collect::<Vec<_>>();
    assert_eq!(names(found), expected.iter().map(|(_, what)| (*what).to_owned()).collect::<Vec<_>>(), "{found:?}");
    for ((at, what), (due, _)) in found.iter().zip(expected) {
        assert!((*due..=due + 60).contains(at), "{what} at second {at}, and it was due at {due}");
    }
}

const MINUTES: u64 = 60;

fn away() -> Option<Trouble> {
    Some(Trouble::Unreachable("connection refused".into()))
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_does_not_come_is_a_warning_at_80_percent_of_the_time_and_an_alarm_at_its_end() {
    // Tuesday morning
    let mut engine = Engine::start("2026-11-24T09:00", submitted(), None);

    let changes = engine.changes(60).await;

    assert_changes(&changes, &[(24 * MINUTES, "warning receipt"), (30 * MINUTES, "alarm receipt")]);
    assert!(
        engine.what().contains("0751 Aarhus (exchange 00000001) has not come, and was expected by 2026-11-24 09:30")
    );
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_does_not_come_is_told_after_its_own_time_which_does_not_go_on_in_a_service_window() {
    // Eleven hours of waiting until 05:00, one that does not count, one more
    let facts = submitted().into_iter().chain([receipt()]).collect();
    let mut engine = Engine::start("2026-11-24T18:00", facts, None);

    let changes = engine.changes(14 * 60).await;

    assert_changes(&changes, &[(9 * 3600 + 36 * MINUTES, "warning reply"), (13 * 3600, "alarm reply")]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_reached_is_told_in_time_and_no_more_when_it_is_back() {
    let mut engine = Engine::start("2026-11-24T09:00", Vec::new(), away());

    let changes = engine.changes(20).await;
    engine.far.becomes(None);
    let after = engine.changes(22).await;

    assert_changes(&changes, &[(12 * MINUTES, "warning poll"), (15 * MINUTES, "alarm poll")]);
    assert_eq!((after, engine.what()), (vec![], String::new()), "it is gone at the next look");
}

#[tokio::test(start_paused = true)]
async fn a_service_window_raises_nothing_by_itself_whatever_the_server_is_in_it() {
    let refused = || Some(Trouble::Login("the server does not let us in".into()));
    for (now, trouble, back_after) in [
        // Daily 05:00 to 06:00; a server that takes its time to come back is no news, either
        ("2026-11-24T04:58", away(), 66),
        ("2026-11-24T04:58", refused(), 61),
        // Sunday 22:00 to Monday 06:00
        ("2026-12-06T21:58", away(), 8 * 60 + 6),
        ("2026-12-06T21:58", refused(), 8 * 60 + 1),
    ] {
        let mut engine = Engine::start(now, Vec::new(), None);
        assert_eq!(engine.changes(3).await, []);

        engine.far.becomes(trouble);
        let during = engine.changes(back_after).await;
        engine.far.becomes(None);
        let after = engine.changes(back_after + 30).await;

        assert_eq!((during, after), (vec![], vec![]), "{now}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_refused_outside_a_window_is_an_alarm_at_once() {
    let mut engine = Engine::start("2026-11-24T09:00", Vec::new(), Some(Trouble::Login("no such key".into())));

    let changes = engine.changes(30).await;

    assert_changes(&changes, &[(0, "alarm login")]);
    assert!(engine.what().contains("no such key"), "{}", engine.what());
}

#[tokio::test(start_paused = true)]
async fn a_query_that_the_calendar_misses_is_told_before_the_payment() {
    // The last bank day of 2026 is Wednesday 30 December; two bank days before it is Monday, noon
    let mut engine = Engine::start("2026-12-28T11:30", Vec::new(), None);

    let changes = engine.changes(60).await;

    assert_changes(&changes, &[(0, "warning query"), (30 * MINUTES, "alarm query")]);
    let what = "no query of 0751 Aarhus for payment date 2026-12-30 was sent, it was due by 2026-12-28 12:00";
    assert_eq!(engine.what(), what);
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_is_set_forward_makes_nothing_late() {
    let mut engine = Engine::start("2026-11-24T09:00", submitted(), None);
    assert_eq!(engine.changes(5).await, []);

    engine.stepped.store(3 * 3600, Ordering::Relaxed);
    let changes = engine.changes(40).await;

    assert_changes(&changes, &[(24 * MINUTES, "warning receipt"), (30 * MINUTES, "alarm receipt")]);
}
