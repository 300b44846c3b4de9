//! The small files of a payment run: 2,000 queries of 4 KiB, each with its trigger. The daemon from the drop into the
//! outbox to the last trigger and its fact in the journal; lftp and sftp only copy the same 4,000 files.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::clients::Login;
use crate::delay::Delay;
use crate::floor::{Wire, busy_seconds, cores, syncs};
use crate::idle::processor_seconds;
use crate::measure::{Floor, Line, Section, Series, Side, Target, best, by_turns, number, timed};
use crate::rig::{FarPlan, Ground, Sshd, sorted_names, until_within};
use crate::stage::{EACH_WAY, Plan, ground, in_memory, on_disk, queries, settle_disks, started};

const FILES: usize = 2_000;
const WITHIN: Duration = Duration::from_secs(300);

/// `sftp -b` does one file after the other: at a distance it is measured with this part of the files, and multiplied.
const PART_AT_A_DISTANCE: usize = 20;

/// Requests that wait for each other on the way of one file: OPEN of both; WRITE, size and CLOSE of both; the rename.
const ROUND_TRIPS: f64 = 3.0;

/// Syncs that wait for each other: the claims' folders; the copies; the facts that are accepted; the intents; the facts
/// that the triggers are made. Each can be one for all files.
const SYNCS: f64 = 5.0;

const PROSE: &str = "The daemon runs and has its connection; it claims each file, copies it into the archive, reads it by its \
layout, writes facts with syncs, uploads, looks the sizes up, and renames the trigger behind a recorded intent. lftp \
(`mirror -R`, without permissions, which is faster; the best of 8, 16 and 32 in parallel) and `sftp -b` only copy the same 4,000 files, with \
their own login each time. The server's folder is in memory for all. The floor: three requests that wait for each other, five \
syncs for all files together, and the bytes through the cipher.";

const WHY: &str = "On loopback it is the processor: see how much of it is busy above. Each file is claimed, copied into a fresh file, synced and \
read, and has five facts in the journal; the others read a file and send it. By `perf` half of the daemon's time is the kernel's: \
opening, making and renaming files and folders (17 %), threads that wake each other (9 %), syncs (8 %); the journal is a tenth, and the rest is spread thin. What would have to give: a folder of its own \
in the archive for each query; the copy, where nobody else can write the original. At 20 ms the same work is most of what remains: 120 files at a time \
are open at the server, which is as many handles as russh-sftp can name.";

pub fn row(plan: &Plan) -> Section {
    let done = RefCell::default();
    let same = same_files(&done);
    let near = compared(plan, &done, same.path(), None);
    let far = compared(plan, &done, same.path(), Some(EACH_WAY));
    let mut section = Section {
        title: "Small files",
        prose: PROSE,
        lines: [near.lines, far.lines].concat(),
        notes: [near.notes, far.notes].concat(),
        why: WHY,
    };
    section.notes.insert(0, sizes(same.path()));
    section
}

struct Compared {
    lines: Vec<Line>,
    notes: Vec<String>,
}

fn compared(plan: &Plan, done: &RefCell<Done>, same: &Path, each_way: Option<Duration>) -> Compared {
    let (memory, scratch) = (in_memory(), on_disk());
    let sshd = Sshd::with(crate::rig::Plan { root: Some(memory.path().to_owned()), ..Default::default() });
    let line = each_way.map(|each_way| Delay::before(sshd.port(), each_way));
    let login = Login::at(&sshd, line.as_ref().map_or(sshd.port(), Delay::port));
    let part = if each_way.is_some() { PART_AT_A_DISTANCE } else { 1 };
    let lftp = |parallel: usize| {
        let commands = format!("mirror -R --parallel={parallel} {} OUT", same.display());
        empty(&sshd.out());
        settle_disks();
        let seconds = login.lftp(&commands);
        assert_eq!(sorted_names(&sshd.out()).len(), 2 * FILES);
        seconds
    };
    let sftp = || {
        empty(&sshd.out());
        settle_disks();
        let names: Vec<_> = sorted_names(same).into_iter().take(2 * FILES / part).collect();
        let put = |name: &String| format!("put {}/{name} OUT/{name}\n", same.display());
        let begun = login.sftp("pwd\n", scratch.path());
        let seconds = login.sftp(&names.iter().map(put).collect::<String>(), scratch.path());
        assert_eq!(sorted_names(&sshd.out()).len(), names.len());
        begun + (seconds - begun) * part as f64
    };
    let last = Cell::new(Run::default());
    let name = |of: &str| match part {
        1 => of.to_owned(),
        part => format!("{of}, from {} of the files", 2 * FILES / part),
    };
    let [sluse, lftp_8, lftp_16, lftp_32, sftp] = by_turns(
        plan.runs,
        [
            Side::seconds("Sluse", || {
                last.set(run_of_daemon(done, each_way, &mut |_| {}));
                last.get().seconds
            }),
            Side::seconds("lftp, 8 in parallel", || lftp(8)),
            Side::seconds("lftp, 16 in parallel", || lftp(16)),
            Side::seconds("lftp, 32 in parallel", || lftp(32)),
            Side::seconds(name("sftp -b"), sftp),
        ],
    );
    let login_alone = login.sftp("pwd\n", scratch.path());
    let bytes = total_size(same);
    let floor = least(&Wire::measured(&sshd, memory.path()), scratch.path(), bytes, each_way);
    let (distance, lftp_limit, sftp_limit) = match each_way {
        None => ("loopback", 0.5, 0.35),
        Some(_) => ("20 ms", 0.10, 0.02),
    };
    let line = |theirs: Series, limit| Line {
        work: format!("2,000 queries of 4 KiB with their triggers, {distance}"),
        ours: sluse.clone(),
        theirs: Some(theirs),
        target: Target::RatioAtMost(limit),
        floor: Some(floor.clone()),
    };
    let others: Vec<_> = [&lftp_8, &lftp_16, &lftp_32].map(|lftp| format!("{}: {}", lftp.name, lftp.shown())).into();
    let Run { seconds, daemons, all } = last.get();
    let notes = vec![
        format!("{distance}: {}.", others.join("; ")),
        format!(
            "{distance}, Sluse's last run: in {} s the daemon had {} s of processor, all processes and the kernel {} s on {} cores.",
            number(seconds),
            number(daemons),
            number(all),
            cores()
        ),
        format!(
            "{distance}: a login alone, by sftp: {} s, which Sluse, being connected, does not pay.",
            number(login_alone)
        ),
    ];
    Compared { lines: vec![line(best([lftp_8, lftp_16, lftp_32]), lftp_limit), line(sftp, sftp_limit)], notes }
}

