//! The commands by which Sluse is tried: `sluse hub`, the other side to test against, and `sluse demo`, both sides in
//! one folder. Neither touches what a daemon of this machine has.

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::cli::Demo;
use super::journal::log;
use super::run::stop_at_signal;
use super::{Failure, Found};
use crate::demo::{self, DemoSettings};
use crate::hub::{Hub, HubSettings, HubTrouble};

/// Runs a hub until a signal.
pub fn hub(settings: HubSettings) -> Result<Found, Failure> {
    log();
    let served = runtime()?.block_on(async {
        let stop = CancellationToken::new();
        let listening = tokio::spawn(stop_at_signal(stop.clone()));
        let hub = Hub::open(settings).await?;
        let ended = hub.run(stop.clone()).await;
        stop.cancel();
        listening.await?;
        ended
    });
    served.map(|()| Found::Fine).map_err(|trouble: HubTrouble| Failure::Wrong(trouble.to_string()))
}

/// Shows whole rounds. Wrong: the register is not what UDK Debitor sent.
pub fn demo(demo: Demo) -> Result<Found, Failure> {
    let settings = DemoSettings {
        municipalities: demo.municipalities as usize,
        agreements: demo.agreements,
        rounds: demo.rounds,
        keep: demo.keep,
    };
    match runtime()?.block_on(demo::run(settings, &mut std::io::stdout())) {
        Ok(true) => Ok(Found::Fine),
        Ok(false) => Ok(Found::Wrong),
        Err(trouble) => Err(Failure::Wrong(format!("{trouble:#}"))),
    }
}

fn runtime() -> Result<Runtime, Failure> {
    Runtime::new().map_err(|trouble| Failure::Wrong(format!("cannot start: {trouble}")))
}
