//! A code that is told in a call, over real sockets: the caller gives an account number, the telephone on file
//! rings, and what is heard there is keyed here.

mod site;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use countersign::audio::correlate::correlate;
use countersign::driver::embedded;
use countersign::driver::sender::Status;
use countersign::sip::StatusCode;
use serde_json::Value;
use site::{ACCOUNT, Folder, Handset, IN_TIME, PHONE_ON_FILE, SOON, Site, Stage, add_customer};

const FLOW: &str = r#"callflow: 1
id: callback
title: Calls back
entry: start
vars:
  account: {type: digits, class: personal}
blocks:
  start:
    - answer:
    - ask: account_number
      into: account
      digits: {exact: 8}
      no_input: [account_silent]
      no_match: [account_wrong]
      give_up: {goto: bye}
    - identify: customer
      by: account
      outcome: {one: continue, none: continue, many: {goto: bye}, unavailable: {goto: bye}}
    - authenticate: customer
      level: basic
      offer: [otp_call]
      wait_for_code: 90s
      prompts: {otp_call: code_on_its_way, failed: not_quite_one}
      outcome:
        reached: {goto: proved}
        insufficient: {goto: bye}
        not_enrolled: {goto: bye}
        locked: {goto: bye}
        unavailable: {goto: bye}
  proved:
    - say: main_menu
    - goto: bye
  bye:
    - say: goodbye
    - hangup: normal
"#;

const POLICY: &str = r#"authpolicy: 1
factors:
  pin: {kind: knowledge, digits: 8, store: argon2id}
  totp: {kind: possession, digits: 6}
  otp_call: {kind: possession, send: call, digits: 8, life: 5m, to: on_file}
levels:
  basic: {factors: 1}
"#;

const PROMPTS: &str = r#"language: en-GB
prompts:
  account_number: Your account number, please.
  account_silent: Sorry?
  account_wrong: That is no account number.
  code_on_its_way: We are calling the number that we have on file.
  not_quite_one: That was not right.
  main_menu: Thank you.
  goodbye: Goodbye.
"#;

fn application(folder: &Path) {
    fs::create_dir_all(folder.join("prompts")).expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a file");
    write("callback.flow.yaml", FLOW);
    write("policy.yaml", POLICY);
    write("prompts/en-GB.yaml", PROMPTS);
}

/// A deployment whose route for the customer's number leads to `called`: straight, or by a trunk.
fn start(name: &str, called: &Handset, by_trunk: bool) -> (Site, Folder) {
    let (data, app) = (Folder::new(name), Folder::new(&format!("{name}-app")));
    application(app.path());
    let there = format!("\"sip:127.0.0.1:{}\"", called.phone.address.port());
    let by = if by_trunk { "trunk carrier" } else { &there };
    let settings = format!(
        "trunks:\n  - {{name: loopback, addresses: [\"127.0.0.0/8\"], trace: true}}\n  - {{name: carrier, country: \"+44\", out: {{servers: \
         [{there}], carries: [\"+44\"], dial: national, options_seconds: 0}}}}\nletters: {{countries: [\"+44\"]}}\nsenders:\n  - \
         name: calls\n    call: {{from: \"+441632960000\", routes: [{{to: [\"+44\"], by: {by}}}]}}\n"
    );
    fs::write(data.file("countersign.yaml"), settings).expect("settings");
    let site = Site::in_folder(data, app.path(), 2, &[]);
    add_customer(site.vault());
    (site, app)
}

/// The code in what was heard, as it was said first or again; `None` while it was not said once in full.
fn told(heard: &[i16]) -> Option<String> {
    let said = |name: &str| embedded::clip(name).expect("a recording").pcm();
    let before = [said("en-GB/code_call_code"), said("en-GB/code_call_again")];
    let digits: Vec<_> = (0..10_u8).map(|digit| said(&format!("en-GB/digits/{digit}"))).collect();
    let pause = said("pause/long").len();
    // Each time it was said: on a busy machine a word of one may be broken.
    (0..heard.len()).step_by(8000).find_map(|from| {
        before.iter().find_map(|before| {
            let window = &heard[from..heard.len().min(from + 8000 + before.len())];
            let found = correlate(before, window).filter(|found| found.score > 0.9)?;
            told_after(from + found.lag + before.len(), pause, &digits, heard)
        })
    })
}

/// The code in what the called one has heard so far; everybody goes on hearing meanwhile.
fn told_so_far(stage: &mut Stage) -> Option<String> {
    let heard = stage.handsets[1].heard.clone();
    std::thread::scope(|scope| {
        let thinking = scope.spawn(|| told(&heard));
        stage.until(IN_TIME, |_| thinking.is_finished());
        thinking.join().expect("a thought")
    })
}

