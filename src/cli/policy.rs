//! `countersign policy`: ready policies, and what a policy means in plain words.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use countersign::diagnostic;
use countersign::flow::policies::{self, BUILTIN, READY};

/// Says what a policy means, or which come with the program.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Says in plain words what a policy asks for, how well it withstands guessing, and where it departs from rules.
    Explain {
        /// A policy file, an application's folder, or a ready policy such as nist.
        #[arg(default_value = "policy.yaml")]
        policy: PathBuf,
    },
    /// Lists the policies that come with the program.
    List,
    /// Prints a ready policy as a file, to be copied and changed.
    Print {
        /// Its name, such as nist.
        name: String,
    },
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    super::ended(match arguments.command {
        Command::Explain { policy } => explain(&policy),
        Command::List => {
            for ready in READY {
                let title =
                    ready.text.lines().find_map(|line| line.strip_prefix("title: ")).unwrap_or_default();
                println!("{:<13} {title}", ready.name);
            }
            println!("A flow takes one with `imports: {{policy: {BUILTIN}NAME}}`.");
            Ok(())
        }
        Command::Print { name } => match policies::ready(&name) {
            Some(ready) => {
                print!("{}", ready.text);
                Ok(())
            }
            None => Err(unknown(&name)),
        },
    })
}

fn explain(wanted: &Path) -> Result<(), String> {
    let name = wanted.to_string_lossy();
    let named = policies::ready(&name).filter(|_| !wanted.exists() || name.starts_with(BUILTIN));
    let (path, text) = match named {
        Some(ready) => (format!("{BUILTIN}{}", ready.name), ready.text.to_owned()),
        None => read(wanted)?,
    };
    print!("{}", policies::explain(&path, &text).map_err(|found| diagnostic::render(&found))?);
    Ok(())
}

fn read(wanted: &Path) -> Result<(String, String), String> {
    let path = if wanted.is_dir() { wanted.join("policy.yaml") } else { wanted.to_owned() };
    let text = std::fs::read_to_string(&path).map_err(|error| match path.extension() {
        None => unknown(&wanted.to_string_lossy()),
        Some(_) => {
            format!("cannot read {}: {error}\n  help: name a policy file, or a ready policy", path.display())
        }
    })?;
    Ok((path.display().to_string(), text))
}

fn unknown(name: &str) -> String {
    let names: Vec<&str> = READY.iter().map(|ready| ready.name).collect();
    format!("there is no ready policy `{name}`\n  help: {}; or name a file", names.join(", "))
}
