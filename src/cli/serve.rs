//! `countersign serve`, and `countersign` alone: the demonstration bank.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command speaks through its standard streams"
)]

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use countersign::audio::Clip;
use countersign::driver::application::ApplicationSource;
use countersign::driver::config::Config;
use countersign::driver::prompts::{AudioLibrary, AudioSources};
use countersign::driver::recognition::EarsFrom;
use countersign::driver::serve::{self, Deployment, ServeSettings};
use countersign::driver::services::ServicesFrom;
use countersign::driver::signals::{self, Signal, Signals};
use countersign::driver::supervisor::{PassedSockets, Supervisor};
use countersign::driver::versions::Change;
use countersign::driver::{demo, embedded, os};
use countersign::flow::ClipKey;
use countersign::phone::{Phone, PhoneConfig, agent};
use countersign::sip::timers::TimerConfig;

/// Take calls with an application folder.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The application's folder; the bank inside the binary when absent.
    application: Option<PathBuf>,
    /// Another version of it, on trial: it gets `--percent` of a hundred new calls.
    #[arg(long, value_name = "DIR", requires = "percent")]
    canary: Option<PathBuf>,
    /// How many of a hundred new calls the version on trial gets.
    #[arg(long, value_name = "N", requires = "canary", value_parser = clap::value_parser!(u8).range(0..=100))]
    percent: Option<u8>,
    /// The SIP address, for UDP and TCP.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5060")]
    sip: SocketAddr,
    /// The data folder: settings, keys, database, audit log.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// Serve what generators of load measure, in place of an application: user `bench` answers, asks for the keys 1234
    /// and plays without a pause, user `setup` only answers.
    #[arg(long, conflicts_with_all = ["application", "canary", "demo_agent"])]
    bench: bool,
    /// How many shards; one per core when absent.
    #[arg(long, value_name = "N")]
    shards: Option<usize>,
    /// The media ports, RTP on the even ones.
    #[arg(long, value_name = "FIRST-LAST", default_value = "20000-29999", value_parser = super::port_range)]
    rtp_ports: RangeInclusive<u16>,
    /// Make demo customers at the first run, and run the demo agent on this port of loopback.
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "0")]
    demo_agent: Option<u16>,
}

const DEMO_SIP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5060);

pub(crate) fn demo() -> ExitCode {
    run(Arguments {
        application: None,
        canary: None,
        percent: None,
        sip: DEMO_SIP,
        data: PathBuf::from("data"),
        bench: false,
        shards: None,
        rtp_ports: 20_000..=29_999,
        demo_agent: Some(0),
    })
}

pub(crate) fn run(arguments: Arguments) -> ExitCode {
    match serve(arguments) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("{}", if message.starts_with("error") { message } else { format!("error: {message}") });
            ExitCode::from(2)
        }
    }
}

