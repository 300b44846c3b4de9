//! A reply on its way into the register, all in one transaction: its agreements go past the index of last statements,
//! side by side and in order; what changes is written as it is found, then the caller judges the sum. Whatever ends it
//! early leaves nothing behind.

use std::cmp::Ordering;

use rusqlite::config::DbConfig;
use rusqlite::{OptionalExtension, params};

use super::columns::date_column;
use super::database::Database;
use super::leaf::{Last, Print, read};
use super::written::Written;
use crate::domain::change::{Change, ChangeSummary, Was};
use crate::domain::exchange::Fact;
use crate::domain::identity::Route;
use crate::store::{Body, Head, Order, Outcome, Packed, Sorted, StoreTrouble};

/// The first leaf of a route.
pub const FIRST_LEAF: &str = "
    SELECT first, leaf FROM latest WHERE exchange = ?1 AND municipality = ?2 ORDER BY first LIMIT 1";

/// The leaf behind the one that begins with ?3.
pub const NEXT_LEAF: &str = "
    SELECT first, leaf FROM latest WHERE exchange = ?1 AND municipality = ?2 AND first > ?3 ORDER BY first LIMIT 1";

/// What was being attempted, in every trouble of this file.
const ATTEMPTED: &str = "apply a reply to";

/// A leaf as it was found.
type Found = Option<(String, Vec<u8>)>;

impl Database {
    /// See [`crate::store::Store::apply`].
    pub fn apply(
        &self,
        head: Head,
        order: &Order,
        stated: &mut Sorted,
        decide: &mut dyn FnMut(&ChangeSummary) -> Option<Fact>,
    ) -> Result<Outcome, StoreTrouble> {
        let attempt = self.unusable(ATTEMPTED);
        let transaction = self.write_behind(head)?;
        let as_of = date_column(stated.as_of);
        let seq = head.seq + 1;
        let summary = self.in_bulk(seq, |written| self.compare(&order.route, stated, written))?;
        let fact = match decide(&summary) {
            None => return Ok(Outcome::Held(summary)),
            Some(fact @ Fact::Applied { .. }) => fact,
            Some(other) => {
                return Err(self.refused(ATTEMPTED, format!("{} does not say that it was applied", other.name())));
            }
        };
        let entry = self.write_entry(head, order.at, &Body::Exchange { id: order.id, fact })?;
        let (exchange, municipality) = (order.route.exchange.as_str(), order.route.municipality.to_string());
        self.conn
            .execute(
                "INSERT INTO applied (seq, exchange, municipality, known_at, as_of) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![seq, exchange, municipality, order.at.as_micros(), as_of],
            )
            .and_then(|_| transaction.commit())
            .map_err(&attempt)?;
        Ok(Outcome::Applied(entry))
    }

    /// Lets a whole reply's rows be written as history of entry `seq`. What the history's triggers ask of each row is
    /// asked once for all of them: a million rows would take three times as long with them.
    fn in_bulk<T>(
        &self,
        seq: u64,
        write: impl FnOnce(&mut Written<'_>) -> Result<T, StoreTrouble>,
    ) -> Result<T, StoreTrouble> {
        let attempt = self.unusable(ATTEMPTED);
        let mut written = Written::behind(&self.conn, seq).map_err(&attempt)?;
        let last: Option<i64> =
            self.conn.query_row("SELECT max(number) FROM statement", [], |row| row.get(0)).map_err(&attempt)?;
        if last.is_some_and(|last| last >= written.number()) {
            return Err(self.refused(ATTEMPTED, "the history goes further than the journal"));
        }
        let triggers = |on: bool| self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, on);
        triggers(false).map_err(&attempt)?;
        let done = write(&mut written).and_then(|done| {
            written.finish().map_err(&attempt)?;
            Ok(done)
        });
        triggers(true).map_err(&attempt)?;
        done
    }

