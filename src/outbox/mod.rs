//! From a benefit system's folder into the spool: watch ([`watch`]), look again and again ([`Outbox::scan`]), take what
//! is whole ([`claim`]). A notification only shortens the wait; the scan is what counts. Nothing is
//! deleted here, no link is followed, and one odd file does not block the others.

pub mod claim;
mod lasting;
mod sight;
pub mod watch;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::identity::{ExchangeName, Route};
use crate::domain::layout::{self, Layout};
use crate::domain::municipality::MunicipalityCode;
use crate::domain::person::mask_in_text;
use crate::durable::{Disk, Found, Kind, Stamp, list, read_bounded};
use lasting::Lasting;
use sight::{Ready, Sight, Wholeness, is_known_still};

/// No query is larger: a municipality's has three records. What is larger is refused unread.
pub const QUERY_SIZE_MAX: u64 = 64 << 20;

/// More files that may be queries than this are looked at when these are taken.
const FILES_PER_FOLDER_MAX: usize = 10_000;

/// In one scan no more of one folder is read than this, beside what was begun: a flood there does not keep the others
/// from being looked at.
const LOOKS_PER_SCAN: usize = 1_000;
const LOOKED_AT_PER_SCAN: u64 = 64 << 20;

/// More entries that are left alone than this are not shown.
const LEFT_ALONE_SHOWN_MAX: usize = 100;

/// Endings that writers give to what they have not finished. Left alone, and shown when they are still for
/// `unfit_after`.
const UNFINISHED: [&str; 3] = [".part", ".tmp", ".filepart"];

/// Endings of the exchange protocol itself: never a query.
const PROTOCOL: [&str; 3] = [".trigger", ".metadata", ".sftpreceipt"];

/// The outbox of one exchange: one folder per municipality.
pub struct Outbox {
    pub exchange: ExchangeName,
    pub root: PathBuf,
    pub municipalities: Vec<MunicipalityCode>,
    pub settle: Duration,
    pub unfit_after: Duration,
    sights: BTreeMap<PathBuf, Sight>,
    /// Folders in which nothing is to be seen.
    empty: BTreeMap<MunicipalityCode, Lasting<()>>,
    strangers: Lasting<Vec<Waiting>>,
}

/// A file that is to be claimed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ripe {
    pub route: Route,
    pub path: PathBuf,
    pub name: OsString,
    /// As it was found ripe. It is claimed only like this.
    pub stamp: Stamp,
}

/// What lies in the outbox and is not taken, for people to see.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Waiting {
    pub municipality: Option<MunicipalityCode>,
    pub name: String,
    pub why: String,
}

/// What one scan came to.
#[derive(Debug, Default)]
pub struct Scan {
    pub ripe: Vec<Ripe>,
    pub waiting: Vec<Waiting>,
    /// When a waiting file is to be looked at again, if before the next periodic scan.
    pub look_again_in: Option<Duration>,
    /// Folders that could be read.
    pub read: Vec<PathBuf>,
    /// Folders that could not be read, and why.
    pub unreadable: Vec<(PathBuf, String)>,
}

impl Scan {
    fn look_again_within(&mut self, wait: Duration) {
        self.look_again_in = Some(self.look_again_in.map_or(wait, |w| w.min(wait)));
    }
}

impl Outbox {
    pub fn new(
        exchange: ExchangeName,
        root: PathBuf,
        municipalities: Vec<MunicipalityCode>,
        settle: Duration,
        unfit_after: Duration,
    ) -> Outbox {
        let (sights, empty, strangers) = (BTreeMap::new(), BTreeMap::new(), Lasting::default());
        Outbox { exchange, root, municipalities, settle, unfit_after, sights, empty, strangers }
    }

    pub fn folder(&self, municipality: MunicipalityCode) -> PathBuf {
        self.root.join(municipality.to_string())
    }

