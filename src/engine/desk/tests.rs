//! What a person is told of a house with several stories, all invented: nothing urgent is hidden behind anything else.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::config::{Depth, shipped};
use crate::domain::change::ChangeSummary;
use crate::domain::envelope::{ReceiptError, ReceiptOutcome};
use crate::domain::exchange::Fact;
use crate::domain::exchange::fact::{Accepted, Arrival, Belongs, Decision, OriginalStamp, TriggerWay, UnfitQuery};
use crate::domain::exchange::hold::HoldReason;
use crate::domain::identity::{ContentHash, TransferId};
use crate::domain::moment::{Moment, PaymentMonth};
use crate::durable::RealDisk;
use crate::engine::control::{Answer, RegisterRequest};
use crate::engine::snapshot::HeldItem;
use crate::store::{Body, SqliteStore, Store};

const NOW: &str = "2026-12-03T12:00:00Z";

struct Ground {
    office: Office,
    book: Book,
    entries: u64,
    folder: TempDir,
}

fn at(text: &str) -> Moment {
    text.parse().unwrap()
}

fn code(text: &str) -> MunicipalityCode {
    text.parse().unwrap()
}

fn route() -> Route {
    Route { exchange: "sf2530".parse().unwrap(), municipality: code("0751") }
}

fn id(number: u32) -> FileId {
    format!("{number:08x}-0000-4000-8000-000000000001").parse().unwrap()
}

fn decision() -> Decision {
    Decision { who: "uid 1000".into(), reason: "a mistake of ours".into() }
}

fn arrival() -> Arrival {
    Arrival {
        route: route(),
        transfer: TransferId::new(uuid::Uuid::from_u128(7)),
        name: "BETADM_SVAR_0751_20261202_0007.txt".parse().unwrap(),
        size: 480,
        hash: ContentHash::of(b"reply"),
        delivery: None,
        belongs: Belongs::Unasked,
    }
}

fn receipt(number: u32, outcome: ReceiptOutcome) -> Fact {
    Fact::ReceiptRead {
        transfer: TransferId::new(uuid::Uuid::from_u128(u128::from(number))),
        name: format!("receipt{number}.txt.sftpreceipt").parse().unwrap(),
        hash: ContentHash::of(b"receipt"),
        outcome,
    }
}

fn failure() -> ReceiptOutcome {
    let errors = vec![ReceiptError { code: Some(21), title: "Recipient".into(), text: "unknown".into() }];
    ReceiptOutcome::Failure { errors }
}

impl Ground {
    fn new() -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let text = shipped::file()
            .replace("/var/lib/sluse", &folder.path().join("state").display().to_string())
            .replace("/var/spool/sluse", &folder.path().display().to_string())
            .replace("municipalities = \"all\"", "municipalities = [\"0751\"]");
        let settings = Settings::parse("sluse.toml", &text, &|_| None, Depth::Values).unwrap();
        for name in ["state/spool", "state/refused/sf2530/0751", "outbox/0751"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let surroundings = Surroundings::new(|| at(NOW), || 7);
        let office = Office::open(settings, Arc::new(RealDisk), surroundings).map_err(|_| "layouts").unwrap();
        Ground { office, book: Book::default(), entries: 0, folder }
    }

    fn take_in(&mut self, number: u32, when: &str, fact: Fact) {
        self.entries += 1;
        self.book.take_in(self.entries, id(number), at(when), &fact);
        assert_eq!(self.book.broken(id(number)), None);
    }

    fn query(&mut self, number: u32, when: &str, date: &str) {
        let payment_date: Date = date.parse().unwrap();
        self.take_in(
            number,
            when,
            Fact::Accepted(Accepted {
                route: route(),
                original_name: format!("foresp{number} k_benhavn.txt"),
                spool_name: "spooled".into(),
                original: OriginalStamp { device: 1, inode: 2, size: 360, modified_micros: 3 },
                remote_name: format!("BETADM_FORESP_0751_20261201_{number:04}.txt").parse().unwrap(),
                size: 360,
                hash: ContentHash::of(b"query"),
                delivery: DeliveryNumber(number),
                payment_date,
                payment_month: PaymentMonth::of(payment_date),
                retry_of: None,
            }),
        );
    }

