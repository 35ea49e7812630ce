//! The keys of encrypted media stand in session descriptions (`a=crypto … inline:`): they are in no log at any level, no
//! record, no file and no word about the call, whether the call was answered, changed its keys, or was refused.

mod canary;
mod site;

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use canary::{after, asks, offer, pause, request};
use data_encoding::{BASE64, HEXLOWER};
use site::{Folder, Served, run};

const SETTINGS: &str = "\
trunks: [{name: loopback, addresses: [\"127.0.0.1\"], srtp: optional}]
queues: {general: {}, cards: {}, payments: {}, fraud: {}}
";

/// The material of a key, told in base 64.
fn inline(seed: u8, length: usize) -> (Vec<u8>, String) {
    let material: Vec<u8> =
        (0_u8..).map(|n| n.wrapping_mul(73) ^ seed.wrapping_mul(151)).take(length).collect();
    let text = BASE64.encode(&material);
    (material, text)
}

/// An offer of encrypted media with these lines.
fn encrypted(rtp: SocketAddr, lines: &[String]) -> String {
    let crypto: String = lines.iter().map(|line| format!("a=crypto:{line}\r\n")).collect();
    offer(rtp).replace("RTP/AVP", "RTP/SAVP") + &crypto
}

/// What is looked for: each key as it was written, as octets, and as hexadecimal digits; any twelve in a row.
struct Looks(BTreeMap<String, Vec<Vec<u8>>>);

const RUN: usize = 12;

impl Looks {
    fn new() -> Self {
        Self(BTreeMap::new())
    }

    fn add(&mut self, name: &str, material: &[u8]) {
        let texts =
            [BASE64.encode(material).into_bytes(), HEXLOWER.encode(material).into_bytes(), material.to_vec()];
        self.0.insert(name.to_owned(), texts.to_vec());
    }

    fn found_in(&self, bytes: &[u8]) -> Option<String> {
        let has = |run: &[u8]| bytes.windows(RUN).any(|part| part == run);
        let found = |(name, texts): (&String, &Vec<Vec<u8>>)| {
            texts.iter().any(|text| text.chunks_exact(RUN).any(has)).then(|| name.clone())
        };
        self.0.iter().find_map(found)
    }

    #[track_caller]
    fn nothing_in(&self, what: &str, bytes: &[u8]) {
        assert!(!bytes.is_empty(), "{what} is empty: nothing was looked at");
        assert_eq!(self.found_in(bytes), None, "in {what}");
    }
}

/// A caller over one socket.
struct Caller {
    sip: UdpSocket,
    from: SocketAddr,
    rtp: SocketAddr,
}

impl Caller {
    fn invites(&self, id: &str, tag: &str, number: u32, body: &str) -> String {
        let invite = request("INVITE", id, self.from, tag, "", body)
            .replace("CSeq: 1 ", &format!("CSeq: {number} "))
            .replace("INVITE;rport", &format!("INVITE{number};rport"));
        let cseq = format!("CSeq: {number} INVITE");
        asks(&self.sip, &invite, |answer| !answer.starts_with("SIP/2.0 1") && answer.contains(&cseq))
    }

    fn acks(&self, id: &str, tag: &str, number: u32) {
        let ack = request("ACK", id, self.from, tag, "", "").replace("CSeq: 1 ", &format!("CSeq: {number} "));
        self.sip.send(ack.as_bytes()).expect("sent");
    }
}

/// The key that an answer tells.
fn answered_key(answer: &str) -> Vec<u8> {
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    let text = after(answer, "inline:").and_then(|rest| rest.split(['\r', '|']).next()).expect("a key");
    BASE64.decode(text.as_bytes()).expect("base 64")
}

