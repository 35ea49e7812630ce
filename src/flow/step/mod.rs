//! The steps of the language, one file each: what it is for, its fields and outcomes, how it is read, what it
//! does.
//!
//! To add a step: a file here with its [`Spec`], its struct, its [`Node`] and its `read`, and a line in
//! `steps!`. The checks, the JSON Schema, the manual and the runtime ask nothing but the [`Spec`] and the [`Node`].

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::auth::LevelName;
use crate::diagnostic::{Diagnostic, Place};
use crate::flow::ClipKey;
use crate::flow::document::build::{Build, Local};
use crate::flow::document::fields::Fields;
use crate::flow::document::findings::{nearest, suggestion};
use crate::flow::document::yaml::Node as Yaml;
use crate::flow::document::{Arm, Class, Input, LevelRef, Prompt, Step, VarId};
use crate::flow::expr::Expr;
use crate::flow::run::exit::Exit;
use crate::flow::run::parts::{Entry, Part};
use crate::flow::run::{Enquiry, FlowRun};
use crate::units::Digit;

/// What an admin needs to know of a step.
#[derive(Debug)]
pub struct Spec {
    /// The verb it is written with.
    pub verb: &'static str,
    /// What it does, in a sentence or two.
    pub summary: &'static str,
    /// What stands behind the verb.
    pub argument: Shape,
    /// Its own fields; `outcome`, `note`, `when` and those of input steps come on top.
    pub fields: &'static [FieldSpec],
    /// Its outcomes.
    pub outcomes: &'static [&'static str],
    /// Whether the caller has to be there.
    pub needs_caller: bool,
    /// Whether it collects keys, and has the fields of input steps.
    pub input: bool,
    /// How it is written, as YAML.
    pub example: &'static str,
    read: fn(&mut Reader<'_, '_, '_>) -> Option<StepKind>,
}

/// A field of a step.
#[derive(Debug)]
pub struct FieldSpec {
    /// Its key.
    pub name: &'static str,
    /// What can be written there.
    pub shape: Shape,
    /// Whether it has to be there.
    pub required: bool,
    /// What it is for.
    pub doc: &'static str,
}

impl FieldSpec {
    /// A field that has to be there.
    #[must_use]
    pub const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { name, shape, required: true, doc }
    }

    /// A field that can be left out.
    #[must_use]
    pub const fn optional(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { name, shape, required: false, doc }
    }
}

