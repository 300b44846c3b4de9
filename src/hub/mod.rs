//! The other side, to test against: a hub that behaves as Serviceplatformen is known to, with UDK Debitor
//! answering behind it. It runs over the folders of an OpenSSH server, or with an SFTP server of its own
//! in the same process. It never looks at a client's state, only at its files. Start with [`Hub::open`].
//!
//! ```text
//! ROOT/<USER>/OUT        what a user sends: data, then its trigger
//! ROOT/<USER>/IN         what a user gets: data, metadata beside it, receipts
//! ROOT/.mailroom/        used names, triggers that are taken and not yet answered
//! ROOT/udk-debitor.json  what UDK Debitor has counted and sent
//! ```

pub mod book;
mod cut;
pub mod debitor;
pub mod faults;
mod folders;
mod foreign;
mod jail;
pub mod ledger;
pub mod mailroom;
mod refusal;
pub mod server;
mod sftp;
mod used_names;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use self::debitor::{Debitor, DebitorSettings};
use self::faults::Faults;
pub use self::folders::{FolderTrouble, Folders};
use self::foreign::put_foreign_files;
use self::mailroom::{Mailroom, MailroomRules};
use self::server::{AuthorizedKeys, ServerSettings, SftpServer};
use crate::domain::moment::Moment;

/// How a hub is to be.
#[derive(Clone, Debug)]
pub struct HubSettings {
    /// The folder that holds one folder per user; made where it is missing.
    pub root: PathBuf,
    /// The users, with the public keys that the hub's own server lets in.
    pub users: AuthorizedKeys,
    /// None: the folders are shown by somebody else's server.
    pub server: Option<ServerSettings>,
    /// Who answers queries, a user like the others. None: nobody does.
    pub debitor: Option<DebitorSettings>,
    /// From the end of one pass to the beginning of the next.
    pub pass_interval: Duration,
    /// How long a sender waits for a receipt.
    pub receipt_delay: Duration,
    /// Files of other integrations are put into each user's IN at the start.
    pub foreign: bool,
    pub faults: Faults,
}

impl HubSettings {
    /// A hub over folders alone, without users: five passes a second, no delay.
    pub fn over(root: PathBuf) -> HubSettings {
        HubSettings {
            root,
            users: AuthorizedKeys::new(),
            server: None,
            debitor: None,
            pass_interval: Duration::from_millis(200),
            receipt_delay: Duration::ZERO,
            foreign: false,
            faults: Faults::default(),
        }
    }
}

/// Why a hub cannot begin, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum HubTrouble {
    #[error(transparent)]
    Folder(#[from] FolderTrouble),
    #[error("could not listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("a part of the hub panicked, so what it was doing is unfinished")]
    Panicked(#[from] tokio::task::JoinError),
}

/// A hub that is ready: its folders are there, its server listens.
#[derive(Debug)]
pub struct Hub {
    post: Post,
    server: Option<SftpServer>,
    pass_interval: Duration,
}

/// What works on the folders.
#[derive(Debug)]
struct Post {
    mailroom: Mailroom,
    debitor: Option<Debitor>,
}

impl Hub {
    /// Makes the folders, takes up what an earlier hub left, and listens where that is asked for.
    pub async fn open(settings: HubSettings) -> Result<Hub, HubTrouble> {
        let folders = Folders::new(settings.root);
        let answering = settings.debitor.as_ref().map(|debitor| debitor.user.clone());
        let users = settings.users.keys().cloned().chain(answering.clone()).collect();
        let refusal = settings.faults.error_receipt.clone();
        let rules = MailroomRules {
            receipt_delay: settings.receipt_delay,
            refuse_all_to: answering.clone().zip(refusal).map(|(user, (code, text))| (user, code, text)),
            routed_to: answering.clone(),
            swallow_receipts: settings.faults.swallow_receipts,
        };
        let mailroom = Mailroom::open(folders.clone(), users, rules)?;
        let debitor = settings.debitor.map(|debitor| Debitor::open(folders.clone(), debitor, settings.faults));
        let post = Post { mailroom, debitor: debitor.transpose()? };
        if settings.foreign {
            for user in settings.users.keys().filter(|user| Some(*user) != answering.as_ref()) {
                put_foreign_files(&folders.in_of(user), user, Uuid::new_v4)?;
            }
        }
        let server = match settings.server {
            None => None,
            Some(server) => {
                let address = server.listen;
                let bound = SftpServer::bind(server, folders, settings.users).await;
                Some(bound.map_err(|source| HubTrouble::Listen { address, source })?)
            }
        };
        Ok(Hub { post, server, pass_interval: settings.pass_interval })
    }

    /// Where the hub's own server listens, with the real port.
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(SftpServer::address)
    }

    /// The server's host key, as `SHA256:…`.
    pub fn fingerprint(&self) -> Option<&str> {
        self.server.as_ref().map(SftpServer::fingerprint)
    }

    /// Works until `stop`. A pass that fails is tried again; nothing of the hub is left running after.
    pub async fn run(self, stop: CancellationToken) -> Result<(), HubTrouble> {
        if let (Some(address), Some(fingerprint)) = (self.address(), self.fingerprint()) {
            info!(%address, fingerprint, "hub listens");
        }
        let end = stop.child_token();
        let server = self.server.map(|server| tokio::spawn(server.run(end.clone())));
        let passes = run_passes(self.post, self.pass_interval, &end).await;
        end.cancel();
        if let Some(server) = server {
            server.await?;
        }
        passes
    }
}

async fn run_passes(mut post: Post, interval: Duration, end: &CancellationToken) -> Result<(), HubTrouble> {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_trouble = None;
    loop {
        tokio::select! {
            () = end.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let now = Moment::from(Timestamp::now());
        let passed;
        (post, passed) = tokio::task::spawn_blocking(move || {
            let passed = post.pass(now);
            (post, passed)
        })
        .await?;
        let trouble = passed.err().map(|trouble| trouble.to_string());
        if let Some(trouble) = trouble.as_ref().filter(|_| trouble != last_trouble) {
            warn!(%trouble, "a pass of the hub failed and is tried again");
        }
        last_trouble = trouble;
    }
}

impl Post {
    fn pass(&mut self, now: Moment) -> Result<(), FolderTrouble> {
        self.mailroom.pass(now, Uuid::new_v4)?;
        match &mut self.debitor {
            Some(debitor) => debitor.pass(now, Uuid::new_v4),
            None => Ok(()),
        }
    }
}
