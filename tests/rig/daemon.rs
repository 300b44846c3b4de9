//! The binary as a child process: started with a settings file, told to stop, killed. Its log goes to a file, whose
//! end is printed when a test fails. Start with [`Daemon::start`].

use std::fs::{self, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};

use super::leaks::said;
use super::wait::until;

/// Of the log, when a test fails.
const LINES_SHOWN: usize = 60;

/// A daemon at work, or one that has ended. Dropped, it is killed.
pub struct Daemon {
    child: Child,
    log: PathBuf,
    /// Where in the log this one began.
    begins_at: usize,
    ended: Option<ExitStatus>,
}

impl Daemon {
    /// Starts it and returns at once; `log` grows with each one that is started.
    pub fn start(config: &Path, log: &Path, environment: &[(&str, String)]) -> Daemon {
        Daemon::start_by(Command::new(env!("CARGO_BIN_EXE_sluse")), config, log, environment)
    }

    /// The same with a command of its own, which may have some arguments already.
    pub fn start_by(mut command: Command, config: &Path, log: &Path, environment: &[(&str, String)]) -> Daemon {
        let file = OpenOptions::new().create(true).append(true).open(log).expect("the temporary directory is ours");
        let begins_at = fs::read(log).map_or(0, |bytes| bytes.len());
        command.arg("--config").arg(config).arg("run");
        for variable in ["JOURNAL_STREAM", "NOTIFY_SOCKET", "SLUSE_LOG"] {
            command.env_remove(variable);
        }
        command.envs(environment.iter().map(|(name, value)| (*name, value.as_str())));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = command.spawn().expect("cargo has built the binary");
        Daemon { child, log: log.to_owned(), begins_at, ended: None }
    }

    /// What this one has said.
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes[self.begins_at.min(bytes.len())..]).into_owned()
    }

    /// Waits until it has said this.
    pub fn until_said(&mut self, words: &str) {
        until(&format!("{words:?} in the log"), || {
            assert!(!self.has_ended() || self.log().contains(words), "it ended without a word of {words:?}");
            self.log().contains(words).then_some(())
        });
    }

    pub fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("it is our child");
        }
        self.ended.is_some()
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        until("the daemon's end", || self.has_ended().then_some(()));
        self.ended.expect("it has ended")
    }

    /// Waits until it dies of a SIGKILL that it sends itself at a kill point.
    pub fn wait_for_kill(&mut self) {
        let status = self.wait();
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "it was to be killed, and ended with {status}");
    }

    /// `kill -9`, and none of it is left when this returns.
    pub fn kill_9(&mut self) {
        if !self.has_ended() {
            self.signal(Signal::KILL);
            self.wait();
        }
    }

    /// SIGTERM; returns how it ended, and how long that took.
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        self.signal(Signal::TERM);
        let status = self.wait();
        (status, began.elapsed())
    }

    /// SIGHUP: it reads its settings again.
    pub fn reload(&self) {
        self.signal(Signal::HUP);
    }

    /// The most memory that it ever held, in bytes, as the kernel has counted it.
    pub fn memory_peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells it");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
        kib << 10
    }

    /// It may open so many files from now on, whatever it has open; None: as many as it ever may.
    pub fn limit_open_files(&self, files: Option<u64>) {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit { current: files.or(maximum), maximum };
        prlimit(Some(self.pid()), Resource::Nofile, limit).expect("it is our child");
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it is our child and nobody has waited for it");
    }

    pub fn pid(&self) -> Pid {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a child has a process id")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        said("log", self.log().as_bytes());
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
            eprintln!("---- the daemon's log, {} of {} lines:\n{}", shown.len(), lines.len(), shown.join("\n"));
        }
    }
}
