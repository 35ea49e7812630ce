//! What our own calls present to carriers: who calls, signed (RFC 8224). A caller who is put through to a telephone is
//! shown there with what was signed for them and a `div` of ours (RFC 8946), or our own number is.

use bytes::Bytes;

use super::conductor::Call;
use crate::secret::Secret;
use crate::sip::stir::{Number, Signing};
use crate::sip::{Host, NameAddr, OutgoingInvite, Uri};
use crate::units::{Entropy, UnixTime};

/// Shorter ones are internal numbers: nobody outside knows whose.
const SHORTEST: usize = 7;

/// A telephone's number, as a URI has it.
fn telephone(signing: &Signing, uri: &Uri) -> Option<Number> {
    let number = signing.plan.read(&uri.user_without_params()?)?;
    (number.as_str().len() >= SHORTEST).then_some(number)
}

/// Signs a call that shows a number of ours to a telephone; all others are left as they are.
pub(super) fn sign(signing: &Signing, invite: &mut OutgoingInvite, now: UnixTime, entropy: &mut Entropy) {
    let (Some(orig), Some(dest)) =
        (telephone(signing, &invite.from.uri), telephone(signing, &invite.request_uri))
    else {
        return;
    };
    let identity = signing.shaken(&orig, &dest, now, entropy);
    invite.headers.extend(identity.map(|value| ("Identity".to_owned(), value)));
}

/// What the network says of a caller.
pub(super) struct Signed {
    /// The Identity headers; none where they did not hold.
    pub(super) identities: Vec<Bytes>,
    /// The number that was dialled.
    pub(super) dialled: String,
    /// A trunk that is trusted asserts the number.
    pub(super) asserted: bool,
    /// The caller wants it kept from others.
    pub(super) private: bool,
    /// What the caller's side says to ours, as it came (RFC 7433).
    pub(super) user_to_user: Option<Secret<String>>,
}

/// What is known of the caller that can be passed on.
pub(super) struct Onward<'a> {
    /// What was signed for them, verified here.
    pub(super) identities: &'a [Bytes],
    /// Their number.
    pub(super) caller: &'a str,
    /// The number that they dialled.
    pub(super) dialled: &'a str,
}

impl Onward<'_> {
    /// Shows the caller where they are put through to, when everything to show for it is there.
    fn show(&self, signing: &Signing, invite: &mut OutgoingInvite, now: UnixTime) -> bool {
        let read = |text: &str| signing.plan.read(text).filter(|number| number.as_str().len() >= SHORTEST);
        let (Some(orig), Some(from)) = (read(self.caller), read(self.dialled)) else { return false };
        let Some(dest) = telephone(signing, &invite.request_uri) else { return false };
        let texts: Option<Vec<_>> =
            self.identities.iter().map(|value| std::str::from_utf8(value).ok().map(str::trim)).collect();
        let (Some(texts), Some(div)) = (texts, signing.div(&orig, &from, &dest, now)) else { return false };
        let all = texts.into_iter().map(str::to_owned).chain([div]);
        invite.headers.extend(all.map(|value| ("Identity".to_owned(), value)));
        show(&mut invite.from, &orig, invite.path.local.ip().into());
        true
    }
}

/// Who calls, as the telephone shows it.
fn show(from: &mut NameAddr, number: &Number, host: Host) {
    from.uri = Uri::sip(Some(&format!("+{}", number.as_str())), host, None);
}

impl Call {
    /// Tells who calls where a caller is put through by a trunk that is trusted, and that they want it kept from others
    /// (RFC 3325 §5, §7).
    pub(super) fn assert_caller(&self, invite: &mut OutgoingInvite) {
        let trusted = self.settings.trusted.find(invite.path.remote.ip()).is_some();
        let Some(number) = self.number.as_ref().filter(|_| trusted && self.signed.asserted) else { return };
        let uri = Uri::sip(Some(number.expose()), invite.path.local.ip().into(), None);
        invite.headers.push(("P-Asserted-Identity".to_owned(), NameAddr::new(uri).to_string()));
        if self.signed.private {
            invite.headers.push(("Privacy".to_owned(), "id".to_owned()));
        }
    }

