//! A reference interpreter: every way through an application, each outcome of each step taken once.
//!
//! It is meant to be obviously right, not fast, and shares nothing with the check. A level is raised by the
//! outcome `reached` and by nothing else; a new claim lowers it to nothing. Conditions are evaluated where
//! the level and the words of enumerations say how they end; otherwise both ways are taken.

use std::collections::{BTreeMap, BTreeSet};

use countersign::auth::LevelName;
use countersign::flow::document::{
    Always, Application, Arm, BlockId, FlowId, Interrupt, LevelRef, Step, StepKind, VarId,
};
use countersign::flow::expr::{CompareOp, Expr, Field, Literal, Type};

/// More states than any of our flows has; a flow that needs more is not explored to its end.
const MOST: usize = 400_000;

/// A place in a block: the step, and the arms taken inside of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct At {
    block: BlockId,
    step: usize,
    arms: Vec<usize>,
}

/// Where a call is and what is known of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    /// The main flow first.
    stack: Vec<At>,
    /// 0 is nothing proved, 1 the lowest level.
    level: usize,
    /// Words that variables have for certain.
    words: BTreeMap<u32, String>,
}

/// The path, block by block, by which somebody gets to a protected call below its level.
pub(crate) fn unproved(app: &Application) -> Option<String> {
    explore(&World { app, honest: true })
}

/// The same when every `require` lets everybody pass and nobody ever reaches a level: what the interpreter
/// must find wherever something is protected.
pub(crate) fn unproved_without_proofs(app: &Application) -> Option<String> {
    explore(&World { app, honest: false })
}

fn explore(world: &World<'_>) -> Option<String> {
    let app = world.app;
    let main = app.flow(FlowId::MAIN)?.entry;
    let start = |block: BlockId| Call { stack: vec![at(block)], level: 0, words: BTreeMap::new() };
    let starts = std::iter::once(main).chain(app.when_error).chain(app.when_hangup).map(start);
    let mut open: Vec<(Call, Option<usize>)> = starts.map(|call| (call, None)).collect();
    let mut seen: BTreeSet<Call> = BTreeSet::new();
    // Each state with the one it came from, for telling the way.
    let mut trail: Vec<(Call, Option<usize>)> = Vec::new();
    while let Some((call, from)) = open.pop() {
        if seen.len() >= MOST || !seen.insert(call.clone()) {
            continue;
        }
        let Some(step) = world.step(&call) else { continue };
        trail.push((call.clone(), from));
        let here = trail.len() - 1;
        if world.needs(step).is_some_and(|needed| call.level < needed) && world.may_run(step, &call) {
            return Some(world.tell(&trail, here));
        }
        open.extend(world.next(step, &call).into_iter().map(|call| (call, Some(here))));
    }
    assert!(seen.len() < MOST, "too many states to explore");
    None
}

/// The service calls that have a level.
pub(crate) fn protected_calls(app: &Application) -> BTreeSet<(String, String)> {
    let of = |service: &countersign::flow::document::Service| {
        let protected = service.calls.iter().filter(|call| call.level.is_some());
        protected.map(|call| (service.name.clone(), call.name.clone())).collect::<Vec<_>>()
    };
    app.services.services.iter().flat_map(of).collect()
}

/// Whether anything in the application is protected at all.
pub(crate) fn protects(app: &Application) -> bool {
    !protected_calls(app).is_empty()
}

const fn at(block: BlockId) -> At {
    At { block, step: 0, arms: Vec::new() }
}

struct World<'a> {
    app: &'a Application,
    /// Whether proofs count.
    honest: bool,
}

