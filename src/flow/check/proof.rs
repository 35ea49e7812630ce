//! Proof of authentication: no path reaches a protected look-up below its level.
//!
//! Every path through the blocks is walked with the level that the caller holds for certain: an
//! `authenticate` that reached, a `require` that was passed and a condition on `auth.level` raise it, a new
//! claim drops it. Sub-flows are walked for each way they are run. The first, and so shortest, path that
//! breaks the rule is printed as a caller would walk it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{always_targets, hears_always};
use crate::auth::LevelName;
use crate::diagnostic::{Diagnostic, Place};
use crate::flow::document::findings::Findings;
use crate::flow::document::{Application, Arm, BlockId, FlowId, LevelRef, OutcomeId, Step, StepKind, VarId};
use crate::flow::expr::{CompareOp, Expr, Field, Literal, Order, Type};

/// A level as a number: 0 is none, 1 the lowest of the policy.
type Rank = usize;
/// What a sub-flow was given, where it is fixed.
type Env = BTreeMap<VarId, Literal>;
/// How a sub-flow can end.
type Ends = BTreeSet<(OutcomeId, Rank)>;

/// Tells about protected look-ups that a path reaches without their level.
pub(super) fn check(app: &Application, findings: &mut Findings) {
    let mut proof = Proof { app, memo: Vec::new(), found: BTreeMap::new() };
    let Some(main) = app.flow(FlowId::MAIN) else { return };
    let starts = std::iter::once(main.entry).chain(app.when_error).chain(app.when_hangup);
    for start in starts {
        proof.walk(start, 0, &Env::new(), "");
    }
    findings.extend(proof.found.into_values());
}

struct Proof<'a> {
    app: &'a Application,
    memo: Vec<(FlowId, Rank, Env, Ends)>,
    found: BTreeMap<(String, usize), Diagnostic>,
}

/// Where a step leads.
#[derive(Clone, Copy)]
enum Exit {
    Next,
    Goto(BlockId),
    Return(OutcomeId),
}

/// One way out of a step.
struct Way {
    how: String,
    rank: Rank,
    exit: Exit,
}

/// A place on a path, for printing it.
struct Trail {
    before: Option<usize>,
    text: String,
}

