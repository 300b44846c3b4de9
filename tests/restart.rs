//! A daemon that is started with 10,000 open exchanges does something useful soon: the query that waited is submitted.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::time::Instant;

use rig::{Chapter, FarPlan, Ground, Row, payment_date, record, until};
use sluse::domain::exchange::Fact;
use sluse::domain::exchange::fact::{Accepted, TriggerWay};
use sluse::domain::identity::{DeliveryNumber, FileId, RemoteName, Route};
use sluse::domain::municipality::MunicipalityCode;
use sluse::engine::point::KILL_VARIABLE;
use sluse::store::{Body, SqliteStore, Store};
use uuid::Uuid;

const OPEN: u32 = 10_000;

/// The facts of a query that was submitted and waits for its receipt.
fn submitted(like: &Accepted, number: u32, municipality: MunicipalityCode) -> Vec<Body> {
    let id = FileId::new(Uuid::from_u128(u128::from(number)));
    let remote_name: RemoteName = format!("BETADM_FORESP_{municipality}_20260105_9{number:05}.txt").parse().unwrap();
    let part = remote_name.with_suffix(".part").unwrap();
    let accepted = Accepted {
        route: Route { municipality, ..like.route.clone() },
        original_name: remote_name.to_string(),
        spool_name: format!("{municipality}.{}.{id}.{remote_name}", like.route.exchange),
        remote_name,
        delivery: DeliveryNumber(1_000_000 + number),
        ..like.clone()
    };
    let facts = [
        Fact::Accepted(accepted),
        Fact::DataUploaded,
        Fact::TriggerStaged { part: part.clone() },
        Fact::TriggerIntended { way: TriggerWay::Rename { part } },
        Fact::TriggerMade,
    ];
    facts.into_iter().map(|fact| Body::Exchange { id, fact }).collect()
}

#[test]
fn ten_thousand_open_exchanges_keep_no_query_waiting_at_the_start() {
    // Given a query that was accepted when the daemon died, and very many that wait for the far side
    let all: Vec<String> = MunicipalityCode::all().map(|municipality| municipality.code.to_string()).collect();
    let codes: Vec<&str> = all.iter().map(String::as_str).collect();
    let ground = Ground::lay(&codes, FarPlan { agreements: 2, ..FarPlan::default() });
    let municipality = ground.municipality();
    let mut daemon = ground.start_with(&[(KILL_VARIABLE, "accepted".to_owned())]);
    ground.ask_for(municipality, payment_date(1));
    daemon.wait_for_kill();
    let like = ground.exchanges(municipality)[0].query().unwrap().clone();
    let others = &ground.sides[0].municipalities[1..];
    let mut store = SqliteStore::open(&ground.path("state/sluse.db")).unwrap();
    let bodies: Vec<Body> =
        (1..OPEN).flat_map(|number| submitted(&like, number, others[number as usize % others.len()])).collect();
    store.append(store.head(), jiff::Timestamp::now().into(), &bodies).unwrap();
    drop(store);

    // When it is started again
    let began = Instant::now();
    let _daemon = ground.start();
    until("the query that waited to be submitted", || (ground.far().triggers_seen() > 0).then_some(()));

    // Then that was soon: the figure is for the evidence, no limit of this test
    let outcome = format!("the query that waited was submitted {:.1} s after the start", began.elapsed().as_secs_f64());
    ground.until_state(municipality, 1, "done");
    assert_eq!(ground.book().open().count(), OPEN as usize - 1);
    record(&Row::once(Chapter::Restart, format!("started with {OPEN} open exchanges (the tests' build)"), outcome));
}