    /// Looks at every folder. `now` is a clock that does not step, from any beginning.
    pub fn scan(&mut self, disk: &dyn Disk, layout: &Layout, now: Duration) -> Scan {
        let mut scan = Scan::default();
        let mut seen = BTreeMap::new();
        for municipality in self.municipalities.clone() {
            let folder = self.folder(municipality);
            // Before anything in it is looked at. Where it is not known, the files are waited for.
            let changed = disk.changed_micros(&folder).ok();
            let empty = self.empty.entry(municipality).or_default();
            if empty.still(changed, now).is_some() {
                scan.read.push(folder);
                continue;
            }
            let is_still = |stamp: &Stamp| changed.is_some_and(|changed| is_known_still(stamp, changed));
            let listed = match Listed::of(disk, &folder, Some(municipality)) {
                Ok(listed) => listed,
                Err(e) => {
                    scan.unreadable.push((folder, e.to_string()));
                    continue;
                }
            };
            if listed.is_empty() {
                empty.keep((), now);
            }
            scan.waiting.extend(listed.left_alone);
            scan.read.push(folder.clone());
            for (name, stamp) in listed.unfinished {
                let path = folder.join(&name);
                let named = || Wholeness::NotWhole("its name says that it is not finished".to_owned());
                let sight = Sight::of(self.sights.remove(&path), stamp, is_still(&stamp), now, named);
                match sight.is_ready(now, self.settle, self.unfit_after) {
                    Ready::Now => {
                        let why = "left alone: its name says that it is not finished".to_owned();
                        scan.waiting.push(Waiting { municipality: Some(municipality), name: printable(&name), why });
                    }
                    Ready::In(wait_for) => scan.look_again_within(wait_for),
                }
                seen.insert(path, sight);
            }
            let mut looks = Looks { disk, layout, left: LOOKS_PER_SCAN, bytes_left: LOOKED_AT_PER_SCAN };
            for (name, stamp) in listed.files {
                let path = folder.join(&name);
                let former = self.sights.remove(&path);
                let is_new = former.is_none();
                let sight = Sight::of(former, stamp, is_still(&stamp), now, || looks.at(&path, stamp.size));
                match sight.is_ready(now, self.settle, self.unfit_after) {
                    Ready::Now => {
                        let route = Route { exchange: self.exchange.clone(), municipality };
                        scan.ripe.push(Ripe { route, path: path.clone(), name, stamp });
                    }
                    // Most are whole at the next look, and were never waiting.
                    Ready::In(wait_for) if is_new => scan.look_again_within(wait_for),
                    Ready::In(wait_for) => {
                        let (name, why) = (printable(&name), sight.why());
                        scan.waiting.push(Waiting { municipality: Some(municipality), name, why });
                        scan.look_again_within(wait_for);
                    }
                }
                seen.insert(path, sight);
            }
        }
        self.sights = seen;
        scan.waiting.extend(self.strangers(disk, now));
        scan
    }

    /// What lies beside the municipalities' folders belongs to no route.
    fn strangers(&mut self, disk: &dyn Disk, now: Duration) -> Vec<Waiting> {
        let changed = disk.changed_micros(&self.root).ok();
        if let Some(strangers) = self.strangers.still(changed, now) {
            return strangers.clone();
        }
        let is_stranger = |found: &Found| {
            let name = printable(&found.name);
            !name.starts_with('.') && !name.parse().is_ok_and(|code| self.municipalities.contains(&code))
        };
        // A root that cannot be listed is no loss: the folders below it are.
        let found = list(disk, &self.root, LEFT_ALONE_SHOWN_MAX, is_stranger).unwrap_or_default();
        let why = "beside the municipalities' folders: it belongs to none that is configured";
        let told = |found: Found| Waiting { municipality: None, name: printable(&found.name), why: why.to_owned() };
        let strangers: Vec<_> = found.into_iter().map(told).collect();
        self.strangers.keep(strangers.clone(), now);
        strangers
    }
}

/// What lies in one folder, but for what is passed over in silence.
#[derive(Default)]
struct Listed {
    files: Vec<(OsString, Stamp)>,
    /// Files whose names say that they are not finished, not more than are shown.
    unfinished: Vec<(OsString, Stamp)>,
    left_alone: Vec<Waiting>,
}

impl Listed {
    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.unfinished.is_empty() && self.left_alone.is_empty()
    }

    /// All are bounded each for itself, so that nothing that is left alone hides a query.
    fn of(disk: &dyn Disk, folder: &Path, municipality: Option<MunicipalityCode>) -> io::Result<Listed> {
        let mut listed = Listed::default();
        let (mut more_files, mut more_left_alone) = (false, false);
        disk.walk(folder, &mut |found| {
            let why = match (found.kind, is_candidate(&found.name)) {
                (Kind::File(stamp), Err(None)) if listed.unfinished.len() < LEFT_ALONE_SHOWN_MAX => {
                    listed.unfinished.push((found.name, stamp));
                    return ControlFlow::Continue(());
                }
                (_, Err(None)) => return ControlFlow::Continue(()),
                (Kind::File(stamp), Ok(())) if listed.files.len() < FILES_PER_FOLDER_MAX => {
                    listed.files.push((found.name, stamp));
                    return ControlFlow::Continue(());
                }
                (Kind::File(_), Ok(())) => {
                    more_files = true;
                    return ControlFlow::Break(());
                }
                (_, Err(Some(why))) => why.to_owned(),
                (Kind::Folder, Ok(())) => "a folder, left alone: only files are taken".to_owned(),
                (Kind::Odd(what), Ok(())) => format!("{what}, left alone: only regular files are taken"),
                (Kind::Unseen(why), Ok(())) => format!("it cannot be looked at: {why}"),
            };
            if listed.left_alone.len() < LEFT_ALONE_SHOWN_MAX {
                listed.left_alone.push(Waiting { municipality, name: printable(&found.name), why });
            } else {
                more_left_alone = true;
            }
            ControlFlow::Continue(())
        })?;
        let mut say = |why: String| listed.left_alone.push(Waiting { municipality, name: "(more)".into(), why });
        if more_files {
            say(format!("more than {FILES_PER_FOLDER_MAX} files, the others are looked at when these are taken"));
        }
        if more_left_alone {
            say(format!("more than {LEFT_ALONE_SHOWN_MAX} entries are left alone, the others are not shown"));
        }
        Ok(listed)
    }
}

