//! The shapes of what is sent and answered. A shape is declared once: its fields are what is read or written, and
//! their comments are what the API's description says of them.

use serde::de::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Named schemas by their names.
pub(super) type Schemas = Map<String, Value>;

/// Something that has a schema.
pub(super) trait Shape {
    /// Whether it may be left out.
    const OPTIONAL: bool = false;

    /// Its schema; those that it refers to are put among the named ones.
    fn schema(named: &mut Schemas) -> Value;
}

impl Shape for String {
    fn schema(_: &mut Schemas) -> Value {
        json!({"type": "string"})
    }
}

impl Shape for bool {
    fn schema(_: &mut Schemas) -> Value {
        json!({"type": "boolean"})
    }
}

impl Shape for u64 {
    fn schema(_: &mut Schemas) -> Value {
        json!({"type": "integer", "minimum": 0})
    }
}

/// Any JSON object.
impl Shape for Value {
    fn schema(_: &mut Schemas) -> Value {
        json!({"type": "object", "additionalProperties": true})
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn schema(named: &mut Schemas) -> Value {
        json!({"type": "array", "items": T::schema(named)})
    }
}

impl<T: Shape> Shape for Option<T> {
    const OPTIONAL: bool = true;

    fn schema(named: &mut Schemas) -> Value {
        json!({"anyOf": [T::schema(named), {"type": "null"}]})
    }
}

/// A secret that is sent to us.
pub(super) struct Hidden(pub(super) Secret<String>);

impl Shape for Hidden {
    fn schema(_: &mut Schemas) -> Value {
        json!({"type": "string", "format": "password", "writeOnly": true})
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Secret::new).map(Self)
    }
}

/// A secret that is shown once.
pub(super) struct Once(pub(super) Zeroizing<String>);

impl Once {
    pub(super) fn of(secret: &Secret<String>) -> Self {
        Self(Zeroizing::new(secret.expose().clone()))
    }
}

impl serde::Serialize for Once {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl Shape for Once {
    fn schema(_: &mut Schemas) -> Value {
        json!({"type": "string", "readOnly": true})
    }
}

/// Declares shapes that are read.
macro_rules! reads {
    ($($(#[doc = $about:literal])+ struct $name:ident { $($(#[doc = $doc:literal])+ $field:ident: $type:ty,)* })+) => {
        $(
            $(#[doc = $about])+
            #[derive(serde::Deserialize)]
            #[serde(deny_unknown_fields)]
            pub(super) struct $name { $($(#[doc = $doc])+ pub(super) $field: $type,)* }
            shape!($name, concat!($($about),+), $($field: $type, concat!($($doc),+);)*);
        )+
    };
}

/// Declares shapes that are written.
macro_rules! writes {
    ($($(#[doc = $about:literal])+ struct $name:ident { $($(#[doc = $doc:literal])+ $field:ident: $type:ty,)* })+) => {
        $(
            $(#[doc = $about])+
            #[derive(serde::Serialize)]
            pub(super) struct $name { $($(#[doc = $doc])+ pub(super) $field: $type,)* }
            shape!($name, concat!($($about),+), $($field: $type, concat!($($doc),+);)*);
        )+
    };
}

macro_rules! shape {
    ($name:ident, $about:expr, $($field:ident: $type:ty, $doc:expr;)*) => {
        impl crate::driver::web::api::shape::Shape for $name {
            fn schema(named: &mut crate::driver::web::api::shape::Schemas) -> serde_json::Value {
                if !named.contains_key(stringify!($name)) {
                    named.insert(stringify!($name).to_owned(), serde_json::Value::Null);
                    #[allow(unused_mut, reason = "a shape may be empty")]
                    let mut fields = serde_json::Map::new();
                    #[allow(unused_mut, reason = "a shape may be empty")]
                    let mut required: Vec<&str> = Vec::new();
                    $(
                        let mut schema = <$type as crate::driver::web::api::shape::Shape>::schema(named);
                        schema["description"] = $doc.trim().into();
                        fields.insert(stringify!($field).to_owned(), schema);
                        if !<$type as crate::driver::web::api::shape::Shape>::OPTIONAL {
                            required.push(stringify!($field));
                        }
                    )*
                    let whole = serde_json::json!({
                        "type": "object", "description": $about.trim(), "properties": fields,
                        "required": required, "additionalProperties": false,
                    });
                    named.insert(stringify!($name).to_owned(), whole);
                }
                serde_json::json!({"$ref": concat!("#/components/schemas/", stringify!($name))})
            }
        }
    };
}

pub(super) use {reads, shape, writes};
