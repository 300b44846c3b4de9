//! The register's rows held against the journal: each reply's rows are as many as its entry says, their amounts add up
//! to its totals, and every one follows from the one before it. What the journal does not count (a payer, a day of a
//! new agreement) only a replay of the replies can find.

use std::collections::BTreeSet;

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row};

use super::columns::date_column;
use super::database::Database;
use super::verify::AppliedEntry;
use crate::domain::change::ChangeSummary;
use crate::domain::exchange::Fact;
use crate::domain::identity::Route;
use crate::store::audit::{Flaw, Part};

/// The rows of reply ?1, each beside the one that it replaced: seven columns of its place, then six of what it says,
/// then change and the six of the former one.
const ROWS: &str = "
    SELECT s.exchange, s.municipality, s.known_at, s.change, s.asserts_from, b.seq, b.change,
           s.payer, s.valid_from, s.valid_to, s.amount_oere, s.other,
           b.payer, b.valid_from, b.valid_to, b.amount_oere, b.other
    FROM statement s
    LEFT JOIN statement b
      ON b.exchange = s.exchange AND b.municipality = s.municipality AND b.agreement = s.agreement
     AND b.seq = (
        SELECT max(p.seq) FROM statement p
        WHERE p.exchange = s.exchange AND p.municipality = s.municipality AND p.agreement = s.agreement
          AND p.seq < s.seq)
    WHERE s.seq = ?1";

/// Where what a row says begins, its own and its former one's.
const SAYS: std::ops::Range<usize> = 7..12;
const SAID_BEFORE: usize = 12;
const VALID_FROM: usize = 8;
const AMOUNT: usize = 10;
const AMOUNT_BEFORE: usize = 15;

/// What a reply's rows add up to.
#[derive(Default)]
struct Sum {
    new: u64,
    changed: u64,
    ended: u64,
    resumed: u64,
    /// Of the monthly total, in øre.
    growth: i128,
    /// Rows with another route or moment than the reply's.
    misplaced: u64,
    /// Rows that cannot follow the one before them, or say more than a row of their kind can.
    impossible: u64,
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
        while let Some(row) = rows.next()? {
            sum.add(row, &place, as_of)?;
        }
        sum.hold_against(summary, |what| say(format!("of the rows of this reply ({route}) {what}")));
        Ok(())
    }

    /// Rows that belong to no reply of the journal, and the index of last statements.
    pub(super) fn verify_leftovers(&self, applied: &BTreeSet<i64>, flaw: &mut dyn FnMut(Flaw)) -> rusqlite::Result<()> {
        for (table, rows) in
            [("mark", "SELECT seq, 1 FROM applied"), ("row", "SELECT seq, count(*) FROM statement GROUP BY seq")]
        {
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
        if self.index_differences()? > 0 {
            flaw(Flaw::of(Part::Register, "the index of last statements is not what the history says"));
        }
        Ok(())
    }
}

impl Sum {
    fn add(&mut self, row: &Row<'_>, place: &[ValueRef<'_>; 3], as_of: ValueRef<'_>) -> rusqlite::Result<()> {
        self.misplaced += u64::from(!is_at(row, place)?);
        let change = row.get_ref(3)?;
        let is = |change: ValueRef<'_>, name: &str| change == ValueRef::Text(name.as_bytes());
        let (has_former, former) = (row.get_ref(5)? != ValueRef::Null, row.get_ref(6)?);
        let mut says_the_same = true;
        for column in SAYS {
            says_the_same &= row.get_ref(column)? == row.get_ref(column - SAYS.start + SAID_BEFORE)?;
        }
        let (after, before) = (amount(row.get_ref(AMOUNT)?), amount(row.get_ref(AMOUNT_BEFORE)?));
        let asserts_what_it_says = row.get_ref(4)? == row.get_ref(VALID_FROM)?;
        let (number, growth, is_possible) = match () {
            () if is(change, "new") => (&mut self.new, after, !has_former && asserts_what_it_says),
            () if is(change, "changed") => {
                let is_possible = has_former && !is(former, "ended") && !says_the_same && asserts_what_it_says;
                (&mut self.changed, after - before, is_possible)
            }
            () if is(change, "resumed") => (&mut self.resumed, after, is(former, "ended") && asserts_what_it_says),
            () => {
                let is_possible = has_former && !is(former, "ended") && says_the_same && row.get_ref(4)? == as_of;
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
            say(format!("{} are of another municipality or moment", self.misplaced));
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
