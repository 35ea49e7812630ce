//! `countersign check DIR…`: every finding in applications, all at once.
//!
//! Exit status: 0 when they can be served, 2 when not; with `--deny warnings` a warning counts as an error.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the findings are the command's output")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use countersign::diagnostic::{Diagnostic, Place, Severity, Source, render};
use countersign::driver::application::{self, ApplicationSource};
use countersign::driver::config::Config;
use countersign::driver::lacking::{self, Lacking};
use countersign::driver::speech::Speech;
use countersign::flow::document::Application;
use serde_json::json;

use super::sarif;

/// What `check` is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folders with an application each, such as flows/bank
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// A data folder: what its settings let a synthesiser speak needs no recording, and what the policy uses must have its sender (nothing is started)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What counts as an error beside errors
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Deny>,
}

/// How findings are printed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people: the line, a caret, what to do.
    Text,
    /// One JSON array.
    Json,
    /// SARIF 2.1.0, for code hosts and editors.
    Sarif,
}

/// What counts as an error beside errors.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Deny {
    /// Every warning.
    Warnings,
}

/// Checks; 0 when nothing is wrong, 2 otherwise.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let mut all = Vec::new();
    for folder in &arguments.folders {
        match check(folder, arguments.data.as_deref()) {
            Ok(found) => all.extend(found),
            Err(message) => {
                eprintln!("error: {message}");
                return ExitCode::from(2);
            }
        }
    }
    let errors = all.iter().filter(|finding| finding.severity == Severity::Error).count();
    let warnings = all.len() - errors;
    let refused = errors > 0 || (arguments.deny == Some(Deny::Warnings) && warnings > 0);
    match arguments.format {
        Format::Text => {
            print!("{}", render(&all));
            println!("{}", summary(arguments.folders.len(), errors, warnings, refused));
        }
        Format::Json => println!("{}", serde_json::Value::from(all.iter().map(finding).collect::<Vec<_>>())),
        Format::Sarif => println!("{:#}", sarif::log(&all)),
    }
    if refused { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

/// What is found in one folder.
fn check(folder: &Path, data: Option<&Path>) -> Result<Vec<Diagnostic>, String> {
    let source = ApplicationSource::Folder(folder.to_owned());
    let speech = data.map_or(Ok(Speech::default()), Speech::of).map_err(|error| error.to_string())?;
    let files = application::open_with(&source, &speech).map_err(|error| error.to_string())?;
    let mut found = match application::read(files.as_ref()) {
        Ok((application, mut found)) => {
            found.extend(application::unplayable(&source, &application));
            if let Some(data) = data {
                found.extend(lacking_in(data, &application)?);
            }
            found
        }
        Err(findings) => findings,
    };
    name_below(folder, &mut found);
    Ok(found)
}

/// Factors of the policy that the settings of a data folder have nobody for.
fn lacking_in(data: &Path, application: &Application) -> Result<Vec<Diagnostic>, String> {
    let config = Config::read(data).map_err(|error| error.to_string())?;
    let lacking = lacking::of(&application.policy, &config, config.web.public.is_some());
    let told = |lack: &Lacking| Diagnostic::warning("W310", None, lack.to_string()).help(lack.help());
    let voices = lacking::voices(&application.policy, data).err();
    let voices = voices.map(|why| {
        Diagnostic::warning(
            "W310",
            None,
            format!("the policy uses `voiceprint`, and nobody is offered it: {why}"),
        )
    });
    Ok(lacking.iter().map(told).chain(voices).collect())
}

/// Names files as the admin can open them: below the folder that was given.
fn name_below(folder: &Path, found: &mut [Diagnostic]) {
    let mut named: Vec<(Arc<Source>, Arc<Source>)> = Vec::new();
    let mut rename = |place: &mut Place| {
        let known = named.iter().find(|(before, _)| Arc::ptr_eq(before, &place.source));
        place.source = match known {
            Some((_, after)) => Arc::clone(after),
            None => {
                let path = folder.join(&place.source.path).display().to_string();
                let after = Arc::new(Source { path, text: place.source.text.clone() });
                named.push((Arc::clone(&place.source), Arc::clone(&after)));
                after
            }
        };
    };
    for finding in found {
        finding.place.iter_mut().for_each(&mut rename);
        finding.related.iter_mut().for_each(|(place, _)| rename(place));
    }
}

fn summary(folders: usize, errors: usize, warnings: usize, refused: bool) -> String {
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    };
    let verdict = match (errors, refused) {
        (0, false) => "ready",
        (0, true) => "refused because of warnings",
        _ => "can't be served",
    };
    let applications = count(folders, "application");
    format!("{applications} checked, {verdict}: {}, {}", count(errors, "error"), count(warnings, "warning"))
}

pub(crate) fn finding(finding: &Diagnostic) -> serde_json::Value {
    let position = |place: &Place| {
        let (line, column) = place.line_and_column();
        (place.source.path.clone(), line, column)
    };
    let here = finding.place.as_ref().map(position);
    let related = finding.related.iter().map(|(place, label)| {
        let (file, line, column) = position(place);
        json!({ "file": file, "line": line, "column": column, "label": label })
    });
    json!({
        "severity": if finding.severity == Severity::Error { "error" } else { "warning" },
        "code": finding.code,
        "message": finding.message,
        "file": here.as_ref().map(|(file, ..)| file),
        "line": here.as_ref().map(|(_, line, _)| line),
        "column": here.as_ref().map(|(_, _, column)| column),
        "label": finding.label,
        "help": finding.help,
        "related": related.collect::<Vec<_>>(),
    })
}
