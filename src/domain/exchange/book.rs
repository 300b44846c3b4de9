//! All exchanges of the house, folded from the journal, and the questions that span them: is this a second
//! query, whose reply is this, was this receipt read before.

mod remembered;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::civil::Date;

use super::fact::{Accepted, Arrival, Belongs, Fact};
use super::hold::HoldReason;
use super::unread::{Marks, Unread};
use super::{Exchange, Impossible, Origin, State};
use crate::domain::envelope::SendersFileId;
use crate::domain::identity::{ContentHash, DeliveryNumber, FileId, RemoteName, Route, TransferId};
use crate::domain::moment::{Moment, PaymentMonth};
use crate::domain::retention::{HashKey, LegalHold, Scope};

/// Every exchange, and what the journal says across them.
#[derive(Clone, Debug, Default)]
pub struct Book {
    exchanges: BTreeMap<FileId, Exchange>,
    /// Not in a final state, in the order of their beginning.
    open: BTreeSet<(Moment, FileId)>,
    /// Those of them that have a duty: most open ones wait for the other side, for days.
    due: BTreeSet<(Moment, FileId)>,
    /// Whose story holds a fact that cannot be: no duty is done for them.
    broken: BTreeMap<FileId, String>,
    /// Of the broken ones, those that no understood entry began.
    unread: BTreeMap<FileId, Unread>,
    by_remote_name: HashMap<RemoteName, FileId>,
    by_route: HashMap<Route, Vec<FileId>>,
    replies: HashMap<TransferId, Vec<(Arrival, FileId)>>,
    receipts: HashMap<RemoteName, FileId>,
    registers: HashMap<Route, RegisterMark>,
    applied: HashMap<FileId, u64>,
    /// The numbers of each story's entries.
    entries: HashMap<FileId, Vec<u64>>,
    /// Since the first checkpoint: with it the hashes of erased files are told apart.
    key: Option<HashKey>,
    holds: BTreeMap<Scope, LegalHold>,
    /// Of a route from whose register ended agreements were removed: from when on it knows all.
    known_from: BTreeMap<Route, Moment>,
    numbers: HashMap<FileId, Numbers>,
}

/// Where in the journal's order a story began, and where its last reply was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbers {
    first: u64,
    fetched: Option<u64>,
}

/// The last reply that a route's register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterMark {
    /// The journal number of the fact; what an approval is bound to.
    pub head: u64,
    pub at: Moment,
    /// The last one's that had any: a person may have approved an older one.
    pub delivery: Option<DeliveryNumber>,
    pub as_of: Date,
}

impl Book {
    /// What the exchange would be after this fact, or why the fact cannot be. Asked before a fact is recorded: none is
    /// put behind an entry that is not understood, or whoever understands it could not read on.
    pub fn weigh(&self, id: FileId, at: Moment, fact: &Fact) -> Result<Exchange, Impossible> {
        match self.broken.get(&id) {
            Some(why) => Err(Impossible { fact: fact.name().to_owned(), state: format!("a broken story ({why})") }),
            None => self.next(id, at, fact),
        }
    }

    fn next(&self, id: FileId, at: Moment, fact: &Fact) -> Result<Exchange, Impossible> {
        match self.exchanges.get(&id) {
            None => Exchange::begin(id, at, fact),
            Some(exchange) => exchange.after(at, fact),
        }
    }

    /// Takes in a fact that the journal holds under number `seq`. An impossible one marks the exchange broken.
    pub fn take_in(&mut self, seq: u64, id: FileId, at: Moment, fact: &Fact) {
        match self.next(id, at, fact) {
            Ok(exchange) if !self.unread.contains_key(&id) => self.put(seq, at, fact, exchange),
            Ok(_) => {}
            Err(impossible) => self.mark_broken(id, impossible.to_string()),
        }
    }

    /// From here on nothing is done for this exchange by itself.
    pub fn mark_broken(&mut self, id: FileId, why: String) {
        self.broken.entry(id).or_insert(why);
    }

    /// Takes note of an entry that is not understood: nothing is done for its exchange from here on.
    pub fn not_understood(&mut self, seq: u64, id: FileId, at: Moment, why: &str, marks: &Marks) {
        self.mark_broken(id, format!("entry {seq} is not understood: {why}"));
        if self.exchanges.contains_key(&id) || self.unread.contains_key(&id) {
            return;
        }
        if let Some(name) = &marks.remote_name {
            self.by_remote_name.insert(name.clone(), id);
        }
        self.unread.insert(id, Unread { id, seq, at, marks: marks.clone() });
    }

