//! Requests and decisions of people: answered from the book, recorded like any fact, and answered again with
//! what they led to.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::info;

use super::far_side::empty_line;
use super::{Command, Deferred, House, Key, Outcome};
use crate::engine::control::{Answer, Request};
use crate::engine::decide::{Ask, NotDecided, decide, find, is_good};
use crate::engine::desk;
use crate::engine::snapshot::EndpointLine;
use crate::store::{Body, HouseFact, StoreTrouble};
use crate::transport::Connect;

/// A decision waits so long for its outcome.
const OUTCOME_WITHIN: Duration = Duration::from_secs(30);

impl<C: Connect> House<C> {
    pub(super) async fn take_command(&mut self, command: Command) -> Result<(), StoreTrouble> {
        let Command { request, who, answer } = command;
        let said = match request {
            Request::Status => {
                self.look_out();
                Answer::Status(self.site.snapshot(&self.book, Some(self.live())))
            }
            Request::Held => desk::held(&self.book),
            Request::Gate { payment_date } => {
                // What has happened meanwhile is not in the book.
                let unknown = self.standstill.as_ref().map(|standstill| standstill.halt().what);
                Answer::Gate(self.site.gate(&self.book, payment_date, unknown.as_deref()))
            }
            Request::Decide(ask) => {
                if self.is_at_work_for(&ask) {
                    // What is at work may settle it first; then the decision is looked at again.
                    info!(exchange = %ask.id, %who, "a decision waits for what is at work");
                    self.deferred.push(Deferred { ask, who, answer });
                } else {
                    self.take_decision(&ask, &who, answer);
                }
                return Ok(());
            }
            Request::Retry(ask) => {
                self.take_retry(ask, who, answer);
                return Ok(());
            }
            Request::Query { exchange, municipality, payment_date } => {
                match self.site.compose(&self.book, exchange, municipality, payment_date) {
                    Ok(path) => Answer::Composed { path: path.display().to_string() },
                    Err(not) => not.into(),
                }
            }
            // The one that waits gives the stories their entries, beside this loop.
            Request::Explain { what } => {
                let (stories, waiting) = self.site.stories(&self.book, &what, Some(self.live()));
                Answer::Explained { stories, waiting }
            }
            Request::List { municipality } => Answer::Listed { exchanges: self.site.list(&self.book, municipality) },
            Request::Retention { now: true } => {
                self.begin_retention(&who, answer);
                return Ok(());
            }
            // The one that waits counts what only the store knows, beside this loop.
            Request::Retention { now: false } => Answer::Retention { plan: self.site.plan(&self.book) },
            Request::HoldByLaw(ask) if let Err(why) = self.site.can_be_held(&self.book, &ask) => {
                Answer::Mistaken { why }
            }
            Request::HoldByLaw(ask) => self.hold_by_law(ask, who).await?,
            Request::Register(request) if let Err(why) = self.site.can_be_asked(&self.book, &request) => {
                Answer::Mistaken { why }
            }
            Request::Register(request) => match request.full {
                Some(reason) if !is_good(&reason) => Answer::Refused { why: NotDecided::BadReason.to_string() },
                Some(_) if let Some(standstill) = &self.standstill => Answer::Refused { why: standstill.refusal() },
                Some(reason) => {
                    let fact = HouseFact::RegisterShownInFull { who, reason, municipality: request.municipality };
                    self.record_for_a_person(fact).await?
                }
                None => Answer::Agreements { count: 0, standing: Vec::new() },
            },
        };
        // Nobody waits any more if the person has gone.
        let _ = answer.send(said);
        Ok(())
    }

