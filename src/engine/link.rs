//! One endpoint's session, shared by all its routes: made when somebody needs it, thrown away at the first doubt,
//! made anew with backoff. One line in the log per change between reachable and not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{error, info, warn};

use super::site::Surroundings;
use crate::domain::identity::EndpointName;
use crate::domain::patience::backoff;
use crate::transport::{Connect, FarSide, Trouble};

/// Spent sessions that wait to be closed; more are just dropped, which closes them too.
const CLOSING_MAX: usize = 8;

/// Different troubles that are told between one good connection and the next.
const TOLD_MAX: usize = 8;

enum Line<S> {
    Idle,
    Up {
        session: Arc<S>,
        number: u64,
    },
    Down {
        attempt: u64,
        trouble: Trouble,
    },
    /// The link's task has ended.
    Closed,
}

/// The link to one endpoint. Its task ends when nobody has the link any more.
pub struct Link<C: Connect> {
    pub endpoint: EndpointName,
    ends: Arc<Ends<C>>,
    _kept: DropGuard,
}

/// What a link and its task have in common.
struct Ends<C: Connect> {
    endpoint: EndpointName,
    /// Never held across an await. A `watch` would do, but it wakes those who wait in an order of its own choosing.
    line: Mutex<Line<C::Session>>,
    changed: Notify,
    wanted: Notify,
    closing: mpsc::Sender<Arc<C::Session>>,
}

/// A session, lent to one piece of work.
pub struct Lease<S> {
    pub session: Arc<S>,
    number: u64,
}

impl<C: Connect> Link<C> {
    /// The link, and its task, which ends with it, and when `stop` is cancelled.
    pub fn new(
        endpoint: EndpointName,
        connect: C,
        surroundings: Surroundings,
        stop: CancellationToken,
    ) -> (Arc<Link<C>>, impl Future<Output = ()> + Send) {
        let (closing, to_close) = mpsc::channel(CLOSING_MAX);
        let (changed, wanted) = (Notify::new(), Notify::new());
        let line = Mutex::new(Line::Idle);
        let ends = Arc::new(Ends { endpoint: endpoint.clone(), line, changed, wanted, closing });
        let end = stop.child_token();
        let kept = end.clone().drop_guard();
        (Arc::new(Link { endpoint, ends: ends.clone(), _kept: kept }), ends.keep(connect, surroundings, to_close, end))
    }

    /// A session: the one there is, or the next that can be made. Errors: what the next try came to.
    pub async fn lease(&self) -> Result<Lease<C::Session>, Trouble> {
        let tried = match &*self.ends.line() {
            Line::Down { attempt, .. } => *attempt,
            Line::Idle | Line::Up { .. } | Line::Closed => 0,
        };
        loop {
            let mut changed = std::pin::pin!(self.ends.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            match &*self.ends.line() {
                Line::Up { session, number } => return Ok(Lease { session: session.clone(), number: *number }),
                Line::Down { attempt, trouble } if *attempt > tried => return Err(trouble.clone()),
                Line::Closed => return Err(Trouble::Unreachable("the daemon is stopping".into())),
                Line::Down { .. } | Line::Idle => self.ends.wanted.notify_one(),
            }
            changed.await;
        }
    }

    /// Says what became of some work: after some troubles the session is not to be trusted any more.
    pub fn note(&self, lease: &Lease<C::Session>, trouble: &Trouble) {
        if !trouble.ends_trust() {
            return;
        }
        let spent = {
            let mut line = self.ends.line();
            match &*line {
                Line::Up { session, number } if *number == lease.number => {
                    let spent = session.clone();
                    *line = Line::Idle;
                    Some(spent)
                }
                _ => None,
            }
        };
        if let Some(session) = spent {
            self.ends.changed.notify_waiters();
            warn!(endpoint = %self.endpoint, %trouble, "connection given up, a new one will be made");
            // A full queue: the session is dropped here instead, which ends it too.
            let _ = self.ends.closing.try_send(session);
        }
    }

    /// Whether there is a session now.
    pub fn is_up(&self) -> bool {
        matches!(&*self.ends.line(), Line::Up { .. })
    }

    /// What keeps us from the far side, if anything.
    pub fn trouble(&self) -> Option<String> {
        self.last_trouble().map(|trouble| trouble.to_string())
    }

    /// The same, as what it is.
    pub fn last_trouble(&self) -> Option<Trouble> {
        match &*self.ends.line() {
            Line::Down { trouble, .. } => Some(trouble.clone()),
            Line::Idle | Line::Up { .. } | Line::Closed => None,
        }
    }
}

impl<C: Connect> Ends<C> {
    fn line(&self) -> MutexGuard<'_, Line<C::Session>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what the line was before.
    fn say(&self, now: Line<C::Session>) -> Line<C::Session> {
        let before = std::mem::replace(&mut *self.line(), now);
        self.changed.notify_waiters();
        before
    }

