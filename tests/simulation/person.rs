//! A careful person: now and then looks at what waits for one, asks the hub what is true, thinks about it, and decides, by
//! the same requests as a command makes; calls UDK about a reply that does not come. What was said is written down for
//! the judge. Start with [`Person`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluse::domain::identity::FileId;
use sluse::domain::municipality::MunicipalityCode;
use sluse::engine::control::{Answer, Request};
use sluse::engine::decide::{Ask, Verdict};
use sluse::engine::house::Command;
use sluse::engine::snapshot::{Choice, HeldItem};
use tokio::sync::{mpsc, oneshot};

use super::far::Server;
use super::fate::{Fates, pass};
use super::hub::Hub;
use super::plant::Plant;

/// From one look to the next, seconds.
const LOOKS_EVERY_SECONDS: u64 = 90;

/// Between the look and the decision, seconds.
const THINKS_SECONDS: u64 = 40;

/// What has waited for the other side for so long is asked for.
const PATIENT_FOR: Duration = Duration::from_secs(120);

/// The way to the living process.
#[derive(Clone, Default)]
pub struct Door(Arc<Mutex<Option<mpsc::Sender<Command>>>>);

impl Door {
    /// Opens the way to a new process.
    pub fn open(&self) -> mpsc::Receiver<Command> {
        let (commands, requests) = mpsc::channel(1);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(commands);
        requests
    }

    /// None: nobody answers, or the process died over it.
    pub async fn ask(&self, request: Request) -> Option<Answer> {
        let commands = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let (answer, heard) = oneshot::channel();
        commands.send(Command { request, who: "uid 1000".into(), answer }).await.ok()?;
        heard.await.ok()
    }
}

/// What was said, and what should not have been answered.
#[derive(Clone, Default)]
pub struct Notebook {
    pub said: Vec<(FileId, Verdict)>,
    pub decided: u64,
    /// Decisions on what had moved on meanwhile, each refused.
    pub stale: u64,
    pub breaches: Vec<String>,
}

#[derive(Clone)]
pub struct Person {
    pub fates: Fates,
    pub door: Door,
    pub hub: Hub,
    pub server: Server,
    pub municipalities: Vec<MunicipalityCode>,
    pub notebook: Arc<Mutex<Notebook>>,
    pub plant: Plant,
}

impl Person {
    fn notebook(&self) -> MutexGuard<'_, Notebook> {
        self.notebook.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lives for ever.
    pub async fn live(self) {
        loop {
            pass(self.fates.seconds(LOOKS_EVERY_SECONDS)).await;
            let held = self.held().await;
            match held.len() as u64 {
                0 => self.call_about_what_does_not_come().await,
                count => {
                    let item = &held[self.fates.below(count) as usize];
                    if let Some(verdict) = self.verdict(item) {
                        self.decide(item, verdict).await;
                    }
                }
            }
        }
    }

    async fn held(&self) -> Vec<HeldItem> {
        match self.door.ask(Request::Held).await {
            Some(Answer::Held { items }) => items,
            _ => Vec::new(),
        }
    }

    /// What is right, or either if both are. None: that cannot be known yet.
    fn verdict(&self, item: &HeldItem) -> Option<Verdict> {
        // As long as something is under way, what the hub's book says is not the last word.
        let is_known = self.hub.is_idle() && !self.server.has_ghosts();
        let as_one_likes = [Verdict::Approve, Verdict::Refuse][self.fates.below(2) as usize];
        match (item.choice, &item.reply) {
            (Choice::Nothing, _) => None,
            (Choice::RefuseOnly, _) => Some(Verdict::Refuse),
            (Choice::Settle | Choice::SendOrSettle, _) if !is_known => None,
            (Choice::Settle | Choice::SendOrSettle, _) if self.hub.has_counted(item.id) => Some(Verdict::SettleSent),
            (Choice::Settle, _) => Some(Verdict::SettleNotSent),
            (Choice::SendOrSettle, _) => Some(as_one_likes),
            (Choice::ApproveOrRefuse, Some(reply)) if !self.hub.stands_by(&reply.file) => Some(Verdict::Refuse),
            // It was taken for the answer to a query that UDK never had.
            (Choice::ApproveOrRefuse, Some(_)) if item.query.is_some() && !self.hub.has_counted(item.id) => {
                is_known.then_some(Verdict::Refuse)
            }
            (Choice::ApproveOrRefuse, Some(_)) => Some(as_one_likes),
            (Choice::ApproveOrRefuse, None) if is_about_a_receipt(item) => match self.hub.has_counted(item.id) {
                true => Some(Verdict::Refuse),
                false => is_known.then_some(Verdict::Approve),
            },
            (Choice::ApproveOrRefuse, None) => Some(as_one_likes),
        }
    }

    async fn decide(&self, item: &HeldItem, verdict: Verdict) {
        if self.fates.below(2) == 0 {
            pass(self.fates.seconds(THINKS_SECONDS)).await;
        }
        // Whether it is still what was looked at, a second pair of eyes sees just before.
        let now = self.held().await;
        let is_stale = !now.iter().any(|other| other.id == item.id && other.seen == item.seen);
        let answer = self.say(item.id, verdict, Some(item.seen.clone())).await;
        match (&answer, is_stale) {
            (Some(Answer::Decided { .. }), true) => {
                self.notebook().breaches.push(format!("{} was decided as it was seen before", item.id));
            }
            (Some(Answer::Refused { .. }), true) => self.notebook().stale += 1,
            _ => {}
        }
        // A colleague had looked at the same moment.
        if matches!(answer, Some(Answer::Decided { .. })) && self.fates.below(3) == 0 {
            let other = [Verdict::Approve, Verdict::Refuse][self.fates.below(2) as usize];
            match self.say(item.id, other, Some(item.seen.clone())).await {
                Some(Answer::Decided { .. }) => {
                    self.notebook().breaches.push(format!("{} was decided twice on one look", item.id));
                }
                Some(_) => self.notebook().stale += 1,
                None => {}
            }
        }
    }

    async fn say(&self, id: FileId, verdict: Verdict, seen: Option<String>) -> Option<Answer> {
        self.fates.note_trouble();
        self.notebook().said.push((id, verdict));
        let seen = seen.filter(|_| self.plant != Plant::DecideUnseen);
        let ask = Ask { id: id.to_string(), verdict, reason: "as agreed by telephone".into(), seen };
        let answer = self.door.ask(Request::Decide(ask)).await;
        let has_decided = matches!(answer, Some(Answer::Decided { .. }));
        self.notebook().decided += u64::from(has_decided);
        answer
    }

    /// Somebody else's silence: UDK sends the reply, or what is missing of it, once more; or the wait is given up.
    async fn call_about_what_does_not_come(&self) {
        if !self.hub.is_idle() || self.server.has_ghosts() {
            return;
        }
        for municipality in self.municipalities.clone() {
            let Some(Answer::Listed { exchanges }) = self.door.ask(Request::List { municipality }).await else {
                return;
            };
            for line in exchanges.iter().filter(|line| ["submitted", "receipted"].contains(&line.state.as_str())) {
                if line.since.plus(PATIENT_FOR) > self.fates.now() {
                    continue;
                }
                if self.hub.has_counted(line.id) && self.fates.below(4) > 0 {
                    self.fates.note_trouble();
                    self.hub.send_again(line.id);
                } else {
                    self.say(line.id, Verdict::Refuse, None).await;
                }
                return;
            }
        }
    }
}

fn is_about_a_receipt(item: &HeldItem) -> bool {
    item.reasons.iter().any(|reason| reason.starts_with("the hub sent an error receipt"))
}
