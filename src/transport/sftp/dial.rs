//! From an address to a session: the TCP connection, the handshake with a pinned host key, the login, the SFTP
//! channel. Each step has its deadline; whatever fails half-way leaves nothing behind. Start with [`session`].

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::client::{self, AuthResult, Handle, Msg};
use russh::keys::{HashAlg, PrivateKeyWithHashAlg};
use russh::{AlgorithmKind, Channel, ChannelMsg, Preferred, cipher, compression, kex};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::SftpSettings;
use super::cut::{Cuttable, Leftover};
use super::doorkeeper::{Accepted, Doorkeeper, NotPinnedOr};
use super::flight::Flight;
use super::session::{Folders, SftpSession};
use super::wire::{Failed, Wire, said};
use crate::transport::host_key::{HostKeyPin, KeyFamily};
use crate::transport::{ShownHostKey, Trouble};

/// A silent server is asked for a sign of life this often; after three without an answer it is dead. Together 20 s: a
/// connection that the network has forgotten is replaced within half a minute. (A server that is only slow answers
/// beside its work.)
const KEEPALIVE: Duration = Duration::from_secs(5);
const KEEPALIVE_UNANSWERED_MAX: usize = 3;
/// Nothing at all came for this long. Keep-alives are not looked at while a write is stuck; this is.
const INACTIVE: Duration = Duration::from_secs(90);
/// The kernel gives up on bytes that are sent and not acknowledged, as early as the keep-alives do: while a write is
/// stuck, they do not notice.
const TCP_UNACKNOWLEDGED: Duration = Duration::from_secs(20);
/// What may be on its way to us in a channel. The library's 2 MiB allow 1 MiB per round trip.
const WINDOW: u32 = 16 << 20;
/// Addresses of one name that are tried; they share the deadline.
const ADDRESSES_MAX: usize = 4;

/// X25519 and ML-KEM first; the NIST curves, which the library leaves out, because some servers offer nothing else.
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_GEX_SHA256,
    kex::DH_G16_SHA512,
    kex::DH_G14_SHA256,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];
/// AES-GCM before the library's favourite ChaCha20: 30 % less work (measured).
const CIPHERS: &[cipher::Name] =
    &[cipher::AES_256_GCM, cipher::AES_128_GCM, cipher::CHACHA20_POLY1305, cipher::AES_256_CTR];

/// A new session; `last` is the family of host keys to ask for first. `accepted` is told of the host key that it rests
/// on as soon as that has passed, whatever comes of the rest.
pub(super) async fn session(
    settings: &SftpSettings,
    last: Option<KeyFamily>,
    accepted: &mut Option<Accepted>,
) -> Result<SftpSession, Trouble> {
    let (mut link, key) = pinned_link(settings, last).await?;
    *accepted = Some(key);
    within(settings.deadlines.authentication, "the login", link.log_in(settings)).await??;
    link.into_session(settings).await
}

/// Shakes hands until a pinned key is seen: a server that has several shows the one that we ask for first, so
/// each key that is not pinned takes its family out of the next attempt.
async fn pinned_link(settings: &SftpSettings, last: Option<KeyFamily>) -> Result<(Link, Accepted), Trouble> {
    let mut families: Vec<KeyFamily> = last.into_iter().collect();
    families.extend(KeyFamily::ALL.into_iter().filter(|family| Some(*family) != last));
    let mut found: Vec<ShownHostKey> = Vec::new();
    while !families.is_empty() {
        match Link::establish(settings, &families).await {
            Ok(established) => return Ok(established),
            Err(NoLink::NotPinned { shown, family }) => {
                found.push(shown);
                let before = families.len();
                families.retain(|offered| Some(*offered) != family);
                if families.len() == before {
                    break;
                }
            }
            Err(NoLink::NoOtherKey) if !found.is_empty() => break,
            Err(NoLink::NoOtherKey) => {
                return Err(Trouble::Refused("the server has no host key of a type that can be verified".to_owned()));
            }
            Err(NoLink::Trouble(trouble)) => return Err(trouble),
        }
    }
    let pinned = settings.host_keys.iter().map(HostKeyPin::to_string).collect();
    Err(Trouble::HostKey { found, pinned })
}

/// A connection whose host key is pinned, not yet logged in.
struct Link {
    connection: Handle<Doorkeeper>,
    cut: CancellationToken,
    cut_on_drop: DropGuard,
    tasks: TaskTracker,
    /// What the server said when it ended the connection.
    farewell: Arc<OnceLock<String>>,
}

enum NoLink {
    NotPinned { shown: ShownHostKey, family: Option<KeyFamily> },
    NoOtherKey,
    Trouble(Trouble),
}

