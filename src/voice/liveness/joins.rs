//! Words that were recorded one by one and put together.
//!
//! Who says "four four one" moves from word to word: the end of one is shaped by the beginning of the next, and between two
//! words the voice sinks and rises in its own way. Where recordings were joined, it sinks lower, and what stands on both
//! sides does not belong together. Measured are the dips between the loudest places of the syllables; a weighted sum of what they
//! have in common is the score.

use std::sync::Arc;

use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};

use super::{SpoofModel, weights};

/// Looks for joins.
pub struct Joins {
    weights: Weights,
}

/// What is weighed of an utterance: the mean and the deviation, over its dips, of twelve measures.
pub const TRAITS: usize = 2 * DIP;
/// Measures of one dip.
const DIP: usize = 12;

/// How each trait counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// What it usually is.
    pub mean: [f32; TRAITS],
    /// What it counts for, of a deviation of 1.
    pub weight: [f32; TRAITS],
    /// Added to the sum.
    pub bias: f32,
}

impl Weights {
    /// The sum: above 0 it is rather joined.
    #[must_use]
    pub fn sum(&self, traits: &[f32; TRAITS]) -> f32 {
        let each = traits.iter().zip(&self.mean).zip(&self.weight);
        self.bias + each.map(|((trait_, mean), weight)| (trait_ - mean) * weight).sum::<f32>()
    }
}

impl Default for Joins {
    fn default() -> Self {
        Self { weights: weights::learnt() }
    }
}

