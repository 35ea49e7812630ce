use std::net::IpAddr;

use super::*;
use crate::sip::locate::{Naptr, Records, Srv};

/// A DNS that can be changed, and fall silent, while it is asked.
#[derive(Clone, Default)]
struct Zone(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    addresses: BTreeMap<String, Vec<IpAddr>>,
    silent: bool,
    only_hosts: bool,
    asked: usize,
}

impl Zone {
    fn set(&self, host: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|ip| ip.parse().expect("an address")).collect();
        held(&self.0).addresses.insert(host.to_owned(), addresses);
    }
}

impl Dns for Zone {
    fn naptr(&mut self, _domain: &str) -> Result<Records<Naptr>, Unanswered> {
        Ok(Records { all: Vec::new(), ttl: Duration::from_secs(60) })
    }

    fn srv(&mut self, _service: &str) -> Result<Records<Srv>, Unanswered> {
        let mut state = held(&self.0);
        state.asked += 1;
        if state.only_hosts {
            return Err(Unanswered("REFUSED".to_owned()));
        }
        Ok(Records { all: Vec::new(), ttl: Duration::from_secs(60) })
    }

    fn addresses(&mut self, host: &str) -> Result<Records<IpAddr>, Unanswered> {
        let mut state = held(&self.0);
        state.asked += 1;
        assert!(host != "panics.example", "a defect in reading an answer");
        if state.silent {
            return Err(Unanswered("no answer".to_owned()));
        }
        let all = state.addresses.get(host).cloned().unwrap_or_default();
        Ok(Records { all, ttl: Duration::ZERO })
    }
}

/// Everything at once, so that a test need not wait.
const QUICK: Pace = Pace {
    soonest: Duration::from_millis(5),
    latest: Duration::from_millis(5),
    again: Duration::from_millis(5),
    rest: Duration::from_secs(3_600),
};
const PATIENCE: Duration = Duration::from_secs(20);

fn uri(text: &str) -> Uri {
    Uri::parse(text.as_bytes()).expect("a URI")
}

fn hops(names: &Names, to: &str) -> Vec<String> {
    names.hops(&uri(to), &mut |_| 0).iter().map(|hop| format!("{} {}", hop.transport, hop.remote)).collect()
}

/// Until it holds; a test that waits in vain fails by what it asserts next.
fn until(holds: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        os::pause(Duration::from_millis(5));
    }
}

#[test]
fn names_are_known_when_the_first_look_is_over_and_others_lead_nowhere() {
    let zone = Zone::default();
    zone.set("pbx.example", &["192.0.2.1", "192.0.2.2"]);
    let names = Names::by(zone, true, Pace::default()).expect("a thread");
    let followed =
        ["sip:desk@PBX.example.", "sip:pbx.example;transport=tls", "sip:192.0.2.9", "sip:none.example"];
    let _held = names.follow(followed.map(uri).to_vec(), PATIENCE);
    assert_eq!(hops(&names, "sip:somebody@pbx.example"), ["UDP 192.0.2.1:5060", "UDP 192.0.2.2:5060"]);
    assert_eq!(hops(&names, "sip:pbx.example;transport=tls")[0], "TLS 192.0.2.1:5061");
    for unknown in
        ["sip:none.example", "sip:other.example", "sip:pbx.example:5070", "sips:pbx.example", "sip:192.0.2.9"]
    {
        assert!(hops(&names, unknown).is_empty(), "{unknown}");
    }
    // Only what goes over TLS has a name in a certificate.
    assert_eq!(names.of("192.0.2.2:5061".parse().expect("an address")), ["pbx.example"]);
    assert!(names.of("192.0.2.2:5060".parse().expect("an address")).is_empty());
}

