//! What people read, word for word, as transcripts in `transcripts/` (written anew by `SLUSE_UPDATE=1 cargo test
//! operator`), and what commands exit with. All data is invented.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use clap::Parser;

use super::*;
use crate::domain::amount::Oere;
use crate::domain::change::{Change, ChangeSummary};
use crate::domain::envelope::{ReceiptError, ReceiptOutcome};
use crate::domain::exchange::Fact;
use crate::domain::exchange::fact::{
    Accepted, Arrival, Belongs, Decision, OriginalStamp, Seen, TriggerWay, UnfitQuery,
};
use crate::domain::exchange::hold::HoldReason;
use crate::domain::identity::{ContentHash, DeliveryNumber, FileId, RemoteName, Route, TransferId};
use crate::domain::moment::{Moment, PaymentMonth};
use crate::engine::anchor::Restored;
use crate::engine::backup::{Kept, Manifest};
use crate::engine::control::{RegisterLine, Standing};
use crate::engine::rebuild::{Finding, Rebuilt};
use crate::engine::recover::{FarLook, Open, Report, StrayQuery, StrayReply};
use crate::engine::retry::{CameTo, RetryLine};
use crate::engine::snapshot::{
    Choice, EndpointLine, ExchangeLine, Halt, HeldQuery, HeldReply, Offer, OtherQuery, RefusedFile, RouteLine, Story,
    StoryEntry, UnreadableFolder,
};
use crate::outbox::Waiting;
use crate::store::Head;
use crate::store::anchor::AnchorLine;
use crate::store::audit::{Flaw, Part, Recovery};
use sentence::Around;

const ID: &str = "3f0f9a2e-5b1c-4d7e-8f90-a1b2c3d4e5f6";
const OTHER: &str = "77aa0c11-0000-4000-8000-000000000001";
/// What is said where no daemon answered, as at these desks.
const LATER: &str = "The daemon does not run: it happens when the daemon runs again.\n";
const TRANSFER: &str = "c0ffee00-1111-4222-8333-444455556666";

fn at(text: &str) -> Moment {
    text.parse().unwrap()
}

pub(super) fn id(text: &str) -> FileId {
    text.parse().unwrap()
}

fn route(code: &str) -> Route {
    Route { exchange: "sf2530".parse().unwrap(), municipality: code.parse().unwrap() }
}

fn name(text: &str) -> RemoteName {
    text.parse().unwrap()
}

fn summary() -> ChangeSummary {
    ChangeSummary {
        before_count: 20,
        before_total: Oere(3_206_000),
        after_count: 14,
        after_total: Oere(2_244_200),
        ended: 6,
        unchanged: 14,
        ..ChangeSummary::default()
    }
}

fn ends_many() -> Vec<HoldReason> {
    vec![HoldReason::EndsMany { ended: 6, of: 20, limit_percent: 20 }]
}

fn decision(reason: &str) -> Decision {
    Decision { who: "uid 1000".into(), reason: reason.into() }
}

fn arrival() -> Arrival {
    Arrival {
        route: route("0751"),
        transfer: TRANSFER.parse().unwrap(),
        name: name("BETADM_SVAR_0751_20261201_0042.txt"),
        size: 12_345,
        hash: ContentHash::of(b"reply"),
        delivery: Some(DeliveryNumber(42)),
        belongs: Belongs::Delivery,
    }
}

/// Every fact there is, in an order in which they could nearly happen.
pub(super) fn every_fact() -> Vec<Fact> {
    let part = name("3f0f9a2e-5b1c-4d7e-8f90-a1b2c3d4e5f6.0badcafe.part");
    let transfer: TransferId = TRANSFER.parse().unwrap();
    let hash = ContentHash::of(b"receipt");
    let receipt = name("BETADM_FORESP_0751_20261201_0042.txt.sftpreceipt");
    let failure = ReceiptOutcome::Failure {
        errors: vec![ReceiptError { code: Some(14), title: "Modtager".into(), text: "modtageren findes ikke".into() }],
    };
    vec![
        Fact::Accepted(Accepted {
            route: route("0751"),
            original_name: "foresp december.txt".into(),
            spool_name: "0751.sf2530.3f0f9a2e.txt".into(),
            original: OriginalStamp { device: 1, inode: 2, size: 252, modified_micros: 0 },
            remote_name: name("BETADM_FORESP_0751_20261201_0042.txt"),
            size: 252,
            hash: ContentHash::of(b"query"),
            delivery: DeliveryNumber(42),
            payment_date: "2026-12-31".parse().unwrap(),
            payment_month: PaymentMonth { year: 2027, month: 1 },
            retry_of: None,
        }),
        Fact::QueryHeld {
            reasons: vec![HoldReason::SecondQuery { other: id(OTHER), payment_date: "2026-12-31".parse().unwrap() }],
        },
        Fact::Approved {
            decision: decision("the first one was withdrawn by telephone"),
            seen: Seen { reply: None, register_head: 0 },
        },
        Fact::DataUploaded,
        Fact::DataGone,
        Fact::TriggerStaged { part: part.clone() },
        Fact::TriggerIntended { way: TriggerWay::Rename { part } },
        Fact::Doubted { trouble: "connection lost while renaming".into() },
        Fact::TriggerNotMade { evidence: "its part name was there, and was taken away".into() },
        Fact::RenameUnavailable { why: "the server does not offer posix-rename@openssh.com".into() },
        Fact::TriggerIntended { way: TriggerWay::Write },
        Fact::TriggerFound { evidence: "it lies whole in OUT".into() },
        Fact::Settled { sent: true, decision: decision("the hub's operator has seen it") },
        Fact::TriggerMade,
        Fact::ReceiptRead { transfer, name: receipt.clone(), hash, outcome: ReceiptOutcome::Success },
        Fact::ReceiptRead { transfer, name: receipt, hash, outcome: failure },
        Fact::ReplyFetched(arrival()),
        Fact::ReplyHeld { reasons: ends_many(), register_head: 17, summary: Some(summary()) },
        Fact::Declined { decision: decision("a cut file, UDK sends it again") },
        Fact::Approved {
            decision: decision("six moved away, confirmed by UDK"),
            seen: Seen { reply: Some(ContentHash::of(b"reply")), register_head: 17 },
        },
        Fact::Applied { summary: summary(), delivery: Some(DeliveryNumber(42)), as_of: "2026-12-01".parse().unwrap() },
        Fact::HandOverStaged { reply: "svar.txt".into(), changes: "svar.changes.csv".into(), folder: 7 },
        Fact::HandOverLost,
        Fact::HandOverIntended,
        Fact::HandedOver,
        Fact::CommandRan { exit: Some(0) },
        Fact::Tidied { left: vec![] },
        Fact::Tidied { left: vec!["BETADM_SVAR_0751_20261201_0042.txt".into()] },
        Fact::Unfit(UnfitQuery {
            route: route("0751"),
            original_name: "notes.txt".into(),
            spool_name: "0751.sf2530.3f0f9a2e.notes.txt".into(),
            size: 1,
            hash: ContentHash::of(b"x"),
            finding: "record 1, byte 1: no start record".into(),
        }),
        Fact::SetAside,
        Fact::Withdrawn { decision: decision("the caseworker asked for the wrong month") },
        Fact::Retried { by: id(OTHER), decision: decision("the hub knows the recipient now") },
        Fact::StoreRestored,
    ]
}

