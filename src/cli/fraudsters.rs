//! `countersign voice fraudster`: the voices of people who have deceived before.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::PathBuf;
use std::time::Duration;

use countersign::driver::os;
use countersign::driver::vault::Fraudster;
use countersign::voice::print::compare::Heard;

use super::voice::Source;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Puts a voice on the list: a signal of the risk of a call, and no voice that can be enrolled.
    Add {
        /// What the entry is called, such as `case-12`; no name of a person.
        name: String,
        /// Recordings of them alone.
        #[arg(required = true)]
        recordings: Vec<PathBuf>,
        /// Why they are on the list: which case. It stands in the audit log.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The entry ends by itself after so many days.
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=1098))]
        days: u32,
        #[command(flatten)]
        source: Source,
    },
    /// Lists the entries; nothing of the voices.
    List {
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Takes an entry off the list.
    Remove {
        /// What the entry is called.
        name: String,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
}

/// Runs the command.
pub(super) fn run(command: Command) -> Result<(), String> {
    let now = os::unix_now();
    match command {
        Command::Add { name, recordings, reason, days, source } => {
            let vault = super::existing(&source.data)?;
            let model = source.model()?;
            let utterances = super::voice::utterances(&model, &recordings)?;
            let heard = Heard::together(utterances.iter().map(|one| &one.heard)).ok_or("no voice")?;
            let until = now.plus(Duration::from_secs(u64::from(days) * 24 * 3600)).0;
            let (entry, model) = (name.clone(), model.identity().to_owned());
            let fraudster = Fraudster { name: entry, reason, model, heard, until };
            vault.list_fraudster(now, &fraudster).map_err(super::text)?;
            println!("{name} is on the list for {days} days");
        }
        Command::List { data } => {
            for one in super::existing(&data)?.fraudsters_at(now).map_err(super::text)? {
                let days = (one.until - now.0) / (24 * 3600 * 1000);
                println!("{}\t{days} days left\t{:.0} s\t{}", one.name, one.heard.seconds, one.reason);
            }
        }
        Command::Remove { name, data } => {
            if !super::existing(&data)?.remove_fraudster(now, &name).map_err(super::text)? {
                return Err(format!("`{name}` is not on the list"));
            }
            println!("{name} is not on the list any more");
        }
    }
    Ok(())
}
