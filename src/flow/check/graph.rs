//! Blocks and the jumps between them.

use std::collections::{BTreeMap, BTreeSet};

use super::{always_targets, continues, nested};
use crate::diagnostic::Diagnostic;
use crate::flow::document::findings::Findings;
use crate::flow::document::{Application, Arm, Block, BlockId, FlowId, Step, StepKind};

/// Sub-flows that run themselves, or each other too deep to be followed; true when there is one.
pub(super) fn recursion(app: &Application, findings: &mut Findings) -> bool {
    let mut runs: BTreeMap<FlowId, Vec<(FlowId, &Step)>> = BTreeMap::new();
    for block in &app.blocks {
        for step in block.steps.iter().flat_map(nested) {
            if let StepKind::Run(run) = &step.kind {
                runs.entry(block.flow).or_default().push((run.flow, step));
            }
        }
    }
    let mut found = false;
    for (flow, calls) in &runs {
        for (callee, step) in calls {
            if reaches(&runs, *callee, *flow) {
                let name = app.flow(*callee).map_or("", |flow| &flow.name);
                let message = format!("`{name}` runs itself by way of this step");
                let help = "a sub-flow can't run itself; loop inside it with `goto`";
                findings.push(Diagnostic::error("E272", Some(step.place.clone()), message).help(help));
                found = true;
            }
        }
    }
    found || too_deep(&runs, findings)
}

/// Sub-flows within sub-flows, counted from the main flow. Three or four are usual.
const MOST_NESTED: usize = 32;

fn too_deep(runs: &BTreeMap<FlowId, Vec<(FlowId, &Step)>>, findings: &mut Findings) -> bool {
    let mut callers: BTreeSet<FlowId> = runs.keys().copied().collect();
    let mut last = None;
    for _ in 0..=MOST_NESTED {
        let calls = callers.iter().filter_map(|flow| runs.get(flow)).flatten();
        let (mut callees, mut step) = (BTreeSet::new(), None);
        for (callee, by) in calls {
            callees.insert(*callee);
            step = Some(*by);
        }
        match step {
            Some(step) => (callers, last) = (callees, Some(step)),
            None => return false,
        }
    }
    let message = format!("sub-flows run each other more than {MOST_NESTED} deep");
    let help = "let the deeper ones be blocks of the flow that runs them";
    findings.push(Diagnostic::error("E106", last.map(|step| step.place.clone()), message).help(help));
    true
}

fn reaches(runs: &BTreeMap<FlowId, Vec<(FlowId, &Step)>>, from: FlowId, to: FlowId) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(flow) = open.pop() {
        if flow == to {
            return true;
        }
        if seen.insert(flow) {
            open.extend(runs.get(&flow).into_iter().flatten().map(|(callee, _)| *callee));
        }
    }
    false
}

/// Everything about jumps.
pub(super) fn check(app: &Application, findings: &mut Findings) {
    let sound = findings.errors() == 0;
    for block in &app.blocks {
        ends(block, sound, findings);
    }
    if sound {
        unreachable(app, findings);
        shadowed(app, findings);
    }
    loops(app, findings);
    after_hangup(app, findings);
}

/// A block ends by leaving it; nothing stands after a step that always leaves.
fn ends(block: &Block, sound: bool, findings: &mut Findings) {
    let help = "end it with `goto`, `return` or `hangup`, or a branch where all arms do";
    match block.steps.last() {
        None => {
            let message = format!("the block `{}` has no steps", block.name);
            findings.push(Diagnostic::error("E122", Some(block.place.clone()), message).help(help));
        }
        Some(last) if continues(last) => {
            let outcomes: Vec<String> = last
                .kind
                .arms()
                .into_iter()
                .filter(|(_, arm)| super::arm_continues(arm))
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            let how =
                if outcomes.is_empty() { String::new() } else { format!(" on {}", outcomes.join(", ")) };
            let message =
                format!("the block `{}` ends, and the call does not know where to go{how}", block.name);
            let diagnostic = Diagnostic::error("E122", Some(last.place.clone()), message)
                .label("after this step")
                .help(help)
                .related(block.place.clone(), "in this block");
            findings.push(diagnostic);
        }
        Some(_) => {}
    }
    for pair in block.steps.windows(2).filter(|_| sound) {
        if let [step, next] = pair
            && !continues(step)
        {
            let message =
                format!("this step never runs: `{}` before it always leaves the block", step.kind.verb());
            findings.push(
                Diagnostic::warning("W121", Some(next.place.clone()), message)
                    .help("remove it, or move it up"),
            );
        }
    }
}

/// Where a step can jump to, the `always` keys aside.
pub(super) fn jumps(step: &Step) -> Vec<BlockId> {
    let mut out = Vec::new();
    for step in nested(step) {
        if let StepKind::Goto(to) = &step.kind {
            out.push(to.0);
        }
        out.extend(step.kind.arms().into_iter().filter_map(|(_, arm)| match arm {
            Arm::Goto(block) => Some(*block),
            _ => None,
        }));
    }
    out
}

fn reachable(app: &Application, from: impl IntoIterator<Item = BlockId>) -> BTreeSet<BlockId> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<BlockId> = from.into_iter().collect();
    while let Some(id) = open.pop() {
        let Some(block) = app.block(id) else { continue };
        if !seen.insert(id) {
            continue;
        }
        for step in &block.steps {
            open.extend(jumps(step));
            for step in nested(step) {
                if let StepKind::Run(run) = &step.kind {
                    open.extend(app.flow(run.flow).map(|flow| flow.entry));
                }
            }
        }
    }
    seen
}

