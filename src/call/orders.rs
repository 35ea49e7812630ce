//! What the flow orders, carried out.

use super::conductor::Call;
use super::handoff::{Brief, HandOffState, LONGEST_RING, Party};
use super::io::Output;
use super::leg::{CalleeState, CallerState};
use super::record::{CallEvent, EndCause};
use crate::flow::ClipKey;
use crate::flow::run::{self, HandOff, HandOffRequest};
use crate::media::Attention;
use crate::routing::{DeskRequest, QueueName, Skill};
use crate::units::{LegSide, PlayId};

use std::sync::Arc;

/// Names what the call itself plays: the whisper to leg B. A flow counts its orders up from one and never gets
/// here.
pub(super) const OWN_PLAY: PlayId = PlayId(u64::MAX);

impl Call {
    /// Carries out one order of the flow.
    pub(super) fn on_flow(&mut self, order: run::Output) {
        match order {
            run::Output::EarlyMedia => self.go_early(),
            run::Output::Answer => self.answer(),
            run::Output::Play { id, clips, repeat } => self.play(id, &clips, repeat),
            run::Output::StopPlaying => self.stop_playing(),
            run::Output::Attend(on) => self.attend(on),
            run::Output::Hear(hearing) => self.hear(hearing),
            run::Output::Secure(on) => self.secure(on),
            run::Output::Ask(ask, question) => self.out.push_back(Output::Ask(ask, question)),
            run::Output::Listen(ask, listen) => self.listen_to_caller(ask, listen),
            run::Output::StopListening => self.finish_message(),
            run::Output::Recording(order) => self.order_recording(order),
            run::Output::HandOff(request) => self.hand_off(request),
            run::Output::Trace(event) => {
                self.show(&event);
                if let Some(draft) = &mut self.draft {
                    draft.trace(self.now, event);
                }
            }
            run::Output::Hangup(cause) => self.end(cause.into()),
            run::Output::Finished => {
                self.flow_over();
                // A flow hangs up before it is finished; should it not, nobody is left to talk to the caller.
                self.end(EndCause::FlowDone);
            }
            run::Output::Timeout(_) => {}
        }
    }

    fn play(&mut self, id: PlayId, keys: &[ClipKey], repeat: bool) {
        let clips = self.clips(keys);
        let now = self.now;
        let hears = self.caller.state.hears();
        match self.stream(LegSide::A) {
            Some(stream) if hears && !clips.is_empty() => {
                stream.session.play(now, id, clips.clone(), repeat);
                self.listening.plays(clips);
            }
            // Nothing that could be played counts as played: a flow must not wait for it for ever.
            _ => self.tell_flow(run::Input::PlayFinished(id)),
        }
    }

    /// The recordings that are there; one that is not is noted and left out.
    pub(super) fn clips(&mut self, keys: &[ClipKey]) -> Vec<Arc<crate::audio::Clip>> {
        let clips: Vec<_> = keys.iter().filter_map(|key| self.settings.clips.clip(key)).collect();
        if clips.len() < keys.len() {
            self.note(CallEvent::ClipMissing);
        }
        clips
    }

    /// While the agent hears who is coming, the caller keeps the music; joining ends it.
    fn stop_playing(&mut self) {
        let whispering =
            self.callee.as_ref().is_some_and(|callee| matches!(callee.state, CalleeState::Whispering(_)));
        if !whispering && let Some(stream) = self.stream(LegSide::A) {
            stream.session.stop();
            self.listening.falls_silent(self.now);
        }
    }

    /// The flow wants to know when the caller speaks, or no longer.
    fn attend(&mut self, on: bool) {
        let attention = match (on, self.settings.limits.hears.is_empty()) {
            (false, _) => Attention::Off,
            (true, true) => Attention::Told,
            (true, false) => Attention::Kept,
        };
        if let Some(stream) = self.stream(LegSide::A) {
            stream.session.attend(attention);
        }
    }

    /// A secret is being typed: the other leg hears and gets no key.
    fn secure(&mut self, on: bool) {
        self.secure = on;
        if on {
            self.deafen();
        }
        if let Some(stream) = self.stream(LegSide::A) {
            stream.session.mute_inbound_keys(on);
        }
    }

    fn hand_off(&mut self, request: HandOffRequest) {
        if !matches!(request, HandOffRequest::Leave) && !matches!(self.caller.state, CallerState::Talking) {
            self.tell_flow(run::Input::HandOff(HandOff::Failed));
            return;
        }
        self.abandon_hand_off();
        match request {
            HandOffRequest::Queue { queue, priority, pass, whisper, skill, .. } => {
                self.handoff = HandOffState::Queue { brief: Brief { pass, whisper }, since: self.now };
                let (queue, priority) = (QueueName::from(queue.as_str()), priority.into());
                let skill = skill.as_deref().map(Skill::from);
                let request = DeskRequest::Enqueue { call: self.id, queue, priority, skill };
                self.out.push_back(Output::Desk(request));
            }
            HandOffRequest::Transfer { target, ring, pass, whisper } => {
                let Some(party) =
                    Party::target(&target, &self.settings, &self.caller.path, &mut self.entropy)
                else {
                    self.note(CallEvent::NotReached { who: target, why: "failed" });
                    self.tell_flow(run::Input::HandOff(HandOff::Failed));
                    return;
                };
                self.handoff = HandOffState::Transfer { brief: Brief { pass, whisper } };
                self.place(party, self.now + ring.min(LONGEST_RING));
            }
            HandOffRequest::Leave => {}
        }
    }
}
