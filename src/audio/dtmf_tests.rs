//! The detector over what a line may do to a key.

use std::time::Duration;

use super::*;
use crate::audio::tone::{self, Tone};

fn heard(samples: &[i16]) -> String {
    let mut detector = Detector::default();
    let mut keys = String::new();
    for packet in samples.chunks(160) {
        detector.push(packet, |digit| keys.push(digit.as_char()));
    }
    keys
}

fn key(c: char, millis: u64) -> Vec<i16> {
    let digit = Digit::from_char(c).expect("a key");
    tone::render(Tone::Dtmf(digit), Duration::from_millis(millis))
}

fn pause(millis: usize) -> Vec<i16> {
    vec![0; millis * 8]
}

#[test]
fn every_key_is_heard_once_whatever_the_length_of_packets() {
    let keys = "1234567890*#ABCD1122";
    let sound: Vec<i16> = keys.chars().flat_map(|c| [key(c, 60), pause(60)].concat()).collect();
    for packet in [1, 7, 80, 160, 240, 480, 4000] {
        let mut detector = Detector::default();
        let mut heard = String::new();
        for part in sound.chunks(packet) {
            detector.push(part, |digit| heard.push(digit.as_char()));
        }
        assert_eq!(heard, keys, "packets of {packet} samples");
    }
}

#[test]
fn a_lost_packet_neither_doubles_nor_hides_a_key() {
    for lost in 0..6 {
        let sound = [key('7', 120), pause(120), key('7', 120), pause(120)].concat();
        let mut detector = Detector::default();
        let mut heard = String::new();
        for (n, part) in sound.chunks(160).enumerate() {
            if n == lost || n == lost + 12 {
                detector.skip(160);
            } else {
                detector.push(part, |digit| heard.push(digit.as_char()));
            }
        }
        assert_eq!(heard, "77", "packet {lost} of each press lost");
    }
}

#[test]
fn a_key_is_suspected_before_it_is_sure_and_its_onset_is_known() {
    let sound = [pause(100), key('5', 100), pause(100)].concat();
    let mut detector = Detector::default();
    let mut at = 0;
    for part in sound.chunks(80) {
        detector.push(part, |_| ());
        at += 80;
        match detector.sounding() {
            Some(since) => {
                let onset = at - since;
                assert!((640..=960).contains(&onset), "onset {onset}, not 800");
                assert!((1000..2000).contains(&at), "{at}");
            }
            None => assert!(!(1120..1600).contains(&at), "{at}: it sounds"),
        }
    }
}

#[test]
fn silence_tones_of_the_network_and_noise_are_no_keys() {
    for tone in [Tone::Ringback, Tone::Busy, Tone::Special, Tone::Beep, Tone::Silence] {
        assert_eq!(heard(&tone::render(tone, Duration::from_secs(6))), "", "{tone:?}");
    }
    let mut seed = 1_u32;
    let mut noise = Vec::new();
    for _ in 0..8000 * 60 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [_, _, high, top] = seed.to_le_bytes();
        noise.push(i16::from_le_bytes([high, top]) / 4);
    }
    assert_eq!(heard(&noise), "");
}
