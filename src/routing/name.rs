//! What agents and queues are called.

use std::fmt;
use std::sync::Arc;

/// The name an agent has in the configuration; also the user of the phone's registration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentName(Arc<str>);

impl From<&str> for AgentName {
    fn from(name: &str) -> Self {
        Self(Arc::from(name))
    }
}

impl AgentName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a queue in the configuration and in flows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueName(Arc<str>);

impl From<&str> for QueueName {
    fn from(name: &str) -> Self {
        Self(Arc::from(name))
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that some agents can do, and that a caller needs of theirs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Skill(Arc<str>);

impl From<&str> for Skill {
    fn from(name: &str) -> Self {
        Self(Arc::from(name))
    }
}

impl Skill {
    /// The skill as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
