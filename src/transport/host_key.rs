//! Which server we believe: the fingerprints of its host keys, pinned in the settings. A key is never trusted
//! because it was seen first. Start with [`HostKeyPin`].

use std::fmt;
use std::str::FromStr;

use russh::keys::ssh_key::Fingerprint;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey};

/// The fingerprint of a host key that is believed, as `ssh-keygen -lf` prints it: `SHA256:` and the 32 bytes
/// in base64 without padding. Several may be pinned: a new key beside the old one prepares a rotation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HostKeyPin(Fingerprint);

/// Why a text is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a host key's fingerprint (SHA256: and 43 characters, as ssh-keygen -lf prints it)")]
pub struct BadHostKeyPin {
    found: String,
}

impl HostKeyPin {
    /// The fingerprint of a key that a server showed.
    pub(super) fn of(key: &PublicKey) -> Self {
        Self(key.fingerprint(HashAlg::Sha256))
    }
}

impl FromStr for HostKeyPin {
    type Err = BadHostKeyPin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(fingerprint @ Fingerprint::Sha256(_)) => Ok(Self(fingerprint)),
            _ => Err(BadHostKeyPin { found: text.chars().take(80).collect() }),
        }
    }
}

impl fmt::Display for HostKeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for HostKeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A family of host keys of which a server has at most one. A pin does not tell its key's family, and a server
/// shows the one key that both sides like best, so the families are asked for until the pinned key is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyFamily {
    Ed25519,
    EcdsaP256,
    EcdsaP384,
    EcdsaP521,
    Rsa,
}

impl KeyFamily {
    /// All that we can verify, best first.
    pub(super) const ALL: [KeyFamily; 5] =
        [KeyFamily::Ed25519, KeyFamily::EcdsaP256, KeyFamily::EcdsaP384, KeyFamily::EcdsaP521, KeyFamily::Rsa];

    /// What to offer in the handshake. RSA with SHA-2 only: a SHA-1 signature proves nothing any more.
    pub(super) fn algorithms(self) -> &'static [Algorithm] {
        match self {
            KeyFamily::Ed25519 => &[Algorithm::Ed25519],
            KeyFamily::EcdsaP256 => &[Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }],
            KeyFamily::EcdsaP384 => &[Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 }],
            KeyFamily::EcdsaP521 => &[Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 }],
            KeyFamily::Rsa => {
                &[Algorithm::Rsa { hash: Some(HashAlg::Sha512) }, Algorithm::Rsa { hash: Some(HashAlg::Sha256) }]
            }
        }
    }

    /// The family of a key that a server showed; none for one that was never offered.
    pub(super) fn of(key: &PublicKey) -> Option<Self> {
        match key.algorithm() {
            Algorithm::Ed25519 => Some(KeyFamily::Ed25519),
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 } => Some(KeyFamily::EcdsaP256),
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 } => Some(KeyFamily::EcdsaP384),
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 } => Some(KeyFamily::EcdsaP521),
            Algorithm::Rsa { .. } => Some(KeyFamily::Rsa),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "SHA256:Nh0Me49Zh9fDw/VYUfq43IJmI1T+XrjiYONPND8GzaM";

    #[test]
    fn a_pin_reads_what_ssh_keygen_prints_and_prints_it_again() {
        let pin: HostKeyPin = PRINTED.parse().unwrap();

        assert_eq!(pin.to_string(), PRINTED);
    }

    #[test]
    fn only_32_bytes_in_base64_without_padding_are_a_pin() {
        for wrong in [
            "",
            "SHA256:",
            "Nh0Me49Zh9fDw/VYUfq43IJmI1T+XrjiYONPND8GzaM",
            "sha256:Nh0Me49Zh9fDw/VYUfq43IJmI1T+XrjiYONPND8GzaM",
            "SHA256:Nh0Me49Zh9fDw/VYUfq43IJmI1T+XrjiYONPND8GzaM=",
            "SHA256:Nh0Me49Zh9fDw/VYUfq43IJmI1T+XrjiYONPND8Gza",
            "SHA256:Nh0Me49Zh9fDw/VYUfq43IJmI1T+XrjiYONPND8GzaMA",
            " SHA256:Nh0Me49Zh9fDw/VYUfq43IJmI1T+XrjiYONPND8GzaM",
            "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
            "SHA512:7eeUDWDqsAdyBdjmzOLzc5MVoiD4p+7S7z8ZQd6jTjrBdfhCSjXmLHtKhIbyMhCoZrBmPdzLZWZmdHZzVwZmAA",
        ] {
            assert!(wrong.parse::<HostKeyPin>().is_err(), "{wrong:?}");
        }
    }
}
