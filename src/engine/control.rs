//! What the commands and the engine say to each other, one JSON value a line: over the control socket while the
//! daemon runs, by a function call when it does not. A request is one line; the answer is one line, or for the register one
//! per agreement and a last one.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::decide::Ask;
use super::retention::{HoldAsk, Plan};
use super::retry::{RetryAsk, RetryLine};
use super::snapshot::{ExchangeLine, GateReport, HeldItem, Snapshot, Story};
use crate::domain::amount::Oere;
use crate::domain::change::Change;
use crate::domain::identity::{DeliveryNumber, ExchangeName, FileId};
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;
use crate::domain::retention::LegalHold;
use crate::outbox::Waiting;
use crate::store::removal::Removed;

/// A request is never longer, in bytes.
pub const REQUEST_BYTES_MAX: u64 = 64 << 10;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    Status,
    /// A file's name here or there, an id or its beginning, or a municipality's code (its open stories and its latest).
    Explain {
        what: String,
    },
    /// Every exchange of a municipality, one line each.
    List {
        municipality: MunicipalityCode,
    },
    Held,
    /// Whether a payment can go by the register.
    Gate {
        payment_date: Date,
    },
    Decide(Ask),
    /// Queries that came to nothing are sent again, each as a new exchange.
    Retry(RetryAsk),
    Query {
        exchange: Option<ExchangeName>,
        municipality: MunicipalityCode,
        payment_date: Date,
    },
    Register(RegisterRequest),
    /// What is older than is kept: what would go, or that it goes now.
    Retention {
        now: bool,
    },
    /// A legal hold is put on something, or lifted.
    HoldByLaw(HoldAsk),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RegisterRequest {
    pub exchange: Option<ExchangeName>,
    pub municipality: Option<MunicipalityCode>,
    pub valid_on: Option<Date>,
    pub known_at: Option<Moment>,
    /// Why CPR numbers are to be shown in full; None: masked.
    pub full: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Status(Snapshot),
    /// Every story that matches, oldest first; empty: nothing matches.
    Explained {
        stories: Vec<Story>,
        /// Files of that name that wait in an outbox.
        #[serde(default)]
        waiting: Vec<Waiting>,
    },
    /// Oldest first.
    Listed {
        exchanges: Vec<ExchangeLine>,
    },
    Held {
        items: Vec<HeldItem>,
    },
    Gate(GateReport),
    Decided {
        id: FileId,
        state: String,
        next: String,
    },
    /// What became of each exchange that was to be retried, in the order of the selection.
    Retried {
        lines: Vec<RetryLine>,
    },
    /// A query lies in the outbox under this path.
    Composed {
        path: String,
    },
    Agreement(RegisterLine),
    /// The last line of a register.
    Agreements {
        count: u64,
        /// By which reply each route stands; told where one municipality was asked for, or nothing came.
        #[serde(default)]
        standing: Vec<Standing>,
    },
    /// What would go, and what keeps the rest.
    Retention {
        plan: Plan,
    },
    /// What has gone just now.
    Removed {
        removed: Removed,
    },
    /// The legal holds that are in force now.
    Holds {
        holds: Vec<LegalHold>,
    },
    /// Why not, in a sentence.
    Refused {
        why: String,
    },
    /// Why what was asked for cannot be: a mistake of usage.
    Mistaken {
        why: String,
    },
}

/// The last reply of a route that the register holds, or held at the moment that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub exchange: ExchangeName,
    pub municipality: MunicipalityCode,
    /// None: it had none that could be read.
    pub delivery: Option<DeliveryNumber>,
    /// The day that the reply speaks of.
    pub as_of: Date,
    /// When it came into the register.
    pub known_at: Moment,
}

/// One agreement as the register answers; `payer` is masked unless the whole was asked for.
#[derive(Clone, Serialize, Deserialize)]
pub struct RegisterLine {
    pub exchange: ExchangeName,
    pub municipality: MunicipalityCode,
    pub agreement: String,
    pub payer: Option<String>,
    pub valid_from: Option<Date>,
    pub valid_to: Option<Date>,
    pub amount_oere: Option<Oere>,
    pub other: std::collections::BTreeMap<String, String>,
    pub known_at: Moment,
    pub change: Change,
}

impl std::fmt::Debug for RegisterLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RegisterLine({}/{})", self.exchange, self.municipality)
    }
}
