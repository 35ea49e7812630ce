//! The JSON Schema of a file of flow tests, from the words that its reader knows.

use serde_json::{Map, Value, json};

use super::read::{FILE, TEST, VERBS, options};

/// The schema.
#[must_use]
pub fn schema() -> Value {
    let script = json!({ "$ref": "#/$defs/script" });
    let any = |names: &[&str]| -> Map<String, Value> {
        names.iter().map(|name| ((*name).to_owned(), json!({}))).collect()
    };
    let mut file = any(FILE);
    file.insert("flowtest".into(), json!({ "const": 1, "description": "the version of the language" }));
    file.insert("tests".into(), json!({ "type": "array", "items": { "$ref": "#/$defs/test" } }));
    file.insert("fixtures".into(), json!({ "type": "object" }));
    let mut test = any(TEST);
    test.insert(
        "name".into(),
        json!({ "type": ["string", "integer"], "description": "what the test shows" }),
    );
    test.insert("script".into(), script);
    let words: Vec<&str> = VERBS.iter().copied().chain(options()).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Flow tests of a Countersign application",
        "type": "object",
        "properties": file,
        "required": ["flowtest", "tests"],
        "additionalProperties": false,
        "$defs": {
            "test": {
                "type": "object",
                "properties": test,
                "required": ["name"],
                "additionalProperties": false,
            },
            "script": {
                "description": "What the caller does and hears, verb by verb.",
                "type": "array",
                "items": { "type": "object", "propertyNames": { "enum": words } },
            },
        },
    })
}
