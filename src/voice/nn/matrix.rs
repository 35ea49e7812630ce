//! Numbers in rows and columns, and the product of two such.

use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder, linalg::general_mat_mul};

/// `rows` × `cols` numbers, row after row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    data: Vec<f32>,
}

/// A look at numbers in rows and columns that lie in any even order: part of a matrix, or one on its side.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    rows: usize,
    cols: usize,
    row_step: usize,
    col_step: usize,
    data: &'a [f32],
}

impl Matrix {
    /// All zero.
    #[must_use]
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self { rows, cols, data: vec![0.0; rows * cols] }
    }

    /// These numbers, row after row.
    ///
    /// # Panics
    /// When there are not `rows` × `cols` of them.
    #[must_use]
    pub fn new(rows: usize, cols: usize, data: Vec<f32>) -> Self {
        assert_eq!(rows * cols, data.len(), "numbers of a matrix");
        Self { rows, cols, data }
    }

    /// How many rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    #[must_use]
    pub const fn cols(&self) -> usize {
        self.cols
    }

    /// All numbers, row after row.
    #[must_use]
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// All numbers, to be changed.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// All numbers, taken out.
    #[must_use]
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// One row.
    #[must_use]
    pub fn row(&self, at: usize) -> &[f32] {
        &self.data[at * self.cols..(at + 1) * self.cols]
    }

    /// One row, to be changed.
    pub fn row_mut(&mut self, at: usize) -> &mut [f32] {
        &mut self.data[at * self.cols..(at + 1) * self.cols]
    }

    /// Row after row; none of them when there are no columns.
    pub fn each_row_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.data.chunks_exact_mut(self.cols.max(1))
    }

    /// Row after row.
    pub fn each_row(&self) -> impl Iterator<Item = &[f32]> {
        self.data.chunks_exact(self.cols.max(1))
    }

    /// A look at all of it.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::new(self.rows, self.cols, &self.data)
    }

    /// Another row at the end.
    ///
    /// # Panics
    /// When it is not as long as the others.
    pub fn push_row(&mut self, row: &[f32]) {
        assert_eq!(row.len(), self.cols, "a row of a matrix");
        self.data.extend_from_slice(row);
        self.rows += 1;
    }

    /// Adds another of the same shape.
    ///
    /// # Panics
    /// When it has not.
    pub fn add(&mut self, other: View<'_>) {
        assert_eq!((self.rows, self.cols), (other.rows, other.cols), "sum of matrices");
        assert_eq!(other.col_step, 1, "rows to add lie in one piece");
        for (row, other) in self.data.chunks_exact_mut(self.cols.max(1)).zip(other.each_row()) {
            for (to, from) in row.iter_mut().zip(other) {
                *to += from;
            }
        }
    }

    /// Rows as columns.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut out = Self::zeros(self.cols, self.rows);
        for (at, row) in self.data.chunks_exact(self.cols.max(1)).enumerate() {
            for (col, value) in row.iter().enumerate() {
                out.data[col * self.rows + at] = *value;
            }
        }
        out
    }
}

impl<'a> View<'a> {
    /// These numbers, row after row.
    ///
    /// # Panics
    /// When there are not `rows` × `cols` of them.
    #[must_use]
    pub fn new(rows: usize, cols: usize, data: &'a [f32]) -> Self {
        assert_eq!(rows * cols, data.len(), "numbers of a view");
        Self { rows, cols, row_step: cols, col_step: 1, data }
    }

    /// How many rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    #[must_use]
    pub const fn cols(&self) -> usize {
        self.cols
    }

    /// Rows as columns; nothing is moved.
    #[must_use]
    pub const fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_step: self.col_step,
            col_step: self.row_step,
            data: self.data,
        }
    }

    /// Only these columns.
    ///
    /// # Panics
    /// When there are not as many.
    #[must_use]
    pub fn columns(self, from: usize, count: usize) -> Self {
        assert!(from + count <= self.cols, "columns of a view");
        let data = self.data.get(from * self.col_step..).unwrap_or_default();
        Self { cols: count, data, ..self }
    }

    /// Only these rows.
    ///
    /// # Panics
    /// When there are not as many.
    #[must_use]
    pub fn rows_from(self, from: usize, count: usize) -> Self {
        assert!(from + count <= self.rows, "rows of a view");
        let data = self.data.get(from * self.row_step..).unwrap_or_default();
        Self { rows: count, data, ..self }
    }

    /// Row after row, where they lie in one piece.
    fn each_row(self) -> impl Iterator<Item = &'a [f32]> {
        (0..self.rows).map(move |at| &self.data[at * self.row_step..at * self.row_step + self.cols])
    }

    fn array(&self) -> ArrayView2<'a, f32> {
        let shape = (self.rows, self.cols).strides((self.row_step, self.col_step));
        ArrayView2::from_shape(shape, self.data).expect("a view lies inside its numbers")
    }
}

