//! Questions to the register: what holds, what held, as it was believed when; and what one reply changed.

use rusqlite::params;

use super::columns::{agreement_at, change_at, date_column, name_at};
use super::database::Database;
use crate::domain::change::Change;
use crate::domain::identity::Route;
use crate::domain::moment::Moment;
use crate::store::{Answer, Changed, Question, StoreTrouble};

/// Of the statements of one route that were known at ?3 and speak about day ?4, each agreement's last one.
/// SQLite takes the other columns from the row that has the `max` (sqlite.org/lang_select.html#bareagg).
pub const LAST_STATEMENTS: &str = "
    SELECT agreement, payer, valid_from, valid_to, amount_oere, other, known_at, change, max(seq)
    FROM statement
    WHERE exchange = ?1 AND municipality = ?2
      AND (?3 IS NULL OR known_at <= ?3)
      AND (?4 IS NULL OR asserts_from IS NULL OR asserts_from <= ?4)
    GROUP BY agreement
    HAVING change <> 'ended' AND (?4 IS NULL OR valid_to IS NULL OR valid_to >= ?4)
    ORDER BY agreement";

/// The statements of reply ?1, each beside the one that it replaced.
pub const CHANGES: &str = "
    SELECT s.agreement, s.payer, s.valid_from, s.valid_to, s.amount_oere, s.other, s.change,
           b.agreement, b.payer, b.valid_from, b.valid_to, b.amount_oere, b.other
    FROM statement s
    LEFT JOIN statement b
      ON b.exchange = s.exchange AND b.municipality = s.municipality AND b.agreement = s.agreement
     AND b.seq = (
        SELECT max(p.seq) FROM statement p
        WHERE p.exchange = s.exchange AND p.municipality = s.municipality AND p.agreement = s.agreement
          AND p.seq < s.seq)
    WHERE s.seq = ?1
    ORDER BY s.exchange, s.municipality, s.agreement";

impl Database {
    pub fn register(&self, question: &Question, each: &mut dyn FnMut(Answer)) -> Result<(), StoreTrouble> {
        let _snapshot = self.snapshot()?;
        self.answer(question, each).map_err(self.unusable("read the register of"))
    }

    pub fn changes(&self, seq: u64, each: &mut dyn FnMut(Changed)) -> Result<(), StoreTrouble> {
        self.changes_of(seq, each).map_err(self.unusable("read the changes in"))
    }

    fn answer(&self, question: &Question, each: &mut dyn FnMut(Answer)) -> rusqlite::Result<()> {
        let known_at = question.known_at.map(Moment::as_micros);
        let valid_on = question.valid_on.map(date_column);
        let mut select = self.conn.prepare_cached(LAST_STATEMENTS)?;
        for route in self.routes()? {
            let asked = question.exchange.as_ref().is_none_or(|exchange| *exchange == route.exchange)
                && question.municipality.is_none_or(|municipality| municipality == route.municipality);
            if !asked {
                continue;
            }
            let mut rows =
                select.query(params![route.exchange.as_str(), route.municipality.to_string(), known_at, valid_on])?;
            while let Some(row) = rows.next()? {
                each(Answer {
                    route: route.clone(),
                    agreement: agreement_at(row, 0)?,
                    known_at: Moment::from_micros(row.get(6)?),
                    change: change_at(row, 7)?,
                });
            }
        }
        Ok(())
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

    pub fn index_agrees(&self) -> Result<bool, StoreTrouble> {
        Ok(self.index_differences().map_err(self.unusable("check the index of"))? == 0)
    }

    /// How many rows the index of last statements has too many or too few.
    pub fn index_differences(&self) -> rusqlite::Result<i64> {
        self.conn.query_row(
            "WITH history AS (
                SELECT exchange, municipality, agreement, max(seq) FROM statement
                GROUP BY exchange, municipality, agreement
             )
             SELECT (SELECT count(*) FROM (SELECT * FROM history EXCEPT SELECT * FROM latest))
                  + (SELECT count(*) FROM (SELECT * FROM latest EXCEPT SELECT * FROM history))",
            [],
            |row| row.get(0),
        )
    }

    pub fn rebuild_index(&self) -> Result<(), StoreTrouble> {
        let transaction = self.write()?;
        self.conn
            .execute_batch(
                "DELETE FROM latest;
                 INSERT INTO latest (exchange, municipality, agreement, seq)
                 SELECT exchange, municipality, agreement, max(seq) FROM statement
                 GROUP BY exchange, municipality, agreement;",
            )
            .and_then(|()| transaction.commit())
            .map_err(self.unusable("rebuild the index of"))
    }
}
