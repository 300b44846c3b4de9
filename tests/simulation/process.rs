//! One process of a run: the engine put together as [`sluse::engine::run`] does it, on simulated seams. Start with
//! [`Process`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use sluse::config::Settings;
use sluse::engine::anchor::{Anchored, Standing};
use sluse::engine::desk::Office;
use sluse::engine::house::{House, Renewal, Renewed};
use sluse::engine::ledger::Ledger;
use sluse::engine::link::Link;
use sluse::engine::offline::fold;
use sluse::engine::places::Places;
use sluse::engine::site::{Kind, Site, Surroundings};
use sluse::store::Store;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::disk::SimDisk;
use super::far::{SimEndpoint, SimSession, cut_all};
use super::fate::{Life, pass};
use super::fault::Lateness;
use super::plant::{PlantedEndpoint, planted_far, planted_store};
use super::sim_store::SimStore;
use super::world::{World, layouts};

/// New settings come after up to so many seconds, again and again.
const RELOADED_EVERY_SECONDS: u64 = 60;

/// One process at work.
pub(super) struct Process {
    pub tasks: JoinSet<()>,
    sessions: Arc<Mutex<Vec<Arc<SimSession>>>>,
}

/// What a process stands on, whatever its settings say.
struct Ground {
    world: World,
    life: Life,
    sessions: Arc<Mutex<Vec<Arc<SimSession>>>>,
    ledger: Ledger,
    links: JoinSet<()>,
}

impl World {
    /// As `engine::run` does it.
    pub fn start(&self) -> Process {
        let life = self.fates.be_born();
        let settings = self.file().clone();
        let office = self.office(&life, settings);
        let store = planted_store(self.case.plant, SimStore::open(self.safe.clone(), Some(life.clone())));
        let book = fold(&*store as &dyn Store).expect("reading does not fail here");
        let anchor = office.settings.anchor();
        let Ok((store, Standing::Holds)) = Anchored::open(store, office.disk.clone(), anchor) else {
            // It does not start and is started again; or it stands by, and the judge sees what does not end.
            return Process { tasks: JoinSet::new(), sessions: Arc::default() };
        };
        let (ledger, clerk) = Ledger::anchored(store);

        let sessions = Arc::default();
        let mut ground =
            Ground { world: self.clone(), life, sessions: Arc::clone(&sessions), ledger, links: JoinSet::new() };
        let Renewed { site, outboxes } = ground.lay(office, None);
        let (renewals, renewed) = mpsc::channel(1);
        let house = House::new(site.clone(), book, outboxes, Arc::new(Notify::new()), CancellationToken::new())
            .attended(mpsc::channel(1).1, renewed);
        let mut tasks = JoinSet::new();
        tasks.spawn(clerk.run());
        let commands = self.door.open();
        tasks.spawn(async move {
            // A store that cannot be written ends the process, and systemd starts the next one.
            let _ = house.run(commands).await;
        });
        // Its links end with it.
        tasks.spawn(ground.keep_up(site, renewals));
        Process { tasks, sessions }
    }

    fn office(&self, life: &Life, settings: Settings) -> Office {
        let disk = SimDisk::new(self.drive.clone(), life.clone(), self.case.plant);
        let (now, dice) = (self.fates.clone(), self.fates.clone());
        let names = settings.exchanges.keys().map(|name| (name.clone(), (*layouts()).clone()));
        Office {
            layouts: names.collect(),
            places: Places::new(&settings.folders.state),
            disk: Arc::new(disk),
            surroundings: Surroundings::new(move || now.now(), move || dice.roll()),
            settings,
        }
    }

    pub async fn end(&self, process: &mut Process, lateness: Lateness) {
        self.fates.bury();
        cut_all(&process.sessions, lateness);
        process.tasks.shutdown().await;
    }
}

impl Ground {
    /// As `engine::premises` does it: a link that stays as it is is kept.
    fn lay(&mut self, office: Office, former: Option<&Site<PlantedEndpoint>>) -> Renewed<PlantedEndpoint> {
        let mut endpoints = BTreeMap::new();
        for (name, settings) in &office.settings.endpoints {
            let kept = former.and_then(|former| former.endpoints.get(name)).filter(|(of, _)| of == settings);
            let link = match kept {
                Some((_, link)) => link.clone(),
                None => {
                    let (connect, surroundings) = (self.endpoint(), office.surroundings.clone());
                    let (link, keep) = Link::new(name.clone(), connect, surroundings, CancellationToken::new());
                    self.links.spawn(keep);
                    link
                }
            };
            endpoints.insert(name.clone(), (settings.clone(), link));
        }
        let (mut kinds, mut outboxes) = (BTreeMap::new(), Vec::new());
        for (name, settings) in &office.settings.exchanges {
            let (endpoint, link) = &endpoints[&settings.endpoint];
            let kind = Arc::new(Kind {
                name: name.clone(),
                settings: settings.clone(),
                endpoint: endpoint.clone(),
                query: layouts().0.clone(),
                reply: layouts().1.clone(),
                link: link.clone(),
            });
            outboxes.push((kind.clone(), kind.outbox()));
            kinds.insert(name.clone(), kind);
        }
        let site = Site { office, ledger: self.ledger.clone(), kinds, endpoints, stopping: Arc::default() };
        Renewed { site: Arc::new(site), outboxes }
    }

    fn endpoint(&self) -> PlantedEndpoint {
        let endpoint = SimEndpoint {
            server: self.world.server.clone(),
            life: self.life.clone(),
            posix_rename: self.world.case.posix_rename,
            sessions: self.sessions.clone(),
        };
        planted_far(self.world.case.plant, endpoint)
    }

    /// Where a case has it, new settings come again and again; what is in force is what a later process starts with.
    async fn keep_up(mut self, mut site: Arc<Site<PlantedEndpoint>>, renewals: mpsc::Sender<Renewal<PlantedEndpoint>>) {
        if !self.world.case.reloads {
            return std::future::pending().await;
        }
        loop {
            pass(self.world.fates.seconds(RELOADED_EVERY_SECONDS)).await;
            let settings = self.world.other_settings();
            let renewed = self.lay(self.world.office(&self.life, settings.clone()), Some(&site));
            let new = renewed.site.clone();
            let (answer, answered) = oneshot::channel();
            if renewals.send(Renewal { renewed, answer }).await.is_err() {
                return std::future::pending().await;
            }
            let Ok(answer) = answered.await else { return std::future::pending().await };
            self.world.renewed()[usize::from(answer.is_err())] += 1;
            if answer.is_ok() {
                *self.world.file() = settings;
                site = new;
            }
        }
    }
}
