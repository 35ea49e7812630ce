//! Proof of authentication: no path reaches a protected step below its level, or after the level has ended.
//!
//! Every path through the blocks is walked with what the caller holds for certain ([`Held`]): an
//! `authenticate` that reached, a `require` that was passed and a condition on `auth.level` raise it, a new
//! claim drops it. Time that a caller can spend without bound (a loop, a talk with an agent) ends a level
//! that has a `max_age`, until somebody looks at it again. Sub-flows are walked for each way they are run,
//! with what they are given; an `always` key may leave them from any question. The first, and so shortest,
//! path that breaks the rule is printed as a caller would walk it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use super::held::{Env, Held, Levels};
use super::path::{self, Exit, Walk, Way};
use super::{always_targets, fallback, nested};
use crate::diagnostic::{Diagnostic, Place};
use crate::flow::document::findings::Findings;
use crate::flow::document::scalar::{digit_name, spoken_duration};
use crate::flow::document::{Application, Arm, BlockId, FlowId, OutcomeId, Step, StepKind, VarId};
use crate::flow::expr::{Expr, Literal};

/// Tells about protected steps that a path reaches without their level.
pub(super) fn check(app: &Application, findings: &mut Findings) {
    let mut proof = Proof::of(app);
    proof.all();
    if proof.too_much() {
        let entry = app.flow(FlowId::MAIN).and_then(|flow| app.block(flow.entry));
        let message = "there are more ways through this application than can be proved";
        let help = "give sub-flows fewer different values by `with:`, or split the application";
        findings.push(Diagnostic::error("E142", entry.map(|block| block.place.clone()), message).help(help));
    }
    findings.extend(proof.found.into_values().chain(proof.weaker.into_values()));
}

/// How many steps are looked at for a proof, each once for all that may be held there and given to its flow: far
/// more than anybody could oversee, and done in seconds.
const MOST_LOOKS: usize = 200_000;

/// The level that a caller holds for certain at the start of each block, whichever way they came: 0 for none, 1
/// for the lowest of the policy. Blocks that no call reaches are not there.
#[must_use]
pub fn certain_levels(app: &Application) -> BTreeMap<BlockId, usize> {
    let mut proof = Proof::of(app);
    proof.all();
    proof.at_blocks
}

/// The level that a caller holds for certain when a step that does something is reached, by what messages call
/// it: look-ups and the like by their service, audit events by their name.
#[must_use]
pub fn reached_levels(app: &Application) -> BTreeMap<String, usize> {
    let mut proof = Proof::of(app);
    proof.all();
    proof.at_steps
}

pub(super) struct Proof<'a> {
    pub(super) app: &'a Application,
    pub(super) levels: Levels<'a>,
    /// What something in a flow gives a value.
    assigned: BTreeMap<FlowId, BTreeSet<VarId>>,
    /// Flows in which somebody is authenticated.
    asking: BTreeSet<FlowId>,
    /// The walks through sub-flows, by what they were given and what was held.
    memo: BTreeMap<(FlowId, Env), BTreeMap<Held, Walked>>,
    found: BTreeMap<(String, usize), Diagnostic>,
    /// Fallbacks that are weaker than what they stand in for.
    pub(super) weaker: BTreeMap<(String, usize), Diagnostic>,
    /// Nothing is told: the walk is not one from the start of a call.
    pub(super) quiet: bool,
    /// How many steps were looked at.
    looks: usize,
    /// The least that is held at the start of a block, and where something is done.
    at_blocks: BTreeMap<BlockId, usize>,
    at_steps: BTreeMap<String, usize>,
}

/// A walk through a sub-flow.
struct Walked {
    ends: Rc<Ends>,
    /// Whether it told what it found.
    told: bool,
}

/// How a sub-flow can be left, each with what is held, whether that was looked at inside, and a way there.
#[derive(Default)]
pub(super) struct Ends {
    pub(super) returns: BTreeMap<(OutcomeId, Held, bool), String>,
    escapes: BTreeMap<(BlockId, Held, bool), String>,
}

/// What a path through one step needs to know.
#[derive(Clone, Copy)]
pub(super) struct Here<'p> {
    pub(super) env: &'p Env,
    /// The way here, for printing.
    pub(super) path: &'p str,
}

impl<'a> Proof<'a> {
    fn of(app: &'a Application) -> Self {
        Self {
            app,
            levels: Levels::new(&app.policy),
            assigned: assigned(app),
            asking: asking(app),
            memo: BTreeMap::new(),
            found: BTreeMap::new(),
            weaker: BTreeMap::new(),
            quiet: false,
            looks: 0,
            at_blocks: BTreeMap::new(),
            at_steps: BTreeMap::new(),
        }
    }

