//! Whole calls with telephones and carriers made by others: SIPp, baresip, linphone, JsSIP and kamailio, watched by dumpcap.
//!
//! They run when COUNTERSIGN_PEERS=1 says that these programs are there (`.ci/run` installs them), as a user who
//! may open raw sockets and capture on loopback. SIP ports 5200–5299 and such as the system gives, media ports 41000–42999.
#![expect(clippy::disallowed_methods, reason = "calls in real time need clocks and threads")]
#![expect(clippy::print_stderr, reason = "figures are for whoever runs the tests")]

mod bare;
mod carrier;
mod codecs;
mod coder;
mod desk;
mod extensions;
mod linphone;
mod names;
mod phones;
mod scanners;
mod sipp;
mod site;
mod softphone;
mod systemd;
mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use countersign::driver::os;
use serde_json::Value;
use sipp::{
    AGENT_ANSWER, AGENT_BYE, AGENT_CANCELLED, AWAIT_BYE, CALLER_BYE, PCMA, PCMU, Sipp, agent_holds,
    agent_refuses, caller, exec, invite_header, pause,
};
use site::{ENGINE_RTP, Site};
use wire::{Capture, Packet, Stream};

/// Whether other people's programs are to be used.
fn peers(test: &str) -> bool {
    let wanted = std::env::var("COUNTERSIGN_PEERS").is_ok_and(|value| value == "1");
    if !wanted {
        eprintln!(
            "{test}: skipped, since COUNTERSIGN_PEERS is not 1 (it needs SIPp, baresip, linphone, JsSIP, kamailio and dumpcap)"
        );
    }
    wanted
}

/// The bank as a caller goes through it: milliseconds to wait, then keys.
fn bank(site: &Site, customer: usize) -> Vec<(u64, String)> {
    let customer = &site.customers[customer];
    let keys = |wait, keys: &str| (wait, keys.to_owned());
    vec![
        keys(3000, "1"),
        keys(6500, &format!("{}#", customer.account)),
        keys(1500, "1"),
        keys(1500, "1"),
        keys(1500, &format!("{}#", customer.pin)),
        // The balance, a tip, and the menu again.
        keys(24_000, "0"),
        // The agent is there by now, and gets this one.
        keys(9000, "5"),
        keys(2000, ""),
    ]
}

/// A caller whose whole media is one stream from a file: audio and keys with one SSRC.
fn by_file(site: &Site, name: &str, plan: &[(u64, String)]) -> String {
    let mut stream = Stream::new();
    let mut length = 0;
    for (wait, keys) in plan {
        stream.audio(Duration::from_millis(*wait));
        stream.press(keys);
        length += wait + 160 * u64::try_from(keys.len()).expect("few");
    }
    stream.write(&site.folder.join(name).join("media.pcap"));
    let script = exec("play_pcap_audio=\"media.pcap\"") + &pause(length) + CALLER_BYE;
    caller(PCMU.0, PCMU.1, &script)
}

/// A caller who speaks by SIPp's own stream and presses keys by its own events, whose SSRC is another.
fn by_stream(site: &Site, name: &str, plan: &[(u64, String)], end: &str) -> String {
    let mut octets = Vec::new();
    let tone: Vec<i16> = (0..8000)
        .map(|n| wire::sample(6000.0 * (std::f64::consts::TAU * 440.0 * f64::from(n) / 8000.0).sin()))
        .collect();
    countersign::audio::Law::A.encode(&tone, &mut octets);
    let folder = site.folder.join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("tone.al"), octets).expect("a tone");
    let mut script = exec("rtp_stream=\"tone.al,-1,8\"");
    for (wait, keys) in plan {
        script += &pause(*wait);
        if !keys.is_empty() {
            // A key and the pause after it take SIPp 400 ms.
            let typing = 400 * u64::try_from(keys.len()).expect("few");
            script += &(exec(&format!("play_dtmf=\"{keys}\"")) + &pause(typing));
        }
    }
    caller(PCMA.0, PCMA.1, &(script + end))
}

/// A caller who wants a person at once.
fn to_an_agent(site: &Site, name: &str, stay: u64, end: &str) -> String {
    by_stream(site, name, &[(2500, "0".to_owned()), (stay, String::new())], end)
}

