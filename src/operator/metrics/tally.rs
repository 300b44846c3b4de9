//! What the journal says happened how often. Read once from its beginning, then on from where it was left, so that the
//! counters survive a restart and a scrape costs what was new. Start with [`Tally::read_on`].

use std::collections::{BTreeMap, HashMap};

use crate::domain::exchange::Exchange;
use crate::domain::identity::FileId;
use crate::store::{Body, Entry, Reading, StoreTrouble};

/// What was counted, up to an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The last entry's number.
    pub head: u64,
    /// By the fact's name.
    pub facts: BTreeMap<&'static str, u64>,
    /// By the state's name as people see it.
    pub ended: BTreeMap<&'static str, u64>,
}

/// The facts that this version does not understand are counted under this name.
const NOT_UNDERSTOOD: &str = "not_understood";

/// The counts, and what is needed to count on.
#[derive(Default)]
pub struct Tally {
    counts: Counts,
    /// Not at their end yet.
    open: HashMap<FileId, Exchange>,
}

impl Tally {
    /// Counts what has come since. Errors: the journal cannot be read, or is another one; it is counted anew then.
    pub fn read_on(&mut self, journal: &dyn Reading) -> Result<Counts, StoreTrouble> {
        match journal.entries(self.counts.head, &mut |entry| self.take_in(entry)) {
            Ok(head) => {
                self.counts.head = head.seq;
                Ok(self.counts.clone())
            }
            Err(trouble) => {
                *self = Tally::default();
                Err(trouble)
            }
        }
    }

    fn take_in(&mut self, entry: Entry) {
        let name = match &entry.body {
            Body::Exchange { fact, .. } => fact.name(),
            Body::House(fact) => fact.name(),
            Body::NotUnderstood { .. } => NOT_UNDERSTOOD,
        };
        *self.counts.facts.entry(name).or_default() += 1;
        let Body::Exchange { id, fact } = entry.body else { return };
        let after = match self.open.remove(&id) {
            // What cannot follow leaves it as it was.
            Some(before) => Some(before.after(entry.at, &fact).unwrap_or(before)),
            // Or it has come to its end before, and something more was heard of it.
            None => Exchange::begin(id, entry.at, &fact).ok(),
        };
        match after {
            Some(exchange) if exchange.state.is_final() => {
                *self.counts.ended.entry(exchange.state_name()).or_default() += 1;
            }
            Some(exchange) => {
                self.open.insert(id, exchange);
            }
            None => {}
        }
    }
}
