//! What `lookup`, `update` and `pay` have in common: a call of a service, and what is heard while it takes its
//! time.

use std::time::Duration;

use super::{Reader, Sink, Use};
use crate::auth::LevelName;
use crate::flow::document::{Class, Prompt, Service, ServiceCall, VarId, fields};
use crate::flow::expr::Expr;

/// What a step asks of a service.
#[derive(Debug)]
pub struct Enquiry {
    /// The service.
    pub service: String,
    /// The call.
    pub call: String,
    /// Its arguments but the card.
    pub give: Vec<(String, Expr)>,
    /// The argument that takes the card, if one does.
    pub card: Option<String>,
    /// What makes a second order of a payment harmless.
    pub idempotency: Option<Expr>,
    /// The level it is protected by: it gets a grant of it or does not happen.
    pub level: Option<LevelName>,
    /// How long it may take.
    pub timeout: Duration,
    /// How old a reply may be; what the service says when `None`.
    pub cache: Option<Duration>,
    /// Whether it is kept and sent later when the service does not answer.
    pub spool: bool,
    /// Said when it takes longer than a moment.
    pub while_waiting: Option<Prompt>,
    /// Fields of the reply and the slots (`result.…`) that they go to.
    pub reply: Vec<(String, VarId)>,
}

impl Enquiry {
    /// Reads what stands beside `give` for every such step.
    pub(super) fn read(
        step: &mut Reader<'_, '_, '_>,
        (service, call): (&Service, &ServiceCall),
        give: Option<Vec<(String, Expr)>>,
        usual: Duration,
    ) -> Option<Self> {
        let timeout = match step.get("timeout") {
            Some(node) => fields::duration(node, "timeout", step.build.findings)?,
            None => usual,
        };
        let while_waiting = step.get("while_waiting").map(|node| step.build.prompt(node, &[]));
        step.silence(timeout, while_waiting.is_some());
        let decl = step.build.shared.flow(step.build.flow)?;
        let slot = |name: &String| decl.results.get(name).map(|slot| (name.clone(), *slot));
        Some(Self {
            service: service.name.clone(),
            call: call.name.clone(),
            give: give?,
            card: None,
            idempotency: None,
            level: call.level.clone(),
            timeout,
            cache: None,
            spool: false,
            while_waiting: while_waiting.flatten(),
            reply: call.reply.iter().filter_map(|field| slot(&field.name)).collect(),
        })
    }

    pub(super) fn uses(&self) -> Vec<Use> {
        let sink = |argument: &str| Sink::Service {
            service: self.service.clone(),
            call: self.call.clone(),
            argument: argument.to_owned(),
        };
        let given = self.give.iter().map(|(name, expr)| Use::new(expr, sink(name)));
        given.chain(self.idempotency.iter().map(|expr| Use::new(expr, sink("idempotency")))).collect()
    }

    pub(super) fn title(&self) -> String {
        format!("{}.{}", self.service, self.call)
    }

    pub(super) fn results(&self) -> Vec<VarId> {
        self.reply.iter().map(|(_, var)| *var).collect()
    }
}

/// The call that the step names; one that takes a card is for `pay`.
pub(super) fn call_without_card<'a>(
    step: &mut Reader<'_, 'a, '_>,
    whose: &str,
) -> Option<(&'a Service, &'a ServiceCall)> {
    let (service, call) = step.build.service_call(step.argument)?;
    if let Some(argument) = call.arguments.iter().find(|argument| argument.class == Class::Card) {
        let message = format!("`{}` takes a card, and {whose} has none", argument.name);
        let help = "use `pay`, in a sub-flow with `secure: true`";
        step.error("E255", &step.argument.place.clone(), message, help);
        return None;
    }
    Some((service, call))
}
