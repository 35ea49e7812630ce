//! One run of a flow for one call, without input or output of its own.
//!
//! [`FlowRun`] walks through the steps of an application until one has to wait: for a key, for the end of
//! a prompt, for an answer, for an agent. It owns the call's [`AuthSession`], which alone can raise a
//! level. After each [`FlowRun::handle`], [`FlowRun::poll`] is called until it gives
//! [`Output::Timeout`].
//!
//! ```text
//!            ┌────────────── steps ─────────────┐
//!  Start ──▶ Ready ──▶ Saying / Asking / Identifying / Proving / LookingUp / HandedOff ──▶ Ready …
//!                │ hang-up, by either side: `when_hangup` runs, no step of it may need a caller
//!                └──▶ Over (Output::Finished)
//! ```
//!
//! Every wait has a bound: input steps have their timers, questions their deadline, and the whole call a
//! budget of steps and of time (the time spent with an agent is not counted).

mod asked;
mod asking;
mod assessing;
mod callback;
mod challenge;
mod chance;
pub mod collect;
mod ending;
pub(crate) mod eval;
pub(crate) mod exit;
mod facts;
mod frame;
mod handing;
mod hearing;
mod io;
mod keys;
mod lines;
mod looking;
mod numbers;
mod order;
pub(crate) mod parts;
pub(crate) mod proving;
mod question;
mod recording;
mod remembering;
mod saying;
mod secured;
mod spoken;
mod steps;
mod trace;
pub mod values;
mod voice;
mod voiceprint;
mod waiting;
mod what;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::auth::{AuthSession, LevelName};
use crate::flow::document::risk::Assessment;
use crate::flow::document::{Application, FlowId, LanguageId};
use crate::secret::Secret;
use crate::units::{AskId, Epoch, PlayId};

use asking::Asking;
use challenge::Remark;
use eval::Scope;
use frame::Frame;
use handing::HandedOff;
use hearing::Floor;
use keys::TypeAhead;
use looking::LookingUp;
pub(crate) use numbers::luhn;
use parts::Entered;
use saying::Saying;
use values::Value;

pub use facts::{Abilities, Attestation, CallFacts, Journey, NumberCheck, Signals};
pub use io::{
    Answer, CardData, HandOff, HandOffRequest, HangupCause, Input, Lookup, LookupReply, Name, Output, Pass,
    Question, Spoken,
};
pub use order::{Listen, Message, MessageReply, Notify, RecordingOrder};
pub use trace::{Choice, TraceEvent};
pub(crate) use waiting::{News, Waiting};

/// One caller's way through an application.
pub struct FlowRun {
    app: Arc<Application>,
    facts: CallFacts,
    epoch: Epoch,
    auth: AuthSession,
    outputs: VecDeque<Output>,
    drained: bool,
    frames: Vec<Frame>,
    slots: Vec<Value>,
    language: LanguageId,
    state: State,
    life: Life,
    answered: bool,
    /// Whether a caller who is not answered hears what is played; `None`: nobody has asked.
    early: Option<bool>,
    secure: bool,
    playing: Option<PlayId>,
    keys: TypeAhead,
    /// What was said into a prompt that a question follows.
    words: Option<Spoken>,
    /// What was typed for the parts of a step that asks for several.
    entered: Entered,
    /// The card that was taken, until it is paid with.
    card: Option<CardData>,
    /// How many payments were answered.
    payments: u32,
    /// What the last `risk` step found.
    risk: Option<Assessment>,
    /// The caller has proved themselves in a way that says they are not free.
    duress: bool,
    /// Questions of `auth` under way, and when each is given up.
    auth_asks: Vec<(AskId, Instant)>,
    /// What an authentication has told and nobody has said yet.
    remark: Option<Remark>,
    next_id: u64,
    /// What the last `require` demanded.
    required: Option<(LevelName, Option<Duration>)>,
    traced_level: Option<String>,
    place: Option<u32>,
    /// How many chances were taken.
    chances: u64,
    recorder: recording::Recorder,
    /// Recorders outside were told to pause.
    outside_paused: bool,
    /// Somebody listens to what the caller says.
    listening: bool,
    /// Somebody was ordered to listen for the caller's voice.
    attending: bool,
    /// What was said of which the voice may count.
    overheard: voiceprint::Overheard,
    floor: Floor,
    /// The notices heard in this call, each with its version.
    noticed: Vec<(Name, Name)>,
    /// The caller was asked for a language, or was remembered by it.
    language_known: bool,
    budget: Budget,
}

/// What the run waits for.
enum State {
    /// Nothing: the next step can run.
    Ready,
    /// For [`Input::Start`].
    NotStarted,
    /// For [`Input::Answered`], or [`Input::EarlyMedia`]; the step stays the same.
    Answering,
    /// For a prompt's end.
    Saying(Saying),
    /// For keys.
    Asking(Box<Asking>),
    /// For the vault: who is it?
    Identifying { ask: AskId, deadline: Instant, same_reply: bool },
    /// For the vault: `auth` has a question under way.
    Proving,
    /// For a service.
    LookingUp(Box<LookingUp>),
    /// For an agent, or for the end of the talk with one.
    HandedOff(HandedOff),
    /// For what only the step that runs knows.
    Own(Box<dyn Waiting>),
    /// For nothing, for ever.
    Over,
}

