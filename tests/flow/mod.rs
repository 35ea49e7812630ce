//! A stage for flows: virtual time, a caller who presses keys, answers that are made up.
//!
//! [`Scene`] drives a [`FlowRun`] as a call would: prompts take a second per recording, answers come after
//! their delay, timers fire at their time. What happens is written down like a play.

#![allow(dead_code, reason = "several test programs share this; none uses all of it")]

pub(crate) mod draft;
pub(crate) mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::auth::{
    self, Enrolment, FactorId, Identified, Prepared, Refused, SubjectKey, SubjectRef, Verdict,
};
use countersign::flow::ClipKey;
use countersign::flow::document::Application;
use countersign::flow::run::{
    Abilities, Answer, CallFacts, FlowRun, HandOff, HandOffRequest, Input, LookupReply, MessageReply, Output,
    Question, TraceEvent,
};
use countersign::units::{AskId, CallId, Digit, Epoch, PlayId, UnixTime};
use countersign::voice::Hearing;

/// The first moment; all others are offsets from it.
#[expect(clippy::disallowed_methods, reason = "a test needs some first instant")]
pub(crate) fn first_instant() -> Instant {
    Instant::now()
}

/// What the world outside the flow answers.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) identified: fn(SubjectRef) -> Identified,
    pub(crate) enrolled: Result<Vec<FactorId>, Refused>,
    pub(crate) pin: &'static str,
    pub(crate) totp: &'static str,
    /// What becomes of a code that is to be sent; the one of `totp` is.
    pub(crate) prepared: Prepared,
    /// What was sent is too old.
    pub(crate) expired: bool,
    /// What a right response gets; wrong ones are rejected.
    pub(crate) verdict: Verdict,
    pub(crate) locked: bool,
    /// What becomes of a new PIN.
    pub(crate) enrolment: Enrolment,
    pub(crate) reply: fn() -> LookupReply,
    /// How long services take.
    pub(crate) slow: Duration,
    /// Whether the vault answers at all.
    pub(crate) vault: bool,
    /// What becomes of a message that is left, and after what time.
    pub(crate) message: Option<(Duration, MessageReply)>,
    /// Whether messages are sent.
    pub(crate) sends: bool,
    /// A right PIN is one for duress.
    pub(crate) forced: bool,
    /// What is known of the caller's number.
    pub(crate) velocity: auth::velocity::Seen,
    /// The voice is one of somebody who has deceived before.
    pub(crate) suspected: bool,
}

impl Default for World {
    fn default() -> Self {
        Self {
            identified: Identified::One,
            enrolled: Ok(vec![FactorId::Pin, FactorId::Totp]),
            pin: "80421537",
            totp: "287082",
            prepared: Prepared::Sent { match_number: None },
            expired: false,
            verdict: Verdict::Accept,
            locked: false,
            enrolment: Enrolment::Done,
            reply: || LookupReply::Found(vec![(String::from("balance"), String::from("1204.50 GBP"))]),
            slow: Duration::from_millis(100),
            vault: true,
            message: Some((Duration::from_secs(8), MessageReply::Saved)),
            sends: true,
            forced: false,
            velocity: auth::velocity::Seen { calls: 1, accounts: 0 },
            suspected: false,
        }
    }
}

/// A call in virtual time.
pub(crate) struct Scene {
    pub(crate) run: FlowRun,
    pub(crate) world: World,
    /// Every recording that the application says it may play, if that is to be held against it.
    pub(crate) clips: Option<&'static BTreeSet<ClipKey>>,
    start: Instant,
    now: Instant,
    wake: Option<Instant>,
    playing: Option<(PlayId, Option<Instant>)>,
    answers: Vec<(Instant, AskId, Answer)>,
    script: String,
    pub(crate) traces: Vec<TraceEvent>,
    pub(crate) hand_off: Option<HandOffRequest>,
    pub(crate) asked: Vec<String>,
    pub(crate) finished: bool,
    pub(crate) secure: bool,
    pub(crate) attends: bool,
    /// What is listened for.
    pub(crate) hearing: Option<Hearing>,
    pub(crate) granted: Vec<Option<String>>,
    /// The cards that were sent to a service: number, month, code, and what makes a second order harmless.
    pub(crate) charged: Vec<[String; 4]>,
    /// What is remembered, by whose it is and its name.
    pub(crate) memory: Memory,
    /// Whoever listens to the caller answers this.
    pub(crate) listening: Option<AskId>,
}

