//! One press, one key, even when the phone tells it in two ways (law 6).
//!
//! Some phones send a key as telephone-events and by SIP INFO as well. The two reports of a press are paired:
//! a report whose twin came the other way a moment ago is the same press. A phone that uses one way only
//! never pairs, so nothing it sends is lost, however fast the same key is pressed again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::units::Digit;

/// The way a key was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// In the media: RFC 4733.
    Media,
    /// In the signalling: SIP INFO.
    Signalling,
}

/// Reports of keys that have no twin yet.
#[derive(Debug, Default)]
pub(crate) struct Presses {
    lone: VecDeque<(Instant, Way, Digit)>,
}

/// The INFO of a press is sent when the key is let go, and may be retransmitted (RFC 3261 timer E: 500 ms):
/// a second and a half covers a long press and one lost packet.
const TWIN: Duration = Duration::from_millis(1500);
/// Nobody presses more keys than this within [`TWIN`].
const KEPT: usize = 32;

impl Presses {
    /// Whether this report is a press not yet known.
    pub(crate) fn is_new(&mut self, now: Instant, way: Way, digit: Digit) -> bool {
        self.lone.retain(|(at, ..)| now.saturating_duration_since(*at) < TWIN);
        let twin = self.lone.iter().position(|(_, w, d)| *w != way && *d == digit);
        if let Some(twin) = twin {
            self.lone.remove(twin);
            return false;
        }
        if self.lone.len() == KEPT {
            self.lone.pop_front();
        }
        self.lone.push_back((now, way, digit));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::test_start;

    #[test]
    fn a_press_told_in_two_ways_counts_once() {
        let start = test_start();
        let at = |ms| start + Duration::from_millis(ms);
        let mut presses = Presses::default();
        // 5 and 5 again, each told both ways, the INFO after the second press began.
        assert!(presses.is_new(at(0), Way::Media, Digit::STAR));
        assert!(presses.is_new(at(150), Way::Media, Digit::STAR));
        assert!(!presses.is_new(at(160), Way::Signalling, Digit::STAR));
        assert!(!presses.is_new(at(310), Way::Signalling, Digit::STAR));
    }

    #[test]
    fn a_phone_with_one_way_loses_no_key() {
        let start = test_start();
        let mut presses = Presses::default();
        for n in 0..200 {
            assert!(presses.is_new(start + Duration::from_millis(n * 40), Way::Media, Digit::HASH));
        }
        assert!(presses.lone.len() <= KEPT);
    }

    #[test]
    fn a_report_long_after_is_another_press() {
        let start = test_start();
        let mut presses = Presses::default();
        assert!(presses.is_new(start, Way::Media, Digit::HASH));
        assert!(presses.is_new(start + Duration::from_secs(3), Way::Signalling, Digit::HASH));
    }
}
