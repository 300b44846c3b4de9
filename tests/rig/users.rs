//! People and programs of other users than the one who tests: root alone can be all of them. They need no entry
//! in the system's table, only a number.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// A user with its groups.
#[derive(Clone, Copy, Debug)]
pub struct User {
    pub name: &'static str,
    pub uid: u32,
    pub gid: u32,
    pub groups: &'static [u32],
}

/// The group that outbox and inbox are shared by, as `sluse-exchange` of the shipped sysusers file.
const EXCHANGE: u32 = 64_200;

impl User {
    /// As which the daemon runs.
    pub const SLUSE: User = User { name: "sluse", uid: 64_201, gid: 64_201, groups: &[EXCHANGE] };
    /// The benefit system's.
    pub const BENEFIT: User = User { name: "the benefit system", uid: 64_202, gid: 64_202, groups: &[EXCHANGE] };
    /// A person who may ask the daemon.
    pub const OPERATOR: User = User { name: "an operator", uid: 64_203, gid: 64_203, groups: &[User::SLUSE.gid] };
    /// Anybody else on the machine.
    pub const STRANGER: User = User { name: "a stranger", uid: 64_204, gid: 64_204, groups: &[] };

    /// A program as this user.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        assert!(rustix::process::geteuid().is_root(), "only root can be somebody else: run these tests as root");
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={}", self.uid)).arg(format!("--regid={}", self.gid));
        match self.groups {
            [] => command.arg("--clear-groups"),
            groups => {
                command.arg(format!("--groups={}", groups.iter().map(u32::to_string).collect::<Vec<_>>().join(",")))
            }
        };
        command.arg("--").arg(program);
        command
    }

    /// Whether a shell of this user can do this.
    pub fn can(&self, script: &str) -> bool {
        self.command("sh").args(["-c", script]).output().expect("setpriv is in every Debian").status.success()
    }

    /// Gives this user a file or folder; its group is the user's own, or the shared one.
    pub fn gets(&self, path: &Path, is_shared: bool) {
        let group = if is_shared { EXCHANGE } else { self.gid };
        std::os::unix::fs::chown(path, Some(self.uid), Some(group)).expect("root may give files away");
    }
}
