//! The disk as one process of a run sees it: each call is an effect, and the first that finds no room says so. Start with
//! [`SimDisk`]; what it holds is in [`platter`](super::platter).

use std::io::{self, Cursor, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use sluse::durable::{Disk, Found, Growing, Kind as Entry, Stamp};

use super::fate::{Failure, Life};
use super::fault::Kind;
use super::plant::Plant;
use super::platter::{Drive, Inode, Platter};

/// What one process does with the drive.
#[derive(Clone)]
pub struct SimDisk {
    drive: Drive,
    life: Life,
    plant: Plant,
}

fn fails(failure: Failure) -> io::Error {
    match failure {
        Failure::Full => io::ErrorKind::StorageFull.into(),
        Failure::Dead | Failure::Planned | Failure::PlannedThoughDone => io::Error::other(failure.to_string()),
    }
}

impl SimDisk {
    pub fn new(drive: Drive, life: Life, plant: Plant) -> SimDisk {
        SimDisk { drive, life, plant }
    }

    /// `work` is told whether what it does is synced.
    fn call<T>(
        &self,
        kind: Kind,
        verb: &str,
        file: &Path,
        work: impl FnOnce(&mut Platter, bool) -> io::Result<T>,
    ) -> io::Result<T> {
        let what = || format!("{verb} {}", file.display());
        let skips = self.plant == Plant::SkipSync;
        self.life.call(kind, what, fails, |is_synced| work(&mut self.drive.platter(), is_synced && !skips))
    }

    fn rename_and(&self, from: &Path, to: &Path, asks_for_sync: bool) -> io::Result<()> {
        self.call(Kind::DiskWrite, "rename", to, |platter, is_synced| {
            platter.has_folder_of(to)?;
            let number = platter.number(from)?;
            if platter.number(to).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let mut change = vec![(to.to_owned(), Some(number))];
            let leaves = match self.plant {
                Plant::ClaimLeavesOriginal => from.starts_with("/sim/outbox"),
                Plant::RepeatHandOver => from.starts_with("/sim/inbox"),
                _ => false,
            };
            if !leaves {
                change.push((from.to_owned(), None));
            }
            platter.change(change, asks_for_sync && is_synced);
            Ok(())
        })
    }
}

struct SimGrowing {
    disk: SimDisk,
    number: usize,
    file: PathBuf,
}

impl Write for SimGrowing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.disk.life.is_over() {
            return Err(fails(Failure::Dead));
        }
        if self.disk.life.is_full(Kind::DiskRoom) {
            return Err(fails(Failure::Full));
        }
        let now = self.disk.life.fates().now().as_micros();
        let mut platter = self.disk.drive.platter();
        let inode = &mut platter.inodes[self.number];
        inode.content.extend_from_slice(bytes);
        inode.modified_micros = now;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Growing for SimGrowing {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.call(Kind::DiskWrite, "sync", &self.file, |platter, is_synced| {
            if is_synced {
                let inode = &mut platter.inodes[self.number];
                inode.synced = inode.content.clone();
                platter.sync(&self.file.parent().into_iter().collect::<Vec<_>>());
            }
            Ok(())
        })
    }
}

impl Disk for SimDisk {
    fn may_block(&self) -> bool {
        false
    }

    fn walk(&self, folder: &Path, each: &mut dyn FnMut(Found) -> ControlFlow<()>) -> io::Result<()> {
        let found: Vec<_> = self.call(Kind::DiskRead, "list", folder, |platter, _| {
            let there = platter.folders.get(folder).ok_or(io::ErrorKind::NotFound)?;
            let files = there.names.iter().map(|(name, number)| (name, Entry::File(platter.stamp(*number))));
            let folders = there.folders.iter().map(|name| (name, Entry::Folder));
            Ok(files.chain(folders).map(|(name, kind)| Found { name: name.clone(), kind }).collect())
        })?;
        // Not while the platter is held: who is shown an entry may look at others.
        let _ = found.into_iter().try_for_each(each);
        Ok(())
    }

    fn stamp(&self, file: &Path) -> io::Result<Stamp> {
        self.call(Kind::DiskRead, "stamp", file, |platter, _| Ok(platter.stamp(platter.number(file)?)))
    }

