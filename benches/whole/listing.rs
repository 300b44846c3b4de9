//! One expected file among a hundred thousand of others: how long a look into IN takes, and what the daemon needs of
//! memory for it.

use std::fs;
use std::future::ready;
use std::path::Path;
use std::process::Stdio;

use futures_util::{StreamExt, stream};
use russh_sftp::client::RawSftpSession;
use sluse::transport::sftp::SftpEndpoint;
use sluse::transport::{Connect, FarSide, Folder};

use crate::clients::Login;
use crate::floor::runtime;
use crate::measure::{Floor, Line, Section, Series, Side, Target, Unit, by_turns, number, timed};
use crate::rig::{FarPlan, Sshd, payment_date};
use crate::stage::{Plan, ground, in_memory, on_disk, started};

const ENTRIES: usize = 100_000;

const PROSE: &str = "IN holds 100,000 files of other integrations. Time: a login and one listing by the verb that every poll uses, \
against `sftp` with `ls -1` of the same folder. Memory: the peak of a daemon that carries one whole exchange, drop to done, with these files in \
IN, less the peak of one that does it with an empty IN.";

/// OpenSSH's server as a program of its own, as Debian places it.
const SERVER: &str = "/usr/lib/openssh/sftp-server";

/// Requests that the server has ahead of its work, as Sluse asks.
const AHEAD: usize = 32;

const WHY: &str = "The server is at work all the time: for each name it calls `lstat` and writes a line of `ls -l`, one after the other in one \
process, and the floor is that process alone. `sftp` waits for each page of a hundred names; Sluse has 32 pages asked for, reads along on the other core, \
and is done when the server is. Nothing on our side of the wire makes this faster: the protocol has no listing without the attributes, and the expected \
files alone, by name, would not show what nobody expects.";

pub fn row(plan: &Plan) -> Section {
    let (memory, scratch) = (in_memory(), on_disk());
    let sshd = Sshd::with(crate::rig::Plan { root: Some(memory.path().to_owned()), ..Default::default() });
    fill(&sshd);
    let login = Login::at(&sshd, sshd.port());
    let runtime = runtime();
    let list = || {
        let work = async {
            let session = SftpEndpoint::new(sshd.settings()).connect().await.expect("the server is there");
            let listing = session.list(Folder::In, 2 * ENTRIES).await.expect("it can be listed");
            assert_eq!(listing.files.len(), ENTRIES);
            session.close().await;
        };
        timed(|| runtime.block_on(work)).0
    };
    let [ours, theirs] = by_turns(
        plan.runs,
        [Side::seconds("Sluse", list), Side::seconds("sftp, ls -1", || login.sftp("ls -1 IN\n", scratch.path()))],
    );
    let alone = (0..plan.runs.min(3)).map(|_| server_alone(&sshd.r#in())).fold(f64::INFINITY, f64::min);
    let mut growth = Series::new("Sluse", Unit::Mebibytes);
    let mut notes = Vec::new();
    for _ in 0..plan.runs {
        let [(empty, alone), (full, among_others)] = [false, true].map(whole_exchange);
        growth.add(full - empty);
        notes = vec![format!(
            "In the last run: {} MiB and drop to done in {} s with an empty IN; {} MiB and {} s with the files (polls a second apart).",
            number(empty),
            number(alone),
            number(full),
            number(among_others)
        )];
    }
    let lines = vec![
        Line {
            work: "IN with 100,000 entries listed".to_owned(),
            ours,
            theirs: Some(theirs),
            target: Target::RatioAtMost(0.3),
            floor: Some(Floor {
                value: alone,
                what: "`sftp-server` alone over a pipe, no connection, no cipher".to_owned(),
            }),
        },
        Line {
            work: "growth of the daemon's memory by them".to_owned(),
            ours: growth,
            theirs: None,
            target: Target::AtMost(30.5),
            floor: None,
        },
    ];
    Section { title: "A full IN", prose: PROSE, lines, notes, why: WHY }
}

fn fill(sshd: &Sshd) {
    for number in 0..ENTRIES {
        fs::File::create(sshd.r#in().join(format!("SF1491_UDTRAEK_{number:06}.xml"))).expect("there is memory");
    }
}

/// Seconds that the server itself takes, with the same requests asked for ahead.
fn server_alone(folder: &Path) -> f64 {
    let work = async {
        let mut command = tokio::process::Command::new(SERVER);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut server = command.spawn().expect("openssh-server is installed");
        let (asks, says) = (server.stdin.take().expect("it is piped"), server.stdout.take().expect("it is piped"));
        let session = RawSftpSession::new(tokio::io::join(says, asks));
        session.init().await.expect("it speaks SFTP");
        let open = session.opendir(folder.display().to_string()).await.expect("the folder is there").handle;
        let pages = stream::repeat_with(|| session.readdir(open.clone())).buffered(AHEAD);
        let listed = pages.take_while(|page| ready(page.is_ok())).filter_map(async |page| page.ok());
        let names = listed.fold(0, async |names, page| names + page.files.len()).await;
        assert_eq!(names, ENTRIES + [".", ".."].len());
    };
    timed(|| runtime().block_on(work)).0
}

/// Carries one query to its end. Returns the daemon's peak in MiB, and the seconds from the drop.
fn whole_exchange(among_others: bool) -> (f64, f64) {
    let memory = in_memory();
    let mut ground = ground(memory.path(), FarPlan::default());
    ground.sides[0].poll = "1s";
    if among_others {
        fill(&ground.far().sshd);
    }
    let municipality = ground.municipality();
    let daemon = started(&ground);
    let (seconds, _) = timed(|| {
        ground.ask_for(municipality, payment_date(1));
        ground.until_state(municipality, 1, "done")
    });
    (daemon.memory_peak() as f64 / 1_048_576.0, seconds)
}
