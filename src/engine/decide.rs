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
    #[error("exchange {id} has moved on since you looked at it; look again with `sluse held`")]
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
    let register_head = book.register(&exchange.route).map_or(0, |mark| mark.head);
    let not_now = |why: &str| NotDecided::NotNow { id, state: exchange.state.name().to_owned(), why: why.to_owned() };
    if !is_good(&ask.reason) {
        return Err(NotDecided::BadReason);
    }
    if ask.seen.as_ref().is_some_and(|mark| *mark != seen(exchange, register_head)) {
        return Err(NotDecided::MovedOn { id });
    }
    if book.broken(id).is_some() {
        return Err(not_now("its journal cannot be followed, and nothing is put behind that"));
    }
    let decision = Decision { who: who.to_owned(), reason: ask.reason.trim().to_owned() };
    if let (Verdict::Refuse, State::Submitted | State::Receipted) = (ask.verdict, &exchange.state) {
        // Giving up the wait for a reply that will not come.
        return Ok((id, Fact::Declined { decision }));
    }
    let Some(item) = HeldItem::of(exchange, None, register_head) else {
        return Err(not_now("it does not wait for a person"));
    };
    let fact = match (ask.verdict, &exchange.state) {
        (Verdict::SettleSent | Verdict::SettleNotSent, State::InDoubt { .. }) => {
            Fact::Settled { sent: ask.verdict == Verdict::SettleSent, decision }
        }
        (Verdict::SettleSent | Verdict::SettleNotSent, _) => return Err(not_now("only what is in doubt is settled")),
        (_, State::InDoubt { .. }) => {
            return Err(not_now("settle it: `sluse settle ID --sent` or `--not-sent`"));
        }
        (Verdict::Refuse, _) => Fact::Declined { decision },
        (Verdict::Approve, _) if item.choice != Choice::ApproveOrRefuse => {
            return Err(not_now("what is unfit cannot be approved; refuse it, or have a fit one sent"));
        }
        (Verdict::Approve, State::ReplyHeld { arrival, reasons, register_head: held_on, .. }) => {
            if !reasons.iter().any(HoldReason::is_about_the_hand_over) && *held_on != register_head {
                return Err(NotDecided::Stale { id });
            }
            Fact::Approved { decision, seen: Seen { reply: Some(arrival.hash), register_head: *held_on } }
        }
        (Verdict::Approve, _) => Fact::Approved { decision, seen: Seen { reply: None, register_head } },
    };
    match book.weigh(id, now, &fact) {
        Ok(_) => Ok((id, fact)),
        Err(impossible) => Err(not_now(&impossible.to_string())),
    }
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
