//! A register of the simplest kind, to judge a store by: it paints what each reply says on a calendar, keeps a
//! copy of the whole calendar for each moment at which something was learnt, and looks the answer up.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::domain::amount::Oere;

/// Days on the calendar; the first one is [`FIRST`].
const DAYS: usize = 8;
const FIRST: Date = Date::constant(2026, 2, 26);

/// What one agreement says: first and last day as places on the calendar, and the kroner.
type Said = (Option<usize>, Option<usize>, i64);

/// One reply of the random sequence.
#[derive(Clone, Debug)]
pub struct Round {
    municipality: &'static str,
    as_of: usize,
    agreements: BTreeMap<&'static str, Said>,
    is_held: bool,
}

pub fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let key = prop::sample::select(vec!["A", "B", "C"]);
    let said = (option::of(0..DAYS), option::of(0..DAYS), 1i64..3).prop_map(|(from, to, kroner)| {
        let to = to.map(|to| to.max(from.unwrap_or(0)));
        (from, to, kroner)
    });
    let municipality = prop_oneof![3 => Just("0751"), 1 => Just("0101")];
    let round = (municipality, 0..DAYS, btree_map(key, said, 0..4), prop::bool::weighted(0.2))
        .prop_map(|(municipality, as_of, agreements, is_held)| Round { municipality, as_of, agreements, is_held });
    vec(round, 1..7)
}

/// One agreement's line of the calendar.
#[derive(Clone, Default)]
struct Line {
    /// What the last reply said of it; None: it did not have it.
    last: Option<Said>,
    days: [Option<Said>; DAYS],
}

type Calendar = BTreeMap<(&'static str, &'static str), Line>;

/// What is known, by the moment from which it was.
#[derive(Default)]
pub struct Model {
    known: BTreeMap<Moment, Calendar>,
}

impl Model {
    fn learn(&mut self, at: Moment, round: &Round) {
        let mut calendar = self.known.values().next_back().cloned().unwrap_or_default();
        for key in round.agreements.keys() {
            calendar.entry((round.municipality, key)).or_default();
        }
        for ((municipality, key), line) in &mut calendar {
            if *municipality != round.municipality {
                continue;
            }
            let said = round.agreements.get(key).copied();
            match said {
                Some((from, to, _)) => {
                    for day in from.unwrap_or(0)..DAYS {
                        line.days[day] = said.filter(|_| to.is_none_or(|to| day <= to));
                    }
                }
                None if line.last.is_some() => line.days[round.as_of..].fill(None),
                None => {}
            }
            line.last = said;
        }
        self.known.insert(at, calendar);
    }

    fn answers(&self, valid_on: Option<usize>, known_at: Moment) -> Vec<String> {
        let Some((_, calendar)) = self.known.range(..=known_at).next_back() else { return Vec::new() };
        let said = |line: &Line| valid_on.map_or(line.last, |day| line.days[day]);
        calendar
            .iter()
            .filter_map(|((municipality, key), line)| Some(format!("{municipality} {key} {:?}", said(line)?)))
            .collect()
    }
}

fn minute(number: usize) -> Moment {
    Moment::from_micros(1_770_000_000_000_000 + number as i64 * 60_000_000)
}

fn date(day: usize) -> Date {
    FIRST.checked_add((day as i64).days()).unwrap()
}

fn place(date: Date) -> usize {
    (0..DAYS).find(|day| self::date(*day) == date).unwrap()
}

/// Puts these replies through the store and through the model, one each minute, and compares every answer that
/// there is.
pub fn answers_as_the_model_does(store: &mut dyn Store, rounds: &[Round]) {
    let mut model = Model::default();
    for (number, round) in rounds.iter().enumerate() {
        let at = minute(number);
        let order =
            Order { at, route: contract::route(round.municipality), ..contract::order(number as u128, "2026-02-26") };
        let agreements: Vec<_> = round
            .agreements
            .iter()
            .map(|(key, (from, to, kroner))| Agreement {
                valid_from: from.map(date),
                valid_to: to.map(date),
                ..contract::agreement(key, "", *kroner)
            })
            .collect();
        let as_of = date(round.as_of);
        let mut decide = |summary: &ChangeSummary| (!round.is_held).then(|| contract::applied(summary, as_of));
        store.apply(&order, &mut contract::stating(as_of, &agreements), &mut decide).unwrap();
        if !round.is_held {
            model.learn(at, round);
        }
    }
    for known_at in (0..=rounds.len()).map(minute).chain([Moment::from_micros(0)]) {
        for valid_on in (0..DAYS).map(Some).chain([None]) {
            assert_eq!(stored(store, valid_on, known_at), model.answers(valid_on, known_at), "{valid_on:?} {known_at}");
        }
    }
}

fn stored(store: &dyn Store, valid_on: Option<usize>, known_at: Moment) -> Vec<String> {
    let question = Question { valid_on: valid_on.map(date), known_at: Some(known_at), ..Question::default() };
    let mut answers = Vec::new();
    let each = &mut |Answer { route, agreement, .. }: Answer| {
        let said: Said = (
            agreement.valid_from.map(place),
            agreement.valid_to.map(place),
            agreement.amount.unwrap_or(Oere(0)).0 / 100,
        );
        answers.push(format!("{} {} {:?}", route.municipality, agreement.key.0, said));
    };
    store.register(&question, each).unwrap();
    answers
}