    fn submitted(&mut self, number: u32, when: &str) {
        let part: crate::domain::identity::RemoteName = "x.part".parse().unwrap();
        self.take_in(number, when, Fact::DataUploaded);
        self.take_in(number, when, Fact::TriggerStaged { part: part.clone() });
        self.take_in(number, when, Fact::TriggerIntended { way: TriggerWay::Rename { part } });
        self.take_in(number, when, Fact::TriggerMade);
    }

    fn junk(&mut self, number: u32, when: &str) {
        self.take_in(
            number,
            when,
            Fact::Unfit(UnfitQuery {
                route: route(),
                original_name: "junk.txt".into(),
                spool_name: "spooled".into(),
                size: 4,
                hash: ContentHash::of(b"junk"),
                finding: "record 1: no start record. More of it".into(),
            }),
        );
        self.take_in(number, when, Fact::SetAside);
    }

    fn live(&self) -> Live {
        self.office.without_daemon(&self.book)
    }

    fn snapshot(&self) -> Snapshot {
        self.office.snapshot(&self.book, Some(self.live()))
    }

    fn ids_of(&self, what: &str) -> Vec<FileId> {
        self.office.stories(&self.book, what, Some(self.live())).0.iter().map(|story| story.id).collect()
    }

    fn held_one(&self) -> HeldItem {
        let Answer::Held { mut items } = held(&self.book) else { panic!("an answer of another kind") };
        assert_eq!(items.len(), 1);
        items.remove(0)
    }
}

#[test]
fn a_refused_file_hides_no_overdue_exchange() {
    let mut ground = Ground::new();
    ground.query(1, "2026-12-01T03:00:00Z", "2026-12-30");
    ground.submitted(1, "2026-12-01T03:00:01Z");
    ground.junk(2, "2026-12-02T03:00:00Z");

    let route = ground.snapshot().routes.remove(0);

    let foremost = route.foremost().unwrap();
    assert_eq!((foremost.id, foremost.overdue), (id(1), true));
    assert_eq!(route.ended.iter().map(|line| line.id).collect::<Vec<_>>(), [id(2)]);
    assert_eq!(route.unasked.map(|line| line.id), Some(id(2)));
    assert_eq!(ground.ids_of("0751"), [id(1), id(2)], "explain tells the open one too");
}

#[test]
fn what_waits_for_a_person_comes_before_what_is_overdue_and_that_before_the_rest() {
    let mut ground = Ground::new();
    ground.query(1, "2026-12-03T11:00:00Z", "2026-12-30");
    ground.query(2, "2026-12-01T03:00:00Z", "2027-01-30");
    ground.submitted(2, "2026-12-01T03:00:00Z");
    ground.query(3, "2026-12-03T11:30:00Z", "2026-12-31");
    let payment_date = "2026-12-31".parse().unwrap();
    let reasons = vec![HoldReason::SecondQuery { other: id(1), payment_date }];
    ground.take_in(3, "2026-12-03T11:30:00Z", Fact::QueryHeld { reasons });

    let open = ground.snapshot().routes.remove(0).open;

    assert_eq!(open.iter().map(|line| line.id).collect::<Vec<_>>(), [id(3), id(2), id(1)]);
    let other = ground.held_one().other.unwrap();
    assert_eq!((other.id, other.state.as_str(), other.is_same_date), (id(1), "accepted", false));
}

