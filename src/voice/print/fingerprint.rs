//! Whether an utterance is a copy of one that was heard before: nobody says the same twice in quite the same way.
//!
//! Every 10 ms become 32 bits: in which of 33 bands energy rises against that of the band above it (after Haitsma and
//! Kalker, 2002). Gain takes nothing away from that, and a codec, a handset or some noise little. Two fingerprints are laid
//! over each other at every shift: of a copy most bits agree, of anything else about half.

use std::f32::consts::PI;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex32;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// What an utterance is recognised by. What was said cannot be heard from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Zeroize)]
#[serde(transparent)]
pub struct Fingerprint(Vec<u32>);

/// From here on it is a copy. In the telephone band, with utterances of 3 to 5 s: of 160 that were sent again with
/// noise 15 dB below them, another gain, another handset, a lost frame in a hundred and a shift, none was below 0.24;
/// with noise of 5 dB the median was 0.21 and the least 0.10; of 1,927 others, no two were above 0.14.
pub const COPY: f64 = 0.18;

const WINDOW: usize = 1_024;
const SHIFT: usize = 80;
const BANDS: usize = 33;
const LOWEST_HZ: f32 = 280.0;
const HIGHEST_HZ: f32 = 3_300.0;
/// How many steps apart two spectra are that are compared: windows overlap, and so near each other they are alike.
const APART: usize = 4;
/// The most steps of a fingerprint, and the fewest that are compared: less than a second is too little to tell.
const LONGEST: usize = 3_000;
const LEAST: usize = 100;

impl Fingerprint {
    /// Of samples at 8,000 Hz, of the first half minute of them.
    #[must_use]
    pub fn of(samples: &[i16]) -> Self {
        let fft = FftPlanner::new().plan_fft_forward(WINDOW);
        let edges = edges();
        let window: Vec<f32> =
            (0..WINDOW).map(|n| 0.5 - 0.5 * (2.0 * PI * float(n) / float(WINDOW)).cos()).collect();
        let mut bins = vec![Complex32::default(); WINDOW];
        let mut scratch = vec![Complex32::default(); fft.get_inplace_scratch_len()];
        let frames = samples.windows(WINDOW).step_by(SHIFT).take(LONGEST);
        let energies: Vec<[f32; BANDS]> = frames
            .map(|frame| {
                for ((bin, &sample), weight) in bins.iter_mut().zip(frame).zip(&window) {
                    *bin = Complex32::new(f32::from(sample) * weight, 0.0);
                }
                fft.process_with_scratch(&mut bins, &mut scratch);
                let mut energies = [0.0; BANDS];
                for (energy, edge) in energies.iter_mut().zip(edges.windows(2)) {
                    let sum: f32 = bins[edge[0]..edge[1]].iter().map(Complex32::norm_sqr).sum();
                    *energy = (sum + 1.0).ln();
                }
                energies
            })
            .collect();
        Self(energies.windows(APART + 1).map(|run| bits(&run[0], &run[APART])).collect())
    }

    /// Of these bits, as many steps as there may be.
    #[must_use]
    pub fn from_bits(mut bits: Vec<u32>) -> Self {
        bits.truncate(LONGEST);
        Self(bits)
    }

    /// 1 for a copy, about 0 for anything else: by how much more than half of the bits agree at the best shift at
    /// which half of the shorter one, and a second, lie over each other. Nothing is said of less than a second.
    #[must_use]
    pub fn likeness(&self, other: &Self) -> f64 {
        let (short, long) = if self.0.len() <= other.0.len() { (self, other) } else { (other, self) };
        let (short, long) = (&short.0, &long.0);
        if short.len() < LEAST {
            return 0.0;
        }
        let least = LEAST.max(short.len() / 2);
        let at = |shift: usize| {
            // The first steps of the shorter one lie before the longer one, or the other way about.
            let skipped = (short.len() - least).saturating_sub(shift);
            let from = (shift + least).saturating_sub(short.len());
            let (mut differ, mut all) = (0, 0);
            for (a, b) in short.iter().skip(skipped).zip(long.iter().skip(from)) {
                differ += (a ^ b).count_ones();
                all += u32::BITS;
            }
            1.0 - 2.0 * f64::from(differ) / f64::from(all)
        };
        (0..=short.len() + long.len() - 2 * least).map(at).fold(0.0, f64::max)
    }

