//! Alarms by real processes: a command and an HTTP receiver that fail, hang and come back, a daemon that is killed meanwhile,
//! a unit that has failed, the heartbeat.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use rig::{Chapter, FarPlan, Ground, payment_date, record, until};
use serde_json::Value;
use sluse::engine::decide::Verdict;
use sluse::engine::snapshot::Severity;

/// What the receiver does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Taken,
    Error,
    /// Nothing, until it is let go.
    Hang,
}

/// An HTTP server on a free port of the loopback, for as long as the test lasts.
#[derive(Clone)]
struct Receiver(Arc<Inside>);

struct Inside {
    address: String,
    plan: Mutex<VecDeque<Answer>>,
    /// Each request's first line and body, and what was answered.
    got: Mutex<Vec<(String, String, Answer)>>,
    hanging: Mutex<Vec<TcpStream>>,
}

impl Receiver {
    /// The first requests are answered like this, further ones are taken.
    fn start(plan: &[Answer]) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/hunter2", listener.local_addr().unwrap());
        let plan = Mutex::new(plan.iter().copied().collect());
        let inside = Inside { address, plan, got: Mutex::default(), hanging: Mutex::default() };
        let receiver = Receiver(Arc::new(inside));
        let serving = receiver.clone();
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = serving.serve(stream);
            }
        });
        receiver
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?);
        let (mut first, mut length) = (String::new(), 0);
        lines.read_line(&mut first)?;
        loop {
            let mut line = String::new();
            lines.read_line(&mut line)?;
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body)?;
        rig::leaks::said("notice", &body);
        let answer = self.0.plan.lock().unwrap().pop_front().unwrap_or(Answer::Taken);
        let body = String::from_utf8(body).unwrap();
        self.0.got.lock().unwrap().push((first.trim().to_owned(), body, answer));
        match answer {
            Answer::Taken => (&stream).write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
            Answer::Error => (&stream).write_all(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
            Answer::Hang => {
                self.0.hanging.lock().unwrap().push(stream);
                Ok(())
            }
        }
    }

    fn let_go(&self) {
        self.0.hanging.lock().unwrap().clear();
    }

    fn requests(&self) -> usize {
        self.0.got.lock().unwrap().len()
    }

    /// What it has taken.
    fn notices(&self) -> Vec<Value> {
        let got = self.0.got.lock().unwrap();
        let taken = got.iter().filter(|(_, _, answer)| *answer == Answer::Taken);
        taken.map(|(_, body, _)| serde_json::from_str(body).unwrap()).collect()
    }
}

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

/// The notices that tell of something held, perhaps beside other things.
fn of_held(notices: &[Value]) -> Vec<&Value> {
    let is_held = |concern: &Value| concern["kind"] == "held";
    notices.iter().filter(|notice| notice["concerns"].as_array().unwrap().iter().any(is_held)).collect()
}

#[test]
fn a_receiver_that_fails_and_hangs_holds_up_nothing_and_gets_each_alarm_and_its_end_once() {
    // Given a program that fails and a server that hangs and then fails
    let mut ground = Ground::lay(&["0751", "0101"], FarPlan::default());
    let (aarhus, copenhagen) = (ground.municipality(), ground.sides[0].municipalities[1]);
    let program = Program::write(&ground);
    let receiver = Receiver::start(&[Answer::Hang, Answer::Error]);
    fs::write(&program.broken, "").unwrap();
    ground.add_settings(&format!(
        "[alarm]\ncommand = [\"{}\"]\nwebhook = \"{}\"\nover_after = \"2s\"\n",
        program.path.display(),
        receiver.0.address
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
    until("the alarm by command", || (!of_held(&program.notices()).is_empty()).then_some(()));
    until("the alarm by webhook", || (!of_held(&receiver.notices()).is_empty()).then_some(()));

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
        let is_over = |notices: &[Value]| of_held(notices).iter().any(|notice| notice["event"] == "clear");
        (is_over(&program.notices()) && is_over(&receiver.notices())).then_some(())
    });

    for told in [program.notices(), receiver.notices()] {
        let of_held: Vec<_> = of_held(&told).into_iter().cloned().collect();
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
    fs::write(&file, format!("{}\n", heart.0.address)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    ground.add_settings(&format!("[alarm]\nheartbeat = \"{}\"\nheartbeat_every = \"1s\"\n", file.display()));

    let mut daemon = ground.start();
    until("three beats", || (heart.requests() >= 3).then_some(()));
    daemon.terminate();

    let first = heart.0.got.lock().unwrap()[0].0.clone();
    assert_eq!(first, "GET /hunter2 HTTP/1.1");
    assert!(!daemon.log().contains("hunter2"), "the address may be a secret");
}

#[test]
fn that_the_unit_has_failed_is_told_though_the_settings_are_mistaken_and_the_next_daemon_says_that_it_is_over() {
    // Given settings with a receiver, and a mistake elsewhere
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    let receiver = Receiver::start(&[]);
    ground.add_settings(&format!("[alarm]\nwebhook = \"{}\"\nover_after = \"1s\"\n", receiver.0.address));
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
