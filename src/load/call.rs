//! One caller of the crowd: what it sends, and what came.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::audio::{Band, Codec, Encoder};
use crate::media::Remote;
use crate::media::rtp::packet::{self, Header, Packet};
use crate::media::rtp::reception::Reception;
use crate::media::rtp::seq::SeqNo;
use crate::media::rtp::telephone_event_send::{EventSender, Slot, at_clock};
use crate::media::srtp::Protection;
use crate::sip::SessionId;
use crate::units::{Digit, PayloadType, RtpTimestamp, Ssrc};

/// How far a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Dialled, at this time.
    Calling(Duration),
    /// Answered.
    Talking,
    /// Over, or never answered.
    Over,
}

/// One caller. Times are since the start of the crowd.
pub(super) struct Caller {
    pub(super) session: SessionId,
    pub(super) state: State,
    /// When the ACK of its answer went out.
    pub(super) acked: Option<Duration>,
    pub(super) line: Option<Line>,
    pub(super) heard: Heard,
}

/// The way to the other side, once agreed.
pub(super) struct Line {
    pub(super) to: SocketAddr,
    codec: Codec,
    payload_type: PayloadType,
    event: Option<PayloadType>,
    event_clock: u16,
    ssrc: Ssrc,
    seq: SeqNo,
    timestamp: RtpTimestamp,
    keys: EventSender,
    protection: Protection,
    is_first: bool,
    /// Slots until keys are pressed.
    until_keys: Option<u64>,
}

/// What came.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) reception: Option<Reception>,
    pub(super) first: Option<Duration>,
    pub(super) last: Option<Duration>,
    /// Packets that came within the measured time.
    pub(super) measured: u64,
}

/// Ticks of 125 µs of a packet.
const TICKS: u32 = 160;
/// The packet time.
pub(super) const PACKET_TIME: Duration = Duration::from_millis(20);

impl Line {
    /// What was agreed; keys are pressed after so many packets.
    pub(super) fn new(remote: &Remote, ssrc: Ssrc, keys_after: Option<u64>) -> Self {
        let [a, b, c, d] = ssrc.0.to_be_bytes();
        Self {
            to: remote.rtp,
            codec: remote.codec,
            payload_type: remote.payload_type,
            event: remote.telephone_event,
            event_clock: remote.event_clock,
            ssrc,
            seq: SeqNo(u16::from_be_bytes([a, b])),
            timestamp: RtpTimestamp(u32::from_be_bytes([c, d, a, b])),
            keys: EventSender::default(),
            protection: Protection::Plain,
            is_first: true,
            until_keys: keys_after,
        }
    }

    /// Sends encrypted from now on, if that was agreed.
    pub(super) fn protected(mut self, now: Instant, remote: &Remote) -> Self {
        self.protection.agree(now, remote.crypto.as_ref());
        self
    }

    /// The packet of the next 20 ms; none in the pause between keys. `words` is something said, in the codecs offered.
    pub(super) fn next(&mut self, keys: &[Digit], words: &Words) -> Option<Packet> {
        if let Some(left) = &mut self.until_keys {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.until_keys = None;
                for &key in keys {
                    self.keys.push(key);
                }
            }
        }
        let at = self.timestamp;
        self.timestamp = RtpTimestamp(at.0.wrapping_add(TICKS * u32::from(self.codec.clock_of_tick())));
        let mut packet = packet::begin();
        let (payload_type, timestamp, marker) = match (self.keys.next(at), self.event) {
            (Some(Slot::Packet { timestamp, marker, payload }), Some(event)) => {
                packet.extend_from_slice(&at_clock(payload, self.event_clock));
                (event, timestamp, marker)
            }
            (Some(Slot::Pause), _) => return None,
            _ => {
                packet.extend_from_slice(words.part(self.codec, self.seq));
                (self.payload_type, at, std::mem::take(&mut self.is_first))
            }
        };
        packet::seal(
            &mut packet,
            &Header { payload_type, marker, seq: self.seq, timestamp, ssrc: self.ssrc },
        );
        self.seq = self.seq.next();
        self.protection.seal(&mut packet)?;
        Some(packet)
    }
}

