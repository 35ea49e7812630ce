//! `countersign test DIR…`: the flow tests of applications, in virtual time.
//!
//! Exit status 0: every test passed. 1: a test failed, or too little of a flow is tested. 2: nothing could be
//! run: a folder without an application or tests, or files that are wrong.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the results are the command's output")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use countersign::diagnostic::render;
use countersign::driver::application::ApplicationError;
use countersign::driver::{os, testing};
use countersign::rehearsal::Rehearsal;
use countersign::scenario::{Choice, Report, junit};

/// What `test` is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folders with an application each, such as flows/bank
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Only tests whose name or file has this in it
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Also write the results as JUnit XML into this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Run again whenever a file of an application changes
    #[arg(long)]
    watch: bool,
    /// Show which blocks and outcomes no test gets to
    #[arg(long)]
    coverage: bool,
    /// Run each test so many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    repeat: u32,
    /// Make real calls over loopback with the same scripts, where that can be done
    #[arg(long, conflicts_with_all = ["repeat", "coverage"])]
    live: bool,
    /// With --live: so many tests at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    at_once: u8,
    /// With --live: tests whose calls take longer are not played, such as 6m
    #[arg(long, value_name = "TIME", default_value = "90s", value_parser = time)]
    longest: Duration,
    /// How results are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people: each test, and for a failed one where and what happened.
    Text,
    /// One JSON array, an entry for each application.
    Json,
}

/// Runs the tests.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    if arguments.watch {
        return watch(&arguments);
    }
    match once(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

/// Runs all tests; whether all passed. The error is ready to print.
fn once(arguments: &Arguments) -> Result<bool, String> {
    let begun = os::now();
    let mut reports = Vec::new();
    for folder in &arguments.folders {
        reports.push(report(arguments, folder)?);
    }
    let mistakes: Vec<_> = reports.iter().flat_map(|report| report.mistakes.clone()).collect();
    let run: usize = reports.iter().map(|report| report.tests.len()).sum();
    if run == 0 && mistakes.is_empty() {
        return Err(match &arguments.filter {
            Some(filter) => format!("error: no test has `{filter}` in its name or its file's"),
            None => none(&arguments.folders),
        });
    }
    if let Some(path) = &arguments.junit {
        fs::write(path, junit(&reports))
            .map_err(|why| format!("error: can't write {}: {why}", path.display()))?;
    }
    match arguments.format {
        Format::Text => {
            for report in &reports {
                // What is wrong with files stands on the error output.
                if report.mistakes.is_empty() {
                    print!("{}", report.text(arguments.coverage));
                }
            }
            if mistakes.is_empty() {
                println!("{}", summary(&reports, begun));
            }
        }
        Format::Json => {
            println!("{}", serde_json::Value::from(reports.iter().map(Report::json).collect::<Vec<_>>()));
        }
    }
    if !mistakes.is_empty() {
        return Err(render(&mistakes).trim_end().to_owned());
    }
    Ok(reports.iter().all(Report::passed))
}

fn report(arguments: &Arguments, folder: &Path) -> Result<Report, String> {
    let name = folder.display().to_string();
    let suite = match testing::read(folder) {
        Ok(suite) => suite,
        Err(ApplicationError::Check(mistakes)) => return Ok(Report::unread(&name, mistakes)),
        Err(error) => return Err(format!("error: {error}")),
    };
    let choice = Choice { filter: arguments.filter.as_deref(), repeat: arguments.repeat };
    if arguments.live {
        let rehearsal = Rehearsal { at_once: arguments.at_once.into(), longest: arguments.longest };
        return Ok(rehearsal.of(folder, &suite, choice));
    }
    Ok(Report::of(&name, &suite.application, &suite.sounds, &suite.files, choice, os::now()))
}

fn time(text: &str) -> Result<Duration, String> {
    testing::duration(text).ok_or_else(|| "write a time such as 90s or 6m".to_owned())
}

/// What to do where there are no tests.
fn none(folders: &[PathBuf]) -> String {
    let folder = folders.first().map(|folder| folder.display().to_string()).unwrap_or_default();
    format!(
        "error: there are no tests in {folder}/{}\n  help: write one into {folder}/{0}/first{}:\n\n\
         flowtest: 1\n\
         tests:\n  \
         - name: a caller is greeted\n    \
         script:\n      \
         - hears: greeting\n      \
         - hangs_up:",
        testing::TESTS,
        testing::ENDING
    )
}

fn summary(reports: &[Report], begun: Instant) -> String {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let mut calls = 0;
    let mut time = Duration::ZERO;
    for report in reports {
        let counts = report.counts();
        (passed, failed, skipped) = (passed + counts.0, failed + counts.1, skipped + counts.2);
        calls += report.tests.iter().map(|test| test.calls).sum::<u64>();
        time += report.tests.iter().map(|test| test.time).sum::<Duration>();
    }
    let took = os::now().saturating_duration_since(begun);
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    format!(
        "{passed} passed, {failed} failed{skipped}: {calls} calls, {} minutes of talk in {:.2} s",
        time.as_secs() / 60,
        took.as_secs_f64()
    )
}

/// How often files are looked at. People don't notice half a second; a disk doesn't either.
const LOOK: Duration = Duration::from_millis(500);

/// Runs, and runs again when something changes, until interrupted.
fn watch(arguments: &Arguments) -> ExitCode {
    let mut before = None;
    loop {
        let now = state(&arguments.folders);
        if before.as_ref() != Some(&now) {
            if before.is_some() {
                println!("\nsomething changed: again\n");
            }
            if let Err(why) = once(arguments) {
                eprintln!("{why}");
            }
            before = Some(now);
        }
        os::pause(LOOK);
    }
}

/// Every file of the folders with when it was changed.
fn state(folders: &[PathBuf]) -> BTreeMap<PathBuf, Option<SystemTime>> {
    let mut out = BTreeMap::new();
    let mut open = folders.to_vec();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                _ => {
                    let changed = entry.metadata().and_then(|about| about.modified()).ok();
                    out.insert(entry.path(), changed);
                }
            }
        }
    }
    out
}
