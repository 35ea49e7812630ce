//! `countersign drain`: no new calls; the server ends when those that run have ended.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use countersign::driver::control::{self, Reply, Request};

/// Take no new calls, and end.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Calls that still run after so many seconds are ended; `limits.drain_seconds` of the settings when left out.
    #[arg(long, value_name = "SECONDS")]
    within: Option<u64>,
    /// The data folder of the running server.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let Arguments { within, data } = arguments;
    let asked = control::ask(&data, &Request::Drain { within_s: within }, Duration::from_secs(30));
    super::ended(match asked {
        Ok(Reply::Draining { calls, within_s }) => {
            println!("no new calls are taken; {calls} call(s) may go on for {within_s} s");
            Ok(())
        }
        Ok(_) => Err("a strange answer".to_owned()),
        Err(error) => Err(error.to_string()),
    })
}
