//! A disk that is full, out of files, or read-only, and too many open files, at each local write of a round: the daemon
//! stops accepting, says so, and goes on by itself when there is room. Nothing is lost, nothing is sent twice.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::fs;
use std::process::Command;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use rig::{Chapter, Daemon, FarPlan, Ground, Pause, SmallDisk, in_each, payment_date, record, sorted_names, until};
use sluse::engine::control::{Answer, RegisterRequest, Request};
use sluse::engine::decide::Verdict;
use sluse::engine::point::POINTS;
use sluse::engine::snapshot::Halt;
use sluse::store::Question;

const STANDS_STILL: &str = "store cannot be written: nothing new is begun";
const GOES_ON: &str = "store can be written again";
const CLAIMS_NO_MORE: &str = "no more files are claimed";
const CLAIMS_AGAIN: &str = "files are claimed again";

/// A ground with a daemon that is held still at this point of its first round, and `trouble` done meanwhile.
fn troubled_at(ground: &Ground, point: &'static str, trouble: impl FnOnce()) -> Daemon {
    let pause = Pause::at(&ground.path(""), point);
    let [at, pipe] = pause.environment();
    let daemon = ground.start_with(&[at, pipe, ("SLUSE_LOG", "warn,sluse=debug".to_owned())]);
    ground.ask_for(ground.municipality(), payment_date(1));
    let held = pause.hold();
    trouble();
    held.let_go();
    daemon
}

/// Waits until the status says what is kept, and by which disk.
fn until_halted(ground: &Ground, words: &str) -> Halt {
    until(&format!("{words:?} in the status"), || {
        let halts = ground.status().halts;
        halts.into_iter().find(|halt| halt.what.contains(words))
    })
}

/// Waits for two more tries that come to nothing.
fn until_tried_again(daemon: &Daemon, words: &str) {
    let tries = || daemon.log().matches(words).count();
    let before = tries();
    until(&format!("{words:?} twice more"), || (tries() >= before + 2).then_some(()));
}

/// Lines of a log whose sentence begins with these words; an alarm says them too, in a field.
fn lines(log: &str, words: &str) -> usize {
    let begins = |line: &&str| {
        line.split_ascii_whitespace().nth(1).is_some_and(|level| line.contains(&format!("{level} {words}")))
    };
    log.lines().filter(begins).count()
}

/// That the round ends by itself, once, with nothing said about disks any more, and is kept as evidence.
fn assert_goes_on(ground: &Ground, daemon: &mut Daemon, fault: &str) {
    ground.until_state(ground.municipality(), 1, "done");
    assert!(!daemon.has_ended(), "the daemon ended");
    ground.assert_once(ground.municipality(), 1);
    until("a status without halts", || ground.status().halts.is_empty().then_some(()));
    let log = daemon.log();
    assert_eq!(lines(&log, STANDS_STILL), lines(&log, GOES_ON), "each is told once:\n{log}");
    assert_eq!(lines(&log, CLAIMS_NO_MORE), lines(&log, CLAIMS_AGAIN), "each is told once:\n{log}");
    record(&ground.came_of(Chapter::Disk, fault));
}

fn status_of_command(ground: &Ground) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluse"));
    let output = command.arg("--config").arg(ground.path("sluse.toml")).arg("status").output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

// ---- full ----

#[test]
fn a_state_folder_that_is_full_at_any_point_of_a_round_is_said_and_the_round_goes_on_when_there_is_room() {
    // Behind the last one nothing is written.
    in_each(&POINTS[..POINTS.len() - 1], |point| {
        let ground = Ground::lay(&["0751"], FarPlan::default());
        let disk = SmallDisk::mount(&ground.path("state"));
        let mut daemon = troubled_at(&ground, point, || disk.fill());

        let halt = until_halted(&ground, "");
        assert!(halt.what.contains("full") || halt.what.contains("No space left on device"), "{halt:?}");
        assert_nothing_unrecorded_is_done(&ground, point);
        disk.empty();

        assert_goes_on(&ground, &mut daemon, &format!("state folder full at {point}"));
        assert_eq!(ground.count_of(ground.municipality(), "trigger_intended"), 1);
        assert_eq!(ground.count_of(ground.municipality(), "hand_over_intended"), 1);
    });
}

