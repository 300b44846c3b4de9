//! A withholding agreement as a reply's detail record states it: who pays how much from when to when.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::amount::Oere;
use super::person::Cpr;

/// What tells one agreement of a municipality from another: the layout's key fields as written, joined
/// by `|` where there are several. Personal data: it stays out of logs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AgreementKey(pub String);

/// One agreement as a record states it, borrowed: what is read a million times in one reply is not copied each time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stated<'a> {
    /// As in [`AgreementKey`].
    pub key: &'a str,
    pub payer: Option<Cpr>,
    pub valid_from: Option<Date>,
    pub valid_to: Option<Date>,
    pub amount: Option<Oere>,
    /// The fields without a role, as a JSON object with its names in order, written as [`other_json`] does: the same
    /// fields are always the same text.
    pub other: &'a str,
}

/// One agreement. A role that the layout does not give is None.
#[derive(Clone, PartialEq, Eq)]
pub struct Agreement {
    pub key: AgreementKey,
    pub payer: Option<Cpr>,
    /// First day; None: the layout has none, or it is open.
    pub valid_from: Option<Date>,
    /// Last day; None: open.
    pub valid_to: Option<Date>,
    pub amount: Option<Oere>,
    /// Fields without a role, by the layout's names, trimmed of padding. Kept as they are.
    pub other: BTreeMap<String, String>,
}

impl Stated<'_> {
    /// A copy of its own. None: `other` is no such object.
    pub fn to_agreement(&self) -> Option<Agreement> {
        Some(Agreement {
            key: AgreementKey(self.key.to_owned()),
            payer: self.payer,
            valid_from: self.valid_from,
            valid_to: self.valid_to,
            amount: self.amount,
            other: serde_json::from_str(self.other).ok()?,
        })
    }
}

impl Agreement {
    /// The same, as a record would state it. `other` is [`other_json`] of its fields.
    pub fn stated<'a>(&'a self, other: &'a str) -> Stated<'a> {
        Stated {
            key: &self.key.0,
            payer: self.payer,
            valid_from: self.valid_from,
            valid_to: self.valid_to,
            amount: self.amount,
            other,
        }
    }
}

/// Fields without a role as a JSON object.
pub fn other_json(other: &BTreeMap<String, String>) -> String {
    serde_json::to_string(other).expect("a map of texts is a JSON object")
}
