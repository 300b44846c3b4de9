//! Which duties are begun, and what becomes of them: intents recorded first, setbacks rested after.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::{debug, error, warn};

use super::halts::no_room;
use super::{Done, House, Key, Rest};
use crate::domain::exchange::fact::Arrival;
use crate::domain::exchange::hold::HoldReason;
use crate::domain::exchange::{Duty, Exchange, Fact, State};
use crate::domain::identity::FileId;
use crate::domain::patience::backoff;
use crate::engine::carry_out::hand_over::is_staged;
use crate::engine::carry_out::{CarriedOut, Known, Setback, carry_out};
use crate::engine::link::Link;
use crate::engine::places::short_id;
use crate::outbox::claim::what_changed;
use crate::pipeline::RegisterState;
use crate::store::StoreTrouble;
use crate::transport::Connect;

/// Duties at work at once: enough that the far side's answers are waited for together, and half of the files that a
/// process may open. A frozen server holds its own duties until their deadline, so this is far more than there are
/// municipalities.
const DUTIES_MAX: usize = 512;

/// So often a trigger is intended before a person is asked.
const ATTEMPTS_MAX: u32 = 10;

/// So many setbacks in a row without a step forward are an alarm: a person should look.
pub(super) const SETBACKS_TILL_ALARM: u32 = 8;

/// What speaks against beginning a duty now.
enum Hindrance<C: Connect> {
    Later,
    /// There must be a session first.
    Connect(Arc<Link<C>>),
    /// Something is true that changes the duty.
    Fact(Fact),
    /// What it depends on cannot be looked at.
    Setback(Setback),
}

impl<C: Connect> House<C> {
    /// Begins what can be begun. Intents are on disk before anything that depends on them happens.
    pub(super) async fn start_duties(&mut self) -> Result<(), StoreTrouble> {
        let mut to_start = Vec::new();
        for (id, duty) in self.ready() {
            let Some(exchange) = self.book.get(id) else { continue };
            match self.hindrance(exchange, &duty) {
                Some(Hindrance::Later) => continue,
                Some(Hindrance::Connect(link)) => {
                    self.connect(link);
                    continue;
                }
                Some(Hindrance::Fact(fact)) => {
                    self.pending.push((id, fact));
                    continue;
                }
                Some(Hindrance::Setback(setback)) => {
                    self.note_duty(id, setback.into());
                    continue;
                }
                None => {}
            }
            if let Duty::Compare { .. } = duty {
                self.comparing.insert(exchange.route.clone(), id);
            }
            let intent = exchange.intent(&duty);
            self.pending.extend(intent.clone().map(|intent| (id, intent)));
            to_start.push((id, duty, intent.is_some()));
        }
        self.record_pending().await?;
        if self.standstill.is_some() {
            return Ok(());
        }
        for (id, duty, is_intended) in to_start {
            self.begin(id, duty, is_intended);
        }
        Ok(())
    }

    /// The duties that nobody is at work on and that do not rest, as many as may be at work.
    fn ready(&self) -> Vec<(FileId, Duty)> {
        let at_work = self.busy.iter().filter(|key| matches!(key, Key::Duty(_))).count();
        let now = Instant::now();
        let rests = |id| self.rests.get(id).is_some_and(|rest| rest.until > now);
        // Held ones have a duty only where a person wants to look anew.
        let anew = self.look_anew.iter().filter_map(|id| self.book.get(*id));
        let anew = anew.filter(|e| e.duty().is_none() && self.book.broken(e.id).is_none());
        let due = self.book.due().chain(anew);
        let free = due.filter(|e| !self.busy.contains(&Key::Duty(e.id)) && !rests(&e.id));
        let due = free.filter_map(|exchange| self.duty_of(exchange).map(|duty| (exchange.id, duty)));
        due.take(DUTIES_MAX.saturating_sub(at_work)).collect()
    }

