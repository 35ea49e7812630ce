//! A buffer that trades delay for order, for whoever listens.
//!
//! Packets are kept by the position of their audio, in ticks of 125 µs, not by number: packet times may be anything and change,
//! and a gap in the timestamps that matches the clock (silence suppression) simply is one. Each packet's
//! transit (arrival minus position) is compared with the least of the last seconds; what the latest packets
//! needed above it is the delay to hold. The delay changes in whole frames: by an added frame when it must
//! grow, by a dropped quiet one when it may shrink. Where the sender announced a pause there is its comfort noise.

use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::pause::Pauses;
use super::reception::samples;
use super::seq::Unwrapped;
use crate::audio::{Band, Concealer, Noise, NoiseMaker, Rebander};
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
    /// Makes up what is missing, once somebody listens.
    concealer: Option<Box<Concealer>>,
    /// Makes the noise of pauses, once there was one.
    background: Option<Box<Background>>,
    /// Packets that came after their time.
    pub late: u64,
    /// Frames made up.
    pub concealed: u64,
}

#[derive(Debug)]
struct Stream {
    origin: Instant,
    band: Band,
    unwrapped: Unwrapped,
    packets: Vec<Stored>,
    pauses: Pauses,
    /// Where the latest audio begins that came.
    latest: Option<i64>,
    /// Memory of packets that were handed out, for those to come.
    spare: Vec<Vec<i16>>,
    /// The next tick to hand out, once begun.
    play: Option<i64>,
    /// Least transit of the last whole window and of the running one.
    least: [i64; 2],
    window_end: Instant,
    /// What packets lately needed above the least transit, in 256ths of a tick so that it falls smoothly.
    peak_q8: i64,
    late_in_a_row: u32,
    empty_takes: u32,
    takes_since_drop: u32,
}

#[derive(Debug)]
struct Stored {
    start: i64,
    /// Behind its last tick.
    end: i64,
    samples: Vec<i16>,
}

impl JitterBuffer {
    /// Empty.
    #[must_use]
    pub const fn new(config: JitterConfig) -> Self {
        Self { config, floor: 0, stream: None, concealer: None, background: None, late: 0, concealed: 0 }
    }

    /// Forgets the stream: another source, or nobody listens any more.
    pub fn reset(&mut self) {
        self.stream = None;
        if let Some(concealer) = &mut self.concealer {
            concealer.forget();
        }
    }

    /// Holds at least this delay.
    pub fn hold_at_least(&mut self, delay: Duration) {
        self.floor = samples(delay);
    }

    /// Takes the audio of a packet; `timestamp` counts ticks of 125 µs.
    pub fn insert(&mut self, now: Instant, timestamp: RtpTimestamp, marker: bool, band: Band, audio: &[i16]) {
        let ticks = audio.len() / band.samples_of_tick();
        if ticks == 0 || ticks > MAX_TICKS {
            return;
        }
        let (most, start_peak) = (samples(self.config.max), samples(self.config.initial) - FRAME);
        let stream = self.stream.get_or_insert_with(|| Stream::new(now, timestamp, band, start_peak));
        let start = stream.unwrapped.position(timestamp);
        if stream.band != band || stream.is_new_base(now, start, marker, most) {
            *stream = Stream::new(now, timestamp, band, start_peak);
            self.insert(now, timestamp, false, band, audio);
            return;
        }
        stream.learn(now, start);
        stream.latest = stream.latest.max(Some(start));
        let end = start + length(ticks);
        if stream.play.is_some_and(|play| end <= play) {
            stream.late_in_a_row += 1;
            self.late += 1;
            return;
        }
        stream.late_in_a_row = 0;
        stream.store(start, end, audio);
    }

