//! What a listing of IN means: which receipts and replies to fetch, what of ours can be cleared away, and what
//! is somebody else's. [`sort`] decides and touches nothing; [`fetch_reply`] and [`fetch_receipt`] do and decide nothing
//! about exchanges.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::carry_out::{Setback, on_disk};
use super::point;
use super::site::{Kind, Site, in_in};
use crate::domain::envelope::{FileMetadata, TechnicalReceipt};
use crate::domain::exchange::Book;
use crate::domain::exchange::fact::Arrival;
use crate::domain::identity::{ContentHash, DeliveryNumber, EndpointName, RemoteName, Route, TransferId};
use crate::domain::layout::Layout;
use crate::domain::municipality::MunicipalityCode;
use crate::domain::reply::ReplyReader;
use crate::durable::{Copied, Disk, Stream};
use crate::transport::{Connect, FarSide, Listed, Listing, RemotePath, Trouble};

/// Keep a file under 2 GB, says the platform.
pub const REPLY_SIZE_MAX: u64 = 2_000_000_000;

/// Metadata and receipts are a kilobyte.
const XML_SIZE_MAX: u64 = 64 << 10;

/// So much of a reply is read again to find its start record.
const HEAD_BYTES_MAX: u64 = 64 << 10;

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
                (false, Some(_)) => sorted.waiting.push((file.name.clone(), "its data is not there".into())),
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
            sorted.waiting.push((file.name.clone(), "its metadata is not there".into()));
            continue;
        };
        let look = passed.get(endpoint, &file.name, (file.size, metadata_size));
        // Its metadata is somebody else's, too.
        sorted.foreign += u64::from(look.is_some_and(|look| look.found == Found::NotOurs));
        if sorted.is_to_be_read(look, &file.name) {
            let (name, size, known) = (file.name.clone(), file.size, book.fetched(&file.name));
            sorted.replies.push(Candidate { route, name, size, metadata_size, known });
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

/// What became of a candidate.
#[derive(Debug)]
pub enum FetchedReply {
    /// It lies in the archive.
    Arrived { transfer: TransferId, hash: ContentHash, size: u64, delivery: Option<DeliveryNumber> },
    /// The journal has it already; once its story is at its end it is cleared away here.
    Known,
    /// Its metadata says that it is for somebody else, or from somebody else.
    NotOurs,
    /// It cannot be taken as it is.
    Unusable(String),
}

/// Fetches a reply whole into the archive, if its metadata says that it is ours.
pub async fn fetch_reply<C: Connect>(
    site: &Site<C>,
    kind: &Kind<C>,
    candidate: &Candidate,
) -> Result<FetchedReply, Setback> {
    let metadata_name =
        candidate.name.with_suffix(METADATA).map_err(|e| Setback::Other(format!("no metadata name: {e}")))?;
    let lease = kind.link.lease().await?;
    let mut metadata_bytes = Vec::new();
    let read = lease.session.read(&in_in(&metadata_name), XML_SIZE_MAX, &mut metadata_bytes).await;
    match read {
        Ok(_) => {}
        Err(Trouble::GaveUp(why)) => return Ok(FetchedReply::Unusable(format!("its metadata: {why}"))),
        Err(trouble) => {
            kind.link.note(&lease, &trouble);
            return Err(trouble.into());
        }
    }
    let metadata = match FileMetadata::read(&metadata_bytes) {
        Ok(metadata) => metadata,
        Err(trouble) => return Ok(FetchedReply::Unusable(format!("its metadata: {trouble}"))),
    };
    if metadata.sender != kind.settings.recipient || !metadata.recipients.contains(&kind.endpoint.user) {
        return Ok(FetchedReply::NotOurs);
    }
    if metadata.file_name != candidate.name {
        return Ok(FetchedReply::Unusable("its metadata names another file".into()));
    }
    if candidate.size > REPLY_SIZE_MAX {
        let sizes = format!("it has {} bytes, expected at most {REPLY_SIZE_MAX}", candidate.size);
        return Ok(FetchedReply::Unusable(sizes));
    }
    if metadata.size != candidate.size {
        let sizes = format!("its metadata says {} bytes, it has {}", metadata.size, candidate.size);
        return Ok(FetchedReply::Unusable(sizes));
    }
    let is_it = |known: &Arrival| known.transfer == metadata.transfer && known.size == metadata.size;
    match candidate.known.iter().find(|(known, _)| is_it(known)) {
        Some((_, false)) => return Ok(FetchedReply::Known),
        // Left behind, or put back; if the bytes are others, it is a reply like any other.
        Some((known, true)) => match remove_reply(lease.session.as_ref(), known).await {
            Ok(Removed::Gone) => return Ok(FetchedReply::Known),
            Ok(Removed::Unlike) => {}
            // Fetching it once more would not make it go.
            Ok(kept @ Removed::Kept(_)) => {
                return Ok(kept.why_kept().map_or(FetchedReply::Known, FetchedReply::Unusable));
            }
            Err(trouble) => {
                kind.link.note(&lease, &trouble);
                return Err(trouble.into());
            }
        },
        None => {}
    }

    let part = site.places.reply_part(&candidate.route, metadata.transfer, &candidate.name);
    let read = read_whole(site, lease.session.as_ref(), &metadata, &metadata_bytes, &part).await;
    if !matches!(read, Ok(Ok(_))) {
        // It is fetched anew, perhaps as another transfer: nothing of this try is left.
        let part = part.clone();
        on_disk(site.disk.clone(), move |disk| disk.remove(&part)).await?;
    }
    if let Err(Setback::Far(trouble)) = &read {
        kind.link.note(&lease, trouble);
    }
    let copied = match read? {
        Ok(copied) => copied,
        Err(why) => return Ok(FetchedReply::Unusable(why)),
    };
    let hash = ContentHash::new(copied.digest);
    let arrival = Arrival {
        route: candidate.route.clone(),
        transfer: metadata.transfer,
        name: candidate.name.clone(),
        size: copied.size,
        hash,
        delivery: None,
        belongs: crate::domain::exchange::fact::Belongs::Unasked,
    };
    let file = site.places.reply(&arrival);
    let (layout, municipality) = (kind.reply.clone(), candidate.route.municipality);
    let delivery = on_disk(site.disk.clone(), move |disk| {
        let folder = file.parent().unwrap_or(&file);
        disk.make_folder(folder, 0o700)?;
        disk.remove(&file)?;
        disk.rename(&part, &file)?;
        disk.replace(&folder.join(metadata_name.as_str()), &metadata_bytes)?;
        delivery_of(disk, &layout, municipality, &file)
    });
    let delivery = delivery.await.map_err(|setback| setback.at(&site.places.archive()))?;
    point::reached("reply_archived");
    Ok(FetchedReply::Arrived { transfer: metadata.transfer, hash, size: copied.size, delivery })
}

/// The delivery number in a reply's start record, if it can be read.
pub(super) fn delivery_of(
    disk: &dyn Disk,
    layout: &Layout,
    municipality: MunicipalityCode,
    file: &Path,
) -> std::io::Result<Option<DeliveryNumber>> {
    let mut reader = ReplyReader::new(layout, municipality);
    let mut head = vec![0; HEAD_BYTES_MAX as usize];
    let read = std::io::Read::read(&mut disk.open(file)?, &mut head)?;
    // Only the start record is wanted; whether the whole is fit is found out when it is compared.
    let _ = reader.feed(&head[..read], &mut |_, _| Ok(()));
    Ok(reader.head().and_then(|head| head.delivery))
}

/// Copies a reply into `part`, synced, as its metadata describes it. Inner error: why it is not whole.
async fn read_whole<C: Connect>(
    site: &Site<C>,
    session: &C::Session,
    metadata: &FileMetadata,
    metadata_bytes: &[u8],
    part: &Path,
) -> Result<Result<Copied, String>, Setback> {
    let sizes = |found: u64| Ok(Err(format!("its metadata says {} bytes, it has {found}", metadata.size)));
    let data = in_in(&metadata.file_name);
    let part = part.to_owned();
    let growing = on_disk(site.disk.clone(), move |disk| {
        disk.make_folder(part.parent().unwrap_or(&part), 0o700)?;
        disk.remove(&part)?;
        disk.create(&part)
    })
    .await
    .map_err(|setback| setback.at(&site.places.archive()))?;
    let mut stream = Stream::new(growing);
    match session.read(&data, metadata.size, &mut stream).await {
        Ok(_) => {}
        // Our own side of the copy may have failed, whatever the far side says of it.
        Err(trouble) => match (stream.into_trouble(), trouble) {
            (Some(ours), _) => return Err(Setback::Disk(ours).at(&site.places.archive())),
            (None, Trouble::GaveUp(why)) => match session.size(&data).await? {
                size if size == metadata.size => return Err(Trouble::GaveUp(why).into()),
                // It grows while it is read.
                size => return sizes(size),
            },
            (None, trouble) => return Err(trouble.into()),
        },
    }
    let copied = on_disk(site.disk.clone(), move |_| stream.finish()).await;
    let copied = copied.map_err(|setback| setback.at(&site.places.archive()))?;
    if copied.size != metadata.size {
        return sizes(copied.size);
    }
    let mut metadata_after = Vec::new();
    match metadata_name(&metadata.file_name) {
        Some(name) => session.read(&in_in(&name), XML_SIZE_MAX, &mut metadata_after).await?,
        None => 0,
    };
    if metadata_after != metadata_bytes {
        return Ok(Err("its metadata changed while it was fetched".into()));
    }
    Ok(Ok(copied))
}

/// A receipt as it was read and archived, or why it is none.
pub async fn fetch_receipt<C: Connect>(
    site: &Site<C>,
    link: &super::link::Link<C>,
    name: &RemoteName,
) -> Result<Result<(TechnicalReceipt, ContentHash), String>, Setback> {
    let lease = link.lease().await?;
    let mut bytes = Vec::new();
    match lease.session.read(&in_in(name), XML_SIZE_MAX, &mut bytes).await {
        Ok(_) => {}
        Err(Trouble::GaveUp(why)) => return Ok(Err(why)),
        Err(trouble) => {
            link.note(&lease, &trouble);
            return Err(trouble.into());
        }
    }
    let receipt = match TechnicalReceipt::read(&bytes) {
        Ok(receipt) => receipt,
        Err(trouble) => return Ok(Err(trouble.to_string())),
    };
    let hash = ContentHash::of(&bytes);
    let file = site.places.receipt(name, hash);
    let archived = on_disk(site.disk.clone(), move |disk| {
        disk.make_folder(file.parent().unwrap_or(&file), 0o700)?;
        disk.replace(&file, &bytes)
    });
    archived.await.map_err(|setback| setback.at(&site.places.archive()))?;
    Ok(Ok((receipt, hash)))
}

/// The name of the file that a receipt is for.
pub fn receipted_name(receipt: &RemoteName) -> Option<RemoteName> {
    receipt.as_str().strip_suffix(RECEIPT)?.parse().ok()
}

/// The reply's metadata.
pub fn metadata_name(reply: &RemoteName) -> Option<RemoteName> {
    reply.with_suffix(METADATA).ok()
}

/// What became of a file that was to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    Gone,
    /// It is not what the archive holds.
    Unlike,
    /// The far side does not let it be read or removed, in its words.
    Kept(String),
}

