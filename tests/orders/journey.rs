//! How a call came here, from the INVITE to the phone of whoever takes it.

use countersign::call::CallSettings;
use countersign::sip::{AccessList, Headers};

use super::world::{World, apps};
use super::{SECOND, answers, assert_settled};

const SENT_ON: &str = "<sip:01632960102@carrier.example>;reason=user-busy;counter=2";
const TOLD: &str = "004f524445522d3432;encoding=hex;purpose=isdn-uui;content=isdn-uui";
const ASSERTED: &str = "<sip:+441632960001@carrier.example>";

fn trusting_the_branch(settings: &mut CallSettings) {
    settings.trusted = AccessList::parse([("carrier", ["10.0.2.0/24"].as_slice())]).expect("a network");
}

/// What the phone that is called is told of a caller whose INVITE has these headers; `key` 1 is an agent, 2 a telephone.
fn told(key: &str, headers: &[(&str, &str)], change: impl FnOnce(&mut CallSettings)) -> Headers {
    let mut world = World::with_settings(apps::desk(), 61, change);
    let phones = world.agents(&[answers(500, None)]);
    let caller = world.caller();
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    world.phones[caller].headers = headers.iter().map(owned).collect();
    world.dial(caller);
    world.run_for(SECOND * 2);
    world.press(caller, key);
    assert!(world.run_until(SECOND * 20, |world| world.is_joined()), "{:?}", world.what_happened());
    let headers = world.phones[phones[0]].lines[0].headers.clone().expect("the phone was called");
    world.hang_up(caller);
    assert_settled(&mut world);
    let records = world.what_happened();
    for secret in ["2960102", "2960001", "ORDER-42", "4f524445"] {
        assert!(!records.contains(secret), "{secret}: {records}");
    }
    headers
}

fn text(headers: &Headers, name: &str) -> String {
    headers.text(name).unwrap_or_default().into_owned()
}

#[test]
fn who_takes_the_call_is_told_what_the_flow_passes_of_how_it_came() {
    let headers = [("Diversion", SENT_ON), ("User-to-User", TOLD), ("P-Asserted-Identity", ASSERTED)];
    let agent = told("1", &headers, |_| {});
    assert_eq!(text(&agent, "X-Countersign-Call-From"), "+441632960001");
    assert_eq!(text(&agent, "X-Countersign-Call-Diversions"), "2");
    assert_eq!(text(&agent, "X-Countersign-Call-Diverted-By"), "+441632960102");
    assert_eq!(text(&agent, "User-to-User"), TOLD, "as it came");
    assert_eq!(text(&agent, "X-Countersign-Call-User-To-User"), "", "once");
    assert_eq!(text(&agent, "P-Asserted-Identity"), "", "a phone is told no number by the network");
}

#[test]
fn a_number_that_is_to_be_kept_goes_to_networks_that_are_trusted_only() {
    let headers = [("P-Asserted-Identity", ASSERTED), ("Privacy", "id")];
    for (key, change) in [("1", None), ("2", None), ("1", Some(trusting_the_branch as fn(&mut _)))] {
        let phone = told(key, &headers, change.unwrap_or(|_| {}));
        assert_eq!(
            (text(&phone, "P-Asserted-Identity"), text(&phone, "Privacy")),
            (String::new(), String::new())
        );
        let shown = phone.iter().any(|field| String::from_utf8_lossy(&field.value).contains("2960001"));
        assert!(!shown, "{key}");
    }
    let carrier = told("2", &headers, trusting_the_branch);
    assert_eq!(text(&carrier, "P-Asserted-Identity"), "<sip:+441632960001@10.0.0.1>");
    assert_eq!(
        (text(&carrier, "Privacy").as_str(), text(&carrier, "X-Countersign-Call-From").as_str()),
        ("id", "")
    );
    // Nobody asserts what the caller's phone wrote into From.
    assert_eq!(text(&told("2", &[], trusting_the_branch), "P-Asserted-Identity"), "");
}
