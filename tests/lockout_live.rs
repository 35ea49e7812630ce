//! Limits of guessing, as a caller meets them: over calls, over a kill, over accounts that nobody has.

mod site;

use std::time::Duration;

use countersign::auth::{Answer, Claim, FactorId, Identified, Question, SubjectRef, Verdict};
use countersign::driver::application::{self, ApplicationSource};
use countersign::driver::control::{self, Reply, Request};
use countersign::driver::os;
use countersign::driver::vault::Vault;
use countersign::units::CallId;
use site::{ACCOUNT, Folder, Handset, PIN, SOON, Served, Site, Stage, UNKNOWN_ACCOUNT, add_customer, secret};

const WRONG: [&str; 5] = ["91827364", "73645189", "52839104", "63920581", "80421538"];

/// At the main menu: asks for the balance, and types wrong PINs, one for each time that one is asked for.
fn guess(stage: &mut Stage, who: usize, wrong: &[&str]) {
    stage.answer(who, "main_menu", "1");
    for pin in wrong {
        stage.answer(who, "pin_please", &format!("{pin}#"));
    }
}

#[test]
fn five_wrong_pins_over_two_calls_lock_the_subject_also_after_kill_9() {
    let folder = Folder::new("lockout");
    {
        let vault = Vault::open_data(folder.path()).expect("a vault");
        add_customer(&vault);
    }
    let agent = Handset::agent();
    let agent_uri = format!("sip:agent@{}", agent.phone.address);
    let settings = format!(
        "trunks:\n  - {{name: loopback, addresses: [\"127.0.0.0/8\"], trace: true}}\n\
         queues: {{cards: {{}}, general: {{}}, payments: {{}}}}\n\
         agents:\n  - {{name: ana, queues: [general], sip: \"{agent_uri}\"}}\n"
    );
    std::fs::write(folder.file("countersign.yaml"), settings).expect("settings");
    let server = Served::start(folder.path(), &[], None);
    let mut stage = Stage::new(vec![Handset::new("first"), agent]);

    stage.claim(0, &server.uri(), ACCOUNT);
    guess(&mut stage, 0, &WRONG[..3]);
    stage.hear(0, "queue_wait");
    assert_eq!(stage.handsets[0].traced("outcome", "outcome").last().map(String::as_str), Some("not_proved"));
    stage.joined(0);
    let level = stage.handsets[1].headers.as_ref().and_then(|headers| headers.text("X-Countersign-Level"));
    assert_eq!(level.as_deref(), Some("none"), "three wrong PINs end the attempt and prove nothing");
    stage.hang_up(0);

    stage.claim(0, &server.uri(), ACCOUNT);
    guess(&mut stage, 0, &WRONG[3..]);
    stage.hear(0, "locked_for_now");
    assert!(stage.until(Duration::from_secs(15), |all| all[0].ended.is_some()), "the bank hangs up");
    let status = control::ask(folder.path(), &Request::Status, Duration::from_secs(10));
    let Ok(Reply::Status(status)) = status else { panic!("{status:?}") };
    assert_eq!(status.alarms.subjects_locked, 1);
    server.kill();

    let server = Served::start(folder.path(), &[], None);
    stage.claim(0, &server.uri(), ACCOUNT);
    stage.answer(0, "main_menu", "1");
    stage.hear(0, "locked_for_now");
    assert!(!stage.handsets[0].prompts().contains(&"pin_please".to_owned()), "a locked subject is not asked");
    stage.hang_up(0);
    drop(server);

    let vault = Vault::open_data(folder.path()).expect("the vault");
    let shown = vault.shown(os::unix_now(), "C1001").expect("readable").expect("there");
    assert!(shown.locked);
    assert_eq!(shown.failures, 5);
}

