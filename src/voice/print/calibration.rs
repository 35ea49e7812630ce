//! What a score means on a deployment's own calls: the share of other speakers who reach it.
//!
//! A policy says how many wrong speakers may be accepted; which score that takes is learned from speakers of the
//! same kind, on the same lines. Wrong speakers are taken from the half of all that sounds most like the right one:
//! nobody tries to pass for somebody whose voice is quite unlike theirs. Nobody is compared with a mean that they
//! are in, and the thresholds are checked on speakers that were left out.

use serde::{Deserialize, Serialize};

use super::Voice;
use super::compare::{Common, Crowd, Heard};
use super::figures::{Die, Trial};

/// One speaker of a calibration.
#[derive(Clone, Debug)]
pub struct Speaker {
    /// The voice that they are enrolled with.
    pub enrolled: Heard,
    /// What they said at other times, utterance by utterance.
    pub heard: Vec<Heard>,
}

/// Why voices give no calibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalibrationError {
    /// There are too few.
    #[error("{0} speakers are too few: it takes {FEWEST_SPEAKERS}, each with {FEWEST_UTTERANCES} utterances")]
    Speakers(usize),
    /// Right and wrong speakers have the same scores.
    #[error(
        "the scores of right speakers are no higher than those of wrong ones: are the files in their folders?"
    )]
    Apart,
}

/// Why a rate of false accepts has no threshold.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum RateError {
    /// It is below what was seen.
    #[error(
        "the calibration knows no threshold for {wanted}: its least rate is {least}; calibrate with more speakers"
    )]
    TooLow {
        /// What was asked for.
        wanted: f64,
        /// The least that it knows.
        least: f64,
    },
    /// It is no rate, or there are no thresholds at all.
    #[error("a rate of false accepts is above 0 and at most 0.1")]
    NoRate,
}

/// What a calibration found. Kept as a report; a threshold comes from nowhere else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The version of this form.
    pub format: u32,
    /// The hash of the model's file: another model needs another calibration.
    pub model: String,
    /// How many speakers it was learned from.
    pub speakers: usize,
    /// What all of them have in common.
    pub common: Common,
    /// What scores mean, by how many utterances were heard: one, two, three and more.
    pub lines: Vec<Line>,
}

/// What the scores of so many utterances mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// How many utterances were heard.
    pub utterances: usize,
    /// Comparisons of a speaker with themselves.
    pub same: usize,
    /// Comparisons with others.
    pub different: usize,
    /// The logarithm of the likelihood ratio is slope × score + offset.
    pub slope: f64,
    /// See `slope`.
    pub offset: f64,
    /// From the most forgiving to the strictest.
    pub thresholds: Vec<Threshold>,
    /// What thresholds learned from some speakers came to with the others.
    pub checked: Vec<Check>,
}

/// A score and how many wrong speakers reach it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The share of wrong speakers that is accepted.
    pub false_accept: f64,
    /// From this score on.
    pub score: f32,
}

/// A rate that was asked for, and what it was with speakers that the threshold was not learned from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What was asked for.
    pub wanted: f64,
    /// What it was.
    pub false_accept: f64,
    /// The share of right speakers refused there.
    pub false_reject: f64,
}

/// What a score comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// The same voice, as sure as the policy wants it.
    Same,
    /// It may be: another utterance would tell.
    Unsure,
    /// More unlike than one wrong speaker in ten.
    Different,
}

/// The version of the form.
pub const FORMAT: u32 = 1;
/// The fewest speakers of a calibration, and the fewest utterances of each.
pub const FEWEST_SPEAKERS: usize = 20;
const FEWEST_UTTERANCES: usize = 2;
/// The most utterances that are told apart.
pub const MOST_UTTERANCES: usize = 3;
/// The rates that thresholds are learned for.
const RATES: [f64; 12] = [0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.003, 0.002, 0.001, 0.0005, 0.0002, 0.0001];
/// A rate is known when at least so many wrong speakers would be accepted.
const SEEN: f64 = 5.0;
/// How the check leaves speakers out: so many parts, so many times over.
const PARTS: usize = 4;
const TIMES: usize = 5;

