//! What may go and when, as tables; and that what went is still recognised.

use std::collections::BTreeSet;

use super::*;
use crate::domain::envelope::ReceiptOutcome;
use crate::domain::exchange::fact::*;
use crate::domain::exchange::{Book, Fact};
use crate::domain::identity::*;
use crate::domain::moment::PaymentMonth;

fn moment(text: &str) -> Moment {
    text.parse().unwrap()
}

fn route() -> Route {
    Route { exchange: "sf2530".parse().unwrap(), municipality: "0751".parse().unwrap() }
}

fn id(number: u128) -> FileId {
    FileId::new(uuid::Uuid::from_u128(0xfade_0000_0000_4000_8000_0000_0000_0000 + number))
}

fn transfer() -> TransferId {
    TransferId::new(uuid::Uuid::from_u128(7))
}

fn accepted() -> Accepted {
    Accepted {
        route: route(),
        original_name: "of a person.txt".into(),
        spool_name: "spooled".into(),
        original: OriginalStamp { device: 1, inode: 2, size: 360, modified_micros: 3 },
        remote_name: "BETADM_FORESP_0751_20261201_0042.txt".parse().unwrap(),
        size: 360,
        hash: ContentHash::of(b"query"),
        delivery: DeliveryNumber(42),
        payment_date: "2026-12-30".parse().unwrap(),
        payment_month: PaymentMonth { year: 2026, month: 12 },
        retry_of: None,
    }
}

fn arrival(hash: ContentHash) -> Arrival {
    Arrival {
        route: route(),
        transfer: transfer(),
        name: "BETADM_SVAR_0751_20261201_0042.txt".parse().unwrap(),
        size: 900,
        hash,
        delivery: Some(DeliveryNumber(42)),
        belongs: Belongs::Delivery,
    }
}

/// The facts of a whole round.
fn round() -> Vec<Fact> {
    let decision = Decision { who: "uid 1".into(), reason: "why".into() };
    vec![
        Fact::Accepted(accepted()),
        Fact::DataUploaded,
        Fact::RenameUnavailable { why: "x".into() },
        Fact::TriggerIntended { way: TriggerWay::Write },
        Fact::TriggerMade,
        Fact::ReceiptRead {
            transfer: transfer(),
            name: "BETADM_FORESP_0751_20261201_0042.txt.sftpreceipt".parse().unwrap(),
            hash: ContentHash::of(b"receipt"),
            outcome: ReceiptOutcome::Success,
        },
        Fact::ReplyFetched(arrival(ContentHash::of(b"reply"))),
        Fact::ReplyHeld { reasons: vec![], register_head: 0, summary: None },
        Fact::Approved { decision, seen: Seen { reply: Some(ContentHash::of(b"reply")), register_head: 0 } },
        Fact::Applied {
            summary: Default::default(),
            delivery: Some(DeliveryNumber(42)),
            as_of: "2026-12-01".parse().unwrap(),
        },
        Fact::HandOverStaged { reply: "r".into(), changes: "c".into(), folder: 1 },
        Fact::HandOverIntended,
        Fact::HandedOver,
        Fact::Tidied { left: vec![] },
    ]
}

/// A book with one story that was over at that moment.
fn book(facts: &[Fact], over: Moment) -> Book {
    let mut book = Book::default();
    for (seq, fact) in (1..).zip(facts) {
        assert!(book.weigh(id(1), over, fact).is_ok(), "{fact:?}");
        book.take_in(seq, id(1), over, fact);
    }
    book
}

const KEY: [u8; 32] = [7; 32];