    fn put(&mut self, seq: u64, at: Moment, fact: &Fact, exchange: Exchange) {
        let id = exchange.id;
        if !self.exchanges.contains_key(&id) {
            self.by_route.entry(exchange.route.clone()).or_default().push(id);
        }
        let numbers = self.numbers.entry(id).or_insert(Numbers { first: seq, fetched: None });
        if let Fact::ReplyFetched(_) = fact {
            numbers.fetched = Some(seq);
        }
        match fact {
            Fact::Accepted(accepted) => {
                self.by_remote_name.insert(accepted.remote_name.clone(), id);
            }
            Fact::ReplyFetched(arrival) => {
                self.replies.entry(arrival.transfer).or_default().push((arrival.clone(), id));
            }
            Fact::ReceiptRead { name, .. } => {
                self.receipts.insert(name.clone(), id);
            }
            Fact::Applied { delivery, as_of, .. } => {
                let former = self.registers.get(&exchange.route).and_then(|mark| mark.delivery);
                let mark = RegisterMark { head: seq, at, delivery: delivery.or(former), as_of: *as_of };
                self.registers.insert(exchange.route.clone(), mark);
                self.applied.insert(id, seq);
            }
            _ => {}
        }
        self.entries.entry(id).or_default().push(seq);
        let key = (exchange.begun, id);
        let keep = |set: &mut BTreeSet<_>, is_in: bool| if is_in { set.insert(key) } else { set.remove(&key) };
        keep(&mut self.open, !exchange.state.is_final());
        keep(&mut self.due, exchange.duty().is_some());
        self.exchanges.insert(id, exchange);
    }

    pub fn get(&self, id: FileId) -> Option<&Exchange> {
        self.exchanges.get(&id)
    }

    /// Why nothing is done for this exchange, if its story is broken.
    pub fn broken(&self, id: FileId) -> Option<&str> {
        self.broken.get(&id).map(String::as_str)
    }

    /// The exchanges whose story is broken, with what is wrong.
    pub fn all_broken(&self) -> impl Iterator<Item = (FileId, &str)> {
        self.broken.iter().map(|(id, why)| (*id, why.as_str()))
    }

    /// The stories that begin with an entry which is not understood, oldest first.
    pub fn unread(&self) -> Vec<&Unread> {
        let mut unread: Vec<_> = self.unread.values().collect();
        unread.sort_by_key(|unread| (unread.at, unread.id));
        unread
    }

    /// Whether the journal says anything of this id, understood or not.
    pub fn knows(&self, id: FileId) -> bool {
        self.exchanges.contains_key(&id) || self.broken.contains_key(&id)
    }

    /// A story that is not understood and may be a query for the same payment, or with the same delivery number.
    pub fn unread_rival(
        &self,
        route: &Route,
        date: Date,
        month: PaymentMonth,
        delivery: DeliveryNumber,
    ) -> Option<FileId> {
        self.unread.values().find(|unread| unread.may_rival(route, date, month, delivery)).map(|unread| unread.id)
    }

    /// The story that is not understood and sent a file of this name.
    pub fn unread_named(&self, name: &RemoteName) -> Option<FileId> {
        self.by_remote_name.get(name).copied().filter(|id| self.unread.contains_key(id))
    }

    /// The story that is not understood and that a reply with this delivery number answers, or may where nobody else
    /// asked for it.
    pub fn unread_asker(&self, route: &Route, delivery: Option<DeliveryNumber>, belongs: &Belongs) -> Option<FileId> {
        let may_have_asked = |unread: &&Unread| match (unread.marks.delivery, belongs) {
            (Some(asked), Belongs::Unasked | Belongs::Order) => delivery == Some(asked),
            (None, Belongs::Unasked) => true,
            (Some(asked), Belongs::GivenUp { .. }) => delivery == Some(asked),
            (
                _,
                Belongs::Delivery
                | Belongs::Second { .. }
                | Belongs::ReusedTransfer { .. }
                | Belongs::Order
                | Belongs::GivenUp { .. },
            ) => false,
        };
        let of_route = self.unread.values().filter(|unread| unread.marks.route.as_ref() == Some(route));
        of_route.filter(may_have_asked).map(|unread| unread.id).next()
    }

    /// Every exchange that is not in a final state, oldest first, but for the broken ones.
    pub fn open(&self) -> impl Iterator<Item = &Exchange> {
        self.unbroken(&self.open)
    }

    /// Every exchange that has a duty, oldest first, but for the broken ones.
    pub fn due(&self) -> impl Iterator<Item = &Exchange> {
        self.unbroken(&self.due)
    }

    fn unbroken<'a>(&'a self, of: &'a BTreeSet<(Moment, FileId)>) -> impl Iterator<Item = &'a Exchange> {
        of.iter().filter(|(_, id)| !self.broken.contains_key(id)).filter_map(|(_, id)| self.exchanges.get(id))
    }

    pub fn all(&self) -> impl Iterator<Item = &Exchange> {
        self.exchanges.values()
    }

