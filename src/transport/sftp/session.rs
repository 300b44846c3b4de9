//! The verbs over SFTP, and what each answer lets us conclude. Start with [`SftpSession`].

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use russh::Disconnect;
use russh::client::Handle;
use russh_sftp::protocol::{File, FileAttributes, OpenFlags, Packet, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OnceCell;
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

use super::copy::{self, NotRead};
use super::doorkeeper::Doorkeeper;
use super::wire::{Failed, OpenHandle, POSIX_RENAME, Wire, said};
use crate::transport::{Abilities, FarSide, Folder, Listed, Listing, RemotePath, Trouble};

/// How long a session that ends waits for its farewell to be sent, and then for its tasks to be gone.
const FAREWELL: Duration = Duration::from_secs(1);

/// Requests of one listing in flight.
const PAGES_MAX: usize = 32;

/// Answers in one listing that name nothing but the folder itself and the one above. Two are honest, if a server
/// gives one name at a time; what goes on like that has no end.
const IDLE_PAGES_MAX: usize = 8;

/// A session with an SFTP server. Dropped, it is cut; [`FarSide::close`] also says good-bye and waits until its
/// tasks and its socket are gone.
///
/// Its requests travel on one channel, in the order in which they are made; only the bytes of a long file that is
/// written are spread over a few more. Those can write into that file, whose OPEN was answered before, and do nothing else:
/// what names a file (OPEN with CREATE, rename, remove) is all on the one channel.
pub struct SftpSession {
    pub(super) wire: Wire,
    /// The other channels, made when they are first wanted. Their cuts are children of the session's.
    pub(super) more: OnceCell<Vec<Wire>>,
    pub(super) folders: Folders,
    /// The connection; none where the channel runs over something else.
    pub(super) connection: Option<Handle<Doorkeeper>>,
    pub(super) tasks: TaskTracker,
    pub(super) _cut_on_drop: DropGuard,
}

impl fmt::Debug for SftpSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SftpSession").field("abilities", &self.wire.abilities).finish_non_exhaustive()
    }
}

/// What our two folders are called there.
#[derive(Clone, Debug)]
pub(super) struct Folders {
    pub(super) out: String,
    pub(super) r#in: String,
}

impl Folders {
    pub(super) fn path_of(&self, folder: Folder) -> &str {
        let path = match folder {
            Folder::Out => &self.out,
            Folder::In => &self.r#in,
        };
        if path.is_empty() { "." } else { path }
    }

    pub(super) fn path_to(&self, file: &RemotePath) -> String {
        let folder = self.path_of(file.folder);
        let slash = if folder.ends_with('/') { "" } else { "/" };
        format!("{folder}{slash}{}", file.name)
    }
}

impl FarSide for SftpSession {
    fn abilities(&self) -> Abilities {
        self.wire.abilities
    }

    async fn list(&self, folder: Folder, at_most: usize) -> Result<Listing, Trouble> {
        let opened = self.wire.open(self.wire.raw().opendir(self.folders.path_of(folder))).await;
        let open = match opened {
            Ok(open) => open,
            Err(failed) if failed.is(StatusCode::NoSuchFile) => return Err(self.no_folder(folder)),
            Err(failed) => return Err(failed.into_trouble()),
        };
        let listed = match tokio::time::timeout(self.wire.listing, self.entries(&open, at_most)).await {
            Ok(listed) => listed,
            Err(_) => {
                let why = format!("the listing was not done within {:?}", self.wire.listing);
                Err(self.wire.broken(why).into_trouble())
            }
        };
        // Whatever comes of the CLOSE, the listing was answered.
        let _ = self.wire.close(open).await;
        listed
    }

