//! Leg B: calling an agent or a transfer target, whispering to them, joining the two, and their end.

use super::conductor::{Call, FlowState};
use super::handoff::{self, Brief, HandOffState, NotReached, Party};
use super::io::{Output, SessionEvent, SipOrder};
use super::leg::{Callee, CalleeState};
use super::orders::OWN_PLAY;
use super::record::CallEvent;
use super::stream::Stream;
use crate::flow::run::{self, HandOff};
use crate::media;
use crate::routing::{AgentName, Contact, DeskEvent, DeskRequest, OfferResult};
use crate::sip::{NameAddr, OutgoingInvite, SessionId, StatusCode};
use crate::units::{LegSide, MediaAddress};

use bytes::Bytes;
use std::time::Instant;

impl Call {
    /// Word from the switchboard. What comes after the call left the queue is late and means nothing: the
    /// desk has our `Leave`.
    pub(super) fn on_desk(&mut self, event: DeskEvent) {
        let is_queued = matches!(self.handoff, HandOffState::Queue { .. }) && self.transfer.is_none();
        if !is_queued || self.is_answered() {
            return;
        }
        match event {
            DeskEvent::Offer { agent, contact } => self.offered(agent, &contact),
            DeskEvent::Place(place) => self.tell_flow(run::Input::HandOff(HandOff::Waiting { place })),
            DeskEvent::Full => {
                self.handoff = HandOffState::None;
                self.tell_flow(run::Input::HandOff(HandOff::Full));
            }
        }
    }

    fn offered(&mut self, agent: AgentName, contact: &Contact) {
        let party =
            Party::agent(agent.clone(), contact, &self.settings, &self.caller.path, &mut self.entropy);
        match party {
            Some(party) if self.callee.is_none() => {
                let until = self.now + self.settings.limits.ring;
                self.place(party, until);
            }
            _ => self.offer_result(agent, OfferResult::Failed),
        }
    }

    /// Starts a leg B: ports first.
    pub(super) fn place(&mut self, party: Party, ring_until: Instant) {
        self.note(CallEvent::Calling { who: party.name.clone() });
        self.out.push_back(Output::OpenMedia { leg: LegSide::B, local: party.path.local.ip() });
        self.callee = Some(Callee {
            party,
            state: CalleeState::Opening,
            stream: None,
            ring_until,
            heard_until: None,
            rings: false,
            heard_early: false,
        });
    }

    /// The ports for leg B are open, or there are none: the INVITE.
    pub(super) fn callee_opened(&mut self, opened: Option<MediaAddress>) {
        if self.stale_opens > 0 || self.callee.is_none() {
            self.stale_opens = self.stale_opens.saturating_sub(1);
            self.out.extend(opened.map(|address| Output::CloseMedia { port: address.port, heard: None }));
            return;
        }
        let Some(address) = opened else {
            self.not_reached(NotReached::Failed);
            return;
        };
        let (silence, epoch) = (self.settings.limits.media_silence, self.settings.epoch);
        let terms = self.callee.as_ref().map(|callee| callee.party.terms(&self.settings)).unwrap_or_default();
        let stream = Stream::new(self.now, &address, silence, epoch, terms, &mut self.entropy);
        if let Some(callee) = &mut self.callee {
            callee.stream = Some(stream);
        }
        self.send_invite();
    }

    /// Calls leg B at the server whose turn it is.
    pub(super) fn send_invite(&mut self) {
        let Some(Callee { party, stream: Some(stream), .. }) = &self.callee else { return };
        let mut invite = self.invite(party, stream.offer());
        if party.agent.is_none() {
            self.assert_caller(&mut invite);
        }
        self.vouch_for(&mut invite);
        if let Some(callee) = &mut self.callee {
            callee.state = CalleeState::Placing;
            callee.heard_until = callee.party.patience(self.now);
        }
        self.out.push_back(Output::Sip(SipOrder::Invite(Box::new(invite))));
    }

