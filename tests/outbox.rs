//! From the outbox to OUT, where it does not go straight: files that are unfit, second queries, writers that change
//! what was claimed, and a daemon that cannot start.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;

use rig::{FarPlan, Ground, Pause, in_each, payment_date, sorted_names, until};
use sluse::domain::exchange::Origin;
use sluse::domain::identity::{ContentHash, FileId};
use sluse::domain::municipality::MunicipalityCode;
use sluse::engine::control::{Answer, RegisterRequest, Request};
use sluse::engine::decide::Verdict;
use sluse::outbox::Waiting;

/// A record of the shipped layout, with its line end.
const RECORD: usize = 122;

/// The refused file and the sentence beside it.
fn refused(ground: &Ground, municipality: MunicipalityCode) -> (Vec<u8>, String) {
    let folder = ground.path(&format!("state/refused/sf2530-0/{municipality}"));
    let names = sorted_names(&folder);
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(names[1], format!("{}.why.txt", names[0]));
    (fs::read(folder.join(&names[0])).unwrap(), fs::read_to_string(folder.join(&names[1])).unwrap())
}

// ---- unfit ----

#[test]
fn an_unfit_query_is_set_aside_with_a_sentence_that_says_where_and_why() {
    // What is put at which byte of which record, and what the sentence must say of it
    let cases = [
        ((2, 13, "20311332"), ["record 2, byte 135", "payment_date", "20311332", "date"]),
        ((2, 3, "0101"), ["record 2, byte 125", "municipality", "another municipality", "0751"]),
        ((3, 7, "00000002"), ["record 3, byte 251", "count", "2", "1"]),
        ((1, 3, "SF2530A "), ["record 1, byte 3", "interface", "A ", "SF2530Q"]),
    ];
    in_each(&cases, |((record, byte, text), words)| {
        let mut ground = Ground::lay(&["0751"], FarPlan::default());
        // A count that is wrong may yet become right, so that file is waited for.
        ground.sides[0].exchange_lines = vec!["settle = \"1s\"".into(), "unfit_after = \"2s\"".into()];
        let municipality = ground.municipality();
        let (name, mut bytes) = ground.compose(municipality, payment_date(1));
        let at = (record - 1) * RECORD + byte - 1;
        bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
        let _daemon = ground.start();

        ground.deliver(municipality, &name, &bytes);
        ground.until_state(municipality, 1, "refused");

        let (set_aside, why) = refused(&ground, municipality);
        assert!(set_aside == bytes, "the file is kept as it was");
        assert!(words.iter().all(|word| why.contains(word)) && why.contains(&name), "{why}");
        assert_eq!(sorted_names(&ground.outbox(municipality)), Vec::<String>::new());
        assert_eq!(ground.far().names_in_out(), Vec::<String>::new());
    });
}

#[test]
fn a_query_that_never_becomes_whole_is_refused_and_a_corrected_one_goes_through() {
    // Given a writer that has died in the middle of a record
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    ground.sides[0].exchange_lines = vec!["settle = \"1s\"".into(), "unfit_after = \"2s\"".into()];
    let (name, bytes) = ground.compose(municipality, payment_date(1));
    let _daemon = ground.start();

    ground.deliver(municipality, &name, &bytes[..RECORD + 50]);
    ground.until_state(municipality, 1, "refused");
    let (_, why) = refused(&ground, municipality);
    assert!(why.contains("record 2"), "{why}");

    // When the whole comes under the same name
    ground.deliver(municipality, &name, &bytes);

    // Then it is not a second query, because the first came to nothing
    ground.until_state(municipality, 2, "done");
    ground.assert_once(municipality, 1);
}

