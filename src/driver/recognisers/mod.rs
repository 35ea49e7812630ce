//! Recognisers of others: servers that are sent what a caller said and answer with its words.
//!
//! They are asked as services are: TLS is verified, without it only private networks are reached, the way goes straight
//! there, nothing is asked twice, all of it is over by a deadline and a reply has a bounded size. One that fails is
//! left alone for a while, so that callers who speak are not kept waiting for it. What was said and what was
//! understood is in no log and no error.

mod config;
mod transcription;
mod vosk;

pub use config::{RecogniserConfig, RecogniserConfigError, TranscriptionConfig, VoskConfig};

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use super::os;
use super::secrets::{SecretError, Secrets};
use super::services::Fuse;
use super::services::http::Failure;
use super::wire::Broken;
use crate::flow::document::Breaker;
use crate::secret::Secret;

/// What a server understood.
pub struct Transcript {
    /// The words as it writes them.
    pub words: Secret<String>,
    /// How likely all of them are right, in percent, as the server says it.
    pub confidence: u8,
}

/// Why nothing was understood. Without words and without secrets: for logs.
#[derive(Debug, Error)]
pub enum NotHeard {
    /// It failed often and is left alone.
    #[error("it is left alone, after failures in a row")]
    LeftAlone,
    /// There is more to hear than a server is sent.
    #[error("an utterance of more than {} s", LONGEST / 8_000)]
    TooLong,
    /// A secret of the settings is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A secret of the settings can't stand in a header.
    #[error("the secret `{0}` is not one line of ASCII")]
    SecretUnfit(String),
    /// No certificate authority is known.
    #[error(
        "there are no certificate authorities: install their package (ca-certificates), or name a file with `ca`"
    )]
    NoAuthorities,
    /// The connection did not last.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// A status that is none of success.
    #[error("status {0}")]
    Status(u16),
    /// The reply is not what such servers reply.
    #[error("the reply can't be read: {0}")]
    Garbage(&'static str),
}

impl NotHeard {
    /// Whether it failed before anybody was asked.
    const fn asked_nobody(&self) -> bool {
        matches!(self, Self::Secret(_) | Self::SecretUnfit(_) | Self::NoAuthorities)
    }

    /// Whether the server is to blame.
    const fn is_the_servers(&self) -> bool {
        match self {
            Self::LeftAlone | Self::TooLong => false,
            Self::Secret(_) | Self::SecretUnfit(_) | Self::NoAuthorities => false,
            Self::Status(status) => *status >= 500 || *status == 429,
            _ => true,
        }
    }
}

impl From<Failure> for NotHeard {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Connect => Self::Broken(Broken::Connect),
            Failure::Timeout => Self::Broken(Broken::Timeout),
            Failure::Tls(_) => Self::Broken(Broken::Tls),
            Failure::NoAuthorities => Self::NoAuthorities,
            Failure::Status(status) => Self::Status(status),
            Failure::Garbage(what) => Self::Garbage(what),
            _ => Self::Broken(Broken::Lost),
        }
    }
}

/// One server, as the settings name it.
#[derive(Debug)]
pub struct Outside {
    how: How,
    languages: Vec<String>,
    timeout: Duration,
    fuse: Fuse,
}

#[derive(Debug)]
enum How {
    Vosk(vosk::Vosk),
    Transcription(transcription::Transcription),
}

/// The most that is sent: 30 s at 8,000 Hz.
const LONGEST: usize = 30 * 8_000;
/// After three failures in a row it is left alone for this long; then one caller tries.
const PATIENCE: Breaker = Breaker { open_after: 3, open_for: Duration::from_secs(15) };

impl Outside {
    /// What an entry of the settings says.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(settings: &RecogniserConfig, secrets: &Arc<Secrets>) -> Result<Self, RecogniserConfigError> {
        settings.check()?;
        let how = match (&settings.vosk, &settings.transcription) {
            (Some(vosk), None) => How::Vosk(vosk::Vosk::new(vosk, secrets)?),
            (None, Some(http)) => How::Transcription(transcription::Transcription::new(http, secrets)?),
            _ => return Err(RecogniserConfigError::Kind),
        };
        Ok(Self {
            how,
            languages: settings.languages.clone(),
            timeout: Duration::from_secs(settings.timeout_seconds),
            fuse: Fuse::default(),
        })
    }

    /// Its address: for logs.
    #[must_use]
    pub fn title(&self) -> &str {
        match &self.how {
            How::Vosk(vosk) => vosk.title(),
            How::Transcription(http) => http.title(),
        }
    }

    /// Whether it hears a language: `en` hears `en-GB` and `en-US`.
    #[must_use]
    pub fn knows(&self, language: &str) -> bool {
        let main = main_language(language);
        self.languages.iter().any(|known| known == language || known == main)
    }

    /// What was said in these samples at 8,000 Hz; `None` where nothing was. Where `phrases` are given, nothing but these and
    /// runs of them is expected. It may wait for as long as the settings say.
    ///
    /// # Errors
    /// [`NotHeard`].
    pub fn transcribe(
        &self,
        samples: &[i16],
        language: &str,
        phrases: Option<&[String]>,
    ) -> Result<Option<Transcript>, NotHeard> {
        if samples.len() > LONGEST {
            return Err(NotHeard::TooLong);
        }
        let now = os::now();
        if !self.fuse.admits(PATIENCE, now) {
            return Err(NotHeard::LeftAlone);
        }
        let deadline = now + self.timeout;
        let heard = match &self.how {
            How::Vosk(vosk) => vosk.transcribe(samples, phrases, deadline),
            How::Transcription(http) => http.transcribe(samples, main_language(language), deadline),
        };
        if heard.as_ref().is_err_and(NotHeard::asked_nobody) {
            self.fuse.not_asked();
            return heard;
        }
        let healthy = heard.as_ref().err().is_none_or(|error| !error.is_the_servers());
        if self.fuse.note(PATIENCE, os::now(), healthy) {
            tracing::warn!(recogniser = self.title(), "it fails, and is left alone for a while");
        }
        heard
    }
}

/// `en` of `en-GB`.
fn main_language(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

/// What proves who we are, as a header says it.
fn bearer(secrets: &Secrets, name: &str) -> Result<Secret<String>, NotHeard> {
    let key = secrets.find(name)?;
    if key.expose().is_empty() || !key.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(NotHeard::SecretUnfit(name.to_owned()));
    }
    Ok(Secret::new(format!("Bearer {}", key.expose())))
}

/// The authorities of a file, in PEM; relative to the data folder.
fn authorities(secrets: &Secrets, ca: Option<&PathBuf>) -> Option<PathBuf> {
    ca.map(|path| secrets.folder().join(path))
}

/// Words of a reply, which leave nothing behind.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Wiped(Zeroizing<String>);

impl From<String> for Wiped {
    fn from(words: String) -> Self {
        Self(Zeroizing::new(words))
    }
}

/// A share as percent.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
fn percent(share: f64) -> u8 {
    if share.is_finite() { (share.clamp(0.0, 1.0) * 100.0).round() as u8 } else { 0 }
}
