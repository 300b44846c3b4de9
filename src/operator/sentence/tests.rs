//! Whole stories, folded as `explain` folds them: what is said of a fact is true of the exchange that it happened to. All
//! data is invented.

use super::*;
use crate::domain::exchange::fact::{OriginalStamp, UnfitQuery};
use crate::domain::identity::{ContentHash, DeliveryNumber, FileId, Route, TransferId};
use crate::domain::moment::Moment;

const SVAR: &str = "BETADM_SVAR_0751_20261201_0042.txt";

fn now() -> Moment {
    "2026-12-01T03:15:00Z".parse().unwrap()
}

fn id() -> FileId {
    "3f0f9a2e-5b1c-4d7e-8f90-a1b2c3d4e5f6".parse().unwrap()
}

fn route() -> Route {
    Route { exchange: "sf2530".parse().unwrap(), municipality: "0751".parse().unwrap() }
}

fn decision(reason: &str) -> Decision {
    Decision { who: "uid 1000".into(), reason: reason.into() }
}

fn declined(reason: &str) -> Fact {
    Fact::Declined { decision: decision(reason) }
}

fn withdrawn() -> Fact {
    Fact::Withdrawn { decision: decision("the wrong month") }
}

fn query() -> Fact {
    let payment_date = "2026-12-31".parse().unwrap();
    Fact::Accepted(Accepted {
        route: route(),
        original_name: "foresp.txt".into(),
        spool_name: "spooled".into(),
        original: OriginalStamp { device: 1, inode: 2, size: 252, modified_micros: 0 },
        remote_name: "BETADM_FORESP_0751_20261201_0042.txt".parse().unwrap(),
        size: 252,
        hash: ContentHash::of(b"query"),
        delivery: DeliveryNumber(42),
        payment_date,
        payment_month: PaymentMonth::of(payment_date),
        retry_of: None,
    })
}

fn unfit() -> Fact {
    Fact::Unfit(UnfitQuery {
        route: route(),
        original_name: "notes.txt".into(),
        spool_name: "spooled".into(),
        size: 1,
        hash: ContentHash::of(b"x"),
        finding: "record 1, byte 1: no start record".into(),
    })
}

/// Up to the visible trigger.
fn submitted() -> Vec<Fact> {
    let part: crate::domain::identity::RemoteName = "x.part".parse().unwrap();
    vec![
        query(),
        Fact::DataUploaded,
        Fact::TriggerStaged { part: part.clone() },
        Fact::TriggerIntended { way: TriggerWay::Rename { part } },
        Fact::TriggerMade,
    ]
}

fn reply() -> Fact {
    Fact::ReplyFetched(Arrival {
        route: route(),
        transfer: TransferId::new(uuid::Uuid::from_u128(7)),
        name: SVAR.parse().unwrap(),
        size: 480,
        hash: ContentHash::of(b"reply"),
        delivery: Some(DeliveryNumber(42)),
        belongs: Belongs::Delivery,
    })
}

fn reply_held(reason: HoldReason) -> Fact {
    Fact::ReplyHeld { reasons: vec![reason], register_head: 0, summary: None }
}

fn applied() -> Fact {
    let as_of = "2026-12-01".parse().unwrap();
    Fact::Applied { summary: ChangeSummary::default(), delivery: Some(DeliveryNumber(42)), as_of }
}

fn name_taken() -> Fact {
    reply_held(HoldReason::InboxNameTaken { name: "svar.txt".into() })
}

/// What the last fact is told as, and the exchange after it.
fn last_of(facts: Vec<Fact>) -> (String, Exchange) {
    let mut before: Option<Exchange> = None;
    let mut told = String::new();
    for fact in &facts {
        told = of(fact, Around { before: before.as_ref(), recovered: None });
        before = Some(match before {
            None => Exchange::begin(id(), now(), fact).unwrap(),
            Some(before) => before.after(now(), fact).unwrap(),
        });
    }
    (told, before.unwrap())
}

fn with(mut facts: Vec<Fact>, more: impl IntoIterator<Item = Fact>) -> Vec<Fact> {
    facts.extend(more);
    facts
}

