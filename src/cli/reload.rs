//! `countersign reload`: a new version for new calls, without dropping one that runs.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its user")]

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use countersign::diagnostic;
use countersign::driver::control::{self, AppliedChange, Reply, Request};
use countersign::driver::serve::Deployment;
use countersign::driver::versions::Applied;

/// Load the application again, or try another version.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder that new calls get; the one that is served when absent.
    #[arg(value_name = "DIR")]
    application: Option<PathBuf>,
    /// Only so many of a hundred new calls get it: a trial.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=100))]
    percent: Option<u8>,
    /// All new calls get the version on trial from now on.
    #[arg(long, conflicts_with_all = ["application", "percent", "back"])]
    promote: bool,
    /// No new call gets the version on trial any more.
    #[arg(long, conflicts_with_all = ["application", "percent"])]
    back: bool,
    /// The data folder of the running server.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t = super::Format::Text)]
    format: super::Format,
}

/// A large application with many recordings takes seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the command; 2 when the running version stays, with everything that is wrong.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let request = match request(&arguments) {
        Ok(request) => request,
        Err(error) => return super::ended(Err(error)),
    };
    let reply = match control::ask(&arguments.data, &request, PATIENCE) {
        Ok(reply) => reply,
        Err(error) => return super::ended(Err(error.to_string())),
    };
    if arguments.format == super::Format::Json {
        println!("{}", serde_json::to_string(&reply).unwrap_or_default());
    }
    match reply {
        Reply::Applied(applied) => {
            if arguments.format == super::Format::Text {
                print_applied(&applied);
            }
            ExitCode::SUCCESS
        }
        Reply::Refused(refusal) => {
            let error = refusal.error.trim_end();
            let prefix = if error.starts_with("error") { "" } else { "error: " };
            eprintln!("{prefix}{error}\nnothing changed: version {} runs on", refusal.running);
            ExitCode::from(2)
        }
        _ => super::ended(Err("a strange answer".to_owned())),
    }
}

fn request(arguments: &Arguments) -> Result<Request, String> {
    if arguments.promote {
        return Ok(Request::Promote);
    }
    if arguments.back {
        return Ok(Request::Back);
    }
    // The server has another working directory. Links stay links: it follows them at each reload.
    let folder = arguments.application.as_deref().map(std::path::absolute).transpose();
    let folder = folder.map_err(|error| format!("the folder has no absolute path: {error}"))?;
    Ok(Request::Reload { folder, percent: arguments.percent })
}

fn print_applied(applied: &AppliedChange) {
    let AppliedChange { title, hash, before, canary, warnings, notes, .. } = applied;
    if hash == before {
        println!("`{title}` (version {hash}) runs, as before");
    } else {
        println!("`{title}`: new calls get version {hash}; before it was {before}");
    }
    if let Some(canary) = canary {
        let (version, percent) = (&canary.version, canary.percent);
        println!("on trial: `{}` (version {}) gets {percent} % of new calls", version.title, version.hash);
    }
    if !warnings.is_empty() {
        println!("{} warning(s); `countersign check` shows them", warnings.len());
    }
    for note in notes {
        println!("note: {note}");
    }
}

/// As [`run`], inside the server.
pub(crate) fn by_signal(deployment: &Deployment) {
    // A server goes on when nobody reads what it prints.
    let _ = match deployment.reload(None) {
        Ok(applied) => told(&mut io::stdout(), &applied),
        // It is in the log, with what is wrong.
        Err(_) => writeln!(io::stdout(), "not reloaded: version {} runs on", deployment.application().hash),
    };
}

fn told(out: &mut dyn Write, applied: &Applied) -> io::Result<()> {
    let (name, before) = (&applied.running, &applied.before);
    writeln!(out, "reloaded: `{}`: new calls get version {}; before it was {before}", name.title, name.hash)?;
    for note in &applied.notes {
        writeln!(out, "note: {note}")?;
    }
    write!(out, "{}", diagnostic::render(&applied.warnings))
}

/// The folder as the admin knows it.
pub(super) fn shown(folder: Option<&Path>) -> String {
    folder.map_or_else(|| "inside the program".to_owned(), |folder| folder.display().to_string())
}
