use super::*;

fn secret(password: &str) -> Secret<String> {
    Secret::new(password.to_owned())
}

/// RFC 7616 §3.9.1: one request, both algorithms.
#[test]
fn the_example_of_rfc_7616_comes_out() {
    for (algorithm, expected) in [
        (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
        (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let challenge = Challenge {
            realm: "http-auth@example.org".to_owned(),
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v".to_owned(),
            opaque: Some("FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS".to_owned()),
            algorithm,
            qop: vec![Qop::Auth, Qop::AuthInt],
            stale: false,
        };
        let password = secret("Circle of Life");
        let login = Login {
            username: "Mufasa",
            password: &password,
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            count: 1,
        };
        let get = Method::from_token("GET");
        let asked = Asked { method: &get, uri: "/dir/index.html", body: b"" };
        let credentials = Authorization::answer(&challenge, &login, &asked);
        assert_eq!(credentials.response, expected);
        let ha1 = StoredHa1::of("Mufasa", "http-auth@example.org", &password);
        assert!(credentials.verify(&ha1, &get, b""));
        assert!(!credentials.verify(&ha1, &Method::Register, b""));
    }
}

/// RFC 2617 §3.5, as a server reads it.
#[test]
fn the_example_of_rfc_2617_comes_out() {
    let credentials = Authorization::parse(
        b"Digest username=\"Mufasa\", realm=\"testrealm@host.com\",\
          nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", qop=auth, nc=00000001,\
          cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\",\
          opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
    )
    .expect("credentials");
    let ha1 = StoredHa1::of("Mufasa", "testrealm@host.com", &secret("Circle Of Life"));
    assert!(credentials.verify(&ha1, &Method::from_token("GET"), b""));
    let other = StoredHa1::of("Mufasa", "testrealm@host.com", &secret("Circle Of Lies"));
    assert!(!credentials.verify(&other, &Method::from_token("GET"), b""));
}

/// RFC 2617 §3.2.2.1 without `qop` is RFC 2069's way.
#[test]
fn credentials_without_qop_are_read() {
    let password = secret("Circle Of Life");
    let challenge = Challenge::parse(b"Digest realm=\"r\", nonce=\"n\"").expect("a challenge");
    let login = Login { username: "u", password: &password, cnonce: "unused", count: 1 };
    let asked = Asked { method: &Method::Register, uri: "sip:r", body: b"" };
    let written = Authorization::answer(&challenge, &login, &asked).to_string();
    let read = Authorization::parse(written.as_bytes()).expect("credentials");
    assert_eq!(read.qop, None);
    assert!(read.verify(&StoredHa1::of("u", "r", &password), &Method::Register, b""));
}

#[test]
fn a_challenge_that_is_not_understood_is_passed_over() {
    for value in [
        "NoOneKnowsThisScheme opaque-data=here",
        "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256",
        "Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess",
        "Digest realm=\"r\", nonce=\"n\", qop=\"auth-conf\"",
        "Digest realm=\"r\"",
        "Digest realm=\"r\", realm=\"s\", nonce=\"n\"",
        "Digest",
        "",
    ] {
        assert_eq!(Challenge::parse(value.as_bytes()), None, "{value}");
    }
}

#[test]
fn challenge_and_credentials_survive_writing_and_reading() {
    let challenge = Challenge {
        realm: "a \"quoted\" realm".to_owned(),
        nonce: "n".to_owned(),
        opaque: Some("o".to_owned()),
        algorithm: Algorithm::Sha256,
        qop: vec![Qop::Auth],
        stale: true,
    };
    assert_eq!(Challenge::parse(challenge.to_string().as_bytes()), Some(challenge.clone()));
    let password = secret("p");
    let login = Login { username: "u\"x", password: &password, cnonce: "c", count: 0x1f };
    let asked = Asked { method: &Method::Invite, uri: "sip:a@b", body: b"body" };
    let credentials = Authorization::answer(&challenge, &login, &asked);
    assert_eq!(Authorization::parse(credentials.to_string().as_bytes()), Some(credentials));
}

#[test]
fn a_body_that_was_changed_is_noticed_with_auth_int() {
    let challenge =
        Challenge::parse(b"Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"").expect("a challenge");
    let password = secret("p");
    let login = Login { username: "u", password: &password, cnonce: "c", count: 1 };
    let asked = Asked { method: &Method::Invite, uri: "sip:a@b", body: b"v=0" };
    let credentials = Authorization::answer(&challenge, &login, &asked);
    let ha1 = StoredHa1::of("u", "r", &password);
    assert!(credentials.verify(&ha1, &Method::Invite, b"v=0"));
    assert!(!credentials.verify(&ha1, &Method::Invite, b"v=1"));
}

#[test]
fn the_topmost_challenge_that_is_known_is_answered() {
    let request = Request::new(Method::Register, crate::sip::Uri::parse(b"sip:example.com").expect("a URI"));
    let response = Response::to(&request, crate::sip::StatusCode::UNAUTHORIZED)
        .with(Name::WwwAuthenticate, "Digest realm=\"r\", nonce=\"n1\", algorithm=SHA-512-256, qop=\"auth\"")
        .with(Name::WwwAuthenticate, "Digest realm=\"r\", nonce=\"n2\", algorithm=SHA-256, qop=\"auth\"")
        .with(Name::WwwAuthenticate, "Digest realm=\"r\", nonce=\"n3\", algorithm=MD5, qop=\"auth\"");
    let (name, value) = respond(&response, &request, "u", &secret("p"), "c").expect("an answer");
    let credentials = Authorization::parse(value.as_bytes()).expect("credentials");
    assert_eq!((name, credentials.nonce.as_str()), (Name::Authorization, "n2"));
    assert!(credentials.verify(&StoredHa1::of("u", "r", &secret("p")), &Method::Register, b""));
}

#[test]
fn secrets_do_not_show_themselves() {
    let ha1 = StoredHa1::of("u", "r", &secret("p"));
    let challenge = Challenge::parse(b"Digest realm=\"r\", nonce=\"n\"").expect("a challenge");
    let password = secret("hunter2");
    let login = Login { username: "u", password: &password, cnonce: "c", count: 1 };
    let asked = Asked { method: &Method::Invite, uri: "sip:a@b", body: b"" };
    let credentials = Authorization::answer(&challenge, &login, &asked);
    let shown = format!("{ha1:?} {login:?} {credentials:?}");
    assert!(!shown.contains(&credentials.response) && !shown.contains("hunter2"));
    assert!(!shown.contains(ha1.md5.expose()));
}
