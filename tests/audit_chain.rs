//! The audit log says of every change to it where it begins.

mod vault_world;

use std::fs;

use countersign::auth::{Answer, AuditEvent, AuditKind, Question};
use countersign::driver::audit_log::{AUDIT_FILE, AuditError, BadBecause, BadRecord};
use countersign::driver::keys::{DATABASE_FILE, Keys};
use countersign::driver::retention::Class;
use countersign::driver::store::StoreError;
use countersign::driver::vault::{Vault, VaultError, verify_audit};
use countersign::units::{CallId, UnixTime};
use vault_world::{Folder, NOON};

/// A folder whose log has `records` notes.
fn log_of(records: usize) -> (Folder, Keys) {
    let folder = Folder::new();
    note(&folder.vault(), records);
    let keys = Keys::open(folder.path()).expect("keys");
    (folder, keys)
}

fn note(vault: &Vault, times: usize) {
    note_at(vault, NOON, times);
}

fn note_at(vault: &Vault, at: UnixTime, times: usize) {
    for number in 0..times {
        let facts = vec![("number".to_owned(), number.to_string())];
        let kind = AuditKind::Noted { name: "a note".into(), facts };
        let event = AuditEvent { call: Some(CallId(3)), subject: None, kind };
        assert_eq!(vault.answer(at, Question::Audit(event)), Answer::Audited(true));
    }
}

fn changed(result: Result<impl Sized, VaultError>) -> BadRecord {
    match result {
        Err(VaultError::Store(StoreError::Audit(AuditError::Changed { record, .. }))) => record,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the change went unseen"),
    }
}

/// Writes `text` as the log and says what the check finds.
fn found(folder: &Folder, keys: &Keys, text: &[u8]) -> BadRecord {
    fs::write(folder.file(AUDIT_FILE), text).expect("written");
    changed(verify_audit(folder.path(), keys))
}

#[test]
fn an_untouched_log_is_right_and_says_how_long_it_is() {
    let (folder, keys) = log_of(20);
    assert_eq!(verify_audit(folder.path(), &keys).expect("right"), 20);
    note(&folder.vault(), 3);
    assert_eq!(verify_audit(folder.path(), &keys).expect("right"), 23);
    let text = fs::read_to_string(folder.file(AUDIT_FILE)).expect("text");
    let first: serde_json::Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    assert_eq!(
        (&first["seq"], &first["event"], &first["at"]),
        (&1.into(), &"noted".into(), &"2026-01-01T12:00:00.000Z".into())
    );
}

#[test]
fn records_past_their_time_go_and_the_chain_goes_on_from_there() {
    let (folder, keys) = log_of(5);
    let (vault, later) = (folder.vault(), UnixTime(NOON.0 + 1));
    note_at(&vault, later, 3);
    let whole = fs::read(folder.file(AUDIT_FILE)).expect("text");
    assert_eq!(vault.sweep(later, Class::Audit, NOON).expect("nothing is as old"), 0);
    assert_eq!(vault.due(Class::Audit, later).expect("counted"), 5);
    assert_eq!(fs::read(folder.file(AUDIT_FILE)).expect("text"), whole, "whoever counts takes nothing away");
    // Nothing goes from a log that was changed.
    fs::write(folder.file(AUDIT_FILE), whole.to_ascii_uppercase()).expect("written");
    assert_eq!(changed(vault.sweep(later, Class::Audit, later)).line, 1);
    fs::write(folder.file(AUDIT_FILE), &whole).expect("written");
    assert_eq!(vault.sweep(later, Class::Audit, later).expect("removed"), 5);
    let text = fs::read_to_string(folder.file(AUDIT_FILE)).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("{\"base\":5,") && lines[1].starts_with("{\"seq\":6,"), "{text}");
    // Three that are left, and the one that says what went.
    assert!(lines.len() == 5 && lines[4].contains("\"removed\":5"), "{text}");
    assert_eq!(verify_audit(folder.path(), &keys).expect("right"), 4);
    // It goes on, and everything but the last may go.
    note_at(&folder.vault(), later, 2);
    assert_eq!(verify_audit(folder.path(), &keys).expect("right"), 6);
    let end = UnixTime(later.0 + 1);
    assert_eq!(vault.sweep(end, Class::Audit, end).expect("removed"), 5);
    assert_eq!(verify_audit(folder.path(), &keys).expect("right"), 2);
    // Where it begins can't be changed unseen.
    let text = fs::read_to_string(folder.file(AUDIT_FILE)).expect("text");
    assert!(text.starts_with("{\"base\":10,"), "{text}");
    assert_eq!(found(&folder, &keys, text.replacen(":10,", ":11,", 1).as_bytes()).why, BadBecause::Mac);
}

#[test]
fn each_changed_byte_is_found_in_its_record() {
    let (folder, keys) = log_of(6);
    let text = fs::read(folder.file(AUDIT_FILE)).expect("text");
    for at in 0..text.len() {
        for flip in [0x01, 0x20, 0x80] {
            let mut bytes = text.clone();
            bytes[at] ^= flip;
            let line = u64::try_from(text[..at].iter().filter(|b| **b == b'\n').count()).expect("few") + 1;
            let bad = found(&folder, &keys, &bytes);
            assert_eq!((bad.line, bad.seq), (line, line), "byte {at} ^ {flip:#x}: {bad}");
        }
    }
}

