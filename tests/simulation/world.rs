//! One run: far side, disk, store, benefit system and process after process, until all has come to rest or the time is up.
//! Start with [`run`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use sluse::config::{Depth, Settings, TriggerWay};
use sluse::domain::exchange::Book;
use sluse::domain::identity::Route;
use sluse::domain::layout::Layout;
use sluse::domain::retention::{Period, Periods};
use sluse::engine::control::Request;
use sluse::store::Body;
use sluse::transport::Folder;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::benefit::{self, Eaten, Written, eat, write};
use super::far::Server;
use super::fate::{Fates, pass};
use super::fault::{Lateness, Plan};
use super::hub::{Hub, PickUp};
use super::judge::{self, Evidence};
use super::mischief::Mischiefs;
use super::person::{Door, Notebook, Person};
use super::plant::Plant;
use super::platter::Drive;
use super::sim_store::Safe;

/// Every municipality that a case may have; it has the first of them.
pub const MUNICIPALITIES: [&str; 3] = ["0751", "0461", "0101"];

const SETTINGS: &str = r#"
[store]
url = "sqlite:/sim/state/sluse.db"

[folders]
state = "/sim/state"
run = "/sim/run"

[endpoint.hub]
host = "hub.example"
user = "KY_SIMPELSFTP"
identity = "/sim/key"
host_keys = ["SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
poll = "20s"

[exchange.sf2530]
endpoint = "hub"
recipient = "UDK_DEBITOR"
outbox = "/sim/outbox"
inbox = "/sim/inbox"
municipalities = ["0101", "0461", "0751"]
"#;

/// All has to be at rest so soon after the last fault, whatever has happened. A person is named long before.
const REST_WITHIN: Duration = Duration::from_secs(2 * 3600);

/// However much people do.
const OVER_WITHIN: Duration = Duration::from_secs(48 * 3600);

/// Nothing may happen any more in so long a time; what was late is not that late.
const QUIET: Duration = Duration::from_secs(45);

const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A process that ended is started again after up to so many seconds.
const START_AGAIN_SECONDS: u64 = 5;

/// Where everything is removed, it is so about as often.
const REMOVED_EVERY_SECONDS: u64 = 60;

/// A run that kills more processes than this goes round in circles.
const PROCESSES_MAX: u32 = 200;

/// Everything that makes one run what it is.
#[derive(Clone, Debug)]
pub struct Case {
    pub seed: u64,
    pub plan: Plan,
    pub municipalities: usize,
    pub rounds: u32,
    pub trigger: TriggerWay,
    pub posix_rename: bool,
    pub pick_up: PickUp,
    /// A second query for the payment date of the first round.
    pub asks_twice: bool,
    /// Per municipality, in the first round.
    pub agreements: u32,
    pub mischiefs: Mischiefs,
    /// The benefit system writes to its files again after they were whole.
    pub writes_on: bool,
    /// Whether somebody looks after what waits for a person.
    pub has_person: bool,
    /// Everything is removed as soon as it is over.
    pub keeps_nothing: bool,
    /// The settings change again and again.
    pub reloads: bool,
    pub plant: Plant,
}

impl Case {
    /// One municipality, one round, nothing wrong.
    pub fn clean() -> Case {
        Case {
            seed: 1,
            plan: Plan::At(BTreeMap::new()),
            municipalities: 1,
            rounds: 1,
            trigger: TriggerWay::Rename,
            posix_rename: true,
            pick_up: PickUp::Together,
            asks_twice: false,
            agreements: 12,
            mischiefs: Mischiefs::none(),
            writes_on: false,
            has_person: false,
            keeps_nothing: false,
            reloads: false,
            plant: Plant::None,
        }
    }
}

/// Plays a case to its end and judges it.
pub fn run(case: &Case) -> Evidence {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without input and output").block_on(play(case))
}

/// Somebody who wants everything that is over to be removed, again and again.
async fn remove(door: Door, fates: Fates) {
    loop {
        pass(fates.seconds(REMOVED_EVERY_SECONDS)).await;
        // A process that dies over it is asked no more.
        let _ = door.ask(Request::Retention { now: true }).await;
    }
}

fn settings() -> Settings {
    static READ: OnceLock<Settings> = OnceLock::new();
    let read = || Settings::parse("sluse.toml", SETTINGS, &|_| None, Depth::Values).expect("these settings hold");
    READ.get_or_init(read).clone()
}

pub(super) fn layouts() -> Arc<(Layout, Layout)> {
    static READ: OnceLock<Arc<(Layout, Layout)>> = OnceLock::new();
    READ.get_or_init(|| Arc::new((Layout::shipped_query(), Layout::shipped_reply()))).clone()
}

/// What outlives the processes of a run.
#[derive(Clone)]
pub(super) struct World {
    pub case: Case,
    pub fates: Fates,
    pub drive: Drive,
    pub safe: Safe,
    pub server: Server,
    /// As they were written first.
    pub settings: Settings,
    /// As the file has them now.
    file: Arc<Mutex<Settings>>,
    renewed: Arc<Mutex<[u64; 2]>>,
    pub door: Door,
}

async fn play(case: &Case) -> Evidence {
    let began = Instant::now();
    let mut settings = settings();
    let municipalities = MUNICIPALITIES[..case.municipalities].iter().map(|code| code.parse().expect("a code"));
    settings.exchanges.values_mut().for_each(|exchange| exchange.municipalities = municipalities.clone().collect());
    settings.endpoints.values_mut().for_each(|endpoint| endpoint.trigger = case.trigger);
    if case.keeps_nothing {
        let at_once = Some(Period::default());
        let periods = Periods { archive: at_once, journal: at_once, register: at_once };
        settings.exchanges.values_mut().for_each(|exchange| exchange.retention = periods);
    }
    let fates = Fates::new(case.plan.clone(), case.seed);
    let world = World {
        case: case.clone(),
        drive: Drive::default(),
        safe: Safe::default(),
        server: Server::default(),
        file: Arc::new(Mutex::new(settings.clone())),
        renewed: Arc::default(),
        settings,
        fates: fates.clone(),
        door: Door::default(),
    };
    world.make_folders();
    let (server, mischiefs) = (world.server.clone(), case.mischiefs.clone());
    let hub = Hub::new(server, fates.clone(), case.pick_up, layouts(), case.agreements, mischiefs);
    let notebook = Arc::new(Mutex::new(Notebook::default()));
    let (written, eaten) = (world.queries(), Eaten::default());
    let mut others = JoinSet::new();
    others.spawn(hub.clone().work());
    let writes = others.spawn(write(world.drive.clone(), fates.clone(), written.clone()));
    others.spawn(eat(world.drive.clone(), fates.clone(), eaten.clone()));
    if case.keeps_nothing {
        others.spawn(remove(world.door.clone(), fates.clone()));
    }
    if case.has_person {
        others.spawn(world.person(&hub, &notebook).live());
    }

    let mut rest = Rest { is_quiet_since: None, seen: 0, book: Book::default(), has_person: case.has_person };
    let mut process = world.start();
    let mut processes = 1;
    let is_at_rest = loop {
        let has_ended = tokio::select! {
            biased;
            () = fates.death() => true,
            _ = process.tasks.join_next() => true,
            () = pass(LOOK_EVERY) => false,
        };
        if has_ended {
            let death = fates.how_it_died();
            world.end(&mut process, death.map_or(Lateness::Never, |death| death.lateness)).await;
            if death.is_some_and(|death| death.power_lost) {
                world.drive.lose_power(&fates);
                if case.plant == Plant::LazyCommit {
                    world.safe.lose_last_commit();
                }
            }
            processes += 1;
            if processes > PROCESSES_MAX {
                break false;
            }
            pass(fates.seconds(START_AGAIN_SECONDS)).await;
            process = world.start();
            fates.note_trouble();
        }
        if let Some(Err(e)) = others.try_join_next() {
            std::panic::resume_unwind(e.into_panic());
        }
        let outbox_is_empty = world.drive.files_below(Path::new("/sim/outbox")).is_empty();
        let others_rest = writes.is_finished() && outbox_is_empty && hub.is_idle() && !world.server.has_ghosts();
        let others_rest = others_rest && !fates.is_full();
        let spooled = world.drive.files_below(Path::new("/sim/state/spool"));
        if rest.is_over(&world.safe, others_rest, &hub, &spooled) {
            break true;
        }
        if fates.since_last_trouble() > REST_WITHIN || began.elapsed() > OVER_WITHIN {
            break false;
        }
    };
    world.end(&mut process, Lateness::Never).await;
    others.shutdown().await;
    let eaten = eaten.lock().expect("nobody else holds it").clone();
    let journal = world.safe.journal(0);
    let left = world.drive.files_below(Path::new("/sim/outbox"));
    let (faults, told) = fates.faults();
    let notebook = notebook.lock().expect("nobody else holds it").clone();
    let renewed = *world.renewed();
    let mut evidence = Evidence { effects: fates.effects(), faults, told, renewed, ..Evidence::default() };
    let case = judge::Case {
        written,
        journal,
        eaten,
        left,
        records: hub.records(),
        notebook,
        in_in: world.server.contents(Folder::In),
        has_person: case.has_person,
        is_at_rest,
    };
    judge::judge(&case, &world.safe, &mut evidence);
    evidence.in_in = case.in_in.into_keys().collect();
    evidence.journal = case.journal;
    evidence
}

/// Whether everything has come to rest.
struct Rest {
    is_quiet_since: Option<Instant>,
    seen: u64,
    book: Book,
    /// Somebody looks after what waits for a person, so that has to end, too.
    has_person: bool,
}

impl Rest {
    fn is_over(&mut self, safe: &Safe, others_rest: bool, hub: &Hub, spooled: &[PathBuf]) -> bool {
        let news = safe.journal(self.seen);
        let is_quiet = news.is_empty();
        for entry in news {
            self.seen = entry.seq;
            let Body::Exchange { id, fact } = &entry.body else { continue };
            self.book.take_in(entry.seq, *id, entry.at, fact);
        }
        let ends = |exchange: &sluse::domain::exchange::Exchange| {
            let waits = || {
                self.book.waiting_for_person().any(|waiting| waiting.id == exchange.id)
                    || (exchange.state.awaits_reply() && hub.keeps_silent(exchange.id))
            };
            exchange.state.is_final() || (!self.has_person && waits())
        };
        // Tried again after longer and longer pauses, if need be.
        let is_known = |file: &PathBuf| {
            let name = file.to_string_lossy();
            self.book.all().any(|exchange| name.contains(&exchange.id.to_string()))
        };
        let all_known = spooled.iter().all(is_known);
        if !is_quiet || !others_rest || !all_known || !self.book.all().all(ends) {
            self.is_quiet_since = None;
            return false;
        }
        self.is_quiet_since.get_or_insert_with(Instant::now).elapsed() >= QUIET
    }
}

impl World {
    fn make_folders(&self) {
        for folder in ["/sim/state/spool", "/sim/state/archive", "/sim/state/refused"] {
            self.drive.make_folder(Path::new(folder));
        }
        for exchange in self.settings.exchanges.values() {
            for code in &exchange.municipalities {
                self.drive.make_folder(&exchange.outbox.join(code.to_string()));
                self.drive.make_folder(&exchange.inbox.join(code.to_string()));
            }
        }
    }

    pub fn file(&self) -> MutexGuard<'_, Settings> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often other settings came into force, and how often they were refused.
    pub fn renewed(&self) -> MutexGuard<'_, [u64; 2]> {
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Others that a person may write: another pace, another way to make the trigger, or a municipality less for a while.
    pub fn other_settings(&self) -> Settings {
        let (mut settings, fates) = (self.settings.clone(), &self.fates);
        for endpoint in settings.endpoints.values_mut() {
            endpoint.poll = Duration::from_secs(10 + 10 * fates.below(3));
            if fates.below(4) == 0 {
                endpoint.trigger = TriggerWay::Write;
            }
        }
        for exchange in settings.exchanges.values_mut() {
            exchange.settle = Duration::from_secs(5 + fates.below(10));
            let municipalities = &mut exchange.municipalities;
            if municipalities.len() > 1 && fates.below(4) == 0 {
                municipalities.remove(fates.below(municipalities.len() as u64) as usize);
            }
        }
        settings
    }

    fn person(&self, hub: &Hub, notebook: &Arc<Mutex<Notebook>>) -> Person {
        let codes = MUNICIPALITIES[..self.case.municipalities].iter();
        Person {
            fates: self.fates.clone(),
            door: self.door.clone(),
            hub: hub.clone(),
            server: self.server.clone(),
            municipalities: codes.map(|code| code.parse().expect("a code")).collect(),
            notebook: notebook.clone(),
            plant: self.case.plant,
        }
    }

    /// What the benefit system will write.
    fn queries(&self) -> Vec<Written> {
        let exchange = self.settings.exchanges.keys().next().expect("there is one").clone();
        let mut written = Vec::new();
        for round in 1..=self.case.rounds {
            for code in &MUNICIPALITIES[..self.case.municipalities] {
                let municipality = code.parse().expect("a code");
                let route = Route { exchange: exchange.clone(), municipality };
                let mut ask = |delivery, on| {
                    let query = benefit::query(&layouts().0, &route, municipality, delivery, on);
                    let changed = self.case.writes_on.then(|| benefit::changed(&query.content));
                    written.push(Written { changed, ..query });
                };
                ask(round, benefit::payment_date(round));
                if self.case.asks_twice && round == 1 {
                    ask(100, benefit::payment_date(round));
                }
            }
        }
        written
    }
}
