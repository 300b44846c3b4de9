//! The one function that turns facts into state, live and in recovery: [`Exchange::begin`] for the first
//! fact of a story, [`Exchange::after`] for each further one.

use super::fact::{Arrival, Fact, TriggerWay};
use super::hold::HoldReason;
use super::{
    Approval, Declined, Exchange, GivenUp, HandOverNames, Impossible, Origin, ReadReceipt, State, TriggerPlan,
};
use crate::domain::envelope::{ReceiptError, ReceiptOutcome};
use crate::domain::identity::{FileId, Route};
use crate::domain::moment::Moment;

impl Exchange {
    /// The exchange that begins with this fact.
    pub fn begin(id: FileId, at: Moment, fact: &Fact) -> Result<Exchange, Impossible> {
        let (route, origin, state) = match fact {
            Fact::Accepted(accepted) => (accepted.route.clone(), Origin::Query(accepted.clone()), State::Accepted),
            Fact::Unfit(unfit) => {
                let state = State::Refusing { why: unfit.finding.clone() };
                (unfit.route.clone(), Origin::Unfit(unfit.clone()), state)
            }
            Fact::ReplyFetched(arrival) => {
                let state = State::Replied { arrival: arrival.clone(), approved: None };
                (arrival.route.clone(), Origin::Reply, state)
            }
            _ => return Err(Impossible { fact: fact.name().into(), state: "nothing".into() }),
        };
        let arrivals = match fact {
            Fact::ReplyFetched(arrival) => vec![arrival.clone()],
            _ => Vec::new(),
        };
        Ok(Exchange { arrivals, ..Exchange::new(id, route, origin, state, at) })
    }

    pub(in crate::domain) fn new(id: FileId, route: Route, origin: Origin, state: State, at: Moment) -> Exchange {
        Exchange {
            id,
            route,
            origin,
            state,
            since: at,
            begun: at,
            attempts: 0,
            doubted: false,
            submitted_at: None,
            touched_out: false,
            intended: None,
            parts: Vec::new(),
            receipts: Vec::new(),
            arrivals: Vec::new(),
            waived: Vec::new(),
            retried_by: Vec::new(),
            is_restored: false,
            declined: None,
            erased: None,
        }
    }

    /// This exchange after one more fact.
    pub fn after(&self, at: Moment, fact: &Fact) -> Result<Exchange, Impossible> {
        let state = self.next_state(fact)?;
        let mut next = self.clone();
        next.gather(at, fact);
        if state != next.state {
            next.since = at;
            next.state = state;
        }
        Ok(next)
    }

