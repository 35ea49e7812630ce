//! The subcommands. Thin: each turns arguments into calls of the library and results into words.

pub(crate) mod agent;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod call;
pub(crate) mod callbacks;
pub(crate) mod calls;
pub(crate) mod check;
pub(crate) mod codes;
pub(crate) mod diff;
pub(crate) mod drain;
pub(crate) mod draw;
pub(crate) mod enrol;
pub(crate) mod fraudsters;
pub(crate) mod keys;
pub(crate) mod load;
pub(crate) mod messages;
pub(crate) mod models;
pub(crate) mod policy;
pub(crate) mod recording;
pub(crate) mod reload;
pub(crate) mod retention;
pub(crate) mod run;
pub(crate) mod sarif;
pub(crate) mod schema;
pub(crate) mod senders;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod subject;
pub(crate) mod test;
pub(crate) mod token;
pub(crate) mod trunk;
pub(crate) mod voice;
pub(crate) mod webhook;

use std::ops::RangeInclusive;
use std::path::Path;
use std::process::ExitCode;

use countersign::driver::keys::DATABASE_FILE;
use countersign::driver::vault::{Looker, Vault};
use countersign::units::UnixTime;

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

/// Whether there is data already: a mistyped `--data` must not make a new folder.
fn in_use(data: &Path) -> Result<(), String> {
    if data.join(DATABASE_FILE).exists() {
        return Ok(());
    }
    Err(format!("{} has no Countersign data\n  help: name the data folder with --data", data.display()))
}

/// The vault of a data folder that is there already.
fn existing(data: &Path) -> Result<Vault, String> {
    in_use(data)?;
    Vault::open_data(data).map_err(text)
}

/// Who looks at personal data.
#[derive(clap::Args)]
pub(crate) struct Looking {
    /// Who looks: operators see numbers and names masked.
    #[arg(long, value_enum, default_value_t = Role::Operator)]
    role: Role,
    /// Why an officer sees them in clear; kept in the audit log.
    #[arg(long, value_name = "TEXT", required_if_eq("role", "officer"))]
    reason: Option<String>,
}

/// Who looks at personal data.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Role {
    /// Sees what is masked.
    Operator,
    /// Sees it in clear, with a reason.
    Officer,
}

impl Looking {
    /// Who sees in clear, and why; `None` for an operator.
    fn looker(&self) -> Result<Option<Looker>, String> {
        match (self.role, &self.reason) {
            (Role::Operator, _) => Ok(None),
            (Role::Officer, reason) => {
                let by = format!("user {}", rustix::process::getuid().as_raw());
                Looker::new(&by, reason.as_deref().unwrap_or_default()).map(Some).map_err(text)
            }
        }
    }
}

/// How a command prints what it found.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// A moment, in UTC.
fn when(at: UnixTime) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| at.0.to_string(), |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Reads `20000-29999`.
pub(crate) fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let wrong = || "write the first and the last port, such as 20000-29999".to_owned();
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let [first, last] = [first, last].map(|port| port.trim().parse::<u16>());
    match (first, last) {
        (Ok(first), Ok(last)) if first >= 1024 && first < last => Ok(first..=last),
        _ => Err(wrong()),
    }
}

/// Warnings and errors go to standard error; `COUNTERSIGN_LOG` chooses more (`debug`, `countersign::sip=trace`).
pub(crate) fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("COUNTERSIGN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}
