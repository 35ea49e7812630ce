//! Passkeys: the published examples of Web Authentication Level 3, and a refusal for every field that lies.

mod authenticator;

use authenticator::{AT, Authenticator, BE, BS, ED, Made, Says, Signed, UP, UV, encoded};
use cbor4ii::core::Value;
use countersign::auth::webauthn::{
    Assertion, CHALLENGE_BYTES, Passkey, PublicKey, Refusal, Registration, RelyingParty,
};
use data_encoding::HEXLOWER;
use serde_json::Value as Json;

const HOST: &str = "calls.example.com";
const USER: &[u8] = b"somebody";
const CHALLENGE: [u8; CHALLENGE_BYTES] = [7; CHALLENGE_BYTES];

fn page() -> RelyingParty {
    RelyingParty { id: HOST.to_owned(), origin: format!("https://{HOST}") }
}

fn all() -> [Authenticator; 3] {
    [Authenticator::new(HOST), Authenticator::ed25519(HOST), Authenticator::rsa(HOST)]
}

/// What a registration comes to when browser and device say this.
fn registered(says: impl FnOnce(&mut Says)) -> Result<Passkey, Refusal> {
    let mut device = Authenticator::new(HOST);
    says(&mut device.says);
    page().register(&CHALLENGE, &device.register(&CHALLENGE).parts())
}

/// A device and its passkey as it is kept.
fn enrolled() -> (Authenticator, Passkey) {
    let device = Authenticator::new(HOST);
    let kept = page().register(&CHALLENGE, &device.register(&CHALLENGE).parts()).expect("enrolled");
    (device, kept)
}

/// What an assertion comes to when browser and device say this.
fn checked(says: impl FnOnce(&mut Says)) -> Result<Passkey, Refusal> {
    let (mut device, kept) = enrolled();
    says(&mut device.says);
    page().check(&CHALLENGE, &kept, USER, &device.sign(&CHALLENGE).parts())
}

/// What an assertion comes to that is changed after it was signed.
fn changed(change: impl FnOnce(&mut Signed)) -> Result<Passkey, Refusal> {
    let (mut device, kept) = enrolled();
    let mut signed = device.sign(&CHALLENGE);
    change(&mut signed);
    page().check(&CHALLENGE, &kept, USER, &signed.parts())
}

fn example(name: &str) -> Json {
    let all: Json = serde_json::from_str(include_str!("data/webauthn/examples.json")).expect("examples");
    all[name].clone()
}

fn hex(example: &Json, name: &str) -> Vec<u8> {
    HEXLOWER.decode(example[name].as_str().expect(name).as_bytes()).expect("hexadecimal")
}

/// The key of a published registration.
fn published_key(example: &Json) -> PublicKey {
    PublicKey::read(&hex(example, "key")).expect("a key")
}

#[test]
fn published_signatures_are_right_under_their_published_keys() {
    for name in ["none.ES256", "packed-self.ES256", "packed.RS256", "packed.EdDSA"] {
        let example = example(name);
        let key = published_key(&example);
        let (data, signature) = (hex(&example, "authenticator_data"), hex(&example, "signature"));
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &hex(&example, "client_data"));
        let mut signed = [&data, hash.as_ref()].concat();
        assert_eq!(key.verify(&signed, &signature), Ok(()), "{name}");
        signed[0] ^= 1;
        assert_eq!(key.verify(&signed, &signature), Err(Refusal::Signature), "{name}");
    }
}

