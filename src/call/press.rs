//! One press, one key, even when the phone tells it in two ways (law 6).
//!
//! Some phones send a key as telephone-events and by SIP INFO as well, and the tone may be heard besides. The
//! reports of a press are brought together: a report belongs to the first press of that key, a moment ago, that has not
//! been told this way. A phone that uses one way only always tells new presses, so nothing it sends is lost, however
//! fast the same key is pressed again.

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
    /// In the audio: the tones of the key.
    Audio,
}

/// The presses of the last moment.
#[derive(Debug, Default)]
pub(crate) struct Presses {
    told: VecDeque<Press>,
}

#[derive(Debug)]
struct Press {
    at: Instant,
    digit: Digit,
    ways: [bool; 3],
}

/// The INFO of a press is sent when the key is let go, and may be retransmitted (RFC 3261 timer E: 500 ms):
/// a second and a half covers a long press and one lost packet.
const TWIN: Duration = Duration::from_millis(1500);
/// Nobody presses more keys than this within [`TWIN`].
const KEPT: usize = 32;

impl Presses {
    /// Whether this report is a press not yet known.
    pub(crate) fn is_new(&mut self, now: Instant, way: Way, digit: Digit) -> bool {
        self.told.retain(|press| now.saturating_duration_since(press.at) < TWIN);
        let known = self.told.iter_mut().find(|press| press.digit == digit && !press.ways[way.index()]);
        if let Some(press) = known {
            press.ways[way.index()] = true;
            return false;
        }
        if self.told.len() == KEPT {
            self.told.pop_front();
        }
        let mut ways = [false; 3];
        ways[way.index()] = true;
        self.told.push_back(Press { at: now, digit, ways });
        true
    }
}

impl Way {
    const fn index(self) -> usize {
        match self {
            Self::Media => 0,
            Self::Signalling => 1,
            Self::Audio => 2,
        }
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
    fn a_press_told_in_three_ways_counts_once_in_whatever_order() {
        let start = test_start();
        let at = |ms| start + Duration::from_millis(ms);
        for order in [
            [Way::Media, Way::Audio, Way::Signalling],
            [Way::Audio, Way::Media, Way::Signalling],
            [Way::Signalling, Way::Audio, Way::Media],
        ] {
            let mut presses = Presses::default();
            // Two presses of one key, the reports of the second coming before the last one of the first.
            assert!(presses.is_new(at(0), order[0], Digit::STAR));
            assert!(!presses.is_new(at(40), order[1], Digit::STAR));
            assert!(presses.is_new(at(200), order[0], Digit::STAR));
            assert!(!presses.is_new(at(210), order[2], Digit::STAR));
            assert!(!presses.is_new(at(240), order[1], Digit::STAR));
            assert!(!presses.is_new(at(410), order[2], Digit::STAR));
        }
    }

    #[test]
    fn a_phone_with_one_way_loses_no_key() {
        let start = test_start();
        let mut presses = Presses::default();
        for n in 0..200 {
            assert!(presses.is_new(start + Duration::from_millis(n * 40), Way::Media, Digit::HASH));
        }
        assert!(presses.told.len() <= KEPT);
    }

    #[test]
    fn a_report_long_after_is_another_press() {
        let start = test_start();
        let mut presses = Presses::default();
        assert!(presses.is_new(start, Way::Media, Digit::HASH));
        assert!(presses.is_new(start + Duration::from_secs(3), Way::Signalling, Digit::HASH));
    }
}

#[cfg(test)]
#[path = "press_tests.rs"]
mod thousand;
