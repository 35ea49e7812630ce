//! JSON Schemas (draft 2020-12) of the files of an application, for editors that complete and check while
//! somebody types. They are made from what the reader reads by: the `Spec` of every
//! step, and tables of the same [`FieldSpec`]s for everything around the steps.
//!
//! A schema knows shapes, not meanings: it refuses an unknown key or a missing field, and leaves jumps,
//! types, levels and paths to `countersign check`.

pub mod files;
mod risk;
mod shape;

use serde_json::{Map, Value, json};

use crate::flow::step::{COMMON_FIELDS, FieldSpec, INPUT_FIELDS, STEPS, Spec};

use shape::{object, value};

/// What a file of an application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// `*.flow.yaml`
    Flow,
    /// `policy.yaml`
    Policy,
    /// `services.yaml`
    Services,
    /// `calendars.yaml`
    Calendars,
    /// `prompts/<language>.yaml`
    Prompts,
}

impl Document {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Flow, Self::Policy, Self::Services, Self::Calendars, Self::Prompts];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Policy => "policy",
            Self::Services => "services",
            Self::Calendars => "calendars",
            Self::Prompts => "prompts",
        }
    }
}

/// The schema of a sort of file.
#[must_use]
pub fn schema(document: Document) -> Value {
    let (title, fields): (&str, &[&[FieldSpec]]) = match document {
        Document::Flow => ("A call flow of Countersign", &[&files::FLOW, &files::MAIN]),
        Document::Policy => ("An authentication policy of Countersign", &[&files::POLICY]),
        Document::Services => ("The services of a Countersign application", &[&files::SERVICES]),
        Document::Calendars => ("The calendars of a Countersign application", &[&files::CALENDARS]),
        Document::Prompts => ("What a Countersign application says in one language", &[&files::PROMPTS]),
    };
    let mut schema = object(&fields.concat_fields());
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = title.into();
    if document == Document::Flow {
        schema["$defs"] = steps();
    }
    schema
}

/// Several tables of fields as one.
trait Tables {
    fn concat_fields(&self) -> Vec<&'static FieldSpec>;
}

impl Tables for &[&'static [FieldSpec]] {
    fn concat_fields(&self) -> Vec<&'static FieldSpec> {
        self.iter().flat_map(|table| table.iter()).collect()
    }
}

/// The definitions of all steps, and of what is made of them.
fn steps() -> Value {
    let mut defs = Map::new();
    let reference = |name: String| json!({ "$ref": format!("#/$defs/{name}") });
    let any: Vec<Value> = STEPS.iter().map(|spec| reference(format!("step-{}", spec.verb))).collect();
    defs.insert(
        "step".into(),
        json!({ "description": "A step: its verb first, its fields below.", "anyOf": any }),
    );
    defs.insert(
        "arm".into(),
        json!({
            "description": "Where an outcome leads: `continue`, or one step such as `{goto: block}`.",
            "anyOf": [{ "const": "continue" }, { "$ref": "#/$defs/step" }],
        }),
    );
    let case = json!([
        { "allOf": [{ "$ref": "#/$defs/step" }, { "required": ["when"] }] },
        {
            "type": "object",
            "properties": { "otherwise": { "$ref": "#/$defs/arm" } },
            "required": ["otherwise"],
            "additionalProperties": false,
        },
    ]);
    defs.insert("case".into(), json!({ "description": "A case of `decide`.", "anyOf": case }));
    let mut options = vec![option(None)];
    options.extend(STEPS.iter().map(|spec| option(Some(spec))));
    defs.insert("option".into(), json!({ "description": "A choice of a menu.", "anyOf": options }));
    for spec in STEPS {
        defs.insert(format!("step-{}", spec.verb), step(spec));
    }
    Value::Object(defs)
}

/// A step.
fn step(spec: &Spec) -> Value {
    let mut properties = Map::new();
    let mut required = vec![Value::from(spec.verb)];
    let mut argument = value(&spec.argument);
    argument["description"] = spec.summary.into();
    properties.insert(spec.verb.into(), argument);
    for field in spec.fields.iter().chain(&COMMON_FIELDS) {
        properties.insert(field.name.into(), shape::described(field));
        if field.required {
            required.push(field.name.into());
        }
    }
    if spec.input {
        for field in &INPUT_FIELDS {
            properties.entry(field.name).or_insert_with(|| shape::described(field));
        }
    }
    if let Some(outcome) = outcome(spec) {
        properties.insert("outcome".into(), outcome);
    }
    json!({
        "type": "object",
        "description": spec.summary,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// What `outcome` may say; a sub-flow's outcomes are its own.
fn outcome(spec: &Spec) -> Option<Value> {
    let arm = json!({ "$ref": "#/$defs/arm" });
    if spec.verb == "run" {
        return Some(json!({
            "type": "object",
            "description": "Where each outcome of the sub-flow leads.",
            "additionalProperties": arm,
        }));
    }
    if spec.outcomes.is_empty() {
        return None;
    }
    let properties: Map<String, Value> =
        spec.outcomes.iter().map(|outcome| ((*outcome).to_owned(), arm.clone())).collect();
    Some(json!({
        "type": "object",
        "description": "Where each outcome leads.",
        "properties": properties,
        "additionalProperties": false,
    }))
}

/// A choice of a menu, with the step it leads to beside it.
fn option(spec: Option<&'static Spec>) -> Value {
    let mut option = match spec {
        Some(spec) => step(spec),
        None => json!({ "type": "object", "properties": {}, "required": [], "additionalProperties": false }),
    };
    for field in &files::OPTION {
        option["properties"][field.name] = shape::described(field);
    }
    if let Some(required) = option["required"].as_array_mut() {
        required.push("key".into());
    }
    option
}