    fn mount(&self, folder: &Path) -> io::Result<u64> {
        if self.drive.platter().folders.contains_key(folder) { Ok(1) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn folder_inode(&self, folder: &Path) -> io::Result<u64> {
        self.mount(folder)
    }

    fn changed_micros(&self, _: &Path) -> io::Result<i64> {
        // Not every file system tells; then the files are waited for.
        Err(io::ErrorKind::Unsupported.into())
    }

    fn open(&self, file: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.call(Kind::DiskRead, "open", file, |platter, _| {
            let read = match self.plant {
                Plant::SendOriginal if file.ends_with("query") => platter.original_of(file).unwrap_or(file.to_owned()),
                _ => file.to_owned(),
            };
            let content = platter.inodes[platter.number(&read)?].content.clone();
            Ok(Box::new(Cursor::new(content)) as Box<dyn Read + Send>)
        })
    }

    fn create(&self, file: &Path) -> io::Result<Box<dyn Growing>> {
        let number = self.call(Kind::DiskRoom, "create", file, |platter, _| {
            platter.has_folder_of(file)?;
            if platter.number(file).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let number = platter.new_inode();
            // The name is synced with the content.
            platter.change(vec![(file.to_owned(), Some(number))], false);
            Ok(number)
        })?;
        Ok(Box::new(SimGrowing { disk: self.clone(), number, file: file.to_owned() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let renamed = self.rename_and(from, to, true);
        match self.plant {
            Plant::FailedRenameIsDone if to.starts_with("/sim/inbox") => {
                renamed.or(Err(io::ErrorKind::NotFound.into()))
            }
            _ => renamed,
        }
    }

    fn rename_unsynced(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.rename_and(from, to, false)
    }

    fn sync_folders(&self, folders: &[&Path]) -> io::Result<()> {
        self.call(Kind::DiskWrite, "sync the folders", folders[0], |platter, is_synced| {
            if is_synced {
                platter.sync(folders);
            }
            Ok(())
        })
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        self.call(Kind::DiskWrite, "remove", file, |platter, is_synced| {
            match platter.number(file) {
                Ok(_) => platter.change(vec![(file.to_owned(), None)], is_synced),
                // One that was removed before is gone for good now, too.
                Err(_) if is_synced => platter.sync(&file.parent().into_iter().collect::<Vec<_>>()),
                Err(_) => {}
            }
            Ok(())
        })
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        self.call(Kind::DiskWrite, "remove folder", folder, |platter, _| {
            platter.remove_folder(folder);
            Ok(())
        })
    }

    fn make_folder(&self, folder: &Path, _: u32) -> io::Result<()> {
        self.call(Kind::DiskRoom, "make folder", folder, |platter, _| {
            platter.make_folder(folder);
            Ok(())
        })
    }

    fn make_folder_unsynced(&self, folder: &Path) -> io::Result<()> {
        self.make_folder(folder, 0o700)
    }

    fn append(&self, file: &Path, content: &[u8], asks_for_sync: bool) -> io::Result<()> {
        let now = self.life.fates().now().as_micros();
        self.call(Kind::DiskRoom, "append", file, |platter, is_synced| {
            platter.has_folder_of(file)?;
            let number = match platter.number(file) {
                Ok(number) => number,
                Err(_) => {
                    let number = platter.new_inode();
                    platter.change(vec![(file.to_owned(), Some(number))], is_synced);
                    number
                }
            };
            let inode = &mut platter.inodes[number];
            inode.content.extend_from_slice(content);
            inode.modified_micros = now;
            if asks_for_sync && is_synced {
                inode.synced = inode.content.clone();
            }
            Ok(())
        })
    }

    fn replace(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        let now = self.life.fates().now().as_micros();
        self.call(Kind::DiskRoom, "replace", file, |platter, is_synced| {
            platter.has_folder_of(file)?;
            let number = platter.new_inode();
            let synced = if self.plant != Plant::SkipSync { content.to_vec() } else { Vec::new() };
            platter.inodes[number] = Inode { content: content.to_vec(), synced, modified_micros: now };
            platter.change(vec![(file.to_owned(), Some(number))], is_synced);
            Ok(())
        })
    }

    fn share_with_group(&self, file: &Path) -> io::Result<()> {
        self.call(Kind::DiskWrite, "share", file, |platter, _| platter.number(file).map(drop))
    }
}