impl Removed {
    /// Why a file of a story that is at its end is still there, if it is not somebody else's.
    pub fn why_kept(self) -> Option<String> {
        match self {
            Removed::Kept(why) => Some(format!("its story is at its end, and it may not be removed there: {why}")),
            Removed::Gone | Removed::Unlike => None,
        }
    }
}

/// Removes a reply and its metadata from IN, in this order, if they are what the archive holds: by transfer id, size
/// and hash. A reply that took its place meanwhile is left.
pub async fn remove_reply<S: FarSide>(session: &S, arrival: &Arrival) -> Result<Removed, Trouble> {
    let (data, Some(metadata_name)) = (in_in(&arrival.name), metadata_name(&arrival.name)) else {
        return Ok(Removed::Unlike);
    };
    let metadata = in_in(&metadata_name);
    let mut bytes = Vec::new();
    match session.read(&metadata, XML_SIZE_MAX, &mut bytes).await {
        Ok(_) => {}
        Err(Trouble::Missing) => {
            return match session.size(&data).await {
                Err(Trouble::Missing) => Ok(Removed::Gone),
                size => size.map(|_| Removed::Unlike),
            };
        }
        Err(Trouble::GaveUp(_)) => return Ok(Removed::Unlike),
        Err(Trouble::Refused(why)) => return Ok(Removed::Kept(why)),
        Err(trouble) => return Err(trouble),
    }
    if FileMetadata::read(&bytes).map(|metadata| metadata.transfer) != Ok(arrival.transfer) {
        return Ok(Removed::Unlike);
    }
    let mut digest = Stream::digest_only();
    match session.read(&data, arrival.size, &mut digest).await {
        Ok(_) if digest.digest() == *arrival.hash.as_bytes() => {}
        Err(Trouble::Missing) => return remove(session, &metadata).await,
        Ok(_) | Err(Trouble::GaveUp(_)) => return Ok(Removed::Unlike),
        Err(Trouble::Refused(why)) => return Ok(Removed::Kept(why)),
        Err(trouble) => return Err(trouble),
    }
    match remove(session, &data).await? {
        Removed::Gone => remove(session, &metadata).await,
        left => Ok(left),
    }
}

