//! Faults as a person says them, without what is only one run's. Start with [`told`].

use super::fault::{Fault, Kind, Lateness, When};

/// This fault at this kind of effect.
pub fn told(fault: Fault, kind: Kind) -> String {
    let call = call(kind);
    match (fault, kind) {
        (Fault::Fails, Kind::FarRead | Kind::FarWrite) => format!("connection lost before {call} is sent"),
        (Fault::Fails | Fault::Refused, _) => format!("{call} fails"),
        (Fault::AnswerLost, Kind::FarRead | Kind::FarWrite) => format!("connection lost after {call}, its answer lost"),
        (Fault::AnswerLost, _) => format!("{call} is done and reported as failed"),
        (Fault::Late(Lateness::Never), _) => format!("connection lost, {call} never carried out"),
        (Fault::Late(_), _) => format!("connection lost, {call} carried out late by the dead session"),
        (Fault::Killed(when), _) => format!("process killed {} {call}", moment(when)),
        (Fault::PowerLost(when), _) => format!("power lost {} {call}", moment(when)),
        (Fault::Full(_), Kind::Store) => "store cannot be written for a minute".to_owned(),
        (Fault::Full(_), _) => "disk full for a minute".to_owned(),
    }
}

fn call(kind: Kind) -> &'static str {
    match kind {
        Kind::DiskRead => "a disk read",
        Kind::DiskWrite => "a rename, remove or sync",
        Kind::DiskRoom => "a new file",
        Kind::Store => "a journal entry",
        Kind::Connect => "a connection",
        Kind::FarRead => "a remote read",
        Kind::FarWrite => "a remote write",
    }
}

fn moment(when: When) -> &'static str {
    match when {
        When::Before => "before",
        When::After => "after",
        When::Amid => "amid",
        When::Late(_) => "behind",
    }
}
