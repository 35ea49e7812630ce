//! The four transactions of RFC 3261 §17, with the corrections of RFC 6026.
//!
//! A transaction here is a pure machine over serialised messages: it decides what is sent again and when, what
//! is passed up to its user and when it is over. Matching messages to transactions is [`key`]'s; making them,
//! routing them and the sessions above are the endpoint's.

pub mod key;

mod client_invite;
mod client_non_invite;
mod server_invite;
mod server_non_invite;

use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;

pub use client_invite::{ClientInvite, Input as ClientInviteInput};
pub use client_non_invite::{ClientNonInvite, Input as ClientNonInviteInput};
pub use server_invite::{Input as ServerInviteInput, ServerInvite};
pub use server_non_invite::{Input as ServerNonInviteInput, ServerNonInvite};

/// What a transaction orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes on the transaction's path.
    Transmit(Bytes),
    /// The message that was just handled is for the transaction user.
    Deliver,
    /// The transaction ended without what it waited for.
    Failed(Failure),
    /// Nothing more to do until this instant, or until something is received.
    Timeout(Option<Instant>),
}

/// Why a transaction failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Timer B, F or H.
    TimedOut,
    /// The transport said that it could not deliver.
    Transport,
}

/// The class of a response, as far as transactions distinguish them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 1xx.
    Provisional,
    /// 2xx.
    Success,
    /// 3xx–6xx.
    Failure,
}

impl Class {
    /// The class of a status code.
    #[must_use]
    pub const fn of(code: u16) -> Self {
        match code {
            0..200 => Self::Provisional,
            200..300 => Self::Success,
            _ => Self::Failure,
        }
    }
}

/// Orders waiting to be polled. One input makes at most two.
#[derive(Debug, Default)]
struct Orders(SmallVec<[Output; 2]>);

impl Orders {
    fn push(&mut self, output: Output) {
        self.0.push(output);
    }

    fn transmit(&mut self, bytes: &Bytes) {
        self.0.push(Output::Transmit(bytes.clone()));
    }

    fn pop(&mut self) -> Option<Output> {
        if self.0.is_empty() { None } else { Some(self.0.remove(0)) }
    }
}

/// The earlier of two instants, either of which may be missing.
fn earlier(a: Option<Instant>, b: Instant) -> Instant {
    a.map_or(b, |a| a.min(b))
}
