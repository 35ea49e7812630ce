//! The newcomer's way: the program serves the demonstration bank, and its own test caller goes through it as
//! the demo customer. With everything logged that the program can log, and looked through afterwards.

mod site;

use std::fs;

use serde_json::Value;
use site::{Folder, Served, rtp_ports};

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
        "call", &uri, "--demo", &data_text, "--json", "--stay", "2", "--rtp-ports", &ports, "--user",
        "+441632960166", "--expect-level", "strong", "--record", &heard_text,
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