    /// What is shown only because it is recorded that it was.
    async fn record_for_a_person(&mut self, fact: HouseFact) -> Result<Answer, StoreTrouble> {
        match self.site.ledger.append(self.site.surroundings.now(), vec![Body::House(fact)]).await {
            Ok(_) => Ok(Answer::Agreements { count: 0, standing: Vec::new() }),
            Err(trouble @ StoreTrouble::Unusable { .. }) => {
                self.stand_still(&trouble, Vec::new());
                Ok(Answer::Refused { why: trouble.to_string() })
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// What only this loop knows.
    fn live(&self) -> desk::Live {
        let lines = self.polls.values().filter_map(|poll| poll.line.clone()).collect();
        let told = self.rests.iter().filter(|(_, rest)| !rest.said.is_empty());
        let troubles = told.map(|(id, rest)| (*id, rest.said.clone())).collect();
        desk::Live {
            anchor_trouble: self.site.ledger.slack().trouble(),
            endpoints: self.with_links(lines),
            outbox: self.waiting(),
            troubles,
            halts: self.halts(),
            keeping_claims: self.keeping_claims(),
            standstill: self.standstill.as_ref().map(|standstill| standstill.halt().what),
            concerns: self.lookout.concerns.to_vec(),
        }
    }

    pub(super) fn with_links(&self, lines: Vec<EndpointLine>) -> Vec<EndpointLine> {
        self.site
            .endpoints
            .iter()
            .map(|(name, (_, link))| {
                let mut line =
                    lines.iter().find(|line| line.name == *name).cloned().unwrap_or_else(|| empty_line(name));
                line.trouble = link.trouble().or(line.trouble);
                line
            })
            .collect()
    }

    fn is_at_work_for(&self, ask: &Ask) -> bool {
        find(&self.book, &ask.id).is_ok_and(|exchange| self.busy.contains(&Key::Duty(exchange.id)))
    }

    fn take_decision(&mut self, ask: &Ask, who: &str, answer: oneshot::Sender<Answer>) {
        if let Some(standstill) = &self.standstill {
            // Nobody waits any more if the person has gone.
            let _ = answer.send(Answer::Refused { why: standstill.refusal() });
            return;
        }
        match decide(&self.book, ask, who, self.site.surroundings.now()) {
            Ok((id, fact)) => {
                self.pending.push((id, fact));
                self.rests.remove(&id);
                self.outcomes.push(Outcome { id, until: Instant::now() + OUTCOME_WITHIN, answer });
            }
            Err(not) => {
                if let NotDecided::Stale { id } = &not {
                    self.look_anew.insert(*id);
                }
                // Nobody waits any more if the person has gone.
                let _ = answer.send(Answer::Refused { why: not.to_string() });
            }
        }
    }

    /// Takes the decisions that had to wait for a duty at work, in the order in which they came. Each is recorded before
    /// the next is looked at: of two persons who decide at once, the second decides on what the first has made of it.
    pub(super) async fn take_deferred(&mut self) -> Result<(), StoreTrouble> {
        for Deferred { ask, who, answer } in std::mem::take(&mut self.deferred) {
            if self.is_at_work_for(&ask) {
                self.deferred.push(Deferred { ask, who, answer });
            } else {
                self.take_decision(&ask, &who, answer);
                self.record_pending().await?;
            }
        }
        Ok(())
    }

    /// A decision is answered when its exchange has come to where it waits again, or rests after a setback.
    pub(super) fn answer_outcomes(&mut self) {
        let now = Instant::now();
        for outcome in std::mem::take(&mut self.outcomes) {
            let Some(exchange) = self.book.get(outcome.id) else { continue };
            let is_moving =
                self.busy.contains(&Key::Duty(outcome.id)) || self.pending.iter().any(|(id, _)| *id == outcome.id);
            let rests = self.rests.contains_key(&outcome.id);
            if (is_moving || (exchange.duty().is_some() && !rests)) && outcome.until > now {
                self.outcomes.push(outcome);
                continue;
            }
            let (state, next) = (exchange.state_name().to_owned(), exchange.next_step());
            let _ = outcome.answer.send(Answer::Decided { id: outcome.id, state, next });
        }
    }
}
