//! `sluse check --connect` against real servers, sound and otherwise: what a transfer needs is told with the next step, it
//! comes to an end whatever the server does, and leaves nothing there.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use rig::{FarPlan, Ground, Plan, Proxy, in_each, payment_date};
use sluse::transport::sftp::probe::{PROBE, RENAMED};

/// The lines of the one endpoint, and the exit status.
fn checked(ground: &Ground, more: &[&str]) -> (Vec<serde_json::Value>, i32) {
    let output = ground.command(&[&["check", "--connect", "--json"], more].concat());
    let told: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&output.stderr)));
    (told[0]["lines"].as_array().unwrap().clone(), output.status.code().unwrap())
}

/// The verdict on one thing, and what is said of it; nothing where there is no such line.
fn of(lines: &[serde_json::Value], what: &str) -> (String, String) {
    let text = |line: &serde_json::Value, field: &str| line[field].as_str().unwrap().to_owned();
    let line = lines.iter().find(|line| line["what"] == what);
    line.map_or_else(Default::default, |line| (text(line, "verdict"), text(line, "said")))
}

/// A ground whose settings lie ready, and no daemon.
fn ground(sshd: Plan) -> Ground {
    let ground = Ground::lay(&["0751"], FarPlan { sshd, ..FarPlan::default() });
    ground.write_settings();
    ground
}

fn refusing(requests: &[&'static str]) -> Plan {
    Plan { refused_requests: requests.to_vec(), ..Plan::default() }
}

#[test]
fn a_sound_far_side_is_told_in_full_beside_a_running_daemon_and_nothing_is_left_there() {
    let ground = Ground::lay(&["0751"], FarPlan { foreign: true, ..FarPlan::default() });
    let mut daemon = ground.start();
    daemon.until_said("connected");
    let before = (ground.far().names_in_out(), ground.far().names_in_in());

    let (lines, status) = checked(&ground, &[]);
    let shown = ground.command(&["check", "--connect"]);

    assert_eq!(status, 0, "{lines:?}");
    for what in ["reach", "host key", "login", "list IN", "list OUT", "write", "rename", "remove", "clock"] {
        assert_eq!(of(&lines, what).0, "ok", "{what}: {lines:?}");
    }
    assert_eq!(of(&lines, "remove IN").0, "not_tried");
    assert!(of(&lines, "extensions").1.starts_with("posix-rename, fsync, limits, statvfs"), "{lines:?}");
    assert!(of(&lines, "login").1.contains(&ground.far().sshd.client_key().fingerprint()), "{lines:?}");
    assert_eq!(of(&lines, "list IN").1, format!("0 files of ours, {} for others", before.1.len()));
    assert_eq!((ground.far().names_in_out(), ground.far().names_in_in()), before);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("ok: ") && shown.contains("Endpoint hub-0: 127.0.0.1, port "), "{shown}");
    // And the daemon has noticed nothing
    ground.ask_for(ground.municipality(), payment_date(1));
    ground.until_state(ground.municipality(), 1, "done");
    ground.assert_once(ground.municipality(), 1);
}

#[test]
fn what_a_server_does_not_allow_is_told_with_what_follows_from_it() {
    type Case<'c> = (&'c [&'static str], &'c str, (&'c str, &'c str), i32);
    let cases: [Case<'_>; 5] = [
        (&["posix-rename"], "rename", ("note", "the trigger is written under its final name"), 0),
        (&["open"], "write", ("wrong", "cannot be written"), 1),
        (&["remove"], "remove", ("wrong", "cannot be removed"), 1),
        (&["opendir"], "list IN", ("wrong", "cannot be listed"), 1),
        (&["statvfs", "limits", "fsync"], "extensions", ("note", "not fsync, limits, statvfs"), 0),
    ];
    in_each(&cases, |(refused, what, (verdict, words), status)| {
        let ground = ground(refusing(refused));

        let (lines, exit) = checked(&ground, &[]);

        let (told, said) = of(&lines, what);
        assert!(told == verdict && said.contains(words), "{refused:?}: {lines:?}");
        assert_eq!(exit, status, "{lines:?}");
        let wrong = lines.iter().filter(|line| line["verdict"] == "wrong");
        assert!(wrong.clone().all(|line| line["to_do"].is_string()), "each with the next step: {lines:?}");
    });
    let ground = ground(Plan { read_only: true, ..Plan::default() });
    let (lines, exit) = checked(&ground, &[]);
    assert!(exit == 1 && of(&lines, "write").0 == "wrong", "{lines:?}");
}

