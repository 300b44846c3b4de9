//! The daemon and a server that fails it: stopped, frozen, without the extension that it would like best, or not the
//! server that was meant. Nothing is lost, and UDK never counts a query twice.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::collections::BTreeSet;
use std::time::Duration;

use rig::{Chapter, Daemon, FarPlan, Ground, Pause, Plan, in_each, payment_date, record, until};
use sluse::engine::decide::Verdict;
use sluse::engine::point::KILL_VARIABLE;
use sluse::engine::snapshot::Choice;

/// systemd and the person at the keyboard wait for so long.
const STOPPED_WITHIN: Duration = Duration::from_secs(5);

/// A daemon that waits at this point of the first round, and what it waits for.
fn held_at(ground: &Ground, point: &'static str) -> (Daemon, rig::Held) {
    let pause = Pause::at(&ground.path(""), point);
    let daemon = ground.start_with(&pause.environment());
    ground.ask_for(ground.municipality(), payment_date(1));
    (daemon, pause.hold())
}

/// That the first round ends, and that nothing happens twice: not even after one more round, in which the hub would
/// find whatever came late.
fn assert_ends_once(ground: &Ground, fault: &str) {
    let municipality = ground.municipality();
    ground.until_state(municipality, 1, "done");
    ground.assert_once(municipality, 1);
    ground.ask_for(municipality, payment_date(2));
    ground.until_state(municipality, 2, "done");
    ground.assert_once(municipality, 2);
    record(&ground.came_of(Chapter::Processes, fault));
}

// ---- stopped ----

#[test]
fn a_server_that_is_stopped_and_started_again_anywhere_only_delays_the_round() {
    let points = ["accepted", "data_uploaded", "trigger_staged", "trigger_intended", "trigger_made", "reply_fetched"];
    in_each(&points, |point| {
        let mut ground = Ground::lay(&["0751"], FarPlan::default());
        let (mut daemon, held) = held_at(&ground, point);

        ground.far_mut().sshd.stop();
        held.let_go();
        daemon.until_said("far side not reachable, trying again and again");
        ground.far_mut().sshd.start_again();

        assert_ends_once(&ground, &format!("a server stopped and started again at {point}"));
    });
}

// ---- frozen ----

/// The first round, up to a rename that was sent and lies unread in a frozen server's socket.
fn rename_into_a_frozen_server(ground: &mut Ground, freeze: impl Fn(&rig::Sshd)) -> Daemon {
    // Only the rename shall lie there.
    ground.sides[0].poll = "1h";
    let (daemon, held) = held_at(ground, "trigger_intended");
    let sshd = &ground.far().sshd;
    freeze(sshd);
    let before = sshd.bytes_unread();
    held.let_go();
    until("the rename in the server's socket", || (sshd.bytes_unread() > before).then_some(()));
    assert_eq!(ground.far().count(ground.municipality(), payment_date(1)), 0);
    ground.sides[0].poll = "1s";
    daemon
}

const SOME_TIMES: [u32; 4] = [1, 2, 3, 4];

#[test]
fn a_rename_of_a_dead_daemon_that_a_thawed_server_carries_out_or_not_is_settled_by_the_next() {
    in_each(&SOME_TIMES, |_| {
        let mut ground = Ground::lay(&["0751"], FarPlan::default());
        let mut daemon = rename_into_a_frozen_server(&mut ground, rig::Sshd::freeze);

        daemon.kill_9();
        ground.far().sshd.thaw();
        until("the dead daemon's session to end", || (ground.far().sshd.session_processes() == 0).then_some(()));

        let _daemon = ground.start();
        assert_ends_once(&ground, "a server frozen with the trigger's rename, the daemon killed, then thawed");
    });
}

#[test]
fn a_daemon_that_is_started_again_before_the_server_thaws_waits_for_it() {
    in_each(&SOME_TIMES, |_| {
        let mut ground = Ground::lay(&["0751"], FarPlan::default());
        let mut daemon = rename_into_a_frozen_server(&mut ground, rig::Sshd::freeze);

        daemon.kill_9();
        let mut daemon = ground.start();
        daemon.until_said("running");
        until("its connection", || (ground.far().sshd.bytes_unread() > 0).then_some(()));
        assert_eq!(ground.exchanges(ground.municipality())[0].state.name(), "submitting");
        ground.far().sshd.thaw();

        assert_ends_once(
            &ground,
            "a server frozen with the trigger's rename, the daemon killed and started again, then thawed",
        );
    });
}

