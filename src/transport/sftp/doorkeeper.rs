//! What the SSH library asks us while it is connected: whether the host key is the right one. Nothing passes that
//! is not pinned. Start with [`Doorkeeper`].

use std::sync::{Arc, OnceLock};

use russh::client::{self, DisconnectReason};
use russh::keys::PublicKeyOrCertificate;

use super::wire::fit_for_a_line;
use crate::transport::ShownHostKey;
use crate::transport::host_key::{HostKeyPin, KeyFamily};

/// Lets only pinned host keys pass, and keeps what the server says when it hangs up.
pub(super) struct Doorkeeper {
    pub(super) pins: Vec<HostKeyPin>,
    /// The key that passed.
    pub(super) accepted: Arc<OnceLock<Accepted>>,
    pub(super) farewell: Arc<OnceLock<String>>,
}

/// A host key that is pinned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    pub(super) family: KeyFamily,
    pub(super) pin: HostKeyPin,
}

/// Why the library's task ended.
#[derive(Debug)]
pub(super) enum NotPinnedOr {
    /// The key that the server showed, for a person; its family, if it is one that we ask for.
    NotPinned {
        shown: ShownHostKey,
        family: Option<KeyFamily>,
    },
    Ssh(russh::Error),
}

impl From<russh::Error> for NotPinnedOr {
    fn from(why: russh::Error) -> Self {
        NotPinnedOr::Ssh(why)
    }
}

impl client::Handler for Doorkeeper {
    type Error = NotPinnedOr;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, NotPinnedOr> {
        // Certificates are never asked for.
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        let (fingerprint, family) = (HostKeyPin::of(key), KeyFamily::of(key));
        match family {
            Some(family) if self.pins.contains(&fingerprint) => {
                let _ = self.accepted.set(Accepted { family, pin: fingerprint });
                Ok(true)
            }
            _ => {
                let shown =
                    ShownHostKey { fingerprint: fingerprint.to_string(), algorithm: key.algorithm().to_string() };
                Err(NotPinnedOr::NotPinned { shown, family })
            }
        }
    }

    async fn disconnected(&mut self, reason: DisconnectReason<NotPinnedOr>) -> Result<(), NotPinnedOr> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                let _ = self.farewell.set(fit_for_a_line(&info.message));
                Ok(())
            }
            DisconnectReason::Error(why) => Err(why),
        }
    }
}
