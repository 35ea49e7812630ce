//! Certificates that were fetched, and addresses where none was, each for a while. Bounded in number and in octets.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sip::stir::{CertificateUrl, Chain, Reason};

/// What an address led to.
pub(super) type Fetched = Result<Arc<Chain>, Reason>;

/// How much is kept, and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    /// A certificate.
    pub(super) good: Duration,
    /// That there is none.
    pub(super) bad: Duration,
    /// Addresses.
    pub(super) most: usize,
    /// Octets of certificates.
    pub(super) octets: usize,
}

impl Default for Keep {
    /// Carriers change certificates daily or less; one that could not be fetched is asked for again soon.
    fn default() -> Self {
        Self {
            good: Duration::from_secs(3600),
            bad: Duration::from_secs(30),
            most: 2048,
            octets: 16 * 1024 * 1024,
        }
    }
}

struct Entry {
    until: Instant,
    octets: usize,
    /// Which of the entries of this address it is: the queue may hold former ones.
    number: u64,
    fetched: Fetched,
}

/// The certificates.
pub(super) struct Cache {
    keep: Keep,
    entries: HashMap<CertificateUrl, Entry>,
    /// In the order in which they came.
    order: VecDeque<(CertificateUrl, u64)>,
    octets: usize,
    next: u64,
}

impl Cache {
    pub(super) fn new(keep: Keep) -> Self {
        Self { keep, entries: HashMap::new(), order: VecDeque::new(), octets: 0, next: 0 }
    }

    /// What is known of an address; `None`: it is to be asked.
    pub(super) fn get(&self, now: Instant, url: &CertificateUrl) -> Option<&Fetched> {
        self.entries.get(url).filter(|entry| now < entry.until).map(|entry| &entry.fetched)
    }

    /// Keeps what came, of so many octets; the oldest go when there is too much.
    pub(super) fn put(&mut self, now: Instant, url: CertificateUrl, octets: usize, fetched: Fetched) {
        let until = now + if fetched.is_ok() { self.keep.good } else { self.keep.bad };
        self.next += 1;
        let entry = Entry { until, octets, number: self.next, fetched };
        self.order.push_back((url.clone(), self.next));
        self.octets += octets;
        if let Some(former) = self.entries.insert(url, entry) {
            self.octets -= former.octets;
        }
        while self.entries.len() > self.keep.most
            || self.octets > self.keep.octets
            || self.order.len() > 2 * self.keep.most
        {
            let Some((oldest, number)) = self.order.pop_front() else { return };
            if self.entries.get(&oldest).is_some_and(|entry| entry.number == number)
                && let Some(gone) = self.entries.remove(&oldest)
            {
                self.octets -= gone.octets;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::test_start;

    fn url(number: usize) -> CertificateUrl {
        CertificateUrl::parse(&format!("https://cert.example.org/{number}.pem")).expect("a URL")
    }

    #[test]
    fn what_was_fetched_is_known_for_a_while_and_never_takes_more_room_than_there_is() {
        let keep = Keep { most: 3, octets: 100, ..Keep::default() };
        let (mut cache, start) = (Cache::new(keep), test_start());
        let bad = || Err(Reason::CertificateUnavailable);
        for number in 0..1000 {
            cache.put(start, url(number), 40, bad());
            assert!(cache.entries.len() <= 2 && cache.octets <= 100 && cache.order.len() <= 6);
        }
        assert!(cache.get(start, &url(999)).is_some() && cache.get(start, &url(998)).is_some());
        assert!(cache.get(start, &url(997)).is_none());
        assert!(cache.get(start + keep.bad, &url(999)).is_none(), "it is asked for again");
        for _ in 0..1000 {
            cache.put(start, url(999), 1, bad());
        }
        assert!(cache.order.len() <= 6 && cache.octets <= 100);
        assert!(cache.get(start, &url(999)).is_some());
    }
}
