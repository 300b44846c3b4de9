//! Journals of other versions: what a released one wrote is read for ever, and what is not understood holds its own
//! exchange and nothing else.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

#[path = "audit/forge.rs"]
mod forge;
mod rig;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rig::{Chapter, FarPlan, Ground, Row, in_each, payment_date, record, until, until_within};
use rusqlite::{Connection, params};
use serde::Deserialize;
use sluse::domain::exchange::Book;
use sluse::domain::identity::{ContentHash, FileId};
use sluse::engine::control::{Answer, Request};
use sluse::engine::decide::Verdict;
use sluse::engine::offline::fold;
use sluse::engine::snapshot::{Choice, HeldItem};
use sluse::store::anchor::AnchorLine;
use sluse::store::audit::Part;
use sluse::store::chain::Stored;
use sluse::store::{Head, Reading, SqliteReader, SqliteStore};
use tempfile::TempDir;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/journals");

/// A line of a journal that is kept.
#[derive(Deserialize)]
struct Line {
    seq: u64,
    version: u32,
    at: i64,
    exchange: Option<String>,
    kind: String,
    body: String,
    hash: ContentHash,
}

/// A store with the journal of this file.
fn store_of(journal: &str) -> (TempDir, Vec<String>) {
    let text = std::fs::read_to_string(Path::new(FIXTURES).join(journal)).unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sluse.db");
    drop(SqliteStore::open(&path).unwrap());
    let conn = forge::open_raw(&path);
    let mut previous = Head::genesis().hash;
    let mut kinds = Vec::new();
    for line in text.lines() {
        let Line { seq, version, at, exchange, kind, body, hash } = serde_json::from_str(line).unwrap();
        kinds.push(kind.clone());
        forge::insert(&conn, &Stored { seq, version, at_micros: at, exchange, kind, body }, previous, hash);
        previous = hash;
    }
    (folder, kinds)
}

/// What a book says, one line for each exchange and each register, in words that do not change with the texts.
fn told(book: &Book) -> String {
    let mut told = String::new();
    let mut exchanges: Vec<_> = book.all().collect();
    exchanges.sort_by_key(|exchange| (exchange.begun, exchange.id));
    let mut routes = BTreeSet::new();
    for exchange in exchanges {
        routes.insert(exchange.route.clone());
        let state = exchange.state.name();
        let (attempts, receipts, replies) = (exchange.attempts, exchange.receipts.len(), exchange.arrivals.len());
        let waived = exchange.waived.len();
        writeln!(
            told,
            "{} {}: {state} since {}; {attempts} attempts, {receipts} receipts, {replies} replies, \
             {waived} reasons waived, live: {}",
            exchange.id,
            exchange.route,
            exchange.since,
            exchange.is_live_query(),
        )
        .unwrap();
        for reason in exchange.held().into_iter().flatten() {
            writeln!(told, "  {}", serde_json::to_string(&reason).unwrap()).unwrap();
        }
    }
    for route in routes {
        let register = book.register(&route).map(|mark| {
            format!("entry {}, as of {}, delivery {:?}", mark.head, mark.as_of, mark.delivery.map(|number| number.0))
        });
        let next = book.next_delivery(&route);
        writeln!(told, "{route}: register {}; next delivery {next}", register.as_deref().unwrap_or("empty")).unwrap();
    }
    told
}

#[test]
fn the_journal_that_version_1_wrote_says_what_it_said_then() {
    // Given a journal in which every fact of version 1 stands
    let (folder, kinds) = store_of("v1.jsonl");
    let kinds: BTreeSet<_> = kinds.into_iter().collect();
    assert_eq!(kinds.len(), 27, "26 facts of exchanges, one of the house: {kinds:?}");

    // When this version reads it
    let store = SqliteStore::open(&folder.path().join("sluse.db")).unwrap();
    let book = fold(&store).unwrap();

    // Then it means what it meant, down to the last exchange
    assert_eq!(book.all_broken().collect::<Vec<_>>(), []);
    let golden = Path::new(FIXTURES).join("v1.book.txt");
    if std::env::var_os("SLUSE_UPDATE").is_some() {
        std::fs::write(&golden, told(&book)).unwrap();
    }
    assert_eq!(told(&book), std::fs::read_to_string(golden).unwrap());
    let reader = SqliteReader::open(&folder.path().join("sluse.db")).unwrap();
    let mut flaws = Vec::new();
    let verified = reader.verify(Vec::new(), &mut |flaw| flaws.push(flaw), &mut |_| {}).unwrap();
    assert_eq!(verified.not_understood, 0);
    assert!(flaws.iter().all(|flaw| flaw.part == Part::Register), "its register was not kept: {flaws:?}");
}

