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

use super::capture::{Endpoint, Said, Turn};
use super::frame::Frame;
use super::inband::InbandKeys;
use super::inbound::Inbound;
use super::io::{Event, Input, Output};
use super::latch::{Acquaintance, LatchPolicy};
use super::outbound::Outbound;
use super::rtp::jitter::JitterConfig;
use super::rtp::packet::{self, Packet};
use super::rtp::rtcp::Reporter;
use super::sdp::Remote;
use super::srtp::Protection;
use super::stats::MediaStats;
use super::terms::CodecList;
use super::voice::Attention;
use crate::audio::Clip;
use crate::units::{Digit, Entropy, Epoch, PlayId, RtpTimestamp, Ssrc};

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
    /// What is known of the peer beside its description.
    pub known: Acquaintance,
    /// Bounds of the jitter buffer.
    pub jitter: JitterConfig,
    /// The codecs of our descriptions: of the one agreed on, and of these, packets are taken.
    pub codecs: CodecList,
    /// When keys are listened for in the audio.
    pub inband_keys: InbandKeys,
    /// Our canonical name in RTCP.
    pub cname: String,
    /// A moment of the beat of 20 ms that the packets fall in with; without one they keep the time of the first.
    pub beat: Option<Instant>,
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
            known: Acquaintance::default(),
            jitter: JitterConfig::default(),
            codecs: CodecList::default(),
            inband_keys: InbandKeys::Off,
            // RFC 7022 §4.2: a short-term persistent name of 96 random bits.
            cname: entropy.hex(12),
            beat: None,
            comfort: true,
            epoch,
            entropy: entropy.fork(),
        }
    }
}

/// The media of one leg.
pub struct MediaSession {
    /// The time of the last input; outputs are of that moment.
    now: Instant,
    protection: Protection,
    inbound: Inbound,
    outbound: Outbound,
    reporter: Reporter,
    remote: Option<Remote>,
    /// Where the peer's RTCP came from, when that is not what the SDP says.
    rtcp_source: Option<SocketAddr>,
    /// When the listener's next frame is due.
    listen_at: Option<Instant>,
    /// Frames handed out since the last input.
    listen_burst: u32,
    events: VecDeque<Event>,
    /// What the peer said.
    said: Option<Box<Said>>,
    /// Somebody wants to have what the peer hears.
    tapped: bool,
    /// What the packet handed out last holds is to be told.
    heard: bool,
    /// Boxed, for an output is as large as a frame and this one comes once.
    goodbye: Option<Box<Output>>,
    /// Polled until [`Output::Timeout`] since the last input.
    drained: bool,
    closed: bool,
}

impl MediaSession {
    /// A session that knows no peer yet.
    #[must_use]
    pub fn new(now: Instant, config: MediaConfig) -> Self {
        let MediaConfig { ssrc, first_seq, first_timestamp, comfort, beat, .. } = config;
        Self {
            now,
            protection: Protection::Plain,
            inbound: Inbound::new(
                (config.latch, config.known),
                config.jitter,
                config.silence_timeout,
                (config.codecs, config.inband_keys),
            ),
            outbound: Outbound::new(ssrc, (first_seq, first_timestamp), comfort, beat),
            reporter: Reporter::new(ssrc, config.cname, config.epoch, config.entropy),
            remote: None,
            rtcp_source: None,
            listen_at: None,
            listen_burst: 0,
            events: VecDeque::new(),
            said: None,
            tapped: false,
            heard: false,
            goodbye: None,
            drained: true,
            closed: false,
        }
    }

    /// Takes what was negotiated, first and again after every later offer.
    pub fn connect(&mut self, now: Instant, remote: &Remote) {
        if self.closed {
            return;
        }
        self.begin(now);
        self.protection.agree(now, remote.crypto.as_ref());
        self.reporter.sends_at(remote.codec.clock_rate());
        self.inbound.connect(now, remote);
        self.outbound.connect(now, remote);
        if remote.rtcp.is_some() {
            self.reporter.start(now);
        } else {
            self.reporter.stop();
        }
        self.remote = Some(remote.clone());
    }