fn agents(of: &[(&str, Option<u16>)]) -> String {
    let line = |(name, port): &(&str, Option<u16>)| {
        let fixed = port.map(|port| format!(", sip: \"sip:{name}@127.0.0.1:{port}\"")).unwrap_or_default();
        format!("  - {{name: {name}, queues: [general]{fixed}}}\n")
    };
    of.iter().map(line).collect()
}

/// The agent got the level and a good token, and neither an account nor a PIN.
fn check_brief(site: &Site, messages: &str, agent: &str) -> String {
    let header = |name| invite_header(messages, name).unwrap_or_else(|| panic!("no {name} for {agent}"));
    assert_eq!(header("X-Countersign-Level"), "basic");
    assert_eq!(header("X-Countersign-Factors"), "pin");
    let claims = site.claims(&header("X-Countersign-Token"), agent);
    assert_eq!((claims.level.as_str(), claims.factors.as_slice()), ("basic", ["pin".to_owned()].as_slice()));
    assert_eq!(claims.call, header("X-Countersign-Call"));
    check_secrets(site, messages, agent);
    claims.call
}

fn check_secrets(site: &Site, text: &str, whose: &str) {
    for customer in &site.customers {
        for secret in [&customer.account, &customer.pin] {
            assert!(!text.contains(secret.as_str()), "a secret in what {whose} got");
        }
    }
}

fn text<'a>(record: &'a Value, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn has_event(record: &Value, wanted: &[(&str, &str)]) -> bool {
    let events = record.get("events").and_then(Value::as_array).expect("events");
    events.iter().any(|event| wanted.iter().all(|(name, value)| text(event, name) == *value))
}

/// Packets of RTP from the engine to a port.
fn from_engine(packets: &[Packet], to: u16) -> impl Iterator<Item = &Packet> {
    packets.iter().filter(move |packet| ENGINE_RTP.contains(&packet.from) && packet.to == to)
}

/// How late this machine wakes a thread, measured beside a call.
struct Lateness {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<f64>>,
}

impl Lateness {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut late = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let due = Instant::now() + Duration::from_millis(20);
                os::pause(Duration::from_millis(20));
                late.push(due.elapsed().as_secs_f64() * 1e3);
            }
            late
        });
        Self { stop, thread }
    }

    fn p99(self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        p99(self.thread.join().expect("a measurement"))
    }
}

fn p99(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() * 99 / 100).copied().unwrap_or_default()
}

/// 20 ms from packet to packet, as far as the machine lets anybody keep time.
fn check_pacing(packets: &[Packet], to: u16, lateness: f64) {
    let times: Vec<f64> = from_engine(packets, to).map(|packet| packet.at).collect();
    let gaps = times.windows(2).map(|pair| ((pair[1] - pair[0]) * 1e3 - 20.0).abs()).collect::<Vec<_>>();
    let figure = p99(gaps);
    eprintln!(
        "pacing: {} packets to the caller, p99 deviation from 20 ms {figure:.2} ms; a sleeping thread is late by {lateness:.2} ms (p99)",
        times.len()
    );
    assert!(times.len() > 2000, "a packet each 20 ms");
    assert!(figure <= f64::max(5.0, 3.0 * lateness), "{figure} ms");
}

/// Nothing reached an agent while account and PIN were typed, and of all keys only the one meant for the agent.
fn check_keys(packets: &[Packet], caller: u16, agents: &[u16]) {
    const HASH: u8 = 11;
    let event =
        |packet: &Packet| (packet.kind() == Some(101)).then(|| packet.payload.get(12).copied()).flatten();
    let from_caller = packets.iter().filter(|packet| packet.from == caller);
    let last_hash =
        from_caller.filter(|packet| event(packet) == Some(HASH)).map(|packet| packet.at).fold(0.0, f64::max);
    assert!(last_hash > 0.0, "the caller's keys are in the capture");
    let to_agents = || agents.iter().flat_map(|&agent| from_engine(packets, agent));
    let first = to_agents().map(|packet| packet.at).fold(f64::INFINITY, f64::min);
    assert!(first.is_finite() && first > last_hash, "media reached an agent before the PIN was typed");
    let keys: BTreeSet<u8> = to_agents().filter_map(event).collect();
    assert_eq!(keys, BTreeSet::from([5]), "the key that was pressed for the agent, and no other");
}

