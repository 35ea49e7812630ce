//! Orders and questions of single steps: what `recording`, `notify` and `take_message` ask of the world.

use std::time::Duration;

use serde::Serialize;

use crate::auth::SubjectRef;
use crate::secret::Secret;

/// An order to the recorder of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingOrder {
    /// Begin.
    Start,
    /// Leave out what follows.
    Pause,
    /// Go on after a pause.
    Resume,
    /// End.
    Stop,
}

impl RecordingOrder {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Start, Self::Pause, Self::Resume, Self::Stop];

    /// Its name in a flow.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
        }
    }
}

/// A message to the address on file of a subject.
#[derive(Clone, Debug)]
pub struct Notify {
    /// To whom.
    pub subject: SubjectRef,
    /// `sms`, `email` or `push`; what is on file when `None`.
    pub by: Option<&'static str>,
    /// The prompt of the catalogues that is its text.
    pub template: String,
    /// The language that the call is in.
    pub language: String,
}

/// An order to listen to the caller and to keep what they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Whose message it is.
    pub mailbox: String,
    /// The longest message.
    pub max: Duration,
    /// The silence that ends it.
    pub silence: Duration,
}

/// A message that a caller left, on its way to be kept. Personal data: no `Debug`.
pub struct Message {
    /// Whose it is.
    pub mailbox: String,
    /// The number it came from.
    pub caller: Option<Secret<String>>,
    /// What was said: octets of µ-law, 8,000 a second.
    pub audio: Secret<Vec<u8>>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageReply {
    /// It is kept.
    Saved,
    /// Nobody spoke.
    Empty,
    /// It could not be kept.
    Failed,
}
