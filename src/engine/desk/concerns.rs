//! What a person should know of or see to now: decided from the book, the settings, and what a running daemon has seen.
//! Times that may be waited are measured on a clock that does not step ([`Times`]); a calendar's points are the wall
//! clock's. Start with [`Office::concerns`].

use std::collections::HashMap;
use std::time::Duration;

use jiff::civil::Date;
use tokio::time::Instant;

use super::Office;
use super::routes::came_to_nothing;
use crate::domain::exchange::{Book, Exchange, Origin, State};
use crate::domain::identity::{EndpointName, FileId, Route};
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;
use crate::domain::patience::{Awaited, Wait};
use crate::domain::person::mask_in_text;
use crate::engine::alarm::HEARTBEAT;
use crate::engine::concern::{Concern, ConcernKind, Severity};
use crate::engine::places::short_id;
use crate::engine::snapshot::{ExpectedQuery, Halt};
use crate::transport::Trouble;

/// No more are told at once: the page stays readable, and the oldest of the most urgent are among them.
const CONCERNS_MAX: usize = 1_000;

/// Of each endpoint no more files that cannot be taken are told of.
const UNTAKABLE_MAX: usize = 10;

/// The list of payment dates should reach so far ahead.
const CALENDAR_AHEAD: Duration = Duration::from_secs(14 * 86_400);

/// What only a running daemon has seen; nothing where none runs.
#[derive(Default)]
pub struct Seen {
    pub endpoints: Vec<SeenEndpoint>,
    pub halts: Vec<Halt>,
    /// Folders that cannot be read, and why.
    pub unreadable: Vec<(String, String)>,
    /// Exchanges that have tried the same step again and again, and what keeps them.
    pub stuck: Vec<(FileId, String)>,
    pub anchor_trouble: Option<String>,
    /// Receivers that alarms do not reach, and why.
    pub silent: Vec<(String, String)>,
}

/// One endpoint, as the daemon has seen it.
pub struct SeenEndpoint {
    pub name: EndpointName,
    /// The last good listing of IN, or the daemon's start.
    pub listed_at: Moment,
    /// What the last attempt to reach it came to.
    pub trouble: Option<Trouble>,
    /// Why the last listing failed.
    pub said: Option<String>,
    /// Files in IN that look like ours and cannot be taken, and why.
    pub untakable: Vec<(String, String)>,
}

/// When something was first seen, and when a time is up, on a clock that does not step. A moment that is asked for is fixed
/// on that clock when it is asked for the first time; if the wall clock steps afterwards, nothing moves.
pub struct Times {
    now: Moment,
    steady: Instant,
    look: u64,
    due: HashMap<(String, Moment), (Instant, u64)>,
    first: HashMap<String, (Moment, u64)>,
}

impl Times {
    pub fn at(now: Moment, steady: Instant) -> Times {
        Times { now, steady, look: 0, due: HashMap::new(), first: HashMap::new() }
    }

    /// Begins a look; what the one before it did not ask for is forgotten.
    pub fn look(&mut self, now: Moment, steady: Instant) {
        let before = self.look;
        self.due.retain(|_, (_, look)| *look == before);
        self.first.retain(|_, (_, look)| *look == before);
        (self.now, self.steady, self.look) = (now, steady, before + 1);
    }

    /// Whether a moment that means something for `of` has come.
    fn is_reached(&mut self, of: &str, moment: Moment) -> bool {
        let fixed = self.steady + moment.since(self.now);
        let entry = self.due.entry((of.to_owned(), moment)).or_insert((fixed, self.look));
        entry.1 = self.look;
        entry.0 <= self.steady
    }

    fn first_seen(&mut self, of: &str) -> Moment {
        let entry = self.first.entry(of.to_owned()).or_insert((self.now, self.look));
        entry.1 = self.look;
        entry.0
    }

    /// How urgent a wait is. None: there is time.
    fn severity(&mut self, of: &str, wait: Wait) -> Option<Severity> {
        match (self.is_reached(of, wait.by), self.is_reached(of, wait.warn_at)) {
            (true, _) => Some(Severity::Alarm),
            (false, true) => Some(Severity::Warning),
            (false, false) => None,
        }
    }
}

