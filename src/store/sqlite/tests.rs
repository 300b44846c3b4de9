//! What is SQLite's own: the file, its triggers, and that no row can be touched unseen.

use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::store::chain::Stored;
use crate::store::contract::{
    agreement, answers, applied, apply, contract_suite, day, entries, file_id, moment, order, stating,
};
use crate::store::{HouseFact, model};

contract_suite!(lend);

fn lend(test: fn(&mut dyn Store)) {
    let house = House::new();
    let mut store = house.open();
    test(&mut store);
    assert!(store.index_agrees().unwrap());
}

/// A folder with a store in it.
struct House(TempDir);

impl House {
    fn new() -> House {
        House(TempDir::new().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("sluse.db")
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path()).unwrap()
    }

    /// Another process, which knows nothing of what is allowed.
    fn raw(&self) -> Connection {
        let raw = Connection::open(self.path()).unwrap();
        raw.pragma_update(None, "foreign_keys", false).unwrap();
        raw
    }

    /// Somebody who has taken the triggers away and now runs this. Gives whether the last statement changed a row.
    fn forge(&self, sql: &str) -> bool {
        let raw = self.raw();
        let triggers: Vec<String> = raw
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for trigger in triggers {
            raw.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
        }
        raw.execute_batch(sql).unwrap();
        raw.changes() > 0
    }

    /// The files as a crash at this instant would leave them, opened elsewhere.
    fn after_a_crash(&self) -> (House, SqliteStore) {
        let copy = House::new();
        for name in ["sluse.db", "sluse.db-wal"] {
            std::fs::copy(self.0.path().join(name), copy.0.path().join(name)).unwrap();
        }
        let store = copy.open();
        (copy, store)
    }
}

const NOON: &str = "2026-02-01T12:00:00Z";
const ENTRIES: u64 = 5;

/// A store with five entries, the second about the house.
fn with_entries() -> House {
    let house = House::new();
    let exchange = |number| Body::Exchange { id: file_id(number), fact: Fact::DataUploaded };
    let shown = HouseFact::RegisterShownInFull { who: "uid 1".into(), reason: "asked".into(), municipality: None };
    let bodies = [exchange(1), Body::House(shown), exchange(2), exchange(3), exchange(1)];
    house.open().append(Head::genesis(), moment(NOON), &bodies).unwrap();
    house
}

/// The number of the entry at which a reader finds the chain broken.
fn broken_at(house: &House) -> Option<u64> {
    let read = SqliteReader::open(&house.path()).unwrap().entries(0, &mut |_| {});
    let opened = SqliteStore::open(&house.path());
    match (read, opened) {
        (Ok(_), Ok(_)) => None,
        (Err(StoreTrouble::Broken { seq, .. }), Err(StoreTrouble::Broken { seq: at_opening, .. })) => {
            assert_eq!(seq, at_opening);
            Some(seq)
        }
        (read, opened) => panic!("{read:?}, {:?}", opened.err()),
    }
}

