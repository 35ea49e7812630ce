//! The voice. Its place in policies, consent and verdicts is here; the engine that compares voices is not.

use super::{FactorKind, JudgeError, Judged, Judging, Meeting};
use crate::auth::{FactorId, FactorPolicy};

/// The factor's name.
pub const NAME: &str = "voiceprint";
/// It is what the caller is.
pub const KIND: FactorKind = FactorKind::Inherence;
/// The caller is heard.
pub const MEETING: Meeting = Meeting::Spoken;

/// What a policy names when it names this factor.
#[must_use]
pub fn defaults() -> FactorPolicy {
    FactorPolicy::plain(FactorId::Voiceprint)
}

/// Nothing can compare voices: nothing is accepted.
///
/// # Errors
/// Always.
pub const fn judge(_judging: &Judging<'_>) -> Result<Judged, JudgeError> {
    Err(JudgeError)
}
