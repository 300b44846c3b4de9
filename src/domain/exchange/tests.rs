//! The state machine as one printed table, `transitions.txt` (`SLUSE_UPDATE=1` writes it anew), and the
//! sentences that the table must not contradict.

#[cfg(test)]
mod manual;

use std::collections::BTreeSet;
use std::path::Path;

use super::fact::*;
use super::*;
use crate::domain::change::ChangeSummary;
use crate::domain::envelope::ReceiptOutcome;
use crate::domain::identity::DeliveryNumber;
use crate::domain::moment::PaymentMonth;
use jiff::civil::Date;

const DATE: Date = Date::constant(2026, 12, 30);
const HEAD: u64 = 7;

fn at(second: i64) -> Moment {
    Moment::from_micros(1_790_000_000_000_000 + second * 1_000_000)
}

fn id(number: u128) -> FileId {
    FileId::new(uuid::Uuid::from_u128(0xfade_0000_0000_4000_8000_0000_0000_0000 + number))
}

fn transfer(number: u128) -> TransferId {
    TransferId::new(uuid::Uuid::from_u128(number))
}

fn route() -> Route {
    Route { exchange: "sf2530".parse().unwrap(), municipality: "0751".parse().unwrap() }
}

fn name(text: &str) -> RemoteName {
    text.parse().unwrap()
}

fn decision() -> Decision {
    Decision { who: "uid 1000".into(), reason: "the caseworker asked".into() }
}

fn errors() -> Vec<ReceiptError> {
    vec![ReceiptError { code: Some(21), title: "Recipient".into(), text: "unknown recipient".into() }]
}

/// A query with this delivery number, for the payment date [`DATE`].
fn accepted(delivery: u32) -> Accepted {
    Accepted {
        route: route(),
        original_name: format!("query{delivery}.txt"),
        spool_name: format!("0751.query{delivery}.txt"),
        original: OriginalStamp { device: 1, inode: 2, size: 360, modified_micros: 3 },
        remote_name: name(&format!("BETADM_FORESP_0751_20261201_{delivery:04}.txt")),
        size: 360,
        hash: ContentHash::of(&delivery.to_be_bytes()),
        delivery: DeliveryNumber(delivery),
        payment_date: DATE,
        payment_month: PaymentMonth::of(DATE),
        retry_of: None,
    }
}

fn unfit_query() -> Fact {
    Fact::Unfit(UnfitQuery {
        route: route(),
        original_name: "query.txt".into(),
        spool_name: "0751.query.txt".into(),
        size: 12,
        hash: ContentHash::of(b"unfit"),
        finding: "the end record is missing".into(),
    })
}

fn arrival(number: u128, delivery: Option<u32>) -> Arrival {
    Arrival {
        route: route(),
        transfer: transfer(number),
        name: name(&format!("BETADM_SVAR_0751_20261201_{number:04}.txt")),
        size: 480,
        hash: ContentHash::of(&number.to_be_bytes()),
        delivery: delivery.map(DeliveryNumber),
        belongs: Belongs::Delivery,
    }
}

fn receipt(outcome: ReceiptOutcome) -> Fact {
    Fact::ReceiptRead {
        transfer: transfer(1),
        name: name("BETADM_FORESP_0751_20261201_0042.txt.sftpreceipt"),
        hash: ContentHash::of(b"receipt"),
        outcome,
    }
}

fn success() -> Fact {
    receipt(ReceiptOutcome::Success)
}

fn failure() -> Fact {
    receipt(ReceiptOutcome::Failure { errors: errors() })
}

fn part() -> RemoteName {
    duty::part_name(id(1), 1)
}

fn by_rename() -> TriggerWay {
    TriggerWay::Rename { part: part() }
}

fn reply_held(reason: HoldReason) -> Fact {
    Fact::ReplyHeld { reasons: vec![reason], register_head: HEAD, summary: None }
}

fn unfit_reply() -> HoldReason {
    HoldReason::UnfitReply { finding: "the end record is missing".into() }
}

fn name_taken() -> HoldReason {
    HoldReason::InboxNameTaken { name: "reply.txt".into() }
}

fn approved(reply: &Arrival, register_head: u64) -> Fact {
    Fact::Approved { decision: decision(), seen: Seen { reply: Some(reply.hash), register_head } }
}

fn applied(delivery: u32) -> Fact {
    let delivery = Some(DeliveryNumber(delivery));
    Fact::Applied { summary: ChangeSummary::default(), delivery, as_of: Date::constant(2026, 12, 1) }
}

fn not_made() -> Fact {
    Fact::TriggerNotMade { evidence: "the part name was still there".into() }
}

fn doubted() -> Fact {
    Fact::Doubted { trouble: "connection lost".into() }
}

fn settled(sent: bool) -> Fact {
    Fact::Settled { sent, decision: decision() }
}

fn withdrawn() -> Fact {
    Fact::Withdrawn { decision: decision() }
}

fn staged() -> Fact {
    Fact::TriggerStaged { part: part() }
}

fn intended() -> Fact {
    Fact::TriggerIntended { way: by_rename() }
}

