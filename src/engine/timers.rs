//! When to wake what: a wheel of milliseconds for what is near, a heap for what is far.
//!
//! A call re-arms every 20 ms and hardly ever cancels. So its deadlines lie in the wheel (Varghese and Lauck, Hashed and
//! Hierarchical Timing Wheels, scheme 4), where arming and ringing cost the same however many calls there are. What is
//! further away than a turn of the wheel waits in a heap and rings from there. Nothing is ever searched: an entry is live
//! only while its key's armed time is its own, and dead ones are dropped when they come up. All is made anew when dead
//! entries outnumber the live ones, which keeps it within a constant factor of the number of calls (law 10).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::units::Table;

/// Deadlines by key.
#[derive(Debug)]
pub struct Timers<K> {
    armed: Table<K, Instant>,
    near: Wheel<K>,
    far: BinaryHeap<Reverse<(Instant, K)>>,
    /// What is due, and was not taken yet.
    due: Vec<(Instant, K)>,
}

/// The milliseconds to come.
#[derive(Debug)]
struct Wheel<K> {
    /// What milliseconds are counted from; the first deadline tells.
    start: Option<Instant>,
    /// The millisecond that is reached: earlier slots are empty.
    reached: u64,
    slots: [Slot<K>; SLOTS],
    /// Bit n: slot n has entries.
    filled: u64,
    entries: usize,
}

/// The entries of a millisecond.
#[derive(Debug)]
struct Slot<K> {
    entries: Vec<(Instant, K)>,
    /// No entry is before it.
    first: Option<Instant>,
}

/// As many as bits of a word; more than any packet time.
const SLOTS: usize = 64;
/// Below this many entries making all anew is not worth it.
const SMALL: usize = 64;
/// Deadlines before the first one that was set are not this much earlier.
const EARLIER: Duration = Duration::from_secs(3600);

impl<K: Copy + Eq + Hash + Ord> Default for Timers<K> {
    fn default() -> Self {
        let slots = std::array::from_fn(|_| Slot { entries: Vec::new(), first: None });
        let near = Wheel { start: None, reached: 0, slots, filled: 0, entries: 0 };
        Self { armed: Table::default(), near, far: BinaryHeap::new(), due: Vec::new() }
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
            self.enter(at, key);
            if self.near.entries + self.far.len() > SMALL.max(self.armed.len().saturating_mul(4)) {
                self.renew();
            }
        }
    }

    /// Takes one key whose time has come; the earliest first.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.due.is_empty() {
            self.near.take_due(now, &self.armed, &mut self.due);
            while self.far.peek().is_some_and(|Reverse((at, _))| *at <= now) {
                self.due.extend(self.far.pop().map(|Reverse(entry)| entry));
            }
            self.due.sort_unstable_by_key(|(at, _)| Reverse(*at));
        }
        while let Some((at, key)) = self.due.pop() {
            if self.armed.get(&key) == Some(&at) {
                self.armed.remove(&key);
                return Some(key);
            }
        }
        None
    }

    /// When [`Timers::pop_due`] is to be asked next: never too late, and less than a millisecond early where a deadline
    /// was taken back.
    pub fn earliest(&mut self) -> Option<Instant> {
        while let Some(&Reverse((at, key))) = self.far.peek()
            && self.armed.get(&key) != Some(&at)
        {
            self.far.pop();
        }
        let far = self.far.peek().map(|Reverse((at, _))| *at);
        let due = self.due.last().map(|(at, _)| *at);
        self.near.first(&self.armed).into_iter().chain(far).chain(due).min()
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

    fn enter(&mut self, at: Instant, key: K) {
        if !self.near.enter(at, key) {
            self.far.push(Reverse((at, key)));
        }
    }

    /// Without dead entries.
    fn renew(&mut self) {
        self.near.clear();
        self.far.clear();
        let armed: Vec<(K, Instant)> = self.armed.iter().map(|(&key, &at)| (key, at)).collect();
        for (key, at) in armed {
            self.enter(at, key);
        }
    }
}

impl<K: Copy + Eq + Hash> Wheel<K> {
    /// The millisecond of a moment.
    fn millisecond(&mut self, at: Instant) -> u64 {
        let start = *self.start.get_or_insert_with(|| at.checked_sub(EARLIER).unwrap_or(at));
        let since = at.saturating_duration_since(start);
        since.as_secs() * 1000 + u64::from(since.subsec_millis())
    }

    /// Takes an entry in, if it is near.
    fn enter(&mut self, at: Instant, key: K) -> bool {
        // What should have been before is due as soon as anything is.
        let millisecond = self.millisecond(at).max(self.reached);
        if millisecond - self.reached >= SLOTS as u64 {
            return false;
        }
        let number = index(millisecond);
        if let Some(slot) = self.slots.get_mut(number) {
            slot.entries.push((at, key));
            slot.first = Some(slot.first.map_or(at, |first| first.min(at)));
            self.filled |= 1 << number;
            self.entries += 1;
        }
        true
    }

    /// The first slot with entries.
    fn next(&self) -> Option<usize> {
        let reached = index(self.reached);
        let ahead = self.filled.rotate_right(u32::try_from(reached).unwrap_or(0)).trailing_zeros();
        let ahead = usize::try_from(ahead).ok().filter(|_| self.filled != 0)?;
        Some((reached + ahead) % SLOTS)
    }

