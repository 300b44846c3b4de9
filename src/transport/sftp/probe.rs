//! Everything that a transfer needs, tried once at a server and put back as it was: for `sluse check --connect`. What was
//! found before a step failed is kept. The file that is written to OUT has a name that no transfer ever has, and is looked
//! for and removed first, so that one which was left by a check that was broken off is gone with the next. Start with
//! [`SftpEndpoint::probe`].

use std::time::{Duration, Instant};

use super::session::SftpSession;
use super::wire::Failed;
use super::{SftpEndpoint, dial};
use crate::domain::identity::RemoteName;
use crate::transport::{FarSide, Folder, Listing, RemotePath, Trouble};

/// What is written, and what it is renamed to. Nothing that looks for triggers, data, metadata or receipts takes them for
/// one, and both are removed by the next check.
pub const PROBE: &str = "sluse-check.probe";
pub const RENAMED: &str = "sluse-check.probe.renamed";

/// What it says to whoever finds it.
const CONTENT: &[u8] =
    b"Written by `sluse check --connect`, which removes it again. If you find it, that was broken off: remove it.\n";

/// Requests whose answers are timed.
const ROUND_TRIPS: usize = 5;

/// Files of a folder that are counted.
const LISTED_MAX: usize = 100_000;

const STATVFS: &str = "statvfs@openssh.com";
const LIMITS: &str = "limits@openssh.com";

/// What was found, as far as it came. `None`: it did not come to that.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// What was being done last, for whoever has to say where it came to a stand.
    pub step: &'static str,
    /// The pinned host key that the server showed.
    pub host_key: Option<String>,
    /// How long it took from the address to the session, or why there is none.
    pub session: Option<Result<Duration, Trouble>>,
    pub offers: Option<Offers>,
    /// The median of some.
    pub round_trip: Option<Duration>,
    /// Bytes that OUT has room for, by its own word.
    pub room: Option<u64>,
    /// Whether one of a former check lay there and was removed.
    pub left_over: Option<Result<bool, Trouble>>,
    pub written: Option<Result<(), Trouble>>,
    /// When it was written, by the server's clock, in whole seconds since 1970.
    pub written_at: Option<i64>,
    pub renamed: Option<Result<(), Trouble>>,
    pub removed: Option<Result<(), Trouble>>,
    pub in_listed: Option<Result<Listing, Trouble>>,
    pub out_listed: Option<Result<Listing, Trouble>>,
}

/// What the server says that it can do beyond the plain protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    pub posix_rename: bool,
    pub fsync: bool,
    pub limits: bool,
    pub statvfs: bool,
}

impl SftpEndpoint {
    /// Tries everything, and notes it in `found` as it goes: this may be dropped at any time. Every request has its
    /// deadline. At the first answer that does not come it ends, as a daemon's session would.
    pub async fn probe(&self, found: &mut Findings) {
        found.step = "connecting";
        let (began, mut accepted) = (Instant::now(), None);
        let session = dial::session(&self.settings, None, &mut accepted).await;
        found.host_key = accepted.map(|key| key.pin.to_string());
        match session {
            Err(trouble) => found.session = Some(Err(trouble)),
            Ok(session) => {
                found.session = Some(Ok(began.elapsed()));
                // What ended it stands with the step that it ended.
                let _ = look(&session, found).await;
                found.step = "saying good-bye";
                session.close().await;
            }
        }
    }
}

/// There is no session any more.
struct Ended;

/// Notes what a step came to. Errors: nothing more can be asked.
fn note<T>(of: &mut Option<Result<T, Trouble>>, came_to: Result<T, Trouble>) -> Result<bool, Ended> {
    let is_over = matches!(came_to, Err(Trouble::Unreachable(_) | Trouble::Uncertain(_)));
    let is_good = came_to.is_ok();
    *of = Some(came_to);
    if is_over { Err(Ended) } else { Ok(is_good) }
}