impl Link {
    async fn establish(settings: &SftpSettings, families: &[KeyFamily]) -> Result<(Self, Accepted), NoLink> {
        let socket = open_socket(settings).await.map_err(NoLink::Trouble)?;
        let cut = CancellationToken::new();
        let cut_on_drop = cut.clone().drop_guard();
        let tasks = TaskTracker::new();
        let farewell = Arc::new(OnceLock::new());
        let accepted = Arc::new(OnceLock::new());
        let doorkeeper = Doorkeeper {
            pins: settings.host_keys.clone(),
            accepted: Arc::clone(&accepted),
            farewell: Arc::clone(&farewell),
        };
        let stream = Cuttable::new(socket, &cut, Leftover::Dropped, tasks.token());
        let handshake = client::connect_stream(Arc::new(configuration(families)), stream, doorkeeper);
        let connection = match timeout(settings.deadlines.handshake, handshake).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(NotPinnedOr::NotPinned { shown, family })) => return Err(NoLink::NotPinned { shown, family }),
            Ok(Err(NotPinnedOr::Ssh(russh::Error::NoCommonAlgo { kind: AlgorithmKind::Key, .. }))) => {
                return Err(NoLink::NoOtherKey);
            }
            Ok(Err(NotPinnedOr::Ssh(why @ russh::Error::NoCommonAlgo { .. }))) => {
                return Err(NoLink::Trouble(Trouble::Refused(why.to_string())));
            }
            Ok(Err(NotPinnedOr::Ssh(why))) => {
                // How it hangs up is another thing each time, and one trouble all the same.
                let why = if is_hang_up(&why) { "the server hung up".to_owned() } else { why.to_string() };
                return Err(NoLink::Trouble(Trouble::Unreachable(format!("the handshake failed: {why}"))));
            }
            Err(_) => {
                let why = format!("the handshake was not done within {:?}", settings.deadlines.handshake);
                return Err(NoLink::Trouble(Trouble::Unreachable(why)));
            }
        };
        match accepted.get() {
            Some(key) => Ok((Self { connection, cut, cut_on_drop, tasks, farewell }, *key)),
            None => Err(NoLink::Trouble(Trouble::Unreachable("the handshake showed no host key".to_owned()))),
        }
    }

    async fn log_in(&mut self, settings: &SftpSettings) -> Result<(), Trouble> {
        let mut offered = String::new();
        for hash in self.signature_hashes(settings).await? {
            let key = PrivateKeyWithHashAlg::new(settings.identity.key(), hash);
            let answer = self.connection.authenticate_publickey(settings.user.as_str(), key).await;
            match answer {
                Ok(AuthResult::Success) => return Ok(()),
                // A connection that ends looks like a "no" with nothing left to try.
                Ok(AuthResult::Failure { .. }) if self.cut.is_cancelled() => return Err(self.lost_in_login(settings)),
                Ok(AuthResult::Failure { partial_success: true, .. }) => {
                    let why = format!("the server took the key of {} and wants a second proof besides", settings.user);
                    return Err(Trouble::Login(why));
                }
                Ok(AuthResult::Failure { remaining_methods, .. }) => {
                    offered = remaining_methods.iter().map(String::from).collect::<Vec<_>>().join(", ");
                }
                Err(_) => return Err(self.lost_in_login(settings)),
            }
        }
        let (user, key) = (&settings.user, &settings.identity);
        Err(Trouble::Login(format!("the server does not take key {key} for user {user}; it takes: {offered}")))
    }

    /// How to sign: nothing to choose for most keys; for RSA what the server says, else SHA-512, then SHA-256.
    async fn signature_hashes(&self, settings: &SftpSettings) -> Result<Vec<Option<HashAlg>>, Trouble> {
        if !settings.identity.is_rsa() {
            return Ok(vec![None]);
        }
        match self.connection.best_supported_rsa_hash().await {
            Ok(Some(Some(hash))) => Ok(vec![Some(hash)]),
            Ok(Some(None)) => {
                Err(Trouble::Login("the server takes RSA keys with SHA-1 only, which is no proof any more".to_owned()))
            }
            Ok(None) => Ok(vec![Some(HashAlg::Sha512), Some(HashAlg::Sha256)]),
            Err(_) => Err(self.lost_in_login(settings)),
        }
    }

    /// OpenSSH hangs up instead of saying "no" for the last time.
    fn lost_in_login(&self, settings: &SftpSettings) -> Trouble {
        match self.farewell.get() {
            Some(words) if words.to_ascii_lowercase().contains("authentication") => {
                Trouble::Login(format!("the server hung up on user {}: {words}", settings.user))
            }
            Some(words) => Trouble::Unreachable(format!("the server hung up during the login: {words}")),
            None => Trouble::Unreachable("the connection ended during the login".to_owned()),
        }
    }

    async fn into_session(self, settings: &SftpSettings) -> Result<SftpSession, Trouble> {
        let flight = Arc::new(Flight::new());
        let wire = wire(&self.connection, &self.cut, &self.tasks, settings.deadlines.request, flight).await?;
        Ok(SftpSession {
            wire,
            more: OnceCell::new(),
            folders: Folders { out: settings.out.clone(), r#in: settings.r#in.clone() },
            connection: Some(self.connection),
            tasks: self.tasks,
            _cut_on_drop: self.cut_on_drop,
        })
    }
}

