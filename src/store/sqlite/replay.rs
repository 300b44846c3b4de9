//! A second register beside a store: the store's replies are applied to it again, by the same steps as the first time, and
//! then both are compared row for row. The store itself is read only. Start with [`Replay::begin`].

use std::path::Path;

use rusqlite::{Row, params};

use super::SqliteStore;
use super::columns::name_at;
use super::database::Database;
use crate::domain::identity::Route;
use crate::store::{Store, StoreTrouble};

/// A file of its own, gone when its folder is; what a crash leaves of it is worth nothing. Its journal has only the
/// entries that applied a reply, and the one before each, so that rows have the same numbers in both.
const FRESH: &str = "
    PRAGMA main.synchronous = OFF;
    DROP TRIGGER main.journal_grows_at_its_end;";

/// The entry that reply ?1 is put behind.
const ENTRY_BEFORE: &str = "
    INSERT OR IGNORE INTO main.journal (seq, version, at, exchange, kind, body, previous, hash)
    SELECT seq, version, at, exchange, kind, body, previous, hash FROM original.journal WHERE seq = ?1 - 1
    UNION ALL SELECT seq, 0, 0, NULL, 'removed', '', hash, hash FROM original.removed WHERE seq = ?1 - 1";

/// Reply ?1 as the store has it, for one that cannot be applied again.
const TAKE_OVER: [&str; 3] = [
    "INSERT OR IGNORE INTO main.journal (seq, version, at, exchange, kind, body, previous, hash)
     SELECT seq, version, at, exchange, kind, body, previous, hash FROM original.journal WHERE seq = ?1
     UNION ALL SELECT seq, 0, 0, NULL, 'removed', '', hash, hash FROM original.removed WHERE seq = ?1",
    "INSERT INTO main.applied (seq, exchange, municipality, known_at, as_of)
     SELECT seq, exchange, municipality, known_at, as_of FROM original.applied WHERE seq = ?1",
    "INSERT INTO main.statement SELECT * FROM original.statement WHERE number >= ?1 << 32 AND number < (?1 + 1) << 32",
];

/// The marks of replies that differ, up to entry ?1.
const MARKS: &str = "
    SELECT coalesce(r.exchange, o.exchange), coalesce(r.municipality, o.municipality), seq,
           r.seq IS NULL, o.seq IS NULL, r.seq IS NOT NULL AND o.seq IS NOT NULL
    FROM (SELECT * FROM original.applied WHERE seq <= ?1) o FULL JOIN main.applied r USING (seq)
    WHERE (o.exchange, o.municipality, o.known_at, o.as_of) IS NOT (r.exchange, r.municipality, r.known_at, r.as_of)
    ORDER BY seq";

/// The rows that differ, up to entry ?1, counted by reply: added, missing, altered, and by column.
const ROWS: &str = "
    SELECT coalesce(max(ra.exchange), max(oa.exchange)), coalesce(max(ra.municipality), max(oa.municipality)), d.seq,
           sum(added), sum(missing), sum(NOT added AND NOT missing),
           sum(agreement), sum(change), sum(payer), sum(valid_from), sum(valid_to), sum(amount_oere), sum(other),
           sum(former)
    FROM (
        SELECT coalesce(o.number, r.number) >> 32 AS seq, r.number IS NULL AS added, o.number IS NULL AS missing,
               o.agreement IS NOT r.agreement AS agreement, o.change IS NOT r.change AS change,
               o.payer IS NOT r.payer AS payer, o.valid_from IS NOT r.valid_from AS valid_from,
               o.valid_to IS NOT r.valid_to AS valid_to, o.amount_oere IS NOT r.amount_oere AS amount_oere,
               o.other IS NOT r.other AS other, o.former IS NOT r.former AS former
        FROM (SELECT * FROM original.statement WHERE number < (?1 + 1) << 32) o
        FULL JOIN main.statement r ON r.number = o.number
        WHERE (o.number, o.agreement, o.change, o.payer, o.valid_from, o.valid_to, o.amount_oere, o.other, o.former)
              IS NOT (r.number, r.agreement, r.change, r.payer, r.valid_from, r.valid_to, r.amount_oere, r.other, r.former)
    ) d
    LEFT JOIN main.applied ra ON ra.seq = d.seq
    LEFT JOIN original.applied oa ON oa.seq = d.seq
    GROUP BY d.seq
    ORDER BY d.seq";

