//! `run`: a sub-flow.

use super::{Reader, Spec, next, suggestion};
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::{FlowId, Run, StepKind, VarId};
use crate::flow::expr::Expr;

pub(super) const SPEC: Spec = Spec {
    verb: "run",
    summary: "Runs a sub-flow of this file, or the flow of another file, and goes on by its outcome.",
    fields: &[("with", "values for everything it takes")],
    outcomes: &[],
    needs_caller: false,
    input: false,
    read,
};

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
