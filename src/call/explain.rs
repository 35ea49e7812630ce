//! A call that is over, told in words from its record: step by step, for whoever runs the flow.
//!
//! It reads the stored record and nothing else, so that calls of former versions can be told too; an event
//! that it does not know is shown as it stands. A record holds no key, no number that was typed and nothing
//! of class personal, so neither does this.

use std::fmt::Write;

use serde_json::Value;

use crate::sip::stir::Reason;

/// The events of a record, each in a line of its own.
#[must_use]
pub fn steps(record: &Value) -> String {
    let mut out = String::new();
    let events = record["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    for event in events {
        let Some(what) = told(event) else { continue };
        // A block is a heading; what happens in it stands below.
        let indent = if event["event"] == "block" { "" } else { "  " };
        // Writing to a string does not fail.
        let _ = writeln!(out, "{}  {indent}{what}", clock(event["at_ms"].as_u64().unwrap_or(0)));
    }
    if let Some(dropped) = record["events_dropped"].as_u64().filter(|dropped| *dropped > 0) {
        let _ = writeln!(out, "{:9}  {dropped} further events were not kept", "");
    }
    out
}

/// Why a call ended, as a sentence.
#[must_use]
pub fn cause(record: &Value) -> String {
    let name = record["cause"].as_str().unwrap_or_default();
    match name {
        "flow_done" => "the flow hung up, its work done",
        "flow_busy" => "the flow said busy",
        "flow_rejected" => "the flow rejected the call",
        "flow_fault" => "the flow could not go on",
        "caller_hung_up" => "the caller hung up",
        "cancelled" => "the caller gave up before the call was answered",
        "no_port" => "no media port was free: give `serve` more with --rtp-ports",
        "not_acceptable" => "no codec in common with the caller's side",
        "no_ack" => "the caller's side never confirmed the answer",
        "unreachable" => "the caller's side did not answer any more",
        "media_timeout" => "no media came from the caller for too long",
        "max_duration" => "it lasted as long as a call may",
        "shutdown" => "the server was stopped",
        "code_told" => "the code was told",
        "busy" => "the line was busy",
        "no_answer" => "nobody answered",
        "declined" => "the call was declined",
        "no_key" => "it was answered, and nobody pressed the key: a mailbox, perhaps",
        "hung_up" => "they hung up before the code was told",
        "expired" => "the code was too old before it was told",
        "not_placed" => "the route did not take the call: see the log",
        "broken" => "no media in common, or the line broke",
        other => other,
    }
    .to_owned()
}

/// `01:02.345`
fn clock(millis: u64) -> String {
    format!("{:02}:{:02}.{:03}", millis / 60_000, millis / 1000 % 60, millis % 1000)
}

