//! Every reason for which the gate is shut, as a table; and that it is never open where a plain reading of the facts says
//! that something is missing.

use proptest::prelude::*;

use super::*;
use crate::domain::change::ChangeSummary;
use crate::domain::envelope::{ReceiptError, ReceiptOutcome};
use crate::domain::exchange::fact::{Accepted, Arrival, Belongs, Decision, Fact, OriginalStamp, Seen, TriggerWay};
use crate::domain::exchange::hold::HoldReason;
use crate::domain::exchange::unread::Marks;
use crate::domain::identity::{ContentHash, RemoteName, TransferId};
use crate::domain::moment::{Moment, PaymentMonth};

const DATE: Date = Date::constant(2026, 12, 30);
const BEFORE: Date = Date::constant(2026, 11, 30);

/// All that happens here happens at one moment: only the journal's order can tell what is newer.
fn at() -> Moment {
    Moment::from_micros(1_790_000_000_000_000)
}

fn id(number: u128) -> FileId {
    FileId::new(uuid::Uuid::from_u128(0xfade_0000_0000_4000_8000_0000_0000_0000 + number))
}

fn route() -> Route {
    Route { exchange: "sf2530".parse().unwrap(), municipality: "0751".parse().unwrap() }
}

fn name(text: String) -> RemoteName {
    text.parse().unwrap()
}

fn decision() -> Decision {
    Decision { who: "uid 1000".into(), reason: "agreed by telephone".into() }
}

/// The query of story `number`, with that number as its delivery number.
fn accepted(number: u128, payment_date: Date) -> Fact {
    Fact::Accepted(Accepted {
        route: route(),
        original_name: format!("query{number}.txt"),
        spool_name: format!("spooled{number}"),
        original: OriginalStamp { device: 1, inode: 2, size: 360, modified_micros: 3 },
        remote_name: name(format!("query{number}.txt")),
        size: 360,
        hash: ContentHash::of(b"query"),
        delivery: DeliveryNumber(number as u32),
        payment_date,
        payment_month: PaymentMonth::of(payment_date),
        retry_of: None,
    })
}

fn fetched(number: u128, delivery: Option<u32>, belongs: Belongs) -> Fact {
    Fact::ReplyFetched(Arrival {
        route: route(),
        transfer: TransferId::new(uuid::Uuid::from_u128(number)),
        name: name(format!("reply{number}.txt")),
        size: 480,
        hash: ContentHash::of(&number.to_be_bytes()),
        delivery: delivery.map(DeliveryNumber),
        belongs,
    })
}

fn echo(number: u128) -> Fact {
    fetched(number, Some(number as u32), Belongs::Delivery)
}

fn receipt(outcome: ReceiptOutcome) -> Fact {
    Fact::ReceiptRead {
        transfer: TransferId::new(uuid::Uuid::from_u128(77)),
        name: name("query.txt.sftpreceipt".into()),
        hash: ContentHash::of(b"receipt"),
        outcome,
    }
}

fn failure() -> Fact {
    let error = ReceiptError { code: Some(21), title: "Recipient".into(), text: "unknown".into() };
    receipt(ReceiptOutcome::Failure { errors: vec![error] })
}

fn part() -> RemoteName {
    name("1.part".into())
}

fn intended() -> Fact {
    Fact::TriggerIntended { way: TriggerWay::Rename { part: part() } }
}

fn sent(number: u128, payment_date: Date) -> Vec<Fact> {
    let staged = Fact::TriggerStaged { part: part() };
    vec![accepted(number, payment_date), Fact::DataUploaded, staged, intended(), Fact::TriggerMade]
}

fn held(reason: HoldReason) -> Fact {
    Fact::ReplyHeld { reasons: vec![reason], register_head: 0, summary: None }
}

fn ends_all() -> HoldReason {
    HoldReason::EndsAll { of: 3 }
}

fn approved(number: u128) -> Fact {
    let seen = Seen { reply: Some(ContentHash::of(&number.to_be_bytes())), register_head: 0 };
    Fact::Approved { decision: decision(), seen }
}

