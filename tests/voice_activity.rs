//! How well the beginning of speech is told from noise, in figures: `cargo test --test voice_activity -- --nocapture`.
//!
//! Speech is that of the corpus, laid over noises that are made here, and sent through A-law. The noises last for minutes each;
//! what they cut short would have been a prompt.

#![expect(clippy::print_stdout, reason = "the figures are of interest")]
#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sounds are small numbers")]

use std::f64::consts::TAU;
use std::time::Duration;

use countersign::audio::level::{active_dbm0, rms_dbm0};
use countersign::audio::{Law, Vad, decode_file, resample};
use countersign::units::SampleRate;

const SECOND: usize = 8000;
const PACKET: usize = 160;
/// Of each noise at each level.
const NOISE: usize = 120 * SECOND;

/// Small, quick and repeatable.
struct Chance(u64);

impl Chance {
    fn share(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..4).map(|_| self.share() - 0.5).sum()
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.share() * bound as f64) as usize
    }
}

fn chance() -> Chance {
    Chance(88_172_645_463_325_252)
}

fn white(length: usize) -> Vec<f64> {
    let mut chance = chance();
    (0..length).map(|_| chance.normal()).collect()
}

/// Equal power in each octave, nearly: noise under three poles at once.
fn pink(length: usize) -> Vec<f64> {
    let (mut chance, mut poles) = (chance(), [0.0_f64; 3]);
    let mut next = || {
        let fresh = chance.normal();
        for (pole, (keeps, takes)) in
            poles.iter_mut().zip([(0.997_65, 0.099_0), (0.963_0, 0.296_5), (0.57, 1.052_7)])
        {
            *pole = keeps * *pole + takes * fresh;
        }
        poles.iter().sum::<f64>() + fresh * 0.184_8
    };
    (0..length).map(|_| next()).collect()
}

/// The mains, with all its harmonics.
fn hum(length: usize) -> Vec<f64> {
    let wave = |n: usize| {
        let t = n as f64 / 8000.0;
        (1..12).map(|k| (TAU * 50.0 * f64::from(k) * t + f64::from(k)).sin() / f64::from(k)).sum()
    };
    (0..length).map(wave).collect()
}

/// Two or three a second, of one to ten milliseconds.
fn clicks(length: usize) -> Vec<f64> {
    let mut chance = chance();
    let mut noise: Vec<f64> = (0..length).map(|_| chance.normal() * 0.001).collect();
    let mut at = 0;
    while at < length {
        at += 400 + chance.below(4000);
        let (loud, lasts) = (chance.share() + 0.2, 5.0 + 20.0 * chance.share());
        for (k, sample) in noise.iter_mut().skip(at).take(120).enumerate() {
            *sample += loud * chance.normal() * (-(k as f64) / lasts).exp();
        }
    }
    noise
}

/// A hurried hand on the keys.
fn keys(length: usize) -> Vec<f64> {
    let (mut chance, mut sound) = (chance(), vec![0.0; length]);
    let mut at = 800;
    while at < length {
        let row = [697.0, 770.0, 852.0, 941.0][chance.below(4)];
        let column = [1209.0, 1336.0, 1477.0, 1633.0][chance.below(4)];
        let on = 320 + chance.below(4000);
        for (k, sample) in sound.iter_mut().skip(at).take(on).enumerate() {
            let t = TAU * k as f64 / 8000.0;
            *sample = (t * row).sin() + (t * column).sin();
        }
        at += on + 320 + chance.below(3000);
    }
    sound
}

/// Chords that fade, a melody with vibrato over them, and a beat.
fn music(length: usize) -> Vec<f64> {
    const BEAT: usize = 3600;
    let (mut chance, mut sound) = (chance(), vec![0.0; length]);
    let step = |semitones: f64| 2_f64.powf(semitones / 12.0);
    for (bar, start) in (0..length).step_by(4 * BEAT).enumerate() {
        let root = 196.0 * step([0.0, 5.0, 7.0, 9.0][bar % 4]);
        for (k, sample) in sound.iter_mut().skip(start).take(4 * BEAT).enumerate() {
            let t = k as f64 / 8000.0;
            let tone = |semitones| {
                (1..5)
                    .map(|h| (TAU * root * step(semitones) * f64::from(h) * t).sin() / f64::from(h))
                    .sum::<f64>()
            };
            *sample += 0.3 * (-0.8 * t).exp() * [0.0, 4.0, 7.0].map(tone).iter().sum::<f64>();
        }
        for beat in 0..4 {
            let pitch = 2.0 * root * step([0.0, 2.0, 4.0, 5.0, 7.0, 9.0, 11.0, 12.0][chance.below(8)]);
            for (k, sample) in sound.iter_mut().skip(start + beat * BEAT).take(BEAT).enumerate() {
                let t = k as f64 / 8000.0;
                let swing = TAU * pitch * t + 0.004 * pitch * (TAU * 5.5 * t).sin();
                let loud = 0.5 * (1.0 - (-60.0 * t).exp()) * (-2.0 * t).exp();
                *sample += loud * (1..7).map(|h| (swing * f64::from(h)).sin() / f64::from(h)).sum::<f64>();
                *sample += 0.6 * chance.normal() * (-(k as f64) / 80.0).exp();
            }
        }
    }
    sound
}

