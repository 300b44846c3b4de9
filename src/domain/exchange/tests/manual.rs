//! The manual's page of states, `docs/states.md`: what a state means is written here; what comes next, what a person can
//! do and what it then is are asked of the code. `SLUSE_UPDATE=1 cargo test states` writes it anew.

use std::fmt::Write;

use super::*;

const OPENING: &str = "\
# The states of an exchange

An exchange is one query with its receipt and its reply; a file that is no fit query and a reply that nobody asked for have a story of
their own, too. `sluse status` shows where each municipality's most urgent one stands, `sluse explain ID` its whole story. A municipality
without any has `no query yet`.

```text
accepted → uploaded → submitting → submitted → receipted → replied → applied → handed over → done
                          ↓
                       in doubt
```

Until **submitting** the hub cannot have the query; from then on it is never sent a second time. **held** and **in doubt** wait for a person (or
for the far side to settle it). **done**, **refused**, **withdrawn**, **rejected** and **given up** are ends. That something is overdue is no state:
`sluse status` says it beside one, as do the [alarms](alarms.md).

This page is made from the program's own table of states.
";

const REASONS: &str = "
## Why something is held

`sluse held` says which of these it is, with the numbers. What is not fit can only be refused, or replaced by a fit one from the sender.

| what it says, for instance | it can be approved |
|---|---|
";

/// What states that people see as one have in common: its name, told apart where one name stands for several, and what
/// it means.
fn told(state: &State) -> (&'static str, &'static str) {
    match state {
        State::Accepted => (
            "accepted",
            "The query was taken out of the outbox, copied into the archive and journalled. Nothing of it is on the far side.",
        ),
        State::QueryHeld { reasons, .. } if reasons.contains(&HoldReason::MaybeSent) => (
            "held: a query after a backup was put back",
            "Between that backup and now the query may have been sent; only UDK knows ([backup](backup.md)).",
        ),
        State::QueryHeld { .. } => ("held: a query", "The query is fit, and surprising. Nothing is sent."),
        State::Uploaded { .. } | State::Staged { .. } => {
            ("uploaded", "The data lies whole in OUT. Its trigger is not visible, so nobody there takes it.")
        }
        State::Submitting { .. } => {
            ("submitting", "It is on record that the trigger is made visible. From here on the hub may have the query.")
        }
        State::InDoubt { way: TriggerWay::Rename { .. }, .. } => (
            "in doubt: the trigger is made by a rename",
            "The connection or the daemon broke off just then. Nothing is sent meanwhile.",
        ),
        State::InDoubt { way: TriggerWay::Write, .. } => (
            "in doubt: the trigger is written in place",
            "The connection or the daemon broke off just then, and this server takes no rename, so that looking proves nothing. Nothing is sent \
             meanwhile.",
        ),
        State::Submitted => (
            "submitted",
            "The trigger is visible: the query is sent. The hub's receipt is due within `receipt_within`. Refusing it gives up the wait; the query \
             still counts.",
        ),
        State::Receipted => (
            "receipted",
            "The hub says that it has the query. UDK's reply is due within `reply_within`. Refusing it gives up the wait; the query still counts.",
        ),
        State::ReceiptHeld { .. } => (
            "held: an error receipt",
            "The hub says that it failed, and has also said the contrary, or may mean a second copy.",
        ),
        State::Replied { .. } => {
            ("replied", "The reply lies in the archive, byte for byte. The register is as it was.")
        }
        State::ReplyHeld { .. } if state.is_held_before_hand_over() => (
            "held: the hand-over",
            "The register holds the reply. Whether, or how, it can be put into the inbox is for a person to say.",
        ),
        State::ReplyHeld { reasons, .. } if reasons.iter().all(HoldReason::can_be_approved) => (
            "held: a surprising reply",
            "The reply is fit, and changes or ends more than the settings expect, or is not the one that was waited for. The register is as it was.",
        ),
        State::ReplyHeld { .. } => (
            "held: an unfit reply",
            "The reply breaks a rule of its layout, or is another municipality's. The register is as it was. A fit one is taken when it comes.",
        ),
        State::Applied { .. } | State::HandOverStaged { .. } | State::HandingOver { .. } => (
            "applied",
            "The register holds the reply, with its history, in one transaction. The benefit system has not got it yet.",
        ),
        State::HandedOver | State::CommandRan => {
            ("handed over", "Reply and change list lie in the inbox under their names.")
        }
        State::Done { .. } => {
            ("done", "All is done. What could not be removed on the far side is told by `sluse explain ID`.")
        }
        State::Refusing { .. } | State::Refused { .. } => (
            "refused",
            "No fit query or reply, or a person turned it down. The file lies in `refused/` of the state folder with the reason beside it, and in the \
             archive. A refused query does not count, and can be sent again.",
        ),
        State::Withdrawing { .. } | State::Withdrawn { .. } => (
            "withdrawn",
            "A person took the query back before its trigger was made. It does not count, and can be sent again.",
        ),
        State::Rejecting { .. } | State::Rejected { .. } => {
            ("rejected", "The hub refused the query by an error receipt. It does not count: nothing was asked.")
        }
    }
}

