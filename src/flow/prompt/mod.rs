//! From a prompt of the catalogue to the recordings that say it.

pub mod speak;
