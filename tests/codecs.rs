//! Every codec through whole sessions: speech is recognised behind it, keys pass beside it, and two legs with different
//! codecs and packet times hear each other.

#![expect(clippy::print_stdout, reason = "the figures are told")]

mod media_world;

use std::path::Path as FilePath;
use std::sync::Arc;

use countersign::audio::{Band, Clip, Codec, correlate, decode_file, resample};
use countersign::media::{Event, Frame};
use countersign::units::{Digit, PlayId, SampleRate};
use media_world::{Path, World};

const CLEAN: Path = Path { loss_percent: 0, double_percent: 0, delay_ms: 10, jitter_ms: 0 };

/// A few seconds of speech at 8,000 Hz: of a person where the corpus is, else a voice-like tone.
fn speech() -> Vec<i16> {
    let folder = std::env::var("COUNTERSIGN_CORPUS").unwrap_or_default();
    let folder = FilePath::new(&folder).join("speech/sentences");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let Some(file) = files.first() else { return media_world::speech(4).0 };
    let pcm = decode_file(&std::fs::read(file).expect("a file"), "wav").expect("audio");
    let mut samples = resample(&pcm.samples, pcm.rate, SampleRate::TELEPHONE);
    samples.truncate(8000 * 4);
    samples
}

#[test]
fn speech_is_recognised_behind_every_codec_at_every_packet_time_and_keys_pass_beside_it() {
    let said = speech();
    let keys: Vec<Digit> = "1590#".chars().filter_map(Digit::from_char).collect();
    for &codec in Codec::ALL {
        let ready = Arc::new(Clip::encode(&said, SampleRate::TELEPHONE, &[codec]));
        let unready = Arc::new(Clip::from_pcm(&said));
        for (ptime, clip) in [(10, &ready), (20, &ready), (60, &ready), (20, &unready), (30, &unready)] {
            let ptime = codec.packet_ms(ptime);
            let mut world = World::with_packet_time(1, [CLEAN; 2], [&[codec], &[codec]], [ptime, 20]);
            world.sides[1].session.listen(true);
            let now = world.now;
            world.sides[0].session.play(now, PlayId(1), vec![clip.clone()], false);
            world.run(4500);
            let found = correlate(&said[800..said.len() - 800], &world.sides[1].heard).expect("sound");
            let least = if codec == Codec::Opus { 0.93 } else { 0.98 };
            println!("{} in packets of {ptime} ms: {:.4}", codec.name(), found.score);
            assert!(found.score > least, "{codec:?} {ptime} ms: {found:?}");
            let now = world.now;
            world.sides[0].session.send_digits(now, &keys);
            world.run(1500);
            let pressed = world.sides[1].events.iter().filter_map(|event| match event {
                Event::Digit(digit) => Some(*digit),
                _ => None,
            });
            assert!(pressed.eq(keys.iter().copied()), "{codec:?} {ptime} ms");
            let stats = world.sides[1].session.stats();
            assert_eq!((stats.packets_lost, stats.late, stats.unknown_payload), (0, 0, 0), "{codec:?}");
        }
    }
}

#[test]
fn legs_with_any_two_codecs_and_packet_times_hear_each_other() {
    let said = speech();
    for &one in Codec::ALL {
        for &other in Codec::ALL {
            let (out, back) = (one.packet_ms(20), other.packet_ms(30));
            let mut near = World::with_packet_time(2, [CLEAN; 2], [&[one], &[one]], [out, out]);
            let mut far = World::with_packet_time(3, [CLEAN; 2], [&[other], &[other]], [back, back]);
            far.now = near.now;
            let clip = Arc::new(Clip::encode(&said, SampleRate::TELEPHONE, Codec::ALL));
            for world in [&mut near, &mut far] {
                world.sides.iter_mut().for_each(|side| side.session.listen(true));
                let now = world.now;
                world.sides[0].session.play(now, PlayId(1), vec![clip.clone()], false);
            }
            // The legs of the engine are the second sides; what each hears goes to the other.
            for _ in 0..4600 {
                near.run(1);
                far.run(1);
                let (from_near, from_far) = (near.frames(1), far.frames(1));
                from_near.into_iter().for_each(|frame| far.sides[1].session.push(frame));
                from_far.into_iter().for_each(|frame| near.sides[1].session.push(frame));
            }
            for (world, way) in [(&far, "there"), (&near, "back")] {
                let found = correlate(&said[800..said.len() - 800], &world.sides[0].heard).expect("sound");
                let least = if [one, other].contains(&Codec::Opus) { 0.88 } else { 0.97 };
                assert!(found.score > least, "{one:?} to {other:?}, {way}: {found:?}");
            }
        }
    }
}

#[test]
fn two_wide_legs_lose_nothing_above_the_telephone_band() {
    // A tone of 5 kHz: no narrow codec carries it.
    let tone: Vec<i16> = (0..16_000 * 2)
        .map(|n| {
            let sample = (std::f64::consts::TAU * 5000.0 * f64::from(n) / 16_000.0).sin() * 6000.0;
            #[expect(clippy::cast_possible_truncation, reason = "within 6000")]
            let sample = sample as i16;
            sample
        })
        .collect();
    let wide = [Codec::G722];
    let mut near = World::with_packet_time(4, [CLEAN; 2], [&wide, &wide], [20, 20]);
    let mut far = World::with_packet_time(5, [CLEAN; 2], [&wide, &wide], [20, 20]);
    far.now = near.now;
    near.sides[1].session.listen(true);
    far.sides[0].session.listen(true);
    let clip = Arc::new(Clip::encode(&tone, SampleRate(16_000), &wide));
    let now = near.now;
    near.sides[0].session.play(now, PlayId(1), vec![clip], false);
    let mut heard: Vec<i16> = Vec::new();
    for _ in 0..2200 {
        near.run(1);
        far.run(1);
        near.frames(1).into_iter().for_each(|frame| far.sides[1].session.push(frame));
        for Frame { band, samples, .. } in far.frames(0) {
            assert_eq!(band, Band::Wide);
            heard.extend_from_slice(&samples);
        }
    }
    let found = correlate(&tone[3200..25_600], &heard).expect("sound");
    assert!(found.score > 0.95, "{found:?}");
}