pub(super) fn held_item() -> HeldItem {
    HeldItem {
        id: id(ID),
        route: Some(route("0751")),
        state: "held".into(),
        since: at("2026-12-01T04:20:00Z"),
        query: Some(HeldQuery {
            file: "foresp december.txt".into(),
            delivery: DeliveryNumber(42),
            payment_date: "2026-12-31".parse().unwrap(),
        }),
        reply: Some(HeldReply {
            file: "BETADM_SVAR_0751_20261201_0042.txt".into(),
            delivery: Some(DeliveryNumber(42)),
        }),
        other: None,
        reasons: ends_many().iter().map(ToString::to_string).collect(),
        summary: Some(summary()),
        choice: Choice::ApproveOrRefuse,
        seen: "0123456789ab".into(),
    }
}

pub(super) fn held_items() -> Vec<HeldItem> {
    let bare = HeldItem { id: id(OTHER), summary: None, reply: None, ..held_item() };
    let date = "2026-12-15".parse().unwrap();
    let other = OtherQuery { id: id(ID), state: "receipted".into(), payment_date: date, is_same_date: false };
    let unasked = HeldReply { file: "BETADM_SVAR_0751_20261202_0043.txt".into(), delivery: None };
    vec![
        held_item(),
        HeldItem {
            reasons: vec![HoldReason::SecondQuery { other: id(ID), payment_date: date }.to_string()],
            other: Some(other),
            ..bare.clone()
        },
        HeldItem { reasons: vec![HoldReason::Unasked.to_string()], query: None, reply: Some(unasked), ..bare.clone() },
        HeldItem {
            state: "in doubt".into(),
            reasons: vec!["whether the trigger was made is unknown: connection lost while writing it".into()],
            choice: Choice::Settle,
            ..bare.clone()
        },
        HeldItem { reasons: vec![HoldReason::MaybeSent.to_string()], choice: Choice::SendOrSettle, ..bare.clone() },
        HeldItem {
            reasons: vec![HoldReason::UnfitReply { finding: "record 5: no end record".into() }.to_string()],
            choice: Choice::RefuseOnly,
            ..bare.clone()
        },
        HeldItem {
            state: "held".into(),
            reasons: vec![HoldReason::Impossible { what: "applied cannot follow uploaded".into() }.to_string()],
            choice: Choice::Nothing,
            ..bare
        },
    ]
}

pub(super) fn story() -> Story {
    let first = at("2026-12-01T03:15:00Z");
    let entry = |(i, fact): (usize, Option<Fact>)| StoryEntry {
        seq: i as u64 + 100,
        at: first.plus(std::time::Duration::from_secs(7 * i as u64)),
        fact,
        recovered: None,
    };
    Story {
        id: id(ID),
        route: Some(route("0751")),
        state: "held".into(),
        next: "a person approves or refuses the reply".into(),
        deadline: None,
        overdue: false,
        trouble: None,
        held: Some(held_item()),
        offer: None,
        erased: None,
        entries: every_fact().into_iter().map(Some).chain([None]).enumerate().map(entry).collect(),
    }
}

pub(super) fn line(code: &str, open: Vec<ExchangeLine>, ended: Vec<ExchangeLine>) -> RouteLine {
    let route = route(code);
    RouteLine {
        exchange: route.exchange,
        endpoint: "serviceplatformen".parse().unwrap(),
        municipality: route.municipality,
        name: route.municipality.name().into(),
        open,
        ended,
        unasked: None,
        expected: None,
    }
}

