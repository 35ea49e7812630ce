//! What an INVITE says of the call it begins: the caller's number, what was dialled, how far the network
//! vouches for the number, how the call came here.

use std::sync::Arc;

use super::rules::TrunkRules;
use crate::call::Journey;
use crate::sip::stir::{Attestation, Reason, Verdict};
use crate::sip::{Diversions, Incoming, Uri, UserToUser};

/// The INFO package (RFC 6086) that tells a test caller what happens in its call.
pub const TRACE_PACKAGE: &str = "countersign-trace";

/// Characters of a number or name at most: a header may have 64 kB, and each call keeps a record.
const MAX_USER: usize = 128;

/// Where a carrier that verified a PASSporT writes the level it found: 3GPP TS 24.229 §7.2.18, and what
/// ATIS-1000074 networks wrote before it.
const ATTESTATION_HEADERS: [&str; 2] = ["Attestation-Info", "P-Attestation-Indicator"];

pub(super) fn wants_trace(invite: &Incoming) -> bool {
    invite
        .headers
        .text("Recv-Info")
        .is_some_and(|packages| packages.split(',').any(|package| package.trim() == TRACE_PACKAGE))
}

/// The caller's number; an anonymous caller has none (RFC 3323 §4.1).
pub(super) fn caller_number(identity: &Uri) -> Option<String> {
    let user = identity.user_without_params()?;
    let hidden = user.is_empty() || user.eq_ignore_ascii_case("anonymous");
    (!hidden && user.chars().nth(MAX_USER).is_none()).then_some(user)
}

/// Whether the caller wants their number kept from others (RFC 3323 §4.2, RFC 3325 §7): we may know it, nobody whom they are put
/// through to may.
pub(super) fn is_private(invite: &Incoming) -> bool {
    let values = invite.headers.all("Privacy").filter_map(|value| std::str::from_utf8(value).ok());
    let mut wishes = values.flat_map(|value| value.split([';', ','])).map(str::trim);
    wishes.any(|wish| ["id", "user", "header", "session"].iter().any(|name| wish.eq_ignore_ascii_case(name)))
        || invite.from.uri.user_without_params().is_some_and(|user| user.eq_ignore_ascii_case("anonymous"))
}

/// How far the network vouches for the number: what a carrier says that verified it for us. The trunk must be
/// one whose word on this counts. `verstat` stands beside the number it speaks of (3GPP TS 24.229 §7.2A.20);
/// without a passed one, the level says nothing.
pub(super) fn carriers_word(invite: &Incoming) -> Verdict {
    let said = verstat(asserted(invite).unwrap_or_else(|| invite.from.uri.clone())).unwrap_or_default();
    if said.eq_ignore_ascii_case("TN-Validation-Passed") {
        Verdict::Valid(level(invite))
    } else if said.eq_ignore_ascii_case("TN-Validation-Failed") {
        Verdict::Invalid(Reason::Carrier)
    } else {
        Verdict::Absent
    }
}

fn level(invite: &Incoming) -> Option<Attestation> {
    let mut all = ATTESTATION_HEADERS.into_iter().flat_map(|name| invite.headers.all(name));
    let said = all.next()?;
    // Two that differ were not both written by the carrier.
    if all.any(|other| other != said) {
        return None;
    }
    Attestation::from_name(std::str::from_utf8(said).ok()?.trim())
}

/// The number that was dialled, as the record keeps it.
pub(super) fn dialled(invite: &Incoming) -> String {
    let user = invite.request_uri.user_without_params().unwrap_or_default();
    user.chars().filter(|c| !c.is_control()).take(MAX_USER).collect()
}

/// Who calls, as the network asserts it: on a trunk that is trusted it counts before the From that the caller's phone wrote
/// (RFC 3325 §9), on any other it says nothing. What a phone would prefer to be called is nobody's word.
pub(super) fn asserted(invite: &Incoming) -> Option<Uri> {
    let asserted = invite.headers.asserted_identities().unwrap_or_default();
    asserted.into_iter().next().map(|first| first.uri)
}

/// How the call came here, and what the caller's side says, where the trunk's word counts. That a caller wants to be private
/// counts whoever says so.
pub(super) fn journey(invite: &Incoming, rules: &TrunkRules, told: Option<&UserToUser>) -> Journey {
    let private = is_private(invite);
    if !rules.trusted {
        return Journey { private, ..Journey::default() };
    }
    let diversions = Diversions::of(&invite.headers);
    let number = |uri: &Uri| -> Option<Arc<str>> {
        let user = uri.user_without_params().filter(|user| user.chars().nth(MAX_USER).is_none())?;
        let shown = !user.is_empty() && !user.chars().any(char::is_control);
        shown.then(|| rules.number(user).into())
    };
    Journey {
        private,
        user_to_user: told.map(|told| told.text.as_str().into()),
        diversions: Some(diversions.as_ref().map_or(0, |told| told.count)),
        first_called: diversions.as_ref().and_then(|told| number(&told.first)),
        diverted_by: diversions.as_ref().and_then(|told| number(&told.last)),
        diversion_reason: diversions.map(|told| told.reason),
    }
}