/// What `consent.…` can be.
pub(crate) const CONSENT_GRANTED: &str = "granted";
/// See [`CONSENT_GRANTED`].
pub(crate) const CONSENT_REFUSED: &str = "refused";
/// See [`CONSENT_GRANTED`].
pub(crate) const CONSENT_UNKNOWN: &str = "unknown";

/// Whether there is a caller.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Caller,
    /// The call is over; `when_hangup` may still run.
    Gone(HangupCause),
}

/// What a run may still use up.
struct Budget {
    steps: u32,
    until: Instant,
    errors: u32,
    exhausted: bool,
}

impl FlowRun {
    /// A run that waits for [`Input::Start`].
    #[must_use]
    pub fn new(app: Arc<Application>, facts: CallFacts, now: Instant, epoch: Epoch) -> Self {
        let mut slots = vec![Value::Nothing; app.vars.len()];
        for slot in app.consents.values().map(|var| var.index()) {
            if let Some(slot) = slots.get_mut(slot) {
                *slot = Value::text(CONSENT_UNKNOWN);
            }
        }
        let mut auth = AuthSession::new(Arc::clone(&app.policy), facts.call);
        if let (Some(Attestation::A), Some(number)) = (facts.signals.attestation, &facts.from) {
            auth.vouched(Secret::new(number.clone()));
        }
        Self {
            slots,
            language: app.default_language,
            app,
            facts,
            epoch,
            auth,
            outputs: VecDeque::new(),
            drained: true,
            frames: Vec::new(),
            state: State::NotStarted,
            life: Life::Caller,
            answered: false,
            early: None,
            secure: false,
            playing: None,
            keys: TypeAhead::default(),
            words: None,
            entered: Entered::default(),
            card: None,
            payments: 0,
            risk: None,
            duress: false,
            auth_asks: Vec::new(),
            remark: None,
            next_id: 0,
            required: None,
            traced_level: None,
            place: None,
            chances: 0,
            recorder: recording::Recorder::default(),
            outside_paused: false,
            listening: false,
            attending: false,
            overheard: voiceprint::Overheard::default(),
            floor: Floor::default(),
            noticed: Vec::new(),
            language_known: false,
            budget: Budget { steps: STEPS, until: now + TIME, errors: ERRORS, exhausted: false },
        }
    }

    /// Takes one input. One that does not fit what the run waits for changes nothing.
    pub fn handle(&mut self, now: Instant, input: Input) {
        debug_assert!(self.drained, "law 2: outputs are drained before the next input");
        self.drained = false;
        match input {
            Input::Start => self.start(now),
            Input::Answered => {
                if matches!(self.state, State::Answering) {
                    self.answered = true;
                    self.state = State::Ready;
                    self.record_from_the_start();
                }
            }
            Input::EarlyMedia(hears) => {
                if matches!(self.state, State::Answering) {
                    self.early = Some(hears);
                    self.state = State::Ready;
                }
            }
            // Nothing is asked before the answer: what comes then is no caller's answer to anything.
            Input::Digit(_) if !self.answered => {}
            Input::Digit(digit) => self.digit(now, digit),
            Input::Spoken(spoken) => self.spoken(now, spoken),
            Input::Voice => self.voice(now),
            Input::Speaking(on) => self.speaking(now, on),
            Input::Unheard(why) => self.unheard(now, why),
            Input::PlayFinished(play) => self.play_finished(now, play),
            Input::Answer(ask, answer) => self.answer(now, ask, answer),
            Input::HandOff(progress) => self.hand_off(now, progress),
            Input::HungUp => self.hung_up(now),
            Input::RecordingFailed => self.recorder_failed(),
            Input::Timeout => self.timeout(now),
        }
        self.advance(now);
        self.recorder_minds();
        // What is said into a prompt is kept from one to the other.
        self.hearing_minds();
        self.voice_minds();
    }

