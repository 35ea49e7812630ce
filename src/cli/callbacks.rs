//! `countersign callbacks`: who wants to be called back.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::Value;

/// List the callers who asked to be called back, from the records of calls.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Among so many calls, the latest first.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    last: u32,
    /// The data folder.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    super::ended(list(&arguments.data, arguments.last))
}

fn list(data: &Path, last: u32) -> Result<(), String> {
    for call in super::existing(data)?.calls(last).map_err(super::text)? {
        let record: Value = serde_json::from_str(&call.record).map_err(super::text)?;
        let events = record.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let queue = events
            .iter()
            .find(|event| event.get("event").and_then(Value::as_str) == Some("callback"))
            .and_then(|event| event.get("queue").and_then(Value::as_str));
        if let Some(queue) = queue {
            let number = call.caller.as_ref().map_or("unknown", |number| number.expose().as_str());
            let name = record.get("call").and_then(Value::as_str).unwrap_or_default();
            println!("{}  {queue}  {number}  call {name}", super::when(call.at));
        }
    }
    Ok(())
}
