//! `lookup`: ask a service.

use std::time::{Duration, Instant};

use crate::auth::LevelName;
use crate::flow::document::{Arm, Class, Prompt, VarId, fields, services_file};
use crate::flow::expr::Expr;
use crate::flow::run::{Enquiry, FlowRun};
use crate::flow::run::exit::Exit;
use super::{Arms, FieldSpec, Node, Reader, Shape, Sink, Spec, StepKind, Use, next};

pub(super) const SPEC: Spec = Spec {
    verb: "lookup",
    summary: "Asks a service; the fields of its reply are `result.…` from then on. `not_found` is an outcome when the service declares it.",
    argument: Shape::Text,
    fields: &[
        FieldSpec::optional("give", Shape::Values, "the arguments of the call"),
        FieldSpec::optional("timeout", Shape::Duration, "how long it may take; 3s when left out"),
        FieldSpec::optional("cache", Shape::Duration, "how old a reply may be; what services.yaml says when left out"),
        FieldSpec::optional("while_waiting", Shape::Prompt, "a prompt said when it takes longer than a moment"),
    ],
    outcomes: &["ok", "not_found", "unavailable"],
    needs_caller: false,
    input: false,
    example: r#"- lookup: accounts.balance
  give: {customer: customer.id}
  timeout: 3s
  while_waiting: one_moment
  outcome:
    ok: {say: your_balance}
    not_found: {say: balance_unavailable}
    unavailable: {say: balance_unavailable}
"#,
    read,
};

/// `lookup`
#[derive(Debug)]
pub struct Lookup {
    /// The service, and the call of it.
    pub service: String,
    /// The call.
    pub call: String,
    /// Its arguments.
    pub give: Vec<(String, Expr)>,
    /// The level it is protected by: it gets a grant of it or does not happen.
    pub level: Option<LevelName>,
    /// How long it may take.
    pub timeout: Duration,
    /// How old a reply may be; what the service says when `None`.
    pub cache: Option<Duration>,
    /// Said when it takes longer than a moment.
    pub while_waiting: Option<Prompt>,
    /// Fields of the reply and the slots (`result.…`) that they go to.
    pub reply: Vec<(String, VarId)>,
    /// It answered.
    pub ok: Arm,
    /// There is nothing of that key. `None`: the call does not declare it, so it counts as unavailable.
    pub not_found: Option<Arm>,
    /// It did not answer in time, or with an error.
    pub unavailable: Arm,
}

impl Node for Lookup {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        let always = [("ok".into(), &self.ok), ("unavailable".into(), &self.unavailable)];
        always.into_iter().chain(self.not_found.as_ref().map(|arm| ("not_found".into(), arm))).collect()
    }

    fn arm(&self, exit: Exit) -> Option<&Arm> {
        match exit {
            Exit::Outcome("ok") => Some(&self.ok),
            Exit::Outcome("not_found") => Some(self.not_found.as_ref().unwrap_or(&self.unavailable)),
            Exit::Outcome("unavailable") => Some(&self.unavailable),
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
        self.give.iter().map(|(name, expr)| Use::new(expr, sink(name))).collect()
    }

    fn protected(&self) -> Option<&LevelName> {
        self.level.as_ref()
    }

    fn title(&self) -> String {
        format!("{}.{}", self.service, self.call)
    }

    fn sets(&self, outcome: &str) -> Vec<VarId> {
        if outcome == "ok" { self.reply.iter().map(|(_, var)| *var).collect() } else { Vec::new() }
    }

    fn results(&self) -> Vec<VarId> {
        self.reply.iter().map(|(_, var)| *var).collect()
    }

    fn enquiry(&self) -> Option<Enquiry<'_>> {
        Some(Enquiry {
            service: &self.service,
            call: &self.call,
            give: &self.give,
            card: None,
            idempotency: None,
            level: self.level.as_ref(),
            timeout: self.timeout,
            cache: self.cache,
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
    let (service, call) = step.build.service_call(step.argument)?;
    if let Some(argument) = call.arguments.iter().find(|argument| argument.class == Class::Card) {
        let message = format!("`{}` takes a card, and a lookup has none", argument.name);
        step.error("E255", &step.argument.place.clone(), message, "use `pay`, in a sub-flow with `secure: true`");
        return None;
    }
    if call.writes {
        let message = format!("`{}.{}` changes something, and a lookup only reads", service.name, call.name);
        step.error("E253", &step.argument.place.clone(), message, "use `update`");
    }
    let give = step.build.give(call, step.get("give"), &step.place.clone());
    let timeout = match step.get("timeout") {
        Some(node) => fields::duration(node, "timeout", step.build.findings)?,
        None => Duration::from_secs(3),
    };
    let cache = match step.get("cache") {
        Some(node) => Some(services_file::cache(node, step.build.findings)?),
        None => None,
    };
    let while_waiting = step.get("while_waiting").map(|node| step.build.prompt(node, &[]));
    step.silence(timeout, while_waiting.is_some());
    let decl = shared.flow(step.build.flow)?;
    let reply = call.reply.iter().filter_map(|field| Some((field.name.clone(), *decl.results.get(&field.name)?))).collect();
    let required: &[&str] = if call.not_found { &["ok", "unavailable", "not_found"] } else { &["ok", "unavailable"] };
    let mut arms = step.arms(required, &[])?.into_iter();
    let (ok, unavailable) = (next(&mut arms), next(&mut arms));
    let not_found = arms.next().flatten();
    Some(StepKind::Lookup(Lookup {
        service: service.name.clone(),
        call: call.name.clone(),
        give: give?,
        level: call.level.clone(),
        timeout,
        cache,
        while_waiting: while_waiting.flatten(),
        reply,
        ok,
        not_found,
        unavailable,
    }))
}
