//! The hub and UDK Debitor behind it, as a simple model: it takes triggers one way or the other, delivers what they name,
//! answers with receipts and replies, does so wrongly where the plan says it ([`mischief`](super::mischief)), and writes
//! down all that it did for the judge. It never asks whether a trigger came twice: that is what must not happen. Start
//! with [`Hub`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluse::domain::agreement::Agreement;
use sluse::domain::envelope::{FileMetadata, ReceiptError, ReceiptOutcome, SendersFileId, TechnicalReceipt, Trigger};
use sluse::domain::identity::{ContentHash, DeliveryNumber, FileId, RemoteName, TransferId, UserName};
use sluse::domain::layout::{Layout, NameParts};
use sluse::domain::municipality::MunicipalityCode;
use sluse::domain::query::{Query, read_query};
use sluse::domain::reply::{ReplyHead, write_reply};
use sluse::hub::book::Book;
use sluse::transport::Folder;
use tokio::time::Instant;
use uuid::Builder;

use super::far::Server;
use super::fate::{Fates, pass};
use super::mischief::{Mischief, Mischiefs};

/// In what order the hub picks up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickUp {
    /// Trigger and data at once.
    Together,
    /// The trigger, and the data a pass later.
    TriggerFirst,
    /// The trigger; the data is copied and left behind.
    LeavesData,
}

/// A trigger that is not whole is taken all the same when it has not changed for so many passes.
const PATIENT_PASSES: u32 = 4;

/// What cannot be put because its name is taken is given up after so long.
const PUT_WITHIN: Duration = Duration::from_secs(600);

/// A trigger that was taken out of OUT.
#[derive(Clone, Debug)]
pub struct TakenTrigger {
    pub name: RemoteName,
    /// None: it was not whole.
    pub id: Option<FileId>,
}

/// A query that reached UDK.
#[derive(Clone, Debug)]
pub struct Counted {
    pub id: FileId,
    pub query: Query,
}

/// A reply that was put into IN, data and metadata.
#[derive(Clone)]
pub struct SentReply {
    pub municipality: MunicipalityCode,
    pub name: RemoteName,
    pub transfer: TransferId,
    pub hash: ContentHash,
    /// In their order by key.
    pub agreements: Vec<Agreement>,
    /// UDK has sent it, and meant it for this municipality.
    pub is_true: bool,
}

/// What the judge may look at.
#[derive(Clone, Default)]
pub struct Records {
    pub taken: Vec<TakenTrigger>,
    pub counted: Vec<Counted>,
    /// The data of each query that reached UDK.
    pub data: Vec<(FileId, ContentHash)>,
    /// Written, and sooner or later put.
    pub replies: Vec<SentReply>,
    /// What was put into IN, by name, in the order in which it was put.
    pub put: Vec<(RemoteName, ContentHash)>,
    /// Files for others, with their content.
    pub foreign: Vec<(RemoteName, Vec<u8>)>,
    /// Queries that get no answer unless somebody asks for it.
    pub silent: BTreeSet<FileId>,
}

pub(super) struct Delivery {
    pub due: Instant,
    pub name: RemoteName,
    pub content: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Office {
    pub records: Records,
    /// Triggers taken, their data not yet.
    half_taken: Vec<(RemoteName, Trigger)>,
    unsettled: BTreeMap<RemoteName, (usize, u32)>,
    /// On their way into IN; metadata and data of a reply go together.
    pub deliveries: Vec<Vec<Delivery>>,
    pub mischiefs: Mischiefs,
    /// What was kept back of an answer, by query.
    pub kept_back: BTreeMap<FileId, Vec<Delivery>>,
    /// Names of replies have numbers, so that no two are the same.
    copies: BTreeMap<(MunicipalityCode, DeliveryNumber), u32>,
}

#[derive(Clone)]
pub struct Hub {
    server: Server,
    pub(super) fates: Fates,
    pick_up: PickUp,
    agreements: u32,
    layouts: Arc<(Layout, Layout)>,
    office: Arc<Mutex<Office>>,
}

pub fn our_user() -> UserName {
    "KY_SIMPELSFTP".parse().expect("a user")
}

pub fn debitor() -> UserName {
    "UDK_DEBITOR".parse().expect("a user")
}

/// Every municipality's agreements.
fn book(agreements: u32) -> Book {
    Book { seed: 2530, agreements }
}

/// A reply before it is put.
pub(super) struct Written {
    pub name: RemoteName,
    pub content: Vec<u8>,
    pub agreements: Vec<Agreement>,
}

impl Hub {
    pub fn new(
        server: Server,
        fates: Fates,
        pick_up: PickUp,
        layouts: Arc<(Layout, Layout)>,
        agreements: u32,
        mischiefs: Mischiefs,
    ) -> Hub {
        let office = Arc::new(Mutex::new(Office { mischiefs, ..Office::default() }));
        Hub { server, fates, pick_up, agreements, layouts, office }
    }

