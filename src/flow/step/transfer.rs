//! `transfer`: call a fixed target.

use std::time::{Duration, Instant};

use crate::flow::ClipKey;
use crate::flow::document::fields;
use crate::flow::document::{Arm, Passed, Prompt};
use crate::flow::run::FlowRun;
use super::{Arms, FieldSpec, Node, Reader, Shape, Sink, Spec, StepKind, Use, next, suggestion};

pub(super) const SPEC: Spec = Spec {
    verb: "transfer",
    summary: "Calls a fixed target from `targets` and connects the caller to it.",
    argument: Shape::Text,
    fields: &[
        FieldSpec::optional("how", Shape::Choice(&["bridge", "blind", "attended"]), "`bridge`: both legs stay with the engine"),
        FieldSpec::optional("ring", Shape::Duration, "how long it may ring; 30s when left out"),
        FieldSpec::optional("pass", Shape::Pass, "what the target is told"),
        FieldSpec::optional("whisper", Shape::Prompt, "a prompt that the target hears before the caller"),
    ],
    outcomes: &["done", "busy", "no_answer", "refused", "failed"],
    needs_caller: true,
    input: false,
    example: r#"- transfer: desk
  ring: 20s
  pass: [auth.level]
  outcome:
    done: {goto: done}
    busy: {goto: agent}
    no_answer: {goto: agent}
    refused: {goto: agent}
    failed: {goto: agent}
"#,
    read,
};

/// `transfer`
#[derive(Debug)]
pub struct Transfer {
    /// The name of the target.
    pub name: String,
    /// Its SIP address.
    pub uri: String,
    /// How long it may ring.
    pub ring: Duration,
    /// What it is told.
    pub pass: Vec<Passed>,
    /// Said to the target before the caller is connected.
    pub whisper: Option<Prompt>,
    /// It was connected, and has hung up.
    pub done: Arm,
    /// Busy.
    pub busy: Arm,
    /// Rang and was not answered.
    pub no_answer: Arm,
    /// Refused the call.
    pub refused: Arm,
    /// Could not be reached.
    pub failed: Arm,
}

impl Node for Transfer {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        vec![("done".into(), &self.done), ("busy".into(), &self.busy), ("no_answer".into(), &self.no_answer), ("refused".into(), &self.refused), ("failed".into(), &self.failed)]
    }

    fn uses(&self) -> Vec<Use> {
        self.pass.iter().map(|passed| Use::new(&passed.expr, Sink::Agent(passed.name.clone())).optional()).collect()
    }

    fn whispers(&self) -> Vec<&Prompt> {
        self.whisper.iter().collect()
    }

    fn clips(&self) -> Vec<ClipKey> {
        vec![ClipKey::new("tones/ringback")]
    }

    fn waits(&self, outcome: &str) -> bool {
        matches!(outcome, "done" | "no_answer")
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(false)
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.transfer(now, self);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let name = fields::name(step.argument, "a target", step.build.findings);
    let shared = step.build.shared;
    let uri = name.as_ref().and_then(|name| shared.targets.get(name).cloned());
    if let (Some(name), None) = (&name, &uri) {
        let help = match shared.targets.is_empty() {
            true => format!("add `targets: {{{name}: \"sip:100@pbx.example\"}}` to the main flow"),
            false => suggestion(name, shared.targets.keys().map(String::as_str), "targets"),
        };
        step.error("E260", &step.argument.place.clone(), format!("there is no target `{name}`"), help);
    }
    if let Some(node) = step.get("how") {
        if matches!(node.text(), "blind" | "attended") {
            fields::not_yet(&node.place, &format!("`how: {}`", node.text()), step.build.findings);
        } else {
            fields::choice(node, "how", &[("bridge", ())], step.build.findings);
        }
    }
    let ring = match step.get("ring") {
        Some(node) => fields::duration(node, "ring", step.build.findings)?,
        None => Duration::from_secs(30),
    };
    let pass = step.pass();
    let whisper = step.get("whisper").map(|node| step.build.prompt(node, &[]));
    let mut arms = step.arms(&["done", "busy", "no_answer", "refused", "failed"], &[])?.into_iter();
    Some(StepKind::Transfer(Transfer {
        name: name?,
        uri: uri?,
        ring,
        pass,
        whisper: whisper.flatten(),
        done: next(&mut arms),
        busy: next(&mut arms),
        no_answer: next(&mut arms),
        refused: next(&mut arms),
        failed: next(&mut arms),
    }))
}
