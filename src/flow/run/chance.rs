//! Chance within a flow: repeatable, call by call.

use super::FlowRun;

impl FlowRun {
    /// A number below `bound`, by chance. The seed stands in the call's facts: the same call, the same chances.
    pub(crate) const fn chance(&mut self, bound: u64) -> u64 {
        // SplitMix64 (Steele, Lea, Flood, 2014): the n-th output needs no state but n.
        self.chances += 1;
        let mut z = self.facts.seed.wrapping_add(self.chances.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        match (z ^ (z >> 31)).checked_rem(bound) {
            Some(number) => number,
            None => 0,
        }
    }
}
