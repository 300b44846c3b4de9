//! The only place where things happen: the loop ([`house`]), carrying out ([`carry_out`]), the store's thread
//! ([`ledger`]), the links to the far side ([`link`]), the control socket (`serve`). Deciding is the domain's.
//! Start with [`run`].

pub mod anchor;
mod arrivals;
pub mod backup;
pub mod carry_out;
pub mod control;
pub mod decide;
pub mod desk;
pub mod far_check;
pub mod house;
mod intake;
pub mod ledger;
pub mod link;
mod look;
pub mod offline;
pub mod places;
pub mod point;
pub mod rebuild;
pub mod recover;
mod restored;
pub mod retry;
mod serve;
pub mod site;
pub mod snapshot;
mod tell;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::info;
use zeroize::Zeroizing;

use crate::config::{EndpointSettings, Settings};
use crate::domain::exchange::Book;
use crate::domain::identity::EndpointName;
use crate::durable::{RealDisk, read_bounded};
use crate::outbox::watch::Watch;
use crate::store::{Head, Reading, SqliteReader, Store, StoreTrouble};
use crate::transport::host_key::HostKeyPin;
use crate::transport::identity_key::Identity;
use crate::transport::sftp::{Deadlines, SftpEndpoint, SftpSettings};
use anchor::Standing;
use desk::Office;
use house::House;
use ledger::Ledger;
use link::Link;
use offline::{OfflineTrouble, StoreLock};
use serve::ControlSocket;
use site::{Kind, Site, Surroundings};

/// Requests of commands that wait for the loop.
const COMMANDS_MAX: usize = 64;

/// A command that answers without a daemon holds the lock no longer than this.
const LOCK_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);
const LOCK_LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(50);

/// The store's thread may come to its end for so long when the daemon stops.
const LEDGER_GRACE: std::time::Duration = std::time::Duration::from_secs(1);

/// How far the journal is goes to the log so often.
const HEAD_TOLD_EVERY: std::time::Duration = std::time::Duration::from_secs(3600);

/// Modes of a municipality's folder: the benefit system's group writes into the outbox and reads the inbox.
const OUTBOX_MODE: u32 = 0o2770;
const INBOX_MODE: u32 = 0o2750;

