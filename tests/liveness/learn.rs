//! Learns the weights of the joins' traits: logistic regression with a small price on each weight.

use countersign::voice::liveness::{TRAITS, Weights};

/// Rounds of going downhill; the slope is flat long before.
const ROUNDS: usize = 4_000;
const STEP: f64 = 0.5;
/// The price of a weight of 1, against the mean loss of an example.
const PRICE: f64 = 0.02;
/// What a score of 60 % is.
const SUSPICIOUS: f32 = 0.405_465;

type Example = ([f32; TRAITS], bool);

/// Both kinds of examples count the same, however many there are of each. The bias lets one natural example in twenty
/// have more than 60 %.
pub(crate) fn learn(examples: &[Example]) -> Weights {
    let (mean, spread) = usual(examples);
    let scaled: Vec<([f64; TRAITS], bool)> = examples
        .iter()
        .map(|(traits, joined)| {
            let scaled = std::array::from_fn(|at| (f64::from(traits[at]) - mean[at]) / spread[at]);
            (scaled, *joined)
        })
        .collect();
    let joined = examples.iter().filter(|(_, joined)| *joined).count();
    let share = [0.5 / real(examples.len() - joined), 0.5 / real(joined)];
    let mut weights = [0.0; TRAITS];
    let mut bias = 0.0;
    for _ in 0..ROUNDS {
        let mut slope = weights.map(|weight| weight * PRICE);
        let mut bias_slope = 0.0;
        for (traits, joined) in &scaled {
            let sum: f64 =
                bias + traits.iter().zip(&weights).map(|(trait_, weight)| trait_ * weight).sum::<f64>();
            let wrong = 1.0 / (1.0 + (-sum).exp()) - f64::from(u8::from(*joined));
            let wrong = wrong * share[usize::from(*joined)];
            slope.iter_mut().zip(traits).for_each(|(slope, trait_)| *slope += wrong * trait_);
            bias_slope += wrong;
        }
        weights.iter_mut().zip(&slope).for_each(|(weight, slope)| *weight -= STEP * slope);
        bias -= STEP * bias_slope;
    }
    let mut learnt = Weights {
        mean: mean.map(single),
        weight: std::array::from_fn(|at| single(weights[at] / spread[at])),
        bias: 0.0,
    };
    learnt.bias = SUSPICIOUS - one_in_twenty(&learnt, examples);
    learnt
}

/// The sum that one natural example in twenty has more of.
fn one_in_twenty(weights: &Weights, examples: &[Example]) -> f32 {
    let natural = examples.iter().filter(|(_, joined)| !joined);
    let mut sums: Vec<f32> = natural.map(|(traits, _)| weights.sum(traits)).collect();
    sums.sort_by(f32::total_cmp);
    sums[sums.len() * 19 / 20]
}

/// Mean and deviation of each trait.
fn usual(examples: &[Example]) -> ([f64; TRAITS], [f64; TRAITS]) {
    let count = real(examples.len());
    let mean = std::array::from_fn(|at| {
        examples.iter().map(|(traits, _)| f64::from(traits[at])).sum::<f64>() / count
    });
    let spread = std::array::from_fn(|at| {
        let off = |(traits, _): &Example| (f64::from(traits[at]) - mean[at]).powi(2);
        (examples.iter().map(off).sum::<f64>() / count).sqrt().max(1e-6)
    });
    (mean, spread)
}

/// The weights as they stand in `src/voice/liveness/weights.rs`.
pub(crate) fn written(weights: &Weights) -> String {
    let list = |values: &[f32]| values.iter().map(|value| format!("    {value:?},\n")).collect::<String>();
    format!(
        "const MEAN: [f32; TRAITS] = [\n{}];\nconst WEIGHT: [f32; TRAITS] = [\n{}];\nconst BIAS: f32 = {:?};",
        list(&weights.mean),
        list(&weights.weight),
        weights.bias
    )
}

#[expect(clippy::cast_precision_loss, reason = "some hundred examples")]
const fn real(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, reason = "a weight: its last bits say nothing")]
const fn single(number: f64) -> f32 {
    number as f32
}
