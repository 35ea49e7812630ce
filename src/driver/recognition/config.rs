//! `recognition:` in `countersign.yaml`.

use std::sync::Arc;

use serde::Deserialize;
use thiserror::Error;

use super::network;
use crate::driver::models::{Models, State, WHISPER};
use crate::driver::recognisers::{Outside, RecogniserConfig, RecogniserConfigError};
use crate::driver::secrets::Secrets;
use crate::voice::Ear;

/// Who understands what callers say, and how much of the machine that may take.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct RecognitionConfig {
    /// How many callers are understood at once, each by one core; half of the cores when left out.
    #[serde(default)]
    pub workers: Option<usize>,
    /// How many wait for that.
    #[serde(default = "default_queue")]
    pub queue: usize,
    /// Who is asked, the first of those who know the language first; when left out, the network that was installed.
    #[serde(default)]
    pub ears: Vec<EarConfig>,
}

/// Somebody who understands speech.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct EarConfig {
    /// A network that was installed: `whisper-tiny.en`.
    #[serde(default)]
    pub model: Option<String>,
    /// Or a server that understands it.
    #[serde(default)]
    pub outside: Option<RecogniserConfig>,
}

/// Why it can't be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RecognitionConfigError {
    /// A number that helps nobody.
    #[error("`{0}` of `recognition` is {1}\n  help: write 1 to {2}")]
    Count(&'static str, usize, usize),
    /// No such network.
    #[error("`recognition` names the model `{0}`, which hears nothing\n  help: write `{known}`", known = WHISPER.name)]
    Model(String),
    /// Nobody, or two.
    #[error("an entry of `ears` has either `model` or `outside`\n  help: write `model: {known}`", known = WHISPER.name)]
    Nobody,
    /// A server that can't be asked.
    #[error(transparent)]
    Outside(#[from] RecogniserConfigError),
}

impl Default for RecognitionConfig {
    fn default() -> Self {
        Self { workers: None, queue: default_queue(), ears: Vec::new() }
    }
}

const fn default_queue() -> usize {
    32
}

impl RecognitionConfig {
    /// How many callers are understood at once.
    #[must_use]
    pub fn workers(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.workers.unwrap_or_else(|| (cores() / 2).clamp(1, MOST_WORKERS))
    }

    /// Tells whether it can be used.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), RecognitionConfigError> {
        if let Some(workers) = self.workers.filter(|workers| !(1..=MOST_WORKERS).contains(workers)) {
            return Err(RecognitionConfigError::Count("workers", workers, MOST_WORKERS));
        }
        if !(1..=MOST_QUEUE).contains(&self.queue) {
            return Err(RecognitionConfigError::Count("queue", self.queue, MOST_QUEUE));
        }
        self.ears.iter().try_for_each(EarConfig::check)
    }
}

impl EarConfig {
    fn check(&self) -> Result<(), RecognitionConfigError> {
        match (&self.model, &self.outside) {
            (Some(model), None) if model != WHISPER.name => Err(RecognitionConfigError::Model(model.clone())),
            (Some(_), None) => Ok(()),
            (None, Some(outside)) => Ok(outside.check()?),
            _ => Err(RecognitionConfigError::Nobody),
        }
    }

    /// Whoever it names; `None`, which is told, when that is not there.
    pub(super) fn open(&self, models: &Models, secrets: &Arc<Secrets>) -> Option<Arc<dyn Ear>> {
        if let Some(outside) = &self.outside {
            return match Outside::new(outside, secrets) {
                Ok(ear) => Some(Arc::new(ear)),
                Err(why) => {
                    tracing::warn!("a recogniser can't be asked: {why}");
                    None
                }
            };
        }
        let name = self.model.as_ref()?;
        if models.state(&WHISPER).is_ok_and(|state| state == State::Missing) {
            tracing::warn!(
                model = name,
                "the model is not installed: `countersign models install {name}` brings it"
            );
            return None;
        }
        network(models)
    }
}

const MOST_WORKERS: usize = 64;
/// So many utterances of 20 s are 330 MB.
const MOST_QUEUE: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), String> {
        let config: RecognitionConfig = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        config.check().map_err(|error| error.to_string())
    }

    #[test]
    fn what_can_t_work_is_told_with_what_to_write() {
        assert_eq!(check("{workers: 2, queue: 8, ears: [{model: whisper-tiny.en}]}"), Ok(()));
        assert_eq!(check("{}"), Ok(()));
        for (text, told) in [
            ("{workers: 0}", "write 1 to 64"),
            ("{queue: 100000}", "write 1 to 1000"),
            ("{ears: [{model: cam-plus-plus}]}", "write `whisper-tiny.en`"),
            ("{ears: [{}]}", "either `model` or `outside`"),
            ("{ears: [{outside: {vosk: {url: 'http://x'}, languages: [en]}}]}", "wss://"),
            ("{ears: [{outside: {vosk: {url: 'ws://x'}, languages: []}}]}", "languages: [en]"),
            ("{ears: [{outside: {languages: [en]}}]}", "either `vosk` or `transcription`"),
            ("{ear: []}", "ear"),
        ] {
            let found = check(text).expect_err(text);
            assert!(found.contains(told), "{text}: {found}");
        }
    }
}
