//! From IN to the register, where it does not go straight: replies that are unfit, surprising, unasked, or not for us,
//! and a hub that refuses. What is not beyond doubt waits for a person, and the register stays as it was.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rig::{Daemon, FarPlan, Ground, files_below, in_each, payment_date, until};
use sluse::domain::amount::Oere;
use sluse::domain::envelope::FileMetadata;
use sluse::domain::exchange::State;
use sluse::domain::identity::{ContentHash, TransferId};
use sluse::engine::control::{Answer, Request};
use sluse::engine::decide::Verdict;
use sluse::engine::snapshot::{Choice, RouteLine, Snapshot};
use sluse::store::Question;

/// A ground with one round done, and in the second a hub with this fault.
fn with_a_fault_in_round_2(fault: &'static str) -> (Ground, Daemon) {
    let mut ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    let daemon = ground.start();
    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 1, "done");
    ground.far_mut().open_hub(&[fault]);
    ground.ask_for(municipality, payment_date(2));
    (ground, daemon)
}

/// That the bytes of the last reply that UDK sent lie in the archive.
fn assert_archived(ground: &Ground) {
    let sent = ground.far().ledger().replies.last().expect("UDK has sent one").sha256;
    let files = files_below(&ground.path("state/archive"));
    let is_it = |path: &PathBuf| ContentHash::of(&fs::read(path).unwrap()) == sent;
    assert!(files.iter().any(is_it), "not in {files:#?}");
}

fn snapshot(ground: &Ground) -> Snapshot {
    match ground.ask(&Request::Status) {
        Answer::Status(snapshot) => snapshot,
        answer => panic!("{answer:?}"),
    }
}

fn route_line(ground: &Ground) -> RouteLine {
    snapshot(ground).routes.remove(0)
}

// ---- unfit ----

#[test]
fn an_unfit_reply_is_held_with_its_rule_kept_in_the_archive_and_cannot_be_approved() {
    let cases = [("truncate-reply", "record"), ("wrong-municipality", "municipality")];
    in_each(&cases, |(fault, word)| {
        let (ground, _daemon) = with_a_fault_in_round_2(fault);
        let municipality = ground.municipality();

        ground.until_state(municipality, 2, "held");
        let held = ground.held_one();

        assert!(held.reasons[0].contains("unfit") && held.reasons[0].contains(word), "{held:?}");
        assert_eq!(held.choice, Choice::RefuseOnly);
        assert_archived(&ground);
        ground.assert_register(municipality, 1);
        assert_eq!(ground.in_inbox(municipality).replies.len(), 1, "only the first round's");

        // Refused, its query waits for a better one
        assert_eq!(ground.decide(&held, Verdict::Refuse), "receipted");
        ground.assert_register(municipality, 1);
    });
}

// ---- surprising ----

#[test]
fn a_surprising_reply_is_applied_only_because_a_person_says_so() {
    in_each(&["end-all", "hundredfold"], |fault| {
        let (ground, _daemon) = with_a_fault_in_round_2(fault);
        let municipality = ground.municipality();
        ground.until_state(municipality, 2, "held");
        let held = ground.held_one();
        let said = if fault == "end-all" { "ends all 25 agreements" } else { "monthly total" };
        assert!(held.reasons.iter().any(|reason| reason.contains(said)), "{held:?}");
        assert!(held.summary.is_some(), "a person sees how much it would change");
        ground.assert_register(municipality, 1);

        ground.decide(&held, Verdict::Approve);
        ground.until_state(municipality, 2, "done");

        let mut expected = ground.page(municipality, 2);
        match fault {
            "end-all" => expected.clear(),
            _ => expected.values_mut().for_each(|a| a.amount = a.amount.map(|Oere(oere)| Oere(oere * 100))),
        }
        let question = Question { municipality: Some(municipality), ..Question::default() };
        ground.assert_answer(question, expected);
        assert_eq!(ground.in_inbox(municipality).replies.len(), 2);
    });
}

