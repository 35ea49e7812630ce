//! The flow language: its documents, its checks, its runtime.

pub mod clip;
pub mod document;
pub mod expr;
pub mod prompt;
pub mod run;

pub use clip::ClipKey;
