//! Pictures of an application: its blocks, the jumps between them, and the level that a caller holds for certain
//! at each.
//!
//! [`Picture::of`] collects what is to be seen, `svg` draws it with places from [`layout`], `mermaid` writes
//! it as text that code hosts draw.

pub mod layout;
mod mermaid;
mod picture;
mod svg;
mod text;

pub use mermaid::mermaid;
pub use picture::{Box, Chip, Jump, Panel, Picture, Shape};
pub use svg::svg;
