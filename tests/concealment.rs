//! How well missing audio is made up for, in figures: `cargo test --test concealment -- --nocapture`.
//!
//! Speech loses packets of 20 ms by chance. What is heard in their place is compared with what was said, beside silence and beside
//! the last packet once more, each time at half its amplitude.

#![expect(clippy::print_stdout, reason = "the figures are of interest")]
#![expect(clippy::cast_possible_truncation, reason = "sounds are small numbers")]

use std::path::{Path, PathBuf};

use countersign::audio::{Band, Concealer, Rebander, decode_file};

const PACKET: usize = 160;

/// How gaps are filled.
#[derive(Clone, Copy)]
enum Way {
    Concealed,
    Silence,
    Repeated,
}

/// What came of it, over the lost packets that held speech.
struct Figures {
    /// Mean of the packets' ratios of signal to error, in dB.
    segmental: f64,
    correlation: f64,
    /// How sharp the bend is where a gap begins or ends, beside that of the speech in the same places.
    seam: f64,
}

/// The recordings of the source tree and, where it is, of the corpus: whole packets of each.
fn speech() -> Vec<i16> {
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("audio/en-GB")];
    folders
        .extend(std::env::var_os("COUNTERSIGN_CORPUS").map(|root| Path::new(&root).join("speech/sentences")));
    let mut speech = Vec::new();
    for folder in folders {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut files: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|kind| kind == "wav")).collect();
        files.sort();
        for path in files.iter().take(40) {
            let samples =
                decode_file(&std::fs::read(path).expect("a file"), "wav").expect("a recording").samples;
            speech.extend_from_slice(&samples[..samples.len() / PACKET * PACKET]);
        }
    }
    speech
}

fn lost(packets: usize, percent: u64) -> Vec<bool> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut chance = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % 10_000 < percent * 100
    };
    (0..packets).map(|packet| chance() && packet > 10).collect()
}

fn heard(speech: &[i16], lost: &[bool], way: Way) -> Vec<i16> {
    let mut concealer = Concealer::new(Band::Narrow);
    let (mut out, mut last) = (Vec::with_capacity(speech.len()), vec![0; PACKET]);
    for (packet, &is_lost) in speech.chunks(PACKET).zip(lost) {
        let mut frame = packet.to_vec();
        match (way, is_lost) {
            (Way::Concealed, false) => concealer.heard(&mut frame),
            (Way::Concealed, true) => concealer.conceal(&mut frame),
            (Way::Silence, true) => frame.fill(0),
            (Way::Repeated, true) => {
                last.iter_mut().for_each(|sample| *sample /= 2);
                frame.clone_from(&last);
            }
            (_, false) => last.clone_from(&frame),
        }
        out.extend(frame);
    }
    out
}

fn compare(speech: &[i16], lost: &[bool], heard: &[i16]) -> Figures {
    let square = |sample: f64| sample * sample;
    let (mut segments, mut ratios, mut product, mut said, mut got) = (0_u32, 0.0, 0.0, 1.0, 1.0);
    let (mut bends, mut natural) = (0.0, 1.0);
    for packet in (0..lost.len() - 1).filter(|&packet| lost[packet]) {
        let range = packet * PACKET..(packet + 1) * PACKET;
        let pairs = || {
            speech[range.clone()]
                .iter()
                .zip(&heard[range.clone()])
                .map(|(&a, &b)| (f64::from(a), f64::from(b)))
        };
        let power: f64 = pairs().map(|(a, _)| square(a)).sum();
        // Pauses say nothing: below −33 dBm0.
        if power < PACKET as f64 * square(300.0) {
            continue;
        }
        let error: f64 = pairs().map(|(a, b)| square(a - b)).sum();
        segments += 1;
        ratios += (10.0 * (power / error.max(1.0)).log10()).clamp(-10.0, 35.0);
        product += pairs().map(|(a, b)| a * b).sum::<f64>();
        said += power;
        got += pairs().map(|(_, b)| square(b)).sum::<f64>();
        for at in [range.start, range.end] {
            let bend = |line: &[i16]| {
                square(f64::from(line[at]) - 2.0 * f64::from(line[at - 1]) + f64::from(line[at - 2]))
            };
            bends += bend(heard);
            natural += bend(speech);
        }
    }
    Figures {
        segmental: ratios / f64::from(segments),
        correlation: product / (said * got).sqrt(),
        seam: bends / natural,
    }
}

