//! Finding one recording inside another: normalised cross-correlation by FFT.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::count;

/// Where a reference was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// Samples of the heard audio before the reference begins.
    pub lag: usize,
    /// Likeness, −1 to 1: 1 is the same wave at any loudness, and unrelated audio is near 0.
    pub score: f64,
}

/// Looks for the whole of `reference` in `heard` and gives the best place. `None` when either is silent or
/// `heard` is shorter than `reference`.
#[must_use]
pub fn correlate(reference: &[i16], heard: &[i16]) -> Option<Match> {
    let reference_energy = energy(reference);
    if reference.len() > heard.len() || reference_energy <= 0.0 {
        return None;
    }
    let products = products(reference, heard);
    let mut window = energy(&heard[..reference.len()]);
    let mut best: Option<Match> = None;
    for lag in 0..=heard.len() - reference.len() {
        // A window far quieter than the reference has no wave to compare, only rounding.
        if window > reference_energy * 1e-6 {
            let score = products[lag] / (window * reference_energy).sqrt();
            if best.is_none_or(|found| score > found.score) {
                best = Some(Match { lag, score });
            }
        }
        if let Some(&next) = heard.get(lag + reference.len()) {
            window += f64::from(next).powi(2) - f64::from(heard[lag]).powi(2);
        }
    }
    best
}

fn energy(samples: &[i16]) -> f64 {
    samples.iter().map(|&sample| f64::from(sample).powi(2)).sum()
}

/// The sum of products at each lag.
fn products(reference: &[i16], heard: &[i16]) -> Vec<f64> {
    let length = (reference.len() + heard.len()).next_power_of_two();
    let mut planner = FftPlanner::new();
    let forward = planner.plan_fft_forward(length);
    let spectrum = |samples: &[i16]| {
        let mut wave: Vec<Complex<f64>> =
            samples.iter().map(|&sample| Complex::new(f64::from(sample), 0.0)).collect();
        wave.resize(length, Complex::default());
        forward.process(&mut wave);
        wave
    };
    let reference = spectrum(reference);
    let mut both = spectrum(heard);
    for (heard, reference) in both.iter_mut().zip(&reference) {
        *heard *= reference.conj();
    }
    planner.plan_fft_inverse(length).process(&mut both);
    both.into_iter().map(|value| value.re / count(length)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Entropy;

    fn noise(seed: u8, length: usize) -> Vec<i16> {
        let mut entropy = Entropy::from_seed([seed; 32]);
        (0..length).map(|_| i16::try_from(entropy.below(8000)).expect("small") - 4000).collect()
    }

    #[test]
    fn the_lag_is_found_through_a_codec_at_another_loudness_and_under_noise() {
        let reference = noise(1, 4000);
        let mut heard = noise(2, 20_000).iter().map(|sample| sample / 16).collect::<Vec<_>>();
        for (at, sample) in reference.iter().enumerate() {
            heard[7777 + at] +=
                crate::audio::Law::A.decode_sample(crate::audio::Law::A.encode_sample(sample / 3));
        }
        let found = correlate(&reference, &heard).expect("it is there");
        assert_eq!(found.lag, 7777);
        assert!(found.score > 0.95, "{found:?}");
    }

    #[test]
    fn unrelated_audio_scores_low() {
        let found = correlate(&noise(3, 4000), &noise(4, 20_000)).expect("not silent");
        assert!(found.score < 0.15, "{found:?}");
    }

    #[test]
    fn a_wave_is_its_own_best_match() {
        let wave = noise(5, 1000);
        let found = correlate(&wave, &wave).expect("itself");
        assert_eq!(found.lag, 0);
        assert!((found.score - 1.0).abs() < 1e-9);
    }

    #[test]
    fn silence_and_too_short_recordings_match_nothing() {
        assert_eq!(correlate(&[0; 100], &noise(1, 200)), None);
        assert_eq!(correlate(&noise(1, 200), &[0; 300]), None);
        assert_eq!(correlate(&noise(1, 200), &noise(1, 100)), None);
        assert_eq!(correlate(&[], &[]), None);
    }
}
