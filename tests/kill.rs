//! `kill -9` at every named point of a round: whatever the daemon was doing, the next one ends the round, UDK counts
//! the query once, and the reply stands once in register and inbox.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::fs;

use rig::{Chapter, FarPlan, Ground, in_each, payment_date, record, sorted_names, until};
use sluse::engine::point::{KILL_VARIABLE, POINTS};

fn kill_at(point: &str) -> [(&'static str, String); 1] {
    [(KILL_VARIABLE, point.to_owned())]
}

/// A ground whose first daemon was killed at this point, in the first round.
fn killed_at(point: &str) -> Ground {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let mut daemon = ground.start_with(&kill_at(point));
    ground.ask_for(ground.municipality(), payment_date(1));
    daemon.wait_for_kill();
    ground
}

/// That one more daemon ends the round, once, and leaves nothing here or there.
fn assert_round_ends(ground: &Ground, fault: &str) {
    let _daemon = ground.start();
    ground.until_state(ground.municipality(), 1, "done");
    ground.assert_once(ground.municipality(), 1);
    // The last clearing up may be a poll away.
    let left = || {
        let spool = sorted_names(&ground.path("state/spool"));
        [spool, ground.far().names_in_out(), ground.far().names_in_in()].concat()
    };
    until(&format!("nothing to be left of {:?}", left()), || left().is_empty().then_some(()));
    ground.far().assert_each_trigger_once();
    record(&ground.came_of(Chapter::Processes, fault));
}

#[test]
fn a_daemon_that_is_killed_anywhere_ends_its_round_when_it_is_started_again() {
    in_each(&POINTS, |point| {
        let ground = killed_at(point);

        assert_round_ends(&ground, &format!("`kill -9` at {point}"));
    });
}

#[test]
fn a_daemon_that_is_killed_there_again_ends_its_round_all_the_same() {
    in_each(&POINTS, |point| {
        let ground = killed_at(point);

        // A point behind which the journal has moved on is not passed again: then this one ends the round.
        let mut second = ground.start_with(&kill_at(point));
        until(&format!("the second end at {point}, or the round's"), || {
            let exchanges = ground.exchanges(ground.municipality());
            let is_done = !exchanges.is_empty() && exchanges.iter().all(|exchange| exchange.state.is_final());
            (second.has_ended() || is_done).then_some(())
        });
        if second.has_ended() {
            second.wait_for_kill();
        }
        second.kill_9();

        assert_round_ends(&ground, &format!("`kill -9` at {point}, and again"));
    });
}

#[test]
fn a_daemon_that_is_killed_while_it_settles_a_doubt_settles_it_when_it_is_started_again() {
    in_each(&["trigger_intended", "trigger_requested"], |point| {
        // Given a trigger of which only the intent is known: it was not made, or it was
        let ground = killed_at(point);

        // When the next one finds out which, and cannot write that down any more, twice
        for _ in 0..2 {
            ground.start_with(&kill_at("doubt_settled")).wait_for_kill();
        }

        assert_round_ends(&ground, &format!("`kill -9` at {point}, and twice while the doubt is settled"));
        let attempts = ground.count_of(ground.municipality(), "trigger_intended");
        assert_eq!(attempts, if point == "trigger_intended" { 2 } else { 1 });
    });
}

#[test]
fn what_the_benefit_system_has_already_taken_is_not_put_there_again() {
    in_each(&["changes_renamed", "reply_renamed"], |point| {
        // Given a daemon that is killed between a file's final name and the fact, and a quick benefit system
        let ground = killed_at(point);
        let inbox = ground.inbox(ground.municipality());
        let mut taken = ground.in_inbox(ground.municipality());
        taken.replies.append(&mut taken.change_lists);
        for name in &taken.replies {
            fs::remove_file(inbox.join(name)).unwrap();
        }

        // When the next one ends the round
        let _daemon = ground.start();
        ground.until_state(ground.municipality(), 1, "done");

        // Then each file was there once
        let found = ground.in_inbox(ground.municipality());
        taken.replies.extend([found.replies, found.change_lists].concat());
        taken.replies.sort();
        let unlike = taken.replies.windows(2).all(|names| names[0] != names[1]);
        assert!(unlike && taken.replies.len() == 2 && found.others.is_empty(), "{taken:?}, {:?}", found.others);
    });
}