#[test]
fn a_rejected_query_is_told_until_a_newer_one_follows() {
    let mut ground = Ground::new();
    ground.query(1, "2026-12-01T03:00:00Z", "2026-12-30");
    ground.submitted(1, "2026-12-01T03:00:01Z");
    ground.take_in(1, "2026-12-01T03:01:00Z", receipt(1, failure()));
    ground.take_in(1, "2026-12-01T03:02:00Z", Fact::Tidied { left: vec![] });
    assert_eq!(ground.snapshot().routes[0].unasked.as_ref().map(|line| line.id), Some(id(1)));

    ground.query(2, "2026-12-01T04:00:00Z", "2026-12-30");

    assert_eq!(ground.snapshot().routes[0].unasked, None);
}

#[test]
fn only_an_unfit_file_is_to_be_corrected_and_sent_again() {
    let mut ground = Ground::new();
    ground.junk(1, "2026-12-01T03:00:00Z");
    ground.query(2, "2026-12-01T03:00:00Z", "2026-12-30");
    ground.take_in(2, "2026-12-01T03:00:00Z", Fact::QueryHeld { reasons: vec![HoldReason::Unasked] });
    ground.take_in(3, "2026-12-01T03:00:00Z", Fact::ReplyFetched(arrival()));
    let reasons = vec![HoldReason::Unasked];
    ground.take_in(3, "2026-12-01T03:00:00Z", Fact::ReplyHeld { reasons, register_head: 0, summary: None });
    assert_eq!(held_reply(&ground), Some("BETADM_SVAR_0751_20261202_0007.txt".to_owned()));
    for number in [2, 3] {
        ground.take_in(number, "2026-12-01T03:00:00Z", Fact::Declined { decision: decision() });
        ground.take_in(number, "2026-12-01T03:00:00Z", Fact::SetAside);
    }

    let next = |number| ground.book.get(id(number)).unwrap().next_step();

    assert_eq!(next(1), "nothing; put a corrected query into the outbox");
    assert_eq!(next(2), "nothing: refused by uid 1000: a mistake of ours");
    assert!(next(3).starts_with("nothing: reply BETADM_SVAR_0751_20261202_0007.txt refused by"), "{}", next(3));
}

fn held_reply(ground: &Ground) -> Option<String> {
    let Answer::Held { items } = held(&ground.book) else { panic!("an answer of another kind") };
    items.into_iter().find_map(|item| item.reply).map(|reply| reply.file)
}

#[test]
fn a_story_is_found_by_every_name_that_it_has() {
    let mut ground = Ground::new();
    ground.query(1, "2026-12-01T03:00:00Z", "2026-12-30");
    ground.submitted(1, "2026-12-01T03:00:01Z");
    ground.take_in(1, "2026-12-01T03:01:00Z", receipt(1, ReceiptOutcome::Success));
    ground.junk(2, "2026-12-02T03:00:00Z");

    for name in ["foresp1 københavn.txt", "outbox/0751/foresp1 københavn.txt", "receipt1.txt.sftpreceipt", "00000001"]
    {
        assert_eq!(ground.ids_of(name), [id(1)], "{name}");
    }
    for name in ["junk.txt", "00000002.junk.txt", "00000002.junk.txt.why.txt"] {
        assert_eq!(ground.ids_of(name), [id(2)], "{name}");
    }
    assert_eq!(ground.ids_of("nothing.txt"), []);
}

#[test]
fn a_file_in_an_outbox_is_found_as_status_shows_it() {
    let ground = Ground::new();
    fs::write(ground.folder.path().join("outbox/0751/forespørgsel.txt"), "x").unwrap();

    let (stories, waiting) = ground.office.stories(&ground.book, "forespørgsel.txt", None);

    assert!(stories.is_empty());
    assert_eq!((waiting.len(), waiting[0].why.as_str()), (1, "no daemon runs to take it"));
}