/// What may still be read of one folder in this scan.
struct Looks<'a> {
    disk: &'a dyn Disk,
    layout: &'a Layout,
    left: usize,
    bytes_left: u64,
}

impl Looks<'_> {
    fn at(&mut self, path: &Path, size: u64) -> Wholeness {
        if self.left == 0 || self.bytes_left == 0 {
            return Wholeness::NotLooked;
        }
        self.left -= 1;
        if size <= QUERY_SIZE_MAX {
            self.bytes_left = self.bytes_left.saturating_sub(size);
        }
        look(self.disk, self.layout, path, size)
    }
}

/// How whole a file is by its own layout. What cannot be read is not whole.
fn look(disk: &dyn Disk, layout: &Layout, path: &Path, size: u64) -> Wholeness {
    if size > QUERY_SIZE_MAX {
        return Wholeness::NotWhole(format!("it is larger than {QUERY_SIZE_MAX} bytes"));
    }
    match read_bounded(disk, path, QUERY_SIZE_MAX) {
        Ok(content) => match layout::wholeness(layout, &content) {
            layout::Wholeness::Whole => Wholeness::Whole,
            layout::Wholeness::NotWhole(unfit) => Wholeness::NotWhole(unfit.to_string()),
            layout::Wholeness::CannotTell => Wholeness::CannotTell,
        },
        Err(e) => Wholeness::Unread(format!("it cannot be read: {e}")),
    }
}

/// Whether a file of this name is looked at at all.
pub fn may_be_query(name: &OsStr) -> bool {
    is_candidate(name).is_ok()
}

/// Whether a file of this name may be a query: `Err(None)` to pass over in silence, `Err(Some)` to be shown.
fn is_candidate(name: &OsStr) -> Result<(), Option<&'static str>> {
    let lower = name.as_encoded_bytes().to_ascii_lowercase();
    let has = |ending: &&str| lower.ends_with(ending.as_bytes());
    if lower.starts_with(b".") || UNFINISHED.iter().any(has) {
        return Err(None);
    }
    match PROTOCOL.iter().any(has) {
        true => Err(Some("left alone: triggers, metadata and receipts are made by Sluse and the hub")),
        false => Ok(()),
    }
}

