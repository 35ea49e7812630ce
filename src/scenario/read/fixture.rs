//! Fixtures: who is on file, what services say, what is given.

use std::collections::BTreeMap;

use crate::auth::FactorId;
use crate::diagnostic::Diagnostic;
use crate::flow::document::fields::{self, Fields, Node};
use crate::flow::document::findings::suggestion;
use crate::secret::Secret;

use super::super::document::{Fixture, Person, Reply, ReplyKind};
use super::Reader;

/// Words of a fixture that are not a service's call.
const WORDS: [&str; 10] =
    ["enrolled", "voice", "vault", "queue", "message", "notify", "sms", "email", "call", "push"];

impl Reader<'_> {
    pub(super) fn fixtures(&mut self, node: Option<&Node>) -> BTreeMap<String, Fixture> {
        let mut out = BTreeMap::new();
        let Some(fields) = node.and_then(|node| Fields::of(node, "`fixtures`", self.findings)) else {
            return out;
        };
        for (key, value) in fields.pairs {
            let Some(name) = fields::name(key, "a fixture", self.findings) else { continue };
            let mut fixture = Fixture::default();
            self.fixture(value, &mut fixture);
            out.insert(name, fixture);
        }
        out
    }

    /// A base, with the named fixtures over it, with what is given over those.
    pub(super) fn with_and_given(
        &mut self,
        test: &Fields<'_>,
        base: &Fixture,
        fixtures: &BTreeMap<String, Fixture>,
    ) -> Fixture {
        let mut out = base.clone();
        for node in test.get("with").map(fields::items).unwrap_or_default() {
            let Some(name) = fields::text(node, "a fixture", self.findings) else { continue };
            match fixtures.get(&name) {
                Some(fixture) => out.lay_over(fixture),
                None => {
                    let known: Vec<&str> = fixtures.keys().map(String::as_str).collect();
                    self.unknown("E305", node, &name, "fixture", &known);
                }
            }
        }
        if let Some(node) = test.get("given") {
            self.fixture(node, &mut out);
        }
        out
    }

    fn fixture(&mut self, node: &Node, into: &mut Fixture) {
        let Some(fields) = Fields::of(node, "a fixture", self.findings) else { return };
        for (key, value) in fields.pairs {
            match key.text() {
                "enrolled" => self.people(value, into),
                "voice" => self.voice(value, into),
                "vault" | "sms" | "email" | "call" | "push" => {
                    self.fact(key, value, &["unavailable"], into);
                }
                "queue" => self.fact(key, value, &["full", "empty"], into),
                "message" => self.fact(key, value, &["saved", "empty", "failed"], into),
                "notify" => self.fact(key, value, &["sent", "failed"], into),
                call if self.names.calls.contains_key(call) => {
                    let fields = self.names.calls.get(call).cloned().unwrap_or_default();
                    if let Some(reply) = self.reply(value, call, &fields) {
                        into.replies.insert(call.to_owned(), reply);
                    }
                }
                other => {
                    let known: Vec<&str> = self.names.calls.keys().map(String::as_str).chain(WORDS).collect();
                    self.unknown("E304", key, other, "service call or fact", &known);
                }
            }
        }
    }

    fn fact(&mut self, key: &Node, value: &Node, among: &[&str], into: &mut Fixture) {
        let words: Vec<(&str, usize)> = among.iter().copied().zip(0..).collect();
        if let Some(at) = fields::choice(value, key.text(), &words, self.findings)
            && let Some(word) = among.get(at)
        {
            into.facts.insert(key.text().to_owned(), (*word).to_owned());
        }
    }

    fn voice(&mut self, node: &Node, into: &mut Fixture) {
        let Some(fields) = Fields::of(node, "`voice`", self.findings) else { return };
        fields.only(&["match", "synthetic"], "`voice`", self.findings);
        for (key, value) in fields.pairs {
            match hundredths(value.text()) {
                Some(score) => {
                    into.voice.insert(key.text().to_owned(), score);
                }
                None => fields::wrong(value, "a score is from 0 to 1", "write `0.97`", self.findings),
            }
        }
    }

    fn people(&mut self, node: &Node, into: &mut Fixture) {
        let Some(fields) = Fields::of(node, "`enrolled`", self.findings) else { return };
        for (key, value) in fields.pairs {
            let id = key.text().to_owned();
            let Some(about) = Fields::of(value, "a person", self.findings) else { continue };
            let mut known: Vec<&str> =
                vec!["account", "phone", "phones", "name", "language", "pending", "duress"];
            known.extend(self.names.factors.iter().map(|factor| factor.name()));
            let all: Vec<&str> = FactorId::ALL.iter().map(|factor| factor.name()).collect();
            let mut person = Person { id: id.clone(), ..Person::default() };
            for (key, value) in &about.pairs {
                match key.text() {
                    "account" => person.account = fields::text(value, "an account", self.findings),
                    "phone" | "phones" => {
                        let phones = fields::items(value).into_iter();
                        person.phones =
                            phones.filter_map(|node| fields::text(node, "a number", self.findings)).collect();
                    }
                    "language" => person.language = self.language(value),
                    "name" => {}
                    "pending" => person.offered = self.pending(value),
                    "duress" => {
                        person.duress = fields::text(value, "a PIN", self.findings).map(Secret::new);
                    }
                    factor if self.names.factors.iter().any(|known| known.name() == factor) => {
                        let known = FactorId::from_name(factor);
                        let proof = fields::text(value, factor, self.findings);
                        person.factors.extend(known.zip(proof.map(Secret::new)));
                    }
                    factor if all.contains(&factor) => {
                        let message = format!("the policy of this application has no factor `{factor}`");
                        let help = "add it to `factors:` in policy.yaml, or leave it out here";
                        let finding = Diagnostic::error("E306", Some(key.place.clone()), message).help(help);
                        self.findings.push(finding);
                    }
                    other => self.unknown("E306", key, other, "factor or field of a person", &known),
                }
            }
            into.people.retain(|other| other.id != id);
            into.people.push(person);
        }
    }

    /// `{totp: any-seed}`
    fn pending(&mut self, node: &Node) -> Vec<(FactorId, Secret<String>)> {
        let Some(fields) = Fields::of(node, "`pending`", self.findings) else { return Vec::new() };
        let mut offered = Vec::new();
        fields.only(&["totp", "hotp"], "`pending`", self.findings);
        for factor in [FactorId::Totp, FactorId::Hotp] {
            let seed = fields.get(factor.name()).and_then(|node| fields::text(node, "a seed", self.findings));
            offered.extend(seed.map(|seed| (factor, Secret::new(seed))));
        }
        offered
    }

    pub(super) fn language(&mut self, node: &Node) -> Option<String> {
        let tag = fields::text(node, "a language", self.findings)?;
        if self.names.languages.contains(&tag) {
            return Some(tag);
        }
        let known: Vec<&str> = self.names.languages.iter().map(String::as_str).collect();
        self.unknown("E306", node, &tag, "language", &known);
        None
    }

    /// `unavailable`, `{ok: {balance: "1.00 GBP"}}`, `{slow: 3s, ok: {…}}`, `{slow: 3s}`
    pub(super) fn reply(&mut self, node: &Node, call: &str, declared: &[String]) -> Option<Reply> {
        if node.scalar().is_some() {
            let what = fields::choice(node, call, &WORD_REPLIES, self.findings)?;
            return Some(Reply { delay: None, what: word_reply(what) });
        }
        let fields = Fields::of(node, "a reply", self.findings)?;
        let mut reply = Reply { delay: None, what: ReplyKind::Usual };
        for (key, value) in fields.pairs {
            match key.text() {
                "slow" => reply.delay = fields::duration(value, "slow", self.findings),
                "ok" | "one" | "paid" | "found" => {
                    let one = key.text() == "one";
                    reply.what = ReplyKind::Fields(self.reply_fields(value, call, declared, one)?);
                }
                word => match WORD_REPLIES.iter().find(|(known, _)| *known == word) {
                    Some((_, what)) => reply.what = word_reply(*what),
                    None => {
                        let known = ["ok", "one", "paid", "slow"].into_iter();
                        let known = known.chain(WORD_REPLIES.iter().map(|(word, _)| *word));
                        let help = suggestion(word, known, "it can say");
                        let message = format!("a service can't say `{word}`");
                        let place = Some(key.place.clone());
                        self.findings.push(Diagnostic::error("E308", place, message).help(help));
                    }
                },
            }
        }
        Some(reply)
    }

    /// The fields of a reply, held against what the service declares. Of a person that was found only the
    /// identifier counts: the rest is for people who read the test.
    fn reply_fields(
        &mut self,
        node: &Node,
        call: &str,
        declared: &[String],
        one: bool,
    ) -> Option<Vec<(String, String)>> {
        let fields = Fields::of(node, "a reply", self.findings)?;
        let mut out: Vec<(String, String)> = Vec::new();
        for (key, value) in &fields.pairs {
            let name = match (key.text(), declared) {
                ("id", [only]) if one && only != "id" => only.as_str(),
                (name, _) => name,
            };
            if declared.iter().any(|field| field == name) {
                out.extend(self.scalar(value, name).map(|text| (name.to_owned(), text)));
            } else if !one {
                let help = suggestion(name, declared.iter().map(String::as_str), "it declares");
                let message = format!("`{call}` declares no field `{name}` in its reply");
                self.findings.push(Diagnostic::error("E308", Some(key.place.clone()), message).help(help));
            }
        }
        for name in declared.iter().filter(|name| !fields.pairs.iter().any(|(key, _)| is(key, name, one))) {
            let message = format!("the reply of `{call}` lacks `{name}`, which it declares");
            let help = format!("add `{name}: …`; a real reply without it counts as unavailable");
            self.findings.push(Diagnostic::error("E308", Some(node.place.clone()), message).help(help));
        }
        Some(out)
    }

    /// Text, a number or a truth, as written.
    pub(super) fn scalar(&mut self, node: &Node, what: &str) -> Option<String> {
        match node.scalar() {
            Some(scalar) if scalar.plain && matches!(scalar.text.as_str(), "true" | "false") => {
                Some(scalar.text.clone())
            }
            _ => fields::text(node, what, self.findings),
        }
    }
}