    async fn keep(
        self: Arc<Self>,
        connect: C,
        surroundings: Surroundings,
        mut to_close: mpsc::Receiver<Arc<C::Session>>,
        stop: CancellationToken,
    ) {
        let (mut attempt, mut failures) = (0, 0_u32);
        let mut not_before = Instant::now();
        let mut told: Vec<String> = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(session) = to_close.recv() => {
                    session.close().await;
                    continue;
                }
                () = self.wanted.notified() => {}
            }
            if matches!(&*self.line(), Line::Up { .. }) {
                continue;
            }
            // A try that hung until its deadline has waited enough, and so has one that nobody wanted to repeat.
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = tokio::time::sleep_until(not_before) => {}
            }
            attempt += 1;
            let began = Instant::now();
            let made = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                made = connect.connect() => made,
            };
            match made {
                Ok(session) => {
                    info!(endpoint = %self.endpoint, after_failures = failures, "connected");
                    failures = 0;
                    told.clear();
                    self.say(Line::Up { session: Arc::new(session), number: attempt });
                }
                Err(trouble) => {
                    failures = failures.saturating_add(1);
                    not_before = began + backoff(failures, surroundings.share());
                    // One line per kind of trouble, not per try, also where two take turns.
                    let text = trouble.to_string();
                    if told.len() < TOLD_MAX && !told.contains(&text) {
                        if trouble.needs_a_person() {
                            error!(endpoint = %self.endpoint, %trouble, "cannot log in, a person must act");
                        } else {
                            warn!(endpoint = %self.endpoint, %trouble, "far side not reachable, trying again and again");
                        }
                        told.push(text);
                    }
                    self.say(Line::Down { attempt, trouble });
                }
            }
        }
        let last = self.say(Line::Closed);
        if let Line::Up { session, .. } = last {
            session.close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transport::sftp::SftpSession;

    /// As long as a handshake may take.
    const STALL: Duration = Duration::from_secs(20);

    /// A server that does not answer; each try is noted when it begins.
    struct Unanswered {
        stall: Duration,
        tries: mpsc::UnboundedSender<Instant>,
    }

    impl Connect for Unanswered {
        type Session = SftpSession;

        async fn connect(&self) -> Result<SftpSession, Trouble> {
            self.tries.send(Instant::now()).unwrap();
            let _ = tokio::time::timeout(self.stall, std::future::pending::<()>()).await;
            Err(Trouble::Unreachable("nobody there".into()))
        }
    }

    /// The longest time between the end of a try and the beginning of the next, where somebody always wants one and the
    /// dice fall as badly as they can.
    async fn longest_rest(stall: Duration) -> Duration {
        let (tries, mut tried) = mpsc::unbounded_channel();
        let surroundings = Surroundings::new(|| jiff::Timestamp::UNIX_EPOCH.into(), || u64::MAX);
        let stop = CancellationToken::new();
        let (link, task) = Link::new("hub".parse().unwrap(), Unanswered { stall, tries }, surroundings, stop.clone());
        let task = tokio::spawn(task);
        for _ in 0..12 {
            assert!(link.lease().await.is_err());
        }
        stop.cancel();
        task.await.unwrap();
        drop(link);
        let mut longest = Duration::ZERO;
        let mut last_end = tried.recv().await.unwrap() + stall;
        while let Some(began) = tried.recv().await {
            longest = longest.max(began - last_end);
            last_end = began + stall;
        }
        longest
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_that_hung_until_its_deadline_is_repeated_at_once() {
        assert!(longest_rest(STALL).await < Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_refuses_at_once_is_asked_again_within_20_s() {
        let longest = longest_rest(Duration::ZERO).await;

        assert!((Duration::from_secs(19)..Duration::from_secs(21)).contains(&longest), "{longest:?}");
    }
}
