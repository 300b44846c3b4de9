//! What people see of the engine: plain values, made on request, so that nobody reads its state. All of it can be
//! shown: no personal data.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::domain::change::ChangeSummary;
use crate::domain::exchange::fact::Decision;
use crate::domain::exchange::gate::Shut;
use crate::domain::exchange::hold::HoldReason;
use crate::domain::exchange::unread::Unread;
use crate::domain::exchange::{Exchange, Fact, State};
use crate::domain::identity::{ContentHash, DeliveryNumber, EndpointName, ExchangeName, FileId, Route};
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;
use crate::domain::retention::Erased;
use crate::outbox::Waiting;
use crate::store::removal::FileLeft;

pub use super::concern::{Concern, ConcernKind, Severity};

/// The whole house at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    pub at: Moment,
    /// Whether a daemon answered; without one nothing happens by itself.
    pub daemon_runs: bool,
    /// Why nothing is sent: the store was put back from a backup, and nobody has looked since.
    #[serde(default)]
    pub restored: Option<String>,
    /// Why the next restored backup might not be noticed.
    #[serde(default)]
    pub anchor_trouble: Option<String>,
    /// What keeps more than one file from going on: a disk that is full or failing.
    pub halts: Vec<Halt>,
    pub endpoints: Vec<EndpointLine>,
    pub routes: Vec<RouteLine>,
    /// What lies in the outboxes and was not taken.
    pub outbox: Vec<Waiting>,
    pub refused: Vec<RefusedFile>,
    /// Where the refused files lie, as a path: below it by exchange and municipality.
    pub refused_folder: String,
    /// Folders that queries pass and that cannot be read.
    pub unreadable: Vec<UnreadableFolder>,
    /// Stories that begin with an entry which is not understood, and are of none of the routes.
    #[serde(default)]
    pub unread: Vec<HeldItem>,
    /// What a person should know or see to, the most urgent first, then the oldest.
    #[serde(default)]
    pub concerns: Vec<Concern>,
}

/// Something that is not begun, or not done, until a disk has room or is mended; it goes on by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    pub since: Moment,
    /// None: it keeps everybody.
    pub exchange: Option<ExchangeName>,
    /// None: all of its municipalities.
    pub municipalities: Option<BTreeSet<MunicipalityCode>>,
    /// What, and why: a sentence without its capital letter and full stop.
    pub what: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EndpointLine {
    pub name: EndpointName,
    /// None: reachable, or not tried yet.
    pub trouble: Option<String>,
    /// The last good listing of IN.
    pub listed_at: Option<Moment>,
    /// Files in IN that are for others.
    pub foreign: u64,
    /// Files in IN that look like ours and cannot be taken, and why.
    pub waiting: Vec<(String, String)>,
}

/// One municipality of one exchange: where its stories stand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RouteLine {
    pub exchange: ExchangeName,
    pub endpoint: EndpointName,
    pub municipality: MunicipalityCode,
    pub name: String,
    /// Every story that is not at its end, the most urgent first: what waits for a person, then what is overdue,
    /// then the oldest.
    pub open: Vec<ExchangeLine>,
    /// The last few stories that are at their end, the latest first.
    pub ended: Vec<ExchangeLine>,
    /// The latest query, if the hub rejected it or it was unfit: nothing was asked, and no newer query followed.
    pub unasked: Option<ExchangeLine>,
    /// The next query that the calendar expects. None: it expects none, or all that it expects were sent.
    #[serde(default)]
    pub expected: Option<ExpectedQuery>,
}

/// A query that should be sent for a payment, by the calendar of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedQuery {
    pub payment_date: Date,
    pub by: Moment,
}

impl RouteLine {
    /// The story that counts most now. None: there never was one.
    pub fn foremost(&self) -> Option<&ExchangeLine> {
        self.open.first().or(self.ended.first())
    }

    /// How many of its stories wait for a person.
    pub fn waiting_for_person(&self) -> usize {
        self.open.iter().filter(|line| line.waits_for_person).count()
    }
}

