//! The media of one leg: one machine that turns datagrams into keys and frames, and prompts, bridged
//! frames and keys into datagrams.
//!
//! It composes [`Inbound`] (source check, telephone-events, reception figures, jitter buffer) and
//! [`Outbound`] (slots of one packet time, player, bridge, keys) and lets RTCP report on both. Sending never
//! depends on receiving: law 7, the media tick never waits.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::frame::Frame;
use super::latch::LatchPolicy;
use super::rtp::jitter::JitterConfig;
use super::sdp::Remote;
use super::stats::MediaStats;
use crate::audio::Clip;
use crate::units::{Digit, Entropy, Epoch, PlayId, RtpTimestamp, Ssrc};

/// One outgoing datagram; a packet of up to 30 ms of G.711 needs no allocation.
pub type Packet = SmallVec<[u8; 256]>;

/// How a session starts.
#[derive(Debug)]
pub struct MediaConfig {
    /// Our synchronisation source.
    pub ssrc: Ssrc,
    /// Our first sequence number: random (RFC 3550 §5.1).
    pub first_seq: u16,
    /// Our first timestamp: random (RFC 3550 §5.1).
    pub first_timestamp: RtpTimestamp,
    /// Without media for this long, [`Event::Silent`] is reported.
    pub silence_timeout: Duration,
    /// When a source other than the signalled address may be taken for the peer.
    pub latch: LatchPolicy,
    /// Bounds of the jitter buffer.
    pub jitter: JitterConfig,
    /// Our canonical name in RTCP.
    pub cname: String,
    /// Send silence while there is nothing to send, so that NAT bindings and telephones stay content.
    pub comfort: bool,
    /// Calendar time for sender reports.
    pub epoch: Epoch,
    /// Randomises the report interval.
    pub entropy: Entropy,
}

impl MediaConfig {
    /// Random identifiers and the usual bounds.
    #[must_use]
    pub fn from_entropy(entropy: &mut Entropy, epoch: Epoch) -> Self {
        let [first, second] = [entropy.next_u32(), entropy.next_u32()];
        let [a, b, ..] = entropy.next_u32().to_be_bytes();
        Self {
            ssrc: Ssrc(first),
            first_seq: u16::from_be_bytes([a, b]),
            first_timestamp: RtpTimestamp(second),
            silence_timeout: Duration::from_secs(30),
            latch: LatchPolicy::default(),
            jitter: JitterConfig::default(),
            // RFC 7022 §4.2: a short-term persistent name of 96 random bits.
            cname: entropy.hex(12),
            comfort: true,
            epoch,
            entropy: entropy.fork(),
        }
    }
}

/// Something that happened to a session.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram came to the RTP port.
    Rtp {
        /// Its source.
        from: SocketAddr,
        /// Its content.
        bytes: &'a [u8],
    },
    /// A datagram came to the RTCP port.
    Rtcp {
        /// Its source.
        from: SocketAddr,
        /// Its content.
        bytes: &'a [u8],
    },
    /// The time of the last [`Output::Timeout`] has come.
    Timeout,
}

/// What a session wants done.
pub enum Output {
    /// Send from the RTP port.
    Rtp {
        /// Where to.
        to: SocketAddr,
        /// What.
        bytes: Packet,
    },
    /// Send from the RTCP port.
    Rtcp {
        /// Where to.
        to: SocketAddr,
        /// What.
        bytes: Packet,
    },
    /// Something the call may care about.
    Event(Event),
    /// 20 ms of what the peer says, while someone listens.
    Frame(Frame),
    /// Nothing more to do until then; `None`: until the next input.
    Timeout(Option<Instant>),
}

/// What a session noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A key was pressed. Reported once a press, when its first packet is seen.
    Digit(Digit),
    /// The last packet of this order to play has been handed out.
    PlayFinished(PlayId),
    /// From now on this source is the peer.
    Latched(SocketAddr),
    /// The first packet from the peer came.
    FirstPacket,
    /// No media for the silence timeout; once per silence.
    Silent,
}

/// The media of one leg.
pub struct MediaSession {
    config: MediaConfig,
    events: VecDeque<Event>,
}

impl MediaSession {
    /// A session that knows no peer yet.
    #[must_use]
    pub fn new(_now: Instant, config: MediaConfig) -> Self {
        Self { config, events: VecDeque::new() }
    }

    /// Takes what was negotiated, first and again after every later offer.
    pub fn connect(&mut self, _now: Instant, _remote: &Remote) {
        let _ = &self.config;
    }

    /// Takes a datagram or the passing of time.
    pub fn handle(&mut self, _now: Instant, _input: Input<'_>) {}

    /// The next thing to do. Call it until it gives [`Output::Timeout`] before the next `handle` (law 2).
    pub fn poll(&mut self) -> Output {
        self.events.pop_front().map_or(Output::Timeout(None), Output::Event)
    }

    /// Plays the clips one after another, in place of what plays. The first packet leaves at once when
    /// nothing plays. `repeat` starts over at the end, until [`MediaSession::stop`].
    pub fn play(&mut self, _now: Instant, _id: PlayId, _clips: Vec<Arc<Clip>>, _repeat: bool) {}

    /// Stops playing. A stopped play reports no [`Event::PlayFinished`].
    pub fn stop(&mut self) {}

    /// Sends keys as telephone-events, after those still being sent.
    pub fn send_digits(&mut self, _now: Instant, _digits: &[Digit]) {}

    /// Whether to deliver what the peer says as [`Output::Frame`].
    pub fn listen(&mut self, _on: bool) {}

    /// Sends this frame in the next slots. The queue is short: what is not sent in time is dropped.
    pub fn push(&mut self, _frame: Frame) {}

    /// Whether frames must not carry the sound of keys. Keys are still reported as events.
    pub fn mute_inbound_keys(&mut self, _on: bool) {}

    /// Says goodbye by RTCP and does nothing more after it.
    pub fn close(&mut self, _now: Instant) {}

    /// The figures until now.
    #[must_use]
    pub fn stats(&self) -> MediaStats {
        MediaStats::default()
    }
}
