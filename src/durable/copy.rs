//! Bytes on their way from one file to another: counted, hashed, and synced at the end, or left for the caller to sync
//! together with others. Start with [`copy_anew`].

use std::io::{self, Read, Write};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Disk, Growing};

/// What a copy or a stream came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Bytes.
    pub size: u64,
    /// SHA-256.
    pub digest: [u8; 32],
}

/// A file of more bytes stays open while it is read.
const SMALL_BYTES_MAX: u64 = 16 << 10;

/// Opens a file that is to be read later. A small one is read at once: what waits for its turn keeps no file open.
pub fn open_for_later(disk: &dyn Disk, file: &Path) -> io::Result<Box<dyn Read + Send>> {
    let (mut source, mut begin) = (disk.open(file)?, Vec::with_capacity(SMALL_BYTES_MAX as usize));
    let read = source.by_ref().take(SMALL_BYTES_MAX).read_to_end(&mut begin)? as u64;
    let begin = io::Cursor::new(begin);
    Ok(if read < SMALL_BYTES_MAX { Box::new(begin) } else { Box::new(begin.chain(source)) })
}

/// Copies into a fresh, synced file. Something that already has the target's name goes first: it is a former
/// try of the same copy. A copy that breaks off is removed: on a full disk its room is needed.
pub fn copy_anew(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<Copied> {
    copy_at_most(disk, from, to, u64::MAX)?.ok_or_else(|| io::ErrorKind::FileTooLarge.into())
}

/// The same for a file of at most `at_most` bytes, however it may grow meanwhile. None: it is larger, and nothing of
/// it is kept.
pub fn copy_at_most(disk: &dyn Disk, from: &Path, to: &Path, at_most: u64) -> io::Result<Option<Copied>> {
    let Some(mut unsynced) = copy_unsynced(disk, from, to, at_most)? else { return Ok(None) };
    unsynced.file.sync().inspect_err(|_| leave_nothing(disk, to))?;
    Ok(Some(unsynced.copied))
}

/// A copy that does not count yet.
pub struct Unsynced {
    pub copied: Copied,
    /// To be synced, or removed where that fails.
    pub file: Box<dyn Growing>,
}

/// The same as [`copy_at_most`], to be synced by the caller together with others.
pub fn copy_unsynced(disk: &dyn Disk, from: &Path, to: &Path, at_most: u64) -> io::Result<Option<Unsynced>> {
    let mut source = disk.open(from)?.take(at_most.saturating_add(1));
    let created = match disk.create(to) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(to)?;
            disk.create(to)
        }
        created => created,
    };
    let mut stream = Stream::new(created?);
    let copied = match io::copy(&mut source, &mut stream) {
        Ok(copied) if copied > at_most => {
            drop(stream);
            disk.remove(to)?;
            return Ok(None);
        }
        copied => copied.and_then(|_| stream.into_unsynced()),
    };
    copied.map(Some).inspect_err(|_| leave_nothing(disk, to))
}

/// Removes what a broken-off write has left. What cannot be removed is replaced by the next try.
pub fn leave_nothing(disk: &dyn Disk, file: &Path) {
    let _ = disk.remove(file);
}

/// A growing file that counts and hashes what goes into it.
pub struct Stream {
    file: Box<dyn Growing>,
    digest: Sha256,
    size: u64,
    /// Why the last write failed: whoever copies into it may only say that it did.
    trouble: Option<io::Error>,
}

impl Stream {
    pub fn new(file: Box<dyn Growing>) -> Stream {
        Stream { file, digest: Sha256::new(), size: 0, trouble: None }
    }

    /// Why it could not be written, if that is what ended the copy.
    pub fn into_trouble(self) -> Option<io::Error> {
        self.trouble
    }

    /// One whose bytes go nowhere: only their digest is wanted.
    pub fn digest_only() -> Stream {
        Stream::new(Box::new(Nowhere))
    }

    /// The digest of what has gone in so far.
    pub fn digest(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }

    /// Syncs, and says what was written.
    pub fn finish(self) -> io::Result<Copied> {
        let mut unsynced = self.into_unsynced()?;
        unsynced.file.sync()?;
        Ok(unsynced.copied)
    }

    /// Says what was written, and leaves the syncing to the caller.
    fn into_unsynced(mut self) -> io::Result<Unsynced> {
        self.file.flush()?;
        let copied = Copied { size: self.size, digest: self.digest.finalize().into() };
        Ok(Unsynced { copied, file: self.file })
    }
}

struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Growing for Nowhere {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes).inspect_err(|e| {
            let again = e.raw_os_error().map_or_else(|| e.kind().into(), io::Error::from_raw_os_error);
            self.trouble = Some(again);
        })?;
        self.digest.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes go into the page cache, a few kilobytes at a time; only the sync at the end may take long.
impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// An open file, read by async code a few kilobytes at a time.
pub struct Source(pub Box<dyn Read + Send>);

impl AsyncRead for Source {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = self.0.read(buffer.initialize_unfilled())?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::{RealDisk, is_disks_own, read_bounded};

    #[test]
    fn a_copy_that_breaks_off_gives_its_room_back() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("copy");

        // A regular file of which no byte can be read: nothing is mapped at address 0.
        let copied = copy_anew(&RealDisk, Path::new("/proc/self/mem"), &to);

        assert!(is_disks_own(&copied.unwrap_err()));
        assert!(!to.exists());
    }

    #[test]
    fn a_file_that_is_read_later_is_read_whole_whatever_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        for size in [0, 1, SMALL_BYTES_MAX - 1, SMALL_BYTES_MAX, SMALL_BYTES_MAX + 1, 3 * SMALL_BYTES_MAX] {
            let content: Vec<u8> = (0..size).map(|byte| byte as u8).collect();
            RealDisk.replace(&file, &content).unwrap();
            let mut source = open_for_later(&RealDisk, &file).unwrap();
            let mut read = Vec::new();

            source.read_to_end(&mut read).unwrap();

            assert!(read == content, "{size}");
        }
    }

    #[test]
    fn a_copy_is_a_fresh_file_that_says_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        RealDisk.replace(&from, b"abc").unwrap();
        RealDisk.replace(&to, b"left behind by a crash").unwrap();

        let copied = copy_anew(&RealDisk, &from, &to).unwrap();

        assert_eq!(copied, Copied { size: 3, digest: Sha256::digest(b"abc").into() });
        assert_ne!(RealDisk.stamp(&from).unwrap().inode, RealDisk.stamp(&to).unwrap().inode);
        assert_eq!(read_bounded(&RealDisk, &to, 3).unwrap(), b"abc");
        assert!(read_bounded(&RealDisk, &to, 2).is_err());
        assert_eq!(copy_at_most(&RealDisk, &from, &to, 2).unwrap(), None);
        assert!(!to.exists(), "nothing of a file that is too large is kept");
    }
}
