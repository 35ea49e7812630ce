//! RTP packets (RFC 3550 §5.1): a borrowed view of one that came, the header of one that goes.

use rtp_rs::{RtpPacketBuilder, RtpReader};
use smallvec::SmallVec;

use super::seq::SeqNo;
use crate::units::{PayloadType, RtpTimestamp, Ssrc};

/// One outgoing datagram; 60 ms of G.711 or G.722 and 30 ms of L16 need no allocation, encrypted or not.
pub type Packet = SmallVec<[u8; 512]>;

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the payload is.
    pub payload_type: PayloadType,
    /// First packet of a talkspurt or of an event.
    pub marker: bool,
    /// Counts packets.
    pub seq: SeqNo,
    /// Counts samples.
    pub timestamp: RtpTimestamp,
    /// Whose stream it is.
    pub ssrc: Ssrc,
}

/// The header and the payload of a datagram; `None` when it is no RTP packet of version 2.
#[must_use]
pub fn read(datagram: &[u8]) -> Option<(Header, &[u8])> {
    let reader = RtpReader::new(datagram).ok()?;
    let header = Header {
        payload_type: PayloadType(reader.payload_type()),
        marker: reader.mark(),
        seq: SeqNo(reader.sequence_number().into()),
        timestamp: RtpTimestamp(reader.timestamp()),
        ssrc: Ssrc(reader.ssrc()),
    };
    Some((header, reader.payload()))
}

/// Room for the header, to be filled in by [`seal`] when the payload stands behind it.
#[must_use]
pub fn begin() -> Packet {
    let mut packet = Packet::new();
    packet.extend_from_slice(&[0; RtpReader::MIN_HEADER_LEN]);
    packet
}

/// Writes the header into the room that [`begin`] left.
pub fn seal(packet: &mut Packet, header: &Header) {
    let Some(room) = packet.get_mut(..RtpReader::MIN_HEADER_LEN) else { return };
    let written = RtpPacketBuilder::new()
        .payload_type(header.payload_type.0 & 0x7F)
        .marked(header.marker)
        .sequence(header.seq.0.into())
        .timestamp(header.timestamp.0)
        .ssrc(header.ssrc.0)
        .build_into(room);
    debug_assert!(written.is_ok(), "a header of twelve octets fits its room");
}

/// Is this RTCP on a shared port? Its packet types lie where RTP has none in use (RFC 5761 §4).
#[must_use]
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|second| (192..=223).contains(second))
}

/// The payload type of a datagram, if it is one of RTP.
#[must_use]
pub fn number(datagram: &[u8]) -> Option<PayloadType> {
    datagram.get(1).map(|second| PayloadType(second & 0x7F))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read() {
        let header = Header {
            payload_type: PayloadType(101),
            marker: true,
            seq: SeqNo(65_535),
            timestamp: RtpTimestamp(0xDEAD_BEEF),
            ssrc: Ssrc(0x0102_0304),
        };
        let mut packet = begin();
        packet.extend_from_slice(b"payload");
        seal(&mut packet, &header);
        assert_eq!(read(&packet), Some((header, &b"payload"[..])));
        assert!(!is_rtcp(&packet));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]
        #[test]
        fn no_datagram_panics(datagram in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(&datagram);
            let _ = is_rtcp(&datagram);
        }

        #[test]
        fn no_datagram_of_version_2_panics(mut datagram in proptest::collection::vec(any::<u8>(), 1..80)) {
            datagram[0] = datagram[0] & 0x3F | 0x80;
            if let Some((_, payload)) = read(&datagram) {
                prop_assert!(payload.len() + 12 <= datagram.len());
            }
        }
    }
}
