//! Flow tests, tested: a small application in `tests/flowtest/app`, and in `tests/flowtest/cases` files of tests
//! that pass, fail or can't be read, each beside what `countersign test` says of it. Set `UPDATE_GOLDEN=1` to
//! write the texts anew.

mod folder;

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use countersign::diagnostic::render;
use countersign::flow::document::Application;
use countersign::flow::{ClipKey, load};
use countersign::scenario::{Choice, Report, Sounds, junit, read};

use folder::Folder;

/// Nobody has recorded anything: prompts last as long as their words.
struct Unrecorded;

impl Sounds for Unrecorded {
    fn length(&self, _clip: &ClipKey) -> Option<Duration> {
        None
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/flowtest")
}

static APP: LazyLock<Arc<Application>> = LazyLock::new(|| match load(&Folder(root().join("app"))) {
    Ok((application, _)) => Arc::new(application),
    Err(found) => panic!("{}", render(&found)),
});

#[expect(clippy::disallowed_methods, reason = "a test needs some first instant")]
fn start() -> Instant {
    Instant::now()
}

const ALL: Choice<'static> = Choice { filter: None, repeat: 1 };

/// What `countersign test` says of a file, and whether its tests pass.
fn tested(name: &str, choice: Choice<'_>) -> Result<Report, String> {
    let path = root().join("cases").join(name);
    let text = fs::read_to_string(path).expect("a file of tests");
    match read(name, &text, &APP) {
        Ok(file) => Ok(Report::of("desk", &APP, &Unrecorded, &[file], choice, start())),
        Err(found) => Err(render(&found)),
    }
}

fn cases() -> Vec<String> {
    let entries = fs::read_dir(root().join("cases")).expect("the cases").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".flow-test.yaml")).collect();
    names.sort();
    names
}

#[test]
fn every_file_of_tests_is_answered_as_written_beside_it() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    let cases = cases();
    for name in &cases {
        let said = match tested(name, ALL) {
            Ok(report) => {
                assert_eq!(report.passed(), name.starts_with("passes"), "{name}\n{}", report.text(false));
                report.text(false)
            }
            Err(text) => text,
        };
        let golden = root().join("cases").join(name.replace(".yaml", ".txt"));
        if update {
            fs::write(&golden, &said).expect("written");
        }
        if fs::read_to_string(&golden).ok().as_deref() != Some(said.as_str()) {
            wrong.push(format!("{name}\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() >= 14);
}

#[test]
fn the_same_tests_give_the_same_transcripts_every_time() {
    let problems = |report: &Report| report.text(true);
    for name in cases() {
        let (Ok(first), Ok(second)) = (tested(&name, ALL), tested(&name, ALL)) else { continue };
        assert_eq!(problems(&first), problems(&second), "{name}");
    }
}

#[test]
fn a_canary_that_a_broken_service_gives_away_is_found_wherever_it_comes_out() {
    let report = tested("leak.flow-test.yaml", ALL).expect("readable");
    let told = report.text(false);
    for place in ["what the caller hears", "`result.note`, which the agent is told"] {
        assert!(told.contains(place), "{place}:\n{told}");
    }
    assert!(!told.contains("presses 80421537"));
}

#[test]
fn no_transcript_of_a_failed_test_shows_what_was_typed_in_secret() {
    let told = tested("wrong-prompt.flow-test.yaml", ALL).expect("readable").text(false);
    assert!(told.contains("presses ••••••••"), "{told}");
    let transcript = told.split("help:").nth(1).expect("a transcript");
    assert!(!transcript.contains("presses 11111111"), "{told}");
}

#[test]
fn only_tests_that_are_asked_for_are_run_and_their_coverage_is_not_judged() {
    let choice = Choice { filter: Some("in English"), ..ALL };
    let report = tested("passes.flow-test.yaml", choice).expect("readable");
    assert_eq!(report.counts(), (1, 0, 0));
    assert!(!report.whole && report.lacking.is_empty());
}

#[test]
fn a_test_is_run_as_often_as_told_and_counts_every_call() {
    let choice = Choice { filter: Some("five wrong PINs"), repeat: 250 };
    let report = tested("passes.flow-test.yaml", choice).expect("readable");
    assert_eq!(report.counts(), (1, 0, 0));
    assert_eq!(report.tests.iter().map(|test| test.calls).sum::<u64>(), 1_000);
    // Half an hour passes each time, twice over.
    assert!(report.tests.iter().all(|test| test.problems.is_empty()));
}

#[test]
fn junit_is_well_formed_and_tells_what_failed() {
    let mut reports = Vec::new();
    for name in cases() {
        reports.extend(tested(&name, ALL));
    }
    let xml = junit(&reports);
    well_formed(&xml);
    assert!(xml.contains("<testcase classname=\"passes.flow-test.yaml\" name=\"the balance, in English\"/>"));
    assert!(xml.contains("<failure message=\"`your_balance` was not heard\">"));
    assert!(xml.contains("&#") || xml.contains("&quot;") || !xml.contains("\"\"\""));
}

/// Every tag is closed by its own, in order, and no text has a mark of its own.
fn well_formed(xml: &str) {
    let body = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("a declaration");
    let mut open: Vec<&str> = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "a bare mark in {}", &rest[..at]);
        let end = at + rest[at..].find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().expect("a name"));
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(rest.trim().is_empty());
}
