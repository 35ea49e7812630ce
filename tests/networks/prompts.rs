//! Every shipped recording of a language that a network hears is understood as what it is meant to say: one that says something
//! else is found here, and not by a caller.

use std::collections::BTreeSet;

use countersign::call::ClipSource;
use countersign::driver::application::{ApplicationSource, load_with};
use countersign::driver::models::{Models, WHISPER};
use countersign::driver::speech::Speech;
use countersign::flow::ClipKey;
use countersign::voice::SpokenGrammar;
use countersign::voice::recogniser::Recogniser;

use super::site::{Folder, root};
use super::{asked_for, install};

/// The examples; what several of them say is heard once.
const APPLICATIONS: [&str; 4] = ["bank", "clinic", "helpdesk", "reception"];
/// A sentence has so many words; of fewer a network of this size hears some differently.
const SENTENCE: usize = 4;
/// In percent. A recording that says something else has nearly all words wrong.
const MOST_WRONG: usize = 60;
/// In percent, of all sentences together.
const MOST_WRONG_IN_ALL: usize = 15;

#[test]
fn every_prompt_is_heard_as_its_text() {
    if !asked_for() {
        return;
    }
    let folder = Folder::new("heard-prompts");
    let models = Models::of(folder.path());
    install(&models, &[&WHISPER]);
    let network = Recogniser::read(models.load(&WHISPER).expect("installed")).expect("the network");
    let mut seen = BTreeSet::new();
    let (mut wrong, mut words, mut sentences, mut others) = (0, 0, 0, Vec::new());
    for name in APPLICATIONS {
        let source = ApplicationSource::Folder(root().join("flows").join(name));
        let speech = Speech::of(folder.path()).expect("nobody speaks");
        let loaded = load_with(&source, &speech).expect("an example");
        for key in loaded.application.clips().iter().filter(|key| is_prompt(key)) {
            let text = plain(&loaded.application.read(std::slice::from_ref(key)));
            if text.len() < SENTENCE || !seen.insert((key.clone(), text.clone())) {
                continue;
            }
            let samples = loaded.clips.clip(key).expect("a recording").pcm();
            let heard = network.listen(&samples, &SpokenGrammar::Free, "en-GB", None).expect("English");
            let heard = heard.first().map(|best| plain(best.words.expose())).unwrap_or_default();
            let apart = distance(&text, &heard);
            (wrong, words, sentences) = (wrong + apart, words + text.len(), sentences + 1);
            if apart * 100 > text.len() * MOST_WRONG {
                others.push(format!(
                    "{name}: {} says “{}”, not “{}”",
                    key.as_str(),
                    heard.join(" "),
                    text.join(" ")
                ));
            }
        }
    }
    eprintln!("{sentences} prompts of {words} words: {wrong} were heard differently");
    assert!(sentences > 100, "{sentences}");
    assert!(others.is_empty(), "{others:#?}");
    assert!(wrong * 100 <= words * MOST_WRONG_IN_ALL, "{wrong} of {words}");
    // The control: the recording of another prompt is found.
    let (one, other) = (plain("Please type your PIN, then hash."), plain("Your card has been blocked."));
    assert!(distance(&one, &other) * 100 > one.len() * MOST_WRONG);
}

/// Spoken in English by a recording of its own; words of which values are put together are no sentences.
fn is_prompt(key: &ClipKey) -> bool {
    key.as_str().starts_with("en-GB/") && key.as_str().matches('/').count() == 1
}

/// Words as they sound: small, without signs, numbers in words.
fn plain(text: &str) -> Vec<String> {
    let apart: String =
        text.to_lowercase().chars().map(|c| if c.is_alphanumeric() || c == '\'' { c } else { ' ' }).collect();
    apart.split_whitespace().map(|word| number(word).to_owned()).collect()
}

fn number(word: &str) -> &str {
    const WORDS: [&str; 13] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    word.parse::<usize>().ok().and_then(|number| WORDS.get(number).copied()).unwrap_or(word)
}

/// How many words are other ones, left out or put in.
fn distance(one: &[String], other: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, word) in one.iter().enumerate() {
        let mut before = std::mem::replace(&mut row[0], at + 1);
        for (to, heard) in other.iter().enumerate() {
            let changed = before + usize::from(word != heard);
            before = row[to + 1];
            row[to + 1] = changed.min(before + 1).min(row[to] + 1);
        }
    }
    row[other.len()]
}