#[test]
fn a_file_larger_than_any_query_is_moved_aside_without_a_copy() {
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    ground.sides[0].exchange_lines = vec!["settle = \"1s\"".into(), "unfit_after = \"2s\"".into()];
    let mut daemon = ground.start();
    daemon.until_said("running");
    // A sparse file, larger than the disk
    let part = ground.outbox(municipality).join(".huge");
    fs::File::create(&part).unwrap().set_len(1 << 43).unwrap();
    let inode = fs::metadata(&part).unwrap().ino();
    fs::rename(&part, ground.outbox(municipality).join("huge.txt")).unwrap();

    let exchange = ground.until_state(municipality, 1, "refused");

    let folder = ground.path(&format!("state/refused/sf2530-0/{municipality}"));
    let names = sorted_names(&folder);
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(fs::metadata(folder.join(&names[0])).unwrap().ino(), inode);
    assert!(fs::read_to_string(folder.join(&names[1])).unwrap().contains("larger than 67108864 bytes"));
    assert!(matches!(&exchange.origin, Origin::Unfit(unfit) if unfit.size == 1 << 43));
    assert_eq!(sorted_names(&ground.path("state/spool")), Vec::<String>::new());
}

#[test]
fn what_is_not_a_query_stays_where_it_is_and_holds_nothing_up() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    let mut daemon = ground.start();
    daemon.until_said("running");
    let outbox = ground.outbox(municipality);
    let (_, bytes) = ground.compose(municipality, payment_date(3));
    for name in [".hidden.txt", "half.part", "other.trigger"] {
        fs::write(outbox.join(name), &bytes).unwrap();
    }
    fs::create_dir(outbox.join("folder")).unwrap();
    std::os::unix::fs::symlink(ground.path("sluse.toml"), outbox.join("link.txt")).unwrap();

    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 1, "done");

    ground.assert_once(municipality, 1);
    assert_eq!(sorted_names(&outbox), [".hidden.txt", "folder", "half.part", "link.txt", "other.trigger"]);
}

#[test]
fn a_folder_that_cannot_be_read_is_shown_until_it_can_be_read_again() {
    let ground = Ground::lay(&["0751", "0101"], FarPlan::default());
    let municipality = ground.municipality();
    let mut daemon = ground.start();
    daemon.until_said("running");
    let outbox = ground.outbox(municipality);
    // A notification from the folder beside it
    let look = || fs::write(ground.outbox("0101".parse().unwrap()).join(".look"), "").unwrap();

    // When a file stands where the folder was
    fs::rename(&outbox, ground.path("away")).unwrap();
    fs::write(&outbox, "").unwrap();
    until("the folder in the status", || {
        look();
        ground.waiting().into_iter().find(|waiting| waiting.why.contains("cannot be read"))
    });

    // And when the folder is back
    fs::remove_file(&outbox).unwrap();
    fs::rename(ground.path("away"), &outbox).unwrap();
    until("nothing in the status", || {
        look();
        ground.waiting().is_empty().then_some(())
    });
    assert_eq!(daemon.log().matches("folder can be read again").count(), 1);
}

// ---- stuck ----

/// Waits until status shows this file of the first municipality, and why it is not taken.
fn until_waiting(ground: &Ground, name: &str, why: &str) {
    let is_shown = |waiting: &Waiting| {
        waiting.name == name && waiting.municipality == Some(ground.municipality()) && waiting.why.contains(why)
    };
    until(&format!("{name} in the status: {why}"), || ground.waiting().iter().any(is_shown).then_some(()));
}

#[test]
fn a_claimed_file_that_cannot_be_copied_is_named_and_goes_on_when_it_can() {
    // Given a file where the archive's folder is to be
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    let mut daemon = ground.start();
    daemon.until_said("running");
    let in_the_way = ground.path("state/archive/sf2530-0");
    fs::remove_dir_all(&in_the_way).unwrap();
    fs::write(&in_the_way, "").unwrap();
    let (name, bytes) = ground.compose(municipality, payment_date(1));

    ground.deliver(municipality, &name, &bytes);
    until_waiting(&ground, &name, "claimed into the spool");
    daemon.until_said("file is claimed and cannot be copied");
    assert!(daemon.log().contains(&name), "{}", daemon.log());

    fs::remove_file(&in_the_way).unwrap();
    ground.until_state(municipality, 1, "done");
    ground.assert_once(municipality, 1);
    assert_eq!(ground.waiting(), []);
}

