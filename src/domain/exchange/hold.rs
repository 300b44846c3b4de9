//! Why something waits for a person. Each reason says itself in a sentence, without personal data.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::domain::amount::Oere;
use crate::domain::envelope::ReceiptError;
use crate::domain::identity::{DeliveryNumber, FileId};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum HoldReason {
    #[error("a query for payment date {payment_date} or its month is already under way or done: exchange {other}")]
    SecondQuery { other: FileId, payment_date: Date },
    #[error("payment date {payment_date} was past when the query came, on {on}")]
    PaymentPast { payment_date: Date, on: Date },
    #[error("the file was changed after it was claimed: {what}; what would be sent is the copy made at the claim")]
    OriginalChanged { what: String },
    #[error("the hub sent an error receipt, but more than one trigger may have reached it: {}", first_error(errors))]
    ErrorReceiptAfterDoubt { errors: Vec<ReceiptError> },
    #[error(
        "the hub sent an error receipt and a success receipt for the one trigger that was made: {}",
        first_error(errors)
    )]
    ReceiptsDisagree { errors: Vec<ReceiptError> },
    #[error("the reply is unfit: {finding}")]
    UnfitReply { finding: String },
    #[error("the reply ends {ended} of {of} agreements, more than {limit_percent} %")]
    EndsMany { ended: u64, of: u64, limit_percent: u8 },
    #[error("the reply ends all {of} agreements of the register")]
    EndsAll { of: u64 },
    #[error("the monthly total goes from {before} kr to {after} kr, more than {limit_percent} %")]
    TotalJumps { before: Oere, after: Oere, limit_percent: u8 },
    #[error(
        "one agreement's monthly amount is {after} kr where {before} kr was the most to expect, over {factor} times as much"
    )]
    AmountJumps { before: Oere, after: Oere, factor: i64 },
    #[error("the reply's delivery number {delivery} is older than {applied}, the last one applied")]
    OlderDelivery { delivery: DeliveryNumber, applied: DeliveryNumber },
    #[error("the reply belongs to its query only by order: it does not echo the query's delivery number {asked}")]
    ByOrderOnly { asked: DeliveryNumber },
    #[error("nobody asked for this reply: no query of this municipality waits for one")]
    Unasked,
    #[error("the query of exchange {to} already has a reply")]
    SecondReply { to: FileId },
    #[error(
        "the wait for the reply of exchange {of} was given up, and this is that reply or may be it; approved, it counts as a \
         reply that nobody asked for"
    )]
    GivenUp { of: FileId },
    #[error("the transfer id was used before, in exchange {of}, for other bytes")]
    ReusedTransfer { of: FileId },
    #[error("the inbox already holds a file named {name}, and nothing is ever written over")]
    InboxNameTaken { name: String },
    #[error("the inbox folder is another one than the reply was put into, so whether it was handed over is unknown")]
    InboxReplaced,
    #[error("the trigger was tried {attempts} times and never made; look at the far side before it goes on")]
    ManyAttempts { attempts: u32 },
    #[error("delivery number {delivery} was used before, by exchange {other}; a reply could not be told apart")]
    DeliveryUsed { delivery: DeliveryNumber, other: FileId },
    #[error(
        "the store was put back from a backup, and this query may have been sent since: ask UDK, or look into OUT. Approved, \
         it is sent (again); if it was sent, settle it as sent"
    )]
    MaybeSent,
    #[error(
        "the store was put back from a backup, and this reply may have been handed over since: look into the benefit system. \
         Approved, it is handed over (again); refused, only the hand-over is left out"
    )]
    MaybeHandedOver,
    #[error(
        "the journal's entry of exchange {other} is not understood, so whether this query was sent before is unknown"
    )]
    UnreadStory { other: FileId },
    #[error("the journal says something impossible of this exchange: {what}")]
    Impossible { what: String },
}

impl HoldReason {
    /// Whether a person may let it pass. What is not whole, or not understood, may only be refused.
    pub fn can_be_approved(&self) -> bool {
        match self {
            HoldReason::UnfitReply { .. } | HoldReason::Impossible { .. } => false,
            HoldReason::SecondQuery { .. }
            | HoldReason::PaymentPast { .. }
            | HoldReason::OriginalChanged { .. }
            | HoldReason::ErrorReceiptAfterDoubt { .. }
            | HoldReason::ReceiptsDisagree { .. }
            | HoldReason::EndsMany { .. }
            | HoldReason::EndsAll { .. }
            | HoldReason::TotalJumps { .. }
            | HoldReason::AmountJumps { .. }
            | HoldReason::OlderDelivery { .. }
            | HoldReason::ByOrderOnly { .. }
            | HoldReason::Unasked
            | HoldReason::SecondReply { .. }
            | HoldReason::GivenUp { .. }
            | HoldReason::ReusedTransfer { .. }
            | HoldReason::InboxNameTaken { .. }
            | HoldReason::InboxReplaced
            | HoldReason::ManyAttempts { .. }
            | HoldReason::DeliveryUsed { .. }
            | HoldReason::MaybeSent
            | HoldReason::MaybeHandedOver
            | HoldReason::UnreadStory { .. } => true,
        }
    }
}

impl HoldReason {
    /// Whether the reply is in the register already and only its hand-over waits.
    pub fn is_about_the_hand_over(&self) -> bool {
        matches!(self, HoldReason::InboxNameTaken { .. } | HoldReason::InboxReplaced | HoldReason::MaybeHandedOver)
    }
}

fn first_error(errors: &[ReceiptError]) -> String {
    errors.first().map_or_else(|| "no text".to_owned(), ToString::to_string)
}
