use std::path::Path;

use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("countersign.yaml"), text).map_err(|error| error.to_string())
}

fn trunk(rest: &str) -> String {
    format!("trunks:\n  - {{name: carrier, country: \"+44\", out: {{servers: [\"sip:192.0.2.7\"]{rest}}}}}\n")
}

const SENDER: &str = "letters: {countries: [\"+44\"]}\nsenders: [{name: calls, call: {from: \"+441632960000\", routes: [{to: [\"+44\"], by: trunk carrier}]}}]\n";

#[test]
fn servers_are_written_alone_or_with_their_place() {
    let config = parse(
        "trunks:\n  - name: carrier\n    out:\n      servers:\n        - sip:sbc1.carrier.example\n        - {uri: \"sip:192.0.2.8;transport=tcp\", priority: 2, weight: 10}\n",
    );
    let config = config.expect("valid");
    let out = config.trunks[0].out.as_ref().expect("calls go out");
    let servers: Vec<_> = out.servers.iter().map(|of| (of.uri.as_str(), of.priority, of.weight)).collect();
    assert_eq!(servers, [("sip:sbc1.carrier.example", 1, 1), ("sip:192.0.2.8;transport=tcp", 2, 10)]);
    assert_eq!((out.options_seconds, out.dial, out.carries.len()), (30, Dial::Plus, 0));
}

#[test]
fn a_destination_is_an_address_or_a_number_with_or_without_its_trunk() {
    for (text, uri) in [
        ("sip:desk@192.0.2.7", Some("sip:desk@192.0.2.7")),
        ("+44 1632 960001", Some("tel:+441632960001")),
        ("+441632960001 by trunk carrier", Some("tel:+441632960001;tgrp=carrier")),
        ("+441632960001 by carrier", None),
        ("+44", None),
        ("+44 (0)1632 960001", None),
    ] {
        assert_eq!(Destination::parse(text).map(|to| to.uri()).as_deref(), uri, "{text}");
    }
}

#[test]
fn what_can_not_go_out_is_told_before_anybody_calls() {
    let all = ", carries: [\"+44\"]";
    for (text, part) in [
        (trunk("").replace("\"sip:192.0.2.7\"", ""), "`servers` has 0"),
        (trunk("").replace("sip:192", "sip:desk@192"), "leads nowhere"),
        (trunk(", carries: [\"44\"]"), "`44` of `carries`"),
        (trunk(", from: \"0800\""), "`from: 0800`"),
        (trunk(", dial: national").replace("country: \"+44\", ", ""), "no country is known"),
        (trunk(", register: {}"), "nobody who logs in"),
        (trunk(", login: {user: a, password: b}, register: {expires_seconds: 5}"), "`expires_seconds` is 5"),
        (trunk(", options_seconds: 1"), "`options_seconds` is 1"),
        (trunk(", calls: 0"), "no call is allowed"),
        (trunk("").replace("name: carrier", "name: a b"), "routes name it"),
        (trunk("").replace("name: carrier", "name: carrier, srtp: required"), "not called over TLS"),
        (trunk("").replace("+44", "044"), "`country` is no country code"),
        (trunk(all).replace("sip:192.0.2.7", "sip:192.0.2.7;transport=tls"), "not spoken here"),
        (trunk(all) + "transfers: {night: \"+44\"}\n", "`night`: `+44` is no destination"),
        (trunk(all) + "transfers: {night: \"+34911234567\"}\n", "no trunk carries +34911234567"),
        (trunk(all) + "transfers: {night: \"+449098790123\"}\n", "begin with +449 are premium"),
        (trunk(all) + "transfers: {night: \"+441632960001 by trunk b\"}\n", "by the trunk `b`"),
        (trunk("") + SENDER, "the trunk `carrier` does not carry +44"),
        (SENDER.to_owned(), "by the trunk `carrier`, by which no calls go out"),
    ] {
        let told = parse(&text).expect_err(part);
        assert!(told.contains(part) && told.contains("help:"), "{text}: {told}");
    }
    let agent = |phones: &str, at: &str| {
        format!(
            "phones: {{srtp: required{phones}}}\nagents: [{{name: ana, queues: [], sip: \"sip:ana@{at}\"}}]\n"
        )
    };
    let told = parse(&agent("", "192.0.2.9")).expect_err("keys in clear");
    assert!(told.contains("the agent `ana` is not called over TLS") && told.contains("help:"), "{told}");
    parse(&agent("", "127.0.0.1:5070")).expect("nobody else reads it");
    parse(&agent(", srtp_keys_in_clear: true", "192.0.2.9")).expect("as decided");
    for (sealed, server) in [
        ("srtp: required, srtp_keys_in_clear: true", "sip:192.0.2.7"),
        ("srtp: required", "sip:127.0.0.1:5070"),
        ("srtp: optional", "sip:192.0.2.7"),
    ] {
        let text = trunk(all).replace("name: carrier", &format!("name: carrier, {sealed}"));
        parse(&text.replace("sip:192.0.2.7", server)).expect(sealed);
    }
    parse(&(trunk(all) + SENDER + "transfers: {night: \"+441632960001\"}\n")).expect("valid");
    parse(&(trunk(", carries: [\"+44\", \"+449\"]") + "transfers: {night: \"+449098790123\"}\n"))
        .expect("named");
}
