//! What can have happened to an exchange. Facts are all that the journal holds, and all that state is made
//! of. A fact once released keeps its name and meaning; new ones are added. Start with [`Fact`].

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::hold::HoldReason;
use crate::domain::change::ChangeSummary;
use crate::domain::envelope::ReceiptOutcome;
use crate::domain::identity::{ContentHash, DeliveryNumber, FileId, RemoteName, Route, TransferId};
use crate::domain::moment::PaymentMonth;

/// The version written beside each fact of this program.
pub const FACT_VERSION: u32 = 1;

/// One thing that happened to one exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// A query was claimed, copied, read and found fit. Its id and remote name are fixed for good.
    Accepted(Accepted),
    /// A file was claimed and found unfit; it is on its way to `refused/`.
    Unfit(UnfitQuery),
    /// The query waits for a person before it is sent.
    QueryHeld { reasons: Vec<HoldReason> },
    /// All bytes are in OUT and the size there was looked up.
    DataUploaded,
    /// The data was no longer in OUT, or not whole, when the trigger was to be made.
    DataGone,
    /// The trigger lies whole in OUT under a part name of its own; each request was answered.
    TriggerStaged { part: RemoteName },
    /// The trigger cannot be made by rename (the settings, the server); it will be by writing.
    RenameUnavailable { why: String },
    /// From here on the trigger may become visible. Synced before the one request that makes it so.
    TriggerIntended { way: TriggerWay },
    /// The request was answered: the trigger is visible.
    TriggerMade,
    /// Proof that the trigger was not made and never can be by that attempt.
    TriggerNotMade { evidence: String },
    /// The request was sent and nobody knows whether it was carried out.
    Doubted { trouble: String },
    /// Proof, after a doubt, that the trigger was made.
    TriggerFound { evidence: String },
    /// A person settled the doubt.
    Settled { sent: bool, decision: Decision },
    /// A person took the query back before its trigger was intended.
    Withdrawn { decision: Decision },
    /// A person had the query sent again: its bytes are those of exchange `by`, whose [`Accepted`] names this one.
    Retried { by: FileId, decision: Decision },
    /// The hub's receipt for this query.
    ReceiptRead { transfer: TransferId, name: RemoteName, hash: ContentHash, outcome: ReceiptOutcome },
    /// A reply was fetched whole into the archive. For a reply that belongs to no open query this begins a story of its own.
    ReplyFetched(Arrival),
    /// The reply waits for a person, or for a better one where it is unfit.
    ReplyHeld { reasons: Vec<HoldReason>, register_head: u64, summary: Option<ChangeSummary> },
    /// A person approved what was held, having seen this much.
    Approved { decision: Decision, seen: Seen },
    /// A person refused what was held.
    Declined { decision: Decision },
    /// The register holds what the reply says; written in the same transaction.
    Applied { summary: ChangeSummary, delivery: Option<DeliveryNumber>, as_of: Date },
    /// Reply and change list lie in the inbox folder as part files, synced. `folder` is that folder's inode.
    HandOverStaged { reply: String, changes: String, folder: u64 },
    /// The part files were gone before anything was intended: they are staged anew.
    HandOverLost,
    /// From here on the benefit system may have the files. Synced before the renames.
    HandOverIntended,
    /// Reply and change list stood in the inbox under their final names.
    HandedOver,
    /// The command of the settings ran. It may run again after a crash.
    CommandRan { exit: Option<i32> },
    /// The far side was tidied; `left` are names that could not be removed there.
    Tidied { left: Vec<String> },
    /// The store was put back from a backup, and what happened here since is not known: what may have been sent or handed
    /// over waits for a person, or for a receipt or a reply that proves it.
    StoreRestored,
    /// A refused or withdrawn file lies in `refused/` with a sentence beside it, or a refused reply is off the far side.
    SetAside,
}

/// How the trigger becomes visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum TriggerWay {
    /// By one posix-rename from this part name, which no other attempt ever uses.
    Rename { part: RemoteName },
    /// By writing it under its final name.
    Write,
}

/// A query as it was when it was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    pub route: Route,
    /// The file's name in the outbox, characters that are not printable replaced.
    pub original_name: String,
    /// The original's name in the spool. A retry has none there.
    pub spool_name: String,
    /// Of a retry: that of the original of the exchange that it retries.
    pub original: OriginalStamp,
    pub remote_name: RemoteName,
    /// Bytes.
    pub size: u64,
    pub hash: ContentHash,
    pub delivery: DeliveryNumber,
    pub payment_date: Date,
    pub payment_month: PaymentMonth,
    /// The exchange that this one retries. None: it came from an outbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<FileId>,
}

/// What tells whether the claimed original is still the file that was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginalStamp {
    pub device: u64,
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Last change of the content, microseconds since 1970 UTC.
    pub modified_micros: i64,
}

/// A file that was claimed and cannot be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnfitQuery {
    pub route: Route,
    pub original_name: String,
    pub spool_name: String,
    /// Bytes, of the original where it was too large to be copied.
    pub size: u64,
    /// Of the copy; of nothing where the original was too large to be copied.
    pub hash: ContentHash,
    /// The rule it broke, in a sentence without personal data.
    pub finding: String,
}

/// A reply as it was fetched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrival {
    pub route: Route,
    pub transfer: TransferId,
    pub name: RemoteName,
    /// Bytes.
    pub size: u64,
    pub hash: ContentHash,
    /// The delivery number of its start record; None where it has none or cannot be read.
    pub delivery: Option<DeliveryNumber>,
    pub belongs: Belongs,
}

/// Why a reply was taken to belong where it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Belongs {
    /// It echoes the query's delivery number.
    Delivery,
    /// It is the first reply for that municipality after the query, and no more is known.
    Order,
    /// No query waits for it.
    Unasked,
    /// Its query already has a reply.
    Second { to: FileId },
    /// A person gave up the wait for the reply of the query that it answers, or that comes first of those it may answer.
    GivenUp { of: FileId },
    /// Its transfer id was used before, for other bytes.
    ReusedTransfer { of: FileId },
}

/// Who decided, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// `uid 1000` as the kernel tells it.
    pub who: String,
    pub reason: String,
}

/// What a decision was made on: it is void when this has moved on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Of the held reply; None for a held query.
    pub reply: Option<ContentHash>,
    /// The route's register: the journal number of the last applied reply, 0 for none.
    pub register_head: u64,
}
