//! Seeded runs: several faults, a hub that does things wrong, municipalities, rounds and a person, all drawn from one
//! number. The same number gives the same run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use sluse::config::TriggerWay;

use super::evidence::{Chapter, Row, record};
use super::fault::{Dice, Plan};
use super::hub::PickUp;
use super::judge::Evidence;
use super::mischief::Mischiefs;
use super::plant::Plant;
use super::world::{Case, run};

/// So many are played in the normal run: enough that each planted fault would be found by chance alone, and played
/// within a minute on two cores.
const SEEDED_RUNS: u64 = 10_000;

const SEED_VARIABLE: &str = "SLUSE_SEED";
const SECONDS_VARIABLE: &str = "SLUSE_SEEDED_SECONDS";

fn from_environment(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The case that a seed stands for.
fn seeded(seed: u64) -> Case {
    let mut dice = Dice(seed);
    Case {
        seed: dice.roll(),
        plan: Plan::Random { faults: 1 + dice.below(8) as u32, one_in: 10 + dice.below(80) },
        municipalities: 1 + dice.below(3) as usize,
        rounds: 1 + dice.below(2) as u32,
        trigger: dice.one_of(&[TriggerWay::Rename, TriggerWay::Rename, TriggerWay::Write]),
        posix_rename: dice.below(4) > 0,
        pick_up: dice.one_of(&[PickUp::Together, PickUp::TriggerFirst, PickUp::LeavesData]),
        asks_twice: dice.below(3) == 0,
        agreements: dice.one_of(&[3, 3, 3, 12]),
        mischiefs: if dice.below(2) == 0 { Mischiefs::some(&mut dice) } else { Mischiefs::none() },
        writes_on: dice.below(6) == 0,
        has_person: dice.below(3) > 0,
        keeps_nothing: seed.is_multiple_of(4),
        reloads: seed % 5 == 1,
        plant: Plant::None,
    }
}

/// What came of many runs.
#[derive(Default)]
struct Tally {
    effects: u64,
    faults: u64,
    /// Runs in which somebody decided or was named.
    persons: u64,
    decided: u64,
    stale: u64,
    exchanges: BTreeMap<String, u64>,
    /// By fault: in how many runs it happened, and in how many of these somebody decided or was named.
    runs_with: BTreeMap<String, (u64, u64)>,
}

impl Tally {
    fn add(&mut self, evidence: &Evidence) {
        self.effects += evidence.effects.len() as u64;
        self.faults += evidence.faults.len() as u64;
        self.persons += u64::from(evidence.persons > 0);
        self.decided += evidence.decided;
        self.stale += evidence.stale;
        for (end, count) in &evidence.ends {
            *self.exchanges.entry(end.clone()).or_default() += count;
        }
        for told in evidence.told.iter().collect::<BTreeSet<_>>() {
            let (runs, persons) = self.runs_with.entry(told.clone()).or_default();
            *runs += 1;
            *persons += u64::from(evidence.persons > 0);
        }
    }

    fn record(&self, runs: u64) {
        let exchanges: Vec<_> = self.exchanges.iter().map(|(end, count)| format!("{count} {end}")).collect();
        let Tally { faults, decided, stale, persons, .. } = self;
        let outcome = format!(
            "{faults} faults; {decided} decisions taken, {stale} refused because things had moved on; exchanges: {}",
            exchanges.join(", ")
        );
        let row = Row::once(Chapter::Simulation, "seeded runs with several faults each", outcome);
        record(&Row { tried: runs, persons: *persons, ..row });
        for (told, (runs, persons)) in &self.runs_with {
            let row = Row::once(
                Chapter::Simulation,
                format!("{told}, among several faults"),
                "every story at its end or named",
            );
            record(&Row { tried: *runs, persons: *persons, ..row });
        }
    }
}

#[test]
fn seeded_runs_with_several_faults_break_nothing() {
    if let Some(seed) = from_environment(SEED_VARIABLE) {
        let case = seeded(seed);
        let evidence = run(&case);
        println!("{case:#?}\n{}\n{:?}", evidence.faults.join("\n"), evidence.ends);
        evidence.journal.iter().for_each(|entry| println!("{} {} {:?}", entry.seq, entry.at, entry.body));
        println!("in IN: {:?}", evidence.in_in);
        assert_eq!(evidence.breaches, Vec::<String>::new());
        return;
    }
    let wanted = from_environment(SECONDS_VARIABLE).map(Duration::from_secs);
    let (began, next) = (Instant::now(), AtomicU64::new(0));
    let (runs, tally) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    let play = || {
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if wanted.map_or(seed >= SEEDED_RUNS, |wanted| began.elapsed() >= wanted) {
                break;
            }
            let evidence = run(&seeded(seed));
            let told = || format!("{}\n{}", evidence.faults.join("\n"), evidence.breaches.join("\n"));
            assert!(evidence.breaches.is_empty(), "{SEED_VARIABLE}={seed} breaks something:\n{}", told());
            runs.fetch_add(1, Relaxed);
            tally.lock().expect("nobody panics with it").add(&evidence);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(play))));
    let (runs, tally) = (runs.into_inner(), tally.into_inner().expect("nobody panicked with it"));
    tally.record(runs);
    let Tally { effects, faults, persons, decided, stale, exchanges, .. } = tally;
    println!("{runs} seeded runs in {:.0?}: {effects} effects, {faults} faults, persons in {persons}", began.elapsed());
    println!("{decided} decisions taken, {stale} stale ones refused; exchanges: {exchanges:#?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..40 {
        let (first, second) = (run(&seeded(seed)), run(&seeded(seed)));

        assert_eq!(first.effects, second.effects, "seed {seed}");
        assert_eq!(first.faults, second.faults, "seed {seed}");
        assert_eq!(first.ends, second.ends, "seed {seed}");
    }
}
