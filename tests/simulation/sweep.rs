//! The sweep: a round is played without a fault to see what effects it has, and then once for each of them and each fault
//! that can befall it. Start with [`sweep`].

use std::collections::BTreeMap;

use super::fault::{Fault, Kind, Lateness, Plan, When};
use super::judge::Evidence;
use super::world::{Case, run};

/// What a sweep came to.
#[derive(Debug, Default)]
pub struct Swept {
    pub effects: usize,
    pub runs: usize,
    /// The faults after which a person was needed.
    pub persons: Vec<String>,
    /// Where the judge found something: the fault, and what.
    pub breaches: Vec<String>,
}

const LATE: [Lateness; 7] = [
    Lateness::Seconds(10),
    Lateness::Requests(1),
    Lateness::Requests(2),
    Lateness::Requests(3),
    Lateness::Requests(5),
    Lateness::Seconds(100),
    Lateness::Never,
];

/// Longer than any pause between two tries.
const FULL: Fault = Fault::Full(60);

/// The faults that can befall this kind of effect.
pub fn faults(kind: Kind) -> Vec<Fault> {
    let ends = |when| [Fault::Killed(when), Fault::PowerLost(when)];
    let mut faults = vec![Fault::Fails];
    faults.extend([When::Before, When::After].into_iter().flat_map(ends));
    match kind {
        Kind::DiskRead | Kind::Connect => {}
        Kind::DiskWrite => faults.extend([Fault::AnswerLost, Fault::PowerLost(When::Amid)]),
        Kind::DiskRoom => faults.extend([Fault::AnswerLost, Fault::PowerLost(When::Amid), FULL]),
        Kind::Store => faults.extend([Fault::AnswerLost, FULL]),
        Kind::FarRead => faults.extend([Fault::Refused, Fault::Late(Lateness::Never)]),
        Kind::FarWrite => {
            faults.extend([Fault::Refused, Fault::AnswerLost]);
            faults.extend(LATE.map(Fault::Late));
            faults.extend(LATE.map(|late| Fault::Killed(When::Late(late))));
        }
    }
    faults
}

/// The connection drops at this kind of effect: before the request is carried out, after it, or it is carried out
/// late, or never.
pub fn drops(kind: Kind) -> Vec<Fault> {
    match kind {
        Kind::FarRead | Kind::FarWrite => {
            [Fault::Fails, Fault::AnswerLost].into_iter().chain(LATE.map(Fault::Late)).collect()
        }
        Kind::DiskRead | Kind::DiskWrite | Kind::DiskRoom | Kind::Store | Kind::Connect => Vec::new(),
    }
}

/// One run of a sweep.
pub struct Swing<'e> {
    pub kind: Kind,
    pub fault: Fault,
    pub evidence: &'e Evidence,
}

/// Plays this case with one fault at every effect, for each kind of fault that `faults` gives it, and shows each run.
pub fn sweep(case: &Case, faults: impl Fn(Kind) -> Vec<Fault>, each: &mut dyn FnMut(Swing<'_>)) -> Swept {
    let clean = run(case);
    let mut swept = Swept { effects: clean.effects.len(), breaches: clean.breaches, ..Swept::default() };
    for (number, kind) in (0..).zip(clean.effects) {
        for fault in faults(kind) {
            let evidence = run(&with(case, number, fault));
            swept.runs += 1;
            let told = evidence.faults.join("; ");
            swept.breaches.extend(evidence.breaches.iter().map(|breach| format!("{told}: {breach}")));
            if evidence.persons > 0 {
                swept.persons.push(told);
            }
            each(Swing { kind, fault, evidence: &evidence });
        }
    }
    swept
}

/// So many effects lie at most between what was done and what builds on it.
const SECOND_WITHIN: u64 = 16;

/// Plays this case with a first fault at each change of the disk, and a second one at each effect soon after it.
pub fn sweep_twice(case: &Case, first: Fault, second: Fault) -> Swept {
    let clean = run(case);
    let mut swept = Swept { effects: clean.effects.len(), breaches: clean.breaches, ..Swept::default() };
    let changes = (0..).zip(clean.effects).filter(|(_, kind)| matches!(kind, Kind::DiskWrite | Kind::DiskRoom));
    for (number, _) in changes {
        for later in 1..=SECOND_WITHIN {
            let plan = Plan::At(BTreeMap::from([(number, first), (number + later, second)]));
            let evidence = run(&Case { plan, ..case.clone() });
            swept.runs += 1;
            let told = evidence.faults.join("; ");
            swept.breaches.extend(evidence.breaches.iter().map(|breach| format!("{told}: {breach}")));
            if evidence.persons > 0 {
                swept.persons.push(told);
            }
        }
    }
    swept
}

fn with(case: &Case, number: u64, fault: Fault) -> Case {
    Case { plan: Plan::At(BTreeMap::from([(number, fault)])), ..case.clone() }
}

/// Plays those with a fault at this kind of effect until the judge finds something: what.
pub fn first_breach(case: &Case, at: Kind) -> Option<String> {
    let clean = run(case);
    let numbers = (0..).zip(&clean.effects).filter(|(_, kind)| **kind == at).map(|(number, _)| number);
    let found = |evidence: &Evidence| evidence.breaches.first().cloned();
    let mut cases = numbers.flat_map(|number| faults(at).into_iter().map(move |fault| with(case, number, fault)));
    found(&clean).or_else(|| cases.find_map(|one| found(&run(&one))))
}