fn serve(arguments: Arguments) -> Result<ExitCode, String> {
    super::log_to_stderr();
    os::keep_memory_private();
    if arguments.bench {
        let room = usize::from(arguments.rtp_ports.end() - arguments.rtp_ports.start()) / 2 + 1;
        Config::write_for_measuring(&arguments.data, room).map_err(super::text)?;
    }
    let application = match &arguments.application {
        Some(folder) => ApplicationSource::Folder(folder.clone()),
        None if arguments.bench => ApplicationSource::Embedded(embedded::BENCH_APPLICATION),
        None => ApplicationSource::Embedded(embedded::DEFAULT_APPLICATION),
    };
    let agent_phone = arguments.demo_agent.map(demo_agent_phone).transpose()?;
    let agent_address = agent_phone.as_ref().map(|phone| phone.address);
    let supervisor = Supervisor::of_environment();
    let settings = ServeSettings {
        application,
        sip: arguments.sip,
        data: arguments.data.clone(),
        shards: arguments.shards.unwrap_or_else(cores),
        rtp_ports: arguments.rtp_ports,
        more_agents: agent_address
            .map(|at| ("demo".to_owned(), format!("sip:demo@{at}")))
            .into_iter()
            .collect(),
        sip_timers: TimerConfig::default(),
        services: ServicesFrom::default(),
        ears: EarsFrom::default(),
        passed: Arc::new(PassedSockets::of_environment().map_err(super::text)?),
    };
    let interrupted = signals::watch().map_err(|error| format!("signals can't be watched: {error}"))?;
    let deployment = serve::start(&settings).map_err(|error| error.to_string())?;
    let warnings = deployment.application().warnings.len();
    if warnings > 0 {
        eprintln!("{warnings} warning(s) about the application; `countersign check` shows them");
    }
    if let (Some(folder), Some(percent)) = (&arguments.canary, arguments.percent) {
        try_out(&deployment, folder, percent)?;
    }
    let agent = agent_phone.map(|phone| DemoAgent::start(phone, &deployment)).transpose()?;
    if agent.is_some() {
        make_customers(&settings.data, &deployment)?;
    }
    greet(&settings, &deployment, agent_address);
    let watched = supervisor.watch(deployment.hearts()).map_err(|error| format!("no watchdog: {error}"))?;
    supervisor.ready(&taking_calls(&deployment));
    let end = watch(&deployment, &interrupted, &supervisor);
    let broken = matches!(end, End::Broken(_));
    match end {
        End::Asked { within } => wind_down(deployment, &interrupted, within, &supervisor),
        End::Broken(part) => {
            eprintln!(
                "error: {part} ended by a defect; this process stops, for its supervisor to start it again"
            );
            deployment.stop();
        }
    }
    drop(watched);
    if let Some(agent) = agent {
        agent.stop();
    }
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Why serving ends.
enum End {
    /// Somebody asked for it; calls that run may go on for so long.
    Asked { within: Duration },
    /// A part ended by itself.
    Broken(&'static str),
}

/// Serves until somebody or something ends it; a SIGHUP loads the application again.
fn watch(deployment: &Deployment, signals: &Signals, supervisor: &Supervisor) -> End {
    loop {
        match signals.wait_for(Duration::from_secs(1)) {
            Some(Signal::Stop) => return End::Asked { within: deployment.versions.farewell() },
            Some(Signal::Reload) => {
                supervisor.reloading();
                super::reload::by_signal(deployment);
                supervisor.ready(&taking_calls(deployment));
            }
            None => {}
        }
        if let Some(drain) = deployment.versions.draining() {
            return End::Asked { within: drain.within };
        }
        if let Some(part) = deployment.broken() {
            return End::Broken(part);
        }
    }
}

fn taking_calls(deployment: &Deployment) -> String {
    let application = deployment.application();
    format!("`{}` (version {}) on sip:{}", application.application.title, application.hash, deployment.sip)
}

/// Begins with a version on trial, or not at all.
fn try_out(deployment: &Deployment, folder: &std::path::Path, percent: u8) -> Result<(), String> {
    let from = Some(ApplicationSource::Folder(folder.to_owned()));
    let tried = deployment.versions.apply(Change::Canary { from, percent });
    let (canary, percent) =
        tried.map_err(super::text)?.canary.ok_or("the version on trial is not there".to_owned())?;
    println!("on trial: `{}` (version {}) gets {percent} % of new calls", canary.title, canary.hash);
    Ok(())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// Running calls may end by themselves for a while; a second signal ends them at once.
fn wind_down(deployment: Deployment, signals: &Signals, within: Duration, supervisor: &Supervisor) {
    deployment.versions.drain(within);
    let calls = deployment.calls();
    supervisor.stopping(within, calls);
    if calls > 0 {
        let within = within.as_secs();
        // A server ends in order when nobody reads what it prints.
        let _ = writeln!(
            std::io::stdout(),
            "{calls} call(s) running; waiting up to {within} s for them to end. Press Ctrl-C again to end them now."
        );
    }
    let deadline = os::now() + within;
    while deployment.calls() > 0
        && os::now() < deadline
        && signals.wait_for(Duration::from_millis(200)) != Some(Signal::Stop)
    {}
    deployment.stop();
}

fn greet(settings: &ServeSettings, deployment: &Deployment, agent: Option<SocketAddr>) {
    let application = deployment.application();
    println!(
        "countersign {}: `{}` (version {}) answers on sip:{} by UDP and TCP, {} shard(s)",
        env!("CARGO_PKG_VERSION"),
        application.application.title,
        application.hash,
        deployment.sip,
        settings.shards,
    );
    if let Some(tls) = deployment.listening.tls {
        println!("SIP over TLS on {tls}");
    }
    let (ws, wss) = (deployment.listening.ws, deployment.listening.wss);
    for address in ws.map(|at| format!("ws://{at}")).into_iter().chain(wss.map(|at| format!("wss://{at}"))) {
        println!("SIP over WebSocket on {address}");
    }
    if let Some(web) = deployment.web() {
        println!("HTTP on {web}");
    }
    println!("settings, keys and database are in {}", settings.data.display());
    if agent.is_some() {
        let sip = deployment.sip;
        let data = settings.data.display();
        println!("\nTry a call from another terminal:");
        println!("  cargo run --release -- call sip:bank@{sip} --demo {data}");
        println!("  baresip -e \"/dial sip:bank@{sip}\"          (keys: type them while the call is up)");
        println!("  linphonec, then: call sip:bank@{sip}         (keys: type them and press Enter)");
        println!(
            "Account numbers, PINs and authenticator secrets of the demo customers: {data}/demo-credentials.txt"
        );
    }
    println!("\nready; Ctrl-C stops.");
}

/// At the first run: demo customers, whose credentials are shown this once.
fn make_customers(data: &std::path::Path, deployment: &Deployment) -> Result<(), String> {
    let now = os::unix_now();
    if !deployment.vault.all_shown(now).map_err(|error| error.to_string())?.is_empty() {
        return Ok(());
    }
    let made = demo::create_customers(&deployment.vault, data, now).map_err(|error| error.to_string())?;
    println!("demo customers (shown once; also in {}):", made.path.display());
    println!("  {:<10} {:<10} {:<10} authenticator secret", "customer", "account", "PIN");
    for customer in &made.customers {
        let [pin, secret] = [customer.pin.expose(), customer.totp_secret.expose()];
        println!("  {:<10} {:<10} {pin:<10} {secret}", customer.id, customer.account);
    }
    println!();
    Ok(())
}

fn demo_agent_phone(port: u16) -> Result<Phone, String> {
    let mut config = PhoneConfig::loopback("demo", 30_000..=30_199);
    config.bind.set_port(port);
    config.wants_trace = false;
    Phone::new(config).map_err(|error| format!("the demo agent can't start: {error}"))
}

/// A recording inside the binary: the demo agent's own words are no part of an application.
fn embedded_clip(key: &ClipKey) -> Option<Arc<Clip>> {
    let sources = AudioSources { embedded: true, ..AudioSources::default() };
    let library = AudioLibrary::load(&sources, &BTreeSet::from([key.clone()])).ok()?;
    library.get(key).cloned()
}

struct DemoAgent {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl DemoAgent {
    #[expect(clippy::disallowed_methods, reason = "the demo agent is a thread of its own")]
    fn start(phone: Phone, deployment: &Deployment) -> Result<Self, String> {
        let clips = deployment.application().clips;
        let mut greetings = HashMap::new();
        for level in ["none", "basic", "strong"] {
            let key = ClipKey::new(format!("en-GB/demo_agent_{level}"));
            let clip = clips.get(&key).cloned().or_else(|| embedded_clip(&key));
            greetings.extend(clip.map(|clip| (level.to_owned(), clip)));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("demo-agent".to_owned())
            .spawn(move || agent::run(phone, &greetings, &stopped))
            .map_err(|error| format!("the demo agent can't start: {error}"))?;
        Ok(Self { stop, thread })
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        // An agent that panicked has said so on its way out.
        let _ = self.thread.join();
    }
}
