//! Keys that come as tones in the audio, from peers that do not send telephone-events.
//!
//! Each packet is heard as it arrives, before any jitter buffer: a key is known 30 to 50 ms after its onset and
//! costs no timer. A packet that is missing or comes late counts neither for a key nor against it. Where the tones lie
//! is kept by their timestamps, so that what is held back for at least 80 ms can leave without them.

use std::collections::VecDeque;

use serde::Deserialize;

use super::rtp::seq::samples_between;
use crate::audio::dtmf::Detector;
use crate::units::{Digit, RtpTimestamp};

/// When keys are listened for in the audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InbandKeys {
    /// When the peer does not take part in telephone-events.
    #[default]
    Auto,
    /// Also beside telephone-events: the peer may lose them on the way. One press still counts once.
    Always,
    /// Never.
    Off,
}

impl InbandKeys {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Off => "off",
        }
    }

    /// Whether to listen to a peer that sends telephone-events, or does not.
    #[must_use]
    pub const fn is_armed(self, events: bool) -> bool {
        match self {
            Self::Auto => !events,
            Self::Always => true,
            Self::Off => false,
        }
    }
}

/// Listens to one stream.
#[derive(Default)]
pub struct Ear {
    detector: Detector,
    /// Where the next packet should begin.
    next: Option<RtpTimestamp>,
    /// The peer rests: what follows the last packet is silence, not loss.
    rests: bool,
    /// Keys of a long packet that have not been told.
    untold: VecDeque<Digit>,
    /// Where tones lie: from, to; the latest last.
    tones: VecDeque<(RtpTimestamp, RtpTimestamp)>,
}

impl Ear {
    /// Another stream begins.
    pub fn restart(&mut self) {
        self.detector = Detector::default();
        self.next = None;
        self.rests = false;
        self.tones.clear();
    }

    /// From here on the peer sends nothing.
    pub const fn rest(&mut self) {
        self.rests = true;
    }

    /// Hears the audio of a packet at 8,000 Hz; a key when one is sure by now.
    pub fn hear(&mut self, timestamp: RtpTimestamp, audio: &[i16]) -> Option<Digit> {
        let missing = self.next.map_or(0, |next| samples_between(next, timestamp));
        if missing < 0 && missing > -FAR {
            // Late: its place has been passed.
            return self.untold.pop_front();
        }
        let quiet = if std::mem::take(&mut self.rests) && missing > 0 { missing.min(QUIET) } else { 0 };
        if missing != 0 {
            self.detector.skip((missing - quiet).unsigned_abs());
        }
        let silence = [0; PART];
        for at in (0..quiet.unsigned_abs()).step_by(PART) {
            let part = usize::try_from(quiet.unsigned_abs() - at).map_or(PART, |left| left.min(PART));
            self.detector.push(&silence[..part], |digit| self.untold.push_back(digit));
        }
        let mut end = timestamp;
        for part in audio.chunks(PART) {
            self.detector.push(part, |digit| self.untold.push_back(digit));
            end = moved(end, i64::try_from(part.len()).unwrap_or(0));
            self.note_tone(end);
        }
        self.next = Some(end);
        self.untold.truncate(MOST_UNTOLD);
        self.untold.pop_front()
    }

    /// Does a tone, or what may be one, lie within these samples?
    #[must_use]
    pub fn sounds_within(&self, from: RtpTimestamp, length: i32) -> bool {
        self.tones
            .iter()
            .any(|&(start, end)| samples_between(from, end) > 0 && samples_between(from, start) < length)
    }

    fn note_tone(&mut self, end: RtpTimestamp) {
        let Some(since) = self.detector.sounding() else { return };
        let start = moved(end, -i64::from(since) - EDGE);
        let tone = (start, moved(end, EDGE));
        match self.tones.back_mut().filter(|last| samples_between(last.1, start) <= 0) {
            Some(last) => last.1 = tone.1,
            None => {
                if self.tones.len() == MOST_TONES {
                    self.tones.pop_front();
                }
                self.tones.push_back(tone);
            }
        }
    }
}

fn moved(timestamp: RtpTimestamp, by: i64) -> RtpTimestamp {
    let by = u32::try_from(by.rem_euclid(1 << 32)).unwrap_or(0);
    RtpTimestamp(timestamp.0.wrapping_add(by))
}

