//! From a reply in the archive to the register: the first load, the same again, and three percent changed. Sluse checks
//! every rule and writes one transaction; the script cuts columns with awk and compares with SQL. Then reading and
//! checking alone, and memory.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rusqlite::Connection;
use sluse::domain::change::{ChangeSummary, Guards, Percent};
use sluse::domain::exchange::Fact;
use sluse::domain::exchange::fact::{Arrival, Belongs};
use sluse::domain::identity::{DeliveryNumber, FileId, Route, TransferId};
use sluse::domain::layout::Layout;
use sluse::durable::RealDisk;
use sluse::pipeline::{Compared, Comparison, RegisterState};
use sluse::store::{Body, SqliteStore};
use uuid::Uuid;

use crate::clients::run;
use crate::measure::{Floor, Line, Section, Series, Side, Target, by_turns, number, timed};
use crate::replies::{Content, Order, ReplyFile};
use crate::stage::{Plan, on_disk, settle_disks};

const AGREEMENTS: u64 = 1_000_000;

/// What changes in [`Content::ThreePercentChanged`], each: new, changed, ended.
const CHANGED: u64 = AGREEMENTS / 100;

const PROSE: &str = "One municipality with 1,000,000 agreements of 120 bytes. Sluse reads the archived reply by its layout, checks every rule and \
the reply's hash, compares it with the register under the guards, and writes register, history and journal in one transaction; \
opening and closing the store are in its time. The script checks nothing: `mawk` cuts the columns into a pipe, `sqlite3` imports them into a keyed staging table, \
compares with SQL, and writes what differs into a table of now and one of history (write-ahead log, synchronous FULL). Both on the same \
disk, the reply being in the page cache. The floor: a bare insert of the rows that are written, by SQLite in the order of their key, in one transaction.";

/// The three states of the register that are measured, one after the other.
const LIMITS: [(&str, f64); 3] = [("first load", 0.35), ("unchanged", 0.25), ("3 % changed", 0.35)];

const WHY: &str = "One core works, the other has nothing to do. By `perf` a first load's time goes into reading, checking and sorting (27 %), SQLite's work for \
the rows and its writing ahead (47 %), its checkpoint behind the commit (10 %), and the hashes by which `sluse audit` knows each row again (9 %); the script \
does none of the first and the last. What would have to give: the checkpoint behind the answer, and rows that are packed and hashed on the other core while \
SQLite writes.";

