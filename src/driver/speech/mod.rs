//! Speech made when an application is loaded: for prompts, and words that values are spoken with, that nobody
//! recorded.
//!
//! Which program or service speaks is a matter of the site's settings (`speech:` in `countersign.yaml`), never of
//! an application: a folder of flows from elsewhere must not be able to start a program by being checked or
//! served. What was made once is kept in the data folder and made again only when the text, the voice or the
//! synthesiser changes. A recording always comes first.

mod cache;
mod command;
mod config;
mod http;
mod sound;

pub(in crate::driver) use cache::{FOLDER, prune};
pub use command::CommandError;
pub use config::{Method, SpeechConfig, SpeechConfigError, SpeechHttpConfig};
pub use http::HttpError;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thiserror::Error;

use crate::audio::{AudioError, Clip};
use crate::diagnostic::Diagnostic;
use crate::flow::ClipKey;
use crate::flow::document::Application;
use crate::media::CodecList;
use crate::units::SampleRate;

use super::config::{Config, ConfigError};
use super::secrets::{SecretConfig, Secrets};
use cache::Cache;

/// Who speaks, and where what was spoken is kept. The default speaks nothing.
#[derive(Debug, Default)]
pub struct Speech {
    /// What it is encoded for.
    codecs: CodecList,
    synthesisers: Vec<Synthesiser>,
    cache: Option<Cache>,
}

/// One program or service that makes speech.
#[derive(Clone, Debug)]
struct Synthesiser {
    how: How,
    /// By language, or by language and the voice that a catalogue wishes for: `en-GB/amy`.
    voices: BTreeMap<String, String>,
    timeout: Duration,
}

#[derive(Clone, Debug)]
enum How {
    Command(command::Command),
    Http(http::Http),
}

/// Why a text could not be spoken. The messages hold what the synthesiser itself said, never a secret.
#[derive(Debug, Error)]
pub enum SpeakError {
    /// The program.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The service.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// What came is no audio.
    #[error("what came is no audio that can be played: {0}")]
    Audio(#[from] AudioError),
    /// It is silence, or longer than any prompt.
    #[error("what came is {0:?} of sound; a prompt is between 20 ms and 5 minutes")]
    Length(Duration),
    /// The text is longer than any prompt.
    #[error("a text of more than {MOST_TEXT} characters")]
    Text,
    /// It failed too often in a row.
    #[error("it was not asked, after {0} failures in a row")]
    GivenUp(usize),
}

/// Characters in one text: three minutes of speech.
const MOST_TEXT: usize = 2_500;
/// Texts in the making at a time.
const AT_ONCE: usize = 4;
/// After so many failures in a row a synthesiser is not asked again in this load: one that hangs would hold the
/// start up for its timeout times the number of prompts.
const GIVE_UP: usize = 3;

/// Something to say.
struct Wanted {
    clip: ClipKey,
    text: String,
    voice: String,
    by: usize,
}

impl Speech {
    /// What the settings say, with what was made before in the data folder.
    ///
    /// # Errors
    /// The first entry that can't be used.
    pub fn new(
        data: &Path,
        settings: &[SpeechConfig],
        secrets: BTreeMap<String, SecretConfig>,
    ) -> Result<Self, SpeechConfigError> {
        let hidden: Vec<String> = secrets.values().filter_map(|place| place.env.clone()).collect();
        let secrets = Arc::new(Secrets::new(data, secrets));
        let cache = Cache::below(data);
        let synthesiser = |one: &SpeechConfig| Synthesiser::new(one, cache.folder(), &hidden, &secrets);
        let synthesisers = settings.iter().map(synthesiser).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { codecs: CodecList::default(), synthesisers, cache: Some(cache) })
    }

