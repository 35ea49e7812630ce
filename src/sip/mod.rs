//! SIP (RFC 3261): messages, transactions, dialogs. No I/O.

pub mod path;

pub use path::{Path, Transport};
