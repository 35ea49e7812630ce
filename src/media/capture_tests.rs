use std::time::{Duration, Instant};

use super::*;
use crate::audio::decode_file;
use crate::media::voice::{Attention, Voice};
use crate::units::{RtpTimestamp, test_start};

const PACKET: Duration = Duration::from_millis(20);

fn endpoint() -> Endpoint {
    Endpoint { silence: Duration::from_millis(600), longest: Duration::from_secs(8) }
}

/// A voice that speaks for so long: a prompt of ours, as a caller may say it.
fn speech(millis: usize) -> Vec<i16> {
    let recording = include_bytes!("../../audio/en-GB/main_menu.wav");
    let mut pcm = decode_file(recording, "wav").expect("a recording").samples;
    pcm.truncate(millis * 8);
    pcm
}

fn silence(millis: usize) -> Vec<i16> {
    vec![0; millis * 8]
}

/// A line on which somebody is listened to.
struct Line {
    voice: Voice,
    now: Instant,
    stamp: u32,
    begun: Vec<Instant>,
    said: Vec<(Instant, Said)>,
    nothing: usize,
}

impl Line {
    fn new() -> Self {
        let voice = Voice::default();
        // Timestamps start over on the way.
        Self { voice, now: test_start(), stamp: u32::MAX - 9_000, begun: vec![], said: vec![], nothing: 0 }
    }

    fn wanting() -> Self {
        let mut line = Self::new();
        line.voice.want(Some(endpoint()));
        line
    }

    fn turn(&mut self) {
        match self.voice.turn(self.now) {
            Some(Turn::Begun) => self.begun.push(self.now),
            Some(Turn::Said(said)) => self.said.push((self.now, said)),
            Some(Turn::Nothing) => self.nothing += 1,
            None => {}
        }
    }

    /// Packets of these samples, but those that `lost` names.
    fn hear(&mut self, samples: &[i16], lost: impl Fn(usize) -> bool) -> &mut Self {
        for (number, packet) in samples.chunks(160).enumerate() {
            self.now += PACKET;
            if !lost(number) {
                self.voice.hear(self.now, RtpTimestamp(self.stamp), packet);
            }
            self.stamp = self.stamp.wrapping_add(160);
            self.turn();
        }
        self
    }

    /// Nothing comes.
    fn wait(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        while let Some(due) = self.voice.due().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.turn();
        }
        self.now = until;
    }
}

#[test]
fn what_is_said_is_handed_out_from_before_its_first_sound_to_after_its_last() {
    let mut line = Line::wanting();
    let started = line.now + Duration::from_millis(1_500);
    let spoken = speech(2_000);
    line.hear(&silence(1_500), |_| false).hear(&spoken, |_| false).hear(&silence(1_500), |_| false);
    assert_eq!((line.begun.len(), line.said.len(), line.nothing), (1, 1, 0));
    let (ended, said) = &line.said[0];
    let length = said.samples.expose().len() / 8;
    assert!((1_600..2_700).contains(&length), "{length} ms");
    // Every sound of it is there.
    let loudest = |samples: &[i16]| samples.iter().map(|sample| sample.unsigned_abs()).max();
    assert_eq!(loudest(said.samples.expose()), loudest(&spoken));
    assert!(said.samples.expose().starts_with(&[0; 400]), "from a little before");
    assert!(said.speech > Duration::from_millis(800) && !said.is_cut, "{:?}", said.speech);
    assert!(said.began >= started && said.began < started + Duration::from_millis(500));
    let silent = ended.duration_since(started + Duration::from_millis(2_000));
    assert!(silent < Duration::from_millis(700), "{silent:?}");
}

