//! An agent: who, for which queues, and what they are doing.

use std::time::Instant;

use super::name::{AgentName, QueueName, Skill};
use crate::sip::Path;
use crate::units::CallId;

/// Where a phone can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The request URI for a call to it.
    pub uri: String,
    /// The way its registration came, which is the way back through NAT; `None` for a fixed address.
    pub path: Option<Path>,
}

impl Contact {
    /// A contact at `uri`.
    #[must_use]
    pub const fn new(uri: String, path: Option<Path>) -> Self {
        Self { uri, path }
    }
}

/// What an agent is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentState {
    /// Not reachable.
    Out,
    /// Ready, since this time.
    Free {
        /// When the agent became free.
        since: Instant,
    },
    /// A call is being offered.
    Offered {
        /// Which.
        call: CallId,
        /// When the offer is taken back.
        until: Instant,
    },
    /// In a conversation.
    Talking {
        /// With which call.
        call: CallId,
    },
    /// Left alone for a while.
    Paused {
        /// Until when.
        until: Instant,
    },
}

impl AgentState {
    /// The call that the agent is concerned with.
    #[must_use]
    pub const fn call(&self) -> Option<CallId> {
        match self {
            Self::Offered { call, .. } | Self::Talking { call } => Some(*call),
            Self::Out | Self::Free { .. } | Self::Paused { .. } => None,
        }
    }
}

/// One agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// The name.
    pub name: AgentName,
    /// The queues served.
    pub queues: Vec<QueueName>,
    /// What the agent can do; `*` is everything.
    pub skills: Vec<Skill>,
    /// What the agent is doing.
    pub state: AgentState,
    /// Where the phone is, while it is known.
    pub contact: Option<Contact>,
}

impl Agent {
    /// An agent who is not reachable yet.
    #[must_use]
    pub const fn new(name: AgentName, queues: Vec<QueueName>) -> Self {
        Self { name, queues, skills: Vec::new(), state: AgentState::Out, contact: None }
    }

    /// The same agent with these skills.
    #[must_use]
    pub fn with_skills(self, skills: Vec<Skill>) -> Self {
        Self { skills, ..self }
    }

    /// Whether the agent can do this.
    #[must_use]
    pub fn has(&self, skill: &Skill) -> bool {
        self.skills.iter().any(|own| own == skill || own.as_str() == "*")
    }
}
