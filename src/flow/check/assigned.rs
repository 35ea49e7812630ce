//! Variables that a path reads before anything has set them.
//!
//! A forward analysis: what is set at the start of a block is what is set on every way to it. What an
//! agent or the audit log is told may be unset; it is then left out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Hearing, always_targets, nested};
use crate::diagnostic::Diagnostic;
use crate::flow::document::findings::Findings;
use crate::flow::document::{
    Application, Arm, BlockId, FlowId, OutcomeId, Piece, Prompt, Step, StepKind, VarId,
};
use crate::flow::expr::Expr;

type Set = BTreeSet<VarId>;

/// Tells about reads of what may be unset.
pub(super) fn check(app: &Application, findings: &mut Findings) {
    let mut analysis = Analysis {
        app,
        hearing: Hearing::of(app),
        at: BTreeMap::new(),
        open: VecDeque::new(),
        given: given(app),
        found: BTreeMap::new(),
    };
    for (index, flow) in app.flows.iter().enumerate() {
        let takes = flow.takes.iter().copied().collect();
        if index == 0 || !flow.outcomes.is_empty() {
            analysis.reach(flow.entry, &takes);
        }
    }
    for handler in app.when_error.into_iter().chain(app.when_hangup) {
        analysis.reach(handler, &Set::new());
    }
    while let Some(id) = analysis.open.pop_front() {
        analysis.block(id);
    }
    // Only the last round of each block saw all ways to it.
    analysis.found.clear();
    for id in analysis.at.keys().copied().collect::<Vec<_>>() {
        analysis.block(id);
    }
    for ((_, _), diagnostic) in analysis.found {
        findings.push(diagnostic);
    }
}

/// What every `return` of an outcome gives.
fn given(app: &Application) -> BTreeMap<(FlowId, OutcomeId), Set> {
    let mut out: BTreeMap<(FlowId, OutcomeId), Set> = BTreeMap::new();
    for block in &app.blocks {
        for step in block.steps.iter().flat_map(nested) {
            let arms = step.kind.arms();
            let inner = arms.iter().filter_map(|(_, arm)| match arm {
                Arm::Return(leave) => Some(leave),
                _ => None,
            });
            let own = match &step.kind {
                StepKind::Return(leave) => Some(leave),
                _ => None,
            };
            for leave in inner.chain(own) {
                let gives: Set = leave.give.iter().map(|(var, _)| *var).collect();
                out.entry((block.flow, leave.outcome))
                    .and_modify(|set| set.retain(|var| gives.contains(var)))
                    .or_insert(gives);
            }
        }
    }
    out
}

struct Analysis<'a> {
    app: &'a Application,
    hearing: Hearing,
    /// What is set at the start of a block.
    at: BTreeMap<BlockId, Set>,
    open: VecDeque<BlockId>,
    given: BTreeMap<(FlowId, OutcomeId), Set>,
    found: BTreeMap<(usize, VarId), Diagnostic>,
}

