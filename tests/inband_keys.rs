//! Keys that are heard, held to ITU-T Q.24: the table of limits, and how often speech is taken for a key.

#![expect(clippy::print_stdout, reason = "a table of limits shows its figures")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "moments and levels of synthetic tones"
)]

mod media_world;

use std::time::Duration;

use countersign::audio::dtmf::Detector;
use countersign::audio::key_tones::KeyTones;
use countersign::audio::tone::{self, Tone};
use countersign::audio::{Band, Codec, Decoder, Encoder, Law, Rebander, decode_file, resample};
use countersign::media::sdp::answer;
use countersign::media::{Event, InbandKeys, Input, LocalMedia, MediaConfig, MediaSession, Output};
use countersign::units::{Digit, Entropy, Epoch, SampleRate, UnixTime};
use media_world::start;

/// RMS of a sine at 0 dBm0 in sixteen bits.
const REFERENCE: f64 = 16_017.0;
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: &str = "123A456B789C*0#D";

/// How a key is pressed, and what the line adds.
#[derive(Clone)]
struct Press {
    /// Deviation of row and column.
    off: [f64; 2],
    /// Levels of row and column in dBm0.
    dbm0: [f64; 2],
    /// Milliseconds on and off.
    on: f64,
    off_ms: f64,
    /// Milliseconds of interruption in the middle of it.
    gap: f64,
    /// White noise in dBm0.
    noise: Option<f64>,
    /// A hum or dial tone beside it: hertz and dBm0.
    beside: &'static [(f64, f64)],
}

impl Default for Press {
    fn default() -> Self {
        let (off, dbm0) = ([0.0; 2], [-10.0; 2]);
        Self { off, dbm0, on: 60.0, off_ms: 60.0, gap: 0.0, noise: None, beside: &[] }
    }
}

/// Gaussian noise by the sum of twelve, the same in each run.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 33).expect("31 bits")) / f64::from(1_u32 << 31)
    }

    fn next(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

fn amplitude(dbm0: f64) -> f64 {
    REFERENCE * 10_f64.powf(dbm0 / 20.0)
}

/// All sixteen keys, `rounds` times, through µ-law; the phases differ from press to press.
fn pressed(press: &Press, rounds: usize, seed: u64) -> Vec<i16> {
    let mut noise = Noise(seed);
    let mut out: Vec<f64> = vec![0.0; 400];
    for n in 0..rounds * 16 {
        let tones = [(ROWS[n % 16 / 4], 0), (COLUMNS[n % 4], 1)]
            .map(|(hertz, which)| (hertz * (1.0 + press.off[which]), press.dbm0[which], noise.uniform()));
        // Onsets fall anywhere between samples and blocks.
        let start = out.len() + (noise.uniform() * 40.0) as usize;
        out.resize(start, 0.0);
        let on = (press.on * 8.0) as usize;
        let gap = (press.gap * 8.0) as usize;
        for i in 0..on + gap {
            let silent = gap > 0 && (on / 2..on / 2 + gap).contains(&i);
            let wave = |&(hertz, dbm0, phase): &(f64, f64, f64)| {
                let turns = hertz * i as f64 / 8000.0 + phase;
                amplitude(dbm0) * 2_f64.sqrt() * (std::f64::consts::TAU * turns).sin()
            };
            out.push(if silent { 0.0 } else { tones.iter().map(wave).sum() });
        }
        out.resize(out.len() + (press.off_ms * 8.0) as usize, 0.0);
    }
    for (i, sample) in out.iter_mut().enumerate() {
        if let Some(dbm0) = press.noise {
            *sample += noise.next() * amplitude(dbm0);
        }
        for (hertz, dbm0) in press.beside {
            let turns = hertz * i as f64 / 8000.0;
            *sample += amplitude(*dbm0) * 2_f64.sqrt() * (std::f64::consts::TAU * turns).sin();
        }
    }
    let law = Law::Mu;
    out.iter().map(|&sample| law.decode_sample(law.encode_sample(sample.round() as i16))).collect()
}

fn heard(samples: &[i16]) -> String {
    let (mut detector, mut keys) = (Detector::default(), String::new());
    for packet in samples.chunks(160) {
        detector.push(packet, |digit| keys.push(digit.as_char()));
    }
    keys
}

/// What is asked of a row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wanted {
    /// Every key, none wrong, none twice.
    All,
    /// None at all.
    None,
}

