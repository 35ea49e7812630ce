//! All calls of one shard: who may call, which packet belongs to whom, what is due when.
//!
//! [`Engine`] owns the SIP endpoint and every [`Call`](crate::call::Call), maps sessions and media ports to
//! calls, and keeps one deadline per call. Nothing here grows with the number of calls but the tables
//! themselves: a packet touches its own call and no other.

mod counters;
mod door;
mod formers;
mod invite;
mod io;
mod limits;
mod lineup;
mod machine;
mod rules;
mod running;
mod timers;

pub use counters::Counters;
pub use door::{Vouch, Vouching};
pub use invite::TRACE_PACKAGE;
pub use io::{Input, Output};
pub use limits::{Admission, Limits, Refusal};
pub use lineup::{Canary, Lineup, Served};
pub use machine::{Active, Engine, EngineConfig};
pub use rules::TrunkRules;
pub use timers::Timers;
