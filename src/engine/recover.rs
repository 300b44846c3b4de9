//! After a store was put back from a backup: what it is behind by, what lies here and on the far side that it does not know,
//! and, once a person says so, the facts by which nothing is lost, sent twice or handed over twice. Start with
//! [`Recovery::open`].
//!
//! The reading is the simplest one that cannot lose or double. What was on its way out when the backup was made, and
//! every query that lies here and is in no journal, may have been sent: it waits for a receipt, a reply or a person.
//! Receipts and replies in the archive count again. A reply may have been handed over: it is applied, and its hand-over
//! waits for a person.

pub(super) mod far;
mod strays;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::anchor::{Anchored, Standing};
use super::decide::{NotDecided, is_good};
use super::desk::Office;
use super::offline::{OfflineTrouble, StoreLock, fold, take_existing};
use super::site::Surroundings;
use crate::config::Settings;
use crate::domain::exchange::{Book, Exchange, Fact};
use crate::domain::identity::{FileId, RemoteName};
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;
use crate::durable::RealDisk;
use crate::store::{Body, HouseFact, Store};
pub use far::FarLook;
use strays::Strays;

/// What is known before anything is decided, for a person.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Why the store is taken for one that was put back. None: journal and anchor agree.
    pub restored: Option<String>,
    /// The number of the journal's last entry.
    pub journal: u64,
    /// The entry that the anchor names. None: there is no anchor.
    pub anchor: Option<u64>,
    /// Of the journal: what is not at its end.
    pub open: Vec<Open>,
    /// What lies here and is in no journal.
    pub queries: Vec<StrayQuery>,
    pub replies: Vec<StrayReply>,
    pub receipts: Vec<String>,
    /// What lies here and cannot be taken in, and why.
    pub odd: Vec<String>,
    /// What lies on the far side; empty if nobody looked.
    pub far: Vec<FarLook>,
}

impl Report {
    /// Whether the daemon goes on without a person. What lies here unknown to a whole journal was claimed or fetched just
    /// before the daemon stopped, and it takes that up by itself.
    pub fn is_fine(&self) -> bool {
        self.restored.is_none()
    }
}

