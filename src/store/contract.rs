//! What every store must do, whichever it is: one test per sentence, taking any [`Store`]. A store's own tests
//! call [`contract_suite`] with a function that lends a fresh one. Everybody here is invented.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::*;
use crate::domain::agreement::{AgreementKey, other_json};
use crate::domain::amount::Oere;
use crate::domain::exchange::fact::Decision;

/// Makes one `#[test]` of each sentence. `$lend` is a `fn(fn(&mut dyn Store))` that lends a fresh store.
macro_rules! contract_suite {
    ($lend:path) => {
        crate::store::contract::contract_suite! { $lend:
            entries_come_back_as_they_were_appended
            a_batch_is_appended_behind_the_expected_head_only
            the_chain_can_be_recomputed_from_what_is_handed_over
            an_entry_that_was_not_understood_is_never_written
            the_first_reply_is_a_first_load_and_the_second_is_not
            an_empty_reply_is_a_first_load_too
            new_changed_ended_and_resumed_are_counted_and_listed
            a_held_reply_leaves_nothing
            only_the_fact_that_it_was_applied_applies_a_reply
            the_register_answers_in_both_times
            routes_do_not_touch_each_other
            an_agreement_comes_back_as_it_was_stated
        }
    };
    ($lend:path: $($sentence:ident)*) => {
        $(#[test]
        fn $sentence() {
            $lend(crate::store::contract::$sentence);
        })*
    };
}
pub(crate) use contract_suite;

pub fn file_id(number: u128) -> FileId {
    FileId::new(uuid::Uuid::from_u128(0xfade_0000_0000_4000_8000_0000_0000_0000 + number))
}

pub fn route(municipality: &str) -> Route {
    Route { exchange: "sf2530".parse().unwrap(), municipality: municipality.parse().unwrap() }
}

pub fn day(text: &str) -> Date {
    text.parse().unwrap()
}

pub fn moment(text: &str) -> Moment {
    text.parse().unwrap()
}

/// An agreement that begins on `from` (empty: open) and pays that many kroner.
pub fn agreement(key: &str, from: &str, kroner: i64) -> Agreement {
    Agreement {
        key: AgreementKey(key.into()),
        payer: Some("0707614285".parse().unwrap()),
        valid_from: (!from.is_empty()).then(|| day(from)),
        valid_to: None,
        amount: Some(Oere(kroner * 100)),
        other: BTreeMap::new(),
    }
}

pub fn applied(summary: &ChangeSummary, as_of: Date) -> Fact {
    Fact::Applied { summary: summary.clone(), delivery: None, as_of }
}

/// A reply that states these, and as of `as_of` that all others have ended.
pub fn stating(as_of: Date, agreements: &[Agreement]) -> Sorted {
    let mut sorting = Sorting::new(&std::env::temp_dir());
    for (number, agreement) in (1..).zip(agreements) {
        sorting.take(number, &agreement.stated(&other_json(&agreement.other))).unwrap();
    }
    sorting.finish(as_of).unwrap().unwrap()
}

/// Applies a reply with these agreements and gives its journal entry and what it changed.
pub fn apply(store: &mut dyn Store, order: &Order, as_of: &str, agreements: &[Agreement]) -> (Entry, ChangeSummary) {
    let mut seen = None;
    let outcome = store.apply(order, &mut stating(day(as_of), agreements), &mut |summary| {
        seen = Some(summary.clone());
        Some(applied(summary, day(as_of)))
    });
    match outcome {
        Ok(Outcome::Applied(entry)) => (entry, seen.unwrap()),
        other => panic!("not applied: {other:?}"),
    }
}

pub fn order(number: u128, at: &str) -> Order {
    Order { id: file_id(number), route: route("0751"), at: moment(at) }
}

pub fn entries(store: &dyn Store, after: u64) -> Vec<Entry> {
    let mut entries = Vec::new();
    store.entries(after, &mut |entry| entries.push(entry)).unwrap();
    entries
}

/// Key and kroner of each answer, such as `A1000 B500`.
pub fn answers(store: &dyn Store, question: &Question) -> String {
    let mut words = Vec::new();
    store.register(question, &mut |answer| words.push(word(&answer.agreement))).unwrap();
    words.join(" ")
}