fn applied(number: u128) -> Fact {
    let delivery = Some(DeliveryNumber(number as u32));
    Fact::Applied { summary: ChangeSummary::default(), delivery, as_of: Date::constant(2026, 12, 1) }
}

fn staged_here() -> Fact {
    Fact::HandOverStaged { reply: "reply.txt".into(), changes: "changes.csv".into(), folder: 7 }
}

fn handed_over() -> Vec<Fact> {
    vec![staged_here(), Fact::HandOverIntended, Fact::HandedOver]
}

/// From its query to the inbox.
fn whole(number: u128, payment_date: Date) -> Vec<Fact> {
    [sent(number, payment_date), vec![echo(number), applied(number)], handed_over()].concat()
}

/// Facts in the journal's order, each with its story.
type Journal = Vec<(u128, Fact)>;

fn of(number: u128, facts: Vec<Fact>) -> Journal {
    facts.into_iter().map(|fact| (number, fact)).collect()
}

/// The book of stories whose facts come in this order.
fn book(journal: &[Journal]) -> Book {
    let mut book = Book::default();
    for (seq, (number, fact)) in journal.concat().into_iter().enumerate() {
        book.take_in(seq as u64 + 1, id(number), at(), &fact);
    }
    book
}

/// Why it is shut, or that it is open.
fn judged(book: &Book) -> String {
    judge(book, &route(), DATE).map_or("open".to_owned(), |shut| shut.to_string())
}

