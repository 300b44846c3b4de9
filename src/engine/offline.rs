//! The commands when no daemon runs: the same steps, by whoever holds the store's lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use super::control::{Answer, Request};
use super::decide::{NotDecided, decide, is_good};
use super::desk::{self, Office};
use super::site::Surroundings;
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
    let office = Office::open(settings.clone(), Arc::new(RealDisk), Surroundings::real()).map_err(|troubles| {
        OfflineTrouble::Layouts(troubles.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    let _lock = StoreLock::take(&office.places.lock())?;
    let mut store = SqliteStore::open(&settings.store.path)?;
    let book = fold(&store)?;
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
                    let (state, next) = (exchange.state.name().to_owned(), exchange.next_step());
                    each(Answer::Decided { id, state, next });
                }
            }
            Err(not) => each(Answer::Refused { why: not.to_string() }),
        },
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
