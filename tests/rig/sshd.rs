//! A real OpenSSH server on a free port of 127.0.0.1, in a temporary directory, as an ordinary child process. It
//! serves the user that runs the tests, root or an ordinary one with a shell, over SFTP. It can be stopped,
//! started again on its port, frozen and thawed, and is gone when dropped. Start with [`Sshd::start`].

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sluse::transport::identity_key::Identity;
use sluse::transport::sftp::{Deadlines, SftpSettings};
use tempfile::TempDir;

use super::keys::{KeyFile, KeyFormat, KeyType};
use super::wait::until;

const SSHD: &str = "/usr/sbin/sshd";
/// Below the kernel's ephemeral ports, so that nobody's outgoing connection takes ours between stop and start.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// What is special about a server; [`Plan::default`] is a plain one with an Ed25519 key.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its host keys, at most one per type.
    pub host_keys: Vec<KeyType>,
    /// SFTP requests that it refuses, by the names of `sftp-server -Q requests`, such as `posix-rename`.
    pub refused_requests: Vec<&'static str>,
    /// Whether nothing may be changed there.
    pub read_only: bool,
    /// More lines for its sshd_config.
    pub lines: Vec<String>,
    /// Where a login lands; None: a folder of the server's own.
    pub root: Option<PathBuf>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            host_keys: vec![KeyType::Ed25519],
            refused_requests: Vec::new(),
            read_only: false,
            lines: Vec::new(),
            root: None,
        }
    }
}

/// A running (or stopped, or frozen) server. Its folders `OUT` and `IN` are there from the start.
pub struct Sshd {
    home: TempDir,
    root: PathBuf,
    port: u16,
    user: String,
    host_keys: Vec<KeyFile>,
    client_key: KeyFile,
    child: Option<Child>,
    /// Every process that was ever stopped: one whose parent ended before it was reached is nobody's child any more.
    frozen: Mutex<Vec<Pid>>,
}

impl Sshd {
    /// A plain server, which answers.
    pub fn start() -> Self {
        Self::with(Plan::default())
    }

    pub fn with(plan: Plan) -> Self {
        assert!(Path::new(SSHD).exists(), "{SSHD} is not there: install Debian's package openssh-server");
        let home = TempDir::with_prefix("sluse-sshd-").expect("a temporary directory can be made");
        let folder = home.path();
        let root = plan.root.clone().unwrap_or_else(|| folder.join("root"));
        for name in ["OUT", "IN"] {
            fs::create_dir_all(root.join(name)).expect("the temporary directory is ours");
        }
        if rustix::process::geteuid().is_root() {
            // Debian makes it when the service starts; without it sshd does not run as root.
            fs::create_dir_all("/run/sshd").expect("root can make /run/sshd");
        }
        let host_keys: Vec<KeyFile> = plan
            .host_keys
            .iter()
            .map(|kind| KeyFile::generate(folder, &format!("host_{kind:?}"), *kind, KeyFormat::OpenSsh, ""))
            .collect();
        let client_key = KeyFile::generate(folder, "client", KeyType::Ed25519, KeyFormat::OpenSsh, "");
        let mut sshd = Self {
            home,
            root,
            port: 0,
            user: user_name(),
            host_keys,
            client_key,
            child: None,
            frozen: Mutex::default(),
        };
        sshd.authorize(&sshd.client_key.clone());
        for _ in 0..50 {
            sshd.port = free_port();
            fs::write(sshd.config(), sshd.configuration(&plan)).expect("the temporary directory is ours");
            if sshd.try_start() {
                return sshd;
            }
        }
        panic!("sshd does not start: {}", sshd.log());
    }

    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn user(&self) -> &str {
        &self.user
    }

    /// Where a login lands: the folder that holds `OUT` and `IN`.
    pub fn root(&self) -> PathBuf {
        self.root.clone()
    }

    pub fn out(&self) -> PathBuf {
        self.root().join("OUT")
    }

