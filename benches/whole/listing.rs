//! One expected file among a hundred thousand of others: how long a look into IN takes, and what the daemon needs of
//! memory for it.

use std::fs;

use sluse::transport::sftp::SftpEndpoint;
use sluse::transport::{Connect, FarSide, Folder};

use crate::clients::Login;
use crate::floor::runtime;
use crate::measure::{Line, Section, Series, Side, Target, Unit, by_turns, number, timed};
use crate::rig::{FarPlan, Sshd, payment_date};
use crate::stage::{Plan, ground, in_memory, on_disk, started};

const ENTRIES: usize = 100_000;

const PROSE: &str = "IN holds 100,000 files of other integrations. Time: a login and one listing by the verb that every poll uses, \
against `sftp` with `ls -1` of the same folder. Memory: the peak of a daemon that carries one whole exchange, drop to done, with these files in \
IN, less the peak of one that does it with an empty IN.";

const WHY: &str = "Each name costs the server a `stat` and a line of text, which is most of the time of both sides; `sftp` waits for each page of a \
hundred names, Sluse has 32 pages asked for. What remains is decoding: by `perf` two thirds of Sluse's own time are russh-sftp's copies of every \
name and of its `ls -l` line, which the protocol sends and nobody reads. It would take an SFTP decoder of our own.";

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
            floor: None,
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
