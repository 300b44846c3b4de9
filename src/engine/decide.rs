//! A person's decision on what waits for one: which fact it is, or why it cannot be made. Decides only; the same
//! while the daemon runs and when it does not.

use serde::{Deserialize, Serialize};

use super::snapshot::{Choice, HeldItem, seen};
use crate::domain::exchange::fact::{Decision, Seen};
use crate::domain::exchange::hold::HoldReason;
use crate::domain::exchange::{Book, Exchange, Fact, State};
use crate::domain::identity::FileId;
use crate::domain::moment::Moment;
use crate::domain::person::mask_in_text;

/// Reasons are kept for years and read by others: long enough to say why, short enough to be read.
const REASON_CHARS_MAX: usize = 500;

/// What a person wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// An id, or an unambiguous beginning of one.
    pub id: String,
    pub verdict: Verdict,
    pub reason: String,
    /// What `held` showed. None: whatever is there now.
    pub seen: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Approve,
    Refuse,
    SettleSent,
    SettleNotSent,
    /// Take a query back that the hub cannot have yet.
    Withdraw,
}

/// Why a decision was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDecided {
    #[error("no exchange has an id that begins with `{0}`")]
    Unknown(String),
    #[error("`{0}` is the beginning of more than one exchange's id, give more of it")]
    Ambiguous(String),
    #[error("exchange {id} is {state}: {why}")]
    NotNow { id: FileId, state: String, why: String },
    #[error("exchange {id} has moved on since you looked at it; look again with `sluse held` or `sluse explain`")]
    MovedOn { id: FileId },
    /// The reply must be compared again with the register of today before anybody can decide.
    #[error(
        "the register of exchange {id} has moved on since the reply was held; it is compared again, look again with `sluse held`"
    )]
    Stale { id: FileId },
    #[error("a reason is needed, of at most {REASON_CHARS_MAX} characters and without a CPR number")]
    BadReason,
}

/// The fact that this decision is.
pub fn decide(book: &Book, ask: &Ask, who: &str, now: Moment) -> Result<(FileId, Fact), NotDecided> {
    let exchange = find(book, &ask.id)?;
    let id = exchange.id;
    if !is_good(&ask.reason) {
        return Err(NotDecided::BadReason);
    }
    has_not_moved_on(book, exchange, ask.seen.as_deref())?;
    let fact = fact_of(book, exchange, ask.verdict, decision(who, &ask.reason))?;
    match book.weigh(id, now, &fact) {
        Ok(_) => Ok((id, fact)),
        Err(impossible) => Err(not_now(exchange, impossible.to_string())),
    }
}

fn fact_of(book: &Book, exchange: &Exchange, verdict: Verdict, decision: Decision) -> Result<Fact, NotDecided> {
    let not_now = |why: &str| Err(not_now(exchange, why));
    let register_head = register_head(book, exchange);
    let choice = HeldItem::of(exchange, book.broken(exchange.id), register_head).map(|item| item.choice);
    Ok(match (verdict, &exchange.state) {
        _ if choice == Some(Choice::Nothing) => return not_now("its journal says something impossible"),
        (Verdict::Withdraw, _) => match why_not_withdrawn(exchange) {
            Some(why) => return not_now(why),
            None => Fact::Withdrawn { decision },
        },
        // Giving up the wait for a reply that will not come.
        (Verdict::Refuse, State::Submitted | State::Receipted) => Fact::Declined { decision },
        // Approved after a backup was put back: until its trigger is intended it can be stopped.
        (Verdict::Refuse, State::Accepted | State::Uploaded { .. } | State::Staged { .. }) if exchange.is_restored => {
            Fact::Declined { decision }
        }
        _ if choice.is_none() => return not_now("it does not wait for a person"),
        (Verdict::SettleSent | Verdict::SettleNotSent, State::InDoubt { .. }) => {
            Fact::Settled { sent: verdict == Verdict::SettleSent, decision }
        }
        (Verdict::SettleSent, State::QueryHeld { reasons, .. }) if reasons.contains(&HoldReason::MaybeSent) => {
            Fact::Settled { sent: true, decision }
        }
        (Verdict::SettleSent | Verdict::SettleNotSent, _) => return not_now("only what is in doubt is settled"),
        (_, State::InDoubt { .. }) => return not_now("settle it: `sluse settle ID --sent` or `--not-sent`"),
        (Verdict::Refuse, _) => Fact::Declined { decision },
        (Verdict::Approve, _) if !matches!(choice, Some(Choice::ApproveOrRefuse | Choice::SendOrSettle)) => {
            return not_now("what is unfit cannot be approved; refuse it, or have a fit one sent");
        }
        (Verdict::Approve, State::ReplyHeld { arrival, reasons, register_head: held_on, .. }) => {
            if !reasons.iter().any(HoldReason::is_about_the_hand_over) && *held_on != register_head {
                return Err(NotDecided::Stale { id: exchange.id });
            }
            Fact::Approved { decision, seen: Seen { reply: Some(arrival.hash), register_head: *held_on } }
        }
        (Verdict::Approve, _) => Fact::Approved { decision, seen: Seen { reply: None, register_head } },
    })
}