/// One exchange in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeLine {
    pub id: FileId,
    pub begun: Moment,
    /// Of its query; None: it began with an unfit file, or with a reply that nobody asked for.
    pub payment_date: Option<Date>,
    pub state: String,
    pub since: Moment,
    pub waits_for_person: bool,
    pub next: String,
    pub deadline: Option<Moment>,
    pub overdue: bool,
    /// Why the next step has not succeeded yet.
    pub trouble: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefusedFile {
    pub exchange: String,
    pub municipality: String,
    pub name: String,
    /// The first sentence of why; None: the journal does not know the file.
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UnreadableFolder {
    /// None: it is everybody's.
    pub municipality: Option<MunicipalityCode>,
    pub folder: String,
    pub why: String,
}

/// Something that waits for a person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HeldItem {
    pub id: FileId,
    /// None: its story begins with an entry that is not understood, and does not say whose it is.
    pub route: Option<Route>,
    pub state: String,
    pub since: Moment,
    /// The query that it is about; None: there is none.
    pub query: Option<HeldQuery>,
    /// The reply that it is about; None: the query is what waits.
    pub reply: Option<HeldReply>,
    /// The other query for the same payment date or month, if that is the reason.
    pub other: Option<OtherQuery>,
    pub reasons: Vec<String>,
    pub summary: Option<ChangeSummary>,
    pub choice: Choice,
    /// What a decision on this is bound to: void when anything has moved on.
    pub seen: String,
}

/// A query, as it is told to whoever decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldQuery {
    /// Its name in the outbox.
    pub file: String,
    pub delivery: DeliveryNumber,
    pub payment_date: Date,
}

/// A reply, as it is told to whoever decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldReply {
    /// Its name in IN and in the archive.
    pub file: String,
    /// None: it has none that can be read.
    pub delivery: Option<DeliveryNumber>,
}

/// The query that was there before a second one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherQuery {
    pub id: FileId,
    pub state: String,
    pub payment_date: Date,
    /// False: only the month is the same.
    pub is_same_date: bool,
}

/// What a person can decide of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    ApproveOrRefuse,
    /// It may have been sent before the store was put back: send it (again), refuse it, or say that it was sent.
    SendOrSettle,
    /// What is unfit cannot be approved.
    RefuseOnly,
    /// In doubt: sent, or not sent.
    Settle,
    /// Its journal says something impossible; no decision can follow.
    Nothing,
}

/// A decision that a person may take on an exchange that waits for nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "offer", rename_all = "snake_case")]
pub enum Offer {
    /// The hub cannot have the query yet. No mark: it may be taken back until the trigger is intended, whatever step
    /// is taken meanwhile.
    Withdraw,
    /// Its query came to nothing.
    Retry { seen: String },
}

/// One exchange's whole story, from the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Story {
    pub id: FileId,
    /// None: its first entry is not understood, and does not say.
    pub route: Option<Route>,
    pub state: String,
    pub next: String,
    /// When the other side's next step is due.
    pub deadline: Option<Moment>,
    pub overdue: bool,
    /// Why the next step has not succeeded yet. None also where no daemon runs.
    pub trouble: Option<String>,
    pub held: Option<HeldItem>,
    /// What a person may decide though it waits for nobody.
    #[serde(default)]
    pub offer: Option<Offer>,
    pub entries: Vec<StoryEntry>,
    /// What retention has taken of it, and what is left of its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased: Option<ErasedStory>,
}

/// A story of which retention has taken something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedStory {
    pub at: Erased,
    pub begun: Moment,
    pub ended: Moment,
    pub left: Vec<FileLeft>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoryEntry {
    pub seq: u64,
    pub at: Moment,
    /// None: written by another version, not understood by this one.
    pub fact: Option<Fact>,
    /// Who recovered the store, and why, where this was written by that and not when it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Decision>,
}

/// Whether a payment can go by the register, municipality by municipality.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateReport {
    pub payment_date: Date,
    /// Every municipality of every exchange of the settings.
    pub lines: Vec<GateLine>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateLine {
    pub exchange: ExchangeName,
    pub municipality: MunicipalityCode,
    pub name: String,
    /// None: its payment can be made.
    pub shut: Option<Shut>,
}