impl SpoofModel for Joins {
    fn identity(&self) -> &'static str {
        "joins 1"
    }

    fn score(&self, samples: &[i16]) -> Option<u8> {
        let sum = self.weights.sum(&traits(samples)?);
        Some(percent(1.0 / (1.0 + (-sum).exp())))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
const fn percent(share: f32) -> u8 {
    (share * 100.0).clamp(0.0, 100.0).round() as u8
}

/// Samples of a window: 25 ms.
const WINDOW: usize = 200;
/// Samples from one window to the next: 10 ms.
const HOP: usize = 80;
const FFT: usize = 256;
/// Bands of a telephone's hearing, evenly spread on the mel scale.
const BANDS: usize = 16;
const LOWEST: f32 = 250.0;
const HIGHEST: f32 = 3_400.0;
/// A syllable is no softer than this below the loudest, in dB.
const SOFTEST: f32 = 22.0;
/// Between two syllables it is softer by this, in dB.
const LEAST_DIP: f32 = 4.0;
/// Two syllables are so many windows apart.
const APART: usize = 8;

/// One window: its level in dB, and that of each band.
struct Window {
    level: f32,
    bands: [f32; BANDS],
}

/// What is measured of an utterance at 8,000 Hz; `None` with fewer than two syllables.
#[must_use]
pub fn traits(samples: &[i16]) -> Option<[f32; TRAITS]> {
    let windows = windows(samples);
    let smooth = smoothed(&windows);
    let syllables = syllables(&smooth);
    let (first, last) = (*syllables.first()?, *syllables.last()?);
    let mut levels = smooth.get(first..=last)?.to_vec();
    levels.sort_by(f32::total_cmp);
    let floor = *levels.get(levels.len() / 20)?;
    let dips: Vec<[f32; DIP]> = syllables
        .iter()
        .zip(syllables.get(1..)?)
        .filter_map(|(from, to)| dip(&windows, &smooth, (*from, *to), floor))
        .collect();
    summary(&dips)
}

/// Mean and deviation of each measure.
fn summary(dips: &[[f32; DIP]]) -> Option<[f32; TRAITS]> {
    if dips.is_empty() {
        return None;
    }
    let mut out = [0.0; TRAITS];
    for (at, pair) in out.chunks_exact_mut(2).enumerate() {
        let values: Vec<f32> = dips.iter().map(|dip| dip[at]).collect();
        pair[0] = mean(&values);
        pair[1] = deviation(&values);
    }
    Some(out)
}

/// The measures of the dip between two syllables.
fn dip(windows: &[Window], smooth: &[f32], (from, to): (usize, usize), floor: f32) -> Option<[f32; DIP]> {
    let levels = smooth.get(from..=to)?;
    let lowest = (0..levels.len()).min_by(|a, b| levels[*a].total_cmp(&levels[*b]))?;
    let (before, after) = (smooth[from], smooth[to]);
    let softer = before.min(after);
    let at = from + lowest;
    let span = windows.get(from..=to)?;
    let steps = span.windows(2).map(|pair| pair[1].level - pair[0].level);
    let (steepest, flattest) =
        steps.fold((0.0_f32, 0.0_f32), |(rise, fall), step| (rise.max(step), fall.max(-step)));
    let changes: Vec<f32> = span.windows(2).map(|pair| change(&pair[0].bands, &pair[1].bands)).collect();
    let left = shape(windows.get(from.max(at.saturating_sub(10))..(from + 1).max(at.saturating_sub(2)))?);
    let right = shape(windows.get((at + 2).min(to)..=to.min(at + 10))?);
    let around = windows.get(at.saturating_sub(3)..(at + 4).min(windows.len()))?;
    let low = levels.iter().filter(|level| **level < softer - 12.0).count();
    Some([
        softer - levels[lowest],
        levels[lowest] - floor,
        count(low) * 0.01,
        flattest,
        steepest,
        changes.iter().copied().fold(0.0, f32::max),
        mean(&changes),
        change(&left, &right),
        unrest(around),
        (after - before).abs(),
        after - before,
        count(to - from) * 0.01,
    ])
}

/// The mean of some windows, whatever their level.
fn shape(windows: &[Window]) -> [f32; BANDS] {
    let mut out = [0.0; BANDS];
    for window in windows {
        out.iter_mut().zip(&window.bands).for_each(|(sum, band)| *sum += band);
    }
    out.iter_mut().for_each(|sum| *sum /= count(windows.len().max(1)));
    let level = mean(&out);
    out.iter_mut().for_each(|band| *band -= level);
    out
}

/// How far two spectra are from each other, in dB.
fn change(one: &[f32; BANDS], other: &[f32; BANDS]) -> f32 {
    one.iter().zip(other).map(|(one, other)| (one - other).abs()).sum::<f32>() / count(BANDS)
}

/// How much the bands of some windows vary, in dB.
fn unrest(windows: &[Window]) -> f32 {
    let of = |band: usize| deviation(&windows.iter().map(|window| window.bands[band]).collect::<Vec<_>>());
    (0..BANDS).map(of).sum::<f32>() / count(BANDS)
}

/// Where syllables are loudest.
fn syllables(levels: &[f32]) -> Vec<usize> {
    let loudest = levels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut found: Vec<usize> = Vec::new();
    let (mut top, mut low) = (0, f32::INFINITY);
    let mut rising = false;
    for (at, level) in levels.iter().enumerate() {
        if rising && *level > levels[top] {
            top = at;
        } else if rising && *level < levels[top] - LEAST_DIP {
            found.push(top);
            (rising, low) = (false, *level);
        } else if !rising {
            low = low.min(*level);
            if *level > low + LEAST_DIP {
                (rising, top) = (true, at);
            }
        }
    }
    if rising {
        found.push(top);
    }
    found.retain(|at| levels[*at] >= loudest - SOFTEST);
    apart(&found, levels)
}

/// Of syllables that are too close to be two, the louder.
fn apart(found: &[usize], levels: &[f32]) -> Vec<usize> {
    let mut out: Vec<usize> = Vec::new();
    for at in found {
        match out.last_mut() {
            Some(last) if at - *last < APART => {
                if levels[*at] > levels[*last] {
                    *last = *at;
                }
            }
            _ => out.push(*at),
        }
    }
    out
}

/// Levels without what lasts less than 50 ms.
fn smoothed(windows: &[Window]) -> Vec<f32> {
    let around = |at: usize| {
        let near = windows.get(at.saturating_sub(2)..(at + 3).min(windows.len())).unwrap_or_default();
        near.iter().map(|window| window.level).sum::<f32>() / count(near.len().max(1))
    };
    (0..windows.len()).map(around).collect()
}

fn windows(samples: &[i16]) -> Vec<Window> {
    let fft: Arc<dyn Fft<f32>> = FftPlanner::new().plan_fft_forward(FFT);
    let mut scratch = vec![Complex32::default(); fft.get_inplace_scratch_len()];
    let mut bins = [Complex32::default(); FFT];
    let bands = bands();
    // Hamming.
    let weight = |n: usize| 0.54 - 0.46 * (std::f32::consts::TAU * count(n) / count(WINDOW - 1)).cos();
    let weights: Vec<f32> = (0..WINDOW).map(weight).collect();
    let window = |samples: &[i16]| {
        bins.fill(Complex32::default());
        for ((bin, sample), weight) in bins.iter_mut().zip(samples).zip(&weights) {
            bin.re = f32::from(*sample) / 32_768.0 * weight;
        }
        let energy: f32 = bins.iter().map(|bin| bin.re * bin.re).sum();
        fft.process_with_scratch(&mut bins, &mut scratch);
        let mut out = Window { level: decibels(energy), bands: [0.0; BANDS] };
        for (to, (first, heights)) in out.bands.iter_mut().zip(&bands) {
            let bins = bins.iter().skip(*first);
            *to = decibels(heights.iter().zip(bins).map(|(height, bin)| height * bin.norm_sqr()).sum());
        }
        out
    };
    samples.windows(WINDOW).step_by(HOP).map(window).collect()
}

/// The first frequency of each band, and how high its triangle stands at that and the next.
fn bands() -> Vec<(usize, Vec<f32>)> {
    let (low, high) = (mel(LOWEST), mel(HIGHEST));
    let step = (high - low) / count(BANDS + 1);
    let height = |band: usize, bin: usize| {
        let at = (mel(count(bin) * 8_000.0 / count(FFT)) - low) / step - count(band);
        at.min(2.0 - at).max(0.0)
    };
    let band = |band: usize| {
        let bins: Vec<usize> = (0..=FFT / 2).filter(|bin| height(band, *bin) > 0.0).collect();
        let first = bins.first().copied().unwrap_or_default();
        (first, bins.iter().map(|bin| height(band, *bin)).collect())
    };
    (0..BANDS).map(band).collect()
}

fn mel(hertz: f32) -> f32 {
    2_595.0 * (1.0 + hertz / 700.0).log10()
}

fn decibels(energy: f32) -> f32 {
    10.0 * (energy + 1e-10).log10()
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / count(values.len().max(1))
}

fn deviation(values: &[f32]) -> f32 {
    let mean = mean(values);
    (values.iter().map(|value| (value - mean) * (value - mean)).sum::<f32>() / count(values.len().max(1)))
        .sqrt()
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
const fn count(number: usize) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tones of 200 ms with so many samples of near silence between them.
    fn beeps(count: u16, gap: u16) -> Vec<i16> {
        let beep = |n: u16| {
            let shape = (std::f32::consts::PI * f32::from(n) / 1_600.0).sin();
            crate::audio::to_sample(f64::from((f32::from(n) * 0.5).sin() * shape) * 8_000.0)
        };
        let one: Vec<i16> = (0..1_600).map(beep).chain((0..gap).map(|n| i16::from(n % 2 == 0))).collect();
        one.repeat(usize::from(count))
    }

    #[test]
    fn the_dips_between_syllables_are_measured() {
        let traits = traits(&beeps(4, 800)).expect("four syllables");
        // From one loudest place to the next: 200 ms of tone, 100 ms of none.
        assert!((traits[22] - 0.3).abs() < 0.02, "{}", traits[22]);
        assert!(traits[0] > 40.0 && traits[1] < 3.0, "each sinks as far: {} ± {}", traits[0], traits[1]);
        assert!((0.1..0.25).contains(&traits[4]), "{}", traits[4]);
    }

    #[test]
    fn what_has_no_two_syllables_is_not_judged() {
        for samples in [vec![], vec![0; 100], vec![0; 8_000], beeps(1, 800)] {
            assert_eq!(Joins::default().score(&samples), None);
        }
        assert!(Joins::default().score(&beeps(3, 400)).is_some());
    }

    #[test]
    fn every_band_has_its_place() {
        let bands = bands();
        assert!(bands.iter().all(|(_, heights)| !heights.is_empty()));
        assert!(bands.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }
}