/// One event in words; `None` for what only repeats another.
fn told(event: &Value) -> Option<String> {
    let text = |field: &str| event[field].as_str().unwrap_or_default();
    Some(match text("event") {
        "block" => format!("block {}", text("block")),
        "step" => text("verb").to_owned(),
        "skipped" => format!("{} is skipped: its `when` does not hold", text("verb")),
        "outcome" => outcome(text("verb"), text("outcome"), text("arm")),
        "prompt" => format!("says `{}`", text("prompt")),
        "interrupted" => "a key cuts the prompt short".to_owned(),
        "voice" => "the caller's voice cuts the prompt short".to_owned(),
        "heard" => heard(event),
        "unheard" => unheard(text("why")),
        "asks" => asks(event),
        "waits" => "the question is said; the caller's time runs".to_owned(),
        "retry" => retry(text("why"), event["failures"].as_u64().unwrap_or(0)),
        "variable" if text("value").is_empty() => format!("{} is empty", text("variable")),
        "variable" => format!("{} is {}", text("variable"), text("value")),
        "fact" => format!("{}: {}", text("fact"), text("value")),
        "language" => format!("the language is {}", text("language")),
        "notice" => format!("notice `{}`, version {}, is heard", text("prompt"), text("version")),
        "level" => format!("the level is {}{}", text("level"), proved(event)),
        "protected" => format!("the service is not asked: it needs the level {}", text("level")),
        "service" => service(event),
        "hand_off" => hand_off(text("verb"), text("state"), event["agent"].as_str()),
        "audit" => format!("noted in the audit log: {}", text("name")),
        "error" => format!("ERROR: {}", text("what")),
        "finished" => format!("the flow is over: {}", finished(text("cause"))),
        "answered" => "the call is answered".to_owned(),
        "early_media" => "the caller hears us, and the call is not answered".to_owned(),
        "clip_missing" => "a recording is not there; the rest is played".to_owned(),
        "number" => number(text("verstat"), text("attestation"), text("why")),
        "held" => "the caller puts us on hold".to_owned(),
        "resumed" => "the caller is back from hold".to_owned(),
        "calling" => format!("the phone of {} is called", text("who")),
        "elsewhere" => format!("a server for {} does not answer, the next one is called", text("who")),
        "transfer_refused" => format!("a phone may not put the caller through: {}", event["status"]),
        "not_reached" => format!("{} is not reached: {}", text("who"), text("why")),
        "joined" => format!("the caller and {} are joined", text("who")),
        "parted" => "the other side is gone, the caller is not".to_owned(),
        "transferring" => format!("{} puts the caller through to {}", text("by"), text("to")),
        "no_audio" => no_audio(text("leg"), text("why")),
        "audio_again" => format!("audio comes again from {}", side(text("leg"))),
        "ordered" => format!("a call for the letter {}", text("letter")),
        "rings" => "the telephone rings".to_owned(),
        "code_told" => "the code is told".to_owned(),
        "recorded_by" => format!("the recording server {} records", text("who")),
        "recording_server_lost" => server_lost(text("who"), text("why")),
        "recording_failed" => "what was recorded can't be kept any more; nothing more is recorded".to_owned(),
        _ => return unknown(event),
    })
}

/// How long somebody spoke and how surely they were understood: never what they said.
fn heard(event: &Value) -> String {
    let seconds = |field: &str| event[field].as_u64().unwrap_or(0);
    let (spoke, took) = (seconds("spoke_ms"), seconds("took_ms"));
    let sure = event["confidence"].as_u64().unwrap_or(0);
    format!(
        "the caller speaks for {}.{} s; understood in {took} ms, {sure} % sure",
        spoke / 1_000,
        spoke % 1_000 / 100
    )
}

fn unheard(why: &str) -> String {
    let why = match why {
        "language" => "nobody hears this language",
        "full" => "too many callers spoke at once",
        "unreachable" => "the recogniser did not answer",
        "failed" => "the recogniser failed: see the log",
        other => other,
    };
    format!("the caller speaks, and nobody can tell what: {why}")
}

fn number(verstat: &str, attestation: &str, why: &str) -> String {
    let why = Reason::ALL.iter().find(|reason| reason.name() == why).map_or(why, |reason| reason.text());
    match (verstat, attestation) {
        ("passed", "") => "the caller's number is verified; nobody says how far it is vouched for".to_owned(),
        ("passed", level) => format!("the caller's number is verified, attestation {level}"),
        ("failed", _) => format!("the check of the caller's number FAILED: {why}"),
        (_, _) if why == "absent" => "the caller's number is not verified: nobody signed the call".to_owned(),
        (_, _) => format!("the caller's number is not verified: {why}"),
    }
}

fn side(leg: &str) -> &str {
    if leg == "caller" { "the caller" } else { "the other side" }
}

fn server_lost(who: &str, why: &str) -> String {
    let why = match why {
        "no_way" => "its address can't be reached from here",
        "no_ports" => "no port was free",
        "unreachable" => "it can't be reached",
        "no_answer" => "it does not answer",
        "refused" => "it refuses",
        "not_acceptable" => "its answer fits nothing that was offered",
        "hung_up" => "it hung up",
        why => why,
    };
    format!("the recording server {who} does not record: {why}")
}

