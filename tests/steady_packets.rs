//! A packet of a call that goes on costs no memory: neither one that comes nor one that goes, from the engine's input
//! to its last output.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign::audio::{Band, Codec};
use countersign::call::{CallLimits, CallSettings};
use countersign::driver::application::{self, ApplicationSource};
use countersign::driver::embedded::BENCH_APPLICATION;
use countersign::driver::os;
use countersign::driver::speech::Speech;
use countersign::engine::{Engine, EngineConfig, Input, Limits, Output, TrunkRules};
use countersign::media::recorder::{Recorder, Side};
use countersign::media::sdp::recorded::{self, RecordedLine};
use countersign::media::{Frame, InbandKeys, LocalMedia, MediaTerms, RecordedStream};
use countersign::sip::{AccessList, EndpointConfig, Path, Transport};
use countersign::units::{Entropy, Epoch, MediaAddress, MediaPort, UnixTime};

const ENGINE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 5060);
const CARRIER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1)), 5060);

/// An engine with calls of callers who only talk.
struct Line {
    engine: Engine,
    now: Instant,
    wake: Option<Instant>,
    ports: u32,
    /// Memory asked for since it was last looked at, while packets came and went.
    asked: u64,
    sent: u64,
    codec: Codec,
    /// Of the packets that callers send and want, in milliseconds.
    packet_ms: u64,
    /// The payload type of every other packet.
    beside: u8,
}

fn engine(now: Instant, codec: Codec) -> Engine {
    // Prompts are encoded as they play, but for Opus, whose encoder takes memory of its own.
    let ready = std::iter::once(codec).filter(|codec| *codec == Codec::Opus).collect();
    let source = ApplicationSource::Embedded(BENCH_APPLICATION);
    let loaded =
        application::load_with(&source, &Speech::default().encoded_for(ready)).expect("it is inside");
    let settings = CallSettings {
        locations: Arc::new(countersign::sip::locate::Nowhere),
        application: loaded.application,
        application_hash: loaded.hash,
        clips: loaded.clips,
        targets: std::collections::HashMap::new(),
        phones_transfer_to: Vec::new(),
        signer: ed25519_dalek::SigningKey::from_bytes(&[7; 32]),
        epoch: Epoch { instant: now, unix: UnixTime(1_800_000_000_000) },
        trusted: AccessList::new(),
        listen: ENGINE.into(),
        signing: None,
        limits: CallLimits::default(),
        recording: countersign::call::RecordingPlan::default(),
        phones: countersign::media::MediaTerms::default(),
        carriers: Arc::default(),
    };
    let carrier = CARRIER.ip().to_string();
    let codecs = std::iter::once(codec).chain(Codec::G711.iter().copied()).collect();
    let config = EngineConfig {
        endpoint: EndpointConfig::default(),
        lineup: Arc::new(settings).into(),
        trunks: AccessList::parse([("carrier", [carrier].as_slice())]).expect("an address"),
        rules: HashMap::from([(
            Arc::from("carrier"),
            TrunkRules {
                media: MediaTerms { codecs, inband_keys: InbandKeys::Always, ..MediaTerms::default() },
                ..TrunkRules::default()
            },
        )]),
        vouching: Default::default(),
        limits: Limits::default(),
    };
    Engine::new(config, Entropy::from_seed([5; 32]))
}