pub(super) fn exchange_line(state: &str, next: &str) -> ExchangeLine {
    ExchangeLine {
        id: id(ID),
        begun: at("2026-12-01T03:10:00Z"),
        payment_date: Some("2026-12-31".parse().unwrap()),
        waits_for_person: matches!(state, "held" | "in doubt"),
        state: state.into(),
        since: at("2026-12-01T03:15:00Z"),
        next: next.into(),
        deadline: None,
        overdue: false,
        trouble: None,
    }
}

/// Nothing that a person should see to.
pub(super) fn fine() -> Snapshot {
    Snapshot {
        at: at("2026-12-01T05:00:00Z"),
        daemon_runs: true,
        restored: None,
        anchor_trouble: None,
        halts: vec![],
        endpoints: vec![EndpointLine {
            name: "serviceplatformen".parse().unwrap(),
            trouble: None,
            listed_at: Some(at("2026-12-01T04:59:30Z")),
            foreign: 3,
            waiting: vec![],
        }],
        routes: vec![
            line("0101", vec![], vec![exchange_line("done", "nothing, it is done")]),
            line("0350", vec![], vec![]),
        ],
        outbox: vec![],
        refused: vec![],
        refused_folder: "/var/lib/sluse/refused".into(),
        unreadable: vec![],
        unread: vec![],
        concerns: vec![],
    }
}

pub(super) fn restored() -> Restored {
    let anchor: AnchorLine =
        "42 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 2026-12-01T04:31:00Z".parse().unwrap();
    Restored { anchor: Some(anchor), found: Head { seq: 30, hash: ContentHash::of(b"entry 30") } }
}

/// Everything that a person should see to.
pub(super) fn troubled() -> Snapshot {
    let deadline = Some(at("2026-12-01T15:15:00Z"));
    let late = ExchangeLine { deadline, overdue: true, ..exchange_line("receipted", "the reply comes") };
    let held = exchange_line("held", "a person approves or refuses the reply");
    let junk = ExchangeLine {
        id: id(OTHER),
        payment_date: None,
        ..exchange_line("refused", "nothing; put a corrected query into the outbox")
    };
    let trouble = Some("not reachable: connection refused; tried again in 12 s".into());
    let mut snapshot = fine();
    snapshot.routes.extend([
        RouteLine { unasked: Some(junk.clone()), ..line("0730", vec![late.clone()], vec![junk.clone()]) },
        line("0751", vec![held.clone(), held, late], vec![exchange_line("done", "nothing, it is done")]),
        line("0760", vec![ExchangeLine { trouble, ..exchange_line("accepted", "the data is uploaded") }], vec![]),
        RouteLine { unasked: Some(junk.clone()), ..line("0787", vec![], vec![junk]) },
    ]);
    snapshot.halts = vec![
        Halt {
            since: at("2026-12-01T04:58:00Z"),
            exchange: None,
            municipalities: None,
            what:
                "nothing can be recorded, so nothing new is begun: cannot write to the store /var/lib/sluse/sluse.db: \
                   database or disk is full"
                    .into(),
        },
        Halt {
            since: at("2026-12-01T04:59:00Z"),
            exchange: Some("sf2530".parse().unwrap()),
            municipalities: Some(["0751".parse().unwrap()].into()),
            what: "2 exchanges cannot go on: /var/spool/sluse/inbox: No space left on device (os error 28)".into(),
        },
    ];
    snapshot.unreadable = vec![UnreadableFolder {
        municipality: Some("0760".parse().unwrap()),
        folder: "/var/spool/sluse/outbox/0760".into(),
        why: "permission denied".into(),
    }];
    snapshot.endpoints[0].trouble = Some("not reachable: connection refused".into());
    snapshot.endpoints[0].waiting =
        vec![("BETADM_SVAR_0751_x.txt".into(), "its name does not fit the reply layout".into())];
    let waiting = |municipality: Option<&str>, name: &str, why: &str| Waiting {
        municipality: municipality.map(|code| code.parse().unwrap()),
        name: name.into(),
        why: why.into(),
    };
    snapshot.outbox = vec![
        waiting(Some("0751"), "q.txt", "not whole yet: the end record is missing"),
        waiting(None, "old", "beside the municipalities' folders: it belongs to none that is configured"),
    ];
    snapshot.refused = vec![RefusedFile {
        exchange: "sf2530".into(),
        municipality: "0751".into(),
        name: "77aa0c11.notes.txt".into(),
        reason: Some("record 1, byte 1: no start record".into()),
    }];
    snapshot
}

fn agreement(code: &str, number: &str, change: Change) -> RegisterLine {
    RegisterLine {
        exchange: "sf2530".parse().unwrap(),
        municipality: code.parse().unwrap(),
        agreement: number.into(),
        payer: Some("070761-xxxx".into()),
        valid_from: Some("2026-01-01".parse().unwrap()),
        valid_to: None,
        amount_oere: Some(Oere(160_300)),
        other: BTreeMap::from([("note".to_owned(), "a \"b\"; c".to_owned())]),
        known_at: at("2026-12-01T04:20:00Z"),
        change,
    }
}

fn standing() -> Standing {
    Standing {
        exchange: "sf2530".parse().unwrap(),
        municipality: "0751".parse().unwrap(),
        delivery: Some(DeliveryNumber(42)),
        as_of: "2026-12-01".parse().unwrap(),
        known_at: at("2026-12-01T04:20:00Z"),
    }
}

pub(super) fn called() -> Called {
    Called::with(None)
}

