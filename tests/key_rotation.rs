//! Keys come and go while people are verified; nobody is lost by it, and what is destroyed stays destroyed.

mod vault_world;

use std::fs;
use std::time::Duration;

use countersign::auth::{Answer, FactorId, Identified, Question, SubjectRef, Verdict, Whose};
use countersign::driver::keys::{DATABASE_FILE, Keys, KeysError};
use countersign::driver::store::Store;
use countersign::driver::store::sqlite::SqliteStore;
use countersign::driver::vault::{Vault, VaultError, verify_audit};
use vault_world::{
    ACCOUNT, Folder, NOON, PIN, add_customer, claim, customer, later, secret, subject, verify,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn right(vault: &Vault, caller: &SubjectRef) -> Verdict {
    verify(vault, NOON, caller, FactorId::Pin, PIN).0
}

fn pepper_of(folder: &Folder, caller: &SubjectRef) -> String {
    let store = SqliteStore::open(&folder.file(DATABASE_FILE)).expect("opens");
    store.enrolment(caller.key(), FactorId::Pin).expect("read").expect("there").key_id
}

#[test]
fn a_new_master_key_reads_everything_and_the_old_one_nothing() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    let caller = subject(&vault, ACCOUNT);
    vault.store_record(NOON, "{\"call\":\"a\"}", Some(&secret("+34600111222"))).expect("kept");
    let old_file = fs::read(folder.file("master.key")).expect("read");
    let rotated = vault.rotate_master(NOON).expect("rotated");
    assert_ne!(rotated.before, rotated.id);
    // While it serves, and after a start.
    assert_eq!(right(&vault, &caller), Verdict::Accept);
    drop(vault);
    let vault = folder.vault();
    assert_eq!(right(&vault, &caller), Verdict::Accept);
    assert!(vault.calls(1).expect("read")[0].caller.as_ref().is_some_and(|n| n.matches(b"+34600111222")));
    vault.retire_key(NOON, &rotated.before).expect("nothing needs it");
    assert!(matches!(vault.retire_key(NOON, &rotated.id), Err(VaultError::Keys(KeysError::InUse { .. }))));
    assert!(matches!(vault.retire_key(NOON, "nonsense"), Err(VaultError::Keys(KeysError::Unknown(_)))));
    drop(vault);
    let vault = folder.vault();
    assert_eq!(right(&vault, &caller), Verdict::Accept);
    drop(vault);
    let keys = Keys::open(folder.path()).expect("keys");
    assert!(verify_audit(folder.path(), &keys).expect("right") >= 4);
    let new_file = fs::read(folder.file("master.key")).expect("read");
    fs::write(folder.file("master.key"), old_file).expect("written");
    assert!(matches!(Vault::open_data(folder.path()), Err(VaultError::Keys(KeysError::Wrong { .. }))));
    fs::write(folder.file("master.key"), new_file).expect("written");
    assert!(Vault::open_data(folder.path()).is_ok());
}

