//! How a run ends: errors, the budget, the hang-up by either side.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::io::{HandOffRequest, HangupCause, Output};
use super::parts::Entered;
use super::trace::TraceEvent;
use super::{FlowRun, Frame, Life, State};

impl FlowRun {
    /// Something went wrong that no arm is for: `when_error`, or the end.
    pub(crate) fn fail(&mut self, now: Instant, what: &'static str) {
        self.trace(TraceEvent::Error { what });
        self.leave(now);
        if self.life != Life::Caller {
            return self.finish();
        }
        match self.app.when_error {
            Some(block) if self.budget.errors > 0 => {
                self.budget.errors -= 1;
                self.jump(now, block);
            }
            _ => self.end(now, HangupCause::Fault),
        }
    }

    /// The budget is used up. Once there is a little more of it for `when_error`.
    pub(crate) fn out_of_budget(&mut self, now: Instant) {
        if self.budget.exhausted || self.life != Life::Caller {
            self.trace(TraceEvent::Error { what: "budget used up" });
            self.leave(now);
            return if self.life == Life::Caller { self.end(now, HangupCause::Fault) } else { self.finish() };
        }
        self.budget.exhausted = true;
        self.budget.steps = LAST_STEPS;
        self.budget.until = now + LAST_TIME;
        self.fail(now, "budget used up");
    }

    /// The caller is gone.
    pub(crate) fn hung_up(&mut self, now: Instant) {
        if self.life != Life::Caller || matches!(self.state, State::Over) {
            return;
        }
        if matches!(self.state, State::NotStarted) {
            self.life = Life::Gone(HangupCause::CallerGone);
            return self.finish();
        }
        self.end(now, HangupCause::CallerGone);
    }

    /// Ends the call, then does what is to be done after it.
    pub(crate) fn end(&mut self, now: Instant, cause: HangupCause) {
        self.leave(now);
        if self.life != Life::Caller {
            return self.finish();
        }
        self.life = Life::Gone(cause);
        if cause != HangupCause::CallerGone {
            self.emit(Output::Hangup(cause));
        }
        let app = Arc::clone(&self.app);
        self.frames.clear();
        self.settle_secure();
        match app.when_hangup.and_then(|id| Some((id, app.block(id)?))) {
            Some((id, block)) => {
                self.budget.steps = LAST_STEPS;
                self.budget.until = now + TIDY_TIME;
                self.frames.push(Frame::at(block.flow, id));
                self.state = State::Ready;
                self.trace(TraceEvent::Block { block: (&block.name).into() });
            }
            None => self.finish(),
        }
    }

    /// Stops whatever goes on: prompts, secret typing, authentication, the way to an agent.
    pub(crate) fn leave(&mut self, now: Instant) {
        self.stop_playing();
        self.stop_listening();
        self.set_secure(false);
        self.keys.clear();
        self.words = None;
        self.entered = Entered::default();
        self.abandon_auth(now);
        if let State::HandedOff(handed) = &self.state
            && !handed.settled()
        {
            self.emit(Output::HandOff(HandOffRequest::Leave));
        }
        self.place = None;
        if !matches!(self.state, State::Over) {
            self.state = State::Ready;
        }
        self.recorder_minds();
    }

    fn finish(&mut self) {
        if matches!(self.state, State::Over) {
            return;
        }
        let Life::Gone(cause) = self.life else { return };
        self.state = State::Over;
        self.frames.clear();
        self.slots.clear();
        self.trace(TraceEvent::Finished { cause });
        self.emit(Output::Finished);
    }
}

/// Enough to apologise and to find an agent.
const LAST_STEPS: u32 = 1_000;
/// As long as a caller may wait for that agent.
const LAST_TIME: Duration = Duration::from_secs(30 * 60);
/// What runs after a hang-up must not keep a finished call alive for long.
const TIDY_TIME: Duration = Duration::from_secs(60);
