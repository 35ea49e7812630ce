//! The call itself: takes what happened, polls its parts in a fixed order, hands on their orders.
//!
//! The order is: orders already made, the flow, leg A's media, leg B's media. A part is given an input only
//! when it has been polled dry (law 2); the flow's inputs wait in a short queue for that.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::handoff::HandOffState;
use super::hearing::Listening;
use super::io::{CallSettings, Input, NewCall, Output, SessionEvent};
use super::leg::{Callee, CalleeState, Caller, CallerState};
use super::message::Taking;
use super::press::{Presses, Way};
use super::record::{CallEvent, Draft, EndCause, Version};
use super::recording::Recording;
use super::stream::Stream;
use super::transfer::Transfer;
use super::vouching::Signed;
use crate::auth::Source;
use crate::flow::run::{self, Abilities, CallFacts, FlowRun, NumberCheck, Signals};
use crate::media::recorder::Side;
use crate::media::{self, MediaTerms};
use crate::secret::Secret;
use crate::sip::SessionId;
use crate::sip::stir::Verdict;
use crate::units::{CallId, Digit, Entropy, LegSide};

/// One call.
pub struct Call {
    pub(super) id: CallId,
    pub(super) settings: Arc<CallSettings>,
    pub(super) entropy: Entropy,
    pub(super) now: Instant,
    pub(super) out: VecDeque<Output>,
    pub(super) flow: FlowState,
    pub(super) flow_inputs: VecDeque<run::Input>,
    flow_due: Option<Instant>,
    /// The flow was polled dry and given nothing since: packets pass without looking at it.
    flow_dry: bool,
    pub(super) caller: Caller,
    pub(super) callee: Option<Callee>,
    /// Ports asked for by legs B that were given up before the ports came.
    pub(super) stale_opens: u32,
    /// An agent's phone puts the caller through.
    pub(super) transfer: Option<Transfer>,
    /// Sessions of former legs B whose end has not come.
    pub(super) former: Vec<SessionId>,
    /// Sessions are no longer waited for.
    pub(super) gave_up: bool,
    pub(super) handoff: HandOffState,
    /// The message that the caller leaves.
    pub(super) message: Option<Taking>,
    pub(super) listening: Listening,
    /// The recording that is being made.
    pub(super) recording: Option<Recording>,
    /// Ports asked for by recording sessions that were given up before the ports came.
    pub(super) stale_copies: u32,
    /// A secret is being typed.
    pub(super) secure: bool,
    presses: Presses,
    /// Why the call ends, from the moment it does.
    pub(super) cause: Option<EndCause>,
    pub(super) deadlines: Deadlines,
    pub(super) draft: Option<Draft>,
    pub(super) number: Option<Secret<String>>,
    /// What the other side may be told of the caller by the network's word.
    pub(super) signed: Signed,
    source: Source,
    /// What is settled about the caller's media.
    pub(super) terms: MediaTerms,
    /// The caller is a test caller, and is told what happens.
    pub(super) watched: bool,
}

/// The flow, before, while and after it runs.
pub(super) enum FlowState {
    /// The caller's media is not agreed yet.
    Waiting(Box<CallFacts>),
    /// It runs.
    Running(Box<FlowRun>),
    /// It hung up, or never ran.
    Over,
}

/// The call's own deadlines.
pub(super) struct Deadlines {
    /// The longest a call may last.
    pub(super) longest: Instant,
    /// A flow without a caller must be done by then.
    pub(super) tidy: Option<Instant>,
    /// Both legs must have ended by then.
    pub(super) farewell: Option<Instant>,
}

/// What came of polling one leg's media.
#[expect(
    clippy::large_enum_variant,
    reason = "lives from one poll to its match; a box would cost each packet"
)]
enum Step {
    /// Hand this on.
    Order(Output),
    /// The part had something; poll again from the top.
    Again,
    /// The part has nothing.
    Idle,
}

