//! What the hub does wrong: with the answer to one query, each wrong thing of its own kind. Start with [`Mischief`];
//! [`Mischiefs`] says at which query.

use std::collections::VecDeque;
use std::time::Duration;

use sluse::domain::envelope::{ReceiptOutcome, SendersFileId};
use sluse::domain::identity::{DeliveryNumber, FileId, RemoteName, TransferId};
use sluse::domain::municipality::MunicipalityCode;
use sluse::domain::query::Query;
use tokio::time::Instant;

use super::fault::Dice;
use super::hub::{Counted, Delivery, Hub, Written};

/// What goes wrong with the answer to one query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mischief {
    ReplyLost,
    ReceiptLost,
    ReceiptTwice,
    /// The query is rejected, and never reaches UDK.
    ErrorReceipt,
    ReplyBeforeReceipt,
    /// The reply holds another municipality's records. Two in a row: theirs are swapped.
    Swapped,
    /// One more that nobody has asked for.
    Unasked,
    /// The reply is put once more, long after it was fetched.
    OldAgain,
    /// One more with the same transfer id and other bytes.
    ReusedTransfer,
    MetadataLongBeforeData,
    DataLongBeforeMetadata,
    /// The metadata never comes.
    DataAlone,
    /// The data never comes.
    MetadataAlone,
    /// Files for others, one with a name like ours.
    Foreign,
}

pub const MISCHIEFS: [Mischief; 14] = [
    Mischief::ReplyLost,
    Mischief::ReceiptLost,
    Mischief::ReceiptTwice,
    Mischief::ErrorReceipt,
    Mischief::ReplyBeforeReceipt,
    Mischief::Swapped,
    Mischief::Unasked,
    Mischief::OldAgain,
    Mischief::ReusedTransfer,
    Mischief::MetadataLongBeforeData,
    Mischief::DataLongBeforeMetadata,
    Mischief::DataAlone,
    Mischief::MetadataAlone,
    Mischief::Foreign,
];

impl Mischief {
    /// As a person says it.
    pub fn told(self) -> &'static str {
        match self {
            Mischief::ReplyLost => "the hub loses a reply",
            Mischief::ReceiptLost => "the hub loses a receipt",
            Mischief::ReceiptTwice => "the hub sends a receipt twice",
            Mischief::ErrorReceipt => "the hub rejects a query",
            Mischief::ReplyBeforeReceipt => "the reply comes before the receipt",
            Mischief::Swapped => "the replies of two municipalities are swapped",
            Mischief::Unasked => "a reply comes that nobody asked for",
            Mischief::OldAgain => "an old reply comes again",
            Mischief::ReusedTransfer => "a transfer id comes again with other bytes",
            Mischief::MetadataLongBeforeData => "metadata comes long before its data",
            Mischief::DataLongBeforeMetadata => "data comes long before its metadata",
            Mischief::DataAlone => "data comes without metadata",
            Mischief::MetadataAlone => "metadata comes without data",
            Mischief::Foreign => "files for others lie in IN",
        }
    }
}

/// Which goes wrong at the first query, the second, and so on.
#[derive(Clone, Debug, Default)]
pub struct Mischiefs(pub VecDeque<Option<Mischief>>);

impl Mischiefs {
    pub fn none() -> Mischiefs {
        Mischiefs::default()
    }

    /// Two queries in a row have it: a swap needs two.
    pub fn of(mischief: Mischief) -> Mischiefs {
        Mischiefs([Some(mischief), Some(mischief)].into())
    }

    pub fn some(dice: &mut Dice) -> Mischiefs {
        Mischiefs((0..4).map(|_| (dice.below(3) == 0).then(|| dice.one_of(&MISCHIEFS))).collect())
    }
}

const LATE: Duration = Duration::from_secs(150);
/// When the first one has been fetched long since.
const MUCH_LATER: Duration = Duration::from_secs(420);

/// Whose records stand in a reply that should hold another's.
fn other_than(municipality: MunicipalityCode) -> MunicipalityCode {
    let other = if municipality.to_string() == "0751" { "0461" } else { "0751" };
    other.parse().expect("a code")
}

impl Hub {
    pub(super) fn next_mischief(&self, query: &Query) -> Option<Mischief> {
        let mischief = self.office().mischiefs.0.pop_front().flatten()?;
        self.fates.note_fault(mischief.told(), &query.municipality.to_string());
        Some(mischief)
    }

