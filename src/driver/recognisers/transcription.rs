//! The transcription call that `OpenAI` defined and many servers know: a form with a WAV file in, `verbose_json` out, with the
//! mean logarithm of what each piece of text was worth to the model.

use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use ureq::Agent;
use ureq::http::{HeaderValue, Request};
use zeroize::Zeroizing;

use super::config::{Place, RecogniserConfigError, TranscriptionConfig};
use super::{NotHeard, Transcript, Wiped, authorities, bearer, percent};
use crate::audio::wav;
use crate::driver::os;
use crate::driver::secrets::Secrets;
use crate::driver::services::http::{self, Failure};
use crate::driver::wire::Broken;
use crate::secret::Secret;
use crate::units::SampleRate;

/// The server.
#[derive(Debug)]
pub(super) struct Transcription {
    settings: TranscriptionConfig,
    /// The way there; what is wrong with it otherwise.
    agent: Result<Agent, Failure>,
    secrets: Arc<Secrets>,
}

/// The longest reply: what half a minute has of words, with the place of each.
const LONGEST_REPLY: u64 = 256 * 1024;

impl Transcription {
    pub(super) fn new(
        settings: &TranscriptionConfig,
        secrets: &Arc<Secrets>,
    ) -> Result<Self, RecogniserConfigError> {
        let place = Place::of_http(&settings.url)?;
        let ca = authorities(secrets, settings.ca.as_ref());
        let pem = ca.map(|path| std::fs::read_to_string(path).unwrap_or_default());
        let agent = http::agent(place.secure, pem.as_deref(), None, "application/json");
        Ok(Self { settings: settings.clone(), agent, secrets: Arc::clone(secrets) })
    }

    pub(super) fn title(&self) -> &str {
        self.settings.url.split('?').next().unwrap_or_default()
    }

    /// What was said.
    pub(super) fn transcribe(
        &self,
        samples: &[i16],
        language: &str,
        deadline: Instant,
    ) -> Result<Option<Transcript>, NotHeard> {
        let agent = self.agent.as_ref().map_err(|_| NotHeard::NoAuthorities)?;
        let form = Form::new(&self.settings.model, language, samples);
        let mut message = Request::builder().method("POST").uri(&self.settings.url);
        if let Some(name) = &self.settings.key {
            let value = bearer(&self.secrets, name)?;
            let value = HeaderValue::from_str(value.expose());
            let mut value = value.map_err(|_| NotHeard::SecretUnfit(name.clone()))?;
            value.set_sensitive(true);
            message = message.header("Authorization", value);
        }
        let message = message.header("Content-Type", &form.media).body(form.body.expose().as_slice());
        let message = message.map_err(|_| NotHeard::Garbage("a request of ours"))?;
        let left = deadline.saturating_duration_since(os::now());
        if left.is_zero() {
            return Err(NotHeard::Broken(Broken::Timeout));
        }
        let message = agent.configure_request(message).timeout_global(Some(left)).build();
        let mut reply = agent.run(message).map_err(|error| http::failure(&error))?;
        let status = reply.status().as_u16();
        if status != 200 {
            return Err(NotHeard::Status(status));
        }
        let body = reply.body_mut().with_config().limit(LONGEST_REPLY).read_to_vec();
        let body = Zeroizing::new(body.map_err(|error| http::failure(&error))?);
        read(&body)
    }
}

/// RFC 7578: what is asked, with the recording.
struct Form {
    media: String,
    body: Secret<Vec<u8>>,
}

