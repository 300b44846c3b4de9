//! The store at work for its one clerk: the one writer. Everybody else sends it work and waits for the outcome.
//! Start with [`Ledger::new`].

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};

use super::anchor::{Anchored, Slack};
use crate::domain::moment::Moment;
use crate::store::{Body, Entry, Store, StoreTrouble};

/// Work that waits for the clerk; more than this waits before it is even queued.
const QUEUED_MAX: usize = 256;

type Work = Box<dyn FnOnce(&mut dyn Store) + Send>;

/// A handle on the store. Its clerk ends when the last handle is gone.
#[derive(Clone)]
pub struct Ledger {
    work: mpsc::Sender<Work>,
    slack: Slack,
    /// Held by whoever reads a reply for it.
    reading: Arc<Mutex<()>>,
}

/// The store and the work that comes for it; it has to be run somewhere, one way or the other.
pub struct Clerk {
    store: Box<dyn Store>,
    work: mpsc::Receiver<Work>,
}

impl Clerk {
    /// Works on a thread of its own, where a commit may take its time.
    pub fn on_thread(mut self) -> std::io::Result<std::thread::JoinHandle<()>> {
        std::thread::Builder::new().name("ledger".into()).spawn(move || {
            while let Some(work) = self.work.blocking_recv() {
                work(self.store.as_mut());
            }
        })
    }

    /// Works as a task, for a store that never blocks.
    pub async fn run(mut self) {
        while let Some(work) = self.work.recv().await {
            work(self.store.as_mut());
        }
    }
}

impl Ledger {
    pub fn new(store: Box<dyn Store>) -> (Ledger, Clerk) {
        let (sender, work) = mpsc::channel(QUEUED_MAX);
        (Ledger { work: sender, slack: Slack::default(), reading: Arc::default() }, Clerk { store, work })
    }

    /// The same for a store that keeps its anchor.
    pub fn anchored(store: Anchored) -> (Ledger, Clerk) {
        let slack = store.slack();
        let (ledger, clerk) = Ledger::new(Box::new(store));
        (Ledger { slack, ..ledger }, clerk)
    }

    /// Whether the anchor can be written.
    pub fn slack(&self) -> &Slack {
        &self.slack
    }

    /// The turn to read a reply and put it into the register. Everybody else who wants to do that waits, in the order in
    /// which they asked: so there is never more than one reply in memory. All other work with the store goes on.
    pub async fn turn_to_read(&self) -> OwnedMutexGuard<()> {
        self.reading.clone().lock_owned().await
    }

    /// Does some work with the store and returns what it came to.
    pub async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Store) -> Result<T, StoreTrouble> + Send + 'static,
    ) -> Result<T, StoreTrouble> {
        let (sender, receiver) = oneshot::channel();
        let work: Work = Box::new(move |store| {
            // Nobody waits any more only when the daemon stops.
            let _ = sender.send(work(store));
        });
        if self.work.send(work).await.is_err() {
            return Err(StoreTrouble::Closed);
        }
        receiver.await.unwrap_or(Err(StoreTrouble::Closed))
    }

    /// Appends to the journal; on disk when this returns.
    pub async fn append(&self, at: Moment, bodies: Vec<Body>) -> Result<Vec<Entry>, StoreTrouble> {
        self.with(move |store| store.append(store.head(), at, &bodies)).await
    }
}