    /// Answers a query that was counted.
    pub(super) fn send(&self, counted: &Counted, receipt: Delivery, reply: Written, mischief: Option<Mischief>) {
        let municipality = counted.query.municipality;
        let transfer = self.uuid();
        let due = Instant::now() + self.fates.seconds(40);
        let reply = match mischief {
            Some(Mischief::Swapped) => {
                let other = other_than(municipality);
                self.written(&counted.query, other, counted.query.delivery, self.agreements_of(other))
            }
            _ => reply,
        };
        let [mut data, mut metadata] = self.parts(&reply, transfer, due);
        self.note_reply(municipality, &reply, transfer, mischief != Some(Mischief::Swapped));
        let mut receipts = vec![receipt];
        let mut kept_back = Vec::new();
        let mut replies = Vec::new();
        match mischief {
            Some(Mischief::ReceiptLost) => receipts.clear(),
            Some(Mischief::ReceiptTwice) => {
                let name = receipts[0].name.as_str().trim_end_matches(".sftpreceipt").parse().expect("a name");
                let second = self.receipt(&name, SendersFileId::Uuid(counted.id), ReceiptOutcome::Success);
                receipts.push(Delivery { due: second.due + LATE, ..second });
            }
            Some(Mischief::ReplyBeforeReceipt) => receipts[0].due = metadata.due.max(data.due) + LATE,
            Some(Mischief::MetadataLongBeforeData) => data.due = metadata.due + LATE,
            Some(Mischief::DataLongBeforeMetadata) => metadata.due = data.due + LATE,
            Some(Mischief::OldAgain) => {
                let again = |part: &Delivery| Delivery {
                    due: part.due + MUCH_LATER,
                    name: part.name.clone(),
                    content: part.content.clone(),
                };
                replies.extend([again(&data), again(&metadata)]);
            }
            Some(Mischief::Unasked | Mischief::ReusedTransfer) => {
                let is_reused = mischief == Some(Mischief::ReusedTransfer);
                let number = (!is_reused).then_some(DeliveryNumber(counted.query.delivery.0 + 5000));
                replies.extend(self.one_more(&counted.query, number, is_reused.then_some(transfer)));
            }
            Some(Mischief::Foreign) => replies.extend(self.foreign(&counted.query, due)),
            _ => {}
        }
        match mischief {
            Some(Mischief::ReplyLost) => kept_back.extend([data, metadata]),
            Some(Mischief::DataAlone) => {
                kept_back.push(metadata);
                replies.push(data);
            }
            Some(Mischief::MetadataAlone) => {
                kept_back.push(data);
                replies.push(metadata);
            }
            _ => replies.extend([data, metadata]),
        }
        let mut office = self.office();
        if !kept_back.is_empty() || mischief == Some(Mischief::Swapped) {
            office.records.silent.insert(counted.id);
        }
        if !kept_back.is_empty() {
            office.kept_back.insert(counted.id, kept_back);
        }
        office.deliveries.extend([receipts, replies]);
    }

    /// A further reply much later: with an own transfer id it is UDK's, with a former one's it is not.
    fn one_more(&self, query: &Query, delivery: Option<DeliveryNumber>, former: Option<TransferId>) -> [Delivery; 2] {
        let mut agreements = self.agreements_of(query.municipality);
        agreements.pop();
        let written = self.written(query, query.municipality, delivery.unwrap_or(query.delivery), agreements);
        let transfer = former.unwrap_or_else(|| self.uuid());
        self.note_reply(query.municipality, &written, transfer, former.is_none());
        self.parts(&written, transfer, Instant::now() + MUCH_LATER)
    }

    /// One that is nobody's here, and one whose name is like ours and whose metadata names another recipient.
    fn foreign(&self, query: &Query, due: Instant) -> Vec<Delivery> {
        let stranger: RemoteName = format!("SAGA_{}.xml", self.uuid()).parse().expect("a name");
        let agreements = self.agreements_of(query.municipality);
        let like_ours = self.written(query, query.municipality, query.delivery, agreements);
        let metadata = self.metadata(&like_ours, self.uuid(), "KY_OTHERS".parse().expect("a user"));
        let metadata_name = like_ours.name.with_suffix(".metadata").expect("a short name");
        let files =
            vec![(stranger, b"<saga/>".to_vec()), (like_ours.name, like_ours.content), (metadata_name, metadata)];
        self.office().records.foreign.extend(files.iter().cloned());
        files.into_iter().map(|(name, content)| Delivery { due, name, content }).collect()
    }

    /// Somebody calls and asks for what was kept back; or for the reply once more.
    pub fn send_again(&self, id: FileId) {
        let kept_back = self.office().kept_back.remove(&id);
        self.office().records.silent.remove(&id);
        let soon = Instant::now() + self.fates.seconds(20);
        if let Some(mut parts) = kept_back {
            parts.iter_mut().for_each(|part| part.due = soon);
            return self.office().deliveries.push(parts);
        }
        let counted = self.office().records.counted.iter().find(|counted| counted.id == id).cloned();
        let Some(Counted { query, .. }) = counted else { return };
        let reply = self.reply(&query);
        let transfer = self.uuid();
        self.note_reply(query.municipality, &reply, transfer, true);
        let parts = self.parts(&reply, transfer, soon);
        self.office().deliveries.push(parts.into());
    }
}
