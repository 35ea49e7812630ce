//! Two media sessions and the network between them, in virtual time with a seeded chance.

#![allow(dead_code, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::audio::{Band, Clip, Codec, Rebander};
use countersign::media::sdp::{Negotiated, accept_answer, answer, offer};
use countersign::media::{Event, Frame, Input, LocalMedia, MediaConfig, MediaSession, Output};
use countersign::units::{Entropy, Epoch, UnixTime};

pub(crate) const MS: Duration = Duration::from_millis(1);

/// The first moment of a test.
#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some first instant; all others are offsets from it"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// What the network does to packets of one direction.
#[derive(Clone, Copy, Default)]
pub(crate) struct Path {
    pub(crate) loss_percent: u64,
    pub(crate) double_percent: u64,
    pub(crate) delay_ms: u64,
    pub(crate) jitter_ms: u64,
}

/// One side.
pub(crate) struct Side {
    pub(crate) session: MediaSession,
    pub(crate) address: SocketAddr,
    pub(crate) path: Path,
    pub(crate) events: Vec<Event>,
    /// At 8,000 Hz, whatever the codec.
    pub(crate) heard: Vec<i16>,
    pub(crate) rebander: Rebander,
    /// What was heard since it was last looked at.
    pub(crate) frames: Vec<Frame>,
    pub(crate) sent: u64,
    pub(crate) lost: u64,
}

/// Both sides.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) sides: [Side; 2],
    chance: Entropy,
    /// (arrival, to which side, is RTCP, datagram)
    wire: Vec<(Instant, usize, bool, Vec<u8>)>,
}

impl World {
    /// Connected by a real offer and answer.
    pub(crate) fn new(seed: u8, paths: [Path; 2], codecs: [&[Codec]; 2]) -> Self {
        Self::with_packet_time(seed, paths, codecs, [20, 20])
    }

    /// Each side sends packets of so many milliseconds.
    pub(crate) fn with_packet_time(
        seed: u8,
        paths: [Path; 2],
        codecs: [&[Codec]; 2],
        packet_ms: [u64; 2],
    ) -> Self {
        let now = start();
        let mut chance = Entropy::from_seed([seed; 32]);
        let epoch = Epoch { instant: now, unix: UnixTime(1_700_000_000_000) };
        let addresses: [SocketAddr; 2] =
            ["192.0.2.1:4000", "198.51.100.1:5000"].map(|text| text.parse().expect("an address"));
        let [here, there] = [0, 1]
            .map(|side| LocalMedia { codecs: codecs[side].to_vec(), ..LocalMedia::new(addresses[side], 1) });
        let answered: Negotiated = answer(&offer(&here), &there).expect("acceptable");
        let accepted = accept_answer(&answered.body, &here).expect("acceptable");
        let mut remotes = [accepted.remote, answered.remote];
        for (remote, ms) in remotes.iter_mut().zip(packet_ms) {
            remote.ptime = Duration::from_millis(ms);
        }
        let sides = [0, 1].map(|side| {
            let mut session = MediaSession::new(now, MediaConfig::from_entropy(&mut chance, epoch));
            session.connect(now, &remotes[side]);
            Side {
                session,
                address: addresses[side],
                path: paths[side],
                events: Vec::new(),
                heard: Vec::new(),
                rebander: Rebander::default(),
                frames: Vec::new(),
                sent: 0,
                lost: 0,
            }
        });
        Self { now, sides, chance, wire: Vec::new() }
    }

    /// Runs for a while, a millisecond at a time.
    pub(crate) fn run(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds {
            for side in 0..2 {
                self.sides[side].session.handle(self.now, Input::Timeout);
                self.drain(side);
            }
            self.deliver();
            self.now += MS;
        }
    }

    /// What a side heard since it was last asked.
    pub(crate) fn frames(&mut self, side: usize) -> Vec<Frame> {
        std::mem::take(&mut self.sides[side].frames)
    }

    fn deliver(&mut self) {
        while let Some(index) = self.wire.iter().position(|(at, ..)| *at <= self.now) {
            let (_, to, is_rtcp, bytes) = self.wire.remove(index);
            let from = self.sides[1 - to].address;
            let input = if is_rtcp {
                let from = SocketAddr::new(from.ip(), from.port() + 1);
                Input::Rtcp { from, bytes: &bytes }
            } else {
                Input::Rtp { came: self.now, from, bytes: &bytes }
            };
            self.sides[to].session.handle(self.now, input);
            self.drain(to);
        }
    }

    fn drain(&mut self, side: usize) {
        loop {
            match self.sides[side].session.poll() {
                Output::Rtp { to, bytes } => {
                    assert_eq!(to, self.sides[1 - side].address);
                    self.send(side, false, bytes.to_vec());
                }
                Output::Rtcp { bytes, .. } => self.send(side, true, bytes.to_vec()),
                Output::Event(event) => self.sides[side].events.push(event),
                Output::Frame(frame) => {
                    let Side { rebander, heard, frames, .. } = &mut self.sides[side];
                    rebander.pass(&frame.samples, frame.band, Band::Narrow, heard);
                    frames.push(frame);
                }
                Output::Said(_) | Output::Heard(_) => {}
                Output::Timeout(_) => return,
            }
        }
    }

    fn send(&mut self, side: usize, is_rtcp: bool, bytes: Vec<u8>) {
        let path = self.sides[side].path;
        // Reports get through, so that figures can be compared.
        if !is_rtcp {
            self.sides[side].sent += 1;
            if self.chance.below(100) < path.loss_percent {
                self.sides[side].lost += 1;
                return;
            }
        }
        let copies = if self.chance.below(100) < path.double_percent { 2 } else { 1 };
        for _ in 0..copies {
            let delay = path.delay_ms + self.chance.below(path.jitter_ms + 1);
            let arrival = self.now + MS * u32::try_from(delay).expect("short");
            self.wire.push((arrival, 1 - side, is_rtcp, bytes.clone()));
        }
    }
}

/// Something like speech: a chirp with syllables, different at every moment.
pub(crate) fn speech(seconds: u32) -> (Vec<i16>, Arc<Clip>) {
    let samples: Vec<i16> = (0..seconds * 8000)
        .map(|n| {
            let t = f64::from(n) / 8000.0;
            let syllable = (t * 4.0 * std::f64::consts::PI).sin().abs();
            let tone = (t * (1500.0 + 600.0 * t)).sin() + (t * 2900.0 + (t * 37.0).sin()).sin();
            f64_to_sample(6000.0 * syllable * tone)
        })
        .collect();
    let clip = Arc::new(Clip::from_pcm(&samples));
    (samples, clip)
}

#[expect(clippy::cast_possible_truncation, reason = "a float cast to an integer saturates")]
fn f64_to_sample(value: f64) -> i16 {
    value as i16
}