impl Form {
    fn new(model: &str, language: &str, samples: &[i16]) -> Self {
        let file = Zeroizing::new(wav::write(samples, SampleRate::TELEPHONE));
        let hash = Sha256::digest(&file);
        // RFC 2046 §5.1.1: it must not stand in what it bounds; nothing has its own hash in it.
        let bound = format!("countersign-{}", data_encoding::HEXLOWER.encode(&hash));
        let fields = [
            ("model", model),
            ("language", language),
            ("response_format", "verbose_json"),
            ("temperature", "0"),
        ];
        let head: String = fields
            .iter()
            .map(|(name, value)| {
                format!("--{bound}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
            })
            .collect();
        let file_head = format!(
            "--{bound}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"speech.wav\"\r\nContent-Type: audio/wav\r\n\r\n"
        );
        let tail = format!("\r\n--{bound}--\r\n");
        // All the room at once: nothing moves and leaves a copy behind.
        let room = head.len() + file_head.len() + file.len() + tail.len();
        let mut body = Secret::new(Vec::with_capacity(room));
        for part in [head.as_bytes(), file_head.as_bytes(), &file, tail.as_bytes()] {
            body.expose_mut().extend_from_slice(part);
        }
        Self { media: format!("multipart/form-data; boundary={bound}"), body }
    }
}

/// The reply. What it has besides is nobody's business.
#[derive(Deserialize)]
struct Reply {
    text: Wiped,
    #[serde(default)]
    segments: Vec<Segment>,
}

#[derive(Deserialize)]
struct Segment {
    text: Wiped,
    avg_logprob: f64,
    #[serde(default)]
    no_speech_prob: f64,
}

impl Segment {
    /// What Whisper says where nobody speaks: its own measure of that, with the limits of its authors.
    fn is_silence(&self) -> bool {
        self.no_speech_prob > 0.6 && self.avg_logprob < -1.0
    }
}

fn read(body: &[u8]) -> Result<Option<Transcript>, NotHeard> {
    let reply: Reply = serde_json::from_slice(body)
        .map_err(|_| NotHeard::Garbage("it is no `verbose_json` of a transcription"))?;
    if reply.text.0.trim().is_empty() {
        return Ok(None);
    }
    if reply.segments.is_empty() {
        return Err(NotHeard::Garbage("it has no `segments`, which say how sure it is"));
    }
    let said = || reply.segments.iter().filter(|segment| !segment.is_silence());
    let room = said().map(|segment| segment.text.0.len() + 1).sum();
    let mut words = Secret::new(String::with_capacity(room));
    let (mut sum, mut weight) = (0.0, 0.0);
    for segment in said() {
        let text = segment.text.0.trim();
        if !words.expose().is_empty() && !text.is_empty() {
            words.expose_mut().push(' ');
        }
        words.expose_mut().push_str(text);
        let letters = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
        sum += segment.avg_logprob.min(0.0) * letters;
        weight += letters;
    }
    if words.expose().is_empty() {
        return Ok(None);
    }
    Ok(Some(Transcript { words, confidence: percent((sum / weight).exp()) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_holds_the_fields_and_the_file() {
        let form = Form::new("whisper-1", "en", &[1, 2, 3]);
        let body = form.body.expose();
        let text = String::from_utf8_lossy(body);
        let bound = form.media.split_once("boundary=").expect("a boundary").1;
        assert_eq!(text.matches(&format!("--{bound}\r\n")).count(), 5);
        assert!(text.ends_with(&format!("\r\n--{bound}--\r\n")));
        for field in [
            "model\"\r\n\r\nwhisper-1\r\n",
            "language\"\r\n\r\nen\r\n",
            "response_format\"\r\n\r\nverbose_json\r\n",
        ] {
            assert!(text.contains(field), "{field}");
        }
        let file = wav::write(&[1, 2, 3], SampleRate::TELEPHONE);
        assert!(body.windows(file.len()).any(|part| part == file));
    }

    fn heard(reply: &str) -> Result<Option<(String, u8)>, String> {
        let heard = read(reply.as_bytes()).map_err(|error| error.to_string())?;
        Ok(heard.map(|said| (said.words.expose().clone(), said.confidence)))
    }

    #[test]
    fn words_come_with_what_the_model_was_sure_of() {
        let reply = r#"{"task":"transcribe","language":"english","duration":2.0,"text":" Four four one.",
            "segments":[{"id":0,"text":" Four four one.","avg_logprob":-0.10536,"no_speech_prob":0.01}]}"#;
        assert_eq!(heard(reply), Ok(Some(("Four four one.".to_owned(), 90))));
        assert_eq!(heard(r#"{"text":"","segments":[]}"#), Ok(None));
        let silence = r#"{"text":" Thank you.","segments":[{"text":" Thank you.","avg_logprob":-1.4,"no_speech_prob":0.8}]}"#;
        assert_eq!(heard(silence), Ok(None), "nobody spoke");
    }

    #[test]
    fn a_reply_that_does_not_say_how_sure_it_is_is_none() {
        for wrong in ["", "{}", "[]", r#"{"text":"yes"}"#, r#"{"text":"yes","segments":[{"text":"yes"}]}"#] {
            assert!(heard(wrong).is_err(), "{wrong}");
        }
    }
}