    /// What the settings in a data folder say; nothing is spoken where there are none yet.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn of(data: &Path) -> Result<Self, ConfigError> {
        let path = data.join(Config::FILE);
        if !path.exists() {
            return Ok(Self::default());
        }
        let config = Config::read(data)?;
        let codecs = config.codecs();
        Self::new(data, &config.speech, config.secrets)
            .map(|speech| speech.encoded_for(codecs))
            .map_err(|error| ConfigError::Invalid { path, message: error.to_string() })
    }

    /// With all that is loaded encoded for these codecs.
    #[must_use]
    pub fn encoded_for(self, codecs: CodecList) -> Self {
        Self { codecs, ..self }
    }

    /// The codecs of the site: what is spoken and what was recorded is encoded for them.
    #[must_use]
    pub fn codecs(&self) -> CodecList {
        self.codecs
    }

    /// The languages that somebody speaks.
    #[must_use]
    pub fn languages(&self) -> BTreeSet<String> {
        let voices = self.synthesisers.iter().flat_map(|one| one.voices.keys());
        voices.filter(|language| !language.contains('/')).cloned().collect()
    }

    /// Whether somebody speaks a language.
    #[must_use]
    pub fn speaks(&self, language: &str) -> bool {
        self.synthesisers.iter().any(|one| one.voice(language, None).is_some())
    }

    /// Speaks recordings that are missing. Those without a text or a speaker are not among the result.
    ///
    /// # Errors
    /// A diagnostic for every text that could not be spoken.
    pub fn speak(
        &self,
        application: &Application,
        missing: impl IntoIterator<Item = ClipKey>,
    ) -> Result<Vec<(ClipKey, Clip)>, Vec<Diagnostic>> {
        let wanted: Vec<Wanted> =
            missing.into_iter().filter_map(|clip| self.wanted(application, clip)).collect();
        if !wanted.is_empty() {
            tracing::info!(texts = wanted.len(), "speaking what nobody recorded");
        }
        let spoken = self.all(&wanted);
        let mut clips = Vec::new();
        let mut problems = Vec::new();
        for (wanted, spoken) in wanted.iter().zip(spoken) {
            match spoken {
                Ok(clip) => clips.push((wanted.clip.clone(), clip)),
                Err(error) => problems.push(self.problem(application, wanted, &error)),
            }
        }
        if problems.is_empty() { Ok(clips) } else { Err(problems) }
    }

    fn wanted(&self, application: &Application, clip: ClipKey) -> Option<Wanted> {
        let text = application.spoken_text(&clip)?;
        let (tag, _) = clip.as_str().split_once('/')?;
        let language = application.languages.iter().find(|language| language.tag == tag)?;
        let of = |(by, one): (usize, &Synthesiser)| {
            one.voice(tag, language.voice.as_deref()).map(|voice| (by, voice.to_owned()))
        };
        let (by, voice) = self.synthesisers.iter().enumerate().find_map(of)?;
        Some(Wanted { clip, text, voice, by })
    }

    /// What each becomes, in their order.
    fn all(&self, wanted: &[Wanted]) -> Vec<Result<Clip, SpeakError>> {
        let next = AtomicUsize::new(0);
        let failures: Vec<AtomicUsize> = self.synthesisers.iter().map(|_| AtomicUsize::new(0)).collect();
        let done: Vec<Mutex<Option<Result<Clip, SpeakError>>>> =
            wanted.iter().map(|_| Mutex::new(None)).collect();
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(wanted.len()) {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let (Some(wanted), Some(slot)) = (wanted.get(at), done.get(at)) else { return };
                        let spoken = self.one(wanted, &failures);
                        if let Ok(mut slot) = slot.lock() {
                            *slot = Some(spoken);
                        }
                    }
                });
            }
        });
        let given_up = || Err(SpeakError::GivenUp(0));
        done.into_iter().map(|slot| slot.into_inner().ok().flatten().unwrap_or_else(given_up)).collect()
    }

    fn one(&self, wanted: &Wanted, failures: &[AtomicUsize]) -> Result<Clip, SpeakError> {
        let Some(synthesiser) = self.synthesisers.get(wanted.by) else { return Err(SpeakError::GivenUp(0)) };
        let name = cache::name(&wanted.text, &wanted.voice, &synthesiser.identity());
        let encoded = |samples: &[i16]| Clip::encode(samples, SampleRate::TELEPHONE, self.codecs.as_slice());
        if let Some(samples) = self.cache.as_ref().and_then(|cache| cache.get(&name)) {
            return Ok(encoded(&samples));
        }
        let failed = failures.get(wanted.by);
        let in_a_row = failed.map_or(0, |failed| failed.load(Ordering::Relaxed));
        if in_a_row >= GIVE_UP {
            return Err(SpeakError::GivenUp(in_a_row));
        }
        let spoken = synthesiser.speak(&wanted.text, &wanted.voice);
        if let Some(failed) = failed {
            match &spoken {
                Ok(_) => failed.store(0, Ordering::Relaxed),
                Err(_) => _ = failed.fetch_add(1, Ordering::Relaxed),
            }
        }
        let samples = spoken?;
        if let Some(cache) = &self.cache {
            // A full disk makes the next start slower, not this one impossible.
            if let Err(error) = cache.put(&name, &samples) {
                tracing::warn!(%error, "speech can't be kept in the data folder");
            }
        }
        Ok(encoded(&samples))
    }

    fn problem(&self, application: &Application, wanted: &Wanted, error: &SpeakError) -> Diagnostic {
        let place = application.texts.get(&wanted.clip).map(|text| text.place.clone());
        let by = self.synthesisers.get(wanted.by).map(Synthesiser::title).unwrap_or_default();
        // A secret that is missing brings a help line of its own, which is about something else here.
        let error = error.to_string();
        let error = error.lines().next().unwrap_or_default();
        let message = format!("{} can't be spoken by {by}: {error}", wanted.clip.as_str());
        let help = format!(
            "record it as audio/{}.wav, or correct `speech` in countersign.yaml",
            wanted.clip.as_str()
        );
        Diagnostic::error("E177", place, message).help(help)
    }
}

