//! The media ports of a shard: pairs of UDP sockets, RTP on the even port and RTCP on the next.
//!
//! A shard owns a slice of the range, so that shards never compete; when its slice is used up the caller
//! is told to come back later, and nothing runs out silently.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use thiserror::Error;

use super::datagrams;
use crate::units::{MediaAddress, MediaPort, Table};

/// Why no pair of ports could be opened.
#[derive(Debug, Error)]
pub enum PortError {
    /// Every pair of the shard's slice is in use.
    #[error("all {0} pairs of media ports are in use; widen --rtp-ports")]
    Exhausted(usize),
    /// The operating system refused.
    #[error("a media port can't be watched: {0}")]
    System(#[from] io::Error),
}

/// Which socket of a pair a packet came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Audio and keys.
    Rtp,
    /// Reports.
    Rtcp,
}

/// An open pair.
#[derive(Debug)]
pub struct PortPair {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// The RTP socket wakes whoever owns it.
    wakes: bool,
    /// Its packets come one at a time: the last look found one, and that was not there at the look before.
    pub steady: bool,
}

impl PortPair {
    /// The socket of a channel.
    #[must_use]
    pub const fn socket(&self, channel: Channel) -> &UdpSocket {
        match channel {
            Channel::Rtp => &self.rtp,
            Channel::Rtcp => &self.rtcp,
        }
    }
}

/// The pairs of one shard.
#[derive(Debug)]
pub struct Ports {
    /// The even ports of the slice that are free, next one last.
    free: Vec<u16>,
    pairs: Table<MediaPort, PortPair>,
    total: usize,
    next: u32,
}

/// The token that wakes a shard for its mailbox.
pub const MAILBOX: Token = Token(usize::MAX);

impl Ports {
    /// The slice of `range` for `shard` of `shards`.
    #[must_use]
    pub fn slice(range: &RangeInclusive<u16>, shard: usize, shards: usize) -> Self {
        let even = (*range.start()..=range.end().saturating_sub(1)).filter(|port| port % 2 == 0);
        let mut free: Vec<u16> =
            even.enumerate().filter(|(i, _)| i % shards == shard).map(|(_, p)| p).collect();
        free.reverse();
        let total = free.len();
        Self { free, pairs: Table::default(), total, next: 0 }
    }

    /// Opens a pair at `bind` and watches both sockets. Ports that another program holds are skipped.
    ///
    /// # Errors
    /// [`PortError`]: none free, or none that could be watched.
    pub fn open(&mut self, registry: &Registry, bind: IpAddr) -> Result<MediaAddress, PortError> {
        self.open_pair(registry, bind, true)
    }

    /// Opens a pair whose RTP socket wakes nobody: whoever owns it looks at it in its turn.
    ///
    /// # Errors
    /// As [`Ports::open`].
    pub fn open_quiet(&mut self, registry: &Registry, bind: IpAddr) -> Result<MediaAddress, PortError> {
        self.open_pair(registry, bind, false)
    }

    fn open_pair(
        &mut self,
        registry: &Registry,
        bind: IpAddr,
        wakes: bool,
    ) -> Result<MediaAddress, PortError> {
        let mut taken = Vec::new();
        let opened = loop {
            let Some(port) = self.free.pop() else { break Err(PortError::Exhausted(self.total)) };
            match Self::bind_pair(bind, port) {
                Ok(pair) => break Ok((port, pair)),
                Err(_) => taken.push(port),
            }
        };
        // A port that was taken now may be free later: try it last.
        self.free.splice(0..0, taken);
        let (port, mut pair) = opened?;
        let id = MediaPort(self.next);
        // Identifiers are never reused while a packet for an earlier owner could be on its way.
        self.next = self.next.wrapping_add(1) & 0x3fff_ffff;
        let (rtp, rtcp) = Self::tokens(id);
        pair.wakes = wakes;
        if wakes {
            registry.register(&mut pair.rtp, rtp, Interest::READABLE)?;
        } else {
            // Without the kernel's times a packet counts as having come when it was read.
            let _ = datagrams::stamp_arrivals(&pair.rtp);
        }
        registry.register(&mut pair.rtcp, rtcp, Interest::READABLE)?;
        self.pairs.insert(id, pair);
        Ok(MediaAddress { port: id, rtp: SocketAddr::new(bind, port), former: None, beat: None })
    }

