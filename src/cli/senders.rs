//! `countersign senders`: who sends, whether it works, what became of letters.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use countersign::auth::SubjectKey;
use countersign::driver::config::Config;
use countersign::driver::os;
use countersign::driver::secrets::Secrets;
use countersign::driver::sender::{Letter, LetterId, Purpose, Report, SenderConfig};
use countersign::secret::Secret;

/// Shows who sends codes and notices, tries one out, tells what became of letters.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists the senders of the settings, in the order in which they are tried.
    List {
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Sends a letter without a code, past all budgets, and tells what came back.
    Test {
        /// The sender's name in the settings.
        sender: String,
        /// The address: a number with + and its country code, a mail address, the name of a device.
        #[arg(long)]
        to: String,
        /// How many seconds to wait for word of its delivery, where the sender's own connection brings it.
        #[arg(long, default_value_t = 15)]
        wait: u64,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Lists the last letters, the newest first: when, by whom, what became of them. Never what they said.
    Letters {
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    super::log_to_stderr();
    super::ended(match arguments.command {
        Command::List { data } => list(&data),
        Command::Test { sender, to, wait, data } => {
            test(&data, &sender, to, Duration::from_secs(wait.min(600)))
        }
        Command::Letters { limit, data } => letters(&data, limit),
    })
}

fn list(data: &Path) -> Result<(), String> {
    let config = Config::read(data).map_err(super::text)?;
    if config.senders.is_empty() {
        println!("no senders: add them under `senders:` of {}", data.join(Config::FILE).display());
    }
    for sender in &config.senders {
        let channels: Vec<&str> = sender.channels().into_iter().map(|channel| channel.name()).collect();
        println!("{:<20} {:<12} {}", sender.name, sender.kind(), channels.join(", "));
    }
    Ok(())
}

fn found<'c>(config: &'c Config, name: &str) -> Result<&'c SenderConfig, String> {
    config.senders.iter().find(|sender| sender.name == name).ok_or_else(|| {
        let names: Vec<&str> = config.senders.iter().map(|sender| sender.name.as_str()).collect();
        format!("there is no sender `{name}`\n  help: the settings have: {}", names.join(", "))
    })
}

fn test(data: &Path, name: &str, to: String, wait: Duration) -> Result<(), String> {
    let config = Config::read(data).map_err(super::text)?;
    let sender = found(&config, name)?;
    let channel = *sender.channels().first().ok_or("the sender has no channel")?;
    if !sender.shows() && !config.letters.allows(channel, &to) {
        return Err(format!(
            "letters to {to} are not allowed\n  help: write a number with + and its country code, and name its \
             beginning under `letters: {{countries: [...]}}`; or a plain mail address"
        ));
    }
    let (told, reports) = sync_channel(16);
    let take = Arc::new(move |report: Report| {
        // More reports than one letter has are of no interest.
        let _ = told.try_send(report);
    });
    let secrets = Arc::new(Secrets::new(data, config.secrets.clone()));
    let opened = sender.open(&secrets, take).map_err(super::text)?;
    let mut id = [0; 16];
    os::fill_random(&mut id).map_err(super::text)?;
    let now = os::unix_now();
    let letter = Letter {
        channel,
        to: Secret::new(to),
        subject: SubjectKey(id),
        language: "en-GB".to_owned(),
        text: Secret::new(format!("This is a test of the sender {name}. Nothing needs to be done.")),
        code: None,
        title: Some("Test".to_owned()),
        purpose: Purpose::Notice,
        until: now.plus(Duration::from_secs(600)),
    };
    let begun = os::now();
    let handed = opened.deliver(LetterId(id), &letter, begun + sender.timeout());
    let took = os::now().saturating_duration_since(begun).as_millis();
    let accepted =
        handed.map_err(|why| format!("`{name}` did not take the letter after {took} ms: {why}"))?;
    let reference = accepted.reference.as_deref().unwrap_or("without a name");
    let what = if accepted.delivered { "delivered" } else { "accepted" };
    println!("{channel} by `{name}`: {what} in {took} ms; the provider calls it {reference}");
    if !accepted.delivered && sender.tells_itself() {
        match reports.recv_timeout(wait) {
            Ok(report) => {
                let code = report.code.map(|code| format!(" (code {code})")).unwrap_or_default();
                println!("the provider reports: {}{code}", report.status.name());
            }
            Err(_) => println!("no word of its delivery within {} s", wait.as_secs()),
        }
    }
    Ok(())
}

fn letters(data: &Path, limit: u32) -> Result<(), String> {
    for row in super::existing(data)?.letters(limit).map_err(super::text)? {
        let sender = row.sender.as_deref().unwrap_or("-");
        let (at, channel, purpose) = (super::when(row.at), row.channel.name(), row.purpose.name());
        let reason = row.reason.as_deref().unwrap_or_default();
        println!(
            "{at}  {}  {channel:<5} {purpose:<6} {:<9} by {sender}  {reason}",
            row.id,
            row.status.name()
        );
    }
    Ok(())
}