/// The command of a person's fact, and its label in [`facts`].
const COMMANDS: &[(&str, &str)] = &[
    ("approved", "sluse approve ID"),
    ("declined", "sluse refuse ID"),
    ("settled as sent", "sluse settle ID --sent"),
    ("settled as not sent", "sluse settle ID --not-sent"),
    ("withdrawn", "sluse withdraw ID"),
    ("retried", "sluse retry ID"),
];

/// Samples that people see as one, in the order in which a file travels.
struct Section {
    heading: &'static str,
    meaning: &'static str,
    exchanges: Vec<Exchange>,
}

fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for state in states() {
        let (heading, meaning) = told(&state);
        let exchange = exchange_in(state);
        // One that was tried before may be there already; that is told of what may have been sent.
        let was_tried = exchange.submitted_at.is_some() || exchange.is_restored || !exchange.can_be_withdrawn();
        let attempts = u32::from(was_tried);
        let exchange = Exchange { attempts, ..exchange };
        match sections.iter_mut().find(|section| section.heading == heading) {
            Some(section) => section.exchanges.push(exchange),
            None => sections.push(Section { heading, meaning, exchanges: vec![exchange] }),
        }
    }
    let declined = Some(Declined { what: GivenUp::Wait, decision: decision() });
    let given_up = Exchange { declined, ..exchange_in(State::Done { left: vec![] }) };
    sections.push(Section {
        heading: "given up",
        meaning: "A person gave up the wait for the reply, or the hand-over. The query still counts, and a reply that comes all the same is held.",
        exchanges: vec![given_up],
    });
    sections
}

impl Section {
    /// What of each sample is different, once.
    fn each(&self, of: impl Fn(&Exchange) -> Vec<String>) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for said in self.exchanges.iter().flat_map(of) {
            if !found.contains(&said) {
                found.push(said);
            }
        }
        found
    }

    fn show(&self) -> String {
        let Section { heading, meaning, .. } = self;
        let next = self.each(|exchange| vec![without_samples(exchange.next_step())]);
        let decisions = self.each(|exchange| {
            let can = COMMANDS.iter().filter(|(label, _)| exchange.after(at(1), &fact(label)).is_ok());
            can.map(|(_, command)| format!("`{command}`")).collect()
        });
        let becomes = self.each(|exchange| {
            let after = facts().into_iter().filter_map(|(_, fact)| exchange.after(at(1), &fact).ok());
            let name = exchange.state_name();
            after.map(|next| next.state_name().to_owned()).filter(|next| next != name).collect()
        });
        let or_none = |list: Vec<String>, none: &str| if list.is_empty() { none.to_owned() } else { list.join(", ") };
        let mut text = format!("\n## {heading}\n\n{meaning}\n\n- What comes next: {}.\n", next.join("; then: "));
        let _ = writeln!(text, "- A person can: {}.", or_none(decisions, "nothing, and need not"));
        let _ = writeln!(text, "- It can become: {}.", or_none(becomes, "nothing else"));
        text
    }
}