/// Grounds of former runs, left as they are: a file system without a journal of its own (ext4 without one passes over
/// every inode that was freed in the last seconds) makes new files slowly just after many were removed.
type Done = Vec<(Ground, TempDir)>;

/// In seconds.
#[derive(Clone, Copy, Default)]
struct Run {
    seconds: f64,
    /// Of the processor: the daemon's, and everybody's.
    daemons: f64,
    all: f64,
}

/// One whole run of the daemon on a ground of its own. Returns the seconds from the first file's drop.
fn run_of_daemon(done: &RefCell<Done>, each_way: Option<Duration>, afterwards: &mut dyn FnMut(&Path)) -> Run {
    let memory = in_memory();
    let mut ground = ground(memory.path(), FarPlan { hub: false, ..FarPlan::default() });
    let line = each_way.map(|each_way| Delay::before(ground.sides[0].port, each_way));
    ground.sides[0].port = line.as_ref().map_or(ground.sides[0].port, Delay::port);
    let ready = queries(&ground, FILES, 0);
    let daemon = started(&ground);
    settle_disks();
    let before = (processor_seconds(daemon.pid()), busy_seconds());
    let (seconds, ()) = timed(|| {
        ready.iter().for_each(crate::stage::Ready::drop_in);
        let what = "every trigger";
        until_within(WITHIN, what, || (ground.far().triggers_seen() == FILES).then_some(()));
        let database = ground.path("state/sluse.db");
        until_within(WITHIN, "their facts", || (entries_of(&database, "trigger_made") == FILES).then_some(()));
    });
    let (daemons, all) = (processor_seconds(daemon.pid()) - before.0, busy_seconds() - before.1);
    assert_eq!(ground.far().names_in_out().len(), 2 * FILES, "data and triggers, and nothing else");
    afterwards(&ground.far().sshd.out());
    drop(daemon);
    done.borrow_mut().push((ground, memory));
    Run { seconds, daemons, all }
}

/// How many facts of a kind the journal has: it shows only what is synced.
pub fn entries_of(database: &Path, kind: &str) -> usize {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let journal = Connection::open_with_flags(database, flags).expect("the daemon has made it");
    let count = "SELECT count(*) FROM journal WHERE kind = ?1";
    journal.query_row(count, [kind], |row| row.get(0)).expect("the table is there")
}

/// What Sluse puts there, for the others to put there too.
fn same_files(done: &RefCell<Done>) -> TempDir {
    let folder = on_disk();
    run_of_daemon(done, None, &mut |out| {
        for name in sorted_names(out) {
            fs::copy(out.join(&name), folder.path().join(&name)).expect("there is room");
        }
    });
    folder
}

fn sizes(folder: &Path) -> String {
    let size_of = |ending: &str| {
        let name = sorted_names(folder).into_iter().find(|name| name.ends_with(ending)).expect("there is one");
        fs::metadata(folder.join(name)).expect("it is there").len()
    };
    format!("A query has {} bytes, a trigger {}.", size_of(".txt"), size_of(".trigger"))
}

fn total_size(folder: &Path) -> u64 {
    sorted_names(folder).iter().map(|name| fs::metadata(folder.join(name)).expect("it is there").len()).sum()
}

fn empty(folder: &Path) {
    for name in sorted_names(folder) {
        fs::remove_file(folder.join(name)).expect("it is ours");
    }
}

fn least(wire: &Wire, disk: &Path, bytes: u64, each_way: Option<Duration>) -> Floor {
    let round_trip = wire.round_trip + each_way.map_or(0.0, |each_way| 2.0 * each_way.as_secs_f64());
    let sync = syncs(disk, 4 << 10, 100).median();
    let value = ROUND_TRIPS * round_trip + SYNCS * sync + bytes as f64 * wire.up_per_byte;
    let what = format!(
        "{ROUND_TRIPS} round trips of {} ms, {SYNCS} syncs of {} ms, {} MB through the cipher",
        number(round_trip * 1e3),
        number(sync * 1e3),
        number(bytes as f64 / 1e6)
    );
    Floor { value, what }
}
