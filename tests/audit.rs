//! A store that somebody has been at: no edited, removed, inserted or reordered entry is overlooked, and no row of the
//! register, on what the daemon wrote in real rounds. What cannot be found, and by what it can, is tried too.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

#[path = "audit/forge.rs"]
mod forge;
#[path = "audit/mutations.rs"]
mod mutations;
mod rig;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use forge::{Forge, Found};
use mutations::Mutation;
use rig::{Chapter, FarPlan, Ground, Remains, Row, files_below, in_each, payment_date, record};
use rusqlite::Connection;
use sluse::config::{Depth, Settings};
use sluse::durable::RealDisk;
use sluse::engine::desk::Office;
use sluse::engine::rebuild::{Rebuilt, rebuild};
use sluse::engine::site::Surroundings;
use sluse::store::SqliteReader;
use sluse::store::anchor::AnchorLine;
use sluse::store::audit::Part;
use tempfile::TempDir;

/// As many as are at work at once.
const WORKERS: [usize; 4] = [0, 1, 2, 3];

/// What a daemon left behind after two municipalities had asked twice and somebody had looked at the register. Made once
/// for all tests.
fn remains() -> &'static Remains {
    static REMAINS: OnceLock<Remains> = OnceLock::new();
    REMAINS.get_or_init(|| {
        let ground = Ground::lay(&["0101", "0751"], FarPlan { agreements: 12, ..FarPlan::default() });
        let mut daemon = ground.start();
        for round in 1..=2 {
            for municipality in &ground.sides[0].municipalities {
                ground.ask_for(*municipality, payment_date(round));
            }
            for municipality in &ground.sides[0].municipalities {
                ground.until_state(*municipality, round as usize, "done");
            }
        }
        let shown = ground.command_that_may_name(&["register", "--full", "--reason", "an audit is tried"]);
        assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
        daemon.terminate();
        Remains::of(&ground)
    })
}

/// The remains, laid out anew for one test.
struct House(TempDir);

impl House {
    fn lay() -> House {
        House(remains().lay())
    }

    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(path)
    }

    fn forge(&self) -> Forge {
        Forge::of(&self.path(STORE))
    }

    /// The office of this house, its store being this one.
    fn office(&self, forge: &Forge) -> Office {
        let config = self.path(CONFIG);
        let mut settings =
            Settings::read(&config, &|_| None, Depth::Values).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        settings.store.path = forge.path();
        Office::open(settings, Arc::new(RealDisk), Surroundings::real())
            .unwrap_or_else(|_| panic!("the shipped layouts"))
    }
}

const STORE: &str = "state/sluse.db";
const CONFIG: &str = "sluse.toml";

fn anchors(entries: &[Found]) -> Vec<AnchorLine> {
    entries.iter().map(Found::anchor_line).collect()
}

