//! What Prometheus is told: every metric as a line of a table ([`METRICS`]), its samples made from the same view that the
//! page shows and from the journal, and the text of it. No personal data. Start with [`Gauges::expose`]; the reference in
//! `docs/metrics.md` is made from the table.

mod process;
mod samples;
mod table;
mod tally;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

pub use samples::Samples;
pub use table::{METRICS, reference};

use super::lookout::{Lookout, Silence, View};
use crate::store::SqliteReader;
use tally::{Counts, Tally};

/// The kind of text that [`Gauges::expose`] gives.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the journal got since the last time is read within this; a first reading that takes longer goes on, and its
/// counts are told when it is done.
const JOURNAL_WITHIN: Duration = Duration::from_secs(5);

/// Where the numbers come from.
#[derive(Clone)]
pub struct Gauges {
    lookout: Arc<Lookout>,
    store: PathBuf,
    tally: Arc<Mutex<Tally>>,
}

impl Gauges {
    /// `store`: the database, read beside its writer.
    pub fn new(lookout: Arc<Lookout>, store: PathBuf) -> Gauges {
        Gauges { lookout, store, tally: Arc::default() }
    }

    /// Everything as it is now, as Prometheus' text format 0.0.4 has it.
    pub async fn expose(&self) -> String {
        let (view, counts) = tokio::join!(self.lookout.look(), self.counts());
        expose(view.as_deref(), counts.as_ref())
    }

    /// None: the journal cannot be read, or has not been read through yet.
    async fn counts(&self) -> Option<Counts> {
        let mut tally = self.tally.clone().try_lock_owned().ok()?;
        let store = self.store.clone();
        let reading = tokio::task::spawn_blocking(move || {
            SqliteReader::open(&store).and_then(|reader| tally.read_on(&reader)).ok()
        });
        tokio::time::timeout(JOURNAL_WITHIN, reading).await.ok()?.ok()?
    }
}

/// The whole text. `counts`: None where they are not known.
pub fn expose(view: Result<&View, &Silence>, counts: Option<&Counts>) -> String {
    let mut samples = Samples::default();
    samples.of_process();
    samples.of_engine(view);
    if let Ok(view) = view {
        samples.of_house(&view.snapshot);
    }
    samples.of_journal(counts);
    samples.text()
}

#[cfg(test)]
mod tests;
