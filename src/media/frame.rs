//! One piece of encoded audio on its way between two legs or to a listener.

use std::fmt;

use smallvec::SmallVec;

use crate::audio::Codec;

/// 20 ms of G.711 as it left the jitter buffer, or as it is bridged to another leg.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// How `payload` is encoded.
    pub codec: Codec,
    /// One byte per sample.
    pub payload: SmallVec<[u8; 256]>,
}

impl Frame {
    /// A copy of encoded audio.
    #[must_use]
    pub fn new(codec: Codec, payload: &[u8]) -> Self {
        Self { codec, payload: SmallVec::from_slice(payload) }
    }
}

impl fmt::Debug for Frame {
    /// The size only: audio may hold a spoken or in-band secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.payload.len())
    }
}

/// From one law to the other, octet by octet.
pub(crate) struct Transcoder {
    from: Codec,
    to: Codec,
    table: Box<[u8; 256]>,
}

impl Transcoder {
    /// The table for a pair of codecs.
    pub(crate) fn new(from: Codec, to: Codec) -> Self {
        let mut table = Box::new([0; 256]);
        for (octet, entry) in (0..=u8::MAX).zip(table.iter_mut()) {
            *entry = to.encode_sample(from.decode_sample(octet));
        }
        Self { from, to, table }
    }

    /// Is this the table for that pair?
    pub(crate) fn is_for(&self, from: Codec, to: Codec) -> bool {
        self.from == from && self.to == to
    }

    /// One octet in the other law.
    pub(crate) fn convert(&self, octet: u8) -> u8 {
        self.table[usize::from(octet)]
    }
}

/// Takes 6 dB off.
pub(crate) fn soften(frame: &mut Frame) {
    let codec = frame.codec;
    for octet in &mut frame.payload {
        *octet = codec.encode_sample(codec.decode_sample(*octet) / 2);
    }
}

/// Nothing in it that a listener would miss: no sample above −42 dBFS.
pub(crate) fn is_quiet(codec: Codec, octets: &[u8]) -> bool {
    octets.iter().all(|&octet| codec.decode_sample(octet).unsigned_abs() <= QUIET)
}

/// −42 dB below full scale: line noise, not speech.
const QUIET: u16 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_between_the_laws_changes_little() {
        let there = Transcoder::new(Codec::Pcmu, Codec::Pcma);
        let back = Transcoder::new(Codec::Pcma, Codec::Pcmu);
        assert!(there.is_for(Codec::Pcmu, Codec::Pcma) && !back.is_for(Codec::Pcmu, Codec::Pcma));
        for octet in 0..=u8::MAX {
            let [before, after] =
                [octet, back.convert(there.convert(octet))].map(|o| i32::from(Codec::Pcmu.decode_sample(o)));
            assert!((before - after).abs() <= before.abs() / 16 + 16, "{before} became {after}");
        }
    }

    #[test]
    fn softer_is_half() {
        let mut frame = Frame::new(Codec::Pcma, &[Codec::Pcma.encode_sample(8000); 160]);
        assert!(!is_quiet(frame.codec, &frame.payload));
        for _ in 0..6 {
            soften(&mut frame);
        }
        assert!(is_quiet(frame.codec, &frame.payload));
        assert_eq!(format!("{frame:?}"), "Frame(160 bytes)");
    }
}
