//! What an SFTP user may touch: `/`, `/OUT`, `/IN` and the files in those two, and nothing else. A path
//! is settled by its text alone and can name no other place; a symbolic link is shown, never followed.
//! Start with [`Jail`]; it is one session's, with the files that the session has open.
//!
//! The calls block for as long as the disk takes: this is a server for tests, on the machine that it
//! runs on.

use std::collections::HashMap;
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use russh_sftp::protocol::{File as Entry, FileAttributes, OpenFlags, StatusCode};
use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};

/// Files and listings that one session may have open.
pub(super) const HANDLES_MAX: usize = 64;

/// The longest answer to one READ: it fits into the 256 KiB packet that clients accept.
pub(super) const READ_BYTES_MAX: u32 = 255 * 1024;

/// Names in one answer to READDIR, as OpenSSH gives them.
const NAMES_PER_PAGE: usize = 100;

/// Names in one folder; a longer listing is refused, as a short one would be a lie.
const NAMES_MAX: usize = 100_000;

/// The folders that a user has.
const FOLDERS: [&str; 2] = ["IN", "OUT"];

#[derive(Debug)]
pub(super) struct Jail {
    home: PathBuf,
    open: HashMap<String, Open>,
    opened: u64,
    is_endless: bool,
}

#[derive(Debug)]
enum Open {
    File {
        file: File,
        appends: bool,
    },
    Listing(std::vec::IntoIter<Entry>),
    /// A listing that has shown so many files of others, and goes on.
    Endless(u64),
}

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Root,
    Folder(PathBuf),
    File(PathBuf),
}

type Answer<T> = Result<T, StatusCode>;

impl Jail {
    /// `home` is what the user sees as `/`.
    pub fn new(home: PathBuf) -> Jail {
        Jail { home, open: HashMap::new(), opened: 0, is_endless: false }
    }

    /// From now on a listing of IN never comes to its end, nor to a file that is there.
    pub fn show_in_without_end(&mut self) {
        self.is_endless = true;
    }

    pub fn open(&mut self, path: &str, flags: OpenFlags) -> Answer<String> {
        let path = self.file(path)?;
        let beyond = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
        let options = &mut OpenOptions::from(flags);
        let file = options.mode(0o660).custom_flags(beyond).open(path).map_err(status)?;
        if !file.metadata().map_err(status)?.is_file() {
            return Err(StatusCode::Failure);
        }
        self.keep(Open::File { file, appends: flags.contains(OpenFlags::APPEND) })
    }

    pub fn list(&mut self, path: &str) -> Answer<String> {
        let entries = match self.place(path)? {
            Place::File(_) => return Err(StatusCode::NoSuchFile),
            Place::Folder(folder) if self.is_endless && folder.ends_with("IN") => return self.keep(Open::Endless(0)),
            Place::Root => FOLDERS.iter().filter_map(|name| self.entry(name, self.home.join(name))).collect(),
            Place::Folder(folder) => {
                let names = fs::read_dir(&folder).map_err(status)?.filter_map(Result::ok);
                let names = names.filter_map(|entry| entry.file_name().into_string().ok());
                names.filter_map(|name| self.entry(&name, folder.join(&name))).take(NAMES_MAX + 1).collect::<Vec<_>>()
            }
        };
        if entries.len() > NAMES_MAX {
            return Err(StatusCode::Failure);
        }
        self.keep(Open::Listing(entries.into_iter()))
    }

    /// The next page of a listing, or `Eof`.
    pub fn page(&mut self, handle: &str) -> Answer<Vec<Entry>> {
        let page: Vec<_> = match self.open.get_mut(handle) {
            Some(Open::Listing(entries)) => entries.by_ref().take(NAMES_PER_PAGE).collect(),
            Some(Open::Endless(shown)) => {
                let first = *shown;
                *shown += NAMES_PER_PAGE as u64;
                (first..*shown).map(foreign_entry).collect()
            }
            Some(Open::File { .. }) | None => return Err(StatusCode::Failure),
        };
        if page.is_empty() { Err(StatusCode::Eof) } else { Ok(page) }
    }

    pub fn read(&self, handle: &str, offset: u64, length: u32) -> Answer<Vec<u8>> {
        let mut bytes = vec![0; length.min(READ_BYTES_MAX) as usize];
        let read = self.opened_file(handle)?.read_at(&mut bytes, offset).map_err(status)?;
        bytes.truncate(read);
        if read == 0 && length > 0 { Err(StatusCode::Eof) } else { Ok(bytes) }
    }

