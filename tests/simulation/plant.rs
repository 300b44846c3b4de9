//! Planted faults: wrappers around the seams that make the engine break its promise in one way each. The judge has to
//! catch every one of them; a judge that does not proves nothing. Start with [`Plant`].

use sluse::config::TriggerWay;
use sluse::domain::change::ChangeSummary;
use sluse::domain::exchange::Fact;
use sluse::domain::identity::Route;
use sluse::domain::moment::Moment;
use sluse::store::removal::{LeftBehind, Removal};
use sluse::store::{
    Answer, Body, Changed, Entry, Head, Order, Outcome, Question, Reading, Sorted, Store, StoreTrouble,
};
use sluse::transport::{Abilities, Connect, FarSide, Folder, Listing, RemotePath, Trouble};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use std::sync::Mutex;

use super::far::{Held, SimEndpoint};
use super::fault::Kind;
use super::mischief::{Mischief, Mischiefs};
use super::sim_store::SimStore;
use super::world::Case;

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
    /// The trigger is written only when it is renamed, in one go: no request waits for the answer to the former.
    PipelineRename,
    /// What is sent is the claimed original, to which its writer still writes.
    SendOriginal,
    /// What was handed over still lies there as a part file, to be handed over again.
    RepeatHandOver,
    /// A decision is taken on whatever is there, whatever the person saw.
    DecideUnseen,
    /// What is for others is removed from IN with what is ours.
    RemoveForeign,
}

/// Every planted fault.
pub const PLANTS: [Plant; 18] = [
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
    Plant::PipelineRename,
    Plant::SendOriginal,
    Plant::RepeatHandOver,
    Plant::DecideUnseen,
    Plant::RemoveForeign,
];

