//! The limits on being wrong, against the real vault: over calls, restarts, kills and ghosts.

mod vault_world;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use countersign::auth::{
    Answer, AuthSession, Choose, Enrolment, FactorId, Identified, Input, Outcome, Output, Policy, Question,
    Refused, SubjectRef, Verdict,
};
use countersign::driver::audit_log::AUDIT_FILE;
use countersign::driver::keys::Keys;
use countersign::driver::vault::{Vault, verify_audit};
use countersign::driver::vault_pool::{Asker, BEAT, VaultPool};
use countersign::units::{CallId, UnixTime};
use vault_world::{
    ACCOUNT, Folder, NOON, PIN, add_customer, boundless, claim, customer, grant, later, secret, start,
    subject, verify,
};

const UNKNOWN: &str = "99887760";

/// One call that authenticates with these responses; its challenges and its end, as text.
fn call(vault: &Vault, subject: &SubjectRef, level: &str, responses: &[&str]) -> Vec<String> {
    let (mut seen, mut responses, now) = (Vec::new(), responses.iter(), start());
    let mut session = AuthSession::new(Arc::new(Policy::default()), CallId(1));
    session.claimed(subject.clone());
    session.handle(
        now,
        Input::Begin { level: level.into(), offer: FactorId::ALL.to_vec(), choose: Choose::Policy },
    );
    loop {
        let mut next = None;
        loop {
            match session.poll() {
                Output::Idle => break,
                Output::Ask(ask, question) => next = Some(Input::Answer(ask, vault.answer(NOON, question))),
                Output::Challenge(challenge) => {
                    seen.push(format!("{challenge:?}"));
                    next = Some(responses.next().map_or(Input::Abandon, |r| Input::Response(secret(r))));
                }
                other => seen.push(format!("{other:?}")),
            }
        }
        match next {
            Some(input) => session.handle(now, input),
            None => return seen,
        }
    }
}

#[test]
fn three_wrong_responses_end_the_call_and_five_over_two_calls_lock() {
    let folder = Folder::new();
    let vault = folder.vault();
    let (totp, seed) = add_customer(&vault);
    let caller = subject(&vault, ACCOUNT);
    let wrong = ["11111111"; 9];
    let ended = |seen: Vec<String>| seen.last().cloned().unwrap_or_default();
    assert_eq!(
        ended(call(&vault, &caller, "basic", &wrong)),
        format!("{:?}", Output::Done(Outcome::Insufficient))
    );
    drop(vault);

    let vault = folder.vault();
    let locked = format!("{:?}", Output::Done(Outcome::Locked));
    let second = call(&vault, &caller, "basic", &wrong);
    assert_eq!(ended(second.clone()), locked);
    assert_eq!(second.iter().filter(|line| line.starts_with("Challenge")).count(), 2);
    drop(vault);

    // After another restart the lock stands, for right responses too, and for every factor.
    let vault = folder.vault();
    assert_eq!(call(&vault, &caller, "basic", &[PIN]), [locked]);
    assert_eq!(verify(&vault, NOON, &caller, FactorId::Pin, PIN), (Verdict::Reject, true));
    let code = totp.code(&seed, totp.step_at(NOON));
    assert_eq!(verify(&vault, NOON, &caller, FactorId::Totp, code.expose()), (Verdict::Reject, true));

    let after = later(Duration::from_secs(30 * 60));
    assert_eq!(verify(&vault, after, &caller, FactorId::Pin, PIN), (Verdict::Accept, false));
}

#[test]
fn a_right_pin_and_a_right_code_reach_the_strong_level() {
    let folder = Folder::new();
    let vault = folder.vault();
    let (totp, seed) = add_customer(&vault);
    let code = totp.code(&seed, totp.step_at(NOON));
    let seen = call(&vault, &subject(&vault, ACCOUNT), "strong", &[PIN, code.expose()]);
    assert_eq!(seen.last(), Some(&format!("{:?}", Output::Done(Outcome::Reached))));
    let shown = vault.shown(NOON, "C1").expect("read").expect("there");
    assert_eq!((shown.failures, shown.locked), (0, false));
    // The same code in a second call is wrong.
    let again = call(&vault, &subject(&vault, ACCOUNT), "strong", &[PIN, code.expose()]);
    assert!(again.iter().any(|line| line.starts_with("Rejected")));
}

