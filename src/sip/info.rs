//! Keys in the body of an INFO: `application/dtmf-relay` and `application/dtmf`, neither of which has an RFC.
//!
//! ```text
//! Signal=5            5
//! Duration=160
//! ```
//! The body is a pressed key, perhaps of a PIN: it is never logged.

use crate::sip::Request;
use crate::units::Digit;

/// What an INFO says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Info {
    /// A key was pressed.
    Key(Digit),
    /// Nothing; some peers send it to see whether the session lives.
    Empty,
    /// A key that no telephone has, or no key where one should be.
    Broken,
    /// Another type of body.
    Unknown,
}

/// What [`read`] understands, for the Accept header of a 415.
pub(crate) const ACCEPTED: &str = "application/dtmf-relay, application/dtmf";

/// Reads the body of an INFO.
pub(crate) fn read(request: &Request) -> Info {
    if request.body.is_empty() {
        return Info::Empty;
    }
    let Ok(Some(kind)) = request.headers.content_type() else { return Info::Unknown };
    let Ok(text) = std::str::from_utf8(&request.body) else { return Info::Broken };
    let signal = if kind.is("application", "dtmf-relay") {
        text.lines().find_map(signal_line)
    } else if kind.is("application", "dtmf") {
        Some(text.trim())
    } else {
        return Info::Unknown;
    };
    signal.and_then(key).map_or(Info::Broken, Info::Key)
}

fn signal_line(line: &str) -> Option<&str> {
    let (name, value) = line.split_once(['=', ':'])?;
    name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
}

/// The character itself, or the event code of star and hash, which some peers write.
fn key(signal: &str) -> Option<Digit> {
    match signal {
        "10" => Some(Digit::STAR),
        "11" => Some(Digit::HASH),
        _ => {
            let mut characters = signal.chars();
            let key = characters.next().and_then(Digit::from_char)?;
            characters.next().is_none().then_some(key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{Method, Uri};

    fn info(kind: &str, body: &'static str) -> Info {
        let uri = Uri::parse(b"sip:ivr@192.0.2.1").expect("a URI");
        read(&Request::new(Method::Info, uri).with_body(kind, body.into()))
    }

    fn pressed(c: char) -> Info {
        Info::Key(Digit::from_char(c).expect("a key"))
    }

    #[test]
    fn keys_are_read_from_both_types() {
        let relay = "application/dtmf-relay";
        let table = [
            (relay, "Signal=5\r\nDuration=160\r\n", pressed('5')),
            (relay, "Signal= *\r\nDuration= 160", pressed('*')),
            (relay, "signal=11\nduration=100", pressed('#')),
            (relay, "Signal=d", pressed('D')),
            (relay, "Duration=160", Info::Broken),
            (relay, "Signal=55", Info::Broken),
            ("application/dtmf", "7\r\n", pressed('7')),
            ("application/dtmf", "x", Info::Broken),
            ("application/dtmf", "", Info::Empty),
            ("application/media_control+xml", "<x/>", Info::Unknown),
        ];
        for (kind, body, expected) in table {
            assert_eq!(info(kind, body), expected, "{kind}: {body:?}");
        }
    }
}
