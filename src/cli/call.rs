//! `countersign call`: the test caller.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command speaks through its standard streams"
)]

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use countersign::audio::wav::Recording;
use countersign::audio::{Clip, Codec, decode_file};
use countersign::media::SrtpPolicy;
use countersign::phone::conversation::{self, Outcome, Plan};
use countersign::phone::demo::{Credentials, demo_answers};
use countersign::phone::{Phone, PhoneConfig, keys};
use countersign::units::SampleRate;

/// Call a SIP address and go through the call flow as a caller would.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Whom to call: `sip:USER@ADDRESS:PORT` with a numeric address.
    uri: String,
    /// What to press: `~` waits for the prompt to pause, `2s` is a pause, the rest are keys.
    #[arg(long, value_name = "KEYS", allow_hyphen_values = true)]
    keys: Option<String>,
    /// Go through the demonstration bank as a demo customer, whose credentials lie in this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "keys")]
    demo: Option<PathBuf>,
    /// Which demo customer, counted from 1.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "demo")]
    customer: usize,
    /// Say this audio file when all keys are pressed (and an agent is there, if one is expected).
    #[arg(long, value_name = "FILE")]
    say: Option<PathBuf>,
    /// Write what is heard into this WAV file.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// The call has failed when no agent takes it.
    #[arg(long)]
    expect_agent: bool,
    /// The call has failed when this level was not reached.
    #[arg(long, value_name = "LEVEL")]
    expect_level: Option<String>,
    /// Seconds to stay on the line when everything is done.
    #[arg(long, value_name = "SECONDS", default_value_t = 7)]
    stay: u64,
    /// Seconds to wait for an answer, a prompt or an agent.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    patience: u64,
    /// Speak this codec only: `pcmu`, `pcma`, `g722`, `l16` or `opus`.
    #[arg(long, value_name = "CODEC")]
    codec: Option<String>,
    /// Say, as a carrier does that verified the number: this level of attestation, `A`, `B` or `C`. It counts on
    /// trunks with `verstat: true` only.
    #[arg(long, value_name = "LEVEL", value_parser = ["A", "B", "C"])]
    attestation: Option<String>,
    /// Encrypt the media (SRTP, keys in the session description).
    #[arg(long)]
    srtp: bool,
    /// Send no RTCP.
    #[arg(long)]
    no_rtcp: bool,
    /// The local address to call from; chosen by the target when absent.
    #[arg(long, value_name = "ADDRESS:PORT")]
    from: Option<std::net::SocketAddr>,
    /// The user part of the caller's own address.
    #[arg(long, value_name = "USER", default_value = "caller")]
    user: String,
    /// Media ports of the caller.
    #[arg(long, value_name = "FIRST-LAST", default_value = "40000-40999", value_parser = super::port_range)]
    rtp_ports: std::ops::RangeInclusive<u16>,
    /// Print one JSON object in place of the transcript.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let json = arguments.json;
    match call(arguments) {
        Ok(outcome) => {
            if json {
                match serde_json::to_string_pretty(&outcome) {
                    Ok(text) => println!("{text}"),
                    Err(error) => eprintln!("error: the outcome cannot be written as JSON: {error}"),
                }
            } else {
                summary(&outcome);
            }
            if outcome.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

fn call(arguments: Arguments) -> Result<Outcome, String> {
    let codecs = codecs(arguments.codec.as_deref())?;
    let actions =
        keys::parse(arguments.keys.as_deref().unwrap_or_default()).map_err(|error| error.to_string())?;
    let answers = match &arguments.demo {
        None => Vec::new(),
        Some(folder) => {
            demo_answers(Credentials::read(folder, arguments.customer).map_err(|e| e.to_string())?)
        }
    };
    let say = arguments.say.as_deref().map(|path| read_audio(path, &codecs)).transpose()?;
    let record = arguments.record.as_deref().map(start_recording).transpose()?;
    let bind = match arguments.from {
        Some(address) => address,
        None => countersign::phone::local_address_for(&arguments.uri).map_err(|error| error.to_string())?,
    };
    let config = PhoneConfig {
        bind,
        user: arguments.user,
        codecs,
        rtp_ports: arguments.rtp_ports,
        rtcp: !arguments.no_rtcp,
        wants_trace: true,
        headers: Vec::new(),
        srtp: if arguments.srtp { SrtpPolicy::Required } else { SrtpPolicy::Off },
    };
    let config = arguments.attestation.as_deref().into_iter().fold(config, PhoneConfig::vouched);
    let mut phone = Phone::new(config).map_err(|error| error.to_string())?;
    let quiet = arguments.json;
    let plan = Plan {
        uri: arguments.uri,
        actions,
        answers,
        say,
        record,
        expects_agent: arguments.expect_agent || arguments.demo.is_some(),
        expects_level: arguments.expect_level,
        stay: Duration::from_secs(arguments.stay),
        patience: Duration::from_secs(arguments.patience),
        tell: Box::new(move |at, line| {
            if !quiet {
                println!("{:>7.2} s  {line}", at.as_secs_f64());
            }
        }),
    };
    conversation::hold(&mut phone, plan).map_err(|error| error.to_string())
}

fn codecs(name: Option<&str>) -> Result<Vec<Codec>, String> {
    let Some(name) = name else { return Ok(Codec::G711.to_vec()) };
    let codec = Codec::from_name(name).ok_or_else(|| {
        let names: Vec<String> = Codec::ALL.iter().map(|codec| codec.name().to_lowercase()).collect();
        format!("`{name}` is not a codec of this caller\n  help: use --codec {}", names.join(", "))
    })?;
    Ok(vec![codec])
}

fn read_audio(path: &Path, codecs: &[Codec]) -> Result<Arc<Clip>, String> {
    let unreadable = |why: String| {
        format!("cannot use {}: {why}\n  help: give a WAV, MP3, Ogg or FLAC file to --say", path.display())
    };
    let bytes = fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let pcm = decode_file(&bytes, extension).map_err(|error| unreadable(error.to_string()))?;
    Ok(Arc::new(Clip::encode(&pcm.samples, pcm.rate, codecs)))
}

fn start_recording(path: &Path) -> Result<Recording<BufWriter<File>>, String> {
    let failed = |why: String| {
        format!(
            "cannot write {}: {why}\n  help: give --record a file in a folder that you may write to",
            path.display()
        )
    };
    let file = File::create(path).map_err(|error| failed(error.to_string()))?;
    Recording::start(BufWriter::new(file), SampleRate::TELEPHONE).map_err(|error| failed(error.to_string()))
}

fn summary(outcome: &Outcome) {
    println!();
    println!("answered         {}", yes_no(outcome.answered));
    println!("agent connected  {}", yes_no(outcome.agent_connected));
    println!("level            {} ({})", outcome.level, outcome.factors.join(", "));
    match &outcome.reason {
        None => println!("result           as asked"),
        Some(reason) => println!("result           not as asked: {reason}"),
    }
}

const fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}
