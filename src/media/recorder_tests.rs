use std::time::Duration;

use super::*;
use crate::audio::tone::{self, Tone};
use crate::units::{Digit, Entropy, test_start};

const FRAME: Duration = Duration::from_millis(20);

/// A recorder with a clock, and what came out of it.
struct Tape {
    recorder: Recorder,
    now: Instant,
    at: u64,
    sides: [Vec<i16>; 2],
    silent_pieces: usize,
    pieces: usize,
}

impl Tape {
    fn new() -> Self {
        let now = test_start();
        Self {
            recorder: Recorder::new(now),
            now,
            at: 0,
            sides: Default::default(),
            silent_pieces: 0,
            pieces: 0,
        }
    }

    fn drain(&mut self, last: bool) {
        while let Some(piece) = self.recorder.take(self.now, last) {
            assert_eq!(piece.at, self.at, "pieces follow each other");
            self.at = piece.end();
            self.pieces += 1;
            match &piece.sound {
                Sound::Silence(length) => {
                    self.silent_pieces += 1;
                    for side in &mut self.sides {
                        side.resize(side.len() + index(*length), 0);
                    }
                }
                Sound::Audio { left, right } => {
                    for (side, octets) in self.sides.iter_mut().zip([left, right]) {
                        KEPT.decode(octets.expose(), side);
                    }
                }
            }
        }
    }

    /// 20 ms of both sides; `None` where nothing comes.
    fn tick(&mut self, left: Option<&[i16]>, right: Option<&[i16]>) {
        self.now += FRAME;
        for (side, samples) in [(Side::Left, left), (Side::Right, right)] {
            let Some(samples) = samples else { continue };
            self.drain(false);
            self.recorder.hear(self.now, side, &Frame::new(Band::Narrow, samples));
        }
    }

    fn play(&mut self, left: &[i16], right: &[i16]) {
        for (left, right) in left.chunks(160).zip(right.chunks(160)) {
            self.tick(Some(left), Some(right));
        }
    }

    fn finish(mut self) -> [Vec<i16>; 2] {
        self.drain(true);
        self.sides
    }
}

fn noise(seed: u8, length: usize) -> Vec<i16> {
    let mut entropy = Entropy::from_seed([seed; 32]);
    (0..length).map(|_| i16::try_from(entropy.below(8000)).expect("small") - 4000).collect()
}

/// What the law makes of samples.
fn heard(samples: &[i16]) -> Vec<i16> {
    samples.iter().map(|&sample| KEPT.decode_sample(KEPT.encode_sample(sample))).collect()
}

fn keys(text: &str, millis: u64) -> Vec<i16> {
    let mut out = Vec::new();
    for key in text.chars().filter_map(Digit::from_char) {
        out.extend(tone::render(Tone::Dtmf(key), Duration::from_millis(millis)));
        out.extend(tone::render(Tone::Silence, Duration::from_millis(60)));
    }
    out.resize(out.len().next_multiple_of(160), 0);
    out
}

/// Whether a key can be found anywhere in it, at any phase.
fn holds_a_key(samples: &[i16]) -> bool {
    let tones = KeyTones::default();
    samples.windows(160).step_by(20).any(|window| tones.sound_in(window))
}

#[test]
fn the_peer_is_left_and_what_they_hear_is_right_sample_by_sample() {
    let (left, right) = (noise(1, 8000 * 5), noise(2, 8000 * 5));
    let mut tape = Tape::new();
    tape.play(&left, &right);
    let sides = tape.finish();
    for (side, said) in sides.iter().zip([left, right]) {
        let found = crate::audio::correlate(&said, side).expect("not silence");
        assert!(found.score > 0.999 && found.lag == 0, "{found:?}");
    }
}

#[test]
fn a_wide_voice_is_kept_in_the_telephone_band_and_its_keys_are_not() {
    let mut said = tone::render(Tone::Beep, Duration::from_secs(2));
    let from = said.len();
    said.extend(keys("159", 100));
    said.extend(tone::render(Tone::Beep, Duration::from_secs(2)));
    let (mut tape, mut rebander) = (Tape::new(), Rebander::default());
    for part in said.chunks(160) {
        let mut wide = Frame::new(Band::Wide, &[]);
        rebander.pass(part, Band::Narrow, Band::Wide, &mut wide.samples);
        tape.now += FRAME;
        tape.drain(false);
        tape.recorder.hear(tape.now, Side::Left, &wide);
    }
    let [left, _] = tape.finish();
    let found = crate::audio::correlate(&said[..from - 800], &left).expect("not silence");
    assert!(found.score > 0.99 && found.lag < 40, "{found:?}");
    assert!(!holds_a_key(&left));
}

#[test]
fn what_does_not_come_is_silence_in_its_place() {
    let (left, right) = (noise(1, 8000 * 6), noise(2, 8000 * 6));
    let mut tape = Tape::new();
    for (at, (left, right)) in left.chunks(160).zip(right.chunks(160)).enumerate() {
        // The peer falls silent for two seconds, without a packet.
        let gap = (100..200).contains(&at);
        tape.tick((!gap).then_some(left), Some(right));
    }
    let [one, other] = tape.finish();
    assert_eq!(other, heard(&right), "the other side does not wait");
    assert_eq!(one[..16_000], heard(&left)[..16_000]);
    assert!(one[16_000..32_000].iter().all(|&sample| sample == 0));
    assert_eq!(one[32_000..], heard(&left)[32_000..], "and goes on where its time is");
}

