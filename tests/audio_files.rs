//! The recordings below `audio/` and those of the examples' own: every one can be played as it is, they are
//! evenly loud, and none that a catalogue or a spoken value can ask for is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use countersign::audio::{Clip, decode_file, level};
use countersign::flow::prompt::speak::Speaker;
use countersign::flow::run::values::{Currency, Money};
use countersign::units::SampleRate;
use jiff::ToSpan;
use jiff::civil::{Date, Time};

const LANGUAGES: [&str; 2] = ["en-GB", "es-ES"];
/// The examples with recordings of their own beside the shared ones, which say what the bank says.
const OTHERS: [&str; 3] = ["clinic", "helpdesk", "reception"];

/// A recording: whose it is (`None`: shared), its name below `audio/` without extension, and its samples.
struct Recording {
    of: Option<&'static str>,
    name: String,
    samples: Vec<i16>,
}

impl Recording {
    /// What is said, as against tones, music and pauses.
    fn is_speech(&self) -> bool {
        LANGUAGES.iter().any(|language| self.name.starts_with(language))
    }

    /// A single word: a number, a month, a letter.
    fn is_word(&self) -> bool {
        self.is_speech() && self.name.matches('/').count() > 1
    }

    fn duration(&self) -> Duration {
        Clip::from_pcm(&self.samples).duration()
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn audio_of(of: Option<&str>) -> PathBuf {
    of.map_or_else(root, |application| root().join("flows").join(application)).join("audio")
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "wav") {
            found.push(path);
        }
    }
}

/// All of them, decoded once for all tests.
fn recordings() -> &'static [Recording] {
    static ALL: OnceLock<Vec<Recording>> = OnceLock::new();
    ALL.get_or_init(read_all)
}

/// The names of the shared ones, or of an application's own.
fn names(of: Option<&str>) -> BTreeSet<&'static str> {
    recordings()
        .iter()
        .filter(|recording| recording.of == of)
        .map(|recording| recording.name.as_str())
        .collect()
}

fn read_all() -> Vec<Recording> {
    let mut all = Vec::new();
    for of in [None].into_iter().chain(OTHERS.map(Some)) {
        let mut paths = Vec::new();
        files_below(&audio_of(of), &mut paths);
        paths.sort();
        all.extend(paths.into_iter().map(|path| {
            let bytes = fs::read(&path).expect("a file");
            assert_telephone_wav(&bytes, &path);
            let pcm =
                decode_file(&bytes, "wav").unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(pcm.rate, SampleRate::TELEPHONE, "{}", path.display());
            Recording { of, name: name_of(&path, of), samples: pcm.samples }
        }));
    }
    all
}

/// The format chunk comes first in all our files: tag 7 (µ-law) or 1 (PCM), one channel, 8,000 Hz.
fn assert_telephone_wav(bytes: &[u8], path: &Path) {
    let field = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    assert_eq!(&bytes[8..16], b"WAVEfmt ", "{}", path.display());
    assert!(matches!((field(20), field(34)), (7, 8) | (1, 16)), "{}: not µ-law", path.display());
    assert_eq!((field(22), field(24), field(26)), (1, 8000, 0), "{}", path.display());
}

fn name_of(path: &Path, of: Option<&str>) -> String {
    let below = path.strip_prefix(audio_of(of)).expect("below audio/").with_extension("");
    below.to_string_lossy().replace('\\', "/")
}

#[test]
fn every_recording_is_evenly_loud_and_none_is_clipped() {
    for recording in recordings() {
        let name = &recording.name;
        let peak = level::peak(&recording.samples);
        assert!(peak < 31_000, "{name} peaks at {peak}");
        let window = match name.split('/').next() {
            Some("pause") => level::SILENCE_DBM0 - 0.1..level::SILENCE_DBM0 + 0.1,
            Some("tones") => -14.0..-9.0,
            Some("music") => -26.0..-22.0,
            _ => -21.5..-18.5,
        };
        let loudness = level::active_dbm0(&recording.samples);
        assert!(window.contains(&loudness), "{name} is at {loudness:.1} dBm0, not within {window:?}");
    }
}

