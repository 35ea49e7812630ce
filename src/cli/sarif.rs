//! Findings as SARIF 2.1.0 (OASIS Static Analysis Results Interchange Format), for code hosts and editors.
//!
//! What a code means in general is taken from the table of the manual, so that both say the same.

use std::collections::BTreeSet;

use countersign::diagnostic::{Diagnostic, Place, Severity};
use serde_json::{Value, json};

/// The manual with the table of codes.
const MANUAL: &str = include_str!("../../docs/flows.md");

/// One log with one run.
pub(crate) fn log(findings: &[Diagnostic]) -> Value {
    let codes: Vec<&str> =
        findings.iter().map(|finding| finding.code).collect::<BTreeSet<_>>().into_iter().collect();
    let rules: Vec<Value> = codes.iter().map(|code| rule(code)).collect();
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, &codes)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "countersign",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "utf16CodeUnits",
            "results": results,
        }],
    })
}

fn rule(code: &str) -> Value {
    let level = if code.starts_with('W') { "warning" } else { "error" };
    json!({
        "id": code,
        "shortDescription": { "text": meaning(code) },
        "help": { "text": format!("{} (see `Diagnostics` in docs/flows.md)", meaning(code)) },
        "defaultConfiguration": { "level": level },
    })
}

/// What the manual says of a code.
fn meaning(code: &str) -> &'static str {
    let row = MANUAL.lines().find_map(|line| line.strip_prefix(&format!("| `{code}` | ")));
    row.and_then(|row| row.strip_suffix(" |")).unwrap_or("a finding")
}

fn result(finding: &Diagnostic, codes: &[&str]) -> Value {
    let mut text = finding.message.clone();
    for more in [Some(&finding.label), finding.help.as_ref()].into_iter().flatten() {
        if !more.is_empty() {
            text.push('\n');
            text.push_str(more);
        }
    }
    let mut result = json!({
        "ruleId": finding.code,
        "ruleIndex": codes.iter().position(|code| *code == finding.code),
        "level": if finding.severity == Severity::Error { "error" } else { "warning" },
        "message": { "text": text },
        "locations": finding.place.iter().map(|place| location(place, None)).collect::<Vec<_>>(),
    });
    if !finding.related.is_empty() {
        let related: Vec<Value> =
            finding.related.iter().map(|(place, label)| location(place, Some(label))).collect();
        result["relatedLocations"] = related.into();
    }
    result
}

fn location(place: &Place, label: Option<&str>) -> Value {
    let region = place.region();
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(&place.source.path) },
            "region": {
                "startLine": region.start.0,
                "startColumn": region.start.1,
                "endLine": region.end.0,
                "endColumn": region.end.1,
            },
        },
    });
    if let Some(label) = label.filter(|label| !label.is_empty()) {
        location["message"] = json!({ "text": label });
    }
    location
}

/// A path as a relative URI reference (RFC 3986 §4.2): what is not allowed in one is escaped.
fn uri(path: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in path.replace('\\', "/").bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            other => {
                // Writing to a string can't fail.
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign::diagnostic::Source;

    use super::*;

    #[test]
    fn a_finding_is_a_result_with_its_rule_its_region_and_what_to_do() {
        let source =
            Arc::new(Source { path: "flows/my bank/é.yaml".into(), text: "ä\n  goto: agnet\n".into() });
        let place = Place { source, span: 11..16 };
        let finding = Diagnostic::error("E120", Some(place.clone()), "no block `agnet`")
            .help("did you mean `agent`?")
            .related(place, "here");
        let log = log(&[finding, Diagnostic::warning("W121", None, "nothing leads here")]);
        let run = &log["runs"][0];
        assert_eq!((&log["version"], &run["columnKind"]), (&"2.1.0".into(), &"utf16CodeUnits".into()));
        let rules: Vec<&str> = run["tool"]["driver"]["rules"]
            .as_array()
            .map(|rules| rules.iter().filter_map(|rule| rule["id"].as_str()).collect())
            .unwrap_or_default();
        assert_eq!(rules, ["E120", "W121"]);
        let result = &run["results"][0];
        assert_eq!(
            (&result["ruleId"], &result["ruleIndex"], &result["level"]),
            (&"E120".into(), &0.into(), &"error".into())
        );
        assert_eq!(result["message"]["text"], "no block `agnet`\ndid you mean `agent`?");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "flows/my%20bank/%C3%A9.yaml");
        assert_eq!(
            place["region"],
            json!({ "startLine": 2, "startColumn": 9, "endLine": 2, "endColumn": 14 })
        );
        assert_eq!(result["relatedLocations"][0]["message"]["text"], "here");
        assert_eq!(run["results"][1]["level"], "warning");
        assert_eq!(run["results"][1]["locations"], json!([]));
    }

    #[test]
    fn the_manual_says_what_each_rule_means() {
        assert_eq!(meaning("E120"), "no such block or sub-flow");
        assert_eq!(meaning("E999"), "a finding");
    }
}
