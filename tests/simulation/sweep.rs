//! The sweep: a round is played without a fault to see what effects it has, and then once for each of them and each fault
//! that can befall it. Start with [`sweep`].

use std::collections::BTreeMap;

use super::fate::{Fault, Kind, Lateness, Plan, When};
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
fn faults(kind: Kind) -> Vec<Fault> {
    let ends = |when| [Fault::Killed(when), Fault::PowerLost(when)];
    let mut faults = vec![Fault::Fails];
    faults.extend([When::Before, When::After].into_iter().flat_map(ends));
    match kind {
        Kind::DiskRead | Kind::Connect => {}
        Kind::DiskWrite | Kind::DiskRoom => {
            faults.extend([Fault::AnswerLost, Fault::PowerLost(When::Amid)]);
            faults.extend((kind == Kind::DiskRoom).then_some(FULL));
        }
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

/// This case with one fault at every effect, for each kind of fault.
fn cases<'c>(case: &'c Case, effects: &'c [Kind]) -> impl Iterator<Item = Case> + 'c {
    (0..).zip(effects).flat_map(move |(number, kind)| {
        let one = move |fault| Case { plan: Plan::At(BTreeMap::from([(number, fault)])), ..case.clone() };
        faults(*kind).into_iter().map(one)
    })
}

/// Plays them all.
pub fn sweep(case: &Case) -> Swept {
    let clean = run(case);
    let mut swept = Swept { effects: clean.effects.len(), breaches: clean.breaches, ..Swept::default() };
    for one in cases(case, &clean.effects) {
        let evidence = run(&one);
        swept.runs += 1;
        if evidence.persons > 0 {
            swept.persons.push(evidence.faults.join("; "));
        }
        let told = |breach: &String| format!("{}: {breach}", evidence.faults.join("; "));
        swept.breaches.extend(evidence.breaches.iter().map(told));
    }
    swept
}

/// Plays those with a fault at this kind of effect until the judge finds something: the fault, and what.
pub fn first_breach(case: &Case, at: Kind) -> Option<String> {
    let clean = run(case);
    let found = |evidence: &Evidence| {
        let breach = evidence.breaches.first()?;
        Some(format!("{}: {breach}", evidence.faults.join("; ")))
    };
    let is_at = |case: &Case| match &case.plan {
        Plan::At(faults) => faults.keys().all(|number| clean.effects[*number as usize] == at),
        Plan::Random { .. } => true,
    };
    found(&clean).or_else(|| cases(case, &clean.effects).filter(is_at).find_map(|one| found(&run(&one))))
}
