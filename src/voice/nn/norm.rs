//! Features brought to mean 0 and variance 1.

use super::matrix::Matrix;

/// Every row to mean 0 and variance 1, then scaled and moved as learned.
///
/// # Panics
/// When there are not as many scales as columns.
pub fn layer_norm(x: &mut Matrix, scale: &[f32], bias: &[f32]) {
    assert!(scale.len() == x.cols() && bias.len() == x.cols(), "scales of a norm");
    let count = x.cols() as f32;
    for row in x.each_row_mut() {
        let mean = sum(row, |x| x) / count;
        let variance = sum(row, |x| (x - mean) * (x - mean)) / count;
        let factor = 1.0 / (variance + EPSILON).sqrt();
        for ((x, scale), bias) in row.iter_mut().zip(scale).zip(bias) {
            *x = (*x - mean) * factor * scale + bias;
        }
    }
}

/// A sum in eight lanes.
fn sum(row: &[f32], each: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; 8];
    let chunks = row.chunks_exact(8);
    let rest: f32 = chunks.remainder().iter().map(|x| each(*x)).sum();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += each(*x);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// As the models were trained.
const EPSILON: f32 = 1e-5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_gets_mean_and_variance_as_learned() {
        let data: Vec<f32> = (0..22).map(|at| (at * at % 13) as f32 * 3.0 + 100.0).collect();
        let mut x = Matrix::new(2, 11, data);
        layer_norm(&mut x, &[2.0; 11], &[5.0; 11]);
        for row in x.each_row() {
            let mean = row.iter().sum::<f32>() / 11.0;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 11.0;
            assert!((mean - 5.0).abs() < 1e-4 && (variance - 4.0).abs() < 1e-3, "{mean} {variance}");
        }
    }
}
