//! Whether the daemon gets on: the loop is asked for a glance and the store's thread for nothing at all, again and again,
//! and only their answers are passed on. A timer beside them would say that all is well while both stand still. A long
//! reply is one long piece of work for the store: while that takes steps, nobody else has to answer. Start with [`Pulse`].

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::attendant::{Glance, Look};
use super::ledger::Ledger;
use crate::store::steps::Steps;

/// An answer that was asked for and has not come.
type Asked<T> = Option<oneshot::Receiver<T>>;

/// Feels the pulse of loop and store.
pub struct Pulse {
    pub looks: mpsc::Sender<Look>,
    /// None: no store's thread is at work.
    pub ledger: Option<Ledger>,
    pub steps: Steps,
    pub every: Duration,
}

impl Pulse {
    /// Calls `alive` about every [`Pulse::every`] while loop and store get on, with the loop's last glance, until told to stop.
    pub async fn feel(self, stop: CancellationToken, alive: impl Fn(&Glance)) {
        let mut of_loop: Asked<Glance> = None;
        let mut of_store: Asked<()> = None;
        let mut glance = Glance::default();
        let mut steps = self.steps.count();
        let mut asking = tokio::spawn(async {});
        let mut round = tokio::time::interval(self.every);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = round.tick() => {}
            }
            let now = answer(&mut of_loop);
            let has_turned = now.is_some();
            glance = now.unwrap_or(glance);
            let has_answered = self.ledger.is_none() || answer(&mut of_store).is_some();
            let is_at_long_work = !has_answered && self.steps.count() != steps;
            steps = self.steps.count();
            if (has_turned && has_answered) || is_at_long_work {
                alive(&glance);
            }
            if of_loop.is_none() {
                let (look, answer) = oneshot::channel();
                // A full queue says that the loop does not turn.
                of_loop = self.looks.try_send(look).is_ok().then_some(answer);
            }
            if of_store.is_none()
                && let Some(ledger) = self.ledger.clone()
            {
                let (done, answer) = oneshot::channel();
                of_store = Some(answer);
                asking = tokio::spawn(async move {
                    if ledger.with(|_| Ok(())).await.is_ok() {
                        // Nobody listens any more when the daemon stops.
                        let _ = done.send(());
                    }
                });
            }
        }
        // It has a handle on the store, whose thread ends with the last one.
        asking.abort();
    }
}

/// The answer, once. One that will never come is to be asked for again.
fn answer<T>(asked: &mut Asked<T>) -> Option<T> {
    match asked.as_mut()?.try_recv() {
        Ok(answer) => {
            *asked = None;
            Some(answer)
        }
        Err(oneshot::error::TryRecvError::Empty) => None,
        Err(oneshot::error::TryRecvError::Closed) => {
            *asked = None;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::engine::ledger::Clerk;
    use crate::store::SqliteStore;

    const EVERY: Duration = Duration::from_secs(5);
    const ROUNDS_A_MINUTE: usize = 12;

    /// A daemon whose pulse is felt: its loop does not turn and its store does not work before it is let to.
    struct Patient {
        looks: Option<mpsc::Receiver<Look>>,
        clerk: Option<Clerk>,
        steps: Steps,
        alive: Arc<AtomicUsize>,
        _folder: tempfile::TempDir,
    }

    impl Patient {
        fn new() -> Patient {
            let folder = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(&folder.path().join("sluse.db")).unwrap();
            let (ledger, clerk) = Ledger::new(Box::new(store));
            let (sender, looks) = mpsc::channel(1);
            let (steps, alive) = (Steps::default(), Arc::new(AtomicUsize::new(0)));
            let pulse = Pulse { looks: sender, ledger: Some(ledger), steps: steps.clone(), every: EVERY };
            let counted = alive.clone();
            tokio::spawn(pulse.feel(CancellationToken::new(), move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
            }));
            Patient { looks: Some(looks), clerk: Some(clerk), steps, alive, _folder: folder }
        }

        fn let_loop_turn(&mut self) {
            let mut looks = self.looks.take().unwrap();
            tokio::spawn(async move {
                while let Some(look) = looks.recv().await {
                    look.send(Glance::default()).unwrap();
                }
            });
        }

        fn let_store_work(&mut self) {
            tokio::spawn(self.clerk.take().unwrap().run());
        }

        /// How often all was well within a minute, in which the store took steps or not.
        async fn in_a_minute(&self, takes_steps: bool) -> usize {
            let before = self.alive.load(Ordering::Relaxed);
            for _ in 0..ROUNDS_A_MINUTE {
                if takes_steps {
                    self.steps.take();
                }
                tokio::time::advance(EVERY).await;
                // Whoever has something to do does it.
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
            }
            self.alive.load(Ordering::Relaxed) - before
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_is_well_while_loop_and_store_answer() {
        let mut patient = Patient::new();
        patient.let_loop_turn();
        patient.let_store_work();

        assert!(patient.in_a_minute(false).await >= ROUNDS_A_MINUTE - 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_does_not_turn_is_not_well_though_the_store_works() {
        let mut patient = Patient::new();
        patient.let_store_work();

        assert_eq!(patient.in_a_minute(true).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_stuck_is_not_well_though_the_loop_turns() {
        let mut patient = Patient::new();
        patient.let_loop_turn();

        assert_eq!(patient.in_a_minute(false).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_reply_is_well_as_long_as_it_takes_steps_though_nobody_else_gets_an_answer() {
        let patient = Patient::new();

        assert!(patient.in_a_minute(true).await >= ROUNDS_A_MINUTE - 2);
        assert!(patient.in_a_minute(false).await <= 1);
    }
}
