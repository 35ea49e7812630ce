//! What a call of the engine's own is made of, and what is told of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audio::Clip;
use crate::secret::Secret;
use crate::sip::{Credentials, NameAddr, Path, StatusCode, Uri};

/// The name that whoever orders a call gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// An order to call somebody and tell them a one-time code. Code and number are secret: no `Debug`.
pub struct CodeCall {
    /// Comes back with all that is told of the call.
    pub ticket: Ticket,
    /// By which sender, for the record.
    pub by: Arc<str>,
    /// The letter's name, for the record.
    pub letter: String,
    /// The trunk that it goes out by, if it does.
    pub trunk: Option<Arc<str>>,
    /// The way to the next hop.
    pub path: Path,
    /// Who is called: the number as the next hop reads it.
    pub uri: Uri,
    /// Who calls, as the telephone shows it.
    pub from: NameAddr,
    /// Who we are to a next hop that asks.
    pub credentials: Option<Credentials>,
    /// The number, for the sealed part of the record.
    pub number: Secret<String>,
    /// What is said.
    pub script: Arc<Script>,
    /// The code, digits alone.
    pub code: Secret<String>,
    /// Until then the next hop must have found the telephone.
    pub found_until: Instant,
    /// How long it may ring.
    pub ring: Duration,
    /// The end of the code's life: nothing is said afterwards.
    pub until: Instant,
}

/// What a call says, in one language.
pub struct Script {
    /// Who calls, and the warning.
    pub intro: Vec<Arc<Clip>>,
    /// Which key is to be pressed.
    pub press: Arc<Clip>,
    /// Said before the code.
    pub code: Arc<Clip>,
    /// The digits, from 0.
    pub digits: [Arc<Clip>; 10],
    /// Between two digits.
    pub between: Arc<Clip>,
    /// Which key is to be pressed to hear it again.
    pub again: Arc<Clip>,
    /// The last words.
    pub bye: Arc<Clip>,
}

/// What is told of a call while it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The telephone rings, or was answered.
    Rings,
    /// It is over, or as good as: told once, and last.
    Over(Fate),
}

/// How a call of our own ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// The code was said in full to somebody who had pressed the key.
    Told,
    /// The line is busy.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// The call was declined.
    Declined,
    /// It was answered, and nobody pressed the key: a mailbox, or somebody who did not ask for a code.
    NoKey,
    /// They hung up before the code was said in full.
    HungUp,
    /// The code's life ended first.
    Expired,
    /// The next hop did not take it: so it says, or 408 when it says nothing in time.
    NotPlaced(StatusCode),
    /// As many calls as may be run already, or the engine is being stopped.
    NoRoom,
    /// It broke: no media in common, a leg that is gone.
    Broken,
}

impl Fate {
    /// What a final response to our INVITE comes to. `found`: the telephone had been found before.
    pub(super) const fn of(status: StatusCode, found: bool) -> Self {
        match status.code() {
            486 | 600 => Self::Busy,
            480 => Self::NoAnswer,
            408 | 487 if found => Self::NoAnswer,
            603 | 607 | 608 => Self::Declined,
            _ => Self::NotPlaced(status),
        }
    }
}
