//! `queue` and `transfer`: the caller goes to somebody, or comes back.
//!
//! What the caller hears on the way is ordered here: music and their place in line, or ringing. From
//! [`HandOff::Connected`] to [`HandOff::Finished`] nothing runs: the two talk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::auth::AuditKind;
use crate::flow::ClipKey;
use crate::flow::document::{Prompt, Queue, SkillPart, StepKind, Transfer};
use crate::units::PlayId;

use super::eval::Scope;
use super::exit::Exit;
use super::io::{HandOff, HandOffRequest, Name, Output, Pass};
use super::trace::TraceEvent;
use super::{FlowRun, State};

/// A hand-off under way.
pub(super) struct HandedOff {
    stage: Stage,
    /// How long to try.
    until: Instant,
    /// The announcement of a place that plays in front of the music.
    announcing: Option<PlayId>,
    /// When the caller is offered to be called back.
    callback: Offer,
}

/// The offer to be called back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offer {
    None,
    At(Instant),
    Made,
}

/// How far it got.
enum Stage {
    Trying,
    Connected { since: Instant },
    Settled,
}

impl HandedOff {
    /// The offer is being said.
    pub(super) const fn offered(&mut self, play: PlayId) {
        self.callback = Offer::Made;
        self.announcing = Some(play);
    }

    /// Whether the caller may take the offer now.
    pub(super) fn takes_callback(&self) -> bool {
        self.callback == Offer::Made && matches!(self.stage, Stage::Trying)
    }

    /// There is nothing to give up any more.
    pub(super) const fn settle(&mut self) {
        self.stage = Stage::Settled;
    }

    pub(crate) const fn connected(&self) -> bool {
        matches!(self.stage, Stage::Connected { .. })
    }

    /// Whether there is nothing to give up any more.
    pub(crate) const fn settled(&self) -> bool {
        matches!(self.stage, Stage::Settled)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Trying => Some(match self.callback {
                Offer::At(at) if at < self.until => at,
                _ => self.until,
            }),
            Stage::Connected { .. } | Stage::Settled => None,
        }
    }
}

impl FlowRun {
    pub(crate) fn queue(&mut self, now: Instant, step: &Queue) {
        let request = HandOffRequest::Queue {
            queue: step.name.clone(),
            priority: self.priority(now, step),
            pass: self.passed(now, step),
            whisper: self.whisper(now, self.whisper_of(now, step)),
            max_wait: step.max_wait,
            skill: self.skill(now, step),
        };
        let callback = self.callback_at(now, step).map_or(Offer::None, Offer::At);
        self.begin_hand_off(request, now + step.max_wait);
        if let State::HandedOff(handed) = &mut self.state {
            handed.callback = callback;
        }
        self.start_playing(vec![step.music.clone()], true);
    }

    pub(crate) fn transfer(&mut self, now: Instant, step: &Transfer) {
        let request = HandOffRequest::Transfer {
            target: step.uri.clone(),
            ring: step.ring,
            pass: self.scope(now).pass(&step.pass),
            whisper: self.whisper(now, step.whisper.as_ref()),
        };
        // The one who rings counts the ringing; this only ends a wait for a report that never comes.
        self.begin_hand_off(request, now + step.ring + GRACE);
    }

    fn begin_hand_off(&mut self, request: HandOffRequest, until: Instant) {
        self.keys.clear();
        self.place = None;
        let (fact, value) = match &request {
            HandOffRequest::Queue { queue, .. } => ("queue", queue.as_str()),
            HandOffRequest::Transfer { target, .. } => ("transfer", target.as_str()),
            HandOffRequest::Leave => ("queue", ""),
        };
        self.trace(TraceEvent::Fact { fact, value: Name::from(value) });
        self.emit(Output::HandOff(request));
        self.state = State::HandedOff(HandedOff {
            stage: Stage::Trying,
            until,
            announcing: None,
            callback: Offer::None,
        });
    }

    /// What the agent is told, and what their desk may do.
    fn passed(&self, now: Instant, step: &Queue) -> Pass {
        let mut pass = self.scope(now).pass(&step.pass);
        if !step.may.is_empty() {
            pass.values.push((String::from("may"), step.may.join(", ")));
        }
        pass
    }