#[test]
fn every_reason_keeps_the_gate_shut_and_nothing_else_does() {
    let unasked = |number| fetched(number, Some(900), Belongs::Unasked);
    let late = |facts: Vec<Fact>| vec![of(1, whole(1, DATE)), of(2, facts)];
    let instead = |facts: Vec<Fact>| vec![of(1, [sent(1, DATE), facts].concat())];
    let declined = || Fact::Declined { decision: decision() };
    let refused = || vec![accepted(2, DATE), Fact::QueryHeld { reasons: vec![ends_all()] }, declined(), Fact::SetAside];
    let rejected = || [sent(2, DATE), vec![failure(), Fact::Tidied { left: vec![] }]].concat();
    let by_order = |reply: Fact| instead([vec![reply, applied(1)], handed_over()].concat());
    let name_taken = || held(HoldReason::InboxNameTaken { name: "reply.txt".into() });
    let second_held =
        || Fact::QueryHeld { reasons: vec![HoldReason::SecondQuery { other: id(1), payment_date: DATE }] };
    let done = || vec![Fact::CommandRan { exit: None }, Fact::Tidied { left: vec![] }];
    #[rustfmt::skip]
    let table: Vec<(&str, Vec<Journal>, &str)> = vec![
        ("as it should be", vec![of(1, whole(1, DATE))], "open"),
        ("the same, tidied", vec![of(1, [whole(1, DATE), done()].concat())], "open"),
        ("a month before, done too", vec![of(2, whole(2, BEFORE)), of(1, whole(1, DATE))], "open"),
        ("a month later, done too", vec![of(1, whole(1, DATE)), of(2, whole(2, BEFORE))], "open"),
        ("one before it refused", vec![of(2, refused()), of(1, whole(1, DATE))], "open"),
        ("one before it rejected", vec![of(2, rejected()), of(1, whole(1, DATE))], "open"),
        ("one behind it rejected", vec![of(1, whole(1, DATE)), of(2, rejected())], "open"),
        ("an old reply held since before", vec![of(2, vec![unasked(2), held(ends_all())]), of(1, whole(1, DATE))], "open"),
        ("a newer reply refused", late(vec![unasked(2), held(ends_all()), declined()]), "open"),
        ("a newer one applied and handed over", late([vec![unasked(2), applied(2)], handed_over()].concat()), "open"),
        ("a reply refused, then the right one", instead([vec![echo(9), held(ends_all()), declined(), echo(1), applied(1)], handed_over()].concat()), "open"),

        ("nothing", vec![], "no query for this payment date was taken"),
        ("another month only", vec![of(1, whole(1, BEFORE))], "no query for this payment date was taken"),
        ("refused", vec![of(2, refused())], "the query for this payment date is refused"),
        ("rejected", vec![of(2, rejected())], "the query for this payment date is rejected"),
        ("two", vec![of(1, whole(1, DATE)), of(2, sent(2, DATE))], "2 queries for this payment date count"),
        ("a second one held", vec![of(1, whole(1, DATE)), of(2, vec![accepted(2, DATE), second_held()])], "is held, and was not sent"),
        ("two, both answered", vec![of(1, whole(1, DATE)), of(2, whole(2, DATE))], "2 queries for this payment date count"),
        ("just taken", vec![of(1, vec![accepted(1, DATE)])], "the query is accepted; next: the data is uploaded"),
        ("sent", instead(vec![]), "the query is submitted; next: the hub's receipt comes"),
        ("received", instead(vec![receipt(ReceiptOutcome::Success)]), "the query is receipted; next: the reply comes"),
        ("in doubt", vec![of(1, [sent(1, DATE)[..4].to_vec(), vec![Fact::Doubted { trouble: "cut".into() }]].concat())], "the query is in doubt"),
        ("given up", instead(vec![declined()]), "the wait for the reply was given up"),
        ("fetched", instead(vec![echo(1)]), "the query is replied"),
        ("held", instead(vec![echo(1), held(ends_all())]), "the query is held; next: a person approves or refuses the reply"),
        ("applied", instead(vec![echo(1), applied(1)]), "the query is applied"),
        ("half handed over", instead(vec![echo(1), applied(1), staged_here(), Fact::HandOverIntended]), "the query is applied"),
        ("hand-over held", instead(vec![echo(1), applied(1), name_taken()]), "the query is held"),
        ("hand-over given up", instead(vec![echo(1), applied(1), name_taken(), declined()]), "its hand-over was given up"),
        ("no number echoed", by_order(fetched(1, None, Belongs::Order)), "number 1 (it has none)"),
        ("another number echoed", by_order(fetched(1, Some(8), Belongs::Order)), "number 1 (it has 8)"),
        ("a newer reply fetched", late(vec![unasked(2)]), "a newer reply has come and is replied"),
        ("a newer reply held", late(vec![unasked(2), held(ends_all())]), "a newer reply has come and is held"),
        ("a newer reply approved", late(vec![unasked(2), held(ends_all()), approved(2)]), "a newer reply has come and is replied"),
        ("a newer reply not handed over", late(vec![unasked(2), applied(2)]), "a newer reply has come and is applied"),
        ("an impossible fact", vec![of(1, [whole(1, DATE), vec![Fact::TriggerMade]].concat())], "cannot be followed"),
        ("a newer reply with an impossible fact", late(vec![unasked(2), Fact::TriggerMade]), "cannot be followed"),
    ];
    for (what, journal, expected) in table {
        let book = book(&journal);
        let judged = judged(&book);
        assert!(judged == expected || (expected != "open" && judged.contains(expected)), "{what}: {judged}");
    }
}

#[test]
fn a_story_that_is_not_understood_keeps_the_gate_shut_if_it_began_since_the_query() {
    let other = Route { municipality: "0101".parse().unwrap(), ..route() };
    let marked = |route: Option<Route>| Marks { route, ..Marks::default() };
    for (marks, expected) in [
        (marked(None), "cannot be followed"),
        (marked(Some(route())), "cannot be followed"),
        (marked(Some(other)), "open"),
    ] {
        let mut since = book(&[of(1, whole(1, DATE))]);
        since.not_understood(100, id(9), at(), "of another version", &marks);
        assert!(judged(&since).contains(expected), "{marks:?}: {}", judged(&since));

        // What was there before was weighed when the query was taken.
        let mut before = Book::default();
        before.not_understood(1, id(9), at(), "of another version", &marks);
        for (seq, fact) in whole(1, DATE).iter().enumerate() {
            before.take_in(seq as u64 + 2, id(1), at(), fact);
        }
        assert_eq!(judged(&before), "open", "{marks:?}");
    }
}

