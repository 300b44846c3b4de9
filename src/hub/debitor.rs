//! UDK Debitor, as far as a client can see it: it reads the queries in its IN, counts each per
//! municipality and payment date, and answers out of its [`Book`] by putting a reply and a trigger into
//! its OUT, for the mailroom to deliver. Start with [`Debitor::pass`].
//!
//! The ledger is written before a query is deleted and after a reply is put. So a Debitor that is killed
//! counts no query twice; it may send a reply again under its old name, which the mailroom refuses.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use tracing::{info, warn};
use uuid::Uuid;

use super::book::Book;
use super::faults::Faults;
use super::folders::{FolderTrouble, Folders, files_in, put, read_file, remove};
use super::ledger::{Answer, CountedQuery, Ledger, SentReply, UnfitFile};
use crate::domain::agreement::Agreement;
use crate::domain::amount::Oere;
use crate::domain::envelope::{DOCUMENT_BYTES_MAX, FileMetadata, ReceiptOutcome, TechnicalReceipt, Trigger};
use crate::domain::identity::{ContentHash, DeliveryNumber, FileId, RemoteName, UserName};
use crate::domain::layout::{Layout, NameParts};
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;
use crate::domain::query::{Query, read_query};
use crate::domain::reply::{ReplyHead, write_reply};

/// The longest query that is read, in bytes. A query is three records.
const QUERY_BYTES_MAX: u64 = 1024 * 1024;

/// A delivery number of four digits that no query is likely to have: half of them further on.
const UNASKED_BY: u32 = 5_000;

/// Who answers, out of which book.
#[derive(Clone, Debug)]
pub struct DebitorSettings {
    pub user: UserName,
    pub book: Book,
    /// From a query's arrival to its reply.
    pub reply_delay: Duration,
    pub query_layout: Layout,
    pub reply_layout: Layout,
}

impl DebitorSettings {
    /// By the shipped layouts, 25 agreements per municipality, without delay.
    pub fn of(user: UserName) -> DebitorSettings {
        DebitorSettings {
            user,
            book: Book { seed: 2530, agreements: 25 },
            reply_delay: Duration::ZERO,
            query_layout: Layout::shipped_query(),
            reply_layout: Layout::shipped_reply(),
        }
    }
}

#[derive(Debug)]
pub struct Debitor {
    settings: DebitorSettings,
    faults: Faults,
    folders: Folders,
    path: PathBuf,
    ledger: Ledger,
}

/// A reply as it is to be sent.
struct Reply {
    name: RemoteName,
    bytes: Vec<u8>,
    count: u64,
    sum: Oere,
}

impl Debitor {
    /// Where its ledger lies below the hub's root.
    pub const LEDGER: &str = "udk-debitor.json";

    /// Errors: the folders cannot be made, or the ledger that is there cannot be read.
    pub fn open(folders: Folders, settings: DebitorSettings, faults: Faults) -> Result<Debitor, FolderTrouble> {
        folders.make_for(&settings.user)?;
        let path = folders.root().join(Debitor::LEDGER);
        let ledger = Ledger::read(&path)?;
        Ok(Debitor { settings, faults, folders, path, ledger })
    }

