//! Prompts: playing them, cutting them short, what follows when they end. And the keys, which all come by
//! here.

use std::sync::Arc;
use std::time::Instant;

use crate::flow::ClipKey;
use crate::flow::document::{Interrupt, Notice, Play, Prompt, Say};
use crate::units::{Digit, PlayId};

use super::exit::Exit;
use super::io::{HangupCause, Name, Output, TraceEvent};
use super::{FlowRun, News, State};

/// A prompt that nothing is asked with.
pub(super) struct Saying {
    play: PlayId,
    interrupt: bool,
    then: Then,
}

/// What follows a prompt.
enum Then {
    NextStep,
    Leave(Exit),
    Noted { prompt: Name, version: Name },
    HangUp(HangupCause),
}

impl FlowRun {
    pub(crate) fn say(&mut self, now: Instant, step: &Say) {
        let interrupt = step.interrupt == Interrupt::Keys;
        // A caller who has typed ahead has interrupted this prompt already, if their keys are for a
        // question that comes next. Keys that nothing is waiting for must not swallow what is said.
        if interrupt && !self.keys.is_empty() && self.question_follows() {
            self.trace(TraceEvent::Interrupted);
            return self.next_step();
        }
        let clips = self.announce(now, &step.prompts);
        self.start_saying(clips, interrupt, Then::NextStep);
    }

    pub(crate) fn play(&mut self, step: &Play) {
        let clips = vec![step.clip.clone(); usize::from(step.times.max(1))];
        self.trace(TraceEvent::Prompt { prompt: Name::from(step.clip.as_str()) });
        self.start_saying(clips, step.interrupt == Interrupt::Keys, Then::Leave(Exit::Outcome("finished")));
    }

    pub(crate) fn notice(&mut self, now: Instant, step: &Notice) {
        let clips = self.announce(now, std::slice::from_ref(&step.prompt));
        let then =
            Then::Noted { prompt: Name::from(&step.prompt.key), version: Name::from(step.version.as_str()) };
        self.start_saying(clips, step.interrupt == Interrupt::Keys, then);
    }

    pub(crate) fn say_goodbye(&mut self, now: Instant, prompt: &Prompt, cause: HangupCause) {
        let clips = self.announce(now, std::slice::from_ref(prompt));
        self.start_saying(clips, false, Then::HangUp(cause));
    }

    fn start_saying(&mut self, clips: Vec<ClipKey>, interrupt: bool, then: Then) {
        let play = self.start_playing(clips, false);
        self.state = State::Saying(Saying { play, interrupt, then });
    }

    /// The recordings of prompts, in the caller's language; the trace tells which prompts.
    pub(crate) fn announce(&mut self, now: Instant, prompts: &[Prompt]) -> Vec<ClipKey> {
        let scope = self.scope(now);
        let clips = prompts.iter().flat_map(|prompt| scope.render(prompt)).collect();
        for prompt in prompts {
            self.trace(TraceEvent::Prompt { prompt: Name::from(&prompt.key) });
        }
        clips
    }

    pub(crate) fn start_playing(&mut self, clips: Vec<ClipKey>, repeat: bool) -> PlayId {
        let id = PlayId(self.next());
        self.playing = Some(id);
        self.emit(Output::Play { id, clips, repeat });
        id
    }

    pub(crate) fn stop_playing(&mut self) {
        if self.playing.take().is_some() {
            self.emit(Output::StopPlaying);
        }
    }

    pub(crate) fn play_finished(&mut self, now: Instant, play: PlayId) {
        if self.playing != Some(play) {
            return; // an earlier prompt's end that crossed the order to play another
        }
        self.playing = None;
        match &self.state {
            State::Saying(saying) if saying.play == play => self.said(now),
            State::Asking(_) => self.prompt_finished(now),
            State::LookingUp(_) => self.waiting_said(now),
            State::HandedOff(_) => self.place_said(play),
            State::Own(_) => self.tell_step(now, News::Played(play)),
            _ => {}
        }
    }

    fn said(&mut self, now: Instant) {
        let State::Saying(saying) = std::mem::replace(&mut self.state, State::Ready) else { return };
        match saying.then {
            Then::NextStep => self.next_step(),
            Then::Leave(exit) => self.take(now, exit),
            Then::Noted { prompt, version } => {
                self.trace(TraceEvent::Notice { prompt, version });
                self.next_step();
            }
            Then::HangUp(cause) => self.end(now, cause),
        }
    }

    /// A key was pressed: where it belongs depends on what goes on.
    pub(crate) fn digit(&mut self, now: Instant, key: Digit) {
        if self.keys.is_stray(now, key) {
            return;
        }
        match &self.state {
            State::Saying(saying) if saying.interrupt => {
                self.keys.push(key);
                self.trace(TraceEvent::Interrupted);
                self.stop_playing();
                self.said(now);
            }
            State::Asking(asking) if asking.hears() => self.asked_key(now, key),
            State::Own(waiting) if waiting.hears_keys() => self.tell_step(now, News::Key(key)),
            State::Asking(_)
            | State::Saying(_)
            | State::Answering
            | State::Ready
            | State::Identifying { .. }
            | State::LookingUp(_)
            | State::Own(_) => self.keys.push(key),
            // Between two challenges of a factor keys are nobody's; with an agent they are the agent's.
            State::Proving | State::HandedOff(_) | State::NotStarted | State::Over => {}
        }
    }

    /// Whether a later step of this block takes keys that are typed ahead, before one that forgets them.
    fn question_follows(&self) -> bool {
        let app = Arc::clone(&self.app);
        let Some(frame) = self.frames.last() else { return false };
        let Some(block) = app.block(frame.block) else { return false };
        block
            .steps
            .iter()
            .skip(frame.index + 1)
            .find_map(|step| step.kind.node().takes_keys())
            .unwrap_or(false)
    }
}
