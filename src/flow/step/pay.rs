//! `pay`: a payment with the card that was taken.

use std::time::{Duration, Instant};

use crate::flow::document::yaml::{Data, Node as Yaml};
use crate::flow::document::{Arm, Class, ServiceCall, VarId};
use crate::flow::expr::{Expr, Type};
use crate::flow::run::FlowRun;
use crate::flow::run::exit::Exit;
use super::enquiry::Enquiry;
use super::{Arms, FieldSpec, Node, Reader, Shape, Spec, StepKind, next};

pub(super) const SPEC: Spec = Spec {
    verb: "pay",
    summary: "Has a payment service charge the card that `card` took, in the same sub-flow with `secure: true`. The card goes to a service with `accepts: [card]` only, and is wiped here whatever the answer is. Without a card the outcome is `unavailable`.",
    argument: Shape::Text,
    fields: &[
        FieldSpec::optional("give", Shape::Values, "the arguments of the call; `card: card` stands for the card"),
        FieldSpec::optional("idempotency", Shape::Expression, "what makes a second order of the same payment harmless; the call's own name when left out. Each payment that was answered begins a new one"),
        FieldSpec::optional("timeout", Shape::Duration, "how long it may take; 20s when left out"),
        FieldSpec::optional("while_waiting", Shape::Prompt, "a prompt said when it takes longer than a moment"),
    ],
    outcomes: &["paid", "declined", "unavailable"],
    needs_caller: true,
    input: false,
    example: r#"- pay: pay.charge
  give: {amount: amount, customer: customer, card: card}
  timeout: 20s
  while_waiting: one_moment
  idempotency: "${call.id}"
  outcome:
    paid: {return: paid, give: {receipt: result.receipt}}
    declined: {return: declined}
    unavailable: {return: declined}
"#,
    read,
};

/// `pay`
#[derive(Debug)]
pub struct Pay {
    /// What is ordered, with the argument that takes the card.
    pub enquiry: Enquiry,
    /// It is paid.
    pub paid: Arm,
    /// The card's bank says no.
    pub declined: Arm,
    /// Nobody knows.
    pub unavailable: Arm,
}

impl Node for Pay {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        vec![
            ("paid".into(), &self.paid),
            ("declined".into(), &self.declined),
            ("unavailable".into(), &self.unavailable),
        ]
    }

    fn arm(&self, exit: Exit) -> Option<&Arm> {
        match exit {
            Exit::Outcome("ok" | "paid") => Some(&self.paid),
            Exit::Outcome("declined") => Some(&self.declined),
            Exit::Outcome("not_found" | "unavailable") => Some(&self.unavailable),
            _ => None,
        }
    }

    fn sets(&self, outcome: &str) -> Vec<VarId> {
        if outcome == "paid" { self.results() } else { Vec::new() }
    }

    fn enquiry(&self) -> Option<&Enquiry> {
        Some(&self.enquiry)
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.look_up(now);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    step.build.secure_only(&step.place.clone(), "pay");
    let (service, call) = step.build.service_call(step.argument)?;
    let taking = call.arguments.iter().find(|argument| argument.class == Class::Card);
    let Some(card) = taking.map(|argument| argument.name.clone()) else {
        let message = format!("`{}.{}` takes no card", service.name, call.name);
        let help = "in services.yaml, write `accepts: [card]` for the service and name `card` in the call's body; use `update` for what needs no card";
        step.error("E255", &step.argument.place.clone(), message, help);
        return None;
    };
    let give = give(step, call, &card);
    let idempotency = match step.get("idempotency") {
        Some(node) => {
            let typed = step.build.expr(node, Some(&Type::Text), &[])?;
            step.build.may_go(&typed, Class::Public, "a header", &node.place).then_some(())?;
            Some(typed.expr)
        }
        None => None,
    };
    let enquiry = Enquiry::read(step, (service, call), give, Duration::from_secs(20));
    let mut arms = step.arms(&["paid", "declined", "unavailable"], &[])?.into_iter();
    Some(StepKind::Pay(Pay {
        enquiry: Enquiry { card: Some(card), idempotency, ..enquiry? },
        paid: next(&mut arms),
        declined: next(&mut arms),
        unavailable: next(&mut arms),
    }))
}

/// What is given beside the card; the card must be given as such.
fn give(step: &mut Reader<'_, '_, '_>, call: &ServiceCall, card: &str) -> Option<Vec<(String, Expr)>> {
    let node = step.need("give")?;
    let given = node.get(card);
    if given.map(Yaml::text) != Some("card") {
        let place = given.map_or(&node.place, |given| &given.place).clone();
        let message = format!("`{}` needs the card that was taken, as `{card}`", call.name);
        step.error("E251", &place, message, format!("write `{card}: card` below `give`"));
        return None;
    }
    let mut others = node.clone();
    if let Data::Mapping(pairs) = &mut others.data {
        pairs.retain(|(key, _)| key.text() != card);
    }
    step.build.give(call, Some(&others), &step.place.clone())
}
