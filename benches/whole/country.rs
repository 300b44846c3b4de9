//! The whole country in one go: a query of each of the 98 municipalities, 2,000 agreements in each reply, over a long
//! line, with a hub that answers at once.

use std::time::{Duration, Instant};

use sluse::domain::municipality::MunicipalityCode;

use crate::delay::Delay;
use crate::floor::Wire;
use crate::measure::{Floor, Line, Section, Series, Target, Unit, number};
use crate::rig::{FarPlan, until_within};
use crate::small_files::entries_of;
use crate::stage::{EACH_WAY, Plan, ground, in_memory, queries, settle_disks, started};

const AGREEMENTS: u32 = 2_000;
const WITHIN: Duration = Duration::from_secs(300);

/// Requests that wait for each other on the way of one exchange, counted by what each must know of the one before.
const ROUND_TRIPS: [(&str, u32); 5] = [
    ("OPEN of data and part name; WRITE, size and CLOSE of both", 2),
    ("the rename", 1),
    ("OPENDIR and READDIR of IN", 2),
    ("OPEN and READ of the reply's metadata", 2),
    ("OPEN and READ of the reply", 2),
];

const PROSE: &str = "98 queries dropped at once → 98 replies of 2,000 agreements each in the register, with 20 ms of round trip, polls at the settings' \
least (one second), and the hub of the tests, which looks for triggers every 50 ms. The other side of the ratio is the sum of round trips that the \
protocol cannot avoid, read in two ways: of one exchange, since all 98 may be under way at once, and of all 98 one after the other. Nothing of the hub's own time, of the wait for the next poll, of bytes, syncs or the register is in that sum; the notes tell them.";

const WHY: &str = "The hub of the tests itself needs more than a second to write 98 replies (the notes tell when the last one lay in IN), and then up to a \
second passes until the next poll; the target's sum of round trips knows neither. Fetching and applying the rest takes about a second: 98 transactions of \
2,000 new agreements with their syncs, beside the hand-over of those that are done. What would have to give: polls below a second, which no far \
side would like, or several replies in one transaction, which would let one bad reply hold up another's.";

pub fn row(plan: &Plan) -> Section {
    let mut ours = Series::seconds("Sluse");
    let mut least = Series::seconds("round trips");
    let mut notes = Vec::new();
    let trips: u32 = ROUND_TRIPS.iter().map(|(_, trips)| trips).sum();
    let mut floor = None;
    for _ in 0..plan.runs {
        let run = one_run();
        eprintln!("  {run:?}");
        ours.add(run.applied);
        least.add(f64::from(trips) * run.round_trip);
        notes = vec![format!(
            "In the last run: the last trigger after {} s, the last reply in IN after {} s, the last one in the register after {} s.",
            number(run.submitted),
            number(run.answered),
            number(run.applied)
        )];
        let value = f64::from(trips) * run.round_trip + run.bytes as f64 * run.down_per_byte;
        let what = format!("the round trips, and {} MB of replies through the cipher", number(run.bytes as f64 / 1e6));
        floor = Some(Floor { value, what });
    }
    let counted: Vec<_> = ROUND_TRIPS.iter().map(|(what, trips)| format!("{what}: {trips}")).collect();
    notes.push(format!("The {trips} round trips: {}.", counted.join("; ")));
    let work = "98 municipalities × 2,000 agreements, outbox → register, 20 ms".to_owned();
    let mut one_by_one =
        least.times(f64::from(u32::try_from(MunicipalityCode::all().count()).expect("98")), Unit::Seconds);
    least.name = "the round trips of one exchange".to_owned();
    one_by_one.name = "those of all 98".to_owned();
    let against = |theirs: Series, floor| Line {
        work: work.clone(),
        ours: ours.clone(),
        theirs: Some(theirs),
        target: Target::RatioAtMost(3.0),
        floor,
    };
    let lines = vec![against(least, floor), against(one_by_one, None)];
    Section { title: "The country", prose: PROSE, lines, notes, why: WHY }
}

#[derive(Debug)]
struct Run {
    /// Seconds from the first drop.
    submitted: f64,
    answered: f64,
    applied: f64,
    bytes: u64,
    round_trip: f64,
    down_per_byte: f64,
}

fn one_run() -> Run {
    let memory = in_memory();
    let mut ground = ground(memory.path(), FarPlan { agreements: AGREEMENTS, ..FarPlan::default() });
    let wire = Wire::measured(&ground.far().sshd, memory.path());
    let line = Delay::before(ground.sides[0].port, EACH_WAY);
    (ground.sides[0].port, ground.sides[0].poll) = (line.port(), "1s");
    let count = ground.sides[0].municipalities.len();
    let ready = queries(&ground, count, 0);
    let _daemon = started(&ground);
    settle_disks();
    let began = Instant::now();
    ready.iter().for_each(crate::stage::Ready::drop_in);
    let since = |what: &str, is_so: &dyn Fn() -> bool| {
        until_within(WITHIN, what, || is_so().then(|| began.elapsed().as_secs_f64()))
    };
    let database = ground.path("state/sluse.db");
    let submitted = since("the triggers", &|| ground.far().triggers_seen() == count);
    let answered = since("the replies", &|| ground.far().ledger().replies.len() >= count);
    let applied = since("the register", &|| entries_of(&database, "applied") == count);
    let bytes = u64::from(AGREEMENTS + 2) * 122 * count as u64;
    let round_trip = wire.round_trip + 2.0 * EACH_WAY.as_secs_f64();
    Run { submitted, answered, applied, bytes, round_trip, down_per_byte: wire.down_per_byte }
}
