//! What people ask and are told: the same while the daemon runs and when it does not. Everything here reads the
//! book, the settings and the disk; nothing is recorded. Start with [`Office`].

mod concerns;
mod gate;
mod register;
mod routes;
mod stories;

pub use concerns::{Seen, SeenEndpoint, Times};
pub use register::read_register;
pub use stories::{held, tell_stories};

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::Date;
use tokio::time::Instant;

use super::control::Answer;
use super::places::Places;
use super::site::{LayoutTrouble, Surroundings, layouts, patience};
use super::snapshot::{Concern, EndpointLine, Halt, Snapshot};
use crate::config::{ExchangeSettings, Settings};
use crate::domain::exchange::Book;
use crate::domain::identity::{DeliveryNumber, ExchangeName, FileId, Route};
use crate::domain::layout::{Layout, NameParts};
use crate::domain::municipality::MunicipalityCode;
use crate::domain::patience::Patience;
use crate::domain::query::{QueryOrder, compose_query};
use crate::durable::{Disk, Found, Kind, list};
use crate::outbox::{Waiting, may_be_query};

/// More refused files, or files of one outbox folder, than this are not listed.
const FILES_SHOWN_MAX: usize = 1_000;

/// Of each municipality no more files are shown at once, in its outbox and in `refused/`; the rest is counted, so that a
/// flood leaves the page readable.
const SHOWN_OF_EACH_MAX: usize = 10;

/// Settings and what they name, read in: all that daemon and commands share.
pub struct Office {
    pub settings: Settings,
    /// Query and reply.
    pub layouts: BTreeMap<ExchangeName, (Layout, Layout)>,
    pub places: Places,
    pub disk: Arc<dyn Disk>,
    pub surroundings: Surroundings,
}

/// What only a running daemon knows.
#[derive(Default)]
pub struct Live {
    pub anchor_trouble: Option<String>,
    pub endpoints: Vec<EndpointLine>,
    pub outbox: Vec<Waiting>,
    pub troubles: BTreeMap<FileId, String>,
    pub halts: Vec<Halt>,
    /// Those that keep files in the outboxes, and why nothing at all is begun, if nothing is.
    pub keeping_claims: Vec<Halt>,
    pub standstill: Option<String>,
    /// What was found at the last look.
    pub concerns: Vec<Concern>,
}

impl Office {
    /// Reads the layouts that the settings name. Errors: all of them that cannot be used.
    pub fn open(
        settings: Settings,
        disk: Arc<dyn Disk>,
        surroundings: Surroundings,
    ) -> Result<Office, Vec<LayoutTrouble>> {
        let mut read = BTreeMap::new();
        let mut troubles = Vec::new();
        for (name, exchange) in &settings.exchanges {
            match layouts(disk.as_ref(), exchange.layouts.as_deref()) {
                Ok(both) => {
                    read.insert(name.clone(), both);
                }
                Err(trouble) => troubles.push(trouble),
            }
        }
        let places = Places::new(&settings.folders.state);
        match troubles.is_empty() {
            true => Ok(Office { settings, layouts: read, places, disk, surroundings }),
            false => Err(troubles),
        }
    }

    /// How long exchanges of this name wait for the other side; None: the settings do not have it.
    pub fn patience(&self, exchange: &ExchangeName) -> Option<Patience> {
        let settings = self.settings.exchanges.get(exchange)?;
        Some(patience(settings, self.settings.endpoints.get(&settings.endpoint)?))
    }

    /// The whole house, as it is now. `live` is None where no daemon runs.
    pub fn snapshot(&self, book: &Book, live: Option<Live>) -> Snapshot {
        let daemon_runs = live.is_some();
        let live = live.unwrap_or_else(|| {
            let concerns =
                self.concerns(book, &Seen::default(), &mut Times::at(self.surroundings.now(), Instant::now()));
            Live { concerns, ..self.without_daemon(book) }
        });
        let routes = self.settings.exchanges.iter().flat_map(|(name, exchange)| {
            let live = &live;
            exchange.municipalities.iter().map(move |code| self.route_line(book, name, exchange, *code, live))
        });
        Snapshot {
            at: self.surroundings.now(),
            daemon_runs,
            restored: None,
            anchor_trouble: live.anchor_trouble.clone(),
            routes: routes.collect(),
            refused: self.refused(book),
            refused_folder: self.places.refused().display().to_string(),
            unreadable: self.unreadable(daemon_runs),
            unread: self.unread(book),
            halts: live.halts,
            endpoints: live.endpoints,
            outbox: first_of_each(live.outbox),
            concerns: live.concerns,
        }
    }

