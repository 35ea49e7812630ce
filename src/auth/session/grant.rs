//! What a protected step needs.

use std::fmt;
use std::time::Instant;

use crate::auth::{LevelName, SubjectRef};
use crate::units::CallId;

/// Permission for a protected step. Only [`AuthSession::grant`](super::AuthSession::grant) makes one, so a step that takes a
/// `&Grant` can't run for a caller who has not authenticated.
///
/// ```compile_fail
/// fn raise(grant: countersign::auth::Grant) -> countersign::auth::Grant {
///     countersign::auth::Grant { level: "strong".into(), ..grant }
/// }
/// ```
///
/// ```compile_fail
/// fn another(grant: &countersign::auth::Grant) -> countersign::auth::Grant { grant.clone() }
/// ```
pub struct Grant {
    subject: SubjectRef,
    level: LevelName,
    call: CallId,
    at: Instant,
}

impl Grant {
    /// Only an [`AuthSession`](super::AuthSession) that holds the level makes one.
    pub(super) const fn new(subject: SubjectRef, level: LevelName, call: CallId, at: Instant) -> Self {
        Self { subject, level, call, at }
    }

    /// Whom it concerns.
    #[must_use]
    pub const fn subject(&self) -> &SubjectRef {
        &self.subject
    }

    /// The level that was asked for and is held.
    #[must_use]
    pub const fn level(&self) -> &LevelName {
        &self.level
    }

    /// The call it was given in.
    #[must_use]
    pub const fn call(&self) -> CallId {
        self.call
    }

    /// When it was given. It speaks of that moment.
    #[must_use]
    pub const fn at(&self) -> Instant {
        self.at
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grant({:?}, {})", self.subject, self.level)
    }
}
