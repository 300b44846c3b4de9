//! Writing that survives: write, sync, rename, sync the directory, in one place for everyone. [`Disk`] is the
//! seam (a simulated one can lose what was not synced); [`RealDisk`] is Linux. Nothing here follows a symbolic
//! link or writes over a file, except [`Disk::replace`].

mod copy;
mod new_file;
mod together;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, OFlags, RenameFlags, StatxFlags, statx};

use new_file::NewFile;

pub use copy::{
    Copied, Source, Stream, Unsynced, copy_anew, copy_at_most, copy_unsynced, leave_nothing, open_for_later,
};

/// What tells whether a file is still the same and unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub device: u64,
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Microseconds since 1970 UTC.
    pub modified_micros: i64,
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// As the file system has it; may be anything but a slash.
    pub name: std::ffi::OsString,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    File(Stamp),
    Folder,
    /// A symbolic link, FIFO, socket or device: in words.
    Odd(&'static str),
    /// It is there and cannot be looked at: why.
    Unseen(String),
}

/// A file that is being written; it counts only once it is synced.
pub trait Growing: Write + Send {
    /// All bytes are on the disk when this returns, and the name under which they were created.
    fn sync(&mut self) -> io::Result<()>;
}

/// The local disk as a few verbs. All may block, unless [`Disk::may_block`] says otherwise.
pub trait Disk: Send + Sync + 'static {
    /// Whether a call may take its time, so that async code has to make it elsewhere. One in memory does not.
    fn may_block(&self) -> bool {
        true
    }

    /// Shows every entry to `each`, in no order, until that breaks off. An entry that cannot be looked at is shown
    /// as such; an error is one of the folder.
    fn walk(&self, folder: &Path, each: &mut dyn FnMut(Found) -> ControlFlow<()>) -> io::Result<()>;
    /// Errors: not there (NotFound), or not a regular file (InvalidInput).
    fn stamp(&self, file: &Path) -> io::Result<Stamp>;
    /// The number of the mount that a folder is on: no rename leads from one to another, also where both show the same
    /// file system.
    fn mount(&self, folder: &Path) -> io::Result<u64>;
    /// What tells a folder from another one of the same name.
    fn folder_inode(&self, folder: &Path) -> io::Result<u64>;
    /// When a name in a folder last came or went, by the file system's own clock, which nobody can set for it.
    /// Microseconds since 1970 UTC.
    fn changed_micros(&self, folder: &Path) -> io::Result<i64>;
    /// Opens a regular file for reading, without following a link.
    fn open(&self, file: &Path) -> io::Result<Box<dyn Read + Send>>;
    /// A new file of mode 0600; AlreadyExists if the name is taken.
    fn create(&self, file: &Path) -> io::Result<Box<dyn Growing>>;
    /// Renames within one file system, never over anything (AlreadyExists), and syncs both folders.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// The same, and leaves both folders to be synced by the caller ([`Disk::sync_folders`]) before anything that depends
    /// on it happens.
    fn rename_unsynced(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// The names in these folders, as they are now, are on the disk; also those that came or went by a change that nobody
    /// knows to be synced.
    fn sync_folders(&self, folders: &[&Path]) -> io::Result<()>;
    /// Removes a file and syncs its folder. One that is not there is no error; it does not come back either.
    fn remove(&self, file: &Path) -> io::Result<()>;
    /// Removes a folder and syncs the one it is in. One that is not there is no error; one that is not empty is left.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;
    /// Makes a folder of this mode, and with mode 0700 what is missing above it, synced. One that is there stays
    /// as it is.
    fn make_folder(&self, folder: &Path, mode: u32) -> io::Result<()>;
    /// Makes a folder of mode 0700 in one that is there, and leaves that to be synced by the caller. One that is there
    /// stays as it is.
    fn make_folder_unsynced(&self, folder: &Path) -> io::Result<()>;
    /// Appends to a regular file, which is made (0600) where there is none. Synced only if `is_synced`; what is not may be
    /// lost, or half of it, when the power goes.
    fn append(&self, file: &Path, content: &[u8], is_synced: bool) -> io::Result<()>;
    /// Puts this content at this name, whole or not at all, over what was there. Synced.
    fn replace(&self, file: &Path, content: &[u8]) -> io::Result<()>;
    /// Makes a file readable for the group of its folder (0640).
    fn share_with_group(&self, file: &Path) -> io::Result<()>;
}