impl Call {
    /// A caller at the door: asks for media ports first.
    #[must_use]
    pub fn new(now: Instant, new: NewCall, settings: Arc<CallSettings>, mut entropy: Entropy) -> Self {
        let NewCall {
            call,
            session,
            path,
            trunk,
            terms,
            from,
            asserted,
            journey,
            user_to_user,
            verdict,
            identities,
            to,
            watched,
            canary,
            offer,
        } = new;
        let version = Version::of(&settings, canary);
        let attestation = verdict.and_then(Verdict::level);
        let doubted = matches!(verdict, Some(Verdict::Invalid(_)));
        let source = Source { caller: from.clone(), trunk: Arc::clone(&trunk), attestation, doubted };
        let mut draft = Draft::new(call, now, settings.epoch, trunk, version, &to);
        if let Some(verdict) = verdict {
            draft.happened(now, CallEvent::of_number(verdict));
        }
        let number = from.as_ref().map(|number| number.expose().clone());
        let signals =
            Signals { attestation, number: verdict.map(checked).unwrap_or_default(), ..Signals::default() };
        let limits = &settings.limits;
        let (recorder, outside_recorders) = (limits.recorder, limits.outside_recorders);
        let speech = !limits.hears.is_empty();
        let voice = limits.voices;
        let abilities = Abilities { recorder, outside_recorders, speech, voice, ..Abilities::default() };
        let signed =
            Signed { identities, dialled: to.clone(), asserted, private: journey.private, user_to_user };
        let hears = Some(Arc::clone(&limits.hears));
        let facts = CallFacts { abilities, hears, signals, journey, ..CallFacts::new(call, number, to) };
        let facts = CallFacts { seed: entropy.next_u64(), ..facts };
        let open = Output::OpenMedia { leg: LegSide::A, local: path.local.ip() };
        Self {
            id: call,
            entropy,
            now,
            out: VecDeque::from([open]),
            flow: FlowState::Waiting(Box::new(facts)),
            flow_inputs: VecDeque::new(),
            flow_due: None,
            flow_dry: false,
            caller: Caller { session, path, state: CallerState::Opening { offer }, stream: None },
            callee: None,
            stale_opens: 0,
            transfer: None,
            former: Vec::new(),
            gave_up: false,
            handoff: HandOffState::None,
            message: None,
            listening: Listening::default(),
            recording: None,
            stale_copies: 0,
            secure: false,
            presses: Presses::default(),
            cause: None,
            deadlines: Deadlines { longest: now + settings.limits.max_duration, tidy: None, farewell: None },
            draft: Some(draft),
            number: from,
            signed,
            source,
            terms,
            watched,
            settings,
        }
    }

