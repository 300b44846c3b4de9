//! A TCP proxy between daemon and server, in the test's own process: it passes bytes on, and can be told to cut, to say
//! nothing, to swallow one direction, or to crawl. Connections that it has spoilt stay spoilt after [`Proxy::heal`], as
//! they would in a network that forgot them; new ones are whole. Start with [`Proxy::to`].

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The time that one byte takes on a line that crawls.
const CRAWL: Duration = Duration::from_secs(1);

/// The way that bytes take, seen from the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    There,
    Back,
}

/// What the proxy does to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    /// Accepts, and then nothing.
    Silent,
    /// Accepts, and hangs up.
    Refusing,
    /// Takes the bytes of one direction and passes none on: no end, no reset.
    HalfOpen(Direction),
    /// One byte a second in each direction.
    Crawl,
}

/// A proxy at work. Dropped, it ends all its connections.
pub struct Proxy {
    shared: Arc<Shared>,
    port: u16,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    target: u16,
}

struct State {
    way: Way,
    ends: bool,
    /// Both ends of every connection that lives, as far as they are made.
    sockets: Vec<TcpStream>,
    /// Accepted so far.
    connections: u64,
    /// Bytes passed on, in both directions and all connections.
    passed: u64,
    /// Where in `passed` everything is to be cut, once.
    cut_at: Option<u64>,
    /// Bytes that were swallowed, and connections that were accepted in silence: that the daemon has run into it.
    ran_into: u64,
}

/// What may be done with some bytes now.
enum Gate {
    /// Pass on so many.
    Pass(usize),
    /// Pass on so many, then cut.
    Cut(usize),
    Swallow,
}

impl Proxy {
    /// A proxy before this port of the loopback interface, on a free port.
    pub fn to(target: u16) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let state = State {
            way: Way::Open,
            ends: false,
            sockets: Vec::new(),
            connections: 0,
            passed: 0,
            cut_at: None,
            ran_into: 0,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), target });
        let its = Arc::clone(&shared);
        let accepting = Some(thread::spawn(move || its.accept(&listener)));
        Proxy { shared, port, accepting }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Bytes passed on so far, in both directions.
    pub fn passed(&self) -> u64 {
        self.shared.state().passed
    }

    /// Connections that were accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.state().connections
    }

    /// Ends every connection that there is.
    pub fn hang_up(&self) {
        self.shared.state().hang_up();
    }

    /// Ends every connection once, after so many more bytes.
    pub fn cut_after(&self, bytes: u64) {
        let mut state = self.shared.state();
        state.cut_at = Some(state.passed + bytes);
    }

    /// Whether a cut is still to come.
    pub fn cut_is_ahead(&self) -> bool {
        self.shared.state().cut_at.is_some()
    }

    /// Accepts connections from now on and says nothing; those that there are end.
    pub fn fall_silent(&self) {
        self.shared.go(Way::Silent);
        self.hang_up();
    }

    /// Hangs up on everyone.
    pub fn refuse(&self) {
        self.shared.go(Way::Refusing);
        self.hang_up();
    }

    /// Lets the bytes of one direction disappear, in connections old and new.
    pub fn swallow(&self, direction: Direction) {
        self.shared.go(Way::HalfOpen(direction));
    }

    pub fn crawl(&self) {
        self.shared.go(Way::Crawl);
    }

    /// Is whole again, for new connections and those that only crawled.
    pub fn heal(&self) {
        self.shared.go(Way::Open);
    }

    /// Whether the daemon has run into what was done to it since the way was last changed.
    pub fn was_run_into(&self) -> bool {
        self.shared.state().ran_into > 0
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        {
            let mut state = self.shared.state();
            state.ends = true;
            state.hang_up();
        }
        self.shared.changed.notify_all();
        // Wakes who accepts.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl State {
    fn hang_up(&mut self) {
        for socket in self.sockets.drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    fn go(&self, way: Way) {
        let mut state = self.state();
        state.way = way;
        state.ran_into = 0;
        drop(state);
        self.changed.notify_all();
    }

    fn accept(self: Arc<Self>, listener: &TcpListener) {
        let mut pumps: Vec<JoinHandle<()>> = Vec::new();
        for near in listener.incoming().map_while(Result::ok) {
            if self.state().ends {
                break;
            }
            pumps.retain(|pump| !pump.is_finished());
            pumps.extend(self.connect(near));
        }
        for pump in pumps {
            let _ = pump.join();
        }
    }

    /// The two threads of a connection; none where nobody is there, or nothing is to be said.
    fn connect(self: &Arc<Self>, near: TcpStream) -> Vec<JoinHandle<()>> {
        {
            let mut state = self.state();
            state.connections += 1;
            match state.way {
                Way::Open | Way::HalfOpen(_) | Way::Crawl => {}
                Way::Silent => {
                    state.ran_into += 1;
                    state.sockets.push(near);
                    return Vec::new();
                }
                Way::Refusing => return Vec::new(),
            }
        }
        let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.target)) else { return Vec::new() };
        let half_open = Arc::new(AtomicBool::new(false));
        let pump = |direction, from: &TcpStream, to: &TcpStream| {
            let _ = from.set_nodelay(true);
            let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
            let (shared, half_open) = (Arc::clone(self), Arc::clone(&half_open));
            thread::spawn(move || shared.pump(direction, from, to, &half_open))
        };
        let pumps = vec![pump(Direction::There, &near, &far), pump(Direction::Back, &far, &near)];
        self.state().sockets.extend([near, far]);
        pumps
    }

    fn pump(&self, direction: Direction, mut from: TcpStream, mut to: TcpStream, half_open: &AtomicBool) {
        let mut block = [0; 16 * 1024];
        // Once something is missing in a direction, nothing behind it may come.
        let mut is_spoilt = false;
        'all: while let Some(read) = from.read(&mut block).ok().filter(|read| *read > 0) {
            let mut rest = &block[..read];
            while !rest.is_empty() {
                let (length, is_cut) = match self.gate(direction, is_spoilt, rest.len()) {
                    Gate::Pass(length) => (length, false),
                    Gate::Cut(length) => (length, true),
                    Gate::Swallow => {
                        is_spoilt = true;
                        half_open.store(true, Ordering::Relaxed);
                        break;
                    }
                };
                let written = to.write_all(&rest[..length]);
                if is_cut {
                    return self.state().hang_up();
                }
                if written.is_err() {
                    break 'all;
                }
                rest = &rest[length..];
            }
        }
        // A half-open connection hides from each end that the other is gone.
        if !half_open.load(Ordering::Relaxed) {
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        }
    }

    fn gate(&self, direction: Direction, is_spoilt: bool, length: usize) -> Gate {
        let mut state = self.state();
        if is_spoilt || state.way == Way::HalfOpen(direction) {
            state.ran_into += 1;
            return Gate::Swallow;
        }
        let mut length = length as u64;
        if state.way == Way::Crawl {
            state.ran_into += 1;
            length = 1;
            let crawls = |state: &mut State| state.way == Way::Crawl && !state.ends;
            (state, _) = self.changed.wait_timeout_while(state, CRAWL, crawls).expect("nobody panics with it");
        }
        if let Some(cut_at) = state.cut_at
            && state.passed + length >= cut_at
        {
            let left = cut_at.saturating_sub(state.passed);
            state.passed += left;
            state.cut_at = None;
            return Gate::Cut(left as usize);
        }
        state.passed += length;
        Gate::Pass(length as usize)
    }
}
