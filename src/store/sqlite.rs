//! The store in one SQLite file: write-ahead log, every commit synced, one writer, any number of readers
//! beside it. Start with [`SqliteStore`]; [`SqliteReader`] reads and never writes.
//!
//! Only an audit lets SQLite sort, in its temporary folder (`SQLITE_TMPDIR`, else `/var/tmp`), in a file without a name
//! that is gone with the process.

mod about;
mod checkpoint;
mod columns;
mod compare;
mod database;
mod index;
mod journal;
mod leaf;
mod register;
pub mod replay;
#[cfg(test)]
mod tests;
mod verify;
mod verify_register;
mod verify_remains;
mod written;

use std::cell::Cell;
use std::path::Path;

use jiff::civil::Date;

use super::anchor::AnchorLine;
use super::audit::{Flaw, Verified};
use super::removal::{LeftBehind, Removal};
use super::steps::Steps;
use super::{Answer, Body, Changed, Entry, Head, Order, Outcome, Question, Reading, Sorted, Store, StoreTrouble};
use crate::domain::change::ChangeSummary;
use crate::domain::exchange::Fact;
use crate::domain::identity::{ContentHash, Route};
use crate::domain::moment::Moment;
use crate::domain::retention::HashKey;
use database::Database;

/// The writer. That there is only one is the lock's business; should another one have written all the same,
/// that is noticed inside the next transaction ([`StoreTrouble::Moved`]).
pub struct SqliteStore {
    database: Database,
    /// The head as this store last wrote it or read up to it. What others wrote since is news to the caller.
    head: Cell<Head>,
}

impl SqliteStore {
    /// Opens the store, and makes it (for its owner alone, 0600) where there is none. The whole chain is
    /// checked. Errors: `Broken` where the chain does not hold, `Newer` for a later layout.
    pub fn open(path: &Path) -> Result<SqliteStore, StoreTrouble> {
        SqliteStore::open_counting(path, &Steps::default())
    }

    /// The same, and as long as it is open `steps` goes up while SQLite gets on.
    pub fn open_counting(path: &Path, steps: &Steps) -> Result<SqliteStore, StoreTrouble> {
        SqliteStore::walked(Database::open_to_write(path, steps)?)
    }

    /// The same for a store that must be there already: none is ever made. Errors: also `Missing`.
    pub fn open_existing(path: &Path) -> Result<SqliteStore, StoreTrouble> {
        SqliteStore::walked(Database::open_existing_to_write(path)?)
    }

    fn walked(database: Database) -> Result<SqliteStore, StoreTrouble> {
        let head = database.walk(0, &mut |_, _| {})?;
        Ok(SqliteStore { database, head: Cell::new(head) })
    }

    /// Whether the index of last statements says what the history says.
    pub fn index_agrees(&self) -> Result<bool, StoreTrouble> {
        self.database.index_agrees()
    }

    /// Makes the index of last statements again from the history.
    pub fn rebuild_index(&mut self) -> Result<(), StoreTrouble> {
        self.database.rebuild_index()
    }
}

impl Reading for SqliteStore {
    fn entries(&self, after: u64, each: &mut dyn FnMut(Entry)) -> Result<Head, StoreTrouble> {
        let head = self.database.entries(after, each)?;
        self.head.set(head);
        Ok(head)
    }

    fn register(&self, question: &Question, each: &mut dyn FnMut(Answer)) -> Result<(), StoreTrouble> {
        self.database.register(question, each)
    }

    fn changes(&self, seq: u64, each: &mut dyn FnMut(Changed)) -> Result<(), StoreTrouble> {
        self.database.changes(seq, each)
    }

    fn entry(&self, seq: u64) -> Result<Option<Entry>, StoreTrouble> {
        self.database.entry(seq)
    }

    fn left(&self) -> Result<LeftBehind, StoreTrouble> {
        self.database.left()
    }

    fn ended_before(&self, route: &Route, before: Moment) -> Result<u64, StoreTrouble> {
        self.database.ended_before(route, before)
    }
}

impl Store for SqliteStore {
    fn head(&self) -> Head {
        self.head.get()
    }

    fn append(&mut self, expected: Head, at: Moment, bodies: &[Body]) -> Result<Vec<Entry>, StoreTrouble> {
        let entries = self.database.append(expected, at, bodies)?;
        let head = entries.last().map_or(expected, |entry| Head { seq: entry.seq, hash: entry.hash });
        self.head.set(head);
        Ok(entries)
    }

