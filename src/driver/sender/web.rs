//! One request to a provider over HTTP, as services are asked: TLS is verified, redirects are not followed, plain
//! HTTP reaches private networks only, a reply has a bounded size.

use std::time::Instant;

use ureq::Agent;
use zeroize::Zeroizing;

use super::outcome::{Code, NotTaken};
use crate::driver::os;
use crate::driver::services::http::{self, Failure};
use crate::secret::Secret;

/// A body that holds what a letter says.
pub(super) struct Body {
    pub(super) media: &'static str,
    pub(super) bytes: Secret<Vec<u8>>,
}

/// The largest reply that is read.
const LARGEST: u64 = 64 * 1024;

/// The way to a provider.
pub(super) fn agent(url: &str) -> Option<Agent> {
    http::agent(url.starts_with("https://"), None, None, "application/json").ok()
}

/// Whether a text can be the address of a provider.
pub(super) fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && text.chars().all(|c| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c))
}

/// Posts a body; gives the status and what came with it.
pub(super) fn post(
    agent: &Agent,
    url: &str,
    headers: &[(&str, Secret<String>)],
    body: &Body,
    deadline: Instant,
) -> Result<(u16, Zeroizing<Vec<u8>>), NotTaken> {
    let left = deadline.saturating_duration_since(os::now());
    if left.is_zero() {
        return Err(NotTaken::Timeout);
    }
    let mut message = ureq::http::Request::builder().method("POST").uri(url);
    for (name, value) in headers {
        let value = ureq::http::HeaderValue::from_str(value.expose());
        let mut value = value.map_err(|_| NotTaken::Secret)?;
        value.set_sensitive(true);
        message = message.header(*name, value);
    }
    let message = message.header("Content-Type", body.media).body(body.bytes.expose().as_slice());
    let message = message.map_err(|_| NotTaken::Unfit)?;
    let message = agent.configure_request(message).timeout_global(Some(left)).build();
    let mut reply = agent.run(message).map_err(|error| not_taken(&http::failure(&error)))?;
    let status = reply.status().as_u16();
    let bytes = reply.body_mut().with_config().limit(LARGEST).read_to_vec();
    let bytes = Zeroizing::new(bytes.map_err(|error| not_taken(&http::failure(&error)))?);
    Ok((status, bytes))
}

fn not_taken(failure: &Failure) -> NotTaken {
    match failure {
        Failure::Connect => NotTaken::Connect,
        Failure::Timeout => NotTaken::Timeout,
        Failure::Lost => NotTaken::Lost,
        Failure::Tls(_) | Failure::NoAuthorities => NotTaken::Tls,
        _ => NotTaken::Garbage,
    }
}

/// What a status other than success says by itself.
pub(super) const fn refused(status: u16) -> NotTaken {
    let code = Code::Http(status);
    match status {
        401 | 403 => NotTaken::Credentials(code),
        429 => NotTaken::Throttled(code),
        _ => NotTaken::Provider(code),
    }
}

/// `user:password` for the header `Authorization`.
pub(super) fn basic(user: &str, password: &Secret<String>) -> Secret<String> {
    let pair = Secret::new(format!("{user}:{}", password.expose()));
    let encoded = Secret::new(data_encoding::BASE64.encode(pair.expose().as_bytes()));
    Secret::new(format!("Basic {}", encoded.expose()))
}

/// A form: `application/x-www-form-urlencoded`.
pub(super) fn form(pairs: &[(&str, &str)]) -> Body {
    let mut out = Secret::new(Vec::new());
    for (name, value) in pairs {
        if !out.expose().is_empty() {
            out.expose_mut().push(b'&');
        }
        encode(name, out.expose_mut());
        out.expose_mut().push(b'=');
        encode(value, out.expose_mut());
    }
    Body { media: "application/x-www-form-urlencoded", bytes: out }
}

/// A body of JSON.
pub(super) fn json(value: &serde_json::Value) -> Body {
    Body { media: "application/json", bytes: Secret::new(value.to_string().into_bytes()) }
}

/// RFC 3986 §2.3: everything but unreserved characters by its octets.
pub(super) fn encode(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.push(b'%');
            out.extend(data_encoding::HEXUPPER.encode(&[byte]).bytes());
        }
    }
}

/// The pairs of a form, in their order; `None` when it is none, or too long to be one of a report.
pub(super) fn pairs(body: &[u8]) -> Option<Vec<(String, String)>> {
    let text = std::str::from_utf8(body).ok()?;
    if text.len() > 16 * 1024 {
        return None;
    }
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(name)?, decoded(value)?))
        })
        .collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                *data_encoding::HEXLOWER_PERMISSIVE.decode(&digits).ok()?.first()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_comes_back_as_it_was() {
        let given = [("To", "+44 7400"), ("Body", "Ihr Code: 1 & 2 = 3 % é\n")];
        let body = form(&given);
        assert_eq!(
            String::from_utf8_lossy(body.bytes.expose()),
            "To=%2B44%207400&Body=Ihr%20Code%3A%201%20%26%202%20%3D%203%20%25%20%C3%A9%0A"
        );
        let back = pairs(body.bytes.expose()).expect("a form");
        assert!(back.iter().zip(given).all(|((a, b), (c, d))| a == c && b == d));
        assert_eq!(pairs(b"a=b+c"), Some(vec![("a".to_owned(), "b c".to_owned())]));
        for broken in [&b"a=%"[..], b"a=%4", b"a=%zz", b"a=%ff", b"\xff"] {
            assert_eq!(pairs(broken), None);
        }
    }

    #[test]
    fn an_address_is_one_of_http() {
        for good in ["https://api.example/x?y=1", "http://127.0.0.1:8080/"] {
            assert!(is_url(good), "{good}");
        }
        for bad in ["", "ftp://x", "https://", "https:///x", "https://a b", "https://a\r\nb", "api.example"] {
            assert!(!is_url(bad), "{bad}");
        }
    }
}