impl<'a> World<'a> {
    /// The step that a call is at.
    fn step(&self, call: &Call) -> Option<&'a Step> {
        let at = call.stack.last()?;
        let mut step = self.app.block(at.block)?.steps.get(at.step)?;
        for arm in &at.arms {
            let arms = step.kind.arms();
            let Arm::Step(inner) = arms.get(*arm)?.1 else { return None };
            step = inner;
        }
        Some(step)
    }

    fn rank(&self, level: &str) -> usize {
        self.app.policy.rank(&LevelName::from(level)).map_or(0, |rank| rank + 1)
    }

    /// The level that a step must not be run below.
    fn needs(&self, step: &Step) -> Option<usize> {
        match &step.kind {
            StepKind::Lookup(lookup) => lookup.enquiry.level.as_ref().map(|level| self.rank(level.as_str())),
            StepKind::Enrol(enrol) => Some(self.rank(enrol.after.as_str())),
            StepKind::Reset(reset) => Some(self.rank(reset.after.as_str())),
            StepKind::Update(update) => update.enquiry.level.as_ref().map(|level| self.rank(level.as_str())),
            _ => None,
        }
    }

    fn may_run(&self, step: &Step, call: &Call) -> bool {
        step.when.as_ref().is_none_or(|when| self.holds(when, call) != Some(false))
    }

    /// Everything that can happen next.
    fn next(&self, step: &'a Step, call: &Call) -> Vec<Call> {
        let mut out = Vec::new();
        if step.when.as_ref().is_some_and(|when| self.holds(when, call) != Some(true)) {
            out.extend(on(call));
        }
        if self.may_run(step, call) {
            out.extend(self.always(step, call));
            out.extend(self.outcomes(step, call));
        }
        out
    }

    /// Keys that work everywhere jump out of any sub-flow.
    fn always(&self, step: &Step, call: &Call) -> Vec<Call> {
        let hears = match &step.kind {
            StepKind::Say(step) => step.interrupt != Interrupt::Never,
            StepKind::Notice(step) => step.interrupt != Interrupt::Never,
            StepKind::Play(step) => step.interrupt != Interrupt::Never,
            StepKind::ChooseLanguage(step) => step.input.always,
            StepKind::Ask(step) => step.input.always,
            StepKind::Menu(step) => step.input.always,
            StepKind::Confirm(step) => step.input.always,
            StepKind::Authenticate(step) => step.input.always,
            _ => false,
        };
        let target = |does: &Always| match does {
            Always::Goto(block) => Some(self.jump(*block, call)),
            Always::Repeat => None,
        };
        self.app.always.iter().filter(|_| hears).filter_map(|key| target(&key.does)).collect()
    }

    fn outcomes(&self, step: &'a Step, call: &Call) -> Vec<Call> {
        match &step.kind {
            StepKind::Goto(to) => vec![self.jump(to.0, call)],
            StepKind::Hangup(_) => Vec::new(),
            StepKind::Return(leave) => self.give_back(leave, call),
            StepKind::Set(values) => {
                let mut after = call.clone();
                for (var, expr) in &values.0 {
                    remember(&mut after, *var, self.word(expr, call));
                }
                on(&after)
            }
            StepKind::Run(run) => {
                let Some(flow) = self.app.flow(run.flow) else { return Vec::new() };
                let mut inside = call.clone();
                flow.vars.iter().for_each(|var| remember(&mut inside, *var, None));
                for (var, expr) in &run.with {
                    remember(&mut inside, *var, self.word(expr, call));
                }
                inside.stack.push(at(flow.entry));
                vec![inside]
            }
            StepKind::Require(require) => {
                let mut out = Vec::new();
                for needed in self.levels(&require.level, call) {
                    if call.level >= needed || !self.honest {
                        out.extend(on(call));
                    }
                    if call.level < needed || require.max_age.is_some() {
                        match (&require.otherwise, self.app.when_error) {
                            (Some(_), _) => out.extend(self.arm(step, 0, call)),
                            (None, Some(block)) => out.push(self.jump(block, call)),
                            (None, None) => {}
                        }
                    }
                }
                out
            }
            StepKind::Decide(decide) => {
                let mut out = Vec::new();
                for (index, (condition, _)) in decide.cases.iter().enumerate() {
                    let holds = self.holds(condition, call);
                    if holds != Some(false) {
                        out.extend(self.arm(step, index, call));
                    }
                    if holds == Some(true) {
                        return out;
                    }
                }
                out.extend(self.arm(step, decide.cases.len(), call));
                out
            }
            _ => self.any_outcome(step, call),
        }
    }

    /// Every arm of a step, with what each says about the level and about variables.
    fn any_outcome(&self, step: &'a Step, call: &Call) -> Vec<Call> {
        let arms = step.kind.arms();
        if arms.is_empty() {
            return on(call);
        }
        let mut out = Vec::new();
        for (index, (outcome, _)) in arms.iter().enumerate() {
            let mut after = call.clone();
            match &step.kind {
                StepKind::Identify(_) if outcome != "unavailable" => after.level = 0,
                StepKind::Authenticate(auth) if outcome == "reached" => {
                    for level in self.levels(&auth.level, call) {
                        after.level = if self.honest { call.level.max(level) } else { call.level };
                        out.extend(self.arm(step, index, &after));
                    }
                    continue;
                }
                StepKind::Ask(ask) => remember(&mut after, ask.into, None),
                StepKind::Menu(menu) => {
                    let option = menu.options.get(index);
                    let when = option.and_then(|option| option.when.as_ref());
                    if when.is_some_and(|when| self.holds(when, call) == Some(false)) {
                        continue;
                    }
                    let value = option.and_then(|option| option.value.as_ref());
                    if let (Some(var), Some(Literal::Text(word))) = (menu.into, value) {
                        remember(&mut after, var, Some(word.to_string()));
                    }
                }
                _ => {}
            }
            out.extend(self.arm(step, index, &after));
        }
        out
    }

    /// Takes one arm of a step.
    fn arm(&self, step: &'a Step, index: usize, call: &Call) -> Vec<Call> {
        match step.kind.arms().get(index).map(|(_, arm)| *arm) {
            Some(Arm::Continue) => on(call),
            Some(Arm::Goto(block)) => vec![self.jump(*block, call)],
            Some(Arm::Return(leave)) => self.give_back(leave, call),
            Some(Arm::Step(_)) => {
                let mut inside = call.clone();
                inside.stack.last_mut().into_iter().for_each(|at| at.arms.push(index));
                vec![inside]
            }
            None => Vec::new(),
        }
    }

    fn jump(&self, block: BlockId, call: &Call) -> Call {
        let mut there = call.clone();
        let flow_of = |at: &At| self.app.block(at.block).map(|block| block.flow);
        let flow = self.app.block(block).map(|block| block.flow);
        while there.stack.last().is_some_and(|at| flow_of(at) != flow) {
            there.stack.pop();
        }
        there.stack.pop();
        there.stack.push(at(block));
        there
    }

    fn give_back(&self, leave: &countersign::flow::document::Return, call: &Call) -> Vec<Call> {
        let mut after = call.clone();
        for (var, expr) in &leave.give {
            remember(&mut after, *var, self.word(expr, call));
        }
        after.stack.pop();
        let Some(Step { kind: StepKind::Run(run), .. }) = self.step(&after) else { return Vec::new() };
        for (theirs, ours) in &run.results {
            let word = after.words.get(&theirs.0).cloned();
            remember(&mut after, *ours, word);
        }
        let step = self.step(&after);
        step.map(|step| self.arm(step, usize::from(leave.outcome.0), &after)).unwrap_or_default()
    }

    /// The levels that a step may name.
    fn levels(&self, level: &LevelRef, call: &Call) -> Vec<usize> {
        match level {
            LevelRef::Named(name) => vec![self.rank(name.as_str())],
            LevelRef::From(expr) => match (self.word(expr, call), expr) {
                (Some(word), _) => vec![self.rank(&word)],
                (None, Expr::Var(var)) => match self.app.var(*var).map(|var| &var.ty) {
                    Some(Type::Enum(words)) => words.iter().map(|word| self.rank(word)).collect(),
                    _ => vec![0],
                },
                _ => vec![0],
            },
        }
    }

    /// The word that an expression is for certain.
    fn word(&self, expr: &Expr, call: &Call) -> Option<String> {
        match expr {
            Expr::Literal(Literal::Text(word)) => Some(word.to_string()),
            Expr::Literal(Literal::Flag(flag)) => Some(flag.to_string()),
            Expr::Var(var) => call.words.get(&var.0).cloned(),
            Expr::Field(Field::AuthLevel) => Some(match call.level.checked_sub(1) {
                Some(rank) => self.app.policy.levels.get(rank)?.name.to_string(),
                None => String::from("none"),
            }),
            _ => None,
        }
    }

    /// Whether a condition holds, where that is certain.
    fn holds(&self, condition: &Expr, call: &Call) -> Option<bool> {
        match condition {
            Expr::Literal(Literal::Flag(flag)) => Some(*flag),
            Expr::Not(inner) => self.holds(inner, call).map(|holds| !holds),
            Expr::And(left, right) => match (self.holds(left, call), self.holds(right, call)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Expr::Or(left, right) => match (self.holds(left, call), self.holds(right, call)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Expr::Compare { op, left, right, .. } => {
                let (left, right) = (self.word(left, call)?, self.word(right, call)?);
                match op {
                    CompareOp::Equal => Some(left == right),
                    CompareOp::NotEqual => Some(left != right),
                    CompareOp::Less => Some(self.rank(&left) < self.rank(&right)),
                    CompareOp::LessOrEqual => Some(self.rank(&left) <= self.rank(&right)),
                    CompareOp::Greater => Some(self.rank(&left) > self.rank(&right)),
                    CompareOp::GreaterOrEqual => Some(self.rank(&left) >= self.rank(&right)),
                }
            }
            Expr::In { item, list } => {
                let word = self.word(item, call)?;
                Some(list.iter().any(|literal| matches!(literal, Literal::Text(text) if **text == *word)))
            }
            _ => None,
        }
    }

    /// The blocks on the way to a state.
    fn tell(&self, trail: &[(Call, Option<usize>)], at: usize) -> String {
        let mut names = Vec::new();
        let mut next = Some(at);
        while let Some((call, before)) = next.and_then(|at| trail.get(at)) {
            let block =
                call.stack.last().and_then(|at| self.app.block(at.block)).map_or("", |block| &block.name);
            let verb = self.step(call).map_or("", |step| step.kind.verb());
            names.push(format!("{block}: {verb} at level {}", call.level));
            next = *before;
        }
        names.reverse();
        names.join("\n")
    }
}

/// On with the next step of the block.
fn on(call: &Call) -> Vec<Call> {
    let mut after = call.clone();
    if let Some(at) = after.stack.last_mut() {
        at.step += 1;
        at.arms.clear();
    }
    vec![after]
}

fn remember(call: &mut Call, var: VarId, word: Option<String>) {
    match word {
        Some(word) => call.words.insert(var.0, word),
        None => call.words.remove(&var.0),
    };
}
