//! What the book knows of things that retention has removed, so that what comes again is still recognised; and what keeps
//! the others.

use super::{Book, Exchange, RegisterMark};
use crate::domain::identity::{ContentHash, FileId, Route};
use crate::domain::moment::Moment;
use crate::domain::retention::{Around, Erased, HashKey, LegalHold, Remnant, Scope};

impl Book {
    /// Takes in the key by which hashes of erased files were sealed.
    pub fn use_key(&mut self, key: HashKey) {
        self.key = Some(key);
    }

    /// The key of the store. None: nothing was ever removed.
    pub fn key(&self) -> Option<HashKey> {
        self.key
    }

    /// Whether the plain hash `found` is the one that is known, which may be that of an erased file.
    pub fn is_same(&self, known: ContentHash, found: ContentHash) -> bool {
        self.key.map_or(known == found, |key| key.is_same(known, found))
    }

    /// Takes in what was left of a story at that moment, in its place. It goes before entries that are not removed.
    pub fn remember(&mut self, remnant: &Remnant, at: Moment) {
        let id = remnant.id;
        let files_at = self.exchanges.get(&id).and_then(|known| known.erased).map_or(at, |erased| erased.files_at);
        let (replies, receipts) = (remnant.arrivals.len(), remnant.receipts.len());
        let exchange = remnant.to_exchange(Erased { files_at, story_at: Some(at), replies, receipts });
        if !self.exchanges.contains_key(&id) {
            self.by_route.entry(exchange.route.clone()).or_default().push(id);
        }
        if let Some(query) = exchange.query() {
            self.by_remote_name.insert(query.remote_name.clone(), id);
        }
        for receipt in &exchange.receipts {
            self.receipts.insert(receipt.name.clone(), id);
        }
        if let Some(applied) = remnant.applied {
            let former = self.registers.get(&exchange.route).copied();
            if former.is_none_or(|former| former.head < applied.seq) {
                let delivery = applied.delivery.or(former.and_then(|former| former.delivery));
                let mark = RegisterMark { head: applied.seq, at: applied.at, delivery, as_of: applied.as_of };
                self.registers.insert(exchange.route.clone(), mark);
            }
            self.applied.insert(id, applied.seq);
        }
        self.entries.remove(&id);
        self.put_back(exchange);
    }

    /// Takes note that the files of a story have been erased now, all that there are.
    pub fn note_erased(&mut self, id: FileId, at: Moment) {
        let Some(mut exchange) = self.exchanges.get(&id).cloned() else { return };
        if let Some(key) = &self.key {
            exchange.seal(key);
        }
        let story_at = exchange.erased.and_then(|erased| erased.story_at);
        let (replies, receipts) = (exchange.arrivals.len(), exchange.receipts.len());
        exchange.erased = Some(Erased { files_at: at, story_at, replies, receipts });
        self.put_back(exchange);
    }

    /// The same of a story as the journal has it, in which the hashes of what was erased are sealed.
    pub fn take_erased(&mut self, id: FileId, erased: Erased) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.erased = Some(erased);
        }
    }

    /// Puts in a story that is over, in place of what was known of it.
    fn put_back(&mut self, exchange: Exchange) {
        let id = exchange.id;
        for former in self.exchanges.get(&id).into_iter().flat_map(|former| &former.arrivals) {
            if let Some(known) = self.replies.get_mut(&former.transfer) {
                known.retain(|(_, of)| *of != id);
            }
        }
        for arrival in &exchange.arrivals {
            self.replies.entry(arrival.transfer).or_default().push((arrival.clone(), id));
        }
        self.exchanges.insert(id, exchange);
    }

    /// Every route of which there is, or was, a story; in no order.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.by_route.keys()
    }

    /// The numbers of a story's entries, in order.
    pub fn entries_of(&self, id: FileId) -> &[u64] {
        self.entries.get(&id).map_or(&[], Vec::as_slice)
    }

    /// What is known of a story beside itself, for [`crate::domain::retention::due`].
    pub fn around(&self, exchange: &Exchange) -> Around {
        let last = self.registers.get(&exchange.route).map(|mark| mark.head);
        Around {
            is_broken: self.broken.contains_key(&exchange.id),
            is_held: self.is_held_by_law(&exchange.route),
            is_last_applied: last.is_some() && self.applied.get(&exchange.id).copied() == last,
            has_entries: !self.entries_of(exchange.id).is_empty(),
        }
    }

    pub fn hold_by_law(&mut self, hold: LegalHold) {
        self.holds.insert(hold.scope.clone(), hold);
    }

    pub fn lift_hold(&mut self, scope: &Scope) {
        self.holds.remove(scope);
    }

    /// Every legal hold that is in force.
    pub fn legal_holds(&self) -> impl Iterator<Item = &LegalHold> {
        self.holds.values()
    }

    pub fn is_held_by_law(&self, route: &Route) -> bool {
        self.holds.keys().any(|scope| scope.covers(route))
    }

    /// Takes note that what had ended before then was removed from the register of this route.
    pub fn note_known_from(&mut self, route: Route, from: Moment) {
        let known = self.known_from.entry(route).or_insert(from);
        *known = from.max(*known);
    }

    /// Of the routes that are asked for, the one whose register knows all only from the latest moment on. None: all of
    /// them know all.
    pub fn known_from(&self, is_asked_for: impl Fn(&Route) -> bool) -> Option<(&Route, Moment)> {
        let asked = self.known_from.iter().filter(|(route, _)| is_asked_for(route));
        asked.max_by_key(|(_, from)| **from).map(|(route, from)| (route, *from))
    }
}
