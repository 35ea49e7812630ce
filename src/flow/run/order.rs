//! Orders and questions of single steps: what `recording` and `notify` ask of the world.

use serde::Serialize;

use crate::auth::SubjectRef;

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