/// Three seconds there, three seconds away: a door, a passing car.
fn comes_and_goes(noise: Vec<f64>) -> Vec<f64> {
    let there = |n: usize| if (n / (3 * SECOND)).is_multiple_of(2) { 1.0 } else { 0.01 };
    noise.into_iter().enumerate().map(|(n, sample)| sample * there(n)).collect()
}

/// So many people who talk at once, none of them into the telephone.
fn babble(voices: usize, length: usize, speech: &[Vec<i16>]) -> Vec<f64> {
    let mut sound = vec![0.0; length];
    for voice in 0..voices {
        let mut said = speech.iter().cycle().skip(voice * 7).step_by(voices);
        let mut at = 0;
        while let Some(words) = said.next().filter(|_| at < length) {
            let loud = 10_f64.powf(-active_dbm0(words) / 20.0);
            for (sample, &spoken) in sound.iter_mut().skip(at).zip(words) {
                *sample += loud * f64::from(spoken);
            }
            at += words.len() + SECOND / 4;
        }
    }
    sound
}

/// A sound at this level, as it comes out of A-law.
fn at_level(sound: &[f64], dbm0: f64) -> Vec<i16> {
    let power = sound.iter().map(|sample| sample * sample).sum::<f64>() / sound.len() as f64;
    let gain = 16_017.0 * 10_f64.powf(dbm0 / 20.0) / power.sqrt();
    sound.iter().map(|sample| through_a_law(sample * gain)).collect()
}

fn through_a_law(sample: f64) -> i16 {
    Law::A.decode_sample(Law::A.encode_sample(sample.round() as i16))
}

/// The speech of the corpus in these folders; nothing without it.
fn speech(folders: &[&str], most: usize) -> Vec<Vec<i16>> {
    let Some(corpus) = std::env::var_os("COUNTERSIGN_CORPUS") else { return Vec::new() };
    let mut all = Vec::new();
    for folder in folders {
        let folder = std::path::Path::new(&corpus).join("speech").join(folder);
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut files: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|kind| kind == "wav")).collect();
        files.sort();
        all.extend(files.into_iter().take(most).map(|path| {
            let pcm = decode_file(&std::fs::read(path).expect("a file"), "wav").expect("a recording");
            resample(&pcm.samples, pcm.rate, SampleRate::TELEPHONE)
        }));
    }
    all
}

/// Where the first word begins and the last ends: what comes within 15 dB of the level of the speech, for 100 ms.
fn words(speech: &[i16]) -> (usize, usize) {
    let active = active_dbm0(speech);
    let loud: Vec<bool> = speech.chunks(PACKET).map(|part| rms_dbm0(part) > active - 15.0).collect();
    let begins = loud.windows(6).position(|six| six[0] && six.iter().filter(|loud| **loud).count() >= 5);
    let ends = loud.iter().rposition(|loud| *loud).unwrap_or(0);
    (begins.unwrap_or(0) * PACKET, (ends + 1) * PACKET)
}

/// When speech was found, in samples.
fn found(vad: &mut Vad, line: &[i16]) -> Vec<usize> {
    found_over(vad, line, &[])
}

/// The same while something is said to the peer.
fn found_over(vad: &mut Vad, line: &[i16], said: &[i16]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut said = said.chunks(PACKET);
    for (n, packet) in line.chunks(PACKET).enumerate() {
        if let Some(said) = said.next() {
            vad.says(rms_dbm0(said));
        }
        if vad.hear(packet) {
            found.push((n + 1) * PACKET);
        }
    }
    found
}

/// What became of many onsets.
#[derive(Default)]
struct Onsets {
    /// Milliseconds from each onset to its detection.
    delays: Vec<f64>,
    early: usize,
    missed: usize,
}

impl Onsets {
    /// Speech that starts after a second of the noise: found by its end, or not, or before it has begun.
    fn add(&mut self, found: &[usize], (begins, ends): (usize, usize)) {
        match found.first() {
            Some(&at) if at < SECOND => self.early += 1,
            Some(&at) if at <= SECOND + ends + SECOND / 2 => {
                self.delays.push((at as f64 - (SECOND + begins) as f64) / 8.0);
            }
            _ => self.missed += 1,
        }
    }

