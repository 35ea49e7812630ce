//! How long a session lives without a sign of life (RFC 4028): the headers, and who is to refresh how often.
//!
//! Values and rules only; what is sent when is the session's part.

use std::time::Duration;

use super::header::Params;
use super::headers::Headers;
use super::lexer::{self, Lexer};
use super::{Method, Name, Request, Response, StatusCode};

/// The tag of the extension.
pub(crate) const TIMER: &str = "timer";

/// What this side wants of the sessions that it takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    /// A session without a sign of life for this long is over.
    pub interval: Duration,
    /// Nobody may demand a shorter interval.
    pub least: Duration,
}

impl Default for SessionTimer {
    fn default() -> Self {
        // RFC 4028 §4: half an hour is recommended, and less than 90 s forbidden.
        Self { interval: Duration::from_secs(1800), least: Duration::from_secs(90) }
    }
}

/// Who refreshes: the side that sent, or the side that answers, the request of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refresher {
    Uac,
    Uas,
}

impl Refresher {
    const fn name(self) -> &'static str {
        match self {
            Self::Uac => "uac",
            Self::Uas => "uas",
        }
    }
}

/// Session-Expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SessionExpires {
    interval: Duration,
    refresher: Option<Refresher>,
}

impl SessionExpires {
    /// One that breaks its grammar counts as none: no call is lost over it.
    fn of(headers: &Headers) -> Option<Self> {
        let (interval, params) = seconds(headers, Name::SessionExpires)?;
        let refresher = match params.get("refresher").map(str::to_ascii_lowercase).as_deref() {
            Some("uac") => Some(Refresher::Uac),
            Some("uas") => Some(Refresher::Uas),
            _ => None,
        };
        Some(Self { interval, refresher })
    }
}

fn seconds(headers: &Headers, name: Name) -> Option<(Duration, Params)> {
    let mut lexer = Lexer::new(headers.get(name)?);
    lexer.skip_space();
    let seconds = lexer::decimal(lexer.take_while(|byte| byte.is_ascii_digit()))?;
    let params = Params::parse(&mut lexer)?;
    Some((Duration::from_secs(seconds.into()), params))
}

/// The shortest interval that somebody on the way, or the peer, puts up with (Min-SE).
pub(crate) fn least(headers: &Headers) -> Option<Duration> {
    seconds(headers, Name::MinSe).map(|(interval, _)| interval)
}

/// The two sides agreed: how long, and who refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) interval: Duration,
    pub(crate) refresher: Refresher,
    /// The peer, or a proxy on the way, counts, too. Otherwise the refreshes are questions of ours whether it lives.
    pub(crate) shared: bool,
}

impl Agreed {
    /// What the answer to a request says (RFC 4028 §9, Table 2). Where the peer leaves it to us we refresh: so we
    /// learn when it is dead.
    pub(crate) fn answering(own: SessionTimer, request: &Headers) -> Self {
        let asked = SessionExpires::of(request);
        let supported = supports(request);
        let least = least(request).unwrap_or(own.least);
        let interval = match asked {
            // Shorter than asked for, never longer.
            Some(asked) => own.interval.max(least).min(asked.interval),
            None => own.interval.max(least),
        };
        let refresher = asked.and_then(|asked| asked.refresher).filter(|_| supported);
        Self {
            interval: interval.clamp(own.least, LONGEST),
            refresher: refresher.unwrap_or(Refresher::Uas),
            shared: supported || asked.is_some(),
        }
    }

    /// What a 2xx to a request of ours settled (RFC 4028 §7.2).
    pub(crate) fn answered(own: SessionTimer, response: &Headers) -> Self {
        let silent = Self { interval: own.interval, refresher: Refresher::Uac, shared: false };
        SessionExpires::of(response).map_or(silent, |said| Self {
            interval: said.interval.clamp(own.least, LONGEST),
            refresher: said.refresher.unwrap_or(Refresher::Uac),
            shared: true,
        })
    }

    /// Says it in a 2xx to this request.
    pub(crate) fn write(&self, request: &Headers, response: &mut Headers) {
        response.push(Name::SessionExpires, self.value(Some(self.refresher)));
        if self.refresher == Refresher::Uac && supports(request) {
            // RFC 4028 §9: so that the peer knows that it must.
            response.push(Name::Require, TIMER);
        }
    }