    fn invite(&self, party: &Party, sdp: Bytes) -> OutgoingInvite {
        let auth = match &self.flow {
            FlowState::Running(run) => Some(run.auth()),
            FlowState::Waiting(_) | FlowState::Over => None,
        };
        let mut headers = self
            .brief()
            .map(|brief| {
                handoff::headers(auth, brief, (party, &self.signed), self.id, self.now, &self.settings)
            })
            .unwrap_or_default();
        headers.extend(handoff::referral(party));
        OutgoingInvite {
            path: party.path,
            request_uri: party.uri.clone().for_request(),
            from: handoff::from(auth, self.now, party),
            to: NameAddr::new(party.uri.clone().for_request()),
            contact_user: Some("countersign".to_owned()),
            headers,
            sdp,
            metadata: None,
            credentials: party.outward.as_ref().and_then(|outward| outward.credentials.clone()),
        }
    }

    pub(super) fn brief(&self) -> Option<&Brief> {
        match &self.handoff {
            HandOffState::None => None,
            HandOffState::Queue { brief, .. } | HandOffState::Transfer { brief } => Some(brief),
        }
    }

    /// What leg B's SIP session says.
    pub(super) fn on_callee(&mut self, session: SessionId, event: SessionEvent) {
        match event {
            SessionEvent::Trying => self.hop_heard(),
            SessionEvent::Progress { sdp } => {
                if !sdp.is_some_and(|sdp| self.hears_early(&sdp)) {
                    self.rings();
                }
            }
            SessionEvent::Answered { sdp } => {
                self.hop_heard();
                self.callee_answered(session, sdp);
            }
            SessionEvent::Failed(status) => {
                self.former.push(session);
                if !self.try_elsewhere(status) {
                    self.not_reached(NotReached::of(status.code()));
                }
            }
            SessionEvent::Offered(offer) => {
                let reply = self.answer_again(LegSide::B, offer);
                self.out.push_back(Output::Sip(SipOrder::AnswerOffer(session, reply)));
            }
            SessionEvent::OfferAnswered(answer) => self.reoffer_answered(LegSide::B, answer),
            SessionEvent::Ended(_) if self.is_answered() => self.parted(),
            SessionEvent::Ended(_) => self.not_reached(NotReached::Failed),
            SessionEvent::Acked { answer } => self.acked_again(LegSide::B, answer),
            SessionEvent::Referred(refer) => self.referred(session, &refer),
            // The agent's keys go nowhere.
            SessionEvent::Digit(_)
            | SessionEvent::EarlyMedia
            | SessionEvent::MetadataRequested
            | SessionEvent::ReferDone => {}
        }
    }

    /// A telephone's network has something to say before anybody picks up, such as that the number is not in use: the caller
    /// hears it in place of our ringback. Whether it is so; who waits for an agent keeps the music.
    fn hears_early(&mut self, sdp: &[u8]) -> bool {
        let now = self.now;
        let Some(Callee { party, stream: Some(stream), heard_early, rings, .. }) = &mut self.callee else {
            return false;
        };
        if party.agent.is_some() || *heard_early {
            return *heard_early;
        }
        if stream.answered(now, sdp).is_err() {
            return false;
        }
        stream.session.listen(true);
        (*heard_early, *rings) = (true, true);
        if let Some(stream) = &mut self.caller.stream {
            stream.session.stop();
        }
        self.hop_heard();
        true
    }

    /// The first provisional response; the others say nothing new.
    fn rings(&mut self) {
        self.hop_heard();
        let Some(callee) = &mut self.callee else { return };
        if !std::mem::replace(&mut callee.rings, true) {
            self.tell_flow(run::Input::HandOff(HandOff::Ringing));
        }
    }