#[test]
fn failed_attempts_are_counted_per_subject_and_committed_before_the_verdict() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    assert!(vault.add_subjects(NOON, &[customer("C2", "55230196")]).is_ok());
    let caller = subject(&vault, ACCOUNT);
    // With the audit log out of reach no verdict is given, right PIN or not; each attempt is counted.
    let (log, aside) = (folder.file(AUDIT_FILE), folder.file("aside"));
    std::fs::rename(&log, &aside).expect("moved");
    std::fs::create_dir(&log).expect("a folder in its place");
    for attempt in 1..=4 {
        let response = if attempt % 2 == 0 { PIN } else { "11111111" };
        assert_eq!(verify(&vault, NOON, &caller, FactorId::Pin, response), (Verdict::Unavailable, false));
        assert_eq!(vault.shown(NOON, "C1").expect("read").expect("there").failures, attempt);
    }
    std::fs::remove_dir(&log).expect("removed");
    std::fs::rename(&aside, &log).expect("moved back");
    drop(vault);
    let vault = folder.vault();
    assert_eq!(vault.shown(NOON, "C1").expect("read").expect("there").failures, 4);
    assert_eq!(vault.shown(NOON, "C2").expect("read").expect("there").failures, 0);
    // It recovers by itself, and the fifth failure locks.
    assert_eq!(verify(&vault, NOON, &caller, FactorId::Pin, PIN), (Verdict::Accept, false));
    assert_eq!(verify(&vault, NOON, &caller, FactorId::Totp, "000000"), (Verdict::Reject, true));
    let enrolled = vault.answer(NOON, Question::Enrolled { subject: caller });
    assert_eq!(enrolled, Answer::Enrolled(Err(Refused::Locked)));
}

#[test]
fn an_unknown_account_answers_as_a_known_one_that_fails() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    assert!(matches!(claim(&vault, ACCOUNT), Identified::One(_)));
    assert!(matches!(claim(&vault, UNKNOWN), Identified::None(_)));
    let (known, ghost) = (subject(&vault, ACCOUNT), subject(&vault, UNKNOWN));
    assert_eq!(ghost, subject(&vault, UNKNOWN), "a ghost is the same each time");
    let wrong = ["11111111", "000000", "22222222"];
    for (calls, level) in [(3, "strong"), (1, "basic")] {
        for _ in 0..calls {
            assert_eq!(call(&vault, &ghost, level, &wrong), call(&vault, &known, level, &wrong));
        }
    }
    for factor in FactorId::ALL {
        assert_eq!(
            verify(&vault, NOON, &ghost, *factor, "123"),
            verify(&vault, NOON, &known, *factor, "123")
        );
    }
    drop(vault);
    let vault = folder.vault();
    assert_eq!(call(&vault, &ghost, "basic", &wrong), ["Done(Locked)"], "a ghost's lock outlives a restart");
}

#[test]
fn a_ghost_offers_what_some_subject_offers() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    let mut pin_only = customer("C2", "55230196");
    pin_only.pin = Some(secret(PIN));
    assert!(vault.add_subjects(NOON, &[pin_only]).is_ok());
    let offer = |account: &str| {
        let subject = subject(&vault, account);
        format!("{:?}", vault.answer(NOON, Question::Enrolled { subject }))
    };
    let ghosts: BTreeSet<String> = (0..64).map(|n| offer(&format!("9988{n:04}"))).collect();
    assert_eq!(ghosts, BTreeSet::from([offer(ACCOUNT), offer("55230196")]));
}

#[test]
fn parallel_guessers_have_no_more_guesses_than_one() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    let caller = subject(&vault, ACCOUNT);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| verify(&vault, NOON, &caller, FactorId::Totp, "000000"));
        }
    });
    let shown = vault.shown(NOON, "C1").expect("read").expect("there");
    assert_eq!((shown.failures, shown.locked), (3, true), "7 codes of the day: 3, 3 and 1 at a time");
}

const CHILD_DATA: &str = "COUNTERSIGN_TEST_CHILD_DATA";

/// Not a test by itself: the process that `no_kill_loses_a_failure` kills. Says each verdict aloud.
#[test]
fn guesses_until_it_is_killed() {
    let Ok(data) = std::env::var(CHILD_DATA) else { return };
    let vault = Vault::open_data(data.as_ref()).expect("the vault opens");
    vault.set_policy(boundless());
    let caller = subject(&vault, ACCOUNT);
    for _ in 0..100_000 {
        assert_eq!(verify(&vault, NOON, &caller, FactorId::Totp, "000000").0, Verdict::Reject);
        let mut out = std::io::stdout();
        writeln!(out, "spoken").and_then(|()| out.flush()).expect("the parent listens");
    }
}

