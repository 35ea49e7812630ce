//! A network in virtual time: every datagram takes a while, some never arrive, some overtake others.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use countersign::units::Entropy;

/// One datagram under way.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Datagram {
    pub at: Instant,
    sequence: u64,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

/// What the network does to datagrams.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub delay: Duration,
    pub jitter: Duration,
    /// Lost datagrams of a thousand.
    pub lost: u64,
}

impl Weather {
    pub const FINE: Self = Self { delay: Duration::from_millis(5), jitter: Duration::ZERO, lost: 0 };
}

/// The datagrams under way.
pub struct Net {
    pub weather: Weather,
    under_way: BinaryHeap<Reverse<Datagram>>,
    sequence: u64,
    entropy: Entropy,
}

impl Net {
    pub fn new(entropy: Entropy) -> Self {
        Self { weather: Weather::FINE, under_way: BinaryHeap::new(), sequence: 0, entropy }
    }

    pub fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if self.entropy.below(1000) < self.weather.lost {
            return;
        }
        let jitter_us = u64::try_from(self.weather.jitter.as_micros()).expect("a short jitter");
        let jitter = Duration::from_micros(self.entropy.below(jitter_us + 1));
        self.sequence += 1;
        self.under_way.push(Reverse(Datagram {
            at: now + self.weather.delay + jitter,
            sequence: self.sequence,
            from,
            to,
            bytes: bytes.to_vec(),
        }));
    }

    pub fn next(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse(datagram)| datagram.at)
    }

    pub fn arrived(&mut self, now: Instant) -> Option<Datagram> {
        self.next().filter(|at| *at <= now)?;
        self.under_way.pop().map(|Reverse(datagram)| datagram)
    }
}
