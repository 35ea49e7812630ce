//! `queue`: wait for an agent.

use std::time::{Duration, Instant};

use crate::auth::LevelName;
use crate::flow::ClipKey;
use crate::flow::document::build::local;
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::services_file;
use crate::flow::document::{Arm, Class, Passed, Prompt};
use crate::flow::expr::{Expr, Field, Type};
use crate::flow::run::FlowRun;
use super::{Arms, FieldSpec, Node, Reader, Shape, Sink, Spec, StepKind, Use, next, suggestion};

pub(super) const SPEC: Spec = Spec {
    verb: "queue",
    summary: "Waits for an agent and connects the caller to them. Higher priority first, then first in, first out; the agent who has been free longest is called. `joined`: they spoke and it is over, and the caller is still there. `callback` is an outcome where it is offered: the request is in the call's record (`countersign callbacks`); this version does not call back by itself.",
    argument: Shape::Text,
    fields: &[
        FieldSpec::optional("priority", Shape::Map("a level, or `none`", &Shape::Count { min: 0, max: 99 }), "by level held, `{strong: 5, none: 1}`; higher goes first"),
        FieldSpec::optional("pass", Shape::Pass, "what the agent's phone is told, as `X-Countersign-…` headers: public and personal values"),
        FieldSpec::optional("whisper", Shape::OneOf(&[Shape::Prompt, Shape::Map("a level, or `none`", &Shape::Prompt)]), "a prompt that only the agent hears, before the caller; or one by level held, `{strong: whisper_strong, none: whisper}`"),
        FieldSpec::optional("music", Shape::Text, "what plays meanwhile: a recording below `audio/music/`, `hold` when left out"),
        FieldSpec::optional("announce_place", Shape::Prompt, "a prompt that says the caller's `${place, count}`, at the start and when the place changes"),
        FieldSpec::optional("max_wait", Shape::Duration, "the longest wait; 10m when left out"),
        FieldSpec::optional("skill", Shape::Text, "what the agent must be able to do: only agents whose `skills` in countersign.yaml have it are called; `\"lang:${language}\"` is a skill by the call's language"),
        FieldSpec::optional("offer_callback_after", Shape::Duration, "after what wait the caller is offered to be called back; they take it by pressing 1"),
        FieldSpec::optional("callback_offer", Shape::Prompt, "the prompt that makes this offer; `callback_offer` when left out"),
        FieldSpec::optional("agent_may", Shape::List(&Shape::Choice(&MAY)), "what the agent's desk may do with the call: `reverify`, `send_to_secure_step`; told as `X-Countersign-May`"),
    ],
    outcomes: &["joined", "timeout", "full", "callback"],
    needs_caller: true,
    input: false,
    example: r#"- queue: general
  priority: {strong: 5}
  pass: [customer.id, topic, auth.level, auth.factors, auth.age]
  whisper: agent_whisper
  music: hold
  announce_place: place_in_line
  max_wait: 5m
  outcome:
    joined: {goto: done}
    timeout: {goto: nobody}
    full: {goto: nobody}
"#,
    read,
};

/// `queue`
#[derive(Debug)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Priority by level held (the lowest of the list that fits is 0 when absent); higher goes first.
    pub priority: Vec<(Option<LevelName>, u8)>,
    /// What the agent is told.
    pub pass: Vec<Passed>,
    /// Said to the agent before the caller is connected.
    pub whisper: Option<Prompt>,
    /// What the caller hears meanwhile.
    pub music: ClipKey,
    /// Said to the caller when the place changes; may name `${queue.place, number}`.
    pub announce_place: Option<Prompt>,
    /// The longest wait.
    pub max_wait: Duration,
    /// Said to the agent in the place of `whisper` when this level is the highest of the list that is held.
    pub whispers: Vec<(Option<LevelName>, Prompt)>,
    /// What the agent must be able to do, piece by piece.
    pub skill: Vec<SkillPart>,
    /// What the agent's desk may do.
    pub may: Vec<&'static str>,
    /// The offer to be called back.
    pub callback: Option<Callback>,
    /// The caller was connected, and the agent has hung up.
    pub joined: Arm,
    /// Nobody took the call in time.
    pub timeout: Arm,
    /// The queue had no place.
    pub full: Arm,
}

/// A piece of the name of a skill.
#[derive(Debug)]
pub enum SkillPart {
    /// As written.
    Text(String),
    /// A value.
    Value(Expr),
}

/// The offer to be called back.
#[derive(Debug)]
pub struct Callback {
    /// After what wait.
    pub after: Duration,
    /// What is said.
    pub offer: Prompt,
    /// The caller took it.
    pub arm: Arm,
}

/// What an agent's desk may do with a call.
const MAY: [&str; 2] = ["reverify", "send_to_secure_step"];

