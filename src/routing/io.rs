//! What the switchboard is told and what it orders.

use std::time::{Duration, Instant};

use super::agent::Contact;
use super::name::{AgentName, QueueName, Skill};
use super::roster::Roster;
use crate::units::CallId;

/// Something that happened to the switchboard.
#[derive(Clone, Debug)]
pub enum Input {
    /// A caller wants to wait in a queue.
    Enqueue {
        /// The call.
        call: CallId,
        /// The queue's name.
        queue: QueueName,
        /// Higher goes first.
        priority: i32,
        /// What the agent must be able to do.
        skill: Option<Skill>,
    },
    /// A caller left: hung up, waited too long, or went elsewhere.
    Leave(CallId),
    /// An agent can be reached at this contact from now on.
    AgentUp(AgentName, Contact),
    /// An agent can't be reached any more.
    AgentDown(AgentName),
    /// What came of an offer.
    OfferResult {
        /// The call that was offered.
        call: CallId,
        /// To whom.
        agent: AgentName,
        /// The result.
        result: OfferResult,
    },
    /// The agent's conversation ended.
    Released {
        /// The agent.
        agent: AgentName,
        /// The call.
        call: CallId,
    },
    /// The settings name these queues and agents from now on.
    Roster(Roster),
    /// The time asked for by `Output::Timeout` came.
    Timeout,
}

/// What an agent's phone made of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferResult {
    /// The agent answered and has the caller.
    Answered,
    /// The agent's phone is busy, or the agent declined.
    Busy,
    /// Nobody picked up.
    NoAnswer,
    /// The phone could not be reached.
    Failed,
}

/// What the switchboard orders.
#[derive(Clone, Debug)]
pub enum Output {
    /// Try to connect this call with this agent.
    Offer {
        /// The call.
        call: CallId,
        /// The agent.
        agent: AgentName,
        /// Where the agent's phone is.
        contact: Contact,
    },
    /// The caller's place in the line changed; 1 is next.
    Place(CallId, u32),
    /// The queue has no place left, or does not exist.
    Full(CallId),
    /// Nothing more; wake at this time, if any.
    Timeout(Option<Instant>),
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct SwitchboardConfig {
    /// An agent who did not answer is left alone this long.
    pub pause: Duration,
    /// An agent is left alone this long after a conversation.
    pub wrap_up: Duration,
    /// An offer without any result is taken back after this.
    pub offer_life: Duration,
}

impl Default for SwitchboardConfig {
    fn default() -> Self {
        Self {
            pause: Duration::from_secs(20),
            wrap_up: Duration::from_secs(0),
            offer_life: Duration::from_secs(120),
        }
    }
}
