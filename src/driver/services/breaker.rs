//! A service that fails is left alone for a while: callers hear that it is unavailable at once, and it is not
//! asked by everybody while it gets up again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::flow::document::Breaker;

/// The state of one service.
#[derive(Debug, Default)]
pub(in crate::driver) struct Fuse(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    failures: u32,
    /// Since when it is open.
    open: Option<Instant>,
    /// Since when one call tries whether it is up again.
    trial: Option<Instant>,
}

/// A trial that tells nothing (its thread died) is forgotten after this.
const TRIAL: Duration = Duration::from_secs(60);

impl Fuse {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it may be asked now. After the pause one call may try; the others wait for how it goes.
    pub(in crate::driver) fn admits(&self, settings: Breaker, now: Instant) -> bool {
        let mut state = self.state();
        let Some(open) = state.open else { return true };
        let pause_over = now.saturating_duration_since(open) >= settings.open_for;
        let trying = state.trial.is_some_and(|since| now.saturating_duration_since(since) < TRIAL);
        if !pause_over || trying {
            return false;
        }
        state.trial = Some(now);
        true
    }

    /// Whether nobody may ask it now, not even to try.
    pub(in crate::driver) fn is_open(&self, settings: Breaker, now: Instant) -> bool {
        let state = self.state();
        state.open.is_some_and(|open| now.saturating_duration_since(open) < settings.open_for)
    }

    /// A call that was admitted was not made: if it was to try, another one may.
    pub(in crate::driver) fn not_asked(&self) {
        self.state().trial = None;
    }

    /// Notes how a call went; says whether the service is left alone from now on.
    pub(in crate::driver) fn note(&self, settings: Breaker, now: Instant, healthy: bool) -> bool {
        let mut state = self.state();
        if healthy {
            *state = State::default();
            return false;
        }
        state.failures = state.failures.saturating_add(1);
        let opens = state.trial.is_some() || (state.open.is_none() && state.failures >= settings.open_after);
        if opens {
            state.open = Some(now);
            state.trial = None;
        }
        opens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_open_it_and_one_success_after_the_pause_closes_it() {
        let settings = Breaker { open_after: 3, open_for: Duration::from_secs(30) };
        let fuse = Fuse::default();
        let start = crate::driver::os::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        fuse.note(settings, at(0), false);
        fuse.note(settings, at(0), false);
        fuse.note(settings, at(0), true);
        fuse.note(settings, at(0), false);
        assert!(!fuse.note(settings, at(1), false));
        assert!(fuse.admits(settings, at(1)));
        assert!(fuse.note(settings, at(2), false), "the third in a row");
        assert!(!fuse.admits(settings, at(31)));
        assert!(fuse.admits(settings, at(32)), "one may try");
        assert!(!fuse.admits(settings, at(32)), "only one");
        assert!(fuse.note(settings, at(33), false), "open again");
        assert!(!fuse.admits(settings, at(62)));
        assert!(fuse.admits(settings, at(63)));
        fuse.note(settings, at(64), true);
        assert!(fuse.admits(settings, at(64)) && fuse.admits(settings, at(64)));
    }

    #[test]
    fn a_trial_that_never_tells_does_not_keep_it_open_for_ever() {
        let settings = Breaker { open_after: 1, open_for: Duration::from_secs(30) };
        let fuse = Fuse::default();
        let start = crate::driver::os::now();
        assert!(fuse.note(settings, start, false));
        assert!(fuse.admits(settings, start + Duration::from_secs(30)));
        assert!(!fuse.admits(settings, start + Duration::from_secs(89)));
        assert!(fuse.admits(settings, start + Duration::from_secs(90)));
        fuse.not_asked();
        assert!(fuse.admits(settings, start + Duration::from_secs(90)), "the one before asked nobody");
    }
}
