//! Whoever is told of alarms, or asked for by the heartbeat, over HTTP: what it does with a request is told in advance, and
//! what it got is kept. Start with [`Receiver::start`].

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use super::leaks::said;

/// What the receiver does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reaction {
    Taken,
    Error,
    /// Nothing, until it is let go.
    Hang,
}

/// An HTTP server on a free port of the loopback, for as long as the test lasts.
#[derive(Clone)]
pub struct Receiver(Arc<Inside>);

struct Inside {
    address: String,
    plan: Mutex<VecDeque<Reaction>>,
    /// Each request's first line and body, and what was answered.
    got: Mutex<Vec<(String, String, Reaction)>>,
    hanging: Mutex<Vec<Box<dyn Send>>>,
}

impl Receiver {
    /// The first requests are answered like this, further ones are taken.
    pub fn start(plan: &[Reaction]) -> Receiver {
        Receiver::behind("http", plan, Some)
    }

    /// The same by another protocol; `greet` is what a connection begins with, and None what comes of none.
    pub fn behind<S: Read + Write + Send + 'static>(
        scheme: &str,
        plan: &[Reaction],
        greet: impl Fn(TcpStream) -> Option<S> + Send + 'static,
    ) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("{scheme}://localhost:{}/hunter2", listener.local_addr().unwrap().port());
        let plan = Mutex::new(plan.iter().copied().collect());
        let inside = Inside { address, plan, got: Mutex::default(), hanging: Mutex::default() };
        let receiver = Receiver(Arc::new(inside));
        let serving = receiver.clone();
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // One that breaks off has told nothing.
                let _ = greet(stream).map(|stream| serving.serve(stream));
            }
        });
        receiver
    }

    fn serve(&self, mut stream: impl Read + Write + Send + 'static) -> std::io::Result<()> {
        let mut lines = BufReader::new(&mut stream);
        let (mut first, mut length) = (String::new(), 0);
        lines.read_line(&mut first)?;
        loop {
            let mut line = String::new();
            lines.read_line(&mut line)?;
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body)?;
        said("notice", &body);
        let reaction = self.0.plan.lock().unwrap().pop_front().unwrap_or(Reaction::Taken);
        let body = String::from_utf8(body).unwrap();
        self.0.got.lock().unwrap().push((first.trim().to_owned(), body, reaction));
        match reaction {
            Reaction::Taken => stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
            Reaction::Error => stream.write_all(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
            Reaction::Hang => {
                self.0.hanging.lock().unwrap().push(Box::new(stream));
                Ok(())
            }
        }
    }

    pub fn address(&self) -> &str {
        &self.0.address
    }

    pub fn let_go(&self) {
        self.0.hanging.lock().unwrap().clear();
    }

    pub fn requests(&self) -> usize {
        self.0.got.lock().unwrap().len()
    }

    /// How a request began.
    pub fn first_line(&self, number: usize) -> String {
        self.0.got.lock().unwrap()[number].0.clone()
    }

    /// What it has taken.
    pub fn notices(&self) -> Vec<Value> {
        let got = self.0.got.lock().unwrap();
        let taken = got.iter().filter(|(_, _, reaction)| *reaction == Reaction::Taken);
        taken.map(|(_, body, _)| serde_json::from_str(body).unwrap()).collect()
    }
}

/// The notices that tell of this kind, perhaps beside others.
pub fn of_kind<'a>(notices: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let is_it = |concern: &Value| concern["kind"] == kind;
    notices.iter().filter(|notice| notice["concerns"].as_array().unwrap().iter().any(is_it)).collect()
}