    /// Whether one is a copy of the other.
    #[must_use]
    pub fn is_copy(&self, other: &Self) -> bool {
        self.likeness(other) >= COPY
    }
}

/// The bins between which each band lies, evenly in the logarithm.
fn edges() -> Vec<usize> {
    (0..=BANDS)
        .map(|at| {
            let hz = LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ).powf(float(at) / float(BANDS));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 36 and 422")]
            let bin = (hz * float(WINDOW) / 8_000.0).round() as usize;
            bin
        })
        .collect()
}

/// A bit for each band that rises against the one above it.
fn bits(before: &[f32; BANDS], now: &[f32; BANDS]) -> u32 {
    let rises = now.windows(2).zip(before.windows(2));
    rises.fold(0, |bits, (now, before)| bits << 1 | u32::from(now[0] - now[1] > before[0] - before[1]))
}

#[expect(clippy::cast_precision_loss, reason = "bins and bands are few")]
fn float(n: usize) -> f32 {
    n as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Law, to_sample};
    use crate::voice::print::net::tests::Even;

    /// Three seconds of a voice-like sound that nobody makes twice: harmonics whose strengths wander.
    fn utterance(seed: u64) -> Vec<f64> {
        let mut even = Even(seed);
        let mut strengths = [0.0_f64; 24];
        let (mut phase, pitch, sway) = (0.0, 0.1 + 0.03 * even.next(), 2_000.0 + 900.0 * even.next());
        (0..24_000_u16)
            .map(|n| {
                if n % 400 == 0 {
                    strengths
                        .iter_mut()
                        .for_each(|strength| *strength = 0.7 * *strength + 400.0 * even.next());
                }
                phase += pitch + 0.01 * (f64::from(n) / sway).sin();
                (1_u16..)
                    .zip(strengths)
                    .map(|(times, strength)| strength * (f64::from(times) * phase).sin())
                    .sum()
            })
            .collect()
    }

    fn samples(sound: &[f64]) -> Vec<i16> {
        sound.iter().map(|&x| to_sample(x)).collect()
    }

    /// Through a telephone.
    fn coded(samples: &[i16]) -> Vec<i16> {
        let mut octets = Vec::new();
        Law::Mu.encode(samples, &mut octets);
        octets.iter().map(|&octet| Law::Mu.decode_sample(octet)).collect()
    }

    #[test]
    fn a_copy_is_found_whatever_was_done_to_it() {
        let sound = utterance(1);
        let kept = Fingerprint::of(&samples(&sound));
        let mut even = Even(9);
        let loud = (sound.iter().map(|x| x * x).sum::<f64>() / 24_000.0).sqrt();
        let noisy: Vec<f64> = sound.iter().map(|x| x + 0.3 * loud * even.next()).collect();
        let later: Vec<f64> = std::iter::repeat_n(0.0, 3_017).chain(sound.iter().copied()).collect();
        let tilted: Vec<f64> = sound.windows(2).map(|two| two[1] - 0.6 * two[0]).collect();
        let softer: Vec<f64> = sound.iter().map(|x| x / 4.0).collect();
        for (what, sound) in [
            ("the same", &sound[..]),
            ("softer", &softer),
            ("with noise", &noisy),
            ("later", &later),
            ("from the middle", &sound[4_029..20_000]),
            ("another handset", &tilted),
        ] {
            let again = Fingerprint::of(&coded(&samples(sound)));
            assert!(again.is_copy(&kept) && kept.is_copy(&again), "{what}: {}", again.likeness(&kept));
        }
    }

    #[test]
    fn another_utterance_is_none() {
        let kept = Fingerprint::of(&samples(&utterance(1)));
        for seed in 2..8 {
            let other = Fingerprint::of(&samples(&utterance(seed)));
            assert!(!other.is_copy(&kept), "{seed}: {}", other.likeness(&kept));
        }
    }

    #[test]
    fn of_less_than_a_second_nothing_is_said() {
        let sound = samples(&utterance(1));
        let short = Fingerprint::of(&sound[..7_000]);
        assert_eq!(short.likeness(&Fingerprint::of(&sound)), 0.0);
        assert_eq!(Fingerprint::of(&[]).likeness(&short), 0.0);
    }
}
