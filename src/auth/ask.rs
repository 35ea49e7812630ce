//! The questions that leave the core for the vault, and their answers.

use std::fmt;

use super::{AuditEvent, Claim, FactorId, SubjectRef, Verdict};
use crate::secret::Secret;
use crate::units::CallId;

/// What the core asks of the vault.
#[derive(Clone)]
pub enum Question {
    /// Who is it that is claimed?
    Identify {
        /// The claim.
        claim: Claim,
    },
    /// Which factors can the subject use?
    Enrolled {
        /// The claimed subject.
        subject: SubjectRef,
    },
    /// Is this response right? A failure is counted and committed before the answer.
    Verify {
        /// The claimed subject.
        subject: SubjectRef,
        /// The factor that was asked for.
        factor: FactorId,
        /// What the caller keyed.
        response: Secret<String>,
        /// The call, for the audit log.
        call: CallId,
    },
    /// Write this into the audit log.
    Audit(AuditEvent),
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identify { claim } => write!(f, "Identify({claim:?})"),
            Self::Enrolled { subject } => write!(f, "Enrolled({subject:?})"),
            Self::Verify { subject, factor, .. } => write!(f, "Verify({subject:?}, {factor})"),
            Self::Audit(event) => write!(f, "Audit({event:?})"),
        }
    }
}

/// What comes back. [`Answer::Unavailable`] may answer every question (a full pool, a worker that
/// died, a deadline that passed).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Question::Identify`].
    Identified(Identified),
    /// To [`Question::Enrolled`].
    Enrolled(Result<Vec<FactorId>, Refused>),
    /// To [`Question::Verify`].
    Verdict {
        /// The verdict.
        verdict: Verdict,
        /// The subject is locked now.
        locked: bool,
    },
    /// To [`Question::Audit`]: written and on disk, or not.
    Audited(bool),
    /// Nobody could answer.
    Unavailable,
}

/// Who a claim points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identified {
    /// One subject.
    One(SubjectRef),
    /// Nobody; go on with this ghost and fail like a real one.
    None(SubjectRef),
    /// More than one, as with a shared telephone.
    Many,
    /// The store can't say.
    Unavailable,
}

/// Why factors are not named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Too many failures; the lock stands.
    Locked,
    /// The store can't say.
    Unavailable,
}