/// One sample of each fact, and one more where it makes a difference what it says.
fn facts() -> Vec<(String, Fact)> {
    let plain = [
        Fact::Accepted(accepted(42)),
        unfit_query(),
        Fact::QueryHeld { reasons: vec![HoldReason::OriginalChanged { what: "its size".into() }] },
        Fact::DataUploaded,
        Fact::DataGone,
        staged(),
        Fact::RenameUnavailable { why: "the server does not offer it".into() },
        Fact::TriggerMade,
        not_made(),
        doubted(),
        Fact::TriggerFound { evidence: "a receipt".into() },
        Fact::ReplyFetched(arrival(9, Some(42))),
        approved(&arrival(1, Some(42)), HEAD),
        Fact::Declined { decision: decision() },
        applied(42),
        Fact::HandOverStaged { reply: "reply.txt".into(), changes: "changes.csv".into(), folder: 7 },
        Fact::HandOverLost,
        Fact::HandOverIntended,
        Fact::HandedOver,
        Fact::CommandRan { exit: Some(0) },
        Fact::Tidied { left: vec![] },
        Fact::StoreRestored,
        Fact::SetAside,
        withdrawn(),
        Fact::Retried { by: id(2), decision: decision() },
    ];
    let written = Fact::TriggerIntended { way: TriggerWay::Write };
    let told = [
        ("trigger_intended by rename", intended()),
        ("trigger_intended by writing", written),
        ("reply_held, surprising", reply_held(HoldReason::EndsAll { of: 3 })),
        ("reply_held, unfit", reply_held(unfit_reply())),
        ("reply_held, name taken", reply_held(name_taken())),
        ("settled as sent", settled(true)),
        ("settled as not sent", settled(false)),
        ("receipt_read, success", success()),
        ("receipt_read, error", failure()),
    ];
    let plain = plain.into_iter().map(|fact| (fact.name().to_owned(), fact));
    plain.chain(told.map(|(label, fact)| (label.to_owned(), fact))).collect()
}

/// One sample of each state, and one more where it makes a difference what it carries.
fn states() -> Vec<State> {
    let arrival = || arrival(1, Some(42));
    let names = || HandOverNames { reply: "reply.txt".into(), changes: "changes.csv".into(), folder: 7 };
    let held =
        |reason| State::ReplyHeld { arrival: arrival(), reasons: vec![reason], register_head: HEAD, summary: None };
    let query_held = |data_uploaded| State::QueryHeld {
        reasons: vec![HoldReason::SecondQuery { other: id(2), payment_date: DATE }],
        data_uploaded,
    };
    vec![
        State::Accepted,
        query_held(false),
        query_held(true),
        State::QueryHeld { reasons: vec![HoldReason::MaybeSent], data_uploaded: false },
        State::Uploaded { plan: TriggerPlan::Rename },
        State::Uploaded { plan: TriggerPlan::Write },
        State::Staged { part: part() },
        State::Submitting { way: by_rename() },
        State::Submitting { way: TriggerWay::Write },
        State::InDoubt { way: by_rename(), trouble: "connection reset".into() },
        State::InDoubt { way: TriggerWay::Write, trouble: "connection reset".into() },
        State::Submitted,
        State::Receipted,
        State::ReceiptHeld { errors: errors() },
        State::Replied { arrival: arrival(), approved: None },
        State::Replied { arrival: arrival(), approved: Some(Approval { register_head: HEAD }) },
        held(HoldReason::EndsAll { of: 3 }),
        held(unfit_reply()),
        held(name_taken()),
        held(HoldReason::MaybeHandedOver),
        State::Applied { arrival: arrival() },
        State::HandOverStaged { arrival: arrival(), names: names() },
        State::HandingOver { arrival: arrival(), names: names() },
        State::HandedOver,
        State::CommandRan,
        State::Done { left: vec![] },
        State::Refusing { why: "unfit".into() },
        State::Refused { why: "unfit".into() },
        State::Withdrawing { why: "a person asked".into() },
        State::Withdrawn { why: "a person asked".into() },
        State::Rejecting { errors: errors() },
        State::Rejected { errors: errors() },
    ]
}

/// The variant's name, with what tells two samples of it apart.
fn label(state: &State) -> String {
    let way = |way: &TriggerWay| match way {
        TriggerWay::Rename { .. } => "by rename",
        TriggerWay::Write => "by writing",
    };
    let detail = match state {
        State::QueryHeld { reasons, .. } if reasons.contains(&HoldReason::MaybeSent) => "maybe sent",
        State::QueryHeld { data_uploaded: false, .. } => "before upload",
        State::QueryHeld { data_uploaded: true, .. } => "after upload",
        State::Uploaded { plan: TriggerPlan::Rename } => "to rename",
        State::Uploaded { plan: TriggerPlan::Write } => "to write",
        State::Submitting { way: by } | State::InDoubt { way: by, .. } => way(by),
        State::Replied { approved: Some(_), .. } => "approved",
        State::ReplyHeld { reasons, .. } => match reasons[..] {
            [HoldReason::UnfitReply { .. }] => "unfit",
            [HoldReason::InboxNameTaken { .. }] => "name taken",
            [HoldReason::MaybeHandedOver] => "maybe handed over",
            _ => "surprising",
        },
        _ => "",
    };
    format!("{} {detail}", variant(state)).trim_end().to_owned()
}

fn variant(state: &State) -> String {
    format!("{state:?}").split([' ', '{']).next().unwrap().to_owned()
}

/// An exchange with a query, submitted by one undoubted attempt if it has come that far.
fn exchange_in(state: State) -> Exchange {
    let begun = Exchange::begin(id(1), at(0), &Fact::Accepted(accepted(42))).unwrap();
    let is_restored = matches!(&state, State::QueryHeld { reasons, .. } if reasons.contains(&HoldReason::MaybeSent));
    Exchange { state, attempts: 1, intended: Some(by_rename()), is_restored, ..begun }
}