impl Calibration {
    /// Learns what scores mean from these speakers.
    ///
    /// # Errors
    /// When they are too few, or their voices say nothing.
    pub fn learn(model: &str, speakers: &[Speaker]) -> Result<Self, CalibrationError> {
        let usable = speakers.iter().filter(|speaker| speaker.heard.len() >= FEWEST_UTTERANCES).count();
        if usable < FEWEST_SPEAKERS || usable < speakers.len() {
            return Err(CalibrationError::Speakers(usable));
        }
        let all: Vec<usize> = (0..speakers.len()).collect();
        let fewest = speakers.iter().map(|speaker| speaker.heard.len()).min().unwrap_or_default();
        let lines = (1..=MOST_UTTERANCES.min(fewest))
            .map(|utterances| {
                let people = People::of(speakers, utterances);
                Line::learn(&people, &all).map(|line| Line { checked: check(&people, &line), ..line })
            })
            .collect::<Result<_, _>>()?;
        let common = Crowd::of(speakers.iter().map(|speaker| &speaker.enrolled.voice)).without(&[]);
        Ok(Self { format: FORMAT, model: model.to_owned(), speakers: speakers.len(), common, lines })
    }

    /// Whether it can be used: of this form, with all that a comparison needs.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let line = |(count, line): (usize, &Line)| {
            line.utterances == count
                && !line.thresholds.is_empty()
                && line.thresholds.is_sorted_by(|a, b| a.false_accept > b.false_accept && a.score <= b.score)
                && line.thresholds.iter().all(|one| one.score.is_finite() && one.false_accept > 0.0)
        };
        self.format == FORMAT
            && self.common.is_whole()
            && !self.lines.is_empty()
            && (1..).zip(&self.lines).all(line)
    }

    /// What is known for so many utterances; for more than were learned, as for the most that were.
    #[must_use]
    pub fn line(&self, utterances: usize) -> Option<&Line> {
        self.lines.get(utterances.saturating_sub(1)).or(self.lines.last())
    }
}

impl Line {
    fn learn(people: &People<'_>, group: &[usize]) -> Result<Self, CalibrationError> {
        let trials = people.trials(group, None);
        let (same, different) = parted(&trials);
        let (slope, offset) = logistic(&same, &different).ok_or(CalibrationError::Apart)?;
        #[expect(clippy::cast_precision_loss, reason = "a count")]
        let seen = different.len() as f64;
        let mut thresholds: Vec<Threshold> = RATES
            .iter()
            .filter(|&&rate| rate * seen >= SEEN)
            .map(|&rate| Threshold { false_accept: rate, score: threshold(&different, rate) })
            .collect();
        // The tail is smooth, the scores are not: a stricter rate never takes less.
        let mut least = f32::NEG_INFINITY;
        for threshold in &mut thresholds {
            least = least.max(threshold.score);
            threshold.score = least;
        }
        Ok(Self {
            utterances: people.utterances,
            same: same.len(),
            different: different.len(),
            slope,
            offset,
            thresholds,
            checked: Vec::new(),
        })
    }

    /// The logarithm of how much likelier a score is with the same speaker than with another.
    #[must_use]
    pub fn likelihood_ratio(&self, score: f32) -> f64 {
        self.slope * f64::from(score) + self.offset
    }

    /// The score that no more than this share of wrong speakers reaches.
    ///
    /// # Errors
    /// When it is no rate, or less than was seen.
    pub fn threshold(&self, rate: f64) -> Result<f32, RateError> {
        let least = self.thresholds.last().ok_or(RateError::NoRate)?.false_accept;
        if !(rate > 0.0 && rate <= 0.1) {
            return Err(RateError::NoRate);
        }
        let known = self.thresholds.iter().find(|known| known.false_accept <= rate * 1.000_001);
        known.map(|known| known.score).ok_or(RateError::TooLow { wanted: rate, least })
    }

    /// What a score comes to where this share of wrong speakers may be accepted.
    ///
    /// # Errors
    /// As [`Line::threshold`].
    pub fn likeness(&self, score: f32, rate: f64) -> Result<Likeness, RateError> {
        let enough = self.threshold(rate)?;
        let (forgiving, _) = self.thresholds.split_first().ok_or(RateError::NoRate)?;
        Ok(match score {
            score if score >= enough => Likeness::Same,
            score if score >= forgiving.score => Likeness::Unsure,
            // No number is like nothing.
            _ => Likeness::Different,
        })
    }
}