    /// The exchanges of one route in the order of their first fact.
    pub fn of_route(&self, route: &Route) -> impl DoubleEndedIterator<Item = &Exchange> {
        self.by_route.get(route).into_iter().flatten().filter_map(|id| self.exchanges.get(id))
    }

    /// A live query of the same route for that payment date or month.
    pub fn second_to(&self, route: &Route, date: Date, month: PaymentMonth) -> Option<&Exchange> {
        self.of_route(route).filter(|exchange| exchange.is_live_query()).find(|exchange| {
            exchange.query().is_some_and(|query| query.payment_date == date || query.payment_month == month)
        })
    }

    /// What must be said of this query just before its trigger is intended: one that began before it, and had come to
    /// nothing when it was accepted, counts after all. What a person has let pass is not said again.
    pub fn rivals_of(&self, exchange: &Exchange) -> Vec<HoldReason> {
        let Some(query) = exchange.query() else { return Vec::new() };
        let is_waived = |is_it: &dyn Fn(&HoldReason) -> Option<FileId>, other: &Exchange| {
            let mut waived = exchange.waived.iter().filter_map(is_it).peekable();
            // Who let one pass knew of those that counted then, though only the first was named.
            waived.peek().is_some() && (!other.has_come_back() || waived.any(|waived| waived == other.id))
        };
        let second = |waived: &HoldReason| match waived {
            HoldReason::SecondQuery { other, .. } => Some(*other),
            _ => None,
        };
        let used = |waived: &HoldReason| match waived {
            HoldReason::DeliveryUsed { other, .. } => Some(*other),
            _ => None,
        };
        let earlier = || {
            let of_route = self.of_route(&exchange.route).take_while(|other| other.id != exchange.id);
            of_route.filter(|other| other.is_live_query()).filter_map(|other| Some((other, other.query()?)))
        };
        let is_second =
            |of: &Accepted| of.payment_date == query.payment_date || of.payment_month == query.payment_month;
        let first = earlier().find(|(other, of)| is_second(of) && !is_waived(&second, other));
        let payment_date = query.payment_date;
        let first = first.map(|(other, _)| HoldReason::SecondQuery { other: other.id, payment_date });
        let same = earlier().find(|(other, of)| of.delivery == query.delivery && !is_waived(&used, other));
        let same = same.map(|(other, of)| HoldReason::DeliveryUsed { delivery: of.delivery, other: other.id });
        first.into_iter().chain(same).collect()
    }

    /// A name is unique for ever, whatever became of its exchange.
    pub fn is_used(&self, name: &RemoteName) -> bool {
        self.by_remote_name.contains_key(name)
    }

    pub fn by_remote_name(&self, name: &RemoteName) -> Option<&Exchange> {
        self.exchanges.get(self.by_remote_name.get(name)?)
    }

    /// A delivery number higher than any that this route has used.
    pub fn next_delivery(&self, route: &Route) -> DeliveryNumber {
        let used = self.of_route(route).filter_map(|exchange| exchange.query()).map(|query| query.delivery.0);
        let unread = self.unread.values().filter(|unread| unread.marks.route.as_ref() == Some(route));
        let used = used.chain(unread.filter_map(|unread| unread.marks.delivery).map(|delivery| delivery.0));
        DeliveryNumber(used.max().unwrap_or(0).saturating_add(1))
    }

    /// The route's register, None before anything was applied.
    pub fn register(&self, route: &Route) -> Option<RegisterMark> {
        self.registers.get(route).copied()
    }

    /// The journal number of the entry by which this exchange's reply came into the register.
    pub fn applied(&self, id: FileId) -> Option<u64> {
        self.applied.get(&id).copied()
    }

    /// The journal number of the entry by which this story began.
    pub fn began(&self, id: FileId) -> Option<u64> {
        self.numbers.get(&id).map(|numbers| numbers.first)
    }

    /// The journal number of the entry by which this story's last reply was fetched.
    pub fn last_fetched(&self, id: FileId) -> Option<u64> {
        self.numbers.get(&id).and_then(|numbers| numbers.fetched)
    }

    /// The exchange that a receipt is for: the one whose file it names, unless it says another sender's id.
    pub fn receipted(&self, about: &SendersFileId, file: &RemoteName) -> Option<&Exchange> {
        let named = self.by_remote_name(file)?;
        match about {
            SendersFileId::Uuid(id) => (*id == named.id).then_some(named),
            SendersFileId::Absent => Some(named),
            SendersFileId::Other => None,
        }
    }

    /// A live query of the same route that has used this delivery number.
    pub fn with_delivery(&self, route: &Route, delivery: DeliveryNumber) -> Option<&Exchange> {
        self.of_route(route)
            .filter(|exchange| exchange.is_live_query())
            .find(|exchange| exchange.query().is_some_and(|query| query.delivery == delivery))
    }

