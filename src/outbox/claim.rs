//! The claim: a file is renamed into the spool, where no scan finds it again, and copied into a fresh
//! inode. Only the copy is ever sent: a writer that still holds the original open, or a hard link to it, cannot change
//! it. A spool file that no fact names was claimed just before a crash, and is adopted.

use std::io;
use std::path::{Path, PathBuf};

use super::{QUERY_SIZE_MAX, Ripe, printable};
use crate::domain::exchange::fact::OriginalStamp;
use crate::domain::identity::{ContentHash, FileId, Route};
use crate::durable::{Disk, Found, Stamp, copy_unsynced, leave_nothing, list};

/// So much of the original's name fits into the spool name behind municipality, exchange and id.
const NAME_KEPT_MAX: usize = 120;

/// A copy is made again if the original changed under it, so many times; a change after that is found before
/// the trigger.
const COPIES_MAX: u32 = 3;

/// More spool files than this are adopted at the next start.
const SPOOL_ENTRIES_MAX: usize = 200_000;

/// A file in the spool: its name says all that is needed to go on after a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spooled {
    pub id: FileId,
    pub route: Route,
    pub spool: PathBuf,
    pub spool_name: String,
    pub original_name: String,
    /// As it was found ripe. None: it was claimed before this process began.
    pub claimed_as: Option<Stamp>,
}

impl Spooled {
    /// Where the original lies.
    pub fn path(&self) -> PathBuf {
        self.spool.join(&self.spool_name)
    }
}

/// The copy that will be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    pub original: OriginalStamp,
    /// Bytes.
    pub size: u64,
    pub hash: ContentHash,
}

/// What copying came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    Whole(Copy),
    /// More than [`QUERY_SIZE_MAX`]; at least so many bytes. Nothing was copied.
    TooLarge {
        size: u64,
    },
}

/// What a claim came to.
#[derive(Debug)]
pub enum Claimed {
    /// Spool and outbox folder are to be synced before anything that depends on it happens.
    Done(Spooled),
    /// Gone, or no longer as it was found ripe. Nothing has happened.
    Changed,
    /// The file is where it was.
    Failed(io::Error),
    /// It is in the spool, but whether that survives a crash is not known.
    Unsynced(Spooled, io::Error),
}

/// Renames a ripe file into the spool.
pub fn claim(disk: &dyn Disk, spool: &Path, ripe: &Ripe, id: FileId) -> Claimed {
    match disk.stamp(&ripe.path) {
        Ok(stamp) if stamp == ripe.stamp => {}
        Err(e) if !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
            return Claimed::Failed(e);
        }
        Ok(_) | Err(_) => return Claimed::Changed,
    }
    let original_name: String = printable(&ripe.name).chars().take(NAME_KEPT_MAX).collect();
    let spool_name = format!("{}.{}.{id}.{original_name}", ripe.route.municipality, ripe.route.exchange);
    let renamed = disk.rename_unsynced(&ripe.path, &spool.join(&spool_name));
    let (route, spool, claimed_as) = (ripe.route.clone(), spool.to_owned(), Some(ripe.stamp));
    let spooled = Spooled { id, route, spool, spool_name, original_name, claimed_as };
    match renamed {
        Ok(()) => Claimed::Done(spooled),
        Err(e) if disk.stamp(&spooled.path()).is_ok() => Claimed::Unsynced(spooled, e),
        Err(e) if e.kind() == io::ErrorKind::NotFound && disk.stamp(&ripe.path).is_err() => Claimed::Changed,
        Err(e) => Claimed::Failed(e),
    }
}

/// All files in the spool.
pub fn spooled(disk: &dyn Disk, spool: &Path) -> io::Result<Vec<Spooled>> {
    let read = |found: &Found| read_spool_name(spool, found.name.to_str()?);
    let entries = list(disk, spool, SPOOL_ENTRIES_MAX, |found| read(found).is_some())?;
    Ok(entries.iter().filter_map(read).collect())
}

fn read_spool_name(spool: &Path, name: &str) -> Option<Spooled> {
    let mut parts = name.splitn(4, '.');
    let municipality = parts.next()?.parse().ok()?;
    let exchange = parts.next()?.parse().ok()?;
    let id = parts.next()?.parse().ok()?;
    Some(Spooled {
        id,
        route: Route { exchange, municipality },
        spool: spool.to_owned(),
        spool_name: name.to_owned(),
        original_name: parts.next()?.to_owned(),
        claimed_as: None,
    })
}

/// Copies a spooled original to `to`, synced and hashed. One that is larger than any query is not copied. What is
/// remembered of the original is how it was claimed: a write between claim and copy is a change too.
pub fn copy(disk: &dyn Disk, spooled: &Spooled, to: &Path) -> io::Result<Copied> {
    let original = spooled.path();
    let mut copies = 0;
    loop {
        let before = disk.stamp(&original)?;
        if before.size > QUERY_SIZE_MAX {
            return Ok(Copied::TooLarge { size: before.size });
        }
        let Some(mut unsynced) = copy_unsynced(disk, &original, to, QUERY_SIZE_MAX)? else {
            return Ok(Copied::TooLarge { size: QUERY_SIZE_MAX + 1 });
        };
        let copied = unsynced.copied;
        copies += 1;
        if disk.stamp(&original)? == before || copies == COPIES_MAX {
            // Only the copy that counts.
            unsynced.file.sync().inspect_err(|_| leave_nothing(disk, to))?;
            let hash = ContentHash::new(copied.digest);
            let original = original_stamp(spooled.claimed_as.unwrap_or(before));
            return Ok(Copied::Whole(Copy { original, size: copied.size, hash }));
        }
    }
}

