//! Keys that are heard: the two tones of ITU-T Q.23, found within the limits of ITU-T Q.24.
//!
//! ```text
//! 5 ms blocks, eight Goertzel sums each        ├────┼────┼────┼────┼────┼────┼────┼────┤
//! a window is four blocks, weighted 1 3 3 1    └─────── 20 ms ────┘
//! the next one begins a block later                 └─────── 20 ms ────┘
//!                                                   └ the turn between the two is the exact frequency
//! ```
//!
//! A window is a *hit* when one row and one column hold nearly all of its energy, both loud enough, neither much
//! louder than the other, both within their frequency limits. Four hits of one key with steady levels and frequencies are a
//! press; seven misses end it. Speech has harmonics: they count against the share of energy, so a voice whose pitch
//! sweeps across a row and a column is no key.
//!
//! | limit | value | from |
//! |---|---|---|
//! | frequency | taken within 1.5 % + 2 Hz, refused from 3.5 % | Q.24 table A-1, Bellcore |
//! | level of a tone | taken from 0 to −26 dBm0 | design; Q.24: 0 to −25 dBm |
//! | twist | taken with the column 4 dB above to 8 dB below the row | Q.24 |
//! | duration | taken from 40 ms, refused to 23 ms | Q.24 |
//! | pause | taken from 40 ms; an interruption of 10 ms is none | Q.24 |
//! | noise | 15 dB below the tones | Q.24 |

use crate::audio::level::RMS_AT_0_DBM0;
use crate::units::Digit;

/// Listens for keys in samples at 8,000 Hz.
pub struct Detector {
    /// The sums of the block being filled, and how far it is.
    block: Block,
    fill: usize,
    /// The last four blocks, the newest last.
    blocks: [Block; WINDOW],
    /// How many of them are known.
    known: usize,
    /// The tones of the window before, when all of it was known.
    before: Option<Tones>,
    candidate: Option<Candidate>,
    held: Option<Held>,
}

/// What is known of 5 ms.
#[derive(Clone, Copy)]
struct Block {
    /// Real parts, then imaginary parts: rows, then columns.
    sums: [f32; 2 * TONES],
    energy: f32,
}

const EMPTY: Block = Block { sums: [0.0; 2 * TONES], energy: 0.0 };

/// The eight tones of a window.
#[derive(Clone, Copy)]
struct Tones {
    re: [f32; TONES],
    im: [f32; TONES],
}

/// A key that may be one.
struct Candidate {
    key: Key,
    hits: u32,
    /// Hits with hardly anything beside the tones.
    clear: u32,
    misses: u32,
    /// Samples since the onset of its first window.
    age: u32,
    /// The least and the greatest power of row and column.
    range: [(f32, f32); 2],
    /// The least and the greatest deviation from the frequencies.
    drift: [(f32, f32); 2],
}

/// A key that was reported and still sounds.
struct Held {
    key: Key,
    misses: u32,
    age: u32,
    power: f32,
}

/// Row and column.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    row: usize,
    column: usize,
}

/// A window that looks like a key.
struct Sight {
    key: Key,
    /// Mean squares of row and column.
    power: [f32; 2],
    /// How far both are from their frequencies, in hertz.
    off: [f32; 2],
    /// Of the energy of the window.
    share: f32,
    /// Frequencies and twist are within their limits.
    exact: bool,
}

impl Default for Detector {
    fn default() -> Self {
        Self {
            block: EMPTY,
            fill: 0,
            blocks: [EMPTY; WINDOW],
            known: 0,
            before: None,
            candidate: None,
            held: None,
        }
    }
}

