//! Strings of digits as people said them, and others put together from the same recordings.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use countersign::audio::{Law, decode_file};

/// How recordings are put together: at the softest place; the same with 10 ms of both mixed; cut close, with silence
/// between; cut close, made as loud as each other, with faint noise between; cut close with nothing between.
pub(crate) const KINDS: [&str; 5] = ["cut", "mixed", "silence between", "levelled", "close"];

/// One string.
pub(crate) struct Sound {
    pub(crate) samples: Vec<i16>,
    /// How it was joined, among [`KINDS`]; `None` of a natural one.
    pub(crate) joined: Option<usize>,
    /// Whether it is learnt from.
    pub(crate) learnt: bool,
}

/// A recording with its words.
struct Recording {
    whole: Vec<f64>,
    words: Vec<Vec<f64>>,
}

/// A word of a recording: which, and the how many-eth.
type Word = (usize, usize);

/// Where words end in the recordings of the corpus, in samples: found by aligning a recogniser's attention to what was said, then
/// moved to the softest place nearby.
const CUTS: &str = include_str!("../data/digit-cuts.txt");

/// All strings of the corpus; `None` where there is none.
pub(crate) fn all() -> Option<Vec<Sound>> {
    let corpus = PathBuf::from(std::env::var_os("COUNTERSIGN_CORPUS")?).join("speech/digits");
    let mut speakers: BTreeMap<String, Vec<Recording>> = BTreeMap::new();
    for line in CUTS.lines() {
        let (file, cuts) = line.split_once(' ').expect("a file and its cuts");
        let cuts: Vec<usize> = cuts.split(' ').map(|cut| cut.parse().expect("a sample")).collect();
        let speaker = file.get(..5).expect("a speaker").to_owned();
        speakers.entry(speaker).or_default().push(Recording::read(&corpus.join(file), &cuts));
    }
    let mut chance = Chance(1);
    let mut out = Vec::new();
    for (number, recordings) in speakers.into_values().enumerate() {
        let learnt = number % 2 == 0;
        for natural in &recordings {
            for _ in 0..2 {
                let samples = line(&natural.whole, &mut chance);
                out.push(Sound { samples, joined: None, learnt });
            }
            for kind in 0..KINDS.len() {
                let Some(words) = chosen(&recordings, natural.words.len(), &mut chance) else { continue };
                let samples = line(&joined(&recordings, &words, kind, &mut chance), &mut chance);
                out.push(Sound { samples, joined: Some(kind), learnt });
            }
        }
    }
    Some(out)
}

impl Recording {
    fn read(path: &Path, cuts: &[usize]) -> Self {
        let pcm = decode_file(&fs::read(path).expect("a recording"), "wav").expect("a WAV file");
        let samples: Vec<f64> = pcm.samples.iter().map(|sample| f64::from(*sample)).collect();
        let (first, last) = (cuts[0], cuts[cuts.len() - 1]);
        let whole = samples[first.saturating_sub(400)..samples.len().min(last + 400)].to_vec();
        let words = cuts.windows(2).map(|pair| samples[pair[0]..pair[1]].to_vec()).collect();
        Self { whole, words }
    }
}

/// So many words in an order in which none follows the one that it followed.
fn chosen(recordings: &[Recording], count: usize, chance: &mut Chance) -> Option<Vec<Word>> {
    let all: Vec<Word> = recordings
        .iter()
        .enumerate()
        .flat_map(|(at, recording)| (0..recording.words.len()).map(move |word| (at, word)))
        .collect();
    let seams =
        |words: &[Word]| words.windows(2).all(|pair| pair[0].0 != pair[1].0 || pair[1].1 != pair[0].1 + 1);
    (0..100).find_map(|_| {
        let mut order = all.clone();
        for at in (1..order.len()).rev() {
            order.swap(at, chance.below(at + 1));
        }
        order.truncate(count);
        seams(&order).then_some(order)
    })
}