/// Speakers with what they said, so many utterances at a time.
struct People<'a> {
    speakers: &'a [Speaker],
    utterances: usize,
    heard: Vec<Vec<Voice>>,
}

impl<'a> People<'a> {
    fn of(speakers: &'a [Speaker], utterances: usize) -> Self {
        let heard = speakers.iter().map(|speaker| runs(&speaker.heard, utterances)).collect();
        Self { speakers, utterances, heard }
    }

    fn voice(&self, speaker: usize) -> &Voice {
        &self.speakers[speaker].enrolled.voice
    }

    /// Everybody of the group against themselves and the half of the others that is most like them: with what
    /// the others have in common, or with this.
    fn trials(&self, group: &[usize], common: Option<&Common>) -> Vec<Trial> {
        let crowd = Crowd::of(group.iter().map(|&speaker| self.voice(speaker)));
        let mut trials = Vec::new();
        for &enrolled in group {
            let mut others: Vec<(f32, usize)> = group
                .iter()
                .filter(|&&other| other != enrolled)
                .map(|&other| {
                    let (a, b) = (self.voice(enrolled), self.voice(other));
                    (crowd.without(&[a, b]).score(a, b), other)
                })
                .collect();
            others.sort_by(|a, b| b.0.total_cmp(&a.0));
            others.truncate(others.len().div_ceil(2));
            for speaker in others.into_iter().map(|(_, speaker)| speaker).chain([enrolled]) {
                let left = [self.voice(enrolled), self.voice(speaker)];
                let left = if speaker == enrolled { &left[..1] } else { &left[..] };
                let without = crowd.without(left);
                let common = common.unwrap_or(&without);
                for voice in &self.heard[speaker] {
                    trials.push(Trial {
                        enrolled,
                        speaker,
                        score: common.score(self.voice(enrolled), voice),
                    });
                }
            }
        }
        trials
    }
}

/// Each utterance with those that follow it, so many at a time; after the last comes the first.
#[must_use]
pub fn runs(heard: &[Heard], utterances: usize) -> Vec<Voice> {
    let run = |from: usize| {
        let run = heard.iter().cycle().skip(from).take(utterances.min(heard.len()));
        Heard::together(run).map(|together| together.voice)
    };
    (0..heard.len()).filter_map(run).collect()
}

/// The scores of right and of wrong speakers, the highest first.
fn parted(trials: &[Trial]) -> (Vec<f32>, Vec<f32>) {
    let scores = |same: bool| {
        let kept = trials.iter().filter(|trial| (trial.enrolled == trial.speaker) == same);
        let mut scores: Vec<f32> = kept.map(|trial| trial.score).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        scores
    };
    (scores(true), scores(false))
}

/// Thresholds of three quarters of the speakers with the last quarter, several times over.
fn check(people: &People<'_>, line: &Line) -> Vec<Check> {
    let mut order: Vec<usize> = (0..people.speakers.len()).collect();
    let mut die = Die(9);
    let mut counts: Vec<[f64; 4]> = vec![[0.0; 4]; line.thresholds.len()];
    for _ in 0..TIMES {
        for at in (1..order.len()).rev() {
            order.swap(at, die.below(at + 1));
        }
        for part in 0..PARTS {
            let left_out = |at: &usize| at % PARTS == part;
            let pick = |out: bool| -> Vec<usize> {
                let chosen = (0..order.len()).filter(|at| left_out(at) == out);
                chosen.map(|at| order[at]).collect()
            };
            let (known, unknown) = (pick(false), pick(true));
            let (_, different) = parted(&people.trials(&known, None));
            let common = Crowd::of(known.iter().map(|&speaker| people.voice(speaker))).without(&[]);
            let trials = people.trials(&unknown, Some(&common));
            for (counts, rate) in counts.iter_mut().zip(&line.thresholds) {
                let enough = threshold(&different, rate.false_accept);
                for trial in &trials {
                    let (all, wrong) = if trial.enrolled == trial.speaker {
                        (2, trial.score < enough)
                    } else {
                        (0, trial.score >= enough)
                    };
                    counts[all] += 1.0;
                    counts[all + 1] += f64::from(u8::from(wrong));
                }
            }
        }
    }
    let check = |(counts, rate): (&[f64; 4], &Threshold)| Check {
        wanted: rate.false_accept,
        false_accept: counts[1] / counts[0].max(1.0),
        false_reject: counts[3] / counts[2].max(1.0),
    };
    counts.iter().zip(&line.thresholds).map(check).collect()
}

