//! The commands when no daemon runs: the same steps, by whoever holds the store's lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use super::anchor::{AnchorTrouble, Anchored, Standing};
use super::control::{Answer, Request};
use super::decide::{NotDecided, decide, is_good};
use super::desk::{self, Office};
use super::restored;
use super::retry::{CameTo, NOTHING_SELECTED, RetryAsk, RetryLine, facts, first_state};
use super::site::{LayoutTrouble, Surroundings};
use crate::config::Settings;
use crate::domain::exchange::Book;
use crate::durable::RealDisk;
use crate::store::{Body, HouseFact, Reading, SqliteStore, Store, StoreTrouble};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OfflineTrouble {
    #[error("another sluse holds the store ({lock})")]
    Locked { lock: String },
    #[error("cannot open {path}: {reason}")]
    Unopened { path: String, reason: String },
    #[error("{0}")]
    Layouts(String),
    #[error("{0}")]
    Store(#[from] StoreTrouble),
    #[error("{0}")]
    Anchor(#[from] AnchorTrouble),
}

impl OfflineTrouble {
    /// All layouts that cannot be used.
    pub fn layouts(troubles: &[LayoutTrouble]) -> OfflineTrouble {
        OfflineTrouble::Layouts(troubles.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }
}

/// The one writer's lock, for as long as this lives.
#[derive(Debug)]
pub struct StoreLock {
    _file: File,
}

impl StoreLock {
    /// Takes the lock, or says who has it.
    pub fn take(path: &Path) -> Result<StoreLock, OfflineTrouble> {
        let unopened =
            |e: std::io::Error| OfflineTrouble::Unopened { path: path.display().to_string(), reason: e.to_string() };
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(unopened)?;
        match file.try_lock() {
            Ok(()) => Ok(StoreLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OfflineTrouble::Locked { lock: path.display().to_string() }),
            Err(TryLockError::Error(e)) => Err(unopened(e)),
        }
    }
}

/// Answers one request without a daemon; what a decision leads to is done when the daemon runs again.
pub fn answer(
    settings: &Settings,
    request: Request,
    who: String,
    each: &mut dyn FnMut(Answer),
) -> Result<(), OfflineTrouble> {
    let office = Office::open(settings.clone(), Arc::new(RealDisk), Surroundings::real())
        .map_err(|troubles| OfflineTrouble::layouts(&troubles))?;
    let _lock = StoreLock::take(&office.places.lock())?;
    let (mut store, standing) = open_store(&office)?;
    let book = fold(&store)?;
    if let Standing::Restored(restored) = &standing {
        match (restored::answer(&office, &book, restored, false, &request), request) {
            (Answer::Explained { stories, waiting }, _) => each(desk::tell_stories(stories, waiting, &store)?),
            (Answer::Agreements { .. }, Request::Register(request)) => desk::read_register(&request, &store, each)?,
            (answer, _) => each(answer),
        }
        return Ok(());
    }
    match request {
        Request::Status => each(Answer::Status(office.snapshot(&book, None))),
        Request::Held => each(desk::held(&book)),
        Request::Explain { what } => {
            let (stories, waiting) = office.stories(&book, &what, None);
            each(desk::tell_stories(stories, waiting, &store)?);
        }
        Request::List { municipality } => each(Answer::Listed { exchanges: office.list(&book, municipality) }),
        Request::Query { exchange, municipality, payment_date } => {
            each(match office.compose(&book, exchange, municipality, payment_date) {
                Ok(path) => Answer::Composed { path: path.display().to_string() },
                Err(why) => Answer::Refused { why },
            });
        }
        Request::Decide(ask) => match decide(&book, &ask, &who, office.surroundings.now()) {
            Ok((id, fact)) => {
                let now = office.surroundings.now();
                let head = store.head();
                store.append(head, now, &[Body::Exchange { id, fact }])?;
                let book = fold(&store)?;
                if let Some(exchange) = book.get(id) {
                    let (state, next) = (exchange.state_name().to_owned(), exchange.next_step());
                    each(Answer::Decided { id, state, next });
                }
            }
            Err(not) => each(Answer::Refused { why: not.to_string() }),
        },
        Request::Retry(ask) => each(retry(&office, &mut store, book, &ask, &who)?),
        Request::Register(request) if request.full.as_ref().is_some_and(|reason| !is_good(reason)) => {
            each(Answer::Refused { why: NotDecided::BadReason.to_string() });
        }
        Request::Register(request) => {
            if let Err(why) = office.can_be_asked(&request) {
                each(Answer::Mistaken { why });
                return Ok(());
            }
            if let Some(reason) = &request.full {
                let (reason, municipality) = (reason.clone(), request.municipality);
                let fact = HouseFact::RegisterShownInFull { who, reason, municipality };
                let head = store.head();
                store.append(head, office.surroundings.now(), &[Body::House(fact)])?;
            }
            desk::read_register(&request, &store, each)?;
        }
    }
    Ok(())
}

/// Each of a selection is its own decision, recorded before the next is looked at.
fn retry(
    office: &Office,
    store: &mut dyn Store,
    mut book: Book,
    ask: &RetryAsk,
    who: &str,
) -> Result<Answer, StoreTrouble> {
    let selected = match ask.select(&book) {
        Ok(selected) if selected.is_empty() => return Ok(Answer::Mistaken { why: NOTHING_SELECTED.to_owned() }),
        Ok(selected) => selected,
        Err(not) => return Ok(Answer::Refused { why: not.to_string() }),
    };
    let mut lines = Vec::new();
    for one in selected {
        let id = match one {
            Ok(id) => id,
            Err(line) => {
                lines.push(line);
                continue;
            }
        };
        let begun = office.begin_retry(&book, id, ask.seen.as_deref()).map_err(|not| not.to_string());
        let ready = begun.and_then(|retry| {
            let query = office.bring(&retry, ask.is_only_a_look())?;
            Ok((retry.by, facts(&book, &retry, &query, ask, who)?))
        });
        let came_to = match ready {
            Err(why) => CameTo::Refused { why },
            Ok((_, facts)) if ask.is_only_a_look() => CameTo::Possible { state: first_state(&facts) },
            Ok((by, facts)) => {
                let bodies: Vec<_> = facts.into_iter().map(|(id, fact)| Body::Exchange { id, fact }).collect();
                store.append(store.head(), office.surroundings.now(), &bodies)?;
                book = fold(store)?;
                CameTo::retried(&book, by)
            }
        };
        lines.push(RetryLine::of(&book, id, came_to));
    }
    Ok(Answer::Retried { lines })
}

/// Opens the store together with its anchor. Only the lock's holder does.
pub fn open_store(office: &Office) -> Result<(Anchored, Standing), OfflineTrouble> {
    let store = Box::new(SqliteStore::open(&office.settings.store.path)?);
    Ok(Anchored::open(store, office.disk.clone(), office.settings.anchor())?)
}

/// The book that the journal gives. A story with an entry that is not understood is marked broken.
pub fn fold(journal: &dyn Reading) -> Result<Book, StoreTrouble> {
    let mut book = Book::default();
    journal.entries(0, &mut |entry| match entry.body {
        Body::Exchange { id, fact } => book.take_in(entry.seq, id, entry.at, &fact),
        Body::NotUnderstood { id: Some(id), what, marks, .. } => {
            book.not_understood(entry.seq, id, entry.at, &what, &marks);
        }
        Body::NotUnderstood { id: None, .. } | Body::House(_) => {}
    })?;
    Ok(book)
}