    /// Moves on to `now`, and takes what is due until then.
    fn take_due(&mut self, now: Instant, armed: &Table<K, Instant>, due: &mut Vec<(Instant, K)>) {
        let until = self.millisecond(now).max(self.reached);
        while let Some(number) = self.next() {
            let ahead = (number + SLOTS - index(self.reached)) % SLOTS;
            let Some(slot) = self.slots.get_mut(number).filter(|_| self.reached + ahead as u64 <= until)
            else {
                break;
            };
            let all = slot.entries.len();
            slot.first = None;
            slot.entries.retain(|&(at, key)| {
                let is_live = armed.get(&key) == Some(&at);
                if is_live && at <= now {
                    due.push((at, key));
                } else if is_live {
                    slot.first = Some(slot.first.map_or(at, |first| first.min(at)));
                }
                is_live && at > now
            });
            self.entries -= all - slot.entries.len();
            if !slot.entries.is_empty() {
                break;
            }
            self.filled &= !(1 << number);
        }
        self.reached = until;
    }

    /// The first entry's time, as far as it is known without looking at all of them.
    fn first(&mut self, armed: &Table<K, Instant>) -> Option<Instant> {
        while let Some(number) = self.next() {
            let slot = self.slots.get_mut(number)?;
            while slot.entries.pop_if(|(at, key)| armed.get(key) != Some(at)).is_some() {
                self.entries -= 1;
            }
            if !slot.entries.is_empty() {
                return slot.first;
            }
            slot.first = None;
            self.filled &= !(1 << number);
        }
        None
    }

    fn clear(&mut self) {
        for slot in &mut self.slots {
            slot.entries.clear();
            slot.first = None;
        }
        (self.filled, self.entries) = (0, 0);
    }
}

fn index(millisecond: u64) -> usize {
    usize::try_from(millisecond % SLOTS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::units::{Entropy, test_start};

    #[test]
    fn keys_come_up_in_the_order_of_their_times() {
        let start = test_start();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        for (key, ms) in [('b', 20), ('d', 4000), ('a', 10), ('c', 30)] {
            timers.set(key, Some(at(ms)));
        }
        assert_eq!(timers.earliest(), Some(at(10)));
        assert_eq!(timers.pop_due(at(5)), None);
        assert_eq!(timers.pop_due(at(25)), Some('a'));
        assert_eq!(timers.pop_due(at(25)), Some('b'));
        assert_eq!(timers.pop_due(at(25)), None);
        assert_eq!((timers.len(), timers.earliest()), (2, Some(at(30))));
        assert_eq!([5000; 3].map(|ms| timers.pop_due(at(ms))), [Some('c'), Some('d'), None]);
        assert_eq!((timers.earliest(), timers.is_empty()), (None, true));
    }

    #[test]
    fn only_the_last_time_set_counts() {
        let start = test_start();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        assert_eq!(timers.pop_due(start), None);
        timers.set('a', Some(at(10)));
        timers.set('a', Some(at(50)));
        assert_eq!(timers.pop_due(at(20)), None);
        assert_eq!(timers.earliest(), Some(at(50)));
        timers.set('a', None);
        assert_eq!((timers.earliest(), timers.is_empty()), (None, true));
    }

    /// Deadlines near and far, moved and taken back at random, beside a plain sorted set: each rings in its time, in order,
    /// and nobody who sleeps until the earliest sleeps too long, or wakes for nothing more than once a millisecond.
    #[test]
    fn every_deadline_rings_in_its_time_and_none_twice() {
        let (start, mut entropy) = (test_start(), Entropy::from_seed([23; 32]));
        let mut timers = Timers::default();
        let mut model: BTreeSet<(Instant, u32)> = BTreeSet::new();
        let mut now = start;
        let (mut rang, mut for_nothing) = (0, 0);
        for _ in 0..20_000 {
            let key = entropy.next_u32() % 50;
            let ahead = match entropy.next_u32() % 4 {
                0 => None,
                1 => Some(entropy.below(3_000)),
                2 => Some(entropy.below(100_000)),
                _ => Some(entropy.below(5_000_000)),
            };
            let at = ahead.map(|micros| now + Duration::from_micros(micros));
            model.retain(|(_, other)| *other != key);
            model.extend(at.map(|at| (at, key)));
            timers.set(key, at);
            let earliest = timers.earliest();
            let first = model.first().map(|(at, _)| *at);
            assert_eq!(earliest.is_some(), first.is_some());
            let Some((earliest, first)) = earliest.zip(first) else { continue };
            assert!(earliest <= first && first - earliest < Duration::from_millis(1));
            if entropy.next_u32() % 3 == 0 {
                continue;
            }
            now = now.max(earliest);
            let mut last = None;
            for_nothing += u32::from(first > now);
            while let Some(key) = timers.pop_due(now) {
                let at = model.iter().find(|(_, other)| *other == key).expect("one that was set").0;
                assert!(at <= now && last <= Some(at), "in order");
                model.remove(&(at, key));
                (rang, last) = (rang + 1, Some(at));
            }
            assert!(model.first().is_none_or(|(at, _)| *at > now), "none is left behind");
        }
        assert_eq!(timers.len(), model.len());
        assert!(rang > 3000 && for_nothing < rang, "{rang} rang, {for_nothing} times for nothing");
    }

    #[test]
    fn dead_entries_do_not_pile_up() {
        let start = test_start();
        for step_ms in [0, 1, 100] {
            let mut timers = Timers::default();
            timers.pop_due(start);
            for round in 0..100_000_u32 {
                let at = start + Duration::from_millis(step_ms) * round + Duration::from_nanos(round.into());
                timers.set(round % 7, Some(at));
            }
            assert_eq!(timers.len(), 7);
            let entries = timers.near.entries + timers.far.len();
            assert!(entries <= SMALL + 1, "{entries}");
        }
    }
}
