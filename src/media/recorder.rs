//! The recorder of a leg: both directions side by side, on the clock of the call.
//!
//! ```text
//! what the peer says   ─ frame ─ frame ─ frame ─       ─ frame ─►  left   ┐
//! what the peer hears  ── frame ── frame ── frame ── frame ─────►  right  ┴► a piece a second
//! ```
//!
//! Frames are laid down where their time is; where none came there is silence. While the recorder is hidden from a
//! secret nothing is taken at all, of neither side: what is not there can't be written. Behind it both sides stay
//! silent for a moment more, since what was said comes out of the jitter buffer late and the last key sounds on. Keys
//! that are heard elsewhere are taken out of what the peer says as well: a hurried caller types before being asked.

use std::time::{Duration, Instant};

use super::frame::Frame;
use crate::audio::key_tones::KeyTones;
use crate::audio::{Band, Law, Rebander};
use crate::secret::Secret;

/// What a recording is kept in: µ-law at 8,000 octets a second, of each side.
pub const KEPT: Law = Law::Mu;
/// Octets of each side in a second.
pub const RATE: u64 = 8000;

/// Which side of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What the peer says.
    Left,
    /// What the peer hears.
    Right,
}

/// A part of a recording. Personal data: no `Debug`.
pub struct Piece {
    /// Where it begins, in octets of a side from the start.
    pub at: u64,
    /// What is in it.
    pub sound: Sound,
}

/// What is in a piece.
pub enum Sound {
    /// Nothing on either side, for so many octets.
    Silence(u64),
    /// As many octets of each side.
    Audio {
        /// What the peer says.
        left: Secret<Vec<u8>>,
        /// What the peer hears.
        right: Secret<Vec<u8>>,
    },
}

impl Piece {
    /// How long it is, in octets of a side.
    #[must_use]
    pub fn length(&self) -> u64 {
        match &self.sound {
            Sound::Silence(length) => *length,
            Sound::Audio { left, .. } => octets(left.expose().len()),
        }
    }

    /// Where it ends.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.at.saturating_add(self.length())
    }
}

/// 20 ms of a recording, copied out of it: the octets of each side. Personal data: no `Debug`.
pub struct Copied {
    /// Where it begins, in octets of a side from the start.
    pub at: u64,
    /// What the peer says.
    pub left: [u8; COPIED_OCTETS],
    /// What the peer hears.
    pub right: [u8; COPIED_OCTETS],
}

/// The recorder of one leg.
pub struct Recorder {
    started: Instant,
    /// Everything before this was handed out.
    done: u64,
    /// Everything before this was copied, or is not to be.
    copied: u64,
    left: Track,
    right: Track,
    /// Brings what the peer says into the telephone band.
    rebander: Rebander,
    hidden: bool,
    /// Both sides stay silent until then.
    until: Option<Instant>,
    keys: Keys,
}

/// What is there of a side behind what was handed out.
struct Track(Secret<Vec<u8>>);

/// Takes keys out of what is said.
struct Keys {
    tones: KeyTones,
    /// The key that was heard may sound on until here.
    until: u64,
    /// Finds nothing: to see what would be there.
    #[cfg(test)]
    deaf: bool,
}