#[test]
fn a_story_goes_when_it_is_over_and_old_enough_and_not_before() {
    let years = |years| Some(Period { years, ..Period::default() });
    let both = Periods { archive: years(1), journal: years(5), register: None };
    let over = moment("2026-12-01T04:15:00");
    let (round, open) = (round(), round()[..7].to_vec());
    let old = Around::default();
    let until = |text| Err(Keeps::Until(moment(text)));
    for (what, facts, around, periods, now, expected) in [
        ("young", &round, old, both, "2027-12-01T04:14:59", until("2027-12-01T04:15:00")),
        ("of age", &round, old, both, "2027-12-01T04:15:00", Ok(Goes::Files)),
        ("older", &round, old, both, "2031-12-01T04:15:00", Ok(Goes::Story)),
        ("open", &open, old, both, "2099-01-01", Err(Keeps::Open)),
        ("by law", &round, Around { is_held: true, ..old }, both, "2099-01-01", Err(Keeps::LegalHold)),
        ("not understood", &round, Around { is_broken: true, ..old }, both, "2099-01-01", Err(Keeps::Broken)),
        ("the last", &round, Around { is_last_applied: true, ..old }, both, "2099-01-01", Ok(Goes::Files)),
        ("for ever", &round, old, Periods::default(), "2099-01-01", Err(Keeps::ForEver)),
        (
            "the files alone",
            &round,
            old,
            Periods { archive: years(1), ..Periods::default() },
            "2099-01-01",
            Ok(Goes::Files),
        ),
    ] {
        let book = book(facts, over);
        assert_eq!(due(book.get(id(1)).unwrap(), around, &periods, moment(now)), expected, "{what}");
    }

    // Whose files are gone waits for the rest
    let mut book = book(&round, over);
    book.use_key(HashKey::new(KEY));
    book.note_erased(id(1), moment("2028-01-01"));
    let exchange = book.get(id(1)).unwrap();
    assert_eq!(due(exchange, old, &both, moment("2028-01-01")), until("2031-12-01T04:15:00"));
    assert_eq!(book.around(exchange), Around { is_last_applied: true, has_entries: true, ..old });
    assert_eq!(due(exchange, book.around(exchange), &both, moment("2099-01-01")), Err(Keeps::Register));
}

#[test]
fn a_period_is_counted_on_the_calendar_of_danish_days() {
    let period = |years, months, days| Period { years, months, days };
    for (period, end, after) in [
        (period(1, 0, 0), "2028-02-29T12:00:00", "2029-02-28T12:00:00"),
        (period(0, 1, 0), "2026-01-31T00:00:00", "2026-02-28T00:00:00"),
        // The clock goes forward in between, and back.
        (period(0, 0, 1), "2026-03-28T12:00:00", "2026-03-29T12:00:00"),
        (period(0, 6, 0), "2026-09-24T12:00:00", "2027-03-24T12:00:00"),
        (period(0, 0, 0), "2026-01-31T00:00:00", "2026-01-31T00:00:00"),
    ] {
        assert_eq!(period.after(moment(end)), moment(after), "{period}");
    }
    assert_eq!(period(0, 18, 3).to_string(), "18mo 3d");
    assert!(period(0, 12, 0).is_at_least(period(1, 0, 0)) && period(1, 0, 0).is_at_least(period(0, 12, 0)));
    assert!(period(5, 0, 0).is_at_least(period(0, 18, 0)) && !period(0, 1, 0).is_at_least(period(0, 0, 30)));
}

#[test]
fn every_name_id_receipt_and_reply_of_a_removed_story_is_still_recognised() {
    // Given a story of which only the remnant is left, as a later start finds it
    let over = moment("2026-12-01T04:15:00");
    let known = book(&round(), over);
    let key = HashKey::new(KEY);
    let applied =
        AppliedLeft { seq: 10, at: over, delivery: Some(DeliveryNumber(42)), as_of: "2026-12-01".parse().unwrap() };
    let remnant = Remnant::of(known.get(id(1)).unwrap(), Some(applied), &key).unwrap();
    let text = serde_json::to_string(&remnant).unwrap();
    for secret in ["of a person", "spooled", &ContentHash::of(b"reply").to_string(), &ContentHash::of(b"query").short()]
    {
        assert!(!text.contains(secret), "{secret} is left in {text}");
    }
    let mut book = Book::default();
    book.use_key(key);
    book.remember(&serde_json::from_str(&text).unwrap(), moment("2032-01-01"));

    // Then it answers as the whole story would
    let query = accepted();
    assert!(book.is_used(&query.remote_name) && book.knows(id(1)));
    assert_eq!(book.next_delivery(&route()), DeliveryNumber(43));
    assert_eq!(book.second_to(&route(), query.payment_date, query.payment_month).map(|e| e.id), Some(id(1)));
    assert_eq!(book.with_delivery(&route(), query.delivery).map(|e| e.id), Some(id(1)));
    let belongs = |hash| book.belongs(&route(), transfer(), hash, Some(DeliveryNumber(42))).1;
    assert_eq!(belongs(ContentHash::of(b"reply")), Belongs::Second { to: id(1) });
    assert_eq!(belongs(ContentHash::of(b"other")), Belongs::ReusedTransfer { of: id(1) });
    let receipt = "BETADM_FORESP_0751_20261201_0042.txt.sftpreceipt".parse().unwrap();
    let read = book.read_receipt(&receipt).unwrap();
    assert!(read.receipts.iter().any(|read| book.is_same(read.hash, ContentHash::of(b"receipt"))));
    assert!(book.fetched(&arrival(ContentHash::of(b"reply")).name).iter().all(|(_, is_over)| *is_over));
    assert_eq!(book.register(&route()).map(|mark| (mark.head, mark.delivery)), Some((10, applied.delivery)));
    assert_eq!((book.open().count(), book.due().count()), (0, 0));
    assert!(!book.get(id(1)).unwrap().can_be_retried());
}

