//! Whole rounds: the daemon as a process, a real OpenSSH server, and a hub behind it that answers. What reaches
//! register and inbox is what UDK sent, and nobody else's file is touched.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::collections::BTreeMap;
use std::fs;
use std::time::SystemTime;

use jiff::civil::date;
use rig::{FarPlan, Ground, payment_date, sorted_names, until};
use sluse::store::Question;

/// Content and time of every file of a folder.
fn files_of(folder: &std::path::Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let look = |name: String| {
        let path = folder.join(&name);
        (name, (fs::read(&path).unwrap(), path.metadata().unwrap().modified().unwrap()))
    };
    sorted_names(folder).into_iter().map(look).collect()
}

#[test]
fn replies_that_come_together_are_applied_in_their_order() {
    // Given three queries of one municipality that the hub has answered while the daemon was away
    let mut ground = Ground::lay(&["0751"], FarPlan { hub: false, ..FarPlan::default() });
    let municipality = ground.municipality();
    let mut daemon = ground.start();
    for round in 1..=3 {
        ground.ask_for(municipality, payment_date(round));
        ground.until_state(municipality, round as usize, "submitted");
    }
    daemon.terminate();
    ground.far_mut().open_hub(&[]);
    until("three replies in IN", || {
        let names = ground.far().names_in_in();
        (names.iter().filter(|name| name.contains("SVAR") && name.ends_with(".metadata")).count() == 3).then_some(())
    });

    let _daemon = ground.start();
    ground.until_state(municipality, 3, "done");

    ground.assert_once(municipality, 3);
    assert_eq!(ground.count_of(municipality, "reply_held"), 0);
}

#[test]
fn two_rounds_leave_the_register_equal_to_what_udk_sent_and_no_trace_on_the_way() {
    // Given three municipalities, and an IN that other integrations use too
    let ground = Ground::lay(&["0101", "0751", "0851"], FarPlan { foreign: true, ..FarPlan::default() });
    let municipalities = ground.sides[0].municipalities.clone();
    let others = files_of(&ground.far().sshd.r#in());
    assert!(!others.is_empty());
    let mut daemon = ground.start();

    // When each asks twice
    let mut between = None;
    for round in 1..=2 {
        for municipality in &municipalities {
            ground.ask_for(*municipality, payment_date(round));
        }
        for municipality in &municipalities {
            ground.until_state(*municipality, round as usize, "done");
            ground.assert_once(*municipality, round);
        }
        between.get_or_insert(jiff::Timestamp::now());
    }
    daemon.terminate();

    // Then the register also knows what was believed before, and what is in force on a day
    let between = between.map(Into::into);
    for municipality in municipalities {
        let question = Question { municipality: Some(municipality), ..Question::default() };
        let before = Question { known_at: between, ..question.clone() };
        ground.assert_answer(before.clone(), ground.page(municipality, 1));
        let day = date(2030, 6, 15);
        let is_in_force = |a: &sluse::domain::agreement::Agreement| {
            a.valid_from.is_none_or(|from| from <= day) && a.valid_to.is_none_or(|to| day <= to)
        };
        for (question, round) in [(before, 1), (question, 2)] {
            let mut expected = ground.page(municipality, round);
            let all = expected.len();
            expected.retain(|_, agreement| is_in_force(agreement));
            assert!(expected.len() < all, "the day tells some from others");
            ground.assert_answer(Question { valid_on: Some(day), ..question }, expected);
        }
        assert!(ground.page(municipality, 1) != ground.page(municipality, 2), "a round without changes shows little");
        assert_eq!(sorted_names(&ground.outbox(municipality)), Vec::<String>::new());
    }

    // And nothing of ours lies on the way, and what is not ours is as it was
    assert_eq!(sorted_names(&ground.path("state/spool")), Vec::<String>::new());
    assert_eq!(ground.far().names_in_out(), Vec::<String>::new());
    assert!(files_of(&ground.far().sshd.r#in()) == others, "{:?}", ground.far().names_in_in());
}

#[test]
fn what_is_handed_over_is_what_udk_sent_byte_for_byte() {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let _daemon = ground.start();

    ground.ask_for(ground.municipality(), payment_date(1));
    ground.until_state(ground.municipality(), 1, "done");

    let inbox = ground.in_inbox(ground.municipality());
    let handed_over = fs::read(ground.inbox(ground.municipality()).join(&inbox.replies[0])).unwrap();
    let sent = &ground.far().ledger().replies[0];
    assert_eq!(sluse::domain::identity::ContentHash::of(&handed_over), sent.sha256);
}

#[test]
fn a_query_that_is_written_slowly_under_its_final_name_is_taken_when_it_is_whole() {
    // Given a writer that neither uses a temporary name nor hurries
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let municipality = ground.municipality();
    let mut daemon = ground.start();
    daemon.until_said("running");
    let (name, bytes) = ground.compose(municipality, payment_date(1));
    let mut file = fs::File::create(ground.outbox(municipality).join(&name)).unwrap();

    // When it has written a half
    let (first, second) = bytes.split_at(bytes.len() / 2);
    std::io::Write::write_all(&mut file, first).unwrap();
    daemon.until_said("file waits in the outbox");
    assert!(ground.exchanges(municipality).is_empty());

    // Then only the whole is taken
    std::io::Write::write_all(&mut file, second).unwrap();
    drop(file);
    ground.until_state(municipality, 1, "done");
    ground.assert_once(municipality, 1);
}
