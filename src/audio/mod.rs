//! Audio of the telephone band: codecs, prompts kept encoded, tones, levels, files, comparison.
//!
//! Everything here is a plain function of its arguments. Samples are signed 16-bit, one channel; where no
//! band or rate is named it is [`SampleRate::TELEPHONE`](crate::units::SampleRate::TELEPHONE).

pub mod band;
pub mod clip;
pub mod codec;
pub mod conceal;
pub mod correlate;
pub mod decode;
pub mod dtmf;
pub mod key_tones;
pub mod level;
pub mod noise;
pub mod resample;
pub mod tone;
pub mod vad;
pub mod wav;

pub use band::{Band, Rebander};
pub use clip::Clip;
pub use codec::{Codec, Decoder, Encoder, Law};
pub use conceal::Concealer;
pub use correlate::{Match, correlate};
pub use decode::{AudioError, Pcm, decode_file};
pub use noise::{Noise, NoiseMaker};
pub use resample::resample;
pub use vad::Vad;

/// Rounds to the nearest 16-bit sample; what lies beyond is clipped, and no number becomes silence.
#[expect(clippy::cast_possible_truncation, reason = "a float cast to an integer saturates; NaN becomes 0")]
pub(crate) fn to_sample(value: f64) -> i16 {
    value.round() as i16
}

/// A count as a float. Exact below 2^53 samples, which is 35,000 years of telephone audio.
#[expect(clippy::cast_precision_loss, reason = "no recording has 2^53 samples")]
pub(crate) fn count(n: usize) -> f64 {
    n as f64
}
