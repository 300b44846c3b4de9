//! The audit of a store that somebody may have been at: every row is read for what it is, nothing is taken for
//! granted, and what cannot be read is a flaw like others. Start with [`Database::verify`].

use std::collections::{BTreeSet, HashMap};

use rusqlite::Row;
use rusqlite::types::FromSql;

use super::database::Database;
use super::journal::stored_at;
use super::verify_remains::LeftRead;
use crate::domain::exchange::Fact;
use crate::domain::identity::{ContentHash, FileId, Route};
use crate::domain::moment::Moment;
use crate::store::anchor::AnchorLine;
use crate::store::audit::{ChainAudit, Flaw, FoundEntry, Part, Recovery, Verified};
use crate::store::chain::Stored;
use crate::store::removal::digest_of;
use crate::store::{Body, HouseFact, StoreTrouble};

/// So many faults of the file itself are told; with more it is past telling.
const FILE_FAULTS_MAX: u32 = 100;

/// After so many entries it is told how far it is.
const TOLD_EVERY: u64 = 1_000;

impl Database {
    /// Looks at every row there is: the journal's chain, `anchors` against it, and the register against the
    /// journal. Hands over each flaw as it is found, and goes on. `seen` is told now and then how many entries were
    /// read. Holds one note per exchange and per applied reply in memory, and the anchors. Errors: nothing could be
    /// read at all.
    pub fn verify(
        &self,
        anchors: Vec<AnchorLine>,
        flaw: &mut dyn FnMut(Flaw),
        seen: &mut dyn FnMut(u64),
    ) -> Result<Verified, StoreTrouble> {
        let mut flaws = 0;
        let mut flaw = |found: Flaw| {
            flaws += 1;
            flaw(found);
        };
        let _snapshot = self.snapshot()?;
        self.verify_layout(&mut flaw).unwrap_or_else(|trouble| flaw(unread(Part::File, &trouble)));
        self.verify_file(&mut flaw).unwrap_or_else(|trouble| flaw(unread(Part::File, &trouble)));
        let left = self.verify_remains(&mut flaw).unwrap_or_else(|trouble| {
            flaw(unread(Part::Remains, &trouble));
            LeftRead::default()
        });
        let mut walk = Walk::new(anchors, left);
        self.verify_journal(&mut walk, &mut flaw, seen).unwrap_or_else(|trouble| flaw(unread(Part::Journal, &trouble)));
        let (entries, anchors_met) = match self.numbers_given() {
            Ok(given) => walk.chain.end(&given, &mut flaw),
            Err(trouble) => {
                flaw(unread(Part::Journal, &trouble));
                walk.chain.end(&[None], &mut flaw)
            }
        };
        walk.left.hold_against_checkpoints(&walk.checkpoints, &mut flaw);
        self.verify_replies_left(&walk.left, &mut flaw)
            .unwrap_or_else(|trouble| flaw(unread(Part::Register, &trouble)));
        walk.applied.extend(walk.left.replies.keys());
        self.verify_leftovers(&walk.applied, &mut flaw)
            .unwrap_or_else(|trouble| flaw(unread(Part::Register, &trouble)));
        let Walk { head, not_understood, recoveries, removed, sealed, .. } = walk;
        Ok(Verified { entries, removed, sealed, head, anchors_met, recoveries, not_understood, flaws })
    }

    fn verify_journal(
        &self,
        walk: &mut Walk,
        flaw: &mut dyn FnMut(Flaw),
        seen: &mut dyn FnMut(u64),
    ) -> rusqlite::Result<()> {
        let mut select = self.conn.prepare(
            "SELECT seq, version, at, exchange, kind, body, previous, hash, 0 FROM journal NOT INDEXED
             UNION ALL SELECT seq, version, at, exchange, kind, body, NULL, hash, 1 FROM removed ORDER BY 1, 9",
        )?;
        let mut rows = select.query([])?;
        let mut read = 0;
        while let Some(row) = rows.next()? {
            if row.get::<_, i64>(8)? == 1 {
                walk.take_removed(row, flaw)?;
                continue;
            }
            let found = found(row)?;
            let is_whole = walk.chain.take(&found, flaw);
            walk.head = head_of(&found);
            if let (true, Some(applied)) = (is_whole, walk.note(found)) {
                // Its rows are held against the checkpoint that has left them behind.
                if walk.left.replies.contains_key(&found_seq(&applied)) {
                    continue;
                }
                let route = walk.routes.get(&applied.id);
                self.verify_applied(&applied, route, flaw)
                    .unwrap_or_else(|trouble| flaw(unread(Part::Register, &trouble)));
            }
            read += 1;
            if read % TOLD_EVERY == 0 {
                seen(read);
            }
        }
        Ok(())
    }

