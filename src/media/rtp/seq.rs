//! Numbers that wrap: sequence numbers and timestamps (RFC 3550 §5.1), unwrapped next to a known one.

use crate::units::RtpTimestamp;

/// An RTP sequence number; it wraps at 2^16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeqNo(pub u16);

impl SeqNo {
    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// How far this is ahead of `other`, going the shorter way round: negative when it is behind.
    #[must_use]
    pub const fn ahead_of(self, other: Self) -> i16 {
        self.0.wrapping_sub(other.0).cast_signed()
    }
}

/// How far `later` is ahead of `earlier`, going the shorter way round, in samples.
#[must_use]
pub const fn samples_between(earlier: RtpTimestamp, later: RtpTimestamp) -> i32 {
    later.0.wrapping_sub(earlier.0).cast_signed()
}

/// Brings timestamps of any clock to ticks of 125 µs, by which everything here is counted.
#[derive(Debug)]
pub struct Ticks {
    clock: u16,
    unwrapped: Option<Unwrapped>,
}

impl Ticks {
    /// Of a clock that goes so far in each tick.
    #[must_use]
    pub const fn new(clock: u16) -> Self {
        Self { clock, unwrapped: None }
    }

    /// How far the clock goes in a tick.
    #[must_use]
    pub const fn clock(&self) -> u16 {
        self.clock
    }

    /// The tick of a timestamp. The difference of two is right across the wrap of either.
    pub fn of(&mut self, timestamp: RtpTimestamp) -> RtpTimestamp {
        if self.clock <= 1 {
            return timestamp;
        }
        let position = self.unwrapped.get_or_insert_with(|| Unwrapped::new(timestamp)).position(timestamp);
        let tick = position.div_euclid(self.clock.into()).rem_euclid(1 << 32);
        RtpTimestamp(u32::try_from(tick).unwrap_or(0))
    }
}

impl Default for Ticks {
    fn default() -> Self {
        Self::new(1)
    }
}

/// Counts timestamps on beyond their wrap.
#[derive(Clone, Copy, Debug)]
pub struct Unwrapped {
    last: RtpTimestamp,
    position: i64,
}

impl Unwrapped {
    /// The first timestamp stands at its own value.
    #[must_use]
    pub fn new(first: RtpTimestamp) -> Self {
        Self { last: first, position: i64::from(first.0) }
    }

    /// The position of a timestamp near the last one.
    pub fn position(&mut self, timestamp: RtpTimestamp) -> i64 {
        self.position += i64::from(samples_between(self.last, timestamp));
        self.last = timestamp;
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_across_the_wrap() {
        assert_eq!(SeqNo(65_535).next(), SeqNo(0));
        assert_eq!(SeqNo(1).ahead_of(SeqNo(65_534)), 3);
        assert_eq!(SeqNo(65_534).ahead_of(SeqNo(1)), -3);
        assert_eq!(samples_between(RtpTimestamp(u32::MAX - 79), RtpTimestamp(80)), 160);
    }

    #[test]
    fn positions_go_on_beyond_the_wrap_and_back() {
        let mut unwrapped = Unwrapped::new(RtpTimestamp(u32::MAX - 159));
        let start = unwrapped.position(RtpTimestamp(u32::MAX - 159));
        assert_eq!(unwrapped.position(RtpTimestamp(160)) - start, 320);
        assert_eq!(unwrapped.position(RtpTimestamp(0)) - start, 160);
    }
}
