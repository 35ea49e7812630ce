//! What went wrong, as RFC 9457 has it told: a kind, what, where, and what to do.

use std::time::Duration;

use hyper::StatusCode;
use serde::{Serialize, Serializer};

/// A problem. Never holds a secret or a personal value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The kind, for programs: sent as the URI `urn:countersign:problem:` with this behind it.
    #[serde(rename = "type", serialize_with = "uri")]
    pub kind: &'static str,
    /// The kind, for people.
    pub title: &'static str,
    /// The status.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// Which field or parameter it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What to do.
    pub help: String,
    /// In how many seconds it may be tried again.
    #[serde(skip)]
    pub retry_after_s: Option<u32>,
}

impl Problem {
    /// A problem of a kind.
    #[must_use]
    pub fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            at: None,
            help: help.into(),
            retry_after_s: None,
        }
    }

    /// About this field or parameter.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.at = Some(place.into());
        self
    }

    /// Not before this time is over.
    #[must_use]
    pub fn later(mut self, wait: Duration) -> Self {
        self.retry_after_s = Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1));
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// There is nothing here.
    #[must_use]
    pub fn nothing_here() -> Self {
        let (title, help) = ("Nothing here", "check the path; /v1/openapi.json lists what there is");
        Self::new(StatusCode::NOT_FOUND, "nothing-here", title, "there is nothing at this path", help)
    }

    /// The request is not one.
    #[must_use]
    pub fn unreadable(detail: impl Into<String>) -> Self {
        let help = "send it as /v1/openapi.json says";
        Self::new(StatusCode::BAD_REQUEST, "unreadable", "The request can't be read", detail, help)
    }

    /// The body is too long.
    #[must_use]
    pub fn too_long(most: usize) -> Self {
        let detail = format!("a body has at most {most} bytes here");
        let (title, help) = ("The body is too long", "send less at once");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-long", title, detail, help)
    }

    /// The body did not come.
    #[must_use]
    pub fn too_slow() -> Self {
        let (title, detail) = ("Too slow", "the body did not come in time");
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", title, detail, "send it again, at once")
    }

    /// Too much to do.
    #[must_use]
    pub fn busy() -> Self {
        let (title, detail) = ("Too much to do", "as many requests as may be are being worked on");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", title, detail, "try again a little later")
            .later(Duration::from_secs(2))
    }

    /// Our own fault.
    #[must_use]
    pub fn internal() -> Self {
        let (title, detail) = ("It failed here", "the engine could not do it; nothing was changed");
        let help = "look at the engine's log, and try again";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", title, detail, help)
    }
}

fn uri<S: Serializer>(kind: &&'static str, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("urn:countersign:problem:{kind}"))
}
