//! The end of a call: everything taken is given back, and one record is written (law 8).
//!
//! ```text
//! caller hangs up ─┐
//! flow hangs up ───┼─► wind_down: hand-off abandoned, ports closed, flow told ─► both legs' sessions over,
//! a limit, a fault ┘                                                            flow over ─► one record
//! ```

use std::time::Instant;

use super::conductor::{Call, FlowState};
use super::handoff::HandOffState;
use super::io::{Output, SipOrder};
use super::leg::CallerState;
use super::record::{CallEvent, EndCause, MediaReport};
use super::stream::Stream;
use crate::flow::run;
use crate::media;
use crate::sip::StatusCode;

impl Call {
    /// Ends the call from our side. The first cause stands.
    pub(super) fn end(&mut self, cause: EndCause) {
        let status = match cause {
            EndCause::FlowBusy => StatusCode::BUSY_HERE,
            EndCause::FlowRejected => StatusCode::DECLINE,
            EndCause::NotAcceptable => StatusCode::NOT_ACCEPTABLE_HERE,
            EndCause::NoPort | EndCause::Shutdown => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::TEMPORARILY_UNAVAILABLE,
        };
        self.refuse(status, cause);
    }

    /// As [`Call::end`], with the status that an unanswered caller gets.
    pub(super) fn refuse(&mut self, status: StatusCode, cause: EndCause) {
        self.cause.get_or_insert(cause);
        let session = self.caller.session;
        let order = match self.caller.state {
            CallerState::Opening { .. }
            | CallerState::Ready(_)
            | CallerState::Describing(_)
            | CallerState::Early(_) => Some(SipOrder::Reject(session, status)),
            CallerState::Accepted(_) | CallerState::Talking => Some(SipOrder::Bye(session)),
            CallerState::Leaving | CallerState::Ended => None,
        };
        if let Some(order) = order {
            self.caller.state = CallerState::Leaving;
            self.out.push_back(Output::Sip(order));
        }
        self.wind_down();
    }

    /// Nobody is there to talk to: everything but the farewells is given back now.
    pub(super) fn wind_down(&mut self) {
        self.finish_message();
        self.deafen();
        self.abandon_hand_off();
        self.finish_recording();
        if let Some(stream) = self.caller.stream.take() {
            let report = self.close(*stream);
            if let Some(draft) = &mut self.draft {
                draft.record.caller_media = draft.record.answered.map(|_| report);
            }
        }
        match self.flow {
            FlowState::Waiting(_) => self.flow = FlowState::Over,
            FlowState::Running(_) if self.deadlines.tidy.is_none() => {
                self.deadlines.tidy = Some(self.now + self.settings.limits.tidy);
                self.tell_flow(run::Input::HungUp);
            }
            FlowState::Running(_) | FlowState::Over => {}
        }
        let farewell = self.now + self.settings.limits.farewell;
        self.deadlines.farewell.get_or_insert(farewell);
    }

    /// The flow is done, or takes too long over tidying up. What it proved goes into the record.
    pub(super) fn flow_over(&mut self) {
        self.deadlines.tidy = None;
        self.flow_inputs.clear();
        let FlowState::Running(flow) = std::mem::replace(&mut self.flow, FlowState::Over) else { return };
        if let Some(draft) = &mut self.draft {
            let auth = flow.auth();
            draft.record.level = auth.level(self.now).to_string();
            draft.record.factors =
                auth.factors().iter().map(|(factor, _)| factor.name().to_owned()).collect();
        }
    }

    /// The endpoint ends every session in its own time; should it ever not, the call ends without it.
    pub(super) fn give_up_farewells(&mut self) {
        self.deadlines.farewell = None;
        tracing::warn!(call = %self.id, "a leg did not end in time");
        self.caller.state = CallerState::Ended;
        self.gave_up = true;
        self.flow_over();
    }

    /// The record, once, when nothing is left of the call.
    pub(super) fn done(&mut self) -> Option<Output> {
        let over = matches!(self.caller.state, CallerState::Ended)
            && matches!(self.flow, FlowState::Over)
            && self.callee.is_none()
            && (self.former.is_empty() || self.gave_up);
        if !over {
            return None;
        }
        let draft = self.draft.take()?;
        self.deadlines.farewell = None;
        let cause = self.cause.unwrap_or(EndCause::CallerHungUp);
        let record = Box::new(draft.finish(self.now, cause));
        Some(Output::Done { record, caller: self.number.take() })
    }

    /// Gives back the ports of leg B, with its figures when somebody had answered.
    pub(super) fn close_callee_stream(&mut self, stream: Option<Box<Stream>>, answered: bool) {
        let Some(stream) = stream else { return };
        let report = self.close(*stream);
        if let Some(draft) = &mut self.draft
            && answered
            && draft.record.other_media.len() < MOST_REPORTS
        {
            draft.record.other_media.push(report);
        }
    }

    /// Says goodbye by RTCP (RFC 3550 §6.6) and gives back the ports.
    fn close(&mut self, mut stream: Stream) -> MediaReport {
        stream.session.close(self.now);
        let port = stream.port;
        loop {
            match stream.session.poll() {
                media::Output::Rtp { to, bytes } => self.out.push_back(Output::Rtp { port, to, bytes }),
                media::Output::Rtcp { to, bytes } => self.out.push_back(Output::Rtcp { port, to, bytes }),
                media::Output::Event(_)
                | media::Output::Frame(_)
                | media::Output::Said(_)
                | media::Output::Heard(_) => {}
                media::Output::Timeout(_) => break,
            }
        }
        self.out.push_back(Output::CloseMedia { port, heard: stream.session.heard_stream() });
        MediaReport::from(&stream.session.stats())
    }

    /// Somebody answered: the wait in the queue is over.
    pub(super) fn note_queue_wait(&mut self) {
        if let HandOffState::Queue { since, .. } = self.handoff {
            self.add_queue_wait(since);
        }
    }

    pub(super) fn add_queue_wait(&mut self, since: Instant) {
        if let Some(draft) = &mut self.draft {
            draft.record.queue_wait += self.now.saturating_duration_since(since);
        }
    }

    /// Shows a fact to a test caller who asked for it.
    pub(super) fn show(&mut self, fact: &impl serde::Serialize) {
        if self.watched
            && let Ok(body) = serde_json::to_vec(fact)
        {
            let order = SipOrder::Trace(self.caller.session, body.into());
            self.out.push_back(Output::Sip(order));
        }
    }

    pub(super) fn note(&mut self, event: CallEvent) {
        if let Some(draft) = &mut self.draft {
            draft.happened(self.now, event);
        }
    }
}

/// Reports of former legs B that a record holds at most.
const MOST_REPORTS: usize = 16;
