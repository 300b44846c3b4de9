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
use super::retention;
use super::retry::{CameTo, RetryAsk, RetryLine, facts, first_state};
use super::site::{LayoutTrouble, Surroundings};
use crate::config::Settings;
use crate::domain::exchange::Book;
use crate::durable::RealDisk;
use crate::store::steps::Steps;
use crate::store::{Body, Entry, HouseFact, Reading, SqliteStore, Store, StoreTrouble};

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
    if let Request::Gate { payment_date } = request {
        each(Answer::Gate(office.gate_offline(payment_date)?));
        return Ok(());
    }
    let (_lock, mut store, standing) = take_existing(&office)?;
    let book = fold(&store)?;
    if let Standing::Restored(restored) = &standing {
        match (restored::answer(&office, &book, restored, false, &request), request) {
            (Answer::Explained { stories, waiting }, _) => each(desk::tell_stories(stories, waiting, &store)?),
            (Answer::Retention { plan }, _) => each(Answer::Retention { plan: plan.count(&store)? }),
            (Answer::Agreements { .. }, Request::Register(request)) => desk::read_register(&request, &store, each)?,
            (answer, _) => each(answer),
        }
        return Ok(());
    }
    match request {
        Request::Status => each(Answer::Status(office.snapshot(&book, None))),
        Request::Held => each(desk::held(&book)),
        Request::Gate { payment_date } => each(Answer::Gate(office.gate(&book, payment_date, None))),
        Request::Explain { what } => {
            let (stories, waiting) = office.stories(&book, &what, None);
            each(desk::tell_stories(stories, waiting, &store)?);
        }
        Request::List { municipality } => each(Answer::Listed { exchanges: office.list(&book, municipality) }),
        Request::Query { exchange, municipality, payment_date } => {
            each(match office.compose(&book, exchange, municipality, payment_date) {
                Ok(path) => Answer::Composed { path: path.display().to_string() },
                Err(not) => not.into(),
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
        Request::Retention { now: false } => each(Answer::Retention { plan: office.plan(&book).count(&store)? }),
        Request::Retention { now: true } => {
            let mut book = book;
            each(match retention::run(&office, &mut store, &mut book)? {
                Ok(removed) => Answer::Removed { removed },
                Err(why) => Answer::Refused { why },
            });
        }
        Request::HoldByLaw(ask) if let Err(why) = office.can_be_held(&book, &ask) => each(Answer::Mistaken { why }),
        Request::HoldByLaw(ask) => match ask.fact(&book, who) {
            Ok(fact) => {
                let head = store.head();
                store.append(head, office.surroundings.now(), &[Body::House(fact)])?;
                each(Answer::Holds { holds: fold(&store)?.legal_holds().cloned().collect() });
            }
            Err(why) => each(Answer::Refused { why }),
        },
        Request::Retry(ask) => each(retry(&office, &mut store, book, &ask, &who)),
        Request::Register(request) if request.full.as_ref().is_some_and(|reason| !is_good(reason)) => {
            each(Answer::Refused { why: NotDecided::BadReason.to_string() });
        }
        Request::Register(request) => {
            if let Err(why) = office.can_be_asked(&book, &request) {
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
fn retry(office: &Office, store: &mut dyn Store, mut book: Book, ask: &RetryAsk, who: &str) -> Answer {
    let selected = match ask.select(&book) {
        Ok(selected) if selected.is_empty() => return Answer::Retried { lines: Vec::new() },
        Ok(selected) => selected,
        Err(not) => return Answer::Refused { why: not.to_string() },
    };
    let mut lines = Vec::new();
    // Once the store takes no more, nothing else is begun; what was done is told all the same.
    let mut trouble: Option<StoreTrouble> = None;
    for one in selected {
        let id = match one {
            Ok(id) => id,
            Err(line) => {
                lines.push(line);
                continue;
            }
        };
        if let Some(trouble) = &trouble {
            lines.push(RetryLine::of(&book, id, CameTo::Refused { why: trouble.to_string() }));
            continue;
        }
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
                match store.append(store.head(), office.surroundings.now(), &bodies) {
                    Ok(entries) => {
                        entries.into_iter().for_each(|entry| take_in(&mut book, entry));
                        CameTo::retried(&book, by)
                    }
                    Err(failed) => {
                        let why = failed.to_string();
                        trouble = Some(failed);
                        CameTo::Refused { why }
                    }
                }
            }
        };
        lines.push(RetryLine::of(&book, id, came_to));
    }
    Answer::Retried { lines }
}

/// Takes an entry into the book. A story with one that is not understood is marked broken.
pub fn take_in(book: &mut Book, entry: Entry) {
    match entry.body {
        Body::Exchange { id, fact } => book.take_in(entry.seq, id, entry.at, &fact),
        Body::NotUnderstood { id: Some(id), what, marks, .. } => {
            book.not_understood(entry.seq, id, entry.at, &what, &marks);
        }
        Body::House(fact) => retention::take_in(book, entry.at, &fact),
        Body::NotUnderstood { id: None, .. } => {}
    }
}

/// Opens the store together with its anchor, and makes one where there is none. Only the lock's holder does, and of
/// those only the daemon: nobody may take a new store for the one that is gone.
/// `steps` goes up while the store gets on, also here.
pub fn open_store(office: &Office, steps: &Steps) -> Result<(Anchored, Standing), OfflineTrouble> {
    anchored(office, SqliteStore::open_counting(&office.settings.store.path, steps)?)
}

/// The lock, and the store that is there, together with its anchor. Errors: `Missing` where there is none.
pub fn take_existing(office: &Office) -> Result<(StoreLock, Anchored, Standing), OfflineTrouble> {
    let path = &office.settings.store.path;
    // The lock first: whoever has it may be about to make the store.
    let lock = match StoreLock::take(&office.places.lock()) {
        Err(OfflineTrouble::Unopened { .. }) if !path.exists() => {
            return Err(StoreTrouble::Missing { path: path.display().to_string() }.into());
        }
        taken => taken?,
    };
    let (store, standing) = anchored(office, SqliteStore::open_existing(path)?)?;
    Ok((lock, store, standing))
}

fn anchored(office: &Office, store: SqliteStore) -> Result<(Anchored, Standing), OfflineTrouble> {
    Ok(Anchored::open(Box::new(store), office.disk.clone(), office.settings.anchor())?)
}

/// The book that the journal gives, and what retention has left behind. A story with an entry that is not understood is
/// marked broken.
pub fn fold(journal: &dyn Reading) -> Result<Book, StoreTrouble> {
    let left = journal.left()?;
    let mut book = retention::remembered(&left);
    journal.entries(0, &mut |entry| take_in(&mut book, entry))?;
    retention::note_erased(&mut book, &left);
    Ok(book)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::exchange::State;
    use crate::domain::identity::Route;
    use crate::domain::moment::Moment;
    use crate::engine::recover::tests::{Ground, id, query, rejected};
    use crate::engine::retry::{Filter, Selection};
    use crate::store::removal::{LeftBehind, Removal};
    use crate::store::{self, Answer as Agreement, Head, Order, Outcome, Question};

    /// A store whose disk is full after so many appends.
    struct SmallDisk(SqliteStore, u32);

    impl Reading for SmallDisk {
        fn entries(&self, after: u64, each: &mut dyn FnMut(Entry)) -> Result<Head, StoreTrouble> {
            self.0.entries(after, each)
        }

        fn register(&self, question: &Question, each: &mut dyn FnMut(Agreement)) -> Result<(), StoreTrouble> {
            self.0.register(question, each)
        }

        fn changes(&self, seq: u64, each: &mut dyn FnMut(store::Changed)) -> Result<(), StoreTrouble> {
            self.0.changes(seq, each)
        }

        fn entry(&self, seq: u64) -> Result<Option<Entry>, StoreTrouble> {
            self.0.entry(seq)
        }

        fn left(&self) -> Result<LeftBehind, StoreTrouble> {
            self.0.left()
        }

        fn ended_before(&self, route: &Route, before: Moment) -> Result<u64, StoreTrouble> {
            self.0.ended_before(route, before)
        }
    }

    impl Store for SmallDisk {
        fn head(&self) -> Head {
            self.0.head()
        }

        fn append(&mut self, expected: Head, at: Moment, bodies: &[Body]) -> Result<Vec<Entry>, StoreTrouble> {
            let full = |path| StoreTrouble::Unusable { attempted: "write", path, reason: "no space left".into() };
            self.1 = self.1.checked_sub(1).ok_or_else(|| full("sluse.db".to_owned()))?;
            self.0.append(expected, at, bodies)
        }

        fn apply(
            &mut self,
            order: &Order,
            stated: &mut store::Sorted,
            decide: &mut dyn FnMut(&crate::domain::change::ChangeSummary) -> Option<crate::domain::exchange::Fact>,
        ) -> Result<Outcome, StoreTrouble> {
            self.0.apply(order, stated, decide)
        }

        fn checkpoint(
            &mut self,
            expected: Head,
            at: Moment,
            removal: &Removal,
        ) -> Result<(Entry, LeftBehind), StoreTrouble> {
            self.0.checkpoint(expected, at, removal)
        }

        fn to_unlink(&self, at_most: usize) -> Result<Vec<String>, StoreTrouble> {
            self.0.to_unlink(at_most)
        }

        fn unlinked(&mut self, files: &[String]) -> Result<(), StoreTrouble> {
            self.0.unlinked(files)
        }
    }

    #[test]
    fn each_of_several_retries_is_told_though_the_disk_is_full_midway() {
        // Given three rejected queries, and a disk with room for one more append
        let ground = Ground::new();
        let mut store = SmallDisk(SqliteStore::open(&ground.folder.path().join("sluse.db")).unwrap(), 4);
        for number in 1..=3 {
            ground.archive(number, &query(number));
            let facts = rejected(number).into_iter().map(|fact| Body::Exchange { id: id(number), fact });
            let now = ground.office.surroundings.now();
            store.append(store.head(), now, &facts.collect::<Vec<_>>()).unwrap();
        }

        // When all are sent again
        let ask = RetryAsk {
            which: Selection::Rejected(Filter::default()),
            reason: Some("the hub was mended".to_owned()),
            seen: None,
        };
        let book = fold(&store).unwrap();
        let answer = retry(&ground.office, &mut store, book, &ask, "uid 1000");

        // Then the one that was done is told, and why the others were not
        let Answer::Retried { lines } = answer else { panic!("{answer:?}") };
        let CameTo::Retried { by, .. } = lines[0].came_to else { panic!("{lines:?}") };
        assert_eq!(fold(&store).unwrap().get(by).unwrap().state, State::Accepted);
        assert_eq!(lines.len(), 3);
        for line in &lines[1..] {
            assert!(matches!(&line.came_to, CameTo::Refused { why } if why.contains("no space left")), "{lines:?}");
        }
    }
}
