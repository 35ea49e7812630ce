//! A one-time code, told in a call to the number on file.

use super::{FactorKind, JudgeError, Judged, Judging, Meeting, otp};
use crate::auth::{FactorId, FactorPolicy};

/// The factor's name.
pub const NAME: &str = "otp_call";
/// The telephone that rings is had.
pub const KIND: FactorKind = FactorKind::Possession;
/// It is sent first.
pub const MEETING: Meeting = Meeting::Sent;

/// Six digits that are good for five minutes.
#[must_use]
pub fn defaults() -> FactorPolicy {
    otp::defaults(FactorId::OtpCall)
}

/// Judges a code against the request it was sent for.
///
/// # Errors
/// When the request can't be read.
pub fn judge(judging: &Judging<'_>) -> Result<Judged, JudgeError> {
    otp::judge(judging)
}
