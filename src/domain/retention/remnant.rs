//! What is left of a story when its entries are removed: by this a name, an id, a receipt or a reply that comes again is
//! still known, and nothing else can be told. Start with [`Remnant::of`].

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Erased;
use super::hash_key::HashKey;
use crate::domain::exchange::fact::{Accepted, Arrival, Fact, OriginalStamp, Seen, UnfitQuery};
use crate::domain::exchange::{Exchange, Origin, ReadReceipt, State};
use crate::domain::identity::{ContentHash, DeliveryNumber, FileId, Route};
use crate::domain::moment::Moment;

/// A story that was over, without its files and its entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remnant {
    pub id: FileId,
    pub route: Route,
    pub begun: Moment,
    pub ended: Moment,
    pub end: End,
    /// Its names, numbers and days; what the outbox called it is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<Accepted>,
    /// It was a file that was no query.
    #[serde(default)]
    pub was_unfit: bool,
    pub arrivals: Vec<Arrival>,
    pub receipts: Vec<ReadReceipt>,
    pub retried_by: Vec<FileId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<AppliedLeft>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Done,
    Refused,
    Withdrawn,
    Rejected,
}

/// The reply that it brought into the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedLeft {
    /// The number of the journal entry that said so.
    pub seq: u64,
    pub at: Moment,
    pub delivery: Option<DeliveryNumber>,
    pub as_of: Date,
}

impl Remnant {
    /// What is to be kept of this story; its hashes are sealed if they are not yet. None: it is not over.
    pub fn of(exchange: &Exchange, applied: Option<AppliedLeft>, key: &HashKey) -> Option<Remnant> {
        let end = match exchange.state {
            State::Done { .. } => End::Done,
            State::Refused { .. } => End::Refused,
            State::Withdrawn { .. } => End::Withdrawn,
            State::Rejected { .. } => End::Rejected,
            _ => return None,
        };
        let mut exchange = exchange.clone();
        exchange.seal(key);
        let query = exchange.query().cloned().map(|query| Accepted {
            original_name: query.remote_name.to_string(),
            spool_name: String::new(),
            original: OriginalStamp { device: 0, inode: 0, size: query.size, modified_micros: 0 },
            ..query
        });
        Some(Remnant {
            id: exchange.id,
            route: exchange.route,
            begun: exchange.begun,
            ended: exchange.since,
            end,
            query,
            was_unfit: matches!(exchange.origin, Origin::Unfit(_)),
            arrivals: exchange.arrivals,
            receipts: exchange.receipts,
            retried_by: exchange.retried_by,
            applied,
        })
    }

    /// The exchange as far as it is still known.
    pub fn to_exchange(&self, erased: Erased) -> Exchange {
        let why = || "its story was removed, because it was older than is kept".to_owned();
        let state = match self.end {
            End::Done => State::Done { left: Vec::new() },
            End::Refused => State::Refused { why: why() },
            End::Withdrawn => State::Withdrawn { why: why() },
            End::Rejected => State::Rejected { errors: Vec::new() },
        };
        let origin = match &self.query {
            Some(query) => Origin::Query(query.clone()),
            None if self.was_unfit => Origin::Unfit(UnfitQuery {
                route: self.route.clone(),
                original_name: "(removed)".to_owned(),
                spool_name: String::new(),
                size: 0,
                hash: ContentHash::of(&[]),
                finding: why(),
            }),
            None => Origin::Reply,
        };
        Exchange {
            since: self.ended,
            arrivals: self.arrivals.clone(),
            receipts: self.receipts.clone(),
            retried_by: self.retried_by.clone(),
            erased: Some(erased),
            ..Exchange::new(self.id, self.route.clone(), origin, state, self.begun)
        }
    }
}

impl Exchange {
    /// Its replies whose files were not erased.
    pub fn replies_kept(&self) -> &[Arrival] {
        self.arrivals.get(self.erased.map_or(0, |erased| erased.replies)..).unwrap_or_default()
    }

    /// Its receipts whose files were not erased.
    pub fn receipts_kept(&self) -> &[ReadReceipt] {
        self.receipts.get(self.erased.map_or(0, |erased| erased.receipts)..).unwrap_or_default()
    }

    /// Whether there are files of it that could be erased.
    pub fn has_files(&self) -> bool {
        self.erased.is_none() || !self.replies_kept().is_empty() || !self.receipts_kept().is_empty()
    }

    /// Takes the plain hashes of its files out of a story that is over.
    pub(in crate::domain) fn seal(&mut self, key: &HashKey) {
        let (replies, receipts) = self.erased.map_or((0, 0), |erased| (erased.replies, erased.receipts));
        match &mut self.origin {
            Origin::Query(query) if self.erased.is_none() => query.hash = key.seal(query.hash),
            Origin::Unfit(unfit) if self.erased.is_none() => unfit.hash = key.seal(unfit.hash),
            Origin::Query(_) | Origin::Unfit(_) | Origin::Reply => {}
        }
        self.arrivals.iter_mut().skip(replies).for_each(|arrival| arrival.hash = key.seal(arrival.hash));
        self.receipts.iter_mut().skip(receipts).for_each(|receipt| receipt.hash = key.seal(receipt.hash));
    }

    /// The hashes that are sealed already, because their files were erased.
    pub fn sealed_hashes(&self) -> BTreeSet<ContentHash> {
        let Some(Erased { replies, receipts, .. }) = self.erased else { return BTreeSet::new() };
        let origin = match &self.origin {
            Origin::Query(query) => Some(query.hash),
            Origin::Unfit(unfit) => Some(unfit.hash),
            Origin::Reply => None,
        };
        let replies = self.arrivals.iter().take(replies).map(|arrival| arrival.hash);
        origin
            .into_iter()
            .chain(replies)
            .chain(self.receipts.iter().take(receipts).map(|receipt| receipt.hash))
            .collect()
    }
}

/// The fact without its payload's hash, if it has one: the sealed one stands in its place. None: it says nothing that is
/// not sealed; `already` are hashes that are.
pub fn sealed(fact: &Fact, key: &HashKey, already: &BTreeSet<ContentHash>) -> Option<Fact> {
    let seal = |hash: ContentHash| if already.contains(&hash) { hash } else { key.seal(hash) };
    let sealed = match fact {
        Fact::Accepted(query) => Fact::Accepted(Accepted { hash: seal(query.hash), ..query.clone() }),
        Fact::Unfit(unfit) => Fact::Unfit(UnfitQuery { hash: seal(unfit.hash), ..unfit.clone() }),
        Fact::ReplyFetched(arrival) => Fact::ReplyFetched(Arrival { hash: seal(arrival.hash), ..arrival.clone() }),
        Fact::ReceiptRead { transfer, name, hash, outcome } => {
            Fact::ReceiptRead { transfer: *transfer, name: name.clone(), hash: seal(*hash), outcome: outcome.clone() }
        }
        Fact::Approved { decision, seen: Seen { reply: Some(reply), register_head } } => {
            let seen = Seen { reply: Some(seal(*reply)), register_head: *register_head };
            Fact::Approved { decision: decision.clone(), seen }
        }
        _ => return None,
    };
    (sealed != *fact).then_some(sealed)
}