impl Analysis<'_> {
    fn reach(&mut self, block: BlockId, set: &Set) {
        match self.at.get_mut(&block) {
            None => {
                self.at.insert(block, set.clone());
                self.open.push_back(block);
            }
            Some(known) if !known.is_subset(set) => {
                known.retain(|var| set.contains(var));
                self.open.push_back(block);
            }
            Some(_) => {}
        }
    }

    fn block(&mut self, id: BlockId) {
        let (app, Some(mut set)) = (self.app, self.at.get(&id).cloned()) else { return };
        let Some(block) = app.block(id) else { return };
        for step in &block.steps {
            match self.step(step, set) {
                Some(after) => set = after,
                None => return,
            }
        }
    }

    /// What is set after a step; `None` when the call never gets past it.
    fn step(&mut self, step: &Step, mut before: Set) -> Option<Set> {
        let app = self.app;
        let skipped: Option<Set> =
            step.when.as_ref().map(|when| before.iter().copied().chain(when.assures(false)).collect());
        before.extend(step.when.iter().flat_map(|when| when.assures(true)));
        self.reads(step, &before);
        if self.hearing.hears(step) {
            for target in always_targets(app) {
                let main = app.block(target).map(|block| block.flow);
                let same = self.flow_of(&before, main);
                self.reach(target, &same);
            }
        }
        let mut after = skipped;
        let mut join = |set: Option<Set>| {
            after = match (after.take(), set) {
                (Some(a), Some(b)) => Some(a.intersection(&b).copied().collect()),
                (a, b) => a.or(b),
            };
        };
        match &step.kind {
            StepKind::Goto(to) => self.reach(to.0, &before),
            StepKind::Return(_) | StepKind::Hangup(_) => {}
            StepKind::Set(values) => {
                let mut set = before;
                set.extend(values.0.iter().map(|(var, _)| *var));
                join(Some(set));
            }
            kind => {
                let arms = kind.arms();
                if arms.is_empty() || matches!(kind, StepKind::Require(_)) {
                    join(Some(before.clone()));
                }
                for (index, (outcome, arm)) in arms.into_iter().enumerate() {
                    let set = self.outcome(step, index, &outcome, &before);
                    join(self.arm(arm, set));
                }
            }
        }
        after
    }

    /// Variables are of one flow: from a sub-flow's step nothing is known about the main flow's.
    fn flow_of(&self, before: &Set, flow: Option<FlowId>) -> Set {
        let vars =
            flow.and_then(|flow| self.app.flow(flow)).map(|flow| flow.vars.as_slice()).unwrap_or_default();
        before.iter().copied().filter(|var| vars.contains(var)).collect()
    }

    fn arm(&mut self, arm: &Arm, set: Set) -> Option<Set> {
        match arm {
            Arm::Continue => Some(set),
            Arm::Goto(block) => {
                self.reach(*block, &set);
                None
            }
            Arm::Return(_) => None,
            Arm::Step(step) => self.step(step, set),
        }
    }

    /// What is set on one outcome.
    fn outcome(&self, step: &Step, index: usize, outcome: &str, before: &Set) -> Set {
        let mut set = before.clone();
        match &step.kind {
            StepKind::Run(run) => {
                self.clear_results(step, &mut set);
                let outcome = u16::try_from(index).map_or(OutcomeId(u16::MAX), OutcomeId);
                let given = self.given.get(&(run.flow, outcome));
                let sure = |callee: &VarId| given.is_some_and(|given| given.contains(callee));
                set.extend(run.results.iter().filter(|(callee, _)| sure(callee)).map(|(_, ours)| *ours));
            }
            kind => {
                self.clear_results(step, &mut set);
                set.extend(kind.node().sets(outcome));
                if let StepKind::Decide(decide) = kind {
                    // The cases before did not hold.
                    let before = decide.cases.iter().take(index);
                    set.extend(before.flat_map(|(condition, _)| condition.assures(false)));
                    set.extend(
                        decide.cases.get(index).iter().flat_map(|(condition, _)| condition.assures(true)),
                    );
                }
            }
        }
        set
    }

    /// A look-up or a sub-flow forgets the results of the one before.
    fn clear_results(&self, step: &Step, set: &mut Set) {
        let own: Vec<VarId> = match &step.kind {
            StepKind::Run(run) => run.results.iter().map(|(_, var)| *var).collect(),
            kind => kind.node().results(),
        };
        let flow = self.app.flows.iter().find(|flow| own.iter().any(|var| flow.results.contains(var)));
        if let Some(flow) = flow {
            set.retain(|var| !flow.results.contains(var));
        }
    }

    fn reads(&mut self, step: &Step, set: &Set) {
        let mut reads: Vec<VarId> = step.when.iter().flat_map(Expr::reads).collect();
        let node = step.kind.node();
        let ladders = node.input().into_iter().flat_map(|input| input.no_input.iter().chain(&input.no_match));
        // What an agent hears may name what is not known.
        reads.extend(node.prompts().into_iter().chain(ladders).flat_map(prompt_reads));
        let uses = node.uses().into_iter().filter(|used| !used.optional);
        reads.extend(uses.flat_map(|used| used.expr.reads()));
        for arm in step.kind.arms().into_iter().map(|(_, arm)| arm) {
            // What is given back may come from this very step: only what is set on no outcome is told.
            if let (Arm::Return(leave), StepKind::Decide(_) | StepKind::Confirm(_)) = (arm, &step.kind) {
                reads.extend(leave.give.iter().flat_map(|(_, expr)| expr.reads()));
            }
        }
        // A consent that was not asked for is `unknown`.
        let always_set = |var: &VarId| self.app.consents.values().any(|consent| consent == var);
        for var in reads.into_iter().filter(|var| !set.contains(var) && !always_set(var)) {
            let name = self.app.var(var).map_or("", |var| &var.name);
            let message = format!("`{name}` may not be set when this step runs");
            let help = match name.starts_with("result.") {
                true => "read it on the `ok` outcome of its `lookup`, before the next one",
                false => "`set` it, or `ask` for it, on every way here",
            };
            let diagnostic = Diagnostic::error("E184", Some(step.place.clone()), message).help(help);
            self.found.insert((step.place.span.start, var), diagnostic);
        }
    }
}

fn prompt_reads(prompt: &Prompt) -> Vec<VarId> {
    prompt.pieces.iter().flatten().flat_map(Piece::exprs).flat_map(crate::flow::expr::Expr::reads).collect()
}
