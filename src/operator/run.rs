//! `sluse run`: the daemon as a process. SIGTERM and SIGINT stop it, SIGHUP has it read its settings again, and systemd is
//! told how it gets on, where it has started it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use rustix::fs::Mode;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::held::Called;
use super::journal::log;
use super::page::{self, Renewal};
use crate::config::{Depth, PageSettings, Settings};
use crate::engine::attendant::{Attendant, Reread, Said};
use crate::engine::{self, RunTrouble};

/// What blocks in the local disk or the store may come to its end for so long.
const BLOCKED_GRACE: Duration = Duration::from_millis(500);

/// The watchdog is fed so often within its time: one late turn of a loaded machine ends nothing.
const FED_WITHIN_WATCHDOG: u32 = 4;

/// A start that gets on may take so much longer, each time it says so.
const START_LONGER: Duration = Duration::from_secs(60);

/// Settings are read again one after the other.
const RENEWALS_MAX: usize = 1;

/// Every file and folder is made with the mode that it is to have, some of them for the group.
const UMASK: Mode = Mode::RWXO;

/// Runs the daemon until a signal. `called`: how commands that the page shows reach it. Exit status 1: it could not start, or the store could not be written.
pub fn run(settings: Settings, config: PathBuf, called: Called) -> ExitCode {
    log();
    rustix::process::umask(UMASK);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "cannot start");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(serve(settings, config, called));
    // Work with a disk that does not answer is not waited for; it is done again from the journal.
    runtime.shutdown_timeout(BLOCKED_GRACE);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            error!(%trouble, "ended; start it again when the cause is mended, everything can be resumed");
            ExitCode::FAILURE
        }
    }
}

async fn serve(settings: Settings, config: PathBuf, called: Called) -> Result<(), RunTrouble> {
    let stop = CancellationToken::new();
    let listening = tokio::spawn(stop_at_signal(stop.clone()));
    let (renewals, renewed) = mpsc::channel(RENEWALS_MAX);
    let former = settings.page.clone();
    let page = tokio::spawn(page::serve(settings.clone(), called, renewed, stop.clone()));
    let version = env!("CARGO_PKG_VERSION");
    info!(version, endpoints = settings.endpoints.len(), exchanges = settings.exchanges.len(), "starting");
    let every = sd_notify::watchdog_enabled().map(|watchdog| watchdog / FED_WITHIN_WATCHDOG);
    let (attendant, reloads) = Attendant::new(tell_systemd, every);
    let rereading = Rereading { config, page: former, reloads, renewals };
    let rereading = tokio::spawn(rereading.at_signal(stop.clone()));
    let ended = engine::run(settings, stop.clone(), attendant).await;
    notify(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    stop.cancel();
    let _ = rereading.await;
    let _ = listening.await;
    let _ = page.await;
    ended
}

fn tell_systemd(said: Said) {
    match said {
        Said::Starting => notify(&[
            NotifyState::ExtendTimeoutUsec(START_LONGER.as_micros() as u32),
            NotifyState::Status("starting: the journal is read"),
        ]),
        Said::Ready => notify(&[NotifyState::Ready, NotifyState::Status("running")]),
        Said::Alive(status) => notify(&[NotifyState::Watchdog, NotifyState::Status(&status)]),
        Said::Reloading => {
            // systemd wants to know when, so that what was said before is not taken for an answer.
            let when = NotifyState::monotonic_usec_now().ok();
            let reloading = [NotifyState::Reloading, NotifyState::Status("reading the settings again")];
            notify(&reloading.into_iter().chain(when).collect::<Vec<_>>());
        }
        Said::Reloaded(status) => notify(&[NotifyState::Ready, NotifyState::Status(&status)]),
    }
}

/// Without systemd there is nobody to tell.
fn notify(state: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(state);
}

/// Cancels `stop` at SIGTERM or SIGINT; ends when it is cancelled by others.
pub(super) async fn stop_at_signal(stop: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        error!("signals cannot be listened to, only kill -9 stops this process");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stop.cancelled() => {}
    }
    stop.cancel();
}

/// Reads the settings again, and passes them on or what is wrong with them.
struct Rereading {
    config: PathBuf,
    /// As it is served now.
    page: Option<PageSettings>,
    reloads: mpsc::Sender<Reread>,
    renewals: mpsc::Sender<Renewal>,
}

impl Rereading {
    /// At each SIGHUP.
    async fn at_signal(mut self, stop: CancellationToken) {
        let Ok(mut hangup) = signal(SignalKind::hangup()) else {
            error!("the signal to read the settings again cannot be listened to, new ones need a restart");
            return;
        };
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = hangup.recv() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.reread() => {}
            }
        }
    }

    /// The page is ready before the engine is asked, and changes only after it has gone over to the new settings.
    async fn reread(&mut self) {
        let path = self.config.clone();
        let environment = |name: &str| std::env::var(name).ok();
        let read = tokio::task::spawn_blocking(move || Settings::read(&path, &environment, Depth::Files)).await;
        let read = match read {
            Ok(read) => read.map(Box::new).map_err(|mistakes| mistakes.in_a_line()),
            Err(trouble) => Err(trouble.to_string()),
        };
        let (mut renewal, mut page) = (None, None);
        let settings = match read {
            Ok(settings) => {
                page = settings.page.clone();
                let of = Renewal::of(self.page.as_ref(), page.as_ref()).await;
                of.map(|of| {
                    renewal = of;
                    settings
                })
            }
            Err(why) => Err(why),
        };
        let (in_force, is_in_force) = oneshot::channel();
        // Nobody listens any more when the daemon stops.
        let _ = self.reloads.send(Reread { settings, in_force }).await;
        if is_in_force.await.is_ok() {
            self.page = page;
            if let Some(renewal) = renewal {
                let _ = self.renewals.send(renewal).await;
            }
        }
    }
}
