//! One exchange, from outbox to register: the facts that happened to it ([`Fact`]), the state that they add up
//! to ([`State`], by [`Exchange::after`]), and the one duty that follows ([`Exchange::duty`]). All three are the
//! same live and in recovery. [`Book`] is all exchanges of the house.

mod after;
pub mod book;
pub mod duty;
pub mod fact;
pub mod gate;
pub mod hold;
#[cfg(test)]
mod tests;
pub mod unread;

use std::fmt;

pub use book::Book;
pub use duty::Duty;
pub use fact::Fact;
use serde::{Deserialize, Serialize};

use super::change::ChangeSummary;
use super::envelope::ReceiptError;
use super::identity::{ContentHash, FileId, RemoteName, Route, TransferId};
use super::moment::Moment;
use super::patience::{Awaited, Expectation, Patience};
use super::retention::Erased;
use fact::{Accepted, Arrival, Decision, TriggerWay, UnfitQuery};
use hold::HoldReason;

/// One exchange: what stays the same, what has been gathered, and the state it is in.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    pub id: FileId,
    pub route: Route,
    pub origin: Origin,
    pub state: State,
    /// When the state was entered.
    pub since: Moment,
    pub begun: Moment,
    /// How often the trigger was intended.
    pub attempts: u32,
    /// Whether it was ever unknown if a trigger had been made.
    pub doubted: bool,
    /// The moment from which receipt and reply are waited for.
    pub submitted_at: Option<Moment>,
    /// Whether bytes of ours may lie in OUT.
    pub touched_out: bool,
    /// How the trigger was last intended to be made. None also once it is proven that it was not.
    pub intended: Option<TriggerWay>,
    /// Part names that were staged, one per attempt.
    pub parts: Vec<RemoteName>,
    pub receipts: Vec<ReadReceipt>,
    /// Every reply that was fetched for it, the last one being the one that counts.
    pub arrivals: Vec<Arrival>,
    /// What persons have let pass.
    pub waived: Vec<HoldReason>,
    /// The exchanges by which persons had its query sent again, the last one last.
    pub retried_by: Vec<FileId>,
    /// Whether the store was put back while it was open, so that its reply may have been handed over before.
    pub is_restored: bool,
    /// What a person refused or gave up last. None also once a reply has come since.
    pub declined: Option<Declined>,
    /// What retention has taken of it since it was over.
    pub erased: Option<Erased>,
}

/// A wait or a step that ended because a person said so, and not because it came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    pub what: GivenUp,
    pub decision: Decision,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// Receipt and reply are not waited for any more. What the hub has, it has: the query still counts.
    Wait,
    /// The register holds the reply; it is not put into the inbox.
    HandOver,
    /// This reply, by its name; its query waits for another.
    Reply(RemoteName),
}

/// How the story began.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    Query(Accepted),
    Unfit(UnfitQuery),
    /// A reply that belongs to no open query.
    Reply,
}

/// A receipt that was read, so that it is known again and can be tidied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadReceipt {
    pub transfer: TransferId,
    pub name: RemoteName,
    pub hash: ContentHash,
    pub is_success: bool,
}

/// Where an exchange stands. Each state carries what is only true in it.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Accepted,
    /// The query waits for a person; `resume` is where it stood.
    QueryHeld {
        reasons: Vec<HoldReason>,
        data_uploaded: bool,
    },
    /// The data is in OUT, and the trigger is to be made as `plan` says.
    Uploaded {
        plan: TriggerPlan,
    },
    /// The trigger lies whole under a part name, to be renamed.
    Staged {
        part: RemoteName,
    },
    /// The trigger may be visible, or become so; nobody has heard of it. Found without a task at work on it,
    /// it is as good as in doubt.
    Submitting {
        way: TriggerWay,
    },
    /// The same, after a failure that leaves it open.
    InDoubt {
        way: TriggerWay,
        trouble: String,
    },
    Submitted,
    Receipted,
    /// An error receipt came, but it may be about a second copy, or the hub has said the contrary as well.
    ReceiptHeld {
        errors: Vec<ReceiptError>,
    },
    /// A reply lies in the archive, to be compared with the register.
    Replied {
        arrival: Arrival,
        approved: Option<Approval>,
    },
    ReplyHeld {
        arrival: Arrival,
        reasons: Vec<HoldReason>,
        register_head: u64,
        summary: Option<ChangeSummary>,
    },
    Applied {
        arrival: Arrival,
    },
    HandOverStaged {
        arrival: Arrival,
        names: HandOverNames,
    },
    HandingOver {
        arrival: Arrival,
        names: HandOverNames,
    },
    HandedOver,
    CommandRan,
    Done {
        left: Vec<String>,
    },
    /// To be refused: the file is to be set aside.
    Refusing {
        why: String,
    },
    Refused {
        why: String,
    },
    /// To be withdrawn: whatever lies in OUT is to be taken out, and the file to be set aside.
    Withdrawing {
        why: String,
    },
    Withdrawn {
        why: String,
    },
    /// To be rejected: the far side is to be tidied.
    Rejecting {
        errors: Vec<ReceiptError>,
    },
    Rejected {
        errors: Vec<ReceiptError>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerPlan {
    Rename,
    Write,
}

/// A person's approval of a held reply, good only for this register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Approval {
    pub register_head: u64,
}