/// What [`ROWS`] counts by column, in its order.
const COLUMNS: [&str; 8] = ["agreement", "change", "payer", "valid_from", "valid_to", "amount_oere", "other", "former"];

/// How the register differs from the replay, of one reply and route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// None: the names that stand there are none.
    pub route: Option<Route>,
    /// The journal entry that applied the reply.
    pub seq: i64,
    pub what: Differing,
    /// Rows that only the register has.
    pub added: u64,
    /// Rows that only the replay has.
    pub missing: u64,
    /// Rows that say different things.
    pub altered: u64,
    /// In which columns they do, where they are in both.
    pub columns: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differing {
    /// The reply's mark.
    Mark,
    /// Its agreements' rows.
    Rows,
}

/// The replay of one store.
pub struct Replay {
    store: SqliteStore,
}

impl Replay {
    /// Begins with an empty register in a new file `fresh`.
    pub fn begin(original: &Path, fresh: &Path) -> Result<Replay, StoreTrouble> {
        let store = SqliteStore::open(fresh)?;
        let database = &store.database;
        let begin = || {
            database.conn.execute("ATTACH DATABASE ?1 AS original", [read_only(original)])?;
            database.conn.execute_batch(FRESH)
        };
        begin().map_err(database.unusable("replay into"))?;
        Ok(Replay { store })
    }

    /// The entries that applied a reply, as the store's register has them, up to number `last`.
    pub fn marks(&self, last: u64) -> Result<Vec<u64>, StoreTrouble> {
        let read = || -> rusqlite::Result<Vec<u64>> {
            let mut select = self
                .database()
                .conn
                .prepare("SELECT seq FROM original.applied WHERE seq > 0 AND seq <= ?1 ORDER BY seq")?;
            select.query_map([last], |row| row.get(0))?.collect()
        };
        read().map_err(self.database().unusable("read"))
    }

    /// The fresh store, at the place where entry `seq` comes next.
    pub fn at(&mut self, seq: u64) -> Result<&mut dyn Store, StoreTrouble> {
        let database = self.database();
        database
            .conn
            .prepare_cached(ENTRY_BEFORE)
            .and_then(|mut insert| insert.execute([seq]))
            .map_err(database.unusable("replay into"))?;
        self.store.head.set(database.last()?);
        Ok(&mut self.store)
    }

    /// Takes the rows of entry `seq` over as the store has them: its reply cannot be applied again.
    pub fn take_over(&mut self, seq: u64) -> Result<(), StoreTrouble> {
        let database = self.database();
        let transaction = database.write()?;
        let take_over = || {
            for insert in TAKE_OVER {
                database.conn.execute(insert, [seq])?;
            }
            transaction.commit()
        };
        take_over().map_err(database.unusable("replay into"))?;
        self.store.rebuild_index()
    }

    /// Compares both registers up to entry `last`, and hands over what differs. Gives how many rows the store's has.
    pub fn compare(&self, last: u64, each: &mut dyn FnMut(Difference)) -> Result<u64, StoreTrouble> {
        let mut compare = || {
            for (sql, what) in [(MARKS, Differing::Mark), (ROWS, Differing::Rows)] {
                let mut select = self.database().conn.prepare(sql)?;
                let mut rows = select.query([last])?;
                while let Some(row) = rows.next()? {
                    each(difference(row, what)?);
                }
            }
            let rows = "SELECT count(*) FROM original.statement WHERE number < (?1 + 1) << 32";
            self.database().conn.query_row(rows, params![last], |row| row.get(0))
        };
        compare().map_err(self.database().unusable("compare with"))
    }

    fn database(&self) -> &Database {
        &self.store.database
    }
}

fn difference(row: &Row<'_>, what: Differing) -> rusqlite::Result<Difference> {
    let route = || Ok::<_, rusqlite::Error>(Route { exchange: name_at(row, 0)?, municipality: name_at(row, 1)? });
    let (added, missing, altered) = (row.get(3)?, row.get(4)?, row.get(5)?);
    let mut columns = Vec::new();
    if what == Differing::Rows && added == 0 && missing == 0 {
        for (index, name) in COLUMNS.into_iter().enumerate() {
            if row.get::<_, u64>(6 + index)? > 0 {
                columns.push(name);
            }
        }
    }
    Ok(Difference { route: route().ok(), seq: row.get(2)?, what, added, missing, altered, columns })
}

/// As SQLite is told to open a file and never write to it (sqlite.org/uri.html).
fn read_only(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => uri.push(char::from(*byte)),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri + "?mode=ro"
}