    /// The highest number ever given, as SQLite remembers it for AUTOINCREMENT.
    fn numbers_given(&self) -> rusqlite::Result<Vec<Option<i64>>> {
        let mut select = self.conn.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'journal'")?;
        let given = select.query_map([], |row| Ok(column(row, 0)))?;
        given.collect()
    }

    /// Whether the file has the tables, indexes and triggers that it was made with, and no others.
    fn verify_layout(&self, flaw: &mut dyn FnMut(Flaw)) -> rusqlite::Result<()> {
        let (expected, present) = (objects(&Database::laid_out_in_memory()?)?, objects(&self.conn)?);
        for (name, sql) in &expected {
            match present.get(name) {
                None => flaw(Flaw::of(Part::File, format!("{} was removed", called(name)))),
                Some(other) if other != sql => {
                    flaw(Flaw::of(Part::File, format!("{} was altered", called(name))));
                }
                Some(_) => {}
            }
        }
        // Its name is somebody else's text.
        let others = present.keys().filter(|name| !expected.contains_key(*name)).count();
        if others > 0 {
            flaw(Flaw::of(Part::File, format!("somebody has put {others} things into the database that are not ours")));
        }
        Ok(())
    }

    /// What SQLite itself finds wrong: pages, indexes that say something else than their tables, types.
    fn verify_file(&self, flaw: &mut dyn FnMut(Flaw)) -> rusqlite::Result<()> {
        let mut check = self.conn.prepare(&format!("PRAGMA integrity_check({FILE_FAULTS_MAX})"))?;
        let mut rows = check.query([])?;
        while let Some(row) = rows.next()? {
            match column::<String>(row, 0).as_deref() {
                Some("ok") => {}
                Some(fault) => {
                    flaw(Flaw::of(Part::File, format!("the database is not whole; in its own words: {fault}")))
                }
                None => flaw(Flaw::of(Part::File, "the database is not whole, and cannot say where")),
            }
        }
        Ok(())
    }
}

/// What is kept on the way along the journal.
struct Walk {
    chain: ChainAudit,
    routes: HashMap<FileId, Route>,
    /// The entries that say that a reply was applied, understood or not.
    applied: BTreeSet<i64>,
    head: Option<AnchorLine>,
    not_understood: u64,
    recoveries: Vec<Recovery>,
    left: LeftRead,
    /// What each checkpoint's entry says: its number, how much was left behind then, and the last link.
    checkpoints: Vec<(i64, u64, ContentHash)>,
    removed: u64,
    sealed: u64,
}

fn found_seq(applied: &AppliedEntry) -> i64 {
    i64::try_from(applied.seq).unwrap_or(i64::MAX)
}

/// An entry that says that a reply was applied.
pub(super) struct AppliedEntry {
    pub seq: u64,
    pub id: FileId,
    pub at: Moment,
    pub fact: Fact,
}

impl Walk {
    fn new(anchors: Vec<AnchorLine>, left: LeftRead) -> Walk {
        Walk {
            chain: ChainAudit::new(anchors),
            routes: HashMap::new(),
            applied: BTreeSet::new(),
            head: None,
            not_understood: 0,
            recoveries: Vec::new(),
            left,
            checkpoints: Vec::new(),
            removed: 0,
            sealed: 0,
        }
    }

    /// Takes what is left of an entry that was removed, or altered.
    fn take_removed(&mut self, row: &Row<'_>, flaw: &mut dyn FnMut(Flaw)) -> rusqlite::Result<()> {
        let seq: i64 = row.get(0)?;
        let hash = column::<[u8; 32]>(row, 7).map(ContentHash::new);
        let stored = stored_at(row);
        let unreadable = [("hash", hash.is_none()), ("body", stored.is_err())];
        let unreadable = unreadable.iter().filter(|(_, is_unreadable)| *is_unreadable).map(|(name, _)| *name);
        let found = FoundEntry { seq, stored: None, unreadable: unreadable.collect(), previous: None, hash };
        self.chain.take(&found, flaw);
        let stored = stored.ok().flatten();
        match self.left.entries.remove(&seq) {
            None => flaw(Flaw::of_entry(Part::Journal, seq, "was removed, and no checkpoint says so")),
            Some(left) if Some(left.hash) != hash => {
                flaw(Flaw::of_entry(Part::Journal, seq, "has another hash than its checkpoint has left of it"));
            }
            Some(left) if left.says != stored.as_ref().map(digest_of) => {
                flaw(Flaw::of_entry(Part::Journal, seq, "says something else than its checkpoint has left of it"));
            }
            Some(_) => {}
        }
        match (stored, hash) {
            (Some(stored), Some(hash)) => {
                self.sealed += 1;
                self.head = Some(AnchorLine { seq: stored.seq, hash, at: Moment::from_micros(stored.at_micros) });
                let found =
                    FoundEntry { seq, stored: Some(stored), unreadable: Vec::new(), previous: None, hash: Some(hash) };
                self.note(found);
            }
            _ => self.removed += 1,
        }
        Ok(())
    }

