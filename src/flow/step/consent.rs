//! `consent`: ask whether something may be done, and keep the answer.

use std::time::Instant;

use crate::auth::AuditKind;
use crate::diagnostic::Diagnostic;
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::{Input, Prompt, VarId};
use crate::flow::run::values::Value;
use crate::flow::run::{CONSENT_GRANTED, CONSENT_REFUSED, CONSENT_UNKNOWN, FlowRun, Name, TraceEvent};
use crate::units::Digit;
use super::notice::OncePer;
use super::yes_no::YesNo;
use super::{FieldSpec, Node, Reader, Shape, Spec, StepKind};

/// The name by which an answer is remembered.
pub(super) fn memory(purpose: &str) -> String {
    format!("consent/{purpose}")
}

pub(super) const SPEC: Spec = Spec {
    verb: "consent",
    summary: "Asks whether something may be done. The answer is `consent.PURPOSE` from then on (`granted`, `refused`; `unknown` before), and is put on record with the version and the language of what was said. Silence is never consent.",
    argument: Shape::Text,
    fields: &[
        FieldSpec::optional("prompt", Shape::Prompt, "what is said; the prompt of the purpose's name when left out"),
        FieldSpec::required("keys", Shape::KeyMap("`granted` or `refused`"), "which key means what"),
        FieldSpec::optional("words", Shape::Map("`granted` or `refused`", &Shape::Text), "phrases of the catalogues that mean it, beside the usual words, where the engine has a recogniser"),
        FieldSpec::optional("version", Shape::Text, "which version of the text this is, for the record"),
        FieldSpec::optional("once_per", Shape::Choice(&["call", "caller", "version"]), "asks once: in this call, this caller, or this caller until the version changes; each time when left out. Of a caller who has proved who they are the answer is remembered, until a `withdraw`; silence never is. Anybody else is asked"),
        FieldSpec::optional("otherwise", Shape::Choice(&["refused", "unknown"]), "what holds after the last try; `refused` when left out"),
    ],
    outcomes: &[],
    needs_caller: true,
    input: true,
    example: r#"- consent: call_recording
  keys: {"1": granted, "2": refused}
  version: "2026-01"
  otherwise: refused
"#,
    read,
};

/// `consent`
#[derive(Debug)]
pub struct Consent {
    /// What for.
    pub purpose: String,
    /// Where the answer is kept.
    pub into: VarId,
    /// What is said.
    pub prompt: Prompt,
    /// The keys and words that grant it, and those that refuse it.
    pub answers: YesNo,
    /// Which version of the text.
    pub version: Option<String>,
    /// Whether silence counts as a refusal; else it is `unknown`. It never grants anything.
    pub silence_refuses: bool,
    /// Whether it is asked once only.
    pub once_per: Option<OncePer>,
    /// Timers and ladders.
    pub input: Input,
}

impl Node for Consent {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prompts(&self) -> Vec<&Prompt> {
        vec![&self.prompt]
    }

    fn input(&self) -> Option<&Input> {
        Some(&self.input)
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(true)
    }

    fn wants_key(&self, key: Digit) -> bool {
        self.answers.keys().any(|own| own == key)
    }

    fn waits(&self, _outcome: &str) -> bool {
        true
    }

    fn gave_up(&self, run: &mut FlowRun, now: Instant) {
        run.consented(now, self, None);
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        if self.once_per.is_some() && run.has_answered(self.into) {
            return run.next_step();
        }
        // A claim proves nothing: nobody agrees in the name of whoever has this telephone.
        let proved = run.auth().level(now).name().is_some();
        match self.once_per {
            Some(OncePer::Caller | OncePer::Version) if proved => {
                run.recall(now, &memory(&self.purpose), recalled);
            }
            _ => run.begin_asking(now),
        }
    }
}

/// It is known what the caller said before, if anything.
fn recalled(run: &mut FlowRun, now: Instant, kept: Option<String>) {
    let app = run.application();
    let Some(StepKind::Consent(step)) = run.current(&app) else {
        return run.fail(now, "a consent that is gone");
    };
    let kept = kept.unwrap_or_default();
    let (answer, version) = kept.split_once(' ').unwrap_or((&kept, ""));
    let holds = step.once_per == Some(OncePer::Caller) || Some(version) == step.version.as_deref();
    match answer {
        CONSENT_GRANTED if holds => run.holds_on(step, CONSENT_GRANTED),
        CONSENT_REFUSED if holds => run.holds_on(step, CONSENT_REFUSED),
        _ => run.begin_asking(now),
    }
}

