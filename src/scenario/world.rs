//! The virtual world around one [`FlowRun`]: a clock that jumps from one event to the next, a caller's ears
//! and fingers, a vault, services, a switchboard.
//!
//! The run is the one of a real call. What differs is outside of it: time passes when nothing is left to
//! happen now, prompts take as long as their recordings, and answers come from fixtures.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::auth::{Source, SubjectKey};
use crate::flow::ClipKey;
use crate::flow::document::Application;
use crate::flow::run::{
    Abilities, Answer, CallFacts, FlowRun, HandOff, HandOffRequest, HangupCause, Input, MessageReply, Output,
    Question, Signals,
};
use crate::secret::Secret;
use crate::units::{AskId, CallId, Entropy, Epoch, PlayId, UnixTime};
use crate::voice::Hearing;

use super::coverage::Coverage;
use super::document::{CallScript, Fixture, Seer};
use super::leaks::Leaks;
use super::line::KeyLine;
use super::seen::Seen;
use super::services::Services;
use super::transcript::Transcript;
use super::vault::Vault;

/// How long recordings are.
pub trait Sounds {
    /// The length of a recording; `None` when nobody knows.
    fn length(&self, clip: &ClipKey) -> Option<Duration>;
}

/// What stays from one call of a test to the next.
pub(super) struct House {
    pub(super) app: Arc<Application>,
    pub(super) vault: Vault,
    pub(super) services: Services,
    pub(super) queue_full: bool,
    pub(super) synthetic: Option<u8>,
    pub(super) message: MessageReply,
    pub(super) notifies: bool,
    /// Something happened that does not happen in a real call: what.
    pub(super) unreal: Option<&'static str>,
    pub(super) calls: u64,
    pub(super) chance: Entropy,
    pub(super) now: Instant,
    pub(super) epoch: Epoch,
}

impl House {
    pub(super) fn new(app: &Arc<Application>, fixture: &Fixture, start: Instant, clock: UnixTime) -> Self {
        Self {
            app: Arc::clone(app),
            vault: Vault::new(Arc::clone(&app.policy), fixture),
            services: Services::new(fixture),
            queue_full: fixture.facts.get("queue").is_some_and(|state| state == "full"),
            synthetic: fixture.voice.get("synthetic").copied(),
            message: match fixture.facts.get("message").map(String::as_str) {
                Some("empty") => MessageReply::Empty,
                Some("failed") => MessageReply::Failed,
                _ => MessageReply::Saved,
            },
            notifies: fixture.facts.get("notify").is_none_or(|state| state != "failed"),
            unreal: None,
            calls: 0,
            chance: Entropy::from_seed([7; 32]),
            now: start,
            epoch: Epoch { instant: start, unix: clock },
        }
    }

    /// The clock between two calls.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
    }
}

/// One call in the virtual world.
pub(super) struct World<'w> {
    pub(super) house: &'w mut House,
    pub(super) sounds: &'w dyn Sounds,
    pub(super) leaks: &'w mut Leaks,
    pub(super) coverage: &'w mut Coverage,
    pub(super) run: FlowRun,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) wake: Option<Instant>,
    pub(super) playing: Option<Playing>,
    pub(super) pending: Vec<(Instant, u64, Event)>,
    pub(super) numbers: u64,
    pub(super) news: VecDeque<Seen>,
    pub(super) transcript: Transcript,
    /// What the caller could tell apart, for the comparison of runs.
    pub(super) audible: Transcript,
    /// Prompts whose recordings come next.
    pub(super) prompts: Vec<String>,
    pub(super) secure: bool,
    pub(super) answered: bool,
    /// The flow wants to know when the caller speaks.
    pub(super) attends: bool,
    /// What the flow listens for.
    pub(super) hearing: Option<Hearing>,
    /// A message is being left.
    pub(super) listening: Option<AskId>,
    pub(super) subject: Option<SubjectKey>,
    pub(super) keys: KeyLine,
    pub(super) hand_off: Option<HandOffRequest>,
    /// The last hand-off that was asked for, over or not.
    pub(super) handed: Option<HandOffRequest>,
    pub(super) ended: Option<HangupCause>,
    pub(super) finished: bool,
}

/// What the caller hears.
pub(super) struct Playing {
    id: PlayId,
    ends: Option<Instant>,
}

