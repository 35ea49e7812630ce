//! Who may call now: the admission rule, asked once per new call and before anything is spent on it.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use crate::sip::StatusCode;
use crate::units::Place;

/// Bounds of one shard.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Calls at once.
    pub calls: usize,
    /// What a refused caller's side is told to wait (RFC 3261 §20.33).
    pub retry_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { calls: 3000, retry_after: Duration::from_secs(10) }
    }
}

/// Why a new call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The shard is being shut down.
    Draining,
    /// As many calls as allowed are running.
    Full,
    /// Its trunk has as many calls as it may.
    TrunkFull,
    /// As many calls of its trunk as may began within the last second.
    TrunkTooFast,
    /// The source is no trunk of ours.
    UnknownSource,
}

impl Refusal {
    /// The SIP status that says so.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Draining | Self::Full | Self::TrunkFull | Self::TrunkTooFast => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::UnknownSource => StatusCode::FORBIDDEN,
        }
    }

    /// How long its side is told to wait. Who is given a time sends no call here until it is over (RFC 3261 §21.5.4): after a
    /// second others of a trunk may begin, but when one of its calls ends nobody knows.
    #[must_use]
    pub const fn retry_after(self, usual: Duration) -> Option<Duration> {
        match self {
            Self::TrunkFull => None,
            Self::TrunkTooFast => Some(Duration::from_secs(1)),
            Self::Draining | Self::Full | Self::UnknownSource => Some(usual),
        }
    }
}

/// Who counts the calls of a trunk, over all shards.
pub trait Admission: Debug + Send + Sync {
    /// A place for one more call; it is given back when the place is dropped.
    ///
    /// # Errors
    /// [`Refusal::TrunkFull`], [`Refusal::TrunkTooFast`]; nothing is counted then.
    fn admit(&self, now: Instant) -> Result<Place, Refusal>;
}

impl Limits {
    /// Whether one more call may start.
    ///
    /// # Errors
    /// The reason why not.
    pub const fn admit(&self, calls: usize, draining: bool, known_source: bool) -> Result<(), Refusal> {
        if !known_source {
            Err(Refusal::UnknownSource)
        } else if draining {
            Err(Refusal::Draining)
        } else if calls >= self.calls {
            Err(Refusal::Full)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_learns_nothing_about_the_load() {
        let limits = Limits { calls: 2, ..Limits::default() };
        assert_eq!(limits.admit(0, false, true), Ok(()));
        assert_eq!(limits.admit(2, false, true), Err(Refusal::Full));
        assert_eq!(limits.admit(0, true, true), Err(Refusal::Draining));
        for (calls, draining) in [(0, false), (2, false), (0, true)] {
            assert_eq!(limits.admit(calls, draining, false), Err(Refusal::UnknownSource));
        }
    }
}