impl Office {
    /// Everything, the most urgent first, then the oldest. `times` has begun this look.
    pub fn concerns(&self, book: &Book, seen: &Seen, times: &mut Times) -> Vec<Concern> {
        let mut found = Vec::new();
        for exchange in book.open() {
            found.extend(self.of_open(exchange, times));
        }
        found.extend(book.all_broken().map(|(id, why)| of_journal(book, id, why)));
        found.extend(self.missing(book, times));
        found.extend(self.calendar_ends(times.now));
        for endpoint in &seen.endpoints {
            self.of_endpoint(endpoint, times, &mut found);
        }
        found.extend(seen.stuck.iter().filter_map(|(id, why)| self.of_stuck(book.get(*id)?, why, times)));
        found.extend(of_halts(&seen.halts));
        found.extend(seen.unreadable.iter().map(|(folder, why)| of_folder(folder, why, times)));
        found.extend(seen.anchor_trouble.iter().map(|trouble| of_anchor(trouble, times)));
        found.extend(seen.silent.iter().map(|(receiver, why)| of_receiver(receiver, why, times)));
        for concern in &mut found {
            concern.what = mask_in_text(&concern.what);
        }
        found.sort_by(|one, other| {
            let key = |concern: &Concern| (std::cmp::Reverse(concern.severity), concern.since);
            key(one).cmp(&key(other)).then_with(|| one.id.cmp(&other.id))
        });
        found.truncate(CONCERNS_MAX);
        found
    }

    /// The next query that the calendar expects of a route; None: it expects none, or has it.
    pub(super) fn expected_query(&self, book: &Book, route: &Route) -> Option<ExpectedQuery> {
        let calendar = self.settings.calendar.as_ref()?;
        let payments = calendar.payments.from(self.surroundings.now().date_in_copenhagen());
        let missing = payments.into_iter().find(|date| !is_sent(book, route, *date))?;
        Some(ExpectedQuery { payment_date: missing, by: calendar.query_by.before(missing) })
    }

    /// What is late, held or in doubt of one exchange that is not at its end.
    fn of_open(&self, exchange: &Exchange, times: &mut Times) -> Option<Concern> {
        let patience = self.patience(&exchange.route.exchange);
        if let Some(reasons) = exchange.held() {
            let first = reasons.first().map(ToString::to_string).unwrap_or_default();
            let what = match &exchange.state {
                State::ReceiptHeld { .. } => "a receipt",
                State::ReplyHeld { .. } => "a reply",
                _ => "a query",
            };
            return Some(Concern {
                // Another hold of the same exchange is another thing to decide.
                id: format!("{}:{}", id_of(ConcernKind::Held, exchange), exchange.since),
                what: format!("{what} of {} is held: {first}", named(exchange)),
                advice: "look at it, and approve or refuse it".to_owned(),
                command: "held".to_owned(),
                ..of_exchange(ConcernKind::Held, exchange, Severity::Alarm, exchange.since)
            });
        }
        if let State::InDoubt { trouble, .. } = &exchange.state {
            let id = id_of(ConcernKind::InDoubt, exchange);
            let wait = patience.map(|of| Wait::of(exchange.since, of.receipt_within, &of.windows));
            let severity = wait.map_or(Some(Severity::Alarm), |wait| times.severity(&id, wait))?;
            return Some(Concern {
                deadline: wait.map(|wait| wait.by),
                what: format!("whether the trigger of {} was made is unknown: {trouble}", named(exchange)),
                advice: "a receipt or a reply settles it; if none comes, ask the operator of the far side whether it has the \
                         query, and say so by `sluse settle`"
                    .to_owned(),
                command: "held".to_owned(),
                ..of_exchange(ConcernKind::InDoubt, exchange, severity, exchange.since)
            });
        }
        let expected = exchange.expectation(&patience?)?;
        let (kind, what, whom) = match expected.awaited {
            Awaited::Receipt => (ConcernKind::Receipt, "the hub's receipt", "the operator of the far side"),
            Awaited::Reply => (ConcernKind::Reply, "the reply", "Udbetaling Danmark"),
        };
        let severity = times.severity(&id_of(kind, exchange), expected.wait)?;
        Some(Concern {
            deadline: Some(expected.by()),
            what: format!("{what} for {} has not come, {}", named(exchange), expected_by(expected.by(), severity)),
            advice: format!("ask {whom} why not"),
            ..of_exchange(kind, exchange, severity, expected.wait.since)
        })
    }

