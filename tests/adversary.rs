//! What somebody thought of who wanted the daemon to lose a file or to send one twice: answers that are not true,
//! folders that are exchanged beneath it, files that are caught half-written or that pretend to be others.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rig::{Chapter, FarPlan, Ground, Pause, in_each, payment_date, record, sorted_names, until};
use sluse::domain::exchange::Fact;
use sluse::domain::identity::TransferId;
use sluse::engine::control::{Answer, Request};
use sluse::engine::decide::Verdict;
use sluse::engine::places::Places;
use sluse::engine::point::KILL_VARIABLE;
use sluse::engine::snapshot::{Choice, EndpointLine};

/// A ground whose first daemon was killed at this point, in the first round.
fn killed_at(point: &str) -> Ground {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let mut daemon = ground.start_with(&[(KILL_VARIABLE, point.to_owned())]);
    ground.ask_for(ground.municipality(), payment_date(1));
    daemon.wait_for_kill();
    ground
}

/// A hub that counts queries and says nothing.
fn silent() -> FarPlan {
    FarPlan { faults: vec!["silent", "swallow-receipts"], ..FarPlan::default() }
}

fn assert_ends_once(ground: &Ground, fault: &str) {
    ground.until_state(ground.municipality(), 1, "done");
    ground.assert_once(ground.municipality(), 1);
    record(&ground.came_of(Chapter::Processes, fault));
}

fn endpoint(ground: &Ground) -> EndpointLine {
    match ground.ask(&Request::Status) {
        Answer::Status(mut snapshot) => snapshot.endpoints.remove(0),
        answer => panic!("{answer:?}"),
    }
}

/// Waits until status shows this name of IN among what cannot be taken.
fn until_waiting(ground: &Ground, name: &str) {
    until(&format!("{name} to be shown as waiting"), || {
        endpoint(ground).waiting.iter().any(|(waiting, _)| waiting == name).then_some(())
    });
}

fn until_in_is_empty(ground: &Ground) {
    until("IN to be cleared", || ground.far().names_in_in().is_empty().then_some(()));
}

/// That these bytes lie somewhere in the archive.
fn assert_archived(ground: &Ground, bytes: &[u8]) {
    let mut folders = vec![ground.path("state/archive")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false if fs::read(entry.path()).unwrap() == bytes => return,
                false => {}
            }
        }
    }
    panic!("the archive does not hold them");
}

// ---- the trigger ----

#[test]
fn a_rename_that_was_done_and_answered_with_an_error_is_not_tried_again() {
    // Given a daemon about to rename, and a server that does it and will say that there was no such file
    let mut ground = Ground::lay(&["0751"], silent());
    let municipality = ground.municipality();
    let pause = Pause::at(&ground.path(""), "trigger_intended");
    let mut daemon = ground.start_with(&pause.environment());
    ground.ask_for(municipality, payment_date(1));
    let held = pause.hold();
    let out = ground.far().sshd.out();
    let names = ground.far().names_in_out();
    let part = names.iter().find(|name| name.ends_with(".part")).unwrap();
    let data = names.iter().find(|name| name.ends_with(".txt")).unwrap();
    fs::rename(out.join(part), out.join(format!("{data}.trigger"))).unwrap();

    // When the hub has taken trigger and data before that answer comes
    until("the hub's pick-up", || ground.far().names_in_out().is_empty().then_some(()));
    until("UDK to count it", || (ground.far().count(municipality, payment_date(1)) == 1).then_some(()));
    held.let_go();

    // Then the query is known to be sent, by this daemon and by the next, and no second trigger is ever made
    ground.until_state(municipality, 1, "submitted");
    assert_eq!(ground.count_of(municipality, "trigger_found"), 1);
    daemon.terminate();
    let _daemon = ground.start();
    ground.far_mut().open_hub(&[]);
    assert_ends_once(&ground, "a rename that was done, answered with an error, and picked up");
    assert_eq!(ground.count_of(municipality, "trigger_intended"), 1);
}

/// So often a trigger is tried.
const ATTEMPTS: usize = 10;