/// What can be written in a place of a flow: for editors, which complete it, and for the manual.
#[derive(Debug)]
pub enum Shape {
    /// Nothing: the key stands alone.
    Nothing,
    /// Anything: what it is depends on what stands around it.
    Any,
    /// Any text or name.
    Text,
    /// The key of a prompt.
    Prompt,
    /// The key of a prompt, or a list of them.
    Prompts,
    /// `true` or `false`.
    Flag,
    /// `300ms`, `5s`, `2m`.
    Duration,
    /// A whole number.
    Count {
        /// At least.
        min: u32,
        /// At most.
        max: u32,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An expression.
    Expression,
    /// The name of a variable.
    Variable,
    /// A level of the policy, or `"${variable}"`.
    Level,
    /// A block of this flow.
    Block,
    /// Factors of the policy.
    Factors,
    /// A key of the telephone: a quoted digit, `star`, `hash`.
    Key,
    /// Keys of the telephone, each with what is said here.
    KeyMap(&'static str),
    /// Any keys, what they are in words, each with a value of a shape.
    Map(&'static str, &'static Shape),
    /// Names, each with an expression.
    Values,
    /// Names of values to pass on.
    Pass,
    /// `continue`, or one step.
    Arm,
    /// Steps, one after the other.
    Steps,
    /// The cases of `decide`.
    Cases,
    /// The options of `menu`.
    Options,
    /// The prompts of `authenticate`.
    Prompting,
    /// A list.
    List(&'static Shape),
    /// A mapping with these fields.
    Object(&'static [FieldSpec]),
    /// One of several shapes.
    OneOf(&'static [Shape]),
}

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
        Vec::new()
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
        Vec::new()
    }

    /// The level that protects it: no path may come here without it.
    fn protected(&self) -> Option<&LevelName> {
        None
    }

    /// How long ago the level that protects it may have been proved, where that is less than the policy says.
    fn max_age(&self) -> Option<Duration> {
        None
    }

    /// What messages call it.
    fn title(&self) -> String {
        self.spec().verb.to_owned()
    }

    /// The variables that are set for certain when it is left by that outcome.
    fn sets(&self, _outcome: &str) -> Vec<VarId> {
        Vec::new()
    }

    /// The `result.…` slots that it fills; all others of its flow are forgotten when it runs.
    fn results(&self) -> Vec<VarId> {
        Vec::new()
    }

    /// Whether keys typed ahead are for it (`true`), are forgotten by it (`false`), or neither.
    fn takes_keys(&self) -> Option<bool> {
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

    /// What is said before a part is asked for again, by its name.
    fn remark(&self, _name: &str) -> Option<&Prompt> {
        None
    }

    /// A part was entered.
    fn entered(&self, run: &mut FlowRun, now: Instant, _at: usize, _entry: Entry) {
        run.fail(now, "a part that nobody asked for");
    }

    /// The tries are used up.
    fn gave_up(&self, run: &mut FlowRun, now: Instant) {
        run.take(now, Exit::Outcome("give_up"));
    }

    /// Whether a key that is typed ahead can be for it.
    fn wants_key(&self, _key: Digit) -> bool {
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

    /// What it asks of a service.
    fn enquiry(&self) -> Option<Enquiry<'_>> {
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
}

impl LevelRef {
    pub(crate) fn uses(&self) -> Vec<Use> {
        match self {
            Self::Named(_) => Vec::new(),
            Self::From(expr) => vec![Use::decision(expr)],
        }
    }
}

mod manual;

pub use manual::manual;

macro_rules! steps {
    ($($module:ident::$name:ident,)+) => {
        $(mod $module; pub use $module::$name;)+

        /// All steps.
        pub const STEPS: &[&Spec] = &[$(&$module::SPEC,)+];

        /// What a step does. Its verb is [`StepKind::verb`].
        #[derive(Debug)]
        pub enum StepKind {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)+
        }

        impl StepKind {
            pub(crate) fn node(&self) -> &dyn Node {
                match self {
                    $(Self::$name(step) => step,)+
                }
            }
        }
    };
}

steps! {
    answer::Answer,
    say::Say,
    play::Play,
    choose_language::ChooseLanguage,
    notice::Notice,
    consent::Consent,
    recording::Recording,
    hold::Hold,
    notify::Notify,
    ask::Ask,
    menu::Menu,
    confirm::Confirm,
    set::Set,
    decide::Decide,
    goto::Goto,
    hours::Hours,
    split::Split,
    run::Run,
    leave::Return,
    identify::Identify,
    authenticate::Authenticate,
    verify::Verify,
    enrol::Enrol,
    reset::Reset,
    require::Require,
    risk::RiskStep,
    card::Card,
    pay::Pay,
    lookup::Lookup,
    update::Update,
    queue::Queue,
    transfer::Transfer,
    take_message::TakeMessage,
    audit::Audit,
    hangup::Hangup,
}

pub use ask::{Check, Days, Digits, Readback, WholeMoney};
pub(crate) use authenticate::Proving;
pub use card::{Brand, CardField};
pub use choose_language::Remember;
pub use enrol::{Enrolling, NewPin};
pub use hangup::Cause;
pub use identify::{IdentifyBy, SubjectService};
pub use notice::OncePer;
pub use queue::{Callback, SkillPart};
pub use split::Way;

impl StepKind {
    /// The verb it is written with.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        self.node().spec().verb
    }

    /// Its outcomes by name, each with its arm.
    #[must_use]
    pub fn arms(&self) -> Vec<(Cow<'static, str>, &Arm)> {
        self.node().arms()
    }

    /// Every prompt of it that is said in the call's language or, before a hand-off, to the other side.
    #[must_use]
    pub fn prompts(&self) -> Vec<&Prompt> {
        let node = self.node();
        let ladders = node.input().into_iter().flat_map(|input| input.no_input.iter().chain(&input.no_match));
        node.prompts().into_iter().chain(node.whispers()).chain(ladders).collect()
    }
}

/// The fields of every input step.
pub const INPUT_FIELDS: [FieldSpec; 8] = [
    FieldSpec::optional(
        "first",
        Shape::Duration,
        "the longest wait for the first key, from the end of the prompt",
    ),
    FieldSpec::optional("between", Shape::Duration, "the longest wait between two keys"),
    FieldSpec::optional("total", Shape::Duration, "the longest time for one entry"),
    FieldSpec::optional("tries", Shape::Count { min: 1, max: 9 }, "how many tries there are"),
    FieldSpec::optional(
        "interrupt",
        Shape::Choice(&["keys", "keys_and_speech", "never"]),
        "what ends the prompt early; `keys_and_speech` needs a recogniser and means `keys` without one",
    ),
    FieldSpec::optional(
        "no_input",
        Shape::Prompts,
        "prompts said after silence, one after the other; the last one repeats",
    ),
    FieldSpec::optional(
        "no_match",
        Shape::Prompts,
        "prompts said after something that does not fit, in the same way",
    ),
    FieldSpec::optional(
        "always",
        Shape::Choice(&["off_here"]),
        "the application's `always` keys do not work here",
    ),
];

/// The fields of every step.
pub const COMMON_FIELDS: [FieldSpec; 2] = [
    FieldSpec::optional("note", Shape::Text, "free text for whoever reads the flow"),
    FieldSpec::optional("when", Shape::Expression, "a condition: the step is skipped when it does not hold"),
];

/// A step while it is read.
pub(crate) struct Reader<'r, 'a, 'n> {
    pub(crate) build: &'r mut Build<'a, 'n>,
    pub(crate) fields: Fields<'n>,
    pub(crate) argument: &'n Yaml,
    pub(crate) place: Place,
    verb: &'static str,
}

/// Reads a step from its fields, the verb first.
pub(crate) fn read<'n>(build: &mut Build<'_, 'n>, fields: &Fields<'n>) -> Option<Step> {
    let spec = verb(build, fields)?;
    let (key, argument) = fields.pairs.first().copied()?;
    known_fields(build, fields, spec);
    let when = fields.get("when").map(|node| build.condition(node));
    let place = key.place.clone();
    let mut reader =
        Reader { build, fields: fields.clone(), argument, place: place.clone(), verb: spec.verb };
    let kind = (spec.read)(&mut reader)?;
    match when {
        Some(None) => None,
        when => Some(Step { kind, when: when.flatten(), place }),
    }
}

fn verb(build: &mut Build<'_, '_>, fields: &Fields<'_>) -> Option<&'static Spec> {
    let Some((key, _)) = fields.pairs.first() else {
        build.error(
            "E114",
            &fields.place,
            "a step begins with its verb",
            "write `- say: greeting`, for example",
        );
        return None;
    };
    let name = key.text();
    let mut verbs = fields.pairs.iter().map(|(key, _)| *key).filter(|key| spec(key.text()).is_some());
    if let Some(spec) = spec(name) {
        if let Some(second) = verbs.nth(1).filter(|_| !is_field(spec, fields)) {
            let message = format!("one step, two verbs: `{name}` and `{}`", second.text());
            let diagnostic = Diagnostic::error("E111", Some(second.place.clone()), message)
                .help("begin a step of its own with `- `")
                .related(key.place.clone(), "the step's verb");
            build.findings.push(diagnostic);
        }
        return Some(spec);
    }
    match verbs.next() {
        Some(verb) => {
            let message = format!("the verb comes first: this is a `{}` step", verb.text());
            build.error("E111", &verb.place, message, format!("write `{}` above `{name}`", verb.text()));
        }
        None => {
            let help = suggestion(name, STEPS.iter().map(|spec| spec.verb), "steps");
            build.error("E110", &key.place, format!("there is no step `{name}`"), help);
        }
    }
    None
}

/// Whether the second verb among the fields is a field of that name (none has one, except `hangup: … say`).
fn is_field(spec: &Spec, fields: &Fields<'_>) -> bool {
    fields.pairs.iter().skip(1).all(|(key, _)| {
        self::spec(key.text()).is_none() || spec.fields.iter().any(|field| field.name == key.text())
    })
}

/// A step by its verb.
#[must_use]
pub fn spec(verb: &str) -> Option<&'static Spec> {
    STEPS.iter().copied().find(|spec| spec.verb == verb)
}

fn known_fields(build: &mut Build<'_, '_>, fields: &Fields<'_>, spec: &Spec) {
    let mut known: Vec<&str> = vec![spec.verb];
    known.extend(COMMON_FIELDS.iter().map(|field| field.name));
    known.extend(spec.fields.iter().map(|field| field.name));
    if !spec.outcomes.is_empty() || spec.verb == "run" {
        known.push("outcome");
    }
    if spec.input {
        known.extend(INPUT_FIELDS.iter().map(|field| field.name));
    }
    for (key, _) in fields.pairs.iter().skip(1) {
        let name = key.text();
        if known.contains(&name) || self::spec(name).is_some() {
            continue;
        }
        let own = nearest(name, known.iter().copied());
        let others = STEPS.iter().find(|other| other.fields.iter().any(|field| field.name == name));
        let input = INPUT_FIELDS.iter().any(|field| field.name == name);
        match (own, others) {
            (None, Some(other)) => {
                let message = format!("`{}` has no `{name}`: it belongs to `{}`", spec.verb, other.verb);
                build.error(
                    "E112",
                    &key.place,
                    message,
                    format!("move it to a `{}` step, or remove it", other.verb),
                );
            }
            (None, None) if input => {
                let message =
                    format!("`{}` has no `{name}`: it belongs to steps that collect keys", spec.verb);
                build.error("E112", &key.place, message, "remove it");
            }
            _ => {
                let help = suggestion(name, known.iter().copied().skip(1), "it can have");
                build.error("E110", &key.place, format!("`{}` has no `{name}`", spec.verb), help);
            }
        }
    }
}

impl<'n> Reader<'_, '_, 'n> {
    /// A field's value.
    pub(crate) fn get(&self, name: &str) -> Option<&'n Yaml> {
        self.fields.get(name)
    }

