//! The far side in memory: OUT and IN, and sessions whose requests are carried out in their order, but each session's at
//! times of its own: what a dead session had sent may be carried out much later, or never. Start with [`Server`];
//! [`SimEndpoint`] makes one process's sessions with it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluse::domain::identity::RemoteName;
use sluse::transport::{Abilities, Connect, FarSide, Folder, Listed, Listing, RemotePath, Trouble};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::fate::{Dead, Life, pass};
use super::fault::{Fault, Kind, Lateness, When};

/// One request as the server reads it.
#[derive(Clone, Debug)]
enum Request {
    List(Folder),
    Size(RemotePath),
    Read(RemotePath),
    Open(RemotePath),
    Write { inode: usize, offset: usize, bytes: Vec<u8> },
    Rename { from: RemotePath, to: RemotePath },
    Remove(RemotePath),
}

#[derive(Debug)]
enum Answer {
    Listing(Listing),
    Size(u64),
    Bytes(Vec<u8>),
    Inode(usize),
    Done,
    Missing,
}

/// What a dead session had sent.
struct Ghost {
    requests: VecDeque<Request>,
    lateness: Lateness,
    since: Instant,
}

type Names = BTreeMap<RemoteName, usize>;

#[derive(Default)]
struct Machine {
    inodes: Vec<Vec<u8>>,
    out: Names,
    r#in: Names,
    ghosts: Vec<Ghost>,
}

/// The server, which outlives every session.
#[derive(Clone, Default)]
pub struct Server(Arc<Mutex<Machine>>);

impl Server {
    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out what has been late for long enough.
    pub fn wake_ghosts(&self) {
        self.machine().wake_ghosts(false);
    }

    /// Whether something may still be carried out late.
    pub fn has_ghosts(&self) -> bool {
        self.machine().ghosts.iter().any(|ghost| ghost.lateness != Lateness::Never)
    }

    // The hub's own hands.

    pub fn names(&self, folder: Folder) -> Vec<RemoteName> {
        self.machine().folder(folder).keys().cloned().collect()
    }

    pub fn content(&self, folder: Folder, name: &RemoteName) -> Option<Vec<u8>> {
        let mut machine = self.machine();
        let inode = *machine.folder(folder).get(name)?;
        Some(machine.inodes[inode].clone())
    }

    /// All of a folder.
    pub fn contents(&self, folder: Folder) -> BTreeMap<RemoteName, Vec<u8>> {
        let mut machine = self.machine();
        let names = machine.folder(folder).clone();
        names.into_iter().map(|(name, inode)| (name, machine.inodes[inode].clone())).collect()
    }

    /// Whole or not at all.
    pub fn put(&self, folder: Folder, name: &RemoteName, content: Vec<u8>) {
        let mut machine = self.machine();
        machine.inodes.push(content);
        let inode = machine.inodes.len() - 1;
        machine.folder(folder).insert(name.clone(), inode);
    }

    pub fn take(&self, folder: Folder, name: &RemoteName) -> Option<Vec<u8>> {
        let mut machine = self.machine();
        let inode = machine.folder(folder).remove(name)?;
        Some(machine.inodes[inode].clone())
    }
}

impl Machine {
    fn folder(&mut self, folder: Folder) -> &mut Names {
        match folder {
            Folder::Out => &mut self.out,
            Folder::In => &mut self.r#in,
        }
    }

    fn wake_ghosts(&mut self, is_request: bool) {
        let mut ghosts = std::mem::take(&mut self.ghosts);
        ghosts.retain_mut(|ghost| {
            let is_awake = match &mut ghost.lateness {
                Lateness::Never => return false,
                Lateness::Seconds(seconds) => ghost.since.elapsed() >= Duration::from_secs(*seconds),
                Lateness::Requests(left) => {
                    *left -= u32::from(is_request && *left > 0);
                    *left == 0
                }
            };
            if is_awake {
                ghost.requests.drain(..).for_each(|request| drop(self.carry_out(request)));
            }
            !is_awake
        });
        self.ghosts.extend(ghosts);
    }

    fn carry_out(&mut self, request: Request) -> Answer {
        let inode_of = |machine: &mut Machine, path: &RemotePath| machine.folder(path.folder).get(&path.name).copied();
        match request {
            Request::List(folder) => {
                let names = self.folder(folder).clone();
                let files =
                    names.into_iter().map(|(name, inode)| Listed { name, size: self.inodes[inode].len() as u64 });
                Answer::Listing(Listing { files: files.collect(), passed_over: 0 })
            }
            Request::Size(path) => {
                inode_of(self, &path).map_or(Answer::Missing, |inode| Answer::Size(self.inodes[inode].len() as u64))
            }
            Request::Read(path) => {
                inode_of(self, &path).map_or(Answer::Missing, |inode| Answer::Bytes(self.inodes[inode].clone()))
            }
            Request::Open(path) => Answer::Inode(inode_of(self, &path).unwrap_or_else(|| {
                self.inodes.push(Vec::new());
                let inode = self.inodes.len() - 1;
                self.folder(path.folder).insert(path.name, inode);
                inode
            })),
            Request::Write { inode, offset, bytes } => {
                let content = &mut self.inodes[inode];
                content.resize(content.len().max(offset + bytes.len()), 0);
                content[offset..offset + bytes.len()].copy_from_slice(&bytes);
                Answer::Done
            }
            Request::Rename { from, to } => match self.folder(from.folder).remove(&from.name) {
                None => Answer::Missing,
                Some(inode) => {
                    self.folder(to.folder).insert(to.name, inode);
                    Answer::Done
                }
            },
            Request::Remove(path) => match self.folder(path.folder).remove(&path.name) {
                None => Answer::Missing,
                Some(_) => Answer::Done,
            },
        }
    }
}