    pub(super) fn office(&self) -> MutexGuard<'_, Office> {
        self.office.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn records(&self) -> Records {
        self.office().records.clone()
    }

    /// Whether it owes nothing to anybody.
    pub fn is_idle(&self) -> bool {
        let office = self.office();
        let has_trigger = self.server.names(Folder::Out).iter().any(|name| name.as_str().ends_with(".trigger"));
        office.half_taken.is_empty() && office.deliveries.is_empty() && !has_trigger
    }

    /// Whether UDK has the query.
    pub fn has_counted(&self, id: FileId) -> bool {
        self.office().records.counted.iter().any(|query| query.id == id)
    }

    /// Whether UDK stands by every reply of this name.
    pub fn stands_by(&self, name: &str) -> bool {
        let office = self.office();
        let mut named = office.records.replies.iter().filter(|reply| reply.name.as_str() == name).peekable();
        named.peek().is_some() && named.all(|reply| reply.is_true)
    }

    /// Whether nothing more will come for this query by itself.
    pub fn keeps_silent(&self, id: FileId) -> bool {
        self.office().records.silent.contains(&id)
    }

    /// Works for ever.
    pub async fn work(self) {
        loop {
            pass(self.fates.seconds(3)).await;
            self.server.wake_ghosts();
            let half_taken = std::mem::take(&mut self.office().half_taken);
            for (name, trigger) in half_taken {
                self.deliver(&name, &trigger);
            }
            self.take_triggers();
            self.put_what_is_due();
        }
    }

    fn take_triggers(&self) {
        for file in self.server.names(Folder::Out) {
            let Some(name) = file.as_str().strip_suffix(".trigger").and_then(|name| name.parse().ok()) else {
                continue;
            };
            let Some(content) = self.server.content(Folder::Out, &file) else { continue };
            let whole = Trigger::read_strictly(&content).ok();
            if whole.is_none() && self.may_still_grow(&file, content.len()) {
                continue;
            }
            self.server.take(Folder::Out, &file);
            let id = whole.as_ref().and_then(|trigger| trigger.senders_file_id.as_ref()?.parse().ok());
            self.office().records.taken.push(TakenTrigger { name: file, id });
            match whole {
                None => self.reject(&name, None, "the trigger cannot be read"),
                Some(trigger) if self.pick_up == PickUp::TriggerFirst => {
                    self.office().half_taken.push((name, trigger));
                }
                Some(trigger) => self.deliver(&name, &trigger),
            }
        }
    }

    fn may_still_grow(&self, file: &RemoteName, size: usize) -> bool {
        let mut office = self.office();
        let (former, looks) = office.unsettled.entry(file.clone()).or_insert((size, 0));
        *looks = if *former == size { *looks + 1 } else { 0 };
        *former = size;
        *looks < PATIENT_PASSES
    }

    fn deliver(&self, name: &RemoteName, trigger: &Trigger) {
        let id: Option<FileId> = trigger.senders_file_id.as_ref().and_then(|id| id.parse().ok());
        let data = match self.pick_up {
            PickUp::LeavesData => self.server.content(Folder::Out, name),
            PickUp::Together | PickUp::TriggerFirst => self.server.take(Folder::Out, name),
        };
        let Some(data) = data else { return self.reject(name, id, "there is no data") };
        if data.len() as u64 != trigger.size {
            return self.reject(name, id, "the data has another size");
        }
        let route = self.layouts.0.file_name().read(name.as_str()).map(|parts| parts.municipality);
        let query = route.and_then(|route| read_query(&self.layouts.0, name.as_str(), &data, route).ok());
        let (Some(query), Some(id)) = (query, id) else { return self.reject(name, id, "this is no query") };
        let mischief = self.next_mischief(&query);
        if mischief == Some(Mischief::ErrorReceipt) {
            return self.reject(name, Some(id), "this hub was asked to refuse");
        }
        self.office().records.counted.push(Counted { id, query: query.clone() });
        self.office().records.data.push((id, ContentHash::of(&data)));
        let receipt = self.receipt(name, SendersFileId::Uuid(id), ReceiptOutcome::Success);
        let reply = self.reply(&query);
        self.send(&Counted { id, query }, receipt, reply, mischief);
    }

