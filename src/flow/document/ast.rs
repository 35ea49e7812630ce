//! What an application means once it is read, resolved and checked.
//!
//! Everything the runtime needs is here in typed form: names of blocks, variables, languages and sub-flows
//! are indices, prompts are pieces per language, durations are `Duration`s. Nothing in it can be wrong
//! any more: whatever could be was told as a diagnostic by [`crate::flow::load`].
//!
//! The runtime only reads it: an [`Application`] is shared by all calls behind an `Arc`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::Policy;
use crate::diagnostic::Place;
use crate::flow::ClipKey;
use crate::flow::expr::{Expr, Literal, Type};
use crate::flow::prompt::Category;
use crate::flow::step::StepKind;
use crate::units::Digit;

use super::calendar::Calendars;
use super::risk::Risk;
use super::services::Services;

/// A complete application: flows, prompts, policy and services.
#[derive(Debug)]
pub struct Application {
    /// The `id` of its main flow.
    pub id: String,
    /// A title for people.
    pub title: String,
    /// Main flow first ([`FlowId::MAIN`]), then every sub-flow.
    pub flows: Vec<Flow>,
    /// The blocks of all flows; a [`BlockId`] is an index into this.
    pub blocks: Vec<Block>,
    /// The variables of all flows; a [`VarId`] is an index into this. Flows cannot recurse, so each
    /// variable needs one slot only; the slots of a sub-flow are cleared when it is entered.
    pub vars: Vec<Variable>,
    /// The languages that it speaks; a [`LanguageId`] is an index into this.
    pub languages: Vec<Language>,
    /// The language a call starts in.
    pub default_language: LanguageId,
    /// The authentication policy.
    pub policy: Arc<Policy>,
    /// What the policy says of risk, if anything.
    pub risk: Option<Risk>,
    /// The services it looks things up in.
    pub services: Services,
    /// Opening hours, by name.
    pub calendars: Calendars,
    /// Keys that work in every input step that does not say `always: off_here`.
    pub always: Vec<AlwaysKey>,
    /// Where a call goes when a step fails without an arm for it, or its budget is used up.
    pub when_error: Option<BlockId>,
    /// What runs after the caller has hung up; has no step that needs a caller.
    pub when_hangup: Option<BlockId>,
    /// What the recordings of the catalogues say; [`Application::clip_text`] knows the others too.
    pub texts: BTreeMap<ClipKey, ClipText>,
    /// What callers may say, by the key in the catalogues.
    pub words: BTreeMap<Arc<str>, Words>,
    /// Where the answers to `consent` are kept, by purpose; `unknown` at the start of a call.
    pub consents: BTreeMap<String, VarId>,
    /// When a call is recorded.
    pub recording: RecordingRule,
}

/// When a call is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingRule {
    /// When a step says so, and only after this consent; without one not at all.
    ByStep(Option<VarId>),
    /// From the moment that this consent is given.
    AfterConsent(VarId),
    /// From the beginning: where the law needs no consent.
    On,
}

impl Default for RecordingRule {
    fn default() -> Self {
        Self::ByStep(None)
    }
}

impl Application {
    /// The block with this index.
    #[must_use]
    pub fn block(&self, id: BlockId) -> Option<&Block> {
        self.blocks.get(usize::try_from(id.0).ok()?)
    }

    /// The flow with this index.
    #[must_use]
    pub fn flow(&self, id: FlowId) -> Option<&Flow> {
        self.flows.get(usize::try_from(id.0).ok()?)
    }

    /// The variable with this index.
    #[must_use]
    pub fn var(&self, id: VarId) -> Option<&Variable> {
        self.vars.get(id.index())
    }

    /// The tag of a language, such as `en-GB`.
    #[must_use]
    pub fn language(&self, id: LanguageId) -> Option<&str> {
        self.languages.get(usize::from(id.0)).map(|language| language.tag.as_str())
    }
}

/// Index of a flow in [`Application::flows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u32);

impl FlowId {
    /// The flow that a call enters.
    pub const MAIN: Self = Self(0);
}

/// Index of a block in [`Application::blocks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId(pub u32);

/// Index of a variable in [`Application::vars`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VarId(pub u32);

