//! The control socket: takes requests of the commands, passes them to the loop, and writes what it answers. The
//! caller is who the kernel says. Reading the journal and the register is done here, beside the loop. Every wait has an
//! end, and those who wait for a decision never take the places of those who only look.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::control::{Answer, REQUEST_BYTES_MAX, RegisterRequest, Request};
use super::desk;
use super::house::Command;
use crate::store::{Reading, StoreTrouble};

/// Callers served at once; further ones wait.
const CALLERS_MAX: usize = 32;

/// Of them, so many may wait for a decision, which waits for what is at work on its exchange: a far side that has frozen
/// mutes no look.
const DECIDERS_MAX: usize = 16;

/// The loop answers a look from memory, and a search in the journal takes seconds at most. Shorter than a command waits.
const LOOK_WITHIN: Duration = Duration::from_secs(15);

/// A decision is answered with what it led to. Shorter than a command waits, so that it is told what may be concluded.
const DECISION_WITHIN: Duration = Duration::from_secs(50);

/// A caller has so long to say what it wants: programs write it at once, and whoever says nothing keeps others from a place.
const ASKS_WITHIN: Duration = Duration::from_secs(3);

/// A caller has so long to take each part of the answer.
const CALLER_WITHIN: Duration = Duration::from_secs(30);

/// After a failure to accept, such as too many open files, the socket is left alone for so long.
const ACCEPT_AGAIN_IN: Duration = Duration::from_secs(1);

/// Answer lines on their way to a slow caller.
const LINES_MAX: usize = 256;

/// Opens the store for reading beside the writer.
pub type OpenReader = Arc<dyn Fn() -> Result<Box<dyn Reading>, StoreTrouble> + Send + Sync>;

