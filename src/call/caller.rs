//! Leg A: from the INVITE to the caller's last word.

use super::conductor::{Call, FlowState};
use super::handoff::HandOffState;
use super::io::{Output, SessionEvent, SipOrder};
use super::leg::{Agreed, CallerState};
use super::press::Way;
use super::record::{CallEvent, EndCause};
use super::stream::Stream;
use crate::flow::run::{self, CallFacts, FlowRun};
use crate::media;
use crate::media::sdp::SdpError;
use crate::sip::{self, StatusCode};
use crate::units::{LegSide, MediaAddress};

use bytes::Bytes;

impl Call {
    /// The ports are open, or there are none: prepare the answer and start the flow.
    pub(super) fn caller_opened(&mut self, opened: Option<MediaAddress>) {
        let CallerState::Opening { offer } = &mut self.caller.state else {
            // The caller went away meanwhile.
            self.out.extend(opened.map(|address| Output::CloseMedia { port: address.port, heard: None }));
            return;
        };
        let offer = offer.take();
        let Some(address) = opened else {
            self.end(EndCause::NoPort);
            return;
        };
        let (limits, epoch) = (&self.settings.limits, self.settings.epoch);
        let path = self.caller.path;
        let terms = self.terms.told_by(path.remote.ip(), path.transport.is_encrypted());
        let mut stream =
            Stream::new(self.now, &address, limits.media_silence, epoch, terms, &mut self.entropy);
        let agreed = match offer.map(|offer| stream.prepare(&offer)) {
            Some(Ok(negotiated)) => Agreed::Answer(Box::new(negotiated)),
            None => Agreed::LateOffer,
            Some(Err(error)) => {
                self.caller.stream = Some(stream);
                self.refuse(status_of(error), EndCause::NotAcceptable);
                return;
            }
        };
        self.caller.stream = Some(stream);
        self.caller.state = CallerState::Ready(agreed);
        self.start_flow();
    }

    fn start_flow(&mut self) {
        if let FlowState::Waiting(facts) = &self.flow {
            let application = self.settings.application.clone();
            let run = FlowRun::new(application, CallFacts::clone(facts), self.now, self.settings.epoch);
            self.flow = FlowState::Running(Box::new(run));
            self.tell_flow(run::Input::Start);
        }
    }

    /// The flow has something to say before it answers: 183 with our description (RFC 3960 §3.2). Who calls without an offer
    /// can't be told anything then.
    pub(super) fn go_early(&mut self) {
        let state = std::mem::replace(&mut self.caller.state, CallerState::Leaving);
        if let CallerState::Ready(Agreed::Answer(negotiated)) = state {
            let order = SipOrder::Early(self.caller.session, negotiated.body.clone());
            self.caller.state = CallerState::Describing(negotiated);
            self.out.push_back(Output::Sip(order));
            return;
        }
        let hears = state.hears();
        self.caller.state = state;
        self.tell_flow(run::Input::EarlyMedia(hears));
    }

    /// The caller's side knows where our media is: it starts now, so that the first words are not lost.
    fn early(&mut self) {
        let state = std::mem::replace(&mut self.caller.state, CallerState::Leaving);
        let (CallerState::Describing(negotiated), Some(stream)) = (&state, &mut self.caller.stream) else {
            self.caller.state = state;
            return;
        };
        stream.connect(self.now, negotiated);
        self.caller.state = CallerState::Early(negotiated.body.clone());
        self.note(CallEvent::EarlyMedia);
        self.tell_flow(run::Input::EarlyMedia(true));
    }

    /// The flow answers: 200 with our description. The flow goes on when the ACK is here.
    pub(super) fn answer(&mut self) {
        let state = std::mem::replace(&mut self.caller.state, CallerState::Leaving);
        let (agreed, body) = match (state, &self.caller.stream) {
            (CallerState::Ready(Agreed::LateOffer), Some(stream)) => (Agreed::LateOffer, stream.offer()),
            (CallerState::Ready(Agreed::Answer(negotiated)) | CallerState::Describing(negotiated), _) => {
                let body = negotiated.body.clone();
                (Agreed::Answer(negotiated), body)
            }
            (CallerState::Early(body), _) => (Agreed::Early, body),
            (state, _) => {
                if matches!(state, CallerState::Talking) {
                    self.tell_flow(run::Input::Answered);
                }
                self.caller.state = state;
                return;
            }
        };
        self.caller.state = CallerState::Accepted(agreed);
        if let Some(draft) = &mut self.draft {
            draft.answered(self.now);
        }
        self.out.push_back(Output::Sip(SipOrder::Accept(self.caller.session, body)));
    }

