//! Keys typed ahead.
//!
//! Keys that come while nothing collects them wait for the next input step of the same block; a new block
//! and every secret step begin with none. A number that its length has ended is often followed by the
//! ending key all the same: one such stray key is swallowed.

use std::collections::VecDeque;
use std::time::Instant;

use crate::units::Digit;

/// Keys waiting for an input step.
pub(super) struct TypeAhead {
    keys: VecDeque<Digit>,
    stray: Option<(Digit, Instant)>,
}

impl Default for TypeAhead {
    fn default() -> Self {
        // All the room there will ever be: keys never move and leave copies behind.
        Self { keys: VecDeque::with_capacity(LONGEST), stray: None }
    }
}

impl TypeAhead {
    /// Whether no key waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key that has waited longest.
    pub(crate) fn first(&self) -> Option<Digit> {
        self.keys.front().copied()
    }

    /// Keeps a key; one too many is dropped.
    pub(crate) fn push(&mut self, key: Digit) {
        if self.keys.len() < LONGEST {
            self.keys.push_back(key);
        }
    }

    /// The key that has waited longest, strays left out.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Digit> {
        let key = self.keys.pop_front()?;
        if self.is_stray(now, key) { self.keys.pop_front() } else { Some(key) }
    }

    /// Forgets all keys that wait, and wipes them: they may have been a PIN typed too early. A stray may
    /// still come.
    pub(crate) fn clear(&mut self) {
        self.keys.iter_mut().for_each(|key| *key = Digit::STAR);
        self.keys.clear();
    }

    /// An entry that `end` could have ended has ended without it: swallow one such key if it comes next,
    /// until then.
    pub(crate) fn expect_stray(&mut self, end: Digit, until: Instant) {
        if self.keys.front() == Some(&end) {
            self.keys.pop_front();
        } else {
            self.stray = Some((end, until));
        }
    }

    /// Whether this key is the stray one. Any key ends the waiting for it.
    pub(crate) fn is_stray(&mut self, now: Instant, key: Digit) -> bool {
        self.stray.take().is_some_and(|(end, until)| end == key && now <= until)
    }
}

/// More than the longest entry (a card number and its hash), and than anybody types ahead.
const LONGEST: usize = 32;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::units::test_start;

    fn key(c: char) -> Digit {
        Digit::from_char(c).expect("a key")
    }

    #[test]
    fn one_stray_ending_key_is_swallowed_and_only_one() {
        let now = test_start();
        let mut keys = TypeAhead::default();
        keys.expect_stray(Digit::HASH, now + Duration::from_secs(4));
        assert!(keys.is_stray(now, Digit::HASH));
        assert!(!keys.is_stray(now, Digit::HASH));
    }

    #[test]
    fn a_stray_is_not_waited_for_beyond_its_time_or_another_key() {
        let now = test_start();
        let mut keys = TypeAhead::default();
        keys.expect_stray(Digit::HASH, now + Duration::from_secs(4));
        assert!(!keys.is_stray(now + Duration::from_secs(5), Digit::HASH));
        keys.expect_stray(Digit::HASH, now + Duration::from_secs(4));
        assert!(!keys.is_stray(now, key('1')));
        assert!(!keys.is_stray(now, Digit::HASH));
    }

    #[test]
    fn a_stray_that_is_typed_ahead_is_taken_out() {
        let now = test_start();
        let mut keys = TypeAhead::default();
        keys.push(Digit::HASH);
        keys.push(key('1'));
        keys.expect_stray(Digit::HASH, now);
        assert!(keys.pop(now) == Some(key('1')));
        assert!(keys.pop(now).is_none());
    }

    #[test]
    fn there_is_no_end_of_keys_to_keep() {
        let mut keys = TypeAhead::default();
        for _ in 0..1_000 {
            keys.push(key('5'));
        }
        assert_eq!(std::iter::from_fn(|| keys.pop(test_start())).count(), LONGEST);
    }
}
