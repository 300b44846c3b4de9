//! What UDK Debitor has counted, marked and sent: one JSON file that a test can read. It holds no
//! personal data. Start with [`Ledger`].

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::folders::{FolderTrouble, trouble};
use crate::domain::amount::Oere;
use crate::domain::identity::{ContentHash, DeliveryNumber, RemoteName, TransferId, UserName};
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;

/// A number per municipality and payment date.
pub type PerPayment = BTreeMap<MunicipalityCode, BTreeMap<Date, u64>>;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Queries that arrived. More than one for a payment date is what must never happen unasked.
    pub counted: PerPayment,
    /// Agreements that were marked as "a payment is to be expected", summed over the queries.
    pub marked: PerPayment,
    /// Every query that could be read, in the order of arrival.
    pub queries: Vec<CountedQuery>,
    /// Every reply that was sent.
    pub replies: Vec<SentReply>,
    /// Files that were no query.
    pub unfit: Vec<UnfitFile>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CountedQuery {
    pub transfer: TransferId,
    pub senders_file_id: Option<String>,
    pub from: UserName,
    pub name: RemoteName,
    pub municipality: MunicipalityCode,
    /// The start record's.
    pub date: Date,
    pub delivery: DeliveryNumber,
    pub payment_date: Date,
    /// Which of its municipality's queries it is, from 1, and which page of the book answers it.
    pub round: u32,
    pub at: Moment,
    pub answer: Answer,
}

/// What became of a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Answer {
    Owed,
    Sent {
        name: RemoteName,
    },
    /// There is no such reply by the layout.
    Impossible {
        why: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SentReply {
    pub name: RemoteName,
    pub to: UserName,
    pub municipality: MunicipalityCode,
    pub round: u32,
    /// Of the bytes that were sent.
    pub sha256: ContentHash,
    /// Agreements in it.
    pub count: u64,
    /// Of their amounts, in øre.
    pub sum: Oere,
    pub at: Moment,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnfitFile {
    pub transfer: TransferId,
    pub name: RemoteName,
    pub why: String,
    pub at: Moment,
}

impl Ledger {
    /// Reads a ledger; that there is none yet is an empty one. Errors: it cannot be read, or is no ledger.
    pub fn read(path: &Path) -> Result<Ledger, FolderTrouble> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| trouble("understand", path)(error.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Ledger::default()),
            Err(error) => Err(trouble("read", path)(error)),
        }
    }

    /// Writes it whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), FolderTrouble> {
        let part = path.with_extension("json.part");
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| trouble("compose", path)(error.into()))?;
        fs::write(&part, bytes).map_err(trouble("write", &part))?;
        fs::rename(&part, path).map_err(trouble("put", path))
    }

    /// Has this transfer been taken note of?
    pub fn knows(&self, transfer: TransferId) -> bool {
        self.queries.iter().any(|query| query.transfer == transfer)
            || self.unfit.iter().any(|file| file.transfer == transfer)
    }

    /// How many queries a municipality has sent so far.
    pub fn round(&self, municipality: MunicipalityCode) -> u32 {
        let counted = self.counted.get(&municipality).map_or(0, |dates| dates.values().sum());
        u32::try_from(counted).unwrap_or(u32::MAX)
    }

    /// Counts a query, and the agreements that it marks.
    pub fn count(&mut self, query: CountedQuery, agreements: u64) {
        let add = |numbers: &mut PerPayment, more| {
            *numbers.entry(query.municipality).or_default().entry(query.payment_date).or_default() += more;
        };
        add(&mut self.counted, 1);
        add(&mut self.marked, agreements);
        self.queries.push(query);
    }
}
