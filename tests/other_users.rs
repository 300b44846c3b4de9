//! Who may do what with Sluse's files and its socket: the daemon as a user of its own, the benefit system, an operator and a
//! stranger as others, each tried for real. Needs root, which alone can be all of them.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rig::{Chapter, Daemon, FarPlan, Ground, Row, User, payment_date, record, until};

/// A ground on which the daemon is the user sluse, and one round is done.
fn after_a_round() -> (Ground, Daemon) {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let daemon = ground.start_as_sluse();
    let municipality = ground.municipality();
    let (name, query) = ground.compose(municipality, payment_date(1));
    let outbox = ground.outbox(municipality);
    until("the outbox folder", || outbox.is_dir().then_some(()));
    // The benefit system writes its query, and somebody something that is none
    fs::write(ground.path("query"), query).unwrap();
    fs::set_permissions(ground.path("query"), fs::Permissions::from_mode(0o644)).unwrap();
    let (from, to) = (ground.path("query").display().to_string(), outbox.join(&name).display().to_string());
    assert!(
        User::BENEFIT.can(&format!("umask 007; cp {from} {to}.part && mv {to}.part {to}")),
        "it may write its query"
    );
    ground.until_state(municipality, 1, "done");
    (ground, daemon)
}

/// Every file and folder below, with its mode.
fn modes_below(folder: &Path) -> Vec<(String, u32)> {
    let mut modes = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        modes.push((entry.path().display().to_string(), entry.metadata().unwrap().mode() & 0o7777));
        if entry.file_type().unwrap().is_dir() {
            modes.extend(modes_below(&entry.path()));
        }
    }
    modes
}

#[test]
fn each_user_can_do_what_its_part_is_and_nothing_else() {
    let (ground, daemon) = after_a_round();
    let municipality = ground.municipality();
    let (outbox, inbox, state) = (ground.outbox(municipality), ground.inbox(municipality), ground.path("state"));
    let (outbox, inbox, state) = (outbox.display(), inbox.display(), state.display());
    let asks = |what: &str| {
        format!(
            "{} --config {} {what} > /dev/null",
            ground.path("sluse").display(),
            ground.path("sluse.toml").display()
        )
    };

    let (benefit, operator, stranger) = (User::BENEFIT, User::OPERATOR, User::STRANGER);
    let tries = [
        (benefit, "list its outbox", format!("ls {outbox}"), true),
        (benefit, "write into its outbox", format!("touch {outbox}/.x && rm {outbox}/.x"), true),
        (benefit, "read its replies and change lists", format!("cat {inbox}/*.txt {inbox}/*.csv > /dev/null"), true),
        (benefit, "change a reply in its inbox", format!("for f in {inbox}/*.txt; do echo >> $f; done"), false),
        (benefit, "put something into its inbox", format!("touch {inbox}/x"), false),
        (benefit, "list spool, archive or register", format!("ls {state}"), false),
        (benefit, "read the register's file", format!("cat {state}/sluse.db > /dev/null"), false),
        (benefit, "ask the daemon", asks("held"), false),
        (operator, "ask the daemon", asks("held"), true),
        (operator, "read the register's file", format!("cat {state}/sluse.db > /dev/null"), false),
        (operator, "read a reply in an inbox", format!("cat {inbox}/*.txt > /dev/null"), false),
        (operator, "write into an outbox", format!("touch {outbox}/x"), false),
        (stranger, "list an outbox", format!("ls {outbox}"), false),
        (stranger, "list an inbox", format!("ls {inbox}"), false),
        (stranger, "write into an outbox", format!("touch {outbox}/x"), false),
        (stranger, "read the register's file", format!("cat {state}/sluse.db > /dev/null"), false),
        (stranger, "ask the daemon", asks("held"), false),
    ];
    for (user, what, script, may) in &tries {
        let can = user.can(script);

        assert_eq!(can, *may, "{} can {what}: {script}", user.name);
        let outcome = if can { "can" } else { "cannot" };
        record(&Row::once(Chapter::PersonalData, format!("{} tries to {what}", user.name), outcome));
    }
    drop(daemon);
}

#[test]
fn whatever_holds_personal_data_is_open_to_sluse_alone_and_the_inbox_to_the_group() {
    let (ground, _daemon) = after_a_round();

    for (path, mode) in modes_below(&ground.path("state")) {
        assert_eq!(mode & 0o077, 0, "{path} has mode {mode:o}");
    }
    for (path, mode) in modes_below(&ground.inbox(ground.municipality())) {
        assert_eq!(mode, 0o640, "{path}");
    }
    let socket = fs::metadata(ground.path("run/control.sock")).unwrap();
    assert_eq!((socket.mode() & 0o777, socket.gid()), (0o660, User::SLUSE.gid));
    assert_eq!(fs::metadata(ground.outbox(ground.municipality())).unwrap().mode() & 0o7777, 0o2770);
    assert_eq!(fs::metadata(ground.inbox(ground.municipality())).unwrap().mode() & 0o7777, 0o2750);
}
