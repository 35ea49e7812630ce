//! What is wrong with an application although each step by itself is right: the paths through it.
//!
//! [`graph`] looks at jumps (missing ends, loops without a caller, blocks that nothing reaches),
//! [`assigned`] at variables read before anything set them, [`proof`] at protected steps that a path reaches
//! below their level, [`secrecy`] at values that come to where they may not be.

mod assigned;
mod consent;
mod early;
mod fallback;
mod graph;
mod held;
mod path;
mod patience;
mod proof;
mod secrecy;
mod secure;
mod silence;
mod subjects;
mod tables;
mod unassessed;

use std::collections::{BTreeMap, BTreeSet};

use crate::flow::document::findings::Findings;
use crate::flow::document::travels::Travels;
use crate::flow::document::{Application, Arm, BlockId, FlowId, Step, StepKind};

pub use proof::{certain_levels, reached_levels};

/// All checks over paths.
pub(crate) fn run(app: &Application, travels: &Travels, findings: &mut Findings) {
    secrecy::check(app, travels, findings);
    if graph::recursion(app, findings) {
        // Everything else follows sub-flows to their end.
        return;
    }
    graph::check(app, findings);
    if findings.errors() == 0 {
        silence::check(app, findings);
        patience::check(app, findings);
        early::check(app, findings);
    }
    assigned::check(app, findings);
    consent::check(app, findings);
    proof::check(app, findings);
    unassessed::check(app, findings);
    secure::check(app, findings);
    subjects::check(app, findings);
    tables::check(app, findings);
}

/// Whether a call can go on with the step after this one.
fn continues(step: &Step) -> bool {
    if step.when.is_some() {
        return true;
    }
    match &step.kind {
        StepKind::Goto(_) | StepKind::Return(_) | StepKind::Hangup(_) => false,
        StepKind::Require(_) => true,
        kind => {
            let arms = kind.arms();
            arms.is_empty() || arms.iter().any(|(_, arm)| arm_continues(arm))
        }
    }
}

fn arm_continues(arm: &Arm) -> bool {
    match arm {
        Arm::Continue => true,
        Arm::Goto(_) | Arm::Return(_) => false,
        Arm::Step(step) => continues(step),
    }
}

/// The blocks that `always` keys jump to.
fn always_targets(app: &Application) -> Vec<BlockId> {
    let target = |key: &crate::flow::document::AlwaysKey| match key.does {
        crate::flow::document::Always::Goto(block) => Some(block),
        crate::flow::document::Always::Repeat => None,
    };
    app.always.iter().filter_map(target).collect()
}

/// The flows in which the `always` keys work somewhere: something is collected or said there, or in a sub-flow that
/// is run there.
struct Hearing(BTreeMap<FlowId, BTreeSet<()>>);

impl Hearing {
    fn of(app: &Application) -> Self {
        Self(within(app, |step| step.kind.node().hears_always().then_some(()).into_iter().collect()))
    }

    /// Whether the `always` keys work in a step.
    fn hears(&self, step: &Step) -> bool {
        match &step.kind {
            StepKind::Run(run) => self.0.get(&run.flow).is_some_and(|found| !found.is_empty()),
            kind => kind.node().hears_always(),
        }
    }
}

/// For each flow what is found in its steps and in those of the sub-flows that it runs, however deep. Each step is
/// looked at once, whoever runs its flow how often.
fn within<T: Ord + Clone>(app: &Application, own: impl Fn(&Step) -> Vec<T>) -> BTreeMap<FlowId, BTreeSet<T>> {
    let mut found: BTreeMap<FlowId, BTreeSet<T>> = BTreeMap::new();
    let mut runs: BTreeSet<(FlowId, FlowId)> = BTreeSet::new();
    for block in &app.blocks {
        for step in block.steps.iter().flat_map(nested) {
            found.entry(block.flow).or_default().extend(own(step));
            if let StepKind::Run(run) = &step.kind {
                runs.insert((block.flow, run.flow));
            }
        }
    }
    loop {
        let mut more = false;
        for (flow, callee) in &runs {
            let theirs = found.get(callee).cloned().unwrap_or_default();
            let own = found.entry(*flow).or_default();
            let before = own.len();
            own.extend(theirs);
            more |= own.len() > before;
        }
        if !more {
            return found;
        }
    }
}

/// A step and those inside of its arms.
fn nested(step: &Step) -> Vec<&Step> {
    let mut out = Vec::new();
    let mut open = vec![step];
    while let Some(step) = open.pop() {
        out.push(step);
        open.extend(step.kind.arms().into_iter().filter_map(|(_, arm)| match arm {
            Arm::Step(step) => Some(&**step),
            _ => None,
        }));
    }
    out
}
