//! `/healthz` tells that the engine runs, `/healthz/ready` whether it takes new calls: for what watches over it.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::Serialize;

use super::{Mount, Problem, Reply, Request};
use crate::driver::versions::Versions;

pub(super) struct Health {
    pub(super) versions: Arc<Versions>,
}

#[derive(Serialize)]
struct State {
    state: &'static str,
}

impl Mount for Health {
    fn prefix(&self) -> &'static str {
        "/healthz"
    }

    fn longest_body(&self) -> usize {
        0
    }

    fn answer(&self, request: &Request) -> Reply {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Problem::nothing_here().into();
        }
        match request.path.strip_prefix(self.prefix()).unwrap_or_default() {
            "" => Reply::json(StatusCode::OK, &State { state: "running" }),
            "/ready" if self.versions.draining().is_none() => {
                Reply::json(StatusCode::OK, &State { state: "ready" })
            }
            "/ready" => Reply::json(StatusCode::SERVICE_UNAVAILABLE, &State { state: "draining" }),
            _ => Problem::nothing_here().into(),
        }
    }
}
