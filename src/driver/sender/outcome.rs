//! What becomes of a letter, in words that have no room for what it says and to whom.

use thiserror::Error;

use super::letter::LetterId;
use crate::driver::wire::Broken;

/// What became of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// It waits for a sender, or is in the hands of one.
    Queued,
    /// A provider has taken it.
    Accepted,
    /// The provider says that it arrived.
    Delivered,
    /// It did not arrive, and is not sent again.
    Failed,
    /// The engine ended while a sender had it in hand: it may have arrived.
    Unknown,
    /// It was never to be sent: its subject does not exist.
    Pretended,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Accepted, Self::Delivered, Self::Failed, Self::Unknown, Self::Pretended];

    /// Its name in the store and for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Pretended => "pretended",
        }
    }

    /// The status of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A provider took a letter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// What the provider calls it, for its reports.
    pub reference: Option<String>,
    /// It has arrived already.
    pub delivered: bool,
}

/// Why a letter was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum NotTaken {
    /// No connection.
    #[error("no connection")]
    Connect,
    /// Too slow.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke.
    #[error("the connection broke")]
    Lost,
    /// TLS did not come about, or the server's certificate is not trusted.
    #[error("TLS did not come about")]
    Tls,
    /// A secret of the settings can't be had, or not used for what it is for.
    #[error("a secret of the settings is not there or not usable")]
    Secret,
    /// The provider does not let us in.
    #[error("the provider does not let us in ({0})")]
    Credentials(Code),
    /// The provider refuses this address.
    #[error("the provider does not take this address ({0})")]
    Address(Code),
    /// The provider is asked too much.
    #[error("the provider is asked too much for now ({0})")]
    Throttled(Code),
    /// The provider refuses for a reason of its own.
    #[error("the provider refuses ({0})")]
    Provider(Code),
    /// The answer is none that this kind of sender knows.
    #[error("the answer can't be read")]
    Garbage,
    /// The letter does not fit the channel.
    #[error("the letter does not fit this channel")]
    Unfit,
    /// Somebody was called, and the code was not told: why.
    #[error("{0}")]
    NotTold(&'static str),
    /// No route of the settings leads to this number.
    #[error("no route leads to this number")]
    NoRoute,
    /// The name of the next hop leads nowhere.
    #[error("the DNS knows no address of the next hop")]
    NoAddress,
    /// Calls are made by a running engine only.
    #[error("no engine runs here that could call")]
    NoEngine,
    /// As many calls of our own as may be are made, or the engine is being stopped.
    #[error("as many calls as may be are made already")]
    Busy,
}

/// The code of an answer, as its protocol names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Code {
    /// A status of HTTP.
    #[error("HTTP {0}")]
    Http(u16),
    /// A number of the provider's own.
    #[error("code {0}")]
    Own(u32),
    /// A reply code of SMTP.
    #[error("SMTP {0}")]
    Smtp(u16),
    /// A status of SIP.
    #[error("SIP {0}")]
    Sip(u16),
    /// A `command_status` of SMPP.
    #[error("SMPP {0:#010x}")]
    Smpp(u32),
}

impl From<Broken> for NotTaken {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Connect => Self::Connect,
            Broken::Timeout => Self::Timeout,
            Broken::Lost => Self::Lost,
            Broken::Tls => Self::Tls,
        }
    }
}

impl NotTaken {
    /// Whether no sender could ever do it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Address(_) | Self::Unfit | Self::NotTold(_) | Self::NoRoute)
    }

    /// Whether the sender is to blame, so that it is left alone after some of them.
    #[must_use]
    pub const fn is_the_senders(self) -> bool {
        !self.is_final() && !matches!(self, Self::Busy)
    }
}

/// What a provider tells later about a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What the provider calls the letter.
    pub reference: String,
    /// The letter itself, when the provider gives back what it was told.
    pub letter: Option<LetterId>,
    /// What became of it.
    pub status: Status,
    /// The provider's code, when it failed.
    pub code: Option<u32>,
    /// Why it failed, in our own words, when the sender knows it.
    pub why: Option<&'static str>,
}

/// Why a report is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ReportRefused {
    /// There is no such sender, or it gets no reports over the web.
    #[error("this sender gets no reports")]
    Unexpected,
    /// Its signature is missing or wrong.
    #[error("the signature is missing or wrong")]
    Signature,
    /// Its time is too far from now.
    #[error("its time is too far from now")]
    Old,
    /// A secret of the settings can't be had.
    #[error("the secret that it is signed with is not there")]
    Secret,
    /// It can't be read.
    #[error("it can't be read")]
    Garbage,
}