    /// The sender rests from `timestamp` on, and this is its background.
    pub fn rest(&mut self, now: Instant, timestamp: RtpTimestamp, band: Band, noise: Noise) {
        let start_peak = samples(self.config.initial) - FRAME;
        let stream = self.stream.get_or_insert_with(|| Stream::new(now, timestamp, band, start_peak));
        // A place that can't be right moves nothing: the pause follows what is there.
        let told = { stream.unwrapped }.position(timestamp);
        let known = stream.packets.last().map(|last| last.end).max(stream.play).unwrap_or(told);
        let start = if (told - known).abs() > JUMP { known } else { told };
        stream.pauses.begin(start, noise, stream.latest);
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
            return Some((self.make_up(play)?, wrap(play)));
        }
        let play = stream.catch_up(play, due);
        stream.play = Some(play + FRAME);
        let frame = self.compose(play)?;
        Some((frame, wrap(play)))
    }

    /// Nothing of what was heard may be heard again.
    pub fn forget_last(&mut self) {
        if let Some(concealer) = &mut self.concealer {
            concealer.forget();
        }
    }

    /// The frame that starts at `play`, its holes made up for.
    fn compose(&mut self, play: i64) -> Option<Frame> {
        let Self { stream, concealer, background, .. } = self;
        let stream = stream.as_mut()?;
        let (band, ticks) = (stream.band, stream.band.samples_of_tick());
        let mut filler = Filler::new(concealer, background, band);
        let covering =
            stream.packets.iter().filter(|stored| stored.start < play + FRAME && stored.end > play);
        let mut frame = [0_i16; MOST_SAMPLES];
        let room = &mut frame[..FRAME_LEN * ticks];
        let mut filled = 0;
        for stored in covering {
            let from = usize::try_from(stored.start - play).unwrap_or(0) * ticks;
            if from > filled {
                filler.fill(&stream.pauses, play + length(filled / ticks), &mut room[filled..from]);
                filled = from;
            }
            stream.pauses.spoken(stored.start);
            // Where the frame stands in the packet.
            let skip = usize::try_from(play - stored.start).unwrap_or(0) * ticks + (filled - from);
            let source = stored.samples.get(skip..).unwrap_or_default();
            let part = source.len().min(room.len() - filled);
            let place = &mut room[filled..filled + part];
            place.copy_from_slice(&source[..part]);
            filler.concealer.heard(place);
            filled += part;
        }
        if filled == 0 {
            if stream.pauses.at(play).is_none() {
                stream.empty_takes += 1;
            }
            if stream.empty_takes > STOPPED {
                self.reset();
                return None;
            }
            return self.make_up(play);
        }
        filler.fill(&stream.pauses, play + length(filled / ticks), &mut room[filled..]);
        stream.empty_takes = 0;
        stream.release(play + FRAME);
        Some(Frame::new(band, room))
    }

    /// A frame that did not come: that of a pause, or one that goes on with what was said.
    fn make_up(&mut self, play: i64) -> Option<Frame> {
        let Self { stream, concealer, background, .. } = self;
        let stream = stream.as_ref()?;
        let mut frame = [0_i16; MOST_SAMPLES];
        let room = &mut frame[..FRAME_LEN * stream.band.samples_of_tick()];
        Filler::new(concealer, background, stream.band).fill(&stream.pauses, play, room);
        let noise = stream.pauses.at(play);
        self.concealed += u64::from(noise.is_none());
        Some(Frame { noise, ..Frame::new(stream.band, room) })
    }
}

/// The noise of pauses, in the band of the stream.
#[derive(Debug)]
struct Background {
    maker: NoiseMaker,
    rebander: Rebander,
}

/// Fills the holes of a stream.
struct Filler<'a> {
    concealer: &'a mut Concealer,
    background: &'a mut Option<Box<Background>>,
    band: Band,
}

impl<'a> Filler<'a> {
    fn new(
        concealer: &'a mut Option<Box<Concealer>>,
        background: &'a mut Option<Box<Background>>,
        band: Band,
    ) -> Self {
        let concealer = concealer.get_or_insert_with(|| Box::new(Concealer::new(band)));
        if concealer.band() != band {
            **concealer = Concealer::new(band);
        }
        Self { concealer, background, band }
    }

