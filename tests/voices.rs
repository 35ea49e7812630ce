//! The voices that customers are known by: sealed, tied to a consent, and gone when they are taken away.

mod vault_world;

use std::fs;

use countersign::auth::FactorId;
use countersign::driver::vault::{Consent, Known, VaultError};
use countersign::driver::voices;
use countersign::voice::print::compare::Heard;
use countersign::voice::print::fingerprint::Fingerprint;
use countersign::voice::print::{EMBEDDING, Voice};
use vault_world::{Folder, NOON, customer};

const NOTICE: &str = "voice notice 3, read to the customer on the telephone";

fn known(sign: f32) -> Known {
    let mut numbers = [0.25; EMBEDDING];
    numbers[0] = sign * 3.0;
    let sound: Vec<i16> =
        (0..16_000_i32).map(|n| i16::try_from(n * n % 6_007 - 3_000).expect("small")).collect();
    Known {
        heard: Heard { voice: Voice::new(numbers).expect("a voice"), seconds: 12.5 },
        model: "cam++:00".into(),
        fingerprints: vec![Fingerprint::of(&sound)],
        consent: Consent { notice: NOTICE.into(), at: NOON.0 },
    }
}

#[test]
fn a_voice_is_kept_with_its_consent_and_given_back() {
    let folder = Folder::new();
    let vault = folder.vault();
    vault.add_subjects(NOON, &[customer("C1", "55230188"), customer("C2", "55230189")]).expect("customers");
    assert!(vault.known_voice("C1").expect("readable").is_none());
    vault.enrol_voice(NOON, "C1", &known(1.0)).expect("enrolled");
    let kept = vault.known_voice("C1").expect("readable").expect("a voice");
    assert!((kept.heard.voice.cosine(&known(1.0).heard.voice) - 1.0).abs() < 1e-5);
    assert_eq!((kept.model, kept.consent), ("cam++:00".to_owned(), known(1.0).consent));
    assert!(kept.fingerprints[0].is_copy(&known(1.0).fingerprints[0]));
    assert!(vault.known_voice("C2").expect("readable").is_none(), "the other customer has none");

    // A new one takes the place of the old one.
    vault.enrol_voice(NOON, "C1", &known(-1.0)).expect("enrolled again");
    let kept = vault.known_voice("C1").expect("readable").expect("a voice");
    assert!(kept.heard.voice.cosine(&known(1.0).heard.voice) < 0.99);

    assert!(vault.remove_factor(NOON, "C1", FactorId::Voiceprint).expect("removed"));
    assert!(vault.known_voice("C1").expect("readable").is_none());
    assert!(!vault.remove_factor(NOON, "C1", FactorId::Voiceprint).expect("nothing left"));
}

#[test]
fn without_consent_or_customer_no_voice_is_kept() {
    let folder = Folder::new();
    let vault = folder.vault();
    vault.add_subjects(NOON, &[customer("C1", "55230188")]).expect("a customer");
    for notice in ["", "       ", "yes"] {
        let silent = Known { consent: Consent { notice: notice.into(), at: NOON.0 }, ..known(1.0) };
        let refused = vault.enrol_voice(NOON, "C1", &silent).expect_err("no consent").to_string();
        assert!(refused.contains("only after consent"), "{refused}");
    }
    assert!(vault.known_voice("C1").expect("readable").is_none());
    assert!(matches!(vault.enrol_voice(NOON, "C9", &known(1.0)), Err(VaultError::NoSubject { .. })));
}

#[test]
fn no_voice_is_in_the_files_in_clear() {
    let folder = Folder::new();
    let vault = folder.vault();
    vault.add_subjects(NOON, &[customer("C1", "55230188")]).expect("a customer");
    vault.enrol_voice(NOON, "C1", &known(1.0)).expect("enrolled");
    vault.store_record(NOON, "{\"call\":\"a canary\"}", None).expect("kept");
    let mut octets = Vec::new();
    for entry in fs::read_dir(folder.path()).expect("read") {
        let path = entry.expect("entry").path();
        if path.is_file() && path.extension().is_none_or(|extension| extension != "key") {
            octets.extend(fs::read(&path).expect("read"));
        }
    }
    let holds = |needle: &[u8]| octets.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"a canary"), "the control: what is kept in clear is found");
    for part in [NOTICE.as_bytes(), b"\"numbers\"", b"cam++:00"] {
        assert!(!holds(part), "{} is in the files", String::from_utf8_lossy(part));
    }
}

#[test]
fn files_that_are_no_recordings_models_or_reports_are_told_by_name() {
    let folder = Folder::new();
    let path = folder.file("a.wav");
    let mut long = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x07\0\x01\0".to_vec();
    long.extend([0xff; 40]);
    for octets in [&b""[..], b"RIFF", b"no recording at all", &long] {
        fs::write(&path, octets).expect("a file");
        let error = voices::recording(&path).expect_err("no recording").to_string();
        assert!(error.contains("a.wav: "), "{error}");
        let error = voices::model(&path).err().expect("no model").to_string();
        assert!(error.contains("a.wav: ") && error.contains("countersign models install"), "{error}");
    }
    let error = voices::recording(&folder.file("none.wav")).expect_err("nothing there").to_string();
    assert!(error.contains("none.wav: "), "{error}");
    let error = voices::installed(folder.path()).err().expect("not installed").to_string();
    assert!(error.contains("countersign models install"), "{error}");
}