/// Final names in the inbox folder; the part names follow from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOverNames {
    pub reply: String,
    pub changes: String,
    /// The inode of the folder that they are put into.
    pub folder: u64,
}

/// A fact that cannot follow. A journal that holds one holds that exchange, not the others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fact} cannot follow {state}")]
pub struct Impossible {
    pub fact: String,
    pub state: String,
}

impl State {
    /// The state's name as people see it.
    pub fn name(&self) -> &'static str {
        match self {
            State::Accepted => "accepted",
            State::QueryHeld { .. } | State::ReceiptHeld { .. } | State::ReplyHeld { .. } => "held",
            State::Uploaded { .. } | State::Staged { .. } => "uploaded",
            State::Submitting { .. } => "submitting",
            State::InDoubt { .. } => "in doubt",
            State::Submitted => "submitted",
            State::Receipted => "receipted",
            State::Replied { .. } => "replied",
            State::Applied { .. } | State::HandOverStaged { .. } | State::HandingOver { .. } => "applied",
            State::HandedOver | State::CommandRan => "handed over",
            State::Done { .. } => "done",
            State::Refusing { .. } | State::Refused { .. } => "refused",
            State::Withdrawing { .. } | State::Withdrawn { .. } => "withdrawn",
            State::Rejecting { .. } | State::Rejected { .. } => "rejected",
        }
    }

    /// What happens next, and who does it.
    fn next_step(&self) -> &'static str {
        match self {
            State::Accepted => "the data is uploaded",
            State::QueryHeld { reasons, .. } if reasons.contains(&HoldReason::MaybeSent) => {
                "a receipt or a reply proves that it was sent, or a person approves, refuses or settles it"
            }
            State::QueryHeld { .. } => "a person approves or refuses it",
            State::Uploaded { .. } => "the trigger is written",
            State::Staged { .. } => "the trigger is made visible",
            State::Submitting { .. } => "Sluse finds out whether the trigger was made",
            State::InDoubt { way: TriggerWay::Rename { .. }, .. } => {
                "Sluse finds out whether the trigger was made, as soon as the far side answers"
            }
            State::InDoubt { way: TriggerWay::Write, .. } => {
                "a receipt, a reply or a person (`sluse settle`) says whether the trigger was made"
            }
            State::Submitted => "the hub's receipt comes",
            State::Receipted => "the reply comes",
            State::ReceiptHeld { .. } => "a person approves (it was rejected) or refuses (the hub has it all the same)",
            State::Replied { .. } => "the reply is compared with the register",
            State::ReplyHeld { reasons, .. } if reasons.iter().all(HoldReason::can_be_approved) => {
                "a person approves or refuses the reply"
            }
            State::ReplyHeld { .. } => "UDK sends a fit reply, or a person refuses this one",
            State::Applied { .. } | State::HandOverStaged { .. } | State::HandingOver { .. } => {
                "reply and change list are put into the inbox"
            }
            State::HandedOver => "the command of the settings runs, the far side is tidied",
            State::CommandRan => "the far side is tidied",
            State::Done { .. } => "nothing, it is done",
            State::Refusing { .. } => "the file is put into refused/",
            State::Refused { .. } => "nothing, it was refused",
            State::Withdrawing { .. } => "what lies in OUT is taken out, and the file is put into refused/",
            State::Withdrawn { .. } => "nothing, it was withdrawn",
            State::Rejecting { .. } => "the far side is tidied",
            State::Rejected { .. } => {
                "nothing by itself; find out why the hub rejected it, then have it sent again (`sluse retry`), or put a new \
                 query into the outbox"
            }
        }
    }

    /// Nothing more will happen by itself or by a person.
    pub fn is_final(&self) -> bool {
        match self {
            State::Done { .. } | State::Refused { .. } | State::Withdrawn { .. } | State::Rejected { .. } => true,
            State::Accepted
            | State::QueryHeld { .. }
            | State::Uploaded { .. }
            | State::Staged { .. }
            | State::Submitting { .. }
            | State::InDoubt { .. }
            | State::Submitted
            | State::Receipted
            | State::ReceiptHeld { .. }
            | State::Replied { .. }
            | State::ReplyHeld { .. }
            | State::Applied { .. }
            | State::HandOverStaged { .. }
            | State::HandingOver { .. }
            | State::HandedOver
            | State::CommandRan
            | State::Refusing { .. }
            | State::Withdrawing { .. }
            | State::Rejecting { .. } => false,
        }
    }

    /// Whether a reply could still belong to it: its query may have reached UDK, and no reply was taken.
    pub fn awaits_reply(&self) -> bool {
        match self {
            State::Submitting { .. }
            | State::InDoubt { .. }
            | State::Submitted
            | State::Receipted
            | State::ReceiptHeld { .. } => true,
            // An unfit reply can only be replaced by a better one, and one that belongs to the query by order
            // alone gives way to one that echoes its delivery number.
            State::QueryHeld { reasons, .. } => reasons.contains(&HoldReason::MaybeSent),
            State::ReplyHeld { reasons, .. } => reasons
                .iter()
                .any(|reason| !reason.can_be_approved() || matches!(reason, HoldReason::ByOrderOnly { .. })),
            State::Accepted
            | State::Uploaded { .. }
            | State::Staged { .. }
            | State::Replied { .. }
            | State::Applied { .. }
            | State::HandOverStaged { .. }
            | State::HandingOver { .. }
            | State::HandedOver
            | State::CommandRan
            | State::Done { .. }
            | State::Refusing { .. }
            | State::Refused { .. }
            | State::Withdrawing { .. }
            | State::Withdrawn { .. }
            | State::Rejecting { .. }
            | State::Rejected { .. } => false,
        }
    }
}

