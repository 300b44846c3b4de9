//! `sluse run`: the daemon as a process. Log lines on stderr, SIGTERM and SIGINT stop it, systemd is told when it serves.

use std::io::IsTerminal;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

use super::held::Called;
use super::page;
use crate::config::Settings;
use crate::engine::{self, RunTrouble};

/// The environment variable that says how much is logged, such as `debug` or `sluse=debug,russh=info`.
const LOG_VARIABLE: &str = "SLUSE_LOG";

/// The libraries are quiet unless they warn: their lines are not for the people of the daemon.
const LOG_DEFAULT: &str = "warn,sluse=info";

/// What blocks in the local disk or the store may come to its end for so long.
const BLOCKED_GRACE: std::time::Duration = std::time::Duration::from_millis(500);

/// Log lines on stderr: text, coloured on a terminal; under systemd without the time, which the journal has.
pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // A line that cannot be written, on a full disk, is lost; to say so on the same stream would end the daemon.
        .log_internal_errors(false);
    // A second set-up, as in a test, changes nothing.
    let _ = match std::env::var_os("JOURNAL_STREAM") {
        Some(_) => lines.without_time().try_init(),
        None => lines.try_init(),
    };
}

/// Runs the daemon until a signal. `called`: how commands that the page shows reach it. Exit status 1: it could not start, or the store could not be written.
pub fn run(settings: Settings, called: Called) -> ExitCode {
    log_to_stderr();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "cannot start");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(serve(settings, called));
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

async fn serve(settings: Settings, called: Called) -> Result<(), RunTrouble> {
    let stop = CancellationToken::new();
    let listening = tokio::spawn(stop_at_signal(stop.clone()));
    let page = tokio::spawn(page::serve(settings.clone(), called, stop.clone()));
    let version = env!("CARGO_PKG_VERSION");
    info!(version, endpoints = settings.endpoints.len(), exchanges = settings.exchanges.len(), "starting");
    let ended = engine::run(settings, stop.clone(), || {
        // Without systemd there is nobody to tell.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready, sd_notify::NotifyState::Status("running")]);
    });
    let ended = ended.await;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    stop.cancel();
    let _ = listening.await;
    let _ = page.await;
    ended
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