impl Proof<'_> {
    /// Walks all paths from a block, breadth first, and returns how they end.
    fn walk(&mut self, start: BlockId, rank: Rank, env: &Env, prefix: &str) -> Ends {
        let app = self.app;
        let mut ends = Ends::new();
        let mut seen = BTreeSet::new();
        let mut trails: Vec<Trail> = Vec::new();
        let mut open = VecDeque::from([(start, 0_usize, rank, None::<usize>)]);
        while let Some((id, at, rank, before)) = open.pop_front() {
            if !seen.insert((id, at, rank)) {
                continue;
            }
            let Some(block) = app.block(id) else { continue };
            let trail = if at == 0 {
                trails.push(Trail { before, text: block.name.to_string() });
                Some(trails.len() - 1)
            } else {
                before
            };
            let Some(step) = block.steps.get(at) else { continue };
            let path = format!("{prefix}{}", print(&trails, trail));
            if hears_always(app, step) {
                for target in always_targets(app) {
                    open.push_back((target, 0, rank, trail));
                }
            }
            for way in self.ways(step, rank, env, &path) {
                let mut along = trail;
                if !way.how.is_empty() {
                    trails.push(Trail { before: trail, text: format!("({})", way.how) });
                    along = Some(trails.len() - 1);
                }
                match way.exit {
                    Exit::Next => open.push_back((id, at + 1, way.rank, along)),
                    Exit::Goto(block) => open.push_back((block, 0, way.rank, along)),
                    Exit::Return(outcome) => {
                        ends.insert((outcome, way.rank));
                    }
                }
            }
        }
        ends
    }

    /// The ways out of a step for a caller who holds `rank`.
    fn ways(&mut self, step: &Step, rank: Rank, env: &Env, path: &str) -> Vec<Way> {
        let mut out = Vec::new();
        let mut rank = rank;
        if let Some(condition) = &step.when {
            match fold(condition, env) {
                Some(false) => return vec![Way { how: String::new(), rank, exit: Exit::Next }],
                Some(true) => {}
                None => out.push(Way { how: String::new(), rank, exit: Exit::Next }),
            }
            rank = rank.max(self.implied(condition));
        }
        let on = |rank| Way { how: String::new(), rank, exit: Exit::Next };
        match &step.kind {
            StepKind::Goto(to) => out.push(Way { how: String::new(), rank, exit: Exit::Goto(to.0) }),
            StepKind::Return(leave) => {
                out.push(Way { how: String::new(), rank, exit: Exit::Return(leave.outcome) })
            }
            StepKind::Hangup(_) => {}
            StepKind::Require(require) => {
                out.push(on(rank.max(self.rank(&require.level, env))));
                if let Some(arm) = &require.otherwise {
                    self.arm(arm, rank, "below the level", env, path, &mut out);
                }
            }
            StepKind::Decide(decide) => {
                for (at, (condition, arm)) in decide.cases.iter().enumerate() {
                    let holds = fold(condition, env);
                    if holds != Some(false) {
                        let rank = rank.max(self.implied(condition));
                        self.arm(arm, rank, &format!("case {}", at + 1), env, path, &mut out);
                    }
                    if holds == Some(true) {
                        return out;
                    }
                }
                self.arm(&decide.otherwise, rank, "otherwise", env, path, &mut out);
            }
            StepKind::Run(run) => {
                let ends = self.run(run.flow, rank, &given(&run.with, env), path);
                for (outcome, rank) in ends {
                    let name = self
                        .app
                        .flow(run.flow)
                        .and_then(|flow| flow.outcomes.get(usize::from(outcome.0)).cloned());
                    if let Some(arm) = run.arms.get(usize::from(outcome.0)) {
                        self.arm(arm, rank, &name.unwrap_or_default(), env, path, &mut out);
                    }
                }
            }
            kind => {
                let node = kind.node();
                if let Some(level) = node.protected() {
                    self.protected(level, rank, &step.place, &node.title(), path);
                }
                let arms = kind.arms();
                if arms.is_empty() {
                    out.push(on(rank));
                }
                for (outcome, arm) in arms {
                    let rank = match kind {
                        StepKind::Authenticate(auth) if outcome == "reached" => {
                            rank.max(self.rank(&auth.level, env))
                        }
                        // Somebody else may be claimed now: what was proved before does not count.
                        StepKind::Identify(_) if outcome != "unavailable" => 0,
                        _ => rank,
                    };
                    self.arm(arm, rank, &format!("{} {outcome}", kind.verb()), env, path, &mut out);
                }
            }
        }
        out
    }

    fn arm(&mut self, arm: &Arm, rank: Rank, how: &str, env: &Env, path: &str, out: &mut Vec<Way>) {
        let exit = match arm {
            Arm::Continue => Exit::Next,
            Arm::Goto(block) => Exit::Goto(*block),
            Arm::Return(leave) => Exit::Return(leave.outcome),
            Arm::Step(step) => {
                for mut way in self.ways(step, rank, env, path) {
                    way.how = if way.how.is_empty() { how.to_owned() } else { format!("{how}, {}", way.how) };
                    out.push(way);
                }
                return;
            }
        };
        out.push(Way { how: how.to_owned(), rank, exit });
    }

    /// How a sub-flow ends for a caller who holds `rank`.
    fn run(&mut self, flow: FlowId, rank: Rank, env: &Env, path: &str) -> Ends {
        let known = self.memo.iter().find(|(f, r, e, _)| *f == flow && *r == rank && e == env);
        if let Some((_, _, _, ends)) = known {
            return ends.clone();
        }
        let Some(entry) = self.app.flow(flow).map(|flow| flow.entry) else { return Ends::new() };
        let ends = self.walk(entry, rank, env, &format!("{path} → "));
        self.memo.push((flow, rank, env.clone(), ends.clone()));
        ends
    }

    fn rank_of(&self, level: &str) -> Rank {
        self.app.policy.rank(&LevelName::from(level)).map_or(0, |rank| rank + 1)
    }

    /// What a step's level is at least.
    fn rank(&self, level: &LevelRef, env: &Env) -> Rank {
        match level {
            LevelRef::Named(name) => self.rank_of(name.as_str()),
            LevelRef::From(Expr::Var(var)) => match (env.get(var), self.app.var(*var).map(|var| &var.ty)) {
                (Some(Literal::Text(word)), _) => self.rank_of(word),
                (_, Some(Type::Enum(words))) => {
                    words.iter().map(|word| self.rank_of(word)).min().unwrap_or(0)
                }
                _ => 0,
            },
            LevelRef::From(_) => 0,
        }
    }

    /// The level that a caller holds for whom the condition does.
    fn implied(&self, condition: &Expr) -> Rank {
        match condition {
            Expr::And(left, right) => self.implied(left).max(self.implied(right)),
            Expr::Or(left, right) => self.implied(left).min(self.implied(right)),
            Expr::Compare { op, by: Order::Level, left, right } => match (op, &**left, &**right) {
                (
                    CompareOp::Equal | CompareOp::GreaterOrEqual,
                    Expr::Field(Field::AuthLevel),
                    Expr::Literal(Literal::Text(level)),
                )
                | (
                    CompareOp::Equal | CompareOp::LessOrEqual,
                    Expr::Literal(Literal::Text(level)),
                    Expr::Field(Field::AuthLevel),
                ) => self.rank_of(level),
                _ => 0,
            },
            _ => 0,
        }
    }

    fn protected(&mut self, level: &LevelName, rank: Rank, place: &Place, call: &str, path: &str) {
        if rank >= self.rank_of(level.as_str()) {
            return;
        }
        let key = (place.source.path.clone(), place.span.start);
        self.found.entry(key).or_insert_with(|| {
            let message =
                format!("`{call}` is protected by the level `{level}`, and a caller can get here without it");
            let diagnostic = Diagnostic::error("E200", Some(place.clone()), message);
            diagnostic
                .label(format!("the way here: {path}"))
                .help(format!("put `- require: {level}` before it, or authenticate on that way"))
        });
    }
}

