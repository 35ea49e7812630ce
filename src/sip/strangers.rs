//! How many answers a source gets that is neither a trunk nor a phone, and for how long it gets none at all.
//!
//! A scanner asks until it is answered differently, and whoever forges the address of somebody else has us answer them.
//! So each source has a budget, and all of them together have one. Whoever asks on and on beyond it is banned for a while:
//! then nothing is answered, and no connection is taken. A ban ends by itself. Nothing here is asked about trunks, phones
//! or calls of ours: an address that somebody forged loses no more than answers that say no.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// How patient we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Answers to one source in a second; as many may come at once.
    pub per_second: u32,
    /// Answers to all of them in a second.
    pub overall_per_second: u32,
    /// Messages of one source beyond its budget, without a pause as long as the ban, after which it is banned.
    pub ban_after: u32,
    /// How long.
    pub ban: Duration,
    /// Sources that are remembered.
    pub most: usize,
}

impl Default for Patience {
    /// A phone that is set up wrongly asks once in some seconds; a scanner asks hundreds of times in one.
    fn default() -> Self {
        Self {
            per_second: 10,
            overall_per_second: 500,
            ban_after: 100,
            ban: Duration::from_secs(600),
            most: 16_384,
        }
    }
}

/// What a message of a stranger gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// The answer that everybody gets.
    Answer,
    /// Nothing.
    Silence,
    /// Nothing, and from now on nothing for a while.
    Banned,
}

/// What is remembered of strangers. Bounded: who comes when there is no room gets no answer.
#[derive(Debug)]
pub struct Strangers {
    patience: Patience,
    /// In two halves: when the young one is full, the old one is forgotten, but for its bans.
    young: HashMap<Key, Stranger>,
    old: HashMap<Key, Stranger>,
    overall: Bucket,
    banned: usize,
}

/// A source. Over a connection an address is its owner's own; in a datagram it may be forged, so what datagrams do
/// counts for datagrams only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    network: IpAddr,
    connected: bool,
}

#[derive(Clone, Copy, Debug)]
struct Stranger {
    bucket: Bucket,
    beyond: u32,
    banned_until: Option<Instant>,
    last: Instant,
}

/// Tokens that come back with time, in thousandths.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: u64,
    since: Instant,
}

impl Bucket {
    fn full(now: Instant, per_second: u32) -> Self {
        Self { tokens: u64::from(per_second) * 1000, since: now }
    }

    fn take(&mut self, now: Instant, per_second: u32) -> bool {
        let most = u64::from(per_second) * 1000;
        let millis = u64::try_from(now.saturating_duration_since(self.since).as_millis()).unwrap_or(u64::MAX);
        self.tokens = self.tokens.saturating_add(millis.saturating_mul(per_second.into())).min(most);
        if millis > 0 {
            self.since = now;
        }
        let rest = self.tokens.checked_sub(1000);
        self.tokens = rest.unwrap_or(self.tokens);
        rest.is_some()
    }
}

impl Key {
    /// Whoever has an address of version 6 has the 2^64 beside it (RFC 6177).
    fn of(source: IpAddr, connected: bool) -> Self {
        let network = match source.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
            four => four,
        };
        Self { network, connected }
    }
}

impl Strangers {
    /// Nobody is known.
    #[must_use]
    pub fn new(now: Instant, patience: Patience) -> Self {
        let overall = Bucket::full(now, patience.overall_per_second);
        Self { patience, young: HashMap::new(), old: HashMap::new(), overall, banned: 0 }
    }

    /// A message came that is not let in.
    pub fn treat(&mut self, now: Instant, source: IpAddr, connected: bool) -> Treatment {
        let key = Key::of(source, connected);
        let Patience { per_second, overall_per_second, ban_after, ban, .. } = self.patience;
        if !self.young.contains_key(&key) {
            self.admit(now, key);
        }
        let Some(stranger) = self.young.get_mut(&key) else { return Treatment::Silence };
        if now.saturating_duration_since(stranger.last) >= ban {
            stranger.beyond = 0;
        }
        stranger.last = now;
        match stranger.banned_until {
            Some(until) if now < until => return Treatment::Silence,
            Some(_) => {
                (stranger.banned_until, stranger.beyond) = (None, 0);
                self.banned = self.banned.saturating_sub(1);
            }
            None => {}
        }
        if stranger.bucket.take(now, per_second) {
            return match self.overall.take(now, overall_per_second) {
                true => Treatment::Answer,
                false => Treatment::Silence,
            };
        }
        stranger.beyond = stranger.beyond.saturating_add(1);
        if stranger.beyond < ban_after {
            return Treatment::Silence;
        }
        stranger.banned_until = Some(now + ban);
        self.banned += 1;
        Treatment::Banned
    }

