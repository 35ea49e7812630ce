//! `services.yaml`: the services that a flow may ask, and their tables.

use super::ast::Class;
use super::fields::{self, Fields};
use super::findings::{Findings, suggestion};
use super::services::{ReplyField, Service, ServiceCall, Services, Table};
use super::yaml::Node;
use crate::auth::{LevelName, Policy};
use crate::diagnostic::Diagnostic;
use crate::flow::expr::Type;

/// Reads all services; `read_file` gives the text of a table.
pub(crate) fn read(
    root: &Node,
    policy: &Policy,
    read_file: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> Services {
    let mut services = Services::default();
    let Some(file) = Fields::of(root, "the services", findings) else { return services };
    file.only(&["services"], "the services", findings);
    let Some(node) = file.need("services", "the services", findings) else { return services };
    for (key, value) in
        Fields::of(node, "`services`", findings).map(|fields| fields.pairs).unwrap_or_default()
    {
        let Some(name) = fields::name(key, "a service", findings) else { continue };
        let Some(service) = Fields::of(value, "a service", findings) else { continue };
        let Some(kind) = service.need("kind", "a service", findings) else { continue };
        match kind.text() {
            "table" => services.services.push(table_service(name, &service, policy, read_file, findings)),
            "http" | "twilio" | "smtp" | "speaker" => {
                let message =
                    format!("services of `kind: {}` are not available in this version", kind.text());
                let help = "use `kind: table` with a CSV file in the application's folder";
                findings.push(Diagnostic::error("E256", Some(kind.place.clone()), message).help(help));
                // Its calls count as known, so that each use does not add a finding of its own.
                services.services.push(Service { name, calls: Vec::new() });
            }
            other => {
                fields::wrong(
                    kind,
                    format!("there is no kind of service `{other}`"),
                    "write `kind: table`",
                    findings,
                );
            }
        }
    }
    services
}

fn table_service(
    name: String,
    service: &Fields<'_>,
    policy: &Policy,
    read_file: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> Service {
    service.only(&["kind", "calls"], "a service of `kind: table`", findings);
    let mut calls = Vec::new();
    let listed =
        service.need("calls", "a service", findings).and_then(|node| Fields::of(node, "`calls`", findings));
    for (key, value) in listed.map(|fields| fields.pairs).unwrap_or_default() {
        let Some(name) = fields::name(key, "a call", findings) else { continue };
        let Some(call) = Fields::of(value, "a call", findings) else { continue };
        calls.extend(table_call(name, &call, policy, read_file, findings));
    }
    Service { name, calls }
}

fn table_call(
    name: String,
    call: &Fields<'_>,
    policy: &Policy,
    read_file: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> Option<ServiceCall> {
    call.only(&["table", "key", "reply", "level", "not_found"], "a call of a table", findings);
    let level = call.get("level").and_then(|node| level(node, policy, findings));
    let not_found =
        call.get("not_found").and_then(|node| fields::flag(node, "not_found", findings)).unwrap_or(false);
    let table_node = call.need("table", "a call of a table", findings);
    let key_node = call.need("key", "a call of a table", findings);
    let reply_node = call.need("reply", "a call of a table", findings)?;
    let table = table(table_node?, read_file, findings)?;
    let key = fields::text(key_node?, "the key", findings)?;
    column(&table, &key, key_node?, findings)?;
    let mut reply = Vec::new();
    for (field, about) in Fields::of(reply_node, "`reply`", findings)?.pairs {
        let Some(name) = fields::name(field, "a field of a reply", findings) else { continue };
        let (Some(()), Some((class, ty))) =
            (column(&table, &name, field, findings), reply_class(about, findings))
        else {
            continue;
        };
        reply.push(ReplyField { name, class, ty });
    }
    Some(ServiceCall { name, table, key, reply, level, not_found })
}

/// A level that the policy has.
pub(crate) fn level(node: &Node, policy: &Policy, findings: &mut Findings) -> Option<LevelName> {
    let name = fields::text(node, "a level", findings)?;
    let level = LevelName::from(name.as_str());
    if policy.level(&level).is_some() {
        return Some(level);
    }
    let message = format!("the policy has no level `{name}`");
    let help = suggestion(&name, policy.levels.iter().map(|level| level.name.as_str()), "levels");
    findings.push(Diagnostic::error("E280", Some(node.place.clone()), message).help(help));
    None
}

/// `balance: personal` or `balance: {class: personal, type: money}`.
fn reply_class(node: &Node, findings: &mut Findings) -> Option<(Class, Type)> {
    let classes = [("public", Class::Public), ("personal", Class::Personal)];
    if node.mapping().is_none() {
        return fields::choice(node, "class", &classes, findings).map(|class| (class, Type::Text));
    }
    let about = Fields::of(node, "a field of a reply", findings)?;
    about.only(&["class", "type"], "a field of a reply", findings);
    let class = about.need("class", "a field of a reply", findings)?;
    let class = fields::choice(class, "class", &classes, findings)?;
    let types = [("text", 0), ("digits", 1), ("number", 2), ("money", 3), ("date", 4), ("time", 5)];
    let ty = match about.get("type") {
        None => Type::Text,
        Some(node) => match fields::choice(node, "type", &types, findings)? {
            1 => Type::Digits,
            2 => Type::Number,
            3 => Type::Money,
            4 => Type::Date,
            5 => Type::Time,
            _ => Type::Text,
        },
    };
    Some((class, ty))
}

fn column(table: &Table, name: &str, node: &Node, findings: &mut Findings) -> Option<()> {
    if table.columns.iter().any(|column| column == name) {
        return Some(());
    }
    let message = format!("{} has no column `{name}`", table.path);
    let help = suggestion(name, table.columns.iter().map(String::as_str), "columns");
    findings.push(Diagnostic::error("E252", Some(node.place.clone()), message).help(help));
    None
}

fn table(node: &Node, read_file: &dyn Fn(&str) -> Option<String>, findings: &mut Findings) -> Option<Table> {
    let path = fields::text(node, "a table", findings)?;
    let inside =
        !path.starts_with('/') && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    let text = if inside { read_file(&path) } else { None };
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
                None => return Some(Table { path, columns, rows }),
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
