//! Whoever looks at the status page, as a browser or a program does, byte by byte over its socket. Everything that is
//! answered is searched for people. Start with [`At::served_by`].

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::daemon::Daemon;
use super::leaks::said;
use super::wait::until;

/// An answer of HTTP/1.1, read to its end.
pub struct Answer {
    pub status: u16,
    /// As they were sent, one a line.
    pub headers: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A connection of either kind.
pub trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// Where a page is served.
pub enum At {
    Unix(PathBuf),
    Tcp(String),
}

impl At {
    /// Waits until the page is served and the engine behind it answers; where, as the daemon says.
    pub fn served_by(daemon: &mut Daemon) -> At {
        const WORDS: &str = "status page is served";
        daemon.until_said(WORDS);
        let log = daemon.log();
        let line = log.lines().find(|line| line.contains(WORDS)).unwrap();
        let listen = line.split("listen=").nth(1).unwrap().split_whitespace().next().unwrap();
        let at = match listen.strip_prefix("unix:") {
            Some(path) => At::Unix(path.into()),
            None => At::Tcp(listen.to_owned()),
        };
        // The page is there before the engine behind it.
        until("the engine to answer", || (at.ask("/healthz", &[]).status == 200).then_some(()));
        at
    }

    /// Opens a connection and says nothing yet.
    pub fn connect(&self) -> Box<dyn Wire> {
        let within = Some(Duration::from_secs(60));
        match self {
            At::Unix(path) => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(within).unwrap();
                Box::new(stream)
            }
            At::Tcp(address) => {
                let stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(within).unwrap();
                Box::new(stream)
            }
        }
    }

    /// What it is called by.
    pub fn host(&self) -> &str {
        match self {
            At::Unix(_) => "sluse",
            At::Tcp(address) => address,
        }
    }

    /// One request, with these lines among its headers; the answer is searched for people.
    pub fn ask(&self, path: &str, lines: &[&str]) -> Answer {
        let host = format!("Host: {}", self.host());
        self.ask_by("GET", path, &[&[host.as_str()], lines].concat())
    }

    /// The same by any method, with these header lines alone.
    pub fn ask_by(&self, method: &str, path: &str, lines: &[&str]) -> Answer {
        let mut wire = self.connect();
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        write!(wire, "{method} {path} HTTP/1.1\r\nConnection: close\r\n{lines}\r\n").unwrap();
        let mut bytes = Vec::new();
        wire.read_to_end(&mut bytes).unwrap();
        said("page", &bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {path}: {text:?}"));
        let (first, headers) = head.split_once("\r\n").unwrap();
        let status = first.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, headers: headers.to_owned(), body: body.to_owned() }
    }

    /// The body of a page in English, which must be there.
    pub fn page(&self, path: &str) -> String {
        let answer = self.ask(path, &["Accept-Language: en"]);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }
}
