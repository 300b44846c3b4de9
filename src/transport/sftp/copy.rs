//! The bytes of one file, down and up: many requests in flight, a bounded number of bytes, and every one answered
//! before the copy counts. A server that is too slow ends it. It opens and closes nothing. Start with [`down`] and [`up`].

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use futures_util::{Stream, StreamExt, stream};
use russh_sftp::protocol::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::flight::Room;
use super::wire::{Failed, OpenHandle, Wire};

/// Requests of one file in flight. How many bytes they may be is the session's to say.
const IN_FLIGHT_MAX: usize = 128;
/// Requests to begin a download with: most files are small, and the second one finds the end.
const IN_FLIGHT_FIRST: usize = 2;
/// A server that answers READs with less than was asked for gets smaller ones, but not smaller than this.
const READ_CHUNK_MIN: u32 = 4 * 1024;
/// The first request of a file, which most files fit in.
const FIRST_CHUNK: u32 = 32 * 1024;
/// A file that is longer than this travels on several channels: a server takes only so much of each ahead of its work
/// (OpenSSH 2 MiB).
const STRIPED_FROM: u64 = 4 << 20;

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
    // What the server gives at a time.
    let mut given = wire.read_chunk;
    let mut chunk = given.min(FIRST_CHUNK);
    let mut window = IN_FLIGHT_FIRST;
    let mut stretch = wire.stretch();
    let mut answers = FuturesOrdered::new();
    loop {
        let waits_since = Instant::now();
        let (room, asked, data) = tokio::select! {
            biased;
            room = wire.room(chunk), if answers.len() < window => {
                answers.push_back(read_at(wire, file, room.map_err(NotRead::Failed)?, next, chunk));
                next += u64::from(chunk);
                continue;
            }
            Some(answer) = answers.next() => match answer {
                Ok(answer) => answer,
                Err(failed) if failed.is(StatusCode::Eof) => break,
                Err(failed) => return Err(NotRead::Failed(failed)),
            },
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
        drop(room);
        copied += u64::from(length);
        if length == asked {
            window = (window * 2).min(IN_FLIGHT_MAX);
        } else {
            // Near the end, or a server that gives less at a time: the requests behind this one leave a gap.
            answers = FuturesOrdered::new();
            next = copied;
            window = IN_FLIGHT_FIRST;
            given = length.clamp(READ_CHUNK_MIN.min(asked), asked);
        }
        chunk = wire.chunk(given);
    }
    sink.flush().await.map_err(NotRead::Sink)?;
    Ok(copied)
}

async fn read_at<'w>(
    wire: &'w Wire,
    file: &OpenHandle<'_>,
    room: Room<'w>,
    offset: u64,
    length: u32,
) -> Result<(Room<'w>, u32, Vec<u8>), Failed> {
    let answer = wire.transfer(&room, wire.raw().read(file.as_str(), offset, length)).await?;
    Ok((room, length, answer.data))
}

/// Why an upload is not known to be whole.
pub(super) enum NotWritten {
    Failed(Failed),
    /// The caller's source failed.
    Source(io::Error),
}

/// The file that is written, held open on a channel.
pub(super) struct Hold<'s> {
    pub(super) wire: &'s Wire,
    pub(super) file: OpenHandle<'s>,
}

/// Some bytes of a source, and the room to send them.
pub(super) struct Block<'w> {
    pub(super) room: Room<'w>,
    pub(super) bytes: Vec<u8>,
    /// Whether the source is at its end behind it.
    pub(super) is_last: bool,
}

/// The source, block by block; the last one may be empty. `is_reading` tells whether it is the source that is waited
/// for, and not the room.
pub(super) fn blocks<'w, R>(
    wire: &'w Wire,
    source: &'w mut R,
    is_reading: &'w AtomicBool,
) -> impl Stream<Item = Result<Block<'w>, NotWritten>> + Send + Unpin + 'w
where
    R: AsyncRead + Unpin + Send,
{
    let first = wire.write_chunk.min(FIRST_CHUNK);
    Box::pin(stream::unfold(Some((source, first)), move |rest| async move {
        let (source, chunk) = rest?;
        let block = block(wire, source, chunk, is_reading).await;
        let is_last = block.as_ref().map_or(true, |block| block.is_last);
        Some((block, (!is_last).then(|| (source, wire.chunk(wire.write_chunk)))))
    }))
}

