//! Retries that people asked for, one after the other and never beside a claim: a second query for a payment date is
//! known by the first one's fact. Each is its own decision, and one that is refused stops no other.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::{Done, House, Key};
use crate::domain::exchange::Book;
use crate::domain::identity::FileId;
use crate::engine::carry_out::on_disk;
use crate::engine::control::Answer;
use crate::engine::retry::{CameTo, Retry, RetryAsk, RetryLine, facts, first_state};
use crate::store::StoreTrouble;
use crate::transport::Connect;

/// One person's selection, bound to what was there when it was taken.
pub(super) struct Batch {
    ask: RetryAsk,
    who: String,
    answer: oneshot::Sender<Answer>,
    left: VecDeque<Result<FileId, RetryLine>>,
    at_work: Option<Retry>,
    lines: Vec<RetryLine>,
}

impl Batch {
    /// Answers, and goes on with nothing that is left.
    fn refuse(self, book: &Book, why: &str) {
        let Batch { answer, left, at_work, mut lines, .. } = self;
        let refused = |id| RetryLine::of(book, id, CameTo::Refused { why: why.to_owned() });
        let left = at_work.map(|retry| Ok(retry.of)).into_iter().chain(left);
        lines.extend(left.map(|one| one.map_or_else(|line| line, refused)));
        // Nobody waits any more if the person has gone.
        let _ = answer.send(Answer::Retried { lines });
    }
}

impl<C: Connect> House<C> {
    pub(super) fn take_retry(&mut self, ask: RetryAsk, who: String, answer: oneshot::Sender<Answer>) {
        let said = match ask.select(&self.book) {
            _ if let Some(standstill) = &self.standstill => Answer::Refused { why: standstill.refusal() },
            Ok(left) if !left.is_empty() => {
                let (left, lines) = (left.into(), Vec::new());
                self.retries.push_back(Batch { ask, who, answer, left, at_work: None, lines });
                return;
            }
            Ok(_) => Answer::Retried { lines: Vec::new() },
            Err(not) => Answer::Refused { why: not.to_string() },
        };
        // Nobody waits any more if the person has gone.
        let _ = answer.send(said);
    }

    /// Goes on with the first selection until it waits for the disk. Nothing is pending when this is called, so that
    /// what is decided here is decided on all that is known.
    pub(super) async fn go_on_with_retries(&mut self) -> Result<(), StoreTrouble> {
        while !self.busy.contains(&Key::Intake) && self.takes.is_empty() {
            let Some(mut batch) = self.retries.pop_front() else { return Ok(()) };
            if let Some(retry) = batch.at_work.take() {
                let brought = self.brought.take().unwrap_or_else(|| Err("its task ended abnormally".to_owned()));
                let facts = brought.and_then(|query| facts(&self.book, &retry, &query, &batch.ask, &batch.who));
                let came_to = match facts {
                    Err(why) => CameTo::Refused { why },
                    Ok(facts) if batch.ask.is_only_a_look() => CameTo::Possible { state: first_state(&facts) },
                    Ok(facts) => {
                        self.pending.extend(facts);
                        self.record_pending().await?;
                        match &self.standstill {
                            Some(standstill) => CameTo::Refused { why: standstill.refusal() },
                            None => CameTo::retried(&self.book, retry.by),
                        }
                    }
                };
                batch.lines.push(RetryLine::of(&self.book, retry.of, came_to));
                if let Some(standstill) = &self.standstill {
                    batch.refuse(&self.book, &standstill.refusal());
                    return Ok(());
                }
            }
            match batch.left.pop_front() {
                Some(Ok(id)) => match self.site.begin_retry(&self.book, id, batch.ask.seen.as_deref()) {
                    Ok(retry) => {
                        batch.at_work = Some(retry.clone());
                        self.bring(retry, batch.ask.is_only_a_look());
                    }
                    Err(not) => {
                        let why = CameTo::Refused { why: not.to_string() };
                        batch.lines.push(RetryLine::of(&self.book, id, why));
                    }
                },
                Some(Err(line)) => batch.lines.push(line),
                None => {
                    // Nobody waits any more if the person has gone.
                    let _ = batch.answer.send(Answer::Retried { lines: batch.lines });
                    continue;
                }
            }
            self.retries.push_front(batch);
        }
        Ok(())
    }

    /// Nobody is left waiting, and nothing is sent later that a person has given up by then.
    pub(super) fn refuse_retries(&mut self, why: &str) {
        for batch in std::mem::take(&mut self.retries) {
            batch.refuse(&self.book, why);
        }
    }

    fn bring(&mut self, retry: Retry, only_look: bool) {
        // What was brought for one that was refused meanwhile.
        self.brought = None;
        let site = self.site.clone();
        self.spawn(Key::Intake, async move {
            let office = site.clone();
            let brought = on_disk(site.disk.clone(), move |_| Ok(office.bring(&retry, only_look))).await;
            Done::Brought { query: brought.unwrap_or_else(|setback| Err(setback.to_string())) }
        });
    }
}
