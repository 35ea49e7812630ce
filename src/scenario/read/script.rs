//! Scripts: what the caller does and hears, verb by verb.

use std::time::Duration;

use crate::auth::FactorId;
use crate::diagnostic::{Diagnostic, Place};
use crate::flow::document::fields::{self, Fields, Node};
use crate::flow::document::findings::suggestion;
use crate::units::Digit;

use super::super::document::{Act, AgentAct, Keys, Reply, ReplyKind, Verb, Voice};
use super::Reader;
use super::fixture::hundredths;

/// Every verb of a script.
pub(crate) const VERBS: [&str; 21] = [
    "hears",
    "not_hears",
    "presses",
    "presses_wrong",
    "says",
    "says_badly",
    "noise",
    "voice",
    "silent",
    "chooses",
    "reads_code",
    "tries",
    "speaks",
    "answers",
    "slow",
    "agent",
    "advance",
    "skips_to",
    "expects",
    "ends",
    "hangs_up",
];

/// What can stand beside a verb, and beside which.
const OPTIONS: [(&str, &[&str]); 7] = [
    ("at_once", &["presses"]),
    ("gap", &["presses"]),
    ("times", &["presses_wrong"]),
    ("with", &["answers"]),
    ("once", &["answers"]),
    ("confidence", &["says"]),
    ("note", &VERBS),
];

/// What can stand beside verbs.
pub(crate) fn options() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|(name, _)| *name)
}

/// From one key to the next, the key included: 100 ms of key, 60 ms of pause, as phones dial.
pub(crate) const KEY_TIME: Duration = Duration::from_millis(160);
/// How sure a recogniser is of words said clearly, and of those said badly.
const CLEARLY: u8 = 95;
const BADLY: u8 = 30;

