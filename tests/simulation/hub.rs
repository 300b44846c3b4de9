//! The hub and UDK Debitor behind it, as a simple model: it takes triggers one way or the other, delivers what they name,
//! answers with receipts and replies, and writes down all that it did for the judge. It never asks whether a trigger
//! came twice: that is what must not happen. Start with [`Hub`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;
use sluse::domain::agreement::Agreement;
use sluse::domain::envelope::{FileMetadata, ReceiptError, ReceiptOutcome, SendersFileId, TechnicalReceipt, Trigger};
use sluse::domain::identity::{ContentHash, FileId, RemoteName, TransferId, UserName};
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
    pub municipality: MunicipalityCode,
    pub payment_date: Date,
}

/// A reply that was put into IN.
#[derive(Clone)]
pub struct SentReply {
    pub municipality: MunicipalityCode,
    pub hash: ContentHash,
    pub agreements: Vec<Agreement>,
}

/// What the judge may look at.
#[derive(Clone, Default)]
pub struct Records {
    pub taken: Vec<TakenTrigger>,
    pub counted: Vec<Counted>,
    pub replies: Vec<SentReply>,
}

struct Delivery {
    due: Instant,
    name: RemoteName,
    content: Vec<u8>,
}

#[derive(Default)]
struct Office {
    records: Records,
    /// Triggers taken, their data not yet.
    half_taken: Vec<(RemoteName, Trigger)>,
    unsettled: BTreeMap<RemoteName, (usize, u32)>,
    /// On their way into IN; metadata and data of a reply go together.
    deliveries: Vec<Vec<Delivery>>,
}

#[derive(Clone)]
pub struct Hub {
    server: Server,
    fates: Fates,
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

impl Hub {
    pub fn new(server: Server, fates: Fates, pick_up: PickUp, layouts: Arc<(Layout, Layout)>) -> Hub {
        Hub { server, fates, pick_up, agreements: 12, layouts, office: Arc::default() }
    }

    fn office(&self) -> MutexGuard<'_, Office> {
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
                None => self.answer(&name, None, Some("the trigger cannot be read")),
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
        let Some(data) = data else { return self.answer(name, id, Some("there is no data")) };
        if data.len() as u64 != trigger.size {
            return self.answer(name, id, Some("the data has another size"));
        }
        let route = self.layouts.0.file_name().read(name.as_str()).map(|parts| parts.municipality);
        let query = route.and_then(|route| read_query(&self.layouts.0, name.as_str(), &data, route).ok());
        let (Some(query), Some(id)) = (query, id) else { return self.answer(name, id, Some("this is no query")) };
        self.answer(name, Some(id), None);
        let Query { municipality, payment_date, .. } = query;
        self.office().records.counted.push(Counted { id, municipality, payment_date });
        self.reply(&query);
    }

    fn uuid(&self) -> TransferId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.fates.roll().to_le_bytes());
        bytes[8..].copy_from_slice(&self.fates.roll().to_le_bytes());
        TransferId::new(Builder::from_random_bytes(bytes).into_uuid())
    }

    /// A receipt: of success, or with this error.
    fn answer(&self, name: &RemoteName, senders_file_id: Option<FileId>, error: Option<&str>) {
        let outcome = match error {
            None => ReceiptOutcome::Success,
            Some(text) => {
                let error = ReceiptError { code: Some(40), title: "refused".into(), text: text.into() };
                ReceiptOutcome::Failure { errors: vec![error] }
            }
        };
        let senders_file_id = senders_file_id.map_or(SendersFileId::Absent, SendersFileId::Uuid);
        let receipt = TechnicalReceipt { transfer: self.uuid(), senders_file_id, outcome };
        let name = name.with_suffix(".sftpreceipt").expect("a short name");
        let due = Instant::now() + self.fates.seconds(20);
        self.office().deliveries.push(vec![Delivery { due, name, content: receipt.to_xml() }]);
    }

    fn reply(&self, query: &Query) {
        let Query { municipality, date, delivery, .. } = *query;
        let same = |counted: &&Counted| counted.municipality == municipality;
        let round = self.office().records.counted.iter().filter(same).count() as u32;
        let agreements = Book { seed: 2530, agreements: self.agreements }.at(municipality, round);
        let head = ReplyHead { municipality, date, delivery: Some(delivery) };
        let created = self.fates.now().in_copenhagen();
        let content = write_reply(&self.layouts.1, &head, created, &agreements).expect("the shipped layout can say it");
        let parts = NameParts { municipality, date, delivery, copy: 1 };
        let name = self.layouts.1.file_name().compose(&parts).expect("the template can say it");
        let metadata = FileMetadata {
            transfer: self.uuid(),
            file_name: name.clone(),
            size: content.len() as u64,
            sender: debitor(),
            senders_file_id: None,
            recipients: vec![our_user()],
        };
        let hash = ContentHash::of(&content);
        self.office().records.replies.push(SentReply { municipality, hash, agreements });
        // In either order, and apart.
        let due = Instant::now() + self.fates.seconds(40);
        let mut parts = vec![
            Delivery {
                due: due + self.fates.seconds(5),
                name: name.with_suffix(".metadata").expect("a short name"),
                content: metadata.to_xml(),
            },
            Delivery { due, name, content },
        ];
        if self.fates.below(2) == 0 {
            parts.reverse();
        }
        self.office().deliveries.push(parts);
    }

    fn put_what_is_due(&self) {
        let mut office = self.office();
        let now = Instant::now();
        for parts in &mut office.deliveries {
            parts.retain(|part| {
                // Nothing is ever put over what has not been fetched.
                let may = part.due <= now && self.server.content(Folder::In, &part.name).is_none();
                if may {
                    self.server.put(Folder::In, &part.name, part.content.clone());
                }
                !may
            });
        }
        office.deliveries.retain(|parts| !parts.is_empty());
    }
}
