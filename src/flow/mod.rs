//! The flow language: its documents, its checks, its runtime.

mod check;
pub mod clip;
pub mod document;
pub mod expr;
pub mod policies;
pub mod prompt;
pub mod run;
pub mod schema;
pub mod step;

pub use check::{certain_levels, reached_levels};
pub use clip::ClipKey;
pub use document::{Application, Files, Unread, load};