#[test]
fn what_did_not_answer_comes_last_for_a_while() {
    let zone = Zone::default();
    zone.set("pbx.example", &["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    let names = Names::by(zone, false, QUICK).expect("a thread");
    let _held = names.follow(vec![uri("sip:pbx.example")], PATIENCE);
    let failed = Hop { transport: Transport::Udp, remote: "192.0.2.1:5060".parse().expect("an address") };
    names.failed(failed);
    assert_eq!(
        hops(&names, "sip:pbx.example"),
        ["UDP 192.0.2.2:5060", "UDP 192.0.2.3:5060", "UDP 192.0.2.1:5060"]
    );
    let awake = Names::by(Zone::default(), false, Pace { rest: Duration::ZERO, ..QUICK }).expect("a thread");
    awake.failed(failed);
    until(|| held(&awake.shared.failed).is_empty());
    assert!(held(&awake.shared.failed).is_empty(), "a rest ends");
}

#[test]
fn a_name_that_moves_is_followed_and_a_silent_dns_takes_nothing_away() {
    let zone = Zone::default();
    zone.set("pbx.example", &["192.0.2.1"]);
    let names = Names::by(zone.clone(), false, QUICK).expect("a thread");
    let _held = names.follow(vec![uri("sip:pbx.example")], PATIENCE);
    assert_eq!(hops(&names, "sip:pbx.example"), ["UDP 192.0.2.1:5060"]);
    zone.set("pbx.example", &["192.0.2.7"]);
    until(|| hops(&names, "sip:pbx.example") == ["UDP 192.0.2.7:5060"]);
    assert_eq!(hops(&names, "sip:pbx.example"), ["UDP 192.0.2.7:5060"]);
    held(&zone.0).silent = true;
    let asked = held(&zone.0).asked;
    until(|| held(&zone.0).asked > asked + 3);
    assert!(held(&zone.0).asked > asked + 3, "it is asked on");
    assert_eq!(hops(&names, "sip:pbx.example"), ["UDP 192.0.2.7:5060"]);
}

#[test]
fn a_defect_in_one_answer_ends_nothing() {
    let zone = Zone::default();
    zone.set("pbx.example", &["192.0.2.1"]);
    let names = Names::by(zone, false, QUICK).expect("a thread");
    let _held = names.follow(vec![uri("sip:panics.example"), uri("sip:pbx.example")], PATIENCE);
    assert_eq!(hops(&names, "sip:pbx.example"), ["UDP 192.0.2.1:5060"]);
}

#[test]
fn names_are_looked_after_for_as_long_as_a_version_that_calls_them_is_held() {
    let zone = Zone::default();
    for host in ["old.example", "trial.example", "new.example"] {
        zone.set(host, &["192.0.2.1"]);
    }
    let names = Names::by(zone, true, QUICK).expect("a thread");
    let known = |name: &str| !hops(&names, &format!("sip:{name}")).is_empty();
    let old = names.follow(vec![uri("sip:old.example")], PATIENCE);
    // One trial after the other, while the first version is served.
    for _ in 0..3 {
        let _trial = names.follow(vec![uri("sip:trial.example")], PATIENCE);
        assert!(known("old.example") && known("trial.example"));
    }
    let new = names.follow(vec![uri("sip:new.example")], PATIENCE);
    until(|| !known("trial.example"));
    assert!(known("old.example") && known("new.example") && !known("trial.example"));
    drop(old);
    let again = names.follow(vec![uri("sip:new.example")], PATIENCE);
    until(|| !known("old.example"));
    assert!(known("new.example") && !known("old.example"));
    assert_eq!(
        new.hops(&uri("sip:new.example"), &mut |_| 0),
        again.hops(&uri("sip:new.example"), &mut |_| 0)
    );
}

#[test]
fn a_dns_that_knows_hosts_only_is_enough_until_it_has_said_more() {
    let zone = Zone::default();
    zone.set("pbx.example", &["192.0.2.1"]);
    held(&zone.0).only_hosts = true;
    let names = Names::by(zone.clone(), false, QUICK).expect("a thread");
    let _held = names.follow(vec![uri("sip:pbx.example")], PATIENCE);
    assert_eq!(hops(&names, "sip:pbx.example"), ["UDP 192.0.2.1:5060"]);
    zone.set("pbx.example", &["192.0.2.2"]);
    let asked = held(&zone.0).asked;
    until(|| held(&zone.0).asked > asked + 3);
    assert_eq!(
        hops(&names, "sip:pbx.example"),
        ["UDP 192.0.2.1:5060"],
        "what is known is not replaced by less"
    );
}

#[test]
fn a_dns_that_says_nothing_holds_nobody_up_for_ever() {
    let zone = Zone::default();
    held(&zone.0).silent = true;
    let names = Names::by(zone, false, QUICK).expect("a thread");
    let _held = names.follow(vec![uri("sip:pbx.example")], PATIENCE);
    assert!(hops(&names, "sip:pbx.example").is_empty());
}
