//! A checkpoint: what retention removes goes out of journal and register in one transaction with the entry that says so,
//! and with what is left behind. Files are unlinked afterwards, from a list that the same transaction has written.

use std::collections::BTreeSet;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, params};

use super::columns::{change_at, unreadable};
use super::database::Database;
use super::leaf::{Last, lasts};
use super::written::{ROWS_MAX, Written};
use crate::domain::change::Change;
use crate::domain::identity::{ContentHash, Route};
use crate::domain::moment::Moment;
use crate::domain::retention::HashKey;
use crate::store::removal::{
    EntryLeft, LeftBehind, Remains, Removal, Removed, StoryToGo, altered, digest_of, next_link,
};
use crate::store::{Body, Entry, Head, HouseFact, StoreTrouble};

const ATTEMPTED: &str = "remove from";

/// Agreements that one checkpoint removes, so that it is over soon.
const AGREEMENTS_AT_ONCE: usize = 2_000;

/// A reply's mark, and its rows in order: what its digest is made of.
const MARK: &str = "SELECT exchange, municipality, known_at, as_of FROM applied WHERE seq = ?1";
const ROWS: &str = "
    SELECT number, former, agreement, change, payer, valid_from, valid_to, amount_oere, other
    FROM statement WHERE number >= ?1 << 32 AND number < (?1 + 1) << 32 ORDER BY number";

/// An agreement that has ended, with all that was ever said of it.
struct Over {
    key: Vec<u8>,
    /// Its statements.
    numbers: Vec<i64>,
}

