//! Receipts and replies on their way from IN into the archive: whole, bounded, and as their metadata describes them.
//! Nothing here decides whose they are in the book. Start with [`fetch_reply`].

use std::path::Path;

use super::clear::{Removed, remove_reply};
use super::{Candidate, METADATA, XML_SIZE_MAX, metadata_name};
use crate::domain::envelope::{FileMetadata, TechnicalReceipt};
use crate::domain::exchange::fact::Arrival;
use crate::domain::identity::{ContentHash, DeliveryNumber, RemoteName, TransferId};
use crate::domain::layout::Layout;
use crate::domain::municipality::MunicipalityCode;
use crate::domain::reply::ReplyReader;
use crate::durable::{Copied, Disk, Stream};
use crate::engine::carry_out::{Setback, on_disk};
use crate::engine::link::Link;
use crate::engine::point;
use crate::engine::site::{Kind, Site, in_in};
use crate::transport::{Connect, FarSide, Trouble};

/// Keep a file under 2 GB, says the platform.
const REPLY_SIZE_MAX: u64 = 2_000_000_000;

/// So much of a reply is read again to find its start record.
const HEAD_BYTES_MAX: u64 = 64 << 10;

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
        Some((known, true)) => match remove_reply(lease.session.as_ref(), known, candidate.key).await {
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
pub fn delivery_of(
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
    link: &Link<C>,
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
