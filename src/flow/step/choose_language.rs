//! `choose_language`: which language the call goes on in.

use super::{Reader, Spec};
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::{ChooseLanguage, LanguageId, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "choose_language",
    summary: "Has the caller choose a language; its prompt is said in each of them, in the order of the keys.",
    fields: &[
        ("keys", "which key chooses which language"),
        ("remember", "`call`: for this call"),
        ("give_up", "`{language: default}`: the language after the last try"),
    ],
    outcomes: &[],
    needs_caller: true,
    input: true,
    read,
};

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let node = step.need("keys")?;
    let mut keys = Vec::new();
    for (key, value) in Fields::of(node, "`keys`", step.build.findings)?.pairs {
        let digit = fields::digit(key, step.build.findings);
        let language = language(step, value);
        keys.extend(digit.zip(language));
    }
    if let Some(node) = step.get("remember") {
        if node.text() == "caller" {
            fields::not_yet(&node.place, "`remember: caller`", step.build.findings);
        } else {
            fields::choice(node, "remember", &[("call", ())], step.build.findings);
        }
    }
    let give_up = give_up(step)?;
    let mut prompts = Vec::new();
    if !step.argument.is_empty() {
        for (_, language) in &keys {
            prompts.push((*language, step.build.prompt(step.argument, &[])?));
        }
    }
    let input = step.input(&[]);
    Some(StepKind::ChooseLanguage(ChooseLanguage { prompts, keys, input, give_up }))
}

fn give_up(step: &mut Reader<'_, '_, '_>) -> Option<LanguageId> {
    let default = step.build.shared.default_language;
    let Some(node) = step.get("give_up") else { return Some(default) };
    let fields = Fields::of(node, "`give_up`", step.build.findings)?;
    fields.only(&["language"], "`give_up` of `choose_language`", step.build.findings);
    let node = fields.need("language", "`give_up` of `choose_language`", step.build.findings)?;
    if node.text() == "default" { Some(default) } else { language(step, node) }
}

fn language(step: &mut Reader<'_, '_, '_>, node: &fields::Node) -> Option<LanguageId> {
    let tag = fields::text(node, "a language", step.build.findings)?;
    let languages = &step.build.shared.languages;
    let found = languages.iter().position(|language| *language == tag).and_then(|at| u8::try_from(at).ok());
    if found.is_none() {
        let help = super::suggestion(&tag, languages.iter().map(String::as_str), "languages on offer");
        step.error("E182", &node.place, format!("the application does not offer `{tag}`"), help);
    }
    found.map(LanguageId)
}
