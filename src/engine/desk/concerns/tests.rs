//! What is found in which house, all of it invented; when it is found is in the tests of the loop.

use jiff::civil::date;

use super::*;
use crate::domain::exchange::Fact;
use crate::domain::exchange::fact::{self, TriggerWay, UnfitQuery};
use crate::domain::exchange::hold::HoldReason;
use crate::domain::exchange::unread::Marks;
use crate::domain::identity::ContentHash;
use crate::engine::recover::tests::{Ground, id, rejected};

/// When every story here was last heard of.
const THEN: &str = "2026-12-03T11:59:00Z";

fn at(text: &str) -> Moment {
    text.parse().unwrap()
}

fn book(facts: impl IntoIterator<Item = Fact>) -> Book {
    let mut book = Book::default();
    for (seq, fact) in facts.into_iter().enumerate() {
        book.take_in(seq as u64 + 1, id(1), at(THEN), &fact);
        assert_eq!(book.broken(id(1)), None);
    }
    book
}

/// The story of a query, up to and with the fact of this name.
fn until(name: &str) -> Vec<Fact> {
    let facts = rejected(1);
    let end = facts.iter().position(|fact| fact.name() == name).unwrap();
    facts.into_iter().take(end + 1).collect()
}

/// What is found at a moment where nothing was looked at before.
fn found(ground: &Ground, book: &Book, seen: &Seen, now: &str) -> Vec<Concern> {
    let mut times = Times::at(at(now), Instant::now());
    times.look(at(now), Instant::now());
    ground.office.concerns(book, seen, &mut times)
}

/// The one thing that is found a minute later: its kind and severity, what it says, and its command.
fn one(book: &Book, seen: &Seen) -> (String, String, String) {
    let found = found(&Ground::new(), book, seen, "2026-12-03T12:00:00Z");
    assert_eq!(found.len(), 1, "{found:?}");
    let concern = &found[0];
    (format!("{} {}", concern.severity.name(), concern.kind.name()), concern.what.clone(), concern.command.clone())
}

fn assert_one(book: &Book, seen: &Seen, expected: (&str, &str, &str)) {
    let (kind, what, command) = one(book, seen);
    assert_eq!((kind.as_str(), command.as_str()), (expected.0, expected.2), "{what}");
    assert!(what.contains(expected.1), "{what}");
}

#[test]
fn a_house_where_all_is_well_has_no_concerns() {
    let ground = Ground::new();

    assert_eq!(found(&ground, &Book::default(), &Seen::default(), "2026-12-03T12:00:00Z"), []);
    assert_eq!(found(&ground, &book(until("trigger_made")), &Seen::default(), "2026-12-03T12:00:00Z"), []);
}

#[test]
fn what_waits_for_a_person_or_came_to_nothing_is_an_alarm_that_names_the_next_command() {
    let nothing = Seen::default();
    let reasons = vec![HoldReason::ManyAttempts { attempts: 10 }];
    let held = until("data_uploaded").into_iter().chain([Fact::QueryHeld { reasons }]);
    assert_one(
        &book(held),
        &nothing,
        ("alarm held", "a query of 0751 Aarhus (exchange 00000001) is held: the trigger was", "held"),
    );

    assert_one(
        &book(rejected(1)),
        &nothing,
        ("alarm rejected", "the hub rejected the query of 0751 Aarhus", "explain 00000001"),
    );

    let unfit = Fact::Unfit(UnfitQuery {
        route: Route { exchange: "sf2530".parse().unwrap(), municipality: "0751".parse().unwrap() },
        original_name: "junk.txt".into(),
        spool_name: "spooled".into(),
        size: 4,
        hash: ContentHash::of(b"junk"),
        finding: "record 1, byte 1: no start record".into(),
    });
    assert_one(&book([unfit]), &nothing, ("alarm unfit", "no fit query: record 1, byte 1", "explain 00000001"));
}