#[test]
fn a_rotation_that_breaks_off_leaves_everything_readable() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    let caller = subject(&vault, ACCOUNT);
    let [master, root, pepper, database] =
        ["master.key", "root.sealed", "pepper.key", DATABASE_FILE].map(|name| folder.file(name));
    let root_before = fs::read(&root).expect("read");
    vault.rotate_master(NOON).expect("rotated");
    drop(vault);
    // The new master key is in its file, the root key is still sealed under the old one.
    fs::write(&root, &root_before).expect("written");
    assert_eq!(right(&folder.vault(), &caller), Verdict::Accept);
    let again = folder.vault().rotate_master(NOON).expect("rotated again");
    assert_eq!(right(&folder.vault(), &caller), Verdict::Accept);
    let listed = folder.vault().keys().expect("listed");
    let current: Vec<_> = listed.iter().filter(|key| key.key.current && key.key.kind == "master").collect();
    assert_eq!((current.len(), current[0].key.id.as_str()), (1, again.id.as_str()));
    // A part file of a write that was cut off is in nobody's way.
    fs::write(folder.file("master.key.part"), b"half a ke").expect("written");
    folder.vault().rotate_master(NOON).expect("rotated");
    assert!(fs::metadata(&master).is_ok() && !folder.file("master.key.part").exists());

    // The new pepper is in its file, the database does not know of it.
    let vault = folder.vault();
    drop(vault);
    let behind = fs::read(&database).expect("read");
    let log = fs::read(folder.file("audit.jsonl")).expect("read");
    folder.vault().rotate_pepper(NOON, DAY).expect("rotated");
    for side in ["-wal", "-shm"] {
        let _ = fs::remove_file(folder.file(&format!("{DATABASE_FILE}{side}")));
    }
    fs::write(&database, behind).expect("put back");
    fs::write(folder.file("audit.jsonl"), log).expect("put back");
    assert!(fs::read_to_string(&pepper).expect("text").matches("id:").count() == 2);
    let vault = folder.vault();
    assert_eq!(right(&vault, &caller), Verdict::Accept);
    vault.rotate_pepper(NOON, DAY).expect("and on");
    assert_eq!(right(&vault, &caller), Verdict::Accept);
}

#[test]
fn a_pepper_hands_over_at_the_next_right_use_and_is_kept_until_then() {
    let folder = Folder::new();
    let vault = folder.vault();
    let (app, seed) = add_customer(&vault);
    let mut other = customer("C2", "55230204");
    other.pin = Some(secret("91730462"));
    assert!(vault.add_subjects(NOON, &[other]).is_ok());
    let (first, second) = (subject(&vault, ACCOUNT), subject(&vault, "55230204"));
    let rotated = vault.rotate_pepper(NOON, 30 * DAY).expect("rotated");
    let refused = |vault: &Vault, at| match vault.retire_key(at, &rotated.before) {
        Err(VaultError::Keys(KeysError::InUse { why, .. })) => why,
        other => panic!("{other:?}"),
    };
    assert!(refused(&vault, NOON).starts_with("2 enrolments"));
    assert_eq!(verify(&vault, NOON, &first, FactorId::Pin, "00000001").0, Verdict::Reject);
    assert_eq!(pepper_of(&folder, &first), rotated.before, "a wrong PIN renews nothing");
    assert_eq!(right(&vault, &first), Verdict::Accept);
    assert_eq!(pepper_of(&folder, &first), rotated.id);
    assert!(refused(&vault, NOON).starts_with("1 enrolments"));
    assert_eq!(right(&vault, &first), Verdict::Accept, "with the new pepper");
    drop(vault);

    // The other does not call in time: the PIN is void, a code is not.
    let vault = folder.vault();
    let after = later(31 * DAY);
    assert_eq!(verify(&vault, after, &second, FactorId::Pin, "91730462").0, Verdict::Reject);
    let offered = vault.answer(after, Question::Enrolled { subject: second.clone() });
    assert_eq!(offered, Answer::Enrolled(Ok(vec![])));
    let offered = vault.answer(after, Question::Enrolled { subject: first.clone() });
    assert_eq!(offered, Answer::Enrolled(Ok(vec![FactorId::Pin, FactorId::Totp])));
    let code = app.code(&seed, app.step_at(after));
    assert_eq!(verify(&vault, after, &first, FactorId::Totp, code.expose()).0, Verdict::Accept);
    assert_eq!(vault.retire_key(after, &rotated.before).expect("retired"), 1);
    let text = fs::read_to_string(folder.file("pepper.key")).expect("text");
    assert!(!text.contains(&rotated.before) && text.contains(&rotated.id));
    assert_eq!(verify(&vault, after, &first, FactorId::Pin, PIN).0, Verdict::Accept);
    // Who is not there is still somebody.
    let ghost = subject(&vault, "66778899");
    assert_eq!(verify(&vault, after, &ghost, FactorId::Pin, PIN).0, Verdict::Reject);
}

