//! The steps of the language, one file each: what it is for, its fields and outcomes, and how it is read.
//!
//! To add a step: a file here with its [`Spec`], a line in `steps!`, a variant of
//! [`StepKind`] and its handling in `flow::run`.

use crate::diagnostic::{Diagnostic, Place};
use crate::flow::document::build::{Build, Local};
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::findings::{nearest, suggestion};
use crate::flow::document::yaml::Node;
use crate::flow::document::{Arm, Class, Input, Step, StepKind};

/// What an admin needs to know of a step.
#[derive(Debug)]
pub struct Spec {
    /// The verb it is written with.
    pub verb: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Its own fields and what they are for; `outcome`, `note`, `when` and those of input steps come on top.
    pub fields: &'static [(&'static str, &'static str)],
    /// Its outcomes.
    pub outcomes: &'static [&'static str],
    /// Whether the caller has to be there.
    pub needs_caller: bool,
    /// Whether it collects keys, and has the fields of input steps.
    pub input: bool,
    read: fn(&mut Reader<'_, '_, '_>) -> Option<StepKind>,
}

macro_rules! steps {
    ($($module:ident,)+) => {
        $(mod $module;)+

        /// All steps.
        pub const STEPS: &[&Spec] = &[$(&$module::SPEC,)+];
    };
}

steps! {
    answer,
    say,
    play,
    choose_language,
    notice,
    ask,
    menu,
    confirm,
    set,
    decide,
    goto,
    run,
    leave,
    identify,
    authenticate,
    require,
    lookup,
    queue,
    transfer,
    audit,
    hangup,
}

/// Verbs of the language that this version does not have yet.
const LATER: [&str; 14] = [
    "consent",
    "hours",
    "split",
    "risk",
    "verify",
    "enrol",
    "reset",
    "update",
    "card",
    "pay",
    "recording",
    "take_message",
    "notify",
    "hold",
];

/// The fields of every input step.
pub const INPUT_FIELDS: [(&str, &str); 8] = [
    ("first", "the longest wait for the first key, from the end of the prompt"),
    ("between", "the longest wait between two keys"),
    ("total", "the longest time for one entry"),
    ("tries", "how many tries there are"),
    ("interrupt", "`keys` or `never`: whether a key ends the prompt"),
    ("no_input", "prompts said after silence, one after the other"),
    ("no_match", "prompts said after something that does not fit, one after the other"),
    ("always", "`off_here`: the application's `always` keys do not work here"),
];

/// The fields of every step.
const COMMON_FIELDS: [&str; 2] = ["note", "when"];

/// A step while it is read.
pub(crate) struct Reader<'r, 'a, 'n> {
    pub(crate) build: &'r mut Build<'a, 'n>,
    pub(crate) fields: Fields<'n>,
    pub(crate) argument: &'n Node,
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
    if LATER.contains(&name) {
        fields::not_yet(&key.place, &format!("the step `{name}`"), build.findings);
        return None;
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
        self::spec(key.text()).is_none() || spec.fields.iter().any(|(name, _)| *name == key.text())
    })
}

/// A step by its verb.
#[must_use]
pub fn spec(verb: &str) -> Option<&'static Spec> {
    STEPS.iter().copied().find(|spec| spec.verb == verb)
}

fn known_fields(build: &mut Build<'_, '_>, fields: &Fields<'_>, spec: &Spec) {
    let mut known: Vec<&str> = vec![spec.verb];
    known.extend(COMMON_FIELDS);
    known.extend(spec.fields.iter().map(|(name, _)| *name));
    if !spec.outcomes.is_empty() || spec.verb == "run" {
        known.push("outcome");
    }
    if spec.input {
        known.extend(INPUT_FIELDS.iter().map(|(name, _)| *name));
    }
    for (key, _) in fields.pairs.iter().skip(1) {
        let name = key.text();
        if known.contains(&name) || self::spec(name).is_some() {
            continue;
        }
        let own = nearest(name, known.iter().copied());
        let others = STEPS.iter().find(|other| other.fields.iter().any(|(field, _)| *field == name));
        let input = INPUT_FIELDS.iter().any(|(field, _)| *field == name);
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
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.fields.get(name)
    }

    /// A field that has to be there.
    pub(crate) fn need(&mut self, name: &str) -> Option<&'n Node> {
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
        let nodes: Vec<Option<&'n Node>> = names.iter().map(|name| find(name)).collect();
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
            let mut names: Vec<&str> = spec.fields.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), spec.fields.len(), "{}", spec.verb);
            assert!(spec.fields.iter().all(|(_, doc)| !doc.is_empty()), "{}", spec.verb);
            assert!(!LATER.contains(&spec.verb));
        }
    }
}
