//! Keys that come as telephone-events (RFC 4733): one press, one [`Digit`].
//!
//! ```text
//! one press of 100 ms, packets every 20 ms; all carry the timestamp of its onset
//!
//! seq         n    n+1   n+2   n+3   n+4   n+5   n+6
//! marker      1     0     0     0     0     0     0
//! duration   160   320   480   640   800   800   800
//! end         0     0     0     0     1     1     1
//!             └ reported by whichever of them comes first
//! ```
//!
//! A press is known by its onset and key, never by marker or end: both get lost. Two timestamps are still one
//! press when they cannot be two: a segment of a long press (§2.5.1.3), or onsets closer than fingers manage.

use std::collections::VecDeque;

use super::seq::samples_between;
use crate::units::{Digit, RtpTimestamp};

/// The payload of one packet (RFC 4733 §2.3).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    event: u8,
    end: bool,
    duration: u16,
    /// How far the clock that it was counted by goes in a tick of 125 µs.
    clock: u16,
}

impl Payload {
    /// From the first four octets; more than one event in a payload (§2.5.1.4 redundancy) is not agreed on.
    #[must_use]
    pub fn read(octets: &[u8]) -> Option<Self> {
        let &[event, flags, high, low, ..] = octets else { return None };
        Some(Self { event, end: flags & 0x80 != 0, duration: u16::from_be_bytes([high, low]), clock: 1 })
    }

    /// With its duration in ticks of 125 µs, of a clock that goes so far in each.
    #[must_use]
    pub fn in_ticks(self, clock: u16) -> Self {
        let clock = clock.max(1);
        Self { duration: self.duration / clock, clock, ..self }
    }
}

/// Tells presses from repetitions.
#[derive(Debug, Default)]
pub struct EventReceiver {
    /// The last presses, newest first seen last.
    presses: VecDeque<Press>,
}

/// A press; its key takes no part in `Debug`.
#[derive(Clone, Copy)]
struct Press {
    event: u8,
    /// The onset of its latest segment.
    segment: RtpTimestamp,
    /// The onset of its first segment.
    onset: RtpTimestamp,
    /// Of the latest segment, the longest seen.
    duration: u16,
    ended: bool,
}

impl std::fmt::Debug for Press {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Press(·)")
    }
}

impl EventReceiver {
    /// Takes the payload of a telephone-event packet; a key when it is the first seen of its press. `overtaken`
    /// says that a later packet of the stream came before it.
    pub fn receive(&mut self, overtaken: bool, timestamp: RtpTimestamp, payload: Payload) -> Option<Digit> {
        let digit = Digit::from_event(payload.event)?;
        if let Some(press) = self.presses.iter_mut().find(|press| press.is_told_by(timestamp, payload)) {
            press.update(timestamp, payload);
            return None;
        }
        if overtaken && self.is_old(timestamp) {
            return None;
        }
        if self.presses.len() >= REMEMBERED {
            self.presses.pop_front();
        }
        self.presses.push_back(Press {
            event: payload.event,
            segment: timestamp,
            onset: timestamp,
            duration: payload.duration,
            ended: payload.end,
        });
        Some(digit)
    }

    /// Does a press sound within these samples? Some telephones send the tone beside the event, and
    /// gateways let its beginning through.
    #[must_use]
    pub fn sounds_within(&self, from: RtpTimestamp, length: i32) -> bool {
        self.presses.iter().any(|press| {
            let tail = if press.ended { TAIL_KNOWN } else { TAIL_OPEN };
            let end = samples_between(press.onset, press.segment) + i32::from(press.duration) + tail;
            let position = samples_between(press.onset, from);
            position < end && position + length > -LEAD
        })
    }

    /// Of a press that has been forgotten, if the packet is a straggler at all.
    fn is_old(&self, timestamp: RtpTimestamp) -> bool {
        self.presses.back().is_some_and(|last| samples_between(last.onset, timestamp) < -STALE)
    }
}

impl Press {
    fn is_told_by(&self, timestamp: RtpTimestamp, payload: Payload) -> bool {
        if self.event != payload.event {
            return false;
        }
        let after = samples_between(self.segment, timestamp);
        let within = samples_between(self.onset, self.segment);
        // An earlier segment, or exactly this one.
        if after <= 0 && after >= -within {
            return true;
        }
        // RFC 4733 §2.5.1.3: a press longer than the field can say goes on in a new segment, whose
        // timestamp is where the last one ended.
        let [nearly, full] = [NEARLY_FULL, u16::MAX].map(|duration| duration / payload.clock);
        let next_segment = !self.ended
            && self.duration >= nearly
            && (i32::from(nearly)..=i32::from(full) + SEGMENT_SLACK).contains(&after);
        // Some senders move the timestamp with every packet of a press.
        let sliding = after.unsigned_abs() < CLOSEST_ONSETS;
        next_segment || sliding
    }

    fn update(&mut self, timestamp: RtpTimestamp, payload: Payload) {
        let after = samples_between(self.segment, timestamp);
        if after > 0 {
            self.segment = timestamp;
            self.duration = payload.duration;
            self.ended = payload.end;
        } else if after == 0 {
            self.duration = self.duration.max(payload.duration);
            self.ended |= payload.end;
        }
    }
}

