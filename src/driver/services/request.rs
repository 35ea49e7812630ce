//! From a declared request and the values of a call to what is sent.
//!
//! Values are data: in a path and a query every byte but the unreserved ones of RFC 3986 §2.3 is escaped, in a
//! header nothing but printable ASCII passes, in a body JSON or form escapes do their work. What could still
//! change the structure of a path at a server that unescapes twice is refused.

use std::fmt::Write as _;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::flow::document::{Body, HttpService, JsonTemplate, Method, Part, Request, Template};
use crate::flow::run::{CardData, Lookup};

/// What is sent.
pub(super) struct Built {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    /// The body and its media type.
    pub(super) body: Option<Sent>,
}

/// A media type and a body of it.
pub(super) type Sent = (&'static str, Zeroizing<Vec<u8>>);

/// Why a request is not made. Names of arguments only.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::driver) enum NotBuilt {
    /// It was not given.
    #[error("the argument `{0}` is missing")]
    Missing(String),
    /// It has characters that can't stand there, or too many.
    #[error("the argument `{argument}` can't stand in {place}")]
    Unfit {
        /// Which.
        argument: String,
        /// Where.
        place: &'static str,
    },
    /// No card came along.
    #[error("there is no card")]
    NoCard,
    /// The service does not accept cards.
    #[error("this service does not accept cards")]
    CardRefused,
}

/// Fills in the values.
pub(super) fn build(service: &HttpService, request: &Request, lookup: &Lookup) -> Result<Built, NotBuilt> {
    let values = Values { lookup };
    if lookup.card.is_some() && !service.cards {
        return Err(NotBuilt::CardRefused);
    }
    let scheme = if service.base.tls { "https" } else { "http" };
    let mut url = format!("{scheme}://{}{}", service.base.authority, service.base.path);
    for segment in &request.path {
        url.push('/');
        url.push_str(&values.segment(segment)?);
    }
    for (at, (name, value)) in request.query.iter().enumerate() {
        url.push(if at == 0 { '?' } else { '&' });
        url.push_str(name);
        url.push('=');
        url.push_str(&values.fill(value, "a query", escape)?);
    }
    let mut headers = Vec::with_capacity(request.headers.len());
    for (name, value) in &request.headers {
        headers.push((name.clone(), values.header(value)?));
    }
    if let Some(key) = &lookup.idempotency {
        let name = service.idempotency_header.clone();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) || key.len() > LONGEST {
            return Err(NotBuilt::Unfit { argument: "idempotency".into(), place: "a header" });
        }
        headers.push((name, key.clone()));
    }
    Ok(Built { method: method(request.method), url, headers, body: values.body(&request.body)? })
}

const fn method(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}

/// Longer values are no names or numbers; many servers refuse URLs of some 8 KiB.
const LONGEST: usize = 1024;
/// The longest value in a body.
const LONGEST_IN_BODY: usize = 64 * 1024;

struct Values<'a> {
    lookup: &'a Lookup,
}