/// What is kept from one call to the next.
pub(crate) type Memory = BTreeMap<(String, String), String>;

impl Scene {
    /// A call from a known number that has just come in.
    pub(crate) fn new(app: Application, world: World) -> Self {
        Self::from(Arc::new(app), world, Some("+441632960001"))
    }

    /// A call by an engine that can do more than keys.
    pub(crate) fn able(app: Arc<Application>, world: World, abilities: Abilities) -> Self {
        Self::of(app, world, Some("+441632960001"), 7, abilities, Memory::new())
    }

    /// A call of which something is remembered.
    pub(crate) fn remembering(
        app: Arc<Application>,
        world: World,
        from: Option<&str>,
        memory: Memory,
    ) -> Self {
        Self::of(app, world, from, 7, Abilities::default(), memory)
    }

    /// A call with its chances.
    pub(crate) fn seeded(app: Arc<Application>, world: World, seed: u64) -> Self {
        Self::of(app, world, Some("+441632960001"), seed, Abilities::default(), Memory::new())
    }

    /// A call from some number, or from nobody knows where.
    pub(crate) fn from(app: Arc<Application>, world: World, from: Option<&str>) -> Self {
        Self::of(app, world, from, 7, Abilities::default(), Memory::new())
    }

    fn of(
        app: Arc<Application>,
        world: World,
        from: Option<&str>,
        seed: u64,
        abilities: Abilities,
        memory: Memory,
    ) -> Self {
        let start = first_instant();
        let facts = CallFacts::new(CallId(7), from.map(String::from), String::from("+441632960000"));
        let facts = CallFacts { seed, abilities, ..facts };
        let epoch = Epoch { instant: start, unix: UnixTime(1_772_445_600_000) };
        let mut scene = Self {
            run: FlowRun::new(app, facts, start, epoch),
            world,
            clips: None,
            start,
            now: start,
            wake: None,
            playing: None,
            answers: Vec::new(),
            script: String::new(),
            traces: Vec::new(),
            hand_off: None,
            asked: Vec::new(),
            finished: false,
            secure: false,
            attends: false,
            hearing: None,
            granted: Vec::new(),
            charged: Vec::new(),
            memory,
            listening: None,
        };
        scene.feed(Input::Start);
        scene
    }

    /// Presses keys, a tenth of a second apart.
    pub(crate) fn press(&mut self, keys: &str) -> &mut Self {
        for c in keys.chars() {
            self.line("caller", &format!("presses {c}"));
            self.feed(Input::Digit(Digit::from_char(c).expect("a key")));
            self.wait(100);
        }
        self
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, ms: u64) -> &mut Self {
        let until = self.now + Duration::from_millis(ms);
        while let Some(next) = self.next_event().filter(|next| *next <= until) {
            self.now = next.max(self.now);
            self.fire();
        }
        self.now = until;
        self
    }

    /// Lets time pass until a prompt begins.
    pub(crate) fn until(&mut self, prompt: &str) -> &mut Self {
        for _ in 0..10_000 {
            let heard = self
                .traces
                .iter()
                .any(|event| matches!(event, TraceEvent::Prompt { prompt: p } if p.as_str() == prompt));
            if heard {
                return self;
            }
            let Some(next) = self.next_event() else { break };
            self.now = next.max(self.now);
            self.fire();
        }
        panic!("never heard {prompt}:\n{}", self.script);
    }

    /// Lets everything happen that happens without the caller.
    pub(crate) fn settle(&mut self) -> &mut Self {
        for _ in 0..100_000 {
            let Some(next) = self.next_event() else { return self };
            self.now = next.max(self.now);
            self.fire();
        }
        panic!("no end:\n{}", self.script);
    }

    pub(crate) fn hang_up(&mut self) -> &mut Self {
        self.line("caller", "hangs up");
        self.feed(Input::HungUp);
        self
    }

