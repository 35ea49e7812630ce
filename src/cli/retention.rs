//! `countersign retention`: how long what is kept.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use countersign::driver::keys::Keys;
use countersign::driver::messages::Messages;
use countersign::driver::os;
use countersign::driver::retention::{self, Swept};

/// Shows how long what is kept, and removes what is past its time.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The data folder.
    #[arg(long, global = true, default_value = "data")]
    data: PathBuf,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Shows the time of each class and how many are past it.
    Show,
    /// Removes what is past its time, as the server does every day.
    Run {
        /// Says what would be removed and removes nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    super::ended(match arguments.command {
        Command::Show => show(&arguments.data, true, "past it"),
        Command::Run { dry_run: true } => show(&arguments.data, true, "would be removed"),
        Command::Run { dry_run: false } => show(&arguments.data, false, "removed"),
    })
}

fn show(data: &Path, dry: bool, word: &str) -> Result<(), String> {
    let vault = super::existing(data)?;
    let keys = Keys::open(data).map_err(super::text)?;
    let messages = Messages::open(data, &keys).map_err(super::text)?;
    let swept = retention::sweep(data, &vault, &messages, os::unix_now(), dry).map_err(super::text)?;
    for Swept { class, keep, removed } in swept {
        println!("{:<15} {:<8} {removed} {word}", class.name(), keep.to_string());
    }
    Ok(())
}
