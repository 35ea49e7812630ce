//! How well voices are told apart, in figures that others can check: equal error rate, detection cost, the share of
//! right speakers refused at a rate of wrong ones accepted; each with an interval from drawing the speakers anew.

use serde::Serialize;

/// One comparison of an enrolled speaker with one who is heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// Who is enrolled, as an index.
    pub enrolled: usize,
    /// Who speaks.
    pub speaker: usize,
    /// How alike they are.
    pub score: f32,
}

impl Trial {
    const fn same(&self) -> bool {
        self.enrolled == self.speaker
    }
}

/// A figure and where it lies in 95 of 100 draws of the speakers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// With all speakers once.
    pub value: f64,
    /// The 2.5th of 100.
    pub low: f64,
    /// The 97.5th of 100.
    pub high: f64,
}

/// A point of the curve of detection errors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Scores from here on are accepted.
    pub threshold: f32,
    /// The share of wrong speakers that are.
    pub false_accept: f64,
    /// The share of right speakers that are not.
    pub false_reject: f64,
}

/// All figures of a list of trials. Shares are between 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Trials of a speaker with themselves.
    pub same: usize,
    /// Trials of two different speakers.
    pub different: usize,
    /// Where as many are falsely accepted as falsely refused.
    pub eer: Figure,
    /// The least cost when one in a hundred is the right speaker and both errors cost the same, as a share of
    /// what deciding without listening costs.
    pub min_dcf: Figure,
    /// Right speakers refused where one in a hundred wrong ones is accepted.
    pub frr_at_far_1_percent: Figure,
    /// Right speakers refused where one in a thousand wrong ones is accepted.
    pub frr_at_far_0_1_percent: Figure,
    /// The curve, at rates that are each about a quarter more than the one before.
    pub curve: Vec<Point>,
}

/// How often one speaker in a hundred is the right one, for [`Figures::min_dcf`].
const PRIOR: f64 = 0.01;
/// Draws of the speakers.
const DRAWS: usize = 1_000;

impl Figures {
    /// Reckons them. `None` without a trial of either kind.
    #[must_use]
    pub fn of(trials: &[Trial]) -> Option<Self> {
        let mut sorted = trials.to_vec();
        sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
        let speakers = sorted.iter().map(|trial| trial.enrolled.max(trial.speaker) + 1).max()?;
        let plain = Curve::of(&sorted, &vec![1.0; speakers])?;
        let mut draws: [Vec<f64>; 4] = Default::default();
        let mut die = Die(1);
        for _ in 0..DRAWS {
            let mut weights = vec![0.0; speakers];
            for _ in 0..speakers {
                weights[die.below(speakers)] += 1.0;
            }
            if let Some(curve) = Curve::of(&sorted, &weights) {
                draws.iter_mut().zip(curve.summary()).for_each(|(all, figure)| all.push(figure));
            }
        }
        let figure = |at: usize, value: f64, draws: &mut [Vec<f64>; 4]| {
            let all = &mut draws[at];
            all.sort_by(f64::total_cmp);
            let at = |share: usize| all.get(all.len() * share / 1_000).copied().unwrap_or(value);
            Figure { value, low: at(25), high: at(975) }
        };
        let [eer, cost, one, tenth] = plain.summary();
        let same = sorted.iter().filter(|trial| trial.same()).count();
        Some(Self {
            same,
            different: sorted.len() - same,
            eer: figure(0, eer, &mut draws),
            min_dcf: figure(1, cost, &mut draws),
            frr_at_far_1_percent: figure(2, one, &mut draws),
            frr_at_far_0_1_percent: figure(3, tenth, &mut draws),
            curve: plain.thinned(),
        })
    }
}

/// Every threshold with its two error rates, from the strictest on.
struct Curve(Vec<Point>);

impl Curve {
    /// A trial weighs as often as its speakers were drawn; `sorted` begins with the highest score.
    fn of(sorted: &[Trial], weights: &[f64]) -> Option<Self> {
        let weight = |trial: &Trial| {
            let enrolled = weights[trial.enrolled];
            if trial.same() { enrolled } else { enrolled * weights[trial.speaker] }
        };
        let total =
            |same: bool| -> f64 { sorted.iter().filter(|trial| trial.same() == same).map(weight).sum() };
        let (same, different) = (total(true), total(false));
        if same <= 0.0 || different <= 0.0 {
            return None;
        }
        let (mut hit, mut fooled) = (0.0, 0.0);
        let mut points = vec![Point { threshold: f32::INFINITY, false_accept: 0.0, false_reject: 1.0 }];
        for equal in sorted.chunk_by(|a, b| a.score.total_cmp(&b.score).is_eq()) {
            for trial in equal {
                *(if trial.same() { &mut hit } else { &mut fooled }) += weight(trial);
            }
            points.push(Point {
                threshold: equal[0].score,
                false_accept: fooled / different,
                false_reject: 1.0 - hit / same,
            });
        }
        Some(Self(points))
    }