impl Database {
    /// See [`crate::store::Store::checkpoint`].
    pub fn checkpoint(
        &self,
        expected: Head,
        at: Moment,
        removal: &Removal,
    ) -> Result<(Entry, LeftBehind), StoreTrouble> {
        let attempt = self.unusable(ATTEMPTED);
        // What is removed is not to be read in the file's free pages either.
        self.conn.pragma_update(None, "secure_delete", true).map_err(&attempt)?;
        let triggers = |on: bool| self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, on);
        let transaction = self.write_behind(expected)?;
        triggers(false).map_err(&attempt)?;
        let removed = self.remove(expected, at, removal);
        triggers(true).map_err(&attempt)?;
        let done = removed.and_then(|done| transaction.commit().map(|()| done).map_err(&attempt));
        self.conn.pragma_update(None, "secure_delete", false).map_err(&attempt)?;
        done
    }

    fn remove(&self, expected: Head, at: Moment, removal: &Removal) -> Result<(Entry, LeftBehind), StoreTrouble> {
        let attempt = self.unusable(ATTEMPTED);
        let known = self.key().map_err(&attempt)?;
        if known.is_some_and(|known| known != removal.key) {
            return Err(self.refused(ATTEMPTED, "its key is another one"));
        }
        if known.is_none() {
            let insert = "INSERT INTO secret (key) VALUES (?1)";
            self.conn.execute(insert, [removal.key.bytes()]).map_err(&attempt)?;
        }
        let mut removed = Removed::default();
        let mut remains = Vec::new();
        // Replies whose rows are all that is left of them, or fewer than they were.
        let mut replies = BTreeSet::new();
        for story in &removal.stories {
            remains.push(self.remove_story(story, &mut removed)?);
            replies.extend(story.applied);
        }
        let mut images: BTreeSet<u64> = self.images()?;
        images.extend(&replies);
        for (route, before) in &removal.ended {
            let left = AGREEMENTS_AT_ONCE.saturating_sub(removed.agreements as usize);
            let over = self.over(route, *before, &images, left).map_err(&attempt)?;
            if over.is_empty() {
                continue;
            }
            let rows: usize = over.iter().map(|over| over.numbers.len()).sum();
            self.forget(route, &over).map_err(&attempt)?;
            replies.extend(over.iter().flat_map(|over| &over.numbers).map(|number| (number / ROWS_MAX) as u64));
            let (agreements, rows) = (over.len() as u64, rows as u64);
            (removed.agreements, removed.rows) = (removed.agreements + agreements, removed.rows + rows);
            remains.push(Remains::Register { route: route.clone(), before: *before, agreements, rows });
        }
        for seq in replies {
            let (rows, digest) = self.digest_of_reply(seq, &removal.key).map_err(&attempt)?;
            remains.push(Remains::Reply { seq, rows, digest });
        }
        let (number, link) = self.leave(expected.seq + 1, &remains)?;
        let fact = HouseFact::Checkpoint { removed, remains: number, digest: link };
        let entry = self.write_entry(expected, at, &Body::House(fact))?;
        let remains = remains.into_iter().map(|remains| (at, remains)).collect();
        Ok((entry, LeftBehind { key: Some(removal.key), remains }))
    }

    fn remove_story(&self, story: &StoryToGo, removed: &mut Removed) -> Result<Remains, StoreTrouble> {
        let attempt = self.unusable(ATTEMPTED);
        for (file, _) in &story.files {
            self.conn.execute("INSERT OR IGNORE INTO to_unlink (file) VALUES (?1)", [file]).map_err(&attempt)?;
        }
        let mut entries = Vec::new();
        for (seq, says) in &story.entries {
            if says.is_some() || story.remnant.is_some() {
                entries.push(self.remove_entry(*seq, says.as_ref())?);
            }
        }
        let files: Vec<_> = story.files.iter().filter_map(|(_, left)| left.clone()).collect();
        removed.erased += u64::from(!files.is_empty());
        removed.files += files.len() as u64;
        removed.bytes += files.iter().filter_map(|file| file.size).sum::<u64>();
        Ok(match &story.remnant {
            None => Remains::Files { id: story.id, files, entries },
            Some(remnant) => {
                removed.stories += 1;
                removed.entries += entries.len() as u64;
                Remains::Story { remnant: Box::new(remnant.clone()), files, entries }
            }
        })
    }

    fn remove_entry(&self, seq: u64, says: Option<&Body>) -> Result<EntryLeft, StoreTrouble> {
        let attempt = self.unusable(ATTEMPTED);
        let read = "SELECT seq, version, at, exchange, kind, body, hash FROM journal WHERE seq = ?1
                    UNION ALL SELECT seq, version, at, exchange, kind, body, hash FROM removed WHERE seq = ?1";
        let found = self
            .conn
            .prepare_cached(read)
            .and_then(|mut select| {
                let found =
                    |row: &rusqlite::Row<'_>| Ok((super::journal::stored_at(row)?, ContentHash::new(row.get(6)?)));
                select.query_row([seq], found).optional()
            })
            .map_err(&attempt)?;
        let Some((stored, hash)) = found else {
            return Err(self.refused(ATTEMPTED, format!("entry {seq} is not there")));
        };
        let says = match (stored, says) {
            (Some(stored), Some(body)) => {
                Some(altered(&stored, body).map_err(|reason| self.refused(ATTEMPTED, reason))?)
            }
            _ => None,
        };
        let (column, digest) = (says.as_ref(), says.as_ref().map(digest_of));
        self.conn
            .prepare_cached("DELETE FROM journal WHERE seq = ?1")
            .and_then(|mut delete| delete.execute([seq]))
            .and_then(|_| {
                self.conn
                    .prepare_cached(
                        "INSERT OR REPLACE INTO removed (seq, hash, version, at, exchange, kind, body)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    )?
                    .execute(params![
                        seq,
                        hash.as_bytes(),
                        column.map(|says| says.version),
                        column.map(|says| says.at_micros),
                        column.and_then(|says| says.exchange.clone()),
                        column.map(|says| &says.kind),
                        column.map(|says| &says.body),
                    ])
            })
            .map_err(&attempt)?;
        Ok(EntryLeft { seq, hash, says: digest })
    }

    /// Writes what is left behind the list. Gives how long it is then, and its last link.
    fn leave(&self, seq: u64, remains: &[Remains]) -> Result<(u64, ContentHash), StoreTrouble> {
        let attempt = self.unusable(ATTEMPTED);
        let last = "SELECT number, link FROM remains ORDER BY number DESC LIMIT 1";
        let last = self
            .conn
            .query_row(last, [], |row| Ok((row.get::<_, u64>(0)?, ContentHash::new(row.get(1)?))))
            .optional()
            .map_err(&attempt)?;
        let (mut number, mut link) = last.unwrap_or((0, ContentHash::new([0; 32])));
        for left in remains {
            let text = serde_json::to_string(left).map_err(|e| self.refused(ATTEMPTED, e))?;
            link = next_link(link, &text);
            number += 1;
            self.conn
                .prepare_cached("INSERT INTO remains (number, seq, body, link) VALUES (?1, ?2, ?3, ?4)")
                .and_then(|mut insert| insert.execute(params![number, seq, text, link.as_bytes()]))
                .map_err(&attempt)?;
        }
        Ok((number, link))
    }

    /// See [`crate::store::Reading::left`].
    pub fn left(&self) -> Result<LeftBehind, StoreTrouble> {
        let attempt = self.unusable("read");
        let _snapshot = self.snapshot()?;
        let read = || -> rusqlite::Result<LeftBehind> {
            let key = self.key()?;
            let mut select = self.conn.prepare_cached(
                "SELECT r.body, j.at FROM remains r JOIN journal j ON j.seq = r.seq ORDER BY r.number",
            )?;
            let mut rows = select.query([])?;
            let mut remains = Vec::new();
            while let Some(row) = rows.next()? {
                let left = serde_json::from_str(row.get_ref(0)?.as_str()?).map_err(|_| unreadable(0))?;
                remains.push((Moment::from_micros(row.get(1)?), left));
            }
            Ok(LeftBehind { key, remains })
        };
        read().map_err(attempt)
    }

    pub fn key(&self) -> rusqlite::Result<Option<HashKey>> {
        let key = self.conn.query_row("SELECT key FROM secret", [], |row| row.get(0)).optional()?;
        Ok(key.map(HashKey::new))
    }

    /// The replies whose rows are all that is left of them.
    fn images(&self) -> Result<BTreeSet<u64>, StoreTrouble> {
        let left = self.left()?.remains.into_iter();
        Ok(left.filter_map(|(_, left)| if let Remains::Reply { seq, .. } = left { Some(seq) } else { None }).collect())
    }

    /// How many rows of the register a reply has, and the keyed digest of its mark and rows.
    pub fn digest_of_reply(&self, seq: u64, key: &HashKey) -> rusqlite::Result<(u64, ContentHash)> {
        let mut digest = key.digest();
        let mut number = 0;
        for (sql, columns, is_row) in [(MARK, 4, false), (ROWS, 9, true)] {
            let mut select = self.conn.prepare_cached(sql)?;
            let mut rows = select.query([seq])?;
            while let Some(row) = rows.next()? {
                number += u64::from(is_row);
                for column in 0..columns {
                    let value = row.get_ref(column)?;
                    let number = match value {
                        ValueRef::Integer(value) => value.to_be_bytes(),
                        ValueRef::Real(value) => value.to_be_bytes(),
                        ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => [0; 8],
                    };
                    let (kind, bytes): (u8, &[u8]) = match value {
                        ValueRef::Null => (0, &[]),
                        ValueRef::Integer(_) => (1, &number),
                        ValueRef::Real(_) => (2, &number),
                        ValueRef::Text(bytes) => (3, bytes),
                        ValueRef::Blob(bytes) => (4, bytes),
                    };
                    digest.update(&[kind]);
                    digest.update(&(bytes.len() as u64).to_be_bytes());
                    digest.update(bytes);
                }
            }
        }
        Ok((number, digest.finish()))
    }

    /// See [`crate::store::Reading::ended_before`].
    pub fn ended_before(&self, route: &Route, before: Moment) -> Result<u64, StoreTrouble> {
        let _snapshot = self.snapshot()?;
        let images = self.images()?;
        let over = self.over(route, before, &images, usize::MAX).map_err(self.unusable("read the register of"))?;
        Ok(over.len() as u64)
    }

    /// The agreements of a route that had ended before that moment, as far as `images` are all replies that speak of them.
    fn over(
        &self,
        route: &Route,
        before: Moment,
        images: &BTreeSet<u64>,
        at_most: usize,
    ) -> rusqlite::Result<Vec<Over>> {
        let mut over = Vec::new();
        let mut known_at = self.conn.prepare_cached("SELECT known_at FROM applied WHERE seq = ?1")?;
        let mut select = self.conn.prepare_cached(super::register::LEAVES)?;
        let mut leaves = select.query(params![route.exchange.as_str(), route.municipality.to_string()])?;
        while let Some(leaf) = leaves.next()? {
            for last in lasts(leaf.get_ref(0)?.as_blob()?) {
                let Last { key, number, is_ended, .. } = last.ok_or_else(|| unreadable(0))?;
                if over.len() >= at_most {
                    return Ok(over);
                }
                let is_old = is_ended
                    && known_at.query_row([number / ROWS_MAX], |row| row.get::<_, i64>(0))? < before.as_micros();
                if is_old && let Some(numbers) = self.all_said(number, images)? {
                    over.push(Over { key: key.to_vec(), numbers });
                }
            }
        }
        Ok(over)
    }

    /// The numbers of an agreement's statements, the last one first. None: it has not ended, or one of them is of a reply
    /// that can be read again.
    fn all_said(&self, last: i64, images: &BTreeSet<u64>) -> rusqlite::Result<Option<Vec<i64>>> {
        let mut select = self.conn.prepare_cached("SELECT change, former FROM statement WHERE number = ?1")?;
        let mut numbers = Vec::new();
        let mut next = Some(last);
        while let Some(number) = next {
            let (change, former): (_, Option<i64>) =
                select.query_row([number], |row| Ok((change_at(row, 0)?, row.get(1)?)))?;
            let is_image = u64::try_from(number / ROWS_MAX).is_ok_and(|seq| images.contains(&seq));
            if !is_image || (number == last && change != Change::Ended) {
                return Ok(None);
            }
            numbers.push(number);
            // A chain that somebody has bent does not lead round.
            next = former.filter(|former| *former < number);
        }
        Ok(Some(numbers))
    }

    /// Takes these out of history and index. `over` is in the order of the index.
    fn forget(&self, route: &Route, over: &[Over]) -> rusqlite::Result<()> {
        let mut delete = self.conn.prepare_cached("DELETE FROM statement WHERE number = ?1")?;
        for number in over.iter().flat_map(|over| &over.numbers) {
            delete.execute([number])?;
        }
        let (exchange, municipality) = (route.exchange.as_str(), route.municipality.to_string());
        let place = (exchange, municipality.as_str());
        let keys: BTreeSet<&[u8]> = over.iter().map(|over| over.key.as_slice()).collect();
        let mut written = Written::behind(&self.conn, 0)?;
        let mut leaf = self.leaf(place, None)?;
        while let Some((first, bytes)) = leaf {
            // Looked for before it is written anew, under another first key.
            let next = self.leaf(place, Some(&first))?;
            written.begin_leaf(place, Some(&first));
            for last in lasts(&bytes) {
                let last = last.ok_or_else(|| unreadable(0))?;
                if keys.contains(last.key) { written.forget() } else { written.keep(&last) }
            }
            written.end_leaf()?;
            leaf = next;
        }
        Ok(())
    }

    pub fn to_unlink(&self, at_most: usize) -> Result<Vec<String>, StoreTrouble> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut select = self.conn.prepare_cached("SELECT file FROM to_unlink ORDER BY file DESC LIMIT ?1")?;
            select.query_map([i64::try_from(at_most).unwrap_or(i64::MAX)], |row| row.get(0))?.collect()
        };
        read().map_err(self.unusable("read"))
    }

    pub fn unlinked(&self, files: &[String]) -> Result<(), StoreTrouble> {
        let attempt = self.unusable("write to");
        let transaction = self.write()?;
        for file in files {
            self.conn
                .prepare_cached("DELETE FROM to_unlink WHERE file = ?1")
                .and_then(|mut delete| delete.execute([file]))
                .map_err(&attempt)?;
        }
        transaction.commit().map_err(&attempt)?;
        // What was removed stands in the log until it is written anew; where somebody reads just now, it does so later.
        let _ = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        Ok(())
    }
}
