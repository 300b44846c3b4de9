//! The way from a command to the engine: over the control socket while the daemon runs, else by taking the store's
//! lock and doing the same step here. Start with [`Desk::open`].

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::config::Settings;
use crate::engine::control::{Answer, Request};
use crate::engine::offline::{self, OfflineTrouble};

/// An answer line is never longer, in bytes: a whole house with full outboxes is some megabytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// The daemon answers from memory; the register's first line may need a longer search.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A decision is answered once it is on disk, and waits for its turn.
const DECISION_WITHIN: Duration = Duration::from_secs(60);

/// Whoever holds the store without answering on the socket is a daemon on its way up or down, or another command:
/// none of them takes longer.
const BUSY_WITHIN: Duration = Duration::from_secs(10);
const BUSY_LOOK_EVERY: Duration = Duration::from_millis(50);

/// Answers a request without the daemon.
type Offline<'s> = dyn Fn(Request, String, &mut dyn FnMut(Answer)) -> Result<(), Unanswered> + 's;

/// Why there is no answer without the daemon.
enum Unanswered {
    /// Somebody else holds the store just now.
    Busy(String),
    No(String),
}

/// Where questions are asked and decisions handed in.
pub struct Desk<'s> {
    socket: PathBuf,
    within: Option<Duration>,
    offline: Box<Offline<'s>>,
    daemon_answered: Cell<bool>,
}

/// Why there is no answer, or no whole one.
#[derive(Debug, thiserror::Error)]
pub enum DeskTrouble {
    #[error("permission denied on {}: you are not in group sluse; add yourself by `usermod -aG sluse USER` and log in again", .0.display())]
    NotAllowed(PathBuf),
    #[error("cannot reach the daemon on {}: {reason}", socket.display())]
    Unreachable { socket: PathBuf, reason: String },
    #[error("the daemon did not answer within {} s; {conclusion}", within.as_secs())]
    Silent { within: Duration, conclusion: &'static str },
    #[error("the daemon's answer broke off ({reason}); {conclusion}")]
    BrokenOff { reason: String, conclusion: &'static str },
    #[error(
        "the daemon's answer is not understood, perhaps it is of another version and waits for a restart: {reason}"
    )]
    NotUnderstood { reason: String },
    #[error("the daemon does not run, and without it: {reason}")]
    Offline { reason: String },
    /// The engine's own sentence.
    #[error("{0}")]
    Refused(String),
    #[error("the answer is none to this request")]
    Misplaced,
}

