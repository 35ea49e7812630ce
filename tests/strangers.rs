//! Strangers at other addresses and ports of this machine, who send audio, keys, reports and junk to every media port of
//! the engine before, during and after calls (RTP injection, RTP bleed): they get nothing, and nothing of theirs is
//! heard, pressed or counted as the caller's.

#![expect(clippy::print_stdout, reason = "what was sent and dropped is told")]

mod canary;
mod site;

use std::net::{SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use canary::{Canary, TRUNK, Target, pause};
use countersign::audio::correlate::correlate;
use countersign::audio::{Clip, Law};
use countersign::driver::application::ApplicationSource;
use countersign::driver::embedded::BENCH_APPLICATION;
use countersign::driver::serve::{self, ServeSettings};
use countersign::units::Digit;
use site::{ACCOUNT, Folder, Handset, SOON, Site, Stage, add_customer};

/// Other hosts, as far as loopback has them, and another port of the caller's own.
const ELSEWHERE: [[u8; 4]; 3] = [[127, 0, 0, 2], [127, 0, 0, 4], TRUNK];
const FRAME: Duration = Duration::from_millis(20);

/// A stream of RTP made by hand.
struct Voice {
    ssrc: u32,
    seq: u16,
    timestamp: u32,
    /// What it says, over and over, as PCMU.
    said: Vec<u8>,
}

impl Voice {
    fn new(ssrc: u32, samples: &[i16]) -> Self {
        let mut said = Vec::new();
        Law::Mu.encode(samples, &mut said);
        Self { ssrc, seq: 1, timestamp: 160, said }
    }

    fn packet(&mut self, kind: u8, payload: &[u8]) -> Vec<u8> {
        self.seq = self.seq.wrapping_add(1);
        let mut packet = vec![0x80, kind];
        packet.extend(self.seq.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload);
        packet
    }

    fn audio(&mut self) -> Vec<u8> {
        self.timestamp = self.timestamp.wrapping_add(160);
        let at = usize::try_from(self.timestamp).expect("64 bits") % self.said.len() / 160 * 160;
        let payload = self.said[at..at + 160].to_vec();
        self.packet(0, &payload)
    }

    /// A whole press (RFC 4733): two packets while the key is down, three that it is up.
    fn press(&mut self, event: u8) -> Vec<Vec<u8>> {
        self.timestamp = self.timestamp.wrapping_add(1600);
        let told = [(0x0A, 160), (0x0A, 320), (0x8A, 480), (0x8A, 480), (0x8A, 480)];
        let payload = |(bits, duration): (u8, u16)| {
            let [high, low] = duration.to_be_bytes();
            [event, bits, high, low]
        };
        let packets = told.into_iter().map(|one| self.packet(101, &payload(one))).collect();
        self.timestamp = self.timestamp.wrapping_add(480);
        packets
    }
}

/// What else may come to a media port: a report, a report and a goodbye, a STUN request (RFC 8489 §5), the start of
/// DTLS, and nothing in particular.
fn junk(ssrc: u32) -> Vec<Vec<u8>> {
    let [a, b, c, d] = ssrc.to_be_bytes();
    let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
    stun.extend([7; 12]);
    vec![
        vec![0x80, 201, 0, 1, a, b, c, d],
        vec![0x80, 201, 0, 1, a, b, c, d, 0x81, 203, 0, 1, a, b, c, d],
        stun,
        vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1],
        vec![0x80],
        vec![0xFF; 1400],
    ]
}

/// Somebody who sends to all ports of a range until told to stop.
struct Stranger {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<[u64; 2]>,
}

impl Stranger {
    fn at(address: [u8; 4], ports: &RangeInclusive<u16>, voice: Voice) -> Self {
        let socket = UdpSocket::bind(SocketAddr::from((address, 0))).expect("a socket");
        Self::with(socket, ports, voice)
    }

    #[expect(clippy::disallowed_methods, reason = "it sends while the test does something else")]
    fn with(socket: UdpSocket, ports: &RangeInclusive<u16>, voice: Voice) -> Self {
        socket.set_nonblocking(true).expect("nonblocking");
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, ports) = (Arc::clone(&stop), ports.clone());
        let thread = std::thread::spawn(move || sends(&socket, &ports, voice, &stopped));
        Self { stop, thread }
    }

    /// How many packets it sent, and how many it got.
    fn stops(self) -> [u64; 2] {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it ends well")
    }
}

