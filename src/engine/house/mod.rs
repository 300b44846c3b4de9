//! The loop: the one owner of the business state. Everything that happens is put in a line here and only
//! makes the loop look again: facts are weighed, recorded, taken into the book; duties follow from the
//! book and are carried out by tasks, whose outcomes come back as facts. No state is kept that the
//! journal does not give, but for patience: what is busy, what rests after a setback. The rooms: `duties`, `inflow`
//! (outboxes), `record` (facts), `far_side` (polls), `people`, `retries`; and where a disk is full or fails, `standstill` (the store's) and `halts`.

mod duties;
mod far_side;
mod halts;
mod inflow;
mod lookout;
mod people;
mod record;
mod renew;
mod retention;
mod retries;
mod standstill;
mod takes;
mod turns;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use super::alarm::Bell;
use super::arrivals::clear::Removed;
use super::arrivals::fetch::FetchedReply;
use super::arrivals::{Candidate, Found, Passed};
use super::attendant::Look;
use super::carry_out::{CarriedOut, Setback};
use super::control::{Answer, Request};
use super::decide::Ask;
use super::intake::{NotTaken, Spools, Taken};
use super::look::Looked;
use super::site::{Kind, Site};
use super::snapshot::EndpointLine;
use crate::domain::envelope::TechnicalReceipt;
use crate::domain::exchange::{Book, Fact};
use crate::domain::identity::{ContentHash, EndpointName, ExchangeName, FileId, RemoteName, Route};
use crate::domain::query::Query;
use crate::outbox::{Outbox, Scan, Waiting};
use crate::store::StoreTrouble;
use crate::transport::{Connect, Listed, Listing, Trouble};
use halts::NoRoom;
use inflow::Stuck;
use lookout::Lookout;
pub use renew::{Renewal, Renewed};
use retention::Tended;
use retries::Batch;
use standstill::Standstill;
use takes::Takes;
use turns::{ToTake, Turns};

/// After a look a notification leads to none for so long, or for as long as the look took, so that a burst is few looks.
const HINT_PAUSE: Duration = Duration::from_millis(2);

/// What is at work when the daemon is told to stop may come to its end for so long.
const GRACE: Duration = Duration::from_secs(2);

/// A request from a person, and where its answer goes.
pub struct Command {
    pub request: Request,
    pub who: String,
    pub answer: oneshot::Sender<Answer>,
}

enum Done {
    Duty {
        id: FileId,
        out: CarriedOut,
    },
    Listed {
        endpoint: EndpointName,
        looked: Looked,
    },
    Reply {
        endpoint: EndpointName,
        candidate: Candidate,
        fetched: Result<FetchedReply, Setback>,
    },
    Receipt {
        endpoint: EndpointName,
        listed: Listed,
        read: Result<Result<(TechnicalReceipt, ContentHash), String>, Setback>,
    },
    Cleared {
        endpoint: EndpointName,
        receipt: Listed,
        cleared: Result<Removed, Setback>,
    },
    Scanned {
        began: Instant,
        scans: Result<Vec<(ExchangeName, Scan)>, Setback>,
    },
    Taken {
        /// Where the file was before.
        from: PathBuf,
        taken: Result<Taken, NotTaken>,
    },
    Spools {
        found: Result<Spools, Setback>,
    },
    Connected {
        endpoint: EndpointName,
    },
    /// Files that retention had given up.
    Unlinked(Vec<String>, Result<(), Setback>),
    /// The bytes of a query that is to be sent again.
    Brought {
        query: Result<Query, String>,
    },
}

/// What a task is at, so that its end, even by a panic, frees the right thing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Duty(FileId),
    List(EndpointName),
    Fetch(EndpointName, RemoteName),
    Clear(EndpointName, RemoteName),
    Scan,
    /// What no claim may be under way beside.
    Intake,
    /// The file that was there.
    Take(PathBuf),
    Unlink,
    Connect(EndpointName),
}

