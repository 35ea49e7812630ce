//! `countersign codes`: the letters that a development sender was given, for trying things out and for tests.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use countersign::driver::control::{self, Reply, Request};
use countersign::units::UnixTime;

/// Show the letters that a running server's development sender was given, the newest last.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How it is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: super::Format,
    /// The data folder of the running server.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    super::ended(show(arguments))
}

fn show(arguments: &Arguments) -> Result<(), String> {
    let asked = control::ask(&arguments.data, &Request::Codes, Duration::from_secs(10));
    let letters = match asked.map_err(super::text)? {
        Reply::Codes { letters } => letters,
        Reply::Refused(refusal) => return Err(refusal.error),
        _ => return Err("a strange answer".to_owned()),
    };
    for letter in letters {
        if arguments.format == super::Format::Json {
            println!("{}", serde_json::to_string(&letter).map_err(super::text)?);
        } else {
            let at = super::when(UnixTime(letter.at_ms));
            println!("{at}  {} to {}: {}", letter.channel, letter.to, letter.text);
        }
    }
    Ok(())
}
