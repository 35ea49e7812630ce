//! `countersign agent`: lets an agent's telephone register.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use countersign::driver::os;
use countersign::driver::vault::Vault;
use countersign::sip::registrar::REALM;

/// Sets the password of an agent's telephone.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Makes up a password, replacing the one before, and prints it once.
    Password {
        /// The agent, as in countersign.yaml.
        name: String,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let Command::Password { name, data } = arguments.command;
    super::ended(password(&data, &name))
}

fn password(data: &Path, name: &str) -> Result<(), String> {
    let vault = Vault::open_data(data).map_err(super::text)?;
    let password = vault.generate_agent_password(os::unix_now(), name).map_err(super::text)?;
    println!("user {name}, realm {REALM}, password (shown this once): {}", password.expose());
    Ok(())
}
