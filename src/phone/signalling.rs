//! What SIP tells a phone, and what it makes of it.

use std::time::Instant;

use bytes::Bytes;

use super::{Phone, PhoneCall, PhoneEvent};
use crate::driver::ports::Channel;
use crate::engine::TRACE_PACKAGE;
use crate::media::{self, sdp};
use crate::sip::{SessionId, StatusCode, endpoint};

impl Phone {
    pub(super) fn sip_event(&mut self, now: Instant, event: endpoint::Event) {
        let happened = match event {
            endpoint::Event::Incoming { session, invite, .. } => {
                self.offers.insert(session, invite.offer);
                PhoneEvent::Incoming { session, headers: invite.headers }
            }
            endpoint::Event::Acked { session, answer } => {
                if let Some(answer) = answer {
                    self.connect(now, session, &answer);
                }
                PhoneEvent::Answered(session)
            }
            endpoint::Event::EarlyMedia { .. } | endpoint::Event::Trying { .. } => return,
            endpoint::Event::Progress { session, .. } => PhoneEvent::Ringing(session),
            endpoint::Event::Answered { session, sdp, .. } => {
                if let Some(answer) = sdp {
                    self.connect(now, session, &answer);
                }
                PhoneEvent::Answered(session)
            }
            endpoint::Event::Offered { session, sdp } => {
                let answer = self.answer_again(now, session, sdp);
                self.endpoint.answer_offer(now, session, answer);
                return;
            }
            endpoint::Event::OfferAnswered { session, sdp } => {
                if let Ok(answer) = sdp {
                    self.connect(now, session, &answer);
                }
                return;
            }
            // A telephone records nothing, and is asked to call nobody.
            endpoint::Event::MetadataRequested { .. }
            | endpoint::Event::Referred { .. }
            | endpoint::Event::ReferDone { .. } => return,
            endpoint::Event::Digit { session, digit } => PhoneEvent::Digit(session, digit),
            endpoint::Event::Info { session, package, body, .. } => {
                if package != TRACE_PACKAGE {
                    return;
                }
                PhoneEvent::Trace(session, body)
            }
            endpoint::Event::Response { status, .. } => PhoneEvent::Response(status),
            endpoint::Event::Failed { session, status } => PhoneEvent::Failed(session, status),
            endpoint::Event::Ended { session, cause } => {
                self.offers.remove(&session);
                if let Some(pacing) = &mut self.pacing {
                    pacing.forget(session);
                }
                if let Some(mut call) = self.calls.remove(&session) {
                    self.by_port.remove(&call.port);
                    if let Some(at) = call.wake {
                        self.wakes.remove(&(at, session));
                    }
                    call.media.close(now);
                    self.farewell(&mut call);
                    self.ports.close(self.poll.registry(), call.port);
                }
                PhoneEvent::Ended(session, cause)
            }
        };
        self.happened.push_back(happened);
    }

    /// Sends what a closed media session still has to say: its RTCP BYE.
    fn farewell(&self, call: &mut PhoneCall) {
        let Some(pair) = self.ports.pair(call.port) else { return };
        loop {
            match call.media.poll() {
                media::Output::Rtcp { to, bytes } => drop(pair.socket(Channel::Rtcp).send_to(&bytes, to)),
                media::Output::Timeout(_) => return,
                _ => {}
            }
        }
    }

    fn connect(&mut self, now: Instant, session: SessionId, answer: &Bytes) {
        if let Some(call) = self.touch(session)
            && let Ok(negotiated) = sdp::accept_answer(answer, &call.local)
        {
            call.media.connect(now, &negotiated.remote);
        }
    }

    fn answer_again(
        &mut self,
        now: Instant,
        session: SessionId,
        offer: Option<Bytes>,
    ) -> Result<Bytes, StatusCode> {
        let call = self.touch(session).ok_or(StatusCode::NOT_ACCEPTABLE_HERE)?;
        call.local.version += 1;
        let Some(offer) = offer else { return Ok(sdp::offer(&call.local)) };
        let negotiated = sdp::answer(&offer, &call.local).map_err(|_| StatusCode::NOT_ACCEPTABLE_HERE)?;
        call.media.connect(now, &negotiated.remote);
        Ok(negotiated.body)
    }
}
