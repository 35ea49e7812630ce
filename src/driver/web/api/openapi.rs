//! The API's description in OpenAPI 3.1, made from the table of routes.

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::routes::{IN_PATHS, Parameter, ROUTES, Route};
use super::shape::Schemas;
use crate::driver::web::Reply;

pub(super) fn reply() -> Reply {
    Reply::json(StatusCode::OK, &describe())
}

/// The description.
#[must_use]
pub fn describe() -> Value {
    let mut named = Schemas::new();
    named.insert("Problem".to_owned(), problem());
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let operation = operation(route, &mut named);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_ascii_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Subjects, enrolments, policy, call records and the audit log. A token is made by \
                            `countersign token create`; every change is recorded in the audit log under its name.",
            "license": {"name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT"},
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": named,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "cst_…"},
            },
        },
    })
}

fn operation(route: &Route, named: &mut Schemas) -> Value {
    let in_path = |parameter: &&Parameter| route.path.contains(&format!("{{{}}}", parameter.name));
    let path = IN_PATHS.iter().filter(in_path).map(|parameter| described(parameter, "path"));
    let query = route.query.iter().map(|parameter| described(parameter, "query"));
    let parameters: Vec<Value> = path.chain(query).collect();
    let (status, done) = route.done;
    let mut reply = json!({"description": if done.is_some() { "As asked." } else { "Done." }});
    if let Some(schema) = done {
        let schema = schema(named);
        let kind = schema["contentMediaType"].as_str().unwrap_or("application/json").to_owned();
        reply["content"] = json!({kind: {"schema": schema}});
    }
    let mut responses = Map::new();
    responses.insert(status.to_string(), reply);
    let problem = json!({"$ref": "#/components/schemas/Problem"});
    let problem = json!({
        "description": "It is not done.",
        "content": {"application/problem+json": {"schema": problem}},
    });
    responses.insert("default".to_owned(), problem);
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.about,
        "responses": responses,
    });
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(schema) = route.body {
        let content = json!({"application/json": {"schema": schema(named)}});
        operation["requestBody"] = json!({"required": true, "content": content});
    }
    match route.scope {
        Some(scope) => {
            operation["security"] = json!([{"token": []}]);
            operation["x-scope"] = scope.name().into();
        }
        None => operation["security"] = json!([]),
    }
    operation
}

fn described(parameter: &Parameter, place: &str) -> Value {
    json!({
        "name": parameter.name,
        "in": place,
        "description": parameter.about,
        "required": place == "path",
        "schema": {"type": if parameter.number { "integer" } else { "string" }},
    })
}

/// RFC 9457, with our own fields.
fn problem() -> Value {
    let field = |kind: &str, about: &str| json!({"type": kind, "description": about});
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "properties": {
            "type": field("string", "The kind, as a URI: for programs."),
            "title": field("string", "The kind, for people."),
            "status": field("integer", "The status."),
            "detail": field("string", "What is wrong this time."),
            "at": field("string", "Which field or parameter it is about."),
            "help": field("string", "What to do."),
        },
        "required": ["type", "title", "status", "detail", "help"],
    })
}
