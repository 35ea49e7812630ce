//! How many calls one shard holds and what a call costs: `countersign serve --bench` on one core, the generator of
//! `countersign load` on the other, beside bare packet loops that the same generator measures in the same run.
//! `cargo bench --bench calls`; numbers behind `--` choose the crowds, words what all calls have besides: `plain` (the
//! bare loops are measured with it only), `srtp`, `inband` (keys are listened for in the audio of all calls), `recorded`, `opus`.
//!
//! A bare loop receives a packet and sends one each 20 ms for each flow, and does nothing else: with a socket for each
//! flow, as an engine needs it whose calls must be told apart whatever their carriers do, and with one socket for all,
//! which is the least that this machine can do. Measured on two virtual cores of a Xeon: 198 µs of processor time a call and
//! second at 1,000 calls, 195 µs at 3,000 and 200 µs at 5,000, all clean; a bare flow with a socket of its own took 133 µs at
//! 1,000 flows and 123 µs at 7,000. `docs/operating.md` has the tables.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock, waits and starts threads")]

mod bare;
mod served;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use bare::{Bare, Sockets};
use countersign::audio::Codec;
use countersign::load::{self, Plan, Report};
use countersign::units::Digit;
use served::{OWN_CORE, SERVER_CORE, Server, pin};

const CROWDS: [usize; 5] = [100, 500, 1000, 2000, 3000];
const FLOWS: [usize; 4] = [3000, 5000, 6000, 7000];
const HOLD: Duration = Duration::from_secs(10);

fn main() {
    pin(OWN_CORE);
    let chosen: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let crowds = if chosen.is_empty() { CROWDS.to_vec() } else { chosen };
    let words: Vec<String> = std::env::args().collect();
    let mut kinds: Vec<Kind> =
        Kind::ALL.into_iter().filter(|kind| words.iter().any(|word| word == kind.name())).collect();
    if kinds.is_empty() {
        kinds.push(Kind::Plain);
    }
    for kind in kinds {
        match kind {
            Kind::Plain => beside_bare_loops(&crowds),
            _ => alone(kind, &crowds),
        }
    }
}

/// A table of one kind, to be compared with that of another.
fn alone(kind: Kind, crowds: &[usize]) {
    let reports: Vec<Report> = crowds.iter().map(|&calls| crowd(kind, calls)).collect();
    println!("{}:", kind.name());
    print!("{}", load::table(&reports));
}

fn beside_bare_loops(crowds: &[usize]) {
    let bare = [Sockets::Each, Sockets::Shared].map(|sockets| (sockets, loops(sockets, crowds)));
    let least =
        bare.iter().flat_map(|(_, loops)| loops.costs.values().copied()).fold(f64::INFINITY, f64::min);
    let reports: Vec<Report> = crowds.iter().map(|&calls| crowd(Kind::Plain, calls)).collect();
    print!("{}", load::table(&reports));
    let held = reports.iter().filter(|report| report.clean).map(|report| report.calls).max().unwrap_or(0);
    let most = bare.iter().map(|(_, loops)| loops.held).max().unwrap_or(0);
    println!("held: {held} calls of {most} flows of the best bare loop ({:.0} %)", ratio(held, most) * 100.0);
    for report in &reports {
        let cost = report.server_micros_per_call_second.unwrap_or_default();
        let beside = |loops: &Loops| loops.costs.get(&report.calls).map_or(f64::NAN, |bare| cost / bare);
        let ratios: Vec<String> =
            bare.iter().map(|(sockets, loops)| format!("{:.2} × {sockets:?}", beside(loops))).collect();
        println!("{:6} calls: {cost:5.0} µs a call and second = {}", report.calls, ratios.join(", "));
    }
    println!("the least a pair of packets costs here: {:.2} µs", least / 50.0);
}

#[expect(clippy::cast_precision_loss, reason = "numbers of calls")]
fn ratio(part: usize, all: usize) -> f64 {
    part as f64 / all.max(1) as f64
}

