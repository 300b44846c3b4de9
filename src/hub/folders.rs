//! The hub's folders on disk: `ROOT/<USER>/OUT` and `ROOT/<USER>/IN`, as an OpenSSH server with one
//! chroot per user would show them, and how a file is put into one whole or not at all. Users may write
//! there, so nothing here follows a symbolic link of theirs. Start with [`Folders`].

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::domain::identity::{RemoteName, UserName};

/// A file that is being put into a folder, before it gets its name. One is enough: a folder has one
/// writer here. The leading dot keeps it from being anybody's file.
const PART: &str = ".hub-part";

/// Owner and group of a delivered file may fetch and delete it; nobody else sees it.
const DELIVERED_MODE: u32 = 0o660;

/// What could not be done to which file, and that it was left as it was found.
#[derive(Debug, thiserror::Error)]
#[error("could not {attempt} {}: {source}", path.display())]
pub struct FolderTrouble {
    pub attempt: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

/// Where each user's two folders are.
#[derive(Clone, Debug)]
pub struct Folders {
    root: PathBuf,
}

impl Folders {
    pub fn new(root: PathBuf) -> Folders {
        Folders { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What a user sees as `/`.
    pub fn home_of(&self, user: &UserName) -> PathBuf {
        self.root.join(user.as_str())
    }

    pub fn out_of(&self, user: &UserName) -> PathBuf {
        self.home_of(user).join("OUT")
    }

    pub fn in_of(&self, user: &UserName) -> PathBuf {
        self.home_of(user).join("IN")
    }

    /// Makes a user's folders where they are missing; those that are there keep owner and mode.
    pub fn make_for(&self, user: &UserName) -> Result<(), FolderTrouble> {
        for folder in [self.out_of(user), self.in_of(user)] {
            fs::create_dir_all(&folder).map_err(trouble("make the folder", &folder))?;
        }
        Ok(())
    }
}

/// Turns an I/O error into a [`FolderTrouble`].
pub(super) fn trouble<'a>(attempt: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FolderTrouble + 'a {
    move |source| FolderTrouble { attempt, path: path.to_owned(), source }
}

/// The regular files of a folder whose names are file names of the far side, in order of their names.
pub(super) fn files_in(folder: &Path) -> Result<Vec<RemoteName>, FolderTrouble> {
    let entries = fs::read_dir(folder).map_err(trouble("list", folder))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(trouble("list", folder))?;
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if let Some(name) = entry.file_name().to_str().and_then(|name| name.parse().ok())
            && is_file
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Opens a regular file to read, or None where there is none. A symbolic link, a pipe or a folder under
/// that name is no file.
pub(super) fn open_file(path: &Path) -> Result<Option<File>, FolderTrouble> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(_) if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) => return Ok(None),
        Err(error) => return Err(trouble("open", path)(error)),
    };
    let is_file = file.metadata().map_err(trouble("look at", path))?.is_file();
    Ok(is_file.then_some(file))
}

/// The first `at_most` bytes of a file, or None where there is none.
pub(super) fn read_file(path: &Path, at_most: u64) -> Result<Option<Vec<u8>>, FolderTrouble> {
    let Some(file) = open_file(path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(at_most).read_to_end(&mut bytes).map_err(trouble("read", path))?;
    Ok(Some(bytes))
}

/// Copies `source` into `folder` under `name`, whole or not at all, and returns how many bytes that
/// were. The file gets the folder's owner and group where we may give it away.
pub(super) fn put(folder: &Path, name: &RemoteName, mut source: impl Read) -> Result<u64, FolderTrouble> {
    let part = folder.join(PART);
    remove(&part)?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&part).map_err(trouble("write", &part))?;
    let size = io::copy(&mut source, &mut file).map_err(trouble("write", &part))?;
    file.flush().and_then(|()| hand_over(&file, folder)).map_err(trouble("give away", &part))?;
    let path = folder.join(name.as_str());
    fs::rename(&part, &path).map_err(trouble("put", &path))?;
    Ok(size)
}

/// Removes a file; that there was none is as good.
pub(super) fn remove(path: &Path) -> Result<(), FolderTrouble> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(trouble("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Is anything at all under this name?
pub(super) fn is_taken(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Behind an OpenSSH server the users are the system's: what is put before them must be theirs.
fn hand_over(file: &File, folder: &Path) -> io::Result<()> {
    if rustix::process::geteuid().is_root() {
        let owner = fs::metadata(folder)?;
        fchown(file, Some(owner.uid()), Some(owner.gid()))?;
    }
    file.set_permissions(Permissions::from_mode(DELIVERED_MODE))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use tempfile::TempDir;

    use super::*;

    fn name() -> RemoteName {
        "a.txt".parse().unwrap()
    }

    #[test]
    fn a_delivered_file_belongs_to_whom_the_folder_belongs() {
        let place = TempDir::new().unwrap();
        // Only root may give a file away; for others the folder is their own anyway.
        if rustix::process::geteuid().is_root() {
            chown(place.path(), Some(4321), Some(1234)).unwrap();
        }

        put(place.path(), &name(), &b"abc"[..]).unwrap();

        let folder = fs::metadata(place.path()).unwrap();
        let file = fs::metadata(place.path().join("a.txt")).unwrap();
        assert_eq!((file.uid(), file.gid(), file.mode() & 0o777), (folder.uid(), folder.gid(), 0o660));
    }

    #[test]
    fn what_is_no_regular_file_is_neither_listed_nor_opened() {
        let place = TempDir::new().unwrap();
        put(place.path(), &name(), &b"abc"[..]).unwrap();
        std::os::unix::fs::symlink(place.path().join("a.txt"), place.path().join("link")).unwrap();
        fs::create_dir(place.path().join("folder")).unwrap();
        fs::write(place.path().join(".hidden"), b"").unwrap();

        assert_eq!(files_in(place.path()).unwrap(), [name()]);
        assert_eq!(read_file(&place.path().join("a.txt"), 2).unwrap(), Some(b"ab".to_vec()));
        for none in ["link", "folder", "missing"] {
            assert!(open_file(&place.path().join(none)).unwrap().is_none(), "{none}");
        }
    }
}
