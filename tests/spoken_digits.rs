//! Spoken digits over the telephone, by people: how many strings are understood, and how surely one that is expected is told from
//! one with another digit.
//!
//! It runs with `COUNTERSIGN_PEERS=1`, in a release build, with a quarter of the spliced strings unless COUNTERSIGN_ROUNDS=full: the model is brought by pip, the speech is that of `COUNTERSIGN_CORPUS`.

#![expect(clippy::print_stderr, reason = "the figures are the result")]

mod networks_world;
mod spoken_words;

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::OnceLock;

use countersign::driver::models::{Models, WHISPER, WHISPER_BASE};
use countersign::voice::recogniser::{Recogniser, guessed};
use networks_world::{corpus, each, networks, recording};

/// The recogniser; `None` where the model is not to be fetched.
fn recogniser() -> Option<&'static Recogniser> {
    static RECOGNISER: OnceLock<Option<Recogniser>> = OnceLock::new();
    let read = || {
        let models = Models::of(&networks(&[&WHISPER, &WHISPER_BASE])?);
        let network = |pin| Recogniser::read(models.load(pin).expect("the model")).expect("the network");
        Some(network(&WHISPER).with(network(&WHISPER_BASE)))
    };
    RECOGNISER.get_or_init(read).as_ref()
}

/// The recordings of a folder, and what is said in them.
fn read(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = corpus().join(folder);
    let list = fs::read_to_string(folder.join("transcript.txt")).expect("a transcript");
    let words = |line: &str| {
        let (file, words) = line.split_once(' ').expect("a file and words");
        (folder.join(file), words.to_owned())
    };
    list.lines().map(words).collect()
}

fn digit(word: &str) -> u16 {
    const WORDS: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    (0..).zip(WORDS).find(|(_, known)| *known == word).expect("a digit").0
}

/// What became of the strings of a folder, their length known.
struct Figures {
    strings: usize,
    right: usize,
    /// How many are accepted when they are expected, and how many of those that differ in one digit, by margin.
    accepted: Vec<(f32, usize, usize)>,
    others: usize,
    /// Pairs of strings of one speaker, and those of which one is accepted at least.
    pairs: (usize, usize),
}

/// `every`: one string of so many, unless COUNTERSIGN_ROUNDS=full asks for all.
fn figures(recogniser: &Recogniser, folder: &str, every: usize, speaker: Range<usize>) -> Figures {
    let every =
        if std::env::var("COUNTERSIGN_ROUNDS").is_ok_and(|rounds| rounds == "full") { 1 } else { every };
    let mut figures = Figures { strings: 0, right: 0, accepted: Vec::new(), others: 0, pairs: (0, 0) };
    figures.accepted.extend([0.0, 0.5, 1.0, 2.0].map(|above| (above, 0, 0)));
    let mut passed: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    let strings: Vec<_> = read(folder).into_iter().step_by(every).collect();
    let heard = each(&strings, |(file, words)| {
        let count = words.split(' ').count();
        recogniser.hear(&recording(file), &recogniser.digits(count, count).expect("digits"))
    });
    for ((file, words), heard) in strings.iter().zip(&heard) {
        let said: Vec<u16> = words.split(' ').map(digit).collect();
        figures.strings += 1;
        figures.others += 9 * said.len();
        figures.right += usize::from(heard.first().is_some_and(|heard| heard.meaning == said));
        let differs = |other: &[u16]| other.iter().zip(&said).filter(|(one, other)| one != other).count();
        for heard in heard {
            for (above, right, wrong) in
                figures.accepted.iter_mut().filter(|(above, ..)| heard.margin() > *above)
            {
                debug_assert!(*above >= 0.0, "one string at most");
                *right += usize::from(heard.meaning == said);
                *wrong += usize::from(differs(&heard.meaning) == 1);
            }
        }
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        let accepted = heard.iter().any(|heard| heard.meaning == said && heard.margin() > 0.0);
        passed.entry(name[speaker.clone()].to_owned()).or_default().push(accepted);
    }
    for own in passed.values() {
        for (at, one) in own.iter().enumerate() {
            for other in &own[..at] {
                figures.pairs.0 += 1;
                figures.pairs.1 += usize::from(*one || *other);
            }
        }
    }
    let Figures { strings, right, others, pairs, .. } = &figures;
    eprintln!("{folder}: {right} of {strings} strings right");
    for (above, right, wrong) in &figures.accepted {
        let guess = 1.0 / guessed(6, above.max(f32::EPSILON), 1);
        eprintln!(
            "  expected, margin above {above}: {right} of {strings} accepted, {wrong} of {others} that differ in one digit; \
             a guess of six digits passes once in {guess:.0}"
        );
    }
    eprintln!("  accepted in one of two attempts of the same speaker: {} of {}", pairs.1, pairs.0);
    figures
}

#[test]
fn six_digits_one_by_one_are_understood_and_verified() {
    let Some(recogniser) = recogniser() else { return };
    let figures = figures(recogniser, "digits6", 4, 4..7);
    assert!(figures.right * 100 >= figures.strings * 92);
    let (_, right, wrong) = figures.accepted[0];
    assert!(right * 100 >= figures.strings * 97, "{right} right ones are accepted");
    assert!(wrong * 1_000 <= figures.others, "{wrong} wrong ones are accepted");
}

#[test]
fn strings_as_people_say_them_are_understood_and_verified() {
    let Some(recogniser) = recogniser() else { return };
    let figures = figures(recogniser, "digits", 1, 0..5);
    assert!(figures.right * 100 >= figures.strings * 80);
    // Accented speakers and children: less than the 97 % that clear speech gives.
    let (_, right, wrong) = figures.accepted[0];
    assert!(right * 100 >= figures.strings * 80, "{right} right ones are accepted");
    assert!(wrong * 1_000 <= figures.others * 2, "{wrong} wrong ones are accepted");
    assert!(figures.pairs.1 * 100 >= figures.pairs.0 * 93, "{:?} pairs", figures.pairs);
}
