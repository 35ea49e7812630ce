//! A request that was read whole, and the reply to it.

use std::net::IpAddr;

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, StatusCode};
use serde::Serialize;
use zeroize::Zeroizing;

use super::problem::Problem;

/// A request. Its body may hold secrets: no `Debug`.
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path as it was sent; [`Request::segments`] decodes it.
    pub path: String,
    /// What stands behind the `?`, as it was sent.
    pub query: String,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body, wiped when dropped.
    pub body: Zeroizing<Vec<u8>>,
    /// Who sent it.
    pub source: IpAddr,
    /// Whether it came over TLS.
    pub secure: bool,
}

impl Request {
    /// The parts of the path between slashes, decoded. `None` for a path that means something else to others
    /// than to us: `..`, an empty part, an encoded slash, what is no text.
    #[must_use]
    pub fn segments(&self) -> Option<Vec<String>> {
        let rest = self.path.strip_prefix('/')?;
        rest.split('/').map(|part| decoded(part, false).filter(|text| plain(text))).collect()
    }

    /// The parameters of the query, decoded, in their order. `None` when one can't be read.
    #[must_use]
    pub fn parameters(&self) -> Option<Vec<(String, String)>> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((decoded(name, true)?, decoded(value, true)?))
            })
            .collect()
    }

    /// A header field that is there once, as text.
    #[must_use]
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        value.to_str().ok()
    }
}

fn plain(segment: &str) -> bool {
    !segment.is_empty()
        && !matches!(segment, "." | "..")
        && !segment.contains(|c: char| matches!(c, '/' | '\\') || c.is_control())
}

/// RFC 3986 §2.1, and `+` for a space where forms write it.
fn decoded(text: &str, form: bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            b'+' if form => b' ',
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

/// A reply.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// Header fields beside those that every reply gets.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// Something of a type. Nobody keeps it.
    #[must_use]
    pub fn new(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Self {
        let headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static(kind)),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        Self { status, headers, body }
    }

    /// A value in JSON.
    #[must_use]
    pub fn json(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::new(status, "application/json", body),
            Err(_) => Problem::internal().into(),
        }
    }

    /// Done, and there is nothing to tell.
    #[must_use]
    pub const fn empty() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: Vec::new() }
    }

    /// With one more header field; a value that can't be one is left out.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        let status = problem.status();
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let reply = Self::new(status, "application/problem+json", body);
        match problem.retry_after_s {
            Some(wait) => reply.with(RETRY_AFTER, &wait.to_string()),
            None => reply,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(path: &str) -> Option<Vec<String>> {
        let request = Request {
            method: Method::GET,
            path: path.to_owned(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Zeroizing::default(),
            source: [127, 0, 0, 1].into(),
            secure: false,
        };
        request.segments()
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_no_path() {
        assert_eq!(segments("/v1/subjects/C%201").expect("a path"), ["v1", "subjects", "C 1"]);
        for bad in [
            "*",
            "/v1/../x",
            "/v1//x",
            "/v1/%2e%2e/x",
            "/v1/a%2fb",
            "/v1/%00",
            "/v1/a%5cb",
            "/v1/%ff",
            "/v1/%4",
            "/v1/%zz",
            "/v1/",
            "/v1/%0d%0aSet-Cookie:x",
        ] {
            assert_eq!(segments(bad), None, "{bad}");
        }
    }
}