    /// Closes a pair and gives its ports back.
    pub fn close(&mut self, registry: &Registry, port: MediaPort) {
        let Some(mut pair) = self.pairs.remove(&port) else { return };
        let number = pair.rtp.local_addr().map(|address| address.port());
        // Closing the descriptor ends the watch in any case.
        if pair.wakes {
            let _ = registry.deregister(&mut pair.rtp);
        }
        let _ = registry.deregister(&mut pair.rtcp);
        if let Ok(number) = number {
            self.free.insert(0, number);
        }
    }

    /// The pair of an identifier.
    #[must_use]
    pub fn pair(&self, port: MediaPort) -> Option<&PortPair> {
        self.pairs.get(&port)
    }

    /// The pair of an identifier, to note what was found at it.
    #[must_use]
    pub fn pair_mut(&mut self, port: MediaPort) -> Option<&mut PortPair> {
        self.pairs.get_mut(&port)
    }

    /// How many pairs are open.
    #[must_use]
    pub fn open_pairs(&self) -> usize {
        self.pairs.len()
    }

    /// Which pair and channel a token stands for.
    #[must_use]
    pub fn of_token(token: Token) -> Option<(MediaPort, Channel)> {
        let id = u32::try_from(token.0 / 2).ok()?;
        Some((MediaPort(id), if token.0.is_multiple_of(2) { Channel::Rtp } else { Channel::Rtcp }))
    }

    fn tokens(id: MediaPort) -> (Token, Token) {
        let base = usize::try_from(id.0).unwrap_or(0) * 2;
        (Token(base), Token(base + 1))
    }

    fn bind_pair(bind: IpAddr, port: u16) -> io::Result<PortPair> {
        let rtp = UdpSocket::bind(SocketAddr::new(bind, port))?;
        let rtcp = UdpSocket::bind(SocketAddr::new(bind, port + 1))?;
        Ok(PortPair { rtp, rtcp, wakes: false, steady: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_the_range_without_meeting() {
        let range = 30_000..=30_019;
        let slices: Vec<Ports> = (0..3).map(|shard| Ports::slice(&range, shard, 3)).collect();
        let mut all: Vec<u16> = slices.iter().flat_map(|slice| slice.free.clone()).collect();
        all.sort_unstable();
        assert_eq!(all, (30_000..30_019).step_by(2).collect::<Vec<u16>>());
    }

    #[test]
    fn a_slice_that_is_used_up_says_so_and_a_closed_pair_comes_back() {
        let poll = mio::Poll::new().expect("a poll");
        let mut ports = Ports::slice(&(38_200..=38_203), 0, 1);
        let local = IpAddr::from([127, 0, 0, 1]);
        let first = ports.open(poll.registry(), local).expect("first pair");
        let second = ports.open(poll.registry(), local).expect("second pair");
        assert_eq!((first.rtp.port() % 2, second.rtp.port() % 2), (0, 0));
        assert!(matches!(ports.open(poll.registry(), local), Err(PortError::Exhausted(2))));
        ports.close(poll.registry(), first.port);
        let third = ports.open(poll.registry(), local).expect("the pair given back");
        assert_eq!(third.rtp, first.rtp);
        assert_ne!(third.port, first.port);
        assert_eq!(ports.open_pairs(), 2);
    }

    #[test]
    fn a_token_names_its_pair_and_channel() {
        let (rtp, rtcp) = Ports::tokens(MediaPort(7));
        assert_eq!(Ports::of_token(rtp), Some((MediaPort(7), Channel::Rtp)));
        assert_eq!(Ports::of_token(rtcp), Some((MediaPort(7), Channel::Rtcp)));
    }
}
