//! Recording before consent: every way to `recording: start` goes by the question.
//!
//! What is asked in a sub-flow counts as asked after it, and a sub-flow's own blocks are taken to run after the
//! question: told is only what is wrong for certain. At run time nothing starts without the answer anyway.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Hearing, always_targets, within};
use crate::diagnostic::{Diagnostic, Place};
use crate::flow::document::findings::Findings;
use crate::flow::document::{Application, Arm, BlockId, FlowId, RecordingRule, Step, StepKind, VarId};
use crate::flow::run::RecordingOrder;

type Asked = BTreeSet<VarId>;

/// Tells about recordings that start before anybody was asked.
pub(super) fn check(app: &Application, findings: &mut Findings) {
    let needed = match app.recording {
        RecordingRule::On => return,
        RecordingRule::AfterConsent(consent) => Some(consent),
        RecordingRule::ByStep(consent) => consent,
    };
    let mut walk = Walk {
        app,
        needed,
        hearing: Hearing::of(app),
        asked_in: within(app, |step| match &step.kind {
            StepKind::Consent(consent) => vec![consent.into],
            _ => Vec::new(),
        }),
        at: BTreeMap::new(),
        open: VecDeque::new(),
        found: BTreeMap::new(),
    };
    let everything: Asked = app.consents.values().copied().collect();
    let nothing = Asked::new();
    for (index, flow) in app.flows.iter().enumerate() {
        walk.reach(flow.entry, if index == 0 { &nothing } else { &everything });
    }
    for handler in app.when_error.into_iter().chain(app.when_hangup) {
        walk.reach(handler, &Asked::new());
    }
    while let Some(id) = walk.open.pop_front() {
        walk.block(id);
    }
    walk.found.clear();
    for id in walk.at.keys().copied().collect::<Vec<_>>() {
        walk.block(id);
    }
    findings.extend(walk.found.into_values());
}

struct Walk<'a> {
    app: &'a Application,
    needed: Option<VarId>,
    hearing: Hearing,
    /// What a sub-flow may ask.
    asked_in: BTreeMap<FlowId, Asked>,
    /// What was asked on every way to a block.
    at: BTreeMap<BlockId, Asked>,
    open: VecDeque<BlockId>,
    found: BTreeMap<usize, Diagnostic>,
}

impl Walk<'_> {
    fn reach(&mut self, block: BlockId, asked: &Asked) {
        match self.at.get_mut(&block) {
            None => {
                self.at.insert(block, asked.clone());
                self.open.push_back(block);
            }
            Some(known) if !known.is_subset(asked) => {
                known.retain(|var| asked.contains(var));
                self.open.push_back(block);
            }
            Some(_) => {}
        }
    }

    fn block(&mut self, id: BlockId) {
        let (app, Some(mut asked)) = (self.app, self.at.get(&id).cloned()) else { return };
        for step in app.block(id).map(|block| block.steps.as_slice()).unwrap_or_default() {
            match self.step(step, asked) {
                Some(after) => asked = after,
                None => return,
            }
        }
    }

    /// What is asked after a step; `None` when the call never gets past it.
    fn step(&mut self, step: &Step, before: Asked) -> Option<Asked> {
        let app = self.app;
        if self.hearing.hears(step) {
            always_targets(app).into_iter().for_each(|target| self.reach(target, &before));
        }
        let mut after = before.clone();
        match &step.kind {
            StepKind::Goto(to) => {
                self.reach(to.0, &before);
                return step.when.is_some().then_some(before);
            }
            StepKind::Return(_) | StepKind::Hangup(_) => return step.when.is_some().then_some(before),
            StepKind::Consent(consent) => {
                // Skipped when it was answered before is as good as asked.
                let own = |when: &crate::flow::expr::Expr| when.reads().contains(&consent.into);
                if step.when.as_ref().is_none_or(own) {
                    after.insert(consent.into);
                }
                return Some(after);
            }
            StepKind::Recording(recording) => {
                if recording.order == RecordingOrder::Start {
                    self.start(&step.place, &before);
                }
                return Some(before);
            }
            StepKind::Run(run) => after.extend(self.asked_in.get(&run.flow).into_iter().flatten()),
            _ => {}
        }
        let arms = step.kind.arms();
        if arms.is_empty() {
            return Some(after);
        }
        let mut joined = (step.when.is_some() || matches!(step.kind, StepKind::Require(_))).then_some(before);
        for (_, arm) in arms {
            let set = match arm {
                Arm::Continue => Some(after.clone()),
                Arm::Goto(block) => {
                    self.reach(*block, &after);
                    None
                }
                Arm::Return(_) => None,
                Arm::Step(inner) => self.step(inner, after.clone()),
            };
            joined = match (joined, set) {
                (Some(a), Some(b)) => Some(a.intersection(&b).copied().collect()),
                (a, b) => a.or(b),
            };
        }
        joined
    }

    fn start(&mut self, place: &Place, asked: &Asked) {
        if self.needed.is_some_and(|needed| asked.contains(&needed)) {
            return;
        }
        let purpose = self.app.consents.iter().find(|(_, var)| Some(**var) == self.needed);
        let help = match purpose {
            Some((purpose, _)) => format!("put `- consent: {purpose}` on every way here"),
            None => "ask by `- consent: call_recording` before it, or say `defaults: {recording: {mode: always}}` where the \
                     law needs no consent"
                .to_owned(),
        };
        let message = "the recording starts, and the caller may not have been asked";
        let diagnostic = Diagnostic::error("E240", Some(place.clone()), message).help(help);
        self.found.insert(place.span.start, diagnostic);
    }
}