    /// The next order; [`Output::Timeout`] when there is none for now.
    pub fn poll(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| {
            self.drained = true;
            Output::Timeout(self.deadline())
        })
    }

    pub(crate) fn app(&self) -> &Application {
        &self.app
    }

    pub(crate) const fn knows_language(&self) -> bool {
        self.language_known
    }

    pub(crate) const fn know_language(&mut self) {
        self.language_known = true;
    }

    /// What is proved about the caller.
    #[must_use]
    pub const fn auth(&self) -> &AuthSession {
        &self.auth
    }

    /// The language that the call is in, by its tag.
    #[must_use]
    pub fn language(&self) -> &str {
        self.app.language(self.language).unwrap_or_default()
    }

    /// Whether [`Output::Finished`] was given.
    #[must_use]
    pub const fn finished(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// The calendar's reading at the start of the call and the clock that goes with it.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn start(&mut self, now: Instant) {
        if !matches!(self.state, State::NotStarted) {
            return;
        }
        let app = Arc::clone(&self.app);
        self.state = State::Ready;
        match app.flow(FlowId::MAIN) {
            Some(flow) => self.jump(now, flow.entry),
            None => self.end(now, HangupCause::Fault),
        }
    }

    fn answer(&mut self, now: Instant, ask: AskId, answer: Answer) {
        if AuthSession::asked(ask) {
            if let Answer::Auth(answer) = answer {
                self.auth_answered(now, ask, answer);
            }
            return;
        }
        match (&self.state, answer) {
            (State::Identifying { ask: expected, same_reply, .. }, Answer::Auth(answer))
                if *expected == ask =>
            {
                let same_reply = *same_reply;
                self.identified(now, answer, same_reply);
            }
            (State::LookingUp(looking), Answer::Lookup(reply)) if looking.ask == ask => {
                self.looked_up(now, reply)
            }
            (State::Own(_), answer) => self.tell_step(now, News::Answer(ask, answer)),
            _ => {}
        }
    }

    fn timeout(&mut self, now: Instant) {
        self.give_up_auth_asks(now);
        match &self.state {
            State::Asking(asking) => match self.floor.held(asking) {
                Some(until) if until <= now => self.held_too_long(now),
                Some(_) => {}
                None => self.input_timeout(now),
            },
            State::Identifying { deadline, same_reply, .. } if *deadline <= now => {
                let same_reply = *same_reply;
                self.identified(now, crate::auth::Answer::Unavailable, same_reply);
            }
            State::LookingUp(_) => self.lookup_timeout(now),
            State::HandedOff(_) => self.hand_off_timeout(now),
            State::Own(waiting) if waiting.deadline() <= now => self.tell_step(now, News::Timeout),
            _ => {}
        }
        if self.clock_runs() && self.budget.until <= now {
            self.out_of_budget(now);
        }
    }

    /// The application that runs.
    pub(crate) fn application(&self) -> Arc<Application> {
        Arc::clone(&self.app)
    }

    /// When to be woken: the earliest of what is waited for.
    fn deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Over | State::NotStarted => return None,
            State::Asking(asking) => self.floor.held(asking).or_else(|| asking.deadline()),
            State::Identifying { deadline, .. } => Some(*deadline),
            State::LookingUp(looking) => looking.timeout_at(),
            State::HandedOff(handed) => handed.deadline(),
            State::Own(waiting) => Some(waiting.deadline()),
            State::Ready | State::Answering | State::Saying(_) | State::Proving => None,
        };
        let budget = self.clock_runs().then_some(self.budget.until);
        let asks = self.auth_asks.iter().map(|(_, until)| *until).min();
        [own, budget, asks].into_iter().flatten().min()
    }

    /// Time spent with an agent is the agent's, not the flow's.
    const fn clock_runs(&self) -> bool {
        !matches!(&self.state, State::HandedOff(handed) if handed.connected())
    }

    pub(crate) fn scope(&self, now: Instant) -> Scope<'_> {
        Scope {
            app: &self.app,
            slots: &self.slots,
            facts: &self.facts,
            auth: &self.auth,
            now,
            language: self.language,
            place: self.place,
            tries_left: None,
            match_number: None,
            spoken_digits: None,
            answer: None,
            risk: self.risk.as_ref(),
            duress: self.duress,
        }
    }

    pub(crate) fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn trace(&mut self, event: TraceEvent) {
        self.outputs.push_back(Output::Trace(event));
    }

    pub(crate) fn ask(&mut self, question: Question) -> AskId {
        let ask = AskId(self.next());
        self.emit(Output::Ask(ask, question));
        ask
    }

    /// Has the caller listened to; answered when what they said is kept.
    pub(crate) fn listen(&mut self, listen: Listen) -> AskId {
        let ask = AskId(self.next());
        self.listening = true;
        self.emit(Output::Listen(ask, listen));
        ask
    }

    /// Nobody needs to listen any more.
    pub(crate) fn stop_listening(&mut self) {
        if std::mem::take(&mut self.listening) {
            self.emit(Output::StopListening);
        }
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Orders whether keys are a secret now; says so only when it changes. In a secure flow they always are.
    pub(crate) fn set_secure(&mut self, secure: bool) {
        let secure = secure || self.in_secure_flow();
        if self.secure != secure {
            self.secure = secure;
            self.emit(Output::Secure(secure));
            if secure {
                self.stops_listening();
                self.recorder_minds();
            }
        }
    }
}

/// Far more steps than any conversation takes; a flow that needs them turns in circles.
const STEPS: u32 = 10_000;
/// Longer than any conversation with a machine.
const TIME: Duration = Duration::from_secs(60 * 60);
/// How often `when_error` is tried in one call.
const ERRORS: u32 = 8;
