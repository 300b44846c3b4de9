//! What users have today: OpenSSH's `sftp`, lftp and rclone, as programs, against the same server with the same key.
//! Each call is a whole run with its own login, timed from start to exit. Start with [`Login::at`].

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::measure::timed;
use crate::rig::Sshd;

/// Where to log in, and as whom.
#[derive(Clone, Debug)]
pub struct Login {
    host: &'static str,
    port: u16,
    user: String,
    key: PathBuf,
}

impl Login {
    /// At this server, by way of `port`: its own, or that of a long line before it.
    pub fn at(sshd: &Sshd, port: u16) -> Login {
        Login { host: sshd.host(), port, user: sshd.user().to_owned(), key: sshd.client_key().path.clone() }
    }

    fn options(&self) -> Vec<String> {
        let options =
            ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes", "LogLevel=ERROR"];
        let key = self.key.display().to_string();
        let named = ["-F", "none", "-i", &key].map(str::to_owned);
        named.into_iter().chain(options.iter().flat_map(|option| ["-o".to_owned(), (*option).to_owned()])).collect()
    }

    /// `sftp -b` with these lines. Returns seconds.
    pub fn sftp(&self, batch: &str, scratch: &Path) -> f64 {
        let file = scratch.join("batch");
        std::fs::write(&file, batch).expect("there is room for a batch");
        let mut command = Command::new("sftp");
        command.arg("-q").arg("-b").arg(&file).args(self.options());
        command.arg("-P").arg(self.port.to_string()).arg(format!("{}@{}", self.user, self.host));
        run(command)
    }

    /// `lftp` with these commands, one a line, after it has been told where to log in.
    pub fn lftp(&self, commands: &str) -> f64 {
        let ssh = format!("ssh -a -x {}", self.options().join(" "));
        let script = format!(
            "set cmd:fail-exit true\nset sftp:connect-program \"{ssh}\"\nset mirror:set-permissions false\n\
             open -u {},unused -p {} sftp://{}\n{commands}\nbye\n",
            self.user, self.port, self.host
        );
        let mut command = Command::new("lftp");
        command.args(["--norc", "-c", &script]);
        run(command)
    }

    /// `rclone copyto`; `remote` turns a path there into what rclone calls it.
    pub fn rclone(&self, arguments: &[&str]) -> f64 {
        let mut command = Command::new("rclone");
        command.args(["--config", "/dev/null", "--quiet", "copyto", "--ignore-times", "--sftp-shell-type", "none"]);
        command.args(["--sftp-disable-hashcheck", "--sftp-host", self.host, "--sftp-port", &self.port.to_string()]);
        command.args(["--sftp-user", &self.user]).arg("--sftp-key-file").arg(&self.key).args(arguments);
        run(command)
    }

    /// `ssh`, with one of the fastest ciphers, running something there: what the bytes cost without any file protocol.
    pub fn ssh(&self, there: &str, input: Stdio) -> f64 {
        let mut command = Command::new("ssh");
        command.args(["-a", "-x", "-T", "-c", "aes128-gcm@openssh.com"]).args(self.options());
        command.arg("-p").arg(self.port.to_string()).arg(format!("{}@{}", self.user, self.host)).arg(there);
        command.stdin(input);
        run(command)
    }
}

/// Runs a program to its good end; what it prints is only looked at when it fails. Returns seconds.
pub fn run(mut command: Command) -> f64 {
    let (seconds, output) = timed(|| command.output());
    let output = output.unwrap_or_else(|why| panic!("cannot run {command:?} ({why}): call benches/setup"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}: {said}", output.status);
    seconds
}