#[test]
fn the_limits_of_q_24_are_kept() {
    let rounds = 20;
    let with = |change: fn(&mut Press)| {
        let mut press = Press::default();
        change(&mut press);
        press
    };
    use Wanted::{All, None as Nothing};
    let table: &[(&str, Wanted, Press)] = &[
        ("nominal: -10 dBm0, 60 ms on and off", All, Press::default()),
        ("40 ms on, 40 ms off", All, with(|p| (p.on, p.off_ms) = (40.0, 40.0))),
        ("23 ms on", Nothing, with(|p| p.on = 23.0)),
        ("row and column +1.5 %", All, with(|p| p.off = [0.015; 2])),
        ("row and column -1.5 %", All, with(|p| p.off = [-0.015; 2])),
        ("row +1.5 %, column -1.5 %", All, with(|p| p.off = [0.015, -0.015])),
        (
            "+1.5 %, 40 ms on and off, -26 dBm0",
            All,
            with(|p| {
                (p.off, p.on, p.off_ms, p.dbm0) = ([0.015; 2], 40.0, 40.0, [-26.0; 2]);
            }),
        ),
        ("row +3.5 %", Nothing, with(|p| p.off = [0.035, 0.0])),
        ("row -3.5 %", Nothing, with(|p| p.off = [-0.035, 0.0])),
        ("column +3.5 %", Nothing, with(|p| p.off = [0.0, 0.035])),
        ("column -3.5 %", Nothing, with(|p| p.off = [0.0, -0.035])),
        ("0 dBm0 each", All, with(|p| p.dbm0 = [0.0; 2])),
        ("-26 dBm0 each", All, with(|p| p.dbm0 = [-26.0; 2])),
        ("-40 dBm0 each", Nothing, with(|p| p.dbm0 = [-40.0; 2])),
        ("-55 dBm0 each", Nothing, with(|p| p.dbm0 = [-55.0; 2])),
        ("column 4 dB above the row", All, with(|p| p.dbm0 = [-14.0, -10.0])),
        ("column 8 dB below the row", All, with(|p| p.dbm0 = [-8.0, -16.0])),
        ("column 4 dB above, at -26 dBm0", All, with(|p| p.dbm0 = [-26.0, -22.0])),
        ("column 8 dB below, at -26 dBm0", All, with(|p| p.dbm0 = [-18.0, -26.0])),
        ("column 15 dB above the row", Nothing, with(|p| p.dbm0 = [-22.0, -7.0])),
        ("column 15 dB below the row", Nothing, with(|p| p.dbm0 = [-7.0, -22.0])),
        ("noise 15 dB below the tones", All, with(|p| p.noise = Some(-22.0))),
        (
            "noise 15 dB below, at -26 dBm0",
            All,
            with(|p| {
                (p.dbm0, p.noise) = ([-26.0; 2], Some(-38.0));
            }),
        ),
        (
            "noise 15 dB below, 40 ms on and off",
            All,
            with(|p| {
                (p.on, p.off_ms, p.noise) = (40.0, 40.0, Some(-22.0));
            }),
        ),
        ("interruption of 10 ms in 120 ms", All, with(|p| (p.on, p.gap) = (110.0, 10.0))),
        ("interruption of 5 ms in 85 ms", All, with(|p| (p.on, p.gap) = (80.0, 5.0))),
        ("50 Hz hum at -20 dBm0", All, with(|p| p.beside = &[(50.0, -20.0)])),
        ("one row alone", Nothing, with(|p| p.dbm0 = [-10.0, -90.0])),
        ("one column alone", Nothing, with(|p| p.dbm0 = [-90.0, -10.0])),
        (
            "second harmonic of the row at -14 dBm0",
            Nothing,
            with(|p| {
                p.beside = &[(1394.0, -14.0), (1882.0, -14.0), (2091.0, -14.0)];
            }),
        ),
    ];
    println!("{:<40} {:>7} {:>6} {:>6}", "", "pressed", "heard", "wrong");
    let mut failures = Vec::new();
    for (n, (name, wanted, press)) in table.iter().enumerate() {
        let sent = KEYS.repeat(rounds);
        let got = heard(&pressed(press, rounds, n as u64 + 1));
        let wrong = match wanted {
            All if got != sent => got.len().abs_diff(sent.len()).max(1),
            Nothing => got.len(),
            All => 0,
        };
        println!("{name:<40} {:>7} {:>6} {wrong:>6}", sent.len(), got.len());
        if wrong > 0 {
            failures.push(*name);
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// The speech of the corpus, file by file.
fn speech() -> Vec<Vec<i16>> {
    let Some(corpus) = std::env::var_os("COUNTERSIGN_CORPUS") else { return Vec::new() };
    let mut folders = vec![std::path::Path::new(&corpus).join("speech")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "wav") {
                files.push(path);
            }
        }
    }
    files.sort();
    let samples = |path: &std::path::PathBuf| {
        let pcm = decode_file(&std::fs::read(path).expect("a file"), "wav").expect("a recording");
        resample(&pcm.samples, pcm.rate, SampleRate::TELEPHONE)
    };
    files.iter().map(samples).collect()
}

/// Louder, softer, faster and slower, through either law: a voice is another one after each.
#[test]
fn speech_is_no_key() {
    let speech = speech();
    if speech.is_empty() {
        return;
    }
    let (mut samples, mut keys) = (0_usize, 0_usize);
    let voices = [
        (8000, 1.0, Law::Mu),
        (8000, 2.0, Law::A),
        (7600, 2.0, Law::A),
        (7200, 0.5, Law::Mu),
        (8400, 4.0, Law::A),
        (8800, 1.4, Law::Mu),
        (9600, 0.7, Law::A),
    ];
    // Changing the speed takes minutes where nothing is optimised.
    let most = if cfg!(debug_assertions) { 2 } else { voices.len() };
    for (rate, gain, law) in voices.into_iter().take(most) {
        let mut found = 0;
        for voice in &speech {
            let shifted = if rate == 8000 {
                voice.clone()
            } else {
                resample(voice, SampleRate(rate), SampleRate::TELEPHONE)
            };
            let coded = |&sample: &i16| {
                law.decode_sample(law.encode_sample((f64::from(sample) * gain).round() as i16))
            };
            let line: Vec<i16> = shifted.iter().map(coded).collect();
            samples += line.len();
            found += heard(&line).len();
        }
        println!("speed {:.2}, gain {gain}, {}: {found} keys", f64::from(rate) / 8000.0, law.name());
        keys += found;
    }
    let hours = samples as f64 / 8000.0 / 3600.0;
    println!("{keys} keys in {hours:.1} hours of speech: {:.2} an hour", keys as f64 / hours);
    assert!((keys as f64) <= hours, "more than one an hour");
}

/// A caller without telephone-events, whose audio arrives packet by packet while somebody listens: the keys told, and
/// how many of the frames that leave hold a tone.
fn session_hears(inband_keys: InbandKeys, formats: &str, samples: &[i16]) -> (String, usize) {
    let begin = start();
    let epoch = Epoch { instant: begin, unix: UnixTime(0) };
    let config =
        MediaConfig { inband_keys, ..MediaConfig::from_entropy(&mut Entropy::from_seed([3; 32]), epoch) };
    let mut session = MediaSession::new(begin, config);
    let local = LocalMedia::new("192.0.2.1:4000".parse().expect("an address"), 1);
    let offer = format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP {formats}\r\na=rtpmap:101 telephone-event/8000\r\n"
    );
    session.connect(begin, &answer(offer.as_bytes(), &local).expect("acceptable").remote);
    session.listen(true);
    let peer = "198.51.100.1:4000".parse().expect("an address");
    let (mut keys, mut loud) = (String::new(), 0);
    for (n, packet) in samples.chunks(160).enumerate() {
        let now = begin + Duration::from_millis(20) * u32::try_from(n).expect("short");
        let mut bytes = vec![0x80, 8];
        bytes.extend(u16::try_from(n).expect("short").to_be_bytes());
        bytes.extend(u32::try_from(n * 160).expect("short").to_be_bytes());
        bytes.extend([1, 2, 3, 4]);
        Law::A.encode(packet, &mut bytes);
        for input in [Input::Timeout, Input::Rtp { came: now, from: peer, bytes: &bytes }] {
            session.handle(now, input);
            loop {
                match session.poll() {
                    Output::Event(Event::Tone(digit)) => keys.push(digit.as_char()),
                    Output::Event(Event::Digit(_)) => panic!("nothing was told by an event"),
                    Output::Frame(frame) => {
                        let quiet = |sample: &i16| sample.unsigned_abs() < 300;
                        loud += usize::from(!frame.samples.iter().all(quiet));
                    }
                    Output::Timeout(_) => break,
                    _ => {}
                }
            }
        }
    }
    (keys, loud)
}