#[test]
fn a_file_that_cannot_be_claimed_is_named_and_claimed_when_it_can() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    let mut daemon = ground.start();
    daemon.until_said("running");
    let spool = ground.path("state/spool");
    fs::remove_dir(&spool).unwrap();
    let (name, bytes) = ground.compose(municipality, payment_date(1));

    ground.deliver(municipality, &name, &bytes);
    until_waiting(&ground, &name, "cannot be claimed");
    assert_eq!(sorted_names(&ground.outbox(municipality)), [name.as_str()]);

    fs::create_dir(&spool).unwrap();
    ground.until_state(municipality, 1, "done");
    ground.assert_once(municipality, 1);
}

#[test]
fn a_claimed_file_that_comes_into_the_spool_while_the_daemon_runs_is_adopted() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    let mut daemon = ground.start();
    daemon.until_said("running");
    let (name, bytes) = ground.compose(municipality, payment_date(1));
    let spooled = format!("{municipality}.sf2530-0.3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11.{name}");

    fs::write(ground.path("state/spool").join(spooled), &bytes).unwrap();

    let exchange = ground.until_state(municipality, 1, "done");
    assert_eq!(exchange.id.to_string(), "3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11");
    ground.assert_once(municipality, 1);
}

// ---- second ----

/// A ground with a round done and a second query for its payment date held.
fn with_a_second_query() -> (Ground, rig::Daemon) {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    let daemon = ground.start();
    ground.ask_for(municipality, payment_date(1));
    let first = ground.until_state(municipality, 1, "done");
    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 2, "held");

    let held = ground.held_one();
    assert!(held.reasons[0].contains(&first.id.to_string()), "{held:?}");
    assert!(held.reasons[0].contains(&payment_date(1).to_string()), "{held:?}");
    (ground, daemon)
}

#[test]
fn a_second_query_for_a_payment_date_is_sent_only_because_a_person_says_so() {
    let (ground, _daemon) = with_a_second_query();
    let municipality = ground.municipality();
    assert_eq!(ground.far().count(municipality, payment_date(1)), 1);

    ground.decide(&ground.held_one(), Verdict::Approve);
    ground.until_state(municipality, 2, "done");

    assert_eq!(ground.far().count(municipality, payment_date(1)), 2);
    ground.assert_register(municipality, 2);
}

#[test]
fn a_second_query_that_a_person_refuses_is_set_aside_unsent() {
    let (ground, _daemon) = with_a_second_query();
    let municipality = ground.municipality();

    assert_eq!(ground.decide(&ground.held_one(), Verdict::Refuse), "refused");

    let (_, why) = refused(&ground, municipality);
    assert!(why.contains("agreed by telephone"), "{why}");
    ground.assert_once(municipality, 1);
}

#[test]
fn two_queries_for_a_payment_date_at_the_same_time_are_one_and_a_held_one() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    fs::create_dir_all(ground.outbox(municipality)).unwrap();
    for _ in 0..2 {
        ground.ask_for(municipality, payment_date(1));
    }

    let _daemon = ground.start();
    until("one done and one held", || {
        let states: Vec<_> = ground.exchanges(municipality).iter().map(|e| e.state.name()).collect();
        (states.contains(&"done") && states.contains(&"held")).then_some(())
    });

    ground.assert_once(municipality, 1);
}

// ---- changed ----

/// A ground whose query was changed, by a writer that had kept it open, after it was claimed and before its trigger.
fn with_a_changed_original() -> (Ground, rig::Daemon, ContentHash) {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    let pause = Pause::at(&ground.path(""), "data_uploaded");
    let daemon = ground.start_with(&pause.environment());
    let (name, bytes) = ground.compose(municipality, payment_date(1));
    let source = ground.path("source");
    fs::write(&source, &bytes).unwrap();
    let mut open = OpenOptions::new().append(true).open(&source).unwrap();
    until("the outbox folder", || ground.outbox(municipality).is_dir().then_some(()));
    fs::rename(&source, ground.outbox(municipality).join(name)).unwrap();

    let held = pause.hold();
    open.write_all(b"one more thing\r\n").unwrap();
    held.let_go();

    ground.until_state(municipality, 1, "held");
    assert!(ground.held_one().reasons[0].contains("changed after it was claimed"), "{:?}", ground.held_one());
    (ground, daemon, ContentHash::of(&bytes))
}