/// The exchange that these facts add up to, one each second, begun by an accepted query.
fn story(facts: &[Fact]) -> Exchange {
    let begun = Exchange::begin(id(1), at(0), &Fact::Accepted(accepted(42))).unwrap();
    (1..).zip(facts).fold(begun, |exchange, (second, fact)| {
        exchange.after(at(second), fact).unwrap_or_else(|impossible| panic!("{impossible}"))
    })
}

/// A story up to where nobody knows whether the trigger was made.
fn doubtful() -> Vec<Fact> {
    vec![Fact::DataUploaded, staged(), intended(), doubted()]
}

fn with(mut facts: Vec<Fact>, more: impl IntoIterator<Item = Fact>) -> Vec<Fact> {
    facts.extend(more);
    facts
}

fn submitted() -> Vec<Fact> {
    vec![Fact::DataUploaded, staged(), intended(), Fact::TriggerMade]
}

#[test]
fn every_pair_of_state_and_fact_is_in_the_table() {
    let mut table = String::from(
        "# What each fact makes of an exchange in each state; - where it cannot follow.\n\
         # Written by `SLUSE_UPDATE=1 cargo test every_pair`; samples in tests.rs. The exchange has a query and one\n\
         # undoubted attempt; the reply in its states is the one that `approved` names.\n",
    );
    let mut row = |state: &str, fact: &str, next: Result<Exchange, Impossible>| {
        let next = next.map_or("-".to_owned(), |exchange| label(&exchange.state));
        table.push_str(&format!("{state:<24}  {fact:<28}  {next}\n"));
    };
    for (fact_label, fact) in facts() {
        row("nothing", &fact_label, Exchange::begin(id(1), at(0), &fact));
    }
    for state in states() {
        for (fact_label, fact) in facts() {
            row(&label(&state), &fact_label, exchange_in(state.clone()).after(at(1), &fact));
        }
    }

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain/exchange/transitions.txt");
    if std::env::var_os("SLUSE_UPDATE").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (is, should_be) in table.lines().zip(golden.lines()) {
        assert_eq!(is, should_be);
    }
    assert_eq!(table.lines().count(), golden.lines().count());
}

#[test]
fn the_table_leaves_out_no_state_and_no_fact() {
    let words = |source: &'static str, prefix: &'static str| -> BTreeSet<&str> {
        let word = |text: &'static str| text.split(|c: char| !c.is_alphanumeric()).next().unwrap();
        source.split(prefix).skip(1).map(word).filter(|word| word.starts_with(char::is_uppercase)).collect()
    };
    let sampled: BTreeSet<_> = states().iter().map(variant).collect();
    let fact_variant = |fact: &Fact| format!("{fact:?}").split([' ', '{', '(']).next().unwrap().to_owned();
    let facts: BTreeSet<_> = facts().iter().map(|(_, fact)| fact_variant(fact)).collect();

    // `State::name` and `Fact::name` name every variant, or they would not compile.
    assert_eq!(words(include_str!("mod.rs"), "State::"), sampled.iter().map(String::as_str).collect());
    assert_eq!(words(include_str!("after.rs"), "Fact::"), facts.iter().map(String::as_str).collect());
}

#[test]
fn a_fact_is_called_the_same_in_the_journal_as_in_the_program_and_reads_back() {
    for (_, fact) in facts() {
        let json = serde_json::to_value(&fact).unwrap();
        assert_eq!(json["fact"], fact.name());
        assert_eq!(serde_json::from_value::<Fact>(json).unwrap(), fact);
    }
}

#[test]
fn each_state_has_at_most_one_duty_and_only_submit_and_hand_over_have_an_intent() {
    for state in states() {
        let exchange = exchange_in(state);
        let Some(duty) = exchange.duty() else { continue };
        let intent = exchange.intent(&duty);
        match (&exchange.state, &duty) {
            (_, Duty::Submit { way, .. }) => assert_eq!(intent, Some(Fact::TriggerIntended { way: way.clone() })),
            // Once intended, it is not intended again.
            (State::HandingOver { .. }, Duty::HandOver { .. }) => assert_eq!(intent, None),
            (_, Duty::HandOver { .. }) => assert_eq!(intent, Some(Fact::HandOverIntended)),
            (_, duty) => assert_eq!(intent, None, "{duty:?}"),
        }
        if let Some(intent) = intent {
            assert!(exchange.after(at(1), &intent).is_ok(), "{intent:?} cannot be recorded in {:?}", exchange.state);
        }
        assert!(!exchange.state.is_final() && exchange.held().is_none(), "{duty:?} in {:?}", exchange.state);
    }
}

#[test]
fn the_duty_after_an_intent_without_an_outcome_is_to_settle_the_doubt_never_to_submit() {
    for way in [by_rename(), TriggerWay::Write] {
        let submitting = exchange_in(State::Submitting { way: way.clone() });
        let in_doubt = exchange_in(State::InDoubt { way: way.clone(), trouble: "connection lost".into() });

        assert_eq!(submitting.duty(), Some(Duty::SettleDoubt { way: way.clone() }));
        assert_eq!(in_doubt.duty(), Some(Duty::SettleDoubt { way: way.clone() }));
        assert!(submitting.after(at(1), &Fact::TriggerIntended { way }).is_err(), "an intent cannot follow an intent");
    }
}

