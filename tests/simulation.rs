//! Nothing lost, nothing sent twice: the real engine in a simulated world, with a stopped clock and one thread, so that
//! the same seed gives the same run. Every call through a seam (disk, store, far side) is an effect at which something
//! can go wrong; [`judge`] says in a few sentences what must be true in the end.
//!
//! `SLUSE_SEED=… cargo test --test simulation seeded` replays one seeded run and tells what befell it;
//! `SLUSE_SEEDED_SECONDS=…` plays them for so long instead (`make soak`: a whole night).

#[path = "simulation/benefit.rs"]
mod benefit;
#[path = "simulation/disk.rs"]
mod disk;
#[allow(dead_code, reason = "other test binaries record in other chapters")]
#[path = "rig/evidence.rs"]
mod evidence;
#[path = "simulation/far.rs"]
mod far;
#[path = "simulation/fate.rs"]
mod fate;
#[path = "simulation/fault.rs"]
mod fault;
#[path = "simulation/hub.rs"]
mod hub;
#[path = "simulation/judge.rs"]
mod judge;
#[path = "simulation/mischief.rs"]
mod mischief;
#[path = "simulation/person.rs"]
mod person;
#[path = "simulation/plant.rs"]
mod plant;
#[path = "simulation/platter.rs"]
mod platter;
#[path = "simulation/process.rs"]
mod process;
#[path = "simulation/seeded.rs"]
mod seeded;
#[path = "simulation/sim_store.rs"]
mod sim_store;
#[path = "simulation/contract.rs"]
mod store;
#[path = "simulation/sweep.rs"]
mod sweep;
#[path = "simulation/told.rs"]
mod told;
#[path = "simulation/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::time::Instant;

use evidence::{Chapter, Row, record};
use fault::{Fault, Kind, When};
use hub::PickUp;
use judge::without_numbers;
use mischief::{MISCHIEFS, Mischiefs};
use plant::PLANTS;
use sluse::config::TriggerWay;
use sluse::domain;
use sweep::{Swept, drops, faults, first_breach, sweep, sweep_twice};
use told::told;
use world::{Case, run};

/// A planted fault that shows in none of so many worlds is not caught: some need an unlucky moment.
const WORLDS_MAX: u64 = 20;

#[test]
fn a_round_without_a_fault_ends_well_and_needs_nobody() {
    for trigger in [TriggerWay::Rename, TriggerWay::Write] {
        for pick_up in [PickUp::Together, PickUp::TriggerFirst, PickUp::LeavesData] {
            let evidence = run(&Case { trigger, pick_up, rounds: 2, municipalities: 3, ..Case::clean() });

            assert_eq!(evidence.breaches, Vec::<String>::new());
            assert_eq!(evidence.persons, 0);
        }
    }
}

/// How often each fault came to each outcome, and in how many of these a person was needed.
#[derive(Default)]
struct Outcomes(BTreeMap<(String, String), (u64, u64)>);

impl Outcomes {
    fn add(&mut self, fault: String, outcome: String, persons: usize) {
        let (tried, needed) = self.0.entry((fault, outcome)).or_default();
        *tried += 1;
        *needed += u64::from(persons > 0);
    }

    fn record(self, chapter: Chapter) {
        for ((fault, outcome), (tried, persons)) in self.0 {
            record(&Row { tried, persons, ..Row::once(chapter, fault, outcome) });
        }
    }
}

fn joined(ends: &BTreeMap<String, u64>) -> String {
    ends.keys().cloned().collect::<Vec<_>>().join(", ")
}

fn assert_sound(swept: &Swept) {
    let shown = swept.breaches.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(swept.breaches.is_empty(), "{} breaches in {} runs:\n{shown}", swept.breaches.len(), swept.runs);
}

fn assert_swept(case: &Case) {
    let (began, mut outcomes) = (Instant::now(), Outcomes::default());
    let swept = sweep(case, faults, &mut |swing| {
        outcomes.add(told(swing.fault, swing.kind), joined(&swing.evidence.ends), swing.evidence.persons);
    });

    assert_sound(&swept);
    outcomes.record(Chapter::Simulation);
    let (took, ways) = (began.elapsed(), (case.trigger, case.pick_up));
    let (effects, runs, persons) = (swept.effects, swept.runs, swept.persons.len());
    println!("{ways:?}: {effects} effects, {runs} runs in {took:.1?}, a person needed in {persons}:");
    swept.persons.iter().for_each(|fault| println!("  {fault}"));
}

