//! How a call was sent on before it came here: Diversion (RFC 5806) and History-Info (RFC 7044), read as one thing
//! (RFC 7544).
//!
//! Nothing here is verified. Entries that can't be read are passed over.

use super::super::header_name::Name;
use super::super::headers::Headers;
use super::super::lexer;
use super::super::uri::Uri;
use super::NameAddr;

/// The numbers that a call was sent on from.
#[derive(Clone, PartialEq, Eq)]
pub struct Diversions {
    /// How often it was sent on.
    pub count: u32,
    /// Who was called first.
    pub first: Uri,
    /// Who sent it here.
    pub last: Uri,
    /// Why the last one did, in a word of RFC 5806 §6.
    pub reason: &'static str,
}

impl Diversions {
    /// RFC 5806 §6.
    pub const REASONS: [&'static str; 11] = [
        "unknown",
        "user-busy",
        "no-answer",
        "unavailable",
        "unconditional",
        "time-of-day",
        "do-not-disturb",
        "deflection",
        "follow-me",
        "out-of-service",
        "away",
    ];

    /// What the headers of an INVITE say; `None`: it came straight here. Of the two headers the one that knows of more
    /// counts.
    #[must_use]
    pub fn of(headers: &Headers) -> Option<Self> {
        let told = [by_history_info(headers), by_diversion(headers)].into_iter().flatten();
        told.reduce(|one, other| if other.count > one.count { other } else { one })
    }
}

/// RFC 5806 §6: the latest comes first.
fn by_diversion(headers: &Headers) -> Option<Diversions> {
    let entries = addresses(headers, Name::Diversion);
    let (last, first) = (entries.first()?, entries.last()?);
    let times = |entry: &NameAddr| entry.params.get("counter").and_then(|times| times.parse().ok());
    let count = entries.iter().map(|entry| times(entry).unwrap_or(1).clamp(1, MAX_COUNT)).sum();
    let said = lexer::unquote(last.params.get("reason").unwrap_or_default());
    let reason = Diversions::REASONS.iter().find(|word| word.eq_ignore_ascii_case(&said)).copied();
    Some(Diversions {
        count,
        first: first.uri.clone(),
        last: last.uri.clone(),
        reason: reason.unwrap_or("unknown"),
    })
}

/// RFC 7044: the oldest comes first. RFC 7544 §4.2: an entry with a cause, in its address (RFC 4458) or as the Reason of the
/// one before, was sent on from the entry before it.
fn by_history_info(headers: &Headers) -> Option<Diversions> {
    let entries = addresses(headers, Name::HistoryInfo);
    let mut found: Option<Diversions> = None;
    for (from, to) in entries.iter().zip(entries.iter().skip(1)) {
        let cause =
            to.uri.param("cause").and_then(|cause| cause.parse().ok()).or_else(|| reason_of(&from.uri));
        let Some(reason) = cause.and_then(word_of) else { continue };
        let sent_on = found.take();
        let count = sent_on.as_ref().map_or(0, |before| before.count) + 1;
        let first = sent_on.map_or_else(|| from.uri.clone(), |before| before.first);
        found = Some(Diversions { count, first, last: from.uri.clone(), reason });
    }
    found
}

fn addresses(headers: &Headers, name: Name) -> Vec<NameAddr> {
    let values = headers.all(name).flat_map(|value| lexer::split_commas(value));
    values.take(MAX_ENTRIES).filter_map(NameAddr::parse).collect()
}

/// `?Reason=SIP%3Bcause%3D302`: why what was called there did not take the call.
fn reason_of(uri: &Uri) -> Option<u16> {
    let headers = uri.as_sip()?.headers.as_deref()?;
    let reasons = headers.split('&').filter_map(|header| header.split_once('='));
    let mut reasons = reasons.filter(|(name, _)| name.eq_ignore_ascii_case("Reason"));
    let reason = super::super::uri::unescape(reasons.next()?.1).to_ascii_lowercase();
    let mut params = reason.split(';').map(str::trim);
    (params.next()? == "sip").then_some(())?;
    params.find_map(|param| param.strip_prefix("cause=")?.trim().parse().ok())
}