#[test]
fn keys_rotate_under_callers_without_one_of_them_noticing() {
    let folder = Folder::new();
    let vault = folder.vault();
    vault.set_policy(vault_world::boundless());
    add_customer(&vault);
    let caller = subject(&vault, ACCOUNT);
    countersign::driver::os::together(3, |number| {
        for _ in 0..4 {
            match number {
                0 => drop(vault.rotate_pepper(NOON, DAY).expect("rotated")),
                1 => drop(vault.rotate_master(NOON).expect("rotated")),
                _ => assert_eq!(right(&vault, &caller), Verdict::Accept),
            }
        }
    });
    assert_eq!(right(&vault, &caller), Verdict::Accept);
    drop(vault);
    assert_eq!(right(&folder.vault(), &caller), Verdict::Accept);
}

/// Everything but the keys, as a backup by other means would have it.
fn copied(folder: &Folder) -> Vec<(String, Vec<u8>)> {
    let entry = |entry: fs::DirEntry| (entry.file_name().to_string_lossy().into_owned(), entry.path());
    let files = fs::read_dir(folder.path()).expect("read").map(|found| entry(found.expect("entry")));
    files
        .filter(|(name, _)| !name.ends_with(".key"))
        .map(|(name, path)| (name, fs::read(path).expect("read")))
        .collect()
}

#[test]
fn an_erased_subject_does_not_come_back_with_the_files_of_before() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    let caller = subject(&vault, ACCOUNT);
    let (whose, name) = (Whose::Number(secret(vault_world::PHONE)), String::from("a/language"));
    let recall =
        |vault: &Vault| vault.answer(NOON, Question::Recall { whose: whose.clone(), name: name.clone() });
    let remember = Question::Remember { whose: whose.clone(), name: name.clone(), value: "es-ES".into() };
    assert_eq!(vault.answer(NOON, remember), Answer::Remembered);
    vault.store_record(NOON, "{\"call\":\"a\"}", Some(&secret(vault_world::PHONE))).expect("kept");
    drop(vault);
    let backup = copied(&folder);
    let shares = fs::read(folder.file("subjects.key")).expect("read");
    folder.vault().erase(NOON, "C1").expect("erased");
    let restore = || {
        for side in ["-wal", "-shm"] {
            let _ = fs::remove_file(folder.file(&format!("{DATABASE_FILE}{side}")));
        }
        backup.iter().for_each(|(name, bytes)| fs::write(folder.file(name), bytes).expect("put back"));
    };
    restore();
    // The keys of before the erasure, with the control: so it does come back, and can be read.
    let after = fs::read(folder.file("subjects.key")).expect("read");
    fs::write(folder.file("subjects.key"), &shares).expect("written");
    assert!(matches!(claim(&folder.vault(), ACCOUNT), Identified::One(_)));
    assert_eq!(right(&folder.vault(), &caller), Verdict::Accept);
    fs::write(folder.file("subjects.key"), after).expect("written");
    restore();
    let vault = folder.vault();
    assert!(matches!(claim(&vault, ACCOUNT), Identified::None(_)));
    assert_eq!(right(&vault, &caller), Verdict::Reject);
    assert_eq!(recall(&vault), Answer::Recalled(None));
    assert!(vault.calls(1).expect("read")[0].caller.is_none());
    let keys = Keys::open(folder.path()).expect("keys");
    assert!(verify_audit(folder.path(), &keys).is_ok());
}

#[test]
fn an_erasure_that_broke_off_is_finished_by_the_next_start() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    drop(vault);
    let rows = copied(&folder);
    folder.vault().erase(NOON, "C1").expect("erased");
    // As if the power had gone after the key was destroyed.
    rows.iter().for_each(|(name, bytes)| fs::write(folder.file(name), bytes).expect("put back"));
    let vault = folder.vault();
    assert!(vault.all_shown(NOON).expect("read").is_empty());
    add_customer(&vault);
    assert!(matches!(claim(&vault, ACCOUNT), Identified::One(_)));
}