#[test]
fn sipp_goes_through_the_bank_with_either_law_and_over_tcp() {
    if !peers("sipp_goes_through_the_bank_with_either_law_and_over_tcp") {
        return;
    }
    let agent_names = ["ana", "bob", "cleo"];
    let agent_sip = [5204, 5206, 5208];
    let agent_media = [41_500, 41_510, 41_520];
    let lines: Vec<_> = agent_names.into_iter().zip(agent_sip.map(Some)).collect();
    let site = Site::start("bank", 5200, &agents(&lines), "");
    let capture = Capture::start(&site.folder);
    let lateness = Lateness::start();
    let answers = AGENT_ANSWER.to_owned() + AWAIT_BYE;
    let all = agent_names.iter().zip(agent_sip).zip(agent_media);
    let ring: Vec<Sipp> =
        all.map(|((name, sip), media)| Sipp::agent(&site, name, (sip, media), &answers)).collect();
    let plans = [0, 1, 2].map(|customer| bank(&site, customer));
    let scenarios = [
        by_file(&site, "pcmu", &plans[0]),
        by_stream(&site, "pcma", &plans[1], CALLER_BYE),
        by_file(&site, "tcp", &plans[2]),
    ];
    let callers = [
        Sipp::call(&site, "pcmu", (5210, 41_300), "u1", &scenarios[0]),
        Sipp::call(&site, "pcma", (5212, 41_310), "u1", &scenarios[1]),
        Sipp::call(&site, "tcp", (5214, 41_320), "t1", &scenarios[2]),
    ];
    let heard = callers.map(Sipp::succeeds);
    assert!(heard[2].contains("Via: SIP/2.0/TCP"), "the third call went over TCP");
    let told: Vec<String> = ring.into_iter().map(Sipp::succeeds).collect();
    let lateness = lateness.p99();
    let packets = capture.packets();
    let records = site.records(3);
    let calls: BTreeSet<String> =
        agent_names.iter().zip(&told).map(|(agent, messages)| check_brief(&site, messages, agent)).collect();
    assert_eq!(calls, records.iter().map(|record| text(record, "call").to_owned()).collect());
    for record in &records {
        assert_eq!((text(record, "level"), text(record, "cause")), ("basic", "caller_hung_up"), "{record}");
        assert_eq!(record["factors"], serde_json::json!(["pin"]));
        assert_eq!(record["agents"].as_array().map(Vec::len), Some(1), "{record}");
        assert_eq!(record["caller_media"]["round_trip_ms"], Value::Null, "SIPp sends no RTCP");
        check_secrets(&site, &record.to_string(), "the record");
    }
    check_secrets(&site, &site.log(), "the log");
    check_pacing(&packets, 41_300, lateness);
    check_keys(&packets, 41_300, &agent_media);
}

/// A minute of a tone.
fn tone(hertz: f64) -> Vec<i16> {
    let angle = |n: i32| std::f64::consts::TAU * hertz * f64::from(n) / 8000.0;
    (0..60 * 8000).map(|n| wire::sample(6000.0 * angle(n).sin())).collect()
}

/// The level of one frequency in the second in which it is loudest.
fn loudest(samples: &[i16], hertz: f64) -> f64 {
    let level = |second: &[i16]| {
        let (mut re, mut im, mut angle) = (0.0, 0.0, 0.0_f64);
        for &sample in second {
            re += f64::from(sample) * angle.cos();
            im += f64::from(sample) * angle.sin();
            angle += std::f64::consts::TAU * hertz / 8000.0;
        }
        let rms = re.hypot(im) * 2_f64.sqrt() / 8000.0;
        20.0 * (rms / countersign::audio::level::RMS_AT_0_DBM0).log10()
    };
    samples.chunks_exact(8000).map(level).fold(-90.0, f64::max)
}

/// When packets came from the engine at this port, in seconds.
fn times(packets: &[Packet], port: u16) -> Vec<f64> {
    from_engine(packets, port).map(|packet| packet.at).collect()
}

fn longest_pause(times: &[f64]) -> f64 {
    times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max)
}

