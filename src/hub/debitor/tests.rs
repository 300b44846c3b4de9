//! UDK Debitor: what it counts, and what it answers.

use std::fs;

use jiff::civil::date;
use tempfile::TempDir;

use super::*;
use crate::domain::identity::TransferId;
use crate::domain::layout::Rule;
use crate::domain::query::{QueryOrder, compose_query};
use crate::domain::reply::{ReplyEnd, ReplyReader};

struct Desk {
    _root: TempDir,
    folders: Folders,
    debitor: Debitor,
    now: Moment,
}

fn udk() -> UserName {
    "UDK_DEBITOR".parse().unwrap()
}

fn aarhus() -> MunicipalityCode {
    "0751".parse().unwrap()
}

fn open(folders: &Folders, faults: Faults) -> Debitor {
    Debitor::open(folders.clone(), DebitorSettings::of(udk()), faults).unwrap()
}

fn desk(faults: Faults) -> Desk {
    let root = TempDir::new().unwrap();
    let folders = Folders::new(root.path().to_owned());
    let debitor = open(&folders, faults);
    Desk { _root: root, folders, debitor, now: "2026-12-01T03:20:00Z".parse().unwrap() }
}

impl Desk {
    /// As the mailroom delivers it; returns the transfer.
    fn deliver(&self, delivery: u32, bytes: Option<&[u8]>) -> TransferId {
        let order = QueryOrder {
            municipality: aarhus(),
            created: date(2026, 12, 1).at(4, 15, 0, 0),
            delivery: DeliveryNumber(delivery),
            payment_date: date(2026, 12, 30),
        };
        let query = compose_query(&Layout::shipped_query(), &order).unwrap();
        let bytes = bytes.unwrap_or(&query);
        let metadata = FileMetadata {
            transfer: TransferId::new(Uuid::new_v4()),
            file_name: format!("BETADM_FORESP_0751_20261201_{delivery:04}.txt").parse().unwrap(),
            size: bytes.len() as u64,
            sender: "KY_SIMPELSFTP".parse().unwrap(),
            senders_file_id: Some(Uuid::new_v4().to_string()),
            recipients: vec![udk()],
        };
        self.deliver_with(&metadata, bytes);
        metadata.transfer
    }

    fn deliver_with(&self, metadata: &FileMetadata, bytes: &[u8]) {
        let inbox = self.folders.in_of(&udk());
        put(&inbox, &metadata.file_name, bytes).unwrap();
        let beside = metadata.file_name.with_suffix(".metadata").unwrap();
        put(&inbox, &beside, metadata.to_xml().as_slice()).unwrap();
    }

    fn pass(&mut self) -> &Ledger {
        self.debitor.pass(self.now, Uuid::new_v4).unwrap();
        self.debitor.ledger()
    }

    fn sent(&self) -> Vec<String> {
        files_in(&self.folders.out_of(&udk())).unwrap().into_iter().map(String::from).collect()
    }

    fn read_reply(&self, name: &str) -> Result<(Vec<Agreement>, ReplyEnd), Rule> {
        let bytes = fs::read(self.folders.out_of(&udk()).join(name)).unwrap();
        let trigger = fs::read(self.folders.out_of(&udk()).join(format!("{name}.trigger"))).unwrap();
        assert_eq!(Trigger::read_strictly(&trigger).unwrap().size, bytes.len() as u64);
        let layout = Layout::shipped_reply();
        let mut agreements = Vec::new();
        let mut reader = ReplyReader::new(&layout, aarhus());
        let fed = reader.feed(&bytes, &mut |_, stated| {
            agreements.push(stated.to_agreement().unwrap());
            Ok(())
        });
        fed.map_err(|unfit| unfit.rule())?;
        let end = reader.finish().map_err(|unfit| unfit.rule())?;
        Ok((agreements, end))
    }
}

const REPLY: &str = "BETADM_SVAR_0751_20261201_0042.txt";

#[test]
fn a_query_is_counted_once_and_answered_out_of_the_book_with_its_delivery_number() {
    let mut desk = desk(Faults::default());
    desk.deliver(42, None);

    let ledger = desk.pass().clone();

    let (agreements, end) = desk.read_reply(REPLY).unwrap();
    assert!(agreements == desk.debitor.book(aarhus(), 1));
    assert_eq!(end.head.delivery, Some(DeliveryNumber(42)));
    assert_eq!(ledger.counted[&aarhus()][&date(2026, 12, 30)], 1);
    assert_eq!(ledger.marked[&aarhus()][&date(2026, 12, 30)], 25);
    let [reply] = ledger.replies.as_slice() else { panic!("one reply was to be sent") };
    assert_eq!((reply.name.as_str(), reply.count, reply.sum), (REPLY, end.count, end.sum));
    assert!(files_in(&desk.folders.in_of(&udk())).unwrap().is_empty());
    assert_eq!(Ledger::read(&desk.debitor.path).unwrap(), ledger);
}

