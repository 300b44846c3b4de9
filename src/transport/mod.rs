//! The far side as a few verbs, and [`Trouble`]: what may be concluded when one of them fails. SFTP
//! stands behind it in [`sftp`]; the engine knows only this file. Nothing here retries: who asks decides.

pub mod host_key;
pub mod identity_key;
pub mod sftp;

use std::fmt;
use std::future::Future;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::domain::identity::RemoteName;

/// A file on the far side: one of the two folders, and a name in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemotePath {
    pub folder: Folder,
    pub name: RemoteName,
}

/// Our two folders there; what they are called is the endpoint's setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Folder {
    Out,
    In,
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = match self.folder {
            Folder::Out => "OUT",
            Folder::In => "IN",
        };
        write!(f, "{folder}/{}", self.name)
    }
}

/// One regular file of a listing. What is no regular file, or has a name that is no [`RemoteName`], is
/// only counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub name: RemoteName,
    /// Bytes.
    pub size: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub files: Vec<Listed>,
    /// Entries that were passed over: not regular files, names that are not ours to read.
    pub passed_over: u64,
}

/// What the server can do beyond the plain protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// posix-rename@openssh.com: one atomic step.
    pub posix_rename: bool,
    /// fsync@openssh.com
    pub fsync: bool,
}

/// A host key as a server showed it: `SHA256:… (ssh-ed25519)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownHostKey {
    /// As the settings have it, and as `ssh-keygen -lf` prints it.
    pub fingerprint: String,
    pub algorithm: String,
}

impl fmt::Display for ShownHostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.fingerprint, self.algorithm)
    }
}

/// What may be concluded from a failure. Each is decided once, where the request was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The request never reached the connection: it was not carried out and never will be.
    #[error("far side not reachable: {0}")]
    Unreachable(String),
    /// The request was sent and no answer came: it may have been carried out, or may be, even later.
    #[error("no answer from the far side, so the outcome is unknown: {0}")]
    Uncertain(String),
    /// The server answered that it did not do it.
    #[error("the far side refused: {0}")]
    Refused(String),
    /// The server answered that there is no such file, and that the folder it would be in is there. (A
    /// folder that is gone for a while would otherwise pass for files that were taken.)
    #[error("no such file on the far side")]
    Missing,
    /// A bound of ours was passed (a file or a listing too large), or our own side of the copy failed.
    #[error("gave up: {0}")]
    GaveUp(String),
    /// The server showed only host keys that are not pinned; nothing was sent to it. Either it is not the
    /// server we mean, or its key was changed: a person has to ask its operator.
    #[error(
        "the server shows another host key than the settings have, and nothing was sent to it: found {}, pinned {}. Ask the \
         operator of the far side, by telephone, whether the found one is its new key; if so, it goes into host_keys beside \
         the old one",
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "), pinned.join(", ")
    )]
    HostKey {
        /// Every key that it showed.
        found: Vec<ShownHostKey>,
        /// The fingerprints in the settings.
        pinned: Vec<String>,
    },
    /// The server is the right one, but it does not let us in. A person has to settle it with its operator.
    #[error("login refused: {0}")]
    Login(String),
}

impl Trouble {
    /// Whether the session on which it came is not to be trusted any more.
    pub fn ends_trust(&self) -> bool {
        match self {
            Trouble::Refused(_) | Trouble::Missing | Trouble::GaveUp(_) => false,
            Trouble::Unreachable(_) | Trouble::Uncertain(_) | Trouble::HostKey { .. } | Trouble::Login(_) => true,
        }
    }

    /// Whether waiting cannot help: the settings, or the other side's, must change first.
    pub fn needs_a_person(&self) -> bool {
        match self {
            Trouble::HostKey { .. } | Trouble::Login(_) => true,
            Trouble::Unreachable(_)
            | Trouble::Uncertain(_)
            | Trouble::Refused(_)
            | Trouble::Missing
            | Trouble::GaveUp(_) => false,
        }
    }

    /// What it means for a write that is done: `Refused` or `Unreachable` would say that nothing was written.
    fn once_written(self) -> Trouble {
        match self {
            Trouble::Refused(why) => Trouble::GaveUp(format!("it was written, but its size is refused: {why}")),
            Trouble::Unreachable(why) => {
                Trouble::Uncertain(format!("it was written, but its size is not known: {why}"))
            }
            trouble => trouble,
        }
    }
}

/// A session on the far side. After `Unreachable` or `Uncertain` the session is spent: drop it and
/// connect anew. Every request has a deadline inside, and a copy a least pace, below which the session is given
/// up; no future here waits for ever, unless the caller's own source or sink does. Requests of several tasks may be in flight at once. A `list`, `read` or `write`
/// that is dropped half-way spends the session, too.
pub trait FarSide: Send + Sync + 'static {
    fn abilities(&self) -> Abilities;

    /// All files of a folder, at most `at_most` (more, or a listing that goes on without naming any: `GaveUp`). The
    /// listing has a deadline as a whole, too.
    fn list(&self, folder: Folder, at_most: usize) -> impl Future<Output = Result<Listing, Trouble>> + Send;

    /// The size in bytes of a regular file.
    fn size(&self, path: &RemotePath) -> impl Future<Output = Result<u64, Trouble>> + Send;

    /// Copies a file's bytes into `sink` and returns how many; longer than `at_most` bytes: `GaveUp`.
    fn read<W>(
        &self,
        path: &RemotePath,
        at_most: u64,
        sink: &mut W,
    ) -> impl Future<Output = Result<u64, Trouble>> + Send
    where
        W: AsyncWrite + Unpin + Send;

    /// Makes the file if need be and writes all bytes of `source` from its beginning, **without
    /// truncating**: a late repetition of the same write changes nothing. Waits until all is answered
    /// and the file closed; synced where the server can. `Unreachable`: the OPEN was never sent.
    /// `Refused`: the OPEN was answered with an error, nothing was written. Any failure after a good OPEN is
    /// `Uncertain`, whatever the server said.
    fn write<R>(&self, path: &RemotePath, source: &mut R) -> impl Future<Output = Result<u64, Trouble>> + Send
    where
        R: AsyncRead + Unpin + Send;

    /// [`FarSide::write`], and then the size in bytes of what is there: more than was written, where something longer was
    /// there before. `GaveUp`: it was written, and its size is not to be had.
    fn write_and_measure<R>(
        &self,
        path: &RemotePath,
        source: &mut R,
    ) -> impl Future<Output = Result<u64, Trouble>> + Send
    where
        R: AsyncRead + Unpin + Send,
    {
        async {
            self.write(path, source).await?;
            self.size(path).await.map_err(Trouble::once_written)
        }
    }

    /// One posix-rename request, which replaces what `to` names. `Refused`: nothing happened, or the server
    /// cannot (see [`Abilities`]) and was not asked. `Missing`: there is no `from`.
    fn rename(&self, from: &RemotePath, to: &RemotePath) -> impl Future<Output = Result<(), Trouble>> + Send;

    fn remove(&self, path: &RemotePath) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Ends the session. Nothing of it is left running.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// Makes sessions with one endpoint.
pub trait Connect: Send + Sync + 'static {
    type Session: FarSide;

    /// A new session, or why there is none (never `Uncertain`, `Missing` or `GaveUp`). Bounded by deadlines.
    fn connect(&self) -> impl Future<Output = Result<Self::Session, Trouble>> + Send;
}
