//! Bar 9: disk full, slow disk, store down, clock jump, pepper missing: no "verified" without a committed audit
//! record, and it recovers by itself.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use countersign::auth::{Answer, FactorId, Question, SubjectRef, Verdict};
use countersign::driver::audit_log::AUDIT_FILE;
use countersign::driver::keys::{DATABASE_FILE, Keys};
use countersign::driver::os;
use countersign::driver::vault::{Vault, verify_audit};
use countersign::driver::vault_pool::{Asker, BEAT, VaultPool};
use countersign::units::CallId;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::again::again;
use crate::known;
use crate::site::{self, Handset, Site, Stage};
use crate::vault_world::{ACCOUNT, Folder, PIN, add_customer, boundless, secret};

fn question(subject: &SubjectRef) -> Question {
    Question::Verify {
        subject: subject.clone(),
        factor: FactorId::Pin,
        response: secret(PIN).into(),
        call: CallId(3),
    }
}

/// The right PIN: what becomes of it.
fn right(vault: &Vault, subject: &SubjectRef) -> Verdict {
    match vault.answer(os::unix_now(), question(subject)) {
        Answer::Verdict { verdict, .. } => verdict,
        Answer::Unavailable => Verdict::Unavailable,
        other => panic!("{other:?}"),
    }
}

/// As [`right`], through the pool that calls use.
fn pooled(pool: &VaultPool, subject: &SubjectRef) -> Verdict {
    let (to, told) = sync_channel(1);
    let reply = Box::new(move |answer| drop(to.try_send(answer)));
    if pool.submit(question(subject), Asker::default(), reply).is_err() {
        return Verdict::Unavailable;
    }
    match told.recv() {
        Ok(Answer::Verdict { verdict, .. }) => verdict,
        _ => Verdict::Unavailable,
    }
}

/// Accepted verifications that the log on the disk tells of.
fn accepted(data: &Path) -> usize {
    let text = fs::read_to_string(data.join(AUDIT_FILE)).expect("text");
    text.lines().filter(|line| line.contains("\"event\":\"verified\"") && line.contains("accept")).count()
}

fn sound(data: &Path) {
    verify_audit(data, &Keys::open(data).expect("keys")).expect("the chain is whole");
}

fn world() -> (Folder, Vault, SubjectRef) {
    let folder = Folder::new();
    let vault = folder.vault();
    vault.set_policy(boundless());
    add_customer(&vault);
    let subject = known(&vault, ACCOUNT).expect("there");
    (folder, vault, subject)
}

#[test]
fn bar_9_a_full_disk_verifies_nobody_and_one_with_room_again_does() {
    // A write beyond the limit is a signal that ends a process unless it is ignored, which a shell can say.
    let output = again("closed::worker", Some("trap '' XFSZ")).env(FULL, "1").output().expect("ran");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && text.contains("held"), "{text}\n{errors}");
}

const FULL: &str = "COUNTERSIGN_FULL_DISK";

/// Works under a limit on the size of files; does nothing unless it is told to.
#[test]
#[expect(clippy::print_stdout, reason = "a process tells the one that started it")]
fn worker() {
    if std::env::var(FULL).is_err() {
        return;
    }
    let (folder, vault, subject) = world();
    let data = folder.path();
    let limit = |bytes: Option<u64>| {
        let maximum = getrlimit(Resource::Fsize).maximum;
        setrlimit(Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).expect("set");
    };
    assert_eq!(right(&vault, &subject), Verdict::Accept, "the control");
    assert_eq!(accepted(data), 1);
    // Nothing can be written; then the database can and the audit log can't.
    for number in 0..3_000 {
        let facts = vec![("number".to_owned(), number.to_string())];
        let kind = countersign::auth::AuditKind::Noted { name: "padding".into(), facts };
        let event = countersign::auth::AuditEvent { call: None, subject: None, kind };
        assert_eq!(vault.answer(os::unix_now(), Question::Audit(event)), Answer::Audited(true));
        if fs::metadata(data.join(AUDIT_FILE)).expect("there").len() > 600_000 {
            break;
        }
    }
    let log = fs::metadata(data.join(AUDIT_FILE)).expect("there").len();
    for full in [4_096, log + 10] {
        limit(Some(full));
        for _ in 0..3 {
            assert_eq!(right(&vault, &subject), Verdict::Unavailable, "with {full} bytes");
        }
        limit(None);
        let before = accepted(data);
        assert_eq!(right(&vault, &subject), Verdict::Accept, "room again");
        assert_eq!(accepted(data), before + 1);
    }
    assert_eq!(accepted(data), 3, "no acceptance that was not given");
    drop(vault);
    sound(data);
    println!("held");
}

