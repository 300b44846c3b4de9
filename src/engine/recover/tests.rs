//! What lies in archive and spool unknown to a journal, taken in; all of it invented. Whole stories are in
//! `tests/recover.rs`.

use std::fs;
use std::path::PathBuf;

use jiff::civil::date;
use tempfile::TempDir;

use super::*;
use crate::config::{Depth, shipped};
use crate::domain::envelope::{ReceiptError, ReceiptOutcome, SendersFileId, TechnicalReceipt};
use crate::domain::exchange::State;
use crate::domain::exchange::fact::{Accepted, OriginalStamp, TriggerWay};
use crate::domain::exchange::hold::HoldReason;
use crate::domain::exchange::unread::Marks;
use crate::domain::identity::{ContentHash, DeliveryNumber, Route, TransferId};
use crate::domain::layout::Layout;
use crate::domain::moment::PaymentMonth;
use crate::domain::query::{QueryOrder, compose_query};

const NOW: &str = "2026-12-03T12:00:00Z";

pub(in crate::engine) struct Ground {
    pub office: Office,
    pub folder: TempDir,
}

pub(in crate::engine) fn id(number: u32) -> FileId {
    format!("{number:08x}-0000-4000-8000-000000000001").parse().unwrap()
}

fn route() -> Route {
    Route { exchange: "sf2530".parse().unwrap(), municipality: "0751".parse().unwrap() }
}

pub(in crate::engine) fn query(delivery: u32) -> Vec<u8> {
    let order = QueryOrder {
        municipality: route().municipality,
        created: date(2026, 12, 1).at(9, 30, 0, 0),
        delivery: DeliveryNumber(delivery),
        payment_date: date(2027, i8::try_from(delivery).unwrap(), 27),
    };
    compose_query(&Layout::shipped_query(), &order).unwrap()
}

/// The story of [`query`] of this delivery number, which the hub rejected.
pub(in crate::engine) fn rejected(delivery: u32) -> Vec<Fact> {
    let bytes = query(delivery);
    let payment_date = date(2027, i8::try_from(delivery).unwrap(), 27);
    let name = |name: String| name.parse::<RemoteName>().unwrap();
    let part = name(format!("{delivery}.part"));
    let error = ReceiptError { code: Some(21), title: "Recipient".into(), text: "unknown".into() };
    vec![
        Fact::Accepted(Accepted {
            route: route(),
            original_name: "foresp.txt".into(),
            spool_name: format!("spooled{delivery}"),
            original: OriginalStamp { device: 1, inode: 2, size: bytes.len() as u64, modified_micros: 3 },
            remote_name: name(format!("query{delivery}.txt")),
            size: bytes.len() as u64,
            hash: ContentHash::of(&bytes),
            delivery: DeliveryNumber(delivery),
            payment_date,
            payment_month: PaymentMonth::of(payment_date),
            retry_of: None,
        }),
        Fact::DataUploaded,
        Fact::TriggerStaged { part: part.clone() },
        Fact::TriggerIntended { way: TriggerWay::Rename { part } },
        Fact::TriggerMade,
        Fact::ReceiptRead {
            transfer: TransferId::new(uuid::Uuid::from_u128(u128::from(delivery))),
            name: name(format!("query{delivery}.txt.sftpreceipt")),
            hash: ContentHash::of(b"receipt"),
            outcome: ReceiptOutcome::Failure { errors: vec![error] },
        },
        Fact::Tidied { left: vec![] },
    ]
}

impl Ground {
    pub fn new() -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let text = shipped::file()
            .replace("/var/lib/sluse", &folder.path().join("state").display().to_string())
            .replace("/var/spool/sluse", &folder.path().display().to_string())
            .replace("municipalities = \"all\"", "municipalities = [\"0751\"]");
        let settings = Settings::parse("sluse.toml", &text, &|_| None, Depth::Values).unwrap();
        for name in ["state", "outbox"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let surroundings = Surroundings::new(|| NOW.parse().unwrap(), || 7);
        let office = Office::open(settings, Arc::new(RealDisk), surroundings).map_err(|_| "layouts").unwrap();
        Ground { office, folder }
    }