    fn share(&self) -> f64 {
        self.delays.len() as f64 / (self.delays.len() + self.early + self.missed) as f64
    }

    fn delay(&mut self, share: f64) -> f64 {
        self.delays.sort_by(f64::total_cmp);
        self.delays[((self.delays.len() - 1) as f64 * share) as usize]
    }

    fn print(&mut self, what: &str) {
        let (median, late) = (self.delay(0.5), self.delay(0.95));
        println!("{what}: {:.1} % found, median {median:.0} ms, p95 {late:.0} ms", 100.0 * self.share());
    }
}

/// What is said, softer by some dB, over a noise; a second before it and after it.
fn line(speech: &[i16], softer: f64, noise: Option<(&[f64], f64)>, seed: usize) -> Vec<i16> {
    let gain = 10_f64.powf(-softer / 20.0);
    let length = speech.len() + 2 * SECOND;
    let level = active_dbm0(speech) - softer;
    let ground = match noise {
        Some((noise, ratio)) => {
            let from = seed * 16_000 % (noise.len() - length);
            at_level(&noise[from..from + length], level - ratio)
        }
        None => vec![0; length],
    };
    let said = std::iter::repeat_n(0, SECOND).chain(speech.iter().copied()).chain(std::iter::repeat(0));
    ground
        .iter()
        .zip(said)
        .map(|(&ground, said)| through_a_law(f64::from(ground) + gain * f64::from(said)))
        .collect()
}

/// What a line is called, its noise, and figures.
type Ground<'a> = (&'static str, Option<&'a [f64]>, [f64; 4]);

#[test]
fn speech_is_found_soon_after_it_begins() {
    let said = speech(&["sentences", "digits", "digits6"], 20);
    if said.is_empty() {
        return;
    }
    let others = speech(&["speakers/enrol"], 64);
    let (white, pink, hum) = (white(NOISE), pink(NOISE), hum(NOISE));
    let babble = babble(8, NOISE, &others);
    println!("{} recordings", said.len());
    // dB of signal to noise, dB softer than usual; least share found, most median delay.
    let lines: [Ground; 11] = [
        ("quiet", None, [0.0, 0.0, 0.99, 320.0]),
        ("quiet, 6 dB softer", None, [0.0, 6.0, 0.97, 340.0]),
        ("quiet, 12 dB softer", None, [0.0, 12.0, 0.90, 400.0]),
        ("white noise, 20 dB", Some(&white), [20.0, 0.0, 0.93, 360.0]),
        ("white noise, 15 dB", Some(&white), [15.0, 0.0, 0.88, 440.0]),
        ("white noise, 10 dB", Some(&white), [10.0, 0.0, 0.60, 800.0]),
        ("pink noise, 15 dB", Some(&pink), [15.0, 0.0, 0.93, 360.0]),
        ("pink noise, 10 dB", Some(&pink), [10.0, 0.0, 0.85, 500.0]),
        ("hum, 10 dB", Some(&hum), [10.0, 0.0, 0.95, 340.0]),
        ("babble, 20 dB", Some(&babble), [20.0, 0.0, 0.95, 340.0]),
        ("babble, 15 dB", Some(&babble), [15.0, 0.0, 0.90, 380.0]),
    ];
    for (what, noise, [ratio, softer, least, most]) in lines {
        let mut onsets = Onsets::default();
        for (n, speech) in said.iter().enumerate() {
            let line = line(speech, softer, noise.map(|noise| (noise, ratio)), n);
            onsets.add(&found(&mut Vad::default(), &line), words(speech));
        }
        onsets.print(what);
        assert!(onsets.share() >= least, "{what}");
        assert!(onsets.delay(0.5) <= most, "{what}");
    }
}

#[test]
fn noise_cuts_no_prompt_short_and_without_the_guard_it_would() {
    let kinds: [(&str, Vec<f64>, &[f64]); 9] = [
        ("white noise", white(NOISE), &[-60.0, -40.0, -20.0]),
        ("pink noise", pink(NOISE), &[-60.0, -40.0, -20.0]),
        ("hum", hum(NOISE), &[-60.0, -40.0, -20.0]),
        ("white noise that comes and goes", comes_and_goes(white(NOISE)), &[-40.0, -30.0, -20.0]),
        ("pink noise that comes and goes", comes_and_goes(pink(NOISE)), &[-40.0, -30.0, -20.0]),
        ("hum that comes and goes", comes_and_goes(hum(NOISE)), &[-40.0, -30.0, -20.0]),
        ("clicks", clicks(NOISE), &[-40.0, -30.0, -20.0]),
        ("keys", keys(NOISE), &[-30.0, -20.0, -10.0]),
        ("music", music(NOISE), &[-40.0, -30.0, -20.0]),
    ];
    let mut heedless = 0;
    for (kind, sound, levels) in &kinds {
        let (mut cuts, mut without) = (0, 0);
        for &level in *levels {
            let line = at_level(sound, level);
            cuts += found(&mut Vad::default(), &line).len();
            without += found(&mut Vad::new(Duration::from_millis(16)), &line).len();
        }
        heedless += without;
        let hours = (levels.len() * NOISE) as f64 / SECOND as f64 / 3600.0;
        println!(
            "{kind}: {:.0} an hour; without the guard {:.0}",
            cuts as f64 / hours,
            without as f64 / hours
        );
        assert_eq!(cuts, 0, "{kind}");
    }
    assert!(heedless > 30, "the noises are none that only the guard stops: {heedless}");
}