impl Plant {
    /// As a person says it.
    pub fn told(self) -> &'static str {
        match self {
            Plant::None => "nothing",
            Plant::SkipSync => "a sync is skipped",
            Plant::LazyCommit => "a commit is not on disk when it is said to be",
            Plant::ClaimLeavesOriginal => "a claim leaves the original in the outbox",
            Plant::FailedRenameIsDone => "a failed rename into the inbox is taken for done",
            Plant::ForgetTriggerIntent => "the intent to make the trigger visible is forgotten",
            Plant::ForgetHandOverIntent => "the intent to hand over is forgotten",
            Plant::ForgetAccepted => "an accepted query is forgotten",
            Plant::ForgetApplied => "that a reply was applied is forgotten",
            Plant::LostRenameIsUnsent => "a rename without an answer is taken for never sent",
            Plant::LostWriteIsUnsent => "a write without an answer is taken for never sent",
            Plant::FenceAlwaysHolds => "\"not sent\" is concluded from an empty look",
            Plant::FenceNeverHolds => "\"sent\" is concluded without a look",
            Plant::SeenBeforeDone => "a reply is taken off IN before it is recorded",
            Plant::PipelineRename => "the rename is sent behind the write, without waiting",
            Plant::SendOriginal => "the original is sent instead of the copy",
            Plant::RepeatHandOver => "a hand-over is repeated",
            Plant::DecideUnseen => "a decision is taken on what the person has not seen",
            Plant::RemoveForeign => "somebody else's file is removed from IN",
        }
    }

    /// The case in which it can come to light.
    pub fn case(self, seed: u64, trigger: TriggerWay) -> Case {
        let case = Case { seed, trigger, plant: self, ..Case::clean() };
        match self {
            Plant::SendOriginal => Case { writes_on: true, has_person: true, ..case },
            Plant::DecideUnseen => Case { asks_twice: true, has_person: true, ..case },
            Plant::RemoveForeign => Case { mischiefs: Mischiefs::of(Mischief::Foreign), ..case },
            _ => case,
        }
    }

    /// The kind of effect at which one more fault brings it to light.
    pub fn shows_at(self) -> Kind {
        match self {
            Plant::None | Plant::SkipSync | Plant::ForgetAccepted | Plant::ForgetApplied => Kind::Store,
            Plant::ClaimLeavesOriginal | Plant::FailedRenameIsDone => Kind::DiskWrite,
            Plant::ForgetHandOverIntent | Plant::SeenBeforeDone => Kind::DiskWrite,
            Plant::RepeatHandOver => Kind::DiskWrite,
            Plant::DecideUnseen | Plant::RemoveForeign => Kind::Connect,
            Plant::LazyCommit
            | Plant::PipelineRename
            | Plant::SendOriginal
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

    fn entry(&self, seq: u64) -> Result<Option<Entry>, StoreTrouble> {
        self.store.entry(seq)
    }

    fn left(&self) -> Result<LeftBehind, StoreTrouble> {
        self.store.left()
    }

    fn ended_before(&self, route: &Route, before: Moment) -> Result<u64, StoreTrouble> {
        self.store.ended_before(route, before)
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
        stated: &mut Sorted,
        decide: &mut dyn FnMut(&ChangeSummary) -> Option<Fact>,
    ) -> Result<Outcome, StoreTrouble> {
        self.store.apply(order, stated, decide)
    }

    fn checkpoint(
        &mut self,
        expected: Head,
        at: Moment,
        removal: &Removal,
    ) -> Result<(Entry, LeftBehind), StoreTrouble> {
        self.store.checkpoint(expected, at, removal)
    }

    fn to_unlink(&self, at_most: usize) -> Result<Vec<String>, StoreTrouble> {
        self.store.to_unlink(at_most)
    }

    fn unlinked(&mut self, files: &[String]) -> Result<(), StoreTrouble> {
        self.store.unlinked(files)
    }
}

pub struct PlantedEndpoint {
    plant: Plant,
    endpoint: SimEndpoint,
}

pub struct PlantedSession {
    plant: Plant,
    session: Held,
    /// Written only with the rename.
    put_off: Mutex<Option<(RemotePath, Vec<u8>)>>,
}

impl Connect for PlantedEndpoint {
    type Session = PlantedSession;

    async fn connect(&self) -> Result<PlantedSession, Trouble> {
        Ok(PlantedSession { plant: self.plant, session: self.endpoint.connect().await?, put_off: Mutex::default() })
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
            Plant::PipelineRename if let Some(size) = self.size_put_off(path) => Ok(size),
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
        if self.plant == Plant::PipelineRename && path.name.as_str().ends_with(".part") {
            let mut bytes = Vec::new();
            source.read_to_end(&mut bytes).await.map_err(|e| Trouble::GaveUp(e.to_string()))?;
            let size = bytes.len() as u64;
            *self.put_off.lock().expect("nobody panics with it") = Some((path.clone(), bytes));
            return Ok(size);
        }
        match self.session.write(path, source).await {
            Err(Trouble::Uncertain(why)) if self.plant == Plant::LostWriteIsUnsent => Err(Trouble::Unreachable(why)),
            written => written,
        }
    }

    async fn rename(&self, from: &RemotePath, to: &RemotePath) -> Result<(), Trouble> {
        if is_fenced(to) && self.plant == Plant::FenceNeverHolds {
            return Err(Trouble::Missing);
        }
        let put_off = self.put_off.lock().expect("nobody panics with it").take_if(|(path, _)| path == from);
        if let Some((path, bytes)) = put_off {
            self.session.write(&path, &mut bytes.as_slice()).await?;
        }
        match (self.session.rename(from, to).await, self.plant) {
            (Err(Trouble::Uncertain(why)), Plant::LostRenameIsUnsent) => Err(Trouble::Unreachable(why)),
            (Err(Trouble::Missing), Plant::FenceAlwaysHolds) if is_fenced(to) => Ok(()),
            (renamed, _) => renamed,
        }
    }

    async fn remove(&self, path: &RemotePath) -> Result<(), Trouble> {
        if self.plant == Plant::RemoveForeign && path.folder == Folder::In {
            let listing = self.session.list(Folder::In, usize::MAX).await?;
            if let Some(foreign) = listing.files.into_iter().find(|file| file.name.as_str().starts_with("SAGA")) {
                self.session.remove(&RemotePath { folder: Folder::In, name: foreign.name }).await?;
            }
        }
        self.session.remove(path).await
    }

    async fn close(&self) {
        self.session.close().await;
    }
}

impl PlantedSession {
    fn size_put_off(&self, path: &RemotePath) -> Option<u64> {
        let put_off = self.put_off.lock().expect("nobody panics with it");
        put_off.as_ref().filter(|(other, _)| other == path).map(|(_, bytes)| bytes.len() as u64)
    }
}

/// Whether this is where the fence puts a part name.
fn is_fenced(path: &RemotePath) -> bool {
    path.name.as_str().ends_with(".parted")
}