#[test]
fn a_beginning_is_kept_for_who_asks_for_it_after_a_voice_was_told() {
    let mut line = Line::new();
    line.voice.attend(Attention::Kept);
    line.hear(&silence(800), |_| false).hear(&speech(600), |_| false);
    assert!(line.voice.begun().is_some() && line.said.is_empty());
    line.voice.want(Some(endpoint()));
    line.voice.attend(Attention::Off);
    line.hear(&speech(2_000)[600 * 8..], |_| false).hear(&silence(1_000), |_| false);
    let (_, said) = line.said.first().expect("something was said");
    assert!(said.samples.expose().len() > 1_600 * 8, "{}", said.samples.expose().len());
    assert_eq!(line.begun.len(), 1);
}

#[test]
fn lost_packets_are_silence_and_late_ones_find_their_place() {
    let mut lossy = Line::wanting();
    lossy
        .hear(&silence(500), |_| false)
        .hear(&speech(2_000), |n| n % 10 == 4)
        .hear(&silence(1_000), |_| false);
    let mut whole = Line::wanting();
    whole.hear(&silence(500), |_| false).hear(&speech(2_000), |_| false).hear(&silence(1_000), |_| false);
    let (lossy, whole) = (&lossy.said[0].1.samples, &whole.said[0].1.samples);
    assert!(lossy.expose().len().abs_diff(whole.expose().len()) < 800, "time goes on");
    let mut capture = Capture::new(endpoint());
    capture.hear(test_start(), 0, &[1; 160], 0);
    capture.hear(test_start(), 160, &[3; 160], 0);
    capture.amend(320, &[2; 160]);
    let sound = capture.sound.expose();
    assert_eq!((sound.len(), sound[159], sound[160], sound[319], sound[320]), (480, 1, 2, 2, 3));
    capture.amend(9_000, &[9; 160]);
    assert!(!capture.sound.expose().contains(&9), "too late for anything");
}

#[test]
fn a_peer_that_sends_nothing_while_nobody_speaks_is_silent_by_the_clock() {
    let mut line = Line::wanting();
    let start = line.now;
    line.hear(&silence(500), |_| false).hear(&speech(1_500), |_| false);
    assert!(line.said.is_empty());
    line.wait(5_000);
    assert_eq!(line.said.len(), 1);
    let waited = line.said[0].0.duration_since(start + Duration::from_millis(2_000));
    assert!(waited < Duration::from_millis(1_100), "{waited:?}");
}

#[test]
fn who_never_stops_is_cut_at_the_longest_and_heard_on() {
    let mut line = Line::wanting();
    let talk = speech(4_000);
    line.hear(&silence(500), |_| false);
    for _ in 0..5 {
        line.hear(&talk[..3_000 * 8], |_| false);
    }
    assert!(line.said[0].1.is_cut);
    let length = line.said[0].1.samples.expose().len() / 8;
    assert!((7_900..8_700).contains(&length), "{length}");
}

#[test]
fn a_click_is_nothing_and_what_nobody_wants_takes_no_more_memory() {
    let mut line = Line::wanting();
    line.hear(&silence(500), |_| false);
    for _ in 0..10 {
        line.hear(&[[12_000_i16; 40].as_slice(), &silence(700)].concat(), |_| false);
    }
    assert!(line.said.is_empty() && line.begun.len() == line.nothing);
    let mut capture = Capture::new(endpoint());
    for _ in 0..5_000 {
        capture.hear(test_start(), 0, &[7; 160], 0);
    }
    assert!(capture.sound.expose().capacity() <= 2 * index(KEPT), "{}", capture.sound.expose().capacity());
    // Somebody talks for minutes where nobody asked for it.
    for _ in 0..10_000 {
        capture.hear(test_start(), 0, &[7; 160], 160);
    }
    assert!(capture.sound.expose().capacity() <= 4 * MOST, "{}", capture.sound.expose().capacity());
}

#[test]
fn nothing_is_kept_for_nobody() {
    let mut line = Line::wanting();
    line.hear(&speech(1_000), |_| false);
    line.voice.want(None);
    line.hear(&speech(1_000), |_| false).hear(&silence(1_000), |_| false);
    assert!(line.said.is_empty());
    line.voice.want(Some(endpoint()));
    line.hear(&silence(1_000), |_| false);
    assert!(line.said.is_empty(), "what was said before is nobody's");
}
