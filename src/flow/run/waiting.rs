//! A step that waits for what only it knows.

use std::time::Instant;

use crate::units::{AskId, Digit, PlayId};

use super::io::Answer;
use super::{FlowRun, State};

/// A step's own wait, for when none of the common ones fits.
pub(crate) trait Waiting: Send {
    /// When the wait ends by itself: every wait has a bound.
    fn deadline(&self) -> Instant;

    /// Whether keys are for this step; else they wait for the next question.
    fn hears_keys(&self) -> bool {
        false
    }

    /// Something happened. The step is left by [`FlowRun::take`] or one of its like, or waits on by
    /// [`FlowRun::wait`].
    fn told(self: Box<Self>, run: &mut FlowRun, now: Instant, news: News);
}

/// What a step that waits is told.
pub(crate) enum News {
    /// A question was answered.
    Answer(AskId, Answer),
    /// The prompt that it played has ended.
    Played(PlayId),
    /// The caller pressed a key.
    Key(Digit),
    /// The deadline has come.
    Timeout,
}

impl FlowRun {
    /// Has the run wait for what only this step knows.
    pub(crate) fn wait(&mut self, waiting: Box<dyn Waiting>) {
        self.state = State::Own(waiting);
    }

    pub(crate) fn tell_step(&mut self, now: Instant, news: News) {
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Own(waiting) => waiting.told(self, now, news),
            state => self.state = state,
        }
    }
}