    fn apply(
        &mut self,
        order: &Order,
        stated: &mut Sorted,
        decide: &mut dyn FnMut(&ChangeSummary) -> Option<Fact>,
    ) -> Result<Outcome, StoreTrouble> {
        let outcome = self.database.apply(self.head.get(), order, stated, decide)?;
        if let Outcome::Applied(entry) = &outcome {
            self.head.set(Head { seq: entry.seq, hash: entry.hash });
        }
        Ok(outcome)
    }

    fn checkpoint(
        &mut self,
        expected: Head,
        at: Moment,
        removal: &Removal,
    ) -> Result<(Entry, LeftBehind), StoreTrouble> {
        let (entry, left) = self.database.checkpoint(expected, at, removal)?;
        self.head.set(Head { seq: entry.seq, hash: entry.hash });
        Ok((entry, left))
    }

    fn to_unlink(&self, at_most: usize) -> Result<Vec<String>, StoreTrouble> {
        self.database.to_unlink(at_most)
    }

    fn unlinked(&mut self, files: &[String]) -> Result<(), StoreTrouble> {
        self.database.unlinked(files)
    }
}

/// Reads beside the writer or without one.
pub struct SqliteReader {
    database: Database,
}

impl SqliteReader {
    /// Opens an existing store. The chain is checked where entries are read. Errors: `Newer` for a later layout.
    pub fn open(path: &Path) -> Result<SqliteReader, StoreTrouble> {
        Ok(SqliteReader { database: Database::open_to_read(path)? })
    }

    /// The journal's end as its last row says; the chain is not looked at.
    pub fn head(&self) -> Result<Head, StoreTrouble> {
        self.database.last()
    }

    /// Hands over what the journal says about one payment date: of every story that has an entry since the first query for
    /// that day, all entries, in order. What is older is not read. Returns how many entries that were.
    pub fn about(&self, payment_date: Date, each: &mut dyn FnMut(Entry)) -> Result<u64, StoreTrouble> {
        self.database.about(payment_date, each)
    }

    /// Writes a copy of the store as it is at this moment into an empty file, while others go on writing. It is not synced.
    pub fn copy_into(&self, to: &Path) -> Result<(), StoreTrouble> {
        self.database.copy_into(to)
    }

    /// Whether the index of last statements says what the history says.
    pub fn index_agrees(&self) -> Result<bool, StoreTrouble> {
        self.database.index_agrees()
    }

    /// How many rows of the register a reply has, and their keyed digest, as a checkpoint leaves it behind.
    pub fn digest_of_reply(&self, seq: u64, key: &HashKey) -> Result<(u64, ContentHash), StoreTrouble> {
        self.database.digest_of_reply(seq, key).map_err(self.database.unusable("read the register of"))
    }

    /// Looks at every row there is, also where somebody has been at them: the chain, `anchors` against it, and the
    /// register against the journal. Hands over each flaw and goes on; `seen` is told now and then how many entries
    /// were read. Errors: nothing could be read at all.
    pub fn verify(
        &self,
        anchors: Vec<AnchorLine>,
        flaw: &mut dyn FnMut(Flaw),
        seen: &mut dyn FnMut(u64),
    ) -> Result<Verified, StoreTrouble> {
        self.database.verify(anchors, flaw, seen)
    }
}

impl Reading for SqliteReader {
    fn entries(&self, after: u64, each: &mut dyn FnMut(Entry)) -> Result<Head, StoreTrouble> {
        self.database.entries(after, each)
    }

    fn register(&self, question: &Question, each: &mut dyn FnMut(Answer)) -> Result<(), StoreTrouble> {
        self.database.register(question, each)
    }

    fn changes(&self, seq: u64, each: &mut dyn FnMut(Changed)) -> Result<(), StoreTrouble> {
        self.database.changes(seq, each)
    }

    fn entry(&self, seq: u64) -> Result<Option<Entry>, StoreTrouble> {
        self.database.entry(seq)
    }

    fn left(&self) -> Result<LeftBehind, StoreTrouble> {
        self.database.left()
    }

    fn ended_before(&self, route: &Route, before: Moment) -> Result<u64, StoreTrouble> {
        self.database.ended_before(route, before)
    }
}
