//! One file at a time: from its rename into the outbox to the trigger that the hub can see, every fact synced.

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use notify::event::{ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::floor::{new_files, renames, round_trips, syncs};
use crate::measure::{Line, Section, Series, Target, Unit, milliseconds, number};
use crate::rig::{FarPlan, Ground, until};
use crate::small_files::entries_of;
use crate::stage::{Plan, ground, in_memory, on_disk, queries, settle_disks, started};

/// Files in one run.
const DROPS: usize = 200;
const WITHIN: Duration = Duration::from_secs(30);

/// Requests that wait for each other: OPEN of both files; WRITE, size and CLOSE of both; the rename.
const ROUND_TRIPS: usize = 3;

/// Appends that wait for each other: the fact that it is accepted; the intent; its anchor.
const APPENDS: usize = 3;

const QUERY_BYTES: usize = 4 << 10;

const PROSE: &str = "One query of 4 KiB at a time, written before and then renamed into the outbox with the shipped settings; the \
clock stops when the trigger's name is in OUT. 200 drops a run, p50 and p99 of each run. The floor is made in the same runs, drop by \
drop: three SFTP round trips one after the other (OPEN of data and part name; WRITE, size and CLOSE of both; the rename) on a warm session, \
and on the same disk a rename between two folders (the claim), a new file of 4 KiB with its name (the copy), and three appends of 4 KiB (the \
accepted fact; the intent; its anchor), each synced. p99 is held against the floor's p50.";

const WHY: &str = "By `strace` a median drop of 6 ms goes, in this order, into the notification, a look at the folders' times and one at the file (about 1 ms); \
the claim, a folder and the copy, with seven syncs where the floor has four (2 ms); the accepted fact (0.5 ms); two round trips that write two \
files, sync them and look their sizes up, where the floor's are bare look-ups (2 ms); the intent and its anchor, one after the other (1 ms). What would have to give: a \
folder of its own in the archive for each query; the copy beside the original; the anchor outside the database. For a query that is asked for \
days before a payment, milliseconds are not worth one of these. The p99 is the disk's: the floor's own is in the notes.";

pub fn row(plan: &Plan) -> Section {
    let mut p50 = Series::new("Sluse", Unit::Milliseconds);
    let mut p99 = p50.clone();
    let mut least = Series::new("the floor", Unit::Milliseconds);
    let mut least_p99 = least.clone();
    let mut parts = Vec::new();
    for _ in 0..plan.runs {
        let run = one_run();
        eprintln!(
            "  p50 {} ms, p99 {} ms, floor {} ms",
            number(run.drops.median()),
            number(run.drops.quantile(0.99)),
            number(run.floor.median())
        );
        p50.add(run.drops.median());
        p99.add(run.drops.quantile(0.99));
        least.add(run.floor.median());
        least_p99.add(run.floor.quantile(0.99));
        parts = run.parts;
    }
    let line = |work: &str, ours: Series, limit: f64| Line {
        work: work.to_owned(),
        ours,
        theirs: Some(least.clone()),
        target: Target::RatioAtMost(limit),
        floor: None,
    };
    let lines = vec![line("drop → trigger visible, p50", p50, 1.5), line("drop → trigger visible, p99", p99, 4.0)];
    let notes = vec![
        format!("The floor in the last run: {}.", parts.join(", ")),
        format!("The floor's own p99: {}.", least_p99.shown()),
    ];
    Section { title: "Latency", prose: PROSE, lines, notes, why: WHY }
}

struct Run {
    drops: Series,
    floor: Series,
    parts: Vec<String>,
}

fn one_run() -> Run {
    let (memory, disk) = (in_memory(), on_disk());
    let ground = ground(memory.path(), FarPlan { hub: false, ..FarPlan::default() });
    let ready = queries(&ground, DROPS, 0);
    let _daemon = started(&ground);
    settle_disks();
    let (_watcher, triggers) = watch(&ground.far().sshd.out());
    let mut drops = Series::new("Sluse", Unit::Milliseconds);
    for (number, query) in ready.iter().enumerate() {
        let began = Instant::now();
        query.drop_in();
        let seen = triggers.recv_timeout(WITHIN).expect("a trigger comes for every query");
        drops.add(milliseconds(seen.duration_since(began)));
        is_idle(&ground, number + 1);
    }
    let trips = round_trips(&ground.far().sshd, DROPS * ROUND_TRIPS).times(1e3, Unit::Milliseconds);
    let appends = syncs(disk.path(), QUERY_BYTES, DROPS * APPENDS).times(1e3, Unit::Milliseconds);
    let [from, to] = ["from", "to"].map(|name| disk.path().join(name));
    for folder in [&from, &to] {
        fs::create_dir(folder).expect("the folder is ours");
    }
    let copies = new_files(&from, QUERY_BYTES, DROPS).times(1e3, Unit::Milliseconds);
    let claims = renames(&from, &to, DROPS).times(1e3, Unit::Milliseconds);
    let mut floor = Series::new("the floor", Unit::Milliseconds);
    for (drop, (trips, appends)) in trips.values().chunks(ROUND_TRIPS).zip(appends.values().chunks(APPENDS)).enumerate()
    {
        let waited: f64 = trips.iter().chain(appends).sum();
        floor.add(waited + copies.values()[drop] + claims.values()[drop]);
    }
    let parts = vec![
        format!("{ROUND_TRIPS} round trips of {} ms", number(trips.median())),
        format!("a rename of {} ms", number(claims.median())),
        format!("a new file of {} ms", number(copies.median())),
        format!("{APPENDS} appends of {} ms", number(appends.median())),
    ];
    Run { drops, floor, parts }
}

/// Waits until the daemon has recorded the last trigger, so that the next drop meets a daemon at rest.
fn is_idle(ground: &Ground, made: usize) {
    let database = ground.path("state/sluse.db");
    until("the fact of the last trigger", || (entries_of(&database, "trigger_made") == made).then_some(()));
}

/// The moment at which each trigger becomes visible.
fn watch(out: &Path) -> (RecommendedWatcher, mpsc::Receiver<Instant>) {
    let (seen, triggers) = mpsc::channel();
    let note = move |event: notify::Result<Event>| {
        let event = event.expect("inotify works");
        let is_new = matches!(event.kind, EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(RenameMode::To)));
        let is_trigger = event.paths.iter().any(|path| path.extension().is_some_and(|ending| ending == "trigger"));
        if is_new && is_trigger {
            let _ = seen.send(Instant::now());
        }
    };
    let mut watcher = notify::recommended_watcher(note).expect("inotify works");
    watcher.watch(out, RecursiveMode::NonRecursive).expect("the folder is there");
    assert!(fs::read_dir(out).is_ok_and(|mut names| names.next().is_none()), "OUT is empty at first");
    (watcher, triggers)
}