/// What changed about the original since it was copied, if anything. A missing original has not changed: it was
/// put away. Errors: it cannot be looked at, which says nothing about it.
pub fn what_changed(disk: &dyn Disk, original: &Path, stamp: &OriginalStamp) -> io::Result<Option<String>> {
    let another = || Ok(Some("it is another file".to_owned()));
    let now = match disk.stamp(original) {
        Ok(now) => original_stamp(now),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => return another(),
        Err(e) => return Err(e),
    };
    if now.inode != stamp.inode || now.device != stamp.device {
        return another();
    }
    Ok(if now.size != stamp.size {
        Some(format!("its size was {} bytes and is {}", stamp.size, now.size))
    } else if now.modified_micros != stamp.modified_micros {
        Some("its content was written to again".to_owned())
    } else {
        None
    })
}

fn original_stamp(stamp: Stamp) -> OriginalStamp {
    OriginalStamp { device: stamp.device, inode: stamp.inode, size: stamp.size, modified_micros: stamp.modified_micros }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::{RealDisk, read_bounded};
    use std::io::Write;

    fn claimed(folder: &Path, content: &[u8]) -> (Spooled, std::fs::File) {
        let path = folder.join("query.txt");
        std::fs::write(&path, content).unwrap();
        let writer = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        let spool = folder.join("spool");
        RealDisk.make_folder(&spool, 0o700).unwrap();
        let route = Route { exchange: "sf2530".parse().unwrap(), municipality: "0751".parse().unwrap() };
        let stamp = RealDisk.stamp(&path).unwrap();
        let ripe = Ripe { route, path, name: "query.txt".into(), stamp };
        let id = "3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11".parse().unwrap();
        let Claimed::Done(made) = claim(&RealDisk, &spool, &ripe, id) else { panic!("nothing is in the way") };
        assert!(matches!(claim(&RealDisk, &spool, &ripe, id), Claimed::Changed), "it is gone");
        (made, writer)
    }

    #[test]
    fn a_file_that_is_no_longer_as_it_was_found_is_not_claimed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("query.txt");
        std::fs::write(&path, "whole").unwrap();
        let route = Route { exchange: "sf2530".parse().unwrap(), municipality: "0751".parse().unwrap() };
        let stamp = RealDisk.stamp(&path).unwrap();
        let ripe = Ripe { route, path: path.clone(), name: "query.txt".into(), stamp };
        let id = "3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11".parse().unwrap();
        let no_spool = folder.path().join("spool");
        assert!(matches!(claim(&RealDisk, &no_spool, &ripe, id), Claimed::Failed(_)), "it is there, the spool is not");

        std::fs::write(&path, "half").unwrap();
        assert!(matches!(claim(&RealDisk, &no_spool, &ripe, id), Claimed::Changed));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(claim(&RealDisk, &no_spool, &ripe, id), Claimed::Changed));
    }

    #[test]
    fn a_spool_file_says_by_its_name_whose_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (made, _) = claimed(folder.path(), b"x");

        assert_eq!(made.spool_name, "0751.sf2530.3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11.query.txt");
        let found = spooled(&RealDisk, &made.spool).unwrap();
        assert_eq!(found, [Spooled { claimed_as: None, ..made }]);
    }

    #[test]
    fn a_writer_that_goes_on_after_the_claim_changes_the_original_alone_and_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let (made, mut writer) = claimed(folder.path(), b"whole");
        let to = folder.path().join("copy");
        let Copied::Whole(copy) = copy(&RealDisk, &made, &to).unwrap() else { panic!("it is small") };
        let original = made.spool.join(&made.spool_name);
        assert_eq!(what_changed(&RealDisk, &original, &copy.original).unwrap(), None);

        writer.write_all(b" and more").unwrap();

        assert_eq!(read_bounded(&RealDisk, &to, 100).unwrap(), b"whole");
        assert!(what_changed(&RealDisk, &original, &copy.original).unwrap().unwrap().contains("14"));
    }

    #[test]
    fn a_writer_that_goes_on_between_claim_and_copy_is_found_out_too() {
        let folder = tempfile::tempdir().unwrap();
        let (made, mut writer) = claimed(folder.path(), b"whole");
        writer.write_all(b" and more").unwrap();

        let Copied::Whole(copy) = copy(&RealDisk, &made, &folder.path().join("copy")).unwrap() else {
            panic!("it is small")
        };

        assert!(what_changed(&RealDisk, &made.path(), &copy.original).unwrap().is_some());
    }

    #[test]
    fn what_is_larger_than_any_query_is_not_copied() {
        let folder = tempfile::tempdir().unwrap();
        let (made, writer) = claimed(folder.path(), b"");
        writer.set_len(1 << 40).unwrap();
        let to = folder.path().join("copy");

        assert_eq!(copy(&RealDisk, &made, &to).unwrap(), Copied::TooLarge { size: 1 << 40 });
        assert!(!to.exists());
    }
}