#[test]
fn one_fault_anywhere_breaks_nothing_where_the_trigger_is_renamed() {
    assert_swept(&Case::clean());
}

#[test]
fn one_fault_anywhere_breaks_nothing_where_it_is_written() {
    assert_swept(&Case { trigger: TriggerWay::Write, ..Case::clean() });
}

#[test]
fn one_fault_anywhere_breaks_nothing_where_the_hub_takes_the_trigger_first() {
    assert_swept(&Case { pick_up: PickUp::TriggerFirst, ..Case::clean() });
}

#[test]
fn one_fault_anywhere_breaks_nothing_where_it_is_written_and_the_data_left_behind() {
    assert_swept(&Case { trigger: TriggerWay::Write, pick_up: PickUp::LeavesData, ..Case::clean() });
}

#[test]
fn what_was_done_and_not_synced_is_synced_before_anything_builds_on_it() {
    for first in [Fault::AnswerLost, Fault::Killed(When::Amid)] {
        let swept = sweep_twice(&Case::clean(), first, Fault::PowerLost(When::Before));

        assert_sound(&swept);
        let fault = format!("{}, and then the power lost", told(first, Kind::DiskWrite));
        let row = Row::once(Chapter::Simulation, fault, "done or named");
        record(&Row { tried: swept.runs as u64, persons: swept.persons.len() as u64, ..row });
        println!("{first:?}: {} runs, a person needed in {}", swept.runs, swept.persons.len());
    }
}

#[test]
fn a_connection_lost_at_any_request_leaves_no_doubt_that_neither_sluse_nor_a_person_settles() {
    let mut outcomes = Outcomes::default();
    for (trigger, way) in [(TriggerWay::Rename, "renamed"), (TriggerWay::Write, "written")] {
        for pick_up in [PickUp::Together, PickUp::TriggerFirst, PickUp::LeavesData] {
            let case = Case { trigger, pick_up, ..Case::clean() };
            let swept = sweep(&case, drops, &mut |swing| {
                let evidence = swing.evidence;
                let outcome = match evidence.doubts.as_slice() {
                    [] => format!("never in doubt: {}", joined(&evidence.ends)),
                    ends => ends.join("; then "),
                };
                outcomes.add(format!("{}, trigger {way}", told(swing.fault, swing.kind)), outcome, evidence.persons);
            });

            assert_sound(&swept);
        }
    }
    let count = |which: &dyn Fn(&str) -> bool| {
        outcomes.0.iter().filter(|((_, outcome), _)| which(outcome)).map(|(_, (tried, _))| tried).sum::<u64>()
    };
    let (there, not_there) = (count(&|o| o.contains("it is there")), count(&|o| o.contains("it is not there")));
    let named = count(&|o| o.contains("a person is named"));
    println!("found to be there {there}, found not to be there {not_there}, a person named {named}");
    outcomes.0.iter().for_each(|((fault, outcome), counts)| println!("{counts:?} {fault}: {outcome}"));
    assert!(there > 0 && not_there > 0 && named > 0, "the sweep tries every way in which a doubt can end");
    outcomes.record(Chapter::InDoubt);
}

#[test]
fn whatever_the_hub_does_wrong_nothing_is_lost_and_nothing_happens_twice() {
    for mischief in MISCHIEFS {
        let case = Case { mischiefs: Mischiefs::of(mischief), municipalities: 2, rounds: 2, ..Case::clean() };
        for (has_person, told) in [(false, ""), (true, ", and a person looks after it")] {
            let evidence = run(&Case { has_person, ..case.clone() });

            assert_eq!(evidence.breaches, Vec::<String>::new(), "{mischief:?}, a person: {has_person}");
            let row = Row::once(Chapter::Simulation, format!("{}{told}", mischief.told()), joined(&evidence.ends));
            record(&Row { persons: evidence.persons as u64, ..row });
        }
    }
}