#[test]
fn a_file_that_is_changed_after_the_claim_is_held_and_what_a_person_sends_is_the_copy() {
    let (ground, _daemon, claimed) = with_a_changed_original();
    let municipality = ground.municipality();
    assert_eq!(ground.far().count(municipality, payment_date(1)), 0);

    ground.decide(&ground.held_one(), Verdict::Approve);
    let exchange = ground.until_state(municipality, 1, "done");

    assert_eq!(exchange.query().unwrap().hash, claimed);
    ground.assert_once(municipality, 1);
    assert_changed_original_is_kept(&ground, exchange.id);
}

/// What the writer went on to write is in the archive, beside the copy.
fn assert_changed_original_is_kept(ground: &Ground, id: FileId) {
    let folder = ground.path(&format!("state/archive/sf2530-0/{}/{id}", ground.municipality()));
    let [query, changed] = ["query", "changed"].map(|name| fs::read(folder.join(name)).unwrap());
    assert_eq!(changed, [query.as_slice(), b"one more thing\r\n"].concat());
    assert_eq!(sorted_names(&ground.path("state/spool")), Vec::<String>::new());
}

#[test]
fn a_changed_file_that_a_person_refuses_is_not_sent_and_its_data_is_taken_away() {
    let (ground, _daemon, claimed) = with_a_changed_original();
    let municipality = ground.municipality();

    assert_eq!(ground.decide(&ground.held_one(), Verdict::Refuse), "refused");

    assert_eq!(ContentHash::of(&refused(&ground, municipality).0), claimed);
    assert_changed_original_is_kept(&ground, ground.exchanges(municipality)[0].id);
    assert_eq!(ground.far().names_in_out(), Vec::<String>::new());
    assert_eq!(ground.far().count(municipality, payment_date(1)), 0);
}

// ---- reasons ----

#[test]
fn a_reason_with_a_cpr_number_shows_no_register_and_is_written_nowhere() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let mut daemon = ground.start();
    daemon.until_said("running");
    let request = |reason: &str| {
        let full = Some(reason.to_owned());
        Request::Register(RegisterRequest { exchange: None, municipality: None, valid_on: None, known_at: None, full })
    };

    let with = ground.ask(&request("case of 070761/4285"));
    let without = ground.ask(&request("audit of 2026"));

    assert!(matches!(&with, Answer::Refused { why } if !why.contains("070761")), "{with:?}");
    assert!(matches!(without, Answer::Agreements { count: 0, .. }), "{without:?}");
    for entry in fs::read_dir(ground.path("state")).unwrap().filter_map(Result::ok).filter(|e| e.path().is_file()) {
        let bytes = fs::read(entry.path()).unwrap();
        assert!(!bytes.windows(10).any(|part| part == b"070761/428"), "{:?}", entry.path());
    }
}

// ---- cannot start ----

#[test]
fn a_second_daemon_on_the_same_store_says_so_and_disturbs_nobody() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let mut first = ground.start();
    first.until_said("running");

    let mut second = ground.start();
    let status = second.wait();

    assert_eq!(status.code(), Some(1));
    assert!(second.log().contains("another sluse holds the store"), "{}", second.log());
    ground.ask_for(ground.municipality(), payment_date(1));
    ground.until_state(ground.municipality(), 1, "done");
    assert!(ground.held().is_empty(), "the first one still answers");
}

#[test]
fn what_the_settings_name_and_is_not_there_is_named_and_not_made() {
    in_each(&["outbox", "inbox", "identity"], |which| {
        let ground = Ground::lay(&["0751"], FarPlan::default());
        let path = match which {
            "identity" => ground.far().sshd.client_key().path.clone(),
            _ => ground.path("side-0").join(which),
        };
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap()
        } else {
            fs::remove_file(&path).unwrap()
        }

        let mut daemon = ground.start();
        let status = daemon.wait();

        assert!(matches!(status.code(), Some(1 | 2)), "{status}");
        assert!(daemon.log().contains(&path.display().to_string()), "{}", daemon.log());
        assert!(!path.exists(), "{which} was made");
    });
}
