//! A long line: a TCP proxy on loopback that hands every byte on after a while, in order, without a bound on how many
//! are on their way. Only the distance is played, not a narrow line and no loss; the TCP handshake itself is not
//! delayed. Start with [`Delay::before`].

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::rig::let_pass;

/// So much is read at once; what has come together goes on together.
const BLOCK_BYTES: usize = 256 << 10;

/// A line at work. Dropped, it takes no more connections; those that there are end with their ends.
pub struct Delay {
    port: u16,
    ends: Arc<AtomicBool>,
}

impl Delay {
    /// Before this port of the loopback interface; a byte takes `each_way` there, and as long back.
    pub fn before(target: u16, each_way: Duration) -> Delay {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let ends = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&ends);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                if let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) {
                    lay(&near, &far, each_way);
                    lay(&far, &near, each_way);
                }
            }
        });
        Delay { port, ends }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes who accepts.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

/// One direction: who reads never waits for who writes.
fn lay(from: &TcpStream, to: &TcpStream, delay: Duration) {
    let _ = from.set_nodelay(true);
    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
    let (on_its_way, arriving) = mpsc::channel();
    thread::spawn(move || depart(from, &on_its_way, delay));
    thread::spawn(move || arrive(to, &arriving));
}

fn depart(mut from: TcpStream, on_its_way: &Sender<(Instant, Vec<u8>)>, delay: Duration) {
    let mut block = vec![0; BLOCK_BYTES];
    while let Some(read) = from.read(&mut block).ok().filter(|read| *read > 0) {
        if on_its_way.send((Instant::now() + delay, block[..read].to_vec())).is_err() {
            break;
        }
    }
}

fn arrive(mut to: TcpStream, arriving: &Receiver<(Instant, Vec<u8>)>) {
    for (due, bytes) in arriving {
        let_pass(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    // The other direction learns of the end from its own end.
    let _ = to.shutdown(Shutdown::Both);
}
