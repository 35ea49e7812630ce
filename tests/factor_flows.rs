//! Every factor that is keyed, in whole calls: the application in `tests/data/factors` and its flow tests.

mod folder;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::diagnostic::render;
use countersign::flow::{ClipKey, Files, load};
use countersign::scenario::{Choice, Report, Sounds, read};

use folder::Folder;

/// Nobody has recorded anything: prompts last as long as their words.
struct Unrecorded;

impl Sounds for Unrecorded {
    fn length(&self, _clip: &ClipKey) -> Option<Duration> {
        None
    }
}

#[expect(clippy::disallowed_methods, reason = "a test needs some first instant")]
fn start() -> Instant {
    Instant::now()
}

#[test]
fn every_keyed_factor_is_proved_enrolled_and_used_up_in_whole_calls() {
    let folder = Folder(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/factors"));
    let app = match load(&folder) {
        Ok((application, _)) => Arc::new(application),
        Err(found) => panic!("{}", render(&found)),
    };
    let name = "tests/factors.flow-test.yaml";
    let file = match read(name, &folder.read(name).expect("a file of tests"), &app) {
        Ok(file) => file,
        Err(found) => panic!("{}", render(&found)),
    };
    let all = Choice { filter: None, repeat: 1 };
    let report = Report::of("factors", &app, &Unrecorded, &[file], all, start());
    assert!(report.passed(), "{}", report.text(false));
    assert!(report.counts().0 >= 9);
}