    /// What a session says that was given up: only its end matters. A 200 that crossed our CANCEL is hung up.
    pub(super) fn on_former(&mut self, session: SessionId, event: &SessionEvent) {
        match event {
            SessionEvent::Ended(_) => self.former.retain(|other| *other != session),
            // The phone that put the caller through knows how it ended, too.
            SessionEvent::Answered { .. } | SessionEvent::ReferDone => {
                self.out.push_back(Output::Sip(SipOrder::Bye(session)));
            }
            // It is as good as over: nothing is agreed with it any more.
            SessionEvent::Offered(_) => {
                let refusal = SipOrder::AnswerOffer(session, Err(StatusCode::REQUEST_PENDING));
                self.out.push_back(Output::Sip(refusal));
            }
            SessionEvent::Referred(_) => {
                let refusal = SipOrder::AnswerRefer(session, Err(StatusCode::FORBIDDEN));
                self.out.push_back(Output::Sip(refusal));
            }
            _ => {}
        }
    }

    fn callee_answered(&mut self, session: SessionId, sdp: Option<Bytes>) {
        let now = self.now;
        let connected = self.stream(LegSide::B).is_some_and(|stream| stream.picked_up(now, sdp.as_deref()));
        if !connected {
            self.give_up_session(session, true);
            self.not_reached(NotReached::Failed);
            return;
        }
        self.reached();
        let whisper = self.brief().map(|brief| brief.whisper.clone()).unwrap_or_default();
        let clips = self.clips(&whisper);
        let Some(callee) = &mut self.callee else { return };
        callee.state = CalleeState::Whispering(session);
        match &mut callee.stream {
            Some(stream) if !clips.is_empty() => stream.session.play(now, OWN_PLAY, clips, false),
            _ => self.join(),
        }
    }

    /// Somebody picked up: the desk, the flow and the record hear of it before the two are joined.
    fn reached(&mut self) {
        let Some(callee) = &self.callee else { return };
        let (name, agent) = (callee.party.name.clone(), callee.party.agent.clone());
        if self.transfer.is_none() {
            self.note_queue_wait();
        }
        if let Some(draft) = &mut self.draft
            && draft.record.agents.len() < MOST_AGENTS
        {
            draft.record.agents.push(name.clone());
        }
        if let Some(agent) = agent {
            self.offer_result(agent, OfferResult::Answered);
        }
        self.tell_flow(run::Input::HandOff(HandOff::Connected { agent: name }));
        self.transfer_done();
    }

    pub(super) fn on_callee_media(&mut self, event: media::Event) {
        let whispering =
            self.callee.as_ref().is_some_and(|callee| matches!(callee.state, CalleeState::Whispering(_)));
        match event {
            media::Event::PlayFinished(OWN_PLAY) if whispering => self.join(),
            media::Event::NoAudio(why) => self.note_audio(LegSide::B, Some(why)),
            // Nobody attends to leg B.
            media::Event::Voice => {}
            media::Event::AudioAgain => self.note_audio(LegSide::B, None),
            _ => {}
        }
    }

    /// From now on the two hear each other.
    fn join(&mut self) {
        let (Some(callee), Some(stream)) = (&mut self.callee, &mut self.caller.stream) else { return };
        let CalleeState::Whispering(session) = callee.state else { return };
        callee.state = CalleeState::Joined(session);
        stream.session.stop();
        stream.session.listen(true);
        if let Some(stream) = &mut callee.stream {
            stream.session.listen(true);
        }
        let joined = CallEvent::Joined { who: callee.party.name.clone() };
        // The flow was told when they picked up; only now can the caller be heard.
        self.show(&joined);
        self.note(joined);
        self.guest_joined();
    }

