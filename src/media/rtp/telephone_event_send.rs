//! Keys that go out as telephone-events (RFC 4733 §2.5.1): the time table of one press.
//!
//! ```text
//! slot (20 ms)   0    1    2    3    4    5    6    7    8
//! duration      160  320  480  640  800  800  800   –   next press
//! marker         1    0    0    0    0    0    0
//! end            0    0    0    0    1    1    1
//! ```
//!
//! 100 ms of key, 60 ms of pause; all packets carry the timestamp of slot 0. The final packet is sent three
//! times (§2.5.1.4).

use std::collections::VecDeque;
use std::time::Duration;

use crate::units::{Digit, RtpTimestamp};

/// Keys waiting to be sent, and the one being sent.
#[derive(Debug, Default)]
pub struct EventSender {
    waiting: VecDeque<Digit>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    digit: Digit,
    onset: RtpTimestamp,
    slot: u16,
}

/// What a slot is used for while keys are sent.
pub enum Slot {
    /// Send this packet.
    Packet {
        /// Of the press's first slot.
        timestamp: RtpTimestamp,
        /// The first packet of the press.
        marker: bool,
        /// The event.
        payload: [u8; 4],
    },
    /// Send nothing: the pause between keys.
    Pause,
}

impl EventSender {
    /// Puts a key behind those that wait; `false` when too many wait.
    pub fn push(&mut self, digit: Digit) -> bool {
        let fits = self.waiting.len() < MAX_WAITING;
        if fits {
            self.waiting.push_back(digit);
        }
        fits
    }

    /// Is a key being sent, or about to be?
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.current.is_some() || !self.waiting.is_empty()
    }

    /// Forgets everything, for a peer that no longer takes events.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.current = None;
    }

    /// What to do with the slot of this timestamp; `None` when no key is being sent.
    pub fn next(&mut self, timestamp: RtpTimestamp) -> Option<Slot> {
        if self.current.is_none() {
            let digit = self.waiting.pop_front()?;
            self.current = Some(Current { digit, onset: timestamp, slot: 0 });
        }
        let current = self.current.as_mut()?;
        let slot = current.slot;
        current.slot += 1;
        if slot >= SLOTS_WITH_PACKETS {
            self.current = None;
            return Some(Slot::Pause);
        }
        let end = slot >= LAST_OF_KEY;
        let duration = SAMPLES * (slot.min(LAST_OF_KEY) + 1);
        let [high, low] = duration.to_be_bytes();
        let flags = VOLUME | if end { 0x80 } else { 0 };
        let payload = [current.digit.event(), flags, high, low];
        Some(Slot::Packet { timestamp: current.onset, marker: slot == 0, payload })
    }
}

/// The time of one slot.
pub const INTERVAL: Duration = Duration::from_millis(20);
/// Samples of one slot.
pub const SAMPLES: u16 = 160;
/// The slot in which 100 ms are full.
const LAST_OF_KEY: u16 = 4;
/// The final packet goes out three times.
const SLOTS_WITH_PACKETS: u16 = LAST_OF_KEY + 3;
/// −10 dBm0 (§2.3.4), as loud as telephones are.
const VOLUME: u8 = 10;
/// More keys than any extension or account number has.
const MAX_WAITING: usize = 64;

/// An event whose duration counts a clock in place of ticks (RFC 4733 §2.3.5).
#[must_use]
pub fn at_clock([event, flags, high, low]: [u8; 4], clock: u16) -> [u8; 4] {
    let [high, low] = u16::from_be_bytes([high, low]).saturating_mul(clock).to_be_bytes();
    [event, flags, high, low]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::rtp::telephone_event_receive::{EventReceiver, Payload};

    #[test]
    fn what_is_sent_is_received_key_by_key() {
        let keys: Vec<_> = "1122#*00AD".chars().filter_map(Digit::from_char).collect();
        let mut sender = EventSender::default();
        assert!(keys.iter().all(|&key| sender.push(key)));
        let (mut receiver, mut heard, mut packets) = (EventReceiver::default(), Vec::new(), 0_u16);
        for slot in 0..200_u32 {
            match sender.next(RtpTimestamp(slot * 160)) {
                Some(Slot::Packet { timestamp, marker, payload }) => {
                    assert_eq!(marker, packets.is_multiple_of(7));
                    packets += 1;
                    let payload = Payload::read(&payload).expect("four octets");
                    heard.extend(receiver.receive(false, timestamp, payload));
                }
                Some(Slot::Pause) => {}
                None => break,
            }
        }
        assert!(heard == keys, "{} keys heard of {}", heard.len(), keys.len());
        assert_eq!(usize::from(packets), keys.len() * 7);
        assert!(!sender.is_busy());
    }

    #[test]
    fn the_queue_of_keys_has_a_bound() {
        let mut sender = EventSender::default();
        let taken = (0..1000).filter(|_| sender.push(Digit::HASH)).count();
        assert_eq!(taken, MAX_WAITING);
    }
}
