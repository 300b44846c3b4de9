//! What is left of a payload's hash: keyed, since whoever guesses at a short file could try the plain one. It still tells
//! whether other bytes are the same. Start with [`HashKey`].

use std::fmt;

use sha2::{Digest, Sha256};

use crate::domain::identity::ContentHash;

/// SHA-256 takes in so many bytes at a time.
const BLOCK_BYTES: usize = 64;

/// The store's own key. It shows itself to nobody.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey([u8; 32]);

impl HashKey {
    pub fn new(bytes: [u8; 32]) -> HashKey {
        HashKey(bytes)
    }

    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What is kept of this hash: HMAC-SHA-256 of its 32 bytes. Of nothing at all the plain hash is kept.
    pub fn seal(&self, hash: ContentHash) -> ContentHash {
        if hash == ContentHash::of(&[]) {
            return hash;
        }
        let mut digest = self.digest();
        digest.update(hash.as_bytes());
        digest.finish()
    }

    /// Whether the plain hash `found` is the one that is known, sealed or not.
    pub fn is_same(&self, known: ContentHash, found: ContentHash) -> bool {
        known == found || known == self.seal(found)
    }

    /// HMAC-SHA-256 (RFC 2104) of what is put in.
    pub fn digest(&self) -> KeyedDigest {
        let mut inner = Sha256::new();
        inner.update(self.block(0x36));
        KeyedDigest { inner, outer: self.block(0x5c) }
    }

    fn block(&self, pad: u8) -> [u8; BLOCK_BYTES] {
        let mut block = [pad; BLOCK_BYTES];
        block.iter_mut().zip(self.0).for_each(|(byte, key)| *byte ^= key);
        block
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(…)")
    }
}

/// A keyed digest on its way.
pub struct KeyedDigest {
    inner: Sha256,
    outer: [u8; BLOCK_BYTES],
}

impl KeyedDigest {
    pub fn update(&mut self, bytes: &[u8]) {
        self.inner.update(bytes);
    }

    pub fn finish(self) -> ContentHash {
        let mut outer = Sha256::new();
        outer.update(self.outer);
        outer.update(self.inner.finalize());
        ContentHash::new(outer.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyed_digest_is_hmac_sha_256() {
        // RFC 4231, test case 1, whose key of 20 bytes is the same as one filled up with zeros.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let mut digest = HashKey::new(key).digest();
        digest.update(b"Hi There");

        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(digest.finish().to_string(), expected);
    }

    #[test]
    fn a_sealed_hash_tells_the_same_bytes_from_others_and_shows_neither() {
        let (key, other) = (HashKey::new([1; 32]), HashKey::new([2; 32]));
        let hash = ContentHash::of(b"0707614285");
        let sealed = key.seal(hash);

        assert!(sealed != hash && sealed != other.seal(hash));
        assert!(key.is_same(sealed, hash) && key.is_same(hash, hash));
        assert!(!key.is_same(sealed, ContentHash::of(b"0707614286")) && !other.is_same(sealed, hash));
        assert_eq!(format!("{key:?}"), "HashKey(…)");
    }
}
