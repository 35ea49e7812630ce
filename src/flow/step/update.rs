//! `update`: tell a service to change something.

use std::time::{Duration, Instant};

use crate::flow::document::fields;
use crate::flow::document::{Arm, VarId};
use crate::flow::run::FlowRun;
use crate::flow::run::exit::Exit;
use super::enquiry::{Enquiry, call_without_card};
use super::{Arms, FieldSpec, Node, Reader, Shape, Spec, StepKind, next};

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
    /// What is to be done.
    pub enquiry: Enquiry,
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
    let (service, call) = call_without_card(step, "an update")?;
    if !call.writes {
        let message = format!("`{}.{}` changes nothing", service.name, call.name);
        let help = "use `lookup` for a call that only reads; `update` is for post, put, patch, delete and `execute`";
        step.error("E253", &step.argument.place.clone(), message, help);
    }
    let give = step.build.give(call, step.get("give"), &step.place.clone());
    let enquiry = Enquiry::read(step, (service, call), give, Duration::from_secs(3));
    let spool = match step.get("spool") {
        Some(node) => fields::flag(node, "spool", step.build.findings)?,
        None => false,
    };
    let mut required = vec!["ok", "unavailable"];
    required.extend(call.not_found.then_some("not_found"));
    required.extend(call.declines.then_some("declined"));
    let mut arms = step.arms(&required, &[])?.into_iter();
    let (ok, unavailable) = (next(&mut arms), next(&mut arms));
    let not_found = if call.not_found { arms.next().flatten() } else { None };
    let declined = if call.declines { arms.next().flatten() } else { None };
    let enquiry = Enquiry { spool, ..enquiry? };
    Some(StepKind::Update(Update { enquiry, ok, not_found, declined, unavailable }))
}
