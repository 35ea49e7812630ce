//! A buffer that trades delay for order, for whoever listens.
//!
//! Packets are kept by the position of their samples, not by number: packet times may be anything and change,
//! and a gap in the timestamps that matches the clock (silence suppression) simply is one. Each packet's
//! transit (arrival minus position) is compared with the least of the last seconds; what the latest packets
//! needed above it is the delay to hold. The delay changes in whole frames: by an added frame when it must
//! grow, by a dropped quiet one when it may shrink.

use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::reception::samples;
use super::seq::Unwrapped;
use crate::audio::Codec;
use crate::media::frame::{self, Frame};
use crate::units::RtpTimestamp;

/// Bounds of the delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitterConfig {
    /// The delay to start with.
    pub initial: Duration,
    /// The least delay.
    pub min: Duration,
    /// The greatest delay.
    pub max: Duration,
}

impl Default for JitterConfig {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(40),
            min: Duration::from_millis(20),
            max: Duration::from_millis(200),
        }
    }
}

/// The buffer of one source.
#[derive(Debug)]
pub struct JitterBuffer {
    config: JitterConfig,
    /// The least delay while keys must not be heard: their packets need time to come.
    floor: i64,
    stream: Option<Stream>,
    last: Option<Last>,
    /// Packets that came after their time.
    pub late: u64,
    /// Frames made up.
    pub concealed: u64,
}

#[derive(Debug)]
struct Stream {
    origin: Instant,
    unwrapped: Unwrapped,
    packets: Vec<Stored>,
    /// The next sample to hand out, once begun.
    play: Option<i64>,
    /// Least transit of the last whole window and of the running one.
    least: [i64; 2],
    window_end: Instant,
    /// What packets lately needed above the least transit, in 256ths of a sample so that it falls smoothly.
    peak_q8: i64,
    late_in_a_row: u32,
    empty_takes: u32,
    takes_since_drop: u32,
}

#[derive(Debug)]
struct Stored {
    start: i64,
    codec: Codec,
    payload: SmallVec<[u8; 256]>,
}

/// The last frame, to make up for missing ones.
#[derive(Debug)]
struct Last {
    frame: Frame,
    repeated: u32,
}

impl JitterBuffer {
    /// Empty.
    #[must_use]
    pub const fn new(config: JitterConfig) -> Self {
        Self { config, floor: 0, stream: None, last: None, late: 0, concealed: 0 }
    }

    /// Forgets the stream: another source, or nobody listens any more.
    pub fn reset(&mut self) {
        self.stream = None;
        self.last = None;
    }

    /// Holds at least this delay.
    pub fn hold_at_least(&mut self, delay: Duration) {
        self.floor = samples(delay);
    }

    /// Takes a packet of encoded audio.
    pub fn insert(
        &mut self,
        now: Instant,
        timestamp: RtpTimestamp,
        marker: bool,
        codec: Codec,
        payload: &[u8],
    ) {
        if payload.is_empty() || payload.len() > MAX_PAYLOAD {
            return;
        }
        let (most, start_peak) = (samples(self.config.max), samples(self.config.initial) - FRAME);
        let stream = self.stream.get_or_insert_with(|| Stream::new(now, timestamp, start_peak));
        let start = stream.unwrapped.position(timestamp);
        if stream.is_new_base(now, start, marker, most) {
            *stream = Stream::new(now, timestamp, start_peak);
            self.insert(now, timestamp, false, codec, payload);
            return;
        }
        stream.learn(now, start);
        let end = start + length(payload.len());
        if stream.play.is_some_and(|play| end <= play) {
            stream.late_in_a_row += 1;
            self.late += 1;
            return;
        }
        stream.late_in_a_row = 0;
        stream.store(Stored { start, codec, payload: SmallVec::from_slice(payload) });
    }