#[test]
fn only_the_trigger_that_was_staged_can_be_intended() {
    let exchange = story(&[Fact::DataUploaded, staged()]);
    let another = TriggerWay::Rename { part: duty::part_name(id(1), 2) };

    assert!(exchange.after(at(9), &Fact::TriggerIntended { way: another }).is_err());
    assert!(exchange.after(at(9), &intended()).is_ok());
}

#[test]
fn an_error_receipt_rejects_after_one_undoubted_attempt_and_is_held_after_doubt() {
    let once = story(&with(submitted(), [failure()]));
    let doubted = story(&with(doubtful(), [Fact::TriggerFound { evidence: "a receipt".into() }, failure()]));
    let still_in_doubt = story(&with(doubtful(), [failure()]));
    let again = [not_made(), staged(), intended(), Fact::TriggerMade, failure()];
    let second_attempt = story(&with(vec![Fact::DataUploaded, staged(), intended()], again));

    assert_eq!(once.state, State::Rejecting { errors: errors() });
    for exchange in [doubted, still_in_doubt, second_attempt] {
        assert_eq!(exchange.state, State::ReceiptHeld { errors: errors() });
        assert!(exchange.held().is_some() && exchange.state.awaits_reply());
    }
}

#[test]
fn receipts_that_disagree_about_the_one_trigger_are_a_persons_business() {
    let success_last = story(&with(submitted(), [failure(), success()]));
    let tidied = Fact::Tidied { left: Vec::new() };
    let rejected_before = story(&with(submitted(), [failure(), tidied, success()]));
    let failure_last = story(&with(submitted(), [success(), failure()]));

    for exchange in [success_last, rejected_before, failure_last] {
        assert_eq!(exchange.held(), Some(vec![HoldReason::ReceiptsDisagree { errors: errors() }]));
        assert!(exchange.is_live_query() && exchange.state.awaits_reply());
        let refused = exchange.after(at(9), &Fact::Declined { decision: decision() }).unwrap();
        assert_eq!(refused.state, State::Receipted, "the hub has said that it has the query");
    }
    // After doubt there may have been two triggers, and each receipt is true of one
    let doubted = with(doubtful(), [Fact::TriggerFound { evidence: "a size".into() }]);
    for receipts in [[failure(), success()], [success(), failure()]] {
        assert_eq!(story(&with(doubted.clone(), receipts)).state, State::Receipted);
    }
}

#[test]
fn a_reply_proves_that_a_doubtful_query_was_sent() {
    let exchange = story(&with(doubtful(), [Fact::ReplyFetched(arrival(1, Some(42)))]));

    assert!(matches!(exchange.state, State::Replied { .. }));
    assert!(exchange.after(at(9), &not_made()).is_err(), "what is proven cannot be taken back");
    let declined = [reply_held(HoldReason::EndsAll { of: 3 }), Fact::Declined { decision: decision() }];
    let refused = story(&with(doubtful(), [Fact::ReplyFetched(arrival(1, Some(42)))].into_iter().chain(declined)));
    assert_eq!(refused.state, State::Submitted);
}

#[test]
fn an_unfit_reply_is_replaced_by_a_better_one_and_a_surprising_one_is_not() {
    let replied = with(submitted(), [success(), Fact::ReplyFetched(arrival(1, Some(42)))]);
    let unfit = story(&with(replied.clone(), [reply_held(unfit_reply())]));
    let surprising = story(&with(replied, [reply_held(HoldReason::EndsAll { of: 3 })]));
    let better = arrival(2, Some(42));

    let replaced = unfit.after(at(9), &Fact::ReplyFetched(better.clone())).unwrap();

    assert_eq!(replaced.state, State::Replied { arrival: better.clone(), approved: None });
    assert_eq!(replaced.arrivals.len(), 2);
    assert!(surprising.after(at(9), &Fact::ReplyFetched(better)).is_err());
    assert!(unfit.after(at(9), &approved(&arrival(1, Some(42)), HEAD)).is_err(), "nobody can let it pass");
}

#[test]
fn an_approval_of_another_reply_or_on_another_register_is_impossible() {
    let reply = arrival(1, Some(42));
    let held = exchange_in(State::ReplyHeld {
        arrival: reply.clone(),
        reasons: vec![HoldReason::EndsAll { of: 3 }],
        register_head: HEAD,
        summary: None,
    });
    let unseen = Fact::Approved { decision: decision(), seen: Seen { reply: None, register_head: HEAD } };

    for void in [approved(&arrival(2, Some(42)), HEAD), approved(&reply, HEAD + 1), unseen] {
        assert!(held.after(at(1), &void).is_err(), "{void:?}");
    }
    let next = held.after(at(1), &approved(&reply, HEAD)).unwrap();
    assert_eq!(next.state, State::Replied { arrival: reply, approved: Some(Approval { register_head: HEAD }) });
    assert_eq!(next.waived, [HoldReason::EndsAll { of: 3 }]);
}

#[test]
fn approving_a_hand_over_does_not_compare_again_and_refusing_it_gives_up_the_hand_over_only() {
    let applied = exchange_in(State::Applied { arrival: arrival(1, Some(42)) });
    let held = applied.after(at(1), &reply_held(name_taken())).unwrap();

    let approved = held.after(at(2), &approved(&arrival(1, Some(42)), HEAD)).unwrap();
    let declined = held.after(at(2), &Fact::Declined { decision: decision() }).unwrap();

    assert_eq!(approved.state, State::Applied { arrival: arrival(1, Some(42)) });
    assert_eq!(declined.state, State::CommandRan);
    assert!(!held.state.awaits_reply());
}