    /// Walks from everywhere a call or its end begins.
    fn all(&mut self) {
        let app = self.app;
        let Some(main) = app.flow(FlowId::MAIN) else { return };
        let starts = [
            ("", Some(main.entry)),
            ("after an error → ", app.when_error),
            ("after the hang-up → ", app.when_hangup),
        ];
        for (how, start) in starts {
            if let Some(start) = start {
                self.walk(FlowId::MAIN, start, Held::NOTHING, &Env::new(), how);
            }
        }
    }
}

impl Proof<'_> {
    /// Whether the application is too much to be proved; then nothing more is looked at.
    pub(super) const fn too_much(&self) -> bool {
        self.looks > MOST_LOOKS
    }

    /// Looks at one more step, if that is not too much.
    pub(super) fn look(&mut self) -> bool {
        self.looks += 1;
        !self.too_much()
    }

    /// Whether a flow itself authenticates somebody.
    pub(super) fn authenticates(&self, flow: FlowId) -> bool {
        self.asking.contains(&flow)
    }

    /// Walks all paths from a block, breadth first, and tells how they leave its flow.
    fn walk(&mut self, flow: FlowId, start: BlockId, held: Held, env: &Env, prefix: &str) -> Ends {
        let app = self.app;
        let mut ends = Ends::default();
        // In the main flow nobody asks whether a level was looked at.
        let mut walk = Walk::new(start, held, flow == FlowId::MAIN);
        loop {
            while let Some((from, state)) = walk.next() {
                if !self.look() {
                    return ends;
                }
                let Some(block) = app.block(state.block) else { continue };
                let Some(step) = block.steps.get(state.at) else { continue };
                if state.at == 0 && !self.quiet {
                    least(&mut self.at_blocks, state.block, state.held);
                }
                let trail = walk.enter(from, &block.name);
                let path = if self.quiet { String::new() } else { format!("{prefix}{}", walk.print(trail)) };
                for way in self.ways(step, state.held, Here { env, path: &path }) {
                    let checked = state.checked || way.check;
                    let along = walk.along(trail, &way.how);
                    match way.exit {
                        Exit::Next => walk.push(from, (state.block, state.at + 1), &way, along),
                        Exit::Goto(to) if app.block(to).is_some_and(|block| block.flow == flow) => {
                            walk.push(from, (to, 0), &way, along);
                        }
                        Exit::Goto(to) => {
                            let end = ends.escapes.entry((to, way.held, checked));
                            end.or_insert_with(|| walk.print(along));
                        }
                        Exit::Return(outcome) => {
                            let end = ends.returns.entry((outcome, way.held, checked));
                            end.or_insert_with(|| walk.print(along));
                        }
                    }
                }
            }
            if !walk.grow_old(|held| self.levels.lasting(held)) {
                return ends;
            }
        }
    }

    /// The ways out of a step.
    pub(super) fn ways(&mut self, step: &Step, held: Held, here: Here<'_>) -> Vec<Way> {
        let mut out = Vec::new();
        let mut held = held;
        let mut check = false;
        if let Some(condition) = &step.when {
            if let Some((held, check)) = self.levels.narrowed(held, condition, false, here.env) {
                out.push(Way { check, ..Way::on(held) });
            }
            match self.levels.narrowed(held, condition, true, here.env) {
                Some(narrowed) => (held, check) = narrowed,
                None => return out,
            }
        }
        let first = out.len();
        self.ways_of(step, held, here, &mut out);
        out.iter_mut().skip(first).for_each(|way| way.check |= check);
        out
    }

    fn ways_of(&mut self, step: &Step, held: Held, here: Here<'_>, out: &mut Vec<Way>) {
        if step.kind.node().hears_always() {
            let keys = self.app.always.iter().map(|key| digit_name(key.key));
            let how = format!("key {}", keys.collect::<Vec<_>>().join(" or "));
            for target in always_targets(self.app) {
                out.push(Way { how: how.clone(), exit: Exit::Goto(target), ..Way::on(held) });
            }
        }
        match &step.kind {
            StepKind::Goto(to) => out.push(Way { exit: Exit::Goto(to.0), ..Way::on(held) }),
            StepKind::Return(leave) => out.push(Way { exit: Exit::Return(leave.outcome), ..Way::on(held) }),
            StepKind::Hangup(_) => {}
            StepKind::Require(require) => {
                let rank = self.levels.named(&require.level, here.env, &self.app.vars);
                let found = self.levels.found(rank, require.max_age);
                // A lower level that was looked at just now outlives a higher one at which nobody looked.
                let outlives = rank < held.rank && rank > self.levels.lasting(held).rank;
                let passed = if outlives { found } else { held.and(found) };
                out.push(Way { check: outlives || rank >= held.rank, ..Way::on(passed) });
                if let Some(arm) = &require.otherwise {
                    self.arm(arm, held, "below the level", here, out);
                }
            }
            StepKind::Decide(decide) => {
                let mut held = held;
                for (at, (condition, arm)) in decide.cases.iter().enumerate() {
                    if let Some((held, check)) = self.levels.narrowed(held, condition, true, here.env) {
                        let first = out.len();
                        self.arm(arm, held, &format!("case {}", at + 1), here, out);
                        out.iter_mut().skip(first).for_each(|way| way.check |= check);
                    }
                    match self.levels.narrowed(held, condition, false, here.env) {
                        Some((narrowed, _)) => held = narrowed,
                        None => return,
                    }
                }
                self.arm(&decide.otherwise, held, "otherwise", here, out);
            }
            StepKind::Run(run) => {
                let given = self.given(run.flow, &run.with, here.env);
                self.run(run, held, &given, here, out);
            }
            kind => self.outcomes(kind, step, held, here, out),
        }
    }

    /// The outcomes of any other step.
    fn outcomes(&mut self, kind: &StepKind, step: &Step, held: Held, here: Here<'_>, out: &mut Vec<Way>) {
        let node = kind.node();
        if !self.quiet {
            match kind {
                StepKind::Audit(audit) => least(&mut self.at_steps, format!("audit {}", audit.event), held),
                kind if node.title() != kind.verb() => least(&mut self.at_steps, node.title(), held),
                _ => {}
            }
        }
        if let Some(level) = node.protected() {
            self.protected(level.as_str(), node.max_age(), held, step, here.path);
        }
        let arms = kind.arms();
        if arms.is_empty() {
            out.push(Way::on(held));
        }
        for (outcome, arm) in arms {
            let mut check = false;
            let held = match kind {
                StepKind::Authenticate(auth) if outcome == "reached" => {
                    let rank = self.levels.named(&auth.level, here.env, &self.app.vars);
                    check = rank >= held.rank;
                    held.and(self.levels.found(rank, None))
                }
                // Somebody else may be claimed now: what was proved before does not count.
                StepKind::Identify(_) if outcome != "unavailable" => Held::NOTHING,
                // They may have talked, or waited, as long as they liked.
                StepKind::Queue(_) | StepKind::Transfer(_)
                    if matches!(&*outcome, "joined" | "timeout" | "done" | "callback") =>
                {
                    self.levels.lasting(held)
                }
                _ => held,
            };
            let how = match kind {
                StepKind::Menu(_) => outcome.to_string(),
                _ => format!("{} {outcome}", kind.verb()),
            };
            let first = out.len();
            self.arm(arm, held, &how, here, out);
            out.iter_mut().skip(first).for_each(|way| way.check |= check);
        }
    }

    fn arm(&mut self, arm: &Arm, held: Held, how: &str, here: Here<'_>, out: &mut Vec<Way>) {
        let exit = match arm {
            Arm::Continue => Exit::Next,
            Arm::Goto(block) => Exit::Goto(*block),
            Arm::Return(leave) => Exit::Return(leave.outcome),
            Arm::Step(step) => {
                let path = format!("{} ({how})", here.path);
                for mut way in self.ways(step, held, Here { path: &path, ..here }) {
                    way.how = if way.how.is_empty() { how.to_owned() } else { format!("{how}, {}", way.how) };
                    out.push(way);
                }
                return;
            }
        };
        out.push(Way { how: how.to_owned(), exit, ..Way::on(held) });
    }

    /// The ways out of a sub-flow.
    fn run(
        &mut self,
        run: &crate::flow::document::Run,
        held: Held,
        given: &Env,
        here: Here<'_>,
        out: &mut Vec<Way>,
    ) {
        let app = self.app;
        let Some(callee) = app.flow(run.flow) else { return };
        let ends = self.ends(run.flow, held, given, here.path);
        for ((outcome, held, check), told) in &ends.returns {
            let at = usize::from(outcome.0);
            let (Some(arm), Some(name)) = (run.arms.get(at), callee.outcomes.get(at)) else { continue };
            let first = out.len();
            self.arm(arm, *held, &format!("{} {} {name}", callee.name, path::inner(told)), here, out);
            out.iter_mut().skip(first).for_each(|way| way.check |= check);
        }
        for ((block, held, check), told) in &ends.escapes {
            let how = format!("{} {}", callee.name, path::inner(told));
            out.push(Way { how, held: *held, exit: Exit::Goto(*block), check: *check });
        }
    }

    /// The arguments of a sub-flow that are fixed, and stay so while it runs.
    fn given(&self, callee: FlowId, with: &[(VarId, Expr)], env: &Env) -> Env {
        let stays = |var: &VarId| !self.assigned.get(&callee).is_some_and(|assigned| assigned.contains(var));
        let fixed = |(var, expr): &(VarId, Expr)| match expr {
            Expr::Literal(literal @ Literal::Text(_) | literal @ Literal::Flag(_)) => {
                Some((*var, literal.clone()))
            }
            Expr::Var(from) => env.get(from).map(|literal| (*var, literal.clone())),
            _ => None,
        };
        with.iter().filter(|(var, _)| stays(var)).filter_map(fixed).collect()
    }

    /// How a sub-flow can be left. It is walked once for all that is held and given, and once more when nothing was
    /// told the first time.
    fn ends(&mut self, flow: FlowId, held: Held, env: &Env, path: &str) -> Rc<Ends> {
        let walks = self.memo.get(&(flow, env.clone())).and_then(|walks| walks.get(&held));
        if let Some(known) = walks.filter(|walk| walk.told || self.quiet) {
            return Rc::clone(&known.ends);
        }
        let Some(callee) = self.app.flow(flow) else { return Rc::default() };
        let prefix = format!("{} → {}.", path::shortened(path), callee.name);
        let ends = Rc::new(self.walk(flow, callee.entry, held, env, &prefix));
        let told = !self.quiet;
        let walks = self.memo.entry((flow, env.clone())).or_default();
        let first = !walks.values().any(|walk| walk.told);
        walks.insert(held, Walked { ends: Rc::clone(&ends), told });
        if told && first {
            fallback::check(self, flow, env);
        }
        ends
    }

    fn protected(&mut self, level: &str, max_age: Option<Duration>, held: Held, step: &Step, path: &str) {
        let needed = self.levels.rank_of(level);
        let fresh = max_age.is_none_or(|most| held.age.is_some_and(|age| age <= most));
        if self.quiet || (held.rank >= needed && fresh) {
            return;
        }
        let title = step.kind.node().title();
        let (message, help) = match max_age {
            Some(most) if held.rank >= needed => {
                let most = spoken_duration(most);
                let message = format!(
                    "`{title}` needs `{level}` proved within {most}, and a caller can get here with an older proof"
                );
                (message, format!("put `- require: {level}` with `max_age: {most}` before it"))
            }
            _ => {
                let message = format!(
                    "`{title}` is protected by the level `{level}`, and a caller can get here without it"
                );
                (message, format!("put `- require: {level}` before it, or authenticate on that way"))
            }
        };
        self.tell(&step.place, "E200", message, format!("the way here: {}", path::shortened(path)), help);
    }

    fn tell(&mut self, place: &Place, code: &'static str, message: String, label: String, help: String) {
        let key = (place.source.path.clone(), place.span.start);
        let diagnostic = || Diagnostic::error(code, Some(place.clone()), message).label(label).help(help);
        self.found.entry(key).or_insert_with(diagnostic);
    }
}