#[test]
fn a_rename_that_comes_after_its_doubt_was_settled_finds_nothing() {
    in_each(&SOME_TIMES, |_| {
        // Given a session that is frozen with the rename, while the server goes on making new ones
        let plan = FarPlan { faults: vec!["silent"], ..FarPlan::default() };
        let mut ground = Ground::lay(&["0751"], plan);
        let mut daemon = rename_into_a_frozen_server(&mut ground, rig::Sshd::freeze_sessions);
        let frozen = ground.far().sshd.sessions();
        daemon.kill_9();

        // When the next daemon settles the doubt and sends the query again, before the old session wakes up
        let _daemon = ground.start();
        let municipality = ground.municipality();
        ground.until_fact(municipality, "trigger_not_made");
        ground.until_state(municipality, 1, "receipted");
        ground.far_mut().close_hub();
        ground.far().sshd.thaw();
        ground.far().sshd.until_gone(&frozen);

        // Then no second trigger lies there
        let names = ground.far().names_in_out();
        assert!(!names.iter().any(|name| name.ends_with(".trigger")), "{names:?}");
        ground.far_mut().open_hub(&[]);
        assert_ends_once(&ground, "a rename of a dead session that comes after its doubt was settled");
        assert_eq!(ground.count_of(municipality, "trigger_intended"), 3, "two in the first round, one in the second");
    });
}

#[test]
fn a_session_that_dies_with_the_rename_is_settled_by_the_same_daemon() {
    in_each(&SOME_TIMES, |_| {
        let mut ground = Ground::lay(&["0751"], FarPlan::default());
        let mut daemon = rename_into_a_frozen_server(&mut ground, rig::Sshd::freeze_sessions);

        ground.far().sshd.kill_sessions();
        daemon.until_said("in doubt whether the trigger was made");
        ground.until_fact(ground.municipality(), "trigger_made");

        // It still looks only once an hour.
        daemon.terminate();
        let _daemon = ground.start();
        assert_ends_once(&ground, "a session that dies with the trigger's rename");
    });
}

#[test]
fn a_server_that_freezes_for_a_moment_only_delays_the_round() {
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    let mut daemon = rename_into_a_frozen_server(&mut ground, rig::Sshd::freeze);

    ground.far().sshd.thaw();
    ground.until_fact(ground.municipality(), "trigger_made");
    assert_eq!(ground.count_of(ground.municipality(), "doubted"), 0);

    daemon.terminate();
    let _daemon = ground.start();
    assert_ends_once(&ground, "a server frozen for a moment with the trigger's rename");
}

#[test]
fn one_frozen_endpoint_does_not_hold_the_other() {
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    ground.add_side(&["0101"], FarPlan::default());
    let (free, frozen) = (ground.sides[0].municipalities[0], ground.sides[1].municipalities[0]);
    let (_daemon, held) = held_at(&ground, "data_uploaded");

    ground.sides[1].far.sshd.freeze();
    ground.ask_for(frozen, payment_date(1));
    held.let_go();
    assert_ends_once(&ground, "another endpoint's server frozen");
    assert_eq!(ground.count_of(frozen, "data_uploaded"), 0);

    ground.sides[1].far.sshd.thaw();
    ground.until_state(frozen, 1, "done");
    ground.assert_once(frozen, 1);
    ground.assert_once(free, 2);
}

// ---- told to stop ----

#[test]
fn a_daemon_that_has_nothing_to_do_stops_at_once() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let mut daemon = ground.start();
    ground.ask_for(ground.municipality(), payment_date(1));
    ground.until_state(ground.municipality(), 1, "done");

    let (status, took) = daemon.terminate();

    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(!ground.path("run/control.sock").exists());
}

