//! The far side of a ground: a real OpenSSH server, and over the folders that it shows the mailroom and UDK Debitor
//! of [`sluse::hub`], in a thread of the test. Start with [`Far::start`].

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::civil::Date;
use notify::event::{ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use russh::keys::PublicKey;
use sluse::domain::identity::UserName;
use sluse::domain::municipality::MunicipalityCode;
use sluse::hub::book::Book;
use sluse::hub::debitor::{Debitor, DebitorSettings};
use sluse::hub::faults::Faults;
use sluse::hub::ledger::Ledger;
use sluse::hub::server::{ServerSettings, SftpServer};
use sluse::hub::{Folders, Hub, HubSettings, HubTrouble};
use tokio_util::sync::CancellationToken;

use super::house::sorted_names;
use super::sshd::{Plan, Sshd};

/// Who answers.
pub const DEBITOR: &str = "UDK_DEBITOR";

/// Between two passes of the hub.
const PASS: Duration = Duration::from_millis(50);

/// What is special about a far side; the default is a hub without faults behind a plain server.
#[derive(Clone, Debug)]
pub struct FarPlan {
    pub sshd: Plan,
    /// By the words of [`sluse::hub::faults::FAULTS`].
    pub faults: Vec<&'static str>,
    /// Whether files of other integrations lie in IN from the start.
    pub foreign: bool,
    pub agreements: u32,
    /// Whether the hub works from the start; see [`Far::open_hub`].
    pub hub: bool,
    /// Where its folders are; None: beside the ground's others.
    pub folder: Option<PathBuf>,
}

impl Default for FarPlan {
    fn default() -> Self {
        FarPlan { sshd: Plan::default(), faults: Vec::new(), foreign: false, agreements: 25, hub: true, folder: None }
    }
}

pub struct Far {
    pub sshd: Sshd,
    pub book: Book,
    /// The hub's folder.
    root: PathBuf,
    hub: Option<Running>,
    /// Every name of a trigger that became visible in OUT, each time that it did.
    triggers: Arc<Mutex<Vec<String>>>,
    _witness: RecommendedWatcher,
}

/// The hub's own SFTP server over the same folders, in a thread of the test: it shows files of others in IN without
/// end.
pub struct EndlessServer {
    pub port: u16,
    pub fingerprint: String,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Drop for EndlessServer {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Running {
    stop: CancellationToken,
    thread: JoinHandle<Result<(), HubTrouble>>,
}

impl Far {
    /// The hub's folders lie below `root`.
    pub fn start(root: &Path, plan: FarPlan) -> Far {
        // The login is the user of the hub too: an OpenSSH server knows no others than the system's.
        let user = String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let sshd = Sshd::with(Plan { root: Some(root.join(user.trim())), ..plan.sshd });
        let book = Book { seed: 2530, agreements: plan.agreements };
        let triggers = Arc::default();
        let witness = witness(&sshd.out(), Arc::clone(&triggers));
        let mut far = Far { sshd, book, root: root.to_owned(), hub: None, triggers, _witness: witness };
        if plan.hub {
            far.run(&plan.faults, plan.foreign);
        }
        far
    }

    /// Lets the hub work, with these faults; one that works already is closed first, and goes on where it was.
    pub fn open_hub(&mut self, faults: &[&'static str]) {
        self.run(faults, false);
    }

    /// Shows the folders by the hub's own server too, whose listings of IN never end.
    pub fn serve_without_end(&self) -> EndlessServer {
        let user: UserName = self.sshd.user().parse().expect("a user's name here is one there");
        let key = PublicKey::from_openssh(&self.sshd.client_key().public_line()).expect("ssh-keygen writes good keys");
        let settings =
            ServerSettings { listen: (Ipv4Addr::LOCALHOST, 0).into(), host_key: None, endless_listing: true };
        let (folders, stop) = (Folders::new(self.root.clone()), CancellationToken::new());
        let (end, (bound, is_bound)) = (stop.clone(), mpsc::channel());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = SftpServer::bind(settings, folders, [(user, vec![key])].into()).await.unwrap();
                bound.send((server.address().port(), server.fingerprint().to_owned())).expect("the test waits for it");
                server.run(end).await;
            });
        });
        let (port, fingerprint) = is_bound.recv().expect("the server can be bound");
        EndlessServer { port, fingerprint, stop, thread: Some(thread) }
    }

    /// Nobody looks at the folders any more.
    pub fn close_hub(&mut self) {
        if let Some(hub) = self.hub.take() {
            hub.stop.cancel();
            hub.thread.join().expect("the hub does not panic").expect("the hub can work with its folders");
        }
    }

    /// What UDK Debitor has counted and sent.
    pub fn ledger(&self) -> Ledger {
        Ledger::read(&self.root.join(Debitor::LEDGER)).expect("a ledger is written whole")
    }

    /// How many queries arrived for this municipality and payment date.
    pub fn count(&self, municipality: MunicipalityCode, payment_date: Date) -> u64 {
        self.ledger().counted.get(&municipality).and_then(|dates| dates.get(&payment_date)).copied().unwrap_or(0)
    }

    /// That no trigger became visible twice. The hub refuses a second one for a name before UDK sees it, so UDK's count
    /// alone would not tell.
    pub fn assert_each_trigger_once(&self) {
        let seen = self.triggers.lock().expect("the witness does not panic").clone();
        assert!(!seen.is_empty(), "the witness has seen no trigger at all");
        assert_eq!(self.triggers_seen_twice(), 0, "a trigger was made twice: {seen:?}");
    }

    /// Puts a file into IN, as somebody on the far side might.
    pub fn put_into_in(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.sshd.r#in().join(name), bytes).expect("the hub's folders are ours");
    }

    /// How many triggers became visible.
    pub fn triggers_seen(&self) -> usize {
        self.triggers.lock().expect("the witness does not panic").len()
    }

    /// How many triggers became visible once more than they should.
    pub fn triggers_seen_twice(&self) -> u64 {
        let mut seen = self.triggers.lock().expect("the witness does not panic").clone();
        seen.sort();
        seen.windows(2).filter(|names| names[0] == names[1]).count() as u64
    }

    /// What lies in OUT and IN, sorted.
    pub fn names_in_out(&self) -> Vec<String> {
        sorted_names(&self.sshd.out())
    }

    pub fn names_in_in(&self) -> Vec<String> {
        sorted_names(&self.sshd.r#in())
    }

    fn run(&mut self, faults: &[&'static str], foreign: bool) {
        self.close_hub();
        let user: UserName = self.sshd.user().parse().expect("a user's name here is one there");
        let debitor = DebitorSettings::of(DEBITOR.parse().expect("a good name"));
        let settings = HubSettings {
            users: [(user, Vec::new())].into(),
            debitor: Some(DebitorSettings { book: self.book, ..debitor }),
            pass_interval: PASS,
            foreign,
            faults: Faults::asked_for(faults.iter().copied()).expect("known words"),
            ..HubSettings::over(self.root.clone())
        };
        let stop = CancellationToken::new();
        let end = stop.clone();
        let (opened, is_open) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let hub = Hub::open(settings).await?;
                opened.send(()).expect("the test waits for it");
                hub.run(end).await
            })
        });
        if is_open.recv().is_err() {
            panic!("the hub does not open: {:?}", thread.join());
        }
        self.hub = Some(Running { stop, thread });
    }
}

/// Sees triggers come, however soon the hub takes them.
fn witness(out: &Path, triggers: Arc<Mutex<Vec<String>>>) -> RecommendedWatcher {
    let note = move |event: notify::Result<Event>| {
        let event = event.expect("inotify works");
        if !matches!(event.kind, EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(RenameMode::To))) {
            return;
        }
        let names = event.paths.iter().filter_map(|path| path.file_name()?.to_str());
        let mut triggers = triggers.lock().expect("nobody panics with it");
        triggers.extend(names.filter(|name| name.ends_with(".trigger")).map(str::to_owned));
    };
    let mut watcher = notify::recommended_watcher(note).expect("inotify works");
    watcher.watch(out, RecursiveMode::NonRecursive).expect("the folder is there");
    watcher
}

impl Drop for Far {
    fn drop(&mut self) {
        if let Some(hub) = self.hub.take() {
            hub.stop.cancel();
            let _ = hub.thread.join();
        }
    }
}
