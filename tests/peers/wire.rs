//! RTP on the wire: pcap files that SIPp plays, and captures of what went over loopback.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use countersign::audio::Law;

use super::site::{end, quiet, until};
use super::{from_engine, loudest};

/// What a stream consists of.
pub(crate) struct Sound {
    /// The payload type of audio.
    pub(crate) kind: u8,
    /// How far the RTP clock goes in 20 ms.
    pub(crate) tick: u32,
    /// The payloads of packets of 20 ms; when they are over there is none.
    pub(crate) payloads: Box<dyn Iterator<Item = Vec<u8>>>,
}

impl Sound {
    /// A tone of 440 Hz in PCMU.
    fn tone() -> Self {
        let mut phase = 0.0_f64;
        let payloads = std::iter::repeat_with(move || {
            let mut samples = Vec::new();
            for _ in 0..160 {
                phase += std::f64::consts::TAU * 440.0 / 8000.0;
                samples.push(sample(6000.0 * phase.sin()));
            }
            let mut payload = Vec::new();
            Law::Mu.encode(&samples, &mut payload);
            payload
        });
        Self { kind: 0, tick: 160, payloads: Box::new(payloads) }
    }
}

/// A caller's whole RTP stream, audio and keys with one SSRC.
pub(crate) struct Stream {
    /// Packets, each with its time in microseconds.
    packets: Vec<(u64, Vec<u8>)>,
    sound: Sound,
    seq: u16,
    timestamp: u32,
    micros: u64,
}

const SSRC: u32 = 0x1234_5678;
const EVENTS: u8 = 101;

impl Stream {
    /// One of a tone.
    pub(crate) fn new() -> Self {
        Self::of(Sound::tone())
    }

    /// One of this.
    pub(crate) const fn of(sound: Sound) -> Self {
        Self { packets: Vec::new(), sound, seq: 1000, timestamp: 5000, micros: 0 }
    }

    /// Audio.
    pub(crate) fn audio(&mut self, length: Duration) {
        for _ in 0..length.as_millis() / 20 {
            if let Some(payload) = self.sound.payloads.next() {
                self.packet(self.sound.kind, false, &payload);
            }
            self.micros += 20_000;
            self.timestamp = self.timestamp.wrapping_add(self.sound.tick);
        }
    }

    /// Nothing but the word that there is noise of so many dB below overload (RFC 3389); the next audio begins anew.
    pub(crate) fn rest(&mut self, below_overload: u8, length: Duration) {
        self.packet(13, false, &[below_overload]);
        let packets = u32::try_from(length.as_millis() / 20).expect("seconds");
        self.micros += 20_000 * u64::from(packets);
        self.timestamp = self.timestamp.wrapping_add(self.sound.tick * packets);
        if let Some(payload) = self.sound.payloads.next() {
            self.packet(self.sound.kind, true, &payload);
        }
        self.micros += 20_000;
        self.timestamp = self.timestamp.wrapping_add(self.sound.tick);
    }

    /// Keys of 100 ms with 60 ms between them.
    pub(crate) fn press(&mut self, keys: &str) {
        let duration = |parts: u32| u16::try_from(self.sound.tick * parts).expect("100 ms").to_be_bytes();
        let durations: Vec<[u8; 2]> = (1..=5).map(duration).collect();
        for key in keys.chars() {
            let event = u8::try_from("0123456789*#".find(key).expect("a key")).expect("small");
            for (part, &[high, low]) in durations.iter().enumerate() {
                self.packet(EVENTS, part == 0, &[event, 10, high, low]);
                self.micros += 20_000;
            }
            let [high, low] = durations[4];
            for _ in 0..3 {
                self.packet(EVENTS, false, &[event, 0x8a, high, low]);
            }
            self.timestamp = self.timestamp.wrapping_add(5 * self.sound.tick);
            self.audio(Duration::from_millis(60));
        }
    }

    fn packet(&mut self, kind: u8, marker: bool, payload: &[u8]) {
        let mut rtp = vec![0x80, kind | if marker { 0x80 } else { 0 }];
        rtp.extend(self.seq.to_be_bytes());
        rtp.extend(self.timestamp.to_be_bytes());
        rtp.extend(SSRC.to_be_bytes());
        rtp.extend(payload);
        self.seq = self.seq.wrapping_add(1);
        self.packets.push((self.micros, rtp));
    }

    /// The packets as somebody else makes them of these.
    pub(crate) fn become_of(&mut self, make: impl FnOnce(&[Vec<u8>]) -> Vec<Vec<u8>>) {
        let (times, packets): (Vec<u64>, Vec<Vec<u8>>) = self.packets.drain(..).unzip();
        self.packets = times.into_iter().zip(make(&packets)).collect();
    }