/// Remembers the least that is held.
fn least<K: Ord>(levels: &mut BTreeMap<K, usize>, at: K, held: Held) {
    levels.entry(at).and_modify(|rank| *rank = held.rank.min(*rank)).or_insert(held.rank);
}

fn asking(app: &Application) -> BTreeSet<FlowId> {
    let asks = |step: &Step| matches!(step.kind, StepKind::Authenticate(_));
    app.blocks.iter().filter(|block| block.steps.iter().any(asks)).map(|block| block.flow).collect()
}

/// The variables of each flow that something in it gives a value.
fn assigned(app: &Application) -> BTreeMap<FlowId, BTreeSet<VarId>> {
    let mut assigned: BTreeMap<FlowId, BTreeSet<VarId>> = BTreeMap::new();
    for block in &app.blocks {
        for step in block.steps.iter().flat_map(nested) {
            let node = step.kind.node();
            let own = assigned.entry(block.flow).or_default();
            if let StepKind::Set(set) = &step.kind {
                own.extend(set.0.iter().map(|(var, _)| *var));
            }
            own.extend(node.sets(""));
            own.extend(step.kind.arms().iter().flat_map(|(outcome, _)| node.sets(outcome)));
        }
    }
    assigned
}

#[cfg(test)]
#[path = "proof_tests.rs"]
mod tests;
