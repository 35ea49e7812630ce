//! Orders and questions of single steps: what `recording`, `notify` and `take_message` ask of the world.

use std::fmt;
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

/// A message to the address on file of a subject. Its text may be personal: `Debug` leaves it out.
#[derive(Clone)]
pub struct Notify {
    /// To whom.
    pub subject: SubjectRef,
    /// `sms`, `email` or `push`; what is on file when `None`.
    pub by: Option<&'static str>,
    /// The prompt of the catalogues that is its text.
    pub template: String,
    /// The language that the call is in.
    pub language: String,
    /// Its text in each language of the application.
    pub texts: Vec<(String, String)>,
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, by, template, language, texts: _ } = self;
        let mut shown = f.debug_struct("Notify");
        shown.field("subject", subject).field("by", by).field("template", template);
        shown.field("language", language).finish_non_exhaustive()
    }
}

impl Notify {
    /// Its text for whom the language on file is `wanted`: in that language, in another of the same tongue, or in
    /// the language of the call.
    #[must_use]
    pub fn text(&self, wanted: &str) -> Option<(&str, &str)> {
        let tongue = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let exact = self.texts.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(wanted));
        let near = || self.texts.iter().find(|(tag, _)| !wanted.is_empty() && tongue(tag) == tongue(wanted));
        let call = || self.texts.iter().find(|(tag, _)| *tag == self.language);
        exact.or_else(near).or_else(call).map(|(tag, text)| (tag.as_str(), text.as_str()))
    }
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