impl Detector {
    /// Takes the next samples and tells each key once, 30 to 40 ms after its onset.
    pub fn push(&mut self, samples: &[i16], mut pressed: impl FnMut(Digit)) {
        let mut rest = samples;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(BLOCK - self.fill));
            self.block.add(self.fill, now);
            self.fill += now.len();
            rest = later;
            if self.fill == BLOCK {
                self.blocks.rotate_left(1);
                self.blocks[WINDOW - 1] = std::mem::replace(&mut self.block, EMPTY);
                self.fill = 0;
                self.known = (self.known + 1).min(WINDOW);
                pressed_if(self.window(), &mut pressed);
            }
        }
    }

    /// So many samples are missing: they count neither for a key nor against it.
    pub fn skip(&mut self, samples: u32) {
        self.block = EMPTY;
        self.fill = 0;
        self.known = 0;
        self.before = None;
        if samples > FORGET {
            self.candidate = None;
            self.held = None;
            return;
        }
        for age in
            self.candidate.iter_mut().map(|c| &mut c.age).chain(self.held.iter_mut().map(|h| &mut h.age))
        {
            *age = age.saturating_add(samples);
        }
    }

    /// How many samples ago a key that sounds, or may sound, began; `None` while none does.
    #[must_use]
    pub fn sounding(&self) -> Option<u32> {
        let held = self.held.as_ref().map(|held| held.age);
        let likely = self.candidate.as_ref().filter(|candidate| candidate.hits >= LIKELY);
        held.into_iter().chain(likely.map(|candidate| candidate.age)).max()
    }

    /// Judges the window that ends now.
    fn window(&mut self) -> Option<Digit> {
        self.grow_older();
        if self.known < WINDOW {
            return None;
        }
        let tones = Tones::of(&self.blocks);
        let before = self.before.replace(tones)?;
        let sight = tones.sight(&before, self.energy());
        if self.keep_held(sight.as_ref()) {
            self.candidate = None;
            return None;
        }
        let strict = sight.filter(|sight| sight.exact && sight.share >= SHARE_TO_BEGIN);
        self.follow(strict.as_ref())
    }

    fn grow_older(&mut self) {
        let ages =
            self.candidate.iter_mut().map(|c| &mut c.age).chain(self.held.iter_mut().map(|h| &mut h.age));
        for age in ages {
            *age = age.saturating_add(BLOCK_SAMPLES);
        }
    }

    /// The energy of the window, weighted as its tones are.
    fn energy(&self) -> f32 {
        self.blocks.iter().zip(WEIGHTS).map(|(block, weight)| block.energy * weight * weight).sum()
    }

    /// Whether the key that is held still sounds.
    fn keep_held(&mut self, sight: Option<&Sight>) -> bool {
        let Some(held) = &mut self.held else { return false };
        let goes_on = sight.is_some_and(|sight| {
            sight.key == held.key
                && sight.share >= SHARE_TO_GO_ON
                && sight.power[0] + sight.power[1] >= held.power * FADED
        });
        held.misses = if goes_on { 0 } else { held.misses + 1 };
        if held.misses >= MISSES_TO_END {
            self.held = None;
        }
        goes_on
    }

    /// Counts hits of one key.
    fn follow(&mut self, sight: Option<&Sight>) -> Option<Digit> {
        let Some(sight) = sight else {
            if let Some(candidate) = &mut self.candidate {
                candidate.misses += 1;
                if candidate.misses > MISSES_BEFORE {
                    self.candidate = None;
                }
            }
            return None;
        };
        let steady = self.candidate.as_mut().is_some_and(|candidate| candidate.take(sight));
        if !steady {
            self.candidate = Some(Candidate::new(sight));
        }
        let candidate = self
            .candidate
            .take_if(|candidate| candidate.hits >= HITS_TO_BEGIN && candidate.clear >= CLEAR_TO_BEGIN)?;
        let [row, column] = candidate.range.map(|(least, most)| least.midpoint(most));
        self.held = Some(Held { key: candidate.key, misses: 0, age: candidate.age, power: row + column });
        candidate.key.digit()
    }
}

fn pressed_if(digit: Option<Digit>, pressed: &mut impl FnMut(Digit)) {
    if let Some(digit) = digit {
        pressed(digit);
    }
}

impl Block {
    /// Adds samples whose first is the block's `from`th.
    fn add(&mut self, from: usize, samples: &[i16]) {
        for (waves, &sample) in TABLE.iter().skip(from).zip(samples) {
            let sample = f32::from(sample);
            self.energy += sample * sample;
            for (sum, wave) in self.sums.iter_mut().zip(waves) {
                *sum += sample * wave;
            }
        }
    }
}

impl Candidate {
    fn new(sight: &Sight) -> Self {
        let range = sight.power.map(|power| (power, power));
        let drift = sight.off.map(|off| (off, off));
        Self {
            key: sight.key,
            hits: 1,
            clear: u32::from(sight.share >= CLEAR),
            misses: 0,
            age: BLOCK_SAMPLES * WINDOW_BLOCKS,
            range,
            drift,
        }
    }

    /// Takes another hit; `false` when it is another key or its levels are not steady.
    fn take(&mut self, sight: &Sight) -> bool {
        if sight.key != self.key {
            return false;
        }
        let widen = |range: &mut (f32, f32), value: f32| *range = (range.0.min(value), range.1.max(value));
        self.range.iter_mut().zip(sight.power).for_each(|(range, power)| widen(range, power));
        self.drift.iter_mut().zip(sight.off).for_each(|(drift, off)| widen(drift, off));
        self.hits += 1;
        self.clear += u32::from(sight.share >= CLEAR);
        self.misses = 0;
        self.range.iter().all(|(least, most)| *most <= least * STEADY)
            && self.drift.iter().all(|(least, most)| most - least <= DRIFT)
    }
}

