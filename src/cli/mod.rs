//! The subcommands. Thin: each turns arguments into calls of the library and results into words.

pub(crate) mod agent;
pub(crate) mod audit;
pub(crate) mod enrol;
pub(crate) mod keys;
pub(crate) mod subject;

use std::process::ExitCode;

/// 0 when done; 2 with the reason on standard error when the user must do something.
#[expect(clippy::print_stderr, reason = "a command talks to its user")]
fn ended(done: Result<(), String>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
