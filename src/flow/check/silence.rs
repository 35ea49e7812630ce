//! Circles that a caller goes round who says and presses nothing: a dead line, a phone put aside. Nobody is
//! helped by them, and only the call's budget ends them.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::circle;
use crate::diagnostic::Diagnostic;
use crate::flow::document::findings::Findings;
use crate::flow::document::{Application, Arm, BlockId, FlowId, OutcomeId, Step, StepKind};

/// Tells about such circles.
pub(super) fn check(app: &Application, findings: &mut Findings) {
    let mut silence = Silence { app, outcomes: BTreeMap::new() };
    let edges: Vec<BTreeSet<BlockId>> =
        app.blocks.iter().map(|block| silence.block(&block.steps).to).collect();
    let next = |id: BlockId| usize::try_from(id.0).ok().and_then(|at| edges.get(at));
    let mut told: BTreeSet<BlockId> = BTreeSet::new();
    for start in (0..app.blocks.len()).filter_map(|at| u32::try_from(at).ok()).map(BlockId) {
        let Some(path) = circle(start, &next).filter(|path| !path.iter().any(|id| told.contains(id))) else {
            continue;
        };
        told.extend(path.iter().copied());
        let names: Vec<&str> =
            path.iter().chain([&start]).filter_map(|id| app.block(*id)).map(|block| &*block.name).collect();
        let Some(block) = app.block(start) else { continue };
        let message = format!(
            "a caller who presses nothing goes round until the time of the call is used up: {}",
            names.join(" → ")
        );
        let help = "let silence lead out of it: to `hangup`, or to a person";
        findings.push(Diagnostic::warning("W141", Some(block.place.clone()), message).help(help));
    }
}

struct Silence<'a> {
    app: &'a Application,
    /// How each sub-flow can end for somebody silent.
    outcomes: BTreeMap<FlowId, BTreeSet<OutcomeId>>,
}

/// Where silence leads from somewhere.
#[derive(Default)]
struct Led {
    to: BTreeSet<BlockId>,
    returns: BTreeSet<OutcomeId>,
}

impl Silence<'_> {
    fn block(&mut self, steps: &[Step]) -> Led {
        let mut led = Led::default();
        for step in steps {
            if !self.step(step, &mut led) {
                break;
            }
        }
        led
    }

    /// Whether somebody silent can be past the step.
    fn step(&mut self, step: &Step, led: &mut Led) -> bool {
        let mut on = step.when.is_some();
        match &step.kind {
            StepKind::Goto(to) => {
                led.to.insert(to.0);
            }
            StepKind::Return(leave) => {
                led.returns.insert(leave.outcome);
            }
            StepKind::Hangup(_) => {}
            StepKind::Run(run) => {
                for outcome in self.outcomes_of(run.flow) {
                    if let Some(arm) = run.arms.get(usize::from(outcome.0)) {
                        on |= self.arm(arm, led);
                    }
                }
            }
            kind => {
                let arms = kind.arms();
                on |= arms.is_empty() || matches!(kind, StepKind::Require(_));
                let input = kind.node().input().is_some();
                for (outcome, arm) in arms {
                    if silent(kind, input, &outcome) {
                        on |= self.arm(arm, led);
                    }
                }
            }
        }
        on
    }

    fn arm(&mut self, arm: &Arm, led: &mut Led) -> bool {
        match arm {
            Arm::Continue => true,
            Arm::Goto(block) => {
                led.to.insert(*block);
                false
            }
            Arm::Return(leave) => {
                led.returns.insert(leave.outcome);
                false
            }
            Arm::Step(step) => self.step(step, led),
        }
    }

    fn outcomes_of(&mut self, flow: FlowId) -> BTreeSet<OutcomeId> {
        if let Some(known) = self.outcomes.get(&flow) {
            return known.clone();
        }
        let app = self.app;
        let mut outcomes = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<BlockId> = app.flow(flow).map(|flow| flow.entry).into_iter().collect();
        while let Some(id) = open.pop() {
            let Some(block) = app.block(id).filter(|_| seen.insert(id)) else { continue };
            let led = self.block(&block.steps);
            outcomes.extend(led.returns);
            open.extend(led.to);
        }
        self.outcomes.insert(flow, outcomes.clone());
        outcomes
    }
}

/// Whether a step ends by this outcome although nobody says or presses anything.
fn silent(kind: &StepKind, input: bool, outcome: &str) -> bool {
    match kind {
        // Somebody is waited for: an agent, whoever is called.
        StepKind::Queue(_) | StepKind::Transfer(_) => false,
        _ if input => matches!(
            outcome,
            "give_up" | "gave_up" | "insufficient" | "not_enrolled" | "locked" | "unavailable" | "expired"
        ),
        _ => true,
    }
}