/// Two seconds of a tone that wanders, in packets of each codec: nothing that sounds like a key.
pub(super) struct Words(Vec<(Codec, Vec<Vec<u8>>)>);

impl Words {
    pub(super) fn new(codecs: &[Codec]) -> Self {
        Self(codecs.iter().map(|&codec| (codec, packets(codec))).collect())
    }

    fn part(&self, codec: Codec, seq: SeqNo) -> &[u8] {
        let packets =
            self.0.iter().find(|(known, _)| *known == codec).map_or(&[][..], |(_, packets)| packets);
        let number = usize::from(seq.0).checked_rem(packets.len());
        number.and_then(|number| packets.get(number)).map_or(&[], Vec::as_slice)
    }
}

fn packets(codec: Codec) -> Vec<Vec<u8>> {
    let sample = |n: i32| i16::try_from((n * (40 + n / 400)) % 8000 - 4000).unwrap_or(0);
    let narrow = (0..16_000).map(sample);
    let samples: Vec<i16> = match codec.band() {
        Band::Narrow => narrow.collect(),
        Band::Wide => narrow.flat_map(|sample| [sample; 2]).collect(),
    };
    let mut encoder = Encoder::new(codec);
    let of_packet = usize::try_from(TICKS).unwrap_or(0) * codec.band().samples_of_tick();
    let packet = |samples: &[i16]| {
        let mut octets = Vec::new();
        encoder.encode(samples, &mut octets);
        octets
    };
    samples.chunks_exact(of_packet).map(packet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sdp::{self, LocalMedia};

    #[test]
    fn a_caller_sends_audio_and_each_key_once() {
        for &codec in Codec::ALL {
            sends_audio_and_keys(codec);
        }
    }

    fn sends_audio_and_keys(codec: Codec) {
        let media = |host, port, id| LocalMedia {
            codecs: vec![codec],
            ..LocalMedia::new(SocketAddr::from(([192, 0, 2, host], port)), id)
        };
        let (here, there) = (media(1, 4000, 1), media(2, 5000, 2));
        let remote = sdp::answer(&sdp::offer(&there), &here).expect("acceptable").remote;
        let mut line = Line::new(&remote, Ssrc(7), Some(5));
        let keys: Vec<Digit> = "12".chars().filter_map(Digit::from_char).collect();
        let words = Words::new(&[codec]);
        let read = |p: Packet| packet::read(&p).map(|(header, payload)| (header, payload.to_vec()));
        let sent: Vec<Option<(Header, Vec<u8>)>> =
            (0..30).map(|_| line.next(&keys, &words).and_then(read)).collect();
        let is_key = |packet: &&(Header, Vec<u8>)| Some(packet.0.payload_type) == remote.telephone_event;
        let presses: Vec<&(Header, Vec<u8>)> = sent.iter().flatten().filter(is_key).collect();
        assert_eq!(presses.len(), 14, "seven packets a press");
        assert_eq!(presses.iter().filter(|(header, _)| header.marker).count(), 2);
        assert_eq!(sent.iter().filter(|packet| packet.is_none()).count(), 2, "a pause after each");
        let audio: Vec<&(Header, Vec<u8>)> = sent.iter().take(4).flatten().collect();
        let clock = u32::from(codec.clock_of_tick());
        assert!(audio.windows(2).all(|pair| pair[1].0.timestamp.0 - pair[0].0.timestamp.0 == 160 * clock));
        for (_, payload) in audio {
            let length = codec.octets_of_tick().map(|octets| 160 * octets);
            assert!(!payload.is_empty() && length.is_none_or(|length| payload.len() == length), "{codec:?}");
        }
        let lasted = presses.last().map(|(_, payload)| u16::from_be_bytes([payload[2], payload[3]]));
        assert_eq!(lasted.map(u32::from), Some(800 * clock), "100 ms of the clock that was agreed on");
        let numbers: Vec<u16> = sent.iter().flatten().map(|(header, _)| header.seq.0).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "no gap of its own");
    }
}