    /// The next 20 ms and their timestamp; `None` before the first packet is due and when the stream has
    /// stopped.
    pub fn take(&mut self, now: Instant) -> Option<(Frame, RtpTimestamp)> {
        let (least, most) = (samples(self.config.min).max(self.floor), samples(self.config.max));
        let stream = self.stream.as_mut()?;
        let target = ((stream.peak_q8 >> 8) + FRAME).clamp(least, most.max(least));
        let due = samples(now.saturating_duration_since(stream.origin)) - stream.least_transit() - target;
        let play = match stream.play {
            Some(play) => play,
            None => stream.begin(due)?,
        };
        stream.takes_since_drop = stream.takes_since_drop.saturating_add(1);
        if play - due > FRAME {
            // Too little delay: one frame more.
            return Some((self.conceal()?, wrap(play)));
        }
        let play = stream.catch_up(play, due);
        stream.play = Some(play + FRAME);
        let frame = self.compose(play)?;
        Some((frame, wrap(play)))
    }

    /// Nothing of the last frame may be heard again.
    pub fn forget_last(&mut self) {
        if let Some(last) = &mut self.last {
            let silence = last.frame.codec.silence_byte();
            last.frame.payload.fill(silence);
        }
    }

    /// The frame that starts at `play`, its holes filled.
    fn compose(&mut self, play: i64) -> Option<Frame> {
        let stream = self.stream.as_mut()?;
        let covering = stream.packets.iter().filter(|stored| stored.start < play + FRAME);
        let Some(codec) = covering.clone().map(|stored| stored.codec).next() else {
            stream.empty_takes += 1;
            if stream.empty_takes > STOPPED {
                self.reset();
                return None;
            }
            return self.conceal();
        };
        stream.empty_takes = 0;
        let mut octets = [0_u8; FRAME_LEN];
        let mut filled = 0_usize;
        for stored in covering {
            // Where the packet lies in the frame; one of both offsets is zero.
            let skip = usize::try_from(play - stored.start).unwrap_or(0);
            let into = usize::try_from(stored.start - play).unwrap_or(0);
            let source = stored.payload.get(skip..).unwrap_or_default();
            if let Some(room) = octets.get_mut(into..) {
                let count = source.len().min(room.len());
                room[..count].copy_from_slice(&source[..count]);
                if into > filled {
                    octets[filled..into].fill(codec.silence_byte());
                }
                filled = filled.max(into + count);
            }
        }
        octets[filled..].fill(codec.silence_byte());
        stream.packets.retain(|stored| stored.start + length(stored.payload.len()) > play + FRAME);
        let frame = Frame::new(codec, &octets);
        self.last = Some(Last { frame: frame.clone(), repeated: 0 });
        Some(frame)
    }

    /// The last frame again, each time softer; silence after 60 ms (ITU-T G.711 appendix I fades to the same
    /// end).
    fn conceal(&mut self) -> Option<Frame> {
        let last = self.last.as_mut()?;
        last.repeated += 1;
        self.concealed += 1;
        if last.repeated <= AUDIBLE_REPEATS {
            frame::soften(&mut last.frame);
        } else if last.repeated == AUDIBLE_REPEATS + 1 {
            let silence = last.frame.codec.silence_byte();
            last.frame.payload.fill(silence);
        }
        Some(last.frame.clone())
    }
}

impl Stream {
    fn new(now: Instant, first: RtpTimestamp, peak: i64) -> Self {
        let unwrapped = Unwrapped::new(first);
        let transit = -i64::from(first.0);
        Self {
            origin: now,
            unwrapped,
            packets: Vec::new(),
            play: None,
            least: [transit; 2],
            window_end: now + WINDOW,
            peak_q8: peak.max(0) << 8,
            late_in_a_row: 0,
            empty_takes: 0,
            takes_since_drop: 0,
        }
    }

    fn transit(&self, now: Instant, start: i64) -> i64 {
        samples(now.saturating_duration_since(self.origin)) - start
    }

    fn least_transit(&self) -> i64 {
        self.least[0].min(self.least[1])
    }

