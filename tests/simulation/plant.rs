//! Planted faults: wrappers around the seams that make the engine break its promise in one way each. The judge has to
//! catch every one of them; a judge that does not proves nothing. Start with [`Plant`].

use jiff::civil::Date;
use sluse::domain::change::ChangeSummary;
use sluse::domain::exchange::Fact;
use sluse::domain::moment::Moment;
use sluse::store::{Answer, Body, Changed, Entry, Head, Order, Outcome, Question, Reading, Sink, Store, StoreTrouble};
use sluse::transport::{Abilities, Connect, FarSide, Folder, Listing, RemotePath, Trouble};
use tokio::io::{AsyncRead, AsyncWrite};

use super::far::{Held, SimEndpoint};
use super::fate::Kind;
use super::sim_store::SimStore;

/// What is wrong with the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    None,
    /// What is said to be synced is not.
    SkipSync,
    /// What was appended last is not on disk when it is said to be.
    LazyCommit,
    /// A claim leaves the original in the outbox.
    ClaimLeavesOriginal,
    /// A rename into the inbox that failed is taken for one that was done before.
    FailedRenameIsDone,
    /// The intent to make the trigger visible is forgotten by the next process.
    ForgetTriggerIntent,
    /// The intent to hand over is forgotten by the next process.
    ForgetHandOverIntent,
    /// That a query was accepted is forgotten by the next process.
    ForgetAccepted,
    /// That a reply was applied is forgotten by the next process, though the register holds it.
    ForgetApplied,
    /// A rename whose answer was lost is taken for one that was never sent.
    LostRenameIsUnsent,
    /// A write whose answer was lost is taken for one that was never sent.
    LostWriteIsUnsent,
    /// The fence concludes "not sent" from an empty look.
    FenceAlwaysHolds,
    /// The fence concludes "sent" without having looked.
    FenceNeverHolds,
    /// A reply is removed from IN when it is read, before anything of it is recorded.
    SeenBeforeDone,
}

/// Every planted fault.
pub const PLANTS: [Plant; 13] = [
    Plant::SkipSync,
    Plant::LazyCommit,
    Plant::ClaimLeavesOriginal,
    Plant::FailedRenameIsDone,
    Plant::ForgetTriggerIntent,
    Plant::ForgetHandOverIntent,
    Plant::ForgetAccepted,
    Plant::ForgetApplied,
    Plant::LostRenameIsUnsent,
    Plant::LostWriteIsUnsent,
    Plant::FenceAlwaysHolds,
    Plant::FenceNeverHolds,
    Plant::SeenBeforeDone,
];

impl Plant {
    /// The kind of effect at which one more fault brings it to light.
    pub fn shows_at(self) -> Kind {
        match self {
            Plant::None | Plant::SkipSync | Plant::ForgetAccepted | Plant::ForgetApplied => Kind::Store,
            Plant::ClaimLeavesOriginal | Plant::FailedRenameIsDone => Kind::DiskWrite,
            Plant::ForgetHandOverIntent | Plant::SeenBeforeDone => Kind::DiskWrite,
            Plant::LazyCommit
            | Plant::ForgetTriggerIntent
            | Plant::LostRenameIsUnsent
            | Plant::LostWriteIsUnsent
            | Plant::FenceAlwaysHolds
            | Plant::FenceNeverHolds => Kind::FarWrite,
        }
    }
}

pub fn planted_store(plant: Plant, store: SimStore) -> Box<dyn Store> {
    Box::new(PlantedStore { plant, store })
}

pub fn planted_far(plant: Plant, endpoint: SimEndpoint) -> PlantedEndpoint {
    PlantedEndpoint { plant, endpoint }
}

struct PlantedStore {
    plant: Plant,
    store: SimStore,
}

impl PlantedStore {
    fn forgets(&self, fact: &Fact) -> bool {
        matches!(
            (self.plant, fact),
            (Plant::ForgetTriggerIntent, Fact::TriggerIntended { .. } | Fact::Doubted { .. })
                | (Plant::ForgetHandOverIntent, Fact::HandOverIntended | Fact::HandOverStaged { .. })
                | (Plant::ForgetAccepted, Fact::Accepted(_))
                | (Plant::ForgetApplied, Fact::Applied { .. })
        )
    }
}

