//! Changes take turns: each is made whole, in the order in which they were asked for. One that takes too long to
//! get ready is not waited for, and is not made any more once a later one is.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Who is to make a change, and who has.
#[derive(Default)]
pub(super) struct Turns {
    inner: Mutex<Inner>,
    turned: Condvar,
}

#[derive(Default)]
struct Inner {
    asked: u64,
    /// The numbers of those that are neither made nor given up; as many as control connections.
    open: BTreeSet<u64>,
    /// The number of the last one that was made.
    last: u64,
}

/// A place among them; given back when it is dropped.
pub(super) struct Turn<'t> {
    turns: &'t Turns,
    number: u64,
}

impl Turns {
    /// The next place.
    pub(super) fn ask(&self) -> Turn<'_> {
        let mut inner = self.inner();
        inner.asked += 1;
        let number = inner.asked;
        inner.open.insert(number);
        Turn { turns: self, number }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Makes the change when those that were asked for before are done, or when they were waited for so long. `None`:
    /// a later one is made already.
    pub(super) fn make<T, E>(
        &self,
        patience: Duration,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Option<Result<T, E>> {
        let earlier = |inner: &mut Inner| inner.open.first().is_some_and(|first| *first < self.number);
        let waited = self.turns.turned.wait_timeout_while(self.turns.inner(), patience, earlier);
        let (mut inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if inner.last > self.number {
            return None;
        }
        let made = make();
        if made.is_ok() {
            inner.last = self.number;
        }
        Some(made)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.inner().open.remove(&self.number);
        self.turns.turned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn made(turn: &Turn<'_>, patience: Duration) -> bool {
        turn.make(patience, || Ok::<(), ()>(())).is_some()
    }

    #[test]
    fn what_takes_too_long_holds_nobody_up_and_comes_too_late() {
        let turns = Turns::default();
        let (slow, next) = (turns.ask(), turns.ask());
        assert!(made(&next, Duration::ZERO), "nobody waits for the slow one");
        assert!(!made(&slow, LONG), "a later one is made");
        drop((slow, next));
        assert!(made(&turns.ask(), LONG), "and all goes on as before");
    }

    #[test]
    fn one_that_is_given_up_is_not_waited_for() {
        let turns = Turns::default();
        let (first, second, third) = (turns.ask(), turns.ask(), turns.ask());
        drop(first);
        assert!(second.make(LONG, || Err::<(), ()>(())).is_some());
        drop(second);
        assert!(made(&third, LONG));
    }
}
