//! Rounds of calls, one after another, against the real program: what it holds after many is what it held after few. The
//! long forms, at 80 % of what a core bears and under a flood, run for as long as COUNTERSIGN_SOAK and COUNTERSIGN_FLOOD say, as
//! `30m`: docs/operating.md.

#![expect(clippy::print_stdout, reason = "the figures are of interest")]
#![expect(clippy::cast_precision_loss, reason = "octets and seconds")]

mod canary;
mod site;

use std::fs;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use countersign::driver::os;
use countersign::load::{self, Plan, Process, Report};
use countersign::units::Digit;
use site::{Folder, SOON, Served};

/// Pairs of ports that the server has are 50.
const CALLS: usize = 40;
const WARM_UP: usize = 7;
/// Of a call that is over something is kept for repetitions: 64 times T1 (RFC 3261 §17.2.2).
const KEPT: Duration = Duration::from_secs(33);
const ROUNDS: usize = 7;

fn open_files(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}

/// Whether it has no more files and sockets open than that, soon.
fn comes_down_to(process: u32, files: usize) -> bool {
    let until = os::now() + SOON;
    while open_files(process) > files && os::now() < until {
        os::pause(Duration::from_millis(50));
    }
    open_files(process) <= files
}

fn round(server: &Served) -> Report {
    let plan = Plan {
        per_second: 100,
        hold: Duration::from_millis(300),
        keys: "1234".chars().filter_map(Digit::from_char).collect(),
        keys_after: Duration::from_millis(100),
        process: Some(server.pid()),
        ..Plan::new(&server.uri(), CALLS)
    };
    let report = load::run(&plan).expect("a crowd");
    assert_eq!((report.answered, report.cut), (CALLS, 0), "{:?}", report.failures);
    report
}

#[test]
fn what_a_call_held_is_given_back() {
    let folder = Folder::new("no-leak");
    let server = Served::start(&folder.file("data"), &["--bench"], None);
    let memory = || Process(server.pid()).usage().expect("it runs").memory;
    let files = open_files(server.pid());
    let before = memory();
    let first = round(&server);
    let held = first.server_memory_per_call.expect("it is measured");
    for _ in 1..WARM_UP {
        round(&server);
    }
    assert!(comes_down_to(server.pid(), files), "files and sockets are left");
    os::pause(KEPT);
    let warm = memory();
    // As many again, which find the memory of those.
    for _ in 0..ROUNDS {
        round(&server);
    }
    assert!(comes_down_to(server.pid(), files), "files and sockets are left");
    let after = memory();
    let grown = after.saturating_sub(warm) / (CALLS * ROUNDS) as u64;
    println!("{before} octets, {warm} after {WARM_UP} rounds, {after} after {ROUNDS} more: {grown} a call");
    println!("a call held {held:.0}; {files} files were open, {} are", open_files(server.pid()));
    // What the first calls took is what a leak of calls would take again and again. What the program fills up once
    // (caches, pools) is not full after so few of them.
    assert!(held > 4096.0, "a call that is up is seen in the figure: {held}");
    let grown = grown as f64;
    assert!(grown * 4.0 < held, "{grown} octets a call are kept of {held}");
}

/// What the server held with all calls of a round up, and when.
struct Held {
    seconds: f64,
    memory: u64,
    files: usize,
}

/// One round, watched.
fn watched(server: &Served, plan: &Plan, since: Instant) -> (Report, Held) {
    std::thread::scope(|scope| {
        let crowd = scope.spawn(|| load::run(plan).expect("a crowd"));
        let mut held = Held { seconds: 0.0, memory: 0, files: 0 };
        while !crowd.is_finished() {
            let usage = Process(server.pid()).usage().expect("it runs");
            held.memory = held.memory.max(usage.memory);
            held.files = held.files.max(open_files(server.pid()));
            os::pause(Duration::from_millis(500));
        }
        held.seconds = (os::now() - since).as_secs_f64();
        (crowd.join().expect("a report"), held)
    })
}

/// How fast values grow, by least squares, and what is left unexplained (standard error).
fn slope(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let slope = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread;
    let left: f64 = points.iter().map(|point| (point.1 - y - slope * (point.0 - x)).powi(2)).sum();
    (slope, (left / (count - 2.0) / spread).sqrt())
}

