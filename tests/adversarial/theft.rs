//! Bar 4: the database, its log and its backups without the keys, and with them.

use std::fs;
use std::path::Path;

use countersign::auth::factor::totp;
use countersign::auth::{FactorId, Verdict};
use countersign::driver::backup;
use countersign::driver::keys::{DATABASE_FILE, Keys};
use countersign::driver::os;
use countersign::driver::store::Store;
use countersign::driver::store::sqlite::SqliteStore;
use countersign::driver::vault::Vault;

use crate::vault_world::{ACCOUNT, Folder, NAME, PHONE, PIN, add_customer, boundless, secret, verify};
use crate::{copy, is_key, known};

/// What a thief guesses: the right PIN among many.
fn guesses() -> impl Iterator<Item = String> {
    let right: u32 = PIN.parse().expect("digits");
    (right - 20..=right + 4).map(|guess| format!("{guess:08}"))
}

/// Guesses at what was stolen, with the program itself and no limit; what was found.
fn attack(folder: &Path) -> Option<String> {
    let vault = Vault::open_data(folder).ok()?;
    vault.set_policy(boundless());
    let subject = known(&vault, ACCOUNT)?;
    let now = os::unix_now();
    guesses().find(|guess| verify(&vault, now, &subject, FactorId::Pin, guess).0 == Verdict::Accept)
}

/// A thief's own keys, and a database that is told that they are the right ones.
fn forge(folder: &Path, kept: &[&str]) {
    let own = Folder::new();
    let keys = Keys::open(own.path()).expect("made");
    drop(keys);
    Vault::open_data(own.path()).expect("made");
    for name in ["master.key", "pepper.key", "subjects.key", "root.sealed", "token.key", "audit.key"] {
        if !kept.contains(&name) {
            fs::copy(own.file(name), folder.join(name)).expect("copied");
        }
    }
    let store = SqliteStore::open(&folder.join(DATABASE_FILE)).expect("opens");
    let theirs = SqliteStore::open(&own.file(DATABASE_FILE)).expect("opens");
    for (name, of) in
        [("master key", "root.sealed"), ("pepper key", "pepper.key"), ("subjects key", "subjects.key")]
    {
        if !kept.contains(&of) {
            store.set_meta(name, &theirs.meta(name).expect("read").expect("there")).expect("set");
        }
    }
}

#[test]
fn bar_4_what_is_stolen_without_the_keys_is_worth_nothing_and_with_them_it_is_read() {
    let folder = Folder::new();
    let vault = folder.vault();
    let (_, seed) = add_customer(&vault);
    let saved = Folder::new();
    backup::backup(folder.path(), &saved.file("backup")).expect("made");
    // The vault is open: the write-ahead log is stolen too.
    let files = Folder::new();
    copy(folder.path(), &files.file("stolen"), &|name| !is_key(name));
    copy(&saved.file("backup"), &files.file("backup"), &|_| true);

    for what in ["stolen", "backup"] {
        let what = files.file(what);
        let mut bytes = Vec::new();
        for entry in fs::read_dir(&what).expect("read") {
            let path = entry.expect("entry").path();
            assert!(!is_key(&path.display().to_string()), "no key is in a backup: {}", path.display());
            if path.is_file() {
                bytes.extend(fs::read(path).expect("read"));
            }
        }
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        let base32 = totp::base32(&seed);
        let phone = PHONE.trim_start_matches('+');
        for secret in [PIN, ACCOUNT, NAME, phone, base32.expose()]
            .map(str::as_bytes)
            .iter()
            .chain([&seed.expose()[..]].iter())
        {
            assert!(!holds(secret), "{} is there to read", String::from_utf8_lossy(secret));
        }
        assert!(holds(b"subject_stored"), "the control: what is in clear is found");

        // Without keys, with made-up ones, with all but one of them.
        let keys = ["master.key", "pepper.key", "subjects.key", "root.sealed"];
        let attempt = |kept: &[&str], forged: bool| {
            let lair = Folder::new();
            copy(&what, lair.path(), &|_| true);
            for name in kept {
                fs::copy(folder.file(name), lair.file(name)).expect("copied");
            }
            if forged {
                forge(lair.path(), kept);
            }
            attack(lair.path())
        };
        assert_eq!(attempt(&[], false), None);
        assert_eq!(attempt(&[], true), None);
        for missing in keys {
            let kept: Vec<&str> = keys.into_iter().filter(|name| *name != missing).collect();
            if missing == "root.sealed" {
                // It is sealed and goes with backups: what it is worth depends on the master key.
                continue;
            }
            assert_eq!(attempt(&kept, false), None, "without {missing}");
            if missing != "master.key" {
                assert_eq!(attempt(&kept, true), None, "with another {missing}");
            }
        }
        // The control: with all keys the same attack works.
        assert_eq!(attempt(&keys, false).as_deref(), Some(PIN), "with the keys");
    }
    let _ = secret("");
}
