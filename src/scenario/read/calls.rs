//! Calls: where they come from, what the line does, and their scripts.

use std::sync::Arc;
use std::time::Duration;

use crate::flow::document::fields::{self, Fields, Node};

use crate::flow::run::{Attestation, Journey};
use crate::sip::Diversions;

use super::super::document::{CallScript, LineFaults};
use super::Reader;

/// Who calls when a test does not say: a number of the range that is kept for films and examples.
const SOME_NUMBER: &str = "+441632960001";

/// What is said of a call before it begins.
const OF_AN_INVITE: [&str; 11] = [
    "from",
    "to",
    "attestation",
    "verstat",
    "language",
    "private",
    "user_to_user",
    "diversions",
    "first_called",
    "diverted_by",
    "diversion_reason",
];

/// What stands beside the verbs of a call.
const OF_A_CALL: [&str; 4] = ["call", "line", "script", "note"];

impl Reader<'_> {
    /// The calls of a test: one with its script, or several that each begin with the test's script.
    pub(super) fn calls(&mut self, test: &Fields<'_>) -> Vec<CallScript> {
        let Some(node) = test.get("calls") else {
            let mut call = self.call_of(test, &test.place);
            call.script = test.get("script").map(|node| self.script(node)).unwrap_or_default();
            return vec![call];
        };
        let mut out = Vec::new();
        for item in fields::items(node) {
            let Some(own) = Fields::of(item, "a call", self.findings) else { continue };
            let about = if own.get("call").is_some() { &own } else { test };
            let mut call = self.call_of(about, &item.place);
            if let Some(line) = own.get("line").or_else(|| test.get("line")) {
                call.line = self.line(line);
            }
            call.after = own
                .get("advance")
                .and_then(|node| fields::duration(node, "advance", self.findings))
                .unwrap_or(BETWEEN_CALLS);
            call.script = test.get("script").map(|node| self.script(node)).unwrap_or_default();
            let mut others = OF_A_CALL.to_vec();
            others.push("advance");
            self.acts(item, &others, &mut call.script);
            if let Some(node) = own.get("script") {
                call.script.extend(self.script(node));
            }
            out.push(call);
        }
        out
    }

    fn call_of(&mut self, test: &Fields<'_>, place: &crate::diagnostic::Place) -> CallScript {
        let mut call = CallScript::from(place.clone(), Some(SOME_NUMBER.to_owned()));
        call.line = test.get("line").and_then(|node| self.line(node));
        let Some(fields) = test.get("call").and_then(|node| Fields::of(node, "`call`", self.findings)) else {
            return call;
        };
        fields.only(&OF_AN_INVITE, "`call`", self.findings);
        if let Some(node) = fields.get("from") {
            let from = fields::text(node, "a number", self.findings);
            call.from = from.filter(|from| from != "anonymous");
        }
        if let Some(node) = fields.get("to") {
            call.to = fields::text(node, "a number", self.findings).unwrap_or_default();
        }
        if let Some(node) = fields.get("attestation") {
            let words = ["A", "B", "C", "none"].map(|name| (name, Attestation::from_name(name)));
            call.attestation = fields::choice(node, "attestation", &words, self.findings).flatten();
        }
        // A level is signed: whoever says one says that it was verified.
        call.number.verstat = call.attestation.map(|_| "passed");
        if let Some(node) = fields.get("verstat") {
            let words = [("passed", Some("passed")), ("failed", Some("failed")), ("none", None)];
            call.number.verstat = fields::choice(node, "verstat", &words, self.findings).flatten();
        }
        call.language = fields.get("language").and_then(|node| self.language(node));
        self.journey(&fields, &mut call.journey);
        call
    }

    fn journey(&mut self, call: &Fields<'_>, journey: &mut Journey) {
        if let Some(node) = call.get("private") {
            journey.private = fields::flag(node, "private", self.findings).unwrap_or(false);
        }
        let mut text = |name| call.get(name).and_then(|node| fields::text(node, "a text", self.findings));
        journey.user_to_user = text("user_to_user").map(Arc::from);
        journey.diverted_by = text("diverted_by").map(Arc::from);
        // Who was called first sent it here where nobody else did.
        journey.first_called = text("first_called").map(Arc::from).or_else(|| journey.diverted_by.clone());
        if let Some(node) = call.get("diversion_reason") {
            let words = Diversions::REASONS.map(|word| (word, word));
            journey.diversion_reason = fields::choice(node, "diversion_reason", &words, self.findings);
        }
        let times = call.get("diversions");
        let times = times.and_then(|node| fields::count(node, "diversions", 0..=100, self.findings));
        let sent_on = journey.first_called.is_some() || journey.diversion_reason.is_some();
        journey.diversions = Some(times.unwrap_or(u32::from(sent_on)));
    }

    fn line(&mut self, node: &Node) -> Option<LineFaults> {
        let fields = Fields::of(node, "`line`", self.findings)?;
        fields.only(
            &["dtmf", "loss", "doubled", "marker", "end", "jitter", "one_way"],
            "`line`",
            self.findings,
        );
        let mut faults = LineFaults { events: true, ..LineFaults::default() };
        if let Some(node) = fields.get("dtmf") {
            faults.events = false;
            for node in fields::items(node) {
                match fields::choice(
                    node,
                    "dtmf",
                    &[("rfc4733", 0), ("inband", 1), ("info", 2)],
                    self.findings,
                ) {
                    Some(0) => faults.events = true,
                    Some(1) => faults.tones = true,
                    Some(_) => faults.info = true,
                    None => {}
                }
            }
        }
        let share = |this: &mut Self, name: &str| {
            fields.get(name).and_then(|node| this.percent(node, name)).unwrap_or(0)
        };
        faults.loss = share(self, "loss");
        faults.doubled = share(self, "doubled");
        let missing = |this: &mut Self, name: &str| {
            fields
                .get(name)
                .and_then(|node| {
                    fields::choice(node, name, &[("missing", true), ("present", false)], this.findings)
                })
                .unwrap_or(false)
        };
        faults.no_marker = missing(self, "marker");
        faults.no_end = missing(self, "end");
        if let Some(node) = fields.get("jitter") {
            faults.jitter = fields::duration(node, "jitter", self.findings).unwrap_or_default();
        }
        if let Some(node) = fields.get("one_way") {
            faults.one_way = fields::flag(node, "one_way", self.findings).unwrap_or(false);
        }
        Some(faults)
    }
}

/// From the end of one call to the next, unless `advance` says otherwise.
const BETWEEN_CALLS: Duration = Duration::from_secs(60);
