//! Whether what an INVITE presents holds (RFC 8224 §6.2, RFC 8946 §5).

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::certificate::{Chain, Trust};
use super::identity::IdentityHeader;
use super::number::{Number, NumberPlan};
use super::passport::{Passport, Ppt, Said};
use super::x5u::CertificateUrl;
use super::{Attestation, Reason};
use crate::sip::{HeaderName, Headers, Name, Uri};
use crate::units::UnixTime;

/// What an INVITE says of itself, as far as it is signed. Its numbers are personal.
pub struct Presented {
    identities: Vec<Box<[u8]>>,
    /// Who calls, as the flow will take it.
    caller: Option<Number>,
    /// The number that the call was sent to last: of the request, or of To when that is none.
    called: Option<Number>,
    to: Option<Number>,
    date: Option<UnixTime>,
    call_id: Box<str>,
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Presented({} identities)", self.identities.len())
    }
}

/// Identity headers of one INVITE that are looked at; each diversion adds one (RFC 8946 §4).
pub const MAX_IDENTITIES: usize = 8;

/// RFC 8224 §4.1, ATIS-1000074 §5.3.1: what is older, or further ahead, is not of this call.
pub(super) const FRESH: Duration = Duration::from_secs(60);

impl Presented {
    /// Reads an INVITE; `None` when it has no Identity. `identity` is who calls, as the flow will take it.
    #[must_use]
    pub fn of(
        headers: &Headers,
        identity: &Uri,
        request_uri: &Uri,
        to: &Uri,
        plan: &NumberPlan,
    ) -> Option<Self> {
        let all = headers.all(Name::Identity).take(MAX_IDENTITIES + 1);
        let identities: Vec<Box<[u8]>> = all.map(|value| value.as_ref().into()).collect();
        if identities.is_empty() {
            return None;
        }
        let number = |uri: &Uri| uri.user_without_params().and_then(|user| plan.read(&user));
        let to = number(to);
        Some(Self {
            identities,
            caller: number(identity),
            called: number(request_uri).or_else(|| to.clone()),
            to,
            date: headers.get(HeaderName::new("Date")).and_then(|value| date(value)),
            call_id: headers.call_id().unwrap_or_default().into(),
        })
    }

    /// The Call-ID that it came with.
    #[must_use]
    pub fn call_id(&self) -> &str {
        &self.call_id
    }
}

/// A Date header (RFC 3261 §20.17, the form of RFC 1123).
fn date(value: &[u8]) -> Option<UnixTime> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(UnixTime(parsed.as_millisecond()))
}

/// What is left to be shown of a call: that its PASSporTs were signed by somebody who may.
pub struct Candidate {
    /// That of who calls, then those of who sent the call on, the last first.
    passports: Vec<Passport>,
    orig: Number,
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Candidate({} passports)", self.passports.len())
    }
}

/// Looks at everything that needs no certificate. `own` are numbers that lead here beside the one that was dialled.
///
/// # Errors
/// Why the call is not verified.
pub fn examine(presented: &Presented, own: &[Number], now: UnixTime) -> Result<Candidate, Reason> {
    if presented.identities.len() > MAX_IDENTITIES {
        return Err(Reason::Malformed);
    }
    let said = Said { orig: presented.caller.as_ref(), dest: presented.to.as_ref(), date: presented.date };
    let mut passports = Vec::new();
    let mut worst = None;
    for value in &presented.identities {
        match IdentityHeader::parse(value).and_then(|header| Passport::read(&header, &said)) {
            Ok(Some(passport)) => passports.push(passport),
            Ok(None) => {}
            Err(reason) => worst = worst.or(Some(reason)),
        }
    }
    let (diversions, callers): (Vec<_>, Vec<_>) =
        passports.into_iter().partition(|passport| passport.ppt == Ppt::Div);
    let mut why = worst;
    for passport in best_first(callers) {
        match with_diversions(passport, &diversions, presented, own, now) {
            Ok(candidate) => return Ok(candidate),
            Err(reason) => why = why.or(Some(reason)),
        }
    }
    // Diversions alone say nothing of who calls.
    Err(why.unwrap_or(if diversions.is_empty() { Reason::Unsupported } else { Reason::Diversion }))
}

/// Those that say how far they vouch come first.
fn best_first(mut callers: Vec<Passport>) -> Vec<Passport> {
    callers.sort_by_key(|passport| passport.ppt != Ppt::Shaken);
    callers
}

fn with_diversions(
    passport: Passport,
    diversions: &[Passport],
    presented: &Presented,
    own: &[Number],
    now: UnixTime,
) -> Result<Candidate, Reason> {
    fresh(&passport, now)?;
    let orig = passport.orig.clone().ok_or(Reason::Caller)?;
    if presented.caller.as_ref() != Some(&orig) {
        return Err(Reason::Caller);
    }
    let mut passports = vec![passport];
    let mut here: Vec<&Number> = presented.called.iter().chain(own).collect();
    // RFC 8946 §5: back from here, one diversion after the other, to the number that was called first.
    loop {
        if passports.first().is_some_and(|first| is_for(first, &here)) {
            return Ok(Candidate { passports, orig });
        }
        let next = diversions.iter().find(|div| {
            is_for(div, &here)
                && div.orig.as_ref() == Some(&orig)
                && !passports.iter().any(|known| known.signed == div.signed)
        });
        let Some(next) = next else {
            return Err(if diversions.is_empty() { Reason::Called } else { Reason::Diversion });
        };
        fresh(next, now)?;
        here = next.div.iter().collect();
        passports.push(next.clone());
    }
}

fn is_for(passport: &Passport, here: &[&Number]) -> bool {
    passport.dest.iter().any(|dest| here.contains(&dest))
}

fn fresh(passport: &Passport, now: UnixTime) -> Result<(), Reason> {
    if now.since(passport.iat) > FRESH {
        Err(Reason::Stale)
    } else if passport.iat.since(now) > FRESH {
        Err(Reason::Future)
    } else {
        Ok(())
    }
}

impl Candidate {
    /// Where the certificates are; each once.
    #[must_use]
    pub fn certificates(&self) -> Vec<&CertificateUrl> {
        let mut all: Vec<_> = self.passports.iter().map(|passport| &passport.certificate).collect();
        all.sort();
        all.dedup();
        all
    }

    /// What was signed for this call alone.
    #[must_use]
    pub fn signed(&self) -> &str {
        self.passports.first().map(|passport| &*passport.signed).unwrap_or_default()
    }

    /// Whether all of it was signed by somebody who may: how far the number is vouched for then.
    ///
    /// # Errors
    /// Why it is not verified.
    pub fn judge<C: AsRef<Chain>>(
        &self,
        chains: &HashMap<CertificateUrl, Result<C, Reason>>,
        trust: &Trust,
        now: UnixTime,
    ) -> Result<Option<Attestation>, Reason> {
        for passport in &self.passports {
            let chain = match chains.get(&passport.certificate) {
                Some(Ok(chain)) => chain.as_ref(),
                Some(Err(reason)) => return Err(*reason),
                None => return Err(Reason::CertificateUnavailable),
            };
            // A diversion is signed by whoever has the number that it leads from (RFC 8946 §4).
            chain.check(trust, now, passport.div.as_ref().unwrap_or(&self.orig))?;
            if !chain.has_signed(&passport.signed, &passport.signature) {
                return Err(Reason::Signature);
            }
        }
        Ok(self.passports.first().and_then(|passport| passport.attest))
    }
}
