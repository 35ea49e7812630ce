//! The API below `/v1`: JSON, a token for every route, a scope for each.
//!
//! In this order: how much a source asks, who it is, how much its token asks, whether there is such a route,
//! whether the token may; then the route. Whatever a route changes is recorded under the token's name.

mod audit;
mod call;
mod calls;
mod engine;
mod enrolments;
mod links;
mod openapi;
mod rate;
mod recordings;
mod routes;
mod scope;
mod shape;
mod subjects;

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{ALLOW, AUTHORIZATION, WWW_AUTHENTICATE};

use super::{Mount, Problem, Reply, Request};
use crate::driver::os;
use crate::driver::vault::{Token, Vault};
use crate::driver::versions::Versions;
use crate::secret::Secret;

pub use openapi::describe;
pub use scope::Scope;

use call::Call;
pub(super) use rate::{Allowance, Rates};
use routes::Found;

/// The API.
pub(super) struct Api {
    vault: Arc<Vault>,
    versions: Arc<Versions>,
    sources: Rates<std::net::IpAddr>,
    tokens: Rates<String>,
}

/// What one source may ask, with whatever tokens.
const OF_SOURCE: Allowance = Allowance { per_second: 100.0, at_once: 200.0 };
/// What one token may ask.
const OF_TOKEN: Allowance = Allowance { per_second: 50.0, at_once: 100.0 };
/// A request without a good token counts as so many: guessing is not free.
const WRONG_TOKEN: f64 = 20.0;

impl Api {
    pub(super) fn new(vault: Arc<Vault>, versions: Arc<Versions>) -> Self {
        Self { vault, versions, sources: Rates::new(OF_SOURCE), tokens: Rates::new(OF_TOKEN) }
    }

    fn try_answer(&self, request: &Request) -> Result<Reply, Problem> {
        let source = super::listener::source(request.source);
        self.sources.take(&source, os::now(), 1.0).map_err(too_much)?;
        let segments = request.segments().ok_or_else(|| Problem::unreadable("the path can't be read"))?;
        let found = routes::find(request.method.as_str(), &segments);
        if let Found::Route(route, parts) = &found
            && route.scope.is_none()
        {
            return (route.work)(&Call::new((&self.vault, &self.versions), request, route, parts.clone())?);
        }
        let Some(token) = self.holder(request) else {
            // Nothing is given back to who has nothing left: that is told by the next request.
            let _ = self.sources.take(&source, os::now(), WRONG_TOKEN);
            return Err(no_token());
        };
        self.tokens.take(&token.id, os::now(), 1.0).map_err(too_much)?;
        let (route, parts) = match found {
            Found::Route(route, parts) => (route, parts),
            Found::OtherMethods(methods) => return Ok(other_methods(&methods)),
            Found::Nothing => return Err(Problem::nothing_here()),
        };
        let wanted = route.scope.map(Scope::name).unwrap_or_default();
        if !token.holder.scopes.iter().any(|scope| scope == wanted) {
            return Err(no_scope(wanted));
        }
        let call = Call::new((&self.vault, &self.versions), request, route, parts)?;
        self.vault.acting_as(&format!("token {}", token.holder.name), || (route.work)(&call))
    }

    fn holder(&self, request: &Request) -> Option<Token> {
        let shown = request.header(AUTHORIZATION).unwrap_or_default();
        let (scheme, shown) = shown.split_once(' ').unwrap_or_default();
        // RFC 9110 §11.1: the name of a scheme is not case-sensitive.
        let shown = if scheme.eq_ignore_ascii_case("bearer") { shown.trim() } else { "" };
        self.vault.token_holder(self.vault.calendar().now(), &Secret::new(shown.to_owned()))
    }
}

impl Mount for Api {
    fn prefix(&self) -> &'static str {
        "/v1"
    }

    fn answer(&self, request: &Request) -> Reply {
        self.try_answer(request).unwrap_or_else(|problem| {
            let unknown = problem.status() == StatusCode::UNAUTHORIZED;
            let reply = Reply::from(problem);
            // RFC 6750 §3.
            if unknown { reply.with(WWW_AUTHENTICATE, "Bearer") } else { reply }
        })
    }
}

/// The same for a token that is missing, unknown, expired or revoked.
fn no_token() -> Problem {
    let (title, detail) = ("No good token", "this needs a token that is good");
    let help = "send `Authorization: Bearer cst_…`; `countersign token create` makes one";
    Problem::new(StatusCode::UNAUTHORIZED, "no-token", title, detail, help)
}

fn no_scope(wanted: &str) -> Problem {
    let (title, detail) =
        ("Not allowed", format!("this needs the scope `{wanted}`, which the token has not"));
    let help = "use a token with this scope, if you are to have it";
    Problem::new(StatusCode::FORBIDDEN, "no-scope", title, detail, help)
}

/// More is asked than may be.
pub(super) fn too_much(wait: std::time::Duration) -> Problem {
    let (title, detail) = ("Too many requests", "more is asked than may be");
    let help = "wait as long as `Retry-After` says, and ask less often";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many", title, detail, help).later(wait)
}

fn other_methods(methods: &[&str]) -> Reply {
    let methods = methods.join(", ");
    let (title, detail) = ("Not like this", format!("at this path there is {methods}"));
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let problem = Problem::new(status, "other-method", title, detail, "use one of these methods");
    Reply::from(problem).with(ALLOW, &methods)
}