/// What only a sample has said.
fn without_samples(next: String) -> String {
    let told = ["nothing: unfit", "nothing: a person asked", "nothing: the wait for the reply was given up by"];
    match told.iter().any(|sample| next.starts_with(sample)) {
        true => "nothing; `sluse explain ID` says why".to_owned(),
        false => next,
    }
}

fn fact(label: &str) -> Fact {
    facts().into_iter().find(|(of, _)| of == label).map(|(_, fact)| fact).expect("a label of the samples")
}

/// One of each, as it is told.
fn reasons() -> Vec<HoldReason> {
    let oere = |kroner: i64| crate::domain::amount::Oere(kroner * 100);
    vec![
        HoldReason::SecondQuery { other: id(2), payment_date: DATE },
        HoldReason::DeliveryUsed { delivery: DeliveryNumber(42), other: id(2) },
        HoldReason::PaymentPast { payment_date: DATE, on: DATE.tomorrow().unwrap() },
        HoldReason::OriginalChanged { what: "its size".into() },
        HoldReason::ManyAttempts { attempts: 5 },
        HoldReason::MaybeSent,
        HoldReason::UnreadStory { other: id(2) },
        HoldReason::ErrorReceiptAfterDoubt { errors: errors() },
        HoldReason::ReceiptsDisagree { errors: errors() },
        unfit_reply(),
        HoldReason::EndsMany { ended: 40, of: 100, limit_percent: 20 },
        HoldReason::EndsAll { of: 100 },
        HoldReason::TotalJumps { before: oere(38_472), after: oere(60_000), limit_percent: 30 },
        HoldReason::AmountJumps { before: oere(1_603), after: oere(160_300), factor: 10 },
        HoldReason::OlderDelivery { delivery: DeliveryNumber(41), applied: DeliveryNumber(42) },
        HoldReason::ByOrderOnly { asked: DeliveryNumber(42) },
        HoldReason::Unasked,
        HoldReason::SecondReply { to: id(2) },
        HoldReason::GivenUp { of: id(2) },
        HoldReason::ReusedTransfer { of: id(2) },
        name_taken(),
        HoldReason::InboxReplaced,
        HoldReason::MaybeHandedOver,
        HoldReason::Impossible { what: "the query was applied before it was sent".into() },
    ]
}

fn page() -> String {
    let mut text = OPENING.to_owned();
    for section in sections() {
        text += &section.show();
    }
    text += REASONS;
    for reason in reasons() {
        let can = if reason.can_be_approved() { "yes" } else { "no" };
        let said = reason.to_string().replace(&id(2).to_string(), "3f0f9a2e-5b1c-4d7e-8f90-a1b2c3d4e5f6");
        let _ = writeln!(text, "| {said} | {can} |");
    }
    text
}

#[test]
fn the_manuals_page_of_states_is_as_the_code_has_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/states.md");
    if std::env::var_os("SLUSE_UPDATE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();

    assert!(kept == page(), "docs/states.md is another; write it anew by SLUSE_UPDATE=1 cargo test --lib states");
}

#[test]
fn the_page_of_states_leaves_out_no_name_and_no_reason() {
    let headings: Vec<_> = sections().iter().map(|section| section.heading).collect();
    let variants = |source: &'static str| -> BTreeSet<&str> {
        let word = |text: &'static str| text.split(|c: char| !c.is_alphanumeric()).next().unwrap();
        source.split("HoldReason::").skip(1).map(word).filter(|word| !word.is_empty()).collect()
    };
    let told: BTreeSet<String> = reasons().iter().map(variant_of).collect();

    for state in states() {
        let name = state.name();
        assert!(headings.iter().any(|heading| *heading == name || heading.starts_with(&format!("{name}: "))), "{name}");
    }
    // `can_be_approved` names every one, or it would not compile.
    assert_eq!(told.iter().map(String::as_str).collect::<BTreeSet<_>>(), variants(include_str!("../hold.rs")));
}

fn variant_of(reason: &HoldReason) -> String {
    format!("{reason:?}").split([' ', '{']).next().unwrap().to_owned()
}
