//! Whoever only looks never makes a store: an empty one in the place of the one that is gone would say that all is well.
#![allow(clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::fs;
use std::os::unix::fs::DirBuilderExt;

use rig::{FarPlan, Ground, sorted_names};

/// Every command that reads a store or decides by it.
const COMMANDS: [&[&str]; 12] = [
    &["status"],
    &["status", "0751"],
    &["held"],
    &["explain", "0751"],
    &["explain", "0751", "--all"],
    &["register"],
    &["rebuild"],
    &["audit", "verify"],
    &["recover", "--offline"],
    &["query", "0751", "--payment-date", "2026-12-31"],
    &["retry", "--all-rejected", "--reason", "tried"],
    &["approve", "3f0f9a2e", "--reason", "tried"],
];

#[test]
fn no_command_makes_a_store_or_says_that_all_is_well_where_there_is_none() {
    // Given a house in which a daemon ran, and its state folder is gone; and later its store is a file of no bytes
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let mut daemon = ground.start();
    daemon.until_said("running");
    daemon.terminate();
    fs::remove_dir_all(ground.path("state")).unwrap();
    let state = ground.path("state");
    let store = state.join("sluse.db");
    let outbox = sorted_names(&ground.outbox(ground.municipality()));
    let backup = ground.path("backup").display().to_string();
    let commands = COMMANDS.into_iter().map(<[&str]>::to_vec).chain([vec!["backup", &backup]]);
    let commands: Vec<Vec<&str>> = commands.collect();
    for is_empty_file in [false, true] {
        if is_empty_file {
            fs::DirBuilder::new().mode(0o700).create(&state).unwrap();
            fs::write(&store, "").unwrap();
        }
        for arguments in &commands {
            // When a command is called
            let called = ground.command(arguments);

            // Then it says that there is none, where it looked and what may have happened, and makes nothing
            let said = String::from_utf8_lossy(&called.stderr);
            assert_eq!(called.status.code(), Some(1), "{arguments:?}: {said}");
            assert_eq!(String::from_utf8_lossy(&called.stdout), "", "{arguments:?}");
            let words = [format!("there is no store at {}", store.display()), "sluse recover".to_owned()];
            assert!(words.iter().all(|words| said.contains(words.as_str())), "{arguments:?}: {said}");
            assert_eq!(fs::read(&store).ok(), is_empty_file.then(Vec::new), "{arguments:?}");
            assert!(!ground.path("backup").exists() && !state.join("journal.anchor").exists(), "{arguments:?}");
        }
    }
    assert_eq!(sorted_names(&ground.outbox(ground.municipality())), outbox);

    // And the daemon makes one
    let mut daemon = ground.start();
    daemon.until_said("running");
    assert!(ground.command(&["audit", "verify"]).status.success());
    daemon.terminate();
}

/// The rows of the manual's table of exit statuses: the status, and the commands that stand there for instance.
fn exit_statuses(page: &str) -> Vec<(i32, Vec<Vec<String>>)> {
    let rows = page.lines().skip_while(|line| !line.starts_with("| exit status |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let commands = cells[3].split('`').filter_map(|piece| piece.strip_prefix("sluse "));
        let commands = commands.map(|command| command.split(' ').map(str::to_owned).collect());
        (cells[1].parse().unwrap(), commands.collect())
    })
    .collect()
}

#[test]
fn every_exit_status_is_the_one_that_the_manual_names() {
    // Given a house in which nothing has happened yet, and the manual's table
    let ground = Ground::lay(&["0101", "0751"], FarPlan::default());
    let mut daemon = ground.start();
    daemon.until_said("running");
    daemon.terminate();
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md")).unwrap();
    let table = exit_statuses(&page);
    assert_eq!(
        table.iter().map(|(status, commands)| (*status, commands.len())).collect::<Vec<_>>(),
        [(0, 4), (1, 3), (2, 5)]
    );

    // When each of its commands is called, then it ends as the table says
    for (status, commands) in &table {
        for arguments in commands {
            let called = ground.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
            let said = String::from_utf8_lossy(&called.stderr);
            assert_eq!(called.status.code(), Some(*status), "{arguments:?}: {said}");
        }
    }
}
