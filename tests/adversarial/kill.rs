//! Bar 3: `kill -9` at random points under active enrolments and verifications.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use countersign::auth::{Answer, FactorId, Question, SubjectRef, Verdict};
use countersign::driver::keys::Keys;
use countersign::driver::os;
use countersign::driver::vault::{Vault, verify_audit};
use countersign::driver::vault_pool::{Asker, BEAT, VaultPool};
use countersign::units::CallId;

use crate::again::again;
use crate::vault_world::{Folder, boundless, customer, secret};
use crate::{known, rounds};

const FOLDER: &str = "COUNTERSIGN_KILLED_FOLDER";
const EARLY: &str = "COUNTERSIGN_CONFIRM_EARLY";
/// Callers who verify themselves at once, and operators who enrol beside them.
const CALLERS: usize = 196;
const OPERATORS: usize = 4;
const RIGHT: &str = "80429517";
const WRONG: &str = "80429518";

fn account(caller: usize) -> String {
    format!("6{caller:07}")
}

/// A folder with the callers of all rounds.
fn world() -> Folder {
    let folder = Folder::new();
    let vault = folder.vault();
    // One hash for all would need the same key: a few callers share the work by turns instead.
    let new: Vec<_> = (0..CALLERS.min(callers()))
        .map(|caller| {
            let mut new = customer(&format!("K{caller}"), &account(caller));
            new.pin = Some(secret(RIGHT));
            new
        })
        .collect();
    assert!(vault.add_subjects(os::unix_now(), &new).is_ok());
    folder
}

/// Subjects of the callers: hashing one for each takes long without `--release`.
fn callers() -> usize {
    usize::try_from(rounds(40, 196)).expect("few")
}

#[test]
fn bar_3_what_was_confirmed_outlives_kill_9() {
    let folder = world();
    let mut failures = BTreeMap::new();
    for round in 0..rounds(3, 200) {
        let wrong = killed(&folder, round, false, &mut failures);
        assert!(wrong.is_empty(), "round {round}: {wrong:#?}");
    }
    assert!(failures.values().sum::<usize>() > 0, "failures were confirmed");
}

#[test]
fn bar_3_control_a_confirmation_before_its_commit_is_found_out() {
    let folder = world();
    let mut failures = BTreeMap::new();
    let found = (0..10).any(|round| !killed(&folder, round, true, &mut failures).is_empty());
    assert!(found, "ten times nothing was lost that was confirmed too early");
}

/// One round; what is not as it was confirmed.
fn killed(folder: &Folder, round: u32, early: bool, failures: &mut BTreeMap<usize, usize>) -> Vec<String> {
    let mut command = again("kill::worker", None);
    command.env(FOLDER, folder.path()).stdout(Stdio::piped()).stderr(Stdio::null());
    if early {
        command.env(EARLY, "1");
    }
    let mut child = command.env("COUNTERSIGN_ROUND", round.to_string()).spawn().expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line.ends_with("ready")), "the worker begins");
    let mut random = [0; 2];
    os::fill_random(&mut random).expect("random");
    // After a random number of confirmed failures, and a random moment of whatever goes on then.
    let (mut failed, enough) = (0, 1 + u32::from(random[0]) % 20);
    let mut told: Vec<String> = Vec::new();
    while failed < enough {
        let line = lines.next().and_then(Result::ok).expect("it goes on until it is killed");
        failed += u32::from(line.starts_with("failed"));
        told.push(line);
    }
    os::pause(Duration::from_millis(u64::from(random[1]) % 150));
    child.kill().expect("killed");
    child.wait().expect("gone");
    // What a pipe holds when its writer dies can still be read; a last line may be half of one.
    told.extend(lines.map_while(Result::ok));
    told.retain(|line| line.ends_with('.'));
    check(folder.path(), &told, failures)
}

