//! A recording that is kept encoded: once made, playing it is copying octets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::codec::opus::PACKET_TICKS;
use super::{Band, Codec, Encoder, Law, resample};
use crate::units::SampleRate;

/// A prompt, a tone or a piece of music, encoded once: always by both laws, and for such other codecs as were asked for.
#[derive(Clone)]
pub struct Clip {
    mu_law: Arc<[u8]>,
    a_law: Arc<[u8]>,
    others: Vec<(Codec, Arc<[u8]>)>,
    opus: Option<Arc<Packets>>,
}

/// Packets of 20 ms, one behind the other.
struct Packets {
    octets: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Packets {
    /// Samples at 16,000 Hz; the last packet is filled up with silence.
    fn opus(samples: &[i16]) -> Self {
        let mut packets = Self { octets: Vec::new(), ends: Vec::new() };
        let mut encoder = Encoder::new(Codec::Opus);
        for part in samples.chunks(2 * PACKET_TICKS) {
            let mut whole = [0; 2 * PACKET_TICKS];
            for (place, &sample) in whole.iter_mut().zip(part) {
                *place = sample;
            }
            encoder.encode(&whole, &mut packets.octets);
            packets.ends.push(packets.octets.len());
        }
        packets
    }

    fn packet(&self, index: usize) -> Option<&[u8]> {
        let start = index.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.octets.get(start..*self.ends.get(index)?)
    }
}

impl Clip {
    /// Encodes samples at 8,000 Hz by both laws. For a listener with another codec that is encoded again as it plays.
    #[must_use]
    pub fn from_pcm(samples: &[i16]) -> Self {
        let encoded = |law: Law| -> Arc<[u8]> {
            let mut octets = Vec::with_capacity(samples.len());
            law.encode(samples, &mut octets);
            octets.into()
        };
        Self { mu_law: encoded(Law::Mu), a_law: encoded(Law::A), others: Vec::new(), opus: None }
    }

    /// Encodes samples of any rate for these codecs, each from the source itself.
    #[must_use]
    pub fn encode(samples: &[i16], rate: SampleRate, codecs: &[Codec]) -> Self {
        let narrow = resample(samples, rate, SampleRate::TELEPHONE);
        let mut clip = Self::from_pcm(&narrow);
        let wide = || {
            let mut wide = resample(samples, rate, Band::Wide.rate());
            // As long as in every other codec, to the sample.
            wide.resize(narrow.len() * Band::Wide.samples_of_tick(), 0);
            wide
        };
        clip.opus = codecs.contains(&Codec::Opus).then(|| Arc::new(Packets::opus(&wide())));
        let others = codecs.iter().copied().filter(|codec| codec.law().is_none() && *codec != Codec::Opus);
        clip.others = others
            .map(|codec| {
                let mut octets = Vec::with_capacity(narrow.len() * codec.octets_of_tick().unwrap_or(1));
                let mut encoder = Encoder::new(codec);
                match codec.band() {
                    Band::Narrow => encoder.encode(&narrow, &mut octets),
                    Band::Wide => encoder.encode(&wide(), &mut octets),
                }
                (codec, octets.into())
            })
            .collect();
        clip
    }

    /// The whole clip in the codec: [`Codec::octets_of_tick`] for each 125 µs. `None` when it was not encoded for it, and
    /// for Opus, of which there are [`Clip::opus_packet`]s.
    #[must_use]
    pub fn encoded(&self, codec: Codec) -> Option<&[u8]> {
        match codec.law() {
            Some(Law::Mu) => Some(&self.mu_law),
            Some(Law::A) => Some(&self.a_law),
            None => self.others.iter().find(|(other, _)| *other == codec).map(|(_, octets)| &**octets),
        }
    }

    /// The Opus packet that begins at this tick, when one does and the clip was encoded so.
    #[must_use]
    pub fn opus_packet(&self, at: usize) -> Option<&[u8]> {
        let packets = self.opus.as_ref().filter(|_| at.is_multiple_of(PACKET_TICKS))?;
        packets.packet(at / PACKET_TICKS)
    }

    /// The sample at a place, as a listener with µ-law would get it; beyond the end silence.
    #[must_use]
    pub fn sample(&self, at: usize) -> i16 {
        self.mu_law.get(at).map_or(0, |&octet| Law::Mu.decode_sample(octet))
    }

    /// The samples, as a listener with µ-law would get them.
    #[must_use]
    pub fn pcm(&self) -> Vec<i16> {
        let mut samples = Vec::with_capacity(self.mu_law.len());
        Law::Mu.decode(&self.mu_law, &mut samples);
        samples
    }

    /// Samples in the clip, at 8,000 Hz.
    #[must_use]
    pub fn len(&self) -> usize {
        self.mu_law.len()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mu_law.is_empty()
    }

    /// How long it plays.
    #[must_use]
    pub fn duration(&self) -> Duration {
        // 8,000 samples a second: an eighth of a millisecond each.
        let samples = u64::try_from(self.len()).unwrap_or(u64::MAX);
        Duration::from_micros(samples.saturating_mul(125))
    }
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clip({:?})", self.duration())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_is_ready_in_every_codec_and_knows_its_length() {
        let samples: Vec<i16> = (0..4801).map(|n| n % 700 * 10).collect();
        for codecs in [Codec::ALL, &[]] {
            let clip = Clip::encode(&samples, SampleRate(24_000), codecs);
            assert_eq!(clip.len(), 1601);
            assert_eq!(clip.duration(), Duration::from_micros(200_125));
            for &codec in Codec::ALL {
                let is_there = codec.law().is_some() || codecs.contains(&codec);
                let length = codec.octets_of_tick().filter(|_| is_there).map(|width| 1601 * width);
                assert_eq!(clip.encoded(codec).map(<[u8]>::len), length, "{codec:?}");
            }
            let packets =
                (0..2000).filter(|&at| clip.opus_packet(at).is_some_and(|packet| !packet.is_empty()));
            assert_eq!(packets.count(), if codecs.is_empty() { 0 } else { 11 });
            assert_eq!(Clip::from_pcm(&clip.pcm()).encoded(Codec::Pcmu), clip.encoded(Codec::Pcmu));
            assert_eq!((clip.sample(700), clip.sample(1601)), (clip.pcm()[700], 0));
        }
        assert!(Clip::from_pcm(&[]).is_empty());
    }
}
