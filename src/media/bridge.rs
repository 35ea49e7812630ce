//! Audio on its way from the other leg of a call to this one: its frames are 20 ms, our packets may be anything, and so may the
//! bands.

use super::frame::Frame;
use crate::audio::{Band, Noise, Rebander};

/// What waits to be sent.
#[derive(Default)]
pub(super) struct Bridge {
    /// In the band of our codec; what was sent stands before `sent`.
    pub(super) audio: Vec<i16>,
    sent: usize,
    /// From where on it is nothing but this noise: the other leg rests.
    rests: Option<(usize, Noise)>,
    band: Band,
    rebander: Rebander,
    /// Enough has been gathered to begin.
    primed: bool,
    /// How many ticks the last packet took.
    wanted: usize,
}

impl Bridge {
    /// From now on for a codec of this band.
    pub(super) fn serve(&mut self, band: Band) {
        if self.band != band {
            *self = Self { band, ..Self::default() };
        }
    }

    /// Takes a frame; of too many the oldest go.
    pub(super) fn push(&mut self, frame: &Frame) {
        self.drop_first(self.sent);
        self.sent = 0;
        self.rests = frame.noise.map(|noise| (self.rests.map_or(self.audio.len(), |(from, _)| from), noise));
        self.rebander.pass(&frame.samples, frame.band, self.band, &mut self.audio);
        let of_tick = self.band.samples_of_tick();
        while self.audio.len() > MAX_BRIDGED * of_tick {
            let oldest = (TICKS_OF_FRAME * of_tick).min(self.audio.len());
            self.drop_first(oldest);
        }
        // A packet that is no whole number of frames needs one frame in hand.
        let in_hand = if self.wanted.is_multiple_of(TICKS_OF_FRAME) { 0 } else { TICKS_OF_FRAME };
        self.primed |= self.audio.len() >= (self.wanted + in_hand) * of_tick;
    }

    fn drop_first(&mut self, count: usize) {
        self.audio.drain(..count);
        if let Some((from, _)) = &mut self.rests {
            *from = from.saturating_sub(count);
        }
    }

    /// The noise that a packet of so many ticks would be filled with, and nothing else.
    pub(super) fn rests(&self, ticks: usize) -> Option<Noise> {
        let is_there = self.primed && self.audio.len() >= self.sent + ticks * self.band.samples_of_tick();
        self.rests.filter(|(from, _)| is_there && *from <= self.sent).map(|(_, noise)| noise)
    }

    /// Whether there is something to send.
    pub(super) fn is_ready(&self) -> bool {
        self.primed && self.sent < self.audio.len()
    }

    /// The audio of a packet, which [`Bridge::pass`] lets go.
    pub(super) fn take(&mut self, ticks: usize) -> Option<&[i16]> {
        self.wanted = ticks;
        let end = self.sent + ticks * self.band.samples_of_tick();
        if !self.primed || self.audio.len() < end {
            self.primed = false;
            return None;
        }
        self.audio.get(self.sent..end)
    }

    /// The packet was sent.
    pub(super) fn pass(&mut self) {
        self.sent += self.wanted * self.band.samples_of_tick();
    }

    /// Something else is sent: what waits would come too late.
    pub(super) fn clear(&mut self) {
        self.audio.clear();
        self.rests = None;
        self.sent = 0;
        self.primed = false;
    }
}

/// 80 ms of bridged audio, in ticks; more is delay that never goes away.
pub(super) const MAX_BRIDGED: usize = 640;
/// 20 ms.
const TICKS_OF_FRAME: usize = 160;