#[test]
fn every_recording_is_as_long_as_what_it_says_and_starts_at_once() {
    for recording in recordings().iter().filter(|recording| recording.is_speech()) {
        let (name, length) = (&recording.name, recording.duration());
        let longest = if recording.is_word() { 2.0 } else { 14.0 };
        assert!((0.12..longest).contains(&length.as_secs_f64()), "{name} lasts {length:?}");
        let loud = |sample: &i16| sample.unsigned_abs() > 300;
        let head = recording.samples.iter().position(loud).expect("not silent");
        let tail = recording.samples.iter().rev().position(loud).expect("not silent");
        // 50 ms are meant; a soft first or last sound, such as an "s", reads as silence here.
        assert!(head < 2000 && tail < 2400, "{name}: {head} and {tail} samples of silence");
    }
}

#[test]
fn all_shared_recordings_together_stay_small_enough_for_the_binary() {
    let shared = recordings().iter().filter(|recording| recording.of.is_none());
    let samples: usize = shared.map(|recording| recording.samples.len()).sum();
    assert!(samples < 14_500_000, "{samples} octets");
}

#[test]
fn every_prompt_of_the_bank_is_recorded_in_both_languages() {
    let there = names(None);
    let mut missing = Vec::new();
    for language in LANGUAGES {
        for key in prompts("bank", language).values().flat_map(Prompt::recordings) {
            if !there.contains(format!("{language}/{key}").as_str()) {
                missing.push(format!("{language}/{key}"));
            }
        }
    }
    assert!(missing.is_empty(), "not recorded: {missing:?}");
}

