//! `countersign keys`: the public key that agents' desktops check tokens with, and the keys of the data.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use countersign::auth::token;
use countersign::driver::control::{self, Claim, ClientError, Reply, Request, RotatedKey};
use countersign::driver::keys::Keys;
use countersign::driver::os;
use countersign::driver::vault::PEPPER_TIME;

/// Prints the public key of the tokens that agents get, as a JSON Web Key set; lists, rotates and retires keys.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The data folder.
    #[arg(long, global = true, default_value = "data")]
    data: PathBuf,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists the master keys and peppers, what still needs each, and the key that checkpoints are signed with.
    List,
    /// Makes a new key while calls go on. The old one is kept for reading until it is retired.
    Rotate {
        /// Which.
        #[arg(value_enum)]
        key: Kind,
        /// For a pepper: enrolments that are not used within so many days must be made anew.
        #[arg(long, value_name = "DAYS", default_value_t = PEPPER_TIME.as_secs() / DAY)]
        within: u64,
    },
    /// Destroys a key that nothing needs any more.
    Retire {
        /// Its name, as in the list.
        id: String,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// Seals the key that the data's keys are derived from.
    Master,
    /// PINs are hashed with it: each anew at its next right use.
    Pepper,
}

const DAY: u64 = 24 * 3600;

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let data = &arguments.data;
    super::ended(super::in_use(data).and_then(|()| match arguments.command {
        None => public(data),
        Some(Command::List) => list(data),
        Some(Command::Rotate { key, within }) => rotate(data, key, within.saturating_mul(DAY)),
        Some(Command::Retire { id }) => retire(data, &id),
    }))
}

fn public(data: &Path) -> Result<(), String> {
    let keys = Keys::open(data).map_err(super::text)?;
    let set = serde_json::json!({ "keys": [token::jwk(&keys.token().verifying_key())] });
    println!("{set:#}");
    Ok(())
}

fn list(data: &Path) -> Result<(), String> {
    for listed in super::existing(data)?.keys().map_err(super::text)? {
        let key = &listed.key;
        let state = if key.current { "in use" } else { "kept for reading" };
        let made = key.made.map_or_else(|| "at the first run".to_owned(), super::when);
        let uses = match (key.kind, listed.uses) {
            ("pepper", uses) => format!("  {uses} enrolments"),
            _ => String::new(),
        };
        let until = key.until.map(|at| format!("  they count until {}", super::when(at))).unwrap_or_default();
        println!("{:<7} {}  {state:<16}  made {made}{uses}{until}", key.kind, key.id);
    }
    let keys = Keys::open(data).map_err(super::text)?;
    println!("audit   {}  signs checkpoints", hex(keys.audit().verifying_key().as_bytes()));
    Ok(())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn rotate(data: &Path, kind: Kind, within_s: u64) -> Result<(), String> {
    let (key, name) = match kind {
        Kind::Master => (RotatedKey::Master, "master key"),
        Kind::Pepper => (RotatedKey::Pepper, "pepper"),
    };
    let request = Request::Rotate { key, within_s: Some(within_s) };
    let (before, id) = match control::ask(data, &request, PATIENCE) {
        Ok(Reply::Rotated { before, id }) => (before, id),
        Ok(other) => return Err(refusal(other)),
        Err(ClientError::NotRunning(_)) => {
            // Nobody serves, and nobody begins to while this goes on.
            let _claim = Claim::of(data).map_err(super::text)?;
            let vault = super::existing(data)?;
            let rotated = match kind {
                Kind::Master => vault.rotate_master(os::unix_now()),
                Kind::Pepper => vault.rotate_pepper(os::unix_now(), Duration::from_secs(within_s)),
            };
            let rotated = rotated.map_err(super::text)?;
            (rotated.before, rotated.id)
        }
        Err(error) => return Err(error.to_string()),
    };
    println!("the {name} in use is {id} now; {before} is kept for reading");
    println!("copy the key files anew, apart from the database's backups");
    Ok(())
}

fn retire(data: &Path, id: &str) -> Result<(), String> {
    let voided = match control::ask(data, &Request::Retire { id: id.to_owned() }, PATIENCE) {
        Ok(Reply::Retired { voided }) => voided,
        Ok(other) => return Err(refusal(other)),
        Err(ClientError::NotRunning(_)) => {
            let _claim = Claim::of(data).map_err(super::text)?;
            super::existing(data)?.retire_key(os::unix_now(), id).map_err(super::text)?
        }
        Err(error) => return Err(error.to_string()),
    };
    println!("{id} is destroyed; {voided} enrolments past its time went with it");
    println!("backups that need it can't be read any more: destroy its copies too");
    Ok(())
}

fn refusal(reply: Reply) -> String {
    match reply {
        Reply::Refused(refusal) => refusal.error,
        _ => "a strange answer".to_owned(),
    }
}

/// A rotation writes a few files and a record.
const PATIENCE: Duration = Duration::from_secs(30);