/// Something that will happen.
pub(super) enum Event {
    EarlyMedia,
    Answered,
    Answer(AskId, Answer, Option<SubjectKey>),
    HandOff(HandOff),
}

/// The time that an INVITE takes to be answered.
const SETUP: Duration = Duration::from_millis(100);
/// How long a message is that a scripted caller leaves.
const MESSAGE: Duration = Duration::from_secs(5);
/// How long a sound lasts that nobody knows.
const SOME_CLIP: Duration = Duration::from_millis(900);
/// How long a character takes when it is spoken, and the pause around a prompt: 150 words of five letters a
/// minute, as recorded voices speak.
const CHARACTER: Duration = Duration::from_millis(66);
const PAUSE: Duration = Duration::from_millis(200);
/// People need a moment before they press.
pub(super) const REACTION: Duration = Duration::from_millis(300);
/// How long somebody speaks before a recogniser is done with it.
pub(super) const SPEECH: Duration = Duration::from_millis(900);
/// How long somebody speaks before it is known that they do: what is found in real calls, as a median.
pub(super) const VOICE: Duration = Duration::from_millis(280);
/// What is told of a hand-off comes at once, but not in the same moment.
pub(super) const SWITCHING: Duration = Duration::from_millis(20);
/// A flow's own budget ends it long before; this only bounds what a broken one could do.
const MOST_EVENTS: u32 = 200_000;

impl<'w> World<'w> {
    pub(super) fn new(
        house: &'w mut House,
        sounds: &'w dyn Sounds,
        leaks: &'w mut Leaks,
        coverage: &'w mut Coverage,
        script: &CallScript,
    ) -> Self {
        house.calls += 1;
        let facts = facts(house, script);
        let now = house.now;
        let source = Source {
            caller: script.from.clone().map(Secret::new),
            trunk: Arc::from("test"),
            attestation: script.attestation,
            doubted: script.number.verstat == Some("failed"),
        };
        house.vault.called(house.epoch.unix_at(now), source);
        let run = FlowRun::new(Arc::clone(&house.app), facts, now, house.epoch);
        let keys = KeyLine::new(script.line, now, house.epoch, house.chance.fork());
        let mut world = Self {
            run,
            sounds,
            leaks,
            coverage,
            start: now,
            now,
            wake: None,
            playing: None,
            pending: Vec::new(),
            numbers: 0,
            news: VecDeque::new(),
            transcript: Transcript::default(),
            audible: Transcript::default(),
            prompts: Vec::new(),
            secure: false,
            answered: false,
            attends: false,
            hearing: None,
            listening: None,
            subject: None,
            keys,
            hand_off: None,
            handed: None,
            ended: None,
            finished: false,
            house,
        };
        let from = script.from.as_deref().unwrap_or("a withheld number");
        world.transcript.add(Duration::ZERO, "caller", format!("calls from {from}"));
        world.feed(Input::Start);
        world
    }

    pub(super) fn at(&self) -> Duration {
        self.now.saturating_duration_since(self.start)
    }

    pub(super) fn unix(&self) -> UnixTime {
        self.house.epoch.unix_at(self.now)
    }

    pub(super) fn later(&mut self, after: Duration, event: Event) {
        self.numbers += 1;
        self.pending.push((self.now + after, self.numbers, event));
    }

    pub(super) fn feed(&mut self, input: Input) {
        self.run.handle(self.now, input);
        loop {
            match self.run.poll() {
                Output::Timeout(at) => {
                    self.wake = at;
                    return;
                }
                output => self.order(output),
            }
        }
    }

