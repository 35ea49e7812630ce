//! Recording servers, as the settings name them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::media::SrtpPolicy;
use crate::sip::Uri;
use crate::units::UnixTime;

/// Where calls are recorded.
#[derive(Clone, Debug, Default)]
pub struct RecordingPlan {
    /// Here, there, or both.
    pub place: RecordingPlace,
    /// The servers, in the order in which they are tried.
    pub servers: Vec<RecordingServer>,
}

/// Which of the two ways of keeping a recording is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingPlace {
    /// Files of our own.
    #[default]
    Files,
    /// A recording server.
    Servers,
    /// Both at once.
    Both,
    /// A recording server, and a file from the moment that none has it.
    ServersElseFiles,
}

impl RecordingPlace {
    /// Whether a file is begun with the recording.
    #[must_use]
    pub const fn begins_file(self) -> bool {
        matches!(self, Self::Files | Self::Both)
    }

    /// Whether servers are asked.
    #[must_use]
    pub const fn uses_servers(self) -> bool {
        !matches!(self, Self::Files)
    }
}

/// A recording server.
#[derive(Clone, Debug)]
pub struct RecordingServer {
    /// Its name in records and logs.
    pub name: Arc<str>,
    /// Whom the recording session is with; it names an address.
    pub uri: Uri,
    /// Whether the voices are encrypted: `Optional` is nothing that an offer could say.
    pub srtp: SrtpPolicy,
    /// Whether voices may go to addresses of this machine only.
    pub stays_here: bool,
    /// Whether it is told callers' numbers as they are.
    pub numbers_in_clear: bool,
    /// How it does.
    pub health: Health,
}

/// Whether a server took what it was last asked to, known to all calls.
#[derive(Clone, Default)]
pub struct Health(Arc<AtomicI64>);

impl Health {
    /// Whether there is nothing against asking it first.
    #[must_use]
    pub fn is_well(&self, now: UnixTime) -> bool {
        self.0.load(Ordering::Relaxed) <= now.0
    }

    /// It did not do what it should; whether that is news.
    #[must_use]
    pub fn failed(&self, now: UnixTime) -> bool {
        self.0.swap(now.plus(REST).0, Ordering::Relaxed) == WELL
    }

    /// It took a recording; whether that is news.
    #[must_use]
    pub fn took(&self) -> bool {
        self.0.swap(WELL, Ordering::Relaxed) != WELL
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.load(Ordering::Relaxed) == WELL { "well" } else { "failed" })
    }
}

/// Nothing is known against a server.
const WELL: i64 = 0;
/// For so long others are asked first.
const REST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_a_server_fails_is_news_once_and_it_is_asked_again_after_a_rest() {
        let (health, now) = (Health::default(), UnixTime(1_700_000_000_000));
        assert!(health.is_well(now) && !health.took());
        let other = health.clone();
        assert!(health.failed(now) && !other.failed(now), "told by one call of many");
        assert!(!health.is_well(now) && !health.is_well(now.plus(REST / 2)));
        assert!(health.is_well(now.plus(REST)), "somebody must find out");
        assert!(other.took() && !health.took() && health.failed(now));
    }
}
