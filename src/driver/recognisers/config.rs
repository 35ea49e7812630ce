//! A recogniser elsewhere, in `countersign.yaml`.

use std::path::PathBuf;

use serde::Deserialize;
use thiserror::Error;
use ureq::http::Uri;

/// One recogniser that listens elsewhere.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct RecogniserConfig {
    /// A server of Vosk.
    #[serde(default)]
    pub vosk: Option<VoskConfig>,
    /// Or one that takes the transcription call which `OpenAI` defined and many servers know.
    #[serde(default)]
    pub transcription: Option<TranscriptionConfig>,
    /// The languages it hears: `en` for all English, `en-GB` for that of the United Kingdom.
    pub languages: Vec<String>,
    /// How long it may take to answer.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u64,
}

/// A server of Vosk, which is spoken to over a web socket.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct VoskConfig {
    /// `wss://…`, or `ws://…` on a private network.
    pub url: String,
    /// The bearer key, by its name under `secrets:`, where something before the server asks for one.
    #[serde(default)]
    pub key: Option<String>,
    /// Certificate authorities in PEM, in place of the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

/// A server that takes a recording and gives its words.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct TranscriptionConfig {
    /// `https://…/v1/audio/transcriptions`, or `http://…` on a private network.
    pub url: String,
    /// The model to hear with, as the server calls it.
    pub model: String,
    /// The bearer key, by its name under `secrets:`.
    #[serde(default)]
    pub key: Option<String>,
    /// Certificate authorities in PEM, in place of the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

/// Why an entry can't be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RecogniserConfigError {
    /// Neither or both.
    #[error(
        "an entry of `ears` has either `vosk` or `transcription`\n  help: make two entries of two servers"
    )]
    Kind,
    /// No address.
    #[error("`{url}` of `ears` is no address of such a server\n  help: write {schemes}")]
    Url {
        /// What is written.
        url: String,
        /// What may be.
        schemes: &'static str,
    },
    /// It hears nothing.
    #[error("an entry of `ears` has no languages\n  help: write `languages: [en]`")]
    NoLanguages,
    /// A time that helps nobody.
    #[error("`timeout_seconds` of `ears` is {0}\n  help: write 1 to 30")]
    Timeout(u64),
}

const fn default_timeout() -> u64 {
    5
}

impl RecogniserConfig {
    /// Tells whether it can be used.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), RecogniserConfigError> {
        match (&self.vosk, &self.transcription) {
            (Some(vosk), None) => drop(Place::of_vosk(&vosk.url)?),
            (None, Some(http)) => drop(Place::of_http(&http.url)?),
            _ => return Err(RecogniserConfigError::Kind),
        }
        if self.languages.is_empty() || self.languages.iter().any(String::is_empty) {
            return Err(RecogniserConfigError::NoLanguages);
        }
        if !(1..=30).contains(&self.timeout_seconds) {
            return Err(RecogniserConfigError::Timeout(self.timeout_seconds));
        }
        Ok(())
    }
}

/// Where a server is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) uri: Uri,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) secure: bool,
}

impl Place {
    pub(super) fn of_vosk(url: &str) -> Result<Self, RecogniserConfigError> {
        Self::read(url, ["ws", "wss"], "wss://… or, on a private network, ws://192.168.0.7:2700")
    }

    pub(super) fn of_http(url: &str) -> Result<Self, RecogniserConfigError> {
        let schemes = "https://…/v1/audio/transcriptions or, on a private network, http://…";
        Self::read(url, ["http", "https"], schemes)
    }

    fn read(
        url: &str,
        [plain, tls]: [&str; 2],
        schemes: &'static str,
    ) -> Result<Self, RecogniserConfigError> {
        let wrong = || RecogniserConfigError::Url { url: url.to_owned(), schemes };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let scheme = uri.scheme_str().filter(|scheme| [plain, tls].contains(scheme)).ok_or_else(wrong)?;
        let secure = scheme == tls;
        let authority = uri.authority().filter(|all| !all.as_str().contains('@')).ok_or_else(wrong)?;
        // Brackets around an address of IPv6 belong to the address of the page, not to the address of the machine.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Self { uri, host, port, secure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_and_whether_in_secret() {
        for (url, host, port, secure) in [
            ("ws://127.0.0.1:2700", "127.0.0.1", 2_700, false),
            ("wss://speech.example.com/vosk", "speech.example.com", 443, true),
            ("ws://[::1]:2700/", "::1", 2_700, false),
        ] {
            let place = Place::of_vosk(url).expect(url);
            assert_eq!((place.host.as_str(), place.port, place.secure), (host, port, secure));
        }
        for url in ["", "http://x", "ws:", "ws://", "wss://key@host", "host:2700", "ws://a b"] {
            assert!(Place::of_vosk(url).is_err(), "{url}");
        }
        assert!(Place::of_http("https://x/v1/audio/transcriptions").is_ok());
        assert!(Place::of_http("wss://x").is_err());
    }
}
