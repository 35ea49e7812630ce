//! Letters and the courier that takes them.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Told;
use super::outcome::ReportRefused;
use crate::auth::SubjectKey;
use crate::secret::Secret;
use crate::units::UnixTime;

/// The way that a letter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// A short message to a telephone number.
    Sms,
    /// A mail.
    Email,
    /// A telephone call in which the text is spoken.
    Call,
    /// A message to an application on the subject's own device.
    Push,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sms, Self::Email, Self::Call, Self::Push];

    /// Its name in settings and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Call => "call",
            Self::Push => "push",
        }
    }

    /// The channel of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a letter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// It carries a one-time code.
    Code,
    /// It tells something.
    Notice,
    /// It carries a link that proves something when it is opened.
    Link,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Code, Self::Notice, Self::Link];

    /// Its name in logs and in what providers are told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Notice => "notice",
            Self::Link => "link",
        }
    }
}

/// Something to be sent. Its text and address are secret: no `Debug`.
#[derive(Clone)]
pub struct Letter {
    /// The way it goes.
    pub channel: Channel,
    /// The address on file: a number with its country code, a mail address, or what names a device.
    pub to: Secret<String>,
    /// Whose address that is.
    pub subject: SubjectKey,
    /// The language of the text, such as `en-GB`.
    pub language: String,
    /// What it says.
    pub text: Secret<String>,
    /// The code alone, where the channel speaks it.
    pub code: Option<Secret<String>>,
    /// A line above the text, for channels that have one. Not secret: it never carries a code.
    pub title: Option<String>,
    /// What it is for.
    pub purpose: Purpose,
    /// After this it is of no use and is not sent any more: the end of a code's life.
    pub until: UnixTime,
}

/// Names a letter that was taken, or one that was pretended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterId(pub [u8; 16]);

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LetterId({self})")
    }
}

/// Why a letter is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// The settings have no sender for this channel.
    #[error("there is no sender for this channel")]
    NoSender,
    /// As many letters as may be were sent to this address, for this subject, or by this engine.
    #[error("a budget is spent")]
    Budget,
    /// The settings do not allow numbers of this country.
    #[error("the settings do not allow this destination")]
    Country,
    /// Every sender of this channel fails and is left alone for now.
    #[error("the senders of this channel fail just now")]
    Down,
    /// As many letters as may wait are waiting, or the counters can't be kept.
    #[error("too many letters wait")]
    Full,
}

/// Takes letters. Never blocks on a network: a letter that is taken is queued.
pub trait Courier: Send + Sync {
    /// Takes a letter.
    ///
    /// # Errors
    /// [`Refused`]: nothing was sent, and nothing will be.
    fn send(&self, now: UnixTime, letter: Letter) -> Result<LetterId, Refused>;

    /// Does as if a letter were taken, for a subject that does not exist: the same budgets are spent and the
    /// answer is the same; nothing is sent.
    ///
    /// # Errors
    /// As [`Courier::send`].
    fn pretend(&self, now: UnixTime, channel: Channel, subject: SubjectKey) -> Result<LetterId, Refused>;

    /// Whether a letter to this address would be taken, budgets apart.
    fn reaches(&self, _channel: Channel, _to: &str) -> bool {
        true
    }

    /// The last letters that a development sender was given, the newest last; `None` where letters are really
    /// sent.
    fn shown(&self) -> Option<Vec<Shown>> {
        None
    }

    /// What a provider tells over the web about letters of a sender: its signature is checked, then it is kept.
    /// Says how many letters moved.
    ///
    /// # Errors
    /// [`ReportRefused`]: nothing was changed.
    fn delivery_report(&self, _sender: &str, _told: &Told<'_>) -> Result<usize, ReportRefused> {
        Err(ReportRefused::Unexpected)
    }
}

/// A letter that a development sender shows. It holds what is secret elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// When it was sent, in milliseconds since 1970.
    pub at_ms: i64,
    /// The channel.
    pub channel: Channel,
    /// What it is for.
    pub purpose: Purpose,
    /// The address.
    pub to: String,
    /// What it says.
    pub text: String,
}
