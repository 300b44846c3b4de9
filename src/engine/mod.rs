//! The only place where things happen: the loop ([`house`]), carrying out ([`carry_out`]), the store's thread
//! ([`ledger`]), the links to the far side ([`link`]), the control socket (`serve`). Deciding is the domain's.
//! Start with [`run`].

pub mod alarm;
pub mod anchor;
mod arrivals;
pub mod attendant;
pub mod backup;
pub mod carry_out;
pub mod concern;
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
mod premises;
mod pulse;
pub mod rebuild;
pub mod recover;
mod restored;
pub mod retention;
pub mod retry;
mod serve;
pub mod site;
pub mod snapshot;
mod tell;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::config::Settings;
use crate::domain::exchange::Book;
use crate::durable::RealDisk;
use crate::store::steps::Steps;
use crate::store::{Head, Reading, SqliteReader, Store, StoreTrouble};
use anchor::Standing;
use attendant::Attendant;
use desk::Office;
use house::{House, Renewed};
use ledger::Ledger;
use offline::{OfflineTrouble, StoreLock};
use premises::{Premises, endpoint, make_folders};
use pulse::Pulse;
use serve::ControlSocket;
use site::Surroundings;

/// Requests of commands that wait for the loop.
const COMMANDS_MAX: usize = 64;

/// Whoever feels the pulse asks one after the other.
const LOOKS_MAX: usize = 1;

/// A command that answers without a daemon holds the lock no longer than this.
const LOCK_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);
const LOCK_LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(50);

/// The store's thread may come to its end for so long when the daemon stops.
const LEDGER_GRACE: std::time::Duration = std::time::Duration::from_secs(1);

/// How far the journal is goes to the log so often.
const HEAD_TOLD_EVERY: std::time::Duration = std::time::Duration::from_secs(3600);

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

/// Runs the daemon until `stop` is cancelled, and tells `attendant` how it gets on. Errors: it cannot start, or the
/// store cannot be written any more. Everything can be resumed by the next run.
pub async fn run(settings: Settings, stop: CancellationToken, attendant: Attendant) -> Result<(), RunTrouble> {
    let surroundings = Surroundings::real();
    let office = Office::open(settings, Arc::new(RealDisk), surroundings)
        .map_err(|troubles| OfflineTrouble::layouts(&troubles))?;
    make_folders(&office)?;
    let _lock = take_lock(&office).await?;
    let steps = Steps::default();
    let starting = tokio::spawn(attendant.tell_of_start(steps.clone()));
    let (store, standing) = offline::open_store(&office, &steps)?;
    let book = offline::fold(&store)?;
    starting.abort();
    tell_of(&book, store.head());

    let socket = office.settings.folders.control_socket();
    let socket = ControlSocket::bind(&socket).map_err(setup("bind", socket.display()))?;
    let path = office.settings.store.path.clone();
    let reader: serve::OpenReader =
        Arc::new(move || SqliteReader::open(&path).map(|reader| Box::new(reader) as Box<dyn Reading>));
    let (commands, requests) = mpsc::channel(COMMANDS_MAX);
    let bell = alarm::Bell::default();
    let (alarm, told_by) = watch::channel(office.settings.alarm.clone());
    let mut tellers = alarm::start(&told_by, &office.places, &office.disk, &office.surroundings, &bell, &stop);
    let (look, looks) = mpsc::channel(LOOKS_MAX);
    let every = attendant.every;
    let pulse = |ledger| Pulse { looks: look, ledger, steps, every };
    match standing {
        Standing::Holds => {
            // What stays behind does no harm here; it is tried again at the next start.
            if let Err(e) = office.clear_broken_off(&book) {
                tracing::warn!(error = %e, "what broken-off retries left in the archive could not be looked for");
            }
        }
        Standing::Restored(restored) => {
            let serving = tokio::spawn(socket.serve(commands, reader, stop.clone()));
            let pulse = tokio::spawn(pulse(None).feel(stop.clone(), attendant.alive()));
            attendant.is_ready();
            let refusing = tokio::spawn(attendant.refuse_reloads(restored.to_string(), stop.clone()));
            restored::stand_by(&office, &book, &restored, requests, looks, &bell, &stop).await;
            for task in [serving, pulse, refusing] {
                let _ = task.await;
            }
            while tellers.join_next().await.is_some() {}
            return Ok(());
        }
    }
    let (ledger, clerk) = Ledger::anchored(store);
    let ledger_thread = clerk.on_thread().map_err(setup("start", "the store's thread"))?;

    // At once, wherever the loop is: it may be waiting for a large reply on the ledger's thread.
    let stopping = Arc::new(AtomicBool::new(false));
    let (watched, told) = (stopping.clone(), stop.clone());
    let stop_task = tokio::spawn(async move {
        told.cancelled().await;
        watched.store(true, Ordering::Relaxed);
    });
    let mut premises = Premises::new(ledger.clone(), stopping, alarm);
    let (Renewed { site, outboxes }, watch) = premises.lay(office)?;
    premises.settle_in(site.clone(), watch);
    let head_task = tokio::spawn(tell_head(ledger.clone(), premises.links_stop.clone()));
    let serving = tokio::spawn(socket.serve(commands, reader, stop.clone()));
    let (renewals, renewed) = mpsc::channel(1);
    let house =
        House::new(site, book, outboxes, premises.hint.clone(), stop.clone()).with_bell(bell).attended(looks, renewed);
    let pulse = tokio::spawn(pulse(Some(ledger)).feel(stop.clone(), attendant.alive()));
    info!("running");
    attendant.is_ready();
    let keeping_up = tokio::spawn(premises.keep_up(attendant, renewals, stop.clone()));
    let ended = house.run(requests).await;

    stop.cancel();
    let _ = serving.await;
    let _ = stop_task.await;
    while tellers.join_next().await.is_some() {}
    let _ = pulse.await;
    // The far side is let go only after the loop has come to rest.
    if let Ok(premises) = keeping_up.await {
        premises.close().await;
    }
    let _ = head_task.await;
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
