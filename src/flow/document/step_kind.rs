//! The steps of a flow, resolved and typed.

use std::time::Duration;

use crate::auth::FactorId;
use crate::diagnostic::Place;
use crate::flow::ClipKey;
use crate::flow::expr::Expr;
use crate::flow::run::values::{Currency, Money};
use crate::units::Digit;

use super::ast::{
    Arm, BlockId, Class, FlowId, Input, LanguageId, LevelRef, MenuOption, Prompt, Return, VarId,
};
use crate::auth::LevelName;

/// One step of a block.
#[derive(Debug)]
pub struct Step {
    /// What it does.
    pub kind: StepKind,
    /// Skipped (as if it had continued) unless this holds.
    pub when: Option<Expr>,
    /// Where its verb is written.
    pub place: Place,
}

/// What a step does. Its verb is [`StepKind::verb`].
#[derive(Debug)]
pub enum StepKind {
    /// Answers the call; nothing when it is answered.
    Answer,
    /// Says prompts.
    Say(Say),
    /// Plays a recording or a tone.
    Play(Play),
    /// Lets the caller choose a language.
    ChooseLanguage(ChooseLanguage),
    /// Says a notice and puts on record that it was said.
    Notice(Notice),
    /// Collects digits into a variable.
    Ask(Ask),
    /// Offers choices by key.
    Menu(Menu),
    /// Asks yes or no.
    Confirm(Confirm),
    /// Sets variables.
    Set(Vec<(VarId, Expr)>),
    /// Branches on the first condition that holds.
    Decide(Decide),
    /// Jumps.
    Goto(BlockId),
    /// Runs a sub-flow.
    Run(Run),
    /// Ends a sub-flow.
    Return(Return),
    /// Turns a caller number or an account number into a claim.
    Identify(Identify),
    /// Has the caller prove who they are.
    Authenticate(Authenticate),
    /// Goes on only at a level.
    Require(Require),
    /// Asks a service.
    Lookup(Lookup),
    /// Waits for an agent and connects the caller to them.
    Queue(Queue),
    /// Calls a fixed target and connects the caller to it.
    Transfer(Transfer),
    /// Writes a record to the audit log.
    Audit(Audit),
    /// Ends the call.
    Hangup(Hangup),
}

impl StepKind {
    /// The verb it is written with.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Say(_) => "say",
            Self::Play(_) => "play",
            Self::ChooseLanguage(_) => "choose_language",
            Self::Notice(_) => "notice",
            Self::Ask(_) => "ask",
            Self::Menu(_) => "menu",
            Self::Confirm(_) => "confirm",
            Self::Set(_) => "set",
            Self::Decide(_) => "decide",
            Self::Goto(_) => "goto",
            Self::Run(_) => "run",
            Self::Return(_) => "return",
            Self::Identify(_) => "identify",
            Self::Authenticate(_) => "authenticate",
            Self::Require(_) => "require",
            Self::Lookup(_) => "lookup",
            Self::Queue(_) => "queue",
            Self::Transfer(_) => "transfer",
            Self::Audit(_) => "audit",
            Self::Hangup(_) => "hangup",
        }
    }
}

/// `say`
#[derive(Debug)]
pub struct Say {
    /// The prompts, one after the other.
    pub prompts: Vec<Prompt>,
    /// Whether a key ends them early. The key is kept for the next input step.
    pub interrupt: super::Interrupt,
}

/// `play`
#[derive(Debug)]
pub struct Play {
    /// The recording.
    pub clip: ClipKey,
    /// How often.
    pub times: u16,
    /// Whether a key ends it early.
    pub interrupt: super::Interrupt,
    /// After it was played (or interrupted).
    pub finished: Arm,
    /// When it could not be played.
    pub failed: Arm,
}

/// `choose_language`
#[derive(Debug)]
pub struct ChooseLanguage {
    /// What to say, each prompt in its own language; empty when the prompt before has said it.
    pub prompts: Vec<(LanguageId, Prompt)>,
    /// Which key chooses which language.
    pub keys: Vec<(Digit, LanguageId)>,
    /// Timers and ladders.
    pub input: Input,
    /// The language taken when the tries are used up; the call goes on.
    pub give_up: LanguageId,
}

/// `notice`
#[derive(Debug)]
pub struct Notice {
    /// What is said.
    pub prompt: Prompt,
    /// Which version of the text, for the record.
    pub version: String,
    /// Whether a key ends it early.
    pub interrupt: super::Interrupt,
}

