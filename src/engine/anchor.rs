//! The anchor: a small file outside the database that says how far the journal was, so that a database that was put
//! back from a backup is known for one before anything is sent on its word. [`Anchored`] is a store that keeps its
//! anchor; [`Standing`] is what the two say of each other when they are opened.
//!
//! One line is appended after each commit and before its answer, so nobody acts on what the anchor does not cover. It
//! is synced where the commit holds an intent, because only an intent leads to what cannot be taken back; every
//! other line is only written: it survives the process, and if the power goes, the anchor is a little behind its
//! journal, which is no contradiction. A torn end is passed over.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{info, warn};

use crate::domain::change::ChangeSummary;
use crate::domain::exchange::Fact;
use crate::domain::identity::{ContentHash, Route};
use crate::domain::moment::Moment;
use crate::durable::{Disk, read_bounded};
use crate::store::anchor::{AnchorLine, BEGINNING, parse_all};
use crate::store::removal::{LeftBehind, Removal};
use crate::store::{
    Answer, Body, Changed, Entry, Head, Order, Outcome, Question, Reading, Sorted, SqliteReader, Store, StoreTrouble,
};

/// From this size on only the last line is kept: some thousand lines, so that a new file is made rarely.
const COMPACT_FROM_BYTES: u64 = 256 << 10;

/// What is larger is no anchor.
const READ_BYTES_MAX: u64 = 4 << 20;

/// What a person does where a store was put back.
pub const ADVICE: &str = "stop the daemon and call `sluse recover`";

/// Why the anchor cannot be relied upon.
#[derive(Debug, thiserror::Error)]
pub enum AnchorTrouble {
    /// Whether the store was put back is not known, so nothing may be done on its word.
    #[error("cannot read the anchor {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: io::Error },
    #[error("cannot write the anchor {}: {reason}", path.display())]
    Unwritten { path: PathBuf, reason: io::Error },
    #[error("{0}")]
    Store(#[from] StoreTrouble),
}

/// What journal and anchor say of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The journal has the anchor's entry.
    Holds,
    Restored(Restored),
}

/// A journal that does not have the entry of which its anchor knows, or whose anchor is gone or has no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// None: it is gone or has no line, so nobody knows how far the journal was.
    pub anchor: Option<AnchorLine>,
    /// Where the journal ends.
    pub found: Head,
}

impl Restored {
    /// How many entries the journal is short of; 0: it is long enough, but another one, or nobody knows.
    pub fn missing(&self) -> u64 {
        self.anchor.map_or(0, |anchor| anchor.seq.saturating_sub(self.found.seq))
    }
}

impl Restored {
    /// What was found, without what to do.
    pub fn finding(&self) -> String {
        let Some(AnchorLine { seq, at, .. }) = self.anchor else {
            return format!(
                "the journal has {} entries and its anchor is gone or empty: whether the store was put back from a backup is not known",
                self.found.seq
            );
        };
        let at = format!("{} Danish time", at.in_copenhagen().strftime("%Y-%m-%d %H:%M:%S"));
        let found = match self.missing() {
            0 => format!("the journal is not the one that had entry {seq} of {at}"),
            _ if self.found.seq == 0 => format!("the journal is empty, and had {seq} entries at {at}"),
            _ => format!("the journal ends at entry {}, and had {seq} at {at}", self.found.seq),
        };
        format!("{found}: the store was put back from a backup or lost its end")
    }
}

/// With what to do.
impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, nothing is sent; {ADVICE}", self.finding())
    }
}

/// Why the anchor cannot be written just now, for whoever tells of it.
#[derive(Clone, Debug, Default)]
pub struct Slack(Arc<Mutex<Option<String>>>);