    pub fn write(&mut self, handle: &str, offset: u64, bytes: &[u8]) -> Answer<()> {
        match self.open.get_mut(handle) {
            Some(Open::File { file, appends: true }) => file.write_all(bytes).map_err(status),
            Some(Open::File { file, appends: false }) => file.write_all_at(bytes, offset).map_err(status),
            Some(Open::Listing(_) | Open::Endless(_)) | None => Err(StatusCode::Failure),
        }
    }

    pub fn sync(&self, handle: &str) -> Answer<()> {
        self.opened_file(handle)?.sync_all().map_err(status)
    }

    pub fn close(&mut self, handle: &str) -> Answer<()> {
        self.open.remove(handle).map(drop).ok_or(StatusCode::Failure)
    }

    /// What lies under a path; of a symbolic link, the link.
    pub fn attributes(&self, path: &str) -> Answer<FileAttributes> {
        let path = match self.place(path)? {
            Place::Root => self.home.clone(),
            Place::Folder(path) | Place::File(path) => path,
        };
        fs::symlink_metadata(path).map(|metadata| FileAttributes::from(&metadata)).map_err(status)
    }

    pub fn attributes_of(&self, handle: &str) -> Answer<FileAttributes> {
        self.opened_file(handle)?.metadata().map(|metadata| FileAttributes::from(&metadata)).map_err(status)
    }

    /// Sets size, mode and times of a file. Owners stay as they are.
    pub fn set(&self, path: &str, wanted: &FileAttributes) -> Answer<()> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
        let mut options = OpenOptions::new();
        options.read(true).write(wanted.size.is_some()).custom_flags(flags);
        set_on(&options.open(self.file(path)?).map_err(status)?, wanted)
    }

    pub fn set_on(&self, handle: &str, wanted: &FileAttributes) -> Answer<()> {
        set_on(self.opened_file(handle)?, wanted)
    }

    pub fn remove(&self, path: &str) -> Answer<()> {
        fs::remove_file(self.file(path)?).map_err(status)
    }

    /// Renames, but not onto a name that is there: version 3 of the protocol wants that.
    pub fn rename(&self, from: &str, to: &str) -> Answer<()> {
        let (from, to) = (self.file(from)?, self.file(to)?);
        renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(|error| status(error.into()))
    }

    /// Renames in one step, onto whatever is there.
    pub fn posix_rename(&self, from: &str, to: &str) -> Answer<()> {
        fs::rename(self.file(from)?, self.file(to)?).map_err(status)
    }

    fn keep(&mut self, open: Open) -> Answer<String> {
        if self.open.len() == HANDLES_MAX {
            return Err(StatusCode::Failure);
        }
        self.opened += 1;
        let handle = self.opened.to_string();
        self.open.insert(handle.clone(), open);
        Ok(handle)
    }

    fn opened_file(&self, handle: &str) -> Answer<&File> {
        match self.open.get(handle) {
            Some(Open::File { file, .. }) => Ok(file),
            Some(Open::Listing(_) | Open::Endless(_)) | None => Err(StatusCode::Failure),
        }
    }

    fn entry(&self, name: &str, path: PathBuf) -> Option<Entry> {
        let metadata = fs::symlink_metadata(path).ok()?;
        Some(Entry::new(name, FileAttributes::from(&metadata)))
    }

    fn file(&self, path: &str) -> Answer<PathBuf> {
        match self.place(path)? {
            Place::File(path) => Ok(path),
            Place::Root | Place::Folder(_) => Err(StatusCode::PermissionDenied),
        }
    }

    fn place(&self, path: &str) -> Answer<Place> {
        let absolute = absolute(path);
        let mut parts = absolute.split('/').filter(|part| !part.is_empty());
        let Some(folder) = parts.next() else { return Ok(Place::Root) };
        if !FOLDERS.contains(&folder) {
            return Err(StatusCode::NoSuchFile);
        }
        let folder = self.home.join(folder);
        if !fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir()) {
            return Err(StatusCode::NoSuchFile);
        }
        match (parts.next(), parts.next()) {
            (None, _) => Ok(Place::Folder(folder)),
            (Some(name), None) if !name.contains('\0') => Ok(Place::File(folder.join(name))),
            (Some(_), _) => Err(StatusCode::NoSuchFile),
        }
    }
}

/// One of the files of others that an endless listing shows.
fn foreign_entry(number: u64) -> Entry {
    let mode = 0o100_640;
    let attributes = FileAttributes { size: Some(1), permissions: Some(mode), ..FileAttributes::empty() };
    Entry::new(format!("OTHER_INTEGRATION_{number:012}.xml"), attributes)
}

