//! How the real program ends, and what it tells whoever started it: calls that run may end, new ones are refused, every
//! call leaves its record; readiness, reloads and the watchdog by `sd_notify(3)`; sockets by `sd_listen_fds(3)`.

mod light;
mod site;

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as Name, UnixDatagram};
use std::path::Path;
use std::process::Command;

use countersign::sip::StatusCode;
use light::Light;
use serde_json::Value;
use site::{Folder, Handset, IN_TIME, SOON, Served, Stage, countersign, run};

/// Whoever started the program.
struct Starter(UnixDatagram);

impl Starter {
    fn new(socket: UnixDatagram) -> Self {
        socket.set_read_timeout(Some(IN_TIME)).expect("a timeout");
        Self(socket)
    }

    fn next(&self) -> String {
        let mut words = [0; 4096];
        let length = self.0.recv(&mut words).expect("a word in time");
        String::from_utf8_lossy(&words[..length]).into_owned()
    }

    /// The next word but those of the watchdog.
    fn next_news(&self) -> String {
        loop {
            let words = self.next();
            if words != "WATCHDOG=1" {
                return words;
            }
        }
    }
}

fn signal(served: &Served, name: &str) {
    let sent = Command::new("kill").args([name, &served.pid().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

fn notified<'a>(by: &'a str, more: &'a [(&'a str, &'a str)]) -> impl FnOnce(&[&str]) -> Command + 'a {
    move |arguments: &[&str]| {
        let mut command = countersign(arguments);
        command.env("NOTIFY_SOCKET", by).envs(more.iter().copied());
        command
    }
}

fn number(words: &str, key: &str) -> u64 {
    let line = words.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {key} in {words}"))
}

#[test]
fn whoever_started_it_hears_that_it_is_ready_turns_reloads_and_stops() {
    let folder = Folder::new("notify");
    let light = Light::in_folder(&folder.file("app"));
    let path = folder.file("notify");
    let starter = Starter::new(UnixDatagram::bind(&path).expect("a socket"));
    let app = light.path().display().to_string();
    let mut served = Served::by(
        notified(&path.display().to_string(), &[("WATCHDOG_USEC", "400000")]),
        &folder.file("data"),
        &["--sip", "127.0.0.1:0", &app],
        None,
    );
    let ready = starter.next();
    assert!(ready.starts_with("READY=1\nSTATUS=`Light 1`"), "{ready}");
    assert_eq!([starter.next(), starter.next()], ["WATCHDOG=1", "WATCHDOG=1"]);
    light.write(2);
    signal(&served, "-HUP");
    let reloading = starter.next_news();
    assert!(
        reloading.starts_with("RELOADING=1\n") && number(&reloading, "MONOTONIC_USEC") > 0,
        "{reloading}"
    );
    let ready = starter.next_news();
    assert!(ready.starts_with("READY=1\nSTATUS=`Light 2`"), "{ready}");
    signal(&served, "-TERM");
    let stopping = starter.next_news();
    assert!(stopping.starts_with("STOPPING=1\n"), "{stopping}");
    // The thirty seconds of the settings, and time to write the last things.
    assert_eq!(number(&stopping, "EXTEND_TIMEOUT_USEC"), 60_000_000);
    assert!(served.ended().success());
}

#[test]
fn a_watchdog_of_another_process_is_not_fed() {
    let folder = Folder::new("other");
    let light = Light::in_folder(&folder.file("app"));
    let name = format!("countersign-test-{}", std::process::id());
    let address = Name::from_abstract_name(&name).expect("a name");
    let starter = Starter::new(UnixDatagram::bind_addr(&address).expect("a socket"));
    let mut served = Served::by(
        notified(&format!("@{name}"), &[("WATCHDOG_USEC", "100000"), ("WATCHDOG_PID", "1")]),
        &folder.file("data"),
        &["--sip", "127.0.0.1:0", &light.path().display().to_string()],
        None,
    );
    assert!(starter.next().starts_with("READY=1\n"));
    signal(&served, "-HUP");
    assert!(starter.next().starts_with("RELOADING=1\n"), "no word of a watchdog in between");
    assert!(starter.next().starts_with("READY=1\n"));
    signal(&served, "-TERM");
    assert!(starter.next().starts_with("STOPPING=1\n"));
    assert!(served.ended().success());
}

const SETTINGS: &str = "trunks: [{name: local, addresses: [127.0.0.0/8], trace: true}]
queues: {general: {places: 10}}
agents: []
limits: {drain_seconds: 5}
";

fn options(to: SocketAddr) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(SOON)).expect("a timeout");
    let own = socket.local_addr().expect("an address");
    let request = format!(
        "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKo{}\r\nMax-Forwards: 70\r\nFrom: <sip:ping@{own}>;tag=1\r\n\
         To: <sip:{to}>\r\nCall-ID: o{}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        own.port(),
        own.port()
    );
    socket.send_to(request.as_bytes(), to).expect("sent");
    let mut answer = [0; 4096];
    let length = socket.recv(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

/// The causes in the records of calls that ended.
fn causes(data: &Path) -> Vec<String> {
    let shown = run(&["calls", "--last", "9", "--format", "json", "--data", &data.display().to_string()]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let records: Vec<Value> = serde_json::from_str(&text)
        .unwrap_or_else(|_| text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect());
    let mut causes: Vec<String> =
        records.iter().filter_map(|record| record["cause"].as_str().map(str::to_owned)).collect();
    causes.sort();
    causes
}

#[test]
fn calls_may_end_until_the_deadline_new_ones_are_refused_and_every_record_is_written() {
    let folder = Folder::new("drain");
    let light = Light::in_folder(&folder.file("app"));
    let data = folder.file("data");
    fs::create_dir_all(&data).expect("a folder");
    fs::write(data.join("countersign.yaml"), SETTINGS).expect("written");
    let mut served = Served::start(&data, &[&light.path().display().to_string()], None);
    assert!(options(served.sip).starts_with("SIP/2.0 200 "));
    let mut stage = Stage::new(vec![Handset::new("leaves"), Handset::new("stays"), Handset::new("late")]);
    for who in 0..2 {
        stage.handsets[who].dial(&served.uri());
        stage.hear(who, "hello");
    }
    signal(&served, "-TERM");
    // It is told in the order in which it happens: once calls are refused here, whoever asks is told so.
    while !options(served.sip).starts_with("SIP/2.0 503 ") {
        stage.until(std::time::Duration::from_millis(20), |_| false);
    }
    assert!(options(served.sip).contains("Retry-After: "), "and when to ask again");
    stage.handsets[2].dial(&served.uri());
    assert!(stage.until(SOON, |all| all[2].failed.is_some()), "an answer");
    assert_eq!(stage.handsets[2].failed, Some(StatusCode::SERVICE_UNAVAILABLE));
    assert!(stage.handsets[..2].iter().all(|caller| caller.ended.is_none()), "nobody is cut off");
    stage.hang_up(0);
    assert!(stage.until(IN_TIME, |all| all[1].ended.is_some()), "a BYE at the deadline");
    assert!(served.ended().success());
    assert_eq!(causes(&data), ["caller_hung_up", "shutdown"]);
}

/// Has them inherited, with numbers that no shell uses by itself.
fn inheritable(socket: impl AsFd) -> OwnedFd {
    let copy = rustix::io::fcntl_dupfd_cloexec(&socket, 30).expect("a copy");
    rustix::io::fcntl_setfd(&copy, rustix::io::FdFlags::empty()).expect("inherited");
    copy
}

/// Starts the program as systemd does: with these sockets, the first as number 3.
fn handing_over(sockets: &[OwnedFd]) -> impl FnOnce(&[&str]) -> Command {
    let moves: String =
        (3..).zip(sockets).map(|(to, from)| format!("exec {to}<&{}; ", from.as_raw_fd())).collect();
    let script = format!("{moves}export LISTEN_PID=$$ LISTEN_FDS={}; exec \"$0\" \"$@\"", sockets.len());
    move |arguments: &[&str]| {
        let program = countersign(arguments);
        let mut command = Command::new("bash");
        command.args(["-c", &script]).arg(program.get_program()).args(arguments);
        command.stdin(std::process::Stdio::null()).env_remove("COUNTERSIGN_LOG");
        command
    }
}

/// A port that is free for both.
fn bound() -> (UdpSocket, TcpListener, SocketAddr) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let at = udp.local_addr().expect("an address");
        if let Ok(tcp) = TcpListener::bind(at) {
            return (udp, tcp, at);
        }
    }
}

#[test]
fn a_call_that_comes_between_two_processes_waits_in_the_socket_that_outlives_them() {
    let folder = Folder::new("sockets");
    let light = Light::in_folder(&folder.file("app"));
    let (app, data) = (light.path().display().to_string(), folder.file("data"));
    let (udp, tcp, at) = bound();
    let sockets = [inheritable(&udp), inheritable(&tcp)];
    let arguments = ["--sip", &at.to_string(), &app];
    let mut stage = Stage::new(vec![Handset::new("early")]);
    for _ in 0..2 {
        stage.handsets[0].dial(&format!("sip:bank@{at}"));
        // It is on its way before anybody is there to read it.
        stage.until(std::time::Duration::from_millis(20), |_| false);
        let mut served = Served::by(handing_over(&sockets), &data, &arguments, None);
        assert_eq!(served.sip, at);
        stage.hear(0, "hello");
        stage.hang_up(0);
        signal(&served, "-TERM");
        assert!(served.ended().success());
    }
    assert_eq!(causes(&data), ["caller_hung_up", "caller_hung_up"]);
}

#[test]
fn a_socket_that_nothing_of_the_settings_listens_at_starts_nothing() {
    let folder = Folder::new("unused");
    let light = Light::in_folder(&folder.file("app"));
    let (udp, _tcp, at) = bound();
    let data = folder.file("data").display().to_string();
    let app = light.path().display().to_string();
    let sockets = [inheritable(&udp)];
    let arguments = ["serve", "--sip", "127.0.0.1:0", "--data", &data, &app];
    let refused = handing_over(&sockets)(&arguments).output().expect("it ends");
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{why}");
    assert!(why.contains(&at.to_string()) && why.contains("help"), "{why}");
}
