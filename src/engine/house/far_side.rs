//! What comes in: one listing per poll and endpoint for all its routes, then receipts and replies, and the
//! clearing of what is done with.

use std::collections::VecDeque;

use tokio::time::Instant;
use tracing::warn;

use super::halts::no_room;
use super::{Done, FetchTrouble, House, Key, ToFetch};
use crate::domain::envelope::TechnicalReceipt;
use crate::domain::exchange::Fact;
use crate::domain::exchange::fact::{Arrival, Belongs};
use crate::domain::identity::{ContentHash, EndpointName, RemoteName, Route, TransferId};
use crate::domain::patience::backoff;
use crate::engine::arrivals::clear::clear_receipt;
use crate::engine::arrivals::fetch::{FetchedReply, fetch_receipt, fetch_reply};
use crate::engine::arrivals::{self, Candidate, Found};
use crate::engine::carry_out::Setback;
use crate::engine::look::{Looked, expected, look};
use crate::engine::snapshot::EndpointLine;
use crate::transport::{Connect, Listed, Listing, Trouble};

/// Files fetched at once, per endpoint.
const FETCHES_MAX: usize = 64;

impl<C: Connect> House<C> {
    pub(super) fn start_polls(&mut self) {
        let now = Instant::now();
        let due: Vec<_> = self
            .polls
            .iter()
            .filter(|(name, poll)| {
                poll.due.is_none_or(|due| due <= now) && !self.busy.contains(&Key::List((*name).clone()))
            })
            .map(|(name, _)| name.clone())
            .collect();
        for endpoint in due {
            let Some((_, link)) = self.site.endpoints.get(&endpoint) else { continue };
            let link = link.clone();
            let now = self.site.surroundings.now();
            let wanted = expected(&self.site.kinds_of(&endpoint), &self.book, now);
            self.spawn(Key::List(endpoint.clone()), async move {
                let looked = match link.lease().await {
                    Ok(lease) => {
                        let looked = look(lease.session.as_ref(), wanted).await;
                        let _ = looked.listing.as_ref().inspect_err(|trouble| link.note(&lease, trouble));
                        looked
                    }
                    Err(trouble) => Looked { listing: Err(trouble), expected: Listing::default() },
                };
                Done::Listed { endpoint, looked }
            });
        }
    }

