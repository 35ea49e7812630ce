//! `queue`: wait for an agent.

use std::time::Duration;

use super::{Reader, Spec, next};
use crate::auth::LevelName;
use crate::flow::ClipKey;
use crate::flow::document::build::local;
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::services_file;
use crate::flow::document::{Queue, StepKind};
use crate::flow::expr::Field;

pub(super) const SPEC: Spec = Spec {
    verb: "queue",
    summary: "Waits for an agent, first in first out, and connects the caller to them.",
    fields: &[
        ("priority", "by level held, `{strong: 5, none: 1}`; higher goes first"),
        ("pass", "what the agent is told"),
        ("whisper", "a prompt that the agent hears before the caller"),
        ("music", "what plays meanwhile: a recording below `audio/music/`, `hold` when left out"),
        ("announce_place", "a prompt that says the caller's `${place, number}`"),
        ("max_wait", "the longest wait; 10m when left out"),
        ("skill", "what the agent must be able to do"),
        ("offer_callback_after", "when to offer a call back"),
        ("agent_may", "what the agent may ask of the caller"),
    ],
    outcomes: &["joined", "timeout", "full"],
    needs_caller: true,
    input: false,
    read,
};

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