/// What one session has sent, and what was answered.
#[derive(Default)]
struct Line {
    sent: VecDeque<(u64, Request)>,
    answers: BTreeMap<u64, Answer>,
    tickets: u64,
}

pub struct SimSession {
    server: Server,
    life: Life,
    line: Mutex<Line>,
    is_cut: AtomicBool,
    posix_rename: bool,
}

/// Makes one process's sessions.
pub struct SimEndpoint {
    pub server: Server,
    pub life: Life,
    pub posix_rename: bool,
    /// Every session that was made, to be cut when the process dies.
    pub sessions: Arc<Mutex<Vec<Arc<SimSession>>>>,
}

/// A session as the engine holds it.
pub struct Held(Arc<SimSession>);

impl Connect for SimEndpoint {
    type Session = Held;

    async fn connect(&self) -> Result<Held, Trouble> {
        let fails = |why: &'static str| Trouble::Unreachable(why.into());
        match self.life.next(Kind::Connect, || "connect".into()) {
            Err(Dead) => std::future::pending().await,
            Ok(None) => {}
            Ok(Some(deadly @ (Fault::Killed(_) | Fault::PowerLost(_)))) => {
                self.life.die(deadly);
                return std::future::pending().await;
            }
            Ok(Some(_)) => return Err(fails("as planned")),
        }
        let session = Arc::new(SimSession {
            server: self.server.clone(),
            life: self.life.clone(),
            line: Mutex::default(),
            is_cut: AtomicBool::new(false),
            posix_rename: self.posix_rename,
        });
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).push(session.clone());
        Ok(Held(session))
    }
}

impl SimSession {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection is gone. What was sent and not carried out becomes a ghost's.
    pub fn cut(&self, lateness: Lateness) {
        if self.is_cut.swap(true, Ordering::Relaxed) {
            return;
        }
        let requests: VecDeque<_> = self.line().sent.drain(..).map(|(_, request)| request).collect();
        if !requests.is_empty() {
            self.server.machine().ghosts.push(Ghost { requests, lateness, since: Instant::now() });
        }
    }

    fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    fn send(&self, request: Request) -> u64 {
        let mut line = self.line();
        line.tickets += 1;
        let ticket = line.tickets;
        line.sent.push_back((ticket, request));
        ticket
    }

    /// The server reads on until it has answered this request.
    fn carry_out_until(&self, ticket: u64) {
        let mut machine = self.server.machine();
        machine.wake_ghosts(true);
        let mut line = self.line();
        while line.sent.front().is_some_and(|(next, _)| *next <= ticket) {
            let Some((next, request)) = line.sent.pop_front() else { break };
            let answer = machine.carry_out(request);
            line.answers.insert(next, answer);
        }
    }

    /// On the way between here and there.
    async fn travel(&self) {
        match self.life.fates().below(4) {
            0 => pass(Duration::from_millis(1 + self.life.fates().below(40))).await,
            _ => tokio::task::yield_now().await,
        }
    }

    /// One request and its answer. `following`: what is sent behind it without waiting.
    async fn ask(&self, kind: Kind, request: Request, following: Option<Request>) -> Result<Answer, Trouble> {
        if self.is_cut() {
            return Err(Trouble::Unreachable("the session is gone".into()));
        }
        let uncertain = || Trouble::Uncertain("the connection was lost".into());
        match self.life.next(kind, || told(&request)) {
            Err(Dead) => std::future::pending().await,
            Ok(None) => {}
            Ok(Some(Fault::Fails)) => {
                self.cut(Lateness::Never);
                return Err(Trouble::Unreachable("as planned".into()));
            }
            Ok(Some(Fault::Refused | Fault::Full(_))) => return Err(Trouble::Refused("as planned".into())),
            Ok(Some(Fault::AnswerLost)) => {
                let ticket = self.send(request);
                self.carry_out_until(ticket);
                self.cut(Lateness::Never);
                return Err(uncertain());
            }
            Ok(Some(Fault::Late(lateness))) => {
                self.send(request);
                following.map(|request| self.send(request));
                self.cut(lateness);
                return Err(uncertain());
            }
            Ok(Some(deadly @ (Fault::Killed(when) | Fault::PowerLost(when)))) => {
                let ticket = self.send(request);
                match when {
                    When::Before | When::Late(_) => {
                        following.map(|request| self.send(request));
                    }
                    When::After | When::Amid => self.carry_out_until(ticket),
                }
                self.life.die(deadly);
                return std::future::pending().await;
            }
        }
        let ticket = self.send(request);
        self.travel().await;
        if self.life.is_over() {
            return std::future::pending().await;
        }
        if self.is_cut() {
            return Err(uncertain());
        }
        self.carry_out_until(ticket);
        self.travel().await;
        if self.life.is_over() {
            return std::future::pending().await;
        }
        let answer = self.line().answers.remove(&ticket);
        match answer {
            Some(answer) if !self.is_cut() => Ok(answer),
            _ => Err(uncertain()),
        }
    }
}