#[test]
fn no_hold_leads_past_the_register_or_to_it_twice() {
    let replied = exchange_in(State::Replied { arrival: arrival(1, Some(42)), approved: None });
    let applied = exchange_in(State::Applied { arrival: arrival(1, Some(42)) });
    let mixed = Fact::ReplyHeld { reasons: vec![name_taken(), unfit_reply()], register_head: HEAD, summary: None };

    assert!(replied.after(at(1), &reply_held(name_taken())).is_err(), "approved, it would count as applied");
    assert!(applied.after(at(1), &reply_held(HoldReason::EndsAll { of: 3 })).is_err(), "approved, it would be again");
    assert!(replied.after(at(1), &mixed).is_err() && applied.after(at(1), &mixed).is_err());
}

#[test]
fn what_may_have_been_sent_since_a_backup_is_held_until_a_proof_or_a_person_comes() {
    for facts in [vec![], submitted()[..1].to_vec(), submitted()[..2].to_vec(), submitted()[..3].to_vec(), doubtful()] {
        let held = story(&with(facts, [Fact::StoreRestored]));
        assert_eq!(held.held(), Some(vec![HoldReason::MaybeSent]));
        assert_eq!(held.duty(), None);

        let received = held.after(at(9), &success()).unwrap();
        assert_eq!((&received.state, received.submitted_at.is_some()), (&State::Receipted, true));
        let replied = held.after(at(9), &Fact::ReplyFetched(arrival(1, Some(42)))).unwrap();
        assert_eq!(replied.state.name(), "replied");
        let seen = Seen { reply: None, register_head: 0 };
        let approved = held.after(at(9), &Fact::Approved { decision: decision(), seen }).unwrap();
        assert_eq!(approved.state, State::Accepted, "the data goes first again");
        let refused = held.after(at(9), &Fact::Declined { decision: decision() }).unwrap();
        assert!(matches!(refused.state, State::Refusing { .. }) && refused.touched_out);
        assert_eq!(held.after(at(9), &settled(true)).unwrap().state, State::Submitted);
    }
}

#[test]
fn what_was_approved_after_a_backup_is_stopped_by_a_proof_or_a_person_until_its_trigger_is_intended() {
    let seen = Seen { reply: None, register_head: 0 };
    let approved = vec![Fact::StoreRestored, Fact::Approved { decision: decision(), seen }];
    for facts in [vec![], vec![Fact::DataUploaded], vec![Fact::DataUploaded, staged()]] {
        let on_its_way = story(&with(approved.clone(), facts));

        // A second trigger would be a second query
        let received = on_its_way.after(at(9), &success()).unwrap();
        assert_eq!((&received.state, received.duty()), (&State::Receipted, None));
        assert!(received.submitted_at.is_some() && received.after(at(10), &Fact::DataUploaded).is_err());
        let rejected = on_its_way.after(at(9), &failure()).unwrap();
        assert_eq!((&rejected.state, rejected.duty()), (&State::ReceiptHeld { errors: errors() }, None));
        let replied = on_its_way.after(at(9), &Fact::ReplyFetched(arrival(1, Some(42)))).unwrap();
        assert_eq!(replied.state.name(), "replied");
        let refused = on_its_way.after(at(9), &Fact::Declined { decision: decision() }).unwrap();
        assert!(matches!(refused.state, State::Refusing { .. }) && refused.touched_out);
    }
    let intended = story(&with(approved, [Fact::DataUploaded, staged(), intended()]));
    assert!(intended.after(at(9), &Fact::Declined { decision: decision() }).is_err());
}

#[test]
fn a_success_receipt_stops_the_next_attempt_of_a_trigger_that_was_taken_for_not_made() {
    let again = story(&[Fact::DataUploaded, staged(), intended(), not_made()]);

    assert_eq!(again.after(at(9), &success()).unwrap().state, State::Receipted);
    assert!(
        again.after(at(9), &failure()).is_err()
            && again.after(at(9), &Fact::Declined { decision: decision() }).is_err()
    );
    assert!(story(&[Fact::DataUploaded]).after(at(9), &success()).is_err(), "nothing was ever sent");
}

#[test]
fn no_other_reason_to_hold_a_query_is_lost_when_the_store_is_restored_and_none_is_doubled() {
    let changed = HoldReason::OriginalChanged { what: "its size".into() };
    let held = story(&[Fact::QueryHeld { reasons: vec![changed.clone()] }, Fact::StoreRestored, Fact::StoreRestored]);

    assert_eq!(held.held(), Some(vec![HoldReason::MaybeSent, changed]));
}

#[test]
fn a_reply_that_is_applied_on_a_restored_store_is_not_handed_over_by_itself() {
    let known = story(&with(submitted(), [Fact::StoreRestored, Fact::ReplyFetched(arrival(1, Some(42))), applied(42)]));
    let before =
        story(&with(submitted(), [Fact::ReplyFetched(arrival(1, Some(42))), applied(42), Fact::StoreRestored]));

    for held in [known, before] {
        assert_eq!(held.held(), Some(vec![HoldReason::MaybeHandedOver]));
        assert_eq!(held.after(at(9), &Fact::Declined { decision: decision() }).unwrap().state, State::CommandRan);
        let approved = held.after(at(9), &approved(&arrival(1, Some(42)), 0)).unwrap();
        assert_eq!(approved.state, State::Applied { arrival: arrival(1, Some(42)) });
    }
}