enum ToFetch {
    Reply(Candidate),
    Receipt(Listed),
}

/// Rest after a setback.
struct Rest {
    setbacks: u32,
    until: Instant,
    said: String,
    no_room: NoRoom,
}

/// Why a file in IN could not be fetched.
struct FetchTrouble {
    said: String,
    is_told: bool,
    /// None: a receipt, which is nobody's before it is read.
    route: Option<Route>,
    no_room: NoRoom,
}

#[derive(Default)]
struct Poll {
    due: Option<Instant>,
    /// In a row.
    failures: u32,
    to_fetch: VecDeque<ToFetch>,
    line: Option<EndpointLine>,
    /// Files in IN without the other file of their pair, and why that matters.
    told_halves: HashSet<(String, String)>,
    /// The last good listing of IN.
    listed: Option<Instant>,
}

/// A decision that waits for a duty at work.
struct Deferred {
    ask: Ask,
    who: String,
    answer: oneshot::Sender<Answer>,
}

struct Outcome {
    id: FileId,
    until: Instant,
    answer: oneshot::Sender<Answer>,
}

/// Each exchange with its outbox.
type Outboxes<C> = Vec<(Arc<Kind<C>>, Outbox)>;

/// The engine at work.
pub struct House<C: Connect> {
    site: Arc<Site<C>>,
    book: Book,
    /// A scan has them for as long as it lasts.
    outboxes: Arc<Mutex<Outboxes<C>>>,
    hint: Arc<Notify>,
    stop: CancellationToken,
    /// Weighed and waiting to be recorded together.
    pending: Vec<(FileId, Fact)>,
    tasks: JoinSet<Done>,
    keys: HashMap<tokio::task::Id, Key>,
    busy: HashSet<Key>,
    rests: HashMap<FileId, Rest>,
    comparing: HashMap<Route, FileId>,
    look_anew: BTreeSet<FileId>,
    polls: BTreeMap<EndpointName, Poll>,
    passed: Passed,
    /// What could not be fetched, and why.
    fetch_troubles: HashMap<(EndpointName, RemoteName), FetchTrouble>,
    to_take: Turns,
    takes: Takes<Result<Taken, NotTaken>>,
    in_outbox: BTreeMap<ExchangeName, Vec<Waiting>>,
    unreadable: HashMap<PathBuf, String>,
    /// Files that could not be taken, by where they are.
    stuck: HashMap<PathBuf, Stuck>,
    /// When those of them that are in a spool are tried again, the soonest first.
    stuck_again_at: BTreeSet<(Instant, PathBuf)>,
    /// For whom it was told that no more files are claimed, and why.
    told_no_room: BTreeMap<Option<ExchangeName>, String>,
    next_scan: Instant,
    /// No scan before this, whoever asks for one: the last one took its time, or came just now.
    scan_rests_until: Instant,
    /// When the last scan ended.
    scanned_at: Instant,
    /// The spools are looked into for what was claimed and is in no book.
    next_look_at_spools: Instant,
    /// The journal holds more than the book: nothing may be decided any more.
    outrun: Option<StoreTrouble>,
    /// The store cannot be written: nothing new is begun.
    standstill: Option<Standstill>,
    started: Instant,
    deferred: Vec<Deferred>,
    outcomes: Vec<Outcome>,
    retries: VecDeque<Batch>,
    /// What was brought for the retry at work.
    brought: Option<Result<Query, String>>,
    lookout: Lookout,
    /// Who looks whether the loop turns.
    looks: mpsc::Receiver<Look>,
    renewals: mpsc::Receiver<Renewal<C>>,
    /// What was begun before is of former settings.
    renewed: Instant,
    tended: Tended,
}

