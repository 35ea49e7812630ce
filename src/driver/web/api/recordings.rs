//! Recordings of calls: which there are, and a part of one to hear.

use std::io::Cursor;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::call::Call;
use super::shape::{Schemas, shape, writes};
use crate::driver::audit_log;
use crate::driver::recordings::{ExportError, Listed, Part, RecordingError, State};
use crate::driver::vault::Looker;
use crate::driver::web::{Problem, Reply};

writes! {
    /// A recording.
    struct Recording {
        /// Its name.
        name: String,
        /// When it began, in milliseconds since 1970.
        started: u64,
        /// `whole`, `cut_short` (the engine was stopped, the disk was full, or the file was cut) or `erased`.
        state: String,
        /// How long it is, pauses included; null when it is not whole.
        length_ms: Option<u64>,
    }

    /// What was recorded of a call.
    struct Recordings {
        /// The recordings, the oldest first.
        recordings: Vec<Recording>,
    }
}

/// Seconds that are given at once: ten megabytes.
const MOST: u64 = 300;

pub(super) fn list(call: &Call<'_>) -> Result<Reply, Problem> {
    let told = |listed: Listed| {
        let (state, length_ms) = match listed.state {
            State::Whole { millis } => ("whole", Some(millis)),
            State::CutShort => ("cut_short", None),
            State::Erased => ("erased", None),
        };
        let started = u64::try_from(listed.head.started).unwrap_or(0);
        Recording { name: listed.head.name, started, state: state.to_owned(), length_ms }
    };
    let found = call.vault.recordings().of_call(call.part("call"))?;
    let recordings = found.into_iter().map(told).collect();
    Ok(Reply::json(StatusCode::OK, &Recordings { recordings }))
}

pub(super) fn hear(call: &Call<'_>) -> Result<Reply, Problem> {
    let seconds = call.number("seconds")?.unwrap_or(MOST);
    if !(1..=MOST).contains(&seconds) {
        return Err(Problem::unreadable(format!("1 to {MOST} seconds are given at once")).at("seconds"));
    }
    let from = call.number("from")?.unwrap_or(0);
    let by = audit_log::acting().unwrap_or_default();
    let looker = Looker::new(&by, call.parameter("reason").unwrap_or_default());
    let looker = looker.map_err(|error| Problem::from(error).at("reason"))?;
    let name = call.part("recording");
    let mut reader = call.vault.recordings().read(name)?;
    let subject = reader.subjects.first().copied();
    call.vault.note_look(call.now, subject, &format!("recording {name}"), &looker)?;
    let mut file = Cursor::new(Vec::new());
    match reader.wav(Part::seconds(from, seconds), &mut file) {
        Ok(_) => Ok(Reply::new(StatusCode::OK, "audio/wav", file.into_inner())),
        Err(ExportError::Recording(error)) => Err(error.into()),
        Err(error) => {
            tracing::error!(%error, "a recording can't be given");
            Err(Problem::internal())
        }
    }
}

/// The schema of a WAV file.
pub(super) fn audio(_: &mut Schemas) -> Value {
    json!({"type": "string", "contentMediaType": "audio/wav", "contentEncoding": "binary"})
}

impl From<RecordingError> for Problem {
    fn from(error: RecordingError) -> Self {
        match error {
            RecordingError::Unknown(_) => {
                let (title, detail) = ("No such recording", "there is no recording of this name");
                let help = "GET /v1/calls/{call}/recordings lists those of a call";
                Self::new(StatusCode::NOT_FOUND, "no-recording", title, detail, help).at("recording")
            }
            RecordingError::Erased(_) => {
                let (title, detail) =
                    ("It is erased", "it is of somebody who was erased: nobody can hear it");
                let help = "there is no way back";
                Self::new(StatusCode::GONE, "erased", title, detail, help).at("recording")
            }
            RecordingError::Changed(_) => {
                let (title, detail) =
                    ("It was changed", "its file was changed: what is in it can't be believed");
                let help = "put the file back from a backup; parts before the change can be heard";
                Self::new(StatusCode::CONFLICT, "changed", title, detail, help).at("recording")
            }
            error => {
                tracing::error!(%error, "a recording can't be read");
                Self::internal()
            }
        }
    }
}
