//! One process of a run: the engine put together as [`sluse::engine::run`] does it, on simulated seams. Start with
//! [`Process`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use sluse::engine::anchor::{Anchored, Standing};
use sluse::engine::desk::Office;
use sluse::engine::house::House;
use sluse::engine::ledger::Ledger;
use sluse::engine::link::Link;
use sluse::engine::offline::fold;
use sluse::engine::places::Places;
use sluse::engine::site::{Kind, Site, Surroundings};
use sluse::store::Store;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::disk::SimDisk;
use super::far::{SimEndpoint, SimSession, cut_all};
use super::fate::Life;
use super::fault::Lateness;
use super::plant::{PlantedEndpoint, planted_far, planted_store};
use super::sim_store::SimStore;
use super::world::{World, layouts};

/// One process at work.
pub(super) struct Process {
    pub tasks: JoinSet<()>,
    sessions: Arc<Mutex<Vec<Arc<SimSession>>>>,
}

impl World {
    /// As `engine::run` does it.
    pub fn start(&self) -> Process {
        let life = self.fates.be_born();
        let disk = SimDisk::new(self.drive.clone(), life.clone(), self.case.plant);
        let (now, dice) = (self.fates.clone(), self.fates.clone());
        let surroundings = Surroundings::new(move || now.now(), move || dice.roll());
        let names = self.settings.exchanges.keys().map(|name| (name.clone(), (*layouts()).clone()));
        let office = Office {
            settings: self.settings.clone(),
            layouts: names.collect(),
            places: Places::new(&self.settings.folders.state),
            disk: Arc::new(disk),
            surroundings: surroundings.clone(),
        };
        let store = planted_store(self.case.plant, SimStore::open(self.safe.clone(), Some(life.clone())));
        let book = fold(&*store as &dyn Store).expect("reading does not fail here");
        let anchor = self.settings.anchor();
        let Ok((store, Standing::Holds)) = Anchored::open(store, office.disk.clone(), anchor) else {
            // It does not start and is started again; or it stands by, and the judge sees what does not end.
            return Process { tasks: JoinSet::new(), sessions: Arc::default() };
        };
        let (ledger, clerk) = Ledger::anchored(store);

        let mut tasks = JoinSet::new();
        let sessions = Arc::default();
        let mut endpoints = BTreeMap::new();
        for (name, settings) in &self.settings.endpoints {
            let connect = self.endpoint(&life, &sessions);
            let (link, keep) = Link::new(name.clone(), connect, surroundings.clone(), CancellationToken::new());
            tasks.spawn(keep);
            endpoints.insert(name.clone(), (settings.clone(), link));
        }
        let (mut kinds, mut outboxes) = (BTreeMap::new(), Vec::new());
        for (name, settings) in &self.settings.exchanges {
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
        let site = Arc::new(Site { office, ledger, kinds, endpoints, stopping: Arc::default() });
        let house = House::new(site, book, outboxes, Arc::new(Notify::new()), CancellationToken::new());
        tasks.spawn(clerk.run());
        let commands = self.door.open();
        tasks.spawn(async move {
            // A store that cannot be written ends the process, and systemd starts the next one.
            let _ = house.run(commands).await;
        });
        Process { tasks, sessions }
    }

    fn endpoint(&self, life: &Life, sessions: &Arc<Mutex<Vec<Arc<SimSession>>>>) -> PlantedEndpoint {
        let endpoint = SimEndpoint {
            server: self.server.clone(),
            life: life.clone(),
            posix_rename: self.case.posix_rename,
            sessions: sessions.clone(),
        };
        planted_far(self.case.plant, endpoint)
    }

    pub async fn end(&self, process: &mut Process, lateness: Lateness) {
        self.fates.bury();
        cut_all(&process.sessions, lateness);
        process.tasks.shutdown().await;
    }
}