#[test]
fn another_hold_of_the_same_exchange_is_another_concern() {
    let reasons = || vec![HoldReason::ManyAttempts { attempts: 10 }];
    let held = until("data_uploaded").into_iter().chain([Fact::QueryHeld { reasons: reasons() }]);
    let mut book = book(held);
    let of_book = |book: &Book| found(&Ground::new(), book, &Seen::default(), "2026-12-03T12:30:00Z").remove(0).id;
    let first = of_book(&book);
    assert_eq!(first, of_book(&book));

    let decision = fact::Decision { who: "uid 1000".into(), reason: "seen".into() };
    let approved = Fact::Approved { decision, seen: fact::Seen { reply: None, register_head: 0 } };
    for (seq, fact) in [(100, approved), (101, Fact::QueryHeld { reasons: reasons() })] {
        book.take_in(seq, id(1), at("2026-12-03T12:10:00Z"), &fact);
    }

    assert_eq!(book.broken(id(1)), None);
    assert_ne!(of_book(&book), first);
}

#[test]
fn a_doubt_that_no_receipt_settles_in_time_becomes_an_alarm() {
    let way = TriggerWay::Write;
    let doubted = [Fact::TriggerIntended { way }, Fact::Doubted { trouble: "connection lost".into() }];
    let why = Fact::RenameUnavailable { why: "not offered".into() };
    let book = book(until("data_uploaded").into_iter().chain([why]).chain(doubted));

    let severity = |now: &str| {
        let found = found(&Ground::new(), &book, &Seen::default(), now);
        let unknown = "whether the trigger of 0751 Aarhus (exchange 00000001) was made is unknown: connection lost";
        assert!(found.iter().all(|concern| concern.what == unknown && concern.command == "held"), "{found:?}");
        found.first().map(|concern| (concern.kind, concern.severity))
    };

    assert_eq!(severity("2026-12-03T12:22:00Z"), None);
    assert_eq!(severity("2026-12-03T12:23:00Z"), Some((ConcernKind::InDoubt, Severity::Warning)));
    assert_eq!(severity("2026-12-03T12:29:00Z"), Some((ConcernKind::InDoubt, Severity::Alarm)));
}

#[test]
fn a_story_that_cannot_be_followed_is_an_alarm_of_its_own() {
    let mut book = book(until("trigger_made"));
    book.mark_broken(id(1), "replied cannot follow done".into());
    book.not_understood(9, id(2), at(THEN), "no such fact", &Marks::default());

    let found = found(&Ground::new(), &book, &Seen::default(), "2026-12-03T12:00:00Z");

    let commands: Vec<_> = found.iter().map(|concern| (concern.kind.name(), concern.command.as_str())).collect();
    assert_eq!(commands, [("journal", "explain 00000001"), ("journal", "explain 00000002")]);
}

#[test]
fn what_the_daemon_has_seen_of_disks_folders_and_receivers_is_an_alarm() {
    let nobody = Book::default();
    let halt = |exchange: Option<&str>, what: &str| Halt {
        since: at(THEN),
        exchange: exchange.map(|name| name.parse().unwrap()),
        municipalities: None,
        what: what.to_owned(),
    };
    let halts = vec![halt(None, "nothing can be recorded: disk full"), halt(None, "another")];
    let seen = Seen { halts, ..Seen::default() };
    assert_one(&nobody, &seen, ("alarm disk", "nothing can be recorded: disk full", "status"));
    let seen = Seen { unreadable: vec![("/outbox/0751".into(), "permission denied".into())], ..Seen::default() };
    assert_one(&nobody, &seen, ("alarm folder", "/outbox/0751 cannot be read", "status"));
    let seen = Seen { anchor_trouble: Some("the anchor cannot be written: disk full".into()), ..Seen::default() };
    assert_one(&nobody, &seen, ("alarm anchor", "the anchor cannot be written", "status"));
    let seen = Seen { silent: vec![("webhook".into(), "it answered with HTTP status 503".into())], ..Seen::default() };
    assert_one(&nobody, &seen, ("alarm receiver", "by webhook: it answered with HTTP status 503", "alarm test"));
    let seen = Seen { stuck: vec![(id(1), "the far side refused: quota".into())], ..Seen::default() };
    assert_one(
        &book(until("accepted")),
        &seen,
        ("alarm stuck", "does not get on from accepted: the far side refused", "explain 00000001"),
    );
}