    fn next_state(&self, fact: &Fact) -> Result<State, Impossible> {
        let state = match (&self.state, fact) {
            (State::Accepted, Fact::QueryHeld { reasons }) => {
                State::QueryHeld { reasons: reasons.clone(), data_uploaded: false }
            }
            (State::Accepted, Fact::DataUploaded) => State::Uploaded { plan: TriggerPlan::Rename },

            (_, Fact::StoreRestored) => self.after_restored(),
            (State::QueryHeld { reasons, .. }, Fact::Settled { sent: true, .. })
                if reasons.contains(&HoldReason::MaybeSent) =>
            {
                State::Submitted
            }

            (State::Uploaded { .. } | State::Staged { .. }, Fact::QueryHeld { reasons }) => {
                State::QueryHeld { reasons: reasons.clone(), data_uploaded: true }
            }
            (State::Uploaded { .. } | State::Staged { .. }, Fact::DataGone) => State::Accepted,
            (State::Uploaded { plan: TriggerPlan::Rename }, Fact::TriggerStaged { part }) => {
                State::Staged { part: part.clone() }
            }
            (State::Uploaded { .. }, Fact::RenameUnavailable { .. }) => State::Uploaded { plan: TriggerPlan::Write },
            (State::Staged { part }, Fact::TriggerIntended { way: TriggerWay::Rename { part: intended } })
                if part == intended =>
            {
                State::Submitting { way: TriggerWay::Rename { part: part.clone() } }
            }
            (State::Uploaded { plan: TriggerPlan::Write }, Fact::TriggerIntended { way: TriggerWay::Write }) => {
                State::Submitting { way: TriggerWay::Write }
            }

            (State::Submitting { .. }, Fact::TriggerMade) => State::Submitted,
            (State::Submitting { way } | State::InDoubt { way, .. }, Fact::Doubted { trouble }) => {
                State::InDoubt { way: way.clone(), trouble: trouble.clone() }
            }
            (State::Submitting { .. } | State::InDoubt { .. }, Fact::TriggerNotMade { .. }) => {
                State::Uploaded { plan: TriggerPlan::Rename }
            }
            (State::Submitting { .. } | State::InDoubt { .. }, Fact::TriggerFound { .. }) => State::Submitted,
            // A person settled it as not sent, and then it was seen that it had been.
            (State::Refusing { .. }, Fact::TriggerFound { .. }) if self.intended.is_some() => State::Submitted,
            (State::InDoubt { .. }, Fact::Settled { sent: true, .. }) => State::Submitted,
            (State::InDoubt { .. }, Fact::Settled { sent: false, decision }) => {
                State::Refusing { why: format!("settled as not sent by {}: {}", decision.who, decision.reason) }
            }

            (_, Fact::ReceiptRead { outcome: ReceiptOutcome::Success, .. }) => self.after_success()?,
            (_, Fact::ReceiptRead { outcome: ReceiptOutcome::Failure { errors }, .. }) => self.after_failure(errors)?,
            (State::ReceiptHeld { errors }, Fact::Approved { .. }) => State::Rejecting { errors: errors.clone() },
            (State::ReceiptHeld { .. }, Fact::Declined { .. }) => self.while_waiting(),

            (_, Fact::ReplyFetched(arrival)) if self.awaits_reply() => {
                State::Replied { arrival: arrival.clone(), approved: None }
            }
            // Also held anew, where the register moved on while a person had not decided.
            (
                State::Replied { arrival, .. } | State::ReplyHeld { arrival, .. },
                Fact::ReplyHeld { reasons, register_head, summary },
            ) if !reasons.iter().any(HoldReason::is_about_the_hand_over) && !self.state.is_held_before_hand_over() => {
                State::ReplyHeld {
                    arrival: arrival.clone(),
                    reasons: reasons.clone(),
                    register_head: *register_head,
                    summary: summary.clone(),
                }
            }
            (State::Replied { arrival, .. }, Fact::Applied { .. }) if self.is_restored => maybe_handed_over(arrival),
            (State::Replied { arrival, .. }, Fact::Applied { .. }) => State::Applied { arrival: arrival.clone() },
            (State::ReplyHeld { arrival, reasons, register_head, .. }, Fact::Approved { seen, .. })
                if seen.reply == Some(arrival.hash)
                    && seen.register_head == *register_head
                    && reasons.iter().all(HoldReason::can_be_approved) =>
            {
                if reasons.iter().any(HoldReason::is_about_the_hand_over) {
                    State::Applied { arrival: arrival.clone() }
                } else {
                    State::Replied {
                        arrival: arrival.clone(),
                        approved: Some(Approval { register_head: *register_head }),
                    }
                }
            }
            (State::ReplyHeld { arrival, .. }, Fact::Declined { decision }) => self.after_declined(arrival, decision),

            (State::Applied { arrival }, Fact::HandOverStaged { reply, changes, folder }) => State::HandOverStaged {
                arrival: arrival.clone(),
                names: HandOverNames { reply: reply.clone(), changes: changes.clone(), folder: *folder },
            },
            (State::HandOverStaged { arrival, .. }, Fact::HandOverLost) => State::Applied { arrival: arrival.clone() },
            (
                State::Applied { arrival } | State::HandOverStaged { arrival, .. } | State::HandingOver { arrival, .. },
                Fact::ReplyHeld { reasons, register_head, summary },
            ) if !reasons.is_empty() && reasons.iter().all(HoldReason::is_about_the_hand_over) => State::ReplyHeld {
                arrival: arrival.clone(),
                reasons: reasons.clone(),
                register_head: *register_head,
                summary: summary.clone(),
            },
            (State::HandOverStaged { arrival, names }, Fact::HandOverIntended) => {
                State::HandingOver { arrival: arrival.clone(), names: names.clone() }
            }
            (State::HandingOver { .. }, Fact::HandedOver) => State::HandedOver,
            (State::HandedOver, Fact::CommandRan { .. }) => State::CommandRan,
            (State::HandedOver | State::CommandRan, Fact::Tidied { left }) => State::Done { left: left.clone() },

            (State::QueryHeld { data_uploaded, .. }, Fact::Approved { .. }) => {
                if *data_uploaded {
                    State::Uploaded { plan: TriggerPlan::Rename }
                } else {
                    State::Accepted
                }
            }
            (State::QueryHeld { .. }, Fact::Declined { decision }) => {
                State::Refusing { why: format!("refused by {}: {}", decision.who, decision.reason) }
            }
            // Approved after a backup was put back, and thought better of: until the intent it can be stopped.
            (State::Accepted | State::Uploaded { .. } | State::Staged { .. }, Fact::Declined { decision })
                if self.is_restored =>
            {
                State::Refusing { why: format!("refused by {}: {}", decision.who, decision.reason) }
            }
            // Given up waiting: what the hub has, it has, so the query still counts.
            (State::Submitted | State::Receipted, Fact::Declined { .. }) => State::CommandRan,
            (State::Refusing { why }, Fact::SetAside) => State::Refused { why: why.clone() },
            (_, Fact::Withdrawn { decision }) if self.can_be_withdrawn() => {
                State::Withdrawing { why: format!("withdrawn by {}: {}", decision.who, decision.reason) }
            }
            (State::Withdrawing { why }, Fact::SetAside) => State::Withdrawn { why: why.clone() },
            (state, Fact::Retried { .. }) if self.can_be_retried() => state.clone(),
            (State::Rejecting { errors }, Fact::Tidied { .. }) => State::Rejected { errors: errors.clone() },
            (state, fact) => {
                return Err(Impossible { fact: fact.name().into(), state: state.name().into() });
            }
        };
        Ok(state)
    }

