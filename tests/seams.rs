//! Where two parts meet that were each proved alone: retries and a full disk, recovery and rebuild, recovery and retries.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::fs;

use rig::{Chapter, FarPlan, Ground, SmallDisk, payment_date, record, until};
use sluse::domain::exchange::Exchange;
use sluse::engine::control::{Answer, RegisterRequest, Request};
use sluse::engine::decide::Verdict;
use sluse::engine::point::KILL_VARIABLE;
use sluse::engine::retry::{CameTo, RetryAsk, Selection};

const WHY: &str = "agreed by telephone";

/// So often a new id is thrown until it is lower than another: a coin each time.
const THROWS_MAX: u32 = 16;

fn retry(exchange: &Exchange, reason: Option<&str>) -> Request {
    let which = Selection::Named(vec![exchange.id.to_string()]);
    Request::Retry(RetryAsk { which, reason: reason.map(str::to_owned), seen: None })
}

/// Runs a command that has to find nothing wrong.
fn sluse(ground: &Ground, arguments: &[&str]) {
    let output = ground.command(arguments);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
}

fn back_up(ground: &Ground) {
    sluse(ground, &["backup", ground.path("backup").to_str().unwrap()]);
}

/// Puts the backup's store back, and recovers.
fn recover(ground: &Ground) {
    let state = ground.path("state");
    for name in ["sluse.db-wal", "sluse.db-shm"] {
        let _ = fs::remove_file(state.join(name));
    }
    fs::copy(ground.path("backup/sluse.db"), state.join("sluse.db")).unwrap();
    sluse(ground, &["recover", "--accept", "--reason", "the disk broke"]);
}

#[test]
fn a_retry_while_nothing_can_be_recorded_is_refused_at_once_and_never_done_later() {
    // Given a rejected query, and a store that cannot be written
    let mut ground = Ground::lay(&["0751"], FarPlan { faults: vec!["error-receipt"], ..FarPlan::default() });
    let municipality = ground.municipality();
    let disk = SmallDisk::mount(&ground.path("state"));
    let _daemon = ground.start();
    ground.ask_for(municipality, payment_date(1));
    let exchange = ground.until_state(municipality, 1, "rejected");
    ground.far_mut().open_hub(&[]);
    disk.fill();
    let full = Request::Register(RegisterRequest { full: Some(WHY.into()), ..RegisterRequest::default() });
    until("a standstill", || {
        ground.ask(&full);
        (!ground.status().halts.is_empty()).then_some(())
    });

    // When it is to be retried, by more persons than may wait at once
    for reason in [None, Some(WHY)].into_iter().cycle().take(20) {
        let answer = ground.ask(&retry(&exchange, reason));
        assert!(matches!(&answer, Answer::Refused { why } if why.contains("nothing can be recorded")), "{answer:?}");
    }

    // Then nothing of it is done when there is room, but what is asked for then
    disk.empty();
    until("room", || ground.status().halts.is_empty().then_some(()));
    let Answer::Retried { lines } = ground.ask(&retry(&exchange, Some(WHY))) else { panic!("it was not retried") };
    assert!(matches!(lines[0].came_to, CameTo::Retried { .. }), "{lines:?}");
    ground.until_state(municipality, 2, "done");
    ground.far().assert_each_trigger_once();
    record(
        &ground.came_of(Chapter::Decisions, "retried twenty times while the store could not be written, once after it"),
    );
}

#[test]
fn a_rebuild_after_a_recovery_finds_nothing_wrong_where_nothing_is() {
    // Given a round that ended after a backup was made, which was then put back
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    let mut daemon = ground.start_with(&[(KILL_VARIABLE, "trigger_made".to_owned())]);
    ground.ask_for(municipality, payment_date(1));
    daemon.wait_for_kill();
    back_up(&ground);
    let mut daemon = ground.start();
    ground.until_state(municipality, 1, "done");
    assert!(daemon.terminate().0.success());
    recover(&ground);

    // When the reply of the archive is applied again, and its hand-over left out
    let mut daemon = ground.start();
    daemon.until_said("running");
    let held = until("what is held", || ground.held().into_iter().next());
    ground.decide(&held, Verdict::Refuse);
    until("the end", || ground.exchanges(municipality).iter().all(|e| e.state.is_final()).then_some(()));

    // Then register, journal and archive agree
    ground.assert_register(municipality, 1);
    sluse(&ground, &["rebuild"]);
    sluse(&ground, &["audit", "verify"]);
}

#[test]
fn a_receipt_in_the_archive_finds_its_query_whatever_other_query_without_one_lies_beside_it() {
    for _ in 0..THROWS_MAX {
        // Given a backup from before a query that was rejected, and a retry of it, by chance with the lower id
        let ground = Ground::lay(&["0751"], FarPlan { faults: vec!["error-receipt"], ..FarPlan::default() });
        let municipality = ground.municipality();
        let mut daemon = ground.start();
        daemon.until_said("running");
        back_up(&ground);
        ground.ask_for(municipality, payment_date(1));
        let first = ground.until_state(municipality, 1, "rejected");
        assert!(daemon.terminate().0.success());
        sluse(&ground, &["retry", &first.id.to_string(), "--reason", WHY]);
        if ground.exchanges(municipality).iter().all(|exchange| exchange.id >= first.id) {
            continue;
        }

        // When both are found in the archive alone
        recover(&ground);

        // Then the one that was sent has its name and its receipt again
        let now = ground.exchanges(municipality).into_iter().find(|exchange| exchange.id == first.id).unwrap();
        assert_eq!(now.query().unwrap().remote_name, first.query().unwrap().remote_name);
        assert_eq!(now.receipts.len(), 1, "its receipt lies in the archive");
        return;
    }
    panic!("{THROWS_MAX} times the later id was the higher one");
}
