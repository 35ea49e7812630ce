//! The JSON Schemas for editors: they accept every file that ships, refuse what the reader refuses for its
//! shape, and know the fields that the reader knows.
//!
//! Validation is done by a small validator of our own, which knows the words of draft 2020-12 that the
//! schemas use and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use countersign::flow::load;
use countersign::flow::schema::{Document, schema};
use countersign::flow::step::STEPS;
use countersign::scenario;
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("YAML")
}

/// Why a value does not fit, with where.
fn misfit(value: &Value, schema: &Value, whole: &Value, at: &str) -> Option<String> {
    let words = schema.as_object()?;
    for (word, of) in words {
        let wrong = match word.as_str() {
            "description" | "title" | "$schema" | "$defs" | "additionalProperties" => None,
            "$ref" => {
                let pointer = of.as_str().and_then(|of| of.strip_prefix('#')).expect("a local reference");
                misfit(value, whole.pointer(pointer).expect("a definition"), whole, at)
            }
            "type" => {
                let fits = |name: &Value| match name.as_str().expect("a type") {
                    "null" => value.is_null(),
                    "string" => value.is_string(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "boolean" => value.is_boolean(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    other => panic!("no such type: {other}"),
                };
                let types = of.as_array().cloned().unwrap_or_else(|| vec![of.clone()]);
                (!types.iter().any(fits)).then(|| format!("{at}: not {of}"))
            }
            "const" => (value != of).then(|| format!("{at}: not {of}")),
            "enum" => {
                (!of.as_array().expect("a list").contains(value)).then(|| format!("{at}: none of {of}"))
            }
            "pattern" => {
                let text = value.as_str().unwrap_or_default();
                (!matches(of.as_str().expect("a pattern"), text)).then(|| format!("{at}: `{text}`"))
            }
            "minimum" => (value.as_i64() < of.as_i64()).then(|| format!("{at}: too small")),
            "maximum" => (value.as_i64() > of.as_i64()).then(|| format!("{at}: too great")),
            "anyOf" => {
                let all = of.as_array().expect("a list");
                let fits = all.iter().any(|schema| misfit(value, schema, whole, at).is_none());
                (!fits).then(|| format!("{at}: fits none of {} shapes", all.len()))
            }
            "allOf" => of.as_array().expect("a list").iter().find_map(|s| misfit(value, s, whole, at)),
            "items" => value.as_array().and_then(|items| {
                let mut numbered = items.iter().enumerate();
                numbered.find_map(|(n, item)| misfit(item, of, whole, &format!("{at}/{n}")))
            }),
            "required" => value.as_object().and_then(|object| {
                let mut names = of.as_array().expect("a list").iter().filter_map(Value::as_str);
                names.find(|name| !object.contains_key(*name)).map(|name| format!("{at}: lacks `{name}`"))
            }),
            "propertyNames" => value.as_object().and_then(|object| {
                object.keys().find_map(|name| misfit(&Value::from(name.as_str()), of, whole, at))
            }),
            "properties" => value.as_object().and_then(|object| {
                let inner = |(name, schema): (&String, &Value)| {
                    misfit(object.get(name)?, schema, whole, &format!("{at}/{name}"))
                };
                of.as_object().expect("a mapping").iter().find_map(inner)
            }),
            other => panic!("the validator does not know `{other}`"),
        };
        if wrong.is_some() {
            return wrong;
        }
    }
    let more = words.get("additionalProperties")?;
    let known = words.get("properties").and_then(Value::as_object);
    let others =
        value.as_object()?.iter().filter(|(name, _)| known.is_none_or(|known| !known.contains_key(*name)));
    match more {
        Value::Bool(false) => others.map(|(name, _)| format!("{at}: has no `{name}`")).next(),
        schema => {
            let mut others = others;
            others.find_map(|(name, value)| misfit(value, schema, whole, &format!("{at}/{name}")))
        }
    }
}

/// The two patterns of our schemas, by hand.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        "^([0-9]{1,4}|[A-D]|star|hash|pound)$" => {
            matches!(text, "star" | "hash" | "pound" | "A" | "B" | "C" | "D")
                || ((1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
        }
        "^([0-9]+(ms|s|m|h))+$" => {
            let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
            let unit = ["ms", "s", "m", "h"].into_iter().find_map(|unit| rest.strip_prefix(unit));
            rest.len() < text.len() && unit.is_some_and(|rest| rest.is_empty() || matches(pattern, rest))
        }
        other => panic!("the validator does not know the pattern {other}"),
    }
}

fn refused(value: &Value, schema: &Value) -> Option<String> {
    misfit(value, schema, schema, "")
}

/// The schema for a file, by where it lies.
fn schema_for(path: &Path) -> Option<Value> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent()?.file_name()?.to_str()?;
    match (folder, name) {
        (_, name) if name.ends_with(".flow.yaml") => Some(schema(Document::Flow)),
        (_, name) if name.ends_with(".flow-test.yaml") => Some(scenario::schema()),
        (_, "policy.yaml") => Some(schema(Document::Policy)),
        (_, "services.yaml") => Some(schema(Document::Services)),
        (_, "calendars.yaml") => Some(schema(Document::Calendars)),
        ("prompts", name) if name.ends_with(".yaml") => Some(schema(Document::Prompts)),
        _ => None,
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { out.extend(files_below(&path)) } else { out.push(path) }
    }
    out.sort();
    out
}