/// The code that begins a pause behind this place, digit by digit.
fn told_after(mut at: usize, pause: usize, digits: &[Vec<i16>], heard: &[i16]) -> Option<String> {
    let mut code = String::new();
    for _ in 0..8 {
        at += pause;
        let begin = at.saturating_sub(pause / 2);
        let mut best = (0.0, ' ', 0);
        for (clip, digit) in digits.iter().zip('0'..) {
            let window = heard.get(begin..at + clip.len() + pause / 2)?;
            if let Some(found) = correlate(clip, window).filter(|found| found.score > best.0) {
                best = (found.score, digit, begin + found.lag + clip.len());
            }
        }
        if best.0 < 0.8 {
            return None;
        }
        code.push(best.1);
        at = best.2;
    }
    Some(code)
}

/// Everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("whole").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_heard_at_the_telephone_on_file_proves_the_caller() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .init();
    let called = Handset::agent();
    let (site, _app) = start("code-call", &called, false);
    let mut stage = Stage::new(vec![Handset::new("+441632960188"), called]);
    stage.handsets[0].dial(&site.uri());
    stage.answer(0, "account_number", ACCOUNT);
    stage.hear(0, "code_on_its_way");
    assert!(stage.until(SOON, |all| !all[1].heard.is_empty()), "the other telephone rings and is answered");
    let quiet = stage.until(SOON, |all| all[1].heard.len() > 8000 * 4);
    assert!(quiet && told_so_far(&mut stage).is_none(), "nothing is told before the key");
    stage.handsets[1].press("1");
    // On a busy machine a word may be broken: it is said more than once.
    let code = (0..4).find_map(|_| {
        let until = stage.handsets[1].heard.len() + 8000 * 12;
        stage.until(SOON * 2, |all| all[1].heard.len() > until);
        told_so_far(&mut stage)
    });
    let code = code.expect("the code");
    stage.handsets[0].press(&code);
    stage.hear(0, "main_menu");
    assert_eq!(stage.handsets[0].level(), "basic");
    stage.hang_up(1);
    stage.hang_up(0);
    for field in stage.handsets[1].headers.as_ref().expect("called").iter() {
        assert!(!String::from_utf8_lossy(&field.value).contains(&code), "{:?}", field.name);
    }
    let delivered = |_: &[Handset]| {
        let letters = site.vault().letters(1).expect("letters");
        letters.iter().any(|row| row.status == Status::Delivered && row.sender.as_deref() == Some("calls"))
    };
    assert!(stage.until(SOON, delivered), "{:?}", site.vault().letters(1));
    let kept = |_: &[Handset]| site.vault().calls(10).is_ok_and(|calls| calls.len() == 2);
    assert!(stage.until(SOON, kept), "both calls have their records");
    let records = site.vault().calls(10).expect("records");
    let records: Vec<Value> =
        records.iter().map(|call| serde_json::from_str(&call.record).expect("JSON")).collect();
    let outbound =
        records.iter().find(|record| record["direction"] == "outbound").expect("a call of our own");
    assert_eq!((&outbound["cause"], &outbound["trunk"]), (&"code_told".into(), &"calls".into()));
    let all = serde_json::to_string(&records).expect("JSON");
    assert!(!all.contains(&code) && !all.contains(&PHONE_ON_FILE[1..]), "{all}");
    drop(site);
    let log = String::from_utf8_lossy(&log.0.lock().expect("whole")).into_owned();
    assert!(log.contains("a call of our own begins") && !log.contains(&code), "the code is in the log");
}

#[test]
fn a_busy_line_behind_a_trunk_is_the_letters_fate() {
    let called = Handset::new("called");
    let (site, _app) = start("busy-call", &called, true);
    let mut stage = Stage::new(vec![Handset::new("+441632960188"), called]);
    stage.handsets[1].refuses = Some(StatusCode::BUSY_HERE);
    stage.handsets[0].dial(&site.uri());
    stage.answer(0, "account_number", ACCOUNT);
    let failed = |_: &[Handset]| {
        let letters = site.vault().letters(1).expect("letters");
        letters.iter().any(|row| row.reason.as_deref() == Some("the line is busy"))
    };
    assert!(stage.until(IN_TIME, failed), "{:?}", site.vault().letters(1));
    let headers = stage.handsets[1].headers.as_ref().expect("called");
    let shown = |name| headers.text(name).unwrap_or_default().into_owned();
    assert!(
        shown("To").contains("sip:01632960101@") && shown("From").contains("sip:01632960000@"),
        "as the carrier dials"
    );
    // The caller is told what somebody who does not exist is told: the code is on its way.
    stage.hear(0, "code_on_its_way");
    stage.hang_up(0);
}