fn told(request: &Request) -> String {
    match request {
        Request::List(folder) => format!("list {folder:?}"),
        Request::Size(path) => format!("size of {path}"),
        Request::Read(path) => format!("read {path}"),
        Request::Open(path) => format!("open {path}"),
        Request::Write { offset, bytes, .. } => format!("write {} bytes at {offset}", bytes.len()),
        Request::Rename { from, to } => format!("rename {from} to {to}"),
        Request::Remove(path) => format!("remove {path}"),
    }
}

fn strange<T>(answer: &Answer) -> Result<T, Trouble> {
    match answer {
        Answer::Missing => Err(Trouble::Missing),
        other => unreachable!("the server answered with {other:?}"),
    }
}

impl FarSide for Held {
    fn abilities(&self) -> Abilities {
        Abilities { posix_rename: self.0.posix_rename, fsync: false }
    }

    async fn list(&self, folder: Folder, _: usize) -> Result<Listing, Trouble> {
        match self.0.ask(Kind::FarRead, Request::List(folder), None).await? {
            Answer::Listing(listing) => Ok(listing),
            other => strange(&other),
        }
    }

    async fn size(&self, path: &RemotePath) -> Result<u64, Trouble> {
        match self.0.ask(Kind::FarRead, Request::Size(path.clone()), None).await? {
            Answer::Size(size) => Ok(size),
            other => strange(&other),
        }
    }

    async fn read<W: AsyncWrite + Unpin + Send>(
        &self,
        path: &RemotePath,
        at_most: u64,
        sink: &mut W,
    ) -> Result<u64, Trouble> {
        match self.0.ask(Kind::FarRead, Request::Read(path.clone()), None).await? {
            Answer::Bytes(bytes) if bytes.len() as u64 > at_most => Err(Trouble::GaveUp("it is longer".into())),
            Answer::Bytes(bytes) => {
                sink.write_all(&bytes).await.map_err(|e| Trouble::GaveUp(e.to_string()))?;
                Ok(bytes.len() as u64)
            }
            other => strange(&other),
        }
    }

    async fn write<R: AsyncRead + Unpin + Send>(&self, path: &RemotePath, source: &mut R) -> Result<u64, Trouble> {
        let inode = match self.0.ask(Kind::FarWrite, Request::Open(path.clone()), None).await? {
            Answer::Inode(inode) => inode,
            other => return strange(&other),
        };
        let uncertain = |trouble: Trouble| Trouble::Uncertain(format!("after the open: {trouble}"));
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).await.map_err(|e| Trouble::Uncertain(e.to_string()))?;
        let middle = bytes.len() / 2;
        let rest = Request::Write { inode, offset: middle, bytes: bytes.split_off(middle) };
        let size = middle
            + match &rest {
                Request::Write { bytes, .. } => bytes.len(),
                _ => 0,
            };
        let first = Request::Write { inode, offset: 0, bytes };
        self.0.ask(Kind::FarWrite, first, Some(rest.clone())).await.map_err(uncertain)?;
        self.0.ask(Kind::FarWrite, rest, None).await.map_err(uncertain)?;
        Ok(size as u64)
    }

    async fn rename(&self, from: &RemotePath, to: &RemotePath) -> Result<(), Trouble> {
        if !self.0.posix_rename {
            return Err(Trouble::Refused("the server cannot".into()));
        }
        let request = Request::Rename { from: from.clone(), to: to.clone() };
        match self.0.ask(Kind::FarWrite, request, None).await? {
            Answer::Done => Ok(()),
            other => strange(&other),
        }
    }

    async fn remove(&self, path: &RemotePath) -> Result<(), Trouble> {
        match self.0.ask(Kind::FarWrite, Request::Remove(path.clone()), None).await? {
            Answer::Done => Ok(()),
            other => strange(&other),
        }
    }

    async fn close(&self) {
        self.0.cut(Lateness::Never);
    }
}

/// Cuts every session of a dead process.
pub fn cut_all(sessions: &Mutex<Vec<Arc<SimSession>>>, lateness: Lateness) {
    sessions.lock().unwrap_or_else(PoisonError::into_inner).drain(..).for_each(|session| session.cut(lateness));
}