#[test]
fn every_shipped_file_fits_its_schema() {
    let mut checked = 0;
    let broken = root().join("tests/data/broken/common");
    for path in files_below(&root().join("flows")).into_iter().chain(files_below(&broken)) {
        let Some(schema) = schema_for(&path) else { continue };
        let value = yaml(&fs::read_to_string(&path).expect("a file"));
        assert_eq!(refused(&value, &schema), None, "{}", path.display());
        checked += 1;
    }
    assert!(checked >= 9, "only {checked} files");
}

#[test]
fn every_example_of_a_step_fits_the_schema_of_steps() {
    let flow = schema(Document::Flow);
    let step = &flow["$defs"]["step"];
    for spec in STEPS {
        let example = yaml(spec.example);
        for written in example.as_array().expect("a list of steps") {
            assert_eq!(misfit(written, step, &flow, spec.verb), None, "{}", spec.example);
        }
    }
}

/// What a schema can see, it refuses: wrong keys, wrong shapes, what is missing.
#[test]
fn broken_files_are_refused_by_the_schema() {
    let broken = [
        "flow: unknown-key",
        "flow: unknown-step",
        "flow: option-of-another-verb",
        "flow: two-verbs",
        "flow: missing-fields",
        "flow: shapes",
        "flow: yaml-star-value",
        "policy: policy-words",
        "services: services-table",
        "flow: yaml-base-sixty",
    ];
    for line in broken {
        let (of, name) = line.split_once(": ").expect("two words");
        let document = Document::ALL.into_iter().find(|document| document.name() == of).expect("a document");
        let text = fs::read_to_string(root().join(format!("tests/data/broken/{name}.yaml"))).expect("a file");
        let Ok(value) = serde_saphyr::from_str::<Value>(&text) else { continue };
        assert!(refused(&value, &schema(document)).is_some(), "{name} fits the schema");
    }
}

/// What the reader says it knows, where it is asked for something that it does not: the names, and how many
/// more there are.
fn known_to_the_reader(file: &str, text: &str) -> (BTreeSet<String>, usize) {
    let mut files = BTreeMap::from([
        ("main.flow.yaml", "callflow: 1\nid: a\nblocks:\n  start:\n    - hangup: normal\n"),
        ("prompts/en-GB.yaml", "language: en-GB\nprompts: {greeting: \"Welcome.\"}\n"),
    ]);
    files.insert(file, text);
    let files: BTreeMap<String, String> =
        files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
    let found = match load(&files) {
        Ok((_, found)) | Err(found) => found,
    };
    let told = found.iter().find(|f| f.code == "E110" && f.message.contains("`zzzzzzzz`"));
    let told = told.unwrap_or_else(|| panic!("{file} takes anything:\n{text}"));
    let help = told.help.clone().unwrap_or_default();
    let names: BTreeSet<String> = help.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let more = help.rsplit_once(" and ").and_then(|(_, more)| more.strip_suffix(" more")?.parse().ok());
    (names, more.unwrap_or(0))
}

/// The names of the properties at a place of a schema.
fn properties(schema: &Value, pointer: &str) -> BTreeSet<String> {
    let object = schema.pointer(pointer).unwrap_or_else(|| panic!("nothing at {pointer}"));
    object["properties"].as_object().expect("a mapping").keys().cloned().collect()
}

