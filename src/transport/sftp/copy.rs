//! The bytes of one file, down and up: several requests in flight, a bounded number, and every one answered
//! before the copy counts. A server that is too slow ends it. It opens and closes nothing. Start with [`down`] and [`up`].

use std::io;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use russh_sftp::protocol::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::wire::{Failed, OpenHandle, Wire};

/// Requests of one file in flight: 2 MiB, as much as OpenSSH's window holds; more was not faster (measured).
const IN_FLIGHT_MAX: usize = 64;
/// Requests to begin a download with: most files are small, and the second one finds the end.
const IN_FLIGHT_FIRST: usize = 2;
/// A server that answers READs with less than was asked for gets smaller ones, but not smaller than this.
const READ_CHUNK_MIN: u32 = 4 * 1024;

/// Why a download ended early.
pub(super) enum NotRead {
    Failed(Failed),
    /// It is longer than the caller takes.
    TooLong,
    /// The caller's sink failed.
    Sink(io::Error),
}

/// Copies an open file into `sink`, to its end; returns how many bytes.
pub(super) async fn down<W>(wire: &Wire, file: &OpenHandle<'_>, bytes_max: u64, sink: &mut W) -> Result<u64, NotRead>
where
    W: AsyncWrite + Unpin + Send,
{
    let mut copied = 0;
    let mut next = 0;
    let mut chunk = wire.read_chunk;
    let mut window = IN_FLIGHT_FIRST;
    let mut stretch = wire.stretch();
    let mut answers = FuturesOrdered::new();
    loop {
        while answers.len() < window {
            answers.push_back(read_at(wire, file, next, chunk));
            next += u64::from(chunk);
        }
        let waits_since = Instant::now();
        let (asked, data) = match answers.next().await.unwrap_or(Err(Failed::NotSent)) {
            Ok(answer) => answer,
            Err(failed) if failed.is(StatusCode::Eof) => break,
            Err(failed) => return Err(NotRead::Failed(failed)),
        };
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        if length == 0 || length > asked {
            let why = format!("the server answered a read of {asked} bytes with {length}");
            return Err(NotRead::Failed(wire.broken(why)));
        }
        if copied + u64::from(length) > bytes_max {
            return Err(NotRead::TooLong);
        }
        wire.moved(&mut stretch, waits_since.elapsed(), u64::from(length)).map_err(NotRead::Failed)?;
        sink.write_all(&data).await.map_err(NotRead::Sink)?;
        copied += u64::from(length);
        if length == asked {
            window = (window * 2).min(IN_FLIGHT_MAX);
        } else {
            // Near the end, or a server that gives less at a time: the requests behind this one leave a gap.
            answers = FuturesOrdered::new();
            next = copied;
            window = IN_FLIGHT_FIRST;
            chunk = length.clamp(READ_CHUNK_MIN.min(chunk), chunk);
        }
    }
    sink.flush().await.map_err(NotRead::Sink)?;
    Ok(copied)
}

async fn read_at(wire: &Wire, file: &OpenHandle<'_>, offset: u64, length: u32) -> Result<(u32, Vec<u8>), Failed> {
    let answer = wire.transfer(wire.raw().read(file.as_str(), offset, length)).await?;
    Ok((length, answer.data))
}

/// Why an upload is not known to be whole.
pub(super) enum NotWritten {
    Failed(Failed),
    /// The caller's source failed.
    Source(io::Error),
}

/// Writes all of `source` into an open file, from its beginning; returns how many bytes.
pub(super) async fn up<R>(wire: &Wire, file: &OpenHandle<'_>, source: &mut R) -> Result<u64, NotWritten>
where
    R: AsyncRead + Unpin + Send,
{
    let chunk = wire.write_chunk as usize;
    let mut block = vec![0; chunk];
    let mut filled = 0;
    let mut sent = 0;
    let mut at_end = false;
    let mut stretch = wire.stretch();
    let mut answers = FuturesUnordered::new();
    while !at_end || !answers.is_empty() {
        // Otherwise the source may be what is waited for.
        let waits_since = (at_end || answers.len() >= IN_FLIGHT_MAX).then(Instant::now);
        tokio::select! {
            read = source.read(&mut block[filled..]), if !at_end && answers.len() < IN_FLIGHT_MAX => {
                let read = read.map_err(NotWritten::Source)?;
                filled += read;
                at_end = read == 0;
                if filled == chunk || (at_end && filled > 0) {
                    let whole = std::mem::replace(&mut block, vec![0; chunk]);
                    answers.push(write_at(wire, file, sent, whole, filled));
                    sent += filled as u64;
                    filled = 0;
                }
            }
            Some(answer) = answers.next(), if !answers.is_empty() => {
                let waited = waits_since.map_or(Duration::ZERO, |since| since.elapsed());
                let written = answer.map_err(NotWritten::Failed)?;
                wire.moved(&mut stretch, waited, written).map_err(NotWritten::Failed)?;
            }
            // A source that gives nothing for long must not hide that there is nobody to write to.
            () = wire.cut().cancelled(), if answers.is_empty() => {
                return Err(NotWritten::Failed(wire.broken("the connection ended".to_owned())));
            }
        }
    }
    Ok(sent)
}

/// Returns how many bytes are written.
async fn write_at(
    wire: &Wire,
    file: &OpenHandle<'_>,
    offset: u64,
    mut block: Vec<u8>,
    length: usize,
) -> Result<u64, Failed> {
    block.truncate(length);
    wire.transfer(wire.raw().write(file.as_str(), offset, block)).await.map(|_| length as u64)
}