#[test]
fn a_waived_change_of_the_original_is_not_looked_for_again() {
    let changed = Fact::QueryHeld { reasons: vec![HoldReason::OriginalChanged { what: "its size".into() }] };
    let seen = Fact::Approved { decision: decision(), seen: Seen { reply: None, register_head: 0 } };
    let once = story(&[Fact::DataUploaded, staged()]);
    let waived = story(&[Fact::DataUploaded, staged(), changed, seen, staged()]);

    assert!(matches!(once.duty(), Some(Duty::Submit { check_original: true, .. })));
    assert!(matches!(waived.duty(), Some(Duty::Submit { check_original: false, .. })));
}

#[test]
fn a_story_of_a_reply_alone_is_set_aside_when_it_is_refused() {
    let begun = Exchange::begin(id(1), at(0), &Fact::ReplyFetched(arrival(1, None))).unwrap();
    let held = begun.after(at(1), &reply_held(HoldReason::Unasked)).unwrap();

    let declined = held.after(at(2), &Fact::Declined { decision: decision() }).unwrap();

    assert!(matches!(declined.duty(), Some(Duty::SetAside { .. })));
    assert!(matches!(declined.after(at(3), &Fact::SetAside).unwrap().state, State::Refused { .. }));
}

#[test]
fn a_query_settled_as_not_sent_ends_and_is_no_longer_live() {
    let exchange = story(&with(doubtful(), [settled(false)]));
    assert!(matches!(exchange.duty(), Some(Duty::SetAside { .. })));
    assert!(!exchange.is_live_query());

    let ended = exchange.after(at(9), &Fact::SetAside).unwrap();

    assert!(ended.state.is_final() && !ended.is_live_query());
    assert!(story(&with(doubtful(), [settled(true)])).is_live_query());
    assert!(ended.after(at(10), &success()).unwrap().is_live_query(), "the hub has it: the person was mistaken");
}

#[test]
fn a_query_is_withdrawn_before_its_triggers_intent_and_never_after() {
    let before = [vec![], vec![Fact::DataUploaded], vec![Fact::DataUploaded, staged()], with(doubtful(), [not_made()])];
    for facts in before {
        let withdrawing = story(&with(facts, [withdrawn()]));
        assert!(matches!(withdrawing.duty(), Some(Duty::SetAside { .. })) && !withdrawing.is_live_query());
        let ended = withdrawing.after(at(20), &Fact::SetAside).unwrap();
        assert_eq!((ended.state.name(), ended.state.is_final()), ("withdrawn", true));
    }
    for facts in [vec![Fact::DataUploaded, staged(), intended()], doubtful(), submitted()] {
        assert!(story(&facts).after(at(20), &withdrawn()).is_err(), "the hub may have it");
    }
}

#[test]
fn an_attempt_that_is_proven_not_made_leaves_nothing_to_be_looked_for_when_the_query_is_refused() {
    // What it staged is cleared away by the next staging: it would look as if it had been picked up.
    let again = story(&with(doubtful(), [not_made()]));

    assert_eq!(again.intended, None);
    assert!(story(&doubtful()).intended.is_some());
}

#[test]
fn only_what_came_to_nothing_is_retried_and_an_old_accepted_reads_as_one_that_retries_nothing() {
    let retried = Fact::Retried { by: id(2), decision: decision() };
    let rejected = with(submitted(), [failure(), Fact::Tidied { left: vec![] }]);
    let withdrawn = vec![withdrawn(), Fact::SetAside];
    for facts in [rejected.clone(), withdrawn, with(doubtful(), [settled(false), Fact::SetAside])] {
        let after = story(&with(facts, [retried.clone()]));
        assert_eq!(after.retried_by, [id(2)]);
        assert!(after.next_step().contains(&id(2).to_string()), "{}", after.next_step());
    }
    for facts in [vec![], submitted(), with(submitted(), [failure()]), with(rejected, [success()])] {
        assert!(story(&facts).after(at(20), &retried).is_err(), "{facts:?}");
    }

    let json = serde_json::to_string(&Fact::Accepted(accepted(42))).unwrap();
    assert!(!json.contains("retry_of"));
    assert_eq!(serde_json::from_str::<Fact>(&json).unwrap(), Fact::Accepted(accepted(42)));
}

#[test]
fn a_retry_counts_until_it_and_all_by_which_it_was_retried_came_to_nothing() {
    let rejected = || with(submitted(), [failure(), Fact::Tidied { left: vec![] }]);
    let retried = |by| Fact::Retried { by: id(by), decision: decision() };
    let first = (1, query(41, with(rejected(), [retried(2)])));
    let second = (2, query(42, with(rejected(), [retried(3)])));
    let third = |facts| (3, query(43, facts));
    let live = |stories: &[(u128, Vec<Fact>)]| {
        let book = book(stories);
        book.live_retry(book.get(id(1)).unwrap())
    };

    assert_eq!(live(&[first.clone(), (2, query(42, vec![]))]), Some(id(2)));
    assert_eq!(live(&[first.clone(), second.clone(), third(submitted())]), Some(id(3)));
    assert_eq!(live(&[first.clone(), second, third(rejected())]), None);
    assert_eq!(live(&[(1, query(41, rejected()))]), None);
    assert_eq!(live(&[first]), Some(id(2)), "what is not known counts");
}

