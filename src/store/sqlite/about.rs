//! What the journal says about one payment date, read by its indexes: the stories of the queries for that day, and
//! everything that was written since the first of them. How long the journal is before that makes no difference. Start
//! with [`Database::about`].

use jiff::civil::Date;
use rusqlite::params;

use super::database::Database;
use super::journal::read_entry;
use crate::store::{Entry, StoreTrouble};

/// The number of the first entry that takes a query for this day, NULL where there is none. (A plus sign keeps SQLite
/// from going along the journal in the order of its numbers.)
pub const FIRST: &str = "SELECT min(+seq) FROM journal
    WHERE kind = 'accepted' AND CASE WHEN json_valid(body) THEN json_extract(body, '$.payment_date') END = ?1";

/// What was written before entry ?1 about the stories that have entries from there on.
pub const BEFORE: &str = "SELECT seq, version, at, exchange, kind, body, previous, hash FROM journal
    WHERE exchange IN (SELECT exchange FROM journal WHERE seq >= ?1) AND +seq < ?1 ORDER BY seq";

impl Database {
    /// Hands over every entry that the queries for this day can depend on, in order, and says how many there were. Of each
    /// story that has an entry since the first of those queries, all entries. The chain is checked from there on, and
    /// before it each entry against its own hash.
    pub fn about(&self, payment_date: Date, each: &mut dyn FnMut(Entry)) -> Result<u64, StoreTrouble> {
        let attempt = self.unusable("read");
        let _snapshot = self.snapshot()?;
        let day = payment_date.to_string();
        let first: Option<u64> = self.conn.query_row(FIRST, [day], |row| row.get(0)).map_err(&attempt)?;
        let Some(first) = first else { return Ok(0) };
        let mut handed_over = 0;
        let mut select = self.conn.prepare_cached(BEFORE).map_err(&attempt)?;
        let mut rows = select.query(params![first]).map_err(&attempt)?;
        while let Some(row) = rows.next().map_err(&attempt)? {
            let (stored, hash) = read_entry(row)?;
            each(stored.into_entry(hash));
            handed_over += 1;
        }
        drop(rows);
        self.walk(first - 1, &mut |stored, hash| {
            each(stored.into_entry(hash));
            handed_over += 1;
        })?;
        Ok(handed_over)
    }
}
