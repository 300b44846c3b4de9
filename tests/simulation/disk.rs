//! A disk in memory. A process that dies leaves all that it wrote; when the power goes, of what was not synced only some
//! survives: of the changes of each folder's names those up to some point, of a file's new bytes those up to some
//! point. Start with [`Drive`]; [`SimDisk`] is what one process sees of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::{self, Cursor, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluse::durable::{Disk, Found, Growing, Kind as Entry, Stamp};

use super::fate::{Failure, Fates, Kind, Life};
use super::plant::Plant;

#[derive(Default)]
struct Inode {
    content: Vec<u8>,
    synced: Vec<u8>,
    modified_micros: i64,
}

#[derive(Default)]
struct Folder {
    names: BTreeMap<OsString, usize>,
    synced: BTreeMap<OsString, usize>,
    folders: BTreeSet<OsString>,
}

/// One change of names, which survives whole or not at all: each of these files is then this inode, or gone.
type Change = Vec<(PathBuf, Option<usize>)>;

#[derive(Default)]
struct Platter {
    inodes: Vec<Inode>,
    folders: BTreeMap<PathBuf, Folder>,
    /// In their order.
    unsynced: Vec<Change>,
}

/// What outlives a process.
#[derive(Clone, Default)]
pub struct Drive(Arc<Mutex<Platter>>);

impl Drive {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn make_folder(&self, folder: &Path) {
        self.platter().make_folder(folder);
    }

    /// Of what was not synced, only some is kept.
    pub fn lose_power(&self, fates: &Fates) {
        let mut platter = self.platter();
        let mut torn: BTreeSet<PathBuf> = BTreeSet::new();
        for change in std::mem::take(&mut platter.unsynced) {
            let folders = folders_of(&change);
            if folders.iter().any(|folder| torn.contains(*folder)) || fates.below(2) == 0 {
                torn.extend(folders.into_iter().map(Path::to_owned));
            } else {
                platter.keep(&change);
            }
        }
        for folder in platter.folders.values_mut() {
            folder.names = folder.synced.clone();
        }
        for inode in platter.inodes.iter_mut().filter(|inode| inode.content.len() > inode.synced.len()) {
            let (synced, written) = (inode.synced.len() as u64, inode.content.len() as u64);
            let kept = match fates.below(3) {
                0 => synced,
                1 => written,
                _ => synced + fates.below(written - synced),
            };
            inode.content.truncate(kept as usize);
            inode.synced = inode.content.clone();
        }
    }

    /// Somebody else's file, synced; its content is written over if it is there. Returns its inode.
    pub fn put(&self, file: &Path, content: &[u8], now_micros: i64) -> usize {
        let mut platter = self.platter();
        let number = match platter.number(file) {
            Ok(number) => number,
            Err(_) => {
                let number = platter.new_inode();
                platter.change(vec![(file.to_owned(), Some(number))], true);
                number
            }
        };
        drop(platter);
        self.write_on(number, content, now_micros);
        number
    }

    /// Somebody who still has a file open writes to it, wherever it lies by now.
    pub fn write_on(&self, inode: usize, content: &[u8], now_micros: i64) {
        self.platter().inodes[inode] =
            Inode { content: content.to_vec(), synced: content.to_vec(), modified_micros: now_micros };
    }

    pub fn has(&self, file: &Path) -> bool {
        self.platter().number(file).is_ok()
    }

    /// Somebody else takes all files below this folder whose names do not begin with a dot.
    pub fn take_below(&self, folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut platter = self.platter();
        let mut shown = platter.files_below(folder);
        shown.retain(|path| path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b".")));
        let mut taken = Vec::new();
        for path in shown {
            if let Ok(number) = platter.number(&path) {
                platter.change(vec![(path.clone(), None)], true);
                taken.push((path, platter.inodes[number].content.clone()));
            }
        }
        taken
    }

    /// The files below a folder, as a living system sees them.
    pub fn files_below(&self, folder: &Path) -> Vec<PathBuf> {
        self.platter().files_below(folder)
    }
}

fn folders_of(change: &Change) -> Vec<&Path> {
    change.iter().filter_map(|(file, _)| file.parent()).collect()
}

fn name_of(file: &Path) -> &OsStr {
    file.file_name().unwrap_or_default()
}

