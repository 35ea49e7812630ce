//! `lookup`: ask a service.

use std::time::{Duration, Instant};

use crate::flow::document::{Arm, VarId, services_file};
use crate::flow::run::FlowRun;
use crate::flow::run::exit::Exit;
use super::enquiry::{Enquiry, call_without_card};
use super::{Arms, FieldSpec, Node, Reader, Shape, Spec, StepKind, next};

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
    /// What is asked.
    pub enquiry: Enquiry,
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

    fn sets(&self, outcome: &str) -> Vec<VarId> {
        if outcome == "ok" { self.results() } else { Vec::new() }
    }

    fn enquiry(&self) -> Option<&Enquiry> {
        Some(&self.enquiry)
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.look_up(now);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let (service, call) = call_without_card(step, "a lookup")?;
    if call.writes {
        let message = format!("`{}.{}` changes something, and a lookup only reads", service.name, call.name);
        step.error("E253", &step.argument.place.clone(), message, "use `update`");
    }
    let give = step.build.give(call, step.get("give"), &step.place.clone());
    let enquiry = Enquiry::read(step, (service, call), give, Duration::from_secs(3));
    let cache = match step.get("cache") {
        Some(node) => Some(services_file::cache(node, step.build.findings)?),
        None => None,
    };
    let required: &[&str] = if call.not_found { &["ok", "unavailable", "not_found"] } else { &["ok", "unavailable"] };
    let mut arms = step.arms(required, &[])?.into_iter();
    let (ok, unavailable) = (next(&mut arms), next(&mut arms));
    let not_found = arms.next().flatten();
    Some(StepKind::Lookup(Lookup { enquiry: Enquiry { cache, ..enquiry? }, ok, not_found, unavailable }))
}
