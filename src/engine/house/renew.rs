//! Going over to new settings while everything goes on: what is at work comes to its end by the former ones, what is begun
//! from now on goes by the new ones. All or nothing: what an exchange under way still needs may not be taken from it.

use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::turns::Turns;
use super::{House, Outboxes, Poll};
use crate::config::EndpointSettings;
use crate::domain::exchange::{Exchange, State};
use crate::engine::arrivals::Passed;
use crate::engine::attendant::{Glance, Look};
use crate::engine::places::short_id;
use crate::engine::site::Site;
use crate::transport::Connect;

/// What the new settings become, ready to work.
pub struct Renewed<C: Connect> {
    pub site: Arc<Site<C>>,
    pub outboxes: Outboxes<C>,
}

/// New settings for the loop, and where it says whether it has gone over to them, or why not.
pub struct Renewal<C: Connect> {
    pub renewed: Renewed<C>,
    pub answer: oneshot::Sender<Result<(), String>>,
}

impl<C: Connect> House<C> {
    /// Shows at each turn, to whoever looks, that it turns, and goes over to new settings where they come.
    pub fn attended(self, looks: mpsc::Receiver<Look>, renewals: mpsc::Receiver<Renewal<C>>) -> House<C> {
        House { looks, renewals, ..self }
    }

    pub(super) fn take_renewal(&mut self, renewal: Renewal<C>) {
        let Renewal { renewed, answer } = renewal;
        let said = match self.speaks_against(&renewed.site) {
            Some(why) => Err(why),
            None => {
                self.go_over_to(renewed);
                Ok(())
            }
        };
        // Nobody waits any more when the daemon stops.
        let _ = answer.send(said);
    }

    /// Why the new settings cannot be used while this goes on, if anything goes on that forbids it.
    fn speaks_against(&self, new: &Site<C>) -> Option<String> {
        self.book.open().find_map(|exchange| {
            let id = short_id(exchange.id);
            let (route, state) = (&exchange.route, exchange.state_name());
            let Some(kind) = new.kinds.get(&route.exchange) else {
                return Some(format!(
                    "exchange {id} of {} is {state}, and they have no [exchange.{}] for it; wait until it is at its end",
                    route.municipality, route.exchange
                ));
            };
            if !kind.settings.municipalities.contains(&route.municipality) {
                return Some(format!(
                    "exchange {id} of {} is {state}, and [exchange.{}] no longer names that municipality; wait until it is at \
                     its end",
                    route.municipality, route.exchange
                ));
            }
            let former = self.site.kinds.get(&route.exchange)?;
            (may_be_submitted_unseen(exchange) && !is_one_place(&former.endpoint, &kind.endpoint)).then(|| {
                format!(
                    "exchange {id} of {} is {state}, and only the server of [endpoint.{}] as it was can say whether its \
                     trigger was made; wait until that is settled, or settle it yourself (`sluse settle {id}`)",
                    route.municipality, former.settings.endpoint
                )
            })
        })
    }

    fn go_over_to(&mut self, renewed: Renewed<C>) {
        let Renewed { site, outboxes } = renewed;
        let now = Instant::now();
        self.site = site;
        self.outboxes = Arc::new(Mutex::new(outboxes));
        self.renewed = now;
        // Everything that was found out by the former settings is found out again.
        let mut former = std::mem::take(&mut self.polls);
        self.polls =
            self.site.endpoints.keys().map(|name| (name.clone(), former.remove(name).unwrap_or_default())).collect();
        for poll in self.polls.values_mut() {
            *poll = Poll { line: poll.line.take(), ..Poll::default() };
        }
        self.passed = Passed::default();
        self.fetch_troubles.retain(|(endpoint, _), _| self.site.endpoints.contains_key(endpoint));
        self.to_take = Turns::default();
        self.stuck.retain(|_, stuck| stuck.spooled.is_some());
        // One that stood in line stands there no longer.
        let waiting = self.stuck.keys().filter(|path| !self.takes.contains(path));
        self.stuck_again_at = waiting.map(|path| (now, path.clone())).collect();
        self.in_outbox.retain(|exchange, _| self.site.kinds.contains_key(exchange));
        self.unreadable.clear();
        (self.next_scan, self.scan_rests_until, self.next_look_at_spools) = (now, now, now);
        // What could not be done may be possible now.
        self.rests.clear();
        self.tended.plan_anew();
        self.lookout.next = now;
    }

    /// The house at one glance.
    pub(super) fn glance(&self) -> Glance {
        let settings = self.site.office.settings.exchanges.values();
        let waits = |exchange: &&Exchange| exchange.held().is_some() || matches!(exchange.state, State::InDoubt { .. });
        let open = self.book.open().count();
        let held = self.book.open().filter(waits).count();
        let broken = self.book.all_broken().count();
        let far = self.site.endpoints.iter().filter(|(_, (_, link))| link.trouble().is_some());
        let far = far.map(|(name, _)| format!("far side `{name}` not reachable"));
        Glance {
            municipalities: settings.map(|exchange| exchange.municipalities.len()).sum(),
            under_way: open - held,
            waiting_for_person: held + broken,
            troubles: self.halts().into_iter().map(|halt| halt.what).chain(far).collect(),
        }
    }
}

/// Whether its trigger may have been made where nobody has seen it yet.
fn may_be_submitted_unseen(exchange: &Exchange) -> bool {
    matches!(exchange.state, State::Submitting { .. } | State::InDoubt { .. })
}

/// Whether files of the one are files of the other.
fn is_one_place(one: &EndpointSettings, other: &EndpointSettings) -> bool {
    let place = |of: &EndpointSettings| {
        (of.host.to_ascii_lowercase(), of.port, of.user.clone(), of.out.clone(), of.r#in.clone())
    };
    place(one) == place(other)
}
