//! Mutants of flows, and who finds out about them.

pub(crate) mod reference;
pub(crate) mod text;
