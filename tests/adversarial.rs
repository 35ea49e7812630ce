//! What an attacker, a crash or a broken disk must not achieve, each as a test with a control that proves that
//! the test can fail.
//!
//! A few rounds by default; `COUNTERSIGN_ROUNDS=full` takes as many as the bars ask for. Best with `--release`.

mod again;
mod authenticator;
mod site;
mod vault_world;

#[path = "adversarial/accounts.rs"]
mod accounts;
#[path = "adversarial/calls.rs"]
mod calls;
#[path = "adversarial/chain.rs"]
mod chain;
#[path = "adversarial/closed.rs"]
mod closed;
#[path = "adversarial/deployed.rs"]
mod deployed;
#[path = "adversarial/erasure.rs"]
mod erasure;
#[path = "adversarial/guessing.rs"]
mod guessing;
#[path = "adversarial/heedless.rs"]
mod heedless;
#[path = "adversarial/hunt.rs"]
mod hunt;
#[path = "adversarial/kill.rs"]
mod kill;
#[path = "adversarial/race.rs"]
mod race;
#[path = "adversarial/statistic.rs"]
mod statistic;
#[path = "adversarial/theft.rs"]
mod theft;
#[path = "adversarial/timing.rs"]
mod timing;

use std::fs;
use std::path::Path;

use countersign::auth::{Claim, Identified, Question, SubjectRef};
use countersign::driver::os;
use countersign::driver::vault::Vault;

/// How many rounds: `few`, or `all` when asked for.
fn rounds(few: u32, all: u32) -> u32 {
    if std::env::var("COUNTERSIGN_ROUNDS").is_ok_and(|rounds| rounds == "full") { all } else { few }
}

/// Copies the files of a folder, and of the folders in it, that `wanted` is true for by name.
fn copy(from: &Path, to: &Path, wanted: &dyn Fn(&str) -> bool) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("read") {
        let entry = entry.expect("entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            copy(&entry.path(), &to.join(&name), wanted);
        } else if kind.is_file() && wanted(&name) {
            fs::copy(entry.path(), to.join(&name)).expect("copied");
        }
    }
}

fn is_key(name: &str) -> bool {
    name.ends_with(".key")
}

/// The subject of an account now, real or not.
fn known(vault: &Vault, account: &str) -> Option<SubjectRef> {
    let claim = Claim::Account(vault_world::secret(account));
    match vault.answer(os::unix_now(), Question::Identify { claim }) {
        countersign::auth::Answer::Identified(Identified::One(subject)) => Some(subject),
        _ => None,
    }
}