/// Compares with the file, or writes it where `SLUSE_UPDATE` is set.
fn is_transcript(file: &str, shown: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/operator/transcripts").join(file);
    if std::env::var_os("SLUSE_UPDATE").is_some() {
        fs::write(&path, shown).unwrap();
    }
    assert_eq!(shown, fs::read_to_string(&path).unwrap_or_default(), "{file}");
    if !file.ends_with(".txt") {
        return;
    }
    let commands_and_names = |line: &&str| line.starts_with("    sluse") || line.trim().split(' ').count() <= 2;
    let wide = shown.lines().filter(|line| line.chars().count() > text::WIDTH).find(|line| !commands_and_names(line));
    assert_eq!(wide, None, "{file} is wider than a screen");
}

/// What a command shows at a desk that answers so, and its exit status.
fn run(command_line: &str, answers: impl Fn(Request) -> Vec<Answer>) -> (String, u8) {
    let cli = Cli::try_parse_from(command_line.split(' ')).unwrap();
    let mut out = Vec::new();
    let mut call = Call { desk: Desk::answered_by(answers), look: Look::PLAIN, called: called(), out: &mut out };
    let found = call.answer(cli.command);
    let status = status_code(&found);
    let mut shown = String::from_utf8(out).unwrap();
    if let Err(failure) = found {
        shown.push_str(&format!("error: {failure}\n"));
    }
    (shown, status)
}

fn refuse(_: Request) -> Vec<Answer> {
    vec![Answer::Refused { why: "it does not wait for a person".into() }]
}

#[test]
fn status_shows_every_municipality_and_everything_that_lies_about() {
    is_transcript("status-fine.txt", &status::overview(&fine(), Look::PLAIN, &called()));
    is_transcript("status-troubled.txt", &status::overview(&troubled(), Look::PLAIN, &called()));
    let mut stopped = Snapshot { daemon_runs: false, ..fine() };
    stopped.routes[0].exchange = "other".parse().unwrap();
    is_transcript("status-stopped.txt", &status::overview(&stopped, Look::PLAIN, &called()));
    let restored = Snapshot {
        restored: Some(restored().to_string()),
        anchor_trouble: Some("the anchor /var/lib/sluse/journal.anchor cannot be written: disk full".into()),
        ..fine()
    };
    assert!(!status::is_fine(&restored));
    is_transcript("status-restored.txt", &status::overview(&restored, Look::PLAIN, &called()));
}

#[test]
fn backup_says_what_it_holds_and_what_was_not_as_the_journal_says() {
    let file = |path: &str, size| Kept { path: path.into(), size, sha256: ContentHash::of(path.as_bytes()) };
    let manifest = Manifest {
        format: 1,
        version: "0.1.0".into(),
        at: at("2026-12-01T05:00:00Z"),
        seq: 42,
        hash: ContentHash::of(b"entry 42"),
        anchor: None,
        files: vec![file("sluse.db", 65_536), file("archive/sf2530/0751/3f0f9a2e/query", 252)],
        wrong: vec!["/var/lib/sluse/archive/sf2530/0101/77aa0c11/query: gone".into()],
    };

    is_transcript("backup.txt", &backup::show(&manifest, Path::new("/srv/backup/2026-12-01")));
}

#[test]
fn recover_tells_what_the_store_does_not_know() {
    let fine = Report {
        restored: None,
        journal: 42,
        anchor: Some(42),
        open: vec![],
        queries: vec![],
        replies: vec![],
        receipts: vec![],
        odd: vec![],
        far: vec![],
    };
    is_transcript("recover-fine.txt", &recover::show(&fine, &called()));
    let open = |state: &str, becomes: &str| Open {
        id: id(ID),
        municipality: "0751".parse().unwrap(),
        state: state.into(),
        becomes: becomes.into(),
    };
    let query = |name: Option<&str>| StrayQuery {
        id: id(OTHER),
        municipality: "0101".parse().unwrap(),
        name: name.map(str::to_owned),
    };
    let looked = FarLook {
        endpoint: "serviceplatformen".into(),
        triggers: vec![name("BETADM_FORESP_0101_20261201_0007.txt.trigger")],
        replies: vec![name("BETADM_SVAR_0751_20261201_0042.txt")],
        ..FarLook::default()
    };
    let report = Report {
        restored: Some(restored().finding()),
        journal: 30,
        open: vec![open("uploaded", "held"), open("receipted", "receipted")],
        queries: vec![query(Some("foresp januar.txt")), query(None)],
        replies: vec![StrayReply { municipality: "0751".parse().unwrap(), name: arrival().name }],
        receipts: vec!["BETADM_FORESP_0751_20261201_0042.txt.sftpreceipt".into()],
        odd: vec!["/var/lib/sluse/archive/notes: it is not where Sluse puts a file".into()],
        far: vec![
            looked,
            FarLook { endpoint: "other".into(), trouble: Some("not reachable".into()), ..FarLook::default() },
        ],
        ..fine
    };
    assert!(!report.is_fine());
    is_transcript("recover.txt", &recover::show(&report, &called()));
}

#[test]
fn status_of_one_municipality_shows_what_it_waits_for_and_the_commands() {
    let code = "0751".parse().unwrap();
    let part = status::part_of(troubled(), code).unwrap();

    is_transcript("status-0751.txt", &status::of(code, &part, &[held_item()], Look::PLAIN, &called()));
}

#[test]
fn held_gives_reasons_numbers_and_the_exact_commands() {
    is_transcript("held.txt", &held::show(&held_items(), Look::PLAIN, &called()));
    assert_eq!(held::show(&[], Look::PLAIN, &called()), "Nothing waits for a person.\n");
}