impl GateReport {
    /// Whether all of them are ready, and there is one.
    pub fn is_open(&self) -> bool {
        !self.lines.is_empty() && self.lines.iter().all(|line| line.shut.is_none())
    }
}

impl HeldItem {
    /// None: it does not wait for a person. `other` is not filled in: the exchange does not know the others.
    pub fn of(exchange: &Exchange, broken: Option<&str>, register_head: u64) -> Option<HeldItem> {
        let (reasons, choice) = match (broken, exchange.held(), &exchange.state) {
            (Some(what), _, _) => (vec![HoldReason::Impossible { what: what.to_owned() }], Choice::Nothing),
            (None, Some(reasons), _) if reasons.contains(&HoldReason::MaybeSent) => (reasons, Choice::SendOrSettle),
            (None, Some(reasons), _) if reasons.iter().all(HoldReason::can_be_approved) => {
                (reasons, Choice::ApproveOrRefuse)
            }
            (None, Some(reasons), _) => (reasons, Choice::RefuseOnly),
            (None, None, State::InDoubt { .. }) => (Vec::new(), Choice::Settle),
            (None, None, _) => return None,
        };
        let mut shown: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        if let State::InDoubt { trouble, .. } = &exchange.state {
            shown.push(format!("whether the trigger was made is unknown: {trouble}"));
        }
        let summary = match &exchange.state {
            State::ReplyHeld { summary, .. } => summary.clone(),
            _ => None,
        };
        Some(HeldItem {
            id: exchange.id,
            route: Some(exchange.route.clone()),
            state: shown_state(exchange, broken.is_some()).to_owned(),
            since: exchange.since,
            query: exchange.query().map(|query| HeldQuery {
                file: query.original_name.clone(),
                delivery: query.delivery,
                payment_date: query.payment_date,
            }),
            reply: exchange
                .arrivals
                .last()
                .filter(|_| matches!(exchange.state, State::ReplyHeld { .. }))
                .map(|arrival| HeldReply { file: arrival.name.to_string(), delivery: arrival.delivery }),
            other: None,
            choice,
            reasons: shown,
            summary,
            seen: seen(exchange, register_head),
        })
    }
}

/// The state's name as people see it: whose journal cannot be followed is held, wherever it stood.
pub fn shown_state(exchange: &Exchange, is_broken: bool) -> &'static str {
    if is_broken { HELD } else { exchange.state_name() }
}

/// What people see of a story that waits for a person.
const HELD: &str = "held";

impl HeldItem {
    /// A story that begins with an entry which is not understood.
    pub fn unread(unread: &Unread, why: &str) -> HeldItem {
        HeldItem {
            id: unread.id,
            route: unread.marks.route.clone(),
            state: HELD.to_owned(),
            since: unread.at,
            query: None,
            reply: None,
            other: None,
            reasons: vec![HoldReason::Impossible { what: why.to_owned() }.to_string()],
            summary: None,
            choice: Choice::Nothing,
            seen: String::new(),
        }
    }
}

impl ExchangeLine {
    /// The same in one line.
    pub fn unread(unread: &Unread) -> ExchangeLine {
        ExchangeLine {
            id: unread.id,
            begun: unread.at,
            payment_date: unread.marks.payment_date,
            state: HELD.to_owned(),
            since: unread.at,
            waits_for_person: true,
            next: NOTHING_BY_ITSELF.to_owned(),
            deadline: None,
            overdue: false,
            trouble: None,
        }
    }
}

/// What comes next of a story whose journal cannot be followed.
pub const NOTHING_BY_ITSELF: &str = "nothing by itself: its journal cannot be followed";

/// A short mark of the exchange's state, its reply and the register behind it: what a decision is bound to.
pub fn seen(exchange: &Exchange, register_head: u64) -> String {
    let reply = exchange.arrivals.last().map(|arrival| arrival.hash.to_string()).unwrap_or_default();
    let mark =
        format!("{}|{}|{}|{reply}|{register_head}", exchange.id, exchange.state.name(), exchange.since.as_micros());
    let mark = exchange.retried_by.iter().fold(mark, |mark, by| format!("{mark}|{by}"));
    ContentHash::of(mark.as_bytes()).short()
}
