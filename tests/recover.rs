//! A store that was put back from a backup, or cut off: nothing is sent on its word, a person is told, and after `sluse
//! recover` nothing is lost, sent twice or handed over twice.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rig::{Chapter, Daemon, FarPlan, Ground, Row, in_each, payment_date, record, sorted_names, until};
use sluse::domain::exchange::hold::HoldReason;
use sluse::engine::backup::{MANIFEST, Manifest, STORE};
use sluse::engine::control::{Answer, Request};
use sluse::engine::decide::{Ask, Verdict};
use sluse::engine::point::KILL_VARIABLE;
use sluse::engine::snapshot::Snapshot;
use sluse::store::{Reading, SqliteReader};

/// What is put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PutBack {
    /// The store; archive, spool and refused files are as they were.
    Store,
    /// The whole state folder, but for the anchor.
    Everything,
}

/// Calls a command; its exit status, and what it said on both streams.
fn sluse(ground: &Ground, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluse"));
    let called = command.arg("--config").arg(ground.path("sluse.toml")).args(arguments).output().unwrap();
    let said = [called.stdout, called.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(!said.contains("panicked"), "{said}");
    (called.status.code().unwrap(), said)
}

/// A daemon that serves.
fn started(ground: &Ground) -> Daemon {
    let mut daemon = ground.start();
    daemon.until_said("running");
    daemon
}

/// Makes a backup, which must be whole.
fn back_up(ground: &Ground) -> PathBuf {
    let folder = ground.path("backup");
    let (status, said) = sluse(ground, &["backup", folder.to_str().unwrap()]);
    assert_eq!(status, 0, "{said}");
    folder
}

fn put_back(ground: &Ground, backup: &Path, what: PutBack) {
    let state = ground.path("state");
    for name in ["sluse.db-wal", "sluse.db-shm"] {
        let _ = fs::remove_file(state.join(name));
    }
    if what == PutBack::Everything {
        for name in ["archive", "spool", "refused"] {
            let _ = fs::remove_dir_all(state.join(name));
        }
        let copied = Command::new("cp").arg("-r").arg(format!("{}/.", backup.display())).arg(&state).status();
        assert!(copied.unwrap().success());
    }
    fs::copy(backup.join(STORE), state.join(STORE)).unwrap();
}

fn snapshot(ground: &Ground) -> Snapshot {
    match ground.ask(&Request::Status) {
        Answer::Status(snapshot) => snapshot,
        answer => panic!("{answer:?}"),
    }
}

/// That a daemon on this store tells that it was put back, takes nothing and decides nothing; and that `recover` does not
/// take the store from it.
fn assert_stands_by(ground: &Ground) {
    let (out, inbox) = (ground.far().names_in_out(), ground.in_inbox(ground.municipality()).replies);
    let mut daemon = ground.start();
    daemon.until_said("put back from a backup");
    let told = snapshot(ground);
    let restored = told.restored.expect("status says it");
    assert!(restored.contains("sluse recover"), "{restored}");
    // What is told to be done can be done now.
    let is_told = |next: &str| next.ends_with("stop the daemon and call `sluse recover`");
    assert!(told.routes.iter().flat_map(|route| &route.open).all(|line| is_told(&line.next) && !line.overdue));
    let code = ground.municipality().to_string();
    for arguments in [["status", &code], ["explain", &code]] {
        let (_, said) = sluse(ground, &arguments);
        assert!(!said.contains("sluse held") && !said.contains("--seen"), "{said}");
    }
    let ask = Ask { id: "0000".into(), verdict: Verdict::Approve, reason: "x".into(), seen: None };
    assert!(matches!(ground.ask(&Request::Decide(ask)), Answer::Refused { why } if why.contains("sluse recover")));
    assert_eq!(sluse(ground, &["status"]).0, 1);
    assert!(sluse(ground, &["status", &code]).1.contains("Sluse runs."));
    let (status, said) = sluse(ground, &["recover", "--offline"]);
    assert!(status == 1 && said.contains("stop the daemon"), "{said}");
    assert!(daemon.terminate().0.success());
    assert!(!daemon.log().contains("connected"), "nobody has asked the far side anything");
    assert_eq!((ground.far().names_in_out(), ground.in_inbox(ground.municipality()).replies), (out, inbox));
}

/// Looks, then recovers; returns what the look said.
fn recover(ground: &Ground) -> String {
    let (status, looked) = sluse(ground, &["recover"]);
    assert_eq!(status, 1, "{looked}");
    let (status, said) = sluse(ground, &["recover", "--accept", "--reason", "the disk broke"]);
    assert_eq!(status, 0, "{said}");
    looked
}

/// Decides on whatever waits, as `verdict` says, until all is at its end; returns the reasons that were given.
fn decide_until_all_ends(
    ground: &Ground,
    count: usize,
    gives_up: bool,
    verdict: impl Fn(&str) -> Verdict,
) -> Vec<String> {
    let mut reasons = Vec::new();
    until("all to be at its end", || {
        for item in ground.held() {
            let verdict = verdict(&item.reasons.join("; "));
            if let Answer::Decided { .. } = ground.try_to_decide(&item, verdict) {
                reasons.extend(item.reasons);
            }
        }
        let exchanges = ground.exchanges(ground.municipality());
        // Refused, and found to have been sent all the same: nobody sends its reply again, so the wait is given up.
        let waits = exchanges.iter().filter(|exchange| exchange.state.name() == "submitted" && exchange.is_restored);
        for waits in waits.filter(|_| gives_up) {
            let (id, reason) = (waits.id.to_string(), "it was answered before".to_owned());
            ground.ask(&Request::Decide(Ask { id, verdict: Verdict::Refuse, reason, seen: None }));
        }
        (exchanges.len() == count && exchanges.iter().all(|exchange| exchange.state.is_final())).then_some(())
    });
    reasons
}

#[test]
fn after_a_backup_was_put_back_nothing_is_sent_or_handed_over_twice_and_the_register_is_right() {
    let points = ["claimed", "data_uploaded", "trigger_intended", "hand_over_intended"];
    let cases: Vec<_> = points.iter().flat_map(|p| [(*p, PutBack::Store), (*p, PutBack::Everything)]).collect();
    in_each(&cases, |(point, what)| {
        // Given a backup from the middle of a round, which then ends, and one more round
        let ground = Ground::lay(&["0751"], FarPlan::default());
        let municipality = ground.municipality();
        let mut daemon = ground.start_with(&[(KILL_VARIABLE, point.to_owned())]);
        ground.ask_for(municipality, payment_date(1));
        daemon.wait_for_kill();
        let backup = back_up(&ground);
        let mut daemon = ground.start();
        ground.until_state(municipality, 1, "done");
        ground.ask_for(municipality, payment_date(2));
        ground.until_state(municipality, 2, "done");
        assert!(daemon.terminate().0.success());

        let old_anchor = ground.path("old.anchor");
        fs::copy(ground.path("state/journal.anchor"), &old_anchor).unwrap();

        // When the backup is put back, and a third query comes
        put_back(&ground, &backup, what);
        ground.ask_for(municipality, payment_date(3));
        assert_stands_by(&ground);
        let verify = || sluse(&ground, &["audit", "verify", "--anchor", old_anchor.to_str().unwrap()]);
        let (status, said) = verify();
        let words = ["is not the one of this anchor", "Where a backup was put back", "recover"];
        assert!(status == 1 && words.iter().all(|words| said.contains(words)), "{said}");
        recover(&ground);
        let (status, said) = verify();
        assert!(status == 1 && said.contains("somebody went on from there by"), "{said}");
        assert!(said.lines().count() < 20, "one sentence first, not a line for each of the anchor's: {said}");
        let _daemon = started(&ground);

        // Then both old queries are known for sent where the archive says so, and else a person says what became of them
        let known = if what == PutBack::Store { 3 } else { 2 };
        let reasons = decide_until_all_ends(&ground, known, what == PutBack::Everything, |reasons| {
            match reasons {
                // The person has asked UDK, which has it; or refuses, and Sluse looks itself.
                sent if sent.contains(&HoldReason::MaybeSent.to_string()) && point == "data_uploaded" => {
                    Verdict::SettleSent
                }
                sent if sent.contains(&HoldReason::MaybeSent.to_string()) => Verdict::Refuse,
                done if done.contains(&HoldReason::MaybeHandedOver.to_string()) => Verdict::Refuse,
                _ => Verdict::Approve,
            }
        });
        assert!(!reasons.is_empty(), "a person was asked");
        if what == PutBack::Store {
            assert!(!reasons.contains(&HoldReason::MaybeSent.to_string()), "the archive proves it: {reasons:?}");
            assert_eq!(ground.count_of(municipality, "applied"), 3);
        }
        for round in 1..=3 {
            assert_eq!(ground.far().count(municipality, payment_date(round)), 1, "round {round}");
        }
        ground.far().assert_each_trigger_once();
        let inbox = ground.in_inbox(municipality);
        assert!(inbox.replies.len() == 3 && inbox.change_lists.len() == 3 && inbox.others.is_empty(), "{inbox:?}");
        ground.assert_register(municipality, 3);

        let what = if what == PutBack::Store { "the store" } else { "the whole state folder" };
        let fault = format!("{what} put back from a backup made at {point}, two rounds later");
        let outcome = ground.came_of(Chapter::Disk, "").outcome;
        let doubled = ground.far().triggers_seen_twice() + inbox.replies.len() as u64 - 3;
        record(&Row { persons: 1, doubled, ..Row::once(Chapter::Disk, fault, outcome) });
    });
}

#[test]
fn what_was_not_sent_since_the_backup_is_sent_once_when_a_person_approves() {
    // Given a daemon that came no further than the upload after the backup
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    let mut daemon = ground.start_with(&[(KILL_VARIABLE, "accepted".to_owned())]);
    ground.ask_for(municipality, payment_date(1));
    daemon.wait_for_kill();
    let backup = back_up(&ground);
    ground.start_with(&[(KILL_VARIABLE, "data_uploaded".to_owned())]).wait_for_kill();

    // When the store is put back, and the person approves what is held
    put_back(&ground, &backup, PutBack::Store);
    assert_stands_by(&ground);
    let looked = recover(&ground);
    let (_, held) = sluse(&ground, &["held"]);
    let (_, story) = sluse(&ground, &["explain", "0751"]);
    let daemon = started(&ground);
    let reasons = decide_until_all_ends(&ground, 1, false, |_| Verdict::Approve);

    // Then the look has told of the data in OUT, and the round ends, once
    assert!(looked.contains("data in OUT: BETADM_FORESP_0751_20260105_0001.txt"), "{looked}");
    assert_eq!(reasons, [HoldReason::MaybeSent.to_string(), HoldReason::MaybeHandedOver.to_string()]);
    ground.assert_once(municipality, 1);
    // And held has told each decision and what it waits for, the story who recovered and why, the log what is held
    assert!(held.contains(" settle ") && held.contains(" --sent ") && held.contains("systemctl start sluse"), "{held}");
    assert!(story.contains("recovered it.") && story.contains("“the disk broke”"), "{story}");
    assert!(daemon.log().contains("hand-over held"), "{}", daemon.log());
    let row = ground.came_of(Chapter::Disk, "the store put back, what had not been sent approved");
    record(&Row { persons: 1, ..row });
}

#[test]
fn a_backup_beside_a_running_daemon_is_whole_private_and_never_written_over() {
    use std::os::unix::fs::PermissionsExt;
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let _daemon = ground.start();
    ground.ask_for(ground.municipality(), payment_date(1));
    ground.until_state(ground.municipality(), 1, "done");

    let folder = back_up(&ground);

    let manifest: Manifest = serde_json::from_slice(&fs::read(folder.join(MANIFEST)).unwrap()).unwrap();
    let anchor = fs::read_to_string(ground.path("state/journal.anchor")).unwrap();
    assert_eq!(manifest.anchor.as_deref(), anchor.lines().last());
    assert!(manifest.anchor.unwrap().starts_with(&format!("{} {}", manifest.seq, manifest.hash)));
    let archived = manifest.files.iter().filter(|file| file.path.starts_with("archive")).count();
    assert_eq!(archived, 4, "query, reply, metadata and receipt: {:?}", manifest.files);
    for file in manifest.files.iter().map(|file| folder.join(&file.path)).chain([folder.join(MANIFEST)]) {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        assert_eq!(file.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
    let (status, said) = sluse(&ground, &["backup", folder.to_str().unwrap()]);
    assert!(status == 1 && said.contains("is there already"), "{said}");
}

/// How a store was broken.
#[derive(Clone, Copy, Debug)]
enum Broken {
    /// The database has so many bytes left; the log beside it is gone, as after an orderly end.
    Cut(u64),
    /// The database is whole as it was written last; the log beside it has so many bytes left.
    LogCut(u64),
    /// The same database with its log, but without the index of it.
    WithoutIndex,
    /// Both are cut.
    CutBeside(u64),
    Gone,
    NoDatabase,
}

#[test]
fn a_store_that_is_cut_off_is_never_taken_for_a_shorter_one() {
    // Given a store whose daemon was killed, so that it has a log, and the same one closed in order
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let mut daemon = ground.start();
    ground.ask_for(ground.municipality(), payment_date(1));
    ground.until_state(ground.municipality(), 1, "done");
    until("nothing to be left there", || ground.far().names_in_in().is_empty().then_some(()));
    daemon.kill_9();
    let file = |name: &str| ground.path("state").join(name);
    let (left, log) = (fs::read(file(STORE)).unwrap(), fs::read(file("sluse.db-wal")).unwrap());
    assert!(!log.is_empty());
    assert!(started(&ground).terminate().0.success());
    let whole = fs::read(file(STORE)).unwrap();
    let head = SqliteReader::open(&file(STORE)).unwrap().entries(0, &mut |_| ()).unwrap();
    let anchor = fs::read(file("journal.anchor")).unwrap();

    let pages = whole.len() as u64 / 4096;
    let cuts = (0..pages).map(|page| Broken::Cut(page * 4096));
    let odd_cuts = [1, 15, 100, 4095, 4097, whole.len() as u64 - 1].map(Broken::Cut);
    let log_cuts = (0..=8).map(|part| Broken::LogCut(log.len() as u64 * part / 8));
    let beside = [Broken::CutBeside(0), Broken::CutBeside(100), Broken::CutBeside(4096)];
    let others = [Broken::WithoutIndex, Broken::Gone, Broken::NoDatabase];
    let all: Vec<Broken> = cuts.chain(odd_cuts).chain(log_cuts).chain(beside).chain(others).collect();
    assert!(all.len() >= 20);

    for broken in all {
        // When it is broken
        for name in [STORE, "sluse.db-wal", "sluse.db-shm"] {
            let _ = fs::remove_file(file(name));
        }
        let cut = |bytes: &[u8], size: u64| bytes[..(size as usize).min(bytes.len())].to_vec();
        match broken {
            Broken::Cut(size) => fs::write(file(STORE), cut(&whole, size)).unwrap(),
            Broken::LogCut(size) => {
                fs::write(file(STORE), &left).unwrap();
                fs::write(file("sluse.db-wal"), cut(&log, size)).unwrap();
            }
            Broken::WithoutIndex => {
                fs::write(file(STORE), &left).unwrap();
                fs::write(file("sluse.db-wal"), &log).unwrap();
            }
            Broken::CutBeside(size) => {
                fs::write(file(STORE), cut(&left, size)).unwrap();
                fs::write(file("sluse.db-wal"), cut(&log, log.len() as u64 / 2)).unwrap();
            }
            Broken::Gone => {}
            Broken::NoDatabase => fs::write(file(STORE), "this was a database once").unwrap(),
        }
        fs::write(file("journal.anchor"), &anchor).unwrap();

        // Then a command says what is wrong and what to do, and so does the daemon, or it is whole
        let (status, said) = sluse(&ground, &["status"]);
        let mut daemon: Daemon = ground.start();
        let outcome = until(&format!("what comes of {broken:?}"), || {
            let log = daemon.log();
            let ended = daemon.has_ended();
            if log.contains("put back from a backup") && !ended {
                Some("stands by")
            } else if ended {
                Some("refused")
            } else {
                log.contains("running").then_some("whole")
            }
        });
        let log = daemon.log();
        assert!(!log.contains("panicked"), "{broken:?}: {log}");
        daemon.kill_9();
        match outcome {
            "whole" => {
                let found = SqliteReader::open(&file(STORE)).unwrap().entries(0, &mut |_| ()).unwrap();
                assert!(found.seq >= head.seq, "{broken:?}: {} of {} entries", found.seq, head.seq);
                ground.assert_register(ground.municipality(), 1);
                assert!(!matches!(broken, Broken::Cut(_) | Broken::CutBeside(_)), "{broken:?}");
            }
            _ => {
                assert_eq!(status, 1, "{broken:?}: {said}");
                assert!(said.contains("sluse recover"), "{broken:?}: {said}");
                assert!(log.contains("sluse recover"), "{broken:?}: {log}");
            }
        }
        let kind = match broken {
            Broken::Cut(_) => "the store cut off somewhere",
            Broken::LogCut(_) => "the store's log cut off somewhere",
            Broken::CutBeside(_) => "the store and its log cut off",
            Broken::WithoutIndex => "the index of the store's log gone",
            Broken::Gone => "the store gone",
            Broken::NoDatabase => "something else in the store's place",
        };
        // In the log's own words.
        let words = ["the store was put back from a backup or lost its end", "is damaged", "was cut off or altered"];
        let said = words.into_iter().find(|words| log.contains(words)).unwrap_or("nothing is missing");
        let named = u64::from(outcome != "whole");
        record(&Row { persons: named, ..Row::once(Chapter::Disk, kind, format!("{outcome}: {said}")) });
    }
    ground.far().assert_each_trigger_once();
    assert_eq!(sorted_names(&ground.inbox(ground.municipality())).len(), 2);

    // And the whole one without its anchor, as after the loss of a disk, sends nothing before a person has looked
    fs::write(file(STORE), &whole).unwrap();
    for name in ["sluse.db-wal", "sluse.db-shm", "journal.anchor"] {
        let _ = fs::remove_file(file(name));
    }
    assert_stands_by(&ground);
    assert!(!file("journal.anchor").exists());
    fs::write(file("journal.anchor"), anchor).unwrap();
    let mut daemon = started(&ground);
    assert!(daemon.terminate().0.success());
    let anchor = fs::read_to_string(file("journal.anchor")).unwrap();
    assert!(anchor.lines().last().unwrap().starts_with(&format!("{} {}", head.seq, head.hash)), "{anchor}");
    assert!(daemon.log().contains(&head.hash.to_string()), "the log is a second anchor");
}
