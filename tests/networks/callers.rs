//! People who call the bank and say digits: one of them is enrolled in a call, known in the next one, and refused where a
//! recording speaks in their place; somebody else with the right digits is refused too.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign::audio::Clip;
use countersign::driver::models::{CAM_PLUS_PLUS, Models, WHISPER};
use countersign::driver::voices::{self, REPORT};
use countersign::voice::print::calibration::Calibration;

use super::site::{Folder, Handset, IN_TIME, PHONE_ON_FILE, PIN, Site, Stage, add_customer, root};
use super::{asked_for, install, recording};

/// Who is the customer, and who is not.
const CUSTOMER: &str = "george";
const OTHER: &str = "lucas";
/// How many speakers scores are learnt from.
const SPEAKERS: usize = 30;

#[test]
fn callers_are_known_by_their_voice_and_recordings_are_not() {
    if !asked_for() {
        return;
    }
    let corpus = std::env::var_os("COUNTERSIGN_CORPUS").map(PathBuf::from).expect("COUNTERSIGN_CORPUS");
    let folder = Folder::new("known-callers");
    let models = Models::of(folder.path());
    install(&models, &[&WHISPER, &CAM_PLUS_PLUS]);
    calibrate(folder.path(), &corpus.join("speech/speakers"));
    let people = people(&corpus.join("speech/digits6"));
    let (customer, other) = (&people[CUSTOMER], &people[OTHER]);
    let site = Site::in_folder(folder, &root().join("flows/bank"), 1, &[]);
    let app = add_customer(site.vault());
    let mut stage = Stage::new(vec![Handset::new(PHONE_ON_FILE)]);

    enrols(&mut stage, &site, &app.code(), customer);
    // The digits that are asked for, in their own voice.
    let known = verified(&mut stage, &site, |asked| customer.says(asked));
    // What they said before, to digits that are others today.
    let replayed = verified(&mut stage, &site, |_| customer.strings[9].clone());
    // What they were enrolled with.
    let copied = verified(&mut stage, &site, |_| customer.strings[0].clone());
    // Somebody else, who says the right digits.
    let stranger = verified(&mut stage, &site, |asked| other.says(asked));
    let audit = audit(site.folder.path());
    let found = |word: &str| audit.matches(&format!("\"finding\":\"{word}\"")).count();
    let findings =
        ["same", "unsure", "different", "other_words", "replay", "prompt"].map(|word| (word, found(word)));
    let joined = audit.matches("\"joined\":\"likely\"").count();
    eprintln!(
        "known {known}, replayed {replayed}, copied {copied}, stranger {stranger}; {findings:?}, joined {joined}"
    );
    assert!(known, "the right speaker is known");
    assert!(!replayed && !copied && !stranger);
    assert_eq!((found("same"), found("other_words"), found("replay")), (1, 1, 1), "{findings:?}");
    assert!(found("different") + found("unsure") >= 1, "{findings:?}");
}

/// Learns what scores mean from people who do not call.
fn calibrate(data: &Path, speakers: &Path) {
    let root = data.join("speakers");
    let speakers_of: Vec<String> = names(&speakers.join("enrol")).into_iter().take(SPEAKERS).collect();
    for part in ["enrol", "test"] {
        fs::create_dir_all(root.join(part)).expect("a folder");
        let chosen = |file: &&String| speakers_of.iter().any(|name| of(file) == of(name));
        for file in names(&speakers.join(part)).iter().filter(chosen) {
            fs::copy(speakers.join(part).join(file), root.join(part).join(file)).expect("copied");
        }
    }
    let model = voices::installed(data).expect("the network");
    let heard = voices::Folder::listen(&model, &root, &["test".to_owned()], &mut |_, _| {}).expect("voices");
    let learned = Calibration::learn(model.identity(), &heard.speakers()).expect("speakers enough");
    voices::keep_report(&data.join(REPORT), &learned).expect("kept");
}

