//! Messages larger than any honest one, by datagrams and over connections: each is refused in words or its connection closed,
//! little of it is kept, and the next caller is served.

mod canary;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use canary::{Canary, TRUNK, Target, offer, request};

/// What is sent, and what it is answered by a datagram and over a connection.
struct Case {
    name: &'static str,
    message: fn(SocketAddr) -> String,
    statuses: [u16; 2],
}

fn invite(from: SocketAddr, headers: &str, body: &str) -> String {
    request("INVITE", "NAME", from, "", headers, body)
}

/// One whose length is said in other words.
fn with_length(from: SocketAddr, lines: &str) -> String {
    let text = request("OPTIONS", "NAME", from, "", "", "");
    text.replace("Content-Length: 0\r\n", lines)
}

const CASES: [Case; 9] = [
    Case {
        name: "a header of 60,000 octets",
        message: |from| invite(from, &format!("X-A: {}\r\n", "b".repeat(60_000)), ""),
        statuses: [513, 513],
    },
    Case {
        name: "10,000 headers",
        message: |from| invite(from, &"X:y\r\n".repeat(10_000), ""),
        statuses: [513, 513],
    },
    Case {
        name: "a length of 2^32",
        message: |from| with_length(from, "Content-Length: 4294967296\r\n"),
        statuses: [400, 400],
    },
    Case {
        name: "a length of -1",
        message: |from| with_length(from, "Content-Length: -1\r\n"),
        statuses: [400, 400],
    },
    Case {
        name: "two lengths",
        message: |from| with_length(from, "Content-Length: 0\r\nContent-Length: 9\r\n"),
        statuses: [400, 400],
    },
    Case {
        name: "a body that would not fit",
        message: |from| with_length(from, "Content-Length: 70000\r\n"),
        statuses: [400, 513],
    },
    Case {
        name: "1,000 streams of media",
        message: |from| invite(from, "", &(offer(from) + &"m=audio 9 RTP/AVP 0\r\n".repeat(1_000))),
        statuses: [400, 400],
    },
    Case {
        name: "10,000 lines about one",
        message: |from| invite(from, "", &(offer(from) + &"a=x\r\n".repeat(10_000))),
        statuses: [400, 400],
    },
    Case {
        name: "a datagram as large as there are",
        message: |from| {
            // 65,507 octets fit, with IPv4.
            let rest = 65_400 - invite(from, "", &offer(from)).len();
            invite(from, "", &format!("{}a={}\r\n", offer(from), "x".repeat(rest)))
        },
        statuses: [400, 400],
    },
];

#[test]
fn what_is_too_large_is_refused_and_callers_are_served() {
    let target = Target::start("oversize", 58_200);
    let datagrams = target.socket(TRUNK);
    let from = datagrams.local_addr().expect("an address");
    for (number, case) in CASES.iter().enumerate() {
        let named = |way: &str| (case.message)(from).replace("NAME", &format!("{way}{number}"));
        let final_one = |answer: &str| !answer.starts_with("SIP/2.0 1");
        let answer = canary::asks(&datagrams, &named("datagram"), final_one);
        assert_eq!(status(&answer), Some(case.statuses[0]), "{}: {answer}", case.name);
        let mut stream = target.stream(TRUNK);
        // It may be refused before it is whole.
        let _ = stream.write_all(named("stream").as_bytes());
        let answer = last_of(&mut stream);
        assert_eq!(status(&answer), Some(case.statuses[1]), "{}: {answer}", case.name);
        let canary = Canary::dials(&target, &format!("canary-{number}"));
        canary.hears(3);
        canary.hangs_up();
    }
    target.settles();
}

/// The final answer that comes over a connection; one that is under way may come before it.
fn last_of(stream: &mut TcpStream) -> String {
    let (mut text, mut buffer) = (String::new(), [0_u8; 4096]);
    loop {
        if let Some(at) = text.rfind("SIP/2.0 ").filter(|at| text[at + 8..].starts_with(['4', '5'])) {
            return text.split_off(at);
        }
        let Ok(length @ 1..) = stream.read(&mut buffer) else { return text };
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}