impl<'s> Desk<'s> {
    /// The desk of the house that these settings describe.
    pub fn open(settings: &'s Settings) -> Desk<'s> {
        Desk {
            socket: settings.folders.control_socket(),
            within: None,
            daemon_answered: Cell::new(false),
            offline: Box::new(|request, who, each| {
                is_owner(&settings.folders.state, rustix::process::geteuid().as_raw()).map_err(Unanswered::No)?;
                offline::answer(settings, request, who, each).map_err(|trouble| match trouble {
                    OfflineTrouble::Locked { .. } => Unanswered::Busy(trouble.to_string()),
                    _ => Unanswered::No(trouble.to_string()),
                })
            }),
        }
    }

    /// A desk without a daemon, answered by this.
    #[cfg(test)]
    pub(super) fn answered_by(answers: impl Fn(Request) -> Vec<Answer> + 's) -> Desk<'s> {
        Desk {
            socket: PathBuf::from("/nonexistent/control.sock"),
            within: None,
            daemon_answered: Cell::new(false),
            offline: Box::new(move |request, _, each| {
                answers(request).into_iter().for_each(each);
                Ok(())
            }),
        }
    }

    /// Whether the last answer came from a daemon; without one nothing follows from it by itself.
    pub fn daemon_answered(&self) -> bool {
        self.daemon_answered.get()
    }

    /// Asks for one thing and waits for the one answer. A refusal is an error.
    pub fn ask(&self, request: Request) -> Result<Answer, DeskTrouble> {
        let mut answer = None;
        self.ask_each(request, &mut |line| answer = Some(line))?;
        match answer {
            Some(Answer::Refused { why }) => Err(DeskTrouble::Refused(why)),
            Some(answer) => Ok(answer),
            None => Err(DeskTrouble::Misplaced),
        }
    }

    /// Hands over each line of an answer, the register's last one included. Errors: what came so far is not all.
    pub fn ask_each(&self, request: Request, each: &mut dyn FnMut(Answer)) -> Result<(), DeskTrouble> {
        let began = Instant::now();
        self.daemon_answered.set(false);
        loop {
            if let Some(stream) = self.reach()? {
                self.daemon_answered.set(true);
                return self.ask_daemon(stream, &request, each);
            }
            let who = format!("uid {}", rustix::process::getuid().as_raw());
            match (self.offline)(request.clone(), who, each) {
                Ok(()) => return Ok(()),
                Err(Unanswered::Busy(_)) if began.elapsed() < BUSY_WITHIN => std::thread::sleep(BUSY_LOOK_EVERY),
                Err(Unanswered::Busy(reason) | Unanswered::No(reason)) => return Err(DeskTrouble::Offline { reason }),
            }
        }
    }

    /// None: no daemon runs.
    fn reach(&self) -> Result<Option<UnixStream>, DeskTrouble> {
        match connect_now(&self.socket) {
            Ok(stream) => Ok(Some(stream)),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Err(DeskTrouble::NotAllowed(self.socket.clone())),
            Err(e) => {
                let reason = match e.kind() {
                    io::ErrorKind::WouldBlock => "too many commands wait for it".to_owned(),
                    _ => e.to_string(),
                };
                Err(DeskTrouble::Unreachable { socket: self.socket.clone(), reason })
            }
        }
    }

    fn ask_daemon(
        &self,
        stream: UnixStream,
        request: &Request,
        each: &mut dyn FnMut(Answer),
    ) -> Result<(), DeskTrouble> {
        let conclusion = conclusion(request);
        let within = self.within.unwrap_or(match request {
            Request::Decide(_)
            | Request::Retry(_)
            | Request::Query { .. }
            | Request::Retention { now: true }
            | Request::HoldByLaw(_) => DECISION_WITHIN,
            Request::Status
            | Request::Explain { .. }
            | Request::List { .. }
            | Request::Held
            | Request::Gate { .. }
            | Request::Register(_)
            | Request::Retention { now: false } => ANSWER_WITHIN,
        });
        let failed = |e: io::Error| match e.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => DeskTrouble::Silent { within, conclusion },
            _ => DeskTrouble::BrokenOff { reason: e.to_string(), conclusion },
        };
        let not_understood = |e: serde_json::Error| DeskTrouble::NotUnderstood { reason: e.to_string() };
        stream.set_read_timeout(Some(within)).map_err(failed)?;
        stream.set_write_timeout(Some(within)).map_err(failed)?;
        let mut line = serde_json::to_vec(request).map_err(not_understood)?;
        line.push(b'\n');
        (&stream).write_all(&line).map_err(failed)?;

        let mut answers = BufReader::new(stream);
        let mut agreements = 0;
        loop {
            let mut line = Vec::new();
            answers.by_ref().take(ANSWER_BYTES_MAX).read_until(b'\n', &mut line).map_err(failed)?;
            if line.pop() != Some(b'\n') {
                return Err(DeskTrouble::BrokenOff { reason: "it has no end".to_owned(), conclusion });
            }
            let answer = serde_json::from_slice(&line).map_err(not_understood)?;
            match answer {
                Answer::Agreement(_) => {
                    agreements += 1;
                    each(answer);
                }
                Answer::Agreements { count, .. } if count != agreements => {
                    let reason = format!("{agreements} of {count} agreements came");
                    return Err(DeskTrouble::BrokenOff { reason, conclusion });
                }
                last => {
                    each(last);
                    return Ok(());
                }
            }
        }
    }
}

/// What may be concluded when the answer to a request is missing.
fn conclusion(request: &Request) -> &'static str {
    match request {
        Request::Retry(ask) if ask.is_only_a_look() => "nothing was changed",
        Request::Retry(_) => "which of them were sent again is not known: look with `sluse retry … --dry-run`",
        Request::Decide(_) => "whether the decision was taken is not known: look with `sluse explain ID`",
        Request::Query { .. } => "whether the query was written is not known: look with `sluse status`",
        Request::Retention { now: true } => "what was begun goes on by itself: look with `sluse retention`",
        Request::HoldByLaw(_) => "whether it was recorded is not known: look with `sluse legal-hold list`",
        Request::Register(_) => "what was shown is not the whole register",
        Request::Status
        | Request::Explain { .. }
        | Request::List { .. }
        | Request::Held
        | Request::Gate { .. }
        | Request::Retention { now: false } => "nothing was changed",
    }
}

/// Root could do the step, but what it makes in the state folder would be root's, and the daemon could not use it.
pub(super) fn is_owner(state: &Path, uid: u32) -> Result<(), String> {
    let owner = std::fs::metadata(state).map(|metadata| metadata.uid()).unwrap_or(uid);
    if uid != 0 || owner == uid {
        return Ok(());
    }
    Err(format!("only the owner of {} may answer, call again by `sudo -u '#{owner}' sluse …`", state.display()))
}

