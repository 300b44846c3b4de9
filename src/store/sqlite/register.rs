//! Questions to the register: what holds, what held, as it was believed when; and what one reply changed.

use std::collections::HashMap;

use rusqlite::params;

use super::columns::{agreement_at, change_at, date_column, name_at, unreadable};
use super::database::Database;
use super::leaf::lasts;
use crate::domain::agreement::Agreement;
use crate::domain::change::Change;
use crate::domain::identity::Route;
use crate::domain::moment::Moment;
use crate::store::{Answer, Changed, Question, StoreTrouble};

/// The index of one route, in order.
pub const LEAVES: &str = "SELECT leaf FROM latest WHERE exchange = ?1 AND municipality = ?2 ORDER BY first";

/// One statement, and which one was before it.
pub const ONE: &str = "
    SELECT agreement, payer, valid_from, valid_to, amount_oere, other, change, former FROM statement WHERE number = ?1";

/// The statements of reply ?1, each beside the one that it replaced.
pub const CHANGES: &str = "
    SELECT s.agreement, s.payer, s.valid_from, s.valid_to, s.amount_oere, s.other, s.change,
           b.agreement, b.payer, b.valid_from, b.valid_to, b.amount_oere, b.other
    FROM statement s LEFT JOIN statement b ON b.number = s.former
    WHERE s.number >= ?1 << 32 AND s.number < (?1 + 1) << 32
    ORDER BY s.number";

impl Database {
    pub fn register(&self, question: &Question, each: &mut dyn FnMut(Answer)) -> Result<(), StoreTrouble> {
        let _snapshot = self.snapshot()?;
        self.answer(question, each).map_err(self.unusable("read the register of"))
    }

    pub fn changes(&self, seq: u64, each: &mut dyn FnMut(Changed)) -> Result<(), StoreTrouble> {
        self.changes_of(seq, each).map_err(self.unusable("read the changes in"))
    }

    fn answer(&self, question: &Question, each: &mut dyn FnMut(Answer)) -> rusqlite::Result<()> {
        for route in self.routes()? {
            let asked = question.exchange.as_ref().is_none_or(|exchange| *exchange == route.exchange)
                && question.municipality.is_none_or(|municipality| municipality == route.municipality);
            if asked {
                self.answer_of(&route, question, each)?;
            }
        }
        Ok(())
    }

    fn answer_of(&self, route: &Route, question: &Question, each: &mut dyn FnMut(Answer)) -> rusqlite::Result<()> {
        let place = params![route.exchange.as_str(), route.municipality.to_string()];
        let replies: HashMap<i64, Applied> = self
            .conn
            .prepare_cached("SELECT seq, known_at, as_of FROM applied WHERE exchange = ?1 AND municipality = ?2")?
            .query_map(place, |row| Ok((row.get(0)?, Applied { known_at: row.get(1)?, as_of: row.get(2)? })))?
            .collect::<Result<_, _>>()?;
        let mut select = self.conn.prepare_cached(LEAVES)?;
        let mut leaves = select.query(place)?;
        while let Some(leaf) = leaves.next()? {
            for last in lasts(leaf.get_ref(0)?.as_blob()?) {
                let last = last.ok_or_else(|| unreadable(0))?;
                if let Some((agreement, known_at, change)) = self.said(last.number, &replies, question)? {
                    each(Answer { route: route.clone(), agreement, known_at, change });
                }
            }
        }
        Ok(())
    }

    /// What the last statement, up to this one, says that was known then and speaks about that day. None: there is no
    /// such, or it is not in force.
    fn said(
        &self,
        last: i64,
        replies: &HashMap<i64, Applied>,
        question: &Question,
    ) -> rusqlite::Result<Option<(Agreement, Moment, Change)>> {
        let (known_at, valid_on) = (question.known_at.map(Moment::as_micros), question.valid_on.map(date_column));
        let mut select = self.conn.prepare_cached(ONE)?;
        let mut next = Some(last);
        while let Some(number) = next {
            let mut rows = select.query([number])?;
            let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            let reply = replies.get(&(number >> 32)).ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            let change = change_at(row, 6)?;
            let asserts_from = if change == Change::Ended { Some(reply.as_of) } else { row.get(2)? };
            let was_known = known_at.is_none_or(|known_at| reply.known_at <= known_at);
            if was_known && valid_on.is_none_or(|day| asserts_from.is_none_or(|from| from <= day)) {
                let valid_to: Option<i64> = row.get(3)?;
                let has_run_out = valid_on.is_some_and(|day| valid_to.is_some_and(|to| to < day));
                if change == Change::Ended || has_run_out {
                    return Ok(None);
                }
                return Ok(Some((agreement_at(row, 0)?, Moment::from_micros(reply.known_at), change)));
            }
            // A chain that somebody has bent does not lead round.
            next = row.get::<_, Option<i64>>(7)?.filter(|former| *former < number);
        }
        Ok(None)
    }

    /// Every route that a reply was ever applied on, in order.
    fn routes(&self) -> rusqlite::Result<Vec<Route>> {
        self.conn
            .prepare_cached("SELECT DISTINCT exchange, municipality FROM applied ORDER BY exchange, municipality")?
            .query_map([], |row| Ok(Route { exchange: name_at(row, 0)?, municipality: name_at(row, 1)? }))?
            .collect()
    }

    fn changes_of(&self, seq: u64, each: &mut dyn FnMut(Changed)) -> rusqlite::Result<()> {
        let mut select = self.conn.prepare_cached(CHANGES)?;
        let mut rows = select.query([seq])?;
        while let Some(row) = rows.next()? {
            let change = change_at(row, 6)?;
            each(Changed {
                change,
                before: if change == Change::New { None } else { Some(agreement_at(row, 7)?) },
                after: if change == Change::Ended { None } else { Some(agreement_at(row, 0)?) },
            });
        }
        Ok(())
    }
}

/// When a reply was applied, and of which day it is.
struct Applied {
    known_at: i64,
    as_of: i64,
}
