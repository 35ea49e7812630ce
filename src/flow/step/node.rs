//! What a step tells about itself to the checks and to the run, and what it does.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use super::{Enquiry, Proving, Spec};
use crate::auth::{FactorId, LevelName, Said};
use crate::flow::ClipKey;
use crate::flow::document::{Arm, Input, LevelRef, Prompt, VarId};
use crate::flow::expr::Expr;
use crate::flow::run::FlowRun;
use crate::flow::run::exit::Exit;
use crate::flow::run::parts::{Entry, Part};
use crate::units::Digit;

/// The outcomes of a step, each with where it leads.
pub(crate) type Arms<'s> = Vec<(Cow<'static, str>, &'s Arm)>;

/// What a step tells about itself, and what it does.
pub(crate) trait Node {
    /// Its entry in the manual.
    fn spec(&self) -> &'static Spec;

    /// Its outcomes by name, each with its arm. A choice among several is named like `key 1`, `case 2`.
    fn arms(&self) -> Arms<'_> {
        Vec::new()
    }

    /// The arm taken by an exit; `None` when it has none of that kind.
    fn arm(&self, exit: Exit) -> Option<&Arm> {
        let Exit::Outcome(name) = exit else { return None };
        self.arms().into_iter().find(|(outcome, _)| outcome == name).map(|(_, arm)| arm)
    }

    /// Prompts of its own that the caller hears in the call's language; those of [`Node::input`] come on top.
    fn prompts(&self) -> Vec<&Prompt> {
        self.enquiry().and_then(|asked| asked.while_waiting.as_ref()).into_iter().collect()
    }

    /// Prompts that somebody else hears.
    fn whispers(&self) -> Vec<&Prompt> {
        Vec::new()
    }

    /// Recordings that it plays beside prompts.
    fn clips(&self) -> Vec<ClipKey> {
        Vec::new()
    }

    /// The fields of an input step.
    fn input(&self) -> Option<&Input> {
        None
    }

    /// The expressions that it evaluates, each with where its value goes.
    fn uses(&self) -> Vec<Use> {
        self.enquiry().map(Enquiry::uses).unwrap_or_default()
    }

    /// The level that protects it: no path may come here without it.
    fn protected(&self) -> Option<&LevelName> {
        self.enquiry()?.level.as_ref()
    }

    /// How long ago the level that protects it may have been proved, where that is less than the policy says.
    fn max_age(&self) -> Option<Duration> {
        None
    }

    /// What messages call it.
    fn title(&self) -> String {
        self.enquiry().map_or_else(|| self.spec().verb.to_owned(), Enquiry::title)
    }

    /// The variables that are set for certain when it is left by that outcome.
    fn sets(&self, _outcome: &str) -> Vec<VarId> {
        Vec::new()
    }

    /// The `result.…` slots that it fills; all others of its flow are forgotten when it runs.
    fn results(&self) -> Vec<VarId> {
        self.enquiry().map(Enquiry::results).unwrap_or_default()
    }

    /// Whether keys typed ahead are for it (`true`), are forgotten by it (`false`), or neither.
    fn takes_keys(&self) -> Option<bool> {
        None
    }

    /// Whom it is about, where it says so.
    fn subject(&self) -> Option<&str> {
        None
    }

    /// What it says to have somebody proved.
    fn proving(&self) -> Option<Proving<'_>> {
        None
    }

    /// A part of what it asks for, one after the other.
    fn part(&self, _run: &FlowRun, _at: usize) -> Option<Part<'_>> {
        None
    }

    /// The factor whose first code its part is.
    fn first_code(&self) -> Option<FactorId> {
        None
    }

    /// What is said before a part is asked for again, by its name.
    fn remark(&self, _name: &str) -> Option<&Prompt> {
        None
    }

    /// A part was entered.
    fn entered(&self, run: &mut FlowRun, now: Instant, _at: usize, _entry: Entry) {
        run.fail(now, "a part that nobody asked for");
    }

    /// A part was said.
    fn said(&self, run: &mut FlowRun, now: Instant, _at: usize, _said: Said) {
        run.fail(now, "nobody asked anybody to speak");
    }

    /// The tries are used up.
    fn gave_up(&self, run: &mut FlowRun, now: Instant) {
        run.take(now, Exit::Outcome("give_up"));
    }

    /// Whether a key that is typed ahead can be for it.
    fn wants_key(&self, _key: Digit) -> bool {
        false
    }

    /// Whether it is for a caller who is not answered, too.
    fn early(&self) -> bool {
        false
    }

    /// Whether the application's `always` keys work while it runs.
    fn hears_always(&self) -> bool {
        self.input().is_some_and(|input| input.always)
    }

    /// Whether somebody was waited for when it is left by that outcome.
    fn waits(&self, _outcome: &str) -> bool {
        false
    }

    /// What it asks of a service; its prompts, uses, level, title and results follow from that.
    fn enquiry(&self) -> Option<&Enquiry> {
        None
    }

    /// Does it: leaves the step at once, or has the run wait for something.
    fn begin(&self, run: &mut FlowRun, now: Instant);
}

/// An expression that a step evaluates.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    /// The expression.
    pub(crate) expr: Expr,
    /// Where its value goes.
    pub(crate) sink: Sink,
    /// Whether it may be unset: it is left out then.
    pub(crate) optional: bool,
}

impl Use {
    pub(crate) fn new(expr: &Expr, sink: Sink) -> Self {
        Self { expr: expr.clone(), sink, optional: false }
    }

    /// A condition, a level: what decides where the call goes.
    pub(crate) fn decision(expr: &Expr) -> Self {
        Self::new(expr, Sink::Decision)
    }

    pub(crate) fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
}

/// Where a value goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    /// Into the choice of a way.
    Decision,
    /// Into a variable.
    Variable(VarId),
    /// To a service.
    Service {
        /// Its name.
        service: String,
        /// The call.
        call: String,
        /// The argument.
        argument: String,
    },
    /// To an agent or whoever a caller is transferred to, under this name.
    Agent(String),
    /// Into the audit log, under this name.
    Audit(String),
    /// Into a claim who is calling.
    Claim,
    /// Into what is on file of the caller.
    File,
    /// To the judge of a question's answer.
    Judge(String),
}

impl LevelRef {
    pub(crate) fn uses(&self) -> Vec<Use> {
        match self {
            Self::Named(_) => Vec::new(),
            Self::From(expr) => vec![Use::decision(expr)],
        }
    }
}
