//! Whether somebody speaks: tells the beginning of speech from noise, so that a voice can cut a prompt short.
//!
//! ```text
//! samples ─ 16 ms ─► level ─► gate ─► model ─► guard ─► speech has begun
//!                      ▲ the noise of the line, and what is said to the peer
//! ```
//!
//! The gate is cheap and shuts out what is too soft: softer than a voice on a telephone, hardly louder than the line has
//! been for the last seconds, or no louder than the echo of what is said to the peer. What passes is judged by a small
//! neural network, which the crate `earshot` carries. The guard wants speech that goes on, and that changes as speech does:
//! a click, a cough or a key is none, nor is a hum that sets in. A stretch of speech is told once.
//!
//! All figures of this file were measured: `tests/voice_activity.rs` prints what they lead to.

use std::time::Duration;

use earshot::Detector;
use smallvec::SmallVec;

use super::band::{Band, Rebander};
use super::key_tones::KeyTones;
use super::level::RMS_AT_0_DBM0;

/// Listens for speech in one stream at 8,000 Hz.
pub struct Vad {
    gate: Gate,
    model: Detector,
    keys: KeyTones,
    /// To 16,000 Hz, which the model wants.
    rebander: Rebander,
    frame: [i16; FRAME],
    filled: usize,
    /// The frame before: a model that wakes hears it first.
    before: [i16; FRAME],
    /// For how many frames the model goes on after the gate was last open.
    awake: u32,
    guard: Guard,
    /// Frames with speech so far.
    speech: u32,
}

impl Default for Vad {
    fn default() -> Self {
        Self::new(SUSTAINED)
    }
}

impl Vad {
    /// Takes speech for some once it has gone on for so long, pauses left out.
    #[must_use]
    pub fn new(sustained: Duration) -> Self {
        Self {
            gate: Gate::default(),
            model: Detector::default(),
            keys: KeyTones::default(),
            rebander: Rebander::default(),
            frame: [0; FRAME],
            filled: 0,
            before: [0; FRAME],
            awake: 0,
            guard: Guard::new(sustained),
            speech: 0,
        }
    }

    /// Hears what comes next; whether speech has begun by its end.
    pub fn hear(&mut self, samples: &[i16]) -> bool {
        let mut begun = false;
        for &sample in samples {
            self.frame[self.filled] = sample;
            self.filled += 1;
            if self.filled == FRAME {
                self.filled = 0;
                let frame = self.frame;
                begun |= self.judge(&frame);
                self.before = frame;
            }
        }
        begun
    }

    /// How much speech was heard so far, in samples: what it has grown by is what came lately.
    #[must_use]
    pub const fn speech(&self) -> u32 {
        self.speech.wrapping_mul(FRAME_TICKS)
    }

    /// What is said to the peer now has this level, in dBm0: some of it may come back as an echo.
    pub fn says(&mut self, dbm0: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "a level in dB")]
        self.gate.says(dbm0 as f32);
    }

    /// So many samples are missing: what was in them is neither speech nor silence.
    pub fn skip(&mut self, samples: u32) {
        self.filled = 0;
        self.awake = 0;
        for _ in 0..(samples / FRAME_TICKS).min(APART) {
            self.guard.count(None);
        }
    }

    /// For so many samples the peer sent nothing but word of its background, which has this level in dBm0: the line is
    /// as loud as that, and nobody spoke.
    pub fn rests(&mut self, dbm0: f64, samples: u32) {
        self.skip(samples);
        #[expect(clippy::cast_possible_truncation, reason = "a level in dB")]
        let level = dbm0 as f32;
        for _ in 0..(samples / FRAME_TICKS).min(PAST_FRAMES) {
            self.gate.learn(level.max(QUIETEST));
        }
    }

    /// Nobody has listened for a while: what was heard before is no part of what comes, but the line is the same.
    pub fn resume(&mut self) {
        self.filled = 0;
        self.awake = 0;
        self.guard.restart();
    }

    /// Tells a beginning anew, also of speech that goes on.
    pub fn resume_telling(&mut self) {
        self.guard.restart();
    }

    fn judge(&mut self, frame: &[i16; FRAME]) -> bool {
        let (is_open, power) = self.gate.passes(frame);
        if is_open && self.awake == 0 {
            self.model.reset();
            self.rebander = Rebander::default();
            let before = self.before;
            self.score(&before);
        }
        self.awake = if is_open { AWAKE } else { self.awake.saturating_sub(1) };
        if self.awake == 0 {
            return self.guard.count(None);
        }
        let is_speech = self.score(frame) >= SPEECH && is_open && !self.keys.sound_in(frame);
        self.speech = self.speech.wrapping_add(u32::from(is_speech));
        self.guard.count(is_speech.then_some(power))
    }

    fn score(&mut self, frame: &[i16; FRAME]) -> f32 {
        let mut wide: SmallVec<[i16; 2 * FRAME]> = SmallVec::new();
        self.rebander.pass(frame, Band::Narrow, Band::Wide, &mut wide);
        self.model.predict_i16(&wide)
    }
}

