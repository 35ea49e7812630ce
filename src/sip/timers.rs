//! The timers of SIP transactions and sessions: RFC 3261 Table 4 (A, B, D–K), RFC 6026 §7–8 (L, M), and the
//! table in which an endpoint keeps its deadlines.
//!
//! Timer C belongs to proxies; [`TimerConfig::ring_limit`] stands in for it, so that no call rings for ever.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::units::Table;

/// The values that all timers derive from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerConfig {
    /// The round-trip estimate: 500 ms (RFC 3261 §17.1.1.1).
    pub t1: Duration,
    /// The longest interval between retransmissions of non-INVITE requests and INVITE responses: 4 s.
    pub t2: Duration,
    /// How long a message may live in the network: 5 s.
    pub t4: Duration,
    /// Timer D on an unreliable transport: at least 32 s.
    pub d: Duration,
    /// How often a ringing callee repeats its provisional response (RFC 3261 §13.3.1.1: every minute).
    pub ring_refresh: Duration,
    /// How long an INVITE may stay without a final answer, in either direction.
    pub ring_limit: Duration,
}

impl Default for TimerConfig {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            d: Duration::from_secs(32),
            ring_refresh: Duration::from_secs(60),
            ring_limit: Duration::from_secs(300),
        }
    }
}

impl TimerConfig {
    /// 64 × T1: how long a transaction waits before it gives up (timers B, F, H, J, L, M).
    #[must_use]
    pub fn give_up(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// Timer D: how long a completed client INVITE absorbs repeated failures.
    #[must_use]
    pub fn timer_d(&self, reliable: bool) -> Duration {
        if reliable { Duration::ZERO } else { self.d.max(self.give_up()) }
    }

    /// Timers I and K: how long a confirmed or completed transaction absorbs what is still in the network.
    #[must_use]
    pub fn linger(&self, reliable: bool) -> Duration {
        if reliable { Duration::ZERO } else { self.t4 }
    }

    /// Timer J: how long a completed server transaction answers repeated requests.
    #[must_use]
    pub fn timer_j(&self, reliable: bool) -> Duration {
        if reliable { Duration::ZERO } else { self.give_up() }
    }
}

/// A retransmission whose interval doubles, up to a limit where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    next: Instant,
    interval: Duration,
    limit: Option<Duration>,
}

impl Backoff {
    /// First due `first` after `now`; the interval then doubles up to `limit`.
    pub(crate) fn start(now: Instant, first: Duration, limit: Option<Duration>) -> Self {
        Self { next: now + first, interval: first, limit }
    }

    /// When it is due.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// Whether it is due; if so, the next interval starts. A caller that comes late gets one retransmission,
    /// not all that were missed.
    pub(crate) fn fire(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        let doubled = self.interval.saturating_mul(2);
        self.interval = self.limit.map_or(doubled, |limit| doubled.min(limit));
        let on_schedule = self.next + self.interval;
        self.next = if on_schedule > now { on_schedule } else { now + self.interval };
        true
    }

    /// From the next firing on, the interval stays at `interval`.
    pub(crate) fn hold(&mut self, interval: Duration) {
        self.interval = interval;
        self.limit = Some(interval);
    }
}

/// Who wants to be woken when: one deadline per owner, the earliest found without a search.
#[derive(Debug)]
pub(crate) struct Deadlines<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_owner: Table<K, Instant>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), by_owner: Table::default() }
    }
}

impl<K: Clone + Ord + Hash> Deadlines<K> {
    /// Replaces the owner's deadline, or takes it away.
    pub(crate) fn set(&mut self, owner: &K, deadline: Option<Instant>) {
        let old = match deadline {
            Some(at) => self.by_owner.insert(owner.clone(), at),
            None => self.by_owner.remove(owner),
        };
        if old == deadline {
            return;
        }
        if let Some(at) = old {
            self.by_time.remove(&(at, owner.clone()));
        }
        if let Some(at) = deadline {
            self.by_time.insert((at, owner.clone()));
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out one owner whose deadline has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        let (_, owner) = self.by_time.pop_first()?;
        self.by_owner.remove(&owner);
        Some(owner)
    }

    /// How many owners wait.
    pub(crate) fn len(&self) -> usize {
        self.by_owner.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::test_start;

    #[test]
    fn an_owner_has_one_deadline_and_the_earliest_comes_first() {
        let start = test_start();
        let at = |s: u64| start + Duration::from_secs(s);
        let mut deadlines = Deadlines::default();
        deadlines.set(&1, Some(at(5)));
        deadlines.set(&2, Some(at(3)));
        deadlines.set(&1, Some(at(1)));
        assert_eq!(deadlines.len(), 2);
        assert_eq!(deadlines.next(), Some(at(1)));
        assert_eq!(deadlines.pop_due(at(0)), None);
        assert_eq!(deadlines.pop_due(at(4)), Some(1));
        assert_eq!(deadlines.pop_due(at(4)), Some(2));
        assert_eq!(deadlines.pop_due(at(4)), None);
        deadlines.set(&7, Some(at(9)));
        deadlines.set(&7, None);
        assert_eq!((deadlines.len(), deadlines.next()), (0, None));
    }

    #[test]
    fn a_late_wake_up_sends_once_and_goes_on_from_there() {
        let start = test_start();
        let ms = |ms: u64| start + Duration::from_millis(ms);
        let mut backoff = Backoff::start(start, Duration::from_millis(500), Some(Duration::from_secs(4)));
        assert!(!backoff.fire(ms(499)));
        assert!(backoff.fire(ms(500)));
        assert_eq!(backoff.next(), ms(1500));
        assert!(backoff.fire(ms(9000)));
        assert_eq!(backoff.next(), ms(11_000));
    }
}
