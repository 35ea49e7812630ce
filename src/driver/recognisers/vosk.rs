//! A server of Vosk, as its project's `asr_server` speaks: over a web socket (RFC 6455) come a message of settings, the
//! samples in pieces and a word that this was all; the server answers each piece and that word, with what it is
//! sure of (`text`) and what it only guesses so far (`partial`).

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::error::ProtocolError;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, HandshakeError, Message, WebSocket};
use ureq::http::HeaderValue;
use zeroize::Zeroizing;

use super::config::{Place, RecogniserConfigError, VoskConfig};
use super::{NotHeard, Transcript, Wiped, authorities, bearer, percent};
use crate::driver::secrets::Secrets;
use crate::driver::wire::{self, Broken, Wire};
use crate::secret::Secret;

/// The server.
#[derive(Debug)]
pub(super) struct Vosk {
    settings: VoskConfig,
    place: Place,
    secrets: Arc<Secrets>,
}

/// Samples of a piece: half a second.
const PIECE: usize = 4_000;
/// The longest reply: what half a minute has of words, with the place of each.
const LONGEST_REPLY: usize = 64 * 1024;
/// The servers compare it as it stands, blanks and all.
const ALL: &str = r#"{"eof" : 1}"#;

impl Vosk {
    pub(super) fn new(settings: &VoskConfig, secrets: &Arc<Secrets>) -> Result<Self, RecogniserConfigError> {
        let place = Place::of_vosk(&settings.url)?;
        Ok(Self { settings: settings.clone(), place, secrets: Arc::clone(secrets) })
    }

    pub(super) fn title(&self) -> &str {
        self.settings.url.split('?').next().unwrap_or_default()
    }

    /// What was said.
    pub(super) fn transcribe(
        &self,
        samples: &[i16],
        phrases: Option<&[String]>,
        deadline: Instant,
    ) -> Result<Option<Transcript>, NotHeard> {
        let mut socket = self.connect(deadline)?;
        let mut send = |message| socket.write(message).map_err(|error| broken(&error));
        send(Message::text(settings(phrases)))?;
        let mut sent = 1;
        for piece in samples.chunks(PIECE) {
            send(Message::Binary(octets(piece)))?;
            sent += 1;
        }
        send(Message::text(ALL))?;
        socket.flush().map_err(|error| broken(&error))?;
        let mut heard = Heard::default();
        for _ in 0..sent {
            heard.take(&next(&mut socket)?)?;
        }
        // The server goes when it has said all; what it says to a farewell is nobody's business any more.
        let _ = socket.close(None);
        Ok(heard.transcript())
    }

    fn connect(&self, deadline: Instant) -> Result<WebSocket<Wire>, NotHeard> {
        let Place { uri, host, port, secure } = &self.place;
        let mut request = uri.into_client_request().map_err(|_| NotHeard::Garbage("an address of ours"))?;
        if let Some(name) = &self.settings.key {
            let value = bearer(&self.secrets, name)?;
            let value = HeaderValue::from_str(value.expose());
            let mut value = value.map_err(|_| NotHeard::SecretUnfit(name.clone()))?;
            value.set_sensitive(true);
            request.headers_mut().insert("Authorization", value);
        }
        let stream = wire::connect(host, *port, !secure, deadline)?;
        let mut wire = match secure {
            true => {
                let trust = wire::trust(authorities(&self.secrets, self.settings.ca.as_ref()).as_deref());
                Wire::secure(stream, host, trust.map_err(|_| NotHeard::NoAuthorities)?, deadline)?
            }
            false => Wire::open(stream),
        };
        wire.until(deadline)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(8 * 1024)
            .max_message_size(Some(LONGEST_REPLY))
            .max_frame_size(Some(LONGEST_REPLY));
        match tungstenite::client::client_with_config(request, wire, Some(config)) {
            Ok((socket, _)) => Ok(socket),
            Err(HandshakeError::Failure(error)) => Err(broken(&error)),
            // A connection that blocks has nothing to be interrupted for but its deadline.
            Err(HandshakeError::Interrupted(_)) => Err(NotHeard::Broken(Broken::Timeout)),
        }
    }
}

/// The message that comes first.
fn settings(phrases: Option<&[String]>) -> String {
    let mut config = json!({"sample_rate": 8_000, "words": 1, "max_alternatives": 0});
    if let (Some(phrases), Some(config)) = (phrases, config.as_object_mut()) {
        config.insert("phrase_list".to_owned(), json!(phrases));
    }
    json!({"config": config}).to_string()
}

/// Samples as they are sent: sixteen bits, the lower octet first. They are wiped with the message.
fn octets(samples: &[i16]) -> Bytes {
    let mut octets = Zeroizing::new(Vec::with_capacity(samples.len() * 2));
    octets.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    Bytes::from_owner(octets)
}

/// The next reply.
fn next(socket: &mut WebSocket<Wire>) -> Result<Zeroizing<Vec<u8>>, NotHeard> {
    // A server that does nothing but ping is ended by the deadline.
    loop {
        match socket.read().map_err(|error| broken(&error))? {
            Message::Text(text) => return Ok(Zeroizing::new(text.as_bytes().to_vec())),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            Message::Close(_) => return Err(NotHeard::Broken(Broken::Lost)),
            Message::Binary(_) => return Err(NotHeard::Garbage("it is no text")),
        }
    }
}

