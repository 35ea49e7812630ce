//! From a [`Shape`] to its schema.

use serde_json::{Map, Value, json};

use crate::flow::step::{FieldSpec, Shape};

/// A key of the telephone, or several digits in a row.
const KEY: &str = "^([0-9]{1,4}|[A-D]|star|hash|pound)$";
/// `300ms`, `1m30s`.
const DURATION: &str = "^([0-9]+(ms|s|m|h))+$";

/// The schema of a shape.
pub(super) fn value(shape: &Shape) -> Value {
    let listed = |item: Value| json!({ "anyOf": [item.clone(), { "type": "array", "items": item }] });
    let expression = || json!({ "type": ["string", "boolean", "integer"] });
    match shape {
        Shape::Nothing => json!({ "type": "null" }),
        Shape::Any => json!({}),
        // A number that YAML reads as such is text where text is wanted, unless YAML would change it.
        Shape::Text => json!({ "type": ["string", "integer"] }),
        Shape::Prompt | Shape::Variable | Shape::Level | Shape::Block => json!({ "type": "string" }),
        Shape::Prompts | Shape::Pass | Shape::Factors => listed(json!({ "type": "string" })),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Duration => json!({ "type": "string", "pattern": DURATION }),
        Shape::Count { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::Expression => expression(),
        Shape::Key => json!({ "type": "string", "pattern": KEY }),
        Shape::KeyMap(_) => json!({
            "type": "object",
            "propertyNames": { "pattern": KEY },
            "additionalProperties": { "type": "string" },
        }),
        Shape::Map(_, of) => json!({ "type": "object", "additionalProperties": value(of) }),
        Shape::Values => json!({ "type": "object", "additionalProperties": expression() }),
        Shape::Arm => json!({ "$ref": "#/$defs/arm" }),
        Shape::Steps => json!({ "type": "array", "items": { "$ref": "#/$defs/step" } }),
        Shape::Cases => json!({ "type": "array", "items": { "$ref": "#/$defs/case" } }),
        Shape::Options => json!({ "type": "array", "items": { "$ref": "#/$defs/option" } }),
        Shape::Prompting => json!({
            "type": "object",
            "additionalProperties": {
                "anyOf": [
                    { "type": "string" },
                    { "type": "object", "additionalProperties": { "type": "string" } },
                ],
            },
        }),
        Shape::List(of) => listed(value(of)),
        Shape::Object(fields) => object(&fields.iter().collect::<Vec<_>>()),
        Shape::OneOf(shapes) => json!({ "anyOf": shapes.iter().map(value).collect::<Vec<_>>() }),
    }
}

/// A field's schema with what it is for.
pub(super) fn described(field: &FieldSpec) -> Value {
    let mut schema = value(&field.shape);
    schema["description"] = field.doc.into();
    schema
}

/// A mapping with exactly these fields.
pub(super) fn object(fields: &[&FieldSpec]) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), described(field))).collect();
    let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
