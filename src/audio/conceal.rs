//! Makes up for audio that did not come: what was said last goes on for a moment, period by period, and fades.
//!
//! In the manner of ITU-T G.711 appendix I, without its delay. The pitch is the lag at which the last 10 ms are most like what
//! came before. The last period is repeated, from 10 ms on the last two and from 20 ms on the last three, so that no buzz
//! arises. What has no pitch goes on softer, since no guess at it is right; from 10 ms to 60 ms all of it fades away. Where periods
//! meet, and where real audio sets in again, one goes over into the other. The beginning follows the last sample that came, so
//! there is no step there either. `tests/concealment.rs` has the figures.

use std::fmt;

use super::band::Band;
use super::to_sample;

/// Follows one stream.
pub struct Concealer {
    band: Band,
    /// The last samples that were handed on, the latest last.
    history: [i16; HISTORY],
    lost: Option<Lost>,
}

/// A stretch that is missing.
struct Lost {
    /// What goes on: up to three periods, their end ready to meet their beginning.
    periods: [f32; MOST_PERIODS],
    /// Samples of a period, and how many periods are used.
    pitch: usize,
    used: usize,
    /// Where in them the next sample lies.
    at: usize,
    /// Samples made up so far.
    made: usize,
    /// How far the first sample would be off the one before it.
    step: f32,
    /// What remains of the loudness once it has settled: as like the last period is to the one before.
    loud: f32,
}

impl Concealer {
    /// Has heard nothing.
    #[must_use]
    pub const fn new(band: Band) -> Self {
        Self { band, history: [0; HISTORY], lost: None }
    }

    /// Forgets what was heard: nothing of it may be heard again.
    pub fn forget(&mut self) {
        *self = Self::new(self.band);
    }

    /// The band of the stream; in another one nothing of it can go on.
    #[must_use]
    pub const fn band(&self) -> Band {
        self.band
    }

    /// Takes what came. Where something was missing before it, its beginning is blended with what was made up.
    pub fn heard(&mut self, audio: &mut [i16]) {
        if audio.is_empty() {
            return;
        }
        if let Some(mut lost) = self.lost.take() {
            // 4 ms, and 4 ms more for each 10 ms that were missing, 10 ms at most.
            let ms = self.ms();
            let blended = (4 * ms + lost.made / (10 * ms) * 4 * ms).min(10 * ms).min(audio.len());
            for (n, sample) in audio.iter_mut().take(blended).enumerate() {
                let share = ratio(n + 1, blended + 1);
                let made = lost.next(ms, &self.history);
                *sample = to_sample(f64::from(f32::from(*sample) * share + made * (1.0 - share)));
            }
        }
        self.remember(audio);
    }

    /// Makes up what did not come.
    pub fn conceal(&mut self, audio: &mut [i16]) {
        if audio.is_empty() {
            return;
        }
        let ms = self.ms();
        let mut lost = self.lost.take().unwrap_or_else(|| Lost::new(ms, &self.history));
        for sample in audio.iter_mut() {
            *sample = to_sample(f64::from(lost.next(ms, &self.history)));
        }
        self.lost = Some(lost);
    }

    fn remember(&mut self, audio: &[i16]) {
        let kept = audio.len().min(HISTORY);
        self.history.rotate_left(kept);
        self.history[HISTORY - kept..].copy_from_slice(&audio[audio.len() - kept..]);
    }

    const fn ms(&self) -> usize {
        8 * self.band.samples_of_tick()
    }
}

impl fmt::Debug for Concealer {
    /// Whether something is missing only: what was heard may hold a spoken secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { band, lost, .. } = self;
        write!(f, "Concealer({band:?}, lost: {})", lost.is_some())
    }
}

impl Lost {
    fn new(ms: usize, history: &[i16; HISTORY]) -> Self {
        let (pitch, likeness) = pitch(ms, history);
        let [last, before] = [1, pitch + 1].map(|back| f32::from(history[HISTORY - back]));
        let mut lost = Self {
            periods: [0.0; MOST_PERIODS],
            pitch,
            used: 1,
            at: 0,
            made: 0,
            step: last - before,
            loud: likeness.clamp(LEAST, 1.0),
        };
        lost.fill(history);
        lost
    }

