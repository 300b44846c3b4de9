//! A fetched reply on its way into the register: read by its layout, compared, judged by the guards, and applied in
//! one transaction, or held with every reason why. [`ChangeList`] is what the benefit system gets to see of it.

mod archived;
mod change_list;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use archived::{ArchivedReply, FeedTrouble};
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
use crate::store::{Entry, Order, Outcome, Store, StoreTrouble};

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
    /// The archived file could not be read, or the daemon stops; nothing has happened.
    NotRead(std::io::Error),
}

impl Comparison {
    pub fn carry_out(self, store: &mut dyn Store, disk: &dyn Disk, layout: &Layout) -> Result<Compared, StoreTrouble> {
        let order = Order { id: self.id, route: self.arrival.route.clone(), at: self.at };
        let mut end: Option<ReplyEnd> = None;
        let mut reasons = Vec::new();
        let mut not_read = None;
        // The feed says the end before the decision is asked for, but the two cannot share a borrow.
        let end_cell = std::cell::RefCell::new(&mut end);
        let outcome = store.apply(
            &order,
            &mut |sink| {
                let archived = ArchivedReply {
                    file: &self.file,
                    municipality: self.arrival.route.municipality,
                    hash: self.arrival.hash,
                    stop: &self.stop,
                };
                let read = archived.feed(disk, layout, sink).map_err(|trouble| match trouble {
                    FeedTrouble::NotRead(error) => not_read.insert(error).to_string(),
                    unfit => unfit.to_string(),
                })?;
                let as_of = read.head.date;
                **end_cell.borrow_mut() = Some(read);
                Ok(as_of)
            },
            &mut |summary| {
                reasons = self.reasons(summary);
                let end = end_cell.borrow();
                let head = &end.as_ref()?.head;
                let may_pass = reasons.is_empty() || self.is_approved();
                (may_pass && !self.only_look).then(|| Fact::Applied {
                    summary: summary.clone(),
                    delivery: head.delivery,
                    as_of: head.date,
                })
            },
        )?;
        Ok(match outcome {
            Outcome::Applied(entry) => Compared::Applied(entry),
            Outcome::Held(summary) => self.hold(reasons, Some(summary)),
            Outcome::Unfit(finding) => match not_read {
                Some(error) => Compared::NotRead(error),
                None => self.hold(vec![HoldReason::UnfitReply { finding }], None),
            },
        })
    }

    /// An approval holds only for the register that the person saw.
    fn is_approved(&self) -> bool {
        self.approved.is_some_and(|approval| approval.register_head == self.register.head)
    }

    fn hold(&self, reasons: Vec<HoldReason>, summary: Option<ChangeSummary>) -> Compared {
        Compared::Held(Fact::ReplyHeld { reasons, register_head: self.register.head, summary })
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
