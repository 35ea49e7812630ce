//! `countersign calls` and `countersign explain`: calls that are over.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use countersign::call::explain;
use countersign::driver::masking::{self, Role};
use countersign::driver::os;
use countersign::driver::vault::{StoredCall, Vault};
use countersign::units::UnixTime;
use serde_json::Value;

/// List calls that are over.
#[derive(clap::Args)]
pub(crate) struct ListArguments {
    /// How many, the latest first.
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: u32,
    /// The data folder.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = super::Format::Text)]
    format: super::Format,
    #[command(flatten)]
    looking: super::Looking,
}

/// Tell a call that is over, step by step.
#[derive(clap::Args)]
pub(crate) struct ExplainArguments {
    /// The call, as `countersign calls` lists it; its first characters will do.
    #[arg(value_name = "CALL-ID")]
    call: String,
    /// The data folder.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// How it is printed; `json` is the record as it is stored.
    #[arg(long, value_enum, default_value_t = super::Format::Text)]
    format: super::Format,
}

/// Runs `calls`.
pub(crate) fn list(arguments: ListArguments) -> ExitCode {
    super::ended(listed(&arguments))
}

/// Runs `explain`.
pub(crate) fn explain(arguments: ExplainArguments) -> ExitCode {
    super::ended(explained(&arguments))
}

fn listed(arguments: &ListArguments) -> Result<(), String> {
    let vault = super::existing(&arguments.data)?;
    let looker = arguments.looking.looker()?;
    if let Some(looker) = &looker {
        vault.note_look(os::unix_now(), None, "callers", looker).map_err(super::text)?;
    }
    let role = if looker.is_some() { Role::Officer } else { Role::Operator };
    let calls = vault.calls(arguments.last).map_err(super::text)?;
    let records = read(calls, role)?;
    match arguments.format {
        super::Format::Json => println!("{}", Value::from(records)),
        super::Format::Text if records.is_empty() => println!("no call has ended yet"),
        super::Format::Text => records.iter().for_each(|record| println!("{}", line(record))),
    }
    Ok(())
}

fn explained(arguments: &ExplainArguments) -> Result<(), String> {
    let vault = super::existing(&arguments.data)?;
    let record = find(&vault, &arguments.call, &arguments.data)?;
    match arguments.format {
        super::Format::Json => println!("{}", serde_json::to_string_pretty(&record).map_err(super::text)?),
        super::Format::Text => print!("{}\n{}", head(&record), explain::steps(&record)),
    }
    Ok(())
}

/// The records, each with as much of the caller's number as whoever looks may see.
fn read(stored: Vec<StoredCall>, role: Role) -> Result<Vec<Value>, String> {
    let record = |call: StoredCall| {
        let mut record: Value = serde_json::from_str(&call.record)?;
        let caller = call.caller.as_ref();
        record["caller"] =
            caller.map(|number| masking::shown(masking::Class::Phone, role, number.expose())).into();
        Ok(record)
    };
    stored.into_iter().map(record).collect::<Result<_, serde_json::Error>>().map_err(super::text)
}

/// The one call whose name begins so.
fn find(vault: &Vault, name: &str, data: &Path) -> Result<Value, String> {
    let mut found = read(vault.calls_named(name).map_err(super::text)?, Role::Operator)?;
    match (found.pop(), found.is_empty()) {
        (Some(record), true) => Ok(record),
        (Some(_), false) => Err(format!("more than one call begins with `{name}`\n  help: give more of it")),
        (None, _) => {
            let last = read(vault.calls(SUGGESTED).map_err(super::text)?, Role::Operator)?;
            let lines: Vec<String> = last.iter().map(|record| format!("    {}", line(record))).collect();
            let help = match lines.is_empty() {
                true => "no call has ended yet; a call that runs has no record".to_owned(),
                false => format!("the last calls are\n{}", lines.join("\n")),
            };
            Err(format!("there is no call `{name}` in {}\n  help: {help}", data.display()))
        }
    }
}

/// How many calls are suggested in the place of one that is not there.
const SUGGESTED: u32 = 5;

fn text<'r>(record: &'r Value, field: &str) -> &'r str {
    record[field].as_str().unwrap_or("–")
}

fn started(record: &Value) -> String {
    record["started"].as_i64().map_or_else(|| "–".to_owned(), |at| super::when(UnixTime(at)))
}

/// From the first message to the end, in seconds.
fn lasted(record: &Value) -> String {
    let span = record["ended"].as_i64().zip(record["started"].as_i64());
    let millis = span.map_or(0, |(ended, started)| ended.saturating_sub(started).max(0));
    format!("{}.{} s", millis / 1000, millis % 1000 / 100)
}

/// A call in a line.
fn line(record: &Value) -> String {
    let application = &record["application"];
    // The number of a call of our own is kept as a caller's is.
    let (outbound, other) = (record["direction"] == "outbound", record["caller"].as_str());
    let version = application["hash"].as_str().or_else(|| application.as_str()).unwrap_or("–");
    format!(
        "{}  {}  {:>8}  {}to {}  {} {version}  level {}  {}",
        text(record, "call"),
        started(record),
        lasted(record),
        if outbound {
            String::new()
        } else {
            other.map(|caller| format!("from {caller}  ")).unwrap_or_default()
        },
        if outbound { other.unwrap_or("–") } else { text(record, "dialled") },
        text(application, "id"),
        text(record, "level"),
        text(record, "cause"),
    )
}

fn head(record: &Value) -> String {
    let application = &record["application"];
    let list = |field: &str| {
        let items: Vec<&str> =
            record[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if items.is_empty() { "nobody".to_owned() } else { items.join(", ") }
    };
    let trial = if application["canary"] == true { ", on trial" } else { "" };
    let factors = record["factors"].as_array().is_some_and(|factors| !factors.is_empty());
    let proved = if factors { format!(", proved by {}", list("factors")) } else { String::new() };
    let waited = record["queue_wait_ms"].as_u64().filter(|wait| *wait > 0);
    let waited = waited
        .map(|wait| format!(", after {}.{} s in line", wait / 1000, wait % 1000 / 100))
        .unwrap_or_default();
    let recorded: String = record["recordings"].as_array().into_iter().flatten().map(recording).collect();
    format!(
        "call         {}\napplication  {} ({}), version {}{trial}\nbegan        {}, by {} to {}\nended        after {}: \
         {}\nlevel        {}{proved}\ntalked to    {}{waited}\n{}{recorded}",
        text(record, "call"),
        text(application, "title"),
        text(application, "id"),
        text(application, "hash"),
        started(record),
        text(record, "trunk"),
        text(record, "dialled"),
        lasted(record),
        explain::cause(record),
        text(record, "level"),
        list("agents"),
        explain::media(record),
    )
}

/// A recording of the call, as `countersign recording` knows it.
fn recording(recording: &Value) -> String {
    let millis = recording["length_ms"].as_u64().unwrap_or(0);
    let failed = if recording["failed"] == true { ", then it could not be kept" } else { "" };
    format!("recorded     {}, {}.{} s{failed}\n", text(recording, "name"), millis / 1000, millis % 1000 / 100)
}
