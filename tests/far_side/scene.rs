//! Where each case plays: a municipality, a number of its own, and IN. A case puts files there as a hub would, or as no
//! hub should. Start with [`Case`].

use std::cell::Cell;
use std::fs::{self, File};
use std::path::PathBuf;

use jiff::civil::date;
use sluse::domain::envelope::{FileMetadata, ReceiptError, ReceiptOutcome, SendersFileId, TechnicalReceipt};
use sluse::domain::exchange::Exchange;
use sluse::domain::identity::{DeliveryNumber, FileId, TransferId};
use sluse::domain::layout::Layout;
use sluse::domain::municipality::MunicipalityCode;
use sluse::domain::reply::{ReplyHead, write_reply};
use sluse::engine::control::{Answer, Request};
use sluse::engine::snapshot::{EndpointLine, ExchangeLine, Snapshot};

use crate::rig::{DEBITOR, Ground, payment_date, until};

/// What comes from the far side, how it is made, and the one thing that becomes of it.
pub struct Case {
    /// As a person would say it; the manual's words.
    pub comes: &'static str,
    /// One after the other; between two steps of a case, all other cases take theirs.
    pub steps: &'static [fn(&Scene<'_>)],
    pub ends: Ends,
    /// Files of this case that are counted as others'.
    pub foreign: u64,
    /// What a person does about it; the manual's words.
    pub person: &'static str,
}

/// What is to become of it.
#[derive(Clone, Copy, Debug)]
pub enum Ends {
    /// The municipality has so many exchanges; the one that waits for a person, or else the last one, is in this state,
    /// and its first reason, or what is next, has these words.
    Story(usize, &'static str, &'static str),
    /// It stays where it is, and status shows it with these words.
    NotTaken(&'static str),
    /// It stays where it is, counted and not looked at any more.
    LeftAlone,
}

/// One case's place on the ground.
pub struct Scene<'g> {
    pub ground: &'g Ground,
    pub municipality: MunicipalityCode,
    /// In every name of this case that is not an answer to a query.
    pub number: u32,
    /// Another municipality, for what goes astray; none of its own.
    pub neighbour: MunicipalityCode,
    pub rounds_asked: Cell<u32>,
}

