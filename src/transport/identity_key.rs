//! The private key that Sluse logs in with: RSA, ECDSA or Ed25519, in OpenSSH's format, PKCS#8 or classic PEM,
//! encrypted or not. What is in the file never appears in an error or a log. Start with [`Identity::read`].

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::{Algorithm, HashAlg, PrivateKey};
use zeroize::Zeroizing;

/// No key file is longer (RSA with 16,384 bits takes 13 KB): what is, is not a key file.
const BYTES_MAX: u64 = 64 * 1024;

/// A private key to log in with. Shown only as its type and its public fingerprint.
#[derive(Clone)]
pub struct Identity(Arc<PrivateKey>);

/// Why there is no key to log in with; the file's name, never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum BadIdentity {
    #[error("cannot read the key file {path}: {why}")]
    Unreadable { path: PathBuf, why: io::Error },
    #[error("{path} holds no private key that can be read here (RSA, ECDSA or Ed25519, as OpenSSH, PKCS#8 or PEM)")]
    NoKey { path: PathBuf },
    #[error("the key in {path} is encrypted, and there is no passphrase for it")]
    Encrypted { path: PathBuf },
    #[error(
        "the key in {path} cannot be decrypted: the passphrase is wrong, or the encryption is an old one \
         (ssh-keygen -p -f writes it anew)"
    )]
    NotDecrypted { path: PathBuf },
    #[error("the key in {path} is of type {found}, expected RSA, ECDSA or Ed25519")]
    WrongType { path: PathBuf, found: String },
}

impl Identity {
    /// Reads a key file. The passphrase is used only if the key is encrypted. Both are wiped from memory.
    pub fn read(path: &Path, passphrase: Option<Zeroizing<String>>) -> Result<Self, BadIdentity> {
        let path = path.to_owned();
        let text = match read_bounded(&path) {
            Ok(text) => text,
            Err(why) => return Err(BadIdentity::Unreadable { path, why }),
        };
        let encrypted = is_encrypted(&text);
        let key = match (encrypted, &passphrase) {
            (Some(true), None) => return Err(BadIdentity::Encrypted { path }),
            (Some(true), Some(passphrase)) => russh::keys::decode_secret_key(&text, Some(passphrase)),
            (Some(false), _) => russh::keys::decode_secret_key(&text, None),
            (None, _) => return Err(BadIdentity::NoKey { path }),
        };
        let key = match key {
            Ok(key) => key,
            Err(_) if encrypted == Some(true) => return Err(BadIdentity::NotDecrypted { path }),
            Err(_) => return Err(BadIdentity::NoKey { path }),
        };
        match key.algorithm() {
            Algorithm::Rsa { .. } | Algorithm::Ecdsa { .. } | Algorithm::Ed25519 => Ok(Self(Arc::new(key))),
            other => Err(BadIdentity::WrongType { path, found: other.to_string() }),
        }
    }

    pub(super) fn key(&self) -> Arc<PrivateKey> {
        Arc::clone(&self.0)
    }

    pub(super) fn is_rsa(&self) -> bool {
        matches!(self.0.algorithm(), Algorithm::Rsa { .. })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.fingerprint(HashAlg::Sha256), self.0.algorithm())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn read_bounded(path: &Path) -> io::Result<Zeroizing<String>> {
    // Room for all of it at once: a buffer that grows would leave its old halves behind unwiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX as usize + 1));
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too long for a key"));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "not text")),
    }
}

/// Whether the key in a key file needs a passphrase; none if this is no key file.
fn is_encrypted(text: &str) -> Option<bool> {
    if text.contains("-----BEGIN OPENSSH PRIVATE KEY-----") {
        return Some(PrivateKey::from_openssh(text).ok()?.is_encrypted());
    }
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Some(true);
    }
    let plain = ["-----BEGIN PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN EC PRIVATE KEY-----"];
    plain.iter().any(|header| text.contains(header)).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Ed25519 key of RFC 8410, section 10.3.
    const PKCS8_ED25519: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";

    fn file_with(text: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn rfc8410_key() -> PrivateKey {
        russh::keys::decode_secret_key(PKCS8_ED25519, None).unwrap()
    }

    #[test]
    fn an_unencrypted_key_is_read_even_if_a_passphrase_is_set() {
        let file = file_with(PKCS8_ED25519.as_bytes());

        let identity = Identity::read(file.path(), Some("unused".to_owned().into())).unwrap();

        assert!(format!("{identity:?}").contains("ssh-ed25519"));
    }

    #[test]
    fn an_encrypted_pkcs8_key_needs_its_passphrase() {
        let mut text = Vec::new();
        russh::keys::encode_pkcs8_pem_encrypted(&rfc8410_key(), b"right", 1000, &mut text).unwrap();
        let file = file_with(&text);

        let without = Identity::read(file.path(), None).unwrap_err();
        let wrong = Identity::read(file.path(), Some("wrong".to_owned().into())).unwrap_err();
        let right = Identity::read(file.path(), Some("right".to_owned().into()));

        assert!(matches!(without, BadIdentity::Encrypted { .. }), "{without}");
        assert!(matches!(wrong, BadIdentity::NotDecrypted { .. }), "{wrong}");
        assert!(right.is_ok());
    }

    #[test]
    fn what_is_no_key_is_named_and_not_shown() {
        let file = file_with(b"-----BEGIN PRIVATE KEY-----\nbm8gc2VjcmV0\n-----END PRIVATE KEY-----\n");

        let trouble = Identity::read(file.path(), None).unwrap_err().to_string();

        assert!(trouble.contains(&file.path().display().to_string()), "{trouble}");
        assert!(!trouble.contains("bm8gc2VjcmV0"), "{trouble}");
        for wrong in [&b""[..], b"ssh-ed25519 AAAA", b"\xff\xfe", &[b'x'; 70_000]] {
            assert!(Identity::read(file_with(wrong).path(), None).is_err());
        }
    }
}
