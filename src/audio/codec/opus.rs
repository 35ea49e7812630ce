//! Opus (RFC 6716) as RFC 7587 carries it: one channel of speech, up to 7 kHz and more, 24 kbit/s.
//!
//! It is coded at 16,000 samples a second, which is what the engine has; the timestamps count 48,000 all the same. What the
//! other side sends may be of any rate and stereo: it is decoded to one channel at 16,000.

use std::panic::{AssertUnwindSafe, catch_unwind};

use opus_pure::{Application, OpusDecoder, OpusEncoder};

/// The encoder of one stream.
pub struct Encoder {
    coder: Option<OpusEncoder>,
    packet: [u8; MOST_OCTETS],
}

/// The decoder of one stream.
pub struct Decoder {
    coder: Option<OpusDecoder>,
    audio: Vec<i16>,
}

impl Default for Encoder {
    fn default() -> Self {
        let coder = OpusEncoder::new(RATE, 1, Application::Voip).map(|mut coder| {
            coder.bitrate_bps = BITS_A_SECOND;
            coder.complexity = COMPLEXITY;
            coder
        });
        debug_assert!(coder.is_ok(), "a rate and a number of channels that Opus has");
        Self { coder: coder.ok(), packet: [0; MOST_OCTETS] }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        let coder = OpusDecoder::new(RATE, 1);
        debug_assert!(coder.is_ok(), "a rate and a number of channels that Opus has");
        Self { coder: coder.ok(), audio: vec![0; MOST_SAMPLES] }
    }
}

impl Encoder {
    /// Appends the packet of 10, 20, 40 or 60 ms at 16,000 Hz; what can't be encoded is silence.
    pub fn encode(&mut self, samples: &[i16], octets: &mut impl Extend<u8>) {
        let packet = &mut self.packet;
        let coded = guarded(&mut self.coder, |coder| coder.encode_s16(samples, samples.len(), packet).ok());
        match coded {
            Some(length) => octets.extend(self.packet.iter().copied().take(length)),
            _ => octets.extend(silence(samples.len() / 2).iter().copied()),
        }
    }
}

impl Decoder {
    /// Appends the samples of a packet; one that is damaged gives none.
    pub fn decode(&mut self, packet: &[u8], samples: &mut impl Extend<i16>) {
        // Without octets it would make up for a loss.
        if packet.is_empty() {
            return;
        }
        let audio = &mut self.audio;
        if let Some(length) =
            guarded(&mut self.coder, |coder| coder.decode_s16(packet, MOST_SAMPLES, audio).ok())
        {
            samples.extend(self.audio.iter().copied().take(length));
        }
    }
}

/// What a coder makes of a packet. One that panics is not used again: whatever a peer sends harms its own stream at
/// most, and no other call of the thread.
fn guarded<C, T>(coder: &mut Option<C>, work: impl FnOnce(&mut C) -> Option<T>) -> Option<T> {
    let used = coder.as_mut()?;
    let done = catch_unwind(AssertUnwindSafe(|| work(used)));
    if done.is_err() {
        *coder = None;
    }
    done.ok().flatten()
}

/// A packet that is silent for so many ticks of 125 µs: what the encoder makes of nothing but zeros, at each packet time.
#[must_use]
pub fn silence(ticks: usize) -> &'static [u8] {
    match ticks {
        480 => &[
            0x58, 0x01, 0xF2, 0x5C, 0x89, 0xFE, 0x6F, 0x18, 0xD1, 0xBE, 0xAA, 0x3A, 0xBC, 0xA1, 0x24, 0x5B,
            0x69, 0x24, 0x9E, 0x71, 0xA8, 0x38,
        ],
        320 => &[0x50, 0x03, 0xE4, 0xBC, 0xE2, 0x8B, 0x9C, 0xE0, 0x26, 0xC8, 0x15, 0x03, 0x59, 0x4D, 0xD8],
        80 => &[0x40, 0x07, 0xC9, 0x48, 0xE6, 0xD5],
        _ => &[0x48, 0x07, 0xC9, 0x79, 0xC5, 0x12, 0xF7, 0xBC],
    }
}

/// Ticks of a packet of a prompt: 20 ms.
pub const PACKET_TICKS: usize = 160;
/// Samples a second of what is encoded and decoded.
const RATE: i32 = 16_000;
/// RFC 7587 §3.1.1 names 16 to 20 kbit/s for wideband speech; a little more for what a telephone line has done to it.
const BITS_A_SECOND: i32 = 24_000;
/// Speech is as good as with the most of 10 by the correlation, at a quarter of its cost (measured).
const COMPLEXITY: i32 = 1;
/// A packet with its headers and its tag stays where packets are kept.
const MOST_OCTETS: usize = 480;
/// RFC 6716 §3.2.5: 120 ms.
const MOST_SAMPLES: usize = 1920;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Entropy;

    #[test]
    fn a_coder_that_panics_is_not_used_again() {
        let mut coder = Some(7);
        assert_eq!(guarded(&mut coder, |number| Some(*number)), Some(7));
        assert_eq!(guarded(&mut coder, |_| None::<u8>), None);
        assert_eq!(coder, Some(7), "a damaged packet is no reason");
        assert_eq!(guarded(&mut coder, |_| -> Option<u8> { panic!("a defect") }), None);
        assert_eq!(coder, None);
        assert_eq!(guarded(&mut coder, |number| Some(*number)), None);
    }

    #[test]
    fn packets_that_were_changed_on_their_way_harm_nothing() {
        let mut entropy = Entropy::from_seed([11; 32]);
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        for round in 0..3000_u32 {
            let samples: Vec<i16> = (0..[160, 320, 640, 960][round as usize % 4])
                .map(|_| entropy.next_u32().to_le_bytes().map(i16::from)[0] * 60)
                .collect();
            let (mut packet, mut heard) = (Vec::new(), Vec::new());
            encoder.encode(&samples, &mut packet);
            // Another configuration, stereo, several frames with lengths of their own (RFC 6716 §3), other octets.
            for _ in 0..entropy.below(4) {
                let at = usize::try_from(entropy.below(packet.len().min(4) as u64 + 1)).expect("few");
                let other = entropy.next_u32().to_le_bytes()[0];
                packet.iter_mut().skip(at).take(1).for_each(|octet| *octet = other);
            }
            let least = usize::try_from(entropy.below(packet.len() as u64 + 1)).expect("few");
            packet.truncate(least.max(packet.len() / 2));
            decoder.decode(&packet, &mut heard);
            assert!(heard.len() <= MOST_SAMPLES);
        }
        assert!(encoder.coder.is_some() && decoder.coder.is_some(), "no packet was too much for them");
    }
}
