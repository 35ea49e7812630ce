//! Calls with a PASSporT that holds, and the many ways in which one does not.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::authority::{Authority, Holder, Wanted, one_number};
use super::*;
use crate::sip::{HeaderName, Headers, Uri};
use crate::units::UnixTime;

const X5U: &str = "https://cert.carrier.example/shaken.pem";
const OTHER_X5U: &str = "https://cert.forwarder.example/shaken.pem";
const CALLER: &str = "441632960001";
const BANK: &str = "441632960999";
const ELSEWHERE: &str = "441632960555";
/// 2026-06-01 00:00:00 UTC.
const NOW: UnixTime = UnixTime(1_780_272_000_000);
const IAT: i64 = 1_780_272_000;

/// A verifier with one authority, and what can be fetched.
struct Bench {
    authority: Authority,
    trust: Trust,
    certificates: Vec<(&'static str, String)>,
    caller: &'static str,
    request: &'static str,
    to: &'static str,
    date: Option<&'static str>,
    own: Vec<&'static str>,
}

impl Bench {
    fn new() -> Self {
        let authority = Authority::new("Test STI-CA");
        let trust = trust(authority.pem(), []);
        Self {
            authority,
            trust,
            certificates: Vec::new(),
            caller: "sip:+441632960001@carrier.example;user=phone",
            request: "sip:+441632960999@192.0.2.1",
            to: "<sip:+441632960999@carrier.example>",
            date: None,
            own: Vec::new(),
        }
    }

    fn issue(&mut self, wanted: Wanted) -> Holder {
        let holder = self.authority.issue(wanted);
        self.certificates.push((X5U, holder.pem.clone()));
        holder
    }

    fn presented(&self, identities: &[String]) -> Option<Presented> {
        let mut headers = Headers::new();
        for identity in identities {
            headers.push(HeaderName::new("Identity"), identity.clone().into_bytes());
        }
        headers.push(HeaderName::new("Call-ID"), b"a84b4c76e66710".to_vec());
        if let Some(date) = self.date {
            headers.push(HeaderName::new("Date"), date.as_bytes().to_vec());
        }
        let uri = |text: &str| Uri::parse(text.trim_matches(['<', '>']).as_bytes()).expect("a URI");
        let plan = NumberPlan::of_country("44").expect("a country");
        Presented::of(&headers, &uri(self.caller), &uri(self.request), &uri(self.to), &plan)
    }

