//! A verified caller and an agent talk: both directions of the audio, keys, and what the agent is told.

mod site;

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

use countersign::audio::Clip;
use countersign::audio::correlate::correlate;
use countersign::auth::token;
use countersign::driver::os;
use countersign::units::Digit;
use site::{ACCOUNT, Handset, PIN, SOON, Site, Stage, add_customer};

const RATE: f64 = 8000.0;

/// A sound that is like no other part of itself: a tone that glides from one pitch to another, two seconds long.
fn glide(from: f64, to: f64) -> Vec<i16> {
    let length = 16_000_u32;
    (0..length)
        .map(|n| {
            let t = f64::from(n) / RATE;
            let pitch = from + (to - from) * t / 4.0;
            #[expect(clippy::cast_possible_truncation, reason = "within 8000")]
            let sample = ((TAU * pitch * t).sin() * 8000.0) as i16;
            sample
        })
        .collect()
}

#[test]
fn caller_and_agent_hear_each_other_and_the_agent_gets_proof_and_no_secret() {
    let agent = Handset::agent();
    let site = Site::start("loopback", &[&agent]);
    let app = add_customer(site.vault());
    let mut stage = Stage::new(vec![Handset::new("+441632960188"), agent]);
    stage.claim(0, &site.uri(), ACCOUNT);
    stage.answer(0, "main_menu", "2");
    stage.answer(0, "pin_please", &format!("{PIN}#"));
    stage.hear(0, "totp_please");
    let code = app.code();
    stage.handsets[0].press(&code);
    stage.joined(0);

    let (caller_says, agent_says) = (glide(300.0, 1500.0), glide(2500.0, 700.0));
    stage.handsets[0].say(&Arc::new(Clip::from_pcm(&caller_says)));
    stage.handsets[1].say(&Arc::new(Clip::from_pcm(&agent_says)));
    let said = |all: &[Handset]| all.iter().all(|handset| handset.plays_finished == 1);
    assert!(stage.until(SOON, said), "both have spoken");
    // What is on its way still, in jitter buffers and sockets.
    let heard = stage.handsets.iter().map(|handset| handset.heard.len() + 4000).collect::<Vec<_>>();
    let arrived = move |all: &[Handset]| all.iter().zip(&heard).all(|(one, until)| one.heard.len() >= *until);
    assert!(stage.until(SOON, arrived), "audio goes on");
    let at_agent = correlate(&caller_says, &stage.handsets[1].heard).expect("not silence");
    let at_caller = correlate(&agent_says, &stage.handsets[0].heard).expect("not silence");
    assert!(at_agent.score > 0.9, "the agent hears the caller: {at_agent:?}");
    assert!(at_caller.score > 0.9, "the caller hears the agent: {at_caller:?}");
    println!("caller to agent {:.4}, agent to caller {:.4}", at_agent.score, at_caller.score);

    assert_eq!(stage.handsets[1].keys, [], "no key of before the bridge reaches the agent");
    stage.handsets[0].press("159#");
    assert!(stage.until(SOON, |all| all[1].keys.len() >= 4), "keys reach the agent: {:?}", stage.handsets[1].keys);
    let pressed: Vec<Digit> = "159#".chars().filter_map(Digit::from_char).collect();
    assert_eq!(stage.handsets[1].keys, pressed);

    let headers = stage.handsets[1].headers.take().expect("the agent was called");
    let header = |name: &str| headers.text(name).unwrap_or_default().into_owned();
    assert_eq!(header("X-Countersign-Level"), "strong");
    assert_eq!(header("X-Countersign-Factors"), "pin, totp");
    let age: u64 = header("X-Countersign-Age").parse().expect("seconds");
    assert!(age < 60, "{age}");
    let key = site.vault().token_key().verifying_key();
    let claims = token::verify(&key, &header("X-Countersign-Token"), os::unix_now(), "agent0").expect("a good token");
    assert_eq!((claims.level.as_str(), claims.call), ("strong", header("X-Countersign-Call")));
    assert_eq!(claims.factors, ["pin", "totp"]);
    for field in headers.iter() {
        let value = String::from_utf8_lossy(&field.value).into_owned();
        for secret in [ACCOUNT, PIN, &code] {
            assert!(!value.contains(secret), "a secret in {:?}", field.name);
        }
    }

    // The agent hangs up; the caller hears goodbye and is let go.
    stage.hang_up(1);
    stage.hear(0, "goodbye");
    assert!(stage.until(Duration::from_secs(15), |all| all[0].ended.is_some()), "the bank hangs up");
    assert!(stage.until(SOON, |_| site.deployment.ended() == 1));
    site.deployment.stop();
}
