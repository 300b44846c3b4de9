//! How far a command is, on a line that comes only where a person is watching and it takes longer than a moment, and
//! that is gone again when it is done. Start with [`Progress::on_terminal`].

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// What is done sooner needs no line.
const QUIET_FOR: Duration = Duration::from_secs(1);
const TOLD_EVERY: Duration = Duration::from_millis(200);

/// Begins a line anew and clears it.
const CLEAR: &str = "\r\x1b[K";

/// One line on standard error. Dropped, it takes the line away.
#[derive(Debug)]
pub struct Progress {
    is_watched: bool,
    next: Instant,
    is_shown: bool,
}

impl Progress {
    pub fn on_terminal() -> Progress {
        let is_watched = io::stderr().is_terminal();
        Progress { is_watched, next: Instant::now() + QUIET_FOR, is_shown: false }
    }

    /// Shows how far it is; the words are asked for only when they are shown.
    pub fn tell(&mut self, words: impl FnOnce() -> String) {
        let now = Instant::now();
        if !self.is_watched || now < self.next {
            return;
        }
        self.next = now + TOLD_EVERY;
        self.is_shown = true;
        let mut err = io::stderr().lock();
        // Who does not see the line misses nothing.
        let _ = write!(err, "{CLEAR}{}", words()).and_then(|()| err.flush());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            let mut err = io::stderr().lock();
            let _ = write!(err, "{CLEAR}").and_then(|()| err.flush());
        }
    }
}
