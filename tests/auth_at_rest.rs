//! What lies in the data folder, seen by a thief, by an admin who lost a file, and after an erasure.

mod vault_world;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use countersign::auth::factor::totp;
use countersign::auth::{Answer, FactorId, Identified, Question, Verdict, Whose};
use countersign::driver::demo;
use countersign::driver::keys::{DATABASE_FILE, Keys, KeysError};
use countersign::driver::store::sqlite::SqliteStore;
use countersign::driver::store::{Store, StoreError};
use countersign::driver::vault::{Vault, VaultError};
use vault_world::{
    ACCOUNT, Folder, NAME, NOON, PHONE, PIN, add_customer, claim, customer, secret, subject, verify,
};

/// Every byte that a thief of the database, its log and the audit log has.
fn stolen(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder).expect("read") {
        let path = entry.expect("entry").path();
        let kept_apart = path.extension().is_some_and(|extension| extension == "key");
        if !kept_apart {
            bytes.extend(fs::read(&path).expect("read"));
        }
    }
    bytes
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn no_pin_code_number_name_or_seed_is_in_the_files() {
    let folder = Folder::new();
    let vault = folder.vault();
    let (totp, seed) = add_customer(&vault);
    let caller = subject(&vault, ACCOUNT);
    let code = totp.code(&seed, totp.step_at(NOON));
    assert_eq!(verify(&vault, NOON, &caller, FactorId::Pin, PIN).0, Verdict::Accept);
    assert_eq!(verify(&vault, NOON, &caller, FactorId::Totp, code.expose()).0, Verdict::Accept);
    assert_eq!(verify(&vault, NOON, &caller, FactorId::Pin, "74391508").0, Verdict::Reject);
    let _ = subject(&vault, "66778899");
    let password = vault.generate_agent_password(NOON, "alice").expect("set");
    vault.store_record(NOON, "{\"call\":\"a canary\"}", Some(&secret("+34600111222"))).expect("kept");
    // The vault is open: the write-ahead log is there too.
    let bytes = stolen(folder.path());
    assert!(holds(&bytes, b"a canary"), "the control: what is kept in clear is found");
    let base32 = totp::base32(&seed);
    let phone = PHONE.trim_start_matches('+');
    for secret in [
        PIN.as_bytes(),
        code.expose().as_bytes(),
        b"74391508",
        ACCOUNT.as_bytes(),
        b"66778899",
        phone.as_bytes(),
        NAME.as_bytes(),
        b"Quartermaine",
        b"34600111222",
        seed.expose(),
        base32.expose().as_bytes(),
        password.expose().as_bytes(),
    ] {
        assert!(!holds(&bytes, secret), "{} is in the files", String::from_utf8_lossy(secret));
    }
    let calls = vault.calls(1).expect("read");
    assert!(calls[0].caller.as_ref().is_some_and(|number| number.matches(b"+34600111222")));
}

#[test]
fn an_erased_subject_leaves_nothing_in_the_files() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    let key = subject(&vault, ACCOUNT).key();
    let store = SqliteStore::open(&folder.file(DATABASE_FILE)).expect("opens");
    let row = store.subject(key).expect("read").expect("there");
    let pin = store.enrolment(key, FactorId::Pin).expect("read").expect("there");
    drop(store);
    let traces = [row.wrapped_key.as_slice(), row.profile.as_slice(), &row.identifiers[0].1, &pin.data];
    let before = stolen(folder.path());
    assert!(traces.iter().all(|trace| holds(&before, trace)), "the control: they are there before");
    vault.erase(NOON, "C1").expect("erased");
    let after = stolen(folder.path());
    assert!(!traces.iter().any(|trace| holds(&after, trace)));
    assert!(matches!(claim(&vault, ACCOUNT), Identified::None(_)));
    assert!(matches!(vault.erase(NOON, "C1"), Err(VaultError::NoSubject { .. })));
    // The same person may come back, under another pseudonym.
    add_customer(&vault);
    assert_ne!(subject(&vault, ACCOUNT).key(), key);
}

#[test]
fn the_files_are_their_owners_alone() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    demo::create_customers(&vault, folder.path(), NOON).expect("made");
    for entry in fs::read_dir(folder.path()).expect("read") {
        let path = entry.expect("entry").path();
        let mode = fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
}

#[test]
fn a_missing_wrong_or_open_key_file_is_named_with_what_to_do() {
    let folder = Folder::new();
    add_customer(&folder.vault());
    let (master, pepper) = (folder.file("master.key"), folder.file("pepper.key"));
    let refused = || match Vault::open_data(folder.path()) {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    };
    for path in [&master, &pepper] {
        let good = fs::read(path).expect("read");
        fs::remove_file(path).expect("removed");
        let error = refused();
        assert!(matches!(error, VaultError::Keys(KeysError::Missing { .. })));
        let text = error.to_string();
        assert!(text.contains(&path.display().to_string()) && text.contains("help:"), "{text}");
        assert!(!path.exists(), "no new key is made over an old database");

        let other = Folder::new();
        Keys::open(other.path()).expect("made");
        fs::copy(other.file(&path.file_name().expect("a file").to_string_lossy()), path).expect("copied");
        let wrong = refused();
        assert!(
            matches!(wrong, VaultError::WrongKey { .. } | VaultError::Keys(KeysError::Wrong { .. })),
            "{wrong}"
        );

        fs::write(path, "not a key").expect("written");
        assert!(matches!(refused(), VaultError::Keys(KeysError::Malformed { .. })));

        fs::write(path, good).expect("put back");
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("chmod");
        assert!(matches!(refused(), VaultError::Keys(KeysError::TooOpen { .. })));
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("chmod");
        assert!(Vault::open_data(folder.path()).is_ok());
    }
}

