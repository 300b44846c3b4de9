//! A fetched reply on its way into the register: read by its layout, compared, judged by the guards, and applied in
//! one transaction, or held with every reason why. [`ChangeList`] is what the benefit system gets to see of it.

mod archived;
mod change_list;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use archived::{ArchivedReply, ReadTrouble};
pub use change_list::ChangeList;

use crate::domain::change::{ChangeSummary, Guards};
use crate::domain::exchange::fact::{Arrival, Belongs};
use crate::domain::exchange::hold::HoldReason;
use crate::domain::exchange::{Approval, Fact};
use crate::domain::identity::{DeliveryNumber, FileId};
use crate::domain::layout::Layout;
use crate::domain::moment::Moment;
use crate::domain::reply::ReplyEnd;
use crate::durable::Disk;
use crate::store::{Entry, Order, Outcome, Sorted, Store, StoreTrouble};

/// One reply to be compared with the register of its route.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub id: FileId,
    pub at: Moment,
    /// In the archive.
    pub file: PathBuf,
    pub arrival: Arrival,
    /// The delivery number of its query, if it has one.
    pub asked: Option<DeliveryNumber>,
    /// The last applied reply of this route, as the engine's book has it.
    pub register: RegisterState,
    /// Where a long reply is sorted.
    pub folder: PathBuf,
    pub approved: Option<Approval>,
    pub guards: Guards,
    /// Only look: hold again with fresh reasons, whatever they are.
    pub only_look: bool,
    /// Set when the daemon is to stop: a comparison in the middle is given up, and made again at the next start.
    pub stop: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct RegisterState {
    /// The journal number of the last applied reply, 0 for none.
    pub head: u64,
    /// The highest delivery number applied.
    pub delivery: Option<DeliveryNumber>,
}

/// What became of it.
#[derive(Debug)]
pub enum Compared {
    /// Register and journal hold it.
    Applied(Entry),
    /// A fact to be recorded: it waits for a person.
    Held(Fact),
}

/// A reply that was read to its end, checked and sorted; what is left to do needs the store.
pub struct Checked {
    comparison: Comparison,
    end: ReplyEnd,
    sorted: Sorted,
}

impl Comparison {
    /// Reads the reply, which takes its time, and needs no store. Inner error: it is unfit, the fact to be recorded.
    /// Errors: it could not be read, or the daemon stops; nothing has happened.
    pub fn check(self, disk: &dyn Disk, layout: &Layout) -> Result<Result<Checked, Fact>, ReadTrouble> {
        let archived = ArchivedReply {
            file: &self.file,
            municipality: self.arrival.route.municipality,
            hash: self.arrival.hash,
            folder: &self.folder,
            stop: &self.stop,
        };
        match archived.read(disk, layout) {
            Ok((end, sorted)) => Ok(Ok(Checked { comparison: self, end, sorted })),
            Err(trouble @ (ReadTrouble::NotRead(_) | ReadTrouble::NotSorted(_))) => Err(trouble),
            Err(unfit @ (ReadTrouble::Unfit(_) | ReadTrouble::Altered)) => {
                Ok(Err(self.hold(vec![HoldReason::UnfitReply { finding: unfit.to_string() }], None)))
            }
        }
    }
}

impl Checked {
    /// Compares it with the register, and applies it if nothing is against it.
    pub fn carry_out(mut self, store: &mut dyn Store) -> Result<Compared, StoreTrouble> {
        let Checked { comparison, end, sorted } = &mut self;
        let order = Order { id: comparison.id, route: comparison.arrival.route.clone(), at: comparison.at };
        let mut reasons = Vec::new();
        let outcome = store.apply(&order, sorted, &mut |summary| {
            reasons = comparison.reasons(summary);
            let may_pass = reasons.is_empty() || comparison.is_approved();
            (may_pass && !comparison.only_look).then(|| Fact::Applied {
                summary: summary.clone(),
                delivery: end.head.delivery,
                as_of: end.head.date,
            })
        })?;
        Ok(match outcome {
            Outcome::Applied(entry) => Compared::Applied(entry),
            Outcome::Held(summary) => Compared::Held(comparison.hold(reasons, Some(summary))),
        })
    }
}

impl Comparison {
    /// An approval holds only for the register that the person saw.
    fn is_approved(&self) -> bool {
        self.approved.is_some_and(|approval| approval.register_head == self.register.head)
    }

    fn hold(&self, reasons: Vec<HoldReason>, summary: Option<ChangeSummary>) -> Fact {
        Fact::ReplyHeld { reasons, register_head: self.register.head, summary }
    }

    /// Everything about this reply that a person should see before it counts.
    fn reasons(&self, summary: &ChangeSummary) -> Vec<HoldReason> {
        let mut reasons = match &self.arrival.belongs {
            Belongs::Delivery => Vec::new(),
            Belongs::Order => {
                vec![HoldReason::ByOrderOnly { asked: self.asked.unwrap_or(DeliveryNumber(0)) }]
            }
            Belongs::Unasked => vec![HoldReason::Unasked],
            Belongs::Second { to } => vec![HoldReason::SecondReply { to: *to }],
            Belongs::GivenUp { of } => vec![HoldReason::GivenUp { of: *of }],
            Belongs::ReusedTransfer { of } => vec![HoldReason::ReusedTransfer { of: *of }],
        };
        if let (Some(delivery), Some(applied)) = (self.arrival.delivery, self.register.delivery)
            && delivery < applied
        {
            reasons.push(HoldReason::OlderDelivery { delivery, applied });
        }
        reasons.extend(self.guards.surprises(summary));
        reasons
    }
}