#[test]
fn a_surprising_reply_that_a_person_refuses_changes_nothing() {
    in_each(&["end-all", "hundredfold"], |fault| {
        let (ground, mut daemon) = with_a_fault_in_round_2(fault);
        let municipality = ground.municipality();
        ground.until_state(municipality, 2, "held");

        assert_eq!(ground.decide(&ground.held_one(), Verdict::Refuse), "receipted");

        // Nor does it come again with the next daemon
        daemon.terminate();
        let mut daemon = ground.start();
        daemon.until_said("running");
        until("a look into IN", || snapshot(&ground).endpoints[0].listed_at);
        assert_eq!(ground.exchanges(municipality)[1].state, State::Receipted);
        ground.assert_register(municipality, 1);
        assert_eq!(ground.in_inbox(municipality).replies.len(), 1);
        assert_archived(&ground);
    });
}

#[test]
fn a_decision_on_what_is_no_longer_so_is_not_taken() {
    let (ground, _daemon) = with_a_fault_in_round_2("end-all");
    ground.until_state(ground.municipality(), 2, "held");
    let held = ground.held_one();
    ground.decide(&held, Verdict::Refuse);

    let answer = ground.try_to_decide(&held, Verdict::Approve);

    assert!(matches!(&answer, Answer::Refused { why } if why.contains("moved on")), "{answer:?}");
    ground.assert_register(ground.municipality(), 1);
}

// ---- unasked, or not for us ----

/// Puts a file into IN as the hub does, with metadata that says this.
fn put_into_in(ground: &Ground, metadata: &FileMetadata, bytes: &[u8]) {
    let folder = ground.far().sshd.r#in();
    fs::write(folder.join(format!("{}.metadata", metadata.file_name)), metadata.to_xml()).unwrap();
    fs::write(folder.join(metadata.file_name.as_str()), bytes).unwrap();
}

fn metadata(ground: &Ground, name: &str, size: usize) -> FileMetadata {
    FileMetadata {
        transfer: TransferId::new(uuid::Uuid::new_v4()),
        file_name: name.parse().unwrap(),
        size: size as u64,
        sender: "UDK_DEBITOR".parse().unwrap(),
        senders_file_id: None,
        recipients: vec![ground.far().sshd.user().parse().unwrap()],
    }
}

/// Where the start record has its delivery number.
const DELIVERY: std::ops::Range<usize> = 28..36;

#[test]
fn a_reply_that_belongs_to_no_open_query_is_held_in_a_story_of_its_own() {
    let reasons = ["nobody asked for this reply", "already has a reply", "transfer id was used before"];
    let cases = reasons.map(|reason| [(reason, Verdict::Refuse), (reason, Verdict::Approve)]).concat();
    in_each(&cases, |(reason, verdict)| {
        // Given a round that is done
        let ground = Ground::lay(&["0751"], FarPlan::default());
        let municipality = ground.municipality();
        let _daemon = ground.start();
        ground.ask_for(municipality, payment_date(1));
        let first = ground.until_state(municipality, 1, "done");
        let inbox = ground.in_inbox(municipality);
        let mut bytes = fs::read(ground.inbox(municipality).join(&inbox.replies[0])).unwrap();

        // When the same comes once more: with another number, as another transfer, or with other bytes as the same
        let name = format!("BETADM_SVAR_{municipality}_20260105_5001.txt");
        let mut metadata = metadata(&ground, &name, bytes.len());
        if reason != "already has a reply" {
            bytes[DELIVERY].copy_from_slice(b"00005001");
        }
        if reason == "transfer id was used before" {
            metadata.transfer = first.arrivals[0].transfer;
        }
        put_into_in(&ground, &metadata, &bytes);
        ground.until_state(municipality, 2, "held");

        // Then a person says whether it counts
        let held = ground.held_one();
        assert!(held.reasons.iter().any(|found| found.contains(reason)), "{held:?}");
        ground.assert_once(municipality, 1);
        ground.decide(&held, verdict);
        let (state, replies) = if verdict == Verdict::Approve { ("done", 2) } else { ("refused", 1) };
        ground.until_state(municipality, 2, state);
        assert_eq!(ground.in_inbox(municipality).replies.len(), replies);
        ground.assert_register(municipality, 1);
        until("IN to be cleared", || ground.far().names_in_in().is_empty().then_some(()));
    });
}

