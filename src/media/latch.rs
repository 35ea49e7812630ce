//! Which source is the peer: symmetric RTP (RFC 4961) without opening the door to RTP bleed and injection.
//!
//! ```text
//! packet from the signalled address                      → it is the peer, at once
//! from elsewhere, while nothing is latched and the stream is young:
//!   the signalled address cannot be right (unspecified,
//!   private or shared range) or only the port differs    → after 2 packets of one source and SSRC
//!   any other signalled address                          → after 5, and 1 s of nothing from that address
//! from elsewhere, afterwards                             → foreign: counted by the caller, dropped
//! ```
//!
//! A source latched by inference gives way to the signalled address itself, once, while the stream is
//! young. What comes before the latch is dropped, telephone-events included: they repeat themselves.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::units::Ssrc;

/// When a source other than the signalled address may be taken for the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LatchPolicy {
    /// Only the signalled address.
    Strict,
    /// The signalled address or, once and early, the first consistent source.
    #[default]
    Early,
}

/// What a packet's source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The peer.
    Peer,
    /// The peer, as of this packet.
    Latched,
    /// Someone else, or not known yet: drop it.
    Foreign,
}

/// Decides packet by packet.
#[derive(Debug)]
pub struct Latch {
    policy: LatchPolicy,
    signalled: SocketAddr,
    since: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open(Option<Candidate>),
    /// The peer, known by its behaviour only.
    Inferred(SocketAddr),
    /// The peer, where its SDP says.
    Signalled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    source: SocketAddr,
    ssrc: Ssrc,
    packets: u32,
}

impl Latch {
    /// Waits for the peer of this signalled address.
    #[must_use]
    pub fn new(now: Instant, policy: LatchPolicy, signalled: SocketAddr) -> Self {
        Self { policy, signalled: canonical(signalled), since: now, state: State::Open(None) }
    }

    /// The address this latch was made with.
    #[must_use]
    pub const fn signalled(&self) -> SocketAddr {
        self.signalled
    }

    /// The peer's source, once known.
    #[must_use]
    pub const fn source(&self) -> Option<SocketAddr> {
        match self.state {
            State::Open(_) => None,
            State::Inferred(source) => Some(source),
            State::Signalled => Some(self.signalled),
        }
    }

    /// Judges the source of a well-formed packet with an agreed payload type.
    pub fn judge(&mut self, now: Instant, from: SocketAddr, ssrc: Ssrc) -> Verdict {
        let from = canonical(from);
        match self.state {
            State::Signalled if from == self.signalled => Verdict::Peer,
            State::Signalled => Verdict::Foreign,
            State::Inferred(source) if from == source => Verdict::Peer,
            State::Inferred(_) if from == self.signalled && self.young(now) => {
                self.state = State::Signalled;
                Verdict::Latched
            }
            State::Inferred(_) => Verdict::Foreign,
            State::Open(_) if from == self.signalled => {
                self.state = State::Signalled;
                Verdict::Latched
            }
            State::Open(candidate) => self.consider(now, candidate, from, ssrc),
        }
    }

    /// Is this host the peer's, whatever the port? For RTCP, whose source port nobody announces.
    #[must_use]
    pub fn is_host(&self, from: SocketAddr) -> bool {
        let ip = canonical(from).ip();
        self.source().map_or(ip == self.signalled.ip(), |source| ip == source.ip())
    }

    fn consider(
        &mut self,
        now: Instant,
        candidate: Option<Candidate>,
        from: SocketAddr,
        ssrc: Ssrc,
    ) -> Verdict {
        if self.policy == LatchPolicy::Strict || !self.young(now) {
            return Verdict::Foreign;
        }
        let packets = match candidate {
            Some(known) if known.source == from && known.ssrc == ssrc => known.packets + 1,
            _ => 1,
        };
        if self.is_enough(now, from, packets) {
            self.state = State::Inferred(from);
            return Verdict::Latched;
        }
        self.state = State::Open(Some(Candidate { source: from, ssrc, packets }));
        Verdict::Foreign
    }

    fn is_enough(&self, now: Instant, from: SocketAddr, packets: u32) -> bool {
        let doubtful = is_behind_nat(self.signalled.ip()) || from.ip() == self.signalled.ip();
        if doubtful {
            packets >= PACKETS_WHEN_DOUBTFUL
        } else {
            packets >= PACKETS_OTHERWISE && now.saturating_duration_since(self.since) >= PATIENCE
        }
    }

