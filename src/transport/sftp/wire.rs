//! One SFTP channel: requests with a deadline, and what became of each of them. It knows no russh connection
//! beneath it, so it runs over any stream. It never sends a request twice. Start with [`Wire::ask`].

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use russh_sftp::client::error::Error;
use russh_sftp::client::{Config, RawSftpSession};
use russh_sftp::extensions::{FSYNC, LIMITS, LimitsExtension};
use russh_sftp::protocol::{Handle, Status, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::flight::{Flight, Room};
use super::pace::{Pace, Stretch};
use crate::domain::person::mask_in_text;
use crate::transport::{Abilities, Trouble};

pub(super) const POSIX_RENAME: &str = "posix-rename@openssh.com";

/// Bytes of data in one READ or WRITE to a server that does not tell its limits. Every server takes 32 KiB.
const CHUNK_UNTOLD: u32 = 32 * 1024;
/// The same to one that does: what OpenSSH takes, and a packet of which the library takes. Fewer answers cost less.
const CHUNK_MAX: u32 = 255 * 1024;
/// Files and folders open at once. russh-sftp keeps a handle as UTF-8 text, and OpenSSH numbers its handles in
/// big-endian bytes, the lowest free one first: from the 128th on they would be garbled.
pub(super) const OPEN_MAX: usize = 120;
/// A whole listing. 10 min: half a million files, a hundred in each answer, on a line that takes 100 ms for each.
const LISTING: Duration = Duration::from_secs(600);
/// Bytes of a packet around its data: lengths, type, request id, handle (at most 256), offset.
const PACKET_OVERHEAD: u64 = 512;
/// How long a request may still look for its answer among what had arrived when the session ended.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Characters of a server's words that are repeated; the reason stands at their beginning.
const WORDS_MAX: usize = 200;
/// The protocol that we speak; servers answer with it whatever else they know.
const SFTP_VERSION: u32 = 3;

/// What became of a request that did not succeed.
#[derive(Debug)]
pub(super) enum Failed {
    /// The session had ended before: nothing was queued, nothing will be sent.
    NotSent,
    /// It was queued, perhaps sent, and no answer can come any more. The session is cut.
    Unanswered(String),
    /// The server says no.
    Answered(Status),
}

impl Failed {
    /// What to conclude where the request was all there was to it; `NoSuchFile` is for the caller to judge.
    pub(super) fn into_trouble(self) -> Trouble {
        match self {
            Failed::NotSent => Trouble::Unreachable("the session has ended".to_owned()),
            Failed::Unanswered(why) => Trouble::Uncertain(why),
            Failed::Answered(status) => Trouble::Refused(said(&status)),
        }
    }

    pub(super) fn is(&self, code: StatusCode) -> bool {
        matches!(self, Failed::Answered(status) if status.status_code == code)
    }
}

/// What the server says, fit for a log line.
pub(super) fn said(status: &Status) -> String {
    let code = status.status_code.to_string();
    let words = fit_for_a_line(&status.error_message);
    if words.is_empty() || words.eq_ignore_ascii_case(&code) { code } else { format!("{code}: {words}") }
}

/// A server's own words in one line of bounded length. They may repeat anything, a file's name or content too,
/// so what could be a CPR number is masked: before the cut, which could leave too few of its digits to be seen.
pub(super) fn fit_for_a_line(words: &str) -> String {
    let line: String = words.chars().map(|c| if is_for_a_line(c) { c } else { ' ' }).collect();
    let masked = mask_in_text(line.trim());
    match masked.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}…", &masked[..end]),
        None => masked,
    }
}

