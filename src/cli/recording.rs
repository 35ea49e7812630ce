//! `countersign recording`: lists recordings of calls and lets them be heard.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its user")]

use std::fs::OpenOptions;
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command as Program, ExitCode, Stdio};

use countersign::driver::masking::{self, Role};
use countersign::driver::os;
use countersign::driver::recordings::{Ending, Part, Reader, State};
use countersign::driver::vault::{Looker, Vault};
use countersign::units::UnixTime;

/// Lists recordings of calls, plays and exports them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists all recordings, the oldest first.
    List {
        /// Of this call only.
        #[arg(long, value_name = "CALL-ID")]
        call: Option<String>,
        /// The data folder.
        #[arg(long, value_name = "DIR", default_value = "data")]
        data: PathBuf,
        #[command(flatten)]
        looking: super::Looking,
    },
    /// Writes a recording to standard output as WAV, or has a program play it.
    Play {
        /// Its name, as in the list.
        name: String,
        /// Why you listen; kept in the audit log.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// A program that plays WAV from its standard input, such as "aplay -q".
        #[arg(long, value_name = "COMMAND")]
        player: Option<String>,
        /// The data folder.
        #[arg(long, value_name = "DIR", default_value = "data")]
        data: PathBuf,
    },
    /// Writes a recording into a WAV file: the caller left, what they heard right.
    Export {
        /// Its name, as in the list.
        name: String,
        /// The file; it must not be there yet.
        file: PathBuf,
        /// Why you need it; kept in the audit log.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The data folder.
        #[arg(long, value_name = "DIR", default_value = "data")]
        data: PathBuf,
    },
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    super::ended(match arguments.command {
        Command::List { call, data, looking } => list(&data, call.as_deref(), &looking),
        Command::Play { name, reason, player, data } => play(&data, &name, &reason, player.as_deref()),
        Command::Export { name, file, reason, data } => export(&data, &name, &file, &reason),
    })
}

fn list(data: &Path, call: Option<&str>, looking: &super::Looking) -> Result<(), String> {
    let vault = super::existing(data)?;
    let looker = looking.looker()?;
    if let Some(looker) = &looker {
        vault.note_look(os::unix_now(), None, "callers", looker).map_err(super::text)?;
    }
    let role = if looker.is_some() { Role::Officer } else { Role::Operator };
    let all = match call {
        Some(call) => vault.recordings().of_call(call),
        None => vault.recordings().list(),
    };
    for listed in all.map_err(super::text)? {
        let state = match listed.state {
            State::Whole { millis } => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
            State::CutShort => "cut short".to_owned(),
            State::Erased => "erased".to_owned(),
        };
        let head = &listed.head;
        let caller = caller(&vault, &head.call, role)?;
        println!(
            "{}  {}  {state:>9}  call {}  {caller}",
            head.name,
            super::when(UnixTime(head.started)),
            head.call
        );
    }
    Ok(())
}

/// Who called, as this role may see it.
fn caller(vault: &Vault, call: &str, role: Role) -> Result<String, String> {
    let stored = vault.calls_named(call).map_err(super::text)?;
    let number = stored.first().and_then(|stored| stored.caller.as_ref());
    Ok(match (stored.is_empty(), number) {
        (true, _) => "the call has no record yet".to_owned(),
        (_, None) => "from withheld".to_owned(),
        (_, Some(number)) => format!("from {}", masking::shown(masking::Class::Phone, role, number.expose())),
    })
}

/// Opens a recording, and has the audit log keep who hears it and why before anything of it is given.
fn heard(data: &Path, name: &str, reason: &str) -> Result<Reader, String> {
    let vault = super::existing(data)?;
    let by = format!("user {}", rustix::process::getuid().as_raw());
    let looker = Looker::new(&by, reason).map_err(super::text)?;
    let reader = vault.recordings().read(name).map_err(super::text)?;
    vault
        .note_look(os::unix_now(), reader.subjects.first().copied(), &format!("recording {name}"), &looker)
        .map_err(super::text)?;
    Ok(reader)
}

fn play(data: &Path, name: &str, reason: &str, player: Option<&str>) -> Result<(), String> {
    let mut reader = heard(data, name, reason)?;
    let Some(player) = player else {
        return told(reader.stream(io::stdout().lock()).map_err(super::text)?);
    };
    let mut words = player.split_whitespace();
    let program =
        words.next().ok_or("`--player` names no program\n  help: write it, such as \"aplay -q\"")?;
    let mut child =
        Program::new(program).args(words).stdin(Stdio::piped()).spawn().map_err(|error| {
            format!("{program}: {error}\n  help: install it, or name another with --player")
        })?;
    let played = child.stdin.take().map(|to| reader.stream(to));
    let ended = child.wait().map_err(super::text)?;
    // A player that was stopped reads no further, which is no defect.
    match played {
        Some(Ok(ending)) => told(ending),
        Some(Err(countersign::driver::recordings::ExportError::Play(_))) if ended.success() => Ok(()),
        Some(Err(error)) => Err(error.to_string()),
        None => Err(format!("{program} takes nothing")),
    }
}

fn export(data: &Path, name: &str, file: &Path, reason: &str) -> Result<(), String> {
    if file.exists() {
        return Err(format!("{} is there already\n  help: name another file", file.display()));
    }
    let mut reader = heard(data, name, reason)?;
    let failed = |error| format!("{}: {error}", file.display());
    // What was said is for whoever asked for it, not for everybody on the machine.
    let to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(failed)?;
    let ending = reader.wav(Part::ALL, BufWriter::new(to)).map_err(super::text)?;
    told(ending.unwrap_or(Ending::CutShort))
}

#[expect(clippy::unnecessary_wraps, reason = "the last word of commands that can fail")]
fn told(ending: Ending) -> Result<(), String> {
    if ending == Ending::CutShort {
        eprintln!("the recording was cut short: it ends before the call did, or its file was cut");
    }
    Ok(())
}