    /// The prompt for the highest level held that the step names, or the one for all.
    fn whisper_of<'s>(&self, now: Instant, step: &'s Queue) -> Option<&'s Prompt> {
        let rank = |name: Option<&crate::auth::LevelName>| name.and_then(|level| self.app.policy.rank(level));
        let held = rank(self.auth.level(now).name());
        let fits = step.whispers.iter().filter(|(level, _)| rank(level.as_ref()) <= held);
        let by_level = fits.max_by_key(|(level, _)| rank(level.as_ref())).map(|(_, prompt)| prompt);
        by_level.or(step.whisper.as_ref())
    }

    /// What the agent must be able to do.
    fn skill(&self, now: Instant, step: &Queue) -> Option<String> {
        let scope = self.scope(now);
        let part = |part: &SkillPart| match part {
            SkillPart::Text(text) => text.clone(),
            SkillPart::Value(expr) => scope.value(expr).as_text().unwrap_or_default(),
        };
        Some(step.skill.iter().map(part).collect::<String>()).filter(|skill| !skill.is_empty())
    }

    /// By the highest level held that the step names.
    fn priority(&self, now: Instant, step: &Queue) -> u8 {
        let rank = |name: Option<&crate::auth::LevelName>| name.and_then(|level| self.app.policy.rank(level));
        let level = self.auth.level(now);
        let held = rank(level.name());
        let fits = step.priority.iter().filter(|(level, _)| rank(level.as_ref()) <= held);
        fits.max_by_key(|(level, _)| rank(level.as_ref())).map_or(0, |(_, priority)| *priority)
    }

    /// What the other side hears first, in the application's own language: it is not for the caller.
    fn whisper(&self, now: Instant, prompt: Option<&Prompt>) -> Vec<ClipKey> {
        let scope = Scope { language: self.app.default_language, ..self.scope(now) };
        prompt.map(|prompt| scope.render(prompt)).unwrap_or_default()
    }

    pub(crate) fn hand_off(&mut self, now: Instant, progress: HandOff) {
        let app = Arc::clone(&self.app);
        let State::HandedOff(handed) = &self.state else { return };
        let connected = handed.connected();
        let Some(step) = self.current(&app) else { return };
        let verb = step.verb();
        let trace = |state| TraceEvent::HandOff { verb, state, agent: None };
        match progress {
            HandOff::Waiting { place } if !connected => {
                self.trace(trace("waiting"));
                self.announce_place(now, step, place);
            }
            HandOff::Ringing if !connected => {
                self.trace(trace("ringing"));
                if matches!(step, StepKind::Transfer(_)) && self.playing.is_none() {
                    self.start_playing(vec![ClipKey::new("tones/ringback")], true);
                }
            }
            HandOff::Connected { agent } if !connected => self.connected(now, verb, &agent),
            HandOff::Waiting { .. } | HandOff::Ringing | HandOff::Connected { .. } => {}
            HandOff::Finished => self.settle(now, step, &HandOff::Finished),
            // Once they talk only the end of the talk can follow.
            _ if connected => self.settle(now, step, &HandOff::Finished),
            failure => self.settle(now, step, &failure),
        }
    }

    fn connected(&mut self, now: Instant, verb: &'static str, agent: &str) {
        self.stop_playing();
        let level = self.auth.level(now).to_string();
        self.note(AuditKind::HandedOff { level, agent: agent.to_owned() });
        self.trace(TraceEvent::HandOff { verb, state: "connected", agent: Some(Name::from(agent)) });
        if let State::HandedOff(handed) = &mut self.state {
            handed.stage = Stage::Connected { since: now };
        }
    }

    /// It is over, one way or the other.
    fn settle(&mut self, now: Instant, step: &StepKind, end: &HandOff) {
        self.stop_playing();
        self.place = None;
        if let State::HandedOff(handed) = &mut self.state {
            if let Stage::Connected { since } = handed.stage {
                self.budget.until += now.saturating_duration_since(since);
            }
            handed.stage = Stage::Settled;
        }
        if *end == HandOff::Finished {
            self.trace(TraceEvent::HandOff { verb: step.verb(), state: "finished", agent: None });
        }
        let exit = match (step, end) {
            (StepKind::Queue(_), HandOff::Finished) => Exit::Outcome("joined"),
            (StepKind::Queue(_), HandOff::Full) => Exit::Outcome("full"),
            (StepKind::Queue(_), _) => Exit::Outcome("timeout"),
            (_, HandOff::Finished) => Exit::Outcome("done"),
            (_, HandOff::Busy) => Exit::Outcome("busy"),
            (_, HandOff::NoAnswer | HandOff::TimedOut) => Exit::Outcome("no_answer"),
            (_, HandOff::Refused) => Exit::Outcome("refused"),
            _ => Exit::Outcome("failed"),
        };
        self.take(now, exit);
    }

    pub(crate) fn hand_off_timeout(&mut self, now: Instant) {
        let app = Arc::clone(&self.app);
        let State::HandedOff(handed) = &self.state else { return };
        if handed.deadline().is_none_or(|until| until > now) {
            return;
        }
        if handed.until > now {
            return self.offer_callback(now);
        }
        self.emit(Output::HandOff(HandOffRequest::Leave));
        if let Some(step) = self.current(&app) {
            self.settle(now, step, &HandOff::TimedOut);
        }
    }

    /// Tells the caller a place that is new to them.
    fn announce_place(&mut self, now: Instant, step: &StepKind, place: u32) {
        if self.place.replace(place) == Some(place) {
            return;
        }
        if let StepKind::Queue(Queue { announce_place: Some(prompt), .. }) = step {
            let clips = self.announce(now, std::slice::from_ref(prompt));
            let play = self.start_playing(clips, false);
            if let State::HandedOff(handed) = &mut self.state {
                handed.announcing = Some(play);
            }
        }
    }

    /// A place was said: back to the music. Music itself never ends; where it does (its recording lacks),
    /// it is not started again.
    pub(crate) fn place_said(&mut self, play: PlayId) {
        let app = Arc::clone(&self.app);
        let State::HandedOff(handed) = &mut self.state else { return };
        if handed.announcing.take_if(|announcing| *announcing == play).is_none() || handed.connected() {
            return;
        }
        if let Some(StepKind::Queue(step)) = self.current(&app) {
            self.start_playing(vec![step.music.clone()], true);
        }
    }
}

/// For reports on their way, beyond the ringing itself.
const GRACE: Duration = Duration::from_secs(10);
