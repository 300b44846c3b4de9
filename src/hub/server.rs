//! An SFTP server in this process: public keys only, each user in a jail of two folders. It is there for
//! tests and for trying Sluse; a hub for others belongs behind OpenSSH. Start with [`SftpServer::bind`].

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, MethodKind, MethodSet};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::cut::Cut;
use super::folders::Folders;
use super::jail::Jail;
use super::sftp::{PACKET_BYTES_MAX, Sftp};
use crate::domain::identity::UserName;

/// Connections at once; one more is closed at the door.
const SESSIONS_MAX: usize = 64;

/// SFTP channels of one connection.
const CHANNELS_MAX: usize = 8;

/// After a connection that could not be accepted, as when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection on which nothing happens for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// How long a client waits after a key that is not known here.
const REJECTION_TIME: Duration = Duration::from_millis(500);

/// The public keys with which each user may come in.
pub type AuthorizedKeys = BTreeMap<UserName, Vec<PublicKey>>;

/// Where to listen, and as whom.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Port 0: any that is free.
    pub listen: SocketAddr,
    /// None: a new Ed25519 key, which is forgotten with the server.
    pub host_key: Option<PrivateKey>,
    /// A listing of IN shows other integrations' files, and never comes to its end.
    pub endless_listing: bool,
}

/// A server that is bound, but does not answer until [`SftpServer::run`].
#[derive(Debug)]
pub struct SftpServer {
    listener: TcpListener,
    address: SocketAddr,
    fingerprint: String,
    config: Arc<Config>,
    folders: Folders,
    keys: Arc<AuthorizedKeys>,
    endless_listing: bool,
}

impl SftpServer {
    /// Errors: the address is taken, or no key could be made.
    pub async fn bind(settings: ServerSettings, folders: Folders, keys: AuthorizedKeys) -> io::Result<SftpServer> {
        let host_key = match settings.host_key {
            Some(key) => key,
            None => PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).map_err(io::Error::other)?,
        };
        let listener = TcpListener::bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let fingerprint = host_key.public_key().fingerprint(HashAlg::Sha256).to_string();
        let config = Arc::new(Config {
            methods: MethodSet::from(&[MethodKind::PublicKey][..]),
            auth_rejection_time: REJECTION_TIME,
            auth_rejection_time_initial: Some(Duration::ZERO),
            keys: vec![host_key],
            inactivity_timeout: Some(IDLE_MAX),
            nodelay: true,
            ..Config::default()
        });
        let endless_listing = settings.endless_listing;
        Ok(SftpServer { listener, address, fingerprint, config, folders, keys: Arc::new(keys), endless_listing })
    }

    /// The address that it listens on, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The host key's, as `ssh-keygen -l` shows it: `SHA256:` and 43 characters.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Serves until `stop`; then every session is cut, and none is left when this returns.
    pub async fn run(self, stop: CancellationToken) {
        let sessions = TaskTracker::new();
        let room = Arc::new(Semaphore::new(SESSIONS_MAX));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
                warn!(%peer, "connection refused, as there are too many");
                continue;
            };
            let end = stop.child_token();
            let visitor = Visitor {
                folders: self.folders.clone(),
                keys: Arc::clone(&self.keys),
                endless_listing: self.endless_listing,
                user: None,
                channels: HashMap::new(),
                channels_open: 0,
                end: end.clone(),
                sessions: sessions.clone(),
            };
            let config = Arc::clone(&self.config);
            sessions.spawn(async move {
                serve(stream, config, visitor, &end).await;
                end.cancel();
                drop(place);
            });
        }
        sessions.close();
        sessions.wait().await;
    }
}

async fn serve(stream: TcpStream, config: Arc<Config>, visitor: Visitor, end: &CancellationToken) {
    let nodelay = stream.set_nodelay(config.nodelay);
    let ended = match russh::server::run_stream(config, Cut::new(stream, end), visitor).await {
        Ok(session) => session.await,
        Err(error) => Err(error),
    };
    if let (Err(error), _) | (Ok(()), Err(error)) = (ended, nodelay.map_err(russh::Error::from)) {
        debug!(%error, "a connection ended");
    }
}

/// One connection, and who came over it.
struct Visitor {
    folders: Folders,
    keys: Arc<AuthorizedKeys>,
    endless_listing: bool,
    user: Option<UserName>,
    /// Opened, and not yet asked for a subsystem.
    channels: HashMap<ChannelId, Channel<Msg>>,
    channels_open: usize,
    end: CancellationToken,
    sessions: TaskTracker,
}

impl Visitor {
    fn known(&self, user: &str, key: &PublicKey) -> Option<UserName> {
        let user: UserName = user.parse().ok()?;
        let keys = self.keys.get(&user)?;
        keys.iter().any(|known| known.key_data() == key.key_data()).then_some(user)
    }
}

impl Handler for Visitor {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, russh::Error> {
        Ok(self.known(user, offer.public_key).map_or_else(Auth::reject, |_| Auth::Accept))
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        self.user = self.known(user, key.public_key);
        Ok(if self.user.is_some() { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        // Dropping the handle rejects the channel.
        if self.channels_open < CHANNELS_MAX {
            self.channels_open += 1;
            self.channels.insert(channel.id(), channel);
            reply.accept().await;
        }
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let (Some(user), "sftp", Some(opened)) = (&self.user, name, self.channels.remove(&channel)) else {
            return session.channel_failure(channel);
        };
        session.channel_success(channel)?;
        let mut jail = Jail::new(self.folders.home_of(user));
        if self.endless_listing {
            jail.show_in_without_end();
        }
        let sftp = Sftp::new(jail, self.sessions.token());
        let stream = Cut::new(opened.into_stream(), &self.end);
        let config = russh_sftp::server::Config { max_client_packet_len: PACKET_BYTES_MAX };
        russh_sftp::server::run_with_config(stream, sftp, config).await;
        Ok(())
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        session.channel_failure(channel)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_failure(channel)
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), russh::Error> {
        self.channels.remove(&channel);
        self.channels_open = self.channels_open.saturating_sub(1);
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        session.close(channel)
    }
}