/// Presses that are kept to know their repetitions: more than a network holds back.
const REMEMBERED: usize = 16;
/// A second: no network turns the order of packets over so far.
const STALE: i32 = 8000;
/// Of the 65,535 units of a full segment, allowing for lost updates (§2.5.1.3).
const NEARLY_FULL: u16 = 0xE000;
/// Segments need not be counted to the last sample.
const SEGMENT_SLACK: i32 = 800;
/// 40 ms: ITU-T Q.24 asks receivers for no more than 40 ms of tone and 40 ms of pause.
const CLOSEST_ONSETS: u32 = 320;
/// 20 ms before the onset: the packet in which the tone began.
const LEAD: i32 = 160;
/// 40 ms after the end: the tone's fading in a gateway.
const TAIL_KNOWN: i32 = 320;
/// 100 ms after the last word of a press that is still down: five updates may be lost in a row.
const TAIL_OPEN: i32 = 800;

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(event: u8, end: bool, duration: u16) -> Payload {
        Payload { event, end, duration, clock: 1 }
    }

    #[test]
    fn a_digit_survives_losing_all_but_any_one_of_its_packets() {
        let press: Vec<_> = [(160, false), (320, false), (480, false), (800, true), (800, true), (800, true)]
            .into_iter()
            .map(|(duration, end)| packet(5, end, duration))
            .collect();
        for survivor in &press {
            let mut receiver = EventReceiver::default();
            let key = receiver.receive(false, RtpTimestamp(1000), *survivor);
            assert_eq!(key, Digit::from_event(5));
            assert_eq!(receiver.receive(false, RtpTimestamp(1000), *survivor), None);
        }
    }

    #[test]
    fn the_same_key_pressed_twice_counts_twice_even_without_ends() {
        let mut receiver = EventReceiver::default();
        for onset in [0_u32, 800, 1600] {
            let key = receiver.receive(false, RtpTimestamp(onset), packet(1, false, 160));
            assert!(key.is_some(), "onset {onset}");
            assert!(receiver.receive(false, RtpTimestamp(onset), packet(1, false, 320)).is_none());
        }
    }

    #[test]
    fn a_press_of_a_minute_is_one_press() {
        let mut receiver = EventReceiver::default();
        let mut reported = 0;
        for segment in 0..8_u32 {
            for duration in (160..=65_440_u16).step_by(160).chain([u16::MAX]) {
                let onset = RtpTimestamp(u32::MAX - 100_000).0.wrapping_add(segment * 65_535);
                reported += u32::from(
                    receiver.receive(false, RtpTimestamp(onset), packet(9, false, duration)).is_some(),
                );
            }
        }
        assert_eq!(reported, 1);
    }

    #[test]
    fn a_long_press_is_one_press_by_a_faster_clock_and_two_are_two() {
        // 48,000 a second: a segment is full after 1.365 s, and here is counted in ticks, six to each.
        for clock in [2_u16, 6] {
            let mut receiver = EventReceiver::default();
            let mut reported = 0;
            let full = u32::from(u16::MAX / clock);
            for segment in 0..8_u32 {
                for duration in (960..=64_320_u16).step_by(960).chain([u16::MAX]) {
                    let payload = packet(9, false, duration).in_ticks(clock);
                    let onset = RtpTimestamp((u32::MAX - 20_000).wrapping_add(segment * full));
                    reported += u32::from(receiver.receive(false, onset, payload).is_some());
                }
            }
            assert_eq!(reported, 1, "clock {clock}");
            // As long a pause behind a press that has ended is another press.
            let onset = RtpTimestamp((u32::MAX - 20_000).wrapping_add(8 * full));
            assert!(receiver.receive(false, onset, packet(9, true, 960).in_ticks(clock)).is_none());
            let next = RtpTimestamp(onset.0.wrapping_add(full));
            assert!(receiver.receive(false, next, packet(9, false, 960).in_ticks(clock)).is_some());
        }
    }

    #[test]
    fn a_timestamp_that_slides_along_with_the_packets_is_one_press() {
        let mut receiver = EventReceiver::default();
        let mut reported = 0;
        for n in 0..10_u16 {
            let sliding = RtpTimestamp(u32::from(n) * 160);
            let payload = packet(3, n > 6, (n + 1) * 160);
            reported += u32::from(receiver.receive(false, sliding, payload).is_some());
        }
        assert_eq!(reported, 1);
    }

    #[test]
    fn a_straggler_of_an_earlier_press_is_not_a_new_one() {
        let mut receiver = EventReceiver::default();
        for n in 0..20_u16 {
            let onset = RtpTimestamp(u32::from(n) * 1600);
            let event = u8::try_from(n % 10).expect("below ten");
            assert!(receiver.receive(false, onset, packet(event, false, 160)).is_some());
        }
        // The first of all is forgotten by now, the last but one is not.
        assert_eq!(receiver.receive(true, RtpTimestamp(0), packet(0, true, 800)), None);
        assert_eq!(receiver.receive(true, RtpTimestamp(18 * 1600), packet(8, true, 800)), None);
    }

    #[test]
    fn events_that_are_no_keys_and_short_payloads_are_nothing() {
        let mut receiver = EventReceiver::default();
        for event in 16..=255 {
            assert_eq!(receiver.receive(false, RtpTimestamp(0), packet(event, false, 160)), None);
        }
        for length in 0..4 {
            assert!(Payload::read(&[1, 2, 3, 4][..length]).is_none());
        }
    }

    #[test]
    fn the_tone_beside_an_event_is_known_by_its_samples() {
        let mut receiver = EventReceiver::default();
        receiver.receive(false, RtpTimestamp(8000), packet(1, true, 800));
        assert!(receiver.sounds_within(RtpTimestamp(8000), 160));
        assert!(receiver.sounds_within(RtpTimestamp(8800), 160));
        assert!(!receiver.sounds_within(RtpTimestamp(9200), 160));
        assert!(!receiver.sounds_within(RtpTimestamp(7600), 160));
    }
}
