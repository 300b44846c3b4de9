//! A store in the hands of somebody who may write anything into it: triggers off, nothing checked, put back as it was
//! after each attempt. Start with [`Forge::of`].
#![allow(dead_code, reason = "each test binary uses its own part of it")]

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};
use sluse::domain::identity::ContentHash;
use sluse::store::anchor::AnchorLine;
use sluse::store::audit::{Flaw, Verified};
use sluse::store::chain::Stored;
use sluse::store::{Head, SqliteReader};
use tempfile::TempDir;

/// A copy of a store, to be forged.
pub struct Forge {
    folder: TempDir,
    whole: Vec<u8>,
}

impl Forge {
    /// Of a store that nobody writes to. It is copied whole, and stays as it is.
    pub fn of(store: &Path) -> Forge {
        let folder = TempDir::with_prefix("sluse-forge-").unwrap();
        let path = folder.path().join("sluse.db");
        Connection::open(store).unwrap().execute("VACUUM INTO ?1", [path.to_str().unwrap()]).unwrap();
        let whole = fs::read(&path).unwrap();
        Forge { folder, whole }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("sluse.db")
    }

    /// As it was.
    pub fn restore(&self) {
        fs::write(self.path(), &self.whole).unwrap();
    }

    /// Does this to it, and afterwards the file is whole again as far as SQLite goes.
    pub fn tamper(&self, with: impl FnOnce(&Connection)) {
        let conn = open_raw(&self.path());
        conn.execute_batch("BEGIN").unwrap();
        with(&conn);
        conn.execute_batch("COMMIT").unwrap();
    }

    /// Writes another text of the journal's table into the schema, and gives the former one.
    pub fn tamper_schema(&self, with: impl FnOnce(&str) -> String) -> String {
        let conn = open_raw(&self.path());
        let read = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'journal'";
        let former: String = conn.query_row(read, [], |row| row.get(0)).unwrap();
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
        conn.execute_batch("PRAGMA writable_schema = ON").unwrap();
        let write = "UPDATE sqlite_schema SET sql = ?1 WHERE type = 'table' AND name = 'journal'";
        conn.execute(write, [with(&former)]).unwrap();
        former
    }

    /// What an audit says of it.
    pub fn verify(&self, anchors: &[AnchorLine]) -> (Verified, Vec<Flaw>) {
        let mut flaws = Vec::new();
        let reader = SqliteReader::open(&self.path()).unwrap();
        let verified = reader.verify(anchors.to_vec(), &mut |flaw| flaws.push(flaw), &mut |_| {}).unwrap();
        assert_eq!(verified.flaws, flaws.len() as u64);
        (verified, flaws)
    }

    pub fn entries(&self) -> Vec<Found> {
        entries(&open_raw(&self.path()))
    }
}

/// An entry with its hash.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub stored: Stored,
    pub hash: ContentHash,
}

impl Found {
    pub fn anchor_line(&self) -> AnchorLine {
        let at = sluse::domain::moment::Moment::from_micros(self.stored.at_micros);
        AnchorLine { seq: self.stored.seq, hash: self.hash, at }
    }
}

/// A connection that keeps none of the store's rules.
pub fn open_raw(path: &Path) -> Connection {
    let conn = Connection::open(path).unwrap();
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF;").unwrap();
    conn
}

pub fn entries(conn: &Connection) -> Vec<Found> {
    let mut select =
        conn.prepare("SELECT seq, version, at, exchange, kind, body, hash FROM journal ORDER BY seq").unwrap();
    let found = select.query_map([], |row| {
        let stored = Stored {
            seq: row.get(0)?,
            version: row.get(1)?,
            at_micros: row.get(2)?,
            exchange: row.get(3)?,
            kind: row.get(4)?,
            body: row.get(5)?,
        };
        Ok(Found { stored, hash: ContentHash::new(row.get(6)?) })
    });
    found.unwrap().collect::<Result<_, _>>().unwrap()
}

/// Makes links and hashes anew from entry `from` on, as somebody would who knows how they are made.
pub fn rechain(conn: &Connection, from: u64) {
    let mut previous = Head::genesis().hash;
    for found in entries(conn) {
        let mut hash = found.hash;
        if found.stored.seq >= from {
            hash = found.stored.hash(previous);
            conn.execute(
                "UPDATE journal SET previous = ?2, hash = ?3 WHERE seq = ?1",
                params![found.stored.seq, previous.as_bytes(), hash.as_bytes()],
            )
            .unwrap();
        }
        previous = hash;
    }
}

/// Writes an entry behind the last one, its hash fitting.
pub fn append(conn: &Connection, version: u32, exchange: Option<&str>, kind: &str, body: &str) -> u64 {
    let last = entries(conn).pop();
    let previous = last.as_ref().map_or(Head::genesis().hash, |last| last.hash);
    let stored = Stored {
        seq: last.as_ref().map_or(0, |last| last.stored.seq) + 1,
        version,
        at_micros: last.as_ref().map_or(0, |last| last.stored.at_micros) + 1,
        exchange: exchange.map(str::to_owned),
        kind: kind.to_owned(),
        body: body.to_owned(),
    };
    insert(conn, &stored, previous, stored.hash(previous));
    stored.seq
}

pub fn insert(conn: &Connection, stored: &Stored, previous: ContentHash, hash: ContentHash) {
    conn.execute(
        "INSERT INTO journal (seq, version, at, exchange, kind, body, previous, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            stored.seq,
            stored.version,
            stored.at_micros,
            stored.exchange,
            stored.kind,
            stored.body,
            previous.as_bytes(),
            hash.as_bytes()
        ],
    )
    .unwrap();
}
