//! The register's rows held against the journal: each reply's rows are as many as its entry says, their amounts add up
//! to its totals, and every one follows from the one before it. What the journal does not count (a payer, a day of a
//! new agreement) only a replay of the replies can find.

use std::collections::BTreeSet;

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row};

use super::columns::date_column;
use super::database::Database;
use super::verify::AppliedEntry;
use super::written::ROWS_MAX;
use crate::domain::change::ChangeSummary;
use crate::domain::exchange::Fact;
use crate::domain::identity::Route;
use crate::store::audit::{Flaw, Part};

/// The rows of reply ?1, each beside the one that it says was before it: its own number and key, whether the one before
/// is one of the same agreement, its change and the other's, then the five columns of what each says.
const ROWS: &str = "
    SELECT s.number, s.agreement, s.former, b.agreement = s.agreement AND b.number < s.number
             AND (p.exchange, p.municipality) = (SELECT a.exchange, a.municipality FROM applied a WHERE a.seq = ?1),
           s.change, b.change,
           s.payer, s.valid_from, s.valid_to, s.amount_oere, s.other,
           b.payer, b.valid_from, b.valid_to, b.amount_oere, b.other
    FROM statement s
    LEFT JOIN statement b ON b.number = s.former
    LEFT JOIN applied p ON p.seq = b.number >> 32
    WHERE s.number >= ?1 << 32 AND s.number < (?1 + 1) << 32
    ORDER BY s.number";

/// Where what a row says begins, its own and its former one's.
const SAYS: std::ops::Range<usize> = 6..11;
const SAID_BEFORE: usize = 11;
const AMOUNT: usize = 9;
const AMOUNT_BEFORE: usize = 14;

/// What a reply's rows add up to.
#[derive(Default)]
struct Sum {
    new: u64,
    changed: u64,
    ended: u64,
    resumed: u64,
    /// Of the monthly total, in øre.
    growth: i128,
    /// Rows that do not stand in their place: behind the one before them, in the order of their agreements.
    misplaced: u64,
    /// Rows that cannot follow the one before them.
    impossible: u64,
    /// The last row's key.
    key: Option<Vec<u8>>,
}

impl Database {
    /// Holds the register's rows of one applied reply against its entry. `route` None: no entry before it says whose.
    pub(super) fn verify_applied(
        &self,
        entry: &AppliedEntry,
        route: Option<&Route>,
        flaw: &mut dyn FnMut(Flaw),
    ) -> rusqlite::Result<()> {
        let Fact::Applied { summary, as_of, .. } = &entry.fact else { return Ok(()) };
        let mut say = |what: String| flaw(Flaw::of_entry(Part::Register, entry.seq, what));
        let Some(route) = route else {
            say("applied a reply, and no entry before it says whose".into());
            return Ok(());
        };
        let (exchange, municipality) = (route.exchange.as_str(), route.municipality.to_string());
        let place = [
            ValueRef::Text(exchange.as_bytes()),
            ValueRef::Text(municipality.as_bytes()),
            ValueRef::Integer(entry.at.as_micros()),
        ];
        let as_of = ValueRef::Integer(date_column(*as_of));
        let mark = self
            .conn
            .prepare_cached("SELECT exchange, municipality, known_at, as_of FROM applied WHERE seq = ?1")?
            .query_row([entry.seq], |row| Ok(is_at(row, &place)? && row.get_ref(3)? == as_of))
            .optional()?;
        match mark {
            Some(true) => {}
            Some(false) => say(format!("the register's mark of this reply ({route}) was edited")),
            None => say(format!("the register's mark of this reply ({route}) was removed")),
        }
        let mut sum = Sum::default();
        let mut select = self.conn.prepare_cached(ROWS)?;
        let mut rows = select.query([entry.seq])?;
        let mut number = i64::try_from(entry.seq).unwrap_or(i64::MAX).saturating_mul(ROWS_MAX);
        while let Some(row) = rows.next()? {
            sum.add(row, number)?;
            number += 1;
        }
        sum.hold_against(summary, |what| say(format!("of the rows of this reply ({route}) {what}")));
        Ok(())
    }

