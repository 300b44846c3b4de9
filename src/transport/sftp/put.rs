//! A file on its way up: opened, written, synced, measured and closed, in as few round trips as the server's kin allows,
//! and a long one on several channels of the connection. Start with [`SftpSession::put`].
//!
//! **What several channels may do.** When a session is cut, each of them may still carry out what it had received, in any
//! order among them. So all that names a file stays on the first one, in order; the others open the one file that is being
//! written, after it was made there, without making it, and write bytes into it that are the same whenever they come.

use std::sync::atomic::AtomicBool;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use tokio::io::AsyncRead;

use super::copy::{self, Block, Hold, NotWritten};
use super::dial;
use super::session::SftpSession;
use super::wire::{Failed, OpenHandle, Wire};
use crate::transport::{RemotePath, Trouble};

/// Channels besides the first, for long files. On four together OpenSSH takes 8 MiB ahead of its work; it grants ten.
const MORE_CHANNELS: usize = 3;

/// What a write that is done came to, in bytes.
pub(super) struct Put {
    pub(super) written: u64,
    /// As the open file was measured behind it, where that was to be had.
    pub(super) size: Option<u64>,
}

impl SftpSession {
    /// Makes the file if need be, and writes it. Errors: as [`crate::transport::FarSide::write`] says.
    pub(super) async fn put<R>(&self, path: &RemotePath, source: &mut R) -> Result<Put, Trouble>
    where
        R: AsyncRead + Unpin + Send,
    {
        let flags = OpenFlags::WRITE | OpenFlags::CREATE;
        // No attributes: who may read it there is the server's business.
        let request = self.wire.raw().open(self.folders.path_to(path), flags, FileAttributes::empty());
        let file = match self.wire.open(request).await {
            Ok(file) => file,
            // The file itself would have been made.
            Err(failed) if failed.is(StatusCode::NoSuchFile) => return Err(self.no_folder(path.folder)),
            Err(failed) => return Err(failed.into_trouble()),
        };
        let is_reading = AtomicBool::new(false);
        let mut blocks = copy::blocks(&self.wire, source, &is_reading);
        let first = match blocks.next().await {
            Some(first) => first.map_err(|why| self.not_written(why))?,
            None => return Err(self.doubt("the write", Failed::NotSent)),
        };
        if first.is_last && self.wire.is_plain {
            let written = first.bytes.len() as u64;
            return Ok(Put { written, size: self.finish(file, Some(first)).await? });
        }
        let blocks = stream::iter([Ok(first)]).chain(blocks);
        let own = Hold { wire: &self.wire, file };
        let copied = copy::up(&own, blocks, self.more_holds(path), &is_reading).await;
        let (written, others) = copied.map_err(|why| self.not_written(why))?;
        for closed in join_all(others.into_iter().map(|hold| hold.wire.close(hold.file))).await {
            closed.map_err(|failed| self.doubt("the close", failed))?;
        }
        Ok(Put { written, size: self.finish(own.file, None).await? })
    }

    /// Writes what is left, syncs, measures and closes a file, all sent in one go where the server keeps the order.
    async fn finish(&self, file: OpenHandle<'_>, last: Option<Block<'_>>) -> Result<Option<u64>, Trouble> {
        let (wire, name) = (&self.wire, file.name());
        let write = async {
            match last.filter(|block| !block.bytes.is_empty()) {
                Some(Block { room, bytes, .. }) => {
                    wire.transfer(&room, wire.raw().write(&*name, 0, bytes)).await.map(drop)
                }
                None => Ok(()),
            }
        };
        let sync = async {
            match wire.ask(wire.raw().fsync(&*name)).await {
                // It offers what this file's system cannot do: then it is as good as not offered.
                Err(failed) if !failed.is(StatusCode::OpUnsupported) => Err(failed),
                _ => Ok(()),
            }
        };
        let measure = async {
            match wire.ask(wire.raw().fstat(&*name)).await {
                Ok(answer) => Ok(answer.attrs.size),
                Err(Failed::Answered(_)) => Ok(None),
                Err(failed) => Err(failed),
            }
        };
        let (written, synced, size, closed) = if wire.is_plain {
            // Sent in this order.
            tokio::join!(biased; write, sync, measure, wire.close(file))
        } else {
            let written = write.await;
            let synced = if written.is_ok() && wire.abilities.fsync { sync.await } else { Ok(()) };
            if written.is_err() || synced.is_err() {
                (written, synced, Ok(None), Ok(()))
            } else {
                (written, synced, Ok(None), wire.close(file).await)
            }
        };
        written.map_err(|failed| self.doubt("the write", failed))?;
        synced.map_err(|failed| self.doubt("the sync", failed))?;
        let size = size.map_err(|failed| self.doubt("the look at its size", failed))?;
        closed.map_err(|failed| self.doubt("the close", failed))?;
        Ok(size)
    }

    /// The same file, held open for writing on more channels: on as many as the server grants.
    async fn more_holds(&self, path: &RemotePath) -> Vec<Hold<'_>> {
        if !self.wire.is_plain {
            return Vec::new();
        }
        let wires = self.more.get_or_init(|| self.more_wires()).await;
        let holds = wires.iter().filter(|wire| !wire.cut().is_cancelled()).map(async |wire| {
            let request = wire.raw().open(self.folders.path_to(path), OpenFlags::WRITE, FileAttributes::empty());
            wire.open(request).await.ok().map(|file| Hold { wire, file })
        });
        join_all(holds).await.into_iter().flatten().collect()
    }

    async fn more_wires(&self) -> Vec<Wire> {
        let Some(connection) = &self.connection else { return Vec::new() };
        let wires = (0..MORE_CHANNELS).map(async |_| {
            let (deadline, flight) = self.wire.bounds();
            // Its end must not end the session while nothing of a file is on its way there.
            dial::wire(connection, &self.wire.cut().child_token(), &self.tasks, deadline, flight).await.ok()
        });
        join_all(wires).await.into_iter().flatten().collect()
    }

    fn not_written(&self, why: NotWritten) -> Trouble {
        match why {
            NotWritten::Failed(failed) => self.doubt("the write", failed),
            NotWritten::Source(why) => {
                self.wire.cut().cancel();
                Trouble::Uncertain(format!("our own copy could not be read to its end: {why}"))
            }
        }
    }
}
