//! The far side behind an SFTP server. Every answer, and every missing one, is classified here into a
//! [`Trouble`]; no error of the libraries below travels past this room. Nothing is retried, nothing is trusted
//! at first sight, and a session that ends leaves no task and no socket behind. Start with [`SftpEndpoint`].

mod copy;
mod cut;
mod dial;
mod doorkeeper;
mod flight;
mod pace;
pub mod probe;
mod put;
mod session;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Mutex;
use std::time::Duration;

use super::host_key::{HostKeyPin, KeyFamily};
use super::identity_key::Identity;
use super::{Connect, Trouble};
use crate::domain::identity::UserName;

pub use session::SftpSession;

/// Where an SFTP server is, how we know it, and who we are there.
#[derive(Clone, Debug)]
pub struct SftpSettings {
    /// A name or an address.
    pub host: String,
    pub port: u16,
    pub user: UserName,
    pub identity: Identity,
    /// The host keys that are believed. Without any, no server is.
    pub host_keys: Vec<HostKeyPin>,
    /// The folder that we send into, as the server knows it; a relative one begins where the login lands.
    pub out: String,
    /// The folder that we receive from.
    pub r#in: String,
    pub deadlines: Deadlines,
}

/// How long each step may take. What is not done by then is given up, and the session with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Finding the address and opening the TCP connection. 10 s: three lost SYNs (1 + 2 + 4 s) and an answer.
    pub connect: Duration,
    /// Agreeing on keys. 20 s: three round trips and a loaded server's arithmetic.
    pub handshake: Duration,
    /// Logging in. 20 s: the server may ask a directory of its own for the key.
    pub authentication: Duration,
    /// Each single request, from when it is queued. 60 s: 4 MiB ahead of it on a link of 70 kB/s, or a slow sync.
    pub request: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(20),
            authentication: Duration::from_secs(20),
            request: Duration::from_secs(60),
        }
    }
}

/// Makes sessions with one SFTP server.
#[derive(Debug)]
pub struct SftpEndpoint {
    settings: SftpSettings,
    /// The family of the host key that was accepted last, to be asked for first: otherwise a server that prefers
    /// a key that is not pinned would cost two connections each time.
    accepted: Mutex<Option<KeyFamily>>,
}

impl SftpEndpoint {
    pub fn new(settings: SftpSettings) -> Self {
        Self { settings, accepted: Mutex::new(None) }
    }
}

impl Connect for SftpEndpoint {
    type Session = SftpSession;

    async fn connect(&self) -> Result<SftpSession, Trouble> {
        let last = self.accepted.lock().map_or(None, |accepted| *accepted);
        let mut key = None;
        let session = dial::session(&self.settings, last, &mut key).await?;
        if let Ok(mut accepted) = self.accepted.lock() {
            *accepted = key.map(|key| key.family);
        }
        Ok(session)
    }
}