#[test]
fn a_story_tells_its_deadline_and_what_keeps_it() {
    let mut ground = Ground::new();
    ground.query(1, "2026-12-01T03:00:00Z", "2026-12-30");
    ground.submitted(1, "2026-12-01T03:00:01Z");
    let mut live = ground.live();
    live.endpoints[0].trouble = Some("far side not reachable: connection refused".into());

    let story = ground.office.stories(&ground.book, "00000001", Some(live)).0.remove(0);

    assert!(story.overdue && story.deadline.is_some());
    let trouble = story.trouble.unwrap();
    assert!(trouble.ends_with(": far side not reachable: connection refused"), "{trouble}");
}

#[test]
fn a_refused_file_comes_with_the_first_sentence_of_its_reason() {
    let mut ground = Ground::new();
    ground.junk(2, "2026-12-02T03:00:00Z");
    for name in ["00000002.junk.txt", "00000002.junk.txt.why.txt", "stranger.txt"] {
        fs::write(ground.folder.path().join("state/refused/sf2530/0751").join(name), "x").unwrap();
    }

    let mut refused = ground.snapshot().refused;
    refused.sort_by(|a, b| a.name.cmp(&b.name));

    let told: Vec<_> = refused.iter().map(|file| (file.name.as_str(), file.reason.as_deref())).collect();
    assert_eq!(told, [("00000002.junk.txt", Some("record 1: no start record")), ("stranger.txt", None)]);
}

#[test]
fn what_a_later_query_followed_is_not_among_the_refused_any_more() {
    let mut ground = Ground::new();
    ground.junk(1, "2026-12-01T03:00:00Z");
    ground.query(2, "2026-12-01T04:00:00Z", "2026-12-30");
    ground.take_in(2, "2026-12-01T04:00:01Z", Fact::Withdrawn { decision: decision() });
    ground.take_in(2, "2026-12-01T04:00:02Z", Fact::SetAside);
    let names = ["00000001.junk.txt", "00000001.junk.txt.why.txt", "00000002.foresp2 k_benhavn.txt", "stranger.txt"];
    for name in names {
        fs::write(ground.folder.path().join("state/refused/sf2530/0751").join(name), "x").unwrap();
    }
    let shown = |ground: &Ground| ground.snapshot().refused.into_iter().map(|file| file.name).collect::<Vec<_>>();
    assert_eq!(shown(&ground), [names[0], names[2], names[3]], "a withdrawn query follows nothing");

    ground.query(3, "2026-12-02T04:00:00Z", "2026-11-30");
    assert_eq!(shown(&ground), [names[2], names[3]], "a query for an earlier payment does not follow that one");
    ground.query(4, "2026-12-02T05:00:00Z", "2026-12-30");

    assert_eq!(shown(&ground), [names[3]], "whose it is, nobody knows");
}

#[test]
fn a_full_disk_is_told_of_a_file_that_waits_and_of_a_story() {
    let mut ground = Ground::new();
    ground.query(1, "2026-12-01T03:00:00Z", "2026-12-30");
    fs::write(ground.folder.path().join("outbox/0751/q.txt"), "x").unwrap();
    let live = || {
        let what = "nothing can be recorded, so nothing new is begun: disk full".to_owned();
        let halt = Halt { since: at(NOW), exchange: None, municipalities: None, what: what.clone() };
        Live { keeping_claims: vec![halt], standstill: Some(what), ..ground.live() }
    };

    let waiting = ground.office.stories(&ground.book, "q.txt", Some(live())).1.remove(0);
    let story = ground.office.stories(&ground.book, "00000001", Some(live())).0.remove(0);

    assert!(
        waiting.why.ends_with("; not yet: nothing can be recorded, so nothing new is begun: disk full"),
        "{waiting:?}"
    );
    assert_eq!(story.trouble.as_deref(), Some("nothing can be recorded, so nothing new is begun: disk full"));
}

#[test]
fn a_folder_that_cannot_be_read_is_told() {
    let ground = Ground::new();
    assert!(ground.snapshot().unreadable.is_empty());
    fs::remove_dir(ground.folder.path().join("outbox/0751")).unwrap();

    let unreadable = ground.snapshot().unreadable;

    assert_eq!(unreadable.iter().map(|folder| folder.municipality).collect::<Vec<_>>(), [Some(code("0751"))]);
}

