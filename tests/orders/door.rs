//! Callers whose number is looked into while they wait, in every order in which that can end.

use std::time::Duration;

use countersign::sip::stir::{Attestation, Verdict};

use super::assert_settled;
use super::world::{self, World, apps};

/// Somebody whose call is signed, as far as can be told without a certificate.
fn signed_caller(world: &mut World, method: &str) {
    let encode = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
    let x5u = "https://cert.carrier.example/shaken.pem";
    let header = format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{x5u}"}}"#);
    let claims = format!(
        r#"{{"attest":"A","dest":{{"tn":["441632960999"]}},"iat":{},"orig":{{"tn":"441632960001"}},"origid":"x"}}"#,
        world.unix().seconds()
    );
    let signature = data_encoding::BASE64URL_NOPAD.encode(&[7; 64]);
    let message = format!(
        "{method} sip:+441632960999@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.250:5060;branch=z9hG4bK9\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+441632960001@carrier.example>;tag=a\r\nCall-ID: signed@stranger\r\n\
         To: <sip:+441632960999@10.0.0.1>\r\nCSeq: 1 {method}\r\nContact: <sip:late@10.0.1.250:5060>\r\n\
         Identity: {}.{}.{signature};info=<{x5u}>\r\nContent-Length: 0\r\n\r\n",
        encode(&header),
        encode(&claims),
    );
    let now = world.now;
    world.net.send(now, world::STRANGER, world::ENGINE, message.as_bytes());
    world.run_for(Duration::from_millis(200));
}

fn check_of(world: &World) -> serde_json::Value {
    let record = serde_json::to_value(&world.records[0]).expect("a record is JSON");
    let events = record["events"].as_array().expect("events").clone();
    events.into_iter().find(|event| event["event"] == "number").expect("the number was looked into")
}

#[test]
fn a_caller_waits_at_the_door_until_their_number_was_looked_into() {
    let mut world = World::new(apps::desk(), 31);
    signed_caller(&mut world, "INVITE");
    assert_eq!((world.vouches.len(), world.engine.active().calls, world.open_ports()), (1, 1, 0));
    let valid = Verdict::Valid(Some(Attestation::A));
    let call = world.vouches[0];
    world.tell_engine(countersign::engine::Input::Vouched(call, valid));
    assert_eq!(world.open_ports(), 1, "they are let in");
    world.tell_engine(countersign::engine::Input::Vouched(call, Verdict::Absent));
    assert_eq!(world.engine.counters().late, 1, "once");
    assert_settled(&mut world);
    let check = check_of(&world);
    assert_eq!((&check["verstat"], &check["attestation"]), (&"passed".into(), &"A".into()));
}

#[test]
fn a_caller_whose_number_takes_too_long_is_let_in_as_not_verified() {
    let mut world = World::new(apps::desk(), 32);
    signed_caller(&mut world, "INVITE");
    world.run_for(Duration::from_millis(1200));
    assert_eq!(world.open_ports(), 0, "they wait");
    world.run_for(Duration::from_millis(300));
    assert_eq!(world.open_ports(), 1, "they are let in");
    let call = world.vouches[0];
    world.tell_engine(countersign::engine::Input::Vouched(call, Verdict::Valid(Some(Attestation::A))));
    assert_settled(&mut world);
    let check = check_of(&world);
    assert_eq!((&check["verstat"], &check["why"]), (&"none".into(), &"too_slow".into()));
    assert_eq!(check["attestation"], serde_json::Value::Null, "what comes late lifts nobody");
}

#[test]
fn a_caller_who_gives_up_at_the_door_leaves_nothing() {
    let mut world = World::new(apps::desk(), 33);
    signed_caller(&mut world, "INVITE");
    signed_caller(&mut world, "CANCEL");
    assert_eq!(world.engine.active(), countersign::engine::Active::default());
    let call = world.vouches[0];
    world.tell_engine(countersign::engine::Input::Vouched(call, Verdict::Absent));
    assert_settled(&mut world);
    assert!(world.records.is_empty());
}

#[test]
fn a_stop_refuses_those_who_wait_at_the_door() {
    let mut world = World::new(apps::desk(), 34);
    signed_caller(&mut world, "INVITE");
    world.tell_engine(countersign::engine::Input::Stop);
    assert_settled(&mut world);
    assert!(world.records.is_empty());
    let answers: Vec<_> = world.strange.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
    assert!(answers.iter().any(|text| text.starts_with("SIP/2.0 503")), "{answers:?}");
}