#[test]
fn a_damaged_database_is_an_error_and_never_an_empty_one() {
    let folder = Folder::new();
    add_customer(&folder.vault());
    let path = folder.file(DATABASE_FILE);
    let good = fs::read(&path).expect("read");
    let mut damaged = good.clone();
    damaged.iter_mut().skip(100).step_by(7).for_each(|byte| *byte ^= 0x5a);
    for bytes in [b"this is not a database, but long enough to be looked at".to_vec(), damaged] {
        fs::write(&path, &bytes).expect("written");
        let error = Vault::open_data(folder.path()).err().expect("refused");
        assert!(matches!(error, VaultError::Store(StoreError::Unreadable { .. })), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()));
        assert_eq!(fs::read(&path).expect("read"), bytes, "it is left as it is");
    }
    fs::write(&path, good).expect("put back");
    assert!(matches!(claim(&folder.vault(), ACCOUNT), Identified::One(_)));
}

#[test]
fn an_import_takes_all_or_names_every_line() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    let mut weak = customer("C4", "55230220");
    weak.pin = Some(secret("12345678"));
    let mut no_phone = customer("C5", "55230238");
    no_phone.profile.phone = "0163".into();
    let twice = customer("C3", "55230212");
    let new = [customer("C2", "55230204"), customer("C3", ACCOUNT), weak, no_phone, twice];
    let errors = vault.add_subjects(NOON, &new).expect_err("four are wrong");
    assert_eq!(errors.iter().map(|error| error.index).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(vault.all_shown(NOON).expect("read").len(), 1, "none was added");
    let good = [customer("C2", "55230204"), customer("C3", "55230212")];
    assert!(vault.add_subjects(NOON, &good).is_ok());
    let shown = vault.shown(NOON, "C2").expect("read").expect("there");
    assert_eq!((shown.account.as_str(), shown.name.as_str()), ("·····204", "P"));
}

#[test]
fn the_demo_customers_can_be_used_with_what_their_file_says() {
    let folder = Folder::new();
    let vault = folder.vault();
    let made = demo::create_customers(&vault, folder.path(), NOON).expect("made");
    let text = fs::read_to_string(&made.path).expect("read");
    for customer in &made.customers {
        for line in [
            format!("customer {}", customer.id),
            format!("account {}", customer.account),
            format!("pin {}", customer.pin.expose()),
            format!("totp-secret {}", customer.totp_secret.expose()),
        ] {
            assert!(text.lines().any(|written| written == line));
        }
        let caller = subject(&vault, customer.account);
        assert_eq!(caller.id(), customer.id);
        assert_eq!(verify(&vault, NOON, &caller, FactorId::Pin, customer.pin.expose()).0, Verdict::Accept);
    }
    assert!(demo::create_customers(&vault, folder.path(), NOON).is_err(), "they exist already");
}

#[test]
fn an_agents_credentials_are_the_digests_that_telephones_compute() {
    let folder = Folder::new();
    let vault = folder.vault();
    vault.set_agent_password(NOON, "alice", &secret("open sesame")).expect("set");
    let stored = vault.agent_ha1("alice").expect("there");
    // md5sum and sha256sum of `alice:countersign:open sesame`.
    assert_eq!(stored.md5.expose(), "28628e0eb8e099592c019b9e7e45b8fd");
    assert_eq!(stored.sha256.expose(), "088430c4ed2cbc893a479ba3870c4248ce352d13c3b511b0d861e8eb74efb41a");
    assert!(vault.agent_ha1("bob").is_none());
    assert!(vault.set_agent_password(NOON, "no:colon", &secret("x")).is_err());
}

#[test]
fn what_is_remembered_is_sealed_and_goes_with_whom_it_is_of() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    let key = subject(&vault, ACCOUNT).key();
    let of = [Whose::Subject(key), Whose::Number(secret(PHONE)), Whose::Number(secret("+34600333444"))];
    let recall = |whose: &Whose, at| {
        let name = String::from("bank/language-canary");
        vault.answer(at, Question::Recall { whose: whose.clone(), name })
    };
    for whose in &of {
        let (name, value) = (String::from("bank/language-canary"), String::from("value-canary"));
        let kept = vault.answer(NOON, Question::Remember { whose: whose.clone(), name, value });
        assert_eq!(kept, Answer::Remembered);
        assert_eq!(recall(whose, NOON), Answer::Recalled(Some(String::from("value-canary"))));
    }
    assert_eq!(recall(&Whose::Number(secret("0034600333444")), NOON), recall(&of[2], NOON), "one spelling");
    let years = NOON.plus(std::time::Duration::from_secs(3 * 365 * 24 * 3600));
    assert_eq!(recall(&of[0], years), Answer::Recalled(None), "not for ever");
    let bytes = stolen(folder.path());
    for canary in ["language-canary", "value-canary", "34600333444"] {
        assert!(!holds(&bytes, canary.as_bytes()), "{canary} is in the files");
    }
    let long = "x".repeat(1000);
    let refused =
        vault.answer(NOON, Question::Remember { whose: of[0].clone(), name: long.clone(), value: long });
    assert_eq!(refused, Answer::Unavailable);
    vault.erase(NOON, "C1").expect("erased");
    assert_eq!(recall(&of[0], NOON), Answer::Recalled(None));
    assert_eq!(recall(&of[1], NOON), Answer::Recalled(None), "of the erased subject's number too");
    assert_eq!(recall(&of[2], NOON), Answer::Recalled(Some(String::from("value-canary"))), "another's stays");
}
