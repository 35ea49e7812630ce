//! Services of `kind: sql`: statements on a SQLite file, with `:name` where an argument is bound. A value is
//! never part of the text of a statement.

use std::path::PathBuf;

use super::ast::Class;
use super::fields::{self, Fields, Node};
use super::findings::Findings;
use super::services::{Argument, Does, ServiceCall, ServiceKind, SqlService, Statement};
use super::services_file::{Frame, Reading, breaker, cache, inside};
use crate::diagnostic::Diagnostic;
use crate::flow::expr::Field;

/// The service and its calls.
pub(super) fn service(
    reading: &Reading<'_>,
    service: &Fields<'_>,
    findings: &mut Findings,
) -> (ServiceKind, Vec<ServiceCall>) {
    service.only(&["kind", "path", "breaker", "calls", "note"], "a service of `kind: sql`", findings);
    let path = service
        .need("path", "a service of `kind: sql`", findings)
        .and_then(|node| path(node, reading, findings));
    let breaker = breaker(service, findings).unwrap_or_default();
    let calls = reading.calls(service, findings, |name, call, findings| {
        let known = ["query", "execute", "reply", "level", "subject", "not_found", "cache", "note"];
        call.only(&known, "a call of a service of `kind: sql`", findings);
        let frame = Frame::read(reading, call, findings);
        let (node, writes) = match (call.get("query"), call.get("execute")) {
            (Some(query), None) => (query, false),
            (None, Some(execute)) => (execute, true),
            (both, _) => {
                let message = "a call of a service of `kind: sql` is a `query` or an `execute`";
                let help = "write `query: select …` or `execute: insert …`";
                let place = both.map_or(&call.place, |node| &node.place);
                findings.push(Diagnostic::error("E114", Some(place.clone()), message).help(help));
                return None;
            }
        };
        let statement =
            Statement { text: fields::text(node, "a statement", findings)?, place: node.place.clone() };
        let arguments = arguments(&statement.text, node, findings).unwrap_or_default();
        let not_found = call.get("not_found").and_then(|node| fields::flag(node, "not_found", findings));
        let keep = call.get("cache").and_then(|node| cache(node, findings));
        if let Some(node) = call.get("cache").filter(|_| writes) {
            fields::wrong(
                node,
                "only the reply of a `query` can be used again",
                "leave `cache` out",
                findings,
            );
        }
        let made = frame.call(name, call, arguments, Does::Statement(statement), findings);
        let not_found = not_found.unwrap_or(false);
        Some(ServiceCall { not_found, writes, cache: keep.filter(|_| !writes), ..made })
    });
    (ServiceKind::Sql(SqlService { path: path.unwrap_or_default(), breaker }), calls)
}

/// A file of the application's folder, or one that the system keeps elsewhere.
fn path(node: &Node, reading: &Reading<'_>, findings: &mut Findings) -> Option<PathBuf> {
    let text = fields::text(node, "`path`", findings)?;
    if text.starts_with('/') {
        return Some(PathBuf::from(text));
    }
    if inside(&text) {
        // Files in memory have no place; what is opened later then fails, and says so.
        return Some(reading.files.on_disk(&text).unwrap_or_else(|| PathBuf::from(text)));
    }
    let help = "write a path below the application's folder, such as data/crm.db, or one that begins with /";
    findings.push(
        Diagnostic::error("E257", Some(node.place.clone()), format!("`{text}` leaves the folder")).help(help),
    );
    None
}

/// The parameters of a statement. SQLite's own syntax for what is no parameter: strings, quoted names, comments.
fn arguments(text: &str, node: &Node, findings: &mut Findings) -> Option<Vec<Argument>> {
    let mut found: Vec<Argument> = Vec::new();
    let mut rest = text;
    let mut wrong = |message: String, help: &str| {
        findings.push(Diagnostic::error("E247", Some(node.place.clone()), message).help(help));
        None
    };
    if text.contains("${") {
        return wrong(
            "a value is not put into the text of a statement".to_owned(),
            "write `:customer`, without quotes",
        );
    }
    while let Some(c) = rest.chars().next() {
        let skip = match c {
            '\'' | '"' | '`' => match quoted(rest, c) {
                Some(length) => length,
                None => {
                    return wrong(format!("a {c} is not closed"), "write it twice inside of text: 'it''s'");
                }
            },
            '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '?' | '@' | '$' | '#' => {
                let help = "write arguments as :name; their values are bound, never part of the text";
                return wrong(format!("`{c}` is no argument here"), help);
            }
            ':' => {
                let name: &str = rest.get(1..).unwrap_or_default();
                let length =
                    name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
                let name = name.get(..length).unwrap_or_default();
                if !super::scalar::is_name(name) {
                    return wrong(
                        format!("`:{name}` is no argument"),
                        "write :customer, letters, digits and `_`",
                    );
                }
                if !found.iter().any(|argument| argument.name == name) {
                    let field = engine_field(name);
                    found.push(Argument {
                        name: name.to_owned(),
                        field,
                        class: Class::Personal,
                        logged: false,
                    });
                }
                length + 1
            }
            ';' if !rest.get(1..).unwrap_or_default().trim().is_empty() => {
                return wrong("a call is one statement".to_owned(), "make a call of each");
            }
            c => c.len_utf8(),
        };
        rest = rest.get(skip..).unwrap_or_default();
    }
    Some(found)
}

/// The length of what is in quotes, with them; quotes inside are doubled.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut at = 1;
    loop {
        at += text.get(at..)?.find(quote)? + 1;
        if !text.get(at..)?.starts_with(quote) {
            return Some(at);
        }
        at += 1;
    }
}

/// `:call_from` is the engine's `call.from`: SQLite's names have no dots.
fn engine_field(name: &str) -> Option<Field> {
    let named = |field: &Field| field.name().contains('.') && field.name().replace('.', "_") == name;
    Field::ALL.iter().copied().find(|field| named(field) && field.class() <= Class::Personal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::document::yaml;

    fn names(sql: &str) -> Result<Vec<String>, String> {
        let mut findings = Findings::default();
        let text = format!("query: |\n  {}\n", sql.replace('\n', "\n  "));
        let root = yaml::read("services.yaml", &text, &mut findings).expect("YAML");
        let node = root.get("query").expect("the statement");
        match arguments(node.text(), node, &mut findings) {
            Some(found) => Ok(found.into_iter().map(|argument| argument.name).collect()),
            None => Err(crate::diagnostic::render(&findings.into_sorted())),
        }
    }

    #[test]
    fn arguments_are_what_sqlite_takes_for_parameters() {
        for (sql, expected) in [
            ("select a from t where x = :x and y = :y_2 or x = :x", vec!["x", "y_2"]),
            (
                "select ':no' , \"a:b\", `c:d`, [e:f] from t -- :not this\nwhere /* :nor\nthis */ x = :x;",
                vec!["x"],
            ),
            ("select 'it''s :no', 'café :no' from t where x=:x\n ; \n", vec!["x"]),
            ("select 1", vec![]),
        ] {
            assert_eq!(names(sql), Ok(expected.into_iter().map(str::to_owned).collect()), "{sql}");
        }
        for sql in [
            "select ?1",
            "select @a",
            "select $a",
            "select 'open",
            "delete from t; drop table t",
            "select :1a",
            "select a::b",
        ] {
            let told = names(sql).expect_err(sql);
            assert!(told.contains("E247"), "{sql}: {told}");
        }
    }
}
