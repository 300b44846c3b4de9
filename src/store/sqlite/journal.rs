//! The journal in its table: entries appended behind the head, and read back along the chain.

use rusqlite::{OptionalExtension, params};

use super::database::Database;
use crate::domain::identity::ContentHash;
use crate::domain::moment::Moment;
use crate::store::chain::Stored;
use crate::store::{Body, Entry, Head, StoreTrouble};

impl Database {
    /// Appends these as one transaction, behind `expected` only.
    pub fn append(&self, expected: Head, at: Moment, bodies: &[Body]) -> Result<Vec<Entry>, StoreTrouble> {
        let transaction = self.write_behind(expected)?;
        let mut head = expected;
        let mut entries = Vec::with_capacity(bodies.len());
        for body in bodies {
            let entry = self.write_entry(head, at, body)?;
            head = Head { seq: entry.seq, hash: entry.hash };
            entries.push(entry);
        }
        transaction.commit().map_err(self.unusable("write to"))?;
        Ok(entries)
    }

    /// Writes one entry inside the caller's transaction.
    pub fn write_entry(&self, head: Head, at: Moment, body: &Body) -> Result<Entry, StoreTrouble> {
        let stored = Stored::behind(head, at, body).map_err(|reason| self.refused("write to", reason))?;
        let hash = stored.hash(head.hash);
        self.conn
            .prepare_cached(
                "INSERT INTO journal (seq, version, at, exchange, kind, body, previous, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )
            .and_then(|mut insert| {
                insert.execute(params![
                    stored.seq,
                    stored.version,
                    stored.at_micros,
                    stored.exchange,
                    stored.kind,
                    stored.body,
                    head.hash.as_bytes(),
                    hash.as_bytes(),
                ])
            })
            .map_err(self.unusable("write to"))?;
        Ok(Entry { seq: stored.seq, at, body: body.clone(), hash })
    }

    /// The head as the last row says, without a look at the chain.
    pub fn last(&self) -> Result<Head, StoreTrouble> {
        let last = self
            .conn
            .query_row("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1", [], |row| {
                Ok(Head { seq: row.get(0)?, hash: ContentHash::new(row.get(1)?) })
            })
            .optional()
            .map_err(self.unusable("read"))?;
        Ok(last.unwrap_or_else(Head::genesis))
    }

    pub fn entries(&self, after: u64, each: &mut dyn FnMut(Entry)) -> Result<Head, StoreTrouble> {
        self.walk(after, &mut |stored, hash| each(stored.into_entry(hash)))
    }

    /// The entry of this number, without a look at the chain.
    pub fn entry(&self, seq: u64) -> Result<Option<Entry>, StoreTrouble> {
        let attempt = self.unusable("read");
        let found = self
            .conn
            .prepare_cached(&format!("{ALL} SELECT * FROM entry WHERE seq = ?1"))
            .and_then(|mut select| {
                select.query_row([seq], |row| Ok((stored_at(row)?, ContentHash::new(row.get(7)?)))).optional()
            })
            .map_err(attempt)?;
        Ok(found.and_then(|(stored, hash)| Some(stored?.into_entry(hash))))
    }

    /// Goes along the chain behind entry `after` and hands over each entry that holds, and is not removed.
    pub fn walk(&self, after: u64, each: &mut dyn FnMut(Stored, ContentHash)) -> Result<Head, StoreTrouble> {
        let attempt = self.unusable("read");
        let _snapshot = self.snapshot()?;
        let mut head = self.head_at(after)?;
        // Numbers that were never given are told, too.
        let first = if after == 0 { i64::MIN } else { i64::try_from(after).unwrap_or(i64::MAX).saturating_add(1) };
        let mut select = self.conn.prepare_cached(FROM).map_err(&attempt)?;
        let mut rows = select.query([first]).map_err(&attempt)?;
        while let Some(row) = rows.next().map_err(&attempt)? {
            let (stored, hash) = checked(head, row)?;
            head = Head { seq: head.seq + 1, hash };
            if let Some(stored) = stored {
                each(stored, hash);
            }
        }
        drop(rows);
        let given: Option<u64> = self
            .conn
            .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'journal'", [], |row| row.get(0))
            .optional()
            .map_err(&attempt)?;
        match given.unwrap_or(0) {
            given if given == head.seq => Ok(head),
            given => Err(broken(head.seq, format!("is the last one, but {given} had been written"))),
        }
    }

    fn head_at(&self, seq: u64) -> Result<Head, StoreTrouble> {
        if seq == 0 {
            return Ok(Head::genesis());
        }
        self.conn
            .query_row(&format!("{ALL} SELECT hash FROM entry WHERE seq = ?1"), [seq], |row| {
                Ok(Head { seq, hash: ContentHash::new(row.get(0)?) })
            })
            .optional()
            .map_err(self.unusable("read"))?
            .ok_or_else(|| broken(seq, "is not there"))
    }
}

/// The journal with what is left of what was removed from it: those have no link to the one before them.
const ALL: &str = "
    WITH entry (seq, version, at, exchange, kind, body, previous, hash) AS (
        SELECT seq, version, at, exchange, kind, body, previous, hash FROM journal
        UNION ALL
        SELECT seq, version, at, exchange, kind, body, NULL, hash FROM removed
    )";

/// The same from number ?1 on, in order. Both sides lie in that order, so nothing is sorted.
const FROM: &str = "
    SELECT seq, version, at, exchange, kind, body, previous, hash FROM journal WHERE seq >= ?1
    UNION ALL
    SELECT seq, version, at, exchange, kind, body, NULL, hash FROM removed WHERE seq >= ?1
    ORDER BY 1";

/// The entry in this row as it was written, or as it says now. None: nothing is left of it.
pub fn stored_at(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Stored>> {
    let (seq, version) = (row.get(0)?, row.get::<_, Option<u32>>(1)?);
    let Some(version) = version else { return Ok(None) };
    let (at_micros, exchange, kind, body) = (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
    Ok(Some(Stored { seq, version, at_micros, exchange, kind, body }))
}

/// The entry in this row, if it is the one that follows `head`.
fn checked(head: Head, row: &rusqlite::Row<'_>) -> Result<(Option<Stored>, ContentHash), StoreTrouble> {
    let expected = head.seq + 1;
    let Row { seq, stored, previous, hash } = columns(expected, row)?;
    if i64::try_from(expected) != Ok(seq) {
        return Err(broken(expected, format!("is missing; entry {seq} stands in its place")));
    }
    match (previous, &stored) {
        // What was removed is known by its hash alone, which the next one was made with.
        (None, _) => {}
        (Some(previous), _) if previous != head.hash => {
            return Err(broken(expected, "does not follow the entry before it"));
        }
        (Some(_), Some(stored)) if stored.hash(head.hash) == hash => {}
        (Some(_), _) => return Err(was_edited(expected)),
    }
    Ok((stored, hash))
}

/// The entry in this row of the journal, if it is what was written there; the entries around it are not looked at.
pub fn read_entry(row: &rusqlite::Row<'_>) -> Result<(Stored, ContentHash), StoreTrouble> {
    let seq = row.get(0).map_err(|_| broken(0, "has no number"))?;
    match columns(seq, row)? {
        Row { stored: Some(stored), previous: Some(previous), hash, .. } if stored.hash(previous) == hash => {
            Ok((stored, hash))
        }
        _ => Err(was_edited(seq)),
    }
}

/// What stands in a row.
struct Row {
    seq: i64,
    stored: Option<Stored>,
    previous: Option<ContentHash>,
    hash: ContentHash,
}

fn columns(expected: u64, row: &rusqlite::Row<'_>) -> Result<Row, StoreTrouble> {
    let unreadable = |_: rusqlite::Error| broken(expected, "a column holds what was never written there");
    let read = || -> rusqlite::Result<Row> {
        let previous = row.get::<_, Option<[u8; 32]>>(6)?.map(ContentHash::new);
        Ok(Row { seq: row.get(0)?, stored: stored_at(row)?, previous, hash: ContentHash::new(row.get(7)?) })
    };
    read().map_err(unreadable)
}

fn was_edited(seq: u64) -> StoreTrouble {
    broken(seq, "was edited: its hash is not that of its content")
}

fn broken(seq: u64, what: impl Into<String>) -> StoreTrouble {
    StoreTrouble::Broken { seq, what: what.into() }
}
