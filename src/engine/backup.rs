//! A backup: the store as it is at one moment, then every file that its journal names, checked against it, then what lies in
//! spool and `refused/`, then what says that it is whole. It reads beside a daemon and never writes over anything. Start with [`back_up`].
//!
//! Files are immutable once the journal names them, so copying the store first and the files after it is consistent. The
//! anchor's last line stands in the manifest alone: a file that was copied back over the true anchor would hide that the
//! store was put back.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::arrivals::metadata_name;
use super::desk::Office;
use super::offline::fold;
use crate::domain::exchange::{Book, Origin};
use crate::domain::identity::ContentHash;
use crate::domain::moment::Moment;
use crate::durable::{Disk, Kind, copy_anew, list, read_bounded};
use crate::outbox::QUERY_SIZE_MAX;
use crate::store::anchor::parse_all;
use crate::store::{Reading, SqliteReader, StoreTrouble};

/// The copy of the store, whatever the store itself is called.
pub const STORE: &str = "sluse.db";

/// Written last: a folder without it is no backup.
pub const MANIFEST: &str = "manifest.json";

/// The layout of a backup's folder.
const FORMAT: u32 = 1;

/// An anchor is far smaller.
const ANCHOR_BYTES_MAX: u64 = 4 << 20;

/// Of the entries of one folder.
const ENTRIES_MAX: usize = 1_000_000;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// Of the program that made it.
    pub version: String,
    pub at: Moment,
    /// The journal's end in the copy of the store.
    pub seq: u64,
    pub hash: ContentHash,
    /// The last line of the anchor, taken after everything else.
    pub anchor: Option<String>,
    pub files: Vec<Kept>,
    /// What the journal names and the disk does not have, or not as the journal says.
    pub wrong: Vec<String>,
}

/// One file of the backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Below the backup's folder, and below the state folder when it is put back.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    pub sha256: ContentHash,
}

