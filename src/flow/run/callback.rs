//! A caller who waits too long in a queue may be called back: the offer, and the key that takes it.
//!
//! The request is kept in the call's record, with the number that the call came from; `countersign callbacks`
//! lists them. Who hides their number gets no offer, for nobody could keep it.

use std::sync::Arc;
use std::time::Instant;

use crate::auth::AuditKind;
use crate::flow::document::{Queue, StepKind};
use crate::units::Digit;

use super::exit::Exit;
use super::io::{HandOffRequest, Name, Output};
use super::trace::TraceEvent;
use super::{FlowRun, State};

impl FlowRun {
    /// When the offer is due, for a step that makes one.
    pub(super) fn callback_at(&self, now: Instant, step: &Queue) -> Option<Instant> {
        let after = step.callback.as_ref()?.after;
        self.facts.from.as_ref().map(|_| now + after)
    }

    /// Makes the offer: said once, in front of the music.
    pub(super) fn offer_callback(&mut self, now: Instant) {
        let app = Arc::clone(&self.app);
        let Some(StepKind::Queue(Queue { callback: Some(callback), .. })) = self.current(&app) else {
            return;
        };
        let clips = self.announce(now, std::slice::from_ref(&callback.offer));
        let play = self.start_playing(clips, false);
        if let State::HandedOff(handed) = &mut self.state {
            handed.offered(play);
        }
        self.trace(TraceEvent::Fact { fact: "callback", value: Name::from("offered") });
    }

    /// A key while the caller waits: it takes the offer, if there is one.
    pub(super) fn waiting_key(&mut self, now: Instant, key: Digit) {
        let app = Arc::clone(&self.app);
        let offered = matches!(&self.state, State::HandedOff(handed) if handed.takes_callback());
        let Some(StepKind::Queue(step)) = self.current(&app) else { return };
        if !offered || Digit::from_char('1') != Some(key) {
            return;
        }
        self.emit(Output::HandOff(HandOffRequest::Leave));
        self.stop_playing();
        self.place = None;
        if let State::HandedOff(handed) = &mut self.state {
            handed.settle();
        }
        let facts = vec![(String::from("queue"), step.name.clone())];
        self.note(AuditKind::Noted { name: String::from("callback"), facts });
        self.trace(TraceEvent::Callback { queue: Name::from(step.name.as_str()) });
        self.take(now, Exit::Outcome("callback"));
    }
}
