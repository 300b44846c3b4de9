//! The hub's own SFTP server, judged by OpenSSH's client.

#![expect(clippy::unwrap_used, reason = "what a helper cannot do fails the test that asked for it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use russh::keys::{HashAlg, PrivateKey, load_secret_key};
use sluse::domain::envelope::{FileMetadata, ReceiptOutcome, TechnicalReceipt, Trigger};
use sluse::domain::identity::UserName;
use sluse::hub::server::ServerSettings;
use sluse::hub::{Hub, HubSettings, HubTrouble};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const NAME: &str = "BETADM_FORESP_0751_20261201_0042.txt";
const LIMIT: Duration = Duration::from_secs(30);

struct Running {
    place: TempDir,
    port: u16,
    stop: CancellationToken,
    hub: JoinHandle<Result<(), HubTrouble>>,
}

fn user(name: &str) -> UserName {
    name.parse().unwrap()
}

async fn new_key(path: &Path, kind: &str) -> PrivateKey {
    let made = Command::new("ssh-keygen").args(["-q", "-N", "", "-t", kind, "-f"]).arg(path).status().await;
    assert!(made.expect("ssh-keygen makes the keys and must be installed (Debian: openssh-client)").success());
    load_secret_key(path, None).unwrap()
}

async fn hub(kind: &str) -> Running {
    let place = TempDir::new().unwrap();
    let client_key = new_key(&place.path().join("client"), kind).await;
    let host_key = new_key(&place.path().join("host"), "ed25519").await;
    let fingerprint = host_key.fingerprint(HashAlg::Sha256).to_string();
    let listen = "127.0.0.1:0".parse().unwrap();
    let hub = Hub::open(HubSettings {
        users: [(user("KY"), vec![client_key.public_key().clone()]), (user("UDK"), vec![])].into(),
        server: Some(ServerSettings { listen, host_key: Some(host_key), endless_listing: false }),
        pass_interval: Duration::from_millis(20),
        ..HubSettings::over(place.path().join("root"))
    })
    .await
    .unwrap();
    let port = hub.address().unwrap().port();
    assert_eq!(hub.fingerprint(), Some(fingerprint.as_str()));
    let host_line = fs::read_to_string(place.path().join("host.pub")).unwrap();
    fs::write(place.path().join("known_hosts"), format!("[127.0.0.1]:{port} {host_line}")).unwrap();
    let stop = CancellationToken::new();
    Running { place, port, hub: tokio::spawn(hub.run(stop.clone())), stop }
}

