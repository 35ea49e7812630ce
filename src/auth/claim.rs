//! Claims: who a caller says they are. A claim is never a factor.

use std::fmt;
use std::sync::Arc;

use crate::secret::Secret;

/// What a caller claims, or what the network claims for them. It raises no level.
#[derive(Clone)]
pub enum Claim {
    /// An account number, as keyed.
    Account(Secret<String>),
    /// The calling number, which anybody can set.
    CallerNumber(Secret<String>),
    /// A subject's identifier, from a service of ours.
    SubjectId(String),
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account(_) => "Claim::Account",
            Self::CallerNumber(_) => "Claim::CallerNumber",
            Self::SubjectId(_) => "Claim::SubjectId",
        })
    }
}

/// The stable pseudonym of a claimed subject. It says nothing about the person, and nothing about
/// whether there is one: a ghost's is a keyed hash of the claim, a subject's is random.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubjectKey(pub [u8; 16]);

impl fmt::Display for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubjectKey({self})")
    }
}

/// A claimed subject. One that does not exist (a ghost) can't be told from one that does.
#[derive(Clone, PartialEq, Eq)]
pub struct SubjectRef {
    key: SubjectKey,
    id: Arc<str>,
}

impl SubjectRef {
    /// Made by whoever answers [`Question::Identify`](super::Question::Identify).
    #[must_use]
    pub fn new(key: SubjectKey, id: impl Into<Arc<str>>) -> Self {
        Self { key, id: id.into() }
    }

    /// The pseudonym: what audit events and counters are kept under.
    #[must_use]
    pub const fn key(&self) -> SubjectKey {
        self.key
    }

    /// The identifier for services (`customer.id`); class personal. A ghost's is one no service knows.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Debug for SubjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubjectRef({})", self.key)
    }
}