#[test]
fn the_other_examples_record_what_the_bank_does_not_say_and_nothing_twice() {
    let mut wrong = Vec::new();
    for (application, language) in OTHERS.iter().flat_map(|of| LANGUAGES.map(|language| (of, language))) {
        let own = names(Some(application));
        let shared = prompts("bank", language);
        for (key, prompt) in prompts(application, language) {
            let is_shared = shared.get(&key).is_some_and(|said| said.literals == prompt.literals);
            for name in prompt.recordings() {
                if own.contains(format!("{language}/{name}").as_str()) == is_shared {
                    wrong.push(format!("{application}: {language}/{name}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "neither own nor shared, or both: {wrong:?}");
}

#[test]
fn no_recording_of_an_example_is_left_over() {
    for application in OTHERS {
        let mut wanted = BTreeSet::new();
        for language in LANGUAGES {
            let prompts = prompts(application, language);
            wanted.extend(
                prompts.values().flat_map(Prompt::recordings).map(|name| format!("{language}/{name}")),
            );
        }
        let left: Vec<&str> =
            names(Some(application)).into_iter().filter(|name| !wanted.contains(*name)).collect();
        assert!(left.is_empty(), "{application}: {left:?}");
    }
}

#[test]
fn both_catalogues_have_the_same_keys_and_parts() {
    for application in OTHERS.into_iter().chain(["bank"]) {
        let [first, second] = LANGUAGES.map(|language| {
            let prompts = prompts(application, language);
            prompts.values().flat_map(Prompt::recordings).collect::<BTreeSet<_>>()
        });
        assert_eq!(first, second, "{application}");
    }
}

/// What is recorded of a prompt: the text around its placeholders.
struct Prompt {
    key: String,
    literals: Vec<String>,
}

impl Prompt {
    /// `key`, or `key-1`, `key-2` … around placeholders.
    fn recordings(&self) -> Vec<String> {
        if self.literals.len() == 1 {
            return vec![self.key.clone()];
        }
        let spoken = self.literals.iter().filter(|literal| literal.contains(char::is_alphanumeric)).count();
        (1..=spoken).map(|number| format!("{}-{number}", self.key)).collect()
    }
}

/// A catalogue, by key.
fn prompts(application: &str, language: &str) -> BTreeMap<String, Prompt> {
    let path = root().join(format!("flows/{application}/prompts/{language}.yaml"));
    let text = fs::read_to_string(path).expect("the catalogue");
    let all: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
    let prompts = all["prompts"].as_object().expect("prompts");
    let read = |(key, value): (&String, &serde_json::Value)| {
        let text = value.as_str().or_else(|| value["text"].as_str()).expect("a text");
        let literals = literals(text).into_iter().map(str::to_owned).collect();
        (key.clone(), Prompt { key: key.clone(), literals })
    };
    // Texts that are sent and not spoken.
    prompts.iter().filter(|(key, _)| !key.ends_with("_sms")).map(read).collect()
}

/// The text around `${…}`.
fn literals(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        parts.push(before);
        rest = after.split_once('}').expect("a closed placeholder").1;
    }
    parts.push(rest);
    parts
}

#[test]
fn every_word_that_a_value_is_spoken_with_is_recorded() {
    let there = names(None);
    let mut wanted: Vec<String> = [
        "tones/beep",
        "tones/ringback",
        "tones/busy",
        "tones/error",
        "music/hold",
        "pause/short",
        "pause/long",
    ]
    .map(String::from)
    .to_vec();
    for language in LANGUAGES {
        wanted.extend(words(language).into_iter().map(|word| format!("{language}/{word}")));
    }
    let missing: Vec<String> = wanted.into_iter().filter(|name| !there.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "not recorded: {missing:?}");
}

#[test]
fn every_spoken_value_can_be_played() {
    let there = names(None);
    let mut missing = BTreeSet::new();
    for language in LANGUAGES {
        let speaker = Speaker::new(language);
        let mut keys = speaker.spell("0123456789 abcdefghijklmnopqrstuvwxyz *#ñ");
        let steps = (0..1300).chain((1..100).map(|n| n * 7_919)).chain((1..60).map(|n| n * 9_999_991));
        for number in steps.flat_map(|n| [n, -n]) {
            keys.extend(speaker.number(number));
            for currency in [Currency::Gbp, Currency::Eur] {
                keys.extend(speaker.money(Money { minor: number, currency }));
                keys.extend(speaker.money(Money { minor: number.saturating_mul(100), currency }));
            }
        }
        for day in 0..366 {
            let year = i16::try_from(1895 + day / 2).expect("small");
            let first = Date::constant(year, 1, 1);
            keys.extend(speaker.date(first.saturating_add(day.days())));
        }
        for minute in 0..24 * 60 {
            let (hour, minute) = (i8::try_from(minute / 60), i8::try_from(minute % 60));
            keys.extend(speaker.time(Time::constant(hour.expect("small"), minute.expect("small"), 0, 0)));
        }
        missing.extend(
            keys.iter().map(|key| key.as_str().to_owned()).filter(|key| !there.contains(key.as_str())),
        );
    }
    assert!(missing.is_empty(), "not recorded: {missing:?}");
}

fn words(language: &str) -> Vec<String> {
    let mut words: Vec<String> = (0..=100).map(|number| format!("numbers/{number}")).collect();
    words.extend((0..10).map(|digit| format!("digits/{digit}")));
    words.extend((1..=31).map(|day| format!("dates/day-{day}")));
    words.extend((1..=12).map(|month| format!("dates/month-{month}")));
    words.extend((1..=7).map(|day| format!("dates/weekday-{day}")));
    words.extend(('a'..='z').map(|letter| format!("letters/{letter}")));
    let both = "digits/star digits/hash numbers/minus numbers/point numbers/and numbers/thousand numbers/million \
        money/pound money/pounds money/penny money/pence money/euro money/euros money/cent money/cents money/and \
        dates/of dates/am dates/pm";
    let own = match language {
        "en-GB" => "numbers/hundred dates/the dates/oh dates/oclock",
        _ => "numbers/un numbers/una numbers/ciento numbers/millions money/of dates/and letters/n-tilde",
    };
    words.extend(both.split_whitespace().chain(own.split_whitespace()).map(String::from));
    if language == "es-ES" {
        for tens in 2..10 {
            words.extend([format!("numbers/{tens}1-un"), format!("numbers/{tens}1-una")]);
        }
        for hundreds in 2..10 {
            words.extend([format!("numbers/{hundreds}00"), format!("numbers/{hundreds}00-f")]);
        }
    }
    words
}