    pub(super) fn note_listing(&mut self, endpoint: &EndpointName, looked: Looked) {
        let Looked { listing, expected } = looked;
        let kinds = self.site.kinds_of(endpoint);
        let (Some(poll), Some((settings, link))) = (self.polls.get_mut(endpoint), self.site.endpoints.get(endpoint))
        else {
            return;
        };
        poll.failures = if listing.is_ok() { 0 } else { poll.failures.saturating_add(1) };
        let wait = match &listing {
            // What is too much for one listing will be so again.
            Ok(_) | Err(Trouble::GaveUp(_)) => settings.poll,
            // The link has a backoff of its own, and is to be wanted, or nobody would notice that it is whole again.
            Err(_) if link.trouble().is_some() => settings.poll.min(backoff(1, self.site.surroundings.share())),
            Err(_) => settings.poll.min(backoff(poll.failures, self.site.surroundings.share())),
        };
        poll.due = Some(Instant::now() + wait);
        let listing = match listing {
            Ok(listing) => listing,
            Err(trouble) => {
                let line = poll.line.get_or_insert_with(|| empty_line(endpoint));
                // The link says that it has given up the connection, and that there is no other.
                let is_told = link.trouble().is_some() || trouble.ends_trust();
                if line.trouble.as_deref() != Some(&trouble.to_string()) && !is_told {
                    warn!(%endpoint, %trouble, "IN could not be listed");
                }
                line.trouble = Some(trouble.to_string());
                if !expected.files.is_empty() {
                    let sorted = arrivals::sort(endpoint, &kinds, &self.book, &expected, &mut self.passed);
                    poll.to_fetch = to_fetch(sorted);
                }
                return;
            }
        };
        poll.listed = Some(Instant::now());
        let sorted = arrivals::sort(endpoint, &kinds, &self.book, &listing, &mut self.passed);
        let to_show = |files: &[(RemoteName, String)]| -> Vec<_> {
            files.iter().map(|(name, why)| (name.to_string(), why.clone())).collect()
        };
        let (odd, halves) = (to_show(&sorted.waiting), to_show(&sorted.halves));
        let mut waiting = [odd.clone(), halves.clone()].concat();
        self.fetch_troubles.retain(|(of, name), _| of != endpoint || listing.files.iter().any(|f| f.name == *name));
        let troubled = self.fetch_troubles.iter().filter(|((of, _), _)| of == endpoint);
        waiting.extend(troubled.map(|((_, name), trouble)| (name.to_string(), trouble.said.clone())));
        let former = poll.line.replace(EndpointLine {
            name: endpoint.clone(),
            trouble: None,
            listed_at: Some(self.site.surroundings.now()),
            foreign: sorted.foreign,
            waiting,
        });
        // What could not be fetched was told when that was tried. A half is told when it was one at the last look, too.
        let was_there = |file: &(String, String)| former.as_ref().is_some_and(|line| line.waiting.contains(file));
        let odd = odd.into_iter().filter(|file| !was_there(file));
        poll.told_halves.retain(|told| halves.contains(told));
        let lasting = halves.into_iter().filter(|half| was_there(half) && poll.told_halves.insert(half.clone()));
        for (name, why) in odd.chain(lasting) {
            warn!(%endpoint, %name, %why, "a file in IN looks like ours and cannot be taken");
        }
        poll.to_fetch = to_fetch(sorted);
    }

    pub(super) fn start_fetches(&mut self) {
        let endpoints: Vec<_> = self.polls.keys().cloned().collect();
        for endpoint in endpoints {
            let mut at_work =
                self.busy.iter().filter(|key| matches!(key, Key::Fetch(of, _) if *of == endpoint)).count();
            while at_work < FETCHES_MAX {
                let Some(next) = self.polls.get_mut(&endpoint).and_then(|poll| poll.to_fetch.pop_front()) else {
                    break;
                };
                at_work += usize::from(self.fetch(&endpoint, next));
            }
        }
    }

    pub(super) fn fetch(&mut self, endpoint: &EndpointName, next: ToFetch) -> bool {
        let (site, of) = (self.site.clone(), endpoint.clone());
        let name = match &next {
            ToFetch::Reply(candidate) => candidate.name.clone(),
            ToFetch::Receipt(listed) => listed.name.clone(),
        };
        let key = Key::Fetch(endpoint.clone(), name);
        if self.busy.contains(&key) {
            return false;
        }
        match next {
            ToFetch::Reply(candidate) => {
                let Some(kind) = self.site.kinds.get(&candidate.route.exchange).cloned() else { return false };
                self.spawn(key, async move {
                    let fetched = fetch_reply(&site, &kind, &candidate).await;
                    Done::Reply { endpoint: of, candidate, fetched }
                });
            }
            ToFetch::Receipt(listed) => {
                let Some((_, link)) = self.site.endpoints.get(endpoint).cloned() else { return false };
                self.spawn(key, async move {
                    let read = fetch_receipt(&site, &link, &listed.name).await;
                    Done::Receipt { endpoint: of, listed, read }
                });
            }
        }
        true
    }

