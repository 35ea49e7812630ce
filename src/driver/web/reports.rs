//! `/senders/NAME/report`: where providers of short messages tell what became of letters. Who they are is checked by
//! the sender that they report to.

use std::sync::Arc;

use hyper::{Method, StatusCode};

use super::{Mount, Problem, Reply, Request};
use crate::driver::sender::{ReportRefused, Told};
use crate::driver::vault::Vault;

pub(super) struct Reports {
    pub(super) vault: Arc<Vault>,
}

impl Mount for Reports {
    fn prefix(&self) -> &'static str {
        "/senders"
    }

    fn longest_body(&self) -> usize {
        16 * 1024
    }

    fn answer(&self, request: &Request) -> Reply {
        let segments = request.segments().unwrap_or_default();
        let [_, sender, last] = segments.as_slice() else { return Problem::nothing_here().into() };
        if request.method != Method::POST || last != "report" {
            return Problem::nothing_here().into();
        }
        let text = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers: Vec<(String, String)> = request.headers.iter().filter_map(text).collect();
        let told = Told { query: &request.query, headers: &headers, body: &request.body };
        let Some(courier) = self.vault.courier() else { return Problem::nothing_here().into() };
        match courier.delivery_report(sender, &told) {
            Ok(_) => Reply::empty(),
            Err(why) => {
                tracing::warn!(%sender, %why, "a delivery report is refused");
                match why {
                    ReportRefused::Unexpected => Problem::nothing_here().into(),
                    ReportRefused::Signature | ReportRefused::Old => Problem::new(
                        StatusCode::FORBIDDEN,
                        "not-signed",
                        "Not signed",
                        why.to_string(),
                        "compare the sender's secret, and the clocks",
                    )
                    .into(),
                    ReportRefused::Garbage => Problem::unreadable(why.to_string()).into(),
                    ReportRefused::Secret => Problem::internal().into(),
                }
            }
        }
    }
}
