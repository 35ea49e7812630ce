//! TLS for SIP: our certificate, whose certificates we take, and what a peer's certificate proves.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::driver::certificate::{Certificate, CertificateError};
use crate::driver::config::SipTlsConfig;
use crate::driver::tls;

/// Why TLS can't be spoken with the files of the settings.
#[derive(Debug, Error)]
pub enum SecureError {
    /// Our certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A file of authorities can't be read.
    #[error("cannot read {path}: {source}\n  help: check `{key}`, and that this user may read the file")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The key that names it.
        key: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It holds none.
    #[error(
        "{path} holds no certificate in PEM that can be an authority\n  help: `{key}` names the certificates of authorities, each beginning with -----BEGIN CERTIFICATE-----"
    )]
    NoAuthority {
        /// The file.
        path: PathBuf,
        /// The key that names it.
        key: &'static str,
    },
    /// They can't be used.
    #[error("{0}")]
    Unusable(String),
}

/// The trunks whose certificate a connection has shown.
pub(super) type Proven = Arc<[Arc<str>]>;

/// What TLS is spoken with.
pub struct Secure {
    certificate: Arc<Certificate>,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    /// The names in certificates, and the trunks that they prove.
    names: Vec<(ServerName<'static>, Arc<str>)>,
    /// To whom the last connection failed.
    failing: Mutex<HashSet<SocketAddr>>,
}

impl fmt::Debug for Secure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secure").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// A peer that does not finish its handshake by then has no place here.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Addresses whose failing is remembered.
const MOST_FAILING: usize = 256;

impl Secure {
    /// Reads the files; paths are relative to the data folder. `names` are the names of trunks' certificates.
    ///
    /// # Errors
    /// [`SecureError`]: which file, and what to do.
    pub fn read(
        data: &Path,
        config: &SipTlsConfig,
        names: impl IntoIterator<Item = (ServerName<'static>, Arc<str>)>,
    ) -> Result<Self, SecureError> {
        let unusable = |error: &dyn fmt::Display| SecureError::Unusable(error.to_string());
        let certificate = Certificate::read(data.join(&config.certificate), data.join(&config.key))?;
        let server = ServerConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?;
        let server = match &config.clients {
            None => server.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(authorities(&data.join(path), "clients")?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, tls::provider()).build();
                server.with_client_cert_verifier(verifier.map_err(|error| unusable(&error))?)
            }
        };
        let server = server.with_cert_resolver(Arc::clone(&certificate) as _);
        let roots = match &config.authorities {
            Some(path) => authorities(&data.join(path), "authorities")?,
            // A system that trusts nobody is one from which nobody is called over TLS.
            None => tls::roots(tls::system_authorities()).unwrap_or_else(RootCertStore::empty),
        };
        let client = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::clone(&certificate) as _);
        Ok(Self {
            certificate,
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
            names: names.into_iter().collect(),
            failing: Mutex::default(),
        })
    }

    /// A peer's handshake; `None` when it fails or takes too long.
    pub(super) async fn accept(&self, socket: TcpStream) -> Option<(server::TlsStream<TcpStream>, Proven)> {
        let stream = match timeout(HANDSHAKE, self.acceptor.accept(socket)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                return None;
            }
            Err(_) => return None,
        };
        let proven = self.proven(stream.get_ref().1.peer_certificates());
        Some((stream, proven))
    }

    /// A connection of ours: the peer's certificate must be for the name that led there (RFC 5922 §7.1), for all of them if several did;
    /// for its address when none did.
    pub(super) async fn connect(
        &self,
        socket: TcpStream,
        remote: SocketAddr,
        names: Vec<String>,
    ) -> Option<client::TlsStream<TcpStream>> {
        let names: Vec<ServerName<'static>> =
            names.into_iter().filter_map(|name| ServerName::try_from(name).ok()).collect();
        let first = names.first().cloned().unwrap_or(ServerName::IpAddress(remote.ip().into()));
        let connecting = self.connector.connect(first, socket);
        let connected =
            timeout(HANDSHAKE, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let connected = connected.and_then(|stream| {
            let all = is_for_all(stream.get_ref().1.peer_certificates(), &names);
            all.then_some(stream)
                .ok_or_else(|| io::Error::other("its certificate is not for every name that leads there"))
        });
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match connected {
            Ok(stream) => {
                failing.remove(&remote);
                Some(stream)
            }
            Err(error) => {
                // Once, not for each call.
                if failing.len() < MOST_FAILING && failing.insert(remote) {
                    tracing::warn!(to = %remote, %error, "no TLS connection for SIP, until it works again");
                }
                None
            }
        }
    }

    /// Which trunks a verified certificate is of.
    fn proven(&self, certificates: Option<&[CertificateDer<'_>]>) -> Proven {
        let Some(first) = certificates.and_then(<[_]>::first) else { return Proven::default() };
        let Ok(certificate) = webpki::EndEntityCert::try_from(first) else { return Proven::default() };
        let of =
            self.names.iter().filter(|(name, _)| certificate.verify_is_valid_for_subject_name(name).is_ok());
        of.map(|(_, trunk)| Arc::clone(trunk)).collect()
    }

    /// The certificate, which is to be looked at from time to time.
    pub(super) fn certificate(&self) -> Arc<Certificate> {
        Arc::clone(&self.certificate)
    }
}

/// Whether a verified certificate has all these names.
fn is_for_all(certificates: Option<&[CertificateDer<'_>]>, names: &[ServerName<'_>]) -> bool {
    let certificate = certificates.and_then(<[_]>::first).map(webpki::EndEntityCert::try_from);
    let Some(Ok(certificate)) = certificate else { return false };
    names.iter().all(|name| certificate.verify_is_valid_for_subject_name(name).is_ok())
}

fn authorities(path: &Path, key: &'static str) -> Result<RootCertStore, SecureError> {
    let text = std::fs::read_to_string(path).map_err(|source| SecureError::Unreadable {
        path: path.to_owned(),
        key,
        source,
    })?;
    tls::certificates(&text)
        .and_then(tls::roots)
        .ok_or_else(|| SecureError::NoAuthority { path: path.to_owned(), key })
}
