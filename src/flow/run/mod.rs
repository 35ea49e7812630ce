//! One run of a flow for one call, without input or output of its own.

pub mod collect;
mod io;
pub mod values;

pub use io::{
    Answer, CallFacts, HandOff, HandOffRequest, HangupCause, Input, Lookup, LookupReply, Name, Output, Pass,
    Question, TraceEvent,
};
