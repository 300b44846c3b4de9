//! The daemon as a service: what systemd is told, when the watchdog is fed and when not, and settings that are read again
//! while everything goes on. The tests are systemd: they have the notification socket.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

#[cfg(debug_assertions)]
use rig::Pause;
use rig::{Chapter, Daemon, FarPlan, Ground, Proxy, Row, payment_date, record, until};

/// The daemon is to be told of within it, or it counts as frozen.
const WATCHDOG: Duration = Duration::from_secs(2);

/// As short as the commit of a busy machine may take, and longer than the watchdog's time.
const SILENCE: Duration = Duration::from_millis(2_500);

/// Longer than anything takes that is waited for.
const LIMIT: Duration = Duration::from_secs(30);

/// The end of the notification socket that is systemd's.
struct Systemd(UnixDatagram);

impl Systemd {
    fn listen(folder: &Path) -> (Systemd, [(&'static str, String); 2]) {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let watchdog = WATCHDOG.as_micros().to_string();
        (Systemd(socket), [("NOTIFY_SOCKET", path.display().to_string()), ("WATCHDOG_USEC", watchdog)])
    }

    /// The next message. None: there was none for so long.
    fn next(&self, within: Duration) -> Option<String> {
        self.0.set_read_timeout(Some(within)).unwrap();
        let mut buffer = [0; 4096];
        self.0.recv(&mut buffer).ok().map(|bytes| String::from_utf8_lossy(&buffer[..bytes]).into_owned())
    }

    /// Waits for a message that holds this.
    fn until(&self, words: &str) -> String {
        until(&format!("{words:?} to be told"), || self.next(LIMIT).filter(|message| message.contains(words)))
    }

    /// Waits until nothing is told any more; returns false if it goes on and on.
    fn falls_silent(&self) -> bool {
        (0..20).any(|_| self.next(SILENCE).is_none())
    }
}

/// A row for the evidence, of what systemd was told.
fn row(fault: &str, outcome: &str) {
    record(&Row::once(Chapter::Processes, fault, outcome));
}

#[test]
fn systemd_is_told_that_it_serves_what_it_is_at_and_that_it_stops() {
    let ground = Ground::lay(&["0751", "0101"], FarPlan { faults: vec!["silent"], ..FarPlan::default() });
    let (systemd, environment) = Systemd::listen(&ground.path(""));

    let mut daemon = ground.start_with(&environment);
    systemd.until("READY=1");
    let quiet = systemd.until("WATCHDOG=1");
    ground.ask_for(ground.municipality(), payment_date(1));
    systemd.until("STATUS=2 municipalities, 1 exchange under way\n");
    daemon.terminate();

    assert!(quiet.contains("STATUS=2 municipalities, 0 exchanges under way\n"), "{quiet}");
    systemd.until("STOPPING=1");
}

// A release build has no points to pause at.
#[cfg(debug_assertions)]
#[test]
fn a_loop_that_stands_still_feeds_no_watchdog_and_one_that_goes_on_does() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let (systemd, environment) = Systemd::listen(&ground.path(""));
    let pause = Pause::at(&ground.path(""), "accepted");
    let environment = [&environment[..], &pause.environment()[..]].concat();
    let _daemon = ground.start_with(&environment);
    systemd.until("WATCHDOG=1");

    // When the loop stops where it stands, while the rest of the process goes on
    ground.ask_for(ground.municipality(), payment_date(1));
    let held = pause.hold();
    let is_silent = systemd.falls_silent();

    // Then nothing is told until it goes on
    assert!(is_silent, "the watchdog was fed though the loop stood still");
    held.let_go();
    systemd.until("WATCHDOG=1");
    ground.until_state(ground.municipality(), 1, "done");
    row("the engine's loop stands still", "the watchdog is not fed");
}

#[test]
fn a_store_that_does_not_answer_feeds_no_watchdog() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let (systemd, environment) = Systemd::listen(&ground.path(""));
    let _daemon = ground.start_with(&environment);
    systemd.until("WATCHDOG=1");

