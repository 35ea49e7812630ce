//! One call: its legs, its flow run, its media and its record.
//!
//! [`Call`] is the conductor. It owns leg A (the caller), the [`FlowRun`](crate::flow::run::FlowRun) that
//! decides what happens, at times a leg B (an agent or a transfer target), and a media session for each. It
//! translates between them and decides nothing that a flow could decide. Its end is always the same: both
//! legs and the flow over, ports given back, one [`CallRecord`] (law 8).
//!
//! [`OutgoingCall`] is a call of the engine's own: it tells a one-time code to whoever answers the telephone on file.
//!
//! They do no SIP themselves: orders to the endpoint leave as [`SipOrder`], and come back as [`SessionEvent`].

mod callee;
mod caller;
mod conductor;
mod elsewhere;
pub mod explain;
mod handoff;
mod hearing;
mod io;
mod leg;
mod message;
mod orders;
mod outgoing;
pub(crate) mod press;
mod record;
mod recording;
mod recording_session;
mod settle;
mod stream;
mod transfer;
mod vouching;

pub use crate::flow::run::Journey;
pub use conductor::Call;
pub use io::{CallLimits, CallSettings, ClipSource, Input, NewCall, Output, SessionEvent, SipOrder};
pub use message::Room;
pub use outgoing::{CodeCall, Fate, News, OutgoingCall, Script, Ticket};
pub use record::{CallEvent, CallRecord, Direction, EndCause, Happened, MediaReport, Version, What};
pub use recording::{MOST_SUBJECTS, Recorded, RecordedPart, RecordingName, RecordingReference};
pub use recording_session::{Health, RecordingPlace, RecordingPlan, RecordingServer};
