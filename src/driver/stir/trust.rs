//! The authorities that are trusted and the certificates that count no more: read from their files, and again when those
//! change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::config::StirError;
use crate::driver::stamp::Stamp;
use crate::driver::tls;
use crate::sip::stir::{Fingerprint, Trust};

/// The files.
pub(super) struct TrustFiles {
    authorities: PathBuf,
    revoked: Option<PathBuf>,
    current: Mutex<(Stamps, Arc<Trust>)>,
}

/// Of both files.
type Stamps = [Option<Stamp>; 2];

/// A list of authorities has some dozens, one of revoked certificates some thousands.
const LARGEST: u64 = 4 * 1024 * 1024;

impl TrustFiles {
    pub(super) fn read(authorities: PathBuf, revoked: Option<PathBuf>) -> Result<Self, StirError> {
        let stamps = stamps(&authorities, revoked.as_deref());
        let trust = Arc::new(trust(&authorities, revoked.as_deref())?);
        Ok(Self { authorities, revoked, current: Mutex::new((stamps, trust)) })
    }

    pub(super) fn current(&self) -> Arc<Trust> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// Reads the files again if they changed; a version that can't be used is told once, and the former one goes on.
    pub(super) fn look(&self) {
        let now = stamps(&self.authorities, self.revoked.as_deref());
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 == now {
            return;
        }
        current.0 = now;
        match trust(&self.authorities, self.revoked.as_deref()) {
            Ok(trust) => {
                tracing::info!(?trust, "the authorities of callers' certificates were read again");
                current.1 = Arc::new(trust);
            }
            Err(error) => tracing::warn!(%error, "the former list of authorities goes on"),
        }
    }
}

fn stamps(authorities: &Path, revoked: Option<&Path>) -> Stamps {
    [Stamp::at(authorities), revoked.and_then(Stamp::at)]
}

fn trust(authorities: &Path, revoked: Option<&Path>) -> Result<Trust, StirError> {
    let list = text(authorities, "stir.verify.authorities")?;
    let ders =
        tls::certificates(&list).ok_or_else(|| StirError::NoAuthority { path: authorities.to_owned() })?;
    let mut fingerprints = Vec::new();
    if let Some(path) = revoked {
        for (number, line) in (1..).zip(text(path, "stir.verify.revoked")?.lines()) {
            let word = line.split('#').next().unwrap_or_default().trim();
            if !word.is_empty() {
                let read = word.parse::<Fingerprint>();
                fingerprints.push(read.map_err(|source| StirError::Fingerprint {
                    path: path.to_owned(),
                    line: number,
                    source,
                })?);
            }
        }
    }
    Trust::new(&ders, fingerprints).ok_or_else(|| StirError::NoAuthority { path: authorities.to_owned() })
}

pub(super) fn text(path: &Path, key: &'static str) -> Result<String, StirError> {
    let unreadable = |source| StirError::Unreadable { path: path.to_owned(), key, source };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > LARGEST {
        return Err(unreadable(std::io::ErrorKind::FileTooLarge.into()));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}