fn no_audio(leg: &str, why: &str) -> String {
    let why = match why {
        "never" => "nothing ever came: a firewall, or an address that leads elsewhere",
        "stopped" => "it came and stopped",
        "elsewhere" => "packets come from an address that is not theirs, and are dropped",
        "other_kind" => "packets are of a kind that nobody agreed on",
        "wrong_keys" => "packets are encrypted with other keys than the description says",
        "garbage" => "what comes is no media",
        other => other,
    };
    format!("no audio from {} for 3 s: {why}", side(leg))
}

/// The media of a record: a line for each leg that talked.
#[must_use]
pub fn media(record: &Value) -> String {
    let others = record["other_media"].as_array().map(Vec::as_slice).unwrap_or_default();
    let legs =
        [("caller", &record["caller_media"])].into_iter().chain(others.iter().map(|leg| ("other", leg)));
    let mut out = String::new();
    for (name, leg) in legs.filter(|(_, leg)| leg.is_object()) {
        let number = |field: &str| leg[field].as_f64().unwrap_or(0.0);
        let (received, lost) = (number("received"), number("lost"));
        let percent = if received + lost > 0.0 { 100.0 * lost / (received + lost) } else { 0.0 };
        let mut more = String::new();
        let mut add = |text: String| more.push_str(&format!(", {text}"));
        if number("burst_ratio") > 1.05 {
            add(format!("in bursts (ratio {})", number("burst_ratio")));
        }
        add(format!("jitter {} ms", number("jitter_ms")));
        if let Some(trip) = leg["round_trip_ms"].as_f64() {
            add(format!("round trip {trip} ms"));
        }
        if let Some(loss) = leg["remote_loss"].as_f64() {
            add(format!("{:.1} % of ours lost there", loss * 100.0));
        }
        for (field, what) in [("foreign", "from strangers"), ("forged", "forged"), ("replayed", "replayed")] {
            if number(field) > 0.0 {
                add(format!("{} {what}, dropped", number(field)));
            }
        }
        if leg["encrypted"] == true {
            add("encrypted".to_owned());
        }
        let mos = number("mos");
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "media        {name}: MOS {mos}, {lost} packets lost of {} ({percent:.1} %){more}",
            received + lost
        );
    }
    out
}

fn outcome(verb: &str, outcome: &str, arm: &str) -> String {
    // An arm says more where several have one outcome: `key 1`, `case 2`.
    match arm {
        "" => format!("{verb} → {outcome}"),
        arm if arm == outcome => format!("{verb} → {outcome}"),
        arm => format!("{verb} → {outcome} ({arm})"),
    }
}

fn asks(event: &Value) -> String {
    let choices = event["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = choices.iter().filter_map(|choice| match choice {
        Value::String(text) => Some(text.clone()),
        choice => {
            let values = choice.as_object()?.values().filter_map(Value::as_str);
            Some(values.collect::<Vec<_>>().join(" "))
        }
    });
    let names = names.collect::<Vec<_>>().join(", ");
    match (event["factor"].as_str(), names.is_empty()) {
        (Some(factor), _) => format!("asks for the {factor}; what is typed is not kept"),
        (None, true) => "asks for a number; what is typed is not kept".to_owned(),
        (None, false) => format!("asks for a choice: {names}"),
    }
}

fn retry(why: &str, failures: u64) -> String {
    let why = match why {
        "no_input" => "nothing is typed",
        "no_match" => "what is typed does not fit",
        other => other,
    };
    format!("{why} (failure {failures} of this step)")
}

