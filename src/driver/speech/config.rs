//! `speech:` in `countersign.yaml`.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

/// One synthesiser: a program or a service, and its voices.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct SpeechConfig {
    /// The program and its arguments. `{voice}` is the voice; `{text}` the text, which comes by standard input
    /// where no argument has it; `{out}` a file for the WAV, which is read from standard output where none has it.
    #[serde(default)]
    pub command: Vec<String>,
    /// Or the service.
    #[serde(default)]
    pub http: Option<SpeechHttpConfig>,
    /// The voice of each language; for a voice that a catalogue wishes for by `voice: amy`, `en-GB/amy`.
    pub voices: BTreeMap<String, String>,
    /// How long one text may take.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u64,
}

/// A request that speech is the reply to.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct SpeechHttpConfig {
    /// `https://…`, or `http://…` on a private network; `{text}` and `{voice}` are filled in.
    pub url: String,
    /// How it is asked.
    #[serde(default)]
    pub method: Method,
    /// Headers; what stands behind `secret:` is filled in from `secrets`: `Bearer secret:tts/key`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body; `{text}` and `{voice}` are filled in, in JSON as its strings.
    #[serde(default = "default_body")]
    pub body: String,
}

/// How a service is asked.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// With the text in the body.
    #[default]
    Post,
    /// With the text in the address.
    Get,
    /// With the text in the body.
    Put,
}

impl Method {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Get => "GET",
            Self::Put => "PUT",
        }
    }
}

/// Why an entry can't be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SpeechConfigError {
    /// Nothing to start.
    #[error(
        "the `command` of `speech` names no program\n  help: write `command: [espeak-ng, -v, \"{{voice}}\", --stdout]`"
    )]
    NoProgram,
    /// Both of them.
    #[error("an entry of `speech` has either `command` or `http`\n  help: make two entries of it")]
    Both,
    /// No address.
    #[error(
        "`{0}` of `speech` is no address of a service\n  help: write https://…, or http://… on a private network"
    )]
    Url(String),
    /// The text is nowhere in the request.
    #[error(
        "the request of `speech` to {0} does not hold the text\n  help: write {{text}} in its `body`, or in its `url`"
    )]
    NoText(String),
    /// No voices.
    #[error("an entry of `speech` has no voices\n  help: write `voices: {{en-GB: en-gb}}`")]
    NoVoices,
    /// A time that helps nobody.
    #[error("`timeout_seconds` of `speech` is {0}\n  help: write 1 to 300")]
    Timeout(u64),
}

const fn default_timeout() -> u64 {
    20
}

impl SpeechConfig {
    /// Tells whether it can be used.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), SpeechConfigError> {
        match &self.http {
            None if self.command.first().is_none_or(String::is_empty) => {
                return Err(SpeechConfigError::NoProgram);
            }
            Some(_) if !self.command.is_empty() => return Err(SpeechConfigError::Both),
            Some(http) => http.check()?,
            None => {}
        }
        if self.voices.is_empty() {
            return Err(SpeechConfigError::NoVoices);
        }
        if !(1..=300).contains(&self.timeout_seconds) {
            return Err(SpeechConfigError::Timeout(self.timeout_seconds));
        }
        Ok(())
    }
}

impl SpeechHttpConfig {
    fn check(&self) -> Result<(), SpeechConfigError> {
        let scheme = ["https://", "http://"].into_iter().any(|scheme| self.url.starts_with(scheme));
        if !scheme || self.url.contains(char::is_whitespace) {
            return Err(SpeechConfigError::Url(self.url.clone()));
        }
        let body = self.method != Method::Get && self.body.contains("{text}");
        if !body && !self.url.contains("{text}") {
            return Err(SpeechConfigError::NoText(self.url.clone()));
        }
        Ok(())
    }
}

fn default_body() -> String {
    r#"{"text": {text}, "voice": {voice}}"#.to_owned()
}
