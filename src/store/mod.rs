//! The truth on disk: the journal (facts, versioned, hash-chained, the only source of state) and the register
//! of agreements with its history, in one database, so that a reply's effect and its mark are one
//! transaction. [`Store`] is the seam; SQLite stands behind it ([`SqliteStore`]). Nothing is ever overwritten.

pub mod anchor;
pub mod audit;
pub mod chain;
pub mod removal;
mod sorted;
mod sqlite;
pub mod steps;

#[cfg(test)]
pub(crate) mod contract;
#[cfg(test)]
mod model;

pub use sorted::{Duplicate, Packed, Packing, Sorted, Sorting};
pub use sqlite::replay::{Difference, Differing, Replay};
pub use sqlite::{SqliteReader, SqliteStore};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::domain::agreement::Agreement;
use crate::domain::change::{Change, ChangeSummary};
use crate::domain::exchange::Fact;
use crate::domain::exchange::unread::Marks;
use crate::domain::identity::{ContentHash, ExchangeName, FileId, Route};
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;
use crate::domain::retention::Scope;
use removal::{LeftBehind, Removal, Removed};

/// The end of the journal's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the last entry; 0 for an empty journal.
    pub seq: u64,
    pub hash: ContentHash,
}

impl Head {
    /// Of an empty journal: number 0 and 32 zero bytes, which the first entry's hash builds on.
    pub fn genesis() -> Head {
        Head { seq: 0, hash: ContentHash::new([0; 32]) }
    }
}

/// What one entry is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Exchange {
        id: FileId,
        fact: Fact,
    },
    House(HouseFact),
    /// Written by another version of the program and not understood by this one.
    NotUnderstood {
        id: Option<FileId>,
        version: u32,
        what: String,
        /// What can be made out of it all the same.
        marks: Box<Marks>,
    },
}

/// What happened in the house but to no exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum HouseFact {
    /// Full CPR numbers were shown to somebody.
    RegisterShownInFull {
        who: String,
        reason: String,
        municipality: Option<MunicipalityCode>,
    },
    /// A person let Sluse go on with a store that was put back from a backup. `journal` is its last entry then, `anchor`
    /// the one that had been there (None: it was not behind); so many exchanges were open, and so many queries and
    /// replies lay here that were in no journal.
    Recovered {
        who: String,
        reason: String,
        journal: u64,
        anchor: Option<u64>,
        open: u64,
        queries: u64,
        replies: u64,
    },
    /// The store could not be written since then, and nothing new was begun until this was written.
    StoodStill {
        since: Moment,
        why: String,
    },
    /// So much was removed because it was older than is kept, in this very transaction; files are unlinked after it.
    /// `remains` is how many things retention has left behind so far, `digest` their chain (`store::removal`).
    Checkpoint {
        removed: Removed,
        remains: u64,
        digest: ContentHash,
    },
    /// Nothing that this covers is removed until it is lifted.
    HeldByLaw {
        scope: Scope,
        who: String,
        reason: String,
    },
    HoldLifted {
        scope: Scope,
        who: String,
        reason: String,
    },
}

impl HouseFact {
    /// The fact's name, as in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            HouseFact::RegisterShownInFull { .. } => "register_shown_in_full",
            HouseFact::Recovered { .. } => "recovered",
            HouseFact::StoodStill { .. } => "stood_still",
            HouseFact::Checkpoint { .. } => "checkpoint",
            HouseFact::HeldByLaw { .. } => "held_by_law",
            HouseFact::HoldLifted { .. } => "hold_lifted",
        }
    }
}

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// From 1, without gaps.
    pub seq: u64,
    pub at: Moment,
    pub body: Body,
    /// SHA-256 over the former entry's hash and this entry's own bytes.
    pub hash: ContentHash,
}

/// What a person does with a store that cannot be read.
pub const PUT_BACK: &str = "stop the daemon, put a backup back, then call `sluse recover`";

#[derive(Debug, thiserror::Error)]
pub enum StoreTrouble {
    /// Somebody else wrote; what was decided on the old head is void.
    #[error("the journal's head is {found}, expected {expected}: somebody else has written to the store")]
    Moved { expected: u64, found: u64 },
    /// The chain does not hold: an entry was edited, removed, inserted or reordered.
    #[error("journal entry {seq}: {what}; the store was cut off or altered: {PUT_BACK}")]
    Broken { seq: u64, what: String },
    /// It has not been done, or it is not known whether it has; then the next attempt says `Moved`. Nothing is wrong
    /// with the store that more room or a mended disk would not mend.
    #[error("cannot {attempted} the store {path}: {reason}")]
    Unusable { attempted: &'static str, path: String, reason: String },
    /// The file is not whole, or something else.
    #[error("the store {path} is damaged ({reason}): {PUT_BACK}")]
    Damaged { path: String, reason: String },
    /// Nothing was made: whoever reads must not take an empty store for the one that is gone.
    #[error(
        "there is no store at {path}, where `[store] url` of the settings says that it is; only the daemon makes one. It has never \
         run with these settings, or they name another place than before, or a disk is not mounted, or the store was lost: \
         then {PUT_BACK}"
    )]
    Missing { path: String },
    /// Nobody works at the store any more.
    #[error("the store's own thread has ended")]
    Closed,
    #[error("the store has layout version {found}, this program knows {known}")]
    Newer { found: i64, known: i64 },
    /// Whoever only reads cannot bring it to this version's layout.
    #[error(
        "the store has layout version {found}, and is brought to {known} by the daemon of this version when it starts: \
         start it once"
    )]
    Older { found: i64, known: i64 },
}

