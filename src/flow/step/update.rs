//! `update`: tell a service to change something.

use std::time::{Duration, Instant};

use crate::auth::LevelName;
use crate::flow::document::fields;
use crate::flow::document::{Arm, Class, Prompt, VarId};
use crate::flow::expr::Expr;
use crate::flow::run::{Enquiry, FlowRun};
use crate::flow::run::exit::Exit;
use super::{Arms, FieldSpec, Node, Reader, Shape, Sink, Spec, StepKind, Use, next};

pub(super) const SPEC: Spec = Spec {
    verb: "update",
    summary: "Has a service change something, by a call that writes. `not_found` and `declined` are outcomes when the service declares them. A call protected by a level happens only while that level is held.",
    argument: Shape::Text,
    fields: &[
        FieldSpec::optional("give", Shape::Values, "the arguments of the call"),
        FieldSpec::optional("spool", Shape::Flag, "`true`: when the service does not answer, the order is kept and sent again later; the outcome is `unavailable` all the same"),
        FieldSpec::optional("timeout", Shape::Duration, "how long it may take; 3s when left out"),
        FieldSpec::optional("while_waiting", Shape::Prompt, "a prompt said when it takes longer than a moment"),
    ],
    outcomes: &["ok", "not_found", "declined", "unavailable"],
    needs_caller: false,
    input: false,
    example: r#"- update: crm.call_result
  give: {customer: customer.id, level: auth.level, topic: topic}
  spool: true
  outcome:
    ok: continue
    unavailable: continue
"#,
    read,
};

/// `update`
#[derive(Debug)]
pub struct Update {
    /// The service.
    pub service: String,
    /// The call.
    pub call: String,
    /// Its arguments.
    pub give: Vec<(String, Expr)>,
    /// The level it is protected by: it gets a grant of it or does not happen.
    pub level: Option<LevelName>,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether it is kept and sent later when the service does not answer.
    pub spool: bool,
    /// Said when it takes longer than a moment.
    pub while_waiting: Option<Prompt>,
    /// Fields of the reply and the slots (`result.…`) that they go to.
    pub reply: Vec<(String, VarId)>,
    /// It is done.
    pub ok: Arm,
    /// There is nothing of that key, where the call declares it.
    pub not_found: Option<Arm>,
    /// The service says no, where the call declares it.
    pub declined: Option<Arm>,
    /// Nobody knows whether it is done: no answer in time, or an error.
    pub unavailable: Arm,
}

impl Node for Update {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        let always = [("ok".into(), &self.ok), ("unavailable".into(), &self.unavailable)];
        let declared = [("not_found", &self.not_found), ("declined", &self.declined)];
        let declared = declared.into_iter().filter_map(|(name, arm)| Some((name.into(), arm.as_ref()?)));
        always.into_iter().chain(declared).collect()
    }

    fn arm(&self, exit: Exit) -> Option<&Arm> {
        match exit {
            Exit::Outcome("ok") => Some(&self.ok),
            Exit::Outcome("not_found") => Some(self.not_found.as_ref().unwrap_or(&self.unavailable)),
            Exit::Outcome("declined") => Some(self.declined.as_ref().unwrap_or(&self.unavailable)),
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
        if outcome == "ok" { self.results() } else { Vec::new() }
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
            cache: None,
            spool: self.spool,
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
        let message = format!("`{}` takes a card, and an update has none", argument.name);
        step.error("E255", &step.argument.place.clone(), message, "use `pay`, in a sub-flow with `secure: true`");
        return None;
    }
    if !call.writes {
        let message = format!("`{}.{}` changes nothing", service.name, call.name);
        let help = "use `lookup` for a call that only reads; `update` is for post, put, patch, delete and `execute`";
        step.error("E253", &step.argument.place.clone(), message, help);
    }
    let give = step.build.give(call, step.get("give"), &step.place.clone());
    let timeout = match step.get("timeout") {
        Some(node) => fields::duration(node, "timeout", step.build.findings)?,
        None => Duration::from_secs(3),
    };
    let spool = match step.get("spool") {
        Some(node) => fields::flag(node, "spool", step.build.findings)?,
        None => false,
    };
    let while_waiting = step.get("while_waiting").map(|node| step.build.prompt(node, &[]));
    step.silence(timeout, while_waiting.is_some());
    let decl = shared.flow(step.build.flow)?;
    let reply = call.reply.iter().filter_map(|field| Some((field.name.clone(), *decl.results.get(&field.name)?))).collect();
    let mut required = vec!["ok", "unavailable"];
    required.extend(call.not_found.then_some("not_found"));
    required.extend(call.declines.then_some("declined"));
    let mut arms = step.arms(&required, &[])?.into_iter();
    let (ok, unavailable) = (next(&mut arms), next(&mut arms));
    let not_found = if call.not_found { arms.next().flatten() } else { None };
    let declined = if call.declines { arms.next().flatten() } else { None };
    Some(StepKind::Update(Update {
        service: service.name.clone(),
        call: call.name.clone(),
        give: give?,
        level: call.level.clone(),
        timeout,
        spool,
        while_waiting: while_waiting.flatten(),
        reply,
        ok,
        not_found,
        declined,
        unavailable,
    }))
}