impl Exchange {
    /// The query, if the story began with one that was accepted.
    pub fn query(&self) -> Option<&Accepted> {
        match &self.origin {
            Origin::Query(accepted) => Some(accepted),
            Origin::Unfit(_) | Origin::Reply => None,
        }
    }

    /// Whether this query counts when another comes for the same payment date: not when it was refused,
    /// rejected, withdrawn, or settled as not sent, unless the hub has confirmed it all the same.
    pub fn is_live_query(&self) -> bool {
        self.query().is_some() && (self.is_confirmed() || !self.is_refused())
    }

    /// Whether this query counts and its trigger was made, as far as anybody can know.
    pub fn was_sent(&self) -> bool {
        self.is_live_query() && (self.submitted_at.is_some() || !self.arrivals.is_empty())
    }

    /// Whether the hub has said that it has the query.
    fn is_confirmed(&self) -> bool {
        self.receipts.iter().any(|receipt| receipt.is_success)
    }

    /// Refused or withdrawn here or rejected by the hub, or on the way there.
    pub fn is_refused(&self) -> bool {
        matches!(
            self.state,
            State::Refusing { .. }
                | State::Refused { .. }
                | State::Withdrawing { .. }
                | State::Withdrawn { .. }
                | State::Rejecting { .. }
                | State::Rejected { .. }
        )
    }

    /// Before the trigger's intent the hub cannot have the query, unless it was sent since a backup that was put back.
    pub fn can_be_withdrawn(&self) -> bool {
        self.is_before_intent() && !self.is_restored
    }

    /// Whether the hub may have its query although the trigger is yet to be intended, or to be intended again: it was sent
    /// since a backup that was put back, or by an attempt that was taken for failed. A receipt or a reply proves it.
    pub fn may_be_there_before_intent(&self) -> bool {
        self.is_before_intent() && (self.is_restored || self.attempts > 0)
    }