impl Reading for PlantedStore {
    fn entries(&self, after: u64, each: &mut dyn FnMut(Entry)) -> Result<Head, StoreTrouble> {
        self.store.entries(after, &mut |entry| match &entry.body {
            Body::Exchange { fact, .. } if self.forgets(fact) => {}
            _ => each(entry),
        })
    }

    fn register(&self, question: &Question, each: &mut dyn FnMut(Answer)) -> Result<(), StoreTrouble> {
        self.store.register(question, each)
    }

    fn changes(&self, seq: u64, each: &mut dyn FnMut(Changed)) -> Result<(), StoreTrouble> {
        self.store.changes(seq, each)
    }
}

impl Store for PlantedStore {
    fn head(&self) -> Head {
        self.store.head()
    }

    fn append(&mut self, expected: Head, at: Moment, bodies: &[Body]) -> Result<Vec<Entry>, StoreTrouble> {
        self.store.append(expected, at, bodies)
    }

    fn apply(
        &mut self,
        order: &Order,
        feed: &mut dyn FnMut(&mut Sink<'_>) -> Result<Date, String>,
        decide: &mut dyn FnMut(&ChangeSummary) -> Option<Fact>,
    ) -> Result<Outcome, StoreTrouble> {
        self.store.apply(order, feed, decide)
    }
}

pub struct PlantedEndpoint {
    plant: Plant,
    endpoint: SimEndpoint,
}

pub struct PlantedSession {
    plant: Plant,
    session: Held,
}

impl Connect for PlantedEndpoint {
    type Session = PlantedSession;

    async fn connect(&self) -> Result<PlantedSession, Trouble> {
        Ok(PlantedSession { plant: self.plant, session: self.endpoint.connect().await? })
    }
}

impl FarSide for PlantedSession {
    fn abilities(&self) -> Abilities {
        self.session.abilities()
    }

    async fn list(&self, folder: Folder, at_most: usize) -> Result<Listing, Trouble> {
        self.session.list(folder, at_most).await
    }

    async fn size(&self, path: &RemotePath) -> Result<u64, Trouble> {
        match self.plant {
            Plant::FenceNeverHolds if is_fenced(path) => Err(Trouble::Missing),
            _ => self.session.size(path).await,
        }
    }

    async fn read<W: AsyncWrite + Unpin + Send>(
        &self,
        path: &RemotePath,
        at_most: u64,
        sink: &mut W,
    ) -> Result<u64, Trouble> {
        let read = self.session.read(path, at_most, sink).await?;
        let is_data = path.folder == Folder::In && path.name.as_str().ends_with(".txt");
        if self.plant == Plant::SeenBeforeDone && is_data {
            self.session.remove(path).await?;
        }
        Ok(read)
    }

    async fn write<R: AsyncRead + Unpin + Send>(&self, path: &RemotePath, source: &mut R) -> Result<u64, Trouble> {
        match self.session.write(path, source).await {
            Err(Trouble::Uncertain(why)) if self.plant == Plant::LostWriteIsUnsent => Err(Trouble::Unreachable(why)),
            written => written,
        }
    }

    async fn rename(&self, from: &RemotePath, to: &RemotePath) -> Result<(), Trouble> {
        if is_fenced(to) && self.plant == Plant::FenceNeverHolds {
            return Err(Trouble::Missing);
        }
        match (self.session.rename(from, to).await, self.plant) {
            (Err(Trouble::Uncertain(why)), Plant::LostRenameIsUnsent) => Err(Trouble::Unreachable(why)),
            (Err(Trouble::Missing), Plant::FenceAlwaysHolds) if is_fenced(to) => Ok(()),
            (renamed, _) => renamed,
        }
    }

    async fn remove(&self, path: &RemotePath) -> Result<(), Trouble> {
        self.session.remove(path).await
    }

    async fn close(&self) {
        self.session.close().await;
    }
}

/// Whether this is where the fence puts a part name.
fn is_fenced(path: &RemotePath) -> bool {
    path.name.as_str().ends_with(".parted")
}
