//! Callers with and without a signature, over real sockets to a whole deployment: what their records say.

mod authority;
mod canary;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use authority::{Authority, Holder, Wanted};
use canary::{SETTINGS, TRUNK, Target, asks, offer};
use countersign::driver::{embedded, os};
use serde_json::Value;

const X5U: &str = "https://cert.carrier.example/shaken.pem";
const CALLER: &str = "441632960001";
const BANK: &str = "441632960999";

fn settings() -> String {
    let trunk = "trunks: [{name: loopback, addresses: [\"127.0.0.1\"], stir: true, country: \"+44\"}]\n\
                 stir: {verify: {authorities: sti-ca.pem, revoked: revoked.txt, wait_ms: 2000, pinned: {\"https://cert.carrier.example/shaken.pem\": carrier.pem}}}\n";
    let rest: Vec<&str> = SETTINGS.lines().filter(|line| !line.starts_with("trunks:")).collect();
    format!("{trunk}{}\n", rest.join("\n"))
}

fn target(name: &str, first_port: u16, authority: &Authority, holder: &Holder) -> Target {
    let files = [
        ("countersign.yaml", settings()),
        ("sti-ca.pem", authority.pem().to_owned()),
        ("carrier.pem", holder.pem.clone()),
        ("revoked.txt", "# none yet\n".to_owned()),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let ports = first_port..=first_port + 99;
    Target::with(name, embedded::DEFAULT_APPLICATION, ports, 1, &files)
}

/// Calls, and hangs up as soon as it is answered.
fn calls(target: &Target, id: &str, identities: &[String]) {
    let sip = target.socket(TRUNK);
    let rtp = UdpSocket::bind(SocketAddr::from((TRUNK, 0))).expect("a socket");
    let body = offer(rtp.local_addr().expect("an address"));
    let from = sip.local_addr().expect("an address");
    let headers: String = identities.iter().map(|value| format!("Identity: {value}\r\n")).collect();
    let request = |method: &str, number: u32, tag: &str, extra: &str, body: &str| {
        format!(
            "{method} sip:01632960999@127.0.0.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP {from};branch=z9hG4bK{id}{method};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:+441632960001@carrier.example>;tag=f\r\nTo: <sip:+441632960999@carrier.example>{tag}\r\n\
             Call-ID: {id}\r\nCSeq: {number} {method}\r\nContact: <sip:x@{from}>\r\n{extra}\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let answer =
        asks(&sip, &request("INVITE", 1, "", &headers, &body), |text| !text.starts_with("SIP/2.0 1"));
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    let to = canary::after(&answer, "\r\nTo: ").and_then(|to| canary::after(to, ";tag=")).expect("a tag");
    let tag = format!(";tag={}", to.split(['\r', ';']).next().expect("a tag"));
    sip.send(request("ACK", 1, &tag, "", "").as_bytes()).expect("sent");
    let gone = asks(&sip, &request("BYE", 2, &tag, "", ""), |text| text.contains("CSeq: 2 BYE"));
    assert!(gone.starts_with("SIP/2.0 200"), "{gone}");
}

/// What the record of the latest call says of the number.
fn verdict(target: &Target, calls: usize) -> (String, String, String) {
    target.settles();
    let until = canary::now() + Duration::from_secs(10);
    while target.records().len() < calls && canary::now() < until {
        canary::pause(Duration::from_millis(20));
    }
    let records = target.records();
    assert_eq!(records.len(), calls);
    let latest = records.iter().max_by_key(|record| record["started"].as_i64()).expect("a record");
    let event =
        latest["events"].as_array().and_then(|all| all.iter().find(|event| event["event"] == "number"));
    let event = event.expect("the number was looked into");
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("verstat"), text("attestation"), text("why"))
}

#[test]
fn a_signed_call_is_verified_and_what_does_not_hold_is_let_in_without() {
    let authority = Authority::new("Test STI-CA");
    let holder = authority.issue(Wanted::default());
    let target = target("stir", 58_000, &authority, &holder);
    let iat = os::unix_now().seconds();
    let shaken = |x5u: &str, orig: &str| holder.shaken(x5u, "A", orig, BANK, iat);
    let nowhere = "https://cert.carrier.invalid/shaken.pem";
    let walls = "https://localhost.localdomain/shaken.pem";
    for (number, (identities, expected)) in [
        (vec![shaken(X5U, CALLER)], ("passed", "A", "")),
        (vec![shaken(X5U, CALLER)], ("failed", "", "replayed")),
        (vec![shaken(X5U, "441632960002")], ("failed", "", "caller")),
        (vec![], ("none", "", "absent")),
        (vec!["garbage".to_owned()], ("failed", "", "malformed")),
    ]
    .into_iter()
    .enumerate()
    {
        calls(&target, &format!("stir-{number}"), &identities);
        let (verstat, level, why) = verdict(&target, number + 1);
        assert_eq!((verstat.as_str(), level.as_str(), why.as_str()), expected);
    }
    for (number, x5u) in (5..).zip([nowhere, walls]) {
        calls(&target, &format!("stir-{number}"), &[shaken(x5u, CALLER)]);
        let (verstat, level, why) = verdict(&target, number + 1);
        assert_eq!((verstat.as_str(), level.as_str()), ("none", ""), "{why}");
        assert!(["certificate_unavailable", "too_slow"].contains(&why.as_str()), "{why}");
    }
}