impl Tones {
    fn of(blocks: &[Block; WINDOW]) -> Self {
        let mut tones = Self { re: [0.0; TONES], im: [0.0; TONES] };
        for (block, turns) in blocks.iter().zip(&TURNS) {
            let (re, im) = block.sums.split_at(TONES);
            for n in 0..TONES {
                let (cos, sin) = turns[n];
                tones.re[n] += re[n] * cos + im[n] * sin;
                tones.im[n] += im[n] * cos - re[n] * sin;
            }
        }
        tones
    }

    fn power(&self, n: usize) -> f32 {
        (self.re[n] * self.re[n] + self.im[n] * self.im[n]) / TONE_GAIN
    }

    fn strongest(&self, group: std::ops::Range<usize>) -> usize {
        let first = group.start;
        group.fold(first, |best, n| if self.power(n) > self.power(best) { n } else { best })
    }

    /// The key that this window looks like; `None` when it is too quiet, or plainly something else.
    fn sight(&self, before: &Self, energy: f32) -> Option<Sight> {
        let (row, column) = (self.strongest(0..4), self.strongest(4..8));
        let raw = [self.power(row), self.power(column)];
        let mean_square = energy / ENERGY_GAIN;
        if raw[0] + raw[1] < mean_square * SHARE_AT_A_GLANCE || raw[0].min(raw[1]) < QUIETEST {
            return None;
        }
        let off = [row, column].map(|n| self.off_frequency(before, n));
        let mut power = raw;
        for (power, off) in power.iter_mut().zip(off) {
            *power /= response(off).powi(2);
        }
        let twist = power[1] / power[0];
        let on_frequency = [row, column]
            .iter()
            .zip(off)
            .all(|(&n, off)| off.abs() <= FREQUENCY_SHARE * FREQUENCIES[n] + 1.0);
        Some(Sight {
            key: Key { row, column: column - 4 },
            power,
            off,
            share: (power[0] + power[1]) / mean_square,
            exact: on_frequency && (TWIST_LEAST..=TWIST_MOST).contains(&twist),
        })
    }

    /// How far the tone is from its frequency in hertz, by how far it turned since the window before.
    fn off_frequency(&self, before: &Self, n: usize) -> f32 {
        let (re, im) = (
            before.re[n] * self.re[n] + before.im[n] * self.im[n],
            before.re[n] * self.im[n] - before.im[n] * self.re[n],
        );
        let (cos, sin) = BLOCK_TURN[n];
        let turned = (im * cos - re * sin).atan2(re * cos + im * sin);
        turned / std::f32::consts::TAU * BLOCKS_PER_SECOND
    }
}

/// What the window leaves of the amplitude of a tone that is so far off.
fn response(off: f32) -> f32 {
    let half_turn = std::f32::consts::PI * off / BLOCKS_PER_SECOND;
    let block = if half_turn.abs() < 1e-3 { 1.0 } else { half_turn.sin() / half_turn };
    let window = (3.0 * half_turn.cos() + (3.0 * half_turn).cos()) / 4.0;
    (block * window).max(LEAST_RESPONSE)
}

