//! The listener for HTTP: what other programs ask ([`Mount`]s below a path), over TLS or on loopback.
//!
//! HTTP/1.1 is read on one thread that never works: a request is read whole, within bounds of size and time, and
//! its mount answers on a worker, of which there are few. Everything is bounded: connections, connections of one
//! source, header and body sizes, the time of each step, the life of a connection.

pub mod api;
mod config;
mod connection;
mod health;
mod listener;
mod message;
mod page;
mod problem;
mod proxies;
mod reports;
mod wire;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;

pub use config::{WebConfig, WebConfigError};
pub use message::{Reply, Request};
pub use problem::Problem;

use crate::driver::vault::Vault;
use crate::driver::versions::Versions;

use crate::driver::certificate::{Certificate, CertificateError};
use crate::driver::supervisor::PassedSockets;
use crate::driver::tls;
use health::Health;
use listener::Serving;
use page::Page;
use proxies::Proxies;
use reports::Reports;
use rustls::ServerConfig;

/// What answers below a path.
pub trait Mount: Send + Sync {
    /// The beginning of its paths, such as `/v1`.
    fn prefix(&self) -> &'static str;

    /// The longest body that it reads.
    fn longest_body(&self) -> usize {
        64 * 1024
    }

    /// Answers, on a worker: it may wait for a disk, and not for much longer.
    fn answer(&self, request: &Request) -> Reply;
}

/// What a deployment answers over HTTP.
pub(super) fn mounts(versions: &Arc<Versions>, vault: &Arc<Vault>) -> Vec<Arc<dyn Mount>> {
    let reports = Reports { vault: Arc::clone(vault) };
    let api = api::Api::new(Arc::clone(vault), Arc::clone(versions));
    vec![
        Arc::new(Health { versions: Arc::clone(versions) }),
        Arc::new(reports),
        Arc::new(api),
        Arc::new(Page::approve(vault)),
        Arc::new(Page::enrol(vault)),
    ]
}

/// The bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once.
    pub connections: usize,
    /// Connections of one source: a browser opens six.
    pub of_one: usize,
    /// Requests that are worked on at once.
    pub workers: usize,
    /// A handshake of TLS, which takes some round trips.
    pub handshake: Duration,
    /// Something moves on a connection in this time, or it ends.
    pub still: Duration,
    /// The whole head of a request comes in this time.
    pub head: Duration,
    /// The whole body of a request comes in this time.
    pub body: Duration,
    /// How long a request waits for a worker.
    pub worker: Duration,
    /// The longest life of a connection.
    pub life: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 256,
            of_one: 32,
            workers: 4,
            handshake: Duration::from_secs(10),
            still: Duration::from_secs(30),
            head: Duration::from_secs(10),
            body: Duration::from_secs(15),
            worker: Duration::from_secs(5),
            life: Duration::from_secs(300),
        }
    }
}

/// Why nothing listens.
#[derive(Debug, Error)]
pub enum WebError {
    /// The address is not to be had.
    #[error("cannot listen for HTTP on {address}: {source}\n  help: choose another `web.listen`")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// TLS itself.
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// TLS with the certificate, whatever it is at the time of a handshake.
fn server(certificate: &Arc<Certificate>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(certificate) as _);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A bound address: nothing is accepted yet.
pub struct Door {
    /// The address in use.
    pub address: SocketAddr,
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    proxies: Proxies,
}

impl Door {
    /// Binds the address of the settings and reads the certificate; `None` when nothing is to listen.
    ///
    /// # Errors
    /// [`WebError`]: what, where, and what to do.
    pub fn bind(data: &Path, config: &WebConfig) -> Result<Option<Self>, WebError> {
        Self::bind_with(data, config, &PassedSockets::default())
    }

    /// As [`Door::bind`]; a socket for the address that was bound already is taken.
    ///
    /// # Errors
    /// As [`Door::bind`].
    pub fn bind_with(
        data: &Path,
        config: &WebConfig,
        passed: &PassedSockets,
    ) -> Result<Option<Self>, WebError> {
        let Some(address) = config.listen else { return Ok(None) };
        let read = |(certificate, key)| Certificate::read(data.join(certificate), data.join(key));
        let certificate = config.tls().map(read).transpose()?;
        let bound =
            passed.stream(address).map_or_else(|| TcpListener::bind(address), Ok).and_then(|listener| {
                listener.set_nonblocking(true)?;
                Ok((listener.local_addr()?, listener))
            });
        let (address, listener) = bound.map_err(|source| WebError::Bind { address, source })?;
        // The settings were checked; a list that can't be read trusts nobody.
        let proxies = Proxies::of(&config.trusted_proxies).unwrap_or_default();
        Ok(Some(Self { address, listener, certificate, proxies }))
    }

    /// Begins to serve.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn open(self, mounts: Vec<Arc<dyn Mount>>) -> Result<Web, io::Error> {
        self.open_within(Bounds::default(), mounts)
    }

    /// As [`Door::open`], with other bounds.
    ///
    /// # Errors
    /// As [`Door::open`].
    #[expect(clippy::disallowed_methods, reason = "the listener is a thread")]
    pub fn open_within(self, bounds: Bounds, mounts: Vec<Arc<dyn Mount>>) -> Result<Web, io::Error> {
        let Self { address, listener, certificate, proxies } = self;
        let tls = certificate.as_ref().map(server).transpose().map_err(io::Error::other)?;
        let (stop, stopped) = watch::channel(false);
        let runtime = listener::runtime(&bounds)?;
        let work = move || {
            let serving = Serving::new(bounds, mounts, tls, certificate, proxies, stopped);
            if let Err(error) = runtime.block_on(serving.run(listener)) {
                tracing::error!(%error, "the listener for HTTP ended");
            }
            runtime.shutdown_timeout(GRACE);
        };
        let thread = std::thread::Builder::new().name("web".to_owned()).spawn(work)?;
        Ok(Web { address, stop, thread })
    }
}

/// What is being answered may end within this time when the listener stops.
const GRACE: Duration = Duration::from_secs(3);

/// A listener that serves.
pub struct Web {
    /// The address in use.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Web {
    /// Whether it ended by itself: after a defect.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Accepts nothing more, lets requests that are being answered end, and ends.
    pub fn stop(self) {
        let _ = self.stop.send(true);
        // One that panicked has said so on its way out.
        let _ = self.thread.join();
    }
}
