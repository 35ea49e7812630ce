use std::path::Path;

use super::*;
use crate::driver::config::Origin;

const TLS: &str = "sip: {tls: {listen: \"192.0.2.1:5061\", certificate: a, key: b, clients: c}}\n";

fn parse(trunk: &str) -> Result<TrunkConfig, String> {
    let text = format!("{TLS}trunks:\n  - {{name: carrier, {trunk}}}\n");
    let config = Config::parse(Path::new("countersign.yaml"), &text).map_err(|error| error.to_string())?;
    Ok(config.trunks.into_iter().next().expect("one trunk"))
}

/// As little as a trunk of each may have.
const LEAST: [(Profile, &str); 5] = [
    (Profile::Address, "profile: address, addresses: [192.0.2.7], out: {servers: [\"sip:192.0.2.7\"]}"),
    (
        Profile::Registration,
        "profile: registration, addresses: [192.0.2.7], out: {servers: [\"sip:192.0.2.7\"], login: {user: a, password: b}}",
    ),
    (
        Profile::National,
        "profile: national, addresses: [192.0.2.7], country: \"+44\", out: {servers: [\"sip:192.0.2.7\"]}",
    ),
    (
        Profile::House,
        "profile: house, addresses: [192.0.2.7], out: {servers: [\"sip:192.0.2.7;transport=tls\"]}",
    ),
    (
        Profile::MutualTls,
        "profile: mutual-tls, addresses: [192.0.2.7], certificate: [a.example], out: {servers: [\"sip:192.0.2.7;transport=tls\"]}",
    ),
];

/// `key: value` of what the profile says.
fn by_profile(trunk: &TrunkConfig) -> Vec<String> {
    let settings = trunk.settings().into_iter().filter(|setting| setting.from == Origin::Profile);
    settings.map(|setting| format!("{}: {}", setting.key, setting.value)).collect()
}

#[test]
fn each_profile_says_what_its_trunk_does_not() {
    let said: Vec<Vec<String>> =
        LEAST.iter().map(|(_, text)| by_profile(&parse(text).expect("valid"))).collect();
    assert_eq!(
        said,
        [
            &["out.dial: plus", "out.options_seconds: 30"][..],
            &["out.register: {expires_seconds: 600}", "out.options_seconds: 20"],
            &["out.dial: national", "out.options_seconds: 30"],
            &["tls: true", "srtp: required", "codecs: [G722, PCMA, PCMU]", "out.options_seconds: 10"],
            &["tls: true", "srtp: required", "out.options_seconds: 30"],
        ]
    );
    assert_eq!(LEAST.map(|(profile, _)| profile), Profile::ALL);
    let listed = Profile::ALL.map(|profile| {
        profile.says().into_iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>()
    });
    assert_eq!(said, listed);
}

#[test]
fn what_is_written_counts_before_the_profile() {
    let house = LEAST[3].1;
    let other = house.replace("profile: house", "profile: house, tls: false, srtp: off, codecs: [PCMU]");
    let trunk = parse(&other).expect("valid");
    assert_eq!((trunk.tls, trunk.srtp), (false, SrtpPolicy::Off));
    assert_eq!(by_profile(&trunk), ["out.options_seconds: 10"]);
    let registers = LEAST[1].1;
    let own = parse(&registers.replace("login:", "register: {expires_seconds: 90}, login:")).expect("valid");
    let expires = |trunk: &TrunkConfig| trunk.out.as_ref()?.register.as_ref().map(|of| of.expires_seconds);
    assert_eq!(expires(&own), Some(90));
    let none = parse(&registers.replace("login:", "register: null, login:")).expect("valid");
    assert_eq!(expires(&none), None);
    assert_eq!(by_profile(&none), ["out.options_seconds: 20"]);
}