#[test]
fn a_slope_is_found_and_how_sure_it_is() {
    let line: Vec<_> = (0..10).map(|n| (f64::from(n), 7.0 + 3.0 * f64::from(n))).collect();
    let (rate, error) = slope(&line);
    assert!((rate - 3.0).abs() < 1e-9 && error < 1e-9, "{rate} {error}");
    let noise: Vec<_> = (0..10).map(|n| (f64::from(n), if n % 2 == 0 { 5.0 } else { 6.0 })).collect();
    let (rate, error) = slope(&noise);
    assert!(rate.abs() < 2.0 * error, "{rate} {error}");
}

/// For how long a long form is to run; nothing when it is not.
fn wanted(name: &str) -> Option<Duration> {
    let Ok(length) = std::env::var(name) else {
        println!("skipped: {name} does not say for how long, as 30m");
        return None;
    };
    let minutes: u64 =
        length.strip_suffix('m').and_then(|count| count.parse().ok()).expect("minutes, as 30m");
    Some(Duration::from_secs(60 * minutes))
}

/// Calls of the long form at most: 80 % of the 3,000 that one core is to bear.
const MOST_CALLS: usize = 2400;
/// What memory may seem to grow by while it is measured. In half an hour at 2,400 calls a round these are less octets a call than
/// the smallest block that `malloc` gives.
const GROWTH: f64 = 1_048_576.0;

#[test]
fn a_server_under_load_for_long_holds_what_it_held() {
    let Some(length) = wanted("COUNTERSIGN_SOAK") else { return };
    let folder = Folder::new("soak");
    let server = Served::start(&folder.file("data"), &["--bench", "--rtp-ports", "20000-29999"], None);
    let uri = format!("sip:bench@{}", server.sip);
    let files = open_files(server.pid());
    let plan = |calls, hold| Plan {
        // All are up after ten seconds.
        per_second: u32::try_from(calls / 10).expect("thousands"),
        hold,
        keys: "1234".chars().filter_map(Digit::from_char).collect(),
        keys_after: Duration::from_secs(4),
        process: Some(server.pid()),
        ..Plan::new(&uri, calls)
    };
    let (first, _) = watched(&server, &plan(300, Duration::from_secs(10)), os::now());
    let cost = first.server_micros_per_call_second.expect("it is measured");
    let most = (50..=MOST_CALLS).rev().find(|calls| *calls as f64 * cost <= 0.8e6).unwrap_or(50);
    let calls =
        std::env::var("COUNTERSIGN_SOAK_CALLS").map_or(most, |calls| calls.parse().expect("a number"));
    println!(
        "a call takes {cost:.0} µs a second: {calls} calls take {:.0} % of a core",
        calls as f64 * cost / 1e4
    );
    let hold = (length / 12).min(Duration::from_secs(45));
    let (start, mut rounds) = (os::now(), Vec::new());
    let mut clean = 0;
    while os::now() - start < length {
        let (report, held) = watched(&server, &plan(calls, hold), start);
        assert_eq!((report.answered, report.cut), (calls, 0), "{:?}", report.failures);
        assert!(comes_down_to(server.pid(), files), "files and sockets are left");
        clean += usize::from(report.is_clean());
        println!(
            "{:6.0} s: {:.2} MB and {} files with all calls up, {} after; p99 of the gap {:.1} ms, {:.0} µs a call and second{}",
            held.seconds,
            held.memory as f64 / 1e6,
            held.files,
            open_files(server.pid()),
            report.gap_deviation.p99,
            report.server_micros_per_call_second.unwrap_or_default(),
            if report.is_clean() { "" } else { ", not clean" }
        );
        rounds.push(held);
    }
    // What fills up once does so in the first sixth.
    let measured: Vec<&Held> =
        rounds.iter().filter(|held| held.seconds > length.as_secs_f64() / 6.0).collect();
    assert!(measured.len() > 3, "too short to tell a slope: {} rounds", measured.len());
    let points: Vec<_> = measured.iter().map(|held| (held.seconds, held.memory as f64)).collect();
    let (rate, error) = slope(&points);
    let grown = rate * (points[points.len() - 1].0 - points[0].0);
    println!(
        "{} rounds of {calls} calls, {clean} clean; memory grows by {:.2} MB an hour (standard error {:.2}), {:.0} kB while it was measured",
        rounds.len(),
        rate * 3600.0 / 1e6,
        error * 3600.0 / 1e6,
        grown / 1e3
    );
    assert!(grown < GROWTH || rate < 2.0 * error, "memory grows");
    let most = measured.iter().map(|held| held.files).max().unwrap_or_default();
    let least = measured.iter().map(|held| held.files).min().unwrap_or_default();
    assert!(most - least <= 2, "from {least} to {most} files and sockets with all calls up");
    assert!(clean * 10 >= rounds.len() * 9, "{clean} of {} rounds were clean", rounds.len());
}