    pub fn r#in(&self) -> PathBuf {
        self.root().join("IN")
    }

    /// A folder for the test's own keys and files.
    pub fn scratch(&self) -> &Path {
        self.home.path()
    }

    /// The unencrypted Ed25519 key that may log in from the start.
    pub fn client_key(&self) -> &KeyFile {
        &self.client_key
    }

    /// The host keys, in the order of the plan.
    pub fn host_keys(&self) -> &[KeyFile] {
        &self.host_keys
    }

    /// Lets one more key log in.
    pub fn authorize(&self, key: &KeyFile) {
        let path = self.home.path().join("authorized_keys");
        let known = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, known + &key.public_line()).expect("the temporary directory is ours");
    }

    /// Lets these keys log in, and no others. Who is logged in stays so.
    pub fn authorize_only(&self, public_lines: &[String]) {
        fs::write(self.home.path().join("authorized_keys"), public_lines.concat())
            .expect("the temporary directory is ours");
    }

    /// A host key that it does not show yet.
    pub fn new_host_key(&self, name: &str) -> KeyFile {
        KeyFile::generate(self.home.path(), name, KeyType::Ed25519, KeyFormat::OpenSsh, "")
    }

    /// Stops it and starts it again on the same port, a plain server with this host key alone.
    pub fn restart_with_host_key(&mut self, key: KeyFile) {
        let plan = Plan { root: Some(self.root.clone()), ..Plan::default() };
        self.host_keys = vec![key];
        self.restart_as(&plan);
    }

    /// Settings with which everything works: all host keys pinned, the client key, default deadlines.
    pub fn settings(&self) -> SftpSettings {
        SftpSettings {
            host: self.host().to_owned(),
            port: self.port,
            user: self.user.parse().expect("a user's name here is one there"),
            identity: Identity::read(&self.client_key.path, None).expect("ssh-keygen writes good keys"),
            host_keys: self.host_keys.iter().map(|key| key.fingerprint().parse().unwrap()).collect(),
            out: "OUT".to_owned(),
            r#in: "IN".to_owned(),
            deadlines: Deadlines::default(),
        }
    }

    /// Everything that the server has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// Starts again after [`Sshd::stop`], on the same port.
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "it is running");
        assert!(self.try_start(), "sshd does not start again: {}", self.log());
    }

    /// Stops it and starts it again on the same port, with other requests refused. Keys and folders stay.
    pub fn restart_as(&mut self, plan: &Plan) {
        self.stop();
        fs::write(self.config(), self.configuration(plan)).expect("the temporary directory is ours");
        self.start_again();
    }

    /// Kills the listener and all sessions, frozen or not, without a farewell.
    pub fn stop(&mut self) {
        // Frozen first: nothing forks while its relatives are looked for.
        self.freeze();
        let mut family = self.family();
        let frozen = std::mem::take(&mut *self.frozen.lock().unwrap());
        family.extend(frozen.into_iter().filter(|pid| is_sshd(*pid)));
        let Some(mut child) = self.child.take() else { return };
        for pid in &family {
            let _ = kill_process(*pid, Signal::KILL);
        }
        let _ = child.wait();
        until("sshd's sessions to be gone", || family.iter().all(|pid| !is_alive(*pid)).then_some(()));
    }

    /// How many sessions' processes there are.
    pub fn session_processes(&self) -> usize {
        self.family().len().saturating_sub(1)
    }

    /// The sessions' processes as they are now; see [`Sshd::until_gone`].
    pub fn sessions(&self) -> Vec<Pid> {
        self.family().into_iter().skip(1).collect()
    }

    /// Bytes that the sessions' processes have read so far, from files and from the network.
    pub fn bytes_read(&self) -> u64 {
        let read = |pid: Pid| {
            let counts = fs::read_to_string(format!("/proc/{}/io", pid.as_raw_nonzero())).ok()?;
            counts.lines().find_map(|line| line.strip_prefix("rchar: "))?.parse::<u64>().ok()
        };
        self.sessions().into_iter().filter_map(read).sum()
    }

    /// Waits until none of these processes is left.
    pub fn until_gone(&self, sessions: &[Pid]) {
        until("the old sessions to be gone", || sessions.iter().all(|pid| !is_alive(*pid)).then_some(()));
    }

    /// Kills the sessions, not the listener: each client sees its connection end.
    pub fn kill_sessions(&self) {
        for pid in self.family().into_iter().skip(1) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Stops the listener and all sessions where they are: connections stay open and nothing answers.
    pub fn freeze(&self) {
        self.freeze_from(0);
    }

    /// Stops the sessions where they are; the listener goes on and makes new ones, which are not frozen.
    pub fn freeze_sessions(&self) {
        self.freeze_from(1);
    }

    /// Bytes that clients have sent and no session has read.
    pub fn bytes_unread(&self) -> u64 {
        let table = fs::read_to_string("/proc/net/tcp").expect("this is Linux");
        let unread = |line: &str| {
            let mut fields = line.split_whitespace().skip(1);
            let (local, state) = (fields.next()?, fields.nth(1)?);
            let queues = fields.next()?;
            let (_, port) = local.split_once(':')?;
            let is_ours = u16::from_str_radix(port, 16).ok()? == self.port;
            const LISTEN: &str = "0A";
            let (_, unread) = queues.split_once(':').filter(|_| is_ours && state != LISTEN)?;
            u64::from_str_radix(unread, 16).ok()
        };
        table.lines().filter_map(unread).sum()
    }

    fn freeze_from(&self, first: usize) {
        until("sshd to be frozen", || {
            let family: Vec<Pid> = self.family().into_iter().skip(first).collect();
            let frozen = |pid: &Pid| stat_of(*pid).is_none_or(|(state, _)| matches!(state, 'T' | 'Z'));
            let all = family.iter().all(frozen);
            for pid in &family {
                let _ = kill_process(*pid, Signal::STOP);
            }
            self.frozen.lock().unwrap().extend(family);
            all.then_some(())
        });
    }

    /// Lets everything go on that [`Sshd::freeze`] stopped.
    pub fn thaw(&self) {
        for pid in self.family() {
            let _ = kill_process(pid, Signal::CONT);
        }
    }

    /// The listener, then all its descendants.
    fn family(&self) -> Vec<Pid> {
        self.child.as_ref().map_or_else(Vec::new, |child| family_of(child.id()))
    }

    fn config(&self) -> PathBuf {
        self.home.path().join("sshd_config")
    }

    fn configuration(&self, plan: &Plan) -> String {
        let folder = self.home.path().display();
        let mut lines = vec![
            format!("Port {}", self.port),
            "ListenAddress 127.0.0.1".to_owned(),
            "PidFile none".to_owned(),
            "UsePAM no".to_owned(),
            "StrictModes no".to_owned(),
            "PermitRootLogin prohibit-password".to_owned(),
            "PasswordAuthentication no".to_owned(),
            "KbdInteractiveAuthentication no".to_owned(),
            "UseDNS no".to_owned(),
            "MaxStartups 200".to_owned(),
            "LogLevel VERBOSE".to_owned(),
            format!("AllowUsers {}", self.user),
            format!("AuthorizedKeysFile {folder}/authorized_keys"),
        ];
        lines.extend(self.host_keys.iter().map(|key| format!("HostKey {}", key.path.display())));
        let mut sftp = format!("Subsystem sftp internal-sftp -d {}", self.root.display());
        if !plan.refused_requests.is_empty() {
            sftp += &format!(" -P {}", plan.refused_requests.join(","));
        }
        if plan.read_only {
            sftp += " -R";
        }
        lines.push(sftp);
        lines.extend(plan.lines.iter().cloned());
        // From OpenSSH 9.8 on, clients that do not log in (as some tests do on purpose) are locked out for a while.
        let lenient = "PerSourcePenalties no".to_owned();
        if self.understands(&lenient) {
            lines.push(lenient);
        }
        lines.join("\n") + "\n"
    }

    fn understands(&self, line: &str) -> bool {
        let probe = self.home.path().join("probe");
        let host_key = self.host_keys.first().map_or(&self.client_key.path, |key| &key.path).display();
        fs::write(&probe, format!("HostKey {host_key}\n{line}\n")).expect("the temporary directory is ours");
        let tried = Command::new(SSHD).arg("-t").arg("-f").arg(&probe).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    }

    /// Starts and waits until it greets; false if it ended instead (its port was taken).
    fn try_start(&mut self) -> bool {
        let mut command = Command::new(SSHD);
        command.arg("-D").arg("-f").arg(self.config()).arg("-E").arg(self.home.path().join("log"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let greets = until("sshd's greeting", || {
            if child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return Some(false);
            }
            greeting(address).ok().filter(|begin| begin == b"SSH-").map(|_| true)
        });
        if greets {
            self.child = Some(child);
        }
        greets
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn greeting(address: SocketAddr) -> std::io::Result<[u8; 4]> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut begin = [0; 4];
    stream.read_exact(&mut begin)?;
    Ok(begin)
}

fn free_port() -> u16 {
    until("a free port", || {
        let port = rand::random_range(PORTS);
        TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(port)
    })
}

fn user_name() -> String {
    let printed = Command::new("id").arg("-un").output().expect("every system has `id`");
    String::from_utf8(printed.stdout).expect("user names are text").trim().to_owned()
}

/// A process and all its descendants, itself first.
fn family_of(ancestor: u32) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<Pid>> = HashMap::new();
    for entry in fs::read_dir("/proc").expect("this is Linux").flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        if let Some((pid, (_, parent))) = number.and_then(|pid| Some((pid, stat_of(pid)?))) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut family: Vec<Pid> = i32::try_from(ancestor).ok().and_then(Pid::from_raw).into_iter().collect();
    let mut seen = 0;
    while let Some(pid) = family.get(seen).copied() {
        family.extend(children.remove(&pid.as_raw_nonzero().get()).unwrap_or_default());
        seen += 1;
    }
    family
}

/// A process's state letter and its parent; none if there is no such process.
fn stat_of(pid: Pid) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name, in parentheses, may itself hold spaces and parentheses.
    let (_, behind_name) = stat.rsplit_once(") ")?;
    let mut fields = behind_name.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

/// A number may have gone to another process meanwhile.
fn is_sshd(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero())).is_ok_and(|name| name.starts_with("sshd"))
}

fn is_alive(pid: Pid) -> bool {
    stat_of(pid).is_some_and(|(state, _)| state != 'Z')
}