    /// As a pcap file that SIPp plays.
    pub(crate) fn write(&self, path: &Path) {
        // Magic number, version 2.4, no time zone, no accuracy, longest packet, Ethernet.
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
            file.extend(word.to_le_bytes());
        }
        for (micros, packet) in &self.packets {
            write_frame(&mut file, *micros, packet);
        }
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, &file).expect("a pcap file");
    }
}

fn write_frame(file: &mut Vec<u8>, micros: u64, packet: &[u8]) {
    let length = u16::try_from(packet.len()).expect("short") + 8;
    let mut frame = vec![0; 12];
    frame.extend([0x08, 0x00, 0x45, 0x00]);
    frame.extend((length + 20).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    // SIPp puts in its own ports.
    frame.extend([0x0f, 0xa0, 0x0f, 0xa0]);
    frame.extend(length.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(packet);
    let size = u32::try_from(frame.len()).expect("short");
    let seconds = u32::try_from(micros / 1_000_000).expect("minutes");
    let micros = u32::try_from(micros % 1_000_000).expect("below a million");
    for word in [seconds, micros, size, size] {
        file.extend(word.to_le_bytes());
    }
    file.extend(frame);
}

#[expect(clippy::cast_possible_truncation, reason = "a tone of small amplitude")]
pub(crate) fn sample(value: f64) -> i16 {
    value as i16
}

/// A UDP packet seen on loopback.
pub(crate) struct Packet {
    /// Seconds.
    pub(crate) at: f64,
    pub(crate) from: u16,
    pub(crate) to: u16,
    pub(crate) payload: Vec<u8>,
}

impl Packet {
    /// The RTP payload type.
    pub(crate) fn kind(&self) -> Option<u8> {
        self.payload.get(1).map(|octet| octet & 0x7f)
    }
}

/// A capture of media on loopback.
pub(crate) struct Capture {
    child: Child,
    path: PathBuf,
}

impl Capture {
    /// Starts; returns when packets are being taken.
    pub(crate) fn start(folder: &Path) -> Self {
        let path = folder.join("media.pcap");
        let log = folder.join("dumpcap.log");
        let mut command = Command::new("dumpcap");
        command.args(["-q", "-P", "-i", "lo", "-f", "udp portrange 41000-42999", "-w"]).arg(&path);
        let child = quiet(&mut command, &log);
        let started = until(Duration::from_secs(10), || {
            fs::read_to_string(&log).unwrap_or_default().contains("File:").then_some(())
        });
        assert!(started.is_some(), "no capture: {}", fs::read_to_string(&log).unwrap_or_default());
        Self { child, path }
    }

    /// Ends it and reads what came.
    pub(crate) fn packets(mut self) -> Vec<Packet> {
        end(&mut self.child);
        read(&fs::read(&self.path).expect("the capture"))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// The loudest second of a tone in what the engine sent to this port, in either law.
pub(crate) fn tone_to(packets: &[Packet], port: u16, hertz: f64) -> f64 {
    let mut samples = Vec::new();
    for packet in from_engine(packets, port) {
        let law = match packet.kind() {
            Some(0) => Law::Mu,
            Some(8) => Law::A,
            _ => continue,
        };
        law.decode(packet.payload.get(12..).unwrap_or_default(), &mut samples);
    }
    loudest(&samples, hertz)
}

/// Keys that the engine sent to this port, by telephone-events of this payload type.
pub(crate) fn keys_to(packets: &[Packet], port: u16, events: u8) -> Vec<u8> {
    let events = from_engine(packets, port).filter(|packet| packet.kind() == Some(events));
    let mut keys: Vec<u8> = events.filter_map(|packet| packet.payload.get(12).copied()).collect();
    keys.dedup();
    keys
}

fn read(file: &[u8]) -> Vec<Packet> {
    let word =
        |at: usize| file.get(at..at + 4).map(|four| u32::from_le_bytes(four.try_into().expect("four")));
    let fraction = match word(0) {
        Some(0xa1b2_c3d4) => 1e-6,
        Some(0xa1b2_3c4d) => 1e-9,
        other => panic!("not a pcap file: {other:x?}"),
    };
    let mut packets = Vec::new();
    let mut at = 24;
    while let (Some(seconds), Some(part), Some(size)) = (word(at), word(at + 4), word(at + 8)) {
        let size = usize::try_from(size).expect("a size");
        let Some(frame) = file.get(at + 16..at + 16 + size) else { break };
        at += 16 + size;
        let port = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
        if let (Some(from), Some(to), Some(payload)) = (port(34), port(36), frame.get(42..)) {
            let at = f64::from(seconds) + f64::from(part) * fraction;
            packets.push(Packet { at, from, to, payload: payload.to_vec() });
        }
    }
    packets
}
