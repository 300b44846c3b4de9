//! The daemon and servers that cannot do, or will not let it do, what it would like: without some request, read-only,
//! full, without a folder, with a folder that is too full to be listed. Each round ends, by another way or once the
//! server is as it should be, and meanwhile Sluse says what it waits for.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::HEALED_WITHIN;
use crate::rig::{Chapter, Daemon, FarPlan, Ground, Pause, Plan, in_each, payment_date, record, until, until_within};
use notify::event::AccessKind;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use sluse::domain::exchange::Fact;

fn refusing(refused_requests: &[&'static str]) -> Plan {
    Plan { refused_requests: refused_requests.to_vec(), ..Plan::default() }
}

fn behind(sshd: Plan) -> FarPlan {
    FarPlan { sshd, ..FarPlan::default() }
}

/// That so many rounds end, once each, and what came of them.
fn assert_round_ends(ground: &Ground, rounds: u32, fault: &str) {
    let municipality = ground.municipality();
    until_within(HEALED_WITHIN, "the round's end", || {
        let exchanges = ground.exchanges(municipality);
        let all_done = exchanges.iter().all(|exchange| exchange.state.name() == "done");
        (exchanges.len() == rounds as usize && all_done).then_some(())
    });
    ground.assert_once(municipality, rounds);
    let row = ground.came_of(Chapter::Processes, fault);
    assert_eq!((row.lost, row.doubled), (0, 0));
    record(&row);
}

/// Waits until `status` says this of the first municipality's exchange.
fn until_told(ground: &Ground, daemon: &mut Daemon, words: &str) {
    daemon.until_said("running");
    let mut told = None;
    until(&format!("{words:?} in status"), || {
        told = ground.trouble_of(ground.municipality());
        told.as_ref().is_some_and(|told| told.contains(words)).then_some(())
    });
}

// ---- what a server cannot do ----

#[test]
fn a_server_that_lacks_a_request_only_changes_the_way() {
    const LACKING: [(&[&str], &str, bool); 5] = [
        (&["posix-rename"], "a server without posix-rename@openssh.com", false),
        (&["fsync"], "a server without fsync@openssh.com", true),
        (&["limits"], "a server without limits@openssh.com", true),
        (&["posix-rename", "rename"], "a server that denies every rename", false),
        (&["posix-rename", "rename", "fsync", "limits", "setstat", "fsetstat"], "a server of the bare protocol", false),
    ];
    in_each(&LACKING, |(lacking, fault, by_rename)| {
        let ground = Ground::lay(&["0751"], behind(refusing(lacking)));
        let _daemon = ground.start();
        ground.ask_for(ground.municipality(), payment_date(1));

        assert_round_ends(&ground, 1, fault);
        assert_eq!(ground.count_of(ground.municipality(), "trigger_staged"), usize::from(by_rename));
        assert_eq!(ground.far().names_in_out(), Vec::<String>::new());
    });
}

// ---- what a server does not allow, for a while ----

#[test]
fn a_server_that_takes_nothing_for_a_while_is_told_of_and_waited_for() {
    let cases = [
        (Plan { read_only: true, ..Plan::default() }, "Permission denied", "OUT is read-only for a while"),
        (refusing(&["write"]), "Permission denied", "every WRITE in OUT is refused for a while"),
    ];
    in_each(&[0, 1], |case: usize| {
        let (plan, words, fault) = &cases[case];
        let mut ground = Ground::lay(&["0751"], behind(plan.clone()));
        let mut daemon = ground.start();
        ground.ask_for(ground.municipality(), payment_date(1));
        until_told(&ground, &mut daemon, words);
        assert_eq!(ground.exchanges(ground.municipality())[0].state.name(), "accepted");

        ground.far_mut().sshd.restart_as(&Plan::default());

        assert_round_ends(&ground, 1, fault);
    });
}

#[test]
fn a_server_that_takes_no_trigger_for_a_while_gets_it_once_when_it_does() {
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    let pause = Pause::at(&ground.path(""), "data_uploaded");
    let mut daemon = ground.start_with(&pause.environment());
    ground.ask_for(ground.municipality(), payment_date(1));
    let held = pause.hold();
    ground.far_mut().sshd.restart_as(&Plan { read_only: true, ..Plan::default() });
    held.let_go();
    until_told(&ground, &mut daemon, "Permission denied");

    ground.far_mut().sshd.restart_as(&Plan::default());

    assert_round_ends(&ground, 1, "OUT is read-only for a while, between data and trigger");
}

#[test]
fn a_full_disk_on_the_far_side_is_told_of_and_waited_for() {
    // Given a query whose data finds no room, while its neighbour's does
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    ground.add_side(&["0101"], FarPlan::default());
    let beside = ground.sides[1].municipalities[0];
    let pause = Pause::at(&ground.path(""), "accepted");
    let mut daemon = ground.start_with(&pause.environment());
    ground.ask_for(ground.municipality(), payment_date(1));
    let held = pause.hold();
    let exchange = ground.exchanges(ground.municipality()).remove(0);
    let full = ground.far().sshd.out().join(exchange.query().unwrap().remote_name.as_str());
    symlink("/dev/full", &full).unwrap();
    held.let_go();
    until_told(&ground, &mut daemon, "Failure");
    ground.ask_for(beside, payment_date(1));
    ground.until_state(beside, 1, "done");

    // When there is room again
    fs::remove_file(full).unwrap();

    assert_round_ends(&ground, 1, "no room in OUT for a while (SSH_FX_FAILURE)");
}

#[test]
fn a_folder_that_is_gone_for_a_while_is_told_of_and_waited_for() {
    in_each(&["OUT", "IN"], |name| {
        // Given a folder that is not there
        let mut ground = Ground::lay(&["0751"], FarPlan { hub: false, ..FarPlan::default() });
        let folder = ground.far().sshd.root().join(name);
        let away = folder.with_extension("away");
        fs::rename(&folder, &away).unwrap();
        let mut daemon = ground.start();
        ground.ask_for(ground.municipality(), payment_date(1));

        // When `status` says so, of the query that is to go there, or of the endpoint
        let words = format!("there is no folder {name:?}");
        match name {
            "OUT" => until_told(&ground, &mut daemon, &words),
            _ => {
                ground.until_state(ground.municipality(), 1, "submitted");
                let trouble = ground.endpoint_line(0).trouble;
                assert!(trouble.as_ref().is_some_and(|trouble| trouble.contains(&words)), "{trouble:?}");
            }
        }
        fs::rename(&away, &folder).unwrap();
        ground.far_mut().open_hub(&[]);

        assert_round_ends(&ground, 1, &format!("the folder {name} is gone for a while"));
    });
}

// ---- what may not be removed ----

/// Every file that is opened in a folder, each time that it is.
fn files_opened_in(folder: &Path) -> (Arc<Mutex<Vec<PathBuf>>>, RecommendedWatcher) {
    let opened: Arc<Mutex<Vec<PathBuf>>> = Arc::default();
    let noted = Arc::clone(&opened);
    let note = move |event: notify::Result<Event>| {
        let event = event.expect("inotify works");
        if matches!(event.kind, EventKind::Access(AccessKind::Open(_))) {
            noted.lock().expect("nobody panics with it").extend(event.paths);
        }
    };
    let mut watcher = notify::recommended_watcher(note).expect("inotify works");
    watcher.watch(folder, RecursiveMode::NonRecursive).expect("the folder is there");
    (opened, watcher)
}

#[test]
fn what_may_not_be_removed_from_in_is_told_not_fetched_again_and_removed_when_it_may_be() {
    // Given a server that lets nothing be removed
    let mut ground = Ground::lay(&["0751"], behind(refusing(&["remove"])));
    let municipality = ground.municipality();
    let (opened, _watch) = files_opened_in(&ground.far().sshd.r#in());
    let mut daemon = ground.start();

    // When two rounds end all the same, the second some polls after the first
    for round in 1..=2 {
        ground.ask_for(municipality, payment_date(round));
        ground.until_state(municipality, round as usize, "done");
    }

    // Then the journal says what was left, `status` says why, and nothing was fetched twice
    let left: Vec<_> = ground
        .facts(municipality)
        .into_iter()
        .filter_map(|fact| match fact {
            Fact::Tidied { left } => Some(left.len()),
            _ => None,
        })
        .collect();
    assert_eq!(left, [2, 2], "each round left its reply and its receipt");
    until("all that was left in status", || {
        let waiting = ground.endpoint_line(0).waiting;
        let told = waiting.iter().filter(|(_, why)| why.contains("may not be removed"));
        (told.count() == 4).then_some(())
    });
    assert_eq!(ground.far().names_in_in().len(), 6, "two replies with their metadata, two receipts");
    assert_eq!(ground.count_of(municipality, "reply_fetched"), 2);
    // By its fetch, by tidying, and by one poll that tries to remove it.
    let first_reply = ground.far().sshd.r#in().join(ground.exchanges(municipality)[0].arrivals[0].name.as_str());
    let times_opened = opened.lock().unwrap().iter().filter(|path| **path == first_reply).count();
    assert!((2..=4).contains(&times_opened), "{first_reply:?} was opened {times_opened} times");
    assert!(!daemon.log().contains("trying again"), "{}", daemon.log());

    // And it is removed when it may be
    ground.far_mut().sshd.restart_as(&Plan::default());
    daemon.until_said("after_failures");
    until_within(HEALED_WITHIN, "IN to be cleared", || ground.far().names_in_in().is_empty().then_some(()));
    assert_round_ends(&ground, 2, "nothing may be removed from IN for a while");
}

// ---- more than can be listed ----

/// Other integrations' files in an IN that is large for a municipality.
const MANY: usize = 50_000;

/// A daemon holds no more bytes than this, whatever is listed to it.
const MEMORY_MAX: u64 = 400 << 20;

#[test]
fn fifty_thousand_files_of_others_in_in_only_slow_the_poll() {
    // Given an IN full of other integrations' files
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let folder = ground.far().sshd.r#in();
    let first = folder.join("OTHER_INTEGRATION_0.xml");
    fs::write(&first, "x").unwrap();
    for number in 1..MANY {
        fs::hard_link(&first, folder.join(format!("OTHER_INTEGRATION_{number}.xml"))).unwrap();
    }

    let daemon = ground.start();
    ground.ask_for(ground.municipality(), payment_date(1));

    assert_round_ends(&ground, 1, "50,000 files of others in IN");
    let (line, peak) = (ground.endpoint_line(0), daemon.memory_peak());
    println!("{MANY} files in IN: {} MiB at most", peak >> 20);
    assert_eq!((line.foreign as usize, line.trouble), (MANY, None));
    assert!(peak < MEMORY_MAX, "{peak} bytes");
    assert_eq!(ground.far().names_in_in().len(), MANY, "somebody else's file was removed");
}

#[test]
fn a_listing_without_end_is_given_up_and_what_is_expected_is_asked_for_by_name() {
    // Given a server whose listings of IN do not end, and another endpoint
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    ground.add_side(&["0101"], FarPlan::default());
    let beside = ground.sides[1].municipalities[0];
    let server = ground.far().serve_without_end();
    ground.sides[0].port = server.port;
    ground.sides[0].host_keys = vec![server.fingerprint.clone()];

    let daemon = ground.start();
    ground.ask_for(ground.municipality(), payment_date(1));
    ground.ask_for(beside, payment_date(1));

    // Then the other's round ends, `status` says what is wrong with this one's IN, and its round ends all the same
    ground.until_state(beside, 1, "done");
    until("the listing to be given up", || {
        let trouble = ground.endpoint_line(0).trouble?;
        trouble.contains("the folder holds more than 500000 entries").then_some(())
    });
    assert_round_ends(&ground, 1, "a listing of IN without end");
    let peak = daemon.memory_peak();
    println!("a listing without end: {} MiB at most", peak >> 20);
    assert!(peak < MEMORY_MAX, "{peak} bytes");
}