#[test]
fn a_story_whose_files_are_gone_is_the_same_from_its_sealed_facts() {
    let (over, erased) = (moment("2026-12-01T04:15:00"), moment("2028-01-01"));
    let key = HashKey::new(KEY);
    let mut live = book(&round(), over);
    live.use_key(key);
    live.note_erased(id(1), erased);

    let none = BTreeSet::new();
    let facts: Vec<_> = round().iter().map(|fact| sealed(fact, &key, &none).unwrap_or_else(|| fact.clone())).collect();
    let mut read = book(&facts, over);
    read.use_key(key);
    read.take_erased(id(1), Erased { files_at: erased, story_at: None, replies: 1, receipts: 1 });

    assert_eq!(live.get(id(1)), read.get(id(1)));
    let reply = ContentHash::of(b"reply");
    for book in [live, read] {
        assert_eq!(book.belongs(&route(), transfer(), reply, None).1, Belongs::Unasked);
        assert!(book.is_same(book.get(id(1)).unwrap().arrivals[0].hash, reply));
    }
}

/// A query that the hub rejected, and what came of it later: it had it all the same, and answered.
fn rejected_and_then_answered() -> (Vec<Fact>, Vec<Fact>) {
    let receipt = |of: &[u8], outcome| Fact::ReceiptRead {
        transfer: transfer(),
        name: "BETADM_FORESP_0751_20261201_0042.txt.sftpreceipt".parse().unwrap(),
        hash: ContentHash::of(of),
        outcome,
    };
    let mut before = round();
    let made = before.iter().position(|fact| matches!(fact, Fact::TriggerMade)).unwrap();
    let answer = before.iter().position(|fact| matches!(fact, Fact::ReplyFetched(_))).unwrap();
    let answered = before.split_off(answer);
    before.truncate(made + 1);
    before.extend([receipt(b"failure", ReceiptOutcome::Failure { errors: vec![] }), Fact::Tidied { left: vec![] }]);
    let declined = Decision { who: "uid 0".into(), reason: "UDK has it".into() };
    let back = [receipt(b"success", ReceiptOutcome::Success), Fact::Declined { decision: declined }];
    (before, back.into_iter().chain(answered).collect())
}

#[test]
fn what_comes_for_a_story_after_its_files_were_erased_goes_in_its_time_and_is_the_same_after_a_start() {
    // Given a rejected query whose files were erased, and that came back to life
    let (over, erased, again) = (moment("2026-12-01"), moment("2028-01-01"), moment("2028-03-01"));
    let (key, years) = (HashKey::new(KEY), |years| Some(Period { years, ..Period::default() }));
    let both = Periods { archive: years(1), journal: years(5), register: None };
    let (before, after) = rejected_and_then_answered();
    let mut live = book(&before, over);
    live.use_key(key);
    live.note_erased(id(1), erased);
    let dues = |book: &Book, now| {
        let exchange = book.get(id(1)).unwrap();
        due(exchange, book.around(exchange), &both, moment(now))
    };
    for (seq, fact) in (20..).zip(&after) {
        assert!(live.weigh(id(1), again, fact).is_ok(), "{fact:?}");
        live.take_in(seq, id(1), again, fact);
    }

    // Then its new files go when they are old enough
    assert_eq!(dues(&live, "2028-03-02"), Err(Keeps::Until(moment("2029-03-01"))));
    assert_eq!(dues(&live, "2029-03-01"), Ok(Goes::Files));
    let exchange = live.get(id(1)).unwrap();
    assert_eq!((exchange.replies_kept().len(), exchange.receipts_kept().len()), (1, 1));

    // And what was sealed before is not sealed again
    let already = exchange.sealed_hashes();
    let none = BTreeSet::new();
    let seal = |fact: &Fact, already: &BTreeSet<_>| sealed(fact, &key, already).unwrap_or_else(|| fact.clone());
    let first: Vec<Fact> = before.iter().map(|fact| seal(fact, &none)).collect();
    assert!(first.iter().all(|fact| sealed(fact, &key, &already).is_none()));
    let second = after.iter().map(|fact| seal(fact, &already));
    live.note_erased(id(1), moment("2029-03-01"));
    let mut read = book(&first, over);
    read.use_key(key);
    for (seq, fact) in (20..).zip(second) {
        read.take_in(seq, id(1), again, &fact);
    }
    read.take_erased(id(1), Erased { files_at: moment("2029-03-01"), story_at: None, replies: 1, receipts: 2 });
    assert_eq!(live.get(id(1)), read.get(id(1)));
    assert_eq!(dues(&live, "2029-03-01"), Err(Keeps::Until(moment("2033-03-01"))));
}

