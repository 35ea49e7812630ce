//! How many calls a trunk has one way, and whether it may have one more: counted over all shards, by bounds that may change
//! while calls run. No bound ends a call.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::held;
use crate::driver::config::CallBounds;
use crate::units::{Pace, Place, Places};

/// The calls of a trunk one way.
#[derive(Debug)]
pub(super) struct Quota {
    /// Bounded below: the bound may change.
    places: Places,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bounds: CallBounds,
    pace: Pace,
    refused: Refused,
    told: Notice,
}

/// Calls refused: since the start, or since they were told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) by_calls: u64,
    pub(super) by_per_second: u64,
}

/// The bound that allows no more now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// `calls`.
    Calls,
    /// `per_second`.
    PerSecond,
}

/// The calls of a trunk one way, as they are now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaView {
    /// Calls that run.
    pub calls: usize,
    /// As many may at once; `None`: as many as come.
    pub most_calls: Option<usize>,
    /// As many may begin within a second.
    pub per_second: Option<usize>,
    /// Calls refused since the start because as many ran.
    pub refused_by_calls: u64,
    /// Those because as many began.
    pub refused_by_per_second: u64,
}

/// When refusals are told of: the first at once, those after it together, once in a while.
#[derive(Clone, Copy, Debug, Default)]
struct Notice {
    told: Option<Instant>,
    /// Those that were told of.
    of: Refused,
}

/// So often a trunk's refusals are told of.
const BETWEEN_NOTICES: Duration = Duration::from_secs(60);

impl Quota {
    /// No call runs.
    pub(super) fn new(bounds: CallBounds) -> Self {
        let state =
            State { bounds, pace: Pace::default(), refused: Refused::default(), told: Notice::default() };
        Self { places: Places::new(usize::MAX), state: Mutex::new(state) }
    }

    /// Other bounds, from the next call on.
    pub(super) fn bound(&self, bounds: CallBounds) {
        held(&self.state).bounds = bounds;
    }

    /// A place for one more call.
    pub(super) fn take(&self, now: Instant) -> Result<Place, Bound> {
        // Whoever takes one holds the lock: between the look and the taking, places are only given back.
        let mut state = held(&self.state);
        let State { bounds, pace, refused, .. } = &mut *state;
        if bounds.calls.is_some_and(|most| self.places.taken() >= most) {
            refused.by_calls += 1;
            return Err(Bound::Calls);
        }
        if bounds.per_second.is_some_and(|most| pace.take(now, most).is_err()) {
            refused.by_per_second += 1;
            return Err(Bound::PerSecond);
        }
        self.places.take().ok_or(Bound::Calls)
    }

    /// The refusals since any were told of, when there are some and it is time to.
    pub(super) fn to_tell(&self, now: Instant) -> Option<Refused> {
        let state = &mut *held(&self.state);
        state.told.due(now, state.refused)
    }

    pub(super) fn view(&self) -> QuotaView {
        let State { bounds, refused, .. } = &*held(&self.state);
        QuotaView {
            calls: self.places.taken(),
            most_calls: bounds.calls,
            per_second: bounds.per_second,
            refused_by_calls: refused.by_calls,
            refused_by_per_second: refused.by_per_second,
        }
    }
}

