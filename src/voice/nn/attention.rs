//! Every step looks at all others, in several heads.

use super::float::softmax_rows;
use super::matrix::{Matrix, View, product, product_into};

/// What every row of `query` takes from `value`, by how its `key`s fit; head by head, side by side.
///
/// # Panics
/// When the shapes do not fit.
#[must_use]
pub fn attention(query: View<'_>, key: View<'_>, value: View<'_>, heads: usize) -> Matrix {
    let width = query.cols() / heads;
    assert_eq!((width * heads, key.cols()), (query.cols(), query.cols()), "heads of attention");
    let mut out = Matrix::zeros(query.rows(), value.cols());
    for head in 0..heads {
        let mut shares = scores(query, key, heads, head);
        softmax_rows(&mut shares);
        product_into(shares.view(), value.columns(head * width, width), 0.0, &mut out, head * width);
    }
    out
}

/// How every row of `query` fits every row of `key` in one head, before [`softmax_rows`].
#[must_use]
pub fn scores(query: View<'_>, key: View<'_>, heads: usize, head: usize) -> Matrix {
    let width = query.cols() / heads;
    let mut out = product(query.columns(head * width, width), key.columns(head * width, width).t());
    #[expect(clippy::cast_precision_loss, reason = "a few dozens")]
    let factor = 1.0 / (width as f32).sqrt();
    out.data_mut().iter_mut().for_each(|x| *x *= factor);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_takes_the_value_whose_key_it_is() {
        // Two heads of two features: the first head asks for the second key, the second head for the first.
        let key = Matrix::new(2, 4, vec![30.0, 0.0, 30.0, 0.0, 0.0, 30.0, 0.0, 30.0]);
        let value = Matrix::new(2, 4, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        let query = Matrix::new(1, 4, vec![0.0, 1.0, 1.0, 0.0]);
        let out = attention(query.view(), key.view(), value.view(), 2);
        let known = [5.0, 6.0, 3.0, 4.0];
        assert!(out.data().iter().zip(known).all(|(a, b)| (a - b).abs() < 1e-4), "{out:?}");
    }

    #[test]
    fn keys_that_fit_alike_give_the_mean() {
        let (key, query) = (Matrix::zeros(3, 2), Matrix::zeros(1, 2));
        let value = Matrix::new(3, 2, vec![1.0, 0.0, 2.0, 0.0, 6.0, 3.0]);
        let out = attention(query.view(), key.view(), value.view(), 1);
        assert!((out.data()[0] - 3.0).abs() < 1e-6 && (out.data()[1] - 1.0).abs() < 1e-6);
    }
}
