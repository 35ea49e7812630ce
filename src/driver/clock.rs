//! Whether the system's calendar can be believed.
//!
//! Codes, locks and their ends are judged by the calendar: who can set it can open a lock or use an old code again.
//! The monotonic clock can't be set. While the calendar does not keep step with it nobody is authenticated; when
//! the calendar comes back, or has kept step for a while, it is believed again.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::units::{Epoch, UnixTime};

/// A step of this size changes no verdict: a leap second, a correction after a start.
const TOLERANCE_MILLIS: u64 = 5_000;
/// A calendar that kept step for so long is believed: longer than a code lives with its drift.
const STEADY: Duration = Duration::from_secs(150);

/// Watches the calendar.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Both clocks when the calendar was believed last.
    good: Option<Epoch>,
    /// Both clocks when it was seen to be somewhere else; it has kept step since.
    strange: Option<Epoch>,
}

impl Watch {
    /// Whether the calendar can be believed now.
    pub(super) fn look(&self, instant: Instant, unix: UnixTime) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Epoch { instant, unix };
        if state.good.is_none_or(|good| in_step(good, now))
            && (state.good.is_some() || state.strange.is_none())
        {
            if state.strange.take().is_some() {
                tracing::warn!("the clock is right again");
            }
            state.good = Some(now);
            return true;
        }
        match state.strange {
            Some(strange) if in_step(strange, now) => {
                if instant.saturating_duration_since(strange.instant) < STEADY {
                    return false;
                }
                tracing::warn!("the clock was set and has been steady since; it is believed again");
                *state = State { good: Some(now), strange: None };
                true
            }
            _ => {
                tracing::error!("the clock was set: nobody is authenticated until it is right or steady");
                state.strange = Some(now);
                false
            }
        }
    }

    /// The calendar has shown a later time before: it is believed when it has kept step for a while.
    pub(super) fn doubt(&self, instant: Instant, unix: UnixTime, seen: UnixTime) {
        let behind = u64::try_from(seen.0.saturating_sub(unix.0)).unwrap_or(0);
        if behind > TOLERANCE_MILLIS {
            tracing::error!(
                behind_ms = behind,
                "the clock is behind the audit log: nobody is authenticated until it is steady"
            );
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *state = State { good: None, strange: Some(Epoch { instant, unix }) };
        }
    }
}

fn in_step(then: Epoch, now: Epoch) -> bool {
    let passed = now.instant.saturating_duration_since(then.instant);
    then.unix.plus(passed).0.abs_diff(now.unix.0) <= TOLERANCE_MILLIS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::test_start;

    const MINUTE: i64 = 60_000;

    struct World {
        watch: Watch,
        start: Instant,
        /// Milliseconds that have passed.
        passed: u64,
        /// How far off the calendar is.
        off: i64,
    }

    impl World {
        fn after(&mut self, millis: u64) -> bool {
            self.passed += millis;
            let unix = UnixTime(1_000_000_000_000 + i64::try_from(self.passed).expect("few") + self.off);
            self.watch.look(self.start + Duration::from_millis(self.passed), unix)
        }
    }

    fn world() -> World {
        World { watch: Watch::default(), start: test_start(), passed: 0, off: 0 }
    }

    #[test]
    fn a_jump_either_way_is_not_believed_until_it_is_taken_back() {
        for jump in [-60 * MINUTE, 60 * MINUTE, 6_000, -6_000] {
            let mut world = world();
            assert!(world.after(0) && world.after(3_600_000));
            world.off = jump;
            assert!(!world.after(10) && !world.after(1_000));
            world.off = 0;
            assert!(world.after(10), "{jump}");
        }
    }

    #[test]
    fn a_calendar_that_keeps_step_is_believed_again_by_itself() {
        let mut world = world();
        assert!(world.after(0));
        world.off = 60 * MINUTE;
        assert!(!world.after(10) && !world.after(100_000) && !world.after(49_000));
        assert!(world.after(1_001));
        // Another jump begins anew.
        world.off = 0;
        assert!(!world.after(1));
        world.off = -60 * MINUTE;
        assert!(!world.after(149_000) && !world.after(149_000));
        assert!(world.after(1_000));
    }

    #[test]
    fn small_corrections_and_long_silence_are_nothing() {
        let mut world = world();
        assert!(world.after(0));
        for step in 1..50 {
            world.off = step * 900;
            assert!(world.after(1_000));
        }
        assert!(world.after(30 * 24 * 3_600_000));
    }

    #[test]
    fn a_calendar_behind_the_audit_log_is_not_believed_at_first() {
        let mut world = world();
        let unix = UnixTime(1_000_000_000_000);
        world.watch.doubt(world.start, unix, UnixTime(unix.0 + 4_000));
        assert!(world.after(0));
        world.watch.doubt(world.start, unix, UnixTime(unix.0 + 60 * MINUTE));
        assert!(!world.after(10) && !world.after(100_000));
        assert!(world.after(50_000));
    }
}