/// The entries that are wanted, in no order: at most `at_most`, whatever else lies in the folder.
pub fn list(
    disk: &dyn Disk,
    folder: &Path,
    at_most: usize,
    is_wanted: impl Fn(&Found) -> bool,
) -> io::Result<Vec<Found>> {
    let mut entries = Vec::new();
    disk.walk(folder, &mut |found| {
        if is_wanted(&found) {
            entries.push(found);
        }
        if entries.len() < at_most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(entries)
}

/// Whether a failure is the disk's and not the one file's, so that the next file would fare the same: it is full (of
/// bytes or of files), over its quota, read-only or failing, or too many files are open.
pub fn is_disks_own(trouble: &io::Error) -> bool {
    use rustix::io::Errno;
    let kinds = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::ReadOnlyFilesystem];
    let errnos = [Errno::MFILE, Errno::NFILE, Errno::IO].map(|errno| Some(errno.raw_os_error()));
    kinds.contains(&trouble.kind()) || errnos.contains(&trouble.raw_os_error())
}

/// Most files that are read whole are smaller.
const READ_AT_ONCE: usize = 8 << 10;

/// Reads a whole file of at most `at_most` bytes; FileTooLarge above that.
pub fn read_bounded(disk: &dyn Disk, file: &Path, at_most: u64) -> io::Result<Vec<u8>> {
    // Room from the start: without it a file is read in pieces that begin at 32 bytes.
    let mut content = Vec::with_capacity(READ_AT_ONCE);
    disk.open(file)?.take(at_most.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > at_most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(content)
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn walk(&self, folder: &Path, each: &mut dyn FnMut(Found) -> ControlFlow<()>) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let kind = match entry.metadata() {
                Ok(metadata) => kind(&metadata),
                // Gone between the listing and the look.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => Kind::Unseen(e.to_string()),
            };
            if each(Found { name: entry.file_name(), kind }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn stamp(&self, file: &Path) -> io::Result<Stamp> {
        match kind(&std::fs::symlink_metadata(file)?) {
            Kind::File(stamp) => Ok(stamp),
            Kind::Folder => Err(io::Error::new(io::ErrorKind::InvalidInput, "a folder")),
            Kind::Odd(what) => Err(io::Error::new(io::ErrorKind::InvalidInput, what)),
            Kind::Unseen(why) => Err(io::Error::other(why)),
        }
    }

    fn mount(&self, folder: &Path) -> io::Result<u64> {
        let found = statx(CWD, folder, AtFlags::empty(), StatxFlags::MNT_ID)?;
        // A kernel that is too old for it has no such number; there the device has to do.
        let is_told = found.stx_mask & StatxFlags::MNT_ID.bits() != 0;
        if is_told { Ok(found.stx_mnt_id) } else { Ok(std::fs::metadata(folder)?.dev()) }
    }

    fn folder_inode(&self, folder: &Path) -> io::Result<u64> {
        Ok(std::fs::metadata(folder)?.ino())
    }

    fn changed_micros(&self, folder: &Path) -> io::Result<i64> {
        let metadata = std::fs::metadata(folder)?;
        Ok(micros(metadata.ctime(), metadata.ctime_nsec()))
    }

    fn open(&self, file: &Path) -> io::Result<Box<dyn Read + Send>> {
        // NONBLOCK: a FIFO that took the file's place must not stop us.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(file)?;
        match opened.metadata()?.is_file() {
            true => Ok(Box::new(opened)),
            false => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        }
    }

    fn create(&self, file: &Path) -> io::Result<Box<dyn Growing>> {
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        Ok(Box::new(NewFile::new(created, file.to_owned())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.rename_unsynced(from, to)?;
        together::sync(&[&folder_of(to)?, &folder_of(from)?])
    }

    fn rename_unsynced(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
    }

    fn sync_folders(&self, folders: &[&Path]) -> io::Result<()> {
        let opened = folders.iter().map(File::open).collect::<io::Result<Vec<_>>>()?;
        together::sync(&opened.iter().collect::<Vec<_>>())
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        match std::fs::remove_file(file) {
            Ok(()) => sync_folder_of(file),
            // An earlier remove may have come to its end before its sync.
            Err(e) if e.kind() == io::ErrorKind::NotFound => match sync_folder_of(file) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
                synced => synced,
            },
            Err(e) => Err(e),
        }
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        match std::fs::remove_dir(folder) {
            Ok(()) => sync_folder_of(folder),
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => match sync_folder_of(folder) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
                synced => synced,
            },
            Err(e) => Err(e),
        }
    }

    fn make_folder(&self, folder: &Path, mode: u32) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(above) = folder.parent() {
            self.make_folder(above, 0o700)?;
        }
        match std::fs::DirBuilder::new().mode(mode & 0o777).create(folder) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            made => made?,
        }
        // The set-group-id bit comes from the folder above; the shipped unit forbids to set it. Otherwise once more by
        // hand: the process's umask may have taken bits off.
        if std::fs::metadata(folder)?.permissions().mode() & 0o7777 != mode {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode))?;
        }
        sync_folder_of(folder)
    }

    fn make_folder_unsynced(&self, folder: &Path) -> io::Result<()> {
        match std::fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
            // Whatever the process's umask has taken off.
            made => made.and_then(|()| std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))),
        }
    }

    fn append(&self, file: &Path, content: &[u8], is_synced: bool) -> io::Result<()> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600).custom_flags(flags.bits() as i32);
        let mut opened = options.open(file)?;
        opened.write_all(content)?;
        if is_synced {
            opened.sync_data()?;
        }
        // A name is made once, and a file without it would be lost whatever was synced.
        if opened.metadata()?.len() == content.len() as u64 { sync_folder_of(file) } else { Ok(()) }
    }

    fn replace(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        let mut part = file.as_os_str().as_bytes().to_vec();
        part.extend_from_slice(b".part");
        let part = Path::new(std::ffi::OsStr::from_bytes(&part));
        self.remove(part)?;
        let mut growing = self.create(part)?;
        let written = growing.write_all(content).and_then(|()| growing.sync());
        written.and_then(|()| std::fs::rename(part, file)).inspect_err(|_| leave_nothing(self, part))?;
        sync_folder_of(file)
    }

    fn share_with_group(&self, file: &Path) -> io::Result<()> {
        let opened = OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits() as i32).open(file)?;
        rustix::fs::fchmod(&opened, rustix::fs::Mode::from_raw_mode(0o640))?;
        // Only the owner of the folder's group, or root, may give it; a set-group-id folder has done so already.
        let group = file.parent().map(|folder| std::fs::metadata(folder).map(|m| m.gid())).transpose()?;
        match (group, opened.metadata()?.gid()) {
            (Some(wanted), found) if wanted != found => {
                rustix::fs::fchown(&opened, None, Some(rustix::fs::Gid::from_raw(wanted)))?;
            }
            _ => {}
        }
        together::sync(&[&opened])
    }
}