/// Shuts out what is too soft to be meant.
struct Gate {
    high_pass: HighPass,
    /// The least level of each of the last stretches of time, the running one last.
    least: [f32; STRETCHES],
    /// Frames of the running stretch.
    frames: u32,
    smooth: f32,
    usual: Usual,
    /// The loudest that the peer was told lately, and for how many frames more that holds.
    said: f32,
    held: u32,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            high_pass: HighPass::default(),
            least: [f32::MAX; STRETCHES],
            frames: 0,
            smooth: QUIETEST,
            usual: Usual::default(),
            said: QUIETEST,
            held: 0,
        }
    }
}

impl Gate {
    /// Whether a frame may be speech, and the power that was measured.
    fn passes(&mut self, frame: &[i16; FRAME]) -> (bool, f32) {
        let power = self.high_pass.power(frame);
        let level = dbm0(power);
        let least = self.least.iter().copied().fold(f32::MAX, f32::min);
        let noise = if least < f32::MAX { least + ABOVE_LEAST } else { QUIETEST };
        let usual = self.usual.level().map_or(STRANGE, |usual| usual + ABOVE_USUAL);
        let threshold = SOFTEST.max(noise).max(usual).max(self.echo());
        self.learn(level);
        (level > threshold, power)
    }

    fn learn(&mut self, level: f32) {
        self.usual.push(level);
        self.smooth += (level - self.smooth) * SMOOTHING;
        let last = STRETCHES - 1;
        self.least[last] = self.least[last].min(self.smooth);
        self.frames += 1;
        if self.frames == STRETCH {
            self.frames = 0;
            self.least.rotate_left(1);
            self.least[last] = self.smooth;
        }
    }

    fn says(&mut self, dbm0: f32) {
        if dbm0 >= self.said {
            self.said = dbm0;
            self.held = ECHO_HOLD;
        }
    }

    /// As loud as an echo may be now.
    fn echo(&mut self) -> f32 {
        if self.held > 0 {
            self.held -= 1;
        } else {
            self.said = (self.said - ECHO_FALL).max(QUIETEST);
        }
        self.said - ECHO_LOSS
    }
}

/// What is usual on the line: the median of the levels of the last four seconds. One voice among many is louder now
/// and then; who speaks into this telephone is louder throughout.
struct Usual {
    /// How many frames had which level, in steps of 1 dB from [`QUIETEST`] up.
    counts: [u32; LEVELS],
    past: [u8; PAST],
    next: usize,
    frames: u32,
}

impl Default for Usual {
    fn default() -> Self {
        Self { counts: [0; LEVELS], past: [0; PAST], next: 0, frames: 0 }
    }
}

impl Usual {
    fn push(&mut self, level: f32) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
        let step = (level - QUIETEST).clamp(0.0, f32::from(TOP)) as u8;
        let place = &mut self.past[self.next];
        if self.frames < PAST_FRAMES {
            self.frames += 1;
        } else {
            self.counts[usize::from(*place)] -= 1;
        }
        *place = step;
        self.counts[usize::from(step)] += 1;
        self.next = (self.next + 1) % PAST;
    }

    /// `None` before enough was heard.
    fn level(&self) -> Option<f32> {
        let mut left = self.frames / 2;
        let median = self.counts.iter().position(|&count| {
            let found = left < count;
            left = left.saturating_sub(count);
            found
        });
        let median = median.filter(|_| self.frames >= KNOWN)?;
        Some(QUIETEST + f32::from(u8::try_from(median).unwrap_or(TOP)) + 0.5)
    }
}

/// Wants speech that goes on and that changes.
struct Guard {
    /// How many frames of speech are wanted, in quarters of a frame; and how many there were lately.
    wanted: u32,
    run: u32,
    /// Frames since the last one with speech.
    quiet: u32,
    told: bool,
    /// The power of the last frames with speech.
    powers: [f32; CHANGES],
    next: usize,
}

impl Guard {
    fn new(sustained: Duration) -> Self {
        let frames = u32::try_from(sustained.as_millis() / FRAME_MILLIS).unwrap_or(u32::MAX / 4).max(1);
        Self { wanted: frames * 4, run: 0, quiet: 0, told: false, powers: [0.0; CHANGES], next: 0 }
    }

    fn restart(&mut self) {
        self.run = 0;
        self.told = false;
    }