    /// What the caller's SIP session says.
    pub(super) fn on_caller(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Acked { answer } => self.acked(answer),
            SessionEvent::EarlyMedia => self.early(),
            SessionEvent::Offered(offer) => self.caller_offers(offer),
            SessionEvent::OfferAnswered(answer) => self.reoffer_answered(LegSide::A, answer),
            SessionEvent::Digit(digit) => self.on_key(Way::Signalling, digit),
            SessionEvent::Ended(cause) => self.caller_ended(cause),
            // A caller who could have others called would call at our cost.
            SessionEvent::Referred(_) => {
                self.note(CallEvent::TransferRefused { status: StatusCode::FORBIDDEN.code() });
                let refusal = SipOrder::AnswerRefer(self.caller.session, Err(StatusCode::FORBIDDEN));
                self.out.push_back(Output::Sip(refusal));
            }
            // Only leg B is ever called, and neither leg is a recording server.
            SessionEvent::Trying
            | SessionEvent::Progress { .. }
            | SessionEvent::Answered { .. }
            | SessionEvent::Failed(_)
            | SessionEvent::ReferDone
            | SessionEvent::MetadataRequested => {}
        }
    }

    /// RFC 3261 §13.3.1.4: the ACK is here. Media starts now, so that the first words are not lost.
    fn acked(&mut self, answer: Option<Bytes>) {
        let state = std::mem::replace(&mut self.caller.state, CallerState::Talking);
        let CallerState::Accepted(agreed) = state else {
            self.caller.state = state;
            self.acked_again(LegSide::A, answer);
            return;
        };
        let Some(stream) = &mut self.caller.stream else { return };
        let connected = match (agreed, answer) {
            (Agreed::Answer(negotiated), _) => {
                stream.connect(self.now, &negotiated);
                true
            }
            // RFC 3261 §13.2.1: the ACK must answer an offer in the 200.
            (Agreed::LateOffer, Some(answer)) => stream.answered(self.now, &answer).is_ok(),
            (Agreed::LateOffer, None) => false,
            (Agreed::Early, _) => true,
        };
        if connected {
            self.tell_flow(run::Input::Answered);
        } else {
            self.end(EndCause::NotAcceptable);
        }
    }

    /// The ACK of a later INVITE: it brings the answer when the offer was ours (RFC 3261 §14.2).
    pub(super) fn acked_again(&mut self, leg: LegSide, answer: Option<Bytes>) {
        if let Some(answer) = answer {
            self.reoffer_answered(leg, Ok(answer));
        }
    }

    /// A re-INVITE of the caller's side: hold, resume, another address.
    fn caller_offers(&mut self, offer: Option<Bytes>) {
        if !matches!(self.caller.state, CallerState::Talking) {
            // RFC 3261 §14.2: our own offer or answer is still under way.
            let busy = SipOrder::AnswerOffer(self.caller.session, Err(StatusCode::REQUEST_PENDING));
            self.out.push_back(Output::Sip(busy));
            return;
        }
        let was_held = self.caller.stream.as_ref().is_some_and(|stream| stream.held);
        let reply = self.answer_again(LegSide::A, offer);
        self.out.push_back(Output::Sip(SipOrder::AnswerOffer(self.caller.session, reply)));
        let held = self.caller.stream.as_ref().is_some_and(|stream| stream.held);
        if held != was_held {
            self.note(if held { CallEvent::Held } else { CallEvent::Resumed });
        }
    }

    /// Our reply to a later offer on either leg; our own offer when there was none.
    pub(super) fn answer_again(&mut self, leg: LegSide, offer: Option<Bytes>) -> Result<Bytes, StatusCode> {
        let now = self.now;
        let stream = self.stream(leg).ok_or(StatusCode::REQUEST_PENDING)?;
        match offer {
            Some(offer) => stream.answer_again(now, &offer).map_err(status_of),
            None => Ok(stream.offer_again()),
        }
    }

    /// The answer to an offer of ours inside the session. A refused or senseless one changes nothing
    /// (RFC 3261 §14.1).
    pub(super) fn reoffer_answered(&mut self, leg: LegSide, answer: Result<Bytes, StatusCode>) {
        let now = self.now;
        if let (Ok(answer), Some(stream)) = (answer, self.stream(leg)) {
            let _ = stream.answered(now, &answer);
        }
    }

    /// What the caller's media says.
    pub(super) fn on_caller_media(&mut self, event: media::Event) {
        match event {
            media::Event::Digit(digit) => self.on_key(Way::Media, digit),
            media::Event::Tone(digit) => self.on_key(Way::Audio, digit),
            media::Event::Voice => self.tell_flow(run::Input::Voice),
            media::Event::Speaking(on) => self.caller_speaks(on),
            media::Event::PlayFinished(id) => {
                self.listening.falls_silent(self.now);
                self.tell_flow(run::Input::PlayFinished(id));
            }
            media::Event::Silent => self.caller_silent(),
            media::Event::NoAudio(why) => self.note_audio(LegSide::A, Some(why)),
            media::Event::AudioAgain => self.note_audio(LegSide::A, None),
            media::Event::Latched(_) | media::Event::FirstPacket => {}
        }
    }

    /// A leg has become silent, or is heard again.
    pub(super) fn note_audio(&mut self, leg: LegSide, silent: Option<media::NoAudio>) {
        let leg = if leg == LegSide::A { "caller" } else { "other" };
        self.note(match silent {
            Some(why) => CallEvent::NoAudio { leg, why: why.name() },
            None => CallEvent::AudioAgain { leg },
        });
    }

    /// No media for too long. Whoever is not answered, is on hold, waits in a queue or listens to an agent may be silent;
    /// the others are gone.
    fn caller_silent(&mut self) {
        let held = self.caller.stream.as_ref().is_some_and(|stream| stream.held);
        let talking = matches!(self.caller.state, CallerState::Talking);
        if talking && matches!(self.handoff, HandOffState::None) && !held {
            self.end(EndCause::MediaTimeout);
        }
    }

    fn caller_ended(&mut self, cause: sip::EndCause) {
        self.caller.state = CallerState::Ended;
        self.cause.get_or_insert(match cause {
            sip::EndCause::Cancelled => EndCause::Cancelled,
            sip::EndCause::AckTimeout => EndCause::NoAck,
            sip::EndCause::Timeout | sip::EndCause::Expired | sip::EndCause::TransportFailed => {
                EndCause::Unreachable
            }
            sip::EndCause::Bye | sip::EndCause::Local | sip::EndCause::Refused => EndCause::CallerHungUp,
        });
        self.wind_down();
    }
}

/// The SIP status for a description that can't be used.
fn status_of(error: SdpError) -> StatusCode {
    StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE)
}