#[test]
fn no_profile_believes_more_or_tells_more_than_a_trunk_without_one() {
    for (profile, text) in LEAST {
        let with = parse(text).expect("valid");
        assert!(!with.trusted && !with.verstat && !with.trace && !with.srtp_keys_in_clear, "{profile}");
        let plain = text.replace(&format!("profile: {profile}, "), "");
        let without = parse(&plain.replace("certificate: [a.example]", "country: \"+44\"")).expect("valid");
        assert!(with.tls >= without.tls && (with.srtp == without.srtp || with.srtp == SrtpPolicy::Required));
        assert_eq!(with.addresses, without.addresses);
        let carries = |trunk: &TrunkConfig| trunk.out.as_ref().map(|out| out.carries.len());
        assert_eq!((carries(&with), carries(&without)), (Some(0), Some(0)));
    }
}

#[test]
fn what_a_profile_lacks_is_told() {
    let least = |at: usize, from: &str, to: &str| LEAST[at].1.replace(from, to);
    for (text, parts) in [
        (
            least(0, "addresses: [192.0.2.7], ", ""),
            &["the profile `address`", "needs `addresses`", "403"][..],
        ),
        (least(1, ", login: {user: a, password: b}", ""), &["needs `out.login`", "SECRET"]),
        (least(2, "country: \"+44\", ", ""), &["needs `country`"]),
        (least(3, ";transport=tls", ""), &["called over TLS", ";transport=tls"]),
        (least(4, "certificate: [a.example], ", ""), &["needs `certificate`", "sip.tls.clients"]),
        (
            least(3, "profile: house", "profile: hous"),
            &["no profile `hous`", "did you mean `house`?", "`address`", "`mutual-tls`"],
        ),
        (least(3, "profile: house", "profile: telco"), &["no profile `telco`; help: there are `address`"]),
    ] {
        let told = parse(&text).expect_err(parts[0]);
        assert!(parts.iter().all(|part| told.contains(part)) && told.contains("help:"), "{text}: {told}");
    }
    let text = format!("trunks:\n  - {{name: pbx, {}}}\n", LEAST[3].1);
    let told = Config::parse(Path::new("x"), &text).expect_err("no TLS is spoken").to_string();
    assert!(told.contains("has `tls: true` (of its profile `house`), but no TLS is spoken"), "{told}");
}

#[test]
fn every_setting_is_shown_with_who_said_it() {
    let all = "addresses: [192.0.2.7], country: \"+44\", trace: false, trusted: false, verstat: false, stir: false, tls: true, \
               certificate: [a.example], srtp: required, srtp_keys_in_clear: true, codecs: [PCMA], comfort_noise: true, inband_keys: always, \
               in: {calls: 30, per_second: 5}, out: {servers: [\"sip:a.example\", {uri: \"sip:192.0.2.8\", priority: 2}], carries: [\"+44\"], \
               from: \"+441632960000\", dial: digits, domain: c.example, login: {user: a, password: b}, register: {user: c}, \
               options_seconds: 20, calls: 7, per_second: 3}";
    let trunk = parse(all).expect("valid");
    let rows = trunk.settings();
    assert!(rows.iter().all(|row| row.from == Origin::Written), "{rows:#?}");
    assert_eq!(rows.len(), 25);
    let shown: Vec<String> = rows.iter().map(|row| format!("{}: {}", row.key, row.value)).collect();
    for line in [
        "addresses: [\"192.0.2.7\"]",
        "srtp: required",
        "codecs: [PCMA]",
        "in.calls: 30",
        "out.servers: [\"sip:a.example\", {uri: \"sip:192.0.2.8\", priority: 2, weight: 1}]",
        "out.login: {user: \"a\", password: \"b\"}",
        "out.register: {user: \"c\", expires_seconds: 600}",
        "out.per_second: 3",
    ] {
        assert!(shown.iter().any(|row| row == line), "{line}: {shown:#?}");
    }
    let bare = parse("addresses: [192.0.2.7]").expect("valid");
    let usual = bare.settings().into_iter().filter(|row| row.from == Origin::Usual).count();
    assert_eq!((bare.settings().len(), usual, bare.profile_told()), (15, 14, None));
}