    /// Lays out the periods; the last quarter of the last one goes over into what came before the first.
    fn fill(&mut self, history: &[i16; HISTORY]) {
        let length = self.pitch * self.used;
        for (sample, &heard) in self.periods.iter_mut().zip(&history[HISTORY - length..]) {
            *sample = f32::from(heard);
        }
        let quarter = self.pitch / 4;
        for n in 0..quarter {
            let share = ratio(n + 1, quarter + 1);
            let end = &mut self.periods[length - quarter + n];
            *end = *end * (1.0 - share) + share * f32::from(history[HISTORY - length - quarter + n]);
        }
    }

    fn next(&mut self, ms: usize, history: &[i16; HISTORY]) -> f32 {
        let wanted = (1 + self.made / (10 * ms)).min(3);
        if wanted > self.used && self.made.is_multiple_of(10 * ms) {
            // Another period before those in use: the place stays the same, counted from the end.
            self.used = wanted;
            self.fill(history);
            self.at = self.at % self.pitch + (self.used - 1) * self.pitch;
        }
        let mut sample = self.periods[self.at];
        self.at = (self.at + 1) % (self.pitch * self.used);
        let settled = self.pitch / 2;
        if self.made < settled {
            sample += self.step * ratio(settled - self.made, settled);
        }
        let fades = (60 * ms).saturating_sub(self.made).min(50 * ms);
        let settling = ratio(self.made.min(5 * ms), 5 * ms);
        let loud = 1.0 + (self.loud - 1.0) * settling;
        self.made = self.made.saturating_add(1);
        sample * loud * ratio(fades, 50 * ms)
    }
}

/// The lag, from 2.5 to 15 ms, at which the last 10 ms are most like what came before, and how much: a pitch of 66 to 400 Hz. Of
/// lags that are nearly as good the shortest: others are its multiples.
fn pitch(ms: usize, history: &[i16; HISTORY]) -> (usize, f32) {
    let recent = &history[HISTORY - 10 * ms..];
    let likeness = |lag: usize| {
        let before = &history[HISTORY - 10 * ms - lag..HISTORY - lag];
        let (mut product, mut energy, mut own) = (0.0_f32, 1.0_f32, 1.0_f32);
        for (&one, &other) in recent.iter().zip(before) {
            product += f32::from(one) * f32::from(other);
            energy += f32::from(other) * f32::from(other);
            own += f32::from(one) * f32::from(one);
        }
        product / (energy * own).sqrt()
    };
    let mut found = [0.0_f32; MOST_LAGS];
    let (first, count) = (5 * ms / 2, 25 * ms / 2 + 1);
    let found = &mut found[..count];
    for (n, place) in found.iter_mut().enumerate() {
        *place = likeness(first + n);
    }
    let most = found.iter().copied().fold(f32::MIN, f32::max);
    let peak = |n: &usize| {
        let beside = |m: Option<&f32>| m.is_none_or(|&beside| found[*n] >= beside);
        found[*n] >= NEARLY * most && beside(found.get(n.wrapping_sub(1))) && beside(found.get(n + 1))
    };
    let at = (0..count).find(peak).unwrap_or(count - 1);
    (first + at, found[at])
}

fn ratio(part: usize, whole: usize) -> f32 {
    let float = |n: usize| f32::from(u16::try_from(n).unwrap_or(u16::MAX));
    float(part) / float(whole)
}

/// 50 ms of the wide band: three of the longest periods, and a quarter of one before them.
const HISTORY: usize = 800;
/// Three of 15 ms, in the wide band.
const MOST_PERIODS: usize = 720;
/// 2.5 to 15 ms in the wide band.
const MOST_LAGS: usize = 201;
/// Hiss and breath go on at half their amplitude.
const LEAST: f32 = 0.5;
/// A lag is as good as the best.
const NEARLY: f32 = 0.9;