/// A channel of a connection, on which SFTP is spoken until `cut`.
pub(super) async fn wire(
    connection: &Handle<Doorkeeper>,
    cut: &CancellationToken,
    tasks: &TaskTracker,
    deadline: Duration,
    flight: Arc<Flight>,
) -> Result<Wire, Trouble> {
    let channel = within(deadline, "the SFTP channel", sftp_channel(connection)).await??;
    let stream = Cuttable::new(channel.into_stream(), cut, Leftover::Read, tasks.token());
    match Wire::over(stream, cut.clone(), deadline, flight).await {
        Ok(wire) => Ok(wire),
        Err(Failed::Answered(status)) => Err(Trouble::Refused(said(&status))),
        Err(Failed::Unanswered(why)) => Err(Trouble::Unreachable(format!("SFTP did not start: {why}"))),
        Err(Failed::NotSent) => Err(Trouble::Unreachable("the connection ended".to_owned())),
    }
}

async fn open_socket(settings: &SftpSettings) -> Result<TcpStream, Trouble> {
    let (host, port) = (settings.host.as_str(), settings.port);
    let found = within(settings.deadlines.connect, "the name's address", tokio::net::lookup_host((host, port))).await?;
    let addresses: Vec<SocketAddr> = match found {
        Ok(addresses) => addresses.take(ADDRESSES_MAX).collect(),
        Err(why) => return Err(Trouble::Unreachable(format!("no address for {host}: {why}"))),
    };
    let share = settings.deadlines.connect / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut last = format!("no address for {host}");
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => match tune(&socket) {
                Ok(()) => return Ok(socket),
                Err(why) => last = format!("cannot set up the socket to {address}: {why}"),
            },
            Ok(Err(why)) => last = format!("cannot connect to {host} at {address}: {why}"),
            Err(_) => last = format!("no connection to {host} at {address} within {share:?}"),
        }
    }
    Err(Trouble::Unreachable(last))
}

fn tune(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let millis = u32::try_from(TCP_UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(socket, millis)?;
    Ok(())
}

async fn sftp_channel(connection: &Handle<Doorkeeper>) -> Result<Channel<Msg>, Trouble> {
    let mut channel = match connection.channel_open_session().await {
        Ok(channel) => channel,
        Err(why @ russh::Error::ChannelOpenFailure(_)) => return Err(Trouble::Refused(why.to_string())),
        Err(why) => return Err(Trouble::Unreachable(format!("no channel: {why}"))),
    };
    if let Err(why) = channel.request_subsystem(true, "sftp").await {
        return Err(Trouble::Unreachable(format!("no channel: {why}")));
    }
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Success) => return Ok(channel),
            Some(ChannelMsg::Failure) => return Err(Trouble::Refused("this login may not use SFTP".to_owned())),
            Some(ChannelMsg::Close | ChannelMsg::Eof) | None => {
                return Err(Trouble::Unreachable("the server closed the SFTP channel".to_owned()));
            }
            Some(_) => {}
        }
    }
}

/// Gives a step of the way up after its deadline. Dropping it is safe: the link's guard ends what it began.
async fn within<T>(deadline: Duration, step: &str, work: impl Future<Output = T>) -> Result<T, Trouble> {
    let done = timeout(deadline, work).await;
    done.map_err(|_| Trouble::Unreachable(format!("{step} did not come within {deadline:?}")))
}

fn configuration(families: &[KeyFamily]) -> client::Config {
    let preferred = Preferred {
        kex: Cow::Borrowed(KEX),
        key: families.iter().flat_map(|family| family.algorithms()).cloned().collect(),
        cipher: Cow::Borrowed(CIPHERS),
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::default()
    };
    client::Config {
        preferred,
        window_size: WINDOW,
        nodelay: true,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: KEEPALIVE_UNANSWERED_MAX,
        inactivity_timeout: Some(INACTIVE),
        ..client::Config::default()
    }
}

/// Whether the connection was ended by the other side, however it was noticed.
fn is_hang_up(why: &russh::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match why {
        russh::Error::Disconnect | russh::Error::HUP => true,
        russh::Error::IO(why) => [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof].contains(&why.kind()),
        _ => false,
    }
}