/// Not control characters, nor the marks that turn a line around or break it on a terminal.
fn is_for_a_line(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A channel on which SFTP is spoken.
pub(super) struct Wire {
    raw: RawSftpSession,
    cut: CancellationToken,
    deadline: Duration,
    flight: Arc<Flight>,
    open: Semaphore,
    /// How long a whole listing may take.
    pub(super) listing: Duration,
    /// How fast a copy must go at least.
    pub(super) pace: Pace,
    /// Bytes that all copies of the session have moved.
    moved: AtomicU64,
    pub(super) abilities: Abilities,
    /// The names of what it offers beyond the plain protocol.
    pub(super) offers: BTreeSet<String>,
    /// It is OpenSSH or one of its kin (it offers posix-rename, fsync and limits): it carries out the requests of a
    /// channel one after the other, on plain files. So a request may be sent before what it builds on is answered, and
    /// a file written on several channels.
    pub(super) is_plain: bool,
    /// Bytes to ask for in one READ.
    pub(super) read_chunk: u32,
    /// Bytes to send in one WRITE.
    pub(super) write_chunk: u32,
}

impl Wire {
    /// Speaks SFTP's greeting over a stream that ends when `cut` does. `deadline` bounds each request, and `flight` what
    /// all channels of the session may have unanswered.
    pub(super) async fn over<S>(
        stream: S,
        cut: CancellationToken,
        deadline: Duration,
        flight: Arc<Flight>,
    ) -> Result<Self, Failed>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // The library's own time limit is switched off (it overflows to "never"): ours also ends the session.
        let config = Config { request_timeout_secs: u64::MAX, ..Config::default() };
        let mut wire = Self {
            raw: RawSftpSession::new_with_config(stream, config),
            cut,
            deadline,
            flight,
            open: Semaphore::new(OPEN_MAX),
            listing: LISTING.max(deadline),
            pace: Pace::with_requests_of(deadline),
            moved: AtomicU64::new(0),
            abilities: Abilities::default(),
            offers: BTreeSet::new(),
            is_plain: false,
            read_chunk: CHUNK_UNTOLD,
            write_chunk: CHUNK_UNTOLD,
        };
        let hello = wire.ask(wire.raw.init()).await?;
        if hello.version != SFTP_VERSION {
            return Err(wire.broken(format!("the server speaks SFTP version {}, expected 3", hello.version)));
        }
        let offers = |extension: &str| hello.extensions.contains_key(extension);
        wire.abilities = Abilities { posix_rename: offers(POSIX_RENAME), fsync: offers(FSYNC) };
        if offers(LIMITS) {
            match wire.ask(wire.raw.limits()).await {
                Ok(limits) => {
                    wire.respect(&limits);
                    wire.is_plain = wire.abilities.posix_rename && wire.abilities.fsync;
                }
                Err(Failed::Answered(_)) => {}
                Err(failed) => return Err(failed),
            }
        }
        wire.offers = hello.extensions.into_keys().collect();
        Ok(wire)
    }

    fn respect(&mut self, limits: &LimitsExtension) {
        let chunk = |bytes_max: u64| {
            // Zero is "no limit" here.
            let packet = if limits.max_packet_len == 0 { u64::MAX } else { limits.max_packet_len };
            let bytes_max = if bytes_max == 0 { u64::MAX } else { bytes_max };
            let bytes = bytes_max.min(packet.saturating_sub(PACKET_OVERHEAD)).clamp(1, u64::from(CHUNK_MAX));
            u32::try_from(bytes).unwrap_or(CHUNK_MAX)
        };
        self.read_chunk = chunk(limits.max_read_len);
        self.write_chunk = chunk(limits.max_write_len);
    }

    pub(super) fn raw(&self) -> &RawSftpSession {
        &self.raw
    }

    pub(super) fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    /// Sends a request (russh-sftp does so when it is first polled) and waits for its answer.
    pub(super) async fn ask<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Failed> {
        if self.cut.is_cancelled() {
            return Err(Failed::NotSent);
        }
        tokio::pin!(request);
        let answer = tokio::select! {
            biased;
            answer = &mut request => answer,
            () = self.cut.cancelled() => {
                // What had arrived is still handed out; then the library's reader ends, and the request with it.
                let late = tokio::time::timeout(LAST_ANSWERS, &mut request).await;
                late.unwrap_or(Err(Error::Timeout))
            }
            () = tokio::time::sleep(self.deadline) => {
                return Err(self.broken(format!("nothing came within {:?}", self.deadline)));
            }
        };
        match answer {
            Ok(answer) => Ok(answer),
            // Two codes that a server must not send; a gateway that does so does not know the outcome either.
            Err(Error::Status(status))
                if matches!(status.status_code, StatusCode::NoConnection | StatusCode::ConnectionLost) =>
            {
                Err(self.broken(said(&status)))
            }
            Err(Error::Status(status)) => Err(Failed::Answered(status)),
            Err(Error::Timeout) => Err(self.broken("the connection ended".to_owned())),
            Err(why @ (Error::IO(_) | Error::Limited(_) | Error::UnexpectedPacket | Error::UnexpectedBehavior(_))) => {
                Err(self.broken(format!("the connection ended, or the answer could not be read ({why})")))
            }
        }
    }

    /// Cuts the session: nothing that is queued reaches the connection any more.
    pub(super) fn broken(&self, why: String) -> Failed {
        self.cut.cancel();
        Failed::Unanswered(why)
    }

    /// Waits until the session may have so many more bytes in flight.
    pub(super) async fn room(&self, bytes: u32) -> Result<Room<'_>, Failed> {
        tokio::select! {
            biased;
            () = self.cut.cancelled() => Err(Failed::NotSent),
            room = self.flight.room(bytes) => room.ok_or(Failed::NotSent),
        }
    }

    /// Bytes for the next READ or WRITE of a file, of which the server takes so many.
    pub(super) fn chunk(&self, server_max: u32) -> u32 {
        self.flight.chunk(server_max)
    }

    /// The bounds that a further channel of this session shares.
    pub(super) fn bounds(&self) -> (Duration, Arc<Flight>) {
        (self.deadline, Arc::clone(&self.flight))
    }

    /// Like [`Wire::ask`], for a READ or WRITE that has its room.
    pub(super) async fn transfer<T>(
        &self,
        room: &Room<'_>,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failed> {
        let answer = self.ask(request).await;
        self.flight.answered(room);
        answer
    }

    /// Measures a copy that begins.
    pub(super) fn stretch(&self) -> Stretch {
        Stretch::begin(self.pace, self.moved.load(Ordering::Relaxed))
    }

    /// Takes up what an answer to one of a copy's requests moved, and how long the copy waited for it. Too slow: the
    /// session is cut.
    pub(super) fn moved(&self, stretch: &mut Stretch, waited: Duration, bytes: u64) -> Result<(), Failed> {
        let session_moved = self.moved.fetch_add(bytes, Ordering::Relaxed) + bytes;
        stretch.add(waited, bytes, session_moved).map_err(|why| self.broken(why))
    }

    /// Sends an OPEN or OPENDIR, and vouches for the handle.
    pub(super) async fn open(
        &self,
        request: impl Future<Output = Result<Handle, Error>>,
    ) -> Result<OpenHandle<'_>, Failed> {
        let permit = self.permit(&self.open).await?;
        let unfinished = CutOnDrop(Some(&self.cut));
        match self.ask(request).await {
            Ok(Handle { handle, .. }) if handle.contains(char::REPLACEMENT_CHARACTER) => {
                Err(self.broken("the server's file handle is not text and could not be given back to it".to_owned()))
            }
            Ok(Handle { handle, .. }) => Ok(OpenHandle { handle, unfinished, permit }),
            Err(failed) => {
                unfinished.defuse();
                Err(failed)
            }
        }
    }

    /// Sends the CLOSE. A server that keeps the order of requests has let go of the file before it comes to the next
    /// OPEN, so another may follow at once: many small files at a distance wait for each other's answers half as long.
    pub(super) async fn close(&self, open: OpenHandle<'_>) -> Result<(), Failed> {
        let OpenHandle { handle, unfinished, permit } = open;
        let mut closing = std::pin::pin!(self.ask(self.raw.close(handle.as_str())));
        let closed = match futures_util::poll!(closing.as_mut()) {
            Poll::Ready(closed) => closed,
            Poll::Pending => {
                let _until_answered = (!self.is_plain).then_some(permit);
                closing.await
            }
        };
        unfinished.defuse();
        closed.map(drop)
    }

    async fn permit<'a>(&self, of: &'a Semaphore) -> Result<SemaphorePermit<'a>, Failed> {
        tokio::select! {
            biased;
            () = self.cut.cancelled() => Err(Failed::NotSent),
            permit = of.acquire() => permit.map_err(|_| Failed::NotSent),
        }
    }
}

/// What the server keeps open for us. Dropped without [`Wire::close`], it cuts the session, because only the end
/// of the channel makes the server let go of it.
pub(super) struct OpenHandle<'wire> {
    handle: String,
    unfinished: CutOnDrop<'wire>,
    permit: SemaphorePermit<'wire>,
}

impl OpenHandle<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.handle
    }

    pub(super) fn name(&self) -> String {
        self.handle.clone()
    }
}

struct CutOnDrop<'wire>(Option<&'wire CancellationToken>);

impl CutOnDrop<'_> {
    fn defuse(mut self) {
        self.0 = None;
    }
}

impl Drop for CutOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(cut) = self.0 {
            cut.cancel();
        }
    }
}
