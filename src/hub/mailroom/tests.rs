//! The mailroom: what it takes, delivers and refuses.

use std::fs::File;

use tempfile::TempDir;

use super::*;
use crate::domain::envelope::ReceiptError;

const NAME: &str = "BETADM_FORESP_0751_20261201_0042.txt";
const FILE_ID: &str = "3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11";

struct Room {
    _root: TempDir,
    folders: Folders,
    mailroom: Mailroom,
    now: Moment,
}

fn user(name: &str) -> UserName {
    name.parse().unwrap()
}

fn open(folders: &Folders, rules: MailroomRules) -> Mailroom {
    Mailroom::open(folders.clone(), [user("KY"), user("UDK")].into(), rules).unwrap()
}

fn room_with(rules: MailroomRules) -> Room {
    let root = TempDir::new().unwrap();
    let folders = Folders::new(root.path().to_owned());
    let mailroom = open(&folders, rules);
    Room { _root: root, folders, mailroom, now: Timestamp::now().into() }
}

fn room() -> Room {
    room_with(MailroomRules::default())
}

fn trigger(size: u64) -> Trigger {
    Trigger {
        file_name: NAME.parse().unwrap(),
        size,
        sender: user("KY"),
        senders_file_id: Some(FILE_ID.to_owned()),
        recipients: vec![user("UDK")],
    }
}

impl Room {
    fn out(&self) -> PathBuf {
        self.folders.out_of(&user("KY"))
    }

    fn send(&self, data: &[u8], trigger: &Trigger) {
        fs::write(self.out().join(NAME), data).unwrap();
        fs::write(self.out().join(format!("{NAME}.trigger")), trigger.to_xml()).unwrap();
    }

    fn pass(&mut self) -> Tally {
        self.mailroom.pass(self.now, Uuid::new_v4).unwrap()
    }

    fn names_in(&self, folder: PathBuf) -> Vec<String> {
        files_in(&folder).unwrap().into_iter().map(String::from).collect()
    }

    /// Fetches the receipt, as a client does: reads, then deletes.
    fn receipt(&self) -> TechnicalReceipt {
        let path = self.folders.in_of(&user("KY")).join(format!("{NAME}.sftpreceipt"));
        let receipt = TechnicalReceipt::read(&fs::read(&path).unwrap()).unwrap();
        fs::remove_file(path).unwrap();
        receipt
    }

    fn refusal_code(&self) -> i64 {
        match self.receipt().outcome {
            ReceiptOutcome::Failure { errors } => errors[0].code.unwrap(),
            ReceiptOutcome::Success => panic!("a success receipt, expected a refusal"),
        }
    }
}

#[test]
fn a_file_is_delivered_with_metadata_and_its_sender_gets_a_receipt_with_its_own_id() {
    let mut room = room();
    room.send(b"query", &trigger(5));

    let tally = room.pass();

    let inbox = room.folders.in_of(&user("UDK"));
    let metadata = FileMetadata::read(&fs::read(inbox.join(format!("{NAME}.metadata"))).unwrap()).unwrap();
    let receipt = room.receipt();
    assert_eq!(tally, Tally { delivered: 1, refused: 0, receipts: 1 });
    assert_eq!(fs::read(inbox.join(NAME)).unwrap(), b"query");
    assert_eq!((metadata.size, metadata.sender, metadata.transfer), (5, user("KY"), receipt.transfer));
    assert_eq!(receipt.senders_file_id, SendersFileId::Uuid(FILE_ID.parse().unwrap()));
    assert_eq!(receipt.outcome, ReceiptOutcome::Success);
    assert!(room.names_in(room.out()).is_empty());
}

#[test]
fn a_name_is_used_once_for_ever_even_after_a_restart() {
    let mut room = room();
    room.send(b"query", &trigger(5));
    room.pass();
    room.receipt();
    fs::remove_file(room.folders.in_of(&user("UDK")).join(NAME)).unwrap();

    room.mailroom = open(&room.folders, MailroomRules::default());
    room.send(b"again", &trigger(5));

    assert_eq!(room.pass(), Tally { delivered: 0, refused: 1, receipts: 1 });
    assert_eq!(room.refusal_code(), 46);
    assert_eq!(room.names_in(room.out()), [NAME], "the data stays, the trigger is gone");
}

#[test]
fn each_reason_to_refuse_has_its_own_code() {
    let changed = |change: fn(&mut Trigger)| {
        let mut changed = trigger(5);
        change(&mut changed);
        changed
    };
    for (trigger, code) in [
        (changed(|t| t.file_name = "another.txt".parse().unwrap()), 41),
        (changed(|t| t.recipients = vec![user("NOBODY")]), 42),
        (changed(|t| t.size = 6), 44),
        (changed(|t| t.sender = user("UDK")), 45),
    ] {
        let mut room = room();
        room.send(b"query", &trigger);
        room.pass();
        assert_eq!(room.refusal_code(), code);
        assert!(room.names_in(room.folders.in_of(&user("UDK"))).is_empty());
    }
}

