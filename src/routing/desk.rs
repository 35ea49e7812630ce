//! What a shard and the switchboard say to each other about one call.

use super::agent::Contact;
use super::io::{Input, OfferResult};
use super::name::{AgentName, QueueName, Skill};
use crate::units::CallId;

/// From a shard to the switchboard.
#[derive(Clone, Debug)]
pub enum DeskRequest {
    /// The caller wants to wait in a queue.
    Enqueue {
        /// The call.
        call: CallId,
        /// The queue's name in the flow.
        queue: QueueName,
        /// Higher goes first.
        priority: i32,
        /// What the agent must be able to do.
        skill: Option<Skill>,
    },
    /// The caller waits no more.
    Leave {
        /// The call.
        call: CallId,
    },
    /// What came of an offer.
    OfferResult {
        /// The call.
        call: CallId,
        /// The agent it was offered to.
        agent: AgentName,
        /// The result.
        result: OfferResult,
    },
    /// The conversation with the agent ended.
    Released {
        /// The call.
        call: CallId,
        /// The agent.
        agent: AgentName,
    },
}

impl From<DeskRequest> for Input {
    fn from(request: DeskRequest) -> Self {
        match request {
            DeskRequest::Enqueue { call, queue, priority, skill } => {
                Self::Enqueue { call, queue, priority, skill }
            }
            DeskRequest::Leave { call } => Self::Leave(call),
            DeskRequest::OfferResult { call, agent, result } => Self::OfferResult { call, agent, result },
            DeskRequest::Released { call, agent } => Self::Released { agent, call },
        }
    }
}

impl DeskRequest {
    /// The call it is about.
    #[must_use]
    pub const fn call(&self) -> CallId {
        match self {
            Self::Enqueue { call, .. }
            | Self::Leave { call }
            | Self::OfferResult { call, .. }
            | Self::Released { call, .. } => *call,
        }
    }
}

/// From the switchboard to a call.
#[derive(Clone, Debug)]
pub enum DeskEvent {
    /// Try this agent.
    Offer {
        /// The agent.
        agent: AgentName,
        /// Where the agent's phone is.
        contact: Contact,
    },
    /// The caller's place in the line; 1 is next.
    Place(u32),
    /// The queue is full or unknown.
    Full,
}
