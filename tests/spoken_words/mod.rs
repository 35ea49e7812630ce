//! Yes and no, and a menu of ten: said by five voices of two synthesisers, and by people who say something else.

use std::path::Path;
use std::process::Command;

use countersign::audio::{Law, decode_file, resample};
use countersign::units::SampleRate;
use countersign::voice::recogniser::{Recogniser, SpokenGrammar, Understood};

use crate::{read, recogniser, recording};

/// What is said to a question that is answered by yes (1) or no (0).
const ANSWERS: [(u16, &str); 6] =
    [(1, "yes"), (0, "no"), (1, "yes please"), (0, "no thank you"), (1, "that's right"), (1, "correct")];
const MENU: [&str; 10] = [
    "account balance",
    "cards",
    "payments",
    "opening hours",
    "lost card",
    "transfer",
    "agent",
    "help",
    "repeat",
    "goodbye",
];
/// Each the command that writes `{text}` to `{out}`.
const VOICES: [&[&str]; 5] = [
    &["espeak-ng", "-v", "en-gb", "-w", "{out}", "{text}"],
    &["espeak-ng", "-v", "en-us+f3", "-s", "150", "-w", "{out}", "{text}"],
    &["flite", "-voice", "slt", "-t", "{text}", "-o", "{out}"],
    &["flite", "-voice", "rms", "-t", "{text}", "-o", "{out}"],
    &["flite", "-voice", "awb", "-t", "{text}", "-o", "{out}"],
];
/// Other speech must stay below this confidence.
const SURE: u8 = 50;

fn menu() -> SpokenGrammar {
    SpokenGrammar::Phrases((0..).zip(MENU.map(Into::into)).collect())
}

/// Speech as it comes out of a call.
fn spoken(voice: &[&str], text: &str, out: &Path) -> Vec<i16> {
    let path = out.to_str().expect("a path");
    let words: Vec<String> =
        voice.iter().map(|word| word.replace("{text}", text).replace("{out}", path)).collect();
    let status = Command::new(&words[0]).args(&words[1..]).output().expect("a synthesiser").status;
    assert!(status.success(), "{words:?}");
    let pcm = decode_file(&std::fs::read(out).expect("speech"), "wav").expect("a WAV file");
    let narrow = resample(&pcm.samples, pcm.rate, SampleRate::TELEPHONE);
    narrow.iter().map(|sample| Law::Mu.decode_sample(Law::Mu.encode_sample(*sample))).collect()
}

/// The number of what was understood, and whether it is sure.
fn understood(recogniser: &Recogniser, samples: &[i16], grammar: &SpokenGrammar) -> (Option<u16>, bool) {
    let heard: Vec<Understood> = recogniser.listen(samples, grammar, "en-GB", None).expect("English");
    heard.first().map_or((None, false), |best| (best.choice, best.confidence >= SURE))
}

#[test]
fn answers_and_menu_words_are_understood_and_other_speech_is_not() {
    let Some(recogniser) = recogniser() else { return };
    let out = std::env::temp_dir().join(format!("countersign-words-{}.wav", std::process::id()));
    let (mut right, mut sure, mut taken, mut others, mut all) = ([0; 2], 0, 0, 0, [0; 2]);
    for voice in VOICES {
        for (number, text) in ANSWERS {
            let samples = spoken(voice, text, &out);
            all[0] += 1;
            let (choice, is_sure) = understood(recogniser, &samples, &SpokenGrammar::YesNo(Vec::new()));
            right[0] += usize::from(choice == Some(number));
            sure += usize::from(choice == Some(number) && is_sure);
        }
        for (number, text) in (0..).zip(MENU) {
            let samples = spoken(voice, text, &out);
            all[1] += 1;
            let (choice, is_sure) = understood(recogniser, &samples, &menu());
            right[1] += usize::from(choice == Some(number));
            sure += usize::from(choice == Some(number) && is_sure);
            others += 1;
            taken += usize::from(understood(recogniser, &samples, &SpokenGrammar::YesNo(Vec::new())).1);
        }
    }
    std::fs::remove_file(&out).expect("removed");
    let [(answers, asked), (words, offered)] = [(right[0], all[0]), (right[1], all[1])];
    eprintln!(
        "yes and no: {answers} of {asked} right; menu: {words} of {offered}; {sure} of them with {SURE} % or more"
    );
    // What people say who were not asked; and what is no speech at all.
    for (file, _) in read("sentences").iter().step_by(4) {
        let samples = recording(file);
        for grammar in [SpokenGrammar::YesNo(Vec::new()), menu()] {
            others += 1;
            taken += usize::from(understood(recogniser, &samples, &grammar).1);
        }
    }
    for loudness in [0, 4, 10] {
        let noise = |n: u32| i16::try_from(n.wrapping_mul(2_654_435_761) >> 20).expect("12 bits") - 2_048;
        let samples: Vec<i16> = (0..16_000).map(|n| noise(n) >> (11 - loudness)).collect();
        for grammar in [SpokenGrammar::YesNo(Vec::new()), menu()] {
            others += 1;
            taken += usize::from(understood(recogniser, &samples, &grammar).1);
        }
    }
    eprintln!("something else: {taken} of {others} taken for an answer");
    let (right, all): (usize, usize) = (right.iter().sum(), all.iter().sum());
    assert!(right * 100 >= all * 97, "{right} of {all}");
    assert!(taken * 100 <= others * 5, "{taken} of {others}");
}
