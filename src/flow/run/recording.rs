//! Whether the call is recorded. The order goes out; this keeps what holds, and never lets a recorder run
//! while a secret is typed, while the caller proves who they are, or before they have agreed.

use crate::auth::AuditKind;
use crate::flow::document::{RecordingRule, VarId};

use super::io::{Name, Output};
use super::order::RecordingOrder;
use super::trace::TraceEvent;
use super::values::Value;
use super::{CONSENT_GRANTED, CONSENT_REFUSED, FlowRun, State};

/// What the recorder does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Recorder {
    #[default]
    Off,
    Running,
    Paused,
    /// Paused because a secret is being typed, or the caller proves who they are.
    Secret,
}

impl FlowRun {
    /// Carries out an order of the flow's, where there is a recorder and the caller has agreed.
    pub(crate) fn record(&mut self, order: RecordingOrder, mark: Option<&str>) {
        let state = if !self.facts.abilities.recorder {
            "unavailable"
        } else if order == RecordingOrder::Start && !self.may_record() {
            "refused"
        } else {
            self.order_recorder(order)
        };
        let mut facts =
            vec![(String::from("order"), order.name().to_owned()), (String::from("state"), state.to_owned())];
        facts.extend(mark.map(|mark| (String::from("mark"), mark.to_owned())));
        self.note(AuditKind::Noted { name: String::from("recording"), facts });
        self.trace(TraceEvent::Fact { fact: "recording", value: Name::from(state) });
    }

    /// The state after an order; one that does not fit changes nothing.
    fn order_recorder(&mut self, order: RecordingOrder) -> &'static str {
        use RecordingOrder::{Pause, Resume, Start, Stop};
        let next = match (order, self.recorder) {
            (Start, Recorder::Off) | (Resume, Recorder::Paused) if self.is_private() => Recorder::Secret,
            (Start, Recorder::Off) | (Resume, Recorder::Paused) => Recorder::Running,
            (Pause, Recorder::Running | Recorder::Secret) => Recorder::Paused,
            (Stop, _) => Recorder::Off,
            (_, same) => same,
        };
        let runs = |recorder| recorder == Recorder::Running;
        if runs(next) != runs(self.recorder) || (order == Stop && self.recorder != Recorder::Off) {
            self.emit(Output::Recording(order));
        }
        self.recorder = next;
        match next {
            Recorder::Off => "stopped",
            Recorder::Running => "running",
            Recorder::Paused | Recorder::Secret => "paused",
        }
    }

    /// Pauses the recorder where nothing may be recorded, and lets it go on behind that.
    pub(super) fn recorder_minds(&mut self) {
        if matches!(self.state, State::Over) {
            return;
        }
        let private = self.is_private();
        if self.facts.abilities.outside_recorders && self.outside_paused != private {
            self.outside_paused = private;
            self.note(if private { AuditKind::RecordingPaused } else { AuditKind::RecordingResumed });
        }
        let (next, order, state) = match (self.recorder, private) {
            (Recorder::Running, true) => (Recorder::Secret, RecordingOrder::Pause, "paused"),
            (Recorder::Secret, false) => (Recorder::Running, RecordingOrder::Resume, "running"),
            _ => return,
        };
        self.recorder = next;
        self.emit(Output::Recording(order));
        self.trace(TraceEvent::Fact { fact: "recording", value: Name::from(state) });
    }

    /// A secret is being typed, or the caller proves who they are: from the first question to the verdict, so that
    /// neither the end of a tone nor a word too many is recorded between two attempts.
    fn is_private(&self) -> bool {
        let proving = match &self.state {
            State::Proving => true,
            State::Asking(asking) => asking.is_proof(),
            _ => false,
        };
        self.secure || proving
    }

    /// The recorder gave up: the record and the audit log say so, and the call goes on.
    pub(super) fn recorder_failed(&mut self) {
        if self.recorder == Recorder::Off {
            return;
        }
        self.recorder = Recorder::Off;
        let facts = vec![(String::from("state"), String::from("failed"))];
        self.note(AuditKind::Noted { name: String::from("recording"), facts });
        self.trace(TraceEvent::Fact { fact: "recording", value: Name::from("failed") });
    }

    /// A consent was answered: what waits for it starts, and what it is taken from stops.
    pub(crate) fn record_after(&mut self, consent: VarId, granted: bool) {
        match self.app.recording {
            RecordingRule::AfterConsent(needed) if needed == consent && granted => {
                self.record(RecordingOrder::Start, None);
            }
            RecordingRule::AfterConsent(needed) | RecordingRule::ByStep(Some(needed))
                if needed == consent && !granted && self.recorder != Recorder::Off =>
            {
                self.record(RecordingOrder::Stop, None);
            }
            _ => {}
        }
    }

    /// Whether the caller has granted or refused it in this call.
    pub(crate) fn has_answered(&self, consent: VarId) -> bool {
        let said = [CONSENT_GRANTED, CONSENT_REFUSED].map(Value::text);
        let slot = self.slots.get(consent.index());
        slot.is_some_and(|slot| said.iter().any(|said| slot.equals(said)))
    }

    /// The call is answered.
    pub(super) fn record_from_the_start(&mut self) {
        if self.app.recording == RecordingRule::On {
            self.record(RecordingOrder::Start, None);
        }
    }

    fn may_record(&self) -> bool {
        match self.app.recording {
            RecordingRule::On => true,
            RecordingRule::AfterConsent(consent) | RecordingRule::ByStep(Some(consent)) => {
                let given = self.slots.get(consent.index());
                given.is_some_and(|given| given.equals(&Value::text(CONSENT_GRANTED)))
            }
            RecordingRule::ByStep(None) => false,
        }
    }
}
