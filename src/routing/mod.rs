//! Agents and queues: who gets the next call.

mod agent;
mod desk;
mod queue;
mod switchboard;

pub use agent::{Agent, AgentName, AgentState, Contact};
pub use desk::{DeskEvent, DeskRequest};
pub use queue::{Entry, Queue, QueueName};
pub use switchboard::{Input, OfferResult, Output, Switchboard, SwitchboardConfig};