fn unreachable(app: &Application, findings: &mut Findings) {
    let main = app.flow(FlowId::MAIN).map(|flow| flow.entry);
    let handlers = main.into_iter().chain(app.when_error).chain(app.when_hangup).chain(always_targets(app));
    let seen = reachable(app, handlers);
    for (index, block) in app.blocks.iter().enumerate() {
        if u32::try_from(index).is_ok_and(|index| !seen.contains(&BlockId(index))) {
            let message = format!("nothing leads to the block `{}`", block.name);
            findings.push(
                Diagnostic::warning("W121", Some(block.place.clone()), message)
                    .help("remove it, or `goto` it"),
            );
        }
    }
}

/// A menu's own key hides the application's.
fn shadowed(app: &Application, findings: &mut Findings) {
    for step in app.all_steps() {
        let StepKind::Menu(menu) = &step.kind else { continue };
        let hidden = |key: &&crate::flow::document::AlwaysKey| {
            menu.input.always && menu.options.iter().any(|option| option.keys == [key.key])
        };
        for key in app.always.iter().filter(hidden) {
            let name = crate::flow::document::scalar::digit_name(key.key);
            let message = format!("this menu's key `{name}` hides the key that works everywhere else");
            let help = "use another key, or say `always: off_here`";
            findings.push(Diagnostic::warning("W162", Some(step.place.clone()), message).help(help));
        }
    }
}

/// Whether a step, left by this outcome, has waited for somebody.
fn waits(app: &Application, step: &Step, outcome: &str) -> bool {
    match &step.kind {
        StepKind::Run(run) => {
            let blocks = app.blocks.iter().filter(|block| block.flow == run.flow);
            let steps = blocks.flat_map(|block| &block.steps).flat_map(nested);
            steps.into_iter().any(|step| step.kind.node().spec().input)
        }
        kind => kind.node().waits(outcome),
    }
}

/// Jumps that a call can take from the start of a block without waiting for anybody.
fn instant(app: &Application, block: &Block) -> BTreeSet<BlockId> {
    let mut out = BTreeSet::new();
    for step in &block.steps {
        if !instant_step(app, step, &mut out) {
            break;
        }
    }
    out
}

/// Adds a step's instant jumps; whether the call can be past the step without having waited.
fn instant_step(app: &Application, step: &Step, out: &mut BTreeSet<BlockId>) -> bool {
    let mut on = step.when.is_some();
    match &step.kind {
        StepKind::Goto(to) => {
            out.insert(to.0);
        }
        StepKind::Return(_) | StepKind::Hangup(_) => {}
        StepKind::ChooseLanguage(_) => {}
        kind => {
            let arms = kind.arms();
            on |= arms.is_empty() || matches!(kind, StepKind::Require(_));
            for (_, arm) in arms.into_iter().filter(|(outcome, _)| !waits(app, step, outcome)) {
                match arm {
                    Arm::Continue => on = true,
                    Arm::Goto(block) => {
                        out.insert(*block);
                    }
                    Arm::Return(_) => {}
                    Arm::Step(step) => on |= instant_step(app, step, out),
                }
            }
        }
    }
    on
}

/// A circle of blocks in which nobody is waited for would run until the call's budget is used up.
fn loops(app: &Application, findings: &mut Findings) {
    let edges: Vec<BTreeSet<BlockId>> = app.blocks.iter().map(|block| instant(app, block)).collect();
    let next = |id: BlockId| usize::try_from(id.0).ok().and_then(|at| edges.get(at));
    let mut told: BTreeSet<BlockId> = BTreeSet::new();
    for start in (0..app.blocks.len()).filter_map(|at| u32::try_from(at).ok()).map(BlockId) {
        if told.contains(&start) {
            continue;
        }
        let Some(path) = circle(start, &next) else { continue };
        told.extend(path.iter().copied());
        let names: Vec<&str> =
            path.iter().chain([&start]).filter_map(|id| app.block(*id)).map(|block| &*block.name).collect();
        let Some(block) = app.block(start) else { continue };
        let message = format!("this goes in a circle without waiting for the caller: {}", names.join(" → "));
        let help = "put a step into it that waits for the caller, or let one of the jumps go somewhere else";
        findings.push(Diagnostic::error("E140", Some(block.place.clone()), message).help(help));
    }
}

/// The shortest way from a block back to it.
pub(super) fn circle<'a>(
    start: BlockId,
    next: &impl Fn(BlockId) -> Option<&'a BTreeSet<BlockId>>,
) -> Option<Vec<BlockId>> {
    let mut came: BTreeMap<BlockId, BlockId> = BTreeMap::new();
    let mut open = std::collections::VecDeque::from([start]);
    while let Some(id) = open.pop_front() {
        for to in next(id).into_iter().flatten().copied() {
            if to == start {
                let mut path = vec![id];
                while let Some(before) = path.last().and_then(|last| came.get(last)).copied() {
                    path.push(before);
                }
                path.reverse();
                return Some(path);
            }
            if to != start && !came.contains_key(&to) {
                came.insert(to, id);
                open.push_back(to);
            }
        }
    }
    None
}

/// After the caller is gone nothing can be said to them.
fn after_hangup(app: &Application, findings: &mut Findings) {
    for id in reachable(app, app.when_hangup) {
        let Some(block) = app.block(id) else { continue };
        for step in block.steps.iter().flat_map(nested) {
            let verb = step.kind.verb();
            if step.kind.node().spec().needs_caller {
                let message = format!("`{verb}` needs a caller, and this runs after they have hung up");
                let help = "`when_hangup` may look things up, set, decide and audit";
                findings.push(Diagnostic::error("E263", Some(step.place.clone()), message).help(help));
            }
        }
    }
}