impl<C: Connect> House<C> {
    pub fn new(
        site: Arc<Site<C>>,
        book: Book,
        outboxes: Outboxes<C>,
        hint: Arc<Notify>,
        stop: CancellationToken,
    ) -> House<C> {
        let tended = Tended::new(site.surroundings.now());
        let polls = site.endpoints.keys().map(|name| (name.clone(), Poll::default())).collect();
        House {
            site,
            book,
            outboxes: Arc::new(Mutex::new(outboxes)),
            hint,
            stop,
            pending: Vec::new(),
            tasks: JoinSet::new(),
            keys: HashMap::new(),
            busy: HashSet::new(),
            rests: HashMap::new(),
            comparing: HashMap::new(),
            look_anew: BTreeSet::new(),
            polls,
            passed: Passed::default(),
            fetch_troubles: HashMap::new(),
            to_take: Turns::default(),
            takes: Takes::default(),
            in_outbox: BTreeMap::new(),
            unreadable: HashMap::new(),
            stuck: HashMap::new(),
            stuck_again_at: BTreeSet::new(),
            told_no_room: BTreeMap::new(),
            next_scan: Instant::now(),
            scan_rests_until: Instant::now(),
            scanned_at: Instant::now(),
            next_look_at_spools: Instant::now(),
            outrun: None,
            standstill: None,
            started: Instant::now(),
            deferred: Vec::new(),
            outcomes: Vec::new(),
            retries: VecDeque::new(),
            brought: None,
            lookout: Lookout::new(Bell::default()),
            looks: mpsc::channel(1).1,
            renewals: mpsc::channel(1).1,
            renewed: Instant::now(),
            tended,
        }
    }

    /// The same, with somebody who listens to what it finds.
    pub fn with_bell(mut self, bell: Bell) -> House<C> {
        self.lookout = Lookout::new(bell);
        self
    }