/// Connects at once or not at all: a daemon that hangs would keep a waiting connect for ever.
fn connect_now(path: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use tempfile::TempDir;

    use super::*;
    use crate::engine::control::RegisterRequest;
    use crate::engine::decide::{Ask, Verdict};

    const LIMIT: Duration = Duration::from_millis(200);

    fn desk(folder: &TempDir, offline: Box<Offline<'static>>) -> Desk<'static> {
        Desk {
            socket: folder.path().join("control.sock"),
            within: Some(LIMIT),
            offline,
            daemon_answered: Cell::new(false),
        }
    }

    fn never() -> Box<Offline<'static>> {
        Box::new(|_, _, _| panic!("the daemon runs, so the store is left alone"))
    }

    /// A daemon that reads one request and says this, then waits until the caller has gone.
    fn daemon(folder: &TempDir, answer: &'static str) -> thread::JoinHandle<String> {
        let listener = UnixListener::bind(folder.path().join("control.sock")).unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            if answer.is_empty() {
                let _ = stream.read(&mut [0]);
            }
            request
        })
    }

    fn decision() -> Request {
        let (id, reason) = ("3f0f9a2e".to_owned(), "seen by two".to_owned());
        Request::Decide(Ask { id, verdict: Verdict::Approve, reason, seen: None })
    }

    #[test]
    fn a_running_daemon_is_asked_by_one_line_and_answers_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let daemon = daemon(&folder, "{\"answer\":\"composed\",\"path\":\"/outbox/0751/q.txt\"}\n");

        let answer = desk(&folder, never()).ask(Request::Held).unwrap();

        assert!(matches!(answer, Answer::Composed { path } if path == "/outbox/0751/q.txt"));
        assert_eq!(daemon.join().unwrap(), "{\"request\":\"held\"}\n");
    }

    #[test]
    fn without_a_daemon_the_same_question_is_answered_here_by_whom_the_kernel_names() {
        let folder = tempfile::tempdir().unwrap();
        // A socket that nobody listens on is what a killed daemon leaves.
        drop(UnixListener::bind(folder.path().join("control.sock")).unwrap());
        let expected = format!("uid {}", rustix::process::getuid().as_raw());
        let desk = desk(
            &folder,
            Box::new(move |request, who, each| {
                assert_eq!((request, who), (Request::Held, expected.clone()));
                each(Answer::Held { items: Vec::new() });
                Ok(())
            }),
        );

        assert!(matches!(desk.ask(Request::Held), Ok(Answer::Held { items }) if items.is_empty()));
    }

    #[test]
    fn root_leaves_no_file_in_a_folder_that_is_not_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let owner = std::fs::metadata(folder.path()).unwrap().uid();
        if owner == 0 {
            std::os::unix::fs::chown(folder.path(), Some(998), None).unwrap();
        }
        let owner = std::fs::metadata(folder.path()).unwrap().uid();

        assert!(is_owner(folder.path(), 0).unwrap_err().contains(&format!("sudo -u '#{owner}' sluse")));
        assert_eq!(is_owner(folder.path(), owner), Ok(()));
    }

    #[test]
    fn a_silent_daemon_is_not_waited_for_for_ever_and_a_decision_is_then_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let daemon = daemon(&folder, "");

        let trouble = desk(&folder, never()).ask(decision()).unwrap_err();

        assert!(matches!(trouble, DeskTrouble::Silent { within: LIMIT, .. }));
        assert!(trouble.to_string().contains("whether the decision was taken is not known"), "{trouble}");
        daemon.join().unwrap();
    }

    #[test]
    fn a_register_that_breaks_off_is_never_taken_for_the_whole() {
        for (answer, reason) in [
            ("{\"answer\":\"agreements\",\"count\":2}\n", "0 of 2 agreements came"),
            ("{\"answer\":\"agreements\",\"count\":0}", "it has no end"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let daemon = daemon(&folder, answer);

            let request = Request::Register(RegisterRequest::default());
            let trouble = desk(&folder, never()).ask_each(request, &mut |_| ()).unwrap_err().to_string();

            assert!(trouble.contains(reason) && trouble.contains("not the whole register"), "{trouble}");
            daemon.join().unwrap();
        }
    }

    #[test]
    fn a_refusal_is_an_error_in_the_engines_words() {
        let folder = tempfile::tempdir().unwrap();
        let daemon = daemon(&folder, "{\"answer\":\"refused\",\"why\":\"it does not wait for a person\"}\n");

        let trouble = desk(&folder, never()).ask(decision()).unwrap_err();

        assert_eq!(trouble.to_string(), "it does not wait for a person");
        daemon.join().unwrap();
    }
}