/// An exchange that was under way when the backup was made.
#[derive(Clone, Debug, Serialize)]
pub struct Open {
    pub id: FileId,
    pub municipality: MunicipalityCode,
    pub state: String,
    /// The state that recovering leaves it in.
    pub becomes: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct StrayQuery {
    pub id: FileId,
    pub municipality: MunicipalityCode,
    /// Its name in the outbox, or on the far side; None: neither is known.
    pub name: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct StrayReply {
    pub municipality: MunicipalityCode,
    pub name: RemoteName,
}

/// Who lets the recovery happen, and why.
#[derive(Clone, Debug)]
pub struct Accept {
    pub who: String,
    pub reason: String,
}

/// A store that nobody else uses, and what was found around it.
pub struct Recovery {
    office: Office,
    store: Anchored,
    standing: Standing,
    book: Book,
    strays: Strays,
    far: Vec<FarLook>,
    _lock: StoreLock,
}

impl Recovery {
    /// Takes the store and looks at what lies here. Nothing is changed. Errors: a daemon has the store, or there is none.
    pub fn open(settings: &Settings) -> Result<Recovery, OfflineTrouble> {
        let office = Office::open(settings.clone(), Arc::new(RealDisk), Surroundings::real())
            .map_err(|troubles| OfflineTrouble::layouts(&troubles))?;
        let (lock, store, standing) = take_existing(&office)?;
        let book = fold(&store)?;
        let mut strays = Strays::look(&office, &book);
        if let Standing::Holds = standing {
            strays.forget_broken_off(&office, &book);
        }
        Ok(Recovery { office, store, standing, book, strays, far: Vec::new(), _lock: lock })
    }

    /// Looks at OUT and IN of every endpoint, and reads the triggers there whose queries no journal knows.
    pub async fn look_far(&mut self) {
        self.far = far::look(&self.office, &self.book).await;
        for look in &self.far {
            self.strays.names.extend(look.names.clone());
        }
    }

    pub fn report(&self) -> Report {
        let opened = |exchange: &Exchange| {
            let becomes = exchange.after(self.office.surroundings.now(), &Fact::StoreRestored);
            Open {
                id: exchange.id,
                municipality: exchange.route.municipality,
                state: exchange.state.name().to_owned(),
                becomes: becomes.map_or_else(|_| exchange.state.name(), |after| after.state.name()).to_owned(),
            }
        };
        let (restored, anchor) = match &self.standing {
            Standing::Holds => (None, (self.store.head().seq > 0).then(|| self.store.head().seq)),
            Standing::Restored(restored) => (Some(restored.finding()), restored.anchor.map(|anchor| anchor.seq)),
        };
        Report {
            restored,
            journal: self.store.head().seq,
            anchor,
            open: self.book.open().map(opened).collect(),
            queries: self.strays.queries(),
            replies: self.strays.replies(),
            receipts: self.strays.receipts(),
            odd: self.strays.odd.clone(),
            far: self.far.clone(),
        }
    }

    /// Journals what was found, so that the daemon can go on, and lets the anchor begin anew at the journal's end.
    pub fn accept(mut self, accept: Accept) -> Result<(), AcceptTrouble> {
        if !is_good(&accept.reason) {
            return Err(AcceptTrouble::BadReason);
        }
        let now = self.office.surroundings.now();
        let missing = match &self.standing {
            Standing::Restored(restored) => restored.anchor.map(|anchor| anchor.seq),
            Standing::Holds => None,
        };
        let mut ahead = Ahead { book: self.book, seq: self.store.head().seq + 1, at: now, facts: Vec::new() };
        let open: Vec<FileId> = ahead.book.open().map(|exchange| exchange.id).collect();
        for id in &open {
            ahead.add(*id, Fact::StoreRestored);
        }
        let (queries, replies) = (self.strays.queries().len() as u64, self.strays.replies().len() as u64);
        self.strays.take_in(&self.office, &mut ahead).map_err(AcceptTrouble::Unread)?;
        let recovered = HouseFact::Recovered {
            who: accept.who,
            reason: accept.reason.trim().to_owned(),
            journal: self.store.head().seq,
            anchor: missing,
            open: open.len() as u64,
            queries,
            replies,
        };
        let facts = ahead.facts.into_iter().map(|(id, fact)| Body::Exchange { id, fact });
        let bodies: Vec<_> = std::iter::once(Body::House(recovered)).chain(facts).collect();
        let head = self.store.head();
        // What is journalled twice, after a crash between these two, changes nothing the second time.
        self.store.append(head, now, &bodies).map_err(OfflineTrouble::from)?;
        self.store.renew().map_err(OfflineTrouble::from)?;
        Ok(())
    }
}

/// Why nothing was recovered.
#[derive(Debug, thiserror::Error)]
pub enum AcceptTrouble {
    #[error("{}", NotDecided::BadReason)]
    BadReason,
    /// A daemon might find it later and take it for new.
    #[error("cannot be read, so nothing was recovered: {0}")]
    Unread(String),
    #[error("{0}")]
    Store(#[from] OfflineTrouble),
}

/// The book as it will be, and the facts that make it so, in order.
struct Ahead {
    book: Book,
    seq: u64,
    at: Moment,
    facts: Vec<(FileId, Fact)>,
}

impl Ahead {
    /// Adds a fact if it can be; false: it cannot, and the book stays as it is.
    fn add(&mut self, id: FileId, fact: Fact) -> bool {
        if self.book.broken(id).is_some() || self.book.weigh(id, self.at, &fact).is_err() {
            return false;
        }
        self.seq += 1;
        self.book.take_in(self.seq, id, self.at, &fact);
        self.facts.push((id, fact));
        true
    }
}

/// Names on the far side, by whose query they are.
type Names = BTreeMap<FileId, RemoteName>;
