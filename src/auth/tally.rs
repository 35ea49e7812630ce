//! Failures that came from one place, whoever they were about: a caller's number, a trunk, all together.
//!
//! A tally is small whatever happens: it counts in sixty parts of its window, and a part counts until all of it
//! is past. It is kept under a keyed hash, and goes when its window and lock are over.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::throttle::{Admission, Attempt, Lane, Throttle};
use super::{Lockout, SourceLimit};
use crate::units::UnixTime;

/// The failures of one place.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// When each part began, milliseconds since 1970, and how many failed in it; oldest first.
    parts: Vec<(i64, u32)>,
    /// Since when and until when nothing from there is judged.
    lock: Option<(i64, i64)>,
}

/// Parts of a window.
const PARTS: u32 = 60;

impl Tally {
    /// Whether nothing from there is judged at `now`.
    #[must_use]
    pub fn locked(&self, now: UnixTime) -> bool {
        self.lock.is_some_and(|(_, until)| now.0 < until)
    }

    /// How many failures the window holds at `now`.
    #[must_use]
    pub fn failures(&self, now: UnixTime, limit: &SourceLimit) -> u32 {
        let counts = |at: i64| now.since(UnixTime(at)) < limit.within.saturating_add(part(limit));
        self.parts.iter().filter(|(at, _)| counts(*at)).fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Counts an attempt as a failure, before it is judged. Whether this one has locked the place.
    pub fn reserve(&mut self, now: UnixTime, limit: &SourceLimit) -> bool {
        let part = part(limit);
        self.parts.retain(|(at, _)| now.since(UnixTime(*at)) < limit.within.saturating_add(part));
        let begins = began(now, part);
        match self.parts.iter_mut().find(|(at, _)| *at == begins) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.parts.push((begins, 1)),
        }
        if self.locked(now) || self.failures(now, limit) < limit.failures {
            return false;
        }
        self.lock = Some((now.0, now.plus(limit.lock).0));
        true
    }

    /// The attempt that was counted at `at` was right.
    pub fn give_back(&mut self, at: UnixTime, limit: &SourceLimit) {
        let begins = began(at, part(limit));
        if let Some((_, count)) = self.parts.iter_mut().find(|(began, _)| *began == begins) {
            *count = count.saturating_sub(1);
        }
        self.parts.retain(|(_, count)| *count > 0);
        // It was no failure after all, so it has locked nothing.
        if self.lock.is_some_and(|(since, _)| since == at.0) && self.failures(at, limit) < limit.failures {
            self.lock = None;
        }
    }

    /// When nothing is left of it.
    #[must_use]
    pub fn over(&self, limit: &SourceLimit) -> UnixTime {
        let last = self.parts.iter().map(|(at, _)| *at).max().unwrap_or(0);
        let counted = UnixTime(last).plus(limit.within.saturating_add(part(limit)));
        self.lock.map_or(counted, |(_, until)| UnixTime(until.max(counted.0)))
    }
}

/// An attempt that was counted wherever it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Whether it may be judged.
    pub admission: Admission,
    /// Whether who tries is locked out with it counted as a failure.
    pub locked: bool,
    /// The places that it has locked, by their order.
    pub closed: Vec<usize>,
}

/// Counts an attempt as a failure of its subject and of the places that it comes from, before it is judged.
/// A place that is locked keeps the owner from nothing: the day's room of the subject bounds them.
pub fn reserve(
    throttle: &mut Throttle,
    places: &mut [(Tally, SourceLimit)],
    now: UnixTime,
    attempt: Attempt,
    limits: &Lockout,
) -> Counted {
    let shut = |places: &[(Tally, SourceLimit)]| {
        attempt.lane == Lane::Open && places.iter().any(|(tally, _)| tally.locked(now))
    };
    if shut(places) {
        return Counted { admission: Admission::Refused, locked: true, closed: Vec::new() };
    }
    let admission = throttle.reserve(now, attempt, limits);
    let mut closed = Vec::new();
    if admission.may() {
        for (at, (tally, limit)) in places.iter_mut().enumerate() {
            if tally.reserve(now, limit) {
                closed.push(at);
            }
        }
    }
    let locked = throttle.locked_in(now, attempt.lane) || shut(places);
    Counted { admission, locked, closed }
}

fn part(limit: &SourceLimit) -> Duration {
    (limit.within / PARTS).max(Duration::from_millis(1))
}

fn began(now: UnixTime, part: Duration) -> i64 {
    let millis = i64::try_from(part.as_millis()).unwrap_or(i64::MAX).max(1);
    now.0.saturating_sub(now.0.rem_euclid(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: SourceLimit =
        SourceLimit { failures: 3, within: Duration::from_secs(3600), lock: Duration::from_secs(600) };
    const MINUTE: i64 = 60_000;

    #[test]
    fn the_third_failure_within_the_hour_locks_for_ten_minutes() {
        let mut tally = Tally::default();
        assert!(!tally.reserve(UnixTime(0), &LIMIT));
        assert!(!tally.reserve(UnixTime(30 * MINUTE), &LIMIT));
        assert!(tally.reserve(UnixTime(60 * MINUTE), &LIMIT), "the first still counts");
        assert!(tally.locked(UnixTime(70 * MINUTE - 1)));
        assert!(!tally.locked(UnixTime(70 * MINUTE)));
        assert_eq!(tally.failures(UnixTime(70 * MINUTE), &LIMIT), 2);
        assert_eq!(tally.over(&LIMIT), UnixTime(121 * MINUTE));
    }

    #[test]
    fn what_was_right_counts_no_more_and_locks_nobody_else() {
        let mut tally = Tally::default();
        for at in 0..2 {
            assert!(!tally.reserve(UnixTime(at), &LIMIT));
        }
        assert!(tally.reserve(UnixTime(2), &LIMIT));
        tally.give_back(UnixTime(2), &LIMIT);
        assert!(!tally.locked(UnixTime(2)));
        assert_eq!(tally.failures(UnixTime(2), &LIMIT), 2);
        assert!(tally.reserve(UnixTime(3), &LIMIT));
        tally.give_back(UnixTime(1), &LIMIT);
        assert!(tally.locked(UnixTime(3)), "another's lock stays");
    }

    #[test]
    fn a_tally_stays_small() {
        let mut tally = Tally::default();
        for at in 0..100_000 {
            let _ = tally.reserve(UnixTime(at * 1000), &LIMIT);
        }
        assert!(tally.parts.len() <= 61, "{}", tally.parts.len());
    }
}