impl Values<'_> {
    fn of(&self, argument: &str) -> Result<&str, NotBuilt> {
        let given = self.lookup.arguments.iter().find(|(name, _)| name == argument);
        given.map(|(_, value)| value.as_str()).ok_or_else(|| NotBuilt::Missing(argument.to_owned()))
    }

    fn fill(
        &self,
        template: &Template,
        place: &'static str,
        mut put: impl FnMut(&str, &mut String),
    ) -> Result<String, NotBuilt> {
        let mut out = String::new();
        for part in &template.0 {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Argument(name) => {
                    let value = self.of(name)?;
                    if value.len() > LONGEST || value.chars().any(char::is_control) {
                        return Err(NotBuilt::Unfit { argument: name.clone(), place });
                    }
                    put(value, &mut out);
                }
            }
        }
        Ok(out)
    }

    fn segment(&self, template: &Template) -> Result<String, NotBuilt> {
        let arguments = || {
            template.0.iter().filter_map(|part| match part {
                Part::Argument(name) => Some(name),
                Part::Literal(_) => None,
            })
        };
        let unfit = |name: &String| NotBuilt::Unfit { argument: name.clone(), place: "a path" };
        for name in arguments() {
            // Escaped they are data, but servers and proxies exist that unescape before they split a path, or
            // twice, or cut a segment at `;`.
            if self.of(name)?.contains(['/', '\\', '%', ';']) {
                return Err(unfit(name));
            }
        }
        let segment = self.fill(template, "a path", escape)?;
        match arguments().next() {
            Some(name) if matches!(segment.as_str(), "" | "." | "..") => Err(unfit(name)),
            _ => Ok(segment),
        }
    }

    fn header(&self, template: &Template) -> Result<String, NotBuilt> {
        let value = self.fill(template, "a header", |text, out| out.push_str(text))?;
        match value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            true => Ok(value.trim().to_owned()),
            false => {
                let argument = template.0.iter().find_map(|part| match part {
                    Part::Argument(name) => Some(name.clone()),
                    Part::Literal(_) => None,
                });
                Err(NotBuilt::Unfit { argument: argument.unwrap_or_default(), place: "a header" })
            }
        }
    }

    fn body(&self, body: &Body) -> Result<Option<Sent>, NotBuilt> {
        match body {
            Body::None => Ok(None),
            Body::Json(template) => {
                // Large enough that it is not moved while a card is in it: what is left behind is not wiped.
                let mut out = Zeroizing::new(String::with_capacity(self.size(template)));
                self.json(template, &mut out)?;
                Ok(Some(("application/json", Zeroizing::new(out.as_bytes().to_vec()))))
            }
            Body::Form(pairs) => {
                let mut out = String::new();
                for (at, (name, value)) in pairs.iter().enumerate() {
                    if at > 0 {
                        out.push('&');
                    }
                    escape(name, &mut out);
                    out.push('=');
                    out.push_str(&self.fill_long(value, true)?);
                }
                Ok(Some(("application/x-www-form-urlencoded", Zeroizing::new(out.into_bytes()))))
            }
        }
    }

    /// A value of a body: newlines are data there.
    fn fill_long(&self, template: &Template, escaped: bool) -> Result<String, NotBuilt> {
        let mut out = String::new();
        for part in &template.0 {
            let text = match part {
                Part::Literal(text) => text,
                Part::Argument(name) => match self.of(name)? {
                    value if value.len() <= LONGEST_IN_BODY => value,
                    _ => return Err(NotBuilt::Unfit { argument: name.clone(), place: "a body" }),
                },
            };
            if escaped { escape(text, &mut out) } else { out.push_str(text) }
        }
        Ok(out)
    }

    fn json(&self, template: &JsonTemplate, out: &mut String) -> Result<(), NotBuilt> {
        match template {
            JsonTemplate::Text(text) => quote(&self.fill_long(text, false)?, out),
            JsonTemplate::Number(name) => out.push_str(&self.number(name)?),
            JsonTemplate::Flag(name) => match self.of(name)? {
                flag @ ("true" | "false") => out.push_str(flag),
                _ => return Err(NotBuilt::Unfit { argument: name.clone(), place: "a truth" }),
            },
            JsonTemplate::Card => card(self.lookup.card.as_ref().map(|(_, card)| &**card), out)?,
            JsonTemplate::Object(fields) => {
                out.push('{');
                for (at, (name, value)) in fields.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    quote(name, out);
                    out.push(':');
                    self.json(value, out)?;
                }
                out.push('}');
            }
            JsonTemplate::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    self.json(item, out)?;
                }
                out.push(']');
            }
        }
        Ok(())
    }

    /// A number of JSON; of an amount of money its number.
    fn number(&self, name: &str) -> Result<String, NotBuilt> {
        let value = self.of(name)?;
        let number = value.split(' ').next().unwrap_or_default();
        let parsed: Option<serde_json::Number> = serde_json::from_str(number).ok();
        match parsed {
            Some(_) if number.len() <= 32 => Ok(number.to_owned()),
            _ => Err(NotBuilt::Unfit { argument: name.to_owned(), place: "a number" }),
        }
    }

    /// No less than the JSON will have: a byte becomes six at most.
    fn size(&self, template: &JsonTemplate) -> usize {
        let values: usize = self.lookup.arguments.iter().map(|(_, value)| value.len()).sum();
        let own = match template {
            JsonTemplate::Object(fields) => {
                fields.iter().map(|(name, value)| name.len() * 6 + 8 + self.size(value)).sum()
            }
            JsonTemplate::List(items) => items.iter().map(|item| 2 + self.size(item)).sum(),
            JsonTemplate::Text(Template(parts)) => {
                parts
                    .iter()
                    .map(|part| match part {
                        Part::Literal(text) => text.len() * 6,
                        Part::Argument(_) => values * 6,
                    })
                    .sum::<usize>()
                    + 2
            }
            JsonTemplate::Number(_) | JsonTemplate::Flag(_) => 32,
            JsonTemplate::Card => 256,
        };
        own.saturating_add(2)
    }
}

fn card(card: Option<&CardData>, out: &mut String) -> Result<(), NotBuilt> {
    let card = card.ok_or(NotBuilt::NoCard)?;
    let fields = [("number", &card.number), ("expiry", &card.expiry), ("cvv", &card.cvv)];
    out.push('{');
    let mut first = true;
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.expose().is_empty()) {
        if !std::mem::replace(&mut first, false) {
            out.push(',');
        }
        quote(name, out);
        out.push(':');
        quote(value.expose(), out);
    }
    out.push('}');
    Ok(())
}

/// A string of JSON (RFC 8259 §7).
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' || c == '\u{7f}' => {
                // Writing into a string does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// RFC 3986 §2.1: every byte but the unreserved ones as `%` and two hexadecimal digits.
fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