#[test]
fn a_daemon_that_a_frozen_server_holds_stops_in_time_and_the_next_goes_on() {
    in_each(&["accepted", "data_uploaded", "trigger_intended", "trigger_made", "reply_fetched"], |point| {
        let ground = Ground::lay(&["0751"], FarPlan::default());
        let (mut daemon, held) = held_at(&ground, point);
        let sshd = &ground.far().sshd;
        sshd.freeze();
        held.let_go();
        // A request, or a login that was not through yet.
        until("something in the server's socket", || (sshd.bytes_unread() > 0).then_some(()));

        let (status, took) = daemon.terminate();

        assert!(status.success(), "{status}");
        assert!(took < STOPPED_WITHIN, "{took:?}");
        sshd.thaw();
        let _daemon = ground.start();
        assert_ends_once(&ground, &format!("SIGTERM while a frozen server holds the daemon at {point}"));
    });
}

// ---- without rename ----

/// Two ways in which there is no rename: the server cannot, the settings do not want it.
fn without_rename(way: &str) -> Ground {
    let refused_requests = if way == "the server cannot" { vec!["posix-rename"] } else { Vec::new() };
    let plan = FarPlan { sshd: Plan { refused_requests, ..Plan::default() }, ..FarPlan::default() };
    let mut ground = Ground::lay(&["0751"], plan);
    if way == "the settings do not want it" {
        ground.sides[0].endpoint_lines.push("trigger = \"write\"".into());
    }
    ground
}

const WITHOUT_RENAME: [&str; 2] = ["the server cannot", "the settings do not want it"];

#[test]
fn without_rename_the_trigger_is_written_and_the_round_ends() {
    in_each(&WITHOUT_RENAME, |way| {
        let ground = without_rename(way);
        let _daemon = ground.start();
        ground.ask_for(ground.municipality(), payment_date(1));

        assert_ends_once(&ground, &format!("no rename to be had: {way}"));
        assert_eq!(ground.count_of(ground.municipality(), "rename_unavailable"), 2);
        assert_eq!(ground.count_of(ground.municipality(), "trigger_staged"), 0);
    });
}

/// A ground without rename whose daemon was killed at this point of the first round.
fn killed_without_rename(ground: &Ground, point: &str) {
    let mut daemon = ground.start_with(&[(KILL_VARIABLE, point.to_owned())]);
    ground.ask_for(ground.municipality(), payment_date(1));
    daemon.wait_for_kill();
}

#[test]
fn a_written_trigger_that_the_hub_has_taken_is_found_to_be_sent() {
    in_each(&["receipts come", "receipts do not come"], |receipts| {
        // Given a daemon that does not know whether its trigger was written, and a hub that has taken it
        let mut ground = without_rename("the server cannot");
        if receipts == "receipts do not come" {
            ground.far_mut().open_hub(&["swallow-receipts"]);
        }
        let municipality = ground.municipality();
        killed_without_rename(&ground, "trigger_requested");
        until("the query's arrival", || (ground.far().count(municipality, payment_date(1)) == 1).then_some(()));

        let _daemon = ground.start();

        assert_ends_once(&ground, &format!("killed with a written trigger that the hub has taken, {receipts}"));
        assert_eq!(ground.count_of(municipality, "trigger_intended"), 2, "one in each round");
    });
}

#[test]
fn a_written_trigger_that_still_lies_there_whole_is_found_to_be_sent() {
    let mut ground = without_rename("the server cannot");
    let municipality = ground.municipality();
    ground.far_mut().close_hub();
    killed_without_rename(&ground, "trigger_requested");

    let _daemon = ground.start();
    ground.until_fact(municipality, "trigger_found");
    ground.far_mut().open_hub(&[]);

    assert_ends_once(&ground, "killed with a written trigger that still lies there whole");
}

#[test]
fn a_trigger_that_may_yet_be_written_stays_in_doubt_until_a_person_says_that_it_was_not() {
    // Given a daemon that was killed between the intent and the writing
    let ground = without_rename("the server cannot");
    let municipality = ground.municipality();
    killed_without_rename(&ground, "trigger_intended");

    // When the next one has looked, and finds the data alone, which proves nothing
    let _daemon = ground.start();
    ground.until_state(municipality, 1, "in doubt");
    let held = ground.held_one();
    assert_eq!(held.choice, Choice::Settle, "{held:?}");
    let names = ground.far().names_in_out();
    assert!(names.len() == 1 && names[0].ends_with(".txt"), "{names:?}");

    // Then a person ends it, the data is taken away, and the next query for that payment date is not a second one
    assert_eq!(ground.decide(&held, Verdict::SettleNotSent), "refused");
    assert_eq!(ground.far().names_in_out(), Vec::<String>::new());
    assert_eq!(ground.far().count(municipality, payment_date(1)), 0);
    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 2, "done");
    ground.assert_once(municipality, 1);
}