/// Why there is no backup. What was made so far has no manifest.
#[derive(Debug, thiserror::Error)]
pub enum BackupTrouble {
    #[error("{} is there already, and nothing is ever written over: name a folder that is new", .0.display())]
    Taken(PathBuf),
    #[error("there is no folder {} to put it into: is its disk mounted?", .0.display())]
    NoPlace(PathBuf),
    #[error("{} lies in {}, which it is to be a copy of, or which others look into: name a folder elsewhere", .0.display(), .1.display())]
    Inside(PathBuf, PathBuf),
    #[error("{0}")]
    Store(#[from] StoreTrouble),
    #[error("cannot copy {}: {reason}; what was copied so far is no backup", path.display())]
    NotCopied { path: PathBuf, reason: io::Error },
}

/// A file to be kept, and what the journal knows of it.
struct Wanted {
    from: PathBuf,
    /// Below the backup's folder.
    to: PathBuf,
    known: Option<ContentHash>,
    /// Whether it may be gone: an original goes when its exchange ends.
    may_be_gone: bool,
}

/// Makes a backup in this folder, which is made and private; everything in it is synced.
pub fn back_up(office: &Office, folder: &Path) -> Result<Manifest, BackupTrouble> {
    let disk = office.disk.as_ref();
    let not_copied = |path: &Path| {
        let path = path.to_owned();
        move |reason| BackupTrouble::NotCopied { path, reason }
    };
    if disk.mount(folder).is_ok() || disk.stamp(folder).is_ok() {
        return Err(BackupTrouble::Taken(folder.to_owned()));
    }
    let above = folder.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."));
    if disk.mount(above).is_err() {
        return Err(BackupTrouble::NoPlace(above.to_owned()));
    }
    let exchanges = office.settings.exchanges.values();
    let ours =
        exchanges.flat_map(|exchange| [&exchange.outbox, &exchange.inbox]).chain([&office.settings.folders.state]);
    for ours in ours {
        if folder.starts_with(ours) {
            return Err(BackupTrouble::Inside(folder.to_owned(), ours.clone()));
        }
    }
    // Opened first, so that a store that cannot be read leaves no folder behind.
    let reader = SqliteReader::open(&office.settings.store.path)?;
    disk.make_folder(folder, 0o700).map_err(not_copied(folder))?;
    let copy = folder.join(STORE);
    // An empty file for its owner alone, which SQLite fills.
    drop(disk.create(&copy).map_err(not_copied(&copy))?);
    reader.copy_into(&copy)?;
    let mut files = vec![synced(&copy, STORE).map_err(not_copied(&copy))?];
    let reader = SqliteReader::open(&copy)?;
    let head = reader.entries(0, &mut |_| ())?;
    let book = fold(&reader)?;
    drop(reader);
    let mut wrong = Vec::new();
    for wanted in wanted(office, &book).map_err(not_copied(&office.settings.folders.state))? {
        match keep(disk, &wanted, folder) {
            Ok(kept) => {
                let other = wanted.known.filter(|known| *known != kept.sha256);
                wrong.extend(other.map(|known| {
                    let (is, path) = (kept.sha256.short(), wanted.from.display());
                    format!("{path}: its SHA-256 is {is}, and {} in the journal", known.short())
                }));
                files.push(kept);
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound && wanted.may_be_gone => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => wrong.push(format!("{}: gone", wanted.from.display())),
            Err(e) => return Err(not_copied(&wanted.from)(e)),
        }
    }
    let anchor = read_bounded(disk, &office.settings.anchor(), ANCHOR_BYTES_MAX).unwrap_or_default();
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at: office.surroundings.now(),
        seq: head.seq,
        hash: head.hash,
        anchor: parse_all(&String::from_utf8_lossy(&anchor)).0.last().map(ToString::to_string),
        files,
        wrong,
    };
    let path = folder.join(MANIFEST);
    let text = serde_json::to_vec_pretty(&manifest).map_err(|e| not_copied(&path)(e.into()))?;
    disk.replace(&path, &text).map_err(not_copied(&path))?;
    Ok(manifest)
}

/// Syncs the copy of the store, and says what it is.
fn synced(copy: &Path, name: &str) -> io::Result<Kept> {
    let mut file = std::fs::File::open(copy)?;
    file.sync_all()?;
    let mut digest = crate::durable::Stream::digest_only();
    let size = io::copy(&mut file, &mut digest)?;
    Ok(Kept { path: name.into(), size, sha256: ContentHash::new(digest.digest()) })
}

fn keep(disk: &dyn Disk, wanted: &Wanted, folder: &Path) -> io::Result<Kept> {
    disk.stamp(&wanted.from)?;
    let to = folder.join(&wanted.to);
    disk.make_folder(to.parent().unwrap_or(folder), 0o700)?;
    let copied = copy_anew(disk, &wanted.from, &to)?;
    Ok(Kept { path: wanted.to.clone(), size: copied.size, sha256: ContentHash::new(copied.digest) })
}

/// Everything that the journal names, and what lies in spool and `refused/`.
fn wanted(office: &Office, book: &Book) -> io::Result<Vec<Wanted>> {
    let state = &office.settings.folders.state;
    let mut wanted = Vec::new();
    let mut want = |from: PathBuf, known, may_be_gone| {
        if let Ok(to) = from.strip_prefix(state).map(Path::to_owned) {
            wanted.push(Wanted { from, to, known, may_be_gone });
        }
    };
    for exchange in book.all() {
        let copy = office.places.query(&exchange.route, exchange.id);
        match &exchange.origin {
            _ if exchange.erased.is_some() => {}
            Origin::Query(query) => want(copy, Some(query.hash), false),
            // What is larger than any query was not copied.
            Origin::Unfit(unfit) if unfit.size <= QUERY_SIZE_MAX => want(copy, Some(unfit.hash), false),
            Origin::Unfit(_) | Origin::Reply => {}
        }
        for arrival in exchange.replies_kept() {
            let file = office.places.reply(arrival);
            if let Some(metadata) = metadata_name(&arrival.name) {
                want(file.with_file_name(metadata.as_str()), None, false);
            }
            want(file, Some(arrival.hash), false);
        }
        for receipt in exchange.receipts_kept() {
            want(office.places.receipt(&receipt.name, receipt.hash), Some(receipt.hash), false);
        }
    }
    for file in files_below(office.disk.as_ref(), &office.places.refused())? {
        want(file, None, true);
    }
    let spools = office.spooled_if_any();
    if let Some((folder, why)) = spools.unreadable.first() {
        return Err(io::Error::other(format!("the spool {}: {why}", folder.display())));
    }
    // Also what no fact names yet: it was claimed just now.
    for spooled in spools.files {
        let to = Path::new("spool").join(&spooled.spool_name);
        wanted.push(Wanted { from: spooled.path(), to, known: None, may_be_gone: true });
    }
    Ok(wanted)
}

/// Every regular file below a folder; none where there is no such folder.
pub(super) fn files_below(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let found = match list(disk, &folder, ENTRIES_MAX, |_| true) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            found => found?,
        };
        for entry in found {
            let path = folder.join(&entry.name);
            match entry.kind {
                Kind::File(_) => files.push(path),
                Kind::Folder => open.push(path),
                Kind::Odd(_) | Kind::Unseen(_) => {}
            }
        }
    }
    files.sort();
    Ok(files)
}