/// A file's name for people and for names of our own: what is not printable ASCII becomes `_`, and what could
/// be a CPR number is masked.
pub fn printable(name: &OsStr) -> String {
    let lossy = mask_in_text(&name.to_string_lossy());
    lossy.chars().map(|c| if c == ' ' || c.is_ascii_graphic() && c != '/' && c != '\\' { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::RealDisk;

    fn outbox(root: &Path) -> (Outbox, PathBuf) {
        let municipality: MunicipalityCode = "0751".parse().unwrap();
        let (settle, unfit_after) = (Duration::from_secs(10), Duration::from_secs(600));
        let outbox = Outbox::new("sf2530".parse().unwrap(), root.to_owned(), vec![municipality], settle, unfit_after);
        let folder = outbox.folder(municipality);
        std::fs::create_dir(&folder).unwrap();
        (outbox, folder)
    }

    #[test]
    fn no_number_of_files_that_are_passed_over_or_left_alone_hides_a_query() {
        let root = tempfile::tempdir().unwrap();
        let (mut outbox, folder) = outbox(root.path());
        for number in 0..FILES_PER_FOLDER_MAX / 2 {
            std::fs::File::create(folder.join(format!(".{number}"))).unwrap();
            std::fs::File::create(folder.join(format!("{number}.part"))).unwrap();
        }
        for number in 0..=LEFT_ALONE_SHOWN_MAX {
            std::fs::create_dir(folder.join(format!("folder {number}"))).unwrap();
        }
        std::fs::write(folder.join("query.txt"), "x").unwrap();

        let layout = Layout::shipped_query();
        let first = outbox.scan(&RealDisk, &layout, Duration::ZERO);
        let scan = outbox.scan(&RealDisk, &layout, first.look_again_in.unwrap());

        assert!(scan.waiting.iter().any(|waiting| waiting.name == "query.txt"));
        let more: Vec<_> = scan.waiting.iter().filter(|waiting| waiting.name == "(more)").collect();
        assert!(more.len() == 1 && more[0].why.contains(&LEFT_ALONE_SHOWN_MAX.to_string()), "{more:?}");
        assert_eq!(scan.waiting.len(), LEFT_ALONE_SHOWN_MAX + 2);
    }

    #[test]
    fn more_files_than_are_looked_at_are_said() {
        let root = tempfile::tempdir().unwrap();
        let (_, folder) = outbox(root.path());
        for number in 0..=FILES_PER_FOLDER_MAX {
            std::fs::File::create(folder.join(format!("{number}.txt"))).unwrap();
        }

        let listed = Listed::of(&RealDisk, &folder, None).unwrap();

        assert_eq!(listed.files.len(), FILES_PER_FOLDER_MAX);
        assert!(listed.left_alone[0].why.contains("more than 10000 files"), "{:?}", listed.left_alone);
    }

    /// A folder in which one entry cannot be looked at.
    struct OneUnseen;

    #[test]
    fn an_entry_that_cannot_be_looked_at_is_shown_and_holds_nothing_up() {
        let root = tempfile::tempdir().unwrap();
        let (_, folder) = outbox(root.path());
        std::fs::write(folder.join("query.txt"), "x").unwrap();

        let listed = Listed::of(&OneUnseen, &folder, None).unwrap();

        assert_eq!(listed.files.len(), 1);
        assert_eq!(listed.left_alone[0].name, "unseen.txt");
        assert!(listed.left_alone[0].why.contains("cannot be looked at: stale handle"));
    }

    impl Disk for OneUnseen {
        fn remove_folder(&self, folder: &Path) -> io::Result<()> {
            RealDisk.remove_folder(folder)
        }
        fn folder_inode(&self, folder: &Path) -> io::Result<u64> {
            RealDisk.folder_inode(folder)
        }
        fn changed_micros(&self, folder: &Path) -> io::Result<i64> {
            RealDisk.changed_micros(folder)
        }
        fn walk(&self, folder: &Path, each: &mut dyn FnMut(Found) -> ControlFlow<()>) -> io::Result<()> {
            match each(Found { name: "unseen.txt".into(), kind: Kind::Unseen("stale handle".into()) }) {
                ControlFlow::Continue(()) => RealDisk.walk(folder, each),
                ControlFlow::Break(()) => Ok(()),
            }
        }
        fn stamp(&self, file: &Path) -> io::Result<Stamp> {
            RealDisk.stamp(file)
        }
        fn mount(&self, folder: &Path) -> io::Result<u64> {
            RealDisk.mount(folder)
        }
        fn open(&self, file: &Path) -> io::Result<Box<dyn io::Read + Send>> {
            RealDisk.open(file)
        }
        fn create(&self, file: &Path) -> io::Result<Box<dyn crate::durable::Growing>> {
            RealDisk.create(file)
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            RealDisk.rename(from, to)
        }
        fn rename_unsynced(&self, from: &Path, to: &Path) -> io::Result<()> {
            RealDisk.rename_unsynced(from, to)
        }
        fn make_folder_unsynced(&self, folder: &Path) -> io::Result<()> {
            RealDisk.make_folder_unsynced(folder)
        }
        fn sync_folders(&self, folders: &[&Path]) -> io::Result<()> {
            RealDisk.sync_folders(folders)
        }
        fn remove(&self, file: &Path) -> io::Result<()> {
            RealDisk.remove(file)
        }
        fn make_folder(&self, folder: &Path, mode: u32) -> io::Result<()> {
            RealDisk.make_folder(folder, mode)
        }
        fn append(&self, file: &Path, content: &[u8], is_synced: bool) -> io::Result<()> {
            RealDisk.append(file, content, is_synced)
        }
        fn replace(&self, file: &Path, content: &[u8]) -> io::Result<()> {
            RealDisk.replace(file, content)
        }
        fn share_with_group(&self, file: &Path) -> io::Result<()> {
            RealDisk.share_with_group(file)
        }
    }
}
