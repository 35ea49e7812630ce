//! Walking through blocks: which step is next, what it does at once, where its exits lead.

use std::sync::Arc;
use std::time::Instant;

use crate::auth::{AuditEvent, AuditKind};
use crate::flow::document::{
    Arm, Audit, BlockId, Cause, Class, Decide, FlowId, Hangup, Return, Run, StepKind, VarId,
};
use crate::flow::expr::Expr;

use super::exit::Exit;
use super::io::{HangupCause, Name, Output, Question};
use super::parts::Entered;
use super::trace::TraceEvent;
use super::values::Value;
use super::{FlowRun, Frame, Life, State};

impl FlowRun {
    /// Runs steps until one waits.
    pub(crate) fn advance(&mut self, now: Instant) {
        while matches!(self.state, State::Ready) {
            if self.budget.steps == 0 {
                self.out_of_budget(now);
            } else {
                self.budget.steps -= 1;
                self.step(now);
            }
        }
    }

    fn step(&mut self, now: Instant) {
        let app = Arc::clone(&self.app);
        let Some(frame) = self.frames.last() else { return self.end(now, HangupCause::Fault) };
        let at = frame.block;
        let Some(step) = frame.step(&app) else { return self.fail(now, "a block has no further step") };
        if step.when.as_ref().is_some_and(|condition| !self.scope(now).holds(condition)) {
            self.trace(TraceEvent::Skipped { verb: step.kind.verb() });
            return self.next_step();
        }
        if step.kind.node().spec().needs_caller {
            if self.life != Life::Caller {
                return self.fail(now, "a step after the hang-up needs a caller");
            }
            if !self.answered && !self.is_heard(&step.kind) {
                return;
            }
        }
        let block = app.block(at).map_or_else(|| Name::from(""), |block| Name::from(&block.name));
        self.trace(TraceEvent::Step { block, verb: step.kind.verb() });
        step.kind.node().begin(self, now);
    }

    /// Before the answer a step for the caller is for those who can be heard without one, or waits for it.
    fn is_heard(&mut self, step: &StepKind) -> bool {
        match self.early {
            Some(true) if step.node().early() => return true,
            Some(false) if step.node().early() => {
                self.trace(TraceEvent::Skipped { verb: step.verb() });
                self.next_step();
                return false;
            }
            None if step.node().early() => self.emit(Output::EarlyMedia),
            _ => self.emit(Output::Answer),
        }
        self.state = State::Answering;
        false
    }

    pub(crate) fn decide(&mut self, now: Instant, step: &Decide) {
        let scope = self.scope(now);
        let case = step.cases.iter().position(|(condition, _)| scope.holds(condition));
        self.take(now, case.map_or(Exit::Otherwise, Exit::Case));
    }