fn check(data: &Path, told: &[String], failures: &mut BTreeMap<usize, usize>) -> Vec<String> {
    let mut wrong = Vec::new();
    let begun = worked();
    let vault = Vault::open_data(data).expect("opens after a crash");
    if worked() - begun > Duration::from_secs(5) {
        wrong.push(format!("the start took {:?}", worked() - begun));
    }
    vault.set_policy(boundless());
    for line in told {
        let words: Vec<&str> = line.trim_end_matches('.').split(' ').collect();
        match words.as_slice() {
            ["enrolled", account] => {
                let verdict = known(&vault, account).map(|subject| verdict(&vault, subject, RIGHT));
                if verdict != Some(Verdict::Accept) {
                    wrong.push(format!("{account} was enrolled and is not: {verdict:?}"));
                }
            }
            ["failed", caller] => *failures.entry(caller.parse().expect("a number")).or_default() += 1,
            ["accepted", _] => {}
            _ => panic!("{line}"),
        }
    }
    for shown in vault.all_shown(os::unix_now()).expect("read") {
        if !shown.factors.contains(&FactorId::Pin) {
            wrong.push(format!("{} is half made", shown.id));
        }
        let caller = shown.id.strip_prefix('K').and_then(|caller| caller.parse::<usize>().ok());
        let confirmed = caller.and_then(|caller| failures.get(&caller)).copied().unwrap_or(0);
        if shown.failures < confirmed {
            wrong.push(format!("{} has {} failures of {confirmed}", shown.id, shown.failures));
        }
    }
    drop(vault);
    if let Err(error) = verify_audit(data, &Keys::open(data).expect("keys")) {
        wrong.push(error.to_string());
    }
    wrong
}

/// How long this thread has worked: what else the machine does is no part of a start.
fn worked() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the system counts it");
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("a number");
    Duration::from_nanos(nanos)
}

fn question(subject: SubjectRef, pin: &str) -> Question {
    Question::Verify { subject, factor: FactorId::Pin, response: secret(pin).into(), call: CallId(3) }
}

fn verdict(vault: &Vault, subject: SubjectRef, pin: &str) -> Verdict {
    match vault.answer(os::unix_now(), question(subject, pin)) {
        Answer::Verdict { verdict, .. } => verdict,
        _ => Verdict::Unavailable,
    }
}

/// The process that is killed: does nothing unless it is told a folder.
#[test]
fn worker() {
    let Ok(data) = std::env::var(FOLDER) else { return };
    let early = std::env::var(EARLY).is_ok();
    let round = std::env::var("COUNTERSIGN_ROUND").unwrap_or_default();
    let vault = Arc::new(Vault::open_data(Path::new(&data)).expect("opens"));
    vault.set_policy(boundless());
    let pool = VaultPool::start(&vault, 2, 256, BEAT).expect("threads");
    let subjects: Vec<SubjectRef> =
        (0..callers()).map(|caller| known(&vault, &account(caller)).expect("there")).collect();
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        out.write_all(format!("{line}.\n").as_bytes()).and_then(|()| out.flush()).expect("heard");
    };
    std::io::stdout().write_all(b"ready\n").expect("heard");
    os::together(CALLERS + OPERATORS, |number| {
        for turn in 0.. {
            if number < OPERATORS {
                let account = format!("9{:0>3}{number}{turn:04}", round);
                let mut new = customer(&format!("N{round}-{number}-{turn}"), &account);
                new.pin = Some(secret(RIGHT));
                if early {
                    say(format!("enrolled {account}"));
                }
                assert!(vault.add_subjects(os::unix_now(), &[new]).is_ok());
                if !early {
                    say(format!("enrolled {account}"));
                }
                continue;
            }
            let caller = (number - OPERATORS) % subjects.len();
            let right = caller % 2 == 1;
            let (to, told) = sync_channel(1);
            let question = question(subjects[caller].clone(), if right { RIGHT } else { WRONG });
            if early && !right {
                say(format!("failed {caller}"));
            }
            let reply = Box::new(move |answer| drop(to.try_send(answer)));
            pool.submit(question, Asker::default(), reply).expect("there is room for all");
            match told.recv() {
                Ok(Answer::Verdict { verdict: Verdict::Accept, .. }) if right => {
                    say(format!("accepted {caller}"))
                }
                Ok(Answer::Verdict { verdict: Verdict::Reject, .. }) if !right && !early => {
                    say(format!("failed {caller}"));
                }
                Ok(Answer::Verdict { verdict: Verdict::Reject, .. }) if !right => {}
                // A full store may have no time for one.
                _ => {}
            }
        }
    });
}
