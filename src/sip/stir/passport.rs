//! PASSporT (RFC 8225): a signed JWT that says who calls whom, and when.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::identity::IdentityHeader;
use super::number::Number;
use super::x5u::CertificateUrl;
use super::{Attestation, Reason};
use crate::units::UnixTime;

/// What a PASSporT is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ppt {
    /// Nothing but RFC 8225 itself.
    Base,
    /// The caller's provider says how far it vouches (RFC 8588).
    Shaken,
    /// The call was sent on to another number (RFC 8946).
    Div,
}

/// A PASSporT that was read; what it says is not verified. Its numbers are personal.
#[derive(Clone)]
pub struct Passport {
    /// What it is for.
    pub ppt: Ppt,
    /// Where its certificate is.
    pub certificate: CertificateUrl,
    /// When it was signed.
    pub iat: UnixTime,
    /// Who calls; none when that is no number.
    pub orig: Option<Number>,
    /// Who is called.
    pub dest: Vec<Number>,
    /// How far the signer vouches.
    pub attest: Option<Attestation>,
    /// The number from which the call was sent on.
    pub div: Option<Number>,
    /// What was signed.
    pub signed: Box<str>,
    /// The signature: r and s.
    pub signature: Box<[u8; 64]>,
}

impl fmt::Debug for Passport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passport({:?})", self.ppt)
    }
}

/// What a message says itself: a compact form leaves it out (RFC 8225 §7).
pub(super) struct Said<'a> {
    pub(super) orig: Option<&'a Number>,
    pub(super) dest: Option<&'a Number>,
    /// The Date header.
    pub(super) date: Option<UnixTime>,
}

/// In the order that RFC 8225 §9 signs them; a member that stands twice is an error.
#[derive(Deserialize, Serialize)]
struct JoseHeader<'a> {
    alg: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ppt: Option<std::borrow::Cow<'a, str>>,
    typ: std::borrow::Cow<'a, str>,
    x5u: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    attest: Option<String>,
    dest: Destinations,
    #[serde(default)]
    div: Option<Diverted>,
    iat: i64,
    orig: Originator,
    #[serde(default)]
    origid: Option<String>,
}

/// Whoever is called by URI is no telephone: such entries are passed over.
#[derive(Deserialize)]
struct Destinations {
    #[serde(default)]
    tn: Vec<String>,
}

#[derive(Deserialize)]
struct Originator {
    #[serde(default)]
    tn: Option<String>,
}

#[derive(Deserialize)]
struct Diverted {
    tn: String,
}

/// Numbers that one call may be for.
const MAX_DEST: usize = 64;

impl Passport {
    /// Reads the PASSporT of an Identity header; `None` when it is of a kind that we do not know.
    ///
    /// # Errors
    /// Why it can't be used.
    pub(super) fn read(header: &IdentityHeader<'_>, said: &Said<'_>) -> Result<Option<Self>, Reason> {
        let mut parts = header.token.split('.');
        let (Some(first), Some(second), Some(third), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Reason::Malformed);
        };
        if header.alg.is_some_and(|alg| alg != "ES256") {
            return Err(Reason::Algorithm);
        }
        if first.is_empty() && second.is_empty() {
            return Self::compact(header, third, said);
        }
        let jose = decoded(first)?;
        let jose: JoseHeader<'_> = serde_json::from_slice(&jose).map_err(|_| Reason::Malformed)?;
        // RFC 8225 §4.1: nothing but ES256, `none` and keyed hashes least of all.
        if jose.alg != "ES256" {
            return Err(Reason::Algorithm);
        }
        // RFC 8224 §4: the header repeats what is signed, and must not differ from it.
        let differs =
            |said: Option<&str>, signed: Option<&str>| said.is_some_and(|said| Some(said) != signed);
        if jose.typ != "passport"
            || differs(header.info, Some(&jose.x5u))
            || differs(header.ppt, jose.ppt.as_deref())
        {
            return Err(Reason::Malformed);
        }
        let ppt = match jose.ppt.as_deref() {
            None => Ppt::Base,
            Some("shaken") => Ppt::Shaken,
            Some("div") => Ppt::Div,
            Some(_) => return Ok(None),
        };
        let certificate = CertificateUrl::parse(&jose.x5u)?;
        let payload = decoded(second)?;
        let payload: Payload = serde_json::from_slice(&payload).map_err(|_| Reason::Malformed)?;
        let signed: Box<str> = format!("{first}.{second}").into();
        payload.into_passport(ppt, certificate, signed, signature(third)?).map(Some)
    }

    /// RFC 8225 §7: header and claims are what the message says. `shaken` says more than a message does, so it has no
    /// compact form; nor has `div`, whose claims are of another number.
    fn compact(header: &IdentityHeader<'_>, third: &str, said: &Said<'_>) -> Result<Option<Self>, Reason> {
        if header.ppt.is_some() {
            return Err(Reason::Malformed);
        }
        let (Some(info), Some(date)) = (header.info, said.date) else { return Err(Reason::Malformed) };
        let (Some(orig), Some(dest)) = (said.orig, said.dest) else { return Err(Reason::Malformed) };
        let certificate = CertificateUrl::parse(info)?;
        let signature = signature(third)?;
        let signed =
            signed_text(Ppt::Base, info, &Claims::base(orig, dest, date)).ok_or(Reason::Malformed)?;
        Ok(Some(Self {
            ppt: Ppt::Base,
            certificate,
            iat: date,
            orig: Some(orig.clone()),
            dest: vec![dest.clone()],
            attest: None,
            div: None,
            signed: signed.into(),
            signature,
        }))
    }
}

