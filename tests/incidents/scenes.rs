//! The ten incidents: what happens, how it is made, and what must have been told about it. Start with [`INCIDENTS`].

use sluse::engine::point::KILL_VARIABLE;

use crate::rig::{Chapter, Daemon, FarPlan, Ground, Plan, SmallDisk, payment_date, until, until_within};

/// One thing that goes wrong.
pub struct Incident {
    /// As a person would say it; the manual's words.
    pub title: &'static str,
    pub happens: &'static str,
    pub make: fn() -> Scene,
    /// What is called after `status`.
    pub second: Second,
    /// The cause, and the next step, in the words that must have been told.
    pub tells: &'static [&'static str],
    /// What the person does then; the manual's words.
    pub does: &'static str,
    pub chapter: Chapter,
    pub fault: &'static str,
}

/// The second command, if one is needed.
#[derive(Clone, Copy, Debug)]
pub enum Second {
    None,
    /// Status prints this whole command, behind the program's name.
    Named(&'static str),
}

/// Where it has happened. Dropped in this order.
pub struct Scene {
    _daemon: Daemon,
    _disk: Option<SmallDisk>,
    pub ground: Ground,
}

/// A server that does not answer is known for it when three signs of life were missed and one new connection was.
const FROZEN_WITHIN: std::time::Duration = std::time::Duration::from_secs(90);

/// A ground for Aarhus alone, with a daemon that has connected.
fn connected(plan: FarPlan) -> (Ground, Daemon) {
    connected_with(plan, &[])
}

fn connected_with(plan: FarPlan, exchange_lines: &[&str]) -> (Ground, Daemon) {
    let mut ground = Ground::lay(&["0751"], plan);
    ground.sides[0].exchange_lines = exchange_lines.iter().map(|line| (*line).to_owned()).collect();
    let mut daemon = ground.start();
    daemon.until_said("connected");
    (ground, daemon)
}

fn hub_with(fault: &'static str) -> FarPlan {
    FarPlan { faults: vec![fault], ..FarPlan::default() }
}

fn ask(ground: &Ground) {
    ground.ask_for(ground.municipality(), payment_date(1));
}

/// Waits until status says this of the far side, and of the query that cannot go on.
fn until_troubled(ground: &Ground, words: &str) {
    until_within(FROZEN_WITHIN, &format!("{words:?} in the status"), || {
        let trouble = ground.endpoint_line(0).trouble?;
        (trouble.contains(words) && ground.trouble_of(ground.municipality()).is_some_and(|of| of.contains(words)))
            .then_some(())
    });
}

fn scene((ground, daemon): (Ground, Daemon)) -> Scene {
    Scene { ground, _daemon: daemon, _disk: None }
}

/// One query, and a hub that answers it like this.
fn asked(plan: FarPlan, state: &str) -> Scene {
    let (ground, daemon) = connected(plan);
    ask(&ground);
    ground.until_state(ground.municipality(), 1, state);
    scene((ground, daemon))
}

fn host_key_changed() -> Scene {
    let (mut ground, daemon) = connected(FarPlan::default());
    let new = ground.far().sshd.new_host_key("host-new");
    ground.far_mut().sshd.restart_with_host_key(new);
    ask(&ground);
    until_troubled(&ground, "another host key");
    scene((ground, daemon))
}

fn key_refused() -> Scene {
    let (ground, daemon) = connected(FarPlan::default());
    ground.far().sshd.authorize_only(&[]);
    ground.far().sshd.kill_sessions();
    ask(&ground);
    until_troubled(&ground, "login refused");
    scene((ground, daemon))
}

fn hub_frozen() -> Scene {
    let (ground, daemon) = connected(FarPlan::default());
    ground.far().sshd.freeze();
    ask(&ground);
    until_troubled(&ground, "handshake");
    scene((ground, daemon))
}

fn error_receipt() -> Scene {
    asked(hub_with("error-receipt"), "rejected")
}

fn no_reply() -> Scene {
    let (ground, daemon) = connected_with(hub_with("silent"), &["reply_within = \"1s\""]);
    ask(&ground);
    ground.until_state(ground.municipality(), 1, "receipted");
    until("the reply to be overdue", || ground.status().routes[0].foremost()?.overdue.then_some(()));
    scene((ground, daemon))
}

fn cut_reply() -> Scene {
    asked(hub_with("truncate-reply"), "held")
}

fn wrong_municipality() -> Scene {
    asked(hub_with("wrong-municipality"), "held")
}

fn guard_tripped() -> Scene {
    let (mut ground, daemon) = connected(FarPlan::default());
    ask(&ground);
    ground.until_state(ground.municipality(), 1, "done");
    ground.far_mut().open_hub(&["hundredfold"]);
    ground.ask_for(ground.municipality(), payment_date(2));
    ground.until_state(ground.municipality(), 2, "held");
    scene((ground, daemon))
}

fn disk_full() -> Scene {
    let ground = Ground::lay(&["0751"], FarPlan::default());
    let disk = SmallDisk::mount(&ground.path("state"));
    let mut daemon = ground.start();
    daemon.until_said("connected");
    disk.fill();
    ask(&ground);
    until("the disk to be told of", || (!ground.status().halts.is_empty()).then_some(()));
    Scene { ground, _daemon: daemon, _disk: Some(disk) }
}

/// The server takes no rename, so the trigger is written in place; and just then the daemon dies.
fn in_doubt() -> Scene {
    let sshd = Plan { refused_requests: vec!["posix-rename"], ..Plan::default() };
    let ground = Ground::lay(&["0751"], FarPlan { sshd, ..FarPlan::default() });
    let mut killed = ground.start_with(&[(KILL_VARIABLE, "trigger_intended".to_owned())]);
    ask(&ground);
    killed.wait_for_kill();
    let daemon = ground.start();
    ground.until_state(ground.municipality(), 1, "in doubt");
    scene((ground, daemon))
}

pub static INCIDENTS: [Incident; 10] = [
    Incident {
        title: "The server shows another host key",
        happens: "The far side has a new host key, or somebody stands between. Nothing was sent to whoever that is.",
        make: host_key_changed,
        second: Second::Named("check --connect"),
        tells: &[
            "another host key",
            "SHA256:OLD",
            "SHA256:NEW",
            "by telephone",
            "host_keys = [\"SHA256:OLD",
            "0751 Aarhus",
        ],
        does: "asks the operator of the far side by telephone; if the key is theirs, writes the shown line into the settings and restarts \
               the daemon (docs/key-rotation.md). What waits goes on by itself.",
        chapter: Chapter::FarSide,
        fault: "the server's host key changes under a running daemon",
    },
    Incident {
        title: "The server does not take our key",
        happens: "Our public key was removed at the far side, or replaced.",
        make: key_refused,
        second: Second::Named("check --connect"),
        tells: &["login refused", "WRONG login", "SHA256:OUR", "Ask the operator of the far side which key it has"],
        does: "gives the operator of the far side our public key again. What waits goes on by itself.",
        chapter: Chapter::FarSide,
        fault: "the server takes our key no longer",
    },
    Incident {
        title: "The server stands still",
        happens: "Connections are accepted, and nothing answers.",
        make: hub_frozen,
        second: Second::None,
        tells: &["handshake was not done within", "goes on by itself", "check --connect"],
        does: "asks the operator of the far side. Nothing is to be done here: it is tried again at least every 20 seconds, and goes on by \
               itself.",
        chapter: Chapter::FarSide,
        fault: "the server stands still",
    },
    Incident {
        title: "The hub sends an error receipt",
        happens: "The hub has the query and refuses it.",
        make: error_receipt,
        second: Second::Named("explain 0751"),
        tells: &["rejected", "this hub was asked to refuse", "sluse retry 3f0f9a2e"],
        does: "mends what the hub complains of, then sends the same query again by the shown command, or puts a new one into the \
               outbox.",
        chapter: Chapter::FarSide,
        fault: "the hub sends an error receipt",
    },
    Incident {
        title: "The reply does not come",
        happens: "The hub has the query, and UDK does not answer in time.",
        make: no_reply,
        second: Second::Named("explain 0751"),
        tells: &["OVERDUE", "ask the far side why", "sluse refuse 3f0f9a2e"],
        does: "asks UDK. If nothing will come, gives up the wait by the shown command; the query still counts.",
        chapter: Chapter::FarSide,
        fault: "the reply does not come in time",
    },
    Incident {
        title: "The reply is cut short",
        happens: "A reply ends in the middle of a record. The register stays as it was.",
        make: cut_reply,
        second: Second::Named("held"),
        tells: &["held", "the reply is unfit", "sluse refuse 3f0f9a2e"],
        does: "asks UDK for the whole reply, which is taken when it comes. To wait for it is enough; refusing the cut one changes \
               nothing but what is shown.",
        chapter: Chapter::FarSide,
        fault: "the reply is cut short",
    },
    Incident {
        title: "The reply is another municipality's",
        happens: "A reply has the right name, and holds another municipality's agreements. The register stays as it was.",
        make: wrong_municipality,
        second: Second::Named("held"),
        tells: &["held", "the reply is unfit", "sluse refuse 3f0f9a2e"],
        does: "tells UDK at once: another municipality may have got this one's. The right reply is taken when it comes.",
        chapter: Chapter::FarSide,
        fault: "the reply is another municipality's",
    },
    Incident {
        title: "A reply changes too much",
        happens: "A reply would change the monthly total by more than `amount_guard`. The register stays as it was.",
        make: guard_tripped,
        second: Second::Named("held"),
        tells: &["held", "the monthly total goes from", "sluse approve 3f0f9a2e", "sluse refuse 3f0f9a2e"],
        does: "asks UDK whether it is so, then decides by one of the shown commands.",
        chapter: Chapter::Decisions,
        fault: "a reply with every amount a hundredfold",
    },
    Incident {
        title: "The disk is full",
        happens: "The state folder's disk has no room. Files stay in the outbox.",
        make: disk_full,
        second: Second::None,
        tells: &["No space left on device", "they stay in the outbox", "Make room on that disk", "goes on by itself"],
        does: "makes room. Nothing is lost, and all goes on by itself.",
        chapter: Chapter::Disk,
        fault: "the state folder's disk is full",
    },
    Incident {
        title: "Nobody knows whether the trigger was made",
        happens: "The server takes no rename, so the trigger is written in place, and the daemon died just then.",
        make: in_doubt,
        second: Second::Named("held"),
        tells: &["in doubt", "whether the trigger was made is unknown", "settle 3f0f9a2e --sent", "--not-sent"],
        does: "asks the operator of the hub whether it has the query, and says so by one of the shown commands. Until then nothing is sent \
               a second time.",
        chapter: Chapter::InDoubt,
        fault: "killed when the trigger is to be written in place",
    },
];