    /// Fills a hole that begins at this tick.
    fn fill(&mut self, pauses: &Pauses, tick: i64, room: &mut [i16]) {
        let Some(noise) = pauses.at(tick) else {
            let until = pauses.after(tick).and_then(|start| usize::try_from(start - tick).ok());
            let until =
                until.map_or(room.len(), |ticks| (ticks * self.band.samples_of_tick()).min(room.len()));
            let (missing, pause) = room.split_at_mut(until);
            self.concealer.conceal(missing);
            if let Some(noise) = pauses.after(tick).and_then(|start| pauses.at(start)) {
                self.rest(noise, pause);
            }
            return;
        };
        self.rest(noise, room);
    }

    fn rest(&mut self, noise: Noise, room: &mut [i16]) {
        if room.is_empty() {
            return;
        }
        let make = || Box::new(Background { maker: NoiseMaker::new(noise), rebander: Rebander::default() });
        let Background { maker, rebander } = &mut **self.background.get_or_insert_with(make);
        match self.band {
            Band::Narrow => maker.fill(noise, room),
            Band::Wide => {
                let mut narrow = [0; FRAME_LEN];
                let narrow = &mut narrow[..room.len() / 2];
                maker.fill(noise, narrow);
                let mut wide: SmallVec<[i16; MOST_SAMPLES]> = SmallVec::new();
                rebander.pass(narrow, Band::Narrow, Band::Wide, &mut wide);
                room.iter_mut().zip(wide).for_each(|(place, sample)| *place = sample);
            }
        }
        // What came before the pause is over: nothing of it goes on behind it.
        self.concealer.heard(room);
    }
}

impl Stream {
    fn new(now: Instant, first: RtpTimestamp, band: Band, peak: i64) -> Self {
        let unwrapped = Unwrapped::new(first);
        let transit = -i64::from(first.0);
        Self {
            origin: now,
            band,
            unwrapped,
            packets: Vec::new(),
            pauses: Pauses::default(),
            latest: None,
            spare: Vec::new(),
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

    fn store(&mut self, start: i64, end: i64, audio: &[i16]) {
        let at = self.packets.partition_point(|other| other.start < start);
        if self.packets.get(at).is_some_and(|other| other.start == start) {
            return;
        }
        let mut samples = self.spare.pop().unwrap_or_default();
        samples.extend_from_slice(audio);
        self.packets.insert(at, Stored { start, end, samples });
        if self.packets.len() > MAX_PACKETS {
            self.packets.remove(0);
        }
    }

    /// Lets go of what lies before `play`; its memory is kept.
    fn release(&mut self, play: i64) {
        let Self { packets, spare, .. } = self;
        packets.retain_mut(|stored| {
            let is_wanted = stored.end > play;
            if !is_wanted && spare.len() < MAX_SPARE {
                stored.samples.clear();
                spare.push(std::mem::take(&mut stored.samples));
            }
            is_wanted
        });
    }

    /// Starts with the first packet once it has been held for its delay.
    fn begin(&mut self, due: i64) -> Option<i64> {
        let first = self.packets.first().map(|stored| stored.start);
        let first = first.into_iter().chain(self.pauses.first()).min()?;
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
            .filter(|stored| stored.start < play + FRAME && stored.end > play)
            .all(|stored| frame::is_quiet(&stored.samples))
    }
}

fn length(ticks: usize) -> i64 {
    i64::try_from(ticks).unwrap_or(i64::MAX)
}

fn wrap(position: i64) -> RtpTimestamp {
    RtpTimestamp(u32::try_from(position.rem_euclid(1 << 32)).unwrap_or(0))
}

/// Ticks of a frame: 20 ms.
const FRAME: i64 = 160;
const FRAME_LEN: usize = 160;
/// Samples of a frame of the wide band.
const MOST_SAMPLES: usize = 320;
/// 200 ms in a packet; longer ones than that nobody sends.
const MAX_TICKS: usize = 1600;
/// Half a second in packets of 10 ms, more than the greatest delay holds.
const MAX_PACKETS: usize = 50;
/// As many as a calm line holds.
const MAX_SPARE: usize = 8;
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
/// How long the least transit counts.
const WINDOW: Duration = Duration::from_secs(4);

#[cfg(test)]
#[path = "jitter_tests.rs"]
mod tests;
