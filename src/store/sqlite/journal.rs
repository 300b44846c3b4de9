//! The journal in its table: entries appended behind the head, and read back along the chain.

use rusqlite::{OptionalExtension, Row, params};

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

    /// Goes along the chain behind entry `after` and hands over each entry that holds.
    pub fn walk(&self, after: u64, each: &mut dyn FnMut(Stored, ContentHash)) -> Result<Head, StoreTrouble> {
        let attempt = self.unusable("read");
        let _snapshot = self.snapshot()?;
        let mut head = self.head_at(after)?;
        let mut select = self
            .conn
            .prepare_cached(
                "SELECT seq, version, at, exchange, kind, body, previous, hash
                 FROM journal WHERE seq > ?1 OR seq < 1 ORDER BY seq",
            )
            .map_err(&attempt)?;
        let mut rows = select.query([after]).map_err(&attempt)?;
        while let Some(row) = rows.next().map_err(&attempt)? {
            let (stored, hash) = checked(head, row)?;
            head = Head { seq: stored.seq, hash };
            each(stored, hash);
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
            .query_row("SELECT hash FROM journal WHERE seq = ?1", [seq], |row| {
                Ok(Head { seq, hash: ContentHash::new(row.get(0)?) })
            })
            .optional()
            .map_err(self.unusable("read"))?
            .ok_or_else(|| broken(seq, "is not there"))
    }
}

/// The entry in this row, if it is the one that follows `head`.
fn checked(head: Head, row: &Row<'_>) -> Result<(Stored, ContentHash), StoreTrouble> {
    let expected = head.seq + 1;
    let (stored, previous, hash) = columns(expected, row)?;
    if stored.seq != expected {
        return Err(broken(expected, format!("is missing; entry {} stands in its place", stored.seq)));
    }
    if previous != head.hash {
        return Err(broken(expected, "does not follow the entry before it"));
    }
    has_its_hash(stored, previous, hash)
}

/// The entry in this row, if it is what was written there; the entries around it are not looked at.
pub fn read_entry(row: &Row<'_>) -> Result<(Stored, ContentHash), StoreTrouble> {
    let seq = row.get(0).map_err(|_| broken(0, "has no number"))?;
    let (stored, previous, hash) = columns(seq, row)?;
    has_its_hash(stored, previous, hash)
}

fn has_its_hash(
    stored: Stored,
    previous: ContentHash,
    hash: ContentHash,
) -> Result<(Stored, ContentHash), StoreTrouble> {
    match stored.hash(previous) == hash {
        true => Ok((stored, hash)),
        false => Err(broken(stored.seq, "was edited: its hash is not that of its content")),
    }
}

/// An entry as it stands there, the hash of the one before it as it says it, and its own.
fn columns(expected: u64, row: &Row<'_>) -> Result<(Stored, ContentHash, ContentHash), StoreTrouble> {
    let unreadable = |_| broken(expected, "a column holds what was never written there");
    let read = || {
        Ok(Stored {
            seq: row.get(0)?,
            version: row.get(1)?,
            at_micros: row.get(2)?,
            exchange: row.get(3)?,
            kind: row.get(4)?,
            body: row.get(5)?,
        })
    };
    let stored = read().map_err(unreadable)?;
    let previous = ContentHash::new(row.get(6).map_err(unreadable)?);
    let hash = ContentHash::new(row.get(7).map_err(unreadable)?);
    Ok((stored, previous, hash))
}

fn broken(seq: u64, what: impl Into<String>) -> StoreTrouble {
    StoreTrouble::Broken { seq, what: what.into() }
}