/// That what could only be intended, and was not recorded, has not happened.
fn assert_nothing_unrecorded_is_done(ground: &Ground, point: &str) {
    let municipality = ground.municipality();
    match point {
        "trigger_staged" => {
            assert_eq!(ground.count_of(municipality, "trigger_intended"), 0);
            assert!(ground.far().names_in_out().iter().all(|name| !name.ends_with(".trigger")));
            assert_eq!(ground.far().count(municipality, payment_date(1)), 0);
        }
        "hand_over_staged" => {
            assert_eq!(ground.count_of(municipality, "hand_over_intended"), 0);
            assert!(ground.in_inbox(municipality).replies.is_empty(), "{:?}", ground.in_inbox(municipality));
        }
        _ => {}
    }
}

/// Kilobytes that are left when a round begins: enough for its first write, for its last, and for some between.
const LEFT_KIB: [u64; 6] = [4, 12, 40, 90, 150, 220];

/// Every fourth kilobyte up to this instead.
const SWEEP_VARIABLE: &str = "SLUSE_DISK_SWEEP_KIB";

#[test]
fn a_state_folder_that_runs_full_in_the_middle_of_a_write_is_said_and_the_round_goes_on_when_there_is_room() {
    let up_to = std::env::var(SWEEP_VARIABLE).ok().and_then(|kib| kib.parse().ok());
    let left: Vec<u64> = up_to.map_or_else(|| LEFT_KIB.to_vec(), |up_to| (0..=up_to).step_by(4).collect());
    let halted = AtomicUsize::new(0);
    in_each(&left, |kib| {
        // Given a reply of some pages, and so much room
        let ground = Ground::lay(&["0751"], FarPlan { agreements: 400, ..FarPlan::default() });
        let disk = SmallDisk::mount(&ground.path("state"));
        let mut daemon = ground.start();
        daemon.until_said("running");
        disk.leave_free(kib);

        // When a round begins, and goes as far as it can
        ground.ask_for(ground.municipality(), payment_date(1));
        let is_halted = until("an end, or what keeps it", || {
            let is_done = ground.exchanges(ground.municipality()).iter().any(|exchange| exchange.state.is_final());
            let is_halted = !ground.status().halts.is_empty();
            (is_done || is_halted).then_some(is_halted)
        });
        halted.fetch_add(usize::from(is_halted), Relaxed);
        disk.empty();

        assert_goes_on(&ground, &mut daemon, "state folder full in the middle of some write of a round");
    });
    assert!(halted.load(Relaxed) >= left.len() / 2, "too much was left: {halted:?} of {} halted", left.len());
}

#[test]
fn a_daemon_that_is_killed_or_stopped_while_it_stands_still_ends_its_round_when_there_is_room() {
    in_each(&["data_written", "trigger_requested", "reply_archived", "reply_renamed"], |point| {
        let ground = Ground::lay(&["0751"], FarPlan::default());
        let disk = SmallDisk::mount(&ground.path("state"));
        let mut daemon = troubled_at(&ground, point, || disk.fill());
        until_halted(&ground, "nothing can be recorded");

        // When it ends, one way or the other
        let fault = match point {
            "data_written" | "reply_archived" => {
                let (status, _) = daemon.terminate();
                assert!(status.success(), "{status}");
                format!("state folder full at {point}, and stopped")
            }
            _ => {
                daemon.kill_9();
                format!("state folder full at {point}, and killed")
            }
        };
        // And is started again, which says that there is no room, one way or the other
        let mut second = ground.start();
        until("the second daemon's word", || {
            let log = second.log();
            (log.contains("full") || log.contains("No space left")).then_some(())
        });
        second.kill_9();
        disk.empty();

        let mut third = ground.start();
        assert_goes_on(&ground, &mut third, &fault);
    });
}

#[test]
fn a_decision_that_cannot_be_recorded_is_refused_and_has_not_been_taken() {
    // Given a second query that waits for a person, and a disk that runs full
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    let disk = SmallDisk::mount(&ground.path("state"));
    let _daemon = ground.start();
    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 1, "done");
    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 2, "held");
    disk.fill();

    // When a person decides, twice: the first finds out that there is no room, the second is told at once
    for _ in 0..2 {
        let answer = ground.try_to_decide(&ground.held_one(), Verdict::Approve);
        assert!(matches!(&answer, Answer::Refused { why } if why.contains("nothing can be recorded")), "{answer:?}");
    }

    // Then it has not happened, and happens when it is decided again
    disk.empty();
    until("a status without halts", || ground.status().halts.is_empty().then_some(()));
    assert_eq!(ground.count_of(municipality, "approved"), 0);
    ground.decide(&ground.held_one(), Verdict::Approve);
    ground.until_state(municipality, 2, "done");
    assert_eq!(ground.far().count(municipality, payment_date(1)), 2);
    record(&ground.came_of(Chapter::Disk, "state folder full when a person decides"));
}

