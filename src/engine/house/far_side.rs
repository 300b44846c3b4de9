//! What comes in: one listing per poll and endpoint for all its routes, then receipts and replies, and the
//! clearing of what is done with.

use tokio::time::Instant;
use tracing::warn;

use super::halts::no_room;
use super::{Done, FetchTrouble, House, Key, ToFetch, empty_line};
use crate::domain::envelope::TechnicalReceipt;
use crate::domain::exchange::Fact;
use crate::domain::exchange::fact::{Arrival, Belongs};
use crate::domain::identity::{ContentHash, EndpointName, RemoteName, Route, TransferId};
use crate::engine::arrivals::{self, Candidate, FetchedReply};
use crate::engine::carry_out::Setback;
use crate::engine::snapshot::EndpointLine;
use crate::transport::{Connect, FarSide, Folder, Listed, Listing, Trouble};

/// Files fetched at once, per endpoint.
const FETCHES_MAX: usize = 32;

/// Entries of IN that one listing takes in.
const LISTED_MAX: usize = 500_000;

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
            self.spawn(Key::List(endpoint.clone()), async move {
                let listing = match link.lease().await {
                    Ok(lease) => {
                        let listing = lease.session.list(Folder::In, LISTED_MAX).await;
                        listing.inspect_err(|trouble| link.note(&lease, trouble))
                    }
                    Err(trouble) => Err(trouble),
                };
                Done::Listed { endpoint, listing }
            });
        }
    }

    pub(super) fn note_listing(&mut self, endpoint: &EndpointName, listing: Result<Listing, Trouble>) {
        let kinds = self.site.kinds_of(endpoint);
        let (Some(poll), Some((settings, link))) = (self.polls.get_mut(endpoint), self.site.endpoints.get(endpoint))
        else {
            return;
        };
        poll.due = Some(Instant::now() + settings.poll);
        let listing = match listing {
            Ok(listing) => listing,
            Err(trouble) => {
                let line = poll.line.get_or_insert_with(|| empty_line(endpoint));
                if line.trouble.as_deref() != Some(&trouble.to_string()) && link.trouble().is_none() {
                    warn!(%endpoint, %trouble, "IN could not be listed");
                }
                line.trouble = Some(trouble.to_string());
                return;
            }
        };
        let sorted = arrivals::sort(endpoint, &kinds, &self.book, &listing, &mut self.passed);
        let odd: Vec<_> = sorted.waiting.iter().map(|(name, why)| (name.to_string(), why.clone())).collect();
        let mut waiting = odd.clone();
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
        // What could not be fetched was told when that was tried.
        for (name, why) in odd {
            if !former.as_ref().is_some_and(|line| line.waiting.contains(&(name.clone(), why.clone()))) {
                warn!(%endpoint, %name, %why, "a file in IN looks like ours and cannot be taken");
            }
        }
        let wanted = sorted.receipts.into_iter().map(ToFetch::Receipt);
        poll.to_fetch = wanted.chain(sorted.replies.into_iter().map(ToFetch::Reply)).collect();
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
                    let fetched = arrivals::fetch_reply(&site, &kind, &candidate).await;
                    Done::Reply { endpoint: of, candidate, fetched }
                });
            }
            ToFetch::Receipt(listed) => {
                let Some((_, link)) = self.site.endpoints.get(endpoint).cloned() else { return false };
                self.spawn(key, async move {
                    let read = arrivals::fetch_receipt(&site, &link, &listed.name).await;
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
        let sizes = (candidate.size, candidate.metadata_size);
        match fetched {
            // Listed before its first fetch was recorded: once is enough.
            FetchedReply::Arrived { transfer, hash, .. } if self.has_fetched(&candidate.name, transfer, hash) => {}
            FetchedReply::Arrived { transfer, hash, size, delivery } => {
                let (id, belongs) = self.book.belongs(&candidate.route, transfer, hash, delivery);
                if belongs == Belongs::Order && self.more_may_come(endpoint, &candidate) {
                    // One that echoes the delivery number goes first; this one is fetched again at the next poll.
                    return;
                }
                let id = id.unwrap_or_else(|| self.site.surroundings.file_id());
                let Candidate { route, name, .. } = candidate;
                let arrival = Arrival { route, transfer, name, size, hash, delivery, belongs };
                self.pending.push((id, Fact::ReplyFetched(arrival)));
            }
            FetchedReply::Known => {}
            FetchedReply::NotOurs => self.passed.note(endpoint, &candidate.name, sizes, None),
            FetchedReply::Unusable(why) => self.passed.note(endpoint, &candidate.name, sizes, Some(why)),
        }
    }

    /// Whether another reply of the same route is on its way in.
    fn more_may_come(&self, endpoint: &EndpointName, candidate: &Candidate) -> bool {
        let kinds = self.site.kinds_of(endpoint);
        let is_of_route = |name: &RemoteName| {
            *name != candidate.name && arrivals::reply_route(&kinds, name.as_str()).as_ref() == Some(&candidate.route)
        };
        let queued = self.polls.get(endpoint).into_iter().flat_map(|poll| &poll.to_fetch);
        queued
            .filter_map(|next| match next {
                ToFetch::Reply(candidate) => Some(&candidate.name),
                ToFetch::Receipt(_) => None,
            })
            .any(is_of_route)
            || self.busy.iter().any(|key| matches!(key, Key::Fetch(of, name) if of == endpoint && is_of_route(name)))
            || self
                .pending
                .iter()
                .any(|(_, fact)| matches!(fact, Fact::ReplyFetched(arrival) if arrival.route == candidate.route))
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
        let key = (endpoint.clone(), name.clone());
        let former = self.fetch_troubles.remove(&key);
        let since = former.as_ref().and_then(|former| former.no_room);
        let no_room = no_room(since, setback, self.site.surroundings.now());
        self.fetch_troubles.insert(key, FetchTrouble { said: said.clone(), route, no_room });
        if link_trouble.is_none() && former.is_none_or(|former| former.said != said) {
            warn!(%endpoint, %name, trouble = %said, "a file in IN could not be fetched, it is tried again at each poll");
        }
    }

    pub(super) fn has_fetched(&self, name: &RemoteName, transfer: TransferId, hash: ContentHash) -> bool {
        let is_it = |arrival: &Arrival| arrival.name == *name && arrival.transfer == transfer && arrival.hash == hash;
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
        let (receipt, hash) = match read {
            Ok(read) => read,
            Err(why) => return self.passed.note(endpoint, &name, (size, 0), Some(why)),
        };
        let about = arrivals::receipted_name(&name);
        let exchange = about.and_then(|about| self.book.receipted(&receipt.senders_file_id, &about));
        let Some(exchange) = exchange else {
            let why = "a receipt for a file that was never sent from here, or by another sender";
            return self.passed.note(endpoint, &name, (size, 0), Some(why.into()));
        };
        if exchange.receipts.iter().any(|read| read.name == name && read.hash == hash) {
            if exchange.state.is_final() {
                self.clear(endpoint.clone(), name, hash);
            }
            return;
        }
        let TechnicalReceipt { transfer, outcome, .. } = receipt;
        let fact = Fact::ReceiptRead { transfer, name: name.clone(), hash, outcome };
        if let Err(impossible) = self.book.weigh(exchange.id, self.site.surroundings.now(), &fact) {
            let why = format!("exchange {}: {impossible}", exchange.id);
            return self.passed.note(endpoint, &name, (size, 0), Some(why));
        }
        self.pending.push((exchange.id, fact));
    }

    fn clear(&mut self, endpoint: EndpointName, name: RemoteName, hash: ContentHash) {
        let key = Key::Clear(endpoint.clone(), name.clone());
        let Some((_, link)) = self.site.endpoints.get(&endpoint).cloned() else { return };
        if !self.busy.contains(&key) {
            self.spawn(key, async move {
                let cleared = arrivals::clear_receipt(&link, &name, hash).await;
                Done::Cleared { endpoint, name, cleared }
            });
        }
    }
}
