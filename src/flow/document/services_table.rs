//! Services of `kind: table`: files of comma-separated values in the application's folder.

use std::sync::Arc;

use super::ast::Class;
use super::fields::{self, Fields, Node};
use super::files::Unread;
use super::findings::{Findings, suggestion};
use super::services::{Argument, Does, ReplyField, ServiceCall, Table};
use super::services_file::{Frame, Reading};
use crate::diagnostic::Diagnostic;
use crate::flow::expr::Type;
use crate::flow::run::values::Value;

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
        let path = call.need("table", "a call of a table", findings);
        let found = path.and_then(|node| table(node, reading, &mut read, findings));
        // Without its table a call still has its arguments and its reply: what uses them is no mistake as well.
        let there = found.is_some();
        let table = found.unwrap_or_default();
        let mut arguments = Vec::new();
        for node in keys.map(fields::items).unwrap_or_default() {
            let Some(key) = fields::text(node, "the key", findings) else { continue };
            if there {
                column(&table, &key, node, findings);
            }
            arguments.push(Argument { name: key, field: None, class: Class::Personal, logged: false });
        }
        for (field, node) in frame.reply.iter().filter(|_| there) {
            let name = field.path.first().map_or("", String::as_str);
            if let Some(at) = column(&table, name, node, findings) {
                cells(&table, at, field, node, findings);
            }
        }
        let does = Does::Find(table);
        Some(ServiceCall {
            not_found: not_found.unwrap_or(false),
            ..frame.call(name, call, arguments, does, findings)
        })
    })
}

fn column(table: &Table, name: &str, node: &Node, findings: &mut Findings) -> Option<usize> {
    let found = table.columns.iter().position(|column| column == name);
    if found.is_none() {
        let message = format!("{} has no column `{name}`", table.path);
        let help = suggestion(name, table.columns.iter().map(String::as_str), "columns");
        findings.push(Diagnostic::error("E252", Some(node.place.clone()), message).help(help));
    }
    found
}

/// Cells that are not what the field is said to be: whoever they are about would never get an answer. A cell is
/// told by its line and column and never shown: it is about a person.
fn cells(table: &Table, at: usize, field: &ReplyField, node: &Node, findings: &mut Findings) {
    let fits =
        |row: &Vec<String>| row.get(at).is_some_and(|cell| Value::text(cell).into_type(&field.ty).is_some());
    let wrong: Vec<usize> =
        table.rows.iter().zip(&table.lines).filter(|(row, _)| !fits(row)).map(|(_, line)| *line).collect();
    let Some(first) = wrong.first() else { return };
    let column = table.columns.get(at).map_or("", String::as_str);
    let message = format!("{} line {first} column `{column}` is not {}", table.path, field.ty);
    let example = match &field.ty {
        Type::Money => "write an amount with its currency, such as `1204.50 GBP`",
        Type::Date => "write a date such as `2026-03-02`",
        Type::Time => "write a time such as `14:30`",
        Type::Flag => "write `true` or `false`",
        Type::Number | Type::Digits => "write digits only",
        _ => "write the text in one line",
    };
    let help = match wrong.len() {
        1 => example.to_owned(),
        many => format!("{example}; {many} lines are like that"),
    };
    findings.push(Diagnostic::error("E248", Some(node.place.clone()), message).help(help));
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
    let mut wrong = |problem: String, help: &str| {
        findings.push(Diagnostic::error("E257", Some(node.place.clone()), problem).help(help));
        None
    };
    let text = match reading.file(&path) {
        Ok(text) => text,
        Err(Unread::Absent) => {
            let message = format!("there is no table {path} in the application's folder");
            return wrong(message, "a table is a CSV file such as `data/customers.csv`");
        }
        Err(why) => return wrong(format!("{path} {why}"), why.help()),
    };
    let first_line = "the first line names the columns";
    let mut rows = match csv(&text) {
        Ok(rows) => rows.into_iter(),
        Err(line) => return wrong(format!("a quote is not closed in {path}, line {line}"), first_line),
    };
    let Some((_, columns)) = rows.next() else { return wrong(format!("{path} is empty"), first_line) };
    let (lines, rows): (Vec<usize>, Vec<Vec<String>>) = rows.unzip();
    if let Some((line, row)) = lines.iter().zip(&rows).find(|(_, row)| row.len() != columns.len()) {
        let (has, wanted) = (row.len(), columns.len());
        return wrong(
            format!("line {line} of {path} has {has} fields, its first line has {wanted}"),
            first_line,
        );
    }
    let table = Arc::new(Table { path, columns, rows, lines });
    read.push(Arc::clone(&table));
    Some(table)
}

/// RFC 4180: fields between commas, `"` around fields that hold commas, quotes (doubled) or newlines.
/// Blank lines are skipped. Each row comes with the line that it begins in. The error is the line of a quote that
/// is not closed.
fn csv(text: &str) -> Result<Vec<(usize, Vec<String>)>, usize> {
    let mut rows = Vec::new();
    let mut begins = 1;
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
                    rows.push((begins, done));
                }
                begins = line;
            }
            c => field.push(c),
        }
    }
    if quoted {
        return Err(opened);
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push((begins, row));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_fields_may_hold_commas_quotes_and_newlines() {
        let rows = csv("id,name\r\nC1,\"Ruiz, \"\"Ana\"\"\nB\"\n\nC2,\n").expect("closed quotes");
        let (lines, rows): (Vec<usize>, Vec<Vec<String>>) = rows.into_iter().unzip();
        assert_eq!(rows, [vec!["id", "name"], vec!["C1", "Ruiz, \"Ana\"\nB"], vec!["C2", ""]]);
        assert_eq!(lines, [1, 2, 5]);
        assert_eq!(csv("a\n\"b"), Err(2));
    }
}