    /// A field that has to be there.
    pub(crate) fn need(&mut self, name: &str) -> Option<&'n Yaml> {
        let found = self.fields.get(name);
        if found.is_none() {
            self.error(
                "E114",
                &self.place.clone(),
                format!("`{}` needs `{name}`", self.verb),
                format!("add `{name}: …` below it"),
            );
        }
        found
    }

    pub(crate) fn error(
        &mut self,
        code: &'static str,
        place: &Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.build.error(code, place, message, help);
    }

    /// Arms for outcomes: all `required` ones, and those of `optional` that are written.
    pub(crate) fn arms(&mut self, required: &[&str], optional: &[&str]) -> Option<Vec<Option<Arm>>> {
        self.arms_with("E130", required, optional)
    }

    /// As [`Self::arms`], with the code for what is missing.
    pub(crate) fn arms_with(
        &mut self,
        code: &'static str,
        required: &[&str],
        optional: &[&str],
    ) -> Option<Vec<Option<Arm>>> {
        let written = self.get("outcome");
        let outcome = match written {
            Some(node) => Fields::of(node, "`outcome`", self.build.findings)?,
            None => Fields { place: self.place.clone(), pairs: Vec::new() },
        };
        let names: Vec<&str> = required.iter().chain(optional).copied().collect();
        // `give_up` may stand beside the verb or among the outcomes.
        let find = |name: &str| {
            outcome.get(name).or_else(|| if name == "give_up" { self.fields.get(name) } else { None })
        };
        let nodes: Vec<Option<&'n Yaml>> = names.iter().map(|name| find(name)).collect();
        let missing: Vec<String> = required
            .iter()
            .zip(&nodes)
            .filter(|(_, node)| node.is_none())
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        outcome.only(&names, &format!("the outcome of `{}`", self.verb), self.build.findings);
        let mut arms = Vec::new();
        let mut complete = true;
        for node in nodes {
            let arm = node.map(|node| self.build.arm(node));
            complete &= !matches!(arm, Some(None));
            arms.push(arm.flatten());
        }
        if !missing.is_empty() {
            let message = format!("`{}` does not say what happens on {}", self.verb, missing.join(", "));
            let help = match missing.as_slice() {
                [one] if one == "`give_up`" => {
                    "add `give_up: {goto: block}`: silence is not an answer".to_owned()
                }
                _ => "name each of them below `outcome:`, with `continue`, `{goto: block}` or another step"
                    .to_owned(),
            };
            self.error(code, &self.place.clone(), message, help);
            complete = false;
        }
        complete.then_some(arms)
    }

    /// Warns of a wait in silence. A longer one, and callers hang up; measured on no one, the usual rule of the
    /// trade.
    pub(crate) fn silence(&mut self, timeout: Duration, filled: bool) {
        if !filled && timeout > Duration::from_secs(2) && self.get("timeout").is_some() {
            let help = "add `while_waiting: one_moment`, or a shorter `timeout`";
            let place = self.place.clone();
            self.build.warn("W254", &place, "callers may wait in silence", help);
        }
    }

    /// The fields of an input step.
    pub(crate) fn input(&mut self, locals: &[Local]) -> Input {
        self.build.input(&self.fields, locals)
    }

    /// What an agent is told.
    pub(crate) fn pass(&mut self) -> Vec<crate::flow::document::Passed> {
        let node = self.get("pass");
        let before = self.build.findings.errors();
        let passed = self.build.passed(node, Class::Personal, "an agent");
        debug_assert!(before <= self.build.findings.errors());
        passed
    }
}

/// The next arm of a list that `arms` made; `continue` where an optional one is not written.
pub(crate) fn next(arms: &mut std::vec::IntoIter<Option<Arm>>) -> Arm {
    arms.next().flatten().unwrap_or(Arm::Continue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_documents_its_fields_once() {
        for spec in STEPS {
            assert!(spec.summary.ends_with('.'), "{}", spec.verb);
            let mut names: Vec<&str> = spec.fields.iter().map(|field| field.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), spec.fields.len(), "{}", spec.verb);
            assert!(spec.fields.iter().all(|field| !field.doc.is_empty()), "{}", spec.verb);
        }
    }
}