/// The files of a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Whose file it is.
fn of(file: &str) -> &str {
    file.split(['_', '.']).next().unwrap_or_default()
}

/// Somebody with their digits: whole strings, and each digit by itself.
#[derive(Default)]
struct Person {
    strings: Vec<Vec<i16>>,
    words: BTreeMap<char, Vec<Vec<i16>>>,
}

impl Person {
    /// These digits, one by one, each recording of a digit used once in a string.
    fn says(&self, digits: &str) -> Vec<i16> {
        let mut used: BTreeMap<char, usize> = BTreeMap::new();
        let mut samples = vec![0; 800];
        for digit in digits.chars() {
            let takes = &self.words[&digit];
            let take = used.entry(digit).or_insert(0);
            samples.extend_from_slice(&takes[*take % takes.len()]);
            samples.extend([0; 1_600]);
            *take += 1;
        }
        samples
    }
}

fn people(folder: &Path) -> BTreeMap<String, Person> {
    const WORDS: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let digit = |word: &str| {
        let at = WORDS.iter().position(|known| *known == word).expect("a digit");
        char::from_digit(u32::try_from(at).expect("small"), 10).expect("a digit")
    };
    let mut people: BTreeMap<String, Person> = BTreeMap::new();
    for line in fs::read_to_string(folder.join("transcript.txt")).expect("a transcript").lines() {
        let (file, words) = line.split_once(' ').expect("a file and its words");
        let name = file.trim_end_matches(".wav").split('_').nth(1).expect("a speaker").to_owned();
        let samples = recording(&folder.join(file));
        let words: Vec<char> = words.split(' ').map(digit).collect();
        let parts = parts(&samples);
        let person = people.entry(name).or_default();
        if parts.len() == words.len() {
            for (digit, (from, to)) in words.into_iter().zip(parts) {
                // Those of the first strings are what they enrol with.
                if person.strings.len() >= 10 {
                    person.words.entry(digit).or_default().push(samples[from..to].to_vec());
                }
            }
        }
        person.strings.push(samples);
    }
    people
}

/// Where there is speech, with silence of 60 ms and more between.
fn parts(samples: &[i16]) -> Vec<(usize, usize)> {
    const STEP: usize = 80;
    let loud =
        |frame: &[i16]| frame.iter().map(|s| i64::from(*s) * i64::from(*s)).sum::<i64>() > 80 * 60 * 60;
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for (at, _) in samples.chunks_exact(STEP).enumerate().filter(|(_, frame)| loud(frame)) {
        match parts.last_mut() {
            Some((_, to)) if at * STEP <= *to + 6 * STEP => *to = (at + 1) * STEP,
            _ => parts.push((at * STEP, (at + 1) * STEP)),
        }
    }
    parts.retain(|(from, to)| to - from > 8 * STEP);
    parts
}

/// Has the caller's voice enrolled, as the bank does it: proved by PIN and app, agreed to, and said until it is enough.
fn enrols(stage: &mut Stage, site: &Site, code: &str, customer: &Person) {
    dials(stage, site);
    stage.answer(0, "main_menu", "5");
    stage.answer(0, "settings_menu", "5");
    stage.answer(0, "more_menu", "1");
    stage.answer(0, "pin_please", &format!("{PIN}#"));
    stage.answer(0, "totp_please", &format!("{code}#"));
    stage.answer(0, "voice_consent", "1");
    stage.hear(0, "voice_sentence");
    for string in customer.strings.iter().take(6) {
        speaks(stage, string);
        if next(stage, &["voice_more", "voice_kept"]) == "voice_kept" {
            return stage.hang_up(0);
        }
    }
    panic!("enough was said: {:#?}", stage.handsets[0].traces);
}