#[test]
fn concealment_is_nearer_to_what_was_said_than_silence_or_repetition_and_has_no_clicks() {
    let speech = speech();
    for percent in [1, 5, 10] {
        let lost = lost(speech.len() / PACKET, percent);
        let [concealed, silence, repeated] = [Way::Concealed, Way::Silence, Way::Repeated].map(|way| {
            let figures = compare(&speech, &lost, &heard(&speech, &lost, way));
            let Figures { segmental, correlation, seam } = figures;
            let name = match way {
                Way::Concealed => "concealed",
                Way::Silence => "silence",
                Way::Repeated => "repeated",
            };
            println!(
                "{percent} % lost, {name}: {segmental:.2} dB, correlation {correlation:.2}, seams {seam:.2}"
            );
            figures
        });
        assert!(concealed.segmental > silence.segmental + 0.4, "nearer than silence");
        assert!(concealed.segmental > repeated.segmental + 0.8, "nearer than repetition");
        assert!(concealed.correlation > 2.0 * repeated.correlation.max(0.1), "the waveform goes on");
        // Seams bend as speech does; a click bends more.
        assert!(concealed.seam < 1.5 && repeated.seam > 1.5 * concealed.seam, "no clicks");
    }
}

#[test]
fn a_vowel_goes_on_as_it_was_and_fades_within_sixty_milliseconds() {
    for band in [Band::Narrow, Band::Wide] {
        let ms = 8 * band.samples_of_tick();
        let wave = |n: usize| {
            let t = std::f64::consts::TAU * n as f64 / (1000 * ms) as f64;
            ((t * 140.0).sin() + 0.5 * (t * 420.0).sin() + 0.3 * (t * 1260.0).sin()) * 5000.0
        };
        let mut concealer = Concealer::new(band);
        let mut before: Vec<i16> = (0..100 * ms).map(|n| wave(n) as i16).collect();
        concealer.heard(&mut before);
        let mut gap = vec![0_i16; 80 * ms];
        concealer.conceal(&mut gap);
        // For the first 10 ms it is the same vowel.
        let error: f64 = (0..10 * ms).map(|n| (f64::from(gap[n]) - wave(100 * ms + n)).powi(2)).sum();
        let power: f64 = (0..10 * ms).map(|n| wave(100 * ms + n).powi(2)).sum();
        assert!(error < power / 100.0, "{band:?}: {:.1} dB", 10.0 * (power / error).log10());
        let loud = |from: usize| gap[from * ms..(from + 10) * ms].iter().map(|s| s.unsigned_abs()).max();
        let steps: Vec<_> = (0..8).map(|ten| loud(10 * ten).unwrap_or(0)).collect();
        assert!(steps.windows(2).all(|two| two[1] <= two[0] + 200), "{band:?}: {steps:?}");
        assert_eq!(&steps[6..], [0, 0], "{band:?}");
        // And what was forgotten is not heard again.
        concealer.forget();
        concealer.conceal(&mut gap);
        assert!(gap.iter().all(|&sample| sample == 0));
    }
}

#[test]
fn silence_noise_and_full_scale_are_made_up_for_too() {
    let mut state = 7_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as i16
    };
    let sounds: [Vec<i16>; 3] = [vec![0; 1600], (0..1600).map(|_| noise()).collect(), vec![i16::MIN; 1600]];
    for sound in sounds {
        let loudest = sound.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
        for length in [1, 7, 80, 160, 480] {
            let mut concealer = Concealer::new(Band::Narrow);
            for part in sound.chunks(length) {
                concealer.heard(&mut part.to_vec());
                let mut gap = vec![0; length];
                concealer.conceal(&mut gap);
                assert!(loudest > 0 || gap.iter().all(|&sample| sample == 0));
            }
        }
    }
    // A gap of nothing is none: what comes after it is left as it is.
    let mut concealer = Concealer::new(Band::Narrow);
    concealer.heard(&mut [500; 400]);
    concealer.conceal(&mut []);
    let mut whole = [-500; 160];
    concealer.heard(&mut whole);
    assert_eq!(whole, [-500; 160]);
    // A band is what it says: the wide one is the narrow one at twice the rate.
    let mut wide: Vec<i16> = Vec::new();
    Rebander::default().pass(&[1000; 320], Band::Narrow, Band::Wide, &mut wide);
    assert_eq!((wide.len(), Concealer::new(Band::Wide).band()), (640, Band::Wide));
}