    /// Queries that came to nothing, and those that the calendar misses.
    fn missing(&self, book: &Book, times: &Times) -> Vec<Concern> {
        let mut found = Vec::new();
        let today = times.now.date_in_copenhagen();
        let calendar = self.settings.calendar.as_ref();
        let due = calendar.into_iter().flat_map(|calendar| {
            let wait = |date| Wait::between(calendar.query_from.before(date), calendar.query_by.before(date));
            calendar.payments.from(today).into_iter().map(move |date| (date, wait(date)))
        });
        let due: Vec<(Date, Wait)> = due.filter(|(_, wait)| wait.warn_at <= times.now).collect();
        for (name, settings) in &self.settings.exchanges {
            for municipality in &settings.municipalities {
                let route = Route { exchange: name.clone(), municipality: *municipality };
                let latest = book.of_route(&route).rev().find(|exchange| !matches!(exchange.origin, Origin::Reply));
                found.extend(latest.filter(|exchange| came_to_nothing(exchange)).map(of_nothing));
                let missed = due.iter().filter(|(date, _)| !is_sent(book, &route, *date));
                found.extend(missed.map(|(date, wait)| of_missing(book, &route, *date, *wait, times.now)));
            }
        }
        found
    }

    fn calendar_ends(&self, now: Moment) -> Option<Concern> {
        let end = self.settings.calendar.as_ref()?.payments.end()?;
        if now.plus(CALENDAR_AHEAD).date_in_copenhagen() <= end {
            return None;
        }
        Some(Concern {
            what: format!("the payment dates of [calendar] end on {end}: no query is expected after that"),
            advice: "put the next ones into the settings, and reload them (`systemctl reload sluse`)".to_owned(),
            command: "check".to_owned(),
            ..Concern::new(ConcernKind::Calendar, "", Severity::Warning, Moment::in_danish_time(end.at(0, 0, 0, 0)))
        })
    }

    fn of_endpoint(&self, endpoint: &SeenEndpoint, times: &mut Times, found: &mut Vec<Concern>) {
        let Some(settings) = self.settings.endpoints.get(&endpoint.name) else { return };
        let of = |kind, severity, since| Concern {
            endpoint: Some(endpoint.name.clone()),
            ..Concern::new(kind, endpoint.name.as_str(), severity, since)
        };
        if let Some(trouble @ (Trouble::HostKey { .. } | Trouble::Login(_))) = &endpoint.trouble {
            let (kind, advice) = match trouble {
                Trouble::HostKey { .. } => {
                    (ConcernKind::HostKey, "ask the operator of the far side; nothing is sent meanwhile")
                }
                _ => (ConcernKind::Login, "ask the operator of the far side whether our key is known there"),
            };
            let key = format!("{}:{}", kind.name(), endpoint.name);
            let since = times.first_seen(&key);
            // A platform under maintenance may be anything.
            if times.is_reached(&key, settings.service_windows.after(since, Duration::ZERO)) {
                let what = format!("endpoint {}: {trouble}", endpoint.name);
                found.push(Concern { what, advice: advice.to_owned(), ..of(kind, Severity::Alarm, since) });
            }
        } else {
            let wait = Wait::of(endpoint.listed_at, settings.poll_within, &settings.service_windows);
            if let Some(severity) = times.severity(&format!("poll:{}", endpoint.name), wait) {
                let why = endpoint.trouble.as_ref().map(ToString::to_string).or(endpoint.said.clone());
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                found.push(Concern {
                    deadline: Some(wait.by),
                    what: format!(
                        "IN of endpoint {} could not be listed since {}{why}",
                        endpoint.name,
                        wait.since.minute()
                    ),
                    advice: "find out whether the server or the way to it is down; Sluse tries again and again"
                        .to_owned(),
                    ..of(ConcernKind::Poll, severity, wait.since)
                });
            }
        }
        for (name, why) in endpoint.untakable.iter().take(UNTAKABLE_MAX) {
            let key = format!("untakable:{}/{name}", endpoint.name);
            let since = times.first_seen(&key);
            if times.is_reached(&key, settings.service_windows.after(since, settings.poll_within)) {
                found.push(Concern {
                    id: key,
                    what: format!("the file {name} in IN of endpoint {} cannot be taken: {why}", endpoint.name),
                    advice: "if it is a reply, ask Udbetaling Danmark to send it again".to_owned(),
                    ..of(ConcernKind::Untakable, Severity::Warning, since)
                });
            }
        }
    }