#[test]
fn a_trigger_that_can_never_be_made_is_a_persons_business_after_ten_attempts_and_leaves_no_parts() {
    // Given a folder in OUT that has the trigger's name
    let ground = Ground::lay(&["0751"], FarPlan { hub: false, ..FarPlan::default() });
    let municipality = ground.municipality();
    let (name, bytes) = ground.compose(municipality, payment_date(1));
    let in_the_way = ground.far().sshd.out().join(format!("{name}.trigger"));
    fs::create_dir_all(in_the_way.join("full")).unwrap();

    // When daemons come and go, so that none rests for long between its attempts
    let mut daemon = ground.start();
    ground.deliver(municipality, &name, &bytes);
    let attempts = || ground.count_of(municipality, "trigger_intended");
    let is_held = || ground.exchanges(municipality).last().is_some_and(|last| last.state.name() == "held");
    while !is_held() {
        let before = attempts();
        assert!(before <= ATTEMPTS, "tried more than {ATTEMPTS} times");
        until("one more attempt, or the hold", || (attempts() > before || is_held()).then_some(()));
        if !is_held() {
            daemon.terminate();
            daemon = ground.start();
        }
    }

    // Then it says so, and OUT holds the data and what one attempt leaves at most
    let held = ground.held_one();
    assert!(held.reasons[0].contains(&format!("tried {ATTEMPTS} times")), "{held:?}");
    assert_eq!((held.choice, attempts()), (Choice::ApproveOrRefuse, ATTEMPTS));
    let names = ground.far().names_in_out();
    let parts = names.iter().filter(|name| name.contains(".part")).count();
    assert!(parts <= 1, "{names:?}");

    // When the way is free and a person says go
    fs::remove_dir_all(&in_the_way).unwrap();
    ground.decide(&held, Verdict::Approve);
    ground.until_state(municipality, 1, "submitted");

    // Then it is sent
    let names = ground.far().names_in_out();
    assert_eq!(names, [name.clone(), format!("{name}.trigger")]);
}

// ---- the inbox folder ----

/// Puts another folder into the inbox's place, or none.
fn replace_inbox(ground: &Ground, by: &str) -> PathBuf {
    let (inbox, moved) = (ground.inbox(ground.municipality()), ground.path("the-former-inbox"));
    fs::rename(&inbox, &moved).unwrap();
    if by == "an empty folder" {
        fs::create_dir(&inbox).unwrap();
    }
    moved
}

#[test]
fn an_inbox_folder_that_was_replaced_after_staging_gets_the_reply_all_the_same() {
    in_each(&["an empty folder", "nothing"], |by| {
        // Given a reply that was staged in a folder that is no longer the inbox
        let ground = killed_at("hand_over_staged");
        let municipality = ground.municipality();
        let moved = replace_inbox(&ground, by);
        assert_eq!(sorted_names(&moved).len(), 2, "reply and change list, as part files");

        let _daemon = ground.start();

        // Then it is staged again, and what the journal says was handed over does lie there
        assert_ends_once(&ground, &format!("the inbox folder replaced by {by} after staging"));
        assert_eq!(ground.count_of(municipality, "hand_over_lost"), 1);
        let facts = ground.facts(municipality);
        let staged = facts.iter().rev().find_map(|fact| match fact {
            Fact::HandOverStaged { reply, changes, .. } => Some([reply.clone(), changes.clone()]),
            _ => None,
        });
        let mut staged = staged.expect("it was staged").to_vec();
        staged.sort();
        assert_eq!(sorted_names(&ground.inbox(municipality)), staged);
    });
}

#[test]
fn a_reply_whose_bytes_lie_in_the_inbox_already_is_not_handed_over_again() {
    // Given a reply that is applied, and lies under its final name in the inbox already
    let ground = killed_at("applied");
    let municipality = ground.municipality();
    let arrival = ground.facts(municipality).into_iter().find_map(|fact| match fact {
        Fact::ReplyFetched(arrival) => Some(arrival),
        _ => None,
    });
    let arrival = arrival.expect("a reply was fetched");
    let name = arrival.name.as_str().replace(".txt", &format!(".{}.txt", arrival.transfer));
    let bytes = fs::read(Places::new(&ground.path("state")).reply(&arrival)).unwrap();
    let lying = ground.inbox(municipality).join(name);
    fs::write(&lying, &bytes).unwrap();
    let inode = fs::metadata(&lying).unwrap().ino();

    let _daemon = ground.start();
    ground.until_state(municipality, 1, "done");

    // Then that is the hand-over: the same file, nothing beside it, and nobody was asked
    let inbox = ground.in_inbox(municipality);
    assert!(inbox.replies.len() == 1 && inbox.change_lists.is_empty() && inbox.others.is_empty(), "{inbox:?}");
    assert_eq!((fs::metadata(&lying).unwrap().ino(), fs::read(&lying).unwrap()), (inode, bytes));
    assert_eq!([ground.count_of(municipality, "handed_over"), ground.count_of(municipality, "reply_held")], [1, 0]);
    record(&ground.came_of(Chapter::Processes, "a reply's bytes that lay in the inbox before it was handed over"));
}

