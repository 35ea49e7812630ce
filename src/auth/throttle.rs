//! How often a subject may be wrong: the counters' arithmetic. The vault keeps them and commits each
//! attempt as a failure before its response is judged, so that no crash can lose one.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::{FactorId, Lockout};
use crate::units::UnixTime;

/// One subject's failures, over all factors and calls. A ghost has one too.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Throttle {
    /// When the failures of the window happened, milliseconds since 1970, oldest first.
    failures: Vec<i64>,
    /// Consecutive failures of each factor.
    consecutive: Vec<(FactorId, u32)>,
    /// Locked until then, milliseconds since 1970.
    locked_until: Option<i64>,
    /// How many locks have followed each other.
    locks: u32,
}

/// Whether an attempt may be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may. It is already counted as a failure; [`Throttle::succeeded`] takes that back.
    Reserved,
    /// The subject is locked, or the factor has failed too often in a row: any response is wrong.
    Refused,
}

/// A lock never grows beyond this: the real customer needs a way back within a day.
const LONGEST_LOCK: Duration = Duration::from_secs(24 * 3600);

impl Throttle {
    /// Whether the subject is locked at `now`.
    #[must_use]
    pub fn locked(&self, now: UnixTime) -> bool {
        self.locked_until.is_some_and(|until| now.0 < until)
    }

    /// Whether the factor must be enrolled again before it can be right.
    #[must_use]
    pub fn stopped(&self, factor: FactorId, limits: &Lockout) -> bool {
        self.run(factor) >= limits.hard_stop
    }

    /// How many failures the window held at the last attempt.
    #[must_use]
    pub const fn failures(&self) -> usize {
        self.failures.len()
    }

    /// Counts an attempt as a failure, before it is judged.
    pub fn reserve(&mut self, now: UnixTime, factor: FactorId, limits: &Lockout) -> Admission {
        if self.locked(now) || self.stopped(factor, limits) {
            return Admission::Refused;
        }
        let limit = limits.per_subject;
        // A clock that jumped back must not make failures of the future vanish or count for ever.
        self.failures.retain(|at| now.since(UnixTime(*at)) < limit.within);
        if self.failures.is_empty() {
            self.locks = 0;
        }
        self.failures.push(now.0);
        let run = self.run(factor).saturating_add(1);
        self.set_run(factor, run);
        if u32::try_from(self.failures.len()).unwrap_or(u32::MAX) >= limit.failures {
            let doubled = if limit.growing { 1_u32.checked_shl(self.locks).unwrap_or(u32::MAX) } else { 1 };
            let lock = limit.lock.saturating_mul(doubled).min(LONGEST_LOCK.max(limit.lock));
            self.locked_until = Some(now.plus(lock).0);
            self.locks = self.locks.saturating_add(1);
        }
        Admission::Reserved
    }

    /// The reserved attempt was right: `before` is what was stored before its reservation. Earlier
    /// failures stay in the window, or one known factor would make guessing another free.
    pub fn succeeded(&mut self, before: &Self, factor: FactorId) {
        self.clone_from(before);
        self.set_run(factor, 0);
    }

    /// The factor was enrolled again.
    pub fn enrolled(&mut self, factor: FactorId) {
        self.set_run(factor, 0);
    }

    /// How often the factor failed in a row.
    #[must_use]
    pub fn run(&self, factor: FactorId) -> u32 {
        self.consecutive.iter().find(|(f, _)| *f == factor).map_or(0, |(_, run)| *run)
    }

    fn set_run(&mut self, factor: FactorId, run: u32) {
        self.consecutive.retain(|(f, _)| *f != factor);
        if run > 0 {
            self.consecutive.push((factor, run));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn fail(throttle: &mut Throttle, at: i64) -> Admission {
        throttle.reserve(UnixTime(at), FactorId::Pin, &Lockout::default())
    }

    #[test]
    fn the_fifth_failure_within_a_day_locks_for_half_an_hour() {
        let mut throttle = Throttle::default();
        for minute in 0..5 {
            assert!(!throttle.locked(UnixTime(minute * MINUTE)));
            assert_eq!(fail(&mut throttle, minute * MINUTE), Admission::Reserved);
        }
        assert!(throttle.locked(UnixTime(4 * MINUTE)));
        assert_eq!(fail(&mut throttle, 33 * MINUTE), Admission::Refused);
        assert!(!throttle.locked(UnixTime(34 * MINUTE)));
    }

    #[test]
    fn each_further_failure_doubles_the_lock() {
        let mut throttle = Throttle::default();
        let mut now = 0;
        assert!((0..5).all(|_| fail(&mut throttle, now) == Admission::Reserved));
        for minutes in [30, 60, 120, 240] {
            assert!(throttle.locked(UnixTime(now + minutes * MINUTE - 1)));
            now += minutes * MINUTE;
            assert!(!throttle.locked(UnixTime(now)));
            assert_eq!(fail(&mut throttle, now), Admission::Reserved);
        }
    }

    #[test]
    fn failures_of_all_factors_count_together() {
        let mut throttle = Throttle::default();
        for turn in 0..5 {
            let factor = if turn % 2 == 0 { FactorId::Pin } else { FactorId::Totp };
            let _ = throttle.reserve(UnixTime(turn), factor, &Lockout::default());
        }
        assert!(throttle.locked(UnixTime(5)));
    }

    #[test]
    fn a_success_takes_back_its_own_reservation_only() {
        let mut throttle = Throttle::default();
        assert!((0..4).all(|at| fail(&mut throttle, at) == Admission::Reserved));
        let before = throttle.clone();
        assert_eq!(fail(&mut throttle, 4), Admission::Reserved);
        assert!(throttle.locked(UnixTime(4)));
        throttle.succeeded(&before, FactorId::Pin);
        assert!(!throttle.locked(UnixTime(4)));
        assert_eq!(fail(&mut throttle, 5), Admission::Reserved);
        assert!(throttle.locked(UnixTime(5)), "the four earlier ones still count");
    }

    #[test]
    fn a_hundred_in_a_row_need_a_new_enrolment() {
        let mut throttle = Throttle::default();
        let day = 24 * 60 * MINUTE;
        for attempt in 0..100 {
            assert_eq!(fail(&mut throttle, attempt * day), Admission::Reserved, "attempt {attempt}");
        }
        assert_eq!(fail(&mut throttle, 100 * day), Admission::Refused);
        throttle.enrolled(FactorId::Pin);
        assert_eq!(fail(&mut throttle, 101 * day), Admission::Reserved);
    }

    #[test]
    fn a_guesser_who_never_tires_has_ten_tries_in_the_first_day() {
        // 10 tries at a six-digit number: 1e-5; at an eight-digit one: 1e-7.
        let mut throttle = Throttle::default();
        let admitted = (0..24 * 60)
            .map(|minute| minute * MINUTE)
            .flat_map(|at| std::iter::repeat_n(at, 10))
            .filter(|at| fail(&mut throttle, *at) == Admission::Reserved)
            .count();
        assert_eq!(admitted, 10);
    }
}
