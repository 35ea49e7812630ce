//! Tables by numbers of our own: call, session and port identifiers, which no peer chooses. So their places need no
//! secret, and finding one costs a multiplication.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A table by a number of our own.
pub type Table<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;
/// A set of numbers of our own.
pub type Members<K> = HashSet<K, BuildHasherDefault<Spread>>;

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

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(GOLDEN);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, BuildHasherDefault};

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
        let mut table: Table<MediaPort, u32> = Table::default();
        table.extend((0..10_000).map(|number| (MediaPort(number), number)));
        assert!((0..10_000).all(|number| table.get(&MediaPort(number)) == Some(&number)));
    }
}
