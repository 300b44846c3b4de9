//! Who is told: a command, a webhook, a heartbeat. Each has a task of its own beside the loop, so a receiver that fails or
//! hangs holds up nothing and no other receiver. What each was told is decided in [`roster`] and kept in a small file of its
//! own in the state folder, not in the journal: an alarm must get out when the store cannot be written, and a repeated
//! notice is no fact of an exchange. Whom they tell may change meanwhile; what is just being told comes to its end first.
//! Start with [`Bell`] and [`start`].

mod heartbeat;
pub mod notice;
mod refusal;
pub mod roster;
pub mod send;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::concern::{Concern, ConcernKind, Severity};
use super::places::Places;
use super::site::Surroundings;
use crate::config::AlarmSettings;
use crate::domain::moment::Moment;
use crate::durable::{Disk, read_bounded};
use notice::Notice;
use roster::{Roster, Rules};
use send::{Receiver, host_name, receivers};

/// An engine that has not looked for so long does not turn any more; the longest step of the loop is far shorter.
pub const STALLED_AFTER: Duration = Duration::from_secs(120);

/// The names of whom the settings may have told.
pub const COMMAND: &str = "command";
pub const WEBHOOK: &str = "webhook";
pub const HEARTBEAT: &str = "heartbeat";

/// Between two looks at what is due: repetitions, all-clears, a stalled engine.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A receiver that failed is tried again after this, then after twice as long each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// And no later than this after it is whole again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What is longer is no file of ours.
const TOLD_BYTES_MAX: u64 = 16 << 20;

/// What the engine found at one look.
#[derive(Clone, Debug)]
pub struct Look {
    pub at: Instant,
    /// Whether it does what it is for: it can write its journal.
    pub is_at_work: bool,
    pub concerns: Arc<[Concern]>,
    /// Ids of concerns of which it cannot know yet whether they are over.
    pub open: BTreeSet<String>,
}

/// By which the engine says what it found; whoever listens gets the last word only. Without a listener it is silent.
pub struct Bell {
    looks: watch::Sender<Look>,
    silent: Silent,
}

impl Default for Bell {
    fn default() -> Bell {
        let first = Look { at: Instant::now(), is_at_work: false, concerns: Arc::default(), open: BTreeSet::new() };
        Bell { looks: watch::Sender::new(first), silent: Silent::default() }
    }
}

impl Bell {
    pub fn ring(&self, look: Look) {
        self.looks.send_replace(look);
    }

    /// What it says from now on.
    pub fn listen(&self) -> watch::Receiver<Look> {
        self.looks.subscribe()
    }

    /// Receivers that are not reached, and why.
    pub fn silent(&self) -> Vec<(String, String)> {
        let silent = self.silent.0.lock().unwrap_or_else(PoisonError::into_inner);
        silent.iter().map(|(receiver, why)| ((*receiver).to_owned(), why.clone())).collect()
    }
}

