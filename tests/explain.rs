//! Calls that are over, told step by step: the words of a whole call, and that nothing secret is in them.

mod light;
mod site;

use std::path::Path;

use light::Light;
use serde_json::Value;
use site::{ACCOUNT, Folder, Handset, IN_TIME, PIN, SOON, Site, Stage, add_customer, run};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn calls(data: &Path) -> Vec<Value> {
    let listed = run(&["calls", "--format", "json", "--data", &data.display().to_string()]);
    serde_json::from_slice(&listed.stdout).unwrap_or_else(|error| panic!("{error}: {listed:?}"))
}

fn explain(data: &Path, call: &str) -> String {
    let told = run(&["explain", call, "--data", &data.display().to_string()]);
    assert!(told.status.success(), "{}", text(&told.stderr));
    text(&told.stdout)
}

/// The same without what differs from call to call: names, dates, times, figures of the media.
fn steady(told: &str, record: &Value) -> String {
    let mut out = String::new();
    for line in told.lines() {
        let timed = line.len() > 9 && line.as_bytes()[2] == b':' && line.as_bytes()[5] == b'.';
        let line = if timed { &line[9..] } else { line };
        let line = match line.split_whitespace().next() {
            Some("began") => "  began",
            Some("ended") => line.split_once(": ").map_or(line, |(_, why)| why),
            Some("talked") => line.split_once(", after").map_or(line, |(who, _)| who),
            Some("media") => "  media",
            _ => line,
        };
        let line = line.replace(record["call"].as_str().expect("a name"), "CALL");
        let line = line.replace(record["application"]["hash"].as_str().expect("a hash"), "HASH");
        let service = line.split_once(" (").filter(|(before, _)| before.contains("the service"));
        out.push_str(service.map_or(line.as_str(), |(before, _)| before).trim_end());
        out.push('\n');
    }
    out
}

#[test]
fn a_call_is_told_step_by_step_with_every_decision() {
    let folder = Folder::new("told");
    let light = Light::in_folder(&folder.file("app"));
    let site = Site::of("told-data", light.path(), 1, &[]);
    let data = site.folder.path().to_owned();
    assert!(
        text(&run(&["calls", "--data", &data.display().to_string()]).stdout).contains("no call has ended")
    );
    let mut stage = Stage::new(vec![Handset::new("caller")]);
    stage.handsets[0].dial(&site.uri());
    stage.answer(0, "hello", "1");
    stage.answer(0, "hello", "7");
    stage.answer(0, "hello", "2");
    let waits = |all: &[Handset]| all[0].traces.iter().any(|trace| trace["state"] == "waiting");
    assert!(stage.until(IN_TIME, waits), "the caller waits: {:#?}", stage.handsets[0].traces);
    stage.hang_up(0);
    assert!(stage.until(SOON, |_| site.vault().calls(1).is_ok_and(|calls| calls.len() == 1)));
    let record = calls(&data).remove(0);
    let told = steady(&explain(&data, record["call"].as_str().expect("a name")), &record);
    let golden = include_str!("data/explain/light.txt");
    assert_eq!(told, golden, "{told}");

    // The first characters will do; what is not there is answered with what is.
    let name = record["call"].as_str().expect("a name");
    assert_eq!(steady(&explain(&data, &name[..6]), &record), golden);
    let data = data.display().to_string();
    let unknown = run(&["explain", "nonesuch", "--data", &data]);
    let why = text(&unknown.stderr);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        why.contains("no call `nonesuch`") && why.contains("the last calls are") && why.contains(name),
        "{why}"
    );
    let list = text(&run(&["calls", "--last", "1", "--data", &data]).stdout);
    assert!(list.contains(name) && list.contains("caller_hung_up") && list.lines().count() == 1, "{list}");
    let json = run(&["explain", name, "--format", "json", "--data", &data]);
    assert_eq!(serde_json::from_slice::<Value>(&json.stdout).expect("the record"), record);
    site.deployment.stop();
}

#[test]
fn who_proved_themselves_is_told_without_what_they_typed() {
    let site = Site::start("told-bank", &[]);
    add_customer(site.vault());
    let mut stage = Stage::new(vec![Handset::new("caller")]);
    stage.claim(0, &site.uri(), ACCOUNT);
    stage.answer(0, "main_menu", "1");
    stage.answer(0, "pin_please", "91827364#");
    stage.answer(0, "pin_please", &format!("{PIN}#"));
    stage.hear(0, "your_balance");
    stage.hang_up(0);
    assert!(stage.until(SOON, |_| site.vault().calls(1).is_ok_and(|calls| calls.len() == 1)));
    let data = site.folder.path();
    let record = calls(data).remove(0);
    let told = explain(data, record["call"].as_str().expect("a name"));
    for line in [
        "level        basic, proved by pin",
        "the language is en-GB",
        "asks for the pin; what is typed is not kept",
        "the level is basic, proved by pin",
        "authenticate → reached",
        "the service accounts.balance answers",
        "says `your_balance`",
        "ended        after",
        "the caller hung up",
    ] {
        assert!(told.contains(line), "{line} is not in\n{told}");
    }
    for secret in [ACCOUNT, PIN, "91827364", "1204"] {
        assert!(!told.contains(secret) && !record.to_string().contains(secret), "{secret} is in\n{told}");
    }
    site.deployment.stop();
}