    /// What the frame that runs is at.
    pub(crate) fn current<'a>(&self, app: &'a crate::flow::document::Application) -> Option<&'a StepKind> {
        Some(&self.frames.last()?.step(app)?.kind)
    }

    /// On with the block.
    pub(crate) fn next_step(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.path.clear();
            frame.index += 1;
        }
        self.state = State::Ready;
    }

    /// Leaves the step that runs by one of its exits.
    pub(crate) fn take(&mut self, now: Instant, exit: Exit) {
        let app = Arc::clone(&self.app);
        let Some(step) = self.current(&app) else { return self.fail(now, "no step to leave") };
        self.state = State::Ready;
        self.entered = Entered::default();
        let left = self.left_by(&app, step, exit);
        self.trace(left);
        match step.node().arm(exit) {
            None => self.fail(now, "a step ended without an arm for it"),
            Some(Arm::Continue) => self.next_step(),
            Some(Arm::Goto(block)) => self.jump(now, *block),
            Some(Arm::Return(step)) => self.return_from(now, step),
            Some(Arm::Step(_)) => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.path.push(exit);
                }
            }
        }
    }

    /// Goes to the beginning of a block, out of the sub-flows that it does not belong to.
    pub(crate) fn jump(&mut self, now: Instant, block: BlockId) {
        let app = Arc::clone(&self.app);
        let Some(target) = app.block(block) else { return self.end(now, HangupCause::Fault) };
        while self.frames.last().is_some_and(|frame| frame.flow != target.flow) {
            self.frames.pop();
        }
        self.frames.pop();
        self.frames.push(Frame::at(target.flow, block));
        self.enter(target.flow, &target.name);
    }

    fn enter(&mut self, flow: FlowId, block: &Arc<str>) {
        self.keys.clear();
        self.words = None;
        self.state = State::Ready;
        self.settle_secure();
        let block = self.block_name(flow, block);
        self.trace(TraceEvent::Block { block });
    }

    /// What traces call a block.
    fn block_name(&self, flow: FlowId, block: &Arc<str>) -> Name {
        match self.app.flow(flow) {
            Some(sub) if flow != FlowId::MAIN => Name::from(format!("{}.{block}", sub.name).as_str()),
            _ => Name::from(block),
        }
    }

    /// What is told of a step that is left: where it stands, by which outcome and by which arm.
    fn left_by(&self, app: &crate::flow::document::Application, step: &StepKind, exit: Exit) -> TraceEvent {
        let arm = exit.arm_name(app, step);
        let outcome = exit.name().map_or_else(|| Name::from(arm.as_ref()), Name::from);
        let frame = self.frames.last();
        let block = frame.and_then(|frame| Some(self.block_name(frame.flow, &app.block(frame.block)?.name)));
        let step_at = frame.map(|frame| frame.label(app)).unwrap_or_default();
        TraceEvent::Outcome {
            verb: step.verb(),
            outcome,
            arm: Name::from(arm.as_ref()),
            block: block.unwrap_or_else(|| Name::from("")),
            step: Name::from(step_at.as_str()),
        }
    }

    pub(crate) fn run(&mut self, now: Instant, step: &Run) {
        let app = Arc::clone(&self.app);
        let Some(flow) = app.flow(step.flow) else { return self.fail(now, "no such sub-flow") };
        if self.frames.len() >= DEEPEST {
            return self.fail(now, "sub-flows too deep");
        }
        let scope = self.scope(now);
        let given: Vec<(VarId, Value)> =
            step.with.iter().map(|(var, expr)| (*var, scope.value(expr))).collect();
        for var in &flow.vars {
            self.store(*var, Value::Nothing);
        }
        for (var, value) in given {
            self.assign(var, value);
        }
        self.frames.push(Frame::at(step.flow, flow.entry));
        if let Some(block) = app.block(flow.entry) {
            self.enter(step.flow, &block.name);
        }
    }

    pub(crate) fn return_from(&mut self, now: Instant, step: &Return) {
        let app = Arc::clone(&self.app);
        let scope = self.scope(now);
        let given: Vec<(VarId, Value)> =
            step.give.iter().map(|(var, expr)| (*var, scope.value(expr))).collect();
        for (var, value) in given {
            self.assign(var, value);
        }
        if self.frames.pop().is_none() {
            return self.end(now, HangupCause::Fault);
        }
        let Some(caller) = self.frames.last() else { return self.end(now, HangupCause::Normal) };
        let (flow, block) = (caller.flow, caller.block);
        let Some(StepKind::Run(run)) = self.current(&app) else {
            return self.fail(now, "a sub-flow returned to nowhere");
        };
        self.clear_results(flow);
        for (from, into) in &run.results {
            let value = self.slots.get(from.index()).cloned().unwrap_or(Value::Nothing);
            self.assign(*into, value);
        }
        if let Some(block) = app.block(block) {
            self.enter(flow, &block.name);
        }
        self.take(now, Exit::Returned(step.outcome));
    }

    pub(crate) fn set(&mut self, now: Instant, values: &[(VarId, Expr)]) {
        let scope = self.scope(now);
        let values: Vec<(VarId, Value)> =
            values.iter().map(|(var, expr)| (*var, scope.value(expr))).collect();
        for (var, value) in values {
            self.assign(var, value);
        }
        self.next_step();
    }

    /// Puts a value into a slot; one that can't be there leaves the slot unset.
    pub(crate) fn assign(&mut self, var: VarId, value: Value) {
        let Some(variable) = self.app.var(var) else { return };
        let value = value.into_type(&variable.ty).unwrap_or(Value::Nothing);
        self.store(var, value);
    }

    pub(crate) fn store(&mut self, var: VarId, value: Value) {
        let changed = self.slots.get(var.index()).is_some_and(|slot| !slot.equals(&value));
        let public = self.app.var(var).filter(|variable| changed && variable.class == Class::Public);
        if let Some(variable) = public {
            let variable = Name::from(&variable.name);
            let told = value.as_text().unwrap_or_default();
            self.trace(TraceEvent::Variable { variable, value: Name::from(told.as_str()) });
        }
        if let Some(slot) = self.slots.get_mut(var.index()) {
            *slot = value;
        }
    }

    /// The class of a variable; secret when there is no such variable.
    pub(crate) fn class_of(&self, var: VarId) -> Class {
        self.app.var(var).map_or(Class::Secret, |variable| variable.class)
    }

    /// Forgets what the last `lookup` or `run` of a flow has brought.
    pub(crate) fn clear_results(&mut self, flow: FlowId) {
        let app = Arc::clone(&self.app);
        for var in app.flow(flow).iter().flat_map(|flow| &flow.results) {
            self.store(*var, Value::Nothing);
        }
    }

    pub(crate) fn audit(&mut self, now: Instant, step: &Audit) {
        let facts = self.scope(now).pass(&step.facts).values;
        let kind = AuditKind::Noted { name: step.event.clone(), facts };
        self.note(kind);
        self.trace(TraceEvent::Audit { name: Name::from(step.event.as_str()) });
        self.next_step();
    }

    /// Has something written into the audit log. Nothing waits for it: what must not happen without a
    /// record is the vault's to refuse.
    pub(crate) fn note(&mut self, kind: AuditKind) {
        let subject = self.auth.subject().map(crate::auth::SubjectRef::key);
        let event = AuditEvent { call: Some(self.facts.call), subject, kind };
        self.ask(Question::Auth(crate::auth::Question::Audit(event)));
    }

    pub(crate) fn hang_up(&mut self, now: Instant, step: &Hangup) {
        let cause = match step.cause {
            Cause::Normal => HangupCause::Normal,
            Cause::Busy => HangupCause::Busy,
            Cause::Rejected => HangupCause::Rejected,
        };
        match &step.say {
            Some(prompt) if self.life == Life::Caller && self.answered => {
                self.say_goodbye(now, prompt, cause)
            }
            _ => self.end(now, cause),
        }
    }
}

/// Sub-flows can't recurse; this only bounds what a broken application could do.
const DEEPEST: usize = 32;
