//! A fallback that is weaker than what it stands in for: a sub-flow is asked for one level, and returns the
//! outcome of success for a lower one as well.

use std::collections::{BTreeSet, VecDeque};

use super::held::{Env, Held, Rank};
use super::path::Exit;
use super::proof::{Here, Proof};
use crate::diagnostic::Diagnostic;
use crate::flow::document::{Authenticate, BlockId, FlowId, OutcomeId, Step, StepKind};

/// A step of the flow: where it stands, and what level it is to reach.
struct Attempt<'a> {
    at: (BlockId, usize),
    step: &'a Step,
    rank: Rank,
}

/// What can be come to from somewhere in the flow.
#[derive(Default)]
struct Beyond {
    outcomes: BTreeSet<OutcomeId>,
    steps: BTreeSet<(BlockId, usize)>,
}

/// Tells about weaker fallbacks of a flow that is run with these values.
pub(super) fn check(proof: &mut Proof<'_>, flow: FlowId, env: &Env) {
    if !proof.authenticates(flow) {
        return;
    }
    let attempts = attempts(proof, flow, env);
    let before = std::mem::replace(&mut proof.quiet, true);
    // Where success leads from each.
    let succeeded: Vec<BTreeSet<OutcomeId>> = attempts
        .iter()
        .map(|attempt| beyond(proof, attempt, env, |outcome| outcome == "reached", true).outcomes)
        .collect();
    for (strong, success) in attempts.iter().zip(&succeeded) {
        let weaker = |weak: &Attempt<'_>| 0 < weak.rank && weak.rank < strong.rank;
        if !attempts.iter().any(weaker) {
            continue;
        }
        let failed = beyond(proof, strong, env, |outcome| outcome != "reached", true);
        let without = beyond(proof, strong, env, |outcome| outcome != "reached", false).outcomes;
        for (weak, fallback) in attempts.iter().zip(&succeeded).filter(|(weak, _)| weaker(weak)) {
            if !failed.steps.contains(&weak.at) {
                continue;
            }
            // What is returned after plain failure as well is no promise.
            let same = success.intersection(fallback).find(|outcome| !without.contains(outcome));
            if let Some(outcome) = same {
                tell(proof, flow, strong, weak, *outcome);
            }
        }
    }
    proof.quiet = before;
}

fn attempts<'a>(proof: &Proof<'a>, flow: FlowId, env: &Env) -> Vec<Attempt<'a>> {
    let app = proof.app;
    let mut out = Vec::new();
    for (number, block) in app.blocks.iter().enumerate().filter(|(_, block)| block.flow == flow) {
        let Ok(number) = u32::try_from(number) else { continue };
        for (at, step) in block.steps.iter().enumerate() {
            if let StepKind::Authenticate(Authenticate { level, .. }) = &step.kind {
                let rank = proof.levels.named(level, env, &app.vars);
                out.push(Attempt { at: (BlockId(number), at), step, rank });
            }
        }
    }
    out
}

/// Where a call can come to from an attempt that ended by one of some outcomes; `again`: other attempts may
/// succeed on the way.
fn beyond(
    proof: &mut Proof<'_>,
    attempt: &Attempt<'_>,
    env: &Env,
    by: impl Fn(&str) -> bool,
    again: bool,
) -> Beyond {
    let app = proof.app;
    let here = Here { env, path: "" };
    let mut out = Beyond::default();
    let mut open: VecDeque<((BlockId, usize), Held)> = VecDeque::new();
    let mut seen = BTreeSet::new();
    let push = |(block, at): (BlockId, usize), exit: Exit, held: Held, out: &mut Beyond| match exit {
        Exit::Next => Some(((block, at + 1), held)),
        Exit::Goto(to) => Some(((to, 0), held)),
        Exit::Return(outcome) => {
            out.outcomes.insert(outcome);
            None
        }
    };
    for way in proof.ways(attempt.step, Held::NOTHING, here) {
        if by(outcome_of(&way.how)) {
            open.extend(push(attempt.at, way.exit, way.held, &mut out));
        }
    }
    while let Some((at, held)) = open.pop_front() {
        let Some(step) = app.block(at.0).and_then(|block| block.steps.get(at.1)) else { continue };
        if !seen.insert((at, held)) {
            continue;
        }
        if !proof.look() {
            return out;
        }
        out.steps.insert(at);
        for way in proof.ways(step, held, here) {
            if again || outcome_of(&way.how) != "reached" {
                open.extend(push(at, way.exit, way.held, &mut out));
            }
        }
    }
    out
}

/// The outcome of an `authenticate` in a printed way.
fn outcome_of(how: &str) -> &str {
    let first = how.split(',').next().unwrap_or(how);
    first.strip_prefix("authenticate ").unwrap_or("")
}

fn tell(proof: &mut Proof<'_>, flow: FlowId, strong: &Attempt<'_>, weak: &Attempt<'_>, outcome: OutcomeId) {
    let app = proof.app;
    let name = |rank: Rank| proof.levels.at(rank).map_or_else(|| "none".to_owned(), |l| l.name.to_string());
    let outcome = app.flow(flow).and_then(|flow| flow.outcomes.get(usize::from(outcome.0)));
    let outcome = outcome.map_or("", |outcome| &**outcome);
    let (wanted, got) = (name(strong.rank), name(weak.rank));
    let message = format!(
        "whoever fails `{wanted}` gets `{outcome}` by this weaker way as well, which reaches `{got}`"
    );
    let diagnostic = Diagnostic::error("E205", Some(weak.step.place.clone()), message)
        .label(format!("reaches `{got}` only"))
        .help(format!(
            "return another outcome when `{wanted}` is wanted: `decide` on the level before `return: {outcome}`"
        ))
        .related(strong.step.place.clone(), format!("`{wanted}` is asked for here"));
    let place = &weak.step.place;
    proof.weaker.entry((place.source.path.clone(), place.span.start)).or_insert(diagnostic);
}
