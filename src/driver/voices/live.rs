//! What compares voices in calls: the model, and what its scores mean here.

use std::path::Path;
use std::sync::Arc;

use super::VoiceError;
use crate::auth::Poor;
use crate::auth::factor::voiceprint::{FalseAccepts, MOST_UTTERANCES};
use crate::voice::Utterance;
use crate::voice::liveness::{Joins, SpoofModel};
use crate::voice::print::calibration::{Calibration, RateError};
use crate::voice::print::compare::Heard;
use crate::voice::print::enrolment::{self, Refusal};
use crate::voice::print::fingerprint::Fingerprint;
use crate::voice::print::quality::{Flaw, Quality};
use crate::voice::print::{Model, Voice};

/// Who hears voices. Takes a tenth of a second for five seconds of speech: asked on a worker.
pub trait Listener: Send + Sync {
    /// Which model it is: voices of two models cannot be compared.
    fn identity(&self) -> &str;

    /// The voice in samples at 8,000 Hz; `None` when there is none.
    fn voice(&self, samples: &[i16]) -> Option<Voice>;
}

impl Listener for Model {
    fn identity(&self) -> &str {
        Self::identity(self)
    }

    fn voice(&self, samples: &[i16]) -> Option<Voice> {
        Self::voice(self, samples)
    }
}

/// A model and the calibration of its scores: without both nobody is known by voice.
#[derive(Clone)]
pub struct Voices {
    listener: Arc<dyn Listener>,
    calibration: Arc<Calibration>,
    joins: Arc<dyn SpoofModel>,
}

/// Where a data folder keeps the report of its calibration.
pub const REPORT: &str = "voice/calibration.json";

impl Voices {
    /// A model with a calibration of it. `None` when the calibration is another model's, or not whole.
    #[must_use]
    pub fn new(listener: Arc<dyn Listener>, calibration: Calibration) -> Option<Self> {
        let fits = calibration.is_whole() && calibration.model == listener.identity();
        fits.then(|| Self::with(listener, calibration))
    }

    /// The model and the report of a data folder.
    ///
    /// # Errors
    /// What is not there, or can't be used, and what to do.
    pub fn of(data: &Path) -> Result<Self, VoiceError> {
        let model = super::installed(data)?;
        let calibration = super::report(&data.join(REPORT), &model)?;
        Ok(Self::with(Arc::new(model), calibration))
    }

    fn with(listener: Arc<dyn Listener>, calibration: Calibration) -> Self {
        Self { listener, calibration: Arc::new(calibration), joins: Arc::new(Joins::default()) }
    }

    /// With somebody else who tells words that were put together.
    #[must_use]
    pub fn joined_by(self, joins: Arc<dyn SpoofModel>) -> Self {
        Self { joins, ..self }
    }

    /// Who tells words that were put together.
    #[must_use]
    pub fn joins(&self) -> &dyn SpoofModel {
        &*self.joins
    }

    /// Which model it is.
    #[must_use]
    pub fn model(&self) -> &str {
        self.listener.identity()
    }

    /// What scores mean.
    #[must_use]
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// Whether the calibration has a threshold for this rate, however many utterances are heard.
    ///
    /// # Errors
    /// When it was made with too few speakers for it.
    pub fn knows(&self, accept: FalseAccepts) -> Result<(), RateError> {
        for utterances in 1..=MOST_UTTERANCES {
            let line = self.calibration.line(utterances).ok_or(RateError::NoRate)?;
            line.threshold(accept.share())?;
        }
        Ok(())
    }

    /// All that is looked at of an utterance; `None` when there is no voice in it.
    pub(crate) fn measure(&self, utterance: &Utterance) -> Option<enrolment::Utterance> {
        let samples = utterance.samples().expose();
        let quality = Quality::of(samples);
        let voice = self.listener.voice(samples)?;
        let heard = Heard { voice, seconds: quality.speech.max(0.1) };
        Some(enrolment::Utterance { heard, quality, fingerprint: Fingerprint::of(samples) })
    }
}

/// What a caller can do better.
impl From<Refusal> for Poor {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Flawed { flaw, .. } => poor(flaw),
            Refusal::Few(_) | Refusal::Many(_) | Refusal::Brief(_) => Self::Short,
            Refusal::Copy { .. } => Self::Copy,
            Refusal::Stranger(_) => Self::Others,
        }
    }
}

const fn poor(flaw: Flaw) -> Poor {
    match flaw {
        Flaw::Short => Poor::Short,
        Flaw::Soft => Poor::Soft,
        Flaw::Clipped => Poor::Loud,
        Flaw::Noisy => Poor::Noisy,
    }
}
