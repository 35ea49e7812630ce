//! Nonces that need no memory until they are used well (RFC 7616 §3.3, §5.4, §5.12).
//!
//! A nonce carries its time and some randomness, sealed by an HMAC: whether it is ours and how old it is can
//! be told from itself. Only a nonce that came with a right proof is remembered, with its count, so a flood of
//! wrong ones costs nothing. When that table is full its oldest nonce is given up, and with it every nonce
//! that was made before: a count that is forgotten can't be used again.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::secret::Secret;
use crate::units::Entropy;

/// Makes nonces and tells whether one may be used.
pub struct Nonces {
    key: Secret<[u8; 32]>,
    /// Times in nonces are counted from here.
    start: Instant,
    lifetime: Duration,
    /// Nonces made before this many milliseconds are not accepted.
    floor: u64,
    /// How far each nonce was counted.
    used: HashMap<String, u32>,
    /// The nonces of `used` in the order of their first use, with their times.
    order: VecDeque<(String, u64)>,
}

/// Whether a nonce is ours, and how fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Ours, and in time.
    Fresh,
    /// Ours, and too old.
    Stale,
    /// Not ours.
    Foreign,
}

impl Nonces {
    /// Nonces live for `lifetime`; the key comes from `entropy`.
    #[must_use]
    pub fn new(start: Instant, lifetime: Duration, entropy: &mut Entropy) -> Self {
        let mut key = [0_u8; 32];
        for part in key.chunks_mut(8) {
            part.copy_from_slice(&entropy.next_u64().to_be_bytes());
        }
        Self {
            key: Secret::new(key),
            start,
            lifetime,
            floor: 0,
            used: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// A new nonce.
    pub fn issue(&mut self, now: Instant, entropy: &mut Entropy) -> String {
        let mut raw = [0_u8; LENGTH];
        let (time, rest) = raw.split_at_mut(8);
        time.copy_from_slice(&self.millis(now).to_be_bytes());
        let (random, seal) = rest.split_at_mut(8);
        random.copy_from_slice(&entropy.next_u64().to_be_bytes());
        seal.copy_from_slice(&self.seal(time, random));
        data_encoding::HEXLOWER.encode(&raw)
    }

    /// Whether a nonce is ours, and fresh.
    #[must_use]
    pub fn check(&self, now: Instant, nonce: &str) -> Freshness {
        let Some(made) = self.time_of(nonce) else { return Freshness::Foreign };
        let age = self.millis(now).saturating_sub(made);
        if made < self.floor || u128::from(age) > self.lifetime.as_millis() {
            Freshness::Stale
        } else {
            Freshness::Fresh
        }
    }

    /// Notes that a fresh nonce came with a right proof and this count. `false` when the count is no higher
    /// than one before: a replay, or a datagram that came late.
    pub fn spend(&mut self, now: Instant, nonce: &str, count: u32) -> bool {
        let Some(made) = self.time_of(nonce) else { return false };
        if let Some(highest) = self.used.get_mut(nonce) {
            let higher = count > *highest;
            *highest = count.max(*highest);
            return higher;
        }
        if made < self.floor || count == 0 {
            return false;
        }
        self.forget_expired(now);
        if self.order.len() >= MAX_USED
            && let Some((oldest, time)) = self.order.pop_front()
        {
            self.used.remove(&oldest);
            self.floor = self.floor.max(time.saturating_add(1));
        }
        self.used.insert(nonce.to_owned(), count);
        self.order.push_back((nonce.to_owned(), made));
        true
    }

    /// Nonces that are too old to be accepted need not be remembered.
    fn forget_expired(&mut self, now: Instant) {
        let now = self.millis(now);
        while let Some((_, made)) = self.order.front() {
            if u128::from(now.saturating_sub(*made)) <= self.lifetime.as_millis() {
                return;
            }
            if let Some((nonce, _)) = self.order.pop_front() {
                self.used.remove(&nonce);
            }
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    /// When one of ours was made; `None` for any other.
    fn time_of(&self, nonce: &str) -> Option<u64> {
        let raw = data_encoding::HEXLOWER.decode(nonce.as_bytes()).ok().filter(|raw| raw.len() == LENGTH)?;
        let (time, rest) = raw.split_at_checked(8)?;
        let (random, seal) = rest.split_at_checked(8)?;
        let ours: bool = self.seal(time, random).ct_eq(seal).into();
        ours.then(|| time.try_into().ok().map(u64::from_be_bytes))?
    }

    fn seal(&self, time: &[u8], random: &[u8]) -> [u8; 16] {
        let mut seal = [0_u8; 16];
        // HMAC takes keys of every length.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.expose()) {
            mac.update(time);
            mac.update(random);
            for (out, byte) in seal.iter_mut().zip(mac.finalize().into_bytes()) {
                *out = byte;
            }
        }
        seal
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").field("used", &self.used.len()).finish_non_exhaustive()
    }
}

/// Eight bytes of time, eight of randomness, sixteen of HMAC.
const LENGTH: usize = 32;

/// How many used nonces are remembered: ten for each of four hundred phones.
const MAX_USED: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::test_start;

    fn nonces() -> (Nonces, Entropy, Instant) {
        let mut entropy = Entropy::from_seed([7; 32]);
        let start = test_start();
        (Nonces::new(start, Duration::from_secs(60), &mut entropy), entropy, start)
    }

    #[test]
    fn a_nonce_ages_and_a_strange_one_is_told_apart() {
        let (mut nonces, mut entropy, start) = nonces();
        let nonce = nonces.issue(start, &mut entropy);
        assert_eq!(nonces.check(start, &nonce), Freshness::Fresh);
        assert_eq!(nonces.check(start + Duration::from_secs(60), &nonce), Freshness::Fresh);
        assert_eq!(nonces.check(start + Duration::from_secs(61), &nonce), Freshness::Stale);
        let tampered = nonce.replacen(nonce.get(..1).expect("a digit"), "f", 1);
        assert_eq!(nonces.check(start, &tampered), Freshness::Foreign);
        assert_eq!(nonces.check(start, ""), Freshness::Foreign);
    }

    #[test]
    fn a_count_is_good_once() {
        let (mut nonces, mut entropy, start) = nonces();
        let nonce = nonces.issue(start, &mut entropy);
        assert!(nonces.spend(start, &nonce, 1));
        assert!(!nonces.spend(start, &nonce, 1));
        assert!(nonces.spend(start, &nonce, 3));
        assert!(!nonces.spend(start, &nonce, 2));
        assert!(!nonces.spend(start, "00", 1));
    }

    #[test]
    fn a_full_table_forgets_no_count_that_could_be_used_again() {
        let (mut nonces, mut entropy, start) = nonces();
        let mut at = start;
        let first = nonces.issue(at, &mut entropy);
        assert!(nonces.spend(at, &first, 1));
        for _ in 0..MAX_USED {
            at += Duration::from_millis(1);
            let nonce = nonces.issue(at, &mut entropy);
            assert!(nonces.spend(at, &nonce, 1));
        }
        assert_eq!(nonces.used.len(), MAX_USED);
        assert_eq!(nonces.order.len(), MAX_USED);
        assert_eq!(nonces.check(at, &first), Freshness::Stale);
        assert!(!nonces.spend(at, &first, 1));
    }
}
