//! From a call's samples to the filter bank that the network was trained on: 80 triangular bands on the mel
//! scale between 20 and 8,000 Hz, 25 ms every 10 ms, in logarithms, each band with mean 0 over the whole.
//!
//! A telephone leaves the upper half empty, which no training material did; a little white noise fills it with
//! something even. It is the same noise each time, so that the same samples are the same voice.

use std::f32::consts::PI;
use std::sync::Arc;

use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};

use super::net::BANDS;
use crate::voice::nn::Matrix;

/// Samples a second that the network wants.
pub const RATE: u32 = 16_000;
const RATE_HZ: f32 = 16_000.0;
/// Samples of a window, and from one to the next.
const WINDOW: usize = 400;
const SHIFT: usize = 160;
const FFT: usize = 512;
const LOWEST_HZ: f32 = 20.0;
/// How much of the sample before is taken away: brings speech's steep fall to even.
const EMPHASIS: f32 = 0.97;
/// The noise: deviation where full scale is 1.
const ROUGHNESS: f32 = 1e-3;

/// Samples of 16,000 Hz with full scale at 1, and the little noise that fills empty bands.
#[must_use]
pub fn roughened(samples: &[i16]) -> Vec<f32> {
    let mut noise = Noise(1);
    samples.iter().map(|&sample| f32::from(sample) / 32_768.0 + ROUGHNESS * noise.next()).collect()
}

/// White noise of deviation 1, the same from the same beginning.
struct Noise(u64);

impl Noise {
    /// One of the two normal numbers that two even ones make (Box and Muller).
    fn next(&mut self) -> f32 {
        let (radius, angle) = (self.even(), self.even());
        (-2.0 * (1.0 - radius).ln()).sqrt() * (2.0 * PI * angle).cos()
    }

    /// Between 0 and 1 in steps of 2⁻²⁴: Weyl steps, mixed (SplitMix64).
    fn even(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        #[expect(clippy::cast_precision_loss, reason = "24 bits are exact")]
        let even = ((mixed ^ (mixed >> 31)) >> 40) as f32 / 16_777_216.0;
        even
    }
}

/// The bands and all that is reckoned once for them.
pub struct FilterBank {
    fft: Arc<dyn Fft<f32>>,
    window: Vec<f32>,
    /// The first bin of each band, and the weights from there on.
    bands: Vec<(usize, Vec<f32>)>,
}

impl Default for FilterBank {
    fn default() -> Self {
        let window = (0..WINDOW)
            .map(|at| (0.5 - 0.5 * (2.0 * PI * float(at) / float(WINDOW - 1)).cos()).powf(0.85))
            .collect();
        let low = mel(LOWEST_HZ);
        let step = (mel(RATE_HZ / 2.0) - low) / float(BANDS + 1);
        let bands = (0..BANDS)
            .map(|band| {
                let left = low + float(band) * step;
                // Up from the left edge, down from the middle, never below zero.
                let weight = |bin: usize| {
                    let at = (mel(float(bin) * RATE_HZ / float(FFT)) - left) / step;
                    at.min(2.0 - at).max(0.0)
                };
                let first = (0..FFT / 2).find(|&bin| weight(bin) > 0.0).unwrap_or_default();
                (first, (first..FFT / 2).map(weight).take_while(|&weight| weight > 0.0).collect())
            })
            .collect();
        Self { fft: FftPlanner::new().plan_fft_forward(FFT), window, bands }
    }
}