#[test]
fn a_reply_that_cannot_be_sorted_for_want_of_room_changes_nothing_until_there_is_some() {
    // Given no room to sort in, and a reply that is longer than what is sorted in memory
    let ground = Ground::lay(&["0751"], FarPlan { agreements: 50_000, ..FarPlan::default() });
    let municipality = ground.municipality();
    let disk = SmallDisk::mount(&ground.path("state/sorting"));
    disk.fill();
    let mut daemon = ground.start();

    daemon.until_said("running");
    ground.ask_for(municipality, payment_date(1));
    until_halted(&ground, "sorting: No space left on device");

    assert!(ground.register(Question::default()).is_empty(), "a part of the reply is in the register");
    assert_eq!(ground.count_of(municipality, "applied"), 0);
    disk.empty();
    assert_goes_on(&ground, &mut daemon, "no temporary room to compare a reply in");
}

#[test]
fn while_nothing_can_be_recorded_status_says_so_commands_are_refused_and_queries_stay_in_the_outbox() {
    let ground = Ground::lay(&["0751", "0101"], FarPlan::default());
    let disk = SmallDisk::mount(&ground.path("state"));
    let mut daemon = troubled_at(&ground, "data_written", || disk.fill());
    let halt = until_halted(&ground, "nothing can be recorded");
    assert!(halt.what.contains("sluse.db"), "{halt:?}");

    // Whoever asks is told, and nothing is shown that is not recorded
    let (code, shown) = status_of_command(&ground);
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.lines().nth(1).is_some_and(|line| line.contains("nothing can be recorded")), "{shown}");
    let full = Some("audit of 2026".to_owned());
    let answer = ground.ask(&Request::Register(RegisterRequest { full, ..RegisterRequest::default() }));
    assert!(matches!(&answer, Answer::Refused { why } if why.contains("nothing can be recorded now")), "{answer:?}");

    // And nothing new is begun
    let other = "0101".parse().unwrap();
    ground.ask_for(other, payment_date(1));
    until_tried_again(&daemon, "store tried in vain");
    assert_eq!(lines(&daemon.log(), STANDS_STILL), 1);
    assert_eq!(sorted_names(&ground.outbox(other)).len(), 1);

    disk.empty();
    ground.until_state(other, 1, "done");
    ground.assert_once(other, 1);
    assert_goes_on(&ground, &mut daemon, "state folder full while more queries come");
}

#[test]
fn no_more_files_are_claimed_while_there_is_no_room_to_copy_them() {
    // Given an archive, and nothing else, that is full when a claimed file is to be copied
    let ground = Ground::lay(&["0751", "0101"], FarPlan::default());
    let disk = SmallDisk::mount(&ground.path("state/archive"));
    let mut daemon = troubled_at(&ground, "claimed", || disk.fill());
    let other = "0101".parse().unwrap();
    until_halted(&ground, "no more files are claimed, they stay in the outbox");

    // When another file comes
    ground.ask_for(other, payment_date(1));
    until_tried_again(&daemon, "file tried in vain");
    assert_eq!(sorted_names(&ground.outbox(other)).len(), 1);
    assert_eq!(sorted_names(&ground.path("state/spool")).len(), 1);

    // Then it is taken when there is room
    disk.empty();
    ground.until_state(other, 1, "done");
    assert_eq!(lines(&daemon.log(), CLAIMS_NO_MORE), 1);
    assert_goes_on(&ground, &mut daemon, "archive full when a claimed file is copied");
}

#[test]
fn an_archive_that_is_full_leaves_in_as_it_is_until_there_is_room() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let disk = SmallDisk::mount(&ground.path("state/archive"));
    let mut daemon = troubled_at(&ground, "trigger_made", || disk.fill());
    until_halted(&ground, "in IN cannot be fetched and stay");

    let in_in = until("reply, metadata and receipt in IN", || {
        let names = ground.far().names_in_in();
        (names.len() == 3).then_some(names)
    });
    assert_eq!(ground.count_of(ground.municipality(), "reply_fetched"), 0);
    assert!(ground.far().names_in_in() == in_in, "something was removed");

    disk.empty();
    assert_goes_on(&ground, &mut daemon, "archive full when the answers come");
}