/// Why the daemon does not run, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum RunTrouble {
    #[error("{0}")]
    Start(#[from] OfflineTrouble),
    #[error("{0}")]
    Store(#[from] StoreTrouble),
    #[error("cannot {attempted} {what}: {reason}")]
    Setup { attempted: &'static str, what: String, reason: String },
}

fn setup(attempted: &'static str, what: impl ToString) -> impl FnOnce(std::io::Error) -> RunTrouble {
    let what = what.to_string();
    move |e| RunTrouble::Setup { attempted, what, reason: e.to_string() }
}

/// Runs the daemon until `stop` is cancelled; `ready` is called once it serves. Errors: it cannot start, or the
/// store cannot be written any more. Everything can be resumed by the next run.
pub async fn run(settings: Settings, stop: CancellationToken, ready: impl FnOnce()) -> Result<(), RunTrouble> {
    let surroundings = Surroundings::real();
    let office = Office::open(settings, Arc::new(RealDisk), surroundings.clone()).map_err(|troubles| {
        OfflineTrouble::Layouts(troubles.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    make_folders(&office)?;
    let _lock = take_lock(&office).await?;
    let (store, standing) = offline::open_store(&office)?;
    let book = offline::fold(&store)?;
    tell_of(&book, store.head());

    let socket = office.settings.folders.control_socket();
    let socket = ControlSocket::bind(&socket).map_err(setup("bind", socket.display()))?;
    let path = office.settings.store.path.clone();
    let reader: serve::OpenReader =
        Arc::new(move || SqliteReader::open(&path).map(|reader| Box::new(reader) as Box<dyn Reading>));
    let (commands, requests) = mpsc::channel(COMMANDS_MAX);
    match standing {
        Standing::Holds => {
            // What stays behind does no harm here; it is tried again at the next start.
            if let Err(e) = office.clear_broken_off(&book) {
                tracing::warn!(error = %e, "what broken-off retries left in the archive could not be looked for");
            }
        }
        Standing::Restored(restored) => {
            let serving = tokio::spawn(socket.serve(commands, reader, stop.clone()));
            ready();
            restored::stand_by(&office, &book, &restored, requests, &stop).await;
            let _ = serving.await;
            return Ok(());
        }
    }
    let (ledger, clerk) = Ledger::anchored(store);
    let ledger_thread = clerk.on_thread().map_err(setup("start", "the store's thread"))?;

    // The far side is let go only after the loop has come to rest.
    let links_stop = CancellationToken::new();
    let mut link_tasks = tokio::task::JoinSet::new();
    let mut endpoints = BTreeMap::new();
    for (name, settings) in &office.settings.endpoints {
        let connect = endpoint(name, settings)?;
        let (link, task) = Link::new(name.clone(), connect, surroundings.clone(), links_stop.clone());
        link_tasks.spawn(task);
        endpoints.insert(name.clone(), (settings.clone(), link));
    }
    let hint = Arc::new(Notify::new());
    let mut watch = Watch::new(hint.clone());
    let mut kinds = BTreeMap::new();
    let mut outboxes = Vec::new();
    for (name, settings) in &office.settings.exchanges {
        let (Some((endpoint, link)), Some((query, reply))) =
            (endpoints.get(&settings.endpoint), office.layouts.get(name))
        else {
            continue;
        };
        let kind = Arc::new(Kind {
            name: name.clone(),
            settings: settings.clone(),
            endpoint: endpoint.clone(),
            query: query.clone(),
            reply: reply.clone(),
            link: link.clone(),
        });
        let outbox = kind.outbox();
        settings.municipalities.iter().for_each(|code| watch.add(&outbox.folder(*code)));
        outboxes.push((kind.clone(), outbox));
        kinds.insert(name.clone(), kind);
    }

    // At once, wherever the loop is: it may be waiting for a large reply on the ledger's thread.
    let stopping = Arc::new(AtomicBool::new(false));
    let (watched, told) = (stopping.clone(), stop.clone());
    let stop_task = tokio::spawn(async move {
        told.cancelled().await;
        watched.store(true, Ordering::Relaxed);
    });
    let head_task = tokio::spawn(tell_head(ledger.clone(), links_stop.clone()));
    let site = Arc::new(Site { office, ledger, stopping, kinds, endpoints });
    let serving = tokio::spawn(socket.serve(commands, reader, stop.clone()));
    let house = House::new(site, book, outboxes, hint, stop.clone());
    info!("running");
    ready();
    let ended = house.run(requests).await;

    stop.cancel();
    drop(watch);
    let _ = serving.await;
    let _ = stop_task.await;
    links_stop.cancel();
    let _ = head_task.await;
    while link_tasks.join_next().await.is_some() {}
    // Every handle on the ledger is gone by now, so its thread ends; in the middle of a large reply it is not
    // waited for: what is not committed is compared again.
    let ledger = tokio::task::spawn_blocking(move || ledger_thread.join());
    let _ = tokio::time::timeout(LEDGER_GRACE, ledger).await;
    Ok(ended?)
}

/// Reads the layouts that the settings name. Errors: all of them that cannot be used, in sentences.
pub fn check_layouts(settings: &Settings) -> Result<(), Vec<String>> {
    match Office::open(settings.clone(), Arc::new(RealDisk), Surroundings::real()) {
        Ok(_) => Ok(()),
        Err(troubles) => Err(troubles.iter().map(ToString::to_string).collect()),
    }
}

/// Takes the store's lock. A command may hold it for a moment; another daemon keeps it.
async fn take_lock(office: &Office) -> Result<StoreLock, OfflineTrouble> {
    let limit = tokio::time::Instant::now() + LOCK_WITHIN;
    loop {
        match StoreLock::take(&office.places.lock()) {
            Err(OfflineTrouble::Locked { .. }) if tokio::time::Instant::now() < limit => {
                tokio::time::sleep(LOCK_LOOK_EVERY).await;
            }
            taken => return taken,
        }
    }
}

/// The state's folders, and each municipality's in outbox and inbox. Those themselves must be there: a path that
/// is mistaken is not to be filled.
fn make_folders(office: &Office) -> Result<(), RunTrouble> {
    let make = |folder: &std::path::Path, mode| {
        office.disk.make_folder(folder, mode).map_err(setup("make the folder", folder.display()))
    };
    for folder in [office.places.spool(), office.places.archive(), office.places.refused()] {
        make(&folder, 0o700)?;
    }
    for settings in office.settings.exchanges.values() {
        for folder in [&settings.outbox, &settings.inbox] {
            office.disk.device(folder).map_err(setup("find the folder", folder.display()))?;
        }
        let device = |folder: &std::path::Path| office.disk.device(folder).ok();
        if device(&settings.outbox) != device(&office.places.spool()) {
            make(&places::Places::spool_in(&settings.outbox), 0o700)?;
        }
        for municipality in &settings.municipalities {
            make(&settings.outbox.join(municipality.to_string()), OUTBOX_MODE)?;
            make(&settings.inbox.join(municipality.to_string()), INBOX_MODE)?;
        }
    }
    Ok(())
}

/// Says how far the journal is, hourly where it has moved, and at the end: a second anchor, kept by whoever keeps the log.
async fn tell_head(ledger: Ledger, stop: CancellationToken) {
    let mut told = None;
    let mut is_last = false;
    while !is_last {
        is_last = tokio::time::timeout(HEAD_TOLD_EVERY, stop.cancelled()).await.is_ok();
        // A large reply on the ledger's thread is not waited for at the end.
        let asked = tokio::time::timeout(LEDGER_GRACE, ledger.with(|store| Ok(store.head())));
        if let Ok(Ok(head)) = asked.await
            && told.replace(head) != Some(head)
        {
            info!(seq = head.seq, hash = %head.hash, "the journal's end");
        }
    }
}

fn tell_of(book: &Book, head: Head) {
    for (id, why) in book.all_broken() {
        tracing::error!(exchange = %places::short_id(id), why, "the journal says something impossible of this exchange, it is left alone");
    }
    let (exchanges, open) = (book.all().count(), book.open().count());
    info!(exchanges, open, seq = head.seq, hash = %head.hash, "journal read");
}

/// The longest pass phrase that is read.
const PASSPHRASE_BYTES_MAX: u64 = 4 << 10;

/// The SFTP server that the settings name, with the key that they name.
fn endpoint(name: &EndpointName, settings: &EndpointSettings) -> Result<SftpEndpoint, RunTrouble> {
    Ok(SftpEndpoint::new(far_side(name, settings)?))
}

/// What an endpoint of the settings comes to: the key read, the pins understood.
fn far_side(name: &EndpointName, settings: &EndpointSettings) -> Result<SftpSettings, RunTrouble> {
    let key = |reason: String| RunTrouble::Setup {
        attempted: "use",
        what: format!("the identity of endpoint `{name}`"),
        reason,
    };
    let passphrase = match &settings.passphrase {
        None => None,
        Some(path) => {
            let bytes = Zeroizing::new(
                read_bounded(&RealDisk, path, PASSPHRASE_BYTES_MAX).map_err(setup("read", path.display()))?,
            );
            let text = std::str::from_utf8(&bytes).map_err(|e| key(e.to_string()))?;
            Some(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
        }
    };
    let identity = Identity::read(&settings.identity, passphrase).map_err(|e| key(e.to_string()))?;
    let host_keys = settings.host_keys.iter().map(|pin| pin.as_str().parse::<HostKeyPin>());
    Ok(SftpSettings {
        host: settings.host.clone(),
        port: settings.port,
        user: settings.user.clone(),
        identity,
        host_keys: host_keys.collect::<Result<_, _>>().map_err(|e| key(e.to_string()))?,
        out: settings.out.clone(),
        r#in: settings.r#in.clone(),
        deadlines: Deadlines::default(),
    })
}