/// What a bare loop does.
struct Loops {
    /// The most flows that it holds.
    held: usize,
    /// What a flow costs a second, in microseconds, by how many there are: a core that is busier is a cheaper one.
    costs: BTreeMap<usize, f64>,
}

/// Measures a loop with as many flows as there are calls in each crowd, and with more until it holds no more.
fn loops(sockets: Sockets, crowds: &[usize]) -> Loops {
    let (mut held, mut costs) = (0, BTreeMap::new());
    let all: BTreeSet<usize> = crowds.iter().copied().chain(FLOWS).collect();
    for flows in all {
        let loops = Bare::start(sockets, flows, SERVER_CORE);
        let report = load::run_flows(&loops.targets, Duration::from_secs(5)).expect("sockets");
        let used = loops.stop();
        // Over the whole life of the loop, as its packets are counted.
        let each = used.processor.as_secs_f64() * 1e6 / (used.sent.max(1) as f64 / 50.0);
        let own = &report.own;
        let clean = report.received_percent >= 99.0 && report.gap_deviation.p99 < 20.0;
        println!(
            "bare loop, {sockets:?}: {flows:5} flows: {:5.2} µs a pair, {each:4.0} µs a flow and second; received {:6.2} %, \
             gaps p99 {:5.2} ms; generator {:3.0} µs{}",
            each / 50.0,
            report.received_percent,
            report.gap_deviation.p99,
            own.micros_per_call_second,
            own.bottleneck.as_ref().map_or(String::new(), |why| format!(" (bottleneck: {why})")),
        );
        costs.insert(flows, each);
        if !clean {
            break;
        }
        held = flows;
    }
    Loops { held, costs }
}

fn crowd(kind: Kind, calls: usize) -> Report {
    let recorded = (kind == Kind::Recorded).then_some(recording_flow as fn(&Path));
    let server = Server::start("calls", &kind.settings(), recorded);
    let usual = Plan::new(&format!("sip:bench@{}", server.address), calls);
    let plan = Plan {
        codecs: if kind == Kind::Opus { vec![Codec::Opus] } else { usual.codecs.clone() },
        encrypted: kind == Kind::Srtp,
        per_second: 300,
        hold: HOLD,
        keys: "1234".chars().filter_map(Digit::from_char).collect(),
        process: Some(server.child.id()),
        ..usual
    };
    load::run(&plan).expect("a crowd")
}

/// What all calls of a crowd have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing besides.
    Plain,
    /// Encrypted media, both ways.
    Srtp,
    /// Keys are listened for in the audio, all the time.
    Inband,
    /// Recorded from the answer on.
    Recorded,
    /// With Opus in place of G.711, both ways.
    Opus,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Plain, Self::Srtp, Self::Inband, Self::Recorded, Self::Opus];

    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Srtp => "srtp",
            Self::Inband => "inband",
            Self::Recorded => "recorded",
            Self::Opus => "opus",
        }
    }

    /// The settings that make it so.
    fn settings(self) -> String {
        let more = match self {
            Self::Srtp => ", srtp: required",
            Self::Inband => ", inband_keys: always",
            Self::Opus => ", codecs: [opus]",
            Self::Plain | Self::Recorded => "",
        };
        format!("trunks: [{{name: local, addresses: [127.0.0.0/8]{more}}}]\nlimits: {{calls: 10000}}\n")
    }
}

/// The flow of `serve --bench`, which records.
fn recording_flow(folder: &Path) {
    let flow = include_str!("../src/driver/bench/bench.flow.yaml");
    let prompts = include_str!("../src/driver/bench/prompts/en-GB.yaml");
    let flow = flow.replace("defaults:\n", "defaults:\n  recording: {mode: always}\n");
    fs::create_dir_all(folder.join("prompts")).expect("a folder");
    fs::write(folder.join("bench.flow.yaml"), flow).expect("written");
    fs::write(folder.join("prompts/en-GB.yaml"), prompts).expect("written");
}

/// Processor time of the calling thread.
fn own_time() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(told.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0))
}