/// The score that this share of `scores`, the highest first, reaches: half-way between the score that so many
/// reached and the one that a normal tail through the highest fifth says, for the last few scores are chance.
fn threshold(scores: &[f32], rate: f64) -> f32 {
    let count = crate::audio::count(scores.len());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
    let at = |share: f64| ((share * count).ceil() as usize).clamp(1, scores.len().max(1)) - 1;
    let Some(&reached) = scores.get(at(rate)) else { return f32::INFINITY };
    let (mut n, mut x, mut y, mut xx, mut xy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for step in 0..TAIL_POINTS {
        let share = TAIL_FROM * (TAIL_TO / TAIL_FROM).powf(f64::from(step) / f64::from(TAIL_POINTS - 1));
        let place = at(share);
        let normal = quantile((crate::audio::count(place) + 0.5) / count);
        let score = f64::from(scores[place]);
        n += 1.0;
        x += normal;
        y += score;
        xx += normal * normal;
        xy += normal * score;
    }
    let spread = n * xx - x * x;
    if spread < 1e-9 {
        return reached;
    }
    let slope = (n * xy - x * y) / spread;
    let tail = (y - slope * x) / n + slope * quantile(rate);
    #[expect(clippy::cast_possible_truncation, reason = "scores are single precision")]
    let tail = tail as f32;
    f32::midpoint(reached, tail)
}

/// Where the tail is looked at: this share of the highest scores, so many points evenly in its logarithm.
const TAIL_FROM: f64 = 0.004;
const TAIL_TO: f64 = 0.2;
const TAIL_POINTS: u32 = 40;

/// How many deviations above the mean this share of a normal distribution lies, to 4.5e-4 (Abramowitz and Stegun
/// 26.2.23).
fn quantile(share: f64) -> f64 {
    let half = share.min(1.0 - share).max(1e-12);
    let t = (-2.0 * half.ln()).sqrt();
    let above = t
        - ((0.010_328 * t + 0.802_853) * t + 2.515_517)
            / (((0.001_308 * t + 0.189_269) * t + 1.432_788) * t + 1.0);
    if share <= 0.5 { above } else { -above }
}

/// Slope and offset of the logarithm of the likelihood ratio: a logistic regression in which right and wrong
/// speakers weigh the same, by Newton's steps. `None` where it does not rise.
fn logistic(same: &[f32], different: &[f32]) -> Option<(f64, f64)> {
    let share = |count: usize| 0.5 / crate::audio::count(count.max(1));
    let all = || {
        let right = same.iter().map(|&score| (f64::from(score), 1.0, share(same.len())));
        right.chain(different.iter().map(|&score| (f64::from(score), 0.0, share(different.len()))))
    };
    let (mut slope, mut offset) = (0.0, 0.0);
    for _ in 0..STEPS {
        // A little pull towards zero: scores that never overlap would be infinitely telling.
        let (mut gradient, mut curvature) = ([slope * PULL, 0.0], [PULL, 0.0, 1e-9]);
        for (score, right, weight) in all() {
            let likely = 1.0 / (1.0 + (-(slope * score + offset)).exp());
            let (error, bend) = (weight * (likely - right), weight * likely * (1.0 - likely));
            gradient[0] += error * score;
            gradient[1] += error;
            curvature[0] += bend * score * score;
            curvature[1] += bend * score;
            curvature[2] += bend;
        }
        let size = curvature[0] * curvature[2] - curvature[1] * curvature[1];
        let by = [
            (gradient[0] * curvature[2] - gradient[1] * curvature[1]) / size,
            (gradient[1] * curvature[0] - gradient[0] * curvature[1]) / size,
        ];
        // Far from the answer a whole step can overshoot.
        let whole = (by[0].abs().max(by[1].abs()) / LONGEST_STEP).max(1.0);
        slope -= by[0] / whole;
        offset -= by[1] / whole;
    }
    (slope.is_finite() && offset.is_finite() && slope > 0.0).then_some((slope, offset))
}

const STEPS: usize = 60;
const LONGEST_STEP: f64 = 5.0;
const PULL: f64 = 1e-6;

#[cfg(test)]
#[path = "calibration_tests.rs"]
pub(crate) mod tests;
