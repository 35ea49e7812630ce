//! `countersign audit`: is the audit log what was written? And what does it say?

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use countersign::driver::keys::Keys;
use countersign::driver::vault;

/// Checks and exports the audit log.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Follows the chain from the first record to the last and names the first that is wrong.
    Verify {
        /// Signed checkpoints from their second place: a log that was rolled back does not reach them.
        #[arg(long, value_name = "FILE")]
        checkpoints: Option<PathBuf>,
        /// The public key that they are signed with, as `countersign keys list` showed it; that of the data folder
        /// when absent.
        #[arg(long, value_name = "HEX", requires = "checkpoints")]
        key: Option<String>,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Writes the records as lines of JSON, all of them checked, and a signed line at the end.
    Export {
        /// From this day on (2026-01-31).
        #[arg(long, value_name = "DAY")]
        from: Option<String>,
        /// To the end of this day.
        #[arg(long, value_name = "DAY")]
        to: Option<String>,
        /// A file that is not there yet; the standard output when absent.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    super::ended(match arguments.command {
        Command::Verify { checkpoints, key, data } => verify(&data, checkpoints.as_deref(), key.as_deref()),
        Command::Export { from, to, out, data } => {
            export(&data, from.as_deref(), to.as_deref(), out.as_deref())
        }
    })
}

fn verify(data: &Path, checkpoints: Option<&Path>, key: Option<&str>) -> Result<(), String> {
    super::in_use(data)?;
    let keys = Keys::open(data).map_err(super::text)?;
    let Some(path) = checkpoints else {
        let count = vault::verify_audit(data, &keys).map_err(super::text)?;
        println!("{count} audit records, every one as it was written");
        return Ok(());
    };
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let key = key.map(public_key).transpose()?;
    let (count, fitting) = vault::verify_audit_with(data, &keys, &text, key.as_ref()).map_err(super::text)?;
    println!("{count} audit records, every one as it was written; {fitting} checkpoints fit");
    Ok(())
}

fn public_key(hex: &str) -> Result<[u8; 32], String> {
    let digit = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(digit).collect();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| "the key has 64 hexadecimal digits".to_owned())
}

fn export(data: &Path, from: Option<&str>, to: Option<&str>, out: Option<&Path>) -> Result<(), String> {
    super::in_use(data)?;
    for day in [from, to].into_iter().flatten() {
        let form = day.len() == 10
            && day
                .chars()
                .zip("dddd-dd-dd".chars())
                .all(|(c, form)| if form == 'd' { c.is_ascii_digit() } else { c == form });
        if !form {
            return Err(format!("`{day}` is no day\n  help: write it as 2026-01-31"));
        }
    }
    let keys = Keys::open(data).map_err(super::text)?;
    let mut to_where: Box<dyn Write> = match out {
        None => Box::new(BufWriter::new(io::stdout().lock())),
        Some(path) => {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            Box::new(BufWriter::new(file.map_err(|error| format!("{}: {error}", path.display()))?))
        }
    };
    let mut written = Ok(());
    let (_, checkpoint) = vault::export_audit(data, &keys, &mut |line| {
        let text = String::from_utf8_lossy(line);
        let day = text.split("\"at\":\"").nth(1).and_then(|at| at.get(..10)).unwrap_or_default();
        let wanted = from.is_none_or(|from| from <= day) && to.is_none_or(|to| day <= to);
        if wanted && written.is_ok() {
            written = to_where.write_all(line);
        }
    })
    .map_err(super::text)?;
    written
        .and_then(|()| writeln!(to_where, "{checkpoint}"))
        .and_then(|()| to_where.flush())
        .map_err(super::text)
}
