//! What one reply adds to the history and to the index of last statements. Rows go in sixteen at a time, leaves of which
//! nothing changes stay as they are. Start with [`Written`].

use rusqlite::{CachedStatement, Connection, params};

use super::columns::{agreement_at, change_column};
use super::leaf::{LEAF_BYTES_MAX, Last, Leaf, Print};
use crate::domain::agreement::other_json;
use crate::domain::change::Change;
use crate::store::{Packed, Packing};

/// A reply's rows have numbers from its entry's times this.
pub const ROWS_MAX: i64 = 1 << 32;

/// So many rows go in at once: with each call of SQLite costs as much as half a row.
const ROWS_AT_ONCE: usize = 16;

/// So much of a leaf is held back before it is cut and written.
const HELD_BYTES_MAX: usize = 4 * LEAF_BYTES_MAX;

/// The statement that [`Written::end`] copies.
pub const STATEMENT: &str = "
    SELECT agreement, payer, valid_from, valid_to, amount_oere, other FROM statement WHERE number = ?1";

/// The rows of one reply, being written.
pub struct Written<'c> {
    conn: &'c Connection,
    many: CachedStatement<'c>,
    one: CachedStatement<'c>,
    /// Rows that wait, and what they say.
    waiting: Vec<Waiting>,
    packed: Packing,
    /// Of the next row.
    number: i64,
    leaf: Leaf,
    route: (String, String),
    /// The key under which the leaf lies. None: it does not yet, or no longer.
    lies_at: Option<String>,
    is_changed: bool,
}

struct Waiting {
    number: i64,
    former: Option<i64>,
    change: Change,
    at: usize,
}

impl<'c> Written<'c> {
    /// Nothing yet, of the journal's entry `seq`.
    pub fn behind(conn: &'c Connection, seq: u64) -> rusqlite::Result<Written<'c>> {
        let insert = |rows: usize| {
            let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?)"; rows].join(", ");
            conn.prepare_cached(&format!(
                "INSERT INTO statement (number, former, agreement, change, payer, valid_from, valid_to, amount_oere, other)
                 VALUES {values}"
            ))
        };
        Ok(Written {
            conn,
            many: insert(ROWS_AT_ONCE)?,
            one: insert(1)?,
            waiting: Vec::with_capacity(ROWS_AT_ONCE),
            packed: Packing::default(),
            number: i64::try_from(seq).unwrap_or(i64::MAX).saturating_mul(ROWS_MAX),
            leaf: Leaf::default(),
            route: Default::default(),
            lies_at: None,
            is_changed: false,
        })
    }

    /// What the next row will be numbered.
    pub fn number(&self) -> i64 {
        self.number
    }

    /// What comes now belongs into the leaf that lies at `first`, or into a new one.
    pub fn begin_leaf(&mut self, (exchange, municipality): (&str, &str), first: Option<&str>) {
        self.route = (exchange.to_owned(), municipality.to_owned());
        self.lies_at = first.map(str::to_owned);
        self.leaf.clear();
        self.is_changed = false;
    }

    /// What comes now is of this route, and lies in no leaf yet.
    pub fn of_route(&mut self, (exchange, municipality): (&str, &str)) {
        if (self.route.0.as_str(), self.route.1.as_str()) != (exchange, municipality) {
            self.begin_leaf((exchange, municipality), None);
        }
    }

    /// The leaf is over.
    pub fn end_leaf(&mut self) -> rusqlite::Result<()> {
        if self.is_changed { self.write_leaf() } else { Ok(()) }
    }

    /// An agreement of which nothing changes.
    pub fn keep(&mut self, last: &Last<'_>) {
        self.leaf.push(last);
    }

    /// An agreement that is in the leaf no longer.
    pub fn forget(&mut self) {
        self.is_changed = true;
    }

