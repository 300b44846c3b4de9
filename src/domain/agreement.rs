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
