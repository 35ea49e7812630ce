//! `identify`: a claim who is calling. It proves nothing.

use std::time::Instant;

use crate::flow::document::fields;
use crate::flow::document::{Arm, Class, VarId};
use crate::flow::expr::Expr;
use crate::flow::expr::Type;
use crate::flow::run::FlowRun;
use super::{Arms, FieldSpec, Node, Reader, Shape, Sink, Spec, StepKind, Use, next};

pub(super) const SPEC: Spec = Spec {
    verb: "identify",
    summary: "Looks up who the caller claims to be, by their number or by an account number. It proves nothing.",
    argument: Shape::Text,
    fields: &[
        FieldSpec::required("by", Shape::Text, "`caller_id`, or a variable of class personal with an account number"),
        FieldSpec::optional("service", Shape::Text, "where to look: `subjects`, the engine's own store, when left out"),
        FieldSpec::optional("same_reply", Shape::Flag, "`true`: someone unknown goes on like someone known and fails later in the same words and time; then `one` and `none` lead to the same place"),
    ],
    outcomes: &["one", "none", "many", "unavailable"],
    needs_caller: false,
    input: false,
    example: r#"- identify: customer
  by: account
  same_reply: true
  outcome:
    one: {goto: topics}
    none: {goto: topics}
    many: {goto: agent}
    unavailable: {goto: agent}
"#,
    read,
};

/// `identify`
#[derive(Debug)]
pub struct Identify {
    /// What the claim is about, such as `customer`.
    pub subject: String,
    /// What the claim is made of.
    pub by: IdentifyBy,
    /// Whether an unknown subject goes on as a ghost, in the same words and time.
    pub same_reply: bool,
    /// Exactly one subject has it.
    pub one: Arm,
    /// No subject has it.
    pub none: Arm,
    /// Several subjects have it.
    pub many: Arm,
    /// Nobody could say.
    pub unavailable: Arm,
}

/// What a claim is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentifyBy {
    /// The number that the call came from.
    CallerId,
    /// An account number that the caller typed.
    Account(VarId),
}

impl Node for Identify {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        vec![("one".into(), &self.one), ("none".into(), &self.none), ("many".into(), &self.many), ("unavailable".into(), &self.unavailable)]
    }

    fn uses(&self) -> Vec<Use> {
        match self.by {
            IdentifyBy::Account(var) => vec![Use::new(&Expr::Var(var), Sink::Claim)],
            IdentifyBy::CallerId => Vec::new(),
        }
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.identify(now, self);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let subject = fields::name(step.argument, "a subject", step.build.findings);
    let by = step.need("by").and_then(|node| by(step, node));
    if let Some(node) = step.get("service")
        && node.text() != "subjects"
    {
        fields::not_yet(&node.place, "identifying by a service of your own", step.build.findings);
    }
    let same_reply = match step.get("same_reply") {
        Some(node) => fields::flag(node, "same_reply", step.build.findings)?,
        None => false,
    };
    let arms = step.arms(&["one", "none", "many", "unavailable"], &[]);
    let mut arms = arms?.into_iter();
    let (one, none) = (next(&mut arms), next(&mut arms));
    let by = by?;
    alike(step, by, same_reply, &one, &none);
    let (many, unavailable) = (next(&mut arms), next(&mut arms));
    Some(StepKind::Identify(Identify { subject: subject?, by, same_reply, one, none, many, unavailable }))
}

fn by(step: &mut Reader<'_, '_, '_>, node: &fields::Node) -> Option<IdentifyBy> {
    if node.text() == "caller_id" {
        return Some(IdentifyBy::CallerId);
    }
    let var = step.build.var(node)?;
    let shared = step.build.shared;
    let about = shared.var(var)?;
    if !matches!(about.ty, Type::Digits | Type::Text) {
        step.error("E181", &node.place, format!("`{}` is {}, not an account number", about.name, about.ty), "use a variable of `type: digits`");
        return None;
    }
    if about.class >= Class::Secret {
        step.error("E190", &node.place, format!("`{}` is {}: a claim is not secret", about.name, about.class.name()), "an account number is `class: personal`");
        return None;
    }
    if about.class == Class::Public {
        step.error("E190", &node.place, format!("`{}` is public, and an account number is about a person", about.name), "declare it with `class: personal`");
    }
    Some(IdentifyBy::Account(var))
}

/// Nobody may learn from the flow which account numbers exist.
fn alike(step: &mut Reader<'_, '_, '_>, by: IdentifyBy, same_reply: bool, one: &Arm, none: &Arm) {
    if by == IdentifyBy::CallerId {
        return;
    }
    let place = step.place.clone();
    let same = match (one, none) {
        (Arm::Continue, Arm::Continue) => true,
        (Arm::Goto(a), Arm::Goto(b)) => a == b,
        _ => false,
    };
    if !same_reply {
        let help = "add `same_reply: true` and let `one` and `none` go to the same place";
        step.build.warn("W211", &place, "whoever types numbers here can tell which accounts exist", help);
    } else if !same {
        let help = "let `one` and `none` go to the same place: authentication fails for an unknown account in the same words";
        step.error("E210", &place, "`same_reply` promises one reply, and `one` and `none` go different ways", help);
    }
}
