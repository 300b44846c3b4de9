//! A reply as it lies in the archive, read by its layout into a store's sink, the same when it is first compared and when
//! the register is rebuilt. Start with [`ArchivedReply::feed`].

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use crate::domain::identity::ContentHash;
use crate::domain::layout::Layout;
use crate::domain::municipality::MunicipalityCode;
use crate::domain::reply::{ReplyEnd, ReplyReader, duplicate_key};
use crate::durable::Disk;
use crate::store::{Sink, SinkTrouble};

/// So much of a reply is in memory at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// Where a reply lies, and what it was when it was fetched.
#[derive(Clone, Copy, Debug)]
pub struct ArchivedReply<'a> {
    pub file: &'a Path,
    /// Of its route.
    pub municipality: MunicipalityCode,
    pub hash: ContentHash,
    /// Set when the program is to stop: reading is given up in the middle.
    pub stop: &'a AtomicBool,
}

/// Why a reply was not fed to its end.
#[derive(Debug, thiserror::Error)]
pub enum FeedTrouble {
    /// By its layout. Without personal data.
    #[error("{0}")]
    Unfit(String),
    #[error("its copy in the archive is no longer what was fetched")]
    Altered,
    /// It says nothing about the reply; it may be read again.
    #[error("{0}")]
    NotRead(io::Error),
}

impl ArchivedReply<'_> {
    /// Reads it into the sink. What was fed is to be used only after this has returned well.
    pub fn feed(&self, disk: &dyn Disk, layout: &Layout, sink: &mut Sink<'_>) -> Result<ReplyEnd, FeedTrouble> {
        let mut file = disk.open(self.file).map_err(FeedTrouble::NotRead)?;
        let mut reader = ReplyReader::new(layout, self.municipality);
        let mut digest = Sha256::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = file.read(&mut chunk).map_err(FeedTrouble::NotRead)?;
            if read == 0 {
                break;
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err(FeedTrouble::NotRead(io::Error::other("the daemon is stopping")));
            }
            digest.update(&chunk[..read]);
            reader
                .feed(&chunk[..read], &mut |record, agreement| match sink(record, &agreement) {
                    Ok(()) => Ok(()),
                    Err(SinkTrouble::Duplicate { first }) => Err(duplicate_key(record, first)),
                    // The store says itself what is wrong; this only ends the reading.
                    Err(SinkTrouble::Stop) => Err(duplicate_key(record, record)),
                })
                .map_err(|unfit| FeedTrouble::Unfit(unfit.to_string()))?;
        }
        if ContentHash::new(digest.finalize().into()) != self.hash {
            return Err(FeedTrouble::Altered);
        }
        reader.finish().map_err(|unfit| FeedTrouble::Unfit(unfit.to_string()))
    }
}