    /// Rows that belong to no reply of the journal, and the index of last statements.
    pub(super) fn verify_leftovers(&self, applied: &BTreeSet<i64>, flaw: &mut dyn FnMut(Flaw)) -> rusqlite::Result<()> {
        for (table, rows) in [
            ("mark", "SELECT seq, 1 FROM applied"),
            ("row", "SELECT number >> 32, count(*) FROM statement GROUP BY number >> 32 ORDER BY number"),
        ] {
            let mut select = self.conn.prepare(rows)?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let (seq, number): (i64, u64) = (row.get(0)?, row.get(1)?);
                if !applied.contains(&seq) {
                    let what = format!("the register holds {number} {table}(s) of it, and it applied no reply");
                    flaw(Flaw::of_entry(Part::Register, seq, what));
                }
            }
        }
        let found = self.check_index()?;
        for (seq, rows) in found.bent {
            flaw(Flaw::of_entry(
                Part::Register,
                seq,
                format!("{rows} of its rows do not say which one was before them"),
            ));
        }
        if found.differences > 0 {
            flaw(Flaw::of(Part::Register, "the index of last statements is not what the history says"));
        }
        Ok(())
    }
}

impl Sum {
    fn add(&mut self, row: &Row<'_>, number: i64) -> rusqlite::Result<()> {
        let key = match row.get_ref(1)? {
            ValueRef::Text(key) => Some(key.to_vec()),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => None,
        };
        let is_in_place = row.get_ref(0)? == ValueRef::Integer(number) && key.is_some() && key > self.key;
        self.misplaced += u64::from(!is_in_place);
        self.key = key;
        let (change, former) = (row.get_ref(4)?, row.get_ref(5)?);
        let is = |change: ValueRef<'_>, name: &str| change == ValueRef::Text(name.as_bytes());
        let (is_first, follows) = (row.get_ref(2)? == ValueRef::Null, row.get_ref(3)? == ValueRef::Integer(1));
        let mut says_the_same = true;
        for column in SAYS {
            says_the_same &= row.get_ref(column)? == row.get_ref(column - SAYS.start + SAID_BEFORE)?;
        }
        let (after, before) = (amount(row.get_ref(AMOUNT)?), amount(row.get_ref(AMOUNT_BEFORE)?));
        let (number, growth, is_possible) = match () {
            () if is(change, "new") => (&mut self.new, after, is_first),
            () if is(change, "changed") => {
                (&mut self.changed, after - before, follows && !is(former, "ended") && !says_the_same)
            }
            () if is(change, "resumed") => (&mut self.resumed, after, follows && is(former, "ended")),
            () => {
                let is_possible = follows && !is(former, "ended") && says_the_same;
                (&mut self.ended, -before, is(change, "ended") && is_possible)
            }
        };
        *number += 1;
        self.growth += growth;
        self.impossible += u64::from(!is_possible);
        Ok(())
    }

    fn hold_against(&self, summary: &ChangeSummary, mut say: impl FnMut(String)) {
        for (name, found, counted) in [
            ("new", self.new, summary.new),
            ("changed", self.changed, summary.changed),
            ("ended", self.ended, summary.ended),
            ("resumed", self.resumed, summary.resumed),
        ] {
            if found != counted {
                say(format!("{found} are of agreements that are {name}, the journal counted {counted}"));
            }
        }
        let growth = i128::from(summary.after_total.0) - i128::from(summary.before_total.0);
        if self.growth != growth {
            say("the amounts do not add up to the totals of the journal".into());
        }
        let standing =
            i128::from(summary.before_count) + i128::from(self.new) + i128::from(self.resumed) - i128::from(self.ended);
        if standing != i128::from(summary.after_count) {
            say(format!("{standing} agreements would stand after it, the journal counted {}", summary.after_count));
        }
        if self.misplaced > 0 {
            say(format!("{} are not where they were written", self.misplaced));
        }
        if self.impossible > 0 {
            say(format!("{} cannot follow from what was known before", self.impossible));
        }
    }
}

fn is_at(row: &Row<'_>, place: &[ValueRef<'_>; 3]) -> rusqlite::Result<bool> {
    for (index, expected) in place.iter().enumerate() {
        if row.get_ref(index)? != *expected {
            return Ok(false);
        }
    }
    Ok(true)
}

/// No amount counts as none, as it does where a reply is compared.
fn amount(column: ValueRef<'_>) -> i128 {
    match column {
        ValueRef::Integer(oere) => i128::from(oere),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => 0,
    }
}
