//! Whether something sounds like a key of a telephone (ITU-T Q.23), for whoever leaves keys out.
//!
//! This is no receiver of keys: it does not say which key it was and takes what no receiver would take, a tone
//! that is short, crooked or half drowned. It looks at 20 ms at a time: nearly all of the energy lies at one row
//! and one column, each within 2.3 % of its frequency.

/// Frequencies looked at: the four rows, then the four columns, each as it should be, a little below, a little
/// above.
const LOOKED_AT: usize = 24;
const ROWS: usize = 12;

/// Looks for keys in what is heard.
#[derive(Debug)]
pub struct KeyTones {
    /// `2 cos(2πf / 8000)` for each.
    turns: [f32; LOOKED_AT],
}

/// Q.24 wants receivers to take tones that are off by 1.8 %; 20 ms tell 25 Hz apart.
const ASIDE: f32 = 0.015;
/// Row and column together have this share of the energy: noise and voices spread theirs. Measured on 38 minutes of
/// read speech, 12 of 110,000 frames look like a key so; with 0.5 it would be 671.
const SHARE: f32 = 0.65;
/// And each this share at least: a twist of 9 dB.
const LESSER: f32 = 0.08;
/// −51 dB below full scale: nobody hears a key below it, and no receiver takes it.
const FAINT: f32 = 90.0 * 90.0;

impl Default for KeyTones {
    fn default() -> Self {
        let tones = [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0_f32];
        let mut turns = [0.0; LOOKED_AT];
        let shifted = tones.iter().flat_map(|tone| [1.0, 1.0 - ASIDE, 1.0 + ASIDE].map(|by| tone * by));
        for (turn, frequency) in turns.iter_mut().zip(shifted) {
            *turn = 2.0 * (std::f32::consts::TAU * frequency / 8000.0).cos();
        }
        Self { turns }
    }
}

impl KeyTones {
    /// Whether these samples, at 8,000 Hz and best 20 ms of them, hold a key.
    #[must_use]
    pub fn sound_in(&self, samples: &[i16]) -> bool {
        let energy: f32 = samples.iter().map(|&sample| f32::from(sample).powi(2)).sum();
        let count = f32::from(u16::try_from(samples.len()).unwrap_or(u16::MAX));
        if energy <= FAINT * count {
            return false;
        }
        let powers = self.powers(samples);
        let (rows, columns) = powers.split_at(ROWS);
        // A tone of amplitude A has the power (A n / 2)² and the energy A² n / 2.
        let share = |power: f32| 2.0 * power / (count * energy);
        let most = |powers: &[f32]| share(powers.iter().copied().fold(0.0, f32::max));
        let (row, column) = (most(rows), most(columns));
        row + column >= SHARE && row.min(column) >= LESSER
    }

    /// Goertzel's sums, all side by side.
    fn powers(&self, samples: &[i16]) -> [f32; LOOKED_AT] {
        let turns = &self.turns;
        let (mut last, mut before) = ([0.0_f32; LOOKED_AT], [0.0_f32; LOOKED_AT]);
        for &sample in samples {
            let sample = f32::from(sample);
            for at in 0..LOOKED_AT {
                let next = sample + turns[at] * last[at] - before[at];
                before[at] = last[at];
                last[at] = next;
            }
        }
        std::array::from_fn(|at| {
            last[at] * last[at] + before[at] * before[at] - turns[at] * last[at] * before[at]
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::audio::Law;
    use crate::audio::tone::{self, Tone};
    use crate::units::{Digit, Entropy};

    fn noise(seed: u8, length: usize, loud: u64) -> Vec<i16> {
        let mut entropy = Entropy::from_seed([seed; 32]);
        let half = i16::try_from(loud / 2).expect("small");
        (0..length).map(|_| i16::try_from(entropy.below(loud)).expect("small") - half).collect()
    }

    fn keys() -> impl Iterator<Item = Digit> {
        (0..16).filter_map(Digit::from_event)
    }

    #[test]
    fn every_key_is_found_through_both_laws_under_noise_and_at_any_loudness() {
        for key in keys() {
            let tone = tone::render(Tone::Dtmf(key), Duration::from_millis(20));
            for law in [Law::Mu, Law::A] {
                for quieter in [1, 4, 16] {
                    let noisy =
                        tone.iter().zip(noise(3, 160, 1600)).map(|(tone, noise)| (tone + noise) / quieter);
                    let heard: Vec<i16> = noisy.map(|s| law.decode_sample(law.encode_sample(s))).collect();
                    assert!(KeyTones::default().sound_in(&heard), "{} / {quieter}", key.as_char());
                }
            }
            // Most of it is enough: what comes before and after is for others to leave out.
            let mut part = vec![0; 25];
            part.extend_from_slice(&tone[..135]);
            assert!(KeyTones::default().sound_in(&part), "{}", key.as_char());
        }
    }

    #[test]
    fn silence_noise_and_single_tones_are_no_keys() {
        assert!(!KeyTones::default().sound_in(&[0; 160]));
        assert!(!KeyTones::default().sound_in(&[]));
        for seed in 0..100 {
            assert!(!KeyTones::default().sound_in(&noise(seed, 160, 8000)));
        }
        for hertz in (100..3400).step_by(10) {
            let turn = std::f64::consts::TAU * f64::from(hertz) / 8000.0;
            #[expect(clippy::cast_possible_truncation, reason = "within 8000")]
            let wave: Vec<i16> = (0..160).map(|n| ((turn * f64::from(n)).sin() * 8000.0) as i16).collect();
            assert!(!KeyTones::default().sound_in(&wave), "{hertz}");
        }
    }
}
