//! The pages that people open: `/approve`, to approve a call with a passkey, and `/enrol`, to enrol one, or an
//! authenticator app, by a link.
//!
//! A GET gives the same page to everybody and does nothing: what looks at links in letters before people do opens
//! nothing and spends nothing. The token stands behind `#`, where browsers keep it to themselves; the page's own script
//! sends it in the body of a POST, which must come from this page.

mod approve;
mod enrol;

use std::net::IpAddr;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, ORIGIN};
use hyper::{Method, StatusCode};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::api::{Allowance, Rates};
use super::{Mount, Problem, Reply, Request, listener};
use crate::driver::os;
use crate::driver::page_address::{APPROVE, ENROL};
use crate::driver::vault::{Ceremony, Vault, VaultError};
use crate::secret::Secret;
use crate::units::UnixTime;

/// What one source may ask: people share addresses, and a page asks for six things.
const OF_SOURCE: Allowance = Allowance { per_second: 20.0, at_once: 120.0 };
/// The longest body: an attestation and what belongs to it.
const LONGEST: usize = 48 * 1024;
/// Nothing but the page's own files, in no frame, sent nowhere else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
/// What else browsers are told.
const BESIDE: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), microphone=(), geolocation=()",
    ),
];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The files of a page by what stands behind its prefix.
type Files = &'static [(&'static str, &'static str, &'static str)];

const SHARED: Files = &[
    ("/page.css", CSS, include_str!("page.css")),
    ("/texts.js", SCRIPT, include_str!("texts.js")),
    ("/page.js", SCRIPT, include_str!("page.js")),
];

/// One of the pages.
pub(super) struct Page {
    vault: Arc<Vault>,
    prefix: &'static str,
    files: Files,
    /// What answers what the page asks.
    answers: fn(&Asked<'_>, &str) -> Result<Option<Value>, Problem>,
    sources: Rates<IpAddr>,
}

impl Page {
    pub(super) fn approve(vault: &Arc<Vault>) -> Self {
        Self::of(vault, APPROVE, approve::FILES, approve::answer)
    }

    pub(super) fn enrol(vault: &Arc<Vault>) -> Self {
        Self::of(vault, ENROL, enrol::FILES, enrol::answer)
    }

    fn of(
        vault: &Arc<Vault>,
        prefix: &'static str,
        files: Files,
        answers: fn(&Asked<'_>, &str) -> Result<Option<Value>, Problem>,
    ) -> Self {
        Self { vault: Arc::clone(vault), prefix, files, answers, sources: Rates::new(OF_SOURCE) }
    }

    fn try_answer(&self, request: &Request) -> Result<Reply, Problem> {
        let party = self.vault.relying_party().ok_or_else(Problem::nothing_here)?;
        let source = listener::source(request.source);
        self.sources.take(&source, os::now(), 1.0).map_err(super::api::too_much)?;
        let path = request.path.strip_prefix(self.prefix).unwrap_or_default();
        if request.method != Method::POST {
            return self.file(request, path);
        }
        let json = request.header(CONTENT_TYPE).unwrap_or_default();
        if request.header(ORIGIN) != Some(party.origin.as_str()) || !json.starts_with("application/json") {
            return Err(elsewhere());
        }
        let what = path.strip_prefix('/').unwrap_or_default();
        let asked = Asked { vault: &self.vault, now: self.vault.calendar().now(), request };
        let told = (self.answers)(&asked, what)?.ok_or_else(Problem::nothing_here)?;
        Ok(Reply::json(StatusCode::OK, &told))
    }

    fn file(&self, request: &Request, path: &str) -> Result<Reply, Problem> {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Err(Problem::nothing_here());
        }
        let file = self.files.iter().chain(SHARED).find(|(name, ..)| *name == path);
        let (_, kind, text) = file.ok_or_else(Problem::nothing_here)?;
        Ok(Reply::new(StatusCode::OK, kind, text.as_bytes().to_vec()))
    }
}

impl Mount for Page {
    fn prefix(&self) -> &'static str {
        self.prefix
    }

    fn longest_body(&self) -> usize {
        LONGEST
    }

    fn answer(&self, request: &Request) -> Reply {
        let reply = self.try_answer(request).unwrap_or_else(Reply::from);
        BESIDE.iter().fold(reply, |reply, (name, value)| reply.with(name.clone(), value))
    }
}

/// What a page asks.
struct Asked<'a> {
    vault: &'a Vault,
    now: UnixTime,
    request: &'a Request,
}

impl Asked<'_> {
    /// What was sent with it. It holds secrets, so what is wrong is not told.
    fn given<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let unreadable = |_| Problem::unreadable("this is not what the page sends");
        serde_json::from_slice(&self.request.body).map_err(unreadable)
    }
}

/// The token of a link, and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    token: String,
}

/// Bytes in base64url.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        BASE64URL_NOPAD.decode(text.as_bytes()).map(Self).map_err(|_| D::Error::custom("no base64url"))
    }
}

/// A state, with nothing beside it.
fn state(name: &str) -> Value {
    json!({"state": name})
}

/// What a browser needs, under this state.
fn ceremony(name: &str, Ceremony { challenge, host, passkeys, user }: &Ceremony) -> Value {
    let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let passkeys: Vec<String> = passkeys.iter().map(|id| encode(id)).collect();
    json!({"state": name, "challenge": encode(challenge), "host": host, "passkeys": passkeys, "user": encode(user)})
}

fn failed(error: VaultError) -> Problem {
    tracing::error!(%error, "a page could not be answered");
    Problem::internal()
}

/// What some other page, or no page, sends.
fn elsewhere() -> Problem {
    let (title, detail) =
        ("Not from this page", "this is asked by the page itself only, at its public address");
    Problem::new(StatusCode::FORBIDDEN, "not-from-the-page", title, detail, "open the link in a browser")
}

fn hidden(text: String) -> Secret<String> {
    Secret::new(text)
}