/// The arguments of a sub-flow that are fixed.
fn given(with: &[(VarId, Expr)], env: &Env) -> Env {
    let fixed = |(var, expr): &(VarId, Expr)| match expr {
        Expr::Literal(literal) => Some((*var, literal.clone())),
        Expr::Var(from) => env.get(from).map(|literal| (*var, literal.clone())),
        _ => None,
    };
    with.iter().filter_map(fixed).collect()
}

/// Whether a condition holds, where that is fixed by what the sub-flow was given.
fn fold(condition: &Expr, env: &Env) -> Option<bool> {
    match condition {
        Expr::Literal(Literal::Flag(flag)) => Some(*flag),
        Expr::Not(inner) => fold(inner, env).map(|holds| !holds),
        Expr::And(left, right) => match (fold(left, env), fold(right, env)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Expr::Or(left, right) => match (fold(left, env), fold(right, env)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        Expr::Compare { op, left, right, .. } => {
            let (left, right) = (fixed(left, env)?, fixed(right, env)?);
            match op {
                CompareOp::Equal => Some(left == right),
                CompareOp::NotEqual => Some(left != right),
                _ => None,
            }
        }
        Expr::In { item, list } => fixed(item, env).map(|item| list.contains(item)),
        _ => None,
    }
}

fn fixed<'e>(expr: &'e Expr, env: &'e Env) -> Option<&'e Literal> {
    match expr {
        Expr::Literal(literal) => Some(literal),
        Expr::Var(var) => env.get(var),
        _ => None,
    }
}

fn print(trails: &[Trail], at: Option<usize>) -> String {
    let mut texts = Vec::new();
    let mut next = at;
    while let Some(trail) = next.and_then(|at| trails.get(at)) {
        texts.push(trail.text.as_str());
        next = trail.before;
    }
    texts.reverse();
    let mut out = String::new();
    for text in texts {
        // A block follows an arrow, how it was left follows its name.
        if !out.is_empty() {
            out.push_str(if text.starts_with('(') { " " } else { " → " });
        }
        out.push_str(text);
    }
    out
}
