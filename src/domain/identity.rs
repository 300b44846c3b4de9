//! The names that things go by: exchanges, routes, files, users, transfers, contents. Each is checked
//! once, where it enters; after that nobody checks again. No name here can leave its folder.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::municipality::MunicipalityCode;

/// The identity of one exchange, and what the hub calls `SendersFileId`: our own UUID, decided and made
/// durable before the first byte is sent, the same on every attempt. Lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileId(Uuid);

/// The hub's `FileTransferUUID`. A receipt may carry the id of the transfer that it is about, so it is
/// unique only together with its kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransferId(Uuid);

macro_rules! uuid_identity {
    ($name:ident) => {
        impl $name {
            pub fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}
uuid_identity!(FileId);
uuid_identity!(TransferId);

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not {expected}")]
pub struct BadName {
    found: String,
    expected: &'static str,
}

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(BadName { found: text.chars().take(80).collect(), expected: $expected })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

text_name!(
    /// The name of a file in a folder of the far side: 1 to 255 printable ASCII characters, no slash,
    /// no leading dot. It cannot name anything outside its folder.
    RemoteName,
    "a file name (1 to 255 printable ASCII characters, no slash, no leading dot)",
    |text| (1..=255).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'/' && b != b'\\')
);

text_name!(
    /// The SFTP user of an IT system, such as `KY_SIMPELSFTP` or `UDK_DEBITOR`.
    UserName,
    "an SFTP user (1 to 255 characters out of A-Z, a-z, 0-9, _, - and .)",
    |text| (1..=255).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
);

text_name!(
    /// The name of an exchange in the settings, such as `sf2530`.
    ExchangeName,
    "an exchange's name (1 to 32 characters out of a-z, 0-9 and -)",
    |text| is_short_name(text)
);

text_name!(
    /// The name of an endpoint in the settings, such as `serviceplatformen`.
    EndpointName,
    "an endpoint's name (1 to 32 characters out of a-z, 0-9 and -)",
    |text| is_short_name(text)
);

fn is_short_name(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl RemoteName {
    /// This name with something behind it, such as `.trigger`. Errors: longer than 255 characters.
    pub fn with_suffix(&self, suffix: &str) -> Result<RemoteName, BadName> {
        format!("{}{suffix}", self.0).parse()
    }
}

/// One exchange of one municipality: what shares no trouble with any other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Route {
    pub exchange: ExchangeName,
    pub municipality: MunicipalityCode,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.exchange, self.municipality)
    }
}

/// SHA-256 of some content, in lower-case hexadecimal where it is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    pub fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The hash of bytes that are already in memory.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::{Digest, Sha256};
        Self(Sha256::digest(bytes).into())
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 digits, enough for a person to tell two contents apart.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for ContentHash {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bad = || BadName { found: text.chars().take(80).collect(), expected: "a SHA-256 in hexadecimal" };
        let mut digest = [0; 32];
        // The library's own reading takes a sign for a digit.
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(digest))
    }
}

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> String {
        hash.to_string()
    }
}

/// The number that a start record gives its delivery, 0 to 99,999,999; it orders deliveries, where a
/// clock could lie, and the reply echoes the query's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryNumber(pub u32);

impl fmt::Display for DeliveryNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_remote_name_can_leave_its_folder() {
        for wrong in ["", ".", "..", "a/b", "../x", ".hidden", "a\\b", "a\nb", "æ", &"x".repeat(256)] {
            assert!(wrong.parse::<RemoteName>().is_err(), "{wrong:?}");
        }
        assert!("BETADM_FORESP_0751_20261201_0042.txt".parse::<RemoteName>().is_ok());
    }

    #[test]
    fn a_hash_reads_back_what_it_writes() {
        let hash = ContentHash::of(b"abc");

        assert!(hash.to_string().starts_with("ba7816bf8f01"));
        assert_eq!(ContentHash::try_from(hash.to_string()), Ok(hash));
        assert!(ContentHash::try_from("é".repeat(32)).is_err());
        assert!(ContentHash::try_from("+1".repeat(32)).is_err());
    }
}