#[test]
fn an_agent_holds_resumes_and_hangs_up() {
    if !peers("an_agent_holds_resumes_and_hangs_up") {
        return;
    }
    let site = Site::start("hold", 5240, &agents(&[("ana", Some(5242))]), "");
    let capture = Capture::start(&site.folder);
    let script = agent_holds(5000, 2000) + &pause(1500) + AGENT_BYE;
    let agent = Sipp::agent(&site, "ana", (5242, 41_700), &script);
    let caller =
        Sipp::call(&site, "caller", (5244, 41_710), "u1", &to_an_agent(&site, "caller", 1000, AWAIT_BYE));
    agent.succeeds();
    caller.succeeds();
    let record = &site.records(1)[0];
    assert_eq!((text(record, "cause"), text(record, "level")), ("flow_done", "none"), "{record}");
    assert!(has_event(record, &[("event", "parted")]), "{record}");
    let packets = capture.packets();
    let audio = times(&packets, 41_700);
    let longest = longest_pause(&audio);
    eprintln!("hold: nothing was sent to the agent for {longest:.2} s of 2 s");
    assert!((1.7..2.6).contains(&longest), "held for {longest} s");
    let resumed = audio.windows(2).position(|pair| pair[1] - pair[0] > 1.7).expect("a hold");
    assert!(audio.len() - resumed > 50, "audio goes on after the hold");
}

#[test]
fn a_caller_who_hangs_up_stops_the_ringing() {
    if !peers("a_caller_who_hangs_up_stops_the_ringing") {
        return;
    }
    let site = Site::start("cancel", 5250, &agents(&[("ana", Some(5252))]), "");
    let agent = Sipp::agent(&site, "ana", (5252, 41_720), AGENT_CANCELLED);
    let caller =
        Sipp::call(&site, "caller", (5254, 41_730), "u1", &to_an_agent(&site, "caller", 4000, CALLER_BYE));
    caller.succeeds();
    agent.succeeds();
    let record = &site.records(1)[0];
    assert_eq!(text(record, "cause"), "caller_hung_up", "{record}");
    assert_eq!(record["agents"], serde_json::json!([]), "{record}");
}

#[test]
fn a_busy_agent_and_one_who_does_not_answer_leave_the_caller_to_the_next() {
    if !peers("a_busy_agent_and_one_who_does_not_answer_leave_the_caller_to_the_next") {
        return;
    }
    let lines = [("ana", Some(5262)), ("bob", Some(5264)), ("cleo", Some(5266))];
    let site = Site::start("busy", 5260, &agents(&lines), "  ring_seconds: 3\n");
    let busy = Sipp::agent(&site, "ana", (5262, 41_740), &agent_refuses("486 Busy Here"));
    let silent = Sipp::agent(&site, "bob", (5264, 41_750), AGENT_CANCELLED);
    let answers = Sipp::agent(&site, "cleo", (5266, 41_760), &(AGENT_ANSWER.to_owned() + AWAIT_BYE));
    let caller =
        Sipp::call(&site, "caller", (5268, 41_770), "u1", &to_an_agent(&site, "caller", 10_000, CALLER_BYE));
    for peer in [caller, busy, silent, answers] {
        peer.succeeds();
    }
    let record = &site.records(1)[0];
    assert!(has_event(record, &[("event", "not_reached"), ("who", "ana"), ("why", "busy")]), "{record}");
    assert!(has_event(record, &[("event", "not_reached"), ("who", "bob"), ("why", "no_answer")]), "{record}");
    assert_eq!(record["agents"], serde_json::json!(["cleo"]), "{record}");
}

#[test]
fn a_caller_whom_nobody_answers_stays_in_the_flow() {
    if !peers("a_caller_whom_nobody_answers_stays_in_the_flow") {
        return;
    }
    let site = Site::start("nobody", 5270, &agents(&[("ana", Some(5272))]), "");
    let busy = Sipp::agent(&site, "ana", (5272, 41_780), &agent_refuses("486 Busy Here"));
    let caller =
        Sipp::call(&site, "caller", (5274, 41_790), "u1", &to_an_agent(&site, "caller", 5000, CALLER_BYE));
    caller.succeeds();
    busy.succeeds();
    let record = &site.records(1)[0];
    assert!(has_event(record, &[("event", "not_reached"), ("who", "ana"), ("why", "busy")]), "{record}");
    assert_eq!(
        (text(record, "cause"), &record["agents"]),
        ("caller_hung_up", &serde_json::json!([])),
        "{record}"
    );
}
