//! `run`: a sub-flow.

use std::time::Instant;

use crate::flow::document::fields::{self, Fields};
use crate::flow::document::{Arm, FlowId, VarId};
use crate::flow::expr::Expr;
use crate::flow::run::FlowRun;
use crate::flow::run::exit::Exit;
use super::{Arms, FieldSpec, Node, Reader, Shape, Sink, Spec, StepKind, Use, next, suggestion};

pub(super) const SPEC: Spec = Spec {
    verb: "run",
    summary: "Runs a sub-flow of this file, or the flow of another file by its `id`, and goes on by its outcome: those that the sub-flow declares.",
    argument: Shape::Text,
    fields: &[
        FieldSpec::optional("with", Shape::Values, "values for everything it takes"),
    ],
    outcomes: &[],
    needs_caller: false,
    input: false,
    example: r#"- run: prove
  with: {level: strong}
  outcome:
    proved: continue
    not_proved: {goto: agent}
"#,
    read,
};

/// `run`
#[derive(Debug)]
pub struct Run {
    /// The sub-flow.
    pub flow: FlowId,
    /// Values for its `takes`, all of them.
    pub with: Vec<(VarId, Expr)>,
    /// What it gave back: from its slot into ours (`result.…`).
    pub results: Vec<(VarId, VarId)>,
    /// One arm per outcome of the sub-flow, by [`crate::flow::document::OutcomeId`].
    pub arms: Vec<Arm>,
}

impl Node for Run {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        self.arms.iter().enumerate().map(|(at, arm)| (format!("outcome {}", at + 1).into(), arm)).collect()
    }

    fn arm(&self, exit: Exit) -> Option<&Arm> {
        match exit {
            Exit::Returned(outcome) => self.arms.get(usize::from(outcome.0)),
            _ => None,
        }
    }

    fn uses(&self) -> Vec<Use> {
        self.with.iter().map(|(var, expr)| Use::new(expr, Sink::Variable(*var))).collect()
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(false)
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.run(now, self);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let name = fields::text(step.argument, "a sub-flow", step.build.findings)?;
    let shared = step.build.shared;
    let decl = shared.flow(step.build.flow)?;
    let Some(flow) = decl.callable.get(&name).copied() else {
        let help = suggestion(&name, decl.callable.keys().map(String::as_str), "sub-flows");
        step.error("E120", &step.argument.place.clone(), format!("there is no sub-flow `{name}`"), help);
        return None;
    };
    let callee = shared.flow(flow)?;
    let with = with(step, flow);
    let names: Vec<&str> = callee.outcomes.iter().map(|name| &**name).collect();
    let arms = step.arms_with("E271", &names, &[]);
    let results = callee.gives.iter().filter_map(|(name, var)| Some((*var, *decl.results.get(name)?))).collect();
    let mut arms = arms?.into_iter();
    let arms = names.iter().map(|_| next(&mut arms)).collect();
    Some(StepKind::Run(Run { flow, with: with?, results, arms }))
}

fn with(step: &mut Reader<'_, '_, '_>, flow: FlowId) -> Option<Vec<(VarId, Expr)>> {
    let shared = step.build.shared;
    let callee = shared.flow(flow)?;
    let fields = match step.get("with") {
        Some(node) => Fields::of(node, "`with`", step.build.findings)?,
        None => Fields { place: step.place.clone(), pairs: Vec::new() },
    };
    for (key, _) in &fields.pairs {
        if !callee.takes.iter().any(|(name, _)| name == key.text()) {
            let help = suggestion(key.text(), callee.takes.iter().map(|(name, _)| name.as_str()), "it takes");
            step.error("E270", &key.place, format!("the sub-flow takes no `{}`", key.text()), help);
        }
    }
    let mut out = Vec::new();
    for (name, var) in &callee.takes {
        match fields.get(name) {
            Some(value) => out.extend(step.build.assigned(*var, value).map(|expr| (*var, expr))),
            None => {
                let message = format!("the sub-flow takes `{name}`, which is not given");
                step.error("E270", &fields.place.clone(), message, format!("add `with: {{{name}: …}}`"));
            }
        }
    }
    (out.len() == callee.takes.len()).then_some(out)
}