async fn block<'w, R>(
    wire: &'w Wire,
    source: &mut R,
    chunk: u32,
    is_reading: &AtomicBool,
) -> Result<Block<'w>, NotWritten>
where
    R: AsyncRead + Unpin + Send,
{
    let mut room = wire.room(chunk).await.map_err(NotWritten::Failed)?;
    is_reading.store(true, Ordering::Relaxed);
    let mut bytes = Vec::with_capacity(chunk as usize);
    let mut rest = source.take(u64::from(chunk));
    // One more than to the brim: whether the source is at its end is known only then.
    while rest.read_buf(&mut bytes).await.map_err(NotWritten::Source)? > 0 {}
    let is_last = rest.limit() > 0;
    is_reading.store(false, Ordering::Relaxed);
    room.shrink_to(bytes.len());
    Ok(Block { room, bytes, is_last })
}

/// Writes all of `blocks` into an open file, from its beginning; returns how many bytes. `more`: the same file on more
/// channels, wanted if it turns out to be long; those that were used are returned, to be closed.
pub(super) async fn up<'s>(
    first: &Hold<'s>,
    mut blocks: impl Stream<Item = Result<Block<'s>, NotWritten>> + Unpin,
    more: impl Future<Output = Vec<Hold<'s>>>,
    is_reading: &AtomicBool,
) -> Result<(u64, Vec<Hold<'s>>), NotWritten> {
    let wire = first.wire;
    let mut others = Vec::new();
    let mut more = Some(more);
    let mut unanswered = vec![0_usize];
    let mut sent = 0;
    let mut at_end = false;
    let mut stretch = wire.stretch();
    let mut answers = FuturesUnordered::new();
    while !at_end || !answers.is_empty() {
        let waits_since = Instant::now();
        tokio::select! {
            Some(block) = blocks.next(), if !at_end && answers.len() < IN_FLIGHT_MAX => {
                let Block { room, bytes, is_last } = block?;
                at_end = is_last;
                if bytes.is_empty() {
                    continue;
                }
                if sent >= STRIPED_FROM && let Some(more) = more.take() {
                    others = more.await;
                    unanswered.resize(1 + others.len(), 0);
                }
                let lane = (0..unanswered.len()).min_by_key(|lane| unanswered[*lane]).unwrap_or(0);
                let hold = if lane == 0 { first } else { &others[lane - 1] };
                let length = bytes.len();
                unanswered[lane] += length;
                answers.push(write_at(hold.wire, hold.file.name(), room, sent, bytes, lane));
                sent += length as u64;
            }
            Some((lane, written)) = answers.next(), if !answers.is_empty() => {
                // Otherwise the source may be what is waited for.
                let is_waiting = at_end || answers.len() + 1 >= IN_FLIGHT_MAX || !is_reading.load(Ordering::Relaxed);
                let waited = if is_waiting { waits_since.elapsed() } else { Duration::ZERO };
                let written = written.map_err(NotWritten::Failed)?;
                unanswered[lane] -= written;
                wire.moved(&mut stretch, waited, written as u64).map_err(NotWritten::Failed)?;
            }
            // A source that gives nothing for long must not hide that there is nobody to write to.
            () = wire.cut().cancelled(), if answers.is_empty() => {
                return Err(NotWritten::Failed(wire.broken("the connection ended".to_owned())));
            }
        }
    }
    drop(answers);
    Ok((sent, others))
}

/// Returns the lane, and how many bytes are written.
async fn write_at<'w>(
    wire: &'w Wire,
    file: String,
    room: Room<'w>,
    offset: u64,
    bytes: Vec<u8>,
    lane: usize,
) -> (usize, Result<usize, Failed>) {
    let length = bytes.len();
    let answer = wire.transfer(&room, wire.raw().write(file, offset, bytes)).await;
    (lane, answer.map(|_| length))
}