async fn look(session: &SftpSession, found: &mut Findings) -> Result<(), Ended> {
    let offers = |name: &str| session.wire.offers.contains(name);
    let abilities = session.abilities();
    found.offers = Some(Offers {
        posix_rename: abilities.posix_rename,
        fsync: abilities.fsync,
        limits: offers(LIMITS),
        statvfs: offers(STATVFS),
    });
    found.step = "listing IN";
    note(&mut found.in_listed, session.list(Folder::In, LISTED_MAX).await)?;
    found.step = "listing OUT";
    note(&mut found.out_listed, session.list(Folder::Out, LISTED_MAX).await)?;
    found.step = "timing answers";
    found.round_trip = session.round_trip().await;
    if offers(STATVFS) {
        found.step = "asking for the room in OUT";
        found.room = session.room_in_out().await;
    }
    try_out(session, found).await
}

/// Writes, renames and removes.
async fn try_out(session: &SftpSession, found: &mut Findings) -> Result<(), Ended> {
    let path = |name: &str| -> RemotePath {
        let name: RemoteName = name.parse().expect("a constant of plain letters is a remote name");
        RemotePath { folder: Folder::Out, name }
    };
    let (probe, renamed) = (path(PROBE), path(RENAMED));
    found.step = "looking for what a former check left in OUT";
    let removed = remove_both(session, &probe, &renamed).await;
    note(&mut found.left_over, removed)?;
    found.step = "writing to OUT";
    let written = match session.write_and_measure(&probe, &mut &*CONTENT).await {
        Ok(size) if size == CONTENT.len() as u64 => Ok(()),
        Ok(size) => Err(Trouble::GaveUp(format!("{size} bytes are there, {} were written", CONTENT.len()))),
        Err(trouble) => Err(trouble),
    };
    if note(&mut found.written, written)? {
        found.written_at = session.written_at(&probe).await;
        if session.abilities().posix_rename {
            found.step = "renaming in OUT";
            note(&mut found.renamed, session.rename(&probe, &renamed).await)?;
        }
    }
    found.step = "removing from OUT";
    let removed = match remove_both(session, &probe, &renamed).await {
        // It was there just now.
        Ok(false) if matches!(found.written, Some(Ok(()))) => Err(Trouble::Missing),
        removed => removed.map(drop),
    };
    if !matches!((&found.written, &removed), (Some(Err(_)), Ok(()))) {
        note(&mut found.removed, removed)?;
    }
    Ok(())
}

/// Whether one of the two was there.
async fn remove_both(session: &SftpSession, probe: &RemotePath, renamed: &RemotePath) -> Result<bool, Trouble> {
    let mut was_there = false;
    for path in [probe, renamed] {
        match session.remove(path).await {
            Ok(()) => was_there = true,
            Err(Trouble::Missing) => {}
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(was_there)
}

impl SftpSession {
    /// The time that a small question takes; None: it was not answered.
    async fn round_trip(&self) -> Option<Duration> {
        let mut took = Vec::new();
        for _ in 0..ROUND_TRIPS {
            let began = Instant::now();
            match self.wire.ask(self.wire.raw().stat(self.folders.path_of(Folder::Out))).await {
                Ok(_) | Err(Failed::Answered(_)) => took.push(began.elapsed()),
                Err(Failed::NotSent | Failed::Unanswered(_)) => return None,
            }
        }
        took.sort();
        took.get(ROUND_TRIPS / 2).copied()
    }

    /// Bytes that a user like ours may still write there; None: it does not say.
    async fn room_in_out(&self) -> Option<u64> {
        let said = self.wire.ask(self.wire.raw().statvfs(self.folders.path_of(Folder::Out))).await.ok()?;
        said.blocks_avail.checked_mul(said.fragment_size)
    }

    /// When a file was last written, by the server's clock; None: it does not say.
    async fn written_at(&self, path: &RemotePath) -> Option<i64> {
        let said = self.wire.ask(self.wire.raw().lstat(self.folders.path_to(path))).await.ok()?;
        said.attrs.mtime.map(i64::from)
    }
}