#[test]
fn a_shown_command_can_be_copied_also_where_the_path_is_odd() {
    let called = Called::with(Some(Path::new("/tmp/it's here/x.toml")));

    let shown = held::show(&[held_item()], Look::PLAIN, &called);

    let command = r#"sluse --config '/tmp/it'\''s here/x.toml' approve 3f0f9a2e --seen 0123456789ab --reason "…""#;
    assert!(shown.contains(command), "{shown}");
}

#[test]
fn explain_tells_every_fact_in_a_sentence() {
    is_transcript("explain.txt", &explain::show(&[story()], Look::PLAIN, &called()));
    let late = Story {
        deadline: Some(at("2026-12-01T15:15:00Z")),
        overdue: true,
        trouble: Some("endpoint serviceplatformen: far side not reachable: connection refused".into()),
        held: None,
        state: "receipted".into(),
        next: "the reply comes".into(),
        entries: vec![],
        ..story()
    };
    is_transcript("explain-late.txt", &explain::show(&[late], Look::PLAIN, &called()));
    // Rejected, and the exchange by which it is sent again, while it can still be taken back.
    let Some(Fact::Accepted(query)) = every_fact().into_iter().next() else { panic!("the first fact is a query") };
    let of_that = Accepted { retry_of: Some(id(ID)), ..query };
    let entry =
        StoryEntry { seq: 130, at: at("2026-12-01T09:15:00Z"), fact: Some(Fact::Accepted(of_that)), recovered: None };
    let rejected = Story {
        held: None,
        state: "rejected".into(),
        next: "nothing by itself".into(),
        offer: Some(Offer::Retry { seen: "0123456789ab".into() }),
        entries: vec![],
        ..story()
    };
    let again = Story {
        id: id(OTHER),
        held: None,
        state: "accepted".into(),
        next: "the data is uploaded".into(),
        offer: Some(Offer::Withdraw),
        entries: vec![entry],
        ..story()
    };
    is_transcript("explain-offers.txt", &explain::show(&[rejected, again], Look::PLAIN, &called()));
    for fact in every_fact() {
        let sentence = sentence::of(&fact, Around::default());
        assert!(sentence.starts_with(|c: char| c.is_uppercase() || sentence.starts_with("notes")), "{sentence}");
        assert!(sentence.ends_with(['.', '”']) && !sentence.contains(".."), "{sentence}");
    }
}

/// A fact that is added must be added to the transcript too.
#[test]
fn the_transcript_of_explain_holds_every_fact() {
    let told: BTreeSet<&str> = every_fact().iter().map(Fact::name).collect();
    let expected = |fact: &Fact| match fact {
        Fact::Accepted(_) | Fact::Unfit(_) | Fact::QueryHeld { .. } | Fact::DataUploaded | Fact::DataGone => 29,
        Fact::TriggerStaged { .. } | Fact::RenameUnavailable { .. } | Fact::TriggerIntended { .. } => 29,
        Fact::TriggerMade | Fact::TriggerNotMade { .. } | Fact::Doubted { .. } | Fact::TriggerFound { .. } => 29,
        Fact::Settled { .. } | Fact::ReceiptRead { .. } | Fact::ReplyFetched(_) | Fact::ReplyHeld { .. } => 29,
        Fact::Approved { .. } | Fact::Declined { .. } | Fact::Applied { .. } | Fact::HandOverStaged { .. } => 29,
        Fact::HandOverLost | Fact::HandOverIntended | Fact::HandedOver | Fact::CommandRan { .. } => 29,
        Fact::Tidied { .. } | Fact::SetAside | Fact::Withdrawn { .. } | Fact::Retried { .. } | Fact::StoreRestored => {
            29
        }
    };
    assert!(every_fact().iter().all(|fact| expected(fact) == told.len()), "{told:?}");
}

fn retry_line(of: &str, came_to: CameTo) -> RetryLine {
    let (municipality, payment_date) = (route("0751").municipality, "2026-12-31".parse().unwrap());
    RetryLine { of: of.into(), municipality: Some(municipality), payment_date: Some(payment_date), came_to }
}

#[test]
fn a_retry_says_of_each_exchange_what_it_came_to_and_exits_with_1_if_any_was_refused() {
    let next = "the data is uploaded".to_owned();
    let by = CameTo::Retried { by: id(OTHER), state: "accepted".into(), next };
    let why = format!("exchange {OTHER} is done: its query counts; only what was rejected is sent again");
    let unknown = RetryLine {
        municipality: None,
        payment_date: None,
        ..retry_line("beef", CameTo::Refused { why: "no exchange has an id that begins with `beef`".into() })
    };
    let done = [retry_line(ID, by), retry_line(OTHER, CameTo::Refused { why }), unknown];
    let looked = [retry_line(ID, CameTo::Possible { state: "held".into() })];

    let by_held =
        CameTo::Retried { by: id(OTHER), state: "held".into(), next: "a person approves or refuses it".into() };
    let held = [retry_line(ID, by_held)];
    let shown = retry::show(&done, false, Look::PLAIN) + "\n" + &retry::show(&held, false, Look::PLAIN);
    let shown = shown + "\n" + &retry::show(&looked, true, Look::PLAIN);

    is_transcript("retry.txt", &shown);
    assert_eq!(
        (retry::found(&done), retry::found(&done[..1]), retry::found(&looked)),
        (Found::Wrong, Found::Fine, Found::Fine)
    );
}

