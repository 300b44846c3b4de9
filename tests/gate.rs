//! `sluse gate`: shut before the round, between its steps and when a newer reply waits, open when every reply is handed over;
//! the same with the daemon and without it; and what it reads does not grow with the years or with the register.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

#[allow(dead_code, reason = "only some of its scenery is wanted here")]
#[path = "far_side/scene.rs"]
mod scene;

mod rig;

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::Instant;

use jiff::civil::{Date, date};
use rig::{FarPlan, Ground, payment_date};
use scene::Scene;
use sluse::config::{Depth, Settings};
use sluse::domain::change::ChangeSummary;
use sluse::domain::exchange::Fact;
use sluse::domain::exchange::fact::{Accepted, Arrival, Belongs, OriginalStamp, TriggerWay};
use sluse::domain::exchange::gate::{Shut, judge};
use sluse::domain::identity::{ContentHash, DeliveryNumber, FileId, RemoteName, Route, TransferId};
use sluse::domain::layout::Layout;
use sluse::domain::moment::{Moment, PaymentMonth};
use sluse::domain::municipality::MunicipalityCode;
use sluse::domain::reply::{ReplyHead, ReplyReader, write_reply};
use sluse::durable::RealDisk;
use sluse::engine::control::{Answer, Request};
use sluse::engine::decide::Verdict;
use sluse::engine::desk::Office;
use sluse::engine::offline::take_in;
use sluse::engine::site::Surroundings;
use sluse::engine::snapshot::GateReport;
use sluse::hub::book::Book;
use sluse::store::{Body, Order, Question, Reading, Sorting, SqliteReader, SqliteStore, Store};

/// What the command says, and its exit status.
fn gate(ground: &Ground, date: Date) -> (String, i32) {
    told(&ground.command(&["gate", "--payment-date", &date.to_string()]))
}

fn told(output: &Output) -> (String, i32) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code().unwrap())
}

/// What the daemon says, and that whoever reads the same store without it says the same.
fn judged(ground: &Ground, date: Date) -> GateReport {
    let Answer::Gate(report) = ground.ask(&Request::Gate { payment_date: date }) else { panic!("not the gate") };
    assert_eq!(offline(ground).gate_offline(date).unwrap(), report);
    report
}

fn offline(ground: &Ground) -> Office {
    let settings = Settings::read(&ground.path("sluse.toml"), &|_| None, Depth::Values).unwrap();
    Office::open(settings, Arc::new(RealDisk), Surroundings::real()).ok().unwrap()
}

/// Runs the command that stands in the last line of what was told.
fn follow(ground: &Ground, told: &str) -> (String, i32) {
    let command = told.lines().last().unwrap().trim();
    let (_, arguments) = command.split_once("sluse.toml ").unwrap_or_else(|| panic!("no command: {told}"));
    self::told(&ground.command(&arguments.split(' ').collect::<Vec<_>>()))
}

#[test]
fn the_gate_opens_when_every_reply_is_handed_over_and_shuts_again_for_a_newer_one_with_the_daemon_and_without() {
    let ground = Ground::lay(&["0751", "0101"], FarPlan::default());
    let [aarhus, copenhagen] = ["0751", "0101"].map(|code| code.parse::<MunicipalityCode>().unwrap());
    let day = payment_date(1);
    let mut daemon = ground.start();
    daemon.until_said("running");

    // Before: nobody has asked
    let (told, status) = gate(&ground, day);
    assert_eq!(status, 1, "{told}");
    assert!(told.starts_with(&format!("Shut: 2 of 2 not ready for {day}.")), "{told}");
    assert!(told.contains("query 0751 --payment-date") && told.contains("query 0101 --payment-date"), "{told}");
    assert!(judged(&ground, day).lines.iter().all(|line| line.shut == Some(Shut::NoQuery)));

    // Between: one of the two has its reply
    ground.ask_for(aarhus, day);
    ground.until_state(aarhus, 1, "done");
    let (told, status) = gate(&ground, day);
    assert!(status == 1 && told.contains("0101 København") && !told.contains("0751 Aarhus"), "{told}");
    assert_eq!(judged(&ground, day).lines.iter().filter(|line| line.shut.is_none()).count(), 1);

    // After: both, and for no other day
    ground.ask_for(copenhagen, day);
    ground.until_state(copenhagen, 1, "done");
    let (told, status) = gate(&ground, day);
    assert_eq!(
        (told.as_str(), status),
        (&*format!("Open: the replies for {day} of all 2 municipalities are in the register and handed over.\n"), 0)
    );
    assert!(judged(&ground, day).is_open());
    assert_eq!(gate(&ground, payment_date(2)).1, 1);

    // When a reply comes that nobody asked for, it waits for a person, and so does the payment
    let scene = Scene {
        ground: &ground,
        municipality: aarhus,
        number: 7001,
        neighbour: copenhagen,
        rounds_asked: Cell::new(1),
    };
    scene.deliver(&scene.stray(), &scene.reply(7001, 1));
    ground.until_state(aarhus, 2, "held");
    let (told, status) = gate(&ground, day);
    assert!(status == 1 && told.contains("0751 Aarhus: a newer reply has come and is held"), "{told}");
    assert!(!judged(&ground, day).is_open());
    let (story, status) = follow(&ground, &told);
    assert!(status == 0 && story.contains("nobody asked for this reply") && story.contains("refuse "), "{story}");

    // And when that is decided, it is open, also when no daemon runs
    ground.decide(&ground.held_one(), Verdict::Refuse);
    assert!(judged(&ground, day).is_open());
    daemon.terminate();
    assert_eq!(gate(&ground, day).1, 0);
}

