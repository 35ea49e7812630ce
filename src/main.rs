//! The `countersign` command: parses arguments, calls the library, turns results into exit statuses.
//!
//! Exit status 0: it went as asked. 1: it ran, and the result is a no (a call that did not get through).
//! 2: it could not run; the message says what, where and what to do.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod cli;

/// An IVR engine that proves who is calling. Without a command it serves the demonstration bank on loopback.
#[derive(Parser)]
#[command(name = "countersign", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Take calls with an application folder.
    Serve(cli::serve::Arguments),
    /// Load the application again without dropping a call, or try another version on some of the calls.
    Reload(cli::reload::Arguments),
    /// Show what is served: versions, calls, queues, agents.
    Status(cli::status::Arguments),
    /// Ask the servers of a trunk by which calls go out.
    Trunk(cli::trunk::TrunkArguments),
    /// Tell where a call goes, which rule decides it and why.
    Route(cli::trunk::RouteArguments),
    /// List calls that are over.
    Calls(cli::calls::ListArguments),
    /// Tell a call that is over, step by step.
    Explain(cli::calls::ExplainArguments),
    /// Take no new calls, and end when those that run have ended.
    Drain(cli::drain::Arguments),
    /// Check application folders: everything that is wrong, at once.
    Check(cli::check::Arguments),
    /// Run the flow tests of application folders, in virtual time.
    Test(cli::test::Arguments),
    /// Print the JSON Schema of a file, for editors; or the manual page of the steps.
    Schema(cli::schema::Arguments),
    /// Draw an application: its blocks, the jumps between them, the levels held.
    Draw(cli::draw::Arguments),
    /// Be the caller of an application, in a terminal.
    Run(cli::run::Arguments),
    /// Show what changes for callers between two versions of an application.
    Diff(cli::diff::Arguments),
    /// Call a SIP address and go through the call flow as a caller would.
    Call(cli::call::Arguments),
    /// Make many calls at once to any SIP system, and measure what comes back.
    Load(cli::load::Arguments),
    /// Add, import, show and remove the people who call.
    Subject(cli::subject::Arguments),
    Token(cli::token::Arguments),
    Webhook(cli::webhook::Arguments),
    /// Enrol a factor for a subject.
    Enrol(cli::enrol::Arguments),
    /// Calibrate and measure the comparison of voices.
    Voice(cli::voice::Arguments),
    /// Say in plain words what a policy asks for, and list the ready ones.
    Policy(cli::policy::Arguments),
    /// Verify and export the audit log.
    Audit(cli::audit::Arguments),
    /// List who asked to be called back.
    Callbacks(cli::callbacks::Arguments),
    /// List, play and delete the messages that callers left.
    Messages(cli::messages::Arguments),
    /// List recordings of calls, play and export them.
    Recording(cli::recording::Arguments),
    /// Show who sends codes and notices, try one out, tell what became of letters.
    Senders(cli::senders::Arguments),
    /// Show the letters of a development sender.
    Codes(cli::codes::Arguments),
    /// Give an agent's phone its password.
    Agent(cli::agent::Arguments),
    /// Print the public key that agents' tokens are signed with; list, rotate and retire keys.
    Keys(cli::keys::Arguments),
    /// Show how long what is kept, and remove what is past its time.
    Retention(cli::retention::Arguments),
    /// Bring models of speech, list and verify them.
    Models(cli::models::Arguments),
    /// Copy the data folder, without its keys, while it is served.
    Backup(cli::backup::BackupArguments),
    /// Put a backup into an empty data folder that has the keys.
    Restore(cli::backup::RestoreArguments),
}

/// `countersign status | head`: whoever read has seen enough, which is no defect to tell of.
fn end_when_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let message = info.payload().downcast_ref::<String>().map(String::as_str).unwrap_or_default();
        if message.starts_with("failed printing to stdout") && message.contains("Broken pipe") {
            std::process::exit(0);
        }
        usual(info);
    }));
}

fn main() -> ExitCode {
    end_when_nobody_reads();
    match Cli::parse().command {
        None => cli::serve::demo(),
        Some(Command::Serve(arguments)) => cli::serve::run(arguments),
        Some(Command::Reload(arguments)) => cli::reload::run(arguments),
        Some(Command::Calls(arguments)) => cli::calls::list(arguments),
        Some(Command::Explain(arguments)) => cli::calls::explain(arguments),
        Some(Command::Status(arguments)) => cli::status::run(arguments),
        Some(Command::Trunk(arguments)) => cli::trunk::trunk(arguments),
        Some(Command::Route(arguments)) => cli::trunk::route(arguments),
        Some(Command::Drain(arguments)) => cli::drain::run(arguments),
        Some(Command::Check(arguments)) => cli::check::run(arguments),
        Some(Command::Run(arguments)) => cli::run::run(arguments),
        Some(Command::Test(arguments)) => cli::test::run(arguments),
        Some(Command::Schema(arguments)) => cli::schema::run(arguments),
        Some(Command::Draw(arguments)) => cli::draw::run(arguments),
        Some(Command::Diff(arguments)) => cli::diff::run(arguments),
        Some(Command::Call(arguments)) => cli::call::run(arguments),
        Some(Command::Load(arguments)) => cli::load::run(&arguments),
        Some(Command::Subject(arguments)) => cli::subject::run(arguments),
        Some(Command::Token(arguments)) => cli::token::run(arguments),
        Some(Command::Webhook(arguments)) => cli::webhook::run(arguments),
        Some(Command::Enrol(arguments)) => cli::enrol::run(arguments),
        Some(Command::Voice(arguments)) => cli::voice::run(arguments),
        Some(Command::Policy(arguments)) => cli::policy::run(arguments),
        Some(Command::Audit(arguments)) => cli::audit::run(arguments),
        Some(Command::Callbacks(arguments)) => cli::callbacks::run(&arguments),
        Some(Command::Messages(arguments)) => cli::messages::run(arguments),
        Some(Command::Models(arguments)) => cli::models::run(arguments),
        Some(Command::Recording(arguments)) => cli::recording::run(arguments),
        Some(Command::Senders(arguments)) => cli::senders::run(arguments),
        Some(Command::Codes(arguments)) => cli::codes::run(&arguments),
        Some(Command::Agent(arguments)) => cli::agent::run(arguments),
        Some(Command::Keys(arguments)) => cli::keys::run(arguments),
        Some(Command::Retention(arguments)) => cli::retention::run(arguments),
        Some(Command::Backup(arguments)) => cli::backup::backup(&arguments),
        Some(Command::Restore(arguments)) => cli::backup::restore(&arguments),
    }
}