/// Why a query cannot be taken back any more, and what can be done instead. None: it can.
pub fn why_not_withdrawn(exchange: &Exchange) -> Option<&'static str> {
    if exchange.query().is_none() {
        return Some("it has no query that could be withdrawn");
    }
    Some(match &exchange.state {
        State::Accepted | State::QueryHeld { .. } | State::Uploaded { .. } | State::Staged { .. } => {
            if exchange.can_be_withdrawn() {
                return None;
            }
            match exchange.state {
                State::QueryHeld { .. } => {
                    "the store was put back from a backup, so the hub may have the query; find out, and decide: `sluse \
                     settle ID --sent`, or `sluse refuse ID`"
                }
                _ => {
                    "the store was put back from a backup and the query approved all the same, so the hub may have it \
                     already; `sluse refuse ID` stops it from being sent (again)"
                }
            }
        }
        State::Submitting { .. } => {
            "its trigger is being made, so the hub may have the query; wait for what comes of it, and look with `sluse \
             explain ID`"
        }
        State::InDoubt { .. } => {
            "its trigger may have been made, so the hub may have the query; find out, and settle it: `sluse settle ID \
             --not-sent` takes it back"
        }
        State::Submitted | State::Receipted => {
            "its trigger was made, so the hub has the query and it cannot be called back; ask UDK to ignore it, or give \
             up the wait for its reply: `sluse refuse ID`"
        }
        State::ReceiptHeld { .. } => {
            "its trigger was made, and the hub has answered; say what the answer means: `sluse approve ID` (it was \
             rejected) or `sluse refuse ID`"
        }
        State::ReplyHeld { .. } => "its reply is here; refuse that, if it is not to count: `sluse refuse ID`",
        State::Replied { .. }
        | State::Applied { .. }
        | State::HandOverStaged { .. }
        | State::HandingOver { .. }
        | State::HandedOver
        | State::CommandRan
        | State::Done { .. } => "its query was answered, and what was answered stands in the journal",
        State::Refusing { .. }
        | State::Refused { .. }
        | State::Withdrawing { .. }
        | State::Withdrawn { .. }
        | State::Rejecting { .. }
        | State::Rejected { .. } => "its query has come to nothing already",
    })
}

/// What is journalled of whoever decided.
pub(super) fn decision(who: &str, reason: &str) -> Decision {
    Decision { who: who.to_owned(), reason: reason.trim().to_owned() }
}

/// That what a person saw is still so. Without a mark it is whatever is there now.
pub(super) fn has_not_moved_on(book: &Book, exchange: &Exchange, mark: Option<&str>) -> Result<(), NotDecided> {
    match mark {
        Some(mark) if mark != seen(exchange, register_head(book, exchange)) => {
            Err(NotDecided::MovedOn { id: exchange.id })
        }
        Some(_) | None => Ok(()),
    }
}

pub(super) fn register_head(book: &Book, exchange: &Exchange) -> u64 {
    book.register(&exchange.route).map_or(0, |mark| mark.head)
}

pub(super) fn not_now(exchange: &Exchange, why: impl Into<String>) -> NotDecided {
    NotDecided::NotNow { id: exchange.id, state: exchange.state.name().to_owned(), why: why.into() }
}

/// The exchange that a person means by an id's beginning.
pub fn find<'b>(book: &'b Book, id: &str) -> Result<&'b Exchange, NotDecided> {
    let wanted = id.to_ascii_lowercase();
    let mut found = book.all().filter(|exchange| wanted.len() >= 4 && exchange.id.to_string().starts_with(&wanted));
    match (found.next(), found.next()) {
        (Some(exchange), None) => Ok(exchange),
        (None, _) => Err(match book.unread().iter().find(|unread| unread.id.to_string().starts_with(&wanted)) {
            Some(unread) if wanted.len() >= 4 => {
                let why = "its journal is not understood by this version".to_owned();
                NotDecided::NotNow { id: unread.id, state: "held".to_owned(), why }
            }
            Some(_) | None => NotDecided::Unknown(id.to_owned()),
        }),
        (Some(_), Some(_)) => Err(NotDecided::Ambiguous(id.to_owned())),
    }
}

/// Whether a person's reason may be kept: something is said, not too much, and nothing that could be a CPR number.
pub fn is_good(reason: &str) -> bool {
    !reason.trim().is_empty() && reason.chars().count() <= REASON_CHARS_MAX && mask_in_text(reason) == reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_with_what_could_be_a_cpr_number_is_not_kept() {
        for reason in
            ["0707614285", "of 070761-4285", "070761/4285", "070761.4285", "070761 4285", "07 07 61 4285", "", "  "]
        {
            assert!(!is_good(reason), "{reason}");
        }
        assert!(!is_good(&"x".repeat(REASON_CHARS_MAX + 1)));
        assert!(is_good("agreed by telephone on 2026-12-01, case 20-4711"));
    }
}
