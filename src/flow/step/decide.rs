//! `decide`: the first condition that holds.

use std::time::Instant;

use crate::flow::document::Arm;
use crate::flow::document::fields::{self, Fields};
use crate::flow::expr::Expr;
use crate::flow::run::FlowRun;
use crate::flow::run::exit::Exit;
use super::{Arms, Node, Reader, Shape, Spec, StepKind, Use};

pub(super) const SPEC: Spec = Spec {
    verb: "decide",
    summary: "Takes the first case whose condition holds; the last one is `otherwise`.",
    argument: Shape::Cases,
    fields: &[],
    outcomes: &[],
    needs_caller: false,
    input: false,
    example: r#"- decide:
    - {when: auth.level == strong, goto: agent}
    - {when: topic == cards, goto: topics}
    - otherwise: continue
"#,
    read,
};

/// `decide`
#[derive(Debug)]
pub struct Decide {
    /// Conditions in order, each with its arm.
    pub cases: Vec<(Expr, Arm)>,
    /// When none holds.
    pub otherwise: Arm,
}

impl Node for Decide {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        let cases = self.cases.iter().enumerate().map(|(at, (_, arm))| (format!("case {}", at + 1).into(), arm));
        cases.chain([("otherwise".into(), &self.otherwise)]).collect()
    }

    fn arm(&self, exit: Exit) -> Option<&Arm> {
        match exit {
            Exit::Case(case) => self.cases.get(case).map(|(_, arm)| arm),
            Exit::Otherwise => Some(&self.otherwise),
            _ => None,
        }
    }

    fn uses(&self) -> Vec<Use> {
        self.cases.iter().map(|(condition, _)| Use::decision(condition)).collect()
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.decide(now, self);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let nodes = fields::items(step.argument);
    let mut cases = Vec::new();
    let mut otherwise = None;
    let mut complete = true;
    for node in &nodes {
        let Some(case) = Fields::of(node, "a case", step.build.findings) else {
            complete = false;
            continue;
        };
        if otherwise.is_some() {
            step.error("E183", &node.place, "this case is never looked at", "`otherwise` comes last");
        }
        if let Some(arm) = case.get("otherwise") {
            case.only(&["otherwise"], "`otherwise`", step.build.findings);
            otherwise = Some(step.build.arm(arm));
            continue;
        }
        let Some(when) = case.need("when", "a case", step.build.findings) else {
            complete = false;
            continue;
        };
        let condition = step.build.condition(when);
        if let Some(condition) = &condition {
            let mut before: Vec<(&Expr, bool)> = cases.iter().map(|(earlier, _)| (earlier, false)).collect();
            before.push((condition, true));
            if !cases.is_empty() && !step.build.possible(&before) {
                step.error("E183", &when.place, "this case is never taken: those before it leave nothing for it", "remove it, or move it up");
            }
        }
        let rest = case.without(&["when"]);
        let arm = match rest.pairs.is_empty() {
            true => {
                step.error("E114", &node.place, "this case does not say where to go", "add `goto: block` or another step");
                None
            }
            false => step.build.arm_of(&rest),
        };
        match condition.zip(arm) {
            Some(case) => cases.push(case),
            None => complete = false,
        }
    }
    let Some(otherwise) = otherwise else {
        step.error("E130", &step.place.clone(), "`decide` does not say what happens when no case holds", "end it with `- otherwise: …`");
        return None;
    };
    complete.then_some(StepKind::Decide(Decide { cases, otherwise: otherwise? }))
}