/// What is written that this version does not understand.
#[derive(Clone, Copy, Debug)]
enum Strange {
    UnknownFact,
    LaterVersion,
    MissingField,
}

/// Where in the story of an exchange it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// Instead of the first entry, so that the story has no beginning.
    First,
    /// Behind all others.
    Last,
}

#[test]
fn an_entry_that_is_not_understood_holds_its_exchange_and_nothing_else() {
    use Place::{First, Last};
    use Strange::{LaterVersion, MissingField, UnknownFact};

    let cases = [
        (UnknownFact, First),
        (LaterVersion, First),
        (MissingField, First),
        (UnknownFact, Last),
        (LaterVersion, Last),
        (MissingField, Last),
    ];
    in_each(&cases, |(strange, place)| {
        // Given a query that the far side has, and a journal in which one entry of it is not understood
        let mut ground = Ground::lay(&["0101", "0751"], FarPlan { hub: false, agreements: 5, ..FarPlan::default() });
        let municipalities = ground.sides[0].municipalities.clone();
        let (same, other) = (municipalities[0], municipalities[1]);
        let mut daemon = ground.start();
        ground.ask_for(same, payment_date(1));
        let held = ground.until_state(same, 1, "submitted").id;
        daemon.terminate();
        let store = ground.path("state/sluse.db");
        let last = write_strange(&store, held, strange, place);

        // When a daemon is started on it, and the hub answers everything that it has got
        ground.far_mut().open_hub(&[]);
        let mut daemon = ground.start();
        daemon.until_said("running");

        // Then that exchange is held, and says what to do
        let item = ground.held().into_iter().find(|item| item.id == held).unwrap();
        assert_eq!((item.id, item.state.as_str(), item.choice), (held, "held", Choice::Nothing), "{item:?}");
        assert_told(&ground, &item);

        // And the others of this and of another municipality go on to their end
        ground.ask_for(same, payment_date(2));
        ground.ask_for(other, payment_date(1));
        until_done(&ground, 2);

        // And nothing is done for the held one, though its answer has come; it was sent once
        let in_in = || ground.far().names_in_in();
        let receipt = "BETADM_FORESP_0101_20260105_0001.txt.sftpreceipt".to_owned();
        until("the receipt of the held query", || in_in().contains(&receipt).then_some(()));
        until("that it is left there, and told", || waiting_in_in(&ground).contains(&receipt).then_some(()));
        let says_whose = !matches!((strange, place), (UnknownFact, First));
        if says_whose {
            let why = format!("exchange {held}, whose journal is not understood");
            until("that its reply is too", || waiting_in_in(&ground).contains(&why).then_some(()));
            assert_eq!(ground.held().len(), 1, "nobody is asked about what belongs to it");
        }
        assert_eq!(entries_of(&store, held), last, "an entry was put behind what is not understood");
        ground.far().assert_each_trigger_once();
        assert_eq!(ground.far().count(same, payment_date(1)), 1);
        daemon.terminate();
        let (said, status) = sluse(&ground, &["audit", "verify"]);
        assert!(status == 0 && said.contains("1 entry of another version"), "{said}");

        let done = ground.book().all().filter(|exchange| exchange.state.name() == "done").count();
        let outcome = format!("{}, the {done} other exchanges done", item.state);
        let fault = format!("a journal entry that is not understood: {}", words(strange, place));
        record(&Row { persons: 1, ..Row::once(Chapter::Audit, fault, outcome) });
    });
}

/// Waits until so many exchanges are done.
fn until_done(ground: &Ground, number: usize) {
    until_within(Duration::from_secs(90), &format!("{number} exchanges to be done"), || {
        (ground.book().all().filter(|exchange| exchange.state.name() == "done").count() == number).then_some(())
    });
}

