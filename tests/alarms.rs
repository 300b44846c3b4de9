//! Alarms by real processes: a command and an HTTP receiver that fail, hang and come back, a daemon that is killed meanwhile,
//! a unit that has failed, the heartbeat.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rig::{Chapter, FarPlan, Ground, Reaction, Receiver, of_kind, payment_date, record, until};
use serde_json::Value;
use sluse::engine::decide::Verdict;
use sluse::engine::snapshot::Severity;

/// A program that appends what it gets to a file, and fails for as long as another one is there.
struct Program {
    path: PathBuf,
    got: PathBuf,
    broken: PathBuf,
}

impl Program {
    fn write(ground: &Ground) -> Program {
        let (path, got, broken) = (ground.path("tell"), ground.path("told"), ground.path("broken"));
        let script = format!(
            "#!/bin/sh\n[ -e {0} ] && {{ echo 'the mail server is away' >&2; exit 75; }}\ncat >> {1}\n",
            broken.display(),
            got.display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Program { path, got, broken }
    }

    fn notices(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.got).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Each event with its kinds: `alarm: held`.
fn events(notices: &[Value]) -> Vec<String> {
    let kinds = |notice: &Value| {
        let concerns = notice["concerns"].as_array().unwrap().iter();
        concerns.map(|concern| concern["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    notices.iter().map(|notice| format!("{}: {}", notice["event"].as_str().unwrap(), kinds(notice))).collect()
}

#[test]
fn a_receiver_that_fails_and_hangs_holds_up_nothing_and_gets_each_alarm_and_its_end_once() {
    // Given a program that fails and a server that hangs and then fails
    let mut ground = Ground::lay(&["0751", "0101"], FarPlan::default());
    let (aarhus, copenhagen) = (ground.municipality(), ground.sides[0].municipalities[1]);
    let program = Program::write(&ground);
    let receiver = Receiver::start(&[Reaction::Hang, Reaction::Error]);
    fs::write(&program.broken, "").unwrap();
    ground.add_settings(&format!(
        "[alarm]\ncommand = [\"{}\"]\nwebhook = \"{}\"\nover_after = \"2s\"\n",
        program.path.display(),
        receiver.address()
    ));
    let mut daemon = ground.start();

    // When a second query for a payment is held
    ground.ask_for(aarhus, payment_date(1));
    ground.until_state(aarhus, 1, "done");
    ground.ask_for(aarhus, payment_date(1));
    ground.until_state(aarhus, 2, "held");
    let concern =
        until("the alarm in status", || ground.status().concerns.into_iter().find(|c| c.kind.name() == "held"));
    assert_eq!((concern.severity, concern.municipality), (Severity::Alarm, Some(aarhus)));
    until("a request that hangs", || (receiver.requests() == 1).then_some(()));
    until("a receiver that is not reached, in status", || {
        let what = ground.status().concerns.into_iter().find(|concern| concern.kind.name() == "receiver")?.what;
        what.contains("by command").then(|| assert!(what.contains("75: the mail server is away"), "{what}"))
    });

    // Then another municipality's round goes on to its end meanwhile, and both are told when they are mended
    ground.ask_for(copenhagen, payment_date(1));
    ground.until_state(copenhagen, 1, "done");
    assert_eq!((program.notices().len(), receiver.notices().len()), (0, 0));
    fs::remove_file(&program.broken).unwrap();
    receiver.let_go();
    until("the alarm by command", || (!of_kind(&program.notices(), "held").is_empty()).then_some(()));
    until("the alarm by webhook", || (!of_kind(&receiver.notices(), "held").is_empty()).then_some(()));

    // And a daemon that is killed tells nothing again, but what is over
    for name in ["command", "webhook"] {
        let kept = ground.path(&format!("state/told-{name}.json"));
        until("what was told to be kept", || kept.exists().then_some(()));
    }
    daemon.kill_9();
    let mut daemon = ground.start();
    daemon.until_said("running");
    ground.decide(&ground.held_one(), Verdict::Refuse);
    until("its end by both", || {
        ground.status();
        let is_over = |notices: &[Value]| of_kind(notices, "held").iter().any(|notice| notice["event"] == "clear");
        (is_over(&program.notices()) && is_over(&receiver.notices())).then_some(())
    });

    for told in [program.notices(), receiver.notices()] {
        let of_held: Vec<_> = of_kind(&told, "held").into_iter().cloned().collect();
        let names: Vec<_> = of_held.iter().map(|notice| notice["event"].as_str().unwrap()).collect();
        assert_eq!(names, ["alarm", "clear"], "{:?}", events(&told));
        let text = of_held[0]["text"].as_str().unwrap();
        assert!(text.contains("0751 Aarhus") && text.contains("sluse held"), "{text}");
    }
    record(&ground.came_of(Chapter::Processes, "receivers of alarms that fail and hang, and `kill -9` between"));
}

#[test]
fn the_heartbeat_beats_while_the_daemon_runs_and_no_longer() {
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    let heart = Receiver::start(&[]);
    let file = ground.path("address");
    fs::write(&file, format!("{}\n", heart.address())).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    ground.add_settings(&format!("[alarm]\nheartbeat = \"{}\"\nheartbeat_every = \"1s\"\n", file.display()));

    let mut daemon = ground.start();
    until("three beats", || (heart.requests() >= 3).then_some(()));
    daemon.terminate();

    assert_eq!(heart.first_line(0), "GET /hunter2 HTTP/1.1");
    assert!(!daemon.log().contains("hunter2"), "the address may be a secret");
}

#[test]
fn that_the_unit_has_failed_is_told_though_the_settings_are_mistaken_and_the_next_daemon_says_that_it_is_over() {
    // Given settings with a receiver, and a mistake elsewhere
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    let receiver = Receiver::start(&[]);
    ground.add_settings(&format!("[alarm]\nwebhook = \"{}\"\nover_after = \"1s\"\n", receiver.address()));
    ground.write_settings();
    let good = fs::read_to_string(ground.path("sluse.toml")).unwrap();
    fs::write(ground.path("sluse.toml"), format!("{good}\n[endpoint.next\nx\n")).unwrap();

    let failed = ground.command(&["alarm", "unit-failed", "sluse.service"]);
    assert_eq!(failed.status.code(), Some(0), "{failed:?}");

    // When they are mended, and it runs
    fs::write(ground.path("sluse.toml"), &good).unwrap();
    let tested = ground.command(&["alarm", "test"]);
    assert_eq!(String::from_utf8(tested.stdout).unwrap(), "webhook: told\n");
    let _daemon = ground.start();

    let expected = ["alarm: unit", "test: test", "clear: unit"];
    until("that it is over", || (receiver.notices().len() >= expected.len()).then_some(()));
    assert_eq!(events(&receiver.notices()), expected);
    let subject = receiver.notices()[0]["subject"].as_str().unwrap().to_owned();
    assert!(subject.contains("ALARM: the unit sluse.service has failed"), "{subject}");
}

#[test]
fn without_anybody_to_tell_the_command_says_so() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    ground.write_settings();

    let output = ground.command(&["alarm", "test"]);

    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("neither `command` nor `webhook`"), "{output:?}");
}
