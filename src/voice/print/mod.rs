//! Whose voice it is: 192 numbers that are alike for one speaker and differ between speakers.
//!
//! [`Model`] makes them from a call's samples. What two such rows of numbers say about a caller, and how sure
//! that is, is said elsewhere; nothing here accepts anybody.

pub mod calibration;
pub mod compare;
pub mod enrolment;
pub mod figures;
pub mod fingerprint;
pub mod front;
pub mod net;
pub mod quality;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use self::front::FilterBank;
use self::net::{Net, WeightsError};
use crate::audio::resample;
use crate::units::SampleRate;
use crate::voice::state_dict::{self, StateDictError, Tensor};

pub use self::net::EMBEDDING;

/// Why a model cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Its file cannot be read.
    #[error(transparent)]
    File(#[from] StateDictError),
    /// Its weights are another network's.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// A voice: a row of numbers of length one. Who has it can be told by it, so it is shown to nobody.
#[derive(Clone, PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct Voice([f32; EMBEDDING]);

impl std::fmt::Debug for Voice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Voice(…)")
    }
}

impl Voice {
    /// These numbers, brought to length one. `None` when they have no direction.
    #[must_use]
    pub fn new(mut numbers: [f32; EMBEDDING]) -> Option<Self> {
        let length = numbers.iter().map(|x| x * x).sum::<f32>().sqrt();
        if !length.is_finite() || length < f32::EPSILON {
            return None;
        }
        numbers.iter_mut().for_each(|x| *x /= length);
        Some(Self(numbers))
    }

    /// The numbers in clear.
    #[must_use]
    pub const fn numbers(&self) -> &[f32; EMBEDDING] {
        &self.0
    }

    /// The cosine of the angle between two voices: 1 for the same, about 0 for two that have nothing in common.
    #[must_use]
    pub fn cosine(&self, other: &Self) -> f32 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }
}

/// The network and the filter bank before it.
pub struct Model {
    net: Net,
    bank: FilterBank,
    identity: String,
}

impl Model {
    /// Reads the model's file.
    ///
    /// # Errors
    /// When it is no state dict, or another network's.
    pub fn read(file: &[u8]) -> Result<Self, ModelError> {
        Ok(Self::from_tensors(&state_dict::read(file)?)?)
    }

    /// The model of these weights.
    ///
    /// # Errors
    /// When they are another network's.
    pub fn from_tensors(tensors: &BTreeMap<String, Tensor>) -> Result<Self, WeightsError> {
        let net = Net::from_tensors(tensors)?;
        Ok(Self { net, bank: FilterBank::default(), identity: identity(tensors) })
    }

    /// Who it is: a hash of its weights, whatever file they came in. Voices of two models cannot be compared.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The voice in these samples at 8,000 Hz, the same each time. `None` when they are too short or silent;
    /// more than [`LONGEST`] of them are not listened to.
    #[must_use]
    pub fn voice(&self, samples: &[i16]) -> Option<Voice> {
        let samples = samples.get(..LONGEST).unwrap_or(samples);
        if samples.len() < SHORTEST || samples.iter().all(|&sample| sample == 0) {
            return None;
        }
        let wide = resample(samples, SampleRate::TELEPHONE, SampleRate(front::RATE));
        let features = self.bank.features(&front::roughened(&wide));
        Voice::new(self.net.embed(&features)?)
    }
}

/// SHA-256 of all weights in the order of their names, as hexadecimal, behind the network's name.
fn identity(tensors: &BTreeMap<String, Tensor>) -> String {
    let mut hash = Sha256::new();
    for (name, tensor) in tensors {
        hash.update(name.as_bytes());
        hash.update([0]);
        let octets: Vec<u8> = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        hash.update(octets);
    }
    format!("cam++:{}", data_encoding::HEXLOWER.encode(&hash.finalize()))
}

/// The fewest samples that are a voice at all: a tenth of a second. Whether they are enough is for others to say.
pub const SHORTEST: usize = 800;
/// The most samples that are listened to at once: half a minute.
pub const LONGEST: usize = 240_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_has_length_one_and_is_not_shown() {
        let voice = Voice::new([2.0; EMBEDDING]).expect("a direction");
        assert!((voice.cosine(&voice) - 1.0).abs() < 1e-5);
        assert_eq!(format!("{voice:?}"), "Voice(…)");
        assert_eq!(Voice::new([0.0; EMBEDDING]), None);
        assert_eq!(Voice::new([f32::NAN; EMBEDDING]), None);
    }

    #[test]
    fn the_same_samples_are_the_same_voice_and_silence_is_none() {
        let model = Model::from_tensors(&net::tests::tensors()).expect("the network");
        let tone = |step: f32| -> Vec<i16> {
            (0..6_000_u16)
                .map(|n| crate::audio::to_sample(f64::from((f32::from(n) * step).sin()) * 9_000.0))
                .collect()
        };
        let voice = model.voice(&tone(0.2)).expect("a voice");
        assert_eq!(model.voice(&tone(0.2)), Some(voice.clone()));
        assert!(model.voice(&tone(0.9)).expect("another").cosine(&voice) < 0.999);
        assert_eq!(model.voice(&[0; 8_000]), None);
        assert_eq!(model.voice(&tone(0.2)[..SHORTEST - 1]), None);
    }
}
