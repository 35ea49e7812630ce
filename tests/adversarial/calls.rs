//! Guessing and looking for accounts through real calls: several attackers from several numbers, kills and restarts
//! in between. What they reach, and what they learn.

use std::process::Command;

use countersign::driver::os;
use countersign::driver::vault::Vault;

use crate::hunt::{Hunted, SECOND};
use crate::rounds;
use crate::site::{Handset, IN_TIME, Served, Stage};
use crate::statistic::Times;
use crate::timing::tell;

/// An account that nobody has.
const UNKNOWN: &str = "83610475";
/// Attackers at each account; every one calls from a number of their own.
const ATTACKERS: u32 = 4;
/// What a day has room for by the policy, which says nothing of it: the default.
const PER_DAY: u32 = 10;

/// What an attacker hears in a call, and how long each answer took, in nanoseconds.
struct Heard {
    prompts: Vec<String>,
    outcome: Option<String>,
    levels: Vec<String>,
    times: Vec<f64>,
    guesses: u32,
}

/// One call: account, then PINs until the engine ends it.
fn attack(from: &str, uri: &str, account: &str, turn: u32) -> Heard {
    let mut stage = Stage::new(vec![Handset::new(from)]);
    stage.handsets[0].dial(uri);
    stage.answer(0, "account_number", &format!("{account}#"));
    let asked = |all: &[Handset]| all[0].prompts().iter().filter(|prompt| *prompt == "pin_please").count();
    let (mut times, mut guesses) = (Vec::new(), 0);
    loop {
        let before = usize::try_from(guesses).expect("few");
        let begun = os::now();
        let next = stage.until(IN_TIME, |all| all[0].ended.is_some() || asked(all) > before);
        assert!(next, "neither asked nor ended: {:?}", stage.handsets[0].prompts());
        if guesses > 0 {
            times.push((os::now() - begun).as_nanos() as f64);
        }
        if asked(&stage.handsets) <= before {
            break;
        }
        stage.handsets[0].press(&format!("{:08}#", 40_000_000 + turn * 100 + guesses));
        guesses += 1;
    }
    let caller = &stage.handsets[0];
    Heard {
        prompts: caller.prompts(),
        outcome: caller.traced("outcome", "outcome").pop(),
        levels: caller.traced("level", "level"),
        times,
        guesses,
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
fn guessing_through_real_calls_opens_nothing_and_tells_nothing() {
    let mut hunted = Hunted::start();
    let data = hunted.folder.file("data");
    let application = hunted.folder.file("app").display().to_string();
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..rounds(2, 6) {
        if round > 0 {
            let killed = Command::new("kill").args(["-9", &hunted.served.pid().to_string()]).status();
            assert!(killed.is_ok_and(|status| status.success()));
            hunted.served.ended();
            hunted.served = Served::start(&data, &[&application], None);
        }
        let uri = format!("sip:hunted@{}", hunted.served.sip);
        for attacker in 0..ATTACKERS {
            let turn = round * 10 + attacker;
            known.push(attack(&format!("+4416329603{attacker:02}"), &uri, SECOND.account, turn));
            unknown.push(attack(&format!("+4416329604{attacker:02}"), &uri, UNKNOWN, turn));
        }
    }
    let keyed: u32 = known.iter().map(|heard| heard.guesses).sum();
    let vault = Vault::open_data(&data).expect("opens");
    let judged = vault.guesses(os::unix_now(), "H2").expect("read");
    println!(
        "{} calls at one account from {} numbers: {keyed} PINs keyed, {judged} judged, 0 right; {judged} in 10^8 a day",
        known.len(),
        ATTACKERS
    );
    assert!((1..=PER_DAY).contains(&judged), "{judged} guesses");
    assert!(f64::from(judged) <= 1e-7 * 1e8, "eight digits: at most one in ten million a day");
    for (known, unknown) in known.iter().zip(&unknown) {
        assert!(known.levels.is_empty() && unknown.levels.is_empty(), "no level is reached");
        assert_eq!(
            (&known.prompts, &known.outcome, known.guesses),
            (&unknown.prompts, &unknown.outcome, unknown.guesses)
        );
    }
    let times: Times =
        [known, unknown].map(|heard| heard.into_iter().flat_map(|heard| heard.times).collect());
    let t = tell("from the last key to the next prompt, known and unknown", &times);
    assert!(t < 4.5, "the time to the next prompt tells whether there is such an account: {t}");
}
