//! Tables of what comes and goes: calls, sessions, transactions, ports.
//!
//! A hash table keeps marks where something was taken out, and doubles when these and what it holds fill it: by chance,
//! minutes or hours after it held the most. A [`Table`] has room for twice the most that it held at once, which a plain one
//! comes to in the end. Its marks are then swept out where they are, and it takes what the most that it held tells, and nothing else.

use std::borrow::Borrow;
use std::collections::hash_map::{Drain, RandomState, ValuesMut};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::ops::Deref;

/// A table that takes what the most it held tells; it is read as a [`HashMap`]. As it stands it is by a number of our own: call,
/// session and port identifiers, which no peer chooses, so their places need no secret, and finding one costs a
/// multiplication. By what peers choose it is a [`PeerTable`].
pub struct Table<K, V, S = BuildHasherDefault<Spread>> {
    map: HashMap<K, V, S>,
    /// What the map has room for before it must double, without marks.
    room: usize,
}

/// A table by what peers choose.
pub type PeerTable<K, V> = Table<K, V, RandomState>;

/// A set of numbers of our own.
pub type Members<K> = HashSet<K, BuildHasherDefault<Spread>>;

impl<K: Eq + Hash, V, S: BuildHasher> Table<K, V, S> {
    /// Puts a value in, and gives back the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let needed = (self.map.len() + 1).saturating_mul(2);
        if needed > self.room {
            self.map.reserve(needed - self.map.len());
            self.room = self.map.capacity();
        }
        self.map.insert(key, value)
    }

    /// Takes a value out.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.map.remove(key)
    }

    /// A value, to change it.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.map.get_mut(key)
    }

    /// All values, to change them.
    pub fn values_mut(&mut self) -> ValuesMut<'_, K, V> {
        self.map.values_mut()
    }

    /// Takes all out.
    pub fn drain(&mut self) -> Drain<'_, K, V> {
        self.map.drain()
    }
}

impl<K, V, S: Default> Default for Table<K, V, S> {
    fn default() -> Self {
        Self { map: HashMap::default(), room: 0 }
    }
}

impl<K, V, S> Deref for Table<K, V, S> {
    type Target = HashMap<K, V, S>;

    fn deref(&self) -> &HashMap<K, V, S> {
        &self.map
    }
}

impl<K: fmt::Debug, V: fmt::Debug, S> fmt::Debug for Table<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.map.fmt(f)
    }
}

/// Spreads numbers that follow each other over the places of a table.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread(u64);

/// 2^64 over the golden ratio: Fibonacci hashing (Knuth, The Art of Computer Programming 3, §6.4).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        // The table looks at the high and at the low bits; a product is well mixed in the high ones only.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(GOLDEN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MediaPort;

    #[test]
    fn numbers_that_follow_each_other_fall_into_different_places() {
        let build = BuildHasherDefault::<Spread>::default();
        for bits in [0, 57] {
            let places: HashSet<u64> =
                (0..128).map(|number| build.hash_one(MediaPort(number)) >> bits & 127).collect();
            assert!(places.len() > 70, "{} of 128 places from bit {bits}", places.len());
        }
    }

    #[test]
    fn a_table_finds_what_was_put_in() {
        let mut table = Table::<MediaPort, u32>::default();
        for number in 0..10_000 {
            assert_eq!(table.insert(MediaPort(number), number), None);
        }
        assert!((0..10_000).all(|number| table.get(&MediaPort(number)) == Some(&number)));
        assert_eq!(table.insert(MediaPort(7), 70), Some(7));
        assert_eq!((table.remove(&MediaPort(7)), table.remove(&MediaPort(7))), (Some(70), None));
        assert_eq!(table.drain().count(), 9_999);
        assert!(table.is_empty());
    }

    /// One comes and the oldest goes, a million times: the room that the first 750 took is enough. The plain table beside it
    /// is what this is for.
    #[test]
    fn what_comes_and_goes_takes_no_more_room_than_the_most_at_once() {
        const HELD: u64 = 750;
        let (mut table, mut plain) = (PeerTable::default(), HashMap::new());
        for key in 0..HELD {
            table.insert(key, ());
            plain.insert(key, ());
        }
        let (room, capacity) = (table.room, plain.capacity());
        assert!((1500..3000).contains(&room), "{room}");
        for key in HELD..1_000_000 {
            assert_eq!((table.remove(&(key - HELD)), plain.remove(&(key - HELD))), (Some(()), Some(())));
            table.insert(key, ());
            plain.insert(key, ());
            assert!(table.room == room && table.capacity() <= room, "{room}, then {}", table.capacity());
        }
        assert!(plain.capacity() > capacity, "a plain table has grown out of {capacity}");
    }
}