    /// The exchange that counts in place of this one because a person had it sent again, or had that one sent again.
    /// None: it was never retried, or all of it came to nothing.
    pub fn live_retry(&self, exchange: &Exchange) -> Option<FileId> {
        let mut to_look_at = exchange.retried_by.clone();
        let mut seen = BTreeSet::new();
        while let Some(id) = to_look_at.pop() {
            match self.exchanges.get(&id) {
                Some(retry) if retry.can_be_retried() && !self.broken.contains_key(&id) => {
                    to_look_at.extend(retry.retried_by.iter().filter(|by| seen.insert(**by)));
                }
                // What is not known to have come to nothing counts.
                Some(_) | None => return Some(id),
            }
        }
        None
    }

    /// The exchange in whose story a receipt of this name was read.
    pub fn read_receipt(&self, name: &RemoteName) -> Option<&Exchange> {
        self.exchanges.get(self.receipts.get(name)?)
    }

    /// The replies of this name that were fetched, and whether the story of each is at its end.
    pub fn fetched(&self, name: &RemoteName) -> Vec<(Arrival, bool)> {
        let named = self.replies.values().flatten().filter(|(arrival, _)| arrival.name == *name);
        named
            .map(|(arrival, id)| {
                let is_final = self.exchanges.get(id).is_some_and(|exchange| exchange.state.is_final());
                (arrival.clone(), is_final)
            })
            .collect()
    }

    /// Where a reply with these marks belongs: an exchange that waits for it, or a story of its own (None).
    pub fn belongs(
        &self,
        route: &Route,
        transfer: TransferId,
        hash: ContentHash,
        delivery: Option<DeliveryNumber>,
    ) -> (Option<FileId>, Belongs) {
        let reused = self
            .replies
            .get(&transfer)
            .and_then(|known| known.iter().find(|(reply, _)| !self.is_same(reply.hash, hash)));
        if let Some((_, of)) = reused {
            return (None, Belongs::ReusedTransfer { of: *of });
        }
        let echoes =
            |exchange: &&Exchange| delivery.is_some() && exchange.query().map(|query| query.delivery) == delivery;
        let waiting: Vec<_> = self.of_route(route).filter(|exchange| exchange.awaits_reply()).collect();
        if let Some(exchange) = waiting.iter().copied().find(echoes) {
            return (Some(exchange.id), Belongs::Delivery);
        }
        if let Some(exchange) = self.of_route(route).filter(|exchange| !exchange.arrivals.is_empty()).find(echoes) {
            return (None, Belongs::Second { to: exchange.id });
        }
        let given_up = || self.of_route(route).filter(|exchange| exchange.is_given_up());
        if let Some(exchange) = given_up().find(echoes) {
            return (None, Belongs::GivenUp { of: exchange.id });
        }
        // Order proves nothing of a query whose trigger is yet to be intended.
        let is_next = |exchange: &&&Exchange| {
            exchange.state.awaits_reply() && exchange.query().is_some() && exchange.arrivals.is_empty()
        };
        let Some(next) = waiting.iter().find(is_next) else { return (None, Belongs::Unasked) };
        let is_late = |of: FileId| {
            let mut replies = self.of_route(route).flat_map(|exchange| &exchange.arrivals);
            !replies.any(|reply| reply.belongs == Belongs::GivenUp { of })
        };
        let before = self.of_route(route).take_while(|exchange| exchange.id != next.id);
        match before.filter(|exchange| exchange.is_given_up()).find(|exchange| is_late(exchange.id)) {
            Some(exchange) => (None, Belongs::GivenUp { of: exchange.id }),
            None => (Some(next.id), Belongs::Order),
        }
    }

    /// What a person may mean: an id or its beginning, a file's name here or there.
    pub fn find(&self, text: &str) -> Vec<&Exchange> {
        let text_lower = text.to_ascii_lowercase();
        let is_id = text_lower.len() >= 4 && text_lower.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        self.exchanges
            .values()
            .filter(|exchange| {
                (is_id && exchange.id.to_string().starts_with(&text_lower))
                    || exchange.arrivals.iter().any(|arrival| arrival.name.as_str() == text)
                    || exchange.receipts.iter().any(|receipt| receipt.name.as_str() == text)
                    || match &exchange.origin {
                        Origin::Query(query) => query.remote_name.as_str() == text || query.original_name == text,
                        Origin::Unfit(unfit) => unfit.original_name == text,
                        Origin::Reply => false,
                    }
            })
            .collect()
    }

    /// Exchanges that wait for a person: held, in doubt, or broken.
    pub fn waiting_for_person(&self) -> impl Iterator<Item = &Exchange> {
        self.exchanges.values().filter(|exchange| {
            exchange.held().is_some()
                || matches!(exchange.state, State::InDoubt { .. })
                || self.broken.contains_key(&exchange.id)
        })
    }
}
