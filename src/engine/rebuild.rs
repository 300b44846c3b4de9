//! The register rebuilt: the journal's replies are read from the archive once more and applied to an empty register,
//! which is then compared with the store's. Nothing of the house is changed, a daemon may run meanwhile. Start with
//! [`rebuild`].

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::desk::Office;
use super::offline::StoreLock;
use super::retention;
use crate::domain::change::ChangeSummary;
use crate::domain::exchange::fact::Arrival;
use crate::domain::exchange::{Book, Fact, State};
use crate::domain::identity::{ContentHash, FileId};
use crate::domain::moment::Moment;
use crate::domain::retention::HashKey;
use crate::durable::Disk;
use crate::pipeline::{ArchivedReply, ReadTrouble};
use crate::store::removal::Remains;
use crate::store::{Body, Difference, Differing, Entry, Order, Reading, Replay, SqliteReader, StoreTrouble};

/// What a rebuild came to.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// The journal's last entry that was taken in.
    pub head: u64,
    /// Replies that were applied again.
    pub replies: u64,
    /// Replies whose files are erased: their rows were held against what the checkpoint has left of them, and taken over.
    pub left: u64,
    /// Rows of the register that were compared.
    pub rows: u64,
    /// Archived files that were looked at.
    pub files: u64,
    /// Everything that is wrong, in the order of the journal.
    pub findings: Vec<Finding>,
}

/// One thing that is not as it was. Without personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The journal entry that it is about; None: it is about none alone.
    pub entry: Option<i64>,
    /// `exchange/municipality`.
    pub route: Option<String>,
    /// How many rows of the register differ; 0: it is about a file or a reply.
    pub rows: u64,
    pub what: String,
}

