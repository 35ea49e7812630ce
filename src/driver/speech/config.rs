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
    pub command: Vec<String>,
    /// The voice of each language; for a voice that a catalogue wishes for by `voice: amy`, `en-GB/amy`.
    pub voices: BTreeMap<String, String>,
    /// How long one text may take.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u64,
}

/// Why an entry can't be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SpeechConfigError {
    /// Nothing to start.
    #[error(
        "the `command` of `speech` names no program\n  help: write `command: [espeak-ng, -v, \"{{voice}}\", --stdout]`"
    )]
    NoProgram,
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
        if self.command.first().is_none_or(String::is_empty) {
            return Err(SpeechConfigError::NoProgram);
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
