//! From what a server sent to the fields that a call declares. Whatever else it sent is dropped here.

use serde_json::Value;
use thiserror::Error;

use crate::flow::document::{ReplyField, ServiceCall};
use crate::flow::expr::Type;
use crate::flow::run::LookupReply;

/// Why a reply is of no use. Names of fields only.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::driver) enum Useless {
    /// It is not JSON.
    #[error("the reply is not JSON")]
    NotJson,
    /// A field is not there, or null.
    #[error("the reply has no `{0}`")]
    Missing(String),
    /// A field is not what it is declared to be.
    #[error("`{0}` of the reply is not what it is declared to be")]
    Unfit(String),
    /// There is no list where one is declared.
    #[error("the reply has no list where one is declared")]
    NoList,
}

/// The fields of a body of JSON.
pub(super) fn from_json(
    call: &ServiceCall,
    list: Option<&[String]>,
    body: &[u8],
) -> Result<LookupReply, Useless> {
    if call.reply.is_empty() && list.is_none() {
        return Ok(LookupReply::Found(Vec::new()));
    }
    let mut value: Value = serde_json::from_slice(body).map_err(|_| Useless::NotJson)?;
    if let Some(path) = list {
        let Some(Value::Array(items)) = walk(&value, path) else { return Err(Useless::NoList) };
        match items.as_slice() {
            [] => return Ok(LookupReply::NotFound),
            [one] => value = one.clone(),
            _ => return Ok(LookupReply::Many),
        }
    }
    let fields = call.reply.iter().map(|field| {
        let found = walk(&value, &field.path).filter(|value| !value.is_null());
        let found = found.ok_or_else(|| Useless::Missing(field.name.clone()))?;
        let text = text(field, found).ok_or_else(|| Useless::Unfit(field.name.clone()))?;
        Ok((field.name.clone(), text))
    });
    fields.collect::<Result<_, _>>().map(LookupReply::Found)
}

fn walk<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, part| match value {
        Value::Object(fields) => fields.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

fn text(field: &ReplyField, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => self::plain(field, text),
        Value::Number(number) => self::plain(field, &number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The text of a cell or a value as the flow takes it: one line, of bounded length, an amount with its currency.
pub(super) fn plain(field: &ReplyField, text: &str) -> Option<String> {
    if text.len() > LONGEST {
        return None;
    }
    // What a flow says, shows to agents or compares is one line.
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.trim();
    Some(match (&field.ty, &field.currency) {
        (Type::Money, Some(currency))
            if line.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')) =>
        {
            format!("{line} {currency}")
        }
        (Type::Number, _) => line.strip_suffix(".0").unwrap_or(line).to_owned(),
        _ => line.to_owned(),
    })
}

/// Nobody listens to a longer text.
const LONGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::document::Class;

    fn field(name: &str, path: &str, ty: Type, currency: Option<&str>) -> ReplyField {
        let path = path.split('.').map(str::to_owned).collect();
        ReplyField { name: name.into(), class: Class::Personal, ty, path, currency: currency.map(Into::into) }
    }

    fn call(reply: Vec<ReplyField>) -> ServiceCall {
        let source = crate::driver::application::ApplicationSource::Embedded("bank");
        let loaded = crate::driver::application::load(&source).expect("the bank");
        let call = loaded.application.services.services[0].calls[0].clone();
        ServiceCall { reply, ..call }
    }

    fn read(call: &ServiceCall, list: Option<&[String]>, body: &str) -> Result<String, Useless> {
        from_json(call, list, body.as_bytes()).map(|reply| match reply {
            LookupReply::Found(fields) => {
                fields.iter().map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>().join(";")
            }
            LookupReply::NotFound => "not found".into(),
            LookupReply::Many => "many".into(),
            LookupReply::Declined | LookupReply::Unavailable => "?".into(),
        })
    }

    #[test]
    fn declared_fields_are_taken_by_their_paths_and_the_rest_is_dropped() {
        let call = call(vec![
            field("balance", "data.balance", Type::Money, Some("EUR")),
            field("name", "data.people.1.name", Type::Text, None),
            field("orders", "n", Type::Number, None),
            field("vip", "vip", Type::Flag, None),
        ]);
        let body = r#"{"n": 5.0, "vip": true, "secret": "x", "data": {"balance": 1204.5, "people": [{}, {"name": "Ana\nRuiz "}]}}"#;
        assert_eq!(read(&call, None, body), Ok("balance=1204.5 EUR;name=Ana Ruiz;orders=5;vip=true".into()));
    }

    #[test]
    fn a_reply_without_a_declared_field_is_of_no_use() {
        let call = call(vec![field("a", "a.b", Type::Text, None)]);
        for (body, expected) in [
            (r#"{"a": {}}"#, Useless::Missing("a".into())),
            (r#"{"a": {"b": null}}"#, Useless::Missing("a".into())),
            (r#"{"a": [1]}"#, Useless::Missing("a".into())),
            (r#"{"a": {"b": {"c": 1}}}"#, Useless::Unfit("a".into())),
            (r#"{"a": {"b": [1]}}"#, Useless::Unfit("a".into())),
            ("", Useless::NotJson),
            ("<html>", Useless::NotJson),
            (r#"{"a": {"b": "x"}"#, Useless::NotJson),
        ] {
            assert_eq!(read(&call, None, body), Err(expected), "{body}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(&call, None, &deep), Err(Useless::NotJson));
        let long = format!(r#"{{"a": {{"b": "{}"}}}}"#, "x".repeat(5000));
        assert_eq!(read(&call, None, &long), Err(Useless::Unfit("a".into())));
    }

    #[test]
    fn a_list_says_none_one_or_many() {
        let call = call(vec![field("customer", "id", Type::Text, None)]);
        let path = ["people".to_owned()];
        for (body, expected) in [
            (r#"{"people": []}"#, Ok("not found".into())),
            (r#"{"people": [{"id": 7}]}"#, Ok("customer=7".into())),
            (r#"{"people": [{"id": 7}, {"id": 8}]}"#, Ok("many".into())),
            (r#"{"people": {}}"#, Err(Useless::NoList)),
            (r#"{}"#, Err(Useless::NoList)),
        ] {
            assert_eq!(read(&call, Some(&path), body), expected, "{body}");
        }
        assert_eq!(read(&call, Some(&[]), r#"[{"id": "C1"}]"#), Ok("customer=C1".into()));
    }
}
