//! One notice to one receiver: a command that is run, or a webhook that is posted to. Everything has an end: a program is
//! ended with all that it has begun, a request has a deadline. What a receiver answers is not believed beyond "told" or
//! "not told". Addresses may be secrets and stand in no error. Start with [`Receiver::send`].

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use super::notice::Notice;
use super::{COMMAND, WEBHOOK, refusal};
use crate::config::{AlarmSettings, HeartbeatSettings, Webhook, is_address};
use crate::domain::identity::ContentHash;
use crate::domain::person::mask_in_text;
use crate::durable::{RealDisk, read_bounded};

/// A program has so long.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);

/// A webhook has so long, from the address to the answer's head; the first part of it to be reached.
const WEBHOOK_WITHIN: Duration = Duration::from_secs(20);
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Of what a program writes to standard error, so much is kept for people.
const SAID_BYTES_MAX: u64 = 1_000;

/// A program that has ended may have left others that hold its standard error.
const SAID_WITHIN: Duration = Duration::from_millis(200);

/// An address stands in a file's first line.
const ADDRESS_BYTES_MAX: u64 = 8 << 10;

/// Who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// Program by absolute path, then arguments; never empty.
    Command(Vec<String>),
    Webhook(Webhook),
}

/// The receivers of the settings.
pub fn receivers(settings: &AlarmSettings) -> Vec<Receiver> {
    both(&settings.command, settings.webhook.as_ref())
}

/// Whom the heartbeat asks.
pub(super) fn hearts(settings: &HeartbeatSettings) -> Vec<Receiver> {
    both(&settings.command, settings.webhook.as_ref())
}

fn both(command: &[String], webhook: Option<&Webhook>) -> Vec<Receiver> {
    let command = (!command.is_empty()).then(|| Receiver::Command(command.to_vec()));
    command.into_iter().chain(webhook.cloned().map(Receiver::Webhook)).collect()
}

/// This machine's name, for people who have several.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl Receiver {
    /// Its name in the log, in `status` and of its file.
    pub fn name(&self) -> &'static str {
        match self {
            Receiver::Command(_) => COMMAND,
            Receiver::Webhook(_) => WEBHOOK,
        }
    }

    /// Tells it from another one of its name, without its address.
    pub fn mark(&self) -> String {
        let text = match self {
            Receiver::Command(words) => words.join("\0"),
            Receiver::Webhook(Webhook::Address(address)) => address.clone(),
            Receiver::Webhook(Webhook::File(path)) => path.display().to_string(),
        };
        ContentHash::of(text.as_bytes()).short()
    }

    /// Tells it. Errors: why it was not told, or perhaps not.
    pub async fn send(&self, notice: &Notice) -> Result<(), String> {
        match self {
            Receiver::Command(words) => run(words, notice.json(), notice.environment()).await,
            Receiver::Webhook(webhook) => request(webhook, Some(notice.json())).await,
        }
    }

    /// Asks for it, with nothing to tell.
    pub(super) async fn ask(&self) -> Result<(), String> {
        match self {
            Receiver::Command(words) => run(words, Vec::new(), Vec::new()).await,
            Receiver::Webhook(webhook) => request(webhook, None).await,
        }
    }
}

/// Ends a program with everything that it has begun, unless it has come to its end.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // A group of which nobody is left is no trouble.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn run(words: &[String], input: Vec<u8>, environment: Vec<(&str, String)>) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Err("there is no program".to_owned()) };
    let mut command = Command::new(program);
    command.args(arguments).envs(environment).process_group(0).kill_on_drop(true);
    // What systemd tells the daemon is not for others.
    for name in ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("{program}: {e}"))?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read it all has perhaps read enough.
            let _ = stdin.write_all(&input).await;
        }
    };
    let mut said = Vec::new();
    let read = async {
        if let Some(stderr) = stderr {
            let mut stderr = stderr;
            let _ = (&mut stderr).take(SAID_BYTES_MAX).read_to_end(&mut said).await;
            // Read on, or a program that says much would stand still.
            let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        }
    };
    let ended = async {
        let (mut write, mut read) = (std::pin::pin!(write), std::pin::pin!(read));
        let (mut has_written, mut has_read) = (false, false);
        let status = loop {
            tokio::select! {
                () = &mut write, if !has_written => has_written = true,
                () = &mut read, if !has_read => has_read = true,
                status = child.wait() => break status,
            }
        };
        if !has_read {
            let _ = tokio::time::timeout(SAID_WITHIN, read).await;
        }
        status
    };
    let status = match tokio::time::timeout(COMMAND_WITHIN, ended).await {
        Ok(status) => status.map_err(|e| format!("{program}: {e}"))?,
        Err(_) => return Err(format!("{program} ran longer than {} s, and was ended", COMMAND_WITHIN.as_secs())),
    };
    // Its group number may be another's from here on.
    group.0 = None;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&said);
    let said = mask_in_text(said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default());
    let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    Err(format!("{program} ended with {status}{said}"))
}