/// Why receivers are not reached just now.
#[derive(Clone, Default)]
struct Silent(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Silent {
    /// Keeps it, and says so in the log where it is news.
    fn note(&self, receiver: &'static str, sent: &Result<(), String>) {
        let mut silent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match sent {
            Ok(()) if silent.remove(receiver).is_some() => info!(receiver, "receiver is reached again"),
            Ok(()) => {}
            Err(why) => {
                if silent.insert(receiver, why.clone()).as_ref() != Some(why) {
                    warn!(receiver, %why, "receiver of alarms or heartbeat is not reached, tried again and again");
                }
            }
        }
    }

    /// It is another one, or none, from now on.
    fn forget(&self, receiver: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(receiver);
    }
}

/// Begins to tell whoever the settings name, now and whenever they change. The tasks end when `stop` is cancelled.
pub fn start(
    settings: &watch::Receiver<AlarmSettings>,
    places: &Places,
    disk: &Arc<dyn Disk>,
    surroundings: &Surroundings,
    bell: &Bell,
    stop: &CancellationToken,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for name in [COMMAND, WEBHOOK] {
        let teller = Teller {
            name,
            path: places.told(name),
            disk: disk.clone(),
            surroundings: surroundings.clone(),
            silent: bell.silent.clone(),
            host: host_name(),
        };
        tasks.spawn(teller.work(bell.listen(), settings.clone(), stop.clone()));
    }
    tasks.spawn(heartbeat::beat(bell.listen(), settings.clone(), bell.silent.clone(), stop.clone()));
    tasks
}

/// Waits until the settings are others than those that were seen last.
async fn change_of(settings: &mut watch::Receiver<AlarmSettings>) {
    if settings.changed().await.is_err() {
        // Nobody is left who could change them.
        std::future::pending::<()>().await;
    }
}

/// What one receiver was told, as its file says. One that cannot be read is none: everything is told again.
pub fn read_told(disk: &dyn Disk, path: &std::path::Path, target: &str) -> Roster {
    match read_bounded(disk, path, TOLD_BYTES_MAX) {
        Ok(bytes) => Roster::read(&bytes, target).unwrap_or_else(|why| {
            warn!(path = %path.display(), %why, "what was told cannot be read, everything is told again");
            Roster::new(target)
        }),
        Err(e) => {
            if e.kind() != std::io::ErrorKind::NotFound {
                warn!(path = %path.display(), why = %e, "what was told cannot be read, everything is told again");
            }
            Roster::new(target)
        }
    }
}

/// The one who tells the receiver of this name, whichever it is.
struct Teller {
    name: &'static str,
    path: PathBuf,
    disk: Arc<dyn Disk>,
    surroundings: Surroundings,
    silent: Silent,
    host: String,
}

impl Teller {
    async fn work(
        self,
        mut looks: watch::Receiver<Look>,
        mut settings: watch::Receiver<AlarmSettings>,
        stop: CancellationToken,
    ) {
        let mut known: Option<(Receiver, Roster)> = None;
        while !stop.is_cancelled() {
            let now = settings.borrow_and_update().clone();
            let receiver = receivers(&now).into_iter().find(|receiver| receiver.name() == self.name);
            let (former, roster) = known.take().unzip();
            if former != receiver {
                self.silent.forget(self.name);
            }
            let Some(receiver) = receiver else {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = change_of(&mut settings) => {}
                }
                continue;
            };
            let mut roster = match roster.filter(|_| former.as_ref() == Some(&receiver)) {
                Some(roster) => roster,
                None => match self.read(&receiver).await {
                    Some(roster) => roster,
                    None => return,
                },
            };
            let rules = Rules { least: now.least, repeat: now.repeat, over_after: now.over_after };
            self.tell(&receiver, &rules, &mut roster, &mut looks, &mut settings, &stop).await;
            known = Some((receiver, roster));
        }
    }

    /// None: the daemon is stopping.
    async fn read(&self, receiver: &Receiver) -> Option<Roster> {
        let (disk, path, target) = (self.disk.clone(), self.path.clone(), receiver.mark());
        tokio::task::spawn_blocking(move || read_told(disk.as_ref(), &path, &target)).await.ok()
    }

    /// Tells this one whatever is due, until the settings change.
    async fn tell(
        &self,
        receiver: &Receiver,
        rules: &Rules,
        roster: &mut Roster,
        looks: &mut watch::Receiver<Look>,
        settings: &mut watch::Receiver<AlarmSettings>,
        stop: &CancellationToken,
    ) {
        let (mut failures, mut not_before) = (0_u32, Instant::now());
        while !settings.has_changed().unwrap_or(false) {
            let look = looks.borrow_and_update().clone();
            let (now, steady) = (self.surroundings.now(), Instant::now());
            let concerns = self.concerns(&look, now, steady);
            let due = roster.next(rules, &concerns, &look.open, now, steady);
            if let Some((event, told)) = due.filter(|_| not_before <= steady) {
                let notice = Notice { event, at: now, host: self.host.clone(), concerns: told };
                let sent = tokio::select! {
                    () = stop.cancelled() => break,
                    sent = receiver.send(&notice) => sent,
                };
                self.silent.note(self.name, &sent);
                match sent {
                    Ok(()) => {
                        failures = 0;
                        info!(receiver = self.name, event = event.name(), count = notice.concerns.len(), "told");
                        roster.note(&notice);
                        self.keep(roster).await;
                    }
                    Err(_) => {
                        not_before = Instant::now() + FIRST_WAIT.saturating_mul(1 << failures.min(6)).min(LONGEST_WAIT);
                        failures = failures.saturating_add(1);
                    }
                }
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = change_of(settings) => break,
                // Whoever looks has ended; so does this, when it is told to.
                changed = looks.changed() => if changed.is_err() { stop.cancelled().await },
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// What is so now, with what the engine cannot say itself, and without what this receiver cannot be told.
    fn concerns(&self, look: &Look, now: Moment, steady: Instant) -> Vec<Concern> {
        let own = format!("{}:{}", ConcernKind::Receiver.name(), self.name);
        let mut concerns: Vec<Concern> = look.concerns.iter().filter(|concern| concern.id != own).cloned().collect();
        let silent_for = steady - look.at;
        if silent_for > STALLED_AFTER {
            let since = Moment::from_micros(now.as_micros().saturating_sub(silent_for.as_micros() as i64));
            concerns.push(Concern {
                what: format!("the engine has not turned since {}, nothing happens", since.minute()),
                advice: "look into the log; if nothing moves, start the service anew: everything can be resumed"
                    .to_owned(),
                ..Concern::new(ConcernKind::Stalled, "", Severity::Alarm, since)
            });
        }
        concerns
    }

    /// What cannot be kept, as on a full disk, is told again after the next start.
    async fn keep(&self, roster: &Roster) {
        let (disk, path, bytes) = (self.disk.clone(), self.path.clone(), roster.to_bytes());
        let kept = tokio::task::spawn_blocking(move || disk.replace(&path, &bytes)).await;
        if let Ok(Err(e)) = kept {
            warn!(path = %self.path.display(), why = %e, "what was told cannot be kept, after a new start it is told again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::RealDisk;

    fn teller() -> Teller {
        Teller {
            name: COMMAND,
            path: PathBuf::from("/nowhere/told-command.json"),
            disk: Arc::new(RealDisk),
            surroundings: Surroundings::new(|| Moment::from_micros(0), || 7),
            silent: Silent::default(),
            host: "srv1".to_owned(),
        }
    }

    #[test]
    fn an_engine_that_does_not_turn_any_more_is_an_alarm_and_what_it_said_last_stays() {
        let held = Concern::new(ConcernKind::Held, "3f0f", Severity::Alarm, Moment::from_micros(0));
        let (began, now) = (Instant::now(), "2026-12-01T08:02:01Z".parse().unwrap());
        let look = Look { at: began, is_at_work: true, concerns: vec![held].into(), open: BTreeSet::new() };

        let ids = |steady: Instant| -> Vec<String> {
            teller().concerns(&look, now, steady).into_iter().map(|concern| concern.id).collect()
        };

        assert_eq!(ids(began + STALLED_AFTER), ["held:3f0f"]);
        assert_eq!(ids(began + STALLED_AFTER + Duration::from_secs(1)), ["held:3f0f", "stalled"]);
    }

    #[test]
    fn a_receiver_is_not_told_that_it_is_not_reached() {
        let of = |receiver| Concern::new(ConcernKind::Receiver, receiver, Severity::Alarm, Moment::from_micros(0));
        let concerns = vec![of("command"), of("webhook")].into();
        let look = Look { at: Instant::now(), is_at_work: true, concerns, open: BTreeSet::new() };

        let told = teller().concerns(&look, Moment::from_micros(0), Instant::now());

        assert_eq!(told.iter().map(|concern| concern.id.as_str()).collect::<Vec<_>>(), ["receiver:webhook"]);
    }

    #[test]
    fn what_was_told_outlives_the_process_and_a_damaged_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("told-command.json");
        let concern = Concern::new(ConcernKind::Held, "3f0f", Severity::Alarm, Moment::from_micros(0));
        let notice = Notice {
            event: notice::Event::Alarm,
            at: Moment::from_micros(0),
            host: String::new(),
            concerns: vec![concern.clone()],
        };
        let due = |roster: &mut Roster| {
            let rules = Rules { least: Severity::Warning, repeat: None, over_after: Duration::from_secs(60) };
            roster
                .next(&rules, std::slice::from_ref(&concern), &BTreeSet::new(), Moment::from_micros(0), Instant::now())
                .is_some()
        };
        let mut roster = read_told(&RealDisk, &path, "x");
        assert!(due(&mut roster));
        roster.note(&notice);
        RealDisk.replace(&path, &roster.to_bytes()).unwrap();

        assert!(!due(&mut read_told(&RealDisk, &path, "x")));
        std::fs::write(&path, "{\"version\":1,").unwrap();
        assert!(due(&mut read_told(&RealDisk, &path, "x")));
    }
}