#[test]
fn an_unknown_account_hears_what_a_known_one_hears_with_wrong_pins() {
    let agent = Handset::agent();
    let site = Site::start("ghost", &[&agent]);
    add_customer(site.vault());
    let mut stage = Stage::new(vec![Handset::new("known"), Handset::new("unknown"), agent]);
    let mut told = Vec::new();
    for (who, account) in [(0, ACCOUNT), (1, UNKNOWN_ACCOUNT)] {
        stage.claim(who, &site.uri(), account);
        guess(&mut stage, who, &WRONG[..3]);
        stage.hear(who, "queue_wait");
        let caller = &stage.handsets[who];
        told.push((caller.prompts(), caller.traced("retry", "why"), caller.level()));
        stage.hang_up(who);
    }
    assert_eq!(told[0], told[1]);
    site.deployment.stop();
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are of interest")]
fn an_unknown_account_takes_as_long_as_a_known_one() {
    let folder = Folder::new("timing");
    let vault = Vault::open_data(folder.path()).expect("a vault");
    let bank = application::load(&ApplicationSource::Embedded("bank")).expect("the bank");
    let mut policy = (*bank.application.policy).clone();
    policy.lockout.per_subject.failures = u32::MAX;
    policy.lockout.hard_stop = u32::MAX;
    vault.set_policy(policy.into());
    add_customer(&vault);
    let subjects = [ACCOUNT, UNKNOWN_ACCOUNT].map(|account| subject(&vault, account));
    for factor in [FactorId::Pin, FactorId::Totp] {
        // A machine that is busy with something else may spoil a round; a real difference is in each.
        let mut rounds = (0..3).map(|_| compared(&vault, &subjects, factor));
        let alike = |[known, unknown]: &[Duration; 2]| {
            (1.0 / 1.5..1.5).contains(&(known.as_secs_f64() / unknown.as_secs_f64()))
        };
        let mut seen = Vec::new();
        let found = rounds.by_ref().inspect(|round| seen.push(*round)).any(|round| alike(&round));
        println!("{factor}: known and unknown {seen:?}");
        assert!(found, "{factor}: known and unknown {seen:?}");
    }
}

/// The medians of some dozen verifications of each, by turns.
fn compared(vault: &Vault, subjects: &[SubjectRef; 2], factor: FactorId) -> [Duration; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..30 {
        for (subject, times) in subjects.iter().zip(&mut times) {
            let before = os::now();
            assert_eq!(verify(vault, subject, factor, WRONG[0]), Verdict::Reject);
            times.push(os::now() - before);
        }
    }
    times.map(median)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn subject(vault: &Vault, account: &str) -> SubjectRef {
    let question = Question::Identify { claim: Claim::Account(secret(account)) };
    match vault.answer(os::unix_now(), question) {
        Answer::Identified(Identified::One(subject) | Identified::None(subject)) => subject,
        other => panic!("{other:?}"),
    }
}

fn verify(vault: &Vault, subject: &SubjectRef, factor: FactorId, response: &str) -> Verdict {
    let question = Question::Verify {
        subject: subject.clone(),
        factor,
        response: secret(response).into(),
        call: CallId(9),
    };
    match vault.answer(os::unix_now(), question) {
        Answer::Verdict { verdict, .. } => verdict,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_code_works_once_over_two_calls() {
    let site = Site::start("once", &[]);
    let app = add_customer(site.vault());
    let mut stage = Stage::new(vec![Handset::new("first"), Handset::new("second")]);
    // Both stand at the code before either types it, so that it is of its moment for both.
    for who in [0, 1] {
        stage.claim(who, &site.uri(), ACCOUNT);
        stage.answer(who, "main_menu", "3");
        stage.answer(who, "pin_please", &format!("{PIN}#"));
        stage.hear(who, "totp_please");
    }
    let (code, step) = (app.code(), app.step());
    stage.handsets[0].press(&code);
    assert!(stage.until(SOON, |all| all[0].level() == "strong"), "{:#?}", stage.handsets[0].traces);
    stage.handsets[1].press(&code);
    stage.hear(1, "not_quite_more");
    assert!(app.step() <= step + 1, "the code was still of its time");
    assert_eq!(stage.handsets[1].level(), "basic");
    for who in [0, 1] {
        stage.hang_up(who);
    }
    site.deployment.stop();
}
