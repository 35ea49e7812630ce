//! What holds for a whole application: where flows begin, keys that always work, what happens after errors and
//! hang-ups, prompts that nothing says.

use std::collections::BTreeSet;

use super::ast::{Always, AlwaysKey, BlockId, FlowId};
use super::build::Build;
use super::declare::Shared;
use super::fields::{self, Fields};
use super::findings::Findings;
use super::scalar;
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, Severity};

/// The block named `start`, or the only one.
pub(super) fn first_block(
    shared: &Shared<'_>,
    flow: FlowId,
    place: &crate::diagnostic::Place,
    findings: &mut Findings,
) -> Option<BlockId> {
    let decl = shared.flow(flow)?;
    let first =
        decl.blocks.get("start").or_else(|| decl.blocks.values().next().filter(|_| decl.blocks.len() == 1));
    if first.is_none() && !decl.blocks.is_empty() {
        let message = format!("where does `{}` begin?", decl.name);
        let help = "add `entry: block`, or name a block `start`";
        findings.push(Diagnostic::error("E114", Some(place.clone()), message).help(help));
    }
    first.copied()
}

pub(super) fn always(build: &mut Build<'_, '_>, main: &Fields<'_>) -> Vec<AlwaysKey> {
    let mut out = Vec::new();
    let Some(fields) = main.get("always").and_then(|node| Fields::of(node, "`always`", build.findings))
    else {
        return out;
    };
    fields.only(&["keys"], "`always`", build.findings);
    let Some(keys) = fields.get("keys").and_then(|node| Fields::of(node, "`keys`", build.findings)) else {
        return out;
    };
    for (key, value) in keys.pairs {
        let Some(digit) = fields::digit(key, build.findings) else { continue };
        let Some(does) = Fields::of(value, "what an `always` key does", build.findings) else { continue };
        does.only(&["do", "goto"], "what an `always` key does", build.findings);
        let action = match (does.get("do"), does.get("goto")) {
            (Some(node), None) => fields::choice(node, "do", &[("repeat", Always::Repeat)], build.findings),
            (None, Some(node)) => build.block(node).map(Always::Goto),
            _ => {
                let name = scalar::digit_name(digit);
                fields::wrong(
                    value,
                    format!("the key `{name}` does one thing"),
                    "write `{do: repeat}` or `{goto: block}`",
                    build.findings,
                );
                None
            }
        };
        out.extend(action.map(|does| AlwaysKey { key: digit, does }));
    }
    out
}

/// `when_error: {goto: block}`, `when_hangup: {run: block}`.
pub(super) fn handler(build: &mut Build<'_, '_>, node: &Node, verb: &str, what: &str) -> Option<BlockId> {
    let fields = Fields::of(node, &format!("`{what}`"), build.findings)?;
    fields.only(&[verb], &format!("`{what}`"), build.findings);
    let block = fields.need(verb, &format!("`{what}`"), build.findings)?;
    build.block(block)
}

pub(super) fn unused_prompts(shared: &Shared<'_>, used: &BTreeSet<String>, findings: &mut Findings) {
    let errors = findings.errors();
    let Some(catalogue) = shared.catalogues.first().filter(|_| errors == 0) else { return };
    for (key, entry) in catalogue.prompts.iter().filter(|(key, _)| !used.contains(*key)) {
        let message = format!("no flow says the prompt `{key}`");
        let help = "remove it from each catalogue, or use it";
        findings.push(
            Diagnostic {
                severity: Severity::Warning,
                ..Diagnostic::error("W172", Some(entry.place.clone()), message)
            }
            .help(help),
        );
    }
    for (key, phrases) in catalogue.words.iter().filter(|(key, _)| !used.contains(*key)) {
        let message = format!("no question listens for the words `{key}`");
        let finding = Diagnostic::warning("W172", Some(phrases.place.clone()), message);
        findings
            .push(finding.help("remove them from each catalogue, or name them in `words:` of a question"));
    }
}