impl Reader<'_> {
    /// The acts of a list.
    pub(super) fn script(&mut self, node: &Node) -> Vec<Act> {
        let mut out = Vec::new();
        for item in fields::items(node) {
            self.acts(item, &[], &mut out);
        }
        out
    }

    /// The verbs of one mapping, in the order written; `others` are keys that mean something else there.
    pub(super) fn acts(&mut self, node: &Node, others: &[&str], out: &mut Vec<Act>) {
        let Some(fields) = Fields::of(node, "a step of a script", self.findings) else { return };
        for (key, value) in &fields.pairs {
            let word = key.text();
            if others.contains(&word) {
                continue;
            }
            if let Some((_, of)) = OPTIONS.iter().find(|(name, _)| *name == word) {
                if !fields.pairs.iter().any(|(key, _)| of.contains(&key.text())) {
                    let message = format!("`{word}` stands beside {}", of.join(" or "));
                    let finding = Diagnostic::error("E301", Some(key.place.clone()), message)
                        .help(format!("write `- {}: …` first", of.first().copied().unwrap_or("presses")));
                    self.findings.push(finding);
                }
                continue;
            }
            if !VERBS.contains(&word) {
                let message = format!("a caller in a test can't `{word}`");
                let help = suggestion(word, VERBS, "the verbs are");
                let place = Some(key.place.clone());
                self.findings
                    .push(Diagnostic::error("E301", place, message).label("unknown verb").help(help));
                continue;
            }
            if let Some(verb) = self.verb(word, value, &fields) {
                out.push(Act { place: verb_place(key, value), verb });
            }
        }
    }

    fn verb(&mut self, word: &str, value: &Node, fields: &Fields<'_>) -> Option<Verb> {
        Some(match word {
            "hears" => Verb::Hears(self.prompts(value)?),
            "not_hears" => Verb::NotHears(self.prompts(value)?),
            "presses" => Verb::Presses(Keys {
                keys: self.keys(value)?,
                at_once: self.flag(fields, "at_once"),
                gap: self.duration(fields, "gap").unwrap_or(KEY_TIME),
            }),
            "presses_wrong" => {
                let times = fields.get("times");
                let times = times.and_then(|node| fields::count(node, "times", 1..=100, self.findings));
                Verb::PressesWrong { factor: self.factor(value)?, times: times.unwrap_or(1) }
            }
            "reads_code" | "tries" => Verb::Enters { factor: self.factor(value)? },
            "speaks" => Verb::SaysRight { factor: self.factor(value)? },
            "says" => {
                let words = fields::text(value, "what is said", self.findings)?;
                let confidence = fields.get("confidence").and_then(|node| {
                    let found = hundredths(node.text());
                    if found.is_none() {
                        fields::wrong(node, "a score is from 0 to 1", "write `0.8`", self.findings);
                    }
                    found
                });
                Verb::Says { words, confidence: confidence.unwrap_or(CLEARLY) }
            }
            "says_badly" => {
                let words = fields::text(value, "what is said", self.findings)?;
                Verb::Says { words, confidence: BADLY }
            }
            "noise" => Verb::Says { words: String::new(), confidence: 0 },
            "voice" => self.speaks(value)?,
            "silent" => Verb::Silent(fields::duration(value, "silent", self.findings)?),
            "advance" => Verb::Advance(fields::duration(value, "advance", self.findings)?),
            "chooses" => Verb::Chooses(self.choice(value)?),
            "answers" => self.answers(value, fields)?,
            "slow" => self.slow(value)?,
            "agent" => Verb::Agent(self.agent(value)?),
            "skips_to" => Verb::SkipsTo(self.block(value)?),
            "ends" => Verb::Ends(self.ending(value)?),
            "expects" => Verb::Expects(self.expects(value, false)),
            _ => Verb::HangsUp,
        })
    }

    /// Whose voice says what is asked for.
    fn speaks(&mut self, node: &Node) -> Option<Verb> {
        let voices = [
            ("genuine", (Voice::Genuine, true)),
            ("other", (Voice::Other, true)),
            ("unsure", (Voice::Unsure, true)),
            ("replay", (Voice::Replay, true)),
            ("prompt", (Voice::Prompt, true)),
            ("joined", (Voice::Joined, true)),
            ("wrong_words", (Voice::Genuine, false)),
            ("badly", (Voice::Badly, true)),
            ("fraudster", (Voice::Fraudster, true)),
        ];
        let (voice, right) = fields::choice(node, "voice", &voices, self.findings)?;
        Some(Verb::Speaks { voice, right })
    }

    fn flag(&mut self, fields: &Fields<'_>, name: &str) -> bool {
        fields.get(name).and_then(|node| fields::flag(node, name, self.findings)).unwrap_or(false)
    }

    fn duration(&mut self, fields: &Fields<'_>, name: &str) -> Option<Duration> {
        fields.get(name).and_then(|node| fields::duration(node, name, self.findings))
    }

    fn prompts(&mut self, node: &Node) -> Option<Vec<String>> {
        let mut out = Vec::new();
        for node in fields::items(node) {
            let key = fields::text(node, "a prompt", self.findings)?;
            if self.names.prompts.contains(&key) {
                out.push(key);
            } else {
                let known: Vec<&str> = self.names.prompts.iter().map(String::as_str).collect();
                self.unknown("E302", node, &key, "prompt", &known);
            }
        }
        if out.is_empty() && self.findings.errors() == 0 {
            fields::wrong(node, "nothing is named here", "write the key of a prompt", self.findings);
        }
        Some(out)
    }

    fn keys(&mut self, node: &Node) -> Option<Vec<Digit>> {
        let text = fields::text(node, "keys", self.findings)?;
        let named = match text.as_str() {
            "star" => Some(vec![Digit::STAR]),
            "hash" | "pound" => Some(vec![Digit::HASH]),
            typed => typed.chars().filter(|c| *c != ' ').map(Digit::from_char).collect(),
        };
        match named.filter(|keys| !keys.is_empty()) {
            Some(keys) => Some(keys),
            None => {
                let message = "no telephone has these keys".to_owned();
                let help = "write them in quotes as they are pressed: \"804215#\", \"1\", \"*\"";
                fields::wrong(node, message, help, self.findings);
                None
            }
        }
    }

    fn factor(&mut self, node: &Node) -> Option<FactorId> {
        let word = fields::text(node, "a factor", self.findings)?;
        let found = self.names.factors.iter().copied().find(|factor| factor.name() == word);
        if found.is_none() {
            let known: Vec<&str> = self.names.factors.iter().map(|factor| factor.name()).collect();
            self.unknown("E306", node, &word, "factor", &known);
        }
        found
    }

    fn choice(&mut self, node: &Node) -> Option<String> {
        let word = fields::text(node, "a choice", self.findings)?;
        if !self.names.choices.contains(&word) {
            let known: Vec<&str> = self.names.choices.iter().map(String::as_str).collect();
            self.unknown("E306", node, &word, "choice", &known);
        }
        Some(word)
    }

    pub(super) fn block(&mut self, node: &Node) -> Option<String> {
        let word = fields::text(node, "a block", self.findings)?;
        if !self.names.blocks.contains(&word) {
            let known: Vec<&str> = self.names.blocks.iter().map(String::as_str).collect();
            self.unknown("E303", node, &word, "block", &known);
        }
        Some(word)
    }

    fn ending(&mut self, node: &Node) -> Option<String> {
        let word = fields::text(node, "an end", self.findings)?;
        if !self.names.blocks.contains(&word) && !self.names.outcomes.contains(&word) {
            let known: Vec<&str> =
                self.names.blocks.iter().chain(&self.names.outcomes).map(String::as_str).collect();
            self.unknown("E303", node, &word, "block or outcome", &known);
        }
        Some(word)
    }

    /// `answers: accounts.balance` with `with: …` beside it, or `answers: {service: …, with: …}`.
    fn answers(&mut self, node: &Node, fields: &Fields<'_>) -> Option<Verb> {
        let inner = match node.scalar() {
            Some(_) => fields.clone(),
            None => {
                let inner = Fields::of(node, "`answers`", self.findings)?;
                inner.only(&["service", "with", "once"], "`answers`", self.findings);
                inner
            }
        };
        let name = match node.scalar() {
            Some(_) => Some(node),
            None => inner.need("service", "`answers`", self.findings),
        }?;
        let call = self.call(name)?;
        let declared = self.names.calls.get(&call).cloned().unwrap_or_default();
        let with = inner.need("with", "`answers`", self.findings)?;
        let reply = self.reply(with, &call, &declared)?;
        let once = self.flag(&inner, "once");
        Some(Verb::Answers { call, reply, once })
    }

    /// `slow: {accounts.balance: 5s}`
    fn slow(&mut self, node: &Node) -> Option<Verb> {
        let fields = Fields::of(node, "`slow`", self.findings)?;
        let Some((key, value)) = fields.pairs.first() else {
            fields::wrong(node, "which service is slow?", "write `slow: {crm.balance: 5s}`", self.findings);
            return None;
        };
        let call = self.call(key)?;
        let delay = fields::duration(value, "slow", self.findings)?;
        Some(Verb::Answers { call, reply: Reply { delay: Some(delay), what: ReplyKind::Usual }, once: false })
    }

    pub(super) fn call(&mut self, node: &Node) -> Option<String> {
        let word = fields::text(node, "a service call", self.findings)?;
        if self.names.calls.contains_key(&word) {
            return Some(word);
        }
        let known: Vec<&str> = self.names.calls.keys().map(String::as_str).collect();
        self.unknown("E304", node, &word, "service call", &known);
        None
    }

    /// `agent: accepts`, or `agent: {accepts: alice}` to say who.
    fn agent(&mut self, node: &Node) -> Option<AgentAct> {
        if let Some([(key, who)]) = node.mapping()
            && key.text() == "accepts"
        {
            return Some(AgentAct::Accepts { name: fields::text(who, "an agent", self.findings)? });
        }
        let words =
            [("accepts", 0), ("rejects", 1), ("busy", 2), ("no_answer", 3), ("fails", 4), ("hangs_up", 5)];
        Some(match fields::choice(node, "agent", &words, self.findings)? {
            0 => AgentAct::Accepts { name: "alice".to_owned() },
            1 => AgentAct::Rejects,
            2 => AgentAct::Busy,
            3 => AgentAct::NoAnswer,
            4 => AgentAct::Fails,
            _ => AgentAct::HangsUp,
        })
    }
}

/// The verb together with what is on its line, so that a caret shows both.
fn verb_place(key: &Node, value: &Node) -> Place {
    let end = if value.is_empty() { key.place.span.end } else { value.place.span.end };
    Place { source: key.place.source.clone(), span: key.place.span.start..end.max(key.place.span.end) }
}