    pub(super) fn uuid(&self) -> TransferId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.fates.roll().to_le_bytes());
        bytes[8..].copy_from_slice(&self.fates.roll().to_le_bytes());
        TransferId::new(Builder::from_random_bytes(bytes).into_uuid())
    }

    fn reject(&self, name: &RemoteName, senders_file_id: Option<FileId>, text: &str) {
        let error = ReceiptError { code: Some(40), title: "refused".into(), text: text.into() };
        let about = senders_file_id.map_or(SendersFileId::Absent, SendersFileId::Uuid);
        let receipt = self.receipt(name, about, ReceiptOutcome::Failure { errors: vec![error] });
        self.office().deliveries.push(vec![receipt]);
    }

    pub(super) fn receipt(&self, name: &RemoteName, about: SendersFileId, outcome: ReceiptOutcome) -> Delivery {
        let receipt = TechnicalReceipt { transfer: self.uuid(), senders_file_id: about, outcome };
        let name = name.with_suffix(".sftpreceipt").expect("a short name");
        Delivery { due: Instant::now() + self.fates.seconds(20), name, content: receipt.to_xml() }
    }

    /// What UDK answers to a query now.
    pub(super) fn reply(&self, query: &Query) -> Written {
        let same = |counted: &&Counted| counted.query.municipality == query.municipality;
        let round = self.office().records.counted.iter().filter(same).count() as u32;
        let agreements = book(self.agreements).at(query.municipality, round);
        self.written(query, query.municipality, query.delivery, agreements)
    }

    /// A reply named for one municipality with the records of another, or of the same.
    pub(super) fn written(
        &self,
        named: &Query,
        of: MunicipalityCode,
        delivery: DeliveryNumber,
        agreements: Vec<Agreement>,
    ) -> Written {
        let head = ReplyHead { municipality: of, date: named.date, delivery: Some(delivery) };
        let created = self.fates.now().in_copenhagen();
        let content = write_reply(&self.layouts.1, &head, created, &agreements).expect("the shipped layout can say it");
        let copy = {
            let mut office = self.office();
            let copy = office.copies.entry((named.municipality, named.delivery)).or_default();
            *copy += 1;
            *copy
        };
        let Query { municipality, date, delivery, .. } = *named;
        let parts = NameParts { municipality, date, delivery, copy };
        let name = self.layouts.1.file_name().compose(&parts).expect("the template can say it");
        Written { name, content, agreements }
    }

    /// The agreements of some other municipality.
    pub(super) fn agreements_of(&self, municipality: MunicipalityCode) -> Vec<Agreement> {
        book(self.agreements).at(municipality, 1)
    }

    /// Puts a reply and its metadata on their way, in either order.
    pub(super) fn parts(&self, written: &Written, transfer: TransferId, due: Instant) -> [Delivery; 2] {
        let metadata = self.metadata(written, transfer, our_user());
        let name = written.name.with_suffix(".metadata").expect("a short name");
        let mut dues = [due, due + self.fates.seconds(5)];
        if self.fates.below(2) == 0 {
            dues.reverse();
        }
        [
            Delivery { due: dues[0], name: written.name.clone(), content: written.content.clone() },
            Delivery { due: dues[1], name, content: metadata },
        ]
    }

    pub(super) fn metadata(&self, written: &Written, transfer: TransferId, recipient: UserName) -> Vec<u8> {
        let metadata = FileMetadata {
            transfer,
            file_name: written.name.clone(),
            size: written.content.len() as u64,
            sender: debitor(),
            senders_file_id: None,
            recipients: vec![recipient],
        };
        metadata.to_xml()
    }

    /// Notes that this reply was written for this municipality.
    pub(super) fn note_reply(
        &self,
        municipality: MunicipalityCode,
        written: &Written,
        transfer: TransferId,
        is_true: bool,
    ) {
        let hash = ContentHash::of(&written.content);
        let (name, agreements) = (written.name.clone(), written.agreements.clone());
        self.office().records.replies.push(SentReply { municipality, name, transfer, hash, agreements, is_true });
    }

    fn put_what_is_due(&self) {
        let mut office = self.office();
        let now = Instant::now();
        let Office { deliveries, records, .. } = &mut *office;
        for parts in &mut *deliveries {
            parts.retain(|part| {
                // Nothing is ever put over what has not been fetched.
                let may = part.due <= now && self.server.content(Folder::In, &part.name).is_none();
                if may {
                    self.server.put(Folder::In, &part.name, part.content.clone());
                    records.put.push((part.name.clone(), ContentHash::of(&part.content)));
                }
                !may && part.due + PUT_WITHIN > now
            });
        }
        deliveries.retain(|parts| !parts.is_empty());
    }
}
