//! Records of calls that are over.

use hyper::StatusCode;
use serde_json::Value;

use super::call;
use super::shape::{shape, writes};
use crate::call::explain;
use crate::driver::vault::StoredCall;
use crate::driver::web::{Problem, Reply};

writes! {
    /// A call that is over.
    struct Call {
        /// Its record: when, which application, the level and the factors proven, the agents, the media, what happened.
        record: Value,
        /// The last digits of the caller's number; null when it was hidden.
        caller: Option<String>,
    }

    /// A page of calls.
    struct CallPage {
        /// The calls.
        calls: Vec<Call>,
        /// The `before` of the next page; null when this is the last.
        next: Option<u64>,
    }

    /// A call in words.
    struct Explanation {
        /// Why it ended.
        cause: String,
        /// What happened, a line each.
        steps: Vec<String>,
    }
}

fn told(stored: &StoredCall) -> Result<Call, Problem> {
    let record = serde_json::from_str(&stored.record).map_err(|_| Problem::internal())?;
    Ok(Call { record, caller: stored.masked_caller() })
}

pub(super) fn list(call: &call::Call<'_>) -> Result<Reply, Problem> {
    let limit = call.limit()?;
    let before = call.number("before")?.and_then(|number| i64::try_from(number).ok());
    let page = call.vault.calls_before(before, limit)?;
    let full = u32::try_from(page.len()).is_ok_and(|count| count == limit);
    let next = page.last().filter(|_| full).and_then(|(number, _)| u64::try_from(*number).ok());
    let calls = page.iter().map(|(_, stored)| told(stored)).collect::<Result<_, _>>()?;
    Ok(Reply::json(StatusCode::OK, &CallPage { calls, next }))
}

pub(super) fn one(call: &call::Call<'_>) -> Result<Reply, Problem> {
    Ok(Reply::json(StatusCode::OK, &found(call)?))
}

pub(super) fn explain(call: &call::Call<'_>) -> Result<Reply, Problem> {
    let record = found(call)?.record;
    let steps = explain::steps(&record).lines().map(str::to_owned).collect();
    Ok(Reply::json(StatusCode::OK, &Explanation { cause: explain::cause(&record), steps }))
}

fn found(call: &call::Call<'_>) -> Result<Call, Problem> {
    let name = call.part("call");
    let (title, detail) = ("No such call", "no call that is over has this name");
    let nothing = || {
        Problem::new(StatusCode::NOT_FOUND, "no-call", title, detail, "GET /v1/calls lists them").at("call")
    };
    // The beginning of a name is enough for people; a program names one call.
    let stored = call.vault.calls_named(name)?;
    let told = stored.iter().map(told).collect::<Result<Vec<Call>, _>>()?;
    told.into_iter().find(|found| found.record["call"] == name).ok_or_else(nothing)
}