/// A path from `/`, without `.` and `..`; there is nothing above `/`.
pub(super) fn absolute(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn set_on(file: &File, wanted: &FileAttributes) -> Answer<()> {
    if let Some(size) = wanted.size {
        file.set_len(size).map_err(status)?;
    }
    if let Some(mode) = wanted.permissions {
        file.set_permissions(Permissions::from_mode(mode & 0o777)).map_err(status)?;
    }
    if let (Some(accessed), Some(modified)) = (wanted.atime, wanted.mtime) {
        let at = |seconds: u32| UNIX_EPOCH + Duration::from_secs(seconds.into());
        file.set_times(FileTimes::new().set_accessed(at(accessed)).set_modified(at(modified))).map_err(status)?;
    }
    Ok(())
}

fn status(error: io::Error) -> StatusCode {
    match error.kind() {
        ErrorKind::NotFound => StatusCode::NoSuchFile,
        ErrorKind::PermissionDenied => StatusCode::PermissionDenied,
        _ => StatusCode::Failure,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    const NEW: OpenFlags = OpenFlags::CREATE.union(OpenFlags::WRITE);

    fn jail() -> (TempDir, Jail) {
        let root = TempDir::new().unwrap();
        let home = root.path().join("KY");
        for folder in FOLDERS {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        fs::write(root.path().join("secret"), b"outside").unwrap();
        (root, Jail::new(home))
    }

    #[test]
    fn no_path_leaves_the_users_own_folders() {
        let (_root, mut jail) = jail();

        for path in ["/../secret", "../../secret", "/OUT/../../secret", "/secret", "/IN/a/../../../secret", "OUT/a/b"] {
            assert!(jail.open(path, OpenFlags::READ).is_err(), "{path}");
            assert!(jail.open(path, NEW).is_err(), "{path}");
            assert!(jail.attributes(path).is_err(), "{path}");
        }
        assert_eq!(absolute("../../IN/./x/../y"), "/IN/y");
    }

    #[test]
    fn a_symbolic_link_is_shown_and_never_followed() {
        let (root, mut jail) = jail();
        symlink(root.path().join("secret"), jail.home.join("IN/link")).unwrap();
        fs::remove_dir(jail.home.join("OUT")).unwrap();
        symlink(root.path(), jail.home.join("OUT")).unwrap();

        assert!(jail.open("/IN/link", OpenFlags::READ).is_err());
        assert!(jail.open("/IN/link", NEW).is_err());
        assert!(jail.set("/IN/link", &FileAttributes { size: Some(0), ..FileAttributes::empty() }).is_err());
        assert!(jail.attributes("/IN/link").unwrap().is_symlink());
        assert!(jail.open("/OUT/secret", OpenFlags::READ).is_err());
        assert!(jail.list("/OUT").is_err());
        assert_eq!(fs::read(root.path().join("secret")).unwrap(), b"outside");
    }

    #[test]
    fn a_plain_rename_spares_an_existing_file_and_a_posix_rename_replaces_it() {
        let (_root, jail) = jail();
        fs::write(jail.home.join("OUT/a"), b"a").unwrap();
        fs::write(jail.home.join("OUT/b"), b"b").unwrap();

        assert_eq!(jail.rename("/OUT/a", "/OUT/b"), Err(StatusCode::Failure));
        assert_eq!(jail.posix_rename("/OUT/a", "/OUT/b"), Ok(()));
        assert_eq!(jail.posix_rename("/OUT/a", "/OUT/b"), Err(StatusCode::NoSuchFile));
        assert_eq!(fs::read(jail.home.join("OUT/b")).unwrap(), b"a");
    }

    #[test]
    fn a_session_has_a_bounded_number_of_open_files() {
        let (_root, mut jail) = jail();
        let handles: Vec<_> = (0..HANDLES_MAX).map(|_| jail.list("/").unwrap()).collect();

        assert!(jail.open("/OUT/a", NEW).is_err());
        jail.close(&handles[0]).unwrap();
        assert!(jail.open("/OUT/a", NEW).is_ok());
    }

    #[test]
    fn what_is_written_is_read_back_until_the_end() {
        let (_root, mut jail) = jail();
        let writing = jail.open("OUT/a", NEW).unwrap();
        jail.write(&writing, 3, b"def").unwrap();
        jail.write(&writing, 0, b"abc").unwrap();
        jail.sync(&writing).unwrap();

        let reading = jail.open("/OUT/a", OpenFlags::READ).unwrap();
        assert_eq!(jail.read(&reading, 2, 100), Ok(b"cdef".to_vec()));
        assert_eq!(jail.read(&reading, 6, 100), Err(StatusCode::Eof));
        assert_eq!(jail.attributes_of(&reading).unwrap().size, Some(6));
    }
}
