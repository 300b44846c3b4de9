//! The ground of a demo: folders, keys, and settings as they would be on a server, so that with `--keep` every
//! command can be tried on what was left.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use std::io::Write;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::DemoSettings;
use crate::config::{Depth, Settings};
use crate::domain::municipality::MunicipalityCode;
use crate::engine::control::{Answer, Request};
use crate::hub::HubSettings;
use crate::hub::book::Book;
use crate::hub::debitor::{Debitor, DebitorSettings};
use crate::hub::server::ServerSettings;

const USER: &str = "KY_SIMPELSFTP";
const DEBITOR: &str = "UDK_DEBITOR";

/// Any will do; the same one gives the same people each time.
const SEED: u64 = 2530;

pub struct Ground {
    folder: PathBuf,
    key: PrivateKey,
    agreements: Book,
    municipalities: Vec<MunicipalityCode>,
    /// Removes the folder when it is dropped.
    _temporary: Option<Temporary>,
}

struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed lies in the system's temporary folder, as its name says.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Ground {
    /// Makes the folders and the client's key.
    pub fn lay(demo: &DemoSettings, municipalities: &[MunicipalityCode]) -> anyhow::Result<Ground> {
        let (folder, temporary) = match &demo.keep {
            Some(folder) => (
                std::path::absolute(folder).with_context(|| format!("cannot use the folder {}", folder.display()))?,
                None,
            ),
            None => {
                let folder = std::env::temp_dir().join(format!("sluse-demo-{}", uuid::Uuid::new_v4().simple()));
                (folder.clone(), Some(Temporary(folder)))
            }
        };
        anyhow::ensure!(!folder.join("sluse.toml").exists(), "{} holds a demo already", folder.display());
        for name in ["", "hub", "state", "run", "outbox", "inbox"] {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder.join(name))
                .with_context(|| format!("cannot make the folder {}", folder.join(name).display()))?;
        }
        let key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519)?;
        let path = folder.join("key");
        let unwritten = || format!("cannot write the new file {}", path.display());
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).with_context(unwritten)?;
        file.write_all(key.to_openssh(LineEnding::LF)?.as_bytes()).with_context(unwritten)?;
        let agreements = Book { seed: SEED, agreements: demo.agreements };
        let municipalities = municipalities.to_vec();
        Ok(Ground { folder, key, agreements, municipalities, _temporary: temporary })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn agreements(&self) -> &Book {
        &self.agreements
    }

    pub fn debitor_ledger(&self) -> PathBuf {
        self.folder.join("hub").join(Debitor::LEDGER)
    }

    pub fn hub_settings(&self) -> anyhow::Result<HubSettings> {
        let mut settings = HubSettings::over(self.folder.join("hub"));
        settings.users.insert(USER.parse()?, vec![self.key.public_key().clone()]);
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        settings.server = Some(ServerSettings { listen, host_key: None, endless_listing: false });
        settings.debitor = Some(DebitorSettings { book: self.agreements, ..DebitorSettings::of(DEBITOR.parse()?) });
        settings.foreign = true;
        Ok(settings)
    }

    /// Writes the settings file, and reads it as the daemon would.
    pub fn settings(&self, address: SocketAddr, fingerprint: &str) -> anyhow::Result<Settings> {
        let at = |name: &str| self.folder.join(name).display().to_string();
        let codes: Vec<_> = self.municipalities.iter().map(|code| format!("\"{code}\"")).collect();
        let text = format!(
            r#"# Made by `sluse demo`.
[store]
url = "sqlite:{state}/sluse.db"

[folders]
state = "{state}"
run = "{run}"

[endpoint.hub]
host = "{host}"
port = {port}
user = "{USER}"
identity = "{key}"
host_keys = ["{fingerprint}"]
poll = "1s"

[exchange.sf2530]
endpoint = "hub"
recipient = "{DEBITOR}"
outbox = "{outbox}"
inbox = "{inbox}"
municipalities = [{codes}]
"#,
            state = at("state"),
            run = at("run"),
            host = address.ip(),
            port = address.port(),
            key = at("key"),
            outbox = at("outbox"),
            inbox = at("inbox"),
            codes = codes.join(", "),
        );
        let file = self.folder.join("sluse.toml");
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Settings::read(&file, &|_| None, Depth::Files)?)
    }
}

/// Asks the daemon over its control socket, as a command would.
pub async fn ask(settings: &Settings, request: &Request) -> anyhow::Result<Answer> {
    let mut stream = tokio::net::UnixStream::connect(settings.folders.control_socket()).await?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    Ok(serde_json::from_str(&answer)?)
}
