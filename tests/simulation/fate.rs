//! Fate: every call through a seam is an effect with a number, and the plan says what goes wrong at which. Nothing in a
//! simulated run takes chance or time from anywhere else. Start with [`Life`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluse::domain::moment::Moment;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::fault::{Dice, Fault, Kind, Lateness, Plan, When};
use super::told::told;

/// Midnight in Copenhagen, long before any payment date of the tests.
const BEGINNING_MICROS: i64 = 1_893_452_400_000_000;

/// Lets simulated time pass: nobody waits for it.
pub async fn pass(time: Duration) {
    tokio::time::sleep_until(Instant::now() + time).await;
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    pub power_lost: bool,
    /// What becomes of the requests that its sessions had sent.
    pub lateness: Lateness,
}

/// The process is dead; whoever still asks is a ghost, and nothing of what it asks is done.
#[derive(Debug)]
pub struct Dead;

/// Why a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Dead,
    Planned,
    /// It was done all the same.
    PlannedThoughDone,
    Full,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Failure::Dead => "the process is dead",
            Failure::Planned => "as planned",
            Failure::PlannedThoughDone => "as planned, though it was done",
            Failure::Full => "there is no room",
        })
    }
}

struct Course {
    plan: Plan,
    dice: Dice,
    begun: Instant,
    effects: Vec<Kind>,
    /// What went wrong so far, for the one who reads of a failed run.
    faults: Vec<String>,
    told: Vec<String>,
    generation: u32,
    death: Option<Death>,
    disk_is_full_until: Instant,
    store_is_full_until: Instant,
    last_trouble: Instant,
}

/// What a whole run has in common.
#[derive(Clone)]
pub struct Fates {
    course: Arc<Mutex<Course>>,
    died: Arc<Notify>,
}

/// One process's share in it: calls of an earlier process come to nothing.
#[derive(Clone)]
pub struct Life {
    fates: Fates,
    generation: u32,
}

impl Fates {
    pub fn new(plan: Plan, seed: u64) -> Fates {
        let now = Instant::now();
        let course = Course {
            plan,
            dice: Dice(seed),
            begun: now,
            disk_is_full_until: now,
            store_is_full_until: now,
            last_trouble: now,
            effects: Vec::new(),
            faults: Vec::new(),
            told: Vec::new(),
            generation: 0,
            death: None,
        };
        Fates { course: Arc::new(Mutex::new(course)), died: Arc::new(Notify::new()) }
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new process.
    pub fn be_born(&self) -> Life {
        let mut course = self.course();
        course.generation += 1;
        course.death = None;
        Life { fates: self.clone(), generation: course.generation }
    }

    /// Waits until the living process dies.
    pub async fn death(&self) {
        self.died.notified().await;
    }

    /// How the last process died; None: it lives, or ended by itself.
    pub fn how_it_died(&self) -> Option<Death> {
        self.course().death
    }

    /// Ends what is left of the process: nothing of it has any effect any more.
    pub fn bury(&self) {
        self.course().generation += 1;
    }

    pub fn now(&self) -> Moment {
        let begun = self.course().begun;
        Moment::from_micros(BEGINNING_MICROS).plus(begun.elapsed())
    }

    pub fn roll(&self) -> u64 {
        self.course().dice.roll()
    }

    pub fn below(&self, end: u64) -> u64 {
        self.course().dice.below(end)
    }

    pub fn seconds(&self, end: u64) -> Duration {
        Duration::from_millis(1 + self.below(end * 1000))
    }

    /// Something happened from which the house has to come to rest again.
    pub fn note_trouble(&self) {
        self.course().last_trouble = Instant::now();
    }

    pub fn since_last_trouble(&self) -> Duration {
        self.course().last_trouble.elapsed()
    }

    /// Whether something finds no room now.
    pub fn is_full(&self) -> bool {
        let course = self.course();
        course.disk_is_full_until.max(course.store_is_full_until) > Instant::now()
    }

    /// Somebody else did something wrong.
    pub fn note_fault(&self, told: &str, about: &str) {
        let mut course = self.course();
        course.faults.push(format!("{told} ({about})"));
        course.told.push(told.to_owned());
        drop(course);
        self.note_trouble();
    }

    /// What kinds of effects there were, in order.
    pub fn effects(&self) -> Vec<Kind> {
        self.course().effects.clone()
    }

    /// The faults with the effects that they befell, and as a person says them.
    pub fn faults(&self) -> (Vec<String>, Vec<String>) {
        let course = self.course();
        (course.faults.clone(), course.told.clone())
    }
}

impl Life {
    pub fn fates(&self) -> &Fates {
        &self.fates
    }

