//! The codecs that a call can use, what a session description says of them (RFC 3551), and the coder of a stream.
//!
//! Inside the engine audio is linear, at one of two rates: [`Band`]. A codec turns it into octets for packets and back.
//! G.711 and L16 look at each sample by itself; G.722 and Opus remember, so each direction of each call has a coder of its own.

pub mod g711;
pub mod g722;
pub mod opus;

use super::Band;
use crate::units::PayloadType;

pub use g711::Law;

/// A codec of the media path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s: 7 kHz of sound.
    G722,
    /// Sixteen bits a sample at 8,000 Hz, as they are (RFC 3551 §4.5.11).
    L16,
    /// Opus, one channel of speech (RFC 7587).
    Opus,
}

impl Codec {
    /// Every codec.
    pub const ALL: &'static [Self] = &[Self::Pcmu, Self::Pcma, Self::G722, Self::L16, Self::Opus];

    /// Those of every telephone: what is offered and taken where the settings name none.
    pub const G711: &'static [Self] = &[Self::Pcmu, Self::Pcma];

    /// The number it has in our offers: the static one (RFC 3551 table 4), else one of the dynamic range.
    #[must_use]
    pub const fn payload_type(self) -> PayloadType {
        match self {
            Self::Pcmu => PayloadType(0),
            Self::Pcma => PayloadType(8),
            Self::G722 => PayloadType(9),
            Self::L16 => PayloadType(97),
            Self::Opus => PayloadType(111),
        }
    }

    /// The encoding name of `a=rtpmap`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::L16 => "L16",
            Self::Opus => "opus",
        }
    }

    /// The codec with this static payload type.
    #[must_use]
    pub fn from_payload_type(payload_type: PayloadType) -> Option<Self> {
        let is_static = |codec: &Self| codec.payload_type() == payload_type && payload_type.0 < FIRST_DYNAMIC;
        Self::ALL.iter().copied().find(is_static)
    }

    /// The codec with this encoding name; names do not heed case (RFC 8866 §6.6).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// The rate of its timestamps, as `a=rtpmap` has it. That of G.722 is half of its sampling rate, by an old mistake
    /// (RFC 3551 §4.5.2); that of Opus is 48,000 whatever is coded (RFC 7587 §4.1).
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 | Self::L16 => 8000,
            Self::Opus => 48_000,
        }
    }

    /// How far its timestamps go in 125 µs.
    #[must_use]
    pub const fn clock_of_tick(self) -> u16 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 | Self::L16 => 1,
            Self::Opus => 6,
        }
    }

    /// The number of channels in `a=rtpmap`, where there must be one: Opus always says two (RFC 7587 §7).
    #[must_use]
    pub const fn channels(self) -> Option<&'static str> {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 | Self::L16 => None,
            Self::Opus => Some("2"),
        }
    }

    /// What a receiver should know (`a=fmtp`): of Opus that more than 16,000 samples a second would be for nothing.
    #[must_use]
    pub const fn parameters(self) -> Option<&'static str> {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 | Self::L16 => None,
            Self::Opus => Some("maxplaybackrate=16000;sprop-maxcapturerate=16000"),
        }
    }

    /// What it carries.
    #[must_use]
    pub const fn band(self) -> Band {
        match self {
            Self::Pcmu | Self::Pcma | Self::L16 => Band::Narrow,
            Self::G722 | Self::Opus => Band::Wide,
        }
    }

    /// Its law, when it is G.711.
    #[must_use]
    pub const fn law(self) -> Option<Law> {
        match self {
            Self::Pcmu => Some(Law::Mu),
            Self::Pcma => Some(Law::A),
            Self::G722 | Self::L16 | Self::Opus => None,
        }
    }

    /// The longest packet that is sent, in milliseconds: one of L16 still fits where a packet is kept.
    #[must_use]
    pub const fn longest_packet_ms(self) -> u64 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 | Self::Opus => 60,
            Self::L16 => 30,
        }
    }

    /// The packet time that is sent where so many milliseconds are wished for. Opus has no frames of 30 and 50 ms
    /// (RFC 7587 §4.2).
    #[must_use]
    pub const fn packet_ms(self, wanted: u64) -> u64 {
        match (self, wanted) {
            (Self::Opus, 30) => 20,
            (Self::Opus, 50) => 40,
            _ => wanted,
        }
    }

    /// Octets of 125 µs; `None` where packets of the same time differ in length.
    #[must_use]
    pub const fn octets_of_tick(self) -> Option<usize> {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => Some(1),
            Self::L16 => Some(2),
            Self::Opus => None,
        }
    }

    /// Appends silence of so many ticks of 125 µs.
    pub fn silence(self, ticks: usize, octets: &mut impl Extend<u8>) {
        let pattern = match self {
            Self::Pcmu => [Law::Mu.silence_byte(); 2],
            Self::Pcma => [Law::A.silence_byte(); 2],
            Self::G722 => g722::SILENCE,
            Self::L16 => [0; 2],
            Self::Opus => return octets.extend(opus::silence(ticks).iter().copied()),
        };
        let count = ticks * self.octets_of_tick().unwrap_or(0);
        octets.extend(pattern.into_iter().cycle().take(count));
    }
}

/// What one stream is coded by: a codec with the state that it has.
pub enum Coder<G722, Opus> {
    /// G.711.
    Law(Law),
    /// G.722.
    G722(Box<G722>),
    /// Opus.
    Opus(Box<Opus>),
    /// L16.
    L16,
}

/// Turns the audio of one stream into octets.
pub type Encoder = Coder<g722::Encoder, opus::Encoder>;
/// Turns the octets of one stream into audio.
pub type Decoder = Coder<g722::Decoder, opus::Decoder>;