#[test]
fn a_reply_whose_folder_was_replaced_during_the_hand_over_waits_for_a_person() {
    let points = ["hand_over_intended", "changes_renamed"];
    let cases = points.map(|point| [(point, "an empty folder"), (point, "nothing")]).concat();
    in_each(&cases, |(point, by)| {
        // Given a reply that may have been taken from the former folder, or not
        let ground = killed_at(point);
        let municipality = ground.municipality();
        replace_inbox(&ground, by);

        // When the next daemon cannot know
        let _daemon = ground.start();
        ground.until_state(municipality, 1, "held");

        // Then nothing is said to be handed over until a person says that it shall be
        let held = ground.held_one();
        assert!(held.reasons[0].contains("the inbox folder is another one"), "{held:?}");
        assert_eq!(ground.count_of(municipality, "handed_over"), 0);
        assert_eq!(sorted_names(&ground.inbox(municipality)), Vec::<String>::new());
        ground.decide(&held, Verdict::Approve);
        assert_ends_once(&ground, "the inbox folder replaced during the hand-over, then approved");
    });
}

// ---- a reply in another's place ----

/// Where the start record has its delivery number.
const DELIVERY: std::ops::Range<usize> = 28..36;

/// The bytes of the one reply in the inbox, with another delivery number.
fn other_bytes(ground: &Ground) -> Vec<u8> {
    let name = ground.in_inbox(ground.municipality()).replies.remove(0);
    let mut bytes = fs::read(ground.inbox(ground.municipality()).join(name)).unwrap();
    bytes[DELIVERY].copy_from_slice(b"00005001");
    bytes
}

#[test]
fn other_bytes_under_the_name_transfer_id_and_size_of_a_reply_that_is_done_are_a_story_of_their_own() {
    in_each(&[Verdict::Refuse, Verdict::Approve], |verdict| {
        // Given a round that is done, and cleared away
        let ground = killed_at("reply_fetched");
        let municipality = ground.municipality();
        let folder = ground.far().sshd.r#in();
        let metadata = ground.far().names_in_in().into_iter().find(|name| name.ends_with(".metadata")).unwrap();
        let said = fs::read(folder.join(&metadata)).unwrap();
        let mut daemon = ground.start();
        let first = ground.until_state(municipality, 1, "done");
        until_in_is_empty(&ground);
        let bytes = other_bytes(&ground);
        daemon.terminate();

        // When the same name comes with the same metadata and other bytes
        let data = folder.join(first.arrivals[0].name.as_str());
        assert_eq!(bytes.len() as u64, first.arrivals[0].size);
        fs::write(&data, &bytes).unwrap();
        fs::write(folder.join(&metadata), said).unwrap();
        let _daemon = ground.start();
        let second = ground.until_state(municipality, 2, "held");

        // Then it is kept, there and here, until a person says whether it counts
        let held = ground.held_one();
        assert_eq!(held.id, second.id);
        assert!(held.reasons.iter().any(|reason| reason.contains("transfer id was used before")), "{held:?}");
        assert_archived(&ground, &bytes);
        assert!(data.exists());
        ground.assert_once(municipality, 1);
        ground.decide(&held, verdict);
        if verdict == Verdict::Refuse {
            ground.until_state(municipality, 2, "refused");
            ground.assert_once(municipality, 1);
        } else {
            // The first still lies in the inbox under that name, and nothing is written over
            let taken = until("the hold for its name", || {
                ground.held().into_iter().find(|held| held.reasons[0].contains("already holds a file named"))
            });
            let inbox = ground.inbox(municipality);
            let kept = sorted_names(&inbox);
            assert_eq!(kept.len(), 2, "{kept:?}");
            kept.iter().for_each(|name| fs::remove_file(inbox.join(name)).unwrap());
            ground.decide(&taken, Verdict::Approve);
            ground.until_state(municipality, 2, "done");
            let reply = ground.in_inbox(municipality).replies.remove(0);
            assert_eq!(fs::read(inbox.join(reply)).unwrap(), bytes);
        }
        until_in_is_empty(&ground);
        assert_archived(&ground, &bytes);
    });
}

