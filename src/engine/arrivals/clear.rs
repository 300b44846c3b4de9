//! Taking out of IN what is done with, if it still is what was archived. Nothing that may be somebody else's is removed.
//! Start with [`remove_reply`].

use super::{XML_SIZE_MAX, metadata_name};
use crate::domain::envelope::FileMetadata;
use crate::domain::exchange::fact::Arrival;
use crate::domain::identity::{ContentHash, RemoteName};
use crate::domain::retention::HashKey;
use crate::durable::Stream;
use crate::engine::carry_out::Setback;
use crate::engine::link::Link;
use crate::engine::site::in_in;
use crate::transport::{Connect, FarSide, RemotePath, Trouble};

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
/// and hash, which is sealed with `key` where the archive holds it no longer. A reply that took its place meanwhile is left.
pub async fn remove_reply<S: FarSide>(
    session: &S,
    arrival: &Arrival,
    key: Option<HashKey>,
) -> Result<Removed, Trouble> {
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
    let is_same = |found| key.map_or(arrival.hash == found, |key| key.is_same(arrival.hash, found));
    let mut digest = Stream::digest_only();
    match session.read(&data, arrival.size, &mut digest).await {
        Ok(_) if is_same(ContentHash::new(digest.digest())) => {}
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
    link: &Link<C>,
    name: &RemoteName,
    read: ContentHash,
) -> Result<Removed, Setback> {
    let lease = link.lease().await?;
    let removed = remove_receipt(lease.session.as_ref(), name, &[read]).await;
    Ok(removed.inspect_err(|trouble| link.note(&lease, trouble))?)
}
