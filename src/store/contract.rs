//! What every store must do, whichever it is: one test per sentence, taking any [`Store`]. A store's own tests
//! call [`contract_suite`] with a function that lends a fresh one. Everybody here is invented.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::removal::{FileLeft, LeftBehind, Remains, Removal, Removed, StoryToGo};
use super::*;
use crate::domain::agreement::{AgreementKey, other_json};
use crate::domain::amount::Oere;
use crate::domain::exchange::fact::Decision;
use crate::domain::identity::ContentHash;
use crate::domain::retention::{End, HashKey, Remnant};

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
            what_a_checkpoint_removes_is_gone_and_the_chain_goes_on
            an_altered_entry_says_the_new_thing_in_its_old_place
            only_agreements_that_ended_go_and_only_with_replies_that_cannot_be_read_again
            a_checkpoint_is_made_behind_the_expected_head_only
            files_wait_until_they_are_known_to_be_gone
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

fn remnant(number: u128) -> Remnant {
    Remnant {
        id: file_id(number),
        route: route("0751"),
        begun: moment(NOON),
        ended: moment(NOON),
        end: End::Refused,
        query: None,
        was_unfit: true,
        arrivals: vec![],
        receipts: vec![],
        retried_by: vec![],
        applied: None,
    }
}

/// The removal of a whole story with these entries, and one file.
pub fn gone(number: u128, entries: &[u64]) -> StoryToGo {
    let left = FileLeft { what: "query".into(), name: None, size: Some(360), hash: ContentHash::of(b"sealed") };
    StoryToGo {
        id: file_id(number),
        files: vec![(format!("archive/{number}/query"), Some(left)), (format!("archive/{number}/"), None)],
        remnant: Some(remnant(number)),
        entries: entries.iter().map(|seq| (*seq, None)).collect(),
        applied: None,
    }
}

pub fn removal(stories: Vec<StoryToGo>) -> Removal {
    Removal { key: HashKey::new([3; 32]), stories, ended: vec![] }
}

fn is_checkpoint(entry: &Entry) -> Removed {
    match &entry.body {
        Body::House(HouseFact::Checkpoint { removed, .. }) => *removed,
        body => panic!("{body:?}"),
    }
}

pub fn what_a_checkpoint_removes_is_gone_and_the_chain_goes_on(store: &mut dyn Store) {
    let before = store.append(store.head(), moment(NOON), &bodies()).unwrap();

    let (entry, left) = store.checkpoint(store.head(), moment(NOON), &removal(vec![gone(1, &[1, 3])])).unwrap();

    let expected = Removed { erased: 1, files: 1, bytes: 360, stories: 1, entries: 2, ..Removed::default() };
    assert_eq!((entry.seq, is_checkpoint(&entry)), (4, expected));
    assert_eq!(store.head(), Head { seq: 4, hash: entry.hash });
    assert_eq!(entries(store, 0), [before[1].clone(), entry.clone()]);
    assert_eq!([store.entry(1).unwrap(), store.entry(2).unwrap()], [None, Some(before[1].clone())]);
    assert!(left.remains.iter().all(|(at, _)| *at == moment(NOON)));
    let LeftBehind { key, remains } = store.left().unwrap();
    assert_eq!((key, remains.len(), remains[0].1 == left.remains[0].1), (Some(HashKey::new([3; 32])), 1, true));
    let hashes: Vec<_> = remains[0].1.entries().iter().map(|entry| (entry.seq, entry.hash, entry.says)).collect();
    assert_eq!(hashes, [(1, before[0].hash, None), (3, before[2].hash, None)]);

    // And it goes on behind it, and may remove again
    let next = store.append(store.head(), moment(NOON), &bodies()[..1]).unwrap();
    let (again, _) = store.checkpoint(store.head(), moment(NOON), &removal(vec![gone(2, &[5])])).unwrap();
    assert_eq!((next[0].seq, again.seq, store.left().unwrap().remains.len()), (5, 6, 2));
    assert_eq!(entries(store, 0), [before[1].clone(), entry, again]);
}

pub fn an_altered_entry_says_the_new_thing_in_its_old_place(store: &mut dyn Store) {
    let before = store.append(store.head(), moment(NOON), &bodies()).unwrap();
    let decision = Decision { who: "uid 2000".into(), reason: "less".into() };
    let says = Body::Exchange { id: file_id(1), fact: Fact::Declined { decision } };

    let story = StoryToGo { remnant: None, entries: vec![(3, Some(says.clone())), (1, None)], ..gone(1, &[]) };
    let (entry, _) = store.checkpoint(store.head(), moment(NOON), &removal(vec![story])).unwrap();

    let altered = Entry { body: says, ..before[2].clone() };
    assert_eq!(entries(store, 0), [before[0].clone(), before[1].clone(), altered.clone(), entry.clone()]);
    assert_eq!(entries(store, 2), [altered.clone(), entry.clone()], "the chain is followed from any place");
    assert_eq!(store.entry(3).unwrap(), Some(altered));
    assert_eq!((is_checkpoint(&entry).erased, is_checkpoint(&entry).entries), (1, 0));

    // What it says now can go as well
    let (last, _) = store.checkpoint(store.head(), moment(NOON), &removal(vec![gone(1, &[1, 3])])).unwrap();
    assert_eq!(entries(store, 0), [before[1].clone(), entry, last]);
}

