//! Settings that are read again while everything goes on: whom alarms reach, what the calendar expects, where the page is
//! served; and that one mistake, or one thing that cannot be, leaves everything as it was.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use jiff::{Span, Zoned};
use rig::{At, Chapter, Daemon, FarPlan, Ground, Receiver, Row, of_kind, payment_date, record, until};
use sluse::engine::decide::Verdict;

const IN_FORCE: &str = "settings read again and in force";
const REFUSED: &str = "new settings are refused, the former ones stay in force";

/// How often the daemon has said this.
fn times(daemon: &Daemon, words: &str) -> usize {
    daemon.log().matches(words).count()
}

/// Has the daemon read the settings that the ground has now, which it is to answer with these words.
fn reload(ground: &Ground, daemon: &Daemon, words: &str) {
    ground.write_settings();
    let before = times(daemon, words);
    daemon.reload();
    until(words, || (times(daemon, words) > before).then_some(()));
}

/// Has the daemon look at once for what is the matter, as it does after each reload, and not only at its next look.
fn look(ground: &Ground, daemon: &Daemon) {
    reload(ground, daemon, IN_FORCE);
}

fn alarm(receiver: &Receiver, heart: &Receiver) -> String {
    format!(
        "[alarm]\nwebhook = \"{}\"\nover_after = \"1s\"\nheartbeat = \"{}\"\nheartbeat_every = \"1s\"\n",
        receiver.address(),
        heart.address()
    )
}

#[test]
fn alarms_and_heartbeat_go_to_the_new_receivers_from_the_reload_on_and_no_longer_to_the_former_ones() {
    // Given a receiver that was told of something held, and a heart that beats
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    let [former, new, former_heart, new_heart] = [(); 4].map(|()| Receiver::start(&[]));
    ground.replace_settings(&alarm(&former, &former_heart));
    let daemon = ground.start();
    let municipality = ground.municipality();
    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 1, "done");
    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 2, "held");
    look(&ground, &daemon);
    until("the former receiver to be told", || (!of_kind(&former.notices(), "held").is_empty()).then_some(()));
    until("a beat", || (former_heart.requests() > 0).then_some(()));

    // When the settings name others
    ground.replace_settings(&alarm(&new, &new_heart));
    reload(&ground, &daemon, IN_FORCE);

    // Then the new receiver hears what is the matter, and then that it is over; the former one nothing more
    until("the new receiver to be told", || (!of_kind(&new.notices(), "held").is_empty()).then_some(()));
    until("a beat of the new heart", || (new_heart.requests() > 0).then_some(()));
    let (notices, beats) = (former.requests(), former_heart.requests());
    ground.decide(&ground.held_one(), Verdict::Refuse);
    ground.until_state(municipality, 2, "refused");
    look(&ground, &daemon);
    until("its end to be told", || {
        of_kind(&new.notices(), "held").iter().any(|notice| notice["event"] == "clear").then_some(())
    });
    assert_eq!((former.requests(), former_heart.requests()), (notices, beats));

    // And the log says what has changed, but not the addresses, which may be secrets
    let log = daemon.log();
    assert!(log.contains("key=alarm.webhook before=\"(not shown)\" now=\"(not shown)\""), "{log}");
    assert!(!log.contains("hunter2") && !log.contains("localhost"), "{log}");
    record(&ground.came_of(Chapter::Processes, "alarms get another receiver while one is held"));
}

#[test]
fn a_receiver_that_is_never_reached_and_is_no_longer_named_is_no_alarm_any_more() {
    // Given one that takes nothing
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    ground.replace_settings("[alarm]\nheartbeat = \"http://127.0.0.1:9/\"\nheartbeat_every = \"1s\"\n");
    let mut daemon = ground.start();
    let is_silent = |ground: &Ground| ground.status().concerns.iter().any(|concern| concern.kind.name() == "receiver");
    daemon.until_said("receiver of alarms or heartbeat is not reached");
    look(&ground, &daemon);
    until("it to be an alarm", || is_silent(&ground).then_some(()));

    // When the settings name none
    ground.replace_settings("");
    reload(&ground, &daemon, IN_FORCE);

    look(&ground, &daemon);
    until("it to be none", || (!is_silent(&ground)).then_some(()));
}

#[test]
fn another_calendar_moves_the_deadline_of_a_query_at_once() {
    // Given a query that is not expected for weeks
    let mut ground = Ground::lay(&["0751"], FarPlan { hub: false, ..FarPlan::default() });
    let date = Zoned::now().date() + Span::new().days(28);
    let calendar = |by: &str| {
        let from = "30 bank days before, 08:00";
        format!("[calendar]\npayments = [\"{date}\"]\nquery_from = \"{from}\"\nquery_by = \"{by} before, 12:00\"\n")
    };
    ground.replace_settings(&calendar("1 bank day"));
    let mut daemon = ground.start();
    daemon.until_said("running");
    let expected = |ground: &Ground| ground.status().routes[0].expected.unwrap().by;
    let missed = |ground: &Ground| ground.status().concerns.into_iter().find(|concern| concern.kind.name() == "query");
    let former = expected(&ground);
    assert_eq!(missed(&ground), None);

    // When it was due weeks ago
    ground.replace_settings(&calendar("25 bank days"));
    reload(&ground, &daemon, IN_FORCE);

    // Then it is late
    let concern = until("the alarm", || missed(&ground));
    assert!(expected(&ground) < former, "{former}");
    assert_eq!(concern.deadline, Some(expected(&ground)));

    // And no longer, once there is time again
    ground.replace_settings(&calendar("1 bank day"));
    reload(&ground, &daemon, IN_FORCE);
    until("no alarm", || missed(&ground).is_none().then_some(()));
    assert_eq!(expected(&ground), former);
}

