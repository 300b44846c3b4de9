//! What a listing of IN means: which receipts and replies to fetch, what of ours can be cleared away, and what
//! is somebody else's. [`sort`] decides and touches nothing; [`fetch`] and [`clear`] do, and decide nothing about
//! exchanges.

pub mod clear;
pub mod fetch;

use std::collections::HashMap;
use std::sync::Arc;

use super::site::Kind;
use crate::domain::exchange::Book;
use crate::domain::exchange::fact::Arrival;
use crate::domain::identity::{EndpointName, RemoteName, Route};
use crate::domain::retention::HashKey;
use crate::transport::{Connect, Listed, Listing};

/// Metadata and receipts are a kilobyte.
const XML_SIZE_MAX: u64 = 64 << 10;

/// Names that were looked at and are not ours, so that they are not read at every poll. More are looked at again.
const PASSED_MAX: usize = 10_000;

/// What could not be taken is read again after so many polls: it may have been caught while it was written.
const LOOK_AGAIN_AFTER_POLLS: u32 = 10;

pub const RECEIPT: &str = ".sftpreceipt";
pub const METADATA: &str = ".metadata";

/// A reply that may be ours: by its name, and with metadata beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub route: Route,
    pub name: RemoteName,
    /// Bytes, as listed.
    pub size: u64,
    /// Bytes, of the metadata beside it.
    pub metadata_size: u64,
    /// What was fetched under this name before, and whether its story is at its end.
    pub known: Vec<(Arrival, bool)>,
    /// By which the hashes of those are sealed whose files were erased.
    pub key: Option<HashKey>,
}

/// What a listing comes to.
#[derive(Debug, Default, PartialEq)]
pub struct Sorted {
    pub replies: Vec<Candidate>,
    /// Receipts to be read: new ones, and from time to time old ones, of exchanges that go on or are at their end:
    /// another may have taken their place, or they can be cleared away.
    pub receipts: Vec<Listed>,
    /// Files that are for others.
    pub foreign: u64,
    /// Ours by name, but not to be taken yet, and why.
    pub waiting: Vec<(RemoteName, String)>,
    /// One of two files that belong together, and why it cannot be taken alone. It may be that the other one is just being
    /// written, or was just removed.
    pub halves: Vec<(RemoteName, String)>,
}

/// Looked at before, and unchanged since: by endpoint and name. What is found stays known, and shown, while it is
/// looked at again.
#[derive(Debug, Default)]
pub struct Passed(HashMap<(EndpointName, RemoteName), Look>);

/// What a look at a file in IN has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is for somebody else.
    NotOurs,
    /// It cannot be taken, and why.
    Unusable(String),
    /// A receipt that was read before, of an exchange that goes on.
    AsRead,
}

#[derive(Debug)]
struct Look {
    /// Of the file, and of the metadata beside it, 0 for a receipt.
    sizes: (u64, u64),
    found: Found,
    polls_left: u32,
}

impl Passed {
    /// Remembers what was found in a file of these sizes, which is not to be taken.
    pub fn note(&mut self, endpoint: &EndpointName, name: &RemoteName, sizes: (u64, u64), found: Found) {
        let key = (endpoint.clone(), name.clone());
        if self.0.len() < PASSED_MAX || self.0.contains_key(&key) {
            self.0.insert(key, Look { sizes, found, polls_left: LOOK_AGAIN_AFTER_POLLS });
        }
    }

    /// What was found is true no longer.
    pub fn forget(&mut self, endpoint: &EndpointName, name: &RemoteName) {
        self.0.remove(&(endpoint.clone(), name.clone()));
    }

    fn get(&self, endpoint: &EndpointName, name: &RemoteName, sizes: (u64, u64)) -> Option<&Look> {
        self.0.get(&(endpoint.clone(), name.clone())).filter(|look| look.sizes == sizes)
    }

    /// Forgets what is no longer there; one more poll has come for the others.
    fn keep(&mut self, endpoint: &EndpointName, listing: &HashMap<&RemoteName, u64>) {
        self.0.retain(|(of, name), look| {
            if of != endpoint {
                return true;
            }
            look.polls_left = look.polls_left.saturating_sub(1);
            listing.contains_key(name)
        });
    }
}

