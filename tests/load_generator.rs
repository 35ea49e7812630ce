//! `countersign load` against `countersign serve --bench`, over real sockets: what it counts is what happened.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign::audio::Codec;
use countersign::driver::application::ApplicationSource;
use countersign::driver::config::Config;
use countersign::driver::embedded::BENCH_APPLICATION;
use countersign::driver::serve::{self, Deployment, ServeSettings};
use countersign::load::{self, Plan, table};
use countersign::units::Digit;

/// A deployment that lets so many calls in, with so many pairs of ports.
struct Served {
    deployment: Option<Deployment>,
    folder: PathBuf,
}

impl Served {
    fn start(name: &str, calls: usize, first_port: u16, pairs: u16) -> Self {
        let folder = std::env::temp_dir().join(format!("countersign-load-{name}-{}", std::process::id()));
        Config::write_for_measuring(&folder, calls).expect("settings");
        let settings = ServeSettings::on_loopback(
            ApplicationSource::Embedded(BENCH_APPLICATION),
            folder.clone(),
            first_port..=first_port + 2 * pairs - 1,
        );
        let deployment = serve::start(&settings).unwrap_or_else(|error| panic!("{error}"));
        Self { deployment: Some(deployment), folder }
    }

    fn deployment(&self) -> &Deployment {
        self.deployment.as_ref().expect("it runs until it is dropped")
    }

    fn plan(&self, user: &str, calls: usize, keys: &str) -> Plan {
        Plan {
            per_second: 50,
            hold: Duration::from_secs(2),
            keys: keys.chars().filter_map(Digit::from_char).collect(),
            ..Plan::new(&format!("sip:{user}@{}", self.deployment().sip), calls)
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(deployment) = self.deployment.take() {
            deployment.stop();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn the_right_keys_keep_every_call_and_wrong_ones_end_it() {
    let served = Served::start("keys", 100, 44_000, 50);
    let right = load::run(&served.plan("bench", 20, "1234")).expect("a crowd");
    assert_eq!((right.answered, right.cut, right.lost), (20, 0, 0), "{}", table(&[right]));
    assert!(right.failures.is_empty() && right.reordered == 0 && right.duplicates == 0);
    // A debug build on a busy machine may be late; nothing may go missing all the same.
    assert!(right.received_percent > 95.0, "{}", table(&[right]));
    let wrong = load::run(&served.plan("bench", 10, "1235")).expect("a crowd");
    assert_eq!((wrong.answered, wrong.cut), (10, 10));
    let counters = served.deployment().mailboxes()[0].counters();
    assert_eq!(counters.media_unsent.load(Ordering::Relaxed), 0);
}

#[test]
fn encrypted_calls_are_answered_and_their_keys_understood() {
    let folder = std::env::temp_dir().join(format!("countersign-load-srtp-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let settings = "trunks: [{name: local, addresses: [127.0.0.0/8], srtp: required}]\n";
    fs::write(folder.join("countersign.yaml"), settings).expect("settings");
    let served = Served::start("srtp", 100, 44_300, 50);
    let encrypted = Plan { encrypted: true, ..served.plan("bench", 10, "1234") };
    let report = load::run(&encrypted).expect("a crowd");
    assert_eq!((report.answered, report.cut), (10, 0), "{:?}", report.failures);
    assert!(report.received_percent > 95.0, "{}", table(std::slice::from_ref(&report)));
    let plain = load::run(&served.plan("bench", 3, "1234")).expect("a crowd");
    assert_eq!(plain.failures.get("refused with 488"), Some(&3), "{:?}", plain.failures);
}

#[test]
fn calls_with_opus_are_answered_and_their_keys_understood() {
    let folder = std::env::temp_dir().join(format!("countersign-load-opus-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let settings = "trunks: [{name: local, addresses: [127.0.0.0/8], codecs: [opus]}]\n";
    fs::write(folder.join("countersign.yaml"), settings).expect("settings");
    let served = Served::start("opus", 100, 44_800, 50);
    let with_opus = Plan { codecs: vec![Codec::Opus], ..served.plan("bench", 10, "1234") };
    let report = load::run(&with_opus).expect("a crowd");
    assert_eq!((report.answered, report.cut, report.lost), (10, 0, 0), "{:?}", report.failures);
    assert!(report.received_percent > 95.0, "{}", table(std::slice::from_ref(&report)));
    let with_g711 = load::run(&served.plan("bench", 3, "1234")).expect("a crowd");
    assert_eq!(with_g711.failures.get("refused with 488"), Some(&3), "{:?}", with_g711.failures);
}

#[test]
fn an_answer_only_is_an_answer() {
    let served = Served::start("setup", 100, 44_200, 50);
    let report = load::run(&served.plan("setup", 10, "")).expect("a crowd");
    assert_eq!((report.answered, report.cut), (10, 0));
}

#[test]
fn a_full_server_and_one_without_ports_say_so() {
    for (name, calls, pairs, first_port) in [("full", 5, 50, 44_400), ("ports", 100, 5, 44_600)] {
        let served = Served::start(name, calls, first_port, pairs);
        let report = load::run(&served.plan("setup", 8, "")).expect("a crowd");
        assert_eq!(report.answered, 5, "{name}: {:?}", report.failures);
        assert_eq!(report.failures.get("refused with 503"), Some(&3), "{name}: {:?}", report.failures);
        assert!(!report.clean);
        let without = served.deployment().mailboxes()[0].counters().no_port.load(Ordering::Relaxed);
        assert_eq!(without, if name == "ports" { 3 } else { 0 });
    }
}

#[test]
fn nobody_there_is_told_and_not_waited_for_without_end() {
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a socket");
    let target = format!("sip:bench@{}", socket.local_addr().expect("bound"));
    let report = load::run(&Plan { hold: Duration::ZERO, ..Plan::new(&target, 2) }).expect("a crowd");
    assert_eq!((report.answered, report.failures.get("not answered")), (0, Some(&2)));
    assert!(load::run(&Plan::new("sip:bench@example.com", 1)).is_err(), "a name is no address");
}
