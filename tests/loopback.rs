//! A verified caller and an agent talk: both directions of the audio, keys, and what the agent is told.
//! And the way of a newcomer: the program serves the demonstration bank, and its own test caller goes
//! through it as the demo customer.

mod site;

use std::f64::consts::TAU;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use countersign::audio::Clip;
use countersign::audio::correlate::correlate;
use countersign::auth::token;
use countersign::driver::os;
use countersign::units::Digit;
use serde_json::Value;
use site::{ACCOUNT, Folder, Handset, PIN, SOON, Served, Site, Stage, add_customer, rtp_ports};

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

/// Both speak at once: how much of the caller's words the agent hears, and the other way round.
fn talk(stage: &mut Stage, [caller, agent]: [&[i16]; 2]) -> [f64; 2] {
    let from = [stage.handsets[0].heard.len(), stage.handsets[1].heard.len()];
    stage.handsets[0].say(&Arc::new(Clip::from_pcm(caller)));
    stage.handsets[1].say(&Arc::new(Clip::from_pcm(agent)));
    let said = |all: &[Handset]| all.iter().all(|handset| handset.plays_finished > 0);
    assert!(stage.until(SOON, said), "both have spoken");
    stage.handsets.iter_mut().for_each(|handset| handset.plays_finished = 0);
    // What is on its way still, in jitter buffers and sockets.
    let heard = stage.handsets.iter().map(|handset| handset.heard.len() + 4000).collect::<Vec<_>>();
    let arrived = move |all: &[Handset]| all.iter().zip(&heard).all(|(one, until)| one.heard.len() >= *until);
    assert!(stage.until(SOON, arrived), "audio goes on");
    let score = |said: &[i16], who: usize| {
        correlate(said, &stage.handsets[who].heard[from[who]..]).map_or(0.0, |found| found.score)
    };
    [score(caller, 1), score(agent, 0)]
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are of interest")]
fn caller_and_agent_hear_each_other_and_the_agent_gets_proof_and_no_secret() {
    let agent = Handset::agent();
    let site = Site::start("loopback", &[&agent]);
    let app = add_customer(site.vault());
    let mut stage = Stage::new(vec![Handset::new("+441632960188"), agent]);
    stage.claim(0, &site.uri(), ACCOUNT);
    stage.answer(0, "main_menu", "3");
    let code = stage.proved_to_the_agent(0, &app);

    let (caller_says, agent_says) = (glide(300.0, 1500.0), glide(2500.0, 700.0));
    // A machine that is busy with something else may lose a packet; what is wrong with us is wrong each time.
    let scores: Vec<[f64; 2]> = (0..3)
        .scan(false, |heard, _| {
            let scores = (!*heard).then(|| talk(&mut stage, [&caller_says, &agent_says]))?;
            *heard = scores.iter().all(|score| *score > 0.9);
            Some(scores)
        })
        .collect();
    let [at_agent, at_caller] = *scores.last().expect("they spoke");
    assert!(
        at_agent > 0.9 && at_caller > 0.9,
        "the agent hears the caller, and the caller the agent: {scores:?}"
    );
    println!("caller to agent {:.4}, agent to caller {:.4}", at_agent, at_caller);

    assert_eq!(stage.handsets[1].keys, [], "no key of before the bridge reaches the agent");
    stage.handsets[0].press("159#");
    assert!(
        stage.until(SOON, |all| all[1].keys.len() >= 4),
        "keys reach the agent: {:?}",
        stage.handsets[1].keys
    );
    let pressed: Vec<Digit> = "159#".chars().filter_map(Digit::from_char).collect();
    assert_eq!(stage.handsets[1].keys, pressed);

    let headers = stage.handsets[1].headers.take().expect("the agent was called");
    let header = |name: &str| headers.text(name).unwrap_or_default().into_owned();
    assert_eq!(header("X-Countersign-Level"), "strong");
    assert_eq!(header("X-Countersign-Factors"), "pin, totp");
    let age: u64 = header("X-Countersign-Age").parse().expect("seconds");
    assert!(age < 60, "{age}");
    let key = site.vault().token_key().verifying_key();
    let claims =
        token::verify(&key, &header("X-Countersign-Token"), os::unix_now(), "agent0").expect("a good token");
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

/// The newcomer's way, with everything logged that the program can log, and looked through afterwards.
#[test]
fn the_demo_customer_reaches_the_demo_agent_and_nothing_secret_is_written() {
    let folder = Folder::new("demo");
    let data = folder.file("data");
    let log = folder.file("log.txt");
    let server = Served::start(&data, &["--demo-agent"], Some(&log));
    let uri = server.uri();
    let data_text = data.display().to_string();
    assert!(server.greeting.contains(&format!("call {uri} --demo {data_text}")), "{}", server.greeting);

    let ports = rtp_ports();
    let ports = format!("{}-{}", ports.start(), ports.end());
    let heard = folder.file("heard.wav");
    let heard_text = heard.display().to_string();
    let call = site::run(&[
        "call",
        &uri,
        "--demo",
        &data_text,
        "--json",
        "--stay",
        "2",
        "--rtp-ports",
        &ports,
        "--user",
        "+441632960166",
        "--expect-level",
        "strong",
        "--record",
        &heard_text,
    ]);
    let told = String::from_utf8_lossy(&call.stdout).into_owned();
    let errors = String::from_utf8_lossy(&call.stderr).into_owned();
    assert_eq!(call.status.code(), Some(0), "{told}\n{errors}");
    let outcome: Value = serde_json::from_str(&told).expect("one JSON object");
    assert_eq!(outcome["answered"], true);
    assert_eq!(outcome["agent_connected"], true);
    assert_eq!(outcome["level"], "strong");
    assert_eq!(outcome["factors"], serde_json::json!(["pin", "totp"]));
    assert!(outcome["events"].as_array().is_some_and(|events| events.len() > 20), "{told}");
    assert!(fs::metadata(&heard).expect("a recording").len() > 100_000, "the call was recorded");
    drop(server);

    // The file for the newcomer says the secrets; nothing else may.
    let credentials = data.join("demo-credentials.txt");
    let text = fs::read_to_string(&credentials).expect("readable");
    let fields = text.lines().filter_map(|line| line.split_once(' '));
    let mut secrets: Vec<String> = fields
        .filter(|(name, _)| ["account", "pin", "totp-secret"].contains(name))
        .map(|(_, value)| value.to_owned())
        .collect();
    assert_eq!(secrets.len(), 9, "three customers");
    secrets.push("1632960166".to_owned());
    fs::remove_file(&credentials).expect("removed");
    let mut places = vec![("--json".to_owned(), told.into_bytes()), ("the errors".to_owned(), call.stderr)];
    places.push(("the log".to_owned(), fs::read(&log).expect("a log")));
    for entry in fs::read_dir(&data).expect("the data folder") {
        let path = entry.expect("an entry").path();
        // The socket that the server is steered by has no bytes of its own.
        if !path.is_file() {
            continue;
        }
        places.push((path.display().to_string(), fs::read(&path).expect("its bytes")));
    }
    assert!(places.len() >= 7, "keys, database, audit log and settings were looked at");
    assert!(places[2].1.windows(11).any(|run| run == b"call begins"), "the call was logged");
    for (place, bytes) in places {
        for secret in &secrets {
            let found = bytes.windows(secret.len()).any(|run| run == secret.as_bytes());
            assert!(!found, "{place} has a secret in it");
        }
    }
}
