//! The embedded network as somebody who understands speech.

use crate::driver::models::{InstallError, Models, WHISPER, WHISPER_BASE};
use crate::voice::model::ModelError;
use crate::voice::recogniser::Recogniser;
use crate::voice::{Ear, EarError, Hearing, Understood, Utterance};

use thiserror::Error;

/// Whisper, read once and shared by all workers.
pub struct Whisper {
    recogniser: Recogniser,
}

/// Why it can't be read.
#[derive(Debug, Error)]
pub enum WhisperError {
    /// Its file.
    #[error(transparent)]
    File(#[from] InstallError),
    /// What is in it.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Whisper {
    /// Reads the model of a data folder, and that for a second opinion if it is there.
    ///
    /// # Errors
    /// [`WhisperError`].
    pub fn load(models: &Models) -> Result<Self, WhisperError> {
        let first = Recogniser::read(models.load(&WHISPER)?)?;
        let second = models.load(&WHISPER_BASE).map_err(WhisperError::from);
        let second = second.and_then(|model| Ok(Recogniser::read(model)?));
        let recogniser = match second {
            Ok(second) => first.with(second),
            Err(WhisperError::File(InstallError::Missing(_))) => first,
            // One opinion is better than none.
            Err(why) => {
                tracing::warn!(model = WHISPER_BASE.name, "no second opinion of what callers say: {why}");
                first
            }
        };
        Ok(Self { recogniser })
    }
}

impl Ear for Whisper {
    fn name(&self) -> &str {
        WHISPER.name
    }

    fn hears(&self, language: &str) -> bool {
        language.split('-').next() == Some("en")
    }

    fn hear(&self, utterance: &Utterance, hearing: &Hearing) -> Result<Vec<Understood>, EarError> {
        let Some(grammar) = &hearing.grammar else { return Ok(Vec::new()) };
        let samples = utterance.samples().expose();
        let heard = self.recogniser.listen(samples, grammar, &hearing.language, hearing.expected.as_ref());
        heard.map_err(|why| {
            tracing::warn!(ear = WHISPER.name, "{why}");
            EarError::Failed
        })
    }
}
