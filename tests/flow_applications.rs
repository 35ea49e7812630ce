//! The applications in `flows/`: checked without a finding, complete in both languages, and walked through by
//! their own flow tests.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use countersign::diagnostic::render;
use countersign::driver::testing::{self, Suite};
use countersign::scenario::document::Covered;
use countersign::scenario::{Choice, Report};

const APPLICATIONS: [&str; 4] = ["bank", "clinic", "helpdesk", "reception"];
const LANGUAGES: [&str; 2] = ["en-GB", "es-ES"];

fn folder(application: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("flows").join(application)
}

fn suite(application: &str) -> Suite {
    testing::read(&folder(application)).unwrap_or_else(|error| panic!("flows/{application}:\n{error}"))
}

#[test]
fn these_are_all_the_applications_and_each_says_what_it_is_for() {
    let entries = fs::read_dir(folder("")).expect("flows/");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names.retain(|name| name != "policies");
    assert_eq!(names, APPLICATIONS);
    for application in APPLICATIONS {
        let readme = fs::read_to_string(folder(application).join("README.md")).expect("a README");
        assert!(readme.starts_with("# "), "{application}");
        for command in ["check", "test", "run --text"] {
            assert!(readme.contains(&format!("countersign {command} flows/{application}")), "{application}");
        }
    }
}

#[test]
fn the_check_finds_nothing_in_them_not_even_a_warning() {
    for application in APPLICATIONS {
        let warnings = suite(application).warnings;
        assert!(warnings.is_empty(), "flows/{application}:\n{}", render(&warnings));
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test needs some first instant")]
fn their_flow_tests_pass_and_walk_through_nine_blocks_of_ten_and_four_outcomes_of_five() {
    let everything = Choice { filter: None, repeat: 1 };
    for application in APPLICATIONS {
        let suite = suite(application);
        let name = format!("flows/{application}");
        let report =
            Report::of(&name, &suite.application, &suite.sounds, &suite.files, everything, Instant::now());
        assert!(report.passed(), "{}", report.text(true));
        assert!(report.counts().0 >= 15, "{name} has few tests: {:?}", report.counts());
        for (what, percent) in [(Covered::Blocks, 90), (Covered::Outcomes, 80)] {
            let share = report.coverage.share(what);
            let missing = report.coverage.missing(what);
            assert!(share.percent() >= percent, "{name}: {share:?}\n{}", missing.join("\n"));
        }
        let asked = suite.files.iter().flat_map(|file| &file.need).map(|need| (need.what, need.percent));
        let mut asked: Vec<(bool, u8)> =
            asked.map(|(what, percent)| (what == Covered::Blocks, percent)).collect();
        asked.sort_unstable();
        assert_eq!(asked, [(false, 80), (true, 90)], "{name} asks for its own coverage");
    }
}

#[test]
fn nothing_is_left_in_the_other_language() {
    for application in APPLICATIONS {
        let suite = suite(application);
        let offered: Vec<&str> =
            suite.application.languages.iter().map(|language| language.tag.as_str()).collect();
        assert_eq!(offered, LANGUAGES, "{application}");
        let [english, spanish] = LANGUAGES.map(|language| catalogue(application, language));
        assert_eq!(english.keys().collect::<Vec<_>>(), spanish.keys().collect::<Vec<_>>(), "{application}");
        for (key, text) in &english {
            assert_ne!(spanish.get(key), Some(text), "{application}: {key} is not translated");
        }
    }
}

/// The prompts of a catalogue, by key.
fn catalogue(application: &str, language: &str) -> serde_json::Map<String, serde_json::Value> {
    let path = folder(application).join("prompts").join(format!("{language}.yaml"));
    let text = fs::read_to_string(path).expect("a catalogue");
    let all: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
    all["prompts"].as_object().expect("prompts").clone()
}
