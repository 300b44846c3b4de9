//! The status page: read-only, for the people who run Sluse and for what watches it (`/metrics`, `/healthz`, `/readyz`).
//! Plain HTML from the server, made of what the engine answers to any command; it holds no state and changes nothing, and
//! a caller can slow down nobody but other callers. Start with [`serve`].

pub mod admission;
mod assets;
mod attention;
pub mod door;
mod glance;
mod municipality;
mod routes;
mod story;
#[cfg(test)]
mod tests;
mod view;
pub mod words;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::held::Called;
use super::lookout::Lookout;
use super::metrics::Gauges;
use crate::config::{PageSettings, Settings};
use admission::Admission;
use door::Door;
use routes::House;

/// A page that cannot be opened, its port in use or its token unreadable, is tried again so often.
const OPEN_AGAIN_IN: Duration = Duration::from_secs(5);

/// Serves the page of these settings, if they have one, until told to stop. That it cannot be served stops nothing else.
pub async fn serve(settings: Settings, called: Called, stop: CancellationToken) {
    let Some(page) = &settings.page else { return };
    let lookout = Arc::new(Lookout::new(settings.folders.control_socket()));
    let gauges = Gauges::new(lookout.clone(), settings.store.path.clone());
    let mut told: Option<String> = None;
    let (door, admission) = loop {
        match open(page).await {
            Ok(opened) => break opened,
            Err(why) if told.as_ref() != Some(&why) => {
                error!(listen = %page.listen, %why, "no status page, tried again and again; all else goes on");
                told = Some(why);
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(OPEN_AGAIN_IN) => {}
        }
    };
    let listen = door.address().map_or_else(|_| page.listen.to_string(), |listen| listen.to_string());
    info!(%listen, "status page is served");
    let router = routes::router(House { admission, lookout, gauges, called });
    door.serve(router, stop).await;
}

async fn open(page: &PageSettings) -> Result<(Door, Admission), String> {
    let admission = Admission::of(&page.listen, page.token.as_deref()).map_err(|e| e.to_string())?;
    let door = Door::open(&page.listen).await.map_err(|e| format!("cannot listen: {e}"))?;
    Ok((door, admission))
}