#[test]
fn a_file_whose_metadata_names_somebody_else_is_left_alone() {
    // Given files that look like replies: from a stranger, for a stranger, and shorter than its metadata says
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    let name = |delivery: u32| format!("BETADM_SVAR_{municipality}_20260105_{delivery}.txt");
    let bytes = b"bytes";
    let plain = metadata(&ground, &name(9001), bytes.len());
    let from_a_stranger = FileMetadata { sender: "SOMEBODY".parse().unwrap(), ..plain };
    let plain = metadata(&ground, &name(9002), bytes.len());
    let for_a_stranger = FileMetadata { recipients: vec!["SOMEBODY".parse().unwrap()], ..plain };
    let too_short = metadata(&ground, &name(9003), bytes.len() + 1);
    for metadata in [from_a_stranger, for_a_stranger, too_short] {
        put_into_in(&ground, &metadata, bytes);
    }
    let before = ground.far().names_in_in();
    assert_eq!(before.len(), 6);

    // When a round passes by them
    let mut daemon = ground.start();
    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 1, "done");
    daemon.until_said("a file in IN looks like ours and cannot be taken");

    // Then they lie there as before; the two are counted as foreign, the third is shown
    ground.assert_once(municipality, 1);
    until("the receipt to be cleared", || (ground.far().names_in_in() == before).then_some(()));
    let endpoint = until("both to be counted", || {
        let endpoint = snapshot(&ground).endpoints.remove(0);
        (endpoint.foreign >= 2 && !endpoint.waiting.is_empty()).then_some(endpoint)
    });
    assert!(
        endpoint.waiting.iter().any(|(name, why)| name.contains("9003") && why.contains("6 bytes")),
        "{endpoint:?}"
    );
    assert_eq!(ground.exchanges(municipality).len(), 1);
}

// ---- a hub that refuses, or says nothing ----

#[test]
fn a_query_that_the_hub_refuses_is_rejected_with_its_words_and_may_be_asked_again() {
    // Given a hub that answers with an error receipt
    let mut ground = Ground::lay(&["0751"], FarPlan { faults: vec!["error-receipt"], ..FarPlan::default() });
    let municipality = ground.municipality();
    let daemon = ground.start();

    ground.ask_for(municipality, payment_date(1));
    let exchange = ground.until_state(municipality, 1, "rejected");

    let State::Rejected { errors } = &exchange.state else { panic!("{:?}", exchange.state) };
    let words = errors[0].to_string();
    assert!(words.contains("99") && words.contains("this hub was asked to refuse"), "{words}");
    assert!(daemon.log().contains("this hub was asked to refuse"));
    assert_eq!(ground.far().count(municipality, payment_date(1)), 0);
    assert_eq!(ground.far().names_in_out(), Vec::<String>::new(), "the refused data is cleared away");

    // When it no longer does
    ground.far_mut().open_hub(&[]);
    ground.ask_for(municipality, payment_date(1));

    // Then the next query is not a second one, and has a name of its own
    ground.until_state(municipality, 2, "done");
    ground.assert_once(municipality, 1);
    let names: BTreeMap<_, _> = ground
        .exchanges(municipality)
        .iter()
        .map(|exchange| (exchange.query().unwrap().remote_name.clone(), exchange.id))
        .collect();
    assert_eq!(names.len(), 2);
}

#[test]
fn a_reply_without_a_receipt_proves_the_query_as_well() {
    let ground = Ground::lay(&["0751"], FarPlan { faults: vec!["swallow-receipts"], ..FarPlan::default() });
    let _daemon = ground.start();

    ground.ask_for(ground.municipality(), payment_date(1));
    ground.until_state(ground.municipality(), 1, "done");

    ground.assert_once(ground.municipality(), 1);
    assert_eq!(ground.count_of(ground.municipality(), "receipt_read"), 0);
}

#[test]
fn a_reply_that_does_not_come_is_overdue_and_its_query_still_waits_for_it() {
    // Given a hub that counts and does not answer, and little patience
    let mut ground = Ground::lay(&["0751"], FarPlan { faults: vec!["silent"], ..FarPlan::default() });
    ground.sides[0].exchange_lines = vec!["receipt_within = \"1s\"".into(), "reply_within = \"1s\"".into()];
    let municipality = ground.municipality();
    let _daemon = ground.start();

    ground.ask_for(municipality, payment_date(1));
    ground.until_state(municipality, 1, "receipted");
    until("the deadline", || route_line(&ground).open.into_iter().find(|line| line.overdue));

    ground.far_mut().open_hub(&[]);
    ground.until_state(municipality, 1, "done");
    ground.assert_once(municipality, 1);
}