/// Calls and says something where the digits are asked for, until it is decided; whether it was the customer's voice.
fn verified(stage: &mut Stage, site: &Site, answer: impl Fn(&str) -> Vec<i16>) -> bool {
    dials(stage, site);
    stage.answer(0, "main_menu", "3");
    loop {
        stage.hear(0, "voice_digits");
        listened(stage);
        let asked = asked(&stage.handsets[0].heard);
        speaks(stage, &answer(&asked));
        // What is in doubt is asked for once more.
        let told = next(
            stage,
            &[
                "totp_please",
                "not_quite_more",
                "not_quite_one",
                "voice_unsure",
                "locked_for_now",
                "pin_please",
            ],
        );
        if told != "voice_unsure" {
            stage.hang_up(0);
            return told == "totp_please";
        }
    }
}

fn dials(stage: &mut Stage, site: &Site) {
    stage.handsets[0].dial(&site.uri());
    stage.answer(0, "choose_language", "1");
}

/// Until the caller's time has begun.
fn listened(stage: &mut Stage) {
    let last = |all: &[Handset], event: &str| all[0].traces.iter().rposition(|trace| trace["event"] == event);
    let so = |all: &[Handset]| last(all, "waits") > last(all, "prompt");
    assert!(stage.until(IN_TIME, so), "{:#?}", stage.handsets[0].traces);
}

fn speaks(stage: &mut Stage, samples: &[i16]) {
    listened(stage);
    stage.handsets[0].say(&Arc::new(Clip::from_pcm(samples)));
}

/// The first of these prompts that comes from now on.
fn next<'a>(stage: &mut Stage, among: &[&'a str]) -> &'a str {
    let before = stage.handsets[0].prompts().len();
    let found = |all: &[Handset]| {
        let prompts = all[0].prompts();
        prompts.iter().skip(before).find_map(|heard| among.iter().copied().find(|one| one == heard))
    };
    assert!(stage.until(IN_TIME, |all| found(all).is_some()), "{:#?}", stage.handsets[0].traces);
    found(&stage.handsets).expect("it came")
}

/// The digits that a prompt has just said: our own recordings of them are in what the telephone heard.
fn asked(heard: &[i16]) -> String {
    const LOUD: usize = 1_200;
    let float = |samples: &[i16]| samples.iter().map(|sample| f32::from(*sample)).collect::<Vec<f32>>();
    let dot = |one: &[f32], other: &[f32]| one.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
    let heard = float(&heard[heard.len().saturating_sub(8 * 8_000)..]);
    let energies: Vec<f32> = heard.windows(LOUD).map(|window| dot(window, window)).collect();
    let mut found: Vec<(usize, f32, char)> = Vec::new();
    for digit in '0'..='9' {
        let clip = float(&recording(&root().join(format!("audio/en-GB/digits/{digit}.wav"))));
        let from = (clip.len() - LOUD) / 2;
        let template = &clip[from..from + LOUD];
        let own = dot(template, template);
        for (at, (window, energy)) in heard.windows(LOUD).zip(&energies).enumerate() {
            let alike = dot(window, template) / (own * energy).sqrt().max(1.0);
            if alike > 0.98 {
                found.push((at, alike, digit));
            }
        }
    }
    found.sort_by_key(|(at, ..)| *at);
    let mut best: Vec<(usize, f32, char)> = Vec::new();
    for one in found {
        match best.last_mut() {
            Some(last) if one.0 < last.0 + LOUD => {
                if one.1 > last.1 {
                    *last = one;
                }
            }
            _ => best.push(one),
        }
    }
    let digits: String = best.iter().map(|(.., digit)| *digit).collect();
    assert_eq!(digits.len(), 6, "six digits were asked for, not {digits}");
    digits
}

fn audit(folder: &Path) -> String {
    let files = names(folder).into_iter().filter(|name| name.contains("audit"));
    let paths = files.map(|name| folder.join(name)).filter(|path| path.is_file());
    paths.map(|path| String::from_utf8_lossy(&fs::read(path).expect("readable")).into_owned()).collect()
}