#[test]
fn published_ceremonies_are_refused_for_what_they_lack_and_nothing_else() {
    let page = RelyingParty { id: "example.org".to_owned(), origin: "https://example.org".to_owned() };
    let challenge = |example: &Json, name: &str| hex(example, name).try_into().expect("32 bytes");
    for (name, refusal) in [
        ("none.ES256", Refusal::NotVerified),
        ("packed-self.ES256", Refusal::Attestation),
        ("none.ES256.crossOrigin", Refusal::CrossOrigin),
    ] {
        let example = example(name);
        let made = Made {
            id: hex(&example, "id"),
            client_data: hex(&example, "registration_client_data"),
            attestation: hex(&example, "attestation"),
        };
        let told = page.register(&challenge(&example, "registration_challenge"), &made.parts());
        assert_eq!(told, Err(refusal), "{name}");
    }
    // Their devices did not verify who it was, which is always asked for here.
    for name in ["none.ES256", "packed-self.ES256", "packed.RS256", "packed.EdDSA"] {
        let example = example(name);
        let copyable = hex(&example, "authenticator_data")[32] & BE != 0;
        let (id, key) = (hex(&example, "id"), published_key(&example));
        let kept = Passkey { id: id.clone(), key, counter: 0, copyable, copied: false };
        let signed = Signed {
            id,
            client_data: hex(&example, "client_data"),
            authenticator_data: hex(&example, "authenticator_data"),
            signature: hex(&example, "signature"),
            user: None,
        };
        let told = page.check(&challenge(&example, "challenge"), &kept, USER, &signed.parts());
        assert_eq!(told, Err(Refusal::NotVerified), "{name}");
    }
}

#[test]
fn passkeys_of_every_kind_are_made_and_sign() {
    for mut device in all() {
        let kept = page().register(&CHALLENGE, &device.register(&CHALLENGE).parts()).expect("made");
        assert_eq!((kept.counter, kept.copyable, kept.copied), (0, false, false));
        let signed = page().check(&CHALLENGE, &kept, USER, &device.sign(&CHALLENGE).parts());
        assert_eq!(signed, Ok(kept));
    }
}

