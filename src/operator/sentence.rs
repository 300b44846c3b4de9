//! Every fact of an exchange as one sentence, for `sluse explain`: what happened, with names, sizes and numbers,
//! on what evidence, and where a person decided, who and why. What it was that was decided on, the facts before it say.
//! Start with [`of`].

use super::text::{count, grouped};
use crate::domain::change::ChangeSummary;
use crate::domain::envelope::ReceiptOutcome;
use crate::domain::exchange::fact::{Accepted, Arrival, Belongs, Decision, Seen, TriggerWay};
use crate::domain::exchange::hold::HoldReason;
use crate::domain::exchange::{Exchange, Fact, GivenUp, Origin, State};
use crate::domain::moment::PaymentMonth;

/// What is known of an entry beside its fact.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'s> {
    /// The exchange as it was before; None: it began with this, or what it was cannot be known.
    pub before: Option<&'s Exchange>,
    /// Who recovered the store, and why, where the entry was written by that.
    pub recovered: Option<&'s Decision>,
}

/// What happened. Without personal data, as facts are.
pub fn of(fact: &Fact, Around { before, recovered }: Around<'_>) -> String {
    match fact {
        Fact::Accepted(query) => accepted(query, recovered.is_some()),
        Fact::Unfit(unfit) => format!(
            "{} {} ({}, SHA-256 {}) and is unfit: {}.",
            unfit.original_name,
            came_from(recovered.is_some()),
            count(unfit.size, "byte"),
            unfit.hash.short(),
            unfit.finding
        ),
        Fact::QueryHeld { reasons } => format!("The query is held, nothing is sent: {}.", joined(reasons)),
        Fact::DataUploaded => "The data lies whole in OUT; its size was looked up there.".to_owned(),
        Fact::DataGone => {
            "The data was gone from OUT, or not whole, when the trigger was to be made; it is uploaded again."
                .to_owned()
        }
        Fact::TriggerStaged { part } => {
            format!("The trigger lies whole in OUT under the part name {part}, which nobody takes for a trigger.")
        }
        Fact::RenameUnavailable { why } => {
            format!("The trigger cannot be made by a rename: {why}. It is written under its final name instead.")
        }
        Fact::TriggerIntended { way: TriggerWay::Rename { part } } => {
            format!("Put on record before it was done: {part} is renamed to the trigger, by one request.")
        }
        Fact::TriggerIntended { way: TriggerWay::Write } => {
            "Put on record before it was done: the trigger is written under its final name.".to_owned()
        }
        Fact::TriggerMade => "The trigger is visible: the query is submitted.".to_owned(),
        Fact::TriggerNotMade { evidence } => {
            format!("Proven: the trigger was not made, and that attempt can no longer make it ({evidence}).")
        }
        Fact::Doubted { trouble } => format!("It is unknown whether the trigger was made: {trouble}."),
        Fact::TriggerFound { evidence } => format!("Proven: the trigger was made ({evidence})."),
        Fact::Settled { sent, decision } => {
            let verdict = if *sent { "made" } else { "not made" };
            decided(decision, &format!("settled that the trigger was {verdict}"))
        }
        Fact::Withdrawn { decision } => decided(decision, "withdrew it before the trigger was to be made"),
        Fact::Retried { by, decision } => decided(decision, &format!("had it sent again, as exchange {by}")),
        Fact::ReceiptRead { transfer, name, outcome, .. } => match outcome {
            ReceiptOutcome::Success => {
                format!("The hub's receipt {name} says that it has the query (transfer {transfer}).")
            }
            ReceiptOutcome::Failure { errors } => {
                let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
                format!("The hub's receipt {name} says that it failed (transfer {transfer}): {}.", said.join("; "))
            }
        },
        Fact::ReplyFetched(arrival) => fetched(arrival),
        Fact::ReplyHeld { reasons, summary, .. } => {
            let would = summary.as_ref().map(|summary| format!(" It would change this: {}.", changes(summary)));
            format!("The reply is held: {}.{}", joined(reasons), would.unwrap_or_default())
        }
        Fact::Approved { decision, seen } => decided(decision, &approved(seen, before)),
        Fact::Declined { decision } => decided(decision, &refused(before)),
        Fact::Applied { summary, delivery, as_of } => {
            let delivery = delivery.map(|number| format!(" (delivery {number})")).unwrap_or_default();
            format!("The register holds the reply{delivery}, as of {as_of}: {}.", changes(summary))
        }
        Fact::HandOverStaged { reply, changes, .. } => {
            format!("Reply and change list lie in the inbox under part names, to become {reply} and {changes}.")
        }
        Fact::HandOverLost => {
            "What was staged in the inbox is gone, and it was not handed over; it is staged again.".to_owned()
        }
        Fact::HandOverIntended => {
            "Put on record before it was done: reply and change list get their names in the inbox; \
                                   from here on the benefit system may take them."
                .to_owned()
        }
        Fact::HandedOver => {
            "Reply and change list were handed over: they stood in the inbox under their names.".to_owned()
        }
        Fact::CommandRan { exit: Some(exit) } => {
            format!("The hand-over command ran and ended with exit status {exit}.")
        }
        Fact::CommandRan { exit: None } => "The hand-over command ran and was ended by a signal.".to_owned(),
        Fact::Tidied { left } if left.is_empty() => "Nothing of this exchange is left on the far side.".to_owned(),
        Fact::Tidied { left } => {
            format!("The far side was tidied, but these files could not be removed there: {}.", left.join(", "))
        }
        Fact::StoreRestored => {
            let told = "The store was put back from a backup: what happened here between that backup and this entry is \
                        not on record.";
            match recovered {
                Some(decision) => format!("{told} {}", decided(decision, "recovered it")),
                None => told.to_owned(),
            }
        }
        Fact::SetAside => set_aside(before).to_owned(),
    }
}

