//! A disk in memory. A process that dies leaves all that it wrote; when the power goes, what was not synced is lost,
//! bytes and names alike. Start with [`Drive`]; [`SimDisk`] is what one process sees of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluse::durable::{Disk, Found, Growing, Kind as Entry, Stamp};

use super::fate::{Kind, Life};
use super::plant::Plant;

#[derive(Default)]
struct Inode {
    content: Vec<u8>,
    synced: Vec<u8>,
    modified_micros: i64,
}

#[derive(Default)]
struct Platter {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
}

/// What outlives a process.
#[derive(Clone, Default)]
pub struct Drive(Arc<Mutex<Platter>>);

impl Drive {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn make_folder(&self, folder: &Path) {
        self.platter().folders.extend(folder.ancestors().map(Path::to_owned));
    }

    /// Whatever was not synced is as if it had never been.
    pub fn lose_power(&self) {
        let mut platter = self.platter();
        platter.names = platter.synced_names.clone();
        for inode in &mut platter.inodes {
            inode.content = inode.synced.clone();
        }
    }

    /// Somebody else's file, synced; its content is written over if it is there.
    pub fn put(&self, file: &Path, content: &[u8], now_micros: i64) {
        let mut platter = self.platter();
        let number = match platter.names.get(file) {
            Some(number) => *number,
            None => platter.new_inode(file),
        };
        platter.inodes[number] =
            Inode { content: content.to_vec(), synced: content.to_vec(), modified_micros: now_micros };
        platter.sync_folder_of(file);
    }

    /// Somebody else takes all files below this folder whose names do not begin with a dot.
    pub fn take_below(&self, folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut platter = self.platter();
        let is_shown = |path: &Path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'));
        let shown: Vec<_> =
            platter.names.keys().filter(|path| path.starts_with(folder) && is_shown(path)).cloned().collect();
        let mut taken = Vec::new();
        for path in shown {
            if let Some(number) = platter.names.remove(&path) {
                platter.sync_folder_of(&path);
                taken.push((path, platter.inodes[number].content.clone()));
            }
        }
        taken
    }

    /// The files below a folder, as a living system sees them.
    pub fn files_below(&self, folder: &Path) -> Vec<PathBuf> {
        self.platter().names.keys().filter(|path| path.starts_with(folder)).cloned().collect()
    }
}

impl Platter {
    fn new_inode(&mut self, file: &Path) -> usize {
        self.inodes.push(Inode::default());
        let number = self.inodes.len() - 1;
        self.names.insert(file.to_owned(), number);
        number
    }

    fn sync_folder_of(&mut self, file: &Path) {
        let folder = file.parent();
        self.synced_names.retain(|path, _| path.parent() != folder);
        let there = self.names.iter().filter(|(path, _)| path.parent() == folder);
        self.synced_names.extend(there.map(|(path, number)| (path.clone(), *number)));
    }