    fn is_before_intent(&self) -> bool {
        matches!(self.state, State::Accepted | State::QueryHeld { .. } | State::Uploaded { .. } | State::Staged { .. })
    }

    /// Whether a reply that echoes its query's delivery number belongs to it.
    pub fn awaits_reply(&self) -> bool {
        self.state.awaits_reply() || self.may_be_there_before_intent()
    }

    /// Whether a person gave up the wait for its reply, and none has come for it.
    pub fn is_given_up(&self) -> bool {
        let is_over = matches!(self.state, State::CommandRan | State::Done { .. });
        is_over && self.query().is_some() && self.arrivals.is_empty()
    }

    /// Whether it came to nothing, or seemed to, and the hub has said or may say the contrary.
    fn has_come_back(&self) -> bool {
        self.is_live_query() && (self.is_refused() || matches!(self.state, State::ReceiptHeld { .. }))
    }

    /// Whether its query came to nothing for good, so that it may be sent again as a new exchange.
    pub fn can_be_retried(&self) -> bool {
        self.state.is_final() && self.query().is_some() && !self.is_live_query() && self.erased.is_none()
    }

    /// The state's name as people see it: what a person gave up has not come to its end by itself.
    pub fn state_name(&self) -> &'static str {
        match self.given_up() {
            Some(_) => "given up",
            None => self.state.name(),
        }
    }

    /// Who gave up what, where nothing but clearing up follows from it.
    fn given_up(&self) -> Option<&Declined> {
        let is_over = matches!(self.state, State::CommandRan | State::Done { .. });
        self.declined.as_ref().filter(|declined| is_over && !matches!(declined.what, GivenUp::Reply(_)))
    }

    /// What happens next, who does it, and what a person should do where nothing does.
    pub fn next_step(&self) -> String {
        if let Some(declined) = self.given_up() {
            return match self.state.is_final() {
                true => format!("nothing: {declined}"),
                false => format!("the far side is tidied, nothing else: {declined}"),
            };
        }
        match (&self.state, &self.origin) {
            (State::Submitted | State::Receipted, _)
                if let Some(declined) = self.declined.as_ref().filter(|_| !self.arrivals.is_empty()) =>
            {
                format!("another reply comes: {declined}")
            }
            (State::Refused { .. }, Origin::Unfit(_)) => "nothing; put a corrected query into the outbox".to_owned(),
            (State::Refused { .. } | State::Withdrawn { .. } | State::Rejected { .. }, _)
                if let Some(by) = self.retried_by.last() =>
            {
                format!("nothing: it was sent again as exchange {by}")
            }
            // Refused by a person, who meant it: the sentence says by whom and why.
            (State::Refused { why } | State::Withdrawn { why }, _) => format!("nothing: {why}"),
            (state, _) => state.next_step().to_owned(),
        }
    }

    /// Why it waits for a person, if it does.
    pub fn held(&self) -> Option<Vec<HoldReason>> {
        match &self.state {
            State::QueryHeld { reasons, .. } | State::ReplyHeld { reasons, .. } => Some(reasons.clone()),
            State::ReceiptHeld { errors } if self.is_confirmed() => {
                Some(vec![HoldReason::ReceiptsDisagree { errors: errors.clone() }])
            }
            State::ReceiptHeld { errors } => Some(vec![HoldReason::ErrorReceiptAfterDoubt { errors: errors.clone() }]),
            _ => None,
        }
    }

    /// What the other side owes next, and until when.
    pub fn expectation(&self, patience: &Patience) -> Option<Expectation> {
        let at = self.submitted_at?;
        match self.state {
            State::Submitted if self.arrivals.is_empty() => Some(patience.expects(Awaited::Receipt, at)),
            // A reply that was refused says as well as a receipt that the hub has the query.
            State::Submitted | State::Receipted => Some(patience.expects(Awaited::Reply, at)),
            _ => None,
        }
    }
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Decision { who, reason } = &self.decision;
        match &self.what {
            GivenUp::Wait => {
                write!(f, "the wait for the reply was given up by {who}, the query still counts as sent: {reason}")
            }
            GivenUp::HandOver => {
                write!(f, "the hand-over was given up by {who}, the register holds the reply: {reason}")
            }
            GivenUp::Reply(name) => write!(f, "{name} came and was refused by {who}: {reason}"),
        }
    }
}
