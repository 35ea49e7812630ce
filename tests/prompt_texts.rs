//! What prompts say as text, and that every recording an application can play has words.

use std::collections::BTreeMap;

use countersign::driver::application::{ApplicationSource, open};
use countersign::flow::document::{Application, LanguageId, Piece, StepKind};
use countersign::flow::prompt::render;
use countersign::flow::run::values::{Money, Value};
use countersign::flow::{ClipKey, load};

/// An application that says one prompt after a number was set.
fn saying(english: &str, spanish: &str) -> Application {
    let flow = "callflow: 1\nid: a\nvars:\n  tries: {type: number}\n  sum: {type: money}\n  day: {type: date}\n  at: {type: \
                time}\n  code: {type: text}\n  topic: {type: enum, of: [cards, my_balance]}\nblocks:\n  start:\n    - \
                set: {tries: 1, sum: \"'1204.50 GBP'\", day: \"'2026-05-03'\", at: \"'14:30'\", code: \"'R-0042'\", topic: \
                cards}\n    - say: it\n    - hangup: normal\n";
    let catalogue = |language: &str, text: &str| {
        format!(
            "language: {language}\nprompts:\n  it: \"{text}\"\nvocabulary:\n  \"words/my_balance\": \"saldo\"\n"
        )
    };
    let files = [
        ("a.flow.yaml", flow.to_owned()),
        ("prompts/en-GB.yaml", catalogue("en-GB", english)),
        ("prompts/es-ES.yaml", catalogue("es-ES", spanish)),
    ];
    match load(&BTreeMap::from(files)) {
        Ok((application, _)) => application,
        Err(found) => panic!("{}", countersign::diagnostic::render(&found)),
    }
}

/// The clips and the text of its prompt in a language, for values by the name of their variable.
fn said(application: &Application, language: u8, values: &[(&str, Value)]) -> (String, String) {
    let say = application.blocks.iter().flat_map(|block| &block.steps).find_map(|step| match &step.kind {
        StepKind::Say(say) => say.prompts.first(),
        _ => None,
    });
    let tag = application.language(LanguageId(language)).expect("a language");
    let clips = render(say.expect("a prompt").in_language(LanguageId(language)), tag, |expr| {
        let var = expr.reads().first().and_then(|var| application.var(*var)).expect("a variable");
        values.iter().find(|(name, _)| *name == &*var.name).map_or(Value::Nothing, |(_, value)| value.clone())
    });
    let all = application.clips();
    let missing: Vec<&str> = clips.iter().filter(|c| !all.contains(c)).map(ClipKey::as_str).collect();
    assert!(missing.is_empty(), "spoken, and not among the recordings it says it needs: {missing:?}");
    let names: Vec<&str> =
        clips.iter().filter_map(|clip| clip.as_str().split_once('/').map(|(_, n)| n)).collect();
    (names.join(" "), application.read(&clips))
}

#[test]
fn a_plural_is_a_recording_for_each_form() {
    let english = "That did not match. ${tries, plural, =0 {No try left.} one {One try left.} other {# tries left of ${sum, money}, sorry.}} Bye.";
    let application =
        saying(english, "No. ${tries, plural, one {Queda uno.} other {Quedan #.}} ${sum, money}");
    let with = |n: i64| {
        let sum = Value::Money(Money::parse("2 GBP").expect("money"));
        (said(&application, 0, &[("tries", Value::Number(n)), ("sum", sum)]).0, n)
    };
    assert_eq!(with(0).0, "it-1 it-2-0 it-3");
    assert_eq!(with(1).0, "it-1 it-2-one it-3");
    assert_eq!(with(2).0, "it-1 numbers/2 it-2-other-1 numbers/2 money/pounds it-2-other-2 it-3");
    let (clips, text) = said(&application, 1, &[("tries", Value::Number(3))]);
    assert_eq!((clips.as_str(), text.as_str()), ("it-1 it-2-other numbers/3", "No. Quedan 3"));
    let text = |clip: &str| application.clip_text(&ClipKey::new(clip));
    assert_eq!(text("en-GB/it-2-one"), "One try left.");
    assert_eq!(text("en-GB/it-2-other-2"), "sorry.");
}

#[test]
fn every_format_reads_as_people_speak() {
    let english =
        "${tries}, ${tries, count}, ${sum}, ${day}, ${at}, ${code, spell}, ${code, last: 2}, ${topic}.";
    let application = saying(
        english,
        "${tries}, ${tries, count}, ${sum}, ${day}, ${at}, ${code, spell}, ${code, last: 2}, ${topic}.",
    );
    let values = [
        ("tries", Value::Number(121)),
        ("sum", Value::Money(Money::parse("1204.50 GBP").expect("money"))),
        ("day", Value::text("2026-05-03")),
        ("at", Value::text("14:30")),
        ("code", Value::text("R-0042")),
        ("topic", Value::text("my_balance")),
    ];
    let (_, english) = said(&application, 0, &values);
    assert_eq!(
        english,
        "1 hundred and 21 1 hundred and 21 1 thousand 2 hundred and 4 pounds and 50 pence Sunday the 3rd of May 20 26 2 30 \
         pm R 0 0, 4 2 4 2 saldo"
    );
    let (_, spanish) = said(&application, 1, &values);
    assert_eq!(
        spanish,
        "ciento 21 ciento 21 mil doscientas 4 libras con 50 peniques domingo 3 de mayo de 2 mil 26 2 y 30 de la tarde R 0 0, \
         4 2 4 2 saldo"
    );
}

