//! The two rates of audio inside the engine, and the way from one to the other as it streams by.

use crate::units::SampleRate;

/// How much of a voice there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Band {
    /// The telephone band, up to 3.4 kHz: 8,000 samples a second.
    #[default]
    Narrow,
    /// Up to 7 kHz: 16,000 samples a second.
    Wide,
}

impl Band {
    /// Samples in a second.
    #[must_use]
    pub const fn rate(self) -> SampleRate {
        match self {
            Self::Narrow => SampleRate(8000),
            Self::Wide => SampleRate(16_000),
        }
    }

    /// Samples in 125 µs, the tick by which media is counted.
    #[must_use]
    pub const fn samples_of_tick(self) -> usize {
        match self {
            Self::Narrow => 1,
            Self::Wide => 2,
        }
    }
}

/// Brings one stream from its band to another. What comes out is 1.5 ms late where the rate changes.
#[derive(Clone, Debug, Default)]
pub struct Rebander {
    /// The last samples of the stream that lie at odd places of the higher rate.
    history: [f32; TAPS],
    /// The last samples that lie at even places; going up they are the same.
    beside: [f32; HALF],
}

impl Rebander {
    /// Appends the samples in band `to`.
    pub fn pass(&mut self, samples: &[i16], from: Band, to: Band, into: &mut impl Extend<i16>) {
        match (from, to) {
            (Band::Narrow, Band::Wide) => self.double(samples, into),
            (Band::Wide, Band::Narrow) => self.halve(samples, into),
            (Band::Narrow, Band::Narrow) | (Band::Wide, Band::Wide) => into.extend(samples.iter().copied()),
        }
    }

    /// Between any two samples a new one, by a half-band filter: the others stay as they are.
    fn double(&mut self, samples: &[i16], into: &mut impl Extend<i16>) {
        for part in samples.chunks(PART) {
            let mut line = [0.0_f32; TAPS + PART];
            line[..TAPS].copy_from_slice(&self.history);
            for (place, &sample) in line[TAPS..].iter_mut().zip(part) {
                *place = f32::from(sample);
            }
            into.extend((0..part.len()).flat_map(|n| {
                let window = &line[n + 1..=n + TAPS];
                [rounded(window[HALF - 1]), rounded(filtered(window))]
            }));
            self.history.copy_from_slice(&line[part.len()..part.len() + TAPS]);
        }
    }

    /// Every other sample, after the filter.
    fn halve(&mut self, samples: &[i16], into: &mut impl Extend<i16>) {
        for part in samples.as_chunks::<2>().0.chunks(PART) {
            let mut odd = [0.0_f32; TAPS + PART];
            let mut even = [0.0_f32; HALF + PART];
            odd[..TAPS].copy_from_slice(&self.history);
            even[..HALF].copy_from_slice(&self.beside);
            for (n, pair) in part.iter().enumerate() {
                even[HALF + n] = f32::from(pair[0]);
                odd[TAPS + n] = f32::from(pair[1]);
            }
            into.extend((0..part.len()).map(|n| {
                // The even sample in the middle of the window of odd ones.
                let middle = even[n + 1];
                rounded((middle + filtered(&odd[n + 1..=n + TAPS])) / 2.0)
            }));
            self.history.copy_from_slice(&odd[part.len()..part.len() + TAPS]);
            self.beside.copy_from_slice(&even[part.len()..part.len() + HALF]);
        }
    }
}

fn filtered(window: &[f32]) -> f32 {
    window.iter().zip(&FILTER).map(|(value, tap)| value * tap).sum()
}

#[expect(clippy::cast_possible_truncation, reason = "a float cast to an integer saturates")]
fn rounded(value: f32) -> i16 {
    (value + 0.5_f32.copysign(value)) as i16
}

/// Samples taken at a time: 20 ms.
const PART: usize = 160;
/// Taps of the odd phase.
const TAPS: usize = 24;
const HALF: usize = TAPS / 2;
/// Between two samples: a sinc under a Kaiser window with β 5.65, every constant passed unchanged. Up to 3.4 kHz it is flat
/// within 0.02 dB, from 4.6 kHz on 60 dB down.
const FILTER: [f32; TAPS] = [
    -0.000_999_565,
    0.002_449_64,
    -0.004_857_274,
    0.008_570_93,
    -0.014_030_37,
    0.021_831_612,
    -0.032_880_873,
    0.048_775_71,
    -0.072_863_19,
    0.113_858_86,
    -0.203_950_87,
    0.634_095_4,
    0.634_095_4,
    -0.203_950_87,
    0.113_858_86,
    -0.072_863_19,
    0.048_775_71,
    -0.032_880_873,
    0.021_831_612,
    -0.014_030_37,
    0.008_570_93,
    -0.004_857_274,
    0.002_449_64,
    -0.000_999_565,
];

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::audio::level::rms_dbm0;
    use crate::audio::{correlate, to_sample};

    fn sine(hertz: f64, band: Band) -> Vec<i16> {
        let rate = f64::from(band.rate().0);
        (0..8000).map(|n| to_sample(10_000.0 * (TAU * hertz * f64::from(n) / rate).sin())).collect()
    }

    /// Through in parts of odd lengths, as no packet has them.
    fn passed(samples: &[i16], from: Band, to: Band) -> Vec<i16> {
        let (mut rebander, mut out) = (Rebander::default(), Vec::new());
        for part in samples.chunks(2 * 77) {
            rebander.pass(part, from, to, &mut out);
        }
        out
    }

    #[test]
    fn the_telephone_band_passes_and_what_would_fold_back_does_not() {
        for hertz in [50.0, 300.0, 1000.0, 2500.0, 3400.0] {
            for (from, to) in [(Band::Narrow, Band::Wide), (Band::Wide, Band::Narrow)] {
                let out = passed(&sine(hertz, from), from, to);
                let gain = rms_dbm0(&out[400..]) - rms_dbm0(&sine(hertz, from));
                assert!(gain.abs() < 0.1, "{hertz} Hz {from:?}: {gain} dB");
            }
        }
        for hertz in [4700.0, 5500.0, 7000.0] {
            let out = passed(&sine(hertz, Band::Wide), Band::Wide, Band::Narrow);
            let left = rms_dbm0(&out[400..]) - rms_dbm0(&sine(hertz, Band::Wide));
            assert!(left < -55.0, "{hertz} Hz: {left} dB");
        }
    }

    #[test]
    fn there_and_back_is_the_same_wave_three_milliseconds_later() {
        // A tone that climbs: like itself at one place only.
        let chirp = |n: u32| to_sample(9000.0 * (f64::from(n).powi(2) * 0.0001).sin());
        let source: Vec<i16> = (0..8000).map(chirp).collect();
        let back = passed(&passed(&source, Band::Narrow, Band::Wide), Band::Wide, Band::Narrow);
        assert_eq!(back.len(), source.len());
        let found = correlate(&source[1000..5000], &back).expect("a sound");
        assert!(found.score > 0.9999 && (1010..1030).contains(&found.lag), "{found:?}");
    }
}
