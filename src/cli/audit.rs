//! `countersign audit`: is the audit log what was written?

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use countersign::driver::keys::Keys;
use countersign::driver::vault;

/// Checks the audit log.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Follows the chain from the first record to the last and names the first that is wrong.
    Verify {
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let Command::Verify { data } = arguments.command;
    super::ended(verify(&data))
}

fn verify(data: &Path) -> Result<(), String> {
    super::in_use(data)?;
    let keys = Keys::open(data).map_err(super::text)?;
    let count = vault::verify_audit(data, &keys).map_err(super::text)?;
    println!("{count} audit records, every one as it was written");
    Ok(())
}