    fn order(&mut self, output: Output) {
        let at = self.at();
        match output {
            Output::EarlyMedia => self.later(SETUP, Event::EarlyMedia),
            Output::Answer => self.later(SETUP, Event::Answered),
            Output::Play { id, clips, repeat } => self.play(id, &clips, repeat),
            Output::StopPlaying => {
                self.playing = None;
                self.audible.add(at, "flow", "stops");
            }
            Output::Secure(on) => self.secure = on,
            Output::Attend(on) => self.attends = on,
            Output::Hear(hearing) => self.hearing = hearing,
            Output::Ask(ask, question) => self.question(ask, question),
            // Whoever is asked for a message leaves one: of five seconds, or until they press its key.
            Output::Listen(ask, listen) => {
                self.listening = Some(ask);
                let left = Event::Answer(ask, Answer::Message(self.house.message), None);
                self.later(listen.max.min(MESSAGE), left);
            }
            Output::StopListening => {
                if let Some(ask) = self.listening.take() {
                    let done = |event: &Event| matches!(event, Event::Answer(other, ..) if *other == ask);
                    if self.pending.iter().any(|(.., event)| done(event)) {
                        self.pending.retain(|(.., event)| !done(event));
                        self.later(SETUP, Event::Answer(ask, Answer::Message(self.house.message), None));
                    }
                }
            }
            // What holds is told as a fact.
            Output::Recording(_) => {}
            Output::HandOff(request) => self.switch(request),
            Output::Trace(event) => {
                let seen = Seen::from(&event);
                match &seen {
                    // Told together with what is played.
                    Seen::Prompt(prompt) => self.prompts.push(prompt.clone()),
                    seen => self.transcript.lines_of(at, seen),
                }
                self.leaks.trace(&event);
                if matches!(&seen, Seen::Step { verb, .. } if matches!(verb.as_str(), "card" | "pay")) {
                    self.house.unreal = Some("no cards are taken by a real call of this version");
                }
                self.coverage.note(&seen);
                self.news.push_back(seen);
            }
            Output::Hangup(cause) => {
                self.ended = Some(cause);
                self.audible.add(at, "flow", "hangs up");
                self.transcript.add(at, "flow", "hangs up");
            }
            Output::Finished => self.finished = true,
            Output::Timeout(_) => {}
        }
    }

    fn play(&mut self, id: PlayId, clips: &[ClipKey], repeat: bool) {
        let app = Arc::clone(&self.house.app);
        let length: Duration = clips.iter().map(|clip| self.length(&app, clip)).sum();
        let text = app.read(clips);
        self.leaks.look(Seer::Prompts, "what the caller hears", &text);
        let mut prompts = std::mem::take(&mut self.prompts);
        prompts.dedup();
        let prompts = prompts.join(", ");
        let line = match prompts.is_empty() {
            true if repeat => format!("plays {text}"),
            true => format!("says \u{201c}{text}\u{201d}"),
            false => format!("says {prompts}: \u{201c}{text}\u{201d}"),
        };
        self.transcript.add(self.at(), "flow", line);
        self.audible.add(self.at(), "flow", text);
        self.playing = Some(Playing { id, ends: (!repeat).then(|| self.now + length) });
    }

    /// How long a recording is; where there is none, as long as its words take.
    fn length(&self, app: &Application, clip: &ClipKey) -> Duration {
        let spoken = || {
            let characters = app.spoken_text(clip)?.chars().count();
            Some(PAUSE + CHARACTER * u32::try_from(characters).unwrap_or(u32::MAX))
        };
        self.sounds.length(clip).or_else(spoken).unwrap_or(SOME_CLIP)
    }

    fn question(&mut self, ask: AskId, question: Question) {
        match question {
            Question::Auth(question) => {
                self.leaks.asked(&question);
                let identifies = matches!(question, crate::auth::Question::Identify { .. });
                let (after, answer) = self.house.vault.answer(self.unix(), question);
                let subject = match &answer {
                    crate::auth::Answer::Identified(crate::auth::Identified::One(subject)) if identifies => {
                        Some(subject.key())
                    }
                    _ => None,
                };
                self.later(after, Event::Answer(ask, Answer::Auth(answer), subject));
            }
            // Asked by a call that listened, never by a flow.
            Question::Message(_) => {}
            Question::Notify(message) => {
                let told = format!("sends the message {}", message.template);
                self.transcript.add(self.at(), "flow", told);
                let taken = self.house.notifies;
                self.later(SETUP, Event::Answer(ask, Answer::Notified(taken), None));
            }
            Question::Lookup(lookup) => {
                self.leaks.lookup(&lookup);
                let app = Arc::clone(&self.house.app);
                let name = format!("{}.{}", lookup.service, lookup.call);
                let (after, reply) = self.house.services.answer(&app, &lookup);
                self.transcript.add(self.at(), "flow", format!("asks {name}"));
                self.later(after, Event::Answer(ask, Answer::Lookup(reply), None));
            }
        }
    }