impl Running {
    fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// OpenSSH's client with a key of ours, all but its batch and the host.
    fn sftp_command(&self, key: &str) -> Command {
        let mut sftp = Command::new("sftp");
        sftp.arg("-i").arg(self.file(key)).arg("-P").arg(self.port.to_string());
        sftp.args(["-F", "none", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes"]);
        sftp.arg("-o").arg(format!("UserKnownHostsFile={}", self.file("known_hosts").display()));
        sftp.current_dir(self.place.path()).kill_on_drop(true);
        sftp
    }

    /// Runs a batch of commands; it ends at the first that fails.
    async fn sftp(&self, key: &str, user: &str, batch: &str) -> Output {
        fs::write(self.file("batch"), batch).unwrap();
        let mut sftp = self.sftp_command(key);
        let ended = sftp.arg("-b").arg(self.file("batch")).arg(format!("{user}@127.0.0.1")).output();
        let ended = tokio::time::timeout(LIMIT, ended).await.expect("sftp did not come to an end");
        ended.expect("sftp is the judge here and must be installed (Debian: openssh-client)")
    }

    async fn sftp_as_ky(&self, batch: &str) -> String {
        let output = self.sftp("client", "KY", batch).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn wait_for(&self, name: &str) {
        let path = self.file(name);
        let appears = async {
            let mut looks = tokio::time::interval(Duration::from_millis(10));
            while !path.exists() {
                looks.tick().await;
            }
        };
        let waited = tokio::time::timeout(LIMIT, appears).await;
        assert!(waited.is_ok(), "{name} never came");
    }

    async fn end(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(LIMIT, self.hub).await;
        ended.expect("the hub did not stop").unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openssh_sends_a_file_through_the_hub_and_fetches_its_receipt() {
    let hub = hub("ed25519").await;
    let data = vec![b'x'; 1_000_000];
    let trigger = Trigger {
        file_name: NAME.parse().unwrap(),
        size: data.len() as u64,
        sender: user("KY"),
        senders_file_id: Some("3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11".to_owned()),
        recipients: vec![user("UDK")],
    };
    fs::write(hub.file("data"), &data).unwrap();
    fs::write(hub.file("trigger"), trigger.to_xml()).unwrap();

    let batch =
        format!("put -f data OUT/{NAME}\nput -pf trigger OUT/part\nls -l OUT\nrename OUT/part OUT/{NAME}.trigger\n");
    let listing = hub.sftp_as_ky(&batch).await;
    assert!(listing.contains("1000000") && listing.contains(NAME), "{listing}");

    hub.wait_for(&format!("root/KY/IN/{NAME}.sftpreceipt")).await;
    hub.sftp_as_ky(&format!("cd IN\nget {NAME}.sftpreceipt receipt\nrm {NAME}.sftpreceipt\n")).await;
    let receipt = TechnicalReceipt::read(&fs::read(hub.file("receipt")).unwrap()).unwrap();
    let metadata = fs::read(hub.file(&format!("root/UDK/IN/{NAME}.metadata"))).unwrap();
    assert_eq!(receipt.outcome, ReceiptOutcome::Success);
    assert_eq!(receipt.transfer, FileMetadata::read(&metadata).unwrap().transfer);
    assert!(fs::read(hub.file(&format!("root/UDK/IN/{NAME}"))).unwrap() == data);
    assert_eq!(fs::read_dir(hub.file("root/KY/IN")).unwrap().count(), 0);
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rsa_key_comes_in_and_a_stranger_or_a_keyless_user_does_not() {
    let hub = hub("rsa").await;
    new_key(&hub.file("stranger"), "ed25519").await;

    assert!(hub.sftp("client", "KY", "ls\n").await.status.success());
    for (key, user) in [("stranger", "KY"), ("client", "UDK"), ("client", "root"), ("client", "..")] {
        let output = hub.sftp(key, user, "ls\n").await;
        assert!(String::from_utf8_lossy(&output.stderr).contains("Permission denied"), "{key} as {user}");
    }
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_sees_two_folders_and_cannot_change_or_leave_them() {
    let hub = hub("ed25519").await;
    fs::write(hub.file("root/secret"), b"outside").unwrap();

    let listing = hub.sftp_as_ky("cd ..\npwd\nls -1\n").await;
    assert!(listing.contains("Remote working directory: /\n") && listing.ends_with("IN\nOUT\n"), "{listing}");
    for command in ["get ../secret", "get /../secret", "get /OUT/../../secret", "mkdir OUT/new", "rmdir IN"] {
        assert!(!hub.sftp("client", "KY", &format!("{command}\n")).await.status.success(), "{command}");
    }
    assert!(!hub.sftp("client", "KY", "symlink /IN OUT/link\n").await.status.success());
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_stops_does_not_wait_for_its_clients() {
    let hub = hub("ed25519").await;
    let silent = TcpStream::connect(("127.0.0.1", hub.port)).await.unwrap();
    let mut command = hub.sftp_command("client");
    command.args(["-b", "-"]).arg("KY@127.0.0.1").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut waiting = command.spawn().unwrap();
    let (mut stdin, stdout) = (waiting.stdin.take().unwrap(), waiting.stdout.take().unwrap());
    stdin.write_all(b"ls -1\n").await.unwrap();
    let mut lines = BufReader::new(stdout).lines();
    let seen = async { while lines.next_line().await.unwrap().unwrap() != "OUT" {} };
    tokio::time::timeout(LIMIT, seen).await.expect("the session did not come up");

    hub.end().await;

    drop((silent, stdin));
    tokio::time::timeout(LIMIT, waiting.wait()).await.expect("sftp did not see the end").unwrap();
}
