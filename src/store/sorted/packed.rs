//! One agreement as bytes, for sorting, for comparing and for lying in a file: what is the same is the same bytes.
//! Start with [`Packed`].

use jiff::civil::Date;

use crate::domain::agreement::{Agreement, Stated};
use crate::domain::amount::Oere;
use crate::domain::person::Cpr;

/// Before the key: the record's number, and how long the key and the rest are.
const HEAD_BYTES: usize = 16;
/// Before the fields without a role: which of the others there are, and each of them.
const SAYS_BYTES: usize = 25;

const HAS_PAYER: u8 = 1;
const HAS_FROM: u8 = 2;
const HAS_TO: u8 = 4;
const HAS_AMOUNT: u8 = 8;

/// One agreement, packed.
#[derive(Clone, Copy)]
pub struct Packed<'a> {
    bytes: &'a [u8],
    key_end: usize,
}

/// A few packed agreements.
#[derive(Default)]
pub struct Packing(Vec<u8>);

impl Packing {
    /// Packs one more, and says where it is.
    pub fn push(&mut self, record: u64, stated: &Stated<'_>) -> usize {
        let at = self.0.len();
        pack(&mut self.0, record, stated);
        at
    }

    /// The same of one that is packed elsewhere.
    pub fn push_packed(&mut self, packed: &Packed<'_>) -> usize {
        let at = self.0.len();
        self.0.extend_from_slice(packed.bytes);
        at
    }

    pub fn at(&self, at: usize) -> Packed<'_> {
        packed_at(&self.0, at)
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Appends a packed agreement.
pub(super) fn pack(to: &mut Vec<u8>, record: u64, stated: &Stated<'_>) {
    let Stated { key, payer, valid_from, valid_to, amount, other } = stated;
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(&record.to_le_bytes());
    // A record has at most ten thousand positions.
    head[8..12].copy_from_slice(&(key.len() as u32).to_le_bytes());
    head[12..].copy_from_slice(&((SAYS_BYTES + other.len()) as u32).to_le_bytes());
    to.extend_from_slice(&head);
    to.extend_from_slice(key.as_bytes());
    let mut says = [0; SAYS_BYTES];
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    says[0] = flag(payer.is_some(), HAS_PAYER)
        | flag(valid_from.is_some(), HAS_FROM)
        | flag(valid_to.is_some(), HAS_TO)
        | flag(amount.is_some(), HAS_AMOUNT);
    says[1..9].copy_from_slice(&payer.map_or(0, Cpr::number).to_le_bytes());
    says[9..13].copy_from_slice(&valid_from.map_or(0, day_number).to_le_bytes());
    says[13..17].copy_from_slice(&valid_to.map_or(0, day_number).to_le_bytes());
    says[17..].copy_from_slice(&amount.map_or(0, |amount| amount.0).to_le_bytes());
    to.extend_from_slice(&says);
    to.extend_from_slice(other.as_bytes());
}

/// The packed agreement that begins here.
pub(super) fn packed_at(bytes: &[u8], at: usize) -> Packed<'_> {
    let (key, total) = lengths(&bytes[at..]).expect("one was packed here");
    Packed { bytes: &bytes[at..at + total], key_end: HEAD_BYTES + key }
}

/// How long the key of the packed agreement that begins here is, and how long it is itself. None: more bytes tell.
pub(super) fn lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let (key, rest) = (number(8)?, number(12)?);
    Some((key, HEAD_BYTES + key + rest))
}

/// The key's first eight bytes as a number that orders as they do.
pub(super) fn key_prefix(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    let length = key.len().min(8);
    first[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(first)
}

/// `CCYYMMDD` as a number.
fn day_number(day: Date) -> i32 {
    i32::from(day.year()) * 10_000 + i32::from(day.month()) * 100 + i32::from(day.day())
}

impl<'a> Packed<'a> {
    pub fn record(&self) -> u64 {
        u64::from_le_bytes(self.array(0))
    }

    pub fn key_bytes(&self) -> &'a [u8] {
        &self.bytes[HEAD_BYTES..self.key_end]
    }

    pub fn key(&self) -> &'a str {
        std::str::from_utf8(self.key_bytes()).expect("a text was packed")
    }

    /// All that it says but its key; the same for whoever says the same.
    pub fn says(&self) -> &'a [u8] {
        &self.bytes[self.key_end..]
    }

    pub fn payer(&self) -> Option<Cpr> {
        let number = u64::from_le_bytes(self.array(self.key_end + 1));
        self.has(HAS_PAYER).then(|| Cpr::from_number(number).expect("one was packed"))
    }

    /// `CCYYMMDD`.
    pub fn valid_from(&self) -> Option<i64> {
        self.has(HAS_FROM).then(|| i64::from(i32::from_le_bytes(self.array(self.key_end + 9))))
    }

    /// `CCYYMMDD`.
    pub fn valid_to(&self) -> Option<i64> {
        self.has(HAS_TO).then(|| i64::from(i32::from_le_bytes(self.array(self.key_end + 13))))
    }

    pub fn amount(&self) -> Option<Oere> {
        self.has(HAS_AMOUNT).then(|| Oere(i64::from_le_bytes(self.array(self.key_end + 17))))
    }

    /// JSON, as in [`Stated::other`].
    pub fn other(&self) -> &'a str {
        std::str::from_utf8(&self.says()[SAYS_BYTES..]).expect("a text was packed")
    }

    /// A copy of its own. None: its other fields are no JSON object of texts.
    pub fn to_agreement(&self) -> Option<Agreement> {
        let day = |number: i64| {
            let (year, day_of_year) = (number.div_euclid(10_000), number.rem_euclid(10_000));
            Date::new(year.try_into().ok()?, (day_of_year / 100) as i8, (day_of_year % 100) as i8).ok()
        };
        let stated = Stated {
            key: self.key(),
            payer: self.payer(),
            valid_from: self.valid_from().and_then(day),
            valid_to: self.valid_to().and_then(day),
            amount: self.amount(),
            other: self.other(),
        };
        stated.to_agreement()
    }

    /// What it is ordered by.
    pub(super) fn place(&self) -> (&'a [u8], u64) {
        (self.key_bytes(), self.record())
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    fn has(&self, flag: u8) -> bool {
        self.bytes[self.key_end] & flag != 0
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.bytes[at..at + N].try_into().expect("so many bytes were packed")
    }
}