#[test]
fn removed_moved_repeated_and_cut_records_are_found() {
    let (folder, keys) = log_of(8);
    let text = fs::read(folder.file(AUDIT_FILE)).expect("text");
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    let number = |index: usize| u64::try_from(index).expect("few") + 1;
    for index in 0..lines.len() {
        let mut removed = lines.clone();
        removed.remove(index);
        let bad = found(&folder, &keys, &removed.concat());
        assert_eq!(bad.line, number(index), "without record {}", number(index));
        let last = index + 1 == lines.len();
        let why = if last { BadBecause::Missing } else { BadBecause::Order { found: number(index) + 1 } };
        assert_eq!(bad.why, why);

        let mut repeated = lines.clone();
        repeated.insert(index, lines[index]);
        assert_eq!(found(&folder, &keys, &repeated.concat()).line, number(index) + 1);

        let cut = lines[..index].concat();
        let bad = found(&folder, &keys, &cut);
        assert_eq!((bad.line, bad.why), (number(index), BadBecause::Missing));
        let half = [&cut[..], &lines[index][..40]].concat();
        assert_eq!(found(&folder, &keys, &half).line, number(index));
    }
    for index in 1..lines.len() {
        let mut swapped = lines.clone();
        swapped.swap(index - 1, index);
        let bad = found(&folder, &keys, &swapped.concat());
        assert_eq!((bad.line, bad.why), (number(index - 1), BadBecause::Order { found: number(index) }));
    }
    let (_, other_keys) = log_of(1);
    fs::write(folder.file(AUDIT_FILE), &text).expect("written");
    assert!(verify_audit(folder.path(), &other_keys).is_err(), "another deployment's keys");
    assert!(verify_audit(folder.path(), &keys).is_ok(), "the control: the untouched text is right");
}

#[test]
fn a_cut_or_rolled_back_log_stops_the_vault_from_opening() {
    let (folder, _) = log_of(5);
    let text = fs::read(folder.file(AUDIT_FILE)).expect("text");
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    fs::write(folder.file(AUDIT_FILE), lines[..3].concat()).expect("written");
    let bad = changed(Vault::open_data(folder.path()));
    assert_eq!((bad.line, bad.why), (4, BadBecause::Missing));
    let mut last = lines.concat();
    let place = last.len() - 100;
    last[place] ^= 1;
    fs::write(folder.file(AUDIT_FILE), last).expect("written");
    assert_eq!(changed(Vault::open_data(folder.path())).line, 5);
    fs::write(folder.file(AUDIT_FILE), &text).expect("written");
    assert!(Vault::open_data(folder.path()).is_ok());
}

#[test]
fn a_start_looks_back_from_the_end_of_a_long_log() {
    let (folder, keys) = log_of(500);
    let text = fs::read(folder.file(AUDIT_FILE)).expect("text");
    assert!(text.len() > 64 * 1024, "longer than what a start reads");
    assert!(Vault::open_data(folder.path()).is_ok());
    let mut bytes = text.clone();
    let place = text.len() - 5_000;
    bytes[place] ^= 1;
    let line = u64::try_from(text[..place].iter().filter(|b| **b == b'\n').count()).expect("few") + 1;
    fs::write(folder.file(AUDIT_FILE), &bytes).expect("written");
    assert_eq!(changed(Vault::open_data(folder.path())).line, line);
    assert_eq!(changed(verify_audit(folder.path(), &keys)).line, line);
}

#[test]
fn a_log_that_is_cut_under_a_running_vault_gets_no_more_records() {
    let (folder, _) = log_of(5);
    let vault = folder.vault();
    let text = fs::read(folder.file(AUDIT_FILE)).expect("text");
    fs::write(folder.file(AUDIT_FILE), &text[..text.len() / 2]).expect("written");
    let kind = AuditKind::Noted { name: "after".into(), facts: Vec::new() };
    let question = Question::Audit(AuditEvent { call: None, subject: None, kind });
    assert_eq!(vault.answer(NOON, question), Answer::Audited(false));
}

#[test]
fn what_a_crash_leaves_behind_is_put_right_at_the_next_start() {
    let (folder, keys) = log_of(3);
    let (log, database) = (folder.file(AUDIT_FILE), folder.file(DATABASE_FILE));
    // The record reached the file, its transaction did not reach the database.
    let behind = fs::read(&database).expect("read");
    note(&folder.vault(), 1);
    fs::write(&database, behind).expect("put back");
    // And the next one was being written.
    let mut text = fs::read(&log).expect("text");
    text.extend_from_slice(b"{\"seq\":5,\"at\":\"2026");
    fs::write(&log, text).expect("written");
    assert_eq!(verify_audit(folder.path(), &keys).expect("right"), 4);
    note(&folder.vault(), 2);
    assert_eq!(verify_audit(folder.path(), &keys).expect("right"), 6);
}