/// A parameter of the number: behind the user of a SIP URI, as in a `tel:` one (RFC 3261 §19.1.6).
fn verstat(identity: Uri) -> Option<String> {
    let number = match identity {
        Uri::Sip(_) => identity.user()?,
        Uri::Other { rest, .. } => rest,
    };
    let mut params = number.split(';').skip(1);
    params.find_map(|param| {
        param
            .split_once('=')
            .filter(|(name, _)| name.eq_ignore_ascii_case("verstat"))
            .map(|(_, value)| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::stir::NumberPlan;
    use crate::sip::{HeaderName, Headers, NameAddr};

    fn invite(from: &str, headers: &[(&str, &str)]) -> Incoming {
        let addr = |uri: &str| NameAddr::new(Uri::parse(uri.as_bytes()).expect("a URI"));
        let mut all = Headers::new();
        for (name, value) in headers {
            all.push(HeaderName::new(name), value.as_bytes().to_vec());
        }
        Incoming {
            request_uri: addr("sip:bank@192.0.2.1").uri,
            from: addr(from),
            to: addr("sip:bank@192.0.2.1"),
            call_id: "a".into(),
            headers: all,
            offer: None,
        }
    }

    #[test]
    fn a_level_counts_beside_a_number_that_passed_only() {
        let passed = "<sip:+441632960001;verstat=TN-Validation-Passed@carrier.example;user=phone>";
        let failed = "<sip:+441632960001;verstat=TN-Validation-Failed@carrier.example;user=phone>";
        let tel = "<tel:+441632960001;verstat=TN-Validation-Passed>";
        let bare = "<sip:+441632960001@carrier.example>";
        let level = "Attestation-Info";
        for (identity, header, value, expected) in [
            (passed, level, "A", Verdict::Valid(Some(Attestation::A))),
            (passed, "P-Attestation-Indicator", "B", Verdict::Valid(Some(Attestation::B))),
            (tel, level, "C", Verdict::Valid(Some(Attestation::C))),
            (failed, level, "A", Verdict::Invalid(Reason::Carrier)),
            (bare, level, "A", Verdict::Absent),
            (passed, level, "AA", Verdict::Valid(None)),
            (passed, level, "", Verdict::Valid(None)),
            (passed, "X-Attestation", "A", Verdict::Valid(None)),
        ] {
            let invite =
                invite("sip:someone@caller.example", &[("P-Asserted-Identity", identity), (header, value)]);
            assert_eq!(carriers_word(&invite), expected, "{identity} {header}: {value}");
            assert_eq!(asserted(&invite).as_ref().and_then(caller_number).as_deref(), Some("+441632960001"));
        }
    }

    #[test]
    fn who_hides_their_number_is_private_however_it_is_written() {
        let known = ("P-Asserted-Identity", "<sip:+441632960001@carrier.example>");
        let private = |from: &str, wishes: &[&str]| {
            let headers: Vec<_> = wishes.iter().map(|wish| ("Privacy", *wish)).chain([known]).collect();
            is_private(&invite(from, &headers))
        };
        let shown = "sip:+441632960001@carrier.example";
        for wishes in [&["id"][..], &["header;ID"], &["none", "user"], &["critical; id"], &["session"]] {
            assert!(private(shown, wishes), "{wishes:?}");
        }
        for wishes in [&[][..], &["none"], &["history"], &["critical"]] {
            assert!(!private(shown, wishes), "{wishes:?}");
        }
        assert!(private("sip:anonymous@anonymous.invalid", &[]));
    }

    #[test]
    fn how_a_call_came_here_is_read_where_the_trunk_is_trusted() {
        let numbers = NumberPlan::of_country("44").expect("a country");
        let trusted = TrunkRules { trusted: true, numbers, ..TrunkRules::default() };
        let read = |invite: &Incoming| journey(invite, &trusted, UserToUser::of(&invite.headers).as_ref());
        let told = invite(
            "sip:+441632960001@carrier.example",
            &[
                (
                    "Diversion",
                    "<sip:01632960102@c.example>;reason=no-answer, <sip:201@c.example>;reason=user-busy",
                ),
                ("User-to-User", "0034322d37;encoding=hex"),
                ("Privacy", "id"),
            ],
        );
        let came = read(&told);
        assert!(came.private);
        assert_eq!(came.user_to_user.as_deref(), Some("42-7"));
        assert_eq!((came.diversions, came.diversion_reason), (Some(2), Some("no-answer")));
        assert_eq!(
            (came.first_called.as_deref(), came.diverted_by.as_deref()),
            (Some("201"), Some("+441632960102"))
        );
        assert!(!format!("{came:?}").contains("2960102"), "{came:?}");
        let stranger = journey(&told, &TrunkRules::default(), None);
        assert!(stranger == Journey { private: true, ..Journey::default() });
        let straight = read(&invite("sip:+441632960001@carrier.example", &[]));
        assert!(straight == Journey { diversions: Some(0), ..Journey::default() });
    }

    #[test]
    fn levels_that_differ_are_none() {
        let passed =
            ("P-Asserted-Identity", "<sip:+441632960001;verstat=TN-Validation-Passed@carrier.example>");
        let both = |other: &str, header: &'static str| {
            let headers = [passed, ("Attestation-Info", "A"), (header, other)];
            carriers_word(&invite("sip:someone@caller.example", &headers)).level()
        };
        assert_eq!(both("C", "P-Attestation-Indicator"), None);
        assert_eq!(both("B", "Attestation-Info"), None);
        assert_eq!(both("A", "P-Attestation-Indicator"), Some(Attestation::A));
    }

    #[test]
    fn what_is_said_of_from_says_nothing_of_another_identity() {
        let verified = "sip:+441632960001;verstat=TN-Validation-Passed@carrier.example";
        let level = ("Attestation-Info", "A");
        assert_eq!(carriers_word(&invite(verified, &[level])).level(), Some(Attestation::A));
        let other = ("P-Asserted-Identity", "<sip:+441632960002@carrier.example>");
        assert_eq!(carriers_word(&invite(verified, &[level, other])).level(), None);
    }
}