    /// Without a daemon nothing is known of the far side, and what lies in the outboxes is just listed.
    pub(super) fn without_daemon(&self, book: &Book) -> Live {
        let endpoints = self.settings.endpoints.keys().map(|name| EndpointLine {
            name: name.clone(),
            trouble: None,
            listed_at: None,
            foreign: 0,
            waiting: Vec::new(),
        });
        let mut outbox = Vec::new();
        for exchange in self.settings.exchanges.values() {
            for municipality in &exchange.municipalities {
                let folder = exchange.outbox.join(municipality.to_string());
                let is_wanted = |found: &Found| matches!(found.kind, Kind::File(_)) && may_be_query(&found.name);
                let files = list(self.disk.as_ref(), &folder, FILES_SHOWN_MAX, is_wanted).unwrap_or_default();
                outbox.extend(files.into_iter().map(|found| {
                    let why = "no daemon runs to take it".to_owned();
                    Waiting { municipality: Some(*municipality), name: crate::outbox::printable(&found.name), why }
                }));
            }
        }
        for spooled in self.spooled().files.into_iter().filter(|spooled| !book.knows(spooled.id)) {
            let why = "claimed into the spool, goes on when a daemon runs".to_owned();
            outbox.push(Waiting { municipality: Some(spooled.route.municipality), name: spooled.original_name, why });
        }
        Live { endpoints: endpoints.collect(), outbox, ..Live::default() }
    }

    /// Composes a query by the layout and puts it into the outbox, under a name and with a delivery number that
    /// were never used. Returns its path. Errors: the payment has been, or the settings or the disk do not allow it.
    pub fn compose(
        &self,
        book: &Book,
        exchange: Option<ExchangeName>,
        municipality: MunicipalityCode,
        payment_date: Date,
    ) -> Result<PathBuf, NotComposed> {
        let having =
            |(_, settings): &(&ExchangeName, &ExchangeSettings)| settings.municipalities.contains(&municipality);
        let (name, settings) = match exchange {
            Some(name) => match self.settings.exchanges.get_key_value(&name) {
                Some(found) => found,
                None => return Err(NotComposed::Mistaken(format!("the settings have no exchange `{name}`"))),
            },
            None => match self.settings.exchanges.iter().filter(having).collect::<Vec<_>>()[..] {
                [one] => one,
                [] => {
                    let why = format!("no exchange of the settings has municipality {municipality}");
                    return Err(NotComposed::Mistaken(why));
                }
                [..] => {
                    let why = "more than one exchange has this municipality, name one with --exchange".to_owned();
                    return Err(NotComposed::Mistaken(why));
                }
            },
        };
        if !settings.municipalities.contains(&municipality) {
            return Err(NotComposed::Mistaken(format!("exchange `{name}` has no municipality {municipality}")));
        }
        let (layout, _) =
            self.layouts.get(name).ok_or_else(|| NotComposed::Failed("this exchange has no layout".to_owned()))?;
        let folder = settings.outbox.join(municipality.to_string());
        let created = self.surroundings.now().in_copenhagen();
        if payment_date < created.date() {
            let today = created.date();
            let why = format!("{payment_date} is past (today is {today}): UDK is asked before a payment");
            return Err(NotComposed::Mistaken(why));
        }
        let mut delivery = book.next_delivery(&Route { exchange: name.clone(), municipality });
        loop {
            let parts = NameParts { municipality, date: created.date(), delivery, copy: 1 };
            let file_name = layout.file_name().compose(&parts).map_err(|e| NotComposed::Failed(e.to_string()))?;
            let path = folder.join(file_name.as_str());
            let order = QueryOrder { municipality, created, delivery, payment_date };
            let content = compose_query(layout, &order).map_err(|e| NotComposed::Failed(e.to_string()))?;
            match self.put(&folder, &path, &content) {
                // Another query of this delivery number waits in the outbox already.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => delivery = DeliveryNumber(delivery.0 + 1),
                Err(e) => return Err(NotComposed::Failed(format!("cannot write {}: {e}", path.display()))),
                Ok(()) => return Ok(path),
            }
        }
    }

    fn put(&self, folder: &std::path::Path, path: &std::path::Path, content: &[u8]) -> std::io::Result<()> {
        let part = folder.join(format!(".{}.part", self.surroundings.file_id()));
        let mut growing = self.disk.create(&part)?;
        let written = growing.write_all(content).and_then(|()| growing.sync());
        drop(growing);
        written.and_then(|()| self.disk.rename(&part, path)).inspect_err(|_| {
            // What cannot be removed is a dot file that nobody takes.
            let _ = self.disk.remove(&part);
        })
    }
}

/// Why no query was composed; nothing of it is left.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotComposed {
    /// What was asked for cannot be.
    #[error("{0}")]
    Mistaken(String),
    #[error("{0}")]
    Failed(String),
}

impl From<NotComposed> for Answer {
    fn from(not: NotComposed) -> Answer {
        match not {
            NotComposed::Mistaken(why) => Answer::Mistaken { why },
            NotComposed::Failed(why) => Answer::Refused { why },
        }
    }
}

/// The first files of each municipality, and how many there are beside them.
fn first_of_each(waiting: Vec<Waiting>) -> Vec<Waiting> {
    let mut counted = BTreeMap::<_, usize>::new();
    let mut shown = Vec::new();
    for waiting in waiting {
        let number = counted.entry(waiting.municipality).or_default();
        *number += 1;
        if *number <= SHOWN_OF_EACH_MAX {
            shown.push(waiting);
        }
    }
    let more = counted.into_iter().filter(|(_, number)| *number > SHOWN_OF_EACH_MAX);
    shown.extend(more.map(|(municipality, number)| {
        let why = format!("{} more wait; `sluse explain FILE` finds each", number - SHOWN_OF_EACH_MAX);
        Waiting { municipality, name: "(more)".to_owned(), why }
    }));
    shown
}