    fn switch(&mut self, request: HandOffRequest) {
        let app = Arc::clone(&self.house.app);
        self.leaks.hand_off(&app, &request);
        match &request {
            HandOffRequest::Queue { .. } => {
                self.audible.add(self.at(), "flow", "queue");
                let told = if self.house.queue_full { HandOff::Full } else { HandOff::Waiting { place: 1 } };
                self.later(SWITCHING, Event::HandOff(told));
            }
            HandOffRequest::Transfer { target, .. } => {
                if target.starts_with("sip:") {
                    self.house.unreal = Some("a caller is put through to an address outside of this machine");
                }
                self.audible.add(self.at(), "flow", "transfer");
                self.later(SWITCHING, Event::HandOff(HandOff::Ringing));
            }
            HandOffRequest::Leave => {
                self.hand_off = None;
                self.pending.retain(|(.., event)| !matches!(event, Event::HandOff(_)));
                return;
            }
        }
        self.handed = Some(request.clone());
        self.hand_off = Some(request);
    }

    /// The next thing that will happen without the caller: when.
    pub(super) fn next(&self) -> Option<Instant> {
        let played = self.playing.as_ref().and_then(|playing| playing.ends);
        let pending = self.pending.iter().map(|(at, ..)| *at).min();
        [self.wake, played, pending, self.keys.next()].into_iter().flatten().min()
    }

    pub(super) fn fire(&mut self, at: Instant) {
        self.now = at.max(self.now);
        if let Some(key) = self.keys.arrived(self.now) {
            return self.feed(Input::Digit(key));
        }
        let due = self.pending.iter().enumerate().filter(|(_, (at, ..))| *at <= self.now);
        if let Some(index) = due.min_by_key(|(_, (at, number, _))| (*at, *number)).map(|(index, _)| index) {
            let (_, _, event) = self.pending.swap_remove(index);
            return self.happen(event);
        }
        if let Some(playing) =
            self.playing.take_if(|playing| playing.ends.is_some_and(|ends| ends <= self.now))
        {
            return self.feed(Input::PlayFinished(playing.id));
        }
        if self.wake.is_some_and(|wake| wake <= self.now) {
            self.feed(Input::Timeout);
        }
    }

    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::EarlyMedia => self.feed(Input::EarlyMedia(true)),
            Event::Answered => {
                self.answered = true;
                self.feed(Input::Answered);
            }
            Event::Answer(ask, answer, subject) => {
                self.subject = subject.or(self.subject);
                self.feed(Input::Answer(ask, answer));
            }
            Event::HandOff(progress) => {
                if matches!(progress, HandOff::Connected { .. }) {
                    self.audible.add(self.at(), "agent", "is there");
                }
                if !matches!(progress, HandOff::Waiting { .. } | HandOff::Ringing | HandOff::Connected { .. })
                {
                    self.hand_off = None;
                }
                self.feed(Input::HandOff(progress));
            }
        }
    }

    /// Moves the clock, with everything that happens until then.
    pub(super) fn until(&mut self, until: Instant) {
        for _ in 0..MOST_EVENTS {
            match self.next().filter(|next| *next <= until) {
                Some(next) => self.fire(next),
                None => break,
            }
        }
        self.now = until.max(self.now);
    }

    /// Ends the call: the clock of the house goes on from here.
    pub(super) fn close(mut self) -> (Transcript, Transcript) {
        for _ in 0..MOST_EVENTS {
            match self.next() {
                Some(next) if !self.finished || !self.pending.is_empty() => self.fire(next),
                _ => break,
            }
        }
        self.house.now = self.now;
        (self.transcript, self.audible)
    }

    /// How long until something happens.
    pub(super) fn next_in(&self) -> Option<Duration> {
        self.next().map(|next| next.saturating_duration_since(self.now))
    }

    /// Whether somebody is being called for the caller, or talks to them.
    pub(super) const fn handed_off(&self) -> bool {
        self.hand_off.is_some()
    }

    /// Whether the flow was left in order: every run ends.
    pub(super) const fn finished(&self) -> bool {
        self.finished
    }
}

/// What is known of the call before it begins.
fn facts(house: &mut House, script: &CallScript) -> CallFacts {
    let signals = Signals {
        attestation: script.attestation,
        number: script.number,
        synthetic_voice: house.synthetic,
        ..Signals::default()
    };
    CallFacts {
        seed: house.chance.next_u64(),
        abilities: Abilities {
            speech: true,
            cards: true,
            voice: true,
            recorder: true,
            outside_recorders: false,
        },
        signals,
        journey: script.journey.clone(),
        ..CallFacts::new(CallId(house.calls), script.from.clone(), script.to.clone())
    }
}