impl VarId {
    /// As an index.
    #[must_use]
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Index of a language in [`Application::languages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LanguageId(pub u8);

/// A language that the application speaks.
#[derive(Clone, Debug)]
pub struct Language {
    /// Its tag, such as `en-GB`.
    pub tag: String,
    /// The voice that its catalogue wishes for.
    pub voice: Option<String>,
}

/// The main flow or a sub-flow.
#[derive(Debug)]
pub struct Flow {
    /// Its name: the `id` of the main flow or of a file, the key of a sub-flow.
    pub name: Arc<str>,
    /// The block where it begins.
    pub entry: BlockId,
    /// What it is given by `run … with`, in the order written.
    pub takes: Vec<VarId>,
    /// How it can end, by [`OutcomeId`]; empty for the main flow.
    pub outcomes: Vec<Arc<str>>,
    /// What it gives back, in the order written.
    pub gives: Vec<VarId>,
    /// The slots named `result.…` in this flow: all are cleared before a `lookup` or a `run` sets some.
    pub results: Vec<VarId>,
    /// All its slots, to clear when it is entered (`takes` are set after that).
    pub vars: Vec<VarId>,
    /// While it runs keys are secret, nothing is recorded and nobody listens; what it has of a card is wiped
    /// when it is left.
    pub secure: bool,
}

/// Index of an outcome in [`Flow::outcomes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutcomeId(pub u16);

/// A named list of steps.
#[derive(Debug)]
pub struct Block {
    /// Its name.
    pub name: Arc<str>,
    /// The flow that it belongs to. An `always` key or `when_error` may jump to a block of another flow
    /// than the running one: the runtime then leaves sub-flows until it is in that flow.
    pub flow: FlowId,
    /// Its steps, run in order.
    pub steps: Vec<Step>,
    /// Where it is written.
    pub place: Place,
}

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

/// What an agent is told: name and value.
#[derive(Debug)]
pub struct Passed {
    /// Its name, such as `auth.level`.
    pub name: String,
    /// Its value; of class public or personal.
    pub expr: Expr,
}

/// A variable or another slot that holds a value.
#[derive(Debug)]
pub struct Variable {
    /// Its name, such as `account` or `result.balance`.
    pub name: Arc<str>,
    /// What it can hold.
    pub ty: Type,
    /// Where its value may travel.
    pub class: Class,
}

/// Where a value may travel, from everywhere to nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Anywhere.
    Public,
    /// To prompts in the caller's own call, to services and to agents.
    Personal,
    /// Into an authentication step only.
    Secret,
    /// Into a service that accepts cards only.
    Card,
}

impl Class {
    /// Its name in a flow.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Personal => "personal",
            Self::Secret => "secret",
            Self::Card => "card",
        }
    }
}

/// Where the call goes after an outcome.
#[derive(Debug)]
pub enum Arm {
    /// On with the next step of the block.
    Continue,
    /// To a block.
    Goto(BlockId),
    /// Out of the sub-flow.
    Return(Return),
    /// One step, and then on with the next step of the block (unless that step leaves it).
    Step(Box<Step>),
}

/// The end of a sub-flow.
#[derive(Debug)]
pub struct Return {
    /// Which of [`Flow::outcomes`]; 0 in the main flow, where `return` ends the run.
    pub outcome: OutcomeId,
    /// What it gives back: slots of [`Flow::gives`] and their new values.
    pub give: Vec<(VarId, Expr)>,
}

/// A key that works in every input step. A digit among them works only where single keys are chosen
/// (`menu`, `confirm`, `choose_language`): in `ask` and `authenticate` digits belong to the number typed.
#[derive(Debug)]
pub struct AlwaysKey {
    /// The key.
    pub key: Digit,
    /// What it does.
    pub does: Always,
}

/// What an `always` key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Always {
    /// Says the step's prompt again; does not count as a try.
    Repeat,
    /// Jumps.
    Goto(BlockId),
}

/// Something to say.
#[derive(Debug)]
pub struct Prompt {
    /// Its key in the catalogues.
    pub key: Arc<str>,
    /// What to play, by [`LanguageId`].
    pub pieces: Vec<Vec<Piece>>,
    /// What to play in their place to callers whom somebody hears; empty where it is the same.
    pub heard: Vec<Vec<Piece>>,
}

impl Prompt {
    /// The pieces in a language.
    #[must_use]
    pub fn in_language(&self, language: LanguageId) -> &[Piece] {
        self.pieces.get(usize::from(language.0)).map_or(&[], Vec::as_slice)
    }