    /// What may have been sent or handed over since the backup waits; what is known to be sent goes on, since a receipt
    /// or a reply that is read twice does nothing twice.
    fn after_restored(&self) -> State {
        match &self.state {
            State::Accepted
            | State::QueryHeld { .. }
            | State::Uploaded { .. }
            | State::Staged { .. }
            | State::Submitting { .. }
            | State::InDoubt { .. } => {
                let former = match &self.state {
                    State::QueryHeld { reasons, .. } => reasons.as_slice(),
                    _ => &[],
                };
                let others = former.iter().filter(|reason| **reason != HoldReason::MaybeSent).cloned();
                let reasons = std::iter::once(HoldReason::MaybeSent).chain(others).collect();
                // The hub may have taken the data since: approved, it is uploaded again.
                State::QueryHeld { reasons, data_uploaded: false }
            }
            State::Applied { arrival } | State::HandOverStaged { arrival, .. } | State::HandingOver { arrival, .. } => {
                maybe_handed_over(arrival)
            }
            State::Submitted
            | State::Receipted
            | State::ReceiptHeld { .. }
            | State::Replied { .. }
            | State::ReplyHeld { .. }
            | State::HandedOver
            | State::CommandRan
            | State::Done { .. }
            | State::Refusing { .. }
            | State::Refused { .. }
            | State::Withdrawing { .. }
            | State::Withdrawn { .. }
            | State::Rejecting { .. }
            | State::Rejected { .. } => self.state.clone(),
        }
    }

    /// A success receipt proves that the trigger was made; later than that it changes nothing, unless the hub has
    /// rejected the one trigger that there was: then only a person can find out which is true.
    fn after_success(&self) -> Result<State, Impossible> {
        match &self.state {
            State::Submitting { .. } | State::InDoubt { .. } | State::Submitted => Ok(State::Receipted),
            State::ReceiptHeld { .. } if self.may_have_sent_twice() => Ok(State::Receipted),
            State::Rejecting { errors } | State::Rejected { errors } => {
                Ok(State::ReceiptHeld { errors: errors.clone() })
            }
            State::QueryHeld { .. } if self.awaits_reply() => Ok(State::Receipted),
            // Another trigger would be a second query.
            State::Accepted | State::Uploaded { .. } | State::Staged { .. } if self.may_be_there_before_intent() => {
                Ok(State::Receipted)
            }
            State::Accepted | State::QueryHeld { .. } | State::Uploaded { .. } | State::Staged { .. } => {
                Err(Impossible { fact: "a success receipt".into(), state: self.state.name().into() })
            }
            later => Ok(later.clone()),
        }
    }

