//! `countersign run --text DIR`: be the caller of an application, in a terminal.
//!
//! Exit status 0 when the call is over, however it went. 2: there is no such application, or it has errors.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the conversation is the command's output")]

use std::io::{IsTerminal, stdin};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use countersign::diagnostic::{Place, Source};
use countersign::driver::testing::{self, Suite};
use countersign::driver::{os, typed};
use countersign::scenario::document::{AgentAct, CallScript, Fixture};
use countersign::scenario::read::DEFAULT_CLOCK;
use countersign::scenario::{Booth, Visit};

/// What `run` is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder of the application, such as flows/bank
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Prompts as text, keys typed: the only way of running there is
    #[arg(long, required = true)]
    text: bool,
    /// The number you call from; `anonymous` withholds it
    #[arg(long, value_name = "NUMBER")]
    from: Option<String>,
    /// Who you are and what services say: a fixture of the application's flow tests
    #[arg(long, value_name = "FIXTURE")]
    with: Option<String>,
    /// Time passes only when you press Enter, not by the clock
    #[arg(long)]
    fast: bool,
}

/// What can be typed.
const HELP: &str = "\
keys       what you press: 1, 80421537#, *
Enter      you are silent until something happens
say WORDS  what you say
wait 5s    time passes
agent A    what an agent does: accepts, rejects, busy, no_answer, fails, hangs_up
code       what would prove that you are who the fixture says
hangup     you hang up; so does the end of the input";

/// Runs.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    debug_assert!(arguments.text, "clap wants it");
    match call(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn call(arguments: &Arguments) -> Result<(), String> {
    let suite = testing::read(&arguments.folder).map_err(|error| match error.to_string() {
        text if text.starts_with("error") => text,
        text => format!("error: {text}"),
    })?;
    let fixture = fixture(arguments, &suite)?;
    let person = fixture.people.first();
    let from = match arguments.from.as_deref() {
        Some("anonymous") => None,
        Some(number) => Some(number.to_owned()),
        None => Some(
            person.and_then(|person| person.phones.first()).map_or(SOME_NUMBER, |phone| phone).to_owned(),
        ),
    };
    println!("{} — type `help` for what you can do", suite.application.title);
    if fixture.people.is_empty() {
        println!("nobody is on file: name a fixture of the flow tests with --with{}", names(&suite));
    }
    let clock = suite.files.first().map_or(DEFAULT_CLOCK, |file| file.clock);
    let mut booth = Booth::new(&suite.application, &fixture, os::now(), clock);
    let script = CallScript::from(nowhere(), from);
    let mut visit = booth.call(&suite.sounds, &script);
    let lines = typed::lines().map_err(|why| format!("error: can't read what you type: {why}"))?;
    // What comes from a file or a pipe is not typed in time with anything.
    if arguments.fast || !stdin().is_terminal() {
        at_the_callers_pace(&mut visit, &lines);
    } else {
        by_the_clock(&mut visit, &lines);
    }
    visit.hang_up();
    show(&mut visit);
    Ok(())
}

/// The number that a caller has whom no fixture gives one; of a range kept for films.
const SOME_NUMBER: &str = "+441632960001";

fn fixture(arguments: &Arguments, suite: &Suite) -> Result<Fixture, String> {
    let Some(name) = &arguments.with else { return Ok(Fixture::default()) };
    let found = suite.files.iter().find_map(|file| file.fixtures.get(name));
    found.cloned().ok_or_else(|| {
        format!(
            "error: no flow test of this application has a fixture `{name}`\n  help: there are:{}",
            names(suite)
        )
    })
}

fn names(suite: &Suite) -> String {
    let mut names: Vec<&str> =
        suite.files.iter().flat_map(|file| file.fixtures.keys()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { String::new() } else { format!(" {}", names.join(", ")) }
}

/// Where a call stands that no file asks for.
fn nowhere() -> Place {
    let source = Source { path: String::from("terminal"), text: String::new() };
    Place { source: std::sync::Arc::new(source), span: 0..0 }
}

fn show(visit: &mut Visit<'_>) {
    for line in visit.lines() {
        println!("{line}");
    }
}

/// Something always happens before the caller types again; what they don't type is silence.
fn at_the_callers_pace(visit: &mut Visit<'_>, lines: &Receiver<String>) {
    loop {
        // Until the caller is asked and the question is over, or somebody else has to do something.
        while !visit.over() && !visit.waits() && visit.go_on() {}
        show(visit);
        if visit.over() {
            return;
        }
        let Ok(line) = lines.recv() else { return };
        if !act(visit, &line) {
            return;
        }
    }
}

/// Time passes as it does.
fn by_the_clock(visit: &mut Visit<'_>, lines: &Receiver<String>) {
    while !visit.over() {
        show(visit);
        let begun = os::now();
        let wait = visit.next_in().unwrap_or(Duration::from_secs(3600));
        match lines.recv_timeout(wait) {
            Ok(line) => {
                visit.pass(os::now().saturating_duration_since(begun).min(wait));
                // Enter alone is silence, and that passes by itself.
                if !line.trim().is_empty() && !act(visit, &line) {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                visit.go_on();
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Does what was typed; false when the caller hangs up.
fn act(visit: &mut Visit<'_>, line: &str) -> bool {
    let line = line.trim();
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "" => {
            visit.keep_silent();
        }
        "help" | "?" => println!("{HELP}"),
        "hangup" | "bye" | "quit" => return false,
        "say" => told(visit.say(rest)),
        "wait" => match testing::duration(rest) {
            Some(time) => visit.pass(time),
            None => println!("wait how long? `wait 5s`"),
        },
        "agent" => match agent(rest) {
            Some(act) => told(visit.agent(&act)),
            None => println!("an agent accepts, rejects, is busy, gives no_answer, fails or hangs_up"),
        },
        "code" => {
            let codes = visit.codes();
            println!(
                "{}",
                if codes.is_empty() { "nobody knows who you are yet".to_owned() } else { codes.join("\n") }
            );
        }
        _ if visit.press(line) => {}
        _ => println!("`{line}` are no keys; to speak type `say {line}`; `help` says what else there is"),
    }
    true
}

fn told(done: Result<(), String>) {
    if let Err(why) = done {
        println!("{why}");
    }
}

fn agent(what: &str) -> Option<AgentAct> {
    Some(match what.trim().replace(' ', "_").as_str() {
        "accepts" | "" => AgentAct::Accepts { name: "alice".to_owned() },
        "rejects" => AgentAct::Rejects,
        "busy" => AgentAct::Busy,
        "no_answer" => AgentAct::NoAnswer,
        "fails" => AgentAct::Fails,
        "hangs_up" => AgentAct::HangsUp,
        _ => return None,
    })
}