/// RFC 7544 §4.2, table 3.
const fn word_of(cause: u16) -> Option<&'static str> {
    Some(match cause {
        302 => "unconditional",
        404 => "unknown",
        408 => "no-answer",
        480 | 487 => "deflection",
        486 | 600 => "user-busy",
        503 => "unavailable",
        _ => return None,
    })
}

/// Ours: no call is sent on more often and comes anywhere.
const MAX_ENTRIES: usize = 64;
const MAX_COUNT: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(Name, &str)]) -> Option<(u32, String, String, &'static str)> {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(*name, value.as_bytes().to_vec());
        }
        let found = Diversions::of(&headers)?;
        let user = |uri: &Uri| uri.user_without_params().unwrap_or_default();
        Some((found.count, user(&found.first), user(&found.last), found.reason))
    }

    fn found(
        count: u32,
        first: &str,
        last: &str,
        reason: &'static str,
    ) -> Option<(u32, String, String, &'static str)> {
        Some((count, first.to_owned(), last.to_owned(), reason))
    }

    #[test]
    fn diversions_are_read_latest_first() {
        use Name::{Diversion, HistoryInfo};
        let one = "<sip:+441632960100@carrier.example>;reason=user-busy;privacy=off;screen=no";
        assert_eq!(read(&[(Diversion, one)]), found(1, "+441632960100", "+441632960100", "user-busy"));
        let two = "<tel:+441632960102>;reason=No-Answer;counter=3, \"Ann\" <sip:+441632960101;npdi@c.example>;counter=2";
        assert_eq!(read(&[(Diversion, two)]), found(5, "+441632960101", "+441632960102", "no-answer"));
        let lines = [(Diversion, "<sip:2@c>;reason=\"away\""), (Diversion, "<sip:1@c>;reason=\"of my own\"")];
        assert_eq!(read(&lines), found(2, "1", "2", "away"));
        assert_eq!(
            read(&[(Diversion, "<sip:1@c>;counter=4000000000, nonsense")]),
            found(100, "1", "1", "unknown")
        );
        for nothing in ["", "nonsense", "<sip:1@c"] {
            assert_eq!(read(&[(Diversion, nothing)]), None, "{nothing}");
        }
        let history = "<sip:1@c>;index=1, <sip:2@c;cause=302>;index=1.1;mp=1";
        let both = [(Diversion, "<sip:9@c>;reason=away"), (HistoryInfo, history)];
        assert_eq!(read(&both).expect("diverted").3, "unconditional");
        let many = "<sip:1@c>, ".repeat(10_000);
        assert_eq!(read(&[(Diversion, &many)]).expect("diverted").0, 64);
    }

    #[test]
    fn of_a_history_the_entries_with_a_cause_were_sent_on() {
        for (history, expected) in [
            ("<sip:1@c>;index=1", None),
            // A proxy that only routes says no cause.
            ("<sip:1@c>;index=1, <sip:1@192.0.2.4>;index=1.1;rc=1", None),
            ("<sip:1@c>;index=1, <sip:2@c;cause=486>;index=1.1;mp=1", found(1, "1", "1", "user-busy")),
            (
                "<sip:1@c>;index=1,<sip:2@c;cause=302>;index=1.1;mp=1,<sip:2@h>;index=1.1.1;rc=1.1,\
                 <sip:3@c;cause=408>;index=1.2;mp=1.1",
                found(2, "1", "2", "no-answer"),
            ),
            (
                "<sip:1@c?Reason=SIP%3Bcause%3D302%3Btext%3D%22Moved%22&Privacy=history>;index=1, <sip:2@c>;index=1.1",
                found(1, "1", "1", "unconditional"),
            ),
            ("<sip:1@c?Reason=Q.850%3Bcause%3D486>;index=1, <sip:2@c>;index=1.1", None),
            ("<sip:1@c>;index=1, <sip:2@c;cause=200>;index=1.1", None),
        ] {
            assert_eq!(read(&[(Name::HistoryInfo, history)]), expected, "{history}");
        }
    }
}