#[test]
fn bar_9_an_audit_log_that_can_not_be_written_verifies_nobody() {
    let (folder, vault, subject) = world();
    let (log, aside) = (folder.file(AUDIT_FILE), folder.file("aside"));
    assert_eq!(right(&vault, &subject), Verdict::Accept, "the control");
    fs::rename(&log, &aside).expect("moved");
    fs::create_dir(&log).expect("in its place");
    assert_eq!(right(&vault, &subject), Verdict::Unavailable);
    fs::remove_dir(&log).expect("removed");
    // An empty log in its place is no log either.
    fs::write(&log, "").expect("written");
    assert_eq!(right(&vault, &subject), Verdict::Unavailable);
    fs::rename(&aside, &log).expect("back");
    assert_eq!(right(&vault, &subject), Verdict::Accept);
    assert_eq!(accepted(folder.path()), 2);
    drop(vault);
    sound(folder.path());
}

#[test]
fn bar_9_a_store_that_hangs_verifies_nobody_and_keeps_nobody_waiting_for_ever() {
    let (folder, vault, subject) = world();
    let vault = Arc::new(vault);
    let pool = VaultPool::start(&vault, 1, 2, BEAT).expect("threads");
    assert_eq!(pooled(&pool, &subject), Verdict::Accept, "the control");
    let other = rusqlite::Connection::open(folder.file(DATABASE_FILE)).expect("opens");
    other.execute_batch("BEGIN EXCLUSIVE").expect("locked");
    let begun = os::now();
    os::together(6, |_| assert_eq!(pooled(&pool, &subject), Verdict::Unavailable));
    let took = os::now() - begun;
    assert!(took.as_secs() < 60, "{took:?}");
    other.execute_batch("ROLLBACK").expect("free");
    assert_eq!(pooled(&pool, &subject), Verdict::Accept);
    assert_eq!(accepted(folder.path()), 2);
    drop((pool, vault));
    sound(folder.path());
}

#[test]
fn bar_9_a_clock_that_jumps_verifies_nobody_until_it_is_right() {
    let (folder, vault, subject) = world();
    let vault = Arc::new(vault);
    let pool = VaultPool::start(&vault, 1, 2, BEAT).expect("threads");
    for jump in [3_600_000, -3_600_000, 86_400_000, -10_000] {
        assert_eq!(pooled(&pool, &subject), Verdict::Accept, "the control");
        vault.calendar().step_system(jump);
        assert_eq!(pooled(&pool, &subject), Verdict::Unavailable, "{jump}");
        let (to, told) = sync_channel(1);
        let claim = countersign::auth::Claim::Account(secret(ACCOUNT));
        let reply = Box::new(move |answer| drop(to.try_send(answer)));
        pool.submit(Question::Identify { claim }, Asker::default(), reply).expect("room");
        assert!(matches!(told.recv(), Ok(Answer::Identified(_))), "who calls is still known");
        vault.calendar().step_system(-jump);
    }
    assert_eq!(pooled(&pool, &subject), Verdict::Accept);
    drop((pool, vault));
    sound(folder.path());
}

#[test]
fn bar_9_without_the_pepper_of_a_pin_it_is_not_judged_and_with_it_it_is() {
    let (folder, vault, subject) = world();
    let rotated =
        vault.rotate_pepper(os::unix_now(), std::time::Duration::from_secs(1_000_000)).expect("rotated");
    drop(vault);
    let path = folder.file("pepper.key");
    let both = fs::read_to_string(&path).expect("text");
    let old = both.find(&format!("id: {}", rotated.before)).expect("there");
    fs::write(&path, &both[..old]).expect("written");
    let open = || {
        let vault = folder.vault();
        vault.set_policy(boundless());
        vault
    };
    assert_eq!(right(&open(), &subject), Verdict::Unavailable);
    fs::remove_file(&path).expect("removed");
    assert!(Vault::open_data(folder.path()).is_err(), "it does not start without");
    fs::write(&path, &both).expect("written");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("chmod");
    assert_eq!(right(&open(), &subject), Verdict::Accept);
    sound(folder.path());
}

#[test]
fn bar_9_callers_go_to_a_person_as_unverified_and_are_verified_when_it_is_over() {
    let agent = Handset::agent();
    let site = Site::start("closed", &[&agent]);
    site::add_customer(site.vault());
    let mut stage = Stage::new(vec![Handset::new("+441632960188"), Handset::new("+441632960189"), agent]);
    stage.claim(0, &site.uri(), site::ACCOUNT);
    site.vault().calendar().step_system(3_600_000);
    stage.answer(0, "main_menu", "3");
    stage.joined(0);
    assert_eq!(stage.handsets[0].level(), "none");
    let headers = stage.handsets[2].headers.take().expect("the agent was called");
    assert_eq!(headers.text("X-Countersign-Level").unwrap_or_default(), "none");
    stage.hang_up(0);
    site.vault().calendar().step_system(-3_600_000);
    stage.claim(1, &site.uri(), site::ACCOUNT);
    stage.answer(1, "main_menu", "3");
    stage.answer(1, "pin_please", &format!("{}#", site::PIN));
    stage.hear(1, "totp_please");
    assert_eq!(stage.handsets[1].level(), "basic");
    stage.hang_up(1);
    site.deployment.stop();
}
