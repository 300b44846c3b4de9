//! A daemon on a store that was put back from a backup: it answers what people ask and does nothing else. There is no
//! link, no outbox and no duty here, so nothing can be sent, fetched, handed over or cleared away. Start with [`stand_by`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::alarm::{self, Bell};
use super::anchor::Restored;
use super::attendant::{Glance, Look};
use super::concern::{Concern, ConcernKind, Severity};
use super::control::{Answer, Request};
use super::desk::{Live, Office};
use super::house::Command;
use super::snapshot::{ExchangeLine, Snapshot};
use crate::domain::exchange::Book;
use crate::domain::moment::Moment;

/// It says so often that it is there.
const RING_EVERY: Duration = Duration::from_secs(20);

/// Answers until told to stop.
pub async fn stand_by(
    office: &Office,
    book: &Book,
    restored: &Restored,
    mut commands: mpsc::Receiver<Command>,
    mut looks: mpsc::Receiver<Look>,
    bell: &Bell,
    stop: &CancellationToken,
) {
    let (journal, anchor) = (restored.found.seq, restored.anchor.map(|anchor| anchor.seq));
    error!(journal, anchor, finding = restored.finding(), "nothing is sent; stop the daemon and call `sluse recover`");
    let concerns: Arc<[Concern]> = vec![concern(restored, office.surroundings.now())].into();
    let mut rings = tokio::time::interval(RING_EVERY);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = rings.tick() => {
                let (at, open) = (Instant::now(), BTreeSet::new());
                bell.ring(alarm::Look { at, is_at_work: false, concerns: concerns.clone(), open });
            }
            Some(Command { request, answer, .. }) = commands.recv() => {
                // Nobody waits any more if the person has gone.
                let _ = answer.send(self::answer(office, book, restored, true, &request));
            }
            Some(look) = looks.recv() => {
                let (exchanges, troubles) = (office.settings.exchanges.values(), vec![restored.to_string()]);
                let municipalities = exchanges.map(|exchange| exchange.municipalities.len()).sum();
                // Nobody listens any more when the daemon stops.
                let glance = Glance { municipalities, under_way: book.open().count(), waiting_for_person: 0, troubles };
                drop(look.send(glance));
            }
        }
    }
    info!("stopped, nothing was done");
}

/// Answers what only reads; stories come without their entries, and a register with its last line alone, as the loop
/// gives them. What would write is refused.
pub fn answer(office: &Office, book: &Book, restored: &Restored, daemon_runs: bool, request: &Request) -> Answer {
    let live = || daemon_runs.then(|| standing_by(office, book));
    match request {
        Request::Status => {
            let mut snapshot = office.snapshot(book, live());
            for line in snapshot.routes.iter_mut().flat_map(|route| &mut route.open) {
                wait_for_recovery(line, daemon_runs);
            }
            // What the journal says is late or held may have come or been decided since.
            let concerns = vec![concern(restored, snapshot.at)];
            Answer::Status(Snapshot { restored: Some(restored.to_string()), concerns, ..snapshot })
        }
        // What the journal holds for a person may have been decided since, and nothing can be decided now.
        Request::Held => Answer::Refused { why: restored.to_string() },
        Request::Gate { payment_date } => Answer::Gate(office.gate(book, *payment_date, Some(&restored.to_string()))),
        Request::Explain { what } => {
            let (mut stories, waiting) = office.stories(book, what, live());
            for story in &mut stories {
                story.trouble = Some(restored.to_string());
                story.next = next(daemon_runs).to_owned();
                // What came since the backup is not known, and nothing can be decided.
                (story.deadline, story.overdue) = (None, false);
                (story.held, story.offer) = (None, None);
            }
            Answer::Explained { stories, waiting }
        }
        Request::List { municipality } => {
            let mut exchanges = office.list(book, *municipality);
            let is_open = |line: &&mut ExchangeLine| book.get(line.id).is_none_or(|of| !of.state.is_final());
            exchanges.iter_mut().filter(is_open).for_each(|line| wait_for_recovery(line, daemon_runs));
            Answer::Listed { exchanges }
        }
        Request::Register(asked) => match office.can_be_asked(book, asked) {
            Err(why) => Answer::Mistaken { why },
            // To show it in full is journalled, and nothing may be until somebody has looked.
            Ok(()) if asked.full.is_some() => Answer::Refused { why: restored.to_string() },
            Ok(()) => Answer::Agreements { count: 0, standing: Vec::new() },
        },
        Request::Retention { now: false } => Answer::Retention { plan: office.plan(book) },
        Request::Decide(_)
        | Request::Retry(_)
        | Request::Query { .. }
        | Request::Retention { now: true }
        | Request::HoldByLaw(_) => Answer::Refused { why: restored.to_string() },
    }
}

fn concern(restored: &Restored, now: Moment) -> Concern {
    Concern {
        what: format!("{}, nothing is sent", restored.finding()),
        advice: "stop the daemon and call `sluse recover`".to_owned(),
        command: "recover".to_owned(),
        ..Concern::new(ConcernKind::Restored, "", Severity::Alarm, restored.anchor.map_or(now, |anchor| anchor.at))
    }
}

/// What comes next of whatever was under way when the backup was made.
fn next(daemon_runs: bool) -> &'static str {
    match daemon_runs {
        true => "nothing, until a person has looked: stop the daemon and call `sluse recover`",
        false => "nothing, until a person has looked: call `sluse recover`",
    }
}

/// What was due at the time of the backup may have come since.
fn wait_for_recovery(line: &mut ExchangeLine, daemon_runs: bool) {
    line.next = next(daemon_runs).to_owned();
    (line.deadline, line.overdue, line.trouble) = (None, false, None);
}

fn standing_by(office: &Office, book: &Book) -> Live {
    let mut live = office.without_daemon(book);
    for waiting in &mut live.outbox {
        waiting.why = "nothing is taken on a restored store".to_owned();
    }
    live
}