/// 20 ms at a time.
const PART: usize = 160;
/// 100 ms: more than the longest pause that a receiver of keys wants (ITU-T Q.24).
const QUIET: i32 = 800;
/// 10 ms more at both ends of a tone: the windows of the detector show its edges no better.
const EDGE: i64 = 80;
/// A second back is a sender that started its timestamps over.
const FAR: i32 = 8000;
/// A packet of 200 ms holds two.
const MOST_UNTOLD: usize = 4;
/// More than lie in the longest jitter buffer.
const MOST_TONES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Law;
    use crate::audio::tone::{self, Tone};
    use std::time::Duration;

    fn sound(keys: &str, on: u64, off: u64) -> Vec<i16> {
        let millis = Duration::from_millis;
        let mut samples = tone::render(Tone::Silence, millis(100));
        for c in keys.chars() {
            let digit = Digit::from_char(c).expect("a key");
            samples.extend(tone::render(Tone::Dtmf(digit), millis(on)));
            samples.extend(tone::render(Tone::Silence, millis(off)));
        }
        samples.iter().map(|&sample| Law::A.decode_sample(Law::A.encode_sample(sample))).collect()
    }

    #[test]
    fn keys_are_heard_at_every_packet_time_and_across_the_wrap() {
        for ticks in [80, 160, 240, 320, 480, 1600] {
            let mut ear = Ear::default();
            let mut timestamp = RtpTimestamp(u32::MAX - 3000);
            let mut heard = String::new();
            for packet in sound("0123456789", 80, 80).chunks(ticks) {
                heard.extend(ear.hear(timestamp, packet).map(Digit::as_char));
                timestamp = moved(timestamp, i64::try_from(ticks).expect("few"));
            }
            heard.extend(ear.untold.iter().map(|digit| digit.as_char()));
            assert_eq!(heard, "0123456789", "{ticks} ticks a packet");
        }
    }

    #[test]
    fn lost_late_and_doubled_packets_neither_hide_nor_double_a_key() {
        for n in 0..8 {
            let mut ear = Ear::default();
            let mut heard = String::new();
            let sound = sound("5533", 120, 120);
            let packets: Vec<_> = sound.chunks(160).enumerate().collect();
            let at = |n: usize| RtpTimestamp(u32::try_from(n * 160).expect("short"));
            for &(k, packet) in &packets {
                if k % 12 == n {
                    continue;
                }
                heard.extend(ear.hear(at(k), packet).map(Digit::as_char));
                if k % 12 == n + 1 {
                    // The one before comes now, and this one again.
                    let (late, before) = packets[k - 1];
                    heard.extend(ear.hear(at(late), before).map(Digit::as_char));
                    heard.extend(ear.hear(at(k), packet).map(Digit::as_char));
                }
            }
            assert_eq!(heard, "5533", "packet {n} of each twelve");
        }
    }

    #[test]
    fn what_is_held_back_for_eighty_milliseconds_can_leave_without_the_tone() {
        let sound = sound("7", 100, 200);
        let mut ear = Ear::default();
        let mut audible = 0;
        let mut silenced_for_nothing = 0;
        let packets: Vec<_> = sound.chunks(160).collect();
        let at = |n: usize| RtpTimestamp(u32::try_from(n * 160).expect("short"));
        for k in 0..packets.len() + 4 {
            if let Some(packet) = packets.get(k) {
                let _ = ear.hear(at(k), packet);
            }
            let Some(out) = k.checked_sub(4) else { continue };
            let loud = !crate::media::is_quiet(packets[out]);
            match (loud, ear.sounds_within(at(out), 160)) {
                (true, false) => audible += 1,
                (false, true) => silenced_for_nothing += 1,
                _ => {}
            }
        }
        assert_eq!(audible, 0);
        assert!(silenced_for_nothing <= 4, "{silenced_for_nothing} frames");
    }

    #[test]
    fn a_peer_with_telephone_events_is_not_listened_to_unless_the_setting_says_so() {
        for (setting, with, without) in [
            (InbandKeys::Auto, false, true),
            (InbandKeys::Always, true, true),
            (InbandKeys::Off, false, false),
        ] {
            assert_eq!((setting.is_armed(true), setting.is_armed(false)), (with, without), "{setting:?}");
        }
    }
}