/// Why nothing could be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildTrouble {
    #[error(
        "the journal is not what was written ({0}), so nothing can be rebuilt from it; look with `sluse audit verify`"
    )]
    Broken(StoreTrouble),
    #[error("{0}")]
    Store(#[from] StoreTrouble),
    #[error("another rebuild is at work in {0}")]
    AtWork(String),
    #[error("cannot {attempted} {path}: {reason}")]
    Workplace { attempted: &'static str, path: String, reason: String },
}

/// Replays what the journal says into a folder beside the store, which is removed again, and compares. `tell` is told
/// how far it is. Memory: one note per exchange, however long the replies are.
pub fn rebuild(office: &Office, tell: &mut dyn FnMut(String)) -> Result<Rebuilt, RebuildTrouble> {
    let store = &office.settings.store.path;
    let reader = SqliteReader::open(store)?;
    tell("reading the journal".to_owned());
    let plan = Plan::of(office, &reader)?;
    let workplace = Workplace::make(office.disk.as_ref(), store)?;
    let mut replay = Replay::begin(store, &workplace.folder.join(FRESH))?;
    let mut rebuilt = Rebuilt { head: plan.head, ..Rebuilt::default() };
    let mut marks = replay.marks(plan.head)?.into_iter().peekable();
    let jobs = plan.jobs.len();
    for (number, job) in plan.jobs.iter().enumerate() {
        tell(format!("applying reply {} of {jobs}", number + 1));
        // What a later program applied stays as it is, so that what follows is compared with what it followed.
        while let Some(seq) = marks.next_if(|seq| *seq < job.seq) {
            take_over_others(&reader, &mut replay, &plan, seq, &mut rebuilt)?;
        }
        marks.next_if_eq(&job.seq);
        rebuilt.files += u64::from(job.arrival.is_some());
        match apply_again(office, &workplace.folder, &mut replay, job)? {
            Ok(findings) => {
                rebuilt.replies += 1;
                rebuilt.findings.extend(findings.into_iter().map(|what| job.finding(what)));
            }
            Err(why) => {
                replay.take_over(job.seq)?;
                rebuilt.findings.push(job.finding(format!("{why}; its rows were not compared")));
            }
        }
    }
    for seq in marks {
        take_over_others(&reader, &mut replay, &plan, seq, &mut rebuilt)?;
    }
    rebuilt.findings.extend(plan.findings);
    tell("comparing".to_owned());
    rebuilt.rows = replay.compare(plan.head, &mut |difference| rebuilt.findings.push(of_difference(&difference)))?;
    if !reader.index_agrees()? {
        let what = "the index of last statements is not what the history says".to_owned();
        rebuilt.findings.push(Finding { entry: None, route: None, rows: 0, what });
    }
    for (number, file) in plan.files.iter().enumerate() {
        tell(format!("looking at archived file {} of {}", number + 1, plan.files.len()));
        rebuilt.files += 1;
        rebuilt.findings.extend(file.look(office.disk.as_ref()));
    }
    rebuilt.findings.sort_by_key(|finding| finding.entry.unwrap_or(i64::MAX));
    Ok(rebuilt)
}

/// What is to be done, as the journal has it.
#[derive(Default)]
struct Plan {
    head: u64,
    /// In the order of the journal.
    jobs: Vec<Job>,
    /// What the archive should hold, but for the replies that are applied again.
    files: Vec<ArchivedFile>,
    /// Entries that this program does not understand.
    not_understood: BTreeSet<u64>,
    /// Entries whose files are erased, and what is left of replies in the register, by the entry that applied them.
    erased: HashSet<u64>,
    left: BTreeMap<u64, (u64, ContentHash)>,
    key: Option<HashKey>,
    findings: Vec<Finding>,
}

/// One reply to be applied again.
struct Job {
    seq: u64,
    id: FileId,
    at: Moment,
    /// None: its exchange's story does not say which.
    arrival: Option<Arrival>,
    fact: Fact,
}

struct ArchivedFile {
    seq: u64,
    path: PathBuf,
    hash: ContentHash,
    what: &'static str,
}

impl Plan {
    fn of(office: &Office, journal: &dyn Reading) -> Result<Plan, RebuildTrouble> {
        let left = journal.left()?;
        let mut book = retention::remembered(&left);
        let mut plan = Plan { key: left.key, erased: retention::erased(&left), ..Plan::default() };
        for (_, remains) in left.remains {
            if let Remains::Reply { seq, rows, digest } = remains {
                plan.left.insert(seq, (rows, digest));
            }
        }
        let head = journal.entries(0, &mut |entry| plan.take_in(office, &mut book, entry));
        plan.head = head
            .map_err(|trouble| match trouble {
                StoreTrouble::Broken { .. } => RebuildTrouble::Broken(trouble),
                other => other.into(),
            })?
            .seq;
        // A reply that is applied again is looked at then.
        let applied: BTreeSet<PathBuf> = plan
            .jobs
            .iter()
            .filter_map(|job| job.arrival.as_ref())
            .map(|arrival| office.places.reply(arrival))
            .collect();
        plan.files.retain(|file| !applied.contains(&file.path));
        Ok(plan)
    }

    fn take_in(&mut self, office: &Office, book: &mut Book, entry: Entry) {
        let Entry { seq, at, body, .. } = entry;
        let (id, fact) = match body {
            Body::Exchange { id, fact } => (id, fact),
            Body::House(_) => return,
            Body::NotUnderstood { id, what, marks, .. } => {
                self.not_understood.insert(seq);
                if let Some(id) = id {
                    book.not_understood(seq, id, at, &what, &marks);
                }
                return;
            }
        };
        book.take_in(seq, id, at, &fact);
        if self.erased.contains(&seq) || self.left.contains_key(&seq) {
            return;
        }
        let (path, hash, what) = match &fact {
            Fact::Accepted(query) => (office.places.query(&query.route, id), query.hash, "query"),
            // One that was too large to be copied has the hash of nothing.
            Fact::Unfit(unfit) if unfit.hash != ContentHash::of(&[]) => {
                (office.places.query(&unfit.route, id), unfit.hash, "unfit file")
            }
            Fact::ReplyFetched(arrival) => (office.places.reply(arrival), arrival.hash, "reply"),
            Fact::ReceiptRead { name, hash, .. } => (office.places.receipt(name, *hash), *hash, "receipt"),
            Fact::Applied { .. } => {
                let exchange = book.get(id).filter(|_| book.applied(id) == Some(seq));
                let arrival = match exchange.map(|exchange| &exchange.state) {
                    // On a store that was put back its hand-over is held at once.
                    Some(State::Applied { arrival } | State::ReplyHeld { arrival, .. }) => Some(arrival.clone()),
                    _ => None,
                };
                return self.jobs.push(Job { seq, id, at, arrival, fact });
            }
            _ => return,
        };
        self.files.push(ArchivedFile { seq, path, hash, what });
    }
}

impl Job {
    fn finding(&self, what: String) -> Finding {
        let route = self.arrival.as_ref().map(|arrival| arrival.route.to_string());
        Finding { entry: i64::try_from(self.seq).ok(), route, rows: 0, what }
    }
}

/// What cannot be applied again: the rows of an erased reply, as a checkpoint has left them; what a later version applied,
/// which is not for this program to judge; or nobody, which shows as a difference.
fn take_over_others(
    original: &SqliteReader,
    replay: &mut Replay,
    plan: &Plan,
    seq: u64,
    rebuilt: &mut Rebuilt,
) -> Result<(), RebuildTrouble> {
    match (plan.left.get(&seq), plan.key) {
        (Some(left), Some(key)) => {
            rebuilt.left += 1;
            if original.digest_of_reply(seq, &key)? != *left {
                let what =
                    "its rows of the register are not those that a checkpoint has left of it, when its file was erased";
                let entry = i64::try_from(seq).ok();
                rebuilt.findings.push(Finding { entry, route: None, rows: 0, what: what.to_owned() });
            }
            replay.take_over(seq)?;
        }
        _ if plan.not_understood.contains(&seq) => replay.take_over(seq)?,
        _ => {}
    }
    Ok(())
}

/// Applies one reply as it was applied. What it came to beside its rows, or why it could not be.
fn apply_again(
    office: &Office,
    workplace: &Path,
    replay: &mut Replay,
    job: &Job,
) -> Result<Result<Vec<String>, String>, StoreTrouble> {
    let Some(arrival) = &job.arrival else {
        return Ok(Err("the story before it does not say which reply was applied".to_owned()));
    };
    let Some((_, layout)) = office.layouts.get(&arrival.route.exchange) else {
        let name = &arrival.route.exchange;
        return Ok(Err(format!("its reply cannot be read: exchange `{name}` is no longer in the settings")));
    };
    let Fact::Applied { summary: written, as_of, .. } = &job.fact else {
        return Ok(Err("it applied no reply".to_owned()));
    };
    let file = office.places.reply(arrival);
    let never = AtomicBool::new(false);
    let archived = ArchivedReply {
        file: &file,
        municipality: arrival.route.municipality,
        hash: arrival.hash,
        folder: workplace,
        stop: &never,
    };
    let (end, mut sorted) = match archived.read(office.disk.as_ref(), layout) {
        Ok(read) => read,
        Err(trouble) => return Ok(Err(why_unread(office, workplace, arrival, &trouble))),
    };
    let mut counted: Option<ChangeSummary> = None;
    let order = Order { id: job.id, route: arrival.route.clone(), at: job.at };
    replay.at(job.seq)?.apply(&order, &mut sorted, &mut |summary| {
        counted = Some(summary.clone());
        Some(job.fact.clone())
    })?;
    let mut findings = Vec::new();
    if counted.as_ref() != Some(written) {
        findings.push("applied again, its reply does not change what the journal says that it changed".to_owned());
    }
    if end.head.date != *as_of {
        findings.push("read again, its reply is of another day than the journal says".to_owned());
    }
    Ok(Ok(findings))
}

fn why_unread(office: &Office, workplace: &Path, arrival: &Arrival, trouble: &ReadTrouble) -> String {
    let file = office.places.reply(arrival);
    let path = file.display();
    let not_read = |e: &std::io::Error| format!("its reply {path} cannot be read: {e}; put it back from a backup");
    let altered = || format!("its reply {path} is no longer what was fetched: put it back from a backup");
    match trouble {
        ReadTrouble::NotRead(e) => not_read(e),
        ReadTrouble::NotSorted(e) => format!("its reply cannot be sorted in {}: {e}", workplace.display()),
        ReadTrouble::Altered => altered(),
        // Reading ended before the file did: the layout is to blame only for bytes that are those that were fetched.
        ReadTrouble::Unfit(finding) => match hash_of(office.disk.as_ref(), &file) {
            Err(e) => not_read(&e),
            Ok(hash) if hash != arrival.hash => altered(),
            Ok(_) => format!(
                "its reply is what was fetched, and not fit by the layout of the settings, which was changed since: {finding}; \
                 rebuild with the layout of that time (`layouts` of exchange `{}`)",
                arrival.route.exchange
            ),
        },
    }
}

fn of_difference(difference: &Difference) -> Finding {
    let Difference { route, seq, what, added, missing, altered, columns } = difference;
    let kinds = [(added, "only the register has"), (missing, "only the replay has"), (altered, "say something else")];
    let kinds: Vec<String> =
        kinds.iter().filter(|(number, _)| **number > 0).map(|(number, kind)| format!("{number} {kind}")).collect();
    let thing = match what {
        Differing::Mark => "marks of the reply",
        Differing::Rows => "rows",
    };
    let columns = if columns.is_empty() { String::new() } else { format!(" (in {})", columns.join(", ")) };
    Finding {
        entry: Some(*seq),
        route: route.as_ref().map(ToString::to_string),
        rows: added + missing + altered,
        what: format!("of the register's {thing}, {}{columns}", kinds.join(", ")),
    }
}

impl ArchivedFile {
    /// What is wrong with it, if anything is.
    fn look(&self, disk: &dyn Disk) -> Option<Finding> {
        let what = match hash_of(disk, &self.path) {
            Ok(hash) if hash == self.hash => return None,
            Ok(_) => format!("its {} {} is no longer what it was", self.what, self.path.display()),
            Err(e) => format!("its {} {} cannot be read: {e}", self.what, self.path.display()),
        };
        Some(Finding { entry: i64::try_from(self.seq).ok(), route: None, rows: 0, what })
    }
}

fn hash_of(disk: &dyn Disk, path: &Path) -> std::io::Result<ContentHash> {
    let mut file = disk.open(path)?;
    let mut digest = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(ContentHash::new(digest.finalize().into())),
            read => digest.update(&chunk[..read]),
        }
    }
}