    pub fn is_over(&self) -> bool {
        let course = self.fates.course();
        course.generation != self.generation || course.death.is_some()
    }

    /// The next effect. What befalls it has to be carried out by the one who asks, but for a death before it.
    pub fn next(&self, kind: Kind, what: impl FnOnce() -> String) -> Result<Option<Fault>, Dead> {
        if self.is_over() {
            return Err(Dead);
        }
        let mut course = self.fates.course();
        let number = course.effects.len() as u64;
        course.effects.push(kind);
        let Course { plan, dice, .. } = &mut *course;
        let fault = match plan {
            Plan::At(faults) => faults.get(&number).copied(),
            Plan::Random { faults, one_in } => {
                let is_hit = *faults > 0 && dice.below(*one_in) == 0;
                *faults -= u32::from(is_hit);
                is_hit.then(|| dice.fault())
            }
        };
        let fault = fault.map(|fault| fault.fitted(kind));
        course.told.extend(fault.map(|fault| told(fault, kind)));
        course.faults.extend(fault.map(|fault| format!("{number} {}: {fault:?}", what())));
        let now = Instant::now();
        if fault.is_some() {
            course.last_trouble = now;
        }
        match (fault, kind) {
            (Some(Fault::Full(seconds)), Kind::Store) => {
                course.store_is_full_until = now + Duration::from_secs(seconds);
            }
            (Some(Fault::Full(seconds)), _) => course.disk_is_full_until = now + Duration::from_secs(seconds),
            _ => {}
        }
        drop(course);
        match fault {
            Some(fault) if fault.death().is_some_and(|(_, when)| when == When::Before) => {
                self.die(fault);
                Err(Dead)
            }
            fault => Ok(fault),
        }
    }

    /// Dies of this fault, if it is deadly.
    pub fn die(&self, fault: Fault) {
        let Some((power_lost, when)) = fault.death() else { return };
        let lateness = if let When::Late(lateness) = when { lateness } else { Lateness::Never };
        self.fates.course().death = Some(Death { power_lost, lateness });
        self.fates.died.notify_one();
    }

    /// Whether calls of this kind find no room now.
    pub fn is_full(&self, kind: Kind) -> bool {
        let course = self.fates.course();
        match kind {
            Kind::DiskRoom => course.disk_is_full_until > Instant::now(),
            Kind::Store => course.store_is_full_until > Instant::now(),
            Kind::DiskRead | Kind::DiskWrite | Kind::Connect | Kind::FarRead | Kind::FarWrite => false,
        }
    }

    /// A call that cannot be late, with whatever befalls it. `work` is told whether what it does is synced.
    pub fn call<T, E>(
        &self,
        kind: Kind,
        what: impl FnOnce() -> String,
        fails: impl Fn(Failure) -> E,
        work: impl FnOnce(bool) -> Result<T, E>,
    ) -> Result<T, E> {
        let fault = self.next(kind, what).map_err(|Dead| fails(Failure::Dead))?;
        match fault {
            _ if self.is_full(kind) => Err(fails(Failure::Full)),
            None => work(true),
            Some(Fault::AnswerLost) => work(false).and_then(|_| Err(fails(Failure::PlannedThoughDone))),
            Some(Fault::Fails | Fault::Refused | Fault::Late(_) | Fault::Full(_)) => Err(fails(Failure::Planned)),
            Some(deadly @ (Fault::Killed(when) | Fault::PowerLost(when))) => {
                // What it came to nobody hears.
                let _ = work(when != When::Amid);
                self.die(deadly);
                Err(fails(Failure::Dead))
            }
        }
    }
}