#[test]
fn a_payment_that_has_been_is_not_asked_about() {
    let ground = Ground::new();
    let compose = |date: &str| ground.office.compose(&ground.book, None, code("0751"), date.parse().unwrap());

    let refused = compose("2026-12-02").unwrap_err();

    assert_eq!(refused.to_string(), "2026-12-02 is past (today is 2026-12-03): UDK is asked before a payment");
    assert!(compose("2026-12-03").is_ok(), "today's payment may still come");
}

#[test]
fn a_register_stands_by_the_last_reply_that_was_known_then() {
    let ground = Ground::new();
    let mut store = SqliteStore::open(&ground.folder.path().join("state/sluse.db")).unwrap();
    let applied = |day: &str, delivery| Fact::Applied {
        summary: ChangeSummary::default(),
        delivery: Some(DeliveryNumber(delivery)),
        as_of: day.parse().unwrap(),
    };
    for (when, fact) in [
        ("2026-11-01T03:00:00Z", Fact::ReplyFetched(arrival())),
        ("2026-11-02T03:00:00Z", applied("2026-11-01", 1)),
        ("2026-12-02T03:00:00Z", applied("2026-12-01", 2)),
    ] {
        store.append(store.head(), at(when), &[Body::Exchange { id: id(1), fact }]).unwrap();
    }
    let known = |known_at: Option<&str>| {
        let request = RegisterRequest {
            municipality: Some(code("0751")),
            known_at: known_at.map(at),
            ..RegisterRequest::default()
        };
        let mut deliveries = Vec::new();
        let mut each = |answer| match answer {
            Answer::Agreements { count: 0, standing } => {
                deliveries.extend(standing.into_iter().map(|stands| (stands.delivery.unwrap().0, stands.as_of)));
            }
            _ => panic!("an answer of another kind"),
        };
        read_register(&request, &store, &mut each).unwrap();
        deliveries
    };

    assert_eq!(known(None), [(2, "2026-12-01".parse().unwrap())]);
    assert_eq!(known(Some("2026-11-15")), [(1, "2026-11-01".parse().unwrap())]);
    assert_eq!(known(Some("2026-10-01")), []);
}

#[test]
fn every_exchange_of_a_municipality_is_listed_oldest_first() {
    let mut ground = Ground::new();
    ground.query(2, "2026-12-01T03:00:00Z", "2026-12-30");
    ground.junk(1, "2026-12-02T03:00:00Z");

    let listed = ground.office.list(&ground.book, code("0751"));

    assert_eq!(listed.iter().map(|line| line.id).collect::<Vec<_>>(), [id(2), id(1)]);
    assert_eq!(ground.office.list(&ground.book, code("0101")), []);
}

#[test]
fn a_register_that_nobody_keeps_and_a_time_to_come_are_mistakes() {
    let ground = Ground::new();
    let ask = |exchange: Option<&str>, municipality: Option<&str>, known_at: Option<&str>| {
        let request = RegisterRequest {
            exchange: exchange.map(|name| name.parse().unwrap()),
            municipality: municipality.map(code),
            known_at: known_at.map(at),
            ..RegisterRequest::default()
        };
        ground.office.can_be_asked(&Book::default(), &request)
    };

    assert_eq!(ask(None, Some("0751"), Some(NOW)), Ok(()));
    assert_eq!(ask(None, Some("0849"), None), Err("the settings name no exchange of 0849 Jammerbugt".into()));
    assert_eq!(ask(Some("other"), None, None), Err("the settings have no exchange `other`".into()));
    assert!(ask(Some("sf2530"), Some("0849"), None).is_err());
    assert!(ask(None, None, Some("2026-12-04")).is_err());
}