impl FlowRun {
    /// What the caller said in an earlier call holds in this one.
    fn holds_on(&mut self, step: &Consent, answer: &'static str) {
        self.store(step.into, Value::text(answer));
        let (purpose, version) = (step.purpose.as_str(), step.version.as_deref().unwrap_or_default());
        let (purpose, version, language) =
            (Name::from(purpose), Name::from(version), Name::from(self.language()));
        self.trace(TraceEvent::Consent { purpose, answer, version, language });
        if answer == CONSENT_GRANTED {
            self.agreed_by(&step.purpose, step.version.as_deref().unwrap_or_default());
        }
        self.next_step();
        self.record_after(step.into, answer == CONSENT_GRANTED);
    }

    /// Keeps an answer, tells of it, and goes on. `None`: the caller gave none.
    pub(crate) fn consented(&mut self, now: Instant, step: &Consent, granted: Option<bool>) {
        let answer = match granted {
            Some(true) => CONSENT_GRANTED,
            Some(false) => CONSENT_REFUSED,
            None if step.silence_refuses => CONSENT_REFUSED,
            None => CONSENT_UNKNOWN,
        };
        self.store(step.into, Value::text(answer));
        let version = step.version.as_deref().unwrap_or_default();
        let language = self.language().to_owned();
        if answer == CONSENT_GRANTED {
            self.agreed_by(&step.purpose, version);
        }
        let facts = [
            ("purpose", step.purpose.as_str()),
            ("answer", answer),
            ("by", if granted.is_some() { "caller" } else { "silence" }),
            ("version", version),
            ("language", &language),
        ];
        let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
        let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.note(AuditKind::Noted { name: String::from("consent"), facts });
        self.trace(TraceEvent::Consent {
            purpose: Name::from(step.purpose.as_str()),
            answer,
            version: Name::from(version),
            language: Name::from(language.as_str()),
        });
        let remembered = matches!(step.once_per, Some(OncePer::Caller | OncePer::Version));
        if remembered && granted.is_some() {
            self.remember_proved(now, &memory(&step.purpose), format!("{answer} {version}").trim_end());
        }
        self.next_step();
        self.record_after(step.into, answer == CONSENT_GRANTED);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let purpose = fields::name(step.argument, "a purpose", step.build.findings)?;
    let into = *step.build.shared.consents.get(&purpose)?;
    let prompt = match step.get("prompt") {
        Some(node) => step.build.prompt(node, &[]),
        None => step.build.prompt(step.argument, &[]),
    };
    let keys = keys(step)?;
    let answers = YesNo::read(step, ["granted", "refused"], keys, "`words` of `consent`")?;
    let version = match step.get("version") {
        Some(node) => Some(fields::text(node, "a version", step.build.findings)?),
        None => None,
    };
    let silence_refuses = otherwise(step)?;
    let often = [("call", OncePer::Call), ("caller", OncePer::Caller), ("version", OncePer::Version)];
    let once_per = match step.get("once_per") {
        Some(node) => Some(fields::choice(node, "once_per", &often, step.build.findings)?),
        None => None,
    };
    if once_per == Some(OncePer::Version) {
        step.need("version")?;
    }
    let input = step.input(&[]);
    Some(StepKind::Consent(Consent {
        purpose,
        into,
        prompt: prompt?,
        answers,
        version,
        silence_refuses,
        once_per,
        input,
    }))
}

fn keys(step: &mut Reader<'_, '_, '_>) -> Option<(Vec<Digit>, Vec<Digit>)> {
    let node = step.need("keys")?;
    let (mut granted, mut refused) = (Vec::new(), Vec::new());
    for (key, value) in Fields::of(node, "`keys`", step.build.findings)?.pairs {
        let digit = fields::digit(key, step.build.findings)?;
        let answers = [("granted", true), ("refused", false)];
        match fields::choice(value, "keys", &answers, step.build.findings)? {
            true => granted.push(digit),
            false => refused.push(digit),
        }
    }
    if granted.is_empty() || refused.is_empty() {
        let place = Some(node.place.clone());
        let missing = Diagnostic::error("E242", place, "both answers need a key: who can't refuse has not agreed");
        step.build.findings.push(missing.help("write `keys: {\"1\": granted, \"2\": refused}`"));
        return None;
    }
    Some((granted, refused))
}

/// Whether silence refuses; `None` when something else was written.
fn otherwise(step: &mut Reader<'_, '_, '_>) -> Option<bool> {
    let Some(node) = step.get("otherwise") else { return Some(true) };
    if node.text() == "granted" {
        let place = node.place.clone();
        step.error("E242", &place, "silence is not consent", "write `otherwise: refused`");
        return None;
    }
    fields::choice(node, "otherwise", &[("refused", true), ("unknown", false)], step.build.findings)
}
