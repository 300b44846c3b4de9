//! The file itself: made, opened, its settings and layout checked; transactions that begin where they must.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, Transaction, TransactionBehavior};

use crate::store::steps::Steps;
use crate::store::{Head, StoreTrouble};

const SCHEMA: &str = include_str!("schema.sql");
const INDEXES: &str = include_str!("indexes.sql");

/// The layout that `schema.sql` makes.
const LAYOUT: i64 = 2;

/// Takes away of layout 1 what is another thing in layout 2, which then is made from the schema. The foreign keys must be off.
const FROM_LAYOUT_1: &str = "
    CREATE TEMP TABLE was AS SELECT seq, exchange, municipality, known_at, as_of FROM main.applied;
    DROP TABLE main.applied;";
const INTO_LAYOUT_2: &str = "
    INSERT INTO main.applied SELECT seq, exchange, municipality, known_at, as_of FROM temp.was;
    DROP TABLE temp.was;";

/// How far a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// An empty file.
    None,
    /// An earlier one.
    Former(i64),
    Known,
}

/// Long enough for any commit of another process; a writer that holds the file longer is a fault to be told.
const BUSY_WAIT: Duration = Duration::from_secs(10);

/// The write-ahead log is cut back to this after a long reply has gone through it.
const LOG_BYTES_KEPT: i64 = 16 * 1024 * 1024;

/// SQLite counts a step after so many of its own instructions: some thousand times a second at work, which costs nothing.
const INSTRUCTIONS_PER_STEP: i32 = 10_000;

/// What becomes of a file that is there and holds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IfEmpty {
    LayOut,
    Missing,
}

/// An open store.
pub struct Database {
    pub conn: Connection,
    path: String,
}

