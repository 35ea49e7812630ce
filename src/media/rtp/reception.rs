//! What was received of one source, in figures: RFC 3550 appendices A.1 (sequence numbers), A.3 (loss) and
//! A.8 (jitter).

use std::time::{Duration, Instant};

use super::seq::{SeqNo, samples_between};
use crate::units::{RtpTimestamp, Ssrc};

/// Where a packet stands in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The next, or one after a gap.
    Advance,
    /// After a later one, but not seen before.
    Reordered,
    /// Seen before.
    Duplicate,
    /// So far from its neighbours that it is believed only when the next one follows it.
    Doubtful,
}

/// The figures of one source.
#[derive(Debug)]
pub struct Reception {
    /// Whose stream.
    pub ssrc: Ssrc,
    started: Instant,
    base: u64,
    highest: u64,
    /// Bit n: the packet n before the highest has come.
    seen: u128,
    received: u64,
    duplicates: u64,
    reordered: u64,
    /// Times that packets were missing: runs of lost ones.
    gaps: u64,
    doubtful: Option<SeqNo>,
    expected_before: u64,
    received_before: u64,
    transit: Option<(Instant, RtpTimestamp)>,
    /// In sixteenths of a sample, as in appendix A.8.
    jitter_q4: u32,
}

/// The figures of a report block (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Whose stream.
    pub ssrc: Ssrc,
    /// Since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Since the start; 24 bits, at the ends clamped.
    pub cumulative_lost: i32,
    /// Wraps counted in the upper half.
    pub highest_seq: u32,
    /// In samples.
    pub jitter: u32,
}

impl Reception {
    /// Starts with the first packet of a source.
    #[must_use]
    pub fn new(now: Instant, ssrc: Ssrc, first: SeqNo) -> Self {
        // One cycle up, so that packets before the first can still be counted.
        let base = u64::from(first.0) + CYCLE;
        Self {
            ssrc,
            started: now,
            base,
            highest: base,
            seen: 1,
            received: 1,
            duplicates: 0,
            reordered: 0,
            gaps: 0,
            doubtful: None,
            expected_before: 0,
            received_before: 0,
            transit: None,
            jitter_q4: 0,
        }
    }

    /// Counts a packet that is not the first one.
    pub fn count(&mut self, seq: SeqNo) -> Arrival {
        let highest = SeqNo(low_half(self.highest));
        let step = seq.ahead_of(highest);
        if (1..MAX_DROPOUT).contains(&step) {
            self.advance(u64::from(step.unsigned_abs()));
            self.doubtful = None;
            return Arrival::Advance;
        }
        if step <= 0 && step > -MAX_MISORDER {
            return self.fill(u32::from(step.unsigned_abs()));
        }
        // Appendix A.1: two packets in a row far away mean that the other side started over.
        if self.doubtful == Some(seq) {
            self.restart(seq);
            return Arrival::Advance;
        }
        self.doubtful = Some(seq.next());
        Arrival::Doubtful
    }

    /// Takes an audio packet's timestamp into the jitter (appendix A.8). Telephone-events keep theirs for a
    /// whole press, so they do not count.
    pub fn time(&mut self, now: Instant, timestamp: RtpTimestamp) {
        if let Some((before, last)) = self.transit {
            let arrived = samples(now.saturating_duration_since(before));
            let difference = arrived - i64::from(samples_between(last, timestamp));
            // A timestamp that starts over says nothing about the network.
            if let Ok(distance) = u32::try_from(difference.unsigned_abs())
                && distance < MAX_JITTER_STEP
            {
                self.jitter_q4 = self.jitter_q4 + distance - ((self.jitter_q4 + 8) >> 4);
            }
        }
        self.transit = Some((now, timestamp));
    }

    /// The figures for a report; the next report's fraction counts from here.
    pub fn report(&mut self) -> Block {
        let expected = self.expected();
        let expected_now = expected - self.expected_before;
        let received_now = self.received - self.received_before;
        self.expected_before = expected;
        self.received_before = self.received;
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction = (lost_now * 256).checked_div(expected_now).unwrap_or(0);
        let lost =
            i64::try_from(expected).unwrap_or(i64::MAX) - i64::try_from(self.received).unwrap_or(i64::MAX);
        Block {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative_lost: i32::try_from(lost.clamp(-0x80_0000, 0x7F_FFFF)).unwrap_or(0),
            highest_seq: u32::try_from((self.highest - CYCLE) & u64::from(u32::MAX)).unwrap_or(0),
            jitter: self.jitter_q4 >> 4,
        }
    }

    /// How often packets were missing; what was only reordered is among it.
    #[must_use]
    pub const fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Packets that should have come.
    #[must_use]
    pub const fn expected(&self) -> u64 {
        self.highest - self.base + 1
    }

    /// Packets that came, duplicates included.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Packets that came twice.
    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Packets that came after a later one.
    #[must_use]
    pub const fn reordered(&self) -> u64 {
        self.reordered
    }

