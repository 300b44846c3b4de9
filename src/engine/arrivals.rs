//! What a listing of IN means: which receipts and replies to fetch, what of ours can be cleared away, and what
//! is somebody else's. [`sort`] decides and touches nothing; [`fetch_reply`] and [`fetch_receipt`] do and decide nothing
//! about exchanges.

use std::collections::HashMap;
use std::sync::Arc;

use super::carry_out::{Setback, on_disk};
use super::point;
use super::site::{Kind, Site, in_in};
use crate::domain::envelope::{FileMetadata, TechnicalReceipt};
use crate::domain::exchange::Book;
use crate::domain::exchange::fact::Arrival;
use crate::domain::identity::{ContentHash, DeliveryNumber, EndpointName, RemoteName, Route, TransferId};
use crate::domain::reply::ReplyReader;
use crate::durable::Stream;
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

const RECEIPT: &str = ".sftpreceipt";
const METADATA: &str = ".metadata";

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
    /// Receipts to be read: new ones, and ones of exchanges at their end, which can be cleared away if they are
    /// what was read before.
    pub receipts: Vec<Listed>,
    /// Files that are for others.
    pub foreign: u64,
    /// Ours by name, but not to be taken yet, and why.
    pub waiting: Vec<(RemoteName, String)>,
}

/// Looked at before, and unchanged since: by endpoint and name.
#[derive(Debug, Default)]
pub struct Passed(HashMap<(EndpointName, RemoteName), Look>);

#[derive(Debug)]
struct Look {
    /// Of the file, and of the metadata beside it, 0 for a receipt.
    sizes: (u64, u64),
    /// None: it is not ours.
    why: Option<String>,
    polls_left: u32,
}

impl Passed {
    /// Remembers that a file of these sizes is not to be taken; `why` None: it is not ours.
    pub fn note(&mut self, endpoint: &EndpointName, name: &RemoteName, sizes: (u64, u64), why: Option<String>) {
        if self.0.len() < PASSED_MAX {
            self.0.insert((endpoint.clone(), name.clone()), Look { sizes, why, polls_left: LOOK_AGAIN_AFTER_POLLS });
        }
    }

    fn get(&self, endpoint: &EndpointName, name: &RemoteName, sizes: (u64, u64)) -> Option<&Option<String>> {
        self.0.get(&(endpoint.clone(), name.clone())).filter(|look| look.sizes == sizes).map(|look| &look.why)
    }

    /// Forgets what is no longer there, and what is to be looked at again.
    fn keep(&mut self, endpoint: &EndpointName, listing: &HashMap<&RemoteName, u64>) {
        self.0.retain(|(of, name), look| {
            if of != endpoint {
                return true;
            }
            look.polls_left = look.polls_left.saturating_sub(1);
            look.polls_left > 0 && listing.contains_key(name)
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
            match book.read_receipt(&file.name) {
                // It is looked at again before it is removed, when the exchange is tidied.
                Some(exchange) if !exchange.state.is_final() => {}
                None if !is_query(kinds, book, stem) => sorted.foreign += 1,
                Some(_) | None => match passed.get(endpoint, &file.name, (file.size, 0)) {
                    Some(Some(why)) => sorted.waiting.push((file.name.clone(), why.clone())),
                    Some(None) => sorted.foreign += 1,
                    None => sorted.receipts.push(file.clone()),
                },
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
        match passed.get(endpoint, &file.name, (file.size, metadata_size)) {
            Some(None) => sorted.foreign += 1,
            Some(Some(why)) => sorted.waiting.push((file.name.clone(), why.clone())),
            None => {
                let (name, size, known) = (file.name.clone(), file.size, book.fetched(&file.name));
                sorted.replies.push(Candidate { route, name, size, metadata_size, known });
            }
        }
    }
    sorted
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
            Ok(Removed::Left) => {}
            Err(trouble) => {
                kind.link.note(&lease, &trouble);
                return Err(trouble.into());
            }
        },
        None => {}
    }

    let part = site.places.reply_part(&candidate.route, metadata.transfer);
    let part_2 = part.clone();
    let growing = on_disk(site.disk.clone(), move |disk| {
        disk.make_folder(part_2.parent().unwrap_or(&part_2), 0o700)?;
        disk.remove(&part_2)?;
        disk.create(&part_2)
    });
    let mut stream = Stream::new(growing.await.map_err(|setback| setback.at(&site.places.archive()))?);
    let size_max = metadata.size.min(REPLY_SIZE_MAX);
    let copied = match lease.session.read(&in_in(&candidate.name), size_max, &mut stream).await {
        Ok(_) => on_disk(site.disk.clone(), move |_| stream.finish()).await,
        Err(trouble) => {
            kind.link.note(&lease, &trouble);
            Err(stream.into_trouble().map_or(Setback::Far(trouble), Setback::Disk))
        }
    };
    let copied = match copied {
        Ok(copied) => copied,
        Err(setback) => {
            // A large one that broke off would keep a full disk full. What cannot be removed is replaced by the next try.
            let left = part.clone();
            let _ = on_disk(site.disk.clone(), move |disk| disk.remove(&left)).await;
            return Err(setback.at(&site.places.archive()));
        }
    };
    let mut metadata_after = Vec::new();
    let read = lease.session.read(&in_in(&metadata_name), XML_SIZE_MAX, &mut metadata_after).await;
    if let Err(trouble) = read.inspect_err(|trouble| kind.link.note(&lease, trouble)) {
        return Err(trouble.into());
    }
    if metadata_after != metadata_bytes {
        return Ok(FetchedReply::Unusable("its metadata changed while it was fetched".into()));
    }
    if copied.size != metadata.size {
        let sizes = format!("its metadata says {} bytes, {} came", metadata.size, copied.size);
        return Ok(FetchedReply::Unusable(sizes));
    }
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
        let mut reader = ReplyReader::new(&layout, municipality);
        let mut head = vec![0; HEAD_BYTES_MAX as usize];
        let read = std::io::Read::read(&mut disk.open(&file)?, &mut head)?;
        // Only the start record is wanted; whether the whole is fit is found out when it is compared.
        let _ = reader.feed(&head[..read], &mut |_, _| Ok(()));
        Ok(reader.head().and_then(|head| head.delivery))
    });
    let delivery = delivery.await.map_err(|setback| setback.at(&site.places.archive()))?;
    point::reached("reply_archived");
    Ok(FetchedReply::Arrived { transfer: metadata.transfer, hash, size: copied.size, delivery })
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    Gone,
    /// It is not what the archive holds, or may not be removed.
    Left,
}

