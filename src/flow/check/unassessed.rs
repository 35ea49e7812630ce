//! Proofs and payments that a call can come to before its risk is assessed, in an application whose policy speaks
//! of risk.
//!
//! A forward analysis: at the start of a block the risk is assessed when it is on every way to it.

use std::collections::{BTreeMap, VecDeque};

use super::{always_targets, nested};
use crate::diagnostic::Diagnostic;
use crate::flow::document::findings::Findings;
use crate::flow::document::{Application, Arm, BlockId, FlowId, Step, StepKind};

/// Tells about them.
pub(super) fn check(app: &Application, findings: &mut Findings) {
    let (Some(_), Some(main)) = (&app.risk, app.flow(FlowId::MAIN)) else { return };
    let mut walk = Walk { app, at: BTreeMap::new(), open: VecDeque::new() };
    walk.reach(main.entry, false);
    while let Some(id) = walk.open.pop_front() {
        walk.block(id, &mut |_| {});
    }
    let mut found: BTreeMap<usize, Diagnostic> = BTreeMap::new();
    for id in walk.at.keys().copied().collect::<Vec<_>>() {
        walk.block(id, &mut |step| {
            let message =
                format!("`{}` can be reached before the risk of the call is assessed", step.kind.verb());
            let help = "put `- risk: assess` on every way here; the policy has signals that would count";
            let diagnostic = Diagnostic::warning("W220", Some(step.place.clone()), message).help(help);
            found.insert(step.place.span.start, diagnostic);
        });
    }
    findings.extend(found.into_values());
}

struct Walk<'a> {
    app: &'a Application,
    at: BTreeMap<BlockId, bool>,
    open: VecDeque<BlockId>,
}

impl Walk<'_> {
    fn reach(&mut self, block: BlockId, assessed: bool) {
        let known = self.at.get(&block).copied();
        if known.is_none_or(|known| known && !assessed) {
            self.at.insert(block, assessed);
            self.open.push_back(block);
        }
    }

    fn block(&mut self, id: BlockId, tell: &mut dyn FnMut(&Step)) {
        let (app, Some(mut assessed)) = (self.app, self.at.get(&id).copied()) else { return };
        for step in app.block(id).into_iter().flat_map(|block| &block.steps) {
            self.step(step, assessed, tell);
            assessed |= step.when.is_none() && assesses(app, step);
        }
    }

    fn step(&mut self, step: &Step, assessed: bool, tell: &mut dyn FnMut(&Step)) {
        let app = self.app;
        if step.kind.node().hears_always() {
            always_targets(app).into_iter().for_each(|target| self.reach(target, assessed));
        }
        for step in nested(step) {
            let proves = step.kind.node().proving().is_some() || step.kind.verb() == "pay";
            if proves && !assessed {
                tell(step);
            }
            match &step.kind {
                StepKind::Goto(to) => self.reach(to.0, assessed),
                StepKind::Run(run) => {
                    if let Some(flow) = app.flow(run.flow) {
                        self.reach(flow.entry, assessed);
                    }
                }
                _ => {}
            }
            let after = assessed || matches!(step.kind, StepKind::RiskStep(_));
            for (_, arm) in step.kind.arms() {
                if let Arm::Goto(block) = arm {
                    self.reach(*block, after);
                }
            }
        }
    }
}

/// Whether the risk is assessed for certain once this step is past: it does so, or it runs a sub-flow that begins
/// with it.
fn assesses(app: &Application, step: &Step) -> bool {
    match &step.kind {
        StepKind::RiskStep(_) => true,
        StepKind::Run(run) => {
            let entry = app.flow(run.flow).and_then(|flow| app.block(flow.entry));
            let steps = entry.map(|block| block.steps.as_slice()).unwrap_or_default();
            let straight = steps.iter().take_while(|step| step.kind.arms().is_empty());
            straight.filter(|step| step.when.is_none()).any(|step| assesses(app, step))
        }
        _ => false,
    }
}
