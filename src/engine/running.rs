//! A call of either way, as the machine keeps it.

use std::sync::Arc;
use std::time::Instant;

use crate::auth::Source;
use crate::call::{Call, CallSettings, Input, OutgoingCall, Output};
use crate::sip::SessionId;
use crate::units::Place;

/// A call.
pub(super) enum Running {
    /// Somebody called.
    Inbound {
        call: Box<Call>,
        /// Among those of its trunk, until the call is gone.
        _place: Option<Place>,
    },
    /// One of our own.
    Outbound(Box<OutgoingCall>),
}

impl Running {
    pub(super) fn handle(&mut self, now: Instant, input: Input<'_>) {
        match self {
            Self::Inbound { call, .. } => call.handle(now, input),
            Self::Outbound(call) => call.handle(now, input),
        }
    }

    pub(super) fn poll(&mut self) -> Output {
        match self {
            Self::Inbound { call, .. } => call.poll(),
            Self::Outbound(call) => call.poll(),
        }
    }

    pub(super) fn placed(&mut self, session: SessionId) {
        match self {
            Self::Inbound { call, .. } => call.placed(session),
            Self::Outbound(call) => call.placed(session),
        }
    }

    /// Only a call of somebody's is recorded.
    pub(super) fn recording_placed(&mut self, session: SessionId) {
        if let Self::Inbound { call, .. } = self {
            call.recording_placed(session);
        }
    }

    pub(super) fn version(&self) -> &Arc<CallSettings> {
        match self {
            Self::Inbound { call, .. } => call.version(),
            Self::Outbound(call) => call.version(),
        }
    }

    /// Where it comes from; a call of our own comes from nowhere, and asks nothing.
    pub(super) fn source(&self) -> Option<&Source> {
        match self {
            Self::Inbound { call, .. } => Some(call.source()),
            Self::Outbound(_) => None,
        }
    }

    /// Its sessions that may not have ended.
    pub(super) fn sessions(&self) -> Vec<SessionId> {
        match self {
            Self::Inbound { call, .. } => call.sessions().collect(),
            Self::Outbound(call) => call.session().into_iter().collect(),
        }
    }
}
