//! How the page and the metrics see the daemon: as any command does, by asking over the control socket. What was
//! answered is kept for a moment, so that any number of onlookers asks the engine no more often than one. Never decides,
//! never touches the state. Start with [`Lookout::look`].

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::domain::identity::FileId;
use crate::domain::municipality::MunicipalityCode;
use crate::engine::control::{Answer, Request};
use crate::engine::snapshot::{ExchangeLine, HeldItem, Snapshot, Story};

/// What was seen is good for so long at least.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// And for so many times as long as it took to be answered, so that onlookers cost the daemon a twentieth of its time.
const FRESH_FOR_TIMES: u32 = 20;

/// But never longer: who looks wants to see what is, and an answer may have been slow for once.
const FRESH_FOR_MAX: Duration = Duration::from_secs(30);

/// An engine that does not answer in this time makes no progress that an onlooker could wait for.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// An answer line is never longer, in bytes: a whole house with full outboxes is some megabytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Stories that are kept for a moment; when there are more, all are forgotten.
const STORIES_MAX: usize = 64;

/// The whole house, and what of it waits for a person.
#[derive(Debug)]
pub struct View {
    pub snapshot: Snapshot,
    /// Oldest first.
    pub held: Vec<HeldItem>,
    /// How long the engine took to answer.
    pub took: Duration,
}

/// Why there is no view: nobody answers, in a sentence without its capital letter and full stop.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Silence(String);

/// Something that was asked for, and until when it is good.
struct Kept<T> {
    until: Instant,
    answer: Result<T, Silence>,
}

impl<T: Clone> Kept<T> {
    fn new(began: Instant, answer: Result<T, Silence>) -> Kept<T> {
        let fresh_for = match &answer {
            Ok(_) => (began.elapsed() * FRESH_FOR_TIMES).clamp(FRESH_FOR, FRESH_FOR_MAX),
            // Whoever waited was told; whoever comes next waits for itself.
            Err(_) => FRESH_FOR,
        };
        Kept { until: Instant::now() + fresh_for, answer }
    }

    fn fresh(kept: Option<&Kept<T>>) -> Option<Result<T, Silence>> {
        kept.filter(|kept| kept.until > Instant::now()).map(|kept| kept.answer.clone())
    }
}

type Stories = HashMap<FileId, Kept<Arc<Vec<Story>>>>;

/// Whom to ask, and what was answered last. Whoever asks holds the lock, so that the others wait for the same answer.
pub struct Lookout {
    socket: PathBuf,
    view: Mutex<Option<Kept<Arc<View>>>>,
    stories: Mutex<Stories>,
}

impl Lookout {
    /// `socket`: the control socket.
    pub fn new(socket: PathBuf) -> Lookout {
        Lookout { socket, view: Mutex::default(), stories: Mutex::default() }
    }

    /// The house as it was a moment ago.
    pub async fn look(&self) -> Result<Arc<View>, Silence> {
        let mut kept = self.view.lock().await;
        if let Some(answer) = Kept::fresh(kept.as_ref()) {
            return answer;
        }
        let began = Instant::now();
        let answer = self.view(began).await.map(Arc::new);
        *kept = Some(Kept::new(began, answer.clone()));
        answer
    }

    /// The story of one exchange as it was a moment ago, read from the journal. Empty: there is none of this id.
    pub async fn story(&self, id: FileId) -> Result<Arc<Vec<Story>>, Silence> {
        // One journal is read at a time, whoever asks.
        let mut kept = self.stories.lock().await;
        if let Some(answer) = Kept::fresh(kept.get(&id)) {
            return answer;
        }
        let began = Instant::now();
        let answer = match self.ask(&Request::Explain { what: id.to_string() }).await {
            Ok(Answer::Explained { stories, .. }) => Ok(Arc::new(stories)),
            other => Err(misplaced(other)),
        };
        if kept.len() >= STORIES_MAX {
            kept.clear();
        }
        kept.insert(id, Kept::new(began, answer.clone()));
        answer
    }