fn set_aside(before: Option<&Exchange>) -> &'static str {
    match before.map(|before| (&before.origin, before.touched_out)) {
        Some((Origin::Unfit(_), _)) => "The file lies in refused/, with the reason beside it.",
        Some((Origin::Reply, _)) => {
            "The reply is off the far side; it lies in the archive, and in refused/ with the reason beside it."
        }
        Some((Origin::Query(_), true)) => {
            "The query lies in refused/, with the reason beside it; whatever of it lay in OUT was cleared away."
        }
        Some((Origin::Query(_), false)) => {
            "The query lies in refused/, with the reason beside it; nothing of it was ever put into OUT."
        }
        None => "It lies in refused/, with the reason beside it.",
    }
}

/// What a person let pass, and what it was held against.
fn approved(seen: &Seen, before: Option<&Exchange>) -> String {
    match before.map(|before| &before.state) {
        Some(State::QueryHeld { .. }) => "approved the query: it may be sent".to_owned(),
        Some(State::ReceiptHeld { .. }) => "approved the error receipt: the hub has rejected the query".to_owned(),
        Some(state) if state.is_held_before_hand_over() => {
            "approved the hand-over of the reply, which the register holds already".to_owned()
        }
        _ => format!("approved it{}", having_seen(seen)),
    }
}

/// What a person refused or gave up, and what that does not undo.
fn refused(before: Option<&Exchange>) -> String {
    let told = match before.map(|before| (&before.state, before.gives_up())) {
        Some((_, Some(GivenUp::Wait))) => "gave up the wait for the reply; the query still counts as sent",
        Some((_, Some(GivenUp::HandOver))) => "gave up the hand-over; the register holds the reply all the same",
        Some((_, Some(GivenUp::Reply(name)))) => {
            let waits = match before.is_some_and(|before| before.query().is_some()) {
                true => "; its query waits for another",
                false => "",
            };
            return format!("refused the reply {name}{waits}");
        }
        Some((State::ReceiptHeld { .. }, None)) => "refused the error receipt: the hub has the query all the same",
        Some((State::QueryHeld { .. }, None)) => "refused the query: it is not sent",
        Some((_, None)) | None => "refused it",
    };
    told.to_owned()
}

fn came_from(recovery: bool) -> &'static str {
    match recovery {
        true => "was found here, and in no journal, when the store was recovered",
        false => "was taken out of the outbox",
    }
}

fn accepted(query: &Accepted, recovery: bool) -> String {
    let month = match query.payment_month {
        month if month == PaymentMonth::of(query.payment_date) => String::new(),
        month => format!(" (month {month})"),
    };
    let taken = match query.retry_of {
        None => came_from(recovery).to_owned(),
        Some(former) => format!("of exchange {former} is sent again, from the archive"),
    };
    format!(
        "The query {} {taken} ({}, SHA-256 {}): delivery {}, payment date {}{month}. It travels as {}.",
        query.original_name,
        count(query.size, "byte"),
        query.hash.short(),
        query.delivery,
        query.payment_date,
        query.remote_name
    )
}

fn fetched(arrival: &Arrival) -> String {
    let delivery = match arrival.delivery {
        Some(number) => format!("delivery {number}"),
        None => "no delivery number that can be read".to_owned(),
    };
    let belongs = match &arrival.belongs {
        Belongs::Delivery => "It echoes the query's delivery number".to_owned(),
        Belongs::Order => "It does not echo the query's delivery number, and is the first reply since".to_owned(),
        Belongs::Unasked => "No query waits for it".to_owned(),
        Belongs::Second { to } => format!("The query that it answers, exchange {to}, already has a reply"),
        Belongs::GivenUp { of } => {
            format!("The wait for the reply of exchange {of} was given up, and this is that reply or may be it")
        }
        Belongs::ReusedTransfer { of } => format!("Exchange {of} had the same transfer id with other bytes"),
    };
    format!(
        "The reply {} is in the archive ({}, SHA-256 {}): {delivery}, transfer {}. {belongs}.",
        arrival.name,
        count(arrival.size, "byte"),
        arrival.hash.short(),
        arrival.transfer
    )
}

/// `12 agreements of 19,236.00 kr a month before, …`.
fn changes(summary: &ChangeSummary) -> String {
    if summary.first_load {
        let agreements = count(summary.after_count, "agreement");
        return format!("the first load, {agreements} of {} kr a month", summary.after_total);
    }
    format!(
        "{} of {} kr a month before, {} of {} kr after; {}",
        count(summary.before_count, "agreement"),
        summary.before_total,
        count(summary.after_count, "agreement"),
        summary.after_total,
        tally(summary)
    )
}

/// `2 new, 1 changed, 0 ended, 0 resumed, 9 unchanged`.
pub fn tally(summary: &ChangeSummary) -> String {
    let ChangeSummary { new, changed, ended, resumed, unchanged, .. } = summary;
    [(new, "new"), (changed, "changed"), (ended, "ended"), (resumed, "resumed"), (unchanged, "unchanged")]
        .map(|(number, what)| format!("{} {what}", grouped(*number)))
        .join(", ")
}

fn decided(decision: &Decision, what: &str) -> String {
    format!("A person ({}) {what}. The reason: “{}”.", decision.who, decision.reason)
}

fn having_seen(seen: &Seen) -> String {
    let Some(reply) = &seen.reply else { return String::new() };
    let register = match seen.register_head {
        0 => "an empty register".to_owned(),
        head => format!("the register of journal entry {head}"),
    };
    format!(", having seen the reply with SHA-256 {} and {register}", reply.short())
}

fn joined(reasons: &[HoldReason]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