#[test]
fn what_a_check_had_to_leave_there_is_removed_by_the_next_one_and_taken_by_nobody_meanwhile() {
    // Given a server that lets nobody remove anything
    let mut ground = ground(refusing(&["remove"]));
    checked(&ground, &[]);
    assert_eq!(ground.far().names_in_out(), [RENAMED]);

    // When a whole round goes by, and the right is given
    ground.far_mut().sshd.restart_as(&Plan::default());
    let mut daemon = ground.start();
    daemon.until_said("connected");
    ground.ask_for(ground.municipality(), payment_date(1));
    ground.until_state(ground.municipality(), 1, "done");
    assert_eq!(ground.far().names_in_out(), [RENAMED]);
    let (lines, status) = checked(&ground, &[]);

    // Then it is gone
    assert!(status == 0 && of(&lines, "left over").1.contains("was removed"), "{lines:?}");
    assert_eq!(ground.far().names_in_out(), Vec::<String>::new());
}

#[test]
fn a_connection_that_breaks_anywhere_ends_the_check_and_leaves_at_most_what_the_next_one_removes() {
    // Given how many bytes a whole check takes
    let mut ground = ground(Plan::default());
    let proxy = Proxy::to(ground.sides[0].port);
    ground.sides[0].port = proxy.port();
    ground.write_settings();
    assert_eq!(checked(&ground, &[]).1, 0);
    let whole = proxy.passed();

    let mut left = 0;
    for cut in 1..=16 {
        proxy.cut_after(whole * cut / 17);
        let (lines, status) = checked(&ground, &["--within", "20"]);
        assert!(status == 1 || !proxy.cut_is_ahead(), "{lines:?}");
        let names = ground.far().names_in_out();
        assert!(names.is_empty() || names == [PROBE] || names == [RENAMED], "{names:?}");
        left += names.len();
    }

    assert_eq!(checked(&ground, &[]).1, 0);
    assert_eq!(ground.far().names_in_out(), Vec::<String>::new());
    eprintln!("{left} of 16 broken checks left their file");
}

#[test]
fn a_server_that_stands_still_or_talks_without_end_is_given_up_in_time() {
    in_each(&["frozen", "endless banner", "silent"], |server| {
        let mut ground = ground(Plan::default());
        match server {
            "frozen" => ground.far().sshd.freeze(),
            _ => ground.sides[0].port = strange_server(server == "endless banner"),
        }
        ground.write_settings();
        let began = Instant::now();

        let (lines, status) = checked(&ground, &["--within", "3"]);

        assert_eq!(status, 1, "{lines:?}");
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        assert_eq!(of(&lines, "reach").0, "wrong", "{lines:?}");
        // What is no SSH at all is not waited for.
        let is_waited_for = of(&lines, "time").1.contains("while it was connecting");
        assert_eq!(is_waited_for, server != "endless banner", "{lines:?}");
    });
}

/// A port where connections are accepted, and nothing is said, or lines without end that are no SSH. Its threads end with
/// the test's process.
fn strange_server(is_endless: bool) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut silent = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            if is_endless {
                thread::spawn(move || while stream.write_all(b"welcome, and read all of this first\r\n").is_ok() {});
            } else {
                silent.push(stream);
            }
        }
    });
    port
}

#[test]
fn a_mistaken_setting_is_told_before_anybody_connects() {
    let ground = ground(Plan::default());
    std::fs::remove_file(&ground.far().sshd.client_key().path).unwrap();

    let output = ground.command(&["check", "--connect"]);

    assert_eq!(output.status.code(), Some(2));
    assert_eq!(ground.far().sshd.session_processes(), 0);
}
