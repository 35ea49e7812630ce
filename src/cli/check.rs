//! `countersign check DIR…`: every finding in applications, all at once.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the findings are the command's output")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use countersign::diagnostic::{Diagnostic, Severity, render};
use countersign::driver::application::{self, ApplicationSource};
use countersign::flow;

/// What `check` is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folders with an application each, such as flows/bank
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How findings are printed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people: the line, a caret, what to do.
    Text,
    /// One JSON array.
    Json,
}

/// Checks; 0 when nothing is wrong (warnings allowed), 2 otherwise.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let mut all = Vec::new();
    for folder in &arguments.folders {
        match check(folder) {
            Ok(found) => all.extend(found),
            Err(message) => {
                eprintln!("error: {message}");
                return ExitCode::from(2);
            }
        }
    }
    let errors = all.iter().filter(|finding| finding.severity == Severity::Error).count();
    match arguments.format {
        Format::Text => {
            print!("{}", render(&all));
            println!("{}", summary(arguments.folders.len(), errors, all.len() - errors));
        }
        Format::Json => println!("{}", serde_json::Value::from(all.iter().map(json).collect::<Vec<_>>())),
    }
    if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

/// What is found in one folder.
fn check(folder: &Path) -> Result<Vec<Diagnostic>, String> {
    let source = ApplicationSource::Folder(folder.to_owned());
    let files = application::open(&source).map_err(|error| error.to_string())?;
    Ok(match flow::load(files.as_ref()) {
        Ok((_, warnings)) => warnings,
        Err(findings) => findings,
    }
    .into_iter()
    .map(|finding| below(folder, finding))
    .collect())
}

/// Names files as the admin can open them: below the folder that was given.
fn below(folder: &Path, mut finding: Diagnostic) -> Diagnostic {
    let path = |place: &mut countersign::diagnostic::Place| {
        let source = countersign::diagnostic::Source {
            path: folder.join(&place.source.path).display().to_string(),
            text: place.source.text.clone(),
        };
        place.source = std::sync::Arc::new(source);
    };
    if let Some(place) = &mut finding.place {
        let before = std::sync::Arc::clone(&place.source);
        path(place);
        let after = std::sync::Arc::clone(&place.source);
        for (other, _) in &mut finding.related {
            if std::sync::Arc::ptr_eq(&other.source, &before) {
                other.source = std::sync::Arc::clone(&after);
            } else {
                path(other);
            }
        }
    }
    finding
}

fn summary(folders: usize, errors: usize, warnings: usize) -> String {
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    };
    let verdict = if errors == 0 { "ready" } else { "can't be served" };
    let applications = count(folders, "application");
    format!("{applications} checked, {verdict}: {}, {}", count(errors, "error"), count(warnings, "warning"))
}

fn json(finding: &Diagnostic) -> serde_json::Value {
    let position = finding.place.as_ref().map(countersign::diagnostic::Place::line_and_column);
    serde_json::json!({
        "severity": if finding.severity == Severity::Error { "error" } else { "warning" },
        "code": finding.code,
        "message": finding.message,
        "file": finding.place.as_ref().map(|place| &place.source.path),
        "line": position.map(|(line, _)| line),
        "column": position.map(|(_, column)| column),
        "label": finding.label,
        "help": finding.help,
    })
}