/// A POST of this body, or without one a GET.
async fn request(webhook: &Webhook, body: Option<Vec<u8>>) -> Result<(), String> {
    let webhook = webhook.clone();
    let asking = tokio::task::spawn_blocking(move || {
        let address = address(&webhook)?;
        let agent = agent();
        let answered = match body {
            Some(body) => agent.post(&address).content_type("application/json").send(&body[..]),
            None => agent.get(&address).call(),
        };
        let answer = answered.map_err(|e| refusal::told(&e).replace(&address, "…"))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("it answered with HTTP status {}", status.as_u16())),
        }
    });
    asking.await.unwrap_or_else(|e| Err(format!("the request was broken off: {e}")))
}

fn address(webhook: &Webhook) -> Result<String, String> {
    let path = match webhook {
        Webhook::Address(address) => return Ok(address.clone()),
        Webhook::File(path) => path,
    };
    let wrong = |why: &str| format!("{}: {why}", path.display());
    let bytes = read_bounded(&RealDisk, path, ADDRESS_BYTES_MAX).map_err(|e| wrong(&e.to_string()))?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().unwrap_or_default().trim();
    match is_address(line) {
        true => Ok(line.to_owned()),
        false => Err(wrong("its first line is no address that begins with https:// or http://")),
    }
}

/// A client without memory, as receivers are told rarely. It believes the certificates that this machine believes, and
/// goes by the proxy that the environment names.
fn agent() -> Agent {
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .timeout_connect(Some(CONNECT_WITHIN))
        .timeout_global(Some(WEBHOOK_WITHIN))
        .user_agent(concat!("sluse/", env!("CARGO_PKG_VERSION")));
    config.build().new_agent()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::alarm::notice::Event;
    use crate::engine::concern::{Concern, ConcernKind, Severity};

    fn notice() -> Notice {
        let at = "2026-12-01T08:00:00Z".parse().unwrap();
        let concern = Concern { what: "a trial".into(), ..Concern::new(ConcernKind::Test, "", Severity::Alarm, at) };
        Notice { event: Event::Test, at, host: "srv1".into(), concerns: vec![concern] }
    }

    fn shell(script: &str) -> Receiver {
        Receiver::Command(["/bin/sh", "-c", script].map(str::to_owned).into())
    }

    #[tokio::test]
    async fn a_command_gets_the_notice_on_standard_input_and_in_its_environment() {
        let folder = tempfile::tempdir().unwrap();
        let got = folder.path().join("got");
        let script = format!("cat > {0}; echo \"$SLUSE_EVENT $SLUSE_KIND $SLUSE_COMMAND\" >> {0}", got.display());

        shell(&script).send(&notice()).await.unwrap();

        let got = std::fs::read_to_string(got).unwrap();
        let (json, environment) = got.split_once('\n').unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(json).unwrap()["concerns"][0]["what"], "a trial");
        assert_eq!(environment, "test test sluse status\n");
    }

    #[tokio::test]
    async fn a_command_that_fails_is_not_told_and_says_why_without_what_could_be_a_cpr_number() {
        let much = "head -c 1000000 /dev/zero >&2";
        let failed = shell(&format!("echo 'no route for 0707614285' >&2; {much}; exit 3")).send(&notice()).await;

        assert_eq!(failed.unwrap_err(), "/bin/sh ended with exit status: 3: no route for 070761xxxx");
        let missing = Receiver::Command(vec!["/no/such/program".into()]).send(&notice()).await.unwrap_err();
        assert!(missing.starts_with("/no/such/program: "), "{missing}");
    }

    #[tokio::test]
    async fn a_command_that_reads_nothing_and_leaves_another_behind_is_not_waited_for() {
        let began = std::time::Instant::now();

        shell("sleep 30 & exit 0").send(&notice()).await.unwrap();

        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn an_address_in_a_file_is_its_first_line_and_no_error_repeats_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("address");
        let of = || address(&Webhook::File(path.clone()));
        std::fs::write(&path, "https://alarm.example/hunter2\nmore\n").unwrap();
        assert_eq!(of().unwrap(), "https://alarm.example/hunter2");

        std::fs::write(&path, "hunter2\n").unwrap();
        assert!(!of().unwrap_err().contains("hunter2"));
    }

    #[tokio::test]
    async fn an_address_that_is_not_reached_stands_in_no_error() {
        let webhook = Receiver::Webhook(Webhook::Address("http://127.0.0.1:9/hunter2".into()));

        let why = webhook.send(&notice()).await.unwrap_err();

        assert!(!why.contains("hunter2"), "{why}");
    }
}