#[test]
fn people_in_the_background_are_rarely_taken_for_the_caller() {
    let others = speech(&["speakers/enrol"], 64);
    if others.is_empty() {
        return;
    }
    for (voices, most) in [(4, 150.0), (8, 25.0), (16, 10.0)] {
        let sound = babble(voices, 2 * NOISE, &others);
        let levels = [-50.0, -40.0, -30.0];
        let count = |vad: fn() -> Vad| -> usize {
            levels.iter().map(|&level| found(&mut vad(), &at_level(&sound, level)).len()).sum()
        };
        let (cuts, without) = (count(Vad::default), count(|| Vad::new(Duration::from_millis(16))));
        let hours = (levels.len() * sound.len()) as f64 / SECOND as f64 / 3600.0;
        let [cuts, without] = [cuts, without].map(|count| count as f64 / hours);
        println!("babble of {voices}: {cuts:.0} an hour; without the guard {without:.0}");
        assert!(cuts <= most && without > 4.0 * cuts, "babble of {voices}");
    }
}

/// What is said to the peer, and what comes back of it.
fn prompt_and_echo(loss: f64, delay: usize, length: usize) -> Option<(Vec<i16>, Vec<f64>)> {
    let voices = speech(&["speakers/enrol"], 64);
    let mut prompt: Vec<i16> = Vec::new();
    for words in voices.iter().cycle().take(if voices.is_empty() { 0 } else { 1000 }) {
        prompt.extend(words);
        prompt.extend([0; SECOND / 2]);
        if prompt.len() >= length {
            break;
        }
    }
    prompt.truncate(length);
    let gain = 10_f64.powf(-loss / 20.0);
    let late = std::iter::repeat_n(&0, delay * 8).chain(&prompt).take(length);
    let echo = late.map(|&sample| gain * f64::from(sample)).collect();
    (!prompt.is_empty()).then_some((prompt, echo))
}

#[test]
fn the_echo_of_a_prompt_does_not_cut_it_short() {
    for (loss, delay) in [(20.0, 40), (20.0, 300), (25.0, 100), (30.0, 200)] {
        let Some((prompt, echo)) = prompt_and_echo(loss, delay, 5 * NOISE / 2) else { return };
        let line: Vec<i16> = echo.iter().map(|&sample| through_a_law(sample)).collect();
        let cuts = found_over(&mut Vad::default(), &line, &prompt).len();
        let deaf = found(&mut Vad::default(), &line).len();
        println!(
            "echo {loss} dB down, {delay} ms late: {cuts} in five minutes; unaware of the prompt {deaf}"
        );
        assert_eq!(cuts, 0, "{loss} dB, {delay} ms");
        assert!(loss > 20.0 || deaf > 10, "an echo that would be taken for speech: {deaf}");
    }
}

#[test]
fn a_caller_is_heard_over_the_prompt_and_its_echo() {
    let said = speech(&["sentences", "digits", "digits6"], 20);
    for (softer, loss, least) in [(0.0, 20.0, 0.97), (6.0, 25.0, 0.92), (12.0, 30.0, 0.75)] {
        let Some((prompt, echo)) = prompt_and_echo(loss, 100, NOISE) else { return };
        let mut onsets = Onsets::default();
        for (n, speech) in said.iter().enumerate() {
            let voice = line(speech, softer, None, n);
            let from = n * 9000 % (NOISE - voice.len());
            let prompt = &prompt[from..from + voice.len()];
            let mixed =
                voice.iter().zip(&echo[from..]).map(|(&said, echo)| through_a_law(f64::from(said) + echo));
            let mixed: Vec<i16> = mixed.collect();
            onsets.add(&found_over(&mut Vad::default(), &mixed, prompt), words(speech));
        }
        onsets.print(&format!("caller {softer} dB softer than the prompt, echo {loss} dB down"));
        assert!(onsets.share() >= least, "{softer} dB softer");
    }
}