    fn young(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < YOUTH
    }
}

/// An IPv4 address seen through an IPv6 socket is the IPv4 address.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// An address that cannot be the one packets come from over the Internet: unspecified, private (RFC 1918,
/// RFC 4193), shared (RFC 6598) or link-local.
fn is_behind_nat(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            v4.is_unspecified() || v4.is_private() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Two packets of one source and SSRC are no stray.
const PACKETS_WHEN_DOUBTFUL: u32 = 2;
/// A tenth of a second of audio: whoever guesses our port must also keep a stream up.
const PACKETS_OTHERWISE: u32 = 5;
/// How long the signalled address is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long "early" lasts: until then a peer behind NAT has sent something.
const YOUTH: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::test_start;

    const PEER: Ssrc = Ssrc(1);

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn latch(signalled: &str) -> (Latch, Instant) {
        let now = test_start();
        (Latch::new(now, LatchPolicy::Early, at(signalled)), now)
    }

    #[test]
    fn the_signalled_address_is_the_peer_at_once_and_for_good() {
        let (mut latch, now) = latch("198.51.100.1:4000");
        assert_eq!(latch.judge(now, at("198.51.100.1:4000"), PEER), Verdict::Latched);
        assert_eq!(latch.judge(now, at("198.51.100.1:4000"), PEER), Verdict::Peer);
        for _ in 0..1000 {
            assert_eq!(latch.judge(now, at("203.0.113.9:4000"), PEER), Verdict::Foreign);
            assert_eq!(latch.judge(now, at("198.51.100.1:4001"), PEER), Verdict::Foreign);
        }
        assert_eq!(latch.source(), Some(at("198.51.100.1:4000")));
    }

    #[test]
    fn a_private_address_gives_way_to_the_second_packet_of_one_source() {
        for signalled in ["10.0.0.5:4000", "192.168.1.2:4000", "100.64.3.3:4000", "0.0.0.0:4000"] {
            let (mut latch, now) = latch(signalled);
            let outside = at("203.0.113.9:61000");
            assert_eq!(latch.judge(now, outside, PEER), Verdict::Foreign);
            assert_eq!(latch.judge(now, outside, PEER), Verdict::Latched, "{signalled}");
            assert_eq!(latch.judge(now, outside, PEER), Verdict::Peer);
            assert_eq!(latch.judge(now, at("203.0.113.10:61000"), PEER), Verdict::Foreign);
        }
    }

    #[test]
    fn two_sources_in_turn_are_not_consistent() {
        let (mut latch, now) = latch("10.0.0.5:4000");
        for _ in 0..100 {
            assert_eq!(latch.judge(now, at("203.0.113.1:1"), PEER), Verdict::Foreign);
            assert_eq!(latch.judge(now, at("203.0.113.2:2"), PEER), Verdict::Foreign);
        }
    }

    #[test]
    fn a_public_address_is_waited_for_and_wins_when_it_speaks() {
        let (mut latch, now) = latch("198.51.100.1:4000");
        let thief = at("203.0.113.9:4000");
        for ms in (0..980).step_by(20) {
            assert_eq!(latch.judge(now + Duration::from_millis(ms), thief, PEER), Verdict::Foreign);
        }
        assert_eq!(latch.judge(now + Duration::from_secs(1), thief, PEER), Verdict::Latched);
        let later = now + Duration::from_secs(2);
        assert_eq!(latch.judge(later, at("198.51.100.1:4000"), Ssrc(2)), Verdict::Latched);
        assert_eq!(latch.judge(later, thief, PEER), Verdict::Foreign);
    }

    #[test]
    fn early_ends_after_ten_seconds_and_strict_is_never_early() {
        let (mut latch, now) = latch("10.0.0.5:4000");
        for _ in 0..10 {
            assert_eq!(latch.judge(now + YOUTH, at("203.0.113.9:1"), PEER), Verdict::Foreign);
        }
        let mut strict = Latch::new(now, LatchPolicy::Strict, at("10.0.0.5:4000"));
        for _ in 0..10 {
            assert_eq!(strict.judge(now, at("203.0.113.9:1"), PEER), Verdict::Foreign);
        }
    }

    #[test]
    fn a_mapped_address_is_the_same_address() {
        let (mut latch, now) = latch("198.51.100.1:4000");
        assert_eq!(latch.judge(now, at("[::ffff:198.51.100.1]:4000"), PEER), Verdict::Latched);
    }
}
