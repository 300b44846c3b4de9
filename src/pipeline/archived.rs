//! A reply as it lies in the archive, read by its layout, checked and sorted, the same when it is first compared and when
//! the register is rebuilt. Nothing of it is used before it was read to its end. Start with [`ArchivedReply::read`].

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use crate::domain::identity::ContentHash;
use crate::domain::layout::{Layout, Unfit};
use crate::domain::municipality::MunicipalityCode;
use crate::domain::reply::{ReplyEnd, ReplyReader, duplicate_key};
use crate::durable::Disk;
use crate::store::{Duplicate, Sorted, Sorting};

/// So much of a reply is in memory at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// Where a reply lies, and what it was when it was fetched.
#[derive(Clone, Copy, Debug)]
pub struct ArchivedReply<'a> {
    pub file: &'a Path,
    /// Of its route.
    pub municipality: MunicipalityCode,
    pub hash: ContentHash,
    /// Where a long one is sorted, in a file without a name.
    pub folder: &'a Path,
    /// Set when the program is to stop: reading is given up in the middle.
    pub stop: &'a AtomicBool,
}

/// Why a reply was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadTrouble {
    /// By its layout. Without personal data.
    #[error("{0}")]
    Unfit(String),
    #[error("its copy in the archive is no longer what was fetched")]
    Altered,
    /// It says nothing about the reply; it may be read again.
    #[error("{0}")]
    NotRead(io::Error),
    /// The same: there was no room to sort it.
    #[error("cannot sort it: {0}")]
    NotSorted(io::Error),
}

impl ArchivedReply<'_> {
    /// Reads it to its end: what it is, and its agreements in order. Memory does not grow with it.
    pub fn read(&self, disk: &dyn Disk, layout: &Layout) -> Result<(ReplyEnd, Sorted), ReadTrouble> {
        let mut file = disk.open(self.file).map_err(ReadTrouble::NotRead)?;
        let mut reading = Reading {
            reader: ReplyReader::new(layout, self.municipality),
            sorting: Sorting::new(self.folder),
            not_sorted: None,
        };
        let mut digest = Sha256::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = file.read(&mut chunk).map_err(ReadTrouble::NotRead)?;
            if read == 0 {
                break;
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err(ReadTrouble::NotRead(io::Error::other("the daemon is stopping")));
            }
            digest.update(&chunk[..read]);
            if let Err(unfit) = reading.take(&chunk[..read]) {
                return Err(reading.first_finding(&unfit));
            }
        }
        if ContentHash::new(digest.finalize().into()) != self.hash {
            return Err(ReadTrouble::Altered);
        }
        reading.finish()
    }
}

/// A reply that is being read.
struct Reading<'l> {
    reader: ReplyReader<'l>,
    sorting: Sorting,
    not_sorted: Option<io::Error>,
}

impl Reading<'_> {
    fn take(&mut self, chunk: &[u8]) -> Result<(), Unfit> {
        let Reading { reader, sorting, not_sorted } = self;
        reader.feed(chunk, &mut |record, stated| {
            sorting.take(record, stated).map_err(|trouble| {
                *not_sorted = Some(trouble);
                // What went wrong is said in its own place; this only ends the reading.
                duplicate_key(record, record)
            })
        })
    }

    fn finish(self) -> Result<(ReplyEnd, Sorted), ReadTrouble> {
        let Reading { reader, sorting, .. } = self;
        match reader.finish() {
            Ok(end) => match sorting.finish(end.head.date).map_err(ReadTrouble::NotSorted)? {
                Ok(sorted) => Ok((end, sorted)),
                Err(duplicate) => Err(of_duplicate(duplicate)),
            },
            Err(unfit) => Err(first_of(sorting, &unfit)),
        }
    }

    /// Why the reply is unfit, where its reading ended with `unfit`.
    fn first_finding(self, unfit: &Unfit) -> ReadTrouble {
        match self.not_sorted {
            Some(trouble) => ReadTrouble::NotSorted(trouble),
            None => first_of(self.sorting, unfit),
        }
    }
}

/// The same key twice is found when all is sorted; but it stood before what ended the reading, so it is what is told.
fn first_of(sorting: Sorting, unfit: &Unfit) -> ReadTrouble {
    match sorting.finish(Date::ZERO) {
        Ok(Ok(_)) => ReadTrouble::Unfit(unfit.to_string()),
        Ok(Err(duplicate)) => of_duplicate(duplicate),
        Err(trouble) => ReadTrouble::NotSorted(trouble),
    }
}

fn of_duplicate(Duplicate { record, first }: Duplicate) -> ReadTrouble {
    ReadTrouble::Unfit(duplicate_key(record, first).to_string())
}
