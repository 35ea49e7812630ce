//! Skeleton.

mod api;

use std::time::{Duration, Instant};

use bytes::Bytes;

pub use api::{
    Active, Counters, Credentials, EndCause, EndpointConfig, Event, Incoming, Input, OutgoingInvite,
    OutgoingRequest, Output, RequestId, SessionId,
};

use crate::sip::StatusCode;
use crate::units::Entropy;

/// A user agent: all SIP sessions of a shard.
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
}

#[expect(unused_variables, reason = "bodies follow")]
impl Endpoint {
    /// A new endpoint without sessions.
    #[must_use]
    pub fn new(config: EndpointConfig, entropy: Entropy) -> Self {
        Self { config }
    }
    /// Takes an input.
    pub fn handle(&mut self, now: Instant, input: Input) {}
    /// The next order.
    pub fn poll(&mut self) -> Output {
        Output::Timeout(None)
    }
    /// Sends 180, or 183 with a session description.
    pub fn ring(&mut self, now: Instant, session: SessionId, sdp: Option<Bytes>) {}
    /// Sends 200 with the answer, or with an offer when the INVITE had none.
    pub fn accept(&mut self, now: Instant, session: SessionId, sdp: Bytes) {}
    /// Refuses an incoming call.
    pub fn reject(
        &mut self,
        now: Instant,
        session: SessionId,
        status: StatusCode,
        retry_after: Option<Duration>,
    ) {
    }
    /// Calls.
    pub fn invite(&mut self, now: Instant, invite: OutgoingInvite) -> SessionId {
        SessionId(0)
    }
    /// Gives up a call that is not answered yet.
    pub fn cancel(&mut self, now: Instant, session: SessionId) {}
    /// Hangs up.
    pub fn bye(&mut self, now: Instant, session: SessionId, reason: Option<&str>) {}
    /// Offers a change of the session (re-INVITE).
    pub fn offer(&mut self, now: Instant, session: SessionId, sdp: Bytes) {}
    /// Answers `Event::Offered`.
    pub fn answer_offer(&mut self, now: Instant, session: SessionId, answer: Result<Bytes, StatusCode>) {}
    /// Sends a request outside of sessions.
    pub fn request(&mut self, now: Instant, request: OutgoingRequest) -> RequestId {
        RequestId(0)
    }
    /// What it holds.
    #[must_use]
    pub fn active(&self) -> Active {
        Active::default()
    }
    /// What has happened.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters::default()
    }
}