    /// The agreements that answer a municipality's query number `round`, without any fault.
    pub fn book(&self, municipality: MunicipalityCode, round: u32) -> Vec<Agreement> {
        self.settings.book.at(municipality, round)
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Counts what has arrived and sends what is due. Errors: what could not be done to a file; the next
    /// pass tries again.
    pub fn pass(&mut self, now: Moment, mut new_id: impl FnMut() -> Uuid) -> Result<(), FolderTrouble> {
        let inbox = self.folders.in_of(&self.settings.user);
        let mut done = Vec::new();
        let counted_before = self.ledger.queries.len() + self.ledger.unfit.len();
        for name in files_in(&inbox)? {
            let path = inbox.join(name.as_str());
            if name.as_str().ends_with(".sftpreceipt") {
                self.look_at_receipt(&name)?;
                done.push(path);
            } else if let Some(data) = name.as_str().strip_suffix(".metadata")
                && self.is_noted(&name, data, now)?
            {
                done.extend([inbox.join(data), path]);
            }
        }
        if self.ledger.queries.len() + self.ledger.unfit.len() != counted_before {
            self.ledger.write(&self.path)?;
        }
        done.iter().try_for_each(|path| remove(path))?;
        if !self.faults.silent && self.send_what_is_due(now, &mut new_id)? {
            self.ledger.write(&self.path)?;
        }
        Ok(())
    }

    /// Takes note of a file once, by its transfer id. False: its data is not there, and never was.
    fn is_noted(&mut self, metadata: &RemoteName, data: &str, now: Moment) -> Result<bool, FolderTrouble> {
        let inbox = self.folders.in_of(&self.settings.user);
        let document = read_file(&inbox.join(metadata.as_str()), DOCUMENT_BYTES_MAX as u64 + 1)?.unwrap_or_default();
        let Ok(metadata) = FileMetadata::read(&document) else { return Ok(false) };
        if self.ledger.knows(metadata.transfer) {
            return Ok(true);
        }
        let Some(bytes) = read_file(&inbox.join(data), QUERY_BYTES_MAX + 1)? else { return Ok(false) };
        match self.read(&metadata, &bytes) {
            Ok(query) => self.count(metadata, &query, now),
            Err(why) => {
                warn!(name = %metadata.file_name, why, "a file arrived that is no query");
                let FileMetadata { transfer, file_name: name, .. } = metadata;
                self.ledger.unfit.push(UnfitFile { transfer, name, why, at: now });
            }
        }
        Ok(true)
    }

    fn read(&self, metadata: &FileMetadata, bytes: &[u8]) -> Result<Query, String> {
        let layout = &self.settings.query_layout;
        let name = metadata.file_name.as_str();
        let route = layout.file_name().read(name).map(|parts| parts.municipality);
        let route = route.ok_or_else(|| "the file name is not of the layout's template".to_owned())?;
        if metadata.size != bytes.len() as u64 {
            return Err(format!("the file has {} bytes, its metadata says {}", bytes.len(), metadata.size));
        }
        read_query(layout, name, bytes, route).map_err(|unfit| unfit.to_string())
    }

    fn count(&mut self, metadata: FileMetadata, query: &Query, now: Moment) {
        let Query { municipality, payment_date, .. } = *query;
        let round = self.ledger.round(municipality) + 1;
        let marked = self.book(municipality, round).len() as u64;
        let query = CountedQuery {
            transfer: metadata.transfer,
            senders_file_id: metadata.senders_file_id,
            from: metadata.sender,
            name: metadata.file_name,
            municipality,
            date: query.date,
            delivery: query.delivery,
            payment_date,
            round,
            at: now,
            answer: Answer::Owed,
        };
        info!(name = %query.name, %municipality, %payment_date, round, marked, "query counted");
        self.ledger.count(query, marked);
    }

    fn look_at_receipt(&self, name: &RemoteName) -> Result<(), FolderTrouble> {
        let path = self.folders.in_of(&self.settings.user).join(name.as_str());
        let document = read_file(&path, DOCUMENT_BYTES_MAX as u64 + 1)?.unwrap_or_default();
        match TechnicalReceipt::read(&document).map(|receipt| receipt.outcome) {
            Ok(ReceiptOutcome::Success) => {}
            Ok(ReceiptOutcome::Failure { errors }) => {
                let code = errors.first().and_then(|error| error.code);
                warn!(receipt = %name, code, "a reply was refused by the mailroom");
            }
            Err(trouble) => warn!(receipt = %name, %trouble, "a receipt could not be read"),
        }
        Ok(())
    }

    /// Returns whether anything was sent, or found impossible to send.
    fn send_what_is_due(&mut self, now: Moment, new_id: &mut impl FnMut() -> Uuid) -> Result<bool, FolderTrouble> {
        let is_due = |query: &CountedQuery| {
            query.answer == Answer::Owed && now.since(query.at) >= self.settings.reply_delay && now >= query.at
        };
        let due: Vec<usize> = (0..self.ledger.queries.len()).filter(|i| is_due(&self.ledger.queries[*i])).collect();
        for index in &due {
            let query = self.ledger.queries[*index].clone();
            let delivery = query.delivery;
            self.ledger.queries[*index].answer = match self.send(&query, delivery, now, new_id)? {
                Ok(name) => Answer::Sent { name },
                Err(why) => Answer::Impossible { why },
            };
            if self.faults.unasked {
                let unasked = DeliveryNumber((delivery.0 + UNASKED_BY) % (2 * UNASKED_BY));
                if let Err(why) = self.send(&query, unasked, now, new_id)? {
                    warn!(why, "a reply that nobody asked for could not be composed");
                }
            }
        }
        Ok(!due.is_empty())
    }

    /// Puts a reply and its trigger into OUT, or says why there is no such reply.
    fn send(
        &mut self,
        query: &CountedQuery,
        delivery: DeliveryNumber,
        now: Moment,
        new_id: &mut impl FnMut() -> Uuid,
    ) -> Result<Result<RemoteName, String>, FolderTrouble> {
        let reply = match self.compose(query, delivery, now) {
            Ok(reply) => reply,
            Err(why) => return Ok(Err(why)),
        };
        let out = self.folders.out_of(&self.settings.user);
        let trigger = Trigger {
            file_name: reply.name.clone(),
            size: reply.bytes.len() as u64,
            sender: self.settings.user.clone(),
            senders_file_id: Some(FileId::new(new_id()).to_string()),
            recipients: vec![query.from.clone()],
        };
        let trigger_name = match reply.name.with_suffix(".trigger") {
            Ok(name) => name,
            Err(error) => return Ok(Err(error.to_string())),
        };
        put(&out, &reply.name, reply.bytes.as_slice())?;
        put(&out, &trigger_name, trigger.to_xml().as_slice())?;
        let CountedQuery { municipality, round, .. } = *query;
        info!(name = %reply.name, %municipality, round, agreements = reply.count, "reply sent");
        self.ledger.replies.push(SentReply {
            name: reply.name.clone(),
            to: query.from.clone(),
            municipality,
            round,
            sha256: ContentHash::of(&reply.bytes),
            count: reply.count,
            sum: reply.sum,
            at: now,
        });
        Ok(Ok(reply.name))
    }

    fn compose(&self, query: &CountedQuery, delivery: DeliveryNumber, now: Moment) -> Result<Reply, String> {
        let layout = &self.settings.reply_layout;
        let mut agreements = self.book(query.municipality, query.round);
        if self.faults.end_all {
            agreements.clear();
        }
        if self.faults.hundredfold {
            for agreement in &mut agreements {
                agreement.amount = agreement.amount.map(|Oere(oere)| Oere(oere * 100));
            }
        }
        let municipality =
            if self.faults.wrong_municipality { another(query.municipality) } else { query.municipality };
        // A reply is never older than its query, whatever this machine's clock says.
        let date = query.date.max(now.date_in_copenhagen());
        let head = ReplyHead { municipality, date, delivery: Some(delivery) };
        let mut bytes =
            write_reply(layout, &head, now.in_copenhagen(), &agreements).map_err(|error| error.to_string())?;
        if self.faults.truncate_reply {
            bytes.truncate(bytes.len() * 2 / 3 + 1);
        }
        let mut parts = NameParts { municipality: query.municipality, date, delivery, copy: 1 };
        let mut name = layout.file_name().compose(&parts).map_err(|error| error.to_string())?;
        while self.ledger.replies.iter().any(|reply| reply.name == name) {
            parts.copy += 1;
            name = layout.file_name().compose(&parts).map_err(|error| error.to_string())?;
        }
        let count = agreements.len() as u64;
        let sum = agreements.iter().filter_map(|agreement| agreement.amount).sum();
        Ok(Reply { name, bytes, count, sum })
    }
}

/// The next municipality in the table, or the first after the last.
fn another(municipality: MunicipalityCode) -> MunicipalityCode {
    let mut codes = MunicipalityCode::all().map(|m| m.code);
    let next = codes.by_ref().find(|code| *code > municipality);
    next.or_else(|| MunicipalityCode::all().map(|m| m.code).next()).unwrap_or(municipality)
}