#[test]
fn the_register_is_shown_masked_in_every_format() {
    let lines = [agreement("0101", "000000001001", Change::New), agreement("0751", "000000001002", Change::Ended)];
    let asked = RegisterRequest::default();
    for (format, file) in [(Format::Table, "txt"), (Format::Csv, "csv"), (Format::Json, "json")] {
        let mut shown = Vec::new();
        let mut listing = Listing::new(&mut shown, format, Look::PLAIN);
        lines.iter().for_each(|line| listing.line(line).unwrap());
        listing.end(&asked, &[standing()]).unwrap();

        let shown = String::from_utf8(shown).unwrap();
        is_transcript(&format!("register.{file}"), &shown);
        assert_eq!(shown.matches("070761-xxxx").count(), 2);
        if format == Format::Json {
            let read: Vec<RegisterLine> = serde_json::from_str(&shown).unwrap();
            assert_eq!(read.len(), 2);
        }
    }
}

#[test]
fn an_empty_register_is_still_in_its_format() {
    for (format, expected) in [("table", "No agreements: no reply was ever applied.\n"), ("json", "[]\n")] {
        let (shown, status) = run(&format!("sluse register --format {format}"), |_| {
            vec![Answer::Agreements { count: 0, standing: vec![] }]
        });
        assert_eq!((shown.as_str(), status), (expected, 0));
    }
}

#[test]
fn why_there_are_no_agreements_is_told_apart() {
    let none = |line: &str, standing: Vec<Standing>| {
        let answers = move |_| vec![Answer::Agreements { count: 0, standing: standing.clone() }];
        run(format!("sluse register 0751 {line}").trim(), answers).0
    };

    assert_eq!(none("", vec![]), "No agreements: no reply of 0751 Aarhus was ever applied.\n");
    let then = none("--known-at 2026-11-01", vec![]);
    assert_eq!(then, "No agreements: at 2026-11-01 00:00 nothing was known of 0751 Aarhus yet.\n");
    assert!(none("", vec![standing()]).contains("the last reply holds none (0751 Aarhus, sf2530 stands by the reply"));
    assert!(none("--valid-on 2026-12-31", vec![standing()]).contains("none is in force on 2026-12-31"));
}

#[test]
fn what_the_settings_do_not_name_is_a_mistake_of_usage() {
    let why = "the settings name no exchange of 0849 Jammerbugt";
    let (shown, status) = run("sluse register 0849", |_| vec![Answer::Mistaken { why: why.into() }]);

    assert_eq!((shown, status), (format!("error: {why}\n"), 2));
}

#[test]
fn a_register_that_is_refused_half_way_is_not_closed_and_is_wrong() {
    let (shown, status) = run("sluse register --json", |_| {
        let line = agreement("0101", "000000001001", Change::New);
        vec![Answer::Agreement(line), Answer::Refused { why: "cannot read the store".into() }]
    });

    assert!(!shown.contains(']') && shown.ends_with("error: cannot read the store\n"), "{shown}");
    assert_eq!(status, 1);
}

#[test]
fn only_a_register_that_is_asked_for_in_full_carries_the_reason() {
    for (line, reason) in [("", None), (" --full --reason audit", Some("audit"))] {
        run(&format!("sluse register 0751{line}"), |request| {
            let Request::Register(request) = request else { panic!("{request:?}") };
            assert_eq!(request.full.as_deref(), reason);
            vec![Answer::Agreements { count: 0, standing: vec![] }]
        });
    }
}

#[test]
fn status_ends_with_1_if_anything_waits_is_overdue_or_the_daemon_does_not_run() {
    let status = |snapshot: &Snapshot| run("sluse status", |_| vec![Answer::Status(snapshot.clone())]).1;
    let with = |change: &dyn Fn(&mut Snapshot)| {
        let mut snapshot = fine();
        change(&mut snapshot);
        status(&snapshot)
    };
    let open = |state: &str| exchange_line(state, "");

    assert_eq!([with(&|_| ()), with(&|s| s.routes[0].open = vec![open("receipted")])], [0, 0]);
    assert_eq!(with(&|s| s.daemon_runs = false), 1);
    assert_eq!(with(&|s| s.routes[0].open = vec![open("held")]), 1);
    let late = ExchangeLine { overdue: true, ..open("receipted") };
    assert_eq!(with(&|s| s.routes[0].open = vec![open("replied"), late.clone()]), 1, "not the first one");
    assert_eq!(with(&|s| s.routes[1].unasked = Some(open("rejected"))), 1);
    assert_eq!(with(&|s| s.endpoints[0].trouble = Some("not reachable".into())), 1);
    assert_eq!(with(&|s| s.unreadable = troubled().unreadable), 1);
    assert_eq!(with(&|s| s.halts = troubled().halts), 1);
}

#[test]
fn a_file_that_waits_in_the_outbox_is_explained_as_status_says_it() {
    let answers = |_| vec![Answer::Explained { stories: vec![], waiting: troubled().outbox[..1].to_vec() }];

    let (shown, status) = run("sluse explain q.txt", answers);
    assert_eq!(shown, "In the outbox: 0751 Aarhus, q.txt: not whole yet: the end record is missing.\n");
    assert_eq!(status, 0);
    let (json, _) = run("sluse explain q.txt --json", answers);
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(read[0]["in_outbox"]["name"], "q.txt");
}