/// The socket, bound, its file removed again when this is dropped.
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Binds it with mode 0660. What is left of a dead daemon is replaced; only the lock's holder comes here.
    pub fn bind(path: &Path) -> std::io::Result<ControlSocket> {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        Ok(ControlSocket { listener, path: path.to_owned() })
    }

    /// Serves until told to stop.
    pub async fn serve(self, commands: mpsc::Sender<Command>, reader: OpenReader, stop: CancellationToken) {
        let mut callers = JoinSet::new();
        let deciders = Arc::new(Semaphore::new(DECIDERS_MAX));
        let mut told: Option<String> = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = callers.join_next(), if !callers.is_empty() => {}
                accepted = self.listener.accept(), if callers.len() < CALLERS_MAX => match accepted {
                    Ok((stream, _)) => {
                        if told.take().is_some() {
                            info!("control socket is served again");
                        }
                        callers.spawn(serve_one(stream, commands.clone(), reader.clone(), deciders.clone()));
                    }
                    Err(e) => {
                        let said = e.to_string();
                        if told.as_ref() != Some(&said) {
                            error!(error = %said, "control socket cannot be served, commands wait; tried again and again");
                            told = Some(said);
                        }
                        tokio::time::sleep(ACCEPT_AGAIN_IN).await;
                    }
                },
            }
        }
        callers.shutdown().await;
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // One that stays behind is replaced at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve_one(
    mut stream: UnixStream,
    commands: mpsc::Sender<Command>,
    reader: OpenReader,
    deciders: Arc<Semaphore>,
) {
    let who = stream.peer_cred().map_or_else(|_| "unknown".into(), |caller| format!("uid {}", caller.uid()));
    let (from, mut to) = stream.split();
    let mut line = String::new();
    let mut from = BufReader::new(from.take(REQUEST_BYTES_MAX));
    match tokio::time::timeout(ASKS_WITHIN, from.read_line(&mut line)).await {
        Ok(Ok(read)) if read > 0 => {}
        _ => return,
    }
    let request = match serde_json::from_str::<Request>(&line) {
        Ok(request) => request,
        Err(e) => {
            let why =
                format!("the request is not understood, perhaps daemon and command are of different versions: {e}");
            say(&mut to, &Answer::Refused { why }).await;
            return;
        }
    };
    let is_look = is_look(&request);
    let place = if is_look { None } else { deciders.try_acquire().ok() };
    if !is_look && place.is_none() {
        let why = format!(
            "{DECIDERS_MAX} decisions wait already for what is at work, and this one was not taken; look with `sluse \
             status`, and ask again"
        );
        say(&mut to, &Answer::Refused { why }).await;
        return;
    }
    let within = if is_look { LOOK_WITHIN } else { DECISION_WITHIN };
    let answer = match tokio::time::timeout(within, answer_of(request.clone(), who, &commands)).await {
        Ok(Some(answer)) => answer,
        Ok(None) => return,
        Err(_) => Answer::Refused { why: not_in_time(is_look) },
    };
    drop(place);
    match (request, answer) {
        (Request::Explain { .. }, Answer::Explained { stories, waiting }) => {
            let tell = move || desk::tell_stories(stories, waiting, reader()?.as_ref());
            let told = tokio::time::timeout(LOOK_WITHIN, tokio::task::spawn_blocking(tell)).await;
            let answer = match told {
                Ok(Ok(Ok(answer))) => answer,
                Ok(Ok(Err(trouble))) => Answer::Refused { why: trouble.to_string() },
                Ok(Err(e)) => Answer::Refused { why: e.to_string() },
                Err(_) => Answer::Refused { why: not_in_time(true) },
            };
            say(&mut to, &answer).await;
        }
        (Request::Retention { .. }, Answer::Retention { plan }) => {
            let count = move || {
                let reader = reader()?;
                plan.count(reader.as_ref())
            };
            let counted = tokio::time::timeout(LOOK_WITHIN, tokio::task::spawn_blocking(count)).await;
            let answer = match counted {
                Ok(Ok(Ok(plan))) => Answer::Retention { plan },
                Ok(Ok(Err(trouble))) => Answer::Refused { why: trouble.to_string() },
                Ok(Err(e)) => Answer::Refused { why: e.to_string() },
                Err(_) => Answer::Refused { why: not_in_time(true) },
            };
            say(&mut to, &answer).await;
        }
        (Request::Register(request), Answer::Agreements { .. }) => stream_register(&mut to, request, reader).await,
        (_, answer) => {
            say(&mut to, &answer).await;
        }
    }
}

/// What the loop answers. None: it has ended.
async fn answer_of(request: Request, who: String, commands: &mpsc::Sender<Command>) -> Option<Answer> {
    let (answer, answered) = oneshot::channel();
    commands.send(Command { request, who, answer }).await.ok()?;
    answered.await.ok()
}

/// Whether it is answered from what is known, and waits for nothing that is at work.
fn is_look(request: &Request) -> bool {
    match request {
        Request::Status
        | Request::Explain { .. }
        | Request::List { .. }
        | Request::Held
        | Request::Gate { .. }
        | Request::Register(_) => true,
        Request::Retention { now } => !now,
        Request::Decide(_) | Request::Retry(_) | Request::Query { .. } | Request::HoldByLaw(_) => false,
    }
}

fn not_in_time(is_look: bool) -> String {
    if is_look {
        let within = LOOK_WITHIN.as_secs();
        return format!("not answered within {within} s, the daemon is at work or its disk is slow; ask again");
    }
    let within = DECISION_WITHIN.as_secs();
    format!(
        "not answered within {within} s, because what is at work has not ended; what was asked for may still be carried \
         out: look with `sluse explain` before you ask again"
    )
}

