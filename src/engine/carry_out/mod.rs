//! Carrying out: one function per duty, from an exchange to the facts that it yields. What happens on the way is
//! classified by the transport and concluded upon here; nothing is recorded here.

mod doubt;
pub mod hand_over;
mod submit;
mod tidy;

use std::path::Path;
use std::sync::Arc;

use super::site::{Kind, Site};
use crate::domain::exchange::fact::Accepted;
use crate::domain::exchange::{Duty, Exchange, Fact};
use crate::durable;
use crate::pipeline;
use crate::store::{Entry, StoreTrouble};
use crate::transport::{Connect, FarSide, Trouble};

/// What a piece of work came to.
#[derive(Debug, Default)]
pub struct CarriedOut {
    /// To be recorded, in order.
    pub facts: Vec<Fact>,
    /// Recorded already, in the same transaction as its effect.
    pub recorded: Option<Entry>,
    /// Why it did not come to its end; it will be tried again.
    pub setback: Option<Setback>,
}

#[derive(Debug, thiserror::Error)]
pub enum Setback {
    #[error("{0}")]
    Far(#[from] Trouble),
    #[error("{0}")]
    Disk(#[from] std::io::Error),
    /// The same, and where.
    #[error("{path}: {trouble}")]
    DiskAt { path: String, trouble: std::io::Error },
    #[error("{0}")]
    Store(#[from] StoreTrouble),
    #[error("{0}")]
    Other(String),
}

impl Setback {
    /// Whether the link to the far side says it, once for all who wait for it: a service window with 98
    /// exchanges under way is one line, not 98.
    pub fn is_told_by_link(&self) -> bool {
        match self {
            Setback::Far(trouble) => matches!(trouble, Trouble::Unreachable(_)) || trouble.needs_a_person(),
            Setback::Disk(_) | Setback::DiskAt { .. } | Setback::Store(_) | Setback::Other(_) => false,
        }
    }

    /// Whether a local disk has no room or fails, so that the next piece of work would fare the same.
    pub fn is_disks_own(&self) -> bool {
        match self {
            Setback::Disk(trouble) | Setback::DiskAt { trouble, .. } => durable::is_disks_own(trouble),
            Setback::Store(trouble) => matches!(trouble, StoreTrouble::Unusable { .. }),
            Setback::Far(_) | Setback::Other(_) => false,
        }
    }

    /// Says where the disk failed.
    pub fn at(self, path: &Path) -> Setback {
        match self {
            Setback::Disk(trouble) => Setback::DiskAt { path: path.display().to_string(), trouble },
            said => said,
        }
    }
}

impl From<Fact> for CarriedOut {
    fn from(fact: Fact) -> Self {
        CarriedOut { facts: vec![fact], ..CarriedOut::default() }
    }
}

impl From<Setback> for CarriedOut {
    fn from(setback: Setback) -> Self {
        CarriedOut { setback: Some(setback), ..CarriedOut::default() }
    }
}

/// What the book says beyond the exchange itself, at the moment the duty begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    pub register: pipeline::RegisterState,
    /// The journal number of the entry that applied this exchange's reply.
    pub applied: Option<u64>,
    /// Compare only to hold again: a person wants to decide, but the register has moved on.
    pub only_look: bool,
    /// Nothing has gone wrong with this exchange since it last got on.
    pub is_smooth: bool,
}

/// Carries out one duty of one exchange.
pub async fn carry_out<C: Connect>(site: Arc<Site<C>>, exchange: Exchange, duty: Duty, known: Known) -> CarriedOut {
    let Some(kind) = site.kinds.get(&exchange.route.exchange).cloned() else {
        let name = exchange.route.exchange.clone();
        return Setback::Other(format!("exchange `{name}` is no longer in the settings")).into();
    };
    let work = Work { site, kind, exchange, known };
    let done = match duty {
        Duty::UploadData => work.upload_data().await,
        Duty::StageTrigger => work.stage_trigger().await,
        Duty::Submit { way, .. } => Ok(work.submit(way).await),
        Duty::SettleDoubt { way } => Ok(work.settle_doubt(way).await),
        Duty::Compare { arrival, approved } => work.compare(arrival, approved).await,
        Duty::StageHandOver { arrival } => work.stage_hand_over(arrival).await,
        Duty::HandOver { names } => work.hand_over(names).await,
        Duty::RunCommand => work.run_command().await,
        Duty::Tidy => work.tidy().await,
        Duty::SetAside { why } => work.set_aside(why).await,
    };
    done.unwrap_or_else(CarriedOut::from)
}

/// One duty at work.
struct Work<C: Connect> {
    site: Arc<Site<C>>,
    kind: Arc<Kind<C>>,
    exchange: Exchange,
    known: Known,
}

impl<C: Connect> Work<C> {
    /// The query of this exchange. Only duties of a query ask for it.
    fn query(&self) -> Result<&Accepted, Setback> {
        self.exchange.query().ok_or_else(|| Setback::Other("this exchange has no query".into()))
    }

    /// Does something with the far side, and gives up the session where it can no longer be trusted.
    async fn far<T, W>(&self, work: W) -> Result<T, Trouble>
    where
        W: AsyncFnOnce(&C::Session) -> Result<T, Trouble>,
    {
        let lease = self.kind.link.lease().await?;
        work(&lease.session).await.inspect_err(|trouble| self.kind.link.note(&lease, trouble))
    }

    /// Removes a file of ours there; one that is gone is as good.
    async fn remove(&self, session: &C::Session, path: &crate::transport::RemotePath) -> Result<(), Trouble> {
        match session.remove(path).await {
            Err(Trouble::Missing) => Ok(()),
            removed => removed,
        }
    }

    /// Work with the local disk, off the async threads.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn crate::durable::Disk) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Setback> {
        on_disk(self.site.disk.clone(), work).await
    }

    async fn compare(
        &self,
        arrival: crate::domain::exchange::fact::Arrival,
        approved: Option<crate::domain::exchange::Approval>,
    ) -> Result<CarriedOut, Setback> {
        let comparison = pipeline::Comparison {
            id: self.exchange.id,
            at: self.site.surroundings.now(),
            file: self.site.places.reply(&arrival),
            asked: self.exchange.query().map(|query| query.delivery),
            arrival,
            register: self.known.register,
            folder: self.site.places.sorting(),
            approved,
            only_look: self.known.only_look,
            stop: self.site.stopping.clone(),
            guards: crate::domain::change::Guards {
                end: self.kind.settings.end_guard,
                amount: self.kind.settings.amount_guard,
            },
        };
        let _turn = self.site.ledger.turn_to_read().await;
        let layout = self.kind.reply.clone();
        // What is read is checked off the store's own thread, where others want to record what they have done.
        let read = self.on_disk(move |disk| Ok(comparison.check(disk, &layout))).await?;
        let checked = match read {
            Ok(Ok(checked)) => checked,
            Ok(Err(unfit)) => return Ok(unfit.into()),
            Err(pipeline::ReadTrouble::NotSorted(trouble)) => {
                return Err(Setback::Disk(trouble).at(&self.site.places.sorting()));
            }
            Err(pipeline::ReadTrouble::NotRead(trouble)) => {
                return Err(Setback::Disk(trouble).at(&self.site.places.archive()));
            }
            Err(unfit) => return Err(Setback::Other(unfit.to_string())),
        };
        let compared = self.site.ledger.with(move |store| checked.carry_out(store)).await?;
        Ok(match compared {
            pipeline::Compared::Applied(entry) => CarriedOut { recorded: Some(entry), ..CarriedOut::default() },
            pipeline::Compared::Held(fact) => fact.into(),
        })
    }
}

/// Work with the local disk, off the async threads where it may block.
pub async fn on_disk<T: Send + 'static>(
    disk: Arc<dyn crate::durable::Disk>,
    work: impl FnOnce(&dyn crate::durable::Disk) -> std::io::Result<T> + Send + 'static,
) -> Result<T, Setback> {
    if !disk.may_block() {
        return Ok(work(disk.as_ref())?);
    }
    match tokio::task::spawn_blocking(move || work(disk.as_ref())).await {
        Ok(done) => Ok(done?),
        Err(e) => Err(Setback::Other(format!("work with the disk was broken off: {e}"))),
    }
}
