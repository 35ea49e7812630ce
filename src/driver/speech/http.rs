//! A service that speaks: a request with the text, WAV or MP3 as the reply.
//!
//! It is asked as services of applications are: TLS is verified, redirects are not followed, plain HTTP reaches
//! private networks only. Secrets stand in the settings by name and are read when they are needed.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use ureq::Agent;

use super::command::fill;
use super::config::{Method, SpeechHttpConfig};
use crate::driver::secrets::{SecretError, Secrets};
use crate::driver::services::http::{self, Failure};
use crate::secret::Secret;

/// The service.
#[derive(Clone, Debug)]
pub(super) struct Http {
    settings: SpeechHttpConfig,
    agent: Option<Agent>,
    secrets: Arc<Secrets>,
}

/// Why a service gave no speech.
#[derive(Debug, Error)]
pub enum HttpError {
    /// A secret of the settings is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// No certificate authority is known.
    #[error("there are no certificate authorities on this system: install its package (ca-certificates)")]
    NoAuthorities,
    /// The request can't be written.
    #[error("the settings make no request: {0}")]
    Request(&'static str),
    /// No reply.
    #[error("{0}")]
    Failed(String),
    /// A status other than 200.
    #[error("status {status}{}", said(.body))]
    Status {
        /// The status.
        status: u16,
        /// The beginning of what came with it.
        body: String,
    },
}

/// Five minutes at 48,000 Hz in sixteen bits, as for a program.
const MOST_AUDIO: u64 = 30 << 20;
/// What is kept of a reply that is no speech.
const MOST_WORDS: usize = 300;

fn said(body: &str) -> String {
    let line = body.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() { String::new() } else { format!(": {line}") }
}

impl Http {
    pub(super) fn new(settings: SpeechHttpConfig, secrets: Arc<Secrets>) -> Self {
        let agent = http::agent(settings.url.starts_with("https://"), None, None, "audio/*").ok();
        Self { settings, agent, secrets }
    }

    pub(super) fn identity(&self) -> String {
        let mut words = vec![self.settings.url.as_str(), self.settings.body.as_str()];
        for (name, value) in &self.settings.headers {
            words.extend([name.as_str(), value.as_str()]);
        }
        words.join("\0")
    }

    pub(super) fn title(&self) -> String {
        let url = self.settings.url.split(['?', '{']).next().unwrap_or_default();
        format!("`{url}`")
    }

    /// The bytes of an audio file, and the ending that such files have.
    pub(super) fn ask(
        &self,
        text: &str,
        voice: &str,
        timeout: Duration,
    ) -> Result<(Vec<u8>, &'static str), HttpError> {
        let agent = self.agent.as_ref().ok_or(HttpError::NoAuthorities)?;
        let url = fill(&self.settings.url, &[("{text}", &encoded(text)), ("{voice}", &encoded(voice))]);
        let (media, body) = self.body(text, voice);
        let get = self.settings.method == Method::Get;
        let mut message = ureq::http::Request::builder().method(self.settings.method.name()).uri(&url);
        let mut used = Vec::new();
        for (name, value) in &self.settings.headers {
            let value = self.header(value, &mut used)?;
            let value = ureq::http::HeaderValue::from_str(value.expose());
            let mut value = value.map_err(|_| HttpError::Request("a header is no line of ASCII"))?;
            value.set_sensitive(true);
            message = message.header(name, value);
        }
        let wrong = |_| HttpError::Request("the address or a header is none");
        let answer = if get {
            let message = message.body(()).map_err(wrong)?;
            agent.run(agent.configure_request(message).timeout_global(Some(timeout)).build())
        } else {
            let message = message.header("Content-Type", media).body(body.as_bytes()).map_err(wrong)?;
            agent.run(agent.configure_request(message).timeout_global(Some(timeout)).build())
        };
        let failed = |error: &ureq::Error| HttpError::Failed(told(&http::failure(error)));
        let mut answer = answer.map_err(|error| failed(&error))?;
        let kind =
            answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).map(str::to_owned);
        let status = answer.status().as_u16();
        let bytes = answer.body_mut().with_config().limit(MOST_AUDIO).read_to_vec();
        let bytes = bytes.map_err(|error| failed(&error))?;
        if status != 200 {
            return Err(HttpError::Status { status, body: words(&bytes, &used) });
        }
        let ending = ending(kind.as_deref().unwrap_or_default(), &bytes);
        Ok((bytes, ending))
    }

    /// The body with its kind: in JSON, what is filled in are strings of JSON.
    fn body(&self, text: &str, voice: &str) -> (&'static str, String) {
        let template = &self.settings.body;
        if template.trim_start().starts_with(['{', '[']) && !template.trim_start().starts_with("{text}") {
            let json = |text: &str| serde_json::Value::from(text).to_string();
            return (
                "application/json",
                fill(template, &[("{text}", &json(text)), ("{voice}", &json(voice))]),
            );
        }
        ("text/plain; charset=utf-8", fill(template, &[("{text}", text), ("{voice}", voice)]))
    }

    /// A header's value with its secret.
    fn header(&self, value: &str, used: &mut Vec<Secret<String>>) -> Result<Secret<String>, HttpError> {
        let Some((before, name)) = value.split_once("secret:") else {
            return Ok(Secret::new(value.to_owned()));
        };
        let secret = self.secrets.find(name.trim())?;
        let value = Secret::new(format!("{before}{}", secret.expose()));
        used.push(secret);
        Ok(value)
    }
}

fn told(failure: &Failure) -> String {
    match failure {
        Failure::Connect => "no connection".to_owned(),
        failure => failure.to_string(),
    }
}

/// The beginning of a reply that is no speech, without the secrets that it may repeat.
fn words(bytes: &[u8], used: &[Secret<String>]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    for secret in used.iter().filter(|secret| !secret.expose().is_empty()) {
        text = text.replace(secret.expose().as_str(), "…");
    }
    text.chars().filter(|c| !c.is_control() || c.is_whitespace()).take(MOST_WORDS).collect()
}

/// What kind of audio it is: by its first bytes, then by what the service says.
fn ending(kind: &str, bytes: &[u8]) -> &'static str {
    match bytes {
        [b'R', b'I', b'F', b'F', ..] => "wav",
        [b'O', b'g', b'g', b'S', ..] => "ogg",
        [b'f', b'L', b'a', b'C', ..] => "flac",
        [b'I', b'D', b'3', ..] => "mp3",
        _ if kind.contains("mpeg") || kind.contains("mp3") => "mp3",
        _ => "wav",
    }
}

/// RFC 3986 §2.3: everything but unreserved characters by its octets.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