/// Decides what to do with each entry of IN of one endpoint, whose exchanges are `kinds`.
pub fn sort<C: Connect>(
    endpoint: &EndpointName,
    kinds: &[Arc<Kind<C>>],
    book: &Book,
    listing: &Listing,
    passed: &mut Passed,
) -> Sorted {
    let names: HashMap<&RemoteName, u64> = listing.files.iter().map(|file| (&file.name, file.size)).collect();
    passed.keep(endpoint, &names);
    let mut sorted = Sorted { foreign: listing.passed_over, ..Sorted::default() };
    for file in &listing.files {
        let text = file.name.as_str();
        if let Some(stem) = text.strip_suffix(RECEIPT) {
            if book.read_receipt(&file.name).is_none() && !is_query(kinds, book, stem) {
                sorted.foreign += 1;
            } else if sorted.is_to_be_read(passed.get(endpoint, &file.name, (file.size, 0)), &file.name) {
                sorted.receipts.push(file.clone());
            }
            continue;
        }
        if let Some(stem) = text.strip_suffix(METADATA) {
            // It goes with its data; alone it says nothing.
            let has_data = stem.parse().is_ok_and(|data: RemoteName| names.contains_key(&data));
            match (has_data, reply_route(kinds, stem)) {
                (true, Some(_)) => {}
                (false, Some(_)) => sorted.halves.push((file.name.clone(), "its data is not there".into())),
                (_, None) => sorted.foreign += 1,
            }
            continue;
        }
        let Some(route) = reply_route(kinds, text) else {
            sorted.foreign += 1;
            continue;
        };
        let metadata = file.name.with_suffix(METADATA).ok().and_then(|metadata| names.get(&metadata).copied());
        let Some(metadata_size) = metadata else {
            sorted.halves.push((file.name.clone(), "its metadata is not there".into()));
            continue;
        };
        let look = passed.get(endpoint, &file.name, (file.size, metadata_size));
        // Its metadata is somebody else's, too.
        sorted.foreign += u64::from(look.is_some_and(|look| look.found == Found::NotOurs));
        if sorted.is_to_be_read(look, &file.name) {
            let (name, size, known) = (file.name.clone(), file.size, book.fetched(&file.name));
            sorted.replies.push(Candidate { route, name, size, metadata_size, known, key: book.key() });
        }
    }
    sorted
}

impl Sorted {
    /// Whether a file is to be read, for the first time or again; shows what the last look at it has found.
    fn is_to_be_read(&mut self, look: Option<&Look>, name: &RemoteName) -> bool {
        match look.map(|look| &look.found) {
            Some(Found::NotOurs) => self.foreign += 1,
            Some(Found::Unusable(why)) => self.waiting.push((name.clone(), why.clone())),
            Some(Found::AsRead) | None => {}
        }
        look.is_none_or(|look| look.polls_left == 0)
    }
}

fn is_query<C: Connect>(kinds: &[Arc<Kind<C>>], book: &Book, name: &str) -> bool {
    name.parse().is_ok_and(|name: RemoteName| book.by_remote_name(&name).is_some())
        || kinds.iter().any(|kind| kind.query.file_name().read(name).is_some())
}

/// The route whose replies have names like this.
pub fn reply_route<C: Connect>(kinds: &[Arc<Kind<C>>], name: &str) -> Option<Route> {
    kinds.iter().find_map(|kind| {
        let municipality = kind.reply.file_name().read(name)?.municipality;
        let is_ours = kind.settings.municipalities.contains(&municipality);
        is_ours.then(|| Route { exchange: kind.name.clone(), municipality })
    })
}

/// The name of the file that a receipt is for.
pub fn receipted_name(receipt: &RemoteName) -> Option<RemoteName> {
    receipt.as_str().strip_suffix(RECEIPT)?.parse().ok()
}

/// The reply's metadata.
pub fn metadata_name(reply: &RemoteName) -> Option<RemoteName> {
    reply.with_suffix(METADATA).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_taken_is_shown_while_it_is_looked_at_again() {
        let (endpoint, name): (EndpointName, RemoteName) = ("hub".parse().unwrap(), "reply.txt".parse().unwrap());
        let mut passed = Passed::default();
        passed.note(&endpoint, &name, (7, 3), Found::Unusable("it is cut".into()));

        for poll in 1..=2 * LOOK_AGAIN_AFTER_POLLS {
            passed.keep(&endpoint, &HashMap::from([(&name, 7)]));
            let mut sorted = Sorted::default();
            let is_read = sorted.is_to_be_read(passed.get(&endpoint, &name, (7, 3)), &name);
            assert_eq!(sorted.waiting, [(name.clone(), "it is cut".to_owned())]);
            assert_eq!(is_read, poll >= LOOK_AGAIN_AFTER_POLLS, "poll {poll}");
        }

        assert!(passed.get(&endpoint, &name, (8, 3)).is_none(), "another size is another file");
        passed.keep(&endpoint, &HashMap::new());
        assert!(passed.get(&endpoint, &name, (7, 3)).is_none(), "what is gone is forgotten");
    }
}
