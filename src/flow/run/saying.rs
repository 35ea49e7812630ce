//! Prompts: playing them, cutting them short, what follows when they end. And the keys, which all come by
//! here.

use std::sync::Arc;
use std::time::Instant;

use crate::flow::ClipKey;
use crate::flow::document::{Always, Interrupt, Notice, Play, Prompt, Say, StepKind};
use crate::flow::step::Node;
use crate::units::{Digit, PlayId};

use super::exit::Exit;
use super::io::{HangupCause, Name, Output};
use super::trace::TraceEvent;
use super::{FlowRun, News, State};

/// A prompt that nothing is asked with.
pub(super) struct Saying {
    play: PlayId,
    interrupt: Interrupt,
    then: Then,
}

impl Saying {
    pub(super) const fn interrupt(&self) -> Interrupt {
        self.interrupt
    }

    /// Whether `always` keys act: not while a call ends.
    const fn hears_always(&self) -> bool {
        !matches!(self.then, Then::HangUp(_))
    }
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
        if step.interrupt != Interrupt::Never && self.kept_always(now) {
            return;
        }
        // A caller who has typed ahead has interrupted this prompt already, if their keys are for a
        // question that comes next. Keys that nothing is waiting for must not swallow what is said.
        if step.interrupt != Interrupt::Never && !self.keys.is_empty() && self.question_follows() {
            self.trace(TraceEvent::Interrupted);
            return self.next_step();
        }
        let clips = self.announce(now, &step.prompts);
        let interrupt = if self.answered { step.interrupt } else { Interrupt::Never };
        self.start_saying(clips, interrupt, Then::NextStep);
    }

    pub(crate) fn play(&mut self, now: Instant, step: &Play) {
        if step.interrupt != Interrupt::Never && self.kept_always(now) {
            return;
        }
        let clips = vec![step.clip.clone(); usize::from(step.times.max(1))];
        self.trace(TraceEvent::Prompt { prompt: Name::from(step.clip.as_str()) });
        let interrupt = if self.answered { step.interrupt } else { Interrupt::Never };
        self.start_saying(clips, interrupt, Then::Leave(Exit::Outcome("finished")));
    }

    pub(crate) fn notice(&mut self, now: Instant, step: &Notice) {
        if step.interrupt != Interrupt::Never && self.kept_always(now) {
            return;
        }
        let clips = self.announce(now, std::slice::from_ref(&step.prompt));
        let then =
            Then::Noted { prompt: Name::from(&step.prompt.key), version: Name::from(step.version.as_str()) };
        self.start_saying(clips, step.interrupt, then);
    }

    pub(crate) fn say_goodbye(&mut self, now: Instant, prompt: &Prompt, cause: HangupCause) {
        let clips = self.announce(now, std::slice::from_ref(prompt));
        self.start_saying(clips, Interrupt::Never, Then::HangUp(cause));
    }

    fn start_saying(&mut self, clips: Vec<ClipKey>, interrupt: Interrupt, then: Then) {
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

    /// A prompt as text to be read, in every language.
    pub(crate) fn written(&self, now: Instant, prompt: &Prompt) -> Vec<(String, String)> {
        self.scope(now).written(prompt)
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
            State::Saying(saying) if saying.play == play => {
                // A key pressed during a prompt that nothing interrupts acts when it is over.
                let acted = saying.hears_always() && self.kept_always(now);
                if !acted {
                    self.said(now);
                }
            }
            State::Asking(_) => self.prompt_finished(now),
            State::LookingUp(_) => self.waiting_said(now),
            State::HandedOff(_) => self.place_said(play),
            State::Own(_) => self.tell_step(now, News::Played(play)),
            _ => {}
        }
    }

    pub(super) fn said(&mut self, now: Instant) {
        let State::Saying(saying) = std::mem::replace(&mut self.state, State::Ready) else { return };
        match saying.then {
            Then::NextStep => self.next_step(),
            Then::Leave(exit) => self.take(now, exit),
            Then::Noted { prompt, version } => {
                self.noticed(now, prompt, version);
                self.next_step();
            }
            Then::HangUp(cause) => self.end(now, cause),
        }
    }

    /// A notice was said: put on record, and remembered where the flow wants it said once.
    fn noticed(&mut self, now: Instant, prompt: Name, version: Name) {
        let app = Arc::clone(&self.app);
        if let Some(StepKind::Notice(step)) = self.current(&app)
            && let Some(name) = step.memory()
        {
            self.remember(now, &name, &step.version);
        }
        self.noticed.push((prompt.clone(), version.clone()));
        let language = Name::from(self.language());
        self.trace(TraceEvent::Notice { prompt, version, language });
    }

    /// Whether this version of a notice was said in this call.
    pub(crate) fn has_noticed(&self, prompt: &str, version: &str) -> bool {
        self.noticed.iter().any(|(said, of)| said.as_str() == prompt && of.as_str() == version)
    }

    /// A key was pressed: where it belongs depends on what goes on.
    pub(crate) fn digit(&mut self, now: Instant, key: Digit) {
        if self.keys.is_stray(now, key) {
            return;
        }
        match &self.state {
            State::Saying(saying) if saying.interrupt != Interrupt::Never => {
                if saying.hears_always()
                    && let Some(does) = self.acts_now(key)
                {
                    self.trace(TraceEvent::Interrupted);
                    return self.act_on_always(now, does);
                }
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
            State::HandedOff(_) => self.waiting_key(now, key),
            State::Proving | State::NotStarted | State::Over => {}
        }
    }

    /// What an `always` key does here: it acts at once unless a question that follows in this block can take
    /// it as its own, such as a `0` that begins a number.
    fn acts_now(&self, key: Digit) -> Option<Always> {
        let found = self.app.always.iter().find(|found| found.key == key)?;
        let wanted = self.next_question(|node| node.wants_key(key)).unwrap_or(false);
        (!wanted).then_some(found.does)
    }

    fn act_on_always(&mut self, now: Instant, does: Always) {
        self.stop_playing();
        match does {
            Always::Repeat => {
                // The step runs again: what it says is said from its beginning.
                self.keys.clear();
                self.state = State::Ready;
            }
            Always::Goto(block) => {
                self.leave(now);
                self.jump(now, block);
            }
        }
    }

    /// Acts on an `always` key that was pressed earlier and waits; `false` when none does.
    fn kept_always(&mut self, now: Instant) -> bool {
        let does = self.keys.first().and_then(|key| self.acts_now(key));
        if let Some(does) = does {
            self.act_on_always(now, does);
        }
        does.is_some()
    }

    /// Whether a later step of this block takes keys that are typed ahead, before one that forgets them.
    pub(super) fn question_follows(&self) -> bool {
        self.next_question(|node| node.takes_keys() == Some(true)).unwrap_or(false)
    }

    /// What holds of the next step of this block that takes keys or forgets them; `None` when there is none.
    fn next_question(&self, holds: impl Fn(&dyn Node) -> bool) -> Option<bool> {
        let frame = self.frames.last()?;
        let later = self.app.block(frame.block)?.steps.iter().skip(frame.index + 1);
        let mut nodes = later.map(|step| step.kind.node());
        nodes.find(|node| node.takes_keys().is_some()).map(holds)
    }
}
