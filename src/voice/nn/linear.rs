//! A layer that mixes all features of a row.

use super::matrix::{Matrix, View, product_into};

/// `x` · `weight`ᵀ + `bias`: `weight` has a row per output, as models are stored.
///
/// # Panics
/// When the shapes do not fit.
#[must_use]
pub fn linear(x: View<'_>, weight: View<'_>, bias: Option<&[f32]>) -> Matrix {
    let mut out = Matrix::zeros(x.rows(), weight.rows());
    if let Some(bias) = bias {
        for row in out.each_row_mut() {
            row.copy_from_slice(bias);
        }
    }
    let keep = if bias.is_some() { 1.0 } else { 0.0 };
    product_into(x, weight.t(), keep, &mut out, 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_output_is_its_row_of_weights_and_its_bias() {
        let x = Matrix::new(2, 3, vec![1.0, 2.0, 3.0, -1.0, 0.5, 0.0]);
        let weight = Matrix::new(2, 3, vec![1.0, 0.0, 1.0, 2.0, 2.0, -1.0]);
        let out = linear(x.view(), weight.view(), Some(&[10.0, 20.0]));
        assert_eq!(out.data(), [14.0, 23.0, 9.0, 19.0]);
        let out = linear(x.view(), weight.view(), None);
        assert_eq!(out.data(), [4.0, 3.0, -1.0, -1.0]);
    }
}