#[test]
fn a_caller_without_telephone_events_is_heard_and_the_tones_go_no_further() {
    let press = Press { on: 100.0, off_ms: 200.0, ..Press::default() };
    let sound = pressed(&press, 1, 7);
    let (keys, loud) = session_hears(InbandKeys::Auto, "8", &sound);
    assert_eq!((keys.as_str(), loud), (KEYS, 0));
    let (keys, loud) = session_hears(InbandKeys::Off, "8", &sound);
    assert_eq!(keys, "");
    assert!(loud > 16 * 4, "{loud} frames");
    let (keys, _) = session_hears(InbandKeys::Auto, "8 101", &sound);
    assert_eq!(keys, "", "who sends events is not listened to");
    let (keys, _) = session_hears(InbandKeys::Always, "8 101", &sound);
    assert_eq!(keys, KEYS);
}

/// Keys that were said through a codec, in packets of 20 ms, by the detector; and in how many of all frames of tones and of
/// pauses something sounds like a key.
fn through(codec: Codec, keys: &[Digit], on: u64, off: u64, divisor: i16) -> (Vec<Digit>, [f64; 2]) {
    let millis = Duration::from_millis;
    let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
    let [mut up, mut down] = [Rebander::default(), Rebander::default()];
    let (mut detector, tones) = (Detector::default(), KeyTones::default());
    let mut said = tone::render(Tone::Silence, millis(200));
    for &key in keys {
        said.extend(tone::render(Tone::Dtmf(key), millis(on)).into_iter().map(|sample| sample / divisor));
        said.extend(tone::render(Tone::Silence, millis(off)));
    }
    let (mut found, mut heard) = (Vec::new(), Vec::new());
    for part in said.chunks_exact(160) {
        let (mut banded, mut octets, mut decoded, mut narrow) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        up.pass(part, Band::Narrow, codec.band(), &mut banded);
        encoder.encode(&banded, &mut octets);
        decoder.decode(&octets, &mut decoded);
        down.pass(&decoded, codec.band(), Band::Narrow, &mut narrow);
        detector.push(&narrow, |key| found.push(key));
        heard.extend(narrow);
    }
    // The codecs come up to 10 ms late: only frames that lie within a tone or a pause whichever it is are counted.
    let period = usize::try_from((on + off) * 8).expect("short");
    let share = |from: usize, to: usize| {
        let frames = (0..keys.len()).map(|n| 1600 + n * period).flat_map(|start| {
            (start + from..(start + to).saturating_sub(160))
                .step_by(160)
                .map(|at| tones.sound_in(&heard[at..at + 160]))
        });
        let all: Vec<bool> = frames.collect();
        let loud = all.iter().filter(|loud| **loud).count();
        f64::from(u32::try_from(loud).expect("few"))
            / f64::from(u32::try_from(all.len().max(1)).expect("few"))
    };
    let [on, off] = [on, off].map(|ms| usize::try_from(ms * 8).expect("short"));
    (found, [share(100, on), share(on + 200, on + off)])
}