/// Audio each 20 ms, the key 9 each 160 ms, junk in between, to each port of the range.
fn sends(socket: &UdpSocket, ports: &RangeInclusive<u16>, mut voice: Voice, stop: &AtomicBool) -> [u64; 2] {
    let [mut sent, mut got] = [0, 0];
    let mut buffer = [0; 2048];
    for turn in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let mut packets = vec![voice.audio()];
        match turn % 8 {
            0 => packets.extend(voice.press(9)),
            4 => packets.extend(junk(voice.ssrc)),
            _ => {}
        }
        for port in ports.clone() {
            for packet in &packets {
                sent += u64::from(socket.send_to(packet, SocketAddr::from((TRUNK, port))).is_ok());
            }
        }
        while socket.recv(&mut buffer).is_ok() {
            got += 1;
        }
        pause(FRAME);
    }
    [sent, got]
}

/// A sound of this test's strangers: a tone that falls.
fn strange() -> Vec<i16> {
    let mut samples = site::glide(3);
    samples.reverse();
    samples
}

fn all_around(ports: &RangeInclusive<u16>, places: &[[u8; 4]]) -> Vec<Stranger> {
    let voices = (0xBAD0_u32..).map(|ssrc| Voice::new(ssrc, &strange()));
    places.iter().zip(voices).map(|(&place, voice)| Stranger::at(place, ports, voice)).collect()
}

fn nothing_went_to(strangers: Vec<Stranger>) {
    for stranger in strangers {
        let [sent, got] = stranger.stops();
        println!("{sent} packets sent, {got} received");
        assert!(sent > 500, "only {sent} packets were sent");
        assert_eq!(got, 0, "a stranger gets packets");
    }
}

/// Presses keys as the caller, at a human's pace.
fn press(caller: &Canary, voice: &mut Voice, keys: &[u8]) {
    for &key in keys {
        for packet in voice.press(key) {
            caller.rtp.send_to(&packet, caller.media).expect("sent");
            pause(FRAME);
        }
        pause(FRAME * 5);
    }
}

/// Whether the measuring flow took 1234: it goes to its music then, and hangs up at any other keys.
fn keys_were_right(record: &serde_json::Value) -> bool {
    record["events"].as_array().is_some_and(|events| events.iter().any(|event| event["block"] == "long"))
}

#[test]
fn a_caller_who_says_nothing_for_long_keeps_the_call_from_strangers() {
    let ports = 58_600..=58_607;
    let target = Target::serving("strangers", BENCH_APPLICATION, ports.clone(), 1);
    // Not from a port of the caller's own address: who is silent may be behind a NAT that changes the port.
    let strangers = all_around(&ports, &ELSEWHERE[..2]);
    pause(Duration::from_millis(200));
    let caller = Canary::dials(&target, "quiet");
    // Three seconds in which only strangers send.
    caller.hears(150);
    let mut voice = Voice::new(1, &site::glide(1));
    press(&caller, &mut voice, &[1, 2, 3, 4]);
    caller.hears(50);
    caller.hangs_up();
    pause(Duration::from_millis(500));
    nothing_went_to(strangers);
    target.settles();
    let record = target.records().pop().expect("a record");
    assert!(keys_were_right(&record), "{record}");
    assert!(record["caller_media"]["foreign"].as_u64() > Some(500), "they did send to the call: {record}");
}

/// The same keys from the caller's own socket: the test above would see them.
#[test]
fn keys_that_reach_the_call_are_seen() {
    let target = Target::serving("seen", BENCH_APPLICATION, 58_620..=58_627, 1);
    let caller = Canary::dials(&target, "nine");
    caller.hears(10);
    press(&caller, &mut Voice::new(1, &site::glide(1)), &[9, 9, 9, 9]);
    target.settles();
    let record = target.records().pop().expect("a record");
    assert!(!keys_were_right(&record), "{record}");
    assert_eq!(record["caller_media"]["foreign"], 0, "{record}");
}