impl Slack {
    pub fn trouble(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps it, and says so in the log where it is news.
    fn note(&self, path: &Path, written: &io::Result<()>) {
        let now = written.as_ref().err().map(|e| format!("the anchor {} cannot be written: {e}", path.display()));
        let former = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), now.clone());
        match (former, now) {
            (None, Some(trouble)) => {
                warn!(%trouble, "the work goes on; until it is mended, a restored backup would not be noticed");
            }
            (Some(_), None) => info!(path = %path.display(), "the anchor can be written again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }
}

/// A store that keeps its anchor.
pub struct Anchored {
    store: Box<dyn Store>,
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Of the file. None: its end is not known to be whole, so the next line begins a file of its own.
    bytes: Option<u64>,
    slack: Slack,
}

impl Anchored {
    /// Takes a store and its anchor together, and compares them. The anchor is made before its journal has an entry: one
    /// that is gone or was emptied after that does not say how far the journal was.
    pub fn open(
        store: Box<dyn Store>,
        disk: Arc<dyn Disk>,
        path: PathBuf,
    ) -> Result<(Anchored, Standing), AnchorTrouble> {
        let found = store.head();
        let text = read(disk.as_ref(), &path)?;
        let (_, is_torn) = parse_all(&text);
        let mut bytes = (!is_torn && !text.is_empty()).then_some(text.len() as u64);
        let standing = match standing(&text, store.as_ref(), found)? {
            None => {
                let made = disk.replace(&path, BEGINNING.as_bytes());
                made.map_err(|reason| AnchorTrouble::Unwritten { path: path.clone(), reason })?;
                bytes = Some(BEGINNING.len() as u64);
                Standing::Holds
            }
            Some(standing) => standing,
        };
        Ok((Anchored { store, disk, path, bytes, slack: Slack::default() }, standing))
    }

    pub fn slack(&self) -> Slack {
        self.slack.clone()
    }

    /// Makes the journal's end the only thing that the anchor says.
    pub fn renew(&mut self) -> Result<(), AnchorTrouble> {
        let Some(last) = self.store.entry(self.store.head().seq)? else { return Ok(()) };
        self.bytes = None;
        let written = self.write(&AnchorLine::from(&last), true);
        written.map_err(|reason| AnchorTrouble::Unwritten { path: self.path.clone(), reason })
    }

    /// After a commit: what cannot be written is told, and does not undo the commit.
    fn note(&mut self, last: &Entry, is_synced: bool) {
        let written = self.write(&AnchorLine::from(last), is_synced);
        self.slack.note(&self.path, &written);
    }

    fn write(&mut self, line: &AnchorLine, is_synced: bool) -> io::Result<()> {
        let text = format!("{line}\n");
        // Until it is known to be written, the end may be half a line.
        let written = match self.bytes.take().filter(|bytes| *bytes < COMPACT_FROM_BYTES) {
            Some(bytes) => self.disk.append(&self.path, text.as_bytes(), is_synced).map(|()| bytes),
            None => self.disk.replace(&self.path, text.as_bytes()).map(|()| 0),
        };
        written.map(|before| self.bytes = Some(before + text.len() as u64))
    }
}

/// What must not be carried out before the anchor covers it, whatever happens to the power.
fn is_intent(body: &Body) -> bool {
    matches!(body, Body::Exchange { fact: Fact::TriggerIntended { .. } | Fact::HandOverIntended, .. })
}

/// The text of an anchor; empty where there is none.
fn read(disk: &dyn Disk, path: &Path) -> Result<String, AnchorTrouble> {
    match read_bounded(disk, path, READ_BYTES_MAX) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(reason) => Err(AnchorTrouble::Unreadable { path: path.to_owned(), reason }),
    }
}

/// What an anchor's text and a journal that ends at `found` say of each other. None: neither has a line.
fn standing(text: &str, journal: &dyn Reading, found: Head) -> Result<Option<Standing>, StoreTrouble> {
    let restored = |anchor| Standing::Restored(Restored { anchor, found });
    Ok(match parse_all(text).0.last() {
        Some(anchor) => {
            let has_it = hash_at(journal, anchor.seq)? == Some(anchor.hash);
            Some(if has_it { Standing::Holds } else { restored(Some(*anchor)) })
        }
        None if found.seq == 0 => None,
        // The first line was not written, or half of it.
        None if text.starts_with(BEGINNING) => Some(Standing::Holds),
        None => Some(restored(None)),
    })
}

/// Opens a store to be read, together with its anchor, beside whoever writes them. The anchor is read first: what it
/// covers was committed before.
pub fn look(disk: &dyn Disk, anchor: &Path, store: &Path) -> Result<(SqliteReader, Standing), AnchorTrouble> {
    let text = read(disk, anchor)?;
    let reader = SqliteReader::open(store)?;
    let found = reader.head()?;
    let standing = standing(&text, &reader, found)?.unwrap_or(Standing::Holds);
    Ok((reader, standing))
}

/// The hash of the entry of this number, also where only that is left of it, if the journal is long enough.
fn hash_at(journal: &dyn Reading, seq: u64) -> Result<Option<ContentHash>, StoreTrouble> {
    if let Some(entry) = journal.entry(seq)? {
        return Ok(Some(entry.hash));
    }
    // Removed since, by a checkpoint that the anchor does not know yet.
    let left = journal.left()?.remains;
    let entry = left.iter().flat_map(|(_, left)| left.entries()).find(|entry| entry.seq == seq);
    Ok(entry.map(|entry| entry.hash))
}

impl Reading for Anchored {
    fn entries(&self, after: u64, each: &mut dyn FnMut(Entry)) -> Result<Head, StoreTrouble> {
        self.store.entries(after, each)
    }

    fn register(&self, question: &Question, each: &mut dyn FnMut(Answer)) -> Result<(), StoreTrouble> {
        self.store.register(question, each)
    }