impl Node for Queue {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        let mut arms: Arms<'_> =
            vec![("joined".into(), &self.joined), ("timeout".into(), &self.timeout), ("full".into(), &self.full)];
        arms.extend(self.callback.as_ref().map(|callback| ("callback".into(), &callback.arm)));
        arms
    }

    fn prompts(&self) -> Vec<&Prompt> {
        self.announce_place.iter().chain(self.callback.as_ref().map(|callback| &callback.offer)).collect()
    }

    fn uses(&self) -> Vec<Use> {
        let skill = self.skill.iter().filter_map(|part| match part {
            SkillPart::Value(expr) => Some(Use::decision(expr)),
            SkillPart::Text(_) => None,
        });
        let passed = self.pass.iter();
        let passed = passed.map(|passed| Use::new(&passed.expr, Sink::Agent(passed.name.clone())).optional());
        passed.chain(skill).collect()
    }

    fn whispers(&self) -> Vec<&Prompt> {
        self.whisper.iter().chain(self.whispers.iter().map(|(_, prompt)| prompt)).collect()
    }

    fn clips(&self) -> Vec<ClipKey> {
        vec![self.music.clone()]
    }

    fn waits(&self, outcome: &str) -> bool {
        matches!(outcome, "joined" | "timeout" | "callback")
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(false)
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.queue(now, self);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let name = fields::name(step.argument, "a queue", step.build.findings);
    let priority = priority(step);
    let pass = step.pass();
    let (whisper, whispers) = whispers(step);
    let skill = skill(step)?;
    let may = may(step);
    let offer = offer(step);
    let music = match step.get("music") {
        Some(node) => fields::name(node, "music", step.build.findings)?,
        None => "hold".to_owned(),
    };
    let locals = [local("place", Field::QueuePlace), local("queue.place", Field::QueuePlace)];
    let announce_place = step.get("announce_place").map(|node| step.build.prompt(node, &locals));
    let max_wait = match step.get("max_wait") {
        Some(node) => fields::duration(node, "max_wait", step.build.findings)?,
        None => Duration::from_secs(10 * 60),
    };
    let mut outcomes = vec!["joined", "timeout", "full"];
    outcomes.extend(step.get("offer_callback_after").map(|_| "callback"));
    let mut arms = step.arms(&outcomes, &[])?.into_iter();
    let (joined, timeout, full) = (next(&mut arms), next(&mut arms), next(&mut arms));
    let callback = match offer {
        Some(offer) => {
            let (after, offer) = offer?;
            Some(Callback { after, offer, arm: next(&mut arms) })
        }
        None => None,
    };
    Some(StepKind::Queue(Queue {
        name: name?,
        priority,
        pass,
        whisper,
        whispers,
        skill,
        may,
        callback,
        music: ClipKey::new(format!("music/{music}")),
        announce_place: announce_place.flatten(),
        max_wait,
        joined,
        timeout,
        full,
    }))
}

/// One prompt, or one by level.
fn whispers(step: &mut Reader<'_, '_, '_>) -> (Option<Prompt>, Vec<(Option<LevelName>, Prompt)>) {
    let Some(node) = step.get("whisper") else { return (None, Vec::new()) };
    if node.mapping().is_none() {
        return (step.build.prompt(node, &[]), Vec::new());
    }
    let mut out = Vec::new();
    for (key, value) in Fields::of(node, "`whisper`", step.build.findings).map(|fields| fields.pairs).unwrap_or_default() {
        let level = level_or_none(step, key);
        let prompt = step.build.prompt(value, &[]);
        out.extend(level.zip(prompt));
    }
    (None, out)
}

fn level_or_none(step: &mut Reader<'_, '_, '_>, key: &fields::Node) -> Option<Option<LevelName>> {
    match key.text() {
        "none" => Some(None),
        _ => services_file::level(key, &step.build.shared.policy, step.build.findings).map(Some),
    }
}

/// `cards`, `"lang:${language}"`
fn skill(step: &mut Reader<'_, '_, '_>) -> Option<Vec<SkillPart>> {
    let Some(node) = step.get("skill") else { return Some(Vec::new()) };
    let text = fields::text(node, "a skill", step.build.findings)?;
    let mut out = Vec::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inner, behind)) = after.split_once('}') else { break };
        let typed = step.build.expr_text(inner, node, Some(&Type::Text), &[])?;
        if !step.build.may_go(&typed, Class::Public, "a skill", &node.place) {
            return None;
        }
        out.push(SkillPart::Text(before.to_owned()));
        out.push(SkillPart::Value(typed.expr));
        rest = behind;
    }
    out.push(SkillPart::Text(rest.to_owned()));
    Some(out)
}

fn may(step: &mut Reader<'_, '_, '_>) -> Vec<&'static str> {
    let mut out = Vec::new();
    for node in step.get("agent_may").map(fields::items).unwrap_or_default() {
        match MAY.iter().find(|word| **word == node.text()) {
            Some(word) => out.push(*word),
            None => {
                let message = format!("no desk can do `{}`", node.text());
                let help = suggestion(node.text(), MAY.iter().copied(), "what a desk may do");
                step.error("E261", &node.place, message, help);
            }
        }
    }
    out
}

/// The wait and the prompt of an offer to be called back; the inner `None` when something is wrong with it.
fn offer(step: &mut Reader<'_, '_, '_>) -> Option<Option<(Duration, Prompt)>> {
    let node = step.get("offer_callback_after")?;
    let after = fields::duration(node, "offer_callback_after", step.build.findings);
    let offer = match step.get("callback_offer") {
        Some(node) => step.build.prompt(node, &[]),
        None => step.build.prompt_named("callback_offer", node),
    };
    Some(after.zip(offer))
}

fn priority(step: &mut Reader<'_, '_, '_>) -> Vec<(Option<LevelName>, u8)> {
    let mut out = Vec::new();
    let Some(node) = step.get("priority") else { return out };
    for (key, value) in Fields::of(node, "`priority`", step.build.findings).map(|fields| fields.pairs).unwrap_or_default() {
        let level = level_or_none(step, key);
        let number = fields::count(value, "priority", 0..=99, step.build.findings);
        out.extend(level.zip(number));
    }
    out
}
