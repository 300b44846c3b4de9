//! One log line per recorded fact, for a stranger at night: a sentence that stays the same, and fields.

use tracing::{error, info, warn};

use super::places::short_id;
use crate::domain::envelope::ReceiptOutcome;
use crate::domain::exchange::{Exchange, Fact};

/// Tells of a fact; `exchange` is as it is after it.
pub fn tell(exchange: &Exchange, fact: &Fact) {
    let (id, municipality) = (short_id(exchange.id), exchange.route.municipality);
    match fact {
        Fact::Accepted(query) => info!(
            exchange = %id, %municipality, name = %query.original_name, remote_name = %query.remote_name,
            bytes = query.size, payment_date = %query.payment_date, delivery = %query.delivery,
            retry_of = query.retry_of.map(short_id), "query accepted"
        ),
        Fact::Unfit(unfit) => error!(
            exchange = %id, %municipality, name = %unfit.original_name, finding = %unfit.finding,
            "file refused: it goes to refused/, put a corrected one into the outbox"
        ),
        Fact::QueryHeld { reasons } => error!(
            exchange = %id, %municipality, reason = %first(reasons), "query held: decide with `sluse held`"
        ),
        Fact::DataUploaded => info!(exchange = %id, %municipality, "data uploaded, its size looked up"),
        Fact::DataGone => warn!(exchange = %id, %municipality, "data no longer whole on the far side, uploaded again"),
        Fact::TriggerStaged { .. } => info!(exchange = %id, %municipality, "trigger staged under its part name"),
        Fact::RenameUnavailable { why } => {
            info!(exchange = %id, %municipality, %why, "trigger will be made by writing, not by rename");
        }
        Fact::TriggerIntended { .. } => {
            info!(exchange = %id, %municipality, attempt = exchange.attempts, "trigger intended");
        }
        Fact::TriggerMade => info!(exchange = %id, %municipality, "query submitted"),
        Fact::TriggerNotMade { evidence } => {
            warn!(exchange = %id, %municipality, %evidence, "trigger was not made, it will be made again");
        }
        Fact::Doubted { trouble } => {
            warn!(exchange = %id, %municipality, %trouble, "in doubt whether the trigger was made");
        }
        Fact::TriggerFound { evidence } => {
            info!(exchange = %id, %municipality, %evidence, "doubt settled: query was submitted");
        }
        Fact::Settled { sent, decision } => {
            info!(exchange = %id, %municipality, sent, who = %decision.who, "doubt settled by a person");
        }
        Fact::Withdrawn { decision } => {
            info!(exchange = %id, %municipality, who = %decision.who, "withdrawn by a person");
        }
        Fact::Retried { by, decision } => {
            info!(exchange = %id, %municipality, by = %short_id(*by), who = %decision.who, "retried by a person");
        }
        Fact::ReceiptRead { outcome: ReceiptOutcome::Success, .. } if exchange.is_refused() => error!(
            exchange = %id, %municipality, state = exchange.state.name(),
            "the hub has a query that was taken for refused: it counts, do not send another"
        ),
        Fact::ReceiptRead { outcome: ReceiptOutcome::Success, .. } => {
            info!(exchange = %id, %municipality, "receipt read: the hub has the query");
        }
        Fact::ReceiptRead { outcome: ReceiptOutcome::Failure { errors }, .. } => error!(
            exchange = %id, %municipality, said = %errors.first().map(ToString::to_string).unwrap_or_default(),
            "error receipt read: see `sluse explain`"
        ),
        Fact::ReplyFetched(arrival) => info!(
            exchange = %id, %municipality, name = %arrival.name, bytes = arrival.size, "reply fetched"
        ),
        Fact::ReplyHeld { reasons, .. } if exchange.state.is_held_before_hand_over() => error!(
            exchange = %id, %municipality, reason = %first(reasons), "hand-over held: decide with `sluse held`"
        ),
        Fact::ReplyHeld { reasons, .. } => error!(
            exchange = %id, %municipality, reason = %first(reasons), "reply held: decide with `sluse held`"
        ),
        Fact::Approved { decision, .. } => {
            info!(exchange = %id, %municipality, who = %decision.who, "approved by a person");
        }
        Fact::Declined { decision } => {
            info!(exchange = %id, %municipality, who = %decision.who, "refused by a person");
        }
        Fact::Applied { summary, .. } => {
            info!(
                exchange = %id, %municipality, agreements = summary.after_count, new = summary.new,
                changed = summary.changed, ended = summary.ended, resumed = summary.resumed, "reply applied to the register"
            );
            // After a restore the reply may have been handed over before.
            if let Some(reasons) = exchange.held() {
                error!(exchange = %id, %municipality, reason = %first(&reasons), "hand-over held: decide with `sluse held`");
            }
        }
        Fact::HandOverStaged { .. } => info!(exchange = %id, %municipality, "reply staged in the inbox"),
        Fact::HandOverLost => {
            warn!(exchange = %id, %municipality, "what was staged in the inbox is gone, staged again");
        }
        Fact::HandOverIntended => info!(exchange = %id, %municipality, "hand-over intended"),
        Fact::HandedOver => info!(exchange = %id, %municipality, "reply handed over to the inbox"),
        Fact::CommandRan { .. } => info!(exchange = %id, %municipality, "hand-over command ran"),
        Fact::Tidied { left } if left.is_empty() => {
            info!(exchange = %id, %municipality, state = exchange.state.name(), "far side tidied");
        }
        Fact::Tidied { left } => {
            warn!(exchange = %id, %municipality, ?left, "far side tidied but for what could not be removed");
        }
        Fact::StoreRestored => warn!(
            exchange = %id, %municipality, state = exchange.state.name(),
            "store put back from a backup: what happened here since is not known"
        ),
        Fact::SetAside => {
            info!(exchange = %id, %municipality, state = exchange.state.name(), "file set aside");
        }
    }
}

fn first(reasons: &[crate::domain::exchange::hold::HoldReason]) -> String {
    reasons.first().map(ToString::to_string).unwrap_or_default()
}
