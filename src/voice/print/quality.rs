//! Whether an utterance is good enough to know a voice by: how long somebody speaks in it, how loud, how clean.

use crate::audio::level::{SILENCE_DBM0, rms_dbm0};

/// What an utterance is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Seconds in which somebody speaks: those frames that come within 25 dB of the loudest.
    pub speech: f32,
    /// The level of those frames, in dBm0.
    pub level: f64,
    /// How far below that the quietest tenth of all frames lies, in dB.
    pub above_noise: f64,
    /// The share of samples that are as large as a sample can be.
    pub clipped: f64,
}

/// Why an utterance is not used for an enrolment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Flaw {
    /// Too little speech.
    #[error("somebody speaks in it for less than {LEAST_SPEECH} seconds")]
    Short,
    /// Hardly to be heard.
    #[error("it is too soft: speak up, or nearer to the microphone")]
    Soft,
    /// Overdriven.
    #[error("it is overdriven: speak softer, or turn the gain down")]
    Clipped,
    /// The line or the room is loud.
    #[error("the background is too loud")]
    Noisy,
}

/// The least speech of an utterance that counts, in seconds.
pub const LEAST_SPEECH: f32 = 1.5;
/// Softer than this nobody speaks on purpose, in dBm0.
const SOFTEST: f64 = -42.0;
/// More samples than this share at the end of the scale are no accident.
const MOST_CLIPPED: f64 = 0.002;
/// What either law of G.711 can carry at most is a little above this.
const SCALE_END: u16 = 31_000;
/// A voice that stands less above its background, in dB, is enrolled with the background.
const LEAST_ABOVE_NOISE: f64 = 12.0;
const FRAME: usize = 160;
const RANGE_DB: f64 = 25.0;

impl Quality {
    /// Measures samples at 8,000 Hz.
    #[must_use]
    pub fn of(samples: &[i16]) -> Self {
        let mut levels: Vec<f64> = samples.chunks_exact(FRAME).map(rms_dbm0).collect();
        let loudest = levels.iter().copied().fold(SILENCE_DBM0, f64::max);
        let spoken = |level: f64| level >= loudest - RANGE_DB && level > SILENCE_DBM0;
        let active: Vec<i16> = samples
            .chunks_exact(FRAME)
            .zip(&levels)
            .filter(|&(_, &level)| spoken(level))
            .flat_map(|(frame, _)| frame.iter().copied())
            .collect();
        levels.sort_by(f64::total_cmp);
        let quiet = levels.get(levels.len() / 10).copied().unwrap_or(SILENCE_DBM0);
        let clipped = samples.iter().filter(|sample| sample.unsigned_abs() >= SCALE_END).count();
        let level = rms_dbm0(&active);
        #[expect(clippy::cast_possible_truncation, reason = "seconds")]
        let speech = (crate::audio::count(active.len()) / 8_000.0) as f32;
        Self {
            speech,
            level,
            above_noise: level - quiet,
            clipped: crate::audio::count(clipped) / crate::audio::count(samples.len().max(1)),
        }
    }

    /// What is wrong with it for an enrolment, most telling first.
    #[must_use]
    pub fn flaws(&self) -> Vec<Flaw> {
        let flaws = [
            (self.speech < LEAST_SPEECH, Flaw::Short),
            (self.level < SOFTEST, Flaw::Soft),
            (self.clipped > MOST_CLIPPED, Flaw::Clipped),
            (self.above_noise < LEAST_ABOVE_NOISE, Flaw::Noisy),
        ];
        flaws.into_iter().filter_map(|(is, flaw)| is.then_some(flaw)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::to_sample;
    use crate::voice::print::net::tests::Even;

    /// Bursts of a buzz as long as words, with pauses, and a background of this amplitude.
    fn words(seconds: usize, loud: f64, background: f64) -> Vec<i16> {
        let mut even = Even(5);
        (0..seconds * 8_000)
            .map(|n| {
                let speaks = n % 4_000 < 2_800;
                let buzz = if n / 8 % 8 < 4 { 1.0 } else { -1.0 };
                to_sample(if speaks { loud * buzz } else { 0.0 } + background * even.next())
            })
            .collect()
    }

    #[test]
    fn a_clean_utterance_has_no_flaw() {
        let quality = Quality::of(&words(4, 2_000.0, 20.0));
        assert_eq!(quality.flaws(), []);
        assert!((quality.speech - 2.8).abs() < 0.1, "{quality:?}");
        assert!((quality.level + 18.0).abs() < 0.5, "{quality:?}");
    }

    #[test]
    fn each_flaw_is_named() {
        for (samples, flaw) in [
            (words(1, 2_000.0, 20.0), Flaw::Short),
            (words(4, 100.0, 1.0), Flaw::Soft),
            (words(4, 32_767.0, 20.0), Flaw::Clipped),
            (words(4, 2_000.0, 1_500.0), Flaw::Noisy),
        ] {
            assert_eq!(Quality::of(&samples).flaws(), [flaw]);
        }
        assert!(Quality::of(&[]).flaws().contains(&Flaw::Short));
        assert!(Quality::of(&[0; 80_000]).flaws().contains(&Flaw::Short));
    }
}
