//! Calls by baresip in each codec, compared by correlation at both ends.

use countersign::audio::{Codec, correlate};

use super::wire;
use super::{peers, through_the_bank};

/// A minute of three seconds, over and over: a voice-like tone that is like itself at one place only.
fn words(pitch: f64) -> Vec<i16> {
    let word = |n: i32| {
        let t = f64::from(n % 24_000) / 8000.0;
        let syllable = (t * 9.0).sin().abs();
        wire::sample(7000.0 * syllable * (t * pitch * (4.0 + t)).sin())
    };
    (0..60 * 8000).map(word).collect()
}

/// How baresip names a codec: with its sampling rate.
fn baresip_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcmu => "PCMU/8000/1",
        Codec::Pcma => "PCMA/8000/1",
        Codec::G722 => "G722/16000/1",
        Codec::L16 => "L16/8000/1",
        Codec::Opus => "opus/48000/2",
    }
}

#[test]
fn baresip_is_heard_and_understood_in_every_codec() {
    if !peers("baresip_is_heard_and_understood_in_every_codec") {
        return;
    }
    for &codec in Codec::ALL.iter().rev() {
        let name = codec.name().to_lowercase();
        let settings = format!(", codecs: [{}]", codec.name());
        let account = format!(";audio_codecs={}", baresip_name(codec));
        let said = [words(700.0), words(1100.0)];
        let (record, heard) = through_the_bank(&name, &settings, &account, &said);
        for media in [&record["caller_media"], &record["other_media"][0]] {
            assert_eq!(media["lost"], 0, "{record}");
        }
        let [by_caller, by_agent] = heard;
        let score = |said: &[i16], heard: &[i16]| {
            // A second and a half of its three, wherever it lies.
            let found = said[..24_000].chunks_exact(12_000).filter_map(|part| correlate(part, heard));
            found.map(|found| found.score).fold(0.0, f64::max)
        };
        let (from_agent, from_caller) = (score(&said[1], &by_caller), score(&said[0], &by_agent));
        eprintln!(
            "{}: what the caller hears is like what the agent says by {from_agent:.4}, the other way {from_caller:.4}",
            codec.name()
        );
        let least = if codec == Codec::Opus { 0.85 } else { 0.95 };
        assert!(from_agent > least && from_caller > least, "{codec:?}");
    }
}
