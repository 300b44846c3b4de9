//! From what was found to what is known: facts weighed, recorded as one append, and taken into the book.

use std::collections::HashMap;

use tracing::info;

use super::House;
use crate::domain::exchange::{Exchange, Fact};
use crate::domain::identity::FileId;
use crate::domain::moment::Moment;
use crate::engine::places::short_id;
use crate::engine::{point, tell};
use crate::store::{Body, Entry, StoreTrouble};
use crate::transport::Connect;

impl<C: Connect> House<C> {
    /// Records what is pending as one append, and takes it into the book. A store that cannot be written makes the
    /// house stand still.
    pub(super) async fn record_pending(&mut self) -> Result<(), StoreTrouble> {
        if let Some(trouble) = self.outrun.take() {
            return Err(trouble);
        }
        if self.standstill.as_ref().is_some_and(|standstill| !standstill.is_over_due()) {
            return Ok(());
        }
        let now = self.site.surroundings.now();
        let facts = self.weigh_pending(now);
        let stood_still = self.standstill.as_ref().map(|standstill| Body::House(standstill.fact()));
        let recorded = facts.iter().map(|(id, fact)| Body::Exchange { id: *id, fact: fact.clone() });
        let bodies: Vec<Body> = stood_still.into_iter().chain(recorded).collect();
        if bodies.is_empty() {
            return Ok(());
        }
        match self.site.ledger.append(now, bodies).await {
            Ok(entries) => {
                self.go_on();
                entries.iter().for_each(|entry| self.take_in(entry));
                Ok(())
            }
            Err(trouble @ StoreTrouble::Unusable { .. }) => {
                self.stand_still(&trouble, facts);
                Ok(())
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// What is pending and can follow on what is known, in its order. What cannot is told and dropped: a journal that
    /// held it could never be read again.
    fn weigh_pending(&mut self, now: Moment) -> Vec<(FileId, Fact)> {
        let mut ahead: HashMap<FileId, Exchange> = HashMap::new();
        let mut facts = Vec::new();
        for (id, fact) in std::mem::take(&mut self.pending) {
            let weighed = match ahead.get(&id) {
                Some(exchange) => exchange.after(now, &fact),
                None => self.book.weigh(id, now, &fact),
            };
            match weighed {
                Ok(exchange) => {
                    ahead.insert(id, exchange);
                    facts.push((id, fact));
                }
                Err(impossible) => {
                    info!(exchange = %short_id(id), why = %impossible, "outcome no longer needed: its exchange has moved on");
                }
            }
        }
        facts
    }

    pub(super) fn take_in(&mut self, entry: &Entry) {
        let Body::Exchange { id, fact } = &entry.body else { return };
        self.book.take_in(entry.seq, *id, entry.at, fact);
        if matches!(
            fact,
            Fact::ReceiptRead { .. } | Fact::ReplyFetched(_) | Fact::TriggerMade | Fact::TriggerFound { .. }
        ) {
            self.rests.remove(id);
        }
        if let Some(exchange) = self.book.get(*id) {
            tell::tell(exchange, fact);
        }
        if point::POINTS.contains(&fact.name()) {
            point::reached(fact.name());
        }
    }
}
