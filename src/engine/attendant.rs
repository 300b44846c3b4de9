//! Whoever has started the daemon and looks after it, systemd or nobody: what it is told, and what it may ask for. It is
//! told that all is well only where the loop and the store's thread show that they get on. Start with [`Attendant`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::config::Settings;
use crate::store::steps::Steps;

/// More than one wish to read the settings again need not wait.
const RELOADS_MAX: usize = 1;

/// How often somebody is told who does not say how often.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Told again and again until it is mended.
const REFUSED: &str = "; the settings file was refused, the former settings are in force";

/// What an attendant is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The start takes its time, and gets on.
    Starting,
    /// It serves.
    Ready,
    /// Loop and store get on, and this is what they are at.
    Alive(String),
    /// The settings are being read again.
    Reloading,
    /// That has come to its end, one way or the other.
    Reloaded(String),
}

/// The settings file, read again.
pub struct Reread {
    /// To be used from now on; or what is wrong with them, all of it.
    pub settings: Result<Box<Settings>, String>,
    /// Told once they are in force; dropped when the former ones stay.
    pub in_force: oneshot::Sender<()>,
}

/// The attendant, as the engine knows it.
pub struct Attendant {
    pub(super) tell: Arc<dyn Fn(Said) + Send + Sync>,
    /// Both `Starting` and `Alive` come at least so often while they are true.
    pub(super) every: Duration,
    pub(super) reloads: mpsc::Receiver<Reread>,
    /// Whether the settings file holds others than those in force.
    is_refused: Arc<AtomicBool>,
}

impl Attendant {
    /// One that is told what it wants to know at least as often as it says; what it sends over the channel are settings
    /// that were read again.
    pub fn new(
        tell: impl Fn(Said) + Send + Sync + 'static,
        every: Option<Duration>,
    ) -> (Attendant, mpsc::Sender<Reread>) {
        let (sender, reloads) = mpsc::channel(RELOADS_MAX);
        let every = every.unwrap_or(TELL_EVERY).min(TELL_EVERY);
        (Attendant { tell: Arc::new(tell), every, reloads, is_refused: Arc::default() }, sender)
    }

    /// One that only waits until the daemon serves.
    pub fn who_waits(ready: oneshot::Sender<()>) -> Attendant {
        let ready = std::sync::Mutex::new(Some(ready));
        let tell = move |said| {
            if said == Said::Ready
                && let Some(ready) = ready.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
            {
                // Nobody waits any more if it has given up.
                let _ = ready.send(());
            }
        };
        Attendant::new(tell, None).0
    }
}

impl Attendant {
    pub(super) fn is_ready(&self) {
        (self.tell)(Said::Ready);
    }

    /// What became of settings that were read again: what is to be known of it, or why the former ones stay.
    pub(super) fn tell_of_reload(&self, came_to: Result<String, String>) {
        self.is_refused.store(came_to.is_err(), Ordering::Relaxed);
        let told = came_to.unwrap_or_else(|why| {
            error!(%why, "new settings are refused, the former ones stay in force; mend what is wrong and reload again");
            format!("settings read again{REFUSED}")
        });
        (self.tell)(Said::Reloaded(told));
    }

    /// Whom the pulse tells.
    pub(super) fn alive(&self) -> impl Fn(&Glance) + Send + 'static {
        let (tell, is_refused) = (self.tell.clone(), self.is_refused.clone());
        move |glance| {
            let refused = if is_refused.load(Ordering::Relaxed) { REFUSED } else { "" };
            tell(Said::Alive(format!("{glance}{refused}")));
        }
    }

    /// Tells that the start gets on, as long as it does: a long journal takes its time.
    pub(super) fn tell_of_start(&self, steps: Steps) -> impl Future<Output = ()> + Send + 'static {
        let (tell, every) = (self.tell.clone(), self.every);
        async move {
            let mut before = None;
            let mut round = tokio::time::interval(every);
            loop {
                round.tick().await;
                if before.replace(steps.count()) != Some(steps.count()) {
                    tell(Said::Starting);
                }
            }
        }
    }

    /// Where nothing is at work that could go over to new settings.
    pub(super) async fn refuse_reloads(mut self, why: String, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(_) = self.reloads.recv() => {}
            }
            (self.tell)(Said::Reloading);
            self.tell_of_reload(Err(why.clone()));
        }
    }
}

/// The house at one glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    pub municipalities: usize,
    pub under_way: usize,
    pub waiting_for_person: usize,
    /// Why more than one file does not go on, and which far sides cannot be reached.
    pub troubles: Vec<String>,
}

/// Asks the loop for a glance; that it answers shows that it turns.
pub type Look = oneshot::Sender<Glance>;

impl fmt::Display for Glance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Glance { municipalities, under_way, waiting_for_person, troubles } = self;
        let (municipality, exchange) = (plural(*municipalities, "municipality", "municipalities"), "exchange");
        let exchange = plural(*under_way, exchange, "exchanges");
        write!(f, "{municipalities} {municipality}, {under_way} {exchange} under way")?;
        match waiting_for_person {
            0 => {}
            1 => write!(f, ", 1 waits for a person")?,
            more => write!(f, ", {more} wait for a person")?,
        }
        troubles.iter().try_for_each(|trouble| write!(f, "; {trouble}"))
    }
}

fn plural(count: usize, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glance_is_one_line_that_counts_and_names_what_is_wrong() {
        let quiet = Glance { municipalities: 98, ..Glance::default() };
        assert_eq!(quiet.to_string(), "98 municipalities, 0 exchanges under way");

        let busy = Glance {
            municipalities: 1,
            under_way: 3,
            waiting_for_person: 1,
            troubles: vec!["far side `hub` not reachable".to_owned()],
        };
        assert_eq!(
            busy.to_string(),
            "1 municipality, 3 exchanges under way, 1 waits for a person; far side `hub` not reachable"
        );
    }
}
