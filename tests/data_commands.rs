//! The life of a data folder as its operator leads it, by the commands and while calls are served: keys that rotate
//! and retire, a backup, an erasure, a restoration, what is past its time.

mod site;

use std::fs;
use std::path::Path;

use countersign::auth::{Answer, Claim, FactorId, Identified, Question, Verdict};
use countersign::driver::os;
use countersign::driver::vault::{NewSubject, Profile, Vault};
use countersign::units::CallId;

use site::{Folder, Served, add_customer, run, secret};

const OTHER: &str = "77310492";
const OTHERS_PIN: &str = "61840372";

/// What a command says; it has to succeed.
#[track_caller]
fn said(arguments: &[&str], data: &Path) -> String {
    let data = data.display().to_string();
    let output = run(&[arguments, &["--data", &data]].concat());
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {err}");
    assert!(err.is_empty(), "{arguments:?}: {err}");
    out.into_owned()
}

/// What a command says that refuses.
#[track_caller]
fn refused(arguments: &[&str], data: &Path) -> String {
    let data = data.display().to_string();
    let output = run(&[arguments, &["--data", &data]].concat());
    assert!(!output.status.success(), "{arguments:?} did it: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn others(id: &str, account: &str, pin: &str) -> NewSubject {
    let profile = Profile {
        id: id.to_owned(),
        account: account.to_owned(),
        phone: "+441632960177".to_owned(),
        name: "Bertram Osgood".to_owned(),
        language: "en-GB".to_owned(),
        email: String::new(),
        declined: Vec::new(),
    };
    NewSubject { profile, pin: Some(secret(pin)), pin_hash: None }
}

/// What becomes of a PIN for an account.
fn pin(data: &Path, account: &str, pin: &str) -> Verdict {
    let vault = Vault::open_data(data).expect("opens");
    let claim = Claim::Account(secret(account));
    let Answer::Identified(Identified::One(subject) | Identified::None(subject)) =
        vault.answer(os::unix_now(), Question::Identify { claim })
    else {
        return Verdict::Unavailable;
    };
    let question =
        Question::Verify { subject, factor: FactorId::Pin, response: secret(pin).into(), call: CallId(7) };
    match vault.answer(os::unix_now(), question) {
        Answer::Verdict { verdict, .. } => verdict,
        _ => Verdict::Unavailable,
    }
}

/// The names of the keys of a kind, with what the list says of them.
fn keys(data: &Path, kind: &str) -> Vec<(String, String)> {
    let list = said(&["keys", "list"], data);
    let rows = list.lines().filter(|line| line.starts_with(kind));
    rows.filter_map(|line| Some((line.split_whitespace().nth(1)?.to_owned(), line.to_owned()))).collect()
}

fn copy(from: &Path, to: &Path, keys: bool) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("read") {
        let entry = entry.expect("entry");
        let key = entry.path().extension().is_some_and(|extension| extension == "key");
        if key && keys {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
        }
    }
}

#[test]
fn a_backup_of_a_served_folder_comes_back_without_whom_was_erased_since() {
    let folder = Folder::new("life");
    let (data, saved, back) = (folder.file("data"), folder.file("saved"), folder.file("back"));
    let vault = Vault::open_data(&data).expect("made");
    let _app = add_customer(&vault);
    assert!(vault.add_subjects(os::unix_now(), &[others("C2", OTHER, OTHERS_PIN)]).is_ok());
    drop(vault);
    let served = Served::start(&data, &[], None);

    let saved_to = saved.display().to_string();
    let made = said(&["backup", &saved_to], &data);
    assert!(made.contains("audit records are in"), "{made}");
    assert!(
        fs::read_dir(&saved).expect("read").all(|entry| {
            entry.expect("entry").path().extension().is_none_or(|extension| extension != "key")
        }),
        "no key is in a backup"
    );
    let again = refused(&["backup", &saved_to], &data);
    assert!(again.contains(&saved_to), "{again}");

    assert!(said(&["subject", "show", "C2"], &data).contains("C2"));
    said(&["subject", "erase", "C2"], &data);
    refused(&["subject", "show", "C2"], &data);
    assert!(said(&["audit", "verify"], &data).contains("record"), "the chain holds");
    served.kill();

    // The keys as they are now, which know of the erasure, and the database of before.
    copy(&data, &back, true);
    let restored = said(&["restore", &saved_to], &back);
    assert!(restored.contains("who was erased since is removed"), "{restored}");
    assert!(said(&["subject", "show", "C1001"], &back).contains("C1001"));
    refused(&["subject", "show", "C2"], &back);
    said(&["audit", "verify"], &back);
    assert_eq!(pin(&back, site::ACCOUNT, site::PIN), Verdict::Accept);
    assert_eq!(pin(&back, OTHER, OTHERS_PIN), Verdict::Reject);
    let full = refused(&["restore", &saved_to], &data);
    assert!(full.contains(&data.display().to_string()), "nothing is put over data: {full}");
    let nothing = refused(&["restore", &folder.file("none").display().to_string()], &folder.file("new"));
    assert!(nothing.contains("master.key") && nothing.contains("help:"), "{nothing}");
}