    /// Takes what happened. Poll until [`Output::Timeout`] before the next.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        debug_assert!(self.out.is_empty(), "law 2: outputs are drained before the next input");
        self.now = now;
        match input {
            Input::Sip(session, event) => self.on_session(session, event),
            Input::Rtp { leg, came, from, bytes } => {
                if let Some(stream) = self.stream(leg) {
                    stream.session.handle(now, media::Input::Rtp { came, from, bytes });
                }
            }
            Input::Rtcp { leg: leg @ (LegSide::Said | LegSide::Heard), from, bytes } => {
                self.copy_reported(leg, from, bytes);
            }
            Input::Rtcp { leg, from, bytes } => {
                if let Some(stream) = self.stream(leg) {
                    stream.session.handle(now, media::Input::Rtcp { from, bytes });
                }
            }
            Input::MediaOpened(LegSide::A, opened) => self.caller_opened(opened),
            Input::MediaOpened(LegSide::B, opened) => self.callee_opened(opened),
            Input::MediaOpened(LegSide::Said | LegSide::Heard, opened) => self.copies_opened(opened),
            // Ports are opened for legs that are called.
            Input::MediaOpened(LegSide::Aside, _) => {}
            Input::Answer(ask, answer) => self.tell_flow(run::Input::Answer(ask, answer)),
            Input::Heard(id, answer) => self.heard(id, answer),
            Input::Desk(event) => self.on_desk(event),
            Input::RecordingFailed(recording) => self.recording_failed(&recording),
            Input::End(cause) => self.end(cause),
            Input::Timeout => self.on_timeout(),
        }
    }

    /// The next order.
    pub fn poll(&mut self) -> Output {
        loop {
            if let Some(order) = self.out.pop_front() {
                return order;
            }
            if self.poll_flow() {
                continue;
            }
            // An order is as large as a packet, and goes straight to whoever polls.
            match self.poll_stream(LegSide::A) {
                Step::Order(order) => return order,
                Step::Again => continue,
                Step::Idle => {}
            }
            match self.poll_stream(LegSide::B) {
                Step::Order(order) => return order,
                Step::Again => continue,
                Step::Idle => {}
            }
            match self.poll_stream(LegSide::Aside) {
                Step::Order(order) => return order,
                Step::Again => {}
                Step::Idle => return self.done().unwrap_or_else(|| Output::Timeout(self.due())),
            }
        }
    }

    /// The session that the endpoint made of the last [`super::SipOrder::Invite`].
    pub fn placed(&mut self, session: SessionId) {
        match &mut self.callee {
            Some(callee) if matches!(callee.state, CalleeState::Placing) => {
                callee.state = CalleeState::Calling(session);
            }
            _ => self.give_up_session(session, false),
        }
    }

    /// The version that it runs, from its start to its end.
    #[must_use]
    pub const fn version(&self) -> &Arc<CallSettings> {
        &self.settings
    }

    /// Where it comes from.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// Its sessions that may not have ended; for whoever drops the call.
    pub fn sessions(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.former.iter().copied().chain([self.caller.session])
    }

    fn on_session(&mut self, session: SessionId, event: SessionEvent) {
        if session == self.caller.session {
            self.on_caller(event);
        } else if self.callee.as_ref().and_then(|callee| callee.state.session()) == Some(session) {
            self.on_callee(session, event);
        } else if self.recording.as_ref().and_then(Recording::session) == Some(session) {
            self.on_recording_session(session, event);
        } else if self.is_referrer(session) {
            self.on_referrer(session, event);
        } else {
            self.on_former(session, &event);
        }
    }

    /// Whether the flow had something: poll again from the top.
    fn poll_flow(&mut self) -> bool {
        let FlowState::Running(flow) = &mut self.flow else {
            self.flow_inputs.clear();
            return false;
        };
        if !self.flow_dry {
            match flow.poll() {
                run::Output::Timeout(at) => {
                    self.flow_due = at;
                    self.flow_dry = true;
                }
                order => {
                    self.on_flow(order);
                    return true;
                }
            }
        }
        let Some(input) = self.flow_inputs.pop_front() else { return false };
        self.flow_dry = false;
        flow.handle(self.now, input);
        true
    }

    fn poll_stream(&mut self, leg: LegSide) -> Step {
        let Some(stream) = self.stream(leg) else { return Step::Idle };
        match stream.session.poll() {
            media::Output::Rtp { to, bytes } => Step::Order(Output::Rtp { port: stream.port, to, bytes }),
            media::Output::Rtcp { to, bytes } => Step::Order(Output::Rtcp { port: stream.port, to, bytes }),
            media::Output::Event(event) => {
                match leg {
                    LegSide::A => self.on_caller_media(event),
                    LegSide::B => self.on_callee_media(event),
                    LegSide::Aside | LegSide::Said | LegSide::Heard => {}
                }
                Step::Again
            }
            media::Output::Frame(frame) => {
                if leg == LegSide::A {
                    self.heard_caller(&frame);
                    self.record(Side::Left, &frame);
                }
                self.bridge(leg, frame);
                Step::Again
            }
            media::Output::Said(said) => {
                if leg == LegSide::A {
                    self.caller_said(*said);
                }
                Step::Again
            }
            media::Output::Heard(frame) => {
                self.record(Side::Right, &frame);
                Step::Again
            }
            media::Output::Timeout(at) => {
                stream.due = at;
                Step::Idle
            }
        }
    }

    /// What one side says goes to the other, while they are joined.
    fn bridge(&mut self, from: LegSide, frame: media::Frame) {
        let joined = self.callee.as_ref().is_some_and(|callee| match callee.state {
            CalleeState::Joined(_) => true,
            CalleeState::Calling(_) => callee.heard_early && from == LegSide::B,
            _ => false,
        });
        let to = match from {
            LegSide::A => LegSide::B,
            LegSide::B => LegSide::A,
            // Nobody listens to whom is put aside.
            LegSide::Aside | LegSide::Said | LegSide::Heard => return,
        };
        if joined && let Some(stream) = self.stream(to) {
            stream.session.push(frame);
        }
    }

    pub(super) fn stream(&mut self, leg: LegSide) -> Option<&mut Stream> {
        match leg {
            LegSide::A => self.caller.stream.as_deref_mut(),
            LegSide::B => self.callee.as_mut()?.stream.as_deref_mut(),
            LegSide::Aside => self.transfer.as_mut()?.stream(),
            LegSide::Said | LegSide::Heard => None,
        }
    }

    /// A key of the caller's.
    pub(super) fn on_key(&mut self, way: Way, digit: Digit) {
        if !self.presses.is_new(self.now, way, digit) {
            return;
        }
        let (now, secure) = (self.now, self.secure);
        match &mut self.callee {
            Some(Callee { state, stream: Some(stream), .. }) if keys_go_to_b(state, secure) => {
                stream.session.send_digits(now, &[digit]);
            }
            _ => self.tell_flow(run::Input::Digit(digit)),
        }
    }

    /// Queues an input for the flow until it is polled dry.
    pub(super) fn tell_flow(&mut self, input: run::Input) {
        if matches!(self.flow, FlowState::Running(_)) {
            self.flow_inputs.push_back(input);
        }
    }

    fn on_timeout(&mut self) {
        let now = self.now;
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        for leg in [LegSide::A, LegSide::B, LegSide::Aside] {
            if let Some(stream) = self.stream(leg)
                && is_due(stream.due)
            {
                stream.due = None;
                stream.session.handle(now, media::Input::Timeout);
            }
        }
        if is_due(self.flow_due) {
            self.flow_due = None;
            self.tell_flow(run::Input::Timeout);
        }
        if is_due(self.message.as_ref().map(Taking::deadline)) {
            self.finish_message();
        }
        self.attend_to_recording();
        if is_due(self.heard_until()) {
            self.hop_silent();
        }
        if is_due(self.ring_until()) {
            self.rang_out();
        }
        if self.cause.is_none() && self.deadlines.longest <= now {
            self.end(EndCause::MaxDuration);
        }
        if is_due(self.deadlines.tidy) {
            self.flow_over();
        }
        if is_due(self.deadlines.farewell) {
            self.give_up_farewells();
        }
    }

    fn due(&self) -> Option<Instant> {
        let streams = [self.caller.stream.as_ref(), self.callee.as_ref().and_then(|b| b.stream.as_ref())];
        let aside = self.transfer.as_ref().and_then(Transfer::due);
        let longest = self.cause.is_none().then_some(self.deadlines.longest);
        let over = self.draft.is_none();
        streams
            .into_iter()
            .map(|stream| stream.and_then(|stream| stream.due))
            .chain([self.message.as_ref().map(Taking::deadline)])
            .chain([self.recording.as_ref().and_then(Recording::due)])
            .chain([self.heard_until(), aside])
            .chain([self.flow_due, self.ring_until(), longest, self.deadlines.tidy, self.deadlines.farewell])
            .flatten()
            .min()
            .filter(|_| !over)
    }
}

