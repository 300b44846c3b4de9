//! The heartbeat: something outside is asked for again and again while the engine turns and can write its journal, and not
//! otherwise. Whoever misses it knows that nobody else can tell. Start with [`beat`].

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::send::{self, Receiver};
use super::{HEARTBEAT, Look, STALLED_AFTER, Silent, change_of};
use crate::config::{AlarmSettings, HeartbeatSettings};

/// Beats as the settings say, now and whenever they change, from the engine's first look until told to stop.
pub(super) async fn beat(
    mut looks: watch::Receiver<Look>,
    mut settings: watch::Receiver<AlarmSettings>,
    silent: Silent,
    stop: CancellationToken,
) {
    tokio::select! {
        () = stop.cancelled() => return,
        _ = looks.changed() => {}
    }
    let mut former = None;
    loop {
        let heartbeat = settings.borrow_and_update().heartbeat.clone();
        if former != heartbeat {
            silent.forget(HEARTBEAT);
        }
        // A beat that is broken off here is one too few or one too many: as good as none.
        tokio::select! {
            () = stop.cancelled() => return,
            () = change_of(&mut settings) => {}
            () = beat_by(heartbeat.as_ref(), &looks, &silent) => {}
        }
        former = heartbeat;
    }
}

/// Never ends.
async fn beat_by(settings: Option<&HeartbeatSettings>, looks: &watch::Receiver<Look>, silent: &Silent) {
    let Some(settings) = settings else { return std::future::pending().await };
    let hearts: Vec<Receiver> = send::hearts(settings);
    let mut ticks = tokio::time::interval(settings.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !is_beating(&looks.borrow(), Instant::now()) {
            continue;
        }
        let mut sent = Ok(());
        for heart in &hearts {
            sent = sent.and(heart.ask().await);
        }
        silent.note(HEARTBEAT, &sent);
    }
}

/// Whether the engine turns and does what it is for.
fn is_beating(look: &Look, now: Instant) -> bool {
    look.is_at_work && now - look.at <= STALLED_AFTER
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_engine_that_does_not_turn_or_cannot_write_its_journal_has_no_heartbeat() {
        let now = Instant::now() + 2 * STALLED_AFTER;
        let look = |age: Duration, is_at_work| Look {
            at: now - age,
            is_at_work,
            concerns: Default::default(),
            open: Default::default(),
        };

        assert!(is_beating(&look(Duration::from_secs(20), true), now));
        assert!(!is_beating(&look(Duration::from_secs(20), false), now));
        assert!(!is_beating(&look(STALLED_AFTER + Duration::from_secs(1), true), now));
    }
}
