//! One request to the API, with what its route needs to answer: its parts, its parameters, its body.

use std::sync::Arc;

use hyper::StatusCode;
use serde::de::DeserializeOwned;

use super::routes::Route;
use crate::driver::store::StoreError;
use crate::driver::vault::{Vault, VaultError};
use crate::driver::versions::Versions;
use crate::driver::web::{Problem, Request};
use crate::units::UnixTime;

/// The request.
pub(super) struct Call<'a> {
    pub(super) vault: &'a Vault,
    pub(super) versions: &'a Arc<Versions>,
    pub(super) now: UnixTime,
    pub(super) request: &'a Request,
    parts: Vec<(&'static str, String)>,
    query: Vec<(String, String)>,
}

/// The most on one page.
const MOST: u32 = 200;
/// As many when nobody says.
const USUAL: u32 = 50;

impl<'a> Call<'a> {
    /// Checks the query against the route.
    pub(super) fn new(
        (vault, versions): (&'a Vault, &'a Arc<Versions>),
        request: &'a Request,
        route: &Route,
        parts: Vec<(&'static str, String)>,
    ) -> Result<Self, Problem> {
        let query = request.parameters().ok_or_else(|| Problem::unreadable("the query can't be read"))?;
        for (at, (name, _)) in query.iter().enumerate() {
            let known = route.query.iter().any(|parameter| parameter.name == name);
            let twice = query.iter().take(at).any(|(other, _)| other == name);
            if !known || twice {
                let what = if twice { "is there twice" } else { "means nothing here" };
                return Err(Problem::unreadable(format!("a parameter of the query {what}")).at(name.clone()));
            }
        }
        if route.body.is_none() && !request.body.is_empty() {
            return Err(Problem::unreadable("there is a body, and this takes none"));
        }
        Ok(Self { vault, versions, now: vault.calendar().now(), request, parts, query })
    }

    /// A part of the path.
    pub(super) fn part(&self, name: &str) -> &str {
        self.parts.iter().find(|(part, _)| *part == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// A parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(parameter, _)| parameter == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that is a number.
    pub(super) fn number(&self, name: &'static str) -> Result<Option<u64>, Problem> {
        let read = |text: &str| {
            let wrong = || Problem::unreadable("this parameter is a whole number").at(name);
            text.parse().ok().filter(|number: &u64| i64::try_from(*number).is_ok()).ok_or_else(wrong)
        };
        self.parameter(name).map(read).transpose()
    }

    /// How many are wanted on a page.
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        let limit = self.number("limit")?.map_or(Ok(USUAL), u32::try_from).unwrap_or(u32::MAX);
        if (1..=MOST).contains(&limit) {
            return Ok(limit);
        }
        Err(Problem::unreadable(format!("a page has 1 to {MOST} entries")).at("limit"))
    }

    /// The body. What it holds is told to nobody, not even in a problem.
    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let kind = self.request.header(hyper::header::CONTENT_TYPE).unwrap_or_default();
        if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
            let help = "send `Content-Type: application/json`";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(
                status,
                "not-json",
                "The body is not JSON",
                "a body is JSON here",
                help,
            ));
        }
        serde_json::from_slice(&self.request.body).map_err(|error| misread(&error))
    }
}

fn misread(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let place = format!("line {}, column {}", error.line(), error.column());
    // These name fields; everything else may quote a value.
    let named = ["unknown field", "missing field", "duplicate field"];
    let detail = match named.iter().any(|beginning| text.starts_with(beginning)) {
        true => text.split(" at line ").next().unwrap_or_default().to_owned(),
        false if error.is_data() => "a value is not of the type that it should be".to_owned(),
        false => "the body is not valid JSON".to_owned(),
    };
    Problem::unreadable(detail).at(place)
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        let unusable = |detail: String| {
            let (title, help) = ("It can't be used", "change it, and send it again");
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unusable", title, detail, help)
        };
        match error {
            VaultError::NoSubject { .. } => no_subject(),
            VaultError::Store(StoreError::Taken(kind)) => {
                let (title, help) = ("It is taken", "use another, or look the other subject up");
                let detail = StoreError::Taken(kind).to_string();
                Self::new(StatusCode::CONFLICT, "taken", title, detail, help).at(kind.name())
            }
            VaultError::Pin(refusal) => unusable(refusal.to_string()).at("pin"),
            VaultError::Password(refusal) => unusable(refusal.to_string()).at("password"),
            VaultError::Field(what) => unusable(what.to_owned()),
            VaultError::NoFactor(factor) => unusable(VaultError::NoFactor(factor).to_string()).at("factor"),
            error => {
                tracing::error!(%error, "the API could not do what it was asked");
                Self::internal()
            }
        }
    }
}

/// There is no such subject.
pub(super) fn no_subject() -> Problem {
    let (title, detail) = ("No such subject", "there is no subject of this identifier");
    Problem::new(StatusCode::NOT_FOUND, "no-subject", title, detail, "GET /v1/subjects lists them")
        .at("subject")
}