impl Recorder {
    /// Begins to record.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            started: now,
            done: 0,
            copied: 0,
            left: Track::default(),
            right: Track::default(),
            rebander: Rebander::default(),
            hidden: false,
            until: None,
            keys: Keys {
                tones: KeyTones::default(),
                until: 0,
                #[cfg(test)]
                deaf: false,
            },
        }
    }

    /// Takes nothing from now on, or goes on.
    pub fn hide(&mut self, now: Instant, on: bool) {
        if self.hidden && !on {
            self.until = Some(now + AFTER);
        }
        self.hidden = on;
    }

    /// Takes what one side says now.
    pub fn hear(&mut self, now: Instant, side: Side, frame: &Frame) {
        if self.hidden || self.until.is_some_and(|until| now < until) {
            return;
        }
        let narrow;
        let samples = if frame.band == Band::Narrow {
            &frame.samples
        } else {
            let mut room = Frame::new(Band::Narrow, &[]);
            self.rebander.pass(&frame.samples, frame.band, Band::Narrow, &mut room.samples);
            narrow = room;
            &narrow.samples
        };
        let length = octets(samples.len());
        let end = self.position(now);
        let track = match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        };
        let there = self.done + track.length();
        if there > end + LOOSE {
            // More came than time has passed: a burst that no clock of ours has sent.
            return;
        }
        let start = end.saturating_sub(length);
        if start > there + LOOSE {
            track.silence(start - there);
        }
        let at = self.done + track.length();
        track.append(samples);
        if side == Side::Left && self.keys.sound_in(samples) {
            self.keys.until = at + length + AROUND;
            let from = at.saturating_sub(AROUND).max(self.done);
            self.left.wipe(from - self.done);
        } else if side == Side::Left && at < self.keys.until {
            self.left.wipe(at - self.done);
        }
    }

    /// The next piece that is whole, or, at the end of the recording, of all that is left. Asked before each frame:
    /// then nobody holds a long silence.
    pub fn take(&mut self, now: Instant, last: bool) -> Option<Piece> {
        let end = self.position(now);
        let there = self.left.length().max(self.right.length());
        if !last && end < self.done + RATE + LAG {
            return None;
        }
        if there == 0 {
            // A whole number of copies, so that none is cut in two.
            return self.silence(if last { end } else { (end - LAG) / COPIED * COPIED });
        }
        let length = if last { there.min(RATE) } else { RATE };
        let piece = Piece { at: self.done, sound: self.cut(length) };
        self.done += length;
        Some(piece)
    }

    /// The next 20 ms of both sides for whoever takes a copy as the call goes on; with `last` also what may still change.
    /// It is as far behind the clock as a key may be found late, and stands still where nobody asks: see
    /// [`Recorder::skip`]. Asked before [`Recorder::take`].
    pub fn copy(&mut self, now: Instant, last: bool) -> Option<Copied> {
        let end = if last {
            self.done + self.left.length().max(self.right.length())
        } else {
            self.position(now).saturating_sub(LAG)
        };
        let at = self.copied.max(self.done);
        if end < at + COPIED {
            return None;
        }
        self.copied = at + COPIED;
        let from = at - self.done;
        Some(Copied { at, left: self.left.part(from), right: self.right.part(from) })
    }

    /// When the next copy can be had.
    #[must_use]
    pub fn copy_due(&self) -> Instant {
        let end = self.copied.max(self.done) + COPIED + LAG;
        self.started + Duration::from_micros(end * (1_000_000 / RATE))
    }

    /// Nobody wants a copy of what was until now.
    pub fn skip(&mut self, now: Instant) {
        let settled = self.position(now).saturating_sub(LAG);
        self.copied = self.copied.max(settled / COPIED * COPIED);
    }

    /// Where `now` lies, in octets of a side from the start.
    #[must_use]
    pub fn now(&self, now: Instant) -> u64 {
        self.position(now)
    }

    /// Begins anew for somebody who has had nothing yet, with all that was not handed out to others; since when.
    pub fn restart(&mut self, now: Instant) -> Instant {
        if self.done > 0 {
            let (hidden, until) = (self.hidden, self.until);
            *self = Self { hidden, until, ..Self::new(now) };
        }
        self.started
    }

    fn silence(&mut self, end: u64) -> Option<Piece> {
        let length = end.checked_sub(self.done).filter(|length| *length > 0)?;
        let at = std::mem::replace(&mut self.done, end);
        Some(Piece { at, sound: Sound::Silence(length) })
    }

    fn cut(&mut self, length: u64) -> Sound {
        let (left, right) = (self.left.cut(length), self.right.cut(length));
        let quiet = |side: &Secret<Vec<u8>>| side.expose().iter().all(|&octet| octet == KEPT.silence_byte());
        if quiet(&left) && quiet(&right) { Sound::Silence(length) } else { Sound::Audio { left, right } }
    }

    /// Where `now` lies, in octets of a side.
    fn position(&self, now: Instant) -> u64 {
        let micros = now.saturating_duration_since(self.started).as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX / RATE) * RATE / 1_000_000
    }
}

impl Default for Track {
    fn default() -> Self {
        Self(Secret::new(Vec::with_capacity(index(RATE + 2 * LAG))))
    }
}

impl Track {
    fn length(&self) -> u64 {
        octets(self.0.expose().len())
    }

    fn append(&mut self, samples: &[i16]) {
        self.0.expose_mut().extend(samples.iter().map(|&sample| KEPT.encode_sample(sample)));
    }

    fn silence(&mut self, length: u64) {
        let end = self.0.expose().len() + index(length);
        self.0.expose_mut().resize(end, KEPT.silence_byte());
    }

    /// Silence from here to the end.
    fn wipe(&mut self, from: u64) {
        self.0.expose_mut().iter_mut().skip(index(from)).for_each(|octet| *octet = KEPT.silence_byte());
    }

    /// A copy of the octets from there on; silence where there are none.
    fn part(&self, from: u64) -> [u8; COPIED_OCTETS] {
        let mut part = [KEPT.silence_byte(); COPIED_OCTETS];
        let there = self.0.expose().get(index(from)..).unwrap_or_default();
        for (octet, there) in part.iter_mut().zip(there) {
            *octet = *there;
        }
        part
    }

    /// The first octets; silence where there are fewer.
    fn cut(&mut self, length: u64) -> Secret<Vec<u8>> {
        if self.length() < length {
            self.silence(length - self.length());
        }
        let mut rest = Self::default();
        rest.0.expose_mut().extend_from_slice(self.0.expose().get(index(length)..).unwrap_or_default());
        let mut piece = std::mem::replace(&mut self.0, rest.0);
        piece.expose_mut().truncate(index(length));
        piece
    }
}

impl Keys {
    fn sound_in(&self, samples: &[i16]) -> bool {
        #[cfg(test)]
        if self.deaf {
            return false;
        }
        self.tones.sound_in(samples)
    }
}

fn octets(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn index(octets: u64) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
}

/// Octets of each side in 20 ms.
pub const COPIED_OCTETS: usize = 160;
/// The same as a length.
const COPIED: u64 = RATE / 50;
/// How far a side may be from the clock before silence is laid down: what comes late at once after a stall.
const LOOSE: u64 = RATE / 8;
/// So much is held back before a second is handed out: what is late may still come, and a key may still be found.
const LAG: u64 = RATE / 4;
/// Around a key that is heard: its onset and its end, and a frame that holds a part of it only.
const AROUND: u64 = RATE / 1000 * 45;
/// Both sides stay silent for so long behind a secret: the jitter buffer holds 200 ms at most, and a key is held
/// down for a quarter of a second by most.
const AFTER: Duration = Duration::from_millis(600);

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
