//! Another server of the same name, when the first one does not answer (RFC 3263 §4.3).
//!
//! A server that says nothing, or that it can't now, is left before the phone has rung. One that says no speaks for all.

use std::time::{Duration, Instant};

use super::conductor::Call;
use super::handoff::Party;
use super::record::CallEvent;
use crate::sip::locate::{Hop, is_servers_fault};
use crate::sip::{Path, StatusCode};

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
        callee.heard_until = None;
        if callee.rings || !is_servers_fault(status) {
            return false;
        }
        if callee.party.located {
            let Path { transport, remote, .. } = callee.party.path;
            self.settings.locations.failed(Hop { transport, remote });
        }
        let Some(next) = callee.party.others.pop_front() else { return false };
        (callee.party.path, callee.party.uri) = next;
        let who = callee.party.name.clone();
        self.note(CallEvent::Elsewhere { who });
        self.send_invite();
        true
    }
}