    /// The pieces in a language for callers whom somebody hears.
    #[must_use]
    pub fn to_who_is_heard(&self, language: LanguageId) -> &[Piece] {
        let own = self.heard.get(usize::from(language.0)).filter(|pieces| !pieces.is_empty());
        own.map_or_else(|| self.in_language(language), Vec::as_slice)
    }
}

/// What a recording says.
#[derive(Clone, Debug)]
pub struct ClipText {
    /// The language of its catalogue.
    pub language: Arc<str>,
    /// The words, with the punctuation around them.
    pub text: String,
    /// Where they are written.
    pub place: Place,
}

/// What callers may say for one thing, in every language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The key in the catalogues.
    pub key: Arc<str>,
    /// The phrases, by [`LanguageId`].
    pub phrases: Vec<Vec<Arc<str>>>,
}

impl Words {
    /// The phrases in a language.
    #[must_use]
    pub fn in_language(&self, language: LanguageId) -> &[Arc<str>] {
        self.phrases.get(usize::from(language.0)).map_or(&[], Vec::as_slice)
    }
}

/// A piece of a prompt.
#[derive(Clone, Debug)]
pub enum Piece {
    /// A recording.
    Clip(ClipKey),
    /// A value, spoken.
    Value {
        /// What.
        expr: Expr,
        /// How.
        format: Format,
    },
    /// Words that depend on a number.
    Plural {
        /// The number.
        expr: Expr,
        /// What is said for which form; there is always [`Category::Other`].
        branches: Vec<(Category, Vec<Self>)>,
    },
}

impl Piece {
    /// Every expression in it.
    #[must_use]
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Self::Clip(_) => Vec::new(),
            Self::Value { expr, .. } => vec![expr],
            Self::Plural { expr, branches } => {
                let inner = branches.iter().flat_map(|(_, pieces)| pieces).flat_map(Self::exprs);
                std::iter::once(expr).chain(inner).collect()
            }
        }
    }
}

/// What stands before the last of several words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Joint {
    /// "PIN and code"
    And,
    /// "PIN or code"
    Or,
}

/// How a value is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Digit by digit; with `last`, only that many from the end.
    Spell {
        /// How many from the end; all when `None`.
        last: Option<u8>,
    },
    /// A whole number: "forty-two".
    Number,
    /// "One thousand two hundred and four euros and fifty cents".
    Money,
    /// "The second of March".
    Date,
    /// "Ten fifteen am".
    Time,
    /// A word of an enumeration or a level: the recording `<language>/words/<value>`.
    Word,
    /// How many a list has, as a number.
    Count,
    /// The words of a list, joined.
    List(Joint),
}

/// What all input steps have.
#[derive(Debug)]
pub struct Input {
    /// The longest wait for the first key, from the end of the prompt.
    pub first: Duration,
    /// The longest wait between two keys.
    pub between: Duration,
    /// The longest time for one try, from its first key.
    pub total: Duration,
    /// How many tries there are, the first one included; at least 1.
    pub tries: u8,
    /// What interrupts a prompt.
    pub interrupt: Interrupt,
    /// Said after silence; the n-th after the n-th silence, the last one repeated. When empty, the step's
    /// prompt is said again.
    pub no_input: Vec<Prompt>,
    /// Said after something that does not fit, in the same way.
    pub no_match: Vec<Prompt>,
    /// Whether the application's `always` keys work here.
    pub always: bool,
}

/// What interrupts a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Any key.
    Keys,
    /// Any key, and words that answer the question.
    KeysAndSpeech,
    /// Nothing: keys pressed meanwhile wait for the next question of the block.
    Never,
}

/// A level named in a flow.
#[derive(Debug)]
pub enum LevelRef {
    /// Written out; the policy has it.
    Named(crate::auth::LevelName),
    /// The value of an expression (an enumeration of levels that the policy has).
    From(Expr),
}

/// A literal together with the keys that choose it.
#[derive(Debug)]
pub struct MenuOption {
    /// The keys, one or more.
    pub keys: Vec<Digit>,
    /// What may be said for it.
    pub words: Option<Words>,
    /// What `into` becomes.
    pub value: Option<Literal>,
    /// Offered only while this holds.
    pub when: Option<Expr>,
    /// Where this choice goes; the step's own `chosen` arm when `None`.
    pub arm: Option<Arm>,
}