impl Database {
    pub fn open_to_write(path: &Path, steps: &Steps) -> Result<Database, StoreTrouble> {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        if let Err(trouble) = made.map(drop)
            && trouble.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(unusable(path, "make", trouble));
        }
        Database::open_as_left(path, IfEmpty::LayOut, steps)
    }

    /// The same, but an empty file or none is `Missing`, and stays as it is.
    pub fn open_existing_to_write(path: &Path) -> Result<Database, StoreTrouble> {
        must_be_there(path)?;
        Database::open_as_left(path, IfEmpty::Missing, &Steps::default())
    }

    fn open_as_left(path: &Path, if_empty: IfEmpty, steps: &Steps) -> Result<Database, StoreTrouble> {
        // Whoever had it open did not close it: was the machine switched off, or the file cut?
        let was_left_open = std::fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 0);
        let mut database = Database::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        database.count(steps.clone())?;
        if !was_left_open {
            database.check_end()?;
        }
        let layout = database.layout()?;
        if layout == Layout::None && if_empty == IfEmpty::Missing {
            return Err(missing(path));
        }
        database.prepare_to_write()?;
        match layout {
            Layout::None => database.lay_out()?,
            Layout::Former(_) => database.bring_up()?,
            Layout::Known => {}
        }
        database.conn.execute_batch(INDEXES).map_err(database.unusable("prepare"))?;
        if was_left_open {
            database.check_pages()?;
        }
        Ok(database)
    }

    pub fn open_to_read(path: &Path) -> Result<Database, StoreTrouble> {
        must_be_there(path)?;
        let database = Database::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        match database.layout()? {
            Layout::Known => Ok(database),
            Layout::None => Err(missing(path)),
            Layout::Former(found) => Err(StoreTrouble::Older { found, known: LAYOUT }),
        }
    }

    /// The layout alone, to compare with.
    pub fn laid_out_in_memory() -> rusqlite::Result<Connection> {
        let conn = Connection::open_in_memory()?;
        conn.execute_batch(SCHEMA)?;
        conn.execute_batch(INDEXES)?;
        Ok(conn)
    }

    fn open(path: &Path, flags: OpenFlags) -> Result<Database, StoreTrouble> {
        let open = || -> rusqlite::Result<Connection> {
            let conn = Connection::open_with_flags(
                path,
                flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI,
            )?;
            conn.busy_timeout(BUSY_WAIT)?;
            conn.pragma_update(None, "temp_store", "FILE")?;
            Ok(conn)
        };
        let conn = open().map_err(|trouble| classified(path, "open", &trouble))?;
        Ok(Database { conn, path: path.display().to_string() })
    }

    fn count(&mut self, steps: Steps) -> Result<(), StoreTrouble> {
        let counting = move || {
            steps.take();
            false
        };
        let counted = self.conn.progress_handler(INSTRUCTIONS_PER_STEP, Some(counting));
        counted.map_err(self.unusable("open"))
    }

    fn prepare_to_write(&self) -> Result<(), StoreTrouble> {
        let attempt = self.unusable("prepare");
        let check = |row: &Row<'_>| row.get(0);
        let mode: String = self.conn.pragma_update_and_check(None, "journal_mode", "WAL", check).map_err(&attempt)?;
        if mode != "wal" {
            return Err(self.refused("prepare", "it needs a local file system, for its write-ahead log"));
        }
        self.conn.pragma_update(None, "synchronous", "FULL").map_err(&attempt)?;
        self.conn.pragma_update(None, "foreign_keys", true).map_err(&attempt)?;
        self.conn.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES_KEPT, |_| Ok(())).map_err(&attempt)
    }

    fn lay_out(&self) -> Result<(), StoreTrouble> {
        let transaction = self.write()?;
        if self.layout()? != Layout::None {
            // Another process was quicker.
            return Ok(());
        }
        let lay_out = || {
            self.conn.execute_batch(SCHEMA)?;
            self.conn.pragma_update(None, "user_version", LAYOUT)?;
            transaction.commit()
        };
        lay_out().map_err(self.unusable("lay out"))
    }

    /// Brings layout 1 to this one, as one transaction.
    fn bring_up(&self) -> Result<(), StoreTrouble> {
        let attempt = self.unusable("bring up to this version's layout");
        // Dropping a table would look for what refers to it.
        self.conn.pragma_update(None, "foreign_keys", false).map_err(&attempt)?;
        let transaction = self.write()?;
        let bring_up = || {
            if self.conn.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? == LAYOUT {
                // Another process was quicker.
                return transaction.commit();
            }
            self.conn.execute_batch(FROM_LAYOUT_1)?;
            let triggers = |on: bool| self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, on);
            self.conn.execute_batch(SCHEMA)?;
            // What applied holds does not stand at the journal's end any more.
            triggers(false)?;
            let put = self.conn.execute_batch(INTO_LAYOUT_2);
            triggers(true)?;
            put?;
            self.conn.pragma_update(None, "user_version", LAYOUT)?;
            transaction.commit()
        };
        let brought_up = bring_up().map_err(&attempt);
        self.conn.pragma_update(None, "foreign_keys", true).map_err(&attempt)?;
        brought_up
    }

    /// What this file is. Errors: no store of ours, or one of a later program.
    fn layout(&self) -> Result<Layout, StoreTrouble> {
        let look = || {
            let layout: i64 = self.conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
            let tables: i64 = self.conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            Ok((layout, tables))
        };
        match look().map_err(self.unusable("open"))? {
            (LAYOUT, 1..) => Ok(Layout::Known),
            (0, 0) => Ok(Layout::None),
            (found @ 1..LAYOUT, 1..) => Ok(Layout::Former(found)),
            (found, _) if found > LAYOUT => Err(StoreTrouble::Newer { found, known: LAYOUT }),
            _ => Err(self.refused("open", "it is a database of something else")),
        }
    }

    /// Begins a transaction that holds the write lock from its first moment. Dropped, it leaves nothing.
    pub fn write(&self) -> Result<Transaction<'_>, StoreTrouble> {
        Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate).map_err(self.unusable("write to"))
    }

    /// The same, if the journal still ends at `expected`.
    pub fn write_behind(&self, expected: Head) -> Result<Transaction<'_>, StoreTrouble> {
        let transaction = self.write()?;
        let found = self.last()?;
        if found == expected {
            Ok(transaction)
        } else {
            Err(StoreTrouble::Moved { expected: expected.seq, found: found.seq })
        }
    }

    /// Holds one state of the file still for several queries. None: something around this does already.
    pub fn snapshot(&self) -> Result<Option<Transaction<'_>>, StoreTrouble> {
        let begin = || Transaction::new_unchecked(&self.conn, TransactionBehavior::Deferred);
        self.conn.is_autocommit().then(begin).transpose().map_err(self.unusable("read"))
    }

    /// What to make of a failure of SQLite's. Its words name tables and columns, never what stands in them.
    pub fn unusable(&self, attempted: &'static str) -> impl Fn(rusqlite::Error) -> StoreTrouble {
        let path = self.path.clone();
        move |trouble| classified(&path, attempted, &trouble)
    }

    /// Whether every page is there and holds what it should; SQLite looks only at those that it uses.
    fn check_pages(&self) -> Result<(), StoreTrouble> {
        let check = || self.conn.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
        match check().map_err(self.unusable("check"))? {
            said if said == "ok" => Ok(()),
            said => Err(self.damaged(said.replace('\n', " "))),
        }
    }

    /// Whether the file ends where a page ends; SQLite takes a shorter last page for one that ends in zeros.
    fn check_end(&self) -> Result<(), StoreTrouble> {
        let page = || self.conn.pragma_query_value(None, "page_size", |row| row.get::<_, u64>(0));
        let page = page().map_err(self.unusable("open"))?;
        let size = std::fs::metadata(&self.path).map_err(|e| self.refused("look at", e))?.len();
        if page > 0 && size.is_multiple_of(page) { Ok(()) } else { Err(self.damaged("it ends within a page")) }
    }

    fn damaged(&self, reason: impl ToString) -> StoreTrouble {
        StoreTrouble::Damaged { path: self.path.clone(), reason: reason.to_string() }
    }

    /// Writes a copy of the whole file as it is at one moment, whatever is written meanwhile. `to` is an empty file or none.
    pub fn copy_into(&self, to: &Path) -> Result<(), StoreTrouble> {
        let copied = self.conn.execute("VACUUM INTO ?1", [to.display().to_string()]);
        copied.map(drop).map_err(self.unusable("copy"))
    }

    /// A refusal of our own.
    pub fn refused(&self, attempted: &'static str, reason: impl ToString) -> StoreTrouble {
        unusable(&self.path, attempted, reason)
    }
}

fn unusable(path: impl AsRef<Path>, attempted: &'static str, reason: impl ToString) -> StoreTrouble {
    StoreTrouble::Unusable { attempted, path: path.as_ref().display().to_string(), reason: reason.to_string() }
}

fn missing(path: &Path) -> StoreTrouble {
    StoreTrouble::Missing { path: path.display().to_string() }
}

fn must_be_there(path: &Path) -> Result<(), StoreTrouble> {
    match std::fs::metadata(path) {
        Err(trouble) if trouble.kind() == io::ErrorKind::NotFound => Err(missing(path)),
        // What else is wrong with it is told when it is opened.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// A file that is not whole is told apart: a person must act, and trying again is of no use.
fn classified(path: impl AsRef<Path>, attempted: &'static str, trouble: &rusqlite::Error) -> StoreTrouble {
    match trouble.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StoreTrouble::Damaged { path: path.as_ref().display().to_string(), reason: trouble.to_string() }
        }
        _ => unusable(path, attempted, trouble),
    }
}

/// The write-ahead log beside the database.
fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}