    /// Runs until told to stop. Errors: the store is not what this loop knows it to be, or has no thread any more. One
    /// that cannot be written is waited for, and nothing is done on what is not recorded.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) -> Result<(), StoreTrouble> {
        loop {
            self.record_pending().await?;
            self.begin_what_can_be().await?;
            self.answer_outcomes();
            // Not by the timer, which ticks in milliseconds.
            if self.scan_due() <= Instant::now() {
                self.start_scan();
            }
            let wake = self.next_wake();
            // In this order, so that the same world gives the same run; what comes first is rare.
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(command) = commands.recv() => self.take_command(command).await?,
                Some(renewal) = self.renewals.recv() => self.take_renewal(renewal),
                // Nobody listens any more when the daemon stops.
                Some(look) = self.looks.recv() => drop(look.send(self.glance())),
                () = tokio::time::sleep_until(wake) => {
                    if self.lookout.is_due() {
                        self.look_out();
                    }
                }
                () = self.hint.notified() => self.next_scan = self.next_scan.min(Instant::now()),
                Some(done) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => {
                    self.note_done(done);
                    while let Some(done) = self.tasks.try_join_next_with_id() {
                        self.note_done(done);
                    }
                }
            }
        }
        self.come_to_rest().await
    }

    async fn begin_what_can_be(&mut self) -> Result<(), StoreTrouble> {
        self.tend_retention().await?;
        self.take_deferred().await?;
        if self.standstill.is_none() {
            self.go_on_with_retries().await?;
            self.start_intake();
            self.start_duties().await?;
        }
        // The duties' intents may have been the first that the store did not take.
        if self.standstill.is_none() {
            self.start_polls();
            self.start_fetches();
        }
        Ok(())
    }

    /// Lets what is at work come to its end for a moment, and records what it came to. What is broken off is
    /// found again from the journal.
    async fn come_to_rest(&mut self) -> Result<(), StoreTrouble> {
        let limit = Instant::now() + GRACE;
        info!(at_work = self.tasks.len(), "stopping");
        while let Ok(Some(done)) = tokio::time::timeout_at(limit, self.tasks.join_next_with_id()).await {
            self.note_done(done);
            self.record_pending().await?;
        }
        self.tasks.shutdown().await;
        if let Some(standstill) = &mut self.standstill {
            standstill.try_now();
            self.record_pending().await?;
        }
        self.tell_of_unrecorded();
        info!("stopped, everything can be resumed");
        Ok(())
    }

    fn next_wake(&self) -> Instant {
        let rests = self.rests.values().map(|rest| rest.until);
        let polls = self.polls.iter().filter_map(|(name, poll)| {
            let is_listing = self.busy.contains(&Key::List(name.clone()));
            (!is_listing).then_some(poll.due).flatten()
        });
        let outcomes = self.outcomes.iter().map(|outcome| outcome.until);
        let now = Instant::now();
        let soonest = match &self.standstill {
            None => {
                let tended = self.tended.wakes_at().filter(|_| !self.busy.contains(&Key::Unlink));
                rests.filter(|until| *until > now).chain(polls).chain(outcomes).chain(tended).min()
            }
            Some(standstill) => outcomes.chain([standstill.again_at]).min(),
        };
        // A scan at work is waited for by its end.
        let scan = if self.busy.contains(&Key::Scan) { now + inflow::SCAN_EVERY } else { self.scan_due() };
        soonest.map_or(scan, |soonest| soonest.min(scan)).min(self.lookout.next)
    }

    fn note_done(&mut self, done: Result<(tokio::task::Id, Done), tokio::task::JoinError>) {
        let (task, done) = match done {
            Ok((task, done)) => (task, Some(done)),
            Err(e) => {
                error!(error = %e, "a task ended abnormally, its work will be done again");
                (e.id(), None)
            }
        };
        let key = self.keys.remove(&task);
        if let Some(key) = &key {
            self.busy.remove(key);
        }
        match (done, key) {
            (Some(Done::Duty { id, out }), _) => self.note_duty(id, out),
            (None, Some(Key::Duty(id))) => {
                self.note_duty(id, Setback::Other("its task ended abnormally".into()).into());
            }
            (Some(Done::Listed { endpoint, looked }), _) => self.note_listing(&endpoint, looked),
            (Some(Done::Reply { endpoint, candidate, fetched }), _) => self.note_reply(&endpoint, candidate, fetched),
            (Some(Done::Receipt { endpoint, listed, read }), _) => self.note_receipt(&endpoint, listed, read),
            (Some(Done::Cleared { endpoint, receipt, cleared }), _) => match cleared {
                Ok(removed) => {
                    if let Some(why) = removed.why_kept() {
                        self.passed.note(&endpoint, &receipt.name, (receipt.size, 0), Found::Unusable(why));
                    }
                }
                Err(setback) => {
                    debug!(%endpoint, name = %receipt.name, %setback, "left-overs not cleared, tried again at the next poll");
                }
            },
            (Some(Done::Scanned { began, scans }), _) => self.note_scans(began, scans),
            (Some(Done::Taken { from, taken }), _) => {
                self.takes.note(&from, taken);
                self.note_settled_takes();
            }
            (None, Some(Key::Take(from))) => {
                self.takes.forget(&from);
                self.note_settled_takes();
            }
            (Some(Done::Spools { found }), _) => self.note_spools(found),
            (Some(Done::Connected { endpoint }), _) => debug!(%endpoint, "link tried"),
            (Some(Done::Unlinked(files, done)), _) => self.note_unlinked(files, done),
            (Some(Done::Brought { query }), _) => self.brought = Some(query),
            (None, Some(Key::List(endpoint))) => {
                let listing = Err(Trouble::Unreachable("its task ended abnormally".into()));
                self.note_listing(&endpoint, Looked { listing, expected: Listing::default() });
            }
            (
                None,
                Some(Key::Fetch(..) | Key::Clear(..) | Key::Scan | Key::Intake | Key::Unlink | Key::Connect(_)) | None,
            ) => {}
        }
    }

    fn spawn(&mut self, key: Key, work: impl Future<Output = Done> + Send + 'static) {
        let handle = self.tasks.spawn(work);
        self.keys.insert(handle.id(), key.clone());
        self.busy.insert(key);
    }
}
