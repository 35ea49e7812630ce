//! `countersign load`: many callers at once, measured.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command speaks through its standard streams"
)]

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use countersign::audio::Codec;
use countersign::load::{self, Plan, Report};
use countersign::units::Digit;

/// Make many calls at once to any SIP system, and measure what comes back.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Whom to call: `sip:USER@ADDRESS:PORT` with a numeric address.
    uri: String,
    /// Calls at once; several numbers with commas are tried one after the other.
    #[arg(long, value_name = "N,…", default_value = "100", value_delimiter = ',')]
    calls: Vec<usize>,
    /// New calls a second.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Seconds that are measured, with all calls up.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    hold: u64,
    /// Keys that each caller presses (RFC 4733).
    #[arg(long, value_name = "KEYS", value_parser = keys)]
    press: Option<Keys>,
    /// Milliseconds from the answer to the first key.
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    press_after: u64,
    /// The codec of the calls: opus, G722, L16, PCMA or PCMU; both laws of G.711 are offered when left out.
    #[arg(long, value_name = "NAME", value_parser = codec)]
    codec: Option<Codec>,
    /// Encrypt the media (SRTP, its keys in the session description). What comes back is counted, not decrypted.
    #[arg(long)]
    srtp: bool,
    /// The local address to call from; chosen by the target when absent.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// The number of the process that is called, if it runs here: its processor time and memory are told too.
    #[arg(long, value_name = "PID")]
    process: Option<u32>,
    /// Print JSON in place of the table: one object for each number of calls.
    #[arg(long)]
    json: bool,
}

type Keys = Vec<Digit>;

fn keys(text: &str) -> Result<Keys, String> {
    text.chars().map(|c| Digit::from_char(c).ok_or_else(|| format!("`{c}` is no key"))).collect()
}

fn codec(text: &str) -> Result<Codec, String> {
    Codec::from_name(text).ok_or_else(|| format!("`{text}` is none of opus, G722, L16, PCMA, PCMU"))
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let mut reports = Vec::new();
    for &calls in &arguments.calls {
        match load::run(&plan(arguments, calls)) {
            Ok(report) => reports.push(report),
            Err(why) => {
                eprintln!("error: {why}");
                return ExitCode::from(2);
            }
        }
    }
    if arguments.json {
        match serde_json::to_string_pretty(&reports) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("error: the figures cannot be written as JSON: {error}"),
        }
    } else {
        print!("{}", load::table(&reports));
    }
    let all = reports.iter().all(Report::is_clean);
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn plan(arguments: &Arguments, calls: usize) -> Plan {
    let usual = Plan::new(&arguments.uri, calls);
    Plan {
        codecs: arguments.codec.map_or(usual.codecs.clone(), |codec| vec![codec]),
        per_second: arguments.rate,
        hold: Duration::from_secs(arguments.hold),
        keys: arguments.press.clone().unwrap_or_default(),
        keys_after: Duration::from_millis(arguments.press_after),
        encrypted: arguments.srtp,
        bind: arguments.from,
        process: arguments.process,
        ..usual
    }
}