#[test]
fn every_recording_of_the_bank_has_words_or_is_a_sound() {
    let files = open(&ApplicationSource::Embedded("bank")).expect("the bank");
    let (application, _) = load(files.as_ref()).expect("the bank is right");
    for clip in application.clips() {
        let speech = clip.as_str().starts_with("en-GB/") || clip.as_str().starts_with("es-ES/");
        assert_eq!(application.spoken_text(&clip).is_some(), speech, "{}", clip.as_str());
        let text = application.clip_text(&clip);
        assert_eq!(text.is_empty(), clip.as_str().starts_with("pause/"), "{}: {text}", clip.as_str());
    }
    let texts: Vec<String> = ["en-GB/greeting", "en-GB/transfer_confirm-2", "tones/ringback", "music/hold"]
        .map(|clip| application.clip_text(&ClipKey::new(clip)))
        .into();
    assert_eq!(
        texts,
        [
            "Welcome to Example Bank.",
            "If that is right press 1, to stop press 2.",
            "[ringback]",
            "[music: hold]"
        ]
    );
    let confirm =
        ["en-GB/transfer_confirm-1", "en-GB/numbers/20", "en-GB/money/pounds", "en-GB/transfer_confirm-2"];
    assert_eq!(
        application.read(&confirm.map(ClipKey::new)),
        "You want to transfer 20 pounds. If that is right press 1, to stop press 2."
    );
}

#[test]
fn what_is_said_to_whom_somebody_hears_is_recorded_under_a_name_of_its_own() {
    let flow = "callflow: 1\nid: a\nvars:\n  sum: {type: money}\nblocks:\n  start:\n    - set: {sum: \"'2 GBP'\"}\n    - \
                say: it\n    - say: more\n    - hangup: normal\n";
    let catalogue = "language: en-GB\nprompts:\n  it: {file: other, text: \"Type it.\", heard: \"Say or type it.\"}\n  \
                     more: {text: \"Press 1.\", heard: \"For ${sum} say yes.\"}\n";
    let files = [("a.flow.yaml", flow.to_owned()), ("prompts/en-GB.yaml", catalogue.to_owned())];
    let (application, _) = load(&BTreeMap::from(files)).expect("it loads");
    let text = |clip: &str| application.clip_text(&ClipKey::new(clip));
    assert_eq!(text("en-GB/other"), "Type it.");
    assert_eq!(text("en-GB/it-heard"), "Say or type it.");
    assert_eq!((text("en-GB/more-heard-1"), text("en-GB/more-heard-2")), ("For".into(), "say yes.".into()));
    let all = application.clips();
    for clip in ["en-GB/other", "en-GB/it-heard", "en-GB/more", "en-GB/more-heard-2", "en-GB/money/pounds"] {
        assert!(all.contains(&ClipKey::new(clip)), "{clip} is needed");
    }
}

#[test]
fn every_piece_tells_the_values_it_reads() {
    let application = saying("${tries, plural, one {${sum}} other {#}}", "${tries} ${sum}");
    let pieces = application.blocks.iter().flat_map(|block| &block.steps).find_map(|step| match &step.kind {
        StepKind::Say(say) => say.prompts.first().map(|prompt| prompt.in_language(LanguageId(0))),
        _ => None,
    });
    let reads = pieces.expect("a prompt").iter().flat_map(Piece::exprs).count();
    assert_eq!(reads, 3);
}

#[test]
fn words_that_nothing_listens_for_are_told() {
    let flow = "callflow: 1\nid: a\nblocks:\n  start:\n    - say: it\n    - hangup: normal\n";
    let catalogue = "language: en-GB\nprompts:\n  it: \"Hello.\"\nwords:\n  cards: [card, my card]\n";
    let files = [("a.flow.yaml", flow.to_owned()), ("prompts/en-GB.yaml", catalogue.to_owned())];
    let (application, warnings) = load(&BTreeMap::from(files)).expect("it loads");
    let told = countersign::diagnostic::render(&warnings);
    assert!(told.contains("warning[W172]: no question listens for the words `cards`"), "{told}");
    let phrases = application.words.get("cards").map(|words| words.in_language(LanguageId(0)).to_vec());
    assert_eq!(phrases.map(|phrases| phrases.join(", ")).as_deref(), Some("card, my card"));
}