/// `ask`
#[derive(Debug)]
pub struct Ask {
    /// The question.
    pub prompt: Prompt,
    /// Where the answer goes.
    pub into: VarId,
    /// The class of that variable: digits of class secret are collected as a secret step.
    pub class: Class,
    /// What is accepted.
    pub digits: Digits,
    /// The digits are whole units of this currency, between these amounts.
    pub money: Option<WholeMoney>,
    /// A further test on what was typed.
    pub check: Option<Check>,
    /// Whether the caller confirms it.
    pub confirm: Readback,
    /// Timers and ladders.
    pub input: Input,
    /// After an answer.
    pub filled: Arm,
    /// After the last try.
    pub give_up: Arm,
}

/// How many digits, and what ends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits {
    /// At least this many.
    pub min: u8,
    /// At most this many: the last one ends the entry at once.
    pub max: u8,
    /// A key that ends the entry early. `None`: only the count and silence end it.
    pub end: Option<Digit>,
}

/// An amount typed in whole units: pounds or euros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeMoney {
    /// Of what.
    pub currency: Currency,
    /// The smallest amount.
    pub min: u32,
    /// The greatest amount.
    pub max: u32,
}

impl WholeMoney {
    /// What was typed as an amount; `None` when it is too small or too great.
    #[must_use]
    pub fn amount(&self, typed: &str) -> Option<Money> {
        let units: u32 = typed.parse().ok()?;
        let within = (self.min..=self.max).contains(&units);
        within.then(|| Money { minor: i64::from(units) * 100, currency: self.currency })
    }
}

/// A test on typed digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// ISO/IEC 7812-1 Annex B: the check digit of card numbers.
    Luhn,
}

/// Whether and how an answer is confirmed.
#[derive(Debug)]
pub enum Readback {
    /// It is not.
    None,
    /// The prompt (which names the value as `${answer, spell}`) is said; 1 keeps it, 2 asks again.
    ReadBack(Prompt),
}

/// `menu`
#[derive(Debug)]
pub struct Menu {
    /// The choices, spoken.
    pub prompt: Prompt,
    /// Where the value of the choice goes.
    pub into: Option<VarId>,
    /// The choices.
    pub options: Vec<MenuOption>,
    /// Timers and ladders.
    pub input: Input,
    /// After a choice whose option has no arm of its own.
    pub chosen: Arm,
    /// After the last try.
    pub give_up: Arm,
}

/// `confirm`
#[derive(Debug)]
pub struct Confirm {
    /// The question.
    pub prompt: Prompt,
    /// Keys that mean yes.
    pub yes_keys: Vec<Digit>,
    /// Keys that mean no.
    pub no_keys: Vec<Digit>,
    /// Timers and ladders.
    pub input: Input,
    /// After yes.
    pub yes: Arm,
    /// After no.
    pub no: Arm,
    /// After the last try.
    pub give_up: Arm,
}

/// `decide`
#[derive(Debug)]
pub struct Decide {
    /// Conditions in order, each with its arm.
    pub cases: Vec<(Expr, Arm)>,
    /// When none holds.
    pub otherwise: Arm,
}

/// `run`
#[derive(Debug)]
pub struct Run {
    /// The sub-flow.
    pub flow: FlowId,
    /// Values for its `takes`, all of them.
    pub with: Vec<(VarId, Expr)>,
    /// What it gave back: from its slot into ours (`result.…`).
    pub results: Vec<(VarId, VarId)>,
    /// One arm per outcome of the sub-flow, by [`super::ast::OutcomeId`].
    pub arms: Vec<Arm>,
}

/// `identify`
#[derive(Debug)]
pub struct Identify {
    /// What the claim is about, such as `customer`.
    pub subject: String,
    /// What the claim is made of.
    pub by: IdentifyBy,
    /// Whether an unknown subject goes on as a ghost, in the same words and time.
    pub same_reply: bool,
    /// Exactly one subject has it.
    pub one: Arm,
    /// No subject has it.
    pub none: Arm,
    /// Several subjects have it.
    pub many: Arm,
    /// Nobody could say.
    pub unavailable: Arm,
}

/// What a claim is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentifyBy {
    /// The number that the call came from.
    CallerId,
    /// An account number that the caller typed.
    Account(VarId),
}