    /// Why this duty is not begun now, if anything speaks against it.
    fn hindrance(&self, exchange: &Exchange, duty: &Duty) -> Option<Hindrance<C>> {
        let Some(kind) = self.site.kinds.get(&exchange.route.exchange) else {
            // Taken out of the settings: nothing is intended, and carrying out anything else says so.
            return exchange.intent(duty).map(|_| Hindrance::Later);
        };
        match duty {
            // One reply of a route after the other, so that each is compared with what the last one left.
            Duty::Compare { .. } if self.comparing.contains_key(&exchange.route) => Some(Hindrance::Later),
            Duty::Compare { arrival, approved: None } if self.is_behind_another(exchange.id, arrival) => {
                Some(Hindrance::Later)
            }
            Duty::StageTrigger => {
                let attempts = self.too_many_attempts(exchange)?;
                Some(Hindrance::Fact(Fact::QueryHeld { reasons: vec![HoldReason::ManyAttempts { attempts }] }))
            }
            Duty::HandOver { names } if matches!(exchange.state, State::HandOverStaged { .. }) => {
                let inbox = kind.inbox(exchange.route.municipality);
                let is_staged = is_staged(self.site.disk.as_ref(), &inbox, names);
                (!is_staged).then_some(Hindrance::Fact(Fact::HandOverLost))
            }
            // Without a link the intent would only make a doubt.
            Duty::Submit { .. } if !kind.link.is_up() => Some(Hindrance::Connect(kind.link.clone())),
            Duty::Submit { check_original, .. } => {
                let changed = if *check_original { self.original_changed(exchange) } else { Ok(None) };
                let changed = match changed {
                    Ok(changed) => changed.map(|what| HoldReason::OriginalChanged { what }),
                    Err(setback) => return Some(Hindrance::Setback(setback)),
                };
                let reasons: Vec<_> = changed.into_iter().chain(self.book.rivals_of(exchange)).collect();
                (!reasons.is_empty()).then_some(Hindrance::Fact(Fact::QueryHeld { reasons }))
            }
            _ => None,
        }
    }

    /// Whether a reply of the same route and with a lower name, which has date and number in it, is about to come in or
    /// to be compared. One that does not get on holds up nobody.
    fn is_behind_another(&self, id: FileId, arrival: &Arrival) -> bool {
        let is_before = |other: &Exchange| {
            other.id != id
                && other.route == arrival.route
                && !self.rests.contains_key(&other.id)
                && matches!(other.duty(), Some(Duty::Compare { arrival: of, approved: None }) if of.name < arrival.name)
        };
        self.is_on_its_way(&arrival.route, |name| *name < arrival.name) || self.book.due().any(is_before)
    }

    fn connect(&mut self, link: Arc<Link<C>>) {
        let key = Key::Connect(link.endpoint.clone());
        if !self.busy.contains(&key) {
            let endpoint = link.endpoint.clone();
            self.spawn(key, async move {
                // Whether it succeeded is seen by whoever asks for the link next.
                let _ = link.lease().await;
                Done::Connected { endpoint }
            });
        }
    }

    fn begin(&mut self, id: FileId, duty: Duty, is_intended: bool) {
        let Some(exchange) = self.book.get(id).cloned() else { return };
        let has_intent = matches!(exchange.state, State::Submitting { .. } | State::HandingOver { .. });
        if is_intended && !has_intent {
            // The intent was not recorded, so what it is for must not happen.
            return;
        }
        let mark = self.book.register(&exchange.route);
        let known = Known {
            register: RegisterState {
                head: mark.map_or(0, |mark| mark.head),
                delivery: mark.and_then(|mark| mark.delivery),
            },
            applied: self.book.applied(id),
            only_look: self.look_anew.remove(&id),
            is_smooth: !self.rests.contains_key(&id),
        };
        let site = self.site.clone();
        self.spawn(Key::Duty(id), async move { Done::Duty { id, out: carry_out(site, exchange, duty, known).await } });
    }

    pub(super) fn duty_of(&self, exchange: &Exchange) -> Option<Duty> {
        match &exchange.state {
            State::ReplyHeld { arrival, .. } if self.look_anew.contains(&exchange.id) => {
                Some(Duty::Compare { arrival: arrival.clone(), approved: None })
            }
            _ => exchange.duty(),
        }
    }

