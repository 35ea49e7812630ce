use std::time::Duration;

use super::*;
use crate::auth::SubjectKey;
use crate::driver::sender::{Purpose, SenderConfig};

pub(in crate::driver::sender) fn settings(yaml: &str) -> Settings {
    let text = format!("{{name: x, sms_http: {{secret: key, {yaml}}}}}");
    let config: SenderConfig = serde_saphyr::from_str(&text).expect("settings");
    config.check().expect("usable");
    config.sms_http.expect("of this kind")
}

fn letter(to: &str, text: &str) -> Letter {
    Letter {
        channel: Channel::Sms,
        to: Secret::new(to.to_owned()),
        subject: SubjectKey([1; 16]),
        language: "en-GB".to_owned(),
        text: Secret::new(text.to_owned()),
        code: None,
        title: None,
        purpose: Purpose::Code,
        until: UnixTime(0).plus(Duration::from_secs(600)),
    }
}

/// Headers and body of a request, as text.
fn written(settings: &Settings, text: &str) -> String {
    let secret = Secret::new("token".to_owned());
    let letter = letter("+447400123456", text);
    let made = request(settings, &secret, LetterId([7; 16]), &letter, UnixTime(1_700_000_000_000));
    let Ok(made) = made else { return "unfit".to_owned() };
    let headers: String =
        made.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.expose())).collect();
    format!("{headers}{}\n\n{}", made.body.media, String::from_utf8_lossy(made.body.bytes.expose()))
}

const TWILIO: &str = "profile: twilio, account: AC1, from: \"+15005550006\"";

#[test]
fn requests_are_in_the_style_of_their_provider() {
    let basic = "Authorization: Basic QUMxOnRva2Vu\n";
    let form = "application/x-www-form-urlencoded\n\n";
    assert_eq!(
        written(&settings(&format!("{TWILIO}, callback: \"https://ivr.example/r\"")), "Code: 1&2"),
        format!(
            "{basic}{form}To=%2B447400123456&From=%2B15005550006&Body=Code%3A%201%262&StatusCallback=https%3A%2F%2F\
             ivr.example%2Fr%3Fletter%3D07070707070707070707070707070707"
        )
    );
    let call = written(&settings(&TWILIO.replace("twilio,", "twilio_call,")), "Code 42 <now>");
    assert!(call.matches("Code%204%2C%202%20%26lt%3Bnow%26gt%3B").count() == 2, "{call}");
    assert_eq!(
        written(&settings("profile: vonage_form, account: abc, from: Bank"), "Kód"),
        format!(
            "{form}api_key=abc&api_secret=token&from=Bank&to=447400123456&text=K%C3%B3d&type=unicode&\
             client-ref=07070707070707070707070707070707"
        )
    );
    assert_eq!(
        written(&settings("profile: vonage_json, account: AC1, from: Bank"), "Hi \"x\""),
        format!(
            "{basic}application/json\n\n{{\"channel\":\"sms\",\"client_ref\":\"07070707070707070707070707070707\",\
             \"from\":\"Bank\",\"message_type\":\"text\",\"text\":\"Hi \\\"x\\\"\",\"to\":\"447400123456\"}}"
        )
    );
    assert_eq!(written(&settings(TWILIO), ""), "unfit");
}

#[test]
fn our_own_is_signed_and_nothing_that_is_filled_in_is_a_placeholder_again() {
    let own = settings(
        "profile: signed, url: \"https://x.example\", body: '{\"n\": {to}, \"t\": {text}, \"z\": {other}}'",
    );
    let made = written(&own, "say {to} \"now\"");
    let body = "{\"n\": \"+447400123456\", \"t\": \"say {to} \\\"now\\\"\", \"z\": {other}}";
    assert!(made.ends_with(&format!("application/json\n\n{body}")), "{made}");
    let signature = signed::sign(&Secret::new("token".to_owned()), 1_700_000_000, body.as_bytes());
    assert!(made.starts_with(&format!(
        "X-Countersign-Timestamp: 1700000000\nX-Countersign-Signature: {signature}\n"
    )));
    let form =
        settings("profile: signed, url: \"https://x.example\", format: form, body: \"n={to}&t={text}\"");
    assert!(written(&form, "1 & 2").ends_with("n=%2B447400123456&t=1%20%26%202"));
    let usual = written(&settings("profile: signed, url: \"https://x.example\""), "hi");
    let body = usual.split_once("\n\n").expect("a body").1;
    let read: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!((read["text"].as_str(), read["purpose"].as_str()), (Some("hi"), Some("code")));
}

#[test]
fn replies_are_told_apart() {
    let named = |reference: &str| Ok(Accepted { reference: Some(reference.to_owned()), delivered: false });
    let own = Code::Own;
    let table: &[(&str, u16, &str, Result<Accepted, NotTaken>)] = &[
        (TWILIO, 201, r#"{"sid": "SM1", "status": "queued"}"#, named("SM1")),
        (TWILIO, 201, "<html>", Err(NotTaken::Garbage)),
        (TWILIO, 400, r#"{"code": 21211}"#, Err(NotTaken::Address(own(21211)))),
        (TWILIO, 401, r#"{"code": 20003}"#, Err(NotTaken::Credentials(own(20003)))),
        (TWILIO, 429, r#"{"code": 20429}"#, Err(NotTaken::Throttled(own(20429)))),
        (TWILIO, 503, "", Err(NotTaken::Provider(Code::Http(503)))),
        (
            "profile: vonage_form, account: a, from: b",
            200,
            r#"{"messages": [{"status": "0", "message-id": "A"}, {"status": "0", "message-id": "B"}]}"#,
            named("B"),
        ),
        (
            "profile: vonage_form, account: a, from: b",
            200,
            r#"{"messages": [{"status": "0", "message-id": "A"}, {"status": "1"}]}"#,
            Err(NotTaken::Throttled(own(1))),
        ),
        (
            "profile: vonage_form, account: a, from: b",
            200,
            r#"{"messages": [{"status": "4"}]}"#,
            Err(NotTaken::Credentials(own(4))),
        ),
        (
            "profile: vonage_form, account: a, from: b",
            200,
            r#"{"messages": [{"status": "7"}]}"#,
            Err(NotTaken::Address(own(7))),
        ),
        ("profile: vonage_form, account: a, from: b", 200, r#"{"messages": []}"#, Err(NotTaken::Garbage)),
        ("profile: vonage_json, account: a, from: b", 202, r#"{"message_uuid": "u-1"}"#, named("u-1")),
        ("profile: vonage_json, account: a, from: b", 422, "{}", Err(NotTaken::Address(Code::Http(422)))),
        ("profile: signed, url: \"https://x.example\"", 200, r#"{"id": 7}"#, named("7")),
        ("profile: signed, url: \"https://x.example\"", 204, "", Ok(Accepted::default())),
        ("profile: signed, url: \"https://x.example\"", 200, "{\"id\": \"a\\nb\"}", Ok(Accepted::default())),
        ("profile: signed, url: \"https://x.example\"", 410, "", Err(NotTaken::Address(Code::Http(410)))),
    ];
    for (yaml, status, body, expected) in table {
        assert_eq!(&taken(&settings(yaml), *status, body.as_bytes()), expected, "{yaml} {status} {body}");
    }
}
