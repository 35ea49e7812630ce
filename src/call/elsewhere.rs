//! Another server of the same name, when the first one does not answer (RFC 3263 §4.3).
//!
//! A server that says nothing, or that it can't now, is left before the phone has rung. One that says no speaks for all.

use std::time::{Duration, Instant};

use super::conductor::Call;
use super::handoff::Party;
use super::io::{Output, SipOrder};
use super::leg::CalleeState;
use super::record::CallEvent;
use crate::sip::StatusCode;
use crate::sip::locate::Hop;

/// A next hop that has not said a word by then is left for another one: four transmissions of an INVITE over UDP.
const HEARD: Duration = Duration::from_secs(4);

impl Party {
    /// Until when the next hop must have said something: it matters only while there is another.
    pub(super) fn patience(&self, now: Instant) -> Option<Instant> {
        (!self.others.is_empty()).then(|| now + HEARD)
    }
}

impl Call {
    /// The next hop is there.
    pub(super) fn hop_heard(&mut self) {
        if let Some(callee) = &mut self.callee {
            callee.heard_until = None;
        }
    }

    pub(super) fn heard_until(&self) -> Option<Instant> {
        self.callee.as_ref().and_then(|callee| callee.heard_until)
    }

    /// Not a word in time.
    pub(super) fn hop_silent(&mut self) {
        let session = self.callee.as_ref().and_then(|callee| callee.state.session());
        if let Some(session) = session {
            self.give_up_session(session, false);
        }
        self.try_elsewhere(StatusCode::REQUEST_TIMEOUT);
    }

    /// Calls the next server, if this failure is the server's and there is one; whether it does.
    pub(super) fn try_elsewhere(&mut self, status: StatusCode) -> bool {
        let Some(callee) = &mut self.callee else { return false };
        // RFC 3263 §4.3: 503, nothing at all, or no way there. All else is an answer.
        let servers_fault = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT);
        callee.heard_until = None;
        if callee.rings || !servers_fault {
            return false;
        }
        let failed = callee.party.path;
        let failed = Hop { transport: failed.transport, remote: failed.remote };
        self.settings.locations.failed(failed);
        let Some(next) = callee.party.others.pop_front() else { return false };
        let Some(stream) = &callee.stream else { return false };
        callee.party.path = next;
        callee.state = CalleeState::Placing;
        callee.heard_until = callee.party.patience(self.now);
        let (offer, who) = (stream.offer(), callee.party.name.clone());
        self.note(CallEvent::Elsewhere { who });
        let Some(callee) = &self.callee else { return false };
        let invite = self.invite(&callee.party, offer);
        self.out.push_back(Output::Sip(SipOrder::Invite(Box::new(invite))));
        true
    }
}
