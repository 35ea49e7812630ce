//! A few operators of neural networks over `f32`, row by row: no graph, no graphics card, no clock.
//!
//! Everything is a [`Matrix`] or a [`View`] of one: rows are time steps (or channels, where said), columns features.
//! Shapes are checked when a model is read; a shape that does not fit here is our own broken law and panics.

mod attention;
mod conv;
mod float;
mod linear;
mod matrix;
mod norm;

pub use attention::{attention, scores};
pub use conv::{Conv1d, conv1d};
pub use float::{exp, gelu, log_sum_exp, sigmoid, softmax, softmax_rows, tanh};
pub use linear::linear;
pub use matrix::{Matrix, View, product, product_into};
pub use norm::layer_norm;