#[test]
fn a_house_that_cannot_say_shuts_the_gate_with_every_name_and_a_mistaken_question_is_another_status() {
    let ground = Ground::lay(&["0751", "0101"], FarPlan::default());
    let mut daemon = ground.start();
    for municipality in ground.sides[0].municipalities.clone() {
        ground.ask_for(municipality, payment_date(1));
        ground.until_state(municipality, 1, "done");
    }
    daemon.terminate();
    let day = payment_date(1);
    assert_eq!(gate(&ground, day).1, 0);

    let shut_for_all = |why: &str| {
        let (told, status) = gate(&ground, day);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_named = told.contains("0751 Aarhus") && told.contains("0101 København");
        assert!(status == 1 && is_named && told.contains(why), "{why}: {told}");
        let output = ground.command(&["gate", "--payment-date", &day.to_string(), "--json"]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&json["open"], json["shut"].as_array().unwrap().len()), (&false.into(), 2), "{json}");
        assert!(json["shut"][0]["why"].as_str().unwrap().replace('\n', " ").contains(why), "{json}");
    };

    // A store that was put back, edited, damaged, or is gone
    let (store, anchor) = (ground.path("state/sluse.db"), ground.path("state/journal.anchor"));
    let sound = fs::read(&anchor).unwrap();
    let ahead = format!("9999 {} 2031-01-01T00:00:00Z\n", "ab".repeat(32));
    fs::write(&anchor, [sound.as_slice(), ahead.as_bytes()].concat()).unwrap();
    shut_for_all("sluse recover");
    fs::write(&anchor, &sound).unwrap();
    assert_eq!(gate(&ground, day).1, 0);
    let kept = fs::read(&store).unwrap();
    rusqlite::Connection::open(&store)
        .unwrap()
        .execute_batch("DROP TRIGGER journal_is_never_updated; UPDATE journal SET body = replace(body, '\"fact\":\"handed_over\"', '\"fact\":\"handed_over\" ')")
        .unwrap();
    shut_for_all("was edited");
    fs::write(&store, &kept[..kept.len() / 3]).unwrap();
    shut_for_all("the store");
    fs::remove_file(&store).unwrap();
    shut_for_all("there is no store");

    // Usage
    for arguments in [&["gate"][..], &["gate", "--payment-date", "tomorrow"], &["gate", "--payment-date", "2026-02-30"]]
    {
        let (told, status) = told(&ground.command(arguments));
        assert_eq!(status, 2, "{told}");
    }
}

// ---- bounded work ----

const DAY: Date = date(2031, 1, 27);

fn at(number: u64) -> Moment {
    Moment::from_micros(1_900_000_000_000_000 + number as i64 * 1_000_000)
}

/// A query's facts, from the outbox to the inbox; the one that applies its reply apart.
fn story(route: &Route, delivery: u32, payment_date: Date) -> (Vec<Fact>, Fact, Vec<Fact>) {
    let name = |text: String| text.parse::<RemoteName>().unwrap();
    let remote_name = name(format!("BETADM_FORESP_{}_{delivery:04}.txt", route.municipality));
    let part = name("3f0f9a2e-5b1c-4d7e-8f90-a1b2c3d4e5f6.0badcafe.part".to_owned());
    let before = vec![
        Fact::Accepted(Accepted {
            route: route.clone(),
            original_name: "query.txt".to_owned(),
            spool_name: "spooled".to_owned(),
            original: OriginalStamp { device: 1, inode: 2, size: 360, modified_micros: 3 },
            remote_name,
            size: 360,
            hash: ContentHash::of(b"query"),
            delivery: DeliveryNumber(delivery),
            payment_date,
            payment_month: PaymentMonth::of(payment_date),
            retry_of: None,
        }),
        Fact::DataUploaded,
        Fact::TriggerStaged { part: part.clone() },
        Fact::TriggerIntended { way: TriggerWay::Rename { part } },
        Fact::TriggerMade,
        Fact::ReplyFetched(Arrival {
            route: route.clone(),
            transfer: TransferId::new(uuid::Uuid::new_v4()),
            name: name(format!("BETADM_SVAR_{}_{delivery:04}.txt", route.municipality)),
            size: 480,
            hash: ContentHash::of(b"reply"),
            delivery: Some(DeliveryNumber(delivery)),
            belongs: Belongs::Delivery,
        }),
    ];
    let applied = |summary| Fact::Applied { summary, delivery: Some(DeliveryNumber(delivery)), as_of: payment_date };
    let after = vec![
        Fact::HandOverStaged { reply: "reply.txt".to_owned(), changes: "changes.csv".to_owned(), folder: 7 },
        Fact::HandOverIntended,
        Fact::HandedOver,
        Fact::CommandRan { exit: None },
        Fact::Tidied { left: Vec::new() },
    ];
    (before, applied(ChangeSummary::default()), after)
}