fn set(names: &mut BTreeMap<OsString, usize>, file: &Path, number: Option<usize>) {
    match number {
        Some(number) => names.insert(name_of(file).to_owned(), number),
        None => names.remove(name_of(file)),
    };
}

impl Platter {
    fn make_folder(&mut self, folder: &Path) {
        if self.folders.contains_key(folder) {
            return;
        }
        self.folders.insert(folder.to_owned(), Folder::default());
        if let Some(above) = folder.parent() {
            self.make_folder(above);
            self.folders.entry(above.to_owned()).or_default().folders.insert(name_of(folder).to_owned());
        }
    }

    fn new_inode(&mut self) -> usize {
        self.inodes.push(Inode::default());
        self.inodes.len() - 1
    }

    /// Gives and takes names, at once for everybody who lives.
    fn change(&mut self, change: Change, is_synced: bool) {
        for (file, number) in &change {
            let folder = file.parent().and_then(|folder| self.folders.get_mut(folder));
            set(&mut folder.expect("asked before").names, file, *number);
        }
        if is_synced && self.unsynced.is_empty() {
            return self.keep(&change);
        }
        self.unsynced.push(change.clone());
        if is_synced {
            self.sync(&folders_of(&change));
        }
    }

    fn keep(&mut self, change: &Change) {
        for (file, number) in change {
            let folder = file.parent().and_then(|folder| self.folders.get_mut(folder));
            set(&mut folder.expect("no folder ever goes").synced, file, *number);
        }
    }

    /// The changes of these folders are on the disk, with all that they build on.
    fn sync(&mut self, folders: &[&Path]) {
        let mut synced: BTreeSet<PathBuf> = folders.iter().map(|folder| (*folder).to_owned()).collect();
        let (mut kept, mut left) = (Vec::new(), Vec::new());
        for change in std::mem::take(&mut self.unsynced).into_iter().rev() {
            let folders = folders_of(&change);
            if folders.iter().any(|folder| synced.contains(*folder)) {
                synced.extend(folders.into_iter().map(Path::to_owned));
                kept.push(change);
            } else {
                left.push(change);
            }
        }
        kept.iter().rev().for_each(|change| self.keep(change));
        self.unsynced.extend(left.into_iter().rev());
    }

    fn number(&self, file: &Path) -> io::Result<usize> {
        let folder = file.parent().and_then(|folder| self.folders.get(folder));
        let number = folder.and_then(|folder| folder.names.get(name_of(file)));
        number.copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn has_folder_of(&self, file: &Path) -> io::Result<()> {
        let has = file.parent().is_some_and(|folder| self.folders.contains_key(folder));
        if has { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn files_below(&self, folder: &Path) -> Vec<PathBuf> {
        let Some(found) = self.folders.get(folder) else { return Vec::new() };
        let files = found.names.keys().map(|name| folder.join(name));
        let below = found.folders.iter().flat_map(|name| self.files_below(&folder.join(name)));
        files.chain(below).collect()
    }

    /// The claimed original of a copy, which lies in the spool under a name with the same id.
    fn original_of(&self, copy: &Path) -> Option<PathBuf> {
        let id = copy.parent()?.file_name()?.to_string_lossy().into_owned();
        let mut spooled = self.files_below(Path::new("/sim/state/spool")).into_iter();
        spooled.find(|path| path.to_string_lossy().contains(&id))
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

    fn device(&self, folder: &Path) -> io::Result<u64> {
        if self.drive.platter().folders.contains_key(folder) { Ok(1) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn folder_inode(&self, folder: &Path) -> io::Result<u64> {
        self.device(folder)
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
        let renamed = self.call(Kind::DiskWrite, "rename", to, |platter, is_synced| {
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
            platter.change(change, is_synced);
            Ok(())
        });
        match self.plant {
            Plant::FailedRenameIsDone if to.starts_with("/sim/inbox") => {
                renamed.or(Err(io::ErrorKind::NotFound.into()))
            }
            _ => renamed,
        }
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.call(Kind::DiskWrite, "sync the folder", folder, |platter, is_synced| {
            if is_synced {
                platter.sync(&[folder]);
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

    fn make_folder(&self, folder: &Path, _: u32) -> io::Result<()> {
        self.call(Kind::DiskRoom, "make folder", folder, |platter, _| {
            platter.make_folder(folder);
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