/// `authenticate`
#[derive(Debug)]
pub struct Authenticate {
    /// Who, such as `customer`.
    pub subject: String,
    /// The level to reach.
    pub level: LevelRef,
    /// The factors offered, in the order written.
    pub offer: Vec<FactorId>,
    /// What is said for each factor offered.
    pub challenge: Vec<(FactorId, Prompt)>,
    /// Said after a failure; may name `${tries_left, number}`.
    pub failed: Prompt,
    /// Said after a failure when one try is left; `failed` when `None`.
    pub failed_last: Option<Prompt>,
    /// Said after silence; the challenge's own prompt when `None`.
    pub silent: Vec<(FactorId, Prompt)>,
    /// Timers; `tries` counts silences only: failures are counted by the policy.
    pub input: Input,
    /// The level is held.
    pub reached: Arm,
    /// It is not: the tries are used up or the caller fell silent.
    pub insufficient: Arm,
    /// The subject has too few of the factors.
    pub not_enrolled: Arm,
    /// The subject is locked.
    pub locked: Arm,
    /// The store, the worker pool or the audit log could not.
    pub unavailable: Arm,
}

/// `require`
#[derive(Debug)]
pub struct Require {
    /// The level.
    pub level: LevelRef,
    /// How old it may be.
    pub max_age: Option<Duration>,
    /// Where to go below it; the application's `when_error` when `None`.
    pub otherwise: Option<Arm>,
}

/// `lookup`
#[derive(Debug)]
pub struct Lookup {
    /// The service, and the call of it.
    pub service: String,
    /// The call.
    pub call: String,
    /// Its arguments.
    pub give: Vec<(String, Expr)>,
    /// The level it is protected by: it gets a grant of it or does not happen.
    pub level: Option<LevelName>,
    /// How long it may take.
    pub timeout: Duration,
    /// Said when it takes longer than a moment.
    pub while_waiting: Option<Prompt>,
    /// Fields of the reply and the slots (`result.…`) that they go to.
    pub reply: Vec<(String, VarId)>,
    /// It answered.
    pub ok: Arm,
    /// There is nothing of that key. `None`: the call does not declare it, so it counts as unavailable.
    pub not_found: Option<Arm>,
    /// It did not answer in time, or with an error.
    pub unavailable: Arm,
}

/// What an agent is told: name and value.
#[derive(Debug)]
pub struct Passed {
    /// Its name, such as `auth.level`.
    pub name: String,
    /// Its value; of class public or personal.
    pub expr: Expr,
}

/// `queue`
#[derive(Debug)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Priority by level held (the lowest of the list that fits is 0 when absent); higher goes first.
    pub priority: Vec<(Option<LevelName>, u8)>,
    /// What the agent is told.
    pub pass: Vec<Passed>,
    /// Said to the agent before the caller is connected.
    pub whisper: Option<Prompt>,
    /// What the caller hears meanwhile.
    pub music: ClipKey,
    /// Said to the caller when the place changes; may name `${queue.place, number}`.
    pub announce_place: Option<Prompt>,
    /// The longest wait.
    pub max_wait: Duration,
    /// The caller was connected, and the agent has hung up.
    pub joined: Arm,
    /// Nobody took the call in time.
    pub timeout: Arm,
    /// The queue had no place.
    pub full: Arm,
}

/// `transfer`
#[derive(Debug)]
pub struct Transfer {
    /// The name of the target.
    pub name: String,
    /// Its SIP address.
    pub uri: String,
    /// How long it may ring.
    pub ring: Duration,
    /// What it is told.
    pub pass: Vec<Passed>,
    /// Said to the target before the caller is connected.
    pub whisper: Option<Prompt>,
    /// It was connected, and has hung up.
    pub done: Arm,
    /// Busy.
    pub busy: Arm,
    /// Rang and was not answered.
    pub no_answer: Arm,
    /// Refused the call.
    pub refused: Arm,
    /// Could not be reached.
    pub failed: Arm,
}

/// `audit`
#[derive(Debug)]
pub struct Audit {
    /// The event's name.
    pub event: String,
    /// Facts, all public.
    pub facts: Vec<Passed>,
}

/// `hangup`
#[derive(Debug)]
pub struct Hangup {
    /// Why.
    pub cause: Cause,
    /// Said first.
    pub say: Option<Prompt>,
}

/// Why a flow ends a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// All is done. Before the call is answered this is a decline.
    Normal,
    /// 486 when the call is not answered yet.
    Busy,
    /// 603 when the call is not answered yet.
    Rejected,
}