#[test]
fn what_comes_for_a_story_that_was_removed_is_removed_too() {
    // Given a story of which only the remnant is left, and a receipt that comes for it all the same
    let over = moment("2026-12-01");
    let (known, key) = (book(&round(), over), HashKey::new(KEY));
    let remnant = Remnant::of(known.get(id(1)).unwrap(), None, &key).unwrap();
    let mut book = Book::default();
    book.use_key(key);
    book.remember(&remnant, moment("2032-01-01"));
    let years = |years| Some(Period { years, ..Period::default() });
    let both = Periods { archive: years(1), journal: years(5), register: None };
    let dues = |book: &Book| {
        let exchange = book.get(id(1)).unwrap();
        due(exchange, book.around(exchange), &both, moment("2032-01-02"))
    };
    assert_eq!(dues(&book), Err(Keeps::Gone));
    let receipt = Fact::ReceiptRead {
        transfer: transfer(),
        name: "BETADM_FORESP_0751_20261201_0042.txt.sftpreceipt".parse().unwrap(),
        hash: ContentHash::of(b"another receipt"),
        outcome: ReceiptOutcome::Success,
    };
    book.take_in(30, id(1), moment("2032-01-02"), &receipt);

    // Then that goes, and is left like the rest
    assert_eq!(dues(&book), Ok(Goes::Story));
    let remnant = Remnant::of(book.get(id(1)).unwrap(), None, &key).unwrap();
    let plain = [b"receipt".as_slice(), b"another receipt"].map(ContentHash::of);
    assert_eq!(remnant.receipts.iter().map(|read| read.hash).collect::<Vec<_>>(), plain.map(|hash| key.seal(hash)));
    book.remember(&remnant, moment("2032-01-02"));
    assert_eq!(dues(&book), Err(Keeps::Gone));
}

#[test]
fn a_hold_covers_what_it_names() {
    let scope = |exchange: Option<&str>, code: Option<&str>| Scope {
        exchange: exchange.map(|name| name.parse().unwrap()),
        municipality: code.map(|code| code.parse().unwrap()),
    };
    for (scope, covers) in [
        (scope(None, None), true),
        (scope(Some("sf2530"), None), true),
        (scope(None, Some("0751")), true),
        (scope(Some("sf2530"), Some("0101")), false),
        (scope(Some("other"), None), false),
    ] {
        assert_eq!(scope.covers(&route()), covers, "{scope}");
    }
}

#[test]
fn it_is_looked_once_a_night_and_where_there_is_no_night_all_the_same() {
    for (last, now, is_time) in [
        ("2026-12-01T14:00:00", "2026-12-01T20:00:00", false),
        ("2026-12-01T14:00:00", "2026-12-02T00:59:00", false),
        ("2026-12-01T14:00:00", "2026-12-02T01:00:00", true),
        ("2026-12-02T01:00:00", "2026-12-02T01:30:00", false),
        ("2026-12-02T01:00:00", "2026-12-03T02:30:00", true),
        ("2026-12-02T12:00:00", "2026-12-03T12:00:00", false),
        ("2026-12-02T12:00:00", "2026-12-04T00:00:00", true),
        // The clock was set back.
        ("2026-12-05T12:00:00", "2026-12-02T02:00:00", false),
    ] {
        assert_eq!(super::is_time(moment(now), moment(last)), is_time, "{last} {now}");
    }
}
