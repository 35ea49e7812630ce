//! Whom a call is about. There is one subject at a time, whatever flows call it: a name that nobody is identified by,
//! or two names, let an admin believe in a difference that is none. A protected service is asked about whoever was
//! proved and about nobody else.

use std::collections::BTreeSet;

use super::nested;
use crate::diagnostic::Diagnostic;
use crate::flow::document::findings::Findings;
use crate::flow::document::{Application, Enquiry, Step, StepKind, VarId, suggestion};
use crate::flow::expr::{Expr, Field};

/// Tells about names that mean nothing, and about protected calls that are refused.
pub(super) fn check(app: &Application, findings: &mut Findings) {
    let mut steps = app.all_steps();
    steps.sort_by_key(|step| (step.place.source.path.clone(), step.place.span.start));
    names(&steps, findings);
    let proven = proven(app);
    for step in steps {
        if let Some(enquiry) = step.kind.node().enquiry() {
            about(app, step, enquiry, &proven, findings);
        }
    }
}

fn names(steps: &[&Step], findings: &mut Findings) {
    let identified: Vec<(&str, &Step)> = steps
        .iter()
        .filter(|step| matches!(step.kind, StepKind::Identify(_)))
        .filter_map(|step| Some((step.kind.node().subject()?, *step)))
        .collect();
    if let Some((first, begun)) = identified.first()
        && let Some((other, step)) = identified.iter().find(|(name, _)| name != first)
    {
        let message = format!("a call is about one subject: `{other}` would take the place of `{first}`");
        let help = format!(
            "a claim replaces the one before, and whoever is proved then is `{other}`: look other people up by `lookup`, or \
             say `{first}` here too"
        );
        let diagnostic = Diagnostic::error("E215", Some(step.place.clone()), message).help(help);
        findings.push(diagnostic.related(begun.place.clone(), format!("`{first}` is identified here")));
    }
    let known: BTreeSet<&str> = identified.iter().map(|(name, _)| *name).collect();
    // An `identify` with a mistake of its own is told already.
    if known.is_empty() && findings.errors() > 0 {
        return;
    }
    for step in steps {
        let Some(name) = step.kind.node().subject().filter(|name| !known.contains(name)) else { continue };
        let message = format!("no `identify` says who `{name}` is");
        let help = match known.is_empty() {
            true => format!("put `- identify: {name}` before it"),
            false => suggestion(name, known.iter().copied(), "subjects that are identified"),
        };
        findings.push(Diagnostic::error("E214", Some(step.place.clone()), message).help(help));
    }
}

/// Arguments of sub-flows that are `customer.id` however they are run.
fn proven(app: &Application) -> BTreeSet<VarId> {
    let mut set: BTreeSet<VarId> = BTreeSet::new();
    let mut given: Vec<(VarId, &Expr)> = Vec::new();
    for step in app.blocks.iter().flat_map(|block| &block.steps).flat_map(nested) {
        let node = step.kind.node();
        match &step.kind {
            StepKind::Run(run) => given.extend(run.with.iter().map(|(var, expr)| (*var, expr))),
            StepKind::Set(values) => set.extend(values.0.iter().map(|(var, _)| *var)),
            _ => {}
        }
        set.extend(step.kind.arms().iter().flat_map(|(outcome, _)| node.sets(outcome)));
    }
    let mut proven: BTreeSet<VarId> =
        given.iter().map(|(var, _)| *var).filter(|var| !set.contains(var)).collect();
    loop {
        let before = proven.len();
        for (var, expr) in &given {
            let same = match expr {
                Expr::Field(Field::CustomerId) => true,
                Expr::Var(from) => proven.contains(from),
                _ => false,
            };
            if !same {
                proven.remove(var);
            }
        }
        if proven.len() == before {
            return proven;
        }
    }
}

fn about(
    app: &Application,
    step: &Step,
    enquiry: &Enquiry,
    proven: &BTreeSet<VarId>,
    findings: &mut Findings,
) {
    let call = app.services.service(&enquiry.service).and_then(|service| service.call(&enquiry.call));
    let Some(subject) = call.filter(|call| call.level.is_some()).and_then(|call| call.subject.as_ref())
    else {
        return;
    };
    let title = format!("{}.{}", enquiry.service, enquiry.call);
    let help = format!("write `give: {{{subject}: customer.id}}`");
    match enquiry.give.iter().find(|(name, _)| name == subject).map(|(_, expr)| expr) {
        None | Some(Expr::Field(Field::CustomerId)) => {}
        Some(Expr::Var(var)) if proven.contains(var) => {}
        Some(Expr::Literal(_)) => {
            let message = format!("`{title}` is protected: it is never asked about a fixed `{subject}`");
            findings.push(Diagnostic::error("E216", Some(step.place.clone()), message).help(help));
        }
        Some(other) => {
            let written = app.print(other);
            let message =
                format!("`{title}` is protected: it is refused when `{written}` is not the proven customer");
            findings.push(Diagnostic::warning("W216", Some(step.place.clone()), message).help(help));
        }
    }
}
