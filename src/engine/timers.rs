//! When to wake what: a heap with one live entry per key, older entries ignored when they come up.
//!
//! A call re-arms every 20 ms and never cancels, so nothing is ever searched in the heap: an entry is live
//! only while its key's armed time is its own. The heap is rebuilt when dead entries outnumber the live
//! ones, which keeps it within a constant factor of the number of calls (law 10).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::Hash;
use std::time::Instant;

use super::table::Table;

/// Deadlines by key.
#[derive(Debug)]
pub struct Timers<K> {
    heap: BinaryHeap<Reverse<(Instant, K)>>,
    armed: Table<K, Instant>,
}

/// Below this many entries a rebuild is not worth it.
const SMALL: usize = 64;

impl<K: Copy + Eq + Hash + Ord> Default for Timers<K> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), armed: Table::default() }
    }
}

impl<K: Copy + Eq + Hash + Ord> Timers<K> {
    /// Wakes `key` at `at` and at no other time.
    pub fn set(&mut self, key: K, at: Option<Instant>) {
        let Some(at) = at else {
            self.armed.remove(&key);
            return;
        };
        if self.armed.insert(key, at) != Some(at) {
            self.heap.push(Reverse((at, key)));
            self.shrink();
        }
    }

    /// Takes one key whose time has come.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        while let Some(&Reverse((at, key))) = self.heap.peek() {
            if self.armed.get(&key) != Some(&at) {
                self.heap.pop();
            } else if at <= now {
                self.heap.pop();
                self.armed.remove(&key);
                return Some(key);
            } else {
                return None;
            }
        }
        None
    }

    /// The next time that anything is due.
    pub fn earliest(&mut self) -> Option<Instant> {
        while let Some(&Reverse((at, key))) = self.heap.peek() {
            if self.armed.get(&key) == Some(&at) {
                return Some(at);
            }
            self.heap.pop();
        }
        None
    }

    /// How many keys wait for a time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.armed.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    fn shrink(&mut self) {
        if self.heap.len() > SMALL && self.heap.len() > self.armed.len().saturating_mul(4) {
            self.heap = self.armed.iter().map(|(&key, &at)| Reverse((at, key))).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::units::test_start;

    #[test]
    fn keys_come_up_in_the_order_of_their_times() {
        let start = test_start();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        timers.set('b', Some(at(20)));
        timers.set('a', Some(at(10)));
        timers.set('c', Some(at(30)));
        assert_eq!(timers.earliest(), Some(at(10)));
        assert_eq!(timers.pop_due(at(5)), None);
        assert_eq!(timers.pop_due(at(25)), Some('a'));
        assert_eq!(timers.pop_due(at(25)), Some('b'));
        assert_eq!(timers.pop_due(at(25)), None);
        assert_eq!(timers.len(), 1);
    }

    #[test]
    fn only_the_last_time_set_counts() {
        let start = test_start();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        timers.set('a', Some(at(10)));
        timers.set('a', Some(at(50)));
        assert_eq!(timers.pop_due(at(20)), None);
        assert_eq!(timers.earliest(), Some(at(50)));
        timers.set('a', None);
        assert_eq!((timers.earliest(), timers.is_empty()), (None, true));
    }

    #[test]
    fn dead_entries_do_not_pile_up() {
        let start = test_start();
        let mut timers = Timers::default();
        for round in 0..100_000 {
            timers.set(round % 7, Some(start + Duration::from_millis(round)));
        }
        assert_eq!(timers.len(), 7);
        assert!(timers.heap.len() <= SMALL + 1, "{}", timers.heap.len());
    }
}
