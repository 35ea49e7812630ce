//! An approval on the caller's own device, with numbers matched in both directions.
//!
//! The call speaks a number of two digits, which the page that was sent asks for: whoever approves has heard this
//! call. After the approval the page shows three digits, which the caller keys in the call: whoever calls has seen
//! this approval. Neither a bare "yes" on the page nor anything keyed before it is ever right.

use super::{FactorKind, JudgeError, Judged, Judging, Meeting, otp};
use crate::auth::{FactorId, FactorPolicy};

/// The factor's name.
pub const NAME: &str = "push";
/// The device with the passkey is had.
pub const KIND: FactorKind = FactorKind::Possession;
/// A link is sent first.
pub const MEETING: Meeting = Meeting::Sent;
/// Digits that the page shows after the approval.
pub const DIGITS: u8 = 3;
/// Digits of the number that the call speaks.
pub const NUMBER_DIGITS: u8 = 2;

/// Three digits, within two minutes.
#[must_use]
pub fn defaults() -> FactorPolicy {
    FactorPolicy {
        digits: DIGITS..=DIGITS,
        life: std::time::Duration::from_secs(120),
        ..otp::defaults(FactorId::Push)
    }
}

/// Judges the digits against the approval.
///
/// # Errors
/// When the request can't be read.
pub fn judge(judging: &Judging<'_>) -> Result<Judged, JudgeError> {
    otp::judge(judging)
}
