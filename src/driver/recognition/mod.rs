//! Who understands what callers say: networks of this engine that were installed, or recognisers outside.
//!
//! They are asked on a few workers with the lowest priority: media comes first. What finds no worker in time is answered
//! at once: then callers use keys, and no mistake is counted.

mod config;
mod outside;
mod pool;
mod whisper;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use self::config::{EarConfig, RecognitionConfig, RecognitionConfigError};
pub use self::pool::{Full, WorkPool};
pub use self::whisper::{Whisper, WhisperError};
use super::models::{Models, State, WHISPER};
use super::os;
use super::secrets::Secrets;
use crate::flow::document::Application;
use crate::voice::{Ear, EarError, Hearing, Understood, Utterance};

/// Who understands speech in a deployment.
#[derive(Clone, Default)]
pub enum EarsFrom {
    /// Whom the settings name; when they name nobody, the network that was installed.
    #[default]
    Settings,
    /// These.
    These(Vec<Arc<dyn Ear>>),
}

impl fmt::Debug for EarsFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings => f.write_str("Settings"),
            Self::These(ears) => f.debug_list().entries(ears.iter().map(|ear| ear.name())).finish(),
        }
    }
}

/// All who understand speech, and the workers that they are asked on.
pub struct Ears {
    ears: Arc<[Arc<dyn Ear>]>,
    pool: Arc<WorkPool>,
}

/// What is told of them at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarReport {
    /// Who they are.
    pub names: Vec<String>,
    /// The languages of the application that somebody hears.
    pub hears: Vec<String>,
    /// Those that nobody hears.
    pub deaf: Vec<String>,
}

impl Ears {
    /// Opens what the settings name. A model that is not there is left out, and that is told.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn open(
        from: &EarsFrom,
        config: &RecognitionConfig,
        data: &Path,
        secrets: &Arc<Secrets>,
    ) -> std::io::Result<Self> {
        let ears = match from {
            EarsFrom::These(ears) => ears.clone(),
            EarsFrom::Settings => opened(config, data, secrets),
        };
        let pool = Arc::new(WorkPool::start("ear", config.workers(), config.queue)?);
        Ok(Self { ears: ears.into(), pool })
    }

    /// The languages of an application that somebody hears.
    #[must_use]
    pub fn hears(&self, application: &Application) -> Arc<[Box<str>]> {
        self.tags(application).filter(|(_, heard)| *heard).map(|(tag, _)| Box::from(tag)).collect()
    }

    /// What to tell of them.
    #[must_use]
    pub fn report(&self, application: &Application) -> EarReport {
        let names = self.ears.iter().map(|ear| ear.name().to_owned()).collect();
        let tags = |wanted| {
            let of = self.tags(application).filter(move |(_, heard)| *heard == wanted);
            of.map(|(tag, _)| tag.to_owned()).collect()
        };
        EarReport { names, hears: tags(true), deaf: tags(false) }
    }

    /// The languages of an application, and whether somebody hears each.
    fn tags<'a>(&'a self, application: &'a Application) -> impl Iterator<Item = (&'a str, bool)> {
        let tags = application.languages.iter().map(|language| language.tag.as_str());
        tags.map(|tag| (tag, self.ears.iter().any(|ear| ear.hears(tag))))
    }

    /// Has a sound understood. `reply` is called once, on a worker or at once.
    pub fn recognise(&self, sound: Arc<Utterance>, hearing: Arc<Hearing>, reply: Reply) {
        let ears = Arc::clone(&self.ears);
        let asked = os::now();
        let refused = reply.clone();
        let work = move || {
            // Who asked is gone, or asks about a longer sound by now.
            let unwanted = Arc::strong_count(&sound) == 1;
            if unwanted || os::now().saturating_duration_since(asked) > PATIENCE {
                return Err(EarError::Full);
            }
            understand(&ears, &sound, &hearing)
        };
        let told = move |answer: Option<_>| reply(answer.unwrap_or(Err(EarError::Failed)));
        if self.pool.submit(work, told).is_err() {
            refused(Err(EarError::Full));
        }
    }
}