    fn changes(&self, seq: u64, each: &mut dyn FnMut(Changed)) -> Result<(), StoreTrouble> {
        self.store.changes(seq, each)
    }

    fn entry(&self, seq: u64) -> Result<Option<Entry>, StoreTrouble> {
        self.store.entry(seq)
    }

    fn left(&self) -> Result<LeftBehind, StoreTrouble> {
        self.store.left()
    }

    fn ended_before(&self, route: &Route, before: Moment) -> Result<u64, StoreTrouble> {
        self.store.ended_before(route, before)
    }
}

impl Store for Anchored {
    fn head(&self) -> Head {
        self.store.head()
    }

    fn append(&mut self, expected: Head, at: Moment, bodies: &[Body]) -> Result<Vec<Entry>, StoreTrouble> {
        let entries = self.store.append(expected, at, bodies)?;
        if let Some(last) = entries.last() {
            self.note(last, bodies.iter().any(is_intent));
        }
        Ok(entries)
    }

    fn apply(
        &mut self,
        order: &Order,
        stated: &mut Sorted,
        decide: &mut dyn FnMut(&ChangeSummary) -> Option<Fact>,
    ) -> Result<Outcome, StoreTrouble> {
        let outcome = self.store.apply(order, stated, decide)?;
        if let Outcome::Applied(entry) = &outcome {
            self.note(entry, false);
        }
        Ok(outcome)
    }

    fn checkpoint(
        &mut self,
        expected: Head,
        at: Moment,
        removal: &Removal,
    ) -> Result<(Entry, LeftBehind), StoreTrouble> {
        let (entry, left) = self.store.checkpoint(expected, at, removal)?;
        // What was removed is not in the journal any more, so the anchor must not end with it.
        self.note(&entry, true);
        Ok((entry, left))
    }

    fn to_unlink(&self, at_most: usize) -> Result<Vec<String>, StoreTrouble> {
        self.store.to_unlink(at_most)
    }