/// Change, before and after of each line, such as `Changed A1000 A1200`.
pub fn changes(store: &dyn Store, seq: u64) -> Vec<String> {
    let mut lines = Vec::new();
    let side = |side: Option<Agreement>| side.map_or("-".into(), |agreement| word(&agreement));
    let each = &mut |Changed { change, before, after }: Changed| {
        lines.push(format!("{change:?} {} {}", side(before), side(after)));
    };
    store.changes(seq, each).unwrap();
    lines
}

fn word(agreement: &Agreement) -> String {
    format!("{}{}", agreement.key.0, agreement.amount.map_or(0, |amount| amount.0 / 100))
}

fn bodies() -> [Body; 3] {
    let id = file_id(1);
    [
        Body::Exchange { id, fact: Fact::DataUploaded },
        Body::House(HouseFact::RegisterShownInFull {
            who: "uid 1000".into(),
            reason: "a citizen asked, æøå".into(),
            municipality: Some(route("0751").municipality),
        }),
        Body::Exchange {
            id,
            fact: Fact::Declined { decision: Decision { who: "uid 1000".into(), reason: "too late".into() } },
        },
    ]
}

const NOON: &str = "2026-02-01T12:00:00.000123Z";

pub fn entries_come_back_as_they_were_appended(store: &mut dyn Store) {
    assert_eq!(store.head(), Head::genesis());

    let first = store.append(store.head(), moment(NOON), &bodies()).unwrap();
    let second = store.append(store.head(), moment(NOON), &bodies()[..1]).unwrap();

    let all = [first, second].concat();
    assert_eq!(all.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(all.iter().map(|entry| entry.body.clone()).collect::<Vec<_>>()[..3], bodies());
    assert!(all.iter().all(|entry| entry.at == moment(NOON)));
    assert_eq!(store.head(), Head { seq: 4, hash: all[3].hash });
    assert_eq!(entries(store, 0), all);
    assert_eq!(entries(store, 3), all[3..]);
    assert_eq!(entries(store, 4), []);
}

pub fn a_batch_is_appended_behind_the_expected_head_only(store: &mut dyn Store) {
    let old = store.head();
    store.append(old, moment(NOON), &bodies()[..2]).unwrap();

    let again = store.append(old, moment(NOON), &bodies());

    assert!(matches!(again, Err(StoreTrouble::Moved { expected: 0, found: 2 })), "{again:?}");
    assert_eq!(entries(store, 0).len(), 2);
    assert_eq!(store.head().seq, 2);
}

pub fn the_chain_can_be_recomputed_from_what_is_handed_over(store: &mut dyn Store) {
    store.append(store.head(), moment(NOON), &bodies()).unwrap();

    let mut head = Head::genesis();
    for entry in entries(store, 0) {
        let hash = chain::Stored::behind(head, entry.at, &entry.body).unwrap().hash(head.hash);
        assert_eq!(hash, entry.hash, "entry {}", entry.seq);
        head = Head { seq: entry.seq, hash };
    }
    assert_eq!(head, store.head());
}

pub fn an_entry_that_was_not_understood_is_never_written(store: &mut dyn Store) {
    let strange = Body::NotUnderstood { id: None, version: 9, what: "strange".into(), marks: Box::default() };

    assert!(store.append(store.head(), moment(NOON), &[bodies()[0].clone(), strange]).is_err());

    assert_eq!(entries(store, 0), []);
    assert_eq!(store.head(), Head::genesis());
}

pub fn the_first_reply_is_a_first_load_and_the_second_is_not(store: &mut dyn Store) {
    let (_, first) = apply(store, &order(1, NOON), "2026-02-01", &[agreement("A", "", 100)]);
    let (_, second) = apply(store, &order(2, NOON), "2026-03-01", &[agreement("A", "", 100)]);

    assert!(first.first_load && !second.first_load);
    assert_eq!((first.new, second.unchanged), (1, 1));
}

pub fn an_empty_reply_is_a_first_load_too(store: &mut dyn Store) {
    let (entry, first) = apply(store, &order(1, NOON), "2026-02-01", &[]);
    let (_, second) = apply(store, &order(2, NOON), "2026-02-01", &[agreement("A", "", 100)]);

    assert!(first.first_load && !second.first_load);
    assert_eq!(changes(store, entry.seq), [""; 0]);
}

pub fn new_changed_ended_and_resumed_are_counted_and_listed(store: &mut dyn Store) {
    let [a, b, c] = [agreement("A", "2026-01-01", 100), agreement("B", "", 200), agreement("C", "", 300)];
    let a_raised = agreement("A", "2026-03-01", 150);
    let (one, _) = apply(store, &order(1, NOON), "2026-02-01", &[a.clone(), b.clone()]);
    let (two, summary) = apply(store, &order(2, NOON), "2026-03-01", &[c.clone(), a_raised.clone()]);
    let (three, resumed) = apply(store, &order(3, NOON), "2026-04-01", &[a_raised, b, c]);

    assert_eq!(changes(store, one.seq), ["New - A100", "New - B200"]);
    assert_eq!(changes(store, two.seq), ["Changed A100 A150", "Ended B200 -", "New - C300"]);
    assert_eq!(changes(store, three.seq), ["Resumed B200 B200"]);
    assert_eq!((summary.new, summary.changed, summary.ended, summary.resumed, summary.unchanged), (1, 1, 1, 0, 0));
    assert_eq!((summary.before_total, summary.after_total), (Oere(30_000), Oere(45_000)));
    assert_eq!((resumed.resumed, resumed.unchanged, resumed.before_count, resumed.after_count), (1, 2, 2, 3));
    assert_eq!(entries(store, 0)[1], two);
    assert!(matches!(&two.body, Body::Exchange { id, fact: Fact::Applied { .. } } if *id == file_id(2)));
}

/// A store that holds `A100` after one reply; what must be so again after one that comes to nothing.
fn with_one_reply(store: &mut dyn Store, nothing: impl FnOnce(&mut dyn Store)) {
    let (first, _) = apply(store, &order(1, NOON), "2026-02-01", &[agreement("A", "", 100)]);

    nothing(store);

    assert_eq!(entries(store, 0), [first]);
    assert_eq!(answers(store, &Question::default()), "A100");
    let (third, summary) = apply(store, &order(3, NOON), "2026-02-01", &[agreement("A", "", 120)]);
    assert_eq!((third.seq, summary.changed, summary.new), (2, 1, 0), "the next reply finds a clean table");
}

pub fn a_held_reply_leaves_nothing(store: &mut dyn Store) {
    with_one_reply(store, |store| {
        let agreements = [agreement("B", "", 200)];
        let held = store.apply(&order(2, NOON), &mut stating(day("2026-02-01"), &agreements), &mut |_| None);

        assert!(matches!(held, Ok(Outcome::Held(summary)) if (summary.new, summary.ended) == (1, 1)));
    });
}

pub fn only_the_fact_that_it_was_applied_applies_a_reply(store: &mut dyn Store) {
    with_one_reply(store, |store| {
        let agreements = [agreement("B", "", 200)];
        let mut decide = |_: &ChangeSummary| Some(Fact::SetAside);

        assert!(store.apply(&order(2, NOON), &mut stating(day("2026-02-01"), &agreements), &mut decide).is_err());
    });
}

pub fn the_register_answers_in_both_times(store: &mut dyn Store) {
    let a = |from, kroner| agreement("A", from, kroner);
    let b = |from| agreement("B", from, 500);
    let c = Agreement { valid_to: Some(day("2026-02-20")), ..agreement("C", "", 300) };
    let known = ["2026-02-01T00:00:00Z", "2026-02-10T00:00:00Z", "2026-03-10T00:00:00Z"];
    apply(store, &order(1, known[0]), "2026-02-01", &[a("2026-01-01", 1000), b("2026-01-01")]);
    // A is raised from March; B is no longer there.
    apply(store, &order(2, known[1]), "2026-02-10", &[a("2026-03-01", 1200)]);
    // A's raise was less, and began earlier; B is back from April; C had been forgotten.
    apply(store, &order(3, known[2]), "2026-03-10", &[a("2026-02-15", 1100), b("2026-04-01"), c]);

    let table = "
        valid on   | known 31 Jan | known 1 Feb | known 10 Feb | known 10 March
        2025-12-31 |              |             |              | C300
        2026-01-01 |              | A1000 B500  | A1000 B500   | A1000 B500 C300
        2026-02-09 |              | A1000 B500  | A1000 B500   | A1000 B500 C300
        2026-02-10 |              | A1000 B500  | A1000        | A1000 C300
        2026-02-15 |              | A1000 B500  | A1000        | A1100 C300
        2026-02-20 |              | A1000 B500  | A1000        | A1100 C300
        2026-02-21 |              | A1000 B500  | A1000        | A1100
        2026-03-01 |              | A1000 B500  | A1200        | A1100
        2026-04-01 |              | A1000 B500  | A1200        | A1100 B500
        -          |              | A1000 B500  | A1200        | A1100 B500 C300";
    let before = ["2026-01-31T00:00:00Z"];
    for line in table.trim().lines().skip(1) {
        let mut cells = line.split('|').map(str::trim);
        let valid_on = cells.next().and_then(|cell| cell.parse().ok());
        for (known_at, cell) in before.iter().chain(&known).zip(cells) {
            let question = Question { valid_on, known_at: Some(moment(known_at)), ..Question::default() };
            assert_eq!(answers(store, &question), cell, "{question:?}");
        }
    }
    let now = Question { valid_on: Some(day("2026-04-01")), ..Question::default() };
    assert_eq!(answers(store, &now), "A1100 B500");
}

pub fn routes_do_not_touch_each_other(store: &mut dyn Store) {
    let aarhus = order(1, NOON);
    let copenhagen = Order { route: route("0101"), ..order(2, NOON) };
    let other = Order { route: Route { exchange: "another".parse().unwrap(), ..route("0751") }, ..order(3, NOON) };
    let (_, first) = apply(store, &aarhus, "2026-02-01", &[agreement("A", "", 100)]);
    let (_, second) = apply(store, &copenhagen, "2026-02-01", &[agreement("A", "", 200)]);
    let (_, third) = apply(store, &other, "2026-02-01", &[]);

    assert!(first.first_load && second.first_load && third.first_load);
    assert_eq!((second.new, third.ended), (1, 0));
    assert_eq!(answers(store, &Question::default()), "A200 A100", "in the order of exchange, municipality, key");
    let ask = |exchange: Option<&str>, municipality: Option<&str>| {
        answers(
            store,
            &Question {
                exchange: exchange.map(|text| text.parse().unwrap()),
                municipality: municipality.map(|text| text.parse().unwrap()),
                ..Question::default()
            },
        )
    };
    assert_eq!(ask(None, Some("0751")), "A100");
    assert_eq!(ask(Some("sf2530"), Some("0101")), "A200");
    assert_eq!(ask(Some("another"), None), "");
}

pub fn an_agreement_comes_back_as_it_was_stated(store: &mut dyn Store) {
    let full = Agreement {
        key: AgreementKey("000000001001|20260101".into()),
        payer: Some("0707614285".parse().unwrap()),
        valid_from: Some(day("2026-01-01")),
        valid_to: Some(day("2026-12-31")),
        amount: Some(Oere(-160_300)),
        other: [("kind".into(), "NB".into()), ("case_reference".into(), "æ \"quoted\"\\".into())].into(),
    };
    let bare = Agreement {
        key: AgreementKey(String::new()),
        payer: None,
        valid_from: None,
        valid_to: None,
        amount: None,
        other: BTreeMap::new(),
    };
    apply(store, &order(1, NOON), "2026-02-01", &[full.clone(), bare.clone()]);

    let mut got = Vec::new();
    store
        .register(&Question::default(), &mut |answer| {
            assert_eq!((answer.known_at, answer.change), (moment(NOON), Change::New));
            got.push(answer.agreement);
        })
        .unwrap();
    assert!(got == [bare, full], "not as stated");
}