impl Payload {
    fn into_passport(
        self,
        ppt: Ppt,
        certificate: CertificateUrl,
        signed: Box<str>,
        signature: Box<[u8; 64]>,
    ) -> Result<Passport, Reason> {
        if self.dest.tn.len() > MAX_DEST {
            return Err(Reason::Malformed);
        }
        let attest = match (ppt, self.attest.as_deref()) {
            // RFC 8588 §4, §5: both claims are mandatory.
            (Ppt::Shaken, Some(level)) if self.origid.is_some() => {
                Some(Attestation::from_name(level).ok_or(Reason::Malformed)?)
            }
            (Ppt::Shaken, _) => return Err(Reason::Malformed),
            // Elsewhere the claim means nothing.
            (Ppt::Base | Ppt::Div, _) => None,
        };
        let div = match (ppt, &self.div) {
            (Ppt::Div, Some(div)) => Some(Number::canonical(&div.tn).ok_or(Reason::Malformed)?),
            (Ppt::Div, None) => return Err(Reason::Malformed),
            (Ppt::Base | Ppt::Shaken, _) => None,
        };
        Ok(Passport {
            ppt,
            certificate,
            iat: UnixTime(self.iat.checked_mul(1000).ok_or(Reason::Malformed)?),
            orig: self.orig.tn.as_deref().and_then(Number::canonical),
            dest: self.dest.tn.iter().filter_map(|tn| Number::canonical(tn)).collect(),
            attest,
            div,
            signed,
            signature,
        })
    }
}

/// Claims to be signed, in the order of RFC 8225 §9.
#[derive(Serialize)]
pub(super) struct Claims<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attest: Option<&'a str>,
    pub(super) dest: Tns<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) div: Option<Tn<'a>>,
    pub(super) iat: i64,
    pub(super) orig: Tn<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) origid: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Tns<'a> {
    pub(super) tn: [&'a str; 1],
}

#[derive(Serialize)]
pub(super) struct Tn<'a> {
    pub(super) tn: &'a str,
}

impl<'a> Claims<'a> {
    pub(super) fn base(orig: &'a Number, dest: &'a Number, iat: UnixTime) -> Self {
        Self {
            attest: None,
            dest: Tns { tn: [dest.as_str()] },
            div: None,
            iat: iat.seconds(),
            orig: Tn { tn: orig.as_str() },
            origid: None,
        }
    }
}

/// Header and claims as they are signed.
pub(super) fn signed_text(ppt: Ppt, x5u: &str, claims: &Claims<'_>) -> Option<String> {
    let ppt = match ppt {
        Ppt::Base => None,
        Ppt::Shaken => Some("shaken".into()),
        Ppt::Div => Some("div".into()),
    };
    let header = JoseHeader { alg: "ES256".into(), ppt, typ: "passport".into(), x5u: x5u.into() };
    let header = BASE64URL_NOPAD.encode(&serde_json::to_vec(&header).ok()?);
    let claims = BASE64URL_NOPAD.encode(&serde_json::to_vec(claims).ok()?);
    Some(format!("{header}.{claims}"))
}

fn decoded(part: &str) -> Result<Vec<u8>, Reason> {
    BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| Reason::Malformed)
}

/// RFC 7518 §3.4: r and s of 32 octets each.
fn signature(part: &str) -> Result<Box<[u8; 64]>, Reason> {
    let octets = decoded(part)?;
    <[u8; 64]>::try_from(octets.as_slice()).map(Box::new).map_err(|_| Reason::Signature)
}
