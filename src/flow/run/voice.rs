//! The caller's voice as such: that somebody speaks, whatever they say.
//!
//! It cuts a prompt short where the step says `keys_and_speech`. What is said may answer afterwards, where there is a
//! recogniser; else the caller has the floor and types. Nobody listens while a secret is asked for, nor while nothing
//! plays that a voice could end.

use std::time::Instant;

use crate::flow::document::Interrupt;

use super::io::Output;
use super::trace::TraceEvent;
use super::{FlowRun, State};

impl FlowRun {
    pub(super) fn voice(&mut self, now: Instant) {
        if !self.minds_voice() {
            return; // it crossed the order to listen no longer
        }
        self.trace(TraceEvent::Voice);
        self.stop_playing();
        match &mut self.state {
            State::Saying(_) => {
                self.floor.into_prompt = self.question_follows();
                self.said(now);
            }
            State::Asking(asking) => {
                asking.stop_prompting();
                self.prompt_finished(now);
            }
            _ => {}
        }
    }

    /// Whether a voice would end what plays now.
    fn minds_voice(&self) -> bool {
        let ends = match &self.state {
            State::Saying(saying) => saying.interrupt() == Interrupt::KeysAndSpeech,
            State::Asking(asking) => asking.prompting() && asking.hears_words(),
            _ => false,
        };
        ends && self.playing.is_some() && !self.secure
    }

    /// Orders somebody to listen, or to stop: only when that changes.
    pub(super) fn voice_minds(&mut self) {
        let minds = self.minds_voice();
        if self.attending != minds && !self.finished() {
            self.attending = minds;
            self.emit(Output::Attend(minds));
        }
    }
}