    /// Signs the INVITE to a telephone that the caller is put through to.
    pub(super) fn vouch_for(&mut self, invite: &mut OutgoingInvite) {
        let Some(signing) = self.settings.signing.clone() else { return };
        if telephone(&signing, &invite.request_uri).is_none() {
            return;
        }
        let now = self.settings.epoch.unix_at(self.now);
        if signing.forward
            && !self.signed.identities.is_empty()
            && let Some(caller) = &self.number
        {
            let Signed { identities, dialled, .. } = &self.signed;
            let onward = Onward { identities, caller: caller.expose(), dialled };
            if onward.show(&signing, invite, now) {
                return;
            }
        }
        if let Some(number) = &signing.number {
            show(&mut invite.from, number, invite.path.local.ip().into());
            sign(&signing, invite, now, &mut self.entropy);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sip::stir::{Attest, Attestation, CertificateUrl, NumberPlan, Signer};
    use crate::sip::{Path, Transport};

    struct Stamp;
    impl Signer for Stamp {
        fn sign(&self, _: &[u8]) -> Option<[u8; 64]> {
            Some([7; 64])
        }
    }

    fn signing() -> Signing {
        let number = |text| Number::canonical(text).expect("a number");
        Signing {
            certificate: CertificateUrl::parse("https://cert.bank.example/shaken.pem").expect("a URL"),
            attest: Attest::new(vec![(number("441632960"), Attestation::A)], None),
            forward: true,
            number: Some(number("441632960999")),
            plan: NumberPlan::of_country("44").expect("a country"),
            signer: Arc::new(Stamp),
        }
    }

    fn invite(from: &str, to: &str) -> OutgoingInvite {
        let uri = |text: &str| Uri::parse(text.as_bytes()).expect("a URI");
        let local = "192.0.2.1:5060".parse().expect("an address");
        OutgoingInvite {
            path: Path { transport: Transport::Udp, local, remote: local, connection: None },
            request_uri: uri(to),
            from: NameAddr::new(uri(from)),
            to: NameAddr::new(uri(to)),
            contact_user: None,
            headers: Vec::new(),
            sdp: Bytes::new(),
            metadata: None,
            credentials: None,
        }
    }

    fn claims(invite: &OutgoingInvite) -> Vec<serde_json::Value> {
        let parts = invite.headers.iter().filter(|(name, _)| name == "Identity").map(|(_, value)| {
            let part = value.split('.').nth(1).expect("claims").to_owned();
            let json = data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).expect("base64");
            serde_json::from_slice(&json).expect("JSON")
        });
        parts.collect()
    }

    #[test]
    fn a_call_from_a_number_of_ours_to_a_telephone_is_signed_and_no_other() {
        let mut entropy = Entropy::from_seed([1; 32]);
        let now = UnixTime(1_780_272_000_000);
        let mut call = invite("sip:+441632960000@192.0.2.1", "sip:07700900123@192.0.2.7");
        sign(&signing(), &mut call, now, &mut entropy);
        let claims_of = claims(&call);
        assert_eq!(claims_of[0]["attest"], "A");
        assert_eq!(claims_of[0]["dest"]["tn"][0], "447700900123");
        assert_eq!(claims_of[0]["orig"]["tn"], "441632960000");
        assert_eq!(claims_of[0]["iat"], 1_780_272_000);
        for (from, to) in [
            ("sip:+15551234567@192.0.2.1", "sip:07700900123@192.0.2.7"),
            ("sip:countersign@192.0.2.1", "sip:07700900123@192.0.2.7"),
            ("sip:+441632960000@192.0.2.1", "sip:ana@192.0.2.7"),
            ("sip:+441632960000@192.0.2.1", "sip:201@192.0.2.7"),
        ] {
            let mut call = invite(from, to);
            sign(&signing(), &mut call, now, &mut entropy);
            assert!(call.headers.is_empty(), "{from} {to}");
        }
    }

    #[test]
    fn a_caller_who_is_put_through_is_shown_with_what_was_signed_and_a_diversion() {
        let now = UnixTime(1_780_272_000_000);
        let identities = [Bytes::from_static(b"e30.eyJhIjoxfQ.x;info=<https://a.example/b>;ppt=shaken")];
        let onward = Onward { identities: &identities, caller: "+447700900123", dialled: "+441632960999" };
        let mut call = invite("sip:countersign@192.0.2.1", "sip:+441632960555@192.0.2.7");
        assert!(onward.show(&signing(), &mut call, now));
        assert_eq!(call.from.uri.user().as_deref(), Some("+447700900123"));
        assert_eq!(call.headers[0].1.as_bytes(), &identities[0], "as it came");
        let div = &claims(&call)[1];
        assert_eq!((&div["orig"]["tn"], &div["div"]["tn"]), (&"447700900123".into(), &"441632960999".into()));
        assert_eq!(div["dest"]["tn"][0], "441632960555");
        assert!(div.get("attest").is_none() && div.get("origid").is_none());
        for (caller, dialled) in [("+447700900123", "bank"), ("ana", "+441632960999")] {
            let mut call = invite("sip:countersign@192.0.2.1", "sip:+441632960555@192.0.2.7");
            let onward = Onward { identities: &identities, caller, dialled };
            assert!(!onward.show(&signing(), &mut call, now) && call.headers.is_empty());
        }
    }
}
