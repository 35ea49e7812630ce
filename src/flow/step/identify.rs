//! `identify`: a claim who is calling. It proves nothing.

use std::time::{Duration, Instant};

use crate::flow::document::fields;
use crate::flow::document::services::ServiceCall;
use crate::flow::document::{Arm, Class, VarId};
use crate::flow::expr::check::Typed;
use crate::flow::expr::{Expr, Field, Type};
use crate::flow::run::FlowRun;
use super::{Arms, FieldSpec, Node, Reader, Shape, Sink, Spec, StepKind, Use, next};

pub(super) const SPEC: Spec = Spec {
    verb: "identify",
    summary: "Looks up who the caller claims to be, by their number or by an account number. It proves nothing. A service that is asked gives the subject's identifier; what the subject can prove itself by is in the engine's own store.",
    argument: Shape::Text,
    fields: &[
        FieldSpec::required("by", Shape::Text, "`caller_id`, or a variable of class personal with an account number (with a `service`, a date too)"),
        FieldSpec::optional("service", Shape::Text, "where to look: `subjects`, the engine's own store, when left out; or a `service.call` whose reply has the subject's identifier, in the field named like the subject or in its only one"),
        FieldSpec::optional("timeout", Shape::Duration, "how long the service may take; 3s when left out"),
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
    /// The service that says who it is; `None`: the engine's own store does.
    pub service: Option<SubjectService>,
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

/// A call of a service that gives a subject's identifier.
#[derive(Debug)]
pub struct SubjectService {
    /// The service.
    pub service: String,
    /// The call of it.
    pub call: String,
    /// Its arguments.
    pub give: Vec<(String, Expr)>,
    /// The field of the reply that has the identifier.
    pub field: String,
    /// How long it may take.
    pub timeout: Duration,
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
        let claim = match self.by {
            IdentifyBy::Account(var) => vec![Use::new(&Expr::Var(var), Sink::Claim)],
            IdentifyBy::CallerId => Vec::new(),
        };
        let given = self.service.iter().flat_map(|asked| {
            let sink = |argument: &str| Sink::Service {
                service: asked.service.clone(),
                call: asked.call.clone(),
                argument: argument.to_owned(),
            };
            // A number that is hidden identifies nobody; nobody is asked then.
            asked.give.iter().map(move |(name, expr)| Use::new(expr, sink(name)).optional())
        });
        claim.into_iter().chain(given).collect()
    }

    fn subject(&self) -> Option<&str> {
        Some(&self.subject)
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.identify(now, self);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let subject = fields::name(step.argument, "a subject", step.build.findings);
    let by = step.need("by").and_then(|node| by(step, node));
    let same_reply = match step.get("same_reply") {
        Some(node) => fields::flag(node, "same_reply", step.build.findings)?,
        None => false,
    };
    let arms = step.arms(&["one", "none", "many", "unavailable"], &[]);
    let by = by?;
    let subject = subject?;
    let service = match step.get("service").filter(|node| node.text() != "subjects") {
        Some(node) => Some(service(step, node, &subject, by)?),
        None => None,
    };
    let mut arms = arms?.into_iter();
    let (one, none) = (next(&mut arms), next(&mut arms));
    alike(step, by, same_reply, &one, &none);
    let (many, unavailable) = (next(&mut arms), next(&mut arms));
    Some(StepKind::Identify(Identify { subject, by, service, same_reply, one, none, many, unavailable }))
}

fn service(
    step: &mut Reader<'_, '_, '_>,
    node: &fields::Node,
    subject: &str,
    by: IdentifyBy,
) -> Option<SubjectService> {
    let (service, call) = step.build.service_call(node)?;
    if let Some(level) = &call.level {
        let message = format!("`{}` is protected by `{level}`, and nothing is proved yet", call.name);
        step.error("E250", &node.place, message, "identify by a call without a `level`");
        return None;
    }
    let named = call.reply.iter().find(|field| field.name == subject);
    let only = || call.reply.first().filter(|_| call.reply.len() == 1);
    let Some(field) = named.or_else(only) else {
        let message = format!("the reply of `{}` has no field `{subject}`", call.name);
        step.error("E252", &node.place, message, format!("add `{subject}: personal` to its `reply` in services.yaml"));
        return None;
    };
    let give = give(step, call, by, node)?;
    let timeout = match step.get("timeout") {
        Some(node) => fields::duration(node, "timeout", step.build.findings)?,
        None => Duration::from_secs(3),
    };
    let (service, call, field) = (service.name.clone(), call.name.clone(), field.name.clone());
    Some(SubjectService { service, call, give, field, timeout })
}

/// What the claim is made of goes into the one argument that the engine does not know by itself, or into the one
/// that is named like it.
fn give(
    step: &mut Reader<'_, '_, '_>,
    call: &ServiceCall,
    by: IdentifyBy,
    node: &fields::Node,
) -> Option<Vec<(String, Expr)>> {
    let shared = step.build.shared;
    let (name, claim, class) = match by {
        IdentifyBy::CallerId => ("call.from", Expr::Field(Field::CallFrom), Field::CallFrom.class()),
        IdentifyBy::Account(var) => {
            let about = shared.var(var)?;
            (&*about.name, Expr::Var(var), about.class)
        }
    };
    let named = call.argument(name).is_some();
    let mut out = Vec::new();
    for argument in &call.arguments {
        let claimed = argument.name == name || (!named && argument.field.is_none());
        let expr = match argument.field {
            _ if claimed => claim.clone(),
            Some(field) => Expr::Field(field),
            None => {
                let message = format!("`{}` needs `{}`, which `identify` does not know", call.name, argument.name);
                step.error("E251", &node.place, message, format!("a call to identify by takes `{name}`"));
                return None;
            }
        };
        let typed = Typed { expr, ty: Type::Text, class: if claimed { class } else { Class::Public } };
        if !step.build.may_go(&typed, argument.class, "a service", &node.place) {
            return None;
        }
        out.push((argument.name.clone(), typed.expr));
    }
    let claims = out.iter().filter(|(_, expr)| *expr == claim).count();
    if claims != 1 {
        let message = format!("`{}` does not take one `{name}`", call.name);
        step.error("E251", &node.place, message, "a call to identify by has one argument");
        return None;
    }
    Some(out)
}

fn by(step: &mut Reader<'_, '_, '_>, node: &fields::Node) -> Option<IdentifyBy> {
    if node.text() == "caller_id" {
        return Some(IdentifyBy::CallerId);
    }
    let var = step.build.var(node)?;
    let shared = step.build.shared;
    let about = shared.var(var)?;
    // What a service is asked by is its own affair: a date of birth, for instance.
    let own = step.get("service").is_some_and(|node| node.text() != "subjects");
    let fits = matches!(about.ty, Type::Digits | Type::Text) || (own && about.ty == Type::Date);
    if !fits {
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
