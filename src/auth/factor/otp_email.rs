//! A one-time code, sent to the mail address on file.

use super::{FactorKind, JudgeError, Judged, Judging, Meeting, otp};
use crate::auth::{FactorId, FactorPolicy};

/// The factor's name.
pub const NAME: &str = "otp_email";
/// The mailbox that gets it is had.
pub const KIND: FactorKind = FactorKind::Possession;
/// It is sent first.
pub const MEETING: Meeting = Meeting::Sent;

/// Six digits that are good for ten minutes. Weak: whoever reads the mailbox, from anywhere, has it.
#[must_use]
pub fn defaults() -> FactorPolicy {
    FactorPolicy { weak: true, life: otp::LONGEST_LIFE, ..otp::defaults(FactorId::OtpEmail) }
}

/// Judges a code against the request it was sent for.
///
/// # Errors
/// When the request can't be read.
pub fn judge(judging: &Judging<'_>) -> Result<Judged, JudgeError> {
    otp::judge(judging)
}
