//! Tones of the telephone network: what a line without words says.

use std::f64::consts::TAU;
use std::time::Duration;

use super::level::RMS_AT_0_DBM0;
use super::to_sample;
use crate::units::Digit;

/// A tone with its cadence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// The far end rings: 425 Hz, 1 s on, 4 s off (ITU-T E.180 §5, the recommended cadence).
    Ringback,
    /// The far end is busy: 425 Hz, half a second on and off (ITU-T E.180 §6).
    Busy,
    /// Something could not be done: three rising tones, then a second of quiet (ITU-T E.180 §8).
    Special,
    /// One signal "speak now" or "done": 1,000 Hz.
    Beep,
    /// A key, as heard on the line (ITU-T Q.23): both of its frequencies for the whole time.
    Dtmf(Digit),
    /// Nothing.
    Silence,
}

/// Renders a tone at 8,000 Hz for a time, its cadence repeated as long as that lasts.
#[must_use]
pub fn render(tone: Tone, length: Duration) -> Vec<i16> {
    let wanted = samples(length);
    let mut out = Vec::with_capacity(wanted);
    while out.len() < wanted {
        for part in cadence(tone) {
            let left = wanted.saturating_sub(out.len());
            let part_samples =
                if part.millis == 0 { left } else { samples(Duration::from_millis(part.millis)) };
            write_part(&part, part_samples.min(left), &mut out);
        }
    }
    out
}

/// A stretch of a cadence. Zero milliseconds: as long as there is room.
struct Part {
    hertz: [f64; 2],
    dbm0: f64,
    millis: u64,
}

/// Level of one frequency of a signalling tone: ITU-T E.180 §2 wants −10 dBm0 ± 5 dB.
const TONE_DBM0: f64 = -13.0;
/// Level of one frequency of a key: within what ITU-T Q.24 receivers must take.
const KEY_DBM0: f64 = -9.0;
/// Ramp at both ends of each part, against clicks.
const RAMP_SAMPLES: usize = 24;

fn cadence(tone: Tone) -> Vec<Part> {
    let on = |hertz: f64, millis| Part { hertz: [hertz, 0.0], dbm0: TONE_DBM0, millis };
    let off = |millis| Part { hertz: [0.0; 2], dbm0: 0.0, millis };
    match tone {
        Tone::Ringback => vec![on(425.0, 1000), off(4000)],
        Tone::Busy => vec![on(425.0, 500), off(500)],
        Tone::Special => vec![on(950.0, 330), on(1400.0, 330), on(1800.0, 330), off(1000)],
        Tone::Beep => vec![on(1000.0, 0)],
        Tone::Dtmf(digit) => vec![Part { hertz: key_frequencies(digit), dbm0: KEY_DBM0, millis: 0 }],
        Tone::Silence => vec![off(0)],
    }
}

/// ITU-T Q.23: the row's frequency and the column's.
fn key_frequencies(digit: Digit) -> [f64; 2] {
    const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
    const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
    const KEYS: [[char; 4]; 4] =
        [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
    for (row, keys) in ROWS.iter().zip(KEYS) {
        for (column, key) in COLUMNS.iter().zip(keys) {
            if key == digit.as_char() {
                return [*row, *column];
            }
        }
    }
    [0.0; 2]
}

fn write_part(part: &Part, length: usize, out: &mut Vec<i16>) {
    let amplitude = RMS_AT_0_DBM0 * 2_f64.sqrt() * 10_f64.powf(part.dbm0 / 20.0);
    for n in 0..length {
        let edge = n.min(length - 1 - n);
        let ramp = if edge < RAMP_SAMPLES { super::count(edge) / super::count(RAMP_SAMPLES) } else { 1.0 };
        let seconds = super::count(n) / 8000.0;
        let wave: f64 = part.hertz.iter().map(|hertz| (TAU * hertz * seconds).sin()).sum();
        out.push(to_sample(amplitude * ramp * wave));
    }
}

/// Samples of a time at 8,000 Hz, a started one counted.
fn samples(length: Duration) -> usize {
    usize::try_from(length.as_micros().div_ceil(125)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level;

    /// The power of one frequency in dBm0 (Goertzel).
    fn power(samples: &[i16], hertz: f64) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, &sample) in samples.iter().enumerate() {
            let angle = TAU * hertz * crate::audio::count(n) / 8000.0;
            re += f64::from(sample) * angle.cos();
            im += f64::from(sample) * angle.sin();
        }
        let rms = (re * re + im * im).sqrt() * 2_f64.sqrt() / crate::audio::count(samples.len());
        20.0 * (rms / RMS_AT_0_DBM0).log10()
    }

    #[test]
    fn ringing_is_one_second_on_and_four_off() {
        let ring = render(Tone::Ringback, Duration::from_secs(6));
        assert_eq!(ring.len(), 48_000);
        assert!((level::rms_dbm0(&ring[400..7600]) - TONE_DBM0).abs() < 0.2);
        assert_eq!(level::peak(&ring[8000..40_000]), 0);
        assert!(level::peak(&ring[40_100..]) > 1000);
    }

    #[test]
    fn every_key_has_two_frequencies_of_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for event in 0..16 {
            let digit = Digit::from_event(event).expect("0–15 are keys");
            let [row, column] = key_frequencies(digit);
            let sound = render(Tone::Dtmf(digit), Duration::from_millis(100));
            assert_eq!(sound.len(), 800);
            assert!(power(&sound, row) > -11.0 && power(&sound, column) > -11.0);
            assert!(level::peak(&sound) < 32_000);
            assert!(seen.insert(format!("{row} {column}")));
        }
    }

    #[test]
    fn a_tone_starts_and_ends_without_a_click() {
        let beep = render(Tone::Beep, Duration::from_millis(200));
        assert_eq!((beep.first(), beep.last()), (Some(&0), Some(&0)));
        assert_eq!(level::peak(&render(Tone::Silence, Duration::from_millis(20))), 0);
    }
}