fn proved(event: &Value) -> String {
    let factors: Vec<&str> =
        event["factors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if factors.is_empty() { String::new() } else { format!(", proved by {}", factors.join(" and ")) }
}

fn service(event: &Value) -> String {
    let text = |field: &str| event[field].as_str().unwrap_or_default();
    let result = match text("result") {
        "found" => "answers",
        "not_found" => "has nothing of that kind",
        "many" => "has several",
        "declined" => "says no",
        "useless" => "answers with what it does not declare",
        "late" => "does not answer in time",
        "unavailable" => "does not answer",
        "refused: not the proven customer" => {
            "is not asked: it is protected, and this is not the proven customer"
        }
        other => other,
    };
    let took = event["took_ms"].as_u64().unwrap_or(0);
    format!("the service {}.{} {result} ({took} ms)", text("service"), text("call"))
}

fn hand_off(verb: &str, state: &str, agent: Option<&str>) -> String {
    match (state, agent) {
        ("waiting", _) => "the caller waits in line".to_owned(),
        ("ringing", _) => "a phone rings".to_owned(),
        ("connected", Some(agent)) => format!("{agent} has the caller"),
        ("connected", None) => "somebody has the caller".to_owned(),
        ("finished", _) => "the talk is over".to_owned(),
        (other, _) => format!("{verb}: {other}"),
    }
}

fn finished(cause: &str) -> &str {
    match cause {
        "normal" => "its work is done",
        "busy" => "it said busy",
        "rejected" => "it rejected the call",
        "fault" => "it could not go on",
        "caller_gone" => "the caller is gone",
        other => other,
    }
}

/// An event of another version of the engine.
fn unknown(event: &Value) -> Option<String> {
    let fields = event.as_object()?.iter().filter(|(name, _)| !matches!(name.as_str(), "at_ms" | "event"));
    let fields: Vec<String> = fields
        .map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name} {text}"),
            None => format!("{name} {value}"),
        })
        .collect();
    Some(format!("{} {}", event["event"].as_str()?, fields.join(", ")).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_media_of_each_leg_is_a_line() {
        let leg = json!({
            "received": 990, "lost": 10, "burst_ratio": 2.5, "jitter_ms": 1.25, "round_trip_ms": 20.5, "remote_loss": 0.01,
            "foreign": 3, "forged": 0, "replayed": 0, "encrypted": true, "mos": 4.05
        });
        assert_eq!(
            media(
                &json!({"caller_media": leg, "other_media": [{"received": 5, "lost": 0, "mos": 4.4, "jitter_ms": 0.5}]})
            ),
            "media        caller: MOS 4.05, 10 packets lost of 1000 (1.0 %), in bursts (ratio 2.5), jitter 1.25 ms, round trip \
             20.5 ms, 1.0 % of ours lost there, 3 from strangers, dropped, encrypted\nmedia        other: MOS 4.4, 0 packets \
             lost of 5 (0.0 %), jitter 0.5 ms\n"
        );
        assert_eq!(media(&json!({"caller_media": null, "other_media": []})), "");
        let silent = json!({"event": "no_audio", "leg": "caller", "why": "never"});
        assert!(
            told(&silent)
                .is_some_and(|text| text.starts_with("no audio from the caller for 3 s: nothing ever came"))
        );
    }

    #[test]
    fn every_event_is_a_sentence_and_an_unknown_one_is_shown_as_it_stands() {
        let record = json!({
            "cause": "caller_hung_up",
            "events": [
                {"at_ms": 0, "event": "block", "block": "start"},
                {"at_ms": 62_345, "event": "outcome", "verb": "decide", "outcome": "case 2", "arm": "case 2"},
                {"at_ms": 62_346, "event": "outcome", "verb": "menu", "outcome": "chosen", "arm": "key 1"},
                {"at_ms": 62_400, "event": "level", "level": "basic", "factors": ["pin"]},
                {"at_ms": 62_500, "event": "service", "service": "crm", "call": "find", "result": "late", "took_ms": 3000},
                {"at_ms": 62_600, "event": "sang", "song": "la", "notes": 3},
            ],
            "events_dropped": 4
        });
        let expected = "00:00.000  block start\n\
                        01:02.345    decide → case 2\n\
                        01:02.346    menu → chosen (key 1)\n\
                        01:02.400    the level is basic, proved by pin\n\
                        01:02.500    the service crm.find does not answer in time (3000 ms)\n\
                        01:02.600    sang notes 3, song la\n          \
                        \u{20}4 further events were not kept\n";
        assert_eq!(steps(&record), expected);
        assert_eq!(cause(&record), "the caller hung up");
        assert_eq!(steps(&json!({})), "");
    }
}
