//! Agents and queues: who gets the next call.

mod agent;
mod desk;
mod io;
mod name;
mod queue;
mod roster;
mod switchboard;

pub use agent::{Agent, AgentState, Contact};
pub use desk::{DeskEvent, DeskRequest};
pub use io::{Input, OfferResult, Output, SwitchboardConfig};
pub use name::{AgentName, QueueName, Skill};
pub use queue::{Entry, Queue};
pub use roster::{AgentView, QueueView, Roster};
pub use switchboard::Switchboard;
