//! `countersign webhook`: do webhooks arrive?

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use countersign::driver::config::Config;
use countersign::driver::secrets::Secrets;
use countersign::driver::webhooks;

/// Tries the webhooks of the settings.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Sends a signed event of the type `test` to every webhook, once.
    Test {
        /// Only to this one.
        #[arg(long)]
        url: Option<String>,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let Command::Test { url, data } = arguments.command;
    super::ended(test(&data, url.as_deref()))
}

fn test(data: &Path, url: Option<&str>) -> Result<(), String> {
    let config = Config::read(data).map_err(super::text)?;
    let secrets = Arc::new(Secrets::new(data, config.secrets.clone()));
    let chosen: Vec<_> =
        config.webhooks.iter().filter(|hook| url.is_none_or(|url| hook.url == url)).collect();
    if chosen.is_empty() {
        return Err(format!("{} has no such webhook\n  help: add it under `webhooks:`", Config::FILE));
    }
    let mut failed = Vec::new();
    for hook in chosen {
        match webhooks::test(hook, &secrets) {
            Ok(()) => println!("{}: taken", hook.url),
            Err(why) => failed.push(format!("{}: {why}", hook.url)),
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}