/// Removes a receipt from IN if it is one of those that were read, by hash.
pub async fn remove_receipt<S: FarSide>(
    session: &S,
    name: &RemoteName,
    read: &[ContentHash],
) -> Result<Removed, Trouble> {
    let mut bytes = Vec::new();
    match session.read(&in_in(name), XML_SIZE_MAX, &mut bytes).await {
        Ok(_) if read.contains(&ContentHash::of(&bytes)) => remove(session, &in_in(name)).await,
        Err(Trouble::Missing) => Ok(Removed::Gone),
        Ok(_) | Err(Trouble::GaveUp(_)) => Ok(Removed::Unlike),
        Err(Trouble::Refused(why)) => Ok(Removed::Kept(why)),
        Err(trouble) => Err(trouble),
    }
}

/// Removes a file of ours there; one that is gone is as good, one that may not be removed is left.
pub async fn remove<S: FarSide>(session: &S, path: &RemotePath) -> Result<Removed, Trouble> {
    match session.remove(path).await {
        Ok(()) | Err(Trouble::Missing) => Ok(Removed::Gone),
        Err(Trouble::Refused(why)) => Ok(Removed::Kept(why)),
        Err(trouble) => Err(trouble),
    }
}

/// The same for receipts whose exchanges are at their end.
pub async fn clear_receipt<C: Connect>(
    link: &super::link::Link<C>,
    name: &RemoteName,
    read: ContentHash,
) -> Result<Removed, Setback> {
    let lease = link.lease().await?;
    let removed = remove_receipt(lease.session.as_ref(), name, &[read]).await;
    Ok(removed.inspect_err(|trouble| link.note(&lease, trouble))?)
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