    /// Takes a datagram or the passing of time.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        debug_assert!(self.drained, "law 2: outputs are drained before the next input");
        self.drained = false;
        self.begin(now);
        match input {
            _ if self.closed || self.remote.is_none() => {}
            Input::Timeout => {}
            Input::Rtp { came, from, bytes } => self.datagram(came, from, bytes, self.is_report(bytes)),
            Input::Rtcp { from, bytes } => self.datagram(now, from, bytes, true),
        }
        self.attend_to_speech();
    }

    /// What has become of what the peer says.
    fn attend_to_speech(&mut self) {
        match self.inbound.turn(self.now) {
            Some(Turn::Begun) => self.events.push_back(Event::Speaking(true)),
            Some(Turn::Nothing) => self.events.push_back(Event::Speaking(false)),
            Some(Turn::Said(said)) => self.said = Some(Box::new(said)),
            None => {}
        }
    }

    /// What came, in clear or not.
    fn datagram(&mut self, came: Instant, from: SocketAddr, bytes: &[u8], report: bool) {
        if self.protection.is_plain() {
            self.take(came, from, bytes, report);
            return;
        }
        let mut room = [0; Protection::MAX_DATAGRAM];
        if let Some(opened) = self.protection.open(came, bytes, report, &mut room) {
            self.take(came, from, opened, report);
        } else {
            self.inbound.count_refused(self.protection.forged(), self.protection.replayed());
        }
    }

    fn take(&mut self, came: Instant, from: SocketAddr, bytes: &[u8], report: bool) {
        if report {
            self.report_came(from, bytes);
            return;
        }
        let events = self.inbound.receive(came, from, bytes);
        self.events.extend(events.into_iter().flatten());
    }

    /// The next thing to do. Call it until it gives [`Output::Timeout`] before the next `handle` (law 2).
    pub fn poll(&mut self) -> Output {
        if let Some(event) = self.events.pop_front() {
            return Output::Event(event);
        }
        if let Some(said) = self.said.take() {
            return Output::Said(said);
        }
        if std::mem::take(&mut self.heard) {
            return Output::Heard(self.outbound.heard());
        }
        if let Some(goodbye) = self.goodbye.take() {
            return *goodbye;
        }
        if self.closed {
            self.drained = true;
            return Output::Timeout(None);
        }
        while let Some(sending) = self.outbound.fill(self.now) {
            self.events.extend(sending.finished.map(Event::PlayFinished));
            // Before it is protected.
            let attends = self.inbound.attends();
            let is_audio = (self.tapped || attends) && self.outbound.hear(&sending);
            if is_audio && attends {
                self.inbound.says(&self.outbound.heard());
            }
            let Some(mut bytes) = sending.packet else {
                if is_audio && self.tapped {
                    return Output::Heard(self.outbound.heard());
                }
                continue;
            };
            if let Some(to) = self.rtp_target()
                && self.protection.seal(&mut bytes).is_some()
            {
                self.heard = is_audio && self.tapped;
                return Output::Rtp { to, bytes };
            }
        }
        if let Some(event) = self.events.pop_front().or_else(|| self.inbound.report_silence(self.now)) {
            return Output::Event(event);
        }
        if let Some(frame) = self.frame() {
            return Output::Frame(frame);
        }
        if let Some(report) = self.report() {
            return report;
        }
        self.drained = true;
        Output::Timeout(self.next_timeout())
    }

    /// Plays the clips one after another, in place of what plays. The first packet of all leaves at once, later
    /// plays begin in the next slot. `repeat` starts over at the end, until [`MediaSession::stop`]. Nothing to play is
    /// finished at once. While the peer holds us the play waits.
    pub fn play(&mut self, now: Instant, id: PlayId, clips: Vec<Arc<Clip>>, repeat: bool) {
        if self.closed {
            return;
        }
        self.begin(now);
        if self.outbound.play(now, id, clips, repeat) {
            self.events.push_back(Event::PlayFinished(id));
        }
    }

    /// Stops playing. A stopped play reports no [`Event::PlayFinished`].
    pub fn stop(&mut self) {
        self.outbound.stop();
    }

    /// Sends keys as telephone-events, after those still being sent. Audio waits meanwhile.
    pub fn send_digits(&mut self, now: Instant, digits: &[Digit]) {
        self.begin(now);
        self.outbound.send_keys(now, digits);
    }

    /// Whether to deliver what the peer says as [`Output::Frame`], 20 ms at a time.
    pub fn listen(&mut self, on: bool) {
        self.inbound.listen(on);
        if on {
            self.listen_at.get_or_insert(self.now);
        } else {
            self.listen_at = None;
        }
    }

    /// Whether to report when the peer begins to speak, as [`Event::Voice`], and to keep what it says for
    /// [`MediaSession::want`].
    pub fn attend(&mut self, attention: Attention) {
        self.inbound.attend(attention);
    }

    /// What is wanted of what the peer says, as [`Output::Said`]: up to where it ends.
    pub fn want(&mut self, endpoint: Option<Endpoint>) {
        self.inbound.want(endpoint);
    }

    /// Whether to deliver what the peer hears as [`Output::Heard`], a packet at a time: audio only, no keys.
    pub const fn tap(&mut self, on: bool) {
        self.tapped = on;
    }

    /// Sends this frame in the next slots. The queue is short: what is not sent in time is dropped. While
    /// something plays, frames are dropped.
    pub fn push(&mut self, frame: Frame) {
        self.outbound.push(self.now, &frame);
    }

    /// Whether frames must not carry the sound of keys. Keys are still reported as events.
    pub fn mute_inbound_keys(&mut self, on: bool) {
        self.inbound.mute_keys(on);
    }

    /// Says goodbye by RTCP and does nothing more after it.
    pub fn close(&mut self, now: Instant) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.now = self.now.max(now);
        self.events.clear();
        self.said = None;
        if self.reporter.due().is_some() {
            let (sent, block) = (self.outbound.sent(self.now), self.inbound.block());
            let bytes = self.reporter.goodbye(self.now, sent, block);
            self.goodbye = self.rtcp_output(bytes).map(Box::new);
        }
    }

    /// The peer's stream, once one was heard: where it comes from, and its SSRC.
    #[must_use]
    pub fn heard_stream(&self) -> Option<(SocketAddr, Ssrc)> {
        self.inbound.stream()
    }

    /// The figures until now.
    #[must_use]
    pub fn stats(&self) -> MediaStats {
        let sent = self.outbound.sent(self.now);
        let heard = self.reporter.heard();
        MediaStats {
            packets_sent: sent.packets,
            octets_sent: sent.octets,
            remote_loss: heard.loss,
            remote_jitter: heard.jitter,
            round_trip: heard.round_trip,
            encrypted: !self.protection.is_plain(),
            ..self.inbound.stats()
        }
    }

    fn begin(&mut self, now: Instant) {
        // A clock that is read in several places may seem to step back by a little.
        self.now = self.now.max(now);
        self.outbound.begin();
        self.listen_burst = 0;
    }

    /// Whether what came to the RTP port is RTCP: on a port that it shares all whose second octet is of its range, 64 to 95
    /// behind a marker (RFC 5761 §4). Some send it to the RTP port unasked; there a number that was agreed on is RTP.
    fn is_report(&self, bytes: &[u8]) -> bool {
        let shares = self.remote.as_ref().is_some_and(|remote| remote.rtcp_mux);
        packet::is_rtcp(bytes)
            && (shares || packet::number(bytes).is_none_or(|number| !self.inbound.takes(number)))
    }

    fn report_came(&mut self, from: SocketAddr, bytes: &[u8]) {
        if !self.inbound.admits_report(from) {
            return;
        }
        if self.reporter.receive(self.now, bytes) {
            self.rtcp_source = Some(from);
            self.inbound.report_came(self.now);
        } else {
            self.inbound.count_malformed();
        }
    }

    /// The listener's next frame. After a stall a few are caught up with, the others left to the jitter buffer.
    fn frame(&mut self) -> Option<Frame> {
        while let Some(at) = self.listen_at.filter(|&at| at <= self.now) {
            self.listen_at = Some(at + FRAME_TIME);
            self.listen_burst += 1;
            if self.listen_burst > MAX_BURST {
                self.listen_at = Some(self.now + FRAME_TIME);
                return None;
            }
            let frame = self.inbound.frame(at);
            if frame.is_some() {
                return frame;
            }
        }
        None
    }

    fn report(&mut self) -> Option<Output> {
        if self.reporter.due().is_none_or(|due| due > self.now) {
            return None;
        }
        let (sent, block) = (self.outbound.sent(self.now), self.inbound.block());
        let bytes = self.reporter.report(self.now, sent, block);
        self.rtcp_output(bytes)
    }

    fn rtcp_output(&mut self, mut bytes: Packet) -> Option<Output> {
        self.protection.seal_report(&mut bytes)?;
        let remote = self.remote.as_ref()?;
        let to = self.rtcp_target()?;
        Some(if remote.rtcp_mux { Output::Rtp { to, bytes } } else { Output::Rtcp { to, bytes } })
    }

    /// The source once it is known (RFC 4961), else the signalled address.
    fn rtp_target(&self) -> Option<SocketAddr> {
        self.inbound.source().or_else(|| self.remote.as_ref().map(|remote| remote.rtp))
    }

    /// As for RTP; behind NAT the source of the peer's own reports, else the port next to the RTP source.
    fn rtcp_target(&self) -> Option<SocketAddr> {
        let remote = self.remote.as_ref()?;
        let signalled = remote.rtcp?;
        let target = match self.inbound.source() {
            Some(source) if remote.rtcp_mux => source,
            Some(source) if source != remote.rtp => self
                .rtcp_source
                .unwrap_or_else(|| SocketAddr::new(source.ip(), source.port().saturating_add(1))),
            _ => signalled,
        };
        (!target.ip().is_unspecified()).then_some(target)
    }

    fn next_timeout(&self) -> Option<Instant> {
        [
            self.outbound.due(),
            self.listen_at,
            self.inbound.silent_at(),
            self.inbound.turn_due(),
            self.reporter.due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

/// What a listener gets at a time.
const FRAME_TIME: Duration = Duration::from_millis(20);
/// Frames handed out at once after a stall.
const MAX_BURST: u32 = 5;

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