impl Scene<'_> {
    // Names.

    pub fn reply_name(&self, delivery: u32) -> String {
        format!("BETADM_SVAR_{}_20260105_{delivery:04}.txt", self.municipality)
    }

    /// The name of a reply that answers nothing.
    pub fn stray(&self) -> String {
        self.reply_name(self.number)
    }

    /// The name of a receipt for a query that was never sent.
    pub fn stray_receipt(&self) -> String {
        format!("BETADM_FORESP_{}_20260105_{:04}.txt.sftpreceipt", self.municipality, self.number)
    }

    // The municipality's side.

    pub fn ask(&self) {
        let round = self.rounds_asked.get() + 1;
        self.rounds_asked.set(round);
        self.ground.ask_for(self.municipality, payment_date(round));
    }

    pub fn until(&self, count: usize, state: &str) {
        self.ground.until_state(self.municipality, count, state);
    }

    /// Its exchange that was begun after so many others, once the hub has its query.
    pub fn exchange(&self, index: usize) -> Exchange {
        until(&format!("query {index} of {} to be sent", self.municipality), || {
            let exchange = self.ground.exchanges(self.municipality).into_iter().nth(index)?;
            let is_sent = exchange.submitted_at.is_some() && exchange.state.name() != "submitting";
            is_sent.then_some(exchange)
        })
    }

    pub fn delivery(&self, index: usize) -> u32 {
        self.exchange(index).query().expect("it began with a query").delivery.0
    }

    // The far side.

    pub fn place(&self, name: &str) -> PathBuf {
        self.ground.far().sshd.r#in().join(name)
    }

    /// Under a name that nobody takes first, so that nobody sees a half of it.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let part = self.place(&format!(".{}.part", self.number));
        fs::write(&part, bytes).unwrap();
        fs::rename(part, self.place(name)).unwrap();
    }

    /// A file of nothing but zeros that takes no room.
    pub fn put_sparse(&self, name: &str, size: u64) -> File {
        let file = File::create(self.place(name)).unwrap();
        file.set_len(size).unwrap();
        file
    }

    pub fn metadata(&self, name: &str, size: u64) -> FileMetadata {
        FileMetadata {
            transfer: TransferId::new(uuid::Uuid::new_v4()),
            file_name: name.parse().unwrap(),
            size,
            sender: DEBITOR.parse().unwrap(),
            senders_file_id: None,
            recipients: vec![self.ground.far().sshd.user().parse().unwrap()],
        }
    }

    /// Metadata as text, to be spoilt.
    pub fn metadata_text(&self, name: &str, size: u64) -> String {
        String::from_utf8(self.metadata(name, size).to_xml()).unwrap()
    }

    /// Data, and metadata for it that says this.
    pub fn put_with(&self, name: &str, bytes: &[u8], metadata: &[u8]) {
        self.put(name, bytes);
        self.put(&format!("{name}.metadata"), metadata);
    }

    /// A reply as the hub delivers it.
    pub fn deliver(&self, name: &str, bytes: &[u8]) -> FileMetadata {
        let metadata = self.metadata(name, bytes.len() as u64);
        self.put_with(name, bytes, &metadata.to_xml());
        metadata
    }

    /// A fit reply with this delivery number and the agreements of a round.
    pub fn reply(&self, delivery: u32, round: u32) -> Vec<u8> {
        self.reply_of(self.municipality, delivery, round)
    }

    pub fn reply_of(&self, municipality: MunicipalityCode, delivery: u32, round: u32) -> Vec<u8> {
        let day = date(2026, 1, 5);
        let head = ReplyHead { municipality, date: day, delivery: Some(DeliveryNumber(delivery)) };
        let agreements = self.ground.far().book.at(municipality, round);
        write_reply(&Layout::shipped_reply(), &head, day.at(12, 0, 0, 0), &agreements).unwrap()
    }

    /// The reply to one of its queries, under the name that the hub would give it.
    pub fn answer(&self, index: usize) -> FileMetadata {
        let delivery = self.delivery(index);
        self.deliver(&self.reply_name(delivery), &self.reply(delivery, index as u32 + 1))
    }

    pub fn receipt_name(&self) -> String {
        format!("{}.sftpreceipt", self.exchange(0).query().unwrap().remote_name)
    }

    pub fn put_receipt(&self, id: FileId, outcome: ReceiptOutcome) {
        self.put(&self.receipt_name(), &receipt(id, outcome));
    }

    pub fn success(&self) {
        self.put_receipt(self.exchange(0).id, ReceiptOutcome::Success);
    }

    pub fn failure(&self) {
        self.put_receipt(self.exchange(0).id, refusal());
    }

    // What Sluse says.

    pub fn endpoint(&self) -> EndpointLine {
        endpoint(self.ground)
    }

    /// How status shows a file of this case in IN that cannot be taken.
    pub fn shown(&self) -> Option<String> {
        let is_stray = self.municipality == self.ground.municipality();
        let mark = if is_stray { format!("_{:04}.", self.number) } else { format!("_{}_", self.municipality) };
        self.endpoint().waiting.into_iter().find(|(name, _)| name.contains(&mark)).map(|(_, why)| why)
    }

    /// The files of its municipality that lie in IN.
    pub fn in_in(&self) -> Vec<String> {
        let entries = fs::read_dir(self.place("")).unwrap().map(Result::unwrap);
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.contains(&format!("_{}_", self.municipality))).collect()
    }

    /// Its story that counts most now.
    pub fn line(&self) -> Option<ExchangeLine> {
        let routes = snapshot(self.ground).routes;
        routes.iter().find(|route| route.municipality == self.municipality)?.foremost().cloned()
    }

    /// Where its exchanges stand, by name.
    pub fn standing(&self) -> Vec<String> {
        let exchanges = self.ground.exchanges(self.municipality);
        let said = |exchange: &Exchange| match exchange.held() {
            Some(reasons) => format!("held: {}", reasons[0]),
            None => exchange.state.name().to_owned(),
        };
        exchanges.iter().map(said).chain(self.shown()).collect()
    }

    pub fn until_shown(&self, words: &str) {
        until(&format!("{words:?} to be shown"), || self.shown().filter(|why| why.contains(words)));
    }
}

/// A receipt with a transfer id of its own.
pub fn receipt(id: FileId, outcome: ReceiptOutcome) -> Vec<u8> {
    let transfer = TransferId::new(uuid::Uuid::new_v4());
    TechnicalReceipt { transfer, senders_file_id: SendersFileId::Uuid(id), outcome }.to_xml()
}

pub fn refusal() -> ReceiptOutcome {
    let error = ReceiptError { code: Some(42), title: "Unknown recipient".into(), text: "no such system".into() };
    ReceiptOutcome::Failure { errors: vec![error] }
}

pub fn snapshot(ground: &Ground) -> Snapshot {
    match ground.ask(&Request::Status) {
        Answer::Status(snapshot) => snapshot,
        answer => panic!("{answer:?}"),
    }
}

pub fn endpoint(ground: &Ground) -> EndpointLine {
    snapshot(ground).endpoints.remove(0)
}
