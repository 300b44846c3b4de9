//! The door of the page: binds the socket, and serves each caller with a bound on everything it can take, so that no
//! caller, however slow or many, costs the daemon more than a few sockets and some memory. Knows nothing of what is
//! served. Start with [`Door::open`].

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tracing::{debug, error, info};

use crate::config::Listen;

/// Callers served at once; further ones wait until one of these has gone, which `CALLER_WITHIN` sees to.
pub const CALLERS_MAX: usize = 64;

/// A caller says what it wants, from the first byte to the end of the headers, within this time.
const HEADERS_WITHIN: Duration = Duration::from_secs(5);

/// No connection lasts longer, however little it does: a browser opens the next one.
const CALLER_WITHIN: Duration = Duration::from_secs(30);

/// What a caller may say before it is answered, in bytes; bodies are never read. Hyper takes no less than 8 KiB.
const HEADERS_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;

/// After a failure to accept, such as too many open files, the socket is left alone for so long.
const ACCEPT_AGAIN_IN: Duration = Duration::from_secs(1);

/// Whoever reaches the socket's folder and is in its group may look.
const SOCKET_MODE: u32 = 0o660;

/// The socket, bound.
pub struct Door(Bound);

enum Bound {
    Unix { listener: UnixListener, path: PathBuf },
    Tcp(TcpListener),
}

impl Door {
    /// Binds it. What is left of a dead daemon's socket is replaced; one that is served is not touched.
    pub async fn open(listen: &Listen) -> io::Result<Door> {
        Ok(Door(match listen {
            Listen::Tcp(address) => Bound::Tcp(TcpListener::bind(address).await?),
            Listen::Unix(path) => {
                clear(path)?;
                let listener = UnixListener::bind(path)?;
                std::fs::set_permissions(path, PermissionsExt::from_mode(SOCKET_MODE))?;
                Bound::Unix { listener, path: path.clone() }
            }
        }))
    }

    /// Where it is, with the port that the system chose if it was to choose one.
    pub fn address(&self) -> io::Result<Listen> {
        Ok(match &self.0 {
            Bound::Unix { path, .. } => Listen::Unix(path.clone()),
            Bound::Tcp(listener) => Listen::Tcp(listener.local_addr()?),
        })
    }

    /// Serves as long as this is awaited; after that nobody is waited for.
    pub async fn serve(&self, router: Router) {
        let mut callers = JoinSet::new();
        let mut told: Option<String> = None;
        loop {
            tokio::select! {
                Some(_) = callers.join_next(), if !callers.is_empty() => {}
                accepted = self.accept(), if callers.len() < CALLERS_MAX => match accepted {
                    Ok(caller) => {
                        match caller {
                            Caller::Unix(stream) => callers.spawn(serve_one(stream, router.clone())),
                            Caller::Tcp(stream) => callers.spawn(serve_one(stream, router.clone())),
                        };
                        if told.take().is_some() {
                            info!("status page is served again");
                        }
                    }
                    Err(e) => {
                        let said = e.to_string();
                        if told.as_ref() != Some(&said) {
                            error!(error = %said, "status page cannot be served, tried again and again; all else goes on");
                            told = Some(said);
                        }
                        tokio::time::sleep(ACCEPT_AGAIN_IN).await;
                    }
                },
            }
        }
    }

    async fn accept(&self) -> io::Result<Caller> {
        match &self.0 {
            Bound::Unix { listener, .. } => Ok(Caller::Unix(listener.accept().await?.0)),
            Bound::Tcp(listener) => {
                let stream = listener.accept().await?.0;
                // Without it an answer may wait some milliseconds longer, and nothing else.
                let _ = stream.set_nodelay(true);
                Ok(Caller::Tcp(stream))
            }
        }
    }
}

enum Caller {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Bound::Unix { path, .. } = &self.0 {
            // One that stays behind is replaced at the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Removes a socket that nobody serves any more.
fn clear(path: &Path) -> io::Result<()> {
    let kind = match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?.file_type(),
    };
    let is_dead = || {
        let tried = std::os::unix::net::UnixStream::connect(path);
        tried.is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
    };
    if kind.is_socket() && is_dead() { std::fs::remove_file(path) } else { Err(io::ErrorKind::AddrInUse.into()) }
}

async fn serve_one(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEADERS_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let served = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match tokio::time::timeout(CALLER_WITHIN, served).await {
        Ok(Ok(())) => {}
        Ok(Err(e)) => debug!(error = %e, "a caller of the status page was not served to its end"),
        Err(_) => debug!("a caller of the status page took too long"),
    }
}
