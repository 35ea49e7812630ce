//! Bar 5: the audit log edited, cut, mixed, filled up, rolled back.

use std::fs;

use countersign::auth::{Answer, AuditEvent, AuditKind, Question};
use countersign::driver::audit_log::checkpoint::CheckpointError;
use countersign::driver::audit_log::{AUDIT_FILE, AuditError, BadRecord};
use countersign::driver::keys::Keys;
use countersign::driver::os;
use countersign::driver::store::StoreError;
use countersign::driver::vault::{Vault, VaultError, verify_audit, verify_audit_with};
use countersign::units::CallId;

use crate::vault_world::{Folder, NOON};
use crate::{copy, rounds};

fn note(vault: &Vault, name: &str, times: usize) {
    for number in 0..times {
        let facts = vec![("number".to_owned(), number.to_string())];
        let kind = AuditKind::Noted { name: name.to_owned(), facts };
        let event = AuditEvent { call: Some(CallId(3)), subject: None, kind };
        assert_eq!(vault.answer(NOON, Question::Audit(event)), Answer::Audited(true));
    }
}

fn bad(folder: &Folder, keys: &Keys, text: &[u8]) -> BadRecord {
    fs::write(folder.file(AUDIT_FILE), text).expect("written");
    match verify_audit(folder.path(), keys) {
        Err(VaultError::Store(StoreError::Audit(AuditError::Changed { record, .. }))) => record,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the change went unseen"),
    }
}

fn line_of(text: &[u8], at: usize) -> u64 {
    u64::try_from(text[..at].iter().filter(|byte| **byte == b'\n').count()).expect("few") + 1
}

#[test]
fn bar_5_every_change_of_the_audit_log_is_named_by_its_first_bad_record() {
    const RECORDS: usize = 40;
    let folder = Folder::new();
    note(&folder.vault(), "a note", RECORDS);
    let keys = Keys::open(folder.path()).expect("keys");
    let text = fs::read(folder.file(AUDIT_FILE)).expect("text");
    assert_eq!(verify_audit(folder.path(), &keys).expect("the control: untouched"), 40);
    let flips = if cfg!(debug_assertions) { rounds(500, 10_000) } else { 10_000 };
    for _ in 0..flips {
        let mut random = [0; 5];
        os::fill_random(&mut random).expect("random");
        let [a, b, c, d, flip] = random;
        let at = usize::try_from(u32::from_le_bytes([a, b, c, d])).expect("small") % text.len();
        let flip = if flip == 0 { 1 } else { flip };
        let mut bytes = text.clone();
        bytes[at] ^= flip;
        assert_eq!(bad(&folder, &keys, &bytes).line, line_of(&text, at), "byte {at} ^ {flip:#x}");
    }
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let number = |index: usize| u64::try_from(index).expect("few") + 1;
    for index in 0..RECORDS {
        let mut gone = lines.clone();
        gone.remove(index);
        assert_eq!(bad(&folder, &keys, &gone.concat()).line, number(index), "deleted");
        let mut twice = lines.clone();
        twice.insert(index, lines[index]);
        assert_eq!(bad(&folder, &keys, &twice.concat()).line, number(index) + 1, "inserted");
        let cut = lines[..index].concat();
        assert_eq!(bad(&folder, &keys, &cut).line, number(index), "truncated");
        if index > 0 {
            let mut mixed = lines.clone();
            mixed.swap(index - 1, index);
            assert_eq!(bad(&folder, &keys, &mixed.concat()).line, number(index - 1), "reordered");
        }
    }
}

#[test]
fn bar_5_a_data_folder_that_was_rolled_back_whole_does_not_reach_its_checkpoints() {
    let folder = Folder::new();
    let vault = folder.vault();
    note(&vault, "early", 5);
    let before = Folder::new();
    drop(vault);
    copy(folder.path(), before.path(), &|_| true);
    let vault = folder.vault();
    note(&vault, "late", 5);
    let (seq, line) = vault.checkpoint(NOON).expect("signed");
    assert_eq!(seq, 10);
    drop(vault);
    let checkpoints = format!("{line}\n");
    let check = |folder: &Folder, text: &str, key: Option<&[u8; 32]>| {
        let keys = Keys::open(folder.path()).expect("keys");
        match verify_audit_with(folder.path(), &keys, text, key) {
            Ok(fitting) => Ok(fitting),
            Err(VaultError::Checkpoint(error)) => Err(error),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(check(&folder, &checkpoints, None), Ok((10, 1)));
    // Rolled back whole: by itself it looks right.
    let keys = Keys::open(before.path()).expect("keys");
    assert_eq!(verify_audit(before.path(), &keys).expect("the control"), 5);
    let found = check(&before, &checkpoints, None);
    assert!(matches!(found, Err(CheckpointError::RolledBack { has: 5, seq: 10, .. })), "{found:?}");
    // And written anew to the same length.
    note(&before.vault(), "another", 7);
    let found = check(&before, &checkpoints, None);
    assert!(matches!(found, Err(CheckpointError::Differs { seq: 10, .. })), "{found:?}");
    // Another key's, changed, or none.
    let other = Folder::new();
    note(&other.vault(), "a", 1);
    let (_, foreign) = other.vault().checkpoint(NOON).expect("signed");
    for (text, line) in
        [(format!("{foreign}\n"), 1), (format!("{line}\n{}\n", line.replace("\"seq\":10", "\"seq\":9")), 2)]
    {
        assert_eq!(check(&folder, &text, None), Err(CheckpointError::Signature { line }));
    }
    let key = *Keys::open(other.path()).expect("keys").audit().verifying_key().as_bytes();
    assert!(matches!(
        check(&folder, &format!("{foreign}\n"), Some(&key)),
        Err(CheckpointError::Deployment { .. })
    ));
    assert_eq!(check(&folder, "", None), Err(CheckpointError::Empty));
}