fn is(key: &Node, name: &str, one: bool) -> bool {
    key.text() == name || (one && key.text() == "id")
}

impl Fixture {
    /// Everything of `other`, and what is only here.
    fn lay_over(&mut self, other: &Self) {
        for person in &other.people {
            self.people.retain(|mine| mine.id != person.id);
            self.people.push(person.clone());
        }
        self.replies.extend(other.replies.iter().map(|(call, reply)| (call.clone(), reply.clone())));
        self.facts.extend(other.facts.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.voice.extend(other.voice.iter().map(|(name, score)| (name.clone(), *score)));
    }
}

/// Replies without fields.
const WORD_REPLIES: [(&str, u8); 6] =
    [("none", 0), ("not_found", 0), ("many", 1), ("declined", 2), ("unavailable", 3), ("ok", 4)];

const fn word_reply(what: u8) -> ReplyKind {
    match what {
        0 => ReplyKind::NotFound,
        1 => ReplyKind::Many,
        2 => ReplyKind::Declined,
        3 => ReplyKind::Unavailable,
        _ => ReplyKind::Fields(Vec::new()),
    }
}

/// `0.97` as 97.
pub(super) fn hundredths(text: &str) -> Option<u8> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(whole, "0" | "1") || part.len() > 2 || !digits(part) {
        return None;
    }
    let score = whole.parse::<u8>().ok()? * 100 + format!("{part:0<2}").parse::<u8>().ok()?;
    (score <= 100).then_some(score)
}
