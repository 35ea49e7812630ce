//! What is told of a step: its entry in the manual and in the JSON Schema.

use super::{Reader, StepKind};

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
    pub(super) read: fn(&mut Reader<'_, '_, '_>) -> Option<StepKind>,
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
        "what ends the prompt early; `keys_and_speech`: also the caller's voice, once it has gone on for a quarter of a second",
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