/// So much of a file is in memory at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// The fresh register's file.
const FRESH: &str = "register.db";

/// A folder beside the store, this rebuild's alone; gone with it. One that a killed rebuild left is used anew.
struct Workplace {
    folder: PathBuf,
    _lock: StoreLock,
}

impl Workplace {
    fn make(disk: &dyn Disk, store: &Path) -> Result<Workplace, RebuildTrouble> {
        let mut name = store.file_name().unwrap_or_default().to_owned();
        name.push(".rebuild");
        let folder = store.with_file_name(name);
        let path = || folder.display().to_string();
        disk.make_folder(&folder, 0o700).map_err(|e| RebuildTrouble::Workplace {
            attempted: "make the folder",
            path: path(),
            reason: e.to_string(),
        })?;
        let lock = StoreLock::take(&folder.join("lock")).map_err(|_| RebuildTrouble::AtWork(path()))?;
        for left in [FRESH.to_owned(), format!("{FRESH}-wal"), format!("{FRESH}-shm")] {
            disk.remove(&folder.join(left)).map_err(|e| RebuildTrouble::Workplace {
                attempted: "clear",
                path: path(),
                reason: e.to_string(),
            })?;
        }
        Ok(Workplace { folder, _lock: lock })
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // What cannot be removed is cleared by the next one.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