impl EarReport {
    /// Writes it to the log, in one line.
    pub fn tell(&self) {
        let Self { names, hears, deaf } = self;
        if names.is_empty() {
            let help = format!("`countersign models install {}` brings a model for English", WHISPER.name);
            tracing::info!(help, "nobody hears what callers say: they use keys");
        } else {
            let (by, hears, keys_only) = (names.join(", "), hears.join(", "), deaf.join(", "));
            tracing::info!(by, hears, keys_only, "what callers say is heard");
        }
    }
}

/// Takes what was understood.
pub type Reply = Arc<dyn Fn(Result<Vec<Understood>, EarError>) + Send + Sync>;

/// Asks one after the other, of those who know the language, until one can tell.
fn understand(
    ears: &[Arc<dyn Ear>],
    sound: &Utterance,
    hearing: &Hearing,
) -> Result<Vec<Understood>, EarError> {
    let mut answer = Err(EarError::Language);
    let may = |ear: &Arc<dyn Ear>| !(hearing.secret && ear.is_outside()) && ear.hears(&hearing.language);
    for ear in ears.iter().filter(|ear| may(ear)) {
        answer = ear.hear(sound, hearing);
        match answer {
            Ok(_) => return answer,
            Err(why) => tracing::warn!(ear = ear.name(), "what a caller said was not understood: {why}"),
        }
    }
    answer
}

/// Those that can be opened, in their order.
fn opened(config: &RecognitionConfig, data: &Path, secrets: &Arc<Secrets>) -> Vec<Arc<dyn Ear>> {
    let models = Models::of(data);
    let installed = || models.state(&WHISPER).is_ok_and(|state| state != State::Missing);
    if config.ears.is_empty() {
        return if installed() { network(&models).into_iter().collect() } else { Vec::new() };
    }
    config.ears.iter().filter_map(|ear| ear.open(&models, secrets)).collect()
}

/// The network, if it can be read.
fn network(models: &Models) -> Option<Arc<dyn Ear>> {
    match Whisper::load(models) {
        Ok(ear) => Some(Arc::new(ear)),
        Err(why) => {
            tracing::warn!(model = WHISPER.name, "nobody hears by this model: {why}");
            None
        }
    }
}

/// What waited longer for a worker is not worth understanding any more.
const PATIENCE: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::voice::{Ended, SpokenGrammar};

    /// Hears the same in everything.
    struct Near(bool);

    impl Ear for Near {
        fn name(&self) -> &str {
            if self.0 { "outside" } else { "inside" }
        }

        fn hears(&self, _: &str) -> bool {
            true
        }

        fn is_outside(&self) -> bool {
            self.0
        }

        fn hear(&self, _: &Utterance, _: &Hearing) -> Result<Vec<Understood>, EarError> {
            let words = Secret::new(self.name().to_owned());
            Ok(vec![Understood { words, choice: None, confidence: 90 }])
        }
    }

    #[test]
    fn a_secret_that_is_said_leaves_the_engine_to_nobody() {
        let sound = Utterance::new(Secret::new(vec![1; 800]), None, Duration::ZERO, Ended::Silence);
        let hearing = |secret| Hearing {
            grammar: Some(SpokenGrammar::Digits { min: 8, max: 8 }),
            language: Arc::from("en-GB"),
            expected: None,
            secret,
            silence: Duration::from_secs(1),
            longest: Duration::from_secs(20),
            counts: true,
        };
        let heard = |ears: &[Arc<dyn Ear>], secret| {
            let heard = understand(ears, &sound, &hearing(secret));
            heard.map(|heard| heard[0].words.expose().clone())
        };
        let both: [Arc<dyn Ear>; 2] = [Arc::new(Near(true)), Arc::new(Near(false))];
        assert_eq!(heard(&both, false), Ok("outside".to_owned()), "the first of those who are named");
        assert_eq!(heard(&both, true), Ok("inside".to_owned()));
        assert_eq!(heard(&both[..1], true), Err(EarError::Language), "nobody: the caller uses keys");
    }
}
