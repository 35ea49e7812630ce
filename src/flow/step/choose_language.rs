//! `choose_language`: which language the call goes on in.

use std::time::Instant;

use crate::flow::document::fields::{self, Fields};
use crate::flow::document::{Input, LanguageId, Prompt, Words};
use crate::flow::run::FlowRun;
use crate::units::Digit;
use super::{FieldSpec, Node, Reader, Shape, Spec, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "choose_language",
    summary: "Has the caller choose a language. Its prompt is said in each of them, in the order of the keys; the call goes on with the next step.",
    argument: Shape::Prompt,
    fields: &[
        FieldSpec::required("keys", Shape::KeyMap("a language"), "which key chooses which language"),
        FieldSpec::optional("remember", Shape::Choice(&["call", "caller"]), "`call`: for this call, which is usual; `caller`: whoever calls again is not asked again, but goes on in the language of last time"),
        FieldSpec::optional("words", Shape::Map("a language", &Shape::Text), "phrases of the catalogues that choose a language, each said in that language, where the engine has a recogniser: `{en-GB: english_words, es-ES: spanish_words}`"),
        FieldSpec::optional("give_up", Shape::Object(&[FieldSpec::required("language", Shape::Text, "a language, or `default`")]), "`{language: default}`: the language after the last try"),
    ],
    outcomes: &[],
    needs_caller: true,
    input: true,
    example: r#"- choose_language: choose_language
  keys: {"1": en-GB, "2": es-ES}
  give_up: {language: default}
"#,
    read,
};

/// `choose_language`
#[derive(Debug)]
pub struct ChooseLanguage {
    /// What to say, each prompt in its own language; empty when the prompt before has said it.
    pub prompts: Vec<(LanguageId, Prompt)>,
    /// Which key chooses which language.
    pub keys: Vec<(Digit, LanguageId)>,
    /// What may be said for a language, in its own words.
    pub words: Vec<(LanguageId, Words)>,
    /// Timers and ladders.
    pub input: Input,
    /// The language taken when the tries are used up; the call goes on.
    pub give_up: LanguageId,
    /// How long the choice lasts.
    pub remember: Remember,
}

/// How long a chosen language lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remember {
    /// For this call.
    Call,
    /// For the calls that follow.
    Caller,
}

/// The name by which a language is remembered.
const MEMORY: &str = "language";

impl FlowRun {
    /// The caller chose: spoken from now on, and from the start of their next call if the step says so.
    pub(crate) fn chose_language(&mut self, now: Instant, step: &ChooseLanguage, language: LanguageId) {
        self.speak(language);
        self.know_language();
        if step.remember == Remember::Caller {
            let tag = self.language().to_owned();
            self.remember(now, MEMORY, &tag);
        }
    }
}

/// It is known what the caller chose last time.
fn recalled(run: &mut FlowRun, now: Instant, tag: Option<String>) {
    let app = run.application();
    let Some(StepKind::ChooseLanguage(step)) = run.current(&app) else {
        return run.fail(now, "a choice of languages that is gone");
    };
    let offered = |(_, language): &&(Digit, LanguageId)| app.language(*language) == tag.as_deref();
    match step.keys.iter().find(offered) {
        Some((_, language)) => {
            run.speak(*language);
            run.know_language();
            run.next_step();
        }
        None => run.begin_asking(now),
    }
}

impl Node for ChooseLanguage {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn input(&self) -> Option<&Input> {
        Some(&self.input)
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(true)
    }

    fn wants_key(&self, key: Digit) -> bool {
        self.keys.iter().any(|(own, _)| *own == key)
    }

    fn waits(&self, _outcome: &str) -> bool {
        true
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        // Asked twice in one call, the caller wants another one.
        if self.remember == Remember::Caller && !run.knows_language() {
            run.recall(now, MEMORY, recalled);
        } else {
            run.begin_asking(now);
        }
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let node = step.need("keys")?;
    let mut keys = Vec::new();
    for (key, value) in Fields::of(node, "`keys`", step.build.findings)?.pairs {
        let digit = fields::digit(key, step.build.findings);
        let language = language(step, value);
        keys.extend(digit.zip(language));
    }
    let lasts = [("call", Remember::Call), ("caller", Remember::Caller)];
    let remember = match step.get("remember") {
        Some(node) => fields::choice(node, "remember", &lasts, step.build.findings)?,
        None => Remember::Call,
    };
    let give_up = give_up(step)?;
    let mut prompts = Vec::new();
    if !step.argument.is_empty() {
        for (_, language) in &keys {
            prompts.push((*language, step.build.prompt(step.argument, &[])?));
        }
    }
    let words = words(step)?;
    let input = step.input(&[]);
    Some(StepKind::ChooseLanguage(ChooseLanguage { prompts, keys, words, input, give_up, remember }))
}

/// `{en-GB: english_words, es-ES: spanish_words}`
fn words(step: &mut Reader<'_, '_, '_>) -> Option<Vec<(LanguageId, Words)>> {
    let Some(node) = step.get("words") else { return Some(Vec::new()) };
    let mut out = Vec::new();
    let mut said = Vec::new();
    for (key, value) in Fields::of(node, "`words`", step.build.findings)?.pairs {
        let (language, words) = (language(step, key)?, step.build.words(value)?);
        said.push((value.place.clone(), words.clone()));
        out.push((language, words));
    }
    step.build.distinct(&said);
    Some(out)
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
