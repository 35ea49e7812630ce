//! Reports (RFC 3550 §6): a sender or receiver report with our CNAME about every five seconds, BYE at the end,
//! and what the peer's reports say about us.

use std::time::{Duration, Instant};

use rtcp_types::{
    Bye, Compound, CompoundBuilder, Packet as Parsed, ReceiverReport, ReportBlock, ReportBlockBuilder,
    RtcpPacketWriterExt, Sdes, SdesChunk, SdesItem, SenderReport,
};

use super::packet::Packet;
use super::reception::Block;
use crate::units::{Entropy, Epoch, RtpTimestamp, Ssrc};

/// What we sent, for a sender report.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Packets since the start.
    pub packets: u64,
    /// Payload octets since the start.
    pub octets: u64,
    /// The timestamp that belongs to the moment of the report.
    pub timestamp: RtpTimestamp,
}

/// What the peer last reported about our stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Heard {
    /// Fraction of our packets it missed in its last interval.
    pub loss: Option<f64>,
    /// The jitter it measured.
    pub jitter: Option<Duration>,
    /// From our report to its answer, less the time it held it.
    pub round_trip: Option<Duration>,
}

/// Writes and reads the reports of one session.
#[derive(Debug)]
pub struct Reporter {
    ssrc: Ssrc,
    cname: String,
    epoch: Epoch,
    entropy: Entropy,
    due: Option<Instant>,
    /// The middle 32 bits of the peer's last sender report and when it came.
    last_report: Option<(Ssrc, u32, Instant)>,
    sent_at_last_report: u64,
    /// Of the timestamps that we send: a peer reports their jitter in it (RFC 3550 §6.4.1).
    clock_rate: u32,
    heard: Heard,
}

impl Reporter {
    /// Says nothing until started.
    #[must_use]
    pub const fn new(ssrc: Ssrc, cname: String, epoch: Epoch, entropy: Entropy) -> Self {
        Self {
            ssrc,
            cname,
            epoch,
            entropy,
            due: None,
            last_report: None,
            sent_at_last_report: 0,
            clock_rate: 8000,
            heard: Heard { loss: None, jitter: None, round_trip: None },
        }
    }

    /// The clock of the timestamps that we send, in ticks a second.
    pub fn sends_at(&mut self, clock_rate: u32) {
        self.clock_rate = clock_rate.max(1);
    }

    /// The first report follows after half an interval (RFC 3550 §6.2). Does nothing when reports run.
    pub fn start(&mut self, now: Instant) {
        if self.due.is_none() {
            self.due = Some(now + self.interval() / 2);
        }
    }

    /// No more reports.
    pub fn stop(&mut self) {
        self.due = None;
    }

    /// When the next report goes out.
    #[must_use]
    pub const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// What the peer last said about our stream.
    #[must_use]
    pub const fn heard(&self) -> Heard {
        self.heard
    }

    /// The report that is due.
    pub fn report(&mut self, now: Instant, sent: Sent, block: Option<Block>) -> Packet {
        self.due = Some(now + self.interval());
        let builder = self.compound(now, sent, block);
        written(&builder)
    }

    /// The last words (RFC 3550 §6.3.7).
    pub fn goodbye(&mut self, now: Instant, sent: Sent, block: Option<Block>) -> Packet {
        self.due = None;
        let bye = Bye::builder().add_source(self.ssrc.0);
        let builder = self.compound(now, sent, block).add_packet(bye);
        written(&builder)
    }