#[test]
fn a_wait_given_up_is_not_told_as_done() {
    let facts = with(submitted(), [declined("UDK will not answer")]);
    let (told, tidying) = last_of(facts.clone());
    let (_, ended) = last_of(with(facts, [Fact::Tidied { left: vec![] }]));

    assert_eq!(
        told,
        "A person (uid 1000) gave up the wait for the reply; the query still counts as sent. The reason: “UDK will not \
         answer”."
    );
    let why = "the wait for the reply was given up by uid 1000, the query still counts as sent: UDK will not answer";
    assert_eq!([tidying.state_name(), ended.state_name()], ["given up"; 2]);
    assert_eq!(tidying.next_step(), format!("the far side is tidied, nothing else: {why}"));
    assert_eq!(ended.next_step(), format!("nothing: {why}"));
    assert!(ended.is_live_query());
}

#[test]
fn a_hand_over_given_up_is_not_told_as_done() {
    let facts = with(submitted(), [reply(), applied(), name_taken(), declined("entered by hand")]);
    let (told, _) = last_of(facts.clone());
    let (_, ended) = last_of(with(facts, [Fact::Tidied { left: vec![] }]));

    assert!(told.contains("gave up the hand-over; the register holds the reply all the same."), "{told}");
    let why = "the hand-over was given up by uid 1000, the register holds the reply: entered by hand";
    assert_eq!((ended.state_name(), ended.next_step()), ("given up", format!("nothing: {why}")));
}

#[test]
fn a_hand_over_that_is_approved_is_not_said_to_be_held_against_an_empty_register() {
    let approved = Fact::Approved {
        decision: decision("the old file was moved"),
        seen: Seen { reply: Some(ContentHash::of(b"reply")), register_head: 0 },
    };
    let (told, _) = last_of(with(submitted(), [reply(), applied(), name_taken(), approved]));

    assert_eq!(
        told,
        "A person (uid 1000) approved the hand-over of the reply, which the register holds already. The reason: “the old \
         file was moved”."
    );
}

#[test]
fn a_reply_that_was_refused_is_not_forgotten_while_another_is_waited_for() {
    let unfit = reply_held(HoldReason::UnfitReply { finding: "record 5: no end record".into() });
    let facts = with(submitted(), [reply(), unfit, declined("cut off")]);
    let (told, waiting) = last_of(facts.clone());
    let (_, replied) = last_of(with(facts, [reply()]));

    assert!(told.contains(&format!("refused the reply {SVAR}; its query waits for another.")), "{told}");
    assert_eq!(waiting.next_step(), format!("another reply comes: {SVAR} came and was refused by uid 1000: cut off"));
    assert_eq!(replied.next_step(), "the reply is compared with the register");
}

#[test]
fn out_is_not_said_to_be_cleared_where_nothing_was_put() {
    let reasons = vec![HoldReason::ManyAttempts { attempts: 1 }];
    let (never, _) = last_of(vec![query(), Fact::QueryHeld { reasons }, withdrawn(), Fact::SetAside]);
    let (at_once, _) = last_of(vec![query(), withdrawn(), Fact::SetAside]);
    let (cleared, _) = last_of(vec![query(), Fact::DataUploaded, withdrawn(), Fact::SetAside]);
    let (file, _) = last_of(vec![unfit(), Fact::SetAside]);
    let unasked = [reply(), reply_held(HoldReason::Unasked), declined("not ours"), Fact::SetAside];
    let (unasked, _) = last_of(unasked.to_vec());

    assert!(never.ends_with("nothing of it was ever put into OUT."), "{never}");
    assert!(cleared.ends_with("whatever of it lay in OUT was cleared away."), "{cleared}");
    assert_eq!(at_once, cleared, "some of it may have been on its way");
    assert!(file.starts_with("The file lies in refused/"), "{file}");
    assert!(unasked.starts_with("The reply is off the far side"), "{unasked}");
}

#[test]
fn what_a_recovery_found_is_not_said_to_have_lain_in_the_outbox_and_who_recovered_is_told() {
    let recovered = decision("the disk broke");
    let told = |fact: &Fact| of(fact, Around { before: None, recovered: Some(&recovered) });

    let found = "was found here, and in no journal, when the store was recovered (252 bytes";
    assert!(told(&query()).starts_with(&format!("The query foresp.txt {found}")), "{}", told(&query()));
    assert!(told(&unfit()).starts_with("notes.txt was found here, and in no journal"), "{}", told(&unfit()));
    let restored = told(&Fact::StoreRestored);
    assert!(restored.ends_with("A person (uid 1000) recovered it. The reason: “the disk broke”."), "{restored}");
}