fn joined(recordings: &[Recording], words: &[Word], kind: usize, chance: &mut Chance) -> Vec<f64> {
    let mut out: Vec<f64> = Vec::new();
    for (at, word) in words {
        let word = &recordings[*at].words[*word];
        match kind {
            0 => out.extend(word),
            1 => mix(&mut out, word),
            _ => {
                let mut close = faded(trimmed(word));
                if kind == 3 {
                    let loud = power(&close).sqrt().max(1.0);
                    close.iter_mut().for_each(|sample| *sample *= 1_600.0 / loud);
                }
                if !out.is_empty() {
                    let gap = match kind {
                        2 => 400 + chance.below(1_200),
                        3 => 240 + chance.below(960),
                        _ => 0,
                    };
                    let noise = if kind == 3 { 10.0 } else { 0.0 };
                    out.extend((0..gap).map(|_| chance.bell() * noise));
                }
                out.extend(close);
            }
        }
    }
    out
}

/// The last and the first 10 ms become one another.
fn mix(out: &mut Vec<f64>, word: &[f64]) {
    let over = out.len().min(80).min(word.len());
    let from = out.len() - over;
    for (at, sample) in word.iter().enumerate() {
        match out.get_mut(from + at) {
            Some(before) if at < over => {
                let share = real(at) / real(over);
                *before = *before * (1.0 - share) + sample * share;
            }
            _ => out.push(*sample),
        }
    }
}

/// Without what is softer than 30 dB below the loudest, or noise, but for 20 ms.
fn trimmed(word: &[f64]) -> &[f64] {
    let levels: Vec<f64> = word.chunks_exact(80).map(|part| 10.0 * power(part).max(1.0).log10()).collect();
    let mut sorted = levels.clone();
    sorted.sort_by(f64::total_cmp);
    let (least, most) = (sorted[sorted.len() / 10] + 6.0, sorted[sorted.len() - 1]);
    let bound = least.max(most - 30.0).min(most - 3.0);
    let first = levels.iter().position(|level| *level >= bound).unwrap_or_default();
    let last = levels.iter().rposition(|level| *level >= bound).unwrap_or_default();
    &word[(first * 80).saturating_sub(160)..((last + 1) * 80 + 160).min(word.len())]
}

fn faded(word: &[f64]) -> Vec<f64> {
    let over = (word.len() / 4).min(60);
    let mut out = word.to_vec();
    for at in 0..over {
        let share = real(at) / real(over);
        out[at] *= share;
        let end = out.len() - 1 - at;
        out[end] *= share;
    }
    out
}

/// A telephone line: a tilt, a level, noise of its own, µ-law. The same for all that goes through it.
fn line(samples: &[f64], chance: &mut Chance) -> Vec<i16> {
    let tilt = chance.between(-0.25, 0.25);
    let mut before = 0.0;
    let tilted: Vec<f64> = samples
        .iter()
        .map(|sample| {
            let out = sample + tilt * before;
            before = *sample;
            out
        })
        .collect();
    let gain = 32_768.0 * 10_f64.powf(chance.between(-30.0, -22.0) / 20.0) / power(&tilted).sqrt().max(1.0);
    let noise = 32_768.0 * 10_f64.powf(chance.between(-75.0, -55.0) / 20.0);
    let sent = |sample: &f64| {
        let sample = to_sample(sample * gain + noise * chance.bell());
        Law::Mu.decode_sample(Law::Mu.encode_sample(sample))
    };
    tilted.iter().map(sent).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "as near as sixteen bits are")]
fn to_sample(value: f64) -> i16 {
    value.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
}

fn power(samples: &[f64]) -> f64 {
    samples.iter().map(|sample| sample * sample).sum::<f64>() / real(samples.len().max(1))
}

#[expect(clippy::cast_precision_loss, reason = "a recording's samples")]
const fn real(number: usize) -> f64 {
    number as f64
}

/// Numbers that are the same in every run (Numerical Recipes' generator).
pub(crate) struct Chance(u64);

impl Chance {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 32).expect("32 bits")) / 4_294_967_296.0
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next()
    }

    fn below(&mut self, bound: usize) -> usize {
        let at = self.next();
        (0..bound).rev().find(|number| real(*number) <= at * real(bound)).unwrap_or_default()
    }

    /// Of deviation 1, about.
    fn bell(&mut self) -> f64 {
        (0..4).map(|_| self.next() - 0.5).sum::<f64>() * 3.0_f64.sqrt()
    }
}