#[test]
fn a_crash_at_any_write_breaks_nothing_where_everything_is_removed_as_soon_as_it_is_over() {
    let case = Case { keeps_nothing: true, rounds: 2, ..Case::clean() };
    let clean = run(&case);
    assert_eq!(clean.breaches, Vec::<String>::new());
    let is_checkpoint = |entry: &&store::Entry| matches!(entry.body, store::Body::House(_));
    assert!(clean.journal.iter().filter(is_checkpoint).count() >= 2, "each round's files go, and its story");

    // Wherever something here is written
    let of_writes = |kind| match kind {
        Kind::DiskWrite | Kind::DiskRoom | Kind::Store => {
            vec![Fault::AnswerLost, Fault::Killed(When::Amid), Fault::PowerLost(When::Amid)]
        }
        Kind::DiskRead | Kind::Connect | Kind::FarRead | Kind::FarWrite => Vec::new(),
    };
    let swept = sweep(&case, of_writes, &mut |_| {});

    assert_sound(&swept);
    let fault = "a kill, a power failure or a lost answer at any write, and everything removed as soon as it is over";
    let row = Row::once(Chapter::Simulation, fault, "done or named");
    record(&Row { tried: swept.runs as u64, persons: swept.persons.len() as u64, ..row });
    println!("{} effects, {} runs, a person needed in {}", swept.effects, swept.runs, swept.persons.len());
}

#[test]
fn what_the_hub_does_wrong_is_known_again_though_everything_is_removed_as_soon_as_it_is_over() {
    for mischief in MISCHIEFS {
        for seed in 1..=3 {
            let mischiefs = Mischiefs::of(mischief);
            let case = Case { seed, mischiefs, municipalities: 2, rounds: 2, keeps_nothing: true, ..Case::clean() };
            let evidence = run(&Case { has_person: true, ..case });

            assert_eq!(evidence.breaches, Vec::<String>::new(), "{mischief:?}, seed {seed}");
            let fault = format!("{}, and everything removed as soon as it is over", mischief.told());
            let row = Row::once(Chapter::Simulation, fault, joined(&evidence.ends));
            record(&Row { persons: evidence.persons as u64, ..row });
        }
    }
}

#[test]
fn settings_that_change_again_and_again_break_nothing_wherever_one_fault_befalls_a_round() {
    let (mut outcomes, mut renewed) = (Outcomes::default(), [0, 0]);
    let case = Case { seed: 2, reloads: true, municipalities: 2, ..Case::clean() };
    let swept = sweep(&case, faults, &mut |swing| {
        let fault = format!("{}, while the settings change", told(swing.fault, swing.kind));
        outcomes.add(fault, joined(&swing.evidence.ends), swing.evidence.persons);
        renewed.iter_mut().zip(swing.evidence.renewed).for_each(|(sum, count)| *sum += count);
    });

    assert_sound(&swept);
    let (effects, runs, persons, [taken, refused]) = (swept.effects, swept.runs, swept.persons.len(), renewed);
    println!(
        "{effects} effects, {runs} runs, a person needed in {persons}; settings: {taken} in force, {refused} refused"
    );
    assert!(taken > 0 && refused > 0, "settings are taken, and refused where a story under way needs the former ones");
    outcomes.record(Chapter::Simulation);
}

#[test]
fn every_planted_fault_is_caught_by_the_judge() {
    for plant in PLANTS {
        let mut worlds = (1..=WORLDS_MAX)
            .flat_map(|seed| [TriggerWay::Rename, TriggerWay::Write].map(|trigger| plant.case(seed, trigger)));

        match worlds.find_map(|case| first_breach(&case, plant.shows_at())) {
            Some(caught) => {
                println!("{}: {caught}", plant.told());
                record(&Row::once(Chapter::Planted, plant.told(), without_numbers(&caught)));
            }
            None => panic!("{plant:?} is not caught"),
        }
    }
}

/// The simulated store is held to it, too.
mod contract {
    use crate::sim_store::{Safe, SimStore};
    use crate::store::Store;

    crate::store::contract::contract_suite!(lend);

    fn lend(sentence: fn(&mut dyn Store)) {
        sentence(&mut SimStore::open(Safe::default(), None));
    }
}
