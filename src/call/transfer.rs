//! An agent's phone puts the caller through to somebody else: REFER, blind or attended (RFC 3515, RFC 3891, RFC 5589).
//!
//! ```text
//! REFER ─► may this phone, and there? ─ no ─► 403
//!   │ yes: 202, the agent is put aside, the caller hears it ring
//!   ├─ the target answers ─► caller and target are joined, the agent's phone is told and hung up
//!   └─ it does not ─► the agent's phone is told and has the caller again; is it gone, the flow goes on
//! ```
//! Only targets that the settings name for this can be reached, at the address that the settings have: what a phone writes
//! into Refer-To chooses among them and is never called.

use super::conductor::{Call, FlowState};
use super::handoff::{HandOffState, NotReached, Party};
use super::io::{Output, SessionEvent, SipOrder};
use super::leg::{Callee, CalleeState, CallerState};
use super::orders::OWN_PLAY;
use super::record::CallEvent;
use super::stream::Stream;
use crate::audio::Clip;
use crate::audio::tone::{self, Tone};
use crate::flow::run::{self, HandOff};
use crate::routing::DeskRequest;
use crate::sip::{Refer, SessionId, StatusCode, Uri};
use crate::units::LegSide;

use std::sync::Arc;
use std::time::{Duration, Instant};

/// The caller is being put through by an agent's phone.
pub(super) struct Transfer {
    session: SessionId,
    /// The agent with their media; gone when their phone has hung up.
    by: Option<Callee>,
}

impl Transfer {
    pub(super) fn stream(&mut self) -> Option<&mut Stream> {
        self.by.as_mut()?.stream.as_deref_mut()
    }

    /// When the media of the agent who was put aside wants to be woken.
    pub(super) fn due(&self) -> Option<Instant> {
        self.by.as_ref()?.stream.as_ref()?.due
    }
}

impl Call {
    /// The phone of leg B wants the caller put through.
    pub(super) fn referred(&mut self, session: SessionId, refer: &Refer) {
        match self.transfer_target(refer) {
            Ok(target) => {
                self.out.push_back(Output::Sip(SipOrder::AnswerRefer(session, Ok(()))));
                self.begin_transfer(session, target);
            }
            Err(status) => {
                self.note(CallEvent::TransferRefused { status: status.code() });
                self.out.push_back(Output::Sip(SipOrder::AnswerRefer(session, Err(status))));
            }
        }
    }

    /// Whom the settings let an agent put callers through to, at the address that stands there.
    fn transfer_target(&mut self, refer: &Refer) -> Result<Party, StatusCode> {
        let Some(Callee { party, state: CalleeState::Joined(_), .. }) = &self.callee else {
            return Err(StatusCode::FORBIDDEN);
        };
        let runs = matches!(self.flow, FlowState::Running(_));
        if party.agent.is_none() || !runs || !matches!(self.caller.state, CallerState::Talking) {
            return Err(StatusCode::FORBIDDEN);
        }
        if self.transfer.is_some() || self.secure {
            return Err(StatusCode::REQUEST_PENDING);
        }
        let settings = Arc::clone(&self.settings);
        let (here, by) = (party.path.local.ip(), party.name.clone());
        let meant = |name: &str, uri: &str| {
            let written = Uri::parse(uri.as_bytes()).is_some_and(|own| own.equivalent(&refer.to));
            // Dialled by its name: the phone adds the address of whom it registers with.
            let dialled = refer.to.user_without_params().is_some_and(|user| user == name)
                && refer.to.as_sip().and_then(|sip| sip.host.ip()) == Some(here);
            written || dialled
        };
        let found = settings.phones_transfer_to.iter().find_map(|name| {
            let contact = settings.targets.get(&**name)?;
            meant(name, &contact.uri).then_some(&**name)
        });
        let name = found.ok_or(StatusCode::FORBIDDEN)?;
        let target = Party::target(name, &settings, &self.caller.path, &mut self.entropy);
        let mut target = target.ok_or(StatusCode::TEMPORARILY_UNAVAILABLE)?;
        target.replaces.clone_from(&refer.replaces);
        target.referred_by = Some(by);
        Ok(target)
    }