#[test]
fn a_trigger_without_data_or_with_a_link_for_data_is_refused() {
    let mut room = room();
    let secret = room.folders.root().join("secret");
    fs::write(&secret, b"12345").unwrap();
    std::os::unix::fs::symlink(&secret, room.out().join(NAME)).unwrap();
    fs::write(room.out().join(format!("{NAME}.trigger")), trigger(5).to_xml()).unwrap();

    room.pass();

    assert_eq!(room.refusal_code(), 43);
}

#[test]
fn a_trigger_that_is_still_being_written_is_not_judged() {
    let mut room = room();
    let xml = trigger(5).to_xml();
    let path = room.out().join(format!("{NAME}.trigger"));
    fs::write(room.out().join(NAME), b"query").unwrap();
    fs::write(&path, &xml[..100]).unwrap();

    assert_eq!((room.pass(), room.pass()), (Tally::default(), Tally::default()), "it is not old enough");

    fs::write(&path, &xml).unwrap();
    assert_eq!(room.pass().delivered, 1, "a whole one is taken at once");
}

#[test]
fn an_unreadable_trigger_is_refused_once_it_has_been_still() {
    let mut room = room();
    let path = room.out().join(format!("{NAME}.trigger"));
    fs::write(&path, b"<Trigger>").unwrap();
    room.now = room.now.plus(2 * TRIGGER_GRACE);

    assert_eq!(room.pass(), Tally::default(), "one look tells nothing");
    File::options().append(true).open(&path).unwrap().set_len(8).unwrap();
    room.now = room.now.plus(2 * TRIGGER_GRACE);
    assert_eq!(room.pass(), Tally::default(), "it was not still");
    assert_eq!(room.pass().refused, 1);
    assert_eq!(room.refusal_code(), 40);
}

#[test]
fn a_hub_that_is_killed_after_taking_delivers_and_answers_when_it_starts_again() {
    let delay = Duration::from_secs(60);
    let mut room = room_with(MailroomRules { receipt_delay: delay, ..MailroomRules::default() });
    room.send(b"query", &trigger(5));
    assert_eq!(room.pass(), Tally { delivered: 1, refused: 0, receipts: 0 });
    let inbox = room.folders.in_of(&user("UDK"));
    fs::remove_file(inbox.join(NAME)).unwrap();

    room.mailroom = open(&room.folders, MailroomRules::default());
    let tally = room.pass();

    assert_eq!((tally.refused, tally.receipts), (0, 1));
    assert_eq!(room.receipt().outcome, ReceiptOutcome::Success);
    assert!(!inbox.join(NAME).exists(), "what was delivered and fetched is not delivered again");
}

#[test]
fn a_receipt_that_was_not_fetched_is_not_overwritten() {
    let mut room = room();
    room.send(b"query", &trigger(5));
    room.pass();
    room.send(b"query", &trigger(5));
    assert_eq!(room.pass(), Tally { delivered: 0, refused: 1, receipts: 0 });

    assert_eq!(room.receipt().outcome, ReceiptOutcome::Success);
    assert_eq!(room.pass().receipts, 1);
    assert_eq!(room.refusal_code(), 46);
}

#[test]
fn faults_swallow_the_receipt_or_refuse_the_query() {
    let swallowing = MailroomRules { swallow_receipts: true, ..MailroomRules::default() };
    let refuse_all_to = Some((user("UDK"), 77, "not today".to_owned()));
    let refusing = MailroomRules { refuse_all_to, ..MailroomRules::default() };

    let mut room = room_with(swallowing);
    room.send(b"query", &trigger(5));
    assert_eq!(room.pass().delivered, 1);
    assert!(room.names_in(room.folders.in_of(&user("KY"))).is_empty());

    let mut room = room_with(refusing);
    room.send(b"query", &trigger(5));
    assert_eq!(room.pass().refused, 1);
    let text = "not today".to_owned();
    let error = ReceiptError { code: Some(77), title: "Refused on request".to_owned(), text };
    assert_eq!(room.receipt().outcome, ReceiptOutcome::Failure { errors: vec![error] });
}

#[test]
fn a_routed_trigger_goes_where_the_rules_say() {
    let rules = MailroomRules { routed_to: Some(user("UDK")), ..MailroomRules::default() };
    let mut room = room_with(rules);
    room.send(b"query", &Trigger { recipients: vec![user(ROUTED)], ..trigger(5) });

    assert_eq!(room.pass().delivered, 1);
    assert!(room.folders.in_of(&user("UDK")).join(NAME).exists());
}