#[test]
fn a_port_of_the_next_call_knows_nothing_of_the_peer_before() {
    // One pair of ports: the next call gets it at once.
    let ports = 58_640..=58_641;
    let target = Target::serving("bleed", BENCH_APPLICATION, ports.clone(), 1);
    let first = Canary::dials(&target, "first");
    let mut voice = Voice::new(0xF125, &strange());
    for _ in 0..20 {
        first.rtp.send_to(&voice.audio(), first.media).expect("sent");
        pause(FRAME);
    }
    first.hears(10);
    let (media, rtp) = (first.media, first.rtp.try_clone().expect("a socket"));
    first.hangs_up();
    target.settles();
    rtp.set_nonblocking(true).expect("nonblocking");
    while rtp.recv(&mut [0; 2048]).is_ok() {}
    // It has not noticed, and talks on.
    let former = Stranger::with(rtp, &ports, voice);
    pause(Duration::from_millis(200));
    let second = Canary::dials(&target, "second");
    assert_eq!(second.media, media, "the same port");
    second.hears(150);
    press(&second, &mut Voice::new(2, &site::glide(1)), &[1, 2, 3, 4]);
    second.hears(50);
    second.hangs_up();
    nothing_went_to(vec![former]);
    target.settles();
    let records = target.records();
    let second = records.iter().find(|record| keys_were_right(record)).expect("its keys were its own");
    assert!(second["caller_media"]["foreign"].as_u64() > Some(100), "{second}");
    // 20 packets of keys and no audio: none of the other's was taken for it.
    assert!(second["caller_media"]["received"].as_u64() <= Some(20), "{second}");
}

#[test]
fn strangers_are_heard_by_neither_side_of_a_conversation() {
    let agent = Handset::agent();
    let ports = 58_660..=58_671;
    let folder = Folder::new("strangers");
    let address = format!("sip:agent@{}", agent.phone.address);
    let bank = ApplicationSource::Folder(site::root().join("flows/bank"));
    let settings = ServeSettings {
        more_agents: vec![("agent0".to_owned(), address)],
        ..ServeSettings::on_loopback(bank, folder.path().to_owned(), ports.clone())
    };
    let deployment = serve::start(&settings).unwrap_or_else(|error| panic!("{error}"));
    let site = Site { folder, deployment };
    let app = add_customer(site.vault());
    let strangers = all_around(&ports, &ELSEWHERE);
    let mut stage = Stage::new(vec![Handset::new("+441632960188"), agent]);
    stage.claim(0, &site.uri(), ACCOUNT);
    stage.answer(0, "main_menu", "3");
    stage.proved_to_the_agent(0, &app);
    assert_eq!(stage.handsets[0].level(), "strong", "with strangers' keys all the while");
    let says = |stage: &mut Stage, samples: &[i16]| {
        let plays = stage.handsets[0].plays_finished + 1;
        for handset in &mut stage.handsets {
            handset.say(&Arc::new(Clip::from_pcm(samples)));
        }
        let said = |all: &[Handset]| all.iter().all(|handset| handset.plays_finished >= plays);
        assert!(stage.until(SOON, said), "both have spoken");
        let _ = stage.until(Duration::from_millis(500), |_| false);
    };
    let own = site::glide(3);
    says(&mut stage, &own);
    // The best second of it: a packet lost on this machine shifts what follows.
    let score = |stage: &Stage, who: usize, what: &[i16]| {
        let second = |second| correlate(second, &stage.handsets[who].heard).map_or(0.0, |found| found.score);
        what.chunks_exact(8000).map(second).fold(0.0, f64::max)
    };
    for who in 0..2 {
        let scores = [&own, &strange()].map(|what| score(&stage, who, what));
        println!("side {who} hears the other {:.3}, the strangers {:.3}", scores[0], scores[1]);
        assert!(scores[0] > 0.9 && scores[1] < 0.5, "{scores:?}");
    }
    stage.handsets[0].press("159#");
    assert!(stage.until(SOON, |all| all[1].keys.len() >= 4));
    let pressed: Vec<Digit> = "159#".chars().filter_map(Digit::from_char).collect();
    assert_eq!(stage.handsets[1].keys, pressed, "the caller's keys and no others");
    nothing_went_to(strangers);
    // What strangers said is found when the two say it.
    says(&mut stage, &strange());
    for who in 0..2 {
        assert!(score(&stage, who, &strange()) > 0.9, "side {who}");
    }
    stage.hang_up(0);
    site.deployment.stop();
}