/// What is asked of the register. `None`: no limit on that side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    pub exchange: Option<ExchangeName>,
    pub municipality: Option<MunicipalityCode>,
    /// Only agreements in force on that day. Without it: all that the last known reply holds.
    pub valid_on: Option<Date>,
    /// As it was believed at that moment. Without it: now.
    pub known_at: Option<Moment>,
}

/// One agreement as the register answers.
#[derive(Clone)]
pub struct Answer {
    pub route: Route,
    pub agreement: Agreement,
    /// When this was learnt.
    pub known_at: Moment,
    /// What made it known.
    pub change: Change,
}

/// One line of what a reply changed.
#[derive(Clone)]
pub struct Changed {
    pub change: Change,
    /// What was known before: of a resumed one, what it said when it ended. None for a new one.
    pub before: Option<Agreement>,
    /// None for one that has ended.
    pub after: Option<Agreement>,
}

/// A reply on its way into the register.
#[derive(Clone, Debug)]
pub struct Order {
    pub id: FileId,
    pub route: Route,
    /// The moment of applying: what the register will give as `known_at`.
    pub at: Moment,
}

/// What became of a reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Register and journal hold it, in one transaction.
    Applied(Entry),
    /// It would change this much, and was not applied: the register is untouched.
    Held(ChangeSummary),
}

/// Reading, beside a writer or without one.
pub trait Reading {
    /// Hands over each entry after number `after`, in order, and checks the chain on the way. What retention has removed is
    /// passed over; of a story whose files are gone the entries come without their hashes.
    fn entries(&self, after: u64, each: &mut dyn FnMut(Entry)) -> Result<Head, StoreTrouble>;

    /// Hands over each agreement that answers, ordered by exchange, municipality and key. An agreement's last
    /// statement known at `known_at` that begins on or before `valid_on` says whether it is in force that day.
    fn register(&self, question: &Question, each: &mut dyn FnMut(Answer)) -> Result<(), StoreTrouble>;

    /// What the reply of journal entry `seq` changed, ordered by key.
    fn changes(&self, seq: u64, each: &mut dyn FnMut(Changed)) -> Result<(), StoreTrouble>;

    /// The entry of this number, without a look at the chain. None: there is none, or nothing is left of it.
    fn entry(&self, seq: u64) -> Result<Option<Entry>, StoreTrouble>;

    /// What is left of everything that retention has removed.
    fn left(&self) -> Result<LeftBehind, StoreTrouble>;

    /// How many agreements of this route had ended before that moment and may be removed: every reply that says something
    /// of them is of an erased file.
    fn ended_before(&self, route: &Route, before: Moment) -> Result<u64, StoreTrouble>;
}

/// The one writer's side. All is on disk, synced, when a call returns.
pub trait Store: Reading + Send {
    /// The journal's end as this store last wrote it or read up to it.
    fn head(&self) -> Head;

    /// Appends these in order as one transaction. `Moved` if the journal's head is not `expected`.
    fn append(&mut self, expected: Head, at: Moment, bodies: &[Body]) -> Result<Vec<Entry>, StoreTrouble>;

    /// Compares a reply's agreements with the register; of what it leaves out it says that it has ended. `decide` sees the
    /// sum: with a fact, changes and fact (only `Applied` will do) are written in one transaction; without, nothing is.
    /// Memory does not grow with the reply. `Moved` if somebody else has written behind [`Store::head`].
    fn apply(
        &mut self,
        order: &Order,
        stated: &mut Sorted,
        decide: &mut dyn FnMut(&ChangeSummary) -> Option<Fact>,
    ) -> Result<Outcome, StoreTrouble>;

    /// Journals a checkpoint and takes what `removal` names out of journal and register, as one transaction; the files that
    /// it names wait in [`Store::to_unlink`] from then on. `Moved` if the journal's head is not `expected`. Gives the
    /// checkpoint's entry, and what it has left behind. It must be small: nobody else is served meanwhile.
    fn checkpoint(
        &mut self,
        expected: Head,
        at: Moment,
        removal: &Removal,
    ) -> Result<(Entry, LeftBehind), StoreTrouble>;

    /// Files of checkpoints that are not known to be gone, at most so many; what lies in a folder before the folder.
    fn to_unlink(&self, at_most: usize) -> Result<Vec<String>, StoreTrouble>;

    /// These are gone, for good.
    fn unlinked(&mut self, files: &[String]) -> Result<(), StoreTrouble>;
}