    // When another program keeps the store from being written to
    let other = rusqlite::Connection::open(ground.path("state/sluse.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    ground.ask_for(ground.municipality(), payment_date(1));
    let is_silent = systemd.falls_silent();

    assert!(is_silent, "the watchdog was fed though the store's thread was stuck");
    other.execute_batch("ROLLBACK").unwrap();
    systemd.until("WATCHDOG=1");
    ground.until_state(ground.municipality(), 1, "done");
    row("the store's thread is stuck", "the watchdog is not fed");
}

/// Has the daemon read the settings that the ground has now; returns what systemd was told in the end.
fn reload(ground: &Ground, daemon: &Daemon, systemd: &Systemd) -> String {
    ground.write_settings();
    daemon.reload();
    let began = systemd.until("RELOADING=1");
    assert!(began.contains("MONOTONIC_USEC="), "{began}");
    systemd.until("READY=1")
}

#[test]
fn new_settings_take_effect_while_everything_goes_on_and_the_log_shows_the_difference() {
    // Given an exchange under way that is not answered
    let mut ground = Ground::lay(&["0751"], FarPlan { hub: false, ..FarPlan::default() });
    let (systemd, environment) = Systemd::listen(&ground.path(""));
    let daemon = ground.start_with(&environment);
    systemd.until("READY=1");
    let (old, new) = (ground.municipality(), "0101".parse().unwrap());
    ground.ask_for(old, payment_date(1));
    ground.until_fact(old, "trigger_made");

    // When the settings change: a municipality more, less patience, another way to the server
    let proxy = Proxy::to(ground.far().sshd.port());
    let former_port = std::mem::replace(&mut ground.sides[0].port, proxy.port());
    ground.sides[0].municipalities.push(new);
    ground.sides[0].exchange_lines = vec!["receipt_within = \"1s\"".to_owned()];
    let told = reload(&ground, &daemon, &systemd);

    // Then each is told with what it was, and is so
    assert!(told.contains("3 changes are in force"), "{told}");
    let port = format!("key=endpoint.hub-0.port before=\"{former_port}\" now=\"{}\"", proxy.port());
    for change in [
        port.as_str(),
        "key=exchange.sf2530-0.municipalities before=\"[\\\"0751\\\"]\" now=\"[\\\"0751\\\", \\\"0101\\\"]\"",
        "key=exchange.sf2530-0.receipt_within now=\"\\\"1s\\\"\"",
    ] {
        assert!(daemon.log().contains(change), "{change} is not in the log");
    }
    let is_overdue = || ground.status().routes.iter().any(|route| route.foremost().is_some_and(|line| line.overdue));
    until("the receipt to be overdue by the new time", || is_overdue().then_some(()));
    until("a connection by the new way", || (proxy.connections() > 0).then_some(()));
    ground.far_mut().open_hub(&[]);
    ground.ask_for(new, payment_date(1));
    ground.until_state(new, 1, "done");
    ground.until_state(old, 1, "done");
    ground.assert_once(old, 1);
    ground.assert_once(new, 1);
    record(&ground.came_of(Chapter::Processes, "the settings change while an exchange is under way"));
}

#[test]
fn settings_that_cannot_be_used_leave_everything_as_it_was_and_say_why() {
    // Given an exchange under way
    let mut ground = Ground::lay(&["0751", "0101"], FarPlan { faults: vec!["silent"], ..FarPlan::default() });
    let (systemd, environment) = Systemd::listen(&ground.path(""));
    let mut daemon = ground.start_with(&environment);
    systemd.until("READY=1");
    let municipality = ground.municipality();
    ground.ask_for(municipality, payment_date(1));
    ground.until_fact(municipality, "trigger_made");

    // When settings come that are mistaken, also in what they would change
    ground.sides[0].endpoint_lines = vec!["pol = \"1s\"".to_owned()];
    ground.sides[0].poll = "2s";
    let told = reload(&ground, &daemon, &systemd);
    assert!(told.contains("the former settings are in force"), "{told}");
    daemon.until_said("new settings are refused, the former ones stay in force");
    assert!(daemon.log().contains("unknown key `pol`"), "{}", daemon.log());

    // When they would take an exchange under way its place
    ground.sides[0].endpoint_lines.clear();
    let kept = ground.sides[0].municipalities.remove(0);
    reload(&ground, &daemon, &systemd);
    daemon.until_said("no longer names that municipality; wait until it is at its end");
    ground.sides[0].municipalities.insert(0, kept);

    // When they say what cannot change
    let path = ground.write_settings();
    let moved = std::fs::read_to_string(&path).unwrap().replace("/sluse.db", "/other.db");
    std::fs::write(&path, moved).unwrap();
    daemon.reload();
    systemd.until("READY=1");
    daemon.until_said("`store.url` cannot change while Sluse runs");

    // Then nothing of it is in force, and the exchange comes to its end
    assert!(!daemon.log().contains("setting changed"), "{}", daemon.log());
    ground.far_mut().open_hub(&[]);
    ground.until_state(municipality, 1, "done");
    ground.assert_once(municipality, 1);

    // And settings that can be used are
    assert!(reload(&ground, &daemon, &systemd).contains("1 change is in force"));
    record(&ground.came_of(Chapter::Processes, "settings that cannot be used are to be read again"));
}

#[test]
fn a_far_side_that_is_away_is_one_line_however_often_it_is_tried_and_one_when_it_is_back() {
    // Given a daemon with two exchanges to carry, and a server that hangs up on everyone
    let mut ground = Ground::lay(&["0751", "0101"], FarPlan::default());
    let proxy = Proxy::to(ground.far().sshd.port());
    ground.sides[0].port = proxy.port();
    proxy.refuse();
    let mut daemon = ground.start();
    for municipality in ground.sides[0].municipalities.clone() {
        ground.ask_for(municipality, payment_date(1));
    }

    // When it has been tried again and again
    until("a fifth try", || (proxy.connections() >= 5).then_some(()));
    proxy.heal();
    daemon.until_said("connected");
    ground.until_state(ground.municipality(), 1, "done");

    // Then that is one line
    let log = daemon.log();
    let of_endpoint = log.lines().filter(|line| line.contains("endpoint=hub-0")).count();
    assert_eq!(of_endpoint, 2, "{log}");
    assert!(log.lines().filter(|line| line.contains(" WARN ") || line.contains("ERROR")).count() == 1, "{log}");
    let outcome = format!("{of_endpoint} lines in the log");
    record(&Row::once(Chapter::Processes, "the server is away for five tries", outcome));
}
