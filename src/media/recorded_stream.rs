//! One stream of a recording session (RFC 7866 §8.1): a copy of one side of a call, sent to a recording server.
//!
//! It is fed from [`super::recorder::Recorder`], so what is hidden there never gets here. Its timestamps are places in
//! the recording: both streams of a call count the same clock, and a sender report says what the clock on the wall was.

use std::net::SocketAddr;
use std::time::Instant;

use super::recorder::{COPIED_OCTETS, KEPT};
use super::rtp::packet::{self, Header, Packet};
use super::rtp::rtcp::{Reporter, Sent};
use super::rtp::seq::SeqNo;
use super::sdp::Remote;
use super::srtp::Protection;
use crate::units::{Entropy, Epoch, RtpTimestamp, Ssrc};

/// A stream of copies.
pub struct RecordedStream {
    ssrc: Ssrc,
    seq: SeqNo,
    /// The timestamp of the recording's first octet.
    first: RtpTimestamp,
    protection: Protection,
    reporter: Reporter,
    /// Where to; `None` before it is agreed on, and of a stream that the server refused.
    remote: Option<Remote>,
    packets: u64,
    octets: u64,
}

impl RecordedStream {
    /// Sends nothing before [`RecordedStream::connect`].
    #[must_use]
    pub fn new(entropy: &mut Entropy, epoch: Epoch, cname: String) -> Self {
        let ssrc = Ssrc(entropy.next_u32());
        let [a, b, ..] = entropy.next_u32().to_be_bytes();
        Self {
            ssrc,
            seq: SeqNo(u16::from_be_bytes([a, b])),
            first: RtpTimestamp(entropy.next_u32()),
            protection: Protection::Plain,
            reporter: Reporter::new(ssrc, cname, epoch, entropy.fork()),
            remote: None,
            packets: 0,
            octets: 0,
        }
    }

    /// Whose packets they are.
    #[must_use]
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Packets sent.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Takes what was agreed on, first and again after every later offer; `None` when the server refuses the stream.
    pub fn connect(&mut self, now: Instant, remote: Option<Remote>) {
        if let Some(remote) = &remote {
            self.protection.agree(now, remote.crypto.as_ref());
        }
        match remote.as_ref().and_then(|remote| remote.rtcp) {
            Some(_) => self.reporter.start(now),
            None => self.reporter.stop(),
        }
        self.remote = remote;
    }

    /// The packet of 20 ms that begin at this place of the recording, and where to send it.
    pub fn packet(&mut self, at: u64, octets: &[u8; COPIED_OCTETS]) -> Option<(SocketAddr, Packet)> {
        let remote =
            self.remote.as_ref().filter(|remote| remote.direction.sends() && remote.rtp.port() != 0)?;
        let law = remote.codec.law()?;
        let mut packet = packet::begin();
        if law == KEPT {
            packet.extend_from_slice(octets);
        } else {
            packet.extend(octets.iter().map(|&octet| law.encode_sample(KEPT.decode_sample(octet))));
        }
        let header = Header {
            payload_type: remote.payload_type,
            marker: self.packets == 0,
            seq: self.seq,
            timestamp: self.timestamp(at),
            ssrc: self.ssrc,
        };
        packet::seal(&mut packet, &header);
        self.seq = self.seq.next();
        self.packets += 1;
        self.octets += u64::try_from(octets.len()).unwrap_or(0);
        let to = remote.rtp;
        self.protection.seal(&mut packet)?;
        Some((to, packet))
    }

    /// When the next report is due.
    #[must_use]
    pub const fn report_due(&self) -> Option<Instant> {
        self.reporter.due()
    }

    /// The report that is due, with the place of the recording that belongs to `now`; whether it goes to the RTP port.
    pub fn report(&mut self, now: Instant, at: u64) -> Option<(SocketAddr, bool, Packet)> {
        self.reporter.due().filter(|due| *due <= now)?;
        let report = self.reporter.report(now, self.sent(at), None);
        self.addressed(report)
    }

    /// The last words, when reports were sent.
    pub fn goodbye(&mut self, now: Instant, at: u64) -> Option<(SocketAddr, bool, Packet)> {
        self.reporter.due()?;
        let report = self.reporter.goodbye(now, self.sent(at), None);
        self.addressed(report)
    }

    /// What the server reports of our stream. From elsewhere it counts for nothing.
    pub fn report_came(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        if self.remote.as_ref().is_none_or(|remote| remote.rtp.ip() != from.ip()) {
            return;
        }
        if self.protection.is_plain() {
            self.reporter.receive(now, datagram);
            return;
        }
        let mut room = [0; Protection::MAX_DATAGRAM];
        if let Some(report) = self.protection.open(now, datagram, true, &mut room) {
            self.reporter.receive(now, report);
        }
    }

    /// The fraction of our packets that the server missed, by its reports.
    #[must_use]
    pub const fn remote_loss(&self) -> Option<f64> {
        self.reporter.heard().loss
    }

    fn addressed(&mut self, mut report: Packet) -> Option<(SocketAddr, bool, Packet)> {
        let remote = self.remote.as_ref()?;
        let (to, muxed) = (remote.rtcp?, remote.rtcp_mux);
        self.protection.seal_report(&mut report)?;
        Some((to, muxed, report))
    }

    fn sent(&self, at: u64) -> Sent {
        Sent { packets: self.packets, octets: self.octets, timestamp: self.timestamp(at) }
    }

    /// RFC 3551 §4.5.14: a timestamp is an octet of G.711.
    fn timestamp(&self, at: u64) -> RtpTimestamp {
        let [.., a, b, c, d] = at.to_be_bytes();
        RtpTimestamp(self.first.0.wrapping_add(u32::from_be_bytes([a, b, c, d])))
    }
}
