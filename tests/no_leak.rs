//! Rounds of calls, one after another, against the real program: what it holds after many is what it held after few. The
//! long form is an hour at a thousand calls, which docs/operating.md tells how to run.

#![expect(clippy::print_stdout, reason = "the figures are of interest")]

mod site;

use std::fs;
use std::time::Duration;

use countersign::driver::os;
use countersign::load::{self, Plan, Process, Report};
use countersign::units::Digit;
use site::{Folder, SOON, Served};

/// Pairs of ports that the server has are 50.
const CALLS: usize = 40;
const WARM_UP: usize = 5;
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
    let warm = memory();
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
    #[expect(clippy::cast_precision_loss, reason = "octets of one call")]
    let grown = grown as f64;
    assert!(grown * 4.0 < held, "{grown} octets a call are kept of {held}");
}