    /// Keeps what later entries are understood by; gives the entry if it applied a reply.
    fn note(&mut self, found: FoundEntry) -> Option<AppliedEntry> {
        let (stored, hash) = (found.stored?, found.hash?);
        if stored.kind == APPLIED {
            self.applied.insert(found.seq);
        }
        let entry = stored.into_entry(hash);
        let (id, fact) = match entry.body {
            Body::Exchange { id, fact } => (id, fact),
            Body::House(HouseFact::Recovered { journal, .. }) => {
                self.recoveries.push(Recovery { entry: entry.seq, at: entry.at, journal });
                return None;
            }
            Body::House(HouseFact::Checkpoint { remains, digest, .. }) => {
                self.checkpoints.push((found.seq, remains, digest));
                return None;
            }
            Body::House(_) => return None,
            Body::NotUnderstood { .. } => {
                self.not_understood += 1;
                return None;
            }
        };
        match &fact {
            Fact::Accepted(query) => drop(self.routes.insert(id, query.route.clone())),
            Fact::ReplyFetched(arrival) => drop(self.routes.insert(id, arrival.route.clone())),
            _ => {}
        }
        matches!(fact, Fact::Applied { .. }).then_some(AppliedEntry { seq: entry.seq, id, at: entry.at, fact })
    }
}

/// The kind of an entry that applied a reply.
const APPLIED: &str = "applied";

fn found(row: &Row<'_>) -> rusqlite::Result<FoundEntry> {
    let mut unreadable = Vec::new();
    let mut note = |name, is_read: bool| {
        if !is_read {
            unreadable.push(name);
        }
    };
    let seq: i64 = row.get(0)?;
    let (version, at_micros) = (column::<u32>(row, 1), column::<i64>(row, 2));
    let (exchange, kind, body) = (column::<Option<String>>(row, 3), column::<String>(row, 4), column::<String>(row, 5));
    let (previous, hash) = (column::<[u8; 32]>(row, 6), column::<[u8; 32]>(row, 7));
    note("version", version.is_some());
    note("moment", at_micros.is_some());
    note("exchange", exchange.is_some());
    note("kind", kind.is_some());
    note("body", body.is_some());
    note("link to the entry before it", previous.is_some());
    note("hash", hash.is_some());
    let stored = || {
        Some(Stored {
            seq: seq.try_into().ok()?,
            version: version?,
            at_micros: at_micros?,
            exchange: exchange?,
            kind: kind?,
            body: body?,
        })
    };
    let stored = stored();
    Ok(FoundEntry {
        seq,
        stored,
        unreadable,
        previous: previous.map(ContentHash::new),
        hash: hash.map(ContentHash::new),
    })
}

fn head_of(found: &FoundEntry) -> Option<AnchorLine> {
    let stored = found.stored.as_ref()?;
    Some(AnchorLine { seq: stored.seq, hash: found.hash?, at: Moment::from_micros(stored.at_micros) })
}

/// None where something else stands there than was ever written.
fn column<T: FromSql>(row: &Row<'_>, index: usize) -> Option<T> {
    row.get(index).ok()
}

/// Every table, index and trigger with its text, by kind and name.
fn objects(conn: &rusqlite::Connection) -> rusqlite::Result<HashMap<String, Option<String>>> {
    let mut select = conn
        .prepare("SELECT type || ' ' || name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")?;
    let objects = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    objects.collect()
}

/// What one of ours is to people; "trigger" is another thing here.
fn called(object: &str) -> String {
    match object.split_once(' ') {
        Some(("trigger", name)) => format!("the lock `{name}`, which keeps what is written from being changed,"),
        Some(("table", name)) => format!("the list `{name}` of the database"),
        Some((_, name)) => format!("the part `{name}` of the database"),
        None => format!("the part `{object}` of the database"),
    }
}

/// SQLite's words name tables and columns, never what stands in them.
fn unread(part: Part, trouble: &rusqlite::Error) -> Flaw {
    Flaw::of(part, format!("cannot be read to its end; in the database's own words: {trouble}"))
}
