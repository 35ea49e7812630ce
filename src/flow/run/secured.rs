//! Secure flows: keys are secret from their first step to their last, and a card lives no longer than they do.

use std::time::Instant;

use jiff::civil::Date;

use crate::secret::Secret;

use super::FlowRun;
use super::facts::Abilities;
use super::io::{CardData, Name};
use super::trace::TraceEvent;

impl FlowRun {
    /// What the engine around the flow can do.
    pub(crate) const fn abilities(&self) -> Abilities {
        self.facts.abilities
    }

    /// The day in UTC.
    pub(crate) fn today(&self, now: Instant) -> Option<Date> {
        let today = jiff::Timestamp::from_millisecond(self.epoch.unix_at(now).0).ok()?;
        Some(today.to_zoned(jiff::tz::TimeZone::UTC).date())
    }

    /// What was typed for a part of the step that runs.
    pub(crate) fn typed(&self, part: usize) -> Option<&Secret<String>> {
        self.entered.parts.get(part)
    }

    /// Whether the flow that runs, or one that runs it, is secure.
    pub(super) fn in_secure_flow(&self) -> bool {
        self.frames.iter().any(|frame| self.app.flow(frame.flow).is_some_and(|flow| flow.secure))
    }

    /// Keeps a card until it is paid with, or the secure flow is left.
    pub(crate) fn keep_card(&mut self, card: CardData) {
        self.card = Some(card);
    }

    /// The run stands somewhere else: whether keys are secret may have changed, and a card outside of the flow
    /// that took it is wiped.
    pub(super) fn settle_secure(&mut self) {
        self.set_secure(false);
        if !self.in_secure_flow() && self.card.take().is_some() {
            self.card_wiped();
        }
    }

    /// Tells that no card is left here.
    pub(super) fn card_wiped(&mut self) {
        self.trace(TraceEvent::Fact { fact: "wiped", value: Name::from("card") });
    }
}
