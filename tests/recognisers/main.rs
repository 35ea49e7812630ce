//! Recognisers of others: what they are sent, what is made of their answers, and what happens when they misbehave.

#![expect(clippy::disallowed_methods, reason = "the other side is a thread of its own")]

mod stage;
mod transcription;
mod vosk;

use std::sync::Arc;

use countersign::driver::recognisers::{NotHeard, Outside, RecogniserConfig, Transcript};

/// What a test hears.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Words(String, u8),
    Nothing,
    Failed(String),
}

fn failed(why: &str) -> Outcome {
    Outcome::Failed(why.to_owned())
}

/// The recogniser of these settings, in YAML, with a key that is `open-sesame`.
fn recogniser(settings: &str, folder: &stage::Folder) -> Outside {
    let settings: RecogniserConfig = serde_saphyr::from_str(settings).expect("settings");
    Outside::new(&settings, &Arc::new(folder.secrets())).expect("settings that can be used")
}

/// Two seconds of something, as a recogniser of English hears it.
fn hear(recogniser: &Outside, phrases: Option<&[String]>) -> Outcome {
    outcome(recogniser.transcribe(&samples(), "en-GB", phrases))
}

fn outcome(heard: Result<Option<Transcript>, NotHeard>) -> Outcome {
    match heard {
        Ok(Some(said)) => Outcome::Words(said.words.expose().clone(), said.confidence),
        Ok(None) => Outcome::Nothing,
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// Two seconds and a bit: the last piece is not a whole one.
fn samples() -> Vec<i16> {
    (0..17_000_i32).map(|n| i16::try_from((n * n) % 20_011 - 10_000).expect("16 bits")).collect()
}