/// Removes a reply and its metadata from IN, in this order, if they are what the archive holds: by transfer id, size
/// and hash. A reply that took its place meanwhile is left.
pub async fn remove_reply<S: FarSide>(session: &S, arrival: &Arrival) -> Result<Removed, Trouble> {
    let (data, Some(metadata_name)) = (in_in(&arrival.name), metadata_name(&arrival.name)) else {
        return Ok(Removed::Left);
    };
    let metadata = in_in(&metadata_name);
    let mut bytes = Vec::new();
    match session.read(&metadata, XML_SIZE_MAX, &mut bytes).await {
        Ok(_) => {}
        Err(Trouble::Missing) => {
            return match session.size(&data).await {
                Err(Trouble::Missing) => Ok(Removed::Gone),
                size => size.map(|_| Removed::Left),
            };
        }
        Err(Trouble::GaveUp(_) | Trouble::Refused(_)) => return Ok(Removed::Left),
        Err(trouble) => return Err(trouble),
    }
    if FileMetadata::read(&bytes).map(|metadata| metadata.transfer) != Ok(arrival.transfer) {
        return Ok(Removed::Left);
    }
    let mut digest = Stream::digest_only();
    match session.read(&data, arrival.size, &mut digest).await {
        Ok(_) if digest.digest() == *arrival.hash.as_bytes() => {}
        Err(Trouble::Missing) => return remove(session, &metadata).await,
        Ok(_) | Err(Trouble::GaveUp(_) | Trouble::Refused(_)) => return Ok(Removed::Left),
        Err(trouble) => return Err(trouble),
    }
    match remove(session, &data).await? {
        Removed::Gone => remove(session, &metadata).await,
        Removed::Left => Ok(Removed::Left),
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
        Ok(_) | Err(Trouble::GaveUp(_) | Trouble::Refused(_)) => Ok(Removed::Left),
        Err(trouble) => Err(trouble),
    }
}

/// Removes a file of ours there; one that is gone is as good, one that may not be removed is left.
pub async fn remove<S: FarSide>(session: &S, path: &RemotePath) -> Result<Removed, Trouble> {
    match session.remove(path).await {
        Ok(()) | Err(Trouble::Missing) => Ok(Removed::Gone),
        Err(Trouble::Refused(_)) => Ok(Removed::Left),
        Err(trouble) => Err(trouble),
    }
}

/// The same for receipts whose exchanges are at their end.
pub async fn clear_receipt<C: Connect>(
    link: &super::link::Link<C>,
    name: &RemoteName,
    read: ContentHash,
) -> Result<(), Setback> {
    let lease = link.lease().await?;
    let removed = remove_receipt(lease.session.as_ref(), name, &[read]).await;
    removed.inspect_err(|trouble| link.note(&lease, trouble))?;
    Ok(())
}