pub fn row(plan: &Plan) -> Section {
    let disk = on_disk();
    let first = ReplyFile::write(&disk.path().join("first"), AGREEMENTS, Content::First, Order::ByNumber);
    let changed =
        ReplyFile::write(&disk.path().join("changed"), AGREEMENTS, Content::ThreePercentChanged, Order::ByNumber);
    let mixed = ReplyFile::write(&disk.path().join("mixed"), AGREEMENTS, Content::First, Order::None);
    let (ours, theirs) = (disk.path().join("sluse.db"), disk.path().join("script.db"));

    let mut lines = Vec::new();
    let steps = [(&first, AGREEMENTS, 0, 0), (&first, 0, 0, 0), (&changed, CHANGED, CHANGED, CHANGED)];
    let mut series = LIMITS.map(|_| [Series::seconds("Sluse"), Series::seconds("awk + sqlite3")]);
    for turn in 0..plan.runs {
        remove_store(&ours);
        remove_store(&theirs);
        for (step, (reply, new, changed, ended)) in steps.iter().enumerate() {
            let sluse = || {
                settle_disks();
                let (seconds, summary) = timed(|| apply(&ours, reply, step as u32 + 1));
                assert_eq!((summary.new, summary.changed, summary.ended), (*new, *changed, *ended));
                seconds
            };
            let script = || {
                settle_disks();
                let seconds = run(by_script(&theirs, &reply.path));
                assert_eq!(rows_of_script(&theirs), AGREEMENTS);
                seconds
            };
            let (mine, other) = match turn % 2 {
                0 => (sluse(), script()),
                _ => {
                    let other = script();
                    (sluse(), other)
                }
            };
            eprintln!("  {}: Sluse {} s, script {} s", LIMITS[step].0, number(mine), number(other));
            series[step][0].add(mine);
            series[step][1].add(other);
        }
    }
    let inserts = [AGREEMENTS, 0, 3 * CHANGED].map(|rows| bare_insert(disk.path(), rows));
    for (((name, limit), [ours, theirs]), (rows, seconds)) in LIMITS.into_iter().zip(series).zip(inserts) {
        lines.push(Line {
            work: format!("1,000,000 agreements, {name}"),
            ours,
            theirs: Some(theirs),
            target: Target::RatioAtMost(limit),
            floor: (rows > 0).then(|| Floor { value: seconds, what: format!("a bare insert of {rows} rows") }),
        });
    }

    let [ours, theirs] = by_turns(
        plan.runs,
        [
            Side::seconds("Sluse", || {
                remove_store(&ours);
                settle_disks();
                timed(|| apply(&ours, &mixed, 1)).0
            }),
            Side::seconds("awk + sqlite3", || {
                remove_store(&theirs);
                settle_disks();
                run(by_script(&theirs, &mixed.path))
            }),
        ],
    );
    let work = "1,000,000 agreements in no order, first load".to_owned();
    lines.push(Line { work, ours, theirs: Some(theirs), target: Target::Report, floor: None });
    Section {
        title: "Reply to register",
        prose: PROSE,
        lines,
        notes: vec![format!("A reply has {} bytes.", first.bytes)],
        why: WHY,
    }
}

/// Puts a reply into the register as the daemon does. Panics where it would be held.
pub fn apply(store: &Path, reply: &ReplyFile, delivery: u32) -> ChangeSummary {
    let folder = store.parent().expect("it is in a folder").to_owned();
    let mut store = SqliteStore::open(store).expect("the store can be made");
    let route = Route { exchange: "sf2530".parse().expect("a good name"), municipality: reply.municipality };
    let share = |value| Percent::new(value).expect("below a hundred");
    let comparison = Comparison {
        id: FileId::new(Uuid::new_v4()),
        at: jiff::Timestamp::now().into(),
        file: reply.path.clone(),
        arrival: Arrival {
            route,
            transfer: TransferId::new(Uuid::new_v4()),
            name: format!("BETADM_SVAR_{}_20261201_{delivery:04}.txt", reply.municipality)
                .parse()
                .expect("a good name"),
            size: reply.bytes,
            hash: reply.hash,
            delivery: Some(DeliveryNumber(delivery)),
            belongs: Belongs::Delivery,
        },
        asked: Some(DeliveryNumber(delivery)),
        register: RegisterState::default(),
        folder,
        approved: None,
        guards: Guards { end: share(20), amount: share(30) },
        only_look: false,
        stop: Arc::new(AtomicBool::new(false)),
    };
    let checked = comparison.check(&RealDisk, &Layout::shipped_reply()).expect("it can be read").expect("it is fit");
    match checked.carry_out(&mut store) {
        Ok(Compared::Applied(entry)) => match entry.body {
            Body::Exchange { fact: Fact::Applied { summary, .. }, .. } => summary,
            body => panic!("another fact than that it was applied: {body:?}"),
        },
        outcome => panic!("not applied: {outcome:?}"),
    }
}

