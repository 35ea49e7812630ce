//! Session descriptions (RFC 8866) and what the offer/answer model (RFC 3264, RFC 6337) makes of them.
//!
//! One audio stream with telephone-events, plain or encrypted (SDES); every other m-line is refused with port 0. The text is
//! parsed by `sdp-types`; [`negotiate`] decides, [`mod@write`] writes.

pub mod negotiate;
mod numbers;
pub mod recorded;
pub mod write;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::srtp::{Crypto, LocalSrtp};
use crate::audio::Codec;
use crate::units::PayloadType;

pub(crate) use numbers::Meaning;

pub use negotiate::{accept_answer, answer};
pub use numbers::Numbers;
pub use write::{offer, reoffer};

/// Which way audio flows, as seen by the side that says it (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// From this side only.
    SendOnly,
    /// To this side only.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// From its two halves.
    #[must_use]
    pub const fn from_flows(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Does the side that says this send?
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Does the side that says this receive?
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same stream as the other side sees it.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::from_flows(self.receives(), self.sends())
    }

    /// What both allow.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self::from_flows(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The attribute's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// From the attribute's name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|direction| direction.name() == name)
    }
}

/// What our side brings to an offer or an answer.
#[derive(Clone, Debug)]
pub struct LocalMedia {
    /// Where we receive RTP; RTCP is the next port.
    pub address: SocketAddr,
    /// Codecs we take part in, the preferred first.
    pub codecs: Vec<Codec>,
    /// The `o=` session id, the same for the whole dialog.
    pub session_id: u64,
    /// The `o=` version: one more for every description that differs (RFC 3264 §8); see [`LocalMedia::bump`].
    pub version: u64,
    /// Whether comfort noise is offered and taken.
    pub comfort_noise: bool,
    /// Numbers that mean something in this session already.
    pub numbers: Numbers,
    /// Whether we take part in RTCP.
    pub rtcp: bool,
    /// Whether our offers have RTCP share the RTP port (RFC 5761). An offer that has it so is always taken so.
    pub rtcp_mux: bool,
    /// What we are willing to do.
    pub direction: Direction,
    /// Whether the media is encrypted.
    pub srtp: LocalSrtp,
}

impl LocalMedia {
    /// G.711 without comfort noise, RTCP, both ways, version 0, not encrypted.
    #[must_use]
    pub fn new(address: SocketAddr, session_id: u64) -> Self {
        Self {
            address,
            codecs: Codec::G711.to_vec(),
            session_id,
            version: 0,
            comfort_noise: false,
            numbers: Numbers::default(),
            rtcp: true,
            rtcp_mux: false,
            direction: Direction::SendRecv,
            srtp: LocalSrtp::Off,
        }
    }

    /// Counts the version up. Call it before every description of the dialog but the first.
    pub const fn bump(&mut self) {
        self.version = self.version.wrapping_add(1);
    }
}

/// What the two sides agreed on, as far as it concerns us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Where the peer says it receives RTP. The source of its packets may differ: see [`super::latch`].
    pub rtp: SocketAddr,
    /// Where the peer receives RTCP; `None` when one side does without.
    pub rtcp: Option<SocketAddr>,
    /// What we send, and expect.
    pub codec: Codec,
    /// The payload type of `codec` in what we send: the one that the peer gave it.
    pub payload_type: PayloadType,
    /// Its payload type in what the peer sends: the one that we gave it. They differ when an answer renumbers it (RFC 3264
    /// §5.1, §8.3.2).
    pub receive_type: PayloadType,
    /// The payload type of telephone-events in what we send; `None` when the peer does not know them.
    pub telephone_event: Option<PayloadType>,
    /// The payload type of telephone-events in what the peer sends to us.
    pub receive_event: Option<PayloadType>,
    /// The payload type of comfort noise in what we send; `None` where the two sides do without.
    pub comfort_noise: Option<PayloadType>,
    /// Its payload type in what the peer sends to us.
    pub receive_noise: Option<PayloadType>,
    /// How far the durations of telephone-events go in 125 µs, both ways.
    pub event_clock: u16,
    /// How much audio we put into one packet.
    pub ptime: Duration,
    /// What *we* may do now: `RecvOnly` while the peer holds us.
    pub direction: Direction,
    /// RTCP shares the RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// The keys of encrypted media; `None` of plain.
    pub crypto: Option<Crypto>,
}

/// The outcome of an offer or an answer.
#[derive(Clone, Debug)]
pub struct Negotiated {
    /// Our answer; empty when the peer answered our offer.
    pub body: Bytes,
    /// What we agreed on.
    pub remote: Remote,
    /// What the session's numbers mean now: for [`LocalMedia::numbers`].
    pub numbers: Numbers,
    /// The m-lines of the session, for a later offer of ours: [`reoffer`].
    pub layout: Layout,
}

/// The m-lines of a session in their order. A later offer must repeat them all (RFC 3264 §8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pub(crate) lines: Vec<MediaLine>,
}

/// One m-line of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MediaLine {
    /// The audio stream in use.
    Ours,
    /// A stream refused: its media, protocol and formats are repeated with port 0.
    Refused { media: String, proto: String, formats: String },
}

/// Why a description was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Not a session description at all.
    #[error("the session description is malformed")]
    Malformed,
    /// More m-lines or bytes than any honest peer sends.
    #[error("the session description is too large")]
    TooLarge,
    /// No audio stream over RTP that is not refused.
    #[error("no usable audio stream")]
    NoAudio,
    /// Media that is not encrypted where it must be, or is where it can't.
    #[error("encrypted media is required here and not offered, or offered and not possible")]
    Encryption,
    /// No codec in common.
    #[error("no codec in common")]
    NoCommonCodec,
    /// An address that is no unicast IP address of our family.
    #[error("the media address cannot be reached")]
    Address,
}

impl SdpError {
    /// The SIP status that says so: 400 for garbage, 488 for what we cannot do.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::TooLarge => 400,
            Self::NoAudio | Self::Encryption | Self::NoCommonCodec | Self::Address => 488,
        }
    }
}

/// The rate that `a=rtpmap` names for telephone-events that go so far in 125 µs.
pub(crate) const fn event_rate(clock: u16) -> u32 {
    8000 * clock as u32
}

/// The payload type of such telephone-events in our own offers: at 8,000 Hz the customary number.
pub(crate) const fn our_telephone_event(clock: u16) -> PayloadType {
    match clock {
        1 => PayloadType(101),
        _ => PayloadType(102),
    }
}
/// The payload type of comfort noise for codecs whose clock has 8,000 Hz (RFC 3389 §4). There is none for Opus, the only other
/// clock here (RFC 7587 §3.1.3).
pub(crate) const COMFORT_NOISE: PayloadType = PayloadType(13);
/// Whether comfort noise goes with the codec.
pub(crate) const fn takes_noise(codec: Codec) -> bool {
    codec.clock_of_tick() == 1
}
/// The packet time when the peer asks for none (RFC 3551 §4.2 and §4.5: 20 ms in every codec that we have).
pub(crate) const DEFAULT_PTIME_MS: u64 = 20;