/// A book in which each exchange of these lives through its facts, one each second.
fn book(stories: &[(u128, Vec<Fact>)]) -> Book {
    let mut book = Book::default();
    let facts = stories.iter().flat_map(|(number, facts)| facts.iter().map(|fact| (id(*number), fact)));
    for (seq, (id, fact)) in (1..).zip(facts) {
        book.take_in(seq, id, at(seq as i64), fact);
    }
    assert_eq!(book.all_broken().count(), 0);
    book
}

/// The whole story of a query with this delivery number.
fn query(delivery: u32, facts: Vec<Fact>) -> Vec<Fact> {
    with(vec![Fact::Accepted(accepted(delivery))], facts)
}

fn belongs(book: &Book, reply: &Arrival) -> (Option<FileId>, Belongs) {
    book.belongs(&route(), reply.transfer, reply.hash, reply.delivery)
}

#[test]
fn a_reply_belongs_to_the_query_whose_delivery_number_it_echoes() {
    let book = book(&[(1, query(42, submitted())), (2, query(43, submitted()))]);

    assert_eq!(belongs(&book, &arrival(1, Some(43))), (Some(id(2)), Belongs::Delivery));
    assert_eq!(belongs(&book, &arrival(1, Some(42))), (Some(id(1)), Belongs::Delivery));
}

#[test]
fn a_reply_that_echoes_nothing_belongs_to_the_first_query_that_waits() {
    let replied = with(submitted(), [Fact::ReplyFetched(arrival(1, Some(41)))]);
    let stories = [(1, query(41, replied)), (2, query(42, submitted())), (3, query(43, submitted()))];
    let book = book(&stories);

    assert_eq!(belongs(&book, &arrival(7, None)), (Some(id(2)), Belongs::Order));
    assert_eq!(belongs(&book, &arrival(7, Some(99))), (Some(id(2)), Belongs::Order));
}

#[test]
fn a_reply_that_no_query_waits_for_is_a_story_of_its_own() {
    let unsent = book(&[(1, query(42, vec![Fact::DataUploaded]))]);
    let elsewhere = Route { municipality: "0101".parse().unwrap(), ..route() };
    let waiting = book(&[(1, query(42, submitted()))]);
    let reply = arrival(7, Some(42));

    assert_eq!(belongs(&unsent, &reply), (None, Belongs::Unasked));
    assert_eq!(waiting.belongs(&elsewhere, reply.transfer, reply.hash, reply.delivery), (None, Belongs::Unasked));
}

#[test]
fn a_second_reply_to_the_same_query_is_known_as_one() {
    let replied = with(submitted(), [Fact::ReplyFetched(arrival(1, Some(42)))]);
    let book = book(&[(1, query(42, replied)), (2, query(43, submitted()))]);

    assert_eq!(belongs(&book, &arrival(2, Some(42))), (None, Belongs::Second { to: id(1) }));
    let first = arrival(1, Some(42));
    assert_eq!(book.fetched(&first.name), [(first, false)]);
}

#[test]
fn a_better_reply_takes_the_place_of_an_unfit_one() {
    let unfit = [Fact::ReplyFetched(arrival(1, Some(42))), reply_held(unfit_reply())];
    let book = book(&[(1, query(42, with(submitted(), unfit)))]);

    assert_eq!(belongs(&book, &arrival(2, Some(42))), (Some(id(1)), Belongs::Delivery));
    assert_eq!(belongs(&book, &arrival(2, None)), (None, Belongs::Unasked), "order alone replaces nothing");
}

#[test]
fn a_transfer_id_that_was_used_for_other_bytes_belongs_nowhere() {
    let replied = with(submitted(), [Fact::ReplyFetched(arrival(1, Some(42)))]);
    let book = book(&[(1, query(42, replied)), (2, query(43, submitted()))]);
    let reused = Arrival { hash: ContentHash::of(b"other bytes"), ..arrival(1, Some(43)) };

    assert_eq!(belongs(&book, &reused), (None, Belongs::ReusedTransfer { of: id(1) }));
}

#[test]
fn a_query_for_the_same_payment_date_or_month_is_a_second_one_unless_the_first_came_to_nothing() {
    let second_to =
        |book: &Book, date: Date| book.second_to(&route(), date, PaymentMonth::of(date)).map(|exchange| exchange.id);
    let live = book(&[(1, query(42, submitted()))]);
    let rejected = book(&[(1, query(42, with(submitted(), [failure()])))]);
    let not_sent = book(&[(1, query(42, with(doubtful(), [settled(false), Fact::SetAside])))]);

    assert_eq!(second_to(&live, DATE), Some(id(1)));
    assert_eq!(second_to(&live, Date::constant(2026, 12, 1)), Some(id(1)), "another day of the same month");
    assert_eq!(second_to(&live, Date::constant(2027, 1, 29)), None);
    assert_eq!(second_to(&rejected, DATE), None);
    assert_eq!(second_to(&not_sent, DATE), None);
    assert!(not_sent.is_used(&accepted(42).remote_name), "its name is used for ever all the same");
}

