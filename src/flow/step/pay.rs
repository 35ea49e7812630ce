//! `pay`: a payment with the card that was taken.

use std::time::{Duration, Instant};

use crate::auth::LevelName;
use crate::flow::document::fields;
use crate::flow::document::yaml::{Data, Node as Yaml};
use crate::flow::document::{Arm, Class, Prompt, ServiceCall, VarId};
use crate::flow::expr::{Expr, Type};
use crate::flow::run::exit::Exit;
use crate::flow::run::{Enquiry, FlowRun};
use super::{Arms, FieldSpec, Node, Reader, Shape, Sink, Spec, StepKind, Use, next};

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
    /// The service.
    pub service: String,
    /// The call.
    pub call: String,
    /// Its arguments but the card.
    pub give: Vec<(String, Expr)>,
    /// The argument that takes the card.
    pub card: String,
    /// What makes a second order harmless.
    pub idempotency: Option<Expr>,
    /// The level it is protected by.
    pub level: Option<LevelName>,
    /// How long it may take.
    pub timeout: Duration,
    /// Said when it takes longer than a moment.
    pub while_waiting: Option<Prompt>,
    /// Fields of the reply and the slots (`result.…`) that they go to.
    pub reply: Vec<(String, VarId)>,
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

    fn prompts(&self) -> Vec<&Prompt> {
        self.while_waiting.iter().collect()
    }

    fn uses(&self) -> Vec<Use> {
        let sink = |argument: &str| Sink::Service {
            service: self.service.clone(),
            call: self.call.clone(),
            argument: argument.to_owned(),
        };
        let given = self.give.iter().map(|(name, expr)| Use::new(expr, sink(name)));
        given.chain(self.idempotency.iter().map(|expr| Use::new(expr, sink("idempotency")))).collect()
    }

    fn protected(&self) -> Option<&LevelName> {
        self.level.as_ref()
    }

    fn title(&self) -> String {
        format!("{}.{}", self.service, self.call)
    }

    fn sets(&self, outcome: &str) -> Vec<VarId> {
        if outcome == "paid" { self.results() } else { Vec::new() }
    }

    fn results(&self) -> Vec<VarId> {
        self.reply.iter().map(|(_, var)| *var).collect()
    }

    fn enquiry(&self) -> Option<Enquiry<'_>> {
        Some(Enquiry {
            service: &self.service,
            call: &self.call,
            give: &self.give,
            card: Some(&self.card),
            idempotency: self.idempotency.as_ref(),
            level: self.level.as_ref(),
            timeout: self.timeout,
            cache: None,
            spool: false,
            while_waiting: self.while_waiting.as_ref(),
            reply: &self.reply,
        })
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.look_up(now);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let shared = step.build.shared;
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
    let timeout = match step.get("timeout") {
        Some(node) => fields::duration(node, "timeout", step.build.findings)?,
        None => Duration::from_secs(20),
    };
    let while_waiting = step.get("while_waiting").map(|node| step.build.prompt(node, &[]));
    step.silence(timeout, while_waiting.is_some());
    let decl = shared.flow(step.build.flow)?;
    let reply = call.reply.iter().filter_map(|field| Some((field.name.clone(), *decl.results.get(&field.name)?))).collect();
    let mut arms = step.arms(&["paid", "declined", "unavailable"], &[])?.into_iter();
    Some(StepKind::Pay(Pay {
        service: service.name.clone(),
        call: call.name.clone(),
        give: give?,
        card,
        idempotency,
        level: call.level.clone(),
        timeout,
        while_waiting: while_waiting.flatten(),
        reply,
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