fn kind(metadata: &std::fs::Metadata) -> Kind {
    use std::os::unix::fs::FileTypeExt;
    let file_type = metadata.file_type();
    if file_type.is_file() {
        Kind::File(Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified_micros: micros(metadata.mtime(), metadata.mtime_nsec()),
        })
    } else if file_type.is_dir() {
        Kind::Folder
    } else if file_type.is_symlink() {
        Kind::Odd("a symbolic link")
    } else if file_type.is_fifo() {
        Kind::Odd("a FIFO")
    } else if file_type.is_socket() {
        Kind::Odd("a socket")
    } else {
        Kind::Odd("a device")
    }
}

fn micros(seconds: i64, nanos: i64) -> i64 {
    seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    together::sync(&[&folder_of(path)?])
}

fn folder_of(path: &Path) -> io::Result<File> {
    match path.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder),
        _ => File::open("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_never_writes_over_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        RealDisk.replace(&a, b"new").unwrap();
        RealDisk.replace(&b, b"old").unwrap();

        let refused = RealDisk.rename(&a, &b).unwrap_err();

        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read_bounded(&RealDisk, &b, 10).unwrap(), b"old");
    }

    #[test]
    fn a_full_disk_is_told_from_a_file_that_is_not_there() {
        use rustix::io::Errno;
        for errno in [Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::MFILE, Errno::NFILE, Errno::IO] {
            assert!(is_disks_own(&errno.into()), "{errno}");
        }
        for errno in [Errno::NOENT, Errno::EXIST, Errno::ACCESS, Errno::NOTDIR] {
            assert!(!is_disks_own(&errno.into()), "{errno}");
        }
    }

    #[test]
    fn no_link_is_followed_and_no_fifo_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, fifo) = (folder.path().join("f"), folder.path().join("l"), folder.path().join("p"));
        RealDisk.replace(&file, b"x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        rustix::fs::mknodat(CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();

        assert!(RealDisk.open(&link).is_err());
        assert!(RealDisk.stamp(&link).is_err());
        assert!(RealDisk.open(&fifo).is_err());
    }
}