#[test]
fn the_schemas_know_the_fields_that_the_reader_knows() {
    let flow = |rest: &str| format!("callflow: 1\nid: a\nblocks:\n  start:\n    - hangup: normal\n{rest}");
    let step =
        |step: &str| format!("callflow: 1\nid: a\nblocks:\n  start:\n    - {step}\n      zzzzzzzz: 1\n");
    let policy = |rest: &str| format!("authpolicy: 1\nfactors: {{pin: {{digits: 8}}}}\n{rest}");
    let levels = "levels: {basic: {factors: 1}}\n";
    let input = "/properties/defaults/properties/input";
    let rows: Vec<(Document, &str, String, String)> = vec![
        (Document::Flow, "main.flow.yaml", flow("zzzzzzzz: 1\n"), String::new()),
        (Document::Flow, "main.flow.yaml", flow("imports: {zzzzzzzz: 1}\n"), "/properties/imports".into()),
        (
            Document::Flow,
            "main.flow.yaml",
            flow("languages: {zzzzzzzz: 1}\n"),
            "/properties/languages".into(),
        ),
        (Document::Flow, "main.flow.yaml", flow("defaults: {zzzzzzzz: 1}\n"), "/properties/defaults".into()),
        (Document::Flow, "main.flow.yaml", flow("defaults: {input: {zzzzzzzz: 1}}\n"), input.into()),
        (
            Document::Flow,
            "main.flow.yaml",
            flow("vars: {a: {type: text, zzzzzzzz: 1}}\n"),
            "/properties/vars/additionalProperties".into(),
        ),
        (
            Document::Flow,
            "main.flow.yaml",
            flow("subflows: {a: {outcomes: [b], zzzzzzzz: 1, blocks: {start: [{return: b}]}}}\n"),
            "/properties/subflows/additionalProperties".into(),
        ),
        (Document::Policy, "policy.yaml", policy(&format!("{levels}zzzzzzzz: 1\n")), String::new()),
        (
            Document::Policy,
            "policy.yaml",
            policy("levels: {basic: {factors: 1, zzzzzzzz: 1}}\n"),
            "/properties/levels/additionalProperties".into(),
        ),
        (
            Document::Policy,
            "policy.yaml",
            policy(&format!("{levels}lockout: {{zzzzzzzz: 1}}\n")),
            "/properties/lockout".into(),
        ),
        (Document::Services, "services.yaml", "services: {}\nzzzzzzzz: 1\n".into(), String::new()),
        (Document::Calendars, "calendars.yaml", "calendars: {}\nzzzzzzzz: 1\n".into(), String::new()),
        (
            Document::Calendars,
            "calendars.yaml",
            "calendars: {a: {zone: Europe/London, open: {mon: \"09:00-17:00\"}, zzzzzzzz: 1}}\n".into(),
            "/properties/calendars/additionalProperties".into(),
        ),
        (
            Document::Prompts,
            "prompts/en-GB.yaml",
            "language: en-GB\nprompts: {greeting: \"Welcome.\"}\nzzzzzzzz: 1\n".into(),
            String::new(),
        ),
        (Document::Flow, "main.flow.yaml", step("goto: start"), "/$defs/step-goto".into()),
        (Document::Flow, "main.flow.yaml", step("say: greeting"), "/$defs/step-say".into()),
        (Document::Flow, "main.flow.yaml", step("require: basic"), "/$defs/step-require".into()),
    ];
    for (document, file, text, pointer) in rows {
        let (named, more) = known_to_the_reader(file, &text);
        let mut properties = properties(&schema(document), &pointer);
        // The verb stands first and is not a field.
        if let Some(verb) = pointer.strip_prefix("/$defs/step-") {
            properties.remove(verb);
        }
        assert!(named.is_subset(&properties), "{pointer} of {file}: {named:?} and {properties:?}");
        assert_eq!(named.len() + more, properties.len(), "{pointer} of {file}: {named:?} and {properties:?}");
    }
}

/// The kinds of services differ in what they have; the schema has what any of them has.
#[test]
fn every_field_of_every_kind_of_service_is_in_the_schema() {
    let schema = schema(Document::Services);
    let service = "/properties/services/additionalProperties";
    let call = format!("{service}/properties/calls/additionalProperties");
    for (kind, call_text) in [
        ("table", "{table: a.csv, key: b, zzzzzzzz: 1}"),
        ("sql", "{query: select 1, zzzzzzzz: 1}"),
        ("http", "{get: /a, zzzzzzzz: 1}"),
    ] {
        let of_service = format!(
            "services: {{a: {{kind: {kind}, base: \"https://a.example\", zzzzzzzz: 1, calls: {{}}}}}}\n"
        );
        let of_call = format!(
            "services: {{a: {{kind: {kind}, base: \"https://a.example\", calls: {{b: {call_text}}}}}}}\n"
        );
        for (text, pointer) in [(of_service, service), (of_call, call.as_str())] {
            let (named, _) = known_to_the_reader("services.yaml", &text);
            let properties = properties(&schema, pointer);
            assert!(named.is_subset(&properties), "{kind}: {named:?} and {properties:?}");
        }
    }
}

#[test]
fn the_validator_refuses_what_it_should() {
    let flow = schema(Document::Flow);
    let good = "callflow: 1\nid: a\nblocks:\n  start:\n    - say: greeting\n    - hangup: normal\n";
    assert_eq!(refused(&yaml(good), &flow), None);
    for bad in [
        good.replace("callflow: 1", "callflow: 2"),
        good.replace("say: greeting", "sya: greeting"),
        good.replace("hangup: normal", "hangup: norml"),
        good.replace("id: a\n", ""),
        good.replace("say: greeting", "{ask: greeting, into: x, first: 5}"),
        good.replace("say: greeting", "{menu: greeting, options: [{goto: start}], give_up: {goto: start}}"),
        good.replace("say: greeting", "{decide: [{goto: start}]}"),
    ] {
        assert!(refused(&yaml(&bad), &flow).is_some(), "{bad}");
    }
}
