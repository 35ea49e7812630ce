//! How loud: levels in dBm0, the telephone network's own unit.

use super::count;

/// RMS of a sine at 0 dBm0 in sixteen bits: G.711 tables 5 and 6 put a full sine at +3.17 dBm0 (µ-law).
pub const RMS_AT_0_DBM0: f64 = 16_017.0;

/// What silence is said to be: below the finest step of either law.
pub const SILENCE_DBM0: f64 = -90.0;

/// The RMS level of all samples; [`SILENCE_DBM0`] for none and for silence.
#[must_use]
pub fn rms_dbm0(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return SILENCE_DBM0;
    }
    let energy: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    to_dbm0((energy / count(samples.len())).sqrt())
}

/// The level of active speech: the RMS of those 20 ms frames that come within 25 dB of the loudest one.
///
/// A plain stand-in for ITU-T P.56 that is good for prompts, where the pauses are clean.
#[must_use]
pub fn active_dbm0(samples: &[i16]) -> f64 {
    const FRAME: usize = 160;
    const RANGE_DB: f64 = 25.0;
    let frames: Vec<(&[i16], f64)> = samples.chunks(FRAME).map(|frame| (frame, rms_dbm0(frame))).collect();
    let loudest = frames.iter().map(|&(_, level)| level).fold(SILENCE_DBM0, f64::max);
    let active: Vec<i16> = frames
        .iter()
        .filter(|&&(_, level)| level >= loudest - RANGE_DB)
        .flat_map(|&(frame, _)| frame.iter().copied())
        .collect();
    rms_dbm0(&active)
}

/// The largest magnitude of any sample.
#[must_use]
pub fn peak(samples: &[i16]) -> u16 {
    samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0)
}

fn to_dbm0(rms: f64) -> f64 {
    (20.0 * (rms / RMS_AT_0_DBM0).log10()).max(SILENCE_DBM0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone::{Tone, render};
    use std::time::Duration;

    #[test]
    fn a_full_sine_is_3_db_above_the_reference() {
        let sine: Vec<i16> =
            (0..8000).map(|n| crate::audio::to_sample(32_635.0 * (f64::from(n) * 0.777).sin())).collect();
        assert!((rms_dbm0(&sine) - 3.17).abs() < 0.02);
        assert!(peak(&sine) > 32_600);
    }

    #[test]
    fn pauses_do_not_lower_the_active_level() {
        let mut samples = render(Tone::Beep, Duration::from_millis(400));
        let loud = active_dbm0(&samples);
        samples.extend(vec![0; 16_000]);
        assert!((active_dbm0(&samples) - loud).abs() < 0.1);
        assert!(rms_dbm0(&samples) < loud - 5.0);
    }

    #[test]
    fn silence_has_a_level_too() {
        assert!((rms_dbm0(&[]) - SILENCE_DBM0).abs() < f64::EPSILON);
        assert!((rms_dbm0(&[0; 100]) - SILENCE_DBM0).abs() < f64::EPSILON);
    }
}
