//! The status page: read-only, for the people who run Sluse and for what watches it (`/metrics`, `/healthz`, `/readyz`).
//! Plain HTML from the server, made of what the engine answers to any command; it holds no state and changes nothing, and
//! a caller can slow down nobody but other callers. Other settings of it take effect while it is served. Start with [`serve`].

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

use tokio::sync::mpsc;
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

/// What other settings ask of the page, ready to be served.
pub struct Renewal {
    page: Option<PageSettings>,
    /// How callers come in, by the door that is there if there is none here, and who may. None: there is no page any more.
    opened: Option<(Option<Door>, Arc<Admission>)>,
}

impl Renewal {
    /// Opens the new door before the former one is let go. None: nothing of it changes. Errors: why it cannot be, for people.
    pub async fn of(former: Option<&PageSettings>, page: Option<&PageSettings>) -> Result<Option<Renewal>, String> {
        let Some(page) = page else { return Ok(former.is_some().then_some(Renewal { page: None, opened: None })) };
        // The token's file may hold another one by now.
        if former == Some(page) && page.token.is_none() {
            return Ok(None);
        }
        let told = |why| format!("the status page cannot be served at {} as [page] wants it: {why}", page.listen);
        let opened = match former.is_some_and(|former| former.listen == page.listen) {
            true => (None, admission(page).map_err(told)?),
            false => open(page).await.map(|(door, admission)| (Some(door), admission)).map_err(told)?,
        };
        Ok(Some(Renewal { page: Some(page.clone()), opened: Some(opened) }))
    }
}

/// Serves the page of these settings, if they have one, and of what they become, until told to stop. That it cannot be
/// served stops nothing else.
pub async fn serve(settings: Settings, called: Called, mut renewals: mpsc::Receiver<Renewal>, stop: CancellationToken) {
    let lookout = Arc::new(Lookout::new(settings.folders.control_socket()));
    let gauges = Gauges::new(lookout.clone(), settings.store.path.clone());
    let house =
        |admission| House { admission, lookout: lookout.clone(), gauges: gauges.clone(), called: called.clone() };
    let (mut page, mut opened) = (settings.page, None);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = keep_open(page.as_ref(), &mut opened, &house) => {}
            Some(renewal) = renewals.recv() => {
                page = renewal.page;
                opened = match renewal.opened {
                    Some((Some(door), admission)) => Some((door, admission)),
                    // Where it could not be opened yet, that is tried on.
                    Some((None, admission)) => opened.map(|(door, _)| (door, admission)),
                    None => None,
                };
            }
        }
    }
}

/// Never ends.
async fn keep_open(
    page: Option<&PageSettings>,
    opened: &mut Option<(Door, Arc<Admission>)>,
    house: impl Fn(Arc<Admission>) -> House,
) {
    let Some(page) = page else { return std::future::pending().await };
    let mut told: Option<String> = None;
    while opened.is_none() {
        match open(page).await {
            Ok(open) => *opened = Some(open),
            Err(why) => {
                if told.as_ref() != Some(&why) {
                    error!(listen = %page.listen, %why, "no status page, tried again and again; all else goes on");
                    told = Some(why);
                }
                tokio::time::sleep(OPEN_AGAIN_IN).await;
            }
        }
    }
    let Some((door, admission)) = opened else { return };
    let listen = door.address().map_or_else(|_| page.listen.to_string(), |listen| listen.to_string());
    info!(%listen, "status page is served");
    door.serve(routes::router(house(admission.clone()))).await;
}

async fn open(page: &PageSettings) -> Result<(Door, Arc<Admission>), String> {
    let admission = admission(page)?;
    let door = Door::open(&page.listen).await.map_err(|e| format!("cannot listen: {e}"))?;
    Ok((door, admission))
}

fn admission(page: &PageSettings) -> Result<Arc<Admission>, String> {
    Admission::of(&page.listen, page.token.as_deref()).map(Arc::new).map_err(|e| e.to_string())
}