    fn verdict(&self, identities: &[String]) -> Verdict {
        let Some(presented) = self.presented(identities) else { return Verdict::Absent };
        let own: Vec<_> = self.own.iter().filter_map(|number| Number::canonical(number)).collect();
        let judged = examine(&presented, &own, NOW).and_then(|candidate| {
            let chains: HashMap<_, _> = candidate
                .certificates()
                .into_iter()
                .map(|url| {
                    let found = self.certificates.iter().find(|(known, _)| *known == url.as_str());
                    let read = found.ok_or(Reason::CertificateUnavailable);
                    (url.clone(), read.and_then(|(_, pem)| Chain::read(pem.as_bytes())).map(Arc::new))
                })
                .collect();
            candidate.judge(&chains, &self.trust, NOW)
        });
        judged.map_or_else(Verdict::from, Verdict::Valid)
    }
}

fn trust(pem: &str, revoked: impl IntoIterator<Item = Fingerprint>) -> Trust {
    let ders: Vec<_> =
        CertificateDer::pem_slice_iter(pem.as_bytes()).map(|der| der.expect("a certificate")).collect();
    Trust::new(&ders, revoked).expect("an authority")
}

fn shaken(holder: &Holder) -> String {
    holder.shaken(X5U, "A", CALLER, BANK, IAT)
}

fn invalid(reason: Reason) -> Verdict {
    Verdict::Invalid(reason)
}

#[test]
fn a_call_that_is_signed_for_here_is_valid_at_the_level_that_was_signed() {
    let mut bench = Bench::new();
    let holder = bench.issue(Wanted::default());
    for (level, expected) in [("A", Attestation::A), ("B", Attestation::B), ("C", Attestation::C)] {
        let identity = holder.shaken(X5U, level, CALLER, BANK, IAT);
        assert_eq!(bench.verdict(&[identity]), Verdict::Valid(Some(expected)));
    }
    bench.caller = "tel:01632-960001";
    assert_eq!(bench.verdict(&[shaken(&holder)]), Verdict::Valid(Some(Attestation::A)), "the same number");
    assert_eq!(bench.verdict(&[]), Verdict::Absent);
    assert_eq!(Verdict::Absent.level(), None);
}

#[test]
fn a_chain_over_an_authority_below_the_root_holds() {
    let mut bench = Bench::new();
    let below = bench.authority.below("Test STI-CA 2", None);
    let holder = below.issue(Wanted::default());
    bench.certificates.push((X5U, holder.pem.clone()));
    assert_eq!(bench.verdict(&[shaken(&holder)]), Verdict::Valid(Some(Attestation::A)));
    // Whoever delegates numbers delegates none that it has not.
    for (above, expected) in
        [(CALLER, Verdict::Valid(Some(Attestation::A))), (ELSEWHERE, invalid(Reason::NotEntitled))]
    {
        let below = bench.authority.below("Delegating", Some(one_number(above)));
        let holder = below.issue(Wanted { entitles: Some(one_number(CALLER)), ..Wanted::default() });
        bench.certificates = vec![(X5U, holder.pem.clone())];
        assert_eq!(bench.verdict(&[shaken(&holder)]), expected);
    }
}

/// Thirteen ways to be somebody else, and some more: none is valid.
#[test]
fn what_does_not_hold_is_never_valid() {
    let mut bench = Bench::new();
    let holder = bench.issue(Wanted::default());
    let good = shaken(&holder);
    assert_eq!(
        bench.verdict(std::slice::from_ref(&good)),
        Verdict::Valid(Some(Attestation::A)),
        "the control"
    );
    let (token, rest) = good.split_once(';').expect("a token");
    let parts: Vec<&str> = token.split('.').collect();
    let with_header = |header: &str| {
        holder.token(header, r#"{"attest":"A","dest":{"tn":["441632960999"]},"iat":1780272000,"orig":{"tn":"441632960001"},"origid":"x"}"#)
    };
    let claims = |claims: &str| {
        let header = format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{X5U}"}}"#);
        format!("{};info=<{X5U}>;alg=ES256;ppt=shaken", holder.token(&header, claims))
    };
    let cases = [
        // 1. An old one, kept.
        (holder.shaken(X5U, "A", CALLER, BANK, IAT - 61), Reason::Stale),
        // 2. One made ahead.
        (holder.shaken(X5U, "A", CALLER, BANK, IAT + 61), Reason::Future),
        // 3. One of another caller.
        (holder.shaken(X5U, "A", ELSEWHERE, BANK, IAT), Reason::Caller),
        // 4. One of a call to somebody else.
        (holder.shaken(X5U, "A", CALLER, ELSEWHERE, IAT), Reason::Called),
        // 5. Another signature.
        (format!("{}.{}.{};{rest}", parts[0], parts[1], holder.signature("another")), Reason::Signature),
        // 6. Unsigned, and signed with a key that everybody has.
        (
            format!(
                "{};info=<{X5U}>;ppt=shaken",
                with_header(&format!(r#"{{"alg":"none","ppt":"shaken","typ":"passport","x5u":"{X5U}"}}"#))
            ),
            Reason::Algorithm,
        ),
        (
            format!(
                "{};info=<{X5U}>;ppt=shaken",
                with_header(&format!(r#"{{"alg":"HS256","ppt":"shaken","typ":"passport","x5u":"{X5U}"}}"#))
            ),
            Reason::Algorithm,
        ),
        (good.replace("alg=ES256", "alg=RS256"), Reason::Algorithm),
        // 7. A certificate that lies behind our own walls, or is not fetched safely.
        (
            holder.shaken("http://cert.carrier.example/shaken.pem", "A", CALLER, BANK, IAT),
            Reason::CertificateUrl,
        ),
        (holder.shaken("https://127.0.0.1/shaken.pem", "A", CALLER, BANK, IAT), Reason::CertificateUrl),
        // 8. What is signed names one certificate, the header another.
        (good.replace("info=<https://cert.carrier", "info=<https://cert.forwarder"), Reason::Malformed),
        // 9. Claims that are missing, of the wrong kind, or there twice.
        (
            claims(
                r#"{"dest":{"tn":["441632960999"]},"iat":1780272000,"orig":{"tn":"441632960001"},"origid":"x"}"#,
            ),
            Reason::Malformed,
        ),
        (
            claims(
                r#"{"attest":"A","dest":{"tn":["441632960999"]},"iat":1780272000,"orig":{"tn":"441632960001"}}"#,
            ),
            Reason::Malformed,
        ),
        (
            claims(
                r#"{"attest":"AA","dest":{"tn":["441632960999"]},"iat":1780272000,"orig":{"tn":"441632960001"},"origid":"x"}"#,
            ),
            Reason::Malformed,
        ),
        (
            claims(
                r#"{"attest":"A","dest":{"tn":["441632960999"]},"iat":"1780272000","orig":{"tn":"441632960001"},"origid":"x"}"#,
            ),
            Reason::Malformed,
        ),
        (
            claims(
                r#"{"attest":"A","dest":{"tn":["441632960999"]},"iat":9223372036854775807,"orig":{"tn":"441632960001"},"origid":"x"}"#,
            ),
            Reason::Malformed,
        ),
        (
            claims(
                r#"{"attest":"A","dest":{"tn":["441632960999"]},"iat":1780272000,"orig":{"tn":"441632960555"},"orig":{"tn":"441632960001"},"origid":"x"}"#,
            ),
            Reason::Malformed,
        ),
        (
            claims(
                r#"{"attest":"A","dest":{"uri":["sip:bank@example"]},"iat":1780272000,"orig":{"tn":"441632960001"},"origid":"x"}"#,
            ),
            Reason::Called,
        ),
        (
            claims(
                r#"{"attest":"A","dest":{"tn":["441632960999"]},"iat":1780272000,"orig":{"uri":"sip:a@b"},"origid":"x"}"#,
            ),
            Reason::Caller,
        ),
        // 10. No token at all.
        (format!("a.b.c;{rest}"), Reason::Malformed),
        (format!("{token}.d;{rest}"), Reason::Malformed),
        (format!("..{};{rest}", parts[2]), Reason::Malformed),
        (format!("{}.{}.AAAA;{rest}", parts[0], parts[1]), Reason::Signature),
    ];
    for (identity, reason) in cases {
        assert_eq!(bench.verdict(std::slice::from_ref(&identity)), invalid(reason), "{identity}");
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_or_that_says_nothing_makes_no_call_valid() {
    let mut bench = Bench::new();
    let strangers = Authority::new("Test STI-CA");
    let holder = strangers.issue(Wanted::default());
    let cases = [
        (strangers.issue(Wanted::default()), Reason::Untrusted),
        (
            bench.authority.issue(Wanted { years: (2020, 2025), ..Wanted::default() }),
            Reason::CertificateExpired,
        ),
        (
            bench.authority.issue(Wanted { years: (2030, 2040), ..Wanted::default() }),
            Reason::CertificateExpired,
        ),
        (bench.authority.issue(Wanted { entitles: None, ..Wanted::default() }), Reason::NotEntitled),
        (
            bench.authority.issue(Wanted { entitles: Some(one_number(ELSEWHERE)), ..Wanted::default() }),
            Reason::NotEntitled,
        ),
        (
            bench.authority.issue(Wanted { entitles: Some(vec![0x30, 0]), ..Wanted::default() }),
            Reason::NotEntitled,
        ),
        (bench.authority.issue(Wanted { further: Some(27), ..Wanted::default() }), Reason::NotEntitled),
    ];
    for (holder, reason) in cases {
        bench.certificates = vec![(X5U, holder.pem.clone())];
        assert_eq!(bench.verdict(&[shaken(&holder)]), invalid(reason));
    }
    // Somebody else's certificate, good as it is, does not fit the signature.
    let good = bench.authority.issue(Wanted::default());
    bench.certificates = vec![(X5U, good.pem.clone())];
    assert_eq!(bench.verdict(&[shaken(&holder)]), invalid(Reason::Signature));
    assert_eq!(bench.verdict(&[shaken(&good)]), Verdict::Valid(Some(Attestation::A)), "the control");
    bench.trust = trust(bench.authority.pem(), [Fingerprint::of(&good.der)]);
    assert_eq!(bench.verdict(&[shaken(&good)]), invalid(Reason::Revoked));
    // The authority itself signs no calls, and another curve none either.
    let wrong = bench.authority.issue(Wanted { p384: true, ..Wanted::default() });
    let unreadable = Reason::CertificateUnreadable;
    for (pem, reason) in [
        (bench.authority.pem(), Reason::NotEntitled),
        (wrong.pem.as_str(), unreadable),
        ("no certificate", unreadable),
        ("\u{30}0", unreadable),
        ("", unreadable),
    ] {
        bench.certificates = vec![(X5U, pem.to_owned())];
        assert_eq!(bench.verdict(&[shaken(&good)]), invalid(reason), "{pem}");
    }
    bench.certificates.clear();
    assert_eq!(bench.verdict(&[shaken(&good)]), Verdict::Unverified(Reason::CertificateUnavailable));
}

#[test]
fn a_call_that_was_sent_on_is_valid_when_every_diversion_is_signed() {
    let mut bench = Bench::new();
    let holder = bench.issue(Wanted::default());
    let forwarder =
        bench.authority.issue(Wanted { entitles: Some(one_number(ELSEWHERE)), ..Wanted::default() });
    bench.certificates.push((OTHER_X5U, forwarder.pem.clone()));
    let first = holder.shaken(X5U, "A", CALLER, ELSEWHERE, IAT - 20);
    let div = forwarder.div(OTHER_X5U, CALLER, ELSEWHERE, BANK, IAT);
    let valid = Verdict::Valid(Some(Attestation::A));
    assert_eq!(bench.verdict(&[first.clone(), div.clone()]), valid);
    assert_eq!(bench.verdict(&[div.clone(), first.clone()]), valid, "in whatever order they stand");
    assert_eq!(bench.verdict(std::slice::from_ref(&first)), invalid(Reason::Called));
    assert_eq!(bench.verdict(std::slice::from_ref(&div)), invalid(Reason::Diversion));
    // What To says proves nothing: the call that was signed for went to somebody else.
    bench.to = "<sip:+441632960555@carrier.example>";
    assert_eq!(bench.verdict(std::slice::from_ref(&first)), invalid(Reason::Called));
    assert_eq!(bench.verdict(&[first.clone(), div]), valid);
    for (broken, reason) in [
        (forwarder.div(OTHER_X5U, ELSEWHERE, ELSEWHERE, BANK, IAT), Reason::Diversion),
        (forwarder.div(OTHER_X5U, CALLER, ELSEWHERE, CALLER, IAT), Reason::Diversion),
        (forwarder.div(OTHER_X5U, CALLER, BANK, BANK, IAT), Reason::Diversion),
        (forwarder.div(OTHER_X5U, CALLER, ELSEWHERE, BANK, IAT - 61), Reason::Stale),
        (holder.div(OTHER_X5U, CALLER, ELSEWHERE, BANK, IAT), Reason::Signature),
    ] {
        assert_eq!(bench.verdict(&[first.clone(), broken]), invalid(reason));
    }
    // Whoever has one number sends on no calls of another.
    let two = holder.shaken(X5U, "A", CALLER, CALLER, IAT);
    let div = forwarder.div(OTHER_X5U, CALLER, CALLER, BANK, IAT);
    assert_eq!(bench.verdict(&[two, div]), invalid(Reason::NotEntitled));
    // A number of ours that is not the one dialled needs none.
    bench.own = vec![ELSEWHERE];
    assert_eq!(bench.verdict(&[first]), valid);
}

#[test]
fn the_compact_form_signs_what_the_message_says_and_no_level() {
    let mut bench = Bench::new();
    let holder = bench.issue(Wanted::default());
    let text = |orig: &str| {
        let header = format!(r#"{{"alg":"ES256","typ":"passport","x5u":"{X5U}"}}"#);
        let claims = format!(r#"{{"dest":{{"tn":["{BANK}"]}},"iat":{IAT},"orig":{{"tn":"{orig}"}}}}"#);
        let encoded = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
        format!("{}.{}", encoded(&header), encoded(&claims))
    };
    let compact = |orig: &str| format!("..{};info=<{X5U}>;alg=ES256", holder.signature(&text(orig)));
    assert_eq!(bench.verdict(&[compact(CALLER)]), invalid(Reason::Malformed), "without a Date");
    bench.date = Some("Mon, 01 Jun 2026 00:00:00 GMT");
    assert_eq!(bench.verdict(&[compact(CALLER)]), Verdict::Valid(None));
    assert_eq!(bench.verdict(&[compact(ELSEWHERE)]), invalid(Reason::Signature));
    bench.date = Some("Sun, 31 May 2026 23:58:00 GMT");
    assert_eq!(bench.verdict(&[compact(CALLER)]), invalid(Reason::Stale));
    bench.date = Some("Mon, 01 Jun 2026 00:00:00 GMT");
    assert_eq!(bench.verdict(&[format!("{};ppt=shaken", compact(CALLER))]), invalid(Reason::Malformed));
}

#[test]
fn other_extensions_say_nothing_and_too_many_are_not_looked_at() {
    let mut bench = Bench::new();
    let holder = bench.issue(Wanted::default());
    let header = format!(r#"{{"alg":"ES256","ppt":"rph","typ":"passport","x5u":"{X5U}"}}"#);
    let rph = format!("{};info=<{X5U}>;ppt=rph", holder.token(&header, "{}"));
    assert_eq!(bench.verdict(std::slice::from_ref(&rph)), Verdict::Unverified(Reason::Unsupported));
    let mut many = vec![rph, "garbage;;".to_owned(), shaken(&holder)];
    assert_eq!(
        bench.verdict(&many),
        Verdict::Valid(Some(Attestation::A)),
        "those that can't be read hide nothing"
    );
    many.resize(MAX_IDENTITIES + 1, "garbage".to_owned());
    assert_eq!(bench.verdict(&many), invalid(Reason::Malformed));
}

#[test]
fn what_we_sign_is_what_we_would_believe() {
    struct Key(Holder);
    impl Signer for Key {
        fn sign(&self, text: &[u8]) -> Option<[u8; 64]> {
            let signature = self.0.signature(std::str::from_utf8(text).ok()?);
            data_encoding::BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?.try_into().ok()
        }
    }
    let mut bench = Bench::new();
    let holder = bench.issue(Wanted::default());
    let number = |text| Number::canonical(text).expect("a number");
    let rules = vec![(number("44163296"), Attestation::A), (number("441632960555"), Attestation::B)];
    let signing = Signing {
        certificate: CertificateUrl::parse(X5U).expect("a URL"),
        attest: Attest::new(rules, None),
        forward: true,
        number: None,
        plan: NumberPlan::default(),
        signer: Arc::new(Key(holder)),
    };
    let mut entropy = crate::units::Entropy::from_seed([7; 32]);
    let (caller, bank, elsewhere) = (number(CALLER), number(BANK), number(ELSEWHERE));
    let identity = signing.shaken(&caller, &bank, NOW, &mut entropy).expect("signed");
    assert_eq!(bench.verdict(&[identity]), Verdict::Valid(Some(Attestation::A)));
    assert!(signing.shaken(&number("15551234567"), &bank, NOW, &mut entropy).is_none(), "nobody's number");
    let first = signing.shaken(&caller, &elsewhere, NOW, &mut entropy).expect("signed");
    let div = signing.div(&caller, &elsewhere, &bank, NOW).expect("signed");
    assert_eq!(bench.verdict(&[first, div]), Verdict::Valid(Some(Attestation::A)));
    bench.caller = "sip:+441632960555@carrier.example";
    let identity = signing.shaken(&elsewhere, &bank, NOW, &mut entropy).expect("signed");
    assert_eq!(bench.verdict(&[identity]), Verdict::Valid(Some(Attestation::B)), "the longest rule counts");
}

#[test]
fn a_fingerprint_is_read_as_tools_write_it() {
    let plain = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let colons =
        "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
    assert_eq!(plain.parse::<Fingerprint>(), colons.parse());
    for slip in ["", "00", "no", &plain[1..]] {
        assert_eq!(slip.parse::<Fingerprint>(), Err(UnreadableFingerprint));
    }
}

#[test]
fn reasons_have_words_of_their_own_and_only_valid_has_a_level() {
    let mut words: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Reason::ALL.len());
    for reason in Reason::ALL {
        let verdict = Verdict::from(*reason);
        assert_eq!(verdict.level(), None);
        assert_ne!(verdict.verstat(), "passed");
        assert_eq!(verdict.reason(), reason.name());
    }
}
