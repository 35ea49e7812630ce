//! Tables with two rows for one key: which of them is meant nobody knows, so a look-up gives neither.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::Diagnostic;
use crate::flow::document::findings::Findings;
use crate::flow::document::{Application, Does, ServiceCall, Table};

/// Tells about them, where a step looks something up. An `identify` has an outcome for them.
pub(super) fn check(app: &Application, findings: &mut Findings) {
    let mut told = BTreeSet::new();
    for enquiry in app.all_steps().iter().filter_map(|step| step.kind.node().enquiry()) {
        let call = app.services.service(&enquiry.service).and_then(|service| service.call(&enquiry.call));
        let Some(call) = call.filter(|_| told.insert((&enquiry.service, &enquiry.call))) else { continue };
        let Does::Find(table) = &call.does else { continue };
        if let Some((first, second)) = same_key(table, call) {
            let names: Vec<&str> = call.arguments.iter().map(|argument| argument.name.as_str()).collect();
            let message = format!(
                "{} lines {first} and {second} have the same {}: whoever that is gets no answer",
                table.path,
                names.join(" and ")
            );
            let help = "keep one of the two lines, or add a column to `key`";
            findings.push(Diagnostic::warning("W249", Some(call.place.clone()), message).help(help));
        }
    }
}

/// The lines of the first two rows with one key.
fn same_key(table: &Table, call: &ServiceCall) -> Option<(usize, usize)> {
    let column = |name: &str| table.columns.iter().position(|column| column == name);
    let keys: Option<Vec<usize>> = call.arguments.iter().map(|argument| column(&argument.name)).collect();
    let keys = keys.filter(|keys| !keys.is_empty())?;
    let mut seen: BTreeMap<Vec<&str>, usize> = BTreeMap::new();
    table.rows.iter().zip(&table.lines).find_map(|(row, line)| {
        let key = keys.iter().map(|at| row.get(*at).map_or("", String::as_str)).collect();
        seen.insert(key, *line).map(|first| (first, *line))
    })
}
