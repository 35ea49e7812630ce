//! Convolution along time, as a product: every step's surroundings laid out as a row.

use super::matrix::{Matrix, View, product_into};

/// How a filter goes along time.
#[derive(Clone, Copy, Debug)]
pub struct Conv1d {
    /// Steps that one output looks at.
    pub kernel: usize,
    /// Steps from one output to the next.
    pub stride: usize,
    /// Steps of silence before the first and after the last.
    pub padding: usize,
    /// Steps from one tap to the next.
    pub dilation: usize,
}

impl Conv1d {
    /// How many outputs so many steps give.
    #[must_use]
    pub const fn outputs(&self, steps: usize) -> usize {
        let (steps, span) = (steps + 2 * self.padding, self.dilation * (self.kernel - 1) + 1);
        if steps < span { 0 } else { (steps - span) / self.stride + 1 }
    }
}

/// `x` (a row per step) through filters: `weight` has a row per output channel, in it per input channel its
/// `kernel` taps, as models are stored.
///
/// # Panics
/// When the shapes do not fit.
#[must_use]
pub fn conv1d(x: &Matrix, weight: View<'_>, bias: Option<&[f32]>, shape: Conv1d) -> Matrix {
    let (channels, steps) = (x.cols(), shape.outputs(x.rows()));
    let width = channels * shape.kernel;
    assert_eq!(weight.cols(), width, "taps of a convolution");
    let mut rows = Matrix::zeros(steps, width);
    for (step, row) in rows.each_row_mut().enumerate() {
        for tap in 0..shape.kernel {
            let at = (step * shape.stride + tap * shape.dilation).checked_sub(shape.padding);
            let Some(at) = at.filter(|at| *at < x.rows()) else { continue };
            for (to, from) in row.iter_mut().skip(tap).step_by(shape.kernel).zip(x.row(at)) {
                *to = *from;
            }
        }
    }
    let mut out = Matrix::zeros(steps, weight.rows());
    if let Some(bias) = bias {
        out.each_row_mut().for_each(|row| row.copy_from_slice(bias));
    }
    product_into(rows.view(), weight.t(), if bias.is_some() { 1.0 } else { 0.0 }, &mut out, 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tap by tap.
    fn slowly(x: &Matrix, weight: &Matrix, bias: &[f32], shape: Conv1d) -> Matrix {
        let mut out = Matrix::zeros(shape.outputs(x.rows()), weight.rows());
        for step in 0..out.rows() {
            for (to, bias) in bias.iter().enumerate() {
                let mut sum = *bias;
                for from in 0..x.cols() {
                    for tap in 0..shape.kernel {
                        let at = (step * shape.stride + tap * shape.dilation).checked_sub(shape.padding);
                        let Some(at) = at.filter(|at| *at < x.rows()) else { continue };
                        sum += weight.row(to)[from * shape.kernel + tap] * x.row(at)[from];
                    }
                }
                out.row_mut(step)[to] = sum;
            }
        }
        out
    }

    #[test]
    fn a_convolution_is_the_sum_over_its_taps() {
        let x = Matrix::new(9, 2, (0..18).map(|at| (at * 7 % 5) as f32 - 2.0).collect());
        let bias = [0.5, -1.0, 2.0];
        for (kernel, stride, padding, dilation) in
            [(3, 1, 1, 1), (3, 2, 1, 1), (1, 1, 0, 1), (5, 2, 2, 1), (3, 1, 2, 2), (3, 1, 0, 4)]
        {
            let shape = Conv1d { kernel, stride, padding, dilation };
            let weight =
                Matrix::new(3, 2 * kernel, (0..6 * kernel).map(|at| (at * 5 % 7) as f32 / 3.0).collect());
            let (out, expected) =
                (conv1d(&x, weight.view(), Some(&bias), shape), slowly(&x, &weight, &bias, shape));
            assert_eq!((out.rows(), out.cols()), (expected.rows(), 3));
            assert!(out.data().iter().zip(expected.data()).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }

    #[test]
    fn less_than_a_kernel_gives_nothing() {
        let shape = Conv1d { kernel: 5, stride: 1, padding: 0, dilation: 1 };
        assert_eq!(conv1d(&Matrix::zeros(4, 1), Matrix::zeros(2, 5).view(), None, shape).rows(), 0);
    }
}