    /// An error receipt ends the exchange if it can only be about the one trigger that was made.
    fn after_failure(&self, errors: &[ReceiptError]) -> Result<State, Impossible> {
        let errors = errors.to_vec();
        match &self.state {
            State::Submitted if !self.may_have_sent_twice() => Ok(State::Rejecting { errors }),
            State::Submitting { .. } | State::InDoubt { .. } | State::Submitted => Ok(State::ReceiptHeld { errors }),
            State::QueryHeld { .. } if self.state.awaits_reply() => Ok(State::ReceiptHeld { errors }),
            State::Accepted | State::QueryHeld { .. } | State::Uploaded { .. } | State::Staged { .. }
                if self.is_restored =>
            {
                Ok(State::ReceiptHeld { errors })
            }
            // After doubt it is about the second copy; otherwise the hub contradicts itself.
            State::Receipted if !self.may_have_sent_twice() => Ok(State::ReceiptHeld { errors }),
            State::Accepted | State::QueryHeld { .. } | State::Uploaded { .. } | State::Staged { .. } => {
                Err(Impossible { fact: "an error receipt".into(), state: self.state.name().into() })
            }
            later => Ok(later.clone()),
        }
    }

    fn may_have_sent_twice(&self) -> bool {
        self.doubted || self.attempts > 1
    }

    /// What a query is that waits for the hub or the reply.
    fn while_waiting(&self) -> State {
        if self.is_confirmed() { State::Receipted } else { State::Submitted }
    }

    /// A refused reply leaves its query waiting for a better one; a reply without a query is set aside.
    fn after_declined(&self, arrival: &Arrival, decision: &super::fact::Decision) -> State {
        if self.state.is_held_before_hand_over() {
            // The register already holds it; only the hand-over is given up, and the command with it.
            return State::CommandRan;
        }
        match self.origin {
            Origin::Query(_) => self.while_waiting(),
            Origin::Unfit(_) | Origin::Reply => State::Refusing {
                why: format!("reply {} refused by {}: {}", arrival.name, decision.who, decision.reason),
            },
        }
    }

    /// What a person gives up who refuses it now. None: it is refused itself, or it is the hub's error receipt.
    pub fn gives_up(&self) -> Option<GivenUp> {
        match &self.state {
            State::Submitted | State::Receipted => Some(GivenUp::Wait),
            State::ReplyHeld { .. } if self.state.is_held_before_hand_over() => Some(GivenUp::HandOver),
            State::ReplyHeld { arrival, .. } => Some(GivenUp::Reply(arrival.name.clone())),
            _ => None,
        }
    }

    fn gather(&mut self, at: Moment, fact: &Fact) {
        match fact {
            Fact::DataUploaded => self.touched_out = true,
            // Whatever was on its way there is on no record yet.
            Fact::Withdrawn { .. } if self.state == State::Accepted => self.touched_out = true,
            Fact::TriggerStaged { part } => self.parts.push(part.clone()),
            Fact::TriggerIntended { way } => {
                self.intended = Some(way.clone());
                self.attempts += 1;
                self.submitted_at = Some(at);
            }
            Fact::Doubted { .. } | Fact::TriggerFound { .. } => self.doubted = true,
            Fact::TriggerNotMade { .. } => {
                self.submitted_at = None;
                self.intended = None;
            }
            Fact::StoreRestored => {
                self.is_restored = true;
                // More attempts may have been made than the journal knows.
                self.doubted = true;
                self.touched_out = true;
            }
            // It is the first that is known of the trigger.
            Fact::Settled { sent: true, .. } if self.submitted_at.is_none() => self.submitted_at = Some(at),
            Fact::ReceiptRead { transfer, name, hash, outcome } => {
                if self.is_restored || self.attempts > 0 {
                    self.submitted_at.get_or_insert(at);
                }
                self.receipts.push(ReadReceipt {
                    transfer: *transfer,
                    name: name.clone(),
                    hash: *hash,
                    is_success: matches!(outcome, ReceiptOutcome::Success),
                });
            }
            Fact::ReplyFetched(arrival) => {
                if self.is_restored || self.attempts > 0 {
                    self.submitted_at.get_or_insert(at);
                }
                self.arrivals.push(arrival.clone());
                self.declined = None;
            }
            Fact::Declined { decision } => {
                self.declined = self.gives_up().map(|what| Declined { what, decision: decision.clone() });
            }
            Fact::Approved { .. } => self.waived.extend(self.held().into_iter().flatten()),
            Fact::Retried { by, .. } => self.retried_by.push(*by),
            Fact::Accepted(_)
            | Fact::Unfit(_)
            | Fact::QueryHeld { .. }
            | Fact::DataGone
            | Fact::RenameUnavailable { .. }
            | Fact::TriggerMade
            | Fact::Settled { .. }
            | Fact::Withdrawn { .. }
            | Fact::ReplyHeld { .. }
            | Fact::Applied { .. }
            | Fact::HandOverStaged { .. }
            | Fact::HandOverLost
            | Fact::HandOverIntended
            | Fact::HandedOver
            | Fact::CommandRan { .. }
            | Fact::Tidied { .. }
            | Fact::SetAside => {}
        }
    }
}

