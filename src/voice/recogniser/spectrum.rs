//! Speech as the network sees it: 80 bands on the mel scale, a hundred times a second, in logarithms.
//!
//! The network was trained at 16,000 Hz with windows of 400 samples; at 8,000 Hz a window of 200 has the same bands up to
//! 4,000 Hz, and the bands above are empty, as they are in a call that was brought to the higher rate.

use std::f64::consts::TAU;

use crate::voice::nn::{Matrix, product};

/// Samples from one frame to the next.
pub(super) const HOP: usize = 80;
/// Bands.
pub(super) const BANDS: usize = 80;
const WINDOW: usize = 200;
/// Frequencies 40 Hz apart up to 4,000 Hz.
const BINS: usize = WINDOW / 2 + 1;

pub(super) struct Spectrum {
    /// A window's cosine and sine of each frequency.
    waves: Matrix,
    /// What each frequency adds to each band.
    bands: Matrix,
}

impl Spectrum {
    pub(super) fn new() -> Self {
        let mut waves = Matrix::zeros(WINDOW, 2 * BINS);
        for n in 0..WINDOW {
            // Hann; doubled, since a window of 400 samples sums to twice as much.
            let weight = 1.0 - (TAU * real(n) / real(WINDOW)).cos();
            for bin in 0..BINS {
                let angle = TAU * real(n * bin % WINDOW) / real(WINDOW);
                waves.row_mut(n)[bin] = single(weight * angle.cos());
                waves.row_mut(n)[BINS + bin] = single(weight * angle.sin());
            }
        }
        Self { waves, bands: bands() }
    }

    /// So many frames from the first sample on; silence follows the last one.
    pub(super) fn frames(&self, samples: &[i16], frames: usize) -> Matrix {
        let mut windows = Matrix::zeros(frames, WINDOW);
        for (frame, row) in windows.each_row_mut().enumerate() {
            for (n, to) in row.iter_mut().enumerate() {
                // Before the first sample the speech is mirrored.
                let at = (frame * HOP + n).abs_diff(WINDOW / 2);
                *to = samples.get(at).map_or(0.0, |sample| f32::from(*sample) / 32_768.0);
            }
        }
        let waves = product(windows.view(), self.waves.view());
        let mut power = Matrix::zeros(frames, BINS);
        for (to, from) in power.each_row_mut().zip(waves.each_row()) {
            let (cosines, sines) = from.split_at(BINS);
            for ((to, cosine), sine) in to.iter_mut().zip(cosines).zip(sines) {
                *to = cosine * cosine + sine * sine;
            }
        }
        let mut out = product(power.view(), self.bands.view());
        out.data_mut().iter_mut().for_each(|x| *x = x.max(1e-10).log10());
        let top = out.data().iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // As the network was trained: what is 80 dB under the loudest is silence.
        out.data_mut().iter_mut().for_each(|x| *x = (x.max(top - 8.0) + 4.0) / 4.0);
        out
    }
}

/// Triangles of the same area, evenly spread on the mel scale of Slaney's Auditory Toolbox up to 8,000 Hz.
fn bands() -> Matrix {
    let top = to_mel(8_000.0);
    let edges: Vec<f64> = (0..BANDS + 2).map(|at| to_hertz(top * real(at) / real(BANDS + 1))).collect();
    let mut out = Matrix::zeros(BINS, BANDS);
    for (bin, row) in out.each_row_mut().enumerate() {
        let hertz = 40.0 * real(bin);
        for (to, edges) in row.iter_mut().zip(edges.windows(3)) {
            let [low, centre, high] = [edges[0], edges[1], edges[2]];
            let height = ((hertz - low) / (centre - low)).min((high - hertz) / (high - centre)).max(0.0);
            *to = single(height * 2.0 / (high - low));
        }
    }
    out
}

/// Linear up to 1,000 Hz, which is 15; then 27 steps for each factor of 6.4.
fn to_mel(hertz: f64) -> f64 {
    if hertz < 1_000.0 { hertz * 3.0 / 200.0 } else { 15.0 + (hertz / 1_000.0).ln() * 27.0 / 6.4_f64.ln() }
}

fn to_hertz(mel: f64) -> f64 {
    if mel < 15.0 { mel * 200.0 / 3.0 } else { 1_000.0 * ((mel - 15.0) * 6.4_f64.ln() / 27.0).exp() }
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
const fn real(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, reason = "a weight: its last bits say nothing")]
const fn single(number: f64) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_in_its_band_and_the_upper_half_is_empty() {
        for (hertz, band) in [(400.0, 10), (1_000.0, 26), (2_000.0, 44)] {
            let wave =
                |n: u16| crate::audio::to_sample((TAU * hertz * f64::from(n) / 8_000.0).sin() * 8_000.0);
            let samples: Vec<i16> = (0..8_000).map(wave).collect();
            let frames = Spectrum::new().frames(&samples, 100);
            let row = frames.row(50);
            let loudest = (0..BANDS).max_by(|a, b| row[*a].total_cmp(&row[*b])).expect("bands");
            assert!(loudest.abs_diff(band) <= 1, "{hertz} Hz is in band {loudest}");
            let least = row.iter().copied().fold(f32::INFINITY, f32::min);
            // To the bit: nothing is there but the floor.
            assert!(row[64..].iter().all(|x| x.to_bits() == least.to_bits()));
        }
    }

    #[test]
    fn louder_speech_moves_all_bands_alike() {
        let samples: Vec<i16> =
            (0..8_000_i32).map(|n| i16::try_from(n * 7919 % 2_001 - 1_000).expect("small")).collect();
        let louder: Vec<i16> = samples.iter().map(|sample| sample * 10).collect();
        let (one, ten) = (Spectrum::new().frames(&samples, 100), Spectrum::new().frames(&louder, 100));
        // Ten times the amplitude is 2 in the logarithm of the power, of which a quarter is given.
        let bands = one.row(50)[..60].iter().zip(&ten.row(50)[..60]);
        assert!(bands.into_iter().all(|(one, ten)| (ten - one - 0.5).abs() < 1e-3));
    }
}