    fn of_stuck(&self, exchange: &Exchange, why: &str, times: &mut Times) -> Option<Concern> {
        let key = id_of(ConcernKind::Stuck, exchange);
        let since = times.first_seen(&key);
        let until = self.patience(&exchange.route.exchange).map(|of| of.windows.after(since, Duration::ZERO));
        times.is_reached(&key, until.unwrap_or(since)).then(|| Concern {
            what: format!("{} does not get on from {}: {why}", named(exchange), exchange.state.name()),
            advice: "mend what keeps it; Sluse tries again and again".to_owned(),
            ..of_exchange(ConcernKind::Stuck, exchange, Severity::Alarm, since)
        })
    }
}

fn is_sent(book: &Book, route: &Route, date: Date) -> bool {
    book.of_route(route).any(|exchange| exchange.was_sent() && is_for(exchange, date))
}

fn is_for(exchange: &Exchange, date: Date) -> bool {
    exchange.query().is_some_and(|query| query.payment_date == date)
}

fn id_of(kind: ConcernKind, exchange: &Exchange) -> String {
    format!("{}:{}", kind.name(), exchange.id)
}

/// `0751 Aarhus`.
fn full_name(code: MunicipalityCode) -> String {
    format!("{code} {}", code.name())
}

/// `0751 Aarhus (exchange 3f0f9a2e)`.
fn named(exchange: &Exchange) -> String {
    format!("{} (exchange {})", full_name(exchange.route.municipality), short_id(exchange.id))
}

fn expected_by(by: Moment, severity: Severity) -> String {
    match severity {
        Severity::Alarm => format!("and was expected by {}", by.minute()),
        Severity::Warning => format!("and is expected by {}", by.minute()),
    }
}

fn of_exchange(kind: ConcernKind, exchange: &Exchange, severity: Severity, since: Moment) -> Concern {
    Concern {
        exchange: Some(exchange.route.exchange.clone()),
        municipality: Some(exchange.route.municipality),
        story: Some(exchange.id),
        payment_date: exchange.query().map(|query| query.payment_date),
        command: format!("explain {}", short_id(exchange.id)),
        ..Concern::new(kind, &exchange.id.to_string(), severity, since)
    }
}

/// A query that was rejected or was none.
fn of_nothing(exchange: &Exchange) -> Concern {
    let (kind, what) = match &exchange.state {
        State::Rejecting { errors } | State::Rejected { errors } => {
            let said = errors.first().map(ToString::to_string).unwrap_or_default();
            (ConcernKind::Rejected, format!("the hub rejected the query of {}: {said}", named(exchange)))
        }
        _ => {
            let why = match &exchange.origin {
                Origin::Unfit(unfit) => unfit.finding.as_str(),
                Origin::Query(_) | Origin::Reply => "it was refused",
            };
            (ConcernKind::Unfit, format!("the latest file of {} is no fit query: {why}", named(exchange)))
        }
    };
    let advice = match kind {
        ConcernKind::Rejected => {
            "find out why, then have it sent again (`sluse retry`), or put a new query into the outbox"
        }
        _ => "put a corrected query into the outbox",
    };
    Concern { what, advice: advice.to_owned(), ..of_exchange(kind, exchange, Severity::Alarm, exchange.since) }
}