fn routes() -> Vec<Route> {
    let exchange: sluse::domain::identity::ExchangeName = "sf2530".parse().unwrap();
    MunicipalityCode::all().map(|of| Route { exchange: exchange.clone(), municipality: of.code }).collect()
}

/// A reply's agreements, sorted, as the pipeline has them.
fn stated(folder: &Path, municipality: MunicipalityCode, agreements: u32) -> sluse::store::Sorted {
    let day = date(2026, 1, 5);
    let head = ReplyHead { municipality, date: day, delivery: Some(DeliveryNumber(1)) };
    let page = Book { seed: 2530, agreements }.at(municipality, 1);
    let layout = Layout::shipped_reply();
    let bytes = write_reply(&layout, &head, day.at(12, 0, 0, 0), &page).unwrap();
    let (mut reader, mut sorting) = (ReplyReader::new(&layout, municipality), Sorting::new(folder));
    let mut each = |record, stated: &sluse::domain::agreement::Stated<'_>| {
        sorting.take(record, stated).unwrap();
        Ok(())
    };
    reader.feed(&bytes, &mut each).unwrap();
    sorting.finish(reader.finish().unwrap().head.date).unwrap().unwrap()
}

/// A store of all municipalities with so many rounds before [`DAY`]'s, whose register holds so many agreements of each.
fn store(folder: &Path, rounds_before: i32, agreements: u32) {
    let mut store = SqliteStore::open(&folder.join("sluse.db")).unwrap();
    for ago in (0..=rounds_before).rev() {
        let (payment_date, delivery) = (DAY - jiff::Span::new().months(ago), (rounds_before - ago + 1) as u32);
        let mut round = Vec::new();
        for route in routes() {
            let id = FileId::new(uuid::Uuid::new_v4());
            let (before, applied, after) = story(&route, delivery, payment_date);
            round.extend(before.into_iter().map(|fact| Body::Exchange { id, fact }));
            if ago == 0 && agreements > 0 {
                append(&mut store, &std::mem::take(&mut round));
                let order = Order { id, route: route.clone(), at: at(store.head().seq) };
                let mut stated = stated(folder, route.municipality, agreements);
                store.apply(&order, &mut stated, &mut |_| Some(applied.clone())).unwrap();
            } else {
                round.push(Body::Exchange { id, fact: applied });
            }
            round.extend(after.into_iter().map(|fact| Body::Exchange { id, fact }));
        }
        append(&mut store, &round);
    }
}

fn append(store: &mut SqliteStore, bodies: &[Body]) {
    let head = store.head();
    store.append(head, at(head.seq), bodies).unwrap();
}

/// The verdict on all, how many entries it took, and how many there are.
fn judged_by_reader(folder: &Path) -> (Vec<Option<Shut>>, u64, u64) {
    let reader = SqliteReader::open(&folder.join("sluse.db")).unwrap();
    let mut book = sluse::domain::exchange::Book::default();
    let began = Instant::now();
    let read = reader.about(DAY, &mut |entry| take_in(&mut book, entry)).unwrap();
    let verdicts = routes().iter().map(|route| judge(&book, route, DAY)).collect();
    let (took, all) = (began.elapsed(), reader.head().unwrap().seq);
    eprintln!("{read} of {all} entries read and judged in {took:.1?} (not the release build)");
    (verdicts, read, all)
}

#[test]
fn what_the_gate_reads_grows_neither_with_the_years_nor_with_the_register() {
    const AGREEMENTS: u32 = 200;
    let folders = [(0, 0), (12, AGREEMENTS)].map(|(rounds_before, agreements)| {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path(), rounds_before, agreements);
        folder
    });

    let [young, old] = folders.each_ref().map(|folder| judged_by_reader(folder.path()));

    assert!(young.0.iter().chain(&old.0).all(Option::is_none), "{young:?}");
    assert_eq!((young.1, old.1), (young.2, young.2), "one round is read, however many there were");
    assert_eq!(old.2, 13 * young.2);
    let mut agreements = 0;
    let reader = SqliteReader::open(&folders[1].path().join("sluse.db")).unwrap();
    reader.register(&Question::default(), &mut |_| agreements += 1).unwrap();
    assert_eq!(agreements, u64::from(AGREEMENTS) * 98);
    // Not a row of it is looked at
    let raw = rusqlite::Connection::open(folders[1].path().join("sluse.db")).unwrap();
    raw.pragma_update(None, "foreign_keys", false).unwrap();
    raw.execute_batch("DROP VIEW history; DROP TABLE statement; DROP TABLE latest; DROP TABLE applied").unwrap();
    assert_eq!(judged_by_reader(folders[1].path()).0, old.0);
}