impl Synthesiser {
    fn new(
        settings: &SpeechConfig,
        folder: &Path,
        hidden: &[String],
        secrets: &Arc<Secrets>,
    ) -> Result<Self, SpeechConfigError> {
        settings.check()?;
        let how = match &settings.http {
            Some(http) => How::Http(http::Http::new(http.clone(), Arc::clone(secrets))),
            None => How::Command(command::Command::new(
                settings.command.clone(),
                folder.to_owned(),
                hidden.to_vec(),
            )),
        };
        let timeout = Duration::from_secs(settings.timeout_seconds);
        Ok(Self { how, voices: settings.voices.clone(), timeout })
    }

    /// The voice for a language: the one for the catalogue's wish, or the language's own.
    fn voice(&self, language: &str, wish: Option<&str>) -> Option<&str> {
        let wished = wish.and_then(|wish| self.voices.get(&format!("{language}/{wish}")));
        wished.or_else(|| self.voices.get(language)).map(String::as_str)
    }

    /// Telephone audio.
    fn speak(&self, text: &str, voice: &str) -> Result<Vec<i16>, SpeakError> {
        if text.chars().count() > MOST_TEXT {
            return Err(SpeakError::Text);
        }
        // What begins with a dash could be taken for an option of the program.
        let text = text.trim_start_matches(['-', ' ']);
        let (bytes, extension) = match &self.how {
            How::Command(command) => (command.run(text, voice, self.timeout)?, "wav"),
            How::Http(http) => http.ask(text, voice, self.timeout)?,
        };
        sound::telephone(&bytes, extension)
    }

    /// Everything that makes its speech another's.
    fn identity(&self) -> String {
        match &self.how {
            How::Command(command) => command.identity(),
            How::Http(http) => http.identity(),
        }
    }

    fn title(&self) -> String {
        match &self.how {
            How::Command(command) => command.title(),
            How::Http(http) => http.title(),
        }
    }
}