#[test]
fn every_exchange_of_a_municipality_is_listed_in_one_line() {
    let junk = troubled().routes[2].unasked.clone().unwrap();
    let answers = move |request| {
        assert_eq!(request, Request::List { municipality: "0751".parse().unwrap() });
        vec![Answer::Listed { exchanges: vec![exchange_line("done", "nothing, it is done"), junk.clone()] }]
    };

    let (shown, status) = run("sluse explain 0751 --all", answers);
    is_transcript("explain-all.txt", &shown);
    assert_eq!(status, 0);
    assert_eq!(run("sluse explain q.txt --all", refuse).1, 2);
}

#[test]
fn status_of_one_municipality_does_not_blame_it_for_the_others() {
    let answers = |request: Request| match request {
        Request::Status => {
            let mut snapshot = troubled();
            snapshot.endpoints[0].trouble = None;
            snapshot.halts.retain(|halt| halt.exchange.is_some());
            vec![Answer::Status(snapshot)]
        }
        _ => vec![Answer::Held { items: held_items() }],
    };
    let (aarhus, wrong) = run("sluse status 0751", answers);
    let (copenhagen, fine) = run("sluse status 0101", answers);
    let (unknown, usage) = run("sluse status 0849", answers);

    assert_eq!([wrong, fine, usage], [1, 0, 2]);
    assert!(aarhus.contains("sluse approve 3f0f9a2e"), "{aarhus}");
    assert!(!copenhagen.contains("Aarhus"), "{copenhagen}");
    assert_eq!(unknown, "error: the settings name no exchange of 0849 Jammerbugt\n");
}

#[test]
fn held_ends_with_1_if_something_is() {
    assert_eq!(run("sluse held", |_| vec![Answer::Held { items: held_items() }]).1, 1);
    assert_eq!(run("sluse held --json", |_| vec![Answer::Held { items: vec![] }]), ("[]\n".to_owned(), 0));
}

#[test]
fn a_name_that_nothing_goes_by_ends_with_1() {
    let (shown, status) = run("sluse explain 9999", |_| vec![Answer::Explained { stories: vec![], waiting: vec![] }]);

    assert!(shown.starts_with("error: nothing goes by the name \"9999\"; expected"), "{shown}");
    assert_eq!(status, 1);
    let (shown, _) = run("sluse explain 0751", |_| vec![Answer::Explained { stories: vec![], waiting: vec![] }]);
    assert!(shown.starts_with("error: 0751 Aarhus has no story yet"), "{shown}");
}

#[test]
fn json_is_what_the_engine_answered() {
    let (shown, status) =
        run("sluse explain 0751 --json", |_| vec![Answer::Explained { stories: vec![story()], waiting: vec![] }]);
    let read: serde_json::Value = serde_json::from_str(&shown).unwrap();

    assert_eq!((read[0]["id"].as_str(), status), (Some(ID), 0));
    assert_eq!(read[0]["entries"][0]["fact"]["fact"], "accepted");
}

#[test]
fn a_decision_is_passed_on_as_it_was_made_and_told_as_it_was_taken() {
    let (shown, status) = run("sluse settle 3f0f --not-sent --reason asked --seen 0123456789ab", |request| {
        let ask = Ask {
            id: "3f0f".into(),
            verdict: Verdict::SettleNotSent,
            reason: "asked".into(),
            seen: Some("0123456789ab".into()),
        };
        assert_eq!(request, Request::Decide(ask));
        let next = "the file is put into refused/".to_owned();
        vec![Answer::Decided { id: id(ID), state: "refused".into(), next }]
    });

    assert_eq!(shown, format!("Exchange {ID} is now refused. Next: the file is put into refused/.\n{LATER}"));
    assert_eq!(status, 0);
    let refused = "error: it does not wait for a person\n".to_owned();
    assert_eq!(run("sluse approve 3f0f --reason why", refuse), (refused, 1));
}

#[test]
fn a_query_that_cannot_be_is_a_mistake_of_usage_and_one_that_could_not_be_written_is_wrong() {
    let ask = |answer: fn(String) -> Answer| {
        let why = "a reason".to_owned();
        run("sluse query 0751 --payment-date 2026-12-31", move |_| vec![answer(why.clone())])
    };

    assert_eq!(ask(|why| Answer::Mistaken { why }), ("error: a reason\n".into(), 2));
    assert_eq!(ask(|why| Answer::Refused { why }), ("error: a reason\n".into(), 1));
}

#[test]
fn a_retry_of_nothing_says_so_and_is_no_fault() {
    let retry = |end: &str| {
        run(&format!("sluse retry --all-rejected --reason tried{end}"), |_| vec![Answer::Retried { lines: vec![] }])
    };

    let (said, status) = retry("");
    assert!(said.starts_with("Nothing that the hub rejected is selected by this") && status == 0, "{said}");
    assert_eq!(retry(" --json"), ("[]\n".into(), 0));
}

#[test]
fn a_query_is_composed_and_its_path_told() {
    let (shown, status) = run("sluse query 0751 --payment-date 2026-12-31", |request| {
        assert!(matches!(request, Request::Query { exchange: None, payment_date, .. } if payment_date.day() == 31));
        vec![Answer::Composed { path: "/var/spool/sluse/outbox/0751/q.txt".into() }]
    });

    assert_eq!(shown, format!("The query lies in the outbox: /var/spool/sluse/outbox/0751/q.txt\n{LATER}"));
    assert_eq!(status, 0);
}

