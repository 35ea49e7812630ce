use super::*;
use crate::driver::sender::profile::tests::settings;

const NOW: UnixTime = UnixTime(1_700_000_000_000);
const ID: &str = "07070707070707070707070707070707";

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Reads a report and every report that differs from it by one octet, none of which may be taken.
fn checked(yaml: &str, secret: &str, query: &str, headers: &[(String, String)], body: &str) -> Vec<Report> {
    let settings = settings(yaml);
    let secret = Secret::new(secret.to_owned());
    let attempt = |headers: &[(String, String)], body: &[u8]| {
        super::read(&settings, &secret, &Told { query, headers, body }, NOW)
    };
    for at in 0..body.len() {
        let mut changed = body.as_bytes().to_vec();
        changed[at] ^= 1;
        assert!(attempt(headers, &changed).is_err(), "octet {at} of the body");
    }
    let bare: Vec<(String, String)> = Vec::new();
    if !headers.is_empty() {
        assert!(attempt(&bare, body.as_bytes()).is_err(), "without headers");
        let twice = [headers, headers].concat();
        assert!(attempt(&twice, body.as_bytes()).is_err(), "with every header twice");
    }
    attempt(headers, body.as_bytes()).expect("a good one")
}

fn report(reference: &str, letter: bool, status: Status, code: Option<u32>) -> Vec<Report> {
    vec![Report {
        reference: reference.to_owned(),
        letter: letter.then_some(LetterId([7; 16])),
        status,
        code,
        why: None,
    }]
}

#[test]
fn our_own_reports_are_signed_as_our_requests_are() {
    let body = format!(r#"{{"id": "{ID}", "status": "delivered"}}"#);
    let secret = Secret::new("key".to_owned());
    let signature = signed::sign(&secret, 1_700_000_000, body.as_bytes());
    let headers =
        [header("x-countersign-timestamp", "1700000000"), header("X-COUNTERSIGN-SIGNATURE", &signature)];
    let found = checked("profile: signed, url: \"https://x.example\"", "key", "", &headers, &body);
    assert_eq!(found, report("", true, Status::Delivered, None));
}

#[test]
fn twilios_own_example_of_a_signature_holds() {
    // From the tests of Twilio's own libraries: the address, the parameters, the token and what comes of them.
    let body =
        "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212";
    let headers = [header("X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")];
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    let told = Told { query: "foo=1&bar=2", headers: &headers, body: body.as_bytes() };
    let twilio = |secret: &str, url| twilio(&Secret::new(secret.to_owned()), url, &told);
    // The signature is right; that it says no status is found after it.
    assert_eq!(twilio("12345", url), Err(ReportRefused::Garbage));
    assert_eq!(twilio("12346", url), Err(ReportRefused::Signature));
    assert_eq!(twilio("12345", "https://example.com/other"), Err(ReportRefused::Signature));
}

#[test]
fn twilios_reports_name_the_letter_by_the_address() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let url = format!("https://ivr.example/r?letter={ID}");
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(b"token").expect("any key");
    mac.update(format!("{url}ErrorCode30005MessageSidSM1MessageStatusundelivered").as_bytes());
    let headers = [header("X-Twilio-Signature", &data_encoding::BASE64.encode(&mac.finalize().into_bytes()))];
    let body = "MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30005";
    let yaml = "profile: twilio, account: AC1, from: \"+15005550006\", callback: \"https://ivr.example/r\"";
    let found = checked(yaml, "token", &format!("letter={ID}"), &headers, body);
    assert_eq!(found, report("SM1", true, Status::Failed, Some(30005)));
}

#[test]
fn vonages_sms_reports_are_signed_over_their_parameters() {
    let text =
        format!("&client-ref={ID}&err-code=0&messageId=A1&status=delivered&timestamp=1700000000&to=Bank _Co");
    let sig = data_encoding::HEXUPPER.encode(&signed::mac(&Secret::new("s".to_owned()), &[text.as_bytes()]));
    let body = format!(
        "status=delivered&messageId=A1&client-ref={ID}&err-code=0&timestamp=1700000000&to=Bank+%26Co&sig={sig}"
    );
    let settings = settings("profile: vonage_form, account: a, from: b");
    let read = |body: &str, now| {
        let told = Told { query: "", headers: &[], body: body.as_bytes() };
        super::read(&settings, &Secret::new("s".to_owned()), &told, now)
    };
    assert_eq!(read(&body, NOW), Ok(report("A1", true, Status::Delivered, Some(0))));
    let json = format!(
        r#"{{"status":"delivered","messageId":"A1","client-ref":"{ID}","err-code":"0","timestamp":"1700000000","to":"Bank &Co","sig":"{sig}"}}"#
    );
    assert_eq!(read(&json, NOW), Ok(report("A1", true, Status::Delivered, Some(0))));
    assert_eq!(read(&body.replace("delivered", "failed"), NOW), Err(ReportRefused::Signature));
    assert_eq!(read(&body, UnixTime(NOW.0 + 301_000)), Err(ReportRefused::Old));
    assert_eq!(
        read("status=delivered&messageId=A1&timestamp=1700000000", NOW),
        Err(ReportRefused::Signature)
    );
}

#[test]
fn vonages_message_reports_come_with_a_token_over_their_body() {
    use sha2::Digest as _;
    let body = format!(
        r#"{{"message_uuid":"u-1","status":"rejected","client_ref":"{ID}","error":{{"title":"1430"}}}}"#
    );
    let hash = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(body.as_bytes()));
    let token = |head: &str, claims: &str| {
        let encode = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
        let covered = format!("{}.{}", encode(head), encode(claims));
        let mac = signed::mac(&Secret::new("s".to_owned()), &[covered.as_bytes()]);
        format!("Bearer {covered}.{}", data_encoding::BASE64URL_NOPAD.encode(&mac))
    };
    let claims = format!(r#"{{"iat":1700000000,"iss":"Vonage","payload_hash":"{hash}"}}"#);
    let headers = [header("authorization", &token(r#"{"alg":"HS256","typ":"JWT"}"#, &claims))];
    let yaml = "profile: vonage_json, account: a, from: b";
    let found = checked(yaml, "s", "", &headers, &body);
    assert_eq!(found, report("u-1", true, Status::Failed, Some(1430)));
    let settings = settings(yaml);
    let refused = |value: &str, now| {
        let headers = [header("Authorization", value)];
        let told = Told { query: "", headers: &headers, body: body.as_bytes() };
        super::read(&settings, &Secret::new("s".to_owned()), &told, now).expect_err("refused")
    };
    assert_eq!(refused(&token(r#"{"alg":"none"}"#, &claims), NOW), ReportRefused::Signature);
    assert_eq!(refused("Bearer a.b", NOW), ReportRefused::Signature);
    assert_eq!(refused(&headers[0].1, UnixTime(NOW.0 - 400_000)), ReportRefused::Old);
}