fn request(method: &str, call: u32, to_tag: &str, body: &str) -> Bytes {
    Bytes::from(format!(
        "{method} sip:bench@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK{method}{call}\r\n\
         From: <sip:load@198.51.100.1>;tag=a{call}\r\nTo: <sip:bench@192.0.2.1>{to_tag}\r\nCall-ID: steady-{call}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:load@198.51.100.1>\r\nMax-Forwards: 70\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn caller(call: u32) -> SocketAddr {
    SocketAddr::new(CARRIER.ip(), 4000 + 2 * u16::try_from(call).expect("few calls"))
}

impl Line {
    fn with_calls(calls: u32, codec: Codec, packet_ms: u64) -> Self {
        let now = os::now();
        let engine = engine(now, codec);
        let beside = codec.payload_type().0;
        let mut line =
            Self { engine, now, wake: None, ports: 0, asked: 0, sent: 0, codec, packet_ms, beside };
        for call in 0..calls {
            let offer = format!(
                "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
                 m=audio {port} RTP/AVP {number} 101\r\na=rtpmap:{number} {name}/{clock}{channels}\r\n\
                 a=rtpmap:101 telephone-event/{clock}\r\na=ptime:{packet_ms}\r\n",
                port = caller(call).port(),
                number = codec.payload_type().0,
                name = codec.name(),
                clock = codec.clock_rate(),
                channels = codec.channels().map_or(String::new(), |channels| format!("/{channels}")),
            );
            let answer = line.signal(request("INVITE", call, "", &offer)).expect("a 200");
            let tag = answer.split("\r\nTo:").nth(1).and_then(|rest| rest.split(";tag=").nth(1));
            let tag = tag.and_then(|rest| rest.split(['\r', ';']).next()).expect("a tag");
            line.signal(request("ACK", call, &format!(";tag={tag}"), ""));
            line.now += Duration::from_millis(1);
        }
        line
    }

    /// Gives the engine a message; the last response that comes of it.
    fn signal(&mut self, bytes: Bytes) -> Option<String> {
        let path = Path { transport: Transport::Udp, local: ENGINE, remote: CARRIER, connection: None };
        self.engine.handle(self.now, Input::Sip { path, bytes });
        let mut last = None;
        loop {
            match self.engine.poll() {
                Output::Sip { bytes, .. } => last = Some(String::from_utf8_lossy(&bytes).into_owned()),
                Output::OpenMedia { call, leg, .. } => {
                    let port = MediaPort(self.ports);
                    let rtp =
                        SocketAddr::new(ENGINE.ip(), 20_000 + 2 * u16::try_from(self.ports).expect("few"));
                    self.ports += 1;
                    let opened = Some(MediaAddress { port, rtp, former: None, beat: None });
                    self.engine.handle(self.now, Input::MediaOpened { call, leg, opened });
                }
                Output::Timeout(at) => {
                    self.wake = at;
                    return last;
                }
                _ => {}
            }
        }
    }

    /// One input and all that comes of it. A report is no packet of audio: what it takes is not counted.
    fn step(&mut self, input: Input<'_>) {
        let (engine, now) = (&mut self.engine, self.now);
        let (mut wake, mut sent, mut other) = (None, 0, false);
        let info = allocation_counter::measure(|| {
            engine.handle(now, input);
            loop {
                match engine.poll() {
                    Output::Rtp { .. } => sent += 1,
                    Output::Timeout(at) => {
                        wake = at;
                        break;
                    }
                    _ => other = true,
                }
            }
        });
        self.wake = wake;
        self.sent += sent;
        if !other {
            self.asked += info.count_total;
        }
    }

    /// Every caller talks for so long.
    fn talk(&mut self, time: Duration, seq: &mut u16) {
        let (codec, end) = (self.codec, self.now + time);
        let ticks = self.packet_ms * 8;
        while self.now < end {
            let next = self.now + Duration::from_millis(self.packet_ms);
            for call in 0..self.ports {
                let payload_type = if seq.is_multiple_of(2) { codec.payload_type().0 } else { self.beside };
                let mut packet = vec![0x80, payload_type];
                packet.extend(seq.to_be_bytes());
                let timestamp = u64::from(*seq) * ticks * u64::from(codec.clock_of_tick());
                packet.extend(u32::try_from(timestamp).expect("short").to_be_bytes());
                packet.extend([0; 4]);
                codec.silence(usize::try_from(ticks).expect("few"), &mut packet);
                let (port, came, from) = (MediaPort(call), self.now, caller(call));
                self.step(Input::Rtp { port, came, from, bytes: &packet });
            }
            *seq = seq.wrapping_add(1);
            while let Some(at) = self.wake.filter(|at| *at < next) {
                self.now = self.now.max(at);
                self.step(Input::Timeout);
            }
            self.now = next;
        }
    }
}

fn goes_on_without_memory(calls: u32, codec: Codec, packet_ms: u64) {
    let mut line = Line::with_calls(calls, codec, packet_ms);
    let what = format!("{calls} calls with {codec:?} in packets of {packet_ms} ms");
    let mut seq = 0;
    line.talk(Duration::from_millis(500), &mut seq);
    (line.asked, line.sent) = (0, 0);
    // The prompt, and a word from each side each packet time.
    line.talk(Duration::from_secs(2), &mut seq);
    assert_eq!(line.asked, 0, "{what}, while a prompt plays: {} packets sent", line.sent);
    let (two_seconds, five_seconds) = (1800 / packet_ms, 4800 / packet_ms);
    assert!(line.sent >= two_seconds * u64::from(calls), "{what}: {} packets", line.sent);
    // The prompt's end changes the flow's state; then the line is silent.
    line.talk(Duration::from_secs(2), &mut seq);
    (line.asked, line.sent) = (0, 0);
    line.talk(Duration::from_secs(5), &mut seq);
    assert_eq!(line.asked, 0, "{what}, while a key is waited for: {} packets sent", line.sent);
    assert!(line.sent >= five_seconds * u64::from(calls), "{what}: {} packets", line.sent);
}

#[test]
fn a_packet_of_a_call_that_goes_on_asks_for_no_memory() {
    for calls in [1, 50] {
        goes_on_without_memory(calls, Codec::Pcma, 20);
    }
}

#[test]
fn a_packet_asks_for_no_memory_in_any_codec_and_packet_time() {
    for &codec in Codec::ALL {
        let times: &[u64] = if codec == Codec::Opus { &[20] } else { &[10, 20, 30, 60] };
        for &packet_ms in times {
            let sent_ms = codec.packet_ms(packet_ms.min(codec.longest_packet_ms()));
            goes_on_without_memory(2, codec, sent_ms);
        }
    }
}

#[test]
fn a_peer_that_changes_its_payload_type_with_each_packet_costs_no_memory() {
    for (codec, beside) in
        [(Codec::Pcmu, 8), (Codec::Pcmu, 9), (Codec::Pcmu, 13), (Codec::L16, 0), (Codec::G722, 0)]
    {
        let mut line = Line::with_calls(2, codec, 20);
        line.beside = beside;
        let mut seq = 0;
        line.talk(Duration::from_millis(4500), &mut seq);
        line.asked = 0;
        line.talk(Duration::from_secs(5), &mut seq);
        assert_eq!(line.asked, 0, "{codec:?} and payload type {beside}");
    }
}

#[test]
fn a_copy_for_a_recording_server_costs_no_memory() {
    let start = os::now();
    let epoch = Epoch { instant: start, unix: UnixTime(1_800_000_000_000) };
    for law in ["0", "8"] {
        let mut entropy = Entropy::from_seed([6; 32]);
        let mut recorder = Recorder::new(start);
        let mut stream = RecordedStream::new(&mut entropy, epoch, "name".to_owned());
        let lines = [20_000, 20_002].map(|port| RecordedLine {
            local: LocalMedia::new(SocketAddr::new(ENGINE.ip(), port), 1),
            label: "1",
            ssrc: stream.ssrc(),
            cname: "name".to_owned(),
        });
        let answer = format!(
            "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP {law}\r\n"
        );
        let [remote, _] = recorded::accept(answer.as_bytes(), &lines).expect("an answer");
        stream.connect(start, remote);
        let voice = Frame::new(Band::Narrow, &[500; 160]);
        let mut sent = 0;
        let info = allocation_counter::measure(|| {
            for frame in 1..=45 {
                let now = start + Duration::from_millis(20 * frame);
                while let Some(copied) = recorder.copy(now, false) {
                    sent += u64::from(stream.packet(copied.at, &copied.left).is_some());
                }
                recorder.hear(now, Side::Left, &voice);
                recorder.hear(now, Side::Right, &voice);
            }
        });
        assert_eq!((info.count_total, sent), (0, 32), "law {law}: a packet each 20 ms, 250 ms behind");
    }
}