#[test]
fn a_file_that_cannot_be_taken_is_a_warning_when_it_has_lain_there_for_a_while_and_names_nobody() {
    let ground = Ground::new();
    let endpoint = |now: &str| SeenEndpoint {
        name: "serviceplatformen".parse().unwrap(),
        listed_at: at(now),
        trouble: None,
        said: None,
        untakable: vec![("BETADM_SVAR_0707614285.txt".into(), "its name does not fit".into())],
    };
    let (early, late, began) = ("2026-12-03T12:00:00Z", "2026-12-03T12:15:00Z", Instant::now());
    let mut times = Times::at(at(early), began);
    let mut look = |now: &str, after: u64| {
        times.look(at(now), began + Duration::from_secs(after));
        ground.office.concerns(
            &Book::default(),
            &Seen { endpoints: vec![endpoint(now)], ..Seen::default() },
            &mut times,
        )
    };

    assert_eq!(look(early, 0), []);
    assert_eq!(look("2026-12-03T12:14:00Z", 840), []);
    let found = look(late, 900);

    assert_eq!((found.len(), found[0].severity, found[0].kind), (1, Severity::Warning, ConcernKind::Untakable));
    assert!(found[0].what.contains("070761xxxx") && found[0].since == at(early), "{found:?}");
}

#[test]
fn only_a_query_that_was_sent_is_one_for_the_payment_and_the_alarm_ends_with_the_payment_date() {
    let mut ground = Ground::new();
    let calendar = ground.office.settings.calendar.as_mut().unwrap();
    // The payment date of the story here is a Wednesday
    calendar.payments = crate::domain::calendar::payments::Payments::Dates(vec![date(2027, 1, 27), date(2027, 2, 26)]);
    let kinds = |book: &Book, now: &str| {
        let found = found(&ground, book, &Seen::default(), now);
        let told = |concern: &Concern| format!("{} {}", concern.severity.name(), concern.kind.name());
        found.iter().filter(|concern| concern.kind == ConcernKind::Query).map(told).collect::<Vec<_>>()
    };
    let (none, waits, sent) = (Book::default(), book(until("data_uploaded")), book(until("trigger_made")));

    // From Wednesday 20 January 08:00 to Monday 25 January 12:00, 124 hours
    assert_eq!(kinds(&none, "2027-01-24T11:11:00"), [""; 0]);
    assert_eq!(kinds(&none, "2027-01-24T11:12:00"), ["warning query"]);
    assert_eq!(kinds(&waits, "2027-01-25T11:59:59"), ["warning query"]);
    for book in [&none, &waits] {
        assert_eq!(kinds(book, "2027-01-25T12:00:00"), ["alarm query"]);
        assert_eq!(kinds(book, "2027-01-27T23:59:59"), ["alarm query"]);
        assert_eq!(kinds(book, "2027-01-28T00:00:00"), [""; 0]);
    }
    assert_eq!(kinds(&sent, "2027-01-25T12:00:00"), [""; 0]);
    let missing = found(&ground, &waits, &Seen::default(), "2027-01-25T12:00:00");
    let what =
        "the query of 0751 Aarhus (exchange 00000001) for payment date 2027-01-27 is uploaded and not sent, it was due";
    let told = missing.iter().find(|concern| concern.kind == ConcernKind::Query).unwrap();
    assert!(told.what.starts_with(what) && told.command == "explain 00000001", "{told:?}");
}

#[test]
fn payment_dates_that_come_to_their_end_are_told_two_weeks_before() {
    let mut ground = Ground::new();
    let calendar = ground.office.settings.calendar.as_mut().unwrap();
    calendar.payments = crate::domain::calendar::payments::Payments::Dates(vec![date(2026, 12, 30)]);
    let ends = |now: &str| {
        let found = found(&ground, &Book::default(), &Seen::default(), now);
        found.iter().any(|concern| concern.kind == ConcernKind::Calendar && concern.severity == Severity::Warning)
    };

    assert!(!ends("2026-12-16T12:00:00"));
    assert!(ends("2026-12-17T12:00:00"));
    assert!(ends("2027-03-01T12:00:00"));
}