#[test]
fn keys_rotate_under_a_server_and_retire_when_nothing_needs_them() {
    let folder = Folder::new("keys");
    let data = folder.file("data");
    let vault = Vault::open_data(&data).expect("made");
    let _app = add_customer(&vault);
    drop(vault);
    let served = Served::start(&data, &[], None);

    let (masters, peppers) = (keys(&data, "master"), keys(&data, "pepper"));
    assert_eq!((masters.len(), peppers.len()), (1, 1));
    let rotated = said(&["keys", "rotate", "master"], &data);
    assert!(rotated.contains(&masters[0].0) && rotated.contains("kept for reading"), "{rotated}");
    said(&["keys", "rotate", "pepper", "--within", "30"], &data);
    let [now_masters, now_peppers] = ["master", "pepper"].map(|kind| keys(&data, kind));
    assert_eq!((now_masters.len(), now_peppers.len()), (2, 2));
    let state = |keys: &[(String, String)], id: &str| {
        keys.iter().find(|key| key.0 == id).map(|key| key.1.contains("in use")).expect("in the list")
    };
    assert!(!state(&now_masters, &masters[0].0) && !state(&now_peppers, &peppers[0].0));
    let current = now_peppers.iter().find(|key| key.1.contains("in use")).expect("one is in use");

    // The PIN still needs the old pepper, and what is in use is never destroyed.
    let needed = refused(&["keys", "retire", &peppers[0].0], &data);
    assert!(needed.contains(&peppers[0].0) || needed.contains("enrolment"), "{needed}");
    refused(&["keys", "retire", &current.0], &data);
    refused(&["keys", "retire", "no-such-key"], &data);
    served.kill();
    assert_eq!(pin(&data, site::ACCOUNT, site::PIN), Verdict::Accept);

    // Hashed anew at that use: nothing needs the old one now. Nobody serves meanwhile; the commands do without.
    said(&["keys", "retire", &peppers[0].0], &data);
    said(&["keys", "retire", &masters[0].0], &data);
    assert_eq!((keys(&data, "master").len(), keys(&data, "pepper").len()), (1, 1));
    assert_eq!(pin(&data, site::ACCOUNT, site::PIN), Verdict::Accept);
    said(&["audit", "verify"], &data);
}

#[test]
fn what_is_past_its_time_is_shown_before_it_is_removed() {
    let folder = Folder::new("past");
    let data = folder.file("data");
    let vault = Vault::open_data(&data).expect("made");
    let long_ago = countersign::units::UnixTime(1_000_000_000_000);
    vault.store_record(long_ago, "{\"call\":\"old\"}", None).expect("kept");
    vault.store_record(os::unix_now(), "{\"call\":\"new\"}", None).expect("kept");
    drop(vault);
    let count = |text: &str| {
        let line =
            text.lines().find(|line| line.starts_with("call_records")).expect("the call records' line");
        line.split_whitespace().nth(2).expect("a number").parse::<u32>().expect("a number")
    };
    assert_eq!(count(&said(&["retention", "show"], &data)), 1);
    assert_eq!(count(&said(&["retention", "run", "--dry-run"], &data)), 1);
    assert_eq!(count(&said(&["retention", "show"], &data)), 1, "a dry run removes nothing");
    assert_eq!(count(&said(&["retention", "run"], &data)), 1);
    assert_eq!(count(&said(&["retention", "show"], &data)), 0);
    let nowhere = refused(&["retention", "show"], &folder.file("nowhere"));
    assert!(nowhere.contains("nowhere") && nowhere.contains("--data"), "{nowhere}");
}
