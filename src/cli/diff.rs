//! `countersign diff OLD NEW`: what changes for callers.
//!
//! Exit status: 0; 1 when something is weaker than before and nobody accepted that; 2 when it could not run.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the changes are the command's output")]

use std::path::PathBuf;
use std::process::ExitCode;

use countersign::diagnostic::render;
use countersign::diff::{Change, Changes, compare};
use serde_json::json;

use super::check::finding;
use super::draw::application_in;

/// What `diff` is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The application's folder as it was, such as another checkout
    old: PathBuf,
    /// The application's folder as it is to be
    new: PathBuf,
    /// What is weaker than before is meant so
    #[arg(long)]
    accept: bool,
    /// How changes are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How changes are printed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Compares.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let loaded = application_in(&arguments.old).and_then(|old| Ok((old, application_in(&arguments.new)?)));
    let (old, new) = match loaded {
        Ok(both) => both,
        Err(why) => {
            eprintln!("error: {why}");
            return ExitCode::from(2);
        }
    };
    let changes = compare(&old, &new);
    match arguments.format {
        Format::Text => print!("{}{}", text(&changes), verdict(&changes, arguments.accept)),
        Format::Json => println!("{:#}", json(&changes, arguments.accept)),
    }
    if changes.weaker.is_empty() || arguments.accept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn text(changes: &Changes) -> String {
    let weaker = render(&changes.weaker);
    let space = if weaker.is_empty() || weaker.ends_with("\n\n") { "" } else { "\n" };
    format!("{weaker}{space}{changes}")
}

fn verdict(changes: &Changes, accept: bool) -> String {
    match (changes.weaker.len(), accept) {
        _ if changes.is_empty() => "nothing changes for callers\n".to_owned(),
        (0, _) => "nothing is weaker than before\n".to_owned(),
        (1, false) => "1 thing is weaker than before; --accept says that it is meant so\n".to_owned(),
        (1, true) => "1 thing is weaker than before, and accepted\n".to_owned(),
        (many, false) => {
            format!("{many} things are weaker than before; --accept says that they are meant so\n")
        }
        (many, true) => format!("{many} things are weaker than before, and accepted\n"),
    }
}

fn json(changes: &Changes, accepted: bool) -> serde_json::Value {
    let list = |changes: &[Change]| -> Vec<serde_json::Value> {
        let one = |change: &Change| {
            let kind = match (&change.before, &change.after) {
                (None, _) => "added",
                (_, None) => "removed",
                _ => "changed",
            };
            json!({
                "kind": kind,
                "what": change.what,
                "before": change.before,
                "after": change.after,
                "details": change.details,
            })
        };
        changes.iter().map(one).collect()
    };
    let mut out = json!({
        "accepted": accepted,
        "weaker": changes.weaker.iter().map(finding).collect::<Vec<_>>(),
    });
    for (name, changed) in changes.sections() {
        out[name] = list(changed).into();
    }
    out
}