    fn value(&self, refresher: Option<Refresher>) -> String {
        let seconds = self.interval.as_secs();
        refresher.map_or_else(|| seconds.to_string(), |who| format!("{seconds};refresher={}", who.name()))
    }
}

/// What an INVITE or UPDATE of ours asks for. `refresher`: who does it now, when the session is up (RFC 4028 §7.4).
pub(crate) fn ask(
    own: SessionTimer,
    interval: Duration,
    refresher: Option<Refresher>,
    headers: &mut Headers,
) {
    let wanted = Agreed { interval, refresher: Refresher::Uac, shared: true };
    headers.set(Name::SessionExpires, wanted.value(refresher));
    // RFC 4028 §7.4: after a 422 what it said; otherwise what stands for it when it is left out needs no word.
    if interval > own.interval {
        headers.set(Name::MinSe, interval.as_secs().to_string());
    } else if own.least != SessionTimer::default().least {
        headers.set(Name::MinSe, own.least.as_secs().to_string());
    }
}

/// The 422 for a request that wants less than we put up with (RFC 4028 §9); only who knows the extension gets it.
pub(crate) fn too_short(own: SessionTimer, request: &Request) -> Option<Response> {
    let begins = matches!(request.method, Method::Invite | Method::Update);
    let asked = SessionExpires::of(&request.headers).filter(|_| begins && supports(&request.headers))?;
    (asked.interval < own.least).then(|| {
        Response::stateless(request, StatusCode::SESSION_INTERVAL_TOO_SMALL)
            .with(Name::MinSe, own.least.as_secs().to_string())
    })
}

fn supports(headers: &Headers) -> bool {
    let named = |tags: Vec<String>| tags.iter().any(|tag| tag.eq_ignore_ascii_case(TIMER));
    named(headers.supported()) || named(headers.require())
}

/// Ours: a day. A longer interval would never be noticed to have passed.
pub(crate) const LONGEST: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(Name, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(*name, value.as_bytes().to_vec());
        }
        headers
    }

    const OWN: SessionTimer =
        SessionTimer { interval: Duration::from_secs(1800), least: Duration::from_secs(90) };

    #[test]
    fn an_answer_is_never_longer_than_asked_for_and_names_who_refreshes() {
        let (timer, expires, min) = ((Name::Supported, "100rel, timer"), Name::SessionExpires, Name::MinSe);
        for (lines, seconds, refresher, shared) in [
            (vec![], 1800, Refresher::Uas, false),
            (vec![timer], 1800, Refresher::Uas, true),
            (vec![timer, (expires, "600")], 600, Refresher::Uas, true),
            (vec![timer, (expires, "600 ; refresher=UAC")], 600, Refresher::Uac, true),
            (vec![timer, (expires, "600;refresher=uas")], 600, Refresher::Uas, true),
            (vec![timer, (expires, "7200;refresher=uac")], 1800, Refresher::Uac, true),
            (vec![timer, (expires, "7200"), (min, "3600")], 3600, Refresher::Uas, true),
            // A proxy asks on behalf of a peer that does not know it, and can't be told to refresh.
            (vec![(expires, "600;refresher=uac")], 600, Refresher::Uas, true),
            (vec![timer, (expires, "soon")], 1800, Refresher::Uas, true),
            (vec![timer, (expires, "600;;")], 1800, Refresher::Uas, true),
            (vec![timer, (expires, "4294967295"), (min, "4294967295")], 86_400, Refresher::Uas, true),
            (vec![(expires, "0")], 90, Refresher::Uas, true),
        ] {
            let agreed = Agreed::answering(OWN, &headers(&lines));
            let expected = Agreed { interval: Duration::from_secs(seconds), refresher, shared };
            assert_eq!(agreed, expected, "{lines:?}");
        }
    }

    #[test]
    fn what_a_peer_answers_is_kept_within_bounds() {
        let said = |value: &str| Agreed::answered(OWN, &headers(&[(Name::SessionExpires, value)]));
        assert_eq!(said("300;refresher=uas").refresher, Refresher::Uas);
        assert_eq!(said("300").refresher, Refresher::Uac);
        assert_eq!(said("0;refresher=uac").interval, OWN.least);
        assert_eq!(said("99999999").interval, LONGEST);
        assert!(!Agreed::answered(OWN, &Headers::new()).shared);
    }
}