/// A trunk that floods, beside the one whose callers are served.
const FLOODED: &str = "\
trunks: [{name: loopback, addresses: [\"127.0.0.1\"]}, {name: other, addresses: [\"127.0.0.5\"]}]
";
/// What is kept of a transaction that is over goes after 64 times T1: by twice that a flood has filled what it can.
const FILLED: Duration = Duration::from_secs(64);

#[test]
fn a_flood_for_minutes_fills_what_is_bounded_and_leaves_the_callers_of_another_trunk_alone() {
    let Some(length) = wanted("COUNTERSIGN_FLOOD") else { return };
    let folder = Folder::new("flood");
    let data = folder.file("data");
    fs::create_dir_all(&data).expect("a folder");
    fs::write(data.join("countersign.yaml"), FLOODED).expect("the settings");
    let server = Served::start(&data, &["--bench", "--rtp-ports", "20000-21999"], None);
    let memory = || Process(server.pid()).usage().expect("it runs").memory;
    let callers = Plan {
        per_second: 10,
        hold: Duration::from_secs(1),
        ..Plan::new(&format!("sip:bench@{}", server.sip), 20)
    };
    let (files, before) = (open_files(server.pid()), memory());
    let flood = UdpSocket::bind("127.0.0.5:0").expect("a socket");
    flood.connect(server.sip).expect("connected");
    let over = AtomicBool::new(false);
    let (mut offered, mut answered, mut full) = (0, 0, Vec::new());
    let answers = std::thread::scope(|scope| {
        let flood = scope.spawn(|| canary::floods(&flood, &over, length * 2));
        let began = os::now();
        while os::now() - began < length {
            let (report, held) = watched(&server, &callers, began);
            offered += 20;
            answered += report.answered;
            println!(
                "{:6.0} s: {:.2} MB, {} of 20 answered",
                held.seconds,
                held.memory as f64 / 1e6,
                report.answered
            );
            if os::now() - began > FILLED {
                full.push(held.memory);
            }
        }
        over.store(true, Ordering::Relaxed);
        flood.join().expect("how many answers came")
    });
    let most = |rounds: &[u64]| rounds.iter().copied().max().unwrap_or_default();
    let (soon, late) = (most(&full[..full.len() / 3 * 2]), most(&full));
    println!(
        "{answers} answers, {:.0} a second; {answered} of {offered} callers were answered; memory {:.2} MB before, {:.2} with \
         the flood until two thirds of the time, {:.2} until its end",
        answers as f64 / length.as_secs_f64(),
        before as f64 / 1e6,
        soon as f64 / 1e6,
        late as f64 / 1e6,
    );
    assert!(answers > 500 * length.as_secs(), "the flood is answered");
    assert!(answered * 100 >= offered * 95, "{answered} of {offered} callers were answered");
    assert!(full.len() > 3, "too short to tell a plateau");
    assert!(
        ((late - soon) as f64) < GROWTH,
        "memory grows to the end of the flood: {soon} octets, then {late}"
    );
    // What the flood held is given back, or serves whoever comes next.
    assert!(comes_down_to(server.pid(), files), "files and sockets are left");
    let until = os::now() + Duration::from_secs(60);
    while memory() > before + before / 4 && os::now() < until {
        os::pause(Duration::from_millis(500));
    }
    println!("{:.1} MB are left of it", memory().saturating_sub(before) as f64 / 1e6);
}