    /// A trigger that is tried again and again and never made is somebody's business.
    fn too_many_attempts(&self, exchange: &Exchange) -> Option<u32> {
        let waived = exchange.waived.iter().filter_map(|waived| match waived {
            HoldReason::ManyAttempts { attempts } => Some(*attempts),
            _ => None,
        });
        let since = exchange.attempts - waived.max().unwrap_or(0).min(exchange.attempts);
        (since >= ATTEMPTS_MAX).then_some(exchange.attempts)
    }

    /// What changed about the claimed original since it was copied, if anything.
    fn original_changed(&self, exchange: &Exchange) -> Result<Option<String>, Setback> {
        let Some(query) = exchange.query() else { return Ok(None) };
        for spool in self.site.spools() {
            let changed = what_changed(self.site.disk.as_ref(), &spool.join(&query.spool_name), &query.original);
            if let Some(what) = changed.map_err(|e| Setback::Disk(e).at(&spool))? {
                return Ok(Some(what));
            }
        }
        Ok(None)
    }

    pub(super) fn note_duty(&mut self, id: FileId, out: CarriedOut) {
        self.comparing.retain(|_, comparing| *comparing != id);
        if let Some(entry) = &out.recorded {
            self.take_in(entry);
        }
        if let Some(Setback::Store(StoreTrouble::Moved { expected, found })) = out.setback {
            // An entry of ours was committed though its answer was lost; only a new start reads it.
            self.outrun = Some(StoreTrouble::Moved { expected, found });
            return;
        }
        let said = match (&out.setback, out.facts.iter().find_map(step_back)) {
            (Some(setback), _) => setback.to_string(),
            (None, Some(step_back)) => step_back,
            (None, None) => {
                self.pending.extend(out.facts.into_iter().map(|fact| (id, fact)));
                // On the way out a step may be undone by the next one; only past that it is progress.
                if self.book.get(id).is_some_and(|exchange| exchange.submitted_at.is_some()) {
                    self.rests.remove(&id);
                } else if let Some(rest) = self.rests.get_mut(&id) {
                    rest.said.clear();
                    rest.no_room = None;
                }
                return;
            }
        };
        self.pending.extend(out.facts.into_iter().map(|fact| (id, fact)));
        let Some(exchange) = self.book.get(id) else { return };
        let at_first = || Rest { setbacks: 0, until: Instant::now(), said: String::new(), no_room: None };
        let rest = self.rests.entry(id).or_insert_with(at_first);
        let now = self.site.surroundings.now();
        rest.no_room = out.setback.as_ref().and_then(|setback| no_room(rest.no_room, setback, now));
        let is_told_by_link = out.setback.as_ref().is_some_and(Setback::is_told_by_link);
        // A far side that is away is one trouble, not each exchange's.
        rest.setbacks = rest.setbacks.saturating_add(u32::from(!is_told_by_link)).max(1);
        rest.until = Instant::now() + backoff(rest.setbacks, self.site.surroundings.share());
        let (municipality, state) = (exchange.route.municipality, exchange.state.name());
        if is_told_by_link {
            debug!(exchange = %short_id(id), %municipality, state, trouble = %said, "waits for the far side");
        } else if rest.setbacks == SETBACKS_TILL_ALARM {
            error!(exchange = %short_id(id), %municipality, state, trouble = %said, "no step forward, a person should look");
        } else if rest.said != said {
            warn!(exchange = %short_id(id), %municipality, state, trouble = %said, "step not done yet, trying again");
        }
        rest.said = said;
    }
}

/// What a fact says of a step that has to be done again, if it does.
fn step_back(fact: &Fact) -> Option<String> {
    match fact {
        Fact::DataGone => Some("the data was no longer there".to_owned()),
        Fact::TriggerNotMade { evidence } => Some(format!("the trigger was not made: {evidence}")),
        Fact::HandOverLost => Some("what was staged in the inbox is gone".to_owned()),
        _ => None,
    }
}