impl FilterBank {
    /// The bands of every window, each band with mean 0 over all of them.
    #[must_use]
    pub fn features(&self, samples: &[f32]) -> Matrix {
        let mut out = self.logarithms(samples);
        let steps = float(out.rows().max(1));
        let mut sums = [0.0_f32; BANDS];
        for row in out.each_row() {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        for row in out.each_row_mut() {
            row.iter_mut().zip(&sums).for_each(|(x, sum)| *x -= sum / steps);
        }
        out
    }

    /// The logarithm of every window's energy in each band.
    fn logarithms(&self, samples: &[f32]) -> Matrix {
        let steps = samples.len().checked_sub(WINDOW).map_or(0, |rest| rest / SHIFT + 1);
        let mut out = Matrix::zeros(steps, BANDS);
        let mut bins = [Complex32::default(); FFT];
        let mut scratch = vec![Complex32::default(); self.fft.get_inplace_scratch_len()];
        for (row, frame) in out.each_row_mut().zip(samples.windows(WINDOW).step_by(SHIFT)) {
            let mean = frame.iter().sum::<f32>() / float(WINDOW);
            let mut before = frame.first().map_or(0.0, |first| first - mean);
            bins.fill(Complex32::default());
            for ((bin, sample), window) in bins.iter_mut().zip(frame).zip(&self.window) {
                let sample = sample - mean;
                bin.re = (sample - EMPHASIS * before) * window;
                before = sample;
            }
            self.fft.process_with_scratch(&mut bins, &mut scratch);
            for (to, (first, weights)) in row.iter_mut().zip(&self.bands) {
                let bins = bins.iter().skip(*first);
                let energy: f32 = weights.iter().zip(bins).map(|(weight, bin)| weight * bin.norm_sqr()).sum();
                *to = energy.max(f32::EPSILON).ln();
            }
        }
        out
    }
}

/// Hertz on the mel scale.
fn mel(hz: f32) -> f32 {
    1127.0 * (1.0 + hz / 700.0).ln()
}

#[expect(clippy::cast_precision_loss, reason = "windows, bins and bands are few")]
fn float(n: usize) -> f32 {
    n as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::print::net::tests::Even;

    /// What Kaldi's filter bank makes of the same samples (its `compute-fbank`, 80 bands, no dither).
    #[test]
    fn the_bands_are_those_of_kaldi() {
        let mut noise = Even(11);
        let samples: Vec<f32> = (0..16_000_u16)
            .map(|n| {
                let n = f64::from(n);
                #[expect(clippy::cast_possible_truncation, reason = "a sample")]
                let sample = (0.05 * (n * 0.03 + n * n * 1e-5).sin() + 0.01 * noise.next()) as f32;
                sample
            })
            .collect();
        let bands = FilterBank::default().logarithms(&samples);
        assert_eq!(bands.rows(), 98);
        let known = [
            (0, [-5.2745, -3.582, -8.4105, -4.6384, -3.7976, -2.696]),
            (1, [-5.7011, -3.9203, -7.4193, -5.2355, -4.3459, -1.916]),
            (50, [-11.596, -11.8419, -8.3557, -5.0807, -2.6762, -0.9222]),
            (97, [-13.293, -12.7704, -7.7927, -4.1538, -3.0729, -1.6285]),
        ];
        for (step, known) in known {
            for (band, known) in [0, 1, 20, 40, 60, 79].into_iter().zip(known) {
                let ours = bands.row(step)[band];
                assert!((ours - known).abs() < 2e-3, "step {step}, band {band}: {ours}, not {known}");
            }
        }
    }

    #[test]
    fn every_band_has_mean_zero_and_too_little_gives_none() {
        let bank = FilterBank::default();
        let mut noise = Noise(3);
        let samples: Vec<f32> = (0..4_000).map(|_| noise.next()).collect();
        let bands = bank.features(&samples);
        let sum: f32 = bands.each_row().map(|row| row[7]).sum();
        assert!(sum.abs() < 1e-2, "{sum}");
        assert_eq!(bank.features(&samples[..WINDOW - 1]).rows(), 0);
    }

    #[test]
    fn the_noise_is_white_of_deviation_one_and_always_the_same() {
        let mut noise = Noise(1);
        let all: Vec<f32> = (0..20_000).map(|_| noise.next()).collect();
        let mean = all.iter().sum::<f32>() / 20_000.0;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 20_000.0;
        let beside = all.windows(2).map(|two| two[0] * two[1]).sum::<f32>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05 && beside.abs() < 0.03);
        assert_eq!(Noise(1).next(), all[0]);
    }
}
