//! Where a call comes from: what limits, velocity and the owner's way in are told by.

use std::fmt;
use std::sync::Arc;

use super::throttle::Lane;
use super::{Lockout, OwnerBy};
use crate::secret::Secret;
pub use crate::units::Attestation;

/// Where a call comes from.
#[derive(Clone, Default)]
pub struct Source {
    /// The caller's number, as the trunk gave it; `None` when it is hidden.
    pub caller: Option<Secret<String>>,
    /// The trunk; empty where there is none.
    pub trunk: Arc<str>,
    /// How far the network vouches for the number.
    pub attestation: Option<Attestation>,
    /// Somebody looked into the number, and it is not the caller's to show.
    pub doubted: bool,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.trunk)
    }
}

impl Source {
    /// Who tries, when the caller's number is the subject's on file or not.
    #[must_use]
    pub fn lane(&self, on_file: bool, limits: &Lockout) -> Lane {
        // A network that says of a number that it does not know it is believed.
        let vouched = match limits.guesses.owner {
            OwnerBy::NumberOnFile => matches!(self.attestation, None | Some(Attestation::A)),
            OwnerBy::AttestedNumber => self.attestation == Some(Attestation::A),
        };
        if on_file && vouched && !self.doubted { Lane::Owner } else { Lane::Open }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_who_calls_from_the_number_on_file_unless_the_network_doubts_it() {
        let from = |attestation| Source { attestation, ..Source::default() };
        let mut limits = Lockout::default();
        let cases = [
            (None, Lane::Owner, Lane::Open),
            (Some(Attestation::A), Lane::Owner, Lane::Owner),
            (Some(Attestation::B), Lane::Open, Lane::Open),
            (Some(Attestation::C), Lane::Open, Lane::Open),
        ];
        for (attestation, usual, strict) in cases {
            limits.guesses.owner = OwnerBy::NumberOnFile;
            assert_eq!(from(attestation).lane(true, &limits), usual);
            limits.guesses.owner = OwnerBy::AttestedNumber;
            assert_eq!(from(attestation).lane(true, &limits), strict);
            assert_eq!(from(attestation).lane(false, &limits), Lane::Open);
            let doubted = Source { doubted: true, ..from(attestation) };
            assert_eq!(doubted.lane(true, &limits), Lane::Open);
        }
    }
}