#[test]
fn check_says_what_the_settings_hold_or_every_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluse.toml");
    let nothing = |_: &str| None;
    fs::write(&path, crate::config::shipped::file()).unwrap();
    let (right, _) = check::check(&path, &nothing).unwrap();
    fs::write(&path, crate::config::shipped::file().replace("poll", "pol").replace("\"all\"", "\"al\"")).unwrap();
    let wrong = check::check(&path, &nothing).unwrap_err();

    let said = format!("\nok: {}: 1 endpoint, 1 exchange, 98 municipalities\n", path.display());
    assert!(right.starts_with("note: ") && right.ends_with(&said), "{right}");
    assert!(wrong.contains("`municipalities` is \"al\""), "{wrong}");
}

/// A store that somebody was at, and one that nobody was at.
fn audits() -> [audit::Audit; 4] {
    let head = || {
        let line = AnchorLine { seq: 1_234, hash: ContentHash::of(b"head"), at: at("2026-12-01T04:20:00Z") };
        Some(audit::HeadLine {
            seq: line.seq,
            hash: line.hash.to_string(),
            at: line.at.to_string(),
            line: line.to_string(),
        })
    };
    let anchor = |met, torn| Some(audit::AnchorSeen { file: "/mnt/elsewhere/anchor".into(), lines: 40, met, torn });
    let of = |part, entry: i64, what: &str| Flaw::of_entry(part, entry, what);
    let other_way = |recoveries| audit::Audit {
        entries: 1_234,
        head: head(),
        anchor: anchor(30, false),
        recoveries,
        removed: 0,
        sealed: 0,
        not_understood: 0,
        flaw_count: 10,
        flaws: (1_231..1_241)
            .map(|entry| match entry <= 1_234 {
                true => of(
                    Part::Anchor,
                    entry,
                    "has another hash than in the anchor: it, or one before it, was written anew",
                ),
                false => of(Part::Anchor, entry, "stands in the anchor, and the journal ends before it, at 1234"),
            })
            .collect(),
    };
    let flaws = vec![
        Flaw::of(Part::File, "the list `statement` of the database was removed"),
        of(Part::Journal, 17, "was edited: its hash is not that of its content"),
        of(Part::Journal, 20, "is missing, and the 3 behind it, up to 23"),
        of(Part::Anchor, 1_240, "stands in the anchor, and the journal ends before it, at 1234"),
        of(
            Part::Register,
            42,
            "of the rows of this reply (sf2530/0751) 3 are of agreements that are new, the journal counted 4",
        ),
    ];
    [
        audit::Audit {
            entries: 1_234,
            head: head(),
            anchor: None,
            recoveries: vec![],
            removed: 240,
            sealed: 8,
            not_understood: 2,
            flaw_count: 0,
            flaws: vec![],
        },
        audit::Audit {
            entries: 1_230,
            head: head(),
            anchor: anchor(39, true),
            recoveries: vec![],
            removed: 0,
            sealed: 0,
            not_understood: 0,
            flaw_count: 10_005,
            flaws,
        },
        other_way(vec![Recovery { entry: 1_231, at: at("2026-11-30T08:00:00Z"), journal: 1_230 }]),
        other_way(vec![]),
    ]
}

#[test]
fn an_audit_says_what_holds_and_names_every_flaw() {
    for (audit, file, found) in audits().iter().zip(["fine", "flaws", "recovered", "other"]).map(|(audit, name)| {
        (audit, format!("audit-{name}.txt"), if name == "fine" { Found::Fine } else { Found::Wrong })
    }) {
        is_transcript(&file, &audit::show(audit, Look::PLAIN, &called()));
        assert_eq!(audit.found(), found);
    }
}

#[test]
fn a_rebuild_says_how_much_was_compared_and_where_it_differs() {
    let fine = Rebuilt { head: 1_234, replies: 12, left: 3, rows: 24_567, files: 40, findings: vec![] };
    let finding = |entry, rows, what: &str| Finding {
        entry: Some(entry),
        route: Some("sf2530/0751".into()),
        rows,
        what: what.into(),
    };
    let findings = vec![
        finding(42, 3, "of the register's rows, 3 say something else (in payer, amount_oere)"),
        finding(42, 2, "of the register's rows, 1 only the register has, 1 only the replay has"),
        finding(
            60,
            0,
            "its reply /var/lib/sluse/archive/x.txt is no longer what was fetched; its rows were not compared",
        ),
    ];
    let differs = Rebuilt { head: 1_234, replies: 11, left: 0, rows: 24_567, files: 40, findings };

    is_transcript("rebuild-fine.txt", &rebuild::show(&fine, Look::PLAIN, &called()));
    is_transcript("rebuild-differs.txt", &rebuild::show(&differs, Look::PLAIN, &called()));
    assert_eq!([rebuild::found(&fine), rebuild::found(&differs)], [Found::Fine, Found::Wrong]);
}

#[test]
fn a_story_of_which_nothing_is_understood_is_shown_all_the_same() {
    let unread = HeldItem {
        route: None,
        query: None,
        reply: None,
        summary: None,
        reasons: vec![HoldReason::Impossible { what: "entry 1 is not understood".into() }.to_string()],
        choice: Choice::Nothing,
        ..held_item()
    };
    let snapshot = Snapshot { unread: vec![unread.clone()], ..fine() };

    let shown = held::show(&[unread], Look::PLAIN, &called());
    let overview = status::overview(&snapshot, Look::PLAIN, &called());

    assert!(shown.starts_with("3f0f9a2e  of a municipality that is not known: held since"), "{shown}");
    assert!(overview.contains("1 story of no municipality here is not understood, and held."), "{overview}");
    assert!(overview.contains("sluse held") && !status::is_fine(&snapshot), "{overview}");
}