#[test]
fn a_full_outbox_of_its_own_holds_nothing_up() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let disk = SmallDisk::mount(&ground.path("side-0/outbox"));
    let mut daemon = ground.start();
    daemon.until_said("running");
    ground.ask_for(ground.municipality(), payment_date(1));
    disk.fill();

    assert_goes_on(&ground, &mut daemon, "outbox full, on a file system of its own");
    assert_eq!(sorted_names(&ground.path("side-0/outbox/.spool")), Vec::<String>::new());
}

/// As two volumes of one container engine are.
#[test]
fn an_outbox_that_is_another_mount_of_the_same_file_system_has_a_spool_of_its_own() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let _mount = SmallDisk::mount_again(&ground.path("side-0/outbox"));
    let mut daemon = ground.start();
    daemon.until_said("running");
    ground.ask_for(ground.municipality(), payment_date(1));

    ground.until_state(ground.municipality(), 1, "done");
    ground.assert_once(ground.municipality(), 1);
    assert!(ground.path("side-0/outbox/.spool").is_dir());
    record(&ground.came_of(Chapter::Disk, "outbox and state on two mounts of one file system"));
}

#[test]
fn an_unfit_file_waits_for_room_in_refused() {
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    ground.sides[0].exchange_lines = vec!["settle = \"1s\"".into(), "unfit_after = \"2s\"".into()];
    let disk = SmallDisk::mount(&ground.path("state/refused"));
    disk.fill();
    let mut daemon = ground.start();
    daemon.until_said("running");

    ground.deliver(ground.municipality(), "notes.txt", b"no query at all\r\n");
    let halt = until_halted(&ground, "1 exchange cannot go on");
    assert!(halt.what.contains("refused"), "{halt:?}");
    disk.empty();

    ground.until_state(ground.municipality(), 1, "refused");
    let names = sorted_names(&ground.path(&format!("state/refused/sf2530-0/{}", ground.municipality())));
    assert_eq!(names.len(), 2, "the file and its sentence: {names:?}");
    record(&ground.came_of(Chapter::Disk, "refused/ full when a file is set aside"));
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let disk = SmallDisk::mount(&ground.path("log"));
    std::os::unix::fs::symlink(ground.path("log/daemon.log"), ground.path("daemon.log")).unwrap();
    fs::write(ground.path("log/daemon.log"), "").unwrap();
    disk.fill();

    let mut daemon = ground.start();
    ground.ask_for(ground.municipality(), payment_date(1));

    assert_goes_on(&ground, &mut daemon, "the log's disk full");
    assert_eq!(daemon.log(), "", "it could be written after all");
}

// ---- other folders, and other ways to have no room ----

#[derive(Clone, Copy, Debug)]
enum NoRoom {
    Full,
    OutOfFiles,
    ReadOnly,
}

impl NoRoom {
    fn befall(self, disk: &SmallDisk) {
        match self {
            NoRoom::Full => disk.fill(),
            NoRoom::OutOfFiles => disk.fill_with_files(),
            NoRoom::ReadOnly => disk.make_read_only(),
        }
    }

    fn pass(self, disk: &SmallDisk) {
        match self {
            NoRoom::Full | NoRoom::OutOfFiles => disk.empty(),
            NoRoom::ReadOnly => disk.make_writable(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            NoRoom::Full => "full",
            NoRoom::OutOfFiles => "out of files",
            NoRoom::ReadOnly => "read-only",
        }
    }

    fn said(self) -> &'static str {
        match self {
            NoRoom::Full | NoRoom::OutOfFiles => "No space left on device",
            NoRoom::ReadOnly => "Read-only file system",
        }
    }
}