    fn number(&self, file: &Path) -> io::Result<usize> {
        self.names.get(file).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn has_folder_of(&self, file: &Path) -> io::Result<()> {
        let has = file.parent().is_some_and(|folder| self.folders.contains(folder));
        if has { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn stamp(&self, number: usize) -> Stamp {
        let Inode { content, modified_micros, .. } = &self.inodes[number];
        Stamp { device: 1, inode: number as u64, size: content.len() as u64, modified_micros: *modified_micros }
    }
}

/// What one process does with the drive.
#[derive(Clone)]
pub struct SimDisk {
    drive: Drive,
    life: Life,
    plant: Plant,
}

impl SimDisk {
    pub fn new(drive: Drive, life: Life, plant: Plant) -> SimDisk {
        SimDisk { drive, life, plant }
    }

    fn call<T>(
        &self,
        kind: Kind,
        verb: &str,
        file: &Path,
        work: impl FnOnce(&mut Platter) -> io::Result<T>,
    ) -> io::Result<T> {
        let what = || format!("{verb} {}", file.display());
        self.life.call(kind, what, io::Error::other, || work(&mut self.drive.platter()))
    }

    fn sync_folder_of(&self, platter: &mut Platter, file: &Path) {
        if self.plant != Plant::SkipSync {
            platter.sync_folder_of(file);
        }
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
            return Err(io::Error::other("the process is dead"));
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
        self.disk.call(Kind::DiskWrite, "sync", &self.file, |platter| {
            if self.disk.plant != Plant::SkipSync {
                let inode = &mut platter.inodes[self.number];
                inode.synced = inode.content.clone();
            }
            self.disk.sync_folder_of(platter, &self.file);
            Ok(())
        })
    }
}

impl Disk for SimDisk {
    fn may_block(&self) -> bool {
        false
    }

    fn walk(&self, folder: &Path, each: &mut dyn FnMut(Found) -> ControlFlow<()>) -> io::Result<()> {
        let found: Vec<_> = self.call(Kind::DiskRead, "list", folder, |platter| {
            if !platter.folders.contains(folder) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let files = platter.names.iter().filter(|(path, _)| path.parent() == Some(folder));
            let files = files.map(|(path, number)| (path, Entry::File(platter.stamp(*number))));
            let folders = platter.folders.iter().filter(|path| path.parent() == Some(folder));
            let all = files.chain(folders.map(|path| (path, Entry::Folder)));
            let found = |(path, kind): (&PathBuf, Entry)| Some(Found { name: path.file_name()?.to_owned(), kind });
            Ok(all.filter_map(found).collect())
        })?;
        // Not while the platter is held: who is shown an entry may look at others.
        let _ = found.into_iter().try_for_each(each);
        Ok(())
    }

    fn stamp(&self, file: &Path) -> io::Result<Stamp> {
        self.call(Kind::DiskRead, "stamp", file, |platter| Ok(platter.stamp(platter.number(file)?)))
    }

    fn device(&self, folder: &Path) -> io::Result<u64> {
        if self.drive.platter().folders.contains(folder) { Ok(1) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn folder_inode(&self, folder: &Path) -> io::Result<u64> {
        self.device(folder)
    }

    fn open(&self, file: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.call(Kind::DiskRead, "open", file, |platter| {
            let content = platter.inodes[platter.number(file)?].content.clone();
            Ok(Box::new(Cursor::new(content)) as Box<dyn Read + Send>)
        })
    }

    fn create(&self, file: &Path) -> io::Result<Box<dyn Growing>> {
        let number = self.call(Kind::DiskWrite, "create", file, |platter| {
            platter.has_folder_of(file)?;
            if platter.names.contains_key(file) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Ok(platter.new_inode(file))
        })?;
        Ok(Box::new(SimGrowing { disk: self.clone(), number, file: file.to_owned() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let renamed = self.call(Kind::DiskWrite, "rename", to, |platter| {
            platter.has_folder_of(to)?;
            let number = platter.number(from)?;
            if platter.names.contains_key(to) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            if self.plant != Plant::ClaimLeavesOriginal || !from.starts_with("/sim/outbox") {
                platter.names.remove(from);
            }
            platter.names.insert(to.to_owned(), number);
            self.sync_folder_of(platter, to);
            self.sync_folder_of(platter, from);
            Ok(())
        });
        match self.plant {
            Plant::FailedRenameIsDone if to.starts_with("/sim/inbox") => {
                renamed.or(Err(io::ErrorKind::NotFound.into()))
            }
            _ => renamed,
        }
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        self.call(Kind::DiskWrite, "remove", file, |platter| {
            if platter.names.remove(file).is_some() {
                self.sync_folder_of(platter, file);
            }
            Ok(())
        })
    }

    fn make_folder(&self, folder: &Path, _: u32) -> io::Result<()> {
        self.call(Kind::DiskWrite, "make folder", folder, |platter| {
            platter.folders.extend(folder.ancestors().map(Path::to_owned));
            Ok(())
        })
    }

    fn append(&self, file: &Path, content: &[u8], is_synced: bool) -> io::Result<()> {
        self.call(Kind::DiskWrite, "append", file, |platter| {
            platter.has_folder_of(file)?;
            let number = platter.number(file).unwrap_or_else(|_| platter.new_inode(file));
            let inode = &mut platter.inodes[number];
            inode.content.extend_from_slice(content);
            if is_synced && self.plant != Plant::SkipSync {
                inode.synced = inode.content.clone();
            }
            self.sync_folder_of(platter, file);
            Ok(())
        })
    }

    fn replace(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        let now = self.life.fates().now().as_micros();
        self.call(Kind::DiskWrite, "replace", file, |platter| {
            platter.has_folder_of(file)?;
            let number = platter.new_inode(file);
            let synced = if self.plant != Plant::SkipSync { content.to_vec() } else { Vec::new() };
            platter.inodes[number] = Inode { content: content.to_vec(), synced, modified_micros: now };
            self.sync_folder_of(platter, file);
            Ok(())
        })
    }

    fn share_with_group(&self, file: &Path) -> io::Result<()> {
        self.call(Kind::DiskWrite, "share", file, |platter| platter.number(file).map(drop))
    }
}