fn page(listen: &str) -> String {
    format!("[page]\nlisten = \"{listen}\"\n")
}

#[test]
fn the_page_is_served_at_its_new_place_after_a_reload_and_no_longer_at_the_former_one() {
    let mut ground = Ground::lay(&["0751"], FarPlan { hub: false, ..FarPlan::default() });
    ground.replace_settings(&page("127.0.0.1:0"));
    let mut daemon = ground.start();
    let At::Tcp(former) = At::served_by(&mut daemon) else { panic!("it is an address") };

    // When it moves to a socket
    ground.replace_settings(&page("unix:{run}/page.sock"));
    reload(&ground, &daemon, IN_FORCE);
    let socket = At::Unix(ground.path("run/page.sock"));
    assert_eq!(socket.ask("/healthz", &[]).status, 200);
    until("the former address to be free", || TcpListener::bind(&former).ok());

    // And gets a token; and that file another one
    let token = ground.path("run/token");
    let write = |text: &str| {
        fs::write(&token, text).unwrap();
        fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
    };
    let with = |token: &str| socket.ask("/metrics", &[&format!("Authorization: Bearer {token}")]).status;
    for text in ["the-first-of-two-tokens", "the-second-of-two-tokens"] {
        write(text);
        ground.replace_settings(
            &(page("unix:{run}/page.sock") + &format!("token = \"{}\"\n", ground.path("run/token").display())),
        );
        reload(&ground, &daemon, IN_FORCE);
        until("the token to be needed", || (with(text) == 200).then_some(()));
        assert_eq!(with("no-token-at-all"), 401);
    }
    assert_eq!(with("the-first-of-two-tokens"), 401);

    // And is to be no more
    ground.replace_settings("");
    reload(&ground, &daemon, IN_FORCE);
    until("its socket to be gone", || (!ground.path("run/page.sock").exists()).then_some(()));
}

#[test]
fn one_mistake_or_one_place_that_cannot_be_had_leaves_everything_as_it_was() {
    // Given a daemon with a page and a heartbeat
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    let [former, new] = [(); 2].map(|()| Receiver::start(&[]));
    let sections = |heart: &Receiver, listen: &str| alarm(heart, heart) + &page(listen);
    ground.replace_settings(&sections(&former, "unix:{run}/page.sock"));
    let mut daemon = ground.start();
    let socket = At::served_by(&mut daemon);

    // When the new settings want a place that another program has, among much that could be
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    ground.replace_settings(&sections(&new, &taken));
    ground.sides[0].poll = "2s";
    reload(&ground, &daemon, REFUSED);
    assert!(
        daemon
            .log()
            .contains(&format!("the status page cannot be served at {taken} as [page] wants it: cannot listen")),
        "{}",
        daemon.log()
    );

    // When the place could be had, and something else is mistaken
    ground.replace_settings(&(sections(&new, "unix:{run}/other.sock") + "lisen = 1\n"));
    reload(&ground, &daemon, REFUSED);

    // When all of it holds, and something else cannot change
    ground.replace_settings(&sections(&new, "unix:{run}/other.sock"));
    let path: PathBuf = ground.write_settings();
    let moved = fs::read_to_string(&path).unwrap().replace("/sluse.db", "/other.db");
    fs::write(&path, moved).unwrap();
    daemon.reload();
    daemon.until_said("`store.url` cannot change while Sluse runs");

    // Then the page is where it was, and the heart beats where it did
    assert_eq!(socket.ask("/healthz", &[]).status, 200);
    until("the other socket to be gone", || (!ground.path("run/other.sock").exists()).then_some(()));
    let beats = former.requests();
    until("two beats more", || (former.requests() >= beats + 2).then_some(()));
    assert_eq!(new.requests(), 0);
    assert!(!daemon.log().contains("setting changed"), "{}", daemon.log());

    // And once all of it holds, all of it is so
    reload(&ground, &daemon, IN_FORCE);
    let moved = At::Unix(ground.path("run/other.sock"));
    assert_eq!(moved.ask("/healthz", &[]).status, 200);
    until("a beat at its new place", || (new.requests() > 0).then_some(()));
    let outcome = "nothing of them is in force, and the log says why";
    record(&Row { tried: 3, ..Row::once(Chapter::Processes, "new settings of which one thing cannot be", outcome) });
}
