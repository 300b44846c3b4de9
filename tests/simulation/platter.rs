//! What a disk in memory holds. A process that dies leaves all that it wrote; when the power goes, of what was not synced
//! only some survives: of the changes of each folder's names those up to some point, of a file's new bytes those up
//! to some point. Start with [`Drive`].

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluse::durable::Stamp;

use super::fate::Fates;

#[derive(Default)]
pub(super) struct Inode {
    pub content: Vec<u8>,
    pub synced: Vec<u8>,
    pub modified_micros: i64,
}

#[derive(Default)]
pub(super) struct Folder {
    pub names: BTreeMap<OsString, usize>,
    synced: BTreeMap<OsString, usize>,
    pub folders: BTreeSet<OsString>,
}

/// One change of names, which survives whole or not at all: each of these files is then this inode, or gone.
pub(super) type Change = Vec<(PathBuf, Option<usize>)>;

#[derive(Default)]
pub(super) struct Platter {
    pub inodes: Vec<Inode>,
    pub folders: BTreeMap<PathBuf, Folder>,
    /// In their order.
    unsynced: Vec<Change>,
}

/// What outlives a process.
#[derive(Clone, Default)]
pub struct Drive(Arc<Mutex<Platter>>);

impl Drive {
    pub(super) fn platter(&self) -> MutexGuard<'_, Platter> {
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
    pub fn make_folder(&mut self, folder: &Path) {
        if self.folders.contains_key(folder) {
            return;
        }
        self.folders.insert(folder.to_owned(), Folder::default());
        if let Some(above) = folder.parent() {
            self.make_folder(above);
            self.folders.entry(above.to_owned()).or_default().folders.insert(name_of(folder).to_owned());
        }
    }

    /// One that is empty, and of which nothing is still to be synced.
    pub fn remove_folder(&mut self, folder: &Path) {
        let is_waited_for = self.unsynced.iter().any(|change| folders_of(change).contains(&folder));
        let is_empty = |there: &Folder| there.names.is_empty() && there.synced.is_empty() && there.folders.is_empty();
        if is_waited_for || !self.folders.get(folder).is_some_and(is_empty) {
            return;
        }
        self.folders.remove(folder);
        if let Some(above) = folder.parent().and_then(|above| self.folders.get_mut(above)) {
            above.folders.remove(name_of(folder));
        }
    }

    pub fn new_inode(&mut self) -> usize {
        self.inodes.push(Inode::default());
        self.inodes.len() - 1
    }

    /// Gives and takes names, at once for everybody who lives.
    pub fn change(&mut self, change: Change, is_synced: bool) {
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
    pub fn sync(&mut self, folders: &[&Path]) {
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

    pub fn number(&self, file: &Path) -> io::Result<usize> {
        let folder = file.parent().and_then(|folder| self.folders.get(folder));
        let number = folder.and_then(|folder| folder.names.get(name_of(file)));
        number.copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub fn has_folder_of(&self, file: &Path) -> io::Result<()> {
        let has = file.parent().is_some_and(|folder| self.folders.contains_key(folder));
        if has { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    pub fn files_below(&self, folder: &Path) -> Vec<PathBuf> {
        let Some(found) = self.folders.get(folder) else { return Vec::new() };
        let files = found.names.keys().map(|name| folder.join(name));
        let below = found.folders.iter().flat_map(|name| self.files_below(&folder.join(name)));
        files.chain(below).collect()
    }

    /// The claimed original of a copy, which lies in the spool under a name with the same id.
    pub fn original_of(&self, copy: &Path) -> Option<PathBuf> {
        let id = copy.parent()?.file_name()?.to_string_lossy().into_owned();
        let mut spooled = self.files_below(Path::new("/sim/state/spool")).into_iter();
        spooled.find(|path| path.to_string_lossy().contains(&id))
    }

    pub fn stamp(&self, number: usize) -> Stamp {
        let Inode { content, modified_micros, .. } = &self.inodes[number];
        Stamp { device: 1, inode: number as u64, size: content.len() as u64, modified_micros: *modified_micros }
    }
}