#[test]
fn a_reply_that_took_the_place_of_one_that_is_to_be_cleared_away_is_not_cleared_away_with_it() {
    // Given a reply that is handed over and still lies in IN, and another one written over it
    let ground = killed_at("handed_over");
    let municipality = ground.municipality();
    let arrival = ground.exchanges(municipality)[0].arrivals[0].clone();
    let folder = ground.far().sshd.r#in();
    let bytes = other_bytes(&ground);
    fs::write(folder.join(arrival.name.as_str()), &bytes).unwrap();
    let metadata = folder.join(format!("{}.metadata", arrival.name));
    let said = fs::read_to_string(&metadata).unwrap();
    let other = TransferId::new(uuid::Uuid::new_v4()).to_string();
    fs::write(&metadata, said.replace(&arrival.transfer.to_string(), &other)).unwrap();

    let _daemon = ground.start();
    ground.until_state(municipality, 2, "held");

    assert_archived(&ground, &bytes);
    ground.assert_once(municipality, 1);
}

// ---- caught half-written ----

/// What a reader finds who comes too early.
fn half_of(whole: &[u8], way: &str) -> Vec<u8> {
    let mut half = whole[..whole.len() / 2].to_vec();
    if way == "of full size" {
        half.resize(whole.len(), 0);
    }
    half
}

#[test]
fn what_is_caught_half_written_in_in_is_taken_when_it_is_whole() {
    in_each(&["cut", "of full size"], |way| {
        // Given an answer of which neither the receipt nor the metadata is whole
        let mut ground = killed_at("trigger_made");
        let municipality = ground.municipality();
        let folder = ground.far().sshd.r#in();
        until("receipt, reply and metadata", || (ground.far().names_in_in().len() == 3).then_some(()));
        ground.far_mut().close_hub();
        let mut names = ground.far().names_in_in();
        names.retain(|name| !name.ends_with(".txt"));
        let whole: BTreeMap<_, _> = names.iter().map(|name| (name, fs::read(folder.join(name)).unwrap())).collect();
        assert_eq!(whole.len(), 2);
        for (name, bytes) in &whole {
            fs::write(folder.join(name), half_of(bytes, way)).unwrap();
        }
        let mut daemon = ground.start();
        daemon.until_said("running");
        names.iter().for_each(|name| until_waiting(&ground, name.trim_end_matches(".metadata")));
        assert_eq!(ground.exchanges(municipality)[0].state.name(), "submitted");

        // When they are
        for (name, bytes) in &whole {
            fs::write(folder.join(name), bytes).unwrap();
        }

        // Then the same daemon takes them
        assert_ends_once(&ground, &format!("receipt and metadata caught half-written, {way}"));
        until_in_is_empty(&ground);
    });
}

// ---- another sender's receipt ----

const NOT_OURS: [&str; 2] = ["KMD-77", "7b0c7c36-5b6c-4d58-9f0b-0f2f0a6f6f10"];

fn receipt(senders_file_id: &str, outcome: &str) -> String {
    format!(
        "<TechnicalReceipt><FileTransferUUID>{}</FileTransferUUID><SendersFileId>{senders_file_id}</SendersFileId>{outcome}\
         </TechnicalReceipt>",
        uuid::Uuid::new_v4()
    )
}

#[test]
fn an_error_receipt_of_another_sender_under_our_name_rejects_nothing() {
    in_each(&NOT_OURS, |senders_file_id| {
        // Given a query on its way, and an error receipt with its name that is for a file of somebody else
        let mut ground = Ground::lay(&["0751"], silent());
        let municipality = ground.municipality();
        let _daemon = ground.start();
        ground.ask_for(municipality, payment_date(1));
        let exchange = ground.until_state(municipality, 1, "submitted");
        let name = format!("{}.sftpreceipt", exchange.query().unwrap().remote_name);
        let place = ground.far().sshd.r#in().join(&name);
        let error = "<ErrorMessage><ErrorCode>7</ErrorCode><ErrorDescription>no</ErrorDescription></ErrorMessage>";
        fs::write(&place, receipt(senders_file_id, error)).unwrap();
        until_waiting(&ground, &name);
        assert_eq!(ground.exchanges(municipality)[0].state.name(), "submitted");

        // When ours takes its place
        fs::write(&place, receipt(&exchange.id.to_string(), "<Receipt><Message>SUCCESS</Message></Receipt>")).unwrap();

        // Then it is read, and the round goes on
        ground.until_state(municipality, 1, "receipted");
        ground.far_mut().open_hub(&[]);
        assert_ends_once(&ground, "an error receipt of another sender under our name");
        assert_eq!(ground.count_of(municipality, "receipt_read"), 1);
    });
}