async fn stream_register(to: &mut tokio::net::unix::WriteHalf<'_>, request: RegisterRequest, reader: OpenReader) {
    let (lines, mut written) = mpsc::channel(LINES_MAX);
    let reading = tokio::task::spawn_blocking(move || {
        // A caller that has gone closes the channel; what is read then is for nobody.
        let send = &mut |answer| drop(lines.blocking_send(answer));
        if let Err(trouble) = reader().and_then(|reader| desk::read_register(&request, reader.as_ref(), send)) {
            send(Answer::Refused { why: trouble.to_string() });
        }
    });
    loop {
        match tokio::time::timeout(LOOK_WITHIN, written.recv()).await {
            Ok(Some(answer)) if say(to, &answer).await => {}
            Ok(_) => break,
            Err(_) => {
                // The reading ends by itself: nobody takes its next line.
                say(to, &Answer::Refused { why: not_in_time(true) }).await;
                return;
            }
        }
    }
    drop(written);
    if let Err(e) = reading.await {
        warn!(error = %e, "reading the register for a command ended abnormally");
    }
}

/// Writes one answer line; false: the caller has gone or does not take it.
async fn say(to: &mut tokio::net::unix::WriteHalf<'_>, answer: &Answer) -> bool {
    let Ok(mut line) = serde_json::to_vec(answer) else { return false };
    line.push(b'\n');
    matches!(tokio::time::timeout(CALLER_WITHIN, to.write_all(&line)).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;
    use crate::engine::decide::{Ask, Verdict};

    fn decision() -> Request {
        let (id, reason) = ("fade0001".to_owned(), "the caseworker asked".to_owned());
        Request::Decide(Ask { id, verdict: Verdict::Withdraw, reason, seen: None })
    }

    /// A socket before a loop that answers a look at once and no decision ever.
    fn frozen(folder: &Path) -> (PathBuf, CancellationToken, JoinHandle<()>) {
        let path = folder.join("control.sock");
        let socket = ControlSocket::bind(&path).unwrap();
        let (commands, mut requests) = mpsc::channel::<Command>(4);
        let stop = CancellationToken::new();
        let reader: OpenReader = Arc::new(|| panic!("nothing is read here"));
        let serving = tokio::spawn(socket.serve(commands, reader, stop.clone()));
        tokio::spawn(async move {
            let mut deferred = Vec::new();
            while let Some(command) = requests.recv().await {
                match command.request {
                    Request::Held => command.answer.send(Answer::Held { items: Vec::new() }).unwrap(),
                    _ => deferred.push(command.answer),
                }
            }
        });
        (path, stop, serving)
    }

    async fn asked(path: &Path, request: &Request) -> UnixStream {
        let mut stream = UnixStream::connect(path).await.unwrap();
        let mut line = serde_json::to_vec(request).unwrap();
        line.push(b'\n');
        stream.write_all(&line).await.unwrap();
        stream
    }

    async fn answer(stream: UnixStream) -> Answer {
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn refusal(answer: Answer) -> String {
        let Answer::Refused { why } = answer else { panic!("{answer:?}") };
        why
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_is_answered_while_as_many_decisions_wait_as_may_and_each_of_them_is_answered_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let (path, stop, serving) = frozen(folder.path());
        let began = tokio::time::Instant::now();

        // When every place for a decision is taken
        let mut deciders = Vec::new();
        for _ in 0..DECIDERS_MAX {
            deciders.push(asked(&path, &decision()).await);
        }
        let one_more = refusal(answer(asked(&path, &decision()).await).await);
        let look = answer(asked(&path, &Request::Held).await).await;
        assert!(began.elapsed() < Duration::from_secs(1), "neither of them waits: {:?}", began.elapsed());

        // Then a look is answered at once, a further decision is refused at once, and the waiting are told in time
        assert!(matches!(look, Answer::Held { .. }), "{look:?}");
        assert!(one_more.contains("was not taken"), "{one_more}");
        for decider in deciders {
            let why = refusal(answer(decider).await);
            assert!(why.contains("may still be carried out") && why.contains("sluse explain"), "{why}");
        }
        assert!(began.elapsed() <= DECISION_WITHIN + Duration::from_secs(1), "{:?}", began.elapsed());
        assert!(matches!(answer(asked(&path, &Request::Held).await).await, Answer::Held { .. }));

        stop.cancel();
        serving.await.unwrap();
    }
}