#[test]
fn a_second_query_for_a_payment_date_is_seen_and_gets_the_next_page() {
    let mut desk = desk(Faults::default());
    desk.deliver(42, None);
    desk.deliver(43, None);

    assert_eq!(desk.pass().counted[&aarhus()][&date(2026, 12, 30)], 2);

    let (second, _) = desk.read_reply("BETADM_SVAR_0751_20261201_0043.txt").unwrap();
    assert!(second == desk.debitor.book(aarhus(), 2) && second != desk.debitor.book(aarhus(), 1));
}

#[test]
fn the_same_transfer_delivered_again_is_not_counted_again_even_after_a_restart() {
    let mut desk = desk(Faults::default());
    let transfer = desk.deliver(42, None);
    let metadata = desk.folders.in_of(&udk()).join("BETADM_FORESP_0751_20261201_0042.txt.metadata");
    let metadata = FileMetadata::read(&fs::read(metadata).unwrap()).unwrap();
    let data = fs::read(desk.folders.in_of(&udk()).join(metadata.file_name.as_str())).unwrap();
    desk.pass();

    desk.debitor = open(&desk.folders, Faults::default());
    desk.deliver_with(&metadata, &data);

    let ledger = desk.pass();
    assert_eq!((ledger.queries.len(), ledger.replies.len()), (1, 1));
    assert_eq!(ledger.queries[0].transfer, transfer);
    assert!(files_in(&desk.folders.in_of(&udk())).unwrap().is_empty());
}

#[test]
fn the_same_delivery_number_again_is_answered_under_a_name_of_its_own() {
    let mut desk = desk(Faults::default());
    desk.deliver(42, None);
    desk.pass();
    desk.deliver(42, None);
    desk.pass();

    assert!(desk.sent().contains(&"BETADM_SVAR_0751_20261201_0042_2.txt".to_owned()), "{:?}", desk.sent());
}

#[test]
fn what_is_no_query_is_noted_and_not_answered() {
    let mut desk = desk(Faults::default());
    desk.deliver(42, Some(b"not a query"));

    let ledger = desk.pass();

    assert_eq!((ledger.unfit.len(), ledger.queries.len(), ledger.counted.len()), (1, 0, 0));
    assert!(desk.sent().is_empty());
}

#[test]
fn a_reply_waits_for_its_delay() {
    let mut desk = desk(Faults::default());
    desk.debitor.settings.reply_delay = Duration::from_secs(60);
    desk.deliver(42, None);

    assert_eq!(desk.pass().replies.len(), 0);
    desk.now = desk.now.plus(Duration::from_secs(59));
    assert_eq!(desk.pass().replies.len(), 0);
    desk.now = desk.now.plus(Duration::from_secs(1));
    assert_eq!(desk.pass().replies.len(), 1);
}

#[test]
fn each_fault_of_a_reply_can_be_told_from_outside() {
    let answered = |word| {
        let mut desk = desk(Faults::asked_for([word]).unwrap());
        desk.deliver(42, None);
        desk.pass();
        desk
    };

    let cut = answered("truncate-reply").read_reply(REPLY).err();
    assert_eq!(cut, Some(Rule::End), "it breaks off within a record");
    assert_eq!(answered("wrong-municipality").read_reply(REPLY).err(), Some(Rule::Municipality));
    assert_eq!(answered("end-all").read_reply(REPLY).unwrap().1.count, 0);
    let desk = answered("hundredfold");
    let sum: Oere = desk.debitor.book(aarhus(), 1).iter().filter_map(|agreement| agreement.amount).sum();
    assert_eq!(desk.read_reply(REPLY).unwrap().1.sum, Oere(sum.0 * 100));
    assert!(answered("silent").sent().is_empty());
    let sent = answered("unasked").sent();
    assert!(sent.contains(&"BETADM_SVAR_0751_20261201_5042.txt".to_owned()) && sent.len() == 4, "{sent:?}");
}

#[test]
fn the_last_municipality_is_followed_by_the_first() {
    let codes: Vec<_> = MunicipalityCode::all().map(|m| m.code).collect();

    assert_eq!((another(codes[0]), another(codes[97])), (codes[1], codes[0]));
}