    pub(crate) fn hand_off(&mut self, progress: HandOff) -> &mut Self {
        self.line("world", &format!("{progress:?}"));
        self.feed(Input::HandOff(progress));
        self
    }

    /// The play so far.
    pub(crate) fn script(&self) -> &str {
        &self.script
    }

    /// The outcomes taken, in order.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        let outcome = |event: &TraceEvent| match event {
            TraceEvent::Outcome { outcome, .. } => Some(outcome.to_string()),
            _ => None,
        };
        self.traces.iter().filter_map(outcome).collect()
    }

    /// The prompts heard, in order.
    pub(crate) fn prompts(&self) -> Vec<String> {
        let prompt = |event: &TraceEvent| match event {
            TraceEvent::Prompt { prompt } => Some(prompt.to_string()),
            _ => None,
        };
        self.traces.iter().filter_map(prompt).collect()
    }

    /// Milliseconds since the call came.
    pub(crate) fn elapsed(&self) -> u128 {
        (self.now - self.start).as_millis()
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    pub(crate) fn feed(&mut self, input: Input) {
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
        assert!(!self.finished, "an order after the end");
        match output {
            Output::EarlyMedia => panic!("nothing is early here"),
            Output::Answer => {
                self.line("flow", "answers");
                self.answers.push((self.now, AskId(u64::MAX), Answer::Lookup(LookupReply::Unavailable)));
            }
            Output::Play { id, clips, repeat } => {
                let unknown = clips.iter().find(|clip| self.clips.is_some_and(|known| !known.contains(clip)));
                assert!(unknown.is_none(), "{} was not announced", unknown.map_or("", ClipKey::as_str));
                let names: Vec<&str> = clips.iter().map(|clip| clip.as_str()).collect();
                self.line(
                    "flow",
                    &format!("plays {}{}", names.join(" "), if repeat { " for ever" } else { "" }),
                );
                let seconds = u64::try_from(clips.len()).expect("few");
                self.playing = Some((id, (!repeat).then(|| self.now + Duration::from_secs(seconds))));
            }
            Output::StopPlaying => {
                self.line("flow", "stops playing");
                self.playing = None;
            }
            Output::Secure(on) => {
                assert_ne!(self.secure, on, "secure is told when it changes");
                self.secure = on;
                self.line("flow", if on { "keys are secret" } else { "keys are no secret" });
            }
            Output::Ask(ask, question) => self.question(ask, question),
            Output::Listen(ask, listen) => {
                self.line(
                    "flow",
                    &format!("listens for {}, {} s at most", listen.mailbox, listen.max.as_secs()),
                );
                self.listening = Some(ask);
                if let Some((after, reply)) = self.world.message {
                    self.answers.push((self.now + after, ask, Answer::Message(reply)));
                }
            }
            Output::StopListening => self.line("flow", "stops listening"),
            Output::Attend(on) => self.attends = on,
            Output::Hear(hearing) => self.hearing = hearing,
            Output::Recording(order) => self.line("flow", &format!("recording: {}", order.name())),
            Output::HandOff(request) => {
                self.line("flow", &format!("{request:?}"));
                self.hand_off = Some(request);
            }
            Output::Trace(event) => {
                if let TraceEvent::Outcome { verb, outcome, .. } = &event {
                    self.line("flow", &format!("{verb}: {outcome}"));
                }
                self.traces.push(event);
            }
            Output::Hangup(cause) => self.line("flow", &format!("hangs up, {cause:?}")),
            Output::Finished => {
                self.finished = true;
                self.line("flow", "is over");
            }
            Output::Timeout(_) => unreachable!("handled by the caller"),
        }
    }

    fn question(&mut self, ask: AskId, question: Question) {
        let world = &self.world;
        let (asked, answer) = match question {
            Question::Auth(question) => {
                let answer = match &question {
                    auth::Question::Identify { .. } => {
                        let subject = SubjectRef::new(SubjectKey([7; 16]), "C77");
                        auth::Answer::Identified((world.identified)(subject))
                    }
                    auth::Question::Enrolled { .. } => auth::Answer::Enrolled(world.enrolled.clone()),
                    auth::Question::Prepare { .. } => auth::Answer::Prepared(world.prepared.clone()),
                    auth::Question::Verify { factor, response, .. } => {
                        let right = match factor {
                            FactorId::Pin => world.pin,
                            _ => world.totp,
                        };
                        let right = response.keyed().is_some_and(|keyed| keyed.matches(right.as_bytes()));
                        let verdict = if right { world.verdict } else { Verdict::Reject };
                        let expired = world.expired;
                        match right && world.forced {
                            true => auth::Answer::Forced,
                            false => {
                                auth::Answer::Verdict { verdict, locked: world.locked, expired, left: None }
                            }
                        }
                    }
                    auth::Question::Enrol { .. } | auth::Question::Amend { .. } => {
                        auth::Answer::Enrolment(world.enrolment)
                    }
                    auth::Question::Remember { whose, name, value } => {
                        self.memory.insert((owner(whose), name.clone()), value.clone());
                        auth::Answer::Remembered
                    }
                    auth::Question::Recall { whose, name } => {
                        let kept = self.memory.get(&(owner(whose), name.clone()));
                        auth::Answer::Recalled(kept.cloned())
                    }
                    auth::Question::Suspect { .. } => auth::Answer::Suspected(world.suspected),
                    auth::Question::Velocity => auth::Answer::Velocity(Some(world.velocity)),
                    auth::Question::Audit(_) => auth::Answer::Audited(true),
                };
                (
                    format!("{question:?}"),
                    world.vault.then_some((Duration::from_millis(50), Answer::Auth(answer))),
                )
            }
            Question::Message(_) => panic!("a flow keeps no audio"),
            Question::Notify(message) => {
                let asked =
                    format!("notify {} by {:?} in {}", message.template, message.by, message.language);
                (asked, Some((Duration::from_millis(50), Answer::Notified(world.sends))))
            }
            Question::Lookup(lookup) => {
                if let Some((_, card)) = &lookup.card {
                    let of = |secret: &countersign::secret::Secret<String>| secret.expose().clone();
                    let key = lookup.idempotency.clone().unwrap_or_default();
                    self.charged.push([of(&card.number), of(&card.expiry), of(&card.cvv), key]);
                }
                self.granted.push(lookup.grant.as_ref().map(|grant| grant.level().to_string()));
                let mut asked =
                    format!("{}.{} with {} argument(s)", lookup.service, lookup.call, lookup.arguments.len());
                if lookup.spool {
                    asked.push_str(", kept if need be");
                }
                (asked, Some((world.slow, Answer::Lookup((world.reply)()))))
            }
        };
        self.line("flow", &format!("asks {asked}"));
        self.asked.push(asked);
        if let Some((delay, answer)) = answer {
            self.answers.push((self.now + delay, ask, answer));
        }
    }

    fn next_event(&self) -> Option<Instant> {
        let played = self.playing.and_then(|(_, end)| end);
        let answer = self.answers.iter().map(|(at, ..)| *at).min();
        [self.wake, played, answer].into_iter().flatten().min()
    }

    fn fire(&mut self) {
        if let Some((id, _)) = self.playing.filter(|(_, end)| end.is_some_and(|end| end <= self.now)) {
            self.playing = None;
            return self.feed(Input::PlayFinished(id));
        }
        if let Some(at) = self.answers.iter().position(|(at, ..)| *at <= self.now) {
            let (_, ask, answer) = self.answers.remove(at);
            // The order to answer the call has no number of its own.
            return self.feed(if ask == AskId(u64::MAX) {
                Input::Answered
            } else {
                Input::Answer(ask, answer)
            });
        }
        self.feed(Input::Timeout);
    }

    fn line(&mut self, who: &str, what: &str) {
        let ms = self.elapsed();
        let _ = writeln!(self.script, "{:>3}.{} {who:<6} {what}", ms / 1000, ms % 1000 / 100);
    }
}

/// Of whom something is remembered, told apart.
fn owner(whose: &auth::Whose) -> String {
    match whose {
        auth::Whose::Subject(key) => key.to_string(),
        auth::Whose::Number(number) => number.expose().clone(),
    }
}