#[test]
fn a_registration_is_refused_for_each_thing_that_is_not_as_asked_for() {
    let refused = |says: fn(&mut Says), why| assert_eq!(registered(says), Err(why));
    refused(|says| says.kind = Some("webauthn.get"), Refusal::Type);
    refused(|says| says.origin = "https://calls.example.com:444".to_owned(), Refusal::Origin);
    refused(|says| says.origin = "https://calls.example.com.evil.example".to_owned(), Refusal::Origin);
    refused(|says| says.origin = "http://calls.example.com".to_owned(), Refusal::Origin);
    refused(|says| says.more = r#","topOrigin":"https://evil.example""#, Refusal::CrossOrigin);
    refused(|says| says.more = r#","origin":"https://evil.example""#, Refusal::ClientData);
    refused(|says| says.host = "example.com".to_owned(), Refusal::Host);
    refused(|says| says.flags = UV, Refusal::NotPresent);
    refused(|says| says.flags = UP, Refusal::NotVerified);
    refused(|says| says.flags = UP | UV | BS, Refusal::Backup);
    refused(|says| says.format = "packed", Refusal::Attestation);
    refused(|says| says.statement = vec![(Value::Integer(1), Value::Integer(1))], Refusal::Attestation);
    refused(|says| says.behind = vec![0], Refusal::AuthenticatorData);
    refused(|says| says.flags = UP | UV | ED, Refusal::AuthenticatorData);
    refused(|says| says.origin = "x".repeat(20_000), Refusal::TooLong);
    let copied = registered(|says| says.flags = UP | UV | BE | BS).expect("a passkey of several devices");
    assert!(copied.copyable && copied.copied);
    let extended = registered(|says| {
        says.flags = UP | UV | ED;
        says.behind = encoded(&Value::Map(vec![(Value::Text("credProtect".into()), Value::Integer(2))]));
    });
    assert!(extended.is_ok(), "what extensions say is not looked at");
}

#[test]
fn a_registration_answers_its_own_challenge_for_its_own_credential() {
    let device = Authenticator::new(HOST);
    let made = device.register(&[8; 32]);
    assert_eq!(page().register(&CHALLENGE, &made.parts()), Err(Refusal::Challenge));
    let made = device.register(&CHALLENGE);
    let other = Registration { id: b"another", ..made.parts() };
    assert_eq!(page().register(&CHALLENGE, &other), Err(Refusal::OtherCredential));
    let long = Registration { id: &[0; 1024], ..made.parts() };
    assert_eq!(page().register(&CHALLENGE, &long), Err(Refusal::TooLong));
    let signed = Authenticator::new(HOST).sign(&CHALLENGE);
    let data = signed.authenticator_data;
    let made = device.attested(&CHALLENGE, data);
    assert_eq!(page().register(&CHALLENGE, &made.parts()), Err(Refusal::NoCredential));
}

#[test]
fn a_key_that_is_none_or_of_another_kind_is_refused() {
    for device in all() {
        let fields = device.cose();
        for (at, (name, value)) in fields.iter().enumerate() {
            let mut without = fields.clone();
            without.remove(at);
            refused_key(&device, without, &format!("without {name:?}"));
            let mut other = fields.clone();
            other[at].1 = match value {
                Value::Integer(number) => Value::Integer(number + 1),
                Value::Bytes(bytes) => Value::Bytes(bytes[1..].to_vec()),
                other => other.clone(),
            };
            if !matches!(name, Value::Integer(-2)) || !matches!(fields[0].1, Value::Integer(3)) {
                refused_key(&device, other, &format!("another {name:?}"));
            }
            let mut twice = fields.clone();
            twice.push((name.clone(), value.clone()));
            let made = device.register_as(&CHALLENGE, &encoded(&Value::Map(twice)));
            let told = page().register(&CHALLENGE, &made.parts());
            assert_eq!(told, Err(Refusal::AuthenticatorData), "{name:?} twice");
        }
    }
    let device = Authenticator::new(HOST);
    let mut off = device.cose();
    off[4].1 = Value::Bytes(vec![1; 32]);
    refused_key(&device, off, "a point that is not on the curve");
    let made = device.register_as(&CHALLENGE, &encoded(&Value::Text("no key".into())));
    assert_eq!(page().register(&CHALLENGE, &made.parts()), Err(Refusal::AuthenticatorData));
}

fn refused_key(device: &Authenticator, fields: Vec<(Value, Value)>, what: &str) {
    let made = device.register_as(&CHALLENGE, &encoded(&Value::Map(fields)));
    assert_eq!(page().register(&CHALLENGE, &made.parts()), Err(Refusal::Key), "{what}");
}

#[test]
fn an_assertion_is_refused_for_each_thing_that_is_not_as_asked_for() {
    let refused = |says: fn(&mut Says), why| assert_eq!(checked(says), Err(why));
    assert!(checked(|_| {}).is_ok());
    refused(|says| says.kind = Some("webauthn.create"), Refusal::Type);
    refused(|says| says.origin = "https://evil.example".to_owned(), Refusal::Origin);
    refused(|says| says.more = r#","crossOrigin":true"#, Refusal::ClientData);
    refused(|says| says.more = r#","topOrigin":"https://calls.example.com""#, Refusal::CrossOrigin);
    refused(|says| says.host = "evil.example".to_owned(), Refusal::Host);
    refused(|says| says.flags = UV, Refusal::NotPresent);
    refused(|says| says.flags = UP, Refusal::NotVerified);
    refused(|says| says.flags = UP | UV | BS, Refusal::Backup);
    refused(|says| says.flags = UP | UV | BE, Refusal::Backup);
    refused(|says| says.flags = UP | UV | AT, Refusal::AuthenticatorData);
    refused(|says| says.behind = vec![1], Refusal::AuthenticatorData);
    refused(|says| says.user = Some(b"somebody else".to_vec()), Refusal::OtherUser);
    refused(|says| says.origin = "x".repeat(20_000), Refusal::TooLong);
    assert!(checked(|says| says.user = Some(USER.to_vec())).is_ok());
}

#[test]
fn what_is_changed_after_the_signature_is_refused() {
    let refused = |change: fn(&mut Signed), why| assert_eq!(changed(change), Err(why));
    refused(|signed| signed.id.push(0), Refusal::OtherCredential);
    refused(|signed| signed.client_data.push(b' '), Refusal::Signature);
    refused(|signed| signed.client_data.clear(), Refusal::ClientData);
    refused(|signed| signed.authenticator_data[36] ^= 1, Refusal::Signature);
    refused(|signed| signed.authenticator_data.truncate(36), Refusal::AuthenticatorData);
    refused(|signed| signed.signature.clear(), Refusal::Signature);
    refused(|signed| signed.signature.push(0), Refusal::Signature);
    let (mut device, kept) = enrolled();
    let signed = device.sign(&CHALLENGE);
    for at in 0..signed.authenticator_data.len() {
        let mut other = signed.clone();
        other.authenticator_data[at] ^= 0x80;
        assert!(
            page().check(&CHALLENGE, &kept, USER, &other.parts()).is_err(),
            "byte {at} of the device's data"
        );
    }
    for at in 0..signed.signature.len() {
        let mut other = signed.clone();
        other.signature[at] ^= 1;
        let told = page().check(&CHALLENGE, &kept, USER, &other.parts());
        assert_eq!(told, Err(Refusal::Signature), "byte {at} of the signature");
    }
    for at in 0..signed.client_data.len() {
        let mut other = signed.clone();
        other.client_data[at] ^= 1;
        assert!(
            page().check(&CHALLENGE, &kept, USER, &other.parts()).is_err(),
            "byte {at} of the client data"
        );
    }
}

#[test]
fn an_assertion_answers_its_own_challenge_with_its_own_key() {
    let (mut device, kept) = enrolled();
    let signed = device.sign(&[8; 32]);
    assert_eq!(page().check(&CHALLENGE, &kept, USER, &signed.parts()), Err(Refusal::Challenge));
    let mut stranger = Authenticator::new(HOST);
    stranger.id.clone_from(&device.id);
    let signed = stranger.sign(&CHALLENGE);
    assert_eq!(page().check(&CHALLENGE, &kept, USER, &signed.parts()), Err(Refusal::Signature));
    for mut other in [Authenticator::ed25519(HOST), Authenticator::rsa(HOST)] {
        other.id.clone_from(&device.id);
        let signed = other.sign(&CHALLENGE);
        assert_eq!(page().check(&CHALLENGE, &kept, USER, &signed.parts()), Err(Refusal::Signature));
    }
}

#[test]
fn a_counter_that_does_not_go_on_is_told_and_only_when_all_else_is_right() {
    let (mut device, kept) = enrolled();
    for (before, now, told) in [
        (0, 0, Ok(0)),
        (0, 1, Ok(1)),
        (4, 5, Ok(5)),
        (4, 4_000_000_000, Ok(4_000_000_000)),
        (5, 5, Err(Refusal::Counter)),
        (5, 4, Err(Refusal::Counter)),
        (5, 0, Err(Refusal::Counter)),
    ] {
        let kept = Passkey { counter: before, ..kept.clone() };
        device.counter = 0;
        let mut signed = device.sign(&CHALLENGE);
        signed.authenticator_data[33..37].copy_from_slice(&u32::to_be_bytes(now));
        signed.signature = device.over(&signed.authenticator_data, &signed.client_data);
        let result = page().check(&CHALLENGE, &kept, USER, &signed.parts());
        assert_eq!(result.map(|kept| kept.counter), told, "{before}, then {now}");
        signed.signature[10] ^= 1;
        assert_eq!(page().check(&CHALLENGE, &kept, USER, &signed.parts()), Err(Refusal::Signature));
    }
}

#[test]
fn nothing_that_is_sent_makes_it_panic() {
    let (mut device, kept) = enrolled();
    let (made, signed) = (device.register(&CHALLENGE), device.sign(&CHALLENGE));
    for length in 0..made.attestation.len() {
        let cut = Registration { attestation: &made.attestation[..length], ..made.parts() };
        assert!(page().register(&CHALLENGE, &cut).is_err(), "{length} bytes");
    }
    for at in 0..made.attestation.len() {
        for value in [0x00, 0x1f, 0x3b, 0x5b, 0x7f, 0x9b, 0xbb, 0xbf, 0xff] {
            let mut other = made.attestation.clone();
            other[at] = value;
            let _ = page().register(&CHALLENGE, &Registration { attestation: &other, ..made.parts() });
        }
    }
    let deep = [vec![0x81; 16_000], vec![0xf6]].concat();
    let deep = Registration { attestation: &deep, ..made.parts() };
    assert_eq!(page().register(&CHALLENGE, &deep), Err(Refusal::Attestation));
    for length in 0..signed.authenticator_data.len() {
        let cut = Assertion { authenticator_data: &signed.authenticator_data[..length], ..signed.parts() };
        assert_eq!(page().check(&CHALLENGE, &kept, USER, &cut), Err(Refusal::AuthenticatorData));
    }
}
