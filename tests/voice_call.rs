//! Whole calls in which somebody speaks into a prompt: a voice ends it, a noise does not. And the same call as a flow
//! test, in virtual time.

mod site;

use std::fs;
use std::sync::Arc;

use countersign::audio::{Clip, decode_file};
use site::{Folder, Handset, SOON, Site, Stage};

const FLOW: &str = "callflow: 1
id: barge-in
title: A prompt that gives way to a voice
entry: start
blocks:
  start:
    - answer:
    - say: long
      interrupt: keys_and_speech
    - menu: which
      interrupt: keys_and_speech
      options:
        - {key: \"1\", words: balance_words, goto: thanks}
        - {key: \"2\", goto: start}
      give_up: {goto: thanks}
  thanks:
    - say: thanks
    - hangup: normal
";
const PROMPTS: &str = "language: en-GB
prompts:
  long: {file: main_menu, text: \"A welcome that lasts for ten seconds, with all that there is to know about this line.\"}
  which: {file: settings_menu, text: \"For your balance press 1. To hear the welcome again press 2.\"}
  thanks: {file: goodbye, text: \"Thank you.\"}
words:
  balance_words: [balance, how much]
";
const TESTS: &str = "flowtest: 1
tests:
  - name: words cut the question short and answer it
    script:
      - hears: which
      - says: how much is on it
      - hears: thanks
  - name: a noise does not
    script:
      - hears: which
      - noise:
      - presses: \"1\"
      - hears: thanks
";

fn application() -> Folder {
    let folder = Folder::new("barge-in-app");
    for (name, text) in
        [("barge-in.flow.yaml", FLOW), ("prompts/en-GB.yaml", PROMPTS), ("tests/voice.flow-test.yaml", TESTS)]
    {
        let path = folder.file(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

/// A caller whose welcome has begun.
fn welcomed(site: &Site) -> Stage {
    let mut stage = Stage::new(vec![Handset::new("+441632960145")]);
    stage.handsets[0].dial(&site.uri());
    stage.hear(0, "long");
    stage
}

fn voices(stage: &Stage) -> usize {
    stage.handsets[0].traces.iter().filter(|trace| trace["event"] == "voice").count()
}

/// Half a second of hiss, then clicks, knocks and a hum over it: as loud as a voice.
fn noise() -> Vec<i16> {
    let mut state = 0x2545_F491_u32;
    let mut hiss = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f64::from(state) / f64::from(u32::MAX) - 0.5
    };
    let sample = |n: u32| {
        let t = f64::from(n) / 8000.0;
        let knock = if n > 4000 { 12_000.0 * (-f64::from(n % 3100) / 60.0).exp() } else { 0.0 };
        let hum = if n > 16_000 { 1500.0 * (std::f64::consts::TAU * 100.0 * t).sin() } else { 0.0 };
        let quiet = hiss();
        #[expect(clippy::cast_possible_truncation, reason = "within 16,000")]
        let sample = (quiet * (2500.0 + knock) + hum) as i16;
        sample
    };
    (0..40_000).map(sample).collect()
}

#[test]
fn a_caller_who_speaks_into_a_prompt_ends_it_and_noise_does_not() {
    let folder = application();
    let site = Site::of("barge-in", folder.path(), 1, &[]);
    let bytes = fs::read(site::root().join("audio/en-GB/card_menu.wav")).expect("a recording");
    let phrase = decode_file(&bytes, "wav").expect("a recording").samples;

    let mut stage = welcomed(&site);
    stage.handsets[0].say(&Arc::new(Clip::from_pcm(&phrase[..16_000])));
    stage.hear(0, "which");
    assert_eq!(voices(&stage), 1, "a voice ended the welcome: {:#?}", stage.handsets[0].traces);
    assert_eq!(stage.handsets[0].plays_finished, 0, "before the caller had finished the sentence");
    stage.handsets[0].press("1");
    stage.hear(0, "thanks");
    assert!(stage.until(SOON, |all| all[0].ended.is_some()));

    let mut stage = welcomed(&site);
    stage.handsets[0].say(&Arc::new(Clip::from_pcm(&noise())));
    stage.hear(0, "which");
    assert_eq!(stage.handsets[0].plays_finished, 1, "all of the noise was made");
    assert_eq!(voices(&stage), 0, "{:#?}", stage.handsets[0].traces);
    stage.handsets[0].press("1");
    assert!(stage.until(SOON, |all| all[0].ended.is_some()));
}

#[test]
fn the_same_in_a_flow_test() {
    let folder = application();
    let ran = site::run(&["test", &folder.path().display().to_string()]);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
}