    async fn size(&self, path: &RemotePath) -> Result<u64, Trouble> {
        let answer = self.wire.ask(self.wire.raw().lstat(self.folders.path_to(path))).await;
        let attributes = match answer {
            Ok(answer) => answer.attrs,
            Err(failed) => return Err(self.conclude(failed, path.folder).await),
        };
        if attributes.permissions.is_some_and(|mode| !is_regular(mode)) {
            return Err(Trouble::Refused("it is not a regular file".to_owned()));
        }
        attributes.size.ok_or_else(|| Trouble::Refused("the server does not tell its size".to_owned()))
    }

    async fn read<W>(&self, path: &RemotePath, at_most: u64, sink: &mut W) -> Result<u64, Trouble>
    where
        W: AsyncWrite + Unpin + Send,
    {
        let request = self.wire.raw().open(self.folders.path_to(path), OpenFlags::READ, FileAttributes::empty());
        let file = match self.wire.open(request).await {
            Ok(file) => file,
            Err(failed) => return Err(self.conclude(failed, path.folder).await),
        };
        let copied = copy::down(&self.wire, &file, at_most, sink).await;
        // Whatever comes of the CLOSE, the bytes were answered.
        let _ = self.wire.close(file).await;
        copied.map_err(|why| match why {
            NotRead::Failed(failed) => failed.into_trouble(),
            NotRead::TooLong => Trouble::GaveUp(format!("{path} is longer than {at_most} bytes")),
            NotRead::Sink(why) => Trouble::GaveUp(format!("what came from {path} could not be stored: {why}")),
        })
    }

    async fn write<R>(&self, path: &RemotePath, source: &mut R) -> Result<u64, Trouble>
    where
        R: AsyncRead + Unpin + Send,
    {
        self.put(path, source).await.map(|put| put.written)
    }

    async fn write_and_measure<R>(&self, path: &RemotePath, source: &mut R) -> Result<u64, Trouble>
    where
        R: AsyncRead + Unpin + Send,
    {
        match self.put(path, source).await?.size {
            Some(size) => Ok(size),
            None => self.size(path).await.map_err(Trouble::once_written),
        }
    }

    async fn rename(&self, from: &RemotePath, to: &RemotePath) -> Result<(), Trouble> {
        if !self.wire.abilities.posix_rename {
            return Err(Trouble::Refused(format!("the server does not offer {POSIX_RENAME}")));
        }
        let names = two_strings(&self.folders.path_to(from), &self.folders.path_to(to));
        let request = async {
            match self.wire.raw().extended(POSIX_RENAME, names).await? {
                Packet::Status(status) if status.status_code == StatusCode::Ok => Ok(()),
                Packet::Status(status) => Err(status.into()),
                _ => Err(russh_sftp::client::error::Error::UnexpectedPacket),
            }
        };
        match self.wire.ask(request).await {
            Ok(()) => Ok(()),
            // Between two folders it cannot be told which of the two names is the missing one.
            Err(Failed::Answered(status)) if from.folder != to.folder => Err(Trouble::Refused(said(&status))),
            Err(failed) => Err(self.conclude(failed, from.folder).await),
        }
    }

    async fn remove(&self, path: &RemotePath) -> Result<(), Trouble> {
        match self.wire.ask(self.wire.raw().remove(self.folders.path_to(path))).await {
            Ok(_) => Ok(()),
            Err(failed) => Err(self.conclude(failed, path.folder).await),
        }
    }

    async fn close(&self) {
        let cut = self.wire.cut();
        if let Some(connection) = &self.connection
            && !cut.is_cancelled()
        {
            let farewell = async {
                let _ = connection.disconnect(Disconnect::ByApplication, "", "").await;
                cut.cancelled().await;
            };
            // A server that takes no farewell goes without one.
            let _ = tokio::time::timeout(FAREWELL, farewell).await;
        }
        cut.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(FAREWELL, self.tasks.wait()).await;
    }
}

