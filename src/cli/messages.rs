//! `countersign messages`: listens to what callers left.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use countersign::audio::{Law, wav};
use countersign::driver::keys::Keys;
use countersign::driver::messages::Messages;
use countersign::units::{SampleRate, UnixTime};

/// Lists, plays and deletes the messages that callers left.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists all messages, the oldest first.
    List {
        /// Of this mailbox only.
        #[arg(long)]
        mailbox: Option<String>,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Writes a message into a WAV file.
    Play {
        /// Its name, as in the list.
        id: String,
        /// The file; it must not be there yet.
        file: PathBuf,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Deletes a message.
    Delete {
        /// Its name, as in the list.
        id: String,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    super::ended(match arguments.command {
        Command::List { mailbox, data } => list(&data, mailbox.as_deref()),
        Command::Play { id, file, data } => play(&data, &id, &file),
        Command::Delete { id, data } => messages(&data).and_then(|all| all.delete(&id).map_err(super::text)),
    })
}

fn messages(data: &Path) -> Result<Messages, String> {
    super::in_use(data)?;
    let keys = Keys::open(data).map_err(super::text)?;
    Messages::open(data, &keys).map_err(super::text)
}

fn list(data: &Path, mailbox: Option<&str>) -> Result<(), String> {
    let all = messages(data)?.list().map_err(super::text)?;
    for head in all.iter().filter(|head| mailbox.is_none_or(|mailbox| head.mailbox == mailbox)) {
        let caller = head.caller.as_deref().unwrap_or("withheld");
        let (at, seconds) = (super::when(UnixTime(head.at)), head.millis.div_ceil(1000));
        println!("{}  {at}  {}  {seconds} s  from {caller}  call {}", head.id, head.mailbox, head.call);
    }
    Ok(())
}

fn play(data: &Path, id: &str, file: &Path) -> Result<(), String> {
    let (_, audio) = messages(data)?.read(id).map_err(super::text)?;
    let mut samples = Vec::with_capacity(audio.expose().len());
    Law::Mu.decode(audio.expose(), &mut samples);
    let failed = |error| format!("{}: {error}", file.display());
    // What a caller said is for whoever asked for it, not for everybody on the machine.
    let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(failed)?;
    to.write_all(&wav::write(&samples, SampleRate::TELEPHONE)).map_err(failed)
}