    /// Whether a connection from there is not to be taken.
    #[must_use]
    pub fn is_banned(&self, now: Instant, source: IpAddr) -> bool {
        let key = Key::of(source, true);
        let known = self.young.get(&key).or_else(|| self.old.get(&key));
        known.and_then(|stranger| stranger.banned_until).is_some_and(|until| now < until)
    }

    /// How many are banned, those included whose time has come and who did not ask again.
    #[must_use]
    pub const fn banned(&self) -> usize {
        self.banned
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether nobody is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes a place for a source, with what is known of it.
    fn admit(&mut self, now: Instant, key: Key) {
        let half = (self.patience.most / 2).max(1);
        if self.young.len() >= half {
            let banned = |stranger: &Stranger| stranger.banned_until.is_some_and(|until| now < until);
            // Bans outlive a flood of other addresses, as long as they leave room for new ones.
            let former = std::mem::take(&mut self.young);
            let bans = self.old.drain().chain(former.iter().map(|(key, one)| (*key, *one)));
            self.young = bans.filter(|(_, stranger)| banned(stranger)).take(half / 2).collect();
            self.banned = self.young.len();
            self.old = former.into_iter().filter(|(_, stranger)| !banned(stranger)).collect();
        }
        let fresh = Stranger {
            bucket: Bucket::full(now, self.patience.per_second),
            beyond: 0,
            banned_until: None,
            last: now,
        };
        let stranger = self.old.remove(&key).unwrap_or(fresh);
        self.young.entry(key).or_insert(stranger);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::test_start;

    const SCANNER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 66));

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0b00_0000 + number))
    }

    #[test]
    fn whoever_asks_on_and_on_gets_few_answers_then_none_and_some_again_when_the_ban_is_over() {
        let (start, patience) = (test_start(), Patience::default());
        let mut strangers = Strangers::new(start, patience);
        let mut seen = [0_u32; 3];
        for turn in 0..10_000_u64 {
            let now = start + Duration::from_millis(turn);
            let at = match strangers.treat(now, SCANNER, false) {
                Treatment::Answer => 0,
                Treatment::Silence => 1,
                Treatment::Banned => 2,
            };
            seen[at] += 1;
        }
        let [answers, _, bans] = seen;
        assert!((10..=12).contains(&answers), "{answers} answers before the ban");
        assert_eq!(bans, 1);
        let later = start + Duration::from_secs(599);
        assert_eq!(strangers.treat(later, SCANNER, false), Treatment::Silence);
        let over = start + patience.ban + Duration::from_secs(1);
        assert_eq!(strangers.treat(over, SCANNER, false), Treatment::Answer);
        assert_eq!(strangers.banned(), 0);
    }

    #[test]
    fn whoever_asks_now_and_then_is_answered_always() {
        let start = test_start();
        let mut strangers = Strangers::new(start, Patience::default());
        for turn in 0..100_000_u64 {
            let now = start + Duration::from_millis(200 * turn);
            assert_eq!(strangers.treat(now, SCANNER, false), Treatment::Answer);
        }
    }

    #[test]
    fn a_ban_by_forged_datagrams_refuses_no_connection_and_one_of_a_neighbour_none_of_another_network() {
        let start = test_start();
        let mut strangers = Strangers::new(start, Patience::default());
        for _ in 0..1000 {
            strangers.treat(start, SCANNER, false);
        }
        assert!(!strangers.is_banned(start, SCANNER));
        let six = |text: &str| text.parse::<IpAddr>().expect("an address");
        for last in 0..1000_u32 {
            strangers.treat(start, six(&format!("2001:db8:0:1::{last:x}")), true);
        }
        assert!(strangers.is_banned(start, six("2001:db8:0:1:ffff::1")), "the same network");
        assert!(!strangers.is_banned(start, six("2001:db8:0:2::1")));
        assert!(!strangers.is_banned(start + Patience::default().ban, six("2001:db8:0:1::1")));
    }

    #[test]
    fn a_flood_from_all_addresses_takes_bounded_room_and_bounded_answers_and_lifts_no_ban() {
        let start = test_start();
        let patience = Patience { most: 1000, ..Patience::default() };
        let mut strangers = Strangers::new(start, patience);
        for _ in 0..1000 {
            strangers.treat(start, SCANNER, true);
        }
        assert!(strangers.is_banned(start, SCANNER));
        let mut answers = 0;
        for number in 0..100_000 {
            let now = start + Duration::from_micros(u64::from(number) * 10);
            answers += u32::from(strangers.treat(now, address(number), true) == Treatment::Answer);
            assert!(strangers.len() <= 1250, "{}", strangers.len());
        }
        assert!(answers <= 1010, "{answers} answers within a second");
        assert!(strangers.is_banned(start + Duration::from_secs(1), SCANNER));
    }
}