/// `a` · `b`.
///
/// # Panics
/// When `a` has not as many columns as `b` has rows.
#[must_use]
pub fn product(a: View<'_>, b: View<'_>) -> Matrix {
    let mut out = Matrix::zeros(a.rows, b.cols);
    product_into(a, b, 0.0, &mut out, 0);
    out
}

/// `a` · `b` + `keep` × what is there, into the columns of `out` from `column` on.
///
/// # Panics
/// When the shapes do not fit.
pub fn product_into(a: View<'_>, b: View<'_>, keep: f32, out: &mut Matrix, column: usize) {
    assert_eq!(a.cols, b.rows, "inner size of a product");
    assert!(a.rows == out.rows && column + b.cols <= out.cols, "room for a product");
    if a.rows == 0 || b.cols == 0 {
        return;
    }
    let shape = (out.rows, b.cols).strides((out.cols, 1));
    let end = (out.rows - 1) * out.cols + column + b.cols;
    let mut room = ArrayViewMut2::from_shape(shape, &mut out.data[column..end]).expect("columns of a matrix");
    general_mat_mul(1.0, &a.array(), &b.array(), keep, &mut room);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of products as the book has it.
    fn slowly(a: &Matrix, b: &Matrix) -> Matrix {
        let mut out = Matrix::zeros(a.rows(), b.cols());
        for row in 0..a.rows() {
            for col in 0..b.cols() {
                out.row_mut(row)[col] = (0..a.cols()).map(|at| a.row(row)[at] * b.row(at)[col]).sum();
            }
        }
        out
    }

    fn filled(rows: usize, cols: usize) -> Matrix {
        let data = (0..rows * cols).map(|at| ((at * 37 % 23) as f32 - 11.0) / 7.0).collect();
        Matrix::new(rows, cols, data)
    }

    fn near(a: &Matrix, b: &Matrix) -> bool {
        (a.rows(), a.cols()) == (b.rows(), b.cols())
            && a.data().iter().zip(b.data()).all(|(a, b)| (a - b).abs() < 1e-3)
    }

    #[test]
    fn a_product_is_the_sum_of_products_also_on_its_side() {
        for (rows, inner, cols) in [(1, 1, 1), (3, 5, 2), (17, 33, 9), (1, 64, 40), (8, 1, 8)] {
            let (a, b) = (filled(rows, inner), filled(inner, cols));
            let expected = slowly(&a, &b);
            assert!(near(&product(a.view(), b.view()), &expected));
            assert!(near(&product(a.view(), b.transposed().view().t()), &expected));
            assert!(near(&product(a.transposed().view().t(), b.view()), &expected));
            assert!(near(&product(b.view().t(), a.view().t()), &expected.transposed()));
        }
    }

    #[test]
    fn a_product_goes_beside_what_is_there() {
        let (a, b) = (filled(4, 3), filled(3, 2));
        let mut out = filled(4, 6);
        let before = out.clone();
        product_into(a.view(), b.view(), 1.0, &mut out, 3);
        let expected = slowly(&a, &b);
        for row in 0..4 {
            for col in 0..6 {
                let sum = before.row(row)[col]
                    + if (3..5).contains(&col) { expected.row(row)[col - 3] } else { 0.0 };
                assert!((out.row(row)[col] - sum).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn a_part_of_a_view_is_that_part() {
        let (a, b) = (filled(6, 8), filled(3, 5));
        let part = a.view().rows_from(2, 4).columns(5, 3);
        let mut same = Matrix::zeros(0, 3);
        for row in 2..6 {
            same.push_row(&a.row(row)[5..8]);
        }
        assert!(near(&product(part, b.view()), &slowly(&same, &b)));
        let mut sum = same.clone();
        sum.add(part);
        assert!(sum.data().iter().zip(same.data()).all(|(sum, one)| (sum - 2.0 * one).abs() < 1e-5));
    }
}