#[test]
fn keys_are_heard_through_every_codec_and_none_is_another() {
    let mut entropy = Entropy::from_seed([17; 32]);
    let keys: Vec<Digit> = (0..16)
        .cycle()
        .take(160)
        .map(|n| {
            Digit::from_event(u8::try_from((n + entropy.below(2) * 3) % 16).expect("few")).expect("a key")
        })
        .chain((0..16).filter_map(Digit::from_event))
        .collect();
    println!(
        "codec, tone, pause, level below the usual: heard of {}, frames of tones and of pauses with a key",
        keys.len()
    );
    for &codec in Codec::ALL {
        for (on, off, divisor) in [(100, 100, 1), (80, 80, 1), (60, 60, 1), (80, 80, 4), (80, 80, 8)] {
            let (found, [in_tones, in_pauses]) = through(codec, &keys, on, off, divisor);
            let (codec_name, heard) = (codec.name(), found.len());
            println!("{codec_name}, {on} ms, {off} ms, 1/{divisor}: {heard}, {in_tones:.3}, {in_pauses:.3}");
            // None is wrong: what was heard are the keys in their order, some perhaps left out.
            let mut rest = keys.iter();
            assert!(found.iter().all(|key| rest.any(|pressed| pressed == key)), "{codec_name}: a wrong key");
            assert_eq!(heard, keys.len(), "{codec_name}, {on} ms, 1/{divisor}");
            assert!(in_tones > 0.95 && in_pauses < 0.05, "{codec_name}, {on} ms: {in_tones} {in_pauses}");
        }
    }
}