    /// Writes what the reply changes, and gives the sum.
    fn compare(
        &self,
        route: &Route,
        stated: &mut Sorted,
        written: &mut Written<'_>,
    ) -> Result<ChangeSummary, StoreTrouble> {
        let attempt = self.unusable(ATTEMPTED);
        let not_sorted = |trouble| self.refused(ATTEMPTED, format!("what was sorted cannot be read: {trouble}"));
        let (exchange, municipality) = (route.exchange.as_str(), route.municipality.to_string());
        let place = (exchange, municipality.as_str());
        let is_first = "SELECT NOT EXISTS (SELECT 1 FROM applied WHERE exchange = ?1 AND municipality = ?2)";
        let first_load = self.conn.query_row(is_first, place, |row| row.get(0)).map_err(&attempt)?;
        let mut summary = ChangeSummary { first_load, ..ChangeSummary::default() };
        stated.rewind().map_err(not_sorted)?;
        let mut leaf = self.leaf(place, None).map_err(&attempt)?;
        loop {
            let next = match &leaf {
                Some((first, _)) => self.leaf(place, Some(first)).map_err(&attempt)?,
                None => None,
            };
            let end = next.as_ref().map(|(first, _)| first.as_bytes());
            let (first, bytes) = leaf.as_ref().map_or((None, &[][..]), |(first, bytes)| (Some(first), bytes));
            written.begin_leaf(place, first.map(String::as_str));
            let mut at = 0;
            loop {
                let known = match read(bytes, at) {
                    None if at < bytes.len() => {
                        return Err(self.refused(ATTEMPTED, "its index of last statements is not what it writes there"));
                    }
                    known => known,
                };
                let now = stated.current().filter(|now| end.is_none_or(|end| now.key_bytes() < end));
                let order = match (&known, &now) {
                    (None, None) => break,
                    (Some((known, _)), Some(now)) => known.key.cmp(now.key_bytes()),
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                };
                let known = known.filter(|_| order.is_le());
                let now = now.filter(|_| order.is_ge());
                written.take(&mut summary, known.map(|(known, _)| known), now).map_err(&attempt)?;
                if let Some((_, next)) = known {
                    at = next;
                }
                if order.is_ge() {
                    stated.advance().map_err(not_sorted)?;
                }
            }
            written.end_leaf().map_err(&attempt)?;
            if next.is_none() {
                return Ok(summary);
            }
            leaf = next;
        }
    }

    pub(super) fn leaf(&self, (exchange, municipality): (&str, &str), behind: Option<&str>) -> rusqlite::Result<Found> {
        let found = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        match behind {
            None => self.conn.prepare_cached(FIRST_LEAF)?.query_row([exchange, municipality], found).optional(),
            Some(first) => {
                self.conn.prepare_cached(NEXT_LEAF)?.query_row([exchange, municipality, first], found).optional()
            }
        }
    }
}

impl Written<'_> {
    /// Takes one agreement as it is known and as it is stated, and writes what changes.
    fn take(
        &mut self,
        summary: &mut ChangeSummary,
        known: Option<Last<'_>>,
        now: Option<Packed<'_>>,
    ) -> rusqlite::Result<()> {
        let print = now.map(|now| Print::of(now.says()));
        let was = known.map(|known| Was {
            ended: known.is_ended,
            amount: known.amount,
            is_same: print.is_some_and(|print| print == known.print),
        });
        let change = summary.count(was, now.map(|now| now.amount()));
        match (change, known, now) {
            (None, Some(known), _) => {
                self.keep(&known);
                Ok(())
            }
            (Some(Change::Ended), Some(known), _) => self.end(&known),
            (Some(change), known, Some(now)) => {
                let print = print.unwrap_or_else(|| Print::of(now.says()));
                self.state(change, known.map(|known| known.number), &now, print)
            }
            // What is neither known nor stated, or new and the same: there is no such agreement.
            (_, None, _) | (Some(_), Some(_), None) => Ok(()),
        }
    }
}