/// A payment of the calendar for which no query was sent.
fn of_missing(book: &Book, route: &Route, date: Date, wait: Wait, now: Moment) -> Concern {
    let severity = if wait.by <= now { Severity::Alarm } else { Severity::Warning };
    let name = full_name(route.municipality);
    let due = match severity {
        Severity::Alarm => format!("it was due by {}", wait.by.minute()),
        Severity::Warning => format!("it is due by {}", wait.by.minute()),
    };
    let waiting = book.of_route(route).rev().find(|exchange| exchange.is_live_query() && is_for(exchange, date));
    let (what, advice, command) = match waiting {
        Some(exchange) => (
            format!(
                "the query of {} for payment date {date} is {} and not sent, {due}",
                named(exchange),
                exchange.state_name()
            ),
            "see what keeps it",
            format!("explain {}", short_id(exchange.id)),
        ),
        None => (
            format!("no query of {name} for payment date {date} was sent, {due}"),
            "put it into the outbox, or find out why the benefit system has not",
            format!("status {}", route.municipality),
        ),
    };
    Concern {
        exchange: Some(route.exchange.clone()),
        municipality: Some(route.municipality),
        story: waiting.map(|exchange| exchange.id),
        payment_date: Some(date),
        deadline: Some(wait.by),
        what,
        advice: advice.to_owned(),
        command,
        ..Concern::new(
            ConcernKind::Query,
            &format!("{}/{}/{date}", route.exchange, route.municipality),
            severity,
            wait.since,
        )
    }
}

fn of_journal(book: &Book, id: FileId, why: &str) -> Concern {
    let exchange = book.get(id);
    let unread = book.unread().into_iter().find(|unread| unread.id == id);
    let since = exchange.map(|exchange| exchange.since).or(unread.map(|unread| unread.at));
    let route =
        exchange.map(|exchange| exchange.route.clone()).or(unread.and_then(|unread| unread.marks.route.clone()));
    Concern {
        exchange: route.as_ref().map(|route| route.exchange.clone()),
        municipality: route.as_ref().map(|route| route.municipality),
        story: Some(id),
        what: format!("the journal of exchange {} cannot be followed, nothing is done for it: {why}", short_id(id)),
        advice: "call whoever looks after this installation; the other exchanges go on".to_owned(),
        command: format!("explain {}", short_id(id)),
        ..Concern::new(ConcernKind::Journal, &id.to_string(), Severity::Alarm, since.unwrap_or(Moment::from_micros(0)))
    }
}

/// One for everybody and one for each exchange of the settings, whatever the disks keep there.
fn of_halts(halts: &[Halt]) -> Vec<Concern> {
    let mut found: Vec<Concern> = Vec::new();
    for halt in halts {
        let of = halt.exchange.as_ref().map_or("", |exchange| exchange.as_str());
        let concern = Concern::new(ConcernKind::Disk, of, Severity::Alarm, halt.since);
        match found.iter_mut().find(|other| other.id == concern.id) {
            Some(other) => other.since = other.since.min(halt.since),
            None => found.push(Concern {
                exchange: halt.exchange.clone(),
                what: halt.what.clone(),
                advice: "make room on that disk, or mend it; nothing is lost, and it goes on by itself".to_owned(),
                ..concern
            }),
        }
    }
    found
}

fn of_folder(folder: &str, why: &str, times: &mut Times) -> Concern {
    let since = times.first_seen(&format!("folder:{folder}"));
    Concern {
        what: format!("the folder {folder} cannot be read, what lies there waits: {why}"),
        advice: "let the daemon's user read it".to_owned(),
        ..Concern::new(ConcernKind::Folder, folder, Severity::Alarm, since)
    }
}

fn of_anchor(trouble: &str, times: &mut Times) -> Concern {
    let since = times.first_seen("anchor");
    Concern {
        what: trouble.to_owned(),
        advice: "mend it; until then a store that is put back from a backup would not be noticed".to_owned(),
        ..Concern::new(ConcernKind::Anchor, "", Severity::Alarm, since)
    }
}

fn of_receiver(receiver: &str, why: &str, times: &mut Times) -> Concern {
    let since = times.first_seen(&format!("receiver:{receiver}"));
    let what = match receiver {
        HEARTBEAT => format!("the heartbeat does not get through: {why}"),
        _ => format!("alarms do not get through by {receiver}: {why}"),
    };
    Concern {
        what,
        advice: "mend the receiver, and try it by `sluse alarm test`; Sluse tries again and again".to_owned(),
        command: "alarm test".to_owned(),
        ..Concern::new(ConcernKind::Receiver, receiver, Severity::Alarm, since)
    }
}

#[cfg(test)]
mod tests;