    /// What the reply states of an agreement.
    pub fn state(
        &mut self,
        change: Change,
        former: Option<i64>,
        stated: &Packed<'_>,
        print: Print,
    ) -> rusqlite::Result<()> {
        let number = self.next_number();
        self.index(&Last { key: stated.key_bytes(), number, is_ended: false, amount: stated.amount(), print })?;
        let at = self.packed.push_packed(stated);
        self.wait(Waiting { number, former, change, at })
    }

    /// An agreement that the reply leaves out: it says what it said before.
    pub fn end(&mut self, last: &Last<'_>) -> rusqlite::Result<()> {
        let number = self.next_number();
        let agreement = self.conn.prepare_cached(STATEMENT)?.query_row([last.number], |row| agreement_at(row, 0))?;
        self.index(&Last { number, is_ended: true, ..*last })?;
        let at = self.packed.push(0, &agreement.stated(&other_json(&agreement.other)));
        self.wait(Waiting { number, former: Some(last.number), change: Change::Ended, at })
    }

    /// Writes the rows that wait.
    pub fn finish(&mut self) -> rusqlite::Result<()> {
        let Written { one, many, waiting, packed, .. } = self;
        let statement = if waiting.len() == ROWS_AT_ONCE { many } else { one };
        for rows in waiting.chunks(if waiting.len() == ROWS_AT_ONCE { ROWS_AT_ONCE } else { 1 }) {
            for (number, row) in rows.iter().enumerate() {
                bind(statement, number * 9, row, &packed.at(row.at))?;
            }
            statement.raw_execute()?;
        }
        waiting.clear();
        packed.clear();
        Ok(())
    }

    fn next_number(&mut self) -> i64 {
        self.number += 1;
        self.number - 1
    }

    fn wait(&mut self, row: Waiting) -> rusqlite::Result<()> {
        self.waiting.push(row);
        if self.waiting.len() == ROWS_AT_ONCE { self.finish() } else { Ok(()) }
    }

    /// Puts a last statement behind those that are in the leaf.
    pub fn index(&mut self, last: &Last<'_>) -> rusqlite::Result<()> {
        self.is_changed = true;
        self.leaf.push(last);
        if self.leaf.len() >= HELD_BYTES_MAX { self.write_leaf() } else { Ok(()) }
    }

    fn write_leaf(&mut self) -> rusqlite::Result<()> {
        let (exchange, municipality) = &self.route;
        if let Some(first) = self.lies_at.take() {
            self.conn
                .prepare_cached("DELETE FROM latest WHERE exchange = ?1 AND municipality = ?2 AND first = ?3")?
                .execute(params![exchange, municipality, first])?;
        }
        if self.leaf.is_empty() {
            return Ok(());
        }
        let mut insert = self
            .conn
            .prepare_cached("INSERT INTO latest (exchange, municipality, first, leaf) VALUES (?1, ?2, ?3, ?4)")?;
        for (first, piece) in self.leaf.pieces() {
            let first = std::str::from_utf8(first).map_err(|e| rusqlite::Error::Utf8Error(2, e))?;
            insert.execute(params![exchange, municipality, first, piece])?;
        }
        self.leaf.clear();
        Ok(())
    }
}

fn bind(statement: &mut CachedStatement<'_>, behind: usize, row: &Waiting, says: &Packed<'_>) -> rusqlite::Result<()> {
    let payer = says.payer().map(|payer| payer.digit_bytes());
    let payer = payer.as_ref().and_then(|digits| std::str::from_utf8(digits).ok());
    statement.raw_bind_parameter(behind + 1, row.number)?;
    statement.raw_bind_parameter(behind + 2, row.former)?;
    statement.raw_bind_parameter(behind + 3, says.key())?;
    statement.raw_bind_parameter(behind + 4, change_column(row.change))?;
    statement.raw_bind_parameter(behind + 5, payer)?;
    statement.raw_bind_parameter(behind + 6, says.valid_from())?;
    statement.raw_bind_parameter(behind + 7, says.valid_to())?;
    statement.raw_bind_parameter(behind + 8, says.amount().map(|amount| amount.0))?;
    statement.raw_bind_parameter(behind + 9, says.other())
}
