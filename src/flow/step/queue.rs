//! `queue`: wait for an agent.

use std::time::{Duration, Instant};

use crate::auth::LevelName;
use crate::flow::ClipKey;
use crate::flow::document::build::local;
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::services_file;
use crate::flow::document::{Arm, Passed, Prompt};
use crate::flow::expr::Field;
use crate::flow::run::FlowRun;
use super::{Arms, FieldSpec, Node, Reader, Shape, Sink, Spec, StepKind, Use, next};

pub(super) const SPEC: Spec = Spec {
    verb: "queue",
    summary: "Waits for an agent and connects the caller to them. Higher priority first, then first in, first out; the agent who has been free longest is called. `joined`: they spoke and it is over, and the caller is still there.",
    argument: Shape::Text,
    fields: &[
        FieldSpec::optional("priority", Shape::Map("a level, or `none`", &Shape::Count { min: 0, max: 99 }), "by level held, `{strong: 5, none: 1}`; higher goes first"),
        FieldSpec::optional("pass", Shape::Pass, "what the agent's phone is told, as `X-Countersign-…` headers: public and personal values"),
        FieldSpec::optional("whisper", Shape::Prompt, "a prompt that only the agent hears, before the caller"),
        FieldSpec::optional("music", Shape::Text, "what plays meanwhile: a recording below `audio/music/`, `hold` when left out"),
        FieldSpec::optional("announce_place", Shape::Prompt, "a prompt that says the caller's `${place, count}`, at the start and when the place changes"),
        FieldSpec::optional("max_wait", Shape::Duration, "the longest wait; 10m when left out"),
        FieldSpec::optional("skill", Shape::Text, "what the agent must be able to do; not in this version"),
        FieldSpec::optional("offer_callback_after", Shape::Duration, "when to offer a call back; not in this version"),
        FieldSpec::optional("agent_may", Shape::List(&Shape::Text), "what the agent may ask of the caller; not in this version"),
    ],
    outcomes: &["joined", "timeout", "full"],
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
    /// The caller was connected, and the agent has hung up.
    pub joined: Arm,
    /// Nobody took the call in time.
    pub timeout: Arm,
    /// The queue had no place.
    pub full: Arm,
}

impl Node for Queue {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        vec![("joined".into(), &self.joined), ("timeout".into(), &self.timeout), ("full".into(), &self.full)]
    }

    fn prompts(&self) -> Vec<&Prompt> {
        self.announce_place.iter().collect()
    }

    fn uses(&self) -> Vec<Use> {
        self.pass.iter().map(|passed| Use::new(&passed.expr, Sink::Agent(passed.name.clone())).optional()).collect()
    }

    fn whispers(&self) -> Vec<&Prompt> {
        self.whisper.iter().collect()
    }

    fn clips(&self) -> Vec<ClipKey> {
        vec![self.music.clone()]
    }

    fn waits(&self, outcome: &str) -> bool {
        matches!(outcome, "joined" | "timeout")
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
    for later in ["skill", "offer_callback_after", "agent_may"] {
        if let Some((key, _)) = step.fields.pairs.iter().find(|(key, _)| key.text() == later) {
            fields::not_yet(&key.place, &format!("`{later}`"), step.build.findings);
        }
    }
    let priority = priority(step);
    let pass = step.pass();
    let whisper = step.get("whisper").map(|node| step.build.prompt(node, &[]));
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
    let mut arms = step.arms(&["joined", "timeout", "full"], &[])?.into_iter();
    Some(StepKind::Queue(Queue {
        name: name?,
        priority,
        pass,
        whisper: whisper.flatten(),
        music: ClipKey::new(format!("music/{music}")),
        announce_place: announce_place.flatten(),
        max_wait,
        joined: next(&mut arms),
        timeout: next(&mut arms),
        full: next(&mut arms),
    }))
}

fn priority(step: &mut Reader<'_, '_, '_>) -> Vec<(Option<LevelName>, u8)> {
    let mut out = Vec::new();
    let Some(node) = step.get("priority") else { return out };
    for (key, value) in Fields::of(node, "`priority`", step.build.findings).map(|fields| fields.pairs).unwrap_or_default() {
        let policy = &step.build.shared.policy;
        let level = match key.text() {
            "none" => Some(None),
            _ => services_file::level(key, policy, step.build.findings).map(Some),
        };
        let number = fields::count(value, "priority", 0..=99, step.build.findings);
        out.extend(level.zip(number));
    }
    out
}
