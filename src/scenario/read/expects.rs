//! What a script expects, and what must have come of a test.

use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::flow::document::fields::{self, Fields, Node};
use crate::flow::document::findings::suggestion;

use super::super::document::{Expect, Want};
use super::Reader;

/// What can be expected besides variables.
pub(crate) const EXPECTED: [&str; 17] = [
    "level",
    "factors",
    "language",
    "offered",
    "queue",
    "transfer",
    "pass",
    "not_passed",
    "block",
    "audit",
    "no_audit",
    "asked",
    "not_asked",
    "cause",
    "secret_keys",
    "answered",
    "update",
];

/// Facts of a call that are told as they change.
const FACTS: [&str; 6] = ["recording", "message", "risk.band", "listen_in", "digit_log", "wiped"];

/// Why calls end, as traces tell it.
const CAUSES: [&str; 5] = ["normal", "busy", "rejected", "fault", "caller_gone"];

impl Reader<'_> {
    pub(super) fn expects(&mut self, node: &Node, after: bool) -> Vec<Expect> {
        let Some(fields) = Fields::of(node, "what is expected", self.findings) else { return Vec::new() };
        let mut out = Vec::new();
        for (key, value) in fields.pairs {
            for what in self.wanted(key, value, after) {
                let place = crate::diagnostic::Place {
                    source: key.place.source.clone(),
                    span: key.place.span.start..value.place.span.end.max(key.place.span.end),
                };
                out.push(Expect { place, what });
            }
        }
        out
    }

    fn wanted(&mut self, key: &Node, value: &Node, after: bool) -> Vec<Want> {
        let names = self.names;
        match key.text() {
            "level" => self.one_of(value, "level", &names.levels).map(Want::Level),
            "language" => self.language(value).map(Want::Language),
            "block" => self.block(value).map(Want::Block),
            "queue" => self.one_of(value, "queue", &names.queues).map(Want::Queue),
            "transfer" => self.one_of(value, "target", &names.targets).map(Want::Transfer),
            "factors" => Some(Want::Factors(self.texts(value, "a factor"))),
            "offered" => Some(Want::Offered(self.texts(value, "a choice"))),
            "not_passed" => Some(Want::NotPassed(self.texts(value, "a name"))),
            "pass" => self.pass(value),
            "secret_keys" => fields::flag(value, "secret_keys", self.findings).map(Want::Secure),
            "answered" => fields::flag(value, "answered", self.findings).map(Want::Answered),
            "cause" => {
                let words: Vec<(&str, &str)> = CAUSES.iter().map(|cause| (*cause, *cause)).collect();
                fields::choice(value, "cause", &words, self.findings)
                    .map(|cause| Want::Cause(cause.to_owned()))
            }
            "audit" => return self.events(value).into_iter().map(Want::Audit).collect(),
            "no_audit" => return self.events(value).into_iter().map(Want::NoAudit).collect(),
            "asked" | "update" => return self.called(value).into_iter().map(Want::Asked).collect(),
            "not_asked" => return self.called(value).into_iter().map(Want::NotAsked).collect(),
            name if FACTS.contains(&name) && !names.variables.contains_key(name) => {
                let value = match value.scalar() {
                    Some(_) => self.scalar(value, name),
                    None => Some(self.texts(value, name).join(", ")),
                };
                value.map(|value| Want::Fact { name: name.to_owned(), value })
            }
            name => self.variable(key, name, value, after),
        }
        .into_iter()
        .collect()
    }

    fn variable(&mut self, key: &Node, name: &str, value: &Node, after: bool) -> Option<Want> {
        match self.names.variables.get(name) {
            Some(true) => {
                self.scalar(value, name).map(|value| Want::Variable { name: name.to_owned(), value })
            }
            Some(false) => {
                let message = format!("`{name}` is not of class public: a test can't look at it");
                let finding = Diagnostic::error("E306", Some(key.place.clone()), message)
                    .help("look at what comes of it: a prompt, a block, what an agent is told");
                self.findings.push(finding);
                None
            }
            None => {
                let what = if after { "what comes of a call" } else { "what is expected" };
                let public =
                    self.names.variables.iter().filter(|(_, public)| **public).map(|(name, _)| name.as_str());
                let known = EXPECTED.into_iter().chain(FACTS).chain(public);
                let help = suggestion(name, known, "it can be");
                let message = format!("`{name}` is not {what} in any test");
                self.findings.push(Diagnostic::error("E306", Some(key.place.clone()), message).help(help));
                None
            }
        }
    }

    fn one_of(&mut self, node: &Node, what: &str, among: &BTreeSet<String>) -> Option<String> {
        let word = fields::text(node, what, self.findings)?;
        if !among.contains(&word) {
            let known: Vec<&str> = among.iter().map(String::as_str).collect();
            self.unknown("E306", node, &word, what, &known);
        }
        Some(word)
    }

    fn texts(&mut self, node: &Node, what: &str) -> Vec<String> {
        fields::items(node).into_iter().filter_map(|node| fields::text(node, what, self.findings)).collect()
    }

    fn pass(&mut self, node: &Node) -> Option<Want> {
        let fields = Fields::of(node, "`pass`", self.findings)?;
        let mut out = Vec::new();
        for (key, value) in fields.pairs {
            let text = match value.scalar() {
                Some(_) => self.scalar(value, key.text()),
                None => Some(self.texts(value, key.text()).join(", ")),
            };
            out.extend(text.map(|text| (key.text().to_owned(), text)));
        }
        Some(Want::Pass(out))
    }

    fn events(&mut self, node: &Node) -> Vec<String> {
        let mut out = Vec::new();
        for node in fields::items(node) {
            let Some(name) = fields::text(node, "an event", self.findings) else { continue };
            if !self.names.events.contains(&name) {
                let known: Vec<&str> = self.names.events.iter().map(String::as_str).collect();
                self.unknown("E306", node, &name, "audit event", &known);
            }
            out.push(name);
        }
        out
    }

    fn called(&mut self, node: &Node) -> Vec<String> {
        fields::items(node).into_iter().filter_map(|node| self.call(node)).collect()
    }
}