#[test]
fn no_kill_loses_a_failure() {
    let folder = Folder::new();
    add_customer(&folder.vault());
    let keys = Keys::open(folder.path()).expect("keys");
    let mut spoken = 0;
    for stop_after in [1, 7, 2, 13, 4] {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["guesses_until_it_is_killed", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD_DATA, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut verdicts = |limit: usize| {
            lines.by_ref().map_while(Result::ok).filter(|l| l.contains("spoken")).take(limit).count()
        };
        spoken += verdicts(stop_after);
        // SIGKILL: nothing of the child runs after it.
        child.kill().expect("killed");
        child.wait().expect("ended");
        spoken += verdicts(usize::MAX);
        let vault = folder.vault();
        let counted = vault.shown(NOON, "C1").expect("read").expect("there").failures;
        assert!(counted >= spoken, "{spoken} verdicts were spoken, {counted} failures counted");
        assert!(counted <= spoken + 5, "a kill loses no more than the verdict in work");
        drop(vault);
        // Each spoken verdict is in the log, besides two records of adding and enrolling the customer.
        let records = verify_audit(folder.path(), &keys).expect("the chain holds");
        assert!(records >= 2 + u64::try_from(spoken).expect("few"));
    }
    assert!(spoken >= 27);
}

#[test]
fn a_full_pool_refuses_at_once_and_a_free_one_answers() {
    let folder = Folder::new();
    let vault = Arc::new(folder.vault());
    let pool = VaultPool::start(&vault, 1, 1, BEAT).expect("threads");
    let (answers, answered) = std::sync::mpsc::sync_channel(16);
    let (open, gate) = std::sync::mpsc::sync_channel::<()>(0);
    let question = || Question::Enrolled { subject: subject(&vault, UNKNOWN) };
    let held = answers.clone();
    let busy = Box::new(move |answer| {
        held.send(answer).expect("room");
        let _ = gate.recv();
    });
    pool.submit(question(), Asker::default(), busy).expect("the first is taken");
    answered.recv().expect("the pool is in the first reply");
    // While that hangs one may be on its way, one wait to be given, one be in work and one be queued.
    let mut taken = 0;
    let refused = (0..2_000).any(|_| {
        let answers = answers.clone();
        let reply = Box::new(move |answer| answers.send(answer).expect("room"));
        let refused = pool.submit(question(), Asker::default(), reply).is_err();
        taken += usize::from(!refused);
        std::thread::yield_now();
        refused && taken >= 1
    });
    assert!(refused && (1..=4).contains(&taken), "{taken} taken, the next finds the queue full");
    open.send(()).expect("the pool waits for it");
    for _ in 0..taken {
        assert!(matches!(answered.recv(), Ok(Answer::Enrolled(Ok(_)))));
    }
    drop(pool);
    assert!(answered.try_recv().is_err(), "the refused one was never answered");
}

#[test]
fn a_clock_that_jumps_back_makes_no_old_code_right() {
    let folder = Folder::new();
    let vault = folder.vault();
    vault.set_policy(boundless());
    let (totp, seed) = add_customer(&vault);
    let caller = subject(&vault, ACCOUNT);
    let code_at = |now: UnixTime| totp.code(&seed, totp.step_at(now));
    let hour = later(Duration::from_secs(3600));
    assert_eq!(verify(&vault, hour, &caller, FactorId::Totp, code_at(hour).expose()).0, Verdict::Accept);
    assert_eq!(verify(&vault, NOON, &caller, FactorId::Totp, code_at(NOON).expose()).0, Verdict::Reject);
    assert_eq!(verify(&vault, hour, &caller, FactorId::Totp, code_at(hour).expose()).0, Verdict::Reject);
}

#[test]
fn a_caller_changes_their_own_pin_and_nobody_elses() {
    let folder = Folder::new();
    let vault = folder.vault();
    vault.set_policy(boundless());
    add_customer(&vault);
    let grant = Arc::new(grant(&vault, boundless(), PIN).expect("a grant"));
    let order = |new: &str, replace| {
        let (grant, secret) = (Arc::clone(&grant), secret(new));
        vault.answer(NOON, Question::Enrol { grant, factor: FactorId::Pin, secret: secret.into(), replace })
    };
    let cases = [
        ("73920581", false, Enrolment::Exists),
        ("12345678", true, Enrolment::Refused),
        (ACCOUNT, true, Enrolment::Refused),
        ("739205", true, Enrolment::Refused),
        ("73920581", true, Enrolment::Done),
    ];
    for (new, replace, expected) in cases {
        assert_eq!(order(new, replace), Answer::Enrolment(expected), "{replace}");
    }
    let caller = subject(&vault, ACCOUNT);
    assert_eq!(verify(&vault, NOON, &caller, FactorId::Pin, PIN).0, Verdict::Reject);
    assert_eq!(verify(&vault, NOON, &caller, FactorId::Pin, "73920581").0, Verdict::Accept);
    let (grant, new) = (Arc::clone(&grant), secret("287082"));
    let totp = Question::Enrol { grant, factor: FactorId::Totp, secret: new.into(), replace: true };
    assert_eq!(vault.answer(NOON, totp), Answer::Unavailable, "a seed is not spoken");
    vault.erase(NOON, "C1").expect("erased");
    assert_eq!(order("62849173", true), Answer::Unavailable, "somebody who is gone");
}

#[test]
fn a_locked_subject_changes_no_pin() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    let grant = Arc::new(grant(&vault, boundless(), PIN).expect("a grant"));
    let caller = subject(&vault, ACCOUNT);
    for _ in 0..5 {
        verify(&vault, NOON, &caller, FactorId::Pin, "11112222");
    }
    let question =
        Question::Enrol { grant, factor: FactorId::Pin, secret: secret("73920581").into(), replace: true };
    assert_eq!(vault.answer(NOON, question), Answer::Enrolment(Enrolment::Locked));
}