    fn unlinked(&mut self, files: &[String]) -> Result<(), StoreTrouble> {
        self.store.unlinked(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::RealDisk;
    use crate::store::{HouseFact, SqliteStore};

    struct Ground(tempfile::TempDir);

    impl Ground {
        fn new() -> Ground {
            Ground(tempfile::tempdir().unwrap())
        }

        fn anchor(&self) -> PathBuf {
            self.0.path().join("journal.anchor")
        }

        fn open(&self, store: &str) -> (Anchored, Standing) {
            let store = Box::new(SqliteStore::open(&self.0.path().join(store)).unwrap());
            Anchored::open(store, Arc::new(RealDisk), self.anchor()).unwrap()
        }

        fn lines(&self) -> Vec<AnchorLine> {
            let (lines, is_torn) = parse_all(&std::fs::read_to_string(self.anchor()).unwrap());
            assert!(!is_torn);
            lines
        }

        fn copy(&self, from: &str, to: &str) {
            std::fs::copy(self.0.path().join(from), self.0.path().join(to)).unwrap();
        }
    }

    fn add(store: &mut Anchored, reason: &str) {
        let fact = HouseFact::RegisterShownInFull { who: "uid 1000".into(), reason: reason.into(), municipality: None };
        let head = store.head();
        let at = format!("2026-12-01T03:{:02}:{:02}Z", 15 + head.seq / 60, head.seq % 60).parse().unwrap();
        store.append(head, at, &[Body::House(fact)]).unwrap();
    }

    #[test]
    fn the_anchor_ends_where_the_journal_ends_after_every_commit() {
        let ground = Ground::new();
        let (mut store, standing) = ground.open("a.db");
        assert_eq!(standing, Standing::Holds);

        for number in 1..=3 {
            add(&mut store, "why");
            assert_eq!(ground.lines().len(), number);
            assert_eq!(ground.lines().last().map(AnchorLine::head), Some(store.head()));
        }

        drop(store);
        assert_eq!(ground.open("a.db").1, Standing::Holds);
    }

    #[test]
    fn a_journal_that_is_behind_its_anchor_or_another_one_is_known() {
        let ground = Ground::new();
        let (mut store, _) = ground.open("a.db");
        add(&mut store, "one");
        drop(store);
        ground.copy("a.db", "backup.db");
        ground.copy("a.db", "other.db");
        let (mut store, _) = ground.open("a.db");
        add(&mut store, "two");
        let anchor = *ground.lines().last().unwrap();

        // It went on from there by itself, its anchor elsewhere
        let kept = std::fs::read(ground.anchor()).unwrap();
        std::fs::remove_file(ground.anchor()).unwrap();
        let (mut other, standing) = ground.open("other.db");
        let Standing::Restored(alone) = standing else {
            panic!("a journal whose anchor is gone is not known to be the newest")
        };
        assert!(alone.anchor.is_none() && alone.to_string().contains("its anchor is gone or empty"), "{alone}");
        add(&mut other, "another two");
        add(&mut other, "three");
        std::fs::write(ground.anchor(), kept).unwrap();

        for (name, missing) in [("backup.db", 1), ("other.db", 0), ("new.db", 2)] {
            let (store, standing) = ground.open(name);
            let restored = Restored { anchor: Some(anchor), found: store.head() };
            assert_eq!((standing, restored.missing()), (Standing::Restored(restored), missing), "{name}");
            assert!(restored.to_string().ends_with(ADVICE), "{restored}");
        }
        assert_eq!(ground.open("a.db").1, Standing::Holds);
    }

    #[test]
    fn an_anchor_that_is_torn_or_a_little_behind_is_no_contradiction_and_is_whole_again_after_the_next_commit() {
        let ground = Ground::new();
        let (mut store, _) = ground.open("a.db");
        (0..3).for_each(|_| add(&mut store, "why"));
        drop(store);
        let whole = std::fs::read(ground.anchor()).unwrap();

        for end in BEGINNING.len()..whole.len() {
            std::fs::write(ground.anchor(), &whole[..end]).unwrap();
            let (mut store, standing) = ground.open("a.db");
            assert_eq!(standing, Standing::Holds, "{end}");

            add(&mut store, "why");
            assert_eq!(ground.lines().last().map(AnchorLine::head), Some(store.head()), "{end}");
        }
    }

    #[test]
    fn an_anchor_that_was_emptied_is_not_taken_for_one_whose_first_line_was_not_written() {
        // Given a journal of two commits
        let ground = Ground::new();
        let (mut store, _) = ground.open("a.db");
        (0..2).for_each(|_| add(&mut store, "why"));
        drop(store);
        let whole = std::fs::read(ground.anchor()).unwrap();

        for cut in 0..BEGINNING.len() + 9 {
            std::fs::write(ground.anchor(), &whole[..cut]).unwrap();
            let (store, standing) = ground.open("a.db");

            // Then a process that ended, or a disk that was full, before the first line is one thing, a cut another
            let restored = Standing::Restored(Restored { anchor: None, found: store.head() });
            assert_eq!(standing, if cut < BEGINNING.len() { restored } else { Standing::Holds }, "{cut}");
        }
    }

    #[test]
    fn a_long_anchor_is_cut_back_to_its_last_line() {
        let ground = Ground::new();
        let (mut store, _) = ground.open("a.db");
        add(&mut store, "why");
        let line = std::fs::read(ground.anchor()).unwrap().split_off(BEGINNING.len());
        std::fs::write(ground.anchor(), line.repeat(COMPACT_FROM_BYTES as usize / line.len() + 1)).unwrap();
        drop(store);

        let (mut store, _) = ground.open("a.db");
        add(&mut store, "why");

        assert_eq!(ground.lines().iter().map(|line| line.seq).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn an_anchor_that_cannot_be_written_is_told_and_the_work_goes_on() {
        let ground = Ground::new();
        let open = || Box::new(SqliteStore::open(&ground.0.path().join("a.db")).unwrap());
        let nowhere = ground.0.path().join("nowhere/journal.anchor");
        let unmade = Anchored::open(open(), Arc::new(RealDisk), nowhere.clone());
        assert!(matches!(unmade, Err(AnchorTrouble::Unwritten { .. })), "nothing begins without an anchor");
        std::fs::create_dir(nowhere.parent().unwrap()).unwrap();
        let (mut store, _) = Anchored::open(open(), Arc::new(RealDisk), nowhere.clone()).unwrap();
        std::fs::remove_dir_all(nowhere.parent().unwrap()).unwrap();

        add(&mut store, "one");
        let trouble = store.slack().trouble().unwrap();
        assert!(trouble.contains("nowhere") && trouble.contains("cannot be written"), "{trouble}");

        std::fs::create_dir(nowhere.parent().unwrap()).unwrap();
        add(&mut store, "two");
        assert_eq!(store.slack().trouble(), None);
        assert_eq!(parse_all(&std::fs::read_to_string(nowhere).unwrap()).0.len(), 1);
    }

    #[test]
    fn only_what_cannot_be_taken_back_has_to_be_synced() {
        let id = "3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11".parse().unwrap();
        let of = |fact| is_intent(&Body::Exchange { id, fact });

        assert!(of(Fact::HandOverIntended));
        assert!(of(Fact::TriggerIntended { way: crate::domain::exchange::fact::TriggerWay::Write }));
        assert!(!of(Fact::DataUploaded) && !of(Fact::TriggerMade) && !of(Fact::HandedOver));
    }
}
