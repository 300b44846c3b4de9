//! A reply on its way into the register, all in one transaction: staged in a temporary table, compared with
//! what is known, judged by the caller, and written. Whatever ends it early leaves nothing behind.

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Statement, params};

use super::columns::{agreement_at, change_at, change_column, date_column, other_column};
use super::database::Database;
use crate::domain::agreement::Agreement;
use crate::domain::change::{Change, ChangeSummary, Known};
use crate::domain::exchange::Fact;
use crate::domain::identity::Route;
use crate::store::merge::merge;
use crate::store::{Body, Head, Order, Outcome, Sink, SinkTrouble, StoreTrouble};

/// The reply's agreements, and what the comparison found. Made in the transaction, so a rollback takes them along.
pub const STAGING: &str = "
    CREATE TEMP TABLE staged (
        agreement   TEXT PRIMARY KEY,
        record      INTEGER NOT NULL,
        payer       TEXT,
        valid_from  INTEGER,
        valid_to    INTEGER,
        amount_oere INTEGER,
        other       TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TEMP TABLE verdict (agreement TEXT PRIMARY KEY, change TEXT NOT NULL) STRICT, WITHOUT ROWID;";

const STAGING_DONE: &str = "DROP TABLE temp.staged; DROP TABLE temp.verdict;";

/// The last statement of each agreement of a route, in order.
pub const KNOWN: &str = "
    SELECT s.agreement, s.payer, s.valid_from, s.valid_to, s.amount_oere, s.other, s.change
    FROM latest l CROSS JOIN statement s
      ON s.exchange = l.exchange AND s.municipality = l.municipality AND s.agreement = l.agreement AND s.seq = l.seq
    WHERE l.exchange = ?1 AND l.municipality = ?2
    ORDER BY l.agreement";

pub const STATED: &str = "
    SELECT agreement, payer, valid_from, valid_to, amount_oere, other FROM temp.staged ORDER BY agreement";

pub const WRITE_STATED: &str = "
    INSERT INTO statement
          (exchange, municipality, agreement, seq, known_at, change,
           asserts_from, payer, valid_from, valid_to, amount_oere, other)
    SELECT ?1, ?2, v.agreement, ?3, ?4, v.change,
           s.valid_from, s.payer, s.valid_from, s.valid_to, s.amount_oere, s.other
    FROM temp.verdict v CROSS JOIN temp.staged s ON s.agreement = v.agreement
    WHERE v.change <> 'ended'
    ORDER BY v.agreement";

pub const WRITE_ENDED: &str = "
    INSERT INTO statement
          (exchange, municipality, agreement, seq, known_at, change,
           asserts_from, payer, valid_from, valid_to, amount_oere, other)
    SELECT ?1, ?2, v.agreement, ?3, ?4, v.change,
           ?5, s.payer, s.valid_from, s.valid_to, s.amount_oere, s.other
    FROM temp.verdict v
    CROSS JOIN latest l ON l.exchange = ?1 AND l.municipality = ?2 AND l.agreement = v.agreement
    CROSS JOIN statement s
      ON s.exchange = ?1 AND s.municipality = ?2 AND s.agreement = v.agreement AND s.seq = l.seq
    WHERE v.change = 'ended'
    ORDER BY v.agreement";

const INDEX: &str = "
    INSERT INTO latest (exchange, municipality, agreement, seq)
    SELECT ?1, ?2, agreement, ?3 FROM temp.verdict WHERE true ORDER BY agreement
    ON CONFLICT DO UPDATE SET seq = excluded.seq";

impl Database {
    /// See [`crate::store::Store::apply`].
    pub fn apply(
        &self,
        head: Head,
        order: &Order,
        feed: &mut dyn FnMut(&mut Sink<'_>) -> Result<Date, String>,
        decide: &mut dyn FnMut(&ChangeSummary) -> Option<Fact>,
    ) -> Result<Outcome, StoreTrouble> {
        let attempt = self.unusable("apply a reply to");
        let transaction = self.write_behind(head)?;
        self.conn.execute_batch(STAGING).map_err(&attempt)?;
        let as_of = match stage(&self.conn, feed).map_err(&attempt)? {
            Ok(as_of) => as_of,
            Err(finding) => return Ok(Outcome::Unfit(finding)),
        };
        let summary = compare(&self.conn, &order.route).map_err(&attempt)?;
        let fact = match decide(&summary) {
            None => return Ok(Outcome::Held(summary)),
            Some(fact @ Fact::Applied { .. }) => fact,
            Some(other) => {
                let reason = format!("{} does not say that it was applied", other.name());
                return Err(self.refused("apply a reply to", reason));
            }
        };
        let entry = self.write_entry(head, order.at, &Body::Exchange { id: order.id, fact })?;
        write(&self.conn, order, entry.seq, as_of).map_err(&attempt)?;
        self.conn.execute_batch(STAGING_DONE).and_then(|()| transaction.commit()).map_err(&attempt)?;
        Ok(Outcome::Applied(entry))
    }
}

/// Takes in what `feed` has to give: the day as of which missing agreements have ended, or what is unfit.
fn stage(
    conn: &Connection,
    feed: &mut dyn FnMut(&mut Sink<'_>) -> Result<Date, String>,
) -> rusqlite::Result<Result<Date, String>> {
    let mut insert = conn.prepare(
        "INSERT INTO temp.staged (agreement, record, payer, valid_from, valid_to, amount_oere, other)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
    )?;
    let mut failure = None;
    let mut duplicate = None;
    let fed = feed(&mut |record, agreement| {
        if failure.is_some() {
            return Err(SinkTrouble::Stop);
        }
        match stage_one(conn, &mut insert, record, agreement) {
            Ok(None) => Ok(()),
            Ok(Some(first)) => {
                duplicate.get_or_insert((first, record));
                Err(SinkTrouble::Duplicate { first })
            }
            Err(trouble) => {
                failure = Some(trouble);
                Err(SinkTrouble::Stop)
            }
        }
    });
    match (failure, duplicate) {
        (Some(trouble), _) => Err(trouble),
        // A feed that overlooks the refusal has not made the reply fit by it.
        (None, Some((first, record))) => {
            Ok(fed.and_then(|_| Err(format!("record {record}: the same agreement stands in record {first}"))))
        }
        (None, None) => Ok(fed),
    }
}

/// Stages one agreement, or gives the record that has its key already.
fn stage_one(
    conn: &Connection,
    insert: &mut Statement<'_>,
    record: u64,
    agreement: &Agreement,
) -> rusqlite::Result<Option<u64>> {
    let Agreement { key, payer, valid_from, valid_to, amount, other } = agreement;
    let staged = insert.execute(params![
        key.0,
        record,
        payer.map(|payer| payer.digits()),
        valid_from.map(date_column),
        valid_to.map(date_column),
        amount.map(|amount| amount.0),
        other_column(other),
    ])?;
    if staged > 0 {
        return Ok(None);
    }
    conn.query_row("SELECT record FROM temp.staged WHERE agreement = ?1", [&key.0], |row| row.get(0)).optional()
}

/// Writes a verdict for each agreement that something happens to, and gives the sum.
fn compare(conn: &Connection, route: &Route) -> rusqlite::Result<ChangeSummary> {
    let municipality = route.municipality.to_string();
    let mut summary = ChangeSummary {
        first_load: conn.query_row(
            "SELECT NOT EXISTS (SELECT 1 FROM applied WHERE exchange = ?1 AND municipality = ?2)",
            params![route.exchange.as_str(), municipality],
            |row| row.get(0),
        )?,
        ..ChangeSummary::default()
    };
    let mut known = conn.prepare(KNOWN)?;
    let mut stated = conn.prepare(STATED)?;
    let mut insert = conn.prepare("INSERT INTO temp.verdict (agreement, change) VALUES (?1, ?2)")?;
    let known = known.query_map(params![route.exchange.as_str(), municipality], |row| {
        Ok(Known { agreement: agreement_at(row, 0)?, ended: change_at(row, 6)? == Change::Ended })
    })?;
    let stated = stated.query_map([], |row| agreement_at(row, 0))?;
    merge(known, stated, |known, stated| {
        let Some(change) = summary.add(known.as_ref(), stated.as_ref()) else { return Ok(()) };
        let key = stated.or(known.map(|known| known.agreement)).map(|agreement| agreement.key.0);
        insert.execute(params![key, change_column(change)]).map(drop)
    })?;
    Ok(summary)
}

/// Writes what the verdicts say as history of journal entry `seq`.
fn write(conn: &Connection, order: &Order, seq: u64, as_of: Date) -> rusqlite::Result<()> {
    let (exchange, municipality) = (order.route.exchange.as_str(), order.route.municipality.to_string());
    let (known_at, as_of) = (order.at.as_micros(), date_column(as_of));
    conn.execute(
        "INSERT INTO applied (seq, exchange, municipality, known_at, as_of) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![seq, exchange, municipality, known_at, as_of],
    )?;
    conn.execute(WRITE_STATED, params![exchange, municipality, seq, known_at])?;
    conn.execute(WRITE_ENDED, params![exchange, municipality, seq, known_at, as_of])?;
    conn.execute(INDEX, params![exchange, municipality, seq])?;
    Ok(())
}