    /// Has the sender started its timestamps over? A talkspurt may do so openly (RFC 3551 §4.1 marker);
    /// otherwise only far jumps, or delays that last, are believed.
    fn is_new_base(&self, now: Instant, start: i64, marker: bool, most: i64) -> bool {
        let excess = self.transit(now, start) - self.least_transit();
        let is_late = excess > most;
        excess.abs() > JUMP || (is_late && marker) || (is_late && self.late_in_a_row >= LATE_BELIEVED)
    }

    /// Takes a packet's transit into the delay to hold.
    fn learn(&mut self, now: Instant, start: i64) {
        let transit = self.transit(now, start);
        if now >= self.window_end {
            // Two windows: the least is of the last 4 to 8 s, so a clock that drifts is followed.
            self.least = [self.least[1], transit];
            self.window_end = now + WINDOW;
        }
        self.least[1] = self.least[1].min(transit);
        let excess_q8 = (transit - self.least_transit()) << 8;
        // Rises at once; falls by half in about 3.5 s of packets.
        self.peak_q8 = excess_q8.max(self.peak_q8 - (self.peak_q8 - excess_q8) / 256);
    }

    fn store(&mut self, stored: Stored) {
        let at = self.packets.partition_point(|other| other.start < stored.start);
        if self.packets.get(at).is_some_and(|other| other.start == stored.start) {
            return;
        }
        self.packets.insert(at, stored);
        if self.packets.len() > MAX_PACKETS {
            self.packets.remove(0);
        }
    }

    /// Starts with the first packet once it has been held for its delay.
    fn begin(&mut self, due: i64) -> Option<i64> {
        let first = self.packets.first()?.start;
        (first <= due).then_some(first)
    }

    /// Drops a frame when the delay is too great by more than one: a quiet one, or any when it is by far.
    fn catch_up(&mut self, play: i64, due: i64) -> i64 {
        let excess = due - play;
        if excess > FAR_BEHIND {
            return due;
        }
        let wanted = excess > FRAME + FRAME / 2 && self.takes_since_drop >= TAKES_BETWEEN_DROPS;
        if !wanted || !self.is_quiet(play) {
            return play;
        }
        self.takes_since_drop = 0;
        play + FRAME
    }

    fn is_quiet(&self, play: i64) -> bool {
        self.packets
            .iter()
            .filter(|stored| {
                stored.start < play + FRAME && stored.start + length(stored.payload.len()) > play
            })
            .all(|stored| frame::is_quiet(stored.codec, &stored.payload))
    }
}

/// One sample is one octet in G.711.
fn length(octets: usize) -> i64 {
    i64::try_from(octets).unwrap_or(i64::MAX)
}

fn wrap(position: i64) -> RtpTimestamp {
    RtpTimestamp(u32::try_from(position.rem_euclid(1 << 32)).unwrap_or(0))
}

/// Samples of a frame: 20 ms.
const FRAME: i64 = 160;
const FRAME_LEN: usize = 160;
/// 200 ms of samples in a packet; longer ones than that nobody sends.
const MAX_PAYLOAD: usize = 1600;
/// Half a second in packets of 10 ms, more than the greatest delay holds.
const MAX_PACKETS: usize = 50;
/// A second off the clock is another base, not the network.
const JUMP: i64 = 8000;
/// 200 ms of packets that all come too late.
const LATE_BELIEVED: u32 = 10;
/// 400 ms more delay than wanted, after a stall of ours or of the network: at once.
const FAR_BEHIND: i64 = 3200;
/// At most ten frames in a second.
const TAKES_BETWEEN_DROPS: u32 = 5;
/// After a second without audio the next packet begins anew.
const STOPPED: u32 = 50;
/// 60 ms of a repeated sound; longer it becomes a tone of its own.
const AUDIBLE_REPEATS: u32 = 3;
/// How long the least transit counts.
const WINDOW: Duration = Duration::from_secs(4);

#[cfg(test)]
#[path = "jitter_tests.rs"]
mod tests;
