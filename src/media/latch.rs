//! Which source is the peer: symmetric RTP (RFC 4961) without opening the door to RTP bleed and injection.
//!
//! ```text
//! packet from the signalled address                      → it is the peer, at once
//! from elsewhere, while nothing is latched and the stream is young:
//!   the signalled address cannot be right (unspecified,
//!   private or shared range), the host is the one that
//!   the peer's signalling comes from                     → after 2 packets of one source and SSRC
//!   the host is the signalled one, the port another      → after 5, and 1 s of nothing from that address
//!   any other host, or the stream that this port had in
//!   the call before                                      → foreign
//! from elsewhere, afterwards                             → foreign: counted by the caller, dropped
//! ```
//!
//! So a stranger at another address gets no call, however long its peer says nothing. A source latched by
//! inference gives way to the signalled address itself, once; where that can't be right, while the stream is
//! young only. What comes before the latch is dropped, telephone-events included: they repeat themselves.

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

/// What is known of a peer beside its description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acquaintance {
    /// Where its signalling comes from.
    pub signalling: Option<IpAddr>,
    /// Who spoke to our port in the call before, and may not have noticed its end.
    pub former: Option<(SocketAddr, Ssrc)>,
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
    known: Acquaintance,
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
    pub fn new(now: Instant, policy: LatchPolicy, known: Acquaintance, signalled: SocketAddr) -> Self {
        Self { policy, known, signalled: canonical(signalled), since: now, state: State::Open(None) }
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
            State::Inferred(_)
                if from == self.signalled && (self.young(now) || !is_behind_nat(from.ip())) =>
            {
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
        let former = self.known.former.map(|(source, ssrc)| (canonical(source), ssrc));
        let wait = self.wait_for(from.ip());
        let Some((enough, patience)) = wait.filter(|_| self.young(now) && former != Some((from, ssrc)))
        else {
            return Verdict::Foreign;
        };
        let packets = match candidate {
            Some(known) if known.source == from && known.ssrc == ssrc => known.packets + 1,
            _ => 1,
        };
        if packets >= enough && now.saturating_duration_since(self.since) >= patience {
            self.state = State::Inferred(from);
            return Verdict::Latched;
        }
        self.state = State::Open(Some(Candidate { source: from, ssrc, packets }));
        Verdict::Foreign
    }

    /// How many packets, and how long, it takes to believe a port of this host; `None` if it is no host of the peer's.
    fn wait_for(&self, host: IpAddr) -> Option<(u32, Duration)> {
        let signalling = self.known.signalling.map(|ip| ip.to_canonical());
        if self.policy == LatchPolicy::Strict {
            None
        } else if signalling == Some(host) && is_behind_nat(self.signalled.ip()) {
            Some((PACKETS_BEHIND_NAT, Duration::ZERO))
        } else {
            (host == self.signalled.ip()).then_some((PACKETS_OF_ANOTHER_PORT, PATIENCE))
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
const PACKETS_BEHIND_NAT: u32 = 2;
/// A tenth of a second of audio: whoever guesses our port must also keep a stream up.
const PACKETS_OF_ANOTHER_PORT: u32 = 5;
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
        latch_of(signalled, Acquaintance::default())
    }

    fn latch_of(signalled: &str, known: Acquaintance) -> (Latch, Instant) {
        let now = test_start();
        (Latch::new(now, LatchPolicy::Early, known, at(signalled)), now)
    }

    fn told_from(signalling: &str) -> Acquaintance {
        Acquaintance { signalling: Some(at(signalling).ip()), former: None }
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
    fn a_private_address_gives_way_to_the_second_packet_from_where_the_signalling_comes() {
        for signalled in ["10.0.0.5:4000", "192.168.1.2:4000", "100.64.3.3:4000", "0.0.0.0:4000"] {
            let (mut latch, now) = latch_of(signalled, told_from("203.0.113.9:5060"));
            let (outside, thief) = (at("203.0.113.9:61000"), at("203.0.113.10:61000"));
            // Whoever is there before, and in between, changes nothing.
            for _ in 0..100 {
                assert_eq!(latch.judge(now, thief, PEER), Verdict::Foreign);
            }
            assert_eq!(latch.judge(now, outside, PEER), Verdict::Foreign);
            assert_eq!(latch.judge(now, thief, PEER), Verdict::Foreign);
            assert_eq!(latch.judge(now, outside, PEER), Verdict::Latched, "{signalled}");
            assert_eq!(latch.judge(now, outside, PEER), Verdict::Peer);
            assert_eq!(latch.judge(now, thief, PEER), Verdict::Foreign);
        }
    }

    #[test]
    fn two_sources_in_turn_are_not_consistent() {
        let (mut latch, now) = latch_of("10.0.0.5:4000", told_from("203.0.113.1:5060"));
        for _ in 0..100 {
            assert_eq!(latch.judge(now, at("203.0.113.1:1"), PEER), Verdict::Foreign);
            assert_eq!(latch.judge(now, at("203.0.113.1:2"), PEER), Verdict::Foreign);
        }
    }

    #[test]
    fn another_host_is_never_the_peer_however_long_the_peer_says_nothing() {
        for signalled in ["198.51.100.1:4000", "10.0.0.5:4000", "0.0.0.0:4000"] {
            let (mut latch, now) = latch_of(signalled, told_from("198.51.100.1:5060"));
            for ms in (0..20_000).step_by(20) {
                let at_last = now + Duration::from_millis(ms);
                assert_eq!(
                    latch.judge(at_last, at("203.0.113.9:4000"), PEER),
                    Verdict::Foreign,
                    "{signalled}"
                );
            }
            assert_eq!(latch.source(), None);
        }
    }

    #[test]
    fn another_port_of_the_host_waits_for_the_signalled_one_which_wins_when_it_speaks() {
        let (mut latch, now) = latch("198.51.100.1:4000");
        let other = at("198.51.100.1:4002");
        for ms in (0..980).step_by(20) {
            assert_eq!(latch.judge(now + Duration::from_millis(ms), other, PEER), Verdict::Foreign);
        }
        assert_eq!(latch.judge(now + Duration::from_secs(1), other, PEER), Verdict::Latched);
        // However late that is.
        let later = now + YOUTH * 3;
        assert_eq!(latch.judge(later, at("198.51.100.1:4000"), Ssrc(2)), Verdict::Latched);
        assert_eq!(latch.judge(later, other, PEER), Verdict::Foreign);
    }

    #[test]
    fn the_stream_of_the_call_before_is_never_the_peer_unless_it_is_where_the_peer_says() {
        let former = at("198.51.100.1:4000");
        let known = Acquaintance { former: Some((former, PEER)), ..told_from("198.51.100.1:5060") };
        for signalled in ["198.51.100.1:4002", "10.0.0.5:4000"] {
            let (mut latch, now) = latch_of(signalled, known);
            for ms in (0..9000).step_by(20) {
                let then = now + Duration::from_millis(ms);
                assert_eq!(latch.judge(then, former, PEER), Verdict::Foreign, "{signalled}");
            }
            // The same telephone calls again: its stream is another.
            let then = now + Duration::from_secs(9);
            let taken = (0..5).any(|_| latch.judge(then, former, Ssrc(2)) == Verdict::Latched);
            assert!(taken, "{signalled}");
        }
        let (mut latch, now) = latch_of("198.51.100.1:4000", known);
        assert_eq!(latch.judge(now, former, PEER), Verdict::Latched);
    }

    #[test]
    fn early_ends_after_ten_seconds_and_strict_is_never_early() {
        let known = told_from("203.0.113.9:5060");
        let (mut latch, now) = latch_of("10.0.0.5:4000", known);
        for _ in 0..10 {
            assert_eq!(latch.judge(now + YOUTH, at("203.0.113.9:1"), PEER), Verdict::Foreign);
        }
        let mut strict = Latch::new(now, LatchPolicy::Strict, known, at("10.0.0.5:4000"));
        for _ in 0..10 {
            assert_eq!(strict.judge(now, at("203.0.113.9:1"), PEER), Verdict::Foreign);
        }
    }

    #[test]
    fn a_mapped_address_is_the_same_address() {
        let (mut latch, now) = latch("198.51.100.1:4000");
        assert_eq!(latch.judge(now, at("[::ffff:198.51.100.1]:4000"), PEER), Verdict::Latched);
        let (mut latch, now) = latch_of("10.0.0.5:4000", told_from("[::ffff:203.0.113.9]:5060"));
        assert_eq!(latch.judge(now, at("203.0.113.9:1"), PEER), Verdict::Foreign);
        assert_eq!(latch.judge(now, at("203.0.113.9:1"), PEER), Verdict::Latched);
    }
}