    /// Every exchange of a municipality, oldest first.
    pub async fn list(&self, municipality: MunicipalityCode) -> Result<Vec<ExchangeLine>, Silence> {
        match self.ask(&Request::List { municipality }).await {
            Ok(Answer::Listed { exchanges }) => Ok(exchanges),
            other => Err(misplaced(other)),
        }
    }

    async fn view(&self, began: Instant) -> Result<View, Silence> {
        let snapshot = match self.ask(&Request::Status).await {
            Ok(Answer::Status(snapshot)) => snapshot,
            other => return Err(misplaced(other)),
        };
        // Of a restored store nothing can be decided, and nothing is told of what could be.
        let held = match snapshot.restored {
            Some(_) => Vec::new(),
            None => match self.ask(&Request::Held).await {
                Ok(Answer::Held { items }) => items,
                other => return Err(misplaced(other)),
            },
        };
        Ok(View { snapshot, held, took: began.elapsed() })
    }

    async fn ask(&self, request: &Request) -> Result<Answer, Silence> {
        match tokio::time::timeout(ANSWER_WITHIN, ask(&self.socket, request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(e)) => Err(Silence(format!("the engine cannot be asked, it is starting or stopping: {e}"))),
            Err(_) => Err(Silence(format!("the engine has not answered within {} s", ANSWER_WITHIN.as_secs()))),
        }
    }
}

fn misplaced(answer: Result<Answer, Silence>) -> Silence {
    match answer {
        Err(silence) => silence,
        Ok(Answer::Refused { why } | Answer::Mistaken { why }) => Silence(why),
        Ok(_) => Silence("the engine's answer is none to what was asked".to_owned()),
    }
}

async fn ask(socket: &Path, request: &Request) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket).await?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = Vec::new();
    BufReader::new(stream).take(ANSWER_BYTES_MAX).read_until(b'\n', &mut answer).await?;
    Ok(serde_json::from_slice(&answer)?)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use tokio::net::UnixListener;

    /// An engine that answers each line with this, and counts what it was asked.
    fn engine(folder: &Path, answer: Option<Answer>) -> (PathBuf, Arc<AtomicUsize>) {
        let (path, asked) = (folder.join("control.sock"), Arc::new(AtomicUsize::new(0)));
        let (listener, count) = (UnixListener::bind(&path).unwrap(), asked.clone());
        tokio::spawn(async move {
            let mut silent = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                match &answer {
                    None => silent.push(stream),
                    Some(answer) => {
                        let line = format!("{}\n", serde_json::to_string(answer).unwrap());
                        stream.write_all(line.as_bytes()).await.unwrap();
                    }
                }
            }
        });
        (path, asked)
    }

    #[tokio::test]
    async fn any_number_of_onlookers_asks_the_engine_once() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, asked) = engine(folder.path(), Some(Answer::Explained { stories: vec![], waiting: vec![] }));
        let lookout = Lookout::new(socket);
        let id: FileId = "3f0f9a2e-5b1c-4d7e-8f90-a1b2c3d4e5f6".parse().unwrap();

        let seen = futures_util::future::join_all((0..50).map(|_| lookout.story(id))).await;

        assert!(seen.iter().all(|story| story.as_ref().is_ok_and(|stories| stories.is_empty())));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_does_not_answer_is_waited_for_once_and_all_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, asked) = engine(folder.path(), None);
        let lookout = Lookout::new(socket);
        let began = Instant::now();

        let seen = futures_util::future::join_all((0..50).map(|_| lookout.look())).await;

        let silence = Silence("the engine has not answered within 10 s".into());
        assert!(seen.iter().all(|view| view.as_ref().err() == Some(&silence)), "{:?}", seen[0]);
        assert_eq!((asked.load(Ordering::Relaxed), began.elapsed().as_secs()), (1, 10));
    }
}