#[test]
fn the_store_is_made_for_its_owner_alone() {
    let house = House::new();

    let store = house.open();

    let mode = std::fs::metadata(house.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let setting = |name: &str| store.database.conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((setting("synchronous"), setting("foreign_keys"), setting("user_version")), (2, 1, 2));
    let mode: String = store.database.conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn what_was_written_is_there_after_opening_again() {
    let house = with_entries();

    let store = house.open();

    assert_eq!(store.head().seq, ENTRIES);
    assert_eq!(entries(&store, 0).len(), ENTRIES as usize);
    assert_eq!(broken_at(&house), None);
}

/// The schema of layout 1, as released.
const LAYOUT_1: &str = include_str!("layout1.sql");

#[test]
fn a_store_of_layout_1_is_brought_up_with_all_that_it_holds_and_a_reader_says_who_does_that() {
    // Given what a former program left: the same rows, in its own layout
    let (now, former) = (House::new(), House::new());
    let mut store = now.open();
    apply(&mut store, &order(1, NOON), "2026-02-01", &[agreement("A", "", 100), agreement("B", "", 200)]);
    apply(&mut store, &order(2, "2026-03-01T12:00:00Z"), "2026-03-01", &[agreement("A", "", 150)]);
    let (written, known) = (entries(&store, 0), answers(&store, &Question::default()));
    drop(store);
    let raw = former.raw();
    raw.execute_batch(LAYOUT_1).unwrap();
    raw.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
    raw.execute("ATTACH DATABASE ?1 AS now", [now.path().to_str().unwrap()]).unwrap();
    for table in ["journal", "applied", "statement", "latest"] {
        raw.execute_batch(&format!("INSERT INTO main.{table} SELECT * FROM now.{table}")).unwrap();
    }
    raw.pragma_update(None, "user_version", 1).unwrap();
    drop(raw);

    // When it is read, and then opened by the writer
    assert!(matches!(SqliteReader::open(&former.path()), Err(StoreTrouble::Older { found: 1, known: 2 })));
    let mut store = former.open();

    // Then nothing of it is lost, its layout is that of a new one, and it goes on
    assert_eq!((entries(&store, 0), answers(&store, &Question::default())), (written, known));
    assert!(store.index_agrees().unwrap());
    apply(&mut store, &order(3, "2026-04-01T12:00:00Z"), "2026-04-01", &[agreement("A", "", 150)]);
    drop(store);
    let mut flaws = Vec::new();
    let reader = SqliteReader::open(&former.path()).unwrap();
    reader.verify(Vec::new(), &mut |flaw| flaws.push(flaw), &mut |_| {}).unwrap();
    let is_of_stories = |what: &str| what.ends_with("no entry before it says whose");
    assert!(flaws.iter().all(|flaw| is_of_stories(&flaw.what)), "{flaws:?}");
    assert_eq!(SqliteStore::open(&former.path()).unwrap().head().seq, 3);
}

#[test]
fn a_later_layout_and_a_strange_database_are_left_alone() {
    let later = House::new();
    later.open().database.conn.pragma_update(None, "user_version", 3).unwrap();
    let strange = House::new();
    strange.raw().execute_batch("CREATE TABLE somebody_elses (x)").unwrap();
    let no_database = House::new();
    std::fs::write(no_database.path(), "not a database, and longer than a hundred bytes ".repeat(9)).unwrap();

    assert!(matches!(SqliteStore::open(&later.path()), Err(StoreTrouble::Newer { found: 3, known: 2 })));
    assert!(matches!(SqliteReader::open(&later.path()), Err(StoreTrouble::Newer { found: 3, known: 2 })));
    let as_it_was = std::fs::read(strange.path()).unwrap();
    assert!(matches!(SqliteStore::open(&strange.path()), Err(StoreTrouble::Unusable { .. })));
    assert!(matches!(SqliteReader::open(&strange.path()), Err(StoreTrouble::Unusable { .. })));
    assert!(matches!(SqliteStore::open(&no_database.path()), Err(StoreTrouble::Damaged { .. })));
    assert!(matches!(SqliteReader::open(&no_database.path()), Err(StoreTrouble::Damaged { .. })));
    assert!(std::fs::read(strange.path()).unwrap() == as_it_was);
    let nothing = House::new();
    assert!(matches!(SqliteReader::open(&nothing.path()), Err(StoreTrouble::Missing { .. })));
    assert!(!nothing.path().exists(), "a reader makes nothing");
}

#[test]
fn an_edit_of_any_column_of_any_entry_is_found() {
    let edits = [
        "version = version + 1",
        "version = -1",
        "at = at + 1",
        "exchange = upper(exchange)",
        "exchange = '6f1c9d1e-7a53-4d0e-9d53-0c1f3f0a9b11'",
        "exchange = iif(exchange IS NULL, '', NULL)",
        "kind = kind || ' '",
        "kind = 'set_aside'",
        "body = body || ' '",
        "body = '{\"fact\":\"set_aside\"}'",
        "body = CAST(x'ff' AS TEXT)",
        "previous = zeroblob(32)",
        "previous = x'00'",
        "hash = zeroblob(32)",
        "hash = x'00'",
        "seq = 100",
        "seq = -1",
        "seq = 0",
    ];
    for edit in edits {
        for seq in 1..=ENTRIES {
            let house = with_entries();
            let (column, value) = edit.split_once(" = ").unwrap();
            let edited = house
                .forge(&format!("UPDATE journal SET {column} = {value} WHERE seq = {seq} AND {column} IS NOT {value}"));
            assert_eq!(broken_at(&house).is_some(), edited, "{edit}, entry {seq}");
        }
    }
}

#[test]
fn a_removed_entry_is_found_even_if_it_was_the_last() {
    for seq in 1..=ENTRIES {
        let house = with_entries();
        house.forge(&format!("DELETE FROM journal WHERE seq = {seq}"));
        assert!(broken_at(&house).is_some(), "entry {seq}");

        let closed_up = with_entries();
        closed_up.forge(&format!(
            "DELETE FROM journal WHERE seq = {seq};
             UPDATE journal SET seq = -seq + 1 WHERE seq > {seq};
             UPDATE journal SET seq = -seq WHERE seq < 0;"
        ));
        assert!(broken_at(&closed_up).is_some(), "entry {seq}, with the gap closed");
    }
    let emptied = with_entries();
    emptied.forge("DELETE FROM journal");
    assert_eq!(broken_at(&emptied), Some(0));
}

#[test]
fn an_inserted_entry_is_found() {
    const COPY: &str = "version, at, exchange, kind, body, previous, hash FROM journal";
    for seq in 1..=ENTRIES {
        let behind = with_entries();
        behind.forge(&format!("INSERT INTO journal SELECT 6, {COPY} WHERE seq = {seq}"));
        assert_eq!(broken_at(&behind), Some(6), "a copy of entry {seq} at the end");

        let between = with_entries();
        between.forge(&format!(
            "UPDATE journal SET seq = -seq WHERE seq >= {seq};
             UPDATE journal SET seq = -seq + 1 WHERE seq < 0;
             INSERT INTO journal SELECT {seq}, {COPY} WHERE seq = {seq} + 1;"
        ));
        assert!(broken_at(&between).is_some(), "a copy of entry {seq} before it");

        let in_front = with_entries();
        in_front.forge(&format!("INSERT INTO journal SELECT -7, {COPY} WHERE seq = {seq}"));
        assert_eq!(broken_at(&in_front), Some(1), "a copy of entry {seq} in front");
    }
}

#[test]
fn reordered_entries_are_found() {
    for first in 1..=ENTRIES {
        for second in first + 1..=ENTRIES {
            let house = with_entries();
            house.forge(&format!(
                "UPDATE journal SET seq = -1 WHERE seq = {first};
                 UPDATE journal SET seq = {first} WHERE seq = {second};
                 UPDATE journal SET seq = {second} WHERE seq = -1;"
            ));
            assert_eq!(broken_at(&house), Some(first), "{first} and {second}");
        }
    }
}

#[test]
fn an_entry_that_was_rewritten_with_a_fitting_hash_is_found_by_the_one_behind_it() {
    for seq in 1..ENTRIES {
        let house = with_entries();
        let mut chain = Vec::new();
        house.open().database.walk(0, &mut |stored, hash| chain.push((stored, hash))).unwrap();
        let previous = seq.checked_sub(2).map_or(Head::genesis().hash, |former| chain[former as usize].1);
        let forged = Stored { at_micros: 5, ..chain[seq as usize - 1].0.clone() };
        house.forge(&format!("UPDATE journal SET at = 5, hash = x'{}' WHERE seq = {seq}", forged.hash(previous)));
        assert_eq!(broken_at(&house), Some(seq + 1));
    }
}

#[test]
fn a_fact_of_another_version_is_not_understood_and_the_others_are() {
    let house = House::new();
    let mut store = house.open();
    let known = Body::Exchange { id: file_id(1), fact: Fact::DataUploaded };
    store.append(store.head(), moment(NOON), std::slice::from_ref(&known)).unwrap();
    for (version, kind, body) in [(1, "teleported", r#"{"fact":"teleported"}"#), (2, "data_uploaded", "{}")] {
        let (head, at_micros) = (store.head(), moment(NOON).as_micros());
        let (kind, body, exchange) = (kind.to_owned(), body.to_owned(), Some(file_id(2).to_string()));
        let later = Stored { seq: head.seq + 1, version, at_micros, exchange, kind, body };
        let hash = later.hash(head.hash);
        let values = rusqlite::params![
            later.seq,
            later.version,
            later.at_micros,
            later.exchange,
            later.kind,
            later.body,
            head.hash.as_bytes(),
            hash.as_bytes()
        ];
        house.raw().execute("INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", values).unwrap();
        assert!(matches!(
            store.append(head, moment(NOON), std::slice::from_ref(&known)),
            Err(StoreTrouble::Moved { expected, found }) if found == expected + 1
        ));
        store.entries(head.seq, &mut |_| {}).unwrap();
    }
    store.append(store.head(), moment(NOON), std::slice::from_ref(&known)).unwrap();

    let bodies: Vec<_> = entries(&store, 0).into_iter().map(|entry| entry.body).collect();

    assert_eq!((&bodies[0], &bodies[3]), (&known, &known));
    for (body, by) in bodies[1..3].iter().zip([1, 2]) {
        assert!(
            matches!(body, Body::NotUnderstood { id: Some(id), version, .. } if (*id, *version) == (file_id(2), by)),
            "{body:?}"
        );
    }
}

#[test]
fn nothing_is_applied_on_a_journal_that_somebody_else_has_moved() {
    let house = House::new();
    let (mut one, mut other) = (house.open(), house.open());
    apply(&mut one, &order(1, NOON), "2026-02-01", &[agreement("A", "", 100)]);

    let moved = other.apply(&order(2, NOON), &mut stating(day("2026-02-01"), &[]), &mut |_| panic!("no decision"));

    assert!(matches!(moved, Err(StoreTrouble::Moved { expected: 0, found: 1 })), "{moved:?}");
    other.entries(other.head().seq, &mut |_| {}).unwrap();
    assert_eq!(other.head(), one.head());
    apply(&mut other, &order(2, NOON), "2026-02-01", &[]);
}

#[test]
fn facts_and_history_can_be_neither_changed_nor_removed_nor_written_over() {
    let house = House::new();
    apply(&mut house.open(), &order(1, NOON), "2026-02-01", &[agreement("A", "", 100)]);

    for sql in [
        "UPDATE journal SET at = at",
        "DELETE FROM journal",
        "INSERT OR REPLACE INTO journal SELECT * FROM journal",
        "INSERT INTO journal SELECT 3, version, at, exchange, kind, body, previous, hash FROM journal",
        "UPDATE applied SET as_of = as_of",
        "DELETE FROM applied",
        "INSERT OR REPLACE INTO applied SELECT * FROM applied",
        "UPDATE statement SET payer = NULL",
        "DELETE FROM statement",
        "REPLACE INTO statement SELECT * FROM statement",
        "INSERT INTO statement SELECT number - 1, NULL, 'B', change, payer, valid_from, valid_to, amount_oere, other
            FROM statement",
        "INSERT INTO statement SELECT number << 1, NULL, 'B', change, payer, valid_from, valid_to, amount_oere, other
            FROM statement",
    ] {
        let refused = house.raw().execute(sql, []).unwrap_err().to_string();
        assert!(refused.contains("never") || refused.contains("only grows at its end"), "{sql}: {refused}");
    }
    assert_eq!(answers(&house.open(), &Question::default()), "A100");
}

#[test]
fn a_crash_before_the_commit_leaves_the_register_as_it_was_and_one_after_it_as_it_is() {
    let house = House::new();
    let mut store = house.open();
    apply(&mut store, &order(1, NOON), "2026-02-01", &[agreement("A", "", 100)]);
    let many: Vec<_> = (0..20_000).map(|number| agreement(&format!("{number:08}"), "", 200)).collect();

    let mut decide = |summary: &ChangeSummary| {
        let (_copy, before) = house.after_a_crash();
        assert_eq!(answers(&before, &Question::default()), "A100");
        assert_eq!(before.head().seq, 1);
        Some(applied(summary, day("2026-02-01")))
    };
    store.apply(&order(2, NOON), &mut stating(day("2026-02-01"), &many), &mut decide).unwrap();

    let (_copy, mut after) = house.after_a_crash();
    assert_eq!(after.head(), store.head());
    let (_, summary) = apply(&mut after, &order(3, NOON), "2026-02-01", &many);
    assert_eq!((summary.unchanged, summary.before_count), (20_000, 20_000));
}

#[test]
fn a_task_that_dies_in_the_middle_of_a_reply_leaves_nothing() {
    let house = House::new();
    let mut store = house.open();
    apply(&mut store, &order(1, NOON), "2026-02-01", &[agreement("A", "", 100)]);

    let died = catch_unwind(AssertUnwindSafe(|| {
        let mut stated = stating(day("2026-02-01"), &[agreement("B", "", 200)]);
        store.apply(&order(2, NOON), &mut stated, &mut |_| panic!("a fault of the guards'"))
    }));

    assert!(died.is_err());
    assert_eq!(answers(&store, &Question::default()), "A100");
    let (_, summary) = apply(&mut store, &order(3, NOON), "2026-02-01", &[agreement("B", "", 300)]);
    assert_eq!((summary.new, summary.ended), (1, 1));
    let again = "INSERT INTO statement SELECT * FROM statement";
    assert!(store.database.conn.execute_batch(again).is_err(), "the triggers are on again");
}

#[test]
fn a_store_without_room_is_as_it_was_and_goes_on_where_it_was_when_there_is_room() {
    // Given a store that may not grow
    let house = House::new();
    let mut store = house.open();
    apply(&mut store, &order(1, NOON), "2026-02-01", &[agreement("A", "", 100)]);
    let head = store.head();
    let many: Vec<_> = (0..5_000).map(|number| agreement(&format!("{number:08}"), "", 200)).collect();
    let limit = |store: &SqliteStore, pages: i64| {
        store.database.conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    };
    let pages: i64 = store.database.conn.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    limit(&store, pages);

    // When more is written than there is room for
    let long = Body::House(HouseFact::StoodStill { since: moment(NOON), why: "x".repeat(100_000) });
    let appended = store.append(head, moment(NOON), std::slice::from_ref(&long));
    let compared = store.apply(&order(2, NOON), &mut stating(day("2026-02-01"), &many), &mut |summary| {
        Some(applied(summary, day("2026-02-01")))
    });

    // Then nothing has happened
    assert!(matches!(&appended, Err(StoreTrouble::Unusable { .. })), "{appended:?}");
    assert!(matches!(&compared, Err(StoreTrouble::Unusable { .. })), "{compared:?}");
    assert_eq!((store.head(), answers(&store, &Question::default())), (head, "A100".to_owned()));

    // And everything can, on the same connection, when there is room
    limit(&store, 1_000_000);
    store.append(head, moment(NOON), &[long]).unwrap();
    let (_, summary) = apply(&mut store, &order(2, NOON), "2026-02-01", &many);
    assert_eq!((summary.new, summary.ended), (5_000, 1));
    assert!(store.index_agrees().unwrap());
}

#[test]
fn a_reader_works_beside_the_writer_and_sees_whole_replies_only() {
    let house = House::new();
    let mut store = house.open();
    apply(&mut store, &order(1, NOON), "2026-02-01", &[agreement("A", "", 100)]);
    let reader = SqliteReader::open(&house.path()).unwrap();
    let read = |reader: &SqliteReader| {
        let mut keys = Vec::new();
        reader.register(&Question::default(), &mut |answer| keys.push(answer.agreement.key.0)).unwrap();
        (reader.entries(0, &mut |_| {}).unwrap().seq, keys.concat())
    };

    let mut stated = stating(day("2026-02-01"), &[agreement("B", "", 200)]);
    let mut decide = |summary: &ChangeSummary| {
        assert_eq!(read(&reader), (1, "A".into()));
        Some(applied(summary, day("2026-02-01")))
    };
    store.apply(&order(2, NOON), &mut stated, &mut decide).unwrap();

    assert_eq!(read(&reader), (2, "B".into()));
}

#[test]
fn the_index_is_only_an_index() {
    let house = House::new();
    let mut store = house.open();
    apply(&mut store, &order(1, NOON), "2026-02-01", &[agreement("A", "", 100), agreement("B", "", 100)]);
    apply(&mut store, &order(2, NOON), "2026-02-01", &[agreement("A", "", 150)]);
    for damage in ["DELETE FROM latest", "UPDATE latest SET leaf = x'00'", "UPDATE latest SET first = 'AA'"] {
        house.raw().execute_batch(damage).unwrap();
        assert!(!store.index_agrees().unwrap(), "{damage}");

        store.rebuild_index().unwrap();

        assert!(store.index_agrees().unwrap());
    }
    let (_, summary) = apply(&mut store, &order(3, NOON), "2026-02-01", &[agreement("A", "", 150)]);
    assert_eq!((summary.unchanged, summary.ended), (1, 0));
}

#[test]
fn what_cannot_be_read_is_told_without_being_repeated() {
    let house = House::new();
    apply(&mut house.open(), &order(1, NOON), "2026-02-01", &[agreement("000000001001", "", 100)]);
    for damage in ["payer = '3107614285x'", "other = '\"3107614285x\"'", "valid_from = 31076142"] {
        house.forge(&format!("UPDATE statement SET {damage}"));
        let mut store = house.open();

        let asked = store.register(&Question::default(), &mut |_| {}).unwrap_err();
        let compared = store.apply(&order(2, NOON), &mut stating(day("2026-02-01"), &[]), &mut |_| None).unwrap_err();

        for told in [format!("{asked} {asked:?}"), format!("{compared} {compared:?}")] {
            assert!(!told.contains("31076142") && !told.contains("1001"), "{told}");
        }
    }
}

/// How SQLite would answer it.
fn plan_of(store: &SqliteStore, sql: &str) -> String {
    let mut explain = store.database.conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let nothing = vec![rusqlite::types::Null; explain.parameter_count()];
    let steps: Vec<String> = explain
        .query_map(rusqlite::params_from_iter(nothing), |row| row.get("detail"))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    steps.join("; ")
}

#[test]
fn a_question_about_one_payment_date_looks_up_its_entries_and_goes_along_no_table() {
    let store = House::new().open();

    assert_eq!(plan_of(&store, about::FIRST), "SEARCH journal USING INDEX journal_by_payment_date (<expr>=?)");
    let plan = plan_of(&store, about::BEFORE);
    assert!(plan.contains("SEARCH journal USING INDEX journal_of_exchange (exchange=?)"), "{plan}");
    assert!(plan.contains("USING INTEGER PRIMARY KEY (rowid>?)") && !plan.contains("SCAN"), "{plan}");
}

#[test]
fn a_store_that_was_made_without_the_indexes_of_today_gets_them_and_is_none_the_worse() {
    let house = with_entries();
    house.raw().execute_batch("DROP INDEX journal_of_exchange; DROP INDEX journal_by_payment_date").unwrap();

    let store = house.open();

    let mut flaws = Vec::new();
    store.database.verify(vec![], &mut |flaw| flaws.push(format!("{flaw:?}")), &mut |_| ()).unwrap();
    assert_eq!(flaws, Vec::<String>::new());
}

#[test]
fn no_query_over_a_whole_register_sorts_it() {
    let house = House::new();
    let store = house.open();
    for sql in [
        compare::FIRST_LEAF,
        compare::NEXT_LEAF,
        written::STATEMENT,
        register::LEAVES,
        register::ONE,
        register::CHANGES,
    ] {
        let plan = plan_of(&store, sql);
        assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN s "), "{sql}\n{plan}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_replies_is_answered_as_by_a_calendar(rounds in model::rounds()) {
        let house = House::new();
        let mut store = house.open();
        model::answers_as_the_model_does(&mut store, &rounds);
        prop_assert!(store.index_agrees().unwrap());
    }
}
