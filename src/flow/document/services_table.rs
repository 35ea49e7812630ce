//! Services of `kind: table`: files of comma-separated values in the application's folder.

use std::sync::Arc;

use super::ast::Class;
use super::fields::{self, Fields, Node};
use super::findings::{Findings, suggestion};
use super::services::{Argument, Does, ServiceCall, Table};
use super::services_file::{Frame, Reading, inside};
use crate::diagnostic::Diagnostic;

/// The calls of a table.
pub(super) fn calls(
    reading: &Reading<'_>,
    service: &Fields<'_>,
    findings: &mut Findings,
) -> Vec<ServiceCall> {
    service.only(&["kind", "calls", "note"], "a service of `kind: table`", findings);
    let mut read: Vec<Arc<Table>> = Vec::new();
    reading.calls(service, findings, |name, call, findings| {
        let known = ["table", "key", "reply", "level", "subject", "not_found", "note"];
        call.only(&known, "a call of a table", findings);
        let frame = Frame::read(reading, call, findings);
        let not_found = call.get("not_found").and_then(|node| fields::flag(node, "not_found", findings));
        let keys = call.need("key", "a call of a table", findings);
        let path = call.need("table", "a call of a table", findings)?;
        let table = table(path, reading, &mut read, findings)?;
        let mut arguments = Vec::new();
        for node in keys.map(fields::items).unwrap_or_default() {
            let Some(key) = fields::text(node, "the key", findings) else { continue };
            column(&table, &key, node, findings);
            arguments.push(Argument { name: key, field: None, class: Class::Personal, logged: false });
        }
        for (field, node) in &frame.reply {
            column(&table, field.path.first().map_or("", String::as_str), node, findings);
        }
        let does = Does::Find(table);
        Some(ServiceCall {
            not_found: not_found.unwrap_or(false),
            ..frame.call(name, call, arguments, does, findings)
        })
    })
}

fn column(table: &Table, name: &str, node: &Node, findings: &mut Findings) {
    if !table.columns.iter().any(|column| column == name) {
        let message = format!("{} has no column `{name}`", table.path);
        let help = suggestion(name, table.columns.iter().map(String::as_str), "columns");
        findings.push(Diagnostic::error("E252", Some(node.place.clone()), message).help(help));
    }
}

fn table(
    node: &Node,
    reading: &Reading<'_>,
    read: &mut Vec<Arc<Table>>,
    findings: &mut Findings,
) -> Option<Arc<Table>> {
    let path = fields::text(node, "a table", findings)?;
    if let Some(known) = read.iter().find(|table| table.path == path) {
        return Some(Arc::clone(known));
    }
    let text = if inside(&path) { reading.files.read(&path) } else { None };
    let Some(text) = text else {
        let message = format!("there is no table {path} in the application's folder");
        findings.push(
            Diagnostic::error("E257", Some(node.place.clone()), message)
                .help("a table is a CSV file such as `data/customers.csv`"),
        );
        return None;
    };
    let problem = match csv(&text) {
        Ok(mut rows) if !rows.is_empty() => {
            let columns = rows.remove(0);
            match rows.iter().position(|row| row.len() != columns.len()) {
                None => {
                    let table = Arc::new(Table { path, columns, rows });
                    read.push(Arc::clone(&table));
                    return Some(table);
                }
                Some(row) => format!("row {} of {path} has not as many fields as its first line", row + 2),
            }
        }
        Ok(_) => format!("{path} is empty"),
        Err(line) => format!("a quote is not closed in {path}, line {line}"),
    };
    findings.push(
        Diagnostic::error("E257", Some(node.place.clone()), problem).help("the first line names the columns"),
    );
    None
}

/// RFC 4180: fields between commas, `"` around fields that hold commas, quotes (doubled) or newlines.
/// Blank lines are skipped. The error is the line of a quote that is not closed.
fn csv(text: &str) -> Result<Vec<Vec<String>>, usize> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut field = String::new();
    let (mut line, mut opened, mut quoted) = (1, 1, false);
    let mut chars = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(c) = chars.next() {
        line += usize::from(c == '\n');
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => {
                quoted = true;
                opened = line;
            }
            c if quoted => field.push(c),
            ',' => row.push(std::mem::take(&mut field)),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                row.push(std::mem::take(&mut field));
                let done = std::mem::take(&mut row);
                if done.len() > 1 || done.iter().any(|field| !field.is_empty()) {
                    rows.push(done);
                }
            }
            c => field.push(c),
        }
    }
    if quoted {
        return Err(opened);
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_fields_may_hold_commas_quotes_and_newlines() {
        let rows = csv("id,name\r\nC1,\"Ruiz, \"\"Ana\"\"\nB\"\n\nC2,\n").expect("closed quotes");
        assert_eq!(rows, [vec!["id", "name"], vec!["C1", "Ruiz, \"Ana\"\nB"], vec!["C2", ""]]);
        assert_eq!(csv("a\n\"b"), Err(2));
    }
}
