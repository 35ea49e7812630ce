//! The line between a caller's fingers and the flow: a phone that sends keys, a network, and the receiver of
//! a real call. Without faults keys go straight through.

use std::time::Instant;

use crate::units::{Digit, Entropy, Epoch};

use super::document::LineFaults;

/// One caller's line.
pub(super) struct KeyLine {}

impl KeyLine {
    pub(super) fn new(_faults: Option<LineFaults>, _now: Instant, _epoch: Epoch, _chance: Entropy) -> Self {
        Self {}
    }

    /// Takes a key; `false` when there is no line to speak of.
    pub(super) fn press(&mut self, _now: Instant, _key: Digit) -> bool {
        false
    }

    /// When something arrives.
    pub(super) const fn next(&self) -> Option<Instant> {
        None
    }

    /// A key that has arrived by now.
    pub(super) fn arrived(&mut self, _now: Instant) -> Option<Digit> {
        None
    }
}