impl<G722: Default, Opus: Default> Coder<G722, Opus> {
    /// At the start of a stream.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu => Self::Law(Law::Mu),
            Codec::Pcma => Self::Law(Law::A),
            Codec::G722 => Self::G722(Box::default()),
            Codec::L16 => Self::L16,
            Codec::Opus => Self::Opus(Box::default()),
        }
    }
}

impl Encoder {
    /// Appends the octets of a packet's samples, which are of the codec's [`Band`].
    pub fn encode(&mut self, samples: &[i16], octets: &mut impl Extend<u8>) {
        match self {
            Self::Law(law) => octets.extend(samples.iter().map(|&sample| law.encode_sample(sample))),
            Self::G722(encoder) => {
                octets.extend(samples.as_chunks().0.iter().map(|&pair| encoder.encode(pair)));
            }
            Self::Opus(encoder) => encoder.encode(samples, octets),
            Self::L16 => octets.extend(samples.iter().flat_map(|sample| sample.to_be_bytes())),
        }
    }
}

impl Decoder {
    /// Appends the samples of a packet, in the codec's [`Band`].
    pub fn decode(&mut self, octets: &[u8], samples: &mut impl Extend<i16>) {
        match self {
            Self::Law(law) => samples.extend(octets.iter().map(|&octet| law.decode_sample(octet))),
            Self::G722(decoder) => samples.extend(octets.iter().flat_map(|&octet| decoder.decode(octet))),
            Self::Opus(decoder) => decoder.decode(octets, samples),
            Self::L16 => samples.extend(octets.as_chunks().0.iter().map(|&pair| i16::from_be_bytes(pair))),
        }
    }
}

/// RFC 3551 §3: below it numbers mean the same to everybody.
const FIRST_DYNAMIC: u8 = 96;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{correlate, resample, to_sample};
    use crate::units::{Entropy, SampleRate};

    /// Half a second of sound with a line every 50 Hz up to 3 kHz.
    fn chord() -> Vec<i16> {
        let line = |hertz: f64, n: u32| (std::f64::consts::TAU * hertz * f64::from(n) / 8000.0 + hertz).sin();
        let at = |n: u32| (4..60).map(|k| line(f64::from(k) * 50.0, n)).sum::<f64>();
        (0..8000).map(|n| to_sample(250.0 * at(n))).collect()
    }

    #[test]
    fn a_codec_is_found_by_its_payload_type_and_by_its_name() {
        for &codec in Codec::ALL {
            let is_static = codec.payload_type().0 < FIRST_DYNAMIC;
            assert_eq!(Codec::from_payload_type(codec.payload_type()), is_static.then_some(codec));
            assert_eq!(Codec::from_name(&codec.name().to_lowercase()), Some(codec));
        }
        assert_eq!(Codec::from_payload_type(PayloadType(18)), None);
        assert_eq!(Codec::from_name("G729"), None);
    }

    #[test]
    fn every_codec_carries_the_telephone_band_in_packets_of_any_length() {
        let source = chord();
        // Opus is made for voices, not for chords of 56 lines: `tests/codecs.rs` gives it speech.
        for &codec in Codec::ALL.iter().filter(|codec| **codec != Codec::Opus) {
            let rate = codec.band().rate();
            let samples = resample(&source, SampleRate::TELEPHONE, rate);
            for packet_ms in [10, 20, 60] {
                let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
                let mut heard: Vec<i16> = Vec::new();
                let ticks = packet_ms * 8;
                for packet in samples.chunks_exact(ticks * codec.band().samples_of_tick()) {
                    let mut octets = Vec::new();
                    encoder.encode(packet, &mut octets);
                    let length = codec.octets_of_tick().map_or(octets.len(), |width| ticks * width);
                    assert_eq!(octets.len(), length, "{codec:?}");
                    decoder.decode(&octets, &mut heard);
                }
                let heard = resample(&heard, rate, SampleRate::TELEPHONE);
                let found = correlate(&source[800..6400], &heard).expect("a sound");
                let least = if codec == Codec::G722 { 0.99 } else { 0.999 };
                assert!(found.score > least, "{codec:?}: {found:?}");
            }
        }
    }

    #[test]
    fn silence_is_silent_in_every_codec_also_behind_sound() {
        for &codec in Codec::ALL {
            let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
            let (mut octets, mut heard) = (Vec::new(), Vec::new());
            for part in chord().chunks_exact(320) {
                octets.clear();
                encoder.encode(part, &mut octets);
                decoder.decode(&octets, &mut heard);
            }
            for ticks in [80, 160, 320, 480].into_iter().flat_map(|ticks| [ticks; 40]) {
                octets.clear();
                codec.silence(ticks, &mut octets);
                decoder.decode(&octets, &mut heard);
            }
            // A-law has no zero; G.722 keeps an offset that nobody hears.
            let settled = &heard[heard.len() - 4000..];
            let loudest = settled.iter().map(|sample| sample.unsigned_abs()).max();
            assert!(loudest <= Some(50), "{codec:?}: {loudest:?}");
        }
    }

    #[test]
    fn no_octets_are_beyond_a_decoder() {
        let mut entropy = Entropy::from_seed([3; 32]);
        for &codec in Codec::ALL {
            let mut decoder = Decoder::new(codec);
            for _ in 0..2000 {
                let length = usize::try_from(entropy.below(200)).expect("few");
                let octets: Vec<u8> = (0..length).map(|_| entropy.next_u32().to_le_bytes()[0]).collect();
                let mut samples: Vec<i16> = Vec::new();
                decoder.decode(&octets, &mut samples);
                let Some(width) = codec.octets_of_tick() else { continue };
                assert_eq!(samples.len(), octets.len() / width * codec.band().samples_of_tick(), "{codec:?}");
            }
        }
    }
}
