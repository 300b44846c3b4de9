//! A file of our own that is being written. The disk begins with its bytes while more are coming, so that the sync at the
//! end of a large one has little left to wait for.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread::JoinHandle;

use super::{Growing, folder_of, together};

/// Bytes that are handed to the disk at a time before the end. Most files have fewer, and their one sync is the last.
const EARLY_BYTES: u64 = 32 << 20;

pub(super) struct NewFile {
    file: File,
    path: PathBuf,
    /// Bytes written since the disk was last told to begin.
    since_early: u64,
    /// The early sync at work. What it comes to is this file's own outcome: a failure is reported only once.
    early: Option<JoinHandle<io::Result<()>>>,
    /// Shared syncs that had failed before the first byte. None: that was not to be found out.
    failures: Option<u64>,
}

impl NewFile {
    pub(super) fn new(file: File, path: PathBuf) -> NewFile {
        let failures = together::failures(&file).ok();
        NewFile { file, path, since_early: 0, early: None, failures }
    }

    fn begin_early(&mut self) -> io::Result<()> {
        if self.early.as_ref().is_some_and(|early| !early.is_finished()) {
            // The disk is slower than what comes, and has enough to do.
            return Ok(());
        }
        self.end_early()?;
        self.since_early = 0;
        let file = self.file.try_clone()?;
        self.early = std::thread::Builder::new().name("early sync".into()).spawn(move || file.sync_data()).ok();
        Ok(())
    }

    fn end_early(&mut self) -> io::Result<()> {
        match self.early.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(ended) => ended.unwrap_or_else(|_| Err(io::Error::other("an early sync ended abnormally"))),
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.since_early += written as u64;
        if self.since_early >= EARLY_BYTES {
            self.begin_early()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Growing for NewFile {
    fn sync(&mut self) -> io::Result<()> {
        self.end_early()?;
        together::sync(&[&self.file, &folder_of(&self.path)?])?;
        match together::failures(&self.file)? {
            now if Some(now) == self.failures => Ok(()),
            _ => Err(io::Error::other("a sync of the disk failed meanwhile, and these bytes may be lost")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_several_early_syncs_is_whole_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let mut growing = NewFile::new(File::create(&path).unwrap(), path.clone());
        let block: Vec<u8> = (0..1_u32 << 20).map(|byte| byte as u8).collect();
        let blocks = 3 * (EARLY_BYTES >> 20) + 1;

        for _ in 0..blocks {
            growing.write_all(&block).unwrap();
        }
        assert!(growing.early.is_some(), "one was begun");
        growing.sync().unwrap();

        assert!(growing.early.is_none());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), blocks << 20);
    }

    #[test]
    fn a_file_under_which_a_shared_sync_failed_is_not_told_to_be_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut growing = NewFile::new(File::create(&path).unwrap(), path);
        growing.failures = growing.failures.map(|failures| failures + 1);

        assert!(growing.sync().is_err());
    }

    #[test]
    fn what_an_early_sync_came_to_is_told_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut growing = NewFile::new(File::create(&path).unwrap(), path);
        growing.early = Some(std::thread::spawn(|| Err(rustix::io::Errno::IO.into())));

        assert!(growing.sync().is_err());
    }
}