    /// Takes a frame: the power of speech, or none. Whether speech has begun with it.
    fn count(&mut self, speech: Option<f32>) -> bool {
        let Some(power) = speech else {
            self.run = self.run.saturating_sub(1);
            self.quiet += 1;
            if self.quiet >= APART {
                self.restart();
            }
            return false;
        };
        self.quiet = 0;
        self.run = (self.run + 4).min(self.wanted);
        self.powers[self.next] = power;
        self.next = (self.next + 1) % CHANGES;
        self.run == self.wanted && self.changes() && !std::mem::replace(&mut self.told, true)
    }

    /// Whether the level moves as syllables do. Averages over 80 ms: four periods of mains hum.
    fn changes(&self) -> bool {
        if self.wanted < 4 * CHANGES_FRAMES {
            return true;
        }
        let mut powers = self.powers;
        powers.rotate_left(self.next);
        let sums = powers.windows(AVERAGED).map(|window| window.iter().sum::<f32>());
        let (least, most) =
            sums.fold((f32::MAX, 0.0_f32), |(least, most), sum| (least.min(sum), most.max(sum)));
        most > least * MOVES
    }
}

/// Leaves out what lies below the telephone band: hum, wind, the rumble of a road.
#[derive(Default)]
struct HighPass {
    inputs: [f32; 2],
    outputs: [f32; 2],
}

impl HighPass {
    /// Second order, Butterworth, 300 Hz at 8,000.
    const FORWARD: [f32; 3] = [0.846_459_3, -1.692_918_6, 0.846_459_3];
    const BACK: [f32; 2] = [-1.669_203, 0.716_633_9];

    /// The mean square of what is left.
    fn power(&mut self, frame: &[i16; FRAME]) -> f32 {
        let mut energy = 0.0_f32;
        for &sample in frame {
            let input = f32::from(sample);
            let output = Self::FORWARD[0] * input
                + Self::FORWARD[1] * self.inputs[0]
                + Self::FORWARD[2] * self.inputs[1]
                - Self::BACK[0] * self.outputs[0]
                - Self::BACK[1] * self.outputs[1];
            self.inputs = [input, self.inputs[0]];
            self.outputs = [output, self.outputs[0]];
            energy += output * output;
        }
        energy / FRAME_LENGTH
    }
}

fn dbm0(power: f32) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "a constant that fits")]
    const REFERENCE: f32 = (RMS_AT_0_DBM0 * RMS_AT_0_DBM0) as f32;
    (10.0 * (power / REFERENCE).log10()).max(QUIETEST)
}

/// How much speech is taken for some: a word of one syllable at least, more than a cough.
pub const SUSTAINED: Duration = Duration::from_millis(240);

/// 16 ms, which the model wants.
const FRAME: usize = 128;
const FRAME_TICKS: u32 = 128;
const FRAME_LENGTH: f32 = 128.0;
const FRAME_MILLIS: u128 = 16;

/// From this score on the model takes a frame for speech.
const SPEECH: f32 = 0.4;
/// Half a second: the model knows better what it hears when it has heard what came before.
const AWAKE: u32 = 32;

/// Silence, for reckoning.
const QUIETEST: f32 = -90.0;
/// −45 dBm0: the softest speech that is taken for meant. Speech on a telephone has about −20, the softest of ITU-T P.56's
/// users −35.
const SOFTEST: f32 = -45.0;
/// Before the line is known.
const STRANGE: f32 = -36.0;
/// How far speech stands above the least noise of the last one and a half seconds.
const ABOVE_LEAST: f32 = 7.0;
const STRETCHES: usize = 6;
const STRETCH: u32 = 16;
const SMOOTHING: f32 = 0.3;
/// How far it stands above what is usual.
const ABOVE_USUAL: f32 = 5.0;
const PAST: usize = 240;
const PAST_FRAMES: u32 = 240;
/// 200 ms say something about a line.
const KNOWN: u32 = 12;
const LEVELS: usize = 96;
const TOP: u8 = 95;

/// A hybrid's echo is 20 dB below what was said, or further; 3 dB for its peaks.
const ECHO_LOSS: f32 = 17.0;
/// 400 ms: an echo comes back after the round trip.
const ECHO_HOLD: u32 = 25;
/// 1 dB a frame: a room's reverberation dies faster.
const ECHO_FALL: f32 = 1.0;

/// After 640 ms without speech the next word is another beginning.
const APART: u32 = 40;
/// The frames of [`SUSTAINED`].
const CHANGES: usize = 15;
const CHANGES_FRAMES: u32 = 15;
const AVERAGED: usize = 5;
/// 4 dB, as a ratio of powers.
const MOVES: f32 = 2.512;