fn words(strange: Strange, place: Place) -> String {
    let strange = match strange {
        Strange::UnknownFact => "an unknown fact",
        Strange::LaterVersion => "version 999",
        Strange::MissingField => "a known fact without one of its fields",
    };
    let place = match place {
        Place::First => "at the beginning of a story",
        Place::Last => "in the middle of a story",
    };
    format!("{strange}, {place}")
}

/// Writes what is not understood into the store of a daemon that has ended. Gives how many entries the exchange has.
fn write_strange(store: &Path, id: FileId, strange: Strange, place: Place) -> u64 {
    let conn = forge::open_raw(store);
    let id_text = id.to_string();
    match place {
        Place::Last => {
            let (version, kind, body) = match strange {
                Strange::UnknownFact => (1, "teleported", r#"{"fact":"teleported","to":"the moon"}"#),
                Strange::LaterVersion => (999, "data_uploaded", r#"{"fact":"data_uploaded"}"#),
                Strange::MissingField => (1, "trigger_staged", r#"{"fact":"trigger_staged"}"#),
            };
            forge::append(&conn, version, Some(&id_text), kind, body);
        }
        Place::First => {
            let entries = forge::entries(&conn);
            let first = entries.iter().find(|found| found.stored.exchange.as_deref() == Some(&id_text)).unwrap();
            let (seq, body) = (first.stored.seq, first.stored.body.clone());
            let (column, value) = match strange {
                Strange::UnknownFact => ("body", r#"{"fact":"teleported","to":"the moon"}"#.to_owned()),
                Strange::LaterVersion => ("version", "999".to_owned()),
                Strange::MissingField => ("body", body.replace("\"delivery\"", "\"number\"")),
            };
            conn.execute(&format!("UPDATE journal SET {column} = ?2 WHERE seq = ?1"), params![seq, value]).unwrap();
            forge::rechain(&conn, seq);
        }
    }
    // The other version has kept its own anchor, which says what its journal does.
    let mut last = None;
    SqliteReader::open(store).unwrap().entries(0, &mut |entry| last = Some(AnchorLine::from(&entry))).unwrap();
    std::fs::write(store.with_file_name("journal.anchor"), format!("{}\n", last.unwrap())).unwrap();
    entries_in(&conn, id)
}

fn entries_of(store: &Path, id: FileId) -> u64 {
    entries_in(&Connection::open(store).unwrap(), id)
}

fn entries_in(conn: &Connection, id: FileId) -> u64 {
    let count = "SELECT count(*) FROM journal WHERE exchange = ?1";
    conn.query_row(count, [id.to_string()], |row| row.get(0)).unwrap()
}

/// That every command that a person would look with says that it is held, and none lets it pass.
fn assert_told(ground: &Ground, item: &HeldItem) {
    let id = item.id.to_string();
    let (held, status) = sluse(ground, &["held"]);
    assert!(status == 1 && held.contains(&id[..8]) && held.contains("No decision is possible"), "{held}");
    let (explained, status) = sluse(ground, &["explain", &id]);
    assert!(status == 0 && explained.contains(": held\n"), "{explained}");
    assert!(explained.contains("Another version of Sluse wrote this") && explained.contains("run that version again"));
    let (overview, status) = sluse(ground, &["status"]);
    assert!(status == 1 && overview.contains("held"), "{overview}");
    for verdict in [Verdict::Approve, Verdict::Refuse, Verdict::SettleSent, Verdict::SettleNotSent] {
        assert!(matches!(ground.try_to_decide(item, verdict), Answer::Refused { .. }), "{verdict:?}");
    }
}

/// What lies in IN, looks like ours, and is not taken, with the reasons.
fn waiting_in_in(ground: &Ground) -> String {
    match ground.ask(&Request::Status) {
        Answer::Status(snapshot) => format!("{:?}", snapshot.endpoints[0].waiting),
        answer => panic!("{answer:?}"),
    }
}

/// What a command says, and its exit status.
fn sluse(ground: &Ground, arguments: &[&str]) -> (String, i32) {
    let config = ground.path("sluse.toml");
    let run = Command::new(env!("CARGO_BIN_EXE_sluse")).arg("--config").arg(config).args(arguments).output().unwrap();
    let said = [run.stdout, run.stderr].concat();
    (String::from_utf8(said).unwrap(), run.status.code().unwrap())
}