impl SftpSession {
    async fn entries(&self, open: &OpenHandle<'_>, at_most: usize) -> Result<Listing, Trouble> {
        let mut listing = Listing::default();
        let mut idle_pages = 0;
        let mut pages = FuturesOrdered::new();
        let mut at_end = false;
        // One after the other, unless the server is known to keep the order.
        let (mut window, window_max) = if self.wire.is_plain { (2, PAGES_MAX) } else { (1, 1) };
        loop {
            while pages.len() < window && !at_end {
                pages.push_back(self.wire.ask(self.wire.raw().readdir(open.as_str())));
            }
            let page = match pages.next().await {
                Some(Ok(page)) if !page.files.is_empty() => page.files,
                Some(Err(failed)) if !failed.is(StatusCode::Eof) => return Err(failed.into_trouble()),
                Some(Ok(_) | Err(_)) => {
                    at_end = true;
                    continue;
                }
                None => return Ok(listing),
            };
            let before = listing.files.len() as u64 + listing.passed_over;
            for entry in page.into_iter().filter(|entry| entry.filename != "." && entry.filename != "..") {
                match listed(entry) {
                    Some(file) => listing.files.push(file),
                    None => listing.passed_over += 1,
                }
            }
            if listing.files.len() > at_most || listing.passed_over > at_most as u64 {
                return Err(Trouble::GaveUp(format!("the folder holds more than {at_most} entries")));
            }
            // Any other page brings at least one entry, so this also bounds their number.
            idle_pages += usize::from(listing.files.len() as u64 + listing.passed_over == before);
            if idle_pages > IDLE_PAGES_MAX {
                return Err(Trouble::GaveUp("the listing goes on without naming anything".to_owned()));
            }
            window = (window * 2).min(window_max);
        }
    }

    /// What an answered or unanswered request for one file means, once it is known whether its folder is there.
    pub(super) async fn conclude(&self, failed: Failed, folder: Folder) -> Trouble {
        if !failed.is(StatusCode::NoSuchFile) {
            return failed.into_trouble();
        }
        match self.wire.ask(self.wire.raw().stat(self.folders.path_of(folder))).await {
            Ok(answer) if answer.attrs.permissions.is_none_or(is_folder) => Trouble::Missing,
            Ok(_) | Err(Failed::Answered(_)) => self.no_folder(folder),
            Err(Failed::NotSent) => Trouble::Uncertain("the session ended before its folder was looked at".to_owned()),
            Err(Failed::Unanswered(why)) => Trouble::Uncertain(why),
        }
    }

    pub(super) fn no_folder(&self, folder: Folder) -> Trouble {
        Trouble::Refused(format!("there is no folder {:?}", self.folders.path_of(folder)))
    }

    /// After a good OPEN nothing is certain any more, and the session is spent.
    pub(super) fn doubt(&self, step: &str, failed: Failed) -> Trouble {
        self.wire.cut().cancel();
        Trouble::Uncertain(match failed {
            Failed::NotSent => format!("{step} was not sent, because the session had ended"),
            Failed::Unanswered(why) => format!("{step} was not answered: {why}"),
            Failed::Answered(status) => format!("{step} failed: {}", said(&status)),
        })
    }
}

fn listed(entry: File) -> Option<Listed> {
    let regular = match entry.attrs.permissions {
        Some(mode) => is_regular(mode),
        // Without a mode only the line that is meant for people tells what it is.
        None => !entry.longname.starts_with(['d', 'l']),
    };
    let name = entry.filename.parse().ok()?;
    let size = entry.attrs.size?;
    regular.then_some(Listed { name, size })
}

/// The library's own test takes symbolic links and sockets for regular files.
fn is_regular(mode: u32) -> bool {
    mode & 0o170_000 == 0o100_000
}

fn is_folder(mode: u32) -> bool {
    mode & 0o170_000 == 0o040_000
}

/// SSH's form of two strings: each its length in four bytes, then its bytes.
fn two_strings(first: &str, second: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + first.len() + second.len());
    for text in [first, second] {
        // Paths are far shorter than 4 GiB.
        bytes.extend((text.len() as u32).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes
}