#[test]
fn a_query_that_came_to_nothing_and_then_counts_after_all_holds_the_second_one_before_its_intent() {
    // Given a rejected query, and a second one for its payment date on its way
    let tidied = Fact::Tidied { left: vec![] };
    let rejected = query(42, with(submitted(), [failure(), tidied]));
    let ready = query(43, vec![Fact::DataUploaded, staged()]);
    let before = book(&[(1, rejected.clone()), (2, ready.clone())]);
    let rivals = |book: &Book| book.rivals_of(book.get(id(2)).unwrap());
    assert_eq!(rivals(&before), []);

    // When the hub says that it has the first all the same
    let second = HoldReason::SecondQuery { other: id(1), payment_date: DATE };
    let back = book(&[(1, rejected.clone()), (2, ready.clone()), (1, vec![success()])]);

    // Then the second is held, until a person lets it pass
    assert_eq!(rivals(&back), std::slice::from_ref(&second));
    let held = Fact::QueryHeld { reasons: vec![second] };
    let seen = Seen { reply: None, register_head: 0 };
    let let_pass = vec![held, Fact::Approved { decision: decision(), seen }, staged()];
    let passed = book(&[(1, rejected), (2, ready), (1, vec![success()]), (2, let_pass.clone())]);
    assert_eq!(rivals(&passed), []);
    let known_before =
        with(vec![Fact::Accepted(accepted(43))], with(let_pass[..2].to_vec(), [Fact::DataUploaded, staged()]));
    assert_eq!(rivals(&book(&[(1, query(42, submitted())), (2, known_before)])), []);
}

#[test]
fn a_late_reply_of_a_query_whose_wait_was_given_up_is_not_the_next_querys() {
    let given_up = [success(), Fact::Declined { decision: decision() }, Fact::Tidied { left: vec![] }];
    let given_up = query(42, with(submitted(), given_up));
    let stories = [(1, given_up), (2, query(43, submitted()))];
    let waiting = book(&stories);
    let late = (None, Belongs::GivenUp { of: id(1) });

    assert_eq!(belongs(&waiting, &arrival(7, Some(42))), late, "it echoes its number");
    assert_eq!(belongs(&waiting, &arrival(7, None)), late, "it may be either's, and the first is the one that is late");
    assert_eq!(belongs(&waiting, &arrival(7, Some(43))), (Some(id(2)), Belongs::Delivery));
    // What has come for it is not waited for again
    let came = Fact::ReplyFetched(Arrival { belongs: late.1, ..arrival(7, None) });
    let after = book(&[stories[0].clone(), stories[1].clone(), (3, vec![came])]);
    assert_eq!(belongs(&after, &arrival(8, None)), (Some(id(2)), Belongs::Order));
}

#[test]
fn a_success_receipt_stops_a_query_that_is_held_after_an_attempt_whatever_holds_it() {
    let held = Fact::QueryHeld { reasons: vec![HoldReason::ManyAttempts { attempts: 10 }] };

    let before_any = story(std::slice::from_ref(&held));
    let after_one = story(&[Fact::DataUploaded, staged(), intended(), not_made(), held]);

    assert!(before_any.after(at(20), &success()).is_err(), "no trigger was ever asked for");
    assert_eq!(after_one.after(at(20), &success()).unwrap().state, State::Receipted);
    assert!(after_one.awaits_reply(), "a reply would prove it, too");
}

#[test]
fn an_exchange_with_an_impossible_fact_is_broken_and_the_others_go_on() {
    let mut book = book(&[(1, query(42, submitted())), (2, query(43, submitted()))]);

    book.take_in(11, id(1), at(11), &Fact::HandedOver);
    book.take_in(12, id(3), at(12), &Fact::TriggerMade);

    assert_eq!(book.open().map(|exchange| exchange.id).collect::<Vec<_>>(), [id(2)]);
    assert_eq!(book.broken(id(1)), Some("handed_over cannot follow submitted"));
    assert_eq!(book.broken(id(3)), Some("trigger_made cannot follow nothing"));
    assert_eq!(book.waiting_for_person().map(|exchange| exchange.id).collect::<Vec<_>>(), [id(1)]);
    assert_eq!(book.second_to(&route(), DATE, PaymentMonth::of(DATE)).map(|exchange| exchange.id), Some(id(1)));
}

#[test]
fn the_mark_of_a_register_is_its_last_applied_reply_even_if_an_older_one_was_approved() {
    let done = |number, delivery| {
        let facts = [Fact::ReplyFetched(arrival(number, Some(delivery))), applied(delivery)];
        (number, query(delivery, with(submitted(), facts)))
    };
    let book = book(&[done(1, 43), done(2, 42)]);

    let mark = book.register(&route()).unwrap();

    assert_eq!((mark.head, mark.delivery), (14, Some(DeliveryNumber(42))));
    assert_eq!(book.next_delivery(&route()), DeliveryNumber(44));
    assert_eq!(book.open().count(), 2, "applied is not yet handed over");
    assert_eq!(book.due().count(), 2);
}

#[test]
fn what_waits_for_others_is_open_and_has_nothing_due() {
    let mut book = book(&[(1, query(42, submitted())), (2, query(43, vec![]))]);
    assert_eq!(book.open().count(), 2);
    assert_eq!(book.due().map(|exchange| exchange.id).collect::<Vec<_>>(), [id(2)]);

    book.take_in(20, id(1), at(20), &Fact::ReplyFetched(arrival(1, Some(42))));
    book.take_in(21, id(2), at(21), &Fact::HandedOver);

    assert_eq!(book.due().map(|exchange| exchange.id).collect::<Vec<_>>(), [id(1)], "a broken one is left alone");
}