    /// Packets that never came.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received - self.duplicates)
    }

    /// The jitter as time.
    #[must_use]
    pub fn jitter(&self) -> Duration {
        // Sixteenths of 125 µs.
        Duration::from_nanos(u64::from(self.jitter_q4) * 125_000 / 16)
    }

    /// When its first packet came.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    fn advance(&mut self, step: u64) {
        self.gaps += u64::from(step > 1);
        self.highest += step;
        let shift = u32::try_from(step).unwrap_or(u32::MAX);
        self.seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
        self.received += 1;
    }

    fn fill(&mut self, behind: u32) -> Arrival {
        let bit = 1_u128 << behind;
        self.received += 1;
        if self.seen & bit != 0 {
            self.duplicates += 1;
            return Arrival::Duplicate;
        }
        self.seen |= bit;
        self.reordered += 1;
        // A packet from before the first one that came: the stream began earlier than we thought.
        self.base = self.base.min(self.highest.saturating_sub(u64::from(behind)));
        Arrival::Reordered
    }

    /// Goes on from `seq` as if nothing in between had been expected.
    fn restart(&mut self, seq: SeqNo) {
        let forward = u64::from(seq.0.wrapping_sub(low_half(self.highest)));
        self.highest += forward;
        self.base += forward.saturating_sub(1);
        self.seen = 1;
        self.received += 1;
        self.doubtful = None;
        self.transit = None;
    }
}

/// A duration in samples of the telephone band, rounded.
#[must_use]
pub fn samples(duration: Duration) -> i64 {
    let nanoseconds = duration.as_nanos() + 62_500;
    i64::try_from(nanoseconds / 125_000).unwrap_or(i64::MAX)
}

fn low_half(extended: u64) -> u16 {
    u16::try_from(extended % CYCLE).unwrap_or(0)
}

const CYCLE: u64 = 1 << 16;
/// RFC 3550 appendix A.1: a greater step ahead is a new start.
const MAX_DROPOUT: i16 = 3000;
/// RFC 3550 appendix A.1: a greater step back is a new start. Within the 128 bits of `seen`.
const MAX_MISORDER: i16 = 100;
/// Ten seconds of samples: more is a new timestamp base, not jitter.
const MAX_JITTER_STEP: u32 = 80_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::test_start;

    fn reception(first: u16) -> Reception {
        Reception::new(test_start(), Ssrc(1), SeqNo(first))
    }

    #[test]
    fn loss_duplicates_and_order_are_told_apart_across_the_wrap() {
        let mut reception = reception(65_530);
        for seq in [65_531, 65_533, 65_532, 65_532, 65_535, 0, 2] {
            reception.count(SeqNo(seq));
        }
        // 65530..=65535, 0, 1, 2 are nine; 65534 and 1 never came.
        assert_eq!(reception.expected(), 9);
        assert_eq!(reception.lost(), 2);
        assert_eq!(reception.duplicates(), 1);
        assert_eq!(reception.reordered(), 1);
        let block = reception.report();
        // The RFC counts duplicates as received: 9 − 8.
        assert_eq!(block.cumulative_lost, 1);
        assert_eq!(block.fraction_lost, 28);
        assert_eq!(block.highest_seq, 0x1_0002);
    }

    #[test]
    fn a_report_counts_from_the_last_one() {
        let mut reception = reception(0);
        for seq in (1..100).filter(|seq| seq % 4 != 0) {
            reception.count(SeqNo(seq));
        }
        assert_eq!(reception.report().fraction_lost, 61, "24 of 100");
        for seq in 100..200 {
            reception.count(SeqNo(seq));
        }
        let block = reception.report();
        assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 24));
    }

    #[test]
    fn a_stray_number_is_doubted_and_a_second_one_believed() {
        let mut reception = reception(100);
        assert_eq!(reception.count(SeqNo(40_000)), Arrival::Doubtful);
        assert_eq!(reception.count(SeqNo(101)), Arrival::Advance);
        assert_eq!(reception.count(SeqNo(20_000)), Arrival::Doubtful);
        assert_eq!(reception.count(SeqNo(20_001)), Arrival::Advance);
        assert_eq!(reception.lost(), 0);
        assert_eq!(reception.count(SeqNo(20_002)), Arrival::Advance);
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn even_spacing_has_no_jitter_and_uneven_spacing_has_what_the_rfc_says() {
        let (mut even, mut uneven, start) = (reception(0), reception(0), test_start());
        for n in 0..500_u32 {
            let due = start + Duration::from_millis(20) * n;
            even.time(due, RtpTimestamp(n * 160));
            // Every other packet 10 ms late: |D| is 80 samples each time.
            let late = if n % 2 == 0 { Duration::ZERO } else { Duration::from_millis(10) };
            uneven.time(due + late, RtpTimestamp(n * 160));
        }
        assert_eq!(even.jitter(), Duration::ZERO);
        let jitter = uneven.jitter();
        assert!(jitter > Duration::from_micros(9_500) && jitter <= Duration::from_millis(10), "{jitter:?}");
    }
}