/// In the register, and perhaps in the benefit system's inbox already.
fn maybe_handed_over(arrival: &Arrival) -> State {
    State::ReplyHeld {
        arrival: arrival.clone(),
        reasons: vec![HoldReason::MaybeHandedOver],
        register_head: 0,
        summary: None,
    }
}

/// Tells a reply that the register already holds from one that it does not: only the former is held for this.
impl State {
    /// Applied already, and held because it cannot be handed over.
    pub fn is_held_before_hand_over(&self) -> bool {
        matches!(self, State::ReplyHeld { reasons, .. } if reasons.iter().any(HoldReason::is_about_the_hand_over))
    }
}

impl Fact {
    /// Whether it becomes true only by being recorded: an intent, or a person's decision. All others tell what has
    /// happened, or was found, whether it is recorded or not.
    pub fn is_true_once_recorded(&self) -> bool {
        match self {
            Fact::TriggerIntended { .. }
            | Fact::HandOverIntended
            | Fact::Approved { .. }
            | Fact::Declined { .. }
            | Fact::Settled { .. }
            | Fact::Withdrawn { .. }
            | Fact::Retried { .. } => true,
            // A person's decision too, where it retries another.
            Fact::Accepted(query) => query.retry_of.is_some(),
            Fact::StoreRestored
            | Fact::Unfit(_)
            | Fact::QueryHeld { .. }
            | Fact::DataUploaded
            | Fact::DataGone
            | Fact::TriggerStaged { .. }
            | Fact::RenameUnavailable { .. }
            | Fact::TriggerMade
            | Fact::TriggerNotMade { .. }
            | Fact::Doubted { .. }
            | Fact::TriggerFound { .. }
            | Fact::ReceiptRead { .. }
            | Fact::ReplyFetched(_)
            | Fact::ReplyHeld { .. }
            | Fact::Applied { .. }
            | Fact::HandOverStaged { .. }
            | Fact::HandOverLost
            | Fact::HandedOver
            | Fact::CommandRan { .. }
            | Fact::Tidied { .. }
            | Fact::SetAside => false,
        }
    }

    /// The fact's name, as in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            Fact::Accepted(_) => "accepted",
            Fact::Unfit(_) => "unfit",
            Fact::QueryHeld { .. } => "query_held",
            Fact::DataUploaded => "data_uploaded",
            Fact::DataGone => "data_gone",
            Fact::TriggerStaged { .. } => "trigger_staged",
            Fact::RenameUnavailable { .. } => "rename_unavailable",
            Fact::TriggerIntended { .. } => "trigger_intended",
            Fact::TriggerMade => "trigger_made",
            Fact::TriggerNotMade { .. } => "trigger_not_made",
            Fact::Doubted { .. } => "doubted",
            Fact::TriggerFound { .. } => "trigger_found",
            Fact::Settled { .. } => "settled",
            Fact::Withdrawn { .. } => "withdrawn",
            Fact::Retried { .. } => "retried",
            Fact::ReceiptRead { .. } => "receipt_read",
            Fact::ReplyFetched(_) => "reply_fetched",
            Fact::ReplyHeld { .. } => "reply_held",
            Fact::Approved { .. } => "approved",
            Fact::Declined { .. } => "declined",
            Fact::Applied { .. } => "applied",
            Fact::HandOverStaged { .. } => "hand_over_staged",
            Fact::HandOverLost => "hand_over_lost",
            Fact::HandOverIntended => "hand_over_intended",
            Fact::HandedOver => "handed_over",
            Fact::CommandRan { .. } => "command_ran",
            Fact::Tidied { .. } => "tidied",
            Fact::StoreRestored => "store_restored",
            Fact::SetAside => "set_aside",
        }
    }
}