#[test]
fn an_archive_or_inbox_that_cannot_be_written_is_said_and_the_round_goes_on_when_it_can() {
    let cases = [
        (NoRoom::Full, "side-0/inbox", "applied"),
        (NoRoom::OutOfFiles, "state/archive", "claimed"),
        (NoRoom::OutOfFiles, "state/archive", "trigger_made"),
        (NoRoom::OutOfFiles, "side-0/inbox", "applied"),
        (NoRoom::ReadOnly, "state/archive", "claimed"),
        (NoRoom::ReadOnly, "state/archive", "trigger_made"),
        (NoRoom::ReadOnly, "side-0/inbox", "applied"),
        (NoRoom::ReadOnly, "side-0/inbox", "hand_over_intended"),
    ];
    in_each(&cases, |(trouble, folder, point)| {
        let name = folder.rsplit('/').next().unwrap();
        let ground = Ground::lay(&["0751"], FarPlan::default());
        let disk = SmallDisk::mount(&ground.path(folder));
        let mut daemon = troubled_at(&ground, point, || trouble.befall(&disk));

        let halt = until_halted(&ground, trouble.said());
        assert!(halt.what.contains(&ground.path(folder).display().to_string()), "{halt:?}");
        assert!(ground.in_inbox(ground.municipality()).replies.is_empty());
        trouble.pass(&disk);

        assert_goes_on(&ground, &mut daemon, &format!("{name} {} at {point}", trouble.name()));
    });
}

#[test]
fn a_query_in_an_outbox_that_is_read_only_stays_there_and_is_claimed_when_it_can_be() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let disk = SmallDisk::mount(&ground.path("side-0/outbox"));
    let municipality = ground.municipality();
    fs::create_dir_all(ground.outbox(municipality)).unwrap();
    fs::create_dir_all(ground.path("side-0/outbox/.spool")).unwrap();
    ground.ask_for(municipality, payment_date(1));
    disk.make_read_only();

    let mut daemon = ground.start();
    daemon.until_said("running");
    let halt = until_halted(&ground, "no more files are claimed");
    assert!(halt.what.contains("Read-only file system"), "{halt:?}");
    assert_eq!(sorted_names(&ground.outbox(municipality)).len(), 1);
    disk.make_writable();

    assert_goes_on(&ground, &mut daemon, "outbox read-only, on a file system of its own");
}

// ---- too many open files ----

#[test]
fn too_many_open_files_at_any_point_are_said_and_the_round_goes_on_when_there_are_fewer() {
    in_each(&["claimed", "data_uploaded", "trigger_made", "reply_fetched", "applied", "hand_over_staged"], |point| {
        let ground = Ground::lay(&["0751"], FarPlan::default());
        let pause = Pause::at(&ground.path(""), point);
        let mut daemon = ground.start_with(&pause.environment());
        ground.ask_for(ground.municipality(), payment_date(1));
        let held = pause.hold();
        daemon.limit_open_files(Some(0));
        held.let_go();

        daemon.until_said("Too many open files");
        daemon.limit_open_files(None);

        assert_goes_on(&ground, &mut daemon, &format!("too many open files at {point}"));
        assert_eq!(ground.exchanges(ground.municipality()).len(), 1);
    });
}

#[test]
fn a_query_that_comes_when_no_file_can_be_opened_is_not_refused_but_taken_when_one_can() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let mut daemon = ground.start();
    daemon.until_said("running");
    until("the link", || ground.status().endpoints[0].listed_at);
    daemon.limit_open_files(Some(0));

    ground.ask_for(ground.municipality(), payment_date(1));
    daemon.until_said("folder cannot be read");
    daemon.limit_open_files(None);

    assert_goes_on(&ground, &mut daemon, "no file can be opened when a query comes");
}

#[test]
fn a_daemon_that_starts_with_too_few_open_files_says_so_or_works_and_never_panics() {
    in_each(&[8, 10, 12, 14, 16, 18, 20, 24], |files| {
        let ground = Ground::lay(&["0751"], FarPlan::default());
        fs::create_dir_all(ground.outbox(ground.municipality())).unwrap();
        ground.ask_for(ground.municipality(), payment_date(1));

        // As few as these from its first moments
        let mut daemon = ground.start();
        daemon.limit_open_files(Some(files));
        until("its end, or what it says at work, or a round", || {
            let log = daemon.log();
            let has_begun = !ground.exchanges(ground.municipality()).is_empty();
            let is_at_work = log.contains("running") && (has_begun || log.contains("Too many open files"));
            (is_at_work || daemon.has_ended()).then_some(())
        });
        if daemon.has_ended() {
            // SQLite says it in other words.
            assert!(daemon.log().contains("ERROR"), "{}", daemon.log());
            assert_eq!(daemon.wait().code(), Some(1));
        } else {
            daemon.limit_open_files(None);
        }
        assert!(!daemon.log().contains("panicked"), "{}", daemon.log());

        // And systemd starts it anew, where it ended
        let mut again = if daemon.has_ended() { ground.start() } else { daemon };
        again.until_said("running");
        assert_goes_on(&ground, &mut again, "started with too few open files");
    });
}
