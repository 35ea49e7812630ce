//! What a token may be allowed to do.

/// One permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// See subjects, masked.
    SubjectsRead,
    /// Add and change subjects.
    SubjectsWrite,
    /// Destroy subjects.
    SubjectsErase,
    /// Lift subjects' locks.
    SubjectsUnlock,
    /// See what subjects have enrolled.
    EnrolmentsRead,
    /// Enrol and remove factors.
    EnrolmentsWrite,
    /// See the policy.
    PolicyRead,
    /// See call records.
    CallsRead,
    /// See which recordings there are.
    RecordingsRead,
    /// Hear recordings, each with a reason that the audit log keeps.
    RecordingsListen,
    /// See and check the audit log.
    AuditRead,
    /// See what is served.
    EngineRead,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::SubjectsRead,
        Self::SubjectsWrite,
        Self::SubjectsErase,
        Self::SubjectsUnlock,
        Self::EnrolmentsRead,
        Self::EnrolmentsWrite,
        Self::PolicyRead,
        Self::CallsRead,
        Self::RecordingsRead,
        Self::RecordingsListen,
        Self::AuditRead,
        Self::EngineRead,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SubjectsRead => "subjects:read",
            Self::SubjectsWrite => "subjects:write",
            Self::SubjectsErase => "subjects:erase",
            Self::SubjectsUnlock => "subjects:unlock",
            Self::EnrolmentsRead => "enrolments:read",
            Self::EnrolmentsWrite => "enrolments:write",
            Self::PolicyRead => "policy:read",
            Self::CallsRead => "calls:read",
            Self::RecordingsRead => "recordings:read",
            Self::RecordingsListen => "recordings:listen",
            Self::AuditRead => "audit:read",
            Self::EngineRead => "engine:read",
        }
    }

    /// The scope of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}