    fn put(&self, path: &std::path::Path, content: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn archive(&self, number: u32, content: &[u8]) {
        self.put(&self.office.places.query(&route(), id(number)), content);
    }

    fn spool(&self, number: u32, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(format!("state/spool/0751.sf2530.{}.foresp.txt", id(number)));
        self.put(&path, content);
        path
    }

    fn receipt(&self, number: u32, about: &str) {
        let receipt = TechnicalReceipt {
            transfer: TransferId::new(uuid::Uuid::from_u128(u128::from(number))),
            senders_file_id: SendersFileId::Uuid(id(number)),
            outcome: ReceiptOutcome::Success,
        };
        let bytes = receipt.to_xml();
        let name = format!("{about}.sftpreceipt").parse().unwrap();
        self.put(&self.office.places.receipt(&name, ContentHash::of(&bytes)), &bytes);
    }

    /// The book of an empty journal after everything that lies here was taken in.
    fn taken_in(&self) -> Result<Book, String> {
        self.taken_into(Book::default())
    }

    fn taken_into(&self, book: Book) -> Result<Book, String> {
        let strays = Strays::look(&self.office, &book);
        let mut ahead = Ahead { book, seq: 0, at: NOW.parse().unwrap(), facts: Vec::new() };
        strays.take_in(&self.office, &mut ahead)?;
        assert_eq!(ahead.book.all_broken().count(), 0);
        Ok(ahead.book)
    }
}

#[test]
fn a_query_that_no_journal_knows_is_held_under_its_old_id_and_its_file_stays() {
    let ground = Ground::new();
    ground.archive(1, &query(1));
    let spooled = ground.spool(2, &query(2));

    let book = ground.taken_in().unwrap();

    for number in [1, 2] {
        assert_eq!(book.get(id(number)).unwrap().held(), Some(vec![HoldReason::MaybeSent]));
        assert!(ground.office.places.query(&route(), id(number)).exists());
    }
    assert_eq!(book.get(id(2)).unwrap().query().unwrap().original_name, "foresp.txt");
    assert!(spooled.exists());
}

#[test]
fn the_name_on_the_far_side_is_the_one_that_a_receipt_knows_and_no_two_queries_get_the_same() {
    // Two copies of one query, of which the second was sent under the first name
    let ground = Ground::new();
    ground.archive(1, &query(1));
    ground.archive(2, &query(1));
    ground.receipt(1, "BETADM_FORESP_0751_20261201_0001_2.txt");

    let book = ground.taken_in().unwrap();

    let name = |number| book.get(id(number)).unwrap().query().unwrap().remote_name.to_string();
    assert_eq!(name(1), "BETADM_FORESP_0751_20261201_0001_2.txt");
    assert_ne!(name(1), name(2));
    assert_eq!(book.get(id(1)).unwrap().state, State::Receipted, "the receipt proves it");
    let reasons = book.get(id(2)).unwrap().held().unwrap();
    assert_eq!(reasons[0], HoldReason::MaybeSent);
    assert!(matches!(reasons[1..], [HoldReason::SecondQuery { .. }, HoldReason::DeliveryUsed { .. }]), "{reasons:?}");
}

#[test]
fn a_query_whose_story_is_known_but_not_understood_is_no_stray() {
    // Given the copy and the original of a query that a newer program accepted
    let ground = Ground::new();
    ground.archive(1, &query(1));
    ground.spool(1, &query(1));
    ground.archive(2, &query(2));
    let mut book = Book::default();
    book.not_understood(1, id(1), NOW.parse().unwrap(), "a version of tomorrow", &Marks::default());

    // When it is looked for what no journal knows
    let strays = Strays::look(&ground.office, &book);

    // Then only the other one is found
    assert_eq!(strays.queries().iter().map(|stray| stray.id).collect::<Vec<_>>(), [id(2)]);
}

#[test]
fn the_copy_of_a_broken_off_retry_is_nobodys_and_what_may_be_somebodys_stays() {
    // Given a rejected query, a copy of it without a fact, one whose original waits in a spool, and one of other bytes
    let ground = Ground::new();
    let mut book = Book::default();
    rejected(1).iter().for_each(|fact| book.take_in(1, id(1), NOW.parse().unwrap(), fact));
    for (number, of) in [(1, 1), (2, 1), (3, 1), (4, 2)] {
        ground.archive(number, &query(of));
    }
    ground.spool(3, &query(1));

    // When the journal is whole, then the first of them is no stray and is cleared away
    let mut strays = Strays::look(&ground.office, &book);
    strays.forget_broken_off(&ground.office, &book);
    assert_eq!(strays.queries().iter().map(|stray| stray.id).collect::<Vec<_>>(), [id(3), id(4)]);

    // When it was put back, then it may have been sent again, and is told as that
    let taken_in = ground.taken_into(book.clone()).unwrap();
    let retried = taken_in.get(id(2)).unwrap();
    assert!(retried.held().unwrap().contains(&HoldReason::MaybeSent));
    let query = retried.query().unwrap();
    assert_eq!((query.retry_of, query.original_name.as_str()), (Some(id(1)), "foresp.txt"));

    ground.office.clear_broken_off(&book).unwrap();
    let is_there = |number| ground.office.places.query(&route(), id(number)).exists();
    assert_eq!([1, 2, 3, 4].map(is_there), [true, false, true, true]);
}

#[test]
fn what_is_no_query_is_refused_as_it_would_have_been() {
    let ground = Ground::new();
    ground.archive(1, b"junk");

    let book = ground.taken_in().unwrap();

    assert!(matches!(book.get(id(1)).unwrap().state, State::Refusing { .. }));
}

#[test]
fn nothing_is_taken_in_where_something_could_not_be_looked_at() {
    // A daemon that finds it later would take it for new and send it
    let ground = Ground::new();
    ground.archive(1, &query(1));
    fs::write(ground.folder.path().join("state/spool"), b"no folder").unwrap();

    assert!(ground.taken_in().unwrap_err().contains("spool"));
}

#[test]
fn a_reply_whose_bytes_are_not_those_that_were_fetched_is_told_and_not_taken() {
    let ground = Ground::new();
    let folder = format!("{}-{}", TransferId::new(uuid::Uuid::from_u128(7)), ContentHash::of(b"whole").short());
    let archive = ground.office.places.archive().join("sf2530/0751/replies").join(folder);
    ground.put(&archive.join("BETADM_SVAR_0751_20261202_0007.txt"), b"who");
    ground.put(&archive.join("BETADM_SVAR_0751_20261202_0007.txt.metadata"), b"<x/>");

    let strays = Strays::look(&ground.office, &Book::default());

    assert!(strays.replies().is_empty());
    assert!(strays.odd.len() == 1 && strays.odd[0].contains("no longer what was fetched"), "{:?}", strays.odd);
}
