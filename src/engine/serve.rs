//! The control socket: takes requests of the commands, passes them to the loop, and writes what it answers. The
//! caller is who the kernel says. Reading the journal and the register is done here, beside the loop.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::control::{Answer, REQUEST_BYTES_MAX, RegisterRequest, Request};
use super::desk;
use super::house::Command;
use crate::store::{Reading, StoreTrouble};

/// Callers served at once; further ones wait.
const CALLERS_MAX: usize = 16;

/// A caller has so long to say what it wants, and to take each part of the answer.
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
                        callers.spawn(serve_one(stream, commands.clone(), reader.clone()));
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

async fn serve_one(mut stream: UnixStream, commands: mpsc::Sender<Command>, reader: OpenReader) {
    let who = stream.peer_cred().map_or_else(|_| "unknown".into(), |caller| format!("uid {}", caller.uid()));
    let (from, mut to) = stream.split();
    let mut line = String::new();
    let mut from = BufReader::new(from.take(REQUEST_BYTES_MAX));
    match tokio::time::timeout(CALLER_WITHIN, from.read_line(&mut line)).await {
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
    let (answer, answered) = oneshot::channel();
    if commands.send(Command { request: request.clone(), who, answer }).await.is_err() {
        return;
    }
    let Ok(answer) = answered.await else { return };
    match (request, answer) {
        (Request::Explain { .. }, Answer::Explained { stories, waiting }) => {
            let tell = move || desk::tell_stories(stories, waiting, reader()?.as_ref());
            let told = tokio::task::spawn_blocking(tell).await;
            let answer = match told {
                Ok(Ok(answer)) => answer,
                Ok(Err(trouble)) => Answer::Refused { why: trouble.to_string() },
                Err(e) => Answer::Refused { why: e.to_string() },
            };
            say(&mut to, &answer).await;
        }
        (Request::Register(request), Answer::Agreements { .. }) => stream_register(&mut to, request, reader).await,
        (_, answer) => {
            say(&mut to, &answer).await;
        }
    }
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
    while let Some(answer) = written.recv().await {
        if !say(to, &answer).await {
            break;
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