    /// Takes a compound packet; `false` when it is none.
    pub fn receive(&mut self, now: Instant, datagram: &[u8]) -> bool {
        let Ok(compound) = Compound::parse(datagram) else { return false };
        for packet in compound {
            match packet {
                Ok(Parsed::Sr(report)) => {
                    let middle = middle(report.ntp_timestamp());
                    self.last_report = Some((Ssrc(report.ssrc()), middle, now));
                    self.take_blocks(now, report.report_blocks());
                }
                Ok(Parsed::Rr(report)) => self.take_blocks(now, report.report_blocks()),
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn take_blocks<'a>(&mut self, now: Instant, blocks: impl Iterator<Item = ReportBlock<'a>>) {
        for block in blocks.filter(|block| block.ssrc() == self.ssrc.0) {
            self.heard.loss = Some(f64::from(block.fraction_lost()) / 256.0);
            let jitter_us = u64::from(block.interarrival_jitter()) * 1_000_000 / u64::from(self.clock_rate);
            self.heard.jitter = Some(Duration::from_micros(jitter_us));
            let last = block.last_sender_report_timestamp();
            if last == 0 {
                continue;
            }
            // RFC 3550 §6.4.1: A − LSR − DLSR, in 65536ths of a second.
            let held = block.delay_since_last_sender_report_timestamp();
            let trip = middle(self.ntp(now)).wrapping_sub(last).wrapping_sub(held);
            // A peer that rounds its delay up, or lies, gives a trip from the future.
            if trip < MAX_TRIP {
                self.heard.round_trip = Some(from_middle(trip));
            }
        }
    }

    fn compound(&mut self, now: Instant, sent: Sent, block: Option<Block>) -> CompoundBuilder<'_> {
        let block = block.map(|block| self.block(now, block));
        let has_sent = sent.packets > self.sent_at_last_report;
        self.sent_at_last_report = sent.packets;
        let builder = Compound::builder();
        let builder = if has_sent {
            let report = SenderReport::builder(self.ssrc.0)
                .ntp_timestamp(self.ntp(now))
                .rtp_timestamp(sent.timestamp.0)
                .packet_count(wrapped(sent.packets))
                .octet_count(wrapped(sent.octets));
            builder.add_packet(match block {
                Some(block) => report.add_report_block(block),
                None => report,
            })
        } else {
            let report = ReceiverReport::builder(self.ssrc.0);
            builder.add_packet(match block {
                Some(block) => report.add_report_block(block),
                None => report,
            })
        };
        let name = SdesItem::builder(SdesItem::CNAME, &self.cname);
        builder.add_packet(Sdes::builder().add_chunk(SdesChunk::builder(self.ssrc.0).add_item(name)))
    }

    fn block(&self, now: Instant, block: Block) -> ReportBlockBuilder {
        let (last, held) = match self.last_report {
            Some((ssrc, middle, at)) if ssrc == block.ssrc => {
                (middle, to_middle(now.saturating_duration_since(at)))
            }
            _ => (0, 0),
        };
        ReportBlock::builder(block.ssrc.0)
            .fraction_lost(block.fraction_lost)
            // Negative numbers as 24 bits of two's complement.
            .cumulative_lost(block.cumulative_lost.cast_unsigned() & 0x00FF_FFFF)
            .extended_sequence_number(block.highest_seq)
            .interarrival_jitter(block.jitter)
            .last_sender_report_timestamp(last)
            .delay_since_last_sender_report_timestamp(held)
    }

    /// Half to one and a half of five seconds (RFC 3550 §6.2, §6.3.1): reports of many calls stay apart.
    fn interval(&mut self) -> Duration {
        Duration::from_millis(2500 + self.entropy.below(5001))
    }

    /// Seconds since 1900 and their fraction (RFC 3550 §4).
    fn ntp(&self, now: Instant) -> u64 {
        let start_ms = u64::try_from(self.epoch.unix.0).unwrap_or(0);
        let since = now.saturating_duration_since(self.epoch.instant);
        let unix = Duration::from_millis(start_ms) + since;
        let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
        (unix.as_secs() + SECONDS_1900_TO_1970) << 32 | fraction
    }
}

fn written(builder: &CompoundBuilder<'_>) -> Packet {
    let mut packet = Packet::new();
    packet.resize(ROOM, 0);
    let length = builder.write_into(&mut packet);
    debug_assert!(length.is_ok(), "our reports fit their room");
    packet.truncate(length.unwrap_or(0));
    packet
}

/// The middle 32 bits of 64: 16 of seconds, 16 of their fraction.
fn middle(ntp: u64) -> u32 {
    wrapped(ntp >> 16)
}

fn to_middle(duration: Duration) -> u32 {
    let units = (duration.as_nanos() << 16) / 1_000_000_000;
    u32::try_from(units).unwrap_or(u32::MAX)
}

fn from_middle(units: u32) -> Duration {
    Duration::from_nanos((u64::from(units) * 1_000_000_000) >> 16)
}

/// The counters of reports wrap at 2^32.
fn wrapped(count: u64) -> u32 {
    let [.., a, b, c, d] = count.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// RFC 3550 §4: NTP counts from 1900.
const SECONDS_1900_TO_1970: u64 = 2_208_988_800;
/// A minute, in 65536ths of a second: more is no round trip.
const MAX_TRIP: u32 = 60 << 16;
/// SR with a block is 52 octets, SDES with a CNAME of 24 is 36, BYE is 8.
const ROOM: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{UnixTime, test_start};
    use proptest::prelude::*;

    fn reporter(ssrc: u32, start: Instant) -> Reporter {
        let epoch = Epoch { instant: start, unix: UnixTime(1_700_000_000_123) };
        Reporter::new(Ssrc(ssrc), "name".into(), epoch, Entropy::from_seed([1; 32]))
    }

    fn sent(packets: u64) -> Sent {
        Sent { packets, octets: packets * 160, timestamp: RtpTimestamp(7) }
    }

    #[test]
    fn the_round_trip_is_what_the_network_took() {
        let start = test_start();
        let (mut here, mut there) = (reporter(1, start), reporter(2, start));
        let report = here.report(start, sent(100), None);
        assert!(there.receive(start + Duration::from_millis(30), &report));
        let block =
            Block { ssrc: Ssrc(1), fraction_lost: 64, cumulative_lost: -3, highest_seq: 5, jitter: 80 };
        let answered = start + Duration::from_millis(1030);
        let answer = there.report(answered, sent(0), Some(block));
        assert!(here.receive(answered + Duration::from_millis(40), &answer));
        let heard = here.heard();
        let trip = heard.round_trip.expect("a round trip");
        assert!(trip.abs_diff(Duration::from_millis(70)) < Duration::from_millis(1), "{trip:?}");
        assert_eq!(heard.loss, Some(0.25));
        assert_eq!(heard.jitter, Some(Duration::from_millis(10)));
    }

    #[test]
    fn the_jitter_that_a_peer_tells_is_in_the_clock_of_what_we_send() {
        let start = test_start();
        for (clock_rate, jitter) in [(8000, 80), (48_000, 480), (48_000, u32::MAX)] {
            let (mut here, mut there) = (reporter(1, start), reporter(2, start));
            here.sends_at(clock_rate);
            let block = Block { ssrc: Ssrc(1), fraction_lost: 0, cumulative_lost: 0, highest_seq: 5, jitter };
            let answer = there.report(start, sent(0), Some(block));
            assert!(here.receive(start, &answer));
            let told = here.heard().jitter.expect("a jitter").as_micros();
            assert_eq!(told, u128::from(jitter) * 1_000_000 / u128::from(clock_rate), "at {clock_rate}");
            assert!(jitter == u32::MAX || told == 10_000, "at {clock_rate}: {told} µs");
        }
    }

    #[test]
    fn reports_are_about_five_seconds_apart_and_never_in_step() {
        let mut now = test_start();
        let mut reporter = reporter(1, now);
        reporter.start(now);
        let mut gaps = Vec::new();
        for _ in 0..200 {
            let due = reporter.due().expect("running");
            gaps.push((due - now).as_millis());
            now = due;
            reporter.report(now, sent(0), None);
        }
        assert!(gaps[1..].iter().all(|gap| (2500..=7500).contains(gap)));
        let mean = gaps[1..].iter().sum::<u128>() / 199;
        assert!((4500..5500).contains(&mean), "{mean} ms");
    }

    #[test]
    fn goodbye_is_a_report_a_name_and_a_bye() {
        let start = test_start();
        let mut reporter = reporter(9, start);
        let packet = reporter.goodbye(start, sent(5), None);
        let kinds: Vec<_> = Compound::parse(&packet)
            .expect("a compound")
            .map(|packet| match packet {
                Ok(Parsed::Sr(report)) => ("SR", report.ssrc()),
                Ok(Parsed::Sdes(_)) => ("SDES", 9),
                Ok(Parsed::Bye(bye)) => ("BYE", bye.ssrcs().next().unwrap_or(0)),
                _ => ("?", 0),
            })
            .collect();
        assert_eq!(kinds, [("SR", 9), ("SDES", 9), ("BYE", 9)]);
        assert_eq!(reporter.due(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]
        #[test]
        fn no_datagram_panics(
            mut datagram in proptest::collection::vec(any::<u8>(), 0..120),
            kind in 200_u8..208,
            shape in any::<bool>(),
        ) {
            let start = test_start();
            if shape && datagram.len() >= 4 {
                datagram[0] = datagram[0] & 0x3F | 0x80;
                datagram[1] = kind;
                let words = u8::try_from(datagram.len() / 4 - 1).expect("short");
                datagram[2..4].copy_from_slice(&[0, words]);
                datagram.truncate(usize::from(words) * 4 + 4);
            }
            reporter(1, start).receive(start, &datagram);
        }
    }
}
