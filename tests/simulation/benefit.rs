//! The benefit system: writes its queries into the outbox, whole or slowly, and takes what it finds in its inbox.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::civil::{Date, date};
use sluse::domain::identity::{DeliveryNumber, Route};
use sluse::domain::layout::Layout;
use sluse::domain::municipality::MunicipalityCode;
use sluse::domain::query::{QueryOrder, compose_query};

use tokio::time::Instant;

use super::fate::{Fates, pass};
use super::platter::Drive;

/// A query that the benefit system writes.
#[derive(Clone)]
pub struct Written {
    pub route: Route,
    pub name: String,
    pub content: Vec<u8>,
    /// What its writer, who still has it open, makes of it a while later.
    pub changed: Option<Vec<u8>>,
}

/// What the benefit system has taken out of its inbox: path and content.
pub type Eaten = Arc<Mutex<Vec<(PathBuf, Vec<u8>)>>>;

/// Where the shipped layout has the time of day.
const TIME: std::ops::Range<usize> = 22..28;

/// A writer that goes on does so once its file has been taken, or after so long.
const WRITES_ON_WITHIN: Duration = Duration::from_secs(60);
const LOOKS_EVERY: Duration = Duration::from_millis(60);

/// The payment date that is asked about in a round.
pub fn payment_date(round: u32) -> Date {
    date(2031, round as i8, 27)
}

/// One query.
pub fn query(layout: &Layout, route: &Route, municipality: MunicipalityCode, delivery: u32, on: Date) -> Written {
    let created = date(2030, 1, 5).at(9, 30, 0, 0);
    let order = QueryOrder { municipality, created, delivery: DeliveryNumber(delivery), payment_date: on };
    let content = compose_query(layout, &order).expect("the shipped layout can say it");
    let name = format!("BETADM_FORESP_{municipality}_20300105_{delivery:04}.txt");
    Written { route: route.clone(), name, content, changed: None }
}

/// The same query as of another time of day: as long as the other, and as fit.
pub fn changed(content: &[u8]) -> Vec<u8> {
    let mut changed = content.to_vec();
    changed[TIME].copy_from_slice(b"101500");
    changed
}

/// Writes the queries, each in one of three ways.
pub async fn write(drive: Drive, fates: Fates, queries: Vec<Written>) {
    for query in queries {
        pass(fates.seconds(30)).await;
        let folder = Path::new("/sim/outbox").join(query.route.municipality.to_string());
        let file = folder.join(&query.name);
        let now = || fates.now().as_micros();
        if fates.below(3) == 0 {
            // Slowly, under its own name.
            let half = query.content.len() / 2;
            drive.put(&file, &query.content[..half], now());
            pass(fates.seconds(90)).await;
            // Whole: the layout says so, so it cannot have been taken before.
        }
        let number = drive.put(&file, &query.content, now());
        if let Some(changed) = &query.changed {
            let until = Instant::now() + WRITES_ON_WITHIN;
            while drive.has(&file) && Instant::now() < until {
                pass(LOOKS_EVERY).await;
            }
            if fates.below(2) == 0 {
                pass(fates.seconds(60)).await;
            }
            fates.note_fault("a file is written to again", &query.name);
            drive.write_on(number, changed, now());
        }
    }
}

/// Takes what is there, at once or after a while.
pub async fn eat(drive: Drive, fates: Fates, eaten: Eaten) {
    loop {
        let wait = if fates.below(2) == 0 { Duration::from_millis(5) } else { fates.seconds(20) };
        pass(wait).await;
        let taken = drive.take_below(Path::new("/sim/inbox"));
        eaten.lock().expect("nobody panics with it").extend(taken);
    }
}
