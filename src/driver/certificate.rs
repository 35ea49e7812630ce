//! A certificate with its key: read from its files, and again when they change.
//!
//! A changed pair of files that does not fit together is told once, and the pair that was read before goes on.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::driver::stamp::Stamp;
use crate::driver::tls;

/// Why a certificate can't be used.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file can't be read.
    #[error(
        "cannot read {path}: {source}\n  help: check `certificate` and `key` in countersign.yaml, and that this user may read both files"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Everybody may read the key.
    #[error("the private key lies open: others on this machine may read {0}\n  help: chmod 600 {0}")]
    Open(PathBuf),
    /// There is no certificate in it.
    #[error("{0} holds no certificate in PEM\n  help: it begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate(PathBuf),
    /// There is no key in it.
    #[error("{0} holds no private key in PEM\n  help: it begins with -----BEGIN PRIVATE KEY-----")]
    NoKey(PathBuf),
    /// They do not fit.
    #[error(
        "{certificate} and {key} do not belong together: {source}\n  help: name the key that this certificate was made for"
    )]
    Unfit {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// The certificate in use, and where it comes from.
#[derive(Debug)]
pub(super) struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
    /// What the files were like when they were last read.
    stamp: Mutex<[Option<Stamp>; 2]>,
}

/// How often the files are to be looked at.
pub(super) const LOOK: Duration = Duration::from_secs(15);

/// Chains of some length fit.
const LONGEST: u64 = 256 * 1024;

impl Certificate {
    /// Reads it.
    pub(super) fn read(certificate: PathBuf, key: PathBuf) -> Result<Arc<Self>, CertificateError> {
        let stamp = [&certificate, &key].map(|path| Stamp::at(path));
        let current = load(&certificate, &key)?;
        Ok(Arc::new(Self { certificate, key, current: RwLock::new(current), stamp: Mutex::new(stamp) }))
    }

    /// As it is now.
    fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again if they are not as they were.
    pub(super) fn look(&self) {
        let found = [&self.certificate, &self.key].map(|path| Stamp::at(path));
        let mut known = self.stamp.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == found {
            return;
        }
        *known = found;
        match load(&self.certificate, &self.key) {
            Ok(loaded) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = loaded;
                tracing::info!(certificate = %self.certificate.display(), "new connections get the changed certificate");
            }
            Err(error) => {
                tracing::error!("a changed certificate is not used; the one before goes on\n{error}")
            }
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl ResolvesClientCert for Certificate {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let current = self.current();
        current.key.choose_scheme(schemes).is_some().then_some(current)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn load(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, CertificateError> {
    let (text, _) = read(certificate)?;
    let text = std::str::from_utf8(&text).ok();
    let chain = text
        .and_then(tls::certificates)
        .ok_or_else(|| CertificateError::NoCertificate(certificate.to_owned()))?;
    let (pem, mode) = read(key)?;
    if mode & 0o007 != 0 {
        return Err(CertificateError::Open(key.to_owned()));
    }
    let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| CertificateError::NoKey(key.to_owned()))?;
    let unfit =
        |source| CertificateError::Unfit { certificate: certificate.to_owned(), key: key.to_owned(), source };
    Ok(Arc::new(CertifiedKey::from_der(chain, private, &tls::provider()).map_err(unfit)?))
}

/// What is in a file, and its mode.
fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32), CertificateError> {
    let failed = |source| CertificateError::Unreadable { path: path.to_owned(), source };
    let mut file = fs::File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    let size = usize::try_from(about.len().min(LONGEST)).unwrap_or(0);
    let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
    (&mut file).take(LONGEST).read_to_end(&mut bytes).map_err(failed)?;
    Ok((bytes, about.mode()))
}