    pub(super) fn note_reply(
        &mut self,
        endpoint: &EndpointName,
        candidate: Candidate,
        fetched: Result<FetchedReply, Setback>,
    ) {
        let fetched = match fetched {
            Ok(fetched) => fetched,
            Err(setback) => {
                return self.note_fetch_trouble(endpoint, &candidate.name, Some(candidate.route), &setback);
            }
        };
        self.fetch_troubles.remove(&(endpoint.clone(), candidate.name.clone()));
        self.passed.forget(endpoint, &candidate.name);
        let sizes = (candidate.size, candidate.metadata_size);
        match fetched {
            // Listed before its first fetch was recorded: once is enough.
            FetchedReply::Arrived { transfer, hash, .. } if self.has_fetched(&candidate.name, transfer, hash) => {}
            FetchedReply::Arrived { transfer, hash, size, delivery } => {
                let (id, belongs) = self.book.belongs(&candidate.route, transfer, hash, delivery);
                if belongs == Belongs::Order && self.is_on_its_way(&candidate.route, |name| *name != candidate.name) {
                    // One that echoes the delivery number goes first; this one is fetched again at the next poll.
                    return;
                }
                let asker = || self.book.unread_asker(&candidate.route, delivery, &belongs);
                if let Some(broken) = id.filter(|id| self.book.broken(*id).is_some()).or_else(asker) {
                    let why = format!("it belongs to exchange {broken}, whose journal is not understood");
                    return self.passed.note(endpoint, &candidate.name, sizes, Found::Unusable(why));
                }
                let id = id.unwrap_or_else(|| self.site.surroundings.file_id());
                let Candidate { route, name, .. } = candidate;
                let arrival = Arrival { route, transfer, name, size, hash, delivery, belongs };
                self.pending.push((id, Fact::ReplyFetched(arrival)));
            }
            FetchedReply::Known => {}
            FetchedReply::NotOurs => self.passed.note(endpoint, &candidate.name, sizes, Found::NotOurs),
            FetchedReply::Unusable(why) => self.passed.note(endpoint, &candidate.name, sizes, Found::Unusable(why)),
        }
    }

    /// Whether a reply of a route with such a name is on its way in.
    pub(super) fn is_on_its_way(&self, route: &Route, is_meant: impl Fn(&RemoteName) -> bool) -> bool {
        let Some(kind) = self.site.kinds.get(&route.exchange) else { return false };
        let (endpoint, kinds) = (&kind.settings.endpoint, self.site.kinds_of(&kind.settings.endpoint));
        let is_it =
            |name: &RemoteName| is_meant(name) && arrivals::reply_route(&kinds, name.as_str()).as_ref() == Some(route);
        let queued = self.polls.get(endpoint).into_iter().flat_map(|poll| &poll.to_fetch);
        queued
            .filter_map(|next| match next {
                ToFetch::Reply(candidate) => Some(&candidate.name),
                ToFetch::Receipt(_) => None,
            })
            .any(is_it)
            || self.busy.iter().any(|key| matches!(key, Key::Fetch(of, name) if of == endpoint && is_it(name)))
            || self.pending.iter().any(
                |(_, fact)| matches!(fact, Fact::ReplyFetched(arrival) if arrival.route == *route && is_meant(&arrival.name)),
            )
    }

    /// Told once per change, and shown with what waits in IN.
    fn note_fetch_trouble(
        &mut self,
        endpoint: &EndpointName,
        name: &RemoteName,
        route: Option<Route>,
        setback: &Setback,
    ) {
        let link_trouble = self.site.endpoints.get(endpoint).and_then(|(_, link)| link.trouble());
        let said = setback.to_string();
        self.passed.forget(endpoint, name);
        let key = (endpoint.clone(), name.clone());
        let former = self.fetch_troubles.remove(&key);
        let since = former.as_ref().and_then(|former| former.no_room);
        let no_room = no_room(since, setback, self.site.surroundings.now());
        // It may just have been removed, by our own tidying perhaps. If it is listed again, that is not why.
        let may_be_over = matches!(setback, Setback::Far(Trouble::Missing)) && former.is_none();
        let was_told = former.is_some_and(|former| former.is_told && former.said == said);
        let is_told = was_told || (link_trouble.is_none() && !may_be_over);
        self.fetch_troubles.insert(key, FetchTrouble { said: said.clone(), is_told, route, no_room });
        if is_told && !was_told {
            warn!(%endpoint, %name, trouble = %said, "a file in IN could not be fetched, it is tried again at each poll");
        }
    }

