//! How often a subject may be wrong: the counters' arithmetic. The vault keeps them and commits each
//! attempt as a failure before its response is judged, so that no crash can lose one.
//!
//! Two limits stand beside each other. Failures within a time lock for a while, longer each time. And a day has
//! room for a number of *guesses*: codes that could have been hit. A try at a factor that takes three codes at a
//! time uses three of them, so that the chance of guessing in is the same whatever a caller guesses at. A part
//! of the room is kept for the owner, who calls from the number on file: locking somebody out takes more than
//! being wrong, and guessing from there gains nothing, because the room is one.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::{FactorId, Lockout, Policy};
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
    /// When something was guessed within the last day, and how many codes could have been hit.
    #[serde(default)]
    guesses: Vec<(i64, u32)>,
    /// Those of the failures that came from the owner's number.
    #[serde(default)]
    own: Vec<i64>,
    /// The owner is locked out too until then: by failures of their own, or because nothing is left of the day.
    #[serde(default)]
    own_locked_until: Option<i64>,
}

/// Who tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Anybody.
    Open,
    /// Somebody who calls from the subject's number on file: may try where others are locked out.
    Owner,
}

/// One try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// At which factor.
    pub factor: FactorId,
    /// How many codes are right at this moment: what the try takes of the day's room.
    pub codes: u32,
    /// With how many it can be judged where the room is less.
    pub least: u32,
    /// Who tries.
    pub lane: Lane,
}

impl Attempt {
    /// A try at a factor as the policy uses it. A factor that reaches no level by itself takes one guess: what
    /// stands beside it has to be guessed too.
    #[must_use]
    pub fn of(policy: &Policy, factor: FactorId, lane: Lane) -> Self {
        let all = policy.codes_at_once(factor);
        let codes = if policy.alone(factor) { all } else { 1 };
        let least = if matches!(factor, FactorId::Totp | FactorId::Hotp) { 1 } else { codes };
        Self { factor, codes, least, lane }
    }
}

/// Whether an attempt may be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may, with so many codes taken for right. It is already counted as a failure;
    /// [`Throttle::succeeded`] takes that back.
    Reserved {
        /// As many as [`Attempt::codes`], or fewer when the day has no more room.
        codes: u32,
    },
    /// The subject is locked, or the factor has failed too often in a row: any response is wrong.
    Refused,
}

impl Admission {
    /// Whether it may be judged.
    #[must_use]
    pub const fn may(&self) -> bool {
        matches!(self, Self::Reserved { .. })
    }
}

/// A lock never grows beyond this: the real customer needs a way back within a day.
const LONGEST_LOCK: Duration = DAY;
/// The time that guesses are counted over.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

impl Throttle {
    /// Whether the subject is locked at `now`, for anybody.
    #[must_use]
    pub fn locked(&self, now: UnixTime) -> bool {
        self.locked_in(now, Lane::Open)
    }

    /// Whether the subject is locked at `now` for who calls like this.
    #[must_use]
    pub fn locked_in(&self, now: UnixTime, lane: Lane) -> bool {
        let until = match lane {
            Lane::Open => self.locked_until.max(self.own_locked_until),
            Lane::Owner => self.own_locked_until,
        };
        until.is_some_and(|until| now.0 < until)
    }

    /// When the lock for everybody ends; `None` when there is none at `now`.
    #[must_use]
    pub fn until(&self, now: UnixTime) -> Option<UnixTime> {
        self.locked_until.max(self.own_locked_until).filter(|until| now.0 < *until).map(UnixTime)
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

    /// How many codes were guessed at within the last day.
    #[must_use]
    pub fn guesses(&self, now: UnixTime) -> u32 {
        let counts = self.guesses.iter().filter(|(at, _)| now.since(UnixTime(*at)) < DAY);
        counts.fold(0, |sum, (_, codes)| sum.saturating_add(*codes))
    }

    /// Counts an attempt as a failure, before it is judged.
    pub fn reserve(&mut self, now: UnixTime, attempt: Attempt, limits: &Lockout) -> Admission {
        self.guesses.retain(|(at, _)| now.since(UnixTime(*at)) < DAY);
        if self.locked_in(now, attempt.lane) || self.stopped(attempt.factor, limits) {
            return Admission::Refused;
        }
        let codes = attempt.codes.min(self.room(attempt.lane, limits));
        if codes < attempt.least {
            return Admission::Refused;
        }
        self.guesses.push((now.0, codes));
        let limit = limits.per_subject;
        // A clock that jumped back must not make failures of the future vanish or count for ever.
        self.failures.retain(|at| now.since(UnixTime(*at)) < limit.within);
        if self.failures.is_empty() {
            self.locks = 0;
        }
        self.failures.push(now.0);
        self.own.retain(|at| now.since(UnixTime(*at)) < limit.within);
        if attempt.lane == Lane::Owner {
            self.own.push(now.0);
        }
        let run = self.run(attempt.factor).saturating_add(1);
        self.set_run(attempt.factor, run);
        let full = |failures: &[i64]| u32::try_from(failures.len()).unwrap_or(u32::MAX) >= limit.failures;
        // The owner's tries behind others' failures make no lock longer, and others' lock the owner not out.
        let own = attempt.lane == Lane::Owner && full(&self.own);
        if own || (full(&self.failures) && !self.locked(now)) {
            let doubled = if limit.growing { 1_u32.checked_shl(self.locks).unwrap_or(u32::MAX) } else { 1 };
            let lock = limit.lock.saturating_mul(doubled).min(LONGEST_LOCK.max(limit.lock));
            let until = Some(now.plus(lock).0);
            self.locked_until = self.locked_until.max(until);
            self.own_locked_until = self.own_locked_until.max(until.filter(|_| own));
            self.locks = self.locks.saturating_add(1);
        }
        self.locked_until = self.locked_until.max(self.full_until(Lane::Open, limits));
        self.own_locked_until = self.own_locked_until.max(self.full_until(Lane::Owner, limits));
        Admission::Reserved { codes }
    }

    /// How many codes may still be guessed at within the day.
    fn room(&self, lane: Lane, limits: &Lockout) -> u32 {
        let spent = self.guesses.iter().fold(0_u32, |sum, (_, codes)| sum.saturating_add(*codes));
        limits.guesses.of(lane).saturating_sub(spent)
    }

    /// When the day has room again; `None` when it has some.
    fn full_until(&self, lane: Lane, limits: &Lockout) -> Option<i64> {
        let mut room = self.room(lane, limits);
        if room > 0 {
            return None;
        }
        let mut kept = self.guesses.iter().rev();
        // The newest guesses that fit are those that still stand when there is room for one.
        let most = limits.guesses.of(lane).saturating_sub(1);
        let oldest = kept.find(|(_, codes)| {
            room = room.saturating_add(*codes);
            room > most
        });
        oldest.map(|(at, _)| UnixTime(*at).plus(DAY).0)
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
#[path = "throttle_tests.rs"]
mod tests;
