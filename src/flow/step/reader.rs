//! Reading a step: its verb, its fields, its outcomes.

use std::time::Duration;

use super::{COMMON_FIELDS, INPUT_FIELDS, STEPS, Spec, spec};
use crate::diagnostic::{Diagnostic, Place};
use crate::flow::document::build::{Build, Local};
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::findings::{nearest, suggestion};
use crate::flow::document::yaml::Node as Yaml;
use crate::flow::document::{Arm, Class, Input, Step};

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

    /// Whether it is for a caller who is not answered, too.
    pub(crate) fn early(&mut self) -> bool {
        let node = self.get("early");
        node.and_then(|node| fields::flag(node, "early", self.build.findings)).unwrap_or(false)
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