#[test]
fn no_key_of_a_call_s_media_is_written_anywhere() {
    let folder = Folder::new("media-keys");
    let (data, log) = (folder.file("data"), folder.file("log.txt"));
    std::fs::create_dir_all(&data).expect("a folder");
    std::fs::write(data.join("countersign.yaml"), SETTINGS).expect("settings");
    let server = Served::start(&data, &[], Some(&log));
    let sip = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    sip.connect(server.sip).expect("connected");
    let media = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let rtp = media.local_addr().expect("bound");
    let caller = Caller { from: sip.local_addr().expect("bound"), sip, rtp };
    let mut looks = Looks::new();

    // Refused: keys of the wrong length, of a suite that we do not have, with parameters that nobody takes.
    let table = [
        ("too short", 20, "AES_CM_128_HMAC_SHA1_80 inline:", ""),
        ("unknown suite", 30, "F8_128_HMAC_SHA1_80 inline:", ""),
        ("no method", 30, "AES_CM_128_HMAC_SHA1_80 ", ""),
        ("strange parameter", 30, "AES_CM_128_HMAC_SHA1_80 inline:", " UNENCRYPTED_SRTP"),
    ];
    for (n, (name, length, before, behind)) in (1..).zip(table) {
        let (material, text) = inline(n, length);
        looks.add(name, &material);
        let id = format!("refused-{n}");
        let body = encrypted(caller.rtp, &[format!("1 {before}{text}{behind}")]);
        let answer = caller.invites(&id, "", 1, &body);
        assert!(answer.starts_with("SIP/2.0 488"), "{name}: {answer}");
        let tag = after(&answer, "\r\nTo: ").and_then(|to| after(to, ";tag=")).expect("a tag");
        caller.acks(&id, &format!(";tag={}", tag.split(['\r', ';']).next().expect("a tag")), 1);
    }

    // Answered, with a new key in a later offer.
    let (first, text) = inline(40, 30);
    looks.add("the caller's first", &first);
    let body = encrypted(caller.rtp, &[format!("1 AES_CM_128_HMAC_SHA1_80 inline:{text}|2^31|1:1")]);
    let plain = encrypted(caller.rtp, &[format!("1 AES_CM_128_HMAC_SHA1_80 inline:{text}")]);
    let answer = caller.invites("kept", "", 1, &plain);
    assert!(looks.found_in(body.as_bytes()).is_some(), "what was sent has it");
    looks.add("our first", &answered_key(&answer));
    let tag = after(&answer, "\r\nTo: ").and_then(|to| after(to, ";tag=")).expect("a tag");
    let tag = format!(";tag={}", tag.split(['\r', ';']).next().expect("a tag"));
    caller.acks("kept", &tag, 1);
    let (second, text) = inline(41, 28);
    looks.add("the caller's second", &second);
    let body =
        encrypted(caller.rtp, &[format!("1 AEAD_AES_128_GCM inline:{text}")]).replace("1 1 IN", "1 2 IN");
    let again = caller.invites("kept", &tag, 3, &body);
    looks.add("our second", &answered_key(&again));
    caller.acks("kept", &tag, 3);
    assert!(looks.found_in(again.as_bytes()).is_some() && looks.found_in(answer.as_bytes()).is_some());
    // What we send to the caller is encrypted, and packets that are not theirs are counted.
    media.set_read_timeout(Some(Duration::from_secs(3))).expect("a timeout");
    assert!(media.recv(&mut [0; 2048]).is_ok(), "a prompt");
    let bye = request("BYE", "kept", caller.from, &tag, "", "").replace("CSeq: 2 ", "CSeq: 4 ");
    let gone = asks(&caller.sip, &bye, |answer| answer.contains("CSeq: 4 BYE"));
    assert!(gone.starts_with("SIP/2.0 200"), "{gone}");

    // What is told about the calls, and everything that was written.
    let shown = data.display().to_string();
    let mut listed = Vec::new();
    for _ in 0..100 {
        listed = run(&["calls", "--format", "json", "--data", &shown]).stdout;
        if listed.windows(15).any(|part| part == b"caller_hung_up\"") {
            break;
        }
        pause(Duration::from_millis(100));
    }
    looks.nothing_in("the list of calls", &listed);
    let calls: Vec<serde_json::Value> = serde_json::from_slice(&listed).expect("JSON");
    assert_eq!(calls.len(), 1 + table.len(), "{calls:?}");
    for call in &calls {
        let told = run(&["explain", call["call"].as_str().expect("a name"), "--data", &shown]);
        looks.nothing_in("what is explained", &told.stdout);
    }
    server.kill();
    for entry in std::fs::read_dir(&data).expect("the data folder").flatten() {
        if entry.path().is_file() {
            let bytes = std::fs::read(entry.path()).expect("its bytes");
            // A log of the database may be empty.
            assert_eq!(looks.found_in(&bytes), None, "in {}", entry.path().display());
        }
    }
    let log = std::fs::read(&log).expect("a log");
    assert!(log.windows(11).any(|part| part == b"call begins"), "the calls were logged");
    looks.nothing_in("the log", &log);
}