    /// Puts the agent aside.
    fn begin_transfer(&mut self, session: SessionId, target: Party) {
        let Some(callee) = self.callee.take() else { return };
        self.note(CallEvent::Transferring { by: callee.party.name.clone(), to: target.name.clone() });
        self.guest_parted();
        if let Some(stream) = &callee.stream {
            self.out.push_back(Output::MoveMedia { port: stream.port, leg: LegSide::Aside });
        }
        self.transfer = Some(Transfer { session, by: Some(callee) });
        self.listen_while_wanted();
        let now = self.now;
        if let Some(stream) = &mut self.caller.stream {
            let ringback = Clip::from_pcm(&tone::render(Tone::Ringback, CADENCE));
            stream.session.play(now, OWN_PLAY, vec![Arc::new(ringback)], true);
        }
        self.place(target, self.now + self.settings.limits.ring);
    }

    pub(super) fn is_referrer(&self, session: SessionId) -> bool {
        self.transfer.as_ref().is_some_and(|transfer| transfer.session == session)
    }

    /// What the session of the agent says who was put aside.
    pub(super) fn on_referrer(&mut self, session: SessionId, event: SessionEvent) {
        match event {
            SessionEvent::Ended(_) => {
                self.release_referrer();
            }
            SessionEvent::Offered(offer) => {
                let reply = self.answer_again(LegSide::Aside, offer);
                self.out.push_back(Output::Sip(SipOrder::AnswerOffer(session, reply)));
            }
            SessionEvent::OfferAnswered(answer) => self.reoffer_answered(LegSide::Aside, answer),
            SessionEvent::Acked { answer } => self.acked_again(LegSide::Aside, answer),
            _ => {}
        }
    }

    /// The agent's part is over: ports and desk have them again. Gives back whether somebody was there.
    fn release_referrer(&mut self) -> bool {
        let Some(callee) = self.transfer.as_mut().and_then(|transfer| transfer.by.take()) else {
            return false;
        };
        self.close_callee_stream(callee.stream, true);
        if let Some(agent) = callee.party.agent {
            self.out.push_back(Output::Desk(DeskRequest::Released { call: self.id, agent }));
        }
        true
    }

    /// The target has answered: the agent's phone is told, and hung up once it knows.
    pub(super) fn transfer_done(&mut self) {
        if self.transfer.is_none() {
            return;
        }
        let there = self.release_referrer();
        let Some(transfer) = self.transfer.take() else { return };
        if there {
            self.former.push(transfer.session);
            self.out.push_back(Output::Sip(SipOrder::ReportRefer(transfer.session, StatusCode::OK)));
        }
        // Whoever talks to the caller now came neither from a queue nor from the flow.
        if let Some(brief) = self.brief().cloned() {
            self.handoff = HandOffState::Transfer { brief };
        }
    }

    /// The target was not reached: the agent has the caller again, or else the flow has.
    pub(super) fn transfer_failed(&mut self, why: NotReached) {
        let Some(transfer) = self.transfer.take() else { return };
        if let Some(stream) = &mut self.caller.stream {
            stream.session.stop();
        }
        let Some(callee) = transfer.by else {
            self.handoff = HandOffState::None;
            self.note(CallEvent::Parted);
            self.tell_flow(run::Input::HandOff(HandOff::Finished));
            return;
        };
        let report = SipOrder::ReportRefer(transfer.session, why.status());
        self.out.push_back(Output::Sip(report));
        if let Some(stream) = &callee.stream {
            self.out.push_back(Output::MoveMedia { port: stream.port, leg: LegSide::B });
        }
        let who = callee.party.name.clone();
        self.callee = Some(callee);
        self.listen_while_wanted();
        let joined = CallEvent::Joined { who };
        self.show(&joined);
        self.note(joined);
        self.guest_joined();
    }

    /// The call ends, or the flow wants the caller back: the agent who was put aside is hung up.
    pub(super) fn abandon_transfer(&mut self) {
        let there = self.release_referrer();
        if let Some(transfer) = self.transfer.take()
            && there
        {
            self.give_up_session(transfer.session, true);
        }
    }
}

/// One ring and the pause after it (ITU-T E.180 §5).
const CADENCE: Duration = Duration::from_secs(5);