/// How often each fault was tried, and how often it was found.
#[derive(Default)]
struct Tally(Mutex<BTreeMap<(String, &'static str), u64>>);

impl Tally {
    fn note(&self, fault: &str, outcome: &'static str) {
        *self.0.lock().unwrap().entry((fault.to_owned(), outcome)).or_default() += 1;
    }

    /// Keeps a row of evidence each, and gives how many there were.
    fn keep(self) -> u64 {
        let counted = self.0.into_inner().unwrap();
        for ((fault, outcome), tried) in &counted {
            let lost = if *outcome == OVERLOOKED { *tried } else { 0 };
            record(&Row { tried: *tried, lost, ..Row::once(Chapter::Audit, fault.clone(), *outcome) });
        }
        counted.values().sum()
    }
}

const FOUND: &str = "found by `sluse audit verify`, which names the entry";
const FOUND_BY_ANCHOR: &str = "found by `sluse audit verify` with an anchor, not without";
const FOUND_BY_REBUILD: &str = "found by `sluse rebuild`, which names reply and municipality";
const OVERLOOKED: &str = "overlooked";

#[test]
fn no_entry_is_edited_removed_inserted_or_reordered_unseen() {
    // Given the journal of real rounds, and an anchor with a line for each of its entries
    let house = House::lay();
    let whole = house.forge();
    let entries = whole.entries();
    let anchor = anchors(&entries);
    let (verified, flaws) = whole.verify(&anchor);
    assert_eq!(flaws, [], "what nobody was at");
    assert_eq!((verified.entries, verified.anchors_met), (entries.len() as u64, entries.len() as u64));
    assert_eq!(verified.head, anchor.last().copied());

    // When somebody changes it in any one way
    let mutations = mutations::all(&entries);
    let tally = Tally::default();
    in_each(&WORKERS, |worker| {
        let forge = house.forge();
        for mutation in mutations.iter().skip(worker).step_by(WORKERS.len()) {
            forge.restore();
            forge.tamper(&mutation.change);
            tally.note(mutation.fault, found(&forge, mutation, &anchor));
        }
    });

    // Then each is found
    let tried = tally.keep();
    assert!(tried > 2_000, "{tried} changes of {} entries", entries.len());
    eprintln!("{tried} changes of {} entries, each found", entries.len());
}

/// That it is found, and by what.
fn found(forge: &Forge, mutation: &Mutation, anchor: &[AnchorLine]) -> &'static str {
    let Mutation { fault, case, entry, without_anchor, .. } = mutation;
    let (_, alone) = forge.verify(&[]);
    let names = |flaws: &[sluse::store::audit::Flaw]| flaws.iter().any(|flaw| flaw.entry == *entry);
    if *without_anchor {
        assert!(names(&alone), "{fault}, {case}: {alone:?}");
        assert!(alone.iter().all(|flaw| flaw.part != Part::File), "{fault}, {case}: {alone:?}");
        return FOUND;
    }
    assert_eq!(alone, [], "{fault}, {case}: an anchor would not be needed");
    let (_, anchored) = forge.verify(anchor);
    assert!(names(&anchored), "{fault}, {case}: {anchored:?}");
    // The last line alone, as a person has written it down, is enough to know that something is wrong.
    let (_, by_last) = forge.verify(&anchor[anchor.len() - 1..]);
    assert_eq!(by_last.len(), 1, "{fault}, {case}: {by_last:?}");
    FOUND_BY_ANCHOR
}

#[test]
fn a_store_whose_rules_were_taken_away_or_whose_columns_hold_something_else_is_read_and_told() {
    let forge = House::lay().forge();
    let tally = Tally::default();

    for (fault, sql) in [
        ("a trigger removed that keeps the journal from being changed", "DROP TRIGGER journal_is_never_updated"),
        (
            "a trigger replaced by one that allows everything",
            "DROP TRIGGER journal_is_never_deleted;
            CREATE TRIGGER journal_is_never_deleted BEFORE DELETE ON journal BEGIN SELECT 1; END",
        ),
        ("a table added", "CREATE TABLE mine (x)"),
        ("an index removed", "DROP INDEX applied_of_route"),
        ("the register's table of replies removed", "DROP TABLE applied"),
        ("the index of last statements emptied", "DELETE FROM latest"),
        ("the memory of the last number given removed", "DELETE FROM sqlite_sequence"),
        ("the memory of the last number given doubled", "INSERT INTO sqlite_sequence VALUES ('journal', 3)"),
    ] {
        forge.restore();
        forge.tamper(|conn| conn.execute_batch(sql).unwrap());
        assert!(!forge.verify(&[]).1.is_empty(), "{fault}");
        tally.note(fault, "found by `sluse audit verify`");
    }
    for column in ["version", "at", "exchange", "kind", "body", "previous", "hash"] {
        for value in ["NULL", "'text'", "x'FFFE'", "7", "0.5"] {
            forge.restore();
            without_types(&forge, &format!("UPDATE journal SET {column} = {value} WHERE seq = 5"));
            let (_, flaws) = forge.verify(&[]);
            assert!(flaws.iter().any(|flaw| flaw.entry == Some(5)), "{column} {value}: {flaws:?}");
            tally.note("a column filled with what it cannot hold", FOUND);
        }
    }
    tally.keep();
}

/// Runs this on tables that take anything, which afterwards claim to be strict again.
fn without_types(forge: &Forge, sql: &str) {
    let strict: String = forge.tamper_schema(|text| text.replace("STRICT", "").replace(" NOT NULL", ""));
    forge.tamper(|conn| assert_eq!(conn.execute(sql, []).unwrap(), 1));
    forge.tamper_schema(|_| strict.clone());
}

#[test]
fn bytes_that_are_overwritten_in_the_file_never_make_an_audit_panic() {
    let forge = House::lay().forge();
    let whole = fs::read(forge.path()).unwrap();
    let entries = forge.entries();
    let tally = Tally::default();

    // Single bytes and runs of them, all over the file
    for at in (100..whole.len()).step_by(97) {
        let mut bytes = whole.clone();
        let end = (at + if at % 2 == 0 { 1 } else { 64 }).min(bytes.len());
        bytes[at..end].iter_mut().for_each(|byte| *byte ^= 0x5A);
        fs::write(forge.path(), &bytes).unwrap();
        let audit =
            SqliteReader::open(&forge.path()).and_then(|reader| reader.verify(vec![], &mut |_| {}, &mut |_| {}));
        let is_told = audit.map_or(true, |verified| verified.flaws > 0);
        // Most of a small file is room that nothing stands in; a row of the register is for the rebuild to find.
        assert!(is_told || forge.entries() == entries, "byte {at} changed the journal, and nothing is told");
        tally.note(
            "bytes of the database file overwritten anywhere",
            if is_told { "told by `sluse audit verify`, without a panic" } else { "no entry was hit" },
        );
    }

    tally.keep();
}

fn rebuilt(office: &Office) -> Rebuilt {
    rebuild(office, &mut |_| {}).unwrap()
}

#[test]
fn no_row_of_the_register_is_edited_added_or_removed_unseen() {
    // Given the register of real rounds, which is what its replies make it
    let house = House::lay();
    let whole = house.forge();
    let all = rebuilt(&house.office(&whole));
    assert_eq!(all.findings, []);
    assert_eq!(all.replies, 4);
    let rows = rows_of(&whole);
    assert!(all.rows == rows.len() as u64 && rows.len() > 20, "{all:?}");
    assert!(!whole.path().with_file_name("sluse.db.rebuild").exists(), "nothing is left");

    // When somebody changes a row of it
    let changes = changes_of_rows(&rows);
    let (tally, by_verify) = (Tally::default(), Mutex::new(0_u64));
    in_each(&WORKERS, |worker| {
        let forge = house.forge();
        let office = house.office(&forge);
        for (fault, sql, seq) in changes.iter().skip(worker).step_by(WORKERS.len()) {
            forge.restore();
            forge.tamper(|conn| conn.execute_batch(sql).unwrap());
            let all = rebuilt(&office);
            assert!(all.findings.iter().any(|finding| finding.entry == Some(*seq)), "{sql}: {all:?}");
            assert!(all.findings.iter().all(|finding| !finding.what.contains("0707614285")), "{all:?}");
            tally.note(fault, FOUND_BY_REBUILD);
            *by_verify.lock().unwrap() += u64::from(!forge.verify(&[]).1.is_empty());
        }
    });

    // Then each is found
    let tried = tally.keep();
    let by_verify = by_verify.into_inner().unwrap();
    assert_eq!(tried, changes.len() as u64);
    eprintln!("{tried} changes of {} rows, each found by rebuild, {by_verify} already by verify", rows.len());
    assert!(by_verify * 2 > tried, "the cheap checks of `audit verify` found {by_verify} of {tried}");
    let outcome = "found by `sluse audit verify` already, without the archive";
    let fault = "a row of the register edited, added or removed";
    record(&Row { tried: by_verify, ..Row::once(Chapter::Audit, fault, outcome) });
}

/// Each row of the register: its number, and its entry.
type RowPlace = (i64, i64);

fn rows_of(forge: &Forge) -> Vec<RowPlace> {
    let conn = Connection::open(forge.path()).unwrap();
    let mut select = conn.prepare("SELECT number, seq FROM history ORDER BY number").unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// Fault, statement, and the entry that must be named.
fn changes_of_rows(rows: &[RowPlace]) -> Vec<(&'static str, String, i64)> {
    let edits = [
        "change = CASE change WHEN 'new' THEN 'changed' ELSE 'new' END",
        "payer = CASE payer WHEN '0707614285' THEN NULL ELSE '0707614285' END",
        "valid_from = coalesce(valid_from, 20260101) + 1",
        "valid_to = coalesce(valid_to, 20260101) + 1",
        "amount_oere = coalesce(amount_oere, 0) + 1",
        "other = '{\"invented\":\"1\"}'",
        "agreement = agreement || '1'",
        "former = coalesce(former, 1) + 1",
        "number = number + (1 << 32)",
        "number = number + 1000",
    ];
    let mut changes = Vec::new();
    for (number, (row, seq)) in rows.iter().enumerate() {
        let place = format!("number = {row}");
        changes.push(("a row of the register removed", format!("DELETE FROM statement WHERE {place}"), *seq));
        // Three columns of each row, so that each column is tried in every kind of row.
        for edit in edits.iter().cycle().skip(number * 5).step_by(5).take(3) {
            changes.push(("a row of the register edited", format!("UPDATE statement SET {edit} WHERE {place}"), *seq));
        }
        let added = format!(
            "INSERT INTO statement SELECT number + 1000, former, agreement || 'X', change, payer, valid_from, valid_to,
             amount_oere, other FROM statement WHERE {place}"
        );
        if number % 3 == 0 {
            changes.push(("a row of the register added", added, *seq));
        }
    }
    let mut replies: Vec<i64> = rows.iter().map(|(_, seq)| *seq).collect();
    replies.dedup();
    for seq in replies {
        for edit in ["known_at = known_at + 1", "as_of = as_of - 1", "municipality = '0461'"] {
            let sql = format!("UPDATE applied SET {edit} WHERE seq = {seq}");
            changes.push(("a reply's mark in the register edited", sql, seq));
        }
        changes.push(("a reply's mark in the register removed", format!("DELETE FROM applied WHERE seq = {seq}"), seq));
    }
    changes
}

#[test]
fn archived_files_that_are_missing_or_altered_are_named_and_the_rest_is_compared() {
    let house = House::lay();
    let forge = house.forge();
    let office = house.office(&forge);
    let files = files_below(&house.path("state/archive"));
    let archived: Vec<_> = files.iter().filter(|path| path.extension().is_none_or(|end| end != "metadata")).collect();
    assert!(!archived.is_empty(), "there is something to alter");
    assert_eq!(rebuilt(&office).files, archived.len() as u64, "{archived:?}");

    for path in &archived {
        let whole = fs::read(path).unwrap();
        let mut altered = whole.clone();
        let middle = altered.len() / 2;
        altered[middle] ^= 1;
        fs::write(path, &altered).unwrap();
        assert_named(&rebuilt(&office), path, "no longer");
        fs::remove_file(path).unwrap();
        assert_named(&rebuilt(&office), path, "cannot be read");
        fs::write(path, &whole).unwrap();
    }

    assert_eq!(rebuilt(&office).findings, []);
    for fault in ["an archived file altered by one bit", "an archived file removed"] {
        let outcome = "found by `sluse rebuild`, which names the file";
        record(&Row { tried: archived.len() as u64, ..Row::once(Chapter::Audit, fault, outcome) });
    }
}

fn assert_named(rebuilt: &Rebuilt, path: &Path, how: &str) {
    let findings = &rebuilt.findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(!findings[0].what.contains("layout"), "the file was altered, not the layout: {findings:?}");
    assert!(findings[0].what.contains(&path.display().to_string()), "{findings:?}");
    assert!(findings[0].what.contains(how), "{findings:?}");
    assert_eq!(findings[0].rows, 0, "what cannot be compared is not called different: {findings:?}");
}

/// What a command says beside a running daemon, and its exit status.
fn sluse(ground: &Ground, arguments: &[&str]) -> (String, i32) {
    let config = ground.path(CONFIG);
    let run = Command::new(env!("CARGO_BIN_EXE_sluse")).arg("--config").arg(config).args(arguments).output().unwrap();
    let said = [run.stdout, run.stderr].concat();
    (String::from_utf8(said).unwrap(), run.status.code().unwrap())
}

#[test]
fn a_person_verifies_and_rebuilds_beside_the_daemon_and_keeps_the_head_as_an_anchor() {
    // Given a daemon at work
    let ground = Ground::lay(&["0751"], FarPlan { agreements: 4, ..FarPlan::default() });
    let mut daemon = ground.start();
    ground.ask_for(ground.municipality(), payment_date(1));
    ground.until_state(ground.municipality(), 1, "done");

    // When a person looks, and writes the head down
    let (said, status) = sluse(&ground, &["audit", "verify"]);
    assert!(said.starts_with("The journal holds: ") && status == 0, "{said}");
    let line = said.lines().last().unwrap().trim().to_owned();
    let anchor = ground.path("anchor");
    fs::write(&anchor, format!("{line}\n")).unwrap();
    let anchor = anchor.to_str().unwrap();
    assert_eq!(sluse(&ground, &["rebuild"]).1, 0);

    // Then that line is met while the journal goes on
    ground.ask_for(ground.municipality(), payment_date(2));
    ground.until_state(ground.municipality(), 2, "done");
    let (said, status) = sluse(&ground, &["audit", "verify", "--anchor", anchor, "--json"]);
    let read: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((read["anchor"]["met"].as_u64(), read["flaw_count"].as_u64(), status), (Some(1), Some(0), 0), "{said}");

    // And a journal written anew does not meet it
    daemon.terminate();
    let conn = forge::open_raw(&ground.path(STORE));
    conn.execute("UPDATE journal SET body = body || ' ' WHERE seq = 1", []).unwrap();
    forge::rechain(&conn, 1);
    drop(conn);
    // Whoever can write the journal may be able to take the anchor beside it away.
    let beside = ground.path("state/journal.anchor");
    let _ = fs::remove_file(&beside);
    assert_eq!(sluse(&ground, &["audit", "verify"]).1, 0);
    let (said, status) = sluse(&ground, &["audit", "verify", "--anchor", anchor]);
    assert!(said.contains("it, or one before it, was written anew") && status == 1, "{said}");

    // And the one in the state folder is used without being named
    fs::copy(anchor, beside).unwrap();
    assert_eq!(sluse(&ground, &["audit", "verify"]).1, 1);
    assert_eq!(sluse(&ground, &["audit", "verify", "--anchor", "/nonexistent"]).1, 2);
}
