//! A daemon with nothing to do: 98 routes, a poll a minute.

use std::fs;
use std::time::Duration;

use rustix::process::Pid;

use crate::floor::TICKS_PER_SECOND;
use crate::measure::{Line, Section, Series, Target, Unit};
use crate::rig::{FarPlan, let_pass};
use crate::stage::{Plan, ground, in_memory, started};

const MINUTE: Duration = Duration::from_secs(60);

const PROSE: &str = "The daemon with 98 municipalities on one endpoint, a poll every 60 seconds (the shipped setting), and nothing in any folder: \
processor time of a minute (user and system, /proc/PID/stat, in ticks of 10 ms), and resident memory at its end.";

pub fn row(plan: &Plan) -> Section {
    let memory = in_memory();
    let ground = ground(memory.path(), FarPlan { hub: false, ..FarPlan::default() });
    let daemon = started(&ground);
    let mut processor = Series::new("Sluse", Unit::Percent);
    let mut resident = Series::new("Sluse", Unit::Mebibytes);
    for _ in 0..plan.runs {
        let before = processor_seconds(daemon.pid());
        let_pass(MINUTE);
        processor.add((processor_seconds(daemon.pid()) - before) / MINUTE.as_secs_f64() * 100.0);
        resident.add(resident_mib(daemon.pid()));
    }
    let line = |work: &str, ours, limit| Line {
        work: work.to_owned(),
        ours,
        theirs: None,
        target: Target::AtMost(limit),
        floor: None,
    };
    let lines = vec![
        line("idle with 98 routes, processor", processor, 0.2),
        line("idle with 98 routes, resident", resident, 30.0),
    ];
    Section { title: "Idle", prose: PROSE, lines, notes: Vec::new(), why: "" }
}

/// User and system, of all threads.
pub fn processor_seconds(pid: Pid) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).expect("it runs");
    let (_, behind_name) = stat.rsplit_once(") ").expect("a name stands in parentheses");
    // The fields 14 and 15 of the whole, counted from 1; the first behind the name is the third.
    let ticks = behind_name.split(' ').skip(11).take(2).map(|field| field.parse::<f64>().expect("a number of ticks"));
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

pub fn resident_mib(pid: Pid) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells it");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number of KiB") / 1024.0
}