/// What may happen to a story, in any order that the state machine allows.
fn anything(number: u128, date: Date) -> Vec<Fact> {
    let ready = [sent(number, date), vec![echo(number), applied(number)], handed_over()].concat();
    let others = vec![
        fetched(number, Some(900), Belongs::Order),
        fetched(number + 50, Some(number as u32), Belongs::Unasked),
        receipt(ReceiptOutcome::Success),
        failure(),
        held(ends_all()),
        held(HoldReason::InboxReplaced),
        approved(number),
        Fact::Declined { decision: decision() },
        Fact::Withdrawn { decision: decision() },
        Fact::QueryHeld { reasons: vec![ends_all()] },
        Fact::StoreRestored,
        Fact::Doubted { trouble: "cut".into() },
        Fact::CommandRan { exit: Some(0) },
        Fact::Tidied { left: vec![] },
        Fact::SetAside,
    ];
    [ready.clone(), ready.clone(), ready, others].concat()
}

/// What a plain reading of the facts says, without the state machine: the last reply of the one story that asks for the
/// date echoes its number, was applied and then handed over, and nobody said otherwise since; and each later reply
/// of another story was handed over or turned down.
fn is_plainly_ready(journal: &[(u128, Fact)]) -> bool {
    let last = |number: u128, is_it: &dyn Fn(&Fact) -> bool| {
        journal.iter().rposition(|(of, fact)| *of == number && is_it(fact))
    };
    let is_fetched = |fact: &Fact| matches!(fact, Fact::ReplyFetched(_));
    let is_over = |fact: &Fact| matches!(fact, Fact::HandedOver | Fact::Declined { .. });
    let asks = |number: u128| last(number, &|fact| matches!(fact, Fact::Accepted(query) if query.payment_date == DATE));
    let is_ready = |number: u128| {
        let echoes = |fact: &Fact| matches!(fact, Fact::ReplyFetched(reply) if reply.delivery == Some(DeliveryNumber(number as u32)));
        let (fetched, echoed) = (last(number, &is_fetched), last(number, &echoes));
        let applied = last(number, &|fact| matches!(fact, Fact::Applied { .. }));
        let handed_over = last(number, &|fact| matches!(fact, Fact::HandedOver));
        let declined = last(number, &|fact| matches!(fact, Fact::Declined { .. }));
        let is_newer_waiting = (1..=3).filter(|other| *other != number).any(|other| {
            let came = last(other, &is_fetched);
            came > fetched && last(other, &is_over) < came
        });
        asks(number).is_some()
            && fetched.is_some()
            && fetched == echoed
            && fetched < applied
            && applied < handed_over
            && declined < handed_over
            && !is_newer_waiting
    };
    (1..=3).any(is_ready)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_gate_is_open_only_where_the_facts_plainly_say_so(
        wanted in prop::collection::vec((1_u128..=3, any::<prop::sample::Index>(), any::<bool>()), 0..220),
        is_unknown in any::<bool>(),
    ) {
        let (mut book, mut journal) = (Book::default(), Vec::new());
        for (number, which, is_in_order) in &wanted {
            let choices = anything(*number, if *number == 3 { BEFORE } else { DATE });
            // Mostly what brings a story on, so that some come to their end.
            let next = choices.iter().take(choices.len() / 3).find(|fact| book.weigh(id(*number), at(), fact).is_ok());
            let fact = match next {
                Some(next) if *is_in_order => next.clone(),
                _ => choices[which.index(choices.len())].clone(),
            };
            if book.weigh(id(*number), at(), &fact).is_ok() {
                journal.push((*number, fact.clone()));
                book.take_in(journal.len() as u64, id(*number), at(), &fact);
            }
        }
        let is_open = judge(&book, &route(), DATE).is_none();
        prop_assert!(!is_open || is_plainly_ready(&journal), "{:?}", journal);

        // And never where anything is unknown of the municipality.
        if is_unknown {
            book.not_understood(journal.len() as u64 + 1, id(9), at(), "of another version", &Marks::default());
            prop_assert!(judge(&book, &route(), DATE).is_some());
        }
    }
}
