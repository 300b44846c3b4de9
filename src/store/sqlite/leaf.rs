//! The index of last statements as it lies in its table: agreements of one route in the order of their keys, some
//! hundreds to a leaf. With each stands what a comparison asks: where its statement is, whether it has ended, its
//! amount, and a print of all that it says; so an agreement of which nothing changes costs no look at its statement.
//! Start with [`Leaf`].

use sha2::{Digest, Sha256};

use crate::domain::amount::Oere;

/// A leaf is cut in two when it is longer, in bytes.
pub const LEAF_BYTES_MAX: usize = 16 << 10;

/// Bytes before the key: how long it is, and what is known.
const HEAD_BYTES: usize = 4 + 8 + 1 + 8 + PRINT_BYTES;

/// Half of a SHA-256: that two different agreements have the same is out of the question, also on purpose.
const PRINT_BYTES: usize = 16;

const ENDED: u8 = 1;
const HAS_AMOUNT: u8 = 2;

/// What an agreement says, but for its key, in little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print([u8; PRINT_BYTES]);

/// The last statement of one agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last<'a> {
    pub key: &'a [u8],
    /// Of the statement.
    pub number: i64,
    pub is_ended: bool,
    pub amount: Option<Oere>,
    pub print: Print,
}

/// Some agreements' last statements, packed, in order.
#[derive(Default)]
pub struct Leaf {
    bytes: Vec<u8>,
    /// Where each begins.
    places: Vec<usize>,
}

impl Print {
    /// `says` is [`crate::store::Packed::says`].
    pub fn of(says: &[u8]) -> Print {
        let digest: [u8; 32] = Sha256::digest(says).into();
        let (half, _) = digest.split_at(PRINT_BYTES);
        Print(half.try_into().expect("it was split there"))
    }
}

impl Leaf {
    pub fn push(&mut self, last: &Last<'_>) {
        let Last { key, number, is_ended, amount, print } = last;
        self.places.push(self.bytes.len());
        let flags = if *is_ended { ENDED } else { 0 } | if amount.is_some() { HAS_AMOUNT } else { 0 };
        self.bytes.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.bytes.push(flags);
        self.bytes.extend_from_slice(&amount.map_or(0, |amount| amount.0).to_le_bytes());
        self.bytes.extend_from_slice(&print.0);
        self.bytes.extend_from_slice(key);
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    /// Its content cut into pieces of about the same length, none much longer than [`LEAF_BYTES_MAX`], each with its
    /// first key.
    pub fn pieces(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let number = self.bytes.len().div_ceil(LEAF_BYTES_MAX).max(1);
        let length = self.bytes.len().div_ceil(number);
        let mut ends: Vec<usize> = Vec::with_capacity(number);
        for end in self.places.iter().skip(1).copied() {
            if end - ends.last().copied().unwrap_or(0) >= length {
                ends.push(end);
            }
        }
        if !self.is_empty() {
            ends.push(self.bytes.len());
        }
        let mut from = 0;
        ends.into_iter().map(move |end| {
            let piece = &self.bytes[from..end];
            from = end;
            let first = read(piece, 0).map_or(&[][..], |(last, _)| last.key);
            (first, piece)
        })
    }
}

/// Goes through a leaf's bytes. None in it: they are no leaf's.
pub fn lasts(bytes: &[u8]) -> impl Iterator<Item = Option<Last<'_>>> {
    let mut at = Some(0);
    std::iter::from_fn(move || {
        let from = at.filter(|at| *at < bytes.len())?;
        let found = read(bytes, from);
        at = found.map(|(_, next)| next);
        Some(found.map(|(last, _)| last))
    })
}

/// The one that begins here, and where the next one does.
pub fn read(bytes: &[u8], at: usize) -> Option<(Last<'_>, usize)> {
    let head: &[u8; HEAD_BYTES] = bytes.get(at..at + HEAD_BYTES)?.try_into().ok()?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    let next = (at + HEAD_BYTES).checked_add(length)?;
    let flags = head[12];
    let amount = i64::from_le_bytes(head[13..21].try_into().ok()?);
    let last = Last {
        key: bytes.get(at + HEAD_BYTES..next)?,
        number: i64::from_le_bytes(head[4..12].try_into().ok()?),
        is_ended: flags & ENDED != 0,
        amount: (flags & HAS_AMOUNT != 0).then_some(Oere(amount)),
        print: Print(head[21..].try_into().ok()?),
    };
    Some((last, next))
}