#[test]
fn a_long_silence_is_held_by_nobody() {
    let mut tape = Tape::new();
    let said = noise(1, 8000);
    tape.play(&said, &said);
    tape.now += Duration::from_secs(3600);
    let before = tape.pieces;
    tape.play(&said, &said);
    assert!(tape.pieces - before <= 3, "{} pieces for an hour", tape.pieces - before);
    assert!(tape.recorder.left.length() <= 2 * RATE && tape.recorder.right.length() <= 2 * RATE);
    let [left, right] = tape.finish();
    let hour = 3600 * 8000;
    assert_eq!(left.len(), 2 * 8000 + hour);
    assert_eq!(left[8000 + hour..], heard(&said)[..]);
    assert_eq!(left, right);
}

#[test]
fn a_burst_after_a_stall_moves_nothing_and_a_flood_is_left_out() {
    let said = noise(1, 8000 * 3);
    let mut tape = Tape::new();
    for (at, frame) in said.chunks(160).enumerate() {
        // Frames of 80 ms come at once.
        tape.now += FRAME;
        if at % 4 == 3 {
            for late in said[(at - 3) * 160..(at + 1) * 160].chunks(160) {
                tape.drain(false);
                tape.recorder.hear(tape.now, Side::Left, &Frame::new(Band::Narrow, late));
            }
        }
        let _ = frame;
    }
    let [left, _] = tape.finish();
    // The last two frames are still on their way.
    assert_eq!(left[..23_680], heard(&said)[..23_680]);

    let mut tape = Tape::new();
    tape.now += FRAME;
    for _ in 0..10_000 {
        tape.recorder.hear(tape.now, Side::Left, &Frame::new(Band::Narrow, &[0; 160]));
    }
    assert!(tape.recorder.left.length() <= LOOSE + 480, "{}", tape.recorder.left.length());
}

/// A caller who speaks, types a PIN in tones while the recorder is hidden or not, and speaks again; the engine
/// speaks all the time.
fn with_a_pin(hidden: bool, listens_for_keys: bool) -> ([Vec<i16>; 2], usize, usize) {
    let mut tape = Tape::new();
    let (pin, engine) = (keys("80421537#", 100), noise(9, 8000 * 20));
    let voice = noise(1, 16_000);
    tape.play(&voice, &engine[..16_000]);
    if hidden {
        tape.recorder.hide(tape.now, true);
    }
    if !listens_for_keys {
        tape.recorder.keys.deaf = true;
    }
    let from = usize::try_from(tape.recorder.position(tape.now)).expect("small");
    tape.play(&pin, &engine[..pin.len()]);
    if hidden {
        tape.recorder.hide(tape.now, false);
    }
    let to = usize::try_from(tape.recorder.position(tape.now)).expect("small");
    tape.play(&voice, &engine[..16_000]);
    (tape.finish(), from, to)
}

#[test]
fn a_pin_typed_in_tones_is_not_there_and_without_the_masks_it_is() {
    let ([left, _], from, to) = with_a_pin(false, false);
    assert!(holds_a_key(&left[from..to]), "the control: nothing hides it");

    let ([left, right], from, to) = with_a_pin(true, false);
    assert!(
        left[from..to + 4640].iter().all(|&sample| sample == 0),
        "both sides are silent, and a moment more"
    );
    assert!(right[from..to + 4640].iter().all(|&sample| sample == 0));
    assert!(!holds_a_key(&left));
    assert_eq!(left[..from], heard(&noise(1, 16_000))[..from], "what came before is there");
    assert_eq!(left[to + 4960..], heard(&noise(1, 16_000))[4960..], "and what came after");

    let ([left, right], from, to) = with_a_pin(false, true);
    assert!(!holds_a_key(&left), "where no secret is asked for, keys are taken out all the same");
    assert!(right[from..to].iter().any(|&sample| sample != 0), "of the caller's side alone");
    assert!(left[from - 4000..from - 400].iter().any(|&sample| sample != 0));
}

#[test]
fn a_key_is_taken_out_whole_at_any_phase_and_length() {
    for length in [40, 45, 60, 100, 250] {
        for phase in (0..160).step_by(16) {
            let tone = tone::render(
                Tone::Dtmf(Digit::from_char('5').expect("a key")),
                Duration::from_millis(length),
            );
            let mut said = vec![0; 8000 + phase];
            said.extend(&tone);
            said.resize((said.len() + 8000).next_multiple_of(160), 0);
            let mut tape = Tape::new();
            tape.play(&said, &vec![0; said.len()]);
            let [left, _] = tape.finish();
            let loudest = left.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
            assert!(loudest < 64, "{length} ms at {phase}: {loudest}");
        }
    }
}
