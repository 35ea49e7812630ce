//! Small words that every layer may use: identities, units of time and media, a pressed key.
//!
//! Nothing here knows a clock or a random source: an [`Epoch`] ties the monotonic time that the core is
//! given to the calendar, and [`Entropy`] turns one seed from the driver into every tag, branch and
//! stream identifier of a shard.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Our own name for a call, unique in this deployment; the SIP header is `SipCallId`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallId({self})")
    }
}

/// Names a question that left the core, so that its answer finds the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AskId(pub u64);

/// Names one sound that somebody is to understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HearingId(pub u64);

/// Names one order to play something, so that its end is not taken for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub u64);

/// The two sides of a call: A is the caller, B whoever the engine calls for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LegSide {
    /// The caller's leg.
    A,
    /// The leg to an agent or a transfer target.
    B,
    /// The agent who puts the caller through, while somebody else is called.
    Aside,
    /// Not a leg: the copy, for a recording server, of what the caller says.
    Said,
    /// Not a leg: the copy, for a recording server, of what the caller hears.
    Heard,
}

/// Names an open pair of RTP and RTCP ports of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaPort(pub u32);

/// Milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// Whole seconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This time moved by `by` into the future.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// How long before this time `earlier` was; zero when it was not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

/// Ties monotonic time to the calendar: both clocks read once, by the driver, at the same moment.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    /// The monotonic reading.
    pub instant: Instant,
    /// The calendar reading of the same moment.
    pub unix: UnixTime,
}

impl Epoch {
    /// The calendar time at `now`.
    #[must_use]
    pub fn unix_at(&self, now: Instant) -> UnixTime {
        self.unix.plus(now.saturating_duration_since(self.instant))
    }
}

/// A seeded source of identifiers and jitter. The seed comes from the operating system, by the driver.
pub struct Entropy(StdRng);

impl Entropy {
    /// Starts from a 256-bit seed.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(StdRng::from_seed(seed))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number below `bound`; zero when `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The bias of a remainder is below 2^-32 for every bound used here (ports, milliseconds).
        self.next_u64().checked_rem(bound).unwrap_or(0)
    }

    /// `2 × bytes` lower-case hexadecimal digits, for a tag, a branch or a Call-ID.
    pub fn hex(&mut self, bytes: usize) -> String {
        let mut raw = vec![0_u8; bytes];
        self.0.fill_bytes(&mut raw);
        data_encoding::HEXLOWER.encode(&raw)
    }

    /// A generator of its own for a child, so that children do not share a sequence.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        let mut seed = [0_u8; 32];
        self.0.fill_bytes(&mut seed);
        Self::from_seed(seed)
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

/// How far the network that a call came from vouches for its number (RFC 8588 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attestation {
    /// Full: the customer is known and may use the number.
    A,
    /// Partial: the customer is known, the number is not checked.
    B,
    /// Gateway: it only knows where the call entered.
    C,
}

impl Attestation {
    /// From its letter.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::A, Self::B, Self::C].into_iter().find(|level| level.name() == name)
    }

    /// Its letter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        }
    }
}

/// A key of a telephone: `0`–`9`, `*`, `#`, `A`–`D`. Its `Debug` shows no key: a pressed key may be part
/// of a PIN. Use [`Digit::as_char`] to read it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digit(u8);

impl Digit {
    /// The star key.
    pub const STAR: Self = Self(b'*');
    /// The hash (pound) key.
    pub const HASH: Self = Self(b'#');

    /// From its character; `None` when no telephone has that key.
    #[must_use]
    pub fn from_char(c: char) -> Option<Self> {
        let c = c.to_ascii_uppercase();
        match c {
            '0'..='9' | '*' | '#' | 'A'..='D' => u8::try_from(c).ok().map(Self),
            _ => None,
        }
    }

    /// From the event code of RFC 4733 §3.2 (0–9, 10 star, 11 hash, 12–15 A–D); `None` beyond 15.
    #[must_use]
    pub const fn from_event(event: u8) -> Option<Self> {
        match event {
            0..=9 => Some(Self(b'0' + event)),
            10 => Some(Self::STAR),
            11 => Some(Self::HASH),
            12..=15 => Some(Self(b'A' + (event - 12))),
            _ => None,
        }
    }

    /// The event code of RFC 4733 §3.2.
    #[must_use]
    pub const fn event(self) -> u8 {
        match self.0 {
            b'*' => 10,
            b'#' => 11,
            b'A'..=b'D' => self.0 - b'A' + 12,
            digit => digit - b'0',
        }
    }

    /// The key in clear. What comes of it is the caller's responsibility.
    #[must_use]
    pub const fn as_char(self) -> char {
        self.0 as char
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digit(·)")
    }
}

/// Samples per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SampleRate(pub u32);

impl SampleRate {
    /// The telephone band: 8,000 samples per second.
    pub const TELEPHONE: Self = Self(8000);
}

/// The RTP payload type (7 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadType(pub u8);

/// The RTP synchronisation source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ssrc(pub u32);

/// An RTP timestamp, which wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RtpTimestamp(pub u32);

/// Where a pair of media ports of ours can be reached: what the SDP names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaAddress {
    /// The port pair.
    pub port: MediaPort,
    /// The address to put into the SDP (RTP; RTCP is the next port).
    pub rtp: SocketAddr,
    /// The stream that came to it in the call before, if there was one.
    pub former: Option<(SocketAddr, Ssrc)>,
    /// A moment at which the port is looked at, as it is each 20 ms: what is sent then costs no wake-up of its own.
    pub beat: Option<Instant>,
}

mod pace;
mod places;
#[cfg(test)]
#[path = "../tests/start/mod.rs"]
mod start;
mod table;

pub use pace::Pace;
pub use places::{Place, Places};
pub use table::{Members, PeerTable, Spread, Table};

/// A moment for tests of the core to start from; the core itself never asks for one.
#[cfg(test)]
pub(crate) use start::test_start;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_keeps_its_event_code() {
        for event in 0..16 {
            let digit = Digit::from_event(event).expect("0–15 are keys");
            assert_eq!(digit.event(), event);
            assert_eq!(Digit::from_char(digit.as_char()), Some(digit));
        }
        assert_eq!(Digit::from_event(16), None);
    }

    #[test]
    fn a_key_does_not_show_itself() {
        for event in 0..16 {
            let digit = Digit::from_event(event).expect("0–15 are keys");
            assert_eq!(format!("{digit:?}"), "Digit(·)");
        }
    }

    #[test]
    fn a_calendar_reading_follows_monotonic_time() {
        let start = Epoch { instant: test_start(), unix: UnixTime(1_000) };
        let later = start.instant + Duration::from_secs(3);
        assert_eq!(start.unix_at(later), UnixTime(4_000));
        assert_eq!(start.unix_at(later).since(UnixTime(1_000)), Duration::from_secs(3));
        assert_eq!(UnixTime(0).since(UnixTime(5)), Duration::ZERO);
    }
}