    /// Equal error rate, least cost, and the right speakers refused at 1 % and at 0.1 %.
    fn summary(&self) -> [f64; 4] {
        let (mut eer, mut nearest, mut cost) = (1.0, f64::INFINITY, f64::INFINITY);
        for point in &self.0 {
            let apart = (point.false_accept - point.false_reject).abs();
            if apart < nearest {
                (nearest, eer) = (apart, (point.false_accept + point.false_reject) / 2.0);
            }
            let paid = PRIOR * point.false_reject + (1.0 - PRIOR) * point.false_accept;
            cost = paid.min(cost);
        }
        [eer, cost / PRIOR, self.refused_at(0.01), self.refused_at(0.001)]
    }

    /// The fewest right speakers refused while no more than this share of wrong ones is accepted.
    fn refused_at(&self, rate: f64) -> f64 {
        let within = self.0.iter().take_while(|point| point.false_accept <= rate);
        within.map(|point| point.false_reject).fold(1.0, f64::min)
    }

    fn thinned(&self) -> Vec<Point> {
        let mut kept: Vec<Point> = Vec::new();
        for point in self.0.iter().filter(|point| point.false_accept > 0.0) {
            if kept.last().is_none_or(|last| point.false_accept >= last.false_accept * 1.25) {
                kept.push(*point);
            }
        }
        kept
    }
}

/// Even numbers that are the same each time, so that the same trials give the same interval.
pub(super) struct Die(pub(super) u64);

impl Die {
    /// From 0 up to but not including `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten speakers; the scores of the right one and of wrong ones, evenly spread.
    fn trials(overlap: f32) -> Vec<Trial> {
        let mut all = Vec::new();
        for enrolled in 0..10_u8 {
            for n in 0..20_u8 {
                let spread = f32::from(n) / 20.0 + f32::from(enrolled) / 1_000.0;
                let enrolled = usize::from(enrolled);
                all.push(Trial { enrolled, speaker: enrolled, score: 1.0 - overlap + spread });
                let speaker = (enrolled + 1 + usize::from(n) % 9) % 10;
                all.push(Trial { enrolled, speaker, score: spread });
            }
        }
        all
    }

    #[test]
    fn speakers_far_apart_have_no_errors_and_equal_ones_half() {
        let apart = Figures::of(&trials(-0.5)).expect("figures");
        assert_eq!((apart.eer.value, apart.min_dcf.value), (0.0, 0.0));
        assert_eq!((apart.same, apart.different), (200, 200));
        let alike = Figures::of(&trials(1.0)).expect("figures");
        assert!((alike.eer.value - 0.5).abs() < 0.01, "{:?}", alike.eer);
        assert!(alike.min_dcf.value > 0.9, "no better than not listening: {:?}", alike.min_dcf);
    }

    #[test]
    fn the_figures_are_those_of_the_overlap() {
        // A fifth of each kind lies where the other is: a tenth of each is on the wrong side of the middle.
        let figures = Figures::of(&trials(0.2)).expect("figures");
        assert!((figures.eer.value - 0.1).abs() < 0.015, "{:?}", figures.eer);
        assert!(figures.eer.low <= figures.eer.value && figures.eer.value <= figures.eer.high);
        assert!((figures.frr_at_far_1_percent.value - 0.2).abs() < 0.03, "{figures:?}");
        assert!(figures.frr_at_far_0_1_percent.value >= figures.frr_at_far_1_percent.value);
        let rates: Vec<f64> = figures.curve.iter().map(|point| point.false_accept).collect();
        assert!(rates.is_sorted() && rates.len() > 5);
    }

    #[test]
    fn an_interval_is_that_of_the_speakers_and_always_the_same() {
        // One speaker of ten is always mistaken: which speakers are drawn decides how bad it looks.
        let mut all = trials(-0.5);
        for trial in all.iter_mut().filter(|trial| trial.enrolled == 3 && trial.speaker == 3) {
            trial.score = -1.0;
        }
        let figures = Figures::of(&all).expect("figures");
        assert!((figures.frr_at_far_1_percent.value - 0.1).abs() < 1e-9);
        assert_eq!(figures.frr_at_far_1_percent.low, 0.0);
        assert!(figures.frr_at_far_1_percent.high >= 0.2);
        assert_eq!(Figures::of(&all), Some(figures));
    }

    #[test]
    fn trials_of_one_kind_have_no_figures() {
        let same: Vec<Trial> = trials(0.0).into_iter().filter(Trial::same).collect();
        assert_eq!(Figures::of(&same), None);
        assert_eq!(Figures::of(&[]), None);
    }
}