    pub(super) fn has_fetched(&self, name: &RemoteName, transfer: TransferId, hash: ContentHash) -> bool {
        let is_same = |known| self.book.is_same(known, hash);
        let is_it = |arrival: &Arrival| arrival.name == *name && arrival.transfer == transfer && is_same(arrival.hash);
        self.book.fetched(name).iter().any(|(arrival, _)| is_it(arrival))
            || self.pending.iter().any(|(_, fact)| matches!(fact, Fact::ReplyFetched(arrival) if is_it(arrival)))
    }

    pub(super) fn note_receipt(
        &mut self,
        endpoint: &EndpointName,
        listed: Listed,
        read: Result<Result<(TechnicalReceipt, ContentHash), String>, Setback>,
    ) {
        let Listed { name, size } = listed;
        let read = match read {
            Ok(read) => read,
            Err(setback) => return self.note_fetch_trouble(endpoint, &name, None, &setback),
        };
        self.fetch_troubles.remove(&(endpoint.clone(), name.clone()));
        self.passed.forget(endpoint, &name);
        let (receipt, hash) = match read {
            Ok(read) => read,
            Err(why) => return self.passed.note(endpoint, &name, (size, 0), Found::Unusable(why)),
        };
        let about = arrivals::receipted_name(&name);
        let exchange = about.and_then(|about| self.book.receipted(&receipt.senders_file_id, &about));
        let Some(exchange) = exchange else {
            let why = match arrivals::receipted_name(&name).and_then(|about| self.book.unread_named(&about)) {
                Some(unread) => format!("it is for exchange {unread}, whose journal is not understood"),
                None => "a receipt for a file that was never sent from here, or by another sender".to_owned(),
            };
            return self.passed.note(endpoint, &name, (size, 0), Found::Unusable(why));
        };
        if exchange.receipts.iter().any(|read| read.name == name && self.book.is_same(read.hash, hash)) {
            match exchange.state.is_final() {
                true => self.clear(endpoint.clone(), Listed { name, size }, hash),
                // It is looked at again before it is removed, when the exchange is tidied.
                false => self.passed.note(endpoint, &name, (size, 0), Found::AsRead),
            }
            return;
        }
        let TechnicalReceipt { transfer, outcome, .. } = receipt;
        let fact = Fact::ReceiptRead { transfer, name: name.clone(), hash, outcome };
        if let Err(impossible) = self.book.weigh(exchange.id, self.site.surroundings.now(), &fact) {
            let why = format!("exchange {}: {impossible}", exchange.id);
            return self.passed.note(endpoint, &name, (size, 0), Found::Unusable(why));
        }
        self.pending.push((exchange.id, fact));
    }

    fn clear(&mut self, endpoint: EndpointName, receipt: Listed, hash: ContentHash) {
        let key = Key::Clear(endpoint.clone(), receipt.name.clone());
        let Some((_, link)) = self.site.endpoints.get(&endpoint).cloned() else { return };
        if !self.busy.contains(&key) {
            self.spawn(key, async move {
                let cleared = clear_receipt(&link, &receipt.name, hash).await;
                Done::Cleared { endpoint, receipt, cleared }
            });
        }
    }
}

/// Receipts first: they are small, and may be all that an exchange waits for.
fn to_fetch(sorted: arrivals::Sorted) -> VecDeque<ToFetch> {
    let receipts = sorted.receipts.into_iter().map(ToFetch::Receipt);
    receipts.chain(sorted.replies.into_iter().map(ToFetch::Reply)).collect()
}

/// An endpoint that was not looked at yet.
pub(super) fn empty_line(name: &EndpointName) -> EndpointLine {
    EndpointLine { name: name.clone(), trouble: None, listed_at: None, foreign: 0, waiting: Vec::new() }
}
