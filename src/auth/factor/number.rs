//! The number that the call comes from, as far as the network vouches for it.
//!
//! Anybody can set a calling number; one with full attestation (RFC 8588 §4: A) is the customer's own. Only such a
//! number gets here, and it is weak all the same: a telephone is lent, and a number is moved to another SIM. A
//! policy's risk signal takes it off the offer after such a move.

use super::{FactorKind, JudgeError, Judged, Judging, Meeting};
use crate::auth::{FactorId, FactorPolicy};

/// The factor's name.
pub const NAME: &str = "number";
/// The telephone is had.
pub const KIND: FactorKind = FactorKind::Possession;
/// Nothing is asked.
pub const MEETING: Meeting = Meeting::Silent;

/// Weak.
#[must_use]
pub fn defaults() -> FactorPolicy {
    FactorPolicy { weak: true, ..FactorPolicy::plain(FactorId::Number) }
}

/// Whether the vouched number is the one on file: both as digits with the country code.
///
/// # Errors
/// Never: a number that can't be read matches none.
pub fn judge(judging: &Judging<'_>) -> Result<Judged, JudgeError> {
    let on_file = judging.data.expose();
    let right = on_file.len() >= SHORTEST && judging.response.matches(on_file);
    Ok(Judged { right, step: None, renewed: None })
}

/// ITU-T E.164 numbers have a country code and a subscriber's number; nothing this short is one.
const SHORTEST: usize = 7;