/// What somebody who knows awk and SQL would write.
fn by_script(database: &Path, reply: &Path) -> Command {
    const COLUMNS: &str = "payer, valid_from, valid_to, amount, case_reference, priority, kind";
    let of = |table: &str| COLUMNS.split(", ").map(|column| format!("{table}.{column}")).collect::<Vec<_>>().join(", ");
    let table = "agreement TEXT PRIMARY KEY, payer TEXT, valid_from INTEGER, valid_to INTEGER, amount INTEGER, \
                 case_reference TEXT, priority TEXT, kind TEXT";
    let cut = [(17, 12), (7, 10), (41, 8), (49, 8), (57, 12), (29, 12), (69, 2), (71, 2)];
    let cut: Vec<_> = cut.iter().map(|(from, length)| format!("substr($0,{from},{length})")).collect();
    let awk = format!("mawk 'substr($0,1,2)==\"20\" {{ print {} }}' {}", cut.join(" \"|\" "), reply.display());
    let script = format!(
        "PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS reply (number INTEGER PRIMARY KEY, at TEXT);
CREATE TABLE IF NOT EXISTS register ({table}) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (agreement TEXT, reply INTEGER, change TEXT, payer TEXT, valid_from INTEGER,
    valid_to INTEGER, amount INTEGER, case_reference TEXT, priority TEXT, kind TEXT,
    PRIMARY KEY (agreement, reply)) WITHOUT ROWID;
BEGIN;
CREATE TEMP TABLE staged ({table}) WITHOUT ROWID;
.separator |
.import --schema temp \"|{awk}\" staged
INSERT INTO reply (at) VALUES (datetime('now'));
CREATE TEMP TABLE differs AS
    SELECT s.*, CASE WHEN r.agreement IS NULL THEN 'new' ELSE 'changed' END AS change
    FROM staged s LEFT JOIN register r ON r.agreement = s.agreement
    WHERE r.agreement IS NULL OR ({stated}) IS NOT ({known});
CREATE TEMP TABLE gone AS
    SELECT r.* FROM register r WHERE NOT EXISTS (SELECT 1 FROM staged s WHERE s.agreement = r.agreement);
INSERT INTO history SELECT agreement, (SELECT max(number) FROM reply), change, {COLUMNS} FROM differs;
INSERT INTO history SELECT agreement, (SELECT max(number) FROM reply), 'ended', {COLUMNS} FROM gone;
INSERT OR REPLACE INTO register SELECT agreement, {COLUMNS} FROM differs;
DELETE FROM register WHERE agreement IN (SELECT agreement FROM gone);
COMMIT;
",
        awk = awk.replace('\\', "\\\\").replace('"', "\\\""),
        stated = of("s"),
        known = of("r"),
    );
    let path = database.with_extension("sql");
    fs::write(&path, script).expect("there is room");
    let mut command = Command::new("sqlite3");
    command.arg("-bail").arg(database).stdin(fs::File::open(path).expect("it was just written"));
    command
}

fn rows_of_script(database: &Path) -> u64 {
    let database = Connection::open(database).expect("the script has made it");
    database.query_row("SELECT count(*) FROM register", [], |row| row.get(0)).expect("the table is there")
}

/// The least that writing so many rows of the register costs: keyed, in order, one transaction, synced.
fn bare_insert(folder: &Path, rows: u64) -> (u64, f64) {
    let path = folder.join("bare.db");
    remove_store(&path);
    settle_disks();
    let (seconds, ()) = timed(|| {
        let mut database = Connection::open(&path).expect("the folder is ours");
        let table = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
            CREATE TABLE statement (agreement TEXT PRIMARY KEY, seq INTEGER, payer TEXT, valid_from INTEGER,
                valid_to INTEGER, amount INTEGER, other TEXT) STRICT, WITHOUT ROWID";
        database.execute_batch(table).expect("a good table");
        let transaction = database.transaction().expect("nobody else is there");
        {
            let mut insert =
                transaction.prepare("INSERT INTO statement VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6)").expect("good SQL");
            for number in 0..rows {
                let (key, payer) = (format!("0751{number:08}"), format!("{:010}", number % 4_000));
                let other = r#"{"case_reference":"S-2024-00001","kind":"BB","priority":"01"}"#;
                insert.execute((key, payer, 20_240_101, 0, 160_300, other)).expect("there is room");
            }
        }
        transaction.commit().expect("there is room");
    });
    remove_store(&path);
    (rows, seconds)
}

pub fn remove_store(path: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{ending}", path.display()));
    }
}
