//! The gate before a payment run: the whole country's replies in the register, and `sluse gate` called as a script calls it,
//! beside the daemon and without it.

use std::time::Duration;

use crate::measure::{Line, Section, Series, Target, Unit, milliseconds, number, timed};
use crate::rig::{FarPlan, Ground, until_within};
use crate::small_files::entries_of;
use crate::stage::{Plan, ground, in_memory, payment_date, queries, settle_disks, started};

const AGREEMENTS: u32 = 10_000;
const WITHIN: Duration = Duration::from_secs(600);

/// Calls in one run.
const CALLS: usize = 20;

const PROSE: &str = "`sluse gate --payment-date D` as a script calls it, from its start to its exit status, on a store with the replies of 98 \
municipalities × 10,000 agreements, all handed over. Beside the daemon it is answered from what the daemon knows; without one, from \
the entries of the journal that speak of the date. The register is not read in either.";

pub fn row(plan: &Plan) -> Section {
    let memory = in_memory();
    let mut ground = ground(memory.path(), FarPlan { agreements: AGREEMENTS, ..FarPlan::default() });
    ground.sides[0].poll = "1s";
    let count = ground.sides[0].municipalities.len();
    let ready = queries(&ground, count, 0);
    let mut daemon = started(&ground);
    ready.iter().for_each(crate::stage::Ready::drop_in);
    let database = ground.path("state/sluse.db");
    until_within(WITHIN, "the country to be done", || (entries_of(&database, "tidied") == count).then_some(()));
    settle_disks();

    let beside = calls(&ground, plan.runs, "Sluse, beside the daemon");
    daemon.terminate();
    let alone = calls(&ground, plan.runs, "Sluse, without a daemon");
    let line = |work: &str, ours: Series| Line {
        work: format!("98 municipalities × 10,000 agreements, {work}"),
        ours,
        theirs: None,
        target: Target::AtMost(100.0),
        floor: None,
    };
    let size = std::fs::metadata(&database).map_or(0, |file| file.len());
    let notes = vec![format!("The store has {} MB.", number(size as f64 / 1e6))];
    let lines = vec![line("beside the daemon", beside), line("without a daemon", alone)];
    Section { title: "The gate", prose: PROSE, lines, notes, why: "" }
}

/// The median call of each run, in milliseconds. Each says that the gate is open.
fn calls(ground: &Ground, runs: usize, name: &str) -> Series {
    let date = payment_date(0).to_string();
    let mut series = Series::new(name, Unit::Milliseconds);
    for _ in 0..runs {
        let mut run = Series::new(name, Unit::Milliseconds);
        for _ in 0..CALLS {
            let (seconds, output) = timed(|| ground.command(&["gate", "--payment-date", &date]));
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            run.add(milliseconds(Duration::from_secs_f64(seconds)));
        }
        eprintln!("  {name}: {} ms", number(run.median()));
        series.add(run.median());
    }
    series
}
