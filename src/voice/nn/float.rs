//! Functions of single numbers, without branches, so that many are reckoned at once.

use super::matrix::Matrix;

/// eˣ, to about 2 units in the last place; 0 under −87, the greatest that can be at 88.
#[must_use]
#[inline]
pub fn exp(x: f32) -> f32 {
    // 2ⁿ · eʳ with |r| ≤ ln 2 / 2: the power from the bits of the exponent, the rest by its series.
    let held = x.clamp(-87.3, 88.3);
    let n = (held * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let r = held - n * LN2_HIGH - n * LN2_LOW;
    let mut series = 1.0 / 5040.0;
    for term in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = series * r + term;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 255")]
    let power = f32::from_bits(((n as i32 + 127) as u32) << 23);
    if x < -87.3 { 0.0 } else { series * power }
}

/// 1 / (1 + e⁻ˣ).
#[must_use]
#[inline]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent.
#[must_use]
#[inline]
pub fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

/// x · Φ(x), Φ the normal distribution (the error function after Abramowitz and Stegun 7.1.26, to 1.5e-7).
pub fn gelu(values: &mut [f32]) {
    for x in values {
        let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
        let t = 1.0 / (1.0 + 0.327_591_1 * z);
        let series =
            ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t + 0.254_829_6) * t;
        let erf = 1.0 - series * exp(-z * z);
        *x *= 0.5 * (1.0 + erf.copysign(*x));
    }
}

/// Shares of one whole, greater ones more.
pub fn softmax(values: &mut [f32]) {
    let top = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for x in &mut *values {
        *x = exp(*x - top);
    }
    let sum: f32 = values.iter().sum();
    for x in values {
        *x /= sum;
    }
}

/// [`softmax`] of every row.
pub fn softmax_rows(x: &mut Matrix) {
    x.each_row_mut().for_each(softmax);
}

/// ln Σ eˣ, where the sum alone would not fit; −∞ of nothing.
#[must_use]
pub fn log_sum_exp(values: &[f32]) -> f32 {
    let top = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if top == f32::NEG_INFINITY {
        return top;
    }
    top + values.iter().map(|x| exp(x - top)).sum::<f32>().ln()
}

/// Added and taken away again it leaves a whole number: there are no bits for more.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts, the first exact when multiplied by an exponent.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_exact_over_its_range() {
        for at in -8700..8800 {
            let x = at as f32 / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 1e-6, "{x}");
        }
        assert_eq!(exp(-1000.0), 0.0);
        assert!(exp(1000.0).is_finite());
    }

    #[test]
    fn gelu_has_its_known_values() {
        // x · Φ(x) with Φ from tables of the normal distribution.
        let mut values = [0.0, 1.0, -1.0, 2.0, -3.0, 6.0, -8.0];
        gelu(&mut values);
        let known = [0.0, 0.841_345, -0.158_655, 1.954_5, -0.004_05, 6.0, 0.0];
        assert!(values.iter().zip(known).all(|(a, b)| (a - b).abs() < 1e-5), "{values:?}");
    }

    #[test]
    fn shares_sum_to_one_whatever_the_size() {
        let mut values = [1000.0, 1001.0, -5.0];
        softmax(&mut values);
        assert!((values.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((values[1] / values[0] - std::f32::consts::E).abs() < 1e-4);
        assert!((log_sum_exp(&[1000.0, 1000.0]) - 1000.0 - std::f32::consts::LN_2).abs() < 1e-3);
        assert_eq!(log_sum_exp(&[]), f32::NEG_INFINITY);
        assert!((tanh(0.5) - 0.5_f32.tanh()).abs() < 1e-6 && (sigmoid(0.0) - 0.5).abs() < 1e-7);
    }
}