impl Notice {
    fn due(&mut self, now: Instant, refused: Refused) -> Option<Refused> {
        let is_time = |told: Instant| now.saturating_duration_since(told) >= BETWEEN_NOTICES;
        if refused == self.of || !self.told.is_none_or(is_time) {
            return None;
        }
        let Self { of: before, .. } = std::mem::replace(self, Self { told: Some(now), of: refused });
        Some(Refused {
            by_calls: refused.by_calls - before.by_calls,
            by_per_second: refused.by_per_second - before.by_per_second,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::test_start;

    fn bounds(calls: impl Into<Option<usize>>, per_second: impl Into<Option<usize>>) -> CallBounds {
        CallBounds { calls: calls.into(), per_second: per_second.into() }
    }

    fn all(quota: &Quota, now: Instant) -> Vec<Place> {
        std::iter::from_fn(|| quota.take(now).ok()).take(50).collect()
    }

    #[test]
    fn as_many_run_as_may_and_the_next_one_when_one_has_ended() {
        let (now, quota) = (test_start(), Quota::new(bounds(3, None)));
        let mut running = all(&quota, now);
        assert_eq!((running.len(), quota.take(now).err()), (3, Some(Bound::Calls)));
        running.pop();
        running.extend(all(&quota, now));
        let view = quota.view();
        assert_eq!((running.len(), view.calls, view.most_calls), (3, 3, Some(3)));
        // Each time the last one that was asked for was one too many.
        assert_eq!((view.refused_by_calls, view.refused_by_per_second), (3, 0));
        assert_eq!(all(&Quota::new(bounds(None, None)), now).len(), 50);
    }

    #[test]
    fn who_begins_too_fast_takes_no_place_and_who_is_full_no_time() {
        let (now, quota) = (test_start(), Quota::new(bounds(2, 1)));
        let first = quota.take(now).expect("a place");
        assert_eq!(quota.take(now).err(), Some(Bound::PerSecond));
        assert_eq!(quota.view().calls, 1);
        let later = now + Duration::from_secs(1);
        let second = quota.take(later).expect("a place");
        assert_eq!(quota.take(later).err(), Some(Bound::Calls));
        drop((first, second));
        // The one that was refused for want of a place began nothing.
        assert!(quota.take(later + Duration::from_secs(1)).is_ok());
        assert_eq!(quota.view().calls, 0);
    }

    #[test]
    fn other_bounds_hold_from_the_next_call_on_and_end_none() {
        let (now, quota) = (test_start(), Quota::new(bounds(4, None)));
        let mut running = all(&quota, now);
        quota.bound(bounds(2, None));
        assert_eq!(quota.view().calls, 4);
        running.truncate(2);
        assert_eq!(quota.take(now).err(), Some(Bound::Calls));
        quota.bound(bounds(3, None));
        assert_eq!(all(&quota, now).len(), 1);
        quota.bound(CallBounds::default());
        assert_eq!(all(&quota, now).len(), 50);
    }

    #[test]
    fn shards_that_ask_at_once_get_no_more_than_there_are() {
        let (now, quota) = (test_start(), Quota::new(bounds(40, None)));
        let taken = std::thread::scope(|scope| {
            let shards: Vec<_> = (0..4).map(|_| scope.spawn(|| all(&quota, now))).collect();
            let of_each = shards.into_iter().map(|shard| shard.join().expect("it ends"));
            of_each.flatten().collect::<Vec<_>>()
        });
        assert_eq!(taken.len(), 40);
    }

    #[test]
    fn a_flood_of_refusals_is_told_of_once_in_a_while_and_none_is_forgotten() {
        let (start, quota) = (test_start(), Quota::new(bounds(1, None)));
        let told = |now| quota.to_tell(now).map(|refused| (refused.by_calls, refused.by_per_second));
        let running = quota.take(start).expect("a place");
        assert_eq!(told(start), None);
        let flood = |from: u64, until: u64| {
            (from..until).filter_map(|n| {
                let now = start + Duration::from_millis(10 * n);
                quota.take(now).expect_err("full");
                told(now)
            })
        };
        assert_eq!(flood(0, 15_000).collect::<Vec<_>>(), [(1, 0), (6_000, 0), (6_000, 0)]);
        // What came after the last notice is told of with the first call that is taken later, each by its own bound.
        drop(running);
        let later = start + Duration::from_secs(200);
        quota.bound(bounds(None, 1));
        quota.take(later).expect("a place");
        quota.take(later).expect_err("too fast");
        assert_eq!((told(later), told(later + BETWEEN_NOTICES)), (Some((2_999, 1)), None));
    }
}
