//! The subcommands. Thin: each turns arguments into calls of the library and results into words.

pub(crate) mod agent;
pub(crate) mod audit;
pub(crate) mod enrol;
pub(crate) mod keys;
pub(crate) mod subject;

use std::path::Path;
use std::process::ExitCode;

use countersign::driver::keys::DATABASE_FILE;
use countersign::driver::vault::Vault;

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

/// The vault of a data folder that is there already: a mistyped `--data` must not make a new one.
fn existing(data: &Path) -> Result<Vault, String> {
    if !data.join(DATABASE_FILE).exists() {
        return Err(format!("{} has no Countersign data\n  help: name the data folder with --data", data.display()));
    }
    Vault::open_data(data).map_err(text)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
