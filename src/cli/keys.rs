//! `countersign keys`: the public key that agents' desktops check tokens with.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::PathBuf;
use std::process::ExitCode;

use countersign::auth::token;
use countersign::driver::keys::Keys;

/// Prints the public key of the tokens that agents get, as a JSON Web Key set.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The data folder.
    #[arg(long, default_value = "data")]
    data: PathBuf,
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let keys = super::in_use(&arguments.data).and_then(|()| Keys::open(&arguments.data).map_err(super::text));
    super::ended(keys.map(|keys| {
        let set = serde_json::json!({ "keys": [token::jwk(&keys.token().verifying_key())] });
        println!("{set:#}");
    }))
}