fn broken(error: &Error) -> NotHeard {
    match error {
        Error::Io(error) if error.kind() == ErrorKind::InvalidData => NotHeard::Broken(Broken::Tls),
        Error::Io(error) => wire::lost(error).into(),
        Error::ConnectionClosed | Error::AlreadyClosed => NotHeard::Broken(Broken::Lost),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete) => {
            NotHeard::Broken(Broken::Lost)
        }
        Error::Http(reply) => NotHeard::Status(reply.status().as_u16()),
        Error::Capacity(_) => NotHeard::Garbage("it is too large"),
        _ => NotHeard::Garbage("it is no web socket"),
    }
}

/// What came so far.
#[derive(Default)]
struct Heard(Option<Said>);

struct Said {
    words: Secret<String>,
    /// How likely all of them are right.
    sure: f64,
}

/// A reply. What it has besides is nobody's business.
#[derive(Deserialize)]
struct Reply {
    text: Option<Wiped>,
    partial: Option<Wiped>,
    #[serde(default)]
    result: Vec<Word>,
}

#[derive(Deserialize)]
struct Word {
    conf: f64,
}

impl Heard {
    fn take(&mut self, reply: &[u8]) -> Result<(), NotHeard> {
        let reply: Reply =
            serde_json::from_slice(reply).map_err(|_| NotHeard::Garbage("it is no reply of Vosk"))?;
        let text = match (&reply.text, &reply.partial) {
            (Some(text), _) => text.0.trim(),
            (None, Some(_)) => return Ok(()),
            (None, None) => return Err(NotHeard::Garbage("it has no `text`")),
        };
        if text.is_empty() {
            return Ok(());
        }
        if reply.result.is_empty() {
            return Err(NotHeard::Garbage("its words have no `conf`"));
        }
        let sure: f64 = reply.result.iter().map(|word| word.conf.clamp(0.0, 1.0)).product();
        self.0 = Some(match self.0.take() {
            None => Said { words: Secret::new(text.to_owned()), sure },
            Some(before) => before.and(text, sure),
        });
        Ok(())
    }

    fn transcript(self) -> Option<Transcript> {
        self.0.map(|said| Transcript { confidence: percent(said.sure), words: said.words })
    }
}

impl Said {
    fn and(&self, text: &str, sure: f64) -> Self {
        let words = self.words.expose();
        // All the room at once: nothing moves and leaves a copy behind.
        let mut all = Secret::new(String::with_capacity(words.len() + 1 + text.len()));
        all.expose_mut().extend([words, " ", text]);
        Self { words: all, sure: self.sure * sure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(replies: &[&str]) -> Result<Option<(String, u8)>, String> {
        let mut heard = Heard::default();
        for reply in replies {
            heard.take(reply.as_bytes()).map_err(|error| error.to_string())?;
        }
        Ok(heard.transcript().map(|said| (said.words.expose().clone(), said.confidence)))
    }

    #[test]
    fn what_the_server_is_sure_of_is_put_together() {
        let said = heard(&[
            r#"{"partial" : "four"}"#,
            r#"{"result":[{"conf":0.9,"end":1.0,"start":0.5,"word":"four"},{"conf":1.0,"end":1.5,"start":1.0,"word":"four"}],"text":"four four"}"#,
            r#"{"partial" : ""}"#,
            r#"{"result":[{"conf":0.8,"end":2.0,"start":1.5,"word":"one"}],"text":"one"}"#,
        ]);
        assert_eq!(said, Ok(Some(("four four one".to_owned(), 72))));
        assert_eq!(heard(&[r#"{"partial" : ""}"#, r#"{"text" : ""}"#]), Ok(None), "nothing was said");
    }

    #[test]
    fn a_reply_that_says_less_than_it_must_is_none() {
        for wrong in [
            "",
            "hello",
            "[]",
            "{}",
            r#"{"text":"four"}"#,
            r#"{"text":4}"#,
            r#"{"text":"four","result":[{"word":"four"}]}"#,
            r#"{"alternatives":[{"confidence":210.5,"text":"four"}]}"#,
        ] {
            assert!(heard(&[wrong]).is_err(), "{wrong}");
        }
        let odd = r#"{"text":"four","result":[{"conf":7.0}]}"#;
        assert_eq!(heard(&[odd]), Ok(Some(("four".to_owned(), 100))));
    }

    #[test]
    fn the_settings_hold_the_rate_and_the_phrases() {
        assert_eq!(
            settings(Some(&["yes".to_owned(), "n\"o".to_owned()])),
            r#"{"config":{"max_alternatives":0,"phrase_list":["yes","n\"o"],"sample_rate":8000,"words":1}}"#
        );
        assert!(!settings(None).contains("phrase_list"));
        assert_eq!(octets(&[1, -2]).as_ref(), [1, 0, 0xfe, 0xff]);
    }
}
