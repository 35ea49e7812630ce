//! `countersign backup` and `countersign restore`.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::PathBuf;
use std::process::ExitCode;

use countersign::driver::backup::{self, Codes};

/// Copy the data folder, without its keys, while it is served or not.
#[derive(clap::Args)]
pub(crate) struct BackupArguments {
    /// The folder to make; it must not have anything in it.
    folder: PathBuf,
    /// The data folder.
    #[arg(long, default_value = "data")]
    data: PathBuf,
}

/// Put a backup into a data folder that has the key files and nothing else.
#[derive(clap::Args)]
pub(crate) struct RestoreArguments {
    /// The backup's folder.
    folder: PathBuf,
    /// The data folder.
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Leave recovery codes good, also those that were used after the backup was made.
    #[arg(long)]
    keep_codes: bool,
}

/// Runs `backup`.
pub(crate) fn backup(arguments: &BackupArguments) -> ExitCode {
    let made = super::in_use(&arguments.data)
        .and_then(|()| backup::backup(&arguments.data, &arguments.folder).map_err(super::text));
    super::ended(made.map(|made| {
        println!(
            "{} files and {} audit records are in {}",
            made.files,
            made.audit_records,
            arguments.folder.display()
        );
        println!("the key files (*.key) are not among them: they are copied apart");
    }))
}

/// Runs `restore`.
pub(crate) fn restore(arguments: &RestoreArguments) -> ExitCode {
    let codes = if arguments.keep_codes { Codes::Keep } else { Codes::Void };
    super::ended(backup::restore(&arguments.folder, &arguments.data, codes).map_err(super::text).map(
        |back| {
            println!("the backup of {} is in {}", super::when(back.at), arguments.data.display());
            println!("who was erased since is removed from it; calls and records since are lost");
            if back.void_codes > 0 {
                println!("the recovery codes of {} customers are void: give out new lists", back.void_codes);
            }
        },
    ))
}