impl Key {
    fn digit(self) -> Option<Digit> {
        const KEYS: [[char; 4]; 4] =
            [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
        Digit::from_char(*KEYS.get(self.row)?.get(self.column)?)
    }
}

/// ITU-T Q.23: rows, then columns, in hertz.
const FREQUENCIES: [f32; TONES] = [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0];
const TONES: usize = 8;
/// 5 ms.
const BLOCK: usize = 40;
const BLOCK_SAMPLES: u32 = 40;
const BLOCKS_PER_SECOND: f32 = 200.0;
/// 20 ms.
const WINDOW: usize = 4;
const WINDOW_BLOCKS: u32 = 4;
/// Zero at 100 Hz from its tone, where the neighbours are.
const WEIGHTS: [f32; WINDOW] = [1.0, 3.0, 3.0, 1.0];
/// The sum of a sine of mean square 1, squared: 2 · (40 · 8 / 2)².
const TONE_GAIN: f32 = 51_200.0;
/// The weighted energy of a signal of mean square 1: 40 · 20.
const ENERGY_GAIN: f32 = 800.0;
/// Four hits: 40 ms of tone give six, 23 ms give three.
const HITS_TO_BEGIN: u32 = 4;
/// Three of them clear: the first and the last may hold the edge of the tone.
const CLEAR_TO_BEGIN: u32 = 3;
/// Two hits: what is muted towards others must be muted early.
const LIKELY: u32 = 2;
/// A window lost to a click within 40 ms of tone.
const MISSES_BEFORE: u32 = 1;
/// A pause of 40 ms gives ten misses, an interruption of 10 ms five.
const MISSES_TO_END: u32 = 7;
/// 100 ms without packets: what comes then is another press.
const FORGET: u32 = 800;
/// Of the energy in the two tones. Noise 15 dB below leaves 0.97, clipping at 0 dBm0 0.9; measured on speech, see
/// `tests/inband_keys.rs`.
const SHARE_TO_BEGIN: f32 = 0.9;
/// As above, of a clear hit.
const CLEAR: f32 = 0.92;
/// A caller may speak while the key is down.
const SHARE_TO_GO_ON: f32 = 0.3;
/// Before the frequency is known: 3 dB may be missing at the edge of a tone's band.
const SHARE_AT_A_GLANCE: f32 = 0.3;
/// 10 dB below what the press began with it is over: −10 dB as a ratio.
const FADED: f32 = 0.1;
/// 3 dB between the loudest and the quietest window: keys are steady, voices are not.
const STEADY: f32 = 2.0;
/// Hertz between the windows of a press, which the other tone's skirt may turn by a few; a voice glides.
const DRIFT: f32 = 14.0;
/// −31 dBm0: 5 dB for noise and the edges of a band below the −26 dBm0 that must be taken.
const QUIETEST: f32 = {
    #[expect(clippy::cast_possible_truncation, reason = "a constant of five digits")]
    let reference = (RMS_AT_0_DBM0 * RMS_AT_0_DBM0) as f32;
    reference * 0.000_8
};
/// −10 dB and +6 dB: 2 dB more than must be taken.
const TWIST_LEAST: f32 = 0.1;
const TWIST_MOST: f32 = 4.0;
/// Half way between 1.5 % and 3.5 %; 1 Hz, half of the 2 Hz beside the percentage, is added.
const FREQUENCY_SHARE: f32 = 0.025;
/// Tones so far off are refused anyway; their power must not be inflated without bound.
const LEAST_RESPONSE: f32 = 0.4;

/// Cosine and negative sine of each tone for each sample of a block.
static TABLE: [[f32; 2 * TONES]; BLOCK] = table();
/// The turn of each tone over the blocks before, weighted.
static TURNS: [[(f32, f32); TONES]; WINDOW] = turns();
/// The turn of each tone over one block.
static BLOCK_TURN: [(f32, f32); TONES] = block_turn();

#[expect(clippy::cast_possible_truncation, reason = "single precision is what the table is for")]
const fn table() -> [[f32; 2 * TONES]; BLOCK] {
    let mut table = [[0.0; 2 * TONES]; BLOCK];
    let mut n = 0;
    while n < BLOCK {
        let mut tone = 0;
        while tone < TONES {
            let (sin, cos) = sin_cos(FREQUENCIES[tone] as f64 / 8000.0 * n as f64);
            table[n][tone] = cos as f32;
            table[n][tone + TONES] = -sin as f32;
            tone += 1;
        }
        n += 1;
    }
    table
}

#[expect(clippy::cast_possible_truncation, reason = "single precision is what the table is for")]
const fn turns() -> [[(f32, f32); TONES]; WINDOW] {
    let mut turns = [[(0.0, 0.0); TONES]; WINDOW];
    let mut block = 0;
    while block < WINDOW {
        let mut tone = 0;
        while tone < TONES {
            let (sin, cos) = sin_cos(FREQUENCIES[tone] as f64 / 200.0 * block as f64);
            turns[block][tone] = (cos as f32 * WEIGHTS[block], sin as f32 * WEIGHTS[block]);
            tone += 1;
        }
        block += 1;
    }
    turns
}

#[expect(clippy::cast_possible_truncation, reason = "single precision is what the table is for")]
const fn block_turn() -> [(f32, f32); TONES] {
    let mut turns = [(0.0, 0.0); TONES];
    let mut tone = 0;
    while tone < TONES {
        let (sin, cos) = sin_cos(FREQUENCIES[tone] as f64 / 200.0);
        turns[tone] = (cos as f32, sin as f32);
        tone += 1;
    }
    turns
}

/// Sine and cosine of so many turns, by their power series, for tables made when compiling.
const fn sin_cos(turns: f64) -> (f64, f64) {
    // Turns are positive and few.
    let mut part = turns;
    while part > 0.5 {
        part -= 1.0;
    }
    let x = part * std::f64::consts::TAU;
    let (mut sin, mut cos, mut term, mut n) = (0.0, 0.0, 1.0, 0.0);
    while n < 40.0 {
        cos += term;
        term *= x / (n + 1.0);
        sin += term;
        term *= -x / (n + 2.0);
        n += 2.0;
    }
    (sin, cos)
}

#[cfg(test)]
#[path = "dtmf_tests.rs"]
mod tests;
