//! What a checkpoint removes, and what it leaves behind, the same behind each store. What is left is a list that only grows,
//! each line chained to the one before it; a checkpoint's journal entry says how long it was and its last link. Start with
//! [`Removal`] and [`Remains`].

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Body;
use super::chain::Stored;
use crate::domain::identity::{ContentHash, FileId, RemoteName, Route};
use crate::domain::moment::Moment;
use crate::domain::retention::{HashKey, Remnant};

/// What one checkpoint is to remove.
#[derive(Clone, Debug)]
pub struct Removal {
    /// The store's, or for a store that has none yet, the one that it is to have.
    pub key: HashKey,
    pub stories: Vec<StoryToGo>,
    /// What had ended before that moment goes from the register of that route; as much as fits into one step.
    pub ended: Vec<(Route, Moment)>,
}

/// A story that is over, or its files.
#[derive(Clone, Debug)]
pub struct StoryToGo {
    pub id: FileId,
    /// Its files' paths, below the state folder, and what is left of each.
    pub files: Vec<(String, Option<FileLeft>)>,
    /// None: only its files go, and its entries say the same without their hashes.
    pub remnant: Option<Remnant>,
    /// Its entries by number. Some: what it says from now on; None: it stays as it is, or goes where the story does.
    pub entries: Vec<(u64, Option<Body>)>,
    /// Its entry that applied a reply, if one did: the register's rows of that are what is left of the reply.
    pub applied: Option<u64>,
}

/// How much one checkpoint removed, or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Whose files were erased.
    pub erased: u64,
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Whose entries were removed.
    pub stories: u64,
    pub entries: u64,
    /// Of the register.
    pub agreements: u64,
    pub rows: u64,
}

impl Removed {
    pub fn is_nothing(&self) -> bool {
        *self == Removed::default()
    }
}

impl std::ops::AddAssign for Removed {
    fn add_assign(&mut self, more: Removed) {
        self.erased += more.erased;
        self.files += more.files;
        self.bytes += more.bytes;
        self.stories += more.stories;
        self.entries += more.entries;
        self.agreements += more.agreements;
        self.rows += more.rows;
    }
}

/// One thing that is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Remains {
    /// A story's files.
    Files { id: FileId, files: Vec<FileLeft>, entries: Vec<EntryLeft> },
    /// A story.
    Story { remnant: Box<Remnant>, files: Vec<FileLeft>, entries: Vec<EntryLeft> },
    /// The register's rows of a reply that cannot be read again: as they are now, so many, and their keyed digest.
    Reply { seq: u64, rows: u64, digest: ContentHash },
    /// What had ended before then is in the register of this route no longer.
    Register { route: Route, before: Moment, agreements: u64, rows: u64 },
}

/// What is left of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileLeft {
    /// `query`, `reply`, `receipt`.
    pub what: String,
    /// On the far side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<RemoteName>,
    /// Bytes; None where the journal never knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Keyed ([`HashKey::seal`]).
    pub hash: ContentHash,
}

/// What is left of an entry of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryLeft {
    pub seq: u64,
    /// Its place in the chain.
    pub hash: ContentHash,
    /// Of what it says from now on ([`digest_of`]); None: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<ContentHash>,
}

/// Everything that is left, in order, each with the moment of its checkpoint.
#[derive(Clone, Debug, Default)]
pub struct LeftBehind {
    /// None: there was never a checkpoint.
    pub key: Option<HashKey>,
    pub remains: Vec<(Moment, Remains)>,
}

impl Remains {
    /// The entries that it took out of the journal, or altered.
    pub fn entries(&self) -> &[EntryLeft] {
        match self {
            Remains::Files { entries, .. } | Remains::Story { entries, .. } => entries,
            Remains::Reply { .. } | Remains::Register { .. } => &[],
        }
    }
}

/// The next link of the list: SHA-256 of the former one (32 zero bytes before the first) and this one's text.
pub fn next_link(former: ContentHash, text: &str) -> ContentHash {
    let mut digest = Sha256::new();
    digest.update(former.as_bytes());
    digest.update(text);
    ContentHash::new(digest.finalize().into())
}

/// Of what an altered entry says.
pub fn digest_of(stored: &Stored) -> ContentHash {
    stored.hash(ContentHash::new([0; 32]))
}

/// An altered entry as it is kept: everything as it was, but for what it says. Errors: it cannot be written.
pub fn altered(original: &Stored, body: &Body) -> Result<Stored, String> {
    let head = super::Head { seq: original.seq.saturating_sub(1), hash: ContentHash::new([0; 32]) };
    let new = Stored::behind(head, Moment::from_micros(original.at_micros), body)?;
    match (new.exchange == original.exchange, new.kind == original.kind) {
        (true, true) => Ok(Stored { version: original.version, ..new }),
        _ => Err(format!("entry {} is to say something else than it did", original.seq)),
    }
}
