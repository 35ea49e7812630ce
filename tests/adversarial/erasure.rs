//! Bar 8: enrol, back up, erase, restore: nothing comes back.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use countersign::auth::{Answer, FactorId, Policy, Question, Verdict, Whose};
use countersign::driver::backup::{self, Codes};
use countersign::driver::keys::Keys;
use countersign::driver::os;
use countersign::driver::vault::{Vault, verify_audit};
use countersign::units::CallId;

use crate::vault_world::{ACCOUNT, Folder, PHONE, PIN, add_customer, customer, secret, subject, verify};
use crate::{copy, is_key, known};

/// A vault of the backup with these keys.
fn restored(backup: &Path, keys: &Path) -> (Folder, Vault) {
    let folder = Folder::new();
    copy(keys, folder.path(), &is_key);
    backup::restore(backup, folder.path(), Codes::Void).expect("restored");
    let vault = folder.vault();
    (folder, vault)
}

#[test]
fn a_recovery_code_that_was_used_is_not_good_again_with_a_backup() {
    let used = [FactorId::Pin, FactorId::Totp, FactorId::Recovery].map(FactorId::defaults);
    let policy = || Arc::new(Policy { factors: used.to_vec(), ..Policy::default() });
    let folder = Folder::new();
    let vault = folder.vault();
    vault.set_policy(policy());
    add_customer(&vault);
    let codes = vault.enrol_recovery(os::unix_now(), "C1").expect("made");
    let saved = Folder::new();
    let backup = saved.file("backup");
    backup::backup(folder.path(), &backup).expect("made");
    let right = |vault: &Vault, number: usize| {
        let subject = subject(vault, ACCOUNT);
        let (response, factor) = (codes[number].clone(), FactorId::Recovery);
        let question = Question::Verify { subject, factor, response: response.into(), call: CallId(7) };
        matches!(vault.answer(os::unix_now(), question), Answer::Verdict { verdict: Verdict::Accept, .. })
    };
    assert!(right(&vault, 0), "the control");
    let (_void_in, back) = restored(&backup, folder.path());
    back.set_policy(policy());
    assert!(!right(&back, 0) && !right(&back, 1), "nobody knows which were used");
    // Whoever asks for it gets them back.
    let kept = Folder::new();
    copy(folder.path(), kept.path(), &is_key);
    let told = backup::restore(&backup, kept.path(), Codes::Keep).expect("restored");
    assert_eq!(told.void_codes, 0);
    let back = kept.vault();
    back.set_policy(policy());
    assert!(right(&back, 1));
}

#[test]
fn a_token_that_was_revoked_is_not_good_again_with_a_backup() {
    let folder = Folder::new();
    let vault = folder.vault();
    let now = os::unix_now();
    let scopes = ["calls:read".to_owned()];
    let life = std::time::Duration::from_secs(3600);
    let (token, shown) = vault.make_token(now, "crm", &scopes, life).expect("made");
    let saved = Folder::new();
    let backup = saved.file("backup");
    backup::backup(folder.path(), &backup).expect("made");
    assert!(vault.token_holder(now, &shown).is_some(), "the control: it is good");
    vault.revoke_token(now, &token.id).expect("revoked");
    let (_restored_to, back) = restored(&backup, folder.path());
    assert!(back.token_holder(os::unix_now(), &shown).is_none());
}

#[test]
fn bar_8_a_subject_that_was_erased_does_not_come_back_with_a_backup() {
    let folder = Folder::new();
    let vault = folder.vault();
    let now = os::unix_now();
    add_customer(&vault);
    let mut other = customer("C2", "55230204");
    other.pin = Some(secret("91730462"));
    other.profile.phone = "+441632960111".into();
    assert!(vault.add_subjects(now, &[other]).is_ok());
    let caller = known(&vault, ACCOUNT).expect("there");
    let of = [Whose::Subject(caller.key()), Whose::Number(secret(PHONE))];
    let name = || String::from("bank/language");
    for whose in &of {
        let question = Question::Remember { whose: whose.clone(), name: name(), value: "es-ES".into() };
        assert_eq!(vault.answer(now, question), Answer::Remembered);
    }
    vault.store_record(now, "{\"call\":\"a\"}", Some(&secret(PHONE))).expect("kept");
    let saved = Folder::new();
    let backup = saved.file("backup");
    backup::backup(folder.path(), &backup).expect("made");
    let keys_before = Folder::new();
    copy(folder.path(), keys_before.path(), &is_key);
    vault.erase(os::unix_now(), "C1").expect("erased");

    let (restored_to, back) = restored(&backup, folder.path());
    assert!(known(&back, ACCOUNT).is_none());
    assert_eq!(verify(&back, now, &caller, FactorId::Pin, PIN).0, Verdict::Reject);
    let ids: Vec<String> = back.all_shown(now).expect("read").into_iter().map(|shown| shown.id).collect();
    assert_eq!(ids, ["C2"], "the others are there");
    let second = known(&back, "55230204").expect("there");
    assert_eq!(verify(&back, now, &second, FactorId::Pin, "91730462").0, Verdict::Accept);
    for whose in &of {
        let recalled = back.answer(now, Question::Recall { whose: whose.clone(), name: name() });
        assert_eq!(recalled, Answer::Recalled(None));
    }
    assert!(back.calls(9).expect("read").iter().all(|call| call.caller.is_none()));
    drop(back);
    assert!(verify_audit(restored_to.path(), &Keys::open(restored_to.path()).expect("keys")).is_ok());

    // The control: with the keys of before the erasure all of it comes back.
    let (_restored_to, back) = restored(&backup, keys_before.path());
    let again = known(&back, ACCOUNT).expect("it is in the backup");
    assert_eq!(verify(&back, now, &again, FactorId::Pin, PIN).0, Verdict::Accept);
    assert!(back.calls(9).expect("read").iter().any(|call| call.caller.is_some()));
}

#[test]
fn a_backup_that_was_changed_cut_or_has_no_keys_is_refused() {
    let folder = Folder::new();
    add_customer(&folder.vault());
    let saved = Folder::new();
    let backup = saved.file("backup");
    let made = backup::backup(folder.path(), &backup).expect("made");
    assert!(backup::backup(folder.path(), &backup).is_err(), "it is not empty");
    let target = || {
        let target = Folder::new();
        copy(folder.path(), target.path(), &is_key);
        target
    };
    for entry in fs::read_dir(&backup).expect("read") {
        let path = entry.expect("entry").path();
        if !path.is_file() {
            continue;
        }
        let good = fs::read(&path).expect("read");
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&path, bad).expect("written");
        let target = target();
        assert!(backup::restore(&backup, target.path(), Codes::Void).is_err(), "{}", path.display());
        assert!(!target.file("countersign.db").exists());
        fs::remove_file(&path).expect("removed");
        assert!(backup::restore(&backup, target.path(), Codes::Void).is_err(), "without {}", path.display());
        fs::write(&path, good).expect("put back");
    }
    let bare = Folder::new();
    let error = backup::restore(&backup, bare.path(), Codes::Void).expect_err("no keys").to_string();
    assert!(error.contains("help:") && error.contains(".key"), "{error}");
    let target = target();
    let back = backup::restore(&backup, target.path(), Codes::Void).expect("the control");
    assert_eq!((back.files, back.audit_records), (made.files, made.audit_records));
    assert!(backup::restore(&backup, target.path(), Codes::Void).is_err(), "there is data now");
    let keys = Keys::open(target.path()).expect("keys");
    assert_eq!(verify_audit(target.path(), &keys).expect("right"), made.audit_records + 1);
}