#[test]
fn an_error_receipt_for_a_trigger_that_was_cut_off_is_shown_to_a_person() {
    // Given a trigger of which only the name got there, and a hub that refuses it
    let mut ground = without_rename("the server cannot");
    let municipality = ground.municipality();
    ground.far_mut().close_hub();
    killed_without_rename(&ground, "trigger_intended");
    let data = ground.far().names_in_out().remove(0);
    std::fs::write(ground.far().sshd.out().join(format!("{data}.trigger")), b"").unwrap();
    ground.far_mut().open_hub(&[]);

    // When its receipt comes while all that is known is that there may have been a trigger
    let _daemon = ground.start();
    ground.until_state(municipality, 1, "held");
    let held = ground.held_one();
    assert!(held.reasons[0].contains("error receipt"), "{held:?}");

    // Then a person can agree with it and ask again
    assert_eq!(ground.decide(&held, Verdict::Approve), "rejected");
    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 2, "done");
    ground.assert_once(municipality, 1);
}

// ---- not the server that was meant ----

const ANOTHER_KEY: &str = "SHA256:Nh0Me49Zh9fDw/VYUfq43IJmI1T+XrjiYONPND8GzaM";

#[test]
fn a_server_with_another_key_gets_nothing_and_the_log_names_both_keys() {
    // Given a pin that is not the server's
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    let right = std::mem::replace(&mut ground.sides[0].host_keys, vec![ANOTHER_KEY.to_owned()]);

    let mut daemon = ground.start();
    ground.ask_for(municipality, payment_date(1));
    daemon.until_said("cannot log in, a person must act");
    ground.until_state(municipality, 1, "accepted");
    let log = daemon.log();
    daemon.terminate();

    assert!(log.contains(&right[0]) && log.contains(ANOTHER_KEY), "{log}");
    assert!(!ground.far().sshd.log().contains("Accepted publickey"), "we logged in at a stranger's");
    assert_eq!(ground.far().names_in_out(), Vec::<String>::new());

    // When the right key is pinned beside it, as for a rotation
    ground.sides[0].host_keys.extend(right);
    let _daemon = ground.start();

    assert_ends_once(&ground, "a server with another host key, until its pin is set");
}

#[test]
fn a_port_where_nobody_serves_is_tried_again_and_again_and_told_of_once() {
    // Given somebody else at the server's port, who hangs up on everyone, and three exchanges that wait for it
    let mut ground = Ground::lay(&["0751", "0101", "0851"], FarPlan::default());
    ground.far_mut().sshd.stop();
    let address = (ground.far().sshd.host(), ground.far().sshd.port());
    let stranger = std::net::TcpListener::bind(address).unwrap();

    let daemon = ground.start();
    for municipality in &ground.sides[0].municipalities {
        ground.ask_for(*municipality, payment_date(1));
        ground.until_state(*municipality, 1, "accepted");
    }
    for _ in 0..4 {
        drop(stranger.accept().unwrap());
    }
    drop(stranger);

    // When it is served again, and with the fourth try the outcome of three is known: each sort of hanging up was told
    // of once, for all exchanges together
    let log = daemon.log();
    let troubles: Vec<&str> = log.lines().filter(|line| !line.contains(" INFO ")).collect();
    let told: BTreeSet<&str> =
        troubles.iter().filter_map(|line| Some(line.split_once("far side not reachable, ")?.1)).collect();
    assert!(!told.is_empty() && told.len() == troubles.len(), "{troubles:#?}");
    ground.far_mut().sshd.start_again();

    // Then all three go on
    for municipality in &ground.sides[0].municipalities {
        ground.until_state(*municipality, 1, "done");
        ground.assert_once(*municipality, 1);
    }
}
