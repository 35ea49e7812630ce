//! Changing the sampling rate: a polyphase filter with a Kaiser window.
//!
//! The pass band reaches 3,400 Hz when the lower rate is 8,000 Hz, and what would fold back is more than
//! 80 dB down.

use std::f64::consts::PI;

use super::{count, to_sample};
use crate::units::SampleRate;

/// Resamples from one rate to another. The output starts and ends with the input; its length is rounded up.
/// A rate of zero gives nothing.
#[must_use]
pub fn resample(samples: &[i16], from: SampleRate, to: SampleRate) -> Vec<i16> {
    if from == to {
        return samples.to_vec();
    }
    let (Ok(source), Ok(target)) = (usize::try_from(from.0), usize::try_from(to.0)) else {
        return Vec::new();
    };
    if samples.is_empty() || source == 0 || target == 0 {
        return Vec::new();
    }
    let divisor = greatest_common_divisor(source, target);
    let filter = Polyphase::new(source / divisor, target / divisor);
    let length = samples.len().saturating_mul(target).div_ceil(source);
    (0..length).map(|n| filter.output(samples, n)).collect()
}

/// Zero crossings of the sinc on each side, at the lower rate: sets how steep the filter is.
const CROSSINGS: usize = 48;
/// Kaiser's β for 85 dB: 0.1102 (A − 8.7).
const BETA: f64 = 8.41;
/// The cut-off as a share of the lower rate's half: the middle of a transition that ends at the half itself.
const CUTOFF: f64 = 0.942;

/// A filter for the ratio `up / down`, one row of taps for each phase.
struct Polyphase {
    up: usize,
    down: usize,
    half_taps: usize,
    phases: Vec<Vec<f64>>,
}

impl Polyphase {
    fn new(down: usize, up: usize) -> Self {
        // Going down, the filter must cut at the new half-rate, so it is stretched by the ratio.
        let stretch = (count(down) / count(up)).max(1.0);
        let half_taps = (CROSSINGS * down.max(up)).div_ceil(up);
        let half_width = count(CROSSINGS) * stretch;
        let bandwidth = CUTOFF / stretch;
        let phases = (0..up)
            .map(|phase| {
                let offset = count(phase) / count(up);
                let taps: Vec<f64> = (0..2 * half_taps)
                    .map(|tap| {
                        let at = count(tap) - count(half_taps - 1) - offset;
                        bandwidth * sinc(bandwidth * at) * kaiser(at / half_width)
                    })
                    .collect();
                // Each phase passes a constant unchanged, or the phases would beat.
                let gain: f64 = taps.iter().sum();
                taps.into_iter().map(|tap| tap / gain).collect()
            })
            .collect();
        Self { up, down, half_taps, phases }
    }

    fn output(&self, samples: &[i16], n: usize) -> i16 {
        let position = n * self.down;
        let (centre, phase) = (position / self.up, position % self.up);
        // The first tap stands at `centre − (half_taps − 1)`; before the start and after the end is silence.
        let skipped = (self.half_taps - 1).saturating_sub(centre);
        let first = centre.saturating_sub(self.half_taps - 1);
        let taps = self.phases[phase].iter().skip(skipped);
        let sum: f64 =
            taps.zip(samples.iter().skip(first)).map(|(tap, &sample)| tap * f64::from(sample)).sum();
        to_sample(sum)
    }
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The Kaiser window over −1…1; zero outside.
fn kaiser(x: f64) -> f64 {
    if x.abs() >= 1.0 { 0.0 } else { bessel_i0(BETA * (1.0 - x * x).sqrt()) / bessel_i0(BETA) }
}

/// The modified Bessel function of order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..64 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
        if term < sum * 1e-12 {
            break;
        }
    }
    sum
}

const fn greatest_common_divisor(a: usize, b: usize) -> usize {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level::rms_dbm0;
    use std::f64::consts::TAU;

    fn sine(hertz: f64, rate: SampleRate) -> Vec<i16> {
        let rate = f64::from(rate.0);
        (0..16_000).map(|n| to_sample(10_000.0 * (TAU * hertz * f64::from(n) / rate).sin())).collect()
    }

    /// How the middle of a sine comes out, in dB.
    fn gain(hertz: f64, from: SampleRate, to: SampleRate) -> f64 {
        let before = sine(hertz, from);
        let after = resample(&before, from, to);
        let middle = &after[after.len() / 4..after.len() * 3 / 4];
        rms_dbm0(middle) - rms_dbm0(&before)
    }

    const FILE_RATES: [u32; 5] = [16_000, 22_050, 24_000, 44_100, 48_000];

    #[test]
    fn the_telephone_band_passes_unchanged() {
        for rate in FILE_RATES {
            for hertz in [300.0, 1000.0, 3000.0, 3400.0] {
                let measured = gain(hertz, SampleRate(rate), SampleRate::TELEPHONE);
                assert!(measured.abs() < 0.1, "{hertz} Hz from {rate}: {measured} dB");
            }
        }
    }

    #[test]
    fn what_would_fold_back_is_gone() {
        for rate in FILE_RATES {
            for hertz in [4100.0, 5000.0, 7000.0] {
                let measured = gain(hertz, SampleRate(rate), SampleRate::TELEPHONE);
                // Sixteen-bit rounding leaves nothing quieter to measure than about −75 dB.
                assert!(measured < -70.0, "{hertz} Hz from {rate}: {measured} dB");
            }
        }
    }

    #[test]
    fn going_up_makes_no_images_and_coming_back_restores() {
        let before = sine(1000.0, SampleRate::TELEPHONE);
        let wide = resample(&before, SampleRate::TELEPHONE, SampleRate(16_000));
        assert_eq!(wide.len(), before.len() * 2);
        let back = resample(&wide, SampleRate(16_000), SampleRate::TELEPHONE);
        assert_eq!(back.len(), before.len());
        let error: Vec<i16> = back.iter().zip(&before).skip(200).take(15_000).map(|(a, b)| a - b).collect();
        assert!(rms_dbm0(&error) < rms_dbm0(&before) - 60.0);
    }

    #[test]
    fn nothing_in_is_nothing_out() {
        assert!(resample(&[], SampleRate(44_100), SampleRate::TELEPHONE).is_empty());
        assert!(resample(&[1, 2], SampleRate(0), SampleRate::TELEPHONE).is_empty());
        assert_eq!(resample(&[1, 2], SampleRate(1), SampleRate(1)), [1, 2]);
    }
}