pub fn only_agreements_that_ended_go_and_only_with_replies_that_cannot_be_read_again(store: &mut dyn Store) {
    let all = [agreement("A", "", 100), agreement("B", "", 200), agreement("C", "", 300)];
    let known = ["2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"];
    let (one, _) = apply(store, &order(1, known[0]), "2026-02-01", &all);
    let (two, _) = apply(store, &order(2, known[1]), "2026-03-01", &[agreement("A", "", 150)]);
    apply(store, &order(3, known[2]), "2026-04-01", &[agreement("A", "", 150), agreement("C", "", 300)]);
    let place = (route("0751"), moment("2026-12-01T00:00:00Z"));
    let ended = |store: &dyn Store| store.ended_before(&place.0, place.1).unwrap();
    let file_of = |number, entry: &Entry| StoryToGo { remnant: None, applied: Some(entry.seq), ..gone(number, &[]) };
    assert_eq!(ended(store), 0, "every reply can be read again");

    store.checkpoint(store.head(), moment(NOON), &removal(vec![file_of(1, &one)])).unwrap();
    assert_eq!(ended(store), 0, "the reply that ended them can be read again");
    store.checkpoint(store.head(), moment(NOON), &removal(vec![file_of(2, &two)])).unwrap();
    assert_eq!(ended(store), 1, "B; what is back has not ended");
    assert_eq!(store.ended_before(&place.0, moment(known[1])).unwrap(), 0, "not before that moment");

    let order_of = Removal { ended: vec![place.clone()], ..removal(vec![]) };
    let (entry, left) = store.checkpoint(store.head(), moment(NOON), &order_of).unwrap();

    assert_eq!((is_checkpoint(&entry).agreements, is_checkpoint(&entry).rows), (1, 2));
    assert!(left.remains.iter().any(|(_, left)| matches!(left, Remains::Register { agreements: 1, rows: 2, .. })));
    let replies = left.remains.iter().filter(|(_, left)| matches!(left, Remains::Reply { .. }));
    assert_eq!(replies.count(), 2, "the rows of both replies are others now");
    assert_eq!(ended(store), 0);
    assert_eq!(answers(store, &Question::default()), "A150 C300");
    let then = Question { known_at: Some(moment(known[0])), ..Question::default() };
    assert_eq!(answers(store, &then), "A100 C300", "why nobody may ask for that any more");
    assert_eq!(changes(store, two.seq), ["Changed A100 A150", "Ended C300 -"]);

    // What comes back is new
    let (_, summary) = apply(
        store,
        &order(4, "2027-01-01T00:00:00Z"),
        "2027-01-01",
        &[agreement("A", "", 150), agreement("B", "", 9)],
    );
    assert_eq!((summary.new, summary.resumed, summary.ended, summary.first_load), (1, 0, 1, false));
}

pub fn a_checkpoint_is_made_behind_the_expected_head_only(store: &mut dyn Store) {
    let old = store.head();
    store.append(old, moment(NOON), &bodies()).unwrap();

    let late = store.checkpoint(old, moment(NOON), &removal(vec![gone(1, &[1])]));
    assert!(matches!(late, Err(StoreTrouble::Moved { expected: 0, found: 3 })), "{late:?}");
    let strange = store.checkpoint(store.head(), moment(NOON), &removal(vec![gone(1, &[9])]));
    assert!(strange.is_err(), "there is no such entry");

    assert_eq!((entries(store, 0).len(), store.head().seq, store.to_unlink(9).unwrap().len()), (3, 3, 0));
}

pub fn files_wait_until_they_are_known_to_be_gone(store: &mut dyn Store) {
    store.append(store.head(), moment(NOON), &bodies()).unwrap();
    store.checkpoint(store.head(), moment(NOON), &removal(vec![gone(1, &[1]), gone(2, &[3])])).unwrap();

    let waiting = store.to_unlink(9).unwrap();
    assert_eq!(waiting, ["archive/2/query", "archive/2/", "archive/1/query", "archive/1/"], "folders last");
    assert_eq!(store.to_unlink(2).unwrap(), waiting[..2]);
    store.unlinked(&waiting[..2]).unwrap();
    assert_eq!(store.to_unlink(9).unwrap(), waiting[2..]);
    store.unlinked(&waiting).unwrap();
    assert_eq!(store.to_unlink(9).unwrap(), [""; 0]);
}