    /// Nobody took leg B. A queued caller waits on for the next agent; a transfer's outcome is the flow's.
    pub(super) fn not_reached(&mut self, why: NotReached) {
        let Some(callee) = self.callee.take() else { return };
        self.close_callee_stream(callee.stream, false);
        self.note(CallEvent::NotReached { who: callee.party.name, why: why.name() });
        if self.transfer.is_some() {
            self.transfer_failed(why);
            return;
        }
        if let Some(agent) = callee.party.agent {
            self.offer_result(
                agent,
                match why {
                    NotReached::Busy | NotReached::Refused => OfferResult::Busy,
                    NotReached::NoAnswer => OfferResult::NoAnswer,
                    NotReached::Failed => OfferResult::Failed,
                },
            );
            return;
        }
        self.handoff = HandOffState::None;
        self.tell_flow(run::Input::HandOff(match why {
            NotReached::Busy => HandOff::Busy,
            NotReached::NoAnswer => HandOff::NoAnswer,
            NotReached::Refused => HandOff::Refused,
            NotReached::Failed => HandOff::Failed,
        }));
    }

    /// It rang long enough.
    pub(super) fn rang_out(&mut self) {
        self.give_up_callee_session();
        self.not_reached(NotReached::NoAnswer);
    }

    pub(super) fn ring_until(&self) -> Option<Instant> {
        self.callee.as_ref().filter(|callee| !callee.state.is_answered()).map(|callee| callee.ring_until)
    }

    pub(super) fn is_answered(&self) -> bool {
        self.callee.as_ref().is_some_and(|callee| callee.state.is_answered())
    }

    /// The other side hung up; the caller is still there and goes back to the flow.
    fn parted(&mut self) {
        let Some(callee) = self.callee.take() else { return };
        self.unjoin(callee);
        self.handoff = HandOffState::None;
        self.note(CallEvent::Parted);
        self.tell_flow(run::Input::HandOff(HandOff::Finished));
    }

    /// Takes apart what was answered: ports, bridge, the agent.
    fn unjoin(&mut self, callee: Callee) {
        self.guest_parted();
        self.close_callee_stream(callee.stream, true);
        if let Some(stream) = &mut self.caller.stream {
            stream.session.stop();
        }
        self.listen_while_wanted();
        if let Some(agent) = callee.party.agent {
            self.out.push_back(Output::Desk(DeskRequest::Released { call: self.id, agent }));
        }
    }

    /// Ends whatever hand-off is going on, at the flow's wish or since the caller is gone.
    pub(super) fn abandon_hand_off(&mut self) {
        // Whoever is put through has left the queue.
        let answered = self.is_answered();
        let left = answered || self.transfer.is_some();
        self.abandon_transfer();
        self.give_up_callee_session();
        if let Some(callee) = self.callee.take() {
            if answered {
                self.unjoin(callee);
            } else {
                self.close_callee_stream(callee.stream, false);
            }
        }
        let handoff = std::mem::replace(&mut self.handoff, HandOffState::None);
        if let HandOffState::Queue { since, .. } = handoff
            && !left
        {
            self.add_queue_wait(since);
            self.out.push_back(Output::Desk(DeskRequest::Leave { call: self.id }));
        }
    }

    fn give_up_callee_session(&mut self) {
        let Some(callee) = &self.callee else { return };
        match callee.state {
            CalleeState::Opening => self.stale_opens = self.stale_opens.saturating_add(1),
            CalleeState::Placing => {}
            CalleeState::Calling(session) => self.give_up_session(session, false),
            CalleeState::Whispering(session) | CalleeState::Joined(session) => {
                self.give_up_session(session, true);
            }
        }
    }

    /// Ends a session of leg B; the call lasts until its end has come.
    pub(super) fn give_up_session(&mut self, session: SessionId, answered: bool) {
        self.former.push(session);
        let order = if answered { SipOrder::Bye(session) } else { SipOrder::Cancel(session) };
        self.out.push_back(Output::Sip(order));
    }

    fn offer_result(&mut self, agent: AgentName, result: OfferResult) {
        let result = DeskRequest::OfferResult { call: self.id, agent, result };
        self.out.push_back(Output::Desk(result));
    }
}

/// Agents that a record names at most: a flow could send a caller round for hours.
const MOST_AGENTS: usize = 16;