/// Whether keys of the caller go to the other side instead of the flow: while the two are joined, and never
/// while a secret is being typed.
const fn keys_go_to_b(state: &CalleeState, secure: bool) -> bool {
    matches!(state, CalleeState::Joined(_)) && !secure
}

/// What a check found, in the flow's words.
fn checked(verdict: Verdict) -> NumberCheck {
    let verstat = Some(verdict.verstat()).filter(|word| *word != "none");
    NumberCheck { verstat, reason: Some(verdict.reason()).filter(|reason| !reason.is_empty()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_reach_leg_b_in_secure_steps() {
        let session = SessionId(1);
        for state in [
            CalleeState::Opening,
            CalleeState::Placing,
            CalleeState::Calling(session),
            CalleeState::Whispering(session),
            CalleeState::Joined(session),
        ] {
            assert!(!keys_go_to_b(&state, true));
        }
        assert!(keys_go_to_b(&CalleeState::Joined(session), false), "outside of them they do");
        assert!(!keys_go_to_b(&CalleeState::Whispering(session), false));
    }

    #[test]
    fn a_call_holds_no_room_for_media_that_it_may_never_have() {
        let (call, stream) = (size_of::<Call>(), size_of::<Stream>());
        assert!(call < stream + 1024, "a call takes {call} octets, and {stream} for the media of each leg");
    }
}
